/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A store: one thin pool and one catalog. Owns the protocol that makes a
 * snapshot exist completely or not at all:
 *
 *  1. what is in the catalog is durable on the pool before it is in the catalog;
 *  2. a thin id in the pool that no catalog row names is debris, removed by the next store_open();
 *  3. a volume row is removed only after nothing names it, its thin id after the row.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "store/catalog.h"

struct store;

#define STORE_DIR "/var/lib/cpt"	/* unless the user says otherwise */

struct store_options {
	const char *dir;		/* default STORE_DIR: catalog.db, loop files, lock */
	const char *data_device, *metadata_device;	/* block devices, or NULL: sparse files on loop devices in dir */
	uint64_t data_bytes;		/* of the loop file; 0: default */
	uint64_t volume_bytes;		/* virtual size of a new swap volume; 0: default (a multiple of RAM, thin) */
};

int store_init(const struct store_options *o, struct err *e);	/* -EEXIST when there is one */
/*
 * STORE_READ: the catalog alone, and the pool if it happens to be active;
 * waits for nobody. STORE_WRITE: waits for other writers and keeps them out,
 * attaches loop devices and activates the pool if needed, removes debris: thin
 * ids that a cut-short command left, live volumes without a pin, pins of
 * another boot.
 */
enum store_access { STORE_READ, STORE_WRITE };
int store_open(struct store **ret, const char *dir, enum store_access access, struct err *e);
void store_close(struct store *s);
void store_closep(struct store **s);
/* Deactivate the pool and detach the loop devices: everything this boot set up for the store. Fails if volumes are in use. */
int store_deactivate(struct store *s, struct err *e);
struct catalog *store_catalog(struct store *s);
const char *store_boot_id(const struct store *s);	/* of the boot it was opened in: for pins */

/*
 * A new swap volume, swapped on privately: thin device created, activated,
 * formatted, swapon(SWAP_FLAG_PRIVATE). Durable as a volume row when it returns.
 */
struct swap_volume {
	int64_t thin_id;
	uint64_t bytes;
	char path[128];		/* device node */
	char dev[32];		/* "MAJ:MIN" for memory.swap.device */
};
int volume_create(struct store *s, uint64_t bytes, struct swap_volume *ret, struct err *e);	/* 0: the store's default */
/*
 * A writable clone of a snapshot's volume, swapped on in claim mode. It is
 * made by a thread between _begin and _finish, so that the caller has the time
 * for other things; the row is in the catalog as VOLUME_LIVE when _finish
 * returns. _finish frees @c, also when it fails, and so does _abandon, which
 * leaves nothing of the clone.
 */
struct volume_clone;
int volume_clone_begin(struct store *s, int64_t snapshot_thin_id, struct volume_clone **ret, struct err *e);
int volume_clone_finish(struct volume_clone *c, struct swap_volume *ret, struct err *e);
void volume_clone_abandon(struct volume_clone *c);
/*
 * swapoff, deactivate, delete row (a pin that names it goes with it) and thin
 * id. The last step of unpin or of a failed restore. When what it holds does
 * not fit into memory, or a cgroup is still pinned to it, nothing is changed.
 */
int volume_destroy(struct store *s, int64_t thin_id, struct err *e);
/* Find the device of an active live volume. */
int volume_find(struct store *s, int64_t thin_id, struct swap_volume *ret, struct err *e);
/* Bytes of it in use by pages; from any thread. */
int volume_used(const struct swap_volume *v, uint64_t *ret, struct err *e);
/* Bytes of it in use by pages, and bytes of the pool it has mapped (shared ones too). */
int volume_usage(struct store *s, const struct swap_volume *v, uint64_t *ret_used, uint64_t *ret_mapped,
		 struct err *e);

/*
 * Take a thin snapshot of a live volume, in three steps: _prepare reserves the
 * new thin id, flushes what was written so far and locks cpt's memory. _take
 * suspends the volume: what reaches it by then is in the snapshot, so as soon
 * as it returns the container may run on, though its swapping waits. Between
 * _take and _commit signals are blocked, and the caller keeps it short.
 * _commit makes the snapshot in the pool, durable, and resumes. The row is added
 * by the caller's catalog transaction. After a failure, or instead of _commit,
 * _discard (or store_close()) puts everything back.
 */
int volume_snapshot_prepare(struct store *s, const struct swap_volume *v, int64_t *ret_thin_id, struct err *e);
int volume_snapshot_take(struct store *s, const struct swap_volume *v, int64_t thin_id, struct err *e);
int volume_snapshot_commit(struct store *s, const struct swap_volume *v, int64_t thin_id, struct err *e);
/* Give the thin id back: of a snapshot that did not come to be, or whose rows were removed. */
int volume_snapshot_discard(struct store *s, int64_t thin_id, struct err *e);

/* Remove a snapshot, its rows, and what only it has on the pool. */
int store_remove_snapshot(struct store *s, const struct snapshot_row *snapshot, struct err *e);

struct store_usage {
	uint64_t data_bytes, data_used, metadata_bytes, metadata_used;
};
/* -ENODEV: the pool is not active (since boot, no command has written to the store). */
int store_usage(struct store *s, struct store_usage *ret, struct err *e);
