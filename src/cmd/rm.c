// SPDX-License-Identifier: GPL-2.0-only
/* cpt rm: remove snapshots. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "engine/cut_short.h"
#include "store/store.h"

/* Rows before pool: what the catalog names must be there. */
static int remove_one(struct store *store, const char *prefix, struct err *e)
{
	struct catalog *c = store_catalog(store);
	struct snapshot_row row = { 0 };
	int r;

	r = catalog_get_snapshot(c, prefix, &row, e);
	if (r == 0)
		r = store_remove_snapshot(store, &row, e);
	if (r == 0 && globals.json) {
		struct json_object *j = json_object_new_object();

		json_object_object_add(j, "id", json_object_new_string(row.id));
		print_json(j);
	}
	snapshot_row_clear(&row);
	return r;
}

static int rm_main(int argc, char **argv, struct err *e)
{
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	int r;

	if (next_option(&rm_verb, argc, argv, "", NULL, e) != -1)
		return e->code;
	if (argc == optind)
		return usage_error(&rm_verb, e, "which snapshot? `cpt list` shows them");
	r = cut_short_open(&store, globals.store, e);
	for (int i = optind; r == 0 && i < argc; i++)
		r = remove_one(store, argv[i], e);
	return r;
}

const struct verb rm_verb = {
	"rm", "<snapshot-id>...",
	"Remove snapshots",
	"Any unique prefix of an id will do. Other snapshots, and containers restored from this one,\n"
	"are not harmed: they share blocks of the pool, not fates.\n",
	rm_main,
};
