// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP sockets that are not connected: listening, bound or new. Table
 * `tcp_socket`. Connections are refused by name.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include "state/file_kinds.h"
#include "state/inet.h"
#include "state/socket.h"

struct tcp_socket_row {
	int64_t file;
	int64_t family;		/* 4 or 6 */
	char *address;		/* bound to; NULL: not bound */
	int64_t port, scope;
	int64_t backlog;	/* COLUMN_NULL: does not listen */
	int64_t uid, gid;	/* SO_REUSEPORT shares among sockets of one user */
	int64_t shutdown;	/* 1: shut down both ways, as when its connection has ended */
};

#define ROW struct tcp_socket_row
static const struct column tcp_socket_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, family, 4, 6),
	TEXT_COLUMN_OR_NULL(ROW, address, INET6_ADDRSTRLEN),
	INT_COLUMN(ROW, port, 0, 65535),
	INT_COLUMN(ROW, scope, 0, UINT32_MAX),
	INT_COLUMN_OR_NULL(ROW, backlog, 0, UINT32_MAX),
	INT_COLUMN(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN(ROW, gid, 0, UINT32_MAX),
	INT_COLUMN(ROW, shutdown, 0, 1),
};
static const struct table tcp_socket_table = TABLE("tcp_socket", ROW, tcp_socket_columns);

static bool tcp_socket_match(const struct open_file *f)
{
	int domain, type, protocol;

	return socket_is(f, &domain, &type, &protocol) && (domain == AF_INET || domain == AF_INET6) &&
	       type == SOCK_STREAM && protocol == IPPROTO_TCP;
}

/* ---- saving ----------------------------------------------------------- */

static const char *state_name(int state)
{
	/* include/net/tcp_states.h */
	static const char *const names[] = {
		"?", "established", "being opened", "being opened", "closing", "closing", "closing", "closed",
		"closed by the other end", "closing", "listening", "closing", "being opened",
	};

	return state >= 0 && state < (int)ARRAY_SIZE(names) ? names[state] : "?";
}

static void refuse_connection(struct save *s, struct open_file *f, int state, struct err *e)
{
	struct inet_address own, peer;
	char name[256], a[80], b[80];

	(void)e;
	inet_address_of(s->img, f->own, false, &own);
	inet_address_of(s->img, f->own, true, &peer);
	save_refuse(s, f->process, open_file_name(f, name),
		    "close the connection first, or let its clients connect by a unix socket from inside",
		    "it is a TCP connection (%s to %s, %s), and cpt can't save those yet", inet_text(&own, a),
		    inet_text(&peer, b), state_name(state));
}

/* Bytes of a connection that has ended, or how it did: an error that is not reported yet. */
static bool refuse_ended(struct save *s, struct open_file *f)
{
	struct pollfd p = { .fd = f->own };
	char name[256];
	int waiting = 0;

	ioctl(f->own, SIOCINQ, &waiting);
	if (waiting <= 0 && !(poll(&p, 1, 0) == 1 && (p.revents & POLLERR)))
		return false;
	save_refuse(s, f->process, open_file_name(f, name), "let it be received first",
		    "its connection has ended, and %s in it", waiting > 0 ? "bytes wait" : "an error waits");
	return true;
}

