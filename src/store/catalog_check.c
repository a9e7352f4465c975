// SPDX-License-Identifier: GPL-2.0-only
/* Do the descriptions of tables (struct table) and schema.sql say the same? See catalog_schema.h. */
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "store/catalog_schema.h"
#include "store/catalog_sqlite.h"

static const char *const type_names[] = {
	[COLUMN_INT] = "INTEGER", [COLUMN_TEXT] = "TEXT", [COLUMN_BLOB] = "BLOB",
};

static const struct column *find_column(const struct table *t, const char *name)
{
	for (size_t i = 0; i < t->nr_columns; i++)
		if (strcmp(t->columns[i].name, name) == 0)
			return &t->columns[i];
	return NULL;
}

/* One column of the schema: name, type, NOT NULL. */
static int check_column(const struct table *t, int at, const char *name, const char *type, bool not_null, struct err *e)
{
	const struct column *col = find_column(t, name);

	if (at == 0) {
		if (strcmp(name, "snapshot_id") || strcmp(type, "TEXT") || !not_null)
			return err_set(e, -EBADMSG, "table %s: its first column is not snapshot_id TEXT NOT NULL", t->name);
		return 0;
	}
	if (!col)
		return err_set(e, -EBADMSG, "table %s: schema.sql has column %s, its description has not", t->name, name);
	if (strcmp(type, type_names[col->type]))
		return err_set(e, -EBADMSG, "table %s, column %s: %s in schema.sql, %s in its description", t->name, name, type,
			       type_names[col->type]);
	if (not_null == col->optional)
		return err_set(e, -EBADMSG, "table %s, column %s: %s in schema.sql, %s in its description", t->name, name,
			       not_null ? "NOT NULL" : "may be NULL", col->optional ? "optional" : "not optional");
	return 0;
}

static int check_number(struct catalog *c, const struct table *t, const char *sql, const char *wrong, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = catalog_prepare(c, &stmt, sql, e);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) != SQLITE_ROW)
		return catalog_fail(c, e, t->name);
	return sqlite3_column_int64(stmt, 0) ? 0 : err_set(e, -EBADMSG, "table %s: %s", t->name, wrong);
}

int catalog_check_table(struct catalog *c, const struct table *t, struct err *e)
{
	static const char cascade[] = "SELECT count(*) FROM pragma_foreign_key_list(?) WHERE \"from\" = 'snapshot_id' "
				      "AND \"table\" = 'snapshot' AND on_delete = 'CASCADE'";
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	size_t nr = 0;
	int r = check_number(c, t, "SELECT count(*) FROM pragma_table_list WHERE name = ? AND schema = 'main'",
			     "it is not in schema.sql", e) ?:
		check_number(c, t, "SELECT strict FROM pragma_table_list WHERE name = ? AND schema = 'main'",
			     "it is not STRICT", e) ?:
		check_number(c, t, cascade, "its snapshot_id does not refer to snapshot with ON DELETE CASCADE", e) ?:
		check_number(c, t, "SELECT count(*) FROM pragma_index_list(?) WHERE \"unique\"", "it has no key", e) ?:
		catalog_prepare(c, &stmt, "SELECT name, type, \"notnull\" FROM pragma_table_info(?) ORDER BY cid", e);

	if (r < 0)
		return r;
	sqlite3_bind_text(stmt, 1, t->name, -1, SQLITE_STATIC);
	for (; r == 0 && sqlite3_step(stmt) == SQLITE_ROW; nr++)
		r = check_column(t, (int)nr, (const char *)sqlite3_column_text(stmt, 0),
				 (const char *)sqlite3_column_text(stmt, 1), sqlite3_column_int(stmt, 2), e);
	if (r == 0 && nr != t->nr_columns + 1)
		r = err_set(e, -EBADMSG, "table %s: %zu columns in schema.sql, %zu in its description and snapshot_id", t->name, nr,
			    t->nr_columns);
	return r;
}
