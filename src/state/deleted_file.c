// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files without a name. At a snapshot their contents are copied to a memfd of
 * cpt's own, which is written through to the swap volume like the container's
 * shared memory (kind "file" in table `shmem`); what is a hole stays one. At a
 * restore each is made anew where its directory is, as a file that never has a
 * name, and filled from there. The file of a tmpfs is shared memory itself:
 * nothing of it is copied, it is saved and comes back as a memfd does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include "state/deleted_file.h"
#include "state/file.h"
#include "state/fs_user.h"
#include "state/memory.h"
#include "state/mount.h"
#include "state/namespace.h"
#include "state/shmem.h"

struct deleted_file_row {
	int64_t deleted_file;	/* dense from 0 */
	int64_t format;		/* S_IFREG, S_IFDIR */
	int64_t mount_ns;	/* namespace of the directory's path; COLUMN_NULL: the host's */
	char *directory;	/* where it was, or the next one above that is still there */
	int64_t dev_major, dev_minor, inode;
	int64_t size;		/* bytes */
	int64_t mode, uid, gid;
	int64_t atime_ns, mtime_ns;
	int64_t shmem;		/* contents; COLUMN_NULL: all of it is a hole */
	int64_t maker;		/* file that O_TMPFILE made it through; COLUMN_NULL: none */
};

static const struct column deleted_file_columns[] = {
	INT_COLUMN(struct deleted_file_row, deleted_file, 0, INT32_MAX),
	INT_COLUMN(struct deleted_file_row, format, S_IFDIR, S_IFREG),
	INT_COLUMN_OR_NULL(struct deleted_file_row, mount_ns, 0, INT32_MAX),
	TEXT_COLUMN(struct deleted_file_row, directory, 4095),
	INT_COLUMN(struct deleted_file_row, dev_major, 0, UINT32_MAX),
	INT_COLUMN(struct deleted_file_row, dev_minor, 0, UINT32_MAX),
	INT_COLUMN(struct deleted_file_row, inode, INT64_MIN + 1, INT64_MAX),
	INT_COLUMN(struct deleted_file_row, size, 0, INT64_MAX),
	INT_COLUMN(struct deleted_file_row, mode, 0, 07777),
	INT_COLUMN(struct deleted_file_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct deleted_file_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct deleted_file_row, atime_ns, INT64_MIN + 1, INT64_MAX),
	INT_COLUMN(struct deleted_file_row, mtime_ns, INT64_MIN + 1, INT64_MAX),
	INT_COLUMN_OR_NULL(struct deleted_file_row, shmem, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct deleted_file_row, maker, 0, INT32_MAX),
};
static const struct table deleted_file_table = TABLE("deleted_file", struct deleted_file_row, deleted_file_columns);

static const struct deleted_file_row *row_of(const struct image *img, int64_t id)
{
	return image_find(img, &deleted_file_table, offsetof(struct deleted_file_row, deleted_file), id);
}

/* ---- saving: where ------------------------------------------------------ */

static int64_t mount_id(int dirfd, const char *path)
{
	struct statx stx;

	if (statx(dirfd, path, *path ? 0 : AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID))
		return -1;
	return (int64_t)stx.stx_mnt_id;
}

/* Cut @path back to a directory that is there, seen from @root, in mount @mount. False: there is none. */
static bool directory_left(int root, char *path, int64_t mount)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};

	for (char *slash; (slash = strrchr(path, '/')); ) {
		_cleanup_fd_ int fd = -1;

		slash[slash == path] = 0;
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 && mount_id(fd, "") == mount)
			return true;
		if (slash == path)
			break;
	}
	return false;
}

/* Its directory's path, and whose; false when nothing of its mount is left at its path. */
static bool directory_find(int root, int64_t mount, const char *shown, char **ret, bool *ret_own)
{
	_cleanup_fd_ int own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int own = 0; own < 2; own++) {
		*ret = xstrdup(shown);
		*ret_own = own;
		if (directory_left(own ? own_root : root, *ret, mount))
			return true;
		free(take_ptr(*ret));
	}
	return false;
}

