// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads a container from /proc: which processes and threads its cgroup holds,
 * and what they share (live_sharing.c). live_maps.c and live_files.c read
 * mappings and open files.
 *
 * Stopping it uses ptrace alone, not the cgroup freezer: when cpt dies the
 * kernel detaches all tracees and the container goes on, whereas a frozen
 * cgroup would stay frozen.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include "base/util.h"
#include "remote/together.h"
#include "state/live.h"
#include "state/live_parts.h"

const char *text_field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			line += len + 1;
			while (*line == ' ' || *line == '\t')
				line++;
			return line;
		}
	}
	return NULL;
}

uint64_t text_number(const char *text, const char *name, int base, uint64_t otherwise)
{
	const char *p = text_field(text, name);
	char *end;
	uint64_t v;

	if (!p)
		return otherwise;
	errno = 0;
	v = strtoull(p, &end, base);
	return errno || end == p ? otherwise : v;
}

int live_kcmp(pid_t a, pid_t b, int what, uint64_t x, uint64_t y)
{
	/* 0 equal, 1 less, 2 greater; 3: no order (kcmp(2)) */
	long order = syscall(SYS_kcmp, a, b, what, x, y);

	return order == 1 ? -1 : order == 2 ? 1 : (int)order;
}

struct live_process *live_find(struct live *l, pid_t pid)
{
	for (size_t i = 0; i < l->nr_processes; i++)
		if (l->processes[i].pid == pid)
			return &l->processes[i];
	return NULL;
}

/* ---- one process ------------------------------------------------------ */

static const char *const namespace_links[] = {
	"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts",
};

int live_namespace(const struct live_process *p, const char *link, ino_t *ret)
{
	size_t i = 0;
	char path[32];
	struct stat st;

	while (strcmp(namespace_links[i], link) != 0)
		i++;
	if (p->namespaces && p->namespaces[i]) {
		*ret = p->namespaces[i];
		return 0;
	}
	snprintf(path, sizeof(path), "ns/%s", link);
	if (fstatat(p->proc_fd, path, &st, 0) < 0)
		return -errno;
	if (p->namespaces)
		p->namespaces[i] = st.st_ino;
	*ret = st.st_ino;
	return 0;
}

struct live_process live_process_new(pid_t pid)
{
	return (struct live_process){
		.pid = pid, .proc_fd = -1, .pidfd = -1,
		.namespaces = xcalloc(ARRAY_SIZE(namespace_links), sizeof(ino_t)),
	};
}

void live_process_clear(struct live_process *p)
{
	for (size_t i = 0; i < p->nr_vmas; i++) {
		free(p->vmas[i].path);
		free(p->vmas[i].flags);
	}
	for (size_t i = 0; i < p->nr_fds; i++)
		free(p->fds[i].locks);
	for (size_t i = 0; i < p->nr_threads; i++) {
		free(p->threads[i].status);
		asked_free(p->threads[i].asked);
		if (p->threads[i].apart) {
			live_process_clear(p->threads[i].apart);
			free(p->threads[i].apart);
		}
	}
	free(p->vmas);
	free(p->fds);
	free(p->threads);
	free(p->status);
	free(p->namespaces);
	free(p->cgroup);
	close_fd(&p->proc_fd);
	close_fd(&p->pidfd);
}

int live_process_read_status(struct live_process *p)
{
	const char *name;
	int r;

	free(take_ptr(p->status));
	r = read_file_at(p->proc_fd, "status", &p->status, NULL);
	if (r < 0)
		return r;
	name = text_field(p->status, "Name");
	snprintf(p->comm, sizeof(p->comm), "%.*s", name ? (int)strcspn(name, "\n") : 0, name ?: "");
	p->ppid = (pid_t)text_number(p->status, "PPid", 10, 0);
	name = text_field(p->status, "State");
	p->zombie = name && (*name == 'Z' || *name == 'X');
	return 0;
}

int live_process_open(struct live_process *p, pid_t pid, const char *cgroup, struct err *e)
{
	char path[32];
	int r;

	*p = live_process_new(pid);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	p->proc_fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (p->proc_fd < 0) {
		r = errno == ENOENT ? -ESRCH : err_sys(e, "open %s", path);
		live_process_clear(p);
		return r;
	}
	r = live_process_read_status(p);
	if (r < 0) {
		live_process_clear(p);
		return r == -ESRCH || r == -ENOENT ? -ESRCH : err_ret(e, r, "read %s/status", path);
	}
	p->pidfd = pidfd_open(pid, 0);
	if (p->pidfd < 0) {
		r = errno == ESRCH ? -ESRCH : err_sys(e, "pidfd_open(%d)", pid);
		live_process_clear(p);
		return r;
	}
	fcntl(p->pidfd, F_SETFD, FD_CLOEXEC);
	p->cgroup = xstrdup(cgroup);
	return 0;
}

