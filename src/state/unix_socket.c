// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unix sockets, saving: table `unix_socket`. Stream, datagram and seqpacket
 * sockets, connected to one another inside the container, listening, or
 * neither. What waits to be received is read by peeking.
 *
 * Two things are lost, since nothing tells them: an empty datagram that an
 * earlier snapshot has peeked at, and whom SO_PEERCRED names (it will be cpt).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "state/bytes.h"
#include "state/file_kinds.h"
#include "state/namespace.h"
#include "state/outside.h"
#include "state/socket.h"
#include "state/unix_socket.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)	/* include/uapi/linux/un.h: an O_PATH descriptor of the socket's file */
#endif

#define ROW struct unix_socket_row
static const struct column unix_socket_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, type, 1, 5),
	INT_COLUMN_OR_NULL(ROW, peer, 0, INT32_MAX),
	INT_COLUMN(ROW, peer_gone, 0, 2),
	INT_COLUMN_OR_NULL(ROW, backlog, 0, UINT32_MAX),
	INT_COLUMN(ROW, accepted, 0, 1),
	TEXT_COLUMN_OR_NULL(ROW, path, 108),
	TEXT_COLUMN_OR_NULL(ROW, directory, 4095),
	INT_COLUMN_OR_NULL(ROW, mode, 0, 07777),
	INT_COLUMN_OR_NULL(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN_OR_NULL(ROW, gid, 0, UINT32_MAX),
	BLOB_COLUMN_OR_NULL(ROW, abstract, 107),
	INT_COLUMN(ROW, owner_uid, 0, UINT32_MAX),
	INT_COLUMN(ROW, owner_gid, 0, UINT32_MAX),
	INT_COLUMN(ROW, shutdown, 0, 3),
	INT_COLUMN_OR_NULL(ROW, bytes, 0, INT32_MAX),
};
const struct table unix_socket_table = TABLE("unix_socket", ROW, unix_socket_columns);

static bool unix_socket_match(const struct open_file *f)
{
	int domain, type, protocol;

	return socket_is(f, &domain, &type, &protocol) && domain == AF_UNIX;
}

static void refuse(struct save *s, const struct open_file *f, const char *advice, const char *why)
{
	char name[256];

	save_refuse(s, f->process, open_file_name(f, name), advice, "%s", why);
}

/* ---- name ------------------------------------------------------------- */

/* The file at the path: where it is and whose. Opened by SIOCUNIXFILE, so it is the right one wherever it is. */
static int save_socket_file(struct save *s, struct open_file *f, ROW *row, struct err *e)
{
	_cleanup_fd_ int fd = ioctl(f->own, SIOCUNIXFILE);
	_cleanup_free_ char *where = NULL;
	size_t len, tail = strlen(row->path);
	struct stat st;
	char link[32];
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "ioctl(SIOCUNIXFILE)");
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = read_link_at(AT_FDCWD, link, &where);
	if (r < 0)
		return err_ret(e, r, "find the path of a socket");
	row->uid = st.st_uid;
	row->gid = st.st_gid;
	row->mode = st.st_nlink ? st.st_mode & 07777 : COLUMN_NULL;
	if (row->path[0] == '/')
		return 0;
	len = strlen(where);
	if (len <= tail || strcmp(where + len - tail, row->path) != 0 || where[len - tail - 1] != '/') {
		refuse(s, f, "bind it to an absolute path", "it is bound to a relative path that has changed since");
		return 0;
	}
	where[len - tail] = 0;
	row->directory = image_strdup(s->img, where);
	return 0;
}

static int save_name(struct save *s, struct open_file *f, ROW *row, struct err *e)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	char path[sizeof(addr.sun_path) + 1] = "";
	size_t n;

	row->mode = row->uid = row->gid = COLUMN_NULL;
	if (getsockname(f->own, (struct sockaddr *)&addr, &len) < 0)
		return err_sys(e, "getsockname");
	if (len <= offsetof(struct sockaddr_un, sun_path))
		return 0;
	n = len - offsetof(struct sockaddr_un, sun_path);
	if (addr.sun_path[0] == 0) {
		row->abstract = image_blob(s->img, addr.sun_path + 1, n - 1);
		return 0;
	}
	memcpy(path, addr.sun_path, min(n, sizeof(addr.sun_path)));
	row->path = image_strdup(s->img, path);
	return save_socket_file(s, f, row, e);
}

/* ---- queue ------------------------------------------------------------ */

