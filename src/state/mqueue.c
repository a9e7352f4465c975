// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX message queues: table `mqueue`. Those of an ipc namespace are files of
 * its mqueue file system, of which cpt makes a mount that nobody else sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "state/mqueue.h"
#include "state/namespace.h"
#include "state/sysv.h"

static const struct column mqueue_columns[] = {
	INT_COLUMN(struct mqueue_row, mqueue, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct mqueue_row, ipc_ns, 0, 65535),
	TEXT_COLUMN(struct mqueue_row, name, 255),
	INT_COLUMN(struct mqueue_row, unlinked, 0, 1),
	INT_COLUMN(struct mqueue_row, inode, INT64_MIN, INT64_MAX),
	INT_COLUMN(struct mqueue_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct mqueue_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct mqueue_row, mode, 0, 07777),
	INT_COLUMN(struct mqueue_row, messages_most, 1, MQUEUE_MESSAGES_MOST),
	INT_COLUMN(struct mqueue_row, bytes_most, 1, MQUEUE_BYTES_MOST),
};
const struct table mqueue_table = TABLE("mqueue", struct mqueue_row, mqueue_columns);

/* ---- saving ----------------------------------------------------------- */

static const struct mqueue_row *row_known(struct save *s, int64_t ipc_ns, ino_t inode)
{
	const struct mqueue_row *row;

	image_for_each(row, s->img, &mqueue_table)
		if (row->ipc_ns == ipc_ns && row->inode == (int64_t)inode)
			return row;
	return NULL;
}

bool mqueue_known(struct save *s, int64_t ipc_ns, ino_t inode)
{
	return row_known(s, ipc_ns, inode);
}

/* Whom a message is to be told to is read from the queue; of a signal the kernel does not tell the value. */
static int refuse_notification(struct save *s, const struct mqueue_met *met, struct err *e)
{
	char text[128] = "", path[32];
	const char *pid;
	_cleanup_fd_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", met->fd);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);	/* for a position of its own */
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	pid = n > 0 ? strstr(text, "NOTIFY_PID:") : NULL;	/* mqueue_read_file() in ipc/mqueue.c */
	if (!pid)
		return err_sys(e, "read the state of the message queue %s", met->name);
	if (atoi(pid + 11) == 0)
		return 0;
	save_refuse(s, met->process, met->object, "mq_notify(..., NULL) before the snapshot",
		    "process %d wants to be told of a message in it (mq_notify)", atoi(pid + 11));
	return 1;
}

int mqueue_save(struct save *s, const struct mqueue_met *met, int64_t *ret_mqueue, struct err *e)
{
	const struct mqueue_row *known;
	struct mqueue_row row;
	struct mq_attr attr;
	struct stat st;
	size_t nr;
	int r;

	if (fstat(met->fd, &st) < 0 || mq_getattr(met->fd, &attr) < 0)
		return err_sys(e, "read the state of the message queue %s", met->name);
	known = row_known(s, met->ipc_ns, st.st_ino);
	if (known) {
		*ret_mqueue = known->mqueue;
		return 0;
	}
	image_rows(s->img, &mqueue_table, &nr);
	row = (struct mqueue_row){
		(int64_t)nr, met->ipc_ns, image_strdup(s->img, met->name), met->unlinked, (int64_t)st.st_ino, st.st_uid,
		st.st_gid, st.st_mode & 07777, attr.mq_maxmsg, attr.mq_msgsize,
	};
	*(struct mqueue_row *)image_add(s->img, &mqueue_table) = row;
	*ret_mqueue = row.mqueue;
	if (!s->frozen)
		return 0;
	r = refuse_notification(s, met, e);
	if (r != 0 || !mqueue_is_own(&row) || attr.mq_curmsgs == 0)
		return r < 0 ? r : 0;
	return mqueue_messages_save(s, met, &row, attr.mq_curmsgs, e);
}

