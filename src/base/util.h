/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cleanup attributes and small helpers that every layer uses. Owners carry a
 * cleanup attribute, a hand-over is spelled with take_fd() or take_ptr().
 */
#pragma once
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include "base/err.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define PAGE_SIZE 4096UL
#define PAGE_ALIGN(x) (((x) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define max(a, b) ((a) > (b) ? (a) : (b))

/* Close *@fd if it is a descriptor; keeps errno. */
void close_fd(int *fd);
void close_file(FILE **f);
void close_dir(DIR **d);
void free_ptr(void *pp);
#define _cleanup_fd_ __attribute__((cleanup(close_fd)))
#define _cleanup_file_ __attribute__((cleanup(close_file)))
#define _cleanup_dir_ __attribute__((cleanup(close_dir)))
#define _cleanup_free_ __attribute__((cleanup(free_ptr)))

static inline int take_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

#define take_ptr(p) ({ typeof(p) *_pp = &(p); typeof(p) _p = *_pp; *_pp = NULL; _p; })

/* malloc that does not return on failure: a lack of memory for a few rows is no state to go on in. */
void *xmalloc(size_t size);
void *xcalloc(size_t nr, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Grow an array (pointer @a, used @nr, allocated @cap) so that a[nr] exists, zeroed. */
#define array_grow(a, nr, cap) \
	((void)((nr) < (cap) ? 0 : ((a) = array_grow_(a, &(cap), sizeof(*(a))), 0)))
void *array_grow_(void *a, size_t *cap, size_t size);

/* Whole file relative to @dirfd into a fresh NUL-terminated buffer (caller frees). 0 or negative errno. */
int read_file_at(int dirfd, const char *path, char **ret, size_t *ret_len);
/* One write(2) of the whole string @text, for files in /proc, /sys and cgroupfs. 0 or negative errno. */
int write_file_at(int dirfd, const char *path, const char *text);
/* The target of a link, fresh (caller frees). 0 or negative errno. */
int read_link_at(int dirfd, const char *path, char **ret);
/* All of it, despite short writes and EINTR. 0 or negative errno. */
int write_all(int fd, const void *p, size_t len);
int read_all(int fd, void *p, size_t len);	/* -ENODATA when the end came first */

/* Let this process have as many files open as it may: root, as many as the kernel has for anybody. */
void raise_file_limit(void);

/* CLOCK_MONOTONIC / CLOCK_REALTIME in nanoseconds. */
uint64_t now_ns(void);
uint64_t wall_ns(void);

/* Nanoseconds, which may be negative: tv_nsec never is. And back. */
struct timespec timespec_of(int64_t ns);
int64_t timespec_ns(const struct timespec *t);
