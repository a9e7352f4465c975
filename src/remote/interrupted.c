// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stopped thread may be in a system call that the kernel restarts when the
 * thread runs on. On x86 the registers say so: orig_rax is the call's number,
 * rax one of the codes below, and arch_do_signal_or_restart() looks at them
 * after the last stop. So they survive remote calls, which set orig_rax to -1
 * for themselves. Two things don't survive by themselves, and are seen to here:
 *
 * - Some calls were never taught to restart and return EINTR for any
 *   interruption, ours included (signal(7), "Interruption of system calls and
 *   library functions by stop signals").
 * - A restartable sequence (rseq(2)) in progress: the kernel aborts it when it
 *   goes back to the address it was stopped at, but it forgets the sequence
 *   when it sees the thread somewhere else first (kernel/rseq.c
 *   rseq_ip_fixup()), and the thread would then commit what other threads
 *   have changed meanwhile.
 */
#include <errno.h>
#include <linux/ptrace.h>
#include <linux/rseq.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "base/util.h"
#include "remote/interrupted.h"
#include "remote/trace.h"

/* Kernel-internal codes in rax (include/linux/errno.h). */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

static bool in_call(const struct user_regs_struct *regs)
{
	/* Exceptions and interrupts leave -1, so does sigreturn (arch/x86/entry/entry_64.S). */
	return (int)regs->orig_rax != -1;
}

/*
 * Calls that have done nothing when they return EINTR and do the same when
 * they are made again. Not close(2), whose descriptor is gone by then.
 */
static bool may_be_repeated(uint64_t nr)
{
	static const uint16_t calls[] = {
		/* fs/eventpoll.c, fs/aio.c, io_uring/io_uring.c: no restart at all */
		SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_io_getevents,
		SYS_io_pgetevents, SYS_io_uring_enter,
		/* ipc/sem.c, kernel/signal.c do_sigtimedwait() */
		SYS_semop, SYS_semtimedop, SYS_rt_sigtimedwait,
		/* include/net/sock.h sock_intr_errno(): when SO_RCVTIMEO or SO_SNDTIMEO is set */
		SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_accept, SYS_accept4, SYS_connect,
		SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_sendto, SYS_sendmsg, SYS_sendmmsg,
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i] == nr)
			return true;
	return false;
}

/*
 * EINTR for our sake becomes "restart, unless a signal is handled first", and
 * then EINTR is what the program expects. A timeout begins anew. In a
 * job-control stop EINTR is due: the thread would see it without us.
 */
static bool call_settle(struct tracee *t)
{
	if (t->group_stopped || (int64_t)t->regs.rax != -EINTR ||
	    !may_be_repeated(t->regs.orig_rax))
		return false;
	t->regs.rax = (uint64_t)-ERESTARTNOHAND;
	return true;
}

static bool peek(pid_t tid, uint64_t at, void *p, size_t len)
{
	struct iovec here = { p, len }, there = { (void *)(uintptr_t)at, len };

	return process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t)len;
}

/*
 * Being stopped counts as being preempted: the sequence has to be aborted.
 * What can't be read or makes no sense is left for the kernel to judge.
 */
static bool sequence_settle(struct tracee *t)
{
	struct ptrace_rseq_configuration config = { 0 };
	struct rseq_cs cs;
	uint64_t at;

	if (trace(PTRACE_GET_RSEQ_CONFIGURATION, t->tid, sizeof(config), (uint64_t)&config) < 0 ||
	    !config.rseq_abi_pointer)
		return false;
	at = config.rseq_abi_pointer + offsetof(struct rseq, rseq_cs);
	if (!peek(t->tid, at, &at, sizeof(at)) || !at || !peek(t->tid, at, &cs, sizeof(cs)))
		return false;
	if (cs.version != 0 || t->regs.rip - cs.start_ip >= cs.post_commit_offset)
		return false;
	t->regs.rip = cs.abort_ip;
	return true;
}

int interrupted_settle(struct tracee *t, struct err *e)
{
	if (in_call(&t->regs) ? !call_settle(t) : !sequence_settle(t))
		return 0;
	return tracee_set_regs(t, &t->regs, e);
}

struct user_regs_struct interrupted_resume(const struct user_regs_struct *regs)
{
	struct user_regs_struct next = *regs;

	if (!in_call(regs))
		return next;
	switch ((int64_t)regs->rax) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
		next.rax = regs->orig_rax;
		next.rip -= 2;
		break;
	case -ERESTART_RESTARTBLOCK:
		next.rax = SYS_restart_syscall;
		next.rip -= 2;
		break;
	}
	return next;
}
