// SPDX-License-Identifier: GPL-2.0-only
/*
 * A container with a root of its own, as container runtimes make it: binds of
 * directories and files, of the host's file systems and its own, read-only
 * ones, one above the other, peer groups, parts of proc that are masked. All
 * of its mountinfo stays.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "live.h"

#define NEW "/tmp/cpt-new-root"

static const char *in_new(const char *path)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *p = paths[next++ % 4];

	snprintf(p, PATH_MAX, NEW "%s", path);
	return p;
}

static void make_directories(const char *path)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s/", path);
	for (char *slash = part + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = 0;
		live_check(mkdir(part, 0755) == 0 || errno == EEXIST);
	}
}

static void bind_at(const char *from, const char *to, unsigned long flags)
{
	live_check(mount(from, to, NULL, MS_BIND, NULL) == 0);
	live_check(!flags || mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | flags, NULL) == 0);
}

static void touch(const char *path)
{
	live_check(close(open(path, O_CREAT | O_WRONLY, 0644)) == 0);
}

/* The program itself, its libraries and where it reports, from the host. */
static void bind_host(const char *program)
{
	static const char *const links[] = { "bin", "lib", "lib64", "sbin" };
	char directory[PATH_MAX], to[PATH_MAX];

	make_directories(in_new("/usr"));
	bind_at("/usr", in_new("/usr"), MS_RDONLY);
	for (size_t i = 0; i < 4; i++) {
		snprintf(to, sizeof(to), "usr/%s", links[i]);
		snprintf(directory, sizeof(directory), NEW "/%s", links[i]);
		live_check(symlink(to, directory) == 0);
	}
	snprintf(directory, sizeof(directory), "%s", program);
	dirname(directory);
	make_directories(in_new(directory));
	bind_at(directory, in_new(directory), MS_RDONLY | MS_NODEV | MS_NOATIME);
	make_directories(in_new(getenv("CPT_LIVE_DIR")));
	bind_at(getenv("CPT_LIVE_DIR"), in_new(getenv("CPT_LIVE_DIR")), MS_NOSUID);
}

static void mount_proc(void)
{
	make_directories(in_new("/proc"));
	live_check(mount("proc", in_new("/proc"), "proc", MS_NOSUID, NULL) == 0);
	bind_at(in_new("/proc/sys"), in_new("/proc/sys"), MS_RDONLY);
	bind_at(in_new("/dev/null"), in_new("/proc/version"), 0);
	live_check(mount("mask", in_new("/proc/fs"), "tmpfs", MS_RDONLY, "size=0k") == 0 ||
		   mount("mask", in_new("/proc/fs"), "tmpfs", MS_RDONLY, "size=4k") == 0);
}

