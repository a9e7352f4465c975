// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that have one descriptor table (CLONE_FILES): what one opens or closes is so for all of them, and locks
 * are not in the way of each other. A child that only has a copy goes its own way.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

enum { CHILD, GRANDCHILD, COPY, NR };

/* Each has two pipes: the numbers of their ends are in all tables. */
static int ask[NR][2], answers[NR][2];
static char locked[4096];

static pid_t start(unsigned long flags)
{
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Would a lock be given? */
static int lock_free(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/* "o": open; "c": close number @arg; "?": is it open; "l": is the lock free. */
static void serve(int n)
{
	unsigned char order[2];
	int answer;

	while (read(ask[n][0], order, 2) == 2) {
		switch (order[0]) {
		case 'o':
			answer = open("/dev/zero", O_RDWR);
			break;
		case 'c':
			answer = close(order[1]);
			break;
		case 'l':
			answer = lock_free(order[1]);
			break;
		default:
			answer = is_open(order[1]);
		}
		if (write(answers[n][1], &answer, sizeof(answer)) != sizeof(answer))
			_exit(2);
	}
	_exit(0);
}

static int order(int n, char what, int arg)
{
	unsigned char text[2] = { (unsigned char)what, (unsigned char)arg };
	int answer;

	live_check(write(ask[n][1], text, 2) == 2);
	live_check(read(answers[n][0], &answer, sizeof(answer)) == sizeof(answer));
	return answer;
}

static void check(int lock)
{
	int fd = open("/dev/zero", O_RDWR);

	live_check(fd >= 0 && order(CHILD, '?', fd) && order(GRANDCHILD, '?', fd) && !order(COPY, '?', fd));
	live_check(order(GRANDCHILD, 'c', fd) == 0 && !is_open(fd) && !order(CHILD, '?', fd));
	fd = order(CHILD, 'o', 0);
	live_check(fd >= 0 && is_open(fd) && order(GRANDCHILD, '?', fd) && !order(COPY, '?', fd));
	live_check(close(fd) == 0 && !order(CHILD, '?', fd));
	fd = order(COPY, 'o', 0);
	live_check(fd >= 0 && !is_open(fd) && order(COPY, 'c', fd) == 0);
	live_check(lock_free(lock) && order(CHILD, 'l', lock) && order(GRANDCHILD, 'l', lock) && !order(COPY, 'l', lock));
}

int main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd;

	live_setup(argc, argv);
	for (int i = 0; i < NR; i++)
		live_check(pipe(ask[i]) == 0 && pipe(answers[i]) == 0);
	snprintf(locked, sizeof(locked), "%s", live_path("locked"));
	fd = open(locked, O_RDWR | O_CREAT, 0600);
	live_check(fd >= 0);
	if (start(CLONE_FILES) == 0) {
		if (start(CLONE_FILES) == 0)
			serve(GRANDCHILD);
		if (start(0) == 0)
			serve(COPY);
		serve(CHILD);
	}
	for (int i = 0; i < NR; i++)
		live_check(order(i, '?', ask[i][0]));	/* it is there: what is opened from now on is not in the copy */
	live_check(fcntl(fd, F_SETLK, &lock) == 0);
	check(fd);
	live_ready();
	check(fd);
	live_pass();
}
