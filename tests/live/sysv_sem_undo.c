// SPDX-License-Identifier: GPL-2.0-only
/*
 * A semaphore set keeps its id and values, and an undo takes place when its process ends. In the host's
 * namespace sets are the host's: a process with an undo is refused there.
 */
#include <signal.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define KEY 0x63707431

int main(int argc, char **argv)
{
	struct sembuf down = { 1, -3, SEM_UNDO };
	pid_t child;
	int sem;

	live_setup(argc, argv);
	/* Not the first of its place. */
	semctl(semget(IPC_PRIVATE, 1, 0600), 0, IPC_RMID);
	sem = semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0600);
	live_check(sem >= 0 && semctl(sem, 1, SETVAL, 10) == 0);
	child = fork();
	if (child == 0) {
		semop(sem, &down, 1);
		pause();
		_exit(0);
	}
	while (semctl(sem, 1, GETVAL) != 7)
		usleep(1000);
	if (!live_in_namespaces())
		live_refused("its undo of semaphore 1 of set");
	live_ready();
	live_check(semget(KEY, 0, 0) == sem && semctl(sem, 1, GETVAL) == 7);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	live_check(semctl(sem, 1, GETVAL) == 10);
	live_check(semctl(sem, 0, IPC_RMID) == 0);
	live_pass();
}
