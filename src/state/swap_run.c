// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs: writing a container's memory through to its swap volume, and noting
 * where each page of each address space is. Costs follow the pages that are
 * dirty and the number of runs, never the size of memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include "state/shmem.h"
#include "state/swap_run.h"

static const struct column swap_run_columns[] = {
	INT_COLUMN(struct swap_run_row, mm, 1, 4194304),
	INT_COLUMN(struct swap_run_row, vaddr, 0, (int64_t)ADDRESS_END - 1),
	INT_COLUMN(struct swap_run_row, nr_pages, 1, UINT32_MAX),
	INT_COLUMN(struct swap_run_row, slot, 0, UINT32_MAX),
	INT_COLUMN(struct swap_run_row, flags, 0, 15),
};
const struct table swap_run_table = TABLE("swap_run", struct swap_run_row, swap_run_columns);

/* ---- runs as data ------------------------------------------------------ */

void runs_append(struct pagemap_swap_run **runs, size_t *nr, size_t *cap, const struct pagemap_swap_run *run)
{
	struct pagemap_swap_run *last = *nr ? &(*runs)[*nr - 1] : NULL;

	if (last && last->vaddr + last->nr_pages * PAGE_SIZE == run->vaddr &&
	    last->slot + last->nr_pages == run->slot &&
	    !((last->flags ^ run->flags) & ~(uint32_t)PM_SWAP_RUN_YOUNG) &&
	    (uint64_t)last->nr_pages + run->nr_pages <= UINT32_MAX) {
		last->nr_pages += run->nr_pages;
		last->flags |= run->flags;
		return;
	}
	array_grow(*runs, *nr, *cap);
	(*runs)[(*nr)++] = *run;
}

const struct swap_run_row *swap_run_rows(const struct image *img, int64_t mm, size_t *ret_nr)
{
	size_t nr, first = 0, last;
	const struct swap_run_row *rows = image_rows(img, &swap_run_table, &nr);

	while (first < nr && rows[first].mm != mm)
		first++;
	for (last = first; last < nr && rows[last].mm == mm; )
		last++;
	*ret_nr = last - first;
	return rows + first;
}

static uint64_t run_end(const struct swap_run_row *run)
{
	return (uint64_t)run->vaddr + (uint64_t)run->nr_pages * PAGE_SIZE;
}

bool swap_run_any(const struct swap_run_row *runs, size_t nr, uint64_t start, uint64_t end)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (run_end(&runs[mid]) <= start)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < nr && (uint64_t)runs[low].vaddr < end; low++)
		if (!(runs[low].flags & PM_SWAP_RUN_ZERO))
			return true;
	return false;
}

/* Zero pages of anonymous memory need nothing; those of a private file mapping hide the file's bytes. */
static bool run_is_needed(const struct vma_row *v, int64_t flags)
{
	return !(flags & PM_SWAP_RUN_ZERO) || v->mapped_file != COLUMN_NULL ||
	       v->shmem != COLUMN_NULL;
}

int swap_run_vector(const struct image *img, int64_t mm, struct pagemap_swap_run **ret, size_t *ret_nr,
		    struct err *e)
{
	_cleanup_free_ struct pagemap_swap_run *vec = NULL;
	size_t nr_vmas, nr_runs, nr = 0, cap = 0, at = 0;
	const struct vma_row *vmas = vma_rows(img, mm, &nr_vmas);
	const struct swap_run_row *runs = swap_run_rows(img, mm, &nr_runs);

	for (size_t i = 0; i < nr_runs; i++) {
		uint64_t addr = (uint64_t)runs[i].vaddr, slot = (uint64_t)runs[i].slot;

		while (addr < run_end(&runs[i])) {
			uint64_t end;

			while (at < nr_vmas && (uint64_t)vmas[at].end <= addr)
				at++;
			if (at == nr_vmas || (uint64_t)vmas[at].start > addr)
				return err_set(e, -EBADMSG, "process %ld: pages at %#lx are in no mapping", mm,
					       (unsigned long)addr);
			end = min((uint64_t)vmas[at].end, run_end(&runs[i]));
			if (run_is_needed(&vmas[at], runs[i].flags)) {
				array_grow(vec, nr, cap);
				vec[nr++] = (struct pagemap_swap_run){
					.vaddr = addr, .slot = slot, .nr_pages = (uint32_t)((end - addr) / PAGE_SIZE),
					.flags = (uint32_t)runs[i].flags &
						 (PM_SWAP_RUN_ZERO | PM_SWAP_RUN_EXCLUSIVE),
				};
			}
			slot += (end - addr) / PAGE_SIZE;
			addr = end;
		}
	}
	*ret = take_ptr(vec);
	*ret_nr = nr;
	return 0;
}