/* ---- saving: contents --------------------------------------------------- */

static int segment_copy(int to, int from, off_t at, off_t end, struct err *e)
{
	if (lseek(to, at, SEEK_SET) < 0)
		return err_sys(e, "seek to %ld", at);
	while (at < end) {
		ssize_t n = sendfile(to, from, &at, (size_t)min(end - at, 1L << 30));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "copy %ld bytes at %ld", end - at, at);
		if (n == 0)
			return err_set(e, -ESTALE, "it is shorter than it was, it ends at %ld", at);
	}
	return 0;
}

/* All that is no hole. A file system that can't tell has none. */
static int contents_copy(int to, int from, off_t size, bool *ret_any, struct err *e)
{
	off_t start, end = 0;
	int r = 0;

	*ret_any = false;
	while (r == 0 && end < size) {
		start = lseek(from, end, SEEK_DATA);
		if (start < 0 && errno == ENXIO)	/* only a hole is left */
			return 0;
		end = start < 0 ? -1 : lseek(from, start, SEEK_HOLE);
		if (end < 0)
			return err_sys(e, "look for holes");
		end = min(end, size);
		if (start < end) {
			*ret_any = true;
			r = segment_copy(to, from, start, end, e);
		}
	}
	return r;
}

static bool is_tmpfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

static int contents_save(struct save *s, struct live_process *p, const char *link, const struct stat *st,
			 int64_t *ret_shmem, struct err *e)
{
	/* By an open file of cpt's own: the container's keep their positions. */
	_cleanup_fd_ int from = openat(p->proc_fd, link, O_RDONLY | O_NOATIME | O_NONBLOCK | O_CLOEXEC), to = -1;
	bool any;
	int r;

	if (from < 0)
		return err_sys(e, "open it to read it");
	if (is_tmpfs(from))
		return st->st_blocks ? memory_save_contents(s, from, ret_shmem, e) : 0;
	to = memfd_create("deleted_file", MFD_CLOEXEC);
	if (to < 0 || ftruncate(to, st->st_size) < 0)
		return err_sys(e, "make a memfd of %ld bytes", st->st_size);
	r = contents_copy(to, from, st->st_size, &any, e);
	if (r == 0 && any)
		r = memory_save_contents(s, to, ret_shmem, e);
	if (r == 0 && any)
		save_keep_fd(s, take_fd(&to));	/* its slots are the snapshot's until that is taken */
	return r;
}

/* ---- saving ------------------------------------------------------------- */

static struct deleted_file_row *row_find(const struct save *s, const struct stat *st)
{
	struct deleted_file_row *row;

	image_for_each(row, s->img, &deleted_file_table)
		if (row->inode == (int64_t)st->st_ino && row->dev_major == major(st->st_dev) &&
		    row->dev_minor == minor(st->st_dev))
			return row;
	return NULL;
}

static int row_make(struct save *s, struct live_process *p, const char *link, const struct stat *st,
		    char *directory, int64_t mount_ns, int64_t *ret, struct err *e)
{
	struct deleted_file_row row = {
		.format = st->st_mode & S_IFMT, .mount_ns = mount_ns, .directory = directory,
		.dev_major = major(st->st_dev), .dev_minor = minor(st->st_dev), .inode = (int64_t)st->st_ino,
		.size = S_ISREG(st->st_mode) ? st->st_size : 0, .mode = st->st_mode & 07777, .uid = st->st_uid,
		.gid = st->st_gid, .atime_ns = timespec_ns(&st->st_atim), .mtime_ns = timespec_ns(&st->st_mtim),
		.shmem = COLUMN_NULL, .maker = COLUMN_NULL,
	};
	size_t nr;
	int r = 0;

	if (s->frozen && S_ISREG(st->st_mode))
		r = contents_save(s, p, link, st, &row.shmem, e);
	if (r < 0)
		return err_in(e, "contents of the deleted file /proc/%d/%s", p->pid, link);
	image_rows(s->img, &deleted_file_table, &nr);
	row.deleted_file = *ret = (int64_t)nr;
	*(struct deleted_file_row *)image_add(s->img, &deleted_file_table) = row;
	return 0;
}

