// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exchanging the address space of a stopped copy of cpt for the recorded one.
 * What is true after each stage:
 *
 *  clear   only vdso, vvar and the foothold are mapped
 *  vdso    vdso and vvar are where the program knows them; the foothold's
 *          single calls go through the new place
 *  map     all mappings are there, empty, with their final protection
 *  pages   relatives are joined, then every recorded page is a swap entry
 *  finish  mappings that only looked alike are told apart by their pages now,
 *          heap and argument addresses, program and locks are set
 *
 * The foothold lies where neither the old nor the new address space has
 * anything; it goes last, by remote_close().
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "remote/together.h"
#include "state/mm.h"
#include "state/live_parts.h"
#include "state/process.h"
#include "state/swap_run.h"
#include "state/vma.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#endif

#define FOOTHOLD_ROOM (1024 * 1024ul)	/* what remote_open() maps */
#define HOLE_BOTTOM (1ul << 32)		/* above programs at fixed addresses, below everything that grows down */
#define HOLE_MARGIN (1024 * 1024ul)	/* the kernel keeps 256 pages free below a stack */

/* ---- places ------------------------------------------------------------------ */

struct ranges {
	struct mm_range *a;
	size_t nr, cap;
};

static void ranges_add(struct ranges *r, uint64_t start, uint64_t end)
{
	array_grow(r->a, r->nr, r->cap);
	r->a[r->nr++] = (struct mm_range){ start, end };
}

static int range_compare(const void *a, const void *b)
{
	const struct mm_range *p = a, *q = b;

	return p->start < q->start ? -1 : p->start > q->start;
}

uint64_t mm_hole(const struct mm_range *taken, size_t nr, uint64_t size)
{
	_cleanup_free_ struct mm_range *sorted = xcalloc(nr, sizeof(*sorted));
	uint64_t at = HOLE_BOTTOM;

	if (nr)
		memcpy(sorted, taken, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), range_compare);
	for (size_t i = 0; i < nr; i++) {
		if (sorted[i].end + HOLE_MARGIN <= at)
			continue;
		if (sorted[i].start >= at + size + HOLE_MARGIN)
			break;
		at = PAGE_ALIGN(sorted[i].end) + HOLE_MARGIN;
	}
	return at + size + HOLE_MARGIN <= ADDRESS_END ? at : 0;
}

/* Mappings of the new process as it is: of cpt, or what was made meanwhile. */
static int ranges_add_present(struct ranges *r, const struct new_process *p, struct err *e)
{
	_cleanup_free_ char *maps = NULL;
	int ret = read_file_at(p->proc_fd, "maps", &maps, NULL);

	if (ret < 0)
		return err_ret(e, ret, "read /proc/%d/maps", p->pid);
	for (char *rest = maps, *line; (line = strsep(&rest, "\n")); ) {
		uint64_t start, end;

		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			ranges_add(r, start, min(end, ADDRESS_END));
	}
	return 0;
}

static void ranges_add_recorded(struct ranges *r, const struct image *img, int64_t mm)
{
	size_t nr;
	const struct vma_row *vmas = vma_rows(img, mm, &nr);

	for (size_t i = 0; i < nr; i++)
		ranges_add(r, (uint64_t)vmas[i].start, (uint64_t)vmas[i].end);
}

static int find_hole(const struct restore *r, const struct new_process *p, uint64_t size, uint64_t *ret, struct err *e)
{
	struct ranges taken = { 0 };
	int err = ranges_add_present(&taken, p, e);

	if (err == 0) {
		ranges_add_recorded(&taken, r->img, p->row->process);
		*ret = mm_hole(taken.a, taken.nr, size);
		if (!*ret)
			err = err_set(e, -ENOMEM, "its address space has no room of %lu KiB for cpt to work in", size / 1024);
	}
	free(taken.a);
	return err;
}

int mm_find_hole(struct restore *r, struct new_process *p, uint64_t *ret, struct err *e)
{
	return find_hole(r, p, FOOTHOLD_ROOM, ret, e);
}

/* ---- clear and vdso ------------------------------------------------------------ */

