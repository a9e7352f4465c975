/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work on many targets at once. What cpt does with one is, most of the time, to
 * wait: until a thread stops, until it has made its system calls. Here each
 * piece of work has a stack of its own, and where it would wait the others go on.
 *
 * Nothing of cpt runs at the same time, so nothing takes a lock; but what
 * several pieces use may have changed after each wait.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

/*
 * Do work(arg, i) for each i below @nr, begun in that order. The first failure
 * is the result; then no more are begun, and those that are under way come to
 * their own end first. Within a piece of work it is done one by one.
 */
int together(size_t nr, int (*work)(void *arg, size_t i, struct err *e), void *arg, struct err *e);
/*
 * A piece of work has to wait: let others go on, and look again. @moved: it did
 * something since the last time. False: there are no others, or one of them has
 * failed; wait in any other way.
 */
bool together_wait(bool moved);