/* Returns how long a message was added (1 for an empty one, too), 0 at the end. */
static int save_message(struct save *s, struct open_file *f, ROW *row, char *buf, struct err *e)
{
	struct sockaddr_un from;
	struct iovec io = { buf, BYTES_LONGEST_PART };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1,
	};
	ssize_t n = recvmsg(f->own, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return errno == EAGAIN ? 0 : err_sys(e, "peek at what waits in the socket");
	if (n == 0 && (row->type == SOCK_STREAM || (row->type == SOCK_SEQPACKET && (row->shutdown & 1))))
		return 0;
	if (n > BYTES_LONGEST_PART)
		return err_set(e, -EFBIG, "a message of %zd bytes waits", n);
	if (row->type == SOCK_DGRAM && msg.msg_namelen > sizeof(sa_family_t) && row->peer_inode <= 0) {
		refuse(s, f, "let it be received first", "a datagram waits that came from a named socket");
		return 0;
	}
	if (row->bytes == COLUMN_NULL)
		row->bytes = bytes_new(s);
	bytes_add(s, row->bytes, buf, (size_t)n);
	return max((int)n, 1);
}

static int save_queue(struct save *s, struct open_file *f, ROW *row, struct err *e)
{
	_cleanup_free_ char *buf = xmalloc(BYTES_LONGEST_PART);	/* untouched pages cost nothing */
	socklen_t len = sizeof(int);
	int old, zero = 0, passes = 0, left = INT_MAX, r;

	/* At the end of a stream a receive would take a waiting error (ECONNRESET) away: don't go there. */
	if (row->type == SOCK_STREAM && ioctl(f->own, SIOCINQ, &left) < 0)
		return err_sys(e, "ioctl(SIOCINQ)");
	/* With SO_PEEK_OFF each peek goes on where the last one ended. */
	if (getsockopt(f->own, SOL_SOCKET, SO_PEEK_OFF, &old, &len) < 0 ||
	    getsockopt(f->own, SOL_SOCKET, SO_PASSCRED, &passes, &len) < 0 ||
	    setsockopt(f->own, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof(zero)) < 0)
		return err_sys(e, "set SO_PEEK_OFF");
	for (r = 0; left > 0 && (r = save_message(s, f, row, buf, e)) > 0; )
		left -= row->type == SOCK_STREAM ? r : 0;
	if (setsockopt(f->own, SOL_SOCKET, SO_PEEK_OFF, &old, sizeof(old)) < 0 && r == 0)
		r = err_sys(e, "set SO_PEEK_OFF back to %d", old);
	if (passes && row->bytes != COLUMN_NULL)
		refuse(s, f, "let it be received first",
		       "bytes wait in it along with their sender's credentials (SO_PASSCRED)");
	return min(r, 0);
}

/* ---- one socket ------------------------------------------------------- */

#define STATE_LISTENING 10	/* TCP_LISTEN in include/net/tcp_states.h, which unix sockets use too */

