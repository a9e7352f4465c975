/* SPDX-License-Identifier: GPL-2.0-only */
/* Mounts of a container's mount namespaces: table `mount`. */
#pragma once
#include "state/kind.h"
#include "state/mount_info.h"

struct mount_row {
	int64_t mount_ns;
	int64_t place;		/* dense from 0, as /proc/<pid>/mountinfo lists them: in the order they were made */
	int64_t parent;		/* place of the mount it is mounted on; COLUMN_NULL: the root of the namespace */
	char *point;		/* where it is mounted, seen from the root of the namespace */
	char *root;		/* what of the file system is mounted: "/", or the source of a bind mount */
	char *type;		/* "ext4", "proc"... */
	char *source;
	char *options;		/* of this mount: "rw,nosuid" */
	char *fs_options;	/* of the file system: "rw,size=64k" */
	char *host_point;	/* a mount of the host of the same file system, in which @root is, too; NULL: there is none */
	int64_t file_system;	/* that is the container's own; COLUMN_NULL: it is none of these */
	char *cgroup;		/* of a cgroup2: the container's cgroup, or the one below it, that it shows; NULL: no such */
	int64_t shared;		/* number of its peer group; COLUMN_NULL: it is not shared */
	int64_t master;		/* peer group whose slave it is; COLUMN_NULL */
	int64_t host_slave;	/* of the host's mounts it is a slave (MOUNT_SLAVE) or a peer (MOUNT_PEER) */
#define MOUNT_SLAVE 1
#define MOUNT_PEER 2
	int64_t unbindable;	/* 1: it is */
	int64_t locked;		/* 1: a user namespace got it with its mount namespace, and can't take it away */
	int64_t is_file;	/* 1: what is mounted is a file, 0: a directory; COLUMN_NULL: it was not to be seen */
	int64_t outside;	/* outside_row.outside: who restores says what is mounted here; COLUMN_NULL: cpt knows */
};
extern const struct table mount_table;
extern const struct kind mount_kind;

/* The rows of one namespace, by place. */
struct mount_row *mount_rows(const struct image *img, int64_t mount_ns, size_t *ret_nr);

/* "the mount /data (fuse.sshfs)", cut. */
const char *mount_object(const char *point, const char *type, char buf[static 300]);

/* That of it, or NULL. While mounts are saved: those so far. */
const struct mount_row *mount_row_at(const struct image *img, int64_t mount_ns, int64_t place);

/* MOUNT_ATTR_* of "rw,nosuid,relatime", as mount_setattr(2) takes them; false: there is a word that it does not know. */
bool mount_attributes(const char *options, uint64_t *ret);

/*
 * The root directory of the mount namespace that @p is in, whatever the root of
 * @p itself is: what /proc/<pid>/fd/<fd> reads begins there. It belongs to @s;
 * negative errno.
 */
int mount_ns_root(struct save *s, const struct live_process *p, struct err *e);

/*
 * A descriptor (O_PATH) of the root of mount @id, which is at @point below @root; -1: something covers it. No links
 * are followed.
 */
int mount_reach(int root, const char *point, int64_t id);

/*
 * Write what is in the container's own tmpfs through to its volume, while it
 * runs. Adds to @sum. Not all of it: what is in the way is told by the snapshot.
 */
int mounts_presync(struct live *l, struct sync_figures *sum, struct err *e);

/* Enter the mount namespace of @p. 1: cpt is in there; 0: the process ended meanwhile. */
struct mount_ns_back {
	int ns, cwd;		/* where cpt was before */
};
int mount_ns_enter(struct save *s, const struct live_process *p, struct mount_ns_back *b, struct err *e);
int mount_ns_leave(struct mount_ns_back *b, struct err *e);

/* ---- for outside.c ----------------------------------------------------- */

/* "ext4 of /dev/sdb1, its /data" */
char *mount_outside_text(const struct image *img, int64_t outside);
/*
 * When it is decided what comes in place of mounts: does it fit? What the container needs by its path and is not in
 * there is counted, and listed in outside_plan.missing. Mounts that are dropped are no rows of the image any more.
 */
int mounts_plan(struct restore *r, size_t *ret_missing, struct err *e);

/* ---- restoring, for mount.c ------------------------------------------- */

int mounts_check(struct restore *r, struct err *e);
/* Make the mounts of all namespaces, but for procs of the container's pid namespaces and what is on them. */
int mounts_restore(struct restore *r, struct err *e);
/* What only @p can mount, and what is on that. */
int mounts_restore_place(struct restore *r, struct new_process *p, struct batch *b, struct err *e);
/* All are there: which are shared, slaves, unbindable. */
int mounts_finish(struct restore *r, struct err *e);
