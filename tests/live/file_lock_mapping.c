// SPDX-License-Identifier: GPL-2.0-only
/* A lock that only a mapping keeps, its descriptor being closed, can't be told from outside: it is refused. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int fd;

	live_setup(argc, argv);
	fd = open(live_path("mapped"), O_RDWR | O_CREAT, 0600);
	live_check(fd >= 0 && ftruncate(fd, 4096) == 0 && flock(fd, LOCK_EX) == 0);
	live_check(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED && close(fd) == 0);
	live_refused("it seems to be held by the mapping");
	live_ready();

	fd = open(live_path("mapped"), O_RDWR);
	live_check(fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	live_pass();
}
