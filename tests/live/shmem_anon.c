// SPDX-License-Identifier: GPL-2.0-only
/* Shared anonymous memory stays shared between parent and child, at different places and in parts. */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define LEN (4 * 1024 * 1024ul)

static void child_main(char *shared, int go)
{
	char c, *moved = mremap(shared + LEN / 2, LEN / 2, LEN / 2, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x220000000000);

	munmap(shared, LEN / 2);	/* has the second half only, elsewhere */
	if (moved == MAP_FAILED)
		_exit(2);
	moved[0] = 1;
	if (read(go, &c, 1) != 1 || pattern_check(moved + PAGE, PAGE, 4) >= 0 || moved[0] != 1)
		_exit(3);
	moved[2 * PAGE] = 99;
	_exit(0);
}

int main(int argc, char **argv)
{
	int go[2], status;
	char *shared;
	pid_t child;

	live_setup(argc, argv);
	shared = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pipe(go) < 0)
		live_fail("mmap");
	pattern_fill(shared, LEN / 4, 3);
	pattern_fill(shared + LEN / 2 + PAGE, PAGE, 4);
	child = fork();
	if (child == 0)
		child_main(shared, go[0]);
	while (!*(volatile char *)(shared + LEN / 2))
		usleep(1000);
	live_ready();

	if (pattern_check(shared, LEN / 4, 3) >= 0 || !all_zero(shared + LEN / 4, LEN / 4))
		live_fail("shared memory is not what it was");
	if (write(go[1], "", 1) != 1 || waitpid(child, &status, 0) != child || status != 0)
		live_fail("the child sees other memory (status %#x)", status);
	if (shared[LEN / 2 + 2 * PAGE] != 99)
		live_fail("the child's write is not seen");
	live_pass();
}
