// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program whose file is gone, as after an upgrade, with mappings of files
 * that are gone too: shared ones stay shared, private ones keep what was
 * written and what was not.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define PAGES 100L
#define SIZE (PAGES * 4096)

static volatile int global = 12345;

/* Become a copy of this program that has no name any more. */
static void become_deleted(int argc, char **argv)
{
	int from, to;
	struct stat st;

	if (argc > 1 && strcmp(argv[argc - 1], "copy") == 0) {
		live_check(unlink(live_path("program")) == 0);
		return;
	}
	from = open("/proc/self/exe", O_RDONLY);
	to = open(live_path("program"), O_WRONLY | O_CREAT, 0700);
	live_check(from >= 0 && to >= 0 && fstat(from, &st) == 0);
	live_check(sendfile(to, from, NULL, (size_t)st.st_size) == st.st_size && close(to) == 0);
	execl(live_path("program"), argv[0], "copy", NULL);
	live_fail("exec: %s", strerror(errno));
}

static char *map(const char *name, int flags, bool keep)
{
	int fd = open(live_path(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p;

	live_check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	for (long i = 0; i < PAGES; i += 2)	/* every other page is a hole */
		live_check(pwrite(fd, &i, sizeof(i), i * 4096 + 8) == sizeof(i));
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	live_check(p != MAP_FAILED && unlink(live_path(name)) == 0);
	if (!keep)
		live_check(close(fd) == 0);
	return p;
}

static bool page_is(const char *p, long i)
{
	long n;

	memcpy(&n, p + i * 4096 + 8, sizeof(n));
	return n == (i % 2 ? 0 : i);
}

static void parent_and_child(char *shared, char *private, int to, int from)
{
	char c;

	live_check(write(to, "1", 1) == 1 && read(from, &c, 1) == 1);
	/* It wrote to both: one is ours too. */
	live_check(strcmp(shared + 5 * 4096 + 100, "child") == 0 && private[5 * 4096 + 100] == 0);
}

int main(int argc, char **argv)
{
	char *shared, *private, *both, exe[200], buf[16], c;
	int to[2], from[2], fd, status;
	pid_t pid;

	live_setup(argc, argv);
	become_deleted(argc, argv);
	global = 54321;
	shared = map("shared", MAP_SHARED, false);
	private = map("private", MAP_PRIVATE, false);
	both = map("both", MAP_SHARED, true);
	fd = 3;
	strcpy(shared + 4 * 4096 + 100, "written before");
	strcpy(private + 7 * 4096 + 100, "mine");
	strcpy(both + 9 * 4096 + 100, "by memory");
	live_check(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	if (pid == 0) {
		live_check(read(to[0], &c, 1) == 1);
		live_check(strcmp(shared + 6 * 4096 + 100, "parent") == 0 && private[6 * 4096 + 100] == 0);
		live_check(strcmp(private + 7 * 4096 + 100, "mine") == 0);
		strcpy(shared + 5 * 4096 + 100, "child");
		strcpy(private + 5 * 4096 + 100, "child");
		live_check(write(from[1], "1", 1) == 1);
		pause();
	}
	live_check(pid > 0);
	live_ready();

	live_check(global == 54321);
	live_check(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0 && access(live_path("program"), F_OK) < 0);
	for (long i = 0; i < PAGES; i++)
		live_check(page_is(shared, i) && page_is(private, i) && page_is(both, i));
	live_check(strcmp(shared + 4 * 4096 + 100, "written before") == 0 && strcmp(private + 7 * 4096 + 100, "mine") == 0);
	live_check(shared[7 * 4096 + 100] == 0 && private[4 * 4096 + 100] == 0);
	strcpy(shared + 6 * 4096 + 100, "parent");
	strcpy(private + 6 * 4096 + 100, "parent");
	parent_and_child(shared, private, to[1], from[0]);
	/* The open file and the mapping are one file. */
	live_check(pread(fd, buf, 10, 9 * 4096 + 100) == 10 && strcmp(buf, "by memory") == 0);
	live_check(pwrite(fd, "by file", 8, 11 * 4096 + 100) == 8 && strcmp(both + 11 * 4096 + 100, "by file") == 0);
	/* It can still make processes that run the same program. */
	live_check(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	pid = fork();
	if (pid == 0)
		_exit(global == 54321 ? 7 : 1);
	live_check(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
	live_pass();
}
