/* SPDX-License-Identifier: GPL-2.0-only */
/* A batch's inside, and how it is laid out in a foothold; for batch.c, part.c and run.c. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "remote/batch.h"
#include "remote/stub.h"

#define SPAN_NO_ERROR ((uint64_t)-4096)	/* anything but -4095..-1 */
#define SPAN_ANY UINT64_MAX

struct call {
	const char *why;
	long nr;
	size_t nr_args;
	struct batch_arg args[6];
	uint64_t lowest, span;	/* wanted: result - lowest <= span, unsigned */
	int64_t result;
};

/* What one batch_data() made: always whole in the target, or not there. */
struct block {
	size_t off, len;
	size_t pointers;	/* those in it: index + 1 of the first, linked by next; 0 */
	size_t place;		/* in the data area of the part being run, */
	uint64_t part;		/* which is this one (batch.nr_parts when it was planned) */
};

/* The target's address of data at @to belongs at data offset @where. */
struct pointer {
	size_t where, to, next;
};

struct batch {
	struct call *calls;
	size_t nr, cap;
	size_t nr_done;		/* calls made by the last run */
	char *data;
	size_t data_len, data_cap;
	struct block *blocks;	/* by offset */
	size_t nr_blocks, cap_blocks;
	struct pointer *pointers;
	size_t nr_pointers, cap_pointers;
	char **strings;
	size_t nr_strings, cap_strings;
	uint64_t nr_parts;	/* ever planned: stamps blocks */
};

struct block *batch_block(const struct batch *b, size_t off);
void call_print(const struct call *c, FILE *f);	/* "dup2(3, result[0])" */

/*
 * Consecutive calls that fit the foothold together with the data they use. In
 * the foothold behind the way home: the table, the results, the data.
 */
struct part {
	size_t first, nr;
	size_t *blocks;		/* by place; reused from part to part */
	size_t nr_blocks, cap_blocks;
	size_t data_len;
};

#define PART_INIT ((struct part){ 0 })

static inline size_t part_results(const struct part *p)
{
	return p->nr * sizeof(struct stub_call);
}

static inline size_t part_data(const struct part *p)
{
	return part_results(p) + ((p->nr * sizeof(uint64_t) + 15) & ~(size_t)15);
}

static inline size_t part_size(const struct part *p)
{
	return part_data(p) + p->data_len;
}

void part_free(struct part *p);
/* As many calls as fit @room bytes, from @first on. -E2BIG when not even that one does. */
int part_plan(struct batch *b, size_t first, size_t room, struct part *p, struct err *e);
/* The bytes of a planned part that will be at address @at. */
void part_write(const struct batch *b, const struct part *p, uint64_t at, char *image);
/* Take back results of the first @nr_made calls, what they wrote to arguments, and the data. */
void part_read(struct batch *b, const struct part *p, size_t nr_made, const char *image);
