// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unix sockets, restoring. Both ends of a connection are made at once: by
 * socketpair(2), or, if one has its name from a listening socket, by
 * connecting to that name. When all sockets are there come messages and the
 * connections of datagram sockets and of those that wait to be accepted, and
 * only then options and shutdowns, which could stop them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include "state/file_kinds.h"
#include "state/namespace.h"
#include "state/outside.h"
#include "state/socket.h"
#include "state/unix_socket.h"

#define ROW struct unix_socket_row

static const ROW *peer_of(const struct image *img, const ROW *row)
{
	return row->peer != COLUMN_NULL ? unix_socket_row_of(img, row->peer) : NULL;
}

bool unix_socket_is_pair(const struct image *img, const ROW *row)
{
	const ROW *peer = peer_of(img, row);

	return peer && peer->peer == row->file && peer != row &&
	       (row->type != SOCK_DGRAM || !unix_is_named(row) || !unix_is_named(peer));
}

/* ---- checking --------------------------------------------------------- */

/* Datagram sockets can be connected in a row, which ends or comes back to the last but one. */
static bool is_endless(struct restore *r, const ROW *row)
{
	size_t nr;

	image_rows(r->img, &unix_socket_table, &nr);
	for (const ROW *at = row, *next; (next = peer_of(r->img, at)); at = next)
		if (next->peer == at->file)
			return false;
		else if (nr-- == 0)
			return true;
	return false;
}

static int check_peer(struct restore *r, const ROW *row, struct err *e)
{
	const ROW *peer = peer_of(r->img, row);

	if (row->peer == COLUMN_NULL)
		return 0;
	if (!peer || peer->type != row->type || (row->type != SOCK_DGRAM && (peer == row || peer->peer != row->file)) ||
	    (row->type == SOCK_DGRAM && !unix_socket_is_pair(r->img, row) && !unix_is_named(peer)) ||
	    is_endless(r, row))
		return err_set(e, -EBADMSG, "its other end, file %ld, is not what it should be", row->peer);
	return 0;
}

static int check_pending(struct restore *r, const ROW *row, struct err *e)
{
	const ROW *listener = row->pending == COLUMN_NULL ? NULL : unix_socket_row_of(r->img, row->pending), *other;

	if (row->pending == COLUMN_NULL)
		return 0;
	if (!listener || listener->backlog == COLUMN_NULL || listener->type != row->type || !unix_is_named(listener) ||
	    row->peer != COLUMN_NULL || row->backlog != COLUMN_NULL)
		return err_set(e, -EBADMSG, "it can't wait to be accepted by file %ld", row->pending);
	image_for_each(other, r->img, &unix_socket_table)
		if (other != row && other->pending == row->pending && other->turn == row->turn)
			return err_set(e, -EBADMSG, "two wait for turn %ld to be accepted by file %ld", row->turn, row->pending);
	return 0;
}

/* Its other end is outside, or was and has been given another. */
static int check_outside(struct restore *r, const ROW *row, struct err *e)
{
	if ((row->peer_gone == UNIX_OUTSIDE) != (outside_plan_of(r, row->file) != NULL))
		return err_set(e, -EBADMSG, "tables unix_socket and outside_file don't agree about it");
	if (!outside_is_given(r, row->file))
		return 0;
	if (unix_message_waits(r->img, row->file)) {
		err_set(e, -EINVAL, "%s: something waited in it to be received, which can't be put back into a socket that "
			"is given for it", outside_plan_of(r, row->file)->row->name);
		return err_advise(e, "--drop %s", outside_plan_of(r, row->file)->row->name);
	}
	return outside_check_socket(r, row->file, (int)row->type, e);
}

int unix_socket_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const ROW *row = unix_socket_row_of(r->img, f->file);

	if (!row || (row->type != SOCK_STREAM && row->type != SOCK_DGRAM && row->type != SOCK_SEQPACKET))
		return err_set(e, -EBADMSG, "it is not in table unix_socket, or of an unknown type");
	if (!unix_name_ok(row) || (row->gone_path && (row->gone_abstract.data || !*row->gone_path)))
		return err_set(e, -EBADMSG, "it has no proper name");
	if (row->accepted && (!unix_is_named(row) || row->type == SOCK_DGRAM))
		return err_set(e, -EBADMSG, "it was accepted, but has no name");
	if (row->backlog != COLUMN_NULL && (row->type == SOCK_DGRAM || row->peer != COLUMN_NULL || !unix_is_named(row)))
		return err_set(e, -EBADMSG, "it can't listen");
	if (row->peer_gone ? row->peer != COLUMN_NULL || row->pending != COLUMN_NULL : row->gone_path || row->gone_abstract.data)
		return err_set(e, -EBADMSG, "its other end is both there and closed");
	if (row->type != SOCK_DGRAM && !row->peer_gone && row->peer == COLUMN_NULL && unix_message_waits(r->img, row->file))
		return err_set(e, -EBADMSG, "something waits in it, but it is not connected");
	return socket_check_options(r, f, e) ?: check_peer(r, row, e) ?: check_pending(r, row, e) ?:
	       check_outside(r, row, e) ?: unix_message_check(r, row, e);
}

