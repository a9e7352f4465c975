/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cgroups of the unified hierarchy: the only file that knows libcgroup.
 * @cgroup is always a path below the cgroup2 mount that begins with '/', as
 * cgroup_resolve() makes it of what a user wrote.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

/* Where cgroup2 with the memory controller is mounted: "/sys/fs/cgroup". Static. */
int cgroup_mount(const char **ret, struct err *e);
/*
 * "web", "/web", "/sys/fs/cgroup/web/" -> "/web", fresh (caller frees). It
 * need not exist. -EINVAL: it is the root or climbs out with "..".
 */
int cgroup_resolve(const char *name, char **ret, struct err *e);
bool cgroup_exists(const char *cgroup);
/* Its directory, O_PATH-less so that files below can be opened. Descriptor or negative errno. */
int cgroup_open(const char *cgroup, struct err *e);

/* Make it, with its parents and the memory controller on. Existing is fine. */
int cgroup_create(const char *cgroup, struct err *e);
/* -EBUSY if there are tasks in it or below. That it is not there is fine. */
int cgroup_check_empty(const char *cgroup, struct err *e);
/* As cgroup_create(), but -EBUSY if there are tasks in it or below; *ret_made: it was not there. */
int cgroup_create_empty(const char *cgroup, bool *ret_made, struct err *e);
/* Remove it and its children; -EBUSY if tasks are in there. Not existing is fine. */
int cgroup_remove(const char *cgroup, struct err *e);
/* Remove its children alone. */
int cgroup_remove_children(const char *cgroup, struct err *e);
/* Have @controllers ("cpu memory") on for it, which takes all cgroups above. */
int cgroup_provide(const char *cgroup, const char *controllers, struct err *e);
/* -EBUSY: a cgroup above it is frozen, so its tasks are, too. */
int cgroup_check_above(const char *cgroup, struct err *e);

/* Processes (thread group leaders) directly in it, fresh array. */
int cgroup_processes(const char *cgroup, pid_t **ret, size_t *ret_nr, struct err *e);
/* Threads directly in it, fresh array. */
int cgroup_threads(const char *cgroup, pid_t **ret, size_t *ret_nr, struct err *e);
/* Are there live tasks in it or below? */
int cgroup_populated(const char *cgroup, bool *ret, struct err *e);
/* Move a process in. */
int cgroup_attach(const char *cgroup, pid_t pid, struct err *e);
/* SIGKILL to every task in it and below (cgroup.kill), and wait until none is left: at most 10 s. */
int cgroup_kill(const char *cgroup, struct err *e);

/* A setting's text without its last newline, fresh. -ENOENT: this kernel has no such file there. */
int cgroup_get(const char *cgroup, const char *file, char **ret, struct err *e);
int cgroup_set(const char *cgroup, const char *file, const char *value, struct err *e);
/* Least memory.max of it and its ancestors in bytes; UINT64_MAX: no limit. */
int cgroup_memory_limit(const char *cgroup, uint64_t *ret, struct err *e);
