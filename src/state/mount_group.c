// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peer groups of mounts (mount_namespaces(7)), in all namespaces of a container:
 * what is mounted on one of them is mounted on all, and on slaves of theirs. A
 * mount joins the group of another of the same file system that shows all it does.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include "state/mount_given.h"
#include "state/namespace.h"

/* ---- rows ------------------------------------------------------------------ */

const struct mount_row *mount_group_leader(const struct mount_row *rows, size_t nr, int64_t group)
{
	const struct mount_row *leader = NULL;

	for (size_t i = 0; i < nr; i++)
		if (rows[i].shared == group && group != COLUMN_NULL &&
		    (!leader || strlen(rows[i].root) < strlen(leader->root)))
			leader = &rows[i];
	return leader;
}

int mount_group_depth(const struct mount_row *rows, size_t nr, int64_t group)
{
	size_t depth = 0;

	for (const struct mount_row *leader; depth <= nr; depth++) {
		leader = mount_group_leader(rows, nr, group);
		if (!leader)
			return -1;
		if (leader->master == COLUMN_NULL)
			return (int)depth;
		group = leader->master;
	}
	return -1;
}

int mount_group_deepest(const struct mount_row *rows, size_t nr)
{
	int deepest = -1;

	for (size_t i = 0; i < nr; i++)
		if (rows[i].shared != COLUMN_NULL)
			deepest = max(deepest, mount_group_depth(rows, nr, rows[i].shared));
	return deepest;
}

/* Peers and slaves are mounts of one file system, and the kernel takes the group from a mount that shows more. */
static bool shows(const struct mount_row *leader, const struct mount_row *row)
{
	return leader && path_below(row->root, leader->root) && strcmp(leader->type, row->type) == 0 &&
	       leader->file_system == row->file_system;
}

/* do_set_group(): a mount that can't be taken away must not be hidden by what shows what is below it. */
static bool locked_inside(const struct mount_row *rows, size_t nr, const struct mount_row *leader, const struct mount_row *row)
{
	for (size_t i = 0; i < nr; i++) {
		const struct mount_row *on = &rows[i];
		const char *below = on->locked && on->parent == leader->place && on->mount_ns == leader->mount_ns ?
			path_below(on->point, leader->point) : NULL;
		const char *shown = path_below(row->root, leader->root);

		if (below && (!*shown || path_below(below - 1, shown - 1)))
			return true;
	}
	return false;
}

const char *mount_group_trouble(const struct mount_row *rows, size_t nr, const struct mount_row *row)
{
	const struct mount_row *leader = mount_group_leader(rows, nr, row->shared);
	const struct mount_row *master = mount_group_leader(rows, nr, row->master);

	if (row->shared != COLUMN_NULL && (!shows(leader, row) || leader->master != row->master ||
					   leader->host_slave != row->host_slave))
		return "none of the mounts that it is shared with shows all that they do";
	if (row->master != COLUMN_NULL && !shows(master, row))
		return "none of the mounts that it is a slave of shows all that it does";
	if (row->shared != COLUMN_NULL && mount_group_depth(rows, nr, row->shared) < 0)
		return "its peer group is a slave of itself";
	if ((leader && leader != row && locked_inside(rows, nr, leader, row)) ||
	    (master && locked_inside(rows, nr, master, row)))
		return "a mount that its user namespace can't take away is on one that it is shared with";
	if (row->unbindable && (row->shared != COLUMN_NULL || row->master != COLUMN_NULL || row->host_slave))
		return "it is unbindable and has peers";
	return NULL;
}

/* ---- restoring ------------------------------------------------------------- */

/* Only who is in its namespace may. */
static int propagate(struct restore *r, const struct mount_row *row, uint64_t propagation, struct err *e)
{
	struct mount_attr attr = { .propagation = propagation };
	int back, left;

	if (namespace_enter(r, row->mount_ns, "mnt", &back, e) < 0)
		return e->code;
	if (mount_setattr(mount_made(r, row), "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		err_sys(e, "set its propagation"), mount_in(row, e);
	left = namespace_leave(&back, "mnt", e->code ? &ERR_INIT : e);
	return e->code ?: left;
}

/* What comes in place of mounts of one group need not be of one file system any more, or shows less than others do. */
static int join(struct restore *r, const struct mount_row *leader, const struct mount_row *row, struct err *e)
{
	if (move_mount(mount_made(r, leader), "", mount_made(r, row), "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP) == 0)
		return 0;
	if (errno == EINVAL && (row->outside != COLUMN_NULL || leader->outside != COLUMN_NULL)) {
		mount_note_alone(r, row->outside != COLUMN_NULL ? row : leader);
		return 0;
	}
	err_sys(e, "make it a peer");
	return mount_in(row, e);
}

/* A slave of a group is made by leaving it; it can be shared with others then. */
static int slave_make(struct restore *r, const struct mount_row *rows, size_t nr, const struct mount_row *row, struct err *e)
{
	return join(r, mount_group_leader(rows, nr, row->master), row, e) ?: propagate(r, row, MS_SLAVE, e);
}

/* What is given in place of a mount is none of the host's peers yet. */
static int given_make(struct restore *r, const struct mount_row *row, struct err *e)
{
	if (row->outside == COLUMN_NULL || !row->host_slave)
		return 0;
	if (mount_given_join(r, row, e) < 0)
		return mount_in(row, e);
	return row->host_slave == MOUNT_SLAVE ? propagate(r, row, MS_SLAVE, e) : 0;
}

static int group_make(struct restore *r, const struct mount_row *rows, size_t nr, const struct mount_row *leader,
		      struct err *e)
{
	int ret = leader->master == COLUMN_NULL ? given_make(r, leader, e) : slave_make(r, rows, nr, leader, e);

	ret = ret ?: propagate(r, leader, MS_SHARED, e);
	for (size_t i = 0; ret == 0 && i < nr; i++)
		if (rows[i].shared == leader->shared && &rows[i] != leader)
			ret = join(r, leader, &rows[i], e);
	return ret;
}

/* Groups after those they are slaves of: mounts_check() has seen that there is such an order. */
int mount_groups_make(struct restore *r, struct err *e)
{
	size_t nr;
	const struct mount_row *rows = image_rows(r->img, &mount_table, &nr);
	int ret = 0;

	for (int depth = 0; ret == 0 && depth <= mount_group_deepest(rows, nr); depth++)
		for (size_t i = 0; ret == 0 && i < nr; i++)
			if (rows[i].shared != COLUMN_NULL && mount_group_leader(rows, nr, rows[i].shared) == &rows[i] &&
			    mount_group_depth(rows, nr, rows[i].shared) == depth)
				ret = group_make(r, rows, nr, &rows[i], e);
	for (size_t i = 0; ret == 0 && i < nr; i++) {
		if (rows[i].shared == COLUMN_NULL && rows[i].master != COLUMN_NULL)
			ret = slave_make(r, rows, nr, &rows[i], e);
		else if (rows[i].shared == COLUMN_NULL)
			ret = given_make(r, &rows[i], e);
		if (ret == 0 && rows[i].unbindable)
			ret = propagate(r, &rows[i], MS_UNBINDABLE, e);
	}
	return ret;
}
