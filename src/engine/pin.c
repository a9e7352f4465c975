// SPDX-License-Identifier: GPL-2.0-only
/* Binding a cgroup to a swap volume, see pin.h. */
#include <errno.h>
#include <string.h>
#include "base/stage.h"
#include "base/util.h"
#include "engine/cut_short.h"
#include "engine/pin.h"
#include "host/cgroup.h"
#include "host/uapi.h"

#define MIB (1UL << 20)

static int set_device(const char *cgroup, const char *dev, struct err *e)
{
	int r = cgroup_set(cgroup, CGROUP_SWAP_DEVICE_FILE, dev, e);

	if (r != -ENOENT && r != -EACCES)
		return r;
	if (cgroup_exists(cgroup))
		return err_advise(e, "the kernel lacks cpt's series, or the memory controller is not on for this cgroup: see `cpt doctor`");
	return err_advise(e, "there is no such cgroup");
}

static int set_row(struct store *s, const char *cgroup, int64_t thin_id, const char *parent, const char *cut_short,
		   struct err *e)
{
	const struct pin_row row = {
		.cgroup = (char *)cgroup, .thin_id = thin_id, .parent_snapshot = (char *)parent,
		.cut_short = (char *)cut_short, .boot_id = (char *)store_boot_id(s),
	};

	return catalog_set_pin(store_catalog(s), &row, e);
}

int pin_begin(struct store *s, const char *cgroup, const struct swap_volume *v, const char *parent, struct err *e)
{
	bool there = cgroup_exists(cgroup);
	int r = set_row(s, cgroup, v->thin_id, parent, there ? CUT_SHORT_END : CUT_SHORT_REMOVE, e);

	return r ?: cgroup_create(cgroup, e) ?: set_device(cgroup, v->dev, e);
}

int pin_complete(struct store *s, const char *cgroup, bool frozen, struct err *e)
{
	struct catalog *c = store_catalog(s);

	if (frozen)
		return catalog_mark_pin(c, cgroup, NULL, e);
	return catalog_mark_pin(c, cgroup, CUT_SHORT_THAW, e) ?: cgroup_set(cgroup, "cgroup.freeze", "0", e) ?:
	       catalog_mark_pin(c, cgroup, NULL, e);
}

void pin_undo(struct store *s, const char *cgroup)
{
	struct pin_row row = { 0 };

	if (catalog_get_pin(store_catalog(s), cgroup, &row, &ERR_INIT) == 0)
		cut_short_tidy(s, &row, &ERR_INIT);
	pin_row_clear(&row);
}

/* Its pages have to fit twice, see volume.c; a limit that is raised later is what --size is for. */
static int choose_bytes(const char *cgroup, uint64_t *bytes, struct err *e)
{
	uint64_t limit;
	int r = *bytes ? 0 : cgroup_memory_limit(cgroup, &limit, e);

	if (r < 0 || *bytes)
		return r;
	if (limit < UINT64_MAX / 4 && limit < 512UL << 30)
		*bytes = max(2 * limit, 256 * MIB);
	return 0;
}

static int check_free(struct store *s, const char *cgroup, struct err *e)
{
	struct pin_row row = { 0 };
	int r = catalog_get_pin(store_catalog(s), cgroup, &row, e);

	pin_row_clear(&row);
	if (r == 0) {
		err_set(e, -EEXIST, "%s is pinned to a swap volume already", cgroup);
		return err_advise(e, "`cpt unpin %s` first, if it shall have another", cgroup);
	}
	return r == -ENOENT ? 0 : r;
}

int pin_cgroup(struct store *s, const char *cgroup, uint64_t bytes, struct err *e)
{
	struct swap_volume v;
	int r;

	if (!cgroup_exists(cgroup))
		return err_set(e, -ENOENT, "there is no cgroup %s", cgroup);
	r = check_free(s, cgroup, e) ?: choose_bytes(cgroup, &bytes, e) ?: volume_create(s, bytes, &v, e);
	if (r < 0)
		return r;
	stage_point("record");
	r = set_row(s, cgroup, v.thin_id, NULL, NULL, e);
	stage_point("bind");
	r = r ?: set_device(cgroup, v.dev, e);
	if (r < 0)
		volume_destroy(s, v.thin_id, &ERR_INIT);
	return r;
}

int unpin_cgroup(struct store *s, const char *cgroup, struct err *e)
{
	struct pin_row row = { 0 };
	struct swap_volume v;
	int r = catalog_get_pin(store_catalog(s), cgroup, &row, e);

	if (r < 0)
		return r;
	if (row.cut_short) {
		r = cut_short_tidy(s, &row, e);
		if (r <= 0) {
			pin_row_clear(&row);
			return r;
		}
	}
	stage_point("unbind");
	r = cgroup_exists(cgroup) ? set_device(cgroup, "none", e) : 0;
	if (r == 0)
		r = volume_destroy(s, row.thin_id, e);
	/* As it was, if it still can be. */
	if (r < 0 && volume_find(s, row.thin_id, &v, &ERR_INIT) == 0)
		set_device(cgroup, v.dev, &ERR_INIT);
	pin_row_clear(&row);
	return r;
}
