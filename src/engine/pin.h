/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Binding a cgroup to a swap volume of its own. The catalog's row is made
 * before the kernel is told and removed after it was told the opposite, so a
 * volume in use always has a row; a row that is no pin is removed by the next
 * command (cut_short.h).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "store/store.h"

/*
 * Make a volume of @bytes (0: twice the cgroup's memory limit or twice the
 * machine's memory) and pin @cgroup to it. -EEXIST: it is pinned already.
 */
int pin_cgroup(struct store *s, const char *cgroup, uint64_t bytes, struct err *e);
/*
 * Pin to a volume that is there: a clone of snapshot @parent. The cgroup is made if there is none. Until
 * pin_complete(), killing cpt means that the next command undoes it as pin_undo() does.
 */
int pin_begin(struct store *s, const char *cgroup, const struct swap_volume *v, const char *parent, struct err *e);
/* The tasks are there, in the cgroup that was frozen: thaw it, unless it is to stay @frozen. From now on they stay. */
int pin_complete(struct store *s, const char *cgroup, bool frozen, struct err *e);
/* End the tasks, unpin, remove the volume, and the cgroup if pin_begin() made it. */
void pin_undo(struct store *s, const char *cgroup);
/*
 * Undo either. What the volume holds comes back into memory first, which can
 * take long; if it does not fit, the cgroup stays pinned. -ENOENT: it is not pinned.
 */
int unpin_cgroup(struct store *s, const char *cgroup, struct err *e);