/* ---- making ----------------------------------------------------------- */

static int socket_make(const ROW *row, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = socket(AF_UNIX, (int)row->type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, "socket(AF_UNIX, %ld)", row->type);
	*ret = take_fd(&fd);
	return 0;
}

/* Not connected to anybody by itself: bound, listening or neither. */
static int single_make(struct restore *r, const ROW *row, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	int fail = socket_make(row, &fd, e) ?: unix_name_bind(r, row, fd, e);

	if (fail < 0)
		return fail;
	if (row->backlog != COLUMN_NULL && listen(fd, (int)row->backlog) < 0)
		return err_sys(e, "listen");
	*ret = take_fd(&fd);
	return 0;
}

/* The listening socket of that name, made now if need be; -1 in *ret: there is none. */
static int listener_get(struct restore *r, const ROW *row, int *ret, struct err *e)
{
	const ROW *l;

	*ret = -1;
	image_for_each(l, r->img, &unix_socket_table) {
		int fail;

		if (l->backlog == COLUMN_NULL || l->type != row->type || !unix_same_name(l, row))
			continue;
		*ret = r->file_fds[l->file] >= 0 ? r->file_fds[l->file] : restore_keyed(r, "unix_socket", l->file);
		if (*ret >= 0)
			return 0;
		fail = single_make(r, l, ret, e);
		if (fail == 0)
			restore_set_keyed(r, "unix_socket", l->file, *ret);
		return fail;
	}
	return 0;
}

/* The row that the listening socket of @accepted's name has in hidden places: all of a name share one. */
static const ROW *listener_row(struct restore *r, const ROW *accepted)
{
	const ROW *l;

	image_for_each(l, r->img, &unix_socket_table)
		if (l->backlog != COLUMN_NULL && l->type == accepted->type && unix_same_name(l, accepted))
			return l;
	return accepted;
}

static int connect_and_accept(struct restore *r, const ROW *listener_row_, int listener, int client, int *ret,
			      struct err *e)
{
	int fail = unix_name_connect(r, listener_row_, client, e);

	if (fail < 0)
		return fail;
	*ret = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return *ret < 0 ? err_sys(e, "accept") : 0;
}

/* Who listened is closed since: one that does for the moment, where nobody sees its file. */
static int accept_by_temporary(struct restore *r, const ROW *accepted, int client, int *ret, struct err *e)
{
	_cleanup_fd_ int listener = -1;
	ROW gone = *accepted;
	int fail;

	gone.directory = gone.moved = NULL;
	gone.mode = COLUMN_NULL;
	gone.backlog = 1;
	fail = single_make(r, &gone, &listener, e) ?: connect_and_accept(r, &gone, listener, client, ret, e);
	return fail ?: unix_name_hide(r, &gone, e);
}

static int accepted_make(struct restore *r, const ROW *accepted, const ROW *client, int *ret_accepted, int *ret_client,
			 struct err *e)
{
	_cleanup_fd_ int fd = -1;
	int listener, ret = listener_get(r, accepted, &listener, e);

	if (ret < 0)
		return ret;
	ret = socket_make(accepted, &fd, e) ?: unix_name_bind(r, client, fd, e);
	if (ret < 0)
		return ret;
	ret = listener < 0 ? accept_by_temporary(r, accepted, fd, ret_accepted, e)
			   : connect_and_accept(r, listener_row(r, accepted), listener, fd, ret_accepted, e);
	if (ret == 0)
		*ret_client = take_fd(&fd);
	return ret;
}

