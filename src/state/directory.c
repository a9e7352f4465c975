// SPDX-License-Identifier: GPL-2.0-only
/* Open directories, by path, with the position of readdir: table `directory`. */
#include <errno.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include "state/file_kinds.h"
#include "state/path.h"

struct directory_row {
	int64_t file;
	char *path;
};

static const struct column directory_columns[] = {
	INT_COLUMN(struct directory_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct directory_row, path, 4095),
};
static const struct table directory_table = TABLE("directory", struct directory_row, directory_columns);

static bool directory_match(const struct open_file *f)
{
	return S_ISDIR(f->st.st_mode);
}

static int directory_save(struct save *s, struct open_file *f, struct err *e)
{
	struct directory_row *row;
	struct statfs fs;
	char name[256], *path;
	int r;

	/* /proc itself is as good as any; /proc/<pid> is gone with its process. */
	if (fstatfs(f->own, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC && f->st.st_ino != 1) {
		save_refuse(s, f->process, open_file_name(f, name), "close it",
			    "it is a directory of procfs, which describes running processes");
		return 0;
	}
	r = path_save(s, f, &path, e);
	if (r <= 0)
		return r;
	row = image_add(s->img, &directory_table);
	*row = (struct directory_row){ f->id, path };
	return 0;
}

static const struct directory_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &directory_table, offsetof(struct directory_row, file), f->file);
}

static int directory_check(struct restore *r, const struct file_row *f, struct err *e)
{
	return row_of(r, f) ? 0 : err_set(e, -EBADMSG, "it is not in table directory");
}

static int directory_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct directory_row *row = row_of(r, f);
	_cleanup_fd_ int fd = -1;
	int ret = path_open(f, row->path, S_IFDIR, &fd, e);

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
	.check = directory_check,
	.open = directory_open,
};
