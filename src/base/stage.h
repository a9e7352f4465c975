/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a command is: engine functions name each stage as it begins. That is
 * when a user's wish to stop is heard, and what tells how long each took.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/*
 * A stage begins. -EINTR: the user wants cpt to stop; what there is so far is
 * to be undone. @name: static.
 *
 * For tests, CPT_KILL_AT=NAME in the environment sends SIGKILL to cpt here, and
 * CPT_KILL_AT=NAME:SIGNAL another signal.
 */
int stage(const char *name, struct err *e);
/* A place within a stage, or in what has none, where tests send a signal in the same way; that is all. */
void stage_point(const char *name);
/*
 * From here on SIGINT, SIGTERM and SIGHUP are heard by stage(). The second one
 * ends cpt at once, as SIGKILL would.
 */
void stage_hear_signals(void);
/* Stages that can't be undone any more begin: a signal is heard no more. */
void stage_hear_no_signals(void);
/* The one that was heard; 0: none. */
int stage_signal(void);

struct stage_time {
	const char *name;
	uint64_t begin_ns;	/* now_ns() */
};
/* Those that began up to now, in this order. */
const struct stage_time *stage_times(size_t *ret_nr);
