// SPDX-License-Identifier: GPL-2.0-only
/* Sessions and groups outlive their leaders: of daemons and orphans, whom a subreaper adopts, and of pipelines. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "live.h"

/* Who tells of himself. */
enum {
	DAEMON,		/* orphan of a gone session; whoever adopted it is not of this test */
	ADOPTED,	/* the same, adopted by the first process */
	ITS_CHILD,	/* child of ADOPTED, in the same session and group */
	ITS_LEADER,	/* child of ADOPTED, leads a group in that session */
	MOVED,		/* orphan of a gone session that leads its own by now, */
	STAYED,		/* and its child from before that */
	MEMBER,		/* child of the first process, in a group whose leader is gone */
	SECOND,		/* another one */
	LEFT,		/* child of the first process, led a group and went to that of MEMBER: */
	BEHIND,		/* who is still in it */
	NR
};

struct ids {
	pid_t pid, ppid, pgid, sid;
	int subreaper;
};

static struct ids *before, *after;
static volatile int *phase;

static struct ids look(void)
{
	struct ids ids = { getpid(), getppid(), getpgid(0), getsid(0), 0 };

	prctl(PR_GET_CHILD_SUBREAPER, &ids.subreaper);
	return ids;
}

static void member(int n)
{
	while (*phase < 1)
		usleep(10000);
	before[n] = look();
	while (*phase < 2)
		usleep(10000);
	after[n] = look();
	for (;;)
		pause();
}

/* A child that leads a session, has @work done by its own child, and ends. */
static void orphan(void (*work)(void))
{
	pid_t leader = fork();

	live_check(leader >= 0);
	if (leader == 0) {
		if (setsid() < 0)
			live_fail("setsid");
		if (fork() == 0) {
			/* Not before it is an orphan. */
			while (getppid() == getsid(0))
				usleep(1000);
			work();
		}
		_exit(0);
	}
	live_check(waitpid(leader, NULL, 0) == leader);
}

static void work_daemon(void)
{
	member(DAEMON);
}

static void work_adopted(void)
{
	if (fork() == 0)
		member(ITS_CHILD);
	if (fork() == 0) {
		setpgid(0, 0);
		member(ITS_LEADER);
	}
	member(ADOPTED);
}

static void work_moved(void)
{
	if (fork() == 0)
		member(STAYED);
	setsid();
	member(MOVED);
}

static pid_t child(int n, pid_t group)
{
	pid_t pid = fork();

	live_check(pid >= 0);
	if (pid == 0)
		member(n);
	live_check(setpgid(pid, group) == 0);
	return pid;
}

static void pipeline(void)
{
	pid_t leader = fork(), led;

	live_check(leader >= 0);
	if (leader == 0)
		for (;;)
			pause();
	live_check(setpgid(leader, leader) == 0);
	child(MEMBER, leader);
	child(SECOND, leader);
	kill(leader, SIGKILL);
	live_check(waitpid(leader, NULL, 0) == leader);
	led = child(LEFT, 0);
	child(BEHIND, led);
	live_check(setpgid(led, leader) == 0);
}

static void check_ids(int n)
{
	const struct ids *b = &before[n], *a = &after[n];

	if (a->pid != b->pid || a->pgid != b->pgid || a->sid != b->sid || a->subreaper != b->subreaper ||
	    (a->ppid != b->ppid && (n != DAEMON || live_in_namespaces())))
		live_fail("process %d was pid %d ppid %d group %d session %d (%d), is %d %d %d %d (%d)", n,
			  b->pid, b->ppid, b->pgid, b->sid, b->subreaper, a->pid, a->ppid, a->pgid, a->sid, a->subreaper);
}

static void wait_seen(const struct ids *ids)
{
	for (int n = 0; n < NR; n++)
		for (int i = 0; !*(volatile pid_t *)&ids[n].pid; i++, usleep(1000))
			live_check(i < 30000);
}

int main(int argc, char **argv)
{
	int subreaper = 0;
	sigset_t set;
	pid_t pid;

	live_setup(argc, argv);
	before = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	after = before + NR;
	phase = (volatile int *)(after + NR);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	orphan(work_daemon);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	orphan(work_adopted);
	orphan(work_moved);
	pipeline();
	sleep(1);
	*phase = 1;
	wait_seen(before);
	live_check(before[ADOPTED].ppid == getpid() && before[MOVED].ppid == getpid());
	live_check(before[STAYED].ppid == before[MOVED].pid && before[STAYED].sid != before[MOVED].sid);
	live_check(before[BEHIND].pgid == before[LEFT].pid && before[LEFT].pgid == before[MEMBER].pgid);
	while (sigtimedwait(&set, NULL, &(struct timespec){ 0 }) > 0)
		;
	live_ready();
	sigpending(&set);
	live_check(!sigismember(&set, SIGCHLD));
	prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
	live_check(subreaper == 1);
	*phase = 2;
	wait_seen(after);
	for (int n = 0; n < NR; n++)
		check_ids(n);
	live_check(waitpid(-1, NULL, WNOHANG) == 0);
	/* A group without its leader takes signals; an orphan comes here, and can be waited for. */
	live_check(kill(-before[MEMBER].pgid, SIGKILL) == 0);
	for (int n = 0; n < 3; n++) {
		pid = waitpid(-before[MEMBER].pgid, NULL, 0);
		live_check(pid == before[MEMBER].pid || pid == before[SECOND].pid || pid == before[LEFT].pid);
	}
	live_check(kill(before[ADOPTED].pid, SIGKILL) == 0);
	live_check(waitpid(before[ADOPTED].pid, NULL, 0) == before[ADOPTED].pid);
	live_check(kill(before[ITS_LEADER].pid, SIGKILL) == 0);
	live_check(waitpid(before[ITS_LEADER].pid, NULL, 0) == before[ITS_LEADER].pid);
	for (int n = 0; n < NR; n++)
		if (n != ADOPTED && n != ITS_LEADER && n != MEMBER && n != SECOND && n != LEFT)
			live_check(kill(before[n].pid, SIGKILL) == 0);
	live_pass();
}
