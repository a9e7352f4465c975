/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The container as it is: its processes, threads, mappings and open files,
 * read from /proc. Made twice for a snapshot, see struct save.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "base/err.h"
#include "remote/batch.h"
#include "remote/tracee.h"

struct asked;
struct file_kind;
struct frozen;

/* An open file description, however many descriptors refer to it (told apart by kcmp). */
struct open_file {
	int64_t id;			/* dense from 0: column `file` everywhere */
	const struct file_kind *kind;
	struct live_process *process;	/* one that has it, */
	int fd;				/* under this number; -1: it is in flight to a socket of that process (SCM_RIGHTS) */
	struct stat st;
	char *link;			/* what /proc/<pid>/fd/<fd> reads: "pipe:[17]", "/etc/passwd", "/x (deleted)" */
	char *fdinfo;			/* whole text */
	int flags;			/* fcntl F_GETFL, from fdinfo */
	int64_t pos;
	int own;			/* cpt's own descriptor of it (pidfd_getfd), see open_file_get(); -1 */
};

struct live_fd {
	int fd;
	bool cloexec;
	struct open_file *file;
	char *locks;			/* its fdinfo if that has lines "lock:", for some are this process's; or NULL */
};

/* One line of /proc/<pid>/smaps-like maps with its VmFlags. */
struct live_vma {
	uint64_t start, end;
	uint64_t pgoff;			/* bytes */
	char perms[5];			/* "rw-p" */
	dev_t dev;
	uint64_t ino;
	char *path;			/* or "" */
	char *flags;			/* VmFlags text: "rd wr mr mw me ac sd" */
	int pkey;			/* protection key (pkeys(7)); 0: none */
};

struct live_thread {
	pid_t tid;			/* in cpt's pid namespace */
	struct tracee tracee;		/* once frozen */
	struct asked *asked;		/* then: the answers to what kinds ask it, see save_answers() */
	char *status;			/* text of /proc/<pid>/task/<tid>/status, see save_thread_status() */
	/* Sharing found by kcmp: the first thread that has the same descriptor table, fs (cwd, root, umask); or itself. */
	pid_t files, fs;
	/* Of a thread that has a table which its leader has not, and is the first: it, looked at as a process with
	 * its tid; else NULL. Without threads and mappings. */
	struct live_process *apart;
};

struct live_process {
	pid_t pid, ppid;		/* in cpt's pid namespace */
	char comm[16];
	char *cgroup;			/* where below the container's cgroup: "" or "a/b" */
	bool zombie;			/* has ended, nobody has waited for it yet */
	int proc_fd;			/* /proc/<pid> */
	int pidfd;
	char *status;			/* text of /proc/<pid>/status */
	ino_t *namespaces;		/* what live_namespace() knows of them; NULL: it looks each time */
	struct live_thread *threads;	/* leader first */
	size_t nr_threads, cap_threads;
	struct live_vma *vmas;
	size_t nr_vmas, cap_vmas;
	struct live_fd *fds;
	size_t nr_fds, cap_fds;
	/* Sharing found by kcmp: index of the first process that shares this one's address space, of the one whose
	 * thread is the first to have its leader's descriptor table; or its own index. */
	size_t mm_owner, files_owner;
	size_t index;
	bool alarm_queued;		/* see timer.c */
	struct remote *remote;		/* once frozen, made by the engine; NULL for a zombie */
};

struct live {
	const char *cgroup;
	int cgroup_fd;
	struct live_process *processes;	/* parents before children */
	size_t nr_processes, cap_processes;
	struct open_file **files;
	size_t nr_files, cap_files;
	bool frozen;
	struct frozen *thawed;		/* cgroups that were frozen, see live_frozen.c; or NULL */
};

/* Enumerate. Survey: vanishing tasks are skipped. Frozen: every thread is seized first, loops until no new one appears. */
int live_read(struct live *l, const char *cgroup, int cgroup_fd, bool freeze, struct err *e);
/* Let every thread run on as it was, and free. Never fails half-way: goes on with the next thread. */
int live_release(struct live *l, struct err *e);
void live_free(struct live *l);
/* Where the process is below the container's cgroup, "" or "a/b"; NULL: it is outside. The caller frees it. */
char *live_cgroup_of(const struct live *l, pid_t pid);
/* Was a cgroup of it frozen when it was found, @dirfd? While it is stopped none is, see live_frozen.c. */
bool live_was_frozen(const struct live *l, int dirfd);
struct live_process *live_find(struct live *l, pid_t pid);
/* The process that the thread belongs to, or NULL. */
struct live_process *live_of_thread(struct live *l, pid_t tid);
/* Inode number of /proc/<pid>/ns/@link, looked up once. Negative errno, without a message. */
int live_namespace(const struct live_process *p, const char *link, ino_t *ret);
/* cpt's own descriptor of it, kept until live_free(). Negative errno on failure. */
int open_file_get(struct open_file *f, struct err *e);
/* The task that has it, and under which number: cpt itself if it is in flight. After open_file_get(); for kcmp(2). */
pid_t open_file_holder(const struct open_file *f, int *ret_fd);
/*
 * An open file that is in flight to a socket of @p; cpt's descriptor @fd of it is taken over. Added to the others
 * unless it is known already.
 */
int live_add_in_flight(struct live *l, struct live_process *p, int fd, struct open_file **ret, struct err *e);
/* Can open files be in flight? Then a survey does not know all of them. */
bool live_maybe_in_flight(const struct live *l);
/* "descriptor 5 (pipe:[17])" in a static-size buffer, for refusals. */
const char *open_file_name(const struct open_file *f, char buf[static 256]);
/* Field of a status/fdinfo text: the text behind "Name:" (blanks skipped), or NULL. */
const char *text_field(const char *text, const char *name);
/* The number in it, by strtoull(base 0 gives octal/hex by prefix); @otherwise if the field is missing. */
uint64_t text_number(const char *text, const char *name, int base, uint64_t otherwise);
