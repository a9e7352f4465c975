/* SPDX-License-Identifier: GPL-2.0-only */
/* Verbs: one thin file each, which parses, calls the engine and prints. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/* Options that stand before or behind any verb. */
struct globals {
	const char *store;	/* directory of the store */
	bool json;
};
extern struct globals globals;

struct verb {
	const char *name;
	const char *usage;	/* arguments */
	const char *summary;	/* one line */
	const char *help;	/* what `cpt help <verb>` adds */
	int (*main)(int argc, char **argv, struct err *e);	/* argv[0] is the verb; 0 or negative errno */
};
extern const struct verb init_verb, run_verb, pin_verb, unpin_verb, snapshot_verb, restore_verb, list_verb,
	show_verb, rm_verb, doctor_verb;

/* -EINVAL with "usage: cpt <verb> ..." as advice. */
int usage_error(const struct verb *v, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* getopt_long(3) over the verb's and the global options; -1 at the end, '?' with @e filled. */
struct option;
int next_option(const struct verb *v, int argc, char **argv, const char *letters, const struct option *options,
		struct err *e);
/* Take --store and --json; false for any other. */
bool global_option(int option);
void verb_help(const struct verb *v);
/* "512M", "2G", "4096" in bytes; 0: not a size. */
uint64_t parse_size(const char *text);
/* "1.5 GiB"; static ring of buffers. */
const char *human_size(uint64_t bytes);
/* {"survey": 1200345, ...}: how many nanoseconds each stage took. */
struct json_object *stages_json(void);
/* Print @o as one line of JSON and release it. */
void print_json(struct json_object *o);
