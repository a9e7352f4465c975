// SPDX-License-Identifier: GPL-2.0-only
/* Who is told of events by signal (F_SETOWN, F_SETSIG, O_ASYNC) is told after the restore, too. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include "live.h"

static volatile sig_atomic_t heard;

static void hear(int signal)
{
	heard = signal;
}

int main(int argc, char **argv)
{
	int p[2];

	live_setup(argc, argv);
	signal(SIGRTMIN + 3, hear);
	live_check(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	live_check(fcntl(p[0], F_SETOWN, getpid()) == 0 && fcntl(p[0], F_SETSIG, SIGRTMIN + 3) == 0);
	live_check(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
	live_ready();

	live_check(fcntl(p[0], F_GETOWN) == getpid() && fcntl(p[0], F_GETSIG) == SIGRTMIN + 3);
	live_check(fcntl(p[0], F_GETFL) & O_ASYNC);
	heard = 0;
	live_check(write(p[1], "x", 1) == 1);
	for (int i = 0; i < 100 && !heard; i++)
		usleep(10000);
	live_check(heard == SIGRTMIN + 3);
	live_pass();
}
