/* SPDX-License-Identifier: GPL-2.0-only */
/* Binding a cgroup to a swap volume of its own, and undoing it. */
#pragma once
#include <stdint.h>
#include "store/store.h"

/* Make a volume of @bytes (0: default) and bind @cgroup to it. -EEXIST when it is pinned. */
int pin_cgroup(struct store *s, const char *cgroup, uint64_t bytes, struct err *e);
/* Bind @cgroup to a volume that holds the memory of @snapshot. */
int pin_cgroup_to(struct store *s, const char *cgroup, const struct swap_volume *v, const char *snapshot,
		  struct err *e);
/* Unbind it and remove its volume; what is swapped out comes back to memory first. The cgroup may be gone. */
int unpin_cgroup(struct store *s, const char *cgroup, struct err *e);
