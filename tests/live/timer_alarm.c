// SPDX-License-Identifier: GPL-2.0-only
/* An interval timer goes on; one that is disarmed, but has an interval, stays so (or SIGPROF ends this). */
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include "live.h"

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
	(void)sig;
	ticks++;
}

int main(int argc, char **argv)
{
	struct itimerval t = { { 0, 50000 }, { 0, 50000 } }, now;
	struct itimerval disarmed = { { 0, 50000 }, { 0, 0 } };
	int before;

	live_setup(argc, argv);
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &t, NULL);
	setitimer(ITIMER_PROF, &disarmed, NULL);
	live_ready();
	before = ticks;
	for (int i = 0; i < 500 && ticks < before + 3; i++)
		usleep(20000);
	live_check(ticks >= before + 3);
	getitimer(ITIMER_REAL, &now);
	live_check(now.it_interval.tv_usec == 50000);
	getitimer(ITIMER_PROF, &now);
	live_check(now.it_value.tv_usec == 0 && now.it_interval.tv_usec == 50000);
	live_pass();
}
