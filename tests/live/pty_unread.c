// SPDX-License-Identifier: GPL-2.0-only
/* A pty in which bytes wait is refused, and they are still there afterwards. */
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int master, slave;
	char buf[32];

	live_setup(argc, argv);
	live_check(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	live_check(write(slave, "output\n", 7) == 7);
	live_refused("8 bytes of output wait in it");
	live_ready();

	live_check(read(master, buf, sizeof(buf)) == 8 && memcmp(buf, "output\r\n", 8) == 0);
	live_pass();
}
