// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nouns of the store itself in the catalog: setting, volume, pin and
 * snapshot, see catalog.h. Their rows are described like those of any kind.
 */
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "store/catalog.h"
#include "store/catalog_rows.h"

#define THIN_ID_MAX 16777215	/* 24 bits: MAX_DEV_ID, drivers/md/dm-thin-metadata.h has it so */

/* ---- settings ---------------------------------------------------------------- */

struct setting_row {
	char *key, *value;
};
static const struct column setting_columns[] = {
	TEXT_COLUMN(struct setting_row, key, 255),
	TEXT_COLUMN(struct setting_row, value, 65535),
};
static const struct table setting_table = TABLE("setting", struct setting_row, setting_columns);

int catalog_set(struct catalog *c, const char *key, const char *value, struct err *e)
{
	struct setting_row row = { (char *)key, (char *)value };

	return catalog_insert(c, &setting_table, "REPLACE", NULL, &row, 1, e);
}

int catalog_get(struct catalog *c, const char *key, char **ret, struct err *e)
{
	struct setting_row *rows;
	size_t nr;
	int r = catalog_select(c, &setting_table, "WHERE key = ?", key, &rows, &nr, e);

	if (r == 0 && nr == 0)
		r = err_set(e, -ENOENT, "the store has no setting %s", key);
	if (r == 0)
		*ret = take_ptr(rows[0].value);
	catalog_free_rows(&setting_table, rows, nr);
	return r;
}

/* ---- volumes ------------------------------------------------------------------- */

/* As the table has it: the role spelled out. */
struct volume_record {
	int64_t thin_id;
	char *role;
	int64_t origin, bytes, created_ns;
};
static const struct column volume_columns[] = {
	INT_COLUMN(struct volume_record, thin_id, 1, THIN_ID_MAX),
	TEXT_COLUMN(struct volume_record, role, 8),
	INT_COLUMN_OR_NULL(struct volume_record, origin, 1, THIN_ID_MAX),
	INT_COLUMN(struct volume_record, bytes, 1, INT64_MAX),
	INT_COLUMN(struct volume_record, created_ns, 0, INT64_MAX),
};
static const struct table volume_table = TABLE("volume", struct volume_record, volume_columns);

static const char *const roles[] = { [VOLUME_LIVE] = "live", [VOLUME_SNAPSHOT] = "snapshot" };

/* What was begun as a transaction of its own, outside of any, is committed, or with @r < 0 rolled back. */
static int end_own(struct catalog *c, bool own, int r, struct err *e)
{
	if (r == 0 && own)
		r = catalog_commit(c, e);
	if (r < 0 && own)
		catalog_rollback(c);
	return r;
}

int catalog_add_volume(struct catalog *c, const struct volume_row *v, struct err *e)
{
	const struct volume_record record = {
		.thin_id = v->thin_id, .role = (char *)roles[v->role], .origin = v->origin, .bytes = v->bytes,
		.created_ns = v->created_ns,
	};
	bool own = !catalog_in_transaction(c);
	int r = own ? catalog_begin(c, e) : 0;

	r = r ?: catalog_insert(c, &volume_table, "INSERT", NULL, &record, 1, e) ?: catalog_release_thin_id(c, v->thin_id, e);
	return end_own(c, own, r, e);
}

static const char remember_volume[] = "INSERT INTO unfinished (thin_id) SELECT thin_id FROM volume WHERE thin_id = ?1";

int catalog_remove_volume(struct catalog *c, int64_t thin_id, struct err *e)
{
	bool own = !catalog_in_transaction(c);
	int r = own ? catalog_begin(c, e) : 0;

	r = r ?: catalog_run(c, remember_volume, thin_id, NULL, "note a volume's end", e) ?:
	    catalog_run(c, "DELETE FROM volume WHERE thin_id = ?1", thin_id, NULL, "remove a volume", e);
	return end_own(c, own, r, e);
}

