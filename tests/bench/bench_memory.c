// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process with much memory, for scripts/bench: `bench_memory FILE MIB`.
 *
 * FILE is mapped shared and survives the process, so it is how the bench asks
 * for something and how it sees when the process runs: a thread writes the time
 * there every millisecond. Everything else is in anonymous private memory filled
 * with random words, so that nothing compresses and no page is zero.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_WORDS (4096 / sizeof(uint64_t))
#define NR_TIMES 65536

/* scripts/bench knows this layout. All 64-bit words of the machine. */
struct shared {
	_Atomic uint64_t beats;		/* heartbeats so far; that of number n is at times[n % NR_TIMES] */
	_Atomic uint64_t request;	/* counted up by the bench to ask for op */
	_Atomic uint64_t op;		/* 'd': change 1 % of the pages, 'v': verify all memory */
	_Atomic uint64_t done;		/* the last request that was carried out */
	_Atomic uint64_t result;	/* 'd': pages dirtied; 'v': 1 when every byte is as it was written */
	_Atomic uint64_t done_ns;	/* CLOCK_REALTIME when it was done */
	_Atomic uint64_t next;		/* heartbeats begun; a restored thread may be in the middle of an old one */
	uint64_t unused;
	_Atomic uint64_t times[NR_TIMES];	/* CLOCK_REALTIME, ns */
};

static struct shared *shared;
static uint64_t *memory, nr_pages, sum;
static uint64_t random_state = 0x9e3779b97f4a7c15;

/* Not CLOCK_MONOTONIC: CRIU restores into a time namespace in which that goes on from the dump. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

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
	for (;;) {
		uint64_t n = ++shared->next;

		shared->times[n % NR_TIMES] = now_ns();
		shared->beats = n;
		nap();
	}
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
	shared->done_ns = now_ns();
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
	int fd;

	if (argc != 3 || atoi(argv[2]) < 1) {
		fputs("usage: bench_memory FILE MIB\n", stderr);
		return 2;
	}
	bytes = (size_t)atoi(argv[2]) << 20;
	nr_pages = bytes / 4096;
	fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*shared)) < 0)
		return fail(argv[1]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || memory == MAP_FAILED)
		return fail("mmap");
	close(fd);
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
