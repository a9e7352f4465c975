/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in a tmpfs that only a container has: tables `tmpfs_node`,
 * `tmpfs_name` and `tmpfs_xattr`. The contents of its files are shared memory
 * and stay on the swap volume (kind "file" of table `shmem`).
 */
#pragma once
#include <sys/stat.h>
#include "state/kind.h"

struct tmpfs_node_row {
	int64_t file_system;	/* table file_system */
	int64_t node;		/* dense from 0, which is the root directory; directories before what is in them */
	int64_t mode;		/* with the format */
	int64_t uid, gid;
	int64_t atime_ns, mtime_ns;
	int64_t size;		/* bytes of a regular file */
	int64_t dev_major, dev_minor;	/* of a device node */
	char *target;		/* of a symbolic link; else NULL */
	int64_t shmem;		/* contents of a regular file; COLUMN_NULL: all of it is a hole */
};

struct tmpfs_name_row {
	int64_t file_system;
	int64_t directory;	/* a node */
	char *name;
	int64_t node;
};

struct tmpfs_xattr_row {
	int64_t file_system;
	int64_t node;
	char *name;		/* "user.x" */
	struct blob value;
};
extern const struct table tmpfs_node_table, tmpfs_name_table, tmpfs_xattr_table;

/* All that is in the tmpfs of which @fd is a mount of cpt's own; @point is where the container has it. */
int tmpfs_save(struct save *s, struct live_process *p, const char *point, int64_t file_system, int fd, struct err *e);

int tmpfs_check(struct restore *r, struct err *e);
/* Make all that is in there; @fd is a mount of the empty tmpfs. */
int tmpfs_fill(struct restore *r, int64_t file_system, int fd, struct err *e);
/* Last: the times, which files that were made and opened in there have changed. */
int tmpfs_set_times(struct restore *r, int64_t file_system, int fd, struct err *e);
