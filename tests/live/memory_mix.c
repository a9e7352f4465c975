// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every sort of page at once: zero, huge, shared by fork, locked, of a private
 * file mapping, of shared memory, merged by KSM, and swapped out already. Every
 * byte is the same afterwards, in parent and child, and writes stay apart.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define MIB (1024 * 1024ul)

enum area { ZERO, HUGE, FORKED, LOCKED, FILED, SHARED, MEMFD, MERGED, SWAPPED, SPARSE, NR_AREAS };
static const char *const names[NR_AREAS] = {
	"zero", "huge", "forked", "locked", "private file", "shared", "memfd", "merged", "swapped out", "sparse",
};
static const size_t sizes[NR_AREAS] = {
	[ZERO] = 2 * MIB, [HUGE] = 8 * MIB, [FORKED] = 6 * MIB, [LOCKED] = MIB, [FILED] = 16 * PAGE, [SHARED] = 3 * MIB,
	[MEMFD] = 2 * MIB, [MERGED] = MIB, [SWAPPED] = 4 * MIB, [SPARSE] = 32 * MIB,
};
static char *areas[NR_AREAS];

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		live_fail("%s", path);
	close(fd);
}

/* Merging is ksmd's own business: wait until it has found all equal pages. */
static void wait_merged(void)
{
	long merged = 0;

	for (int i = 0; merged < (long)(sizes[MERGED] / PAGE) - 1; i++) {
		FILE *f = fopen("/sys/kernel/mm/ksm/pages_sharing", "r");

		if (!f || fscanf(f, "%ld", &merged) != 1 || i > 3000)
			live_fail("KSM has merged %ld pages after %d ms", merged, i * 10);
		fclose(f);
		usleep(10000);
	}
}

