// SPDX-License-Identifier: GPL-2.0-only
/*
 * Raw sockets of IPv4 and IPv6, and the datagram sockets that are for ping
 * alone: table `raw_socket`. What waits in them is refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include "state/file_kinds.h"
#include "state/inet.h"
#include "state/socket.h"

#define SOL_RAW_ 255		/* include/linux/socket.h */
#define ICMP6_FILTER_ 1		/* ICMPV6_FILTER in include/uapi/linux/icmpv6.h: 8 numbers, a bit each type */
#define LONGEST_FILTER 32

struct raw_socket_row {
	int64_t file;
	int64_t family;		/* 4 or 6 */
	int64_t type;		/* SOCK_RAW; SOCK_DGRAM: for ping */
	int64_t protocol;
	char *address;		/* bound to; NULL: not bound */
	int64_t port, scope;	/* of those for ping the port is the identifier */
	char *peer_address;	/* connected to; NULL: not connected */
	int64_t peer_port, peer_scope;
	struct blob filter;	/* of ICMP: types not to be received, a bit each; NULL: all are */
	int64_t checksum;	/* IPV6_CHECKSUM; -1: none */
	int64_t uid, gid;
};

#define ROW struct raw_socket_row
static const struct column raw_socket_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, family, 4, 6),
	INT_COLUMN(ROW, type, SOCK_DGRAM, SOCK_RAW),
	INT_COLUMN(ROW, protocol, 0, 255),
	TEXT_COLUMN_OR_NULL(ROW, address, INET6_ADDRSTRLEN),
	INT_COLUMN(ROW, port, 0, 65535),
	INT_COLUMN(ROW, scope, 0, UINT32_MAX),
	TEXT_COLUMN_OR_NULL(ROW, peer_address, INET6_ADDRSTRLEN),
	INT_COLUMN(ROW, peer_port, 0, 65535),
	INT_COLUMN(ROW, peer_scope, 0, UINT32_MAX),
	BLOB_COLUMN_OR_NULL(ROW, filter, LONGEST_FILTER),
	INT_COLUMN(ROW, checksum, -1, 65534),
	INT_COLUMN(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN(ROW, gid, 0, UINT32_MAX),
};
static const struct table raw_socket_table = TABLE("raw_socket", ROW, raw_socket_columns);

static bool is_known(int type, int protocol)
{
	return type == SOCK_RAW || (type == SOCK_DGRAM && (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6));
}

static bool raw_socket_match(const struct open_file *f)
{
	int domain, type, protocol;

	return socket_is(f, &domain, &type, &protocol) && (domain == AF_INET || domain == AF_INET6) &&
	       is_known(type, protocol);
}

/* Where the filter of ICMP types is, if there can be one. */
static bool filter_option(int family, int type, int protocol, int *ret_level, int *ret_option)
{
	*ret_level = family == AF_INET6 ? IPPROTO_ICMPV6 : SOL_RAW_;
	*ret_option = family == AF_INET6 ? ICMP6_FILTER_ : ICMP_FILTER;
	return type == SOCK_RAW && protocol == (family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* ---- saving ----------------------------------------------------------- */

static int save_filter(struct save *s, const struct open_file *f, int domain, ROW *row, struct err *e)
{
	char filter[LONGEST_FILTER];
	socklen_t len = sizeof(filter);
	int level, option;

	if (filter_option(domain, (int)row->type, (int)row->protocol, &level, &option)) {
		if (getsockopt(f->own, level, option, filter, &len) < 0)
			return err_sys(e, "getsockopt(ICMP_FILTER)");
		row->filter = image_blob(s->img, filter, len);
	}
	row->checksum = -1;
	/* ICMPv6 has its place, which can't be changed. */
	if (domain == AF_INET6 && row->type == SOCK_RAW && row->protocol != IPPROTO_ICMPV6) {
		int checksum;

		len = sizeof(checksum);
		if (getsockopt(f->own, IPPROTO_IPV6, IPV6_CHECKSUM, &checksum, &len) < 0)
			return err_sys(e, "getsockopt(IPV6_CHECKSUM)");
		row->checksum = checksum;
	}
	return 0;
}

/* "  1: 00000000:0001 0100007F:0000 01 ...": numbers of 32 bits as this machine has them */
static bool parse_peer(const char *line, ino_t ino, char text[static INET6_ADDRSTRLEN])
{
	unsigned int state, part[4] = { 0 };
	unsigned long inode;
	char hex[33];
	int n;

	if (sscanf(line, "%*d: %*[0-9A-F]:%*x %32[0-9A-F]:%*x %x %*x:%*x %*x:%*x %*x %*u %*d %lu", hex, &state, &inode) != 3 ||
	    inode != ino || state != TCP_ESTABLISHED)
		return false;
	n = sscanf(hex, "%8x%8x%8x%8x", &part[0], &part[1], &part[2], &part[3]);
	return (n == 1 || n == 4) && inet_ntop(n == 1 ? AF_INET : AF_INET6, part, text, INET6_ADDRSTRLEN);
}

/* getpeername(2) tells only of those that were connected to a port, which means nothing here. */
static int peer_without_port(struct save *s, const struct open_file *f, ROW *row, struct err *e)
{
	_cleanup_free_ char *list = NULL;
	char path[32], text[INET6_ADDRSTRLEN];
	int r;

	if (row->peer_address)
		return 0;
	snprintf(path, sizeof(path), "/proc/net/%s%s", row->type == SOCK_RAW ? "raw" : "icmp", row->family == 6 ? "6" : "");
	r = read_file_at(AT_FDCWD, path, &list, NULL);
	if (r < 0)
		return err_ret(e, r, "read %s", path);
	for (const char *line = list; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (parse_peer(line, f->st.st_ino, text))
			row->peer_address = image_strdup(s->img, text);
	}
	return 0;
}

static int raw_socket_save(struct save *s, struct open_file *f, struct err *e)
{
	ROW row = { .file = f->id, .uid = f->st.st_uid, .gid = f->st.st_gid };
	struct inet_address own, peer;
	int domain, type, protocol, r;

	socket_is(f, &domain, &type, &protocol);
	if (socket_refuse_waiting(s, f))
		return 0;
	r = inet_address_of(s->img, f->own, false, &own) ?: inet_address_of(s->img, f->own, true, &peer);
	if (r < 0)
		return err_ret(e, r, "getsockname");
	row.family = domain == AF_INET6 ? 6 : 4;
	row.type = type;
	row.protocol = protocol;
	row.address = own.address;
	row.port = own.port;
	row.scope = own.scope;
	row.peer_address = peer.address;
	row.peer_port = peer.port;
	row.peer_scope = peer.scope;
	r = save_filter(s, f, domain, &row, e) ?: peer_without_port(s, f, &row, e);
	if (r < 0)
		return r;
	*(ROW *)image_add(s->img, &raw_socket_table) = row;
	return socket_save_options(s, f, e);
}

/* ---- restoring -------------------------------------------------------- */

static const ROW *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &raw_socket_table, offsetof(ROW, file), f->file);
}

