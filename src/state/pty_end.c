// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files of pseudo terminals: table `pty_end`. Which pair each belongs to
 * is found when all are known. Pairs are made in pty.c, before any file.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include "state/path.h"
#include "state/pty.h"
#include "state/terminal.h"

static const struct column pty_end_columns[] = {
	INT_COLUMN(struct pty_end_row, file, 0, INT32_MAX),
	INT_COLUMN(struct pty_end_row, pty, 0, INT32_MAX),
	INT_COLUMN(struct pty_end_row, type, PTY_MASTER, PTY_CURRENT),
	INT_COLUMN(struct pty_end_row, hung, 0, 1),
	TEXT_COLUMN_OR_NULL(struct pty_end_row, path, 4095),
};
const struct table pty_end_table = TABLE("pty_end", struct pty_end_row, pty_end_columns);

#define DEV_TTY makedev(5, 0)	/* Documentation/admin-guide/devices.txt */
#define DEV_PTMX makedev(5, 2)

static bool is_slave(dev_t dev)
{
	return major(dev) >= 136 && major(dev) <= 143;
}

static bool pty_end_match(const struct open_file *f)
{
	return S_ISCHR(f->st.st_mode) &&
	       (is_slave(f->st.st_rdev) || f->st.st_rdev == DEV_TTY || f->st.st_rdev == DEV_PTMX);
}

static enum pty_end_type type_of(const struct open_file *f)
{
	return f->st.st_rdev == DEV_PTMX ? PTY_MASTER : f->st.st_rdev == DEV_TTY ? PTY_CURRENT : PTY_SLAVE;
}

/* ---- saving ----------------------------------------------------------- */

static void refuse(struct save *s, struct open_file *f, const char *reason)
{
	char name[256];

	save_refuse(s, f->process, open_file_name(f, name),
		    "start it without a terminal (`cpt run ... </dev/null >log 2>&1`), or run the terminal "
		    "(tmux, script) in the container as well", "%s", reason);
}

/* What has been hung up answers no ioctl any more (hung_up_tty_ioctl() in drivers/tty/tty_io.c). */
static bool is_hung(const struct open_file *f)
{
	unsigned int dev;

	return ioctl(f->own, TIOCGDEV, &dev) < 0 && errno == EIO;
}

static struct pty_end_row *end_row_of(struct save *s, const struct open_file *f)
{
	return image_find(s->img, &pty_end_table, offsetof(struct pty_end_row, file), f->id);
}

/* Where a pair is found: the super block of its devpts, and its number there. */
struct pty_id {
	dev_t devpts;
	int64_t number;
};

/* The devpts that a ptmx outside of one leads to is at "pts" beside it (devpts_ptmx_path() in fs/devpts/inode.c). */
static bool devpts_beside(int root, const char *ptmx, dev_t *ret)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	_cleanup_free_ char *path = xasprintf("%.*s/pts", (int)(strrchr(ptmx, '/') - ptmx), ptmx);
	_cleanup_fd_ int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	struct statfs fs;
	struct stat st;

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC || fstat(fd, &st) < 0)
		return false;
	*ret = st.st_dev;
	return true;
}

