// SPDX-License-Identifier: GPL-2.0-only
/*
 * A container that never rests and checks itself all the time: threads that
 * write and read memory and sleep, processes that talk through pipes, and in
 * namespaces of its own through System V objects. The file `progress` has a
 * line for each of them, a number that goes up with every round: who stands still is
 * stuck, and what is wrong is in the file `fail`. See tests/vm/killpoints.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define PAGES 1024u

enum { MEMORY, SLEEPER, PIPES, ECHO, SYSV, NR };

static int progress;
static uint64_t (*rounds)[NR];		/* shared by all processes */

static void round_done(int who)
{
	uint64_t n = ++(*rounds)[who];
	char line[32];

	snprintf(line, sizeof(line), "%015ju\n", (uintmax_t)n);
	live_check(pwrite(progress, line, 16, who * 16) == 16);
	usleep(10000);
}

static void *memory_main(void *arg)
{
	char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static uint16_t writes[PAGES];
	uint32_t random = 1;

	live_check(memory != MAP_FAILED);
	for (uint32_t page = 0; page < PAGES; page++)
		pattern_fill(memory + page * PAGE, PAGE, (uint64_t)page << 16);
	for (;; round_done(MEMORY)) {
		for (int i = 0; i < 8; i++) {
			uint32_t page;
			char *at;

			random = random * 1664525 + 1013904223;
			page = random >> 16 & (PAGES - 1);
			at = memory + page * PAGE;
			if (pattern_check(at, PAGE, (uint64_t)page << 16 | writes[page]) >= 0)
				live_fail("page %u is not what it was after %u writes to it", page, writes[page]);
			pattern_fill(at, PAGE, (uint64_t)page << 16 | ++writes[page]);
		}
	}
	return arg;
}

/* Its calls don't fail, its signal mask stays, its numbers too. */
static void *sleeper_main(void *arg)
{
	double sum = 0;
	sigset_t mine, now;

	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR2);
	pthread_sigmask(SIG_SETMASK, &mine, NULL);
	for (uint64_t n = 1;; n++, round_done(SLEEPER)) {
		struct timespec t = { 0, 1000000 };

		for (int i = 0; i < 2000; i++)
			sum += 0.5;
		live_check(sum == (double)n * 1000);
		live_check(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL) == 0);
		live_check(pthread_sigmask(SIG_SETMASK, NULL, &now) == 0);
		live_check(sigismember(&now, SIGUSR2) == 1 && sigismember(&now, SIGUSR1) == 0 && sigismember(&now, SIGTERM) == 0);
	}
	return arg;
}

static void pipes_main(int to, int from)
{
	for (uint64_t n = 0;; n++, round_done(PIPES)) {
		uint64_t back = 0;

		live_check(write(to, &n, sizeof(n)) == sizeof(n));
		live_check(read(from, &back, sizeof(back)) == sizeof(back));
		live_check(back == n + 1);
	}
}

static void echo_main(int from, int to)
{
	for (uint64_t wanted = 0;; wanted++, round_done(ECHO)) {
		uint64_t n = 0;

		live_check(read(from, &n, sizeof(n)) == sizeof(n));
		live_check(n == wanted);
		n++;
		live_check(write(to, &n, sizeof(n)) == sizeof(n));
	}
}

static void sysv_main(void)
{
	int sem = semget(IPC_PRIVATE, 1, 0600), shm = shmget(IPC_PRIVATE, PAGE, 0600), queue = msgget(IPC_PRIVATE, 0600);
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, 0 };
	volatile uint64_t *count = shmat(shm, NULL, 0);
	struct {
		long type;
		uint64_t n;
	} m;

	live_check(sem >= 0 && queue >= 0 && count != (void *)-1);
	for (uint64_t n = 0;; n++, round_done(SYSV)) {
		live_check(*count == n);
		*count = n + 1;
		m.type = 1;
		m.n = n;
		live_check(msgsnd(queue, &m, sizeof(m.n), 0) == 0 && semop(sem, &up, 1) == 0);
		live_check(semop(sem, &down, 1) == 0 && semctl(sem, 0, GETVAL) == 0);
		live_check(msgrcv(queue, &m, sizeof(m.n), 1, 0) == sizeof(m.n) && m.n == n);
	}
}

static void start_all(void)
{
	pthread_t thread;
	int there[2], back[2];

	live_check(pipe(there) == 0 && pipe(back) == 0);
	if (fork() == 0)
		pipes_main(there[1], back[0]);
	if (fork() == 0)
		echo_main(there[0], back[1]);
	if (live_in_namespaces() && fork() == 0)
		sysv_main();
	live_check(pthread_create(&thread, NULL, memory_main, NULL) == 0);
	live_check(pthread_create(&thread, NULL, sleeper_main, NULL) == 0);
}

static void wait_for_rounds(uint64_t nr)
{
	uint64_t from[NR];

	memcpy(from, *rounds, sizeof(from));
	for (int who = 0; who < NR; who++)
		while ((who != SYSV || live_in_namespaces()) && ((volatile uint64_t *)*rounds)[who] < from[who] + nr)
			usleep(1000);
}

int main(int argc, char **argv)
{
	live_setup(argc, argv);
	rounds = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	progress = open(live_path("progress"), O_RDWR | O_CREAT, 0600);
	live_check(rounds != MAP_FAILED && progress >= 0);
	start_all();
	wait_for_rounds(3);
	live_ready();
	wait_for_rounds(20);
	live_pass();
}
