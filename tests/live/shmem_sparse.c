// SPDX-License-Identifier: GPL-2.0-only
/* Shared memory that is all holes but for a few pages takes the room of those pages, after snapshots and restores. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

#define SIZE (1L << 36)

int main(int argc, char **argv)
{
	struct stat st;
	char *p;
	int fd;

	live_setup(argc, argv);
	fd = memfd_create("sparse", 0);
	live_check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	live_check(p != MAP_FAILED);
	for (long at = 4096; at < SIZE; at *= 4) {
		live_check(pwrite(fd, &at, sizeof(at), at) == sizeof(at));
		memcpy(p + at, &at, sizeof(at));
	}
	live_ready();

	for (long at = 4096, there, here; at < SIZE; at *= 4) {
		live_check(pread(fd, &there, sizeof(there), at) == sizeof(there) && there == at);
		memcpy(&here, p + at, sizeof(here));
		live_check(here == at);
	}
	live_check(fstat(fd, &st) == 0 && st.st_size == SIZE && st.st_blocks < 64 * 8);
	live_pass();
}
