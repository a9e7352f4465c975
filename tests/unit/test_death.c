// SPDX-License-Identifier: GPL-2.0-only
/*
 * The death of the tracer. A process that makes a foothold in a target, runs
 * batches in two of its threads and removes it again is killed before its
 * first system call, before its second and so on until it comes to its end.
 * The target runs on each time, with registers, signal mask and mappings as
 * they were. Needs the right to ptrace.
 */
#include "target.h"
#include <errno.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include "remote/batch.h"
#include "remote/tracee.h"

/* ---- the target ------------------------------------------------------------ */

enum { LEADER, OTHER, NR_THREADS };
enum { TID = 0, LOOPS = 2, SIGNALS = 4, BAD = 5, LINE = 6 };	/* in shared.value[] */

static struct shared *shared;
static uint64_t numbers[16];

static void bad(int line)
{
	if (!shared->value[BAD])
		shared->value[LINE] = line;
	shared->value[BAD]++;
}

static void on_signal(int signal)
{
	(void)signal;
	shared->value[SIGNALS]++;
}

/* All general registers but rsp have known values for a while; so have the flags. */
static void spin(void)
{
	uint64_t wrong;

	__asm__ volatile(
		"push %%rbp; push %%rbx\n"
		"mov $0x1111, %%rbx; mov $0x2222, %%rcx; mov $0x3333, %%rdx; mov $0x4444, %%rsi; mov $0x5555, %%rdi\n"
		"mov $0x6666, %%rbp; mov $0x7777, %%r8; mov $0x8888, %%r9; mov $0x9999, %%r10; mov $0xaaaa, %%r11\n"
		"mov $0xbbbb, %%r12; mov $0xcccc, %%r13; mov $0xdddd, %%r14; mov $0xeeee, %%r15; mov $3000, %%rax\n"
		"movq $0x1234, -16(%%rsp)\n"		/* the red zone */
		"1: stc; nop; nop; nop; nop; nop; jnc 2f; dec %%rax; jnz 1b\n"
		"xor $0x1111, %%rbx; xor $0x2222, %%rcx; xor $0x3333, %%rdx; xor $0x4444, %%rsi; xor $0x5555, %%rdi\n"
		"xor $0x6666, %%rbp; xor $0x7777, %%r8; xor $0x8888, %%r9; xor $0x9999, %%r10; xor $0xaaaa, %%r11\n"
		"xor $0xbbbb, %%r12; xor $0xcccc, %%r13; xor $0xdddd, %%r14; xor $0xeeee, %%r15\n"
		"or %%rcx, %%rbx; or %%rdx, %%rbx; or %%rsi, %%rbx; or %%rdi, %%rbx; or %%rbp, %%rbx; or %%r8, %%rbx\n"
		"or %%r9, %%rbx; or %%r10, %%rbx; or %%r11, %%rbx; or %%r12, %%rbx; or %%r13, %%rbx; or %%r14, %%rbx\n"
		"or %%r15, %%rbx; mov %%rbx, %%rax; xorq $0x1234, -16(%%rsp); or -16(%%rsp), %%rax; jmp 3f\n"
		"2: mov $1, %%eax\n"
		"3: pop %%rbx; pop %%rbp\n"
		: "=a"(wrong) : : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory");
	if (wrong)
		bad(__LINE__);
}

static void check_mask(int blocked)
{
	uint64_t mask = 0;

	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
	if (mask != 1ull << (blocked - 1))
		bad(__LINE__);
}

static void live(int thread, int blocked)
{
	sigset_t mask;
	int pipe_fds[2];
	char byte = 0;

	sigemptyset(&mask);
	sigaddset(&mask, blocked);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (pipe(pipe_fds) < 0)
		bad(__LINE__);
	shared->value[TID + thread] = gettid();
	for (;;) {
		uint64_t mine[16];

		memcpy(mine, numbers, sizeof(mine));
		spin();
		if (memcmp(mine, numbers, sizeof(mine)))
			bad(__LINE__);
		check_mask(blocked);
		usleep(20);
		byte++;
		if (write(pipe_fds[1], &byte, 1) != 1 || read(pipe_fds[0], &byte, 1) != 1)
			bad(__LINE__);
		shared->value[LOOPS + thread]++;
	}
}

static void *other_main(void *arg)
{
	live(OTHER, SIGUSR2);
	return arg;
}

static void target_body(struct shared *shm)
{
	struct itimerval often = { { 0, 900 }, { 0, 900 } };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t thread;

	shared = shm;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		numbers[i] = i * 0x9e3779b97f4a7c15;
	sigaction(SIGALRM, &action, NULL);
	if (pthread_create(&thread, NULL, other_main, NULL))
		bad(__LINE__);
	setitimer(ITIMER_REAL, &often, NULL);
	live(LEADER, SIGUSR1);
}

/* ---- the tracer -------------------------------------------------------------- */

static int run_calls(struct remote *r, struct tracee *t, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();

	for (int i = 0; i < 20; i++)
		batch_call(b, "who", SYS_gettid);
	batch_call(b, "sleep", SYS_nanosleep, ARG_AT(batch_data(b, &(struct timespec){ 0, 300000 }, 16)), ARG(0));
	batch_call(b, "who", SYS_getppid);
	return remote_run(r, t, b, e);
}

static int tracer_main(const struct shared *shm)
{
	struct tracee t[NR_THREADS];
	struct remote *r = NULL;
	struct err e = ERR_INIT;
	int ret = 0;

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (int i = 0; ret == 0 && i < NR_THREADS; i++)
		ret = tracee_seize(&t[i], (pid_t)shm->value[TID + i], &e);
	ret = ret ?: remote_open(&r, &t[LEADER], 0, &e) ?: run_calls(r, &t[LEADER], &e) ?:
	      run_calls(r, &t[OTHER], &e) ?: run_calls(r, &t[LEADER], &e) ?: remote_close(r, &t[LEADER], &e);
	for (int i = 0; i < NR_THREADS; i++)
		ret = ret ?: tracee_release(&t[i], &e);
	if (ret < 0)
		fprintf(stderr, "%s\n", e.msg);
	return ret < 0;
}

/* Run it up to its @nr-th stop at a system call, and kill it there. True: it came to its end before that. */
static bool kill_tracer_at(const struct shared *shm, unsigned int nr)
{
	pid_t pid = fork();
	int status, done;

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(tracer_main(shm));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (unsigned int i = 0; WIFSTOPPED(status) && i < nr; i++) {
		assert_int_equal(ptrace(PTRACE_SYSCALL, pid, 0, 0), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	done = WIFEXITED(status);
	if (!done) {
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	} else {
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	return done;
}

/* ---- the test ------------------------------------------------------------------ */

static char *maps_of(pid_t pid)
{
	char path[32], *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	assert_int_equal(read_file_at(-1, path, &maps, NULL), 0);
	return maps;
}

static void must_go_on(const struct target *t, unsigned int nr)
{
	for (int i = 0; i < NR_THREADS; i++) {
		long from = t->shm->value[LOOPS + i];
		uint64_t deadline = now_ns() + TARGET_TIMEOUT_NS;

		while (t->shm->value[LOOPS + i] < from + 2) {
			if (waitpid(t->pid, NULL, WNOHANG) != 0)
				fail_msg("killed at its system call stop %u: the target ended", nr);
			if (now_ns() > deadline)
				fail_msg("killed at its system call stop %u: thread %d stands still", nr, i);
			usleep(100);
		}
	}
	if (t->shm->value[BAD])
		fail_msg("killed at its system call stop %u: the target says %ld", nr, t->shm->value[LINE]);
}

static void test_every_system_call(void **state)
{
	struct target t = target_start(target_body);
	_cleanup_free_ char *before = NULL;
	unsigned int nr = 0;
	bool done = false;

	(void)state;
	while (t.shm->value[LOOPS + LEADER] < 3 || t.shm->value[LOOPS + OTHER] < 3)
		usleep(100);
	before = maps_of(t.pid);
	for (; !done; nr++) {
		_cleanup_free_ char *after = NULL;

		done = kill_tracer_at(t.shm, nr);
		must_go_on(&t, nr);
		after = maps_of(t.pid);
		if (strcmp(before, after))
			fail_msg("killed at its system call stop %u: mappings were\n%s and are\n%s", nr, before, after);
	}
	assert_true(nr > 100);
	assert_true(t.shm->value[SIGNALS] > 0);
	printf("killed at %u system call stops\n", nr - 1);
	target_kill(&t);
}

static void test_bound_ends_with_tracer(void **state)
{
	struct target t = target_start(target_body);
	struct tracee tracee;
	struct err e = ERR_INIT;
	pid_t tracer;
	int status;

	(void)state;
	while (t.shm->value[LOOPS + OTHER] < 1)
		usleep(100);
	tracer = fork();
	if (tracer == 0)
		_exit(tracee_seize(&tracee, t.pid, &e) < 0 || tracee_bind(&tracee, &e) < 0);
	assert_int_equal(waitpid(tracer, &status, 0), tracer);
	assert_int_equal(status, 0);
	assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	munmap(t.shm, sizeof(*t.shm));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_system_call), cmocka_unit_test(test_bound_ends_with_tracer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
