/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file that a program measured shares with scripts/bench, which survives the
 * program: how the bench asks for something, and sees when the program runs.
 */
#pragma once
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NR_TIMES 65536

/* scripts/bench_common.py knows this layout. All 64-bit words of the machine. */
struct shared {
	_Atomic uint64_t beats;		/* heartbeats so far; that of number n is at times[n % NR_TIMES] */
	_Atomic uint64_t request;	/* counted up by the bench to ask for op */
	_Atomic uint64_t op;		/* what is asked for */
	_Atomic uint64_t done;		/* the last request that was carried out */
	_Atomic uint64_t result;	/* what came of it */
	_Atomic uint64_t done_ns;	/* CLOCK_REALTIME when it was done */
	_Atomic uint64_t next;		/* heartbeats begun; a restored thread may be in the middle of an old one */
	uint64_t unused;
	_Atomic uint64_t times[NR_TIMES];	/* CLOCK_REALTIME, ns */
};

/* Make @path and map it. NULL and errno. */
static inline struct shared *shared_map(const char *path)
{
	struct shared *s = MAP_FAILED;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0 && ftruncate(fd, sizeof(*s)) == 0)
		s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return s == MAP_FAILED ? NULL : s;
}

/* Not CLOCK_MONOTONIC: CRIU restores into a time namespace in which that goes on from the dump. */
static inline uint64_t shared_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A heartbeat, and a millisecond's pause. */
static inline void shared_beat(struct shared *s)
{
	uint64_t n = ++s->next;

	s->times[n % NR_TIMES] = shared_now_ns();
	s->beats = n;
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}
