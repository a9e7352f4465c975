// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds the zombies of a container. A process all of whose threads have ended
 * is in no cgroup.procs (css_task_iter_advance() in kernel/cgroup/cgroup.c);
 * it is among the children of whoever is to wait for it.
 */
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "host/cgroup_tree.h"
#include "state/live.h"
#include "state/live_parts.h"

char *live_cgroup_of(const struct live *l, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	size_t len = strlen(l->cgroup);
	char path[32], *own;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (read_file_at(-1, path, &text, NULL) < 0)
		return NULL;
	text[strcspn(text, "\n")] = 0;
	own = strncmp(text, "0::", 3) == 0 ? text + 3 : text;
	if (strncmp(own, l->cgroup, len) != 0 || (own[len] != '/' && own[len]) || strstr(own, " (deleted)"))
		return NULL;
	return xstrdup(own[len] ? own + len + 1 : "");
}

/* The dead don't count: one with controllers on takes no new process (cgroup_migrate_vet_dst()). */
static bool takes_processes(const struct live *l, const char *cgroup)
{
	_cleanup_free_ char *path = xasprintf("%s%scgroup.subtree_control", cgroup, *cgroup ? "/" : "");
	_cleanup_free_ char *on = NULL;

	return cgroup_read(l->cgroup_fd, path, &on) == 0 && !*on;
}

static int add_if_zombie(struct live *l, pid_t pid, const struct live_process *parent, struct err *e)
{
	_cleanup_free_ char *cgroup = live_cgroup_of(l, pid);
	bool usable = cgroup && takes_processes(l, cgroup);
	struct live_process p;
	/* It is where its parent is if it was moved out of the container's cgroup, or its own is gone. */
	int r = live_process_open(&p, pid, usable ? cgroup : parent->cgroup, e);

	if (r < 0)
		return r == -ESRCH ? 0 : r;
	/* Others have been moved out of the container's cgroup. */
	if (!p.zombie) {
		live_process_clear(&p);
		return 0;
	}
	array_grow(p.threads, p.nr_threads, p.cap_threads);
	p.threads[p.nr_threads++].tid = pid;
	array_grow(l->processes, l->nr_processes, l->cap_processes);
	l->processes[l->nr_processes++] = p;
	return 0;
}

static int read_children(struct live *l, size_t parent, pid_t tid, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	char path[48];
	int r;

	snprintf(path, sizeof(path), "task/%d/children", tid);
	r = read_file_at(l->processes[parent].proc_fd, path, &text, NULL);
	if (r < 0)
		return l->frozen ? err_ret(e, r, "read /proc/%d/%s", l->processes[parent].pid, path) : 0;
	for (char *at = text, *end; ; at = end) {
		pid_t pid = (pid_t)strtol(at, &end, 10);

		if (end == at)
			return 0;
		r = live_find(l, pid) ? 0 : add_if_zombie(l, pid, &l->processes[parent], e);
		if (r < 0)
			return r;
	}
}

int live_read_zombies(struct live *l, struct err *e)
{
	size_t nr = l->nr_processes;

	for (size_t i = 0; i < nr; i++)
		for (size_t j = 0; !l->processes[i].zombie && j < l->processes[i].nr_threads; j++) {
			int r = read_children(l, i, l->processes[i].threads[j].tid, e);

			if (r < 0)
				return r;
		}
	return 0;
}
