// SPDX-License-Identifier: GPL-2.0-only
/* A server at a path and one at an abstract name take connections; a client that was connected still is. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "live.h"

static struct sockaddr_un path = { .sun_family = AF_UNIX }, name = { .sun_family = AF_UNIX };
static socklen_t name_len;

static int client_of(const struct sockaddr_un *to, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	live_check(fd >= 0 && connect(fd, (const struct sockaddr *)to, len) == 0);
	return fd;
}

int main(int argc, char **argv)
{
	int server, hidden, client, served, late, accepted;
	struct sockaddr_un got;
	socklen_t len = sizeof(got);
	struct stat st;
	char buf[16];

	live_setup(argc, argv);
	/* The directory of the test can be too deep for a socket's name. */
	snprintf(path.sun_path, sizeof(path.sun_path), "/tmp/live-listen.%d", getpid());
	name_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			       (size_t)snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "live-listen.%d", getpid()));
	unlink(path.sun_path);	/* of an earlier run */
	server = socket(AF_UNIX, SOCK_STREAM, 0);
	hidden = socket(AF_UNIX, SOCK_STREAM, 0);
	live_check(bind(server, (struct sockaddr *)&path, sizeof(path)) == 0 && listen(server, 5) == 0);
	live_check(chmod(path.sun_path, 0600) == 0);
	live_check(bind(hidden, (struct sockaddr *)&name, name_len) == 0 && listen(hidden, 5) == 0);
	client = client_of(&path, sizeof(path));
	served = accept(server, NULL, NULL);
	live_check(served >= 0 && write(client, "asked", 5) == 5);
	live_ready();

	live_check(stat(path.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0600);
	live_check(read(served, buf, sizeof(buf)) == 5 && write(served, "told", 4) == 4 && read(client, buf, 8) == 4);
	live_check(getpeername(client, (struct sockaddr *)&got, &len) == 0 && strcmp(got.sun_path, path.sun_path) == 0);
	late = client_of(&path, sizeof(path));
	accepted = accept(server, NULL, NULL);
	live_check(accepted >= 0 && write(late, "hi", 2) == 2 && read(accepted, buf, sizeof(buf)) == 2);
	late = client_of(&name, name_len);
	live_check(accept(hidden, NULL, NULL) >= 0 && close(late) == 0);
	live_pass();
}