static int swap_run_check(struct restore *r, struct err *e)
{
	const struct swap_run_row *run, *before = NULL;
	int64_t checked = -1;
	int ret;

	image_for_each(run, r->img, &swap_run_table) {
		if (run->vaddr & (int64_t)(PAGE_SIZE - 1) || (before && before->mm == run->mm &&
							     run_end(before) > (uint64_t)run->vaddr))
			return err_set(e, -EBADMSG, "process %ld: the run at %#lx overlaps the one before it or does "
				       "not begin with a page", run->mm, run->vaddr);
		before = run;
		if (run->mm != checked) {
			_cleanup_free_ struct pagemap_swap_run *vec = NULL;
			size_t nr;

			ret = swap_run_vector(r->img, run->mm, &vec, &nr, e);
			if (ret < 0)
				return ret;
			checked = run->mm;
		}
	}
	return 0;
}

const struct kind swap_run_kind = {
	.name = "swap_run",
	.tables = (const struct table *const[]){ &swap_run_table, NULL },
	.check = swap_run_check,
};

/* ---- address spaces ---------------------------------------------------- */

struct range {
	uint64_t start, end;
};

/* All addresses but those of cpt's foothold. */
static size_t ranges_of(const struct live_process *p, struct range ranges[static 2])
{
	uint64_t foothold = p->remote ? remote_address(p->remote) : 0;

	ranges[0] = (struct range){ 0, foothold ?: ADDRESS_END };
	if (!foothold)
		return 1;
	ranges[1] = (struct range){ foothold + remote_size(p->remote), ADDRESS_END };
	return 2;
}

static bool has_memory(const struct live_process *p)
{
	return !p->zombie && p->mm_owner == p->index;
}

