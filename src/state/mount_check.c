// SPDX-License-Identifier: GPL-2.0-only
/* Rows of table `mount`: can there be such mounts? Makes nothing. */
#include <errno.h>
#include <string.h>
#include "state/cgroup.h"
#include "state/file_system.h"
#include "state/mount_given.h"
#include "state/namespace.h"
#include "state/outside.h"
#include "state/tmpfs.h"

/* Absolute, and without empty parts, "." and "..". */
static bool is_path(const char *path)
{
	if (*path != '/')
		return false;
	for (const char *part = path + 1; path[1] && part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
		size_t len = strcspn(part, "/");

		if (len == 0 || (len == 1 && *part == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
			return false;
	}
	return true;
}

/* Up to the root of the namespace, below which each is. */
static bool is_on_root(const struct mount_row *rows, size_t nr, const struct mount_row *row)
{
	for (size_t steps = 0; steps <= nr; steps++) {
		const struct mount_row *parent;

		if (row->parent == COLUMN_NULL)
			return strcmp(row->point, "/") == 0;
		if ((size_t)row->parent >= nr)
			return false;
		parent = &rows[row->parent];
		if (!path_below(row->point, parent->point))
			return false;
		row = parent;
	}
	return false;
}

static bool has_whole_proc(const struct mount_row *rows, size_t nr, const struct mount_row *row)
{
	for (size_t i = 0; i < nr; i++)
		if (rows[i].file_system == row->file_system && strcmp(rows[i].root, "/") == 0)
			return true;
	return false;
}

static bool is_outside(const struct restore *r, int64_t id)
{
	const struct outside_row *row = image_find(r->img, &outside_table, offsetof(struct outside_row, outside), id);

	return row && strcmp(row->kind, "mount") == 0;
}

/* Of the host, of a file system of its own, or a cgroup of the container. */
static bool has_one_source(const struct restore *r, const struct mount_row *row, const struct file_system_row *fs)
{
	if (row->outside != COLUMN_NULL)
		return is_outside(r, row->outside) && row->file_system == COLUMN_NULL && !row->cgroup;
	if (row->cgroup)
		return !row->host_point && row->file_system == COLUMN_NULL && strcmp(row->type, "cgroup2") == 0 &&
		       cgroup_find(r->img, row->cgroup);
	return row->host_point ? row->file_system == COLUMN_NULL : fs && strcmp(fs->type, row->type) == 0;
}

static int row_check(const struct restore *r, int64_t user_ns, const struct mount_row *rows, size_t nr,
		     const struct mount_row *row, struct err *e)
{
	const struct file_system_row *fs =
		row->file_system == COLUMN_NULL ? NULL : file_system_find(r->img, row->file_system);
	const struct mount_row *parent = row->parent >= 0 && (size_t)row->parent < nr ? &rows[row->parent] : NULL;
	uint64_t attributes;

	if (row->place != row - rows)
		return err_set(e, -EBADMSG, "places are not numbered from 0");
	if (!is_path(row->point) || (row->outside == COLUMN_NULL && !is_path(row->root)))
		return err_set(e, -EBADMSG, "'%s' or '%s' is no path", row->point, row->root);
	if (!is_on_root(rows, nr, row))
		return err_set(e, -EBADMSG, "it is not mounted on a mount that leads to the root of its namespace");
	if (!has_one_source(r, row, fs))
		return err_set(e, -EBADMSG, "a %s is neither of the host nor of the container nor outside", row->type);
	if (row->locked && (user_ns == COLUMN_NULL || (parent && !parent->locked) || (fs && file_system_is_inner_proc(fs))))
		return err_set(e, -EBADMSG, "no user namespace can have got it");
	if (fs && file_system_is_inner_proc(fs) && !has_whole_proc(rows, nr, row))
		return err_set(e, -EBADMSG, "it is a part of a proc that is mounted nowhere");
	if (row->host_slave == MOUNT_PEER && row->outside == COLUMN_NULL)
		return err_set(e, -EBADMSG, "it is shared with the host");
	/* What has options that cpt does not know gets those that it does. */
	if (!mount_attributes(row->options, &attributes) && row->outside == COLUMN_NULL)
		return err_set(e, -EBADMSG, "its options are '%s'", row->options);
	return 0;
}

static int namespace_check(struct restore *r, const struct namespace_row *ns, struct err *e)
{
	size_t nr, nr_roots = 0;
	const struct mount_row *rows = mount_rows(r->img, ns->namespace, &nr);

	for (size_t i = 0; i < nr; i++) {
		nr_roots += rows[i].parent == COLUMN_NULL;
		if (row_check(r, ns->user_ns, rows, nr, &rows[i], e) < 0)
			return err_in(e, "table mount, namespace %ld, place %ld (%s)", ns->namespace, rows[i].place, rows[i].point);
	}
	if (nr_roots != 1)
		return err_set(e, -EBADMSG, "table mount has %zu roots of namespace %ld", nr_roots, ns->namespace);
	return 0;
}

static int groups_check(struct restore *r, struct err *e)
{
	size_t nr;
	const struct mount_row *rows = image_rows(r->img, &mount_table, &nr);

	for (size_t i = 0; i < nr; i++) {
		const char *trouble = mount_group_trouble(rows, nr, &rows[i]);

		if (trouble)
			return err_set(e, -EBADMSG, "table mount, namespace %ld, place %ld (%s): %s", rows[i].mount_ns,
				       rows[i].place, rows[i].point, trouble);
	}
	return 0;
}

int mounts_check(struct restore *r, struct err *e)
{
	const struct namespace_row *ns;
	const struct mount_row *row;
	int ret = file_systems_check(r, e) ?: tmpfs_check(r, e);

	image_for_each(row, r->img, &mount_table) {
		ns = image_find(r->img, &namespace_table, offsetof(struct namespace_row, namespace), row->mount_ns);
		if (ret == 0 && (!ns || strcmp(ns->type, "mnt") != 0))
			return err_set(e, -EBADMSG, "table mount: there is no mount namespace %ld", row->mount_ns);
	}
	image_for_each(ns, r->img, &namespace_table)
		if (ret == 0 && strcmp(ns->type, "mnt") == 0)
			ret = namespace_check(r, ns, e);
	return ret ?: groups_check(r, e) ?: mounts_find_lacking(r, e);
}
