// SPDX-License-Identifier: GPL-2.0-only
/* cpt list: snapshots, one a line; the state of the store. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <time.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "store/store.h"

static int add_json(const struct snapshot_row *s, void *arg)
{
	struct json_object *j = json_object_new_object();

	json_object_object_add(j, "id", json_object_new_string(s->id));
	json_object_object_add(j, "parent", s->parent ? json_object_new_string(s->parent) : NULL);
	json_object_object_add(j, "cgroup", json_object_new_string(s->cgroup));
	json_object_object_add(j, "created_ns", json_object_new_int64(s->created_ns));
	json_object_object_add(j, "tasks", json_object_new_int64(s->tasks));
	json_object_object_add(j, "pages", json_object_new_int64(s->pages));
	json_object_object_add(j, "pages_written", json_object_new_int64(s->pages_written));
	json_object_object_add(j, "frozen_ns", json_object_new_int64(s->frozen_ns));
	json_object_array_add(arg, j);
	return 0;
}

static int print_line(const struct snapshot_row *s, void *arg)
{
	time_t when = (time_t)(s->created_ns / 1000000000);
	char time[32];

	(void)arg;
	strftime(time, sizeof(time), "%F %T", localtime(&when));
	printf("%-12s  %-19s  %5ld  %8s  %8s  %7.1f  %s\n", s->id, time, s->tasks,
	       human_size((uint64_t)s->pages * PAGE_SIZE), human_size((uint64_t)s->pages_written * PAGE_SIZE),
	       (double)s->frozen_ns / 1e6, s->cgroup);
	return 0;
}

static int print_pin(const struct pin_row *p, void *arg)
{
	struct store *store = arg;
	struct swap_volume v;
	uint64_t used, mapped;

	printf("pinned: %s", p->cgroup);
	if (volume_find(store, p->thin_id, &v, &ERR_INIT) == 0 && volume_usage(store, &v, &used, &mapped, &ERR_INIT) == 0)
		printf(", %s of its memory on its volume, which takes %s", human_size(used), human_size(mapped));
	printf("%s%s\n", p->parent_snapshot ? ", from snapshot " : "", p->parent_snapshot ?: "");
	return 0;
}

/* Who is bound to a swap volume now, and how full the pool is (known while it is active). */
static int print_store(struct store *store, struct err *e)
{
	struct store_usage u;

	if (store_usage(store, &u, &ERR_INIT) == 0)
		printf("\nstore: %s of %s used, metadata %s of %s\n", human_size(u.data_used), human_size(u.data_bytes),
		       human_size(u.metadata_used), human_size(u.metadata_bytes));
	return catalog_each_pin(store_catalog(store), print_pin, store, e);
}

static int list_main(int argc, char **argv, struct err *e)
{
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	struct json_object *all = NULL;
	int r;

	if (next_option(&list_verb, argc, argv, "", NULL, e) != -1)
		return e->code;
	if (argc != optind)
		return usage_error(&list_verb, e, "list takes no argument \"%s\"", argv[optind]);
	r = store_open(&store, globals.store, STORE_READ, e);
	if (r < 0)
		return r;
	if (globals.json)
		all = json_object_new_array();
	else
		printf("%-12s  %-19s  %5s  %8s  %8s  %7s  %s\n", "ID", "TAKEN", "TASKS", "MEMORY", "WRITTEN",
		       "STOPPED", "CGROUP");
	r = catalog_each_snapshot(store_catalog(store), all ? add_json : print_line, all, e);
	if (all)
		print_json(all);
	else if (r == 0)
		r = print_store(store, e);
	return r;
}

const struct verb list_verb = {
	"list", "",
	"List the snapshots",
	"Oldest first: id, when it was taken, processes, memory, what was written for it, how many\n"
	"milliseconds the container was stopped, and the cgroup it came from. Below them, how full\n"
	"the store is and which cgroups are pinned to a volume. With JSON, the snapshots alone.\n",
	list_main,
};
