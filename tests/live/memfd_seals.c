// SPDX-License-Identifier: GPL-2.0-only
/* A memfd keeps name, size, bytes, positions of two open files, and seals; mappings and files are one memory. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define PAGES 64
#define SEALS (F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE)

static void check_link(int fd)
{
	char path[32], link[128] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, link, sizeof(link) - 1) < 0 || strcmp(link, "/memfd:a log (deleted)") != 0)
		live_fail("the descriptor leads to %s", link);
}

int main(int argc, char **argv)
{
	int fd, again, plain;
	char path[32], *p, byte;
	struct stat st;

	live_setup(argc, argv);
	fd = memfd_create("a log", MFD_ALLOW_SEALING);
	plain = memfd_create("plain", 0);
	if (fd < 0 || plain < 0 || ftruncate(fd, PAGES * PAGE - 100) < 0 || write(plain, "hello", 5) != 5)
		live_fail("memfd_create");
	p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		live_fail("mmap");
	pattern_fill(p, 16 * PAGE, 9);		/* the rest are holes */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY);
	if (fcntl(fd, F_ADD_SEALS, SEALS) < 0 || lseek(fd, 4321, SEEK_SET) < 0 || lseek(again, 8 * PAGE, SEEK_SET) < 0)
		live_fail("seal");
	live_ready();

	check_link(fd);
	if (fcntl(fd, F_GET_SEALS) != SEALS || fcntl(plain, F_GET_SEALS) != F_SEAL_SEAL)
		live_fail("seals are %#x and %#x", fcntl(fd, F_GET_SEALS), fcntl(plain, F_GET_SEALS));
	if (fstat(fd, &st) < 0 || st.st_size != (off_t)(PAGES * PAGE - 100))
		live_fail("its size is %ld", (long)st.st_size);
	if (lseek(fd, 0, SEEK_CUR) != 4321 || lseek(again, 0, SEEK_CUR) != (off_t)(8 * PAGE) ||
	    lseek(plain, 0, SEEK_CUR) != 5)
		live_fail("positions are %ld, %ld", (long)lseek(fd, 0, SEEK_CUR), (long)lseek(again, 0, SEEK_CUR));
	if (pattern_check(p, 16 * PAGE, 9) >= 0 || !all_zero(p + 16 * PAGE, (PAGES - 17) * PAGE))
		live_fail("its bytes are not what they were");
	p[20 * PAGE] = 'z';
	if (pread(again, &byte, 1, 20 * PAGE) != 1 || byte != 'z')
		live_fail("mapping and file are not one memory any more");
	if (mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
		live_fail("a sealed memfd can be mapped for writing");
	if ((fcntl(again, F_GETFL) & O_ACCMODE) != O_RDONLY || write(again, "x", 1) >= 0)
		live_fail("the read-only descriptor can write");
	live_pass();
}
