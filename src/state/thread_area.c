// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses that the kernel keeps for the C library of a thread: where to
 * clear its tid at its end, its list of robust futexes, its restartable
 * sequences. Table `thread_area`.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "remote/trace.h"
#include "state/process.h"
#include "state/task_kinds.h"

struct thread_area_row {
	int64_t thread;
	int64_t clear_tid;			/* set_tid_address(2) */
	int64_t robust_list, robust_list_size;	/* set_robust_list(2) */
	int64_t rseq, rseq_size, rseq_signature;	/* 0: not registered */
};

#define INT(field, hi) INT_COLUMN(struct thread_area_row, field, 0, hi)

static const struct column thread_area_columns[] = {
	INT_COLUMN(struct thread_area_row, thread, 1, INT32_MAX),
	INT(clear_tid, INT64_MAX), INT(robust_list, INT64_MAX), INT(robust_list_size, 4096),
	INT(rseq, INT64_MAX), INT(rseq_size, 4096), INT(rseq_signature, UINT32_MAX),
};
static const struct table thread_area_table = TABLE("thread_area", struct thread_area_row, thread_area_columns);

static int thread_area_ask(struct save *s, struct live_process *p, struct live_thread *t, struct batch *b, struct err *e)
{
	(void)s, (void)p, (void)t, (void)e;
	batch_call(b, "prctl: read the tid address", SYS_prctl, ARG(PR_GET_TID_ADDRESS),
		   ARG_AT(batch_data(b, NULL, sizeof(int64_t))));
	return 0;
}

static int thread_area_save(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	struct ptrace_rseq_configuration rseq = { 0 };
	uint64_t head = 0, len = 0;
	const struct batch *b;
	size_t first;

	if (!s->frozen || p->zombie)
		return 0;
	if (syscall(SYS_get_robust_list, t->tid, &head, &len) < 0)
		return err_sys(e, "get_robust_list of thread %d", t->tid);
	if (trace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(rseq), (uint64_t)&rseq) < 0)
		return err_sys(e, "read the rseq configuration of thread %d", t->tid);
	b = save_answers(t, thread_area_ask, &first);
	*(struct thread_area_row *)image_add(s->img, &thread_area_table) = (struct thread_area_row){
		.thread = t->tid, .clear_tid = *(int64_t *)batch_data_at(b, batch_argument(b, first, 1)),
		.robust_list = (int64_t)head, .robust_list_size = (int64_t)len,
		.rseq = (int64_t)rseq.rseq_abi_pointer, .rseq_size = rseq.rseq_abi_size,
		.rseq_signature = rseq.signature,
	};
	return 0;
}

static int thread_area_restore(struct restore *r, struct new_process *p, struct new_thread *t,
			       struct batch *b, struct err *e)
{
	const struct thread_area_row *row = image_find(r->img, &thread_area_table,
						       offsetof(struct thread_area_row, thread), t->row->thread);

	(void)p;
	if (!row)
		return err_set(e, -EBADMSG, "thread %ld has no row in table thread_area", t->row->thread);
	batch_call(b, "set_tid_address", SYS_set_tid_address, ARG(row->clear_tid));
	if (row->robust_list_size)
		batch_call(b, "set_robust_list", SYS_set_robust_list, ARG(row->robust_list), ARG(row->robust_list_size));
	if (row->rseq)
		batch_call(b, "rseq: register restartable sequences", SYS_rseq, ARG(row->rseq), ARG(row->rseq_size),
			   ARG(0), ARG(row->rseq_signature));
	return 0;
}

const struct kind thread_area_kind = {
	.name = "thread_area",
	.tables = (const struct table *const[]){ &thread_area_table, NULL },
	.ask_thread = thread_area_ask,
	.save_thread = thread_area_save,
	.restore_thread = thread_area_restore,
};
