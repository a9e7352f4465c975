// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timerfds and signalfds: what was left is left, unread expirations are kept, a disarmed timer stays
 * disarmed though it has an interval, signals still come.
 */
#include <signal.h>
#include <stdint.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	struct itimerspec often = { { 0, 2000000 }, { 0, 2000000 } }, late = { { 0, 0 }, { 5000, 0 } }, now;
	struct itimerspec disarmed = { { 0, 2000000 }, { 0, 0 } };
	struct signalfd_siginfo info;
	int periodic, far, off, signals;
	uint64_t ticks = 0;
	sigset_t set;

	live_setup(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_NONBLOCK);
	periodic = timerfd_create(CLOCK_MONOTONIC, 0);
	far = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK);
	off = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	live_check(signals >= 0 && periodic >= 0 && far >= 0 && off >= 0 && timerfd_settime(off, 0, &disarmed, NULL) == 0);
	live_check(timerfd_settime(periodic, 0, &often, NULL) == 0 && timerfd_settime(far, 0, &late, NULL) == 0);
	usleep(30000);
	live_ready();

	live_check(read(periodic, &ticks, sizeof(ticks)) == 8 && ticks >= 14);
	live_check(read(periodic, &ticks, sizeof(ticks)) == 8 && ticks >= 1);
	live_check(timerfd_gettime(off, &now) == 0 && now.it_value.tv_nsec == 0 && now.it_interval.tv_nsec == 2000000);
	live_check(read(off, &ticks, sizeof(ticks)) == -1);
	live_check(timerfd_gettime(far, &now) == 0 && now.it_value.tv_sec > 4000 && now.it_value.tv_sec <= 5000);
	live_check(read(signals, &info, sizeof(info)) == -1 && kill(getpid(), SIGUSR2) == 0);
	live_check(read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info) && info.ssi_signo == SIGUSR2);
	live_pass();
}
