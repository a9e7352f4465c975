/* SPDX-License-Identifier: GPL-2.0-only */
/* POSIX timers (timer_create(2)): table `posix_timer`. */
#pragma once
#include "state/kind.h"
#include "state/signal.h"

/* What /proc/<pid>/timers tells of one. */
struct posix_timer_info {
	int id, clock, notify, signal;
	int tid;		/* who gets the signal, in the pid namespace of that /proc */
	uint64_t value;		/* sigev_value */
};

struct posix_timer_row {
	int64_t process, id;
	int64_t clock;		/* as the kernel has it: CLOCK_*, or that of a process's or thread's CPU time */
	int64_t clock_thread;	/* whose CPU time, where the clock does not tell; COLUMN_NULL */
	int64_t notify;		/* SIGEV_* */
	int64_t signal;
	int64_t sigev_value;
	int64_t target;		/* thread that gets the signal; COLUMN_NULL: the process */
	int64_t value_ns, interval_ns;
	int64_t overrun;	/* timer_getoverrun(2) */
	int64_t queued;		/* 1: its signal was pending already when value_ns was read */
};
extern const struct table posix_timer_table;

/* The entry that @text begins with. Returns where the next one begins, NULL if there is none. */
const char *posix_timer_parse(const char *text, struct posix_timer_info *ret);
/* Is it a signal that a timer will queue again by itself? */
bool posix_timer_queues(const struct image *img, const struct pending_signal_row *sig);

/*
 * Clocks of CPU time (include/linux/posix-timers.h): bits 0 and 1 say which
 * time, bit 2 that it is a thread's, the others are ~pid, where 0 means its own.
 */
static inline bool clock_is_cpu(int64_t clock)
{
	return clock < 0;
}

static inline bool clock_is_thread(int64_t clock)
{
	return clock_is_cpu(clock) && (clock & 4);
}

static inline int64_t clock_pid(int64_t clock)
{
	return clock_is_cpu(clock) ? ~(clock >> 3) : 0;
}

/* What posix_timer.c and posix_timer_restore.c share. */
int posix_timer_check(struct restore *r, struct err *e);
int posix_timer_create(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b, struct err *e);
int posix_timer_arm(struct restore *r, struct err *e);
