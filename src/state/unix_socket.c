// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unix sockets, saving: table `unix_socket`. Stream, datagram and seqpacket
 * sockets, connected to one another inside the container, listening, waiting
 * to be accepted, or none of these. What waits in them is in unix_message.c.
 *
 * Whom SO_PEERCRED names is lost, since nothing but the task itself could set
 * it: it will be cpt.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include "state/file_kinds.h"
#include "state/namespace.h"
#include "state/outside.h"
#include "state/socket.h"
#include "state/unix_socket.h"

#define ROW struct unix_socket_row
static const struct column unix_socket_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, type, 1, 5),
	INT_COLUMN_OR_NULL(ROW, peer, 0, INT32_MAX),
	INT_COLUMN(ROW, peer_gone, 0, UNIX_OUTSIDE),
	TEXT_COLUMN_OR_NULL(ROW, gone_path, 108),
	BLOB_COLUMN_OR_NULL(ROW, gone_abstract, 107),
	INT_COLUMN_OR_NULL(ROW, backlog, 0, UINT32_MAX),
	INT_COLUMN(ROW, accepted, 0, 1),
	INT_COLUMN_OR_NULL(ROW, pending, 0, INT32_MAX),
	INT_COLUMN(ROW, turn, 0, INT32_MAX),
	TEXT_COLUMN_OR_NULL(ROW, path, 108),
	TEXT_COLUMN_OR_NULL(ROW, directory, 4095),
	TEXT_COLUMN_OR_NULL(ROW, moved, 107),
	INT_COLUMN_OR_NULL(ROW, mode, 0, 07777),
	INT_COLUMN_OR_NULL(ROW, uid, 0, UINT32_MAX),
	INT_COLUMN_OR_NULL(ROW, gid, 0, UINT32_MAX),
	BLOB_COLUMN_OR_NULL(ROW, abstract, 107),
	INT_COLUMN(ROW, owner_uid, 0, UINT32_MAX),
	INT_COLUMN(ROW, owner_gid, 0, UINT32_MAX),
	INT_COLUMN(ROW, shutdown, 0, 3),
};
const struct table unix_socket_table = TABLE("unix_socket", ROW, unix_socket_columns);

ROW *unix_socket_row_of(const struct image *img, int64_t file)
{
	return image_find(img, &unix_socket_table, offsetof(ROW, file), file);
}

static bool unix_socket_match(const struct open_file *f)
{
	int domain, type, protocol;

	return socket_is(f, &domain, &type, &protocol) && domain == AF_UNIX;
}

static void refuse(struct save *s, const struct open_file *f, const char *advice, const char *why)
{
	char name[256];

	save_refuse(s, f->process, open_file_name(f, name), advice, "%s", why);
}

/* ---- one socket ------------------------------------------------------- */

static bool has_error(const struct open_file *f)
{
	struct pollfd p = { .fd = f->own };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

static bool has_urgent(const struct open_file *f)
{
	struct pollfd p = { .fd = f->own, .events = POLLPRI };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLPRI);
}

bool unix_socket_refuses(const struct open_file *f, int type)
{
	/* Receiving messages, even peeking at them, takes the error away (__skb_try_recv_datagram()). */
	return (type != SOCK_STREAM && has_error(f)) || has_urgent(f);
}

static void refuse_waiting(struct save *s, struct open_file *f, int type, const struct unix_diag *diag)
{
	if (type != SOCK_STREAM && has_error(f))
		refuse(s, f, "let it be received first", "an error waits in it to be reported");
	else if (has_urgent(f))
		refuse(s, f, "let it be received first", "out-of-band data waits in it");
	else if (diag->state == TCP_LISTEN && diag->pending > UNIX_DIAG_MOST)
		refuse(s, f, "let it accept some first", "too many connections wait to be accepted");
}

