// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inotify: watches keep their numbers, masks and files, also those with gaps
 * between them, of a renamed file, of a symbolic link, for once only; new ones
 * get new numbers; nothing is seen of the snapshot and the restore.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

static char buf[4096] __attribute__((aligned(8)));
static ssize_t have, used;

/* The next event, of those read at once or of the next; NULL: there is none. */
static const struct inotify_event *next(int fd)
{
	const struct inotify_event *event;

	if (used >= have) {
		used = 0;
		have = read(fd, buf, sizeof(buf));
		if (have <= 0)
			return NULL;
	}
	event = (const void *)(buf + used);
	used += (ssize_t)(sizeof(*event) + event->len);
	return event;
}

static bool is_next(int fd, int wd, uint32_t mask, const char *name)
{
	const struct inotify_event *event = next(fd);

	return event && event->wd == wd && event->mask == mask && strcmp(event->len ? event->name : "", name) == 0;
}

static bool quiet(int fd)
{
	return !next(fd) && errno == EAGAIN;
}

static void make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	live_check(fd >= 0 && close(fd) == 0);
}

int main(int argc, char **argv)
{
	int in, empty, dir, file, link, once, fd;

	live_setup(argc, argv);
	in = inotify_init1(IN_NONBLOCK);
	empty = inotify_init1(IN_CLOEXEC);
	live_check(in >= 0 && empty >= 0 && mkdir(live_path("watched"), 0755) == 0);
	live_check(mkdir(live_path("watched/once"), 0755) == 0);
	make(live_path("watched/file"));
	live_check(symlink("/nowhere", live_path("watched/link")) == 0);
	live_check(inotify_add_watch(in, "/", IN_MODIFY) == 1 && inotify_rm_watch(in, 1) == 0);
	dir = inotify_add_watch(in, live_path("watched"), IN_CREATE | IN_OPEN | IN_ACCESS | IN_CLOSE | IN_ONLYDIR);
	live_check(inotify_add_watch(in, "/proc/self", IN_MODIFY) == 3 && inotify_rm_watch(in, 3) == 0);
	file = inotify_add_watch(in, live_path("watched/file"), IN_ALL_EVENTS | IN_EXCL_UNLINK);
	link = inotify_add_watch(in, live_path("watched/link"), IN_ATTRIB | IN_DONT_FOLLOW);
	once = inotify_add_watch(in, live_path("watched/once"), IN_DELETE | IN_ONESHOT | IN_CREATE);
	live_check(dir == 2 && file == 4 && link == 5 && once == 6);
	live_check(rename(live_path("watched/file"), live_path("watched/renamed")) == 0);
	while (next(in))
		;
	live_ready();

	live_check(quiet(in));
	make(live_path("watched/new"));
	live_check(is_next(in, dir, IN_CREATE, "new") && is_next(in, dir, IN_OPEN, "new"));
	live_check(is_next(in, dir, IN_CLOSE_WRITE, "new") && quiet(in));
	fd = open(live_path("watched/renamed"), O_WRONLY);
	live_check(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
	live_check(is_next(in, dir, IN_OPEN, "renamed") && is_next(in, file, IN_OPEN, ""));
	live_check(is_next(in, file, IN_MODIFY, "") && is_next(in, dir, IN_CLOSE_WRITE, "renamed"));
	live_check(is_next(in, file, IN_CLOSE_WRITE, "") && quiet(in));
	live_check(lchown(live_path("watched/link"), 5, 5) == 0 && is_next(in, link, IN_ATTRIB, "") && quiet(in));
	make(live_path("watched/once/a"));
	live_check(is_next(in, once, IN_CREATE, "a") && is_next(in, once, IN_IGNORED, "") && quiet(in));
	live_check(inotify_add_watch(in, "/", IN_MODIFY) > once && inotify_add_watch(empty, "/", IN_MODIFY) >= 1);
	live_check((fcntl(in, F_GETFL) & O_NONBLOCK) && !(fcntl(empty, F_GETFL) & O_NONBLOCK));
	/* For the restored one, which finds it as it was at the snapshot. */
	live_check(unlink(live_path("watched/new")) == 0 && unlink(live_path("watched/once/a")) == 0);
	live_pass();
}
