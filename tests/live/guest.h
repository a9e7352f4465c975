/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Children in user namespaces, which tell what they see of themselves; their
 * parent notes what is to be seen from outside. Before and after, both must be
 * the same.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

#define GUESTS_MOST 8

/* In shared memory: a child steps on when the parent says so. */
struct guest {
	volatile int step, done;	/* the parent's, the child's */
	char self[8192];		/* what it sees of itself at its last step */
	char says[256];			/* why it failed */
	pid_t pid;			/* as its parent knows it */
	char outside[8192];		/* what its parent saw of it at first */
	char inside[8192];		/* what it saw of itself at first */
};

static inline void guest_nap(void)
{
	const struct timespec nap = { 0, 5000000 };

	nanosleep(&nap, NULL);
}

static inline void guest_fail(struct guest *g, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
static inline void guest_fail(struct guest *g, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(g->says, sizeof(g->says), fmt, args);
	va_end(args);
	_exit(1);
}

#define guest_check(g, condition) \
	((condition) ? (void)0 : guest_fail(g, "%s:%d: not so: %s (%s)", __FILE__, __LINE__, #condition, strerror(errno)))

static inline void guest_add(char *text, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static inline void guest_add(char *text, size_t size, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + len, size - len, fmt, args);
	va_end(args);
}

static inline void guest_add_file(char *text, size_t size, const char *dir, const char *file, const char *only)
{
	char path[64], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "re");
	guest_add(text, size, "%s:%s\n", file, f ? "" : strerror(errno));
	while (f && fgets(line, sizeof(line), f))
		if (!only || strstr(only, strndupa(line, strcspn(line, ":") + 1)))
			guest_add(text, size, "  %s", line);
	if (f)
		fclose(f);
}

/* Owner and place of a user namespace: "1000<0<" up to what can be seen. @fd is closed. */
static inline void guest_add_line_of(char *text, size_t size, int fd)
{
	for (int i = 0; fd >= 0 && i < 40; i++) {
		unsigned int owner = 0;
		struct stat st;
		int parent;

		if (ioctl(fd, NS_GET_OWNER_UID, &owner) < 0 || fstat(fd, &st) < 0)
			break;
		parent = ioctl(fd, NS_GET_PARENT);
		guest_add(text, size, " %u<", owner);
		close(fd);
		fd = parent;
	}
	if (fd >= 0)
		close(fd);
	guest_add(text, size, "\n");
}

/* All that a process in @dir ("/proc/12") shows of its user namespace and its credentials. */
static inline void guest_describe(char *text, size_t size, const char *dir)
{
	static const char *const types[] = { "user", "pid", "ipc", "uts", "mnt", "net" };

	*text = 0;
	guest_add_file(text, size, dir, "uid_map", NULL);
	guest_add_file(text, size, dir, "gid_map", NULL);
	guest_add_file(text, size, dir, "setgroups", NULL);
	guest_add_file(text, size, dir, "status",
		       "Uid: Gid: Groups: CapInh: CapPrm: CapEff: CapBnd: CapAmb: NoNewPrivs: NSpid: Threads:");
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		char path[64];
		int fd, owner;

		snprintf(path, sizeof(path), "%s/ns/%s", dir, types[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		guest_add(text, size, "%s:", types[i]);
		owner = fd < 0 || i == 0 ? fd : ioctl(fd, NS_GET_USERNS);
		if (fd >= 0 && i > 0)
			close(fd);
		guest_add_line_of(text, size, owner);
	}
}

/* In the child. */
static inline void guest_see(struct guest *g)
{
	guest_describe(g->self, sizeof(g->self), "/proc/self");
	guest_add_file(g->self, sizeof(g->self), "/proc/sys/user", "max_net_namespaces", NULL);
	guest_add_file(g->self, sizeof(g->self), "/proc/sys/user", "max_pid_namespaces", NULL);
	guest_add(g->self, sizeof(g->self), "securebits %d keep %d dumpable %d\n", prctl(PR_GET_SECUREBITS),
		  prctl(PR_GET_KEEPCAPS), prctl(PR_GET_DUMPABLE));
}

/* That is done; wait for the next step. */
static inline void guest_next(struct guest *g)
{
	int next = g->done + 1;

	g->done = next;
	while (g->step <= next)
		guest_nap();
}

static inline struct guest *guests_room(void)
{
	struct guest *g = mmap(NULL, GUESTS_MOST * sizeof(*g), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	live_check(g != MAP_FAILED);
	return g;
}

/* In the parent: have it do step @step, and wait until that is done. */
static inline void guest_step(struct guest *g, int step)
{
	g->step = step;
	while (g->done < step) {
		if (*g->says)
			live_fail("%s", g->says);
		if (waitpid(g->pid, NULL, WNOHANG) == g->pid)
			live_fail("a guest ended at step %d: %s", step, g->says);
		guest_nap();
	}
}

static inline void guest_write(pid_t pid, const char *file, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd) < 0)
		live_fail("write \"%s\" to %s: %s", text, path, strerror(errno));
}

static inline void guest_look(struct guest *g, char *text, size_t size)
{
	char dir[32];

	snprintf(dir, sizeof(dir), "/proc/%d", g->pid);
	guest_describe(text, size, dir);
}

static inline void guest_compare(const char *what, const char *before, const char *after)
{
	size_t at = 0;

	while (before[at] && before[at] == after[at])
		at++;
	while (at > 0 && before[at - 1] != '\n')
		at--;
	if (before[at] || after[at])
		live_fail("%s: was \"%.200s\" and is \"%.200s\"", what, before + at, after + at);
}

/* Before live_ready(). */
static inline void guest_note(struct guest *g)
{
	guest_look(g, g->outside, sizeof(g->outside));
	memcpy(g->inside, g->self, sizeof(g->inside));
	if (!strstr(g->outside, "Uid:") || !strstr(g->inside, "Uid:") || !strstr(g->inside, "user:"))
		live_fail("of %d is seen: %.300s / %.300s", g->pid, g->outside, g->inside);
}

/* After live_ready(), when it has looked at itself again. */
static inline void guest_same(struct guest *g)
{
	static char now[8192];

	guest_look(g, now, sizeof(now));
	guest_compare("seen from outside", g->outside, now);
	guest_compare("seen from inside", g->inside, g->self);
}

/* The end of a guest: all was well. */
static inline void guest_end(struct guest *g, int step)
{
	int status;

	g->step = step;
	if (waitpid(g->pid, &status, 0) != g->pid || status != 0)
		live_fail("a guest ended with %#x: %s", status, g->says);
}
