// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes and threads: who is whose parent, in which group, session,
 * namespaces and cgroup, with which ids. process_tree.c makes them anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "state/namespace.h"
#include "state/process.h"
#include "state/process_tree.h"

#define PID_HIGHEST 4194304	/* PID_MAX_LIMIT, include/linux/threads.h */
#define LEVELS_MOST 32		/* MAX_PID_NS_LEVEL, include/linux/pid_namespace.h */

static const struct column process_columns[] = {
	INT_COLUMN(struct process_row, process, 1, PID_HIGHEST),
	INT_COLUMN_OR_NULL(struct process_row, parent, 1, PID_HIGHEST),
	INT_COLUMN(struct process_row, pgrp, 1, PID_HIGHEST),
	INT_COLUMN(struct process_row, session, 1, PID_HIGHEST),
	INT_COLUMN_OR_NULL(struct process_row, pid_ns, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct process_row, ipc_ns, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct process_row, uts_ns, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct process_row, mount_ns, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct process_row, cgroup_ns, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct process_row, time_ns, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct process_row, time_ns_for_children, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct process_row, user_ns, 0, INT32_MAX),
	TEXT_COLUMN(struct process_row, cgroup, 4095),
	TEXT_COLUMN(struct process_row, comm, 15),
	INT_COLUMN(struct process_row, exit_signal, 0, 64),
	INT_COLUMN(struct process_row, child_subreaper, 0, 1),
};
const struct table process_table = TABLE("process", struct process_row, process_columns);

static const struct column thread_columns[] = {
	INT_COLUMN(struct thread_row, thread, 1, PID_HIGHEST),
	INT_COLUMN(struct thread_row, process, 1, PID_HIGHEST),
	TEXT_COLUMN(struct thread_row, comm, 15),
	INT_COLUMN_OR_NULL(struct thread_row, files, 1, PID_HIGHEST),
	INT_COLUMN_OR_NULL(struct thread_row, fs, 1, PID_HIGHEST),
};
const struct table thread_table = TABLE("thread", struct thread_row, thread_columns);

static const struct column pid_columns[] = {
	INT_COLUMN(struct pid_row, thread, 1, PID_HIGHEST),
	INT_COLUMN(struct pid_row, level, 0, LEVELS_MOST),
	INT_COLUMN(struct pid_row, pid, 1, PID_HIGHEST),
};
const struct table pid_table = TABLE("pid", struct pid_row, pid_columns);

/* ---- saving ----------------------------------------------------------- */

/* Counted from behind the name, which may itself hold blanks and brackets. */
int process_stat_field(const char *stat, int number, int64_t *ret)
{
	const char *field = strrchr(stat, ')');
	char *end;

	for (int at = 2; field && at < number; at++) {
		field = strchr(field, ' ');
		field = field ? field + 1 : NULL;
	}
	if (!field)
		return -EBADMSG;
	*ret = strtol(field, &end, 10);
	return end == field ? -EBADMSG : 0;
}

static int stat_read(const struct live_process *p, struct process_row *row, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int r = read_file_at(p->proc_fd, "stat", &text, NULL);

	if (r < 0)
		return err_ret(e, r, "read /proc/%d/stat", p->pid);
	if (process_stat_field(text, 5, &row->pgrp) < 0 || process_stat_field(text, 6, &row->session) < 0 ||
	    process_stat_field(text, 38, &row->exit_signal) < 0)
		return err_set(e, -EBADMSG, "/proc/%d/stat is not as proc(5) says", p->pid);
	return 0;
}

/* "NSpid: 812 12 1": the id at each level from cpt's pid namespace inwards. */
static int thread_save_ids(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	const char *status, *ids;
	char *end;
	int r = save_thread_status(s, p, t, &status, e);

	if (r < 0 || !status)
		return r;
	ids = text_field(status, "NSpid");
	if (!ids)
		return err_set(e, -ENOSYS, "/proc/%d/task/%d/status has no NSpid: the kernel lacks CONFIG_PID_NS", p->pid, t->tid);
	for (int64_t level = 0; ; level++, ids = end) {
		int64_t id = strtol(ids, &end, 10);

		if (end == ids)
			break;
		*(struct pid_row *)image_add(s->img, &pid_table) =
			(struct pid_row){ .thread = t->tid, .level = level, .pid = id };
		if (*end == '\n')
			break;
	}
	return 0;
}

/* With whom a thread can't share what @first is the first to have: leaders do with leaders, others in their process. */
static const struct live_process *shares_outside(struct save *s, const struct live_process *p, pid_t tid, pid_t first,
						 pid_t leaders)
{
	const struct live_process *other = live_of_thread(s->live, first);

	if (!other || first == tid || (tid == p->pid ? first == other->pid : other == p || first == leaders))
		return NULL;
	return other;
}

