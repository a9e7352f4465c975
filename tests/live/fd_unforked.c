// SPDX-License-Identifier: GPL-2.0-only
/* Two processes that have one descriptor table, which neither has from the other, are refused. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "live.h"

static void wait_forever(void)
{
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	live_setup(argc, argv);
	for (int i = 0; i < 2; i++)
		if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0)
			wait_forever();
	live_check(unshare(CLONE_FILES) == 0);
	live_refused("from which it does not come");
	live_ready();
	live_pass();
}
