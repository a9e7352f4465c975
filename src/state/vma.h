/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mappings of an address space and the files behind them: tables `vma` and
 * `mapped_file`. What pages a mapping has is in swap_run.h and shmem.h.
 */
#pragma once
#include "state/kind.h"

struct vma_row {
	int64_t mm;		/* process whose address space it is */
	int64_t start, end;	/* addresses */
	char *type;		/* enum vma_type by name */
	char *prot;		/* "rwx", '-' for what is not allowed */
	char *flags;		/* words: "private accounted" */
	char *advice;		/* words: "hugepage dontdump" */
	int64_t pgoff;		/* bytes into its file or object */
	int64_t mapped_file;	/* COLUMN_NULL: none */
	int64_t shmem;		/* COLUMN_NULL: none */
	char *name;		/* PR_SET_VMA_ANON_NAME; or NULL */
};
extern const struct table vma_table;

/* A file that is mapped, or the program that a process runs; opened once however often it is mapped. */
struct mapped_file_row {
	int64_t mapped_file;	/* dense from 0 */
	int64_t mount_ns;	/* namespace that the path belongs to; COLUMN_NULL: the host's */
	char *path;
	int64_t dev_major, dev_minor, inode;	/* as mappings show it; for audits */
	int64_t size, mtime_ns;
	int64_t writable;	/* 0/1: a shared mapping may be written to */
	int64_t relied_on;	/* 0/1: private mappings rely on its contents, which must not change */
	int64_t deleted_file;	/* COLUMN_NULL: it had a name */
};
extern const struct table mapped_file_table;

extern const struct kind vma_kind;

enum vma_type { VMA_ANON, VMA_HEAP, VMA_STACK, VMA_FILE, VMA_SHMEM, VMA_VDSO, VMA_VVAR, VMA_NR_TYPES };
const char *vma_type_name(enum vma_type type);
int vma_type_of(const char *name);	/* enum vma_type, or -1 */

/*
 * What VmFlags says, as bits (VmFlags codes: __show_smap_vma_flags names them
 * in fs/proc/task_mmu.c). Bits that follow from the others or concern nobody
 * have none.
 */
enum vma_flag {
	VMA_READ = 1 << 0, VMA_WRITE = 1 << 1, VMA_EXEC = 1 << 2,
	VMA_SHARED = 1 << 3,		/* mapped MAP_SHARED, even if read-only */
	VMA_MAYWRITE = 1 << 4,
	VMA_GROWSDOWN = 1 << 5,
	VMA_NORESERVE = 1 << 6,
	VMA_ACCOUNTED = 1 << 7,
	VMA_LOCKED = 1 << 8,
	VMA_LOCKONFAULT = 1 << 9,
	VMA_DROPPABLE = 1 << 10,
	VMA_SYNC = 1 << 11,
	VMA_SEQUENTIAL = 1 << 12,
	VMA_RANDOM = 1 << 13,
	VMA_DONTFORK = 1 << 14,
	VMA_DONTDUMP = 1 << 15,
	VMA_WIPEONFORK = 1 << 16,
	VMA_HUGEPAGE = 1 << 17,
	VMA_NOHUGEPAGE = 1 << 18,
	VMA_MERGEABLE = 1 << 19,
	VMA_DONTEXPAND = 1 << 20,
	VMA_IO = 1 << 21,
	VMA_PFNMAP = 1 << 22,
	VMA_MIXEDMAP = 1 << 23,
	VMA_HUGETLB = 1 << 24,
	VMA_USERFAULT = 1 << 25,
	VMA_SHADOW_STACK = 1 << 26,
	VMA_SEALED = 1 << 27,
	VMA_UNKNOWN = 1 << 28,		/* a code this cpt has never heard of */
};

/* "rd wr mr mw me ac" to bits. */
uint32_t vma_flags_parse(const char *vmflags);
/* Why a mapping of @type with these bits can't be saved, or NULL. */
const char *vma_flags_refusal(uint32_t bits, enum vma_type type);
/* The columns prot, flags and advice, and back. Buffers of 4 and 128 bytes. */
void vma_flags_describe(uint32_t bits, char *prot, char *flags, char *advice);
/* False when a word is unknown or the words contradict each other. */
bool vma_flags_of(const struct vma_row *v, uint32_t *ret);

/* How one mapping is made again. */
struct vma_plan {
	int prot, flags;		/* of mmap(2), MAP_FIXED_NOREPLACE among them */
	int final_prot;			/* of mprotect(2) afterwards; -1: none */
	int advice[8];			/* of madvise(2) */
	size_t nr_advice;
	int lock;			/* 0: no, 1: mlock2(0), 2: mlock2(MLOCK_ONFAULT) */
};
void vma_plan(const struct vma_row *v, struct vma_plan *plan);
/* Would the kernel make one mapping of two neighbours, had neither a page yet? */
bool vma_would_merge(const struct vma_row *a, const struct vma_row *b);

/* Rows of one address space: they are consecutive and in address order (checked by vma_kind.check). */
const struct vma_row *vma_rows(const struct image *img, int64_t mm, size_t *ret_nr);
/* The mapping of [vmas, nr) that holds @addr, or NULL. */
const struct vma_row *vma_at(const struct vma_row *vmas, size_t nr, uint64_t addr);

/* The kind of shared memory behind a mapping: "anon", "memfd", "sysv", or NULL when it has none. */
const char *vma_shmem_kind(const struct live_vma *v);

/*
 * Row of the file at @path as @p sees it (mapped, or its program);
 * @link names it in p's /proc: "map_files/7f..-7f..", "exe". 0 and COLUMN_NULL
 * after a refusal (reported on @object), 0 and id otherwise.
 */
int mapped_file_save(struct save *s, struct live_process *p, const char *link, const char *path,
		     const char *object, bool writable, bool relied_on, int64_t *ret, struct err *e);
/* cpt's descriptor of it, opened by mapped_files_open(); -1 if there is none. */
int mapped_file_fd(const struct restore *r, int64_t id);
/* struct kind.needs */
void mapped_files_need(const struct restore *r, needed_path_fn *fn, void *arg);
int mapped_files_check(struct restore *r, struct err *e);
int mapped_files_open(struct restore *r, struct err *e);

/*
 * Calls that make all mappings of @p but vdso and vvar, in an address space
 * where their places are free. @spare: where nothing is and nothing will be,
 * for SysV segments on their way. Neighbours that the kernel would merge are
 * told apart by a temporary MADV_DONTFORK; vma_finish() takes it back when
 * pages are installed, and locks what was locked, which brings pages in.
 */
int vma_map(struct restore *r, struct new_process *p, uint64_t spare, struct batch *b, struct err *e);
int vma_finish(struct restore *r, struct new_process *p, struct batch *b, struct err *e);
/* The largest room that vma_map() wants at @spare, in bytes; 0: none. */
uint64_t vma_spare_size(const struct restore *r, int64_t mm);
