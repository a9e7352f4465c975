/* SPDX-License-Identifier: GPL-2.0-only */
/* The way home of a thread whose tracer dies while there is a foothold, see nest.c. */
#pragma once
#include <stdint.h>
#include "remote/loan.h"
#include "remote/remote_parts.h"

/* Find a place for it in the vdso at @vdso. There may be none: r->nest remains 0 and nothing below does anything. */
void nest_open(struct remote *r, uint64_t vdso);
/*
 * From now on the borrowed thread is the one that goes home and removes the
 * foothold if cpt dies, and the thread that did so before is itself again. To
 * be called with its own mask and dispatch in *@l, before they are changed.
 */
int nest_carry(struct remote *r, const struct loan *l, struct err *e);
/* What is to be unmapped: an address, or NEST_NO_FOOTHOLD. */
int nest_set_foothold(struct remote *r, uint64_t base, struct err *e);
/* The carrier has its own registers again, and the vdso reads as before. That the process ended is fine. */
int nest_close(struct remote *r, struct err *e);
/* Registers of @t on its way home. */
struct user_regs_struct nest_regs(const struct remote *r, const struct tracee *t);
/* Where the single system call is. */
uint64_t nest_call(const struct remote *r);
/* What @t goes back to. */
void nest_write_home(struct stub_home *home, const struct user_regs_struct *regs, uint64_t mask);
