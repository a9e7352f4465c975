/* SPDX-License-Identifier: GPL-2.0-only */
/* Clocks for live tests, in nanoseconds. */
#pragma once
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include "live.h"

#define NS 1000000000LL
#define LATE_NS (NS / 5)	/* what a loaded machine takes between two lines */

static inline int64_t clock_now(clockid_t clock)
{
	struct timespec t;

	live_check(clock_gettime(clock, &t) == 0);
	return t.tv_sec * NS + t.tv_nsec;
}

static inline struct timespec clock_timespec(int64_t ns)
{
	return (struct timespec){ ns / NS, ns % NS };
}

/* A timerfd that goes off once, when @clock reads @when. */
static inline int clock_timer(clockid_t clock, int64_t when)
{
	struct itimerspec t = { .it_value = clock_timespec(when) };
	int fd = timerfd_create(clock, 0);

	live_check(fd >= 0 && timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL) == 0);
	return fd;
}

/* It still goes off then: never earlier, and not much later. */
static inline void clock_check_timer(int fd, clockid_t clock, int64_t when)
{
	struct itimerspec left;
	int64_t before = clock_now(clock), left_ns;

	live_check(timerfd_gettime(fd, &left) == 0);
	left_ns = left.it_value.tv_sec * NS + left.it_value.tv_nsec;
	if (clock_now(clock) + left_ns < when || before + left_ns > when + LATE_NS)
		live_fail("a timer for %.3f s goes off %.3f s after %.3f s", (double)when / NS, (double)left_ns / NS,
			  (double)before / NS);
}
