// SPDX-License-Identifier: GPL-2.0-only
/* What was sent through a connection that nobody has accepted can't be looked at: refused by name, and it goes on. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int server, client, accepted;
	socklen_t len;
	char buf[16];

	live_setup(argc, argv);
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			  (size_t)snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "live-early.%d", getpid()));
	server = socket(AF_UNIX, SOCK_STREAM, 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	live_check(bind(server, (struct sockaddr *)&name, len) == 0 && listen(server, 1) == 0);
	live_check(connect(client, (struct sockaddr *)&name, len) == 0 && write(client, "early", 5) == 5);
	live_refused("it has sent something through a connection that waits to be accepted");
	live_ready();

	accepted = accept(server, NULL, NULL);
	live_check(accepted >= 0 && read(accepted, buf, sizeof(buf)) == 5 && memcmp(buf, "early", 5) == 0);
	live_pass();
}
