/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monotonic and the boot-time clock as tasks see them: table `clock`.
 *
 * They continue from what they read when the container was stopped: neither
 * goes back, also after a reboot or on another host, and neither jumps. For
 * that all tasks are put in time namespaces, those that were in cpt's own in
 * one that is made for them. restore.host_clocks says otherwise: then such
 * tasks get the clocks of the host, as they happen to be.
 */
#pragma once
#include <time.h>
#include "state/kind.h"

extern const struct kind clock_kind;

#define CLOCK_OFFSETS_TEXT 128

/* What the clocks read in a time namespace, that @p/ns/@link leads to, whose row is @namespace. */
int clock_save_namespace(struct save *s, const struct live_process *p, const char *link, int64_t namespace,
			 struct err *e);
/* What /proc/<pid>/timens_offsets takes for time namespace @id; COLUMN_NULL: for that of tasks that were in cpt's. */
const char *clock_offsets(const struct restore *r, int64_t id, char buf[static CLOCK_OFFSETS_TEXT]);
/* cpt's descriptor of the time namespace for tasks that were in @id (COLUMN_NULL: in cpt's own); -1: there is none. */
int clock_namespace(const struct restore *r, int64_t id);
/* What @clock reads in process @p. Like clock_gettime(2), for clocks that are not of CPU time. */
int clock_read(const struct restore *r, const struct new_process *p, clockid_t clock, struct timespec *ret);
/*
 * Of a moment on @clock: from what cpt's own clock read at the snapshot to what it reads now. False: it does not
 * continue from there.
 */
bool clock_moment(const struct restore *r, int64_t clock, int64_t *ns);
/* Does @clock read something else in a time namespace? */
bool clock_is_continued(int64_t clock);
