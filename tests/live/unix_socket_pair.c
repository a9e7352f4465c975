// SPDX-License-Identifier: GPL-2.0-only
/* Socket pairs keep what waits in them, message by message, and what is shut down. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int stream[2], packet[2], with_child[2], orphan[2], status, size;
	socklen_t len = sizeof(size);
	char buf[64];
	pid_t child;

	live_setup(argc, argv);
	live_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stream) == 0);
	live_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, packet) == 0);
	live_check(socketpair(AF_UNIX, SOCK_STREAM, 0, with_child) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, orphan) == 0);
	size = 20000;
	live_check(setsockopt(stream[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) == 0);
	live_check(write(stream[0], "there", 5) == 5 && write(stream[1], "back", 4) == 4);
	live_check(write(packet[0], "a", 1) == 1 && write(packet[0], "bc", 2) == 2 && shutdown(packet[0], SHUT_WR) == 0);
	live_check(write(orphan[1], "bye", 3) == 3 && close(orphan[1]) == 0);
	child = fork();
	live_check(child >= 0);
	if (child == 0) {
		close(with_child[0]);
		while (read(with_child[1], buf, 1) == 1)
			if (write(with_child[1], buf, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(with_child[1]);
	live_ready();

	live_check(getsockopt(stream[0], SOL_SOCKET, SO_RCVBUF, &size, &len) == 0 && size == 40000);
	live_check(read(stream[1], buf, sizeof(buf)) == 5 && memcmp(buf, "there", 5) == 0);
	live_check(read(stream[0], buf, sizeof(buf)) == 4 && memcmp(buf, "back", 4) == 0);
	live_check(read(stream[0], buf, sizeof(buf)) == -1 && errno == EAGAIN);
	live_check(read(packet[1], buf, sizeof(buf)) == 1 && read(packet[1], buf, sizeof(buf)) == 2);
	live_check(read(packet[1], buf, sizeof(buf)) == 0);
	live_check(send(packet[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	live_check(read(orphan[0], buf, sizeof(buf)) == 3 && read(orphan[0], buf, sizeof(buf)) == 0);
	live_check(write(with_child[0], "q", 1) == 1 && read(with_child[0], buf, 1) == 1 && buf[0] == 'q');
	close(with_child[0]);
	live_check(waitpid(child, &status, 0) == child && status == 0);
	live_pass();
}