/* -ESRCH without a message: it ended, which only a running container's processes may. */
static int pagemap_of(const struct live *l, const struct live_process *p, int *ret, struct err *e)
{
	*ret = openat(p->proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	if (*ret >= 0)
		return 0;
	if (!l->frozen && (errno == ENOENT || errno == ESRCH))
		return -ESRCH;
	return err_sys(e, "open /proc/%d/pagemap", p->pid);
}

static int process_sync(struct live *l, struct live_process *p, struct sync_figures *sum, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	struct range ranges[2];
	size_t nr = ranges_of(p, ranges);
	int r = pagemap_of(l, p, &fd, e);

	for (size_t i = 0; r == 0 && i < nr; i++)
		r = pagemap_sync(fd, l->cgroup_fd, ranges[i].start, ranges[i].end, sum, e);
	if (r == -ESRCH && !l->frozen) {
		*e = ERR_INIT;
		return 0;
	}
	return r;
}

static const struct live_vma *live_vma_at(const struct live_process *p, uint64_t addr)
{
	for (size_t i = 0; i < p->nr_vmas; i++)
		if (p->vmas[i].start <= addr && addr < p->vmas[i].end)
			return &p->vmas[i];
	return NULL;
}

/*
 * GET of one range. Droppable memory (MAP_DROPPABLE) is never written out: it
 * is restored empty, as the kernel may leave it at any time.
 */
static int process_get(struct live *l, struct live_process *p, int fd, struct range range,
		       struct pagemap_swap_run **runs, size_t *nr, size_t *cap, struct err *e)
{
	for (;;) {
		uint64_t busy = 0;
		const struct live_vma *v;
		int r = pagemap_get(fd, l->cgroup_fd, range.start, range.end, runs, nr, cap, &busy, e);

		if (r != -EBUSY)
			return r;
		v = live_vma_at(p, busy);
		if (!v || !v->flags || !(vma_flags_parse(v->flags) & VMA_DROPPABLE))
			return err_in(e, "mapping %lx-%lx (%s)", v ? v->start : 0, v ? v->end : 0,
				      v && *v->path ? v->path : "anonymous");
		*e = ERR_INIT;
		range.start = v->end;
	}
}

/* Where process_save_runs() is: runs and mappings are both in the order of addresses. */
struct kept {
	size_t at;
	uint32_t flags;			/* of mapping @flags_of - 1: text is parsed once a mapping, not once a run */
	size_t flags_of;
};

static bool run_is_kept(const struct live_process *p, struct pagemap_swap_run *run, struct kept *k)
{
	const struct live_vma *v;

	while (k->at < p->nr_vmas && p->vmas[k->at].end <= run->vaddr)
		k->at++;
	if (k->at == p->nr_vmas || run->flags & PM_SWAP_RUN_SHMEM)
		return false;
	v = &p->vmas[k->at];
	/* The process has a copy of a page of it from a former snapshot (nest.c), which reads as every vdso does. */
	if (strcmp(v->path, "[vdso]") == 0) {
		uint32_t pages = (uint32_t)min((v->end - run->vaddr) / PAGE_SIZE, (uint64_t)run->nr_pages);

		run->vaddr += pages * PAGE_SIZE;
		run->slot += pages;
		run->nr_pages -= pages;
		return run->nr_pages && run_is_kept(p, run, k);
	}
	/* See run_is_needed(); a run of zeroes over several mappings is kept if it begins in a file's. */
	if (run->flags & PM_SWAP_RUN_ZERO && v->ino == 0 && run->vaddr + run->nr_pages * PAGE_SIZE <= v->end)
		return false;
	if (k->flags_of != k->at + 1) {
		k->flags = vma_flags_parse(v->flags ?: "");
		k->flags_of = k->at + 1;
	}
	return !(k->flags & VMA_DROPPABLE);
}

static int process_save_runs(struct save *s, struct live_process *p, struct err *e)
{
	_cleanup_free_ struct pagemap_swap_run *runs = NULL, *merged = NULL;
	size_t nr = 0, cap = 0, nr_merged = 0, cap_merged = 0;
	struct kept kept = { 0 };
	_cleanup_fd_ int fd = -1;
	struct range ranges[2];
	size_t nr_ranges = ranges_of(p, ranges);
	int r = pagemap_of(s->live, p, &fd, e);

	for (size_t i = 0; r == 0 && i < nr_ranges; i++)
		r = process_get(s->live, p, fd, ranges[i], &runs, &nr, &cap, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nr; i++)
		if (run_is_kept(p, &runs[i], &kept))
			runs_append(&merged, &nr_merged, &cap_merged, &runs[i]);
	for (size_t i = 0; i < nr_merged; i++)
		*(struct swap_run_row *)image_add(s->img, &swap_run_table) = (struct swap_run_row){
			.mm = p->pid, .vaddr = (int64_t)merged[i].vaddr, .nr_pages = merged[i].nr_pages,
			.slot = (int64_t)merged[i].slot, .flags = merged[i].flags,
		};
	return 0;
}

/* ---- shared objects ---------------------------------------------------- */

/* What is done with one object, mapped whole at @at. */
typedef int object_fn(struct live *l, const struct shmem_object *o, int pagemap, char *at, size_t len,
		      void *arg, struct err *e);

static int object_visit(struct live *l, const struct shmem_object *o, object_fn *fn, void *arg, struct err *e)
{
	_cleanup_fd_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t len;
	char *at;
	int r;

	if (pagemap < 0)
		return err_sys(e, "open /proc/self/pagemap");
	if (fstat(o->fd, &st) < 0)
		return err_sys(e, "stat %s", o->link);
	len = PAGE_ALIGN((size_t)st.st_size);
	if (len == 0)
		return 0;
	/* With access it would be filled, holes and all: what cpt maps is locked by now (mlockall(2)). */
	at = mmap(NULL, len, PROT_NONE, MAP_SHARED, o->fd, 0);
	if (at == MAP_FAILED)
		return err_sys(e, "map %s", o->link);
	r = fn(l, o, pagemap, at, len, arg, e);
	munmap(at, len);
	return r;
}

static int object_sync(struct live *l, const struct shmem_object *o, int pagemap, char *at, size_t len,
		       void *arg, struct err *e)
{
	(void)o;
	return pagemap_sync(pagemap, l->cgroup_fd, (uintptr_t)at, (uintptr_t)at + len, arg, e);
}

static int object_save(struct live *l, const struct shmem_object *o, int pagemap, char *at, size_t len,
		       void *arg, struct err *e)
{
	_cleanup_free_ struct pagemap_swap_run *runs = NULL, *merged = NULL;
	size_t nr = 0, cap = 0, nr_merged = 0, cap_merged = 0;
	struct save *s = arg;
	uint64_t busy;
	int64_t id;
	int r;

	r = shmem_save_object(s, o, &id, e) ?:
	    pagemap_get(pagemap, l->cgroup_fd, (uintptr_t)at, (uintptr_t)at + len, &runs, &nr, &cap, &busy, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nr; i++)
		if (!(runs[i].flags & PM_SWAP_RUN_ZERO))
			runs_append(&merged, &nr_merged, &cap_merged, &runs[i]);
	for (size_t i = 0; i < nr_merged; i++)
		*(struct shmem_run_row *)image_add(s->img, &shmem_run_table) = (struct shmem_run_row){
			.shmem = id, .page = (int64_t)((merged[i].vaddr - (uintptr_t)at) / PAGE_SIZE),
			.nr_pages = merged[i].nr_pages, .slot = (int64_t)merged[i].slot, .flags = merged[i].flags,
		};
	return 0;
}

static int objects_visit(struct live *l, object_fn *fn, void *arg, struct err *e)
{
	struct shmem_object *list;
	size_t nr;
	int r;

	r = shmem_list(l, &list, &nr, e);
	for (size_t i = 0; r == 0 && i < nr; i++) {
		r = object_visit(l, &list[i], fn, arg, e);
		if (r < 0)
			err_in(e, "shared memory %s of task %d (%s)", list[i].link, list[i].process->pid,
			       list[i].process->comm);
	}
	shmem_list_free(list, nr);
	return r;
}

/* ---- entry points ------------------------------------------------------ */

int memory_sync(struct live *l, struct sync_figures *sum, struct err *e)
{
	for (size_t i = 0; i < l->nr_processes; i++) {
		struct live_process *p = &l->processes[i];

		if (has_memory(p) && process_sync(l, p, sum, e) < 0)
			return err_in(e, "task %d (%s)", p->pid, p->comm);
	}
	return objects_visit(l, object_sync, sum, e);
}

int memory_save(struct save *s, struct err *e)
{
	for (size_t i = 0; i < s->live->nr_processes; i++) {
		struct live_process *p = &s->live->processes[i];

		if (has_memory(p) && process_save_runs(s, p, e) < 0)
			return err_in(e, "task %d (%s)", p->pid, p->comm);
	}
	return objects_visit(s->live, object_save, s, e);
}

int memory_save_contents(struct save *s, int fd, int64_t *ret_shmem, struct err *e)
{
	struct shmem_object o = { .kind = "file", .link = (char *)"contents of a file", .fd = fd };
	struct sync_figures nobody = { 0 };

	/* Inodes of different tmpfs may have one number: each gets another here. */
	image_rows(s->img, &shmem_table, &o.ino);
	return object_visit(s->live, &o, object_sync, s->written ?: &nobody, e) ?:
	       object_visit(s->live, &o, object_save, s, e) ?: shmem_save_object(s, &o, ret_shmem, e);
}

int memory_sync_contents(struct save *s, int fd, struct err *e)
{
	struct shmem_object o = { .kind = "file", .link = (char *)"contents of a file", .fd = fd };
	struct sync_figures nobody = { 0 };

	return object_visit(s->live, &o, object_sync, s->written ?: &nobody, e);
}

void memory_count(const struct image *img, int64_t *pages, int64_t *runs)
{
	const struct swap_run_row *run;
	const struct shmem_run_row *shmem;
	size_t nr, nr_shmem;

	image_rows(img, &swap_run_table, &nr);
	image_rows(img, &shmem_run_table, &nr_shmem);
	*runs = (int64_t)(nr + nr_shmem);
	*pages = 0;
	image_for_each(run, img, &swap_run_table)
		*pages += run->nr_pages;
	image_for_each(shmem, img, &shmem_run_table)
		*pages += shmem->nr_pages;
}
