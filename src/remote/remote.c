// SPDX-License-Identifier: GPL-2.0-only
/*
 * The foothold in a stopped process, and running batches from it. Nothing of
 * the target is changed: the foothold is a mapping of its own, made by one
 * system call at an instruction the target has anyway, registers and signal
 * mask are put back.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "base/util.h"
#include "remote/batch_table.h"
#include "remote/trace.h"

#define FOOTHOLD_SIZE (1024 * 1024ul)
#define TABLE_AT PAGE_SIZE		/* the stub is in the first page */
#define TABLE_ROOM 4096			/* calls in one part */
#define DATA_AT (TABLE_AT + PAGE_ALIGN(TABLE_ROOM * sizeof(struct entry)))

extern const char remote_stub[], remote_stub_end[];

struct remote {
	pid_t pid;
	uint64_t base;
	uint64_t gadget;	/* address of a `syscall` instruction outside the foothold */
};

uint64_t remote_address(const struct remote *r)
{
	return r->base;
}

size_t remote_size(const struct remote *r)
{
	(void)r;
	return FOOTHOLD_SIZE;
}

static int copy_to(pid_t pid, uint64_t at, const void *p, size_t len, struct err *e)
{
	struct iovec here = { (void *)(uintptr_t)p, len }, there = { (void *)(uintptr_t)at, len };

	if (len && process_vm_writev(pid, &here, 1, &there, 1, 0) != (ssize_t)len)
		return errno == ESRCH ? -ESRCH : err_sys(e, "write to task %d at %#jx", pid, (uintmax_t)at);
	return 0;
}

static int copy_from(pid_t pid, uint64_t at, void *p, size_t len, struct err *e)
{
	struct iovec here = { p, len }, there = { (void *)(uintptr_t)at, len };

	if (len && process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)len)
		return errno == ESRCH ? -ESRCH : err_sys(e, "read from task %d at %#jx", pid, (uintmax_t)at);
	return 0;
}

/*
 * Let @t run from @regs until it traps. With all signals blocked only a stop
 * signal, a clone event or its death can come between.
 */
static int run_until_trap(struct tracee *t, struct user_regs_struct *regs, int request, struct err *e)
{
	int status, r;

	t->regs_changed = true;
	regs->orig_rax = -1ull;		/* the kernel must not think of restarting a system call */
	if (trace(PTRACE_SETREGS, t->tid, 0, (uint64_t)regs) < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "set the registers of task %d", t->tid);
	for (;;) {
		if (trace(request, t->tid, 0, 0) < 0)
			return errno == ESRCH ? -ESRCH : err_sys(e, "run task %d", t->tid);
		r = tracee_wait(t->tid, &status, e);
		if (r < 0)
			return r;
		if (status >> 16 == PTRACE_EVENT_STOP)
			t->group_stopped = WSTOPSIG(status) != SIGTRAP;
		else if (status >> 16 == 0 && WSTOPSIG(status) == SIGTRAP)
			break;
		else if (status >> 16 == 0)
			return err_set(e, -EFAULT, "task %d got signal %d in a remote call", t->tid, WSTOPSIG(status));
	}
	if (trace(PTRACE_GETREGS, t->tid, 0, (uint64_t)regs) < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "read the registers of task %d", t->tid);
	return 0;
}

static int with_signals_blocked(struct tracee *t, struct user_regs_struct *regs, int request, struct err *e)
{
	uint64_t mask;
	int r = tracee_get_sigmask(t, &mask, e) ?: tracee_set_sigmask(t, ~0ull, e);

	if (r < 0)
		return r;
	r = run_until_trap(t, regs, request, e);
	if (r < 0)
		return r;
	return tracee_set_sigmask(t, mask, e);
}

/* One system call at the gadget. */
static int gadget_call(uint64_t gadget, struct tracee *t, int64_t *ret, long nr, size_t nr_args,
		       const uint64_t *args, struct err *e)
{
	struct user_regs_struct regs = t->regs;
	uint64_t a[6] = { 0 };
	int r;

	memcpy(a, args, nr_args * sizeof(*a));
	regs.rip = gadget;
	regs.rax = (uint64_t)nr;
	regs.rdi = a[0];
	regs.rsi = a[1];
	regs.rdx = a[2];
	regs.r10 = a[3];
	regs.r8 = a[4];
	regs.r9 = a[5];
	r = with_signals_blocked(t, &regs, PTRACE_SINGLESTEP, e);
	*ret = (int64_t)regs.rax;
	return r;
}

static uint64_t find_syscall(pid_t pid, uint64_t start, uint64_t end)
{
	size_t len = min(end - start, 16 * 1024 * 1024ul);
	_cleanup_free_ char *code = xmalloc(len);
	char *found;

	if (copy_from(pid, start, code, len, &ERR_INIT) < 0)
		return 0;
	found = memmem(code, len, "\x0f\x05", 2);
	return found ? start + (uint64_t)(found - code) : 0;
}

/* The vdso has one in the fallback of clock_gettime(); any executable mapping will do. */
static int find_gadget(struct remote *r, struct err *e)
{
	_cleanup_free_ char *maps = NULL;
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/maps", r->pid);
	ret = read_file_at(-1, path, &maps, NULL);
	if (ret < 0)
		return ret == -ESRCH || ret == -ENOENT ? -ESRCH : err_ret(e, ret, "read %s", path);
	for (int any = 0; any < 2 && !r->gadget; any++) {
		for (char *line = maps; line && *line && !r->gadget; line = strchr(line, '\n')) {
			uint64_t start, end;
			char perms[5];

			line += *line == '\n';
			if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3 || perms[2] != 'x')
				continue;
			if (any || memmem(line, strcspn(line, "\n"), "[vdso]", 6))
				r->gadget = find_syscall(r->pid, start, end);
		}
	}
	if (!r->gadget)
		return err_set(e, -ENOEXEC, "task %d has no system call instruction in its memory", r->pid);
	return 0;
}

