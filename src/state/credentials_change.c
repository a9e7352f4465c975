// SPDX-License-Identifier: GPL-2.0-only
/*
 * How tasks come by their ids where there are user namespaces. In there an id can only be taken if the namespace has
 * a name for it, but who enters one takes along what it has outside: so ids come first, and unmapped ones stay as
 * they were. See user_namespace.h.
 */
#include <errno.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "state/credentials.h"
#include "state/process.h"
#include "state/process_plan.h"
#include "state/user_namespace.h"
#include "state/zombie.h"

#define STAYS UINT32_MAX

/* ---- one change --------------------------------------------------------- */

struct change {
	const struct image *img;
	int64_t user_ns;
	const char *type;	/* "uid" or "gid" */
	int64_t thread;
	struct err *e;
};

static int name(const struct change *c, int64_t id, uint32_t *ret)
{
	int64_t inside = user_namespace_inside(c->img, c->user_ns, c->type, id);

	if (inside < 0)
		return err_set(c->e, -EOPNOTSUPP, "thread %ld: its %s %ld has no name in its user namespace, and "
			       "whoever forks it has another", c->thread, c->type, id);
	*ret = (uint32_t)inside;
	return 0;
}

/* @have and @want: real, effective, saved, and that for files, which follows the effective one. */
static int name_four(const struct change *c, const int64_t *have, const int64_t *want, uint32_t *ids, bool *ret_ids,
		     uint32_t *fs_id, bool *ret_fs_id)
{
	int64_t fs = have ? have[3] : want[1];

	for (int i = 0; i < 3; i++) {
		ids[i] = STAYS;
		if (have && have[i] == want[i])
			continue;
		if (name(c, want[i], &ids[i]) < 0)
			return c->e->code;
		*ret_ids = true;
		if (i == 1)
			fs = want[1];
	}
	*ret_fs_id = !have || fs != want[3];
	return *ret_fs_id ? name(c, want[3], fs_id) : 0;
}

static int name_groups(const struct change *c, const char *groups, struct id_change *ret)
{
	char *end;

	if (!user_namespace_has_setgroups(c->img, c->user_ns))
		return err_set(c->e, -EOPNOTSUPP, "thread %ld: it may not set its groups in its user namespace, and "
			       "whoever forks it has others", c->thread);
	ret->set_groups = true;
	ret->groups = xcalloc(strlen(groups) / 2 + 1, sizeof(*ret->groups));
	for (const char *p = groups; ; p = end) {
		unsigned long id = strtoul(p, &end, 10);

		if (end == p)
			return 0;
		if (name(c, (int64_t)id, &ret->groups[ret->nr_groups++]) < 0)
			return c->e->code;
	}
}

int credentials_change(const struct image *img, int64_t user_ns, const struct credentials_row *have,
		       const struct credentials_row *want, struct id_change *ret, struct err *e)
{
	struct change c = { img, user_ns, "gid", want->thread, e };
	int r = 0;

	*ret = (struct id_change){ 0 };
	if (!have || strcmp(have->groups, want->groups) != 0)
		r = name_groups(&c, want->groups, ret);
	r = r ?: name_four(&c, have ? &have->gid : NULL, &want->gid, ret->gid, &ret->gids, &ret->fsgid, &ret->set_fsgid);
	c.type = "uid";
	r = r ?: name_four(&c, have ? &have->uid : NULL, &want->uid, ret->uid, &ret->uids, &ret->fsuid, &ret->set_fsuid);
	if (r < 0)
		free(take_ptr(ret->groups));
	return r;
}

int id_change_make(const struct id_change *c)
{
	/* The kernel's own calls: the C library's talk to other threads. */
	if (prctl(PR_SET_SECUREBITS, 1 << SECURE_NO_SETUID_FIXUP | 1 << SECURE_KEEP_CAPS) < 0 ||
	    (c->set_groups && syscall(SYS_setgroups, c->nr_groups, c->groups) < 0) ||
	    (c->gids && syscall(SYS_setresgid, c->gid[0], c->gid[1], c->gid[2]) < 0) ||
	    (c->uids && syscall(SYS_setresuid, c->uid[0], c->uid[1], c->uid[2]) < 0))
		return -errno;
	if (c->set_fsgid)
		syscall(SYS_setfsgid, c->fsgid);
	if (c->set_fsuid)
		syscall(SYS_setfsuid, c->fsuid);
	return 0;
}

