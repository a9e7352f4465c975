// SPDX-License-Identifier: GPL-2.0-only
/*
 * What runs in the processes of a container while they are made, see
 * process_tree.c: on memory copied from cpt, where nothing is allocated.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "host/next_id.h"
#include "state/clock.h"
#include "state/credentials.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/process_tree.h"
#include "state/pty.h"
#include "state/task_kinds.h"
#include "state/terminal.h"
#include "state/user_namespace.h"
#include "state/zombie.h"

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
	const struct process_row *maker = process_plan_surroundings(&n->plan, row);
	int64_t outer = maker ? maker->pid_ns : COLUMN_NULL;

	if (row->pid_ns == outer)
		return 0;
	if (pid_at(n->r->img, row->process, pid_level(n->r->img, row->process)) != 1)
		return err_set(e, -EOPNOTSUPP, "process %ld (%s) entered its pid namespace from outside",
			       row->process, row->comm);
	*flags |= CLONE_NEWPID;
	return 0;
}

/* Who is in a user namespace may have no right to a cgroup: it stays in its maker's until cpt moves it. */
static int enter_cgroup(struct nursery *n, const struct process_row *row, struct clone_args *args, int *ret_fd,
			struct err *e)
{
	if (process_plan_user_ns(&n->plan, process_plan_surroundings(&n->plan, row)) != COLUMN_NULL)
		return 0;
	*ret_fd = openat(n->r->cgroup_fd, *row->cgroup ? row->cgroup : ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, "open its cgroup %s/%s", n->r->cgroup, row->cgroup);
	args->flags |= CLONE_INTO_CGROUP;
	args->cgroup = (uint64_t)*ret_fd;
	return 0;
}

static int cannot_fork(const struct nursery *n, const struct process_row *row, struct err *e)
{
	return err_sys(e, "fork process %ld (%s) with its pid %ld", row->process, row->comm,
		       pid_at(n->r->img, row->process, pid_level(n->r->img, row->process)));
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

/* Before any child is made, for they shall be in theirs too. */
static int enter_time_ns(const struct nursery *n, const struct process_row *row, const struct process_row *maker,
			 struct err *e)
{
	int fd = clock_namespace(n->r, row->time_ns), inherited = -1;

	if (maker)
		inherited = clock_namespace(n->r, maker->time_ns);
	else if (n->r->host_clocks)
		inherited = clock_namespace(n->r, COLUMN_NULL);
	return fd == inherited || setns(fd, CLONE_NEWTIME) == 0 ? 0 : err_sys(e, "enter its time namespace");
}

/*
 * unshare(2) alone makes a time namespace that a process's children will be in, but not the process: it is a new one
 * with the clocks of the old one, as which nothing can tell it but its number.
 */
static int unshare_time_ns(const struct nursery *n, const struct process_row *row, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	char offsets[CLOCK_OFFSETS_TEXT];

	if (row->time_ns_for_children == row->time_ns || zombie_of(n->r->img, row->process) ||
	    leader_of(n->r->img, row->process))
		return 0;
	clock_offsets(n->r, row->time_ns_for_children, offsets);
	if (unshare(CLONE_NEWTIME) < 0)
		return err_sys(e, "unshare a time namespace for its children");
	fd = openat(n->proc, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, offsets, strlen(offsets)) < 0)
		return err_sys(e, "set the clocks of a time namespace");
	return 0;
}

static int enter_namespaces(const struct nursery *n, const struct process_row *row, struct err *e)
{
	const struct process_row none = { .ipc_ns = COLUMN_NULL, .uts_ns = COLUMN_NULL, .mount_ns = COLUMN_NULL };
	const struct process_row *maker = process_plan_surroundings(&n->plan, row);
	int ret = enter_time_ns(n, row, maker, e);

	maker = maker ?: &none;
	return ret ?: enter_ns(n, "ipc", row->ipc_ns, maker->ipc_ns, e) ?:
	       enter_ns(n, "uts", row->uts_ns, maker->uts_ns, e) ?:
	       enter_ns(n, "mnt", row->mount_ns, maker->mount_ns, e);
}

/* ---- into a user namespace ---------------------------------------------- */

