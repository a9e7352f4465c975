// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of one process keep each its own filters, or strict mode, or none. What all have from one of them
 * (SECCOMP_FILTER_FLAG_TSYNC) is one filter still: more can be set for all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include "live.h"
#include "seccomp.h"

static volatile int up, go, told[4];
static int strict_in[2], strict_out[2];
static volatile pid_t strict_tid;
static pthread_t threads[3];

static void wait_for(volatile int *what, int value)
{
	while (__atomic_load_n(what, __ATOMIC_ACQUIRE) < value)
		usleep(1000);
}

static void arrive(volatile int *at)
{
	__atomic_fetch_add(at, 1, __ATOMIC_RELEASE);
}

/* ---- each its own ------------------------------------------------------ */

static void *filtered(void *arg)
{
	unsigned int n = (unsigned int)(unsigned long)arg;

	live_check(filter_set(0, SYS_getppid, SECCOMP_RET_ERRNO | n) == 0);
	arrive(&up);
	wait_for(&go, 1);
	told[n] = filter_errno(SYS_getppid);
	arrive(&up);
	return NULL;
}

/* Reads and writes are all it may do: it is killed, alone, for a third call. */
static void *strict(void *arg)
{
	char c;

	(void)arg;
	strict_tid = gettid();
	arrive(&up);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		live_fail("strict mode");
	while (read(strict_in[0], &c, 1) == 1 && write(strict_out[1], &c, 1) == 1)
		if (c == 'x')
			syscall(SYS_getppid);
	return NULL;
}

static long thread_mode(pid_t tid)
{
	char path[64], text[4096] = { 0 }, *mode;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -1;	/* it has ended */
	close(fd);
	mode = strstr(text, "\nSeccomp:\t");
	live_check(mode);
	return mode[10] - '0';
}

static void start_each(void)
{
	live_check(pipe(strict_in) == 0 && pipe(strict_out) == 0);
	live_check(pthread_create(&threads[0], NULL, filtered, (void *)1ul) == 0);
	live_check(pthread_create(&threads[1], NULL, filtered, (void *)2ul) == 0);
	live_check(pthread_create(&threads[2], NULL, strict, NULL) == 0);
	wait_for(&up, 3);
	while (thread_mode(strict_tid) != SECCOMP_MODE_STRICT)
		usleep(1000);
}

static void check_each(void)
{
	char c;

	live_check(thread_mode(getpid()) == SECCOMP_MODE_DISABLED);
	live_check(thread_mode(strict_tid) == SECCOMP_MODE_STRICT);
	up = 0;
	go = 1;
	wait_for(&up, 2);
	live_check(told[1] == 1 && told[2] == 2 && filter_errno(SYS_getppid) == 0);
	live_check(write(strict_in[1], "y", 1) == 1 && read(strict_out[0], &c, 1) == 1 && c == 'y');
	live_check(write(strict_in[1], "x", 1) == 1 && read(strict_out[0], &c, 1) == 1 && c == 'x');
	for (int i = 0; thread_mode(strict_tid) >= 0; i++) {
		live_check(i < 5000);
		usleep(1000);
	}
}

/* ---- one for all -------------------------------------------------------- */

/* Thread 2 has one more on top of what all have, and sets another for all. */
static void *synced(void *arg)
{
	unsigned long n = (unsigned long)arg;

	wait_for(&go, 1);
	if (n == 2)
		live_check(filter_set(0, SYS_getgid, SECCOMP_RET_ERRNO | 3) == 0);
	arrive(&up);
	wait_for(&go, 2);
	live_check(filter_errno(SYS_getppid) == 1 && filter_errno(SYS_getgid) == (n == 2 ? 3 : 0));
	arrive(&up);
	wait_for(&up, 6);
	if (n == 2) {
		long failed = filter_set(SECCOMP_FILTER_FLAG_TSYNC, SYS_getuid, SECCOMP_RET_ERRNO | 5);

		if (failed)
			live_fail("one more filter for all threads: %ld", failed);
	}
	arrive(&up);
	wait_for(&up, 9);
	live_check(filter_errno(SYS_getppid) == 1 && filter_errno(SYS_getgid) == 3 && filter_errno(SYS_getuid) == 5);
	arrive(&up);
	return NULL;
}

static void family(int in, int out)
{
	char c = 'y';

	up = go = 0;
	for (unsigned long n = 0; n < 3; n++)
		live_check(pthread_create(&threads[n], NULL, synced, (void *)n) == 0);
	live_check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	live_check(filter_set(SECCOMP_FILTER_FLAG_TSYNC, SYS_getppid, SECCOMP_RET_ERRNO | 1) == 0);
	go = 1;
	wait_for(&up, 3);
	live_check(write(out, &c, 1) == 1 && read(in, &c, 1) == 1);
	go = 2;
	wait_for(&up, 12);
	live_check(filter_errno(SYS_getgid) == 3 && filter_errno(SYS_getuid) == 5);
	live_check(write(out, &c, 1) == 1);
	_exit(0);
}

int main(int argc, char **argv)
{
	int to[2], from[2], status;
	pid_t child;
	char c;

	live_setup(argc, argv);
	live_check(pipe(to) == 0 && pipe(from) == 0);
	child = fork();
	if (child == 0)
		family(to[0], from[1]);
	live_check(read(from[0], &c, 1) == 1);
	start_each();
	live_ready();
	check_each();
	live_check(write(to[1], "?", 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
	live_pass();
}
