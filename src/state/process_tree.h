/* SPDX-License-Identifier: GPL-2.0-only */
/* How process.c has its tree made. */
#pragma once
#include "state/kind.h"

/* Can this tree be made by forks alone? Refuses by name what can't. */
int process_check_tree(struct restore *r, struct err *e);