static int tcp_socket_save(struct save *s, struct open_file *f, struct err *e)
{
	ROW row = { .file = f->id, .backlog = COLUMN_NULL, .uid = f->st.st_uid, .gid = f->st.st_gid };
	struct pollfd p = { .fd = f->own, .events = POLLRDHUP };
	struct inet_address own;
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	int domain, type, protocol, r;
	char name[256], text[80];

	if (!socket_is(f, &domain, &type, &protocol) || getsockopt(f->own, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return err_sys(e, "getsockopt(TCP_INFO)");
	if (info.tcpi_state != TCP_LISTEN && info.tcpi_state != TCP_CLOSE) {
		refuse_connection(s, f, info.tcpi_state, e);
		return 0;
	}
	r = inet_address_of(s->img, f->own, false, &own);
	if (r < 0)
		return err_ret(e, r, "getsockname");
	/* Of a listening socket these two are its queue and the longest that may be (tcp_get_info()). */
	if (info.tcpi_state == TCP_LISTEN && info.tcpi_unacked) {
		save_refuse(s, f->process, open_file_name(f, name), "let it accept them first",
			    "%u connections to %s wait to be accepted", info.tcpi_unacked, inet_text(&own, text));
		return 0;
	}
	if (info.tcpi_state == TCP_LISTEN)
		row.backlog = info.tcpi_sacked;
	else if (refuse_ended(s, f))
		return 0;
	row.shutdown = poll(&p, 1, 0) == 1 && (p.revents & POLLRDHUP);
	row.family = domain == AF_INET6 ? 6 : 4;
	row.address = own.address;
	row.port = own.port;
	row.scope = own.scope;
	*(ROW *)image_add(s->img, &tcp_socket_table) = row;
	return socket_save_options(s, f, e);
}

/* ---- restoring -------------------------------------------------------- */

static const ROW *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &tcp_socket_table, offsetof(ROW, file), f->file);
}

static int tcp_socket_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const ROW *row = row_of(r, f);

	if (!row || row->family == 5)
		return err_set(e, -EBADMSG, "it is not in table tcp_socket, or of an unknown family");
	if (row->backlog != COLUMN_NULL && !row->address)
		return err_set(e, -EBADMSG, "it listens, but has no address");
	return socket_check_options(r, f, e);
}

/*
 * Connections of the killed container may linger in TIME_WAIT, which only
 * SO_REUSEADDR gets past, if they had it as well (inet_bind_conflict()); two
 * listening sockets never share a port by it.
 */
static int tcp_bind(const ROW *row, int fd, struct err *e)
{
	struct inet_address a = { row->address, row->port, row->scope };
	struct sockaddr_storage addr;
	int old, on = 1;
	socklen_t len, old_len = sizeof(old);
	char text[80];

	if (!row->address)
		return 0;
	if (inet_sockaddr(row->family == 6 ? AF_INET6 : AF_INET, &a, &addr, &len, e) < 0)
		return e->code;
	if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &old, &old_len) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		return err_sys(e, "set SO_REUSEADDR");
	if (bind(fd, (struct sockaddr *)&addr, len) < 0 ||
	    (row->backlog != COLUMN_NULL && listen(fd, (int)row->backlog) < 0)) {
		err_sys(e, "listen at %s", inet_text(&a, text));
		if (e->code == -EADDRINUSE)
			err_advise(e, "`ss -atnp` shows who has the port: perhaps the container that the snapshot is of (end "
				   "it), or connections of it that linger for a minute, as it did not set SO_REUSEADDR");
		return e->code;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &old, sizeof(old)) < 0)
		return err_sys(e, "set SO_REUSEADDR back");
	return 0;
}

static int tcp_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const ROW *row = row_of(r, f);
	_cleanup_fd_ int fd = socket(row->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	int ret;

	if (fd < 0)
		return err_sys(e, "socket");
	if (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "give the socket to user %ld", row->uid);
	ret = socket_restore_options(r, f, fd, e) ?: tcp_bind(row, fd, e);
	/* It says that it is not connected, but is shut down then (inet_shutdown()). */
	if (ret == 0 && row->shutdown && shutdown(fd, SHUT_RDWR) < 0 && errno != ENOTCONN)
		return err_sys(e, "shutdown");
	if (ret == 0)
		*ret_fd = take_fd(&fd);
	return ret;
}

const struct file_kind tcp_socket_kind = {
	.name = "tcp_socket",
	.tables = (const struct table *const[]){ &tcp_socket_table, NULL },
	.match = tcp_socket_match,
	.save = tcp_socket_save,
	.check = tcp_socket_check,
	.open = tcp_socket_open,
};
