// SPDX-License-Identifier: GPL-2.0-only
/*
 * Job-control stops of held threads, see tracee.h. Facts: do_signal_stop(),
 * ptrace_signal() and do_jobctl_trap() in kernel/signal.c, __ptrace_unlink() in
 * kernel/ptrace.c.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include "remote/trace.h"
#include "remote/tracee.h"

/*
 * Run on to the next stop, which must be of that kind. An interrupt is asked
 * for where no pending signal keeps the thread from user mode: its registers
 * may not be its own yet.
 */
static int next_stop(struct tracee *t, int deliver, enum stop_kind kind, struct stop *stop, struct err *e)
{
	char label[48];
	int r = kind == STOP_TRAP ? trace_do(PTRACE_INTERRUPT, t->tid, 0, 0, "interrupting", e) : 0;

	r = r ?: trace_do(PTRACE_CONT, t->tid, 0, (uint64_t)deliver, "continuing", e) ?:
	    stop_wait(t->tid, STOP_TIMEOUT_MS, stop, e);
	if (r == 0 && stop->kind != kind)
		return err_set(e, -EPROTO, "%s does not take a stop signal", task_label(t->tid, label));
	return r;
}

/* The first thread takes SIGSTOP, which no mask keeps from it; it may be told that it was another signal. */
static int first_stop(struct tracee *t, pid_t pid, int signal, struct err *e)
{
	uint64_t mask;
	struct stop stop;
	int r;

	if (kill(pid, SIGSTOP) < 0)
		return err_sys(e, "stop process %d", pid);
	r = next_stop(t, 0, STOP_SIGNAL, &stop, e) ?: tracee_get_sigmask(t, &mask, e) ?:
	    tracee_set_sigmask(t, mask & ~(1ull << (signal - 1)), e) ?:
	    next_stop(t, signal, STOP_TRAP, &stop, e) ?: tracee_set_sigmask(t, mask, e);
	if (r == 0)
		t->group_stopped = stop.signal == signal;
	return r;
}

int tracee_job_stop(struct tracee *const *threads, size_t nr, int signal, struct err *e)
{
	pid_t pid = threads[0]->tid;
	struct stop stop;
	int r = first_stop(threads[0], pid, signal, e);

	/* It does nothing to a process whose group is an orphan, but for SIGSTOP. */
	if (r == 0 && !threads[0]->group_stopped && signal != SIGSTOP)
		r = first_stop(threads[0], pid, SIGSTOP, e);
	/* The others are to stop, and do when they run: at once, for they are on their way out of the kernel. */
	for (size_t i = 1; r == 0 && i < nr; i++) {
		r = next_stop(threads[i], 0, STOP_TRAP, &stop, e);
		threads[i]->group_stopped = r == 0 && stop.signal != SIGTRAP;
	}
	for (size_t i = 0; r == 0 && i < nr; i++)
		if (!threads[i]->group_stopped)
			r = err_set(e, -EPROTO, "task %d does not stop", threads[i]->tid);
	return r;
}
