// SPDX-License-Identifier: GPL-2.0-only
/* Unix sockets through sock_diag(7): what no other interface tells, above all who the other end is. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "state/unix_socket.h"

static void parse_icons(const struct rtattr *a, struct unix_diag *ret)
{
	ret->nr_icons = min(RTA_PAYLOAD(a) / sizeof(uint32_t), (size_t)UNIX_DIAG_MOST);
	memcpy(ret->icons, RTA_DATA(a), ret->nr_icons * sizeof(uint32_t));
}

static void parse_attributes(const struct nlmsghdr *head, struct unix_diag *ret)
{
	const struct unix_diag_msg *msg = NLMSG_DATA(head);
	const struct rtattr *a = (const struct rtattr *)(msg + 1);
	unsigned int left = head->nlmsg_len - NLMSG_LENGTH(sizeof(*msg));

	memset(ret, 0, sizeof(*ret));
	ret->state = msg->udiag_state;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		const void *data = RTA_DATA(a);

		if (a->rta_type == UNIX_DIAG_PEER) {
			ret->has_peer = true;
			ret->peer = *(const uint32_t *)data;
		} else if (a->rta_type == UNIX_DIAG_SHUTDOWN) {
			ret->shutdown = *(const uint8_t *)data;
		} else if (a->rta_type == UNIX_DIAG_RQLEN) {
			ret->pending = ((const struct unix_diag_rqlen *)data)->udiag_rqueue;
			ret->backlog = ((const struct unix_diag_rqlen *)data)->udiag_wqueue;
		} else if (a->rta_type == UNIX_DIAG_ICONS) {
			parse_icons(a, ret);
		}
	}
}

static int ask_for(ino_t ino, uint32_t show, struct unix_diag *ret, struct err *e)
{
	_cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct {
		struct nlmsghdr head;
		struct unix_diag_req req;
	} ask = {
		.head = { sizeof(ask), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0 },
		.req = {
			.sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_ino = (uint32_t)ino,
			.udiag_show = show,
			.udiag_cookie = { ~0U, ~0U },	/* any */
		},
	};
	union {
		struct nlmsghdr head;
		char space[8192];
	} answer;
	ssize_t n;

	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) < 0)
		return err_sys(e, "ask sock_diag for unix socket %ju", (uintmax_t)ino);
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return err_sys(e, "receive from sock_diag");
	if (!NLMSG_OK(&answer.head, (unsigned int)n))
		return err_set(e, -EBADMSG, "sock_diag gave a short answer");
	if (answer.head.nlmsg_type == NLMSG_ERROR) {
		int code = ((const struct nlmsgerr *)NLMSG_DATA(&answer.head))->error;

		err_ret(e, code ?: -EBADMSG, "find unix socket %ju by sock_diag", (uintmax_t)ino);
		return err_advise(e, "it needs CONFIG_UNIX_DIAG, and the socket in cpt's network namespace");
	}
	parse_attributes(&answer.head, ret);
	return 0;
}

int unix_diag_ask(ino_t ino, struct unix_diag *ret, struct err *e)
{
	const uint32_t show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN;
	int r = ask_for(ino, show, ret, e);

	if (r < 0 || ret->state != TCP_LISTEN || !ret->pending || ret->pending > UNIX_DIAG_MOST)
		return r;
	return ask_for(ino, show | UDIAG_SHOW_ICONS, ret, e);
}
