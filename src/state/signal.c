// SPDX-License-Identifier: GPL-2.0-only
/* Signals: handlers of a process, mask and alternate stack of a thread, queues of both. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include "state/posix_timer.h"
#include "state/process.h"
#include "state/signal.h"

#define NR_SIGNALS 64

/* struct sigaction as the kernel has it on x86-64 (arch/x86/include/uapi/asm/signal.h, k_sigaction). */
struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

struct sigaction_row {
	int64_t process, signal, handler, flags, restorer, mask;
};

struct signal_mask_row {
	int64_t thread, mask, stack_address, stack_size, stack_flags;
};

#define ANY_INT(type, field) INT_COLUMN_OR_NULL(type, field, INT64_MIN, INT64_MAX)

static const struct column sigaction_columns[] = {
	INT_COLUMN(struct sigaction_row, process, 1, INT32_MAX),
	INT_COLUMN(struct sigaction_row, signal, 1, NR_SIGNALS),
	ANY_INT(struct sigaction_row, handler), ANY_INT(struct sigaction_row, flags),
	ANY_INT(struct sigaction_row, restorer), ANY_INT(struct sigaction_row, mask),
};
static const struct table sigaction_table = TABLE("sigaction", struct sigaction_row, sigaction_columns);

static const struct column signal_mask_columns[] = {
	INT_COLUMN(struct signal_mask_row, thread, 1, INT32_MAX),
	ANY_INT(struct signal_mask_row, mask), ANY_INT(struct signal_mask_row, stack_address),
	ANY_INT(struct signal_mask_row, stack_size), INT_COLUMN(struct signal_mask_row, stack_flags, 0, UINT32_MAX),
};
static const struct table signal_mask_table = TABLE("signal_mask", struct signal_mask_row, signal_mask_columns);

static const struct column pending_signal_columns[] = {
	INT_COLUMN(struct pending_signal_row, thread, 1, INT32_MAX),
	INT_COLUMN(struct pending_signal_row, shared, 0, 1),
	INT_COLUMN(struct pending_signal_row, place, 0, INT32_MAX),
	INT_COLUMN(struct pending_signal_row, signal, 1, NR_SIGNALS),
	BLOB_COLUMN(struct pending_signal_row, siginfo, sizeof(siginfo_t)),
};
const struct table pending_signal_table = TABLE("pending_signal", struct pending_signal_row, pending_signal_columns);

int signal_is_queued(pid_t tid, bool shared, int signal, int code, int timer, struct err *e)
{
	struct __ptrace_peeksiginfo_args args = { .flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0, .nr = 1 };
	siginfo_t info;
	long nr;

	for (; (nr = ptrace(PTRACE_PEEKSIGINFO, tid, &args, &info)) == 1; args.off++)
		if (info.si_signo == signal && info.si_code == code && (code != SI_TIMER || info.si_timerid == timer))
			return 1;
	return nr < 0 ? err_sys(e, "read the pending signals of task %d", tid) : 0;
}

/* ---- saving ----------------------------------------------------------- */

static int sigaction_ask(struct save *s, struct live_process *p, struct live_thread *t, struct batch *b, struct err *e)
{
	(void)s, (void)p, (void)t, (void)e;
	for (int sig = 1; sig <= NR_SIGNALS; sig++)
		batch_call(b, "rt_sigaction: read a signal's handler", SYS_rt_sigaction, ARG(sig), ARG(0),
			   ARG_AT(batch_data(b, NULL, sizeof(struct kernel_sigaction))), ARG(8));
	return 0;
}

static int sigaction_save(struct save *s, struct live_process *p, struct err *e)
{
	const struct batch *b;
	size_t first;

	(void)e;
	if (!s->frozen || p->zombie)
		return 0;
	b = save_answers(&p->threads[0], sigaction_ask, &first);
	for (int sig = 1; sig <= NR_SIGNALS; sig++) {
		const struct kernel_sigaction *a = batch_data_at(b, batch_argument(b, first + (size_t)sig - 1, 2));

		if (a->handler == (uint64_t)SIG_DFL && !a->flags && !a->mask)
			continue;
		*(struct sigaction_row *)image_add(s->img, &sigaction_table) = (struct sigaction_row){
			p->pid, sig, (int64_t)a->handler, (int64_t)a->flags, (int64_t)a->restorer, (int64_t)a->mask,
		};
	}
	return 0;
}

static int pending_save(struct save *s, const struct live_thread *t, bool shared, struct err *e)
{
	int64_t place = 0;

	for (;;) {
		struct __ptrace_peeksiginfo_args args = {
			.off = (uint64_t)place, .flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0, .nr = 1,
		};
		struct pending_signal_row *row;
		siginfo_t info;
		long nr = ptrace(PTRACE_PEEKSIGINFO, t->tid, &args, &info);

		if (nr < 0)
			return err_sys(e, "read the pending signals of task %d", t->tid);
		if (nr == 0)
			return 0;
		row = image_add(s->img, &pending_signal_table);
		*row = (struct pending_signal_row){
			.thread = t->tid, .shared = shared, .place = place++, .signal = info.si_signo,
			.siginfo = image_blob(s->img, &info, sizeof(info)),
		};
	}
}

