// SPDX-License-Identifier: GPL-2.0-only
/* Children that have ended wait for their parent: with status, user and group, and without telling it twice. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

enum { CODE, KILLED, TERMINATED, CORE, USER, REALTIME, LEADER, MEMBER, NAMED, NR };

static volatile sig_atomic_t told;
static pid_t pids[NR];
static int statuses[NR];

static void on_child(int sig)
{
	(void)sig;
	told++;
}

/* A core dump shall go nowhere but into the directory of this test, and be small. */
static void dump(void)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };

	if (chdir(live_path(".")) < 0 || setrlimit(RLIMIT_CORE, &limit) < 0)
		_exit(1);
	raise(SIGSEGV);
}

static void end(int n)
{
	if (n == CODE)
		_exit(7);
	if (n == KILLED)
		raise(SIGKILL);
	if (n == TERMINATED)
		raise(SIGTERM);
	if (n == CORE)
		dump();
	if (n == USER && setuid(1234) == 0)
		_exit(0);
	if (n == REALTIME)
		raise(SIGRTMIN + 3);
	if (n == NAMED) {
		int fd = open("/proc/self/comm", O_WRONLY);

		if (fd >= 0 && write(fd, "the late", 8) == 8)
			_exit(255);
	}
	_exit(3);
}

static void born(int n, pid_t group)
{
	siginfo_t info;

	pids[n] = fork();
	live_check(pids[n] >= 0);
	if (pids[n] == 0) {
		usleep(50000);
		end(n);
	}
	if (n == LEADER || n == MEMBER)
		live_check(setpgid(pids[n], group) == 0);
	while (waitid(P_PID, (id_t)pids[n], &info, WEXITED | WNOWAIT) < 0)
		;
	statuses[n] = info.si_status | info.si_code << 16;
}

/* What /proc tells: name, state, parent, group and session. */
static void look(pid_t pid, char *buf, size_t size)
{
	char path[32], *end_;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	live_check(n > 0);
	close(fd);
	buf[n] = 0;
	end_ = strchr(buf, ')');
	for (int field = 0; end_ && field < 5; field++)
		end_ = strchr(end_ + 1, ' ');
	live_check(end_ != NULL);
	*end_ = 0;
}

int main(int argc, char **argv)
{
	static char before[NR][128], after[128];
	pid_t alive;
	siginfo_t info;
	sigset_t set;
	int told_before;

	live_setup(argc, argv);
	signal(SIGCHLD, on_child);
	for (int n = 0; n < NR; n++)
		born(n, n == MEMBER ? pids[LEADER] : 0);
	/* One that lives in a group whose leader is dead. */
	alive = fork();
	if (alive == 0)
		for (;;)
			pause();
	live_check(setpgid(alive, pids[LEADER]) == 0);
	for (int n = 0; n < NR; n++)
		look(pids[n], before[n], sizeof(before[n]));
	told_before = told;
	live_check(told_before > 0);
	live_ready();
	sigpending(&set);
	live_check(told == told_before && !sigismember(&set, SIGCHLD));
	live_check(getpgid(alive) == pids[LEADER]);
	for (int n = 0; n < NR; n++) {
		look(pids[n], after, sizeof(after));
		if (strcmp(before[n], after) != 0)
			live_fail("zombie %d was %s, is %s", n, before[n], after);
		memset(&info, 0, sizeof(info));
		live_check(waitid(P_PID, (id_t)pids[n], &info, WEXITED | WNOHANG) == 0 && info.si_pid == pids[n]);
		if ((info.si_status | info.si_code << 16) != statuses[n])
			live_fail("zombie %d: status %d code %d, not %#x", n, info.si_status, info.si_code, statuses[n]);
		live_check(info.si_uid == (n == USER ? 1234 : 0));
		live_check(waitid(P_PID, (id_t)pids[n], &info, WEXITED | WNOHANG) < 0);
	}
	live_check(kill(-pids[LEADER], SIGKILL) == 0);
	live_check(waitpid(-pids[LEADER], NULL, 0) == alive);
	live_pass();
}
