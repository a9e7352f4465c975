// SPDX-License-Identifier: GPL-2.0-only
/*
 * What comes in place of things whose other end was outside: decided and
 * checked before anything is made, opened by outside_open.c.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "state/epoll.h"
#include "state/mount.h"
#include "state/outside.h"
#include "state/process.h"
#include "state/terminal.h"

#define PLAN struct outside_plan

const PLAN *outside_plans(const struct restore *r, size_t *ret_nr)
{
	*ret_nr = r->nr_plans;
	return r->plans;
}

void outside_plans_clear(struct restore *r)
{
	for (size_t i = 0; i < r->nr_plans; i++) {
		free(r->plans[i].users);
		free(r->plans[i].note);
		free(r->plans[i].missing);
	}
	free(take_ptr(r->plans));
	r->nr_plans = 0;
}

const PLAN *outside_plan_of(const struct restore *r, int64_t file)
{
	const struct outside_file_row *row = image_find(r->img, &outside_file_table,
							offsetof(struct outside_file_row, file), file);

	return row ? &r->plans[row->outside] : NULL;
}

bool outside_is_given(const struct restore *r, int64_t file)
{
	const PLAN *p = outside_plan_of(r, file);

	return p && p->how != OUTSIDE_DROP;
}

/* ---- who uses it ------------------------------------------------------- */

static bool is_of(const struct image *img, int64_t file, int64_t outside)
{
	const struct outside_file_row *row = image_find(img, &outside_file_table,
							offsetof(struct outside_file_row, file), file);

	return row && row->outside == outside;
}

char *outside_users(const struct image *img, int64_t outside)
{
	const struct outside_row *row = image_find(img, &outside_table, offsetof(struct outside_row, outside), outside);
	_cleanup_free_ char *files = NULL;

	if (row && strcmp(row->kind, "mount") == 0)
		return mount_outside_text(img, outside);
	files = file_users(img, is_of, outside);
	if (terminal_is_controlling(img, outside))
		return xasprintf("%s%sa controlling terminal", files ?: "", files ? ", " : "");
	return files ? take_ptr(files) : xstrdup("no descriptor");
}

/* Is it but standard input, output or error? Then it is read or written, and no more. */
static bool is_standard(const struct image *img, int64_t outside)
{
	const struct fd_row *fd;

	image_for_each(fd, img, &fd_table)
		if (fd->fd > 2 && is_of(img, fd->file, outside))
			return false;
	return true;
}

static bool is_watched(const struct image *img, int64_t outside)
{
	const struct outside_file_row *f;

	image_for_each(f, img, &outside_file_table)
		if (f->outside == outside && epoll_is_watched(img, f->file))
			return true;
	return false;
}

/* ---- does it fit? ------------------------------------------------------ */

static const char *format_text(mode_t mode, bool tty)
{
	switch (mode & S_IFMT) {
	case S_IFIFO: return "a pipe";
	case S_IFSOCK: return "a socket";
	case S_IFCHR: return tty ? "a terminal" : "a character device";
	case S_IFREG: return "a regular file";
	case S_IFDIR: return "a directory";
	default: return "something else";
	}
}

static const char *kind_text(const struct outside_row *row)
{
	return strcmp(row->kind, "pipe") == 0 ? "a pipe" : strcmp(row->kind, "unix") == 0 ? "a unix socket" : "a terminal";
}

/* Major numbers of terminals, Documentation/admin-guide/devices.txt. */
static bool is_terminal(const struct stat *st)
{
	unsigned int major = st->st_rdev >> 8 & 0xfff;

	return S_ISCHR(st->st_mode) && ((major >= 2 && major <= 5) || (major >= 136 && major <= 143) || major == 204 ||
					major == 229);
}

const char *outside_given_text(const PLAN *p, char buf[static 32])
{
	if (p->how == OUTSIDE_REPLACE)
		return p->path;
	snprintf(buf, 32, "descriptor %d of cpt", p->fd);
	return buf;
}

