// SPDX-License-Identifier: GPL-2.0-only
/* What the three kinds of System V IPC have in common. */
#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/prctl.h>
#include "host/next_id.h"
#include "state/namespace.h"
#include "state/sysv.h"

struct sysv_permissions sysv_permissions(const struct ipc_perm *perm)
{
	return (struct sysv_permissions){
		.key = (uint32_t)perm->__key, .uid = perm->uid, .gid = perm->gid,
		.creator_uid = perm->cuid, .creator_gid = perm->cgid, .mode = perm->mode & 0777,
	};
}

static int in_namespace(struct save *s, struct live_process *p, int64_t ns,
			int (*fn)(struct save *, struct live_process *, int64_t, struct err *), struct err *e)
{
	_cleanup_fd_ int theirs = openat(p->proc_fd, "ns/ipc", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int own = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC);
	int r;

	if (theirs < 0 || own < 0 || setns(theirs, CLONE_NEWIPC) < 0)
		return s->frozen ? err_sys(e, "enter the ipc namespace of task %d (%s)", p->pid, p->comm) : 0;
	r = fn(s, p, ns, e);
	if (setns(own, CLONE_NEWIPC) < 0)
		return err_sys(e, "return to cpt's own ipc namespace");
	return r;
}

int sysv_each_namespace(struct save *s, int (*fn)(struct save *s, struct live_process *p, int64_t ns, struct err *e),
			struct err *e)
{
	_cleanup_free_ int64_t *seen = xcalloc(s->live->nr_processes, sizeof(*seen));
	size_t nr = 0;

	for (size_t i = 0; i < s->live->nr_processes; i++) {
		struct live_process *p = &s->live->processes[i];
		bool known = false;
		int64_t ns;
		int r;

		if (p->zombie)
			continue;
		r = namespace_of(s, p, "ipc", &ns, e);
		if (r < 0)
			return r;
		for (size_t j = 0; j < nr; j++)
			known |= seen[j] == ns;
		if (known || ns == COLUMN_NULL)
			continue;
		seen[nr++] = ns;
		r = in_namespace(s, p, ns, fn, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int sysv_begin(struct restore *r, struct sysv_scope *scope, int64_t ns, const char *next_id_kind, int64_t id,
	       const struct sysv_permissions *p, struct err *e)
{
	int ret;

	*scope = (struct sysv_scope){ .back = -1, .proc = -1 };
	scope->proc = open("/proc", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (scope->proc < 0)
		return err_sys(e, "open /proc");
	ret = namespace_enter(r, ns, "ipc", &scope->back, e);
	if (ret == 0 && (prctl(PR_SET_SECUREBITS, 1 << SECURE_NO_SETUID_FIXUP) < 0 ||
			 setegid((gid_t)p->creator_gid) < 0 || seteuid((uid_t)p->creator_uid) < 0))
		ret = err_sys(e, "take the ids of the creator, %ld:%ld", p->creator_uid, p->creator_gid);
	if (ret == 0)
		ret = next_id_ask(scope->proc, next_id_kind, id, e);
	if (ret < 0)
		sysv_end(scope, &ERR_INIT);
	return ret;
}

int sysv_end(struct sysv_scope *scope, struct err *e)
{
	int ret = 0;

	if (seteuid(0) < 0 || setegid(0) < 0 || prctl(PR_SET_SECUREBITS, 0) < 0)
		ret = err_sys(e, "take cpt's own ids back");
	close_fd(&scope->proc);
	return namespace_leave(&scope->back, "ipc", ret < 0 ? &ERR_INIT : e) ?: ret;
}
