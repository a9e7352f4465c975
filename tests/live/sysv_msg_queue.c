// SPDX-License-Identifier: GPL-2.0-only
/* A message queue keeps its id and its messages, in their order. */
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include "live.h"

#define KEY 0x63707431

struct message {
	long type;
	char text[40];
};

int main(int argc, char **argv)
{
	struct message got;
	int msg, other;

	live_setup(argc, argv);
	if (!live_in_namespaces())
		live_skip("queues of the host's namespace are the host's, nothing of them is saved");
	other = msgget(IPC_PRIVATE, 0600);
	msg = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
	live_check(msg >= 0 && other >= 0);
	live_check(msgsnd(msg, &(struct message){ 3, "the first" }, 20, 0) == 0);
	live_check(msgsnd(msg, &(struct message){ 5, "the second" }, 40, 0) == 0);
	live_ready();
	live_check(msgget(KEY, 0) == msg);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) == 20 && got.type == 3 && strcmp(got.text, "the first") == 0);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) == 40 && got.type == 5 && strcmp(got.text, "the second") == 0);
	live_check(msgrcv(msg, &got, 40, 0, IPC_NOWAIT) < 0);
	live_check(msgctl(msg, IPC_RMID, NULL) == 0 && msgctl(other, IPC_RMID, NULL) == 0);
	live_pass();
}
