// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cgroups below the container's with members, without, with settings and
 * controllers, given to another user: all of it is there again, and memory is
 * charged to the cgroup it was charged to. In new pid namespaces the inits of
 * cpt are in the container's own cgroup, which can have no controllers then.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "cgroup.h"
#include "live.h"

#define MIB (1024 * 1024l)
#define PRIVATE_SIZE (16 * MIB)
#define SHARED_SIZE (8 * MIB)
#define SLACK (6 * MIB)		/* stacks, page tables, the program */

static char dump_before[65536];

/* ---- what is there, as text ------------------------------------------------ */

static const char *const noise[] = {
	"cgroup.procs", "cgroup.threads", "cgroup.kill", "memory.reclaim", "memory.peak", "memory.swap.peak",
	"memory.swap.device", "memory.pressure", "cpu.pressure", "io.pressure", "irq.pressure",
};

static int is_noise(const char *name)
{
	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (strcmp(name, noise[i]) == 0)
			return 1;
	return 0;
}

static void add(char *to, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add(char *to, size_t size, const char *fmt, ...)
{
	size_t len = strlen(to);
	va_list args;

	va_start(args, fmt);
	vsnprintf(to + len, size - len, fmt, args);
	va_end(args);
	live_check(strlen(to) < size - 1);
}

static void dump(const char *cgroup, char *to, size_t size)
{
	struct dirent **list;
	int nr = scandir(cgroup_path(cgroup, ""), &list, NULL, alphasort);
	struct stat st;

	live_check(nr > 0 && stat(cgroup_path(cgroup, ""), &st) == 0);
	add(to, size, "[%s] %d:%d %o\n", cgroup, (int)st.st_uid, (int)st.st_gid, st.st_mode);
	for (int i = 0; i < nr; i++) {
		const char *name = list[i]->d_name;
		char text[4096] = "", below[512];

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		live_check(stat(cgroup_path(cgroup, name), &st) == 0);
		if (S_ISDIR(st.st_mode)) {
			snprintf(below, sizeof(below), "%s%s%s", cgroup, *cgroup ? "/" : "", name);
			dump(below, to, size);
			continue;
		}
		if (!is_noise(name) && st.st_mode & 0222)
			cgroup_get(cgroup, name, text, sizeof(text));
		/* Its own settings may be those of a cgroup that was there. */
		if (*cgroup && (st.st_mode & 0222 || st.st_uid))
			add(to, size, "%s/%s %d:%d %o %s\n", cgroup, name, (int)st.st_uid, (int)st.st_gid, st.st_mode, text);
	}
	for (int i = 0; i < nr; i++)
		free(list[i]);
	free(list);
}

static void check_dump(void)
{
	char now[sizeof(dump_before)] = "", *a = dump_before, *b = now;

	dump("", now, sizeof(now));
	while (*a || *b) {
		size_t la = strcspn(a, "\n"), lb = strcspn(b, "\n");

		if (la != lb || strncmp(a, b, la) != 0)
			live_fail("was \"%.*s\", is \"%.*s\"", (int)la, a, (int)lb, b);
		a += la + (a[la] == '\n');
		b += lb + (b[lb] == '\n');
	}
}

/* ---- members ---------------------------------------------------------------- */

struct member {
	const char *cgroup;
	pid_t pid;
	int to, from;
};

static void fill(char *memory, long size, int with)
{
	for (long at = 0; at < size; at += 4096)
		snprintf(memory + at, 64, "page %ld of %d", at / 4096, with);
}

static void check_filled(const char *memory, long size, int with)
{
	char text[64];

	for (long at = 0; at < size; at += 4096) {
		snprintf(text, sizeof(text), "page %ld of %d", at / 4096, with);
		live_check(strcmp(memory + at, text) == 0);
	}
}

static void member_main(struct member *m, int flags, long size, int to, int from)
{
	char *memory, c = 0;

	cgroup_enter(m->cgroup);
	memory = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	live_check(memory != MAP_FAILED);
	fill(memory, size, flags);
	do {
		live_check(write(to, "", 1) == 1);
		if (read(from, &c, 1) != 1)
			_exit(0);
		check_filled(memory, size, flags);
		cgroup_expect_task("/proc/self/cgroup", m->cgroup);
	} while (1);
}

static void member_start(struct member *m, int flags, long size)
{
	int to[2], from[2];
	char c;

	live_check(pipe(to) == 0 && pipe(from) == 0);
	m->pid = fork();
	live_check(m->pid >= 0);
	if (m->pid == 0) {
		close(to[1]);
		close(from[0]);
		member_main(m, flags, size, from[1], to[0]);
	}
	close(to[0]);
	close(from[1]);
	m->to = to[1];
	m->from = from[0];
	live_check(read(m->from, &c, 1) == 1);
}

static void member_check(const struct member *m)
{
	char path[64], c;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", m->pid);
	cgroup_expect_task(path, m->cgroup);
	live_check(write(m->to, "", 1) == 1 && read(m->from, &c, 1) == 1);
}

static void check_charge(const char *cgroup, long size)
{
	long charged = cgroup_number(cgroup, "memory.current") + cgroup_number(cgroup, "memory.swap.current");

	if (charged < size || charged > size + SLACK)
		live_fail("\"%s\" is charged for %ld bytes, not about %ld", cgroup, charged, size);
}

/* ---- settings ---------------------------------------------------------------- */

static void set_limits(void)
{
	cgroup_enter("main");
	cgroup_put("", "cgroup.subtree_control", "+memory +pids +cpu +cpuset");
	cgroup_put("a", "memory.max", "268435456");
	cgroup_put("a", "pids.max", "50");
	cgroup_put("a", "cgroup.subtree_control", "+memory +pids +cpu");
	cgroup_put("a/b", "memory.high", "134217728");
	cgroup_put("a/b", "memory.low", "1048576");
	cgroup_put("a/b", "memory.min", "524288");
	cgroup_put("a/b", "memory.swap.max", "67108864");
	cgroup_put("a/b", "memory.oom.group", "1");
	cgroup_put("a/b", "pids.max", "1");
	cgroup_put("a/b", "cpu.weight", "33");
	cgroup_put("a/b", "cpu.max", "50000 100000");
	cgroup_put("a/b", "cpu.max.burst", "1000");
	cgroup_put("a/c", "cpu.idle", "1");
	cgroup_put("a/c", "memory.swap.max", "0");
	cgroup_put("a/c", "pids.max", "0");
	cgroup_put("main", "cpuset.cpus", "0");
	cgroup_put("main", "cpuset.mems", "0");
	cgroup_put("empty", "memory.max", "1048576");
}

static void delegate(void)
{
	static const char *const files[] = { "", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		live_check(chown(cgroup_path("empty/deep", files[i]), 1000, 1001) == 0);
	live_check(chmod(cgroup_path("empty/deep", ""), 0775) == 0);
	live_check(chmod(cgroup_path("empty/deep", "cgroup.procs"), 0664) == 0);
	live_check(chmod(cgroup_path("empty", "cgroup.events"), 0440) == 0);
}

int main(int argc, char **argv)
{
	static const char *const cgroups[] = { "main", "a", "a/b", "a/c", "empty", "empty/deep", ".hidden" };
	struct member members[] = { { .cgroup = "a/b" }, { .cgroup = "a/c" } };
	bool limits = !live_in_namespaces();

	live_setup(argc, argv);
	cgroup_begin();
	for (size_t i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++)
		cgroup_make(cgroups[i]);
	cgroup_put("empty", "cgroup.max.depth", "3");
	cgroup_put("empty", "cgroup.max.descendants", "1");
	cgroup_put("a", "cgroup.pressure", "0");
	if (limits) {
		cgroup_enter("main");
		cgroup_put("", "cgroup.subtree_control", "+memory");
		cgroup_put("a", "cgroup.subtree_control", "+memory");
	} else {
		cgroup_enter("main");
	}
	member_start(&members[0], MAP_PRIVATE, PRIVATE_SIZE);
	member_start(&members[1], MAP_SHARED, SHARED_SIZE);
	if (limits)
		set_limits();
	delegate();
	dump("", dump_before, sizeof(dump_before));

	live_ready();

	cgroup_expect_task("/proc/self/cgroup", "main");
	check_dump();
	for (int touched = 0; touched < 2; touched++) {
		if (limits) {
			check_charge("a/b", PRIVATE_SIZE);
			check_charge("a/c", SHARED_SIZE);
			check_charge("main", 0);
			check_charge("empty", 0);
		}
		member_check(&members[0]);
		member_check(&members[1]);
	}
	live_pass();
}
