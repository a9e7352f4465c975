// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls that make a process's mappings again. Mappings of one file are
 * made together, so that its descriptor is in the process for as long as it
 * takes and always has number 0: the process has no other but cpt's pidfd.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include "state/process.h"
#include "state/shmem.h"
#include "state/swap_run.h"
#include "state/vma.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define TARGET_FD 0	/* what a file being mapped is in the process */

/* What a mapping is of, one after the other. */
struct backing {
	int64_t mapped_file, shmem;
	bool writable;		/* shared memory: by the writable open file */
};

static uint32_t bits_of(const struct vma_row *v)
{
	uint32_t bits = 0;

	return vma_flags_of(v, &bits) ? bits : 0;
}

static struct backing backing_of(const struct vma_row *v)
{
	uint32_t bits = bits_of(v);

	return (struct backing){
		v->mapped_file, v->shmem,
		v->shmem != COLUMN_NULL && bits & VMA_SHARED && bits & VMA_MAYWRITE,
	};
}

static bool backing_equal(const struct backing *a, const struct backing *b)
{
	return a->mapped_file == b->mapped_file && a->shmem == b->shmem && a->writable == b->writable;
}

static bool is_kernels(const struct vma_row *v)
{
	int type = vma_type_of(v->type);

	return type == VMA_VDSO || type == VMA_VVAR;
}

static const struct shmem_row *sysv_of(const struct restore *r, const struct vma_row *v)
{
	const struct shmem_row *row = v->shmem == COLUMN_NULL ? NULL : shmem_find(r->img, v->shmem);

	return row && strcmp(row->kind, "sysv") == 0 ? row : NULL;
}

/* As vma_would_merge(), for mappings as vma_map() makes them: with plan.prot. */
static bool would_merge_now(const struct vma_row *a, const struct vma_row *b)
{
	struct vma_row x = *a, y = *b;
	struct vma_plan plan;
	char prot[2][4];

	memcpy(prot[0], a->prot, sizeof(prot[0]));
	memcpy(prot[1], b->prot, sizeof(prot[1]));
	vma_plan(a, &plan);
	if (plan.final_prot >= 0)
		prot[0][1] = 'w';
	vma_plan(b, &plan);
	if (plan.final_prot >= 0)
		prot[1][1] = 'w';
	x.prot = prot[0];
	y.prot = prot[1];
	return vma_would_merge(&x, &y);
}

/*
 * Every second one of neighbours that would become one mapping: told apart from
 * the others by MADV_DONTFORK (or its contrary) until both have pages.
 */
static bool *marks_of(const struct vma_row *vmas, size_t nr)
{
	bool *marks = xcalloc(nr, sizeof(*marks));

	for (size_t i = 1; i < nr; i++)
		marks[i] = !marks[i - 1] && !(bits_of(&vmas[i]) & VMA_SHARED) && !is_kernels(&vmas[i]) &&
			   would_merge_now(&vmas[i - 1], &vmas[i]);
	return marks;
}

static int mark_advice(const struct vma_row *v, bool set)
{
	bool dontfork = bits_of(v) & VMA_DONTFORK;

	return set == dontfork ? MADV_DOFORK : MADV_DONTFORK;
}

static void add_advice(struct batch *b, const struct vma_row *v, int advice)
{
	size_t call = batch_call(b, batch_why(b, "madvise(%d) mapping %lx-%lx", advice, v->start, v->end), SYS_madvise,
				 ARG(v->start), ARG(v->end - v->start), ARG(advice));

	/* Hints for features that this kernel may be built without. */
	if (advice == MADV_HUGEPAGE || advice == MADV_NOHUGEPAGE || advice == MADV_MERGEABLE)
		batch_may_fail(b, call);
}

static void add_mprotect(struct batch *b, const struct vma_row *v, int prot)
{
	batch_call(b, batch_why(b, "mprotect mapping %lx-%lx", v->start, v->end), SYS_mprotect, ARG(v->start),
		   ARG(v->end - v->start), ARG(prot));
}

