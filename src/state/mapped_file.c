// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files that are mapped, and the programs that processes run: table
 * `mapped_file`. A path is trusted only when it leads to the very file that is
 * mapped; at restore each file is opened once, by cpt, in the mount namespace
 * its path belongs to.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include "state/deleted_file.h"
#include "state/mount.h"
#include "state/namespace.h"
#include "state/vma.h"

static const struct column mapped_file_columns[] = {
	INT_COLUMN(struct mapped_file_row, mapped_file, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct mapped_file_row, mount_ns, 0, INT32_MAX),
	TEXT_COLUMN(struct mapped_file_row, path, 4107),	/* with " (deleted)" */
	INT_COLUMN(struct mapped_file_row, dev_major, 0, UINT32_MAX),
	INT_COLUMN(struct mapped_file_row, dev_minor, 0, UINT32_MAX),
	INT_COLUMN(struct mapped_file_row, inode, INT64_MIN + 1, INT64_MAX),
	INT_COLUMN(struct mapped_file_row, size, 0, INT64_MAX),
	INT_COLUMN(struct mapped_file_row, mtime_ns, INT64_MIN + 1, INT64_MAX),
	INT_COLUMN(struct mapped_file_row, writable, 0, 1),
	INT_COLUMN(struct mapped_file_row, relied_on, 0, 1),
	INT_COLUMN_OR_NULL(struct mapped_file_row, deleted_file, 0, INT32_MAX),
};
const struct table mapped_file_table = TABLE("mapped_file", struct mapped_file_row, mapped_file_columns);

#define KEYED "mapped_file"

/* A file, or /dev/zero, whose private mappings are anonymous memory. */
static bool mappable(const struct stat *st)
{
	return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 5));
}

static int64_t mtime_ns(const struct stat *st)
{
	return timespec_ns(&st->st_mtim);
}

/* ---- saving ----------------------------------------------------------- */

