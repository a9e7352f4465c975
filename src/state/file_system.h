/* SPDX-License-Identifier: GPL-2.0-only */
/* File systems that only a container has, however often they are mounted in it: table `file_system`. */
#pragma once
#include "state/kind.h"

struct mount_info;

struct file_system_row {
	int64_t file_system;	/* dense from 0 */
	char *type;		/* "proc", "sysfs", "mqueue", "devpts", "tmpfs" */
	char *source;
	char *options;		/* "rw,size=64k" */
	int64_t ns;		/* proc: the pid namespace it shows, mqueue: the ipc namespace; COLUMN_NULL: the host's */
	int64_t user_ns;	/* tmpfs, devpts: it was made in; COLUMN_NULL: the host's */
	int64_t dev_major, dev_minor;
	bool known;		/* while saving only: what @ns of a proc is */
};
extern const struct table file_system_table;

/* Can one of that type be made anew? All that is in it is the kernel's, or cpt restores it. */
bool file_system_known(const char *type);

/*
 * The row of what is mounted as @m in a mount namespace that @user_ns owns, made on first sight. It is known by its
 * device, so that mounts of several namespaces may be of one.
 */
struct file_system_row *file_system_save(struct save *s, const struct mount_info *m, int64_t user_ns);
/* That row, or NULL. */
struct file_system_row *file_system_saved(const struct save *s, const struct mount_info *m);

const struct file_system_row *file_system_find(const struct image *img, int64_t id);
/* Is it a proc that a process inside of a pid namespace has to mount? */
bool file_system_is_inner_proc(const struct file_system_row *row);
/* Called by the kind `mount`. */
int file_systems_check(struct restore *r, struct err *e);

/* Calls @fn for each option but "rw" and "ro", with ids as @user_ns calls them; @value NULL for a flag. False of @fn ends it. */
bool file_system_each_option(const struct image *img, const struct file_system_row *row, int64_t user_ns,
			     bool (*fn)(void *arg, const char *name, const char *value), void *arg);
/*
 * Make it anew. cpt's descriptor of its first mount, which is mounted nowhere; negative errno. If it is of a user
 * namespace that owns the mount namespace of descriptor @place.
 */
int file_system_make(struct restore *r, const struct file_system_row *row, int place, struct err *e);