int deleted_file_save(struct save *s, struct live_process *p, const char *link, const char *shown,
		      const char *object, int64_t *ret, struct err *e)
{
	_cleanup_free_ char *directory = NULL;
	const struct deleted_file_row *row;
	int64_t mount_ns = COLUMN_NULL, mount;
	struct stat st;
	bool own;
	int root, r;

	*ret = COLUMN_NULL;
	if (fstatat(p->proc_fd, link, &st, 0) < 0)
		return s->frozen ? err_sys(e, "stat /proc/%d/%s", p->pid, link) : 0;
	row = row_find(s, &st);
	if (row) {
		*ret = row->deleted_file;
		return 0;
	}
	mount = mount_id(p->proc_fd, link);
	if (mount < 0)
		return save_forgive(s, err_set(e, -ENOENT, "/proc/%d/%s does not say in what mount it is", p->pid, link), e);
	root = mount_ns_root(s, p, e);
	if (root < 0)
		return save_forgive(s, root, e);
	if (!directory_find(root, mount, shown, &directory, &own)) {
		save_refuse(s, p, object, "close it, or let its directory be there",
			    "it was deleted, and no directory of its file system is left at its path");
		return 0;
	}
	r = own ? 0 : namespace_of(s, p, "mnt", &mount_ns, e);
	return r ?: row_make(s, p, link, &st, image_strdup(s->img, directory), mount_ns, ret, e);
}

int deleted_file_save_open(struct save *s, struct open_file *f, char **ret_path, int64_t *ret, struct err *e)
{
	char name[256], link[32];
	int r;

	snprintf(link, sizeof(link), "fd/%d", f->fd);
	r = deleted_file_save(s, f->process, link, f->link, open_file_name(f, name), ret, e);
	if (r < 0 || *ret == COLUMN_NULL)
		return r;
	*ret_path = image_strdup(s->img, f->link);
	return 1;
}

void deleted_file_set_maker(struct save *s, int64_t id, int64_t file)
{
	struct deleted_file_row *row = image_find(s->img, &deleted_file_table,
						  offsetof(struct deleted_file_row, deleted_file), id);

	if (row && row->maker == COLUMN_NULL)
		row->maker = file;
}

/* ---- checking ----------------------------------------------------------- */

bool deleted_file_known(const struct restore *r, int64_t id, mode_t format)
{
	const struct deleted_file_row *row = row_of(r->img, id);

	return row && (!format || row->format == format);
}

static int row_check(const struct restore *r, const struct deleted_file_row *row, struct err *e)
{
	const struct shmem_row *shmem = row->shmem == COLUMN_NULL ? NULL : shmem_find(r->img, row->shmem);
	const struct file_row *maker;

	if (row->format != S_IFREG && row->format != S_IFDIR)
		return err_set(e, -EBADMSG, "its format is %#lo", row->format);
	if (row->directory[0] != '/')
		return err_set(e, -EBADMSG, "the path '%s' of its directory is not absolute", row->directory);
	if (row->format == S_IFDIR && (row->size || row->shmem != COLUMN_NULL || row->maker != COLUMN_NULL))
		return err_set(e, -EBADMSG, "it is a directory and has contents");
	if (row->shmem != COLUMN_NULL && (!shmem || strcmp(shmem->kind, "file") != 0 || shmem->size != row->size))
		return err_set(e, -EBADMSG, "its contents (%ld) are not in table shmem", row->shmem);
	if (row->maker == COLUMN_NULL)
		return 0;
	maker = image_find(r->img, &file_table, offsetof(struct file_row, file), row->maker);
	if (!maker || !(maker->flags & TMPFILE_BIT) || (maker->flags & O_ACCMODE) == O_RDONLY)
		return err_set(e, -EBADMSG, "file %ld can't have made it", row->maker);
	return 0;
}

