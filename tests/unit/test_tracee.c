// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads are held, used for remote calls and let go without noticing. Needs
 * the right to ptrace.
 */
#include "target.h"
#include <errno.h>
#include <linux/futex.h>
#include <linux/rseq.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "remote/batch.h"
#include "remote/tracee.h"

/* Long enough to hold all waiting targets twice in half of it, see measure(). */
static long timeout_ms = 600;

static long ms_since(uint64_t begin)
{
	return (long)((now_ns() - begin) / 1000000);
}

/* Hold, and make calls in it as a snapshot does. */
static void use(struct tracee *t, pid_t tid)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct remote *r;
	struct err e = ERR_INIT;

	for (int i = 0; i < 100; i++)
		batch_expect(b, batch_call(b, "ask", SYS_gettid, ARG(0)), tid);
	assert_ok(tracee_seize(t, tid, &e), &e);
	assert_ok(remote_open(&r, t, 0, &e), &e);
	assert_ok(remote_run(r, t, b, &e), &e);
	assert_ok(remote_run(r, t, b, &e), &e);
	assert_ok(remote_close(r, t, &e), &e);
}

static void let_go(struct tracee *t)
{
	struct err e = ERR_INIT;

	assert_ok(tracee_release(t, &e), &e);
}

static void use_and_let_go(pid_t tid)
{
	struct tracee t;

	use(&t, tid);
	let_go(&t);
}

/* ---- calls restart --------------------------------------------------------- */

static int wait_nanosleep(int fd)
{
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };

	(void)fd;
	return nanosleep(&t, NULL);
}

static int wait_poll(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, (int)timeout_ms);
}

static int wait_futex(int fd)
{
	static uint32_t word;
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };

	(void)fd;
	return (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, &t) < 0 && errno == ETIMEDOUT ? 0 : -1;
}

static int wait_ppoll(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	sigset_t none;

	sigemptyset(&none);
	return ppoll(&p, 1, &t, &none);
}

static int wait_epoll(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	return epoll_wait(epoll, &event, 1, (int)timeout_ms);
}

static int wait_semtimedop(int fd)
{
	int id = semget(IPC_PRIVATE, 1, 0600), r;
	struct sembuf op = { 0, -1, 0 };
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };

	(void)fd;
	r = semtimedop(id, &op, 1, &t) < 0 && errno == EAGAIN ? 0 : -1;
	semctl(id, 0, IPC_RMID);
	return r;
}

static int wait_sigtimedwait(int fd)
{
	struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	sigset_t set;

	(void)fd;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigtimedwait(&set, NULL, &t) < 0 && errno == EAGAIN ? 0 : -1;
}

static int wait_recv(int fd)
{
	int pair[2];
	struct timeval t = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	char c;

	(void)fd;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	return recv(pair[0], &c, 1, 0) < 0 && errno == EAGAIN ? 0 : -1;
}

struct wait {
	const char *name;
	int (*call)(int fd);	/* 0 when its timeout passed */
	enum { KEEPS_DEADLINE, KEEPS_REST, BEGINS_ANEW } timeout;
	struct target target;
};

static struct wait waits[] = {
	{ .name = "nanosleep", .call = wait_nanosleep },
	{ .name = "poll", .call = wait_poll },
	{ .name = "futex", .call = wait_futex },
	{ .name = "ppoll", .call = wait_ppoll, .timeout = KEEPS_REST },
	/* The kernel does not restart these. */
	{ .name = "epoll_wait", .call = wait_epoll, .timeout = BEGINS_ANEW },
	{ .name = "semtimedop", .call = wait_semtimedop, .timeout = BEGINS_ANEW },
	{ .name = "sigtimedwait", .call = wait_sigtimedwait, .timeout = BEGINS_ANEW },
	{ .name = "recv", .call = wait_recv, .timeout = BEGINS_ANEW },
};

static struct wait *this_wait;

static void waiter(struct shared *shm)
{
	int fds[2];
	uint64_t begin;

	if (pipe(fds) < 0)
		_exit(1);
	begin = now_ns();
	shm->step = 1;
	errno = 0;
	shm->value[0] = this_wait->call(fds[0]);
	shm->value[1] = errno;
	shm->value[2] = ms_since(begin);
}

static void start_waits(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		this_wait = &waits[i];
		waits[i].target = target_start(waiter);
	}
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		wait_asleep(&waits[i].target, 1);
}

/* Every call must end as if nothing had happened. */
static void end_wait(struct wait *w, long least, long most)
{
	struct shared *shm = w->target.shm;

	while (target_state(w->target.pid) != 'Z')
		usleep(1000);
	if (shm->value[0] != 0)
		fail_msg("%s: %ld, %s", w->name, (long)shm->value[0], strerror((int)shm->value[1]));
	if (shm->value[2] < least || shm->value[2] > most)
		fail_msg("%s took %ld ms instead of %ld", w->name, (long)shm->value[2], least);
	target_join(&w->target);
}

