// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy-on-write sharing: which mappings of different address spaces once were
 * one mapping before a fork(2). Two processes that name the same slot at the
 * same address share a page; the kernel can only keep it one page when the
 * mappings are told to be relatives before either has a page (JOIN).
 *
 * All mappings connected by shared slots form a family; each member but the
 * first joins the first earlier member that covers it. Slots named at
 * different addresses (KSM) make no family: there the kernel copies.
 */
#include <stdlib.h>
#include "state/process.h"
#include "state/swap_run.h"

/* A part of a run in one mapping. */
struct piece {
	int64_t delta;		/* page number minus slot: equal for pieces that can be shared pages */
	uint64_t slot, end;
	size_t vma;		/* index of its row */
};

struct family {
	const struct vma_row *vmas;
	size_t *parent;		/* union-find over rows */
	size_t *order;		/* of the row's process */
	size_t nr;
};

static size_t family_of(struct family *f, size_t i)
{
	while (f->parent[i] != i)
		i = f->parent[i] = f->parent[f->parent[i]];
	return i;
}

static int piece_compare(const void *a, const void *b)
{
	const struct piece *p = a, *q = b;

	if (p->delta != q->delta)
		return p->delta < q->delta ? -1 : 1;
	return p->slot < q->slot ? -1 : p->slot > q->slot;
}

/* Pages that were not exclusive, in private mappings, mapping by mapping. */
static struct piece *pieces_of(const struct image *img, const struct vma_row *vmas, size_t nr_vmas, size_t *ret_nr)
{
	struct piece *pieces = NULL;
	size_t nr = 0, cap = 0, v = 0;
	const struct swap_run_row *run;
	int64_t mm = -1;

	image_for_each(run, img, &swap_run_table) {
		uint64_t addr = (uint64_t)run->vaddr, end = addr + (uint64_t)run->nr_pages * PAGE_SIZE, next;

		if (run->flags & (PM_SWAP_RUN_EXCLUSIVE | PM_SWAP_RUN_ZERO))
			continue;
		if (run->mm != mm)
			for (mm = run->mm, v = 0; v < nr_vmas && vmas[v].mm != mm; )
				v++;
		for (; addr < end; addr = next) {
			uint64_t slot = (uint64_t)run->slot + (addr - (uint64_t)run->vaddr) / PAGE_SIZE;

			while (v < nr_vmas && vmas[v].mm == mm && (uint64_t)vmas[v].end <= addr)
				v++;
			if (v == nr_vmas || vmas[v].mm != mm)
				break;
			next = min(end, (uint64_t)vmas[v].end);
			array_grow(pieces, nr, cap);
			pieces[nr++] = (struct piece){
				.delta = (int64_t)(addr / PAGE_SIZE) - (int64_t)slot,
				.slot = slot, .end = slot + (next - addr) / PAGE_SIZE, .vma = v,
			};
		}
	}
	*ret_nr = nr;
	return pieces;
}

static void unite(struct family *f, struct piece *pieces, size_t nr)
{
	size_t furthest = 0;

	for (size_t i = 1; i < nr; i++) {
		if (pieces[i].delta == pieces[furthest].delta && pieces[i].slot < pieces[furthest].end)
			f->parent[family_of(f, pieces[i].vma)] = family_of(f, pieces[furthest].vma);
		if (pieces[i].delta != pieces[furthest].delta || pieces[i].end > pieces[furthest].end)
			furthest = i;
	}
}

static const struct vma_row *peer_of(struct family *f, const size_t *by_order, size_t at)
{
	const struct vma_row *own = &f->vmas[by_order[at]];

	for (size_t i = 0; i < at; i++) {
		const struct vma_row *peer = &f->vmas[by_order[i]];

		if (peer->mm != own->mm && peer->start <= own->start && peer->end >= own->end &&
		    family_of(f, by_order[i]) == family_of(f, by_order[at]))
			return peer;
	}
	return NULL;
}

static struct family *sorting;	/* qsort() has no context argument */

static int order_compare(const void *a, const void *b)
{
	size_t i = *(const size_t *)a, j = *(const size_t *)b;

	if (sorting->order[i] != sorting->order[j])
		return sorting->order[i] < sorting->order[j] ? -1 : 1;
	return i < j ? -1 : i > j;
}

static size_t process_order(const struct image *img, int64_t mm)
{
	const struct process_row *row;
	size_t order = 0;

	image_for_each(row, img, &process_table) {
		if (row->process == mm)
			break;
		order++;
	}
	return order;
}

/* Rows that have shared pages, in the order in which their processes are made. */
static size_t *sharing_vmas(struct family *f, const struct image *img, const struct piece *pieces, size_t nr_pieces,
			    size_t *ret_nr)
{
	size_t *list = xcalloc(nr_pieces, sizeof(*list)), nr = 0;
	bool *seen = xcalloc(f->nr, sizeof(*seen));

	for (size_t i = 0; i < nr_pieces; i++) {
		size_t v = pieces[i].vma;

		if (seen[v])
			continue;
		seen[v] = true;
		f->order[v] = process_order(img, f->vmas[v].mm);
		list[nr++] = v;
	}
	free(seen);
	sorting = f;
	qsort(list, nr, sizeof(*list), order_compare);
	*ret_nr = nr;
	return list;
}

void share_plan(const struct image *img, struct share **ret, size_t *ret_nr)
{
	struct family f;
	_cleanup_free_ struct piece *pieces = NULL;
	_cleanup_free_ size_t *list = NULL;
	size_t nr_pieces, nr_list, nr = 0, cap = 0;
	struct share *shares = NULL;

	f.vmas = image_rows(img, &vma_table, &f.nr);
	pieces = pieces_of(img, f.vmas, f.nr, &nr_pieces);
	f.parent = xcalloc(f.nr, sizeof(*f.parent));
	f.order = xcalloc(f.nr, sizeof(*f.order));
	for (size_t i = 0; i < f.nr; i++)
		f.parent[i] = i;
	if (nr_pieces)
		qsort(pieces, nr_pieces, sizeof(*pieces), piece_compare);
	unite(&f, pieces, nr_pieces);
	list = sharing_vmas(&f, img, pieces, nr_pieces, &nr_list);
	for (size_t i = 1; i < nr_list; i++) {
		const struct vma_row *peer = peer_of(&f, list, i);

		if (!peer)
			continue;
		array_grow(shares, nr, cap);
		shares[nr++] = (struct share){ &f.vmas[list[i]], peer };
	}
	free(f.parent);
	free(f.order);
	*ret = shares;
	*ret_nr = nr;
}
