// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory as shm_open(3) and shm_unlink(3) leave it: a file of a tmpfs
 * without a name, that processes map and have open. It stays one object, and
 * as sparse as it was.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/magic.h>
#include "live.h"

#define SIZE ((1L << 36) + 100)
#define NR 3000L	/* pages that are written, and the same number left out */

static char *map(int fd)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	live_check(p != MAP_FAILED);
	return p;
}

static int make(const char *directory, int flags)
{
	int fd = open(directory, O_TMPFILE | O_RDWR | flags, 0600);

	live_check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	return fd;
}

static void check_pages(const char *p)
{
	for (long i = 0; i < 2 * NR; i++) {
		long n;

		memcpy(&n, p + i * 4096 + 16, sizeof(n));
		live_check(n == (i % 2 ? i : 0));
	}
}

int main(int argc, char **argv)
{
	int fd, only_open, to[2], from[2], status;
	struct statfs fs;
	struct stat st;
	char *p, c;
	pid_t pid;

	live_setup(argc, argv);
	if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		live_skip("there is no tmpfs at /dev/shm");
	fd = make("/dev/shm", O_EXCL);
	p = map(fd);
	live_check(close(fd) == 0);
	only_open = make("/dev/shm", 0);
	for (long i = 1; i < 2 * NR; i += 2) {
		memcpy(p + i * 4096 + 16, &i, sizeof(i));
		live_check(pwrite(only_open, &i, sizeof(i), i * 4096 + 16) == sizeof(i));
	}
	live_check(pwrite(only_open, "end", 3, SIZE - 3) == 3);
	live_check(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	if (pid == 0) {
		live_check(read(to[0], &c, 1) == 1 && strcmp(p + 100, "parent") == 0);
		strcpy(p + 4096, "child");
		live_check(write(from[1], "1", 1) == 1);
		pause();
	}
	live_check(pid > 0);
	live_ready();

	check_pages(p);
	live_check(fstat(only_open, &st) == 0 && st.st_size == SIZE && st.st_blocks < (NR + 100) * 8 && st.st_nlink == 0);
	strcpy(p + 100, "parent");
	live_check(write(to[1], "1", 1) == 1 && read(from[0], &c, 1) == 1 && strcmp(p + 4096, "child") == 0);
	p[100] = p[4096] = 0;
	p = map(only_open);
	check_pages(p);
	live_check(pread(only_open, p + 8, 3, SIZE - 3) == 3 && memcmp(p + 8, "end", 3) == 0);
	memset(p + 8, 0, 3);
	live_check(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	live_pass();
}
