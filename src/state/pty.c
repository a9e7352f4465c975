// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs of pseudo terminals: table `pty`.
 *
 * A pair is made by opening its ptmx with the number asked for through
 * next_id, before any file of it is opened. Bytes that wait to be read can't
 * be copied without taking them out (n_tty_read() knows no peek): of output
 * see pty_look.c, a pair in which input waits is refused.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include "host/next_id.h"
#include "state/namespace.h"
#include "state/path.h"
#include "state/process.h"
#include "state/pty.h"

static const struct column pty_columns[] = {
	INT_COLUMN(struct pty_row, pty, 0, INT32_MAX),
	INT_COLUMN(struct pty_row, number, 0, PTY_HIGHEST),
	TEXT_COLUMN(struct pty_row, ptmx, 4095),
	INT_COLUMN_OR_NULL(struct pty_row, mount_ns, 0, 65535),
	INT_COLUMN_OR_NULL(struct pty_row, master, 0, INT32_MAX),
	INT_COLUMN(struct pty_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, mode, 0, 07777),
	INT_COLUMN(struct pty_row, input_modes, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, output_modes, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, control_modes, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, local_modes, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, input_speed, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, output_speed, 0, UINT32_MAX),
	INT_COLUMN(struct pty_row, line, 0, 255),
	BLOB_COLUMN(struct pty_row, control_characters, NCCS),
	INT_COLUMN(struct pty_row, rows, 0, 65535),
	INT_COLUMN(struct pty_row, columns, 0, 65535),
	INT_COLUMN(struct pty_row, width, 0, 65535),
	INT_COLUMN(struct pty_row, height, 0, 65535),
	INT_COLUMN(struct pty_row, packets, 0, 1),
	INT_COLUMN(struct pty_row, locked, 0, 1),
	INT_COLUMN(struct pty_row, exclusive, 0, 1),
	INT_COLUMN(struct pty_row, master_exclusive, 0, 1),
	INT_COLUMN_OR_NULL(struct pty_row, output, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct pty_row, foreground, 1, INT32_MAX),
};
const struct table pty_table = TABLE("pty", struct pty_row, pty_columns);

/* ---- saving ----------------------------------------------------------- */

static int modes_save(struct save *s, struct pty_row *row, int master, struct err *e)
{
	struct termios2 t;
	struct winsize w;
	int packets, locked, exclusive;

	/* Asked of a master, the first two tell about its slave (tty_mode_ioctl(), tty_ioctl()). */
	if (ioctl(master, TCGETS2, &t) < 0 || ioctl(master, TIOCGWINSZ, &w) < 0 || ioctl(master, TIOCGPKT, &packets) < 0 ||
	    ioctl(master, TIOCGPTLCK, &locked) < 0 || ioctl(master, TIOCGEXCL, &exclusive) < 0)
		return err_sys(e, "read the modes of a pty");
	row->input_modes = t.c_iflag;
	row->output_modes = t.c_oflag;
	row->control_modes = t.c_cflag;
	row->local_modes = t.c_lflag;
	row->input_speed = t.c_ispeed;
	row->output_speed = t.c_ospeed;
	row->line = t.c_line;
	row->control_characters = image_blob(s->img, t.c_cc, NCCS);
	row->rows = w.ws_row;
	row->columns = w.ws_col;
	row->width = w.ws_xpixel;
	row->height = w.ws_ypixel;
	row->packets = packets;
	row->locked = locked;
	row->master_exclusive = exclusive;
	return 0;
}

static void refuse(struct save *s, struct open_file *f, const char *advice, const char *reason)
{
	char name[256];

	save_refuse(s, f->process, open_file_name(f, name), advice, "%s", reason);
}

/* What the kernel tells about but can't be made again, or not yet. */
static int refuse_modes(struct save *s, struct open_file *master, int slave, struct err *e)
{
	struct termios locked, none;
	int ours, theirs;

	memset(&none, 0, sizeof(none));
	if (ioctl(master->own, TIOCGLCKTRMIOS, &locked) < 0 || ioctl(master->own, TIOCGETD, &ours) < 0 ||
	    ioctl(slave, TIOCGETD, &theirs) < 0)
		return err_sys(e, "read the line discipline of a pty");
	if (memcmp(&locked, &none, sizeof(none)) != 0)
		refuse(s, master, "unlock them", "some of its modes are locked (TIOCSLCKTRMIOS)");
	if (ours != N_TTY || theirs != N_TTY)
		refuse(s, master, "take the snapshot while it has the default one (TIOCSETD)",
		       "cpt can't save its line discipline");
	return 0;
}

