// SPDX-License-Identifier: GPL-2.0-only
/* What every live test stands on, see live.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

static char dir[3000];

const char *live_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	char temporary[4096];
	int fd;

	/* Whoever waits for the file must not see half of it. */
	snprintf(temporary, sizeof(temporary), "%s/%s.%d", dir, name, getpid());
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || rename(temporary, live_path(name)) < 0)
		perror(temporary);
	if (fd >= 0)
		close(fd);
}

void live_setup(int argc, char **argv)
{
	const char *where = getenv("CPT_LIVE_DIR");

	(void)argc;
	if (!where) {
		fprintf(stderr, "%s: run it by scripts/live-tests, or set CPT_LIVE_DIR\n", argv[0]);
		exit(2);
	}
	snprintf(dir, sizeof(dir), "%s", where);
}

void live_ready(void)
{
	write_file("ready", "");
	while (access(live_path("go"), F_OK) < 0)
		nanosleep(&(struct timespec){ .tv_nsec = 20 * 1000 * 1000 }, NULL);
}

static void verdict(const char *name, const char *fmt, va_list args)
{
	char text[1024];
	int saved = errno;
	size_t len;

	len = (size_t)vsnprintf(text, sizeof(text) - 1, fmt, args);
	if (len > sizeof(text) - 2)
		len = sizeof(text) - 2;
	if (saved && strcmp(name, "fail") == 0)
		snprintf(text + len, sizeof(text) - len, " (errno %d, %s)", saved, strerror(saved));
	write_file(name, text);
}

void live_pass(void)
{
	write_file("pass", "");
	exit(0);
}

void live_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	verdict("fail", fmt, args);
	va_end(args);
	exit(1);
}

void live_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	verdict("skip", fmt, args);
	va_end(args);
	exit(0);
}
