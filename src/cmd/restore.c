// SPDX-License-Identifier: GPL-2.0-only
/* cpt restore: returns when the tasks run. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "engine/cut_short.h"
#include "engine/restore.h"
#include "host/cgroup.h"
#include "state/outside.h"

static struct json_object *outside;	/* what was decided, for JSON */
static bool dry_run;

static bool is_mount(const struct outside_plan *p)
{
	return strcmp(p->row->kind, "mount") == 0;
}

static char *decision(const struct outside_plan *p)
{
	switch (p->how) {
	case OUTSIDE_INHERIT: return xasprintf("descriptor %d of cpt", p->fd);
	case OUTSIDE_REPLACE: return xstrdup(p->path);
	case OUTSIDE_DROP: return xstrdup(is_mount(p) ? "dropped: nothing is mounted there" : "dropped: its other end is gone");
	default: return xstrdup("?");
	}
}

static struct json_object *plan_json(const struct outside_plan *p)
{
	static const char *const hows[] = {
		[OUTSIDE_INHERIT] = "inherit", [OUTSIDE_REPLACE] = "replace", [OUTSIDE_DROP] = "drop",
	};
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(p->row->name));
	json_object_object_add(o, "kind", json_object_new_string(p->row->kind));
	json_object_object_add(o, "how", json_object_new_string(hows[p->how]));
	if (p->how == OUTSIDE_INHERIT)
		json_object_object_add(o, "fd", json_object_new_int(p->fd));
	if (p->how == OUTSIDE_REPLACE)
		json_object_object_add(o, "path", json_object_new_string(p->path));
	json_object_object_add(o, "note", p->note ? json_object_new_string(p->note) : NULL);
	return o;
}

static void print_undecided(const struct outside_plan *p)
{
	const char *name = p->row->name;

	fprintf(stderr, "cpt: %s, %s: %s%swhat comes in place of %s?\n", name, p->users, p->row->lack ?: "",
		p->row->lack ? "; " : "", is_mount(p) ? "it" : "its other end");
	fprintf(stderr, "     --inherit %s=FD, --replace %s=PATH or --drop %s\n", name, name, name);
}

static void print_missing(const struct outside_plan *p)
{
	_cleanup_free_ char *text = xstrdup(p->missing);
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n")); )
		fprintf(stderr, "cpt: %s: %s\n", p->row->name, line);
}

/* Once with @done false; a second time, with true, if the restore was done. */
static void planned(const struct outside_plan *plans, size_t nr, bool done)
{
	size_t undecided = 0, missing = 0;

	for (size_t i = 0; i < nr && !done; i++)
		if (plans[i].how == OUTSIDE_UNDECIDED && ++undecided)
			print_undecided(&plans[i]);
	for (size_t i = 0; i < nr && !done; i++)
		if (plans[i].missing && ++missing)
			print_missing(&plans[i]);
	if (undecided || missing)
		return;
	for (size_t i = 0; i < nr && done; i++)
		if (plans[i].note)
			fprintf(stderr, "cpt: %s\n", plans[i].note);
	for (size_t i = 0; i < nr && !done && dry_run; i++) {
		_cleanup_free_ char *text = decision(&plans[i]);

		fprintf(stderr, "%s, %s: %s%s%s%s\n", plans[i].row->name, plans[i].users, text, plans[i].note ? " (" : "",
			plans[i].note ?: "", plans[i].note ? ")" : "");
	}
	if (outside)
		json_object_put(outside);
	outside = json_object_new_array();
	for (size_t i = 0; i < nr; i++)
		json_object_array_add(outside, plan_json(&plans[i]));
}

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
		if (outside)
			json_object_object_add(o, "outside", json_object_get(outside));
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

/* Before cpt opens anything itself: then a descriptor is its caller's, or none. */
static int add_choice(struct outside_choice *c, enum outside_how how, const char *text, struct err *e)
{
	int r = outside_choice_parse(c, how, text, e);

	if (r == 0 && how == OUTSIDE_INHERIT && fcntl(c->fd, F_GETFD) < 0) {
		r = err_set(e, -EINVAL, "--inherit %s: descriptor %d is not open", text, c->fd);
		err_advise(e, "a shell opens it so: cpt restore --inherit %s ... %d<>FILE", text, c->fd);
	}
	return r;
}

