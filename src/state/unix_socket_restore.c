// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unix sockets, restoring. Both ends of a connection are made at once: by
 * socketpair(2), or, if one has its name from a listening socket, by
 * connecting to that name. Then come queued messages, and only then options
 * and shutdowns, which could stop messages from being sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "state/bytes.h"
#include "state/file_kinds.h"
#include "state/socket.h"
#include "state/unix_socket.h"

#define ROW struct unix_socket_row

static const ROW *row_of(const struct restore *r, int64_t file)
{
	return image_find(r->img, &unix_socket_table, offsetof(ROW, file), file);
}

static bool is_named(const ROW *row)
{
	return row->path || row->abstract.data;
}

static bool same_name(const ROW *a, const ROW *b)
{
	if (a->path && b->path)
		return strcmp(a->path, b->path) == 0 && !a->directory == !b->directory &&
		       (!a->directory || strcmp(a->directory, b->directory) == 0);
	return a->abstract.data && b->abstract.data && a->abstract.len == b->abstract.len &&
	       memcmp(a->abstract.data, b->abstract.data, a->abstract.len) == 0;
}

/* Do both ends know each other? Otherwise it is a datagram socket that was connected to a name. */
static bool is_mutual(const struct restore *r, const ROW *row)
{
	const ROW *peer = row->peer != COLUMN_NULL ? row_of(r, row->peer) : NULL;

	return peer && peer->peer == row->file;
}

int unix_socket_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const ROW *row = row_of(r, f->file), *peer = NULL;

	if (!row || (row->type != SOCK_STREAM && row->type != SOCK_DGRAM && row->type != SOCK_SEQPACKET))
		return err_set(e, -EBADMSG, "it is not in table unix_socket, or of an unknown type");
	if (row->peer != COLUMN_NULL)
		peer = row_of(r, row->peer);
	if (row->peer != COLUMN_NULL && (!peer || peer == row || peer->type != row->type ||
					 (row->type != SOCK_DGRAM && peer->peer != row->file)))
		return err_set(e, -EBADMSG, "its other end, file %ld, is not what it should be", row->peer);
	if (row->accepted && !is_named(row))
		return err_set(e, -EBADMSG, "it was accepted, but has no name");
	return 0;
}

/* ---- names ------------------------------------------------------------ */

static socklen_t address_of(const ROW *row, struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (row->path) {
		memcpy(addr->sun_path, row->path, min(strlen(row->path), sizeof(addr->sun_path)));
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				   min(strlen(row->path) + 1, sizeof(addr->sun_path)));
	}
	memcpy(addr->sun_path + 1, row->abstract.data, min(row->abstract.len, sizeof(addr->sun_path) - 1));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   min(row->abstract.len, sizeof(addr->sun_path) - 1));
}

/* A relative path is meant from where bind(2) was called. Returns where to go back to, or -1 with nothing to do. */
static int directory_enter(const ROW *row, int *ret_back, struct err *e)
{
	_cleanup_fd_ int back = -1;

	*ret_back = -1;
	if (!row->directory)
		return 0;
	back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (back < 0 || chdir(row->directory) < 0)
		return err_sys(e, "go to %s, which the socket's path %s starts from", row->directory, row->path);
	*ret_back = take_fd(&back);
	return 0;
}

static int directory_leave(int *back, struct err *e)
{
	int r = *back >= 0 && fchdir(*back) < 0 ? err_sys(e, "go back from a socket's directory") : 0;

	close_fd(back);
	return r;
}

