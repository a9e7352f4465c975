// SPDX-License-Identifier: GPL-2.0-only
/*
 * Saving what is in a tmpfs, see tmpfs.h. It is read through a mount of cpt's
 * own, which notes no times of access; the container is stopped when contents
 * are, and nothing of them is copied.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include "state/file_system.h"
#include "state/inotify.h"
#include "state/memory.h"
#include "state/tmpfs.h"

static const struct column node_columns[] = {
	INT_COLUMN(struct tmpfs_node_row, file_system, 0, 1 << 20),
	INT_COLUMN(struct tmpfs_node_row, node, 0, INT32_MAX),
	INT_COLUMN(struct tmpfs_node_row, mode, 0, S_IFMT | 07777),
	INT_COLUMN(struct tmpfs_node_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct tmpfs_node_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct tmpfs_node_row, atime_ns, INT64_MIN + 1, INT64_MAX),
	INT_COLUMN(struct tmpfs_node_row, mtime_ns, INT64_MIN + 1, INT64_MAX),
	INT_COLUMN(struct tmpfs_node_row, size, 0, INT64_MAX),
	INT_COLUMN(struct tmpfs_node_row, dev_major, 0, UINT32_MAX),
	INT_COLUMN(struct tmpfs_node_row, dev_minor, 0, UINT32_MAX),
	TEXT_COLUMN_OR_NULL(struct tmpfs_node_row, target, 4095),
	INT_COLUMN_OR_NULL(struct tmpfs_node_row, shmem, 0, INT32_MAX),
};
const struct table tmpfs_node_table = TABLE("tmpfs_node", struct tmpfs_node_row, node_columns);

static const struct column name_columns[] = {
	INT_COLUMN(struct tmpfs_name_row, file_system, 0, 1 << 20),
	INT_COLUMN(struct tmpfs_name_row, directory, 0, INT32_MAX),
	TEXT_COLUMN(struct tmpfs_name_row, name, 255),
	INT_COLUMN(struct tmpfs_name_row, node, 0, INT32_MAX),
};
const struct table tmpfs_name_table = TABLE("tmpfs_name", struct tmpfs_name_row, name_columns);

static const struct column xattr_columns[] = {
	INT_COLUMN(struct tmpfs_xattr_row, file_system, 0, 1 << 20),
	INT_COLUMN(struct tmpfs_xattr_row, node, 0, INT32_MAX),
	TEXT_COLUMN(struct tmpfs_xattr_row, name, 255),
	BLOB_COLUMN(struct tmpfs_xattr_row, value, 65536),
};
const struct table tmpfs_xattr_table = TABLE("tmpfs_xattr", struct tmpfs_xattr_row, xattr_columns);

#define DEEPEST 1000	/* directories in directories: cpt has one descriptor of each open */

struct walk {
	struct save *s;
	struct live_process *process;
	const char *point;		/* where the container has it */
	char *path;			/* where the walk is, below the root of the tmpfs */
	int64_t file_system, next;
	struct { ino_t ino; int64_t node; } *linked;	/* what has several names */
	size_t nr_linked, cap_linked;
};

static void refuse(struct walk *w, const char *name, const char *advice, const char *why)
{
	_cleanup_free_ char *object = xasprintf("%s%s/%s", w->point, w->path, name);

	save_refuse(w->s, w->process, object, advice, "%s", why);
}

/* ---- what can't be read without being noticed ------------------------------ */

/* Opening a file breaks a lease of it. */
static bool is_leased(const struct walk *w, const struct stat *st)
{
	const struct live *l = w->s->live;

	for (size_t i = 0; i < l->nr_files; i++) {
		const struct open_file *f = l->files[i];

		if (f->st.st_ino == st->st_ino && f->st.st_dev == st->st_dev && f->fdinfo &&
		    text_field(f->fdinfo, "lock") && strstr(f->fdinfo, "LEASE"))
			return true;
	}
	return false;
}

/* Who watches for files that are opened would see cpt. */
static bool is_watched(const struct walk *w, dev_t dev)
{
	const struct live *l = w->s->live;

	for (size_t i = 0; i < l->nr_files; i++)
		for (const char *line = l->files[i]->fdinfo, *end; line && *line; line = end + (*end == '\n')) {
			struct inotify_watch watch;

			end = strchrnul(line, '\n');
			if (strncmp(line, "inotify ", 8) == 0 && inotify_parse_watch(line, &watch) && watch.dev == dev &&
			    watch.mask & (IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE))
				return true;
		}
	return false;
}

/* ---- nodes -------------------------------------------------------------- */

static int xattr_save(struct walk *w, int64_t node, const char *link, const char *name, struct err *e)
{
	_cleanup_free_ void *value = xmalloc(65536);
	ssize_t len = getxattr(link, name, value, 65536);

	if (len < 0)
		return err_sys(e, "read its attribute %s", name);
	*(struct tmpfs_xattr_row *)image_add(w->s->img, &tmpfs_xattr_table) = (struct tmpfs_xattr_row){
		w->file_system, node, image_strdup(w->s->img, name), image_blob(w->s->img, value, (size_t)len),
	};
	return 0;
}

static int xattrs_save(struct walk *w, int64_t node, int fd, struct err *e)
{
	_cleanup_free_ char *names = xmalloc(65536);
	char link[32];
	ssize_t len;
	int r = 0;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = listxattr(link, names, 65536);
	if (len < 0)
		return errno == EOPNOTSUPP ? 0 : err_sys(e, "list its attributes");
	for (const char *name = names; r == 0 && name < names + len; name += strlen(name) + 1)
		r = xattr_save(w, node, link, name, e);
	return r;
}

