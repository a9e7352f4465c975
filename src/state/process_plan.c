// SPDX-License-Identifier: GPL-2.0-only
/* Who has to fork whom, see process_plan.h. Rows of parents come before those of their children. */
#include <errno.h>
#include <sched.h>
#include "state/namespace.h"
#include "state/process_plan.h"
#include "state/user_namespace.h"
#include "state/zombie.h"

static const struct process_row *rows_of(const struct process_plan *plan)
{
	size_t nr;

	return image_rows(plan->img, &process_table, &nr);
}

static const struct process_row *row_of(const struct process_plan *plan, int64_t process)
{
	return process == COLUMN_NULL ? NULL :
	       image_find(plan->img, &process_table, offsetof(struct process_row, process), process);
}

static size_t index_of(const struct process_plan *plan, const struct process_row *row)
{
	return (size_t)(row - rows_of(plan));
}

static bool leads_session(const struct process_row *row)
{
	return row->session == row->process;
}

/* Does it get the orphans of its descendants? */
static bool gets_orphans(const struct process_plan *plan, const struct process_row *row)
{
	return row->child_subreaper || pid_at(plan->img, row->process, pid_level(plan->img, row->process)) == 1;
}

static int unmakeable(const struct process_row *row, struct err *e)
{
	err_set(e, -EOPNOTSUPP, "process %ld (%s): it is in session %ld, which its parent %ld has never been in",
		row->process, row->comm, row->session, row->parent == COLUMN_NULL ? 0 : row->parent);
	return err_advise(e, "start the container with `cpt run`, or its first process with setsid(1)");
}

/*
 * From the youngest to the oldest: who is in a session that its parent leads
 * not was born before the parent led its own, so the parent was born in that
 * session; or it was born elsewhere, and came to its parent as an orphan.
 */
static int find_sessions(struct process_plan *plan, struct err *e)
{
	const struct process_row *rows = rows_of(plan);

	for (size_t i = 0; i < plan->nr; i++)
		plan->born_in[i] = leads_session(&rows[i]) ? COLUMN_NULL : rows[i].session;
	for (size_t i = plan->nr; i-- > 0; ) {
		const struct process_row *parent = row_of(plan, rows[i].parent);
		int64_t session = plan->born_in[i], *of_parent;

		if (!parent || session == COLUMN_NULL || !leads_session(parent) || session == parent->process ||
		    ((leader_of(plan->img, session) || zombie_of(plan->img, session)) && gets_orphans(plan, parent)))
			continue;
		of_parent = &plan->born_in[index_of(plan, parent)];
		if (*of_parent != COLUMN_NULL && *of_parent != session)
			return unmakeable(&rows[i], e);
		*of_parent = session;
	}
	return 0;
}

/* Have the leader's stand-in made by @parent; NULL: by cpt. */
static int place_leader(struct process_plan *plan, const struct leader_row *leader, const struct process_row *parent,
			struct err *e)
{
	size_t nr;
	const struct leader_row *rows = image_rows(plan->img, &leader_table, &nr);
	struct process_row *row = &plan->stand_ins[leader - rows];
	const struct process_row none = {
		.process = COLUMN_NULL, .pid_ns = COLUMN_NULL, .ipc_ns = COLUMN_NULL, .uts_ns = COLUMN_NULL,
		.mount_ns = COLUMN_NULL, .cgroup_ns = COLUMN_NULL, .time_ns = COLUMN_NULL,
		.time_ns_for_children = COLUMN_NULL, .user_ns = COLUMN_NULL, .cgroup = rows_of(plan)->cgroup,
	};

	parent = parent ?: &none;
	if (row->process && row->parent == parent->process)
		return 0;
	if (row->process || leader->pid_ns != parent->pid_ns)
		return err_set(e, -EOPNOTSUPP, "what session or group leader %ld has left behind has several parents, or "
			       "one in another pid namespace", leader->leader);
	*row = *parent;
	row->process = row->pgrp = leader->leader;
	row->session = leader->session;
	row->parent = parent->process;
	row->comm = (char *)"a former leader";
	row->exit_signal = 0;
	row->child_subreaper = 0;
	return 0;
}

static int find_maker(struct process_plan *plan, const struct process_row *row, struct err *e)
{
	const struct process_row *parent = row_of(plan, row->parent);
	int64_t session = plan->born_in[index_of(plan, row)], *maker = &plan->maker[index_of(plan, row)];
	const struct leader_row *leader;

	*maker = row->parent;
	if (zombie_of(plan->img, row->process) && row->pgrp != row->process &&
	    process_leads_group(plan->img, row->process))
		return err_set(e, -EOPNOTSUPP, "process %ld (%s) has ended in another group than the one it has led, "
			       "which has members", row->process, row->comm);
	if (session == COLUMN_NULL)
		return 0;
	if (parent && (parent->session == session ||
		       (leads_session(parent) && plan->born_in[index_of(plan, parent)] == session)))
		return 0;
	*maker = session;
	if (zombie_of(plan->img, session))
		return 0;	/* see check_adoption() */
	leader = leader_of(plan->img, session);
	if (!leader || leader->session != session || (parent && zombie_of(plan->img, parent->process)))
		return unmakeable(row, e);
	return place_leader(plan, leader, parent, e);
}

