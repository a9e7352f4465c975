/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking a snapshot, in stages; after each of them but the last a failure
 * leaves the container running as it was and no trace in the store:
 *
 *  survey   read the running container; anything that can't be saved is
 *           refused by name before anything is changed
 *  pin      bind the cgroup to a swap volume if it is not yet
 *  presync  write dirty memory through while the container runs
 *  stop     seize every thread by ptrace
 *  sync     write what was dirtied since; now memory and volume are one
 *  collect  read all kinds into an image, the swap runs first
 *  take     thin snapshot of the volume
 *  release  let the threads run on (with --kill: after commit they end)
 *  commit   one catalog transaction makes the snapshot exist
 */
#pragma once
#include <stdbool.h>
#include "state/kind.h"
#include "store/store.h"

struct snapshot_options {
	bool kill;			/* end the container once the snapshot exists */
	uint64_t volume_bytes;		/* for a cgroup that is pinned on the way; 0: default */
	char *const *outside;		/* things to take though their other end is outside, see outside_match() */
	size_t nr_outside;
	/* Told what was refused, all at once, before snapshot_take() fails. */
	void (*refused)(const struct refusal *refusals, size_t nr);
};

/* @cgroup: path below the cgroup2 mount. The caller clears *ret (snapshot_row_clear()). */
int snapshot_take(struct store *store, const char *cgroup, const struct snapshot_options *options,
		  struct snapshot_row *ret, struct err *e);