static int master_devpts(struct open_file *f, dev_t *ret, struct err *e)
{
	_cleanup_fd_ int root = openat(f->process->proc_fd, "root", O_PATH | O_CLOEXEC);
	struct statfs fs;

	*ret = f->st.st_dev;
	if (fstatfs(f->own, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC)
		return 0;
	/* What came with the container's first task may be outside of its mounts, see path_save(). */
	if (root >= 0 && !path_leads_to(root, f->link, &f->st)) {
		close_fd(&root);
		root = open("/", O_PATH | O_CLOEXEC);
	}
	if (root < 0)
		return err_sys(e, "open the root directory of task %d", f->process->pid);
	return devpts_beside(root, f->link, ret) ? 0 : err_set(e, -ENOENT, "there is no devpts beside %s", f->link);
}

/* Which pair is it of? Of a file that was opened as /dev/tty the number alone is known. */
static int end_identify(struct open_file *f, struct pty_id *ret, struct err *e)
{
	unsigned int number, dev;

	if (type_of(f) == PTY_SLAVE) {
		*ret = (struct pty_id){ f->st.st_dev, minor(f->st.st_rdev) };
		return 0;
	}
	*ret = (struct pty_id){ 0, -1 };
	if (type_of(f) == PTY_MASTER) {
		if (ioctl(f->own, TIOCGPTN, &number) < 0)
			return err_sys(e, "ioctl(TIOCGPTN)");
		ret->number = number;
		return master_devpts(f, &ret->devpts, e);
	}
	if (ioctl(f->own, TIOCGDEV, &dev) < 0)
		return err_sys(e, "ioctl(TIOCGDEV)");
	if (is_slave(dev))	/* of the same form as dev_t of the C library, as far as ptys go */
		ret->number = minor(dev);
	return 0;
}

/* Has any process of the container the master of the pair that @f is an end of? */
static int master_is_inside(struct save *s, struct open_file *f, bool *ret, struct err *e)
{
	struct pty_id id, of;
	int r = end_identify(f, &id, e);

	*ret = false;
	for (size_t i = 0; r == 0 && !*ret && i < s->live->nr_files; i++) {
		struct open_file *g = s->live->files[i];

		if (!pty_end_match(g) || type_of(g) != PTY_MASTER || g->flags & O_PATH)
			continue;
		r = min(open_file_get(g, e), 0) ?: end_identify(g, &of, e);
		*ret = r == 0 && of.number == id.number && (!id.devpts || of.devpts == id.devpts);
	}
	return r;
}

static int outside_device(const struct open_file *f, dev_t *ret, struct err *e)
{
	unsigned int dev;

	*ret = f->st.st_rdev;
	if (type_of(f) != PTY_CURRENT)
		return 0;
	if (ioctl(f->own, TIOCGDEV, &dev) < 0)
		return err_sys(e, "ioctl(TIOCGDEV)");
	*ret = (dev_t)dev;
	return 0;
}

static int pty_end_save(struct save *s, struct open_file *f, struct err *e)
{
	struct pty_end_row row = { .file = f->id, .type = type_of(f), .hung = is_hung(f) };
	bool inside = true;
	dev_t device;
	int r;

	if (row.type != PTY_MASTER && !row.hung && (master_is_inside(s, f, &inside, e) < 0 || outside_device(f, &device, e) < 0))
		return e->code;
	if (!inside)
		return terminal_save(s, f, device, "it is a terminal whose other end is outside of the container", e);
	if (!row.hung) {
		r = path_save(s, f, &row.path, e);
		if (r <= 0)
			return r;
	} else if (row.type == PTY_CURRENT) {
		refuse(s, f, "it was opened as /dev/tty and hung up since, so cpt can't tell which terminal it was");
		return 0;
	}
	*(struct pty_end_row *)image_add(s->img, &pty_end_table) = row;
	return 0;
}

struct pair {
	struct pty_id id;
	struct open_file *first, *master, *slave;	/* NULL: it has no such end, or none that is not hung up */
	bool hung;
};

struct pairs {
	struct pair *list;
	size_t nr, cap;
};

static struct pair *pair_find(struct pairs *p, const struct pty_id *id)
{
	struct pair *found = NULL;

	for (size_t i = 0; i < p->nr; i++) {
		struct pair *q = &p->list[i];

		if (q->id.number != id->number || (id->devpts && q->id.devpts != id->devpts))
			continue;
		if (found)
			return NULL;
		found = q;
	}
	return found;
}

static void pairs_add(struct pairs *p, const struct pty_id *id, struct open_file *f, const struct pty_end_row *row)
{
	struct pair *q = pair_find(p, id);

	if (!q) {
		array_grow(p->list, p->nr, p->cap);
		q = &p->list[p->nr++];
		*q = (struct pair){ .id = *id, .first = f };
	}
	if (row->type == PTY_MASTER)
		q->master = f;
	else if (row->hung)
		q->hung = true;
	else if (!q->slave)
		q->slave = f;
}

/* A pair of which only hung up slaves are left is made again by the ptmx of their devpts. */
static int ptmx_of_hung(struct save *s, struct open_file *f, struct pty_row *row, struct err *e)
{
	const char *slash = strrchr(f->link, '/');
	struct open_file ptmx = *f;
	int r;

	ptmx.link = xasprintf("%.*s/ptmx", (int)(slash ? slash - f->link : 0), f->link);
	ptmx.st.st_ino = 2;	/* mknod_ptmx() in fs/devpts/inode.c */
	ptmx.st.st_nlink = 1;
	r = path_save(s, &ptmx, &row->ptmx, e);
	free(ptmx.link);
	return r;
}

static int pair_save(struct save *s, struct pair *p, struct err *e)
{
	struct pty_row row = {
		.pty = p->first->id, .number = p->id.number, .mount_ns = COLUMN_NULL, .master = COLUMN_NULL,
		.output = COLUMN_NULL, .foreground = COLUMN_NULL,
	};
	int r;

	if (!p->master && p->slave) {
		refuse(s, p->slave, "it is a terminal whose other end is outside of the container");
		return 0;
	}
	if (p->master) {
		row.master = p->master->id;
		row.ptmx = end_row_of(s, p->master)->path;
		row.mount_ns = file_row_of(s, p->master)->mount_ns;
		r = pty_save(s, &row, p->master, p->slave, p->hung, e);
	} else {
		r = ptmx_of_hung(s, p->first, &row, e);
		if (r > 0)
			row.mount_ns = file_row_of(s, p->first)->mount_ns;
	}
	if (r >= 0)
		*(struct pty_row *)image_add(s->img, &pty_table) = row;
	return r;
}

/* Every file whose row was made, with its row and what it is an end of: first those that tell their pair exactly. */
static int pairs_collect(struct save *s, struct pairs *p, struct err *e)
{
	for (int exact = 1; exact >= 0; exact--)
		for (size_t i = 0; i < s->live->nr_files; i++) {
			struct open_file *f = s->live->files[i];
			struct pty_end_row *row = f->kind == &pty_end_kind ? end_row_of(s, f) : NULL;
			struct pty_id id;
			struct pair *known;
			int r;

			if (!row || (row->type != PTY_CURRENT) != exact)
				continue;
			r = end_identify(f, &id, e);
			if (r < 0)
				return r;
			known = exact ? NULL : pair_find(p, &id);
			if (!exact && (!known || !known->master)) {
				refuse(s, f, "it was opened as /dev/tty, and is no terminal of the container or not "
				       "the only one with its number");
				continue;
			}
			pairs_add(p, &id, f, row);
		}
	return 0;
}

static void pairs_number(struct save *s, struct pairs *p)
{
	for (size_t i = 0; i < s->live->nr_files; i++) {
		struct open_file *f = s->live->files[i];
		struct pty_end_row *row = f->kind == &pty_end_kind ? end_row_of(s, f) : NULL;
		struct pty_id id;
		struct pair *q;

		if (!row || end_identify(f, &id, &ERR_INIT) < 0)
			continue;
		q = pair_find(p, &id);
		row->pty = q ? q->first->id : row->file;
		if (row->type == PTY_MASTER)
			row->path = NULL;	/* is pty.ptmx */
	}
}

static int pty_end_save_finish(struct save *s, struct err *e)
{
	struct pairs p = { 0 };
	int r = pairs_collect(s, &p, e);

	for (size_t i = 0; r >= 0 && i < p.nr; i++)
		r = pair_save(s, &p.list[i], e);
	if (r >= 0)
		pairs_number(s, &p);
	free(p.list);
	return r < 0 ? r : pty_process_save(s, e);
}

/* ---- restoring -------------------------------------------------------- */

static const struct pty_end_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &pty_end_table, offsetof(struct pty_end_row, file), f->file);
}

