// SPDX-License-Identifier: GPL-2.0-only
/* Threads held by ptrace, see tracee.h. Facts: ptrace(2), kernel/ptrace.c, kernel/signal.c. */
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include "base/util.h"
#include "remote/interrupted.h"
#include "remote/trace.h"
#include "remote/tracee.h"

#define TRACE_OPTIONS \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

/* ---- attach, detach ------------------------------------------------------- */

/* Attach without stopping. */
static int tracee_attach(struct tracee *t, pid_t tid, struct err *e)
{
	char label[48];

	*t = (struct tracee){ .tid = tid };
	if (trace(PTRACE_SEIZE, tid, 0, TRACE_OPTIONS) == 0)
		return 0;
	t->tid = 0;
	if (errno == ESRCH)
		return task_ended(tid, e);
	/* One that is dying gives EPERM too. */
	err_sys(e, "trace %s", task_label(tid, label));
	return task_is_gone(tid) ? task_ended(tid, e) : e->code;
}

/*
 * A seccomp filter would judge remote calls too, so have it look away; but only now that the thread makes none of
 * its own any more. It takes CAP_SYS_ADMIN, CONFIG_CHECKPOINT_RESTORE, and no filter on cpt itself.
 */
static int tracee_suspend_seccomp(struct tracee *t, struct err *e)
{
	uint64_t options = TRACE_OPTIONS | PTRACE_O_SUSPEND_SECCOMP;

	t->filtered = trace(PTRACE_SETOPTIONS, t->tid, 0, options) < 0;
	if (!t->filtered || errno != ESRCH)
		return 0;
	return trace_do(PTRACE_SETOPTIONS, t->tid, 0, options, "suspending the seccomp filters", e);
}

/* Of a thread that is in a STOP_TRAP. */
static int tracee_take(struct tracee *t, const struct stop *stop, struct err *e)
{
	int r = trace_do(PTRACE_GETREGS, t->tid, 0, (uint64_t)&t->regs, "reading the registers", e) ?:
		tracee_suspend_seccomp(t, e);

	t->group_stopped = stop->signal != SIGTRAP;
	return r ?: interrupted_settle(t, e);
}

static int tracee_stop(struct tracee *t, unsigned int timeout_ms, struct err *e)
{
	struct stop stop;
	/* One that is in a job-control stop needs no interrupt: it stops by itself. */
	int r = stop_poll(t->tid, &stop, e);

	if (r == 0)
		r = trace_do(PTRACE_INTERRUPT, t->tid, 0, 0, "interrupting", e) ?:
		    stop_wait(t->tid, timeout_ms, &stop, e);
	if (r >= 0 && stop.kind != STOP_TRAP)
		r = stop_settle(t->tid, stop.signal, timeout_ms, &stop, e);
	return r < 0 ? r : tracee_take(t, &stop, e);
}

int tracee_seize_within(struct tracee *t, pid_t tid, unsigned int timeout_ms, struct err *e)
{
	int r = tracee_attach(t, tid, e);

	if (r < 0)
		return r;
	r = tracee_stop(t, timeout_ms, e);
	if (r < 0) {
		trace(PTRACE_DETACH, tid, 0, 0);
		t->tid = 0;
	}
	return r;
}

int tracee_seize(struct tracee *t, pid_t tid, struct err *e)
{
	return tracee_seize_within(t, tid, STOP_TIMEOUT_MS, e);
}

int tracee_adopt(struct tracee *t, pid_t tid, struct err *e)
{
	struct stop stop;
	int r;

	*t = (struct tracee){ .tid = tid };
	r = stop_wait(tid, STOP_TIMEOUT_MS, &stop, e);
	if (r == 0 && stop.kind != STOP_TRAP)
		r = stop_settle(tid, stop.signal, STOP_TIMEOUT_MS, &stop, e);
	if (r == 0)
		r = tracee_take(t, &stop, e);
	if (r < 0)
		t->tid = 0;
	return r;
}

int tracee_bind(const struct tracee *t, struct err *e)
{
	uint64_t options = TRACE_OPTIONS | PTRACE_O_EXITKILL | (t->filtered ? 0 : PTRACE_O_SUSPEND_SECCOMP);

	return trace_do(PTRACE_SETOPTIONS, t->tid, 0, options, "binding to cpt's life", e);
}

int tracee_release(struct tracee *t, struct err *e)
{
	int r = 0;

	if (t->tid == 0)
		return 0;
	if (t->regs_changed)
		r = trace_do(PTRACE_SETREGS, t->tid, 0, (uint64_t)&t->regs,
			     "putting back the registers", e);
	/* A job-control stop that is in effect takes hold again (__ptrace_unlink()). */
	if (r == 0)
		r = trace_do(PTRACE_DETACH, t->tid, 0, 0, "detaching", e);
	if (r == -ESRCH)
		task_reap(t->tid);
	t->tid = 0;
	return r;
}

