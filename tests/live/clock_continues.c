// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monotonic and the boot-time clock never go back, and not further than time has passed; what waits for a time on
 * them waits for just that.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "clock.h"

#define WAIT_NS (10 * NS)

static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
#define NR_CLOCKS (sizeof(clocks) / sizeof(*clocks))

/* Past the vdso. */
static int64_t asked(clockid_t clock)
{
	struct timespec t;

	live_check(syscall(SYS_clock_gettime, clock, &t) == 0);
	return t.tv_sec * NS + t.tv_nsec;
}

/* Looks at them all the time, also at the last moment before the snapshot and the first after it. */
static void *look(void *arg)
{
	int64_t last[NR_CLOCKS], wall = clock_now(CLOCK_REALTIME);

	(void)arg;
	for (size_t i = 0; i < NR_CLOCKS; i++)
		last[i] = clock_now(clocks[i]);
	for (;;) {
		int64_t before = clock_now(CLOCK_REALTIME), now[NR_CLOCKS], kernel[NR_CLOCKS], passed;

		for (size_t i = 0; i < NR_CLOCKS; i++) {
			now[i] = clock_now(clocks[i]);
			kernel[i] = asked(clocks[i]);
		}
		passed = clock_now(CLOCK_REALTIME) - wall;
		for (size_t i = 0; i < NR_CLOCKS; i++) {
			if (now[i] < last[i] || kernel[i] < now[i])
				live_fail("clock %d went back from %.6f s to %.6f s, %.6f s", clocks[i],
					  (double)last[i] / NS, (double)now[i] / NS, (double)kernel[i] / NS);
			if (kernel[i] - last[i] > passed + LATE_NS)
				live_fail("clock %d went from %.6f s to %.6f s in %.6f s", clocks[i],
					  (double)last[i] / NS, (double)kernel[i] / NS, (double)passed / NS);
			last[i] = kernel[i];
		}
		wall = before;
		usleep(1000);
	}
	return NULL;
}

static int64_t sleep_until;

static void *sleeper(void *arg)
{
	const struct timespec t = clock_timespec(sleep_until);

	(void)arg;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
	live_check(clock_now(CLOCK_MONOTONIC) >= sleep_until);
	return NULL;
}

static void *waiter(void *arg)
{
	const struct timespec t = clock_timespec(sleep_until);
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t monotonic;
	pthread_cond_t never;
	int r;

	(void)arg;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&never, &monotonic);
	pthread_mutex_lock(&mutex);
	while ((r = pthread_cond_timedwait(&never, &mutex, &t)) == 0)
		;
	live_check(r == ETIMEDOUT && clock_now(CLOCK_MONOTONIC) >= sleep_until);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t looks, sleeps, waits;
	int64_t monotonic, boottime;
	int far, farther, soon;
	uint64_t ticks;

	live_setup(argc, argv);
	sleep_until = clock_now(CLOCK_MONOTONIC) + WAIT_NS;
	monotonic = clock_now(CLOCK_MONOTONIC) + 1000 * NS;
	boottime = clock_now(CLOCK_BOOTTIME) + 2000 * NS;
	far = clock_timer(CLOCK_MONOTONIC, monotonic);
	farther = clock_timer(CLOCK_BOOTTIME, boottime);
	soon = clock_timer(CLOCK_MONOTONIC, sleep_until);
	live_check(pthread_create(&looks, NULL, look, NULL) == 0 && pthread_create(&sleeps, NULL, sleeper, NULL) == 0);
	live_check(pthread_create(&waits, NULL, waiter, NULL) == 0);
	live_ready();
	for (int i = 0; i < 20; i++) {
		clock_check_timer(far, CLOCK_MONOTONIC, monotonic);
		clock_check_timer(farther, CLOCK_BOOTTIME, boottime);
		usleep(10000);
	}
	live_check(read(soon, &ticks, sizeof(ticks)) == sizeof(ticks) && ticks == 1);
	live_check(clock_now(CLOCK_MONOTONIC) >= sleep_until);
	live_check(pthread_join(sleeps, NULL) == 0 && pthread_join(waits, NULL) == 0);
	live_pass();
}
