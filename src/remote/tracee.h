/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads held by ptrace. PTRACE_SEIZE without EXITKILL: if cpt dies, the
 * kernel detaches every thread and the container runs on as it was.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include "base/err.h"

struct tracee {
	pid_t tid;
	struct user_regs_struct regs;	/* as they were when it stopped */
	int stop_signal;		/* a signal the stop intercepted, to be delivered at release; 0 */
	bool group_stopped;		/* it was in a job-control stop (SIGSTOP) when seized */
	bool regs_changed;		/* its registers must be written back before release */
};

/*
 * Attach to @tid and stop it, with children and threads it makes attached and
 * stopped too (PTRACE_O_TRACE{FORK,VFORK,CLONE}). -ESRCH: it ended meanwhile,
 * which callers treat as a normal result.
 */
int tracee_seize(struct tracee *t, pid_t tid, struct err *e);
/* Collect a thread that was attached by a TRACEFORK/TRACECLONE event of another. */
int tracee_adopt(struct tracee *t, pid_t tid, struct err *e);
/* Write the registers back if they were changed and let it run on exactly as it was. */
int tracee_release(struct tracee *t, struct err *e);

/* Floating point, SSE, AVX...: the XSAVE area as ptrace gives it (NT_X86_XSTATE). Caller frees *ret. */
int tracee_get_xstate(const struct tracee *t, void **ret, size_t *ret_len, struct err *e);
int tracee_set_xstate(const struct tracee *t, const void *xstate, size_t len, struct err *e);
int tracee_get_sigmask(const struct tracee *t, uint64_t *ret, struct err *e);
int tracee_set_sigmask(const struct tracee *t, uint64_t mask, struct err *e);
int tracee_set_regs(struct tracee *t, const struct user_regs_struct *regs, struct err *e);
