// SPDX-License-Identifier: GPL-2.0-only
/* Heap, arguments, environment, auxiliary vector, program, vdso: where they were, and of use. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

#define ROOM 65536

static const char *const files[] = { "/proc/self/cmdline", "/proc/self/environ", "/proc/self/auxv", "/proc/self/comm" };
#define NR_FILES (sizeof(files) / sizeof(*files))

static char before[NR_FILES][ROOM], after[NR_FILES][ROOM];
static ssize_t length[NR_FILES];

static ssize_t read_all_of(const char *path, char *to)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, len = 0;

	while (fd >= 0 && (n = read(fd, to + len, (size_t)(ROOM - len))) > 0)
		len += n;
	close(fd);
	return fd < 0 ? -1 : len;
}

/* Through the vdso: a wrong page behind it gives a wrong time or none. */
static void check_clock(const struct timespec *then)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || now.tv_sec < then->tv_sec || now.tv_sec > then->tv_sec + 86400)
		live_fail("the clock shows %ld, it was %ld", now.tv_sec, then->tv_sec);
}

int main(int argc, char **argv)
{
	char exe[4096] = "", exe_now[4096] = "";
	struct timespec then;
	char *end, *grown;

	live_setup(argc, argv);
	grown = sbrk(123456);		/* an end that is not a page's */
	memset(grown, 'x', 123456);
	end = sbrk(0);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	for (size_t i = 0; i < NR_FILES; i++)
		length[i] = read_all_of(files[i], before[i]);
	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		live_fail("read /proc/self/exe");
	clock_gettime(CLOCK_REALTIME, &then);
	live_ready();

	check_clock(&then);
	for (size_t i = 0; i < NR_FILES; i++)
		if (read_all_of(files[i], after[i]) != length[i] || memcmp(before[i], after[i], (size_t)length[i]) != 0)
			live_fail("%s is not what it was", files[i]);
	if (readlink("/proc/self/exe", exe_now, sizeof(exe_now) - 1) < 0 || strcmp(exe, exe_now) != 0)
		live_fail("the program was %s, it is %s", exe, exe_now);
	if (sbrk(0) != end || grown[0] != 'x' || end[-1] != 'x')
		live_fail("the heap ended at %p, it ends at %p", (void *)end, sbrk(0));
	if (sbrk(1 << 20) != end)
		live_fail("the heap can't grow");
	memset(end, 'y', 1 << 20);
	if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 1)
		live_fail("huge pages are not disabled any more");
	if (!getauxval(AT_SYSINFO_EHDR) || memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4) != 0)
		live_fail("the vdso is not where the auxiliary vector says");
	live_pass();
}
