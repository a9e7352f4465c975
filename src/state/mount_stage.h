/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stage: a mount namespace that only cpt is in, a copy of its own, in which
 * every mount of the host can be reached, also those that others cover.
 */
#pragma once
#include "state/mount.h"

struct file_system_row;

struct stage {
	int back;		/* cpt's own namespace */
	int ns;			/* this one */
	int root;		/* its root directory, below the area */
	int area;		/* a tmpfs for what has to be mounted somewhere */
	unsigned int nr_used;	/* names in there */
	struct mounts mounts;	/* of the host, */
	int *fds;		/* and descriptors of them, or -1 */
};

int stage_enter(struct stage *s, struct err *e);
int stage_leave(struct stage *s, struct err *e);
/* @path below @dir (O_PATH), without links; RESOLVE_NO_XDEV as @xdev: and without crossing mounts. -1: errno. */
int stage_open_below(int dir, const char *path, uint64_t xdev);
/* Mount @fd there, under the next number as its name, so that mounts can be made of it. */
int stage_put(struct stage *s, int fd, struct err *e);
/* A new mount, nowhere yet, of @path below mount @fd; cpt is in the namespace of that. */
int stage_clone(int fd, const char *path, struct err *e);
/* The same of the mount of the host that @row names. */
int stage_clone_host(struct stage *s, const struct mount_row *row, struct err *e);
/*
 * A copy of the stage that a user namespace owns: who is in that can't take options away from copies of what is there
 * (lock_mnt_tree()). A new mount, nowhere yet, of what stage_put() has put under that name.
 */
int stage_inside(struct stage *s, int user_ns, int *ret, struct err *e);
int stage_clone_inside(struct stage *s, int inside, unsigned int name, struct err *e);
/* The same of a proc of the host; -1: there is none. */
int stage_clone_proc(struct stage *s);

/* ---- peer groups, of all rows ---------------------------- */

/* Of those that are shared in @group the one that shows most; NULL: there is none. */
const struct mount_row *mount_group_leader(const struct mount_row *rows, size_t nr, int64_t group);
/* How many groups it is a slave of, one by the other; -1: in a circle, or there is no such group. */
int mount_group_depth(const struct mount_row *rows, size_t nr, int64_t group);
int mount_group_deepest(const struct mount_row *rows, size_t nr);
/* Why the propagation of @row can't be restored: its group has no mount that shows all others do; or NULL. */
const char *mount_group_trouble(const struct mount_row *rows, size_t nr, const struct mount_row *row);
/* When all mounts are there. */
int mount_groups_make(struct restore *r, struct err *e);

/* ---- for the parts of mount_restore.c ------------------------------------- */

/* cpt's descriptors by row, restore_keyed(): made and nowhere, where it belongs; what is there as long as it can't be. */
#define MOUNT_READY "mount, ready"
#define MOUNT_MADE "mount"
#define MOUNT_STAND_IN "mount, stand-in"

int64_t mount_number(const struct restore *r, const struct mount_row *row);
/* NULL: it is not of one of the container's own. */
const struct file_system_row *mount_file_system(const struct restore *r, const struct mount_row *row);
/* Of a proc that a process of the container has to make? */
bool mount_is_inner_proc(const struct restore *r, const struct mount_row *row);
/* cpt's descriptor of the mount, when it is where it belongs; -1. */
int mount_made(const struct restore *r, const struct mount_row *row);
/* err_in() with what is mounted where. */
int mount_in(const struct mount_row *row, struct err *e);
/* Its options. */
int mount_set_attributes(const struct mount_row *row, int fd, struct err *e);

/* All but inner procs are MOUNT_READY then. */
int mounts_make(struct restore *r, struct err *e);
/* Give mount namespaces to the user namespaces that own them: what is MOUNT_MADE by now is locked. */
int mounts_hand_over(struct restore *r, struct err *e);
/* cpt's descriptor of a proc that @p has made, a mount that is nowhere. */
int mount_proc_make(const struct restore *r, struct new_process *p, const struct file_system_row *fs, struct err *e);
