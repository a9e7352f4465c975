// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounts that a user namespace got with its mount namespace. They are put
 * together in one that the host owns; in a copy of it for the user namespace
 * the kernel has locked them, and there cpt has to find them again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "state/mount_stage.h"
#include "state/namespace.h"

struct search {
	struct restore *r;
	const struct mount_row *rows;
	size_t nr;
	struct mounts mounts;	/* of the copy */
	size_t *found;		/* index in there, by row; mounts.nr: not yet */
	int root;
};

/* No two mounts are on the same place of one. The root is on what is not seen. */
static size_t find(const struct search *s, const struct mount_row *row)
{
	const struct mounts *m = &s->mounts;
	size_t parent = row->parent == COLUMN_NULL ? m->nr : s->found[row->parent], i;

	if (row->parent != COLUMN_NULL && parent == m->nr)
		return m->nr;
	for (i = 0; i < m->nr; i++)
		if (row->parent == COLUMN_NULL ? mounts_by_id(m, m->list[i].parent) == m->nr :
		    m->list[i].parent == m->list[parent].id && strcmp(m->list[i].point, row->point) == 0)
			break;
	return i;
}

/* That of one that another covers stays: nothing can be done to it any more (mount.c refuses what would have to be). */
static void adopt(struct search *s, const struct mount_row *row, const struct mount_info *m)
{
	int fd = mount_reach(s->root, m->point, m->id), old;

	if (fd < 0)
		return;
	old = restore_take_keyed(s->r, MOUNT_MADE, mount_number(s->r, row));
	close_fd(&old);
	restore_set_keyed(s->r, MOUNT_MADE, mount_number(s->r, row), fd);
}

static void find_all(struct search *s)
{
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < s->nr; i++) {
			if (!s->rows[i].locked || s->found[i] < s->mounts.nr)
				continue;
			s->found[i] = find(s, &s->rows[i]);
			if (s->found[i] == s->mounts.nr)
				continue;
			adopt(s, &s->rows[i], &s->mounts.list[s->found[i]]);
			again = true;
		}
	}
}

static int look(struct search *s, int64_t ns, struct err *e)
{
	_cleanup_fd_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int back, r;

	if (self < 0)
		return err_sys(e, "open /proc/self");
	if (namespace_enter(s->r, ns, "mnt", &back, e) < 0)
		return e->code;
	s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = s->root < 0 ? -errno : mounts_read(self, &s->mounts);
	if (namespace_leave(&back, "mnt", e) < 0)
		return e->code;
	return r < 0 ? err_ret(e, r, "read the mounts of a new namespace") : 0;
}

static int find_again(struct restore *r, int64_t ns, struct err *e)
{
	struct search s = { .r = r, .root = -1 };
	int ret;

	s.rows = mount_rows(r->img, ns, &s.nr);
	ret = look(&s, ns, e);
	if (ret == 0) {
		s.found = xcalloc(s.nr + 1, sizeof(*s.found));
		for (size_t i = 0; i < s.nr; i++)
			s.found[i] = s.mounts.nr;
		find_all(&s);
	}
	free(s.found);
	mounts_clear(&s.mounts);
	close_fd(&s.root);
	return ret;
}

int mounts_hand_over(struct restore *r, struct err *e)
{
	const struct namespace_row *ns;

	image_for_each(ns, r->img, &namespace_table)
		if (strcmp(ns->type, "mnt") == 0 && ns->user_ns != COLUMN_NULL &&
		    (namespace_hand_over(r, ns->namespace, e) < 0 || find_again(r, ns->namespace, e) < 0))
			return err_in(e, "mount namespace %ld", ns->namespace);
	return 0;
}