static int signal_ask(struct save *s, struct live_process *p, struct live_thread *t, struct batch *b, struct err *e)
{
	(void)s, (void)p, (void)t, (void)e;
	batch_call(b, "sigaltstack: read the alternate stack", SYS_sigaltstack, ARG(0),
		   ARG_AT(batch_data(b, NULL, sizeof(stack_t))));
	return 0;
}

static int signal_save_thread(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	struct signal_mask_row row = { .thread = t->tid };
	const struct batch *b;
	const stack_t *stack;
	uint64_t mask;
	size_t first;
	int r;

	if (!s->frozen || p->zombie)
		return 0;
	r = tracee_get_sigmask(&t->tracee, &mask, e);
	if (r < 0)
		return r;
	b = save_answers(t, signal_ask, &first);
	stack = batch_data_at(b, batch_argument(b, first, 1));
	row.mask = (int64_t)mask;
	row.stack_address = (int64_t)(uintptr_t)stack->ss_sp;
	row.stack_size = (int64_t)stack->ss_size;
	row.stack_flags = (uint32_t)stack->ss_flags;
	*(struct signal_mask_row *)image_add(s->img, &signal_mask_table) = row;
	r = pending_save(s, t, false, e);
	return r < 0 || t->tid != p->pid ? r : pending_save(s, t, true, e);
}

/* ---- restoring -------------------------------------------------------- */

static int sigaction_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct sigaction_row *row;
	const struct kernel_sigaction none = { 0 };
	size_t default_at = batch_data(b, &none, sizeof(none));

	(void)e;
	/* It was forked from cpt with cpt's handlers. */
	for (int sig = 1; sig <= NR_SIGNALS; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			batch_call(b, "rt_sigaction: default handler", SYS_rt_sigaction,
				   ARG(sig), ARG_AT(default_at), ARG(0), ARG(8));
	image_for_each(row, r->img, &sigaction_table) {
		struct kernel_sigaction a = {
			(uint64_t)row->handler, (uint64_t)row->flags, (uint64_t)row->restorer, (uint64_t)row->mask,
		};

		if (row->process == p->row->process)
			batch_call(b, "rt_sigaction: restore a handler", SYS_rt_sigaction, ARG(row->signal),
				   ARG_AT(batch_data(b, &a, sizeof(a))), ARG(0), ARG(8));
	}
	return 0;
}

static const struct signal_mask_row *mask_of(const struct restore *r, const struct new_thread *t)
{
	return image_find(r->img, &signal_mask_table, offsetof(struct signal_mask_row, thread), t->row->thread);
}

static int signal_restore_thread(struct restore *r, struct new_process *p, struct new_thread *t,
				 struct batch *b, struct err *e)
{
	const struct signal_mask_row *row = mask_of(r, t);
	const struct pending_signal_row *sig;
	int64_t level = pid_level(r->img, t->row->thread);
	stack_t stack;

	if (!row)
		return err_set(e, -EBADMSG, "thread %ld has no row in table signal_mask", t->row->thread);
	stack = (stack_t){
		.ss_sp = (void *)(uintptr_t)row->stack_address, .ss_size = (size_t)row->stack_size,
		.ss_flags = (int)row->stack_flags & ~SS_ONSTACK,
	};
	batch_call(b, "sigaltstack: restore the alternate stack", SYS_sigaltstack,
		   ARG_AT(batch_data(b, &stack, sizeof(stack))), ARG(0));
	image_for_each(sig, r->img, &pending_signal_table) {
		siginfo_t info = { 0 };
		size_t at;

		if (sig->thread != t->row->thread || posix_timer_queues(r->img, sig))
			continue;
		memcpy(&info, sig->siginfo.data, min(sig->siginfo.len, sizeof(info)));
		at = batch_data(b, &info, sizeof(info));
		/* A thread may queue to itself whatever it likes: every si_code comes back. */
		if (sig->shared)
			batch_call(b, "rt_sigqueueinfo: queue a signal of the process", SYS_rt_sigqueueinfo,
				   ARG(pid_at(r->img, p->row->process, level)), ARG(sig->signal), ARG_AT(at));
		else
			batch_call(b, "rt_tgsigqueueinfo: queue a signal of the thread", SYS_rt_tgsigqueueinfo,
				   ARG(pid_at(r->img, p->row->process, level)),
				   ARG(pid_at(r->img, t->row->thread, level)), ARG(sig->signal), ARG_AT(at));
	}
	return 0;
}

static int signal_seal_thread(struct restore *r, struct new_process *p, struct new_thread *t, struct err *e)
{
	(void)p;
	return tracee_set_sigmask(&t->tracee, (uint64_t)mask_of(r, t)->mask, e);
}

const struct kind signal_kind = {
	.name = "signal",
	.tables = (const struct table *const[]){ &sigaction_table, &signal_mask_table, &pending_signal_table, NULL },
	.ask_process = sigaction_ask,
	.ask_thread = signal_ask,
	.save_process = sigaction_save,
	.save_thread = signal_save_thread,
	.restore_process = sigaction_restore,
	.restore_thread = signal_restore_thread,
	.seal_thread = signal_seal_thread,
};
