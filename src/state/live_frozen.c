// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frozen cgroups of a container. A task in one can be stopped by ptrace, but
 * runs nothing for cpt: it goes back into the freezer before it gets to user
 * space (get_signal() in kernel/signal.c). So they are thawed once ptrace
 * holds all tasks, and frozen again before it lets go of the first. Should cpt
 * die between, a guard does that: it waits for the end of a pipe that cpt has
 * open. It shares cpt's memory, for a fork would make cpt copy its pages while
 * it must not wait for the swap volume (volume.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/util.h"
#include "host/cgroup.h"
#include "host/cgroup_tree.h"
#include "state/live_parts.h"

struct frozen {
	int *fds;		/* of cgroup.freeze of each */
	size_t nr, cap;
	ino_t *inodes;		/* of their directories */
	size_t nr_inodes, cap_inodes;
	int pipe[2];		/* the guard waits for the end of the other end's */
	pid_t guard;
	char stack[16384] __attribute__((aligned(16)));
};

static int note_frozen(int dirfd, const char *path, void *arg, struct err *e)
{
	struct frozen *f = arg;
	struct stat st;
	int fd;

	if (!cgroup_is_frozen(dirfd))
		return 0;
	fd = openat(dirfd, "cgroup.freeze", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || fstat(dirfd, &st) < 0)
		return err_sys(e, "open cgroup.freeze of \"%s\"", path);
	array_grow(f->fds, f->nr, f->cap);
	f->fds[f->nr++] = fd;
	array_grow(f->inodes, f->nr_inodes, f->cap_inodes);
	f->inodes[f->nr_inodes++] = st.st_ino;
	return 0;
}

static void write_all_of(const struct frozen *f, const char *text)
{
	for (size_t i = 0; i < f->nr; i++)
		syscall(SYS_pwrite64, f->fds[i], text, 1, 0);
}

/* Descriptors are its own, memory is not: it makes system calls alone. */
static int guard_main(void *arg)
{
	const struct frozen *f = arg;
	char none;

	syscall(SYS_close, f->pipe[1]);
	while (syscall(SYS_read, f->pipe[0], &none, 1) < 0)
		;
	write_all_of(f, "1");
	return 0;
}

static void frozen_free(struct frozen *f)
{
	for (size_t i = 0; i < f->nr; i++)
		close_fd(&f->fds[i]);
	close_fd(&f->pipe[0]);
	close_fd(&f->pipe[1]);
	free(f->fds);
	free(f->inodes);
	free(f);
}

/* Signals are cpt's business: the guard has none but SIGKILL to end of. */
static int guard_start(struct frozen *f, struct err *e)
{
	sigset_t all, before;

	if (pipe2(f->pipe, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	f->guard = clone(guard_main, f->stack + sizeof(f->stack), CLONE_VM, f);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return f->guard < 0 ? err_sys(e, "clone") : 0;
}

int live_thaw(struct live *l, struct err *e)
{
	struct frozen *f = xcalloc(1, sizeof(*f));
	int r;

	f->pipe[0] = f->pipe[1] = -1;
	r = cgroup_each(l->cgroup_fd, note_frozen, f, e);
	if (r == 0 && f->nr)
		r = guard_start(f, e);
	if (r < 0 || !f->nr) {
		frozen_free(f);
		return r;
	}
	l->thawed = f;
	write_all_of(f, "0");
	return 0;
}

bool live_was_frozen(const struct live *l, int dirfd)
{
	struct stat st;

	for (size_t i = 0; l->thawed && i < l->thawed->nr_inodes; i++)
		if (fstat(dirfd, &st) == 0 && st.st_ino == l->thawed->inodes[i])
			return true;
	return cgroup_is_frozen(dirfd);
}

/* The guard does it, now as well. */
void live_refreeze(struct live *l)
{
	struct frozen *f = take_ptr(l->thawed);

	if (!f)
		return;
	close_fd(&f->pipe[1]);
	while (waitpid(f->guard, NULL, __WCLONE) < 0 && errno == EINTR)
		;
	frozen_free(f);
}