static int pair_make(struct restore *r, const ROW *row, const ROW *peer, int *ret_fd, int *ret_peer, struct err *e)
{
	int ends[2];

	if (row->accepted)
		return accepted_make(r, row, peer, ret_fd, ret_peer, e);
	if (peer->accepted)
		return accepted_make(r, peer, row, ret_peer, ret_fd, e);
	if (socketpair(AF_UNIX, (int)row->type | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "socketpair");
	*ret_fd = ends[0];
	*ret_peer = ends[1];
	return unix_name_bind(r, row, ends[0], e) ?: unix_name_bind(r, peer, ends[1], e);
}

#define GONE_FILE(row) (-1 - (row)->file)	/* a number for the closed end, see hidden_root() in unix_name.c */

/* The end that is closed, for as long as it is needed to fill the queue of the other. */
static int orphan_make(struct restore *r, const ROW *row, int *ret, struct err *e)
{
	ROW gone = {
		.file = GONE_FILE(row), .type = row->type, .path = row->gone_path, .abstract = row->gone_abstract,
		.mode = COLUMN_NULL, .backlog = COLUMN_NULL,
	};
	const ROW *l;
	int peer = -1, fail;

	/* A name without a file is taken from the socket that listens, if it still does. */
	image_for_each(l, r->img, &unix_socket_table)
		if (gone.abstract.data && !row->accepted && l->backlog != COLUMN_NULL && l->type == row->type &&
		    unix_same_name(l, &gone))
			gone.accepted = 1;
	fail = pair_make(r, row, &gone, ret, &peer, e);
	if (peer >= 0)
		restore_set_keyed(r, "unix_socket", gone.file, peer);
	return fail ?: unix_name_hide(r, &gone, e);
}

static int own(const ROW *row, int fd, struct err *e)
{
	if (fchown(fd, (uid_t)row->owner_uid, (gid_t)row->owner_gid) < 0)
		return err_sys(e, "give the socket to user %ld", row->owner_uid);
	return 0;
}

/* A name that it has from a listening socket is that one's. */
static int bind_in(struct restore *r, const ROW *row, int64_t mount_ns, int fd, struct err *e)
{
	int back, left, ret = row->accepted ? 0 : namespace_enter(r, mount_ns, "mnt", &back, e);

	if (ret < 0 || row->accepted)
		return ret;
	ret = unix_name_bind(r, row, fd, e);
	left = namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e);
	return ret ?: left;
}

/* Connected to somebody outside, in cpt's own mount namespace. */
static int given_make(struct restore *r, const struct file_row *f, const ROW *row, int *ret_fd, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	int ret;

	if (!outside_is_path_of_socket(r, f->file))
		return outside_open(r, f, ret_fd, e);
	ret = socket_make(row, &fd, e) ?: bind_in(r, row, f->mount_ns, fd, e) ?: outside_connect(r, f->file, fd, e);
	if (ret < 0)
		return ret;
	if (f->flags & O_NONBLOCK && fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return err_sys(e, "fcntl(F_SETFL)");
	*ret_fd = take_fd(&fd);
	return own(row, *ret_fd, e);
}

int unix_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const ROW *row = unix_socket_row_of(r->img, f->file);
	int made = restore_keyed(r, "unix_socket", f->file), peer = -1, ret;

	if (made >= 0) {
		*ret_fd = fcntl(made, F_DUPFD_CLOEXEC, 0);
		return *ret_fd < 0 ? err_sys(e, "dup") : own(row, *ret_fd, e);
	}
	if (outside_is_given(r, f->file))
		return given_make(r, f, row, ret_fd, e);
	if (row->peer_gone) {
		ret = orphan_make(r, row, ret_fd, e);
	} else if (unix_socket_is_pair(r->img, row)) {
		ret = pair_make(r, row, peer_of(r->img, row), ret_fd, &peer, e);
		if (peer >= 0)
			restore_set_keyed(r, "unix_socket", row->peer, peer);
	} else {
		ret = single_make(r, row, ret_fd, e);
	}
	return ret ?: own(row, *ret_fd, e);
}

/* ---- connecting ------------------------------------------------------- */

/* The other end is closed: fill our queue from it, then let it go as it did. */
static int orphan_fill(struct restore *r, const ROW *row, int fd, struct err *e)
{
	_cleanup_fd_ int peer = restore_take_keyed(r, "unix_socket", GONE_FILE(row));
	int ret = unix_message_restore(r, row, peer, e);

	/* Bytes that it never read are what gives ECONNRESET (unix_release_sock()). */
	if (ret == 0 && row->peer_gone == 2 && send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_sys(e, "send to an end that closes");
	return ret;
}

static bool is_connected(int fd)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	return getpeername(fd, (struct sockaddr *)&addr, &len) == 0;
}