/* The root of the mqueue file system of the ipc namespace that cpt is in. */
static int mqueue_mount(struct err *e)
{
	_cleanup_fd_ int fs = fsopen("mqueue", FSOPEN_CLOEXEC);
	int fd = -1;

	if (fs >= 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? err_sys(e, "mount the message queues of an ipc namespace") : fd;
}

static int named_save(struct save *s, struct live_process *p, int64_t ns, int root, const char *name, struct err *e)
{
	char object[300];
	struct mqueue_met met = { .process = p, .object = object, .name = name, .ipc_ns = ns };
	_cleanup_fd_ int fd = openat(root, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int64_t mqueue;

	if (fd < 0)
		return s->frozen ? err_sys(e, "open the message queue %s", name) : 0;
	met.fd = fd;
	snprintf(object, sizeof(object), "the message queue /%s", name);
	return mqueue_save(s, &met, &mqueue, e);
}

static int namespace_save_queues(struct save *s, struct live_process *p, int64_t ns, struct err *e)
{
	_cleanup_fd_ int root = mqueue_mount(e);
	_cleanup_dir_ DIR *dir = NULL;
	int r = 0, fd;

	if (root == -ENODEV) {	/* a kernel without them */
		*e = ERR_INIT;
		return 0;
	}
	if (root < 0)
		return root;
	fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return err_sys(e, "list the message queues of an ipc namespace");
	for (struct dirent *d; r == 0 && (d = readdir(dir)); )
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = named_save(s, p, ns, root, d->d_name, e);
	return r;
}

static int mqueue_save_container(struct save *s, struct err *e)
{
	return sysv_each_namespace(s, namespace_save_queues, e);
}

/* ---- restoring -------------------------------------------------------- */

static int mqueue_check(struct restore *r, struct err *e)
{
	const struct mqueue_row *row;

	image_for_each(row, r->img, &mqueue_table) {
		if (row->mqueue != (int64_t)_i)
			return err_set(e, -EBADMSG, "table mqueue is not numbered from 0");
		if (!*row->name || strchr(row->name, '/') || strcmp(row->name, ".") == 0 || strcmp(row->name, "..") == 0)
			return err_set(e, -EBADMSG, "message queue %ld has the name '%s'", row->mqueue, row->name);
	}
	return 0;
}

/* As mq_open(3), which wants a "/" before the name. */
static int open_named(const char *name, int flags, const struct mq_attr *attr)
{
	return (int)syscall(SYS_mq_open, name, flags | O_RDWR | O_NONBLOCK | O_CLOEXEC, 0600, attr);
}

/*
 * Whose file system it is must have a name for who makes a queue (fsuidgid_has_mapping() in fs/namei.c), so
 * cpt makes it as its user.
 */
static int queue_create(const struct mqueue_row *row, const struct mq_attr *attr)
{
	int fd, error;

	setfsgid((gid_t)row->gid);
	setfsuid((uid_t)row->uid);
	fd = open_named(row->name, O_CREAT | O_EXCL, attr);
	error = errno;
	setfsuid(0);
	setfsgid(0);
	errno = error;
	return fd;
}

static int queue_make(struct restore *r, const struct mqueue_row *row, struct err *e)
{
	struct mq_attr attr = { .mq_maxmsg = row->messages_most, .mq_msgsize = row->bytes_most };
	int fd = queue_create(row, &attr);

	if (fd < 0)
		return err_sys(e, "make it");
	restore_set_keyed(r, "mqueue", row->mqueue, fd);
	if (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0 || fchmod(fd, (mode_t)row->mode) < 0)
		return err_sys(e, "give it to user %ld", row->uid);
	if (row->unlinked && syscall(SYS_mq_unlink, row->name) < 0)
		return err_sys(e, "remove its name");
	return mqueue_messages_restore(r, row, fd, e);
}

/* One of the host's is taken as it is. */
static int queue_find(struct restore *r, const struct mqueue_row *row, struct err *e)
{
	int fd = open_named(row->name, 0, NULL);

	if (fd < 0) {
		err_sys(e, "open it");
		return err_advise(e, "it belongs to the host: make it again, then restore again");
	}
	restore_set_keyed(r, "mqueue", row->mqueue, fd);
	return 0;
}

static int queue_restore(struct restore *r, const struct mqueue_row *row, struct err *e)
{
	int back, left, ret = namespace_enter(r, row->ipc_ns, "ipc", &back, e);

	if (ret < 0)
		return ret;
	ret = mqueue_is_own(row) ? queue_make(r, row, e) : queue_find(r, row, e);
	left = namespace_leave(&back, "ipc", ret < 0 ? &ERR_INIT : e);
	return ret ?: left;
}

/* Those without a name first: another may have it. */
static int queues_restore(struct restore *r, int unlinked, struct err *e)
{
	const struct mqueue_row *row;

	image_for_each(row, r->img, &mqueue_table)
		if (row->unlinked == unlinked && queue_restore(r, row, e) < 0)
			return err_in(e, "message queue /%s", row->name);
	return 0;
}

static int mqueue_restore(struct restore *r, struct err *e)
{
	struct rlimit before, none = { RLIM_INFINITY, RLIM_INFINITY };
	size_t nr;
	int ret;

	image_rows(r->img, &mqueue_table, &nr);
	if (!nr)
		return 0;
	/* Queues are charged to cpt's user, with cpt's limit. */
	if (getrlimit(RLIMIT_MSGQUEUE, &before) < 0 || setrlimit(RLIMIT_MSGQUEUE, &none) < 0)
		return err_sys(e, "raise the limit of message queues");
	ret = queues_restore(r, 1, e) ?: queues_restore(r, 0, e);
	if (setrlimit(RLIMIT_MSGQUEUE, &before) < 0 && ret == 0)
		ret = err_sys(e, "set the limit of message queues back");
	return ret;
}

const struct kind mqueue_kind = {
	.name = "mqueue",
	.tables = (const struct table *const[]){ &mqueue_table, &mqueue_message_table, NULL },
	.save_container = mqueue_save_container,
	.check = mqueue_check,
	.restore_container = mqueue_restore,
};
