// SPDX-License-Identifier: GPL-2.0-only
/* A SIGCHLD that was not taken yet still is pending, once; a parent that ignores it by now keeps its zombie. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static volatile sig_atomic_t told;

static void on_child(int sig)
{
	(void)sig;
	told++;
}

static pid_t zombie(int code)
{
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(code);
	live_check(pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	return pid;
}

/* Has a zombie from before it ignored them. */
static void ignore(volatile int *phase)
{
	pid_t pid = zombie(9);
	int status;

	signal(SIGCHLD, SIG_IGN);
	*phase = 1;
	while (*phase != 2)
		usleep(10000);
	if (waitpid(pid, &status, WNOHANG) != pid || WEXITSTATUS(status) != 9)
		live_fail("the zombie of a process that ignores SIGCHLD is gone");
	_exit(0);
}

int main(int argc, char **argv)
{
	volatile int *phase;
	pid_t child, first, second;
	sigset_t set;
	int status;

	live_setup(argc, argv);
	phase = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	child = fork();
	if (child == 0)
		ignore(phase);
	while (*phase != 1)
		usleep(1000);
	signal(SIGCHLD, on_child);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	first = zombie(1);
	second = zombie(2);
	live_ready();
	sigpending(&set);
	live_check(told == 0 && sigismember(&set, SIGCHLD));
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	live_check(told == 1);
	live_check(waitpid(second, &status, WNOHANG) == second && status == 2 << 8);
	live_check(waitpid(first, &status, WNOHANG) == first && status == 1 << 8);
	*phase = 2;
	live_check(waitpid(child, &status, 0) == child && status == 0);
	live_pass();
}
