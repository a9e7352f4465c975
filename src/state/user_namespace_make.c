// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making user namespaces anew. Each is made by a child of cpt that has taken its owner's id in the namespace around
 * it. That child stays in it: the keeper. It shares cpt's table of descriptors, so that those who are born in the
 * namespace find there what cpt has for them; ptrace(2) lets nobody take anything from cpt itself who has no power
 * in cpt's user namespace (cap_ptrace_access_check()).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "state/namespace.h"
#include "state/user_namespace.h"

static const struct namespace_row *namespace_row_of(const struct restore *r, int64_t namespace)
{
	return image_find(r->img, &namespace_table, offsetof(struct namespace_row, namespace), namespace);
}

/* ---- the keeper -------------------------------------------------------- */

/* A group that the namespace around has a name for: which one it is nobody can ever tell. */
static int64_t any_group(const struct restore *r, int64_t user_ns)
{
	const struct id_map_row *line;

	image_for_each(line, r->img, &id_map_table)
		if (line->namespace == user_ns && strcmp(line->type, "gid") == 0)
			return line->inside;
	return 0;
}

static int keeper_settle(struct restore *r, const struct namespace_row *row, int64_t owner, pid_t cpt)
{
	int64_t uid = user_namespace_inside(r->img, row->parent, "uid", owner), gid = any_group(r, row->parent);

	if (row->parent != COLUMN_NULL && setns(r->ns_fds[row->parent], CLONE_NEWUSER) < 0)
		return errno;
	/* The kernel's own calls: the C library's talk to other threads. */
	if (prctl(PR_SET_SECUREBITS, 1 << SECURE_NO_SETUID_FIXUP) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0 ||
	    syscall(SYS_setresuid, uid, uid, uid) < 0 || unshare(CLONE_NEWUSER) < 0)
		return errno;
	/* A change of ids has cleared both: others may take descriptors from it, and it ends with cpt. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != cpt)
		return errno ?: ESRCH;
	return 0;
}

static void keeper_main(struct restore *r, const struct namespace_row *row, int64_t owner, pid_t cpt, int report)
{
	int status = keeper_settle(r, row, owner, cpt);

	/* It must close nothing: the descriptors are cpt's. */
	if (write(report, &status, sizeof(status)) == sizeof(status) && status == 0)
		for (;;)
			pause();
	_exit(1);
}

/* With the table of descriptors shared, the keeper's end closes no pipe. */
static int keeper_hear(int report, int pidfd, struct err *e)
{
	struct pollfd both[2] = { { .fd = report, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	int status = ECHILD;

	while (poll(both, 2, -1) < 0 && errno == EINTR)
		;
	if (both[0].revents && read_all(report, &status, sizeof(status)) < 0)
		status = EIO;
	return status ? err_ret(e, -status, "make a new user namespace") : 0;
}

static int keeper_start(struct restore *r, const struct namespace_row *row, int64_t owner, struct err *e)
{
	struct keeper *k = &r->keepers[row->namespace];
	struct clone_args args = {
		.flags = CLONE_FILES | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&k->pidfd, .exit_signal = SIGCHLD,
	};
	_cleanup_fd_ int report = -1, say = -1;
	pid_t cpt = getpid();
	int ends[2];
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	report = ends[0];
	say = ends[1];
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		keeper_main(r, row, owner, cpt, ends[1]);
	if (pid < 0)
		return err_sys(e, "fork");
	k->pid = (pid_t)pid;
	return keeper_hear(report, k->pidfd, e);
}

int user_namespace_pidfd(const struct restore *r, int64_t user_ns, int own)
{
	return user_ns == COLUMN_NULL ? own : r->keepers[user_ns].pidfd;
}

void user_namespaces_leave(struct restore *r)
{
	for (size_t i = 0; r->keepers && i < r->nr_ns; i++) {
		struct keeper *k = &r->keepers[i];

		if (k->pid > 0) {
			kill(k->pid, SIGKILL);
			waitpid(k->pid, NULL, 0);
			close_fd(&k->pidfd);
		}
		k->pid = 0;
	}
	free(take_ptr(r->keepers));
}

/* ---- in a child -------------------------------------------------------- */

int user_namespace_do(struct restore *r, int64_t user_ns, int64_t mount_ns, int (*fn)(void *arg), void *arg,
		      const char *what, struct err *e)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if ((mount_ns != COLUMN_NULL && setns(r->ns_fds[mount_ns], CLONE_NEWNS) < 0) ||
		    (user_ns != COLUMN_NULL && setns(r->ns_fds[user_ns], CLONE_NEWUSER) < 0))
			_exit(errno);
		_exit(-fn(arg));
	}
	if (pid < 0)
		return err_sys(e, "fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return 0;
	return err_ret(e, WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD, "%s", what);
}

int user_namespace_open(struct restore *r, int64_t user_ns, int place, int (*fn)(void *arg), void *arg)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	volatile int *result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ret;
	long pid;

	if (result == MAP_FAILED)
		return -errno;
	*result = -ECHILD;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		bool there = setns(place, CLONE_NEWNS) == 0 && setns(r->ns_fds[user_ns], CLONE_NEWUSER) == 0;

		*result = there ? fn(arg) : -errno;
		_exit(0);
	}
	if (pid < 0)
		*result = -errno;
	while (pid > 0 && waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	ret = *result;
	munmap((void *)result, sizeof(*result));
	return ret;
}

