// SPDX-License-Identifier: GPL-2.0-only
/*
 * Terminals whose other end is outside, see terminal.h. What is given in place
 * of one gets its modes, for a program that has a terminal in raw mode needs
 * it so; the size of the window is its own. It becomes the controlling terminal
 * of the session that had this one, unless it is another session's by then.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "state/outside.h"
#include "state/terminal.h"

struct terminal_row {
	int64_t outside;	/* key */
	int64_t input_modes, output_modes, local_modes;	/* struct termios2 */
	struct blob control_characters;	/* NULL: no file of it was open, its modes are unknown */
	int64_t rows, columns;	/* of the window */
	int64_t foreground;	/* key of its foreground process group; COLUMN_NULL: none of the container */
};

struct terminal_process_row {
	int64_t process;
	int64_t outside;	/* is its controlling terminal */
};

static const struct column terminal_columns[] = {
	INT_COLUMN(struct terminal_row, outside, 0, INT32_MAX),
	INT_COLUMN(struct terminal_row, input_modes, 0, UINT32_MAX),
	INT_COLUMN(struct terminal_row, output_modes, 0, UINT32_MAX),
	INT_COLUMN(struct terminal_row, local_modes, 0, UINT32_MAX),
	BLOB_COLUMN_OR_NULL(struct terminal_row, control_characters, NCCS),
	INT_COLUMN(struct terminal_row, rows, 0, 65535),
	INT_COLUMN(struct terminal_row, columns, 0, 65535),
	INT_COLUMN_OR_NULL(struct terminal_row, foreground, 1, INT32_MAX),
};
static const struct table terminal_table = TABLE("terminal", struct terminal_row, terminal_columns);

static const struct column terminal_process_columns[] = {
	INT_COLUMN(struct terminal_process_row, process, 1, INT32_MAX),
	INT_COLUMN(struct terminal_process_row, outside, 0, INT32_MAX),
};
static const struct table terminal_process_table = TABLE("terminal_process", struct terminal_process_row,
							 terminal_process_columns);

/* ---- saving ----------------------------------------------------------- */

#define ADVICE "start it without a terminal (`cpt run ... </dev/null >log 2>&1`), or run the terminal " \
	       "(tmux, script) in the container as well"

static bool is_pts(dev_t device)
{
	return major(device) >= 136 && major(device) <= 143;
}

/* Ptys of several devpts have the same device numbers. A file that was opened as /dev/tty tells no more than that. */
static int64_t number_of(const struct save *s, const struct open_file *f, dev_t device)
{
	for (size_t i = 0; (!f || f->st.st_rdev != device) && i < s->live->nr_files; i++) {
		const struct open_file *g = s->live->files[i];

		if (S_ISCHR(g->st.st_mode) && g->st.st_rdev == device)
			f = g;
	}
	return (int64_t)(f && f->st.st_rdev == device && is_pts(device) ? f->st.st_dev : 0) << 32 | (int64_t)device;
}

static char *where_is(const struct open_file *f, dev_t device)
{
	if (f && f->st.st_rdev == device)
		return xstrdup(f->link);
	return is_pts(device) ? xasprintf("/dev/pts/%u", minor(device)) : xasprintf("%u.%u", major(device), minor(device));
}

static struct terminal_row *row_of(const struct image *img, int64_t outside)
{
	return image_find(img, &terminal_table, offsetof(struct terminal_row, outside), outside);
}

/* NULL: it is refused. */
static struct terminal_row *note(struct save *s, const struct live_process *p, const struct open_file *f, dev_t device,
				 const char *reason)
{
	_cleanup_free_ char *where = where_is(f, device);
	const struct outside_thing t = {
		.kind = "tty", .number = number_of(s, f, device), .where = where, .reason = reason, .advice = ADVICE,
		.object = "its controlling terminal", .access = OUTSIDE_READS | OUTSIDE_WRITES,
	};
	struct terminal_row *row;
	int64_t outside;

	if (!outside_save(s, p, f, &t))
		return NULL;
	outside = outside_saved(s, "tty", t.number)->outside;
	row = row_of(s->img, outside);
	if (!row) {
		row = image_add(s->img, &terminal_table);
		*row = (struct terminal_row){ .outside = outside, .foreground = COLUMN_NULL };
	}
	return row;
}

static int modes_save(struct save *s, struct terminal_row *row, int fd, struct err *e)
{
	struct termios2 t;
	struct winsize w;

	if (ioctl(fd, TCGETS2, &t) < 0 || ioctl(fd, TIOCGWINSZ, &w) < 0)
		return err_sys(e, "read the modes of a terminal");
	row->input_modes = t.c_iflag;
	row->output_modes = t.c_oflag;
	row->local_modes = t.c_lflag;
	row->control_characters = image_blob(s->img, t.c_cc, NCCS);
	row->rows = w.ws_row;
	row->columns = w.ws_col;
	return 0;
}

