// SPDX-License-Identifier: GPL-2.0-only
/* Mounts of what options give in place of mounts that cpt can't make anew; mount_plan.c has checked it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include "state/mount_given.h"
#include "state/outside.h"

#define GIVEN "mount, given"	/* by outside row: on the stage */
#define PEER "mount, peer"	/* by mount row: nowhere; what it is to be a peer or a slave of */

static bool is_given(const struct outside_plan *p)
{
	return strcmp(p->row->kind, "mount") == 0 && (p->how == OUTSIDE_REPLACE || p->how == OUTSIDE_INHERIT);
}

static int given_open(const struct outside_plan *p, struct err *e)
{
	int fd;

	if (p->how == OUTSIDE_REPLACE) {
		fd = open_tree(AT_FDCWD, p->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		return fd < 0 ? err_sys(e, "%s: open_tree(%s)", p->row->name, p->path) : fd;
	}
	fd = open_tree(p->fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	/* Of a mount that is nowhere there are no copies (__do_loopback() in fs/namespace.c): it is taken itself. */
	if (fd < 0 && errno == EINVAL)
		fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? err_sys(e, "%s: open_tree of descriptor %d of cpt", p->row->name, p->fd) : fd;
}

int mounts_given_open(struct restore *r, struct err *e)
{
	size_t nr;
	const struct outside_plan *plans = outside_plans(r, &nr);

	for (size_t i = 0; i < nr; i++) {
		int fd = is_given(&plans[i]) ? given_open(&plans[i], e) : -1;

		if (e->code)
			return e->code;
		if (fd >= 0)
			restore_set_keyed(r, GIVEN, (int64_t)i, fd);
	}
	return 0;
}

int mounts_given_put(struct restore *r, struct stage *stage, struct err *e)
{
	size_t nr;
	const struct outside_plan *plans = outside_plans(r, &nr);

	for (size_t i = 0; i < nr; i++) {
		int fd = restore_keyed(r, GIVEN, (int64_t)i);

		if (fd < 0 || stage_put(stage, fd, e) == 0)
			continue;
		err_in(e, "%s", plans[i].row->name);
		return plans[i].how == OUTSIDE_REPLACE ? e->code :
		       err_advise(e, "descriptor %d has to be a directory or file that is mounted where cpt runs, or the root "
				  "of a mount that is nowhere (open_tree(2) with OPEN_TREE_CLONE)", plans[i].fd);
	}
	return 0;
}

/* Once more, for mountinfo has the order in which mounts were made, and several may be given the same. */
int mount_given_clone(struct restore *r, const struct mount_row *row, struct err *e)
{
	int given = restore_keyed(r, GIVEN, row->outside), peer;

	if (row->host_slave && restore_keyed(r, PEER, mount_number(r, row)) < 0) {
		peer = stage_clone(given, "", e);
		if (peer < 0)
			return peer;
		restore_set_keyed(r, PEER, mount_number(r, row), peer);
	}
	return stage_clone(given, "", e);
}

/* Only now: what was mounted on it would have been mounted where its peers are, too. */
int mount_given_join(struct restore *r, const struct mount_row *row, struct err *e)
{
	int peer = restore_keyed(r, PEER, mount_number(r, row));

	if (row->outside == COLUMN_NULL || !row->host_slave)
		return 0;
	if (move_mount(peer, "", mount_made(r, row), "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_SET_GROUP) == 0)
		return 0;
	if (errno != EINVAL)
		return err_sys(e, "make it a peer of what comes in its place");
	mount_note_alone(r, row);
	return 0;
}

void mount_note_alone(struct restore *r, const struct mount_row *row)
{
	struct outside_plan *p = &r->plans[row->outside];

	if (!p->note)
		p->note = xasprintf("%s is not shared any more: what comes in its place isn't", p->row->name);
}
