/* SPDX-License-Identifier: GPL-2.0-only */
/* Address spaces as a whole: tables `mm` and `auxv`. Mappings are in vma.h, pages in swap_run.h. */
#pragma once
#include "state/memory.h"

struct mm_row {
	int64_t mm;		/* the process whose it is */
	int64_t start_code, end_code, start_data, end_data, start_brk, brk, start_stack;
	int64_t arg_start, arg_end, env_start, env_end;	/* prctl(2): PR_SET_MM_MAP */
	int64_t exe;		/* its program: mapped_file */
	char *vdso;		/* build id of the kernel's vdso that its functions were taken from */
	int64_t coredump_filter;
	int64_t thp_disabled, ksm, mdwe;	/* prctl(2): PR_SET_THP_DISABLE, _MEMORY_MERGE, _MDWE */
	int64_t membarrier;	/* MEMBARRIER_CMD_REGISTER_* that were made */
	int64_t lock_future;	/* mlockall(2): 0, MCL_FUTURE, MCL_FUTURE | MCL_ONFAULT */
};

/* The vector that the program was started with (getauxval(3)). */
struct auxv_row {
	int64_t mm;
	int64_t position;
	int64_t type, value;	/* value as a signed number */
};
extern const struct table mm_table, auxv_table;
extern const struct kind mm_kind;

/* Build id of this kernel's vdso in hex, or "" when it has none. Buffer of 65 bytes. */
const char *vdso_build_id(char buf[static 65]);

/* The lowest place of @size bytes from 4 GiB on that none of the sorted or unsorted ranges comes near; 0: none. */
struct mm_range {
	uint64_t start, end;
};
uint64_t mm_hole(const struct mm_range *taken, size_t nr, uint64_t size);