static void test_timeouts_go_on(void **state)
{
	const long third_ms = timeout_ms / 3;

	(void)state;
	start_waits();
	usleep((useconds_t)third_ms * 1000);
	/* Twice: also out of the restarted call. */
	for (int turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
			use_and_let_go(waits[i].target.pid);
		}
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		struct wait *w = &waits[i];

		end_wait(w, w->timeout == BEGINS_ANEW ? timeout_ms + third_ms : timeout_ms,
			 w->timeout == BEGINS_ANEW ? 10 * timeout_ms : timeout_ms + third_ms - 20);
	}
}

/* Held beyond their timeout. */
static void test_timeouts_pass(void **state)
{
	struct tracee held[ARRAY_SIZE(waits)];

	(void)state;
	start_waits();
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		use(&held[i], waits[i].target.pid);
	usleep((useconds_t)(timeout_ms + 100) * 1000);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		let_go(&held[i]);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
		end_wait(&waits[i], timeout_ms + 100,
			 waits[i].timeout == KEEPS_DEADLINE ? 2 * timeout_ms : 10 * timeout_ms);
}

static int pipe_in[2];

static void reader(struct shared *shm)
{
	char buf[8] = "";

	shm->step = 1;
	shm->value[0] = read(pipe_in[0], buf, sizeof(buf));
	shm->value[1] = errno;
	shm->value[2] = memcmp(buf, "hello", 5) == 0;
}

static void test_read_goes_on(void **state)
{
	struct target target;

	(void)state;
	assert_int_equal(pipe(pipe_in), 0);
	target = target_start(reader);
	wait_asleep(&target, 1);
	for (int i = 0; i < 20; i++)
		use_and_let_go(target.pid);
	wait_state(target.pid, 'S');
	assert_int_equal(write(pipe_in[1], "hello", 5), 5);
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	assert_int_equal(target.shm->value[0], 5);
	assert_int_equal(target.shm->value[2], 1);
	target_join(&target);
	close(pipe_in[0]);
	close(pipe_in[1]);
}

/* ---- signals --------------------------------------------------------------- */

static struct shared *handler_shm;

static void count_signal(int sig, siginfo_t *info, void *context)
{
	long nr = handler_shm->value[0]++;

	(void)context;
	if (nr < 10) {
		handler_shm->value[10 + 3 * nr] = sig;
		handler_shm->value[11 + 3 * nr] = info->si_code;
		handler_shm->value[12 + 3 * nr] = info->si_value.sival_int;
	}
}

static void handle(int sig)
{
	struct sigaction a = { .sa_sigaction = count_signal, .sa_flags = SA_SIGINFO };

	sigaction(sig, &a, NULL);
}

static void interrupted_reader(struct shared *shm)
{
	int fds[2];
	char c;

	handler_shm = shm;
	for (int sig = SIGRTMIN; sig < SIGRTMIN + 3; sig++)
		handle(sig);
	handle(SIGWINCH);
	if (pipe(fds) < 0)
		_exit(1);
	shm->step = 1;
	shm->value[1] = read(fds[0], &c, 1);
	shm->value[2] = errno;
}

static void queue(pid_t pid, int sig, int value)
{
	assert_int_equal(sigqueue(pid, sig, (union sigval){ .sival_int = value }), 0);
}

/* Signals that come while it is held are handled afterwards, and the call ends as it must. */
static void test_signals_are_delivered_after(void **state)
{
	struct target target = target_start(interrupted_reader);
	struct remote *r;
	struct tracee t;
	struct err e = ERR_INIT;
	int64_t got;
	int seen = 0;

	(void)state;
	wait_asleep(&target, 1);
	assert_ok(tracee_seize(&t, target.pid, &e), &e);
	queue(target.pid, SIGRTMIN, 1);
	assert_ok(remote_open(&r, &t, 0, &e), &e);
	queue(target.pid, SIGRTMIN + 1, 2);
	assert_ok(remote_call(r, &t, "ask", &got, SYS_getpid, 0, NULL, &e), &e);
	queue(target.pid, SIGRTMIN + 1, 3);
	queue(target.pid, SIGRTMIN, 4);
	assert_ok(remote_call(r, &t, "ask", &got, SYS_getpid, 0, NULL, &e), &e);
	assert_int_equal(target.shm->value[0], 0);
	assert_ok(remote_close(r, &t, &e), &e);
	let_go(&t);
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	assert_int_equal(target.shm->value[0], 4);
	/* Frames are made before any handler runs, so the order is the kernel's; none is missing. */
	for (int i = 0; i < 4; i++) {
		long value = target.shm->value[12 + 3 * i];

		assert_in_range(value, 1, 4);
		assert_int_equal(seen & 1 << value, 0);
		seen |= 1 << value;
		assert_int_equal(target.shm->value[10 + 3 * i],
				 value == 1 || value == 4 ? SIGRTMIN : SIGRTMIN + 1);
		assert_int_equal(target.shm->value[11 + 3 * i], SI_QUEUE);
	}
	assert_int_equal(target.shm->value[1], -1);
	assert_int_equal(target.shm->value[2], EINTR);
	target_join(&target);
}

