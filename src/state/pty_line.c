// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines that are being typed into a pty: table `pty_line`.
 *
 * In canonical mode what was typed since the last Enter can still be edited:
 * no read gets it, and no ioctl() counts it. But REPRINT (Ctrl-R) shows it,
 * and changes nothing of it (n_tty_receive_char_canon()).
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "state/pty_look.h"

struct pty_line_row {
	int64_t pty;
	struct blob text;
};

static const struct column pty_line_columns[] = {
	INT_COLUMN(struct pty_line_row, pty, 0, INT32_MAX),
	BLOB_COLUMN(struct pty_line_row, text, PTY_QUEUE_LONGEST),
};
const struct table pty_line_table = TABLE("pty_line", struct pty_line_row, pty_line_columns);

/* "\22\nabc": the key, a new line, and what was typed. After an unfinished ERASE with ECHOPRT a "/" is before it. */
static const char *line_in_echo(const char *buf, size_t len, cc_t key, size_t *ret_len)
{
	const char *p = buf;

	if (len && *p == '/')
		p++;
	if (len < (size_t)(p - buf) + 2 || (cc_t)p[0] != key || p[1] != '\n')
		return NULL;
	*ret_len = len - (size_t)(p + 2 - buf);
	return p + 2;
}

static void refuse(struct save *s, struct open_file *master, const char *why)
{
	char name[256];

	save_refuse(s, master->process, open_file_name(master, name), "finish the line, then take the snapshot again",
		    "%s", why);
}

/* What was pressed after LNEXT (Ctrl-V) was taken as typed: away with it. */
int pty_line_save(struct save *s, const struct pty_row *row, struct open_file *master, struct pty_look *l,
		  struct err *e)
{
	size_t len;
	const char *line = line_in_echo(l->echo, l->nr_echo, l->key, &len);

	if (!line) {
		refuse(s, master, "the next character typed into it is to be taken literally (Ctrl-V)");
		l->key_index = VERASE;
		return pty_look(row, master, l, e);
	}
	if (memchr(line, '\n', len))
		refuse(s, master, "the line being typed into it has a line feed in it");
	else if (len)
		*(struct pty_line_row *)image_add(s->img, &pty_line_table) =
			(struct pty_line_row){ row->pty, image_blob(s->img, line, len) };
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

int pty_line_check(const struct restore *r, struct err *e)
{
	const struct pty_line_row *row;

	image_for_each(row, r->img, &pty_line_table) {
		const struct pty_row *pty = pty_row_of(r, row->pty);

		if (!pty || pty->master == COLUMN_NULL || !(pty->local_modes & ICANON))
			return err_set(e, -EBADMSG, "a line can't be being typed into pty %ld", row->pty);
	}
	return 0;
}

/* Typed while nothing is special; poll() of the slave waits until all has arrived (n_tty_poll()). */
int pty_line_restore(const struct restore *r, int64_t pty, int master, int slave, struct err *e)
{
	const struct pty_line_row *row = image_find(r->img, &pty_line_table, offsetof(struct pty_line_row, pty), pty);
	struct pollfd p = { .fd = slave, .events = POLLIN };
	struct termios2 t;

	if (!row)
		return 0;
	if (ioctl(slave, TCGETS2, &t) < 0)
		return err_sys(e, "read the modes of a pty");
	t.c_iflag = 0;
	t.c_lflag = ICANON;
	memset(t.c_cc, 0, sizeof(t.c_cc));
	if (ioctl(slave, TCSETS2, &t) < 0)
		return err_sys(e, "set the modes of a pty");
	if (write(master, row->text.data, row->text.len) != (ssize_t)row->text.len)
		return err_sys(e, "type the line that was being typed");
	return poll(&p, 1, 0) < 0 ? err_sys(e, "poll a pty") : 0;
}
