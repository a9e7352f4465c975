/* SPDX-License-Identifier: GPL-2.0-only */
/* Starting a program as a container that cpt can snapshot: new cgroup, new namespaces, session of its own. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>
#include "base/err.h"

struct run_options {
	const char *cgroup;	/* path below the cgroup2 mount; made, or must have no task */
	int pid_levels;		/* new pid namespaces, one inside the other; 0: the host's */
	bool ipc, uts, mount;	/* new namespaces of these types */
	long user, nr_users;	/* new user namespace: 0 is the host's @user, and so on, so many; -1: the host's */
	const char *hostname;	/* in the new uts namespace; NULL: as it is */
	const char *output;	/* file that standard output and error are appended to */
	char **argv;		/* the program, NULL-terminated */
};

/*
 * Returns when the program has been executed (exec failures are reported
 * here); *ret is the pid of the container's first process in cpt's pid
 * namespace. Leaves no task and no cgroup of its making behind when it fails.
 */
int run_container(const struct run_options *o, pid_t *ret, struct err *e);
