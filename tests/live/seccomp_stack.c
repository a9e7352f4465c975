// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stack of filters keeps its order, programs and flags, does again what it did (errno, trap, kill), goes on to
 * children, and is there also where its process has given up the right to set it.
 */
#include <linux/ptrace.h>
#include <string.h>
#include <sys/wait.h>
#include "live.h"
#include "seccomp.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1	/* si_code of SIGSYS (asm-generic/siginfo.h) */
#endif

static volatile sig_atomic_t trapped;

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	trapped = info->si_code == SYS_SECCOMP && info->si_errno == 7 ? info->si_syscall : -1;
}

/* Of two filters that say the same of a call, the one that was set last is heard. */
static int stack_works(void)
{
	trapped = 0;
	syscall(SYS_getpgrp);
	return trapped == SYS_getpgrp && filter_errno(SYS_getuid) == 33 && filter_errno(SYS_getppid) == ENOANO &&
	       filter_errno(SYS_getgid) == 0;
}

static int stack_set(void)
{
	struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };

	sigaction(SIGSYS, &action, NULL);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       filter_set(0, SYS_getuid, SECCOMP_RET_ERRNO | 11) == 0 &&
	       filter_set(SECCOMP_FILTER_FLAG_LOG, SYS_getpgrp, SECCOMP_RET_TRAP | 7) == 0 &&
	       filter_set(0, SYS_getppid, SECCOMP_RET_ERRNO | ENOANO) == 0 &&
	       filter_set(0, SYS_getuid, SECCOMP_RET_ERRNO | 33) == 0 && stack_works();
}

/* Reports "y" or "n" for each "?" it reads, itself or a child that it had before. */
static void stacked(int in, int out)
{
	char c = stack_set() ? 'y' : 'n';
	pid_t child = fork();

	if (write(out, &c, 1) != 1)
		_exit(1);
	while (read(in, &c, 1) == 1) {
		c = stack_works() && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 'y' : 'n';
		if (write(out, &c, 1) != 1)
			_exit(1);
		_exit(child == 0 || waitpid(child, NULL, 0) != child);
	}
	_exit(1);
}

/* May do next to nothing, and is killed for anything else: cpt's calls, too, would end it. */
static void confined(int in, int out)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setresuid, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };
	char c = 'y';

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) || setresuid(1, 1, 1) || write(out, &c, 1) != 1)
		_exit(1);
	if (read(in, &c, 1) == 1 && write(out, &c, 1) == 1)
		getppid();
	_exit(1);
}

static pid_t start(void (*body)(int in, int out), int *to, int *from)
{
	int in[2], out[2];
	char c;
	pid_t pid;

	live_check(pipe(in) == 0 && pipe(out) == 0);
	pid = fork();
	if (pid == 0) {
		close(in[1]);
		close(out[0]);
		body(in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	live_check(read(*from, &c, 1) == 1 && c == 'y');
	return pid;
}

static int ended(pid_t pid)
{
	int status = 0;

	live_check(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Filter @index of @pid, which is stopped, from the oldest. */
static void check_filter(pid_t pid, unsigned long index, const struct sock_filter *want, unsigned long long flags)
{
	struct sock_filter code[BPF_MAXINSNS];
	struct seccomp_metadata metadata = { .filter_off = index };

	live_check(syscall(SYS_ptrace, PTRACE_SECCOMP_GET_FILTER, pid, index, code) == 4);
	live_check(memcmp(code, want, 4 * sizeof(*want)) == 0);
	live_check(syscall(SYS_ptrace, PTRACE_SECCOMP_GET_METADATA, pid, sizeof(metadata), &metadata) > 0);
	live_check(metadata.flags == flags);
}

static void check_programs(pid_t pid)
{
	const struct sock_filter first[] = FILTER_OF(SYS_getuid, SECCOMP_RET_ERRNO | 11);
	const struct sock_filter second[] = FILTER_OF(SYS_getpgrp, SECCOMP_RET_TRAP | 7);
	const struct sock_filter last[] = FILTER_OF(SYS_getuid, SECCOMP_RET_ERRNO | 33);
	struct sock_filter code[BPF_MAXINSNS];

	live_check(syscall(SYS_ptrace, PTRACE_SEIZE, pid, 0, 0) == 0 && syscall(SYS_ptrace, PTRACE_INTERRUPT, pid, 0, 0) == 0);
	live_check(waitpid(pid, NULL, 0) == pid);
	check_filter(pid, 0, first, 0);
	check_filter(pid, 1, second, SECCOMP_FILTER_FLAG_LOG);
	check_filter(pid, 3, last, 0);
	live_check(syscall(SYS_ptrace, PTRACE_SECCOMP_GET_FILTER, pid, 4, code) < 0 && errno == ENOENT);
	live_check(syscall(SYS_ptrace, PTRACE_DETACH, pid, 0, 0) == 0);
}

int main(int argc, char **argv)
{
	int to_stack, from_stack, to_confined, from_confined;
	pid_t stack, prisoner;
	char c;

	live_setup(argc, argv);
	live_needs_host("it reads seccomp filters by ptrace(2), which is for the host's root");
	stack = start(stacked, &to_stack, &from_stack);
	live_check(read(from_stack, &c, 1) == 1 && c == 'y');	/* its child */
	prisoner = start(confined, &to_confined, &from_confined);
	live_ready();
	check_programs(stack);
	for (int i = 0; i < 2; i++)
		live_check(write(to_stack, "?", 1) == 1 && read(from_stack, &c, 1) == 1 && c == 'y');
	live_check(ended(stack) == 0);
	live_check(write(to_confined, "?", 1) == 1 && read(from_confined, &c, 1) == 1);
	live_check(ended(prisoner) == -SIGSYS);
	live_check(filter_errno(SYS_getuid) == 0);
	live_pass();
}
