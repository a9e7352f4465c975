// SPDX-License-Identifier: GPL-2.0-only
/*
 * The foothold in a stopped process. Nothing of the target is changed: the
 * foothold is a mapping of its own, made by single system calls at an
 * instruction that the target has anyway. The calls are traced at their entry
 * and exit, which takes no signal and no trap instruction.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "base/util.h"
#include "remote/batch.h"
#include "remote/loan.h"
#include "remote/nest.h"
#include "remote/remote_parts.h"

#ifndef NT_X86_SHSTK
#define NT_X86_SHSTK 0x204	/* linux/elf.h since 6.6 */
#endif

uint64_t remote_address(const struct remote *r)
{
	return r->base;
}

size_t remote_size(const struct remote *r)
{
	(void)r;
	return FOOTHOLD_SIZE;
}

static void remote_free(struct remote *r)
{
	if (r) {
		free(r->image);
		free(r->nests);
		close_fd(&r->mem);
	}
	free(r);
}

static void remote_freep(struct remote **r)
{
	remote_free(*r);
}

/* ---- a syscall instruction ---------------------------------------------------- */

static const char syscall_code[] = { 0x0f, 0x05 };

static uint64_t find_code(const char *code, size_t len, uint64_t at)
{
	const char *found = memmem(code, len, syscall_code, sizeof(syscall_code));

	return found ? at + (uint64_t)(found - code) : 0;
}

/* The vdso is two pages of ELF; clock_gettime() falls back on the system call. 0: not there. */
static uint64_t find_in_vdso(pid_t pid, uint64_t vdso)
{
	char code[2 * PAGE_SIZE];

	if (copy_from(pid, vdso, code, sizeof(code), &ERR_INIT) < 0 ||
	    memcmp(code, ELFMAG, SELFMAG) != 0 || !memmem(code, sizeof(code), "linux-vdso", 10))
		return 0;
	return find_code(code, sizeof(code), vdso);
}

/* Where the kernel put the vdso at exec. */
static uint64_t vdso_of_auxv(pid_t pid)
{
	_cleanup_free_ char *auxv = NULL;
	char path[32];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	if (read_file_at(-1, path, &auxv, &len) < 0)
		return 0;
	for (size_t i = 0; i + sizeof(Elf64_auxv_t) <= len; i += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t a;

		memcpy(&a, auxv + i, sizeof(a));
		if (a.a_type == AT_SYSINFO_EHDR)
			return a.a_un.a_val;
	}
	return 0;
}

static uint64_t find_in_range(pid_t pid, uint64_t start, uint64_t end)
{
	_cleanup_free_ char *code = xmalloc(64 * 1024);

	while (start < end) {
		size_t len = min(end - start, 64 * 1024ul);
		uint64_t found;

		if (copy_from(pid, start, code, len, &ERR_INIT) < 0)
			return 0;
		found = find_code(code, len, start);
		if (found)
			return found;
		/* The instruction may lie across two chunks. */
		start += len - (start + len < end);
	}
	return 0;
}

/* In any executable mapping but the foothold, the vdso preferred: it is small. */
static int find_in_maps(const struct remote *r, uint64_t *ret, struct err *e)
{
	_cleanup_free_ char *maps = NULL;
	char path[32];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/maps", r->pid);
	err = read_file_at(-1, path, &maps, NULL);
	if (err == -ESRCH || err == -ENOENT)
		return task_ended(r->pid, e);
	if (err < 0)
		return err_ret(e, err, "read %s", path);
	for (int any = 0; any < 2; any++) {
		for (char *line = maps; *line; line += strcspn(line, "\n"), line += *line == '\n') {
			uint64_t start, end;
			char perms[5];

			if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3 ||
			    perms[2] != 'x' || start == r->base)
				continue;
			if (!any && !memmem(line, strcspn(line, "\n"), "[vdso]", 6))
				continue;
			*ret = find_in_range(r->pid, start, end);
			if (*ret)
				return 0;
		}
	}
	if (!*maps || task_is_gone(r->pid))
		return task_ended(r->pid, e);
	return err_set(e, -ENOEXEC, "task %d has no system call instruction in its memory", r->pid);
}

static int find_gadget(struct remote *r, struct err *e)
{
	uint64_t vdso = vdso_of_auxv(r->pid);

	r->gadget = find_in_vdso(r->pid, vdso);
	if (r->gadget && !r->is_new)
		nest_open(r, vdso);
	return r->gadget ? 0 : find_in_maps(r, &r->gadget, e);
}

