// SPDX-License-Identifier: GPL-2.0-only
/*
 * Swap volumes of a store, see store.h. In every sequence here the catalog
 * notes a thin id before the pool has it and forgets it after the pool did.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include "base/stage.h"
#include "base/util.h"
#include "store/store_private.h"
#include "store/swap.h"

#define MIB (1UL << 20)
#define GIB (1UL << 30)

char *volume_name(const struct store *s, int64_t thin_id)
{
	return xasprintf("%s%ld", s->prefix, thin_id);
}

/*
 * A page written after a snapshot moves to a fresh slot, so a volume needs
 * room for twice the memory. It is thin, but each slot costs the kernel three
 * bytes from swapon on (swap_map and swap_cgroup, mm/swapfile.c).
 */
static uint64_t default_bytes(const struct store *s)
{
	struct sysinfo info;

	if (s->volume_bytes)
		return s->volume_bytes;
	sysinfo(&info);
	return max(2 * info.totalram * info.mem_unit, GIB);
}

static uint64_t round_bytes(uint64_t bytes)
{
	return (bytes + 2 * MIB - 1) / (2 * MIB) * (2 * MIB);
}

static int activate(struct store *s, struct swap_volume *v, struct err *e)
{
	_cleanup_free_ char *name = volume_name(s, v->thin_id);

	return thin_activate(s->pool, name, (uint32_t)v->thin_id, v->bytes, v->path, sizeof(v->path), v->dev,
			     sizeof(v->dev), e);
}

static int add_row(struct store *s, const struct swap_volume *v, int64_t origin, struct err *e)
{
	const struct volume_row row = {
		.thin_id = v->thin_id, .role = VOLUME_LIVE, .origin = origin, .bytes = (int64_t)v->bytes,
		.created_ns = (int64_t)wall_ns(),
	};

	return catalog_add_volume(s->catalog, &row, e);
}

/* What is written to a volume of a full or failed pool only fails: the pool knows why, or else a disk below does. */
static int blame(struct store *s, struct err *e)
{
	struct err why = ERR_INIT;

	if ((e->code != -EIO && e->code != -ENOSPC) || e->advice[0])
		return e->code;
	if (thin_pool_check(s->pool, &why) < 0)
		return err_advise(e, "%s: %s", why.msg, why.advice);
	return err_advise(e, "a disk of the store may be failing: the kernel log says more");
}

int volume_create(struct store *s, uint64_t bytes, struct swap_volume *ret, struct err *e)
{
	struct swap_volume v = { .bytes = round_bytes(bytes ?: default_bytes(s)) };
	int r = catalog_next_thin_id(s->catalog, &v.thin_id, e);

	if (r < 0)
		return r;
	r = thin_create(s->pool, (uint32_t)v.thin_id, e);
	stage_point("activate");
	r = r ?: activate(s, &v, e) ?: swap_format(v.path, e);
	stage_point("swapon");
	r = r ?: swap_on(v.path, false, e) ?: add_row(s, &v, COLUMN_NULL, e);
	if (r < 0) {
		blame(s, e);
		volume_erase(s, v.thin_id, &ERR_INIT);
		return err_in(e, "new swap volume");
	}
	*ret = v;
	return 0;
}

/* ---- rows -------------------------------------------------------------------- */

struct row_search {
	int64_t thin_id;
	struct volume_row row;
	bool found;
};

static int match_row(const struct volume_row *row, void *arg)
{
	struct row_search *search = arg;

	if (row->thin_id == search->thin_id) {
		search->row = *row;
		search->found = true;
	}
	return 0;
}

static int get_row(struct store *s, int64_t thin_id, enum volume_role role, struct volume_row *ret, struct err *e)
{
	struct row_search search = { .thin_id = thin_id };
	int r = catalog_each_volume(s->catalog, match_row, &search, e);

	if (r < 0)
		return r;
	if (!search.found || search.row.role != role)
		return err_set(e, -ENOENT, "the store has no %s volume %ld", role == VOLUME_LIVE ? "live" : "snapshot's", thin_id);
	*ret = search.row;
	return 0;
}

/* ---- clones ------------------------------------------------------------------- */

struct volume_clone {
	struct store *s;
	struct swap_volume v;
	int64_t origin;
	pthread_t thread;
	bool running;
	int ret;		/* of the thread, */
	struct err err;		/* with the reason */
};

