// SPDX-License-Identifier: GPL-2.0-only
/* A snapshot's records in memory, see image.h. */
#include <assert.h>
#include <string.h>
#include "base/image.h"
#include "base/util.h"

struct rows {
	char *data;
	size_t nr, cap;
};

/* Strings and blobs, freed with the image. */
struct chunk {
	struct chunk *next;
	max_align_t data[];
};

struct image {
	const struct table *const *tables;
	size_t nr_tables;
	struct rows *rows;
	const struct table *added;	/* the table of the last row: most follow one of their own */
	struct rows *added_rows;
	struct chunk *chunks;
};

struct image *image_new(const struct table *const *tables, size_t nr)
{
	struct image *img = xcalloc(1, sizeof(*img));

	*img = (struct image){ .tables = tables, .nr_tables = nr, .rows = xcalloc(nr, sizeof(struct rows)) };
	return img;
}

void image_free(struct image *img)
{
	if (!img)
		return;
	for (size_t i = 0; i < img->nr_tables; i++)
		free(img->rows[i].data);
	for (struct chunk *c = img->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(img->rows);
	free(img);
}

void image_freep(struct image **img)
{
	image_free(*img);
	*img = NULL;
}

const struct table *const *image_tables(const struct image *img, size_t *ret_nr)
{
	*ret_nr = img->nr_tables;
	return img->tables;
}

const struct table *image_table(const struct image *img, const char *name)
{
	for (size_t i = 0; i < img->nr_tables; i++)
		if (strcmp(img->tables[i]->name, name) == 0)
			return img->tables[i];
	return NULL;
}

static struct rows *image_find_rows(const struct image *img, const struct table *t)
{
	for (size_t i = 0; i < img->nr_tables; i++)
		if (img->tables[i] == t)
			return &img->rows[i];
	assert(!"table is not in kinds.c");
	return NULL;
}

void *image_add(struct image *img, const struct table *t)
{
	struct rows *r;
	void *row;

	if (img->added != t)
		img->added_rows = image_find_rows(img, img->added = t);
	r = img->added_rows;
	if (r->nr == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 8;
		r->data = xrealloc(r->data, r->cap * t->row_size);
	}
	row = r->data + r->nr++ * t->row_size;
	return memset(row, 0, t->row_size);
}

void image_remove(struct image *img, const struct table *t, size_t i)
{
	struct rows *r = image_find_rows(img, t);
	char *row = r->data + i * t->row_size;

	assert(i < r->nr);
	memmove(row, row + t->row_size, (--r->nr - i) * t->row_size);
}

void *image_rows(const struct image *img, const struct table *t, size_t *ret_nr)
{
	const struct rows *r = image_find_rows(img, t);

	*ret_nr = r->nr;
	return r->data;
}

void *image_find(const struct image *img, const struct table *t, size_t offset, int64_t value)
{
	const struct rows *r = image_find_rows(img, t);

	for (size_t i = 0; i < r->nr; i++) {
		char *row = r->data + i * t->row_size;

		if (*(int64_t *)(void *)(row + offset) == value)
			return row;
	}
	return NULL;
}

static void *image_alloc(struct image *img, size_t len)
{
	struct chunk *c = xmalloc(sizeof(*c) + len);

	c->next = img->chunks;
	img->chunks = c;
	return c->data;
}

char *image_strdup(struct image *img, const char *s)
{
	size_t len = strlen(s) + 1;

	return memcpy(image_alloc(img, len), s, len);
}

struct blob image_blob(struct image *img, const void *data, size_t len)
{
	struct blob b = { image_alloc(img, len), len };

	if (len)
		memcpy(b.data, data, len);
	return b;
}