/* ---- maps -------------------------------------------------------------- */

struct text {
	int proc_fd;		/* of the keeper */
	const char *file;
	const char *text;
};

static int text_write(void *arg)
{
	const struct text *t = arg;

	return write_file_at(t->proc_fd, t->file, t->text);
}

/* As the namespace around it calls the ids; NULL: it has no map. */
static char *map_text(const struct restore *r, const struct namespace_row *row, const char *type)
{
	const struct id_map_row *line;
	char *text = NULL;

	image_for_each(line, r->img, &id_map_table) {
		char *more;

		if (line->namespace != row->namespace || strcmp(line->type, type) != 0)
			continue;
		more = xasprintf("%s%ld %ld %ld\n", text ?: "", line->inside,
				 user_namespace_inside(r->img, row->parent, type, line->host), line->count);
		free(text);
		text = more;
	}
	return text;
}

/* Only who is in it, or in the one around it, may write it (proc_uid_map_write()). */
static int map_write(struct restore *r, const struct namespace_row *row, int proc_fd, const char *type, struct err *e)
{
	_cleanup_free_ char *text = map_text(r, row, type);
	char file[8];
	struct text t = { proc_fd, file, text };

	if (!text)
		return 0;
	snprintf(file, sizeof(file), "%s_map", type);
	return user_namespace_do(r, row->parent, COLUMN_NULL, text_write, &t, "write the map of a user namespace", e);
}

static int setgroups_write(struct restore *r, const struct namespace_row *row, int proc_fd, struct err *e)
{
	struct text t = { proc_fd, "setgroups", "deny" };

	return user_namespace_do(r, row->parent, COLUMN_NULL, text_write, &t, "deny setgroups in a user namespace", e);
}

int user_namespace_make(struct restore *r, int64_t namespace, struct err *e)
{
	const struct namespace_row *row = namespace_row_of(r, namespace);
	const struct user_namespace_row *user = image_find(r->img, &user_namespace_table,
							   offsetof(struct user_namespace_row, namespace), namespace);
	_cleanup_fd_ int proc_fd = -1;
	char path[32];
	int ret;

	if (!row || !user)
		return err_set(e, -EBADMSG, "namespace %ld has no row in table user_namespace", namespace);
	ret = keeper_start(r, row, user->owner, e);
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "/proc/%d", r->keepers[namespace].pid);
	proc_fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	r->ns_fds[namespace] = proc_fd < 0 ? -1 : openat(proc_fd, "ns/user", O_RDONLY | O_CLOEXEC);
	if (r->ns_fds[namespace] < 0)
		return err_sys(e, "open %s/ns/user", path);
	if (!user->setgroups)
		ret = setgroups_write(r, row, proc_fd, e);
	return ret ?: map_write(r, row, proc_fd, "uid", e) ?: map_write(r, row, proc_fd, "gid", e);
}