/*
 * While tasks are stopped, a slave that was closed can be opened without anybody seeing it: when cpt closes
 * it, it is as it was. One that was never opened would not be, unless hung up files keep it open: its master
 * would be told of an end (pty_close()).
 */
static int borrow_slave(struct save *s, struct open_file *master, const struct pty_row *row, bool hung, int *ret,
			struct err *e)
{
	struct pollfd p = { .fd = master->own };

	if (poll(&p, 1, 0) < 0)
		return err_sys(e, "poll a pty");
	if (!(p.revents & POLLHUP) && !hung) {
		refuse(s, master, "run the program on it in the container, or close it",
		       "its other end is open outside of the container, or has never been opened");
		return 0;
	}
	if (row->locked) {
		refuse(s, master, "unlockpt(3), or close it", "its other end is closed, and locked");
		return 0;
	}
	if (!s->frozen)
		return 0;
	*ret = ioctl(master->own, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open the other end of a pty") : 0;
}

static int save_with_slave(struct save *s, struct pty_row *row, struct open_file *master, int slave, struct err *e)
{
	struct stat st;
	int exclusive;

	if (fstat(slave, &st) < 0 || ioctl(slave, TIOCGEXCL, &exclusive) < 0)
		return err_sys(e, "read the state of a pty");
	row->uid = st.st_uid;
	row->gid = st.st_gid;
	row->mode = st.st_mode & 07777;
	row->exclusive = exclusive;
	/* In a running container bytes come and go. */
	return refuse_modes(s, master, slave, e) ?: s->frozen ? pty_look_save(s, row, master, slave, e) : 0;
}

int pty_save(struct save *s, struct pty_row *row, struct open_file *master, struct open_file *slave, bool hung,
	     struct err *e)
{
	_cleanup_fd_ int borrowed = -1;
	int r;

