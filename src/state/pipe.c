// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pipes and fifos: tables `pipe` (one row an open file) and `pipe_queue` (one
 * a pipe, however many files are its ends).
 *
 * Bytes that wait are read without taking them out, by tee(2) into a pipe of
 * cpt's own. At restore the pipe is made once, with both ends in cpt, and every
 * file is opened anew through /proc/self/fd, which gives each its own open
 * file description and mode. The two ends of cpt are closed with the restore,
 * so an end that nobody had is gone again when the tasks run.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include "state/bytes.h"
#include "state/file_kinds.h"
#include "state/outside.h"
#include "state/path.h"

struct pipe_row {
	int64_t file;
	int64_t queue;
};

struct pipe_queue_row {
	int64_t queue;		/* the first file that is an end of it */
	char *path;		/* of a fifo; NULL: an anonymous pipe */
	int64_t size;		/* bytes, F_GETPIPE_SZ */
	int64_t packets;	/* 1: waits as packets (O_DIRECT), each a part of its own */
	int64_t uid, gid, mode;	/* whom /proc/<pid>/fd lets open it anew */
	int64_t bytes;		/* what waits in it; COLUMN_NULL: nothing */
};

static const struct column pipe_columns[] = {
	INT_COLUMN(struct pipe_row, file, 0, INT32_MAX),
	INT_COLUMN(struct pipe_row, queue, 0, INT32_MAX),
};
static const struct table pipe_table = TABLE("pipe", struct pipe_row, pipe_columns);

static const struct column pipe_queue_columns[] = {
	INT_COLUMN(struct pipe_queue_row, queue, 0, INT32_MAX),
	TEXT_COLUMN_OR_NULL(struct pipe_queue_row, path, 4095),
	INT_COLUMN(struct pipe_queue_row, size, 4096, 1L << 31),
	INT_COLUMN(struct pipe_queue_row, packets, 0, 1),
	INT_COLUMN(struct pipe_queue_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct pipe_queue_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct pipe_queue_row, mode, 0, 07777),
	INT_COLUMN_OR_NULL(struct pipe_queue_row, bytes, 0, INT32_MAX),
};
static const struct table pipe_queue_table = TABLE("pipe_queue", struct pipe_queue_row, pipe_queue_columns);

static bool pipe_match(const struct open_file *f)
{
	return S_ISFIFO(f->st.st_mode);
}

/* ---- saving ----------------------------------------------------------- */

static bool same_pipe(const struct open_file *a, const struct open_file *b)
{
	return S_ISFIFO(b->st.st_mode) && a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino;
}

static bool is_reader(const struct open_file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool is_writer(const struct open_file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY;
}

/* What the ends that the container has tell about the pipe. */
struct ends {
	int readers, writers, packet_writers, packet_readers;
};

static struct ends count_ends(const struct live *l, const struct open_file *f)
{
	struct ends n = { 0 };

	for (size_t i = 0; i < l->nr_files; i++) {
		const struct open_file *g = l->files[i];
		bool packets = g->flags & O_DIRECT;

		if (!same_pipe(f, g))
			continue;
		n.readers += is_reader(g);
		n.writers += is_writer(g);
		n.packet_readers += is_reader(g) && packets;
		n.packet_writers += is_writer(g) && packets;
	}
	return n;
}

/* Does the kernel say that nobody has the other end of @f? (pipe_poll() in fs/pipe.c) */
static bool other_end_gone(const struct open_file *f)
{
	struct pollfd p = { .fd = f->own, .events = 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & (is_reader(f) ? POLLHUP : POLLERR));
}

/* Who has its other end, when the container has not: 1: somebody outside. */
static int find_outside(struct save *s, struct open_file *f, const struct ends *n, struct outside_thing *t, char *reason,
			size_t len)
{
	const char *end = n->readers ? "writes to" : "reads from";
	char who[128];

	if ((n->readers && n->writers) || other_end_gone(f) || (!s->frozen && live_maybe_in_flight(s->live)))
		return 0;
	*t = (struct outside_thing){
		.kind = "pipe", .number = (int64_t)f->st.st_ino, .where = f->link[0] == '/' ? f->link : NULL, .reason = reason,
	};
	if (outside_has(s->live, f->link, f->st.st_dev, f->st.st_ino, who, sizeof(who))) {
		t->advice = "redirect it to a file, or run both ends in the container";
		snprintf(reason, len, "%s, outside of the container, %s it", who, end);
		return 1;
	}
	if (f->link[0] == '/')
		return 0;	/* a fifo that was opened before there was another end */
	t->advice = "wait until the descriptor has arrived where it was sent to";
	snprintf(reason, len, "somebody that is no task of the container %s it: perhaps its descriptor is on the way "
		 "in a socket outside of the container", end);
	return 1;
}

/* A descriptor of cpt's own that reads the pipe. For an end that only writes, open the pipe anew: tasks are stopped. */
static int pipe_reader(const struct open_file *f, int *ret, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->own);
	*ret = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open %s for reading", f->link) : 0;
}