static int misfit(const PLAN *p, const struct stat *st, const char *why, struct err *e)
{
	char buf[32];

	err_set(e, -EINVAL, "%s can't be %s: that is %s, and it was %s%s", p->row->name, outside_given_text(p, buf),
		format_text(st->st_mode, is_terminal(st)), kind_text(p->row), why);
	return e->code;
}

static int check_format(const struct restore *r, const PLAN *p, const struct stat *st, struct err *e)
{
	const char *kind = p->row->kind;
	bool is_unix = strcmp(kind, "unix") == 0, is_tty = strcmp(kind, "tty") == 0;
	bool like = is_unix ? S_ISSOCK(st->st_mode) : is_tty ? is_terminal(st) : S_ISFIFO(st->st_mode);

	if (like)
		return 0;
	if (S_ISDIR(st->st_mode) || S_ISBLK(st->st_mode) || (S_ISSOCK(st->st_mode) && p->how == OUTSIDE_REPLACE))
		return misfit(p, st, "", e);
	/* Pipes know little else than to be read and written. */
	if (is_tty && terminal_is_controlling(r->img, p->row->outside))
		return misfit(p, st, " that is the controlling one of a session", e);
	if ((is_unix || is_tty) && !is_standard(r->img, p->row->outside))
		return misfit(p, st, ", which is not just standard input or output", e);
	if (S_ISFIFO(st->st_mode) && p->row->access == (OUTSIDE_READS | OUTSIDE_WRITES))
		return misfit(p, st, " that is read and written, of which a pipe does one", e);
	if (S_ISREG(st->st_mode) && is_watched(r->img, p->row->outside))
		return misfit(p, st, " that is watched (epoll), which regular files can't be", e);
	return 0;
}

static int check_inherited(const struct restore *r, const PLAN *p, struct err *e)
{
	int flags = fcntl(p->fd, F_GETFL), mode = flags & O_ACCMODE;
	struct stat st;

	if (flags < 0 || fstat(p->fd, &st) < 0) {
		err_sys(e, "%s: use descriptor %d of cpt", p->row->name, p->fd);
		return err_advise(e, "open it for cpt: `cpt restore --inherit %s=%d ... %d<>FILE`", p->row->name, p->fd, p->fd);
	}
	if (flags & O_PATH)
		return err_set(e, -EINVAL, "%s can't be descriptor %d of cpt: that is open by its path only (O_PATH)",
			       p->row->name, p->fd);
	if ((p->row->access & OUTSIDE_READS && mode == O_WRONLY) || (p->row->access & OUTSIDE_WRITES && mode == O_RDONLY))
		return err_set(e, -EINVAL, "%s can't be descriptor %d of cpt: that is open for %s only, and the container "
			       "%s", p->row->name, p->fd, mode == O_WRONLY ? "writing" : "reading",
			       mode == O_WRONLY ? "reads it" : "writes to it");
	return check_format(r, p, &st, e);
}

static int check_replacement(const struct restore *r, const PLAN *p, struct err *e)
{
	struct stat st = { .st_mode = S_IFSOCK };

	if (*p->path != '@' && stat(p->path, &st) < 0) {
		err_sys(e, "%s: find %s", p->row->name, p->path);
		return err_advise(e, "make it first; cpt makes nothing at that path");
	}
	return check_format(r, p, &st, e);
}

static int address_of(const char *path, struct sockaddr_un *addr, socklen_t *len, struct err *e)
{
	size_t n = strlen(path);

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (n >= sizeof(addr->sun_path))
		return err_set(e, -ENAMETOOLONG, "%s is too long for a socket", path);
	memcpy(addr->sun_path, path, n);
	if (*path == '@')
		addr->sun_path[0] = 0;
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (*path != '@'));
	return 0;
}

int outside_connect(const struct restore *r, int64_t file, int fd, struct err *e)
{
	const PLAN *p = outside_plan_of(r, file);
	struct sockaddr_un addr;
	socklen_t len;
	int ret = address_of(p->path, &addr, &len, e);

	if (ret == 0 && connect(fd, (struct sockaddr *)&addr, len) < 0)
		return err_sys(e, "%s: connect to %s", p->row->name, p->path);
	return ret;
}

