// SPDX-License-Identifier: GPL-2.0-only
/* A pty in which input waits, or so much output that its writer has to wait, is refused; both are still there. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int master[2], slave[2];
	size_t written = 0, got = 0;
	char buf[256];
	ssize_t n;

	live_setup(argc, argv);
	for (int i = 0; i < 2; i++)
		live_check(openpty(&master[i], &slave[i], NULL, NULL, NULL) == 0);
	live_check(write(master[0], "a line\n", 7) == 7 && read(master[0], buf, sizeof(buf)) > 0);
	live_check(fcntl(slave[1], F_SETFL, O_NONBLOCK) == 0 && fcntl(master[1], F_SETFL, O_NONBLOCK) == 0);
	memset(buf, 'x', sizeof(buf));
	while ((n = write(slave[1], buf, sizeof(buf))) > 0)
		written += (size_t)n;
	live_check(errno == EAGAIN && written > 4096);
	live_refused("7 bytes of input wait in it");
	live_ready();

	live_check(read(slave[0], buf, sizeof(buf)) == 7 && memcmp(buf, "a line\n", 7) == 0);
	while ((n = read(master[1], buf, sizeof(buf))) > 0)
		got += (size_t)n;
	live_check(got == written);
	live_pass();
}