static struct live_thread *process_thread(struct live_process *p, pid_t tid)
{
	for (size_t i = 0; i < p->nr_threads; i++)
		if (p->threads[i].tid == tid)
			return &p->threads[i];
	return NULL;
}

static int thread_stop(struct live_process *p, struct live_thread *t, struct err *e)
{
	int r = tracee_seize(&t->tracee, t->tid, e);

	if (r == -EPERM) {
		/* Attached already: a child of a fork that one of our tracees was in. */
		char path[64];
		_cleanup_free_ char *status = NULL;

		snprintf(path, sizeof(path), "task/%d/status", t->tid);
		if (read_file_at(p->proc_fd, path, &status, NULL) < 0)
			return -ESRCH;
		if ((pid_t)text_number(status, "TracerPid", 10, 0) == getpid())
			return tracee_adopt(&t->tracee, t->tid, e);
		if (text_number(status, "TracerPid", 10, 0) != 0)
			err_advise(e, "detach the debugger or tracer (pid %d) from it first",
				   (int)text_number(status, "TracerPid", 10, 0));
	}
	return r;
}

/* Adds threads that are not known yet (and stops them if @freeze); *@ret_new counts them. */
static int process_read_threads(struct live_process *p, bool freeze, size_t *ret_new, struct err *e)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *d;
	int fd, r;

	fd = openat(p->proc_fd, "task", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH ? -ESRCH : err_sys(e, "open /proc/%d/task", p->pid);
	dir = fdopendir(fd);
	while ((d = readdir(dir))) {
		struct live_thread t = { .tid = atoi(d->d_name) };

		if (!isdigit(*d->d_name) || process_thread(p, t.tid))
			continue;
		if (freeze && !p->zombie) {
			r = thread_stop(p, &t, e);
			if (r == -ESRCH)
				continue;
			if (r < 0)
				return err_in(e, "stop task %d (%s)", t.tid, p->comm);
		}
		array_grow(p->threads, p->nr_threads, p->cap_threads);
		p->threads[p->nr_threads++] = t;
		++*ret_new;
		/* The leader is listed first by the kernel, but not while it is being seized late. */
		if (t.tid == p->pid && p->nr_threads > 1) {
			p->threads[p->nr_threads - 1] = p->threads[0];
			p->threads[0] = t;
		}
	}
	return p->nr_threads ? 0 : -ESRCH;
}

/* ---- all processes ---------------------------------------------------- */

static int live_add_process(struct live *l, pid_t pid, const char *cgroup, bool freeze,
			    size_t *ret_new, struct err *e)
{
	struct live_process *known = live_find(l, pid), p;
	int r;

	if (pid == getpid())
		return err_set(e, -EINVAL, "cpt itself (pid %d) is in the cgroup %s", pid, l->cgroup),
		       err_advise(e, "run cpt from a shell outside the container");
	if (known)
		return freeze ? process_read_threads(known, freeze, ret_new, e) : 0;
	r = live_process_open(&p, pid, cgroup, e);
	if (r < 0)
		return r;
	r = process_read_threads(&p, freeze, ret_new, e);
	if (r < 0) {
		for (size_t i = 0; freeze && !p.zombie && i < p.nr_threads; i++)
			tracee_release(&p.threads[i].tracee, &ERR_INIT);
		live_process_clear(&p);
		return r;
	}
	array_grow(l->processes, l->nr_processes, l->cap_processes);
	l->processes[l->nr_processes++] = p;
	return 0;
}

