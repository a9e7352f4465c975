// SPDX-License-Identifier: GPL-2.0-only
/* What a mount of a live container shows: something of the host, of a namespace, of the container's cgroup. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include "state/mount_source.h"
#include "state/namespace.h"

/* Is a process both where a proc is mounted and in the pid namespace that it shows? That one mounts it anew. */
static bool proc_has_mounter(struct save *s, int64_t mount_ns, int64_t pid_ns)
{
	for (size_t i = 0; i < s->live->nr_processes; i++) {
		const struct live_process *p = &s->live->processes[i];
		int64_t mnt, pid;

		if (!p->zombie && namespace_of(s, p, "mnt", &mnt, &ERR_INIT) == 0 && mnt == mount_ns &&
		    namespace_of(s, p, "pid", &pid, &ERR_INIT) == 0 && pid == pid_ns)
			return true;
	}
	return false;
}

/* The pid namespace that a proc shows is that of its process 1: perhaps one that no process met so far is in. */
int mount_proc_pid_ns(struct mount_visit *v, const struct mount_info *m, int64_t *ret, bool *ret_known)
{
	_cleanup_fd_ int proc = mount_reach(v->root, m->point, m->id);
	_cleanup_fd_ int fd = proc < 0 ? -1 : openat(proc, "1/ns/pid", O_RDONLY | O_CLOEXEC);

	*ret = COLUMN_NULL;
	*ret_known = proc >= 0;
	if (proc < 0 || (fd >= 0 && namespace_of_pid_fd(v->s, fd, ret, &ERR_INIT) == 0 &&
			 (*ret == COLUMN_NULL || proc_has_mounter(v->s, v->ns, *ret))))
		return 0;
	return v->s->frozen ? -ESRCH : 0;	/* before that it may have been the last process that ended */
}

/* Which of the container's ipc namespaces an mqueue is of: the one in which another mount is of the same device. */
int64_t mount_mqueue_ipc_ns(struct save *s, const struct mount_info *m)
{
	int64_t ns = COLUMN_NULL;
	bool found = false;

	for (size_t i = 0; !found && i < s->live->nr_processes; i++) {
		_cleanup_fd_ int theirs = -1, back = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC), fs = -1, fd = -1;
		const struct live_process *p = &s->live->processes[i];
		char device[32] = "";
		struct statx stx;

		theirs = p->zombie ? -1 : openat(p->proc_fd, "ns/ipc", O_RDONLY | O_CLOEXEC);
		if (theirs < 0 || back < 0 || setns(theirs, CLONE_NEWIPC) < 0)
			continue;
		fs = fsopen("mqueue", FSOPEN_CLOEXEC);
		if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
			fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
		if (setns(back, CLONE_NEWIPC) < 0)
			abort();	/* nothing that cpt does elsewhere is right any more */
		if (fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0)
			snprintf(device, sizeof(device), "%u:%u", stx.stx_dev_major, stx.stx_dev_minor);
		found = strcmp(device, m->device) == 0 && namespace_of(s, p, "ipc", &ns, &ERR_INIT) == 0;
	}
	return ns;
}

bool mount_is_slave_of(const struct mount_info *m, const struct mount_info *host)
{
	return m->master && (host->shared == m->master || (!host->shared && host->master == m->master));
}

const struct mount_info *mount_of_host(const struct mounts *host, const struct mount_info *m)
{
	const struct mount_info *best = NULL;
	int best_score = 0;

	for (size_t i = 0; i < host->nr; i++) {
		const struct mount_info *h = &host->list[i];
		int score = 1 + 4 * mount_is_slave_of(m, h) + 2 * (strcmp(h->root, m->root) == 0) +
			    (strcmp(h->point, m->point) == 0);

		if (score > best_score && strcmp(h->device, m->device) == 0 && strcmp(h->type, m->type) == 0 &&
		    path_below(m->root, h->root)) {
			best = h;
			best_score = score;
		}
	}
	return best;
}

const char *mount_shown_cgroup(const struct save *s, const struct mount_info *m)
{
	return strcmp(m->type, "cgroup2") == 0 && strcmp(m->root, "/") != 0 ? path_below(m->root, s->live->cgroup) : NULL;
}
