// SPDX-License-Identifier: GPL-2.0-only
/* What is in a tmpfs of the container's own: every sort of file, with owner, mode, times, attributes, links, holes. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>
#include "live.h"

#define MIB (1L << 20)

static int root;

/* A line for each file: all that stat(2) tells and that is not for one boot only. */
static void describe(FILE *to, int dir, const char *path)
{
	struct dirent **names;
	char target[256];
	int nr = scandirat(dir, ".", &names, NULL, alphasort);

	live_check(nr >= 0);
	for (int i = 0; i < nr; i++) {
		const char *name = names[i]->d_name;
		struct stat st;
		ssize_t len;

		if (strcmp(name, "..") == 0 || (*path && strcmp(name, ".") == 0))
			continue;
		live_check(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
		fprintf(to, "%s/%s %o %d:%d %ld links %lu rdev %lx %ld.%09ld %ld.%09ld", path, name, st.st_mode, st.st_uid,
			st.st_gid, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size, (unsigned long)st.st_nlink,
			(unsigned long)st.st_rdev, st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
		len = S_ISLNK(st.st_mode) ? readlinkat(dir, name, target, sizeof(target)) : 0;
		fprintf(to, " %.*s\n", (int)len, target);
		if (S_ISDIR(st.st_mode) && strcmp(name, ".") != 0) {
			char below[1024];
			int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOATIME);

			snprintf(below, sizeof(below), "%s/%s", path, name);
			describe(to, fd, below);
			close(fd);
		}
	}
	for (int i = 0; i < nr; i++)
		free(names[i]);
	free(names);
}

static char *description(void)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	describe(to, root, "");
	fclose(to);
	return text;
}

static int make(const char *name, mode_t mode)
{
	int fd = openat(root, name, O_CREAT | O_EXCL | O_RDWR, 0600);

	live_check(fd >= 0 && fchmod(fd, mode) == 0);
	return fd;
}

static void age(const char *name, long atime, long mtime)
{
	struct timespec times[2] = { { atime, 123456789 }, { mtime, 987654321 } };

	live_check(utimensat(root, name, times, AT_SYMLINK_NOFOLLOW) == 0);
}

static void make_sparse(void)
{
	int fd = make("sparse", 0640);

	live_check(ftruncate(fd, (1L << 40) + 5) == 0);
	for (long i = 0; i < 300; i++)
		live_check(pwrite(fd, &i, sizeof(i), i * 3 * 4096 + 100) == sizeof(i));
	live_check(pwrite(fd, "end", 3, 1L << 40) == 3);
	live_check(close(fd) == 0);
}

/* The first page is all zeroes, which may have become a hole. */
static void check_sparse(void)
{
	int fd = openat(root, "sparse", O_RDONLY | O_NOATIME);
	char text[5] = "";
	struct stat st;

	live_check(fstat(fd, &st) == 0 && st.st_size == (1L << 40) + 5 && st.st_blocks <= 302 * 8 && st.st_blocks >= 300 * 8);
	for (long i = 0, n[2]; i < 300; i++)
		live_check(pread(fd, n, sizeof(n), i * 3 * 4096 + 100) == sizeof(n) && n[0] == i && n[1] == 0 &&
			   pread(fd, n, sizeof(n), i * 3 * 4096 + 4096) == sizeof(n) && n[0] == 0);
	live_check(lseek(fd, 1000 * 4096, SEEK_DATA) == 1L << 40);
	live_check(pread(fd, text, 5, 1L << 40) == 5 && memcmp(text, "end\0", 5) == 0);
	live_check(close(fd) == 0);
}

