// SPDX-License-Identifier: GPL-2.0-only
/* Sockets of the internet: options, filters, multicast groups, waiting datagrams. */
#include "unit/files.h"
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

struct number {
	int type, level, option, value, expected;
};

/* Each to be set on a socket of its own, of IPv6 when it belongs to that. */
static const struct number numbers[] = {
	{ SOCK_DGRAM, SOL_SOCKET, SO_REUSEADDR, 1, 1 }, { SOCK_DGRAM, SOL_SOCKET, SO_REUSEPORT, 1, 1 },
	{ SOCK_STREAM, SOL_SOCKET, SO_KEEPALIVE, 1, 1 }, { SOCK_DGRAM, SOL_SOCKET, SO_BROADCAST, 1, 1 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_DONTROUTE, 1, 1 }, { SOCK_STREAM, SOL_SOCKET, SO_OOBINLINE, 1, 1 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_PRIORITY, 5, 5 }, { SOCK_DGRAM, SOL_SOCKET, SO_MARK, 77, 77 },
	{ SOCK_STREAM, SOL_SOCKET, SO_RCVLOWAT, 100, 100 }, { SOCK_DGRAM, SOL_SOCKET, SO_NO_CHECK, 1, 1 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_BUSY_POLL, 33, 33 }, { SOCK_DGRAM, SOL_SOCKET, SO_PREFER_BUSY_POLL, 1, 1 },
	{ SOCK_STREAM, SOL_SOCKET, SO_ZEROCOPY, 1, 1 }, { SOCK_DGRAM, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1, 1 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_RXQ_OVFL, 1, 1 }, { SOCK_DGRAM, SOL_SOCKET, SO_PEEK_OFF, 3, 3 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_WIFI_STATUS, 1, 1 }, { SOCK_DGRAM, SOL_SOCKET, SO_INCOMING_CPU, 1, 1 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMP, 1, 1 }, { SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPNS, 1, 1 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMP_NEW, 1, 1 }, { SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1, 1 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPING, 18, 18 }, { SOCK_DGRAM, SOL_SOCKET, SO_TIMESTAMPING_NEW, 18, 18 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_RCVBUF, 30000, 60000 }, { SOCK_DGRAM, SOL_SOCKET, SO_SNDBUF, 40000, 80000 },
	{ SOCK_DGRAM, SOL_SOCKET, SO_RCVBUFFORCE, 9999999, 19999998 },
	{ SOCK_DGRAM, IPPROTO_IP, IP_TOS, 0x10, 0x10 }, { SOCK_DGRAM, IPPROTO_IP, IP_TTL, 9, 9 },
	{ SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_TTL, 7, 7 }, { SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_LOOP, 0, 0 },
	{ SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_ALL, 0, 0 }, { SOCK_DGRAM, IPPROTO_IP, IP_PKTINFO, 1, 1 },
	{ SOCK_DGRAM, IPPROTO_IP, IP_RECVERR, 1, 1 }, { SOCK_DGRAM, IPPROTO_IP, IP_MINTTL, 3, 3 },
	{ SOCK_DGRAM, IPPROTO_IP, IP_FREEBIND, 1, 1 }, { SOCK_DGRAM, IPPROTO_IP, IP_TRANSPARENT, 1, 1 },
	{ SOCK_DGRAM, IPPROTO_IP, IP_MTU_DISCOVER, 2, 2 }, { SOCK_DGRAM, IPPROTO_IP, IP_RECVORIGDSTADDR, 1, 1 },
	{ SOCK_DGRAM, IPPROTO_IPV6, IPV6_V6ONLY, 1, 1 }, { SOCK_DGRAM, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9, 9 },
	{ SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 8, 8 }, { SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, 0 },
	{ SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_IF, 1, 1 }, { SOCK_DGRAM, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, 1 },
	{ SOCK_DGRAM, IPPROTO_IPV6, IPV6_TCLASS, 0x20, 0x20 }, { SOCK_DGRAM, IPPROTO_IPV6, IPV6_DONTFRAG, 1, 1 },
	{ SOCK_DGRAM, IPPROTO_UDP, UDP_SEGMENT, 1000, 1000 }, { SOCK_DGRAM, IPPROTO_UDP, UDP_GRO, 1, 1 },
	{ SOCK_STREAM, IPPROTO_TCP, TCP_MAXSEG, 999, 999 }, { SOCK_STREAM, IPPROTO_TCP, TCP_INQ, 1, 1 },
	{ SOCK_STREAM, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5, 7 }, { SOCK_STREAM, IPPROTO_TCP, TCP_FASTOPEN, 5, 5 },
};

