// SPDX-License-Identifier: GPL-2.0-only
/*
 * User namespaces in user namespaces, one of which nobody is in: maps of several lines, owners, denied groups and
 * ids, limits, capabilities and securebits in there are as they were, from inside and from outside.
 */
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include "guest.h"

static void keep_only(struct guest *g, unsigned int capabilities)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { capabilities, capabilities, 1 << CAP_KILL }, { 0, 0, 0 } };

	guest_check(g, syscall(SYS_capset, &header, data) == 0);
	guest_check(g, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0) == 0);
}

static void write_limit(struct guest *g, const char *text)
{
	int fd = open("/proc/sys/user/max_net_namespaces", O_WRONLY | O_CLOEXEC);

	guest_check(g, fd >= 0 && write(fd, text, strlen(text)) > 0 && close(fd) == 0);
}

/* Root of a namespace with three lines, as user 7; few capabilities are left to it. */
static void lines_main(struct guest *g)
{
	gid_t groups[2] = { 12, 1 }, now[4];
	uid_t r, e, s;

	guest_check(g, unshare(CLONE_NEWUSER) == 0);
	guest_next(g);		/* the maps are written */
	write_limit(g, "0");
	guest_check(g, unshare(CLONE_NEWNET) < 0 && errno == ENOSPC);
	guest_check(g, setgroups(2, groups) == 0 && setresgid(3, 4, 5) == 0);
	guest_check(g, prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT) == 0);
	guest_check(g, prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) == 0 && setresuid(7, 20, 0) == 0);
	keep_only(g, 1 << CAP_KILL | 1 << CAP_SETUID);
	guest_check(g, prctl(PR_SET_DUMPABLE, 1) == 0);	/* or nobody outside sees its namespaces */
	guest_see(g);
	guest_next(g);

	guest_see(g);
	guest_check(g, getresuid(&r, &e, &s) == 0 && r == 7 && e == 20 && s == 0);
	guest_check(g, getresgid(&r, &e, &s) == 0 && r == 3 && e == 4 && s == 5);
	guest_check(g, getgroups(4, now) == 2 && now[0] + now[1] == 13);
	guest_next(g);
	/* What it may do, and what it may not. */
	guest_check(g, setresuid(0, 0, 0) == 0 && setgroups(0, NULL) < 0 && errno == EPERM);
	guest_check(g, setresuid(10, 10, 10) < 0 && errno == EINVAL);	/* between two lines */
	_exit(0);
}

/* One in the other; the outer one has no process. */
static void twice_main(struct guest *g, pid_t self)
{
	guest_check(g, setresgid(41, 41, 41) == 0 && setresuid(40, 40, 40) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
	guest_check(g, unshare(CLONE_NEWUSER) == 0);
	guest_next(g);
	guest_check(g, setresgid(6, 6, 6) == 0 && setresuid(6, 6, 6) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
	guest_check(g, unshare(CLONE_NEWUSER) == 0);
	guest_write(self, "setgroups", "deny");
	guest_write(self, "gid_map", "2 6 1\n");
	guest_write(self, "uid_map", "9 6 1\n");
	guest_see(g);
	guest_next(g);
	guest_see(g);
	guest_check(g, getuid() == 9 && getgid() == 2 && setgroups(0, NULL) < 0 && errno == EPERM);
	guest_next(g);
	guest_check(g, unshare(CLONE_NEWUTS) == 0 && sethostname("inner", 5) == 0);
	_exit(0);
}

static pid_t child(struct guest *g, int which)
{
	pid_t pid = fork();

	live_check(pid >= 0);
	if (pid == 0 && which == 0)
		lines_main(g);
	if (pid == 0)
		twice_main(g, getpid());
	return pid;
}

int main(int argc, char **argv)
{
	struct guest *g;

	live_setup(argc, argv);
	g = guests_room();
	for (int i = 0; i < 2; i++) {
		g[i].pid = child(&g[i], i);
		guest_step(&g[i], 1);
		guest_write(g[i].pid, "uid_map", i ? "6 3000 20\n" : "0 1000 10\n20 2000 5\n30 1500 1\n");
		guest_write(g[i].pid, "gid_map", i ? "6 3000 20\n" : "11 500 5\n0 700 10\n");
		guest_step(&g[i], 2);
		guest_note(&g[i]);
	}

	live_ready();

	for (int i = 0; i < 2; i++) {
		guest_step(&g[i], 3);
		guest_same(&g[i]);
		guest_end(&g[i], 4);
	}
	live_pass();
}