/* The process that forks @row, or has it forked by a stand-in. */
static const struct process_row *maker_of(const struct process_plan *plan, const struct process_row *row)
{
	int64_t maker = process_plan_maker(plan, row);

	return row_of(plan, leader_of(plan->img, maker) ? row->parent : maker);
}

/* Does the line of those who fork begin with cpt, not with @row itself? */
static int check_line(const struct process_plan *plan, const struct process_row *row, struct err *e)
{
	const struct process_row *maker = row;

	for (size_t i = 0; maker && i <= plan->nr; i++)
		maker = maker_of(plan, maker);
	return maker ? unmakeable(row, e) : 0;
}

/* What a zombie leaves behind goes to the next of its ancestors that takes orphans. */
static int check_adoption(const struct process_plan *plan, const struct process_row *row, struct err *e)
{
	const struct process_row *reaper = maker_of(plan, row);

	if (!reaper || !zombie_of(plan->img, reaper->process))
		return 0;
	do
		reaper = maker_of(plan, reaper);
	while (reaper && !gets_orphans(plan, reaper) && !process_plan_adopts(plan, reaper->process));
	return row->parent == (reaper ? reaper->process : COLUMN_NULL) ? 0 : unmakeable(row, e);
}

uint64_t process_plan_shared(const struct process_plan *plan, const struct process_row *row)
{
	int64_t maker = process_plan_maker(plan, row);
	const struct thread_row *t = thread_row_of(plan->img, row->process);
	const struct thread_row *m = maker == COLUMN_NULL ? NULL : thread_row_of(plan->img, maker);

	if (!t || !m)
		return 0;
	return (t->files != COLUMN_NULL && t->files == m->files ? CLONE_FILES : 0) |
	       (t->fs != COLUMN_NULL && t->fs == m->fs ? CLONE_FS : 0);
}

/*
 * One descriptor table has one pidfd, of cpt or of who keeps a user namespace (user_namespace_pidfd()), so all who
 * have the table are in one. Those who have their directories together are so in a running container.
 */
static int check_user_sharing(const struct process_plan *plan, const struct process_row *row, uint64_t shared,
			      struct err *e)
{
	const struct process_row *maker = row_of(plan, process_plan_maker(plan, row));
	int64_t born_in = process_plan_user_ns(plan, row);

	if (!shared)
		return 0;
	if (born_in != process_plan_user_ns(plan, maker) || row->user_ns != maker->user_ns) {
		err_set(e, -EOPNOTSUPP, "process %ld (%s) shares its %s with process %ld, which is in another user "
			"namespace", row->process, row->comm, shared & CLONE_FILES ? "descriptor table" :
			"working directory", maker->process);
		return err_advise(e, "use clone without CLONE_FILES and CLONE_FS where a user namespace begins");
	}
	/* userns_install() in kernel/user_namespace.c: who shares it can't enter one. */
	if (!(shared & CLONE_FS) || row->user_ns == born_in)
		return 0;
	err_set(e, -EOPNOTSUPP, "process %ld (%s) shares its working directory with process %ld, and their user "
		"namespace is not the one that owns their pid namespace", row->process, row->comm, maker->process);
	return err_advise(e, "make the pid namespace in that user namespace, or use clone without CLONE_FS");
}

/* What several processes have was made by the first of them, and each other was forked by one that had it. */
static int check_sharing(const struct process_plan *plan, const struct process_row *row, struct err *e)
{
	const struct thread_row *t = thread_row_of(plan->img, row->process);
	uint64_t shared = process_plan_shared(plan, row);
	bool files, fs;

	if (!t || zombie_of(plan->img, row->process))
		return 0;
	files = t->files == t->thread || (shared & CLONE_FILES);
	fs = t->fs == t->thread || (shared & CLONE_FS);
	/* mntns_install() in fs/namespace.c: who shares it can't enter another mount namespace. */
	if ((shared & CLONE_FS) && row->mount_ns != row_of(plan, process_plan_maker(plan, row))->mount_ns)
		return err_set(e, -EBADMSG, "process %ld shares its working directory with a process in another mount "
			       "namespace", row->process);
	if (files && fs)
		return check_user_sharing(plan, row, shared, e);
	err_set(e, -EOPNOTSUPP, "process %ld (%s): it shares its %s with process %ld, from which it does not come",
		row->process, row->comm, files ? "working directory" : "descriptor table", files ? t->fs : t->files);
	return err_advise(e, "have it forked by the process that it shares that with (CLONE_FILES, CLONE_FS)");
}

