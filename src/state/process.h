/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes and threads with their ids at every pid namespace level, process
 * groups and sessions: tables `process`, `thread` and `pid`.
 */
#pragma once
#include "state/kind.h"

struct process_row {
	int64_t process;	/* key: its pid in cpt's pid namespace at snapshot time */
	int64_t parent;		/* process that is its parent; COLUMN_NULL: outside the container */
	int64_t pgrp, session;	/* keys of their leading processes */
	int64_t pid_ns;		/* namespace id; COLUMN_NULL: cpt's own */
	/* The same; COLUMN_NULL of a zombie too, which has none any more. */
	int64_t ipc_ns, uts_ns, mount_ns, cgroup_ns, time_ns;
	int64_t time_ns_for_children;	/* other than time_ns only after unshare(CLONE_NEWTIME) */
	int64_t user_ns;	/* of all its threads */
	char *cgroup;		/* path below the container's cgroup, "" for itself */
	char *comm;		/* of the leader */
	int64_t exit_signal;	/* what the parent gets when it ends */
	int64_t child_subreaper;	/* 1: orphans of its descendants become its children */
};

struct thread_row {
	int64_t thread;		/* key: its tid in cpt's pid namespace at snapshot time */
	int64_t process;
	char *comm;
	int64_t files, fs;	/* the first thread that has its descriptor table, its fs; COLUMN_NULL of a zombie */
};

/* One row a thread and pid namespace level: level 0 is cpt's own, the highest is the task's own. */
struct pid_row {
	int64_t thread;
	int64_t level;
	int64_t pid;
};
extern const struct table process_table, thread_table, pid_table;
extern const struct kind process_kind;

/* The process made for that key, or NULL. */
struct new_process *restore_find(struct restore *r, int64_t process);
/* The id of a thread or process at @level, or -1 when it has none there. */
int64_t pid_at(const struct image *img, int64_t thread, int64_t level);
/* The innermost level that it has an id at: that of its own pid namespace. */
int64_t pid_level(const struct image *img, int64_t thread);

/* A field of the text of /proc/<pid>/stat by its number in proc_pid_stat(5), from 4 on. 0 or -EBADMSG. */
int process_stat_field(const char *stat, int number, int64_t *ret);

/* Is anybody in a group that goes by its id? */
bool process_leads_group(const struct image *img, int64_t process);

/*
 * Put rows of parents before those of their children, whatever their ids: the
 * catalog gives rows in the order of their keys. Those of a cycle come last.
 */
void process_sort(const struct image *img);

/*
 * Fork all processes, parked with no descriptor but cpt_pidfd and all signals
 * blocked, in the right namespaces, cgroups, sessions and with their ids;
 * stop them by ptrace. After a failure the engine kills whatever is in the
 * cgroup. Threads are made later, see process_restore_threads().
 */
int process_restore_tree(struct restore *r, struct err *e);
/* Those that lead a group which they are not in go to their own, when all others are in theirs. */
int process_leave_groups(struct restore *r, struct err *e);
const struct thread_row *thread_row_of(const struct image *img, int64_t thread);
/*
 * Which thread makes each of @rows, that are all of one process: by their index, for the leader (the first) its own.
 * What a thread shares with another it gets from that by birth. -EOPNOTSUPP: that is not possible.
 */
int thread_plan(const struct thread_row *const *rows, size_t nr, size_t *ret_maker, struct err *e);
/* The same as data: can't be saved, or makes no sense. */
int threads_check(const struct restore *r, struct err *e);
/* Does no thread that comes later in the order of the restore have the descriptor table of @t? */
bool thread_is_last_with_files(const struct restore *r, const struct new_process *p, const struct new_thread *t);
/* Make the other threads of @p, in its final address space; they are stopped before their first instruction. */
int process_restore_threads(struct restore *r, struct new_process *p, struct err *e);
