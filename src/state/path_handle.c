// SPDX-License-Identifier: GPL-2.0-only
/* What was opened with O_PATH: a place in the file system, not what is in it. Table `path_handle`. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include "state/file_kinds.h"
#include "state/path.h"

struct path_handle_row {
	int64_t file;
	char *path;
	int64_t format;		/* S_IF* */
};

static const struct column path_handle_columns[] = {
	INT_COLUMN(struct path_handle_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct path_handle_row, path, 4095),
	INT_COLUMN(struct path_handle_row, format, S_IFIFO, S_IFSOCK),
};
static const struct table path_handle_table = TABLE("path_handle", struct path_handle_row, path_handle_columns);

static bool path_handle_match(const struct open_file *f)
{
	return f->flags & O_PATH;
}

static int path_handle_save(struct save *s, struct open_file *f, struct err *e)
{
	struct path_handle_row *row;
	char name[256], *path;
	struct statfs fs;
	int r;

	/* /proc itself is as good as any; /proc/<pid> is gone with its process. */
	if (fstatfs(f->own, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && f->st.st_ino != 1) {
		save_refuse(s, f->process, open_file_name(f, name), "close it",
			    "it is a place in procfs, which describes running processes");
		return 0;
	}
	r = path_save(s, f, &path, e);
	if (r <= 0)
		return r;
	row = image_add(s->img, &path_handle_table);
	*row = (struct path_handle_row){ f->id, path, f->st.st_mode & S_IFMT };
	return 0;
}

static const struct path_handle_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &path_handle_table, offsetof(struct path_handle_row, file), f->file);
}

static int path_handle_check(struct restore *r, const struct file_row *f, struct err *e)
{
	if (!row_of(r, f))
		return err_set(e, -EBADMSG, "it is not in table path_handle");
	return f->flags & O_PATH ? 0 : err_set(e, -EBADMSG, "its flags are %#lo, without O_PATH", f->flags);
}

static int path_handle_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct path_handle_row *row = row_of(r, f);

	return path_open(f, row->path, (mode_t)row->format, ret_fd, e);
}

const struct file_kind path_handle_kind = {
	.name = "path_handle",
	.tables = (const struct table *const[]){ &path_handle_table, NULL },
	.match = path_handle_match,
	.save = path_handle_save,
	.check = path_handle_check,
	.open = path_handle_open,
};