static bool usable[ARRAY_SIZE(numbers)];

static int family_of(const struct number *n)
{
	return n->level == IPPROTO_IPV6 ? AF_INET6 : AF_INET;
}

/* What this kernel or these rights don't allow is left out. */
static void find_usable(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct number *n = &numbers[i];
		int fd = socket(family_of(n), n->type, 0);

		usable[i] = fd >= 0 && setsockopt(fd, n->level, n->option, &n->value, sizeof(n->value)) == 0;
		if (!usable[i])
			print_message("left out: level %d, option %d: %s\n", n->level, n->option, strerror(errno));
		close(fd);
	}
}

static void make_numbers(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct number *n = &numbers[i];
		int fd = usable[i] ? socket(family_of(n), n->type, 0) : open("/dev/null", O_RDONLY);

		expect(fd == (int)i + 3);
		expect(!usable[i] || setsockopt(fd, n->level, n->option, &n->value, sizeof(n->value)) == 0);
	}
}

static int option_of(int fd, int level, int option)
{
	int value[2] = { -99, 0 };
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, option, value, &len), 0);
	return value[0];
}

static int sent_option(const struct number *n)
{
	return n->option == SO_RCVBUFFORCE && n->level == SOL_SOCKET ? SO_RCVBUF : n->option;
}

static void test_numbers(void **state)
{
	struct world w;

	(void)state;
	find_usable();
	world_turn(&w, make_numbers);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct number *n = &numbers[i];

		if (!usable[i])
			continue;
		if (option_of(world_fd(&w, (int)i + 3), n->level, sent_option(n)) != n->expected)
			fail_msg("level %d, option %d: %d instead of %d", n->level, n->option,
				 option_of(world_fd(&w, (int)i + 3), n->level, sent_option(n)), n->expected);
	}
	world_end(&w);
}

