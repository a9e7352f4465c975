/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User namespaces: tables `user_namespace`, `id_map` and `user_limit`. Which of them owns what other namespace, and
 * which is inside which, is in table `namespace`. Ids in the catalog are the host's (kuid_t of the kernel).
 *
 * cpt and what it forks have all power over the container's namespaces as long as they are in the host's user
 * namespace. Who is in another one can't come back, so everybody enters as late as can be: a process when all else
 * of it is there. But whoever makes a pid namespace is in the user namespace that owns it, so its first process and
 * all others in there are born with no power but that of their user namespace (process_plan_user_ns()).
 */
#pragma once
#include "state/kind.h"

struct user_namespace_row {
	int64_t namespace;
	int64_t owner;		/* its maker, as the host knows that user */
	int64_t setgroups;	/* 0: denied for good */
};

struct id_map_row {
	int64_t namespace;
	char *type;		/* "uid" or "gid" */
	int64_t place;		/* line in the file, from 0 */
	int64_t inside, host, count;
};

struct user_limit_row {
	int64_t namespace;
	char *name;		/* of a file of /proc/sys/user: "max_pid_namespaces" */
	int64_t value;
};
extern const struct table user_namespace_table, id_map_table, user_limit_table;
extern const struct kind user_namespace_kind;

struct keeper {
	pid_t pid;
	int pidfd;
};

/* Ids and setting of a user namespace by a descriptor of it. Its own row is in table namespace already. */
int user_namespace_save(struct save *s, int64_t namespace, int fd, struct err *e);
/* What @id of the host is called in @user_ns (COLUMN_NULL: the host's); -1: it has no name there. @type "uid" or "gid". */
int64_t user_namespace_inside(const struct image *img, int64_t user_ns, const char *type, int64_t id);
bool user_namespace_has_setgroups(const struct image *img, int64_t user_ns);
/* Is @user_ns @outer, or within it? */
bool user_namespace_within(const struct image *img, int64_t user_ns, int64_t outer);
/* Does who is in @user_ns have power over all pid namespaces that someone in @pid_ns has a stored id in? */
bool user_namespace_rules(const struct image *img, int64_t user_ns, int64_t pid_ns);

/* Make it anew, with its maps and with a keeper: r->ns_fds[namespace] and r->keepers[namespace]. */
int user_namespace_make(struct restore *r, int64_t namespace, struct err *e);
/*
 * A pidfd of a process that has cpt's descriptors and lives in @user_ns: what is in there may take them from it, but
 * not from cpt. Of cpt itself if @user_ns is COLUMN_NULL and @own is that.
 */
int user_namespace_pidfd(const struct restore *r, int64_t user_ns, int own);
/* End the keepers. */
void user_namespaces_leave(struct restore *r);
/*
 * Have a child of cpt do something in a user namespace, and in a mount namespace first if @mount_ns is not
 * COLUMN_NULL. @fn gives 0 or a negative errno; @what is for the message.
 */
int user_namespace_do(struct restore *r, int64_t user_ns, int64_t mount_ns, int (*fn)(void *arg), void *arg,
		      const char *what, struct err *e);
/*
 * Have such a child open something as a descriptor of cpt's: @fn gives it, or a negative errno, and so does this. It is
 * in the mount namespace of descriptor @place.
 */
int user_namespace_open(struct restore *r, int64_t user_ns, int place, int (*fn)(void *arg), void *arg);

/* user_limit.c: limits of the caller's own user namespace, as lines; those lines as rows; the rows into force. */
int user_limits_tell(int fd);
int user_limits_save(struct save *s, int64_t namespace, const char *told, struct err *e);
int user_limits_check(const struct image *img, struct err *e);
int user_limits_restore(struct restore *r, struct err *e);
