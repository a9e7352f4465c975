// SPDX-License-Identifier: GPL-2.0-only
/* Stopped processes stay stopped until they are continued; who has been told of that is not told again. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

enum {
	KNOWN,		/* its parent has waited for the stop */
	NEW,		/* its parent has not */
	TERMINAL,	/* by SIGTSTP, with two threads, in a group of its own */
	DOOMED,		/* has SIGTERM pending, of which it will die when it goes on */
	PARENT,		/* and */
	CHILD,		/* its child, both stopped */
	NR
};

struct seen {
	volatile long counts[NR][2];
	volatile pid_t child;
};

static struct seen *seen;
static int nr_now;

static void *count(void *arg)
{
	int n = nr_now, thread = arg != NULL;

	for (;;)
		seen->counts[n][thread]++;
	return NULL;
}

static void run(int n)
{
	pthread_t other;

	nr_now = n;
	if (n == PARENT) {
		pid_t child = fork();

		if (child == 0) {
			nr_now = CHILD;
			count(NULL);
		}
		seen->child = child;
	}
	if (n == TERMINAL)
		pthread_create(&other, NULL, count, seen);
	count(NULL);
}

static char state_of(pid_t pid)
{
	char path[32], buf[512] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	live_check(fd >= 0 && read(fd, buf, sizeof(buf) - 1) > 0);
	close(fd);
	return strrchr(buf, ')')[2];
}

static void wait_state(pid_t pid, char state)
{
	for (int i = 0; state_of(pid) != state; i++, usleep(1000))
		live_check(i < 20000);
}

static bool is_told(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGCHLD);
}

static int stop_of(pid_t pid)
{
	int status = 0;
	pid_t got = waitpid(pid, &status, WUNTRACED | WNOHANG);

	live_check(got == 0 || (got == pid && WIFSTOPPED(status)));
	return got ? WSTOPSIG(status) : 0;
}

static void wait_more(int n, int thread)
{
	long before = seen->counts[n][thread];

	for (int i = 0; seen->counts[n][thread] == before; i++, usleep(1000))
		live_check(i < 20000);
}

int main(int argc, char **argv)
{
	long before[NR][2];
	pid_t pids[NR];
	sigset_t set;
	int status;

	live_setup(argc, argv);
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int n = 0; n < CHILD; n++) {
		pids[n] = fork();
		live_check(pids[n] >= 0);
		if (pids[n] == 0)
			run(n);
		if (n == TERMINAL)
			live_check(setpgid(pids[n], pids[n]) == 0);
		wait_more(n, 0);
		if (n == TERMINAL)
			wait_more(n, 1);
		if (n == PARENT) {
			wait_more(CHILD, 0);
			pids[CHILD] = seen->child;
			kill(pids[CHILD], SIGSTOP);
			wait_state(pids[CHILD], 'T');
		}
		kill(pids[n], n == TERMINAL ? SIGTSTP : SIGSTOP);
		wait_state(pids[n], 'T');
	}
	live_check(stop_of(pids[KNOWN]) == SIGSTOP && stop_of(pids[DOOMED]) == SIGSTOP && stop_of(pids[PARENT]) == SIGSTOP);
	kill(pids[DOOMED], SIGTERM);
	while (sigtimedwait(&set, NULL, &(struct timespec){ 0 }) > 0)
		;
	usleep(100000);	/* the other thread of TERMINAL stops a little later */
	memcpy(before, (void *)seen->counts, sizeof(before));
	live_ready();
	live_check(!is_told());
	for (int n = 0; n < NR; n++)
		live_check(state_of(pids[n]) == 'T');
	usleep(200000);
	live_check(memcmp(before, (void *)seen->counts, sizeof(before)) == 0);
	live_check(stop_of(pids[KNOWN]) == 0 && stop_of(pids[DOOMED]) == 0 && stop_of(pids[PARENT]) == 0);
	live_check(stop_of(pids[NEW]) == SIGSTOP && stop_of(pids[NEW]) == 0);
	live_check(stop_of(pids[TERMINAL]) == SIGTSTP && stop_of(pids[TERMINAL]) == 0);
	kill(pids[KNOWN], SIGCONT);
	live_check(waitpid(pids[KNOWN], &status, WCONTINUED) == pids[KNOWN] && WIFCONTINUED(status));
	wait_more(KNOWN, 0);
	live_check(is_told());
	kill(pids[TERMINAL], SIGCONT);
	wait_more(TERMINAL, 0);
	wait_more(TERMINAL, 1);
	kill(pids[DOOMED], SIGCONT);
	while (waitpid(pids[DOOMED], &status, 0) == pids[DOOMED] && !WIFSIGNALED(status))
		;
	live_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	live_check(memcmp(before[DOOMED], (void *)seen->counts[DOOMED], sizeof(before[DOOMED])) == 0);
	kill(pids[PARENT], SIGCONT);
	wait_more(PARENT, 0);
	live_check(state_of(pids[CHILD]) == 'T' && seen->counts[CHILD][0] == before[CHILD][0]);
	kill(pids[CHILD], SIGCONT);
	wait_more(CHILD, 0);
	for (int n = 0; n < NR; n++)
		if (n != DOOMED)
			kill(pids[n], SIGKILL);
	live_pass();
}
