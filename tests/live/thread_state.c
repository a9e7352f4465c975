// SPDX-License-Identifier: GPL-2.0-only
/* Threads keep their ids, names, thread-local data, floating point and vector registers; joins and mutexes work. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "live.h"

#define NR 4

static __thread int mine;
static pid_t tids[NR];
static volatile int up, go;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int counted;

/* Spins in user mode with known values in vector registers, until told. */
static int registers_kept(int n)
{
	uint64_t in[2] = { 0x0123456789abcdefull * (uint64_t)(n + 1), ~0ull / (uint64_t)(n + 3) }, out[2] = { 0 };

	__asm__ volatile("movdqu %2, %%xmm9\n\t"
			 "1: pause\n\t"
			 "cmpl $0, %1\n\t"
			 "je 1b\n\t"
			 "movdqu %%xmm9, %0\n\t"
			 : "=m"(out) : "m"(go), "m"(in) : "xmm9", "memory", "cc");
	return memcmp(in, out, sizeof(in)) == 0;
}

static void *work(void *arg)
{
	int n = (int)(intptr_t)arg;
	char name[16] = { 0 };

	mine = n * 1000;
	tids[n] = (pid_t)syscall(SYS_gettid);
	prctl(PR_SET_NAME, (char[]){ 'w', (char)('0' + n), 0 });
	__sync_fetch_and_add(&up, 1);
	if (!registers_kept(n))
		return "vector registers changed";
	prctl(PR_GET_NAME, name);
	if (name[0] != 'w' || name[1] != '0' + n)
		return "the name changed";
	if (mine != n * 1000)
		return "thread-local data changed";
	if (tids[n] != syscall(SYS_gettid))
		return "the thread id changed";
	pthread_mutex_lock(&lock);
	counted++;
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[NR];
	void *result;

	live_setup(argc, argv);
	for (int n = 0; n < NR; n++)
		pthread_create(&threads[n], NULL, work, (void *)(intptr_t)n);
	while (up < NR)
		usleep(1000);
	pthread_mutex_lock(&lock);
	live_ready();
	go = 1;
	pthread_mutex_unlock(&lock);
	for (int n = 0; n < NR; n++) {
		pthread_join(threads[n], &result);
		if (result)
			live_fail("thread %d: %s", n, (char *)result);
	}
	live_check(counted == NR);
	live_pass();
}
