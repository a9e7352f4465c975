/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stub that runs a batch inside a stopped thread. Position independent,
 * uses no stack (the thread's red zone stays as it is) and no memory but the
 * table.
 *
 * In:  rbx = first entry, r12 = behind the last entry (struct entry, batch_table.h)
 * Out: trap with rbx = r12 when all calls were made and had a wanted result,
 *      else rbx = the call that had not.
 */
	.text
	.globl remote_stub
	.globl remote_stub_end
remote_stub:
	cmp %r12, %rbx
	je 1f
	mov (%rbx), %rax
	mov 8(%rbx), %rdi
	mov 16(%rbx), %rsi
	mov 24(%rbx), %rdx
	mov 32(%rbx), %r10
	mov 40(%rbx), %r8
	mov 48(%rbx), %r9
	syscall
	mov 56(%rbx), %rcx		/* result also goes into a later call's argument, */
	mov %rax, (%rcx)
	mov %rax, 64(%rbx)		/* and is kept */
	sub 72(%rbx), %rax		/* wanted: result - lowest <= span, unsigned */
	cmp 80(%rbx), %rax
	ja 1f
	add $88, %rbx
	jmp remote_stub
1:	int3
remote_stub_end:
	.section .note.GNU-stack, "", @progbits
