/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a catalog gets its tables and how they change over versions of cpt, in
 * one place so that tests can step through versions of their own, and the
 * check that holds C descriptions and schema.sql together.
 */
#pragma once
#include "store/catalog.h"

struct catalog_schema {
	const char *sql;		/* makes an empty file one of @version, sets user_version */
	int version;
	/* migrations[i] takes a catalog from version i + 1 to i + 2; there are version - 1 of them */
	const char *const *migrations;
};

extern const struct catalog_schema catalog_schema;

/* As catalog_open(), with another schema than cpt's own. */
int catalog_open_schema(struct catalog **ret, const char *path, bool create, const struct catalog_schema *schema,
			struct err *e);
/*
 * Is @t in the catalog as it is described: the same columns with the same
 * types and optional where NULL is allowed, STRICT, and its rows deleted
 * along with the snapshot in their first column? -EBADMSG says what differs.
 */
int catalog_check_table(struct catalog *c, const struct table *t, struct err *e);
