// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings: what VmFlags of smaps says, in the words of table `vma`, and what
 * system calls make the same mapping again. Saving classifies every mapping
 * and refuses by name what can't be made again.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include "host/pagemap.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/shmem.h"
#include "state/vma.h"

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08	/* include/uapi/linux/mman.h, since 6.11 */
#endif

#define ADDRESS_MAX ((int64_t)ADDRESS_END)

static const struct column vma_columns[] = {
	INT_COLUMN(struct vma_row, mm, 1, 4194304),
	INT_COLUMN(struct vma_row, start, 0, ADDRESS_MAX),
	INT_COLUMN(struct vma_row, end, 1, ADDRESS_MAX),
	TEXT_COLUMN(struct vma_row, type, 8),
	TEXT_COLUMN(struct vma_row, prot, 3),
	TEXT_COLUMN(struct vma_row, flags, 127),
	TEXT_COLUMN(struct vma_row, advice, 127),
	INT_COLUMN(struct vma_row, pgoff, 0, INT64_MAX),
	INT_COLUMN_OR_NULL(struct vma_row, mapped_file, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct vma_row, shmem, 0, INT32_MAX),
	TEXT_COLUMN_OR_NULL(struct vma_row, name, 80),
};
const struct table vma_table = TABLE("vma", struct vma_row, vma_columns);

static const char *const type_names[VMA_NR_TYPES] = {
	[VMA_ANON] = "anon", [VMA_HEAP] = "heap", [VMA_STACK] = "stack", [VMA_FILE] = "file",
	[VMA_SHMEM] = "shmem", [VMA_VDSO] = "vdso", [VMA_VVAR] = "vvar",
};

const char *vma_type_name(enum vma_type type)
{
	return type_names[type];
}

int vma_type_of(const char *name)
{
	for (int i = 0; i < VMA_NR_TYPES; i++)
		if (strcmp(type_names[i], name) == 0)
			return i;
	return -1;
}

/* ---- flags ------------------------------------------------------------ */

static const struct flag {
	char code[3];		/* in VmFlags */
	uint32_t bit;		/* 0: says nothing that has to be kept */
	const char *word;	/* in column flags, */
	const char *advice;	/* or in column advice */
	int madvise;
	const char *refusal;
} flag_list[] = {
	{ "rd", VMA_READ, NULL, NULL, 0, NULL },
	{ "wr", VMA_WRITE, NULL, NULL, 0, NULL },
	{ "ex", VMA_EXEC, NULL, NULL, 0, NULL },
	/* A shared mapping of a file opened read-only has ms alone (do_mmap() takes VM_SHARED back). */
	{ "ms", VMA_SHARED, "shared", NULL, 0, NULL },
	{ "sh", VMA_SHARED, "shared", NULL, 0, NULL },
	{ "mr", 0, NULL, NULL, 0, NULL },
	{ "mw", VMA_MAYWRITE, "maywrite", NULL, 0, NULL },
	{ "me", 0, NULL, NULL, 0, NULL },
	{ "gd", VMA_GROWSDOWN, "growsdown", NULL, 0, NULL },
	{ "nr", VMA_NORESERVE, "noreserve", NULL, 0, NULL },
	{ "ac", VMA_ACCOUNTED, "accounted", NULL, 0, NULL },
	{ "lo", VMA_LOCKED, "locked", NULL, 0, NULL },
	{ "lf", VMA_LOCKONFAULT, "onfault", NULL, 0, NULL },
	{ "dp", VMA_DROPPABLE, "droppable", NULL, 0, NULL },
	{ "sr", VMA_SEQUENTIAL, NULL, "sequential", MADV_SEQUENTIAL, NULL },
	{ "rr", VMA_RANDOM, NULL, "random", MADV_RANDOM, NULL },
	{ "dc", VMA_DONTFORK, NULL, "dontfork", MADV_DONTFORK, NULL },
	{ "dd", VMA_DONTDUMP, NULL, "dontdump", MADV_DONTDUMP, NULL },
	{ "wf", VMA_WIPEONFORK, NULL, "wipeonfork", MADV_WIPEONFORK, NULL },
	{ "hg", VMA_HUGEPAGE, NULL, "hugepage", MADV_HUGEPAGE, NULL },
	{ "nh", VMA_NOHUGEPAGE, NULL, "nohugepage", MADV_NOHUGEPAGE, NULL },
	{ "mg", VMA_MERGEABLE, NULL, "mergeable", MADV_MERGEABLE, NULL },
	{ "sd", 0, NULL, NULL, 0, NULL },
	{ "de", VMA_DONTEXPAND, NULL, NULL, 0, "it belongs to a kernel object that can't be made again" },
	{ "io", VMA_IO, NULL, NULL, 0, "it maps a device" },
	{ "pf", VMA_PFNMAP, NULL, NULL, 0, "it maps a device's memory" },
	{ "mm", VMA_MIXEDMAP, NULL, NULL, 0, "it maps a device's memory" },
	{ "ht", VMA_HUGETLB, NULL, NULL, 0, "it is made of hugetlb pages, which have no place on a swap volume" },
	{ "sf", VMA_SYNC, NULL, NULL, 0, "it is a MAP_SYNC mapping of persistent memory" },
	{ "um", VMA_USERFAULT, NULL, NULL, 0, "it is registered with userfaultfd" },
	{ "uw", VMA_USERFAULT, NULL, NULL, 0, "it is registered with userfaultfd" },
	{ "ui", VMA_USERFAULT, NULL, NULL, 0, "it is registered with userfaultfd" },
	{ "ss", VMA_SHADOW_STACK, NULL, NULL, 0, "it is a shadow stack (CET)" },
	{ "sl", VMA_SEALED, NULL, NULL, 0, "it is sealed (mseal)" },
	{ "??", VMA_UNKNOWN, NULL, NULL, 0, "it has a property that this version of cpt does not know" },
};

