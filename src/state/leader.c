// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions and process groups whose leader has ended and been waited for:
 * table `leader`. Nothing is left of a leader but its ids, which sessions and
 * groups go by. A stand-in with the same ids makes the session or group, and
 * ends when everybody is in it (process_plan.h, process_birth.c).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "state/leader.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/process_plan.h"

#define END_NS 20000000000u	/* patience with a loaded machine */

static const struct column leader_columns[] = {
	INT_COLUMN(struct leader_row, leader, 1, INT32_MAX),
	INT_COLUMN(struct leader_row, session, 1, INT32_MAX),
	INT_COLUMN_OR_NULL(struct leader_row, pid_ns, 0, INT32_MAX),
};
const struct table leader_table = TABLE("leader", struct leader_row, leader_columns);

const struct leader_row *leader_of(const struct image *img, int64_t leader)
{
	return image_find(img, &leader_table, offsetof(struct leader_row, leader), leader);
}

/* ---- saving ----------------------------------------------------------- */

/* The pid namespace at @level, which is @pid_ns or one outside of it. */
static int64_t namespace_at(const struct image *img, int64_t pid_ns, int64_t level)
{
	const struct namespace_row *row;

	while (pid_ns != COLUMN_NULL) {
		row = image_find(img, &namespace_table, offsetof(struct namespace_row, namespace), pid_ns);
		if (!row || row->level <= level)
			break;
		pid_ns = row->parent;
	}
	return pid_ns;
}

/* "NSpgid: 812 12 0": its ids from cpt's pid namespace inwards, as far as the member's; 0: it has none there. */
static int64_t save_ids(struct save *s, int64_t leader, const char *ids)
{
	int64_t deepest = 0;
	char *end;

	for (int64_t level = 0; ids && *ids != '\n'; level++, ids = end) {
		int64_t id = strtol(ids, &end, 10);

		if (end == ids)
			break;
		if (id <= 0)
			continue;
		*(struct pid_row *)image_add(s->img, &pid_table) =
			(struct pid_row){ .thread = leader, .level = level, .pid = id };
		deepest = level;
	}
	return deepest;
}

static void save_leader(struct save *s, struct live_process *p, const struct process_row *row, int64_t leader,
			const char *what, const char *field)
{
	_cleanup_free_ char *cgroup = NULL;
	char path[32];
	int64_t level;

	if (live_find(s->live, (pid_t)leader) || leader_of(s->img, leader))
		return;
	snprintf(path, sizeof(path), "/proc/%ld", leader);
	cgroup = live_cgroup_of(s->live, (pid_t)leader);
	if (cgroup && !s->frozen)
		return;		/* younger than the list of processes */
	if (!leader || access(path, F_OK) == 0) {
		_cleanup_free_ char *object = xasprintf("its %s", what);

		save_refuse(s, p, object, "start it with `cpt run` or setsid(1)",
			    "the %s's leader, process %ld, is outside the container", what, leader);
		return;
	}
	level = save_ids(s, leader, text_field(p->status, field));
	*(struct leader_row *)image_add(s->img, &leader_table) = (struct leader_row){
		.leader = leader, .session = row->session, .pid_ns = namespace_at(s->img, row->pid_ns, level),
	};
}

/* After process.c saved all processes. */
static int leader_save(struct save *s, struct err *e)
{
	struct process_plan plan;
	struct err why = ERR_INIT;

	(void)e;
	for (size_t i = 0; i < s->live->nr_processes; i++) {
		struct live_process *p = &s->live->processes[i];
		const struct process_row *row = image_find(s->img, &process_table,
							   offsetof(struct process_row, process), p->pid);

		if (!row)
			continue;
		save_leader(s, p, row, row->session, "session", "NSsid");
		save_leader(s, p, row, row->pgrp, "process group", "NSpgid");
	}
	/* While it runs, the tree is not of one moment. */
	if (!s->frozen || s->nr_refusals)
		return 0;
	if (process_plan_make(s->img, &plan, &why) < 0)
		save_refuse(s, NULL, "its processes", *why.advice ? why.advice : "end the processes in that session",
			    "%s", why.msg);
	else
		process_plan_clear(&plan);
	return 0;
}

