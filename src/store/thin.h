/* SPDX-License-Identifier: GPL-2.0-only */
/* Thin pools and volumes: the only file that knows libdevmapper. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct thin_pool_status {
	uint64_t metadata_used, metadata_total;	/* 4 KiB blocks */
	uint64_t data_used, data_total;		/* pool blocks */
	bool read_only, out_of_data, needs_check, failed;
};

#define THIN_BLOCK_SECTORS 128	/* 64 KiB */
#define THIN_BLOCK_BYTES (THIN_BLOCK_SECTORS * 512UL)

/* Does this kernel have the thin and thin-pool targets? 0, or an error that says what is missing. */
int thin_probe(struct err *e);
/*
 * Create or find the active pool @name over two devices; error_if_no_space (a
 * full pool shall fail a snapshot, not hang its container), skip_block_zeroing
 * (a slot is never read before it was written), discards passed down.
 */
int thin_pool_activate(const char *name, const char *metadata_dev, const char *data_dev, struct err *e);
int thin_pool_deactivate(const char *name, struct err *e);
/* -ENODEV: it is not active. */
int thin_pool_status(const char *name, struct thin_pool_status *ret, struct err *e);
/* 0 when the pool can be written to; otherwise what is wrong with it and what to do. */
int thin_pool_check(const char *name, struct err *e);
int thin_create(const char *pool, uint32_t id, struct err *e);

/*
 * A snapshot of thin @origin, active as @origin_dev, in three steps: prepare,
 * which allocates; suspend, from when on nothing written to the origin gets
 * to it; finish, which makes the snapshot, durable on return, and resumes. A
 * job that was suspended and not finished is resumed when it is freed, and
 * when cpt dies.
 */
struct thin_snapshot_job;
int thin_snapshot_prepare(struct thin_snapshot_job **ret, const char *pool, uint32_t id, uint32_t origin,
			  const char *origin_dev, struct err *e);
int thin_snapshot_suspend(struct thin_snapshot_job *job, struct err *e);
int thin_snapshot_finish(struct thin_snapshot_job *job, struct err *e);
void thin_snapshot_free(struct thin_snapshot_job *job);
/* Let a device go on that someone who died has left suspended. Not being suspended is fine. */
int thin_resume(const char *name, struct err *e);
/* Of a thin that is not active, so needs no suspending. */
int thin_clone(const char *pool, uint32_t id, uint32_t origin, struct err *e);

/* A thin id that the pool does not have is fine. */
int thin_delete(const char *pool, uint32_t id, struct err *e);
/* Activate thin @id as dm device @name with @bytes; gives its node and "MAJ:MIN". */
int thin_activate(const char *pool, const char *name, uint32_t id, uint64_t bytes,
		  char *node, size_t node_len, char *dev, size_t dev_len, struct err *e);
/* The node and "MAJ:MIN" of an active device. */
int thin_find(const char *name, char *node, size_t node_len, char *dev, size_t dev_len, struct err *e);
/* Bytes of the pool that the active thin @name has mapped, shared ones included. */
int thin_mapped(const char *name, uint64_t *ret_bytes, struct err *e);
/*
 * Unmap everything that the active thin @name has, so that blocks which it
 * alone has go back to the data device: deleting a thin does not tell that.
 */
int thin_discard(const char *name, const char *node, struct err *e);
/* -EBUSY: something has it open. */
int thin_deactivate(const char *name, struct err *e);
bool thin_is_active(const char *name);
/* Every active dm device whose name begins with @prefix. */
int thin_each_active(const char *prefix, int (*fn)(const char *name, void *arg), void *arg, struct err *e);
