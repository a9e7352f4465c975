/* SPDX-License-Identifier: GPL-2.0-only */
/* A small private swap area in memory, to try the kernel's swap features on. */
#pragma once
#include "base/err.h"

struct scratch {
	char path[64];		/* its loop device; empty: there is none */
	char dev[32];		/* "MAJ:MIN" for memory.swap.device */
};

/* Is there a loop device for the taking? */
int loop_probe(struct err *e);
int scratch_open(struct scratch *s, struct err *e);
void scratch_close(struct scratch *s);
