// SPDX-License-Identifier: GPL-2.0-only
/* Character devices that have no state of their own: table `device`. */
#include <errno.h>
#include <sys/sysmacros.h>
#include "state/file_kinds.h"
#include "state/path.h"
#include "state/terminal.h"

struct device_row {
	int64_t file;
	char *path;
	int64_t major, minor;
};

static const struct column device_columns[] = {
	INT_COLUMN(struct device_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct device_row, path, 4095),
	INT_COLUMN(struct device_row, major, 0, UINT32_MAX),
	INT_COLUMN(struct device_row, minor, 0, UINT32_MAX),
};
static const struct table device_table = TABLE("device", struct device_row, device_columns);

static bool device_match(const struct open_file *f)
{
	return S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode);
}

/* Documentation/admin-guide/devices.txt: null, zero, full, random, urandom. */
static bool device_is_plain(const struct stat *st)
{
	unsigned int i = minor(st->st_rdev);

	return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1 && (i == 3 || i == 5 || i == 7 || i == 8 || i == 9);
}

/* Consoles and serial lines, pseudo terminals of BSD. All others are in pty_end.c. */
static bool device_is_terminal(const struct stat *st)
{
	unsigned int i = major(st->st_rdev);

	return S_ISCHR(st->st_mode) && (i == 2 || i == 3 || i == 4 || i == 5 || i == 204 || i == 229);
}

static void device_refuse(struct save *s, struct open_file *f)
{
	char name[256];

	open_file_name(f, name);
	save_refuse(s, f->process, name, "close it", "cpt can't save the state of %s device %u:%u",
		    S_ISCHR(f->st.st_mode) ? "character" : "block", major(f->st.st_rdev), minor(f->st.st_rdev));
}

static int device_save(struct save *s, struct open_file *f, struct err *e)
{
	struct device_row *row;
	char *path;
	int r;

	if (device_is_terminal(&f->st))
		return terminal_save(s, f, f->st.st_rdev, "it is a terminal that belongs to the outside", e);
	if (!device_is_plain(&f->st)) {
		device_refuse(s, f);
		return 0;
	}
	r = path_save(s, f, &path, e);
	if (r <= 0)
		return r;
	row = image_add(s->img, &device_table);
	*row = (struct device_row){ f->id, path, major(f->st.st_rdev), minor(f->st.st_rdev) };
	return 0;
}

static const struct device_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &device_table, offsetof(struct device_row, file), f->file);
}

static int device_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct device_row *row = row_of(r, f);
	struct stat st = { .st_mode = S_IFCHR };

	if (!row)
		return err_set(e, -EBADMSG, "it is not in table device");
	st.st_rdev = makedev((unsigned int)row->major, (unsigned int)row->minor);
	return device_is_plain(&st) ? 0 : err_set(e, -EBADMSG, "device %ld:%ld is none that cpt saves", row->major,
						  row->minor);
}

static void device_needs(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg)
{
	const struct device_row *row = row_of(r, f);

	if (row)
		fn(arg, &(struct needed_path){
			.mount_ns = f->mount_ns, .path = row->path, .format = S_IFCHR, .mtime_ns = COLUMN_NULL, .file = f->file,
		});
}

static int device_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct device_row *row = row_of(r, f);
	struct stat st;
	int ret;

	/* Opening another device could do anything. */
	if (stat(row->path, &st) == 0 && S_ISCHR(st.st_mode) &&
	    st.st_rdev != makedev((unsigned int)row->major, (unsigned int)row->minor))
		return err_set(e, -EINVAL, "%s is device %u:%u now and was %ld:%ld at snapshot time", row->path,
			       major(st.st_rdev), minor(st.st_rdev), row->major, row->minor);
	ret = path_open(f, row->path, S_IFCHR, ret_fd, e);
	return ret;
}

const struct file_kind device_kind = {
	.name = "device",
	.tables = (const struct table *const[]){ &device_table, NULL },
	.match = device_match,
	.save = device_save,
	.needs = device_needs,
	.check = device_check,
	.open = device_open,
};
