/* SPDX-License-Identifier: GPL-2.0-only */
/* Swap areas: the header on the device, swapon(2) and swapoff(2), /proc/swaps. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

/* Write the header of an empty area over the whole device at @path. */
int swap_format(const char *path, struct err *e);
/*
 * Swap on privately: no memory goes there but that of the cgroup pinned to
 * it. @claim: slots are only named until the area is opened (a clone).
 */
int swap_on(const char *path, bool claim, struct err *e);
/* Bring everything back into memory and end the area. Not being on is fine. -EBUSY: a cgroup is still pinned to it. */
int swap_off(const char *path, struct err *e);
/* Bytes of the area in use. -ENOENT: it is not swapped on. */
int swap_used(const char *path, uint64_t *ret_bytes, struct err *e);
