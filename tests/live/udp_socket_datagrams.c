// SPDX-License-Identifier: GPL-2.0-only
/*
 * What waits in UDP sockets comes as it was: from whom, to which address, with TTL and TOS; over IPv4 and IPv6, to
 * sockets that are connected or not, and past a filter that was attached later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "live.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int bound(int family, const char *address, union address *ret)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	ret->any.sa_family = (sa_family_t)family;
	inet_pton(family, address, family == AF_INET6 ? (void *)&ret->in6.sin6_addr : &ret->in.sin_addr);
	live_check(fd >= 0 && bind(fd, &ret->any, family == AF_INET6 ? sizeof(ret->in6) : sizeof(ret->in)) == 0);
	live_check(getsockname(fd, &ret->any, &len) == 0);
	return fd;
}

static void send_to(int fd, const char *text, const union address *to, int ttl, int tos)
{
	socklen_t len = to->any.sa_family == AF_INET6 ? sizeof(to->in6) : sizeof(to->in);
	bool six = to->any.sa_family == AF_INET6;

	live_check(setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_UNICAST_HOPS : IP_TTL, &ttl, sizeof(ttl)) == 0);
	live_check(setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos)) == 0);
	live_check(sendto(fd, text, strlen(text), 0, &to->any, len) == (ssize_t)strlen(text));
}

/* The port that it comes from is returned. */
static int expect(int fd, const char *text, const char *to, int ttl, int tos)
{
	_Alignas(struct cmsghdr) char control[512];
	char buf[128], got[INET6_ADDRSTRLEN] = "";
	union address from;
	struct iovec io = { buf, sizeof(buf) };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int got_ttl = -1, got_tos = -1;

	live_check(recvmsg(fd, &msg, 0) == (ssize_t)strlen(text) && memcmp(buf, text, strlen(text)) == 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		const void *data = CMSG_DATA(c);

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			inet_ntop(AF_INET, &((const struct in_pktinfo *)data)->ipi_addr, got, sizeof(got));
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			inet_ntop(AF_INET6, &((const struct in6_pktinfo *)data)->ipi6_addr, got, sizeof(got));
		else if (c->cmsg_type == IP_TTL || c->cmsg_type == IPV6_HOPLIMIT)
			got_ttl = *(const int *)data;
		else
			got_tos = *(const uint8_t *)data;
	}
	if (strcmp(got, to) != 0 || got_ttl != ttl || got_tos != tos)
		live_fail("%s was sent to %s with TTL %d, TOS %#x", text, got, got_ttl, got_tos);
	return ntohs(from.any.sa_family == AF_INET6 ? from.in6.sin6_port : from.in.sin_port);
}

static void ask_all(int fd, bool six)
{
	int on = 1;

	live_check(setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on)) == 0);
	live_check(setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof(on)) == 0);
	live_check(setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_RECVTCLASS : IP_RECVTOS, &on, sizeof(on)) == 0);
}

int main(int argc, char **argv)
{
	/* Only what is at least 12 bytes long, with 8 of header. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 20, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff), BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { 4, code };
	union address any, sender, connected, six, six_sender, to;
	int receiver, from, closed, closed_port, one, v6 = -1, from6 = -1, on = 1;
	socklen_t len = sizeof(to), none = 0;
	char buf[32];

	live_setup(argc, argv);
	live_lo_up();
	receiver = bound(AF_INET, "0.0.0.0", &any);
	from = bound(AF_INET, "127.0.0.1", &sender);
	closed = bound(AF_INET, "127.0.0.9", &to);
	closed_port = ntohs(to.in.sin_port);
	one = bound(AF_INET, "127.0.0.1", &connected);
	ask_all(receiver, false);
	to = any;
	to.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 4);
	send_to(from, "first", &to, 7, 0x10);
	to.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	send_to(closed, "second", &to, 64, 0);
	live_check(close(closed) == 0);
	live_check(connect(one, &sender.any, sizeof(sender.in)) == 0);
	send_to(from, "connected", &connected, 64, 0);
	live_check(setsockopt(receiver, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0);
	live_check(setsockopt(receiver, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) == 0);
	if (socket(AF_INET6, SOCK_DGRAM, 0) >= 0) {
		v6 = bound(AF_INET6, "::1", &six);
		from6 = bound(AF_INET6, "::1", &six_sender);
		ask_all(v6, true);
		send_to(from6, "third", &six, 9, 0x20);
	}
	live_ready();

	live_check(expect(receiver, "first", "127.0.0.5", 7, 0x10) == ntohs(sender.in.sin_port));
	live_check(expect(receiver, "second", "127.0.0.1", 64, 0) == closed_port);
	live_check(recv(receiver, buf, sizeof(buf), 0) == -1 && errno == EAGAIN);
	live_check(getsockopt(receiver, SOL_SOCKET, SO_GET_FILTER, NULL, &none) == 0 && none == 4);
	live_check(setsockopt(receiver, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)) == -1 && errno == EPERM);
	send_to(from, "too short", &to, 64, 0);
	send_to(from, "long enough!", &to, 64, 0);
	live_check(expect(receiver, "long enough!", "127.0.0.1", 64, 0) == ntohs(sender.in.sin_port));
	live_check(recv(one, buf, sizeof(buf), 0) == 9 && send(one, "back", 4, 0) == 4);
	live_check(recvfrom(from, buf, sizeof(buf), 0, &to.any, &len) == 4 && to.in.sin_port == connected.in.sin_port);
	if (v6 >= 0)
		live_check(expect(v6, "third", "::1", 9, 0x20) == ntohs(six_sender.in6.sin6_port));
	live_pass();
}
