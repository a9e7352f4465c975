/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control groups (v2): the only user of libcgroup. A cgroup is named by its
 * path below the cgroup2 mount, beginning with '/'.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

/* Where cgroup2 is mounted; static storage. NULL and an error when it is not. */
const char *cgroup_mount(struct err *e);
/* What a user wrote, a path below the mount or an absolute one, as a path below the mount. Caller frees *ret. */
int cgroup_resolve(const char *name, char **ret, struct err *e);
/* Descriptor of its directory; negative errno. */
int cgroup_open(const char *cgroup, struct err *e);
/* Make it with the memory controller; one that exists must have no task. *made tells whether it was made. */
int cgroup_create_empty(const char *cgroup, bool *made, struct err *e);
/* Remove it with its (empty) sub-cgroups. */
int cgroup_remove(const char *cgroup, struct err *e);
/* Kill every task in it and below, and wait until it is empty. */
int cgroup_kill(const char *cgroup, struct err *e);
/* 1 when it or a sub-cgroup has a task, 0 when not. */
int cgroup_is_populated(const char *cgroup, struct err *e);
/* Bind it to the private swap area on device "MAJ:MIN", or "none" (memory.swap.device). */
int cgroup_set_swap_device(const char *cgroup, const char *device, struct err *e);
/* What it is bound to: "MAJ:MIN" or "none". */
int cgroup_get_swap_device(const char *cgroup, char *ret, size_t len, struct err *e);
