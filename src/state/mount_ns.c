// SPDX-License-Identifier: GPL-2.0-only
/* Looking into mount namespaces of a live container: cpt enters them for a moment. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/syscall.h>
#include "state/mount.h"
#include "state/namespace.h"

int mount_ns_enter(struct save *s, const struct live_process *p, struct mount_ns_back *b, struct err *e)
{
	_cleanup_fd_ int ns = openat(p->proc_fd, "ns/mnt", O_RDONLY | O_CLOEXEC);

	b->ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	b->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->ns < 0 || b->cwd < 0)
		err_sys(e, "open cpt's own mount namespace and directory");
	else if (ns >= 0 && setns(ns, CLONE_NEWNS) == 0)
		return 1;
	else if (s->frozen)
		err_sys(e, "enter the mount namespace of task %d", p->pid);
	close_fd(&b->ns);
	close_fd(&b->cwd);
	return e->code;
}

int mount_ns_leave(struct mount_ns_back *b, struct err *e)
{
	int r = namespace_leave(&b->ns, "mnt", e);

	if (r == 0 && fchdir(b->cwd) < 0)
		r = err_sys(e, "return to cpt's own directory");
	close_fd(&b->cwd);
	return r;
}

int mount_ns_root(struct save *s, const struct live_process *p, struct err *e)
{
	struct mount_ns_back back;
	ino_t inode;
	int64_t ns;
	int fd, r = live_namespace(p, "mnt", &inode);

	if (r < 0)
		return err_ret(e, r, "look up the mount namespace of task %d", p->pid);
	for (size_t i = 0; i < s->nr_ns_roots; i++)
		if (s->ns_roots[i].ns == inode)
			return s->ns_roots[i].fd;
	r = namespace_of(s, p, "mnt", &ns, e);
	if (r == 0 && ns != COLUMN_NULL)
		r = mount_ns_enter(s, p, &back, e) ?: err_set(e, -ESRCH, "task %d has ended", p->pid);
	if (r < 0)
		return r;
	fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		err_sys(e, "open the root directory of the mount namespace of task %d", p->pid);
	if (r > 0 && mount_ns_leave(&back, fd < 0 ? &ERR_INIT : e) < 0)
		close_fd(&fd);
	if (fd < 0)
		return e->code;
	array_grow(s->ns_roots, s->nr_ns_roots, s->cap_ns_roots);
	s->ns_roots[s->nr_ns_roots++] = (struct save_ns_root){ inode, fd };
	save_keep_fd(s, fd);
	return fd;
}

int mount_reach(int root, const char *point, int64_t id)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	_cleanup_fd_ int fd = (int)syscall(SYS_openat2, root, point, &how, sizeof(how));
	struct statx stx;

	return fd >= 0 && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID | STATX_TYPE, &stx) == 0 &&
	       (int64_t)stx.stx_mnt_id == id ? take_fd(&fd) : -1;
}
