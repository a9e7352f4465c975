/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Restoring a snapshot, in stages; a failure of any leaves no task, cgroup,
 * volume or row behind:
 *
 *  load     the rows, range-checked; every kind checks its own (untrusted input)
 *  volume   a clone of the snapshot's volume, swapped on in claim mode
 *  cgroup   made (or found empty) and pinned to it
 *  objects  namespaces, IPC objects, open files: cpt makes them
 *  tree     all processes forked with their ids, parked, stopped
 *  memory   each address space exchanged for the recorded one, runs installed
 *  places   what only processes can mount, and the files in there
 *  tasks    descriptors, signals, timers...: one batch a process, then threads
 *           and one batch a thread
 *  seal     footholds removed, masks and registers set
 *  go       the area leaves claim mode, all threads are let go
 */
#pragma once
#include <stdbool.h>
#include "state/kind.h"
#include "store/store.h"

struct restore_options {
	const char *cgroup;	/* path below the cgroup2 mount; NULL: where it came from */
	bool dry_run;		/* load and check only */
	bool host_clocks;	/* tasks get the host's monotonic and boot-time clocks, where these do not continue */
	const struct outside_choice *choices;	/* what comes in place of things outside, see outside.h */
	size_t nr_choices;
	/* Told what is to be of these things: when that is checked, with some undecided or not, and when the tasks run. */
	void (*planned)(const struct outside_plan *plans, size_t nr, bool done);
	bool prefetch;		/* read all memory once the tasks run, instead of page by page as they touch it */
};

struct restore_figures {
	uint64_t total_ns;	/* until the tasks ran */
	uint64_t prefetch_ns;	/* after that; 0: not asked for */
	struct err prefetch_err;
	size_t tasks, threads, runs;
};

/* The stage "load" of rows that are there already: everything that is checked before anything is made. */
int restore_plan(struct restore *r, struct err *e);
/* The tasks run even if reading ahead failed: that is told in @ret->prefetch_err. */
int restore_snapshot(struct store *store, const struct snapshot_row *snapshot, const struct restore_options *options,
		     struct restore_figures *ret, struct err *e);
