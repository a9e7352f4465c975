// SPDX-License-Identifier: GPL-2.0-only
/* Putting back what waited in unix sockets, see unix_message.c. */
#include <errno.h>
#include <string.h>
#include "state/process.h"
#include "state/unix_socket.h"

#define ROW struct unix_message_row
#define MOST_RIGHTS UNIX_MOST_RIGHTS

/* ---- checking --------------------------------------------------------- */

static int check_message(struct restore *r, const struct unix_socket_row *row, const ROW *m, int64_t nth, struct err *e)
{
	bool named = m->from_path || m->from_abstract.data;

	if (m->message != nth)
		return err_set(e, -EBADMSG, "message %ld of file %ld is not in table unix_message", nth, row->file);
	if ((named && row->type != SOCK_DGRAM) || (m->from_path && (m->from_abstract.data || !*m->from_path)) ||
	    (row->type == SOCK_STREAM && !m->data.len))
		return err_set(e, -EBADMSG, "message %ld of file %ld is none of its type", nth, row->file);
	if (m->process != COLUMN_NULL &&
	    (m->uid == COLUMN_NULL || m->gid == COLUMN_NULL ||
	     !image_find(r->img, &process_table, offsetof(struct process_row, process), m->process)))
		return err_set(e, -EBADMSG, "message %ld of file %ld is from %ld, which is not in table process", nth,
			       row->file, m->process);
	return 0;
}

int unix_message_check(struct restore *r, const struct unix_socket_row *row, struct err *e)
{
	const struct unix_right_row *right;
	const ROW *m;
	int64_t nr = 0, number = 0, of = -1;
	size_t nr_files;

	image_rows(r->img, &file_table, &nr_files);
	image_for_each(m, r->img, &unix_message_table)
		if (m->file == row->file && check_message(r, row, m, nr++, e) < 0)
			return e->code;
	image_for_each(right, r->img, &unix_right_table) {
		if (right->file != row->file)
			continue;
		number = right->message == of ? number + 1 : 0;
		of = right->message;
		if (right->message >= nr || right->number != number || right->sent >= (int64_t)nr_files)
			return err_set(e, -EBADMSG, "descriptor %ld of message %ld of file %ld is not what it should be "
				       "(table unix_right)", right->number, right->message, row->file);
	}
	return 0;
}

/* ---- sending ---------------------------------------------------------- */

/* Let @fd send all that waited; it gets its real size of buffer back. */
static int raise_buffer(int fd, int *ret_old, struct err *e)
{
	int large = 1 << 29;
	socklen_t len = sizeof(*ret_old);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, ret_old, &len) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large)) < 0)
		return err_sys(e, "raise SO_SNDBUF for what waited in the queue");
	return 0;
}

static int lower_buffer(int fd, int old, struct err *e)
{
	int half = old / 2, unlocked = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof(unlocked)) < 0)
		return err_sys(e, "set SO_SNDBUF back to %d", old);
	return 0;
}

/* The control data of a message: who sent it, and descriptors. */
static int add_control(struct restore *r, const ROW *m, struct msghdr *msg, struct err *e)
{
	const struct unix_right_row *right;
	struct cmsghdr *c = msg->msg_control;
	struct new_process *p;
	struct ucred sender;
	int fds[MOST_RIGHTS];
	size_t nr = 0;

	msg->msg_controllen = 0;
	if (m->process != COLUMN_NULL) {
		p = restore_find(r, m->process);
		if (!p)
			return err_set(e, -EBADMSG, "message %ld is from task %ld, which is not there", m->message, m->process);
		sender = (struct ucred){ p->pid, (uid_t)m->uid, (gid_t)m->gid };
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(sender)), SOL_SOCKET, SCM_CREDENTIALS };
		memcpy(CMSG_DATA(c), &sender, sizeof(sender));
		msg->msg_controllen = CMSG_SPACE(sizeof(sender));
	}
	image_for_each(right, r->img, &unix_right_table)
		if (right->file == m->file && right->message == m->message && nr < MOST_RIGHTS)
			fds[nr++] = r->file_fds[right->sent];
	if (nr) {
		c = (struct cmsghdr *)((char *)msg->msg_control + msg->msg_controllen);
		*c = (struct cmsghdr){ CMSG_LEN(nr * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), fds, nr * sizeof(int));
		msg->msg_controllen += CMSG_SPACE(nr * sizeof(int));
	}
	return 0;
}

/* Through @fd, to whom it is connected to, or by the name of @to. */
static int message_send(struct restore *r, const ROW *m, int fd, const struct unix_socket_row *to, struct err *e)
{
	_Alignas(struct cmsghdr) char control[2048] = { 0 };
	struct iovec io = { m->data.len ? m->data.data : "", m->data.len };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control };
	int old = 0, ret = add_control(r, m, &msg, e) ?: raise_buffer(fd, &old, e);
	ssize_t n;

	if (ret < 0)
		return ret;
	n = to ? unix_name_send(r, to, fd, &msg, e) : sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == (ssize_t)m->data.len)
		return lower_buffer(fd, old, e);
	if (n >= 0)
		return err_set(e, -EIO, "put back %zd of %zu waiting bytes", n, m->data.len);
	if (!to)
		err_sys(e, "send");
	if (e->code == -EAGAIN)
		err_advise(e, "sysctl net.unix.max_dgram_qlen may be lower than when the snapshot was taken");
	return err_in(e, "put back message %ld of %zu bytes", m->message, m->data.len);
}

/* ---- senders of datagrams --------------------------------------------- */

#define SENDER_FILE (-(1L << 40))	/* the number of a socket that is there only to send */

/* A socket of the container that has the name which @m came from: cpt's descriptor of it, or -1. */
static int sender_of(const struct restore *r, const ROW *m)
{
	const struct unix_socket_row *row;

	image_for_each(row, r->img, &unix_socket_table) {
		bool same = m->from_path ? row->path && strcmp(row->path, m->from_path) == 0
					 : row->abstract.data && row->abstract.len == m->from_abstract.len &&
					   memcmp(row->abstract.data, m->from_abstract.data, row->abstract.len) == 0;

		if (same && row->type == SOCK_DGRAM)
			return r->file_fds[row->file];
	}
	return -1;
}

static int send_by_name(struct restore *r, const struct unix_socket_row *row, const ROW *m, struct err *e)
{
	bool named = m->from_path || m->from_abstract.data;
	struct unix_socket_row sender = {
		.file = SENDER_FILE, .type = row->type, .mode = COLUMN_NULL, .path = m->from_path,
		.abstract = m->from_abstract,
	};
	int fd = named ? sender_of(r, m) : -1, ret;
	_cleanup_fd_ int temporary = -1;

	if (fd >= 0)
		return message_send(r, m, fd, row, e);
	/* Its sender was closed: one that has its name for the moment. */
	temporary = socket(AF_UNIX, (int)row->type | SOCK_CLOEXEC, 0);
	if (temporary < 0)
		return err_sys(e, "socket(AF_UNIX, %ld)", row->type);
	ret = unix_name_bind(r, &sender, temporary, e) ?: message_send(r, m, temporary, row, e);
	return ret ?: unix_name_hide(r, &sender, e);
}

int unix_message_restore(struct restore *r, const struct unix_socket_row *row, int fd, struct err *e)
{
	const ROW *m;

	image_for_each(m, r->img, &unix_message_table) {
		int ret = m->file != row->file ? 0 : fd >= 0 ? message_send(r, m, fd, NULL, e) : send_by_name(r, row, m, e);

		if (ret < 0)
			return ret;
	}
	return 0;
}
