// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines that are being typed into a pty: table `pty_line`.
 *
 * In canonical mode what was typed since the last Enter can still be edited:
 * no read gets it, and no ioctl() counts it. But REPRINT (Ctrl-R) shows it
 * (n_tty_receive_char_canon()), and changes nothing of it. So a task that has
 * the master presses that key, with modes for the time being in which the
 * echo is exact: one batch, which sets the modes back also if cpt dies. What
 * comes out is read from the master, in which nothing waited before.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "state/pty.h"

#define LINE_LONGEST 4096	/* N_TTY_BUF_SIZE in drivers/tty/n_tty.c */
#define ECHO_WAIT_MS 10000

struct pty_line_row {
	int64_t pty;
	struct blob text;
};

static const struct column pty_line_columns[] = {
	INT_COLUMN(struct pty_line_row, pty, 0, INT32_MAX),
	BLOB_COLUMN(struct pty_line_row, text, LINE_LONGEST),
};
const struct table pty_line_table = TABLE("pty_line", struct pty_line_row, pty_line_columns);

/*
 * @as with no special character but the one of @index, which is *@key, and with what that takes. Those of flow
 * control stay, or a master in packet mode would be told of a change (pty_set_termios()); ICANON too, or what was
 * typed would become a line (n_tty_set_termios()).
 */
static struct termios2 modes_for_key(const struct termios2 *as, int index, cc_t *key)
{
	struct termios2 t = *as;

	*key = 0x12;
	while (*key == as->c_cc[VSTART] || *key == as->c_cc[VSTOP])
		(*key)++;
	t.c_iflag &= IXON;
	t.c_oflag &= ~(tcflag_t)OPOST;
	t.c_lflag = ICANON | IEXTEN | ECHO;
	memset(t.c_cc, 0, sizeof(t.c_cc));
	t.c_cc[VSTART] = as->c_cc[VSTART];
	t.c_cc[VSTOP] = as->c_cc[VSTOP];
	t.c_cc[index] = *key;
	return t;
}

/* A task of the container presses a key of the modes @t, and sets back @as. The batch goes on to its end. */
static int press(struct open_file *master, const struct termios2 *t, cc_t key, const struct termios2 *as, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct pollfd p = { .fd = master->fd, .events = POLLIN };
	struct live_process *task = master->process;
	size_t typed, seen;

	batch_call(b, "set the modes of a pty for a moment", SYS_ioctl, ARG(master->fd), ARG(TCSETS2),
		   ARG_AT(batch_data(b, t, sizeof(*t))));
	typed = batch_call(b, "press a key", SYS_write, ARG(master->fd), ARG_AT(batch_data(b, &key, 1)), ARG(1));
	batch_may_fail(b, typed);
	seen = batch_call(b, "see its echo", SYS_poll, ARG_AT(batch_data(b, &p, sizeof(p))), ARG(1), ARG(ECHO_WAIT_MS));
	batch_may_fail(b, seen);
	batch_call(b, "set the modes of a pty back", SYS_ioctl, ARG(master->fd), ARG(TCSETS2),
		   ARG_AT(batch_data(b, as, sizeof(*as))));
	if (remote_run(task->remote, &task->threads[0].tracee, b, e) < 0)
		return e->code;
	if (batch_result(b, typed) != 1 || batch_result(b, seen) != 1)
		return err_set(e, -EIO, "pressing a key gave %ld, waiting for its echo %ld", batch_result(b, typed),
			       batch_result(b, seen));
	return 0;
}

/* All that waits in the master; when the modes were set back, the echo is complete: both take termios_rwsem. */
static int read_echo(struct open_file *master, bool packets, char *buf, size_t size, size_t *ret, struct err *e)
{
	struct pollfd p = { .fd = master->own, .events = POLLIN };

	*ret = 0;
	while (*ret < size && poll(&p, 1, 0) == 1 && (p.revents & POLLIN)) {
		ssize_t n = read(master->own, buf + *ret, size - *ret);

		if (n <= 0)
			return err_sys(e, "read the echo of a pty");
		if (packets)	/* TIOCPKT_DATA in front */
			memmove(buf + *ret, buf + *ret + 1, (size_t)--n);
		*ret += (size_t)n;
	}
	return 0;
}

static int press_and_read(struct open_file *master, bool packets, const struct termios2 *as, int index, cc_t *key,
			  char *buf, size_t size, size_t *ret, struct err *e)
{
	struct termios2 t = modes_for_key(as, index, key);

	return press(master, &t, *key, as, e) ?: read_echo(master, packets, buf, size, ret, e);
}

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

int pty_line_save(struct save *s, const struct pty_row *row, struct open_file *master, struct err *e)
{
	char buf[LINE_LONGEST + 8];
	struct termios2 as;
	const char *line;
	size_t len, echoed;
	cc_t key;
	int r;

	if (!(row->local_modes & ICANON) || (row->local_modes & EXTPROC))
		return 0;
	if ((master->flags & O_ACCMODE) != O_RDWR || (master->flags & O_ASYNC)) {
		refuse(s, master, "a line may be being typed into it, and its master can't be read and written, or tells "
				  "of it by SIGIO");
		return 0;
	}
	if (ioctl(master->own, TCGETS2, &as) < 0)
		return err_sys(e, "read the modes of a pty");
	r = press_and_read(master, row->packets, &as, VREPRINT, &key, buf, sizeof(buf), &echoed, e);
	if (r < 0)
		return r;
	line = line_in_echo(buf, echoed, key, &len);
	if (!line) {	/* after LNEXT (Ctrl-V) the key was taken as typed: away with it */
		refuse(s, master, "the next character typed into it is to be taken literally (Ctrl-V)");
		return press_and_read(master, row->packets, &as, VERASE, &key, buf, sizeof(buf), &echoed, e);
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