/* Two named datagram sockets that are connected to each other, and got nothing from others. */
static bool is_private(const struct image *img, const ROW *row, const ROW *peer)
{
	return peer && peer != row && peer->peer == row->file && unix_message_all_from(img, row, peer) &&
	       unix_message_all_from(img, peer, row);
}

/* Nobody else may send or connect to a socket that is connected (unix_may_send()): they come before. */
static int datagram_connect(struct restore *r, const ROW *row, struct err *e)
{
	const ROW *peer = peer_of(r->img, row), *other;
	int fd = r->file_fds[row->file], ret;

	if (is_connected(fd))
		return 0;
	image_for_each(other, r->img, &unix_socket_table)
		if (other->peer == row->file && other != row && other != peer && other->type == SOCK_DGRAM &&
		    datagram_connect(r, other, e) < 0)
			return e->code;
	ret = is_private(r->img, row, peer) ? 0 : unix_message_restore(r, row, -1, e);
	if (ret < 0 || !peer)
		return ret;
	ret = unix_name_connect(r, peer, fd, e);
	/* So they are not bound by how much may wait from strangers (net.unix.max_dgram_qlen). */
	if (ret < 0 || !is_private(r->img, row, peer) || !is_connected(r->file_fds[peer->file]))
		return ret;
	return unix_message_restore(r, row, r->file_fds[peer->file], e) ?: unix_message_restore(r, peer, fd, e);
}

static int connect_pending(struct restore *r, const ROW *listener, const ROW *row, struct err *e)
{
	int fd = r->file_fds[row->file], flags = fcntl(fd, F_GETFL), ret;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "fcntl(F_SETFL)");
	ret = unix_name_connect(r, listener, fd, e);
	if (ret == 0 && fcntl(fd, F_SETFL, flags) < 0)
		return err_sys(e, "fcntl(F_SETFL)");
	return ret;
}

/* Those that wait to be accepted, in their turn; meanwhile there is room for all. */
static int fill_backlog(struct restore *r, const ROW *listener, int fd, struct err *e)
{
	int64_t nr = 0, last = -1;
	const ROW *row;

	image_for_each(row, r->img, &unix_socket_table)
		nr += row->pending == listener->file;
	if (!nr)
		return 0;
	if (listen(fd, (int)max(listener->backlog, nr)) < 0)
		return err_sys(e, "listen");
	for (int64_t i = 0; i < nr; i++) {
		const ROW *next = NULL;

		image_for_each(row, r->img, &unix_socket_table)
			if (row->pending == listener->file && row->turn > last && (!next || row->turn < next->turn))
				next = row;
		if (connect_pending(r, listener, next, e) < 0)
			return err_in(e, "file %ld", next->file);
		last = next->turn;
	}
	return listen(fd, (int)listener->backlog) < 0 ? err_sys(e, "listen") : 0;
}

int unix_socket_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const ROW *row = unix_socket_row_of(r->img, f->file);

	if (outside_is_given(r, f->file))
		return 0;
	if (row->peer_gone)
		return orphan_fill(r, row, fd, e);
	if (unix_socket_is_pair(r->img, row))
		return unix_message_restore(r, row, r->file_fds[row->peer], e);
	if (row->backlog != COLUMN_NULL)
		return fill_backlog(r, row, fd, e);
	return row->type == SOCK_DGRAM ? datagram_connect(r, row, e) : 0;
}

/* 1: receiving, 2: sending; shutdown(2) counts from 0. A listening one cannot be half shut down. */
static int shut_down(const ROW *row, int fd, struct err *e)
{
	return row->shutdown && shutdown(fd, (int)row->shutdown - 1) < 0 && errno != ENOTCONN
		? err_sys(e, "shutdown(%ld)", row->shutdown - 1) : 0;
}

int unix_socket_settle(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const ROW *row = unix_socket_row_of(r->img, f->file);
	bool given = outside_is_given(r, f->file), closed = row->peer_gone && !given && row->type != SOCK_DGRAM;
	struct stat st;
	int ret;

	/* What is only standard input or output may be something else now. */
	if (given && (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode)))
		return 0;
	ret = socket_restore_options(r, f, fd, e) ?: closed ? 0 : shut_down(row, fd, e);
	return ret ?: unix_name_hide(r, row, e);
}
