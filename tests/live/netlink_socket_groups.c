// SPDX-License-Identifier: GPL-2.0-only
/* Netlink sockets keep their address, groups and options: news come to one, the other gets answers. */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "live.h"

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	live_check(getsockopt(fd, SOL_NETLINK, name, &v, &len) == 0);
	return v;
}

int main(int argc, char **argv)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = { { sizeof(ask), RTM_GETLINK, NLM_F_REQUEST, 7, 0 }, { .ifi_index = 1 } };
	struct sockaddr_nl a = { .nl_family = AF_NETLINK }, got;
	struct ifreq lo = { .ifr_name = "lo" };
	int own, news, none, on = 1, group = RTNLGRP_LINK, fd;
	char answer[8192];
	struct nlmsghdr *head = (struct nlmsghdr *)(void *)answer;
	socklen_t len = sizeof(got);

	live_setup(argc, argv);
	live_needs_host("it takes the host's loopback interface down and up");
	own = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	news = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE);
	none = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK);
	a.nl_pid = (unsigned int)getpid() | 1U << 30;
	live_check(own >= 0 && news >= 0 && none >= 0 && bind(own, (struct sockaddr *)&a, sizeof(a)) == 0);
	live_check(setsockopt(own, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) == 0);
	live_check(setsockopt(own, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) == 0);
	/* The kernel chooses an address, without which no news come. */
	a.nl_pid = 0;
	live_check(bind(news, (struct sockaddr *)&a, sizeof(a)) == 0);
	a.nl_pid = (unsigned int)getpid() | 1U << 30;
	live_check(setsockopt(news, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
	live_ready();

	live_check(getsockname(own, (struct sockaddr *)&got, &len) == 0 && got.nl_pid == a.nl_pid);
	live_check(option(own, NETLINK_EXT_ACK) == 1 && option(own, NETLINK_GET_STRICT_CHK) == 1);
	live_check(option(none, NETLINK_EXT_ACK) == 0);
	live_check(send(own, &ask, sizeof(ask), 0) == sizeof(ask) && recv(own, answer, sizeof(answer), 0) > 0);
	live_check(head->nlmsg_type == RTM_NEWLINK && head->nlmsg_seq == 7 && head->nlmsg_pid == a.nl_pid);
	len = sizeof(got);
	live_check(getsockname(none, (struct sockaddr *)&got, &len) == 0 && got.nl_pid == 0);
	live_check(recv(news, answer, sizeof(answer), 0) == -1 && errno == EAGAIN);
	/* Something changes. */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	live_check(ioctl(fd, SIOCGIFFLAGS, &lo) == 0);
	lo.ifr_flags ^= IFF_ALLMULTI;
	live_check(ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
	live_check(recv(news, answer, sizeof(answer), 0) > 0 && head->nlmsg_type == RTM_NEWLINK);
	live_pass();
}
