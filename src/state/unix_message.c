// SPDX-License-Identifier: GPL-2.0-only
/*
 * What waits in unix sockets: tables `unix_message` and `unix_right`. It is
 * read by peeking, which leaves the queue as it is and gives cpt descriptors
 * of its own of those in flight. A message is a datagram or packet with its
 * borders; of a stream it is a run of bytes from one sender, and descriptors
 * come with the first byte of one.
 *
 * Lost are: an empty message that an earlier snapshot has peeked at (the kernel
 * skips it then), when messages came (SO_TIMESTAMP), and credentials of tasks
 * that are not in the container, unless somebody asks for them.
 */
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "state/socket.h"
#include "state/unix_socket.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4		/* include/linux/socket.h */
#endif
#define SO_PASSPIDFD_ 76	/* include/uapi/asm-generic/socket.h */
#define MOST_RIGHTS UNIX_MOST_RIGHTS
#define LONGEST (16 << 20)

#define ROW struct unix_message_row
static const struct column unix_message_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, message, 0, INT32_MAX),
	BLOB_COLUMN(ROW, data, LONGEST),
	TEXT_COLUMN_OR_NULL(ROW, from_path, 108),
	BLOB_COLUMN_OR_NULL(ROW, from_abstract, 107),
	INT_COLUMN_OR_NULL(ROW, process, 1, INT32_MAX),
	INT_COLUMN_OR_NULL(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN_OR_NULL(ROW, gid, 0, UINT32_MAX),
};
const struct table unix_message_table = TABLE("unix_message", ROW, unix_message_columns);

static const struct column unix_right_columns[] = {
	INT_COLUMN(struct unix_right_row, file, 0, INT32_MAX),
	INT_COLUMN(struct unix_right_row, message, 0, INT32_MAX),
	INT_COLUMN(struct unix_right_row, number, 0, MOST_RIGHTS - 1),
	INT_COLUMN(struct unix_right_row, sent, 0, INT32_MAX),
};
const struct table unix_right_table = TABLE("unix_right", struct unix_right_row, unix_right_columns);

/* ---- peeking ---------------------------------------------------------- */

/* What one peek shows. */
struct seen {
	ssize_t len;
	struct sockaddr_un from;
	socklen_t from_len;
	bool is_message;	/* not the end */
	struct ucred sender;
	int fds[MOST_RIGHTS];	/* cpt's own */
	size_t nr_fds;
};

static void seen_clear(struct seen *m)
{
	for (size_t i = 0; i < m->nr_fds; i++)
		close_fd(&m->fds[i]);
	m->nr_fds = 0;
}

static void take_control(struct msghdr *msg, struct seen *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);
		int pidfd;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			m->nr_fds = min(len / sizeof(int), (size_t)MOST_RIGHTS);
			memcpy(m->fds, CMSG_DATA(c), m->nr_fds * sizeof(int));
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			m->is_message = true;
			memcpy(&m->sender, CMSG_DATA(c), sizeof(m->sender));
		} else if (c->cmsg_type == SCM_PIDFD) {
			memcpy(&pidfd, CMSG_DATA(c), sizeof(pidfd));
			close_fd(&pidfd);
		}
	}
}