int catalog_each_volume(struct catalog *c, int (*fn)(const struct volume_row *, void *), void *arg, struct err *e)
{
	struct volume_record *rows;
	size_t nr;
	int r = catalog_select(c, &volume_table, "ORDER BY thin_id", NULL, &rows, &nr, e);

	for (size_t i = 0; r == 0 && i < nr; i++) {
		const struct volume_row v = {
			.thin_id = rows[i].thin_id, .origin = rows[i].origin, .bytes = rows[i].bytes,
			.created_ns = rows[i].created_ns,
			.role = strcmp(rows[i].role, roles[VOLUME_LIVE]) ? VOLUME_SNAPSHOT : VOLUME_LIVE,
		};

		r = fn(&v, arg);
	}
	catalog_free_rows(&volume_table, rows, nr);
	return r;
}

int catalog_next_thin_id(struct catalog *c, int64_t *ret, struct err *e)
{
	static const char highest[] =
		"SELECT coalesce(max(thin_id), 0) + 1 FROM (SELECT thin_id FROM volume UNION SELECT thin_id FROM unfinished)";
	static const char lowest_gap[] =
		"WITH used (id) AS (SELECT 0 UNION SELECT thin_id FROM volume UNION SELECT thin_id FROM unfinished) "
		"SELECT min(id) + 1 FROM used WHERE id + 1 NOT IN used";
	int64_t id;
	int r = catalog_get_number(c, highest, &id, e);

	if (r == 0 && id > THIN_ID_MAX)
		r = catalog_get_number(c, lowest_gap, &id, e);
	if (r == 0 && id > THIN_ID_MAX)
		r = err_set(e, -ENOSPC, "all %d volume ids of the pool are in use", THIN_ID_MAX);
	r = r ?: catalog_run(c, "INSERT INTO unfinished (thin_id) VALUES (?1)", id, NULL, "reserve a volume id", e);
	if (r == 0)
		*ret = id;
	return r;
}

int catalog_release_thin_id(struct catalog *c, int64_t thin_id, struct err *e)
{
	return catalog_run(c, "DELETE FROM unfinished WHERE thin_id = ?1", thin_id, NULL, "release a volume id", e);
}

struct unfinished_row {
	int64_t thin_id;
};
static const struct column unfinished_columns[] = { INT_COLUMN(struct unfinished_row, thin_id, 1, THIN_ID_MAX) };
static const struct table unfinished_table = TABLE("unfinished", struct unfinished_row, unfinished_columns);

int catalog_each_unfinished(struct catalog *c, int (*fn)(int64_t, void *), void *arg, struct err *e)
{
	struct unfinished_row *rows;
	size_t nr;
	int r = catalog_select(c, &unfinished_table, "ORDER BY thin_id", NULL, &rows, &nr, e);

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = fn(rows[i].thin_id, arg);
	catalog_free_rows(&unfinished_table, rows, nr);
	return r;
}

/* ---- pins ------------------------------------------------------------------------ */

static const struct column pin_columns[] = {
	TEXT_COLUMN(struct pin_row, cgroup, 4095),
	INT_COLUMN(struct pin_row, thin_id, 1, THIN_ID_MAX),
	TEXT_COLUMN_OR_NULL(struct pin_row, parent_snapshot, 12),
	TEXT_COLUMN(struct pin_row, boot_id, 36),
	TEXT_COLUMN_OR_NULL(struct pin_row, cut_short, 6),
};
static const struct table pin_table = TABLE("pin", struct pin_row, pin_columns);

int catalog_set_pin(struct catalog *c, const struct pin_row *p, struct err *e)
{
	return catalog_insert(c, &pin_table, "REPLACE", NULL, p, 1, e);
}

int catalog_remove_pin(struct catalog *c, const char *cgroup, struct err *e)
{
	return catalog_run(c, "DELETE FROM pin WHERE cgroup = ?2", 0, cgroup, "remove a pin", e);
}

