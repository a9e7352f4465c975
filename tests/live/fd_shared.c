// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors keep their numbers and their close-on-exec flags, and those that
 * were one open file (dup, fork) still are: one position, one set of flags.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define FAR 700

/* The child moves the position of the file that it shares with its parent. */
static void child_main(int fd, int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1) {
		if (lseek(fd, 5, SEEK_CUR) < 0 || fcntl(FAR, F_GETFD) != 0)
			_exit(2);
		if (write(out, &c, 1) != 1)
			_exit(3);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	int fd, twin, separate, to[2], from[2], status;
	pid_t child;
	char c;

	live_setup(argc, argv);
	fd = open(live_path("file"), O_RDWR | O_CREAT | O_APPEND, 0600);
	live_check(fd >= 0 && write(fd, "0123456789", 10) == 10);
	twin = dup(fd);
	separate = open(live_path("file"), O_RDONLY | O_CLOEXEC);
	live_check(twin >= 0 && separate >= 0 && dup2(fd, FAR) == FAR);
	live_check(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && lseek(fd, 3, SEEK_SET) == 3);
	live_check(pipe(to) == 0 && pipe(from) == 0);
	child = fork();
	live_check(child >= 0);
	if (child == 0) {
		close(to[1]);
		close(from[0]);
		child_main(fd, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	/* A gap, and a number reused. */
	live_check(dup2(separate, 40) == 40);
	live_ready();

	live_check(fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(twin, F_GETFD) == 0 && fcntl(FAR, F_GETFD) == 0);
	live_check(fcntl(separate, F_GETFD) == FD_CLOEXEC && fcntl(40, F_GETFD) == 0 && fcntl(39, F_GETFD) == -1);
	live_check((fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_RDWR));
	live_check((fcntl(separate, F_GETFL) & (O_APPEND | O_ACCMODE)) == O_RDONLY);
	live_check(lseek(twin, 0, SEEK_CUR) == 3 && lseek(separate, 0, SEEK_CUR) == 0);
	live_check(write(to[1], "x", 1) == 1 && read(from[0], &c, 1) == 1);
	live_check(lseek(fd, 0, SEEK_CUR) == 8 && lseek(FAR, 0, SEEK_CUR) == 8 && lseek(separate, 0, SEEK_CUR) == 0);
	live_check(fcntl(twin, F_SETFL, O_NONBLOCK) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	live_check(lseek(40, 2, SEEK_SET) == 2 && read(separate, &c, 1) == 1 && c == '2');
	live_check(fcntl(FAR + 1, F_GETFD) == -1 && fcntl(FAR - 1, F_GETFD) == -1);
	close(to[1]);
	live_check(waitpid(child, &status, 0) == child && status == 0);
	live_pass();
}