/* What follows after a mapping is in its place. */
static void add_rest(struct batch *b, const struct vma_row *v, const struct vma_plan *plan, bool mark)
{
	for (size_t i = 0; i < plan->nr_advice; i++)
		add_advice(b, v, plan->advice[i]);
	if (v->name)
		batch_call(b, batch_why(b, "name mapping %lx-%lx", v->start, v->end), SYS_prctl, ARG(PR_SET_VMA),
			   ARG(PR_SET_VMA_ANON_NAME), ARG(v->start), ARG(v->end - v->start),
			   ARG_AT(batch_data(b, v->name, strlen(v->name) + 1)));
	if (mark)
		add_advice(b, v, mark_advice(v, true));
}

static void add_mmap(struct batch *b, const struct vma_row *v, int fd, bool mark)
{
	struct vma_plan plan;
	size_t call;

	vma_plan(v, &plan);
	call = batch_call(b, batch_why(b, "mmap %lx-%lx (%s)", v->start, v->end, v->type), SYS_mmap, ARG(v->start),
			  ARG(v->end - v->start), ARG(plan.prot), ARG(plan.flags), ARG(fd), ARG(v->pgoff));
	batch_expect(b, call, v->start);
	add_rest(b, v, &plan, mark);
}

/* ---- SysV segments ------------------------------------------------------ */

/* Only shmat(2) makes a mapping that counts as an attachment. A part of a segment is cut out of the whole. */
static void add_shmat(struct batch *b, const struct shmem_row *segment, const struct vma_row *v, uint64_t spare,
		      bool mark)
{
	int64_t len = v->end - v->start, whole = (int64_t)PAGE_ALIGN((uint64_t)segment->size);
	int64_t at = len == whole ? v->start : (int64_t)spare;
	uint32_t bits = bits_of(v);
	int flags = (bits & VMA_MAYWRITE ? 0 : SHM_RDONLY) | (bits & VMA_EXEC ? SHM_EXEC : 0);
	int prot = PROT_READ | (bits & VMA_MAYWRITE ? PROT_WRITE : 0) | (bits & VMA_EXEC ? PROT_EXEC : 0);
	struct vma_plan plan;
	size_t call;

	vma_plan(v, &plan);
	call = batch_call(b, batch_why(b, "shmat segment %ld for mapping %lx-%lx", segment->inode, v->start, v->end),
			  SYS_shmat, ARG(segment->inode), ARG(at), ARG(flags));
	batch_expect(b, call, at);
	if (len != whole) {
		call = batch_call(b, batch_why(b, "mremap a part of segment %ld to %lx-%lx", segment->inode, v->start,
					       v->end), SYS_mremap, ARG(at + v->pgoff), ARG(len), ARG(len),
				  ARG(MREMAP_MAYMOVE | MREMAP_FIXED), ARG(v->start));
		batch_expect(b, call, v->start);
		batch_call(b, "munmap the rest of a segment", SYS_munmap, ARG(at), ARG(whole));
	}
	if (plan.prot != prot)
		add_mprotect(b, v, plan.prot);
	add_rest(b, v, &plan, mark);
}

uint64_t vma_spare_size(const struct restore *r, int64_t mm)
{
	uint64_t largest = 0;
	size_t nr;
	const struct vma_row *vmas = vma_rows(r->img, mm, &nr);

	for (size_t i = 0; i < nr; i++) {
		const struct shmem_row *segment = sysv_of(r, &vmas[i]);

		if (segment)
			largest = max(largest, PAGE_ALIGN((uint64_t)segment->size));
	}
	return largest;
}

/* ---- all mappings ------------------------------------------------------- */

static int backing_fd(struct restore *r, const struct backing *backing, struct err *e)
{
	int fd;

	if (backing->shmem != COLUMN_NULL)
		return shmem_fd(r, backing->shmem, backing->writable, e);
	fd = mapped_file_fd(r, backing->mapped_file);
	return fd >= 0 ? fd : err_set(e, -EBADMSG, "mapped file %ld was not opened", backing->mapped_file);
}

