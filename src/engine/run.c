// SPDX-License-Identifier: GPL-2.0-only
/*
 * Starting a container, see run.h. For each new pid namespace there is a small
 * init (a fork of cpt) that starts the next one or the program, collects
 * orphans and ends with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/stage.h"
#include "base/util.h"
#include "engine/run.h"
#include "host/cgroup.h"

/* The child's end of the conversation: an error goes up, or exec closes it. */
struct child {
	const struct run_options *o;
	int report;
	int level;	/* pid namespaces that are still to be made */
};

static int child_main(struct child *c);

static int new_namespaces(const struct run_options *o, struct err *e)
{
	int flags = (o->ipc ? CLONE_NEWIPC : 0) | (o->uts ? CLONE_NEWUTS : 0) | (o->mount ? CLONE_NEWNS : 0);

	if (flags && unshare(flags) < 0)
		return err_sys(e, "make new namespaces");
	if (o->uts && o->hostname && sethostname(o->hostname, strlen(o->hostname)) < 0)
		return err_sys(e, "set the host name \"%s\"", o->hostname);
	if (o->mount && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "make the mounts private");
	return 0;
}

static int open_output(const struct run_options *o)
{
	return open(o->output, O_WRONLY | O_CREAT | O_APPEND, 0644);
}

static int standard_files(const struct run_options *o, int out, int report, struct err *e)
{
	int in = open("/dev/null", O_RDONLY);

	if (out < 0)
		out = open_output(o);

	if (in < 0 || out < 0)
		return err_sys(e, "open %s", in < 0 ? "/dev/null" : o->output);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || dup2(report, 3) < 0)
		return err_sys(e, "set standard input and output");
	return close_range(4, ~0U, 0) < 0 ? err_sys(e, "close_range") : 0;
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Collects whatever ends in its namespace; ends as @main_child did. */
static int init_main(pid_t main_child)
{
	prctl(PR_SET_NAME, "cpt-init");
	close_range(3, ~0U, 0);
	for (;;) {
		int status;
		pid_t pid = wait(&status);

		if (pid == main_child)
			return status_of(status);
		if (pid < 0 && errno == ECHILD)
			return 0;
	}
}

/* The next process inwards: in a new pid namespace while levels are left, then the program. */
static int next_process(struct child *c, struct err *e)
{
	struct clone_args args = { .exit_signal = SIGCHLD, .flags = c->level ? CLONE_NEWPID : 0 };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0) {
		c->level--;
		_exit(child_main(c));
	}
	_exit(init_main((pid_t)pid));
}

static int execute(const struct child *c, struct err *e)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fcntl(c->report, F_SETFD, FD_CLOEXEC);
	execvp(c->o->argv[0], c->o->argv);
	return err_sys(e, "execute %s", c->o->argv[0]);
}

/* level > 0: outer init; 0 with namespaces: innermost init; -1, or 0 without: the program. */
static int child_main(struct child *c)
{
	struct err err = ERR_INIT;
	int r = 0;

	/* The innermost init shows its own namespace's processes in /proc. */
	if (c->level == 0 && c->o->pid_levels && c->o->mount &&
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		r = err_sys(&err, "mount /proc");
	if (r == 0)
		r = c->level < 0 || !c->o->pid_levels ? execute(c, &err) : next_process(c, &err);
	if (write(c->report, &err, sizeof(err)) < 0)
		return 126;
	return r < 0 ? 127 : 0;
}

/* Nobody until the parent has given it a map; root of its user namespace from then on. */
static int become_root(int wait, struct err *e)
{
	char go;

	if (read(wait, &go, 1) != 1)
		return err_set(e, -ECHILD, "the user namespace got no map");
	return setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ?
	       err_sys(e, "become root of the user namespace") : 0;
}

/* The container's first process, still in the host's pid namespace unless levels are asked for. */
static int first_main(const struct run_options *o, int out, int wait, int report)
{
	struct child c = { .o = o, .report = 3, .level = o->pid_levels - 1 };
	struct err err = ERR_INIT;

	if (setsid() < 0)
		err_sys(&err, "setsid");
	if (err.code == 0 && o->user >= 0)
		become_root(wait, &err);
	if (err.code == 0 && new_namespaces(o, &err) == 0 && standard_files(o, out, report, &err) == 0)
		return child_main(&c);
	return write(report, &err, sizeof(err)) < 0 ? 126 : 127;
}

static int write_maps(const struct run_options *o, pid_t pid, struct err *e)
{
	static const char *const files[] = { "uid_map", "gid_map" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = xasprintf("/proc/%d/%s", pid, files[i]);
		_cleanup_free_ char *map = xasprintf("0 %ld %ld\n", o->user, o->nr_users);
		int r = write_file_at(-1, path, map);

		if (r < 0)
			return err_ret(e, r, "map users 0 to %ld to %ld and so on", o->nr_users - 1, o->user);
	}
	return 0;
}

static int hear(int fd, struct err *e)
{
	struct err report;
	int r = read_all(fd, &report, sizeof(report));

	if (r == -ENODATA)
		return 0;	/* closed by exec */
	if (r < 0)
		return err_ret(e, r, "hear from the new container");
	report.msg[sizeof(report.msg) - 1] = report.advice[sizeof(report.advice) - 1] = 0;
	*e = report;
	return e->code;
}

/* Of the new process: its maps, then its word that the program runs. */
static int follow(const struct run_options *o, pid_t pid, int go, int up, struct err *e)
{
	int r;

	stage_point("map");
	r = o->user < 0 ? 0 : write_maps(o, pid, e);
	stage_point("hear");
	if (r == 0 && o->user >= 0 && write(go, "", 1) != 1)
		r = err_sys(e, "let the new container go on");
	return r ?: hear(up, e);
}

static int start(const struct run_options *o, int cgroup_fd, pid_t *ret, struct err *e)
{
	_cleanup_fd_ int up = -1, down = -1, out = -1, wait = -1, go = -1;
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP | (o->pid_levels ? CLONE_NEWPID : 0) | (o->user >= 0 ? CLONE_NEWUSER : 0),
		.exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup_fd,
	};
	int ends[2], maps[2], r;
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0 || pipe2(maps, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	up = ends[0];
	down = ends[1];
	wait = maps[0];
	go = maps[1];
	/* Who is root of a user namespace alone may not write where the host's root may. */
	out = o->user >= 0 ? open_output(o) : -1;
	if (o->user >= 0 && out < 0)
		return err_sys(e, "open %s", o->output);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return err_sys(e, "fork into cgroup %s", o->cgroup);
	if (pid == 0) {
		close_fd(&go);
		_exit(first_main(o, out, wait, down));
	}
	close_fd(&down);
	r = follow(o, (pid_t)pid, go, up, e);
	if (r < 0) {
		cgroup_kill(o->cgroup, &ERR_INIT);
		waitpid((pid_t)pid, NULL, 0);
	}
	*ret = (pid_t)pid;
	return r;
}

int run_container(const struct run_options *o, pid_t *ret, struct err *e)
{
	bool made;
	int fd, r = cgroup_create_empty(o->cgroup, &made, e);

	if (r < 0)
		return r;
	fd = cgroup_open(o->cgroup, e);
	stage_point("start");
	r = fd < 0 ? fd : start(o, fd, ret, e);
	close_fd(&fd);
	if (r < 0 && made)
		cgroup_remove(o->cgroup, &ERR_INIT);
	return r;
}