bool outside_is_path_of_socket(const struct restore *r, int64_t file)
{
	const PLAN *p = outside_plan_of(r, file);
	struct stat st;

	return p && p->how == OUTSIDE_REPLACE && (*p->path == '@' || (stat(p->path, &st) == 0 && S_ISSOCK(st.st_mode)));
}

int outside_check_socket(const struct restore *r, int64_t file, int type, struct err *e)
{
	const PLAN *p = outside_plan_of(r, file);
	int domain = AF_UNIX, there = type;
	socklen_t len = sizeof(int);
	struct stat st;

	if (outside_is_path_of_socket(r, file))
		return 0;	/* connecting tells */
	if (p->how == OUTSIDE_INHERIT && fstat(p->fd, &st) == 0 && S_ISSOCK(st.st_mode)) {
		if (getsockopt(p->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
		    getsockopt(p->fd, SOL_SOCKET, SO_TYPE, &there, &len) < 0)
			return err_sys(e, "ask what sort of socket descriptor %d of cpt is", p->fd);
		if (domain == AF_UNIX && there == type)
			return 0;
	} else if (type == SOCK_STREAM) {
		return 0;	/* check_format() knows more */
	}
	return err_set(e, -EINVAL, "%s has to be a unix socket of type %s", p->row->name,
		       type == SOCK_STREAM ? "stream" : type == SOCK_DGRAM ? "dgram" : "seqpacket");
}

int outside_check_bytes(const struct restore *r, int64_t file, struct err *e)
{
	const PLAN *p = outside_plan_of(r, file);
	char buf[32];
	struct stat st;
	int waiting = 0;

	if (p->how == OUTSIDE_INHERIT ? fstat(p->fd, &st) < 0 : stat(p->path, &st) < 0)
		return err_sys(e, "find %s", outside_given_text(p, buf));
	if (S_ISFIFO(st.st_mode) && (p->how == OUTSIDE_REPLACE || (ioctl(p->fd, FIONREAD, &waiting) == 0 && !waiting)))
		return 0;
	err_set(e, -EINVAL, "%s: bytes waited in it to be read, which can't be put before what %s %s", p->row->name,
		outside_given_text(p, buf), S_ISFIFO(st.st_mode) ? "has in it already" : "gives");
	return err_advise(e, "give it an empty pipe, or --drop %s", p->row->name);
}

/* ---- deciding ---------------------------------------------------------- */

/* The one that means it most exactly; of several the last. */
static const struct outside_choice *choice_for(const struct restore *r, const struct outside_row *row)
{
	const struct outside_choice *best = NULL;
	int best_match = 1, match;

	for (size_t i = 0; i < r->nr_choices; i++) {
		match = outside_match(r->choices[i].name, row->kind, row->name);
		if (match >= best_match) {
			best_match = match;
			best = &r->choices[i];
		}
	}
	return best;
}

/* Is somebody at a datagram socket's old address? To connect to it does not tell him. */
static bool answers(const char *path)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	socklen_t len;

	return fd >= 0 && address_of(path, &addr, &len, &ERR_INIT) == 0 &&
	       connect(fd, (struct sockaddr *)&addr, len) == 0;
}

static void decide(const struct restore *r, PLAN *p)
{
	const struct outside_choice *c = choice_for(r, p->row);

	if (c) {
		p->how = c->how;
		p->fd = c->fd;
		p->path = c->path;
	} else if (p->row->otherwise && answers(p->row->otherwise)) {
		p->how = OUTSIDE_REPLACE;
		p->path = p->row->otherwise;
	}
}

/* Of what kind files of such a thing are, "" if it has none; NULL: there is no such thing. */
static const char *file_kind_of(const char *kind)
{
	return strcmp(kind, "pipe") == 0 ? "pipe" : strcmp(kind, "unix") == 0 ? "unix_socket" :
	       strcmp(kind, "tty") == 0 ? "terminal" : strcmp(kind, "mount") == 0 ? "" : NULL;
}

