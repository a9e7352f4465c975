// SPDX-License-Identifier: GPL-2.0-only
/* Restoring a snapshot, stage by stage: see restore.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/stage.h"
#include "engine/pin.h"
#include "engine/restore.h"
#include "host/cgroup.h"
#include "host/cgroup_tree.h"
#include "remote/together.h"
#include "state/cgroup.h"
#include "state/file.h"
#include "state/memory.h"
#include "state/leader.h"
#include "state/process.h"
#include "state/user_namespace.h"
#include "state/zombie.h"

/* ---- load --------------------------------------------------------------- */

static void add_threads(struct restore *r, struct new_process *p)
{
	const struct thread_row *row;
	size_t cap = 0;

	image_for_each(row, r->img, &thread_table) {
		if (row->process != p->row->process)
			continue;
		array_grow(p->threads, p->nr_threads, cap);
		p->threads[p->nr_threads++].row = row;
		if (row->thread == p->row->process && p->nr_threads > 1) {
			memmove(&p->threads[1], &p->threads[0], (p->nr_threads - 1) * sizeof(*p->threads));
			p->threads[0] = (struct new_thread){ .row = row };
		}
	}
}

int restore_plan(struct restore *r, struct err *e)
{
	const struct process_row *row;
	size_t nr;
	int ret;

	process_sort(r->img);
	image_rows(r->img, &process_table, &nr);
	r->processes = xcalloc(nr + 1, sizeof(*r->processes));
	image_for_each(row, r->img, &process_table) {
		struct new_process *p = &r->processes[r->nr_processes];

		if (zombie_of(r->img, row->process))
			continue;
		r->nr_processes++;
		*p = (struct new_process){
			.row = row, .proc_fd = -1, .born_in = COLUMN_NULL, .born_as = COLUMN_NULL,
		};
		add_threads(r, p);
		if (!p->nr_threads || p->threads[0].row->thread != row->process)
			return err_set(e, -EBADMSG, "process %ld has no row for its leader in table thread", row->process);
	}
	if (!r->nr_processes)
		return err_set(e, -EBADMSG, "the snapshot has no row of a living process in table process");
	for (size_t i = 0; kinds[i]; i++) {
		ret = kinds[i]->check ? kinds[i]->check(r, e) : 0;
		if (ret < 0)
			return err_in(e, "%s", kinds[i]->name);
	}
	return 0;
}

/* ---- objects, tree, memory ---------------------------------------------- */

static int make_objects(struct restore *r, struct err *e)
{
	for (size_t i = 0; kinds[i]; i++) {
		int ret = kinds[i]->restore_container ? kinds[i]->restore_container(r, e) : 0;

		if (ret < 0)
			return err_in(e, "%s", kinds[i]->name);
	}
	return files_restore(r, e);
}

static int in_process(struct new_process *p, struct err *e)
{
	return err_in(e, "process %ld (%s)", p->row->process, p->row->comm);
}

static int make_memory_of(void *arg, size_t i, struct err *e)
{
	struct restore *r = arg;
	struct new_process *p = &r->processes[i];
	uint64_t hole;
	int ret = mm_find_hole(r, p, &hole, e) ?: remote_open(&p->remote, &p->threads[0].tracee, hole, e) ?:
		  mm_restore(r, p, e);

	return ret < 0 ? in_process(p, e) : 0;
}

static int make_memory(struct restore *r, struct err *e)
{
	return together(r->nr_processes, make_memory_of, r, e) ?: memory_restore_done(r, e);
}

/* ---- places ------------------------------------------------------------- */

static int make_places_of(struct restore *r, struct new_process *p, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();

	for (size_t i = 0; kinds[i]; i++) {
		int ret = kinds[i]->restore_place ? kinds[i]->restore_place(r, p, b, e) : 0;

		if (ret < 0)
			return err_in(e, "%s", kinds[i]->name);
	}
	return batch_length(b) ? remote_run(p->remote, &p->threads[0].tracee, b, e) : 0;
}

static int make_places(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->nr_processes; i++)
		if (make_places_of(r, &r->processes[i], e) < 0)
			return in_process(&r->processes[i], e);
	return files_restore_late(r, e);
}

/* ---- tasks -------------------------------------------------------------- */

static int make_process(struct restore *r, struct new_process *p, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();

	for (size_t i = 0; kinds[i]; i++) {
		int ret = kinds[i]->restore_process ? kinds[i]->restore_process(r, p, b, e) : 0;

		if (ret < 0)
			return err_in(e, "%s", kinds[i]->name);
	}
	return remote_run(p->remote, &p->threads[0].tracee, b, e) ?: process_restore_threads(r, p, e);
}

