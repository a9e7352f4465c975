// SPDX-License-Identifier: GPL-2.0-only
/* cpt: checkpoint and restore of Linux containers. The verb table, global options, and the only place that prints errors. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "cmd/cmd.h"

#ifndef CPT_VERSION
#define CPT_VERSION "0.1"
#endif

struct globals globals = { .store = "/var/lib/cpt" };

/* In the order in which a newcomer needs them. */
static const struct verb *const verbs[] = {
	&doctor_verb, &init_verb, &run_verb, &snapshot_verb, &restore_verb, &list_verb, &show_verb, &rm_verb,
	&pin_verb, &unpin_verb,
};

static void print_overview(FILE *f)
{
	fputs("usage: cpt [--store DIR] [--json] <verb> ...\n\n"
	      "Checkpoints and restores Linux containers. A container is a cgroup; its memory stays\n"
	      "on its own swap volume, of which a snapshot is taken, and comes back page by page.\n\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(f, "  %-9s %s\n", verbs[i]->name, verbs[i]->summary);
	fputs("\n`cpt help <verb>` tells more. A first tour:\n\n"
	      "  cpt init\n"
	      "  cpt run web -- redis-server\n"
	      "  id=$(cpt snapshot --kill web)\n"
	      "  cpt restore $id\n", f);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static void print_help(const struct verb *v)
{
	printf("usage: cpt %s %s\n\n%s.\n\n%s", v->name, v->usage, v->summary, v->help);
	puts("\nEverywhere: --store DIR (default /var/lib/cpt), --json for output that programs read.");
}

int usage_error(const struct verb *v, struct err *e, const char *fmt, ...)
{
	char msg[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(msg, sizeof(msg), fmt, args);
	va_end(args);
	err_set(e, -EINVAL, "%s", msg);
	return err_advise(e, "usage: cpt %s %s", v->name, v->usage);
}

static bool global_option(int option)
{
	if (option == 'S')
		globals.store = optarg;
	else if (option == 'J')
		globals.json = true;
	else
		return false;
	return true;
}

int next_option(const struct verb *v, int argc, char **argv, const char *letters, const struct option *options,
		struct err *e)
{
	struct option all[32] = {
		{ "store", required_argument, NULL, 'S' }, { "json", no_argument, NULL, 'J' },
		{ "help", no_argument, NULL, 'H' },
	};
	size_t nr = 3;
	int option;

	while (options && options->name && nr < ARRAY_SIZE(all) - 1)
		all[nr++] = *options++;
	opterr = 0;
	do
		option = getopt_long(argc, argv, letters, all, NULL);
	while (global_option(option));
	if (option == 'H') {
		print_help(v);
		exit(0);
	}
	if (option == '?' || option == ':')
		usage_error(v, e, option == ':' ? "%s needs a value" : "there is no option %s", argv[optind - 1]);
	return option == ':' ? '?' : option;
}

uint64_t parse_size(const char *text)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t v = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;

	if (end == text || (*end && (!unit || end[1])))
		return 0;
	return unit ? v << (10 * (unit - units + 1)) : v;
}

const char *human_size(uint64_t bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	static char ring[8][32];
	static unsigned int turn;
	char *buf = ring[turn++ % ARRAY_SIZE(ring)];
	double v = (double)bytes;
	size_t unit = 0;

	while (v >= 1024 && unit < ARRAY_SIZE(units) - 1) {
		v /= 1024;
		unit++;
	}
	snprintf(buf, sizeof(ring[0]), unit && v < 10 ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return buf;
}

void print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static int fail(const struct err *e)
{
	fprintf(stderr, "cpt: %s\n", e->msg);
	if (*e->advice)
		fprintf(stderr, "     %s\n", e->advice);
	return e->code == -EINVAL ? 2 : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 'S' }, { "json", no_argument, NULL, 'J' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' }, { 0 },
	};
	struct err e = ERR_INIT;
	const struct verb *v;
	int option;

	while ((option = getopt_long(argc, argv, "+hv", options, NULL)) != -1) {
		if (option == 'v')
			return puts("cpt " CPT_VERSION) < 0;
		if (option == 'h')
			return print_overview(stdout), 0;
		if (!global_option(option))
			return 2;
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
		return print_overview(stderr), 2;
	if (strcmp(argv[0], "help") == 0) {
		v = argc > 1 ? find_verb(argv[1]) : NULL;
		if (v)
			print_help(v);
		else
			print_overview(stdout);
		return argc > 1 && !v ? 2 : 0;
	}
	v = find_verb(argv[0]);
	if (!v) {
		fprintf(stderr, "cpt: there is no verb \"%s\"; `cpt help` lists them\n", argv[0]);
		return 2;
	}
	optind = 0;	/* glibc: begin anew, with the verb's own options */
	return v->main(argc, argv, &e) < 0 ? fail(&e) : 0;
}
