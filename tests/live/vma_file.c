// SPDX-License-Identifier: GPL-2.0-only
/* Files mapped privately keep changed and unchanged pages; files mapped shared go on writing to the file. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "live.h"
#include "pattern.h"

#define PAGES 16

int main(int argc, char **argv)
{
	const char *path;
	char *private, *shared, byte = 0;
	static char content[PAGES * PAGE];
	int fd;

	live_setup(argc, argv);
	path = live_path("mapped");
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	pattern_fill(content, sizeof(content), 1);
	if (fd < 0 || write(fd, content, sizeof(content)) != (ssize_t)sizeof(content))
		live_fail("make a file");
	private = mmap(NULL, sizeof(content) / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	shared = mmap(NULL, sizeof(content), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (private == MAP_FAILED || shared == MAP_FAILED)
		live_fail("mmap");
	close(fd);
	pattern_fill(private + PAGE, PAGE, 2);		/* changed */
	for (size_t i = 0; i < PAGE; i++)
		private[2 * PAGE + i] = 0;		/* zeroes that hide the file's bytes */
	live_ready();

	if (pattern_check(private, PAGE, 1) >= 0)
		live_fail("an unchanged page is not the file's");
	if (pattern_check(private + PAGE, PAGE, 2) >= 0 || !all_zero(private + 2 * PAGE, PAGE))
		live_fail("changed pages are not what they were");
	/* Its last page is written to below, by an earlier restore perhaps. */
	if (pattern_check(shared, (PAGES - 1) * PAGE, 1) >= 0)
		live_fail("the shared mapping is not the file");
	shared[PAGES * PAGE - 1] = 'q';
	fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, &byte, 1, PAGES * PAGE - 1) != 1 || byte != 'q')
		live_fail("a write does not arrive in the file");
	live_pass();
}
