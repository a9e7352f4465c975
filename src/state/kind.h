/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kinds: one sort of kernel object each, saved and restored side by side in
 * one file named after it. state/kinds.c lists them all, in restore order;
 * the engine calls their functions and knows none of them by name.
 *
 * A kind that deals with what descriptors refer to is a struct file_kind; all
 * others (memory, credentials, namespaces...) are a struct kind.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/image.h"
#include "base/util.h"
#include "remote/batch.h"
#include "remote/tracee.h"
#include "state/live.h"

struct restore;
struct share;
struct new_process;
struct keeper;
struct new_thread;
struct file_row;
struct sync_figures;
struct outside_choice;
struct outside_plan;

#define NR_NAMESPACE_TYPES 8	/* namespaces(7) */
#define NR_CLOCKS 2		/* that time namespaces have an offset for */

/* ---- saving ---------------------------------------------------------- */

/*
 * One save is made twice with the same code: as a survey of the running
 * container (frozen == false: no tracee, no remote call, only refusals count)
 * and of the stopped one, whose records are kept.
 */
struct save {
	struct live *live;
	struct image *img;
	bool frozen;
	bool presync;			/* of the running one: what is on the way is written through, nothing is recorded */
	struct refusal *refusals;
	size_t nr_refusals, cap_refusals;
	ino_t own_ns[NR_NAMESPACE_TYPES];	/* cpt's own namespaces, see namespace.c; 0: not looked up yet */
	struct sync_figures *written;	/* counts what kinds write to the volume; or NULL */
	char *const *outside;		/* what to take though its other end is outside, see outside_match() */
	size_t nr_outside;
	int *kept_fds;			/* see save_keep_fd() */
	size_t nr_kept_fds, cap_kept_fds;
	struct save_ns_root { ino_t ns; int fd; } *ns_roots;	/* see mount_ns_root() */
	size_t nr_ns_roots, cap_ns_roots;
};

struct refusal {
	pid_t pid;		/* 0: the container as a whole */
	char comm[16];
	char *object;		/* "descriptor 5 (socket:[1234])" */
	char *reason;		/* "its other end is in task 77 (nginx), outside the container" */
	char *advice;
	bool passing;		/* it may be over in a moment, by itself */
	char *outside;		/* name of what has its other end outside (outside.h), if that is the reason; or NULL */
};