/* What needs no catalog: SQLite stays with its thread. */
static int clone_and_swap_on(struct volume_clone *c, struct err *e)
{
	return thin_clone(c->s->pool, (uint32_t)c->v.thin_id, (uint32_t)c->origin, e) ?: activate(c->s, &c->v, e) ?:
	       swap_on(c->v.path, true, e);
}

static void *clone_main(void *arg)
{
	struct volume_clone *c = arg;

	c->ret = clone_and_swap_on(c, &c->err);
	return NULL;
}

int volume_clone_begin(struct store *s, int64_t snapshot_thin_id, struct volume_clone **ret, struct err *e)
{
	struct volume_clone *c = xcalloc(1, sizeof(*c));
	struct volume_row origin;
	int r = get_row(s, snapshot_thin_id, VOLUME_SNAPSHOT, &origin, e) ?: catalog_next_thin_id(s->catalog, &c->v.thin_id, e);

	if (r < 0) {
		free(c);
		return r;
	}
	c->s = s;
	c->v.bytes = (uint64_t)origin.bytes;
	c->origin = snapshot_thin_id;
	c->running = pthread_create(&c->thread, NULL, clone_main, c) == 0;
	if (!c->running)
		clone_main(c);
	*ret = c;
	return 0;
}

static void wait_for(struct volume_clone *c)
{
	if (c->running)
		pthread_join(c->thread, NULL);
	c->running = false;
}

void volume_clone_abandon(struct volume_clone *c)
{
	if (!c)
		return;
	wait_for(c);
	volume_erase(c->s, c->v.thin_id, &ERR_INIT);
	free(c);
}

int volume_clone_finish(struct volume_clone *c, struct swap_volume *ret, struct err *e)
{
	int r;

	wait_for(c);
	*ret = c->v;
	if (c->ret < 0)
		*e = c->err;
	r = c->ret ?: add_row(c->s, &c->v, c->origin, e);
	if (r < 0) {
		blame(c->s, e);
		err_in(e, "clone of volume %ld", c->origin);
		volume_clone_abandon(c);
	} else {
		free(c);
	}
	return r;
}

int volume_find(struct store *s, int64_t thin_id, struct swap_volume *ret, struct err *e)
{
	_cleanup_free_ char *name = volume_name(s, thin_id);
	struct volume_row row;
	struct swap_volume v = { .thin_id = thin_id };
	int r = get_row(s, thin_id, VOLUME_LIVE, &row, e) ?:
		thin_find(name, v.path, sizeof(v.path), v.dev, sizeof(v.dev), e);

	if (r < 0)
		return r;
	v.bytes = (uint64_t)row.bytes;
	*ret = v;
	return 0;
}

int volume_used(const struct swap_volume *v, uint64_t *ret, struct err *e)
{
	return swap_used(v->path, ret, e);
}

int volume_usage(struct store *s, const struct swap_volume *v, uint64_t *ret_used, uint64_t *ret_mapped, struct err *e)
{
	_cleanup_free_ char *name = volume_name(s, v->thin_id);

	return swap_used(v->path, ret_used, e) ?: thin_mapped(name, ret_mapped, e);
}

/* ---- ends ---------------------------------------------------------------------- */

/* Blocks go back to the data device, as far as it wants to know; deleting works without. */
static void discard_contents(struct store *s, int64_t thin_id)
{
	_cleanup_free_ char *name = volume_name(s, thin_id);
	struct swap_volume v = { .thin_id = thin_id, .bytes = 1UL << 40 };	/* a thin has no size of its own */

	if (activate(s, &v, &ERR_INIT) == 0)
		thin_discard(name, v.path, &ERR_INIT);
}

/* With its row gone already: device and thin id follow, then the note that they had to. */
static int finish_removal(struct store *s, int64_t thin_id, struct err *e)
{
	_cleanup_free_ char *name = volume_name(s, thin_id);

	discard_contents(s, thin_id);
	stage_point("deactivate");
	return thin_deactivate(name, e) ?: thin_delete(s->pool, (uint32_t)thin_id, e) ?:
	       catalog_release_thin_id(s->catalog, thin_id, e);
}

int volume_erase(struct store *s, int64_t thin_id, struct err *e)
{
	_cleanup_free_ char *name = volume_name(s, thin_id);
	char path[128], dev[32];
	int r = 0;

	if (thin_find(name, path, sizeof(path), dev, sizeof(dev), &ERR_INIT) == 0)
		r = swap_off(path, e);
	return r ?: finish_removal(s, thin_id, e);
}

