/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stub that makes a table of system calls inside a stopped thread, see
 * run.c. It is position independent, has no call, ret, push or pop on the
 * thread's stack (its red zone and shadow stack stay as they are), and
 * touches no memory but the foothold.
 *
 * In:   rbx = the first struct stub_call, r13 = behind the last,
 *       r12 = where the first result goes (uint64_t)
 * Out:  stopped at stub_rung (or at stub_trapped); rbx = r13 when all calls
 *       were made and had a wanted result, else rbx = the call that had not.
 *
 * A result that later calls want as an argument is stored into each of these:
 * until then every such argument holds the address of the next one, the last
 * holds 0, and `users` of the call is the address of the first.
 *
 * The end is a signal the thread sends to itself, which stops it because it is
 * traced. An int3 would not do: where SIGTRAP is ignored or blocked the kernel
 * sets it to its default action for good (force_sig_info_to_task()). It is only
 * there for a security module that forbids the signal.
 *
 * Should the tracer die, the kernel lets the thread run on from wherever it
 * is. The signal is then ignored, or handled, and the thread goes home: it puts
 * back its own signal mask and registers, and nothing was lost but the
 * foothold's memory.
 */
#include <asm/unistd.h>
#include "remote/stub.h"

#define HOME(at) stub_begin + STUB_HOME + (at)(%rip)
#define SIG_SETMASK 2
#define PR_SET_SYSCALL_USER_DISPATCH 59

	.text
	.globl stub_begin, stub_rung, stub_trapped, stub_end
	.balign 16
stub_begin:
	cmp	%r13, %rbx
	je	3f
	mov	CALL_NR(%rbx), %rax
	mov	CALL_ARGS(%rbx), %rdi
	mov	CALL_ARGS + 8(%rbx), %rsi
	mov	CALL_ARGS + 16(%rbx), %rdx
	mov	CALL_ARGS + 24(%rbx), %r10
	mov	CALL_ARGS + 32(%rbx), %r8
	mov	CALL_ARGS + 40(%rbx), %r9
	syscall				/* changes rax, rcx and r11 alone */
	mov	%rax, (%r12)
	mov	CALL_USERS(%rbx), %rcx
1:	test	%rcx, %rcx
	jz	2f
	mov	(%rcx), %rdx
	mov	%rax, (%rcx)
	mov	%rdx, %rcx
	jmp	1b
2:	sub	CALL_LOWEST(%rbx), %rax
	cmp	CALL_SPAN(%rbx), %rax
	ja	3f
	add	$8, %r12
	add	$CALL_SIZE, %rbx
	jmp	stub_begin

3:	mov	$__NR_gettid, %eax
	syscall
	mov	%eax, %edi
	mov	$STUB_BELL, %esi
	mov	$__NR_tkill, %eax
	syscall
stub_rung:
	test	%eax, %eax
	jz	4f
	int3
stub_trapped:

4:	lea	HOME(HOME_FLAGS), %rsp
	popf
	mov	$__NR_rt_sigprocmask, %eax	/* from here on nothing changes the flags */
	mov	$SIG_SETMASK, %edi
	lea	HOME(HOME_MASK), %rsi
	mov	$0, %edx
	mov	$8, %r10d
	mov	HOME(HOME_REGS + 8), %rsp
	syscall
	mov	HOME(HOME_REGS + 16), %rax
	mov	HOME(HOME_REGS + 24), %rbx
	mov	HOME(HOME_REGS + 32), %rcx
	mov	HOME(HOME_REGS + 40), %rdx
	mov	HOME(HOME_REGS + 48), %rsi
	mov	HOME(HOME_REGS + 56), %rdi
	mov	HOME(HOME_REGS + 64), %rbp
	mov	HOME(HOME_REGS + 72), %r8
	mov	HOME(HOME_REGS + 80), %r9
	mov	HOME(HOME_REGS + 88), %r10
	mov	HOME(HOME_REGS + 96), %r11
	mov	HOME(HOME_REGS + 104), %r12
	mov	HOME(HOME_REGS + 112), %r13
	mov	HOME(HOME_REGS + 120), %r14
	mov	HOME(HOME_REGS + 128), %r15
	jmp	*HOME(HOME_REGS)
stub_end:

/*
 * The nest, see nest.c: one system call, and the way home if nobody is there
 * any more when it returns. It unmaps the foothold, so it is elsewhere. Signals
 * are handled on the thread's own stack, so rsp is its own when they may come.
 */
#define NEST(at) nest_data + (at)(%rip)
#define REG(n) NEST(NEST_HOME + HOME_REGS + 8 * (n))

	.globl nest_begin, nest_home, nest_dispatch, nest_regs_back, nest_data
	.balign 16
nest_begin:
	syscall
	mov	%rax, %rdi
	cmp	$NEST_MAKES, %ebx
	je	1f
	ja	2f
nest_home:
	mov	NEST(NEST_FOOTHOLD), %rdi
1:	mov	$FOOTHOLD_BYTES, %esi
	mov	$__NR_munmap, %eax
	syscall
2:	lea	NEST(NEST_HOME + HOME_FLAGS), %rsp
	popf
	mov	REG(1), %rsp
	mov	$__NR_rt_sigprocmask, %eax	/* from here on nothing changes the flags */
	mov	$SIG_SETMASK, %edi
	lea	NEST(NEST_HOME + HOME_MASK), %rsi
	mov	$0, %edx
	mov	$8, %r10d
	syscall
	jmp	*NEST(NEST_BEHIND)		/* a seccomp filter may not know prctl */
nest_dispatch:
	mov	$__NR_prctl, %eax		/* behind it no call is ours to make */
	mov	$PR_SET_SYSCALL_USER_DISPATCH, %edi
	mov	NEST(NEST_DISPATCH), %rsi
	mov	NEST(NEST_DISPATCH + 8), %rdx
	mov	NEST(NEST_DISPATCH + 16), %r10
	mov	NEST(NEST_DISPATCH + 24), %r8
	syscall
nest_regs_back:
	mov	REG(2), %rax
	mov	REG(3), %rbx
	mov	REG(4), %rcx
	mov	REG(5), %rdx
	mov	REG(6), %rsi
	mov	REG(7), %rdi
	mov	REG(8), %rbp
	mov	REG(9), %r8
	mov	REG(10), %r9
	mov	REG(11), %r10
	mov	REG(12), %r11
	mov	REG(13), %r12
	mov	REG(14), %r13
	mov	REG(15), %r14
	mov	REG(16), %r15
	jmp	*REG(0)
	.balign 8
nest_data:
	.fill	NEST_SIZE, 1, 0

	.section .note.GNU-stack, "", @progbits
