// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which system calls a thread may make: tables `seccomp` and `seccomp_filter`.
 * cpt's own calls in a thread are not judged (PTRACE_O_SUSPEND_SECCOMP, see
 * remote/tracee.c), so filters can be set while there is more to be done.
 *
 * The kernel has filters in trees: what a thread gets from its maker or by
 * SECCOMP_FILTER_FLAG_TSYNC is the same filter, not an equal one. That is seen
 * by the next TSYNC alone, which needs all threads of the process to be on the
 * way to the caller's filter (is_ancestor() in kernel/seccomp.c). So what all
 * threads of a process begin with is set by TSYNC, the rest by each for itself.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "state/process.h"
#include "state/task_kinds.h"

/* As many as there can be of one instruction each (MAX_INSNS_PER_PATH, where one on top of another counts four more). */
#define FILTERS_MOST ((1 << 18) / sizeof(struct sock_filter) / 5 + 1)

struct seccomp_row {
	int64_t thread;
	int64_t mode;		/* SECCOMP_MODE_* */
	int64_t filter;		/* the last that was set; COLUMN_NULL in strict mode */
	int64_t speculation;	/* 1: filters were set with SECCOMP_FILTER_FLAG_SPEC_ALLOW, or it would not matter */
};

struct filter_row {
	int64_t filter;		/* dense from 0 */
	int64_t previous;	/* a lower one; COLUMN_NULL: none */
	struct blob program;
	int64_t log;
};

static const struct column seccomp_columns[] = {
	INT_COLUMN(struct seccomp_row, thread, 1, INT32_MAX),
	INT_COLUMN(struct seccomp_row, mode, SECCOMP_MODE_STRICT, SECCOMP_MODE_FILTER),
	INT_COLUMN_OR_NULL(struct seccomp_row, filter, 0, INT32_MAX),
	INT_COLUMN(struct seccomp_row, speculation, 0, 1),
};
static const struct table seccomp_table = TABLE("seccomp", struct seccomp_row, seccomp_columns);

static const struct column filter_columns[] = {
	INT_COLUMN(struct filter_row, filter, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct filter_row, previous, 0, INT32_MAX),
	BLOB_COLUMN(struct filter_row, program, BPF_MAXINSNS * sizeof(struct sock_filter)),
	INT_COLUMN(struct filter_row, log, 0, 1),
};
static const struct table filter_table = TABLE("seccomp_filter", struct filter_row, filter_columns);

/* ---- saving ----------------------------------------------------------- */

