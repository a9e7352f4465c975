/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * System V IPC: shared memory segments, semaphore sets and message queues of a
 * container's ipc namespaces, each in the file of its name (sysv_shm.c,
 * sysv_sem.c, sysv_msg.c). In the host's own ipc namespace only segments that
 * the container maps are its own; sets and queues there stay the host's.
 */
#pragma once
#include <sys/ipc.h>
#include "state/kind.h"

extern const struct kind sysv_shm_kind, sysv_sem_kind, sysv_msg_kind;

/* Who owns an object; the same columns in all three tables. */
#define SYSV_PERMISSIONS int64_t key, uid, gid, creator_uid, creator_gid, mode
#define SYSV_PERMISSION_COLUMNS(type) \
	INT_COLUMN(type, key, 0, UINT32_MAX), INT_COLUMN(type, uid, 0, UINT32_MAX), \
	INT_COLUMN(type, gid, 0, UINT32_MAX), INT_COLUMN(type, creator_uid, 0, UINT32_MAX), \
	INT_COLUMN(type, creator_gid, 0, UINT32_MAX), INT_COLUMN(type, mode, 0, 07777)

struct sysv_permissions {
	SYSV_PERMISSIONS;
};
struct sysv_permissions sysv_permissions(const struct ipc_perm *perm);

/* Call @fn once in each ipc namespace of the container that is not cpt's own; @p is a process in it. */
int sysv_each_namespace(struct save *s, int (*fn)(struct save *s, struct live_process *p, int64_t ns, struct err *e),
			struct err *e);

/*
 * Between begin and end cpt is in the ipc namespace @ns with the creator's ids
 * but its own power, and the next object of @next_id_kind gets @id.
 */
struct sysv_scope {
	int back;
	int proc;
};
int sysv_begin(struct restore *r, struct sysv_scope *scope, int64_t ns, const char *next_id_kind, int64_t id,
	       const struct sysv_permissions *p, struct err *e);
int sysv_end(struct sysv_scope *scope, struct err *e);