int catalog_mark_pin(struct catalog *c, const char *cgroup, const char *cut_short, struct err *e)
{
	_cleanup_free_ char *sql = xasprintf("UPDATE pin SET cut_short = nullif('%s', '') WHERE cgroup = ?2", cut_short ?: "");
	int r = catalog_run(c, "PRAGMA synchronous = NORMAL", 0, NULL, "wait for no disk", e) ?:
		catalog_run(c, sql, 0, cgroup, "mark a pin", e);

	return catalog_run(c, "PRAGMA synchronous = FULL", 0, NULL, "wait for the disk", r < 0 ? &ERR_INIT : e) ?: r;
}

int catalog_get_pin(struct catalog *c, const char *cgroup, struct pin_row *ret, struct err *e)
{
	struct pin_row *rows;
	size_t nr;
	int r = catalog_select(c, &pin_table, "WHERE cgroup = ?", cgroup, &rows, &nr, e);

	if (r == 0 && nr == 0) {
		r = err_set(e, -ENOENT, "%s is not pinned to a swap volume", cgroup);
		err_advise(e, "`cpt pin %s` pins it", cgroup);
	} else if (r == 0) {
		*ret = rows[0];
		rows[0] = (struct pin_row){ 0 };
	}
	catalog_free_rows(&pin_table, rows, nr);
	return r;
}

int catalog_each_pin(struct catalog *c, int (*fn)(const struct pin_row *, void *), void *arg, struct err *e)
{
	struct pin_row *rows;
	size_t nr;
	int r = catalog_select(c, &pin_table, "ORDER BY cgroup", NULL, &rows, &nr, e);

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = fn(&rows[i], arg);
	catalog_free_rows(&pin_table, rows, nr);
	return r;
}

void pin_row_clear(struct pin_row *p)
{
	catalog_clear_row(&pin_table, p);
}

/* ---- snapshots --------------------------------------------------------------------- */

static const struct column snapshot_columns[] = {
	TEXT_COLUMN(struct snapshot_row, id, 12),
	TEXT_COLUMN_OR_NULL(struct snapshot_row, parent, 12),
	TEXT_COLUMN(struct snapshot_row, cgroup, 4095),
	INT_COLUMN(struct snapshot_row, thin_id, 1, THIN_ID_MAX),
	INT_COLUMN(struct snapshot_row, created_ns, 0, INT64_MAX),
	TEXT_COLUMN(struct snapshot_row, hostname, 64),
	TEXT_COLUMN(struct snapshot_row, kernel, 64),
	INT_COLUMN(struct snapshot_row, tasks, 0, INT32_MAX),
	INT_COLUMN(struct snapshot_row, threads, 0, INT32_MAX),
	INT_COLUMN(struct snapshot_row, pages, 0, INT64_MAX),
	INT_COLUMN(struct snapshot_row, pages_written, 0, INT64_MAX),
	INT_COLUMN(struct snapshot_row, runs, 0, INT64_MAX),
	INT_COLUMN(struct snapshot_row, frozen_ns, 0, INT64_MAX),
	INT_COLUMN(struct snapshot_row, total_ns, 0, INT64_MAX),
	INT_COLUMN(struct snapshot_row, catalog_bytes, 0, INT64_MAX),
};
static const struct table snapshot_table = TABLE("snapshot", struct snapshot_row, snapshot_columns);

static const struct column snapshot_table_columns[] = {
	TEXT_COLUMN(struct snapshot_table_row, noun, 64),
	INT_COLUMN(struct snapshot_table_row, rows, 1, INT64_MAX),
};
const struct table snapshot_table_table = TABLE("snapshot_table", struct snapshot_table_row, snapshot_table_columns);

static int bytes_in_use(struct catalog *c, int64_t *ret, struct err *e)
{
	int64_t pages, freed, size;
	int r = catalog_get_number(c, "PRAGMA page_count", &pages, e) ?: catalog_get_number(c, "PRAGMA freelist_count", &freed, e) ?:
		catalog_get_number(c, "PRAGMA page_size", &size, e);

	if (r == 0)
		*ret = (pages - freed) * size;
	return r;
}

