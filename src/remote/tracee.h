/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads held by ptrace. PTRACE_SEIZE without EXITKILL: if cpt dies, the
 * kernel detaches every thread and the container runs on as it was, also out
 * of a remote call (nest.c). But what cpt makes ends with it (tracee_bind()).
 *
 * Between any two functions of this folder a held thread is in a stop at the
 * kernel's way back to user mode, with the signal mask it will run on with. So
 * are its registers, or they lead it there at once (nest.c): `regs` below has
 * the registers.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>
#include "base/err.h"

struct tracee {
	pid_t tid;			/* 0: not held */
	struct user_regs_struct regs;	/* what it will run on with */
	bool group_stopped;		/* in a job-control stop, to which release returns it */
	bool regs_changed;		/* it has others at the moment: regs must be written back */
	bool filtered;			/* its seccomp filters could not be suspended */
};

/*
 * Attach to @tid and stop it, with children and threads it makes attached and
 * stopped too (PTRACE_O_TRACE{FORK,VFORK,CLONE}). A signal that was just being
 * delivered is delivered first; others stay pending in the thread. No call it
 * was in is seen to fail with EINTR for it. -ESRCH: it ended meanwhile, which
 * callers treat as a normal result. -EPERM: somebody traces it already, or
 * cpt may not. -ETIMEDOUT: it sleeps where it can't be stopped, in vfork(2)
 * for one; it is then attached until cpt ends.
 */
int tracee_seize(struct tracee *t, pid_t tid, struct err *e);
int tracee_seize_within(struct tracee *t, pid_t tid, unsigned int timeout_ms, struct err *e);
/*
 * From now on it ends when cpt ends, and so do threads and children it makes:
 * for a process that cpt makes, which is nothing until it is complete.
 */
int tracee_bind(const struct tracee *t, struct err *e);
/*
 * Collect a thread that was attached by a TRACEFORK/TRACECLONE event of
 * another. One that a remote call made has the registers of the stub and the
 * signal mask of a remote call (all blocked): the caller sets its own.
 */
int tracee_adopt(struct tracee *t, pid_t tid, struct err *e);
/*
 * Write the registers back if they were changed and let it run on exactly as
 * it was: a call restarts, a job-control stop goes on, pending signals are
 * delivered. -ESRCH: it ended meanwhile. Nothing is done for tid 0.
 */
int tracee_release(struct tracee *t, struct err *e);

/*
 * Put a process, all of whose threads are held (the leader first), into a
 * job-control stop by SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU, whatever they
 * block. In an orphaned process group, where only SIGSTOP has any effect, by
 * that. None of them runs; they stay held, and go on stopping when released.
 */
int tracee_job_stop(struct tracee *const *threads, size_t nr, int signal, struct err *e);

/* Floating point, SSE, AVX...: the XSAVE area (NT_X86_XSTATE). The caller frees *ret. */
int tracee_get_xstate(const struct tracee *t, void **ret, size_t *ret_len, struct err *e);
/*
 * The area may come from a processor with fewer features, whose area is
 * shorter. -ENODEV: it holds state of a feature that is missing here;
 * -EINVAL: it is no valid XSAVE area.
 */
int tracee_set_xstate(const struct tracee *t, const void *xstate, size_t len, struct err *e);
int tracee_get_sigmask(const struct tracee *t, uint64_t *ret, struct err *e);
int tracee_set_sigmask(const struct tracee *t, uint64_t mask, struct err *e);
int tracee_set_regs(struct tracee *t, const struct user_regs_struct *regs, struct err *e);

/*
 * A seccomp filter of the thread, the oldest of them first: its struct
 * sock_filter[], which the caller frees, and whether it logs what it forbids.
 * -ENOENT: it has no more than @index.
 */
int tracee_get_filter(const struct tracee *t, size_t index, void **ret, size_t *ret_len, bool *ret_log, struct err *e);
