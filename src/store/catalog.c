// SPDX-License-Identifier: GPL-2.0-only
/*
 * The catalog, see catalog.h: the only file that knows SQLite. Rows go in and
 * out by their struct table alone, in both directions with every value checked
 * against its column: what can't be loaded never gets in.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/util.h"
#include "schema_sql.h"
#include "store/catalog.h"
#include "store/catalog_rows.h"
#include "store/catalog_schema.h"
#include "store/catalog_sqlite.h"

#define APPLICATION_ID 0x63707431	/* schema.sql */
#define BUSY_MS 60000			/* how long to wait for another cpt's transaction */

const struct catalog_schema catalog_schema = { .sql = schema_sql, .version = 1 };

/* ---- SQLite's conventions into ours ------------------------------------ */

static int errno_of(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:	return -EBADMSG;
	case SQLITE_CONSTRAINT:	return -EEXIST;
	case SQLITE_FULL:	return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:	return -EBUSY;
	case SQLITE_READONLY:	return -EROFS;
	case SQLITE_CANTOPEN:	return -ENOENT;
	case SQLITE_NOMEM:	return -ENOMEM;
	case SQLITE_PERM:
	case SQLITE_AUTH:	return -EACCES;
	case SQLITE_TOOBIG:	return -E2BIG;
	default:		return -EIO;
	}
}

int catalog_fail(struct catalog *c, struct err *e, const char *what)
{
	int code = errno_of(sqlite3_errcode(c->db));

	err_set(e, code, "catalog %s: %s: %s", c->path, what, sqlite3_errmsg(c->db));
	if (code == -EBADMSG)
		err_advise(e, "the file is damaged; `sqlite3 %s .recover` shows what is left of it", c->path);
	return code;
}

static int run_sql(struct catalog *c, const char *sql, const char *what, struct err *e)
{
	return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : catalog_fail(c, e, what);
}

static void free_sqlite(char **s)
{
	sqlite3_free(*s);
}
#define _cleanup_sqlite_ __attribute__((cleanup(free_sqlite)))

int catalog_prepare(struct catalog *c, sqlite3_stmt **ret, const char *sql, struct err *e)
{
	return sqlite3_prepare_v2(c->db, sql, -1, ret, NULL) == SQLITE_OK ? 0 : catalog_fail(c, e, sql);
}

int catalog_get_number(struct catalog *c, const char *sql, int64_t *ret, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = catalog_prepare(c, &stmt, sql, e);

	if (r < 0)
		return r;
	if (sqlite3_step(stmt) != SQLITE_ROW)
		return catalog_fail(c, e, sql);
	*ret = sqlite3_column_int64(stmt, 0);
	return 0;
}

int catalog_run(struct catalog *c, const char *sql, int64_t number, const char *text, const char *what, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = catalog_prepare(c, &stmt, sql, e);

	if (r < 0)
		return r;
	sqlite3_bind_int64(stmt, 1, number);	/* fails where there is no such parameter, which is fine */
	if (text)
		sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
	return sqlite3_step(stmt) == SQLITE_DONE ? 0 : catalog_fail(c, e, what);
}

bool catalog_in_transaction(struct catalog *c)
{
	return !sqlite3_get_autocommit(c->db);
}

/* ---- opening ------------------------------------------------------------- */