static int contents_save(struct walk *w, int at, const char *name, const struct stat *st, int64_t *ret, struct err *e)
{
	_cleanup_fd_ int fd = -1;

	if (is_leased(w, st)) {
		refuse(w, name, "give the lease up before the snapshot", "there is a lease of it");
		return 0;
	}
	if ((!w->s->frozen && !w->s->presync) || !st->st_blocks)
		return 0;
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open it");
	return w->s->frozen ? memory_save_contents(w->s, fd, ret, e) : memory_sync_contents(w->s, fd, e);
}

static int node_save(struct walk *w, int at, const char *name, int fd, const struct stat *st, int64_t *ret, struct err *e)
{
	struct tmpfs_node_row row = {
		.file_system = w->file_system, .node = *ret = w->next++, .mode = st->st_mode, .uid = st->st_uid,
		.gid = st->st_gid, .atime_ns = timespec_ns(&st->st_atim), .mtime_ns = timespec_ns(&st->st_mtim),
		.size = S_ISREG(st->st_mode) ? st->st_size : 0, .dev_major = major(st->st_rdev),
		.dev_minor = minor(st->st_rdev), .shmem = COLUMN_NULL,
	};
	_cleanup_free_ char *target = NULL;
	struct statx stx;
	int r = 0;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0 &&
	    stx.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND))
		refuse(w, name, "chattr -i -a", "it can only be appended to, or not be changed at all");
	if (S_ISREG(st->st_mode))
		r = contents_save(w, at, name, st, &row.shmem, e);
	else if (S_ISLNK(st->st_mode))
		r = read_link_at(fd, "", &target);
	if (r < 0)
		return e->code ? r : err_ret(e, r, "read the link");
	if (target)
		row.target = image_strdup(w->s->img, target);
	*(struct tmpfs_node_row *)image_add(w->s->img, &tmpfs_node_table) = row;
	return xattrs_save(w, row.node, fd, e);
}

/* ---- directories --------------------------------------------------------- */

static int directory_walk(struct walk *w, int64_t node, int fd, int depth, struct err *e);

/* Node of what has been met under another name, or -1. */
static int64_t linked_node(const struct walk *w, ino_t ino)
{
	for (size_t i = 0; i < w->nr_linked; i++)
		if (w->linked[i].ino == ino)
			return w->linked[i].node;
	return -1;
}

static int entry_save(struct walk *w, int64_t directory, int at, const char *name, int depth, struct err *e)
{
	_cleanup_fd_ int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int64_t node = -1;
	struct stat st;
	size_t len;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return w->s->frozen ? err_sys(e, "look at %s", name) : 0;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1)
		node = linked_node(w, st.st_ino);
	if (node < 0) {
		r = node_save(w, at, name, fd, &st, &node, e);
		if (r < 0)
			return err_in(e, "%s%s/%s", w->point, w->path, name);
		if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
			array_grow(w->linked, w->nr_linked, w->cap_linked);
			w->linked[w->nr_linked].ino = st.st_ino;
			w->linked[w->nr_linked++].node = node;
		}
	}
	*(struct tmpfs_name_row *)image_add(w->s->img, &tmpfs_name_table) = (struct tmpfs_name_row){
		w->file_system, directory, image_strdup(w->s->img, name), node,
	};
	if (!S_ISDIR(st.st_mode))
		return 0;
	len = strlen(w->path);
	w->path = xrealloc(w->path, len + strlen(name) + 2);
	sprintf(w->path + len, "/%s", name);
	r = directory_walk(w, node, fd, depth + 1, e);
	w->path[len] = 0;
	return r;
}

/* Names are listed before any is looked at: the list may be long, but cpt has the directory open twice for it. */
static int directory_walk(struct walk *w, int64_t node, int fd, int depth, struct err *e)
{
	_cleanup_fd_ int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = NULL;
	int r = 0;

	if (depth > DEEPEST) {
		refuse(w, "", "make less directories in directories", "it is too deep");
		return 0;
	}
	dir = list < 0 ? NULL : fdopendir(list);
	if (!dir)
		return w->s->frozen ? err_sys(e, "list %s%s", w->point, w->path) : 0;
	take_fd(&list);
	for (struct dirent *d; r == 0 && (d = readdir(dir)); )
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = entry_save(w, node, fd, d->d_name, depth, e);
	return r;
}

/* ---- the whole ----------------------------------------------------------- */

static bool option_is_known(void *arg, const char *name, const char *value)
{
	static const char *const known[] = { "size", "nr_inodes", "mode", "uid", "gid", "inode32", "inode64", "huge" };
	struct walk *w = arg;

	(void)value;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, known[i]) == 0)
			return true;
	save_refuse(w->s, w->process, w->point, "mount it without that option",
		    "it is a tmpfs with the option %s, which cpt does not restore", name);
	return false;
}

int tmpfs_save(struct save *s, struct live_process *p, const char *point, int64_t file_system, int fd, struct err *e)
{
	struct walk w = {
		.s = s, .process = p, .point = strcmp(point, "/") == 0 ? "" : point, .path = xstrdup(""),
		.file_system = file_system,
	};
	struct stat st;
	int64_t root;
	int r = 0;

	if (!file_system_each_option(s->img, file_system_find(s->img, file_system), COLUMN_NULL, option_is_known, &w))
		goto out;
	if (fstat(fd, &st) < 0) {
		r = err_sys(e, "stat %s", point);
		goto out;
	}
	if (is_watched(&w, st.st_dev))
		refuse(&w, "", "watch for changes alone",
		       "a process watches for files that are opened there (inotify), and would see cpt");
	else
		r = node_save(&w, fd, ".", fd, &st, &root, e) ?: directory_walk(&w, root, fd, 0, e);
out:
	free(w.path);
	free(w.linked);
	return r;
}
