// SPDX-License-Identifier: GPL-2.0-only
/*
 * A semaphore set keeps its id and values, and an undo takes place when its process ends, also if that may not use
 * the set any more. In the host's namespace sets are the host's: a process with an undo is refused there.
 */
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define KEY 0x63707431

/* Takes 3 of it, and waits as user @user. */
static pid_t start(int sem, unsigned short semaphore, uid_t user)
{
	struct sembuf down = { semaphore, -3, SEM_UNDO };
	pid_t child = fork();

	if (child != 0)
		return child;
	if (semop(sem, &down, 1) < 0 || setresuid(user, user, user) < 0)
		live_fail("semop, setresuid: %m");
	pause();
	_exit(0);
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
	pid_t child, dropped;
	int sem;

	live_setup(argc, argv);
	/* Not the first of its place. */
	semctl(semget(IPC_PRIVATE, 1, 0600), 0, IPC_RMID);
	sem = semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0600);
	live_check(sem >= 0 && semctl(sem, 1, SETVAL, 10) == 0 && semctl(sem, 2, SETVAL, 10) == 0);
	child = start(sem, 1, 0);
	dropped = start(sem, 2, 77);
	while (semctl(sem, 1, GETVAL) != 7 || semctl(sem, 2, GETVAL) != 7)
		usleep(1000);
	if (!live_in_namespaces())
		live_refused("its undo of semaphore 1 of set");
	live_ready();
	live_check(semget(KEY, 0, 0) == sem && semctl(sem, 1, GETVAL) == 7 && semctl(sem, 2, GETVAL) == 7);
	end(child);
	live_check(semctl(sem, 1, GETVAL) == 10 && semctl(sem, 2, GETVAL) == 7);
	end(dropped);
	live_check(semctl(sem, 2, GETVAL) == 10);
	live_check(semctl(sem, 0, IPC_RMID) == 0);
	live_pass();
}
