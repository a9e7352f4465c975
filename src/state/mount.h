/* SPDX-License-Identifier: GPL-2.0-only */
/* Mounts of a container's mount namespaces: table `mount`. */
#pragma once
#include "state/kind.h"

struct mount_row {
	int64_t mount_ns;
	int64_t place;		/* order of the table of mounts: parents before children */
	char *point;		/* where it is mounted, as a process in the namespace sees it */
	char *root;		/* what of the file system is mounted: "/", or the source of a bind mount */
	char *type;		/* "ext4", "proc"... */
	char *source;
	char *options;		/* of this mount: "rw,nosuid" */
	char *fs_options;	/* of the file system: "rw,size=64k" */
	int64_t host;		/* 1: cpt's own namespace has it too */
	int64_t pid_ns;		/* proc: whose processes it shows; COLUMN_NULL: the host's */
};
extern const struct table mount_table;
extern const struct kind mount_kind;

/* One line of /proc/<pid>/mountinfo (proc(5)). Strings are fresh, see mount_info_clear(). */
struct mount_info {
	char *point, *root, *type, *source, *options, *fs_options;
	char *device;		/* "8:1": tells file systems apart, but for one boot only */
};
bool mount_info_parse(const char *line, size_t len, struct mount_info *m);
void mount_info_clear(struct mount_info *m);