int catalog_add_snapshot(struct catalog *c, struct snapshot_row *s, const struct image *img, struct err *e)
{
	int64_t before = 0, after = 0;
	const struct table *const *tables;
	_cleanup_free_ struct snapshot_table_row *counts = NULL;
	size_t nr_tables, nr, nr_counts = 0;
	int r;

	s->catalog_bytes = 0;
	r = bytes_in_use(c, &before, e) ?: catalog_insert(c, &snapshot_table, "INSERT", NULL, s, 1, e);
	tables = image_tables(img, &nr_tables);
	counts = xcalloc(nr_tables, sizeof(*counts));
	for (size_t i = 0; r == 0 && i < nr_tables; i++) {
		const void *rows = image_rows(img, tables[i], &nr);

		if (!nr)
			continue;
		counts[nr_counts++] = (struct snapshot_table_row){ (char *)tables[i]->name, (int64_t)nr };
		r = catalog_insert(c, tables[i], "INSERT", s->id, rows, nr, e);
	}
	r = r ?: catalog_insert(c, &snapshot_table_table, "INSERT", s->id, counts, nr_counts, e);
	r = r ?: bytes_in_use(c, &after, e);
	if (r < 0)
		return r;
	s->catalog_bytes = max(after - before, 0);
	return catalog_run(c, "UPDATE snapshot SET catalog_bytes = ?1 WHERE id = ?2", s->catalog_bytes, s->id,
			   "note the size of a snapshot", e);
}

/* "a1b2, a1c3 and 3 more" */
static char *list_ids(const struct snapshot_row *rows, size_t nr)
{
	char *s = xstrdup("");

	for (size_t i = 0; i < nr && i < 4; i++) {
		_cleanup_free_ char *old = s;

		s = xasprintf("%s%s%s", old, i ? ", " : "", rows[i].id);
	}
	if (nr > 4) {
		_cleanup_free_ char *old = s;

		s = xasprintf("%s and %zu more", old, nr - 4);
	}
	return s;
}

int catalog_get_snapshot(struct catalog *c, const char *prefix, struct snapshot_row *ret, struct err *e)
{
	struct snapshot_row *rows;
	size_t nr;
	int r = catalog_select(c, &snapshot_table, "WHERE ?1 <> '' AND substr(id, 1, length(?1)) = ?1 ORDER BY id", prefix,
			    &rows, &nr, e);

	if (r == 0 && nr == 0) {
		r = err_set(e, -ENOENT, "no snapshot's id begins with \"%s\"", prefix);
		err_advise(e, "`cpt list` shows the snapshots of the store");
	} else if (r == 0 && nr > 1) {
		_cleanup_free_ char *ids = list_ids(rows, nr);

		r = err_set(e, -ENOTUNIQ, "the ids of %zu snapshots begin with \"%s\": %s", nr, prefix, ids);
		err_advise(e, "give more digits of the one you mean");
	} else if (r == 0) {
		*ret = rows[0];
		rows[0] = (struct snapshot_row){ 0 };
	}
	catalog_free_rows(&snapshot_table, rows, nr);
	return r;
}

void snapshot_row_clear(struct snapshot_row *s)
{
	catalog_clear_row(&snapshot_table, s);
}

int catalog_each_snapshot(struct catalog *c, int (*fn)(const struct snapshot_row *, void *), void *arg, struct err *e)
{
	struct snapshot_row *rows;
	size_t nr;
	int r = catalog_select(c, &snapshot_table, "ORDER BY created_ns, id", NULL, &rows, &nr, e);

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = fn(&rows[i], arg);
	catalog_free_rows(&snapshot_table, rows, nr);
	return r;
}

int catalog_remove_snapshot(struct catalog *c, const char *id, struct err *e)
{
	return catalog_run(c, "DELETE FROM snapshot WHERE id = ?2", 0, id, "remove a snapshot", e);
}
