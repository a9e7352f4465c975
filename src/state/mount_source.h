/* SPDX-License-Identifier: GPL-2.0-only */
/* Mounts while they are saved: what each is a mount of. */
#pragma once
#include "state/mount.h"

/* The host's mounts and those of one namespace. */
struct mount_visit {
	struct save *s;
	struct live_process *process;
	int64_t ns, user_ns;	/* and the user namespace that owns it */
	int root;		/* its root directory */
	struct mounts host, theirs;
};

/*
 * The pid namespace that a whole proc shows, COLUMN_NULL: the host's. Not @ret_known: another mount covers it. -ESRCH:
 * no process of the container could mount it anew.
 */
int mount_proc_pid_ns(struct mount_visit *v, const struct mount_info *m, int64_t *ret, bool *ret_known);
/* The ipc namespace of an mqueue; COLUMN_NULL: the host's. */
int64_t mount_mqueue_ipc_ns(struct save *s, const struct mount_info *m);
/* A mount of the host in which the same can be found; best one whose slave it is, or at the same place. NULL. */
const struct mount_info *mount_of_host(const struct mounts *host, const struct mount_info *m);
bool mount_is_slave_of(const struct mount_info *m, const struct mount_info *host);
/* Of a cgroup2: where below the container's cgroup is what it shows? NULL: nowhere. */
const char *mount_shown_cgroup(const struct save *s, const struct mount_info *m);
/* cpt can't make @row, of @p (or NULL), anew for @trouble: it is something outside, of no file system, or is refused. */
void mount_outside_save(struct save *s, const struct live_process *p, struct mount_row *row, const char *trouble,
			const char *advice);
