// SPDX-License-Identifier: GPL-2.0-only
/* What waits tells who sent it (SO_PASSCRED), and a stream does not glue together what came from two. */
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define USER 1234
#define GROUP 5678

static void expect_from(int fd, const char *text, pid_t pid, uid_t uid, gid_t gid)
{
	_Alignas(struct cmsghdr) char control[128];
	char buf[64];
	struct iovec io = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct ucred got;
	struct cmsghdr *c;

	live_check(recvmsg(fd, &msg, MSG_DONTWAIT) == (ssize_t)strlen(text) && memcmp(buf, text, strlen(text)) == 0);
	c = CMSG_FIRSTHDR(&msg);
	live_check(c && c->cmsg_type == SCM_CREDENTIALS && !CMSG_NXTHDR(&msg, c));
	memcpy(&got, CMSG_DATA(c), sizeof(got));
	if (got.pid != pid || got.uid != uid || got.gid != gid)
		live_fail("%s is from %d, %u, %u", text, got.pid, got.uid, got.gid);
}

int main(int argc, char **argv)
{
	int stream[2], datagram[2], on = 1, off = 0, status;
	socklen_t len = sizeof(on);
	pid_t child;
	char c;

	live_setup(argc, argv);
	live_check(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram) == 0);
	live_check(write(stream[0], "before", 6) == 6);
	live_check(setsockopt(stream[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	live_check(setsockopt(datagram[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	live_check(write(stream[0], "parent", 6) == 6 && write(datagram[0], "parent", 6) == 6);
	child = fork();
	live_check(child >= 0);
	if (child == 0) {
		live_check(setresgid(GROUP, GROUP, GROUP) == 0 && setresuid(USER, USER, USER) == 0);
		live_check(write(stream[0], "child", 5) == 5 && write(datagram[0], "child", 5) == 5);
		live_check(write(stream[0], "'s", 2) == 2);
		_exit(read(stream[0], &c, 1) != 1);
	}
	/* The child has sent all that it sends when its last message is there. */
	for (int bytes = 0; bytes < 19; usleep(10000))
		live_check(setsockopt(stream[1], SOL_SOCKET, SO_PASSCRED, &off, sizeof(off)) == 0 &&
			   (bytes = (int)recv(stream[1], (char [64]){ 0 }, 64, MSG_PEEK)) > 0 &&
			   setsockopt(stream[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	live_ready();

	live_check(getsockopt(stream[1], SOL_SOCKET, SO_PASSCRED, &on, &len) == 0 && on == 1);
	expect_from(stream[1], "before", 0, 65534, 65534);
	expect_from(stream[1], "parent", getpid(), 0, 0);
	expect_from(stream[1], "child's", child, USER, GROUP);
	expect_from(datagram[1], "parent", getpid(), 0, 0);
	expect_from(datagram[1], "child", child, USER, GROUP);
	live_check(write(stream[1], "x", 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
	live_pass();
}
