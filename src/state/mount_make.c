// SPDX-License-Identifier: GPL-2.0-only
/* Making mounts that are nowhere yet, on the stage; mount_restore.c puts them together. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include "state/file_system.h"
#include "state/mount_given.h"
#include "state/namespace.h"
#include "state/tmpfs.h"

#define CGROUP "mount, cgroup"	/* by row, nowhere */

int mount_set_attributes(const struct mount_row *row, int fd, struct err *e)
{
	uint64_t wanted = 0;
	struct mount_attr attr = {
		.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			    MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW,
	};

	mount_attributes(row->options, &wanted);
	attr.attr_set = wanted;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? err_sys(e, "set its options %s", row->options) : 0;
}

/* A copy of a slave of the host's is one, too; others of its peer group join it later. */
static int propagation_keep(const struct restore *r, const struct mount_row *row, int fd, struct err *e)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	size_t nr;
	const struct mount_row *rows = image_rows(r->img, &mount_table, &nr);

	if (row->host_slave && row->outside == COLUMN_NULL &&
	    (row->shared == COLUMN_NULL || mount_group_leader(rows, nr, row->shared) == row))
		return 0;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &private, sizeof(private)) < 0 ? err_sys(e, "make it private") : 0;
}

/* In cpt's own namespace, whose cgroup2 it has open. */
static int cgroups_make(struct restore *r, struct err *e)
{
	const struct mount_row *row;

	image_for_each(row, r->img, &mount_table) {
		int fd = -1;

		if (row->cgroup)
			fd = open_tree(r->cgroup_fd, row->cgroup, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
		if (row->cgroup && fd < 0) {
			err_sys(e, "open_tree of cgroup \"%s\"", row->cgroup);
			return mount_in(row, e);
		}
		if (fd >= 0)
			restore_set_keyed(r, CGROUP, mount_number(r, row), fd);
	}
	return 0;
}

/* Once more, for mountinfo has the order in which mounts were made. */
static int cgroup_clone(struct restore *r, struct stage *stage, const struct mount_row *row, struct err *e)
{
	_cleanup_fd_ int fd = restore_take_keyed(r, CGROUP, mount_number(r, row));

	return stage_put(stage, fd, e) < 0 ? e->code : stage_clone(fd, "", e);
}

/* Of what is there already: the host's, or given. */
static int found_clone(struct restore *r, struct stage *stage, const struct mount_row *row, struct err *e)
{
	return row->outside == COLUMN_NULL ? stage_clone_host(stage, row, e) : mount_given_clone(r, row, e);
}

static int row_make(struct restore *r, struct stage *stage, const struct mount_row *row, struct err *e)
{
	int fd, ret;

	if (row->cgroup)
		fd = cgroup_clone(r, stage, row, e);
	else if (row->file_system == COLUMN_NULL)
		fd = found_clone(r, stage, row, e);
	else
		fd = stage_clone(restore_keyed(r, "file_system", row->file_system), row->root + 1, e);
	if (fd < 0)
		return fd;
	ret = mount_set_attributes(row, fd, e) ?: propagation_keep(r, row, fd, e);
	restore_set_keyed(r, MOUNT_READY, mount_number(r, row), fd);
	return ret;
}

/*
 * What was mounted in a user namespace can't be given options that the host's mount has not; unless its options are
 * less, for then somebody with power over the host has made it.
 */
static int row_make_inside(struct restore *r, struct stage *stage, int inside, unsigned int name, const struct mount_row *row,
			   struct err *e)
{
	int fd = stage_clone_inside(stage, inside, name, e), old;

	if (fd < 0)
		return fd;
	if (mount_set_attributes(row, fd, &ERR_INIT) < 0) {
		close(fd);
		return 0;
	}
	old = restore_take_keyed(r, MOUNT_READY, mount_number(r, row));
	close_fd(&old);
	restore_set_keyed(r, MOUNT_READY, mount_number(r, row), fd);
	return propagation_keep(r, row, fd, e);
}

static bool is_bound_inside(const struct mount_row *row)
{
	return (row->host_point || row->outside != COLUMN_NULL) && !row->locked;
}

static int rows_make_inside(struct restore *r, struct stage *stage, const struct namespace_row *ns, struct err *e)
{
	unsigned int name = stage->nr_used;
	_cleanup_fd_ int inside = -1;
	size_t nr;
	const struct mount_row *rows = mount_rows(r->img, ns->namespace, &nr);

	for (size_t i = 0; i < nr; i++) {
		_cleanup_fd_ int fd = -1;

		if (is_bound_inside(&rows[i]) &&
		    ((fd = found_clone(r, stage, &rows[i], e)) < 0 || stage_put(stage, fd, e) < 0))
			return mount_in(&rows[i], e);
	}
	if (stage_inside(stage, r->ns_fds[ns->user_ns], &inside, e) < 0)
		return e->code;
	for (size_t i = 0; i < nr; i++)
		if (is_bound_inside(&rows[i]) && row_make_inside(r, stage, inside, name++, &rows[i], e) < 0)
			return mount_in(&rows[i], e);
	return 0;
}

/* Files of a proc that are about no process are opened before it is there: the host's is as good for that. */
static void stand_in_make(struct restore *r, struct stage *stage, const struct mount_row *row)
{
	int fd = stage_clone_proc(stage);

	if (fd >= 0)
		restore_set_keyed(r, MOUNT_STAND_IN, mount_number(r, row), fd);
}

static int rows_make(struct restore *r, struct stage *stage, struct err *e)
{
	const struct namespace_row *ns;
	const struct mount_row *row;

	image_for_each(row, r->img, &mount_table)
		if (!mount_is_inner_proc(r, row) && row_make(r, stage, row, e) < 0)
			return mount_in(row, e);
	image_for_each(row, r->img, &mount_table)
		if (mount_is_inner_proc(r, row) && strcmp(row->root, "/") == 0)
			stand_in_make(r, stage, row);
	image_for_each(ns, r->img, &namespace_table)
		if (strcmp(ns->type, "mnt") == 0 && ns->user_ns != COLUMN_NULL && rows_make_inside(r, stage, ns, e) < 0)
			return e->code;
	return 0;
}

static int file_system_fill(struct restore *r, struct stage *stage, const struct file_system_row *row, struct err *e)
{
	_cleanup_fd_ int inside = -1;
	int fd;

	if (row->user_ns != COLUMN_NULL && stage_inside(stage, r->ns_fds[row->user_ns], &inside, e) < 0)
		return e->code;
	fd = file_system_make(r, row, inside, e);
	if (fd < 0)
		return fd;
	restore_set_keyed(r, "file_system", row->file_system, fd);
	if (stage_put(stage, fd, e) < 0)
		return e->code;
	return strcmp(row->type, "tmpfs") == 0 ? tmpfs_fill(r, row->file_system, fd, e) : 0;
}

static int file_systems_make(struct restore *r, struct stage *stage, struct err *e)
{
	const struct file_system_row *row;

	image_for_each(row, r->img, &file_system_table)
		if (!file_system_is_inner_proc(row) && file_system_fill(r, stage, row, e) < 0)
			return e->code;
	return 0;
}

int mounts_make(struct restore *r, struct err *e)
{
	struct stage stage;
	int ret = cgroups_make(r, e) ?: mounts_given_open(r, e) ?: stage_enter(&stage, e);

	if (ret < 0)
		return ret;
	ret = mounts_given_put(r, &stage, e) ?: file_systems_make(r, &stage, e) ?: rows_make(r, &stage, e);
	return stage_leave(&stage, ret < 0 ? &ERR_INIT : e) ?: ret;
}
