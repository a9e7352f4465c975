// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making what was in a tmpfs, see tmpfs.h. It is empty and nobody else sees it,
 * names are single components, and no link is ever followed: a catalog can't
 * make cpt write anywhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include "state/file_system.h"
#include "state/fs_user.h"
#include "state/shmem.h"
#include "state/tmpfs.h"

#define DEEPEST 1001

/* ---- rows ----------------------------------------------------------------- */

static int name_order(const struct tmpfs_name_row *row, int64_t file_system, int64_t directory)
{
	if (row->file_system != file_system)
		return row->file_system < file_system ? -1 : 1;
	return (row->directory > directory) - (row->directory < directory);
}

/* They come from the catalog in the order of (file_system, directory, name), which tmpfs_check() makes sure of. */
static const struct tmpfs_name_row *names_of(const struct image *img, int64_t file_system, int64_t directory,
					     size_t *ret_nr)
{
	size_t nr, low = 0, high, last;
	const struct tmpfs_name_row *rows = image_rows(img, &tmpfs_name_table, &nr);

	for (high = nr; low < high; ) {
		size_t mid = (low + high) / 2;

		if (name_order(&rows[mid], file_system, directory) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (last = low; last < nr && name_order(&rows[last], file_system, directory) == 0; )
		last++;
	*ret_nr = last - low;
	return rows + low;
}

/* Nodes are numbered without gaps, so the place of the first one tells all others. */
static const struct tmpfs_node_row *node_find(const struct image *img, int64_t file_system, int64_t node)
{
	size_t nr, low = 0, high;
	const struct tmpfs_node_row *rows = image_rows(img, &tmpfs_node_table, &nr);

	for (high = nr; low < high; ) {
		size_t mid = (low + high) / 2;

		if (rows[mid].file_system < file_system)
			low = mid + 1;
		else
			high = mid;
	}
	if (node < 0 || (size_t)node >= nr - low || rows[low + (size_t)node].file_system != file_system)
		return NULL;
	return &rows[low + (size_t)node];
}

static int xattr_order(const struct tmpfs_xattr_row *row, int64_t file_system, int64_t node)
{
	if (row->file_system != file_system)
		return row->file_system < file_system ? -1 : 1;
	return (row->node > node) - (row->node < node);
}

/* The first attribute of a node or of one behind it, in the order of (file_system, node, name). */
static const struct tmpfs_xattr_row *xattr_first(const struct image *img, int64_t file_system, int64_t node,
						 const struct tmpfs_xattr_row **ret_end)
{
	size_t nr, low = 0, high;
	const struct tmpfs_xattr_row *rows = image_rows(img, &tmpfs_xattr_table, &nr);

	for (high = nr; low < high; ) {
		size_t mid = (low + high) / 2;

		if (xattr_order(&rows[mid], file_system, node) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_end = rows + nr;
	return rows + low;
}

/* ---- checking ------------------------------------------------------------- */

static bool format_known(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: case S_IFDIR: case S_IFLNK: case S_IFIFO: case S_IFSOCK: case S_IFCHR: case S_IFBLK:
		return true;
	default:
		return false;
	}
}

static int node_check(const struct restore *r, const struct tmpfs_node_row *row, struct err *e)
{
	const struct shmem_row *shmem = row->shmem == COLUMN_NULL ? NULL : shmem_find(r->img, row->shmem);

	if (!format_known((mode_t)row->mode) || (row->node == 0 && !S_ISDIR(row->mode)))
		return err_set(e, -EBADMSG, "its mode is %#lo", row->mode);
	if (S_ISLNK(row->mode) != !!row->target || (row->target && !*row->target))
		return err_set(e, -EBADMSG, "it is a link without a target, or has one and is none");
	if ((row->size || row->shmem != COLUMN_NULL) && !S_ISREG(row->mode))
		return err_set(e, -EBADMSG, "it is no file and has contents");
	if (row->shmem != COLUMN_NULL && (!shmem || strcmp(shmem->kind, "file") != 0 || shmem->size != row->size))
		return err_set(e, -EBADMSG, "its contents (%ld) are not in table shmem", row->shmem);
	return 0;
}

static int nodes_check(struct restore *r, struct err *e)
{
	const struct tmpfs_node_row *row, *before = NULL;
	const struct file_system_row *fs;

	image_for_each(row, r->img, &tmpfs_node_table) {
		bool first = !before || before->file_system != row->file_system;

		fs = first ? file_system_find(r->img, row->file_system) : fs;
		if (!fs || strcmp(fs->type, "tmpfs") != 0)
			return err_set(e, -EBADMSG, "tmpfs_node %ld: there is no tmpfs %ld", row->node, row->file_system);
		if (row->node != (first ? 0 : before->node + 1) || (before && before->file_system > row->file_system))
			return err_set(e, -EBADMSG, "table tmpfs_node is not numbered from 0 in tmpfs %ld",
				       row->file_system);
		if (node_check(r, row, e) < 0)
			return err_in(e, "tmpfs_node %ld of tmpfs %ld", row->node, row->file_system);
		before = row;
	}
	return 0;
}

static int name_check(const struct restore *r, const struct tmpfs_name_row *row, bool *named, struct err *e)
{
	const struct tmpfs_node_row *directory = node_find(r->img, row->file_system, row->directory);
	const struct tmpfs_node_row *node = node_find(r->img, row->file_system, row->node);

	if (!*row->name || strchr(row->name, '/') || strcmp(row->name, ".") == 0 || strcmp(row->name, "..") == 0)
		return err_set(e, -EBADMSG, "that is no name");
	if (!directory || !S_ISDIR(directory->mode) || !node || node->node == 0)
		return err_set(e, -EBADMSG, "node %ld can't be in node %ld", row->node, row->directory);
	/* So there is no circle. */
	if (S_ISDIR(node->mode) && (*named || row->node <= row->directory))
		return err_set(e, -EBADMSG, "directory %ld has two names or is in itself", row->node);
	*named = true;
	return 0;
}

/* All nodes but the root have a name, which is what makes their number that of the names, less other links. */
static int names_check(struct restore *r, struct err *e)
{
	const struct tmpfs_name_row *row, *before = NULL;
	const struct tmpfs_node_row *all, *node;
	_cleanup_free_ bool *named = NULL;
	size_t nr;

	all = image_rows(r->img, &tmpfs_node_table, &nr);
	named = xcalloc(nr + 1, sizeof(*named));
	image_for_each(row, r->img, &tmpfs_name_table) {
		node = node_find(r->img, row->file_system, row->node);
		if (before && name_order(before, row->file_system, row->directory) > 0)
			return err_set(e, -EBADMSG, "table tmpfs_name is not in order");
		if (name_check(r, row, node ? &named[node - all] : named, e) < 0)
			return err_in(e, "tmpfs_name '%s' in node %ld of tmpfs %ld", row->name, row->directory,
				      row->file_system);
		before = row;
	}
	image_for_each(node, r->img, &tmpfs_node_table)
		if (node->node != 0 && !named[node - all])
			return err_set(e, -EBADMSG, "tmpfs_node %ld of tmpfs %ld has no name", node->node,
				       node->file_system);
	return 0;
}

int tmpfs_check(struct restore *r, struct err *e)
{
	const struct file_system_row *fs;
	const struct tmpfs_xattr_row *x;
	int ret = nodes_check(r, e) ?: names_check(r, e);

	if (ret < 0)
		return ret;
	image_for_each(fs, r->img, &file_system_table)
		if (strcmp(fs->type, "tmpfs") == 0 && !node_find(r->img, fs->file_system, 0))
			return err_set(e, -EBADMSG, "file_system %ld is a tmpfs without a root in table tmpfs_node",
				       fs->file_system);
	image_for_each(x, r->img, &tmpfs_xattr_table)
		if (!node_find(r->img, x->file_system, x->node) || !strchr(x->name, '.'))
			return err_set(e, -EBADMSG, "tmpfs_xattr '%s' of node %ld of tmpfs %ld is of nothing", x->name,
				       x->node, x->file_system);
	return 0;
}

/* ---- making --------------------------------------------------------------- */

struct fill {
	struct restore *r;
	int64_t file_system;
	int *linked;		/* by node: what has got its first name, to give it another; or -1 */
	size_t nr_nodes;
	int64_t *nr_names;	/* by node: names that it is still to get */
};

static int contents_make(struct fill *f, int at, const struct tmpfs_name_row *name, const struct tmpfs_node_row *row,
			 struct err *e)
{
	_cleanup_fd_ int fd = openat(at, name->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "make it");
	if (ftruncate(fd, row->size) < 0)
		return err_sys(e, "make it %ld bytes long", row->size);
	return row->shmem == COLUMN_NULL ? 0 : shmem_fill(f->r, shmem_find(f->r->img, row->shmem), fd, e);
}

static int node_make(struct fill *f, int at, const struct tmpfs_name_row *name, const struct tmpfs_node_row *row,
		     struct err *e)
{
	mode_t format = (mode_t)row->mode & S_IFMT;
	int r;

	if (format == S_IFREG)
		return contents_make(f, at, name, row, e);
	if (format == S_IFDIR)
		r = mkdirat(at, name->name, 0700);
	else if (format == S_IFLNK)
		r = symlinkat(row->target, at, name->name);
	else
		r = mknodat(at, name->name, format | 0600, makedev((unsigned int)row->dev_major, (unsigned int)row->dev_minor));
	return r < 0 ? err_sys(e, "make it") : 0;
}

/* An O_PATH descriptor is no use for fchmod(2) and the like; the link to it in procfs is. */
static int node_set_up(struct fill *f, const struct tmpfs_node_row *row, int fd, struct err *e)
{
	const struct tmpfs_xattr_row *end, *x = xattr_first(f->r->img, row->file_system, row->node, &end);
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", (uid_t)row->uid, (gid_t)row->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, "give it to user %ld", row->uid);
	if (!S_ISLNK(row->mode) && chmod(link, (mode_t)row->mode & 07777) < 0)
		return err_sys(e, "set its mode %#lo", row->mode);
	for (; x < end && xattr_order(x, row->file_system, row->node) == 0; x++)
		if (setxattr(link, x->name, x->value.data, x->value.len, 0) < 0)
			return err_sys(e, "set its attribute %s", x->name);
	return 0;
}

static int directory_fill(struct fill *f, int64_t directory, int at, int depth, struct err *e);

static int entry_make(struct fill *f, int at, const struct tmpfs_name_row *name, int depth, struct err *e)
{
	const struct tmpfs_node_row *row = node_find(f->r->img, f->file_system, name->node);
	_cleanup_fd_ int fd = -1;
	int r;

	f->nr_names[name->node]--;
	if (f->linked[name->node] >= 0) {
		if (linkat(f->linked[name->node], "", at, name->name, AT_EMPTY_PATH) < 0)
			return err_sys(e, "link it");
		if (!f->nr_names[name->node])
			close_fd(&f->linked[name->node]);
		return 0;
	}
	r = node_make(f, at, name, row, e);
	if (r < 0)
		return r;
	fd = openat(at, name->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open it");
	r = node_set_up(f, row, fd, e) ?: S_ISDIR(row->mode) ? directory_fill(f, row->node, fd, depth + 1, e) : 0;
	if (f->nr_names[name->node])
		f->linked[name->node] = take_fd(&fd);
	return r;
}

static int directory_fill(struct fill *f, int64_t directory, int at, int depth, struct err *e)
{
	size_t nr;
	const struct tmpfs_name_row *names = names_of(f->r->img, f->file_system, directory, &nr);

	if (depth > DEEPEST)
		return err_set(e, -EBADMSG, "directories are too deep in each other");
	for (size_t i = 0; i < nr; i++)
		if (entry_make(f, at, &names[i], depth, e) < 0)
			return err_in(e, "%s", names[i].name);
	return 0;
}

/* ---- times ---------------------------------------------------------------- */

static int times_set(const struct tmpfs_node_row *row, int fd, struct err *e)
{
	const struct timespec times[2] = { timespec_of(row->atime_ns), timespec_of(row->mtime_ns) };

	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? err_sys(e, "set its times") : 0;
}

/* What is in a directory before the directory; a socket that was bound again is a new node of that name. */
static int directory_times(struct restore *r, const struct tmpfs_node_row *directory, int at, struct err *e)
{
	size_t nr;
	const struct tmpfs_name_row *names = names_of(r->img, directory->file_system, directory->node, &nr);

	for (size_t i = 0; i < nr; i++) {
		const struct tmpfs_node_row *row = node_find(r->img, directory->file_system, names[i].node);
		_cleanup_fd_ int fd = openat(at, names[i].name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, "open %s", names[i].name);
		if ((S_ISDIR(row->mode) ? directory_times(r, row, fd, e) : times_set(row, fd, e)) < 0)
			return err_in(e, "%s", names[i].name);
	}
	return times_set(directory, at, e);
}

int tmpfs_set_times(struct restore *r, int64_t file_system, int fd, struct err *e)
{
	return directory_times(r, node_find(r->img, file_system, 0), fd, e);
}

/* ---- the whole ------------------------------------------------------------ */

int tmpfs_fill(struct restore *r, int64_t file_system, int fd, struct err *e)
{
	const struct tmpfs_name_row *name;
	struct fill f = { .r = r, .file_system = file_system };
	struct fs_user was;
	int ret;

	while (node_find(r->img, file_system, (int64_t)f.nr_nodes))
		f.nr_nodes++;
	f.linked = xcalloc(f.nr_nodes, sizeof(*f.linked));
	f.nr_names = xcalloc(f.nr_nodes, sizeof(*f.nr_names));
	for (size_t i = 0; i < f.nr_nodes; i++)
		f.linked[i] = -1;
	image_for_each(name, r->img, &tmpfs_name_table)
		if (name->file_system == file_system)
			f.nr_names[name->node]++;
	ret = node_set_up(&f, node_find(r->img, file_system, 0), fd, e) ?: fs_user_become(&was, fd, e);
	if (ret == 0) {
		ret = directory_fill(&f, 0, fd, 0, e);
		fs_user_return(&was);
	}
	ret = ret ?: tmpfs_set_times(r, file_system, fd, e);	/* who maps a file compares them, before the end */
	for (size_t i = 0; i < f.nr_nodes; i++)
		close_fd(&f.linked[i]);
	free(f.linked);
	free(f.nr_names);
	return ret < 0 ? err_in(e, "contents of tmpfs %ld", file_system) : 0;
}