int terminal_save(struct save *s, struct open_file *f, dev_t device, const char *reason, struct err *e)
{
	struct terminal_row *row = note(s, f->process, f, device, reason);

	f->kind = &terminal_file_kind;
	file_row_of(s, f)->kind = image_strdup(s->img, terminal_file_kind.name);
	return row && !row->control_characters.data ? modes_save(s, row, f->own, e) : 0;
}

void terminal_save_process(struct save *s, const struct live_process *p, dev_t device, const char *stat)
{
	_cleanup_free_ char *reason = xasprintf("the terminal (device %u:%u) is outside of the container", major(device),
						minor(device));
	struct terminal_row *row = note(s, p, NULL, device, reason);
	int64_t group;

	if (!row)
		return;
	*(struct terminal_process_row *)image_add(s->img, &terminal_process_table) =
		(struct terminal_process_row){ p->pid, row->outside };
	if (process_stat_field(stat, 8, &group) == 0 && group > 0 && live_find(s->live, (pid_t)group))
		row->foreground = group;
}

/* ---- checking --------------------------------------------------------- */

static const struct process_row *process_of(const struct restore *r, int64_t process)
{
	return image_find(r->img, &process_table, offsetof(struct process_row, process), process);
}

static const struct terminal_process_row *controlled(const struct restore *r, int64_t process)
{
	return image_find(r->img, &terminal_process_table, offsetof(struct terminal_process_row, process), process);
}

bool terminal_is_controlling(const struct image *img, int64_t outside)
{
	return image_find(img, &terminal_process_table, offsetof(struct terminal_process_row, outside), outside);
}

/* The session that it belonged to; NULL: none of the container. */
static const struct process_row *session_of(const struct restore *r, int64_t outside)
{
	const struct terminal_process_row *row;

	image_for_each(row, r->img, &terminal_process_table)
		if (row->outside == outside)
			return process_of(r, process_of(r, row->process)->session);
	return NULL;
}

static int check_processes(struct restore *r, struct err *e)
{
	const struct terminal_process_row *row, *leader;

	image_for_each(row, r->img, &terminal_process_table) {
		const struct process_row *p = process_of(r, row->process), *session = p ? process_of(r, p->session) : NULL;

		leader = session ? controlled(r, session->process) : NULL;
		if (!leader || leader->outside != row->outside || !row_of(r->img, row->outside) ||
		    session_of(r, row->outside) != session)
			return err_set(e, -EBADMSG, "table terminal_process: process %ld can't have terminal %ld", row->process,
				       row->outside);
	}
	return 0;
}

static int terminal_check(struct restore *r, struct err *e)
{
	const struct terminal_row *row;
	int ret = check_processes(r, e);

	if (ret < 0)
		return ret;
	image_for_each(row, r->img, &terminal_table) {
		const struct process_row *group = row->foreground == COLUMN_NULL ? NULL : process_of(r, row->foreground);

		if (row->outside >= (int64_t)r->nr_plans || strcmp(r->plans[row->outside].row->kind, "tty") != 0 ||
		    (row->control_characters.data && row->control_characters.len != NCCS) ||
		    (row->foreground != COLUMN_NULL && (!group || process_of(r, group->session) != session_of(r, row->outside))))
			return err_set(e, -EBADMSG, "table terminal: row %ld makes no sense", row->outside);
	}
	for (size_t i = 0; i < r->nr_plans; i++)
		if (strcmp(r->plans[i].row->kind, "tty") == 0 && !row_of(r->img, (int64_t)i))
			return err_set(e, -EBADMSG, "%s is not in table terminal", r->plans[i].row->name);
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

/* cpt's own descriptor of what is given, until the end; -1: it is dropped. */
static int own(const struct restore *r, int64_t outside)
{
	return restore_keyed(r, "terminal", outside);
}

static int terminal_restore(struct restore *r, struct err *e)
{
	const struct terminal_row *row;

	image_for_each(row, r->img, &terminal_table) {
		int fd, ret = outside_open_whole(r, row->outside, &fd, e);

		if (ret < 0)
			return ret;
		if (fd >= 0)
			restore_set_keyed(r, "terminal", row->outside, fd);
	}
	return 0;
}

int terminal_take(const struct restore *r, int64_t process, struct err *e)
{
	const struct terminal_process_row *row = controlled(r, process);

	if (!row || own(r, row->outside) < 0 || ioctl(own(r, row->outside), TIOCSCTTY, 0) == 0 || errno == EPERM)
		return 0;
	return err_sys(e, "take its controlling terminal");
}

int terminal_drop(const struct restore *r, const struct process_row *p, struct err *e)
{
	const struct terminal_process_row *leaders = controlled(r, p->session);

	if (!leaders || controlled(r, p->process) || own(r, leaders->outside) < 0 ||
	    ioctl(own(r, leaders->outside), TIOCNOTTY) == 0 || errno == ENOTTY)
		return 0;
	return err_sys(e, "drop its controlling terminal");
}

static bool has_terminal(const struct new_process *p)
{
	_cleanup_free_ char *stat = NULL;
	int64_t device = 0;

	return read_file_at(p->proc_fd, "stat", &stat, NULL) == 0 && process_stat_field(stat, 7, &device) == 0 && device;
}

/* By the leader of the session, as in pty.c. */
static int foreground_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct terminal_process_row *row = controlled(r, p->row->process);
	const struct terminal_row *t = row ? row_of(r->img, row->outside) : NULL;
	int32_t group;
	size_t fd;

	if (!t || p->row->session != p->row->process || t->foreground == COLUMN_NULL ||
	    t->foreground == p->row->process || own(r, t->outside) < 0 || !has_terminal(p))
		return 0;
	group = (int32_t)pid_at(r->img, t->foreground, pid_level(r->img, p->row->process));
	if (group < 0)
		return err_set(e, -EBADMSG, "%s: its foreground group %ld has no id where its session is",
			       r->plans[t->outside].row->name, t->foreground);
	fd = batch_call(b, "get the controlling terminal", SYS_pidfd_getfd, ARG(p->cpt_pidfd), ARG(own(r, t->outside)), ARG(0));
	batch_call(b, "set the foreground process group", SYS_ioctl, ARG_OF(fd), ARG(TIOCSPGRP),
		   ARG_AT(batch_data(b, &group, sizeof(group))));
	batch_call(b, "close it", SYS_close, ARG_OF(fd));
	return 0;
}