/* Peek at the next @len bytes, or the next message. 1, 0: nothing waits. SO_PASSCRED is set: each message tells it. */
static int peek(int fd, void *buf, size_t len, struct seen *m, struct err *e)
{
	_Alignas(struct cmsghdr) char control[8192];
	struct iovec io = { buf, len };
	struct msghdr msg = {
		.msg_name = &m->from, .msg_namelen = sizeof(m->from), .msg_iov = &io, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	m->nr_fds = 0;
	m->is_message = false;
	m->len = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	/* Packet sockets that are not connected say so. */
	if (m->len < 0)
		return errno == EAGAIN || errno == ENOTCONN ? 0 : err_sys(e, "peek at what waits in the socket");
	m->from_len = msg.msg_namelen;
	take_control(&msg, m);
	if (msg.msg_flags & MSG_CTRUNC) {
		seen_clear(m);
		err_set(e, -EMFILE, "not all descriptors that wait in the socket could be looked at");
		return err_advise(e, "raise cpt's limit of open files (`ulimit -n`)");
	}
	return m->is_message;
}

/* ---- saving ----------------------------------------------------------- */

struct queue {
	struct save *s;
	struct open_file *f;
	int type;
	bool passes;		/* its program asks for credentials */
	char *buf;
	int64_t messages;	/* noted so far */
	size_t rights;
	int at;			/* byte where the next peek starts; of streams */
};

static void refuse(const struct queue *q, const char *advice, const char *why)
{
	char name[256];

	save_refuse(q->s, q->f->process, open_file_name(q->f, name), advice, "%s", why);
}

static int note_rights(struct queue *q, struct seen *m, struct err *e)
{
	for (size_t i = 0; i < m->nr_fds; i++) {
		struct open_file *sent;

		if (live_add_in_flight(q->s->live, q->f->process, take_fd(&m->fds[i]), &sent, e) < 0)
			return e->code;
		*(struct unix_right_row *)image_add(q->s->img, &unix_right_table) =
			(struct unix_right_row){ q->f->id, q->messages, (int64_t)i, sent->id };
	}
	q->rights += m->nr_fds;
	return 0;
}

static void note_sender(struct queue *q, const struct seen *m, ROW *row)
{
	/* The kernel attaches credentials only when one of both ends asks for it (maybe_add_creds()): else pid 0. */
	row->process = row->uid = row->gid = COLUMN_NULL;
	if (m->sender.pid > 0 && live_find(q->s->live, m->sender.pid)) {
		row->process = m->sender.pid;
		row->uid = m->sender.uid;
		row->gid = m->sender.gid;
	} else if (m->sender.pid > 0 && q->passes) {
		refuse(q, "let it be received first",
		       "bytes wait with the credentials of a sender (SO_PASSCRED) that is no task of the container");
	}
}

/* The message @m, whose bytes are the first @len at @data. */
static int note(struct queue *q, struct seen *m, const char *data, size_t len, struct err *e)
{
	ROW *row = image_add(q->s->img, &unix_message_table);

	*row = (ROW){ .file = q->f->id, .message = q->messages, .data = image_blob(q->s->img, data, len) };
	if (q->type == SOCK_DGRAM)
		unix_name_of(q->s->img, &m->from, m->from_len, &row->from_path, &row->from_abstract);
	note_sender(q, m, row);
	if (note_rights(q, m, e) < 0)
		return e->code;
	q->messages++;
	return 0;
}

static int seek(const struct queue *q, int at, struct err *e)
{
	return setsockopt(q->f->own, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof(at)) < 0 ? err_sys(e, "set SO_PEEK_OFF to %d", at)
										    : 0;
}

/*
 * Descriptors come with any read that reaches the buffer which they were sent
 * with, but a peek goes on to the next one when it has its bytes. It stops in
 * front of a buffer that it can't copy whole (unix_stream_read_generic()): of
 * @len bytes, the last of which is the buffer's last, let that one fail.
 */
static int find_rights(const struct queue *q, size_t len, size_t *ret, struct err *e)
{
	char *space = mmap(NULL, LONGEST + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	char *end = space + LONGEST;
	struct err fault = ERR_INIT;
	struct seen m;
	int r;

	if (space == MAP_FAILED || mprotect(end, PAGE_SIZE, PROT_NONE) < 0)
		return err_sys(e, "map memory to look at messages");
	r = seek(q, q->at, e);
	if (r == 0) {
		r = peek(q->f->own, end - (len - 1), len, &m, &fault);
		if (r > 0 && m.nr_fds)
			r = err_set(&fault, -EPROTO, "descriptors in flight can't be told from the bytes before them");
		seen_clear(&m);
		*ret = r > 0 ? (size_t)m.len : 0;
		if (r < 0 && r != -EFAULT)
			*e = fault;
	}
	munmap(space, LONGEST + PAGE_SIZE);
	return r == -EFAULT || r > 0 ? 0 : r;
}

/* Returns 1 when there was something. */
static int look_at_stream(struct queue *q, struct err *e)
{
	struct seen m, before;
	size_t start = 0, len;
	int r = seek(q, q->at, e) ?: peek(q->f->own, q->buf, LONGEST, &m, e);

	if (r <= 0)
		return r;
	len = (size_t)m.len;
	r = m.nr_fds ? find_rights(q, len, &start, e) : 0;
	if (r == 0 && start) {
		before = m;
		before.nr_fds = 0;
		r = note(q, &before, q->buf, start, e);
	}
	if (r == 0)
		r = note(q, &m, q->buf + start, len - start, e);
	seen_clear(&m);
	q->at += (int)len;
	return r < 0 ? r : 1;
}

/* With SO_PEEK_OFF set, each peek goes on where the last one ended. */
static int look_at_message(struct queue *q, struct err *e)
{
	struct seen m;
	int r = peek(q->f->own, q->buf, LONGEST, &m, e);

	if (r <= 0)
		return r;
	r = m.len > LONGEST ? err_set(e, -EFBIG, "a message of %zd bytes waits", m.len)
			    : note(q, &m, q->buf, (size_t)m.len, e);
	seen_clear(&m);
	return r < 0 ? r : 1;
}

static int look_at_all(struct queue *q, struct err *e)
{
	int left = 0, r = 1;

	if (q->type != SOCK_STREAM) {
		r = seek(q, 0, e);
		while (r == 0 && (r = look_at_message(q, e)) > 0)
			r = 0;
		return r;
	}
	/* At the end of a stream a receive would take a waiting error (ECONNRESET) away: don't go there. */
	if (ioctl(q->f->own, SIOCINQ, &left) < 0)
		return err_sys(e, "ioctl(SIOCINQ)");
	while (q->at < left && r > 0)
		r = look_at_stream(q, e);
	return min(r, 0);
}

/* Two options are set while it is looked at. No signal may end cpt before they are as they were. */
static int look_with_options(struct queue *q, struct err *e)
{
	socklen_t len = sizeof(int);
	int fd = q->f->own, off, passes, on = 1, r;
	sigset_t all, old;

	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &passes, &len) < 0)
		return err_sys(e, "getsockopt(SO_PEEK_OFF, SO_PASSCRED)");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	r = setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? err_sys(e, "set SO_PASSCRED")
									  : look_at_all(q, e);
	if ((setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0 ||
	     setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &passes, sizeof(passes)) < 0) && r == 0)
		r = err_sys(e, "set SO_PEEK_OFF and SO_PASSCRED back");
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}

