// SPDX-License-Identifier: GPL-2.0-only
/* Signalfds: table `signalfd`. What they give is the reading task's own pending signals; only the mask is theirs. */
#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include "state/file_kinds.h"

struct signalfd_row {
	int64_t file;
	int64_t mask;		/* bit n: signal n+1 */
};

static const struct column signalfd_columns[] = {
	INT_COLUMN(struct signalfd_row, file, 0, INT32_MAX),
	INT_COLUMN(struct signalfd_row, mask, INT64_MIN, INT64_MAX),
};
static const struct table signalfd_table = TABLE("signalfd", struct signalfd_row, signalfd_columns);

static bool signalfd_match(const struct open_file *f)
{
	return strcmp(f->link, "anon_inode:[signalfd]") == 0;
}

static int signalfd_save(struct save *s, struct open_file *f, struct err *e)
{
	if (!text_field(f->fdinfo, "sigmask"))
		return err_set(e, -EBADMSG, "fdinfo does not tell a signalfd's mask");
	*(struct signalfd_row *)image_add(s->img, &signalfd_table) =
		(struct signalfd_row){ f->id, (int64_t)text_number(f->fdinfo, "sigmask", 16, 0) };
	return 0;
}

static const struct signalfd_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &signalfd_table, offsetof(struct signalfd_row, file), f->file);
}

static int signalfd_check(struct restore *r, const struct file_row *f, struct err *e)
{
	return row_of(r, f) ? 0 : err_set(e, -EBADMSG, "it is not in table signalfd");
}

static int signalfd_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	uint64_t mask = (uint64_t)row_of(r, f)->mask;

	/* Not signalfd(3): the C library hides two signals of its own. */
	*ret_fd = (int)syscall(SYS_signalfd4, -1, &mask, sizeof(mask), SFD_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "signalfd4") : 0;
}

const struct file_kind signalfd_kind = {
	.name = "signalfd",
	.tables = (const struct table *const[]){ &signalfd_table, NULL },
	.match = signalfd_match,
	.save = signalfd_save,
	.check = signalfd_check,
	.open = signalfd_open,
};