/* The kernel's own mappings, as they are in the new process and as they were in the old one. */
struct special {
	char name[16];
	struct mm_range now, then;
};

static int specials_present(const struct new_process *p, struct special *s, size_t room, size_t *ret_nr, struct err *e)
{
	_cleanup_free_ char *maps = NULL;
	int ret = read_file_at(p->proc_fd, "maps", &maps, NULL);
	size_t nr = 0;

	if (ret < 0)
		return err_ret(e, ret, "read /proc/%d/maps", p->pid);
	for (char *rest = maps, *line; (line = strsep(&rest, "\n")); ) {
		char name[16] = "";
		uint64_t start, end;

		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %15[^\n]", &start, &end, name) != 3 || nr == room ||
		    (strcmp(name, "[vdso]") != 0 && strncmp(name, "[vvar", 5) != 0))
			continue;
		s[nr] = (struct special){ .now = { start, end } };
		memcpy(s[nr++].name, name, sizeof(name));
	}
	*ret_nr = nr;
	return 0;
}

/* Both are in address order, and there is one vdso and a fixed number of vvars. */
static int specials_match(const struct restore *r, const struct new_process *p, struct special *s, size_t nr,
			  struct err *e)
{
	size_t nr_vmas, found = 0;
	const struct vma_row *vmas = vma_rows(r->img, p->row->process, &nr_vmas);

	for (size_t i = 0; i < nr_vmas; i++) {
		int type = vma_type_of(vmas[i].type);
		bool is_vdso = type == VMA_VDSO;
		size_t j = 0;

		if (type != VMA_VDSO && type != VMA_VVAR)
			continue;
		while (j < nr && (s[j].then.end || is_vdso != (strcmp(s[j].name, "[vdso]") == 0)))
			j++;
		if (j == nr || s[j].now.end - s[j].now.start != (uint64_t)(vmas[i].end - vmas[i].start))
			return err_set(e, -ENOEXEC, "its %s at %lx-%lx has no counterpart of that size under this kernel",
				       vmas[i].type, vmas[i].start, vmas[i].end);
		s[j].then = (struct mm_range){ (uint64_t)vmas[i].start, (uint64_t)vmas[i].end };
		found++;
	}
	if (found != nr)
		return err_set(e, -ENOEXEC, "this kernel gives a process %zu mappings of its own, the snapshot has %zu", nr,
			       found);
	return 0;
}

static void add_munmap_gaps(struct batch *b, struct ranges *keep)
{
	uint64_t at = 0;

	qsort(keep->a, keep->nr, sizeof(*keep->a), range_compare);
	ranges_add(keep, ADDRESS_END, ADDRESS_END);
	for (size_t i = 0; i < keep->nr; i++) {
		if (keep->a[i].start > at)
			batch_call(b, batch_why(b, "munmap %lx-%lx", at, keep->a[i].start), SYS_munmap, ARG(at),
				   ARG(keep->a[i].start - at));
		at = keep->a[i].end;
	}
}

static void add_move(struct batch *b, const char *name, uint64_t from, uint64_t to, uint64_t size)
{
	size_t call;

	if (from == to)
		return;
	call = batch_call(b, batch_why(b, "mremap %s to %lx", name, to), SYS_mremap, ARG(from), ARG(size), ARG(size),
			  ARG(MREMAP_MAYMOVE | MREMAP_FIXED), ARG(to));
	batch_expect(b, call, (int64_t)to);
}

/* By way of a free place, for the new places may overlap the old ones. */
static void add_moves(struct batch *b, const struct special *s, size_t nr, uint64_t spare)
{
	uint64_t at = spare;

	for (size_t i = 0; i < nr; at += s[i].now.end - s[i].now.start, i++)
		add_move(b, s[i].name, s[i].now.start, at, s[i].now.end - s[i].now.start);
	at = spare;
	for (size_t i = 0; i < nr; at += s[i].now.end - s[i].now.start, i++)
		add_move(b, s[i].name, at, s[i].then.start, s[i].now.end - s[i].now.start);
}

