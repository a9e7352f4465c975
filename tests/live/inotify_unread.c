// SPDX-License-Identifier: GPL-2.0-only
/* An inotify instance with unread events is refused, and they are still there afterwards. */
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	union {
		struct inotify_event event;
		char room[256];
	} u;
	int in, wd;

	live_setup(argc, argv);
	in = inotify_init1(IN_NONBLOCK);
	wd = inotify_add_watch(in, live_path("."), IN_DELETE);
	live_check(in >= 0 && wd == 1 && symlink("x", live_path("y")) == 0 && unlink(live_path("y")) == 0);
	live_refused("bytes of events wait in it");
	live_ready();

	live_check(read(in, &u, sizeof(u)) > 0 && u.event.wd == wd && u.event.mask == IN_DELETE);
	live_check(strcmp(u.event.name, "y") == 0);
	live_pass();
}