static void make_forms(void)
{
	struct timeval time = { 3, 500000 };
	struct linger linger = { 1, 0 };
	struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	unsigned long rate = 1UL << 40;

	expect(socket(AF_INET, SOCK_STREAM, 0) == 3 && socket(AF_INET, SOCK_DGRAM, 0) == 4);
	expect(setsockopt(3, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0);
	expect(setsockopt(3, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	expect(setsockopt(3, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)) == 0);
	expect(setsockopt(4, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0);
	expect(setsockopt(4, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback)) == 0);
}

static void test_forms(void **state)
{
	struct world w;
	struct timeval time;
	struct linger linger;
	struct in_addr address;
	unsigned long rate;
	socklen_t len = sizeof(time);
	char name[16];

	(void)state;
	world_turn(&w, make_forms);
	assert_int_equal(getsockopt(world_fd(&w, 3), SOL_SOCKET, SO_RCVTIMEO, &time, &len), 0);
	assert_int_equal(time.tv_sec, 3);
	assert_int_equal(time.tv_usec, 500000);
	len = sizeof(linger);
	assert_int_equal(getsockopt(world_fd(&w, 3), SOL_SOCKET, SO_LINGER, &linger, &len), 0);
	assert_true(linger.l_onoff && linger.l_linger == 0);
	len = sizeof(rate);
	assert_int_equal(getsockopt(world_fd(&w, 3), SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len), 0);
	assert_int_equal(rate, 1UL << 40);
	len = sizeof(name);
	assert_int_equal(getsockopt(world_fd(&w, 4), SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
	assert_string_equal(name, "lo");
	len = sizeof(address);
	assert_int_equal(getsockopt(world_fd(&w, 4), IPPROTO_IP, IP_MULTICAST_IF, &address, &len), 0);
	assert_int_equal(ntohl(address.s_addr), INADDR_LOOPBACK);
	world_end(&w);
}

static void make_filter(void)
{
	/* Take nothing but datagrams of 10 bytes and more, with their headers of 8. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 18, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff), BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { ARRAY_SIZE(code), code };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int on = 1;

	expect(socket(AF_INET, SOCK_DGRAM, 0) == 3 && bind(3, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(getsockname(3, (struct sockaddr *)&a, &len) == 0);
	/* It waits already when the filter comes. */
	expect(socket(AF_INET, SOCK_DGRAM, 0) == 4 && sendto(4, "short", 5, 0, (struct sockaddr *)&a, len) == 5);
	expect(setsockopt(3, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	expect(setsockopt(3, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) == 0);
}

static void test_filter(void **state)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a), none = 0;
	struct world w;
	char buf[32];
	int three;

	(void)state;
	world_turn(&w, make_filter);
	three = world_fd(&w, 3);
	assert_int_equal(recv(three, buf, sizeof(buf), MSG_DONTWAIT), 5);
	assert_int_equal(getsockopt(three, SOL_SOCKET, SO_GET_FILTER, NULL, &none), 0);
	assert_int_equal(none, 4);
	assert_int_equal(setsockopt(three, SOL_SOCKET, SO_DETACH_FILTER, &len, sizeof(len)), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(getsockname(three, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(sendto(world_fd(&w, 4), "short", 5, 0, (struct sockaddr *)&a, len), 5);
	assert_int_equal(sendto(world_fd(&w, 4), "long enough", 11, 0, (struct sockaddr *)&a, len), 11);
	assert_int_equal(recv(three, buf, sizeof(buf), 0), 11);
	world_end(&w);
}

static void join(int fd, const char *text, const char *source)
{
	struct group_source_req req = { .gsr_interface = 1 };
	bool six = strchr(text, ':');

	req.gsr_group.ss_family = req.gsr_source.ss_family = six ? AF_INET6 : AF_INET;
	inet_pton(AF_INET, text, &((struct sockaddr_in *)&req.gsr_group)->sin_addr);
	inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&req.gsr_group)->sin6_addr);
	if (six)
		((struct sockaddr_in6 *)&req.gsr_group)->sin6_port = 0;
	else
		inet_pton(AF_INET, source ?: "0.0.0.0", &((struct sockaddr_in *)&req.gsr_source)->sin_addr);
	expect(setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, source ? MCAST_JOIN_SOURCE_GROUP : MCAST_JOIN_GROUP, &req,
			  source ? sizeof(req) : sizeof(struct group_req)) == 0);
}

static void make_groups(void)
{
	expect(socket(AF_INET, SOCK_DGRAM, 0) == 3 && socket(AF_INET6, SOCK_DGRAM, 0) == 4 && socket(AF_INET, SOCK_DGRAM, 0) == 5);
	join(3, "239.1.2.3", NULL);
	join(3, "232.1.1.1", "10.1.1.1");
	join(3, "232.1.1.1", "10.1.1.2");
	join(4, "ff15::77", NULL);
}

static int members(int fd, const char *text)
{
	_Alignas(struct group_filter) char space[4096] = { 0 };
	struct group_filter *f = (struct group_filter *)space;
	socklen_t len = sizeof(space);
	bool six = strchr(text, ':');

	f->gf_interface = 1;
	f->gf_numsrc = 8;
	f->gf_group.ss_family = six ? AF_INET6 : AF_INET;
	if (six)
		inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&f->gf_group)->sin6_addr);
	else
		inet_pton(AF_INET, text, &((struct sockaddr_in *)&f->gf_group)->sin_addr);
	if (getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_MSFILTER, f, &len) < 0)
		return -1;
	return (int)f->gf_numsrc + (f->gf_fmode == MCAST_EXCLUDE ? 100 : 0);
}

static void test_groups(void **state)
{
	struct world w;

	(void)state;
	world_turn(&w, make_groups);
	assert_int_equal(members(world_fd(&w, 3), "239.1.2.3"), 100);
	assert_int_equal(members(world_fd(&w, 3), "232.1.1.1"), 2);
	assert_int_equal(members(world_fd(&w, 4), "ff15::77"), 100);
	assert_int_equal(members(world_fd(&w, 5), "239.1.2.3"), -1);
	world_end(&w);
}

static struct sockaddr_in6 bound6(int fd, const char *address, int expected)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(a);

	inet_pton(AF_INET6, address, &a.sin6_addr);
	expect(fd == expected && bind(fd, (struct sockaddr *)&a, len) == 0);
	expect(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	return a;
}

/* 3: dual-stack, with datagrams from 4 (::1) and, closed since, one of IPv4; 5 is connected to 4, with one from it. */
static void make_datagrams(void)
{
	struct sockaddr_in6 a, b, c;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int ttl = 5, tos = 0x28, four, on = 1;
	char large[20000];

	a = bound6(socket(AF_INET6, SOCK_DGRAM, 0), "::", 3);
	b = bound6(socket(AF_INET6, SOCK_DGRAM, 0), "::1", 4);
	c = bound6(socket(AF_INET6, SOCK_DGRAM, 0), "::1", 5);
	expect(connect(5, (struct sockaddr *)&b, sizeof(b)) == 0 && connect(4, (struct sockaddr *)&c, sizeof(c)) == 0);
	inet_pton(AF_INET6, "::1", &a.sin6_addr);
	memset(large, 'L', sizeof(large));
	expect(sendto(4, "six", 3, 0, (struct sockaddr *)&a, sizeof(a)) == 3);
	expect(sendto(4, large, sizeof(large), 0, (struct sockaddr *)&a, sizeof(a)) == sizeof(large));
	four = socket(AF_INET, SOCK_DGRAM, 0);
	in.sin_port = a.sin6_port;
	expect(setsockopt(four, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) == 0);
	expect(setsockopt(four, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) == 0);
	expect(sendto(four, "4", 1, 0, (struct sockaddr *)&in, sizeof(in)) == 1 && close(four) == 0);
	expect(setsockopt(3, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)) == 0 && setsockopt(3, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) == 0);
	expect(send(4, "private", 7, 0) == 7);
}

