/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Binding a cgroup to a swap volume of its own. The catalog's row is made
 * before the kernel is told and removed after it was told the opposite, so a
 * volume in use always has a row; a row whose cgroup is gone is removed by the
 * next of these calls.
 */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "store/store.h"

/*
 * Make a volume of @bytes (0: twice the cgroup's memory limit or twice the
 * machine's memory) and pin @cgroup to it. -EEXIST: it is pinned already.
 */
int pin_cgroup(struct store *s, const char *cgroup, uint64_t bytes, struct err *e);
/* Pin to a volume that is there: a clone of snapshot @parent. */
int pin_cgroup_to(struct store *s, const char *cgroup, const struct swap_volume *v, const char *parent, struct err *e);
/*
 * Undo either. What the volume holds comes back into memory first, which can
 * take long; if it does not fit, the cgroup stays pinned. -ENOENT: it is not pinned.
 */
int unpin_cgroup(struct store *s, const char *cgroup, struct err *e);
/* Remove pins, with their volumes, of cgroups that don't exist any more. */
int pin_sweep(struct store *s, struct err *e);