/* What the kernel's own mappings may have besides. */
#define VDSO_BITS (VMA_DONTEXPAND | VMA_IO | VMA_PFNMAP | VMA_SEALED)

uint32_t vma_flags_parse(const char *vmflags)
{
	uint32_t bits = 0;

	for (const char *p = vmflags; *p; p += strcspn(p, " ")) {
		const struct flag *known = NULL;

		p += strspn(p, " ");
		if (!*p)
			break;
		for (size_t i = 0; !known && i < ARRAY_SIZE(flag_list); i++)
			if (strncmp(p, flag_list[i].code, 2) == 0 && (p[2] == ' ' || p[2] == 0))
				known = &flag_list[i];
		bits |= known ? known->bit : VMA_UNKNOWN;
	}
	return bits;
}

const char *vma_flags_refusal(uint32_t bits, enum vma_type type)
{
	if (type == VMA_VDSO || type == VMA_VVAR)
		bits &= ~(uint32_t)VDSO_BITS;
	/* The most telling reason is the latest in the list. */
	for (size_t i = ARRAY_SIZE(flag_list); i-- > 0; )
		if (flag_list[i].refusal && (bits & flag_list[i].bit))
			return flag_list[i].refusal;
	return NULL;
}

static void add_word(char *buf, const char *word)
{
	size_t len = strlen(buf);

	snprintf(buf + len, 128 - len, "%s%s", len ? " " : "", word);
}

void vma_flags_describe(uint32_t bits, char *prot, char *flags, char *advice)
{
	uint32_t done = 0;

	snprintf(prot, 4, "%c%c%c", bits & VMA_READ ? 'r' : '-', bits & VMA_WRITE ? 'w' : '-',
		 bits & VMA_EXEC ? 'x' : '-');
	*flags = *advice = 0;
	/* Of a private mapping this is always true. */
	if (!(bits & VMA_SHARED)) {
		add_word(flags, "private");
		done |= VMA_MAYWRITE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flag_list); i++) {
		const struct flag *f = &flag_list[i];

		if (!(bits & f->bit & ~done))
			continue;
		done |= f->bit;
		if (f->word)
			add_word(flags, f->word);
		if (f->advice)
			add_word(advice, f->advice);
	}
}

static bool words_of(const char *text, bool advice, uint32_t *bits, bool *private)
{
	for (const char *p = text; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");
		uint32_t bit = 0;

		for (size_t i = 0; i < ARRAY_SIZE(flag_list); i++) {
			const char *word = advice ? flag_list[i].advice : flag_list[i].word;

			if (word && strlen(word) == len && memcmp(p, word, len) == 0)
				bit = flag_list[i].bit;
		}
		if (!bit && !advice && len == 7 && memcmp(p, "private", 7) == 0)
			*private = true;
		else if (!bit)
			return false;
		*bits |= bit;
		p += len;
	}
	return true;
}

