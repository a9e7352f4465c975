// SPDX-License-Identifier: GPL-2.0-only
/* Bytes that wait in queues, see bytes.h. */
#include <errno.h>
#include "state/bytes.h"

static const struct column bytes_columns[] = {
	INT_COLUMN(struct bytes_row, bytes, 0, INT32_MAX),
	INT_COLUMN(struct bytes_row, part, 0, INT32_MAX),
	BLOB_COLUMN(struct bytes_row, data, BYTES_LONGEST_PART),
};
const struct table bytes_table = TABLE("bytes", struct bytes_row, bytes_columns);

int64_t bytes_new(struct save *s)
{
	const struct bytes_row *row;
	size_t nr;

	row = image_rows(s->img, &bytes_table, &nr);
	return nr ? row[nr - 1].bytes + 1 : 0;
}

void bytes_add(struct save *s, int64_t bytes, const void *data, size_t len)
{
	const struct bytes_row *rows;
	struct bytes_row *row;
	int64_t part = 0;
	size_t nr;

	rows = image_rows(s->img, &bytes_table, &nr);
	if (nr && rows[nr - 1].bytes == bytes)
		part = rows[nr - 1].part + 1;
	row = image_add(s->img, &bytes_table);
	*row = (struct bytes_row){ bytes, part, image_blob(s->img, data, len) };
}

int bytes_parts(const struct image *img, int64_t bytes, const struct bytes_row ***ret, size_t *ret_nr, struct err *e)
{
	const struct bytes_row **parts = NULL, *row;
	size_t nr = 0, cap = 0;

	image_for_each(row, img, &bytes_table) {
		if (row->bytes != bytes)
			continue;
		if (row->part != (int64_t)nr) {
			free(parts);
			return err_set(e, -EBADMSG, "part %zu of queue %ld is not in table bytes", nr, bytes);
		}
		array_grow(parts, nr, cap);
		parts[nr++] = row;
	}
	*ret = parts;
	*ret_nr = nr;
	return 0;
}