/* ---- registers ------------------------------------------------------------ */

/* AMX's tiles are the largest part known: 8 KiB. */
#define XSTATE_MAX (64 * 1024)
/* The area's legacy part has the kernel's mask of features here (asm/sigcontext.h, xfeatures). */
#define XSTATE_FEATURES_AT 464
/* Its header: which features have other than their initial state. */
#define XSTATE_IN_USE_AT 512
#define XSTATE_HEADER_END 576

int tracee_get_xstate(const struct tracee *t, void **ret, size_t *ret_len, struct err *e)
{
	_cleanup_free_ void *buf = xcalloc(1, XSTATE_MAX);
	struct iovec iov = { buf, XSTATE_MAX };
	int r = trace_do(PTRACE_GETREGSET, t->tid, NT_X86_XSTATE, (uint64_t)&iov,
			 "reading the extended registers", e);

	if (r < 0)
		return r;
	*ret_len = iov.iov_len;
	*ret = take_ptr(buf);
	return 0;
}

static uint64_t xstate_word(const void *xstate, size_t at)
{
	uint64_t word;

	memcpy(&word, (const char *)xstate + at, sizeof(word));
	return word;
}

int tracee_set_xstate(const struct tracee *t, const void *xstate, size_t len, struct err *e)
{
	_cleanup_free_ char *own = NULL;
	uint64_t missing;
	struct iovec iov;
	char label[48];
	void *p;
	int r = tracee_get_xstate(t, &p, &iov.iov_len, e);

	if (r < 0)
		return r;
	own = p;
	if (len < XSTATE_HEADER_END || iov.iov_len < XSTATE_HEADER_END)
		return err_set(e, -EINVAL, "%zu bytes are no extended registers", len);
	missing = xstate_word(xstate, XSTATE_IN_USE_AT) & ~xstate_word(own, XSTATE_FEATURES_AT);
	if (missing)
		return err_set(e, -ENODEV, "the extended registers of %s hold state of processor "
			       "features that are missing here (XSAVE components %#jx)",
			       task_label(t->tid, label), (uintmax_t)missing);
	/* The kernel takes its own size only (xstateregs_set()); places are the same everywhere. */
	memset(own, 0, iov.iov_len);
	memcpy(own, xstate, min(len, iov.iov_len));
	iov.iov_base = own;
	return trace_do(PTRACE_SETREGSET, t->tid, NT_X86_XSTATE, (uint64_t)&iov,
			"setting the extended registers", e);
}

int tracee_get_sigmask(const struct tracee *t, uint64_t *ret, struct err *e)
{
	return trace_do(PTRACE_GETSIGMASK, t->tid, sizeof(*ret), (uint64_t)ret,
			"reading the signal mask", e);
}

int tracee_set_sigmask(const struct tracee *t, uint64_t mask, struct err *e)
{
	return trace_do(PTRACE_SETSIGMASK, t->tid, sizeof(mask), (uint64_t)&mask,
			"setting the signal mask", e);
}

int tracee_set_regs(struct tracee *t, const struct user_regs_struct *regs, struct err *e)
{
	int r = trace_do(PTRACE_SETREGS, t->tid, 0, (uint64_t)regs, "setting the registers", e);

	if (r < 0)
		return r;
	t->regs = *regs;
	t->regs_changed = false;
	return 0;
}

/* ---- seccomp filters ------------------------------------------------------ */

int tracee_get_filter(const struct tracee *t, size_t index, void **ret, size_t *ret_len, bool *ret_log, struct err *e)
{
	struct seccomp_metadata metadata = { .filter_off = index };
	_cleanup_free_ struct sock_filter *code = NULL;
	/* With no room it only gives the number of instructions. get_nth_filter() counts from the oldest one. */
	long nr = trace(PTRACE_SECCOMP_GET_FILTER, t->tid, index, 0);

	if (nr < 0 && errno == ENOENT)
		return -ENOENT;
	if (nr >= 0) {
		code = xcalloc((size_t)nr + 1, sizeof(*code));
		nr = trace(PTRACE_SECCOMP_GET_FILTER, t->tid, index, (uint64_t)code);
	}
	if (nr < 0)
		return err_sys(e, "reading seccomp filter %zu of task %d", index, t->tid);
	if (trace_do(PTRACE_SECCOMP_GET_METADATA, t->tid, sizeof(metadata), (uint64_t)&metadata,
		     "reading the flags of a seccomp filter", e) < 0)
		return e->code;
	*ret_log = metadata.flags & SECCOMP_FILTER_FLAG_LOG;
	*ret_len = (size_t)nr * sizeof(*code);
	*ret = take_ptr(code);
	return 0;
}