static int clear(struct restore *r, struct new_process *p, uint64_t spare, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct special s[8];
	struct ranges keep = { 0 };
	uint64_t vdso = 0;
	size_t nr = 0;
	int ret = specials_present(p, s, ARRAY_SIZE(s), &nr, e) ?: specials_match(r, p, s, nr, e);

	if (ret < 0)
		return ret;
	ranges_add(&keep, remote_address(p->remote), remote_address(p->remote) + remote_size(p->remote));
	for (size_t i = 0; i < nr; i++) {
		ranges_add(&keep, s[i].now.start, s[i].now.end);
		if (strcmp(s[i].name, "[vdso]") == 0)
			vdso = s[i].then.start;
	}
	add_munmap_gaps(b, &keep);
	free(keep.a);
	add_moves(b, s, nr, spare);
	return remote_run(p->remote, &p->threads[0].tracee, b, e) ?:
	       remote_moved_vdso(p->remote, &p->threads[0].tracee, vdso, e);
}

/* ---- pages ------------------------------------------------------------------------ */

static int open_pagemap(const struct new_process *p, struct err *e)
{
	int fd = openat(p->proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open /proc/%d/pagemap", p->pid) : fd;
}

static int join_peers(struct restore *r, const struct new_process *p, int pagemap, struct err *e)
{
	for (size_t i = 0; i < r->nr_shares; i++) {
		const struct share *share = &r->shares[i];
		_cleanup_fd_ int peer_pagemap = -1;
		struct new_process *peer;
		int ret;

		if (share->vma->mm != p->row->process)
			continue;
		peer = restore_find(r, share->peer->mm);
		/* It was begun earlier, and may be under way. */
		while (peer && !peer->has_memory && together_wait(false))
			;
		if (!peer || !peer->has_memory)
			return err_set(e, -EBADMSG, "process %ld is not there", share->peer->mm);
		peer_pagemap = open_pagemap(peer, e);
		if (peer_pagemap < 0)
			return peer_pagemap;
		ret = pagemap_join(pagemap, (uint64_t)share->vma->start, (uint64_t)share->vma->end, peer_pagemap, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int install_pages(struct restore *r, struct new_process *p, struct err *e)
{
	_cleanup_free_ struct pagemap_swap_run *runs = NULL;
	_cleanup_fd_ int pagemap = -1;
	size_t nr;
	int ret = swap_run_vector(r->img, p->row->process, &runs, &nr, e);

	if (ret < 0 || nr == 0) {
		p->has_memory = ret == 0;
		return ret;
	}
	if (!r->shares_known)
		share_plan(r->img, &r->shares, &r->nr_shares);
	r->shares_known = true;
	pagemap = open_pagemap(p, e);
	if (pagemap < 0)
		return pagemap;
	/* Charged to the cgroup that the process is in, which may be below the container's. */
	ret = join_peers(r, p, pagemap, e) ?: pagemap_set(pagemap, -1, runs, nr, e);
	p->has_memory = ret == 0;
	return ret;
}

/* ---- finish ------------------------------------------------------------------------- */

#define AUXV_MOST 25	/* AT_VECTOR_SIZE is 50 words on x86-64 (include/linux/auxvec.h) */
#define PROGRAM_FD 0	/* its number in the process, which has no other descriptor but cpt's pidfd */

/* What PR_SET_MM_MAP reads: the only call that sets all of it without CAP_SYS_RESOURCE. */
struct mm_request {
	struct prctl_mm_map map;
	uint64_t auxv[AUXV_MOST][2];
};

/* The kernel refuses to change the program while it is mapped (replace_mm_exe_file()), even to the same. */
static bool runs_already(const struct new_process *p, int exe)
{
	struct stat now, then;

	return fstatat(p->proc_fd, "exe", &now, 0) == 0 && fstat(exe, &then) == 0 && now.st_dev == then.st_dev &&
	       now.st_ino == then.st_ino;
}

static void request_fill(const struct restore *r, const struct mm_row *row, uint64_t at, struct mm_request *request)
{
	const struct auxv_row *a;
	size_t nr = 0;

	*request = (struct mm_request){
		.map = {
			.start_code = (uint64_t)row->start_code, .end_code = (uint64_t)row->end_code,
			.start_data = (uint64_t)row->start_data, .end_data = (uint64_t)row->end_data,
			.start_brk = (uint64_t)row->start_brk, .brk = (uint64_t)row->brk,
			.start_stack = (uint64_t)row->start_stack,
			.arg_start = (uint64_t)row->arg_start, .arg_end = (uint64_t)row->arg_end,
			.env_start = (uint64_t)row->env_start, .env_end = (uint64_t)row->env_end,
			.exe_fd = PROGRAM_FD,
		},
	};
	image_for_each(a, r->img, &auxv_table) {
		if (a->mm != row->mm || nr >= AUXV_MOST - 1)
			continue;
		request->auxv[nr][0] = (uint64_t)a->type;
		request->auxv[nr++][1] = (uint64_t)a->value;
	}
	request->map.auxv = (void *)(uintptr_t)(at + offsetof(struct mm_request, auxv));
	request->map.auxv_size = (uint32_t)((nr + 1) * sizeof(request->auxv[0]));
}

/*
 * The request holds an address of itself, so it can't be data of a batch: it
 * goes to a page of its own at @spare, which vma_map()'s batch has mapped.
 */
static int add_addresses(struct restore *r, struct new_process *p, const struct mm_row *row, uint64_t spare,
			 struct batch *b, struct err *e)
{
	struct mm_request request;
	struct iovec here = { &request, sizeof(request) }, there = { (void *)(uintptr_t)spare, sizeof(request) };
	int exe = mapped_file_fd(r, row->exe);

	if (exe < 0)
		return err_set(e, -EBADMSG, "its program, mapped file %ld, was not opened", row->exe);
	request_fill(r, row, spare, &request);
	if (runs_already(p, exe))
		request.map.exe_fd = (uint32_t)-1;
	if (process_vm_writev(p->pid, &here, 1, &there, 1, 0) != (ssize_t)sizeof(request))
		return err_sys(e, "write to process %d at %#lx", p->pid, (unsigned long)spare);
	batch_expect(b, batch_call(b, "pidfd_getfd: the program", SYS_pidfd_getfd, ARG(p->cpt_pidfd), ARG(exe), ARG(0)),
		     PROGRAM_FD);
	batch_call(b, "prctl: set program, heap, stack, arguments and auxiliary vector", SYS_prctl, ARG(PR_SET_MM),
		   ARG(PR_SET_MM_MAP), ARG(spare), ARG(sizeof(request.map)), ARG(0));
	batch_call(b, "close the program", SYS_close, ARG(PROGRAM_FD));
	batch_call(b, "munmap a scratch page", SYS_munmap, ARG(spare), ARG(PAGE_SIZE));
	return 0;
}

static void add_prctl(struct batch *b, const char *why, int option, int64_t value)
{
	if (value)
		batch_call(b, why, SYS_prctl, ARG(option), ARG(value), ARG(0), ARG(0), ARG(0));
}

static void add_properties(const struct mm_row *row, struct batch *b)
{
	for (int64_t bit = 1; bit <= row->membarrier; bit <<= 1)
		if (row->membarrier & bit)
			batch_call(b, "membarrier: register", SYS_membarrier, ARG(bit), ARG(0), ARG(0));
	add_prctl(b, "prctl: disable huge pages", PR_SET_THP_DISABLE, row->thp_disabled);
	add_prctl(b, "prctl: let pages be merged", PR_SET_MEMORY_MERGE, row->ksm);
	add_prctl(b, "prctl: deny writable code", PR_SET_MDWE, row->mdwe);
	if (row->lock_future)
		batch_call(b, "mlockall: lock what will be mapped", SYS_mlockall, ARG(row->lock_future));
}

static int finish(struct restore *r, struct new_process *p, const struct mm_row *row, uint64_t spare, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	char filter[24];
	int ret;

	ret = vma_finish(r, p, b, e) ?: add_addresses(r, p, row, spare, b, e);
	if (ret < 0)
		return ret;
	add_properties(row, b);
	ret = remote_run(p->remote, &p->threads[0].tracee, b, e);
	if (ret < 0)
		return ret;
	snprintf(filter, sizeof(filter), "%#lx", row->coredump_filter);
	ret = write_file_at(p->proc_fd, "coredump_filter", filter);
	return ret < 0 && ret != -ENOENT ? err_ret(e, ret, "write /proc/%d/coredump_filter", p->pid) : 0;
}

/* ---- entry points -------------------------------------------------------------------- */

static int map(struct restore *r, struct new_process *p, uint64_t spare, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	int ret = vma_map(r, p, spare, b, e);

	if (ret < 0)
		return ret;
	batch_call(b, "mmap a scratch page", SYS_mmap, ARG(spare), ARG(PAGE_SIZE), ARG(PROT_READ | PROT_WRITE),
		   ARG(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE), ARG(-1), ARG(0));
	return remote_run(p->remote, &p->threads[0].tracee, b, e);
}

int mm_restore(struct restore *r, struct new_process *p, struct err *e)
{
	const struct mm_row *row = image_find(r->img, &mm_table, offsetof(struct mm_row, mm), p->row->process);
	uint64_t room = max(vma_spare_size(r, p->row->process), FOOTHOLD_ROOM), spare;

	if (!row)
		return err_set(e, -EBADMSG, "no row in table mm");
	return find_hole(r, p, room, &spare, e) ?: clear(r, p, spare, e) ?: map(r, p, spare, e) ?:
	       install_pages(r, p, e) ?: finish(r, p, row, spare, e);
}

int memory_restore_done(struct restore *r, struct err *e)
{
	_cleanup_fd_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	free(take_ptr(r->shares));
	r->shares_known = false;
	return pagemap < 0 ? err_sys(e, "open /proc/self/pagemap") : pagemap_open_area(pagemap, r->cgroup_fd, e);
}

/* ---- comparison ------------------------------------------------------------------------ */

static const struct live_vma *next_mapping(const struct live_process *now, size_t *at, const struct new_process *p)
{
	uint64_t foothold = p->remote ? remote_address(p->remote) : 0;

	while (*at < now->nr_vmas) {
		const struct live_vma *v = &now->vmas[(*at)++];

		/* The foothold may be several mappings. */
		if (strcmp(v->path, "[vsyscall]") != 0 &&
		    !(foothold && v->start >= foothold && v->end <= foothold + remote_size(p->remote)))
			return v;
	}
	return NULL;
}

static int compare_mapping(const struct vma_row *then, const struct live_vma *now, struct err *e)
{
	char prot[4], flags[128], advice[128];

	if (!now || now->start != (uint64_t)then->start || now->end != (uint64_t)then->end)
		return err_set(e, -EPROTO, "mapping %lx-%lx (%s) came back as %lx-%lx", then->start, then->end, then->type,
			       now ? now->start : 0, now ? now->end : 0);
	vma_flags_describe(vma_flags_parse(now->flags ?: "") | (now->perms[3] == 's' ? VMA_SHARED : 0), prot, flags, advice);
	if (strcmp(prot, then->prot) != 0 || strcmp(flags, then->flags) != 0 || strcmp(advice, then->advice) != 0)
		return err_set(e, -EPROTO, "mapping %lx-%lx (%s) was '%s', '%s', '%s' and is '%s', '%s', '%s'", then->start,
			       then->end, then->type, then->prot, then->flags, then->advice, prot, flags, advice);
	return 0;
}

int mm_compare(const struct restore *r, const struct new_process *p, struct err *e)
{
	struct live_process now = { .pid = p->pid, .proc_fd = p->proc_fd };
	size_t nr, at = 0;
	const struct vma_row *vmas = vma_rows(r->img, p->row->process, &nr);
	const struct live_vma *more;
	int ret = live_read_vmas(&now, e);

	for (size_t i = 0; ret == 0 && i < nr; i++)
		ret = compare_mapping(&vmas[i], next_mapping(&now, &at, p), e);
	more = ret == 0 ? next_mapping(&now, &at, p) : NULL;
	if (more)
		ret = err_set(e, -EPROTO, "there is a mapping %lx-%lx (%s) too many", more->start, more->end, more->path);
	for (size_t i = 0; i < now.nr_vmas; i++) {
		free(now.vmas[i].path);
		free(now.vmas[i].flags);
	}
	free(now.vmas);
	return ret;
}