/* Everything that has a name. */
static void populate(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char name[300], deep[200];
	int fd;

	live_check(fchmod(root, 01750) == 0 && fchown(root, 3, 4) == 0);
	fd = make("file", 04751);
	live_check(write(fd, "hello", 5) == 5 && fchown(fd, 1000, 1001) == 0 && fchmod(fd, 04751) == 0 && close(fd) == 0);
	live_check(close(make("empty", 0)) == 0);
	make_sparse();
	live_check(mkdirat(root, "dir", 0) == 0 && mkdirat(root, "dir/empty", 01777) == 0 && fchmodat(root, "dir", 02711, 0) == 0);
	live_check(symlinkat("../no such thing", root, "dir/link") == 0 && fchownat(root, "dir/link", 5, 6, AT_SYMLINK_NOFOLLOW) == 0);
	live_check(symlinkat("/etc", root, "etc") == 0);
	live_check(mknodat(root, "fifo", S_IFIFO | 0622, 0) == 0);
	live_check(mknodat(root, "null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	live_check(mknodat(root, "disk", S_IFBLK | 0660, makedev(259, 70000)) == 0);
	live_check(linkat(root, "file", root, "dir/hard", 0) == 0 && linkat(root, "fifo", root, "dir/hard fifo", 0) == 0);
	live_check(linkat(root, "etc", root, "dir/hard link", 0) == 0);
	live_check(fsetxattr(root, "trusted.cpt", "root", 4, 0) == 0);
	snprintf(name, sizeof(name), "%s/dir", live_path("tmpfs"));
	live_check(setxattr(name, "trusted.empty", "", 0, 0) == 0);
	snprintf(name, sizeof(name), "%s/etc", live_path("tmpfs"));
	live_check(lsetxattr(name, "trusted.link", "\0\1", 2, 0) == 0);
	snprintf(name, sizeof(name), "%s/a\n \\ b", live_path("tmpfs"));
	live_check(close(open(name, O_CREAT | O_EXCL | O_RDWR, 0600)) == 0);
	strcpy(deep, "d");
	for (int i = 0; i < 40; i++) {
		live_check(mkdirat(root, deep, 0755) == 0);
		strcat(deep, "/d");
	}
	/* The file of a socket that is gone. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/sock", root);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	live_check(fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && close(fd) == 0);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "dir/%0*d", 1 + i % 200, i);
		fd = make(name, 0600);
		live_check(write(fd, name, strlen(name)) > 0 && close(fd) == 0);
	}
}

static void check_attribute(const char *name, const char *attribute, const char *value, ssize_t len)
{
	char path[4096], found[16];

	snprintf(path, sizeof(path), "%s/%s", live_path("tmpfs"), name);
	live_check(lgetxattr(path, attribute, found, sizeof(found)) == len && memcmp(found, value, (size_t)len) == 0);
}

static void check_text(const char *name, const char *text)
{
	int fd = openat(root, name, O_RDONLY | O_NOATIME);
	char found[300] = "";

	live_check(fd >= 0 && read(fd, found, sizeof(found)) == (ssize_t)strlen(text) && strcmp(found, text) == 0);
	live_check(close(fd) == 0);
}

int main(int argc, char **argv)
{
	char *before, *after, name[300];
	int fd;

	live_setup(argc, argv);
	live_needs_host("it makes device nodes");
	live_own_mounts();
	live_check(mkdir(live_path("tmpfs"), 0700) == 0);
	live_check(mount("own", live_path("tmpfs"), "tmpfs", MS_NOSUID | MS_NOATIME, "size=32m,nr_inodes=1000,mode=711,uid=9,gid=8") == 0);
	root = open(live_path("tmpfs"), O_RDONLY | O_DIRECTORY);
	live_check(root >= 0);
	populate();
	age("dir/link", 1, 2);
	age("file", 1L << 31, 3);
	age("dir/empty", -5, -1000000);
	age("d/d/d", 77, 78);
	age("fifo", 10, 20);
	age("sparse", 30, 40);
	age("dir", 5, 6);
	before = description();
	live_check(strstr(before, "/file 104751 1000:1001 5 links 2 ") != NULL);

	live_ready();

	after = description();
	if (strcmp(before, after) != 0) {
		size_t at = 0;

		while (before[at] == after[at])
			at++;
		while (at && before[at - 1] != '\n')
			at--;
		live_fail("it was\n%.200s and is\n%.200s", before + at, after + at);
	}
	check_text("file", "hello");
	check_text("dir/hard", "hello");
	check_text("empty", "");
	check_sparse();
	check_attribute(".", "trusted.cpt", "root", 4);
	check_attribute("dir", "trusted.empty", "", 0);
	check_attribute("etc", "trusted.link", "\0\1", 2);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "dir/%0*d", 1 + i % 200, i);
		check_text(name, name);
	}
	/* Two names, one file; and limits that still hold. */
	fd = openat(root, "dir/hard", O_WRONLY);
	live_check(pwrite(fd, "J", 1, 0) == 1 && close(fd) == 0);
	check_text("file", "Jello");
	fd = make("big", 0600);
	live_check(posix_fallocate(fd, 0, 29 * MIB) == 0 && posix_fallocate(fd, 0, 33 * MIB) != 0 && close(fd) == 0);
	live_pass();
}