static int check_rows(struct restore *r, struct err *e)
{
	const struct outside_file_row *f;
	const struct outside_row *row;
	size_t nr;

	image_for_each(row, r->img, &outside_table)
		if (row->outside != (int64_t)_i || !file_kind_of(row->kind))
			return err_set(e, -EBADMSG, "table outside: row %ld (%s) makes no sense", row->outside, row->name);
	image_rows(r->img, &outside_table, &nr);
	image_for_each(f, r->img, &outside_file_table) {
		const struct file_row *file = image_find(r->img, &file_table, offsetof(struct file_row, file), f->file);
		const char *kind = f->outside < (int64_t)nr
			? ((struct outside_row *)image_rows(r->img, &outside_table, &nr))[f->outside].kind : "";

		if (!file || !*kind || strcmp(file->kind, file_kind_of(kind)) != 0)
			return err_set(e, -EBADMSG, "table outside_file: file %ld can't be of thing %ld", f->file, f->outside);
	}
	return 0;
}

/* A name that means nothing is a slip of the pen; a pattern may. */
static int check_choices(const struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->nr_choices; i++) {
		const char *name = r->choices[i].name;
		bool used = strcmp(name, "all") == 0 || strpbrk(name, "*?[") || !strchr(name, ':');

		for (size_t j = 0; j < r->nr_plans && !used; j++)
			used = outside_match(name, r->plans[j].row->kind, r->plans[j].row->name) != 0;
		if (!used) {
			err_set(e, -EINVAL, "the snapshot has nothing outside that is called %s", name);
			return err_advise(e, "`cpt show` lists what it has");
		}
	}
	return 0;
}

/* Of a mount, mounts_plan() does. */
static int check_given(const struct restore *r, const PLAN *p, struct err *e)
{
	if (strcmp(p->row->kind, "mount") == 0)
		return 0;
	return p->how == OUTSIDE_INHERIT ? check_inherited(r, p, e) :
	       p->how == OUTSIDE_REPLACE ? check_replacement(r, p, e) : 0;
}

static int undecided_error(size_t nr, struct err *e)
{
	err_set(e, -EDESTADDRREQ, "%zu thing%s came from outside of the container, or had the other end there, and nothing "
		"says what comes in %s place", nr, nr == 1 ? "" : "s", nr == 1 ? "its" : "their");
	return err_advise(e, "each is listed with the options for it; --drop all is for all of them");
}

static int missing_error(size_t nr, struct err *e)
{
	err_set(e, -ENOENT, "%zu thing%s that the container needs %s not in what comes in place of its mounts", nr,
		nr == 1 ? "" : "s", nr == 1 ? "is" : "are");
	return err_advise(e, "each is listed; put it there, or let the program close it before the snapshot");
}

static int outside_check(struct restore *r, struct err *e)
{
	const struct outside_row *row;
	size_t nr, undecided = 0, missing;
	int ret = check_rows(r, e);

	if (ret < 0)
		return ret;
	image_rows(r->img, &outside_table, &nr);
	r->plans = xcalloc(nr + 1, sizeof(*r->plans));
	r->nr_plans = nr;
	image_for_each(row, r->img, &outside_table) {
		r->plans[_i] = (PLAN){ .row = row, .users = outside_users(r->img, row->outside), .fd = -1 };
		decide(r, &r->plans[_i]);
		undecided += r->plans[_i].how == OUTSIDE_UNDECIDED;
	}
	ret = check_choices(r, e);
	for (size_t i = 0; ret == 0 && i < nr; i++)
		ret = check_given(r, &r->plans[i], e);
	ret = ret ?: mounts_plan(r, &missing, e);
	if (ret < 0)
		return ret;
	return undecided ? undecided_error(undecided, e) : missing ? missing_error(missing, e) : 0;
}

const struct kind outside_kind = {
	.name = "outside",
	.tables = (const struct table *const[]){ &outside_table, &outside_file_table, NULL },
	.check = outside_check,
};
