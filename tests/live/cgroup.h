/* SPDX-License-Identifier: GPL-2.0-only */
/* Cgroups of live tests, by paths below the container's: "" for that itself. */
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

static char cgroup_base[512];

static inline void cgroup_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (n < 0)
		live_fail("read %s", path);
	close(fd);
	text[n] = 0;
	if (n && text[n - 1] == '\n')
		text[n - 1] = 0;
}

/* Before the program moves anywhere. */
static inline void cgroup_begin(void)
{
	char text[400];

	live_needs_host("it makes cgroups, which nobody gave it");
	cgroup_text("/proc/self/cgroup", text, sizeof(text));
	live_check(strncmp(text, "0::/", 4) == 0 && text[4]);
	snprintf(cgroup_base, sizeof(cgroup_base), "/sys/fs/cgroup%s", text + 3);
}

static inline const char *cgroup_path(const char *cgroup, const char *file)
{
	static char paths[4][1024];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s/%s", cgroup_base, cgroup, file);
	return path;
}

static inline void cgroup_make(const char *cgroup)
{
	if (mkdir(cgroup_path(cgroup, ""), 0755) < 0)
		live_fail("make cgroup %s", cgroup);
}

static inline void cgroup_put(const char *cgroup, const char *file, const char *text)
{
	int fd = open(cgroup_path(cgroup, file), O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		live_fail("write \"%s\" to %s of \"%s\": %m", text, file, cgroup);
	close(fd);
}

static inline void cgroup_get(const char *cgroup, const char *file, char *text, size_t size)
{
	cgroup_text(cgroup_path(cgroup, file), text, size);
}

static inline void cgroup_expect(const char *cgroup, const char *file, const char *text)
{
	char is[4096];

	cgroup_get(cgroup, file, is, sizeof(is));
	if (strcmp(is, text) != 0)
		live_fail("%s of \"%s\" is \"%s\", not \"%s\"", file, cgroup, is, text);
}

static inline long cgroup_number(const char *cgroup, const char *file)
{
	char text[64];

	cgroup_get(cgroup, file, text, sizeof(text));
	return atol(text);
}

/* The calling process goes there. */
static inline void cgroup_enter(const char *cgroup)
{
	cgroup_put(cgroup, "cgroup.procs", "0");
}

/* Where it is, below the container's. */
static inline void cgroup_expect_task(const char *proc_file, const char *cgroup)
{
	char is[600], should[600];

	cgroup_text(proc_file, is, sizeof(is));
	snprintf(should, sizeof(should), "0::%s%s%s", cgroup_base + strlen("/sys/fs/cgroup"), *cgroup ? "/" : "", cgroup);
	if (strcmp(is, should) != 0)
		live_fail("%s says \"%s\", not \"%s\"", proc_file, is, should);
}
