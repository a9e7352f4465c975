/* SPDX-License-Identifier: GPL-2.0-only */
/* Locks of files: flock(2), fcntl(2) of a process and of an open file, leases. Table `file_lock`. */
#pragma once
#include "state/kind.h"

/* A line of fdinfo ("lock:" cut off) or of /proc/locks. */
struct lock_info {
	const char *kind;	/* "flock", "posix", "ofd", "lease"; NULL: another */
	bool breaking;		/* a lease that somebody waits for */
	bool write;
	pid_t pid;		/* who took it; -1: the kernel does not say (ofd) */
	dev_t dev;
	uint64_t ino;
	int64_t start, end;	/* last byte; COLUMN_NULL: end of file, however far */
};
/* False for what is no granted lock, or not as fs/locks.c prints it. */
bool lock_info_parse(const char *line, struct lock_info *ret);

extern const struct kind file_lock_kind;
