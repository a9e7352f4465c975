/* SPDX-License-Identifier: GPL-2.0-only */
/* How fdinfo of an epoll instance tells what it watches. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct image;

struct epoll_watch {
	int fd;			/* number it was added under */
	uint32_t events;
	uint64_t data;
	ino_t ino;		/* of the file, as fstat() gives them */
	dev_t dev;
};

/* One "tfd:" line; false when it is none. */
bool epoll_parse_watch(const char *line, struct epoll_watch *ret);
/* Does an instance of @img watch @file? */
bool epoll_is_watched(const struct image *img, int64_t file);
