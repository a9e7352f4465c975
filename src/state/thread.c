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

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static size_t thread_ids(const struct restore *r, const struct new_process *p, int64_t thread, pid_t *ids)
{
	int64_t outermost = p->row->pid_ns != COLUMN_NULL ? 1 : 0;
	size_t nr = 0;

	for (int64_t level = pid_level(r->img, thread); level >= outermost && nr < 32; level--)
		ids[nr++] = (pid_t)pid_at(r->img, thread, level);
	return nr;
}

/*
 * The leader writes its own next_id and clones. Every new thread begins stopped
 * behind its clone call, for its creator is traced with TRACECLONE.
 */
static int add_clones(struct restore *r, struct new_process *p, int proc, struct batch *b, struct err *e)
{
	static const char path[] = "thread-self/next_id";
	size_t dir, file;
	int ret;

	dir = batch_call(b, "get cpt's /proc", SYS_pidfd_getfd, ARG(p->cpt_pidfd), ARG(proc), ARG(0));
	file = batch_call(b, "open next_id", SYS_openat, ARG_OF(dir), ARG_AT(batch_data(b, path, sizeof(path))),
			  ARG(O_WRONLY | O_CLOEXEC), ARG(0));
	batch_call(b, "close /proc", SYS_close, ARG_OF(dir));
	/* All threads of a process are in one user namespace: none enters another once there are several. */
	ret = credentials_enter(r, p, b, e);
	if (ret < 0)
		return ret;
	for (size_t i = 1; i < p->nr_threads; i++) {
		char text[512];
		pid_t ids[32];
		size_t nr = thread_ids(r, p, p->threads[i].row->thread, ids);
		size_t len = next_id_format_pids(text, sizeof(text), ids, nr);

		batch_call(b, batch_why(b, "ask for thread ids: %s", text), SYS_write, ARG_OF(file),
			   ARG_AT(batch_data(b, text, len + 1)), ARG(len));
		batch_expect(b, batch_call(b, batch_why(b, "clone thread %d", ids[0]), SYS_clone,
					   ARG(THREAD_FLAGS), ARG(0), ARG(0), ARG(0), ARG(0)), ids[0]);
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
		if (!t)
			return err_set(e, -EPROTO, "process %ld has a thread %d that nobody asked for", p->row->process, tid);
		t->tid = tid;
		ret = tracee_adopt(&t->tracee, tid, e) ?: tracee_bind(&t->tracee, e);
		if (ret < 0)
			return err_in(e, "thread %ld", t->row->thread);
	}
	return 0;
}

int process_restore_threads(struct restore *r, struct new_process *p, struct err *e)
{
	_cleanup_batch_ struct batch *b = NULL;
	_cleanup_fd_ int proc = -1;
	int ret;

	if (p->nr_threads == 1 && p->row->user_ns == p->born_in)
		return 0;
	proc = open("/proc", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (proc < 0)
		return err_sys(e, "open /proc");
	b = batch_new();
	ret = p->nr_threads == 1 ? credentials_enter(r, p, b, e) : add_clones(r, p, proc, b, e);
	return ret ?: remote_run(p->remote, &p->threads[0].tracee, b, e) ?: adopt_threads(r, p, e);
}
