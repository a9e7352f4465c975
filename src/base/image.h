/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A snapshot's records in memory. Every noun is a C struct whose columns are
 * described once, by a struct table; the catalog stores and loads any table
 * from that description alone (store/catalog.c), so a kind never sees SQL,
 * and values that come from a catalog are range-checked in one place.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum column_type {
	COLUMN_INT,	/* int64_t */
	COLUMN_TEXT,	/* char *, NUL-terminated, no NUL inside */
	COLUMN_BLOB,	/* struct blob */
};

struct blob {
	void *data;
	size_t len;
};

/* A column is optional when NULL is a value: an int of COLUMN_NULL, a NULL text or blob pointer. */
#define COLUMN_NULL INT64_MIN

struct column {
	const char *name;
	enum column_type type;
	bool optional;
	size_t offset;
	int64_t min, max;	/* allowed integers; allowed length of text and blobs */
};

struct table {
	const char *name;	/* the noun: the same in schema.sql */
	size_t row_size;
	const struct column *columns;	/* without snapshot_id, which every table has first */
	size_t nr_columns;
};

#define INT_COLUMN(type, field, lo, hi) { #field, COLUMN_INT, false, offsetof(type, field), lo, hi }
#define INT_COLUMN_OR_NULL(type, field, lo, hi) { #field, COLUMN_INT, true, offsetof(type, field), lo, hi }
#define TEXT_COLUMN(type, field, longest) { #field, COLUMN_TEXT, false, offsetof(type, field), 0, longest }
#define TEXT_COLUMN_OR_NULL(type, field, longest) { #field, COLUMN_TEXT, true, offsetof(type, field), 0, longest }
#define BLOB_COLUMN(type, field, longest) { #field, COLUMN_BLOB, false, offsetof(type, field), 0, longest }
#define BLOB_COLUMN_OR_NULL(type, field, longest) { #field, COLUMN_BLOB, true, offsetof(type, field), 0, longest }
#define TABLE(tname, type, cols) { tname, sizeof(type), cols, sizeof(cols) / sizeof((cols)[0]) }

struct image;

struct image *image_new(const struct table *const *tables, size_t nr);
void image_free(struct image *img);
void image_freep(struct image **img);
#define _cleanup_image_ __attribute__((cleanup(image_freep)))

const struct table *const *image_tables(const struct image *img, size_t *ret_nr);
/* The table of that name among these; NULL: there is none. */
const struct table *image_table(const struct image *img, const char *name);
/* A new zeroed row at the end of @t's rows. The pointer is good until the next image_add() to @t. */
void *image_add(struct image *img, const struct table *t);
/* Take row @i of @t away; those behind it move up. */
void image_remove(struct image *img, const struct table *t, size_t i);
/* All rows of @t, in the order they were added (loaded: in primary key order). */
void *image_rows(const struct image *img, const struct table *t, size_t *ret_nr);
/* The first row of @t whose integer column at @offset is @value, or NULL. Linear. */
void *image_find(const struct image *img, const struct table *t, size_t offset, int64_t value);
/* Copies that live as long as the image. */
char *image_strdup(struct image *img, const char *s);
struct blob image_blob(struct image *img, const void *data, size_t len);

/* for (row of type T in table t of img) */
#define image_for_each(row, img, t) \
	for (size_t _n, _i = ((row) = image_rows(img, t, &_n), 0); _i < _n; _i++, (row)++)
