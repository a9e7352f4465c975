// SPDX-License-Identifier: GPL-2.0-only
/*
 * Epoll instances: tables `epoll` and `epoll_watch`.
 *
 * A watch belongs to an open file and the descriptor number that it was added
 * under. That number may be closed or refer to another file by now, so the
 * file is found by kcmp(2) with KCMP_EPOLL_TFD. At restore a child of cpt's,
 * which may do with its descriptors what it likes, puts every file under the
 * number that its watch was added with.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "state/epoll.h"
#include "state/file_kinds.h"

struct epoll_row {
	int64_t file;
	int64_t watches;	/* how many rows of epoll_watch it has */
};

struct epoll_watch_row {
	int64_t epoll;		/* file number of the epoll instance */
	int64_t watch;		/* from 0 */
	int64_t fd;		/* number it was added under */
	int64_t file;		/* the file watched */
	int64_t events;		/* EPOLL* */
	int64_t data;		/* 64 bits of the program's own */
};

static const struct column epoll_columns[] = {
	INT_COLUMN(struct epoll_row, file, 0, INT32_MAX),
	INT_COLUMN(struct epoll_row, watches, 0, INT32_MAX),
};
static const struct table epoll_table = TABLE("epoll", struct epoll_row, epoll_columns);

static const struct column epoll_watch_columns[] = {
	INT_COLUMN(struct epoll_watch_row, epoll, 0, INT32_MAX),
	INT_COLUMN(struct epoll_watch_row, watch, 0, INT32_MAX),
	INT_COLUMN(struct epoll_watch_row, fd, 0, INT32_MAX - 1),
	INT_COLUMN(struct epoll_watch_row, file, 0, INT32_MAX),
	INT_COLUMN(struct epoll_watch_row, events, 0, UINT32_MAX),
	INT_COLUMN(struct epoll_watch_row, data, INT64_MIN, INT64_MAX),
};
static const struct table epoll_watch_table = TABLE("epoll_watch", struct epoll_watch_row, epoll_watch_columns);

static bool epoll_match(const struct open_file *f)
{
	return strcmp(f->link, "anon_inode:[eventpoll]") == 0;
}

/* ---- saving ----------------------------------------------------------- */

bool epoll_is_watched(const struct image *img, int64_t file)
{
	return image_find(img, &epoll_watch_table, offsetof(struct epoll_watch_row, file), file);
}

bool epoll_parse_watch(const char *line, struct epoll_watch *ret)
{
	unsigned int device;
	uint64_t ino;

	/* ep_show_fdinfo() in fs/eventpoll.c */
	if (sscanf(line, "tfd: %d events: %x data: %lx pos:%*d ino:%lx sdev:%x", &ret->fd, &ret->events, &ret->data,
		   &ino, &device) != 5)
		return false;
	ret->ino = (ino_t)ino;
	ret->dev = makedev(device >> 20, device & 0xfffff);	/* MKDEV() of the kernel has 20 bits for the minor */
	return true;
}

/* The open file that the @nth watch under number @w->fd of @f is for. */
static struct open_file *watched_file(struct save *s, struct open_file *f, const struct epoll_watch *w, uint32_t nth)
{
	struct kcmp_epoll_slot slot = { .tfd = (uint32_t)w->fd, .toff = nth };
	pid_t pid, g_pid;
	int fd;

	pid = open_file_holder(f, &fd);
	slot.efd = (uint32_t)fd;
	for (size_t i = 0; i < s->live->nr_files; i++) {
		struct open_file *g = s->live->files[i];

		if (g->st.st_ino != w->ino || g->st.st_dev != w->dev)
			continue;
		g_pid = open_file_holder(g, &fd);
		if (syscall(SYS_kcmp, g_pid, pid, KCMP_EPOLL_TFD, fd, &slot) == 0)
			return g;
	}
	return NULL;
}

static int watch_save(struct save *s, struct open_file *f, const struct epoll_watch *w, uint32_t nth, int64_t number,
		      struct err *e)
{
	struct open_file *g = watched_file(s, f, w, nth);
	struct epoll_watch_row *row;
	char name[256];

	(void)e;
	if (!g) {
		if (s->frozen)
			save_refuse(s, f->process, open_file_name(f, name), "EPOLL_CTL_DEL before closing descriptors",
				    "it watches a file (added as descriptor %d, inode %ju) that no task of the "
				    "container has open", w->fd, (uintmax_t)w->ino);
		return 0;
	}
	row = image_add(s->img, &epoll_watch_table);
	*row = (struct epoll_watch_row){ f->id, number, w->fd, g->id, w->events, (int64_t)w->data };
	return 0;
}

static int epoll_save(struct save *s, struct open_file *f, struct err *e)
{
	struct epoll_watch *watches = NULL;
	size_t nr = 0, cap = 0;
	int r = 0;

	for (const char *line = strstr(f->fdinfo, "tfd:"); line; line = strchr(line, '\n')) {
		struct epoll_watch w;

		line += *line == '\n';
		if (!*line)
			break;
		if (!epoll_parse_watch(line, &w)) {
			r = err_set(e, -EBADMSG, "fdinfo has the unknown line '%.*s'", (int)strcspn(line, "\n"), line);
			break;
		}
		array_grow(watches, nr, cap);
		watches[nr++] = w;
	}
	for (size_t i = 0; r == 0 && i < nr; i++) {
		uint32_t nth = 0;

		for (size_t j = 0; j < i; j++)
			nth += watches[j].fd == watches[i].fd;
		r = watch_save(s, f, &watches[i], nth, (int64_t)i, e);
	}
	free(watches);
	*(struct epoll_row *)image_add(s->img, &epoll_table) = (struct epoll_row){ f->id, (int64_t)nr };
	return r;
}