static bool gadget_is_there(const struct remote *r)
{
	char code[sizeof(syscall_code)];

	return copy_from(r->pid, r->gadget, code, sizeof(code), &ERR_INIT) == 0 &&
	       memcmp(code, syscall_code, sizeof(code)) == 0;
}

/* ---- single calls ---------------------------------------------------------------- */

/* Run on to the next entry or exit of a system call. */
static int next_syscall_stop(struct tracee *t, struct err *e)
{
	struct stop stop = { STOP_TRAP, 0 };
	uint64_t signal;
	char label[48];
	int r;

	do {
		signal = stop.kind == STOP_SIGNAL ? (uint64_t)stop.signal : 0;
		r = trace_do(PTRACE_SYSCALL, t->tid, 0, signal, "running", e) ?:
		    stop_wait(t->tid, CALL_TIMEOUT_MS, &stop, e);
		if (r == 0 && stop.kind == STOP_TRAP)
			t->group_stopped = stop.signal != SIGTRAP;
		/* All signals are blocked that can be. */
		if (r == 0 && stop.kind == STOP_SIGNAL && stop.signal != SIGSTOP)
			r = err_set(e, -EFAULT, "%s got %s in a single remote call",
				    task_label(t->tid, label),
				    sigdescr_np(stop.signal) ?: "a signal");
	} while (r == 0 && stop.kind != STOP_SYSCALL);
	return r;
}

/* @t is on loan. @effect: on the foothold (NEST_...). A result of -4095..-1 is an error. */
static int single_call(const struct remote *r, struct tracee *t, const char *why, int64_t *ret,
		       long nr, const uint64_t args[6], unsigned int effect, struct err *e)
{
	struct user_regs_struct regs = loan_regs(t);
	char label[48];
	int err;

	regs.rip = r->nest ? nest_call(r) : r->gadget;
	regs.rbx = effect;
	regs.rax = (uint64_t)nr;
	regs.rdi = args[0];
	regs.rsi = args[1];
	regs.rdx = args[2];
	regs.r10 = args[3];
	regs.r8 = args[4];
	regs.r9 = args[5];
	t->regs_changed = true;
	err = trace_do(PTRACE_SETREGS, t->tid, 0, (uint64_t)&regs, "setting the registers", e) ?:
	      next_syscall_stop(t, e) ?: next_syscall_stop(t, e) ?:
	      trace_do(PTRACE_GETREGS, t->tid, 0, (uint64_t)&regs, "reading the registers", e);
	if (err < 0)
		return err;
	*ret = (int64_t)regs.rax;
	if (*ret < 0 && *ret >= -4095)
		return err_ret(e, (int)*ret, "%s: %s", task_label(t->tid, label), why);
	return 0;
}

/* The exit of a call is no place to restart another from, see stop_settle(). */
static int single_calls_end(struct loan *l, int err, struct err *e)
{
	struct stop stop;
	int r;

	if (err == -ESRCH)
		return err;
	r = stop_settle(l->t->tid, 0, STOP_TIMEOUT_MS, &stop, err < 0 ? &ERR_INIT : e);
	if (r == 0)
		r = loan_end(l, err < 0 ? &ERR_INIT : e);
	return err < 0 ? err : r;
}

/* ---- open, close -------------------------------------------------------------------- */

/*
 * The stub's page is executable, the rest is writable, no page is both: some
 * programs forbid that for themselves (PR_SET_MDWE).
 */
static int foothold_map(struct remote *r, struct tracee *t, uint64_t at, struct err *e)
{
	uint64_t flags = MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0);
	uint64_t all[6] = { at, FOOTHOLD_SIZE, PROT_READ | PROT_EXEC, flags, UINT64_MAX, 0 };
	int64_t got;
	int err = single_call(r, t, "make a foothold: mmap", &got, SYS_mmap, all, NEST_MAKES, e);

	if (err < 0)
		return err;
	r->base = (uint64_t)got;
	err = nest_set_foothold(r, r->base, e);
	if (err < 0)
		return err;
	all[0] = r->base + STUB_HOME;
	all[1] = FOOTHOLD_SIZE - STUB_HOME;
	all[2] = PROT_READ | PROT_WRITE;
	all[3] = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	return single_call(r, t, "make a foothold: mmap", &got, SYS_mmap, all, NEST_KEEPS, e);
}

static int foothold_unmap(const struct remote *r, struct tracee *t, struct err *e)
{
	const uint64_t args[6] = { r->base, FOOTHOLD_SIZE };
	int64_t got;

	return single_call(r, t, "remove the foothold: munmap", &got, SYS_munmap, args, NEST_REMOVES, e);
}

