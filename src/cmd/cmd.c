// SPDX-License-Identifier: GPL-2.0-only
/* What the verbs have in common: options, usage, sizes, JSON. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/stage.h"
#include "base/util.h"
#include "cmd/cmd.h"

struct globals globals = { .store = "/var/lib/cpt" };

void verb_help(const struct verb *v)
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

bool global_option(int option)
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
		verb_help(v);
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

struct json_object *stages_json(void)
{
	struct json_object *o = json_object_new_object();
	size_t nr;
	const struct stage_time *t = stage_times(&nr);

	for (size_t i = 0; i < nr; i++) {
		uint64_t end = i + 1 < nr ? t[i + 1].begin_ns : now_ns();

		json_object_object_add(o, t[i].name, json_object_new_int64((int64_t)(end - t[i].begin_ns)));
	}
	return o;
}

void print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}