static int parse(int argc, char **argv, struct restore_options *o, char **cgroup, struct outside_choice *choices,
		 struct err *e)
{
	static const struct option options[] = {
		{ "cgroup", required_argument, NULL, 'c' }, { "dry-run", no_argument, NULL, 'n' },
		{ "prefetch", no_argument, NULL, 'p' }, { "host-clocks", no_argument, NULL, 'k' },
		{ "inherit", required_argument, NULL, 'i' }, { "replace", required_argument, NULL, 'r' },
		{ "drop", required_argument, NULL, 'd' }, { 0 },
	};
	int option, r = 0;

	while (r == 0 && (option = next_option(&restore_verb, argc, argv, "c:npki:r:d:", options, e)) != -1) {
		if (option == 'c')
			r = cgroup_resolve(optarg, cgroup, e);
		else if (option == 'n')
			o->dry_run = true;
		else if (option == 'k')
			o->host_clocks = true;
		else if (option == 'p')
			o->prefetch = true;
		else if (option == 'i' || option == 'r' || option == 'd')
			r = add_choice(&choices[o->nr_choices++], option == 'i' ? OUTSIDE_INHERIT :
				       option == 'r' ? OUTSIDE_REPLACE : OUTSIDE_DROP, optarg, e);
		else
			return e->code;
	}
	if (r == 0 && argc != optind + 1)
		return usage_error(&restore_verb, e, "which snapshot? `cpt list` shows them");
	return r;
}

static void tell(const struct snapshot_row *s, const struct restore_options *o, const struct restore_figures *figures)
{
	if (!o->dry_run)
		print_result(s, o->cgroup ?: s->cgroup, figures);
	else if (globals.json)
		print_json(json_object_get(outside ?: (outside = json_object_new_array())));
}

static int restore_main(int argc, char **argv, struct err *e)
{
	struct outside_choice *choices = xcalloc((size_t)argc, sizeof(*choices));
	struct restore_options o = { .choices = choices, .planned = planned };
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	_cleanup_free_ char *cgroup = NULL;
	struct restore_figures figures;
	struct snapshot_row row = { 0 };
	int r = parse(argc, argv, &o, &cgroup, choices, e);

	o.cgroup = cgroup;
	dry_run = o.dry_run;
	r = r ?: cut_short_open(&store, globals.store, e) ?:
	    catalog_get_snapshot(store_catalog(store), argv[optind], &row, e) ?:
	    restore_snapshot(store, &row, &o, &figures, e);
	if (r == 0)
		tell(&row, &o, &figures);
	snapshot_row_clear(&row);
	for (size_t i = 0; i < o.nr_choices; i++)
		outside_choice_clear(&choices[i]);
	free(choices);
	if (outside)
		json_object_put(take_ptr(outside));
	return r;
}

const struct verb restore_verb = {
	"restore", "[--cgroup NAME] [--prefetch] [--host-clocks] [--dry-run] [--inherit NAME=FD | --replace NAME=PATH | "
	"--drop NAME]... <snapshot-id>",
	"Bring a container back as it was",
	"Returns when its tasks run; their memory comes in as they touch it. Any unique prefix of the\n"
	"id will do. One snapshot can be restored any number of times.\n\n"
	"  --cgroup NAME  where to put the tasks (default: where they came from); it must have none,\n"
	"                 and keeps its settings if it is there; cgroups below it are replaced\n"
	"  --prefetch     when they run, also read all memory in the order of addresses before returning:\n"
	"                 for who touches it at random, which costs a read for each page\n"
	"  --host-clocks  let the monotonic and the boot-time clock be the host's, which may be behind what they\n"
	"                 were; without this they continue from the snapshot, in a time namespace\n"
	"  --dry-run      check everything that can be checked, make nothing\n\n"
	"What had its other end outside of the container, or was mounted from there, needs one of these\n"
	"each; NAME is as `cpt show` lists it, a pattern ('pipe:*'), pipe, unix, tty, mount, or all. What\n"
	"names a thing more exactly counts. Mounts of the host's can be named, too (mount:/point).\n\n"
	"  --inherit NAME=FD    a descriptor that cpt was started with, as by `3<>FILE` in a shell\n"
	"  --replace NAME=PATH  what is at the path: a fifo, file, terminal; a socket is connected to;\n"
	"                       a directory comes in place of a mount\n"
	"  --drop NAME          the other end is gone: the program finds it closed, or hung up; nothing\n"
	"                       is mounted there\n",
	restore_main,
};
