/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of /proc/<pid>/pagemap that write an address space's anonymous
 * pages to its swap volume, say where they are, and install such places in a
 * fresh address space. Addresses are bytes, counts are pages.
 *
 * @fd is always a descriptor of a pagemap file, @cgroup_fd one of a cgroup
 * directory whose pinned swap volume is meant, or -1 for that of the address
 * space's own cgroup.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "host/uapi.h"

/* Where user addresses end on x86-64 with 4-level page tables (TASK_SIZE_MAX, asm/page_64.h). */
#define ADDRESS_END 0x7ffffffff000UL

/* What a sync found and did; all in pages. */
struct sync_figures {
	uint64_t pages, written, moved, zero, read;
};

/*
 * Write every dirty anonymous page of [start, end) through to the volume and
 * wait for it; of shared objects mapped there, every page of the object in
 * that range. Adds to @sum. -ENOSPC: the volume is full.
 */
int pagemap_sync(int fd, int cgroup_fd, uint64_t start, uint64_t end, struct sync_figures *sum, struct err *e);

/*
 * Append the runs of [start, end) to the growing array (*runs, *nr, *cap), in
 * address order. -EBUSY with *ret_busy set: the page there is not on the
 * volume as it is in memory; runs before it were appended.
 */
int pagemap_get(int fd, int cgroup_fd, uint64_t start, uint64_t end, struct pagemap_swap_run **runs,
		size_t *nr, size_t *cap, uint64_t *ret_busy, struct err *e);

/* Install runs, each within one mapping, where no page is yet. */
int pagemap_set(int fd, int cgroup_fd, const struct pagemap_swap_run *runs, size_t nr, struct err *e);

/* All runs are in: let the kernel choose slots of the volume by itself from now on. */
int pagemap_open_area(int fd, int cgroup_fd, struct err *e);

/* The private mapping [start, end) may share pages with @peer_fd's mapping at the same place, as after fork. */
int pagemap_join(int fd, uint64_t start, uint64_t end, int peer_fd, struct err *e);

/* Does this kernel have these ioctls? 1, 0, or negative errno. */
int pagemap_probe(void);