/* By way of /proc/<pid>/mem: who may trace a process may write there to a page that is not writable. */
static int stub_write(const struct remote *r, struct err *e)
{
	size_t len = (size_t)(stub_end - stub_begin);
	ssize_t n = pwrite(r->mem, stub_begin, len, (off_t)r->base);

	if (n == (ssize_t)len)
		return 0;
	if (task_is_gone(r->pid))
		return task_ended(r->pid, e);
	return err_ret(e, n < 0 ? -errno : -EFAULT, "write the stub into task %d", r->pid);
}

static int foothold_make(struct remote *r, struct tracee *t, uint64_t at, struct err *e)
{
	struct loan loan;
	int err = loan_begin(&loan, r, t, ALL_SIGNALS, e);

	if (err < 0)
		return err;
	err = foothold_map(r, t, at, e) ?: stub_write(r, e);
	if (err < 0 && err != -ESRCH && r->base)
		foothold_unmap(r, t, &ERR_INIT);
	err = single_calls_end(&loan, err, e);
	if (err < 0)
		nest_close(r, &ERR_INIT);
	return err;
}

/* The last number of NStgid: its id in the innermost pid namespace. */
static int read_own_pid(struct remote *r, struct err *e)
{
	_cleanup_free_ char *status = NULL;
	const char *ids, *end;
	char path[48];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/status", r->pid);
	err = read_file_at(-1, path, &status, NULL);
	if (err == -ESRCH || err == -ENOENT)
		return task_ended(r->pid, e);
	if (err < 0)
		return err_ret(e, err, "read %s", path);
	ids = strstr(status, "\nNStgid:");
	if (!ids)
		return err_set(e, -ENOSYS, "%s has no NStgid", path);
	for (end = strchrnul(ids + 1, '\n'); end[-1] >= '0' && end[-1] <= '9'; end--)
		;
	r->own_pid = atoi(end);
	return 0;
}

/* A shadow stack is no memory that could be saved and restored like other memory. */
static int refuse_shadow_stack(const struct tracee *t, struct err *e)
{
	uint64_t ssp;
	struct iovec iov = { &ssp, sizeof(ssp) };
	char label[48];

	if (trace(PTRACE_GETREGSET, t->tid, NT_X86_SHSTK, (uint64_t)&iov) < 0)
		return 0;	/* ENODEV: it has none; EINVAL: the kernel knows none */
	err_set(e, -EOPNOTSUPP, "%s has a shadow stack (CET)", task_label(t->tid, label));
	return err_advise(e, "run it with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off");
}

int remote_open(struct remote **ret, struct tracee *t, uint64_t at, struct err *e)
{
	__attribute__((cleanup(remote_freep))) struct remote *r = xcalloc(1, sizeof(*r));
	char path[32];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/mem", t->tid);
	r->pid = t->tid;
	r->mem = open(path, O_RDWR | O_CLOEXEC);
	if (r->mem < 0)
		return errno == ENOENT ? task_ended(r->pid, e) : err_sys(e, "open %s", path);
	r->is_new = at != 0;
	r->image = xmalloc(FOOTHOLD_SIZE - STUB_HOME);
	err = refuse_shadow_stack(t, e) ?: read_own_pid(r, e) ?: find_gadget(r, e) ?:
	      foothold_make(r, t, at, e);
	if (err < 0)
		return err;
	*ret = take_ptr(r);
	return 0;
}

int remote_moved_vdso(struct remote *r, struct tracee *t, uint64_t vdso, struct err *e)
{
	int err = nest_close(r, e);
	char label[48];

	if (err < 0)
		return err;
	r->gadget = find_in_vdso(r->pid, vdso);
	if (!r->gadget)
		return err_set(e, -ENOEXEC, "%s has no vdso with a system call instruction at %#jx",
			       task_label(t->tid, label), (uintmax_t)vdso);
	return 0;
}

int remote_close(struct remote *r, struct tracee *t, struct err *e)
{
	struct loan loan;
	int err = r->nest || gadget_is_there(r) ? 0 : find_in_maps(r, &r->gadget, e);

	if (err == 0)
		err = loan_begin(&loan, r, t, ALL_SIGNALS, e);
	if (err == 0) {
		err = foothold_unmap(r, t, e) ?: nest_set_foothold(r, NEST_NO_FOOTHOLD, e);
		err = single_calls_end(&loan, err, e) ?: nest_close(r, e);
	}
	remote_free(r);
	return err == -ESRCH ? 0 : err;
}