bool vma_flags_of(const struct vma_row *v, uint32_t *ret)
{
	uint32_t bits = 0;
	bool private = false;

	if (strlen(v->prot) != 3 || !strchr("r-", v->prot[0]) || !strchr("w-", v->prot[1]) ||
	    !strchr("x-", v->prot[2]))
		return false;
	if (!words_of(v->flags, false, &bits, &private) || !words_of(v->advice, true, &bits, &private))
		return false;
	if (private == !!(bits & VMA_SHARED))
		return false;
	bits |= (v->prot[0] == 'r' ? VMA_READ : 0) | (v->prot[1] == 'w' ? VMA_WRITE : 0) |
		(v->prot[2] == 'x' ? VMA_EXEC : 0) | (private ? VMA_MAYWRITE : 0);
	*ret = bits;
	return true;
}

/* ---- plan ------------------------------------------------------------- */

void vma_plan(const struct vma_row *v, struct vma_plan *plan)
{
	uint32_t bits = 0;
	int prot;

	if (!vma_flags_of(v, &bits))
		bits = 0;	/* vma_check() has refused such a row */
	prot = (bits & VMA_READ ? PROT_READ : 0) | (bits & VMA_WRITE ? PROT_WRITE : 0) |
	       (bits & VMA_EXEC ? PROT_EXEC : 0);
	*plan = (struct vma_plan){ .prot = prot, .flags = MAP_FIXED_NOREPLACE, .final_prot = -1 };
	plan->flags |= bits & VMA_DROPPABLE ? MAP_DROPPABLE : bits & VMA_SHARED ? MAP_SHARED : MAP_PRIVATE;
	if (v->mapped_file == COLUMN_NULL && v->shmem == COLUMN_NULL)
		plan->flags |= MAP_ANONYMOUS;
	if (bits & VMA_GROWSDOWN)
		plan->flags |= MAP_GROWSDOWN;
	if (bits & VMA_NORESERVE && !(bits & VMA_DROPPABLE))
		plan->flags |= MAP_NORESERVE;
	/*
	 * It was writable once and counts as committed memory still: only a
	 * writable mapping begins to (accountable_mapping(), mm/mmap.c).
	 */
	if (bits & VMA_ACCOUNTED && !(bits & (VMA_WRITE | VMA_SHARED))) {
		plan->prot |= PROT_WRITE;
		plan->final_prot = prot;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flag_list); i++) {
		const struct flag *f = &flag_list[i];

		/* MAP_DROPPABLE brings these by itself (do_mmap()). */
		if (bits & VMA_DROPPABLE && f->bit & (VMA_WIPEONFORK | VMA_DONTDUMP))
			continue;
		if (f->advice && bits & f->bit && plan->nr_advice < ARRAY_SIZE(plan->advice))
			plan->advice[plan->nr_advice++] = f->madvise;
	}
	if (bits & VMA_LOCKED)
		plan->lock = bits & VMA_LOCKONFAULT ? 2 : 1;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool vma_would_merge(const struct vma_row *a, const struct vma_row *b)
{
	if (a->end != b->start || !same_text(a->prot, b->prot) || !same_text(a->flags, b->flags) ||
	    !same_text(a->advice, b->advice) || !same_text(a->name, b->name))
		return false;
	if (a->mapped_file != b->mapped_file || a->shmem != b->shmem)
		return false;
	if (a->mapped_file == COLUMN_NULL && a->shmem == COLUMN_NULL)
		return true;
	return a->pgoff + (a->end - a->start) == b->pgoff;
}

/* ---- rows ------------------------------------------------------------- */

const struct vma_row *vma_rows(const struct image *img, int64_t mm, size_t *ret_nr)
{
	size_t nr, first = 0, last;
	const struct vma_row *rows = image_rows(img, &vma_table, &nr);

	while (first < nr && rows[first].mm != mm)
		first++;
	for (last = first; last < nr && rows[last].mm == mm; )
		last++;
	*ret_nr = last - first;
	return rows ? rows + first : NULL;
}

const struct vma_row *vma_at(const struct vma_row *vmas, size_t nr, uint64_t addr)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if ((uint64_t)vmas[mid].end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < nr && (uint64_t)vmas[low].start <= addr ? &vmas[low] : NULL;
}

/* ---- saving ----------------------------------------------------------- */

static bool path_begins(const struct live_vma *v, const char *with)
{
	return strncmp(v->path, with, strlen(with)) == 0;
}

