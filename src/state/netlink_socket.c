// SPDX-License-Identifier: GPL-2.0-only
/*
 * Netlink sockets: table `netlink_socket`. Of protocols where all that the
 * kernel keeps for a socket is its address and its groups; what waits in one
 * is refused.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include "state/file_kinds.h"
#include "state/socket.h"

#define LONGEST_GROUPS 512	/* bytes: 4096 groups */

struct netlink_socket_row {
	int64_t file;
	int64_t type;		/* SOCK_RAW or SOCK_DGRAM */
	int64_t protocol;	/* NETLINK_* */
	int64_t port;		/* its address; 0: not bound */
	int64_t peer, peer_groups;	/* connected to; 0: the kernel */
	struct blob memberships;	/* uint32_t, a bit each group from 1; NULL: none */
	int64_t uid, gid;
};

#define ROW struct netlink_socket_row
static const struct column netlink_socket_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, type, SOCK_DGRAM, SOCK_RAW),
	INT_COLUMN(ROW, protocol, 0, 31),
	INT_COLUMN(ROW, port, 0, UINT32_MAX),
	INT_COLUMN(ROW, peer, 0, UINT32_MAX),
	INT_COLUMN(ROW, peer_groups, 0, UINT32_MAX),
	BLOB_COLUMN_OR_NULL(ROW, memberships, LONGEST_GROUPS),
	INT_COLUMN(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN(ROW, gid, 0, UINT32_MAX),
};
static const struct table netlink_socket_table = TABLE("netlink_socket", ROW, netlink_socket_columns);

static bool netlink_socket_match(const struct open_file *f)
{
	int domain, type, protocol;

	return socket_is(f, &domain, &type, &protocol) && domain == AF_NETLINK;
}

/* ---- saving ----------------------------------------------------------- */

static const char *why_not(int protocol, bool groups)
{
	switch (protocol) {
	case NETLINK_ROUTE:
	case NETLINK_USERSOCK:
	case NETLINK_SOCK_DIAG:
	case NETLINK_XFRM:
	case NETLINK_SELINUX:
	case NETLINK_FIB_LOOKUP:
	case NETLINK_KOBJECT_UEVENT:
	case NETLINK_CRYPTO:
		return NULL;
	case NETLINK_GENERIC:
		return groups ? "the groups of NETLINK_GENERIC that it is in have other numbers after each boot" : NULL;
	case NETLINK_NETFILTER:
		return "nothing tells which queues and logs of NETLINK_NETFILTER are bound to it";
	default:
		return "nothing tells what the kernel keeps for a socket of this netlink protocol";
	}
}

static bool any_bit(const uint32_t *groups, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (groups[i])
			return true;
	return false;
}

static int netlink_socket_save(struct save *s, struct open_file *f, struct err *e)
{
	struct sockaddr_nl own = { 0 }, peer = { 0 };
	socklen_t own_len = sizeof(own), peer_len = sizeof(peer), len = LONGEST_GROUPS;
	uint32_t groups[LONGEST_GROUPS / sizeof(uint32_t)] = { 0 };
	int domain, type, protocol;
	const char *why;
	char name[256];

	socket_is(f, &domain, &type, &protocol);
	if (socket_refuse_waiting(s, f))
		return 0;
	/* The length that comes back is that of all groups of the protocol. */
	if (getsockname(f->own, (struct sockaddr *)&own, &own_len) < 0 ||
	    getpeername(f->own, (struct sockaddr *)&peer, &peer_len) < 0 ||
	    getsockopt(f->own, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len) < 0)
		return err_sys(e, "ask for the address and groups of a netlink socket");
	if (len > LONGEST_GROUPS)
		return err_set(e, -EFBIG, "its protocol has groups of %u bytes", len);
	why = why_not(protocol, any_bit(groups, ARRAY_SIZE(groups)));
	if (why) {
		save_refuse(s, f->process, open_file_name(f, name), "close it", "%s (%d)", why, protocol);
		return 0;
	}
	*(ROW *)image_add(s->img, &netlink_socket_table) = (ROW){
		.file = f->id, .type = type, .protocol = protocol, .port = own.nl_pid, .peer = peer.nl_pid,
		.peer_groups = peer.nl_groups, .uid = f->st.st_uid, .gid = f->st.st_gid,
		.memberships = any_bit(groups, ARRAY_SIZE(groups)) ? image_blob(s->img, groups, len) : (struct blob){ 0 },
	};
	return socket_save_options(s, f, e);
}

/* ---- restoring -------------------------------------------------------- */

static const ROW *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &netlink_socket_table, offsetof(ROW, file), f->file);
}

static int netlink_socket_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const ROW *row = row_of(r, f);

	if (!row || why_not((int)row->protocol, row->memberships.data) || row->memberships.len % sizeof(uint32_t))
		return err_set(e, -EBADMSG, "it is not in table netlink_socket, or of a protocol that is not restored");
	return socket_check_options(r, f, e);
}

static int join_groups(const ROW *row, int fd, struct err *e)
{
	const uint32_t *groups = row->memberships.data;

	for (size_t i = 0; i < row->memberships.len * 8; i++) {
		int group = (int)i + 1;

		if ((groups[i / 32] >> (i % 32) & 1) &&
		    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return err_sys(e, "join netlink group %d", group);
	}
	return 0;
}

static int netlink_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const ROW *row = row_of(r, f);
	struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_pid = (uint32_t)row->port };
	struct sockaddr_nl peer = {
		.nl_family = AF_NETLINK, .nl_pid = (uint32_t)row->peer, .nl_groups = (uint32_t)row->peer_groups,
	};
	_cleanup_fd_ int fd = socket(AF_NETLINK, (int)row->type | SOCK_CLOEXEC, (int)row->protocol);
	int ret;

	if (fd < 0)
		return err_sys(e, "socket(AF_NETLINK, %ld, %ld)", row->type, row->protocol);
	if (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "give the socket to user %ld", row->uid);
	ret = socket_restore_options(r, f, fd, e);
	if (ret < 0)
		return ret;
	if (row->port && bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0) {
		err_sys(e, "bind to the netlink address %ld", row->port);
		return err_advise(e, "`ss -f netlink` shows who has it, perhaps the container that the snapshot is of");
	}
	if ((row->peer || row->peer_groups) && connect(fd, (struct sockaddr *)&peer, sizeof(peer)) < 0)
		return err_sys(e, "connect to the netlink address %ld", row->peer);
	ret = join_groups(row, fd, e);
	if (ret == 0)
		*ret_fd = take_fd(&fd);
	return ret;
}

const struct file_kind netlink_socket_kind = {
	.name = "netlink_socket",
	.tables = (const struct table *const[]){ &netlink_socket_table, NULL },
	.match = netlink_socket_match,
	.save = netlink_socket_save,
	.check = netlink_socket_check,
	.open = netlink_socket_open,
};
