// SPDX-License-Identifier: GPL-2.0-only
/* What live tests have in common, see live.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

static char dir[3072];
static pid_t first;	/* the process that called live_setup() */

const char *live_path(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", dir, name);
	return path;
}

/* Descriptors: low ones may be the test's subject, so it closes its own. */
void live_mark(const char *name, const char *text)
{
	char temporary[PATH_MAX];
	int fd;

	snprintf(temporary, sizeof(temporary), "%s/.%s.%d", dir, name, getpid());
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd) < 0 || rename(temporary, live_path(name)) < 0)
		_exit(99);
}

static void finish(const char *name, int status, const char *fmt, va_list args) __attribute__((noreturn, format(printf, 3, 0)));
static void finish(const char *name, int status, const char *fmt, va_list args)
{
	char text[1024], line[1100];

	vsnprintf(text, sizeof(text), fmt, args);
	snprintf(line, sizeof(line), "%s%s\n", text, getpid() == first ? "" : " (in a child)");
	live_mark(name, line);
	_exit(status);
}

void live_setup(int argc, char **argv)
{
	const char *where = getenv("CPT_LIVE_DIR");
	int null = open("/dev/null", O_RDONLY), log;

	if (!where && argc > 1)
		where = argv[1];
	if (!where || !*where) {
		fprintf(stderr, "usage: CPT_LIVE_DIR=<an empty directory> %s\n", argv[0]);
		exit(2);
	}
	snprintf(dir, sizeof(dir), "%s", where);
	first = getpid();
	log = open(live_path("output"), O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (null < 0 || log < 0) {
		perror(dir);
		exit(2);
	}
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	if (close_range(3, UINT_MAX, 0) < 0)
		live_fail("close_range: %s", strerror(errno));
}

void live_ready(void)
{
	const struct timespec nap = { 0, 20000000 };
	char go[PATH_MAX];

	snprintf(go, sizeof(go), "%s/go", dir);
	live_mark("ready", "");
	while (access(go, F_OK) < 0)
		nanosleep(&nap, NULL);
}

void live_refused(const char *text)
{
	live_mark("refused", text);
}

bool live_in_namespaces(void)
{
	const char *mode = getenv("CPT_LIVE_MODE");

	return mode && strncmp(mode, "host", 4) != 0;
}

void live_needs_host(const char *why)
{
	const char *mode = getenv("CPT_LIVE_MODE");

	if (mode && strncmp(mode, "user", 4) == 0)
		live_skip("%s", why);
}

void live_own_mounts(void)
{
	live_check(unshare(CLONE_NEWNS) == 0);
	live_check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

void live_pass(void)
{
	live_mark("pass", "");
	_exit(0);
}

void live_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	finish("fail", 1, fmt, args);
}

void live_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	finish("skip", 0, fmt, args);
}

void live_lo_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if ((ioctl(fd, SIOCGIFFLAGS, &lo) < 0 || !(lo.ifr_flags & IFF_UP)) &&
	    (lo.ifr_flags = IFF_UP, ioctl(fd, SIOCSIFFLAGS, &lo) < 0))
		live_skip("the interface lo can't be brought up");
	close(fd);
}

void live_fail_at(const char *file, int line, const char *condition)
{
	live_fail("%s:%d: not so: %s (errno: %s)", file, line, condition, strerror(errno));
}