/* A stream of signals while it is held and let go many times: none is lost. */
static void counter(struct shared *shm)
{
	handler_shm = shm;
	handle(SIGRTMIN);
	handle(SIGWINCH);
	shm->step = 1;
	while (!shm->go) {
		struct timespec t = { 0, 100000 };

		nanosleep(&t, NULL);
	}
}

static void test_no_signal_is_lost(void **state)
{
	struct target target = target_start(counter);
	struct shared *shm = target.shm;
	pid_t sender;

	(void)state;
	wait_step(&target, 1);
	sender = fork();
	if (sender == 0) {
		while (!shm->value[50]) {
			if (sigqueue(target.pid, SIGRTMIN, (union sigval){ .sival_int = 0 }) == 0)
				shm->value[51]++;
			usleep(50);
		}
		_exit(0);
	}
	for (int i = 0; i < 300 || (shm->value[51] < 300 && i < 100000); i++)
		use_and_let_go(target.pid);
	shm->value[50] = 1;
	waitpid(sender, NULL, 0);
	for (int i = 0; i < 5000 && shm->value[0] < shm->value[51]; i++)
		usleep(1000);
	print_message("%ld signals while held 300 times\n", (long)shm->value[51]);
	assert_int_equal(shm->value[0], shm->value[51]);
	shm->go = 1;
	target_join(&target);
}

/*
 * The signals that remote runs use themselves: SIGWINCH for the bell, SIGTRAP.
 * Queued ones of others stay queued, with their information, and in the queue
 * they were in; a handler sees exactly what was sent to it.
 */
static void blocks_bell(struct shared *shm)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	shm->step = 1;
	while (!shm->go)
		usleep(1000);
	for (int i = 0; i < 4; i++) {
		struct timespec none = { 0, 0 };
		int sig = sigtimedwait(&set, &info, &none);

		shm->value[2 * i] = sig;
		shm->value[2 * i + 1] = sig > 0 ? info.si_value.sival_int : 0;
	}
}

static uint64_t pending(pid_t pid, const char *which)
{
	_cleanup_free_ char *status = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_int_equal(read_file_at(-1, path, &status, NULL), 0);
	return strtoull(strstr(status, which) + strlen(which), NULL, 16);
}

#define BIT(sig) (1ull << ((sig) - 1))

static void test_foreign_bells_stay_pending(void **state)
{
	struct target target = target_start(blocks_bell);
	struct tracee t;
	siginfo_t info = { .si_code = SI_QUEUE };

	(void)state;
	wait_step(&target, 1);
	queue(target.pid, SIGWINCH, 77);
	info.si_value.sival_int = 78;
	assert_int_equal(syscall(SYS_rt_tgsigqueueinfo, target.pid, target.pid, SIGTRAP, &info), 0);
	for (int i = 0; i < 3; i++) {
		use(&t, target.pid);
		assert_int_equal(pending(target.pid, "ShdPnd:"), BIT(SIGWINCH));
		assert_int_equal(pending(target.pid, "SigPnd:"), BIT(SIGTRAP));
		let_go(&t);
	}
	target.shm->go = 1;
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	assert_int_equal(target.shm->value[0], SIGTRAP);
	assert_int_equal(target.shm->value[1], 78);
	assert_int_equal(target.shm->value[2], SIGWINCH);
	assert_int_equal(target.shm->value[3], 77);
	assert_int_equal(target.shm->value[4], -1);
	target_join(&target);
}

static void test_bell_is_not_heard(void **state)
{
	enum { NR = 200 };
	struct target target = target_start(counter);

	(void)state;
	wait_step(&target, 1);
	for (int i = 0; i < NR; i++) {
		long before = target.shm->value[0];

		use_and_let_go(target.pid);
		/* One at a time, for ordinary signals don't queue. */
		assert_int_equal(target.shm->value[0], before);
		kill(target.pid, SIGWINCH);
		while (target.shm->value[0] == before)
			usleep(100);
	}
	assert_int_equal(target.shm->value[0], NR);
	target.shm->go = 1;
	target_join(&target);
}

/* One signal after another, of the very number a run ends with, while runs go on. */
static void test_storm_of_bells(void **state)
{
	struct target target = target_start(counter);
	pid_t sender;

	(void)state;
	wait_step(&target, 1);
	sender = fork();
	if (sender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			kill(target.pid, SIGWINCH);
			syscall(SYS_tgkill, target.pid, target.pid, SIGWINCH);
		}
	}
	while (target.shm->value[0] == 0)
		usleep(100);
	for (int i = 0; i < 10; i++)
		use_and_let_go(target.pid);
	kill(sender, SIGKILL);
	waitpid(sender, NULL, 0);
	target.shm->go = 1;
	target_join(&target);
}

/* int3 would reset these to SIG_DFL. */
static void ignores_traps(struct shared *shm)
{
	struct sigaction a = { .sa_handler = SIG_IGN, .sa_flags = SA_RESTART };
	sigset_t all;

	sigaction(SIGTRAP, &a, NULL);
	sigaction(SIGWINCH, &a, NULL);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	shm->step = 1;
	while (!shm->go)
		usleep(1000);
	sigaction(SIGTRAP, NULL, &a);
	shm->value[0] = a.sa_handler == SIG_IGN && a.sa_flags & SA_RESTART;
	sigaction(SIGWINCH, NULL, &a);
	shm->value[1] = a.sa_handler == SIG_IGN && a.sa_flags & SA_RESTART;
	sigprocmask(SIG_BLOCK, NULL, &all);
	shm->value[2] = sigismember(&all, SIGTRAP) && sigismember(&all, SIGWINCH) &&
			sigismember(&all, SIGUSR1);
}

