/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ptrace(2) as the files of this folder use it: requests with errors, and the
 * stops of a seized thread, told apart.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

/* A thread that does not come to a stop in this time is reported. */
#define STOP_TIMEOUT_MS 10000
/* A remote call may be slow in earnest: open a file on a server, read in a page. */
#define CALL_TIMEOUT_MS 60000

enum stop_kind {
	STOP_TRAP,	/* PTRACE_EVENT_STOP: by PTRACE_INTERRUPT, at birth, or by job control */
	STOP_SIGNAL,	/* before a signal is delivered */
	STOP_SYSCALL,	/* at the entry or the exit of a system call (PTRACE_SYSCALL) */
	STOP_EVENT,	/* inside fork, vfork or clone (PTRACE_O_TRACE...) */
};

struct stop {
	enum stop_kind kind;
	int signal;	/* STOP_SIGNAL: which; STOP_TRAP: SIGTRAP, or that of a job-control stop */
};

/* ptrace(2) with the types that the kernel has: -1 and errno on failure. */
long trace(int request, pid_t tid, uint64_t addr, uint64_t data);
/*
 * The same with a message, "@what of task 12 (bash)". 0; -ESRCH: the thread
 * has ended; -EBUSY: it has not, but is not stopped either; any other errno.
 */
int trace_do(int request, pid_t tid, uint64_t addr, uint64_t data, const char *what, struct err *e);
/*
 * The next stop of a thread. -ESRCH when it ended, -ETIMEDOUT when it did not
 * stop for @timeout_ms; the message says what it is waiting in.
 */
int stop_wait(pid_t tid, unsigned int timeout_ms, struct stop *ret, struct err *e);
/* As stop_wait(), but only looks: 1 a stop, 0 none, or negative. */
int stop_poll(pid_t tid, struct stop *ret, struct err *e);
/*
 * From whatever stop a thread is in, which @signal (or 0) may be delivered
 * from, to the STOP_TRAP at the kernel's way back to user mode: the one place
 * where a system call that the registers describe gets restarted (x86
 * arch_do_signal_or_restart()). The stop it ends in is stored in *@ret.
 */
int stop_settle(pid_t tid, int signal, unsigned int timeout_ms, struct stop *ret, struct err *e);
/* For messages: "task 12 (bash)", "task 12" when it has ended. Returns @buf. */
const char *task_label(pid_t tid, char buf[static 48]);
/* It has ended or is about to, whether or not somebody waited for it yet. */
bool task_is_gone(pid_t tid);
/*
 * Of a thread that was held and has ended: it is a zombie until its tracer has
 * waited for it, and so is the leader of its group, whose parent waits in turn.
 */
void task_reap(pid_t tid);
/* The message and the code for a thread that ended: -ESRCH. */
int task_ended(pid_t tid, struct err *e);
