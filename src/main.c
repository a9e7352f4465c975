// SPDX-License-Identifier: GPL-2.0-only
/* cpt: checkpoint and restore of Linux containers. The verb table, global options, and the only place that prints errors. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "base/stage.h"
#include "base/util.h"
#include "cmd/cmd.h"

#ifndef CPT_VERSION
#define CPT_VERSION "0.1"
#endif

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
	int option, status;

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
			verb_help(v);
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
	if (v->main(argc, argv, &e) == 0)
		return 0;
	if (geteuid() != 0 && e.code != -EINVAL)
		err_advise(&e, "everything of cpt needs root's rights: `sudo cpt %s`", v->name);
	status = fail(&e);
	if (e.code == -EINTR && stage_signal()) {
		signal(stage_signal(), SIG_DFL);	/* it ends by that, as a shell wants to know */
		raise(stage_signal());
	}
	return status;
}
