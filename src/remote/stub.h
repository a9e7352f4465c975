/* SPDX-License-Identifier: GPL-2.0-only */
/* What stub.S and C agree on: the places in a foothold and in the stub's table. */
#pragma once

/* The stub has the first page of the foothold, the way home begins the second. */
#define STUB_HOME 4096

#define CALL_NR 0
#define CALL_ARGS 8
#define CALL_LOWEST 56
#define CALL_SPAN 64
#define CALL_USERS 72
#define CALL_SIZE 80

#define HOME_MASK 0
#define HOME_FLAGS 8
#define HOME_REGS 16
#define HOME_SIZE 160

/*
 * The nest: the way home of the thread that a foothold is made in and whose registers point there until the foothold
 * is gone, at the end of its vdso.
 */
#define NEST_FOOTHOLD 0		/* HOME_... from here on */
#define NEST_DISPATCH 8
#define NEST_BEHIND 40
#define NEST_HOME 48
#define NEST_SIZE (NEST_HOME + HOME_SIZE)
#define FOOTHOLD_BYTES 1048576

/* In ebx at nest_begin: what the call does to the foothold. */
#define NEST_KEEPS 0
#define NEST_MAKES 1
#define NEST_REMOVES 2

/* The bell: ends a run by stopping the traced thread; the default action is to ignore it. */
#define STUB_BELL 28	/* SIGWINCH */

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/* One system call of a table. */
struct stub_call {
	uint64_t nr;
	uint64_t args[6];
	uint64_t lowest, span;	/* it is as wanted when result - lowest <= span, unsigned */
	uint64_t users;		/* address of the first argument that wants the result; 0 */
};
_Static_assert(sizeof(struct stub_call) == CALL_SIZE &&
	       offsetof(struct stub_call, args) == CALL_ARGS &&
	       offsetof(struct stub_call, lowest) == CALL_LOWEST &&
	       offsetof(struct stub_call, span) == CALL_SPAN &&
	       offsetof(struct stub_call, users) == CALL_USERS, "stub.S knows this layout");

/* What the thread goes back to when nobody holds it any more. */
struct stub_home {
	uint64_t mask, flags;
	uint64_t rip, rsp, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t unused;
};
_Static_assert(sizeof(struct stub_home) == HOME_SIZE &&
	       offsetof(struct stub_home, flags) == HOME_FLAGS &&
	       offsetof(struct stub_home, rip) == HOME_REGS, "stub.S knows this layout");

/* No foothold: an address that munmap() refuses. */
#define NEST_NO_FOOTHOLD 1

struct stub_nest {
	uint64_t foothold;
	uint64_t mode, offset, len, selector;	/* system call dispatch, prctl(PR_SET_SYSCALL_USER_DISPATCH) */
	uint64_t behind;	/* the mask: nest_dispatch, or nest_regs_back when there is no dispatch to set */
	struct stub_home home;
};
_Static_assert(sizeof(struct stub_nest) == NEST_SIZE && offsetof(struct stub_nest, mode) == NEST_DISPATCH &&
	       offsetof(struct stub_nest, behind) == NEST_BEHIND && offsetof(struct stub_nest, home) == NEST_HOME, "stub.S knows this layout");

extern const char stub_begin[], stub_end[];
/* A single call, the way home behind it, and its struct stub_nest. */
extern const char nest_begin[], nest_home[], nest_dispatch[], nest_regs_back[], nest_data[];
/* Where the thread is once the bell has rung, and where when it could not be rung. */
extern const char stub_rung[], stub_trapped[];
#endif