/* ---- restoring -------------------------------------------------------- */

static int epoll_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct epoll_row *row = image_find(r->img, &epoll_table, offsetof(struct epoll_row, file), f->file);
	const struct epoll_watch_row *w;
	int64_t nr = 0;
	size_t nr_files;

	image_rows(r->img, &file_table, &nr_files);
	image_for_each(w, r->img, &epoll_watch_table) {
		if (w->epoll != f->file)
			continue;
		nr++;
		if (w->file >= (int64_t)nr_files)
			return err_set(e, -EBADMSG, "watch %ld is for file %ld, which is not in table file", w->watch, w->file);
	}
	return row && row->watches == nr ? 0 : err_set(e, -EBADMSG, "it is not in table epoll, or watches are missing");
}

static int epoll_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	(void)r;
	(void)f;
	*ret_fd = epoll_create1(EPOLL_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "epoll_create1") : 0;
}

/*
 * A one-shot watch that has fired has only this bits left, and EPOLL_CTL_ADD
 * would arm it for errors and hang-ups. So let it fire once more, if the file
 * is ready for anything; if not, those two are what it may still report.
 */
#define DISARMED (EPOLLONESHOT | EPOLLET | EPOLLWAKEUP)

static bool is_disarmed(const struct epoll_watch_row *w)
{
	return (w->events & EPOLLONESHOT) && !(w->events & ~(int64_t)DISARMED);
}

/* In the child: the descriptors are its own. Returns what failed as errno. */
static int watch_add(int epoll, int target, const struct epoll_watch_row *w)
{
	struct epoll_event event = { .events = (uint32_t)w->events, .data.u64 = (uint64_t)w->data }, fired;
	int fd = (int)w->fd;

	if (target != fd && dup3(target, fd, O_CLOEXEC) < 0)
		return errno;
	if (is_disarmed(w))
		event.events |= EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return errno;
	if (is_disarmed(w) && epoll_wait(epoll, &fired, 1, 0) == 0) {
		event.events = (uint32_t)w->events;
		if (epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) < 0)
			return errno;
	}
	return 0;
}

/* Numbers above all that watches were added under, so that no dup3() hits a file that is still needed. */
static int keep_away(int fd, int64_t above)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, (int)above);
}

static int64_t highest_number(const struct restore *r, const struct file_row *f)
{
	const struct epoll_watch_row *w;
	int64_t highest = 0;

	image_for_each(w, r->img, &epoll_watch_table)
		if (w->epoll == f->file)
			highest = max(highest, w->fd);
	return highest;
}

/* Disarmed watches first: only they may be taken out by epoll_wait(). */
static int watches_add(struct restore *r, const struct file_row *f, int epoll, int64_t above, int64_t *failed)
{
	struct rlimit limit = { (rlim_t)above + r->nr_files + 64, (rlim_t)above + r->nr_files + 64 }, old;
	int *fds = xcalloc(r->nr_files, sizeof(*fds));

	*failed = -1;
	if (getrlimit(RLIMIT_NOFILE, &old) < 0 || (old.rlim_cur < limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &limit) < 0))
		return errno;
	epoll = keep_away(epoll, above);
	if (epoll < 0)
		return errno;
	for (size_t i = 0; i < r->nr_files; i++) {
		fds[i] = keep_away(r->file_fds[i], above);
		if (fds[i] < 0)
			return errno;
	}
	for (int disarmed = 1; disarmed >= 0; disarmed--) {
		const struct epoll_watch_row *w;

		image_for_each(w, r->img, &epoll_watch_table) {
			int ret;

			if (w->epoll != f->file || is_disarmed(w) != disarmed)
				continue;
			ret = watch_add(epoll, fds[w->file], w);
			if (ret) {
				*failed = w->watch;
				return ret;
			}
		}
	}
	return 0;
}

static int epoll_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	_cleanup_fd_ int out = -1, in = -1;
	int64_t report[2] = { ECHILD, -1 };
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe2");
	out = ends[0];
	in = ends[1];
	pid = fork();
	if (pid == 0) {
		int64_t above = highest_number(r, f) + 1;

		in = keep_away(in, above);
		report[0] = watches_add(r, f, fd, above, &report[1]);
		_exit(write_all(in, report, sizeof(report)) < 0);
	}
	if (pid < 0)
		return err_sys(e, "fork");
	close_fd(&in);
	(void)!read_all(out, report, sizeof(report));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return report[0] ? err_ret(e, -(int)report[0], "add watch %ld", report[1]) : 0;
}

const struct file_kind epoll_kind = {
	.name = "epoll",
	.tables = (const struct table *const[]){ &epoll_table, &epoll_watch_table, NULL },
	.match = epoll_match,
	.save = epoll_save,
	.check = epoll_check,
	.open = epoll_open,
	.connect = epoll_connect,
};
