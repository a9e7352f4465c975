// SPDX-License-Identifier: GPL-2.0-only
/* Taking a snapshot, stage by stage: see snapshot.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include "base/stage.h"
#include "engine/pin.h"
#include "engine/snapshot.h"
#include "host/cgroup.h"
#include "remote/together.h"
#include "state/file.h"
#include "state/memory.h"
#include "state/mount.h"

/* What the stages hand on. */
struct job {
	struct store *store;
	const char *cgroup;
	int cgroup_fd;
	const struct snapshot_options *options;
	struct pin_row pin;
	struct swap_volume volume;
	struct live live;
	struct save save;
	struct sync_figures written;	/* by all syncs of this snapshot */
	int64_t thin_id;
	uint64_t begun_ns, frozen_ns;
};

/* ---- survey, collect --------------------------------------------------- */

static int save_threads(struct save *s, const struct kind *k, struct live_process *p, struct err *e)
{
	for (size_t i = 0; k->save_thread && i < p->nr_threads; i++) {
		int r = save_forgive(s, k->save_thread(s, p, &p->threads[i], e), e);

		if (r < 0)
			return err_in(e, "%s of task %d (%s)", k->name, p->threads[i].tid, p->comm);
	}
	return 0;
}

static int save_kind(struct save *s, const struct kind *k, struct err *e)
{
	int r = k->save_container ? save_forgive(s, k->save_container(s, e), e) : 0;

	if (r < 0)
		return err_in(e, "%s", k->name);
	for (size_t i = 0; i < s->live->nr_processes; i++) {
		struct live_process *p = &s->live->processes[i];

		r = k->save_process ? save_forgive(s, k->save_process(s, p, e), e) : 0;
		if (r < 0)
			return err_in(e, "%s of task %d (%s)", k->name, p->pid, p->comm);
		r = save_threads(s, k, p, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int save_all(struct save *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && kinds[i]; i++)
		r = save_kind(s, kinds[i], e);
	return r ?: files_save(s, e);
}

static int refuse_if_any(struct job *j, struct err *e)
{
	if (!j->save.nr_refusals)
		return 0;
	if (j->options->refused)
		j->options->refused(j->save.refusals, j->save.nr_refusals);
	err_set(e, -EOPNOTSUPP, "%s can't be snapshotted: %zu thing%s that cpt can't save (nothing was changed)",
		j->cgroup, j->save.nr_refusals, j->save.nr_refusals == 1 ? "" : "s");
	return err_advise(e, "each is listed with what to do");
}

static void save_begin(struct job *j, bool frozen)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);

	j->save = (struct save){
		.live = &j->live, .frozen = frozen, .img = image_new(tables, nr), .written = &j->written,
		.outside = j->options->outside, .nr_outside = j->options->nr_outside,
	};
}

static bool has_process(const struct live *l, pid_t pid)
{
	for (size_t i = 0; i < l->nr_processes; i++)
		if (l->processes[i].pid == pid)
			return true;
	return false;
}

/* What a running container does for a moment only (a vfork(2), when a shell starts a command) is waited for. */
#define MOMENT_NS 2000000000u
#define MOMENT_NAP_US 5000

static bool all_passing(const struct save *s)
{
	for (size_t i = 0; i < s->nr_refusals; i++)
		if (!s->refusals[i].passing)
			return false;
	return s->nr_refusals > 0;
}

/* 1: it is to be done again, for what is in the way is passing. */
static int survey_once(struct job *j, bool last, struct err *e)
{
	int r = live_read(&j->live, j->cgroup, j->cgroup_fd, false, e);

	if (r < 0)
		return r;
	if (has_process(&j->live, getpid())) {
		r = err_set(e, -EBUSY, "cpt itself is in the cgroup %s, and can't stop itself", j->cgroup);
		err_advise(e, "run it from another one: `echo $$ >/sys/fs/cgroup/cgroup.procs` moves a shell to the root");
	} else if (j->live.nr_processes == 0) {
		r = err_set(e, -ESRCH, "the cgroup %s has no task", j->cgroup);
		err_advise(e, "`cat /sys/fs/cgroup%s/cgroup.procs` lists its processes", j->cgroup);
	} else {
		save_begin(j, false);
		r = save_all(&j->save, e);
		if (r == 0)
			r = all_passing(&j->save) && !last ? 1 : refuse_if_any(j, e);
		save_clear(&j->save);
	}
	live_release(&j->live, &ERR_INIT);
	return r;
}

