/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread on loan: it executes something of ours, and then has its own
 * registers, signal mask and system call dispatch again. For foothold.c and
 * run.c.
 */
#pragma once
#include <stdint.h>
#include "remote/trace.h"
#include "remote/tracee.h"

/* Per-task configuration of syscall user dispatch (linux/ptrace.h since 6.4). */
struct dispatch {
	uint64_t mode, selector, offset, len;
};

struct remote;

struct loan {
	struct remote *r;
	struct tracee *t;
	uint64_t mask;
	struct dispatch dispatch;
};

#define ALL_SIGNALS UINT64_MAX
#define SIGNAL_BIT(sig) (1ull << ((sig) - 1))

/*
 * Should cpt die meanwhile the thread finds its way back (nest.c). @blocked: its signal mask meanwhile. -EOPNOTSUPP:
 * it can't run our calls at all.
 */
int loan_begin(struct loan *l, struct remote *r, struct tracee *t, uint64_t blocked, struct err *e);
/*
 * After any outcome: the thread is in a stop that stop_settle() makes, or
 * before a signal. The carrier's registers still lead home, if it can go on so.
 */
int loan_end(struct loan *l, struct err *e);

/* Its registers without what harms our code: single steps, direction, a call to restart. */
struct user_regs_struct loan_regs(const struct tracee *t);

/* The target's memory, by cpt's own hand and as its mappings permit. -ESRCH: it ended. */
int copy_to(pid_t pid, uint64_t at, const void *p, size_t len, struct err *e);
int copy_from(pid_t pid, uint64_t at, void *p, size_t len, struct err *e);
