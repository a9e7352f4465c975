// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running batches from a foothold. Invariants:
 *
 * 1. While the thread runs the stub, all signals are blocked but the bell
 *    (stub.h) and SIGTRAP; what comes stays pending, where it was queued.
 *    SIGKILL ends the run, SIGSTOP takes effect and is run through.
 * 2. A bell or SIGTRAP of somebody else's, which the open mask lets through, is
 *    handed back to the kernel while it is blocked, which queues it again as
 *    it was (ptrace_signal()). The rest of the run can't use the bell then and
 *    is watched call by call.
 * 3. Afterwards the thread is in a stop at the way back to user mode and has
 *    its own registers and mask.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include "base/util.h"
#include "remote/batch_table.h"
#include "remote/interrupted.h"
#include "remote/loan.h"
#include "remote/nest.h"
#include "remote/remote_parts.h"

#define RUN_BLOCKED (ALL_SIGNALS & ~SIGNAL_BIT(STUB_BELL) & ~SIGNAL_BIT(SIGTRAP))

/* ---- the stub, from start to end -------------------------------------------- */

struct run {
	struct remote *r;
	struct tracee *t;
	struct user_regs_struct regs;	/* of the thread in its last stop */
	bool watched;			/* PTRACE_SYSCALL instead of PTRACE_CONT */
};

enum { RUN_GOES_ON, RUN_ENDED };

static uint64_t stub_address(const struct run *run, const char *place)
{
	return run->r->base + (uint64_t)(place - stub_begin);
}

/* Is the signal the thread stopped for the one its stub sent itself? */
static bool is_own_bell(const struct run *run, const siginfo_t *info)
{
	if (run->regs.rip == stub_address(run, stub_trapped))
		return info->si_signo == SIGTRAP && info->si_code == SI_KERNEL;
	return run->regs.rip == stub_address(run, stub_rung) && info->si_signo == STUB_BELL &&
	       info->si_code == SI_TKILL && info->si_pid == run->r->own_pid;
}

/* At the end of the stub, but not (only) for its own bell: @signal has to be queued again. */
static int run_end_otherwise(struct run *run, int signal, struct err *e)
{
	struct user_regs_struct regs = run->regs;
	pid_t tid = run->t->tid;
	struct stop stop;

	regs.orig_rax = UINT64_MAX;	/* at the entry of tkill: don't make the call */
	return trace_do(PTRACE_SETREGS, tid, 0, (uint64_t)&regs, "setting the registers", e) ?:
	       stop_settle(tid, signal, STOP_TIMEOUT_MS, &stop, e) ?: RUN_ENDED;
}

static int run_signal(struct run *run, int *signal, struct err *e)
{
	pid_t tid = run->t->tid;
	siginfo_t info;
	char label[48];
	int r = trace_do(PTRACE_GETSIGINFO, tid, 0, (uint64_t)&info, "reading the signal", e);

	if (r < 0)
		return r;
	if (is_own_bell(run, &info)) {
		*signal = 0;
		return RUN_ENDED;
	}
	if (*signal == SIGSTOP)
		return RUN_GOES_ON;
	if (*signal != STUB_BELL && (*signal != SIGTRAP || info.si_code > 0))
		return err_set(e, -EFAULT, "%s got %s (address %p) at %#jx in a remote call",
			       task_label(tid, label), sigdescr_np(*signal) ?: "a signal",
			       info.si_addr, (uintmax_t)run->regs.rip);
	/* Somebody else's: see invariant 2. */
	run->watched = true;
	r = tracee_set_sigmask(run->t, ALL_SIGNALS, e);
	if (r < 0 || run->regs.rip != stub_address(run, stub_rung))
		return r;
	return run_end_otherwise(run, *signal, e);
}

/* At a stop of the thread. *@signal is what it may be continued with. */
static int run_look(struct run *run, const struct stop *stop, int *signal, struct err *e)
{
	pid_t tid = run->t->tid;
	int r;

	*signal = stop->kind == STOP_SIGNAL ? stop->signal : 0;
	if (stop->kind == STOP_TRAP)
		run->t->group_stopped = stop->signal != SIGTRAP;
	if (stop->kind == STOP_TRAP || stop->kind == STOP_EVENT)
		return RUN_GOES_ON;
	r = trace_do(PTRACE_GETREGS, tid, 0, (uint64_t)&run->regs, "reading the registers", e);
	if (r < 0)
		return r;
	if (stop->kind == STOP_SIGNAL)
		return run_signal(run, signal, e);
	if (run->regs.rip == stub_address(run, stub_rung) && run->regs.orig_rax == SYS_tkill)
		return run_end_otherwise(run, 0, e);
	return RUN_GOES_ON;
}