/* A group is not one socket alone: it could be sent to more of them again. */
static void make_group_datagram(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xef010203) };
	struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	expect(socket(AF_INET, SOCK_DGRAM, 0) == 3);
	expect(bind(3, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(3, (struct sockaddr *)&a, &len) == 0);
	join(3, "239.1.2.3", NULL);
	expect(socket(AF_INET, SOCK_DGRAM, 0) == 4);
	expect(setsockopt(4, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof(loopback)) == 0);
	expect(sendto(4, "all", 3, 0, (struct sockaddr *)&a, sizeof(a)) == 3);
}

static void test_datagram_refused(void **state)
{
	(void)state;
	world_refused(make_group_datagram, "to 239.1.2.3 waits in it");
}

static void test_datagrams(void **state)
{
	static char buf[30000];
	_Alignas(struct cmsghdr) char control[256];
	struct sockaddr_in6 from, four;
	socklen_t len = sizeof(from);
	struct iovec io = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = sizeof(control) };
	int ttl = 0, tos = 0, three;
	struct world w;

	(void)state;
	world_turn(&w, make_datagrams);
	three = world_fd(&w, 3);
	assert_int_equal(getsockname(world_fd(&w, 4), (struct sockaddr *)&four, &len), 0);
	assert_int_equal(recvfrom(three, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len), 3);
	assert_memory_equal(&from, &four, sizeof(four));
	assert_int_equal(recv(three, buf, sizeof(buf), MSG_DONTWAIT), 20000);
	assert_true(buf[0] == 'L' && buf[19999] == 'L');
	assert_int_equal(recvmsg(three, &msg, MSG_DONTWAIT), 1);
	assert_true(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr) && from.sin6_addr.s6_addr[12] == 127);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		*(c->cmsg_type == IP_TTL ? &ttl : &tos) = *(uint8_t *)CMSG_DATA(c);
	assert_int_equal(ttl, 5);
	assert_int_equal(tos, 0x28);
	assert_int_equal(recv(three, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(recv(world_fd(&w, 5), buf, sizeof(buf), MSG_DONTWAIT), 7);
	assert_int_equal(option_of(three, SOL_SOCKET, SO_PEEK_OFF), -1);
	assert_int_equal(option_of(three, IPPROTO_IPV6, IPV6_RECVPKTINFO), 0);
	world_end(&w);
}

/* 3 was never connected, 4 is bound and has an end behind it, 5 is shut down. */
static void make_closed(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { 1, 0 };
	socklen_t len = sizeof(a);
	int server, other;
	char c;

	expect(socket(AF_INET, SOCK_STREAM, 0) == 3 && socket(AF_INET, SOCK_STREAM, 0) == 4 && socket(AF_INET6, SOCK_STREAM, 0) == 5);
	server = socket(AF_INET, SOCK_STREAM, 0);
	expect(bind(server, (struct sockaddr *)&a, len) == 0 && listen(server, 1) == 0);
	expect(getsockname(server, (struct sockaddr *)&a, &len) == 0 && connect(4, (struct sockaddr *)&a, len) == 0);
	other = accept(server, NULL, NULL);
	expect(setsockopt(other, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0 && close(other) == 0);
	expect(read(4, &c, 1) == -1 && errno == ECONNRESET && close(server) == 0);
	expect(shutdown(5, SHUT_RDWR) == -1);
}

static void test_closed(void **state)
{
	struct world w;
	char c;

	(void)state;
	world_turn(&w, make_closed);
	assert_int_equal(read(world_fd(&w, 3), &c, 1), -1);
	assert_int_equal(errno, ENOTCONN);
	assert_int_equal(read(world_fd(&w, 4), &c, 1), 0);
	assert_int_equal(send(world_fd(&w, 4), "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(read(world_fd(&w, 5), &c, 1), 0);
	world_end(&w);
}

/* 3: ICMP with a filter, connected; 4: IPv6 with a checksum, bound; 5: headers of its own */
static void make_raw(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 b = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	uint32_t filter = 0xfffffffe;
	int at = 2;

	expect(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) == 3 && socket(AF_INET6, SOCK_RAW, 253) == 4);
	expect(socket(AF_INET, SOCK_RAW, IPPROTO_RAW) == 5);
	expect(setsockopt(3, SOL_RAW, 1, &filter, sizeof(filter)) == 0 && connect(3, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(setsockopt(4, IPPROTO_IPV6, IPV6_CHECKSUM, &at, sizeof(at)) == 0 && bind(4, (struct sockaddr *)&b, sizeof(b)) == 0);
}

static void test_raw(void **state)
{
	/* An echo request. */
	const char request[8] = { 8, 0, (char)0xf7, (char)0xff };
	struct sockaddr_in6 b;
	socklen_t len = sizeof(b);
	struct world w;

	(void)state;
	world_turn(&w, make_raw);
	assert_int_equal((uint32_t)option_of(world_fd(&w, 3), SOL_RAW, 1), 0xfffffffe);
	assert_int_equal(send(world_fd(&w, 3), request, sizeof(request), 0), 8);
	assert_int_equal(option_of(world_fd(&w, 4), IPPROTO_IPV6, IPV6_CHECKSUM), 2);
	assert_int_equal(getsockname(world_fd(&w, 4), (struct sockaddr *)&b, &len), 0);
	assert_true(IN6_IS_ADDR_LOOPBACK(&b.sin6_addr));
	assert_int_equal(option_of(world_fd(&w, 5), SOL_SOCKET, SO_PROTOCOL), IPPROTO_RAW);
	assert_int_equal(option_of(world_fd(&w, 5), IPPROTO_IP, IP_HDRINCL), 1);
	world_end(&w);
}

/* 3: of rtnetlink with an address and groups, 4: new; 5: of a protocol with states that nothing tells */
static void make_netlink(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_pid = 0x7ace, .nl_groups = RTMGRP_LINK };
	int group = 33, on = 1;

	expect(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) == 3 && socket(AF_NETLINK, SOCK_DGRAM, NETLINK_GENERIC) == 4);
	expect(bind(3, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(setsockopt(3, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0);
	expect(setsockopt(3, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) == 0);
}

static void test_netlink(void **state)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = { { sizeof(ask), RTM_GETLINK, NLM_F_REQUEST, 1, 0 }, { .ifi_index = 1 } };
	char answer[8192];
	struct sockaddr_nl a;
	socklen_t len = sizeof(a);
	uint32_t groups[8] = { 0 };
	struct world w;

	(void)state;
	world_turn(&w, make_netlink);
	assert_int_equal(getsockname(world_fd(&w, 3), (struct sockaddr *)&a, &len), 0);
	assert_int_equal(a.nl_pid, 0x7ace);
	assert_int_equal(a.nl_groups, RTMGRP_LINK);
	len = sizeof(groups);
	assert_int_equal(getsockopt(world_fd(&w, 3), SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len), 0);
	assert_int_equal(groups[1], 1);
	assert_int_equal(option_of(world_fd(&w, 3), SOL_NETLINK, NETLINK_EXT_ACK), 1);
	assert_int_equal(send(world_fd(&w, 3), &ask, sizeof(ask), 0), sizeof(ask));
	assert_true(recv(world_fd(&w, 3), answer, sizeof(answer), MSG_DONTWAIT) > 0);
	assert_int_equal(((struct nlmsghdr *)(void *)answer)->nlmsg_type, RTM_NEWLINK);
	assert_int_equal(option_of(world_fd(&w, 4), SOL_SOCKET, SO_PROTOCOL), NETLINK_GENERIC);
	world_end(&w);
}

static void make_netlink_waiting(void)
{
	struct nlmsghdr ask = { sizeof(ask), NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 1, 0 };

	expect(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) == 3 && send(3, &ask, sizeof(ask), 0) == sizeof(ask));
}

static void make_netlink_netfilter(void)
{
	expect(socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK) == 3 && socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT) == 4);
}

static void test_netlink_refused(void **state)
{
	(void)state;
	world_refused(make_netlink_waiting, "waits in it");
	world_refused(make_netlink_netfilter, "nothing tells what the kernel keeps");
}

/* 3: all of ARP on lo, which is promiscuous twice; 4: new */
static void make_packet(void)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = 1 };
	struct packet_mreq req = { .mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC };
	int on = 1;

	expect(socket(AF_PACKET, SOCK_DGRAM, 0) == 3 && socket(AF_PACKET, SOCK_RAW, 0) == 4);
	expect(setsockopt(3, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) == 0);
	expect(setsockopt(3, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)) == 0);
	expect(setsockopt(3, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &req, sizeof(req)) == 0);
	expect(bind(3, (struct sockaddr *)&a, sizeof(a)) == 0);
}

