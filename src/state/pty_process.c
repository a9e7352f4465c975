// SPDX-License-Identifier: GPL-2.0-only
/*
 * Controlling terminals: table `pty_process`. A session leader takes one
 * (TIOCSCTTY), its children inherit it, and any process can drop its own
 * (TIOCNOTTY). There is no other way to get one, so all of this is done again
 * while processes are born (process_tree.c).
 */
#include <asm/termbits.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include "state/process.h"
#include "state/pty.h"
#include "state/terminal.h"

struct pty_process_row {
	int64_t process;
	int64_t pty;
};

static const struct column pty_process_columns[] = {
	INT_COLUMN(struct pty_process_row, process, 1, INT32_MAX),
	INT_COLUMN(struct pty_process_row, pty, 0, INT32_MAX),
};
const struct table pty_process_table = TABLE("pty_process", struct pty_process_row, pty_process_columns);

/* ---- saving ----------------------------------------------------------- */

/* The session that a process is in and the device number of its controlling terminal (0: none), from its stat. */
static int process_terminal(const struct live_process *p, char **ret_stat, int64_t *ret_session, dev_t *ret_terminal,
			    struct err *e)
{
	const char *field;
	int r = read_file_at(p->proc_fd, "stat", ret_stat, NULL);
	int dev;

	if (r < 0)
		return err_ret(e, r, "read /proc/%d/stat", p->pid);
	field = strrchr(*ret_stat, ')');
	if (!field || sscanf(field, ") %*c %*d %*d %ld %d", ret_session, &dev) != 2)
		return err_set(e, -EBADMSG, "/proc/%d/stat is not as proc(5) says", p->pid);
	*ret_terminal = (dev_t)(unsigned int)dev;	/* new_encode_dev() gives what dev_t begins with */
	return 0;
}

/* A pair with the session that has it. */
struct controlled {
	struct pty_row *row;
	pid_t session;
};

static int controlled_read(struct save *s, struct controlled *c, struct err *e)
{
	struct open_file *master = s->live->files[c->row->master];
	pid_t group;
	char name[256];

	/* A master may be asked by anybody (tiocgsid(), tiocgpgrp()). */
	if (ioctl(master->own, TIOCGSID, &c->session) < 0)
		return errno == ENOTTY ? 0 : err_sys(e, "ioctl(TIOCGSID)");
	if (ioctl(master->own, TIOCGPGRP, &group) < 0)
		return err_sys(e, "ioctl(TIOCGPGRP)");
	c->row->foreground = group;
	open_file_name(master, name);
	if (!live_find(s->live, c->session))
		save_refuse(s, master->process, name, "close it, or run that session in the container",
			    "it is the controlling terminal of session %d, whose leader is outside of the container",
			    c->session);
	else if (!live_find(s->live, group))
		save_refuse(s, master->process, name, "take the snapshot again",
			    "its foreground process group %d has no leader in the container", group);
	return 0;
}

static int process_save(struct save *s, const struct live_process *p, const struct controlled *c, size_t nr,
			struct err *e)
{
	_cleanup_free_ char *stat = NULL;
	int64_t session;
	dev_t terminal;
	int r = process_terminal(p, &stat, &session, &terminal, e);

	if (r < 0)
		return s->frozen ? r : 0;
	if (!terminal)
		return 0;
	for (size_t i = 0; i < nr; i++)
		if (c[i].session == session && minor(terminal) == c[i].row->number) {
			*(struct pty_process_row *)image_add(s->img, &pty_process_table) =
				(struct pty_process_row){ p->pid, c[i].row->pty };
			return 0;
		}
	terminal_save_process(s, p, terminal, stat);
	return 0;
}

int pty_process_save(struct save *s, struct err *e)
{
	_cleanup_free_ struct controlled *c = NULL;
	size_t nr = 0, cap = 0;
	struct pty_row *row;
	int r = 0;

	image_for_each(row, s->img, &pty_table) {
		if (row->master == COLUMN_NULL)
			continue;
		array_grow(c, nr, cap);
		c[nr++] = (struct controlled){ .row = row };
		r = controlled_read(s, &c[nr - 1], e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; r == 0 && i < s->live->nr_processes; i++)
		if (!s->live->processes[i].zombie)
			r = process_save(s, &s->live->processes[i], c, nr, e);
	return r;
}

/* ---- checking --------------------------------------------------------- */

static const struct pty_process_row *row_of(const struct restore *r, int64_t process)
{
	return image_find(r->img, &pty_process_table, offsetof(struct pty_process_row, process), process);
}

static const struct process_row *process_of(const struct restore *r, int64_t process)
{
	return image_find(r->img, &process_table, offsetof(struct process_row, process), process);
}

int pty_process_check(const struct restore *r, struct err *e)
{
	const struct pty_process_row *row, *other;
	const struct pty_row *pty;

	image_for_each(row, r->img, &pty_process_table) {
		const struct process_row *p = process_of(r, row->process);

		pty = pty_row_of(r, row->pty);
		if (!p || !pty || pty->master == COLUMN_NULL || pty->foreground == COLUMN_NULL)
			return err_set(e, -EBADMSG, "process %ld can't have pty %ld as its controlling terminal",
				       row->process, row->pty);
		other = row_of(r, p->session);
		if (!other || other->pty != row->pty)
			return err_set(e, -EBADMSG, "process %ld has another controlling terminal than the leader of "
				       "its session", row->process);
		if (process_of(r, pty->foreground)->session != p->session)
			return err_set(e, -EBADMSG, "pty %ld: its foreground group is not of session %ld", row->pty,
				       p->session);
	}
	image_for_each(pty, r->img, &pty_table)
		if (pty->foreground != COLUMN_NULL &&
		    !image_find(r->img, &pty_process_table, offsetof(struct pty_process_row, pty), pty->pty))
			return err_set(e, -EBADMSG, "pty %ld has a foreground group, but no session", pty->pty);
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

int pty_process_take(const struct restore *r, int64_t process, struct err *e)
{
	const struct pty_process_row *row = row_of(r, process);

	if (row && ioctl(pty_own_slave(r, row->pty), TIOCSCTTY, 0) < 0)
		return err_sys(e, "take its controlling terminal");
	return 0;
}

int pty_process_drop(const struct restore *r, const struct process_row *p, struct err *e)
{
	const struct pty_process_row *leaders = row_of(r, p->session);

	if (!leaders || row_of(r, p->process) || ioctl(pty_own_slave(r, leaders->pty), TIOCNOTTY) == 0 || errno == ENOTTY)
		return 0;
	return err_sys(e, "drop its controlling terminal");
}
