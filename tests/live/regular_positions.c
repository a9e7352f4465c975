// SPDX-License-Identifier: GPL-2.0-only
/* Regular files, a directory half read, and devices are open as they were. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int append, sync, zero, null, dirfd;
	char buf[16] = "x", name[300] = "";
	struct dirent *d;
	DIR *dir;
	int seen = 0;

	live_setup(argc, argv);
	append = open(live_path("append"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	sync = open(live_path("sync"), O_RDWR | O_CREAT | O_DSYNC | O_NOATIME, 0600);
	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	live_check(append >= 0 && sync >= 0 && zero >= 0 && null >= 0);
	live_check(write(append, "first", 5) == 5 && pwrite(sync, "0123456789", 10, 0) == 10 && lseek(sync, 4, SEEK_SET) == 4);
	live_check(mkdir(live_path("d"), 0700) == 0);
	for (int i = 0; i < 5; i++) {
		char sub[8] = { 'd', '/', (char)('a' + i), 0 };

		live_check(close(creat(live_path(sub), 0600)) == 0);
	}
	dirfd = open(live_path("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	live_check(dirfd >= 0);
	live_ready();

	live_check(write(append, "second", 6) == 6 && lseek(append, 0, SEEK_CUR) >= 11);
	live_check(read(sync, buf, 3) == 3 && memcmp(buf, "456", 3) == 0);
	live_check((fcntl(sync, F_GETFL) & (O_DSYNC | O_NOATIME)) == (O_DSYNC | O_NOATIME));
	live_check(read(zero, buf, sizeof(buf)) == (ssize_t)sizeof(buf) && buf[0] == 0 && write(null, buf, 1) == 1);
	live_check(mkdirat(dirfd, "new", 0700) == 0 && unlinkat(dirfd, "new", AT_REMOVEDIR) == 0);
	dir = fdopendir(dirfd);
	live_check(dir);
	while ((d = readdir(dir))) {
		snprintf(name, sizeof(name), "%s", d->d_name);
		seen += name[0] != '.';
	}
	live_check(seen == 5);
	live_pass();
}
