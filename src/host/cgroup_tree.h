/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sub-cgroups of a container, by descriptors of directories and paths below them:
 * "" is the container's own cgroup, "a/b" one below. Plain files, no libcgroup.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

typedef int cgroup_fn(int dirfd, const char *path, void *arg, struct err *e);

/* Call @fn for @dirfd and for every cgroup below it, parents first, until it fails. Those that vanish are left out. */
int cgroup_each(int dirfd, cgroup_fn *fn, void *arg, struct err *e);
/* Is @path one of a cgroup below another: no "..", nothing empty, not absolute? "" is. */
bool cgroup_path_is_below(const char *path);
/* Its directory; descriptor or negative errno. */
int cgroup_open_below(int dirfd, const char *path, struct err *e);
/* A file's text without its last newline, fresh. 0 or negative errno, without a message. */
int cgroup_read(int dirfd, const char *file, char **ret);
/* Is it frozen by its own cgroup.freeze? */
bool cgroup_is_frozen(int dirfd);
/* Have exactly these controllers on for children: "cpu memory", or "". */
int cgroup_control(int dirfd, const char *controllers, struct err *e);
