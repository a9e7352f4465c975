/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Unix sockets: what saving (unix_socket.c), restoring (unix_socket_restore.c), names (unix_name.c) and messages
 * (unix_message.c) share, and sock_diag(7) for unix sockets.
 */
#pragma once
#include <sys/socket.h>
#include <sys/un.h>
#include "state/file.h"

struct unix_socket_row {
	int64_t file;
	int64_t type;		/* SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
	int64_t peer;		/* file that it is connected to; COLUMN_NULL: none */
	int64_t peer_gone;	/* 1: it was connected, and the other end is closed; 2: with bytes that were never read; */
#define UNIX_OUTSIDE 3		/* it is outside of the container (outside.h): when that is dropped, as 1 */
	char *gone_path;	/* the name that the closed end had; NULL: none in the file system */
	struct blob gone_abstract;
	int64_t backlog;	/* of a listening one; COLUMN_NULL: does not listen */
	int64_t accepted;	/* 1: has its name from the listening socket that accepted it */
	int64_t pending;	/* file of the listening socket that has yet to accept it; COLUMN_NULL: none */
	int64_t turn;		/* from 0: when its turn to be accepted comes */
	char *path;		/* bound to: as in bind(2); NULL: not in the file system */
	char *directory;	/* that a relative path starts from; else NULL */
	char *moved;		/* where its file has been moved to since; NULL: it is at the path */
	int64_t mode, uid, gid;	/* of the file; COLUMN_NULL: it was removed, or there is none */
	struct blob abstract;	/* name in the abstract namespace, without the first zero; NULL: none */
	int64_t owner_uid, owner_gid;	/* of the socket itself */
	int64_t shutdown;	/* 1: receiving is shut down, 2: sending, 3: both */
	/* While saving only. */
	int64_t inode, peer_inode;
	struct blob icons;	/* of a listening one: uint32_t inodes of those that wait to be accepted, in turn */
	bool unaccepted;	/* it seems to wait for that */
};
extern const struct table unix_socket_table;

/* The row of @file, or NULL. */
struct unix_socket_row *unix_socket_row_of(const struct image *img, int64_t file);

/* ---- sock_diag -------------------------------------------------------- */

#define UNIX_DIAG_MOST 800	/* of those waiting to be accepted: an answer is at most a page (unix_diag_get_exact()) */

struct unix_diag {
	int state;		/* as of TCP: 1 connected, 7 not, 10 listening */
	int shutdown;
	bool has_peer;
	ino_t peer;		/* 0: it is closed */
	unsigned int pending, backlog;	/* of a listening one */
	uint32_t icons[UNIX_DIAG_MOST];	/* inodes of those that wait to be accepted, 0: closed; in turn */
	size_t nr_icons;	/* less than pending: there are too many */
};

/* Ask the kernel for the unix socket @ino of cpt's network namespace. */
int unix_diag_ask(ino_t ino, struct unix_diag *ret, struct err *e);

/* ---- names ------------------------------------------------------------ */

bool unix_is_named(const struct unix_socket_row *row);
bool unix_same_name(const struct unix_socket_row *a, const struct unix_socket_row *b);
/* What getsockname(2) and the like gave, as columns; both NULL if it is no name. */
void unix_name_of(struct image *img, const struct sockaddr_un *addr, socklen_t len, char **ret_path,
		  struct blob *ret_abstract);
/* The name of @f into @row; refuses what can't be. */
int unix_name_save(struct save *s, struct open_file *f, struct unix_socket_row *row, struct err *e);
bool unix_name_ok(const struct unix_socket_row *row);
/*
 * Bind @fd to the name of @row. Where its file was removed, it is made in a file system of its own that nobody
 * sees, so that whatever is at the path now is left alone; unix_name_hide() removes it there.
 */
int unix_name_bind(struct restore *r, const struct unix_socket_row *row, int fd, struct err *e);
int unix_name_hide(struct restore *r, const struct unix_socket_row *row, struct err *e);
/* Connect or send to the socket that was bound to the name of @row. */
int unix_name_connect(struct restore *r, const struct unix_socket_row *row, int fd, struct err *e);
ssize_t unix_name_send(struct restore *r, const struct unix_socket_row *row, int fd, struct msghdr *msg, struct err *e);

/* ---- messages --------------------------------------------------------- */

extern const struct table unix_message_table, unix_right_table;

struct unix_message_row {
	int64_t file;		/* the socket that it waits in */
	int64_t message;	/* from 0 */
	struct blob data;	/* of a stream: some bytes that came from one sender */
	char *from_path;	/* name of the sender of a datagram; NULL: none in the file system */
	struct blob from_abstract;
	int64_t process, uid, gid;	/* the sender's credentials (SCM_CREDENTIALS); COLUMN_NULL: none */
};

#define UNIX_MOST_RIGHTS 253	/* SCM_MAX_FD in include/net/scm.h */

struct unix_right_row {
	int64_t file, message;	/* the message that it comes with */
	int64_t number;		/* from 0 */
	int64_t sent;		/* the file in flight */
};

/* An error or out-of-band data waits in it, which peeking would take away or can't show: it is refused. */
bool unix_socket_refuses(const struct open_file *f, int type);
/* struct file_kind.look */
int unix_message_look(struct save *s, struct open_file *f, struct err *e);
bool unix_message_waits(const struct image *img, int64_t file);
int unix_message_check(struct restore *r, const struct unix_socket_row *row, struct err *e);
/* Did all messages of @row come from @peer, a socket that is connected to it? */
bool unix_message_all_from(const struct image *img, const struct unix_socket_row *row,
			   const struct unix_socket_row *peer);
/* Put back what waited in @row's queue: through @fd, the other end of its connection, or (-1) by its name. */
int unix_message_restore(struct restore *r, const struct unix_socket_row *row, int fd, struct err *e);

/* ---- restoring -------------------------------------------------------- */

/* Are both ends of its connection made at once? Otherwise it is alone, or a datagram socket connected to a name. */
bool unix_socket_is_pair(const struct image *img, const struct unix_socket_row *row);
int unix_socket_check(struct restore *r, const struct file_row *f, struct err *e);
int unix_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e);
int unix_socket_connect(struct restore *r, const struct file_row *f, int fd, struct err *e);
int unix_socket_settle(struct restore *r, const struct file_row *f, int fd, struct err *e);
