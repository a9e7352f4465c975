/* SPDX-License-Identifier: GPL-2.0-only */
/* SQLite as the catalog's own files see it. */
#pragma once
#include <sqlite3.h>
#include "store/catalog.h"

struct catalog {
	sqlite3 *db;
	char *path;
};

/* The connection's last error, as an err. @what: what failed, for the message. */
int catalog_fail(struct catalog *c, struct err *e, const char *what);
int catalog_prepare(struct catalog *c, sqlite3_stmt **ret, const char *sql, struct err *e);

static inline void finalizep(sqlite3_stmt **stmt)
{
	sqlite3_finalize(*stmt);
}
#define _cleanup_stmt_ __attribute__((cleanup(finalizep)))
