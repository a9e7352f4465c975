// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and directories of procfs that are open tell of the processes that
 * they told of; those of the system as a whole, and of sysfs, are open too.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static pid_t child;
static int own_status, child_status, child_dir, fds, place, leader, meminfo, ostype, proc, memory, sys;
static volatile long word = 0x12345678;

static int open_proc(const char *name, int flags)
{
	int fd = open(name, flags);

	live_check(fd >= 0);
	return fd;
}

static int open_of(pid_t pid, const char *name, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	return open_proc(path, flags);
}

static long number_in(int dirfd, const char *name, const char *field)
{
	int fd = name ? openat(dirfd, name, O_RDONLY) : dirfd;
	char buf[4096], *at;
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);

	live_check(fd >= 0 && n > 0);
	buf[n] = 0;
	at = strstr(buf, field);
	live_check(at);
	if (name)
		close(fd);
	return strtol(at + strlen(field), NULL, 10);
}

/* The descriptors that a directory of them lists, but for the one that reads it. */
static int count_fds(int dirfd)
{
	DIR *d = fdopendir(dup(dirfd));
	struct dirent *entry;
	int nr = 0;

	live_check(d);
	rewinddir(d);
	while ((entry = readdir(d)))
		nr += entry->d_name[0] != '.';
	closedir(d);
	return nr;
}

static void check_all(pid_t parent)
{
	char buf[64], text[64] = "";
	long there = 0;

	live_check(number_in(own_status, NULL, "\nPid:\t") == parent && number_in(child_status, NULL, "\nPid:\t") == child);
	live_check(number_in(child_dir, "status", "\nPPid:\t") == parent);
	live_check(number_in(leader, "status", "\nPid:\t") == parent);
	live_check((fcntl(place, F_GETFL) & O_PATH) && number_in(place, "status", "\nPid:\t") == parent);
	live_check(number_in(meminfo, NULL, "MemTotal:") > 1000);
	live_check(pread(memory, &there, sizeof(there), (off_t)(unsigned long)&word) == sizeof(there));
	live_check(there == word);
	snprintf(text, sizeof(text), "%d/stat", parent);
	live_check(faccessat(proc, text, R_OK, 0) == 0 && pread(ostype, buf, 6, 0) == 6 && memcmp(buf, "Linux\n", 6) == 0);
	live_check(pread(sys, buf, sizeof(buf), 0) > 0);
}

int main(int argc, char **argv)
{
	char buf[16];
	int p[2], before, status;

	live_setup(argc, argv);
	live_check(pipe(p) == 0);
	child = fork();
	if (child == 0) {
		live_check(read(p[0], buf, 1) == 1);
		_exit(0);
	}
	live_check(child > 0);
	own_status = open_proc("/proc/self/status", O_RDONLY);
	child_status = open_of(child, "status", O_RDONLY);
	child_dir = open_of(child, "", O_RDONLY | O_DIRECTORY);
	fds = open_proc("/proc/self/fd", O_RDONLY | O_DIRECTORY);
	place = open_proc("/proc/self", O_PATH);
	leader = open_proc("/proc/thread-self", O_RDONLY | O_DIRECTORY);
	meminfo = open_proc("/proc/meminfo", O_RDONLY);
	ostype = open_proc("/proc/sys/kernel/ostype", O_RDONLY);
	proc = open_proc("/proc", O_RDONLY | O_DIRECTORY);
	memory = open_proc("/proc/self/mem", O_RDONLY);
	sys = open_proc("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY);
	/* "Name:\tproc_file_handl\n" */
	live_check(read(own_status, buf, 6) == 6 && memcmp(buf, "Name:\t", 6) == 0);
	live_check(read(ostype, buf, 2) == 2 && lseek(memory, 4096, SEEK_SET) == 4096);
	before = count_fds(fds);
	live_ready();

	live_check(read(own_status, buf, 9) == 9 && memcmp(buf, "proc_file", 9) == 0);
	live_check(lseek(own_status, 6, SEEK_SET) == 6);
	live_check(lseek(ostype, 0, SEEK_CUR) == 2 && read(ostype, buf, 9) == 4 && memcmp(buf, "nux\n", 4) == 0);
	live_check(lseek(ostype, 2, SEEK_SET) == 2 && lseek(memory, 0, SEEK_CUR) == 4096);
	live_check(count_fds(fds) == before);
	word = 0x9abcdef;
	check_all(getpid());
	/* They are about these processes, not about whoever reads them. */
	if (fork() == 0) {
		check_all(getppid());
		_exit(0);
	}
	live_check(wait(&status) > 0 && status == 0);
	live_check(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	live_check(openat(child_dir, "status", O_RDONLY) < 0 && pread(child_status, buf, 1, 0) < 0);
	live_pass();
}