int volume_destroy(struct store *s, int64_t thin_id, struct err *e)
{
	_cleanup_free_ char *name = volume_name(s, thin_id);
	struct volume_row row;
	char path[128], dev[32];
	int r = get_row(s, thin_id, VOLUME_LIVE, &row, e);

	if (r == 0 && thin_find(name, path, sizeof(path), dev, sizeof(dev), &ERR_INIT) == 0)
		r = swap_off(path, e);
	stage_point("forget");
	r = r ?: catalog_remove_volume(s->catalog, thin_id, e);
	stage_point("erase");
	r = r ?: finish_removal(s, thin_id, e);
	return r < 0 ? err_in(e, "swap volume %ld", thin_id) : 0;
}

/* ---- snapshots -------------------------------------------------------------------- */

/*
 * From suspend to resume nobody may wait for the volume, so cpt must not fault
 * or die: everything it has, and will have, is locked, freed memory that the
 * library can take its small buffers from stays in the heap, and signals wait.
 * Locked now, when the container still runs, since locking takes long.
 */
static int lock_memory(struct store *s, struct err *e)
{
	const size_t reserve = 256 * 1024;
	void *p;

	mallopt(M_TRIM_THRESHOLD, 64 * MIB);
	mallopt(M_MMAP_THRESHOLD, MIB);
	p = memset(xmalloc(reserve), 1, reserve);
	free(p);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return err_sys(e, "lock cpt's memory");
	s->memory_locked = true;
	return 0;
}

static void block_signals(struct store *s)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &s->signals);
	s->signals_blocked = true;
}

void volume_snapshot_abandon(struct store *s)
{
	thin_snapshot_free(take_ptr(s->job));
	if (s->memory_locked)
		munlockall();
	s->memory_locked = false;
	if (s->signals_blocked)
		sigprocmask(SIG_SETMASK, &s->signals, NULL);
	s->signals_blocked = false;
}

static int flush(const char *path, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? err_sys(e, "flush %s", path) : 0;
}

int volume_snapshot_prepare(struct store *s, const struct swap_volume *v, int64_t *ret_thin_id, struct err *e)
{
	_cleanup_free_ char *name = volume_name(s, v->thin_id);
	int64_t id;
	int r = thin_pool_check(s->pool, e) ?: catalog_next_thin_id(s->catalog, &id, e);

	if (r < 0)
		return r;
	/* What was written by now is flushed while nobody waits for it. */
	r = flush(v->path, e) ?:
	    thin_snapshot_prepare(&s->job, s->pool, (uint32_t)id, (uint32_t)v->thin_id, name, e) ?: lock_memory(s, e);
	if (r < 0) {
		blame(s, e);
		volume_snapshot_discard(s, id, &ERR_INIT);
		return r;
	}
	*ret_thin_id = id;
	return 0;
}

int volume_snapshot_take(struct store *s, const struct swap_volume *v, int64_t thin_id, struct err *e)
{
	char stack[64 * 1024];
	int r;

	if (!s->job)
		return err_set(e, -EINVAL, "snapshot %ld of volume %ld was not prepared", thin_id, v->thin_id);
	memset(stack, 0, sizeof(stack));	/* the stack of what follows is there, */
	__asm__ volatile("" : : "r"(stack) : "memory");	/* unless the compiler leaves it out */
	block_signals(s);
	r = thin_snapshot_suspend(s->job, e);
	if (r < 0)
		volume_snapshot_abandon(s);
	return r;
}

/* create_snap flushes and commits, see thin.c; if that failed the pool is read-only now. */
int volume_snapshot_commit(struct store *s, const struct swap_volume *v, int64_t thin_id, struct err *e)
{
	int r = s->job ? thin_snapshot_finish(s->job, e) : err_set(e, -EINVAL, "it was not taken");

	volume_snapshot_abandon(s);
	r = r ?: thin_pool_check(s->pool, e);
	return r < 0 ? err_in(e, "snapshot %ld of volume %ld", thin_id, v->thin_id) : 0;
}

int volume_snapshot_discard(struct store *s, int64_t thin_id, struct err *e)
{
	volume_snapshot_abandon(s);
	return finish_removal(s, thin_id, e);
}
