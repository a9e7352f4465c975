// SPDX-License-Identifier: GPL-2.0-only
/*
 * Semaphore sets with undo and message queues keep ids, contents, owners; an undo takes place when its
 * process ends. In the host's namespace sets are the host's: a process with an undo is refused there.
 */
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define KEY 0x63707431

struct message {
	long type;
	char text[40];
};

static void check_queue(int msg)
{
	struct message got;

	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) == 20 && got.type == 3 && strcmp(got.text, "the first") == 0);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) == 40 && got.type == 5 && strcmp(got.text, "the second") == 0);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) < 0);
}

int main(int argc, char **argv)
{
	struct sembuf down = { 1, -3, SEM_UNDO };
	int sem, msg, other;
	pid_t child;

	live_setup(argc, argv);
	semctl(semget(IPC_PRIVATE, 1, 0600), 0, IPC_RMID);
	sem = semget(KEY, 3, IPC_CREAT | IPC_EXCL | 0600);
	other = msgget(IPC_PRIVATE, 0600);
	msg = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
	live_check(sem >= 0 && msg >= 0 && other >= 0 && semctl(sem, 1, SETVAL, 10) == 0);
	child = fork();
	if (child == 0) {
		semop(sem, &down, 1);
		pause();
		_exit(0);
	}
	while (semctl(sem, 1, GETVAL) != 7)
		usleep(1000);
	live_check(msgsnd(msg, &(struct message){ 3, "the first" }, 20, 0) == 0);
	live_check(msgsnd(msg, &(struct message){ 5, "the second" }, 40, 0) == 0);
	if (!live_in_namespaces())
		live_refused("its undo of semaphore 1 of set");
	live_ready();
	live_check(semget(KEY, 0, 0) == sem && msgget(KEY, 0) == msg);
	live_check(semctl(sem, 1, GETVAL) == 7);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	live_check(semctl(sem, 1, GETVAL) == 10);
	check_queue(msg);
	semctl(sem, 0, IPC_RMID);
	msgctl(msg, IPC_RMID, NULL);
	msgctl(other, IPC_RMID, NULL);
	live_pass();
}