static int live_scan(struct live *l, int dirfd, const char *below, bool freeze, size_t *ret_new, struct err *e)
{
	_cleanup_free_ char *procs = NULL;
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *d;
	int r, fd;

	r = read_file_at(dirfd, "cgroup.procs", &procs, NULL);
	/* A threaded one has none: processes with threads in there are listed further up (cgroup_procs_start()). */
	if (r == -EOPNOTSUPP && *below)
		procs = xstrdup("");
	else if (r < 0)
		return err_ret(e, r, "read cgroup.procs of %s/%s%s", l->cgroup, below, r == -EOPNOTSUPP ?
			       ", a threaded cgroup (snapshot the one above that is not)" : "");
	for (char *p = procs, *end; *p; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);

		if (end == p)
			break;
		if (pid == 0)
			return err_set(e, -EXDEV, "the cgroup %s holds a process of another pid namespace that is "
				       "not below cpt's", l->cgroup);
		r = live_add_process(l, pid, below, freeze, ret_new, e);
		if (r < 0 && r != -ESRCH)
			return r;
	}

	fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open cgroup %s/%s", l->cgroup, below);
	dir = fdopendir(fd);
	while ((d = readdir(dir))) {
		_cleanup_free_ char *path = NULL;
		_cleanup_fd_ int sub = -1;

		if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		path = xasprintf("%s%s%s", below, *below ? "/" : "", d->d_name);
		sub = openat(fd, d->d_name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (sub < 0)
			continue;	/* removed meanwhile */
		r = live_scan(l, sub, path, freeze, ret_new, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Parents before children, else by pid: the order of process rows. */
static void live_sort(struct live *l)
{
	struct live_process *sorted = xcalloc(l->nr_processes + 1, sizeof(*sorted));
	bool *done = xcalloc(l->nr_processes + 1, sizeof(*done));
	size_t nr = 0;

	while (nr < l->nr_processes) {
		size_t before = nr;

		for (size_t i = 0; i < l->nr_processes; i++) {
			struct live_process *p = &l->processes[i];
			struct live_process *parent = live_find(l, p->ppid);

			if (!done[i] && (!parent || done[parent - l->processes])) {
				done[i] = true;
				sorted[nr++] = *p;
			}
		}
		if (nr == before)
			break;	/* a cycle can't be; don't hang on it */
	}
	free(done);
	free(l->processes);
	l->processes = sorted;
	l->cap_processes = l->nr_processes + 1;
	l->nr_processes = nr;
	for (size_t i = 0; i < nr; i++)
		sorted[i].index = i;
}

/* ---- entry points ----------------------------------------------------- */

static int live_read_objects(struct live *l, struct err *e)
{
	int r;

	r = live_find_shared(l, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->nr_processes; i++) {
		struct live_process *p = &l->processes[i];

		if (p->zombie)
			continue;
		r = live_process_read_status(p);
		if (r == 0)
			r = live_read_vmas(p, e);
		if (r == -ESRCH && !l->frozen)
			continue;
		if (r < 0)
			return err_in(e, "task %d (%s)", p->pid, p->comm);
	}
	return live_read_files(l, e);
}

int live_read(struct live *l, const char *cgroup, int cgroup_fd, bool freeze, struct err *e)
{
	size_t nr_new;
	int r;

	*l = (struct live){ .cgroup = cgroup, .cgroup_fd = cgroup_fd, .frozen = freeze };
	do {
		nr_new = 0;
		r = live_scan(l, cgroup_fd, "", freeze, &nr_new, e);
	} while (r == 0 && freeze && nr_new > 0);
	if (r == 0 && freeze)
		r = live_thaw(l, e);
	if (r == 0)
		r = live_read_zombies(l, e);
	if (r == 0) {
		live_sort(l);
		r = live_read_objects(l, e);
	}
	if (r < 0) {
		live_release(l, &ERR_INIT);
		return r;
	}
	return 0;
}

static int close_foothold(void *arg, size_t i, struct err *e)
{
	struct live_process *p = &((struct live *)arg)->processes[i];

	(void)e;
	if (p->remote)
		remote_close(take_ptr(p->remote), &p->threads[0].tracee, &ERR_INIT);
	return 0;
}

int live_release(struct live *l, struct err *e)
{
	int ret = 0;

	if (l->frozen)
		together(l->nr_processes, close_foothold, l, &ERR_INIT);
	live_refreeze(l);
	for (size_t i = 0; l->frozen && i < l->nr_processes; i++) {
		struct live_process *p = &l->processes[i];

		for (size_t j = 0; !p->zombie && j < p->nr_threads; j++) {
			int r = tracee_release(&p->threads[j].tracee, ret ? &ERR_INIT : e);

			if (r < 0 && r != -ESRCH && ret == 0)
				ret = err_in(e, "let task %d (%s) run on", p->threads[j].tid, p->comm);
		}
	}
	l->frozen = false;
	live_free(l);
	return ret;
}

void live_free(struct live *l)
{
	for (size_t i = 0; i < l->nr_processes; i++)
		live_process_clear(&l->processes[i]);
	free(l->processes);
	live_free_files(l);
	*l = (struct live){ .cgroup_fd = -1 };
}