static void test_packet(void **state)
{
	struct packet_mreq req = { .mr_ifindex = 1, .mr_type = PACKET_MR_PROMISC };
	struct sockaddr_ll a;
	socklen_t len = sizeof(a);
	struct world w;

	(void)state;
	world_turn(&w, make_packet);
	assert_int_equal(getsockname(world_fd(&w, 3), (struct sockaddr *)&a, &len), 0);
	assert_int_equal(a.sll_protocol, htons(ETH_P_ARP));
	assert_int_equal(a.sll_ifindex, 1);
	assert_int_equal(option_of(world_fd(&w, 3), SOL_PACKET, PACKET_AUXDATA), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(setsockopt(world_fd(&w, 3), SOL_PACKET, PACKET_DROP_MEMBERSHIP, &req, sizeof(req)), 0);
	assert_int_equal(getsockname(world_fd(&w, 4), (struct sockaddr *)&a, &len), 0);
	assert_int_equal(a.sll_protocol, 0);
	world_end(&w);
}

static size_t column_offset(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->nr_columns; i++)
		if (strcmp(t->columns[i].name, name) == 0)
			return t->columns[i].offset;
	fail_msg("table %s has no column %s", t->name, name);
	return 0;
}

static void spoil(struct world *w, void (*make)(void), const char *table, const char *column, char *text)
{
	const struct table *t;
	size_t nr;
	char *row;

	world_begin(w, make);
	assert_int_equal(world_save(w), 0);
	t = image_table(w->save.img, table);
	assert_non_null(t);
	row = image_rows(w->save.img, t, &nr);
	assert_true(nr > 0);
	memcpy(row + column_offset(t, column), &text, sizeof(text));
	assert_int_equal(world_restore(w), -EBADMSG);
	world_end(w);
}

/* What a catalog says is refused before anything is made. */
static void test_nonsense(void **state)
{
	static const struct {
		void (*make)(void);
		const char *table, *column, *text;
	} cases[] = {
		{ make_forms, "socket_option", "name", "SO_NOTHING" }, { make_forms, "socket_option", "text", "lo" },
		{ make_groups, "socket_group", "address", "here" }, { make_groups, "socket_source", "source", "1.2.3" },
		{ make_datagrams, "udp_message", "source", "::g" }, { make_datagrams, "udp_message", "destination", "x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world w;

		spoil(&w, cases[i].make, cases[i].table, cases[i].column, (char *)(uintptr_t)cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_forms), cmocka_unit_test(test_filter),
		cmocka_unit_test(test_groups), cmocka_unit_test(test_datagrams), cmocka_unit_test(test_datagram_refused), cmocka_unit_test(test_closed),
		cmocka_unit_test(test_raw), cmocka_unit_test(test_netlink), cmocka_unit_test(test_netlink_refused),
		cmocka_unit_test(test_packet), cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
