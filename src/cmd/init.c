// SPDX-License-Identifier: GPL-2.0-only
/* cpt init: make a store. */
#include <errno.h>
#include <getopt.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "store/store.h"

/* A device that swap goes to must not be memory itself. */
static void warn_of_memory(const struct store_options *o)
{
	struct statfs fs;

	if (o->data_device || statfs(o->dir, &fs) < 0 || (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC))
		return;
	fprintf(stderr, "warning: %s is in memory: what a container swaps out still counts as its memory, and all\n"
		"     snapshots end with this host; make the store in a directory on a disk (cpt --store DIR init)\n", o->dir);
}

static int init_main(int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' }, { "metadata", required_argument, NULL, 'm' },
		{ "data-size", required_argument, NULL, 's' }, { "volume-size", required_argument, NULL, 'v' }, { 0 },
	};
	struct store_options o = { .dir = globals.store };
	int option, r;

	while ((option = next_option(&init_verb, argc, argv, "d:m:s:v:", options, e)) != -1) {
		uint64_t size = option == 's' || option == 'v' ? parse_size(optarg) : 1;

		if (!size)
			return usage_error(&init_verb, e, "\"%s\" is not a size like 512M or 20G", optarg);
		if (option == 'd')
			o.data_device = optarg;
		else if (option == 'm')
			o.metadata_device = optarg;
		else if (option == 's')
			o.data_bytes = size;
		else if (option == 'v')
			o.volume_bytes = size;
		else
			return e->code;
	}
	if (argc != optind)
		return usage_error(&init_verb, e, "init takes no argument \"%s\"", argv[optind]);
	if (!o.data_device != !o.metadata_device)
		return usage_error(&init_verb, e, "--data and --metadata go together");
	r = store_init(&o, e);
	if (r == 0 && globals.json) {
		struct json_object *j = json_object_new_object();

		json_object_object_add(j, "store", json_object_new_string(o.dir));
		print_json(j);
	} else if (r == 0) {
		fprintf(stderr, "made a store in %s\n", o.dir);
	}
	if (r == 0)
		warn_of_memory(&o);
	return r;
}

const struct verb init_verb = {
	"init", "[--data DEV --metadata DEV] [--data-size BYTES] [--volume-size BYTES]",
	"Make a store: a thin pool for memory and a catalog for everything else",
	"Without devices, the pool is two sparse files on loop devices in the store's directory.\n\n"
	"  --data DEV, --metadata DEV  block devices for the pool; what is on them is lost\n"
	"  --data-size BYTES           size of the data file (sparse)\n"
	"  --volume-size BYTES         size of each container's swap volume (thin); several times its\n"
	"                              memory lets increments go to fresh places, which is cheapest\n",
	init_main,
};
