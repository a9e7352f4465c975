// SPDX-License-Identifier: GPL-2.0-only
/* Makes the other threads of a restored process, each with its ids at every level. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include "host/next_id.h"
#include "state/credentials.h"
#include "state/process.h"

#define THREAD_FLAGS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

const struct thread_row *thread_row_of(const struct image *img, int64_t thread)
{
	return image_find(img, &thread_table, offsetof(struct thread_row, thread), thread);
}

bool thread_is_last_with_files(const struct restore *r, const struct new_process *p, const struct new_thread *t)
{
	const struct new_process *end = r->processes + r->nr_processes;
	size_t j = (size_t)(t - p->threads) + 1;

	for (; p < end; p++, j = 0)
		for (; j < p->nr_threads; j++)
			if (p->threads[j].row->files == t->row->files)
				return false;
	return true;
}

/* ---- who makes whom --------------------------------------------------- */

static uint64_t flags_of(const struct thread_row *t, const struct thread_row *maker)
{
	return THREAD_FLAGS | (t->files == maker->files ? CLONE_FILES : 0) | (t->fs == maker->fs ? CLONE_FS : 0);
}

/* It shares with its maker, or with none of the @nr that are there. */
static bool can_make(const struct thread_row *const *rows, size_t nr, const struct thread_row *maker,
		     const struct thread_row *t)
{
	for (size_t i = 0; i < nr; i++)
		if ((rows[i]->files == t->files && maker->files != t->files) ||
		    (rows[i]->fs == t->fs && maker->fs != t->fs))
			return false;
	return true;
}

static int unmakeable(const struct thread_row *t, struct err *e)
{
	err_set(e, -EOPNOTSUPP, "thread %ld (%s) shares its descriptor table and its working directory with others in "
		"a way that cpt can't make again", t->thread, t->comm);
	return err_advise(e, "have threads that share one of these share both");
}

int thread_plan(const struct thread_row *const *rows, size_t nr, size_t *ret_maker, struct err *e)
{
	ret_maker[0] = 0;
	for (size_t i = 1; i < nr; i++) {
		size_t by = 0;

		while (by < i && !can_make(rows, i, rows[by], rows[i]))
			by++;
		if (by == i)
			return unmakeable(rows[i], e);
		ret_maker[i] = by;
	}
	return 0;
}

/* Is @first the first to have what @t has, and may @t have it? */
static bool first_is_sane(const struct image *img, const struct thread_row *t, const struct thread_row *first,
			  int64_t firsts, int64_t leaders)
{
	if (!first || firsts != first->thread)
		return false;
	if (t->thread == t->process)
		return first->thread == first->process;
	return first->process == t->process || (first->thread == leaders && thread_row_of(img, leaders));
}

static int thread_check(const struct image *img, const struct thread_row *t, const struct thread_row *leader,
			struct err *e)
{
	const struct thread_row *files = thread_row_of(img, t->files), *fs = thread_row_of(img, t->fs);

	if (first_is_sane(img, t, files, files ? files->files : 0, leader->files) &&
	    first_is_sane(img, t, fs, fs ? fs->fs : 0, leader->fs))
		return 0;
	return err_set(e, -EBADMSG, "thread %ld of process %ld can't have the descriptor table of thread %ld and the "
		       "directories of thread %ld", t->thread, t->process, t->files, t->fs);
}

int threads_check(const struct restore *r, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < r->nr_processes; i++) {
		const struct new_process *p = &r->processes[i];
		_cleanup_free_ const struct thread_row **rows = xcalloc(p->nr_threads, sizeof(*rows));
		_cleanup_free_ size_t *maker = xcalloc(p->nr_threads, sizeof(*maker));

		for (size_t j = 0; ret == 0 && j < p->nr_threads; j++) {
			rows[j] = p->threads[j].row;
			ret = thread_check(r->img, rows[j], p->threads[0].row, e);
		}
		ret = ret ?: thread_plan(rows, p->nr_threads, maker, e);
		if (ret < 0)
			return err_in(e, "process %ld (%s)", p->row->process, p->row->comm);
	}
	return 0;
}

/* ---- making them ------------------------------------------------------ */

static size_t thread_ids(const struct restore *r, const struct new_process *p, int64_t thread, pid_t *ids)
{
	int64_t outermost = p->row->pid_ns != COLUMN_NULL ? 1 : 0;
	size_t nr = 0;

	for (int64_t level = pid_level(r->img, thread); level >= outermost && nr < 32; level--)
		ids[nr++] = (pid_t)pid_at(r->img, thread, level);
	return nr;
}

/*
 * The thread @by writes its own next_id and clones. Every new thread begins stopped
 * behind its clone call, for its creator is traced with TRACECLONE.
 */
static int add_clones(struct restore *r, struct new_process *p, const size_t *maker, size_t by, int proc,
		      struct batch *b, struct err *e)
{
	static const char path[] = "thread-self/next_id";
	size_t dir, file;
	int ret;