static void refuse_namespaces(struct save *s, const struct live_process *p, const struct live_thread *t)
{
	static const char *const types[] = { "ns/mnt", "ns/net", "ns/uts", "ns/ipc", "ns/cgroup", "ns/time" };
	struct stat own, leaders;
	char path[48];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		snprintf(path, sizeof(path), "task/%d/%s", t->tid, types[i]);
		if (fstatat(p->proc_fd, path, &own, 0) == 0 && fstatat(p->proc_fd, types[i], &leaders, 0) == 0 &&
		    own.st_ino != leaders.st_ino)
			save_refuse(s, p, "its threads", "have the threads of a process in one namespace",
				    "thread %d is in another %s namespace than its process", t->tid, types[i] + 3);
	}
}

static void thread_check_sharing(struct save *s, const struct live_process *p, const struct live_thread *t)
{
	const struct live_thread *leader = &p->threads[0];
	const struct live_process *files, *fs;

	if (p->zombie || p->mm_owner != p->index)
		return;
	files = shares_outside(s, p, t->tid, t->files, leader->files);
	fs = shares_outside(s, p, t->tid, t->fs, leader->fs);
	if (files)
		save_refuse(s, p, "a descriptor table", "share it by processes, or by threads of one process",
			    "thread %d shares it with thread %d of process %d", t->tid, t->files, files->pid);
	if (fs)
		save_refuse(s, p, "a working directory", "share it by processes, or by threads of one process",
			    "thread %d shares it with thread %d of process %d", t->tid, t->fs, fs->pid);
	if (t->tid != p->pid)
		refuse_namespaces(s, p, t);
}

static int compare_threads(const void *a, const void *b)
{
	const struct thread_row *const *t = a, *const *u = b;

	return ((*t)->thread > (*u)->thread) - ((*t)->thread < (*u)->thread);
}

/* When all threads have rows: can they be made? Asked of them in the order in which a restore will have them. */
static void threads_check_makers(struct save *s, const struct live_process *p)
{
	_cleanup_free_ const struct thread_row **rows = NULL;
	_cleanup_free_ size_t *maker = NULL;
	const struct thread_row *row;
	struct err why = ERR_INIT;
	size_t nr = 0, cap = 0;

	image_for_each(row, s->img, &thread_table) {
		if (row->process != p->pid)
			continue;
		array_grow(rows, nr, cap);
		rows[nr++] = row;
	}
	maker = xcalloc(nr + 1, sizeof(*maker));
	qsort(rows + 1, nr - 1, sizeof(*rows), compare_threads);
	if (thread_plan(rows, nr, maker, &why) < 0)
		save_refuse(s, p, "its threads", why.advice, "%s", why.msg);
}

static int thread_save(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	_cleanup_free_ char *comm = NULL;
	struct thread_row *row;
	char path[48];

	snprintf(path, sizeof(path), "task/%d/comm", t->tid);
	if (read_file_at(p->proc_fd, path, &comm, NULL) < 0)
		comm = xasprintf("%s\n", p->comm);
	comm[strcspn(comm, "\n")] = 0;
	row = image_add(s->img, &thread_table);
	*row = (struct thread_row){
		.thread = t->tid, .process = p->pid, .comm = image_strdup(s->img, comm),
		.files = p->zombie ? COLUMN_NULL : t->files, .fs = p->zombie ? COLUMN_NULL : t->fs,
	};
	thread_check_sharing(s, p, t);
	if (s->frozen && !p->zombie && t == &p->threads[p->nr_threads - 1])
		threads_check_makers(s, p);
	return thread_save_ids(s, p, t, e);
}

static void process_check_memory(struct save *s, struct live_process *p)
{
	if (p->mm_owner == p->index)
		return;
	save_refuse(s, p, "its address space", "take the snapshot when the vfork(2) is over",
		    "it is shared with process %d", s->live->processes[p->mm_owner].pid);
	s->refusals[s->nr_refusals - 1].passing = true;
}

static int subreaper_save(struct live_process *p, struct process_row *row, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	size_t at = batch_data(b, NULL, sizeof(int));
	int r;

	batch_call(b, "prctl: does it adopt orphans?", SYS_prctl, ARG(PR_GET_CHILD_SUBREAPER), ARG_AT(at), ARG(0),
		   ARG(0), ARG(0));
	r = remote_run(p->remote, &p->threads[0].tracee, b, e);
	row->child_subreaper = *(const int *)batch_data_at(b, at) != 0;
	return r;
}