static int pty_end_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct pty_end_row *row = row_of(r, f);
	const struct pty_row *pty = row ? pty_row_of(r, row->pty) : NULL;

	if (!pty)
		return err_set(e, -EBADMSG, "it is not in tables pty_end and pty");
	if (row->type == PTY_MASTER ? pty->master != f->file || row->hung || row->path :
				      row->hung ? row->path != NULL : !row->path)
		return err_set(e, -EBADMSG, "its row in table pty_end contradicts itself or table pty");
	if (pty->master == COLUMN_NULL && !row->hung)
		return err_set(e, -EBADMSG, "the master of pty %ld is closed, but it is not hung up", pty->number);
	return 0;
}

/* Whoever opens /dev/tty gets its own controlling terminal: done by a child that has the terminal for a moment. */
static int open_current(int slave, const struct file_row *f, int *ret, struct err *e)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	int status = 0;
	long pid;

	*ret = open("/dev/null", O_RDONLY | O_CLOEXEC);	/* the child puts it here, in the table of both */
	if (*ret < 0)
		return err_sys(e, "open /dev/null");
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		int fd = setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0 ? -1 :
			 open("/dev/tty", ((int)f->flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC);

		_exit(fd < 0 || dup3(fd, *ret, O_CLOEXEC) < 0 || close(fd) < 0 ? errno : 0);
	}
	if (pid < 0)
		return err_sys(e, "fork");
	if (waitpid((pid_t)pid, &status, 0) < 0)
		return err_sys(e, "waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_ret(e, WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD, "open /dev/tty");
	return 0;
}

static int open_by_path(const struct pty_end_row *row, const struct pty_row *pty, const struct file_row *f, int *ret,
			struct err *e)
{
	struct stat st;

	if (stat(row->path, &st) < 0)
		return err_sys(e, "find %s", row->path);
	/* Opening another device could do anything. */
	if (!S_ISCHR(st.st_mode) || !is_slave(st.st_rdev) || minor(st.st_rdev) != pty->number)
		return err_set(e, -EINVAL, "%s is not the slave of pty %ld", row->path, pty->number);
	return path_open(f, row->path, S_IFCHR, ret, e);
}

static int pty_end_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct pty_end_row *row = row_of(r, f);
	const struct pty_row *pty = pty_row_of(r, row->pty);

	if (row->type == PTY_MASTER || row->hung) {
		*ret_fd = fcntl(restore_keyed(r, "pty_end", f->file), F_DUPFD_CLOEXEC, 0);
		return *ret_fd < 0 ? err_sys(e, "an end of pty %ld was not made", pty->number) : 0;
	}
	if (row->type == PTY_CURRENT)
		return open_current(pty_own_slave(r, row->pty), f, ret_fd, e);
	return open_by_path(row, pty, f, ret_fd, e);
}

static int pty_end_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const struct pty_end_row *row = row_of(r, f);

	return row->type == PTY_MASTER ? pty_complete(r, pty_row_of(r, row->pty), fd, e) : 0;
}

const struct file_kind pty_end_kind = {
	.name = "pty_end",
	.tables = (const struct table *const[]){ &pty_end_table, NULL },
	.match = pty_end_match,
	.save = pty_end_save,
	.save_finish = pty_end_save_finish,
	.check = pty_end_check,
	.open = pty_end_open,
	.connect = pty_end_connect,
};
