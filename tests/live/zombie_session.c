// SPDX-License-Identifier: GPL-2.0-only
/* A session and its group whose leader is a zombie: its orphan is in them, a child of the subreaper. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

struct family {
	volatile pid_t leader, orphan, again;	/* again: what the orphan sees behind the snapshot */
	volatile int phase, group, session, parent;
};

/* The leader's child. */
static void orphan(struct family *f)
{
	while (getppid() == f->leader)
		usleep(1000);
	f->orphan = getpid();
	while (f->phase != 1)
		usleep(10000);
	f->group = getpgid(0);
	f->session = getsid(0);
	f->parent = getppid();
	f->again = getpid();
	for (;;)
		pause();
}

/* Does not wait for its child before it is told. */
static void middle(struct family *f)
{
	int status;
	pid_t leader = fork();

	if (leader == 0) {
		f->leader = getpid();
		if (setsid() < 0)
			_exit(1);
		if (fork() == 0)
			orphan(f);
		_exit(8);
	}
	while (f->phase != 2)
		usleep(10000);
	_exit(waitpid(leader, &status, WNOHANG) == leader ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
	struct family *f;
	pid_t self = getpid(), child;
	int status;

	live_setup(argc, argv);
	f = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	child = fork();
	if (child == 0)
		middle(f);
	while (!f->orphan)
		usleep(1000);
	live_ready();
	f->phase = 1;
	for (int i = 0; !f->again; i++, usleep(1000))
		live_check(i < 30000);
	live_check(f->again == f->orphan && f->group == f->leader && f->session == f->leader && f->parent == self);
	f->phase = 2;
	live_check(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 8);
	live_check(kill(-f->leader, SIGKILL) == 0);
	live_check(waitpid(f->orphan, &status, 0) == f->orphan && WTERMSIG(status) == SIGKILL);
	live_pass();
}
