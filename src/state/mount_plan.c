// SPDX-License-Identifier: GPL-2.0-only
/*
 * What comes in place of mounts that cpt can't make anew, checked before anything
 * is made: does it fit, is in it what the container needs?
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include "state/mount_given.h"
#include "state/outside.h"
#include "state/path.h"

struct planning {
	struct restore *r;
	int *fds;		/* what is given, by outside row; -1 */
	size_t nr_missing;
};

static struct outside_plan *plan_of(const struct restore *r, const struct mount_row *row)
{
	return row->outside == COLUMN_NULL ? NULL : &r->plans[row->outside];
}

static bool is_dropped(const struct restore *r, const struct mount_row *row)
{
	const struct outside_plan *p = plan_of(r, row);

	return p && p->how == OUTSIDE_DROP;
}

/* ---- what is given --------------------------------------------------------- */

static int given_open(const struct outside_plan *p, struct err *e)
{
	int fd;

	if (p->how == OUTSIDE_INHERIT) {
		fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? err_sys(e, "%s: use descriptor %d of cpt", p->row->name, p->fd) : fd;
	}
	fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err_sys(e, "%s: find %s", p->row->name, p->path);
	return err_advise(e, "make it first; cpt makes nothing at that path");
}

/* NULL: it is nowhere, or in another namespace. */
static const struct mount_info *mounted_in(const struct mounts *host, int fd)
{
	struct statx stx;
	size_t i = statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 ? host->nr :
		mounts_by_id(host, (int64_t)stx.stx_mnt_id);

	return i < host->nr ? &host->list[i] : NULL;
}

static int given_fits(const struct outside_plan *p, const struct mount_row *row, int fd, struct err *e)
{
	struct stat st;
	char buf[32];

	if (fstat(fd, &st) < 0)
		return err_sys(e, "%s: look at %s", p->row->name, outside_given_text(p, buf));
	if (row->is_file != COLUMN_NULL && S_ISDIR(st.st_mode) == row->is_file)
		return err_set(e, -EINVAL, "%s can't be %s: that is %s, and it was %s", p->row->name,
			       outside_given_text(p, buf), path_format_name(st.st_mode),
			       row->is_file ? "no directory" : "a directory");
	return 0;
}

static int given_check(struct planning *g, struct outside_plan *p, const struct mounts *host, struct err *e)
{
	const struct mount_info *m;
	const struct mount_row *row;
	int fd = g->fds[p->row->outside] = given_open(p, e);

	if (fd < 0)
		return fd;
	m = mounted_in(host, fd);
	if (m && m->unbindable)
		return err_set(e, -EINVAL, "%s: the mount at %s is unbindable", p->row->name, m->point);
	image_for_each(row, g->r->img, &mount_table) {
		if (plan_of(g->r, row) != p)
			continue;
		if (given_fits(p, row, fd, e) < 0)
			return e->code;
		if (row->host_slave && m && !m->shared && (row->host_slave == MOUNT_PEER || !m->master))
			mount_note_alone(g->r, row);
	}
	return 0;
}

static int all_given_check(struct planning *g, struct err *e)
{
	_cleanup_fd_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct mounts host = { 0 };
	int ret = self < 0 ? -errno : mounts_read(self, &host);

	if (ret < 0)
		return err_ret(e, ret, "read /proc/self/mountinfo");
	for (size_t i = 0; ret == 0 && i < g->r->nr_plans; i++) {
		struct outside_plan *p = &g->r->plans[i];

		if (strcmp(p->row->kind, "mount") == 0 && (p->how == OUTSIDE_REPLACE || p->how == OUTSIDE_INHERIT))
			ret = given_check(g, p, &host, e);
	}
	mounts_clear(&host);
	return ret;
}

/* ---- what the container needs ------------------------------------------------- */

/* What covers @row at the same point. */
static const struct mount_row *topmost(const struct restore *r, const struct mount_row *rows, size_t nr,
				       const struct mount_row *row)
{
	for (size_t i = 0; i < nr && !is_dropped(r, row); i++)
		if (rows[i].parent == row->place && &rows[i] != row && strcmp(rows[i].point, row->point) == 0) {
			row = &rows[i];
			i = (size_t)-1;
		}
	return row;
}

/* The mount that @path comes to first from @row, or NULL. */
static const struct mount_row *next_on(const struct mount_row *rows, size_t nr, const struct mount_row *row,
				       const char *path)
{
	const struct mount_row *next = NULL;

	for (size_t i = 0; i < nr; i++)
		if (rows[i].parent == row->place && strlen(rows[i].point) > strlen(row->point) &&
		    path_below(path, rows[i].point) && (!next || strlen(rows[i].point) < strlen(next->point)))
			next = &rows[i];
	return next;
}

