// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks are held by who held them, byte for byte: others are locked out, and
 * each goes when its owner lets go of it, not before. Who waits gets it then.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

static void take(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = range(type, start, len);

	live_check(fcntl(fd, cmd, &l) == 0);
}

/* What keeps a lock of @type on one byte away, as this process sees it through @fd. */
static struct flock hinders(int fd, int cmd, short type, off_t byte)
{
	struct flock l = range(type, byte, 1);

	live_check(fcntl(fd, cmd, &l) == 0);
	return l;
}

static void hindered(int fd, short type, off_t byte, short by, off_t start, off_t len, pid_t pid)
{
	struct flock l = hinders(fd, F_GETLK, type, byte);

	live_check(l.l_type == by && l.l_start == start && l.l_len == len && l.l_pid == pid);
}

static void is_free(int fd, short type, off_t byte)
{
	live_check(hinders(fd, F_GETLK, type, byte).l_type == F_UNLCK);
}

static pid_t parent, child, waiter;

/* A process of its own, with an open file of its own: what it is refused, it is refused by other owners. */
static void outsider(void (*check)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		check();
		_exit(0);
	}
	live_check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

static int open_file(const char *name)
{
	int fd = open(live_path(name), O_RDWR | O_CREAT, 0600);

	live_check(fd >= 0);
	return fd;
}

static void posix_ranges(void)
{
	int fd = open_file("posix");

	/* The parent's: write 100-199, read 300 to the end; the child's: write 0-49. Nothing else. */
	hindered(fd, F_RDLCK, 100, F_WRLCK, 100, 100, parent);
	hindered(fd, F_RDLCK, 199, F_WRLCK, 100, 100, parent);
	hindered(fd, F_WRLCK, 300, F_RDLCK, 300, 0, parent);
	hindered(fd, F_WRLCK, 1L << 40, F_RDLCK, 300, 0, parent);
	hindered(fd, F_RDLCK, 0, F_WRLCK, 0, 50, child);
	is_free(fd, F_RDLCK, 300);
	for (off_t byte = 50; byte < 300; byte++)
		if (byte < 100 || byte > 199)
			is_free(fd, F_WRLCK, byte);
}

static void ofd_ranges(void)
{
	int fd = open_file("ofd");

	hindered(fd, F_RDLCK, 10, F_WRLCK, 10, 10, -1);
	hindered(fd, F_WRLCK, 20, F_RDLCK, 20, 5, -1);
	is_free(fd, F_RDLCK, 20);
	is_free(fd, F_WRLCK, 9);
	is_free(fd, F_WRLCK, 25);
}

static void flocks(void)
{
	int whole = open_file("flock"), shared = open_file("shared"), dir = open(live_path("dir"), O_RDONLY);

	live_check(flock(whole, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	live_check(flock(dir, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	live_check(flock(shared, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	live_check(flock(shared, LOCK_SH | LOCK_NB) == 0);
}

static void flock_is_free(void)
{
	live_check(flock(open_file("flock"), LOCK_EX | LOCK_NB) == 0);
}

static void posix_gone(void)
{
	int fd = open_file("posix");

	is_free(fd, F_WRLCK, 100);
	is_free(fd, F_WRLCK, 300);
	hindered(fd, F_RDLCK, 0, F_WRLCK, 0, 50, child);
}

static void ofd_gone(void)
{
	is_free(open_file("ofd"), F_WRLCK, 10);
}

/* Does what it is told by one byte, answers by one. */
static void child_main(int posix, int whole, int told, int answer)
{
	char c;

	take(posix, F_SETLK, F_WRLCK, 0, 50);
	live_check(write(answer, "r", 1) == 1);
	while (read(told, &c, 1) == 1) {
		if (c == 'u')
			live_check(flock(whole, LOCK_UN) == 0);
		/* The parent's locks are in its way, its own are not. */
		if (c == 'l') {
			hindered(posix, F_RDLCK, 100, F_WRLCK, 100, 100, parent);
			is_free(posix, F_WRLCK, 0);
			ofd_ranges();
		}
		live_check(write(answer, &c, 1) == 1);
	}
	_exit(0);
}

static void tell(int tell_fd, int answer, char what)
{
	char c = 0;

	live_check(write(tell_fd, &what, 1) == 1 && read(answer, &c, 1) == 1 && c == what);
}

int main(int argc, char **argv)
{
	int posix, ofd, whole, shared, dir, told[2], answer[2], waited[2], status;
	char c;

	live_setup(argc, argv);
	parent = getpid();
	live_check(mkdir(live_path("dir"), 0700) == 0 || errno == EEXIST);
	posix = open_file("posix");
	ofd = open_file("ofd");
	whole = open_file("flock");
	shared = open(live_path("shared"), O_RDONLY | O_CREAT, 0600);
	dir = open(live_path("dir"), O_RDONLY | O_DIRECTORY);
	live_check(shared >= 0 && dir >= 0 && pipe(told) == 0 && pipe(answer) == 0 && pipe(waited) == 0);
	live_check(flock(whole, LOCK_EX) == 0 && flock(shared, LOCK_SH) == 0 && flock(dir, LOCK_EX) == 0);
	take(posix, F_SETLK, F_WRLCK, 100, 100);
	take(posix, F_SETLK, F_RDLCK, 300, 0);
	take(ofd, F_OFD_SETLK, F_WRLCK, 10, 10);
	take(ofd, F_OFD_SETLK, F_RDLCK, 20, 5);
	child = fork();
	if (child == 0) {
		close(told[1]);
		child_main(posix, whole, told[0], answer[1]);
	}
	live_check(child > 0 && read(answer[0], &c, 1) == 1);
	waiter = fork();
	if (waiter == 0) {
		close(told[1]);
		posix = open_file("posix");
		take(posix, F_SETLKW, F_WRLCK, 150, 1);
		live_check(write(waited[1], "w", 1) == 1);
		pause();
	}
	live_check(waiter > 0 && fcntl(waited[0], F_SETFL, O_NONBLOCK) == 0);
	live_ready();

	outsider(posix_ranges);
	outsider(ofd_ranges);
	outsider(flocks);
	tell(told[1], answer[0], 'l');
	/* Its own are not in its way, the child's are; another open file is another owner. */
	is_free(posix, F_WRLCK, 100);
	hindered(posix, F_RDLCK, 49, F_WRLCK, 0, 50, child);
	live_check(hinders(ofd, F_OFD_GETLK, F_WRLCK, 10).l_type == F_UNLCK);
	live_check(hinders(open_file("ofd"), F_OFD_GETLK, F_RDLCK, 19).l_type == F_WRLCK);
	/* The open file is shared with the child: closing ours leaves the lock, its LOCK_UN takes it away. */
	live_check(close(whole) == 0);
	outsider(flocks);
	tell(told[1], answer[0], 'u');
	outsider(flock_is_free);
	/* Any descriptor of the file that the owner closes takes the process's locks away, and no other's. */
	live_check(read(waited[0], &c, 1) < 0 && errno == EAGAIN);
	live_check(close(open_file("posix")) == 0);
	live_check(fcntl(waited[0], F_SETFL, 0) == 0 && read(waited[0], &c, 1) == 1 && c == 'w');
	hindered(posix, F_RDLCK, 150, F_WRLCK, 150, 1, waiter);
	live_check(kill(waiter, SIGKILL) == 0 && waitpid(waiter, &status, 0) == waiter);
	outsider(posix_gone);
	/* An open file's go with its last descriptor: the child has one too. */
	live_check(close(ofd) == 0);
	outsider(ofd_ranges);
	live_check(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	outsider(ofd_gone);
	live_pass();
}
