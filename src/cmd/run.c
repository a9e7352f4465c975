// SPDX-License-Identifier: GPL-2.0-only
/* cpt run: start a container; prints the pid of its first process. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "engine/run.h"
#include "host/cgroup.h"

static const struct option options[] = {
	{ "pid-levels", required_argument, NULL, 'p' }, { "share", required_argument, NULL, 's' },
	{ "user", required_argument, NULL, 'u' }, { "hostname", required_argument, NULL, 'h' },
	{ "output", required_argument, NULL, 'o' }, { 0 },
};

static int share(struct run_options *o, const char *type, struct err *e)
{
	if (strcmp(type, "pid") == 0)
		o->pid_levels = 0;
	else if (strcmp(type, "ipc") == 0)
		o->ipc = false;
	else if (strcmp(type, "uts") == 0)
		o->uts = false;
	else if (strcmp(type, "mnt") == 0)
		o->mount = false;
	else if (strcmp(type, "all") == 0)
		o->pid_levels = 0, o->ipc = o->uts = o->mount = false;
	else
		return usage_error(&run_verb, e, "--share takes pid, ipc, uts, mnt or all, not \"%s\"", type);
	return 0;
}

/* "100000" or "100000:65536". */
static int user(struct run_options *o, const char *map, struct err *e)
{
	char *end;

	o->nr_users = 65536;
	o->user = strtol(map, &end, 10);
	if (end != map && *end == ':') {
		map = end + 1;
		o->nr_users = strtol(map, &end, 10);
	}
	if (end == map || *end || o->user < 0 || o->nr_users < 1 || o->nr_users > UINT32_MAX - o->user)
		return usage_error(&run_verb, e, "--user takes the host's id that is root inside, and how many follow: "
				   "100000:65536");
	return 0;
}

static int parse(int argc, char **argv, struct run_options *o, struct err *e)
{
	int option, r = 0;

	while (r == 0 && (option = next_option(&run_verb, argc, argv, "+p:s:u:h:o:", options, e)) != -1) {
		if (option == 'p') {
			o->pid_levels = atoi(optarg);
			if (o->pid_levels < 0 || o->pid_levels > 31)
				return usage_error(&run_verb, e, "--pid-levels takes 0 to 31");
		} else if (option == 's') {
			r = share(o, optarg, e);
		} else if (option == 'u') {
			r = user(o, optarg, e);
		} else if (option == 'h') {
			o->hostname = optarg;
		} else if (option == 'o') {
			o->output = optarg;
		} else {
			return e->code;
		}
	}
	return r;
}

/* "/var/log/cpt/a-b.log" for the cgroup "/a/b". */
static char *default_output(const char *cgroup)
{
	char *path = xasprintf("/var/log/cpt/%s.log", cgroup + 1);

	mkdir("/var/log/cpt", 0755);
	for (char *p = path + strlen("/var/log/cpt/"); *p; p++)
		if (*p == '/')
			*p = '-';
	return path;
}

static int run_main(int argc, char **argv, struct err *e)
{
	struct run_options o = { .pid_levels = 1, .ipc = true, .uts = true, .mount = true, .user = -1 };
	_cleanup_free_ char *cgroup = NULL, *output = NULL;
	pid_t pid;
	int r;

	r = parse(argc, argv, &o, e);
	if (r < 0)
		return r;
	if (argc < optind + 2)
		return usage_error(&run_verb, e, "which cgroup, and which program?");
	r = cgroup_resolve(argv[optind], &cgroup, e);
	if (r < 0)
		return r;
	o.cgroup = cgroup;
	o.argv = argv + optind + 1;
	if (strcmp(o.argv[0], "--") == 0)
		o.argv++;
	if (!o.argv[0])
		return usage_error(&run_verb, e, "which program?");
	if (!o.output)
		o.output = output = default_output(cgroup);
	r = run_container(&o, &pid, e);
	if (r < 0)
		return r;
	if (globals.json) {
		struct json_object *j = json_object_new_object();

		json_object_object_add(j, "cgroup", json_object_new_string(cgroup));
		json_object_object_add(j, "pid", json_object_new_int(pid));
		json_object_object_add(j, "output", json_object_new_string(o.output));
		print_json(j);
	} else {
		printf("%d\n", pid);
	}
	return 0;
}

const struct verb run_verb = {
	"run", "[--pid-levels N] [--share TYPE] [--user ID[:N]] [--hostname H] [--output FILE] "
	       "<cgroup> [--] PROGRAM [ARG...]",
	"Start a program as a container in a new cgroup and new namespaces",
	"Prints the pid of the container's first process. Standard input is /dev/null, standard output\n"
	"and error go to a file.\n\n"
	"  --pid-levels N   new pid namespaces, one inside the other (default: 1)\n"
	"  --share TYPE     keep the host's namespace of this type: pid, ipc, uts, mnt, or all\n"
	"  --user ID[:N]    a new user namespace, which owns the others: users and groups 0 to N - 1 (default:\n"
	"                   65536) in there are ID and those after it here\n"
	"  --hostname H     host name in the new uts namespace\n"
	"  --output FILE    where output goes (default: /var/log/cpt/<cgroup>.log)\n",
	run_main,
};
