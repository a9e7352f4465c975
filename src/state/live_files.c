// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors of a live container and the open file descriptions behind them.
 * Two descriptors are one open file exactly if kcmp(2) says so; it also gives
 * an order, so that n descriptors cost n log n comparisons.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <search.h>
#include <string.h>
#include <sys/pidfd.h>
#include "base/util.h"
#include "state/live_parts.h"

pid_t open_file_holder(const struct open_file *f, int *ret_fd)
{
	*ret_fd = f->fd < 0 ? f->own : f->fd;
	return f->fd < 0 ? getpid() : f->process->pid;
}

static int file_compare(const void *a, const void *b)
{
	const struct open_file *f = a, *g = b;
	pid_t f_pid, g_pid;
	int f_fd, g_fd;

	if (f->st.st_dev != g->st.st_dev)
		return f->st.st_dev < g->st.st_dev ? -1 : 1;
	if (f->st.st_ino != g->st.st_ino)
		return f->st.st_ino < g->st.st_ino ? -1 : 1;
	f_pid = open_file_holder(f, &f_fd);
	g_pid = open_file_holder(g, &g_fd);
	return live_kcmp(f_pid, g_pid, KCMP_FILE, (uint64_t)f_fd, (uint64_t)g_fd);
}

static void file_free(struct open_file *f)
{
	if (!f)
		return;
	close_fd(&f->own);
	free(f->link);
	free(f->fdinfo);
	free(f);
}

/* What the directory @proc_fd of /proc tells of descriptor @fd. -ENOENT when it was closed meanwhile. */
static int file_read(int proc_fd, int fd, struct open_file **ret)
{
	struct open_file *f = xcalloc(1, sizeof(*f));
	char path[32];
	int r;

	*f = (struct open_file){ .fd = fd, .own = -1 };
	snprintf(path, sizeof(path), "fd/%d", fd);
	r = read_link_at(proc_fd, path, &f->link);
	if (r == 0 && fstatat(proc_fd, path, &f->st, 0) < 0)
		r = -errno;
	snprintf(path, sizeof(path), "fdinfo/%d", fd);
	if (r == 0)
		r = read_file_at(proc_fd, path, &f->fdinfo, NULL);
	if (r < 0) {
		file_free(f);
		return r;
	}
	f->flags = (int)text_number(f->fdinfo, "flags", 8, 0);
	f->pos = (int64_t)text_number(f->fdinfo, "pos", 10, 0);
	*ret = f;
	return 0;
}

static void file_add(struct live *l, struct open_file *f)
{
	f->id = (int64_t)l->nr_files;
	array_grow(l->files, l->nr_files, l->cap_files);
	l->files[l->nr_files++] = f;
}

static int process_read_fd(struct live *l, struct live_process *p, int fd, void **tree, struct err *e)
{
	struct open_file *f, **known;
	char *locks;
	bool cloexec;
	int r;

	r = file_read(p->proc_fd, fd, &f);
	if (r == -ENOENT && !l->frozen)
		return 0;
	if (r < 0)
		return err_ret(e, r, "read descriptor %d of task %d (%s)", fd, p->pid, p->comm);
	/* Only this flag belongs to the descriptor, not to the open file. */
	f->process = p;
	cloexec = f->flags & O_CLOEXEC;
	f->flags &= ~O_CLOEXEC;
	locks = text_field(f->fdinfo, "lock") ? xstrdup(f->fdinfo) : NULL;
	known = tsearch(f, tree, file_compare);
	if (*known == f)
		file_add(l, f);
	else
		file_free(f);
	array_grow(p->fds, p->nr_fds, p->cap_fds);
	p->fds[p->nr_fds++] = (struct live_fd){ .fd = fd, .cloexec = cloexec, .file = *known, .locks = locks };
	return 0;
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int process_read_fds(struct live *l, struct live_process *p, void **tree, struct err *e)
{
	_cleanup_dir_ DIR *dir = NULL;
	_cleanup_free_ int *fds = NULL;
	size_t nr = 0, cap = 0;
	struct dirent *d;
	int dirfd, r;

	dirfd = openat(p->proc_fd, "fd", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (dirfd < 0)
		return errno == ENOENT || errno == ESRCH ? (l->frozen ? err_sys(e, "open /proc/%d/fd", p->pid) : 0)
							 : err_sys(e, "open /proc/%d/fd", p->pid);
	dir = fdopendir(dirfd);
	while ((d = readdir(dir))) {
		if (!isdigit(*d->d_name))
			continue;
		array_grow(fds, nr, cap);
		fds[nr++] = atoi(d->d_name);
	}
	qsort(fds, nr, sizeof(*fds), compare_ints);
	for (size_t i = 0; i < nr; i++) {
		r = process_read_fd(l, p, fds[i], tree, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static void keep_node(void *node)
{
	(void)node;
}

int live_read_files(struct live *l, struct err *e)
{
	void *tree = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->nr_processes; i++) {
		struct live_process *p = &l->processes[i];

		if (!p->zombie && p->files_owner == i)
			r = process_read_fds(l, p, &tree, e);
		for (size_t j = 1; r == 0 && j < p->nr_threads; j++)
			if (p->threads[j].apart)
				r = process_read_fds(l, p->threads[j].apart, &tree, e);
	}
	tdestroy(tree, keep_node);
	return r;
}

void live_free_files(struct live *l)
{
	for (size_t i = 0; i < l->nr_files; i++)
		file_free(l->files[i]);
	free(l->files);
}

int live_add_in_flight(struct live *l, struct live_process *p, int fd, struct open_file **ret, struct err *e)
{
	_cleanup_fd_ int self = open("/proc/self", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	struct open_file *f;
	int r = self < 0 ? -errno : file_read(self, fd, &f);

	if (r < 0) {
		close(fd);
		return err_ret(e, r, "read cpt's own descriptor of a file in flight to task %d (%s)", p->pid, p->comm);
	}
	f->process = p;
	f->fd = -1;
	f->own = fd;
	f->flags &= ~O_CLOEXEC;
	for (size_t i = 0; i < l->nr_files; i++)
		if (file_compare(l->files[i], f) == 0) {
			file_free(f);
			*ret = l->files[i];
			return 0;
		}
	file_add(l, f);
	*ret = f;
	return 0;
}

bool live_maybe_in_flight(const struct live *l)
{
	for (size_t i = 0; i < l->nr_files; i++)
		if (text_number(l->files[i]->fdinfo, "scm_fds", 10, 0))
			return true;
	return false;
}

int open_file_get(struct open_file *f, struct err *e)
{
	if (f->own >= 0)
		return f->own;
	f->own = pidfd_getfd(f->process->pidfd, f->fd, 0);
	if (f->own < 0)
		return err_sys(e, "get descriptor %d of task %d (%s)", f->fd, f->process->pid, f->process->comm);
	return f->own;
}

const char *open_file_name(const struct open_file *f, char buf[static 256])
{
	if (f->fd < 0)
		snprintf(buf, 256, "a descriptor on the way to it (%s)", f->link);
	else
		snprintf(buf, 256, "descriptor %d (%s)", f->fd, f->link);
	return buf;
}