/* A new line in a path is the one character that maps shows by its octal number (seq_path()). */
static char *path_unescape(const char *path)
{
	char *copy = xstrdup(path), *to = copy;

	for (const char *p = path; *p; p++) {
		if (strncmp(p, "\\012", 4) == 0) {
			*to++ = '\n';
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = 0;
	return copy;
}

/* What @path leads to in the mount namespace of a process. */
static int stat_as(struct save *s, const struct live_process *p, int64_t mount_ns, const char *path, struct stat *st,
		   struct err *e)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	_cleanup_fd_ int fd = -1;
	int root;

	if (mount_ns == COLUMN_NULL)
		return stat(path, st) < 0 ? -ENOENT : 0;
	root = mount_ns_root(s, p, e);
	if (root < 0)
		return root;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	return fd < 0 || fstat(fd, st) < 0 ? -ENOENT : 0;
}

/*
 * A file of a lower layer of an overlay keeps its own link when it is deleted
 * or replaced in the overlay (ovl_getattr(), fs/overlayfs/inode.c). Nobody can
 * write to it there, so that what it has now is what it will have.
 */
static bool is_covered_in_overlay(const struct live_process *p, const char *link, const char *path)
{
	_cleanup_fd_ int fd = openat(p->proc_fd, link, O_PATH | O_CLOEXEC);
	const char *end = strrchr(path, ' ');
	struct statfs fs;

	return fd >= 0 && end && strcmp(end, " (deleted)") == 0 && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == OVERLAYFS_SUPER_MAGIC;
}

static struct mapped_file_row *row_find(const struct save *s, const char *path, int64_t mount_ns,
					const struct stat *st)
{
	struct mapped_file_row *row;

	image_for_each(row, s->img, &mapped_file_table)
		if (row->inode == (int64_t)st->st_ino && row->mount_ns == mount_ns && strcmp(row->path, path) == 0)
			return row;
	return NULL;
}

int mapped_file_save(struct save *s, struct live_process *p, const char *link, const char *shown,
		     const char *object, bool writable, bool relied_on, int64_t *ret, struct err *e)
{
	_cleanup_free_ char *path = path_unescape(shown);
	struct mapped_file_row *row;
	struct stat mapped, found;
	int64_t mount_ns, deleted = COLUMN_NULL;
	size_t nr;
	int r;

	*ret = COLUMN_NULL;
	if (fstatat(p->proc_fd, link, &mapped, 0) < 0)
		return s->frozen ? err_sys(e, "read /proc/%d/%s", p->pid, link) : 0;
	r = namespace_of(s, p, "mnt", &mount_ns, e);
	if (r < 0)
		return r;
	row = row_find(s, path, mount_ns, &mapped);
	if (!row) {
		if (!mappable(&mapped)) {
			save_refuse(s, p, object, "let the program give that mapping up before the snapshot",
				    "it is neither memory nor a regular file");
			return 0;
		}
		if (mapped.st_nlink == 0 || (!writable && is_covered_in_overlay(p, link, path))) {
			r = deleted_file_save(s, p, link, path, object, &deleted, e);
			if (r < 0 || deleted == COLUMN_NULL)
				return r;
			found = mapped;
		} else {
			r = stat_as(s, p, mount_ns, path, &found, e);
			if (r < 0 && e->code)
				return r;
		}
		if (r < 0 || found.st_dev != mapped.st_dev || found.st_ino != mapped.st_ino) {
			save_refuse(s, p, object, "restart the program, so that it uses the file that is there now",
				    r < 0 ? "nothing is at that path in its mount namespace"
					  : "its path leads to another file in its mount namespace");
			return 0;
		}
		image_rows(s->img, &mapped_file_table, &nr);
		row = image_add(s->img, &mapped_file_table);
		*row = (struct mapped_file_row){
			.mapped_file = (int64_t)nr, .mount_ns = mount_ns, .path = image_strdup(s->img, path),
			.dev_major = major(mapped.st_dev), .dev_minor = minor(mapped.st_dev),
			.inode = (int64_t)mapped.st_ino, .size = mapped.st_size, .mtime_ns = mtime_ns(&mapped),
			.deleted_file = deleted,
		};
	}
	row->writable |= writable;
	row->relied_on |= relied_on;
	*ret = row->mapped_file;
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

int mapped_file_fd(const struct restore *r, int64_t id)
{
	return restore_keyed(r, KEYED, id);
}

int mapped_files_check(struct restore *r, struct err *e)
{
	const struct mapped_file_row *row;
	int64_t expected = 0;

	image_for_each(row, r->img, &mapped_file_table) {
		if (row->mapped_file != expected++)
			return err_set(e, -EBADMSG, "mapped files are not numbered from 0 on");
		if (*row->path != '/')
			return err_set(e, -EBADMSG, "mapped file %ld: its path '%s' is not absolute",
				       row->mapped_file, row->path);
		if (row->deleted_file != COLUMN_NULL && !deleted_file_known(r, row->deleted_file, S_IFREG))
			return err_set(e, -EBADMSG, "mapped file %ld: there is no deleted file %ld", row->mapped_file,
				       row->deleted_file);
	}
	return 0;
}

void mapped_files_need(const struct restore *r, needed_path_fn *fn, void *arg)
{
	const struct mapped_file_row *row;

	image_for_each(row, r->img, &mapped_file_table) {
		bool stays = row->relied_on && !row->writable;

		if (row->deleted_file == COLUMN_NULL)
			fn(arg, &(struct needed_path){
				.mount_ns = row->mount_ns, .path = row->path, .size = stays ? row->size : 0,
				.mtime_ns = stays ? row->mtime_ns : COLUMN_NULL, .file = COLUMN_NULL, .what = "which is mapped",
			});
	}
}

static int file_check(const struct mapped_file_row *row, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat");
	if (!mappable(&st))
		return err_set(e, -EMEDIUMTYPE, "it is no regular file any more");
	/* A file that the container itself writes to through a mapping can't be expected to stay. */
	if (!S_ISREG(st.st_mode) || !row->relied_on || row->writable)
		return 0;
	if (st.st_size != row->size || mtime_ns(&st) != row->mtime_ns) {
		err_set(e, -ESTALE, "it has changed since the snapshot: %ld bytes then, %ld now%s", row->size,
			(int64_t)st.st_size, st.st_size == row->size ? ", written to at another time" : "");
		return err_advise(e, "put back the version that the snapshot was taken with");
	}
	return 0;
}

/* Its contents came with the snapshot, so they are what they were. */
static int deleted_open(struct restore *r, const struct mapped_file_row *row, struct err *e)
{
	int fd = deleted_file_open(r, row->deleted_file, -1, row->writable ? O_RDWR : O_RDONLY, e);

	if (fd >= 0)
		restore_set_keyed(r, KEYED, row->mapped_file, fd);
	return fd < 0 ? fd : 0;
}

static int file_open(struct restore *r, const struct mapped_file_row *row, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	int back = -1, ret;

	if (row->deleted_file != COLUMN_NULL)
		return deleted_open(r, row, e);
	ret = row->mount_ns == COLUMN_NULL ? 0 : namespace_enter(r, row->mount_ns, "mnt", &back, e);
	if (ret < 0)
		return ret;
	/* Not blocking, should something else than a file be there now. */
	fd = open(row->path, (row->writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		ret = err_sys(e, "open it to map it");
	if (back >= 0) {
		int left = namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e);

		ret = ret ?: left;
	}
	if (ret == 0)
		ret = file_check(row, fd, e);
	if (ret == 0)
		restore_set_keyed(r, KEYED, row->mapped_file, take_fd(&fd));
	return ret;
}

int mapped_files_open(struct restore *r, struct err *e)
{
	const struct mapped_file_row *row;
	int ret;

	image_for_each(row, r->img, &mapped_file_table) {
		ret = file_open(r, row, e);
		if (ret < 0)
			return err_in(e, "mapped file %s", row->path);
	}
	return 0;
}
