// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes in a time namespace of their own keep what their clocks are ahead of the others', and share it; who has
 * made one has its children in it.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "clock.h"

#define MONOTONIC (5000 * NS + 500000000)
#define BOOTTIME (70000 * NS)

struct answer {
	int64_t monotonic, boottime;	/* what they read */
	int64_t ahead[2];		/* offsets of its children */
	ino_t ns, ns_for_children;
};

/* The process that made the namespace, and two in it. */
static int ask[3][2], answers[3][2];

static ino_t inode(const char *path)
{
	struct stat st;

	live_check(stat(path, &st) == 0);
	return st.st_ino;
}

static struct answer look(void)
{
	struct answer a = { .monotonic = clock_now(CLOCK_MONOTONIC), .boottime = clock_now(CLOCK_BOOTTIME) };
	FILE *f = fopen("/proc/self/timens_offsets", "re");

	for (int i = 0; i < 2; i++) {
		long long s, ns;

		live_check(f && fscanf(f, "%*s %lld %lld", &s, &ns) == 2);
		a.ahead[i] = s * NS + ns;
	}
	fclose(f);
	a.ns = inode("/proc/self/ns/time");
	a.ns_for_children = inode("/proc/self/ns/time_for_children");
	return a;
}

static void serve(int n)
{
	int64_t when = clock_now(CLOCK_MONOTONIC) + 1000 * NS;
	int timer = clock_timer(CLOCK_MONOTONIC, when);
	struct answer a;
	char c;

	while (read(ask[n][0], &c, 1) == 1) {
		clock_check_timer(timer, CLOCK_MONOTONIC, when);
		if (c == 'c') {		/* what a new child sees */
			if (fork())
				continue;
			a = look();
			live_check(write(answers[n][1], &a, sizeof(a)) == sizeof(a));
			_exit(0);
		}
		a = look();
		live_check(write(answers[n][1], &a, sizeof(a)) == sizeof(a));
	}
	_exit(0);
}

static void start(void)
{
	const char offsets[] = "monotonic 5000 500000000\nboottime 70000 0\n";
	int fd;

	for (int i = 0; i < 3; i++)
		live_check(pipe(ask[i]) == 0 && pipe(answers[i]) == 0);
	if (fork())
		return;
	live_check(unshare(CLONE_NEWTIME) == 0);
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (write(fd, offsets, sizeof(offsets) - 1) < 0)
		live_fail("set the offsets of a time namespace");
	close(fd);
	if (fork() == 0) {
		if (fork() == 0)
			serve(2);
		serve(1);
	}
	serve(0);
}

/* Asked between two looks at our own clock: @ahead of it, just so. */
static struct answer query(int n, char c, int64_t monotonic, int64_t boottime)
{
	struct answer before = look(), after, a;

	live_check(write(ask[n][1], &c, 1) == 1 && read(answers[n][0], &a, sizeof(a)) == sizeof(a));
	after = look();
	live_check(a.monotonic - monotonic >= before.monotonic && a.monotonic - monotonic <= after.monotonic);
	live_check(a.boottime - boottime >= before.boottime && a.boottime - boottime <= after.boottime);
	return a;
}

static void check_all(void)
{
	struct answer own = look(), maker = query(0, '?', 0, 0), child = query(0, 'c', MONOTONIC, BOOTTIME);
	struct answer first = query(1, '?', MONOTONIC, BOOTTIME), second = query(2, '?', MONOTONIC, BOOTTIME);

	live_check(maker.ns == own.ns && own.ns == own.ns_for_children);
	live_check(child.ns == maker.ns_for_children && child.ns != own.ns);
	live_check(first.ns == second.ns && first.ns != own.ns && first.ns == first.ns_for_children);
	live_check(maker.ahead[0] - own.ahead[0] == MONOTONIC && maker.ahead[1] - own.ahead[1] == BOOTTIME);
	live_check(memcmp(first.ahead, maker.ahead, sizeof(maker.ahead)) == 0);
	live_check(memcmp(second.ahead, maker.ahead, sizeof(maker.ahead)) == 0);
}

int main(int argc, char **argv)
{
	live_setup(argc, argv);
	if (access("/proc/self/timens_offsets", F_OK))
		live_skip("this kernel has no time namespaces");
	start();
	check_all();
	live_ready();
	check_all();
	live_pass();
}
