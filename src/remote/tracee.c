// SPDX-License-Identifier: GPL-2.0-only
/* Threads held by ptrace, see tracee.h. Kernel facts: ptrace(2), kernel/ptrace.c, kernel/signal.c. */
#include <elf.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "base/util.h"
#include "remote/tracee.h"
#include "remote/trace.h"

#define STOP_TIMEOUT_NS 10000000000ull

#define TRACE_OPTIONS (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

long trace(int request, pid_t tid, uint64_t addr, uint64_t data)
{
	/* The C library's wrapper wants other types in every version. */
	return syscall(SYS_ptrace, (long)request, tid, addr, data);
}

int tracee_wait(pid_t tid, int *status, struct err *e)
{
	uint64_t deadline = now_ns() + STOP_TIMEOUT_NS;
	unsigned int pause_us = 0;

	for (;;) {
		pid_t got = waitpid(tid, status, __WALL | WNOHANG);

		if (got == tid)
			break;
		if (got < 0 && errno != EINTR)
			return errno == ECHILD ? -ESRCH : err_sys(e, "wait for task %d", tid);
		if (now_ns() > deadline) {
			err_set(e, -ETIMEDOUT, "task %d does not stop: it is in an uninterruptible wait in the kernel", tid);
			return err_advise(e, "see /proc/%d/stack; wait until a vfork(2) or its disk or network I/O is over", tid);
		}
		pause_us = min(pause_us + 10, 500u);
		usleep(pause_us);
	}
	return WIFSTOPPED(*status) ? 0 : -ESRCH;
}

/* Wait until @t is in the stop that PTRACE_INTERRUPT (or an automatic attach) asked for. */
static int tracee_wait_stopped(struct tracee *t, struct err *e)
{
	int status, r;

	for (;;) {
		int event, sig;

		r = tracee_wait(t->tid, &status, e);
		if (r < 0)
			return r;
		event = status >> 16;
		sig = WSTOPSIG(status);
		if (event == PTRACE_EVENT_STOP) {
			t->group_stopped = sig != SIGTRAP;
			break;
		}
		/*
		 * A signal was about to be delivered: let it be. Its handler's
		 * frame is made, then the pending interrupt stops the thread
		 * before the handler's first instruction.
		 */
		if (trace(PTRACE_CONT, t->tid, 0, event ? 0 : (uint64_t)sig) < 0)
			return errno == ESRCH ? -ESRCH : err_sys(e, "continue task %d", t->tid);
	}
	if (trace(PTRACE_GETREGS, t->tid, 0, (uint64_t)&t->regs) < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "read the registers of task %d", t->tid);
	return 0;
}

int tracee_seize(struct tracee *t, pid_t tid, struct err *e)
{
	int r;

	*t = (struct tracee){ .tid = tid };
	if (trace(PTRACE_SEIZE, tid, 0, TRACE_OPTIONS) < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "trace task %d", tid);
	if (trace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "interrupt task %d", tid);
	r = tracee_wait_stopped(t, e);
	if (r < 0 && r != -ESRCH)
		trace(PTRACE_DETACH, tid, 0, 0);
	return r;
}

int tracee_adopt(struct tracee *t, pid_t tid, struct err *e)
{
	*t = (struct tracee){ .tid = tid };
	return tracee_wait_stopped(t, e);
}

int tracee_release(struct tracee *t, struct err *e)
{
	if (t->tid <= 0)
		return 0;
	if (t->regs_changed && trace(PTRACE_SETREGS, t->tid, 0, (uint64_t)&t->regs) < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "put back the registers of task %d", t->tid);
	/* A job-control stop that is in effect takes hold again (__ptrace_unlink()). */
	if (trace(PTRACE_DETACH, t->tid, 0, 0) < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "detach from task %d", t->tid);
	t->tid = 0;
	return 0;
}

int tracee_get_xstate(const struct tracee *t, void **ret, size_t *ret_len, struct err *e)
{
	struct iovec iov = { .iov_len = 64 * 1024 };	/* AMX's tiles are the largest: 8 KiB */
	_cleanup_free_ void *buf = iov.iov_base = xcalloc(1, iov.iov_len);

	if (trace(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, (uint64_t)&iov) < 0)
		return err_sys(e, "read the extended registers of task %d", t->tid);
	*ret_len = iov.iov_len;
	*ret = take_ptr(buf);
	return 0;
}

int tracee_set_xstate(const struct tracee *t, const void *xstate, size_t len, struct err *e)
{
	struct iovec iov = { (void *)(uintptr_t)xstate, len };

	if (trace(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, (uint64_t)&iov) < 0)
		return err_sys(e, "set the extended registers of task %d (%zu bytes)", t->tid, len);
	return 0;
}

int tracee_get_sigmask(const struct tracee *t, uint64_t *ret, struct err *e)
{
	if (trace(PTRACE_GETSIGMASK, t->tid, sizeof(*ret), (uint64_t)ret) < 0)
		return err_sys(e, "read the signal mask of task %d", t->tid);
	return 0;
}

int tracee_set_sigmask(const struct tracee *t, uint64_t mask, struct err *e)
{
	if (trace(PTRACE_SETSIGMASK, t->tid, sizeof(mask), (uint64_t)&mask) < 0)
		return err_sys(e, "set the signal mask of task %d", t->tid);
	return 0;
}

int tracee_set_regs(struct tracee *t, const struct user_regs_struct *regs, struct err *e)
{
	t->regs = *regs;
	t->regs_changed = true;
	if (trace(PTRACE_SETREGS, t->tid, 0, (uint64_t)regs) < 0)
		return err_sys(e, "set the registers of task %d", t->tid);
	return 0;
}
