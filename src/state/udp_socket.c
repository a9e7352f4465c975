// SPDX-License-Identifier: GPL-2.0-only
/*
 * UDP sockets: table `udp_socket`. Bound, connected to an address, or neither.
 * What waits in them is in udp_message.c.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include "state/file_kinds.h"
#include "state/inet.h"
#include "state/socket.h"
#include "state/udp_socket.h"

struct udp_socket_row {
	int64_t file;
	int64_t family;		/* 4 or 6 */
	char *address;		/* bound to; NULL: not bound */
	int64_t port, scope;
	char *peer_address;	/* connected to; NULL: not connected */
	int64_t peer_port, peer_scope;
	int64_t uid, gid;
	int64_t shutdown;	/* 1: receiving is shut down, 3: both; nothing tells of sending alone */
};

#define ROW struct udp_socket_row
static const struct column udp_socket_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, family, 4, 6),
	TEXT_COLUMN_OR_NULL(ROW, address, INET6_ADDRSTRLEN),
	INT_COLUMN(ROW, port, 0, 65535),
	INT_COLUMN(ROW, scope, 0, UINT32_MAX),
	TEXT_COLUMN_OR_NULL(ROW, peer_address, INET6_ADDRSTRLEN),
	INT_COLUMN(ROW, peer_port, 0, 65535),
	INT_COLUMN(ROW, peer_scope, 0, UINT32_MAX),
	INT_COLUMN(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN(ROW, gid, 0, UINT32_MAX),
	INT_COLUMN(ROW, shutdown, 0, 3),
};
static const struct table udp_socket_table = TABLE("udp_socket", ROW, udp_socket_columns);

static bool udp_socket_match(const struct open_file *f)
{
	int domain, type, protocol;

	return socket_is(f, &domain, &type, &protocol) && (domain == AF_INET || domain == AF_INET6) &&
	       type == SOCK_DGRAM && protocol == IPPROTO_UDP;
}

static bool refuse_waiting(struct save *s, const struct open_file *f, short events)
{
	const char *why = NULL;
	char name[256];
	int sending = 0;

	/* Receiving, even peeking, takes the error away (__skb_recv_udp()). */
	if (events & POLLERR)
		why = "an error waits in it to be reported";
	else if (ioctl(f->own, SIOCOUTQ, &sending) == 0 && sending)
		why = "a datagram is being put together in it (UDP_CORK, MSG_MORE), or on its way out";
	if (why)
		save_refuse(s, f->process, open_file_name(f, name), "wait until that is done", "%s", why);
	return why;
}

static int udp_socket_save(struct save *s, struct open_file *f, struct err *e)
{
	struct pollfd p = { .fd = f->own, .events = POLLIN | POLLRDHUP };
	struct inet_address own, peer;
	int domain, type, protocol, r;

	socket_is(f, &domain, &type, &protocol);
	r = inet_address_of(s->img, f->own, false, &own) ?: inet_address_of(s->img, f->own, true, &peer);
	if (r < 0)
		return err_ret(e, r, "getsockname");
	if (poll(&p, 1, 0) < 0)
		return err_sys(e, "poll");
	if (s->frozen && refuse_waiting(s, f, p.revents))
		return 0;
	*(ROW *)image_add(s->img, &udp_socket_table) = (ROW){
		.file = f->id, .family = domain == AF_INET6 ? 6 : 4,
		.address = own.address, .port = own.port, .scope = own.scope,
		.peer_address = peer.address, .peer_port = peer.port, .peer_scope = peer.scope,
		.uid = f->st.st_uid, .gid = f->st.st_gid, .shutdown = p.revents & POLLHUP ? 3 : p.revents & POLLRDHUP ? 1 : 0,
	};
	return socket_save_options(s, f, e) ?: (s->frozen ? udp_message_save(s, f, e) : 0);
}

static const ROW *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &udp_socket_table, offsetof(ROW, file), f->file);
}

static int udp_socket_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const ROW *row = row_of(r, f);

	if (!row || row->family == 5)
		return err_set(e, -EBADMSG, "it is not in table udp_socket, or of an unknown family");
	if (!row->address && image_find(r->img, &udp_message_table, 0, f->file))
		return err_set(e, -EBADMSG, "something waits in it, but it is not bound");
	return socket_check_options(r, f, e) ?: udp_message_check(r, f, e);
}

static int udp_bind(const ROW *row, int family, int fd, struct err *e)
{
	struct inet_address own = { row->address, row->port, row->scope };
	struct inet_address peer = { row->peer_address, row->peer_port, row->peer_scope };
	int ret = inet_bind(fd, family, &own, e);

	if (ret < 0 && ret != -EBADMSG)
		err_advise(e, "`ss -lunp` shows who has the port");
	return ret ?: inet_connect(fd, family, &peer, e);
}

static int udp_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const ROW *row = row_of(r, f);
	int family = row->family == 6 ? AF_INET6 : AF_INET, ret;
	_cleanup_fd_ int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);

	if (fd < 0)
		return err_sys(e, "socket");
	if (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "give the socket to user %ld", row->uid);
	ret = socket_option_restore(r, f, fd, e) ?: udp_bind(row, family, fd, e);
	if (ret == 0)
		*ret_fd = take_fd(&fd);
	return ret;
}

static int udp_socket_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	return udp_message_restore(r, f, row_of(r, f)->port, fd, e);
}

static int udp_socket_settle(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	int64_t how = row_of(r, f)->shutdown;

	/* Of one that is not connected it says so, but does it (inet_shutdown()). */
	if (how && shutdown(fd, (int)how - 1) < 0 && errno != ENOTCONN)
		return err_sys(e, "shutdown(%ld)", how - 1);
	return socket_group_restore(r, f, fd, e) ?: socket_filter_restore(r, f, fd, e);
}

const struct file_kind udp_socket_kind = {
	.name = "udp_socket",
	.tables = (const struct table *const[]){ &udp_socket_table, &udp_message_table, NULL },
	.match = udp_socket_match,
	.save = udp_socket_save,
	.check = udp_socket_check,
	.open = udp_socket_open,
	.connect = udp_socket_connect,
	.settle = udp_socket_settle,
};
