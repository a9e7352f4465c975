// SPDX-License-Identifier: GPL-2.0-only
/* TCP servers listen again at their ports with their options, and take connections. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "live.h"

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	live_check(getsockopt(fd, level, name, &v, &len) == 0);
	return v;
}

static void set(int fd, int level, int name, int v)
{
	live_check(setsockopt(fd, level, name, &v, sizeof(v)) == 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_any };
	int v4, v6, bound, client, served;
	socklen_t len = sizeof(in);
	char c;

	live_setup(argc, argv);
	live_lo_up();
	v4 = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	set(v4, SOL_SOCKET, SO_REUSEADDR, 1);
	set(v4, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(v4, IPPROTO_TCP, TCP_KEEPIDLE, 77);
	set(v4, IPPROTO_TCP, TCP_NODELAY, 1);
	set(v4, SOL_SOCKET, SO_RCVBUF, 50000);
	live_check(bind(v4, (struct sockaddr *)&in, sizeof(in)) == 0 && listen(v4, 33) == 0);
	live_check(getsockname(v4, (struct sockaddr *)&in, &len) == 0);
	bound = socket(AF_INET, SOCK_STREAM, 0);
	live_check(bound >= 0);
	v6 = socket(AF_INET6, SOCK_STREAM, 0);
	if (v6 >= 0) {
		set(v6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		in6.sin6_port = in.sin_port;
		live_check(bind(v6, (struct sockaddr *)&in6, sizeof(in6)) == 0 && listen(v6, 1) == 0);
	}
	live_ready();

	live_check(option(v4, SOL_SOCKET, SO_REUSEADDR) == 1 && option(v4, SOL_SOCKET, SO_KEEPALIVE) == 1);
	live_check(option(v4, IPPROTO_TCP, TCP_KEEPIDLE) == 77 && option(v4, IPPROTO_TCP, TCP_NODELAY) == 1);
	live_check(option(v4, SOL_SOCKET, SO_RCVBUF) == 100000 && option(v4, SOL_SOCKET, SO_ACCEPTCONN) == 1);
	live_check(option(bound, SOL_SOCKET, SO_REUSEADDR) == 0 && option(bound, SOL_SOCKET, SO_ACCEPTCONN) == 0);
	if (v6 >= 0)
		live_check(option(v6, IPPROTO_IPV6, IPV6_V6ONLY) == 1 && option(v6, SOL_SOCKET, SO_ACCEPTCONN) == 1);
	client = socket(AF_INET, SOCK_STREAM, 0);
	live_check(connect(client, (struct sockaddr *)&in, sizeof(in)) == 0);
	served = accept(v4, NULL, NULL);
	live_check(served >= 0 && write(client, "x", 1) == 1 && read(served, &c, 1) == 1 && c == 'x');
	live_pass();
}
