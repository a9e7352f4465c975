// SPDX-License-Identifier: GPL-2.0-only
/* Batches as plain data: building, printing, laying out; remote.c runs them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "remote/batch_table.h"

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
	free(b->calls);
	free(b->data);
	free(b);
}

void batch_freep(struct batch **b)
{
	batch_free(*b);
	*b = NULL;
}

size_t batch_add(struct batch *b, const char *why, long nr, size_t nr_args, const struct batch_arg *args)
{
	struct call *c;

	array_grow(b->calls, b->nr, b->cap);
	c = &b->calls[b->nr];
	*c = (struct call){ .why = why, .nr = nr, .nr_args = nr_args, .span = SPAN_NO_ERROR };
	for (size_t i = 0; i < nr_args && i < ARRAY_SIZE(c->args); i++)
		c->args[i] = args[i];
	return b->nr++;
}

void batch_expect(struct batch *b, size_t call, int64_t result)
{
	b->calls[call].lowest = (uint64_t)result;
	b->calls[call].span = 0;
}

void batch_may_fail(struct batch *b, size_t call)
{
	b->calls[call].lowest = 0;
	b->calls[call].span = SPAN_ANY;
}

size_t batch_data(struct batch *b, const void *p, size_t len)
{
	size_t off = (b->data_len + 15) & ~(size_t)15;

	if (off + len > b->data_cap) {
		b->data_cap = max(b->data_cap * 2, off + len + 4096);
		b->data = xrealloc(b->data, b->data_cap);
	}
	memset(b->data + b->data_len, 0, off + len - b->data_len);
	if (p)
		memcpy(b->data + off, p, len);
	b->data_len = off + len;
	return off;
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

size_t batch_length(const struct batch *b)
{
	return b->nr;
}

int64_t batch_result(const struct batch *b, size_t call)
{
	return b->calls[call].result;
}

void *batch_data_at(const struct batch *b, size_t off)
{
	return b->data + off;
}

static void arg_print(const struct batch_arg *a, FILE *f)
{
	static const char *const forms[] = {
		[ARG_VALUE] = "%#jx", [ARG_DATA] = "data+%#jx", [ARG_RESULT] = "result(%ju)",
	};

	fprintf(f, forms[a->type], (uintmax_t)a->value);
}

void batch_print(const struct batch *b, FILE *f)
{
	for (size_t i = 0; i < b->nr; i++) {
		const struct call *c = &b->calls[i];

		fprintf(f, "%zu: syscall %ld(", i, c->nr);
		for (size_t j = 0; j < c->nr_args; j++) {
			fputs(j ? ", " : "", f);
			arg_print(&c->args[j], f);
		}
		fprintf(f, ") # %s\n", c->why);
	}
}

size_t batch_fill_table(const struct batch *b, size_t first, size_t room, struct entry *table,
			uint64_t table_at, uint64_t data_at)
{
	for (size_t i = first; i < b->nr && i - first < room; i++) {
		const struct call *c = &b->calls[i];
		struct entry *entry = &table[i - first];
		uint64_t at = table_at + (i - first) * sizeof(*entry);

		*entry = (struct entry){
			.nr = (uint64_t)c->nr, .lowest = c->lowest, .span = c->span,
			.store = at + offsetof(struct entry, result),
		};
		for (size_t j = 0; j < c->nr_args; j++) {
			const struct batch_arg *a = &c->args[j];
			struct entry *source = a->type == ARG_RESULT && a->value >= first ?
					       &table[a->value - first] : NULL;

			if (a->type == ARG_DATA)
				entry->args[j] = data_at + a->value;
			else if (a->type == ARG_VALUE)
				entry->args[j] = a->value;
			else if (!source)
				entry->args[j] = (uint64_t)b->calls[a->value].result;
			else if (source->store != table_at + (a->value - first) * sizeof(*entry) +
						  offsetof(struct entry, result))
				return i - first;	/* its one extra place is taken */
			else
				source->store = at + offsetof(struct entry, args) + j * sizeof(uint64_t);
		}
	}
	return min(b->nr - first, room);
}