static char *map(enum area a, int flags, int fd)
{
	char *p = mmap(NULL, sizes[a], PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		live_fail("mmap %s memory", names[a]);
	areas[a] = p;
	return p;
}

static void make_private(void)
{
	char *p;

	memset(map(ZERO, MAP_PRIVATE | MAP_ANONYMOUS, -1), 0, sizes[ZERO]);
	p = map(HUGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(p, sizes[HUGE], MADV_HUGEPAGE);
	pattern_fill(p, sizes[HUGE], HUGE);
	pattern_fill(map(FORKED, MAP_PRIVATE | MAP_ANONYMOUS, -1), sizes[FORKED], FORKED);
	p = map(LOCKED, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (mlock(p, sizes[LOCKED]) < 0)
		live_fail("mlock");
	pattern_fill(p, sizes[LOCKED], LOCKED);
	p = map(MERGED, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	for (size_t i = 0; i < sizes[MERGED]; i += PAGE)
		pattern_fill(p + i, PAGE, MERGED);	/* equal pages */
	madvise(p, sizes[MERGED], MADV_MERGEABLE);
	p = map(SWAPPED, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	pattern_fill(p, sizes[SWAPPED], SWAPPED);
	madvise(p, sizes[SWAPPED], MADV_PAGEOUT);
	p = map(SPARSE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	madvise(p, sizes[SPARSE], MADV_NOHUGEPAGE);
	for (size_t i = 0; i < sizes[SPARSE]; i += 7 * PAGE)
		pattern_fill(p + i, PAGE, i);
}

static void make_others(void)
{
	int self = open("/proc/self/exe", O_RDONLY), fd = memfd_create("mix", 0);

	if (self < 0 || fd < 0 || ftruncate(fd, (off_t)sizes[MEMFD]) < 0)
		live_fail("files");
	pattern_fill(map(FILED, MAP_PRIVATE, self) + PAGE, PAGE, FILED);
	memset(areas[FILED] + 2 * PAGE, 0, PAGE);
	pattern_fill(map(SHARED, MAP_SHARED | MAP_ANONYMOUS, -1), 2 * MIB, SHARED);
	pattern_fill(map(MEMFD, MAP_SHARED, fd) + MIB, MIB, MEMFD);
	close(self);
	close(fd);
}

static const char *check_merged(void)
{
	for (size_t i = 0; i < sizes[MERGED]; i += PAGE)
		if (pattern_check(areas[MERGED] + i, PAGE, MERGED) >= 0)
			return names[MERGED];
	return NULL;
}

static const char *check_sparse(void)
{
	for (size_t i = 0; i < sizes[SPARSE]; i += PAGE)
		if (i % (7 * PAGE) ? !all_zero(areas[SPARSE] + i, PAGE) : pattern_check(areas[SPARSE] + i, PAGE, i) >= 0)
			return names[SPARSE];
	return NULL;
}

/* The name of an area that is not as it was, or NULL. */
static const char *check(uint64_t forked_seed)
{
	if (!all_zero(areas[ZERO], sizes[ZERO]))
		return names[ZERO];
	for (enum area a = HUGE; a <= SWAPPED; a += a == LOCKED ? SWAPPED - LOCKED : 1)
		if (a != FORKED && pattern_check(areas[a], sizes[a], a) >= 0)
			return names[a];
	if (pattern_check(areas[FORKED], MIB, forked_seed) >= 0)
		return "what one process wrote after the fork";
	for (size_t i = MIB; i < sizes[FORKED]; i += 8)
		if (*(uint64_t *)(void *)(areas[FORKED] + i) != (((uint64_t)FORKED << 32) ^ (i / 8 * 0x9e3779b97f4a7c15u)))
			return names[FORKED];
	if (pattern_check(areas[FILED] + PAGE, PAGE, FILED) >= 0 || !all_zero(areas[FILED] + 2 * PAGE, PAGE) ||
	    memcmp(areas[FILED], "\177ELF", 4) != 0)
		return names[FILED];
	if (pattern_check(areas[SHARED], 2 * MIB, SHARED) >= 0 || !all_zero(areas[SHARED] + 2 * MIB, MIB - PAGE))
		return names[SHARED];
	if (!all_zero(areas[MEMFD], MIB) || pattern_check(areas[MEMFD] + MIB, MIB, MEMFD) >= 0)
		return names[MEMFD];
	return check_merged() ?: check_sparse();
}

/* The child tells through shared memory what it found. */
static volatile int *mailbox(void)
{
	return (volatile int *)(void *)(areas[SHARED] + sizes[SHARED] - PAGE);
}

static void child_main(int go)
{
	const char *wrong;
	char c;

	pattern_fill(areas[FORKED], MIB, 101);
	*mailbox() = 1;
	if (read(go, &c, 1) != 1)
		_exit(2);
	wrong = check(101);
	if (wrong)
		fprintf(stderr, "child: %s\n", wrong);
	areas[FORKED][3 * MIB] ^= 1;	/* must not be seen by the parent */
	*mailbox() = 2;
	_exit(wrong ? 1 : 0);
}

int main(int argc, char **argv)
{
	const char *wrong;
	int go[2], status;
	pid_t child;

	live_setup(argc, argv);
	live_needs_host("it has the kernel merge pages faster, which is for the host's root");
	write_text("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	write_text("/sys/kernel/mm/ksm/run", "1");
	make_private();
	make_others();
	if (pipe(go) < 0)
		live_fail("pipe");
	child = fork();
	if (child == 0)
		child_main(go[0]);
	while (*mailbox() != 1)
		usleep(1000);
	pattern_fill(areas[FORKED], MIB, 100);
	wait_merged();
	live_ready();

	wrong = check(100);
	if (wrong)
		live_fail("%s memory is not what it was", wrong);
	if (write(go[1], "", 1) != 1 || waitpid(child, &status, 0) != child)
		live_fail("the child is not there");
	if (status != 0)
		live_fail("the child's memory is not what it was (status %#x)", status);
	if (*mailbox() != 2)
		live_fail("shared memory is not shared any more");
	wrong = check(100);
	if (wrong)
		live_fail("%s memory was changed by the child", wrong);
	live_pass();
}
