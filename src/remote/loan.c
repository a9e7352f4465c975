// SPDX-License-Identifier: GPL-2.0-only
/* A thread on loan, see loan.h. */
#include <errno.h>
#include <linux/ptrace.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include "base/util.h"
#include "remote/loan.h"
#include "remote/nest.h"

#ifndef PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG
#define PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG 0x4210
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#endif

#define USER_CS 0x33	/* 64-bit code (arch/x86/include/asm/segment.h, __USER_CS) */

#define FLAG_TRAP (1ull << 8)
#define FLAG_DIRECTION (1ull << 10)

/* ---- the target's memory --------------------------------------------------- */

static int copy_failed(pid_t pid, uint64_t at, ssize_t got, const char *what, struct err *e)
{
	char label[48];
	int code = got < 0 ? -errno : -EFAULT;	/* short: the rest is not mapped */

	if (code == -ESRCH || task_is_gone(pid))
		return task_ended(pid, e);
	return err_ret(e, code, "%s %s at %#jx", what, task_label(pid, label), (uintmax_t)at);
}

int copy_to(pid_t pid, uint64_t at, const void *p, size_t len, struct err *e)
{
	struct iovec here = { (void *)(uintptr_t)p, len }, there = { (void *)(uintptr_t)at, len };
	ssize_t n = len ? process_vm_writev(pid, &here, 1, &there, 1, 0) : 0;

	return n == (ssize_t)len ? 0 : copy_failed(pid, at, n, "write to the memory of", e);
}

int copy_from(pid_t pid, uint64_t at, void *p, size_t len, struct err *e)
{
	struct iovec here = { p, len }, there = { (void *)(uintptr_t)at, len };
	ssize_t n = len ? process_vm_readv(pid, &here, 1, &there, 1, 0) : 0;

	return n == (ssize_t)len ? 0 : copy_failed(pid, at, n, "read the memory of", e);
}

/* ---- lending ---------------------------------------------------------------- */

static bool has_filter(pid_t tid)
{
	_cleanup_free_ char *status = NULL;
	char path[48];
	const char *mode;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (read_file_at(-1, path, &status, NULL) < 0)
		return false;
	mode = strstr(status, "\nSeccomp:\t");
	return mode && mode[10] != '0';
}

static int loan_check(const struct tracee *t, struct err *e)
{
	char label[48];

	if (t->regs.cs != USER_CS)
		return err_set(e, -EOPNOTSUPP, "%s runs 32-bit code", task_label(t->tid, label)),
		       err_advise(e, "run a 64-bit build of the program");
	if (t->filtered && has_filter(t->tid))
		return err_set(e, -EOPNOTSUPP, "%s has a seccomp filter that can't be suspended",
			       task_label(t->tid, label)),
		       err_advise(e, "run cpt as root and outside of any seccomp filter, on a "
				  "kernel with CONFIG_CHECKPOINT_RESTORE");
	return 0;
}

static int dispatch_set(const struct tracee *t, const struct dispatch *d, struct err *e)
{
	return trace_do(PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, t->tid, sizeof(*d), (uint64_t)d,
			"setting the system call dispatch", e);
}

int loan_begin(struct loan *l, struct remote *r, struct tracee *t, uint64_t blocked, struct err *e)
{
	struct dispatch off = { .mode = PR_SYS_DISPATCH_OFF };
	int err;

	*l = (struct loan){ .r = r, .t = t };
	err = loan_check(t, e) ?: tracee_get_sigmask(t, &l->mask, e);
	if (err < 0)
		return err;
	/* Our calls are no business of the program's dispatcher. Linux before 6.4 can't help. */
	if (trace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, t->tid, sizeof(l->dispatch),
		  (uint64_t)&l->dispatch) < 0)
		l->dispatch = off;
	err = nest_carry(r, l, e);
	if (err == 0 && l->dispatch.mode != PR_SYS_DISPATCH_OFF)
		err = dispatch_set(t, &off, e);
	err = err ?: tracee_set_sigmask(t, blocked, e);
	if (err < 0)
		loan_end(l, &ERR_INIT);
	return err;
}

int loan_end(struct loan *l, struct err *e)
{
	struct tracee *t = l->t;
	bool dispatched = l->dispatch.mode != PR_SYS_DISPATCH_OFF;
	int err = tracee_set_sigmask(t, l->mask, e);

	if (err == 0 && l->r->carrier == t && !dispatched) {
		struct user_regs_struct regs = nest_regs(l->r, t);

		return trace_do(PTRACE_SETREGS, t->tid, 0, (uint64_t)&regs, "setting the registers", e);
	}
	/* On the way home are calls that the program's dispatcher would get. */
	if (l->r->carrier == t)
		l->r->carrier = NULL;
	if (err == 0 && t->regs_changed)
		err = tracee_set_regs(t, &t->regs, e);
	return err ?: dispatched ? dispatch_set(t, &l->dispatch, e) : 0;
}

struct user_regs_struct loan_regs(const struct tracee *t)
{
	struct user_regs_struct regs = t->regs;

	regs.eflags &= ~(FLAG_TRAP | FLAG_DIRECTION);
	regs.orig_rax = UINT64_MAX;
	return regs;
}