/*
 * A pid namespace belongs to the user namespace of whoever forks its first process. The parent can't enter that and
 * come back, so it forks a midwife, which enters it and forks the process as a sibling of its own (CLONE_PARENT).
 */
static bool needs_midwife(const struct nursery *n, const struct process_row *row)
{
	return process_plan_user_ns(&n->plan, row) !=
	       process_plan_user_ns(&n->plan, process_plan_surroundings(&n->plan, row));
}

/* The midwife of row number @nth must not take an id that somebody else is to have. */
static pid_t unused_id(const struct image *img, int64_t level, size_t nth)
{
	const struct pid_row *row;
	bool used;
	pid_t id = 300;		/* RESERVED_PIDS, include/linux/pid.h */

	for (;; id++) {
		used = false;
		image_for_each(row, img, &pid_table)
			used |= row->level == level && row->pid == id;
		if (!used && nth-- == 0)
			return id;
	}
}

static int ask_unused_ids(struct nursery *n, const struct process_row *row, struct err *e)
{
	const struct process_row *maker = process_plan_surroundings(&n->plan, row), *rows;
	pid_t ids[32];
	size_t nr = 0, nr_rows;

	rows = image_rows(n->r->img, &process_table, &nr_rows);
	if (!maker || maker->pid_ns == COLUMN_NULL)
		return 0;
	for (int64_t level = pid_level(n->r->img, maker->process); level > 0 && nr < 32; level--)
		ids[nr++] = unused_id(n->r->img, level, (size_t)(row - rows));
	return next_id_ask_pids(n->proc, ids, nr, e);
}

/* Namespaces that the user namespace has no power over come first. */
static int midwife_enter(struct nursery *n, const struct process_row *row, struct err *e)
{
	const struct process_row *maker = process_plan_surroundings(&n->plan, row);
	const struct image *img = n->r->img;
	int64_t outside = process_plan_user_ns(&n->plan, maker), as = credentials_born_as(&n->plan, maker);
	struct id_change change;
	int ret;

	ret = enter_namespaces(n, row, e) ?:
	      credentials_change(img, outside, as == COLUMN_NULL ? NULL : credentials_of(img, as),
				 credentials_of(img, row->process), &change, e);
	if (ret < 0)
		return ret;
	fs_go(img, row->process);
	ret = id_change_make(&change);
	free(change.groups);
	if (ret < 0)
		return err_ret(e, ret, "take its ids");
	if (setns(n->r->ns_fds[process_plan_user_ns(&n->plan, row)], CLONE_NEWUSER) < 0)
		return err_sys(e, "enter the user namespace that owns its pid namespace");
	/* The change of ids has made its files in /proc root's, and itself nobody who may write them. */
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? err_sys(e, "PR_SET_DUMPABLE") : 0;
}

static int midwife_main(struct nursery *n, const struct process_row *row)
{
	struct report report = { .process = row->process };
	struct clone_args args = { .flags = CLONE_NEWPID | CLONE_PARENT | CLONE_CLEAR_SIGHAND };
	pid_t ids[32];
	long pid = -1;
	int ret = midwife_enter(n, row, &report.err) ?: ask_ids(n, row->process, true, ids, &args, &report.err);

	n->entered = row;
	if (ret == 0)
		pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		return birth_main(n, row);
	if (ret == 0 && pid < 0)
		ret = cannot_fork(n, row, &report.err);
	if (ret < 0) {
		err_in(&report.err, "process %ld (%s)", row->process, row->comm);
		send(n->report, &report, sizeof(report), 0);
	}
	return ret < 0;
}

