/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes that wait in a queue of the kernel (pipes): table `bytes`.
 *
 * These are the only contents that the catalog holds. They are at most what a
 * pipe or a socket buffer takes, are not memory of any task, and must be read
 * anew for each snapshot anyway, so there is nothing to gain from slots for
 * them; that they are rows makes them part of the one transaction that makes
 * a snapshot exist.
 */
#pragma once
#include "state/kind.h"

struct bytes_row {
	int64_t bytes;		/* key of the queue */
	int64_t part;		/* from 0: one message or packet, or some piece of a stream */
	struct blob data;
};
extern const struct table bytes_table;

#define BYTES_LONGEST_PART (16 << 20)

/* A key for one more queue. */
int64_t bytes_new(struct save *s);
/* Append a part. */
void bytes_add(struct save *s, int64_t bytes, const void *data, size_t len);
/* The parts of a queue in order, the caller frees the array; -EBADMSG when one is missing. */
int bytes_parts(const struct image *img, int64_t bytes, const struct bytes_row ***ret, size_t *ret_nr, struct err *e);