static int save_gone(struct save *s, struct open_file *f, ROW *row, struct err *e)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	row->peer_gone = has_error(f) ? 2 : 1;
	if (getpeername(f->own, (struct sockaddr *)&addr, &len) < 0)
		return err_sys(e, "getpeername");
	unix_name_of(s->img, &addr, len, &row->gone_path, &row->gone_abstract);
	return 0;
}

static int unix_socket_save(struct save *s, struct open_file *f, struct err *e)
{
	ROW row = {
		.file = f->id, .peer = COLUMN_NULL, .backlog = COLUMN_NULL, .pending = COLUMN_NULL,
		.inode = (int64_t)f->st.st_ino, .owner_uid = f->st.st_uid, .owner_gid = f->st.st_gid,
	};
	struct unix_diag diag;
	int domain, type, protocol, r;

	socket_is(f, &domain, &type, &protocol);
	row.type = type;
	r = unix_diag_ask(f->st.st_ino, &diag, e) ?: unix_name_save(s, f, &row, e) ?:
	    namespace_of(s, f->process, "mnt", &file_row_of(s, f)->mount_ns, e);
	if (r < 0)
		return r;
	refuse_waiting(s, f, type, &diag);
	if (diag.state == TCP_LISTEN) {
		row.backlog = diag.backlog;
		row.icons = image_blob(s->img, diag.icons, diag.nr_icons * sizeof(*diag.icons));
	}
	row.shutdown = diag.shutdown;
	row.peer_inode = diag.has_peer ? (int64_t)diag.peer : -1;
	/*
	 * A closed end has no inode any more, and one that waits for accept(2) has none yet:
	 * there not both ways are shut down (3, sock_diag's RCV_SHUTDOWN | SEND_SHUTDOWN).
	 */
	row.unaccepted = diag.has_peer && diag.peer == 0 && type != SOCK_DGRAM && diag.shutdown != 3;
	if (diag.has_peer && diag.peer == 0 && !row.unaccepted) {
		r = save_gone(s, f, &row, e);
		if (r < 0)
			return r;
	}
	*(ROW *)image_add(s->img, &unix_socket_table) = row;
	return socket_save_options(s, f, e);
}

/* ---- connections that wait to be accepted ------------------------------- */

static struct open_file *file_of(struct save *s, const ROW *row)
{
	return s->live->files[row->file];
}

static ROW *row_with_inode(struct save *s, int64_t inode)
{
	return inode > 0 ? image_find(s->img, &unix_socket_table, offsetof(ROW, inode), inode) : NULL;
}

/* A path leads to a socket in one mount namespace only. */
static bool same_mounts(struct save *s, const ROW *a, const ROW *b)
{
	return file_row_of(s, file_of(s, a))->mount_ns == file_row_of(s, file_of(s, b))->mount_ns;
}

static void save_pending(struct save *s, const ROW *listener, ROW *row, size_t turn)
{
	int sent = 0;

	row->pending = listener->file;
	row->turn = (int64_t)turn;
	row->unaccepted = false;
	row->peer_gone = 0;
	row->gone_path = NULL;
	row->gone_abstract = (struct blob){ 0 };
	/* The other end is in no descriptor yet, so what was sent to it can't be looked at. */
	if (ioctl(file_of(s, row)->own, SIOCOUTQ, &sent) < 0 || sent)
		refuse(s, file_of(s, row), "let its connection be accepted first",
		       "it has sent something through a connection that waits to be accepted");
	if (!same_mounts(s, listener, row))
		refuse(s, file_of(s, row), "let its connection be accepted first",
		       "its connection waits to be accepted by a socket of another mount namespace");
}

static void save_icons(struct save *s, const ROW *listener)
{
	const uint32_t *inodes = listener->icons.data;

	for (size_t i = 0; i < listener->icons.len / sizeof(*inodes); i++) {
		ROW *row = row_with_inode(s, inodes[i]);

		if (row)
			save_pending(s, listener, row, i);
		else if (inodes[i] == 0)
			refuse(s, file_of(s, listener), "let it accept them first",
			       "a connection waits to be accepted whose other end is closed: what it sent can't be looked at");
		else if (s->frozen || !live_maybe_in_flight(s->live))
			refuse(s, file_of(s, listener), "let it accept them first",
			       "a connection waits to be accepted whose other end is outside of the container");
	}
}

