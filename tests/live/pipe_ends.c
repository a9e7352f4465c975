// SPDX-License-Identifier: GPL-2.0-only
/* Ends that are closed stay closed: end of file after the last byte, SIGPIPE's error without readers. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int no_writer[2], no_reader[2], again;
	char buf[16];

	live_setup(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	live_check(pipe(no_writer) == 0 && pipe(no_reader) == 0);
	live_check(write(no_writer[1], "last", 4) == 4);
	close(no_writer[1]);
	/* A second open file of the same end, not a dup. */
	again = open("/proc/self/fd/3", O_RDONLY | O_NONBLOCK);
	live_check(no_writer[0] == 3 && again >= 0);
	close(no_reader[0]);
	live_ready();

	live_check(!(fcntl(3, F_GETFL) & O_NONBLOCK) && (fcntl(again, F_GETFL) & O_NONBLOCK));
	live_check(read(again, buf, 2) == 2 && memcmp(buf, "la", 2) == 0);
	live_check(read(3, buf, sizeof(buf)) == 2 && memcmp(buf, "st", 2) == 0);
	live_check(read(3, buf, sizeof(buf)) == 0);
	live_check(write(no_reader[1], "x", 1) == -1 && errno == EPIPE);
	live_pass();
}