/* Can it return SECCOMP_RET_USER_NOTIF? What is computed (BPF_A) comes from constants, too. */
static bool asks_supervisor(const struct blob *program)
{
	const struct sock_filter *code = program->data;
	bool computes = false, constant = false;

	for (size_t i = 0; i < program->len / sizeof(*code); i++) {
		bool notifies = (code[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF;

		if (notifies && code[i].code == (BPF_RET | BPF_K))
			return true;
		constant |= notifies;
		computes |= BPF_CLASS(code[i].code) == BPF_RET && BPF_RVAL(code[i].code) == BPF_A;
	}
	return computes && constant;
}

static int64_t filter_add(struct save *s, int64_t previous, const struct blob *program, bool log)
{
	struct filter_row *row;
	size_t nr;

	image_for_each(row, s->img, &filter_table)
		if (row->previous == previous && row->log == log && row->program.len == program->len &&
		    memcmp(row->program.data, program->data, program->len) == 0)
			return row->filter;
	image_rows(s->img, &filter_table, &nr);
	row = image_add(s->img, &filter_table);
	*row = (struct filter_row){
		(int64_t)nr, previous, image_blob(s->img, program->data, program->len), log,
	};
	return row->filter;
}

/* From the oldest to the newest. */
static int filters_save(struct save *s, struct live_process *p, struct live_thread *t, int64_t *ret, struct err *e)
{
	*ret = COLUMN_NULL;
	for (size_t i = 0; ; i++) {
		_cleanup_free_ void *code = NULL;
		struct blob program;
		bool log;
		int r = tracee_get_filter(&t->tracee, i, &code, &program.len, &log, e);

		if (r == -ENOENT)
			return 0;
		if (r < 0)
			return r;
		program.data = code;
		if (asks_supervisor(&program))
			save_refuse(s, p, "its seccomp filter", "run it without a supervisor of system calls",
				    "filter %zu of thread %d asks another process (SECCOMP_RET_USER_NOTIF), which cpt "
				    "can't connect to it again", i, t->tid);
		*ret = filter_add(s, *ret, &program, log);
	}
}

static int seccomp_save(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	struct seccomp_row row = { .thread = t->tid, .filter = COLUMN_NULL };
	const char *status, *bypass;
	int r;

	if (!s->frozen || p->zombie)
		return 0;
	r = save_thread_status(s, p, t, &status, e);
	if (r < 0)
		return r;
	row.mode = (int64_t)text_number(status, "Seccomp", 10, SECCOMP_MODE_DISABLED);
	if (row.mode == SECCOMP_MODE_DISABLED)
		return 0;
	/* Not "thread mitigated" or "thread force mitigated", as filters do it where the host is told so. */
	bypass = text_field(status, "Speculation_Store_Bypass");
	row.speculation = !bypass || strncmp(bypass, "thread vulnerable", 17) == 0;
	r = row.mode == SECCOMP_MODE_FILTER ? filters_save(s, p, t, &row.filter, e) : 0;
	if (r < 0)
		return r;
	*(struct seccomp_row *)image_add(s->img, &seccomp_table) = row;
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static const struct seccomp_row *row_of(const struct restore *r, int64_t thread)
{
	return image_find(r->img, &seccomp_table, offsetof(struct seccomp_row, thread), thread);
}

static const struct filter_row *filter_of(const struct restore *r, int64_t filter)
{
	size_t nr;
	const struct filter_row *rows = image_rows(r->img, &filter_table, &nr);

	return filter == COLUMN_NULL ? NULL : &rows[filter];
}

static int seccomp_check(struct restore *r, struct err *e)
{
	const struct filter_row *filter, *f;
	const struct seccomp_row *row;
	size_t nr;

	image_rows(r->img, &filter_table, &nr);
	image_for_each(filter, r->img, &filter_table) {
		if (filter->filter != (int64_t)_i)
			return err_set(e, -EBADMSG, "table seccomp_filter is not numbered from 0");
		if (filter->previous != COLUMN_NULL && filter->previous >= filter->filter)
			return err_set(e, -EBADMSG, "table seccomp_filter: filter %ld is set after filter %ld, which "
				       "comes later", filter->filter, filter->previous);
		if (!filter->program.len || filter->program.len % sizeof(struct sock_filter))
			return err_set(e, -EBADMSG, "table seccomp_filter: the program of filter %ld has %zu bytes",
				       filter->filter, filter->program.len);
	}
	image_for_each(row, r->img, &seccomp_table) {
		size_t most = FILTERS_MOST;

		if ((row->mode == SECCOMP_MODE_FILTER) != (row->filter != COLUMN_NULL) || row->filter >= (int64_t)nr)
			return err_set(e, -EBADMSG, "table seccomp: thread %ld is in mode %ld with filter %ld",
				       row->thread, row->mode, row->filter);
		for (f = filter_of(r, row->filter); f; f = filter_of(r, f->previous))
			if (most-- == 0)
				return err_set(e, -EBADMSG, "table seccomp: thread %ld has more filters than any can",
					       row->thread);
	}
	return 0;
}

/* The filters that lead to @last, the newest first. Returns how many. */
static size_t chain_of(const struct restore *r, int64_t last, const struct filter_row *chain[FILTERS_MOST])
{
	size_t nr = 0;

	for (const struct filter_row *f = filter_of(r, last); f; f = filter_of(r, f->previous))
		chain[nr++] = f;
	return nr;
}

static bool leads_to(const struct restore *r, int64_t filter, int64_t last)
{
	const struct filter_row *f = filter_of(r, last);

	while (f && f->filter > filter)
		f = filter_of(r, f->previous);
	return f && f->filter == filter;
}

/* The last filter that all threads of @p have; COLUMN_NULL: none. */
static int64_t common_filter(const struct restore *r, const struct new_process *p, bool *ret_speculation)
{
	int64_t common = COLUMN_NULL;

	*ret_speculation = true;
	for (size_t i = 0; i < p->nr_threads; i++) {
		const struct seccomp_row *row = row_of(r, p->threads[i].row->thread);
		const struct filter_row *f = filter_of(r, i == 0 && row ? row->filter : common);

		while (f && !leads_to(r, f->filter, row ? row->filter : COLUMN_NULL))
			f = filter_of(r, f->previous);
		common = f ? f->filter : COLUMN_NULL;
		*ret_speculation &= row && row->speculation;
		if (!f)
			break;
	}
	return common;
}

static void add_filter(struct batch *b, const struct filter_row *row, unsigned int flags)
{
	struct sock_fprog program = { .len = (unsigned short)(row->program.len / sizeof(struct sock_filter)) };
	size_t code = batch_data(b, row->program.data, row->program.len);
	size_t at = batch_data(b, &program, sizeof(program));

	batch_pointer(b, at + offsetof(struct sock_fprog, filter), code);
	flags |= row->log ? SECCOMP_FILTER_FLAG_LOG : 0;
	batch_expect(b, batch_call(b, batch_why(b, "seccomp: set filter %ld", row->filter), SYS_seccomp,
				   ARG(SECCOMP_SET_MODE_FILTER), ARG(flags), ARG_AT(at)), 0);
}

/* All that lead to @last behind @first, the oldest first. */
static void add_filters(const struct restore *r, struct batch *b, int64_t first, int64_t last, unsigned int flags)
{
	const struct filter_row *chain[FILTERS_MOST];
	size_t nr = chain_of(r, last, chain);

	while (nr-- > 0)
		if (first == COLUMN_NULL || chain[nr]->filter > first)
			add_filter(b, chain[nr], flags);
}

/* The leader comes first, and the other threads are there: they get what all have from it. */
static int seccomp_restore(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b,
			   struct err *e)
{
	const struct seccomp_row *row = row_of(r, t->row->thread);
	bool speculation;
	int64_t common;

	(void)e;
	if (!row)
		return 0;
	if (row->mode == SECCOMP_MODE_STRICT) {
		batch_call(b, "prctl: strict seccomp", SYS_prctl, ARG(PR_SET_SECCOMP), ARG(SECCOMP_MODE_STRICT), ARG(0));
		return 0;
	}
	common = common_filter(r, p, &speculation);
	if (t == &p->threads[0])
		add_filters(r, b, COLUMN_NULL, common, SECCOMP_FILTER_FLAG_TSYNC |
			    (speculation ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0));
	add_filters(r, b, common, row->filter, row->speculation ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0);
	return 0;
}

const struct kind seccomp_kind = {
	.name = "seccomp",
	.tables = (const struct table *const[]){ &seccomp_table, &filter_table, NULL },
	.save_thread = seccomp_save,
	.check = seccomp_check,
	.restore_thread = seccomp_restore,
};