static void test_dispositions_and_mask_stay(void **state)
{
	struct target target = target_start(ignores_traps);

	(void)state;
	wait_step(&target, 1);
	use_and_let_go(target.pid);
	target.shm->go = 1;
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	for (int i = 0; i < 3; i++)
		assert_int_equal(target.shm->value[i], 1);
	target_join(&target);
}

/* sigsuspend() swaps the mask for as long as it waits. */
static void suspends(struct shared *shm)
{
	sigset_t usr1, none;

	handler_shm = shm;
	handle(SIGUSR1);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	sigemptyset(&none);
	shm->step = 1;
	shm->value[1] = sigsuspend(&none);
	sigprocmask(SIG_BLOCK, NULL, &none);
	shm->value[2] = sigismember(&none, SIGUSR1);
}

static void test_sigsuspend(void **state)
{
	struct target target = target_start(suspends);
	struct tracee t;
	struct err e = ERR_INIT;
	uint64_t mask;

	(void)state;
	wait_asleep(&target, 1);
	use_and_let_go(target.pid);
	wait_state(target.pid, 'S');
	use(&t, target.pid);
	assert_ok(tracee_get_sigmask(&t, &mask, &e), &e);
	assert_int_equal(mask, BIT(SIGUSR1));
	kill(target.pid, SIGUSR1);
	let_go(&t);
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	assert_int_equal(target.shm->value[0], 1);
	assert_int_equal(target.shm->value[2], 1);
	target_join(&target);
}

/* ---- job control ------------------------------------------------------------- */

static void stopper(struct shared *shm)
{
	shm->step = 1;
	raise(SIGSTOP);
	shm->step = 2;
	while (!shm->go)
		usleep(1000);
}

static void test_stopped_stays_stopped(void **state)
{
	struct target target = target_start(stopper);
	struct tracee t;
	int status;

	(void)state;
	assert_int_equal(waitpid(target.pid, &status, WUNTRACED), target.pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	for (int i = 0; i < 3; i++) {
		use(&t, target.pid);
		assert_true(t.group_stopped);
		let_go(&t);
		wait_state(target.pid, 'T');
		/* Its parent is not told a second time. */
		assert_int_equal(waitpid(target.pid, &status, WUNTRACED | WNOHANG), 0);
	}
	assert_int_equal(target.shm->step, 1);
	kill(target.pid, SIGCONT);
	wait_step(&target, 2);
	target.shm->go = 1;
	target_join(&target);
}

/* Counts in two threads, in a group of its own, with all signals blocked but those that stop. */
static void *count_too(void *arg)
{
	struct shared *shm = arg;

	shm->value[2] = syscall(SYS_gettid);
	while (!shm->go)
		shm->value[1]++;
	return NULL;
}

static void two_counters(struct shared *shm)
{
	pthread_t other;
	sigset_t set;

	setpgid(0, 0);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_create(&other, NULL, count_too, shm);
	while (!shm->value[2])
		;
	shm->step = 1;
	while (!shm->go)
		shm->value[0]++;
	pthread_join(other, NULL);
}

static void test_job_stop(void **state)
{
	static const int signals[] = { SIGSTOP, SIGTSTP, SIGTTIN };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct target target = target_start(two_counters);
		struct tracee first, second, *both[] = { &first, &second };
		struct err e = ERR_INIT;
		uint64_t mask, after;
		long counts[2];
		int status;

		wait_step(&target, 1);
		assert_ok(tracee_seize(&first, target.pid, &e), &e);
		assert_ok(tracee_seize(&second, (pid_t)target.shm->value[2], &e), &e);
		assert_ok(tracee_get_sigmask(&first, &mask, &e), &e);
		memcpy(counts, (void *)target.shm->value, sizeof(counts));
		assert_ok(tracee_job_stop(both, 2, signals[i], &e), &e);
		assert_ok(tracee_get_sigmask(&first, &after, &e), &e);
		assert_true(after == mask);
		/* With nothing in the way of it: what comes first is the stop. */
		assert_ok(tracee_set_sigmask(&first, mask & ~(1ull << (SIGHUP - 1)), &e), &e);
		kill(target.pid, SIGHUP);
		let_go(&first);
		let_go(&second);
		wait_state(target.pid, 'T');
		assert_int_equal(waitpid(target.pid, &status, WUNTRACED), target.pid);
		assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == signals[i]);
		usleep(20000);
		assert_memory_equal(counts, (void *)target.shm->value, sizeof(counts));
		assert_int_equal(target_state(target.pid), 'T');
		kill(target.pid, SIGCONT);
		assert_int_equal(waitpid(target.pid, &status, 0), target.pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
		munmap(target.shm, sizeof(*target.shm));
	}
}

