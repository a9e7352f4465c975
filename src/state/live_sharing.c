// SPDX-License-Identifier: GPL-2.0-only
/*
 * What processes and threads share: address spaces, descriptor tables, working
 * directories. kcmp(2) tells, and gives an order, so that n of them cost
 * n log n comparisons.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <search.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/util.h"
#include "state/live_parts.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL	/* linux/pidfd.h since 6.9 */
#endif

static _Thread_local int share_type;	/* tsearch() has no context argument */

static int share_compare(const void *a, const void *b)
{
	const struct live_process *p = a, *q = b;

	return live_kcmp(p->pid, q->pid, share_type, 0, 0);
}

static void keep_node(void *node)
{
	(void)node;
}

static void find_memory(struct live *l)
{
	void *tree = NULL;

	share_type = KCMP_VM;
	for (size_t i = 0; i < l->nr_processes; i++) {
		struct live_process *p = &l->processes[i], **first;

		p->mm_owner = i;
		if (p->zombie)
			continue;
		first = tsearch(p, &tree, share_compare);
		if (first)
			p->mm_owner = (*first)->index;
	}
	tdestroy(tree, keep_node);
}

static int compare_threads(const void *a, const void *b)
{
	const struct live_thread *t = a, *u = b;

	return live_kcmp(t->tid, u->tid, share_type, 0, 0);
}

/* Most threads have what their leaders have: that is one question. @offset: where to note whose it is. */
static void find_first(struct live *l, int type, size_t offset)
{
	void *tree = NULL;

	share_type = type;
	for (size_t i = 0; i < l->nr_processes; i++) {
		struct live_process *p = &l->processes[i];

		for (size_t j = 0; !p->zombie && j < p->nr_threads; j++) {
			struct live_thread *t = &p->threads[j], **first;
			pid_t *key = (pid_t *)((char *)t + offset);

			*key = *(pid_t *)((char *)&p->threads[0] + offset);
			/* While it runs, it may have ended: -1. */
			if (j && syscall(SYS_kcmp, p->pid, t->tid, type, 0, 0) <= 0)
				continue;
			*key = t->tid;
			first = tsearch(t, &tree, compare_threads);
			if (first)
				*key = *(pid_t *)((char *)*first + offset);
		}
	}
	tdestroy(tree, keep_node);
}

static bool has_thread(const struct live_process *p, pid_t tid)
{
	for (size_t i = 0; i < p->nr_threads; i++)
		if (p->threads[i].tid == tid)
			return true;
	return false;
}

struct live_process *live_of_thread(struct live *l, pid_t tid)
{
	for (size_t i = 0; i < l->nr_processes; i++)
		if (!l->processes[i].zombie && has_thread(&l->processes[i], tid))
			return &l->processes[i];
	return NULL;
}

static int thread_look_apart(struct live_process *p, struct live_thread *t, struct err *e)
{
	struct live_process *apart = xcalloc(1, sizeof(*apart));
	char path[32];

	*apart = live_process_new(t->tid);
	apart->ppid = p->ppid;
	apart->index = p->index;
	memcpy(apart->comm, p->comm, sizeof(apart->comm));
	apart->cgroup = xstrdup(p->cgroup);
	t->apart = apart;
	snprintf(path, sizeof(path), "task/%d", t->tid);
	apart->proc_fd = openat(p->proc_fd, path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (apart->proc_fd < 0)
		return errno == ENOENT ? -ESRCH : err_sys(e, "open /proc/%d/%s", p->pid, path);
	apart->pidfd = (int)syscall(SYS_pidfd_open, t->tid, PIDFD_THREAD);
	if (apart->pidfd < 0)
		return errno == ESRCH ? -ESRCH : err_sys(e, "pidfd_open of thread %d", t->tid);
	return live_process_read_status(apart);
}

int live_find_shared(struct live *l, struct err *e)
{
	find_memory(l);
	find_first(l, KCMP_FILES, offsetof(struct live_thread, files));
	find_first(l, KCMP_FS, offsetof(struct live_thread, fs));
	for (size_t i = 0; i < l->nr_processes; i++) {
		struct live_process *p = &l->processes[i], *owner;

		owner = p->zombie ? NULL : live_of_thread(l, p->threads[0].files);
		p->files_owner = owner ? owner->index : i;
		for (size_t j = 1; !p->zombie && j < p->nr_threads; j++) {
			struct live_thread *t = &p->threads[j];
			int r = t->files == t->tid ? thread_look_apart(p, t, e) : 0;

			if (r < 0 && !l->frozen) {	/* it has ended */
				live_process_clear(t->apart);
				free(take_ptr(t->apart));
			} else if (r < 0) {
				return err_in(e, "thread %d of task %d (%s)", t->tid, p->pid, p->comm);
			}
		}
	}
	return 0;
}