/* A socket file that nobody listens at any more is what the killed container left: remove it. */
static int remove_leftover(const ROW *row, struct err *e)
{
	_cleanup_fd_ int probe = -1;
	struct sockaddr_un addr;
	socklen_t len = address_of(row, &addr);
	struct stat st;

	if (lstat(row->path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "find %s", row->path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "%s is there and is no socket", row->path);
	probe = socket(AF_UNIX, (int)row->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return err_sys(e, "socket");
	if (connect(probe, (struct sockaddr *)&addr, len) == 0 || errno != ECONNREFUSED) {
		err_set(e, -EADDRINUSE, "the socket %s is in use by another process", row->path);
		return err_advise(e, "end who uses it (`ss -xlp`), perhaps the container that the snapshot is of");
	}
	return unlink(row->path) < 0 ? err_sys(e, "remove the left-over socket %s", row->path) : 0;
}

static int bind_in_directory(const ROW *row, int fd, struct err *e)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(row, &addr);

	if (row->path && remove_leftover(row, e) < 0)
		return e->code;
	if (bind(fd, (struct sockaddr *)&addr, len) < 0) {
		err_sys(e, "bind to the %s name %s", row->path ? "socket" : "abstract",
			row->path ?: (const char *)addr.sun_path + 1);
		return err_advise(e, "`ss -xlp` shows who has it; a clone beside its original needs its own names");
	}
	if (!row->path)
		return 0;
	if (row->mode == COLUMN_NULL)
		return unlink(row->path) < 0 ? err_sys(e, "remove %s again", row->path) : 0;
	if (chmod(row->path, (mode_t)row->mode) < 0 || lchown(row->path, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "give %s to user %ld", row->path, row->uid);
	return 0;
}

static int socket_bind(const ROW *row, int fd, struct err *e)
{
	int back, r, left;

	if (!is_named(row))
		return 0;
	r = directory_enter(row, &back, e);
	if (r < 0)
		return r;
	r = bind_in_directory(row, fd, e);
	left = directory_leave(&back, r < 0 ? &ERR_INIT : e);
	return r ?: left;
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
static int single_make(const ROW *row, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	int r = socket_make(row, &fd, e) ?: socket_bind(row, fd, e);

	if (r < 0)
		return r;
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

		if (l->backlog == COLUMN_NULL || l->type != row->type || !same_name(l, row))
			continue;
		*ret = r->file_fds[l->file] >= 0 ? r->file_fds[l->file] : restore_keyed(r, "unix_socket", l->file);
		if (*ret >= 0)
			return 0;
		fail = single_make(l, ret, e);
		if (fail == 0)
			restore_set_keyed(r, "unix_socket", l->file, *ret);
		return fail;
	}
	return 0;
}

static int connect_and_accept(const ROW *accepted, int listener, int client, int *ret, struct err *e)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(accepted, &addr);
	int back, r = directory_enter(accepted, &back, e), left;

	if (r < 0)
		return r;
	if (connect(client, (struct sockaddr *)&addr, len) < 0)
		r = err_sys(e, "connect to %s", accepted->path ?: "an abstract name");
	left = directory_leave(&back, r < 0 ? &ERR_INIT : e);
	if (r < 0 || left < 0)
		return r ?: left;
	*ret = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return *ret < 0 ? err_sys(e, "accept") : 0;
}

/* @client is NULL if that end is closed already. */
static int accepted_make(struct restore *r, const ROW *accepted, const ROW *client, int *ret_accepted, int *ret_client,
			 struct err *e)
{
	_cleanup_fd_ int temporary = -1, fd = -1;
	ROW gone = *accepted;
	int listener, ret = listener_get(r, accepted, &listener, e);

	if (ret < 0)
		return ret;
	if (listener < 0) {
		/* It was closed since: one that leaves nothing behind. */
		gone.mode = gone.path ? 0600 : COLUMN_NULL;
		gone.uid = gone.gid = 0;
		gone.backlog = 1;
		ret = single_make(&gone, &temporary, e);
		if (ret < 0)
			return ret;
		listener = temporary;
	}
	ret = socket_make(accepted, &fd, e) ?: (client ? socket_bind(client, fd, e) : 0) ?:
	      connect_and_accept(accepted, listener, fd, ret_accepted, e);
	if (temporary >= 0 && gone.path) {
		int back;

		if (directory_enter(&gone, &back, &ERR_INIT) == 0) {
			unlink(gone.path);
			directory_leave(&back, &ERR_INIT);
		}
	}
	if (ret == 0)
		*ret_client = take_fd(&fd);
	return ret;
}

static int pair_make(struct restore *r, const ROW *row, const ROW *peer, int *ret_fd, int *ret_peer, struct err *e)
{
	int ends[2];

	if (row->accepted)
		return accepted_make(r, row, peer, ret_fd, ret_peer, e);
	if (peer && peer->accepted)
		return accepted_make(r, peer, row, ret_peer, ret_fd, e);
	if (socketpair(AF_UNIX, (int)row->type | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "socketpair");
	*ret_fd = ends[0];
	*ret_peer = ends[1];
	return socket_bind(row, ends[0], e) ?: (peer ? socket_bind(peer, ends[1], e) : 0);
}

/* ---- queues ----------------------------------------------------------- */

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

/* Send what waited in @row's queue from @fd; to the name of @row when they are not connected. */
static int queue_fill(struct restore *r, const ROW *row, int fd, bool by_name, struct err *e)
{
	_cleanup_free_ const struct bytes_row **parts = NULL;
	struct sockaddr_un addr;
	socklen_t len = by_name ? address_of(row, &addr) : 0;
	int old, ret;
	size_t nr;

	if (row->bytes == COLUMN_NULL)
		return 0;
	ret = bytes_parts(r->img, row->bytes, &parts, &nr, e) ?: raise_buffer(fd, &old, e);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < nr; i++) {
		const struct blob *b = &parts[i]->data;
		ssize_t n = sendto(fd, b->len ? b->data : "", b->len, MSG_DONTWAIT | MSG_NOSIGNAL,
				   by_name ? (struct sockaddr *)&addr : NULL, len);

		if (n != (ssize_t)b->len)
			return n < 0 ? err_sys(e, "put back message %zu of %zu bytes", i, b->len)
				     : err_set(e, -EIO, "put back %zd of %zu waiting bytes", n, b->len);
	}
	return lower_buffer(fd, old, e);
}

/* The other end is closed: fill our queue from it, then let it go as it did. */
static int orphan_make(struct restore *r, const ROW *row, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = -1, peer = -1;
	int fail = pair_make(r, row, NULL, &fd, &peer, e) ?: queue_fill(r, row, peer, false, e);

	if (fail < 0)
		return fail;
	/* Bytes that it never read are what gives ECONNRESET (unix_release_sock()). */
	if (row->peer_gone == 2 && send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_sys(e, "send to an end that closes");
	*ret = take_fd(&fd);
	return 0;
}

/* ---- entry points ----------------------------------------------------- */

static int own(const ROW *row, int fd, struct err *e)
{
	if (fchown(fd, (uid_t)row->owner_uid, (gid_t)row->owner_gid) < 0)
		return err_sys(e, "give the socket to user %ld", row->owner_uid);
	return 0;
}

int unix_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const ROW *row = row_of(r, f->file);
	int made = restore_keyed(r, "unix_socket", f->file), peer = -1, ret;

	if (made >= 0) {
		*ret_fd = fcntl(made, F_DUPFD_CLOEXEC, 0);
		return *ret_fd < 0 ? err_sys(e, "dup") : own(row, *ret_fd, e);
	}
	if (row->peer_gone) {
		ret = orphan_make(r, row, ret_fd, e);
	} else if (is_mutual(r, row)) {
		ret = pair_make(r, row, row_of(r, row->peer), ret_fd, &peer, e);
		if (peer >= 0)
			restore_set_keyed(r, "unix_socket", row->peer, peer);
	} else {
		ret = single_make(row, ret_fd, e);
	}
	return ret ?: own(row, *ret_fd, e);
}

static int settle(struct restore *r, const ROW *row, const struct file_row *f, int fd, struct err *e)
{
	int ret = socket_restore_options(r, f, fd, e);

	/* 1: receiving, 2: sending; shutdown(2) counts from 0. A listening one cannot be half shut down. */
	if (ret == 0 && row->shutdown && !row->peer_gone && shutdown(fd, (int)row->shutdown - 1) < 0 && errno != ENOTCONN)
		return err_sys(e, "shutdown(%ld)", row->shutdown - 1);
	return ret;
}

static int connect_one_way(struct restore *r, const ROW *row, int fd, struct err *e)
{
	const ROW *peer = row_of(r, row->peer);
	struct sockaddr_un addr;
	socklen_t len = address_of(peer, &addr);

	(void)r;
	return connect(fd, (struct sockaddr *)&addr, len) < 0 ? err_sys(e, "connect to %s", peer->path ?: "an abstract name")
							       : 0;
}

static int fill_single(struct restore *r, const ROW *row, struct err *e)
{
	_cleanup_fd_ int sender = -1;

	if (row->bytes == COLUMN_NULL || row->peer_gone)
		return 0;
	return socket_make(row, &sender, e) ?: queue_fill(r, row, sender, true, e);
}

int unix_socket_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const ROW *row = row_of(r, f->file), *peer;
	int ret;

	if (!is_mutual(r, row)) {
		ret = fill_single(r, row, e);
		if (ret == 0 && row->peer != COLUMN_NULL)
			ret = connect_one_way(r, row, fd, e);
		return ret ?: settle(r, row, f, fd, e);
	}
	/* Both at once, when the second one's turn has come. */
	if (row->peer > row->file)
		return 0;
	peer = row_of(r, row->peer);
	ret = queue_fill(r, row, r->file_fds[row->peer], false, e) ?: queue_fill(r, peer, fd, false, e) ?:
	      settle(r, row, f, fd, e);
	if (ret == 0)
		ret = settle(r, peer, image_find(r->img, &file_table, offsetof(struct file_row, file), row->peer),
			     r->file_fds[row->peer], e);
	return ret;
}