static bool path_is(const struct live_vma *v, const char *path)
{
	return strcmp(v->path, path) == 0;
}

const char *vma_shmem_kind(const struct live_vma *v)
{
	if (v->perms[3] != 's' && !path_begins(v, "/memfd:"))
		return NULL;
	/* All of these live on the kernel's own tmpfs mount, which has no device: major 0. */
	if (major(v->dev) != 0)
		return NULL;
	if (path_begins(v, "/memfd:"))
		return "memfd";
	if (path_is(v, "/dev/zero (deleted)") || path_begins(v, "[anon_shmem:"))
		return "anon";
	if (path_begins(v, "/SYSV"))
		return "sysv";
	return NULL;
}

static enum vma_type vma_classify(const struct live_vma *v)
{
	if (path_is(v, "[vdso]"))
		return VMA_VDSO;
	if (path_begins(v, "[vvar"))
		return VMA_VVAR;
	if (path_is(v, "[heap]"))
		return VMA_HEAP;
	if (path_is(v, "[stack]"))
		return VMA_STACK;
	if (vma_shmem_kind(v))
		return VMA_SHMEM;
	return v->ino || *v->path == '/' ? VMA_FILE : VMA_ANON;
}

/* "[anon:name]" and "[anon_shmem:name]": the name. */
static char *vma_name(struct save *s, const struct live_vma *v)
{
	size_t skip = path_begins(v, "[anon:") ? 6 : path_begins(v, "[anon_shmem:") ? 12 : 0;
	char *name;

	if (!skip)
		return NULL;
	name = image_strdup(s->img, v->path + skip);
	if (*name)
		name[strlen(name) - 1] = 0;
	return name;
}

/* What live_vma does not tell by a flag but by its path; or NULL. */
static const char *vma_path_refusal(const struct live_vma *v, enum vma_type type)
{
	if (type == VMA_ANON && *v->path && !path_begins(v, "[anon:"))
		return "it is a special mapping of the kernel that this version of cpt does not know";
	if (type != VMA_FILE)
		return NULL;
	if (path_begins(v, "/[aio]"))
		return "it is the ring of an asynchronous I/O context (io_setup)";
	if (path_begins(v, "anon_inode:"))
		return "it is shared with the kernel (io_uring, perf or the like)";
	if (path_begins(v, "/secretmem"))
		return "it is secret memory (memfd_secret), which nobody else can read";
	if (*v->path != '/')
		return "it has no path";
	return NULL;
}

/* The kernel itself gives a key to what may only be executed, and will again. */
static const char *vma_key_refusal(const struct live_vma *v)
{
	return v->pkey && strncmp(v->perms, "--x", 3) != 0 ? "it has a protection key (pkey_mprotect)" : NULL;
}

static void vma_object(const struct live_vma *v, char buf[static 256])
{
	snprintf(buf, 256, "mapping %lx-%lx%s%.180s%s", v->start, v->end, *v->path ? " (" : "", v->path,
		 *v->path ? ")" : "");
}

static int vma_save_backing(struct save *s, struct live_process *p, const struct live_vma *v,
			    const char *object, struct vma_row *row, struct err *e)
{
	char link[64];

	snprintf(link, sizeof(link), "map_files/%lx-%lx", v->start, v->end);
	row->pgoff = (int64_t)v->pgoff;
	if (vma_type_of(row->type) == VMA_SHMEM)
		return shmem_save_mapping(s, p, v, link, &row->shmem, e);
	return mapped_file_save(s, p, link, v->path, object,
				v->perms[3] == 's' && vma_flags_parse(v->flags) & VMA_MAYWRITE,
				v->perms[3] != 's', &row->mapped_file, e);
}

