// SPDX-License-Identifier: GPL-2.0-only
/* Open directories, by path, with the position of readdir: table `directory`. */
#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include "state/deleted_file.h"
#include "state/file_kinds.h"
#include "state/path.h"
#include "state/proc_file.h"

struct directory_row {
	int64_t file;
	char *path;
	int64_t deleted_file;	/* COLUMN_NULL: it had a name */
};

static const struct column directory_columns[] = {
	INT_COLUMN(struct directory_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct directory_row, path, 4107),	/* with " (deleted)" */
	INT_COLUMN_OR_NULL(struct directory_row, deleted_file, 0, INT32_MAX),
};
static const struct table directory_table = TABLE("directory", struct directory_row, directory_columns);

static bool directory_match(const struct open_file *f)
{
	return S_ISDIR(f->st.st_mode);
}

static int directory_save(struct save *s, struct open_file *f, struct err *e)
{
	struct directory_row *row;
	int64_t deleted = COLUMN_NULL;
	struct statfs fs;
	char name[256], *path;
	int r;

	/* /proc/<pid> is of another kind. */
	if (fstatfs(f->own, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && proc_file_mount(f) < 0) {
		save_refuse(s, f->process, open_file_name(f, name), "close it",
			    "it is a directory of a part of procfs that is mounted by itself");
		return 0;
	}
	/* Some file systems don't count the links of directories, and say 1. */
	r = f->st.st_nlink ? path_save(s, f, &path, e) : deleted_file_save_open(s, f, &path, &deleted, e);
	if (r <= 0)
		return r;
	row = image_add(s->img, &directory_table);
	*row = (struct directory_row){ f->id, path, deleted };
	return 0;
}

static const struct directory_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &directory_table, offsetof(struct directory_row, file), f->file);
}

static int directory_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct directory_row *row = row_of(r, f);

	if (!row)
		return err_set(e, -EBADMSG, "it is not in table directory");
	if (row->deleted_file != COLUMN_NULL && !deleted_file_known(r, row->deleted_file, S_IFDIR))
		return err_set(e, -EBADMSG, "there is no deleted directory %ld", row->deleted_file);
	return 0;
}

static void directory_needs(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg)
{
	const struct directory_row *row = row_of(r, f);

	if (row && row->deleted_file == COLUMN_NULL)
		fn(arg, &(struct needed_path){
			.mount_ns = f->mount_ns, .path = row->path, .format = S_IFDIR, .mtime_ns = COLUMN_NULL, .file = f->file,
		});
}

static int directory_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct directory_row *row = row_of(r, f);
	_cleanup_fd_ int fd = -1;
	int ret = 0;

	if (row->deleted_file == COLUMN_NULL)
		ret = path_open(f, row->path, S_IFDIR, &fd, e);
	else
		ret = fd = deleted_file_open(r, row->deleted_file, -1, path_flags(f), e);
	if (ret < 0)
		return ret;
	/* What a position means is the file system's business, but it is the same directory. */
	if (f->pos && lseek(fd, f->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %ld in directory %s", f->pos, row->path);
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct file_kind directory_kind = {
	.name = "directory",
	.tables = (const struct table *const[]){ &directory_table, NULL },
	.match = directory_match,
	.save = directory_save,
	.needs = directory_needs,
	.check = directory_check,
	.open = directory_open,
};