static void test_continued_while_held(void **state)
{
	struct target target = target_start(stopper);
	struct tracee t;
	struct remote *r;
	struct err e = ERR_INIT;
	int64_t got;

	(void)state;
	wait_state(target.pid, 'T');
	assert_int_equal(waitpid(target.pid, NULL, WUNTRACED), target.pid);
	use(&t, target.pid);
	kill(target.pid, SIGCONT);
	assert_ok(remote_open(&r, &t, 0, &e), &e);
	assert_ok(remote_call(r, &t, "ask", &got, SYS_getpid, 0, NULL, &e), &e);
	assert_ok(remote_close(r, &t, &e), &e);
	assert_int_equal(target.shm->step, 1);
	let_go(&t);
	wait_step(&target, 2);
	target.shm->go = 1;
	target_join(&target);
}

static void test_stopped_while_held(void **state)
{
	struct target target = target_start(counter);
	struct tracee t;
	struct remote *r;
	struct err e = ERR_INIT;
	int64_t got;

	(void)state;
	wait_step(&target, 1);
	assert_ok(tracee_seize(&t, target.pid, &e), &e);
	assert_false(t.group_stopped);
	kill(target.pid, SIGSTOP);
	assert_ok(remote_open(&r, &t, 0, &e), &e);
	for (int i = 0; i < 3; i++)
		assert_ok(remote_call(r, &t, "ask", &got, SYS_getpid, 0, NULL, &e), &e);
	assert_ok(remote_close(r, &t, &e), &e);
	let_go(&t);
	wait_state(target.pid, 'T');
	kill(target.pid, SIGCONT);
	target.shm->go = 1;
	target_join(&target);
}

/* ---- registers ----------------------------------------------------------------- */

/*
 * All registers and the red zone hold what the test can check; spins until
 * told to go, then compares. Nonzero when all is as it was.
 */
__attribute__((naked, noinline)) static long hold_registers(_Atomic int *go __attribute__((unused)),
							    const void *ymm __attribute__((unused)))
{
	__asm__ volatile(
		"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
		".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
		"vmovdqu \\n*32(%rsi), %ymm\\n\n"
		".endr\n"
		"movabs $0x1111111111111111, %rbx; mov %rbx, %rbp\n"
		"movabs $0x2222222222222222, %r8; mov %r8, %r9; mov %r8, %r10; mov %r8, %r11\n"
		"mov %r8, %r12; mov %r8, %r13; mov %r8, %r14; mov %r8, %r15\n"
		"mov %r8, -8(%rsp); mov %rbx, -64(%rsp); mov %r8, -128(%rsp)\n"
		"movabs $0x3333333333333333, %rcx; mov %rcx, %rdx\n"
		"stc\n"
		"1: jnc 9f\n"
		"mov (%rdi), %ecx\n"
		"jrcxz 1b\n" /* of all this no instruction changes the carry */
		"cmp %rbx, %rbp; jne 9f\n"
		"movabs $0x3333333333333333, %rcx; cmp %rcx, %rdx; jne 9f\n"
		"cmp %r8, %r9; jne 9f; cmp %r8, %r10; jne 9f; cmp %r8, %r11; jne 9f; cmp %r8, %r12; jne 9f\n"
		"cmp %r8, %r13; jne 9f; cmp %r8, %r14; jne 9f; cmp %r8, %r15; jne 9f\n"
		"cmp %r8, -8(%rsp); jne 9f; cmp %rbx, -64(%rsp); jne 9f; cmp %r8, -128(%rsp); jne 9f\n"
		".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
		"vpcmpeqb \\n*32(%rsi), %ymm\\n, %ymm\\n\n"
		"vpmovmskb %ymm\\n, %eax; cmp $-1, %eax; jne 9f\n"
		".endr\n"
		"mov $1, %eax; jmp 8f\n"
		"9: xor %eax, %eax\n"
		"8: vzeroupper; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");
}

static void holds_registers(struct shared *shm)
{
	static unsigned char ymm[16 * 32];

	for (size_t i = 0; i < sizeof(ymm); i++)
		ymm[i] = (unsigned char)(i * 7 + 1);
	if (!__builtin_cpu_supports("avx2"))
		_exit(77);
	shm->step = 1;
	shm->value[0] = hold_registers(&shm->go, ymm);
}

