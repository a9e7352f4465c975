// SPDX-License-Identifier: GPL-2.0-only
/* SysV segments, semaphores with undo, and queues keep ids, contents, owners; an undo takes place when its process ends. */
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define SIZE (3 * 1024 * 1024 + 100)
#define KEY 0x63707431

struct message {
	long type;
	char text[40];
};

static int namespace_is_ours(void)
{
	/* In the host's namespace sets and queues are the host's: only segments belong to who maps them. */
	char link[64] = { 0 };

	return readlink("/proc/self/ns/pid", link, sizeof(link) - 1) > 0 && getppid() <= 1;
}

int main(int argc, char **argv)
{
	struct message m = { 5, "the second" }, got;
	int shm, sem, msg, other, status, ours = namespace_is_ours();
	struct sembuf down = { 1, -3, SEM_UNDO };
	unsigned char *at;
	struct shmid_ds ds;
	pid_t child;

	live_setup(argc, argv);
	shmctl(shmget(IPC_PRIVATE, 4096, 0600), IPC_RMID, NULL);
	shm = shmget(KEY, SIZE, IPC_CREAT | 0640);
	at = shmat(shm, NULL, 0);
	sem = semget(KEY, 3, IPC_CREAT | 0600);
	other = msgget(IPC_PRIVATE, 0600);
	msg = msgget(KEY, IPC_CREAT | 0600);
	if (shm < 0 || at == (void *)-1 || sem < 0 || msg < 0 || other < 0)
		live_fail("set-up");
	for (int i = 0; i < SIZE; i++)
		at[i] = (unsigned char)(i * 7 + i / 4096);
	semctl(sem, 1, SETVAL, 10);
	child = fork();
	if (child == 0) {
		semop(sem, &down, 1);
		pause();
		_exit(0);
	}
	while (semctl(sem, 1, GETVAL) != 7)
		usleep(1000);
	msgsnd(msg, &(struct message){ 3, "the first" }, 20, 0);
	msgsnd(msg, &m, 40, 0);
	live_ready();
	live_check(shmget(KEY, 0, 0) == shm && shmctl(shm, IPC_STAT, &ds) == 0);
	live_check(ds.shm_segsz == SIZE && (ds.shm_perm.mode & 0777) == 0640);
	for (int i = 0; i < SIZE; i++)
		if (at[i] != (unsigned char)(i * 7 + i / 4096))
			live_fail("byte %d of the segment is %d", i, at[i]);
	live_check(semget(KEY, 0, 0) == sem && msgget(KEY, 0) == msg);
	live_check(semctl(sem, 1, GETVAL) == 7);
	kill(child, 9);
	waitpid(child, &status, 0);
	if (ours)
		live_check(semctl(sem, 1, GETVAL) == 10);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) == 20 && got.type == 3 && strcmp(got.text, "the first") == 0);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) == 40 && got.type == 5 && strcmp(got.text, "the second") == 0);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) < 0);
	shmctl(shm, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	msgctl(msg, IPC_RMID, NULL);
	msgctl(other, IPC_RMID, NULL);
	live_pass();
}
