// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names stay what they were: of sockets whose file was removed, replaced or moved, of those bound in another
 * directory, and of ends that are closed, as their other ends know them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "live.h"

static struct sockaddr_un path_of(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/live-names.%d/%s", getpid(), name);
	return a;
}

static int bound(int type, const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, type, 0);

	live_check(fd >= 0 && bind(fd, (const struct sockaddr *)a, sizeof(*a)) == 0);
	live_check(type == SOCK_DGRAM || listen(fd, 3) == 0);
	return fd;
}

static void expect_name(int fd, int (*get)(int, struct sockaddr *, socklen_t *), const char *name)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof(a);

	live_check(get(fd, (struct sockaddr *)&a, &len) == 0);
	if (strcmp(a.sun_path, name) != 0)
		live_fail("the name is %s, not %s", a.sun_path, name);
}

static int connected(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	live_check(fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0);
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_un twice = path_of("twice"), temporary = path_of("moved.new"), moved = path_of("moved");
	struct sockaddr_un gone = path_of("gone"), relative = { .sun_family = AF_UNIX, .sun_path = "relative" }, there;
	struct sockaddr_un peer = path_of("peer");
	int removed, again, old_served, old_client, by_move, by_relative, client, served, orphan, pair[2], accepted;
	char buf[16], dir[108];
	struct stat st;

	live_setup(argc, argv);
	snprintf(dir, sizeof(dir), "/tmp/live-names.%d", getpid());
	live_check(mkdir(dir, 0755) == 0 || errno == EEXIST);
	unlink(twice.sun_path);
	unlink(moved.sun_path);
	/* A server was replaced by one at the same path, and has a connection left. */
	removed = bound(SOCK_STREAM, &twice);
	old_client = connected(&twice);
	old_served = accept(removed, NULL, NULL);
	live_check(old_served >= 0 && unlink(twice.sun_path) == 0);
	again = bound(SOCK_STREAM, &twice);
	by_move = bound(SOCK_STREAM, &temporary);
	live_check(rename(temporary.sun_path, moved.sun_path) == 0 && chmod(moved.sun_path, 0640) == 0);
	live_check(chdir(dir) == 0);
	unlink("relative");
	by_relative = bound(SOCK_STREAM, &relative);
	live_check(chdir("/") == 0);
	/* The server is closed, and so is the end that it accepted. */
	served = bound(SOCK_STREAM, &gone);
	client = connected(&gone);
	accepted = accept(served, NULL, NULL);
	live_check(accepted >= 0 && write(accepted, "last", 4) == 4 && close(accepted) == 0 && close(served) == 0);
	live_check(unlink(gone.sun_path) == 0);
	/* Of a pair of datagram sockets the named one is closed. */
	live_check(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	live_check(bind(pair[1], (struct sockaddr *)&peer, sizeof(peer)) == 0 && unlink(peer.sun_path) == 0);
	live_check(write(pair[1], "bye", 3) == 3 && close(pair[1]) == 0);
	orphan = pair[0];
	live_ready();

	expect_name(removed, getsockname, twice.sun_path);
	expect_name(old_served, getsockname, twice.sun_path);
	expect_name(old_client, getpeername, twice.sun_path);
	live_check(write(old_client, "x", 1) == 1 && read(old_served, buf, sizeof(buf)) == 1);
	expect_name(again, getsockname, twice.sun_path);
	live_check(fcntl(removed, F_SETFL, O_NONBLOCK) == 0);
	live_check(connected(&twice) >= 0 && accept(removed, NULL, NULL) == -1 && accept(again, NULL, NULL) >= 0);
	expect_name(by_move, getsockname, temporary.sun_path);
	live_check(access(temporary.sun_path, F_OK) == -1 && stat(moved.sun_path, &st) == 0 && (st.st_mode & 0777) == 0640);
	live_check(connected(&moved) >= 0 && accept(by_move, NULL, NULL) >= 0);
	expect_name(by_relative, getsockname, "relative");
	there = path_of("relative");
	live_check(connected(&there) >= 0 && accept(by_relative, NULL, NULL) >= 0);
	expect_name(client, getpeername, gone.sun_path);
	live_check(access(gone.sun_path, F_OK) == -1);
	live_check(read(client, buf, sizeof(buf)) == 4 && read(client, buf, sizeof(buf)) == 0);
	live_check(send(client, "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	expect_name(orphan, getpeername, peer.sun_path);
	live_check(read(orphan, buf, sizeof(buf)) == 3);
	live_check(write(orphan, "x", 1) == -1 && errno == ECONNREFUSED);
	live_pass();
}
