// SPDX-License-Identifier: GPL-2.0-only
/* A big file of a tmpfs is not read when it is restored, but when it is looked at; its pages come from the swap volume. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

#define PAGE 4096L
#define PAGES 4096L	/* 16 MiB */

static long pages_read(void)
{
	FILE *f = fopen("/proc/vmstat", "re");
	char line[128];
	long n = -1;

	live_check(f);
	while (n < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "pswpin %ld", &n);
	fclose(f);
	live_check(n >= 0);
	return n;
}

static long resident(char *p)
{
	static unsigned char in[PAGES];
	long n = 0;

	live_check(mincore(p, PAGES * PAGE, in) == 0);
	for (long i = 0; i < PAGES; i++)
		n += in[i] & 1;
	return n;
}

int main(int argc, char **argv)
{
	struct stat before, after;
	long page[PAGE / sizeof(long)], was;
	char *p;
	int fd;

	live_setup(argc, argv);
	live_own_mounts();
	live_check(mkdir(live_path("tmpfs"), 0700) == 0);
	live_check(mount("own", live_path("tmpfs"), "tmpfs", 0, NULL) == 0);
	fd = open(live_path("tmpfs/big"), O_CREAT | O_RDWR, 0600);
	live_check(fd >= 0);
	for (long i = 0; i < PAGES; i++) {
		for (size_t j = 0; j < PAGE / sizeof(long); j++)
			page[j] = i * 2654435761L + (long)j * 40503 + 1;
		live_check(write(fd, page, PAGE) == PAGE);
	}
	live_check(fstat(fd, &before) == 0 && close(fd) == 0);

	live_ready();

	live_check(stat(live_path("tmpfs/big"), &after) == 0 && after.st_size == PAGES * PAGE);
	fd = open(live_path("tmpfs/big"), O_RDONLY);
	p = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	live_check(p != MAP_FAILED);
	was = pages_read();
	/* Only a restore makes it anew. */
	if (after.st_ctim.tv_sec != before.st_ctim.tv_sec || after.st_ctim.tv_nsec != before.st_ctim.tv_nsec) {
		if (resident(p) > PAGES / 100)
			live_fail("%ld of %ld pages are in memory before they are looked at", resident(p), PAGES);
	} else {
		live_check(resident(p) == PAGES);
	}
	for (long i = 0; i < PAGES; i++)
		for (size_t j = 0; j < PAGE / sizeof(long); j++)
			live_check(((long *)(void *)p)[i * PAGE / (long)sizeof(long) + (long)j] == i * 2654435761L + (long)j * 40503 + 1);
	live_check(resident(p) == PAGES);
	if (after.st_ctim.tv_nsec != before.st_ctim.tv_nsec)
		live_check(pages_read() - was >= PAGES * 9 / 10);
	live_check(munmap(p, PAGES * PAGE) == 0 && close(fd) == 0);
	live_pass();
}