	dir = batch_call(b, "get cpt's /proc", SYS_pidfd_getfd, ARG(p->cpt_pidfd), ARG(proc), ARG(0));
	file = batch_call(b, "open next_id", SYS_openat, ARG_OF(dir), ARG_AT(batch_data(b, path, sizeof(path))),
			  ARG(O_WRONLY | O_CLOEXEC), ARG(0));
	batch_call(b, "close /proc", SYS_close, ARG_OF(dir));
	/* All threads of a process are in one user namespace: none enters another once there are several. */
	ret = by ? 0 : credentials_enter(r, p, b, e);
	if (ret < 0)
		return ret;
	for (size_t i = 1; i < p->nr_threads; i++) {
		char text[512];
		pid_t ids[32];
		size_t nr = thread_ids(r, p, p->threads[i].row->thread, ids);
		size_t len = next_id_format_pids(text, sizeof(text), ids, nr);

		if (maker[i] != by)
			continue;
		batch_call(b, batch_why(b, "ask for thread ids: %s", text), SYS_write, ARG_OF(file),
			   ARG_AT(batch_data(b, text, len + 1)), ARG(len));
		batch_expect(b, batch_call(b, batch_why(b, "clone thread %d", ids[0]), SYS_clone,
					   ARG(flags_of(p->threads[i].row, p->threads[by].row)), ARG(0), ARG(0),
					   ARG(0), ARG(0)), ids[0]);
	}
	batch_call(b, "close next_id", SYS_close, ARG_OF(file));
	return 0;
}

/* Which of our threads is @tid? By its id in its own pid namespace. */
static struct new_thread *thread_of(const struct restore *r, struct new_process *p, pid_t tid)
{
	_cleanup_free_ char *status = NULL;
	const char *ids, *end;
	char path[48];
	int64_t own;

	snprintf(path, sizeof(path), "task/%d/status", tid);
	if (read_file_at(p->proc_fd, path, &status, NULL) < 0)
		return NULL;
	ids = text_field(status, "NSpid");
	if (!ids)
		return NULL;
	end = strchrnul(ids, '\n');
	while (end > ids && isdigit(end[-1]))
		end--;
	own = strtol(end, NULL, 10);
	for (size_t i = 0; i < p->nr_threads; i++)
		if (pid_at(r->img, p->threads[i].row->thread, pid_level(r->img, p->threads[i].row->thread)) == own)
			return &p->threads[i];
	return NULL;
}

static int adopt_threads(struct restore *r, struct new_process *p, struct err *e)
{
	_cleanup_dir_ DIR *dir = NULL;
	int fd = openat(p->proc_fd, "task", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "list the threads of process %ld", p->row->process);
	dir = fdopendir(fd);
	for (struct dirent *d; (d = readdir(dir)); ) {
		pid_t tid = atoi(d->d_name);
		struct new_thread *t;
		int ret;

		if (!isdigit(*d->d_name) || tid == p->pid)
			continue;
		t = thread_of(r, p, tid);
		if (t && t->tid)
			continue;
		if (!t)
			return err_set(e, -EPROTO, "process %ld has a thread %d that nobody asked for", p->row->process, tid);
		t->tid = tid;
		ret = tracee_adopt(&t->tracee, tid, e) ?: tracee_bind(&t->tracee, e);
		if (ret < 0)
			return err_in(e, "thread %ld", t->row->thread);
	}
	return 0;
}

static size_t last_maker(const size_t *maker, size_t nr)
{
	size_t last = 0;

	for (size_t i = 0; i < nr; i++)
		last = max(last, maker[i]);
	return last;
}

/* Those that thread @by makes. */
static int make_by(struct restore *r, struct new_process *p, const size_t *maker, size_t by, int proc, struct err *e)
{
	_cleanup_batch_ struct batch *b = NULL;
	bool any = false;
	int ret;

	for (size_t i = 1; i < p->nr_threads; i++)
		any |= maker[i] == by;
	if (!any && (by || p->row->user_ns == p->born_in))
		return 0;
	b = batch_new();
	ret = any ? add_clones(r, p, maker, by, proc, b, e) : credentials_enter(r, p, b, e);
	return ret ?: remote_run(p->remote, &p->threads[by].tracee, b, e) ?: adopt_threads(r, p, e);
}

int process_restore_threads(struct restore *r, struct new_process *p, struct err *e)
{
	_cleanup_free_ const struct thread_row **rows = xcalloc(p->nr_threads, sizeof(*rows));
	_cleanup_free_ size_t *maker = xcalloc(p->nr_threads, sizeof(*maker));
	_cleanup_fd_ int proc = -1;
	int ret;

	if (p->nr_threads == 1 && p->row->user_ns == p->born_in)
		return 0;
	for (size_t i = 0; i < p->nr_threads; i++)
		rows[i] = p->threads[i].row;
	proc = open("/proc", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (proc < 0)
		return err_sys(e, "open /proc");
	ret = thread_plan(rows, p->nr_threads, maker, e);
	/* Makers come before those they make; the leader enters its user namespace, if it makes nobody, too. */
	for (size_t by = 0, last = ret < 0 ? 0 : last_maker(maker, p->nr_threads) + 1; ret == 0 && by < last; by++)
		ret = make_by(r, p, maker, by, proc, e);
	return ret;
}
