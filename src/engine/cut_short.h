/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What commands that were killed have left half done. Whoever has the store's
 * lock may tidy up: nobody else is at work. The pin's row says what is to be
 * done with the cgroup (`cut_short`), before there is anything to do; volumes
 * and thin ids are seen to by store_open().
 */
#pragma once
#include "store/store.h"

#define CUT_SHORT_END "end"		/* end the tasks in the cgroup, unpin it */
#define CUT_SHORT_REMOVE "remove"	/* the same, and remove the cgroup */
#define CUT_SHORT_THAW "thaw"		/* the restore is complete: let the tasks run */

/* store_open() for writing, and nothing half done is left that can be finished or undone. */
int cut_short_open(struct store **ret, const char *dir, struct err *e);
/*
 * Of one pin, whatever its row says is to be done. 1: it is pinned and as it should be; 0: it is not pinned any more.
 */
int cut_short_tidy(struct store *s, const struct pin_row *pin, struct err *e);