void id_change_add(const struct id_change *c, struct batch *b)
{
	/* Keep all capabilities through the change of user ids. */
	batch_call(b, "prctl: securebits for the change of ids", SYS_prctl, ARG(PR_SET_SECUREBITS),
		   ARG(1 << SECURE_NO_SETUID_FIXUP | 1 << SECURE_KEEP_CAPS));
	if (c->set_groups)
		batch_call(b, "setgroups", SYS_setgroups, ARG(c->nr_groups),
			   ARG_AT(batch_data(b, c->groups, c->nr_groups * sizeof(*c->groups))));
	if (c->gids)
		batch_call(b, "setresgid", SYS_setresgid, ARG(c->gid[0]), ARG(c->gid[1]), ARG(c->gid[2]));
	if (c->uids)
		batch_call(b, "setresuid", SYS_setresuid, ARG(c->uid[0]), ARG(c->uid[1]), ARG(c->uid[2]));
	if (c->set_fsgid)
		batch_call(b, "setfsgid", SYS_setfsgid, ARG(c->fsgid));
	if (c->set_fsuid)
		batch_call(b, "setfsuid", SYS_setfsuid, ARG(c->fsuid));
}

/* ---- who is born as whom ------------------------------------------------- */

int64_t credentials_born_as(const struct process_plan *plan, const struct process_row *row)
{
	while (row) {
		const struct process_row *maker = process_plan_surroundings(plan, row);
		int64_t born_in = process_plan_user_ns(plan, row);

		if (born_in == COLUMN_NULL)
			break;
		if (born_in != process_plan_user_ns(plan, maker))
			return row->process;
		row = maker;
	}
	return COLUMN_NULL;
}

static int can_change(const struct image *img, int64_t user_ns, const struct credentials_row *have,
		      const struct credentials_row *want, struct err *e)
{
	struct id_change change;
	int r = credentials_change(img, user_ns, have, want, &change, e);

	free(change.groups);
	return r;
}

static const struct credentials_row *born_as(const struct process_plan *plan, const struct process_row *row)
{
	int64_t as = credentials_born_as(plan, row);

	return as == COLUMN_NULL ? NULL : credentials_of(plan->img, as);
}

static int process_reach(const struct process_plan *plan, const struct process_row *row, struct err *e)
{
	const struct process_row *maker = process_plan_surroundings(plan, row);
	int64_t born_in = process_plan_user_ns(plan, row), outside = process_plan_user_ns(plan, maker);
	const struct credentials_row *have = born_as(plan, row), *own = credentials_of(plan->img, row->process);
	const struct thread_row *thread;
	int r = 0;

	if (!own || (born_in != COLUMN_NULL && !have))
		return err_set(e, -EBADMSG, "process %ld has no row in table credentials", row->process);
	if (born_in != outside)
		r = can_change(plan->img, outside, maker ? born_as(plan, maker) : NULL, own, e);
	if (row->user_ns != born_in) {
		r = r ?: can_change(plan->img, born_in, have, own, e);
		have = own;
	}
	image_for_each(thread, plan->img, &thread_table) {
		const struct credentials_row *want = credentials_of(plan->img, thread->thread);

		if (r == 0 && want && thread->process == row->process)
			r = can_change(plan->img, row->user_ns, have, want, e);
	}
	return r;
}

int credentials_reach(const struct image *img, struct err *e)
{
	const struct process_row *row;
	struct process_plan plan;
	int r = process_plan_make(img, &plan, e);

	if (r < 0)
		return r;
	image_for_each(row, img, &process_table)
		if (r == 0 && row->user_ns != COLUMN_NULL && !zombie_of(img, row->process) &&
		    process_reach(&plan, row, e) < 0)
			r = err_in(e, "process %ld (%s)", row->process, row->comm);
	process_plan_clear(&plan);
	return r;
}

/* ---- entering ------------------------------------------------------------ */

int credentials_enter(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct credentials_row *own = credentials_of(r->img, p->row->process);
	struct id_change change;
	size_t fd;
	int ret;

	if (p->row->user_ns == p->born_in)
		return 0;
	ret = !own ? err_set(e, -EBADMSG, "process %ld has no row in table credentials", p->row->process) :
	      credentials_change(r->img, p->born_in,
				 p->born_as == COLUMN_NULL ? NULL : credentials_of(r->img, p->born_as), own, &change, e);
	if (ret < 0)
		return ret;
	/* Before it changes its ids: cpt lets only root take descriptors. */
	fd = batch_call(b, "get its user namespace", SYS_pidfd_getfd, ARG(p->cpt_pidfd),
			ARG(r->ns_fds[p->row->user_ns]), ARG(0));
	id_change_add(&change, b);
	free(change.groups);
	batch_call(b, "setns: enter its user namespace", SYS_setns, ARG_OF(fd), ARG(CLONE_NEWUSER));
	batch_call(b, "close the user namespace", SYS_close, ARG_OF(fd));
	return 0;
}