static int pipe_save_bytes(struct save *s, int from, struct pipe_queue_row *row, struct err *e)
{
	_cleanup_fd_ int copy_in = -1, copy_out = -1;
	_cleanup_free_ char *buf = xmalloc((size_t)row->size);
	int waiting, ends[2];
	ssize_t n;

	if (ioctl(from, FIONREAD, &waiting) < 0)
		return err_sys(e, "ioctl(FIONREAD)");
	if (waiting == 0)
		return 0;
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
		return err_sys(e, "pipe2");
	copy_out = ends[0];
	copy_in = ends[1];
	if (fcntl(copy_in, F_SETPIPE_SZ, (int)row->size) < 0)
		return err_sys(e, "make a pipe of %ld bytes", row->size);
	n = tee(from, copy_in, INT32_MAX, SPLICE_F_NONBLOCK);
	if (n != waiting)
		return n < 0 ? err_sys(e, "tee") : err_set(e, -EIO, "tee copied %zd of %d waiting bytes", n, waiting);
	row->bytes = bytes_new(s);
	while ((n = read(copy_out, buf, (size_t)row->size)) > 0)
		bytes_add(s, row->bytes, buf, (size_t)n);
	return n < 0 && errno != EAGAIN ? err_sys(e, "read the copy of the waiting bytes") : 0;
}

static int pipe_queue_save(struct save *s, struct open_file *f, const struct ends *n, struct err *e)
{
	struct pipe_queue_row row = { .queue = f->id, .bytes = COLUMN_NULL };
	_cleanup_fd_ int from = -1;
	int r, size = fcntl(f->own, F_GETPIPE_SZ);

	if (size < 0)
		return err_sys(e, "fcntl(F_GETPIPE_SZ)");
	row.size = size;
	row.packets = n->writers ? n->packet_writers > 0 : n->packet_readers > 0;
	row.uid = f->st.st_uid;
	row.gid = f->st.st_gid;
	row.mode = f->st.st_mode & 07777;
	/* A fifo that others use, too, is a pipe when they are gone. */
	if (f->link[0] == '/' && !outside_saved(s, "pipe", (int64_t)f->st.st_ino)) {
		r = path_save(s, f, &row.path, e);
		if (r <= 0)
			return r;
	}
	/* Of a running container it would be out of date at once. */
	if (s->frozen) {
		r = pipe_reader(f, &from, e) ?: pipe_save_bytes(s, from, &row, e);
		if (r < 0)
			return r;
	}
	if (row.bytes != COLUMN_NULL && n->packet_writers && n->packet_writers < n->writers) {
		char name[256];

		save_refuse(s, f->process, open_file_name(f, name), "let its reader empty it first",
			    "both packets (O_DIRECT) and plain bytes may wait in it");
		return 0;
	}
	*(struct pipe_queue_row *)image_add(s->img, &pipe_queue_table) = row;
	return 0;
}

static int first_save(struct save *s, struct open_file *f, struct err *e)
{
	struct ends n = count_ends(s->live, f);
	struct outside_thing t;
	char reason[256];

	if (find_outside(s, f, &n, &t, reason, sizeof(reason)) && !outside_save(s, f->process, f, &t))
		return 0;
	return pipe_queue_save(s, f, &n, e);
}

static int pipe_save(struct save *s, struct open_file *f, struct err *e)
{
	int64_t queue = f->id;

	for (size_t i = 0; i < s->live->nr_files && s->live->files[i] != f; i++)
		if (same_pipe(f, s->live->files[i])) {
			queue = s->live->files[i]->id;
			break;
		}
	*(struct pipe_row *)image_add(s->img, &pipe_table) = (struct pipe_row){ f->id, queue };
	if (queue == f->id)
		return first_save(s, f, e);
	if (outside_saved(s, "pipe", (int64_t)f->st.st_ino))
		outside_save(s, f->process, f, &(struct outside_thing){ .kind = "pipe", .number = (int64_t)f->st.st_ino });
	/* All ends of a fifo are opened where the first one is. */
	file_row_of(s, f)->mount_ns = file_row_of(s, s->live->files[queue])->mount_ns;
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static const struct pipe_queue_row *queue_of(const struct restore *r, const struct file_row *f)
{
	const struct pipe_row *row = image_find(r->img, &pipe_table, offsetof(struct pipe_row, file), f->file);

	return row ? image_find(r->img, &pipe_queue_table, offsetof(struct pipe_queue_row, queue), row->queue) : NULL;
}

static int pipe_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct pipe_queue_row *q = queue_of(r, f);

	if (!q)
		return err_set(e, -EBADMSG, "it is not in tables pipe and pipe_queue");
	if (outside_plan_of(r, f->file) != outside_plan_of(r, q->queue))
		return err_set(e, -EBADMSG, "in table outside_file it is not with the other ends of its pipe");
	return q->bytes != COLUMN_NULL && outside_is_given(r, f->file) ? outside_check_bytes(r, f->file, e) : 0;
}

/*
 * A fifo that others use would mix their bytes with those of the container.
 * Opening it to write finds readers (ENXIO: none), opening it to read finds
 * writers (end of file: none), see fifo(7).
 */
