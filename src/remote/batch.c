// SPDX-License-Identifier: GPL-2.0-only
/* Batches as plain data: building and printing. part.c lays them out, run.c runs them. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "base/util.h"
#include "remote/batch_table.h"
#include "remote/syscall_name.h"

struct batch *batch_new(void)
{
	return xcalloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->nr_strings; i++)
		free(b->strings[i]);
	free(b->strings);
	free(b->pointers);
	free(b->blocks);
	free(b->calls);
	free(b->data);
	free(b);
}

void batch_freep(struct batch **b)
{
	batch_free(*b);
	*b = NULL;
}

/* ---- calls ---------------------------------------------------------------- */

size_t batch_add(struct batch *b, const char *why, long nr, size_t nr_args,
		 const struct batch_arg *args)
{
	struct call *c;

	array_grow(b->calls, b->nr, b->cap);
	c = &b->calls[b->nr];
	assert(nr_args <= ARRAY_SIZE(c->args));
	*c = (struct call){ .why = why, .nr = nr, .nr_args = nr_args, .span = SPAN_NO_ERROR };
	for (size_t i = 0; i < nr_args; i++) {
		assert(args[i].type != ARG_RESULT || args[i].value < b->nr);
		assert(args[i].type != ARG_DATA || batch_block(b, args[i].value));
		c->args[i] = args[i];
	}
	return b->nr++;
}

void batch_expect(struct batch *b, size_t call, int64_t result)
{
	assert(call < b->nr);
	b->calls[call].lowest = (uint64_t)result;
	b->calls[call].span = 0;
}

void batch_may_fail(struct batch *b, size_t call)
{
	assert(call < b->nr);
	b->calls[call].lowest = 0;
	b->calls[call].span = SPAN_ANY;
}

size_t batch_length(const struct batch *b)
{
	return b->nr;
}

int64_t batch_result(const struct batch *b, size_t call)
{
	assert(call < b->nr);
	return call < b->nr_done ? b->calls[call].result : 0;
}

const char *batch_why(struct batch *b, const char *fmt, ...)
{
	va_list args;
	char *s;
	int n;

	va_start(args, fmt);
	n = vasprintf(&s, fmt, args);
	va_end(args);
	array_grow(b->strings, b->nr_strings, b->cap_strings);
	b->strings[b->nr_strings++] = n < 0 ? xstrdup("?") : s;
	return b->strings[b->nr_strings - 1];
}

/* ---- data ------------------------------------------------------------------ */

size_t batch_data(struct batch *b, const void *p, size_t len)
{
	size_t off = (b->data_len + 15) & ~(size_t)15;
	size_t end = off + max(len, (size_t)1);	/* an empty block has an address of its own */

	if (end > b->data_cap) {
		b->data_cap = max(b->data_cap * 2, end + 4096);
		b->data = xrealloc(b->data, b->data_cap);
	}
	memset(b->data + b->data_len, 0, end - b->data_len);
	if (p)
		memcpy(b->data + off, p, len);
	b->data_len = end;
	array_grow(b->blocks, b->nr_blocks, b->cap_blocks);
	b->blocks[b->nr_blocks++] = (struct block){ .off = off, .len = end - off };
	return off;
}

/* The block that the byte at @off is in, NULL when there is none. */
struct block *batch_block(const struct batch *b, size_t off)
{
	size_t low = 0, high = b->nr_blocks;

	while (low < high) {
		size_t middle = (low + high) / 2;
		struct block *block = &b->blocks[middle];

		if (off < block->off)
			high = middle;
		else if (off >= block->off + block->len)
			low = middle + 1;
		else
			return block;
	}
	return NULL;
}

void batch_pointer(struct batch *b, size_t where, size_t to)
{
	struct block *block = batch_block(b, where);

	assert(block && where + sizeof(uint64_t) <= block->off + block->len && batch_block(b, to));
	array_grow(b->pointers, b->nr_pointers, b->cap_pointers);
	b->pointers[b->nr_pointers++] = (struct pointer){ where, to, block->pointers };
	block->pointers = b->nr_pointers;
}

uint64_t batch_argument(const struct batch *b, size_t call, size_t nth)
{
	assert(call < b->nr && nth < b->calls[call].nr_args);
	return b->calls[call].args[nth].value;
}

void *batch_data_at(const struct batch *b, size_t off)
{
	assert(batch_block(b, off));
	return b->data + off;
}

/* ---- printing -------------------------------------------------------------- */

static void value_print(uint64_t v, FILE *f)
{
	/* Small numbers of either sign are counts, descriptors and ids, others addresses. */
	if ((int64_t)v >= -4096 && (int64_t)v < 65536)
		fprintf(f, "%" PRId64, (int64_t)v);
	else
		fprintf(f, "%#" PRIx64, v);
}

static void arg_print(const struct batch_arg *a, FILE *f)
{
	if (a->type == ARG_VALUE)
		value_print(a->value, f);
	else if (a->type == ARG_ARGUMENT)
		fprintf(f, "argument[%" PRIu64 "][%" PRIu64 "]", a->value / 6, a->value % 6);
	else
		fprintf(f, a->type == ARG_DATA ? "data+%#" PRIx64 : "result[%" PRIu64 "]",
			a->value);
}

void call_print(const struct call *c, FILE *f)
{
	const char *name = syscall_name(c->nr);

	if (name)
		fprintf(f, "%s(", name);
	else
		fprintf(f, "syscall_%ld(", c->nr);
	for (size_t i = 0; i < c->nr_args; i++) {
		fputs(i ? ", " : "", f);
		arg_print(&c->args[i], f);
	}
	fputc(')', f);
}

void batch_print(const struct batch *b, FILE *f)
{
	for (size_t i = 0; i < b->nr; i++) {
		const struct call *c = &b->calls[i];

		fprintf(f, "%zu: ", i);
		call_print(c, f);
		if (c->span == 0) {
			fputs(" = ", f);
			value_print(c->lowest, f);
		} else if (c->span == SPAN_ANY) {
			fputs(" = any", f);
		}
		fprintf(f, "  # %s\n", c->why);
	}
}
