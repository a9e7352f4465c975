/* SPDX-License-Identifier: GPL-2.0-only */
/* Who outside of the container has what the container has open. Only for telling: it looks at every process. */
#pragma once
#include "state/live.h"

/*
 * Tasks outside of @l and other than cpt that have a descriptor which /proc
 * shows as @link and whose file has the inode number @ino on @dev: "task 77
 * (nginx)" for the first one found, with "and others" behind it if there are
 * more. False when there is none.
 */
bool outside_has(struct live *l, const char *link, dev_t dev, ino_t ino, char *buf, size_t len);