/* For a moment, it has a name again. */
static void deleted_file_needs(const struct restore *r, needed_path_fn *fn, void *arg)
{
	const struct deleted_file_row *row;

	image_for_each(row, r->img, &deleted_file_table)
		fn(arg, &(struct needed_path){
			.mount_ns = row->mount_ns, .path = row->directory, .format = S_IFDIR, .mtime_ns = COLUMN_NULL,
			.file = COLUMN_NULL, .what = "where a removed file was",
		});
}

static int deleted_file_check(struct restore *r, struct err *e)
{
	const struct deleted_file_row *row;

	image_for_each(row, r->img, &deleted_file_table) {
		if (row->deleted_file != (int64_t)_i)
			return err_set(e, -EBADMSG, "table deleted_file is not numbered from 0");
		if (row_check(r, row, e) < 0)
			return err_in(e, "deleted file %ld", row->deleted_file);
	}
	return 0;
}

/* ---- restoring ---------------------------------------------------------- */

#define KEYED "deleted_file"
#define KEYED_MAKER "deleted_file, maker"

static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC | O_NOCTTY);
}

/* For file systems without O_TMPFILE, and directories: a name for a moment. */
static int named_make(const struct deleted_file_row *row, int dir, int flags, struct err *e)
{
	bool is_dir = row->format == S_IFDIR;
	char name[48];
	int fd;

	snprintf(name, sizeof(name), ".cpt-%d-%ld", getpid(), row->deleted_file);
	if (is_dir && mkdirat(dir, name, 0700) < 0)
		return err_sys(e, "make a directory in %s", row->directory);
	fd = is_dir ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
		    : openat(dir, name, flags | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		err_sys(e, "make a file in %s", row->directory);
	if ((is_dir || fd >= 0) && unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0) < 0 && fd >= 0) {
		err_sys(e, "remove %s/%s", row->directory, name);
		close_fd(&fd);
	}
	return fd < 0 ? e->code : fd;
}

