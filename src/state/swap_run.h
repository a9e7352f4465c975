/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the pages of each address space are on the container's swap volume:
 * table `swap_run`. One row is consecutive pages in consecutive slots.
 */
#pragma once
#include "state/memory.h"
#include "state/vma.h"

struct swap_run_row {
	int64_t mm;		/* process whose address space it is */
	int64_t vaddr;
	int64_t nr_pages;
	int64_t slot;
	int64_t flags;		/* PM_SWAP_RUN_* */
};
extern const struct table swap_run_table;
extern const struct kind swap_run_kind;

/* Append @run to (*runs, *nr, *cap), or to the last one when it continues that. */
void runs_append(struct pagemap_swap_run **runs, size_t *nr, size_t *cap, const struct pagemap_swap_run *run);

/* Rows of one address space, in address order. */
const struct swap_run_row *swap_run_rows(const struct image *img, int64_t mm, size_t *ret_nr);
/* Is some page of [start, end) to be installed? Of rows of one address space. */
bool swap_run_any(const struct swap_run_row *runs, size_t nr, uint64_t start, uint64_t end);
/*
 * The rows of an address space as PAGEMAP_SWAP_SET takes them: cut at the
 * borders of mappings, without zero pages where fresh memory is zero anyway.
 * Caller frees *ret. -EBADMSG: a run is in no mapping.
 */
int swap_run_vector(const struct image *img, int64_t mm, struct pagemap_swap_run **ret, size_t *ret_nr,
		    struct err *e);

/* ---- slots that several address spaces name ----------------------------- */

/* Mapping @vma shall be able to share pages with @peer, which is made before it. */
struct share {
	const struct vma_row *vma, *peer;
};

/*
 * Which mappings were copies of each other by fork(2), seen from the slots that
 * they name at the same addresses. In the order of process rows. Caller frees
 * *ret; it points to rows of @img.
 */
void share_plan(const struct image *img, struct share **ret, size_t *ret_nr);
