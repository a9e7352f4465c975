// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers of a thread, general and extended (FPU, SSE, AVX...), and the
 * system call it was stopped in: table `registers`.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "state/process.h"
#include "state/registers.h"

/* Codes that the kernel leaves in rax of a system call it means to restart (include/linux/errno.h). */
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

#define USER_CS 0x33	/* 64-bit user code, arch/x86/include/asm/segment.h */

struct registers_row {
	int64_t thread;
	int64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs,
		eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;	/* the order of struct user_regs_struct */
	struct blob xstate;
};

#define REG(name) INT_COLUMN_OR_NULL(struct registers_row, name, INT64_MIN, INT64_MAX)

static const struct column registers_columns[] = {
	INT_COLUMN(struct registers_row, thread, 1, INT32_MAX),
	REG(r15), REG(r14), REG(r13), REG(r12), REG(rbp), REG(rbx), REG(r11), REG(r10), REG(r9), REG(r8),
	REG(rax), REG(rcx), REG(rdx), REG(rsi), REG(rdi), REG(orig_rax), REG(rip), REG(cs), REG(eflags),
	REG(rsp), REG(ss), REG(fs_base), REG(gs_base), REG(ds), REG(es), REG(fs), REG(gs),
	BLOB_COLUMN(struct registers_row, xstate, 65536),
};
static const struct table registers_table = TABLE("registers", struct registers_row, registers_columns);

_Static_assert(sizeof(struct user_regs_struct) == offsetof(struct registers_row, xstate) - 8,
	       "registers_row follows struct user_regs_struct");

/*
 * A call that was interrupted before (by a signal without a handler, a stop,
 * an earlier snapshot) goes on as restart_syscall(2), for which the kernel
 * remembers what it was; the snapshot can't. Its arguments are still in their
 * registers, and its number is in the program: "mov $nr, %eax; syscall" is how
 * libraries make calls. What looks otherwise ends with EINTR at a restore.
 */
static int64_t restarted_call(const struct live_thread *t)
{
	static const uint16_t calls[] = { SYS_nanosleep, SYS_clock_nanosleep, SYS_poll, SYS_futex };
	const struct user_regs_struct *regs = &t->tracee.regs;
	unsigned char code[7];
	struct iovec here = { code, sizeof(code) };
	struct iovec there = { (void *)(uintptr_t)(regs->rip - sizeof(code)), sizeof(code) };
	uint32_t nr;

	if (process_vm_readv(t->tid, &here, 1, &there, 1, 0) != sizeof(code) || code[0] != 0xb8 ||
	    code[5] != 0x0f || code[6] != 0x05)
		return SYS_restart_syscall;
	memcpy(&nr, code + 1, sizeof(nr));
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i] == nr)
			return nr;
	return SYS_restart_syscall;
}

static int registers_save(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	_cleanup_free_ void *xstate = NULL;
	struct registers_row *row;
	size_t len;
	int r;

	if (!s->frozen || p->zombie)
		return 0;
	if (t->tracee.regs.cs != USER_CS) {
		save_refuse(s, p, "its processor mode", "run a 64-bit build of the program",
			    "thread %d runs 32-bit code", t->tid);
		return 0;
	}
	r = tracee_get_xstate(&t->tracee, &xstate, &len, e);
	if (r < 0)
		return r;
	row = image_add(s->img, &registers_table);
	row->thread = t->tid;
	memcpy(&row->r15, &t->tracee.regs, sizeof(t->tracee.regs));
	if (row->orig_rax == SYS_restart_syscall && row->rax == -ERESTART_RESTARTBLOCK)
		row->orig_rax = restarted_call(t);
	row->xstate = image_blob(s->img, xstate, len);
	return 0;
}

/*
 * A call that the kernel would restart by itself is restarted by the kernel of
 * the restored thread, for it sees the same registers; but what a
 * RESTART_BLOCK call (nanosleep, poll, futex with a timeout) remembers beside
 * them is gone: it begins again, or ends with EINTR when a signal is handled,
 * which is what NOHAND means.
 */
static int registers_seal(struct restore *r, struct new_process *p, struct new_thread *t, struct err *e)
{
	const struct registers_row *row = image_find(r->img, &registers_table,
						     offsetof(struct registers_row, thread), t->row->thread);
	struct user_regs_struct regs;
	int ret;

	if (!row)
		return err_set(e, -EBADMSG, "thread %ld of process %ld has no row in table registers",
			       t->row->thread, p->row->process);
	memcpy(&regs, &row->r15, sizeof(regs));
	if ((int64_t)regs.orig_rax >= 0 && (int64_t)regs.rax == -ERESTART_RESTARTBLOCK)
		regs.rax = (uint64_t)-ERESTARTNOHAND;
	ret = tracee_set_xstate(&t->tracee, row->xstate.data, row->xstate.len, e);
	if (ret == -EINVAL || ret == -ENODEV)
		err_advise(e, "restore on a machine whose processor has the same features as where the "
			   "snapshot was taken");
	return ret ?: tracee_set_regs(&t->tracee, &regs, e);
}

const struct kind registers_kind = {
	.name = "registers",
	.tables = (const struct table *const[]){ &registers_table, NULL },
	.save_thread = registers_save,
	.seal_thread = registers_seal,
};