/* Every mapping with the backing of vmas[first]. */
static int map_together(struct restore *r, struct new_process *p, const struct vma_row *vmas, size_t nr, size_t first,
			const bool *marks, bool *done, struct batch *b, struct err *e)
{
	struct backing backing = backing_of(&vmas[first]);
	bool anonymous = backing.mapped_file == COLUMN_NULL && backing.shmem == COLUMN_NULL;
	int fd = anonymous ? -1 : backing_fd(r, &backing, e);
	size_t call;

	if (!anonymous && fd < 0)
		return fd;
	if (!anonymous) {
		assert(p->cpt_pidfd != TARGET_FD);
		call = batch_call(b, "pidfd_getfd: a file to map", SYS_pidfd_getfd, ARG(p->cpt_pidfd), ARG(fd), ARG(0));
		batch_expect(b, call, TARGET_FD);
	}
	for (size_t i = first; i < nr; i++) {
		struct backing other = backing_of(&vmas[i]);

		if (done[i] || !backing_equal(&backing, &other))
			continue;
		done[i] = true;
		add_mmap(b, &vmas[i], anonymous ? -1 : TARGET_FD, marks[i]);
	}
	if (!anonymous)
		batch_call(b, "close a mapped file", SYS_close, ARG(TARGET_FD));
	return 0;
}

int vma_map(struct restore *r, struct new_process *p, uint64_t spare, struct batch *b, struct err *e)
{
	size_t nr;
	const struct vma_row *vmas = vma_rows(r->img, p->row->process, &nr);
	_cleanup_free_ bool *marks = marks_of(vmas, nr), *done = xcalloc(nr, sizeof(*done));
	int ret = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct shmem_row *segment = sysv_of(r, &vmas[i]);

		done[i] = segment || is_kernels(&vmas[i]);
		if (segment)
			add_shmat(b, segment, &vmas[i], spare, marks[i]);
	}
	for (size_t i = 0; ret == 0 && i < nr; i++)
		if (!done[i])
			ret = map_together(r, p, vmas, nr, i, marks, done, b, e);
	return ret;
}

/* A page that comes and goes leaves an anon_vma behind, as the mapping had from its pages once. */
static void add_anon_vma(struct batch *b, const struct vma_row *v)
{
	batch_may_fail(b, batch_call(b, "madvise: as if it had had a page", SYS_madvise, ARG(v->start), ARG(PAGE_SIZE),
				     ARG(MADV_POPULATE_WRITE)));
	batch_may_fail(b, batch_call(b, "madvise: as if it had had a page", SYS_madvise, ARG(v->start), ARG(PAGE_SIZE),
				     ARG(MADV_DONTNEED)));
}

/*
 * What only stays when a mapping has pages: being apart from a neighbour, and
 * being accounted without being writable (mprotect_fixup(), mm/mprotect.c).
 */
static void finish_pages(const struct vma_row *v, bool in_pair, const struct swap_run_row *runs, size_t nr_runs,
			 struct batch *b)
{
	struct vma_plan plan;

	vma_plan(v, &plan);
	if ((in_pair || (plan.final_prot >= 0 && plan.flags & MAP_ANONYMOUS)) && plan.prot & PROT_WRITE &&
	    !swap_run_any(runs, nr_runs, (uint64_t)v->start, (uint64_t)v->end))
		add_anon_vma(b, v);
	if (plan.final_prot >= 0)
		add_mprotect(b, v, plan.final_prot);
}

static void finish_lock(const struct vma_row *v, struct batch *b)
{
	struct vma_plan plan;
	size_t call;

	vma_plan(v, &plan);
	if (!plan.lock)
		return;
	call = batch_call(b, batch_why(b, "mlock2 mapping %lx-%lx", v->start, v->end), SYS_mlock2, ARG(v->start),
			  ARG(v->end - v->start), ARG(plan.lock == 2 ? MLOCK_ONFAULT : 0));
	/* Of pages that can't be accessed the flag alone is set (populate_vma_page_range()). */
	if (!(bits_of(v) & VMA_READ))
		batch_may_fail(b, call);
}

int vma_finish(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	size_t nr, nr_runs;
	const struct vma_row *vmas = vma_rows(r->img, p->row->process, &nr);
	const struct swap_run_row *runs = swap_run_rows(r->img, p->row->process, &nr_runs);
	_cleanup_free_ bool *marks = marks_of(vmas, nr);

	(void)e;
	for (size_t i = 0; i < nr; i++)
		if (!is_kernels(&vmas[i]))
			finish_pages(&vmas[i], marks[i] || (i + 1 < nr && marks[i + 1]), runs, nr_runs, b);
	for (size_t i = 0; i < nr; i++)
		if (marks[i])
			add_advice(b, &vmas[i], mark_advice(&vmas[i], false));
	for (size_t i = 0; i < nr; i++)
		finish_lock(&vmas[i], b);
	return 0;
}