static int survey(struct job *j, struct err *e)
{
	uint64_t until = now_ns() + MOMENT_NS;
	int r;

	while ((r = survey_once(j, now_ns() > until, e)) == 1)
		usleep(MOMENT_NAP_US);
	return r;
}

/* ---- pin, presync ------------------------------------------------------ */

static int find_volume(struct job *j, struct err *e)
{
	int r = catalog_get_pin(store_catalog(j->store), j->cgroup, &j->pin, e);

	if (r == -ENOENT)
		r = pin_cgroup(j->store, j->cgroup, j->options->volume_bytes, e) ?:
		    catalog_get_pin(store_catalog(j->store), j->cgroup, &j->pin, e);
	return r ?: volume_find(j->store, j->pin.thin_id, &j->volume, e);
}

/* What the frozen sync may be left with: writing these takes it a few milliseconds. */
#define FEW_PAGES 1024

/* The container runs; what it dirties meanwhile is left to the frozen sync. Twice if the first took long. */
static int presync(struct job *j, struct err *e)
{
	for (int round = 0; round < 2 && (round == 0 || j->written.written > FEW_PAGES); round++) {
		int r = live_read(&j->live, j->cgroup, j->cgroup_fd, false, e);

		if (r < 0)
			return r;
		r = memory_sync(&j->live, &j->written, e) ?: mounts_presync(&j->live, &j->written, e);
		live_release(&j->live, &ERR_INIT);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- stop .. take ------------------------------------------------------ */

static int open_foothold(void *arg, size_t i, struct err *e)
{
	struct live_process *p = &((struct live *)arg)->processes[i];
	int r = p->zombie ? 0 : remote_open(&p->remote, &p->threads[0].tracee, 0, e);

	return r < 0 ? err_in(e, "task %d (%s)", p->pid, p->comm) : 0;
}

static int save_frozen(struct job *j, struct err *e)
{
	int r;

	save_begin(j, true);
	/* Memory before footholds: what runs in a thread may touch its memory (rseq); after all memfds are known. */
	r = stage("sync", e) ?: files_look(&j->save, e) ?: memory_sync(&j->live, &j->written, e) ?:
	    stage("collect", e) ?: memory_save(&j->save, e) ?: together(j->live.nr_processes, open_foothold, &j->live, e) ?: stage("look", e) ?:
	    save_ask_all(&j->save, e) ?: save_all(&j->save, e) ?: refuse_if_any(j, e) ?: stage("take", e);
	if (r < 0)
		return r;
	return volume_snapshot_take(j->store, &j->volume, j->thin_id, e);
}

/* ---- commit ------------------------------------------------------------ */

static char *new_id(void)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = wall_ns();
	return xasprintf("%012jx", (uintmax_t)(random & 0xffffffffffff));
}

static void describe(struct job *j, struct snapshot_row *s)
{
	struct utsname here;

	uname(&here);
	*s = (struct snapshot_row){
		.id = new_id(), .parent = j->pin.parent_snapshot ? xstrdup(j->pin.parent_snapshot) : NULL,
		.cgroup = xstrdup(j->cgroup), .thin_id = j->thin_id, .created_ns = (int64_t)wall_ns(),
		.hostname = xstrdup(here.nodename), .kernel = xstrdup(here.release),
		.tasks = (int64_t)j->live.nr_processes, .pages_written = (int64_t)j->written.written,
		.frozen_ns = (int64_t)j->frozen_ns, .total_ns = (int64_t)(now_ns() - j->begun_ns),
	};
	for (size_t i = 0; i < j->live.nr_processes; i++)
		s->threads += (int64_t)j->live.processes[i].nr_threads;
	memory_count(j->save.img, &s->pages, &s->runs);
}

static int commit(struct job *j, struct snapshot_row *s, struct err *e)
{
	struct catalog *c = store_catalog(j->store);
	struct volume_row volume = {
		.thin_id = j->thin_id, .role = VOLUME_SNAPSHOT, .origin = j->pin.thin_id,
		.bytes = (int64_t)j->volume.bytes, .created_ns = s->created_ns,
	};
	char *parent = j->pin.parent_snapshot;
	int r;

	r = volume_snapshot_commit(j->store, &j->volume, j->thin_id, e) ?: catalog_begin(c, e);
	if (r < 0)
		return r;
	j->pin.parent_snapshot = s->id;
	r = catalog_add_volume(c, &volume, e) ?: catalog_add_snapshot(c, s, j->save.img, e) ?:
	    catalog_set_pin(c, &j->pin, e) ?: catalog_commit(c, e);
	j->pin.parent_snapshot = parent;
	if (r < 0)
		catalog_rollback(c);
	return r;
}

/* ---- all --------------------------------------------------------------- */

static int freeze_and_commit(struct job *j, struct snapshot_row *ret, struct err *e)
{
	struct snapshot_row row = { 0 };
	uint64_t stopped;
	int r;

	r = stage("prepare", e) ?: volume_snapshot_prepare(j->store, &j->volume, &j->thin_id, e);
	if (r < 0)
		return r;
	stopped = now_ns();
	r = stage("stop", e) ?: live_read(&j->live, j->cgroup, j->cgroup_fd, true, e) ?: save_frozen(j, e);
	j->frozen_ns = now_ns() - stopped;
	if (r == 0)
		r = stage("release", e);
	if (r == 0)
		describe(j, &row);
	if (r < 0 || !j->options->kill)
		live_release(&j->live, r < 0 ? &ERR_INIT : e);
	j->frozen_ns = now_ns() - stopped;
	row.frozen_ns = (int64_t)j->frozen_ns;
	if (r == 0)
		r = stage("commit", e) ?: commit(j, &row, e);
	if (r == 0 && j->options->kill) {
		stage_hear_no_signals();	/* it exists */
		stage("kill", &ERR_INIT);
		r = cgroup_kill(j->cgroup, e);
	}
	live_release(&j->live, &ERR_INIT);
	/* Cgroups below it are part of the container, too. */
	if (r == 0 && j->options->kill)
		cgroup_remove_children(j->cgroup, &ERR_INIT);
	if (r < 0 && !row.catalog_bytes)
		volume_snapshot_discard(j->store, j->thin_id, &ERR_INIT);
	if (r < 0)
		snapshot_row_clear(&row);
	else
		*ret = row;
	return r;
}

int snapshot_take(struct store *store, const char *cgroup, const struct snapshot_options *options,
		  struct snapshot_row *ret, struct err *e)
{
	struct job j = {
		.store = store, .cgroup = cgroup, .options = options, .cgroup_fd = -1, .begun_ns = now_ns(),
	};
	int r;

	raise_file_limit();	/* cpt has each file of the container open as well */
	j.cgroup_fd = cgroup_open(cgroup, e);
	if (j.cgroup_fd < 0)
		return j.cgroup_fd;
	stage_hear_signals();
	r = stage("survey", e) ?: cgroup_check_above(cgroup, e) ?: survey(&j, e) ?: stage("pin", e) ?:
	    find_volume(&j, e) ?: stage("presync", e) ?: presync(&j, e) ?: freeze_and_commit(&j, ret, e);
	if (r == -EINTR)
		err_advise(e, "the container runs on as it was, and nothing is left of the snapshot");
	save_clear(&j.save);
	pin_row_clear(&j.pin);
	close_fd(&j.cgroup_fd);
	return r;
}
