/* SPDX-License-Identifier: GPL-2.0-only */
/* Credentials of a thread: table `credentials`. */
#pragma once
#include "state/kind.h"

struct process_plan;

struct credentials_row {
	int64_t thread;
	int64_t uid, euid, suid, fsuid, gid, egid, sgid, fsgid;	/* as the host has them */
	char *groups;		/* "0 4 27 " as /proc/<pid>/status has it */
	int64_t cap_inheritable, cap_permitted, cap_effective, cap_bounding, cap_ambient;
	int64_t securebits, no_new_privs, dumpable, parent_death_signal, keep_caps;
};

/* Calls that change ids, in the words of the user namespace they are made in; (uint32_t)-1: that one stays. */
struct id_change {
	uint32_t uid[3], fsuid, gid[3], fsgid;	/* real, effective, saved */
	bool uids, gids, set_fsuid, set_fsgid, set_groups;
	uint32_t *groups;
	size_t nr_groups;
};

extern const struct table credentials_table;

/* The row of a thread, or NULL. */
const struct credentials_row *credentials_of(const struct image *img, int64_t thread);
/*
 * From the ids of @have (NULL: cpt's own) to those of @want, by who is in @user_ns and has all capabilities there.
 * -EOPNOTSUPP: it has no name for one of them, or no leave to change groups. The caller frees ret->groups.
 */
int credentials_change(const struct image *img, int64_t user_ns, const struct credentials_row *have,
		       const struct credentials_row *want, struct id_change *ret, struct err *e);
/* By the caller itself, which is single-threaded and keeps its capabilities; or as calls of @b. */
int id_change_make(const struct id_change *c);
void id_change_add(const struct id_change *c, struct batch *b);

/* The process whose ids @row is born with, of those who came into a user namespace with theirs; COLUMN_NULL: cpt's. */
int64_t credentials_born_as(const struct process_plan *plan, const struct process_row *row);
/* Can everybody get its ids, as user namespaces are? */
int credentials_reach(const struct image *img, struct err *e);
/* Have @p enter its own user namespace with its ids, if it was born in another. */
int credentials_enter(struct restore *r, struct new_process *p, struct batch *b, struct err *e);
