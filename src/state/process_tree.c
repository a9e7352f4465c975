// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the processes of a container anew. Every process is forked by its own
 * parent, so that parentage, sessions and namespaces come out as they were:
 *
 *  birth    a copy of cpt, forked with its ids asked for through next_id;
 *  family   it forks children that are older than its session, becomes session
 *           or group leader, takes its controlling terminal, forks the others;
 *  report   it tells cpt (SCM_CREDENTIALS carry its pid in cpt's namespace);
 *  share    one that has its maker's descriptor table leaves it as it is, and parks;
 *           its maker parks when it does;
 *  zombie   one that has to end waits for that until all the others are there,
 *           and a stand-in for a former leader until all are in its group;
 *  parked   any other closes every descriptor but one, a pidfd of cpt, and sleeps with
 *           all signals blocked until cpt has stopped it by ptrace, or ends with cpt.
 *
 * What the children do is in process_birth.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "state/credentials.h"
#include "state/file.h"
#include "state/process.h"
#include "state/process_tree.h"
#include "state/zombie.h"

static const struct process_row *row_of(const struct restore *r, int64_t process)
{
	return image_find(r->img, &process_table, offsetof(struct process_row, process), process);
}

/* ---- check ------------------------------------------------------------ */

static int check_relations(const struct restore *r, const struct process_row *row, struct err *e)
{
	const struct process_row *parent = row->parent == COLUMN_NULL ? NULL : row_of(r, row->parent);

	if (row->parent != COLUMN_NULL && (!parent || parent >= row))
		return err_set(e, -EBADMSG, "process %ld: its parent %ld is not listed before it",
			       row->process, row->parent);
	if (pid_at(r->img, row->process, pid_level(r->img, row->process)) < 0)
		return err_set(e, -EBADMSG, "process %ld has no row in table pid", row->process);
	if ((!row_of(r, row->session) && !leader_of(r->img, row->session)) ||
	    (!row_of(r, row->pgrp) && !leader_of(r->img, row->pgrp)))
		return err_set(e, -EBADMSG, "process %ld: no process row for its session %ld or group %ld",
			       row->process, row->session, row->pgrp);
	return 0;
}

/* Someone else has the id here already? Only ids in cpt's own pid namespace can be in the way. */
static int check_free(const struct restore *r, int64_t process, int64_t pid_ns, const char *comm, struct err *e)
{
	int64_t pid = pid_at(r->img, process, 0);

	if (pid_ns != COLUMN_NULL || pid < 0)
		return 0;
	if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return 0;
	err_set(e, -EBUSY, "process %ld (%s): its pid %ld is taken by another process", process, comm, pid);
	return err_advise(e, "end that process, or restore it on a host where the pid is free");
}

int process_check_tree(struct restore *r, struct err *e)
{
	const struct leader_row *leader;
	const struct process_row *row;
	struct process_plan plan;
	int ret;

	image_for_each(row, r->img, &process_table) {
		ret = check_relations(r, row, e) ?: check_free(r, row->process, row->pid_ns, row->comm, e);
		if (ret < 0)
			return ret;
	}
	image_for_each(leader, r->img, &leader_table) {
		ret = check_free(r, leader->leader, leader->pid_ns, "a former leader", e);
		if (ret < 0)
			return ret;
	}
	ret = process_plan_make(r->img, &plan, e);
	if (ret == 0)
		process_plan_clear(&plan);
	return ret ?: threads_check(r, e);
}

/* ---- in cpt ----------------------------------------------------------- */

/* One above every descriptor that a process will have, so that it is never in the way. */
static int parking_number(const struct restore *r)
{
	const struct fd_row *row;
	int64_t highest = 99;

	image_for_each(row, r->img, &fd_table)
		highest = max(highest, row->fd);
	return (int)highest + 1;
}

static size_t nr_rows(const struct nursery *n)
{
	size_t nr;

	image_rows(n->r->img, &process_table, &nr);
	return nr;
}

static int nursery_open(struct nursery *n, struct restore *r, int *ret_listen, struct err *e)
{
	struct rlimit limit;
	int pair[2], one = 1, ret;

	*n = (struct nursery){ .r = r, .proc = -1, .report = -1, .cpt_pidfd = -1, .end = { -1, -1 },
				.leave = { -1, -1 } };
	n->core = zombie_core_is_harmless();
	n->rests = mmap(NULL, nr_rows(n) + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (n->rests == MAP_FAILED)
		return err_sys(e, "mmap");
	if (pipe2(n->end, O_CLOEXEC) < 0 || pipe2(n->leave, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	ret = process_plan_make(r->img, &n->plan, e);
	if (ret < 0)
		return ret;
	n->parking_fd = parking_number(r);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= (rlim_t)n->parking_fd + 64) {
		limit.rlim_cur = (rlim_t)n->parking_fd + 1024;
		limit.rlim_max = max(limit.rlim_max, limit.rlim_cur);
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			return err_sys(e, "raise the limit of open files to %ju", (uintmax_t)limit.rlim_cur);
	}
	n->proc = open("/proc", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (n->proc < 0)
		return err_sys(e, "open /proc");
	n->cpt_pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (n->cpt_pidfd < 0)
		return err_sys(e, "pidfd_open of cpt itself");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	*ret_listen = pair[0];
	n->report = pair[1];
	if (setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
		return err_sys(e, "SO_PASSCRED");
	return 0;
}

static void nursery_close(struct nursery *n)
{
	close_fd(&n->proc);
	close_fd(&n->report);
	close_fd(&n->cpt_pidfd);
	close_fd(&n->end[0]);
	close_fd(&n->end[1]);
	close_fd(&n->leave[0]);
	close_fd(&n->leave[1]);
	if (n->rests && n->rests != MAP_FAILED)
		munmap((void *)n->rests, nr_rows(n) + 1);
	process_plan_clear(&n->plan);
}

/* Receive one report; the kernel translates the sender's pid into our namespace. */
static int nursery_hear(int listen, struct report *report, pid_t *ret_pid, struct err *e)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { report, sizeof(*report) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(listen, &msg, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "hear of a process being made");
	if (n == 0)
		return err_set(e, -ECHILD, "a process that was being made ended without a word");
	c = CMSG_FIRSTHDR(&msg);
	if (n != sizeof(*report) || !c || c->cmsg_type != SCM_CREDENTIALS)
		return err_set(e, -EPROTO, "garbled report of a process being made");
	*ret_pid = ((struct ucred *)(void *)CMSG_DATA(c))->pid;
	return 0;
}

/* What a process that was born in a user namespace can't do for itself; its limits come back with rlimit.c. */
static int help_powerless(struct restore *r, const struct new_process *p, struct err *e)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	_cleanup_free_ char *path = NULL;
	char pid[16];
	int ret;

	if (prlimit(p->pid, RLIMIT_MEMLOCK, &unlimited, NULL) < 0 ||
	    prlimit(p->pid, RLIMIT_SIGPENDING, &unlimited, NULL) < 0)
		return err_sys(e, "raise its limits");
	path = xasprintf("%s%scgroup.procs", p->row->cgroup, *p->row->cgroup ? "/" : "");
	snprintf(pid, sizeof(pid), "%d", p->pid);
	ret = write_file_at(r->cgroup_fd, path, pid);
	return ret < 0 ? err_ret(e, ret, "move it to its cgroup %s/%s", r->cgroup, p->row->cgroup) : 0;
}

static int adopt_process(struct restore *r, const struct nursery *n, const struct report *report, pid_t pid,
			 struct err *e)
{
	struct new_process *p = restore_find(r, report->process);
	char path[32];
	int ret;

	if (!p)
		return err_set(e, -EPROTO, "an unknown process %ld was made", report->process);
	p->pid = pid;
	p->cpt_pidfd = n->parking_fd;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	p->proc_fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (p->proc_fd < 0)
		return err_sys(e, "open %s", path);
	p->threads[0].tid = pid;
	p->born_in = process_plan_user_ns(&n->plan, p->row);
	p->born_as = credentials_born_as(&n->plan, p->row);
	if (p->born_in != COLUMN_NULL && help_powerless(r, p, e) < 0)
		return err_in(e, "process %ld (%s)", p->row->process, p->row->comm);
	ret = tracee_seize(&p->threads[0].tracee, pid, e) ?: tracee_bind(&p->threads[0].tracee, e);
	return ret < 0 ? err_in(e, "process %ld (%s)", p->row->process, p->row->comm) : 0;
}

/* It reported before it closed its descriptors: give it the moment that takes. */
static int wait_parked(const struct new_process *p, struct err *e)
{
	for (int tries = 0; tries < 20000; tries++) {
		_cleanup_dir_ DIR *dir = NULL;
		size_t nr = 0;
		int fd = openat(p->proc_fd, "fd", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, "process %ld (%s) ended while it was being made", p->row->process, p->row->comm);
		dir = fdopendir(fd);
		for (struct dirent *d; (d = readdir(dir)); )
			nr += *d->d_name != '.';
		if (nr == 1)
			return 0;
		usleep(100);
	}
	return err_set(e, -ETIMEDOUT, "process %ld (%s) does not come to rest", p->row->process, p->row->comm);
}

static int make_roots(struct nursery *n, struct err *e)
{
	if (process_plan_adopts(&n->plan, COLUMN_NULL) && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(e, "PR_SET_CHILD_SUBREAPER: adopt orphans");
	return process_birth_children(n, COLUMN_NULL, false, e);
}

/* Of @nr processes: *@reports say how the birth of each went, *@pids its pid in cpt's namespace. */
static int hear_all(struct nursery *n, int listen, size_t nr, struct report *reports, pid_t *pids, struct err *e)
{
	int ret = 0;

	close_fd(&n->report);	/* so that the last child's end means end of file */
	for (size_t i = 0; ret == 0 && i < nr; i++) {
		ret = nursery_hear(listen, &reports[i], &pids[i], e);
		if (ret == 0 && reports[i].err.code < 0) {
			*e = reports[i].err;
			e->msg[sizeof(e->msg) - 1] = e->advice[sizeof(e->advice) - 1] = 0;
			ret = e->code;
		}
	}
	return ret;
}

static int adopt_all(struct restore *r, const struct nursery *n, size_t nr, const struct report *reports,
		     const pid_t *pids, struct err *e)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < nr; i++) {
		struct new_process at = { .row = row_of(r, reports[i].process), .proc_fd = -1 };
		char path[32];

		if (zombie_of(r->img, reports[i].process) || leader_of(r->img, reports[i].process))
			continue;
		if (!at.row)
			return err_set(e, -EPROTO, "an unknown process was made");
		snprintf(path, sizeof(path), "/proc/%d", pids[i]);
		at.proc_fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		ret = wait_parked(&at, e);
		close_fd(&at.proc_fd);
		if (ret == 0)
			ret = adopt_process(r, n, &reports[i], pids[i], e);
	}
	return ret;
}

static int end_zombies(struct restore *r, struct nursery *n, size_t nr, const struct report *reports,
		       const pid_t *pids, struct err *e)
{
	int ret = 0;

	close_fd(&n->end[1]);
	for (size_t i = 0; ret == 0 && i < nr; i++) {
		const struct zombie_row *row = zombie_of(r->img, reports[i].process);

		ret = row ? zombie_wait(row, pids[i], e) : 0;
	}
	return ret;
}

/* They stay until leaders_leave(). */
static void keep_stand_ins(struct restore *r, struct nursery *n, size_t nr, const struct report *reports,
			   const pid_t *pids)
{
	const struct leader_row *row;

	r->stand_ins = xcalloc(n->plan.nr_leaders + 1, sizeof(*r->stand_ins));
	image_for_each(row, r->img, &leader_table)
		for (size_t i = 0; i < nr; i++)
			if (reports[i].process == row->leader)
				r->stand_ins[_i] = pids[i];
	restore_set_keyed(r, "leader", 0, take_fd(&n->leave[1]));
}

static int raise_family(struct restore *r, struct nursery *n, int listen, struct err *e)
{
	_cleanup_free_ struct report *reports = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t nr = n->plan.nr + n->plan.nr_leaders;
	int ret;

	reports = xcalloc(nr, sizeof(*reports));
	pids = xcalloc(nr, sizeof(*pids));
	ret = hear_all(n, listen, nr, reports, pids, e);
	if (ret == 0)
		keep_stand_ins(r, n, nr, reports, pids);
	return ret ?: adopt_all(r, n, nr, reports, pids, e) ?: end_zombies(r, n, nr, reports, pids, e);
}

int process_restore_tree(struct restore *r, struct err *e)
{
	_cleanup_fd_ int listen = -1;
	struct nursery n;
	sigset_t all, before;
	int ret;

	ret = nursery_open(&n, r, &listen, e);
	if (ret == 0) {
		/* Children inherit the mask and keep it until their own is put back. */
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, &before);
		ret = make_roots(&n, e);
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	if (ret == 0)
		ret = raise_family(r, &n, listen, e);
	nursery_close(&n);
	return ret;
}
