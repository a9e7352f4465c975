// SPDX-License-Identifier: GPL-2.0-only
/* A fifo in the file system with both ends open keeps what waits in it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int in, out;
	char buf[16];

	live_setup(argc, argv);
	live_check(mkfifo(live_path("fifo"), 0600) == 0);
	out = open(live_path("fifo"), O_RDONLY | O_NONBLOCK);
	in = open(live_path("fifo"), O_WRONLY);
	live_check(out >= 0 && in >= 0 && write(in, "named", 5) == 5);
	live_ready();

	live_check(read(out, buf, sizeof(buf)) == 5 && memcmp(buf, "named", 5) == 0);
	live_check(write(in, "x", 1) == 1 && read(out, buf, sizeof(buf)) == 1);
	close(in);
	live_check(read(out, buf, sizeof(buf)) == 0);
	live_pass();
}