static void mount_own(void)
{
	make_directories(in_new("/dev"));
	live_check(mount("dev", in_new("/dev"), "tmpfs", MS_NOSUID, "size=64k,mode=755") == 0);
	make_directories(in_new("/dev/pts"));
	make_directories(in_new("/dev/shm"));
	make_directories(in_new("/dev/mqueue"));
	live_check(mknod(in_new("/dev/null"), S_IFCHR | 0666, makedev(1, 3)) == 0 && chmod(in_new("/dev/null"), 0666) == 0);
	live_check(symlink("pts/ptmx", in_new("/dev/ptmx")) == 0);
	live_check(mount("mqueue", in_new("/dev/mqueue"), "mqueue", MS_NODEV, NULL) == 0);
	if (live_in_namespaces())
		touch(in_new("/dev/mqueue/queue"));
	touch(in_new("/dev/file"));
	bind_at(in_new("/dev/null"), in_new("/dev/file"), 0);
	live_check(mount("devpts", in_new("/dev/pts"), "devpts", MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620") == 0);
	live_check(mount("shm", in_new("/dev/shm"), "tmpfs", MS_NODEV, "size=8m") == 0);
	touch(in_new("/dev/shm/x"));
	/* Below what a bind covers: it is seen through another mount. */
	make_directories(in_new("/data/deep/deeper"));
	touch(in_new("/data/deep/file"));
	make_directories(in_new("/elsewhere"));
	bind_at(in_new("/data/deep"), in_new("/elsewhere"), MS_RDONLY);
	bind_at(in_new("/usr"), in_new("/data/deep/deeper"), 0);
	bind_at(in_new("/usr/bin"), in_new("/data/deep"), 0);
	bind_at(in_new("/dev/shm"), in_new("/data/deep"), MS_NOEXEC);
}

static void mount_groups(void)
{
	make_directories(in_new("/shared"));
	live_check(mount("group", in_new("/shared"), "tmpfs", 0, NULL) == 0);
	live_check(mount(NULL, in_new("/shared"), NULL, MS_SHARED, NULL) == 0);
	make_directories(in_new("/shared/sub"));
	make_directories(in_new("/peer"));
	make_directories(in_new("/slave"));
	make_directories(in_new("/slave of slave"));
	make_directories(in_new("/unbindable"));
	bind_at(in_new("/shared"), in_new("/peer"), 0);
	bind_at(in_new("/shared/sub"), in_new("/slave"), 0);
	live_check(mount(NULL, in_new("/slave"), NULL, MS_SLAVE, NULL) == 0);
	live_check(mount(NULL, in_new("/slave"), NULL, MS_SHARED, NULL) == 0);
	bind_at(in_new("/slave"), in_new("/slave of slave"), 0);
	live_check(mount(NULL, in_new("/slave of slave"), NULL, MS_SLAVE, NULL) == 0);
	bind_at(in_new("/usr"), in_new("/unbindable"), 0);
	live_check(mount(NULL, in_new("/unbindable"), NULL, MS_UNBINDABLE, NULL) == 0);
}

static void become_container(char **argv)
{
	char program[PATH_MAX] = "";

	live_check(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	live_check(mkdir(NEW, 0755) == 0 || errno == EEXIST);
	live_check(mount("root", NEW, "tmpfs", 0, "size=1m,mode=755") == 0);
	make_directories(in_new("/tmp"));
	make_directories(in_new("/old"));
	bind_host(program);
	mount_own();
	mount_proc();
	mount_groups();
	live_check(chdir(NEW) == 0 && syscall(SYS_pivot_root, ".", "old") == 0 && chdir("/") == 0);
	live_check(umount2("/old", MNT_DETACH) == 0 && rmdir("/old") == 0);
	setenv("CPT_LIVE_STAGE", "2", 1);
	execv(program, argv);
	live_fail("exec %s: %s", program, strerror(errno));
}

/* ---- mountinfo --------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The number of group @id among those that were met so far. */
static int group(int *ids, int id)
{
	int i = 0;

	while (ids[i] && ids[i] != id)
		i++;
	ids[i] = id;
	return i;
}

/* Lines without ids and devices, but with the point and root of the parent; sorted. Groups are numbered by first sight. */
static char *mounts(void)
{
	static struct { int id, parent, shared, master; char root[512], point[512], options[128], rest[1024]; } m[64];
	int ids[128] = { 0 };
	char *lines[64], *text = NULL, line[4096];
	FILE *f = fopen("/proc/self/mountinfo", "re"), *to;
	size_t len, nr = 0;

	live_check(f);
	for (; fgets(line, sizeof(line), f); nr++) {
		char *optional, *dash = strstr(line, " - ");
		int end;

		live_check(nr < 64 && dash);
		live_check(sscanf(line, "%d %d %*s %511s %511s %127s%n", &m[nr].id, &m[nr].parent, m[nr].root, m[nr].point,
				  m[nr].options, &end) == 5);
		snprintf(m[nr].rest, sizeof(m[nr].rest), "%s", dash);
		*dash = 0;
		m[nr].shared = m[nr].master = 0;
		if ((optional = strstr(line + end, "shared:")))
			m[nr].shared = atoi(optional + 7);
		if ((optional = strstr(line + end, "master:")))
			m[nr].master = atoi(optional + 7);
		if (strstr(line + end, "unbindable"))
			strcat(m[nr].options, ",UNBINDABLE");
	}
	fclose(f);
	for (size_t i = 0; i < nr; i++) {
		const char *on = "nothing", *on_root = "";

		for (size_t j = 0; j < nr; j++)
			if (m[j].id == m[i].parent) {
				on = m[j].point;
				on_root = m[j].root;
			}
		live_check(asprintf(&lines[i], "%s %s %s on %s (%s) shared %d master %d%s", m[i].point, m[i].root, m[i].options, on,
				    on_root, m[i].shared ? group(ids, m[i].shared) : -1,
				    m[i].master ? group(ids, m[i].master) : -1, m[i].rest) > 0);
	}
	qsort(lines, nr, sizeof(*lines), compare);
	to = open_memstream(&text, &len);
	for (size_t i = 0; i < nr; i++) {
		fputs(lines[i], to);
		free(lines[i]);
	}
	fclose(to);
	return text;
}

/* ---- what mounts do ------------------------------------------------------------ */

static void check_groups(void)
{
	live_check(mkdir("/shared/sub/new", 0755) == 0);
	live_check(mount("new", "/peer/sub/new", "tmpfs", 0, NULL) == 0);
	touch("/shared/sub/new/file");
	live_check(access("/peer/sub/new/file", F_OK) == 0 && access("/slave/new/file", F_OK) == 0 &&
		   access("/slave of slave/new/file", F_OK) == 0);
	live_check(umount("/shared/sub/new") == 0 && access("/slave of slave/new/file", F_OK) < 0);
	live_check(mount("new", "/slave/new", "tmpfs", 0, NULL) == 0);
	touch("/slave/new/file");
	live_check(access("/slave of slave/new/file", F_OK) == 0 && access("/shared/sub/new/file", F_OK) < 0);
	live_check(umount("/slave/new") == 0 && rmdir("/peer/sub/new") == 0);
	live_check(mount("/unbindable", "/peer", NULL, MS_BIND, NULL) < 0 && errno == EINVAL);
}

static void check_contents(void)
{
	struct stat st, other;
	int fd;

	live_check(open("/usr/x", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
	live_check(open("/elsewhere/x", O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
	live_check(open("/proc/sys/kernel/panic", O_WRONLY) < 0 && errno == EROFS);
	live_check(access("/elsewhere/file", F_OK) == 0 && access("/data/deep/x", F_OK) == 0 && access("/dev/shm/x", F_OK) == 0);
	live_check(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
	live_check(stat("/proc/version", &other) == 0 && st.st_ino == other.st_ino && st.st_dev == other.st_dev);
	live_check(stat("/dev/file", &other) == 0 && st.st_ino == other.st_ino && st.st_dev == other.st_dev);
	live_check(stat("/dev/shm", &st) == 0 && stat("/data/deep", &other) == 0 && st.st_dev == other.st_dev);
	live_check(!live_in_namespaces() ||
		   (access("/dev/mqueue/queue", F_OK) == 0 && syscall(SYS_mq_unlink, "queue") == 0));
	live_check(access("/dev/mqueue/queue", F_OK) < 0);
	fd = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	live_check(fd >= 0 && close(fd) == 0);
	fd = open("/dev/file", O_WRONLY);
	live_check(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	live_check(umount("/data/deep") == 0 && access("/data/deep/sh", F_OK) == 0);
	bind_at("/dev/shm", "/data/deep", MS_NOEXEC);
}

int main(int argc, char **argv)
{
	char *before, *after, link[64] = "";

	live_setup(argc, argv);
	live_needs_host("it makes device nodes");
	if (!getenv("CPT_LIVE_STAGE")) {
		live_own_mounts();
		become_container(argv);
	}
	before = mounts();
	live_ready();

	after = mounts();
	if (strcmp(before, after) != 0) {
		size_t at = 0;

		while (before[at] == after[at])
			at++;
		while (at && before[at - 1] != '\n')
			at--;
		live_fail("mounts were\n%.300s\nand are\n%.300s", before + at, after + at);
	}
	live_check(readlink("/proc/self", link, sizeof(link) - 1) > 0 && atoi(link) == getpid());
	check_contents();
	check_groups();
	live_pass();
}
