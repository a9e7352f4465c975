// SPDX-License-Identifier: GPL-2.0-only
/* The list of mappings is the same afterwards: places, permissions, offsets, names, VmFlags. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define ROOM (512 * 1024)
#define AT(n) ((char *)0x210000000000 + (n) * 0x1000000ul)

static char text[ROOM], before[ROOM], after[ROOM];

static size_t read_smaps(void)
{
	int fd = open("/proc/self/smaps", O_RDONLY);
	size_t len = 0;
	ssize_t n;

	while (len < ROOM - 1 && (n = read(fd, text + len, ROOM - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = 0;
	return len;
}

/* Only what must stay: device and inode of shared memory are new ones, soft-dirty bits are nobody's promise. */
static void read_mappings(char *to)
{
	char *save = NULL;

	read_smaps();
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char range[40], perms[8], offset[20];
		int path = 0;

		if (sscanf(line, "%39s %7s %19s %*s %*s %n", range, perms, offset, &path) >= 3 && strchr(range, '-'))
			to += sprintf(to, "%s %s %s %s\n", range, perms, offset, line + path);
		else if (strncmp(line, "VmFlags:", 8) == 0) {
			char *sd = strstr(line, " sd");

			if (sd)
				memmove(sd, sd + 3, strlen(sd + 3) + 1);
			to += sprintf(to, "\t%s\n", line);
		}
	}
	*to = 0;
}

static char *map(int n, size_t pages, int prot, int flags, int fd)
{
	char *p = mmap(AT(n), pages * PAGE, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (p != AT(n))
		live_fail("mmap %d", n);
	return p;
}

static void make_advised(void)
{
	static const int advice[] = {
		MADV_DONTFORK, MADV_DONTDUMP, MADV_WIPEONFORK, MADV_SEQUENTIAL, MADV_RANDOM, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
	};
	char *p = map(1, 64, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++)
		madvise(p + i * 8 * PAGE, 4 * PAGE, advice[i]);
	p = map(2, 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (mlock(p, 4 * PAGE) < 0 || mlock2(p + 8 * PAGE, 4 * PAGE, MLOCK_ONFAULT) < 0)
		live_fail("mlock");
}

static void make_neighbours(void)
{
	char *p = map(3, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *q = mmap(p + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	*p = *q = 1;	/* each has a page before they meet: they stay two */
	mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void make_others(void)
{
	int self = open("/proc/self/exe", O_RDONLY);
	char *p = map(4, 64, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	mprotect(p, 16 * PAGE, PROT_READ | PROT_WRITE);
	map(5, 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1);
	p = map(6, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE, self);
	*p = 1;
	mprotect(p, PAGE, PROT_READ);		/* as a dynamic linker does after relocation */
	map(7, 2, PROT_READ, MAP_SHARED, self);
	p = map(8, 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	mprotect(p + 4 * PAGE, PAGE, PROT_READ);
	p = map(9, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	*p = 1;
	mprotect(p, 4 * PAGE, PROT_READ);	/* read-only, yet committed */
	close(self);
}

int main(int argc, char **argv)
{
	live_setup(argc, argv);
	make_advised();
	make_neighbours();
	make_others();
	read_mappings(before);
	live_ready();

	read_mappings(after);
	for (char *a = before, *b = after; *a || *b; a++, b++)
		if (*a != *b) {
			while (a > before && a[-1] != '\n' && b > after)
				a--, b--;
			live_fail("was: %.*s is: %.*s", (int)strcspn(a, "\n"), a, (int)strcspn(b, "\n"), b);
		}
	live_pass();
}
