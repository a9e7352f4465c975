// SPDX-License-Identifier: GPL-2.0-only
/*
 * Much of one thing, for scripts/bench: `bench_scale FILE tasks|descriptors|mappings N`.
 *
 * It makes heartbeats in FILE (bench_shared.h), whose `done` says that everything is there:
 * N processes, each with a page of its own; or a process with N descriptors, as many each
 * for files with an offset, ends of pipes, and eventfds; or one with N mappings, each of a
 * page that was written to and unlike its neighbours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <signal.h>
#include "bench_shared.h"

#define PAGE 4096

static int fail(const char *what)
{
	perror(what);
	return -1;
}

static int make_tasks(int nr)
{
	static volatile int own __attribute__((unused));

	for (int i = 1; i < nr; i++) {
		switch (fork()) {
		case -1:
			return fail("fork");
		case 0:
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			own = i;
			for (;;)
				pause();
		}
	}
	return 0;
}

static int make_descriptor(int i, const char *path)
{
	static int pipe_ends[2] = { -1, -1 };
	int fd;

	switch (i % 4) {
	case 0:
		return pipe2(pipe_ends, O_CLOEXEC) == 0 ? pipe_ends[0] : -1;
	case 1:
		return pipe_ends[1];
	case 2:
		return eventfd(i, EFD_CLOEXEC);
	default:
		fd = open(path, O_RDONLY | O_CLOEXEC);
		return lseek(fd, i, SEEK_SET) == i ? fd : -1;
	}
}

static int make_descriptors(int nr, const char *path)
{
	struct rlimit limit = { .rlim_cur = (rlim_t)nr + 64, .rlim_max = (rlim_t)nr + 64 };

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return fail("setrlimit");
	for (int i = 0; i < nr; i++)
		if (make_descriptor(i, path) < 0)
			return fail("make a descriptor");
	return 0;
}

/* Those beside each other differ in protection, so the kernel can't make one of them. */
static int make_mappings(int nr)
{
	char *start = mmap(NULL, (size_t)nr * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		return fail("mmap");
	for (int i = 0; i < nr; i++) {
		char *page = start + (size_t)i * PAGE;

		page[i % PAGE] = 1;
		if (i % 2 && mprotect(page, PAGE, PROT_READ) < 0)
			return fail("mprotect");
	}
	return 0;
}

static int make(const char *what, int nr, const char *path)
{
	if (strcmp(what, "tasks") == 0)
		return make_tasks(nr);
	if (strcmp(what, "descriptors") == 0)
		return make_descriptors(nr, path);
	return make_mappings(nr);
}

int main(int argc, char **argv)
{
	struct shared *shared;

	if (argc != 4 || atoi(argv[3]) < 1 || !strstr("tasks descriptors mappings", argv[2])) {
		fputs("usage: bench_scale FILE tasks|descriptors|mappings N\n", stderr);
		return 2;
	}
	shared = shared_map(argv[1]);
	if (!shared || make(argv[2], atoi(argv[3]), argv[1]) < 0)
		return 1;
	shared->done = 1;
	for (;;)
		shared_beat(shared);
}
