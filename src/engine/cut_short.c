// SPDX-License-Identifier: GPL-2.0-only
/* Tidying up after commands that were killed, see cut_short.h. */
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "engine/cut_short.h"
#include "host/cgroup.h"
#include "host/uapi.h"

/* A restore that did not get to its end: nothing of it may stay. */
static int end(struct store *s, const struct pin_row *pin, bool remove, struct err *e)
{
	int r = 0;

	if (cgroup_exists(pin->cgroup)) {
		/* Killed tasks end in a frozen cgroup, too. */
		r = cgroup_kill(pin->cgroup, e) ?: cgroup_set(pin->cgroup, "cgroup.freeze", "0", e) ?:
		    cgroup_remove_children(pin->cgroup, e);
		cgroup_set(pin->cgroup, CGROUP_SWAP_DEVICE_FILE, "none", &ERR_INIT);
	}
	r = r ?: volume_destroy(s, pin->thin_id, e);
	if (r == 0 && remove)
		cgroup_remove(pin->cgroup, &ERR_INIT);
	return r;
}

static int thaw(struct store *s, const struct pin_row *pin, struct err *e)
{
	return cgroup_set(pin->cgroup, "cgroup.freeze", "0", e) ?:
	       catalog_mark_pin(store_catalog(s), pin->cgroup, NULL, e) ?: 1;
}

/* The row comes before the kernel is told, and goes after it was told the opposite. */
static bool is_bound(const char *cgroup)
{
	_cleanup_free_ char *device = NULL;

	return cgroup_get(cgroup, CGROUP_SWAP_DEVICE_FILE, &device, &ERR_INIT) < 0 || strcmp(device, "none");
}

int cut_short_tidy(struct store *s, const struct pin_row *pin, struct err *e)
{
	const char *what = pin->cut_short ?: "";

	if (strcmp(what, CUT_SHORT_END) == 0 || strcmp(what, CUT_SHORT_REMOVE) == 0)
		return end(s, pin, strcmp(what, CUT_SHORT_REMOVE) == 0, e);
	if (!cgroup_exists(pin->cgroup))
		return volume_destroy(s, pin->thin_id, e);
	if (strcmp(what, CUT_SHORT_THAW) == 0)
		return thaw(s, pin, e);
	return is_bound(pin->cgroup) ? 1 : volume_destroy(s, pin->thin_id, e);
}

/* ---- all of them ------------------------------------------------------------- */

struct list {
	struct pin_row *pins;
	size_t nr, cap;
};

static int note_pin(const struct pin_row *p, void *arg)
{
	struct list *l = arg;

	array_grow(l->pins, l->nr, l->cap);
	l->pins[l->nr++] = (struct pin_row){
		.cgroup = xstrdup(p->cgroup), .thin_id = p->thin_id, .cut_short = p->cut_short ? xstrdup(p->cut_short) : NULL,
	};
	return 0;
}

int cut_short_open(struct store **ret, const char *dir, struct err *e)
{
	__attribute__((cleanup(store_closep))) struct store *s = NULL;
	struct list l = { 0 };
	int r = store_open(&s, dir, STORE_WRITE, e) ?: catalog_each_pin(store_catalog(s), note_pin, &l, e);

	/* What can't be finished now (a task that was moved away still has pages there) is no reason to fail. */
	for (size_t i = 0; i < l.nr; i++) {
		if (r == 0)
			cut_short_tidy(s, &l.pins[i], &ERR_INIT);
		pin_row_clear(&l.pins[i]);
	}
	free(l.pins);
	if (r == 0)
		*ret = take_ptr(s);
	return r;
}
