// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an unprivileged user makes by itself: one user, root inside, groups denied. The groups it had outside have no
 * names inside and stay; files belong to the user outside; several processes are in there, and two have entered
 * other namespaces that it owns.
 */
#include <grp.h>
#include <sys/msg.h>
#include "guest.h"

#define USER 1000

static void become_user(struct guest *g)
{
	gid_t groups[3] = { USER, 27, 100 };

	guest_check(g, setgroups(3, groups) == 0 && setresgid(USER, USER, USER) == 0 && setresuid(USER, USER, USER) == 0);
	guest_check(g, prctl(PR_SET_DUMPABLE, 1) == 0);
}

static void make_namespace(struct guest *g)
{
	guest_check(g, unshare(CLONE_NEWUSER) == 0);
	guest_write(getpid(), "setgroups", "deny");
	guest_write(getpid(), "uid_map", "0 1000 1\n");
	guest_write(getpid(), "gid_map", "0 1000 1\n");
}

static uid_t owner_of(const char *name)
{
	struct stat st;

	return stat(live_path(name), &st) < 0 ? (uid_t)-1 : st.st_uid;
}

static bool make_file(const char *name)
{
	int fd = open(live_path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd >= 0 && close(fd) == 0;
}

static void again(struct guest *g, const char *name)
{
	gid_t groups[8];
	int nr;

	guest_see(g);
	nr = getgroups(8, groups);
	guest_check(g, nr == 3 && groups[0] + groups[1] + groups[2] == 65534 * 2);
	guest_check(g, getuid() == 0 && owner_of("own/before") == 0 && owner_of("outer") == 65534);
	guest_check(g, setgroups(0, NULL) < 0 && errno == EPERM && setuid(1) < 0 && errno == EINVAL);
	unlink(live_path(name));	/* a snapshot that the program ran on after */
	guest_check(g, make_file(name) && chown(live_path(name), 0, 0) == 0 && chown(live_path(name), 7, 7) < 0);
	guest_next(g);
	_exit(0);
}

/* Shares all with the first but what it makes here. */
static void second_main(struct guest *g)
{
	int queue;

	guest_check(g, unshare(CLONE_NEWIPC | CLONE_NEWUTS) == 0 && sethostname("rootless", 8) == 0);
	queue = msgget(17, IPC_CREAT | 0600);
	guest_check(g, queue >= 0 && msgsnd(queue, &(struct { long type; char text[4]; }){ 3, "abc" }, 4, 0) == 0);
	guest_see(g);
	guest_next(g);
	{
		struct { long type; char text[4]; } message = { 0 };
		struct msqid_ds ds;
		char name[64];

		guest_check(g, gethostname(name, sizeof(name)) == 0 && strcmp(name, "rootless") == 0);
		guest_check(g, msgctl(queue, IPC_STAT, &ds) == 0 && ds.msg_perm.uid == 0 && ds.msg_perm.cuid == 0);
		guest_check(g, msgrcv(queue, &message, 4, 3, IPC_NOWAIT) == 4 && strcmp(message.text, "abc") == 0);
		guest_check(g, msgsnd(queue, &message, 4, 0) == 0);	/* for the next look */
		guest_check(g, sethostname("rootless", 8) == 0);
	}
	again(g, "own/second");
}

/* The first one, which forks the other two. */
static void first_main(struct guest *g)
{
	pid_t pids[2];
	int status;

	become_user(g);
	make_namespace(g);
	guest_check(g, make_file("own/before"));
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		guest_check(g, pids[i] >= 0);
		if (pids[i] == 0 && i == 0)
			second_main(g + 1);
		if (pids[i] == 0) {	/* a child of the namespace's, in one more that nobody else is in */
			guest_check(g + 2, unshare(CLONE_NEWUSER) == 0);
			guest_write(getpid(), "uid_map", "0 0 1\n");
			guest_write(getpid(), "gid_map", "0 0 1\n");
			guest_see(g + 2);
			guest_next(g + 2);
			again(g + 2, "own/third");
		}
		g[i + 1].pid = pids[i];
		while (g[i + 1].done < 1 && !*g[i + 1].says)
			guest_nap();
	}
	guest_see(g);
	guest_next(g);
	for (int i = 0; i < 2; i++) {
		g[i + 1].step = 2;
		while (g[i + 1].done < 2 && !*g[i + 1].says)
			guest_nap();
		g[i + 1].step = 3;
		guest_check(g, waitpid(pids[i], &status, 0) == pids[i] && status == 0);
	}
	again(g, "own/first");
}

int main(int argc, char **argv)
{
	static const char *const made[] = { "own/before", "own/first", "own/second", "own/third" };
	struct guest *g;
	pid_t pid;

	live_setup(argc, argv);
	g = guests_room();
	live_check(mkdir(live_path("own"), 0755) == 0 && chown(live_path("own"), USER, USER) == 0 && make_file("outer"));
	if ((pid = fork()) == 0)
		first_main(g);
	g->pid = pid;
	guest_step(g, 1);
	for (int i = 0; i < 3; i++) {
		if (*g[i].says)
			live_fail("%s", g[i].says);
		guest_note(&g[i]);
	}

	live_ready();

	g->step = 2;
	while (g->done < 2) {
		for (int i = 2; i >= 0; i--)
			if (*g[i].says)
				live_fail("%s", g[i].says);
		guest_nap();
	}
	guest_same(&g[0]);
	for (int i = 1; i < 3; i++)
		guest_compare("seen from inside", g[i].inside, g[i].self);
	guest_end(g, 3);
	for (int i = 0; i < 4; i++)
		if (owner_of(made[i]) != USER)
			live_fail("%s belongs to %d", made[i], owner_of(made[i]));
	live_pass();
}
