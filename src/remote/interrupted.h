/* SPDX-License-Identifier: GPL-2.0-only */
/* What a thread was doing when it was stopped, as its registers tell. */
#pragma once
#include <stdbool.h>
#include "remote/tracee.h"

/*
 * Make t->regs, fresh from the kernel, the registers the thread can go on with
 * although it ran something else in between; writes them when they differ.
 */
int interrupted_settle(struct tracee *t, struct err *e);
/*
 * The same registers as the kernel would make them on the way back to user
 * mode when no signal is handled: a call to be restarted is at its `syscall`
 * instruction again.
 */
struct user_regs_struct interrupted_resume(const struct user_regs_struct *regs);
