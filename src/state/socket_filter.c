// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packet filters of sockets: table `socket_filter`. Classic BPF can be read
 * back; eBPF (SO_ATTACH_BPF) can't, and is refused. The kernel does not tell
 * at all what was attached by SO_ATTACH_REUSEPORT_*.
 */
#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>
#include "state/socket.h"

struct socket_filter_row {
	int64_t file;
	struct blob program;	/* struct sock_filter, one after the other; NULL: none, but it is locked */
	int64_t locked;		/* SO_LOCK_FILTER: it can't be changed any more */
};

#define ROW struct socket_filter_row
static const struct column socket_filter_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	BLOB_COLUMN_OR_NULL(ROW, program, BPF_MAXINSNS * sizeof(struct sock_filter)),
	INT_COLUMN(ROW, locked, 0, 1),
};
const struct table socket_filter_table = TABLE("socket_filter", ROW, socket_filter_columns);

int socket_filter_save(struct save *s, const struct open_file *f, struct err *e)
{
	struct sock_filter program[BPF_MAXINSNS];
	ROW row = { .file = f->id };
	int locked = 0;
	socklen_t len = 0, lock_len = sizeof(locked);
	char name[256];

	/* With no room it only gives the number of instructions (sk_get_filter() in net/core/filter.c). */
	if (getsockopt(f->own, SOL_SOCKET, SO_GET_FILTER, NULL, &len) < 0) {
		if (errno == EACCES)
			save_refuse(s, f->process, open_file_name(f, name), "use a classic filter (SO_ATTACH_FILTER)",
				    "it has an eBPF program for a filter (SO_ATTACH_BPF), which can't be read back");
		return errno == EACCES || errno == EOPNOTSUPP ? 0 : err_sys(e, "getsockopt(SO_GET_FILTER)");
	}
	if (getsockopt(f->own, SOL_SOCKET, SO_LOCK_FILTER, &locked, &lock_len) < 0)
		return err_sys(e, "getsockopt(SO_LOCK_FILTER)");
	if (!len && !locked)
		return 0;
	if (len > BPF_MAXINSNS)
		return err_set(e, -EBADMSG, "it has a filter of %u instructions", len);
	if (len && getsockopt(f->own, SOL_SOCKET, SO_GET_FILTER, program, &len) < 0)
		return err_sys(e, "getsockopt(SO_GET_FILTER)");
	row.locked = locked;
	if (len)
		row.program = image_blob(s->img, program, len * sizeof(*program));
	*(ROW *)image_add(s->img, &socket_filter_table) = row;
	return 0;
}

static const ROW *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &socket_filter_table, offsetof(ROW, file), f->file);
}

int socket_filter_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const ROW *row = row_of(r, f);

	if (row && row->program.data && (!row->program.len || row->program.len % sizeof(struct sock_filter)))
		return err_set(e, -EBADMSG, "its filter of %zu bytes is none (table socket_filter)", row->program.len);
	return 0;
}

int socket_filter_restore(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const ROW *row = row_of(r, f);
	struct sock_fprog program;
	int locked = 1;

	if (!row)
		return 0;
	program.len = (unsigned short)(row->program.len / sizeof(struct sock_filter));
	program.filter = row->program.data;
	if (program.len && setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return err_sys(e, "attach a filter of %u instructions", program.len);
	if (row->locked && setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, sizeof(locked)) < 0)
		return err_sys(e, "setsockopt(SO_LOCK_FILTER)");
	return 0;
}
