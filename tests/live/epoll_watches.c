// SPDX-License-Identifier: GPL-2.0-only
/* Epoll: watches of live, renumbered and nested descriptors, found again by EPOLL_CTL_MOD under their numbers. */
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "live.h"

static void watch(int epoll, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	live_check(epoll_ctl(epoll, op, fd, &event) == 0);
}

int main(int argc, char **argv)
{
	int outer, inner, quiet, moved, edge;
	struct epoll_event events[8];
	uint64_t one = 1;

	live_setup(argc, argv);
	outer = epoll_create1(EPOLL_CLOEXEC);
	inner = epoll_create1(0);
	quiet = eventfd(0, EFD_NONBLOCK);
	moved = eventfd(0, EFD_NONBLOCK);
	edge = eventfd(1, EFD_NONBLOCK);
	watch(inner, EPOLL_CTL_ADD, quiet, EPOLLIN, 0xfedcba9876543210);
	watch(outer, EPOLL_CTL_ADD, inner, EPOLLIN, 1);
	watch(outer, EPOLL_CTL_ADD, moved, EPOLLIN | EPOLLONESHOT, 2);
	watch(outer, EPOLL_CTL_ADD, edge, EPOLLIN | EPOLLET, 3);
	/* The watch of `moved` stays under its old number, which is another file's now. */
	live_check(dup2(moved, 50) == 50 && dup2(quiet, moved) == moved);
	live_check(epoll_wait(outer, events, 8, 0) == 1 && events[0].data.u64 == 3);
	live_ready();

	/* A restored edge may be told again; that is no harm. */
	epoll_wait(outer, events, 8, 0);
	live_check(epoll_wait(outer, events, 8, 0) == 0);
	live_check(write(quiet, &one, 8) == 8);
	live_check(epoll_wait(inner, events, 8, 1000) == 1 && events[0].data.u64 == 0xfedcba9876543210);
	live_check(epoll_wait(outer, events, 8, 1000) == 1 && events[0].data.u64 == 1);
	watch(inner, EPOLL_CTL_MOD, quiet, 0, 9);
	live_check(epoll_wait(inner, events, 8, 0) == 0);
	live_check(write(50, &one, 8) == 8);
	live_check(epoll_wait(outer, events, 8, 1000) == 1 && events[0].data.u64 == 2);
	live_check(epoll_wait(outer, events, 8, 0) == 0);
	live_check(epoll_ctl(inner, EPOLL_CTL_DEL, quiet, NULL) == 0);
	live_check(epoll_ctl(inner, EPOLL_CTL_DEL, quiet, NULL) == -1 && errno == ENOENT);
	live_pass();
}
