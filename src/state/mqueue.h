/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * POSIX message queues (mq_overview(7)): table `mqueue`, what is in them:
 * table `mqueue_message`, and open files of them: table `mqueue_file`. In the
 * host's ipc namespace only those that the container has open are known, and
 * unless they have lost their name they and their messages stay the host's.
 */
#pragma once
#include "state/file.h"

struct mqueue_row {
	int64_t mqueue;		/* dense from 0 */
	int64_t ipc_ns;		/* COLUMN_NULL: the host's */
	char *name;		/* without the "/" that programs put before it */
	int64_t unlinked;	/* 1: its name was removed while it was open */
	int64_t inode;		/* at snapshot time */
	int64_t uid, gid, mode;
	int64_t messages_most;	/* mq_maxmsg */
	int64_t bytes_most;	/* mq_msgsize */
};
extern const struct table mqueue_table, mqueue_message_table;
extern const struct kind mqueue_kind;
extern const struct file_kind mqueue_file_kind;

#define MQUEUE_MESSAGES_MOST 65536		/* HARD_MSGMAX, include/linux/ipc_namespace.h */
#define MQUEUE_BYTES_MOST (16 << 20)		/* HARD_MSGSIZEMAX */
#define MQUEUE_PRIORITY_HIGHEST 32767		/* MQ_PRIO_MAX - 1, include/uapi/linux/mqueue.h */

/* A queue that was met, and how a task can open it too. */
struct mqueue_met {
	struct live_process *process;	/* one that is in its ipc namespace, or has it open */
	const char *object;		/* for refusals */
	const char *path;		/* that it has it by; NULL: by the name */
	const char *name;
	int64_t ipc_ns;
	bool unlinked;
	int fd;				/* cpt's own descriptor, which may read */
};

/* Is it restored with the container? */
static inline bool mqueue_is_own(const struct mqueue_row *row)
{
	return row->ipc_ns != COLUMN_NULL || row->unlinked;
}

/* Is it one whose row is there? */
bool mqueue_known(struct save *s, int64_t ipc_ns, ino_t inode);
/* Add the row of a queue, unless it is there already, and those of its messages; refuses what can't be saved. */
int mqueue_save(struct save *s, const struct mqueue_met *met, int64_t *ret_mqueue, struct err *e);
/* The messages of a queue in which @nr wait: taken out and put back by a task of the container. */
int mqueue_messages_save(struct save *s, const struct mqueue_met *met, const struct mqueue_row *row, long nr,
			 struct err *e);
int mqueue_messages_restore(struct restore *r, const struct mqueue_row *row, int fd, struct err *e);