static int raw_socket_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const ROW *row = row_of(r, f);

	if (!row || row->family == 5 || !is_known((int)row->type, (int)row->protocol))
		return err_set(e, -EBADMSG, "it is not in table raw_socket, or of an unknown sort");
	return socket_check_options(r, f, e);
}

/* Ping sockets are only for some groups of users (ping_init_sock()), not for whoever has all rights. */
static int raw_make(const ROW *row, int family, int *ret_fd, struct err *e)
{
	int fd = socket(family, (int)row->type | SOCK_CLOEXEC, (int)row->protocol), fail;
	gid_t gid = getegid();

	if (fd < 0 && errno == EACCES && setegid((gid_t)row->gid) == 0) {
		fd = socket(family, (int)row->type | SOCK_CLOEXEC, (int)row->protocol);
		fail = errno;
		if (setegid(gid) < 0) {
			close_fd(&fd);
			return err_sys(e, "become group %u again", gid);
		}
		errno = fail;
	}
	if (fd < 0) {
		err_sys(e, "socket(%d, %ld, %ld)", family, row->type, row->protocol);
		return e->code == -EACCES ? err_advise(e, "set sysctl net.ipv4.ping_group_range so that group %ld is in it",
						       row->gid) : e->code;
	}
	*ret_fd = fd;
	return 0;
}

/* Only a filter that says something: also without one, all are received. */
static int raw_set_filter(const ROW *row, int family, int fd, struct err *e)
{
	int level, option, checksum = (int)row->checksum;

	if (row->filter.data && filter_option(family, (int)row->type, (int)row->protocol, &level, &option) &&
	    setsockopt(fd, level, option, row->filter.data, (socklen_t)row->filter.len) < 0)
		return err_sys(e, "setsockopt(ICMP_FILTER)");
	if (checksum >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &checksum, sizeof(checksum)) < 0)
		return err_sys(e, "setsockopt(IPV6_CHECKSUM, %d)", checksum);
	return 0;
}

static int raw_bind(const ROW *row, int family, int fd, struct err *e)
{
	/* A raw socket has its protocol for a port, which is not to be bound to. */
	struct inet_address own = { row->address, row->type == SOCK_RAW ? 0 : row->port, row->scope };
	struct inet_address peer = { row->peer_address, row->type == SOCK_RAW ? 0 : row->peer_port, row->peer_scope };

	return inet_bind(fd, family, &own, e) ?: inet_connect(fd, family, &peer, e);
}

static int raw_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const ROW *row = row_of(r, f);
	int family = row->family == 6 ? AF_INET6 : AF_INET, ret;
	_cleanup_fd_ int fd = -1;

	ret = raw_make(row, family, &fd, e);
	if (ret < 0)
		return ret;
	if (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "give the socket to user %ld", row->uid);
	ret = socket_restore_options(r, f, fd, e) ?: raw_set_filter(row, family, fd, e) ?: raw_bind(row, family, fd, e);
	if (ret == 0)
		*ret_fd = take_fd(&fd);
	return ret;
}

const struct file_kind raw_socket_kind = {
	.name = "raw_socket",
	.tables = (const struct table *const[]){ &raw_socket_table, NULL },
	.match = raw_socket_match,
	.save = raw_socket_save,
	.check = raw_socket_check,
	.open = raw_socket_open,
};
