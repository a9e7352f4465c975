// SPDX-License-Identifier: GPL-2.0-only
/* The catalog: rows survive, what is wrong in it is named, versions step. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include "base/util.h"
#include "state/kind.h"
#include "store/catalog.h"
#include "store/catalog_schema.h"

static char dir[64];
static char path[96];

/* A noun of a test's own, added to the schema of each test's catalog. */
struct noun_row {
	int64_t noun;
	int64_t number;
	char *text;
	struct blob blob;
	struct blob note;
};
static const struct column noun_columns[] = {
	INT_COLUMN(struct noun_row, noun, 0, 1000),
	INT_COLUMN_OR_NULL(struct noun_row, number, -5, 5),
	TEXT_COLUMN_OR_NULL(struct noun_row, text, 8),
	BLOB_COLUMN(struct noun_row, blob, 16),
	BLOB_COLUMN_OR_NULL(struct noun_row, note, 16),
};
static const struct table noun_table = TABLE("noun", struct noun_row, noun_columns);
static const struct table *const tables[] = { &noun_table };

static const char noun_sql[] =
	"CREATE TABLE noun (snapshot_id TEXT NOT NULL REFERENCES snapshot (id) ON DELETE CASCADE, noun INTEGER NOT NULL, "
	"number INTEGER, text TEXT, blob BLOB NOT NULL, note BLOB, PRIMARY KEY (snapshot_id, noun)) STRICT, WITHOUT ROWID;";

static struct err e;	/* of the last call */

#define ok(call)                                                                       \
	do {                                                                           \
		int _r = (call);                                                       \
		if (_r < 0)                                                            \
			fail_msg("%s: %d: %s", #call, _r, e.msg);                      \
	} while (0)

/* Behind the catalog's back, as a foreign hand would. */
static void tamper(const char *sql)
{
	char *msg = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
		fail_msg("%s: %s", sql, msg);
	sqlite3_close(db);
}

static void remove_catalog(void)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *file = xasprintf("%s%s", path, suffixes[i]);

		unlink(file);
	}
}

static int setup(void **state)
{
	struct catalog *c;

	snprintf(dir, sizeof(dir), "/tmp/cpt-catalog.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/catalog.db", dir);
	ok(catalog_open(&c, path, true, &e));
	catalog_close(c);
	tamper(noun_sql);
	ok(catalog_open(&c, path, false, &e));
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	catalog_close(*state);
	remove_catalog();
	return rmdir(dir);
}

static void add_volume(struct catalog *c, int64_t thin_id, enum volume_role role)
{
	const struct volume_row v = { thin_id, role, COLUMN_NULL, 1 << 20, 7 };

	ok(catalog_add_volume(c, &v, &e));
}

static int add_snapshot(struct catalog *c, const char *id, int64_t thin_id, const struct noun_row *rows, size_t nr)
{
	struct snapshot_row s = {
		.id = (char *)id, .cgroup = (char *)"/web", .thin_id = thin_id, .created_ns = thin_id, .hostname = (char *)"h",
		.kernel = (char *)"k", .tasks = 2, .threads = 3, .pages = 4, .pages_written = 5, .runs = 6, .frozen_ns = 7,
		.total_ns = 8,
	};
	_cleanup_image_ struct image *img = image_new(tables, 1);
	int r;

	for (size_t i = 0; i < nr; i++)
		*(struct noun_row *)image_add(img, &noun_table) = rows[i];
	add_volume(c, thin_id, VOLUME_SNAPSHOT);
	r = catalog_begin(c, &e) ?: catalog_add_snapshot(c, &s, img, &e) ?: catalog_commit(c, &e);
	if (r < 0)
		catalog_rollback(c);
	return r;
}

static int load(struct catalog *c, const char *id)
{
	_cleanup_image_ struct image *img = image_new(tables, 1);

	return catalog_load_image(c, id, img, &e);
}

/* ---- rows ---------------------------------------------------------------------------- */

