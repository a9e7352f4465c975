// SPDX-License-Identifier: GPL-2.0-only
/*
 * A line that is being typed can be gone on with and edited: with echo,
 * without (a password), in packet mode, and after a character was taken
 * literally. Nobody sees that cpt looked at it.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "live.h"

static const struct {
	const char *typed, *rest, *line;
	tcflag_t off;	/* local modes without which it is typed */
	int packets;
} cases[] = {
	{ "half a lix", "\177ne\n", "half a line\n", 0, 0 },
	{ "secre", "t\n", "secret\n", ECHO, 0 },
	{ "pack", "et\n", "packet\n", 0, 1 },
	{ "", "empty\n", "empty\n", 0, 0 },
	{ "a\026\003b\xff", "\n", "a\003b\xff\n", ECHOCTL, 0 },
	{ "x", "y\025z\n", "z\n", ECHO, 1 },
};

#define NR (sizeof(cases) / sizeof(cases[0]))

static bool waits(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLIN | POLLPRI));
}

int main(int argc, char **argv)
{
	int master[NR], slave[NR];
	static struct termios before[NR], now;	/* with the same padding */
	char buf[64];

	live_setup(argc, argv);
	for (size_t i = 0; i < NR; i++) {
		live_check(openpty(&master[i], &slave[i], NULL, NULL, NULL) == 0 && tcgetattr(slave[i], &before[i]) == 0);
		before[i].c_lflag &= ~cases[i].off;
		live_check(tcsetattr(slave[i], TCSANOW, &before[i]) == 0 && tcgetattr(slave[i], &before[i]) == 0);
		live_check(ioctl(master[i], TIOCPKT, &cases[i].packets) == 0);
		live_check(write(master[i], cases[i].typed, strlen(cases[i].typed)) == (ssize_t)strlen(cases[i].typed));
		live_check(!waits(slave[i]));
		while (waits(master[i]))	/* the echo */
			live_check(read(master[i], buf, sizeof(buf)) > 0);
	}
	live_ready();

	for (size_t i = 0; i < NR; i++) {
		size_t len = strlen(cases[i].line);

		live_check(tcgetattr(slave[i], &now) == 0 && memcmp(&now, &before[i], sizeof(now)) == 0);
		live_check(!waits(master[i]) && !waits(slave[i]));
		live_check(write(master[i], cases[i].rest, strlen(cases[i].rest)) > 0);
		live_check(read(slave[i], buf, sizeof(buf)) == (ssize_t)len && memcmp(buf, cases[i].line, len) == 0);
	}
	live_pass();
}
