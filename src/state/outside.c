// SPDX-License-Identifier: GPL-2.0-only
/* What has its other end outside of the container, while it is saved; see outside.h. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "state/outside.h"

#define ROW struct outside_row
static const struct column outside_columns[] = {
	INT_COLUMN(ROW, outside, 0, INT32_MAX),
	TEXT_COLUMN(ROW, name, 4200),
	TEXT_COLUMN(ROW, kind, 5),
	INT_COLUMN(ROW, access, OUTSIDE_READS, OUTSIDE_READS | OUTSIDE_WRITES),
	TEXT_COLUMN_OR_NULL(ROW, otherwise, 108),
};
const struct table outside_table = TABLE("outside", ROW, outside_columns);

static const struct column outside_file_columns[] = {
	INT_COLUMN(struct outside_file_row, file, 0, INT32_MAX),
	INT_COLUMN(struct outside_file_row, outside, 0, INT32_MAX),
};
const struct table outside_file_table = TABLE("outside_file", struct outside_file_row, outside_file_columns);

static ROW *find(const struct save *s, const char *kind, int64_t number)
{
	ROW *row;

	image_for_each(row, s->img, &outside_table)
		if (strcmp(row->kind, kind) == 0 && row->number == number)
			return row;
	return NULL;
}

const ROW *outside_saved(const struct save *s, const char *kind, int64_t number)
{
	const ROW *row = find(s, kind, number);

	return row && !row->refused ? row : NULL;
}

static bool name_taken(const struct image *img, const char *name)
{
	const ROW *row;

	image_for_each(row, img, &outside_table)
		if (strcmp(row->name, name) == 0)
			return true;
	return false;
}

/* A name is typed in a shell, in options with a '=' behind it. */
char *outside_name_new(const struct image *img, const char *kind, const char *where)
{
	char *plain = xasprintf("%s:%s", kind, where);

	for (char *c = plain; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("/._:@,+%-", *c))
			*c = '?';
	for (int turn = 2; name_taken(img, plain); turn++) {
		_cleanup_free_ char *name = xasprintf("%s#%d", plain, turn);

		if (!name_taken(img, name)) {
			free(plain);
			return take_ptr(name);
		}
	}
	return plain;
}

static char *name_make(const struct save *s, const struct outside_thing *t)
{
	char number[24];

	snprintf(number, sizeof(number), "%ld", t->number);
	return outside_name_new(s->img, t->kind, t->where ?: number);
}

static bool asked_for(const struct save *s, const ROW *row)
{
	for (size_t i = 0; i < s->nr_outside; i++)
		if (outside_match(s->outside[i], row->kind, row->name))
			return true;
	return row->otherwise;
}

static void refuse(struct save *s, const struct live_process *p, const struct open_file *f,
		   const struct outside_thing *t, const char *name)
{
	_cleanup_free_ char *advice = xasprintf("%s%s--outside %s takes the snapshot without %s", t->advice ?: "",
						t->advice ? "; or " : "", name,
						strcmp(t->kind, "mount") == 0 ? "it" : "its other end");
	char object[256];

	save_refuse(s, p, f ? open_file_name(f, object) : t->object, advice, "%s", t->reason);
	s->refusals[s->nr_refusals - 1].outside = xstrdup(name);
}

static int64_t access_of(const struct open_file *f)
{
	int mode = f->flags & O_ACCMODE;

	return mode == O_RDONLY ? OUTSIDE_READS : mode == O_WRONLY ? OUTSIDE_WRITES : OUTSIDE_READS | OUTSIDE_WRITES;
}

bool outside_save(struct save *s, const struct live_process *p, const struct open_file *f,
		  const struct outside_thing *t)
{
	ROW *row = find(s, t->kind, t->number);

	if (!row) {
		_cleanup_free_ char *name = name_make(s, t);
		size_t nr;

		image_rows(s->img, &outside_table, &nr);
		row = image_add(s->img, &outside_table);
		*row = (ROW){
			.outside = (int64_t)nr, .name = image_strdup(s->img, name), .kind = image_strdup(s->img, t->kind),
			.number = t->number, .otherwise = t->otherwise ? image_strdup(s->img, t->otherwise) : NULL,
		};
		row->refused = !asked_for(s, row);
		if (row->refused)
			refuse(s, p, f, t, name);
	}
	row->access |= f ? access_of(f) : t->access;
	if (f)
		*(struct outside_file_row *)image_add(s->img, &outside_file_table) =
			(struct outside_file_row){ f->id, row->outside };
	return !row->refused;
}
