// SPDX-License-Identifier: GPL-2.0-only
/* Binding a cgroup to a swap volume, see pin.h. */
#include <errno.h>
#include "base/util.h"
#include "engine/pin.h"
#include "host/cgroup.h"

/* Pins are only as old as the machine's uptime. */
static char *boot_id(void)
{
	char *text = NULL;

	if (read_file_at(-1, "/proc/sys/kernel/random/boot_id", &text, NULL) < 0)
		return xstrdup("");
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = 0;
	return text;
}

int pin_cgroup_to(struct store *s, const char *cgroup, const struct swap_volume *v, const char *snapshot,
		  struct err *e)
{
	_cleanup_free_ char *boot = boot_id();
	struct pin_row row = {
		.cgroup = (char *)(uintptr_t)cgroup, .thin_id = v->thin_id,
		.parent_snapshot = (char *)(uintptr_t)snapshot, .boot_id = boot,
	};
	struct catalog *c = store_catalog(s);
	int r;

	/* The row first: a pin that nobody knows of could not be undone. */
	r = catalog_begin(c, e);
	if (r < 0)
		return r;
	r = catalog_set_pin(c, &row, e) ?: catalog_commit(c, e);
	if (r < 0) {
		catalog_rollback(c);
		return r;
	}
	r = cgroup_set_swap_device(cgroup, v->dev, e);
	if (r < 0)
		catalog_remove_pin(c, cgroup, &ERR_INIT);
	return r;
}

int pin_cgroup(struct store *s, const char *cgroup, uint64_t bytes, struct err *e)
{
	struct pin_row known = { 0 };
	struct swap_volume v;
	int r;

	r = catalog_get_pin(store_catalog(s), cgroup, &known, e);
	pin_row_clear(&known);
	if (r == 0)
		return err_set(e, -EEXIST, "the cgroup %s is pinned already", cgroup);
	if (r != -ENOENT)
		return r;
	r = volume_create(s, bytes, &v, e);
	if (r < 0)
		return r;
	r = pin_cgroup_to(s, cgroup, &v, NULL, e);
	if (r < 0)
		volume_destroy(s, v.thin_id, &ERR_INIT);
	return r;
}

int unpin_cgroup(struct store *s, const char *cgroup, struct err *e)
{
	struct pin_row pin = { 0 };
	int r = catalog_get_pin(store_catalog(s), cgroup, &pin, e);

	if (r < 0) {
		if (r == -ENOENT)
			err_set(e, r, "the cgroup %s is not pinned", cgroup);
		return r;
	}
	r = cgroup_set_swap_device(cgroup, "none", e);
	if (r == 0 || r == -ENOENT)
		r = volume_destroy(s, pin.thin_id, e);
	if (r == 0)
		r = catalog_remove_pin(store_catalog(s), cgroup, e);
	pin_row_clear(&pin);
	return r;
}