	r = modes_save(s, row, master->own, e);
	if (r < 0)
		return r;
	if (!slave) {
		r = borrow_slave(s, master, row, hung, &borrowed, e);
		if (r < 0 || borrowed < 0)
			return r;
	}
	return save_with_slave(s, row, master, slave ? slave->own : borrowed, e);
}

/* ---- checking --------------------------------------------------------- */

const struct pty_row *pty_row_of(const struct restore *r, int64_t pty)
{
	return image_find(r->img, &pty_table, offsetof(struct pty_row, pty), pty);
}

static int pty_check_row(const struct restore *r, const struct pty_row *row, struct err *e)
{
	const struct pty_end_row *master = NULL;

	if (row->master != COLUMN_NULL)
		master = image_find(r->img, &pty_end_table, offsetof(struct pty_end_row, file), row->master);
	if (row->master != COLUMN_NULL && (!master || master->pty != row->pty || master->type != PTY_MASTER))
		return err_set(e, -EBADMSG, "pty %ld: file %ld is not its master in table pty_end", row->pty, row->master);
	if (!image_find(r->img, &pty_end_table, offsetof(struct pty_end_row, file), row->pty))
		return err_set(e, -EBADMSG, "pty %ld is not named after a file of table pty_end", row->pty);
	if (row->control_characters.len != (row->master == COLUMN_NULL ? 0 : NCCS))
		return err_set(e, -EBADMSG, "pty %ld has %zu control characters", row->pty, row->control_characters.len);
	if (row->foreground != COLUMN_NULL &&
	    !image_find(r->img, &process_table, offsetof(struct process_row, process), row->foreground))
		return err_set(e, -EBADMSG, "pty %ld: its foreground group %ld is not in table process", row->pty,
			       row->foreground);
	return 0;
}

static int pty_check(struct restore *r, struct err *e)
{
	const struct pty_end_row *end;
	const struct pty_row *row;

	image_for_each(end, r->img, &pty_end_table) {
		const struct file_row *f = image_find(r->img, &file_table, offsetof(struct file_row, file), end->file);

		if (!f || strcmp(f->kind, pty_end_kind.name) != 0)
			return err_set(e, -EBADMSG, "table pty_end has file %ld, which is none of that kind", end->file);
	}
	image_for_each(row, r->img, &pty_table) {
		int ret = pty_check_row(r, row, e);

		if (ret < 0)
			return ret;
	}
	return pty_process_check(r, e) ?: pty_line_check(r, e);
}

/* ---- restoring -------------------------------------------------------- */

int pty_own_slave(const struct restore *r, int64_t pty)
{
	return restore_keyed(r, "pty", pty);
}

/* After the end of the tasks that had it, a pty goes away in the background (release_tty()). */
static int open_numbered(const struct pty_row *row, const struct file_row *f, int proc, int *ret, struct err *e)
{
	int r = -EBUSY;

	for (int tries = 0; r == -EBUSY && tries < 100; tries++) {
		*e = ERR_INIT;
		if (tries)
			usleep(10000);
		r = next_id_ask(proc, "PTY", row->number, e);
		if (r == -ENOSYS)	/* then it is the lowest free number or none, as the caller will find */
			*e = ERR_INIT;
		if (r == 0 || r == -ENOSYS)
			r = path_open(f, row->ptmx, S_IFCHR, ret, e);
	}
	if (r == -EBUSY)
		err_advise(e, "end who uses pty %ld of the same devpts, or run the container with a devpts of its own",
			   row->number);
	return r;
}

static int open_master(struct restore *r, const struct pty_row *row, int proc, int *ret, struct err *e)
{
	struct file_row any = { .flags = O_RDWR };
	const struct file_row *f = &any;
	struct stat st;
	int number = -1, fail;

	if (row->master != COLUMN_NULL)
		f = image_find(r->img, &file_table, offsetof(struct file_row, file), row->master);
	/* Opening another device could do anything. */
	if (stat(row->ptmx, &st) < 0)
		return err_sys(e, "find %s", row->ptmx);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return err_set(e, -EINVAL, "%s is no ptmx", row->ptmx);
	fail = open_numbered(row, f, proc, ret, e);
	if (fail < 0)
		return fail;
	if (ioctl(*ret, TIOCGPTN, &number) < 0 || number != row->number)
		return err_set(e, -EPROTO, "the kernel made pty %d instead of %ld (`cpt doctor` tells about next_id)",
			       number, row->number);
	number = 0;
	return ioctl(*ret, TIOCSPTLCK, &number) < 0 ? err_sys(e, "unlock pty %ld", row->number) : 0;
}

static int open_slave(int master, int64_t flags, int *ret, struct err *e)
{
	/* Whoever opens a terminal without O_NOCTTY gets it as the controlling one. */
	*ret = ioctl(master, TIOCGPTPEER, ((int)flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open the slave of a pty") : 0;
}

/* Files that were hung up are opened and hung up before any other is there. */
static int make_hung(struct restore *r, const struct pty_row *row, int *master, struct err *e)
{
	const struct pty_end_row *end;
	int fd = -1;

	image_for_each(end, r->img, &pty_end_table) {
		const struct file_row *f = image_find(r->img, &file_table, offsetof(struct file_row, file), end->file);
		int ret;

		if (end->pty != row->pty || !end->hung)
			continue;
		ret = open_slave(*master, f->flags, &fd, e);
		if (ret < 0)
			return ret;
		restore_set_keyed(r, "pty_end", end->file, fd);
	}
	if (row->master == COLUMN_NULL)
		close_fd(master);
	else if (fd >= 0 && ioctl(fd, TIOCVHANGUP) < 0)
		return err_sys(e, "hang up pty %ld", row->number);
	return 0;
}

static int set_modes(const struct pty_row *row, int slave, struct err *e)
{
	struct termios2 t = {
		.c_iflag = (tcflag_t)row->input_modes, .c_oflag = (tcflag_t)row->output_modes,
		.c_cflag = (tcflag_t)row->control_modes, .c_lflag = (tcflag_t)row->local_modes,
		.c_line = (cc_t)row->line, .c_ispeed = (speed_t)row->input_speed, .c_ospeed = (speed_t)row->output_speed,
	};
	struct winsize w = {
		(unsigned short)row->rows, (unsigned short)row->columns, (unsigned short)row->width,
		(unsigned short)row->height,
	};

	memcpy(t.c_cc, row->control_characters.data, NCCS);
	if (fchown(slave, (uid_t)row->uid, (gid_t)row->gid) < 0 || fchmod(slave, (mode_t)row->mode) < 0)
		return err_sys(e, "give pty %ld to user %ld", row->number, row->uid);
	if (ioctl(slave, TCSETS2, &t) < 0 || ioctl(slave, TIOCSWINSZ, &w) < 0)
		return err_sys(e, "set the modes of pty %ld", row->number);
	return 0;
}

static int pty_make(struct restore *r, const struct pty_row *row, int proc, struct err *e)
{
	_cleanup_fd_ int master = -1;
	int slave = -1, ret;

	ret = open_master(r, row, proc, &master, e) ?: make_hung(r, row, &master, e);
	if (ret < 0 || master < 0)
		return ret;
	ret = open_slave(master, O_RDWR, &slave, e);
	if (ret < 0)
		return ret;
	restore_set_keyed(r, "pty", row->pty, slave);
	restore_set_keyed(r, "pty_end", row->master, take_fd(&master));
	return pty_look_restore(r, row, slave, e) ?:
	       pty_line_restore(r, row->pty, restore_keyed(r, "pty_end", row->master), slave, e) ?:
	       set_modes(row, slave, e);
}

static int pty_restore(struct restore *r, struct err *e)
{
	_cleanup_fd_ int proc = open("/proc", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	const struct pty_row *row;

	if (proc < 0)
		return err_sys(e, "open /proc");
	image_for_each(row, r->img, &pty_table) {
		int back, left, ret = namespace_enter(r, row->mount_ns, "mnt", &back, e);

		if (ret < 0)
			return ret;
		ret = pty_make(r, row, proc, e);
		left = namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e);
		if (ret < 0 || left < 0)
			return err_in(e, "pty %ld", row->number);
	}
	return 0;
}

int pty_complete(struct restore *r, const struct pty_row *row, int master, struct err *e)
{
	int slave = pty_own_slave(r, row->pty), packets = (int)row->packets, locked = (int)row->locked;

	if (ioctl(master, TIOCPKT, &packets) < 0 || ioctl(master, TIOCSPTLCK, &locked) < 0 ||
	    (row->exclusive && ioctl(slave, TIOCEXCL) < 0) || (row->master_exclusive && ioctl(master, TIOCEXCL) < 0))
		return err_sys(e, "set the modes of pty %ld", row->number);
	return 0;
}

/* By the leader of the session: only members may, and all groups are there since their leaders were born. */
static int foreground_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct pty_row *row;

	image_for_each(row, r->img, &pty_table) {
		const struct process_row *leader;
		int64_t group;
		int32_t in_ns;
		size_t fd;

		if (row->foreground == COLUMN_NULL)
			continue;
		leader = image_find(r->img, &process_table, offsetof(struct process_row, process), row->foreground);
		if (leader->session != p->row->process || row->foreground == p->row->process)
			continue;
		group = pid_at(r->img, row->foreground, pid_level(r->img, p->row->process));
		if (group < 0)
			return err_set(e, -EBADMSG, "pty %ld: its foreground group %ld has no id where its session is",
				       row->number, row->foreground);
		in_ns = (int32_t)group;
		fd = batch_call(b, "get the controlling terminal", SYS_pidfd_getfd, ARG(p->cpt_pidfd),
				ARG(pty_own_slave(r, row->pty)), ARG(0));
		batch_call(b, "set the foreground process group", SYS_ioctl, ARG_OF(fd), ARG(TIOCSPGRP),
			   ARG_AT(batch_data(b, &in_ns, sizeof(in_ns))));
		batch_call(b, "close it", SYS_close, ARG_OF(fd));
	}
	return 0;
}

const struct kind pty_kind = {
	.name = "pty",
	.tables = (const struct table *const[]){ &pty_table, &pty_process_table, &pty_line_table, NULL },
	.check = pty_check,
	.restore_container = pty_restore,
	.restore_process = foreground_restore,
};
