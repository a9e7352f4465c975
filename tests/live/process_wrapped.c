// SPDX-License-Identifier: GPL-2.0-only
/* A child whose pid is lower than its parent's, for pids wrap around, is restored as its child. */
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

/* A child with a free pid from @from down. */
static pid_t fork_as(pid_t from)
{
	for (pid_t pid = from; pid > from - 100; pid--) {
		struct clone_args args = {
			.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1,
		};
		long ret = syscall(SYS_clone3, &args, sizeof(args));

		if (ret >= 0)
			return (pid_t)ret;
	}
	live_fail("no pid is free");
}

int main(int argc, char **argv)
{
	volatile pid_t *seen;
	pid_t parent;
	int status;

	live_setup(argc, argv);
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	parent = fork_as(25000);
	if (parent == 0) {
		pid_t child = fork_as(24000);

		if (child == 0) {
			seen[0] = getpid();
			while (!seen[1])
				usleep(10000);
			_exit(getppid() == seen[2] ? 5 : 6);
		}
		seen[2] = getpid();
		if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 5)
			live_fail("the child is not what it was");
		_exit(4);
	}
	while (!seen[0] || !seen[2])
		usleep(1000);
	live_check(seen[0] < seen[2]);
	live_ready();
	seen[1] = 1;
	live_check(waitpid(parent, &status, 0) == parent && WEXITSTATUS(status) == 4);
	live_pass();
}
