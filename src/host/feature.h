/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What cpt needs of the kernel. Each feature is tested by using it, once, on
 * things made for the test: version numbers and config files lie.
 */
#pragma once
#include <stdbool.h>
#include "base/err.h"

struct feature {
	const char *name;
	int (*test)(struct err *e);	/* 0: it works; else @e says what did not */
	bool required;			/* without it no container can be snapshotted */
	const char *cost;		/* what does not work without it */
	const char *advice;		/* what to do, unless the error knows better */
};

/* Those that need no store and no cgroup; the list ends with a NULL name. engine/doctor.c has the others. */
extern const struct feature host_features[];
