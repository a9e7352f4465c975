// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors: which number in which table refers to which open file, and
 * whether it is closed by exec. Table `fd`. A table that is shared (threads,
 * CLONE_FILES) is kept once, under the first thread that has it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "state/bytes.h"
#include "state/file.h"
#include "state/process.h"

static const struct column fd_columns[] = {
	INT_COLUMN(struct fd_row, files, 1, INT32_MAX),
	INT_COLUMN(struct fd_row, fd, 0, INT32_MAX - 1),
	INT_COLUMN(struct fd_row, file, 0, INT32_MAX),
	INT_COLUMN(struct fd_row, cloexec, 0, 1),
};
const struct table fd_table = TABLE("fd", struct fd_row, fd_columns);

static void table_save(struct save *s, const struct live_process *p)
{
	for (size_t i = 0; i < p->nr_fds; i++) {
		struct fd_row *row = image_add(s->img, &fd_table);

		*row = (struct fd_row){ p->pid, p->fds[i].fd, p->fds[i].file->id, p->fds[i].cloexec };
	}
}

static int fd_save(struct save *s, struct live_process *p, struct err *e)
{
	(void)e;
	if (p->zombie)
		return 0;
	if (p->files_owner == p->index)
		table_save(s, p);
	for (size_t i = 1; i < p->nr_threads; i++)
		if (p->threads[i].apart)
			table_save(s, p->threads[i].apart);
	return 0;
}

static int compare_fds(const void *a, const void *b)
{
	const struct fd_row *const *x = a, *const *y = b;

	return ((*x)->fd > (*y)->fd) - ((*x)->fd < (*y)->fd);
}

const struct fd_row **fd_rows_of(const struct image *img, int64_t files, size_t *ret_nr)
{
	const struct fd_row **rows = NULL, *row;
	size_t nr = 0, cap = 0;

	image_for_each(row, img, &fd_table) {
		if (row->files != files)
			continue;
		array_grow(rows, nr, cap);
		rows[nr++] = row;
	}
	if (nr)
		qsort(rows, nr, sizeof(*rows), compare_fds);
	*ret_nr = nr;
	return rows;
}

static int fd_check(struct restore *r, struct err *e)
{
	const struct thread_row *t;
	const struct fd_row *row;
	size_t nr_files;

	image_rows(r->img, &file_table, &nr_files);
	image_for_each(row, r->img, &fd_table) {
		if (row->file >= (int64_t)nr_files)
			return err_set(e, -EBADMSG, "descriptor %ld of thread %ld refers to file %ld, which is not in "
				       "table file", row->fd, row->files, row->file);
		t = thread_row_of(r->img, row->files);
		if (!t || t->files != t->thread)
			return err_set(e, -EBADMSG, "descriptor %ld is in the table of thread %ld, which has none",
				       row->fd, row->files);
	}
	return files_check(r, e);
}

/* ---- restoring -------------------------------------------------------- */

/* The lowest number that is free when the first @nr of @rows are open (they ascend; cpt_pidfd is above all). */
static int64_t fd_lowest(const struct fd_row *const *rows, size_t nr)
{
	int64_t lowest = 0;

	for (size_t i = 0; i < nr && rows[i]->fd == lowest; i++)
		lowest++;
	return lowest;
}

/*
 * One descriptor more, when all lower ones are there. pidfd_getfd(2) gives the
 * lowest free number with close-on-exec set: often exactly what is wanted.
 */
static void fd_restore_one(struct restore *r, struct new_process *p, const struct fd_row *const *rows, size_t i,
			   int64_t *first, struct batch *b)
{
	const struct fd_row *row = rows[i];
	int64_t lowest;
	size_t got;

	if (first[row->file] >= 0) {
		batch_call(b, batch_why(b, "dup to descriptor %ld", row->fd), SYS_dup3, ARG(first[row->file]),
			   ARG(row->fd), ARG(row->cloexec ? O_CLOEXEC : 0));
		return;
	}
	first[row->file] = row->fd;
	lowest = fd_lowest(rows, i);
	got = batch_call(b, batch_why(b, "get file %ld for descriptor %ld", row->file, row->fd), SYS_pidfd_getfd,
			 ARG(p->cpt_pidfd), ARG(r->file_fds[row->file]), ARG(0));
	batch_expect(b, got, lowest);
	if (lowest == row->fd) {
		if (!row->cloexec)
			batch_call(b, "keep it open on exec", SYS_fcntl, ARG(row->fd), ARG(F_SETFD), ARG(0));
		return;
	}
	batch_call(b, batch_why(b, "dup to descriptor %ld", row->fd), SYS_dup3, ARG_OF(got), ARG(row->fd),
		   ARG(row->cloexec ? O_CLOEXEC : 0));
	batch_call(b, "close the number it came with", SYS_close, ARG_OF(got));
}

