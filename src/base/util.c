// SPDX-License-Identifier: GPL-2.0-only
/* Cleanup attributes, memory that does not fail, whole-file helpers, clocks. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include "base/util.h"

void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
	*f = NULL;
}

void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
	*d = NULL;
}

void free_ptr(void *pp)
{
	void **p = pp;

	free(*p);
	*p = NULL;
}

static void out_of_memory(void)
{
	static const char msg[] = "cpt: out of memory\n";

	if (write(STDERR_FILENO, msg, sizeof(msg) - 1) < 0)
		_exit(71);
	_exit(71);
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ?: 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xcalloc(size_t nr, size_t size)
{
	void *p = calloc(nr ?: 1, size ?: 1);

	if (!p)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ?: 1);
	if (!p)
		out_of_memory();
	return p;
}

char *xstrdup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		out_of_memory();
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	va_list args;
	char *s;
	int n;

	va_start(args, fmt);
	n = vasprintf(&s, fmt, args);
	va_end(args);
	if (n < 0)
		out_of_memory();
	return s;
}

void *array_grow_(void *a, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 8;

	a = xrealloc(a, more * size);
	memset((char *)a + *cap * size, 0, (more - *cap) * size);
	*cap = more;
	return a;
}

int read_file_at(int dirfd, const char *path, char **ret, size_t *ret_len)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t len = 0, cap = 4096;

	if (fd < 0)
		return -errno;
	buf = xmalloc(cap);
	for (;;) {
		ssize_t n = read(fd, buf + len, cap - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
		if (cap - len < 2048)
			buf = xrealloc(buf, cap *= 2);
	}
	buf[len] = 0;
	*ret = take_ptr(buf);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int write_file_at(int dirfd, const char *path, const char *text)
{
	_cleanup_fd_ int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int read_link_at(int dirfd, const char *path, char **ret)
{
	char buf[PATH_MAX + 64];
	ssize_t n = readlinkat(dirfd, path, buf, sizeof(buf) - 1);

	if (n < 0)
		return -errno;
	buf[n] = 0;
	*ret = xstrdup(buf);
	return 0;
}

int write_all(int fd, const void *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p = (const char *)p + n;
		len -= (size_t)n;
	}
	return 0;
}

int read_all(int fd, void *p, size_t len)
{
	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p = (char *)p + n;
		len -= (size_t)n;
	}
	return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void raise_file_limit(void)
{
	_cleanup_free_ char *most = NULL;
	struct rlimit limit;

	/* What the kernel has for anybody, if cpt may; else what cpt was given. */
	if (read_file_at(-1, "/proc/sys/fs/nr_open", &most, NULL) == 0) {
		limit.rlim_cur = limit.rlim_max = strtoul(most, NULL, 10);
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			return;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t timespec_ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

struct timespec timespec_of(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}
