// SPDX-License-Identifier: GPL-2.0-only
/* Making, opening and cleaning a store, see store.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include "base/stage.h"
#include "base/util.h"
#include "store/loop.h"
#include "store/store_private.h"

#define MIB (1UL << 20)
#define GIB (1UL << 30)
#define METADATA_MOST (16 * GIB - 64 * MIB)	/* below THIN_METADATA_MAX_SECTORS, drivers/md/dm-thin-metadata.h */

static char *path_in(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

/* ---- the devices below the pool -------------------------------------------------- */

/* A loop file of the store when the setting is empty, else the block device it names. */
struct devices {
	char *data, *metadata;
	char *data_file, *metadata_file;	/* NULL: block devices */
};

static void devices_clear(struct devices *d)
{
	free(d->data);
	free(d->metadata);
	free(d->data_file);
	free(d->metadata_file);
	*d = (struct devices){ 0 };
}
#define _cleanup_devices_ __attribute__((cleanup(devices_clear)))

static int attach(const char *file, char **ret, struct err *e)
{
	char dev[64];
	int r = loop_attach(file, dev, sizeof(dev), e);

	if (r == 0)
		*ret = xstrdup(dev);
	return r;
}

/* From the settings; loop files are attached when @attached, else left alone. */
static int devices_get(struct devices *d, struct catalog *c, const char *dir, bool attached, struct err *e)
{
	int r = catalog_get(c, "data_device", &d->data, e) ?: catalog_get(c, "metadata_device", &d->metadata, e);

	if (r < 0 || *d->data)
		return r;
	free(take_ptr(d->data));
	free(take_ptr(d->metadata));
	d->data_file = path_in(dir, "data.img");
	d->metadata_file = path_in(dir, "metadata.img");
	if (!attached)
		return 0;
	return attach(d->data_file, &d->data, e) ?: attach(d->metadata_file, &d->metadata, e);
}

static int detach(const struct devices *d, struct err *e)
{
	if (!d->data_file)
		return 0;
	return loop_detach(d->data_file, e) ?: loop_detach(d->metadata_file, e);
}

/* ---- making ------------------------------------------------------------------------ */

static int make_file(const char *path, uint64_t bytes, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return err_sys(e, "make %s with %ju bytes", path, (uintmax_t)bytes);
	return 0;
}

/* Four fifths of what the file system has left: a sparse file that can't grow is worse than a small one. */
static int default_data_bytes(const char *dir, uint64_t *ret, struct err *e)
{
	struct statvfs fs;
	uint64_t bytes;

	if (statvfs(dir, &fs) < 0)
		return err_sys(e, "free space of %s", dir);
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize / 5 * 4;
	bytes -= bytes % (64 * MIB);
	if (bytes < 256 * MIB) {
		err_set(e, -ENOSPC, "the file system of %s has too little space left for a store", dir);
		return err_advise(e, "choose another directory with --store, or give --size or block devices");
	}
	*ret = bytes;
	return 0;
}

/* Written out, so that a commit of the pool never waits for the file system to find room. */
static int fill_file(const char *path, uint64_t bytes, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	_cleanup_free_ char *zeroes = xcalloc(1, MIB);
	int r = fd < 0 ? -errno : 0;

	for (uint64_t at = 0; r == 0 && at < bytes; at += MIB)
		r = write_all(fd, zeroes, MIB);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? err_ret(e, r, "write %s", path) : 0;
}

static int make_files(const struct store_options *o, const char *dir, struct err *e)
{
	_cleanup_free_ char *data = path_in(dir, "data.img"), *metadata = path_in(dir, "metadata.img");
	uint64_t bytes = o->data_bytes, metadata_bytes;
	int r = bytes ? 0 : default_data_bytes(dir, &bytes, e);

	if (r < 0)
		return r;
	/* thin_metadata_size(8) gives less than a thousandth for 64 KiB blocks and many snapshots. */
	metadata_bytes = min(max((bytes / 1000 + 4 * MIB - 1) / (4 * MIB) * (4 * MIB), 16 * MIB), METADATA_MOST);
	r = make_file(data, bytes, e);
	if (r < 0)
		return r;
	r = make_file(metadata, metadata_bytes, e) ?: fill_file(metadata, min(metadata_bytes, 64 * MIB), e);
	if (r < 0) {
		unlink(data);
		unlink(metadata);
	}
	return r;
}

/* The kernel formats a metadata device only if its first block is zero, and cpt overwrites nobody's data. */
static int check_empty(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	_cleanup_free_ char *begin = xcalloc(1, MIB);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", path);
	if (!S_ISBLK(st.st_mode))
		err_set(e, -ENOTBLK, "%s is not a block device", path);
	if (!S_ISBLK(st.st_mode))
		return err_advise(e, "without --data and --metadata the store is in files");
	n = read(fd, begin, MIB);
	if (n < 0)
		return err_sys(e, "read %s", path);
	for (ssize_t i = 0; i < n; i++)
		if (begin[i]) {
			err_set(e, -EEXIST, "%s is not empty", path);
			return err_advise(e, "if its contents are not needed: `blkdiscard -z -l 1M %s`", path);
		}
	return 0;
}

static int make_devices(const struct store_options *o, const char *dir, struct err *e)
{
	if (!o->data_device && !o->metadata_device)
		return make_files(o, dir, e);
	if (!o->data_device || !o->metadata_device)
		return err_set(e, -EINVAL, "a store on block devices needs both a data and a metadata device");
	return check_empty(o->data_device, e) ?: check_empty(o->metadata_device, e);
}

static int add_settings(struct catalog *c, const struct store_options *o, struct err *e)
{
	_cleanup_free_ char *bytes = xasprintf("%ju", (uintmax_t)o->volume_bytes);
	char uuid[33] = "";
	uint64_t random[2];
	int r;

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return err_sys(e, "get random bytes");
	snprintf(uuid, sizeof(uuid), "%016jx%016jx", (uintmax_t)random[0], (uintmax_t)random[1]);
	r = catalog_begin(c, e) ?: catalog_set(c, "uuid", uuid, e) ?:
	    catalog_set(c, "data_device", o->data_device ?: "", e) ?:
	    catalog_set(c, "metadata_device", o->metadata_device ?: "", e) ?:
	    catalog_set(c, "volume_bytes", bytes, e) ?: catalog_commit(c, e);
	if (r < 0)
		catalog_rollback(c);
	return r;
}

static int make_dir(const char *dir, struct err *e)
{
	_cleanup_free_ char *path = xstrdup(dir);

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
	/* Other people's memory is in there. */
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make the directory %s", dir);
	return 0;
}

static int take_lock(const char *dir, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = path_in(dir, "lock");
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, "open %s", path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, "lock %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

static void remove_in(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_in(dir, name);

	loop_detach(path, &ERR_INIT);
	unlink(path);
}

/* The catalog has this name while the store is being made: what else is in the directory belongs to it. */
#define UNFINISHED "catalog.new"

static void remove_made(const struct store_options *o, const char *dir)
{
	static const char *const names[] = {
		"catalog.db", "catalog.db-wal", "catalog.db-shm", UNFINISHED "-wal", UNFINISHED "-shm",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		remove_in(dir, names[i]);
	if (!o->data_device) {
		remove_in(dir, "data.img");
		remove_in(dir, "metadata.img");
	}
	remove_in(dir, UNFINISHED);
}

/* A leftover of an earlier store is not this one's to remove. */
static int begin_making(const struct store_options *o, const char *dir, struct err *e)
{
	_cleanup_free_ char *path = path_in(dir, UNFINISHED), *data = path_in(dir, "data.img"),
			    *metadata = path_in(dir, "metadata.img");
	_cleanup_fd_ int fd = -1;

	if (access(path, F_OK) == 0)
		remove_made(o, dir);
	if (!o->data_device && (access(data, F_OK) == 0 || access(metadata, F_OK) == 0)) {
		err_set(e, -EEXIST, "%s is there but no catalog", access(data, F_OK) == 0 ? data : metadata);
		return err_advise(e, "it is left from an earlier store: remove it if nothing in it is needed");
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(e, "make %s", path) : 0;
}

static int make_catalog(const struct store_options *o, const char *dir, struct err *e)
{
	_cleanup_free_ char *unfinished = path_in(dir, UNFINISHED), *path = path_in(dir, "catalog.db");
	_cleanup_fd_ int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct catalog *c = NULL;
	int r = catalog_open(&c, unfinished, true, e) ?: add_settings(c, o, e);

	catalog_close(c);
	if (r < 0)
		return r;
	if (rename(unfinished, path) < 0 || fsync(dir_fd) < 0)
		return err_sys(e, "make %s", path);
	return 0;
}

int store_init(const struct store_options *o, struct err *e)
{
	const char *dir = o->dir ?: STORE_DIR;
	_cleanup_free_ char *path = path_in(dir, "catalog.db");
	struct store *s = NULL;
	_cleanup_fd_ int lock = -1;
	int r = make_dir(dir, e) ?: take_lock(dir, &lock, e);

	if (r < 0)
		return r;
	if (access(path, F_OK) == 0)
		return err_set(e, -EEXIST, "there is a store in %s already", dir);
	r = begin_making(o, dir, e);
	if (r < 0)
		return r;
	stage_point("devices");
	r = make_devices(o, dir, e);
	stage_point("catalog");
	r = r ?: make_catalog(o, dir, e);
	close_fd(&lock);
	stage_point("open");
	/* A store that can't be opened is no store: the user learns now. */
	r = r ?: store_open(&s, dir, STORE_WRITE, e);
	store_close(s);
	if (r < 0)
		remove_made(o, dir);
	return r;
}

/* ---- debris ------------------------------------------------------------------------- */

struct clean {
	struct store *s;
	int64_t *pinned;	/* thin ids that pins of this boot name */
	size_t nr, cap;
};

static int note_pin(const struct pin_row *p, void *arg)
{
	struct clean *clean = arg;

	if (strcmp(p->boot_id, clean->s->boot_id) == 0) {
		array_grow(clean->pinned, clean->nr, clean->cap);
		clean->pinned[clean->nr++] = p->thin_id;
	}
	return 0;
}

/* A failure is left to the next one who opens the store: the volume stays in the catalog until it is gone. */
static int clean_volume(const struct volume_row *v, void *arg)
{
	struct clean *clean = arg;

	if (v->role != VOLUME_LIVE)
		return 0;
	for (size_t i = 0; i < clean->nr; i++)
		if (clean->pinned[i] == v->thin_id) {
			_cleanup_free_ char *name = volume_name(clean->s, v->thin_id);

			thin_resume(name, &ERR_INIT);	/* cpt may have died in the middle of a snapshot */
			return 0;
		}
	volume_destroy(clean->s, v->thin_id, &ERR_INIT);
	return 0;
}

static int clean_unfinished(int64_t thin_id, void *arg)
{
	volume_erase(((struct clean *)arg)->s, thin_id, &ERR_INIT);
	return 0;
}

static int remove_debris(struct store *s, struct err *e)
{
	struct clean clean = { .s = s };
	int r = catalog_each_pin(s->catalog, note_pin, &clean, e) ?:
		catalog_each_volume(s->catalog, clean_volume, &clean, e) ?:
		catalog_each_unfinished(s->catalog, clean_unfinished, &clean, e);

	free(clean.pinned);
	return r;
}

/* ---- opening -------------------------------------------------------------------------- */

static int open_catalog(struct store *s, struct err *e)
{
	_cleanup_free_ char *path = path_in(s->dir, "catalog.db"), *uuid = NULL, *bytes = NULL;
	int r;

	if (access(path, F_OK) < 0 && errno != ENOENT)
		return err_sys(e, "open the store in %s", s->dir);
	if (access(path, F_OK) < 0) {
		err_set(e, -ENOENT, "there is no store in %s", s->dir);
		return err_advise(e, "`cpt init` makes one, --store says where");
	}
	r = catalog_open(&s->catalog, path, false, e) ?: catalog_get(s->catalog, "uuid", &uuid, e) ?:
	    catalog_get(s->catalog, "volume_bytes", &bytes, e);
	if (r < 0)
		return r;
	if (strlen(uuid) != 32 || strspn(uuid, "0123456789abcdef") != 32)
		return err_set(e, -EBADMSG, "catalog %s: the setting uuid is not one", path);
	s->prefix = xasprintf("cpt-%.8s-", uuid);
	s->pool = xasprintf("%spool", s->prefix);
	s->volume_bytes = strtoull(bytes, NULL, 10);
	return 0;
}

static int read_boot_id(struct store *s, struct err *e)
{
	int r = read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &s->boot_id, NULL);

	if (r < 0)
		return err_ret(e, r, "read the boot id");
	s->boot_id[strcspn(s->boot_id, "\n")] = 0;
	return 0;
}

static int activate_pool(struct store *s, struct err *e)
{
	_cleanup_devices_ struct devices d = { 0 };
	int r;

	if (thin_is_active(s->pool))
		return 0;
	r = devices_get(&d, s->catalog, s->dir, true, e) ?: thin_pool_activate(s->pool, d.metadata, d.data, e);
	if (r < 0 && d.data_file)
		detach(&d, &ERR_INIT);
	return r;
}

int store_open(struct store **ret, const char *dir, enum store_access access, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));
	int r = 0;

	s->dir = xstrdup(dir ?: STORE_DIR);
	s->lock_fd = -1;
	/* Before the lock, which would make a file. */
	if (access == STORE_WRITE) {
		_cleanup_free_ char *path = path_in(s->dir, "catalog.db");

		r = faccessat(AT_FDCWD, path, F_OK, 0) < 0 ? 0 : take_lock(s->dir, &s->lock_fd, e);
	}
	r = r ?: open_catalog(s, e) ?: read_boot_id(s, e);
	if (r == 0 && access == STORE_WRITE)
		r = activate_pool(s, e) ?: remove_debris(s, e);
	if (r < 0)
		store_close(s);
	else
		*ret = s;
	return r;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	volume_snapshot_abandon(s);
	catalog_close(s->catalog);
	close_fd(&s->lock_fd);
	free(s->dir);
	free(s->prefix);
	free(s->pool);
	free(s->boot_id);
	free(s);
}

void store_closep(struct store **s)
{
	store_close(*s);
	*s = NULL;
}

struct catalog *store_catalog(struct store *s)
{
	return s->catalog;
}

const char *store_boot_id(const struct store *s)
{
	return s->boot_id;
}

/* ---- closing down ------------------------------------------------------------------------ */

struct deactivation {
	struct store *s;
	struct err *e;
};

static int deactivate_volume(const char *name, void *arg)
{
	struct deactivation *d = arg;
	int r;

	if (strcmp(name, d->s->pool) == 0)
		return 0;
	r = thin_deactivate(name, d->e);
	if (r == -EBUSY)
		err_advise(d->e, "a container is bound to it: `cpt list` shows which, `cpt unpin` frees it");
	return r;
}

int store_deactivate(struct store *s, struct err *e)
{
	_cleanup_devices_ struct devices d = { 0 };
	struct deactivation arg = { s, e };
	int r = thin_each_active(s->prefix, deactivate_volume, &arg, e) ?: thin_pool_deactivate(s->pool, e) ?:
		devices_get(&d, s->catalog, s->dir, false, e);

	return r ?: detach(&d, e);
}

/* ---- snapshots, usage ----------------------------------------------------------------------- */

int store_remove_snapshot(struct store *s, const struct snapshot_row *snapshot, struct err *e)
{
	int r = catalog_begin(s->catalog, e) ?: catalog_remove_snapshot(s->catalog, snapshot->id, e) ?:
		catalog_remove_volume(s->catalog, snapshot->thin_id, e);

	stage_point("remove");
	r = r ?: catalog_commit(s->catalog, e);
	if (r < 0) {
		catalog_rollback(s->catalog);
		return err_in(e, "snapshot %s", snapshot->id);
	}
	stage_point("discard");
	return volume_snapshot_discard(s, snapshot->thin_id, e);
}

int store_usage(struct store *s, struct store_usage *ret, struct err *e)
{
	struct thin_pool_status status;
	int r = thin_pool_status(s->pool, &status, e);

	if (r < 0)
		return r;
	*ret = (struct store_usage){
		.data_bytes = status.data_total * THIN_BLOCK_BYTES, .data_used = status.data_used * THIN_BLOCK_BYTES,
		.metadata_bytes = status.metadata_total * 4096, .metadata_used = status.metadata_used * 4096,
	};
	return 0;
}