static int birth_by_midwife(struct nursery *n, const struct process_row *row, struct err *e)
{
	_cleanup_fd_ int cgroup = -1;
	/* Siblings have the same exit signal. */
	struct clone_args args = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = (uint64_t)row->exit_signal };
	const struct timespec at_once = { 0, 0 };
	sigset_t ended;
	long pid;
	int ret = ask_unused_ids(n, row, e) ?: enter_cgroup(n, row, &args, &cgroup, e);

	if (ret < 0)
		return ret;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(midwife_main(n, row));
	if (pid < 0)
		return cannot_fork(n, row, e);
	while (waitpid((pid_t)pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	/* Nobody is to hear of its end. */
	sigemptyset(&ended);
	if (row->exit_signal && sigaddset(&ended, (int)row->exit_signal) == 0)
		sigtimedwait(&ended, NULL, &at_once);
	return 0;
}

/* ---- births -------------------------------------------------------------- */

static int birth(struct nursery *n, const struct process_row *row, struct err *e)
{
	_cleanup_fd_ int cgroup = -1;
	struct clone_args args = { .flags = CLONE_CLEAR_SIGHAND, .exit_signal = (uint64_t)row->exit_signal };
	uint64_t flags = process_plan_shared(&n->plan, row);
	pid_t ids[32];
	long pid;
	int ret;

	if (needs_midwife(n, row))
		return birth_by_midwife(n, row, e);
	ret = enter_pid_ns(n, row, &flags, e) ?:
	      ask_ids(n, row->process, row->pid_ns != COLUMN_NULL, ids, &args, e) ?: enter_cgroup(n, row, &args, &cgroup, e);
	if (ret < 0)
		return ret;
	args.flags |= flags;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(birth_main(n, row));
	return pid < 0 ? cannot_fork(n, row, e) : 0;
}

int process_birth_children(struct nursery *n, int64_t maker, bool early, struct err *e)
{
	const struct process_row *child;
	int ret = 0;

	for (size_t i = 0; ret == 0 && !early && i < n->plan.nr_leaders; i++)
		if (n->plan.stand_ins[i].parent == maker)
			ret = birth(n, &n->plan.stand_ins[i], e);
	image_for_each(child, n->r->img, &process_table)
		if (ret == 0 && process_plan_maker(&n->plan, child) == maker &&
		    process_plan_is_early(&n->plan, child) == early)
			ret = birth(n, child, e);
	return ret;
}

static int birth_family(struct nursery *n, const struct process_row *row, struct err *e)
{
	int ret = n->entered == row || zombie_of(n->r->img, row->process) ? 0 : enter_namespaces(n, row, e);

	if (ret == 0 && (row->child_subreaper || process_plan_adopts(&n->plan, row->process)) &&
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		ret = err_sys(e, "PR_SET_CHILD_SUBREAPER: adopt orphans");
	ret = ret ?: process_birth_children(n, row->process, true, e);
	if (ret < 0)
		return ret;
	if (row->session == row->process && setsid() < 0)
		return err_sys(e, "setsid: become leader of its session");
	if (row->session == row->process &&
	    (pty_process_take(n->r, row->process, e) < 0 || terminal_take(n->r, row->process, e) < 0))
		return e->code;
	if (row->session != row->process &&
	    (row->pgrp == row->process || process_leads_group(n->r->img, row->process)) && setpgid(0, 0) < 0)
		return err_sys(e, "setpgid: become leader of its group");
	return process_birth_children(n, row->process, false, e) ?: pty_process_drop(n->r, row, e) ?:
	       terminal_drop(n->r, row, e) ?: unshare_time_ns(n, row, e);
}

static size_t index_of(const struct nursery *n, const struct process_row *row)
{
	size_t nr;
	const struct process_row *rows = image_rows(n->r->img, &process_table, &nr);

	return (size_t)(row - rows);
}

/*
 * Children that have the same descriptor table need what cpt has in it until they rest. None of the others ends before
 * all have reported: whoever does has failed.
 */
static int await_sharers(const struct nursery *n, const struct process_row *row, struct err *e)
{
	const struct process_row *child;

	image_for_each(child, n->r->img, &process_table) {
		if (process_plan_maker(&n->plan, child) != row->process ||
		    !(process_plan_shared(&n->plan, child) & CLONE_FILES))
			continue;
		while (!n->rests[_i]) {
			siginfo_t info = { 0 };

			if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0 && info.si_pid)
				return err_set(e, -ECHILD, "a child of process %ld ended while it was being made",
					       row->process);
			usleep(100);
		}
	}
	return 0;
}

static int birth_park(const struct nursery *n, const struct process_row *row, bool shared, struct err *e)
{
	unsigned int fd = (unsigned int)n->parking_fd;
	char *self = __builtin_thread_pointer();
	int pidfd = user_namespace_pidfd(n->r, process_plan_user_ns(&n->plan, row), n->cpt_pidfd);

	/* The C library's area goes away with cpt's memory; the kernel must not write there. */
	if (__rseq_size && syscall(SYS_rseq, self + __rseq_offset, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
		return err_sys(e, "unregister restartable sequences");
	if (syscall(SYS_set_robust_list, NULL, 24) < 0)
		return err_sys(e, "forget the robust futex list");
	/* Each of those that share a table does so, for all of them sleep on it. */
	if (dup3(pidfd, n->parking_fd, O_CLOEXEC) < 0)
		return err_sys(e, "keep a pidfd of cpt");
	if (shared)
		return 0;
	if (close_range(0, fd - 1, 0) < 0 || close_range(fd + 1, ~0U, 0) < 0)
		return err_sys(e, "close_range");
	return 0;
}

/* Until cpt stops it; or ends: then nobody will. Only what is traced is ended by the kernel. */
static int birth_sleep(int cpt_pidfd)
{
	struct pollfd p = { .fd = cpt_pidfd, .events = POLLIN };

	while (poll(&p, 1, -1) < 1)
		;
	return 1;
}

static void wait_closed(int pipe)
{
	char none;

	while (read(pipe, &none, 1) < 0 && errno == EINTR)
		;
}

/* As far as they have names where it was born: its user is all that anybody can see of it. */
static void zombie_take_ids(const struct nursery *n, const struct process_row *row, struct zombie_row *zombie)
{
	int64_t born_in = process_plan_user_ns(&n->plan, row);
	uint32_t uid = (uint32_t)user_namespace_inside(n->r->img, born_in, "uid", zombie->uid);
	uint32_t gid = (uint32_t)user_namespace_inside(n->r->img, born_in, "gid", zombie->gid);
	const struct id_change change = {
		.uid = { uid, uid, uid }, .gid = { gid, gid, gid }, .uids = true, .gids = true,
	};

	if (id_change_make(&change) == 0 && row->user_ns != born_in)
		setns(n->r->ns_fds[row->user_ns], CLONE_NEWUSER);
	zombie->uid = zombie->gid = -1;		/* they stay */
}

/* All processes are there when it is told to end: also the one that leads its group. */
static void birth_zombie(const struct nursery *n, const struct process_row *row)
{
	int64_t leader = pid_at(n->r->img, row->pgrp, pid_level(n->r->img, row->process));
	struct zombie_row zombie = *zombie_of(n->r->img, row->process);

	wait_closed(n->end[0]);
	/* A leader without an id in here is further out: the group was inherited. */
	if (row->pgrp != row->process && row->session != row->process && leader > 0 && setpgid(0, (pid_t)leader) < 0)
		return;
	if (row->user_ns != COLUMN_NULL)
		zombie_take_ids(n, row, &zombie);
	zombie_end(&zombie, row->comm, n->core);
}

static int birth_main(struct nursery *n, const struct process_row *row)
{
	bool shared = !leader_of(n->r->img, row->process) && process_plan_shared(&n->plan, row) & CLONE_FILES;
	struct report report = { .process = row->process };
	int ret;

	close_fd(&n->end[1]);
	close_fd(&n->leave[1]);
	ret = birth_family(n, row, &report.err);
	if (ret < 0)
		err_in(&report.err, "process %ld (%s)", row->process, row->comm);
	/* Said before parking: afterwards there is no descriptor left to say it through. */
	if (send(n->report, &report, sizeof(report), 0) != sizeof(report) || ret < 0)
		return 1;
	if (await_sharers(n, row, &report.err) < 0)
		return 1;
	if (!shared)
		close_fd(&n->report);	/* so that cpt notices when one of the others ends without a word */
	if (leader_of(n->r->img, row->process)) {
		wait_closed(n->leave[0]);
		return 0;
	}
	if (zombie_of(n->r->img, row->process)) {
		birth_zombie(n, row);	/* returns when it can't: cpt finds out that it does not end */
		return birth_sleep(n->cpt_pidfd);
	}
	if (birth_park(n, row, shared, &report.err) < 0)
		return 1;
	if (shared)
		n->rests[index_of(n, row)] = 1;
	return birth_sleep(n->parking_fd);
}
