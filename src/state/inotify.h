/* SPDX-License-Identifier: GPL-2.0-only */
/* Inotify instances and their watches: tables `inotify` and `inotify_watch`. */
#pragma once
#include "state/file.h"

#define INOTIFY_HANDLE_LONGEST 128	/* MAX_HANDLE_SZ, include/linux/exportfs.h */

/* What fdinfo tells about a watch (inotify_fdinfo() in fs/notify/fdinfo.c). */
struct inotify_watch {
	int64_t wd;
	uint64_t ino;
	dev_t dev;		/* of the super block, as in mountinfo */
	uint32_t mask;
	int handle_type;	/* of a file handle (open_by_handle_at(2)); 0 bytes: the file system has none */
	unsigned int handle_bytes;
	unsigned char handle[INOTIFY_HANDLE_LONGEST];
};

/* One line of it. */
bool inotify_parse_watch(const char *line, struct inotify_watch *ret);
/* Are both of the same file? */
bool inotify_same_file(const struct inotify_watch *a, const struct inotify_watch *b);

extern const struct file_kind inotify_kind;
