// SPDX-License-Identifier: GPL-2.0-only
/* Reading the memory of restored processes before they touch it, in the order of addresses. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "state/memory.h"
#include "state/process.h"
#include "state/swap_run.h"

/* MADV_WILLNEED brings in swapped pages of anonymous and of shared memory; of a file it would read the file. */
static bool worth_reading(const struct vma_row *vma, const struct swap_run_row *runs, size_t nr)
{
	return vma->shmem != COLUMN_NULL ||
	       (vma->mapped_file == COLUMN_NULL && swap_run_any(runs, nr, (uint64_t)vma->start, (uint64_t)vma->end));
}

static int process_prefetch(const struct restore *r, const struct new_process *p, struct err *e)
{
	_cleanup_fd_ int pidfd = pidfd_open(p->pid, 0);
	size_t nr_vmas, nr_runs;
	const struct vma_row *vmas = vma_rows(r->img, p->row->process, &nr_vmas);
	const struct swap_run_row *runs = swap_run_rows(r->img, p->row->process, &nr_runs);
	struct stat st;

	/* It runs: it may have ended, and its pid may be another's. Its directory is not. */
	if (pidfd < 0 || fstatat(p->proc_fd, "status", &st, 0) < 0)
		return 0;
	for (size_t i = 0; i < nr_vmas; i++) {
		struct iovec range = { (void *)(uintptr_t)vmas[i].start, (size_t)(vmas[i].end - vmas[i].start) };

		if (!worth_reading(&vmas[i], runs, nr_runs) ||
		    process_madvise(pidfd, &range, 1, MADV_WILLNEED, 0) >= 0)
			continue;
		if (errno == ESRCH)
			return 0;
		if (errno != ENOMEM)	/* it has unmapped something by now */
			return err_sys(e, "read ahead %#lx-%#lx of process %d (%s)", (unsigned long)vmas[i].start,
				       (unsigned long)vmas[i].end, p->pid, p->row->comm);
	}
	return 0;
}

int memory_prefetch(const struct restore *r, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < r->nr_processes; i++)
		ret = process_prefetch(r, &r->processes[i], e);
	return ret;
}
