// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounts that nothing comes in place of: they leave table `mount` before anything
 * is made, with all that is on them, so that whoever makes mounts need not know.
 */
#include <errno.h>
#include <string.h>
#include "state/mount_given.h"
#include "state/outside.h"

static struct outside_plan *plan_of(const struct restore *r, const struct mount_row *row)
{
	return row->outside == COLUMN_NULL ? NULL : &r->plans[row->outside];
}

/* By row: the plan that takes it away, or NULL. A mount that is on one of these goes, too. */
static struct outside_plan **find_gone(const struct restore *r, const struct mount_row *rows, size_t nr)
{
	struct outside_plan **gone = xcalloc(nr + 1, sizeof(struct outside_plan *));
	bool again = true;

	for (size_t i = 0; i < nr; i++) {
		struct outside_plan *p = plan_of(r, &rows[i]);

		gone[i] = p && p->how == OUTSIDE_DROP ? p : NULL;
	}
	while (again) {
		again = false;
		for (size_t i = 0; i < nr; i++) {
			const struct mount_row *on = rows[i].parent == COLUMN_NULL || gone[i] ? NULL :
				mount_row_at(r->img, rows[i].mount_ns, rows[i].parent);

			if (!on || !gone[on - rows])
				continue;
			gone[i] = gone[on - rows];
			again = true;
		}
	}
	return gone;
}

/* A proc of the container's that is mounted nowhere else: parts of it are bound from that. */
static const struct mount_row *part_left(const struct mount_row *rows, size_t nr, struct outside_plan *const *gone,
					 const struct mount_row *whole)
{
	const struct mount_row *part = NULL;

	if (strcmp(whole->type, "proc") != 0 || whole->file_system == COLUMN_NULL)
		return NULL;
	for (size_t i = 0; i < nr; i++) {
		if (gone[i] || rows[i].mount_ns != whole->mount_ns || rows[i].file_system != whole->file_system)
			continue;
		if (strcmp(rows[i].root, "/") == 0)
			return NULL;
		part = &rows[i];
	}
	return part;
}

static int check(const struct mount_row *rows, size_t nr, struct outside_plan *const *gone, struct err *e)
{
	for (size_t i = 0; i < nr; i++) {
		const struct mount_row *part = gone[i] ? part_left(rows, nr, gone, &rows[i]) : NULL;

		if (gone[i] && rows[i].parent == COLUMN_NULL) {
			err_set(e, -EINVAL, "%s can't be dropped: it is the root of a mount namespace", gone[i]->row->name);
			return err_advise(e, "--replace %s=PATH says what is its root", gone[i]->row->name);
		}
		if (part)
			return err_set(e, -EINVAL, "%s can't be dropped: %s is a part of the proc that is mounted on it",
				       gone[i]->row->name, part->point);
	}
	return 0;
}

static void tell(const struct restore *r, const struct mount_row *rows, size_t nr, struct outside_plan *const *gone)
{
	for (size_t i = 0; i < nr; i++) {
		_cleanup_free_ char *before = NULL;

		if (!gone[i] || plan_of(r, &rows[i]) == gone[i])
			continue;
		before = gone[i]->note;
		gone[i]->note = xasprintf("%s%s%s", before ?: gone[i]->row->name, before ? ", " :
					  " is dropped with what is mounted on it: ", rows[i].point);
	}
}

static void take_away(struct restore *r, struct mount_row *rows, size_t nr, struct outside_plan *const *gone)
{
	_cleanup_free_ int64_t *places = xcalloc(nr + 1, sizeof(*places));

	for (size_t i = 0, first = 0; i < nr; i++) {
		first = i && rows[i].mount_ns != rows[i - 1].mount_ns ? i : first;
		for (size_t j = first; j < i; j++)
			places[i] += !gone[j];
	}
	for (size_t i = 0; i < nr; i++)
		if (rows[i].parent != COLUMN_NULL)
			rows[i].parent = places[mount_row_at(r->img, rows[i].mount_ns, rows[i].parent) - rows];
	for (size_t i = nr; i-- > 0; ) {
		rows[i].place = places[i];
		if (gone[i])
			image_remove(r->img, &mount_table, i);
	}
}

/* Those that were shared with what is gone, and can't be with each other without it. */
static void leave_groups(const struct restore *r)
{
	size_t nr;
	struct mount_row *rows = image_rows(r->img, &mount_table, &nr);

	for (size_t i = 0; i < nr; i++)
		if (mount_group_trouble(rows, nr, &rows[i])) {
			rows[i].shared = rows[i].master = COLUMN_NULL;
			i = (size_t)-1;
		}
}

int mounts_drop(struct restore *r, struct err *e)
{
	size_t nr, nr_gone = 0;
	struct mount_row *rows = image_rows(r->img, &mount_table, &nr);
	_cleanup_free_ struct outside_plan **gone = find_gone(r, rows, nr);

	for (size_t i = 0; i < nr; i++)
		nr_gone += gone[i] != NULL;
	if (!nr_gone)
		return 0;
	if (check(rows, nr, gone, e) < 0)
		return e->code;
	tell(r, rows, nr, gone);
	take_away(r, rows, nr, gone);
	leave_groups(r);
	return 0;
}
