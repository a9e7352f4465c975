/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cpt's kernel series adds to Linux's user interface and the system's
 * headers don't know yet. Each part is left out when they do. The meaning of
 * every field is documented in the series itself (include/uapi/linux/fs.h,
 * Documentation/admin-guide).
 */
#pragma once
#include <linux/fs.h>
#include <linux/types.h>
#include <sys/ioctl.h>

/* ---- ids of the next objects a thread makes ---------------------------- */

#define NEXT_ID_KINDS_FILE "/proc/sys/kernel/next_id_kinds"	/* one settable kind a line */

/* ---- swapon(2) ---------------------------------------------------------- */

#ifndef SWAP_FLAG_PRIVATE
#define SWAP_FLAG_PRIVATE	0x80000		/* serves only cgroups pinned to it */
#define SWAP_FLAG_CLAIM		0x100000	/* begins in claim mode: slots are only named by SET */
#endif

/* ---- cgroup v2 ---------------------------------------------------------- */

#define CGROUP_SWAP_DEVICE_FILE "memory.swap.device"	/* "MAJ:MIN" or "none" */

/* ---- ioctls on /proc/<pid>/pagemap -------------------------------------- */

#ifndef PAGEMAP_SWAP_SYNC

struct pagemap_swap_sync {
	__u64 size;		/* sizeof(struct pagemap_swap_sync) */
	__u64 flags;		/* 0 */
	__u64 start, end;	/* addresses */
	__s32 cgroup_fd;	/* whose swap area; -1: that of the address space's own cgroup */
	__u32 pad;
	__u64 walk_end;		/* out: how far it came */
	__u64 nr_pages;		/* out: pages that have a slot now, */
	__u64 nr_written;	/* of them written by this call, */
	__u64 nr_moved;		/* of them given a fresh slot first, */
	__u64 nr_zero;		/* filled with zeroes, so noted but not written, */
	__u64 nr_read;		/* read in from another swap area first */
};

struct pagemap_swap_run {
	__u64 vaddr;
	__u64 slot;
	__u32 nr_pages;
	__u32 flags;
};
#define PM_SWAP_RUN_ZERO	1	/* contents are zeroes, nothing on the device */
#define PM_SWAP_RUN_EXCLUSIVE	2	/* pages belonged to this address space alone */
#define PM_SWAP_RUN_YOUNG	4	/* some page of the run was accessed lately */
#define PM_SWAP_RUN_SHMEM	8	/* pages of a shared object, not of the address space */

struct pagemap_swap_get {
	__u64 size;
	__u64 flags;		/* 0 */
	__u64 start, end;
	__s32 cgroup_fd;
	__u32 pad;
	__u64 vec;		/* struct pagemap_swap_run[vec_len] */
	__u64 vec_len;
	__u64 walk_end;		/* out */
	__u64 nr_runs;		/* out */
};

struct pagemap_swap_set {
	__u64 size;
	__u64 flags;
	__s32 cgroup_fd;
	__u32 pad;
	__u64 vec;
	__u64 vec_len;
	__u64 nr_done;		/* out: runs installed */
};
#define PM_SWAP_SET_OPEN	1	/* after the runs, the area leaves claim mode for good */

struct pagemap_swap_join {
	__u64 size;
	__u64 flags;		/* 0 */
	__u64 start, end;	/* one private mapping without pages */
	__s32 peer_fd;		/* pagemap of the process that it shall share pages with */
	__u32 pad;
};

#define PAGEMAP_SWAP_SYNC	_IOWR('f', 17, struct pagemap_swap_sync)
#define PAGEMAP_SWAP_GET	_IOWR('f', 18, struct pagemap_swap_get)
#define PAGEMAP_SWAP_SET	_IOWR('f', 19, struct pagemap_swap_set)
#define PAGEMAP_SWAP_JOIN	_IOW('f', 20, struct pagemap_swap_join)

#endif
