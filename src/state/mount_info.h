/* SPDX-License-Identifier: GPL-2.0-only */
/* The mounts that a process sees: /proc/<pid>/mountinfo, see proc(5). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line. Strings are fresh, see mount_info_clear(). */
struct mount_info {
	int64_t id, parent;	/* that the kernel gave them; the parent of the first may not be in the list */
	char *point, *root, *type, *source, *options, *fs_options;
	char *device;		/* "8:1": tells file systems apart, but for one boot only */
	int64_t shared;		/* peer group; 0: none */
	int64_t master;		/* peer group whose slave it is; 0: none */
	bool unbindable;
};

bool mount_info_parse(const char *line, size_t len, struct mount_info *m);
void mount_info_clear(struct mount_info *m);

struct mounts {
	struct mount_info *list;
	size_t nr, cap;
};

/* Of the process whose directory of procfs is @proc_fd. 0 or negative errno. */
int mounts_read(int proc_fd, struct mounts *ret);
void mounts_clear(struct mounts *m);
/* What is mounted on the root of mount @i, so that nobody comes to it by a path; or m->nr. */
size_t mounts_covering(const struct mounts *m, size_t i);
/* Index of the mount with that id, or m->nr. */
size_t mounts_by_id(const struct mounts *m, int64_t id);

/*
 * What is behind @path's beginning @above, without a slash in front: "/a/b" is
 * "b" below "/a", and "a/b" below "/". NULL: it is not below.
 */
const char *path_below(const char *path, const char *above);
/* The value of option @name in "rw,size=64k", up to the next comma; or NULL. That of a flag is "". */
const char *option_find(const char *options, const char *name, size_t *ret_len);
