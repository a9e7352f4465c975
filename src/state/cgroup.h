/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The cgroups of a container: its own and those below it, their settings, and
 * which threads are elsewhere than their process: tables `cgroup`,
 * `cgroup_setting` and `cgroup_thread`; table `cgroup_ns`, cgroup namespaces.
 *
 * Sub-cgroups are part of the container: a restore makes exactly those that
 * were recorded. Settings of the container's own cgroup are the host's: one
 * that is there keeps its own, one that cpt makes gets the recorded ones. What
 * limits comes last, when the tasks are complete.
 */
#pragma once
#include "state/kind.h"

struct cgroup_row {
	char *cgroup;		/* path below the container's, "" for itself */
	char *type;		/* as in cgroup.type */
	char *controllers;	/* that are on for its children */
	int64_t frozen;		/* cgroup.freeze */
	int64_t uid, gid, mode;	/* of its directory */
};

struct cgroup_setting_row {
	char *cgroup, *file;
	char *value;		/* NULL: as in a new cgroup */
	int64_t uid, gid, mode;	/* of the file */
};
extern const struct table cgroup_table, cgroup_setting_table, cgroup_ns_table;
extern const struct kind cgroup_kind;

const struct cgroup_row *cgroup_find(const struct image *img, const char *cgroup);

/* ---- settings: cgroup_setting.c ------------------------------------------ */

/* Rows of what is not as in a new cgroup. Refuses what can't be restored. */
int cgroup_settings_save(struct save *s, int dirfd, const char *cgroup, struct err *e);
int cgroup_settings_check(const struct restore *r, struct err *e);
/* Those of table row @row, in @dirfd: which processors and memory nodes (@early), or all others. */
int cgroup_settings_apply(const struct restore *r, const struct cgroup_row *row, int dirfd, bool early, struct err *e);
/* The controllers that the settings of the container's own cgroup take, each with a blank; fresh. */
char *cgroup_settings_controllers(const struct image *img);
/* Is that how a new cgroup has it? */
bool cgroup_setting_is_default(const char *file, const char *value);

/* ---- namespaces: cgroup_ns.c ----------------------------------------------- */

/* Row of namespace @id that @p is in. */
int cgroup_ns_save(struct save *s, const struct live_process *p, int64_t id, struct err *e);
int cgroup_ns_check(const struct restore *r, struct err *e);
/* Make all of them: before any controller is on, for a task has to be in their roots. */
int cgroup_ns_restore(struct restore *r, struct err *e);

/* ---- for the engine ---------------------------------------------------------- */

/* The last thing before tasks are let go: freeze what was frozen below the container's own. */
int cgroups_freeze(struct restore *r, struct err *e);
