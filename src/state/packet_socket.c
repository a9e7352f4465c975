// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packet sockets: tables `packet_socket` and `packet_membership`. What waits in
 * them is refused, and so are rings and fanout groups. sock_diag(7) tells what
 * no option does: rings, and what else than its own an interface receives.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include "state/file_kinds.h"
#include "state/socket.h"

#define LONGEST_ADDRESS 8	/* what struct packet_mreq holds */

struct packet_socket_row {
	int64_t file;
	int64_t type;		/* SOCK_RAW, or SOCK_DGRAM: without link layer headers */
	int64_t protocol;	/* ETH_P_*; 0: receives nothing */
	char *interface;	/* bound to; NULL: all */
	int64_t uid, gid;
};

struct packet_membership_row {
	int64_t file;
	int64_t membership;	/* from 0 */
	char *interface;
	int64_t type;		/* PACKET_MR_* */
	struct blob address;
};

#define ROW struct packet_socket_row
static const struct column packet_socket_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, type, SOCK_DGRAM, SOCK_RAW),
	INT_COLUMN(ROW, protocol, 0, 65535),
	TEXT_COLUMN_OR_NULL(ROW, interface, IF_NAMESIZE - 1),
	INT_COLUMN(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN(ROW, gid, 0, UINT32_MAX),
};
static const struct table packet_socket_table = TABLE("packet_socket", ROW, packet_socket_columns);

static const struct column packet_membership_columns[] = {
	INT_COLUMN(struct packet_membership_row, file, 0, INT32_MAX),
	INT_COLUMN(struct packet_membership_row, membership, 0, INT32_MAX),
	TEXT_COLUMN(struct packet_membership_row, interface, IF_NAMESIZE - 1),
	INT_COLUMN(struct packet_membership_row, type, 0, 65535),
	BLOB_COLUMN(struct packet_membership_row, address, LONGEST_ADDRESS),
};
static const struct table packet_membership_table =
	TABLE("packet_membership", struct packet_membership_row, packet_membership_columns);

static bool packet_socket_match(const struct open_file *f)
{
	int domain, type, protocol;

	return socket_is(f, &domain, &type, &protocol) && domain == AF_PACKET && (type == SOCK_RAW || type == SOCK_DGRAM);
}

/* ---- sock_diag -------------------------------------------------------- */

static int save_membership(struct save *s, const struct open_file *f, const struct packet_diag_mclist *m, struct err *e)
{
	const struct packet_membership_row *rows;
	char interface[IF_NAMESIZE];
	int64_t nr = 0;
	size_t all;

	if (m->pdmc_alen > LONGEST_ADDRESS || !if_indextoname(m->pdmc_index, interface))
		return err_set(e, -EBADMSG, "it receives more of interface %u, by an address of %u bytes", m->pdmc_index,
			       m->pdmc_alen);
	/* As often as it was asked for: each takes one of them back. */
	for (uint32_t i = 0; i < min(m->pdmc_count, 64U); i++) {
		rows = image_rows(s->img, &packet_membership_table, &all);
		nr = all && rows[all - 1].file == f->id ? rows[all - 1].membership + 1 : 0;
		*(struct packet_membership_row *)image_add(s->img, &packet_membership_table) =
			(struct packet_membership_row){ f->id, nr, image_strdup(s->img, interface), m->pdmc_type,
							image_blob(s->img, m->pdmc_addr, m->pdmc_alen) };
	}
	return 0;
}

static int parse_socket(struct save *s, const struct open_file *f, const struct nlmsghdr *head, struct err *e)
{
	const struct packet_diag_msg *msg = NLMSG_DATA(head);
	const struct rtattr *a = (const struct rtattr *)(msg + 1);
	unsigned int left = head->nlmsg_len - NLMSG_LENGTH(sizeof(*msg));
	const char *why = NULL;
	char name[256];

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		const struct packet_diag_mclist *m = RTA_DATA(a);

		if (a->rta_type == PACKET_DIAG_RX_RING || a->rta_type == PACKET_DIAG_TX_RING)
			why = "it has a ring in memory (PACKET_RX_RING, PACKET_TX_RING)";
		else if (a->rta_type == PACKET_DIAG_FANOUT)
			why = "it shares what it receives with others (PACKET_FANOUT)";
		for (size_t i = 0; a->rta_type == PACKET_DIAG_MCLIST && i < RTA_PAYLOAD(a) / sizeof(*m); i++)
			if (save_membership(s, f, &m[i], e) < 0)
				return e->code;
	}
	if (why)
		save_refuse(s, f->process, open_file_name(f, name), "close it", "%s, which cpt can't save", why);
	return 0;
}

