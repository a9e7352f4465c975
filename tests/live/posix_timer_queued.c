// SPDX-License-Identifier: GPL-2.0-only
/* Signals of POSIX timers that are still pending: once each, in order, with their overruns; and the timers go on. */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

#define SECOND 1000000000L
#define PERIOD 1000	/* seconds, of timers that are to go off once in a test */

static int create(clockid_t clock, int sig, int value)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig, .sigev_value.sival_int = value,
	};
	int id = -1;

	live_check(syscall(SYS_timer_create, clock, &event, &id) == 0);
	return id;
}

static void set(int id, int flags, long value_ns, long interval_ns)
{
	struct itimerspec t = {
		{ interval_ns / SECOND, interval_ns % SECOND }, { value_ns / SECOND, value_ns % SECOND },
	};

	live_check(syscall(SYS_timer_settime, id, flags, &t, NULL) == 0);
}

static long left_s(int id)
{
	struct itimerspec t;

	live_check(syscall(SYS_timer_gettime, id, &t) == 0);
	return t.it_value.tv_sec + (t.it_value.tv_nsec ? 1 : 0);
}

static bool is_pending(int sig)
{
	sigset_t set_;

	sigpending(&set_);
	return sigismember(&set_, sig);
}

static void wait_pending(int sig)
{
	for (int i = 0; !is_pending(sig); i++, usleep(1000))
		live_check(i < 10000);
}

/* The number of the value that came with @sig, which must be there; -1: none is. */
static int take(int sig, siginfo_t *info)
{
	const struct timespec now = { 0, 0 };
	sigset_t set_;

	sigemptyset(&set_);
	sigaddset(&set_, sig);
	if (sigtimedwait(&set_, info, &now) != sig)
		return -1;
	live_check(info->si_code == SI_TIMER);
	return info->si_value.sival_int;
}

int main(int argc, char **argv)
{
	int once, again, periodic, overrun, fast, day, first, second, cpu, rest;
	struct timespec now;
	siginfo_t info;
	sigset_t all;

	live_setup(argc, argv);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	once = create(CLOCK_MONOTONIC, SIGRTMIN, 1);
	set(once, 0, 1, 0);
	again = create(CLOCK_MONOTONIC, SIGRTMIN + 1, 2);
	set(again, 0, 1, 0);
	/* A clock whose past is long enough: half a period ago it went off, or two and a half. */
	clock_gettime(CLOCK_TAI, &now);
	periodic = create(CLOCK_TAI, SIGRTMIN + 2, 3);
	set(periodic, TIMER_ABSTIME, (now.tv_sec - PERIOD / 2) * SECOND, PERIOD * SECOND);
	overrun = create(CLOCK_TAI, SIGRTMIN + 3, 4);
	set(overrun, TIMER_ABSTIME, (now.tv_sec - PERIOD / 2 - 2 * PERIOD) * SECOND, PERIOD * SECOND);
	fast = create(CLOCK_MONOTONIC, SIGRTMIN + 4, 5);
	set(fast, 0, SECOND / 50, SECOND / 50);
	day = create(CLOCK_REALTIME, SIGRTMIN + 5, 6);
	set(day, 0, 1, PERIOD * SECOND);
	/* Made in one order, gone off in the other. */
	first = create(CLOCK_MONOTONIC, SIGRTMIN + 6, 7);
	second = create(CLOCK_MONOTONIC, SIGRTMIN + 6, 8);
	set(second, 0, 1, 0);
	usleep(20000);
	set(first, 0, 1, 0);
	cpu = create(CLOCK_PROCESS_CPUTIME_ID, SIGRTMIN + 7, 9);
	set(cpu, TIMER_ABSTIME, 1, PERIOD * SECOND);
	rest = create(CLOCK_MONOTONIC, SIGRTMIN + 8, 10);
	set(rest, 0, 1, 0);
	for (int n = 0; n <= 8; n++)
		wait_pending(SIGRTMIN + n);
	set(again, 0, PERIOD * SECOND, 0);
	live_check(take(SIGRTMIN + 3, &info) == 4 && info.si_overrun == 2);
	live_check(syscall(SYS_timer_getoverrun, overrun) == 2);
	live_check(take(SIGRTMIN + 8, &info) == 10);
	usleep(30000);
	live_ready();
	live_check(take(SIGRTMIN, &info) == 1 && take(SIGRTMIN, &info) == -1 && left_s(once) == 0);
	live_check(take(SIGRTMIN + 1, &info) == 2 && take(SIGRTMIN + 1, &info) == -1);
	live_check(left_s(again) > PERIOD - 400 && left_s(again) <= PERIOD);
	/* Still pending, it would have counted overruns had its time come again; it had not. */
	live_check(take(SIGRTMIN + 2, &info) == 3 && info.si_overrun == 0 && take(SIGRTMIN + 2, &info) == -1);
	live_check(left_s(periodic) <= PERIOD / 2 && left_s(periodic) > PERIOD / 2 - 400);
	live_check(!is_pending(SIGRTMIN + 3) && syscall(SYS_timer_getoverrun, overrun) == 2);
	live_check(left_s(overrun) <= PERIOD / 2 && left_s(overrun) > PERIOD / 2 - 400);
	live_check(take(SIGRTMIN + 4, &info) == 5 && info.si_overrun >= 0);
	live_check(syscall(SYS_timer_getoverrun, fast) == info.si_overrun);
	for (int n = 0; n < 5; n++) {
		wait_pending(SIGRTMIN + 4);
		live_check(take(SIGRTMIN + 4, &info) == 5);
	}
	live_check(take(SIGRTMIN + 5, &info) == 6 && take(SIGRTMIN + 5, &info) == -1);
	live_check(left_s(day) <= PERIOD && left_s(day) > PERIOD - 400);
	live_check(take(SIGRTMIN + 6, &info) == 8 && take(SIGRTMIN + 6, &info) == 7 && take(SIGRTMIN + 6, &info) == -1);
	live_check(take(SIGRTMIN + 7, &info) == 9 && take(SIGRTMIN + 7, &info) == -1);
	live_check(left_s(cpu) <= PERIOD && left_s(cpu) > PERIOD - 400);
	live_check(!is_pending(SIGRTMIN + 8) && left_s(rest) == 0);
	/* A timer that is set anew while its signal is pending queues no second one. */
	set(once, 0, 1, 0);
	wait_pending(SIGRTMIN);
	set(once, 0, 1, 0);
	usleep(20000);
	live_check(take(SIGRTMIN, &info) == 1 && info.si_overrun == 1 && take(SIGRTMIN, &info) == -1);
	live_pass();
}
