// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opening what is given in place of a thing whose other end was outside.
 *
 * Each open file of the container becomes one again, with its own mode and
 * flags: what is inherited is opened anew through /proc/self/fd, so that its
 * giver's flags stay his. Sockets can't be opened anew, and a regular file's
 * position is its giver's: those are shared with him.
 */
#include <errno.h>
#include <string.h>
#include "state/outside.h"

/*
 * A fifo is open for both ways while it is opened for one, so that this waits
 * for nobody (fifo(7)). Without its other end, a container would see the end
 * of it at once.
 */
static int fifo_hold(const char *path, int *ret, struct err *e)
{
	*ret = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open %s", path) : 0;
}

/* 1: somebody has the end of the pipe that @path is which @mode does not open, 0: nobody. */
static int fifo_has_other_end(const char *path, int mode, struct err *e)
{
	_cleanup_fd_ int end = open(path, (mode == O_RDONLY ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC), in = -1, out = -1;
	int ends[2];
	ssize_t n;

	if (end < 0)
		return errno == ENXIO ? 0 : err_sys(e, "open %s", path);
	if (mode == O_WRONLY)
		return 1;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	out = ends[0];
	in = ends[1];
	/* tee(2) takes nothing out. Of an empty pipe: 0 without writers, else EAGAIN. */
	n = tee(end, in, 1, SPLICE_F_NONBLOCK);
	if (n < 0 && errno != EAGAIN)
		return err_sys(e, "look at what waits in %s", path);
	return n != 0;
}

static int fifo_open(const struct outside_plan *p, const char *path, int mode, int *ret, struct err *e)
{
	_cleanup_fd_ int hold = -1;
	int r = mode == O_RDWR || p->how == OUTSIDE_INHERIT ? 1 : fifo_has_other_end(path, mode, e);

	if (r == 0) {
		err_set(e, -ENXIO, "%s: nobody %s %s", p->row->name, mode == O_RDONLY ? "writes to" : "reads", path);
		return err_advise(e, "start who does before the restore, or --drop %s", p->row->name);
	}
	r = r < 0 ? r : fifo_hold(path, &hold, e);
	if (r < 0)
		return r;
	*ret = open(path, mode | O_NONBLOCK | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open %s", path) : 0;
}

static int set_flags(const struct file_row *f, const struct stat *st, int fd, struct err *e)
{
	int settable = O_NONBLOCK | (S_ISFIFO(st->st_mode) ? O_DIRECT : 0);
	int now = fcntl(fd, F_GETFL), then = (now & ~settable) | ((int)f->flags & settable);

	return now < 0 || (now != then && fcntl(fd, F_SETFL, then) < 0) ? err_sys(e, "fcntl(F_SETFL)") : 0;
}

static int open_as(const struct outside_plan *p, const struct file_row *f, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = p->how == OUTSIDE_INHERIT ? xasprintf("/proc/self/fd/%d", p->fd) : xstrdup(p->path);
	int mode = (int)f->flags & O_ACCMODE, ret = 0;
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, "%s: find %s", p->row->name, path);
	if (p->how == OUTSIDE_INHERIT && (S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode))) {
		*ret_fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
		return *ret_fd < 0 ? err_sys(e, "dup") : S_ISSOCK(st.st_mode) ? set_flags(f, &st, *ret_fd, e) : 0;
	}
	if (S_ISFIFO(st.st_mode))
		ret = fifo_open(p, path, mode, ret_fd, e);
	/* Nobody overwrites what another wrote: who wrote to a pipe expects to be behind all others. */
	else if ((*ret_fd = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
				 (S_ISREG(st.st_mode) && mode != O_RDONLY ? O_APPEND : 0))) < 0)
		ret = err_sys(e, "%s: open %s", p->row->name, path);
	return ret ?: set_flags(f, &st, *ret_fd, e);
}

int outside_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	return open_as(outside_plan_of(r, f->file), f, ret_fd, e);
}

int outside_open_whole(struct restore *r, int64_t outside, int *ret_fd, struct err *e)
{
	const struct outside_plan *p = &r->plans[outside];
	const struct file_row both = { .flags = p->row->access == OUTSIDE_WRITES ? O_WRONLY :
					       p->row->access == OUTSIDE_READS ? O_RDONLY : O_RDWR };

	*ret_fd = -1;
	return p->how == OUTSIDE_DROP ? 0 : open_as(p, &both, ret_fd, e);
}
