// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounts that cpt can't make anew: while they are saved, and those of the host's
 * that it lacks when they are restored. They are things outside (outside.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include "state/mount_given.h"
#include "state/mount_source.h"
#include "state/outside.h"

#define KIND "mount"

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* In several namespaces, mostly: whoever knows what comes in place of one knows it of all. */
static bool is_same(const struct mount_row *a, const struct mount_row *b)
{
	return strcmp(a->point, b->point) == 0 && strcmp(a->root, b->root) == 0 && strcmp(a->type, b->type) == 0 &&
	       strcmp(a->source, b->source) == 0 && strcmp(a->fs_options, b->fs_options) == 0 &&
	       same_text(a->host_point, b->host_point);
}

static int64_t same_outside(const struct image *img, const struct mount_row *row)
{
	const struct mount_row *other;

	image_for_each(other, img, &mount_table)
		if (other != row && other->outside != COLUMN_NULL && is_same(other, row))
			return other->outside;
	return COLUMN_NULL;
}

static int64_t access_of(const struct mount_row *row)
{
	size_t len;

	return option_find(row->options, "ro", &len) ? OUTSIDE_READS : OUTSIDE_READS | OUTSIDE_WRITES;
}

char *mount_outside_text(const struct image *img, int64_t outside)
{
	const struct mount_row *row = image_find(img, &mount_table, offsetof(struct mount_row, outside), outside);

	if (!row)
		return xstrdup("no mount");
	return xasprintf("%s of %s%s%s", row->type, *row->source ? row->source : "nothing",
			 strcmp(row->root, "/") == 0 ? "" : ", its ", strcmp(row->root, "/") == 0 ? "" : row->root);
}

/* ---- saving ---------------------------------------------------------------- */

void mount_outside_save(struct save *s, const struct live_process *p, struct mount_row *row, const char *trouble,
			const char *advice)
{
	char object[300];
	const struct outside_thing t = {
		.kind = KIND, .number = row->mount_ns << 32 | row->place, .where = row->point, .reason = trouble,
		.advice = advice, .object = mount_object(row->point, row->type, object), .access = access_of(row),
	};
	const struct outside_row *outside;

	row->file_system = COLUMN_NULL;
	row->outside = same_outside(s->img, row);
	if (row->outside != COLUMN_NULL)
		return;
	outside_save(s, p, NULL, &t);
	image_for_each(outside, s->img, &outside_table)
		if (strcmp(outside->kind, KIND) == 0 && outside->number == t.number)
			row->outside = outside->outside;
}

/* ---- what this host lacks ------------------------------------------------------ */

struct host {
	struct mounts mounts;
	int root;
};

static bool has_part(const struct host *h, const struct mount_info *m, const char *part)
{
	_cleanup_fd_ int whole = *part ? mount_reach(h->root, m->point, m->id) : -1, fd = -1;

	if (whole < 0)
		return true;	/* all of it; or another mount covers it, and making it tells */
	fd = stage_open_below(whole, part, RESOLVE_NO_XDEV);
	return fd >= 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Why it can't be as it was, or NULL. */
static char *lack_of(const struct host *h, const struct mount_row *row)
{
	bool mounted = false, there = false, tells = false;

	for (size_t i = 0; i < h->mounts.nr; i++) {
		const struct mount_info *m = &h->mounts.list[i];
		const char *part = path_below(row->root, m->root);

		if (!part || strcmp(m->point, row->host_point) != 0 || strcmp(m->type, row->type) != 0)
			continue;
		mounted = true;
		there |= has_part(h, m, part);
		tells |= m->shared || m->master;
	}
	if (!mounted)
		return xasprintf("this host has no %s mounted at %s", row->type, row->host_point);
	if (!there)
		return xasprintf("this host has no %s in the %s at %s", row->root, row->type, row->host_point);
	if (row->host_slave && !tells)
		return xasprintf("it was a slave of the host's mount at %s, which is not shared any more", row->host_point);
	return NULL;
}

static bool is_named(const struct restore *r, const char *name)
{
	for (size_t i = 0; i < r->nr_choices; i++)
		if (outside_match(r->choices[i].name, KIND, name) == OUTSIDE_EXACTLY)
			return true;
	return false;
}

static void look_at(struct restore *r, const struct host *h, struct mount_row *row)
{
	_cleanup_free_ char *lack = lack_of(h, row), *name = outside_name_new(r->img, KIND, row->point);
	struct outside_row *outside;
	size_t nr;

	row->outside = same_outside(r->img, row);
	if (row->outside != COLUMN_NULL || (!lack && !is_named(r, name)))
		return;
	image_rows(r->img, &outside_table, &nr);
	outside = image_add(r->img, &outside_table);
	*outside = (struct outside_row){
		.outside = (int64_t)nr, .name = image_strdup(r->img, name), .kind = image_strdup(r->img, KIND),
		.access = access_of(row), .lack = lack ? image_strdup(r->img, lack) : NULL,
	};
	row->outside = outside->outside;
}

int mounts_find_lacking(struct restore *r, struct err *e)
{
	_cleanup_fd_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct host h = { .root = root };
	struct mount_row *row;
	int ret = self < 0 || root < 0 ? -errno : mounts_read(self, &h.mounts);

	if (ret < 0)
		return err_ret(e, ret, "read /proc/self/mountinfo");
	image_for_each(row, r->img, &mount_table)
		if (row->host_point && row->outside == COLUMN_NULL)
			look_at(r, &h, row);
	mounts_clear(&h.mounts);
	return 0;
}
