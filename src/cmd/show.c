// SPDX-License-Identifier: GPL-2.0-only
/* cpt show: what is in a snapshot: its figures, its process tree, its rows. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "state/outside.h"
#include "state/process.h"
#include "store/store.h"

static void print_process(const struct image *img, const struct process_row *p, int depth)
{
	const struct process_row *child;

	printf("  %*s%s (", depth * 2, "", p->comm);
	for (int64_t level = 0, id; (id = pid_at(img, p->process, level)) >= 0; level++)
		printf("%s%ld", level ? "/" : "", id);
	printf(")\n");
	image_for_each(child, img, &process_table)
		if (child->parent == p->process && child > p)
			print_process(img, child, depth + 1);
}

static void print_text(const struct snapshot_row *s, const struct image *img, const struct table *const *tables,
		       size_t nr)
{
	const struct outside_row *outside;
	const struct process_row *p;

	printf("snapshot %s of %s, on %s (%s)\n", s->id, s->cgroup, s->hostname, s->kernel);
	if (s->parent)
		printf("an increment of %s\n", s->parent);
	printf("%s of memory in %ld runs, %s written for it; stopped %.1f ms of %.1f ms\n",
	       human_size((uint64_t)s->pages * PAGE_SIZE), s->runs,
	       human_size((uint64_t)s->pages_written * PAGE_SIZE), (double)s->frozen_ns / 1e6,
	       (double)s->total_ns / 1e6);
	printf("\n%ld processes, %ld threads (pid at each namespace level):\n", s->tasks, s->threads);
	image_for_each(p, img, &process_table)
		if (p->parent == COLUMN_NULL)
			print_process(img, p, 0);
	image_for_each(outside, img, &outside_table) {
		_cleanup_free_ char *users = outside_users(img, outside->outside);

		printf("%s  %s, %s\n", _i ? "" : "\noutside of the container:\n", outside->name, users);
	}
	printf("\nrows:");
	for (size_t i = 0; i < nr; i++) {
		size_t rows;

		image_rows(img, tables[i], &rows);
		if (rows)
			printf(" %s %zu", tables[i]->name, rows);
	}
	printf("\n");
}

static struct json_object *outside_json(const struct image *img)
{
	struct json_object *list = json_object_new_array();
	const struct outside_row *row;

	image_for_each(row, img, &outside_table) {
		_cleanup_free_ char *users = outside_users(img, row->outside);
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "name", json_object_new_string(row->name));
		json_object_object_add(o, "kind", json_object_new_string(row->kind));
		json_object_object_add(o, "reads", json_object_new_boolean(row->access & OUTSIDE_READS));
		json_object_object_add(o, "writes", json_object_new_boolean(row->access & OUTSIDE_WRITES));
		json_object_object_add(o, "users", json_object_new_string(users));
		json_object_object_add(o, "otherwise", row->otherwise ? json_object_new_string(row->otherwise) : NULL);
		json_object_array_add(list, o);
	}
	return list;
}

static void show_json(const struct snapshot_row *s, const struct image *img, const struct table *const *tables,
		      size_t nr)
{
	struct json_object *j = json_object_new_object(), *processes = json_object_new_array();
	struct json_object *counts = json_object_new_object();
	const struct process_row *p;

	json_object_object_add(j, "id", json_object_new_string(s->id));
	json_object_object_add(j, "parent", s->parent ? json_object_new_string(s->parent) : NULL);
	json_object_object_add(j, "cgroup", json_object_new_string(s->cgroup));
	json_object_object_add(j, "hostname", json_object_new_string(s->hostname));
	json_object_object_add(j, "kernel", json_object_new_string(s->kernel));
	json_object_object_add(j, "created_ns", json_object_new_int64(s->created_ns));
	json_object_object_add(j, "pages", json_object_new_int64(s->pages));
	json_object_object_add(j, "pages_written", json_object_new_int64(s->pages_written));
	json_object_object_add(j, "runs", json_object_new_int64(s->runs));
	json_object_object_add(j, "catalog_bytes", json_object_new_int64(s->catalog_bytes));
	json_object_object_add(j, "frozen_ns", json_object_new_int64(s->frozen_ns));
	json_object_object_add(j, "total_ns", json_object_new_int64(s->total_ns));
	image_for_each(p, img, &process_table) {
		struct json_object *o = json_object_new_object(), *pids = json_object_new_array();

		for (int64_t level = 0, id; (id = pid_at(img, p->process, level)) >= 0; level++)
			json_object_array_add(pids, json_object_new_int64(id));
		json_object_object_add(o, "comm", json_object_new_string(p->comm));
		json_object_object_add(o, "pids", pids);
		json_object_object_add(o, "parent", p->parent == COLUMN_NULL ? NULL :
				       json_object_new_int64(p->parent));
		json_object_array_add(processes, o);
	}
	json_object_object_add(j, "processes", processes);
	json_object_object_add(j, "outside", outside_json(img));
	for (size_t i = 0; i < nr; i++) {
		size_t rows;

		image_rows(img, tables[i], &rows);
		json_object_object_add(counts, tables[i]->name, json_object_new_int64((int64_t)rows));
	}
	json_object_object_add(j, "rows", counts);
	print_json(j);
}

static int show_main(int argc, char **argv, struct err *e)
{
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	_cleanup_image_ struct image *img = NULL;
	const struct table *const *tables;
	struct snapshot_row row = { 0 };
	size_t nr;
	int r;

	if (next_option(&show_verb, argc, argv, "", NULL, e) != -1)
		return e->code;
	if (argc != optind + 1)
		return usage_error(&show_verb, e, "which snapshot? `cpt list` shows them");
	tables = kind_tables(&nr);
	img = image_new(tables, nr);
	r = store_open(&store, globals.store, STORE_READ, e) ?:
	    catalog_get_snapshot(store_catalog(store), argv[optind], &row, e) ?:
	    catalog_load_image(store_catalog(store), row.id, img, e);
	if (r == 0)
		(globals.json ? show_json : print_text)(&row, img, tables, nr);
	snapshot_row_clear(&row);
	return r;
}

const struct verb show_verb = {
	"show", "<snapshot-id>",
	"Show what is in a snapshot",
	"Figures, the process tree with ids at each pid namespace level, and how many rows of each\n"
	"noun. For everything else ask the catalog: sqlite3 /var/lib/cpt/catalog.db .schema\n",
	show_main,
};
