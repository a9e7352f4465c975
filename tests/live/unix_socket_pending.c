// SPDX-License-Identifier: GPL-2.0-only
/* Connections that nobody has accepted yet are accepted later, each in its turn; their clients wait for an answer. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static struct sockaddr_un path = { .sun_family = AF_UNIX }, own = { .sun_family = AF_UNIX };

static int client(int type)
{
	int fd = socket(AF_UNIX, type, 0);

	live_check(fd >= 0);
	return fd;
}

int main(int argc, char **argv)
{
	int stream, packet, first, second, third, accepted, up[2], status;
	struct sockaddr_un name = { .sun_family = AF_UNIX }, got;
	socklen_t len = sizeof(got), name_len;
	char buf[16];
	pid_t child;

	live_setup(argc, argv);
	snprintf(path.sun_path, sizeof(path.sun_path), "/tmp/live-pending.%d", getpid());
	snprintf(own.sun_path, sizeof(own.sun_path), "/tmp/live-pending-client.%d", getpid());
	name_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			       (size_t)snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "live-pending.%d", getpid()));
	unlink(path.sun_path);
	unlink(own.sun_path);
	stream = client(SOCK_STREAM);
	packet = client(SOCK_SEQPACKET);
	live_check(bind(stream, (struct sockaddr *)&path, sizeof(path)) == 0 && listen(stream, 8) == 0);
	live_check(bind(packet, (struct sockaddr *)&name, name_len) == 0 && listen(packet, 8) == 0 && pipe(up) == 0);
	first = client(SOCK_STREAM);
	live_check(bind(first, (struct sockaddr *)&own, sizeof(own)) == 0);
	live_check(connect(first, (struct sockaddr *)&path, sizeof(path)) == 0);
	child = fork();
	live_check(child >= 0);
	if (child == 0) {
		second = client(SOCK_STREAM);
		live_check(connect(second, (struct sockaddr *)&path, sizeof(path)) == 0 && write(up[1], "", 1) == 1);
		live_check(read(second, buf, sizeof(buf)) == 6 && memcmp(buf, "second", 6) == 0);
		_exit(0);
	}
	live_check(read(up[0], buf, 1) == 1);
	third = client(SOCK_SEQPACKET);
	live_check(connect(third, (struct sockaddr *)&name, name_len) == 0 && shutdown(third, SHUT_WR) == 0);
	/* The backlog is less than what waits by now. */
	live_check(listen(stream, 0) == 0);
	live_ready();

	live_check(write(first, "early", 5) == 5);
	accepted = accept(stream, (struct sockaddr *)&got, &len);
	live_check(accepted >= 0 && strcmp(got.sun_path, own.sun_path) == 0);
	live_check(read(accepted, buf, sizeof(buf)) == 5 && write(accepted, "first", 5) == 5);
	live_check(read(first, buf, sizeof(buf)) == 5 && memcmp(buf, "first", 5) == 0);
	accepted = accept(stream, NULL, NULL);
	live_check(accepted >= 0 && write(accepted, "second", 6) == 6);
	live_check(waitpid(child, &status, 0) == child && status == 0);
	live_check(read(accepted, buf, 1) == 0);
	accepted = accept(packet, NULL, NULL);
	live_check(accepted >= 0 && read(accepted, buf, sizeof(buf)) == 0 && write(accepted, "third", 5) == 5);
	live_check(read(third, buf, sizeof(buf)) == 5);
	len = sizeof(got);
	live_check(getpeername(third, (struct sockaddr *)&got, &len) == 0 && len == name_len);
	live_check(memcmp(&got, &name, name_len) == 0 && access(path.sun_path, F_OK) == 0);
	/* One more fits in, not two. */
	live_check(fcntl(stream, F_SETFL, O_NONBLOCK) == 0 && accept(stream, NULL, NULL) == -1 && errno == EAGAIN);
	live_check(connect(client(SOCK_STREAM), (struct sockaddr *)&path, sizeof(path)) == 0);
	live_check(connect(client(SOCK_STREAM | SOCK_NONBLOCK), (struct sockaddr *)&path, sizeof(path)) == -1);
	live_check(errno == EAGAIN);
	live_pass();
}