static bool has_error(const struct open_file *f)
{
	struct pollfd p = { .fd = f->own };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

static bool refuse_in_flight(struct save *s, struct open_file *f, const struct unix_diag *diag)
{
	struct pollfd p = { .fd = f->own, .events = POLLPRI };
	int domain, type, protocol;

	socket_is(f, &domain, &type, &protocol);
	/* Receiving messages, even peeking at them, takes the error away (__skb_try_recv_datagram()). */
	if (type != SOCK_STREAM && has_error(f))
		refuse(s, f, "let it be received first", "an error waits in it to be reported");
	else if (text_number(f->fdinfo, "scm_fds", 10, 0))
		refuse(s, f, "let them be received first", "descriptors are on the way to it (SCM_RIGHTS)");
	else if (diag->state == STATE_LISTENING && diag->pending)
		refuse(s, f, "let it accept them first", "connections wait to be accepted");
	else if (poll(&p, 1, 0) == 1 && (p.revents & POLLPRI))
		refuse(s, f, "let it be received first", "out-of-band data waits in it");
	else
		return false;
	return true;
}

static int unix_socket_save(struct save *s, struct open_file *f, struct err *e)
{
	ROW row = {
		.file = f->id, .peer = COLUMN_NULL, .backlog = COLUMN_NULL, .bytes = COLUMN_NULL,
		.inode = (int64_t)f->st.st_ino, .owner_uid = f->st.st_uid, .owner_gid = f->st.st_gid,
	};
	struct unix_diag diag;
	int domain, type, protocol, r;
	bool refused;

	socket_is(f, &domain, &type, &protocol);
	row.type = type;
	r = unix_diag_ask(f->st.st_ino, &diag, e) ?: save_name(s, f, &row, e) ?:
	    namespace_of(s, f->process, "mnt", &file_row_of(s, f)->mount_ns, e);
	if (r < 0)
		return r;
	refused = refuse_in_flight(s, f, &diag);
	if (diag.state == STATE_LISTENING)
		row.backlog = diag.backlog;
	row.shutdown = diag.shutdown;
	row.peer_inode = diag.has_peer ? (int64_t)diag.peer : -1;
	/*
	 * A closed end has no inode any more, and one that waits for accept(2) has none yet:
	 * there not both ways are shut down (3, sock_diag's RCV_SHUTDOWN | SEND_SHUTDOWN).
	 */
	if (diag.has_peer && diag.peer == 0 && type != SOCK_DGRAM && diag.shutdown != 3)
		refuse(s, f, "let it be accepted first", "its connection waits to be accepted");
	else if (diag.has_peer && diag.peer == 0)
		row.peer_gone = has_error(f) ? 2 : 1;
	if (s->frozen && !refused && diag.state != STATE_LISTENING) {
		r = save_queue(s, f, &row, e);
		if (r < 0)
			return r;
	}
	*(ROW *)image_add(s->img, &unix_socket_table) = row;
	return socket_save_options(s, f, e);
}

/* ---- all sockets: who is connected to whom ----------------------------- */

static bool same_name(const ROW *a, const ROW *b)
{
	if (a->path && b->path)
		return strcmp(a->path, b->path) == 0 && !a->directory == !b->directory &&
		       (!a->directory || strcmp(a->directory, b->directory) == 0);
	return a->abstract.data && b->abstract.data && a->abstract.len == b->abstract.len &&
	       memcmp(a->abstract.data, b->abstract.data, a->abstract.len) == 0;
}

static bool is_named(const ROW *row)
{
	return row->path || row->abstract.data;
}

static bool listener_has_name(struct save *s, const ROW *row)
{
	const ROW *l;

	image_for_each(l, s->img, &unix_socket_table)
		if (l->backlog != COLUMN_NULL && same_name(l, row))
			return true;
	return false;
}

static void refuse_peer(struct save *s, const ROW *row)
{
	struct open_file *f = s->live->files[row->file];
	char link[32], name[256], who[128];

	snprintf(link, sizeof(link), "socket:[%ld]", row->peer_inode);
	open_file_name(f, name);
	if (outside_has(s->live, link, f->st.st_dev, (ino_t)row->peer_inode, who, sizeof(who)))
		save_refuse(s, f->process, name, "run both in the container, or close the connection",
			    "its other end (%s) is in %s, outside of the container", link, who);
	else
		save_refuse(s, f->process, name, "let the connection be accepted or received first",
			    "its other end (%s) is in no task: it waits to be accepted, or is on the way in a socket",
			    link);
}

/* Can something be sent to it by its name? */
static bool is_reachable(const ROW *row)
{
	return row->path ? row->mode != COLUMN_NULL && !row->directory : is_named(row);
}

/* A datagram socket may send to one that does not know of it; that is connected again by name. */
static void check_one_way(struct save *s, const ROW *row, const ROW *peer)
{
	struct open_file *f = s->live->files[row->file];

	if (!is_reachable(peer))
		refuse(s, f, "keep the path that it is bound to",
		       "the socket that it is connected to can't be reached by a name");
}

static int unix_socket_save_finish(struct save *s, struct err *e)
{
	ROW *row;

	(void)e;
	image_for_each(row, s->img, &unix_socket_table) {
		ROW *peer;

		peer = row->peer_inode > 0 ? image_find(s->img, &unix_socket_table, offsetof(ROW, inode), row->peer_inode)
					   : NULL;
		if (row->type == SOCK_DGRAM && row->bytes != COLUMN_NULL && !row->peer_gone &&
		    !(peer && peer->peer_inode == row->inode) && !is_reachable(row))
			refuse(s, s->live->files[row->file], "let it be received first",
			       "datagrams wait in a socket that has no name to send them to");
		if (row->peer_inode <= 0) {
			row->accepted = row->type != SOCK_DGRAM && row->peer_gone && listener_has_name(s, row);
			continue;
		}
		if (!peer) {
			refuse_peer(s, row);
			continue;
		}
		row->peer = peer->file;
		if (row->type == SOCK_DGRAM) {
			if (peer->peer_inode != row->inode)
				check_one_way(s, row, peer);
			continue;
		}
		/* accept(2) makes its socket after the one that connects. */
		row->accepted = is_named(row) && (!is_named(peer) || listener_has_name(s, row) ||
						  (!listener_has_name(s, peer) && row->inode > peer->inode));
	}
	return 0;
}

const struct file_kind unix_socket_kind = {
	.name = "unix_socket",
	.tables = (const struct table *const[]){ &unix_socket_table, &socket_option_table, NULL },
	.match = unix_socket_match,
	.save = unix_socket_save,
	.save_finish = unix_socket_save_finish,
	.check = unix_socket_check,
	.open = unix_socket_open,
	.connect = unix_socket_connect,
};
