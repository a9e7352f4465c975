/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes that have ended and that nobody has waited for yet: table `zombie`. */
#pragma once
#include "state/kind.h"

struct zombie_row {
	int64_t process;
	int64_t status;		/* as wait(2) gives it */
	int64_t uid, gid;	/* real ones; waitid(2) tells the first */
};
extern const struct table zombie_table;
extern const struct kind zombie_kind;

/* The row of a process that has ended; NULL: it lives. */
const struct zombie_row *zombie_of(const struct image *img, int64_t process);
/*
 * In a forked copy of cpt that shall be that zombie, its last act. @core: have
 * the kernel write a memory image, to nowhere, where the status says that it did.
 */
void zombie_end(const struct zombie_row *row, const char *comm, bool core) __attribute__((noreturn));
/* Would the kernel write a memory image of such a process where it comes to no harm? */
bool zombie_core_is_harmless(void);
/* Wait until @pid has ended as @row says. */
int zombie_wait(const struct zombie_row *row, pid_t pid, struct err *e);
