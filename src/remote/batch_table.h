/* SPDX-License-Identifier: GPL-2.0-only */
/* The table that stub.S walks, and a batch's inside; for batch.c and remote.c. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "remote/batch.h"

/* Offsets are known to stub.S. */
struct entry {
	uint64_t nr;
	uint64_t args[6];
	uint64_t store;		/* address that gets the result too */
	uint64_t result;
	uint64_t lowest, span;	/* wanted: result - lowest <= span */
};
_Static_assert(sizeof(struct entry) == 88, "stub.S steps by 88");
_Static_assert(offsetof(struct entry, store) == 56 && offsetof(struct entry, result) == 64 &&
	       offsetof(struct entry, lowest) == 72 && offsetof(struct entry, span) == 80, "stub.S");

#define SPAN_NO_ERROR ((uint64_t)-4096)	/* anything but -4095..-1 */
#define SPAN_ANY UINT64_MAX

struct call {
	const char *why;
	long nr;
	size_t nr_args;
	struct batch_arg args[6];
	uint64_t lowest, span;
	int64_t result;
};

struct batch {
	struct call *calls;
	size_t nr, cap;
	char *data;
	size_t data_len, data_cap;
	char **strings;
	size_t nr_strings, cap_strings;
};

/*
 * Fill @table with calls from @first on, at most @room: for a table at @table_at
 * and batch data at @data_at in the target. Stops before a call whose argument
 * is a result that only a finished part can give. Returns how many.
 */
size_t batch_fill_table(const struct batch *b, size_t first, size_t room, struct entry *table,
			uint64_t table_at, uint64_t data_at);
