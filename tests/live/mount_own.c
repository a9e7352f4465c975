// SPDX-License-Identifier: GPL-2.0-only
/* Mounts that only the container has: a proc shows its processes; options of the mount and of its file system stay. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

/* What mountinfo says behind the ids and the device of the mount at @point. */
static void mount_line(const char *point, char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[PATH_MAX], at[PATH_MAX];
	int end;

	live_check(f);
	*ret = 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d %*d %*s %*s %4095s%n", at, &end) == 1 && strcmp(at, point) == 0)
			snprintf(ret, size, "%s", line + end);
	fclose(f);
	live_check(*ret);
}

static void shows_own_processes(const char *proc)
{
	char path[PATH_MAX], target[32] = "";

	snprintf(path, sizeof(path), "%s/self", proc);
	live_check(readlink(path, target, sizeof(target) - 1) > 0);
	live_check(atoi(target) == getpid());
}

int main(int argc, char **argv)
{
	char before[2][PATH_MAX], after[PATH_MAX], points[2][PATH_MAX];

	live_setup(argc, argv);
	if (!live_in_namespaces())
		live_skip("it mounts file systems, and here all see the same mounts");
	for (int i = 0; i < 2; i++) {
		snprintf(points[i], PATH_MAX, "%s", live_path(i ? "tmpfs" : "proc"));
		live_check(mkdir(points[i], 0700) == 0);
	}
	live_check(mount("proc", points[0], "proc", MS_NOSUID | MS_NOEXEC, "hidepid=2,gid=7") == 0);
	live_check(mount("here", points[1], "tmpfs", MS_NODEV, "size=64k,mode=750,uid=3") == 0);
	for (int i = 0; i < 2; i++)
		mount_line(points[i], before[i], PATH_MAX);
	shows_own_processes("/proc");

	live_ready();

	shows_own_processes("/proc");
	shows_own_processes(points[0]);
	for (int i = 0; i < 2; i++) {
		mount_line(points[i], after, PATH_MAX);
		if (strcmp(before[i], after) != 0)
			live_fail("%s was \"%s\" and is \"%s\"", points[i], before[i], after);
	}
	live_pass();
}
