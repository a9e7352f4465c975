// SPDX-License-Identifier: GPL-2.0-only
/* cpt pin, cpt unpin: a cgroup and its swap volume. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include "base/util.h"
#include "cmd/cmd.h"
#include "engine/cut_short.h"
#include "engine/pin.h"
#include "host/cgroup.h"

static int find_cgroup(const struct verb *v, int argc, char **argv, char **cgroup, struct err *e)
{
	return argc == optind + 1 ? cgroup_resolve(argv[optind], cgroup, e) : usage_error(v, e, "which cgroup?");
}

static void print_cgroup(const char *cgroup, bool pinned)
{
	struct json_object *j;

	if (!globals.json)
		return;
	j = json_object_new_object();
	json_object_object_add(j, "cgroup", json_object_new_string(cgroup));
	json_object_object_add(j, "pinned", json_object_new_boolean(pinned));
	print_json(j);
}

static int pin_main(int argc, char **argv, struct err *e)
{
	static const struct option options[] = { { "size", required_argument, NULL, 's' }, { 0 } };
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	_cleanup_free_ char *cgroup = NULL;
	uint64_t bytes = 0;
	int option, r;

	while ((option = next_option(&pin_verb, argc, argv, "s:", options, e)) != -1) {
		if (option != 's')
			return e->code;
		bytes = parse_size(optarg);
		if (!bytes)
			return usage_error(&pin_verb, e, "\"%s\" is not a size like 512M or 20G", optarg);
	}
	r = find_cgroup(&pin_verb, argc, argv, &cgroup, e) ?: cut_short_open(&store, globals.store, e) ?:
	    pin_cgroup(store, cgroup, bytes, e);
	if (r == 0)
		print_cgroup(cgroup, true);
	return r;
}

/*
 * swapoff(2) says nothing while it reads pages back, which can take minutes:
 * a thread tells how much is left, from the second second on.
 */
struct progress {
	struct swap_volume volume;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool running, done, told;
};

static void *progress_main(void *arg)
{
	struct progress *p = arg;
	struct timespec until;

	pthread_mutex_lock(&p->lock);
	while (!p->done) {
		uint64_t left;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		if (pthread_cond_timedwait(&p->changed, &p->lock, &until) != ETIMEDOUT || p->done)
			continue;
		if (volume_used(&p->volume, &left, &ERR_INIT) == 0) {
			fprintf(stderr, "\r%s still to be brought back  ", human_size(left));
			p->told = true;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void progress_begin(struct progress *p, struct store *store, const char *cgroup)
{
	struct pin_row pin = { 0 };

	*p = (struct progress){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	p->running = catalog_get_pin(store_catalog(store), cgroup, &pin, &ERR_INIT) == 0 &&
		     volume_find(store, pin.thin_id, &p->volume, &ERR_INIT) == 0 &&
		     pthread_create(&p->thread, NULL, progress_main, p) == 0;
	pin_row_clear(&pin);
}

static void progress_end(struct progress *p)
{
	if (!p->running)
		return;
	pthread_mutex_lock(&p->lock);
	p->done = true;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	if (p->told)
		fputc('\n', stderr);
}

static int unpin_main(int argc, char **argv, struct err *e)
{
	__attribute__((cleanup(store_closep))) struct store *store = NULL;
	_cleanup_free_ char *cgroup = NULL;
	struct progress progress;
	int r;

	if (next_option(&unpin_verb, argc, argv, "", NULL, e) != -1)
		return e->code;
	/* What is half done may be the unpinning of this one, which ends below. */
	r = find_cgroup(&unpin_verb, argc, argv, &cgroup, e) ?: store_open(&store, globals.store, STORE_WRITE, e);
	if (r < 0)
		return r;
	progress_begin(&progress, store, cgroup);
	r = unpin_cgroup(store, cgroup, e);
	progress_end(&progress);
	if (r == 0)
		print_cgroup(cgroup, false);
	return r;
}

const struct verb pin_verb = {
	"pin", "[--size BYTES] <cgroup>",
	"Bind a cgroup to a swap volume of its own",
	"From now on its memory is swapped there and nowhere else. `cpt snapshot` pins on the way; a\n"
	"pin ahead of time lets the first snapshot find pages that reclaim wrote already.\n\n"
	"  --size BYTES   size of the volume (thin)\n",
	pin_main,
};

const struct verb unpin_verb = {
	"unpin", "<cgroup>",
	"Undo the binding and remove the volume; snapshots stay",
	"What was swapped out comes back to memory first. The cgroup itself may be gone already.\n",
	unpin_main,
};
