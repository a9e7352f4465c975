// SPDX-License-Identifier: GPL-2.0-only
/* Raw sockets, with an ICMP filter and connected, of IPv6 with a checksum; a ping socket keeps its identifier. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "live.h"

#define SOL_RAW_ 255
#define ICMP_FILTER_ 1

int main(int argc, char **argv)
{
	/* An echo request, number 1; the kernel answers, and puts the checksum of ping sockets itself. */
	unsigned char request[8] = { 8, 0, 0xf7, 0xfe, 0, 0, 0, 1 }, answer[128];
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, id = a;
	struct sockaddr_in6 b = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	unsigned int filter = ~1U, only = 0;	/* answers to echo alone */
	int raw, six, ping, at = 2, got = 0;
	socklen_t len = sizeof(id);

	live_setup(argc, argv);
	live_needs_host("raw sockets in the host's network are for its root");
	live_lo_up();
	raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	live_check(raw >= 0 && setsockopt(raw, SOL_RAW_, ICMP_FILTER_, &filter, sizeof(filter)) == 0);
	live_check(connect(raw, (struct sockaddr *)&a, sizeof(a)) == 0);
	six = socket(AF_INET6, SOCK_RAW, 253);
	live_check(six >= 0 && setsockopt(six, IPPROTO_IPV6, IPV6_CHECKSUM, &at, sizeof(at)) == 0);
	live_check(bind(six, (struct sockaddr *)&b, sizeof(b)) == 0);
	ping = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	if (ping >= 0) {
		id.sin_port = htons(4321);
		live_check(bind(ping, (struct sockaddr *)&id, sizeof(id)) == 0);
	}
	live_ready();

	len = sizeof(only);
	live_check(getsockopt(raw, SOL_RAW_, ICMP_FILTER_, &only, &len) == 0 && only == filter);
	live_check(send(raw, request, sizeof(request), 0) == 8);
	len = sizeof(got);
	live_check(recv(raw, answer, sizeof(answer), 0) == 28 && answer[20] == 0 && answer[27] == 1);
	live_check(recv(raw, answer, sizeof(answer), MSG_DONTWAIT) == -1 && errno == EAGAIN);
	live_check(getsockopt(six, IPPROTO_IPV6, IPV6_CHECKSUM, &got, &len) == 0 && got == 2);
	len = sizeof(b);
	live_check(getsockname(six, (struct sockaddr *)&b, &len) == 0 && IN6_IS_ADDR_LOOPBACK(&b.sin6_addr));
	if (ping >= 0) {
		len = sizeof(id);
		live_check(getsockname(ping, (struct sockaddr *)&id, &len) == 0 && ntohs(id.sin_port) == 4321);
		live_check(sendto(ping, request, sizeof(request), 0, (struct sockaddr *)&a, sizeof(a)) == 8);
		live_check(recv(ping, answer, sizeof(answer), 0) == 8 && answer[0] == 0);
		live_check((answer[4] << 8 | answer[5]) == 4321);
	}
	live_pass();
}