/* A descriptor may be above the limit that its process has set since, which rlimit.c sets at the end. */
static int fd_raise_limit(const struct new_process *p, struct err *e)
{
	struct rlimit limit;

	if (prlimit(p->pid, RLIMIT_NOFILE, NULL, &limit) < 0)
		return err_sys(e, "read its limit of descriptors");
	limit.rlim_cur = max(limit.rlim_cur, (rlim_t)p->cpt_pidfd + 16);
	limit.rlim_max = max(limit.rlim_max, limit.rlim_cur);
	return prlimit(p->pid, RLIMIT_NOFILE, &limit, NULL) < 0 ? err_sys(e, "make room for descriptors") : 0;
}

/* In the thread @files, with nothing but cpt_pidfd in its table. */
static int table_restore(struct restore *r, struct new_process *p, int64_t files, struct batch *b, struct err *e)
{
	size_t nr;
	_cleanup_free_ const struct fd_row **rows = fd_rows_of(r->img, files, &nr);
	_cleanup_free_ int64_t *first = NULL;

	if (!nr)
		return 0;
	first = xmalloc(max(r->nr_files, (size_t)1) * sizeof(*first));
	memset(first, 0xff, r->nr_files * sizeof(*first));
	for (size_t i = 1; i < nr; i++)
		if (rows[i]->fd == rows[i - 1]->fd)
			return err_set(e, -EBADMSG, "descriptor %ld of process %ld is twice in table fd", rows[i]->fd,
				       files);
	assert(rows[nr - 1]->fd < p->cpt_pidfd);	/* process_tree.c parks it above them */
	if (fd_raise_limit(p, e) < 0)
		return e->code;
	for (size_t i = 0; i < nr; i++)
		fd_restore_one(r, p, rows, i, first, b);
	return 0;
}

static int fd_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct thread_row *leader = p->threads[0].row;

	return leader->files == leader->thread ? table_restore(r, p, leader->files, b, e) : 0;
}

/* It was made with a copy of a table that is there already. */
static int fd_restore_apart(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b,
			    struct err *e)
{
	if (t->row->files != t->row->thread)
		return 0;
	batch_call(b, "close_range: what is its process's", SYS_close_range, ARG(0), ARG(p->cpt_pidfd - 1), ARG(0));
	batch_call(b, "close_range: what is its process's", SYS_close_range, ARG(p->cpt_pidfd + 1), ARG(UINT32_MAX),
		   ARG(0));
	return table_restore(r, p, t->row->files, b, e);
}

/* ---- who has what ------------------------------------------------------ */

static char *append(char *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static char *append(char *s, const char *fmt, ...)
{
	_cleanup_free_ char *old = s, *more = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&more, fmt, args) < 0)
		more = NULL;
	va_end(args);
	return xasprintf("%s%s", old ?: "", more ?: "");
}

char *file_users(const struct image *img, bool (*is)(const struct image *img, int64_t file, int64_t number), int64_t number)
{
	const struct process_row *p;
	const struct fd_row *fd;
	char *text = NULL;

	image_for_each(p, img, &process_table) {
		size_t found = 0, nr;
		const struct fd_row *fds = image_rows(img, &fd_table, &nr);

		for (fd = fds; fd < fds + nr; fd++)
			if (fd->files == p->process && is(img, fd->file, number))
				text = found++ ? append(text, " %ld", fd->fd)
					       : append(text, "%s%s (descriptor %ld", text ? ", " : "", p->comm, fd->fd);
		if (found)
			text = append(text, ")");
	}
	return text;
}

const struct kind fd_kind = {
	.name = "fd",
	.tables = (const struct table *const[]){ &file_table, &fd_table, &bytes_table, NULL },
	.save_process = fd_save,
	.needs = files_need,
	.check = fd_check,
	.restore_process = fd_restore,
	.restore_apart = fd_restore_apart,
	.finish = files_finish,
};