/* ---- check ------------------------------------------------------------ */

static int leader_check(struct restore *r, struct err *e)
{
	const struct leader_row *row, *session;

	image_for_each(row, r->img, &leader_table) {
		session = leader_of(r->img, row->session);
		if (image_find(r->img, &process_table, offsetof(struct process_row, process), row->leader) ||
		    pid_level(r->img, row->leader) < 0 || (session && session->session != session->leader) ||
		    (!session && !image_find(r->img, &process_table, offsetof(struct process_row, process),
					     row->session)))
			return err_set(e, -EBADMSG, "table leader: leader %ld of session %ld makes no sense",
				       row->leader, row->session);
	}
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static int wait_ended(pid_t pid, struct err *e)
{
	uint64_t begun = now_ns();
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (now_ns() - begun < END_NS) {
		_cleanup_free_ char *stat = NULL;
		const char *state;

		if (read_file_at(-1, path, &stat, NULL) < 0)
			break;
		state = strrchr(stat, ')');
		if (state && state[1] && state[2] == 'Z')
			return 0;
		usleep(200);
	}
	return err_set(e, -ETIMEDOUT, "the stand-in %d for a session's or group's leader does not end", pid);
}

/* By whoever has forked it, or adopted it: which cpt is to processes whose parent is outside. */
static int wait_for(struct restore *r, const struct leader_row *row, const struct process_row *stand_in, pid_t pid,
		    struct err *e)
{
	struct new_process *p = stand_in->parent == COLUMN_NULL ? NULL : restore_find(r, stand_in->parent);
	const uint64_t children = 1ull << (SIGCHLD - 1);
	const struct timespec at_once = { 0, 0 };
	_cleanup_batch_ struct batch *b = NULL;
	int64_t id;

	if (!p && waitpid(pid, NULL, __WALL) != pid)
		return err_sys(e, "wait for the stand-in %d", pid);
	if (!p)
		return 0;
	id = pid_at(r->img, row->leader, pid_level(r->img, p->row->process));
	b = batch_new();
	/* Zombies that it adopted have told it of their end, once more. */
	batch_may_fail(b, batch_call(b, "rt_sigtimedwait: forget that children ended", SYS_rt_sigtimedwait,
				     ARG_AT(batch_data(b, &children, sizeof(children))), ARG(0),
				     ARG_AT(batch_data(b, &at_once, sizeof(at_once))), ARG(sizeof(children))));
	batch_expect(b, batch_call(b, "wait4: for the stand-in of a leader", SYS_wait4, ARG(id), ARG(0), ARG(__WALL),
				   ARG(0)), id);
	if (!p->row->child_subreaper)
		batch_call(b, "prctl: adopt no more", SYS_prctl, ARG(PR_SET_CHILD_SUBREAPER), ARG(0), ARG(0), ARG(0),
			   ARG(0));
	return remote_run(p->remote, &p->threads[0].tracee, b, e);
}

int leaders_leave(struct restore *r, struct err *e)
{
	const struct leader_row *row;
	struct process_plan plan;
	int ret = process_plan_make(r->img, &plan, e);

	if (ret < 0)
		return ret;
	restore_close_keyed(r, "leader");	/* what they wait for */
	image_for_each(row, r->img, &leader_table)
		ret = ret ?: wait_ended(r->stand_ins[_i], e);
	image_for_each(row, r->img, &leader_table)
		ret = ret ?: wait_for(r, row, &plan.stand_ins[_i], r->stand_ins[_i], e);
	process_plan_clear(&plan);
	return ret ?: process_leave_groups(r, e);
}

const struct kind leader_kind = {
	.name = "leader",
	.tables = (const struct table *const[]){ &leader_table, NULL },
	.save_container = leader_save,
	.check = leader_check,
};
