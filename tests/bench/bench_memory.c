// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process with much memory, for scripts/bench: `bench_memory FILE MIB`.
 *
 * A thread makes heartbeats in FILE (bench_shared.h); ops are 'd': change 1 % of the
 * pages, which gives how many; and 'v': verify all memory, 1 when every byte is as it
 * was written. All memory but FILE is anonymous, private and filled with random words,
 * so that nothing compresses and no page is zero.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "bench_shared.h"

#define PAGE_WORDS (4096 / sizeof(uint64_t))
static struct shared *shared;
static uint64_t *memory, nr_pages, sum;
static uint64_t random_state = 0x9e3779b97f4a7c15;

/* xorshift64, Marsaglia 2003 */
static uint64_t random_word(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *beat(void *arg)
{
	for (;;)
		shared_beat(shared);
	return arg;
}

/* Depends on which page it is, what is in it, and in which order. */
static uint64_t page_sum(uint64_t page)
{
	const uint64_t *p = memory + page * PAGE_WORDS;
	uint64_t h = page;

	for (size_t i = 0; i < PAGE_WORDS; i++)
		h = h * 0x100000001b3 + p[i];
	return h;
}

static uint64_t memory_sum(void)
{
	uint64_t s = 0;

	for (uint64_t page = 0; page < nr_pages; page++)
		s += page_sum(page);
	return s;
}

/* Change one word in each of @nr different pages, anywhere. */
static uint64_t dirty(uint64_t nr)
{
	unsigned char *chosen = calloc(nr_pages, 1);

	if (!chosen)
		return 0;
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t page;

		do
			page = random_word() % nr_pages;
		while (chosen[page]);
		chosen[page] = 1;
		sum -= page_sum(page);
		memory[page * PAGE_WORDS + random_word() % PAGE_WORDS] = random_word();
		sum += page_sum(page);
	}
	free(chosen);
	return nr;
}

static void serve(void)
{
	uint64_t request = shared->request;

	if (request == shared->done)
		return;
	if (shared->op == 'd')
		shared->result = dirty(nr_pages / 100);
	else
		shared->result = memory_sum() == sum;
	shared->done_ns = shared_now_ns();
	shared->done = request;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	size_t bytes;

	if (argc != 3 || atoi(argv[2]) < 1) {
		fputs("usage: bench_memory FILE MIB\n", stderr);
		return 2;
	}
	bytes = (size_t)atoi(argv[2]) << 20;
	nr_pages = bytes / 4096;
	shared = shared_map(argv[1]);
	if (!shared)
		return fail(argv[1]);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return fail("mmap");
	for (size_t i = 0; i < bytes / sizeof(*memory); i++)
		memory[i] = random_word();
	sum = memory_sum();
	if (pthread_create(&thread, NULL, beat, NULL) != 0)
		return fail("pthread_create");
	for (;;) {
		serve();
		nap();
	}
}