static int vma_save(struct save *s, struct live_process *p, const struct live_vma *v, struct err *e)
{
	enum vma_type type = vma_classify(v);
	uint32_t bits = vma_flags_parse(v->flags ?: "??");
	const char *refusal = vma_flags_refusal(bits, type) ?: vma_path_refusal(v, type) ?: vma_key_refusal(v);
	char object[256], prot[4], flags[128], advice[128];
	struct vma_row row = { .mm = p->pid, .mapped_file = COLUMN_NULL, .shmem = COLUMN_NULL };
	int r;

	vma_object(v, object);
	if (refusal) {
		save_refuse(s, p, object, "let the program give that mapping up before the snapshot", "%s", refusal);
		return 0;
	}
	if (v->perms[3] == 's')
		bits |= VMA_SHARED;
	vma_flags_describe(bits, prot, flags, advice);
	row.start = (int64_t)v->start;
	row.end = (int64_t)v->end;
	row.type = image_strdup(s->img, type_names[type]);
	row.prot = image_strdup(s->img, prot);
	row.flags = image_strdup(s->img, flags);
	row.advice = image_strdup(s->img, advice);
	row.name = vma_name(s, v);
	if (type == VMA_FILE || type == VMA_SHMEM) {
		r = vma_save_backing(s, p, v, object, &row, e);
		if (r < 0)
			return r;
	}
	*(struct vma_row *)image_add(s->img, &vma_table) = row;
	return 0;
}

static int vma_save_process(struct save *s, struct live_process *p, struct err *e)
{
	uint64_t foothold = p->remote ? remote_address(p->remote) : 0;
	size_t nr_vdso = 0;
	int r;

	if (p->zombie || p->mm_owner != p->index)
		return 0;
	for (size_t i = 0; i < p->nr_vmas; i++) {
		const struct live_vma *v = &p->vmas[i];

		/* cpt's own; and the gate page, which is no mapping and the same everywhere. */
		if ((foothold && v->start < foothold + remote_size(p->remote) && v->end > foothold) ||
		    path_is(v, "[vsyscall]"))
			continue;
		nr_vdso += path_is(v, "[vdso]");
		r = vma_save(s, p, v, e);
		if (r < 0)
			return err_in(e, "mapping %lx-%lx (%s)", v->start, v->end, v->path);
	}
	if (nr_vdso != 1 && (s->frozen || p->nr_vmas))
		save_refuse(s, p, "its vdso", "use a 64-bit program that leaves the vdso alone",
			    "it has %zu mappings of it, not one", nr_vdso);
	return 0;
}

/* ---- check ------------------------------------------------------------ */

static int vma_check_row(const struct restore *r, const struct vma_row *v, const struct vma_row *before,
			 struct err *e)
{
	bool is_file = v->mapped_file != COLUMN_NULL, is_shmem = v->shmem != COLUMN_NULL;
	int type = vma_type_of(v->type);
	uint32_t bits;

	if ((v->start | v->end | v->pgoff) & (int64_t)(PAGE_SIZE - 1) || v->start >= v->end)
		return err_set(e, -EBADMSG, "its addresses or its offset %#lx are not those of pages", v->pgoff);
	if (before && before->mm == v->mm && before->end > v->start)
		return err_set(e, -EBADMSG, "it overlaps the mapping before it");
	if (type < 0 || !vma_flags_of(v, &bits))
		return err_set(e, -EBADMSG, "type '%s', prot '%s', flags '%s' or advice '%s' is not known",
			       v->type, v->prot, v->flags, v->advice);
	if ((type == VMA_FILE) != is_file || (type == VMA_SHMEM) != is_shmem)
		return err_set(e, -EBADMSG, "type '%s' does not go with what it maps", v->type);
	if (is_file && !image_find(r->img, &mapped_file_table, offsetof(struct mapped_file_row, mapped_file),
				   v->mapped_file))
		return err_set(e, -EBADMSG, "there is no mapped file %ld", v->mapped_file);
	if (is_shmem && !shmem_find(r->img, v->shmem))
		return err_set(e, -EBADMSG, "there is no shared memory object %ld", v->shmem);
	return 0;
}

static int vma_check(struct restore *r, struct err *e)
{
	const struct vma_row *v, *before = NULL;
	int ret;

	image_for_each(v, r->img, &vma_table) {
		if ((!before || before->mm != v->mm) &&
		    !image_find(r->img, &process_table, offsetof(struct process_row, process), v->mm))
			return err_set(e, -EBADMSG, "mappings of a process %ld that is not there", v->mm);
		ret = vma_check_row(r, v, before, e);
		if (ret < 0)
			return err_in(e, "mapping %lx-%lx of process %ld", v->start, v->end, v->mm);
		before = v;
	}
	return mapped_files_check(r, e);
}

const struct kind vma_kind = {
	.name = "vma",
	.tables = (const struct table *const[]){ &mapped_file_table, &vma_table, NULL },
	.save_process = vma_save_process,
	.needs = mapped_files_need,
	.check = vma_check,
	.restore_container = mapped_files_open,
};
