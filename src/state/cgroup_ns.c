// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cgroup namespaces: table `cgroup_ns`. Its root is all that one has. The
 * kernel shows it where a cgroup2 is mounted by somebody in the namespace, and
 * makes it the cgroup that the maker of the namespace is in.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "host/cgroup_tree.h"
#include "state/cgroup.h"
#include "state/namespace.h"

struct cgroup_ns_row {
	int64_t namespace;
	char *cgroup;		/* its root, in table cgroup */
};

static const struct column cgroup_ns_columns[] = {
	INT_COLUMN(struct cgroup_ns_row, namespace, 0, 65535),
	TEXT_COLUMN(struct cgroup_ns_row, cgroup, 4095),
};
const struct table cgroup_ns_table = TABLE("cgroup_ns", struct cgroup_ns_row, cgroup_ns_columns);

/* ---- saving ----------------------------------------------------------- */

/* In the namespace: the inode of a cgroup2 that is mounted nowhere. Does not touch options of the file system. */
static int root_inode_here(ino_t *ret, struct err *e)
{
	_cleanup_fd_ int fs = fsopen("cgroup2", FSOPEN_CLOEXEC), root = -1;
	struct stat st;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(e, "fsopen(cgroup2)");
	root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (root < 0 || fstat(root, &st) < 0)
		return err_sys(e, "fsmount(cgroup2)");
	*ret = st.st_ino;
	return 0;
}

static int root_inode(const struct live_process *p, ino_t *ret, struct err *e)
{
	_cleanup_fd_ int back = open("/proc/self/ns/cgroup", O_RDONLY | O_CLOEXEC), ns = -1;
	int r;

	ns = openat(p->proc_fd, "ns/cgroup", O_RDONLY | O_CLOEXEC);
	if (back < 0 || ns < 0 || setns(ns, CLONE_NEWCGROUP) < 0)
		return err_sys(e, "enter the cgroup namespace of task %d", p->pid);
	r = root_inode_here(ret, e);
	if (setns(back, CLONE_NEWCGROUP) < 0)
		return err_sys(e, "return to cpt's own cgroup namespace");
	return r;
}

struct search {
	ino_t inode;
	char *found;
};

static int compare_inode(int dirfd, const char *path, void *arg, struct err *e)
{
	struct search *search = arg;
	struct stat st;

	(void)e;
	if (!search->found && fstat(dirfd, &st) == 0 && st.st_ino == search->inode)
		search->found = xstrdup(path);
	return 0;
}

int cgroup_ns_save(struct save *s, const struct live_process *p, int64_t id, struct err *e)
{
	struct search search = { 0 };
	int r = root_inode(p, &search.inode, e) ?: cgroup_each(s->live->cgroup_fd, compare_inode, &search, e);

	if (r < 0)
		return r;
	if (search.found)
		*(struct cgroup_ns_row *)image_add(s->img, &cgroup_ns_table) = (struct cgroup_ns_row){
			.namespace = id, .cgroup = image_strdup(s->img, search.found),
		};
	else
		save_refuse(s, p, "its cgroup namespace", "make the namespace when its maker is in the container's cgroup",
			    "its root is a cgroup outside of the container, or one that was removed");
	free(search.found);
	return 0;
}

/* ---- check ------------------------------------------------------------ */

static const struct cgroup_ns_row *row_of(const struct restore *r, int64_t namespace)
{
	return image_find(r->img, &cgroup_ns_table, offsetof(struct cgroup_ns_row, namespace), namespace);
}

int cgroup_ns_check(const struct restore *r, struct err *e)
{
	const struct namespace_row *ns;

	image_for_each(ns, r->img, &namespace_table) {
		const struct cgroup_ns_row *row = strcmp(ns->type, "cgroup") == 0 ? row_of(r, ns->namespace) : NULL;

		if (strcmp(ns->type, "cgroup") == 0 && (!row || !cgroup_find(r->img, row->cgroup)))
			return err_set(e, -EBADMSG, "table cgroup_ns: namespace %ld has no root in table cgroup", ns->namespace);
	}
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

/* A child that is born in the root makes it, and stays until cpt holds a descriptor of it. */
static int ask_child(pid_t pid, int up, int *ret_fd, struct err *e)
{
	char path[48];
	int status = 0;

	if (read_all(up, &status, sizeof(status)) < 0)
		status = ECHILD;
	if (status)
		return err_ret(e, -status, "make a new cgroup namespace");
	snprintf(path, sizeof(path), "/proc/%d/ns/cgroup", pid);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "open %s", path) : 0;
}

static void child_main(int down)
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	status = unshare(CLONE_NEWCGROUP) < 0 ? errno : 0;
	if (write(down, &status, sizeof(status)) > 0)
		for (;;)
			pause();
	_exit(1);
}

static int make_in(int cgroup, int *ret_fd, struct err *e)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup };
	_cleanup_fd_ int up = -1, down = -1;
	int pair[2], r;
	long pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	up = pair[0];
	down = pair[1];
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		child_main(down);
	if (pid < 0)
		return err_sys(e, "fork into the root of a cgroup namespace");
	close_fd(&down);
	r = ask_child((pid_t)pid, up, ret_fd, e);
	kill((pid_t)pid, SIGKILL);
	waitpid((pid_t)pid, NULL, 0);
	return r;
}

int cgroup_ns_restore(struct restore *r, struct err *e)
{
	const struct namespace_row *ns;

	image_for_each(ns, r->img, &namespace_table) {
		const struct cgroup_ns_row *row;
		_cleanup_fd_ int fd = -1;
		int ret;

		if (strcmp(ns->type, "cgroup") != 0)
			continue;
		row = row_of(r, ns->namespace);
		fd = cgroup_open_below(r->cgroup_fd, row->cgroup, e);
		ret = fd < 0 ? fd : make_in(fd, &r->ns_fds[ns->namespace], e);
		if (ret < 0)
			return err_in(e, "cgroup %s/%s", r->cgroup, row->cgroup);
	}
	return 0;
}