/*
 * Running elsewhere makes the kernel forget a restartable sequence that the
 * thread was stopped in, so do first what the kernel would have done on return
 * to it: go to its abort address (kernel/rseq.c).
 */
static int rseq_abort(struct tracee *t, struct err *e)
{
	struct ptrace_rseq_configuration config = { 0 };
	struct { uint32_t version, flags; uint64_t start, length, abort; } cs;
	uint64_t at = 0;
	int r;

	if (trace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(config), (uint64_t)&config) < 0 ||
	    !config.rseq_abi_pointer)
		return 0;
	r = copy_from(t->tid, config.rseq_abi_pointer + 8, &at, sizeof(at), e);
	if (r < 0 || !at)
		return r;
	r = copy_from(t->tid, at, &cs, sizeof(cs), e);
	if (r == 0 && t->regs.rip - cs.start < cs.length) {
		t->regs.rip = cs.abort;
		t->regs_changed = true;
	}
	return r;
}

int remote_open(struct remote **ret, struct tracee *t, uint64_t at, struct err *e)
{
	_cleanup_free_ struct remote *r = xcalloc(1, sizeof(*r));
	uint64_t args[] = { at, FOOTHOLD_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0), (uint64_t)-1, 0 };
	int64_t base;
	int err;

	r->pid = t->tid;
	err = rseq_abort(t, e) ?: find_gadget(r, e) ?: gadget_call(r->gadget, t, &base, SYS_mmap, 6, args, e);
	if (err < 0)
		return err;
	if (base < 0 && base > -4096)
		return err_ret(e, (int)base, "make a foothold in task %d", t->tid);
	r->base = (uint64_t)base;
	err = copy_to(r->pid, r->base, remote_stub, (size_t)(remote_stub_end - remote_stub), e);
	if (err < 0)
		return err;
	*ret = take_ptr(r);
	return 0;
}

static int run_part(struct remote *r, struct tracee *t, struct batch *b, size_t first, size_t nr,
		    struct entry *table, struct err *e)
{
	struct user_regs_struct regs = t->regs;
	uint64_t table_at = r->base + TABLE_AT;
	size_t done;
	int err;

	err = copy_to(r->pid, table_at, table, nr * sizeof(*table), e);
	if (err < 0)
		return err;
	regs.rip = r->base;
	regs.rbx = table_at;
	regs.r12 = table_at + nr * sizeof(*table);
	err = rseq_abort(t, e) ?: with_signals_blocked(t, &regs, PTRACE_CONT, e) ?:
	      copy_from(r->pid, table_at, table, nr * sizeof(*table), e);
	if (err < 0)
		return err;
	done = (regs.rbx - table_at) / sizeof(*table);
	for (size_t i = 0; i < nr && i <= done; i++)
		b->calls[first + i].result = (int64_t)table[i].result;
	if (done < nr) {
		struct call *c = &b->calls[first + done];

		if (c->result < 0 && c->result > -4096)
			return err_ret(e, (int)c->result, "task %d: %s (system call %ld)", t->tid, c->why, c->nr);
		return err_set(e, -EPROTO, "task %d: %s (system call %ld) gave %ld instead of %ld", t->tid, c->why,
			       c->nr, c->result, (int64_t)c->lowest);
	}
	return 0;
}

int remote_run(struct remote *r, struct tracee *t, struct batch *b, struct err *e)
{
	_cleanup_free_ struct entry *table = xcalloc(min(b->nr + 1, (size_t)TABLE_ROOM), sizeof(*table));
	int err;

	if (b->data_len > FOOTHOLD_SIZE - DATA_AT)
		return err_set(e, -E2BIG, "a batch has %zu bytes of data, more than fit", b->data_len);
	err = copy_to(r->pid, r->base + DATA_AT, b->data, b->data_len, e);
	for (size_t first = 0, nr; err == 0 && first < b->nr; first += nr) {
		nr = batch_fill_table(b, first, TABLE_ROOM, table, r->base + TABLE_AT, r->base + DATA_AT);
		err = run_part(r, t, b, first, nr, table, e);
	}
	if (err == 0)
		err = copy_from(r->pid, r->base + DATA_AT, b->data, b->data_len, e);
	return err;
}

int remote_call(struct remote *r, struct tracee *t, const char *why, int64_t *ret,
		long nr, size_t nr_args, const uint64_t *args, struct err *e)
{
	int err = gadget_call(r->gadget, t, ret, nr, nr_args, args, e);

	if (err == 0 && *ret < 0 && *ret > -4096)
		return err_ret(e, (int)*ret, "task %d: %s (system call %ld)", t->tid, why, nr);
	return err;
}

int remote_moved_vdso(struct remote *r, struct tracee *t, uint64_t vdso, struct err *e)
{
	r->gadget = find_syscall(r->pid, vdso, vdso + 2 * PAGE_SIZE);
	if (!r->gadget)
		return err_set(e, -ENOEXEC, "task %d: no system call instruction in its vdso", t->tid);
	return 0;
}

int remote_close(struct remote *r, struct tracee *t, struct err *e)
{
	uint64_t args[] = { r->base, FOOTHOLD_SIZE };
	int64_t result;
	int err = remote_call(r, t, "remove the foothold", &result, SYS_munmap, 2, args, e);

	free(r);
	return err == -ESRCH ? 0 : err;
}
