// SPDX-License-Identifier: GPL-2.0-only
/* Pids, parents, groups and sessions of a small family are the same, and its parent can still wait for it. */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define NR 6

struct ids {
	pid_t pid, ppid, pgid, sid;
};

static struct ids *before, *after;
static volatile int *phase;

static struct ids look(void)
{
	return (struct ids){ getpid(), getppid(), getpgid(0), getsid(0) };
}

static void member(int n)
{
	before[n] = look();
	while (!*phase)
		usleep(10000);
	after[n] = look();
	while (*phase != 2)
		usleep(10000);
	_exit(n);
}

int main(int argc, char **argv)
{
	pid_t pids[NR];
	int status;

	live_setup(argc, argv);
	before = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	after = before + NR;
	phase = (volatile int *)(after + NR);
	for (int n = 0; n < NR; n++) {
		pids[n] = fork();
		if (pids[n] == 0) {
			if (n == 1)
				setsid();
			if (n == 2)
				setpgid(0, 0);
			if (n == 3)
				setpgid(0, pids[2]);
			if (n == 4 && fork() == 0)
				member(5);
			member(n);
		}
		if (n == 4)
			break;
		while (!before[n].pid)
			usleep(1000);
	}
	while (!before[4].pid || !before[5].pid)
		usleep(1000);
	live_ready();
	*phase = 1;
	for (int n = 0; n < NR; n++) {
		while (!after[n].pid)
			usleep(1000);
		if (after[n].pid != before[n].pid || after[n].ppid != before[n].ppid ||
		    after[n].pgid != before[n].pgid || after[n].sid != before[n].sid)
			live_fail("process %d was pid %d ppid %d group %d session %d, is %d %d %d %d", n,
				  before[n].pid, before[n].ppid, before[n].pgid, before[n].sid,
				  after[n].pid, after[n].ppid, after[n].pgid, after[n].sid);
	}
	*phase = 2;
	for (int n = 0; n < 5; n++)
		live_check(waitpid(pids[n], &status, 0) == pids[n] && WEXITSTATUS(status) == n);
	live_pass();
}