/* A group's former leader can be a child of anybody in its session. */
static int place_group_leader(struct process_plan *plan, const struct leader_row *leader, struct err *e)
{
	const struct process_row *row;

	image_for_each(row, plan->img, &process_table)
		if (row->session == leader->session && row->pid_ns == leader->pid_ns &&
		    !zombie_of(plan->img, row->process))
			return place_leader(plan, leader, row, e);
	return err_set(e, -EOPNOTSUPP, "nobody in session %ld is left to make process group %ld", leader->session,
		       leader->leader);
}

/*
 * Ids are the kernel's to choose but for who has power over the pid namespace, and so are a thread's, who is made when
 * its process is in its own user namespace.
 */
static int check_power(const struct process_plan *plan, const struct process_row *row, struct err *e)
{
	int64_t born_in = process_plan_user_ns(plan, row);
	const struct thread_row *thread;
	bool threads = false;

	image_for_each(thread, plan->img, &thread_table)
		threads |= thread->process == row->process && thread->thread != row->process;
	if (!user_namespace_within(plan->img, row->user_ns, born_in))
		return err_set(e, -EOPNOTSUPP, "process %ld (%s): its user namespace is outside the one that owns its pid "
			       "namespace", row->process, row->comm);
	if (user_namespace_rules(plan->img, threads ? row->user_ns : born_in, row->pid_ns))
		return 0;
	err_set(e, -EOPNOTSUPP, "process %ld (%s)%s: its user namespace has no power over a pid namespace around it, "
		"in which it has an id", row->process, row->comm, threads ? " has threads" : "");
	return err_advise(e, "make its user namespace first, and all pid namespaces in there");
}

int process_plan_make(const struct image *img, struct process_plan *ret, struct err *e)
{
	struct process_plan plan = { .img = img };
	const struct process_row *row;
	const struct leader_row *leader;
	int r;

	image_rows(img, &process_table, &plan.nr);
	image_rows(img, &leader_table, &plan.nr_leaders);
	plan.born_in = xcalloc(plan.nr + 1, sizeof(*plan.born_in));
	plan.maker = xcalloc(plan.nr + 1, sizeof(*plan.maker));
	plan.stand_ins = xcalloc(plan.nr_leaders + 1, sizeof(*plan.stand_ins));
	r = find_sessions(&plan, e);
	image_for_each(row, img, &process_table)
		r = r ?: find_maker(&plan, row, e);
	image_for_each(leader, img, &leader_table) {
		if (r == 0 && leader->session != leader->leader)
			r = place_group_leader(&plan, leader, e);
		if (r == 0 && !plan.stand_ins[_i].process)
			r = err_set(e, -EBADMSG, "table leader: nobody is in session %ld", leader->leader);
	}
	image_for_each(row, img, &process_table)
		r = r ?: check_line(&plan, row, e);
	image_for_each(row, img, &process_table)
		r = r ?: check_adoption(&plan, row, e) ?: check_power(&plan, row, e) ?: check_sharing(&plan, row, e);
	if (r < 0)
		process_plan_clear(&plan);
	else
		*ret = plan;
	return r;
}

void process_plan_clear(struct process_plan *plan)
{
	free(plan->born_in);
	free(plan->maker);
	free(plan->stand_ins);
	*plan = (struct process_plan){ 0 };
}

bool process_plan_is_early(const struct process_plan *plan, const struct process_row *row)
{
	const struct process_row *parent = row_of(plan, row->parent);
	int64_t session;

	if (!parent || !leads_session(parent) || leader_of(plan->img, row->process))
		return false;
	session = plan->born_in[index_of(plan, row)];
	return plan->maker[index_of(plan, row)] == parent->process && session != COLUMN_NULL && session != parent->process;
}

int64_t process_plan_maker(const struct process_plan *plan, const struct process_row *row)
{
	return leader_of(plan->img, row->process) ? row->parent : plan->maker[index_of(plan, row)];
}

const struct process_row *process_plan_surroundings(const struct process_plan *plan, const struct process_row *row)
{
	/* A zombie is where its parent is: it enters nothing. */
	do
		row = maker_of(plan, row);
	while (row && zombie_of(plan->img, row->process));
	return row;
}

int64_t process_plan_user_ns(const struct process_plan *plan, const struct process_row *row)
{
	while (row) {
		const struct process_row *maker = process_plan_surroundings(plan, row);
		const struct namespace_row *ns;

		if (row->pid_ns != (maker ? maker->pid_ns : COLUMN_NULL)) {
			ns = image_find(plan->img, &namespace_table, offsetof(struct namespace_row, namespace),
					row->pid_ns);
			return ns ? ns->user_ns : COLUMN_NULL;
		}
		row = maker;
	}
	return COLUMN_NULL;
}

bool process_plan_adopts(const struct process_plan *plan, int64_t process)
{
	for (size_t i = 0; i < plan->nr_leaders; i++)
		if (plan->stand_ins[i].parent == process)
			return true;
	return false;
}
