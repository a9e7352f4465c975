/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has to fork whom, so that everybody is in the right session. A process
 * is in the session it was born in, or leads its own. Most are forked by their
 * parent, before or after that became a leader. Those that are in a session
 * whose leader is gone were orphaned by it, or by one of its descendants: they
 * are forked by a stand-in for that leader, which is a child of whoever has
 * adopted them, and adopts them again when the stand-in ends. A leader that is
 * still there as a zombie forks them itself.
 */
#pragma once
#include "state/leader.h"
#include "state/process.h"

struct process_plan {
	const struct image *img;
	size_t nr, nr_leaders;
	/* By process row. */
	int64_t *born_in;	/* session; COLUMN_NULL: any, for it leads its own */
	int64_t *maker;		/* key of the process or leader that forks it; COLUMN_NULL: cpt */
	/* By leader row: how its stand-in is made. Its parent forks it, and waits for it; NULL: cpt. */
	struct process_row *stand_ins;
};

/* -EOPNOTSUPP and a reason, if the processes of @img can't be made this way; -EBADMSG if they make no sense. */
int process_plan_make(const struct image *img, struct process_plan *ret, struct err *e);
void process_plan_clear(struct process_plan *plan);
/* Is @row forked by its parent before that becomes the leader of its session? */
bool process_plan_is_early(const struct process_plan *plan, const struct process_row *row);
int64_t process_plan_maker(const struct process_plan *plan, const struct process_row *row);
/* In whose namespaces is whoever forks @row? NULL: in cpt's. */
const struct process_row *process_plan_surroundings(const struct process_plan *plan, const struct process_row *row);
/*
 * The user namespace that @row is born in, and has the power of until it enters its own: the one that owns its pid
 * namespace if it is the first in there, else that of whoever forks it. NULL: what cpt is born in.
 */
int64_t process_plan_user_ns(const struct process_plan *plan, const struct process_row *row);
/* What it gets from whoever forks it not as a copy, but shares with it: CLONE_FILES, CLONE_FS. */
uint64_t process_plan_shared(const struct process_plan *plan, const struct process_row *row);
/* Is it to be the parent of stand-ins? @process may be COLUMN_NULL. */
bool process_plan_adopts(const struct process_plan *plan, int64_t process);