/* What a thread does not have from its process. */
static int make_apart(struct restore *r, struct new_process *p, struct new_thread *t, struct err *e)
{
	_cleanup_batch_ struct batch *b = NULL;

	if (t->row->files != t->row->thread && t->row->fs != t->row->thread)
		return 0;
	b = batch_new();
	for (size_t i = 0; kinds[i]; i++) {
		int ret = kinds[i]->restore_apart ? kinds[i]->restore_apart(r, p, t, b, e) : 0;

		if (ret < 0)
			return err_in(e, "%s", kinds[i]->name);
	}
	return remote_run(p->remote, &t->tracee, b, e);
}

static int make_thread(struct restore *r, struct new_process *p, struct new_thread *t, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();

	for (size_t i = 0; kinds[i]; i++) {
		int ret = kinds[i]->restore_thread ? kinds[i]->restore_thread(r, p, t, b, e) : 0;

		if (ret < 0)
			return err_in(e, "%s", kinds[i]->name);
	}
	if (thread_is_last_with_files(r, p, t))
		batch_call(b, "close the pidfd of cpt", SYS_close, ARG(p->cpt_pidfd));
	return remote_run(p->remote, &t->tracee, b, e);
}

static int make_tasks(struct restore *r, struct err *e)
{
	int ret;

	for (size_t i = 0; i < r->nr_processes; i++) {
		struct new_process *p = &r->processes[i];

		ret = make_process(r, p, e);
		for (size_t j = 1; ret == 0 && j < p->nr_threads; j++)
			ret = make_apart(r, p, &p->threads[j], e);
		if (ret < 0)
			return in_process(p, e);
	}
	ret = leaders_leave(r, e);
	for (size_t i = 0; ret == 0 && i < r->nr_processes; i++) {
		struct new_process *p = &r->processes[i];

		for (size_t j = 0; j < p->nr_threads; j++) {
			ret = make_thread(r, p, &p->threads[j], e);
			if (ret < 0)
				return err_in(e, "thread %ld of process %ld (%s)", p->threads[j].row->thread,
					      p->row->process, p->row->comm);
		}
	}
	return ret;
}

/* ---- seal, go ----------------------------------------------------------- */

static int seal_thread(struct restore *r, struct new_process *p, struct new_thread *t, struct err *e)
{
	for (size_t i = 0; kinds[i]; i++) {
		int ret = kinds[i]->seal_thread ? kinds[i]->seal_thread(r, p, t, e) : 0;

		if (ret < 0)
			return err_in(e, "%s of thread %ld (%s)", kinds[i]->name, t->row->thread, t->row->comm);
	}
	return 0;
}

static int seal_process(void *arg, size_t i, struct err *e)
{
	struct restore *r = arg;
	struct new_process *p = &r->processes[i];
	int ret = remote_close(take_ptr(p->remote), &p->threads[0].tracee, e);

	for (size_t j = 0; ret == 0 && j < p->nr_threads; j++)
		ret = seal_thread(r, p, &p->threads[j], e);
	return ret;
}

static int seal(struct restore *r, struct err *e)
{
	int ret = files_connect(r, e);

	for (size_t i = 0; ret == 0 && kinds[i]; i++)
		if (kinds[i]->finish && kinds[i]->finish(r, e) < 0)
			return err_in(e, "%s", kinds[i]->name);
	return ret ?: together(r->nr_processes, seal_process, r, e);
}

/*
 * Until now each task ends when cpt ends. One after the other is freed of that
 * in a frozen cgroup, so that none runs before all do: if cpt is killed on the
 * way, some end, none has run, and the next command ends the others.
 */
static int let_go(struct restore *r, struct err *e)
{
	int ret = cgroup_set(r->cgroup, "cgroup.freeze", "1", e) ?: cgroups_freeze(r, e);

	restore_close_files(r);
	for (size_t i = 0; i < r->nr_processes; i++)
		for (size_t j = 0; ret == 0 && j < r->processes[i].nr_threads; j++)
			ret = tracee_release(&r->processes[i].threads[j].tracee, e);
	return ret;
}

/* ---- undo --------------------------------------------------------------- */

