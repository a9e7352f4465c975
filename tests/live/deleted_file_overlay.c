// SPDX-License-Identifier: GPL-2.0-only
/* A file of an image's layer, replaced in the overlay while it is mapped: as a library after an upgrade in a container. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

#define SIZE 20000L

static void make(const char *name, char first)
{
	int fd = open(live_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char text[SIZE];

	for (long i = 0; i < SIZE; i++)
		text[i] = (char)(first + i % 23);
	live_check(fd >= 0 && write(fd, text, SIZE) == SIZE && close(fd) == 0);
}

static void check(const char *p, char first, long from)
{
	for (long i = from; i < SIZE; i++)
		live_check(p[i] == (char)(first + i % 23));
}

int main(int argc, char **argv)
{
	char options[3 * 3200], *p, *q;
	int fd;

	live_setup(argc, argv);
	if (live_in_namespaces())
		live_skip("an overlay that only the container has can't be restored");
	live_check(mkdir(live_path("lower"), 0755) == 0 && mkdir(live_path("upper"), 0755) == 0);
	live_check(mkdir(live_path("work"), 0755) == 0 && mkdir(live_path("merged"), 0755) == 0);
	make("lower/library", 'a');
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", live_path("lower"), live_path("upper"),
		 live_path("work"));
	if (mount("overlay", live_path("merged"), "overlay", 0, options) < 0)
		live_skip("no overlay can be mounted here");
	fd = open(live_path("merged/library"), O_RDONLY);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	q = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	live_check(fd >= 0 && p != MAP_FAILED && q != MAP_FAILED && close(fd) == 0);
	p[0] = 'X';
	make("merged/new", 'A');
	live_check(rename(live_path("merged/new"), live_path("merged/library")) == 0);
	live_ready();

	live_check(p[0] == 'X');
	check(p, 'a', 1);
	check(q, 'a', 0);
	fd = open(live_path("merged/library"), O_RDONLY);
	q = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	live_check(fd >= 0 && q != MAP_FAILED && close(fd) == 0);
	check(q, 'A', 0);
	live_pass();
}
