// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output that its master has not read yet is still there, byte by byte: of
 * cooked and raw ptys, in packet mode, of an ended program, nearly as much as
 * there can be, and beside a line that is being typed.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "live.h"

enum { COOKED, RAW, PACKETS, ENDED, MUCH, TYPED, NR };

static int master[NR], slave[NR];
static char much[4094], buf[8192];

static bool waits(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static bool reads(int fd, const char *expected, size_t len)
{
	size_t got = 0;

	while (got < len && waits(fd)) {
		ssize_t n = read(fd, buf + got, sizeof(buf) - got);

		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return got == len && memcmp(buf, expected, len) == 0 && !waits(fd);
}

static bool writes(int fd, const char *text)
{
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

int main(int argc, char **argv)
{
	static struct termios before[NR], now;	/* with the same padding */
	int one = 1;

	live_setup(argc, argv);
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = (char)(i * 7);
	for (int i = 0; i < NR; i++) {
		live_check(openpty(&master[i], &slave[i], NULL, NULL, NULL) == 0 && tcgetattr(slave[i], &before[i]) == 0);
		if (i == RAW || i == MUCH)
			cfmakeraw(&before[i]);
		live_check(tcsetattr(slave[i], TCSANOW, &before[i]) == 0 && tcgetattr(slave[i], &before[i]) == 0);
	}
	live_check(ioctl(master[PACKETS], TIOCPKT, &one) == 0);
	live_check(writes(slave[COOKED], "a\n\tb\n") && writes(slave[RAW], "raw\n\377\1") && writes(slave[PACKETS], "packet\n"));
	live_check(writes(slave[ENDED], "last words\n") && close(slave[ENDED]) == 0);
	live_check(write(slave[MUCH], much, sizeof(much)) == sizeof(much));
	live_check(writes(slave[TYPED], "prompt> ") && writes(master[TYPED], "comm"));
	live_check(!waits(slave[TYPED]));	/* has arrived */
	live_ready();

	for (int i = 0; i < NR; i++)
		live_check(i == ENDED || (tcgetattr(slave[i], &now) == 0 && memcmp(&now, &before[i], sizeof(now)) == 0));
	live_check(reads(master[COOKED], "a\r\n\tb\r\n", 7));
	live_check(reads(master[RAW], "raw\n\377\1", 6));
	live_check(ioctl(master[PACKETS], TIOCGPKT, &one) == 0 && one == 1 && reads(master[PACKETS], "\0packet\r\n", 9));
	live_check(read(master[ENDED], buf, sizeof(buf)) == 12 && memcmp(buf, "last words\r\n", 12) == 0);
	live_check(read(master[ENDED], buf, sizeof(buf)) == -1 && errno == EIO);
	live_check(reads(master[MUCH], much, sizeof(much)));
	live_check(reads(master[TYPED], "prompt> comm", 12) && writes(master[TYPED], "and\n"));
	live_check(read(slave[TYPED], buf, sizeof(buf)) == 8 && memcmp(buf, "command\n", 8) == 0);
	live_check(writes(slave[COOKED], "more\n") && reads(master[COOKED], "more\r\n", 6));
	live_pass();
}
