// SPDX-License-Identifier: GPL-2.0-only
/* Removed directories that are open, or somebody works in, are removed directories afterwards. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

static struct stat stat_of(int fd)
{
	struct stat st;

	live_check(fstat(fd, &st) == 0);
	return st;
}

int main(int argc, char **argv)
{
	int dir, place, cwd, nested;
	struct stat st;
	char buf[512];
	DIR *d;

	live_setup(argc, argv);
	umask(0);
	live_check(mkdir(live_path("open"), 0712) == 0 && mkdir(live_path("cwd"), 0755) == 0);
	live_check(mkdir(live_path("cwd/nested"), 0700) == 0 && chown(live_path("cwd"), 12, 34) == 0);
	dir = open(live_path("open"), O_RDONLY | O_DIRECTORY);
	place = open(live_path("open"), O_PATH);
	nested = open(live_path("cwd/nested"), O_RDONLY);
	live_check(dir >= 0 && place >= 0 && nested >= 0 && chdir(live_path("cwd")) == 0);
	live_check(rmdir(live_path("open")) == 0 && rmdir("nested") == 0 && rmdir(live_path("cwd")) == 0);
	live_ready();

	st = stat_of(dir);
	live_check(st.st_nlink == 0 && st.st_mode == (S_IFDIR | 0712) && st.st_ino == stat_of(place).st_ino);
	live_check(openat(dir, "x", O_RDWR | O_CREAT, 0600) < 0 && errno == ENOENT);
	live_check((fcntl(place, F_GETFL) & O_PATH) && stat_of(nested).st_nlink == 0);
	live_check(!getcwd(buf, sizeof(buf)) && errno == ENOENT);
	cwd = open(".", O_RDONLY);
	st = stat_of(cwd);
	live_check(st.st_nlink == 0 && st.st_mode == (S_IFDIR | 0755) && st.st_uid == 12 && st.st_gid == 34);
	live_check(st.st_ino != stat_of(dir).st_ino && mkdir("y", 0700) < 0 && errno == ENOENT);
	d = fdopendir(dir);
	live_check(d && !readdir(d));
	live_check(access(live_path("open"), F_OK) < 0 && access(live_path("cwd"), F_OK) < 0);
	live_check(chdir("/") == 0 && getcwd(buf, sizeof(buf)));
	live_pass();
}
