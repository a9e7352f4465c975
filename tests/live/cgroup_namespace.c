// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cgroup namespaces: one that two processes share, at different places in it;
 * one whose process has left its root; one whose root has controllers on, as
 * service managers have it, and so no process of its own.
 */
#include <sched.h>
#include <sys/wait.h>
#include "cgroup.h"
#include "live.h"

enum { FIRST, SECOND, OUTSIDE, MANAGER, NR };

struct member {
	pid_t pid;
	int to, from;
	ino_t ns;
};

static ino_t ns_of(const char *path)
{
	struct stat st;

	live_check(stat(path, &st) == 0);
	return st.st_ino;
}

static void expect_own(const char *should)
{
	char is[600];

	cgroup_text("/proc/self/cgroup", is, sizeof(is));
	if (strcmp(is, should) != 0)
		live_fail("/proc/self/cgroup says \"%s\", not \"%s\"", is, should);
}

static void join(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", pid);
	fd = open(path, O_RDONLY);
	live_check(fd >= 0 && setns(fd, CLONE_NEWCGROUP) == 0);
	close(fd);
}

static void set_up(int i, pid_t first)
{
	static const char *const roots[NR] = { "x", "x/y", "z", "manager" };

	cgroup_enter(roots[i]);
	if (i == SECOND)
		join(first);
	else
		live_check(unshare(CLONE_NEWCGROUP) == 0);
	if (i == OUTSIDE)
		cgroup_enter("w");
	if (i == MANAGER) {
		cgroup_make("manager/init");
		cgroup_enter("manager/init");
		if (!live_in_namespaces())
			cgroup_put("manager", "cgroup.subtree_control", "+memory +pids");
	}
}

static void member_main(int i, pid_t first, int to, int from)
{
	static const char *const seen[NR] = { "0::/", "0::/y", "0::/../w", "0::/init" };
	char c;

	set_up(i, first);
	for (;;) {
		expect_own(seen[i]);
		live_check(write(to, "", 1) == 1);
		if (read(from, &c, 1) != 1)
			_exit(0);
	}
}

static void member_start(struct member *m, int i, pid_t first)
{
	int to[2], from[2];
	char c;

	live_check(pipe(to) == 0 && pipe(from) == 0);
	m->pid = fork();
	live_check(m->pid >= 0);
	if (m->pid == 0) {
		close(to[1]);
		close(from[0]);
		member_main(i, first, from[1], to[0]);
	}
	close(to[0]);
	close(from[1]);
	m->to = to[1];
	m->from = from[0];
	live_check(read(m->from, &c, 1) == 1);
}

static ino_t member_ns(const struct member *m)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", m->pid);
	return ns_of(path);
}

static void check_sharing(const struct member *m)
{
	ino_t own = ns_of("/proc/self/ns/cgroup");

	live_check(member_ns(&m[FIRST]) == member_ns(&m[SECOND]));
	live_check(member_ns(&m[FIRST]) != member_ns(&m[OUTSIDE]));
	live_check(member_ns(&m[FIRST]) != member_ns(&m[MANAGER]));
	live_check(member_ns(&m[OUTSIDE]) != member_ns(&m[MANAGER]));
	for (int i = 0; i < NR; i++)
		live_check(member_ns(&m[i]) != own);
}

int main(int argc, char **argv)
{
	static const char *const cgroups[] = { "main", "x", "x/y", "z", "w", "manager" };
	struct member m[NR];
	char c;

	live_setup(argc, argv);
	cgroup_begin();
	for (size_t i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++)
		cgroup_make(cgroups[i]);
	cgroup_enter("main");
	if (!live_in_namespaces())
		cgroup_put("", "cgroup.subtree_control", "+memory +pids");
	for (int i = 0; i < NR; i++)
		member_start(&m[i], i, m[FIRST].pid);
	check_sharing(m);

	live_ready();

	check_sharing(m);
	cgroup_expect_task("/proc/self/cgroup", "main");
	for (int i = 0; i < NR; i++) {
		live_check(write(m[i].to, "", 1) == 1);
		if (read(m[i].from, &c, 1) != 1)
			live_fail("process %d has ended", i);
	}
	if (!live_in_namespaces())
		cgroup_expect("manager", "cgroup.subtree_control", "memory pids");
	live_pass();
}
