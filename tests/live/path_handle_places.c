// SPDX-License-Identifier: GPL-2.0-only
/* Handles of places (O_PATH) lead where they led, whatever is there, and still give nothing but the place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

static ino_t ino_of(int fd)
{
	struct stat st;

	live_check(fstat(fd, &st) == 0);
	return st.st_ino;
}

int main(int argc, char **argv)
{
	int file, dir, link, fifo, device, fd;
	ino_t inos[4];
	char buf[16];

	live_setup(argc, argv);
	fd = open(live_path("file"), O_RDWR | O_CREAT | O_TRUNC, 0600);
	live_check(fd >= 0 && write(fd, "inside", 6) == 6 && close(fd) == 0);
	live_check(mkdir(live_path("dir"), 0700) == 0 && symlink("nowhere", live_path("link")) == 0);
	live_check(mkfifo(live_path("fifo"), 0600) == 0);
	file = open(live_path("file"), O_PATH);
	dir = open(live_path("dir"), O_PATH | O_DIRECTORY);
	link = open(live_path("link"), O_PATH | O_NOFOLLOW);
	fifo = open(live_path("fifo"), O_PATH | O_CLOEXEC);
	device = open("/dev/null", O_PATH);
	live_check(file >= 0 && dir >= 0 && link >= 0 && fifo >= 0 && device >= 0);
	inos[0] = ino_of(file);
	inos[1] = ino_of(dir);
	inos[2] = ino_of(link);
	inos[3] = ino_of(fifo);
	/* It is found where it was moved to. */
	live_check(rename(live_path("file"), live_path("moved")) == 0);
	live_ready();

	live_check(ino_of(file) == inos[0] && ino_of(dir) == inos[1] && ino_of(link) == inos[2] && ino_of(fifo) == inos[3]);
	live_check((fcntl(file, F_GETFL) & ~O_LARGEFILE) == O_PATH);
	live_check((fcntl(dir, F_GETFL) & ~O_LARGEFILE) == (O_PATH | O_DIRECTORY));
	live_check((fcntl(link, F_GETFL) & ~O_LARGEFILE) == (O_PATH | O_NOFOLLOW));
	live_check(fcntl(fifo, F_GETFD) == FD_CLOEXEC && fcntl(file, F_GETFD) == 0);
	live_check(read(file, buf, 1) < 0 && errno == EBADF);
	live_check(readlinkat(link, "", buf, sizeof(buf)) == 7 && memcmp(buf, "nowhere", 7) == 0);
	fd = open("/proc/self/fd/3", O_RDONLY);
	live_check(file == 3 && fd >= 0 && read(fd, buf, sizeof(buf)) == 6 && memcmp(buf, "inside", 6) == 0);
	live_check(mkdirat(dir, "new", 0700) == 0 && unlinkat(dir, "new", AT_REMOVEDIR) == 0);
	live_check(faccessat(AT_FDCWD, live_path("dir"), W_OK, 0) == 0 && access("/dev/null", W_OK) == 0);
	live_check(openat(device, "x", O_RDONLY) < 0 && errno == ENOTDIR);
	live_pass();
}
