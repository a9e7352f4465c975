// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel detaches the threads of a tracer that dies, and they run on with
 * the registers they have. So a thread of ours must at every moment have
 * either its own registers and signal mask or such that lead it back to them,
 * and there is none in the target's memory to lead it, before there is a
 * foothold and when it goes. But a vdso ends with zeroes up to the page: there
 * is the nest (stub.S), written by the tracer's right to write to any private
 * mapping. All that remains of it is that the process has a copy of this page,
 * with the same contents.
 *
 * While there is a foothold one thread of the process, the carrier, is on its
 * way home even when it rests: it would remove the foothold. The order of all
 * steps follows from that: the nest is written before registers lead there,
 * which is before the mask and the dispatch change; these are put back before
 * the registers are. There are two nests for a change of the carrier: the next
 * one's registers lead to its nest, then a single write, which no signal cuts
 * short, says that this one has the foothold, and then the last one is itself.
 *
 * A seccomp filter, which is in force again then, has to let munmap() and
 * rt_sigprocmask() pass.
 */
#include <elf.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <string.h>
#include <sys/prctl.h>
#include "base/util.h"
#include "remote/interrupted.h"
#include "remote/nest.h"

#define CODE_BYTES ((size_t)(nest_data - nest_begin))
#define NEST_BYTES (CODE_BYTES + NEST_SIZE)
#define NESTS_BYTES (2 * NEST_BYTES)

static uint64_t address(const struct remote *r, const char *place)
{
	return r->nest + r->turn * NEST_BYTES + (uint64_t)(place - nest_begin);
}

uint64_t nest_call(const struct remote *r)
{
	return address(r, nest_begin);
}

static struct stub_nest *nest_of(const struct remote *r, unsigned int turn)
{
	return (struct stub_nest *)(void *)(r->nests + turn * NEST_BYTES + CODE_BYTES);
}

/* ---- finding, writing ------------------------------------------------------------ */

/* Behind the section headers, which are last in a vdso image. 0: no room. */
static uint64_t find_tail(pid_t pid, uint64_t vdso)
{
	Elf64_Ehdr h;
	uint64_t end;

	if (copy_from(pid, vdso, &h, sizeof(h), &ERR_INIT) < 0 || h.e_shoff > 64 * PAGE_SIZE || !h.e_shoff)
		return 0;
	end = (h.e_shoff + (uint64_t)h.e_shnum * h.e_shentsize + 15) & ~15ull;
	return PAGE_ALIGN(end) - end >= NESTS_BYTES ? vdso + end : 0;
}

/* Nothing is there, or what a cpt that was killed has left. */
static bool tail_is_free(pid_t pid, uint64_t at)
{
	_cleanup_free_ char *now = xmalloc(NESTS_BYTES), *zeroes = xcalloc(1, NESTS_BYTES);

	return copy_from(pid, at, now, NESTS_BYTES, &ERR_INIT) == 0 &&
	       (memcmp(now, zeroes, NESTS_BYTES) == 0 || memcmp(now, nest_begin, CODE_BYTES) == 0);
}

void nest_open(struct remote *r, uint64_t vdso)
{
	uint64_t at = find_tail(r->pid, vdso);

	if (!at || !tail_is_free(r->pid, at))
		return;
	r->nests = xcalloc(1, NESTS_BYTES);
	memcpy(r->nests, nest_begin, CODE_BYTES);
	memcpy(r->nests + NEST_BYTES, nest_begin, CODE_BYTES);
	if (pwrite(r->mem, r->nests, NESTS_BYTES, (off_t)at) == (ssize_t)NESTS_BYTES)
		r->nest = at;
}

static int write_nests(const struct remote *r, struct err *e)
{
	ssize_t n = pwrite(r->mem, r->nests, NESTS_BYTES, (off_t)r->nest);

	if (n == (ssize_t)NESTS_BYTES)
		return 0;
	if (task_is_gone(r->pid))
		return task_ended(r->pid, e);
	return err_ret(e, n < 0 ? -errno : -EFAULT, "write to the vdso of task %d", r->pid);
}

int nest_set_foothold(struct remote *r, uint64_t base, struct err *e)
{
	if (!r->nest)
		return 0;
	nest_of(r, r->turn)->foothold = base;
	return write_nests(r, e);
}

/* ---- the carrier -------------------------------------------------------------------- */

void nest_write_home(struct stub_home *home, const struct user_regs_struct *regs, uint64_t mask)
{
	*home = (struct stub_home){
		.mask = mask, .flags = regs->eflags, .rip = regs->rip, .rsp = regs->rsp,
		.rax = regs->rax, .rbx = regs->rbx, .rcx = regs->rcx, .rdx = regs->rdx,
		.rsi = regs->rsi, .rdi = regs->rdi,
		.rbp = regs->rbp, .r8 = regs->r8, .r9 = regs->r9, .r10 = regs->r10, .r11 = regs->r11,
		.r12 = regs->r12, .r13 = regs->r13, .r14 = regs->r14, .r15 = regs->r15,
	};
}

struct user_regs_struct nest_regs(const struct remote *r, const struct tracee *t)
{
	struct user_regs_struct regs = loan_regs(t);

	regs.rip = address(r, nest_home);
	return regs;
}

/* That it ended is fine. */
static int be_itself(struct tracee *t, struct err *e)
{
	int err = t && t->tid ? tracee_set_regs(t, &t->regs, e) : 0;

	return err == -ESRCH ? 0 : err;
}

static void describe(const struct remote *r, struct stub_nest *nest, const struct loan *l)
{
	struct user_regs_struct regs = interrupted_resume(&l->t->regs);

	*nest = (struct stub_nest){ .foothold = NEST_NO_FOOTHOLD, .behind = address(r, nest_regs_back) };
	nest_write_home(&nest->home, &regs, l->mask);
	if (l->dispatch.mode == PR_SYS_DISPATCH_OFF)
		return;
	nest->behind = address(r, nest_dispatch);
	nest->mode = l->dispatch.mode;
	nest->offset = l->dispatch.offset;
	nest->len = l->dispatch.len;
	nest->selector = l->dispatch.selector;
}

static int lead_home(struct remote *r, struct tracee *t, struct err *e)
{
	struct user_regs_struct regs = nest_regs(r, t);

	r->carrier = t;
	t->regs_changed = true;
	return trace_do(PTRACE_SETREGS, t->tid, 0, (uint64_t)&regs, "setting the registers", e);
}

int nest_carry(struct remote *r, const struct loan *l, struct err *e)
{
	struct tracee *last = r->carrier;
	int err;

	if (!r->nest || last == l->t)
		return 0;
	r->turn = !r->turn;
	describe(r, nest_of(r, r->turn), l);
	err = write_nests(r, e) ?: lead_home(r, l->t, e);
	nest_of(r, !r->turn)->foothold = NEST_NO_FOOTHOLD;
	return err ?: nest_set_foothold(r, r->base ?: NEST_NO_FOOTHOLD, e) ?: be_itself(last, e);
}

int nest_close(struct remote *r, struct err *e)
{
	int err = be_itself(take_ptr(r->carrier), e);

	if (err < 0 || !r->nest)
		return err;
	/* Where it can't be written to, nothing of it is left: the vdso was moved, or the process has ended. */
	memset(r->nests, 0, NESTS_BYTES);
	write_nests(r, &ERR_INIT);
	r->nest = 0;
	return 0;
}