/* The mount that @path leads into, or the first dropped one on its way. */
static const struct mount_row *mount_of(const struct restore *r, int64_t mount_ns, const char *path)
{
	size_t nr, i = 0;
	const struct mount_row *rows = mount_rows(r->img, mount_ns, &nr), *row;

	while (i < nr && rows[i].parent != COLUMN_NULL)
		i++;
	for (row = i < nr ? &rows[i] : NULL; row; ) {
		const struct mount_row *next;

		row = topmost(r, rows, nr, row);
		next = is_dropped(r, row) ? NULL : next_on(rows, nr, row, path);
		if (!next)
			break;
		row = next;
	}
	return row;
}

/* Why what is given can't be what @n needs at @path in it; NULL: it can, or only opening it tells. */
static char *lack_in(const struct outside_plan *p, int given, const char *path, const struct needed_path *n)
{
	_cleanup_fd_ int fd = stage_open_below(given, path, RESOLVE_NO_XDEV);
	char buf[32];
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return xasprintf("it is not in %s", outside_given_text(p, buf));
	if (fd < 0 || fstat(fd, &st) < 0 || (S_ISLNK(st.st_mode) && n->format != S_IFLNK))
		return NULL;
	if (n->format && (st.st_mode & S_IFMT) != n->format)
		return xasprintf("it was %s and is %s in %s", path_format_name(n->format), path_format_name(st.st_mode),
				 outside_given_text(p, buf));
	if (S_ISREG(st.st_mode) && st.st_size < n->size)
		return xasprintf("it had %ld bytes and has %ld in %s", n->size, (long)st.st_size, outside_given_text(p, buf));
	if (n->mtime_ns != COLUMN_NULL && (st.st_size != n->size || timespec_ns(&st.st_mtim) != n->mtime_ns))
		return xasprintf("it is another version in %s", outside_given_text(p, buf));
	return NULL;
}

/* A line of @p->missing. Takes @lack. */
static void missing_add(struct planning *g, struct outside_plan *p, const char *path, const char *whose, char *lack)
{
	_cleanup_free_ char *before = take_ptr(p->missing), *why = lack;

	p->missing = xasprintf("%s%s%s, %s: %s", before ?: "", before ? "\n" : "", path, whose, why);
	g->nr_missing++;
}

static bool is_file(const struct image *img, int64_t file, int64_t which)
{
	(void)img;
	return file == which;
}

static void look_for(void *arg, const struct needed_path *n)
{
	struct planning *g = arg;
	const struct mount_row *row = n->mount_ns == COLUMN_NULL ? NULL : mount_of(g->r, n->mount_ns, n->path);
	struct outside_plan *p = row ? plan_of(g->r, row) : NULL;
	const char *path = p ? path_below(n->path, row->point) : NULL;
	_cleanup_free_ char *users = NULL;
	char *lack;

	if (!path || p->how == OUTSIDE_UNDECIDED)
		return;
	lack = p->how == OUTSIDE_DROP ? xstrdup("nothing is mounted there any more") :
	       lack_in(p, g->fds[row->outside], path, n);
	if (!lack)
		return;
	users = n->file == COLUMN_NULL ? xstrdup(n->what) : file_users(g->r->img, is_file, n->file);
	missing_add(g, p, n->path, users ?: "no descriptor", lack);
}

/* Mounts on what is given need their mount points. */
static void look_for_point(struct planning *g, const struct mount_row *row)
{
	const struct needed_path n = { .format = row->is_file == 0 ? S_IFDIR : 0, .mtime_ns = COLUMN_NULL };
	const struct mount_row *parent = row->parent == COLUMN_NULL ? NULL :
		mount_row_at(g->r->img, row->mount_ns, row->parent);
	struct outside_plan *p = parent ? plan_of(g->r, parent) : NULL;
	char *lack;

	if (!p || p->how == OUTSIDE_UNDECIDED || p->how == OUTSIDE_DROP || is_dropped(g->r, row))
		return;
	lack = lack_in(p, g->fds[parent->outside], path_below(row->point, parent->point), &n);
	if (lack)
		missing_add(g, p, row->point, "a mount point", lack);
}

static bool any_mount(const struct restore *r)
{
	for (size_t i = 0; i < r->nr_plans; i++)
		if (strcmp(r->plans[i].row->kind, "mount") == 0)
			return true;
	return false;
}

static int plan(struct planning *g, struct err *e)
{
	const struct mount_row *row;

	if (!any_mount(g->r))
		return 0;
	if (all_given_check(g, e) < 0)
		return e->code;
	image_for_each(row, g->r->img, &mount_table)
		look_for_point(g, row);
	for (size_t i = 0; kinds[i]; i++)
		if (kinds[i]->needs)
			kinds[i]->needs(g->r, look_for, g);
	return 0;
}

int mounts_plan(struct restore *r, size_t *ret_missing, struct err *e)
{
	struct planning g = { .r = r, .fds = xcalloc(r->nr_plans + 1, sizeof(*g.fds)) };
	int ret;

	for (size_t i = 0; i < r->nr_plans; i++)
		g.fds[i] = -1;
	ret = plan(&g, e) ?: mounts_drop(r, e);
	*ret_missing = g.nr_missing;
	for (size_t i = 0; i < r->nr_plans; i++)
		close_fd(&g.fds[i]);
	free(g.fds);
	return ret;
}
