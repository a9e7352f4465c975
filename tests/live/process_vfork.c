// SPDX-License-Identifier: GPL-2.0-only
/* A process that is in vfork(2) most of the time, as a shell is that starts commands: the moment is waited for. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

static void nap(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static void start_commands(volatile int *nr)
{
	for (;;) {
		pid_t pid = vfork();
		int status;

		if (pid == 0) {
			nap(200);
			_exit(7);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
			live_fail("a child of vfork came to another end");
		++*nr;
		nap(100);
	}
}

int main(int argc, char **argv)
{
	volatile int *nr;
	pid_t child;
	int before;

	live_setup(argc, argv);
	nr = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	live_check(nr != MAP_FAILED);
	child = fork();
	if (child == 0)
		start_commands(nr);
	while (*nr < 1)
		nap(10);
	live_ready();
	before = *nr;
	while (*nr < before + 2)
		nap(10);
	live_check(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
	live_pass();
}
