// SPDX-License-Identifier: GPL-2.0-only
/* Eventfds: table `eventfd`. Their state is in fdinfo (proc(5)), an ordinary write sets it again. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include "state/file_kinds.h"

struct eventfd_row {
	int64_t file;
	int64_t count;		/* unsigned 64 bits: those above INT64_MAX are negative here */
	int64_t semaphore;
};

static const struct column eventfd_columns[] = {
	INT_COLUMN(struct eventfd_row, file, 0, INT32_MAX),
	INT_COLUMN(struct eventfd_row, count, INT64_MIN, INT64_MAX),
	INT_COLUMN(struct eventfd_row, semaphore, 0, 1),
};
static const struct table eventfd_table = TABLE("eventfd", struct eventfd_row, eventfd_columns);

static bool eventfd_match(const struct open_file *f)
{
	return strcmp(f->link, "anon_inode:[eventfd]") == 0;
}

static int eventfd_save(struct save *s, struct open_file *f, struct err *e)
{
	struct eventfd_row row = { .file = f->id };

	/* eventfd-semaphore is there since Linux 6.5. */
	if (!text_field(f->fdinfo, "eventfd-count") || !text_field(f->fdinfo, "eventfd-semaphore"))
		return err_set(e, -ENOSYS, "fdinfo does not tell an eventfd's count and mode: the kernel is too old");
	row.count = (int64_t)text_number(f->fdinfo, "eventfd-count", 16, 0);
	row.semaphore = text_number(f->fdinfo, "eventfd-semaphore", 10, 0) != 0;
	*(struct eventfd_row *)image_add(s->img, &eventfd_table) = row;
	return 0;
}

static const struct eventfd_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &eventfd_table, offsetof(struct eventfd_row, file), f->file);
}

static int eventfd_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct eventfd_row *row = row_of(r, f);

	/* The highest count is 2^64-2 (eventfd(2)). */
	return row && row->count != -1 ? 0 : err_set(e, -EBADMSG, "it is not in table eventfd, or not as it can be");
}

static int eventfd_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct eventfd_row *row = row_of(r, f);

	*ret_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (row->semaphore ? EFD_SEMAPHORE : 0));
	if (*ret_fd < 0)
		return err_sys(e, "eventfd");
	if (row->count && write(*ret_fd, &row->count, sizeof(row->count)) != sizeof(row->count))
		return err_sys(e, "set the count of an eventfd");
	return 0;
}

const struct file_kind eventfd_kind = {
	.name = "eventfd",
	.tables = (const struct table *const[]){ &eventfd_table, NULL },
	.match = eventfd_match,
	.save = eventfd_save,
	.check = eventfd_check,
	.open = eventfd_open,
};
