/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared memory objects: what MAP_SHARED|MAP_ANONYMOUS mappings, memfds and
 * SysV segments are made of. Tables `shmem` and `shmem_run`. Their pages are
 * on the container's swap volume, as anonymous memory's.
 */
#pragma once
#include "state/kind.h"

struct shmem_row {
	int64_t shmem;		/* dense from 0 */
	char *cgroup;		/* charged for it: of a process that has it; "": the container's own */
	char *kind;		/* "anon", "memfd", "sysv"; "file": contents of one, see deleted_file.h */
	int64_t ipc_ns;		/* sysv: its namespace; COLUMN_NULL: the host's */
	int64_t inode;		/* sysv: its shmid */
	int64_t size;		/* bytes */
	char *name;		/* memfd: its name; else NULL */
	int64_t mode, uid, gid;
	int64_t seals;		/* memfd: F_SEAL_* */
};

struct shmem_run_row {
	int64_t shmem;
	int64_t page;		/* pages into the object */
	int64_t nr_pages;
	int64_t slot;
	int64_t flags;		/* PM_SWAP_RUN_* */
};
extern const struct table shmem_table, shmem_run_table;

/* Makes anon and memfd objects with their pages; seals memfds when all is done. */
extern const struct kind shmem_kind;

/* ---- saving: ids of rows, made on first sight -------------------------- */

/* The object behind mapping @v of @p; @link names it in p's /proc. COLUMN_NULL when a running process changed it. */
int shmem_save_mapping(struct save *s, struct live_process *p, const struct live_vma *v, const char *link,
		       int64_t *ret, struct err *e);
/* The object of a memfd that cpt has as @fd; @link is "/memfd:name (deleted)". */
int shmem_save_memfd(struct save *s, int fd, const char *link, int64_t *ret, struct err *e);
/* SysV segment @shmid of @size bytes in the ipc namespace of @p. Its pages are saved by memory_save(), mapped or not. */
int shmem_save_sysv(struct save *s, struct live_process *p, int shmid, int64_t size, int64_t *ret, struct err *e);

/* ---- restoring --------------------------------------------------------- */

const struct shmem_row *shmem_find(const struct image *img, int64_t shmem);
/* cpt's descriptor of an anon or memfd object, kept with the restore; negative errno. */
int shmem_fd(struct restore *r, int64_t shmem, bool writable, struct err *e);
/* Install the pages of an object in @fd, a fresh memfd or file of a tmpfs of its size. Those of kind "file": once. */
int shmem_fill(struct restore *r, const struct shmem_row *row, int fd, struct err *e);
/*
 * Install the object's pages through a shared mapping of the whole object in
 * cpt itself that nobody has touched. For SysV segments, which sysv_shm.c makes.
 */
int shmem_restore_runs(struct restore *r, int64_t shmem, void *mapping, struct err *e);

/* ---- the objects of a live container ------------------------------------ */

struct shmem_object {
	const char *kind;
	struct live_process *process;	/* one that maps it, has it open, or is in its ipc namespace */
	uint64_t ipc_ns;		/* sysv: inode number of its ipc namespace */
	ino_t ino;			/* sysv: its shmid */
	char *link;			/* how /proc shows it */
	int fd;				/* of cpt, for reading */
};

/* Everything that the container's processes map, have open as memfds, or own as SysV segments. */
int shmem_list(struct live *l, struct shmem_object **ret, size_t *ret_nr, struct err *e);
void shmem_list_free(struct shmem_object *list, size_t nr);
/* Row of @o. */
int shmem_save_object(struct save *s, const struct shmem_object *o, int64_t *ret, struct err *e);
