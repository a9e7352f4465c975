// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that wait when the snapshot is taken go on waiting: none of them returns
 * EINTR, and those with a timeout end when the rest of it is over.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

#define REST 6		/* s: what timed calls wait for; several seconds of it are to come at the snapshot */

static int never[2];	/* a pipe that nothing comes from */
static int later[2];	/* this one has a byte in the end */
static int pair[2];	/* as have these sockets */
static volatile int inside, returned;
static uint32_t futex_word;
static sem_t never_posted;

/* What a call that waits for good has to return when what it waits for happens: @expected. */
struct waiter {
	const char *what;
	long (*call)(void);
	long expected;
	int expected_errno;
	bool timed;
	clockid_t clock;	/* that measures it: only the time of day goes on between snapshot and restore */
	pthread_t thread;
};

static double now(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static long read_pipe(void)
{
	char c;

	return read(later[0], &c, 1);
}

static long receive(void)
{
	char c;

	return recv(pair[0], &c, 1, 0);
}

static long futex_wait(void)
{
	return syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* FUTEX_WAIT_BITSET with a timeout, as the C library makes it. */
static long futex_timeout(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += REST;
	return sem_timedwait(&never_posted, &at);
}

static long poll_timeout(void)
{
	struct pollfd p = { .fd = never[0], .events = POLLIN };

	return poll(&p, 1, REST * 1000);
}

static long ppoll_timeout(void)
{
	struct pollfd p = { .fd = never[0], .events = POLLIN };
	struct timespec rest = { REST, 0 };

	return ppoll(&p, 1, &rest, NULL);
}

static long select_timeout(void)
{
	struct timeval rest = { REST, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(never[0], &set);
	return select(never[0] + 1, &set, NULL, NULL, &rest);
}

static long sleep_relative(void)
{
	struct timespec rest = { REST, 0 };

	return nanosleep(&rest, NULL);
}

static long sleep_absolute(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += REST;
	return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
}

static long wait_child(void)
{
	return waitpid(-1, NULL, 0) > 0;
}

static struct waiter waiters[] = {
	{ .what = "read() of a pipe", .call = read_pipe, .expected = 1 },
	{ .what = "recv()", .call = receive, .expected = 1 },
	{ .what = "futex(WAIT)", .call = futex_wait, .expected = 0 },
	{ .what = "sem_timedwait()", .call = futex_timeout, .expected = -1, .expected_errno = ETIMEDOUT, .timed = true,
	  .clock = CLOCK_REALTIME },
	{ .what = "poll()", .call = poll_timeout, .expected = 0, .timed = true,
	  .clock = CLOCK_MONOTONIC },
	{ .what = "ppoll()", .call = ppoll_timeout, .expected = 0, .timed = true,
	  .clock = CLOCK_MONOTONIC },
	{ .what = "select()", .call = select_timeout, .expected = 0, .timed = true,
	  .clock = CLOCK_MONOTONIC },
	{ .what = "nanosleep()", .call = sleep_relative, .expected = 0, .timed = true,
	  .clock = CLOCK_MONOTONIC },
	{ .what = "clock_nanosleep() until a time", .call = sleep_absolute, .expected = 0, .timed = true,
	  .clock = CLOCK_REALTIME },
	{ .what = "waitpid()", .call = wait_child, .expected = 1 },
};
#define NR (int)(sizeof(waiters) / sizeof(*waiters))

static void *waiter_main(void *arg)
{
	struct waiter *w = arg;
	double begun = now(w->clock);
	long ret;

	__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	errno = 0;
	ret = w->call();
	if (ret != w->expected || (w->expected_errno && errno != w->expected_errno))
		live_fail("%s: %ld (%s)", w->what, ret, strerror(errno));
	if (w->timed && now(w->clock) - begun < REST - 0.01)
		live_fail("%s: over after %.3f s instead of %d", w->what, now(w->clock) - begun, REST);
	__atomic_add_fetch(&returned, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

int main(int argc, char **argv)
{
	char c;
	int child_hears[2];
	pid_t child;

	live_setup(argc, argv);
	live_check(pipe(never) == 0 && pipe(later) == 0 && pipe(child_hears) == 0);
	live_check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	child = fork();
	if (child == 0) {
		close(child_hears[1]);
		_exit(read(child_hears[0], &c, 1) == 0 ? 0 : 1);
	}
	close(child_hears[0]);
	for (int i = 0; i < NR; i++)
		live_check(pthread_create(&waiters[i].thread, NULL, waiter_main, &waiters[i]) == 0);
	while (inside < NR)
		usleep(1000);
	usleep(100000);		/* from there into the call */
	live_ready();

	live_check(write(later[1], "x", 1) == 1 && write(pair[1], "x", 1) == 1);
	close(child_hears[1]);
	/* Whoever wakes somebody before it sleeps has woken nobody, but this one has slept since live_ready(). */
	while (syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) != 1)
		usleep(1000);
	for (int i = 0; i < NR; i++)
		live_check(pthread_join(waiters[i].thread, NULL) == 0);
	live_check(returned == NR);
	live_pass();
}
