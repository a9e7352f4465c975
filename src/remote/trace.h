/* SPDX-License-Identifier: GPL-2.0-only */
/* What tracee.c and remote.c share. */
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

/* ptrace(2) with the types that the kernel has. */
long trace(int request, pid_t tid, uint64_t addr, uint64_t data);
/* The next stop of @tid in *@status; -ESRCH when it ended, -ETIMEDOUT when it does not stop. */
int tracee_wait(pid_t tid, int *status, struct err *e);
