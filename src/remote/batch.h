/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Remote syscalls are data. A batch is a table of system calls with their
 * arguments, the result each must have and what it is for; it is executed in
 * a stopped thread by a small stub (stub.S) that walks the table and stops the
 * thread at its end or at the first call that failed. A batch without a target
 * can be printed and tested.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"
#include "remote/tracee.h"

struct batch;

/*
 * An argument: a number, the target's address of data in the batch, an earlier call's result, or the
 * target's address of an argument of another call, for the kernel to write a number of a later call there.
 */
struct batch_arg {
	enum { ARG_VALUE, ARG_DATA, ARG_RESULT, ARG_ARGUMENT } type;
	uint64_t value;		/* the number, data offset, call index, or 6 * call index + argument */
};
#define ARG(v) ((struct batch_arg){ ARG_VALUE, (uint64_t)(v) })
#define ARG_AT(off) ((struct batch_arg){ ARG_DATA, (off) })
#define ARG_OF(call) ((struct batch_arg){ ARG_RESULT, (call) })
#define ARG_AT_ARGUMENT(call, nth) ((struct batch_arg){ ARG_ARGUMENT, 6 * (uint64_t)(call) + (nth) })

struct batch *batch_new(void);
void batch_free(struct batch *b);
void batch_freep(struct batch **b);
#define _cleanup_batch_ __attribute__((cleanup(batch_freep)))

/*
 * Add a call. @why is a static or batch-owned phrase for messages: "restore
 * umask". The call must not fail (result outside -4095..-1) unless changed by
 * batch_expect() or batch_may_fail(). Returns the call's index.
 */
size_t batch_add(struct batch *b, const char *why, long nr, size_t nr_args,
		 const struct batch_arg *args);
#define batch_call(b, why, nr, ...) \
	batch_add(b, why, nr, \
		  sizeof((struct batch_arg[]){ __VA_ARGS__ }) / sizeof(struct batch_arg), \
		  (struct batch_arg[]){ __VA_ARGS__ })
void batch_expect(struct batch *b, size_t call, int64_t result);	/* exactly this */
void batch_may_fail(struct batch *b, size_t call);
/*
 * Room for @len bytes in the data area, 16-aligned, copied from @p or zeroed
 * when it is NULL. Returns its offset. It is copied to the target with the
 * calls that have it as an argument (ARG_AT() of any byte of it), and back.
 */
size_t batch_data(struct batch *b, const void *p, size_t len);
/* Data at @where gets the target's address of data at @to: an iov_base, a msg_control... */
void batch_pointer(struct batch *b, size_t where, size_t to);
/* printf into a string that lives as long as the batch, for @why. */
const char *batch_why(struct batch *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

size_t batch_length(const struct batch *b);
/* After a run; 0 for a call that was not made. */
int64_t batch_result(const struct batch *b, size_t call);
/* An argument, after a run as the target left it (ARG_AT_ARGUMENT). */
uint64_t batch_argument(const struct batch *b, size_t call, size_t nth);
/* What to send, or after a run what the target left there. Good until the next batch_data(). */
void *batch_data_at(const struct batch *b, size_t off);
/* One call a line, for --dry-run and tests. */
void batch_print(const struct batch *b, FILE *f);

/*
 * The foothold in one address space: a mapping that holds stub, table and
 * data, made and later removed by single system calls at the target's own
 * vdso (or any executable `syscall` instruction), so no byte of the target's
 * memory is changed. Threads of one process can share it, one at a time.
 */
struct remote;

/*
 * @at: where to put it (page aligned; must be free) in a process that cpt is
 * making, or 0 for the target's kernel to choose: in one that has to survive
 * the death of cpt at any moment, and then has no foothold any more (nest.c;
 * not where it has no vdso). Refused with -EOPNOTSUPP: threads that run 32-bit code or
 * have a shadow stack (CET), and seccomp filters that can't be suspended.
 */
int remote_open(struct remote **ret, struct tracee *t, uint64_t at, struct err *e);
uint64_t remote_address(const struct remote *r);
/* In bytes, fixed at open (1 MiB): larger batches are run in parts. */
size_t remote_size(const struct remote *r);
/*
 * Is @b run in one part? Then all of it is done by the target alone: also when cpt dies meanwhile. A batch with
 * ARG_AT_ARGUMENT() has to be.
 */
bool remote_holds(struct batch *b);
/*
 * Run @b in thread @t, which belongs to the process of @r. On failure the
 * message names the call, its purpose and the thread; calls after the failed
 * one were not made. Registers are put back, and so is the signal mask, which
 * a call in the batch can't change for good: use tracee_set_sigmask(). Signals
 * that come meanwhile stay pending. -ESRCH: the thread ended.
 */
int remote_run(struct remote *r, struct tracee *t, struct batch *b, struct err *e);
/* One call, for when the next step depends on it. */
int remote_call(struct remote *r, struct tracee *t, const char *why, int64_t *ret,
		long nr, size_t nr_args, const uint64_t *args, struct err *e);
/* Where a `syscall` instruction is once the caller has moved the vdso (its new base address). */
int remote_moved_vdso(struct remote *r, struct tracee *t, uint64_t vdso, struct err *e);
/* Remove the foothold; @t runs on with its own registers. Frees @r. Death of the target is fine. */
int remote_close(struct remote *r, struct tracee *t, struct err *e);