static void test_registers_stay(void **state)
{
	struct target target = target_start(holds_registers);
	struct user_regs_struct before, after;
	_cleanup_free_ char *x = NULL, *y = NULL;
	void *p, *q;
	size_t x_len, y_len;
	struct tracee t;
	struct err e = ERR_INIT;

	(void)state;
	wait_step(&target, 1);
	usleep(20000);
	for (int i = 0; i < 50; i++)
		use_and_let_go(target.pid);
	assert_ok(tracee_seize(&t, target.pid, &e), &e);
	assert_int_equal(ptrace(PTRACE_GETREGS, t.tid, 0, &before), 0);
	assert_memory_equal(&before, &t.regs, sizeof(before));
	assert_int_equal(before.r15, 0x2222222222222222);
	assert_ok(tracee_get_xstate(&t, &p, &x_len, &e), &e);
	x = p;
	let_go(&t);
	usleep(1000);

	assert_ok(tracee_seize(&t, target.pid, &e), &e);
	assert_int_equal(ptrace(PTRACE_GETREGS, t.tid, 0, &before), 0);
	let_go(&t);
	use(&t, target.pid);
	assert_int_equal(ptrace(PTRACE_GETREGS, t.tid, 0, &after), 0);
	assert_memory_equal(&t.regs, &after, sizeof(after));
	assert_ok(tracee_get_xstate(&t, &q, &y_len, &e), &e);
	y = q;
	assert_int_equal(x_len, y_len);
	assert_memory_equal(x, y, x_len);
	/* And back in, as a restore does; also as from a processor with fewer features. */
	assert_ok(tracee_set_xstate(&t, x, x_len, &e), &e);
	assert_ok(tracee_set_xstate(&t, x, 576 + 256, &e), &e);
	assert_int_equal(tracee_set_xstate(&t, x, 100, &e), -EINVAL);
	((unsigned char *)x)[512 + 7] |= 0x40;
	assert_int_equal(tracee_set_xstate(&t, x, x_len, &e), -ENODEV);
	let_go(&t);
	target.shm->go = 1;
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	assert_int_equal(target.shm->value[0], 1);
	target_join(&target);
}

/* ---- restartable sequences ------------------------------------------------------ */

/* The thread's rseq area as the C library registered it, or one of our own. */
static struct rseq *own_rseq(void)
{
	static struct rseq area __attribute__((aligned(32)));
	extern const ptrdiff_t __rseq_offset __attribute__((weak));
	extern const unsigned int __rseq_size __attribute__((weak));

	if (&__rseq_size && __rseq_size)
		return (struct rseq *)(void *)((char *)__builtin_thread_pointer() + __rseq_offset);
	return syscall(SYS_rseq, &area, sizeof(area), 0, 0x53053053) == 0 ? &area : NULL;
}

/* Stays inside one sequence until told to go; every abort is counted and it is entered again. */
__attribute__((noinline)) static void spin_in_sequence(struct rseq *area, _Atomic int *go,
						       _Atomic long *value)
{
	__asm__ volatile(
		".pushsection .data.rel, \"aw\"\n"
		".balign 32\n"
		"7: .long 0, 0; .quad 1f, 2f - 1f, 4f\n"
		".popsection\n"
		"lea 7b(%%rip), %%rax\n"
		"lea 1f(%%rip), %%rcx; mov %%rcx, 8(%2)\n"
		"lea 2f(%%rip), %%rcx; mov %%rcx, 16(%2)\n"
		"lea 4f(%%rip), %%rcx; mov %%rcx, 24(%2)\n"
		"5: mov %%rax, 8(%0)\n"
		"1: cmpl $0, (%1)\n"
		"je 1b\n"
		"2: jmp 6f\n"
		".long 0x53053053\n"
		"4: lock incq (%2)\n"
		"jmp 5b\n"
		"6:\n"
		: : "r"(area), "r"(go), "r"(value) : "rax", "rcx", "memory", "cc");
}

static void in_sequence(struct shared *shm)
{
	struct rseq *area = own_rseq();

	if (!area)
		_exit(77);
	shm->step = 1;
	spin_in_sequence(area, &shm->go, shm->value);
}

static void test_sequences_are_aborted(void **state)
{
	struct target target = target_start(in_sequence);
	int at_abort = 0;
	struct tracee t;

	(void)state;
	wait_step(&target, 1);
	for (int i = 0; i < 30; i++) {
		long aborts;
		uint64_t begin;

		usleep(100);
		use(&t, target.pid);
		/* Never anywhere it could commit from what it knew before. */
		assert_false(t.regs.rip >= (uint64_t)target.shm->value[1] &&
			     t.regs.rip < (uint64_t)target.shm->value[2]);
		at_abort += t.regs.rip == (uint64_t)target.shm->value[3];
		aborts = target.shm->value[0];
		let_go(&t);
		for (begin = now_ns(); target.shm->value[0] == aborts; )
			assert_true(ms_since(begin) < 5000);
	}
	print_message("stopped in a sequence %d times of 30\n", at_abort);
	assert_true(at_abort > 15);
	target.shm->go = 1;
	target_join(&target);
}

/* ---- programs that forbid themselves something ------------------------------------- */

static void forbid(struct sock_filter *code, unsigned short len)
{
	struct sock_fprog program = { len, code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		_exit(1);
}

static void filtered(struct shared *shm)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	forbid(code, ARRAY_SIZE(code));
	shm->step = 1;
	while (!shm->go)
		;
	syscall(SYS_exit_group, 0);
}

static void test_seccomp(void **state)
{
	struct target target = target_start(filtered);
	struct tracee t;

	(void)state;
	wait_step(&target, 1);
	use(&t, target.pid);
	assert_false(t.filtered);
	let_go(&t);
	/* And is in force again. */
	target.shm->go = 1;
	target_join(&target);
	target = target_start(filtered);
	wait_step(&target, 1);
	use_and_let_go(target.pid);
	assert_int_equal(target_state(target.pid), 'R');
	target_kill(&target);
}

