// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SysV segment keeps id, key, contents, mode. Also in the host's namespace, where it belongs to who
 * maps it.
 */
#include <sys/ipc.h>
#include <sys/shm.h>
#include "live.h"

#define SIZE (3 * 1024 * 1024 + 100)
#define KEY 0x63707431

int main(int argc, char **argv)
{
	struct shmid_ds ds;
	unsigned char *at;
	int shm;

	live_setup(argc, argv);
	/* Not the first of its place. */
	shmctl(shmget(IPC_PRIVATE, 4096, 0600), IPC_RMID, NULL);
	shm = shmget(KEY, SIZE, IPC_CREAT | IPC_EXCL | 0640);
	at = shmat(shm, NULL, 0);
	live_check(shm >= 0 && at != (void *)-1);
	for (int i = 0; i < SIZE; i++)
		at[i] = (unsigned char)(i * 7 + i / 4096);
	live_ready();
	live_check(shmget(KEY, 0, 0) == shm && shmctl(shm, IPC_STAT, &ds) == 0);
	live_check(ds.shm_segsz == SIZE && (ds.shm_perm.mode & 0777) == 0640 && ds.shm_nattch == 1);
	for (int i = 0; i < SIZE; i++)
		if (at[i] != (unsigned char)(i * 7 + i / 4096))
			live_fail("byte %d of the segment is %d", i, at[i]);
	at[SIZE - 1] = 1;
	live_check(shmctl(shm, IPC_RMID, NULL) == 0);
	live_pass();
}
