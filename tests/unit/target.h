/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A child process for tests that stop and use one. It runs a function of the
 * test, tells it in shared memory how far it is and what it saw, and ends with
 * _exit(): a test's assertions are made in the test program alone.
 */
#pragma once
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/err.h"
#include "base/util.h"

struct shared {
	_Atomic int step;		/* set by the target */
	_Atomic int go;			/* set by the test */
	_Atomic long value[64];		/* what the target saw */
};

struct target {
	pid_t pid;
	struct shared *shm;
};

#define TARGET_TIMEOUT_NS 20000000000ull

static inline struct shared *shared_new(void)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static inline struct target target_start(void (*body)(struct shared *))
{
	struct target t = { .shm = shared_new() };

	t.pid = fork();
	assert_true(t.pid >= 0);
	if (t.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		body(t.shm);
		_exit(0);
	}
	return t;
}

static inline char target_state(pid_t tid)
{
	_cleanup_free_ char *stat = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (read_file_at(-1, path, &stat, NULL) < 0)
		return 0;
	return strrchr(stat, ')')[2];
}

static inline void wait_step(const struct target *t, int step)
{
	uint64_t deadline = now_ns() + TARGET_TIMEOUT_NS;

	while (t->shm->step < step) {
		assert_true(now_ns() < deadline);
		usleep(200);
	}
}

/* Until it is asleep, in the call it was to block in. */
static inline void wait_state(pid_t tid, char state)
{
	uint64_t deadline = now_ns() + TARGET_TIMEOUT_NS;

	while (target_state(tid) != state) {
		assert_true(now_ns() < deadline);
		usleep(200);
	}
}

static inline void wait_asleep(const struct target *t, int step)
{
	wait_step(t, step);
	wait_state(t->pid, 'S');
}

/* It must end by itself with status 0. */
static inline void target_join(struct target *t)
{
	int status = -1;

	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	if (WIFSIGNALED(status))
		fail_msg("the target was killed by signal %d", WTERMSIG(status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	munmap(t->shm, sizeof(*t->shm));
}

static inline void target_kill(struct target *t)
{
	kill(t->pid, SIGKILL);
	while (waitpid(t->pid, NULL, __WALL) > 0)
		;
	munmap(t->shm, sizeof(*t->shm));
}

#define assert_ok(call, e) \
	do { \
		int _r = (call); \
		if (_r != 0) \
			fail_msg("%s: %d, %s", #call, _r, (e)->msg); \
	} while (0)
