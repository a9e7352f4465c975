// SPDX-License-Identifier: GPL-2.0-only
/* cpt snapshot: the id on standard output, one line of figures on standard error. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "engine/cut_short.h"
#include "engine/snapshot.h"
#include "host/cgroup.h"

/* All that would help against those of which the other end is outside. */
static void print_options(const struct refusal *refusals, size_t nr)
{
	size_t outside = 0;

	for (size_t i = 0; i < nr; i++)
		outside += refusals[i].outside != NULL;
	if (outside < 2)
		return;
	fprintf(stderr, "cpt: for these %zu:", outside);
	for (size_t i = 0; i < nr; i++)
		if (refusals[i].outside)
			fprintf(stderr, " --outside %s", refusals[i].outside);
	fprintf(stderr, ", or --outside all\n");
}

static void print_refusals(const struct refusal *refusals, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct refusal *r = &refusals[i];

		if (r->pid)
			fprintf(stderr, "cpt: task %d (%s): %s: %s\n", r->pid, r->comm, r->object, r->reason);
		else
			fprintf(stderr, "cpt: %s: %s\n", r->object, r->reason);
		if (r->advice)
			fprintf(stderr, "     %s\n", r->advice);
	}
	print_options(refusals, nr);
}

static void print_result(const struct snapshot_row *s)
{
	if (globals.json) {
		struct json_object *o = json_object_new_object();

		json_object_object_add(o, "id", json_object_new_string(s->id));
		json_object_object_add(o, "parent", s->parent ? json_object_new_string(s->parent) : NULL);
		json_object_object_add(o, "cgroup", json_object_new_string(s->cgroup));
		json_object_object_add(o, "tasks", json_object_new_int64(s->tasks));
		json_object_object_add(o, "threads", json_object_new_int64(s->threads));
		json_object_object_add(o, "pages", json_object_new_int64(s->pages));
		json_object_object_add(o, "pages_written", json_object_new_int64(s->pages_written));
		json_object_object_add(o, "runs", json_object_new_int64(s->runs));
		json_object_object_add(o, "catalog_bytes", json_object_new_int64(s->catalog_bytes));
		json_object_object_add(o, "frozen_ns", json_object_new_int64(s->frozen_ns));
		json_object_object_add(o, "total_ns", json_object_new_int64(s->total_ns));
		json_object_object_add(o, "stages_ns", stages_json());
		print_json(o);
	} else {
		puts(s->id);
	}
	fprintf(stderr, "%ld pages in %ld runs, %s; %ld pages written, %s; frozen %.1f ms, %.1f ms in all\n",
		s->pages, s->runs, human_size((uint64_t)s->pages * PAGE_SIZE), s->pages_written,
		human_size((uint64_t)s->pages_written * PAGE_SIZE), (double)s->frozen_ns / 1e6,
		(double)s->total_ns / 1e6);
}

static int snapshot_main(int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "kill", no_argument, NULL, 'k' }, { "size", required_argument, NULL, 's' },
		{ "outside", required_argument, NULL, 'o' }, { 0 },
	};
	_cleanup_free_ char **outside = xcalloc((size_t)argc, sizeof(*outside));
	struct snapshot_options o = { .refused = print_refusals, .outside = outside };
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	_cleanup_free_ char *cgroup = NULL;
	struct snapshot_row row = { 0 };
	int option, r;

	while ((option = next_option(&snapshot_verb, argc, argv, "ks:o:", options, e)) != -1) {
		if (option == 'k')
			o.kill = true;
		else if (option == 's')
			o.volume_bytes = parse_size(optarg);
		else if (option == 'o')
			outside[o.nr_outside++] = optarg;
		else
			return e->code;
	}
	if (argc != optind + 1)
		return usage_error(&snapshot_verb, e, "which cgroup?");
	r = cgroup_resolve(argv[optind], &cgroup, e) ?: cut_short_open(&store, globals.store, e) ?:
	    snapshot_take(store, cgroup, &o, &row, e);
	if (r == 0)
		print_result(&row);
	snapshot_row_clear(&row);
	return r;
}

const struct verb snapshot_verb = {
	"snapshot", "[--kill] [--size BYTES] [--outside NAME]... <cgroup>",
	"Take a snapshot of a container, which runs on",
	"Prints the snapshot's id. <cgroup> is a path below the cgroup2 mount or an absolute one. A\n"
	"cgroup that is not pinned yet is pinned on the way.\n\n"
	"  --kill         end the container, with all cgroups below it, once the snapshot exists\n"
	"  --size BYTES   size of the swap volume if one has to be made (512M, 4G...); thin: what\n"
	"                 is not written costs nothing\n"
	"  --outside NAME take this pipe, unix socket or terminal though its other end is outside of the\n"
	"                 container, or this mount though cpt can't make it anew; cpt restore is told then\n"
	"                 what comes in its place. NAME is as the refusal has it, a pattern\n"
	"                 ('unix:/run/*'), pipe, unix, tty, mount, or all; may be given several times\n",
	snapshot_main,
};
