// SPDX-License-Identifier: GPL-2.0-only
/* Calls of the pagemap ioctls, and their errors in the user's words. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "host/pagemap.h"

/* Runs asked for at a time: 24 bytes each, so that a vector stays within the processor's cache. */
#define GET_AT_ONCE 16384

static int pagemap_ioctl(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

/* Errors that all of them share. */
static int pagemap_error(struct err *e, int code, const char *what, uint64_t at)
{
	err_ret(e, code, "%s (at address %#lx)", what, at);
	switch (code) {
	case -ENOTTY:
	case -EINVAL:	/* what a kernel without them gives */
		return err_advise(e, "boot a kernel with cpt's patches; `cpt doctor` tells what is missing");
	case -ENODEV:
		return err_advise(e, "pin a swap volume to the container's cgroup first");
	case -ENOSPC:
		return err_advise(e, "the swap volume is full: pin a larger one");
	case -EIO:
		return err_advise(e, "look into the kernel log for errors of the pool's devices");
	case -EPERM:
		return err_advise(e, "cpt needs CAP_CHECKPOINT_RESTORE and CAP_SYS_ADMIN: run it as root");
	default:
		return code;
	}
}

int pagemap_sync(int fd, int cgroup_fd, uint64_t start, uint64_t end, struct sync_figures *sum, struct err *e)
{
	struct pagemap_swap_sync arg = {
		.size = sizeof(arg), .start = start, .end = end, .cgroup_fd = cgroup_fd,
	};
	int r = pagemap_ioctl(fd, PAGEMAP_SWAP_SYNC, &arg);

	if (r < 0)
		return pagemap_error(e, r, "write memory through to the swap volume", arg.walk_end ?: start);
	sum->pages += arg.nr_pages;
	sum->written += arg.nr_written;
	sum->moved += arg.nr_moved;
	sum->zero += arg.nr_zero;
	sum->read += arg.nr_read;
	return 0;
}

static void runs_reserve(struct pagemap_swap_run **runs, size_t nr, size_t *cap)
{
	if (*cap - nr >= GET_AT_ONCE)
		return;
	*cap = max(*cap * 2, nr + GET_AT_ONCE);
	*runs = xrealloc(*runs, *cap * sizeof(**runs));
}

int pagemap_get(int fd, int cgroup_fd, uint64_t start, uint64_t end, struct pagemap_swap_run **runs,
		size_t *nr, size_t *cap, uint64_t *ret_busy, struct err *e)
{
	while (start < end) {
		struct pagemap_swap_get arg = {
			.size = sizeof(arg), .start = start, .end = end, .cgroup_fd = cgroup_fd,
			.vec_len = GET_AT_ONCE,
		};
		int r;

		runs_reserve(runs, *nr, cap);
		arg.vec = (uintptr_t)(*runs + *nr);
		r = pagemap_ioctl(fd, PAGEMAP_SWAP_GET, &arg);
		if (r == 0 || r == -EBUSY)
			*nr += min(arg.nr_runs, (uint64_t)GET_AT_ONCE);
		if (r == -EBUSY) {
			*ret_busy = arg.walk_end;
			return err_set(e, r, "the page at %#lx is not on the swap volume as it is in memory",
				       (unsigned long)arg.walk_end);
		}
		if (r < 0)
			return pagemap_error(e, r, "read where memory is on the swap volume", start);
		if (arg.walk_end <= start)
			return err_set(e, -EPROTO, "reading where memory is stays at address %#lx", start);
		start = arg.walk_end;
	}
	return 0;
}

int pagemap_set(int fd, int cgroup_fd, const struct pagemap_swap_run *runs, size_t nr, struct err *e)
{
	struct pagemap_swap_set arg = {
		.size = sizeof(arg), .cgroup_fd = cgroup_fd, .vec = (uintptr_t)runs, .vec_len = nr,
	};
	const struct pagemap_swap_run *at;
	int r;

	if (nr == 0)
		return 0;
	r = pagemap_ioctl(fd, PAGEMAP_SWAP_SET, &arg);
	if (r == 0)
		return 0;
	if (r == -ENOTTY || r == -ENODEV)
		return pagemap_error(e, r, "install pages of the swap volume", runs->vaddr);
	at = &runs[min(arg.nr_done, (uint64_t)nr - 1)];
	return err_ret(e, r, "install %u pages at %#lx, slot %lu of the swap volume", at->nr_pages,
		       (unsigned long)at->vaddr, (unsigned long)at->slot);
}

int pagemap_open_area(int fd, int cgroup_fd, struct err *e)
{
	struct pagemap_swap_set arg = {
		.size = sizeof(arg), .flags = PM_SWAP_SET_OPEN, .cgroup_fd = cgroup_fd,
	};
	int r = pagemap_ioctl(fd, PAGEMAP_SWAP_SET, &arg);

	return r < 0 ? err_ret(e, r, "open the swap volume for new pages") : 0;
}

int pagemap_join(int fd, uint64_t start, uint64_t end, int peer_fd, struct err *e)
{
	struct pagemap_swap_join arg = { .size = sizeof(arg), .start = start, .end = end, .peer_fd = peer_fd };
	int r = pagemap_ioctl(fd, PAGEMAP_SWAP_JOIN, &arg);

	return r < 0 ? err_ret(e, r, "let mapping %lx-%lx share pages with another process", start, end) : 0;
}

int pagemap_probe(void)
{
	_cleanup_fd_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct {
		struct pagemap_swap_get get;
		uint64_t unknown;
	} arg = { .get.size = sizeof(arg), .unknown = 1 };

	if (fd < 0)
		return -errno;
	/* More than any kernel knows: E2BIG where the call exists. Elsewhere do_pagemap_cmd() gives EINVAL. */
	return pagemap_ioctl(fd, PAGEMAP_SWAP_GET, &arg) == -E2BIG;
}