/* The kernel lists all packet sockets of the namespace: find that of @f. 1: found, 0: not in this answer, go on. */
static int parse_answer(struct save *s, const struct open_file *f, const struct nlmsghdr *head, ssize_t len, struct err *e)
{
	for (unsigned int left = (unsigned int)len; NLMSG_OK(head, left); head = NLMSG_NEXT(head, left)) {
		if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR) {
			err_set(e, -ENOENT, "sock_diag does not list packet socket %ju", (uintmax_t)f->st.st_ino);
			return err_advise(e, "it needs CONFIG_PACKET_DIAG, and the socket in cpt's network namespace");
		}
		if (((const struct packet_diag_msg *)NLMSG_DATA(head))->pdiag_ino == (uint32_t)f->st.st_ino)
			return parse_socket(s, f, head, e) ?: 1;
	}
	return 0;
}

static int packet_diag_save(struct save *s, const struct open_file *f, struct err *e)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	_cleanup_free_ char *answer = xmalloc(65536);
	struct {
		struct nlmsghdr head;
		struct packet_diag_req req;
	} ask = {
		.head = { sizeof(ask), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 },
		.req = {
			.sdiag_family = AF_PACKET,
			.pdiag_show = PACKET_SHOW_MCLIST | PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT,
		},
	};
	int r = 0;

	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return err_sys(e, "ask sock_diag for packet sockets");
	while (r == 0) {
		ssize_t n = recv(fd, answer, 65536, 0);

		if (n < 0)
			return err_sys(e, "receive from sock_diag");
		r = parse_answer(s, f, (const struct nlmsghdr *)(void *)answer, n, e);
	}
	return min(r, 0);
}

/* ---- saving, restoring ------------------------------------------------- */

static int packet_socket_save(struct save *s, struct open_file *f, struct err *e)
{
	struct sockaddr_ll addr = { 0 };
	socklen_t len = sizeof(addr);
	char interface[IF_NAMESIZE] = "";
	int domain, type, protocol, r;

	socket_is(f, &domain, &type, &protocol);
	if (socket_refuse_waiting(s, f))
		return 0;
	if (getsockname(f->own, (struct sockaddr *)&addr, &len) < 0)
		return err_sys(e, "getsockname");
	if (addr.sll_ifindex && !if_indextoname((unsigned int)addr.sll_ifindex, interface))
		return err_sys(e, "find the name of interface %d", addr.sll_ifindex);
	r = packet_diag_save(s, f, e);
	if (r < 0)
		return r;
	*(ROW *)image_add(s->img, &packet_socket_table) = (ROW){
		.file = f->id, .type = type, .protocol = ntohs(addr.sll_protocol),
		.interface = *interface ? image_strdup(s->img, interface) : NULL,
		.uid = f->st.st_uid, .gid = f->st.st_gid,
	};
	return socket_save_options(s, f, e);
}

static const ROW *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &packet_socket_table, offsetof(ROW, file), f->file);
}

static int packet_socket_check(struct restore *r, const struct file_row *f, struct err *e)
{
	return row_of(r, f) ? socket_check_options(r, f, e) : err_set(e, -EBADMSG, "it is not in table packet_socket");
}

static int add_memberships(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const struct packet_membership_row *row;

	image_for_each(row, r->img, &packet_membership_table) {
		struct packet_mreq req = {
			.mr_ifindex = (int)if_nametoindex(row->interface), .mr_type = (unsigned short)row->type,
			.mr_alen = (unsigned short)row->address.len,
		};

		if (row->file != f->file)
			continue;
		memcpy(req.mr_address, row->address.data, row->address.len);
		if (!req.mr_ifindex || setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)) < 0)
			return err_sys(e, "receive more of interface %s", row->interface);
	}
	return 0;
}

/* It receives nothing before its protocol is set by bind(2), when its filter is there. */
static int packet_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const ROW *row = row_of(r, f);
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons((uint16_t)row->protocol),
		.sll_ifindex = row->interface ? (int)if_nametoindex(row->interface) : 0,
	};
	_cleanup_fd_ int fd = socket(AF_PACKET, (int)row->type | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0 || (row->interface && !addr.sll_ifindex))
		return err_sys(e, "make a packet socket for interface %s", row->interface ?: "any");
	if (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "give the socket to user %ld", row->uid);
	ret = socket_restore_options(r, f, fd, e) ?: add_memberships(r, f, fd, e);
	if (ret < 0)
		return ret;
	if ((row->protocol || row->interface) && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_sys(e, "bind to protocol %#lx of interface %s", row->protocol, row->interface ?: "any");
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct file_kind packet_socket_kind = {
	.name = "packet_socket",
	.tables = (const struct table *const[]){ &packet_socket_table, &packet_membership_table, NULL },
	.match = packet_socket_match,
	.save = packet_socket_save,
	.check = packet_socket_check,
	.open = packet_socket_open,
};
