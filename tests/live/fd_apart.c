// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that have a descriptor table of their own, two of them one together, find their own descriptors and locks,
 * and others' not; what one of a table opens and closes is seen by the others of it alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "live.h"

#define NUMBER 40	/* a descriptor in every table, of another file each */

static pthread_barrier_t barrier;
static char path[3][4096];
static int opened = -1;

static void step(void)
{
	pthread_barrier_wait(&barrier);
}

static void open_at(int n, int fd)
{
	int got = open(path[n], O_RDWR | O_CREAT, 0600);

	live_check(got >= 0 && write(got, "0123456789", 10) == 10 && lseek(got, n + 1, SEEK_SET) == n + 1);
	if (got != fd)
		live_check(dup3(got, fd, O_CLOEXEC) == fd && close(got) == 0);
}

static void check_number(int n)
{
	char text[2];

	live_check(lseek(NUMBER, 0, SEEK_CUR) == n + 1 && fcntl(NUMBER, F_GETFD) == FD_CLOEXEC);
	live_check(pread(NUMBER, text, 2, 0) == 2 && memcmp(text, "01", 2) == 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* The lock that thread 1's table holds on the file of the main thread. */
static short lock_seen(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 1 };

	live_check(fcntl(fd, F_GETLK, &lock) == 0);
	live_check(lock.l_type == F_UNLCK || lock.l_pid == getpid());
	return lock.l_type;
}

/* Shares the table of thread 1, which made it. */
static void *companion(void *arg)
{
	(void)arg;
	step();		/* before the snapshot */
	step();
	check_number(1);
	live_check(!is_open(50) && is_open(51) && lock_seen(51) == F_UNLCK);
	opened = open("/dev/null", O_RDONLY);
	live_check(opened >= 0);
	step();
	step();
	live_check(!is_open(opened));
	return NULL;
}

static void *apart(void *arg)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 4 };
	pthread_t other;

	(void)arg;
	live_check(unshare(CLONE_FILES) == 0 && close(50) == 0);
	open_at(1, NUMBER);
	live_check(open(path[0], O_RDWR) == 3 && dup2(3, 51) == 51 && close(3) == 0);
	live_check(fcntl(51, F_SETLK, &lock) == 0);
	live_check(pthread_create(&other, NULL, companion, NULL) == 0);
	step();
	step();
	check_number(1);
	step();
	live_check(is_open(opened) && close(opened) == 0);
	step();
	live_check(pthread_join(other, NULL) == 0);
	return NULL;
}

/* Has next to nothing. */
static void *alone(void *arg)
{
	(void)arg;
	live_check(unshare(CLONE_FILES) == 0 && close_range(0, ~0U, 0) == 0);
	open_at(2, NUMBER);
	step();
	step();
	check_number(2);
	for (int fd = 0; fd < 100; fd++)
		live_check(is_open(fd) == (fd == NUMBER));
	step();
	live_check(!is_open(opened));
	step();
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t first, second;

	live_setup(argc, argv);
	pthread_barrier_init(&barrier, NULL, 4);
	for (int n = 0; n < 3; n++)
		strcpy(path[n], live_path((char[]){ 'f', (char)('0' + n), 0 }));
	open_at(0, NUMBER);
	live_check(dup2(1, 50) == 50);
	live_check(pthread_create(&first, NULL, apart, NULL) == 0 && pthread_create(&second, NULL, alone, NULL) == 0);
	step();
	live_ready();
	check_number(0);
	live_check(is_open(50) && !is_open(51) && lock_seen(NUMBER) == F_WRLCK);
	for (int fd = 3; fd < 100; fd++)
		live_check(is_open(fd) == (fd == NUMBER || fd == 50));
	step();
	step();
	live_check(!is_open(opened));
	step();
	live_check(pthread_join(first, NULL) == 0 && pthread_join(second, NULL) == 0);
	live_pass();
}
