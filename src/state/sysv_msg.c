// SPDX-License-Identifier: GPL-2.0-only
/* System V message queues with their messages: tables `sysv_msg_queue` and `sysv_message`. */
#include <errno.h>
#include <string.h>
#include <sys/msg.h>
#include "state/sysv.h"

#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13		/* include/uapi/linux/msg.h */
#endif
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

struct sysv_msg_queue_row {
	int64_t ipc_ns, id;
	SYSV_PERMISSIONS;
	int64_t bytes_most;
};

struct sysv_message_row {
	int64_t ipc_ns, id;
	int64_t place;		/* in the queue */
	int64_t type;
	struct blob text;
};

static const struct column sysv_msg_queue_columns[] = {
	INT_COLUMN(struct sysv_msg_queue_row, ipc_ns, 0, 65535),
	INT_COLUMN(struct sysv_msg_queue_row, id, 0, INT32_MAX),
	SYSV_PERMISSION_COLUMNS(struct sysv_msg_queue_row),
	INT_COLUMN(struct sysv_msg_queue_row, bytes_most, 0, INT64_MAX),
};
static const struct table sysv_msg_queue_table =
	TABLE("sysv_msg_queue", struct sysv_msg_queue_row, sysv_msg_queue_columns);

static const struct column sysv_message_columns[] = {
	INT_COLUMN(struct sysv_message_row, ipc_ns, 0, 65535),
	INT_COLUMN(struct sysv_message_row, id, 0, INT32_MAX),
	INT_COLUMN(struct sysv_message_row, place, 0, INT32_MAX),
	INT_COLUMN(struct sysv_message_row, type, 1, INT64_MAX),
	BLOB_COLUMN(struct sysv_message_row, text, 1 << 24),
};
static const struct table sysv_message_table = TABLE("sysv_message", struct sysv_message_row, sysv_message_columns);

/* MSG_COPY reads the message at a place and leaves it there (msgop(2), CONFIG_CHECKPOINT_RESTORE). */
static int messages_save(struct save *s, int64_t ns, int id, const struct msqid_ds *ds, struct err *e)
{
	size_t room = ds->__msg_cbytes + 1;
	_cleanup_free_ struct msgbuf *m = xmalloc(sizeof(*m) + room);

	for (msgqnum_t place = 0; place < ds->msg_qnum; place++) {
		ssize_t len = msgrcv(id, m, room, (long)place, IPC_NOWAIT | MSG_COPY);
		struct sysv_message_row *row;

		if (len < 0)
			return s->frozen ? err_sys(e, "read message %lu of queue %d", place, id) : 0;
		row = image_add(s->img, &sysv_message_table);
		*row = (struct sysv_message_row){
			ns, id, (int64_t)place, m->mtype, image_blob(s->img, m->mtext, (size_t)len),
		};
	}
	return 0;
}

static int namespace_save_queues(struct save *s, struct live_process *p, int64_t ns, struct err *e)
{
	struct msqid_ds ds;
	int highest = msgctl(0, MSG_INFO, &ds), r;

	(void)p;
	for (int place = 0; place <= highest; place++) {
		int id = msgctl(place, MSG_STAT_ANY, &ds);
		struct sysv_msg_queue_row *row;
		struct sysv_permissions perm;

		if (id < 0)
			continue;
		perm = sysv_permissions(&ds.msg_perm);
		row = image_add(s->img, &sysv_msg_queue_table);
		*row = (struct sysv_msg_queue_row){ .ipc_ns = ns, .id = id, .bytes_most = (int64_t)ds.msg_qbytes };
		memcpy(&row->key, &perm, sizeof(perm));
		r = messages_save(s, ns, id, &ds, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int sysv_msg_save(struct save *s, struct err *e)
{
	return sysv_each_namespace(s, namespace_save_queues, e);
}

/* ---- restoring -------------------------------------------------------- */

static int queue_fill(struct restore *r, const struct sysv_msg_queue_row *row, struct err *e)
{
	const struct sysv_message_row *message;
	struct msqid_ds ds;

	if (msgctl((int)row->id, IPC_STAT, &ds) < 0)
		return err_sys(e, "read its state");
	ds.msg_perm.uid = (uid_t)row->uid;
	ds.msg_perm.gid = (gid_t)row->gid;
	ds.msg_perm.mode = (unsigned short)row->mode;
	ds.msg_qbytes = (msglen_t)row->bytes_most;
	if (msgctl((int)row->id, IPC_SET, &ds) < 0)
		return err_sys(e, "set its owner and size");
	image_for_each(message, r->img, &sysv_message_table) {
		_cleanup_free_ struct msgbuf *m = NULL;

		if (message->ipc_ns != row->ipc_ns || message->id != row->id)
			continue;
		m = xmalloc(sizeof(*m) + message->text.len);
		m->mtype = message->type;
		memcpy(m->mtext, message->text.data, message->text.len);
		if (msgsnd((int)row->id, m, message->text.len, IPC_NOWAIT) < 0)
			return err_sys(e, "put message %ld into it", message->place);
	}
	return 0;
}

static int queue_restore(struct restore *r, const struct sysv_msg_queue_row *row, struct err *e)
{
	struct sysv_permissions perm;
	struct sysv_scope scope;
	int ret, id;

	memcpy(&perm, &row->key, sizeof(perm));
	ret = sysv_begin(r, &scope, row->ipc_ns, "IPC_MSG", row->id, &perm, e);
	if (ret < 0)
		return ret;
	id = msgget((key_t)row->key, IPC_CREAT | IPC_EXCL | (int)row->mode);
	if (id < 0)
		ret = err_sys(e, "make it");
	else if (id != row->id)
		ret = err_set(e, -EPROTO, "the kernel gave it the id %d", id);
	if (ret == 0)
		ret = queue_fill(r, row, e);
	return sysv_end(&scope, ret < 0 ? &ERR_INIT : e) ?: ret;
}

static int sysv_msg_restore(struct restore *r, struct err *e)
{
	const struct sysv_msg_queue_row *row;

	image_for_each(row, r->img, &sysv_msg_queue_table)
		if (queue_restore(r, row, e) < 0)
			return err_in(e, "message queue %ld", row->id);
	return 0;
}

const struct kind sysv_msg_kind = {
	.name = "sysv_msg",
	.tables = (const struct table *const[]){ &sysv_msg_queue_table, &sysv_message_table, NULL },
	.save_container = sysv_msg_save,
	.restore_container = sysv_msg_restore,
};
