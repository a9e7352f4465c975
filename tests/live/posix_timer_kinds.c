// SPDX-License-Identifier: GPL-2.0-only
/* POSIX timers of each clock and kind of notification keep id, time left and whose CPU time they follow. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

#define GONE 3000	/* ids that were used up before */

static volatile sig_atomic_t ticks, alarms, own_cpu, spare_cpu, due_cpu;
static volatile int helper_tid, helper_told, burn;
static int helper_cpu, helper_spare, helper_due;

static int create(clockid_t clock, int notify, int sig, int value, int tid)
{
	struct sigevent event = { .sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = value };
	int id = -1;

	event._sigev_un._tid = tid;
	live_check(syscall(SYS_timer_create, clock, notify < 0 ? NULL : &event, &id) == 0);
	return id;
}

static void set(int id, long value_ms, long interval_ms)
{
	struct itimerspec t = {
		{ interval_ms / 1000, interval_ms % 1000 * 1000000 }, { value_ms / 1000, value_ms % 1000 * 1000000 },
	};

	live_check(syscall(SYS_timer_settime, id, 0, &t, NULL) == 0);
}

static long left_ms(int id, long *interval_ms)
{
	struct itimerspec t;

	live_check(syscall(SYS_timer_gettime, id, &t) == 0);
	if (interval_ms)
		*interval_ms = t.it_interval.tv_sec * 1000 + t.it_interval.tv_nsec / 1000000;
	return t.it_value.tv_sec * 1000 + t.it_value.tv_nsec / 1000000;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (sig == SIGRTMIN && info->si_code == SI_TIMER && info->si_value.sival_int == 77)
		ticks++;
	if (sig == SIGALRM)
		alarms++;
	if (sig == SIGRTMIN + 2 && info->si_value.sival_int == 4)
		own_cpu++;
	if (sig == SIGRTMIN + 3 && info->si_value.sival_int == 5)
		spare_cpu++;
	if (sig == SIGRTMIN + 4 && info->si_value.sival_int == 6)
		due_cpu++;
}

static void spend(long ms, clockid_t clock)
{
	struct timespec begun, now;

	clock_gettime(clock, &begun);
	do
		clock_gettime(clock, &now);
	while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < ms);
}

/* Waits for its signal, and spends CPU time when it is told. */
static void *help(void *arg)
{
	const struct timespec nap = { 0, 20000000 };
	siginfo_t info;
	sigset_t set_;

	(void)arg;
	sigemptyset(&set_);
	sigaddset(&set_, SIGRTMIN + 1);
	pthread_sigmask(SIG_BLOCK, &set_, NULL);
	helper_cpu = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 2, 4, 0);
	set(helper_cpu, 20, 20);
	/* Mostly due, for it goes off at ticks only, and with overruns. */
	helper_due = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 4, 6, 0);
	set(helper_due, 1, 1);
	helper_spare = create(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 3, 5, 0);
	helper_tid = (int)syscall(SYS_gettid);
	for (;;) {
		if (sigtimedwait(&set_, &info, &nap) == SIGRTMIN + 1 && info.si_value.sival_int == 99)
			helper_told++;
		if (burn)
			spend(10, CLOCK_THREAD_CPUTIME_ID);
	}
	return NULL;
}

static void read_timers(char *buf, size_t size)
{
	int fd = open("/proc/self/timers", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, size - 1);

	live_check(fd >= 0 && n > 0);
	buf[n] = 0;
	close(fd);
}

static void wait_more(volatile sig_atomic_t *counter, int more)
{
	int before = *counter;

	for (int i = 0; i < 3000 && *counter < before + more; i++)
		usleep(10000);
	live_check(*counter >= before + more);
}

static void check_left(int id, long most_ms, long least_ms, long interval_ms)
{
	long interval, left = left_ms(id, &interval);

	if (left > most_ms || left < least_ms || interval != interval_ms)
		live_fail("timer %d has %ld ms left, every %ld ms", id, left, interval);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	static char before[4096], after[4096];
	int tick, none, told, cpu, explicit, alarm, tai, off;
	pthread_t helper;
	clockid_t clock;

	live_setup(argc, argv);
	sigaction(SIGRTMIN, &action, NULL);
	sigaction(SIGRTMIN + 2, &action, NULL);
	sigaction(SIGRTMIN + 3, &action, NULL);
	sigaction(SIGRTMIN + 4, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	off = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0);
	live_check(off == 0);
	for (int i = 0; i < GONE; i++)
		live_check(syscall(SYS_timer_delete, create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0)) == 0);
	tick = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 77, 0);
	live_check(tick == GONE + 1);
	set(tick, 50, 50);
	none = create(CLOCK_REALTIME, SIGEV_NONE, 0, 0, 0);
	set(none, 1000000, 0);
	pthread_create(&helper, NULL, help, NULL);
	while (!helper_tid)
		usleep(1000);
	told = create(CLOCK_BOOTTIME, SIGEV_THREAD_ID, SIGRTMIN + 1, 99, helper_tid);
	set(told, 30, 30);
	cpu = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 0, 0);
	set(cpu, 1000000, 3000);
	live_check(pthread_getcpuclockid(pthread_self(), &clock) == 0);
	explicit = create(clock, SIGEV_SIGNAL, SIGUSR1, 0, 0);
	set(explicit, 500000, 0);
	alarm = create(CLOCK_MONOTONIC, -1, 0, 0, 0);
	set(alarm, 1, 0);
	wait_more(&alarms, alarms ? 0 : 1);
	tai = create(CLOCK_TAI, SIGEV_THREAD, SIGUSR1, 7, 0);
	set(tai, 700000, 600000);
	read_timers(before, sizeof(before));
	live_ready();
	read_timers(after, sizeof(after));
	if (strcmp(before, after) != 0)
		live_fail("timers were:\n%s\nthey are:\n%s", before, after);
	wait_more(&ticks, 3);
	check_left(tick, 50, 0, 50);
	check_left(none, 1000000, 600000, 0);
	for (int i = 0, n = helper_told; helper_told < n + 3; i++, usleep(10000))
		live_check(i < 3000);
	check_left(cpu, 1000000, 900000, 3000);
	check_left(explicit, 500000, 400000, 0);
	check_left(tai, 700000, 300000, 600000);
	check_left(alarm, 0, 0, 0);
	check_left(off, 0, 0, 0);
	live_check(alarms == 1);
	set(helper_spare, 20, 20);
	own_cpu = spare_cpu = due_cpu = 0;
	spend(300, CLOCK_THREAD_CPUTIME_ID);
	/* The helper does little meanwhile: it may go off once. */
	live_check(own_cpu <= 2 && spare_cpu <= 2);
	burn = 1;
	wait_more(&own_cpu, 5);
	wait_more(&spare_cpu, 5);
	wait_more(&due_cpu, 5);
	live_pass();
}
