// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that never rests: a thread goes on writing page after page at random
 * places, and whenever it is stopped all of them are what was written last.
 * Each SIGUSR1 begins an epoch, which is memory too: what was restored says
 * which one it is in, and in which cgroup, see tests/vm/containers.sh.
 */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define PAGES 2048u

static char *memory;
static uint16_t writes[PAGES];		/* how many times each page was written */
static volatile sig_atomic_t epoch;
static atomic_bool hold, held;

static void next_epoch(int signal)
{
	(void)signal;
	epoch++;
}

static uint64_t seed(unsigned int page)
{
	return (uint64_t)page << 16 | writes[page];
}

static void write_page(unsigned int page)
{
	writes[page]++;
	pattern_fill(memory + page * PAGE, PAGE, seed(page));
}

static void *writer_main(void *arg)
{
	sig_atomic_t told = 0;
	uint32_t random = 1;
	char name[32];

	for (;;) {
		random = random * 1664525 + 1013904223;		/* a generator of full period is enough */
		write_page(random >> 16 & (PAGES - 1));
		if (told != epoch) {
			told = epoch;
			snprintf(name, sizeof(name), "epoch-%d", (int)told);
			live_mark(name, "");
		}
		held = hold;
		while (hold)
			usleep(1000);
		held = false;
	}
	return arg;
}

/* The last part of the path of the cgroup that this process is in. */
static void own_cgroup(char *name, size_t len)
{
	FILE *f = fopen("/proc/self/cgroup", "r");
	char line[PATH_MAX];

	if (!f || !fgets(line, sizeof(line), f) || !strrchr(line, '/'))
		live_fail("/proc/self/cgroup");
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	snprintf(name, len, "%s", strrchr(line, '/') + 1);
}

int main(int argc, char **argv)
{
	char cgroup[200], name[256], text[32];
	pthread_t writer;

	live_setup(argc, argv);
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	live_check(memory != MAP_FAILED);
	for (unsigned int page = 0; page < PAGES; page++)
		write_page(page);
	signal(SIGUSR1, next_epoch);
	live_check(pthread_create(&writer, NULL, writer_main, NULL) == 0);
	live_ready();

	hold = true;
	while (!held)
		usleep(1000);
	for (unsigned int page = 0; page < PAGES; page++)
		if (pattern_check(memory + page * PAGE, PAGE, seed(page)) >= 0)
			live_fail("page %u is not what it was after %u writes to it", page, writes[page]);
	own_cgroup(cgroup, sizeof(cgroup));
	snprintf(name, sizeof(name), "found.%s", cgroup);
	snprintf(text, sizeof(text), "%d\n", (int)epoch);
	live_mark(name, text);
	live_pass();
}
