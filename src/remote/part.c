// SPDX-License-Identifier: GPL-2.0-only
/*
 * A batch in parts that fit a foothold. A part has its calls' table, room for
 * their results, and the blocks of data that the calls name, with all blocks
 * that those point to. Data goes both ways with every part, so that a later
 * part sees what an earlier one's calls left.
 */
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "remote/batch_table.h"

static size_t align16(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

void part_free(struct part *p)
{
	free(p->blocks);
	*p = PART_INIT;
}

/* ---- planning -------------------------------------------------------------- */

static void part_add_block(struct batch *b, struct part *p, struct block *block)
{
	if (block->part == b->nr_parts)
		return;
	block->part = b->nr_parts;
	block->place = p->data_len;
	p->data_len += align16(block->len);
	array_grow(p->blocks, p->nr_blocks, p->cap_blocks);
	p->blocks[p->nr_blocks++] = (size_t)(block - b->blocks);
}

static void part_add_call(struct batch *b, struct part *p, const struct call *c)
{
	size_t next = p->nr_blocks;

	p->nr++;
	for (size_t i = 0; i < c->nr_args; i++)
		if (c->args[i].type == ARG_DATA)
			part_add_block(b, p, batch_block(b, c->args[i].value));
	/* And what those point to, and so on. */
	for (; next < p->nr_blocks; next++)
		for (size_t i = b->blocks[p->blocks[next]].pointers; i; i = b->pointers[i - 1].next)
			part_add_block(b, p, batch_block(b, b->pointers[i - 1].to));
}

static void part_drop_call(struct batch *b, struct part *p, size_t nr_blocks, size_t data_len)
{
	p->nr--;
	p->data_len = data_len;
	while (p->nr_blocks > nr_blocks)
		b->blocks[p->blocks[--p->nr_blocks]].part = 0;
}

int part_plan(struct batch *b, size_t first, size_t room, struct part *p, struct err *e)
{
	*p = (struct part){ .first = first, .blocks = p->blocks, .cap_blocks = p->cap_blocks };
	b->nr_parts++;
	while (first + p->nr < b->nr) {
		const struct call *c = &b->calls[first + p->nr];
		size_t nr_blocks = p->nr_blocks, data_len = p->data_len;

		part_add_call(b, p, c);
		if (part_size(p) <= room)
			continue;
		if (p->nr == 1)
			return err_set(e, -E2BIG, "%s: the call needs %zu bytes of data in the "
				       "target, where there is room for %zu", c->why,
				       p->data_len, room - part_data(p));
		part_drop_call(b, p, nr_blocks, data_len);
		break;
	}
	return 0;
}

/* ---- writing --------------------------------------------------------------- */

static uint64_t data_address(const struct batch *b, const struct part *p, uint64_t at, size_t off)
{
	const struct block *block = batch_block(b, off);

	return at + part_data(p) + block->place + (off - block->off);
}

/* Of an argument of another call; that it is in the part is made sure of before (remote_holds()). */
static uint64_t argument_address(const struct part *p, uint64_t at, uint64_t value)
{
	return at + (value / 6 - p->first) * sizeof(struct stub_call) + offsetof(struct stub_call, args) +
	       value % 6 * sizeof(uint64_t);
}

/* Argument @i of the part's @nth call wants a result that is not there yet: link it (stub.S). */
static void link_argument(struct stub_call *table, size_t source, size_t nth, size_t i, uint64_t at)
{
	uint64_t call_at = at + nth * sizeof(*table);

	table[nth].args[i] = table[source].users;
	table[source].users = call_at + offsetof(struct stub_call, args) + i * sizeof(uint64_t);
}

static void write_call(const struct batch *b, const struct part *p, size_t nth, uint64_t at,
		       struct stub_call *table)
{
	const struct call *c = &b->calls[p->first + nth];

	table[nth] = (struct stub_call){
		.nr = (uint64_t)c->nr, .lowest = c->lowest, .span = c->span,
	};
	for (size_t i = 0; i < c->nr_args; i++) {
		const struct batch_arg *a = &c->args[i];

		if (a->type == ARG_VALUE)
			table[nth].args[i] = a->value;
		else if (a->type == ARG_DATA)
			table[nth].args[i] = data_address(b, p, at, a->value);
		else if (a->type == ARG_ARGUMENT)
			table[nth].args[i] = argument_address(p, at, a->value);
		else if (a->value < p->first)
			table[nth].args[i] = (uint64_t)b->calls[a->value].result;
		else
			link_argument(table, a->value - p->first, nth, i, at);
	}
}

static void write_block(const struct batch *b, const struct part *p, const struct block *block,
			uint64_t at, char *data)
{
	memcpy(data + block->place, b->data + block->off, block->len);
	for (size_t i = block->pointers; i; i = b->pointers[i - 1].next) {
		const struct pointer *pointer = &b->pointers[i - 1];
		uint64_t address = data_address(b, p, at, pointer->to);

		memcpy(data + block->place + (pointer->where - block->off), &address,
		       sizeof(address));
	}
}

void part_write(const struct batch *b, const struct part *p, uint64_t at, char *image)
{
	struct stub_call *table = (struct stub_call *)(void *)image;

	for (size_t i = 0; i < p->nr; i++)
		write_call(b, p, i, at, table);
	memset(image + part_results(p), 0, part_data(p) - part_results(p));
	for (size_t i = 0; i < p->nr_blocks; i++)
		write_block(b, p, &b->blocks[p->blocks[i]], at, image + part_data(p));
}

/* ---- reading back ---------------------------------------------------------- */

/* A call's arguments that others have written. */
static void read_arguments(struct batch *b, const struct part *p, const struct stub_call *table, const struct call *c)
{
	for (size_t i = 0; i < c->nr_args; i++)
		if (c->args[i].type == ARG_ARGUMENT) {
			uint64_t call = c->args[i].value / 6, nth = c->args[i].value % 6;

			b->calls[call].args[nth].value = table[call - p->first].args[nth];
		}
}

void part_read(struct batch *b, const struct part *p, size_t nr_made, const char *image)
{
	const char *results = image + part_results(p), *data = image + part_data(p);

	for (size_t i = 0; i < nr_made; i++) {
		memcpy(&b->calls[p->first + i].result, results + i * sizeof(uint64_t), sizeof(uint64_t));
		read_arguments(b, p, (const struct stub_call *)(const void *)image, &b->calls[p->first + i]);
	}
	for (size_t i = 0; i < p->nr_blocks; i++) {
		const struct block *block = &b->blocks[p->blocks[i]];

		memcpy(b->data + block->off, data + block->place, block->len);
	}
	b->nr_done = p->first + nr_made;
}