static int run_stub(struct run *run, struct err *e)
{
	struct tracee *t = run->t;
	struct stop stop;
	int signal = 0, r;

	t->regs_changed = true;
	r = trace_do(PTRACE_SETREGS, t->tid, 0, (uint64_t)&run->regs, "setting the registers", e);
	while (r == RUN_GOES_ON) {
		int request = run->watched ? PTRACE_SYSCALL : PTRACE_CONT;

		r = trace_do(request, t->tid, 0, (uint64_t)signal, "running", e) ?:
		    stop_wait(t->tid, CALL_TIMEOUT_MS, &stop, e) ?:
		    run_look(run, &stop, &signal, e);
	}
	return r < 0 ? r : 0;
}

/* ---- a part of a batch ------------------------------------------------------- */

/* By way of the nest if it leads there: that takes away the foothold. */
static void home_write(const struct remote *r, const struct loan *l, struct stub_home *home)
{
	struct user_regs_struct regs = r->carrier == l->t ? nest_regs(r, l->t) : interrupted_resume(&l->t->regs);

	nest_write_home(home, &regs, l->mask);
}

/* Returns how many calls were made and had a wanted result, or negative. */
static ssize_t part_run_lent(struct remote *r, const struct loan *loan, const struct batch *b,
			     const struct part *p, struct err *e)
{
	uint64_t at = r->base + STUB_HOME, table = at + HOME_SIZE;
	struct run run = { .r = r, .t = loan->t, .regs = loan_regs(loan->t) };
	int err;

	home_write(r, loan, (struct stub_home *)(void *)r->image);
	part_write(b, p, table, r->image + HOME_SIZE);
	run.regs.rip = r->base;
	run.regs.rbx = table;
	run.regs.r12 = table + part_results(p);
	run.regs.r13 = table + part_results(p);
	err = copy_to(r->pid, at, r->image, HOME_SIZE + part_size(p), e) ?: run_stub(&run, e);
	return err < 0 ? err : (ssize_t)((run.regs.rbx - table) / sizeof(struct stub_call));
}

static ssize_t part_run(struct remote *r, struct tracee *t, struct batch *b, const struct part *p,
			struct err *e)
{
	struct loan loan;
	ssize_t nr = loan_begin(&loan, r, t, RUN_BLOCKED, e);
	int err;

	if (nr < 0)
		return nr;
	nr = part_run_lent(r, &loan, b, p, e);
	err = loan_end(&loan, nr < 0 ? &ERR_INIT : e);
	if (nr < 0 || err < 0)
		return nr < 0 ? nr : err;
	err = copy_from(r->pid, r->base + STUB_HOME + HOME_SIZE, r->image, part_size(p), e);
	if (err < 0)
		return err;
	part_read(b, p, min((size_t)nr + 1, p->nr), r->image);
	return nr;
}

/* "task 12 (bash): restore umask: umask(18), call 2 of 7, gave ...": @nr is the call's index. */
static int call_failed(const struct tracee *t, const struct batch *b, size_t nr, struct err *e)
{
	const struct call *c = &b->calls[nr];
	_cleanup_free_ char *text = NULL;
	char label[48];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f) {
		call_print(c, f);
		fclose(f);
	}
	task_label(t->tid, label);
	if (c->result < 0 && c->result >= -4095)
		return err_ret(e, (int)c->result, "%s: %s: %s, call %zu of %zu", label, c->why,
			       text ?: "?", nr + 1, b->nr);
	return err_set(e, -EPROTO, "%s: %s: %s, call %zu of %zu, gave %jd instead of %jd", label,
		       c->why, text ?: "?", nr + 1, b->nr, (intmax_t)c->result,
		       (intmax_t)c->lowest);
}

/* ---- entry points ------------------------------------------------------------ */

bool remote_holds(struct batch *b)
{
	struct part p = PART_INIT;
	bool whole = part_plan(b, 0, FOOTHOLD_ROOM, &p, &ERR_INIT) == 0 && p.nr == b->nr;

	part_free(&p);
	return whole;
}

int remote_run(struct remote *r, struct tracee *t, struct batch *b, struct err *e)
{
	struct part p = PART_INIT;
	int err = 0;

	b->nr_done = 0;
	for (size_t first = 0; err == 0 && first < b->nr; first += p.nr) {
		ssize_t nr;

		err = part_plan(b, first, FOOTHOLD_ROOM, &p, e);
		if (err < 0)
			break;
		nr = part_run(r, t, b, &p, e);
		if (nr < 0)
			err = (int)nr;
		else if ((size_t)nr < p.nr)
			err = call_failed(t, b, first + (size_t)nr, e);
	}
	part_free(&p);
	return err;
}

int remote_call(struct remote *r, struct tracee *t, const char *why, int64_t *ret,
		long nr, size_t nr_args, const uint64_t *args, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct batch_arg a[6];
	int err;

	for (size_t i = 0; i < nr_args && i < ARRAY_SIZE(a); i++)
		a[i] = ARG(args[i]);
	batch_add(b, why, nr, nr_args, a);
	err = remote_run(r, t, b, e);
	*ret = batch_result(b, 0);
	return err;
}
