/* SPDX-License-Identifier: GPL-2.0-only */
/* Namespaces of a container that are not the host's: table `namespace`. */
#pragma once
#include "state/kind.h"

struct namespace_row {
	int64_t namespace;	/* dense from 0 */
	char *type;		/* as in /proc/<pid>/ns: "pid", "ipc", "uts", "mnt", ... */
	int64_t inode;		/* its number at snapshot time; for audits only */
	int64_t parent;		/* pid and user namespaces; COLUMN_NULL: the host's (cpt's own) */
	int64_t level;		/* pid namespaces: 1 is just below cpt's own */
	int64_t user_ns;	/* all but user namespaces: the one that owns it; COLUMN_NULL: the host's */
};
extern const struct table namespace_table;
extern const struct kind namespace_kind;

/* CLONE_NEW*; 0: there is none of that name. */
int namespace_flag(const char *type);
/* What comes before any namespace is made: data alone. */
int namespaces_check(struct restore *r, struct err *e);

/* The namespace of @type ("mnt", "pid", "pid_for_children"...) that @p is in: id of its row, made on first sight; COLUMN_NULL: cpt's own. */
int namespace_of(struct save *s, const struct live_process *p, const char *type, int64_t *ret, struct err *e);
/* The same of a pid namespace by a descriptor of it. Error: it is not below cpt's own. */
int namespace_of_pid_fd(struct save *s, int fd, int64_t *ret, struct err *e);
/*
 * A new namespace, kept alive by cpt's descriptor of it. One of type "time" gets @offsets (/proc/<pid>/timens_offsets);
 * NULL of other types. Made in the user namespace of the descriptor @user_ns, as a copy of @mount_ns; -1: cpt's own.
 */
int namespace_make(const char *type, const char *offsets, int user_ns, int mount_ns, int *ret_fd, struct err *e);
/* Enter (setns) one of the container's namespaces in cpt itself; -1 in @ret_back if there was nothing to do.
 * namespace_leave() goes back. Only mnt, ipc, uts (single-threaded cpt). */
int namespace_enter(struct restore *r, int64_t id, const char *type, int *ret_back, struct err *e);
int namespace_leave(int *back, const char *type, struct err *e);
/* A mount namespace was made as one of the host's user namespace: exchange it for a copy that its own one owns. */
int namespace_hand_over(struct restore *r, int64_t id, struct err *e);