int unix_message_look(struct save *s, struct open_file *f, struct err *e)
{
	_cleanup_free_ char *buf = NULL;
	int domain, type, protocol, listens = 0, passes = 0, pidfd = 0, r;
	socklen_t len = sizeof(int);
	struct queue q = { .s = s, .f = f };

	if (!socket_is(f, &domain, &type, &protocol) || unix_socket_refuses(f, type) ||
	    getsockopt(f->own, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || listens)
		return 0;
	getsockopt(f->own, SOL_SOCKET, SO_PASSCRED, &passes, &len);
	getsockopt(f->own, SOL_SOCKET, SO_PASSPIDFD_, &pidfd, &len);
	q.type = type;
	q.passes = passes || pidfd;
	q.buf = buf = xmalloc(LONGEST);	/* untouched pages cost nothing */
	r = look_with_options(&q, e);
	if (r == 0 && q.rights != text_number(f->fdinfo, "scm_fds", 10, 0))
		refuse(&q, "let it be received first", "descriptors wait in it with an empty message, which the kernel "
		       "shows only to the first who peeks");
	return r;
}

bool unix_message_waits(const struct image *img, int64_t file)
{
	return image_find(img, &unix_message_table, offsetof(ROW, file), file);
}

bool unix_message_all_from(const struct image *img, const struct unix_socket_row *row,
			   const struct unix_socket_row *peer)
{
	const ROW *m;

	image_for_each(m, img, &unix_message_table) {
		if (m->file != row->file)
			continue;
		if (m->from_path ? !peer->path || strcmp(m->from_path, peer->path) != 0 : peer->path != NULL)
			return false;
		if (m->from_abstract.len != peer->abstract.len || !m->from_abstract.data != !peer->abstract.data ||
		    memcmp(m->from_abstract.data ?: "", peer->abstract.data ?: "", m->from_abstract.len) != 0)
			return false;
	}
	return true;
}
