// SPDX-License-Identifier: GPL-2.0-only
/* A thread in another namespace than its process is refused. */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include "live.h"

static volatile int there;

static void *leave(void *arg)
{
	(void)arg;
	live_check(unshare(CLONE_NEWUTS) == 0);
	there = 1;
	for (;;)
		pause();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	live_setup(argc, argv);
	live_check(pthread_create(&thread, NULL, leave, NULL) == 0);
	while (!there)
		usleep(1000);
	live_refused("is in another uts namespace than its process");
	live_ready();
	live_pass();
}
