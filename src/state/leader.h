/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leaders of sessions and process groups that have ended and been waited for,
 * while others still are in their session or group: table `leader`.
 */
#pragma once
#include "state/kind.h"

struct leader_row {
	int64_t leader;		/* key: what its pid was in cpt's pid namespace; its ids are in table `pid` */
	int64_t session;	/* its session's leader; itself, if that was its own */
	int64_t pid_ns;		/* namespace id; COLUMN_NULL: cpt's own */
};
extern const struct table leader_table;
extern const struct kind leader_kind;

const struct leader_row *leader_of(const struct image *img, int64_t leader);
/*
 * Everybody is in his session and group: those that were made to lead end
 * again, and their children become those of their parents. Before any thread
 * has its own credentials: with them comes the signal that the death of a
 * parent sends (PR_SET_PDEATHSIG).
 */
int leaders_leave(struct restore *r, struct err *e);
