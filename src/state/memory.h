/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A container's memory as the engine sees it: written through to the swap
 * volume, noted as runs, put back into new address spaces. Behind it are
 * mm.h, vma.h, shmem.h and swap_run.h.
 */
#pragma once
#include "host/pagemap.h"
#include "state/kind.h"

/*
 * Write all memory of the container through to its volume and wait for it:
 * every address space, every shared memory object. Running processes may go
 * away meanwhile; of a frozen container everything is on the volume afterwards.
 * Adds to @sum.
 */
int memory_sync(struct live *l, struct sync_figures *sum, struct err *e);

/* Rows of `swap_run` and `shmem_run` of the frozen, synced container. -EBUSY names what was not on the volume. */
int memory_save(struct save *s, struct err *e);

/*
 * Bytes that belong to the snapshot and are no memory, in @fd: a memfd of cpt's
 * own, or the container's file on a tmpfs. Write them through to the volume and
 * note where they are, as an object of kind "file" in table `shmem`. The
 * container is frozen; @fd must not go away until the volume's snapshot is taken.
 */
int memory_save_contents(struct save *s, int fd, int64_t *ret_shmem, struct err *e);

/* The first half of that, of a container that runs: what it changes later is written again. */
int memory_sync_contents(struct save *s, int fd, struct err *e);

/* Pages that the runs of a snapshot name, and how many runs there are. */
void memory_count(const struct image *img, int64_t *pages, int64_t *runs);

/*
 * A place for the foothold in the stopped, forked copy of cpt that shall become
 * @p: free there and in the address space that it is to get.
 */
int mm_find_hole(struct restore *r, struct new_process *p, uint64_t *ret, struct err *e);

/*
 * Give @p, whose foothold is open there, its own address space instead of
 * cpt's: mappings, vdso, pages (as entries of the swap volume), heap and
 * argument addresses, program. For all processes in the order of their rows,
 * for pages are shared with earlier ones.
 */
int mm_restore(struct restore *r, struct new_process *p, struct err *e);

/* All address spaces are made: the kernel may choose slots of the volume by itself from now on. */
int memory_restore_done(struct restore *r, struct err *e);

/*
 * Start to read all memory of the restored processes, which run already; what
 * ended or was unmapped since is passed over. Returns when most reads are done,
 * and the last few are under way.
 */
int memory_prefetch(const struct restore *r, struct err *e);

/* Do the mappings of @p look as recorded? The first difference is the error. For tests and debugging. */
int mm_compare(const struct restore *r, const struct new_process *p, struct err *e);