static int fifo_make_sure_unused(const char *path, struct err *e)
{
	_cleanup_fd_ int to_write = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), to_read = -1;
	bool readers = to_write >= 0 || errno != ENXIO;
	char c;

	if (!readers) {
		to_read = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (to_read >= 0 && read(to_read, &c, 1) == 0)
			return 0;
	}
	err_set(e, -EBUSY, "the fifo %s is in use by others", path);
	return err_advise(e, "`fuser -v %s` shows by whom; end that first", path);
}

static int fifo_make(const struct pipe_queue_row *q, int *ret_in, struct err *e)
{
	struct file_row both = { .flags = O_RDWR | O_NONBLOCK };
	struct stat st;

	if (stat(q->path, &st) == 0 && S_ISFIFO(st.st_mode)) {
		int ret = fifo_make_sure_unused(q->path, e);

		if (ret < 0)
			return ret;
	}
	return path_open(&both, q->path, S_IFIFO, ret_in, e);
}

static int pipe_make(const struct pipe_queue_row *q, int *ret_in, int *ret_out, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0)
		return err_sys(e, "pipe2");
	*ret_out = ends[0];
	*ret_in = ends[1];
	if (fchown(ends[0], (uid_t)q->uid, (gid_t)q->gid) < 0 || fchmod(ends[0], (mode_t)q->mode) < 0)
		return err_sys(e, "give the pipe to user %ld", q->uid);
	return 0;
}

/* cpt's own end to write, made on first sight along with one to read. */
static int queue_get(struct restore *r, const struct pipe_queue_row *q, int *ret, struct err *e)
{
	int in = restore_keyed(r, "pipe", q->queue), out = -1, fail;

	if (in >= 0) {
		*ret = in;
		return 0;
	}
	fail = q->path ? fifo_make(q, &in, e) : pipe_make(q, &in, &out, e);
	if (in >= 0)
		restore_set_keyed(r, "pipe", q->queue, in);
	if (out >= 0)
		restore_set_keyed(r, "pipe reader", q->queue, out);
	if (fail < 0)
		return fail;
	if (fcntl(in, F_SETPIPE_SZ, (int)q->size) < 0)
		return err_sys(e, "set the size of the pipe to %ld", q->size);
	*ret = in;
	return 0;
}

static void pipe_needs(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg)
{
	const struct pipe_queue_row *q = queue_of(r, f);

	if (q && q->path)
		fn(arg, &(struct needed_path){
			.mount_ns = f->mount_ns, .path = q->path, .format = S_IFIFO, .mtime_ns = COLUMN_NULL, .file = f->file,
		});
}

static int pipe_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	int in = -1, ret;
	char path[32];

	if (outside_is_given(r, f->file))
		return outside_open(r, f, ret_fd, e);
	ret = queue_get(r, queue_of(r, f), &in, e);
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	*ret_fd = open(path, ((int)f->flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "open an end of the pipe") : 0;
}

/* A pipe that somebody else writes to: nothing may be in front of what is put back. */
static int given_writer(int fd, int *ret, struct err *e)
{
	char path[32];
	int waiting;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (*ret < 0 || ioctl(fd, FIONREAD, &waiting) < 0)
		return err_sys(e, "open a pipe to put back what waited in it");
	return waiting ? err_set(e, -EBUSY, "%d bytes are in the pipe already, before those that waited at the snapshot", waiting)
		       : 0;
}

static int put_back(const struct pipe_queue_row *q, const struct bytes_row *const *parts, size_t nr, int in, struct err *e)
{
	if (fcntl(in, F_SETFL, O_NONBLOCK | (q->packets ? O_DIRECT : 0)) < 0)
		return err_sys(e, "fcntl(F_SETFL, O_DIRECT) on a pipe");
	for (size_t i = 0; i < nr; i++) {
		ssize_t n = write(in, parts[i]->data.data, parts[i]->data.len);

		if (n != (ssize_t)parts[i]->data.len)
			return n < 0 ? err_sys(e, "put back %zu waiting bytes", parts[i]->data.len)
				     : err_set(e, -EBADMSG, "%zu waiting bytes don't fit into the pipe of %ld",
					       parts[i]->data.len, q->size);
	}
	return 0;
}

/* Once for each pipe: put back what waited. */
static int pipe_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const struct pipe_queue_row *q = queue_of(r, f);
	_cleanup_free_ const struct bytes_row **parts = NULL;
	bool given = outside_is_given(r, f->file);
	_cleanup_fd_ int writer = -1;
	size_t nr;
	int ret;

	if (q->queue != f->file || q->bytes == COLUMN_NULL)
		return 0;
	ret = bytes_parts(r->img, q->bytes, &parts, &nr, e) ?: given ? given_writer(fd, &writer, e) : 0;
	return ret ?: put_back(q, parts, nr, given ? writer : restore_keyed(r, "pipe", q->queue), e);
}

const struct file_kind pipe_kind = {
	.name = "pipe",
	.tables = (const struct table *const[]){ &pipe_table, &pipe_queue_table, NULL },
	.match = pipe_match,
	.save = pipe_save,
	.needs = pipe_needs,
	.check = pipe_check,
	.open = pipe_open,
	.connect = pipe_connect,
};