/* cpt may be in the background of it. */
static int modes_restore(const struct terminal_row *row, int fd, struct err *e)
{
	struct termios2 t;
	sigset_t ttou, before;
	int ret;

	if (ioctl(fd, TCGETS2, &t) < 0)
		return errno == ENOTTY ? 0 : err_sys(e, "read the modes of a terminal");
	t.c_iflag = (tcflag_t)row->input_modes;
	t.c_oflag = (tcflag_t)row->output_modes;
	t.c_lflag = (tcflag_t)row->local_modes;
	memcpy(t.c_cc, row->control_characters.data, NCCS);
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &before);
	ret = ioctl(fd, TCSETS2, &t) < 0 ? err_sys(e, "set the modes of a terminal") : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ret;
}

/* As if its window had got another size: tty_do_resize() in drivers/tty/tty_io.c. */
static void tell_size(struct restore *r, const struct terminal_row *row, int fd)
{
	struct new_process *group = row->foreground == COLUMN_NULL ? NULL : restore_find(r, row->foreground);
	struct winsize w;

	if (group && ioctl(fd, TIOCGWINSZ, &w) == 0 && (w.ws_row != row->rows || w.ws_col != row->columns))
		kill(-getpgid(group->pid), SIGWINCH);
}

static int terminal_finish(struct restore *r, struct err *e)
{
	const struct terminal_row *row;

	image_for_each(row, r->img, &terminal_table) {
		const struct process_row *session = session_of(r, row->outside);
		struct new_process *leader = session ? restore_find(r, session->process) : NULL;
		int fd = own(r, row->outside);

		if (fd < 0)
			continue;
		if (row->control_characters.data && modes_restore(row, fd, e) < 0)
			return e->code;
		if (leader && !has_terminal(leader))
			r->plans[row->outside].note = xasprintf("%s: what is given for it is the controlling terminal of "
				"another session, so it is not that of process %ld (%s): it gets no ^C, and no job control",
				r->plans[row->outside].row->name, leader->row->process, leader->row->comm);
		else if (leader)
			tell_size(r, row, fd);
	}
	return 0;
}

/* Hung up: the slave of a pty whose master is closed. */
static int hung_open(const struct file_row *f, int *ret_fd, struct err *e)
{
	_cleanup_fd_ int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (master < 0 || unlockpt(master) < 0)
		return err_sys(e, "make a pty");
	*ret_fd = ioctl(master, TIOCGPTPEER, ((int)f->flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "open the slave of a pty") : 0;
}

static int terminal_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	return outside_is_given(r, f->file) ? outside_open(r, f, ret_fd, e) : hung_open(f, ret_fd, e);
}

static bool never(const struct open_file *f)
{
	(void)f;
	return false;	/* pty_end.c and device.c find them */
}

static int file_check(struct restore *r, const struct file_row *f, struct err *e)
{
	return outside_plan_of(r, f->file) ? 0 : err_set(e, -EBADMSG, "it is not in table outside_file");
}

const struct kind terminal_kind = {
	.name = "terminal",
	.tables = (const struct table *const[]){ &terminal_table, &terminal_process_table, NULL },
	.check = terminal_check,
	.restore_container = terminal_restore,
	.restore_process = foreground_restore,
	.finish = terminal_finish,
};

const struct file_kind terminal_file_kind = {
	.name = "terminal",
	.match = never,
	.check = file_check,
	.open = terminal_open,
};