/* ---- who is connected to whom ------------------------------------------- */

static bool listener_has_name(struct save *s, const ROW *row)
{
	const ROW *l;

	image_for_each(l, s->img, &unix_socket_table)
		if (l->backlog != COLUMN_NULL && l->type == row->type && unix_same_name(l, row))
			return true;
	return false;
}

/* "/run/log" or "@log": how an option can name it. NULL: it has no name, or one that is no text. */
static char *name_text(struct save *s, const struct sockaddr_un *addr, socklen_t len)
{
	struct blob abstract;
	char *path, text[110];

	unix_name_of(s->img, addr, len, &path, &abstract);
	if (path || !abstract.data || !abstract.len || memchr(abstract.data, 0, abstract.len))
		return path;
	snprintf(text, sizeof(text), "@%.*s", (int)abstract.len, (const char *)abstract.data);
	return image_strdup(s->img, text);
}

static char *far_name(struct save *s, const struct open_file *f)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	return getpeername(f->own, (struct sockaddr *)&addr, &len) < 0 ? NULL : name_text(s, &addr, len);
}

static char *near_name(struct save *s, const struct open_file *f)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	return getsockname(f->own, (struct sockaddr *)&addr, &len) < 0 ? NULL : name_text(s, &addr, len);
}

/*
 * The other end is outside of the container, for @reason. A datagram socket
 * that is connected to a name is no conversation: connecting it again is as
 * good (syslog(3) does so by itself), if nothing waits in it.
 */
static void save_outside(struct save *s, ROW *row, const char *advice, const char *reason)
{
	struct open_file *f = file_of(s, row);
	char *name = far_name(s, f);
	const struct outside_thing t = {
		.kind = "unix", .number = row->inode, .where = name ?: near_name(s, f), .advice = advice, .reason = reason,
		.otherwise = row->type == SOCK_DGRAM && !unix_message_waits(s->img, row->file) ? name : NULL,
	};

	if (!outside_save(s, f->process, f, &t))
		return;
	row->peer_gone = UNIX_OUTSIDE;
	row->accepted = row->type != SOCK_DGRAM && listener_has_name(s, row);
}

static void find_peer(struct save *s, ROW *row)
{
	struct open_file *f = file_of(s, row);
	char link[32], reason[256], who[128];

	if (!s->frozen && live_maybe_in_flight(s->live))
		return;
	snprintf(link, sizeof(link), "socket:[%ld]", row->peer_inode);
	if (outside_has(s->live, link, f->st.st_dev, (ino_t)row->peer_inode, who, sizeof(who))) {
		snprintf(reason, sizeof(reason), "its other end (%s) is in %s, outside of the container", link, who);
		save_outside(s, row, "run both in the container, or close the connection", reason);
	} else {
		snprintf(reason, sizeof(reason), "its other end (%s) is in no task: it is on the way in a socket outside "
			 "of the container", link);
		save_outside(s, row, "let the connection be received first", reason);
	}
}

/* Will what waits in datagram socket @row be restored as it came? */
static void check_datagrams(struct save *s, const ROW *row, const ROW *peer)
{
	const ROW gone = { .path = row->gone_path, .abstract = row->gone_abstract };

	if (!unix_message_waits(s->img, row->file))
		return;
	if (row->peer_gone || unix_socket_is_pair(s->img, row)) {
		if (!unix_message_all_from(s->img, row, row->peer_gone ? &gone : peer))
			refuse(s, file_of(s, row), "let it be received first",
			       "datagrams wait in it that came neither from its other end nor under its name");
	} else if (!unix_is_named(row)) {
		refuse(s, file_of(s, row), "let it be received first",
		       "datagrams wait in a socket that has no name to send them to");
	}
}