/* Children of ours that are in the cgroup end with it; collect them so that nothing is left. */
static void reap(void)
{
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

static int build(struct restore *r, struct err *e)
{
	int ret = stage("objects", e) ?: make_objects(r, e) ?: stage("tree", e) ?: process_restore_tree(r, e) ?:
		  stage("memory", e) ?: make_memory(r, e) ?: stage("places", e) ?: make_places(r, e) ?:
		  stage("tasks", e) ?: make_tasks(r, e) ?: stage("seal", e) ?: seal(r, e) ?:
		  stage("go", e) ?: let_go(r, e);

	user_namespaces_leave(r);
	for (size_t i = 0; i < r->nr_processes; i++)
		free(take_ptr(r->processes[i].remote));
	return ret;
}

/* In its cgroup, which is there and pinned. */
static int build_in_cgroup(struct restore *r, struct err *e)
{
	int ret;

	r->cgroup_fd = cgroup_open(r->cgroup, e);
	if (r->cgroup_fd < 0)
		return r->cgroup_fd;
	cgroup_read(r->cgroup_fd, "cgroup.subtree_control", &r->keep_controllers);
	r->keep_frozen = cgroup_is_frozen(r->cgroup_fd);
	ret = r->keep_frozen ? write_file_at(r->cgroup_fd, "cgroup.freeze", "0") : 0;
	return ret < 0 ? err_ret(e, ret, "thaw cgroup %s", r->cgroup) : build(r, e);
}

/* After a failure: a cgroup that was there is as it was, but for the cgroups below it. */
static void put_back(struct restore *r)
{
	_cleanup_fd_ int fd = r->cgroup_made ? -1 : cgroup_open(r->cgroup, &ERR_INIT);

	if (fd < 0 || !r->keep_controllers)
		return;
	cgroup_control(fd, r->keep_controllers, &ERR_INIT);
	if (r->keep_frozen)
		write_file_at(fd, "cgroup.freeze", "1");
}

static bool stays_frozen(const struct restore *r)
{
	return r->cgroup_made ? cgroup_find(r->img, "")->frozen : r->keep_frozen;
}

/* Takes @clone. */
static int restore_into(struct store *store, const struct snapshot_row *snapshot, struct volume_clone *clone,
			struct restore *r, struct err *e)
{
	struct swap_volume volume;
	int ret;

	ret = cgroup_check_above(r->cgroup, e) ?: cgroup_check_empty(r->cgroup, e) ?: stage("volume", e);
	if (ret < 0) {
		volume_clone_abandon(clone);
		return ret;
	}
	ret = volume_clone_finish(clone, &volume, e);
	if (ret < 0)
		return ret;
	r->cgroup_made = !cgroup_exists(r->cgroup);
	ret = stage("cgroup", e) ?: pin_begin(store, r->cgroup, &volume, snapshot->id, e);
	if (ret == 0) {
		ret = build_in_cgroup(r, e) ?: stage("complete", e) ?: pin_complete(store, r->cgroup, stays_frozen(r), e);
	}
	if (ret < 0) {
		close_fd(&r->cgroup_fd);
		restore_close_files(r);
		pin_undo(store, r->cgroup);
		reap();
		put_back(r);
		volume_destroy(store, volume.thin_id, &ERR_INIT);	/* if it has not come to a pin */
	}
	return ret;
}

int restore_snapshot(struct store *store, const struct snapshot_row *snapshot, const struct restore_options *options,
		     struct restore_figures *ret_figures, struct err *e)
{
	size_t nr_tables;
	const struct table *const *tables = kind_tables(&nr_tables);
	_cleanup_image_ struct image *img = image_new(tables, nr_tables);
	struct restore r = {
		.img = img, .cgroup = options->cgroup ?: snapshot->cgroup, .cgroup_fd = -1,
		.host_clocks = options->host_clocks, .choices = options->choices, .nr_choices = options->nr_choices,
	};
	struct volume_clone *clone = NULL;
	uint64_t begun = now_ns();
	int ret;

	raise_file_limit();	/* each file is made by cpt; the limits of tasks are their own */
	stage_hear_signals();
	ret = options->dry_run ? 0 : volume_clone_begin(store, snapshot->thin_id, &clone, e);
	ret = ret ?: stage("load", e) ?: catalog_load_image(store_catalog(store), snapshot->id, img, e) ?:
	      restore_plan(&r, e);
	if (options->planned && r.nr_plans)
		options->planned(r.plans, r.nr_plans, false);
	if (ret == 0 && !options->dry_run)
		ret = restore_into(store, snapshot, take_ptr(clone), &r, e);
	volume_clone_abandon(clone);
	if (ret == 0 && options->planned && r.nr_plans)
		options->planned(r.plans, r.nr_plans, true);
	if (ret == 0)
		*ret_figures = (struct restore_figures){
			.total_ns = now_ns() - begun, .tasks = (size_t)snapshot->tasks,
			.threads = (size_t)snapshot->threads, .runs = (size_t)snapshot->runs,
		};
	if (ret == 0 && options->prefetch && !options->dry_run) {
		begun = now_ns();
		memory_prefetch(&r, &ret_figures->prefetch_err);
		ret_figures->prefetch_ns = now_ns() - begun;
	}
	if (ret == -EINTR)
		err_advise(e, "nothing is left of it");
	close_fd(&r.cgroup_fd);
	restore_clear(&r);
	return ret;
}
