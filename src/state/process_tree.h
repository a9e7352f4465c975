/* SPDX-License-Identifier: GPL-2.0-only */
/* What process.c, process_tree.c (cpt's part) and process_birth.c (the children's) share. */
#pragma once
#include "state/kind.h"
#include "state/process.h"

/* What a process reports of its birth. */
struct report {
	int64_t process;
	struct err err;
};

/* What every birth needs; made by cpt before the first fork. */
struct nursery {
	struct restore *r;
	int proc;		/* cpt's own /proc, also for those in another mount namespace */
	int report;		/* the end that children write to */
	int cpt_pidfd;
	int parking_fd;		/* number that the pidfd gets in every process */
	int end[2];		/* a pipe: zombies end when nobody holds its second end any more */
	bool core;		/* zombie_core_is_harmless() */
};

/* Can this tree be made by forks alone? Refuses by name what can't. */
int process_check_tree(struct restore *r, struct err *e);
const struct process_row *process_row_of(const struct restore *r, int64_t process);
/* Is @row forked by its parent before that becomes the leader of its session? */
bool process_born_before_session(const struct restore *r, const struct process_row *row);
/* Fork @row, from cpt or from its parent; all others of its family follow by themselves. */
int process_birth(struct nursery *n, const struct process_row *row, struct err *e);
