/* SPDX-License-Identifier: GPL-2.0-only */
/* What process.c, process_tree.c (cpt's part) and process_birth.c (the children's) share. */
#pragma once
#include "state/kind.h"
#include "state/process.h"
#include "state/process_plan.h"

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
	int end[2];		/* a pipe: zombies end when nobody holds its second end any more, */
	int leave[2];		/* and stand-ins for former leaders when nobody holds that of this one */
	struct process_plan plan;
	/* By process row, in memory of all: it uses no descriptor any more. See birth_main(). */
	volatile unsigned char *rests;
	bool core;		/* zombie_core_is_harmless() */
	const struct process_row *entered;	/* is in its namespaces from birth: a midwife was (process_birth.c) */
};

/* Can this tree be made by forks alone? Refuses by name what can't. */
int process_check_tree(struct restore *r, struct err *e);
/*
 * Fork whom @maker has to fork (COLUMN_NULL: cpt), before or after it becomes the leader of its session. All others
 * of their families follow by themselves.
 */
int process_birth_children(struct nursery *n, int64_t maker, bool early, struct err *e);