/* Counts how often it got away with a call that its filter forbids. */
static void forbidden(struct shared *shm)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOANO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	forbid(code, ARRAY_SIZE(code));
	shm->step = 1;
	while (!shm->go)
		if (syscall(SYS_getppid) >= 0)
			shm->value[0]++;
}

/* Its own calls are judged at any time, also on the way to a stop and from one. */
static void test_seccomp_never_away(void **state)
{
	struct target target = target_start(forbidden);
	struct err e = ERR_INIT;
	struct tracee t;

	(void)state;
	wait_step(&target, 1);
	for (int i = 0; i < 300; i++) {
		assert_ok(tracee_seize(&t, target.pid, &e), &e);
		let_go(&t);
	}
	use_and_let_go(target.pid);
	assert_int_equal(target.shm->value[0], 0);
	target.shm->go = 1;
	target_join(&target);
}

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

static _Atomic char dispatch_selector;

static void dispatched(struct shared *shm)
{
	struct sigaction a = { .sa_handler = SIG_DFL };

	sigaction(SIGSYS, &a, NULL);
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0, 0, &dispatch_selector) < 0)
		_exit(77);
	dispatch_selector = 1;	/* block: any call of its own is SIGSYS now */
	shm->step = 1;
	while (!shm->go)
		;
	getppid();
	shm->step = 2;		/* not reached */
	dispatch_selector = 0;
}

static void test_syscall_user_dispatch(void **state)
{
	struct target target = target_start(dispatched);
	int status;

	(void)state;
	wait_step(&target, 1);
	use_and_let_go(target.pid);
	target.shm->go = 1;
	assert_int_equal(waitpid(target.pid, &status, 0), target.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	assert_int_equal(target.shm->step, 1);
}

/* ---- what can't be ------------------------------------------------------------------ */

static void in_32_bit_mode(struct shared *shm)
{
	/* A far jump to the 32-bit code segment; there a jump to itself. */
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct {
		uint32_t offset;
		uint16_t segment;
	} __attribute__((packed)) far = { (uint32_t)(uintptr_t)code, 0x23 };

	code[0] = 0xeb;
	code[1] = 0xfe;
	shm->step = 1;
	__asm__ volatile("ljmp *%0" : : "m"(far) : "memory");
}

static void test_32_bit_code_is_refused(void **state)
{
	struct target target = target_start(in_32_bit_mode);
	struct tracee t;
	struct remote *r = NULL;
	struct err e = ERR_INIT;

	(void)state;
	wait_step(&target, 1);
	usleep(5000);
	assert_ok(tracee_seize(&t, target.pid, &e), &e);
	assert_int_equal(t.regs.cs, 0x23);
	assert_int_equal(remote_open(&r, &t, 0, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "32-bit"));
	assert_true(*e.advice);
	let_go(&t);
	wait_state(target.pid, 'R');
	target_kill(&target);
}

static void in_vfork(struct shared *shm)
{
	pid_t child;

	shm->step = 1;
	child = vfork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (!shm->go)
			usleep(1000);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void test_vfork_parent_is_named(void **state)
{
	struct target target = target_start(in_vfork);
	struct tracee t;
	struct err e = ERR_INIT;
	char who[48];

	(void)state;
	wait_state(target.pid, 'D');
	assert_int_equal(tracee_seize_within(&t, target.pid, 200, &e), -ETIMEDOUT);
	snprintf(who, sizeof(who), "task %d (%.15s)", target.pid, program_invocation_short_name);
	assert_non_null(strstr(e.msg, who));
	assert_non_null(strstr(e.msg, "in vfork"));
	assert_non_null(strstr(e.advice, "vfork"));
	assert_int_equal(t.tid, 0);
	target_kill(&target);
}

static void test_seize_twice(void **state)
{
	struct target target = target_start(counter);
	struct tracee t, second;
	struct err e = ERR_INIT;

	(void)state;
	wait_step(&target, 1);
	assert_ok(tracee_seize(&t, target.pid, &e), &e);
	assert_int_equal(tracee_seize(&second, target.pid, &e), -EPERM);
	assert_int_equal(tracee_seize(&second, 0x3fffff, &e), -ESRCH);
	let_go(&t);
	target.shm->go = 1;
	target_join(&target);
}

static void ends(struct shared *shm)
{
	shm->step = 1;
}

static void test_seize_the_dead(void **state)
{
	struct target target = target_start(ends);
	struct tracee t;
	struct err e = ERR_INIT;

	(void)state;
	wait_state(target.pid, 'Z');
	assert_int_equal(tracee_seize(&t, target.pid, &e), -ESRCH);
	target_join(&target);
}

/* ---- the tracer dies ------------------------------------------------------------------ */

/* Holds @pid and makes a long remote call; killed in it. */
static void die_in_a_call(pid_t pid, struct shared *shm)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct timespec time = { 0, 200000000 };
	struct remote *r;
	struct tracee t;
	struct err e;
	pid_t tracer = fork();

	assert_true(tracer >= 0);
	if (tracer == 0) {
		batch_call(b, "sleep", SYS_nanosleep, ARG_AT(batch_data(b, &time, sizeof(time))),
			   ARG(0));
		if (tracee_seize(&t, pid, &e) < 0 || remote_open(&r, &t, 0, &e) < 0)
			_exit(1);
		shm->value[50] = 1;
		_exit(remote_run(r, &t, b, &e) < 0 ? 2 : 0);
	}
	while (!shm->value[50])
		usleep(100);
	usleep(50000);
	kill(tracer, SIGKILL);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
}

static void test_thread_goes_home(void **state)
{
	struct target target = target_start(holds_registers);

	(void)state;
	wait_step(&target, 1);
	die_in_a_call(target.pid, target.shm);
	target.shm->go = 1;
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	assert_int_equal(target.shm->value[0], 1);
	target_join(&target);
}

static void blocks_and_reads(struct shared *shm)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	reader(shm);
	sigprocmask(SIG_SETMASK, NULL, &set);
	shm->value[3] = sigismember(&set, SIGUSR2) + 2 * sigismember(&set, SIGUSR1) +
			4 * sigismember(&set, SIGWINCH);
}

