// SPDX-License-Identifier: GPL-2.0-only
/* Timers that are set again each time they go off: none stops, whatever moment it went off in while it was saved. */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

#define NR 24

static volatile sig_atomic_t counts[NR + 1];	/* the last: of the interval timer */
static int ids[NR];

static void start(int n)
{
	struct itimerspec t = { .it_value.tv_nsec = 15000000 + n * 700000 };
	struct itimerval alarm = { .it_value.tv_usec = 9000 };

	if (n == NR)
		setitimer(ITIMER_REAL, &alarm, NULL);
	else
		syscall(SYS_timer_settime, ids[n], 0, &t, NULL);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	int n = sig == SIGALRM ? NR : info->si_value.sival_int;

	(void)context;
	counts[n]++;
	start(n);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	int before[NR + 1];

	live_setup(argc, argv);
	sigfillset(&action.sa_mask);
	sigaction(SIGALRM, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
	for (int n = 0; n <= NR; n++) {
		struct sigevent event = {
			.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = n,
		};

		if (n < NR)
			live_check(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &ids[n]) == 0);
		start(n);
	}
	live_ready();
	for (int n = 0; n <= NR; n++)
		before[n] = counts[n];
	for (int n = 0; n <= NR; n++)
		for (int i = 0; counts[n] < before[n] + 3; i++, usleep(10000))
			if (i > 1000)
				live_fail("timer %d has stopped", n);
	live_pass();
}
