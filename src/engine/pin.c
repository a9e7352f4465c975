// SPDX-License-Identifier: GPL-2.0-only
/* Binding a cgroup to a swap volume, see pin.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/util.h"
#include "engine/pin.h"
#include "host/cgroup.h"
#include "host/uapi.h"

#define MIB (1UL << 20)

static int read_boot_id(char **ret, struct err *e)
{
	int r = read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", ret, NULL);

	if (r < 0)
		return err_ret(e, r, "read the boot id");
	(*ret)[strcspn(*ret, "\n")] = 0;
	return 0;
}

static int set_device(const char *cgroup, const char *dev, struct err *e)
{
	int r = cgroup_set(cgroup, CGROUP_SWAP_DEVICE_FILE, dev, e);

	if (r != -ENOENT && r != -EACCES)
		return r;
	if (cgroup_exists(cgroup))
		return err_advise(e, "the kernel lacks cpt's series, or the memory controller is not on for this cgroup: see `cpt doctor`");
	return err_advise(e, "there is no such cgroup");
}

int pin_cgroup_to(struct store *s, const char *cgroup, const struct swap_volume *v, const char *parent, struct err *e)
{
	_cleanup_free_ char *boot_id = NULL;
	struct pin_row row = { .cgroup = (char *)cgroup, .thin_id = v->thin_id, .parent_snapshot = (char *)parent };
	int r = pin_sweep(s, e) ?: read_boot_id(&boot_id, e);

	if (r < 0)
		return r;
	row.boot_id = boot_id;
	r = catalog_set_pin(store_catalog(s), &row, e);
	if (r < 0)
		return r;
	r = set_device(cgroup, v->dev, e);
	if (r < 0)
		catalog_remove_pin(store_catalog(s), cgroup, &ERR_INIT);
	return r;
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
	if (r == 0)
		return err_set(e, -EEXIST, "%s is pinned to a swap volume already", cgroup);
	return r == -ENOENT ? 0 : r;
}

int pin_cgroup(struct store *s, const char *cgroup, uint64_t bytes, struct err *e)
{
	struct swap_volume v;
	int r;

	if (!cgroup_exists(cgroup))
		return err_set(e, -ENOENT, "there is no cgroup %s", cgroup);
	r = pin_sweep(s, e) ?: check_free(s, cgroup, e) ?: choose_bytes(cgroup, &bytes, e) ?:
	    volume_create(s, bytes, &v, e);
	if (r < 0)
		return r;
	r = pin_cgroup_to(s, cgroup, &v, NULL, e);
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
	if (cgroup_exists(cgroup))
		r = set_device(cgroup, "none", e);
	if (r == 0)
		r = volume_destroy(s, row.thin_id, e);
	/* As it was, if it still can be. */
	if (r < 0 && volume_find(s, row.thin_id, &v, &ERR_INIT) == 0)
		set_device(cgroup, v.dev, &ERR_INIT);
	pin_row_clear(&row);
	return r;
}

/* ---- pins whose cgroup is gone ------------------------------------------------------- */

struct orphans {
	int64_t *thin_ids;
	size_t nr, cap;
};

static int note_orphan(const struct pin_row *p, void *arg)
{
	struct orphans *o = arg;

	if (!cgroup_exists(p->cgroup)) {
		array_grow(o->thin_ids, o->nr, o->cap);
		o->thin_ids[o->nr++] = p->thin_id;
	}
	return 0;
}

int pin_sweep(struct store *s, struct err *e)
{
	struct orphans o = { 0 };
	int r = catalog_each_pin(store_catalog(s), note_orphan, &o, e);

	/* One that can't be removed now (a task that was moved away still has pages there) is no reason to fail. */
	for (size_t i = 0; r == 0 && i < o.nr; i++)
		volume_destroy(s, o.thin_ids[i], &ERR_INIT);
	free(o.thin_ids);
	return r;
}