/* A datagram socket may send to one that does not know of it; that is connected again by name. */
static void check_one_way(struct save *s, const ROW *row, const ROW *peer)
{
	if (!unix_is_named(peer))
		refuse(s, file_of(s, row), "give the other one a name (bind(2))",
		       "the socket that it is connected to has no name to be reached by");
	else if (peer->path && !same_mounts(s, row, peer))
		refuse(s, file_of(s, row), "run both in the same mount namespace",
		       "the socket that it is connected to is in another mount namespace");
}

/* The name of a closed end must be free for one that takes its place for a moment. */
static void check_gone(struct save *s, const ROW *row)
{
	const ROW *other;

	image_for_each(other, s->img, &unix_socket_table)
		if (row->gone_abstract.data && other->abstract.data && other->type == row->type &&
		    other->abstract.len == row->gone_abstract.len && !other->accepted && other->backlog == COLUMN_NULL &&
		    memcmp(other->abstract.data, row->gone_abstract.data, other->abstract.len) == 0)
			refuse(s, file_of(s, row), "close it",
			       "its other end is closed, and another socket has the name that it had");
}

static void save_connection(struct save *s, ROW *row)
{
	const ROW *peer = row_with_inode(s, row->peer_inode);

	if (row->peer_inode <= 0) {
		row->accepted = row->type != SOCK_DGRAM && row->peer_gone && listener_has_name(s, row);
		if (row->unaccepted && (s->frozen || !live_maybe_in_flight(s->live)))
			save_outside(s, row, "let it be accepted first",
				     "its connection waits to be accepted outside of the container");
		return;
	}
	if (!peer) {
		find_peer(s, row);
		return;
	}
	row->peer = peer->file;
	/* accept(2) makes its socket after the one that connects. */
	if (row->type != SOCK_DGRAM)
		row->accepted = unix_is_named(row) &&
				(!unix_is_named(peer) || listener_has_name(s, row) ||
				 (!listener_has_name(s, peer) && row->inode > peer->inode));
}

static int unix_socket_save_finish(struct save *s, struct err *e)
{
	ROW *row;

	(void)e;
	image_for_each(row, s->img, &unix_socket_table)
		save_icons(s, row);
	image_for_each(row, s->img, &unix_socket_table)
		save_connection(s, row);
	image_for_each(row, s->img, &unix_socket_table) {
		const ROW *peer = row_with_inode(s, row->peer_inode);

		if (row->peer_gone)
			check_gone(s, row);
		if (row->type != SOCK_DGRAM)
			continue;
		check_datagrams(s, row, peer);
		if (peer && !unix_socket_is_pair(s->img, row))
			check_one_way(s, row, peer);
	}
	return 0;
}

/* Its file is made anew; where it was moved to since, if it was. */
static void unix_socket_needs(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg)
{
	const ROW *row = unix_socket_row_of(r->img, f->file);
	const char *path = row && row->mode != COLUMN_NULL && !row->accepted ? row->moved ?: row->path : NULL;
	_cleanup_free_ char *directory = path && *path == '/' ? xstrdup(path) : NULL;

	if (!directory)
		return;
	directory[max(strrchr(directory, '/') - directory, 1)] = 0;
	fn(arg, &(struct needed_path){
		.mount_ns = f->mount_ns, .path = directory, .format = S_IFDIR, .mtime_ns = COLUMN_NULL, .file = f->file,
	});
}

const struct file_kind unix_socket_kind = {
	.name = "unix_socket",
	.tables = (const struct table *const[]){ &unix_socket_table, &unix_message_table, &unix_right_table,
						 &socket_option_table, &socket_filter_table, &socket_group_table,
						 &socket_source_table, NULL },
	.match = unix_socket_match,
	.look = unix_message_look,
	.save = unix_socket_save,
	.save_finish = unix_socket_save_finish,
	.needs = unix_socket_needs,
	.check = unix_socket_check,
	.open = unix_socket_open,
	.connect = unix_socket_connect,
	.settle = unix_socket_settle,
};
