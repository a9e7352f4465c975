// SPDX-License-Identifier: GPL-2.0-only
/*
 * As in a container with a cgroup namespace: its own cgroup2 instead of the
 * host's, which shows the root of the namespace as /; another, read-only; and
 * one of the whole hierarchy.
 */
#include <sched.h>
#include <sys/mount.h>
#include "cgroup.h"
#include "live.h"

static char before[8192];

/* What /proc/self/mountinfo says of cgroup2, without ids, which are new after a restore. */
static void mounts(char *to, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], root[1024], point[1024], rest[2048];
	size_t len = 0;

	live_check(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, " - cgroup2 ") && sscanf(line, "%*d %*d %*s %1023s %1023s %2047[^\n]", root, point, rest) == 3)
			len += (size_t)snprintf(to + len, size - len, "%s %s %s\n", root, point, rest);
	fclose(f);
	live_check(len && len < size);
}

static ino_t inode(const char *path)
{
	struct stat st;

	live_check(stat(path, &st) == 0);
	return st.st_ino;
}

static void make_mounts(void)
{
	live_check(mkdir(live_path("read-only"), 0755) == 0 && mkdir(live_path("all"), 0755) == 0);
	live_check(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	live_check(mount("cgroup2", live_path("all"), "cgroup2", MS_NOSUID, NULL) == 0);
	live_check(unshare(CLONE_NEWCGROUP) == 0);
	live_check(umount2("/sys/fs/cgroup", MNT_DETACH) == 0);
	live_check(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0);
	live_check(mount("cgroup2", live_path("read-only"), "cgroup2", MS_RDONLY, NULL) == 0);
}

int main(int argc, char **argv)
{
	char after[sizeof(before)], at_all[1024], text[64];

	live_setup(argc, argv);
	cgroup_begin();
	cgroup_make("x");
	cgroup_make("x/y");
	cgroup_enter("x/y");
	snprintf(at_all, sizeof(at_all), "%s%s/x/y", live_path("all"), cgroup_base + strlen("/sys/fs/cgroup"));
	make_mounts();
	cgroup_text("/sys/fs/cgroup/cgroup.procs", text, sizeof(text));
	live_check(atoi(text) == getpid());
	mounts(before, sizeof(before));

	live_ready();

	mounts(after, sizeof(after));
	if (strcmp(before, after) != 0)
		live_fail("mounts were\n%s, and are\n%s", before, after);
	cgroup_text("/proc/self/cgroup", text, sizeof(text));
	live_check(strcmp(text, "0::/") == 0);
	cgroup_text("/sys/fs/cgroup/cgroup.procs", text, sizeof(text));
	live_check(atoi(text) == getpid());
	live_check(inode("/sys/fs/cgroup") == inode(live_path("read-only")));
	live_check(inode("/sys/fs/cgroup") == inode(at_all));
	live_check(mkdir("/sys/fs/cgroup/new", 0755) == 0 && access(live_path("read-only/new"), F_OK) == 0);
	live_check(mkdir(live_path("read-only/other"), 0755) < 0);
	live_check(rmdir("/sys/fs/cgroup/new") == 0);
	live_pass();
}
