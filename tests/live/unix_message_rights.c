// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors in flight arrive, with the byte they were sent with, though no task has what they refer to open: ends
 * of pipes and sockets, a memfd, a file at its position, an epoll instance with its watch, sockets in one another.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define PAGES 3
enum { READER, MEMFD, FILE_, EPOLL, EVENT, SOCKET, NR };

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(NR * sizeof(int))];
};

static void send_fds(int to, const char *text, const int *fds, size_t nr)
{
	union control control = { .head = { CMSG_LEN(nr * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec io = { (char *)(size_t)text, strlen(text) };
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(nr * sizeof(int)),
	};

	memcpy(CMSG_DATA(&control.head), fds, nr * sizeof(int));
	live_check(sendmsg(to, &msg, 0) == (ssize_t)strlen(text));
}

static size_t receive(int from, const char *text, size_t most, int *fds)
{
	union control control;
	char buf[64];
	struct iovec io = { buf, most };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	size_t nr;

	live_check(recvmsg(from, &msg, MSG_DONTWAIT) == (ssize_t)strlen(text) && memcmp(buf, text, strlen(text)) == 0);
	c = CMSG_FIRSTHDR(&msg);
	nr = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (c)
		memcpy(fds, CMSG_DATA(c), nr * sizeof(int));
	return nr;
}

static void fill(int memfd)
{
	char *p;

	live_check(ftruncate(memfd, PAGES * 4096L) == 0);
	p = mmap(NULL, PAGES * 4096L, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	live_check(p != MAP_FAILED);
	for (int i = 0; i < PAGES; i++)
		memset(p + i * 4096L, 'a' + i, 4096);
	munmap(p, PAGES * 4096L);
}

int main(int argc, char **argv)
{
	int box[2], pipe_ends[2], pair[2], inner[2], fds[NR], writer, end, other, status;
	char buf[64], page[4096];
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 42 };
	uint64_t count = 5;
	pid_t child;

	live_setup(argc, argv);
	live_check(socketpair(AF_UNIX, SOCK_STREAM, 0, box) == 0 && pipe(pipe_ends) == 0);
	live_check(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, inner) == 0);
	writer = pipe_ends[1];
	end = pair[0];
	fds[READER] = pipe_ends[0];
	fds[MEMFD] = memfd_create("in-flight", 0);
	fds[FILE_] = open(live_path("output"), O_RDWR);
	fds[EVENT] = eventfd(0, 0);
	fds[EPOLL] = epoll_create1(0);
	fds[SOCKET] = pair[1];
	fill(fds[MEMFD]);
	live_check(write(fds[FILE_], "0123456789", 10) == 10 && lseek(fds[FILE_], 4, SEEK_SET) == 4);
	live_check(epoll_ctl(fds[EPOLL], EPOLL_CTL_ADD, fds[EVENT], &event) == 0 && write(fds[EVENT], &count, 8) == 8);
	live_check(write(writer, "piped", 5) == 5 && write(end, "packet", 6) == 6);
	/* Both ends of a pair are in flight to each other: to the first the second, which is in flight to us. */
	send_fds(inner[0], "self", &inner[0], 1);
	send_fds(end, "nested", inner, 2);
	live_check(write(box[0], "plain", 5) == 5);
	send_fds(box[0], "with", fds, NR);
	live_check(write(box[0], "after", 5) == 5);
	for (int i = 0; i < NR; i++)
		close(fds[i]);
	close(inner[0]);
	close(inner[1]);
	/* Somebody waits for what only the file in flight can tell it. */
	child = fork();
	live_check(child >= 0);
	if (child == 0) {
		close(writer);
		close(box[0]);
		close(box[1]);
		_exit(recv(end, buf, sizeof(buf), 0) != 5);
	}
	live_ready();

	live_check(receive(box[1], "plain", 5, fds) == 0);
	live_check(receive(box[1], "with", sizeof(buf), fds) == NR);
	live_check(receive(box[1], "after", sizeof(buf), fds) == 0);
	live_check(read(fds[READER], buf, sizeof(buf)) == 5 && memcmp(buf, "piped", 5) == 0);
	live_check(write(writer, "more", 4) == 4 && read(fds[READER], buf, sizeof(buf)) == 4);
	live_check(close(writer) == 0 && read(fds[READER], buf, sizeof(buf)) == 0);
	for (int i = 0; i < PAGES; i++) {
		live_check(pread(fds[MEMFD], page, 4096, i * 4096L) == 4096 && page[0] == 'a' + i && page[4095] == 'a' + i);
		live_check(pwrite(fds[MEMFD], "new", 3, i * 4096L) == 3);
	}
	live_check(read(fds[FILE_], buf, 3) == 3 && memcmp(buf, "456", 3) == 0);
	live_check(epoll_wait(fds[EPOLL], &event, 1, 0) == 1 && event.data.u64 == 42);
	live_check(read(fds[EVENT], &count, 8) == 8 && count == 5 && epoll_wait(fds[EPOLL], &event, 1, 0) == 0);
	other = fds[SOCKET];
	live_check(receive(other, "packet", sizeof(buf), fds) == 0 && receive(other, "nested", sizeof(buf), fds) == 2);
	live_check(receive(fds[1], "self", sizeof(buf), &fds[2]) == 1);
	live_check(write(fds[2], "loop", 4) == 4 && read(fds[1], buf, sizeof(buf)) == 4);
	live_check(write(other, "hello", 5) == 5 && waitpid(child, &status, 0) == child && status == 0);
	live_pass();
}
