// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files, by path: table `regular`. Their contents belong to the file
 * system, not to the snapshot; what was recorded of them serves to notice that
 * a file is not the one it was. Those without a name are deleted_file.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include "state/deleted_file.h"
#include "state/file_kinds.h"
#include "state/path.h"
#include "state/proc_file.h"

struct regular_row {
	int64_t file;
	char *path;
	int64_t size;		/* bytes */
	int64_t mtime_ns;
	int64_t inode;		/* for audits only: a copy of the file is as good */
	int64_t deleted_file;	/* COLUMN_NULL: it had a name */
};

static const struct column regular_columns[] = {
	INT_COLUMN(struct regular_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct regular_row, path, 4107),	/* with " (deleted)" */
	INT_COLUMN(struct regular_row, size, 0, INT64_MAX),
	INT_COLUMN(struct regular_row, mtime_ns, INT64_MIN, INT64_MAX),
	INT_COLUMN(struct regular_row, inode, INT64_MIN, INT64_MAX),
	INT_COLUMN_OR_NULL(struct regular_row, deleted_file, 0, INT32_MAX),
};
static const struct table regular_table = TABLE("regular", struct regular_row, regular_columns);

static bool regular_match(const struct open_file *f)
{
	return S_ISREG(f->st.st_mode) && f->link[0] == '/';
}

/* File systems whose files mean another thing to every process, or are gone with the container. */
static const char *odd_file_system(const struct open_file *f, const char **advice)
{
	struct statfs fs;

	if (fstatfs(f->own, &fs) < 0)
		return NULL;
	*advice = "close it; open it anew each time it is read";
	switch (fs.f_type) {
	/* Those about processes are of another kind, if it is seen whom they are about. */
	case PROC_SUPER_MAGIC:
		return proc_file_mount(f) < 0 ? "it is a file of a part of procfs that is mounted by itself" : NULL;
	case CGROUP2_SUPER_MAGIC:
	case CGROUP_SUPER_MAGIC: return "it is a file of a cgroup, which a restored container may not have";
	case HUGETLBFS_MAGIC: *advice = "use a file of tmpfs"; return "it is made of hugetlb pages";
	default: return NULL;
	}
}

static bool regular_refuse(struct save *s, struct open_file *f)
{
	const char *advice, *why = odd_file_system(f, &advice);
	char name[256];

	if (why)
		save_refuse(s, f->process, open_file_name(f, name), advice, "%s", why);
	return why;
}

/* 1: saved, @ret_path as /proc shows it; 0: refused. */
static int nameless_save(struct save *s, struct open_file *f, char **ret_path, int64_t *ret, struct err *e)
{
	char name[256];
	int r;

	/* Reading it would need an open file of cpt's own, for which the lease would be broken. */
	if (text_field(f->fdinfo, "lock") && strstr(f->fdinfo, "LEASE")) {
		save_refuse(s, f->process, open_file_name(f, name), "give the lease up before the snapshot",
			    "it was deleted and there is a lease of it");
		return 0;
	}
	r = deleted_file_save_open(s, f, ret_path, ret, e);
	if (r > 0 && (f->flags & O_TMPFILE) == O_TMPFILE)
		deleted_file_set_maker(s, *ret, f->id);
	return r;
}

static int regular_save(struct save *s, struct open_file *f, struct err *e)
{
	int64_t deleted = COLUMN_NULL;
	struct regular_row *row;
	struct stat st;
	char *path;
	int r;

	if (regular_refuse(s, f))
		return 0;
	r = f->st.st_nlink ? path_save(s, f, &path, e) : nameless_save(s, f, &path, &deleted, e);
	if (r <= 0)
		return r;
	if (fstat(f->own, &st) < 0)
		return err_sys(e, "fstat");
	row = image_add(s->img, &regular_table);
	*row = (struct regular_row){
		.file = f->id, .path = path, .size = st.st_size, .inode = (int64_t)st.st_ino,
		.mtime_ns = timespec_ns(&st.st_mtim), .deleted_file = deleted,
	};
	return 0;
}

static const struct regular_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &regular_table, offsetof(struct regular_row, file), f->file);
}

static int regular_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct regular_row *row = row_of(r, f);

	if (!row)
		return err_set(e, -EBADMSG, "it is not in table regular");
	if (row->deleted_file != COLUMN_NULL && !deleted_file_known(r, row->deleted_file, S_IFREG))
		return err_set(e, -EBADMSG, "there is no deleted file %ld", row->deleted_file);
	return 0;
}

static void regular_needs(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg)
{
	const struct regular_row *row = row_of(r, f);

	if (row && row->deleted_file == COLUMN_NULL)
		fn(arg, &(struct needed_path){
			.mount_ns = f->mount_ns, .path = row->path, .format = S_IFREG, .size = row->size, .mtime_ns = COLUMN_NULL, .file = f->file,
		});
}

static int regular_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct regular_row *row = row_of(r, f);
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int ret = 0;

	if (row->deleted_file == COLUMN_NULL)
		ret = path_open(f, row->path, S_IFREG, &fd, e);
	else
		ret = fd = deleted_file_open(r, row->deleted_file, f->file, path_flags(f), e);
	if (ret < 0)
		return ret;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "fstat(%s)", row->path);
	if (st.st_size < row->size) {
		err_set(e, -ESTALE, "%s has %ld bytes and had %ld at snapshot time", row->path, (long)st.st_size, row->size);
		return err_advise(e, "put back the file as it was when the snapshot was taken");
	}
	if (lseek(fd, f->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %ld in %s", f->pos, row->path);
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct file_kind regular_kind = {
	.name = "regular",
	.tables = (const struct table *const[]){ &regular_table, NULL },
	.match = regular_match,
	.save = regular_save,
	.needs = regular_needs,
	.check = regular_check,
	.open = regular_open,
};
