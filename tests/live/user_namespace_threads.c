// SPDX-License-Identifier: GPL-2.0-only
/* Threads in a user namespace that has no power over the pid namespace they have ids in: cpt says so. */
#include <pthread.h>
#include "guest.h"

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	struct guest *g;
	pid_t pid;

	live_setup(argc, argv);
	g = guests_room();
	if ((pid = fork()) == 0) {
		guest_check(g, unshare(CLONE_NEWUSER) == 0 && pthread_create(&thread, NULL, sleeper, NULL) == 0);
		guest_see(g);
		guest_next(g);
		guest_see(g);
		guest_next(g);
		_exit(0);
	}
	g->pid = pid;
	guest_step(g, 1);
	guest_note(g);
	live_refused("has threads: its user namespace has no power over a pid namespace around it");
	live_ready();
	guest_step(g, 2);	/* it runs on as it was */
	guest_same(g);
	guest_end(g, 3);
	live_pass();
}
