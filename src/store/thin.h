/* SPDX-License-Identifier: GPL-2.0-only */
/* Thin pools and volumes: the only file that knows libdevmapper. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct thin_pool_status {
	uint64_t metadata_used, metadata_total;	/* 4 KiB blocks */
	uint64_t data_used, data_total;		/* pool blocks */
	bool read_only, out_of_data, needs_check, failed;
};

#define THIN_BLOCK_SECTORS 128	/* 64 KiB */

/* Create or find the active pool @name over two devices; error_if_no_space, skip_block_zeroing (a slot is never read before it was written). */
int thin_pool_activate(const char *name, const char *metadata_dev, const char *data_dev, struct err *e);
int thin_pool_deactivate(const char *name, struct err *e);
int thin_pool_status(const char *name, struct thin_pool_status *ret, struct err *e);
int thin_create(const char *pool, uint32_t id, struct err *e);
/* The origin @origin_dev (active dm name) is suspended around the message. */
int thin_snapshot(const char *pool, uint32_t id, uint32_t origin, const char *origin_dev, struct err *e);
int thin_delete(const char *pool, uint32_t id, struct err *e);
/* Activate thin @id as dm device @name with @bytes; gives its node and "MAJ:MIN". */
int thin_activate(const char *pool, const char *name, uint32_t id, uint64_t bytes,
		  char *node, size_t node_len, char *dev, size_t dev_len, struct err *e);
int thin_deactivate(const char *name, struct err *e);
bool thin_is_active(const char *name);
/* Every active dm device whose name begins with @prefix. */
int thin_each_active(const char *prefix, int (*fn)(const char *name, void *arg), void *arg, struct err *e);
