// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy-on-write sharing survives: a parent and three children have 16 MiB in
 * common; when all have read it again, it is in memory once, not four times.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define LEN (16 * 1024 * 1024ul)
#define CHILDREN 3

static char *common;

/* KiB of @common that are this process's share: a page used by four counts a quarter. */
static long pss_of_common(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	bool inside = false;
	long kib = -1, n;

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)common && (unsigned long)common < end;
		if (inside && sscanf(line, "Pss: %ld", &n) == 1)
			kib = n;
	}
	if (f)
		fclose(f);
	return kib;
}

static void child_main(int nr, const int go[2], const int done[2])
{
	char c;

	pattern_fill(common + (size_t)nr * PAGE, PAGE, 50 + (uint64_t)nr);	/* one page of its own */
	if (write(done[1], "r", 1) != 1 || read(go[0], &c, 1) != 1)
		_exit(2);
	if (pattern_check(common + (size_t)nr * PAGE, PAGE, 50 + (uint64_t)nr) >= 0)
		_exit(3);
	for (size_t i = 8 * PAGE; i < LEN; i += 8)
		if (*(uint64_t *)(void *)(common + i) != ((7ull << 32) ^ (i / 8 * 0x9e3779b97f4a7c15u)))
			_exit(4);
	if (write(done[1], "d", 1) != 1)
		_exit(2);
	for (;;)
		pause();
}

static void hear(int fd, const char *what)
{
	for (int i = 0; i < CHILDREN; i++) {
		char c;

		if (read(fd, &c, 1) != 1 || c != *what)
			live_fail("a child does not answer");
	}
}

int main(int argc, char **argv)
{
	int go[2], done[2];
	pid_t children[CHILDREN];
	long kib;

	live_setup(argc, argv);
	common = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED || pipe(go) < 0 || pipe(done) < 0)
		live_fail("make memory and pipes");
	pattern_fill(common, LEN, 7);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] == 0)
			child_main(i + 1, go, done);
	}
	hear(done[0], "r");
	live_ready();

	if (pattern_check(common, LEN, 7) >= 0)
		live_fail("the parent's page %ld is not what it was", pattern_check(common, LEN, 7));
	for (int i = 0; i < CHILDREN; i++) {
		int status;

		if (write(go[1], "", 1) != 1)
			live_fail("a child is gone");
		if (waitpid(children[i], &status, WNOHANG) == children[i])
			live_fail("child %d: its memory is not what it was (status %#x)", i, status);
	}
	hear(done[0], "d");
	kib = pss_of_common();
	if (kib < 0 || kib > (long)(LEN / 1024 / 4 + 256))
		live_fail("%ld KiB of the common memory are the parent's own, a quarter would be %lu", kib, LEN / 4096);
	for (int i = 0; i < CHILDREN; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	live_pass();
}
