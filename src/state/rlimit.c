// SPDX-License-Identifier: GPL-2.0-only
/* Resource limits of a process: table `rlimit`. */
#include <errno.h>
#include <sys/resource.h>
#include "state/process.h"
#include "state/task_kinds.h"

struct rlimit_row {
	int64_t process, resource;
	int64_t soft, hard;	/* -1: unlimited */
};

static const struct column rlimit_columns[] = {
	INT_COLUMN(struct rlimit_row, process, 1, INT32_MAX),
	INT_COLUMN(struct rlimit_row, resource, 0, RLIM_NLIMITS - 1),
	INT_COLUMN(struct rlimit_row, soft, -1, INT64_MAX),
	INT_COLUMN(struct rlimit_row, hard, -1, INT64_MAX),
};
static const struct table rlimit_table = TABLE("rlimit", struct rlimit_row, rlimit_columns);

static int rlimit_save(struct save *s, struct live_process *p, struct err *e)
{
	if (!s->frozen || p->zombie)
		return 0;
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit limit;

		if (prlimit(p->pid, resource, NULL, &limit) < 0)
			return err_sys(e, "read resource limit %d of task %d", resource, p->pid);
		*(struct rlimit_row *)image_add(s->img, &rlimit_table) = (struct rlimit_row){
			p->pid, resource, (int64_t)limit.rlim_cur, (int64_t)limit.rlim_max,
		};
	}
	return 0;
}

/* When all is made, for a limit can be lower than what a process has already. */
static int rlimit_restore(struct restore *r, struct err *e)
{
	const struct rlimit_row *row;

	image_for_each(row, r->img, &rlimit_table) {
		struct new_process *p = restore_find(r, row->process);
		struct rlimit limit = { (rlim_t)row->soft, (rlim_t)row->hard };

		if (!p)
			return err_set(e, -EBADMSG, "table rlimit names process %ld, table process does not", row->process);
		if (prlimit(p->pid, (int)row->resource, &limit, NULL) < 0)
			return err_sys(e, "set resource limit %ld of process %ld", row->resource, row->process);
	}
	return 0;
}

const struct kind rlimit_kind = {
	.name = "rlimit",
	.tables = (const struct table *const[]){ &rlimit_table, NULL },
	.save_process = rlimit_save,
	.finish = rlimit_restore,
};