static void test_call_goes_on_at_home(void **state)
{
	struct target target;

	(void)state;
	assert_int_equal(pipe(pipe_in), 0);
	target = target_start(blocks_and_reads);
	wait_asleep(&target, 1);
	die_in_a_call(target.pid, target.shm);
	usleep(250000);
	wait_state(target.pid, 'S');
	assert_int_equal(write(pipe_in[1], "hello", 5), 5);
	while (target_state(target.pid) != 'Z')
		usleep(1000);
	assert_int_equal(target.shm->value[0], 5);
	assert_int_equal(target.shm->value[2], 1);
	assert_int_equal(target.shm->value[3], 1);
	target_join(&target);
	close(pipe_in[0]);
	close(pipe_in[1]);
}

/* ---- how long it takes ------------------------------------------------------------------ */

static void test_time(void **state)
{
	enum { NR = 200 };
	struct target target = target_start(counter);
	uint64_t seize = 0, open = 0, close_time = 0, release = 0;
	struct remote *r;
	struct tracee t;
	struct err e = ERR_INIT;

	(void)state;
	wait_step(&target, 1);
	for (int i = 0; i < NR; i++) {
		uint64_t at[5];

		at[0] = now_ns();
		assert_ok(tracee_seize(&t, target.pid, &e), &e);
		at[1] = now_ns();
		assert_ok(remote_open(&r, &t, 0, &e), &e);
		at[2] = now_ns();
		assert_ok(remote_close(r, &t, &e), &e);
		at[3] = now_ns();
		let_go(&t);
		at[4] = now_ns();
		seize += at[1] - at[0];
		open += at[2] - at[1];
		close_time += at[3] - at[2];
		release += at[4] - at[3];
	}
	print_message("seize %.1f us, open %.1f us, close %.1f us, release %.1f us\n",
		      (double)seize / NR / 1000, (double)open / NR / 1000,
		      (double)close_time / NR / 1000, (double)release / NR / 1000);
	target.shm->go = 1;
	target_join(&target);
}

/* A slow machine (an emulated one) needs longer timeouts to wait for. */
static int measure(void **state)
{
	struct target target = target_start(counter);
	uint64_t begin;

	(void)state;
	wait_step(&target, 1);
	begin = now_ns();
	for (int i = 0; i < 5; i++)
		use_and_let_go(target.pid);
	timeout_ms = max(timeout_ms, 20 * (long)ARRAY_SIZE(waits) * ms_since(begin) / 5);
	target.shm->go = 1;
	target_join(&target);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeouts_go_on),
		cmocka_unit_test(test_timeouts_pass),
		cmocka_unit_test(test_read_goes_on),
		cmocka_unit_test(test_signals_are_delivered_after),
		cmocka_unit_test(test_no_signal_is_lost),
		cmocka_unit_test(test_foreign_bells_stay_pending),
		cmocka_unit_test(test_bell_is_not_heard),
		cmocka_unit_test(test_storm_of_bells),
		cmocka_unit_test(test_dispositions_and_mask_stay),
		cmocka_unit_test(test_sigsuspend),
		cmocka_unit_test(test_stopped_stays_stopped),
		cmocka_unit_test(test_continued_while_held),
		cmocka_unit_test(test_stopped_while_held),
		cmocka_unit_test(test_job_stop),
		cmocka_unit_test(test_registers_stay),
		cmocka_unit_test(test_sequences_are_aborted),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_seccomp_never_away),
		cmocka_unit_test(test_syscall_user_dispatch),
		cmocka_unit_test(test_32_bit_code_is_refused),
		cmocka_unit_test(test_vfork_parent_is_named),
		cmocka_unit_test(test_seize_twice),
		cmocka_unit_test(test_seize_the_dead),
		cmocka_unit_test(test_thread_goes_home),
		cmocka_unit_test(test_call_goes_on_at_home),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, measure, NULL);
}