static int process_save(struct save *s, struct live_process *p, struct err *e)
{
	struct process_row row = {
		.process = p->pid, .ipc_ns = COLUMN_NULL, .uts_ns = COLUMN_NULL, .mount_ns = COLUMN_NULL,
		.cgroup_ns = COLUMN_NULL, .time_ns = COLUMN_NULL, .time_ns_for_children = COLUMN_NULL,
	};
	int r;

	r = stat_read(p, &row, e) ?: namespace_of(s, p, "user", &row.user_ns, e) ?:
	    namespace_of(s, p, "pid", &row.pid_ns, e);
	if (r < 0)
		return r;
	row.parent = live_find(s->live, p->ppid) ? p->ppid : COLUMN_NULL;
	row.cgroup = image_strdup(s->img, p->cgroup);
	row.comm = image_strdup(s->img, p->comm);
	process_check_memory(s, p);
	if (!p->zombie) {
		r = namespace_of(s, p, "ipc", &row.ipc_ns, e) ?: namespace_of(s, p, "uts", &row.uts_ns, e) ?:
		    namespace_of(s, p, "mnt", &row.mount_ns, e) ?: namespace_of(s, p, "cgroup", &row.cgroup_ns, e) ?:
		    namespace_of(s, p, "time", &row.time_ns, e) ?:
		    namespace_of(s, p, "time_for_children", &row.time_ns_for_children, e);
		if (r == 0 && s->frozen)
			r = subreaper_save(p, &row, e);
		if (r < 0)
			return r;
	}
	*(struct process_row *)image_add(s->img, &process_table) = row;
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

struct new_process *restore_find(struct restore *r, int64_t process)
{
	for (size_t i = 0; i < r->nr_processes; i++)
		if (r->processes[i].row->process == process)
			return &r->processes[i];
	return NULL;
}

int64_t pid_at(const struct image *img, int64_t thread, int64_t level)
{
	const struct pid_row *row;

	image_for_each(row, img, &pid_table)
		if (row->thread == thread && row->level == level)
			return row->pid;
	return -1;
}

int64_t pid_level(const struct image *img, int64_t thread)
{
	const struct pid_row *row;
	int64_t level = -1;

	image_for_each(row, img, &pid_table)
		if (row->thread == thread)
			level = max(level, row->level);
	return level;
}

bool process_leads_group(const struct image *img, int64_t process)
{
	return image_find(img, &process_table, offsetof(struct process_row, pgrp), process);
}

/* Its own group has other members, but it went to another. */
static bool has_left_group(const struct image *img, const struct process_row *row)
{
	return row->pgrp != row->process && process_leads_group(img, row->process);
}

void process_sort(const struct image *img)
{
	size_t nr, done = 0, before;
	struct process_row *rows = image_rows(img, &process_table, &nr);

	/* What is done is in place; one pass takes a whole line of descent whose ids ascend. */
	do {
		before = done;
		for (size_t i = done; i < nr; i++) {
			struct process_row row = rows[i];
			bool waits = false;

			for (size_t j = done; j < nr && row.parent != COLUMN_NULL; j++)
				waits |= rows[j].process == row.parent;
			if (waits)
				continue;
			memmove(&rows[done + 1], &rows[done], (i - done) * sizeof(*rows));
			rows[done++] = row;
		}
	} while (done > before && done < nr);
}

/*
 * A member joins its group once the leader has made it, which leaders do at
 * birth (process_birth.c); a session leader leads its group by definition.
 */
static int add_join(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct process_row *row = p->row;
	const struct new_process *parent;
	int64_t leader;

	if (row->pgrp == row->process || row->session == row->process)
		return 0;
	leader = pid_at(r->img, row->pgrp, pid_level(r->img, row->process));
	/* A leader further out can't be named in here: the group was inherited, and is again. */
	parent = row->parent == COLUMN_NULL ? NULL : restore_find(r, row->parent);
	if (leader < 0 && parent && parent->row->pgrp == row->pgrp)
		return 0;
	if (leader < 0)
		return err_set(e, -EBADMSG, "process %ld: its group leader %ld has no id at its pid namespace level",
			       row->process, row->pgrp);
	batch_call(b, "setpgid: join the process group", SYS_setpgid, ARG(0), ARG(leader));
	return 0;
}

static int process_restore_group(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	return has_left_group(r->img, p->row) ? 0 : add_join(r, p, b, e);
}

int process_leave_groups(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->nr_processes; i++) {
		struct new_process *p = &r->processes[i];
		_cleanup_batch_ struct batch *b = NULL;
		int ret;

		if (!has_left_group(r->img, p->row))
			continue;
		b = batch_new();
		ret = add_join(r, p, b, e) ?: remote_run(p->remote, &p->threads[0].tracee, b, e);
		if (ret < 0)
			return err_in(e, "process %ld (%s)", p->row->process, p->row->comm);
	}
	return 0;
}

const struct kind process_kind = {
	.name = "process",
	.tables = (const struct table *const[]){ &process_table, &thread_table, &pid_table, NULL },
	.save_process = process_save,
	.save_thread = thread_save,
	.check = process_check_tree,
	.restore_process = process_restore_group,
};
