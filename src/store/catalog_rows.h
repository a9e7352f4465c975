/* SPDX-License-Identifier: GPL-2.0-only */
/* Rows in and out of the catalog by their description, for catalog_nouns.c: no SQLite in sight. */
#pragma once
#include "store/catalog.h"

/* Run @sql, which has @number as ?1 and @text as ?2 where it wants them. @what: for messages. */
int catalog_run(struct catalog *c, const char *sql, int64_t number, const char *text, const char *what, struct err *e);
/* The one integer that @sql gives. */
int catalog_get_number(struct catalog *c, const char *sql, int64_t *ret, struct err *e);
bool catalog_in_transaction(struct catalog *c);
/* @verb is INSERT or REPLACE; @snapshot_id NULL for tables that do not begin with it. */
int catalog_insert(struct catalog *c, const struct table *t, const char *verb, const char *snapshot_id,
		   const void *rows, size_t nr, struct err *e);
/*
 * `SELECT ... FROM t <rest>` with @text as its only parameter. The array
 * *@ret_rows is set on failure too: always free it with catalog_free_rows().
 */
int catalog_select(struct catalog *c, const struct table *t, const char *rest, const char *text, void *ret_rows,
		   size_t *ret_nr, struct err *e);
/* What snapshots consist of: schema.sql. */
struct snapshot_table_row {
	char *noun;
	int64_t rows;
};
extern const struct table snapshot_table_table;
void catalog_free_rows(const struct table *t, void *rows, size_t nr);
/* Free the strings and blobs of one row. */
void catalog_clear_row(const struct table *t, void *row);
