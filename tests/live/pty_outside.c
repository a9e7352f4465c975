// SPDX-License-Identifier: GPL-2.0-only
/* A terminal whose master is outside of the container is refused, with what to do. */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	int master, slave, procs, ready[2];
	pid_t outside;
	char c;

	live_setup(argc, argv);
	live_needs_host("it leaves a process outside of its cgroup, where the host's root may go alone");
	live_check(openpty(&master, &slave, NULL, NULL, NULL) == 0 && pipe(ready) == 0);
	outside = fork();
	live_check(outside >= 0);
	if (outside == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		procs = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
		if (procs < 0 || write(procs, "0", 1) != 1 || write(ready[1], "", 1) != 1)
			_exit(1);
		close(procs);
		close(slave);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(master);
	close(ready[1]);
	live_check(read(ready[0], &c, 1) == 1);
	close(ready[0]);
	live_refused("it is a terminal whose other end is outside of the container");
	live_ready();

	live_check(write(slave, "still here\n", 11) == 11);
	kill(outside, SIGKILL);
	waitpid(outside, NULL, 0);
	live_pass();
}