static int configure(struct catalog *c, struct err *e)
{
	sqlite3_busy_timeout(c->db, BUSY_MS);
	sqlite3_extended_result_codes(c->db, 1);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	/* FULL: a commit is on disk when it returns, with the write-ahead log too. */
	return run_sql(c, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF", "open", e);
}

static int migrate(struct catalog *c, const struct catalog_schema *schema, int64_t from, struct err *e)
{
	int64_t broken = 0;
	int r = 0;

	for (int64_t v = from; r == 0 && v < schema->version; v++) {
		_cleanup_free_ char *done = xasprintf("PRAGMA user_version = %ld", v + 1);

		r = run_sql(c, schema->migrations[v - 1], "migrate", e) ?: run_sql(c, done, "migrate", e);
		if (r < 0)
			return err_in(e, "from version %ld to %ld", v, v + 1);
	}
	r = r ?: catalog_get_number(c, "SELECT count(*) FROM pragma_foreign_key_check", &broken, e);
	if (r == 0 && broken)
		return err_set(e, -EBADMSG, "catalog %s: %ld rows name others that do not exist after migration from version %ld",
			       c->path, broken, from);
	return r;
}

/* Is it a catalog, and of which version? An empty file is version 0. */
static int get_version(struct catalog *c, int64_t *ret, struct err *e)
{
	int64_t app = 0, objects = 0;
	int r;

	r = catalog_get_number(c, "PRAGMA application_id", &app, e) ?: catalog_get_number(c, "PRAGMA user_version", ret, e) ?:
	    catalog_get_number(c, "SELECT count(*) FROM sqlite_schema", &objects, e);
	if (r < 0)
		return r;
	if (objects == 0) {
		*ret = 0;
		return 0;
	}
	if (app != APPLICATION_ID || *ret < 1)
		return err_set(e, -EBADMSG, "%s is an SQLite database but not a catalog of cpt", c->path);
	return 0;
}

/* Make the tables or bring them to this version, in one transaction with foreign keys off, as SQLite wants it. */
static int bring_to_version(struct catalog *c, bool create, const struct catalog_schema *schema, struct err *e)
{
	int64_t version;
	int r = get_version(c, &version, e);

	if (r < 0 || version == schema->version)
		return r;
	if (version > schema->version) {
		err_set(e, -EPROTONOSUPPORT, "catalog %s has version %ld, this cpt knows versions up to %d", c->path, version,
			schema->version);
		return err_advise(e, "it was last used by a newer cpt: use that one");
	}
	if (version == 0 && !create)
		return err_set(e, -EBADMSG, "%s is empty, not a catalog", c->path);
	r = run_sql(c, "BEGIN EXCLUSIVE", "begin", e);
	if (r < 0)
		return r;
	if (version == 0)
		r = run_sql(c, schema->sql, "make the tables", e);
	else
		r = migrate(c, schema, version, e);
	r = r ?: run_sql(c, "COMMIT", "commit", e);
	if (r < 0)
		catalog_rollback(c);
	return r;
}

/* SQLite would make it readable for all. */
static int create_file(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(e, "make %s", path) : 0;
}

/* SQLite is used by one thread of cpt: no mutexes, nor statistics of memory that nobody reads; fails when it runs already. */
static void configure_library(void)
{
	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int catalog_open_schema(struct catalog **ret, const char *path, bool create, const struct catalog_schema *schema,
			struct err *e)
{
	struct catalog *c;
	int r = create ? create_file(path, e) : 0;

	if (r < 0)
		return r;
	if (!create && access(path, F_OK) < 0)
		return err_sys(e, "open catalog %s", path);
	c = xcalloc(1, sizeof(*c));
	c->path = xstrdup(path);
	configure_library();
	if (sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		r = catalog_fail(c, e, "open");
	r = r ?: configure(c, e) ?: bring_to_version(c, create, schema, e) ?:
	    run_sql(c, "PRAGMA foreign_keys = ON", "open", e);
	if (r < 0)
		catalog_close(c);
	else
		*ret = c;
	return r;
}

int catalog_open(struct catalog **ret, const char *path, bool create, struct err *e)
{
	return catalog_open_schema(ret, path, create, &catalog_schema, e);
}

void catalog_close(struct catalog *c)
{
	if (!c)
		return;
	sqlite3_close(c->db);
	free(c->path);
	free(c);
}

void catalog_closep(struct catalog **c)
{
	catalog_close(*c);
	*c = NULL;
}

int catalog_begin(struct catalog *c, struct err *e)
{
	return run_sql(c, "BEGIN IMMEDIATE", "begin", e);
}

int catalog_commit(struct catalog *c, struct err *e)
{
	return run_sql(c, "COMMIT", "commit", e);
}

void catalog_rollback(struct catalog *c)
{
	if (!sqlite3_get_autocommit(c->db))
		sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- rows by description --------------------------------------------------- */

/* A row's place, for messages. */
struct place {
	const struct table *table;
	size_t row;	/* from 1 */
};

static int out_of_range(const struct place *p, const struct column *col, int64_t v, const char *what, struct err *e)
{
	return err_set(e, -EBADMSG, "table %s, row %zu, column %s: %s %ld is not within %ld to %ld", p->table->name, p->row,
		       col->name, what, v, col->min, col->max);
}

static int check_null(const struct place *p, const struct column *col, struct err *e)
{
	if (col->optional)
		return 0;
	return err_set(e, -EBADMSG, "table %s, row %zu, column %s: there is no value", p->table->name, p->row, col->name);
}

static int check_size(const struct place *p, const struct column *col, size_t len, struct err *e)
{
	if ((int64_t)len < col->min || (int64_t)len > col->max)
		return out_of_range(p, col, (int64_t)len, "length", e);
	return 0;
}

static int bind_column(sqlite3_stmt *stmt, int at, const struct place *p, const struct column *col, const void *field,
		       struct err *e)
{
	switch (col->type) {
	case COLUMN_INT: {
		int64_t v = *(const int64_t *)field;

		if (v == COLUMN_NULL)
			return check_null(p, col, e);
		sqlite3_bind_int64(stmt, at, v);
		return v < col->min || v > col->max ? out_of_range(p, col, v, "value", e) : 0;
	}
	case COLUMN_TEXT: {
		const char *s = *(char *const *)field;

		if (!s)
			return check_null(p, col, e);
		sqlite3_bind_text64(stmt, at, s, strlen(s), SQLITE_STATIC, SQLITE_UTF8);
		return check_size(p, col, strlen(s), e);
	}
	case COLUMN_BLOB: {
		const struct blob *b = field;

		if (!b->data && (col->optional || b->len))
			return check_null(p, col, e);
		sqlite3_bind_blob64(stmt, at, b->data ?: "", b->len, SQLITE_STATIC);
		return check_size(p, col, b->len, e);
	}
	}
	assert(!"column type");
	return -EINVAL;
}

static const int sqlite_types[] = {
	[COLUMN_INT] = SQLITE_INTEGER, [COLUMN_TEXT] = SQLITE_TEXT, [COLUMN_BLOB] = SQLITE_BLOB,
};

/* Strings and blobs are the image's, or the caller's to free if there is none. */
static char *keep_text(struct image *img, const char *s)
{
	return img ? image_strdup(img, s) : xstrdup(s);
}

static struct blob keep_blob(struct image *img, const void *data, size_t len)
{
	if (img)
		return image_blob(img, data, len);
	return (struct blob){ len ? memcpy(xmalloc(len), data, len) : xmalloc(1), len };
}

static int read_column(sqlite3_stmt *stmt, int at, const struct place *p, const struct column *col, void *field,
		       struct image *img, struct err *e)
{
	/* Of one thread, so it needs no protection; sqlite3_column_int64() and the like cost twice as much. */
	sqlite3_value *value = sqlite3_column_value(stmt, at);
	int type = sqlite3_value_type(value);

	if (type == SQLITE_NULL) {
		if (col->type == COLUMN_INT)
			*(int64_t *)field = COLUMN_NULL;
		return check_null(p, col, e);
	}
	if (type != sqlite_types[col->type])
		return err_set(e, -EBADMSG, "table %s, row %zu, column %s: the value is not of the column's type",
			       p->table->name, p->row, col->name);
	if (col->type == COLUMN_INT) {
		int64_t v = *(int64_t *)field = sqlite3_value_int64(value);

		return v < col->min || v > col->max ? out_of_range(p, col, v, "value", e) : 0;
	}
	if (col->type == COLUMN_TEXT) {
		const char *s = (const char *)sqlite3_value_text(value);
		size_t len = (size_t)sqlite3_value_bytes(value);

		if (!s || strlen(s) != len)
			return err_set(e, -EBADMSG, "table %s, row %zu, column %s: a NUL is in the text", p->table->name, p->row,
				       col->name);
		*(char **)field = keep_text(img, s);
		return check_size(p, col, len, e);
	}
	*(struct blob *)field = keep_blob(img, sqlite3_value_blob(value), (size_t)sqlite3_value_bytes(value));
	return check_size(p, col, ((struct blob *)field)->len, e);
}

void catalog_clear_row(const struct table *t, void *row)
{
	for (size_t i = 0; i < t->nr_columns; i++) {
		char *field = (char *)row + t->columns[i].offset;

		if (t->columns[i].type == COLUMN_TEXT)
			free_ptr(field);
		else if (t->columns[i].type == COLUMN_BLOB)
			free_ptr(&((struct blob *)(void *)field)->data);
	}
}

static void add_columns(sqlite3_str *s, const struct table *t)
{
	for (size_t i = 0; i < t->nr_columns; i++)
		sqlite3_str_appendf(s, "%s\"%w\"", i ? ", " : "", t->columns[i].name);
}

/* `INSERT INTO "noun" ("snapshot_id", ...) VALUES (?, ...)`; the snapshot only where there is one. */
static char *insert_sql(const struct table *t, const char *verb, bool of_snapshot)
{
	sqlite3_str *s = sqlite3_str_new(NULL);

	sqlite3_str_appendf(s, "%s INTO \"%w\" (%s", verb, t->name, of_snapshot ? "snapshot_id, " : "");
	add_columns(s, t);
	sqlite3_str_appendf(s, ") VALUES (?");
	for (size_t i = 1; i < t->nr_columns + of_snapshot; i++)
		sqlite3_str_appendall(s, ", ?");
	sqlite3_str_appendall(s, ")");
	return sqlite3_str_finish(s);
}

int catalog_insert(struct catalog *c, const struct table *t, const char *verb, const char *snapshot_id,
		       const void *rows, size_t nr, struct err *e)
{
	_cleanup_sqlite_ char *sql = insert_sql(t, verb, snapshot_id);
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	int r = nr ? catalog_prepare(c, &stmt, sql, e) : 0;

	for (size_t i = 0; r == 0 && i < nr; i++) {
		const char *row = (const char *)rows + i * t->row_size;
		const struct place place = { t, i + 1 };
		int at = 1;

		sqlite3_clear_bindings(stmt);
		if (snapshot_id)
			sqlite3_bind_text(stmt, at++, snapshot_id, -1, SQLITE_STATIC);
		for (size_t j = 0; r == 0 && j < t->nr_columns; j++)
			r = bind_column(stmt, at++, &place, &t->columns[j], row + t->columns[j].offset, e);
		if (r == 0 && sqlite3_step(stmt) != SQLITE_DONE) {
			r = catalog_fail(c, e, "insert");
			err_in(e, "table %s, row %zu", t->name, i + 1);
		}
		sqlite3_reset(stmt);
	}
	return r;
}

static int read_row(sqlite3_stmt *stmt, const struct table *t, size_t nr, void *row, struct image *img, struct err *e)
{
	const struct place place = { t, nr };
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->nr_columns; i++)
		r = read_column(stmt, (int)i, &place, &t->columns[i], (char *)row + t->columns[i].offset, img, e);
	return r;
}

int catalog_select(struct catalog *c, const struct table *t, const char *rest, const char *text, void *ret_rows,
		       size_t *ret_nr, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	_cleanup_sqlite_ char *sql = NULL;
	sqlite3_str *s = sqlite3_str_new(NULL);
	char *rows = NULL;
	size_t nr = 0;
	int r, step = SQLITE_DONE;

	sqlite3_str_appendall(s, "SELECT ");
	add_columns(s, t);
	sqlite3_str_appendf(s, " FROM \"%w\" %s", t->name, rest);
	sql = sqlite3_str_finish(s);
	r = catalog_prepare(c, &stmt, sql, e);
	if (r == 0 && text)
		sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
	while (r == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		rows = xrealloc(rows, (nr + 1) * t->row_size);
		memset(rows + nr * t->row_size, 0, t->row_size);
		r = read_row(stmt, t, nr + 1, rows + nr * t->row_size, NULL, e);
		nr++;
	}
	if (r == 0 && step != SQLITE_DONE)
		r = catalog_fail(c, e, t->name);
	*(char **)ret_rows = rows;
	*ret_nr = nr;
	return r;
}

void catalog_free_rows(const struct table *t, void *rows, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		catalog_clear_row(t, (char *)rows + i * t->row_size);
	free(rows);
}

/* ---- images ------------------------------------------------------------------- */

/* The order of loading: by primary key, or as they were added. @keys takes a table, gives the columns of its key. */
static int add_order(struct catalog *c, sqlite3_stmt *keys, const struct table *t, sqlite3_str *sql, struct err *e)
{
	int nr = 0, step;

	sqlite3_bind_text(keys, 1, t->name, -1, SQLITE_STATIC);
	while ((step = sqlite3_step(keys)) == SQLITE_ROW)
		sqlite3_str_appendf(sql, "%s\"%w\"", nr++ ? ", " : " ORDER BY ", sqlite3_column_text(keys, 0));
	if (step == SQLITE_DONE && nr == 0)
		sqlite3_str_appendall(sql, " ORDER BY rowid");
	return step == SQLITE_DONE ? sqlite3_reset(keys) : catalog_fail(c, e, t->name);
}

static int load_table(struct catalog *c, sqlite3_stmt *keys, const struct table *t, const char *id, size_t nr_rows,
		      struct image *img, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *stmt = NULL;
	_cleanup_sqlite_ char *sql = NULL;
	sqlite3_str *s = sqlite3_str_new(NULL);
	int r, step = SQLITE_DONE;
	size_t nr = 0;

	sqlite3_str_appendall(s, "SELECT ");
	add_columns(s, t);
	sqlite3_str_appendf(s, " FROM \"%w\" WHERE snapshot_id = ?", t->name);
	r = add_order(c, keys, t, s, e);
	sql = sqlite3_str_finish(s);
	r = r ?: catalog_prepare(c, &stmt, sql, e);
	if (r == 0)
		sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
	while (r == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW)
		r = read_row(stmt, t, ++nr, image_add(img, t), img, e);
	if (r == 0 && step != SQLITE_DONE)
		r = catalog_fail(c, e, t->name);
	if (r == 0 && nr != nr_rows)
		r = err_set(e, -EBADMSG, "table %s has %zu rows of it, table snapshot_table says %zu", t->name, nr, nr_rows);
	return r;
}

int catalog_load_image(struct catalog *c, const char *id, struct image *img, struct err *e)
{
	_cleanup_stmt_ sqlite3_stmt *keys = NULL;
	struct snapshot_table_row *rows = NULL;
	size_t nr = 0;
	int r;

	/* One transaction: one state of all tables, and locks are taken once instead of for each of them. */
	r = catalog_prepare(c, &keys, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", e) ?:
	    run_sql(c, "BEGIN", "begin to read", e);
	if (r < 0)
		return r;
	/* Only what it has: to prepare a statement costs more than to read most tables. */
	r = catalog_select(c, &snapshot_table_table, "WHERE snapshot_id = ?", id, &rows, &nr, e);
	for (size_t i = 0; r == 0 && i < nr; i++) {
		const struct table *t = image_table(img, rows[i].noun);

		r = t ? load_table(c, keys, t, id, (size_t)rows[i].rows, img, e) :
			err_set(e, -EBADMSG, "table snapshot_table names \"%s\", which is no table of this cpt's", rows[i].noun);
	}
	catalog_free_rows(&snapshot_table_table, rows, nr);
	catalog_rollback(c);	/* nothing was written */
	return r < 0 ? err_in(e, "snapshot %s", id) : 0;
}
