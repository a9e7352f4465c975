// SPDX-License-Identifier: GPL-2.0-only
/* cpt restore: returns when the tasks run. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "engine/cut_short.h"
#include "engine/restore.h"
#include "host/cgroup.h"

static void print_result(const struct snapshot_row *s, const char *cgroup, const struct restore_figures *f)
{
	if (globals.json) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "id", json_object_new_string(s->id));
		json_object_object_add(o, "cgroup", json_object_new_string(cgroup));
		json_object_object_add(o, "tasks", json_object_new_int64((int64_t)f->tasks));
		json_object_object_add(o, "threads", json_object_new_int64((int64_t)f->threads));
		json_object_object_add(o, "runs", json_object_new_int64((int64_t)f->runs));
		json_object_object_add(o, "total_ns", json_object_new_int64((int64_t)f->total_ns));
		if (f->prefetch_ns)
			json_object_object_add(o, "prefetch_ns", json_object_new_int64((int64_t)f->prefetch_ns));
		json_object_object_add(o, "stages_ns", stages_json());
		print_json(o);
	}
	fprintf(stderr, "%zu processes, %zu threads, %zu runs restored into %s in %.1f ms\n",
		f->tasks, f->threads, f->runs, cgroup, (double)f->total_ns / 1e6);
	if (f->prefetch_err.code)
		fprintf(stderr, "the tasks run, but not all memory was read ahead: %s\n", f->prefetch_err.msg);
	else if (f->prefetch_ns)
		fprintf(stderr, "memory read ahead in %.1f ms\n", (double)f->prefetch_ns / 1e6);
}

static int restore_main(int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "cgroup", required_argument, NULL, 'c' }, { "dry-run", no_argument, NULL, 'n' },
		{ "prefetch", no_argument, NULL, 'p' }, { "host-clocks", no_argument, NULL, 'k' }, { 0 },
	};
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	_cleanup_free_ char *cgroup = NULL;
	struct restore_options o = { 0 };
	struct restore_figures figures;
	struct snapshot_row row = { 0 };
	int option, r = 0;

	while ((option = next_option(&restore_verb, argc, argv, "c:npk", options, e)) != -1) {
		if (option == 'c')
			r = cgroup_resolve(optarg, &cgroup, e);
		else if (option == 'n')
			o.dry_run = true;
		else if (option == 'k')
			o.host_clocks = true;
		else if (option == 'p')
			o.prefetch = true;
		else
			return e->code;
		if (r < 0)
			return r;
	}
	if (argc != optind + 1)
		return usage_error(&restore_verb, e, "which snapshot? `cpt list` shows them");
	o.cgroup = cgroup;
	r = cut_short_open(&store, globals.store, e) ?:
	    catalog_get_snapshot(store_catalog(store), argv[optind], &row, e) ?:
	    restore_snapshot(store, &row, &o, &figures, e);
	if (r == 0 && !o.dry_run)
		print_result(&row, cgroup ?: row.cgroup, &figures);
	snapshot_row_clear(&row);
	return r;
}

const struct verb restore_verb = {
	"restore", "[--cgroup NAME] [--prefetch] [--host-clocks] [--dry-run] <snapshot-id>",
	"Bring a container back as it was",
	"Returns when its tasks run; their memory comes in as they touch it. Any unique prefix of the\n"
	"id will do. One snapshot can be restored any number of times.\n\n"
	"  --cgroup NAME  where to put the tasks (default: where they came from); it must have none\n"
	"  --prefetch     when they run, also read all memory in the order of addresses before returning:\n"
	"                 for who touches it at random, which costs a read for each page\n"
	"  --host-clocks  let the monotonic and the boot-time clock be the host's, which may be behind what they\n"
	"                 were; without this they continue from the snapshot, in a time namespace\n"
	"  --dry-run      check everything that can be checked, make nothing\n",
	restore_main,
};