/* Note that something can't be saved, and go on: all refusals are reported at once. @p may be NULL. */
void save_refuse(struct save *s, const struct live_process *p, const char *object,
		 const char *advice, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/*
 * What a running container changes under our eyes (a process ends while it is
 * looked at) is no failure of the survey: 0 then, without an error; else @r.
 */
int save_forgive(const struct save *s, int r, struct err *e);

/* Text of /proc/<pid>/task/<tid>/status: read once, for all kinds, and freed with @t. NULL: it ended under our eyes. */
int save_thread_status(struct save *s, struct live_process *p, struct live_thread *t, const char **ret, struct err *e);

/*
 * What kinds want to know that only the task itself can be asked: calls that their `ask` functions add to one batch for
 * each thread, which is run before anything is saved. A round trip costs a dozen ptrace requests, a call in a batch next
 * to nothing.
 */
typedef int save_ask(struct save *s, struct live_process *p, struct live_thread *t, struct batch *b, struct err *e);
/* Of all kinds, in all threads. */
int save_ask_all(struct save *s, struct err *e);
/* The batch that was run in @t, and the index of the first of its calls that @ask added. */
const struct batch *save_answers(const struct live_thread *t, save_ask *ask, size_t *ret_first);

/* What has to stay until the volume's snapshot is taken: closed by save_clear(). */
void save_keep_fd(struct save *s, int fd);

void save_clear(struct save *s);	/* frees image and refusals, closes what was kept */

/* ---- kinds ----------------------------------------------------------- */

/* Something that has to be at a path when a container is restored. */
struct needed_path {
	int64_t mount_ns;	/* COLUMN_NULL: the host's */
	const char *path;
	mode_t format;		/* S_IF*; 0: any */
	int64_t size;		/* of a regular file: bytes that it has at least, */
	int64_t mtime_ns;	/* or exactly, and when it was written to; COLUMN_NULL: that does not matter */
	int64_t file;		/* whose it is: an open file, */
	const char *what;	/* or something else, if that is COLUMN_NULL: "the working directory of bash" */
};
typedef void needed_path_fn(void *arg, const struct needed_path *n);

/*
 * Every function may be NULL. Save functions add rows to s->img (and refuse);
 * restore functions either act at once or add calls to @b, which the engine
 * runs in the process or thread when all kinds have added theirs.
 */
struct kind {
	const char *name;				/* the noun */
	const struct table *const *tables;		/* NULL-terminated */
	save_ask *ask_process;				/* of its leader */
	save_ask *ask_thread;
	int (*save_container)(struct save *s, struct err *e);
	int (*save_process)(struct save *s, struct live_process *p, struct err *e);
	int (*save_thread)(struct save *s, struct live_process *p, struct live_thread *t, struct err *e);

	/* All that is found by its path when it is restored: of rows that nobody has checked yet. */
	void (*needs)(const struct restore *r, needed_path_fn *fn, void *arg);
	/* Data alone: is it consistent, is anything in the way here? Makes nothing. For --dry-run too. */
	int (*check)(struct restore *r, struct err *e);
	/* Before any task exists; cpt itself acts. */
	int (*restore_container)(struct restore *r, struct err *e);
	/* In each process, when all are there with their memory, before files that need them are opened. */
	int (*restore_place)(struct restore *r, struct new_process *p, struct batch *b, struct err *e);
	/* In each process, in the order of kinds.c. */
	int (*restore_process)(struct restore *r, struct new_process *p, struct batch *b, struct err *e);
	/* In each thread but the leader that is the first to have its descriptor table or its fs, when all of its
	 * process are there. */
	int (*restore_apart)(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b,
			     struct err *e);
	/* In each thread, the leader included, after restore_process and after all threads exist. */
	int (*restore_thread)(struct restore *r, struct new_process *p, struct new_thread *t,
			      struct batch *b, struct err *e);
	/* Last: nothing is run in this thread any more until it is let go. */
	int (*seal_thread)(struct restore *r, struct new_process *p, struct new_thread *t, struct err *e);
	/* When every task is complete, before any runs. */
	int (*finish)(struct restore *r, struct err *e);
};

struct file_kind {
	const char *name;
	const struct table *const *tables;
	bool late;		/* opened when all processes are there (their memory too), not before */
	/* Does @f belong to this kind? The first match in kinds.c order counts. */
	bool (*match)(const struct open_file *f);
	/* Of a stopped container, before anything else is saved: find open files that no task has, but @f holds
	 * (live_add_in_flight()), and note what was seen on the way. They are looked into in their turn. */
	int (*look)(struct save *s, struct open_file *f, struct err *e);
	/* Add this kind's row(s); f->id is its key. Called once per open file description. */
	int (*save)(struct save *s, struct open_file *f, struct err *e);
	/* After every file was saved: what only the whole shows (the other end of a pipe, of a socket...). */
	int (*save_finish)(struct save *s, struct err *e);

	void (*needs)(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg);
	int (*check)(struct restore *r, const struct file_row *f, struct err *e);
	/* Make the open file description anew as a descriptor of cpt's own; called in id order, in the
	 * mount, ipc, uts and net namespaces of the container. */
	int (*open)(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e);
	/* When all files are open: queued data, epoll targets, positions. */
	int (*connect)(struct restore *r, const struct file_row *f, int fd, struct err *e);
	/* When all are connected: what would have been in the way of that. */
	int (*settle)(struct restore *r, const struct file_row *f, int fd, struct err *e);
};

extern const struct kind *const kinds[];		/* NULL-terminated, restore order */
extern const struct file_kind *const file_kinds[];	/* NULL-terminated, match order */
/* Every table of every kind, for image_new(). */
const struct table *const *kind_tables(size_t *ret_nr);

/* ---- restoring ------------------------------------------------------- */

struct new_thread {
	const struct thread_row *row;
	pid_t tid;			/* in cpt's pid namespace */
	struct tracee tracee;
};

struct new_process {
	const struct process_row *row;
	pid_t pid;			/* in cpt's pid namespace */
	int proc_fd;			/* its /proc directory */
	int cpt_pidfd;			/* number of a pidfd of cpt (or of a keeper, user_namespace.h) in the process:
					 * pidfd_getfd(cpt_pidfd, n, 0) gives it cpt's descriptor n; closed by the
					 * engine at the end */
	int64_t born_in;		/* user namespace it was born in (process_plan_user_ns()), */
	int64_t born_as;		/* with the ids of that process (credentials_born_as()) */
	struct remote *remote;
	bool has_memory;		/* mappings and pages, see mm_restore() */
	struct new_thread *threads;	/* the leader first */
	size_t nr_threads;
};

struct restore {
	struct image *img;		/* what is loaded; checking may change what it says of mounts (mounts_plan()) */
	const char *cgroup;		/* where the tasks shall live */
	int cgroup_fd;
	bool host_clocks;		/* see clock.h, as for these: */
	int64_t clock_shift_ns[NR_CLOCKS];	/* what cpt's own clocks lack of what they read at the snapshot */
	int64_t clock_own_ns[NR_CLOCKS];	/* offsets of cpt's own time namespace */
	bool cgroup_made;		/* by cpt: it gets the recorded settings; another keeps its own, */
	bool keep_frozen;		/* is frozen again if it was, */
	char *keep_controllers;		/* and has these on again after a failure */
	struct new_process *processes;	/* in the order of process rows; without zombies */
	size_t nr_processes;
	pid_t *stand_ins;		/* by leader row (leader.h): its pid in cpt's pid namespace */
	int *file_fds;			/* by file id: cpt's descriptor of each open file, or -1 */
	size_t nr_files;
	int *ns_fds;			/* by namespace id: cpt's descriptor of each namespace, or -1 */
	size_t nr_ns;
	struct keeper *keepers;		/* the same, of user namespaces (user_namespace.h) */
	const struct outside_choice *choices;	/* what options say about what is outside, see outside.h */
	size_t nr_choices;
	struct outside_plan *plans;	/* by outside row */
	size_t nr_plans;
	struct keyed *keyed;		/* see restore_keyed() */
	size_t nr_keyed, cap_keyed;
	struct share *shares;		/* see share_plan() in swap_run.h */
	size_t nr_shares;
	bool shares_known;
};

/*
 * Descriptors that several objects need ("the pipe with this inode number"):
 * a small map from (noun, number) to one of cpt's descriptors, closed with the
 * restore. Gives -1 if there is none yet.
 */
int restore_keyed(const struct restore *r, const char *noun, int64_t number);
void restore_set_keyed(struct restore *r, const char *noun, int64_t number, int fd);
/* The same, handed over: it is not known under that number any more. */
int restore_take_keyed(struct restore *r, const char *noun, int64_t number);
/* Close all of @noun: those that tasks would notice if they were still open when they run (ends of pipes). */
void restore_close_keyed(struct restore *r, const char *noun);

/*
 * Close cpt's own descriptors of files and of what they were made from: the tasks have theirs. Before any runs, for
 * who waits until nobody has the other end open any more must not wait for cpt.
 */
void restore_close_files(struct restore *r);

/* Close and free everything that belongs to a restore; the tasks are not touched. */
void restore_clear(struct restore *r);
