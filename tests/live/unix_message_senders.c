// SPDX-License-Identifier: GPL-2.0-only
/* Datagrams wait with their senders' names, also of sockets that are closed; their receiver is connected to another. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "live.h"

#define HEAD offsetof(struct sockaddr_un, sun_path)

static struct sockaddr_un name_of(const char *fmt)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path + (*fmt != '/'), sizeof(a.sun_path) - 1, "%s.%d", fmt, getpid());
	return a;
}

static socklen_t length(const struct sockaddr_un *a)
{
	return (socklen_t)(HEAD + 1 + strlen(a->sun_path + 1));
}

static int bound(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (a && a->sun_path[0])
		unlink(a->sun_path);
	live_check(fd >= 0 && (!a || bind(fd, (const struct sockaddr *)a, length(a)) == 0));
	return fd;
}

static void expect_from(int fd, const char *text, const struct sockaddr_un *from)
{
	struct sockaddr_un got = { 0 };
	socklen_t len = sizeof(got), want = from ? length(from) : 0;
	char buf[64];

	live_check(recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&got, &len) == (ssize_t)strlen(text));
	live_check(memcmp(buf, text, strlen(text)) == 0);
	if (from)	/* the kernel counts the zero behind a path */
		live_check(len >= want && len <= want + 1 && memcmp(&got, from, want) == 0);
	else
		live_check(len <= HEAD);
}

static void send_to(int fd, const char *text, const struct sockaddr_un *to)
{
	live_check(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)to, length(to)) == (ssize_t)strlen(text));
}

int main(int argc, char **argv)
{
	struct sockaddr_un server = name_of("/tmp/live-server"), closed = name_of("/tmp/live-closed"), automatic;
	struct sockaddr_un hidden = name_of("live-hidden"), client = name_of("live-client"), none = { .sun_family = AF_UNIX };
	int receiver, by_path, by_name, unnamed, autobound, one_way, pair[2];
	socklen_t len = sizeof(automatic);
	char buf[16];

	live_setup(argc, argv);
	receiver = bound(&server);
	by_path = bound(&closed);
	by_name = bound(&hidden);
	one_way = bound(&client);
	unnamed = bound(NULL);
	autobound = bound(NULL);
	live_check(bind(autobound, (struct sockaddr *)&none, sizeof(none.sun_family)) == 0);
	live_check(getsockname(autobound, (struct sockaddr *)&automatic, &len) == 0 && len == HEAD + 6);
	send_to(by_path, "path", &server);
	send_to(by_name, "name", &server);
	send_to(unnamed, "unnamed", &server);
	send_to(autobound, "automatic", &server);
	send_to(receiver, "own", &server);
	live_check(close(by_path) == 0 && close(by_name) == 0 && unlink(closed.sun_path) == 0);
	live_check(connect(one_way, (struct sockaddr *)&server, length(&server)) == 0 && write(one_way, "1", 1) == 1);
	live_check(connect(receiver, (struct sockaddr *)&automatic, len) == 0);
	live_check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
	live_check(write(pair[0], "abc", 3) == 3 && write(pair[0], "de", 2) == 2 && write(pair[1], "f", 1) == 1);
	live_check(shutdown(pair[1], SHUT_WR) == 0);
	live_ready();

	expect_from(receiver, "path", &closed);
	expect_from(receiver, "name", &hidden);
	expect_from(receiver, "unnamed", NULL);
	automatic.sun_path[6] = 0;
	expect_from(receiver, "automatic", &automatic);
	expect_from(receiver, "own", &server);
	expect_from(receiver, "1", &client);
	live_check(recv(receiver, buf, sizeof(buf), 0) == -1 && errno == EAGAIN);
	live_check(access(closed.sun_path, F_OK) == -1);
	/* It takes datagrams from the one that it is connected to, and from nobody else. */
	live_check(write(one_way, "2", 1) == -1 && errno == EPERM);
	live_check(write(receiver, "answer", 6) == 6);
	expect_from(autobound, "answer", &server);
	send_to(autobound, "back", &server);
	expect_from(receiver, "back", &automatic);
	live_check(read(pair[1], buf, sizeof(buf)) == 3 && read(pair[1], buf, sizeof(buf)) == 2);
	live_check(read(pair[0], buf, sizeof(buf)) == 1 && send(pair[1], "g", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	live_check(write(pair[0], "h", 1) == 1 && read(pair[1], buf, sizeof(buf)) == 1);
	live_pass();
}
