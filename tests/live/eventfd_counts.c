// SPDX-License-Identifier: GPL-2.0-only
/* Eventfds keep their counts and their mode; one is shared by two processes. */
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int count, semaphore, shared, status;
	uint64_t v = UINT64_MAX - 1;
	pid_t child;

	live_setup(argc, argv);
	count = eventfd(0, 0);
	semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	shared = eventfd(0, 0);
	live_check(count >= 0 && semaphore >= 0 && shared >= 0 && write(count, &v, 8) == 8);
	child = fork();
	live_check(child >= 0);
	if (child == 0)
		_exit(read(shared, &v, 8) == 8 && v == 42 ? 0 : 1);
	live_ready();

	live_check(read(count, &v, 8) == 8 && v == UINT64_MAX - 1);
	live_check(read(semaphore, &v, 8) == 8 && v == 1 && read(semaphore, &v, 8) == 8 && read(semaphore, &v, 8) == -1);
	v = 42;
	live_check(write(shared, &v, 8) == 8);
	live_check(waitpid(child, &status, 0) == child && status == 0);
	live_pass();
}
