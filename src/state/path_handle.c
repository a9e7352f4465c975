// SPDX-License-Identifier: GPL-2.0-only
/* What was opened with O_PATH: a place in the file system, not what is in it. Table `path_handle`. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include "state/deleted_file.h"
#include "state/file_kinds.h"
#include "state/path.h"
#include "state/proc_file.h"

struct path_handle_row {
	int64_t file;
	char *path;
	int64_t format;		/* S_IF* */
	int64_t deleted_file;	/* COLUMN_NULL: it had a name */
};

static const struct column path_handle_columns[] = {
	INT_COLUMN(struct path_handle_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct path_handle_row, path, 4107),	/* with " (deleted)" */
	INT_COLUMN(struct path_handle_row, format, S_IFIFO, S_IFSOCK),
	INT_COLUMN_OR_NULL(struct path_handle_row, deleted_file, 0, INT32_MAX),
};
static const struct table path_handle_table = TABLE("path_handle", struct path_handle_row, path_handle_columns);

static bool path_handle_match(const struct open_file *f)
{
	return f->flags & O_PATH;
}

static int path_handle_save(struct save *s, struct open_file *f, struct err *e)
{
	mode_t format = f->st.st_mode & S_IFMT;
	int64_t deleted = COLUMN_NULL;
	struct path_handle_row *row;
	char name[256], *path;
	struct statfs fs;
	int r;

	/* /proc/<pid> is of another kind. */
	if (fstatfs(f->own, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && proc_file_mount(f) < 0) {
		save_refuse(s, f->process, open_file_name(f, name), "close it",
			    "it is a place in a part of procfs that is mounted by itself");
		return 0;
	}
	if (f->st.st_nlink == 0 && f->link[0] == '/' && (format == S_IFREG || format == S_IFDIR))
		r = deleted_file_save_open(s, f, &path, &deleted, e);
	else
		r = path_save(s, f, &path, e);
	if (r <= 0)
		return r;
	row = image_add(s->img, &path_handle_table);
	*row = (struct path_handle_row){ f->id, path, format, deleted };
	return 0;
}

static const struct path_handle_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &path_handle_table, offsetof(struct path_handle_row, file), f->file);
}

static int path_handle_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct path_handle_row *row = row_of(r, f);

	if (!row)
		return err_set(e, -EBADMSG, "it is not in table path_handle");
	if (row->deleted_file != COLUMN_NULL && !deleted_file_known(r, row->deleted_file, (mode_t)row->format))
		return err_set(e, -EBADMSG, "there is no deleted file %ld", row->deleted_file);
	return f->flags & O_PATH ? 0 : err_set(e, -EBADMSG, "its flags are %#lo, without O_PATH", f->flags);
}

static void path_handle_needs(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg)
{
	const struct path_handle_row *row = row_of(r, f);

	if (row && row->deleted_file == COLUMN_NULL)
		fn(arg, &(struct needed_path){
			.mount_ns = f->mount_ns, .path = row->path, .format = (mode_t)row->format & S_IFMT, .mtime_ns = COLUMN_NULL, .file = f->file,
		});
}

static int path_handle_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct path_handle_row *row = row_of(r, f);

	if (row->deleted_file == COLUMN_NULL)
		return path_open(f, row->path, (mode_t)row->format, ret_fd, e);
	*ret_fd = deleted_file_open(r, row->deleted_file, -1, path_flags(f) & ~O_NOFOLLOW, e);
	return *ret_fd < 0 ? *ret_fd : 0;
}

const struct file_kind path_handle_kind = {
	.name = "path_handle",
	.tables = (const struct table *const[]){ &path_handle_table, NULL },
	.match = path_handle_match,
	.save = path_handle_save,
	.needs = path_handle_needs,
	.check = path_handle_check,
	.open = path_handle_open,
};
