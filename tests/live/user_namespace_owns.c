// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user namespace that owns pid, ipc, uts and mount namespaces: the first process in there, one with threads and a
 * child of another user, have their ids, and power over what is theirs and nothing else. Mounts in there, a queue of
 * messages, names. Where there are pid namespaces around it that it does not own, its ids in those can't be had again.
 */
#include <grp.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include "guest.h"

#define USER 4000

static struct guest *thread_guest;

static void *thread_main(void *arg)
{
	struct guest *g = thread_guest;

	/* The kernel's own call: of this thread alone. */
	if (syscall(SYS_setresuid, 5, 6, 7) < 0)
		guest_fail(g, "setresuid in a thread");
	guest_describe(g->self, sizeof(g->self), "/proc/thread-self");
	guest_next(g);
	guest_describe(g->self, sizeof(g->self), "/proc/thread-self");
	guest_next(g);
	return arg;
}

/* Another user than who forked it, in a session of its own. */
static void other_main(struct guest *g)
{
	gid_t groups[1] = { 9 };

	guest_check(g, setsid() == getpid() && setgroups(1, groups) == 0 && setresgid(8, 8, 8) == 0 &&
		       setresuid(20, 20, 20) == 0);
	guest_see(g);
	guest_next(g);
	guest_see(g);
	guest_check(g, getuid() == 20 && getsid(0) == getpid() && getppid() == 1);
	guest_check(g, sethostname("x", 1) < 0 && errno == EPERM);
	guest_next(g);
	_exit(0);
}

static void check_world(struct guest *g, bool first)
{
	char name[64], target[32] = "";
	struct mq_attr attr;
	struct stat st;
	mqd_t queue = mq_open("/cpt live user", O_RDWR | O_NONBLOCK);

	guest_check(g, getpid() == 1 && getuid() == 0);
	guest_check(g, gethostname(name, sizeof(name)) == 0 && strcmp(name, "owned") == 0);
	guest_check(g, readlink("/proc/self", target, sizeof(target) - 1) > 0 && strcmp(target, "1") == 0);
	guest_check(g, stat("/mnt", &st) == 0 && st.st_uid == 3 && st.st_gid == 4 && (st.st_mode & 07777) == 0751);
	guest_check(g, queue >= 0 && mq_getattr(queue, &attr) == 0 && attr.mq_curmsgs == 1 && fstat(queue, &st) == 0);
	guest_check(g, st.st_uid == 0 && mq_close(queue) == 0);
	if (first)
		return;
	/* Power inside: */
	guest_check(g, sethostname("owned", 5) == 0 && mount("more", "/mnt", "tmpfs", 0, "") == 0 && umount("/mnt") == 0);
	guest_check(g, mkdir("/mnt/new", 0700) == 0 && chown("/mnt/new", 44, 0) == 0 && rmdir("/mnt/new") == 0);
	/* none outside: */
	guest_check(g, chown("/proc/1", 1, 1) < 0 && umount("/") < 0 && errno == EINVAL);
	guest_check(g, setpriority(0, 0, -5) < 0 && errno == EACCES);
	/* The mount's options can be changed by who made it alone (reconfigure_super()). */
	guest_check(g, mount(NULL, "/mnt", NULL, MS_REMOUNT, "size=32k") == 0 &&
		       mount(NULL, "/mnt", NULL, MS_REMOUNT, "size=64k") == 0);
}

static void init_main(struct guest *g)
{
	pthread_t thread;
	mqd_t queue;
	pid_t pid;
	int status;

	guest_check(g, unshare(CLONE_NEWNS) == 0);
	guest_check(g, mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0);
	guest_check(g, mount("mine", "/mnt", "tmpfs", MS_NODEV, "size=64k,mode=751,uid=3,gid=4") == 0);
	guest_check(g, sethostname("owned", 5) == 0);
	queue = mq_open("/cpt live user", O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	guest_check(g, queue >= 0 && mq_send(queue, "hello", 5, 1) == 0 && mq_close(queue) == 0);
	pid = fork();
	guest_check(g, pid >= 0);
	if (pid == 0)
		other_main(g + 2);
	g[2].pid = pid;
	thread_guest = g + 1;
	guest_check(g, pthread_create(&thread, NULL, thread_main, NULL) == 0);
	while (g[1].done < 1 || g[2].done < 1)
		guest_nap();
	guest_see(g);
	check_world(g, true);
	guest_next(g);

	guest_see(g);
	check_world(g, false);
	g[1].step = g[2].step = 2;
	while (g[1].done < 2 || g[2].done < 2)
		guest_nap();
	guest_next(g);
	g[1].step = g[2].step = 3;
	guest_check(g, pthread_join(thread, NULL) == 0 && waitpid(pid, &status, 0) == pid && status == 0);
	_exit(0);
}

static void outer_main(struct guest *g)
{
	int status;
	pid_t pid;

	guest_check(g, setresgid(USER, USER, USER) == 0 && setresuid(USER, USER, USER) == 0 &&
		       prctl(PR_SET_DUMPABLE, 1) == 0);
	guest_check(g, unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS) == 0);
	guest_next(g);
	guest_check(g, setgroups(0, NULL) == 0 && setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
	pid = fork();
	guest_check(g, pid >= 0);
	if (pid == 0)
		init_main(g + 1);
	g[1].pid = pid;
	while (g[1].done < 1 && !*g[1].says && !*g[2].says && !*g[3].says)
		guest_nap();
	guest_see(g);
	guest_next(g);
	g[1].step = 2;
	while (g[1].done < 2 && !*g[1].says && !*g[2].says && !*g[3].says)
		guest_nap();
	guest_see(g);
	guest_next(g);
	g[1].step = 3;
	/* Its id out here is the kernel's choice. */
	guest_check(g, wait(&status) > 0 && status == 0);
	_exit(0);
}

static void check_all(struct guest *g)
{
	for (int i = 3; i >= 0; i--)
		if (*g[i].says)
			live_fail("%s", g[i].says);
}

int main(int argc, char **argv)
{
	const char *mode = getenv("CPT_LIVE_MODE");
	bool refused = mode && strncmp(mode, "host", 4) != 0;
	struct guest *g;
	pid_t pid;

	live_setup(argc, argv);
	g = guests_room();
	if ((pid = fork()) == 0)
		outer_main(g);
	g->pid = pid;
	guest_step(g, 1);
	guest_write(g->pid, "uid_map", "0 4000 100\n");
	guest_write(g->pid, "gid_map", "0 4000 100\n");
	guest_step(g, 2);
	check_all(g);
	guest_note(&g[0]);
	for (int i = 1; i < 4; i++)
		memcpy(g[i].inside, g[i].self, sizeof(g[i].inside));
	if (refused)
		live_refused("no power over a pid namespace around it");

	live_ready();

	guest_step(g, 3);
	check_all(g);
	guest_same(&g[0]);
	for (int i = 1; i < 4; i++)
		guest_compare("seen from inside", g[i].inside, g[i].self);
	guest_end(g, 4);
	live_pass();
}