/* The one that made it is an open file of the container, which may have been WRONLY, APPEND... */
static int file_make(const struct restore *r, const struct deleted_file_row *row, struct err *e)
{
	const struct file_row *maker = row->maker == COLUMN_NULL ? NULL :
		image_find(r->img, &file_table, offsetof(struct file_row, file), row->maker);
	_cleanup_fd_ int dir = open(row->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int flags = maker ? (int)maker->flags & (O_ACCMODE | O_APPEND | O_DSYNC | O_SYNC | O_DIRECT) : O_RDWR;
	int fd = -1;

	if (dir < 0) {
		err_sys(e, "find the directory %s", row->directory);
		return err_advise(e, "make it again, then restore again");
	}
	if (row->format == S_IFREG) {
		/* O_EXCL: it shall never get a name; what O_TMPFILE made may. */
		fd = openat(dir, ".", O_TMPFILE | flags | (maker ? 0 : O_EXCL) | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EOPNOTSUPP && errno != EISDIR)
			return err_sys(e, "make a file without a name in %s", row->directory);
	}
	return fd >= 0 ? fd : named_make(row, dir, flags, e);
}

/* Where the host's root has no name, its directory's owner makes it. */
static int file_make_anywhere(const struct restore *r, const struct deleted_file_row *row, struct err *e)
{
	_cleanup_fd_ int dir = -1;
	struct fs_user was;
	int fd = file_make(r, row, e);

	if (fd != -EOVERFLOW)
		return fd;
	*e = ERR_INIT;
	dir = open(row->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open the directory %s", row->directory);
	if (fs_user_become(&was, dir, e) < 0)
		return e->code;
	fd = file_make(r, row, e);
	fs_user_return(&was);
	return fd;
}

static int file_fill(struct restore *r, const struct deleted_file_row *row, int to, struct err *e)
{
	const struct shmem_row *contents = shmem_find(r->img, row->shmem);
	const struct shmem_run_row *run;
	_cleanup_fd_ int from = -1;
	int ret;

	if (ftruncate(to, row->size) < 0)
		return err_sys(e, "make it %ld bytes long", row->size);
	if (row->shmem == COLUMN_NULL)
		return 0;
	if (is_tmpfs(to))
		return shmem_fill(r, contents, to, e);
	from = memfd_create("deleted_file", MFD_CLOEXEC);
	if (from < 0 || ftruncate(from, row->size) < 0)
		return err_sys(e, "make a memfd of %ld bytes", row->size);
	ret = shmem_fill(r, contents, from, e);
	image_for_each(run, r->img, &shmem_run_table) {
		off_t start = run->page * (off_t)PAGE_SIZE, end = start + run->nr_pages * (off_t)PAGE_SIZE;

		if (run->shmem == row->shmem && ret == 0)
			ret = segment_copy(to, from, start, min(end, row->size), e);
	}
	return ret;
}

static int file_set_up(const struct deleted_file_row *row, int fd, struct err *e)
{
	const struct timespec times[2] = { timespec_of(row->atime_ns), timespec_of(row->mtime_ns) };

	if (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0 || fchmod(fd, (mode_t)row->mode) < 0)
		return err_sys(e, "set its owner %ld:%ld and mode %#lo", row->uid, row->gid, row->mode);
	return futimens(fd, times) < 0 ? err_sys(e, "set its times") : 0;
}

static int row_restore(struct restore *r, const struct deleted_file_row *row, struct err *e)
{
	_cleanup_fd_ int fd = -1, own = -1;
	int back, ret, left;

	ret = namespace_enter(r, row->mount_ns, "mnt", &back, e);
	if (ret < 0)
		return ret;
	fd = file_make_anywhere(r, row, e);
	left = namespace_leave(&back, "mnt", fd < 0 ? &ERR_INIT : e);
	if (fd < 0 || left < 0)
		return fd < 0 ? fd : left;
	own = reopen(fd, row->format == S_IFDIR ? O_RDONLY | O_DIRECTORY : O_RDWR);
	if (own < 0)
		return err_sys(e, "open what was made in %s", row->directory);
	ret = row->format == S_IFDIR ? 0 : file_fill(r, row, own, e);
	ret = ret ?: file_set_up(row, own, e);
	if (ret < 0)
		return ret;
	/* Nothing but the maker may have it open for writing: it may be a program that is to run. */
	close_fd(&own);
	own = reopen(fd, O_PATH);
	if (own < 0)
		return err_sys(e, "open what was made in %s as a place", row->directory);
	restore_set_keyed(r, KEYED, row->deleted_file, take_fd(&own));
	if (row->maker != COLUMN_NULL)
		restore_set_keyed(r, KEYED_MAKER, row->deleted_file, take_fd(&fd));
	return 0;
}

static int deleted_file_restore(struct restore *r, struct err *e)
{
	const struct deleted_file_row *row;

	image_for_each(row, r->img, &deleted_file_table)
		if (row_restore(r, row, e) < 0)
			return err_in(e, "deleted file %ld", row->deleted_file);
	return 0;
}

int deleted_file_place(const struct restore *r, int64_t id)
{
	return restore_keyed(r, KEYED, id);
}

int deleted_file_open(const struct restore *r, int64_t id, int64_t file, int flags, struct err *e)
{
	const struct deleted_file_row *row = row_of(r->img, id);
	int maker = row && row->maker == file ? restore_keyed(r, KEYED_MAKER, id) : -1, fd;

	fd = maker >= 0 ? fcntl(maker, F_DUPFD_CLOEXEC, 3) : reopen(deleted_file_place(r, id), flags);
	return fd < 0 ? err_sys(e, "open deleted file %ld", id) : fd;
}

const struct kind deleted_file_kind = {
	.name = "deleted_file",
	.tables = (const struct table *const[]){ &deleted_file_table, NULL },
	.needs = deleted_file_needs,
	.check = deleted_file_check,
	.restore_container = deleted_file_restore,
};