static void test_rows_come_back_in_key_order(void **state)
{
	char raw[] = { 0, 1, 2, (char)0xff };
	const struct noun_row rows[] = {
		{ .noun = 9, .number = COLUMN_NULL, .blob = { raw, sizeof(raw) } },
		{ .noun = 2, .number = -5, .text = (char *)"\xff/path", .blob = { NULL, 0 }, .note = { raw, 1 } },
	};
	_cleanup_image_ struct image *img = image_new(tables, 1);
	struct noun_row *back;
	size_t nr;

	ok(add_snapshot(*state, "0123456789ab", 1, rows, 2));
	ok(catalog_load_image(*state, "0123456789ab", img, &e));
	back = image_rows(img, &noun_table, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(back[0].noun, 2);
	assert_int_equal(back[0].number, -5);
	assert_string_equal(back[0].text, "\xff/path");
	assert_int_equal(back[0].blob.len, 0);
	assert_non_null(back[0].note.data);
	assert_int_equal(back[1].noun, 9);
	assert_true(back[1].number == COLUMN_NULL);
	assert_null(back[1].text);
	assert_int_equal(back[1].blob.len, sizeof(raw));
	assert_memory_equal(back[1].blob.data, raw, sizeof(raw));
	assert_null(back[1].note.data);
}

static void test_snapshot_row_comes_back(void **state)
{
	struct snapshot_row s;

	ok(add_snapshot(*state, "0123456789ab", 1, NULL, 0));
	ok(catalog_get_snapshot(*state, "0123456789ab", &s, &e));
	assert_string_equal(s.cgroup, "/web");
	assert_null(s.parent);
	assert_int_equal(s.tasks, 2);
	assert_int_equal(s.total_ns, 8);
	snapshot_row_clear(&s);
}

static void test_size_of_a_snapshot_is_noted(void **state)
{
	struct noun_row rows[1000];
	struct snapshot_row s;
	char raw[16] = { 1 };

	for (int i = 0; i < 1000; i++)
		rows[i] = (struct noun_row){ .noun = i, .number = COLUMN_NULL, .blob = { raw, 16 } };
	ok(add_snapshot(*state, "0123456789ab", 1, rows, 1000));
	ok(catalog_get_snapshot(*state, "01", &s, &e));
	assert_in_range(s.catalog_bytes, 16 * 1000, 200 * 1000);
	snapshot_row_clear(&s);
}

/* What could not be loaded again never gets in. */
static void test_value_out_of_range_is_not_stored(void **state)
{
	const struct noun_row rows[] = { { .noun = 1 }, { .noun = 2, .number = 6 } };
	struct snapshot_row s;

	assert_int_equal(add_snapshot(*state, "0123456789ab", 1, rows, 2), -EBADMSG);
	assert_non_null(strstr(e.msg, "table noun, row 2, column number: value 6 is not within -5 to 5"));
	assert_int_equal(catalog_get_snapshot(*state, "01", &s, &e), -ENOENT);
}

static void check_tampered(struct catalog *c, const char *sql, const char *message)
{
	tamper(sql);
	assert_int_equal(load(c, "0123456789ab"), -EBADMSG);
	if (!strstr(e.msg, message))
		fail_msg("\"%s\" is not in \"%s\"", message, e.msg);
	assert_non_null(strstr(e.msg, "snapshot 0123456789ab"));
	tamper("UPDATE noun SET number = NULL, text = 'a', blob = x'00' WHERE noun = 1");
	ok(load(c, "0123456789ab"));
}

static void test_bad_values_are_named(void **state)
{
	char raw[1] = { 0 };
	const struct noun_row rows[] = { { .noun = 0, .blob = { raw, 1 } }, { .noun = 1, .blob = { raw, 1 } } };

	ok(add_snapshot(*state, "0123456789ab", 1, rows, 2));
	check_tampered(*state, "UPDATE noun SET number = 6 WHERE noun = 1", "table noun, row 2, column number: value 6");
	check_tampered(*state, "UPDATE noun SET number = -9223372036854775808 WHERE noun = 1", "row 2, column number");
	check_tampered(*state, "UPDATE noun SET text = '123456789' WHERE noun = 1", "row 2, column text: length 9");
	check_tampered(*state, "UPDATE noun SET text = 'a' || char(0) || 'b' WHERE noun = 1", "row 2, column text: a NUL");
	check_tampered(*state, "UPDATE noun SET blob = zeroblob(17) WHERE noun = 1", "row 2, column blob: length 17");
}

static void test_lost_and_unknown_rows_are_found(void **state)
{
	char raw[1] = { 0 };
	const struct noun_row rows[] = { { .noun = 0, .blob = { raw, 1 } }, { .noun = 1, .blob = { raw, 1 } } };

	ok(add_snapshot(*state, "0123456789ab", 1, rows, 2));
	tamper("DELETE FROM noun WHERE noun = 1");
	assert_int_equal(load(*state, "0123456789ab"), -EBADMSG);
	assert_non_null(strstr(e.msg, "table noun has 1 rows of it, table snapshot_table says 2"));
	tamper("UPDATE snapshot_table SET rows = 1");
	ok(load(*state, "0123456789ab"));
	tamper("INSERT INTO snapshot_table SELECT id, 'setting', 1 FROM snapshot");
	assert_int_equal(load(*state, "0123456789ab"), -EBADMSG);
	assert_non_null(strstr(e.msg, "table snapshot_table names \"setting\""));
}

static void test_rows_go_with_their_snapshot(void **state)
{
	const struct noun_row row = { .noun = 1, .number = COLUMN_NULL };
	_cleanup_image_ struct image *img = image_new(tables, 1);
	size_t nr;

	ok(add_snapshot(*state, "0123456789ab", 1, &row, 1));
	ok(catalog_remove_snapshot(*state, "0123456789ab", &e));
	ok(catalog_load_image(*state, "0123456789ab", img, &e));
	image_rows(img, &noun_table, &nr);
	assert_int_equal(nr, 0);
}

/* ---- lookup -------------------------------------------------------------------------- */

static void test_prefix_lookup(void **state)
{
	struct snapshot_row s;

	ok(add_snapshot(*state, "aaaa00000001", 1, NULL, 0));
	ok(add_snapshot(*state, "aaaa00000002", 2, NULL, 0));
	ok(add_snapshot(*state, "b00000000000", 3, NULL, 0));
	assert_int_equal(catalog_get_snapshot(*state, "aaaa", &s, &e), -ENOTUNIQ);
	assert_non_null(strstr(e.msg, "aaaa00000001, aaaa00000002"));
	ok(catalog_get_snapshot(*state, "b", &s, &e));
	assert_string_equal(s.id, "b00000000000");
	snapshot_row_clear(&s);
	assert_int_equal(catalog_get_snapshot(*state, "c", &s, &e), -ENOENT);
	assert_int_equal(catalog_get_snapshot(*state, "", &s, &e), -ENOENT);
	assert_int_equal(catalog_get_snapshot(*state, "%", &s, &e), -ENOENT);
	assert_int_equal(catalog_get_snapshot(*state, "b000000000000", &s, &e), -ENOENT);
}

static void test_removing_a_parent_leaves_the_child(void **state)
{
	struct snapshot_row s;

	ok(add_snapshot(*state, "aaaa00000001", 1, NULL, 0));
	ok(add_snapshot(*state, "b00000000000", 2, NULL, 0));
	tamper("UPDATE snapshot SET parent = 'aaaa00000001' WHERE id = 'b00000000000'");
	ok(catalog_remove_snapshot(*state, "aaaa00000001", &e));
	ok(catalog_get_snapshot(*state, "b", &s, &e));
	assert_null(s.parent);
	snapshot_row_clear(&s);
}

/* ---- volumes, pins --------------------------------------------------------------------- */

static int note_id(int64_t thin_id, void *arg)
{
	*(int64_t *)arg = thin_id;
	return 0;
}

static int64_t unfinished(struct catalog *c)
{
	int64_t id = 0;

	ok(catalog_each_unfinished(c, note_id, &id, &e));
	return id;
}

static void test_thin_id_is_never_lost(void **state)
{
	int64_t id;

	ok(catalog_next_thin_id(*state, &id, &e));
	assert_int_equal(id, 1);
	assert_int_equal(unfinished(*state), 1);
	add_volume(*state, id, VOLUME_LIVE);
	assert_int_equal(unfinished(*state), 0);
	ok(catalog_remove_volume(*state, id, &e));
	assert_int_equal(unfinished(*state), 1);
	ok(catalog_next_thin_id(*state, &id, &e));
	assert_int_equal(id, 2);
	ok(catalog_release_thin_id(*state, 1, &e));
	ok(catalog_release_thin_id(*state, 2, &e));
	assert_int_equal(unfinished(*state), 0);
}

static void test_thin_ids_wrap(void **state)
{
	int64_t id;

	add_volume(*state, 1, VOLUME_LIVE);
	add_volume(*state, 2, VOLUME_LIVE);
	add_volume(*state, 4, VOLUME_LIVE);
	add_volume(*state, 16777215, VOLUME_LIVE);
	ok(catalog_next_thin_id(*state, &id, &e));
	assert_int_equal(id, 3);
	ok(catalog_next_thin_id(*state, &id, &e));
	assert_int_equal(id, 5);
	assert_int_equal(catalog_add_volume(*state, &(struct volume_row){ 16777216, VOLUME_LIVE, COLUMN_NULL, 1, 0 }, &e),
			 -EBADMSG);
}

static void test_pin_is_replaced_and_goes_with_its_volume(void **state)
{
	struct pin_row pin = { .cgroup = (char *)"/web", .thin_id = 1, .boot_id = (char *)"boot" }, back;

	add_volume(*state, 1, VOLUME_LIVE);
	add_volume(*state, 2, VOLUME_LIVE);
	assert_int_equal(catalog_get_pin(*state, "/web", &back, &e), -ENOENT);
	ok(catalog_set_pin(*state, &pin, &e));
	pin.thin_id = 2;
	ok(catalog_set_pin(*state, &pin, &e));
	ok(catalog_get_pin(*state, "/web", &back, &e));
	assert_int_equal(back.thin_id, 2);
	assert_null(back.parent_snapshot);
	assert_string_equal(back.boot_id, "boot");
	pin_row_clear(&back);
	ok(catalog_remove_volume(*state, 2, &e));
	assert_int_equal(catalog_get_pin(*state, "/web", &back, &e), -ENOENT);
	pin.thin_id = 3;	/* no such volume */
	assert_int_equal(catalog_set_pin(*state, &pin, &e), -EEXIST);
}

static void test_volume_of_a_snapshot_can_not_go_first(void **state)
{
	ok(add_snapshot(*state, "0123456789ab", 1, NULL, 0));
	assert_int_equal(catalog_remove_volume(*state, 1, &e), -EEXIST);
	assert_int_equal(unfinished(*state), 0);
}

static void test_rollback_leaves_nothing(void **state)
{
	char *value;

	ok(catalog_begin(*state, &e));
	ok(catalog_set(*state, "key", "value", &e));
	catalog_rollback(*state);
	assert_int_equal(catalog_get(*state, "key", &value, &e), -ENOENT);
	ok(catalog_set(*state, "key", "a", &e));
	ok(catalog_set(*state, "key", "b", &e));
	ok(catalog_get(*state, "key", &value, &e));
	assert_string_equal(value, "b");
	free(value);
}

/* ---- files --------------------------------------------------------------------------------- */

static void test_file_is_private(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void write_file(const char *text, size_t len)
{
	int fd;

	remove_catalog();
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void test_files_that_are_no_catalogs(void **state)
{
	_cleanup_free_ char *junk = memset(xmalloc(8192), 'x', 8192);
	struct catalog *c;

	catalog_close(*state);
	*state = NULL;
	write_file(junk, 8192);
	assert_int_equal(catalog_open(&c, path, false, &e), -EBADMSG);
	assert_non_null(strstr(e.msg, path));
	assert_int_equal(catalog_open(&c, path, true, &e), -EBADMSG);
	write_file("", 0);
	assert_int_equal(catalog_open(&c, path, false, &e), -EBADMSG);
	remove_catalog();
	tamper("CREATE TABLE other (x); PRAGMA user_version = 1");
	assert_int_equal(catalog_open(&c, path, true, &e), -EBADMSG);
	assert_non_null(strstr(e.msg, "not a catalog"));
	remove_catalog();
	assert_int_equal(catalog_open(&c, path, false, &e), -ENOENT);
}

static void test_damaged_file_is_an_error(void **state)
{
	char raw[16] = { 1 };
	struct noun_row rows[500];
	struct stat st;
	int fd;

	for (int i = 0; i < 500; i++)
		rows[i] = (struct noun_row){ .noun = i, .number = COLUMN_NULL, .blob = { raw, 16 } };
	ok(add_snapshot(*state, "0123456789ab", 1, rows, 500));
	catalog_close(*state);
	*state = NULL;
	assert_int_equal(stat(path, &st), 0);
	fd = open(path, O_RDWR);
	for (off_t at = 4096; at < st.st_size; at += 64)	/* all but the first page */
		assert_int_equal(pwrite(fd, "damaged!damaged!", 16, at), 16);
	close(fd);
	/* Where it is noticed depends on which page is read first. */
	if (catalog_open((struct catalog **)state, path, false, &e) == 0)
		load(*state, "0123456789ab");
	assert_int_equal(e.code, -EBADMSG);
	assert_non_null(strstr(e.msg, path));
}

/* ---- versions -------------------------------------------------------------------------------- */

static void open_version(struct catalog **ret, int version, const char *const *migrations)
{
	const struct catalog_schema schema = { catalog_schema.sql, version, migrations };

	ok(catalog_open_schema(ret, path, false, &schema, &e));
}

static void test_older_version_is_migrated(void **state)
{
	static const char *const migrations[] = {
		"ALTER TABLE noun ADD COLUMN more INTEGER NOT NULL DEFAULT 5;",
		"UPDATE noun SET more = more + 1;",
	};
	const struct noun_row row = { .noun = 1, .number = COLUMN_NULL };
	struct catalog *c;

	ok(add_snapshot(*state, "0123456789ab", 1, &row, 1));
	catalog_close(*state);
	*state = NULL;
	open_version(&c, 3, migrations);
	catalog_close(c);
	tamper("CREATE TABLE check_it (x CHECK (x = 6)); INSERT INTO check_it SELECT more FROM noun; DROP TABLE check_it");
	/* once: opening it again changes nothing */
	open_version(&c, 3, migrations);
	catalog_close(c);
	tamper("CREATE TABLE check_it (x CHECK (x = 6)); INSERT INTO check_it SELECT more FROM noun");
}

static void test_failed_migration_changes_nothing(void **state)
{
	static const char *const migrations[] = {
		"ALTER TABLE noun ADD COLUMN more INTEGER;", "UPDATE no_such_table SET x = 1;",
	};
	const struct catalog_schema schema = { catalog_schema.sql, 3, migrations };
	struct catalog *c;

	catalog_close(*state);
	*state = NULL;
	assert_true(catalog_open_schema(&c, path, false, &schema, &e) < 0);
	assert_non_null(strstr(e.msg, "from version 2 to 3"));
	ok(catalog_open((struct catalog **)state, path, false, &e));	/* still of version 1 */
	ok(catalog_check_table(*state, &noun_table, &e));
}

static void test_migration_that_orphans_rows_is_refused(void **state)
{
	static const char *const migrations[] = { "DELETE FROM volume;" };
	const struct catalog_schema schema = { catalog_schema.sql, 2, migrations };
	struct catalog *c;

	ok(add_snapshot(*state, "0123456789ab", 1, NULL, 0));
	assert_int_equal(catalog_open_schema(&c, path, false, &schema, &e), -EBADMSG);
	assert_non_null(strstr(e.msg, "name others that do not exist"));
}

static void test_newer_version_is_refused(void **state)
{
	struct catalog *c;

	(void)state;
	tamper("PRAGMA user_version = 99");
	assert_int_equal(catalog_open(&c, path, false, &e), -EPROTONOSUPPORT);
	assert_non_null(strstr(e.msg, "version 99"));
	assert_true(e.advice[0]);
}

/* ---- descriptions against schema.sql ------------------------------------------------------------ */

static void check_wrong(struct catalog *c, const struct column *columns, size_t nr, const char *message)
{
	const struct table t = { "noun", sizeof(struct noun_row), columns, nr };

	assert_int_equal(catalog_check_table(c, &t, &e), -EBADMSG);
	if (!strstr(e.msg, message))
		fail_msg("\"%s\" is not in \"%s\"", message, e.msg);
}

static void test_differences_are_found(void **state)
{
	struct column columns[ARRAY_SIZE(noun_columns) + 1];
	const struct table missing = { "no_such_noun", 8, noun_columns, 1 };

	ok(catalog_check_table(*state, &noun_table, &e));
	assert_int_equal(catalog_check_table(*state, &missing, &e), -EBADMSG);
	memcpy(columns, noun_columns, sizeof(noun_columns));
	check_wrong(*state, columns, ARRAY_SIZE(noun_columns) - 1, "column note");
	columns[ARRAY_SIZE(noun_columns)] = (struct column){ "extra", COLUMN_INT, false, 0, 0, 1 };
	check_wrong(*state, columns, ARRAY_SIZE(noun_columns) + 1, "columns in schema.sql");
	columns[1].optional = false;
	check_wrong(*state, columns, ARRAY_SIZE(noun_columns), "column number: may be NULL");
	columns[1].optional = true;
	columns[2].type = COLUMN_BLOB;
	check_wrong(*state, columns, ARRAY_SIZE(noun_columns), "column text: TEXT in schema.sql, BLOB");
}

static void test_every_kind_is_as_the_schema_says(void **state)
{
	size_t nr;
	const struct table *const *all = kind_tables(&nr);

	assert_true(nr > 10);
	e = ERR_INIT;
	for (size_t i = 0; i < nr; i++)
		if (catalog_check_table(*state, all[i], &e) < 0)
			print_error("%s\n", e.msg);
	assert_int_equal(e.code, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_rows_come_back_in_key_order), CASE(test_snapshot_row_comes_back),
		CASE(test_size_of_a_snapshot_is_noted), CASE(test_value_out_of_range_is_not_stored),
		CASE(test_bad_values_are_named), CASE(test_lost_and_unknown_rows_are_found),
		CASE(test_rows_go_with_their_snapshot), CASE(test_prefix_lookup),
		CASE(test_removing_a_parent_leaves_the_child), CASE(test_thin_id_is_never_lost), CASE(test_thin_ids_wrap),
		CASE(test_pin_is_replaced_and_goes_with_its_volume), CASE(test_volume_of_a_snapshot_can_not_go_first),
		CASE(test_rollback_leaves_nothing), CASE(test_file_is_private), CASE(test_files_that_are_no_catalogs),
		CASE(test_damaged_file_is_an_error), CASE(test_older_version_is_migrated),
		CASE(test_failed_migration_changes_nothing), CASE(test_migration_that_orphans_rows_is_refused),
		CASE(test_newer_version_is_refused), CASE(test_differences_are_found),
		CASE(test_every_kind_is_as_the_schema_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
