// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that are stopped by job control (SIGSTOP and the like): table
 * `stopped`. They are saved without letting them run, and are stopped again
 * before they have run. Their parents are not told twice: what they have
 * waited for is waited for again, and the signal that came with the stop is
 * only there if it was pending.
 *
 * The kernel does not tell that a process was continued and that its parent
 * could still wait for that (WCONTINUED).
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "state/process.h"
#include "state/signal.h"
#include "state/task_kinds.h"

struct stopped_row {
	int64_t process;
	int64_t signal;		/* that stopped it; COLUMN_NULL: its parent has waited for the stop, and nobody knows */
};

static const struct column stopped_columns[] = {
	INT_COLUMN(struct stopped_row, process, 1, INT32_MAX),
	INT_COLUMN_OR_NULL(struct stopped_row, signal, 1, 64),
};
static const struct table stopped_table = TABLE("stopped", struct stopped_row, stopped_columns);

static bool stops(int64_t signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

/* ---- saving ----------------------------------------------------------- */

static int stopped_save(struct save *s, struct live_process *p, struct err *e)
{
	_cleanup_free_ char *stat = NULL;
	int64_t signal;
	int r;

	if (!s->frozen || p->zombie || !p->threads[0].tracee.group_stopped)
		return 0;
	r = read_file_at(p->proc_fd, "stat", &stat, NULL);
	if (r < 0)
		return err_ret(e, r, "read /proc/%d/stat", p->pid);
	/* Of a stopped process it is what its parent could wait for (do_task_stat() in fs/proc/array.c). */
	if (process_stat_field(stat, 52, &signal) < 0)
		return err_set(e, -EBADMSG, "/proc/%d/stat is not as proc(5) says", p->pid);
	/* Else it has been continued meanwhile, and this is of cpt's own stop. */
	if (signal == 0 || stops(signal))
		*(struct stopped_row *)image_add(s->img, &stopped_table) = (struct stopped_row){
			p->pid, signal ?: COLUMN_NULL,
		};
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static int stopped_check(struct restore *r, struct err *e)
{
	const struct stopped_row *row;

	image_for_each(row, r->img, &stopped_table) {
		if (!restore_find(r, row->process))
			return err_set(e, -EBADMSG, "table stopped names process %ld, which is not in table process, or "
				       "a zombie", row->process);
		if (row->signal != COLUMN_NULL && !stops(row->signal))
			return err_set(e, -EBADMSG, "table stopped: signal %ld stopped no process", row->signal);
	}
	return 0;
}

static bool is_pending(const struct restore *r, const struct new_process *p, int signal, bool shared)
{
	const struct pending_signal_row *row;

	image_for_each(row, r->img, &pending_signal_table)
		for (size_t i = 0; row->signal == signal && i < p->nr_threads; i++)
			if (row->thread == p->threads[i].row->thread && (row->shared || !shared))
				return true;
	return false;
}

static int stop(struct new_process *p, const struct stopped_row *row, struct err *e)
{
	struct tracee **threads = xcalloc(p->nr_threads, sizeof(*threads));
	int ret;

	for (size_t i = 0; i < p->nr_threads; i++)
		threads[i] = &p->threads[i].tracee;
	ret = tracee_job_stop(threads, p->nr_threads, row->signal == COLUMN_NULL ? SIGSTOP : (int)row->signal, e);
	free(threads);
	return ret;
}

/* As the parent was before. One outside of the container is not there to be told of anything. */
static int settle_parent(struct restore *r, struct new_process *p, const struct stopped_row *row, struct err *e)
{
	struct new_process *parent = p->row->parent == COLUMN_NULL ? NULL : restore_find(r, p->row->parent);
	const uint64_t children = 1ull << (SIGCHLD - 1);
	const struct timespec at_once = { 0, 0 };
	_cleanup_batch_ struct batch *b = NULL;
	int64_t id;

	if (!parent)
		return 0;
	id = pid_at(r->img, p->row->process, pid_level(r->img, parent->row->process));
	b = batch_new();
	if (row->signal == COLUMN_NULL)
		batch_expect(b, batch_call(b, "wait4: for a stop that it was told of before", SYS_wait4, ARG(id), ARG(0),
					   ARG(WUNTRACED | WNOHANG | __WALL), ARG(0)), id);
	if (!is_pending(r, parent, SIGCHLD, true))
		batch_may_fail(b, batch_call(b, "rt_sigtimedwait: forget that a child stopped", SYS_rt_sigtimedwait,
					     ARG_AT(batch_data(b, &children, sizeof(children))), ARG(0),
					     ARG_AT(batch_data(b, &at_once, sizeof(at_once))), ARG(sizeof(children))));
	return remote_run(parent->remote, &parent->threads[0].tracee, b, e);
}

static int stopped_restore(struct restore *r, struct err *e)
{
	const struct stopped_row *row;

	image_for_each(row, r->img, &stopped_table) {
		struct new_process *p = restore_find(r, row->process);
		int ret;

		/* It was continued while it was saved: both signals take each other away (prepare_signal()). */
		if (is_pending(r, p, SIGCONT, false))
			continue;
		ret = stop(p, row, e) ?: settle_parent(r, p, row, e);
		if (ret < 0)
			return err_in(e, "process %ld (%s)", row->process, p->row->comm);
	}
	return 0;
}

const struct kind stopped_kind = {
	.name = "stopped",
	.tables = (const struct table *const[]){ &stopped_table, NULL },
	.save_process = stopped_save,
	.check = stopped_check,
	.finish = stopped_restore,
};
