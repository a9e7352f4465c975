// SPDX-License-Identifier: GPL-2.0-only
/* How a thread is scheduled and named: table `scheduling`. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "state/process.h"
#include "state/task_kinds.h"

/* struct sched_attr, first version (include/uapi/linux/sched/types.h). */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

struct scheduling_row {
	int64_t thread;
	int64_t policy, flags, nice, priority, runtime, deadline, period;
	struct blob affinity;		/* cpu mask */
	int64_t oom_score_adj, personality, timer_slack_ns;
};

#define INT(field, lo, hi) INT_COLUMN(struct scheduling_row, field, lo, hi)

static const struct column scheduling_columns[] = {
	INT(thread, 1, INT32_MAX), INT(policy, 0, 7), INT(flags, 0, UINT32_MAX), INT(nice, -20, 19),
	INT(priority, 0, 99), INT(runtime, 0, INT64_MAX), INT(deadline, 0, INT64_MAX), INT(period, 0, INT64_MAX),
	BLOB_COLUMN(struct scheduling_row, affinity, 1024),
	INT(oom_score_adj, -1000, 1000), INT(personality, 0, UINT32_MAX), INT(timer_slack_ns, 0, INT64_MAX),
};
static const struct table scheduling_table = TABLE("scheduling", struct scheduling_row, scheduling_columns);

static int64_t proc_number(const struct live_process *p, const char *file, int base)
{
	_cleanup_free_ char *text = NULL;

	return read_file_at(p->proc_fd, file, &text, NULL) < 0 ? 0 : strtoll(text, NULL, base);
}

static int scheduling_save(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	struct attributes a = { .size = sizeof(a) };
	unsigned char mask[1024];
	char path[48];
	long len;

	if (!s->frozen || p->zombie)
		return 0;
	if (syscall(SYS_sched_getattr, t->tid, &a, sizeof(a), 0) < 0)
		return err_sys(e, "sched_getattr of thread %d", t->tid);
	len = syscall(SYS_sched_getaffinity, t->tid, sizeof(mask), mask);
	if (len < 0)
		return err_sys(e, "sched_getaffinity of thread %d", t->tid);
	snprintf(path, sizeof(path), "task/%d/timerslack_ns", t->tid);
	*(struct scheduling_row *)image_add(s->img, &scheduling_table) = (struct scheduling_row){
		.thread = t->tid, .policy = a.policy, .flags = (int64_t)a.flags, .nice = a.nice, .priority = a.priority,
		.runtime = (int64_t)a.runtime, .deadline = (int64_t)a.deadline, .period = (int64_t)a.period,
		.affinity = image_blob(s->img, mask, (size_t)len),
		.oom_score_adj = proc_number(p, "oom_score_adj", 10),
		.personality = proc_number(p, "personality", 16),
		.timer_slack_ns = proc_number(p, "timerslack_ns", 10),
	};
	return 0;
}

static const struct scheduling_row *row_of(const struct restore *r, const struct new_thread *t)
{
	return image_find(r->img, &scheduling_table, offsetof(struct scheduling_row, thread), t->row->thread);
}

static int scheduling_restore(struct restore *r, struct new_process *p, struct new_thread *t,
			      struct batch *b, struct err *e)
{
	const struct scheduling_row *row = row_of(r, t);

	(void)p;
	if (!row)
		return err_set(e, -EBADMSG, "thread %ld has no row in table scheduling", t->row->thread);
	batch_call(b, "prctl: restore the name", SYS_prctl, ARG(PR_SET_NAME),
		   ARG_AT(batch_data(b, t->row->comm, strlen(t->row->comm) + 1)));
	batch_call(b, "prctl: timer slack", SYS_prctl, ARG(PR_SET_TIMERSLACK), ARG(row->timer_slack_ns));
	batch_call(b, "personality", SYS_personality, ARG(row->personality));
	return 0;
}

static bool has_cpu(const struct scheduling_row *row, const cpu_set_t *here)
{
	for (size_t cpu = 0; cpu < row->affinity.len * 8 && cpu < CPU_SETSIZE; cpu++)
		if ((((const unsigned char *)row->affinity.data)[cpu / 8] >> cpu % 8 & 1) && CPU_ISSET(cpu, here))
			return true;
	return false;
}

/* cpt does it from outside, with its own power; a mask without any processor of this host means all. */
static int scheduling_seal(struct restore *r, struct new_process *p, struct new_thread *t, struct err *e)
{
	const struct scheduling_row *row = row_of(r, t);
	struct attributes a = {
		.size = sizeof(a), .policy = (uint32_t)row->policy, .flags = (uint64_t)row->flags,
		.nice = (int32_t)row->nice, .priority = (uint32_t)row->priority, .runtime = (uint64_t)row->runtime,
		.deadline = (uint64_t)row->deadline, .period = (uint64_t)row->period,
	};
	cpu_set_t here;
	char text[16];
	int ret;

	sched_getaffinity(0, sizeof(here), &here);
	if (has_cpu(row, &here) &&
	    syscall(SYS_sched_setaffinity, t->tid, row->affinity.len, row->affinity.data) < 0)
		return err_sys(e, "sched_setaffinity of thread %ld", t->row->thread);
	if (syscall(SYS_sched_setattr, t->tid, &a, 0) < 0)
		return err_sys(e, "sched_setattr of thread %ld (policy %ld, nice %ld)", t->row->thread,
			       row->policy, row->nice);
	if (t->row->thread != p->row->process)
		return 0;
	snprintf(text, sizeof(text), "%ld", row->oom_score_adj);
	ret = write_file_at(p->proc_fd, "oom_score_adj", text);
	return ret < 0 ? err_ret(e, ret, "write oom_score_adj %s of process %ld", text, p->row->process) : 0;
}

const struct kind scheduling_kind = {
	.name = "scheduling",
	.tables = (const struct table *const[]){ &scheduling_table, NULL },
	.save_thread = scheduling_save,
	.restore_thread = scheduling_restore,
	.seal_thread = scheduling_seal,
};
