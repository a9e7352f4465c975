// SPDX-License-Identifier: GPL-2.0-only
/* What cpt needs of the kernel, see feature.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/util.h"
#include "host/cgroup.h"
#include "host/feature.h"
#include "host/next_id.h"

/* ---- looking into tasks -------------------------------------------------------- */

static int seize(pid_t pid, struct err *e)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 || ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0)
		return err_sys(e, "ptrace(PTRACE_SEIZE) of an own child");
	if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status))
		return err_sys(e, "stop an own child by PTRACE_INTERRUPT");
	return 0;
}

static int suspend_seccomp(pid_t pid, struct err *e)
{
	if (seize(pid, e) < 0)
		return e->code;
	if (ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP) < 0)
		return err_sys(e, "ptrace(PTRACE_SETOPTIONS, PTRACE_O_SUSPEND_SECCOMP) of an own child");
	return 0;
}

static int with_child(int (*test)(pid_t pid, struct err *e), struct err *e)
{
	pid_t pid = fork();
	int r;

	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0)
		for (;;)
			pause();
	r = test(pid, e);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
	return r;
}

static int test_ptrace(struct err *e)
{
	return with_child(seize, e);
}

static int test_seccomp(struct err *e)
{
	return with_child(suspend_seccomp, e);
}

static int test_pidfd_getfd(struct err *e)
{
	_cleanup_fd_ int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	_cleanup_fd_ int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, pidfd, 0);

	return fd < 0 ? err_sys(e, "pidfd_getfd of an own descriptor") : 0;
}

static int test_kcmp(struct err *e)
{
	_cleanup_fd_ int a = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int b = fcntl(a, F_DUPFD_CLOEXEC, 0);
	long r = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);

	if (r < 0)
		return err_sys(e, "kcmp of a descriptor and its duplicate");
	return r ? err_set(e, -EIO, "kcmp says that a descriptor and its duplicate differ") : 0;
}

static int test_prctl_mm(struct err *e)
{
	unsigned int size = 0;

	if (prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) < 0)
		return err_sys(e, "prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE)");
	return 0;
}

static int test_map_files(struct err *e)
{
	_cleanup_dir_ DIR *dir = opendir("/proc/self/map_files");
	const struct dirent *d;

	if (!dir)
		return err_sys(e, "open /proc/self/map_files");
	while ((d = readdir(dir))) {
		_cleanup_fd_ int fd = -1;

		if (d->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), d->d_name, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? err_sys(e, "open /proc/self/map_files/%s", d->d_name) : 0;
	}
	return err_set(e, -ENOENT, "/proc/self/map_files is empty");
}

/* ---- ids ------------------------------------------------------------------------- */

/* Run @test in a child with IPC objects of its own, so that no id of the host is touched. */
static int in_child(int (*test)(struct err *e), struct err *e)
{
	int ends[2];
	struct err *from_child = e;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	pid = fork();
	if (pid == 0) {
		struct err mine = ERR_INIT;

		if (unshare(CLONE_NEWIPC) < 0)
			err_sys(&mine, "unshare the IPC namespace");
		else
			test(&mine);
		_exit(write_all(ends[1], &mine, sizeof(mine)) < 0);
	}
	close(ends[1]);
	n = pid < 0 ? -1 : read_all(ends[0], from_child, sizeof(*from_child));
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return n < 0 ? err_set(e, -EIO, "a child process for the test ended early") : e->code;
}

static int child_takes_pid(struct err *e)
{
	_cleanup_fd_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t want = 20000, pid;
	int r;

	while (kill(want, 0) == 0 || errno != ESRCH)
		want++;
	r = next_id_ask_pids(proc, &want, 1, e);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return err_sys(e, "fork with the asked id %d", want);
	waitpid(pid, NULL, 0);
	return pid == want ? 0 : err_set(e, -EIO, "a child got the id %d instead of the asked %d", pid, want);
}

static int child_takes_ipc_id(struct err *e)
{
	_cleanup_fd_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const int want = 32768 + 5;	/* sequence number 1, index 5 */
	int id, r = next_id_ask(proc, "IPC_SHM", want, e);

	if (r < 0)
		return r;
	id = shmget(IPC_PRIVATE, 4096, 0600);
	if (id < 0)
		return err_sys(e, "shmget with the asked id %d", want);
	shmctl(id, IPC_RMID, NULL);
	return id == want ? 0 : err_set(e, -EIO, "a segment got the id %d instead of the asked %d", id, want);
}

static int test_next_pid(struct err *e)
{
	return in_child(child_takes_pid, e);
}

static int test_next_ipc_id(struct err *e)
{
	return in_child(child_takes_ipc_id, e);
}

static int test_next_pty(struct err *e)
{
	return next_id_known("PTY") ? 0 : err_set(e, -ENOENT, "the kernel does not list PTY in next_id_kinds");
}

static int child_leaves_clocks(struct err *e)
{
	return unshare(CLONE_NEWTIME) < 0 ? err_sys(e, "unshare the time namespace") : 0;
}

static int test_time_ns(struct err *e)
{
	return in_child(child_leaves_clocks, e);
}

static int test_cgroup(struct err *e)
{
	const char *mount;

	return cgroup_mount(&mount, e);
}

#define SERIES "boot a kernel with cpt's series (`make kernel` builds one)"
#define RESTORE_CONFIG "a kernel with CONFIG_CHECKPOINT_RESTORE, and root's rights"

const struct feature host_features[] = {
	{ "ptrace", test_ptrace, true, "no container can be stopped", "run cpt as root, outside of seccomp filters" },
	{ "ptrace seccomp", test_seccomp, false, "tasks with seccomp filters can't be saved", RESTORE_CONFIG },
	{ "pidfd_getfd", test_pidfd_getfd, true, "open files can't be looked at", "Linux 5.6 or newer" },
	{ "kcmp", test_kcmp, true, "what tasks share can't be told", "a kernel with CONFIG_KCMP" },
	{ "map_files", test_map_files, true, "mapped files can't be told", RESTORE_CONFIG },
	{ "prctl mm", test_prctl_mm, true, "address spaces can't be restored", RESTORE_CONFIG },
	{ "cgroup2 memory", test_cgroup, true, "containers are cgroups", "mount cgroup2" },
	{ "time namespaces", test_time_ns, false, "monotonic clocks are the host's after a restore",
	  "a kernel with CONFIG_TIME_NS" },
	{ "next_id PID", test_next_pid, false, "task ids fall back on clone3(set_tid), which takes more rights", SERIES },
	{ "next_id IPC", test_next_ipc_id, false, "SysV ids fall back on racy sysctls", SERIES },
	{ "next_id PTY", test_next_pty, false, "terminals come back only if their numbers are the lowest free ones", SERIES },
	{ 0 },
};
