// SPDX-License-Identifier: GPL-2.0-only
/* Options of sockets of all families, multicast groups with their sources, sockets that are shut down. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "live.h"

static const struct number {
	int domain, type, level, option, value, expected;
} numbers[] = {
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_REUSEADDR, 1, 1 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_REUSEPORT, 1, 1 },
	{ AF_INET, SOCK_STREAM, SOL_SOCKET, SO_KEEPALIVE, 1, 1 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_BROADCAST, 1, 1 },
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_DONTROUTE, 1, 1 }, { AF_INET, SOCK_STREAM, SOL_SOCKET, SO_OOBINLINE, 1, 1 },
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_PRIORITY, 5, 5 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_MARK, 77, 77 },
	{ AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_RCVLOWAT, 100, 100 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_NO_CHECK, 1, 1 },
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_RCVMARK, 1, 1 }, { AF_INET, SOCK_STREAM, SOL_SOCKET, SO_ZEROCOPY, 1, 1 },
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1, 1 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_RXQ_OVFL, 1, 1 },
	{ AF_UNIX, SOCK_DGRAM, SOL_SOCKET, SO_PEEK_OFF, 3, 3 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_INCOMING_CPU, 1, 1 },
	{ AF_UNIX, SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMP, 1, 1 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPNS, 1, 1 },
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMP_NEW, 1, 1 },
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPING, 18, 18 },
	{ AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPING_NEW, 18, 18 },
	{ AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_PASSCRED, 1, 1 }, { AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_RCVBUF, 30000, 60000 },
	{ AF_UNIX, SOCK_STREAM, SOL_SOCKET, SO_SNDBUF, 30000, 60000 }, { AF_INET, SOCK_DGRAM, SOL_SOCKET, SO_SNDBUF, 1, 4608 },
	{ AF_INET, SOCK_STREAM, SOL_SOCKET, SO_RCVBUF, 212992 / 2, 212992 },
	{ AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_TOS, 0x10, 0x10 }, { AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_TTL, 9, 9 },
	{ AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_TTL, 7, 7 }, { AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_LOOP, 0, 0 },
	{ AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_PKTINFO, 1, 1 }, { AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MINTTL, 3, 3 },
	{ AF_INET, SOCK_STREAM, IPPROTO_IP, IP_TRANSPARENT, 1, 1 }, { AF_INET, SOCK_DGRAM, IPPROTO_IP, IP_MTU_DISCOVER, 2, 2 },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_V6ONLY, 1, 1 }, { AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9, 9 },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1, 1 },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_IPV6, IPV6_TCLASS, 0x20, 0x20 },
	{ AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_MAXSEG, 999, 999 }, { AF_INET, SOCK_STREAM, IPPROTO_TCP, TCP_FASTOPEN, 5, 5 },
};

#define NR (sizeof(numbers) / sizeof(numbers[0]))

static int get(int fd, int level, int option)
{
	int value[2] = { -99, 0 };
	socklen_t len = sizeof(value);

	live_check(getsockopt(fd, level, option, value, &len) == 0);
	return value[0];
}

static void join(int fd, const char *group, const char *source)
{
	struct group_source_req req = { .gsr_interface = 1, .gsr_group.ss_family = AF_INET, .gsr_source.ss_family = AF_INET };

	inet_pton(AF_INET, group, &((struct sockaddr_in *)&req.gsr_group)->sin_addr);
	inet_pton(AF_INET, source ?: "0.0.0.0", &((struct sockaddr_in *)&req.gsr_source)->sin_addr);
	live_check(setsockopt(fd, IPPROTO_IP, source ? MCAST_JOIN_SOURCE_GROUP : MCAST_JOIN_GROUP, &req,
			      source ? sizeof(req) : sizeof(struct group_req)) == 0);
}

/* Sources, and 100 more if all others may send; -1: not a member. */
static int sources(int fd, const char *group)
{
	_Alignas(struct group_filter) char space[4096] = { 0 };
	struct group_filter *f = (struct group_filter *)space;
	socklen_t len = sizeof(space);

	f->gf_interface = 1;
	f->gf_numsrc = 8;
	f->gf_group.ss_family = AF_INET;
	inet_pton(AF_INET, group, &((struct sockaddr_in *)&f->gf_group)->sin_addr);
	if (getsockopt(fd, IPPROTO_IP, MCAST_MSFILTER, f, &len) < 0)
		return -1;
	return (int)f->gf_numsrc + (f->gf_fmode == MCAST_EXCLUDE ? 100 : 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval time = { 3, 500000 };
	struct linger linger = { 1, 17 };
	socklen_t len;
	struct pollfd p = { .fd = -1, .events = POLLRDHUP };
	struct sockaddr_in port, got;
	int fds[NR], forms, groups, closed, both, client, bound, half;
	char name[16], c;

	live_setup(argc, argv);
	live_needs_host("some options of sockets in the host's network are for its root");
	live_lo_up();
	for (size_t i = 0; i < NR; i++) {
		const struct number *n = &numbers[i];

		fds[i] = socket(n->domain, n->type, 0);
		live_check(fds[i] >= 0);
		if (setsockopt(fds[i], n->level, n->option, &n->value, sizeof(n->value)) < 0)
			live_fail("setsockopt %d, %d: %s", n->level, n->option, strerror(errno));
		live_check(get(fds[i], n->level, n->option) == n->expected);
	}
	forms = socket(AF_INET, SOCK_STREAM, 0);
	live_check(setsockopt(forms, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) == 0);
	live_check(setsockopt(forms, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	live_check(setsockopt(forms, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0);
	groups = socket(AF_INET, SOCK_DGRAM, 0);
	join(groups, "239.1.2.3", NULL);
	join(groups, "232.1.1.1", "10.1.1.1");
	join(groups, "232.1.1.1", "10.1.1.2");
	bound = socket(AF_INET, SOCK_STREAM, 0);
	half = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	live_check(bind(bound, (struct sockaddr *)&in, sizeof(in)) == 0 && bind(half, (struct sockaddr *)&in, sizeof(in)) == 0);
	len = sizeof(port);
	live_check(getsockname(bound, (struct sockaddr *)&port, &len) == 0 && port.sin_port);
	live_check(shutdown(half, SHUT_RD) == -1 && errno == ENOTCONN);
	p.fd = half;
	live_check(poll(&p, 1, 0) == 1 && (p.revents & POLLRDHUP));
	closed = socket(AF_INET, SOCK_STREAM, 0);
	live_check(shutdown(closed, SHUT_RDWR) == -1 && errno == ENOTCONN);
	both = socket(AF_INET6, SOCK_STREAM, 0);
	/* The connection of an earlier run lingers. */
	live_check(setsockopt(both, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0);
	live_check(bind(both, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(both, 3) == 0);
	len = sizeof(any);
	live_check(getsockname(both, (struct sockaddr *)&any, &len) == 0);
	live_ready();

	for (size_t i = 0; i < NR; i++) {
		const struct number *n = &numbers[i];

		if (get(fds[i], n->level, n->option) != n->expected)
			live_fail("option %d, %d is %d instead of %d", n->level, n->option,
				  get(fds[i], n->level, n->option), n->expected);
	}
	memset(&time, 0, sizeof(time));
	memset(&linger, 0, sizeof(linger));
	len = sizeof(time);
	live_check(getsockopt(forms, SOL_SOCKET, SO_SNDTIMEO, &time, &len) == 0 && time.tv_sec == 3 && time.tv_usec == 500000);
	len = sizeof(linger);
	live_check(getsockopt(forms, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 && linger.l_onoff && linger.l_linger == 17);
	len = sizeof(name);
	live_check(getsockopt(forms, SOL_SOCKET, SO_BINDTODEVICE, name, &len) == 0 && strcmp(name, "lo") == 0);
	live_check(sources(groups, "239.1.2.3") == 100 && sources(groups, "232.1.1.1") == 2);
	live_check(sources(fds[0], "239.1.2.3") == -1);
	live_check(read(closed, &c, 1) == 0 && send(closed, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	live_check(poll(&p, 1, 0) == 1 && (p.revents & POLLRDHUP) && !(p.revents & POLLHUP));
	len = sizeof(got);
	live_check(getsockname(bound, (struct sockaddr *)&got, &len) == 0 && got.sin_port == port.sin_port);
	live_check(got.sin_addr.s_addr == in.sin_addr.s_addr && get(bound, SOL_SOCKET, SO_REUSEADDR) == 0);
	/* It takes connections of IPv4 as well. */
	client = socket(AF_INET, SOCK_STREAM, 0);
	in.sin_port = any.sin6_port;
	live_check(connect(client, (struct sockaddr *)&in, sizeof(in)) == 0 && accept(both, NULL, NULL) >= 0);
	live_pass();
}
