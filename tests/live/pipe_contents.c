// SPDX-License-Identifier: GPL-2.0-only
/* Pipes between a parent and a child keep what waits in them, their size, and who has which end. */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

/* Answers every byte with the next letter, until the writer goes away. */
static void child_main(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1) {
		c++;
		if (write(out, &c, 1) != 1)
			_exit(2);
	}
	_exit(7);
}

int main(int argc, char **argv)
{
	int to[2], from[2], own[2], status;
	char buf[32];
	pid_t child;

	live_setup(argc, argv);
	live_check(pipe(to) == 0 && pipe2(from, O_CLOEXEC) == 0 && pipe2(own, O_NONBLOCK | O_DIRECT) == 0);
	live_check(fcntl(own[1], F_SETPIPE_SZ, 16384) == 16384);
	live_check(write(own[1], "one", 3) == 3 && write(own[1], "three", 5) == 5);
	child = fork();
	live_check(child >= 0);
	if (child == 0) {
		close(to[1]);
		close(from[0]);
		close(own[0]);
		close(own[1]);
		child_main(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	live_check(write(to[1], "a", 1) == 1 && read(from[0], buf, 1) == 1 && buf[0] == 'b');
	live_ready();

	live_check(fcntl(own[1], F_GETPIPE_SZ) == 16384);
	live_check(read(own[0], buf, sizeof(buf)) == 3 && memcmp(buf, "one", 3) == 0);
	live_check(read(own[0], buf, sizeof(buf)) == 5 && memcmp(buf, "three", 5) == 0);
	live_check(read(own[0], buf, sizeof(buf)) == -1);
	live_check(write(to[1], "m", 1) == 1 && read(from[0], buf, 1) == 1 && buf[0] == 'n');
	live_check(fcntl(from[0], F_GETFD) == FD_CLOEXEC && fcntl(to[1], F_GETFD) == 0);
	/* The child has no end to write to itself with, so it sees the end now. */
	close(to[1]);
	live_check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	live_check(read(from[0], buf, 1) == 0);
	live_pass();
}
