// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes the processes of a container anew. Every process is forked by its own
 * parent, so that parentage, sessions and namespaces come out as they were:
 *
 *  birth    a copy of cpt, forked with its ids asked for through next_id;
 *  family   it forks children that are older than its session, becomes session
 *           or group leader, forks the others;
 *  report   it tells cpt (SCM_CREDENTIALS carry its pid in cpt's namespace);
 *  parked   it closes every descriptor but one, a pidfd of cpt, and sleeps with
 *           all signals blocked until cpt has stopped it by ptrace.
 *
 * Between fork and parking only this file's code runs in the child, on memory
 * copied from cpt; nothing is allocated there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "host/next_id.h"
#include "state/file.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/process_tree.h"

/* What a process reports of its birth. */
struct report {
	int64_t process;
	struct err err;
};

/* What every birth needs; made by cpt before the first fork. */
struct nursery {
	struct restore *r;
	int proc;		/* cpt's own /proc, also for those in another mount namespace */
	int report;		/* the end that children write to */
	int cpt_pidfd;
	int parking_fd;		/* number that the pidfd gets in every process */
};

static const struct process_row *row_of(const struct restore *r, int64_t process)
{
	return image_find(r->img, &process_table, offsetof(struct process_row, process), process);
}

/* ---- check ------------------------------------------------------------ */

/* The session that @row's parent is in when it forks @row before becoming a leader itself. */
static int64_t inherited_session(const struct restore *r, const struct process_row *row)
{
	const struct process_row *parent = row->parent == COLUMN_NULL ? NULL : row_of(r, row->parent);

	for (; parent; parent = parent->parent == COLUMN_NULL ? NULL : row_of(r, parent->parent))
		if (parent->session != parent->process)
			return parent->session;
	return COLUMN_NULL;
}

static bool born_before_session(const struct restore *r, const struct process_row *row)
{
	const struct process_row *parent = row_of(r, row->parent);

	return parent && parent->session == parent->process && row->session != row->process &&
	       row->session != parent->session;
}

static int check_relations(const struct restore *r, const struct process_row *row, struct err *e)
{
	const struct process_row *parent = row->parent == COLUMN_NULL ? NULL : row_of(r, row->parent);

	if (row->parent != COLUMN_NULL && (!parent || parent >= row))
		return err_set(e, -EBADMSG, "process %ld: its parent %ld is not listed before it",
			       row->process, row->parent);
	if (pid_at(r->img, row->process, pid_level(r->img, row->process)) < 0)
		return err_set(e, -EBADMSG, "process %ld has no row in table pid", row->process);
	if (!row_of(r, row->session) || !row_of(r, row->pgrp))
		return err_set(e, -EBADMSG, "process %ld: no process row for its session %ld or group %ld",
			       row->process, row->session, row->pgrp);
	if (row->session == row->process || (parent && row->session == parent->session))
		return 0;
	if (parent && born_before_session(r, row) && row->session == inherited_session(r, row))
		return 0;
	return err_set(e, -EOPNOTSUPP, "process %ld (%s): it is in session %ld, which its parent %ld has never been in",
		       row->process, row->comm, row->session, row->parent == COLUMN_NULL ? 0 : row->parent);
}

/* Someone else has the id here already? Only ids in cpt's own pid namespace can be in the way. */
static int check_free(const struct restore *r, const struct process_row *row, struct err *e)
{
	int64_t pid = pid_at(r->img, row->process, 0);

	if (row->pid_ns != COLUMN_NULL || pid < 0)
		return 0;
	if (kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return 0;
	err_set(e, -EBUSY, "process %ld (%s): its pid %ld is taken by another process", row->process, row->comm, pid);
	return err_advise(e, "end that process, or restore it on a host where the pid is free");
}

int process_check_tree(struct restore *r, struct err *e)
{
	const struct process_row *row;
	int ret;

	image_for_each(row, r->img, &process_table) {
		ret = check_relations(r, row, e) ?: check_free(r, row, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* ---- in the children -------------------------------------------------- */

static int birth_main(struct nursery *n, const struct process_row *row);

/*
 * The ids that the container knows the child by: at its own level and outwards
 * as long as the namespaces are the container's. Level 0 belongs to the host
 * when the child has a namespace of its own: there the kernel chooses.
 */
static int ask_ids(struct nursery *n, int64_t thread, bool own_ns, pid_t ids[32], struct clone_args *args,
		   struct err *e)
{
	int64_t level = pid_level(n->r->img, thread), outermost = own_ns ? 1 : 0;
	size_t nr = 0;
	int ret;

	for (; level >= outermost && nr < 32; level--)
		ids[nr++] = (pid_t)pid_at(n->r->img, thread, level);
	ret = next_id_ask_pids(n->proc, ids, nr, e);
	if (ret == -ENOSYS) {	/* mainline: processes, but not threads of a batch, can be asked for this way */
		args->set_tid = (uint64_t)(uintptr_t)ids;
		args->set_tid_size = nr;
		*e = ERR_INIT;
		return 0;
	}
	return ret;
}

static int enter_pid_ns(struct nursery *n, const struct process_row *row, uint64_t *flags, struct err *e)
{
	const struct process_row *parent = row->parent == COLUMN_NULL ? NULL : row_of(n->r, row->parent);
	int64_t outer = parent ? parent->pid_ns : COLUMN_NULL;

	if (row->pid_ns == outer)
		return 0;
	if (pid_at(n->r->img, row->process, pid_level(n->r->img, row->process)) != 1)
		return err_set(e, -EOPNOTSUPP, "process %ld (%s) entered its pid namespace from outside",
			       row->process, row->comm);
	*flags |= CLONE_NEWPID;
	return 0;
}

static int birth(struct nursery *n, const struct process_row *row, struct err *e)
{
	_cleanup_fd_ int cgroup = -1;
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = (uint64_t)row->exit_signal };
	uint64_t flags = 0;
	pid_t ids[32];
	long pid;
	int ret;

	ret = enter_pid_ns(n, row, &flags, e) ?:
	      ask_ids(n, row->process, row->pid_ns != COLUMN_NULL, ids, &args, e);
	if (ret < 0)
		return ret;
	cgroup = openat(n->r->cgroup_fd, *row->cgroup ? row->cgroup : ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (cgroup < 0)
		return err_sys(e, "open its cgroup %s/%s", n->r->cgroup, row->cgroup);
	args.flags |= flags;
	args.cgroup = (uint64_t)cgroup;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(birth_main(n, row));
	if (pid < 0)
		return err_sys(e, "fork process %ld (%s) with its pid %ld", row->process, row->comm,
			       pid_at(n->r->img, row->process, pid_level(n->r->img, row->process)));
	return 0;
}

static int birth_children(struct nursery *n, const struct process_row *row, bool before_session, struct err *e)
{
	const struct process_row *child;
	int ret;

	image_for_each(child, n->r->img, &process_table) {
		if (child->parent != row->process || born_before_session(n->r, child) != before_session)
			continue;
		ret = birth(n, child, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int enter_ns(const struct nursery *n, const char *type, int64_t own, int64_t inherited, struct err *e)
{
	if (own == inherited)
		return 0;
	if (own == COLUMN_NULL)
		return err_set(e, -EOPNOTSUPP, "its %s namespace is the host's, its parent's is not", type);
	if (setns(n->r->ns_fds[own], 0) < 0)
		return err_sys(e, "enter its %s namespace", type);
	return 0;
}

static int enter_namespaces(const struct nursery *n, const struct process_row *row, struct err *e)
{
	const struct process_row none = { .ipc_ns = COLUMN_NULL, .uts_ns = COLUMN_NULL, .mount_ns = COLUMN_NULL };
	const struct process_row *parent = row->parent == COLUMN_NULL ? &none : row_of(n->r, row->parent);

	return enter_ns(n, "ipc", row->ipc_ns, parent->ipc_ns, e) ?:
	       enter_ns(n, "uts", row->uts_ns, parent->uts_ns, e) ?:
	       enter_ns(n, "mnt", row->mount_ns, parent->mount_ns, e);
}

static int birth_family(struct nursery *n, const struct process_row *row, struct err *e)
{
	int ret = enter_namespaces(n, row, e) ?: birth_children(n, row, true, e);

	if (ret < 0)
		return ret;
	if (row->session == row->process && setsid() < 0)
		return err_sys(e, "setsid: become leader of its session");
	if (row->session != row->process && row->pgrp == row->process && setpgid(0, 0) < 0)
		return err_sys(e, "setpgid: become leader of its group");
	return birth_children(n, row, false, e);
}

static int birth_park(const struct nursery *n, struct err *e)
{
	unsigned int fd = (unsigned int)n->parking_fd;
	char *self = __builtin_thread_pointer();

	/* The C library's area goes away with cpt's memory; the kernel must not write there. */
	if (__rseq_size && syscall(SYS_rseq, self + __rseq_offset, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
		return err_sys(e, "unregister restartable sequences");
	if (syscall(SYS_set_robust_list, NULL, 24) < 0)
		return err_sys(e, "forget the robust futex list");
	if (dup3(n->cpt_pidfd, n->parking_fd, O_CLOEXEC) < 0)
		return err_sys(e, "keep a pidfd of cpt");
	if (close_range(0, fd - 1, 0) < 0 || close_range(fd + 1, ~0U, 0) < 0)
		return err_sys(e, "close_range");
	return 0;
}

static int birth_main(struct nursery *n, const struct process_row *row)
{
	struct report report = { .process = row->process };
	int sock, ret;

	ret = birth_family(n, row, &report.err);
	if (ret < 0)
		err_in(&report.err, "process %ld (%s)", row->process, row->comm);
	/* Said before parking: afterwards there is no descriptor left to say it through. */
	sock = n->report;
	if (send(sock, &report, sizeof(report), 0) != sizeof(report) || ret < 0)
		return 1;
	if (birth_park(n, &report.err) < 0)
		return 1;
	for (;;)
		pause();
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

static int nursery_open(struct nursery *n, struct restore *r, int *ret_listen, struct err *e)
{
	struct rlimit limit;
	int pair[2], one = 1;

	*n = (struct nursery){ .r = r, .proc = -1, .report = -1, .cpt_pidfd = -1 };
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
	ret = tracee_seize(&p->threads[0].tracee, pid, e);
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
	const struct process_row *row;
	int ret;

	image_for_each(row, n->r->img, &process_table) {
		if (row->parent != COLUMN_NULL)
			continue;
		ret = birth(n, row, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int hear_all(struct restore *r, struct nursery *n, int listen, struct err *e)
{
	pid_t *pids = xcalloc(r->nr_processes, sizeof(*pids));
	struct report *reports = xcalloc(r->nr_processes, sizeof(*reports));
	int ret = 0;

	close_fd(&n->report);	/* so that the last child's end means end of file */
	for (size_t i = 0; ret == 0 && i < r->nr_processes; i++) {
		ret = nursery_hear(listen, &reports[i], &pids[i], e);
		if (ret == 0 && reports[i].err.code < 0) {
			*e = reports[i].err;
			e->msg[sizeof(e->msg) - 1] = e->advice[sizeof(e->advice) - 1] = 0;
			ret = e->code;
		}
	}
	for (size_t i = 0; ret == 0 && i < r->nr_processes; i++) {
		char path[32];
		struct new_process at = { .row = row_of(r, reports[i].process), .proc_fd = -1 };

		snprintf(path, sizeof(path), "/proc/%d", pids[i]);
		at.proc_fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		ret = at.row ? wait_parked(&at, e) : err_set(e, -EPROTO, "an unknown process was made");
		close_fd(&at.proc_fd);
		if (ret == 0)
			ret = adopt_process(r, n, &reports[i], pids[i], e);
	}
	free(reports);
	free(pids);
	return ret;
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
		ret = hear_all(r, &n, listen, e);
	nursery_close(&n);
	return ret;
}
