/* SPDX-License-Identifier: GPL-2.0-only */
/* What unix_socket.c (saving) and unix_socket_restore.c share, and sock_diag(7) for unix sockets. */
#pragma once
#include "state/file.h"

struct unix_socket_row {
	int64_t file;
	int64_t type;		/* SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
	int64_t peer;		/* file that it is connected to; COLUMN_NULL: none */
	int64_t peer_gone;	/* 1: it was connected, and the other end is closed; 2: with bytes that were never read */
	int64_t backlog;	/* of a listening one; COLUMN_NULL: does not listen */
	int64_t accepted;	/* 1: has its name from the listening socket that accepted it */
	char *path;		/* bound to: as in bind(2); NULL: not in the file system */
	char *directory;	/* that a relative path starts from; else NULL */
	int64_t mode, uid, gid;	/* of the file at the path; COLUMN_NULL: it was removed, or there is none */
	struct blob abstract;	/* name in the abstract namespace, without the first zero; NULL: none */
	int64_t owner_uid, owner_gid;	/* of the socket itself */
	int64_t shutdown;	/* 1: receiving is shut down, 2: sending, 3: both */
	int64_t bytes;		/* what waits to be received, a part each message; COLUMN_NULL: nothing */
	/* While saving only. */
	int64_t inode, peer_inode;
};
extern const struct table unix_socket_table;

struct unix_diag {
	int state;		/* as of TCP: 1 connected, 7 not, 10 listening */
	int shutdown;
	bool has_peer;
	ino_t peer;		/* 0: it is closed */
	unsigned int pending, backlog;	/* of a listening one */
};

/* Ask the kernel for the unix socket @ino of cpt's network namespace. */
int unix_diag_ask(ino_t ino, struct unix_diag *ret, struct err *e);

int unix_socket_check(struct restore *r, const struct file_row *f, struct err *e);
int unix_socket_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e);
int unix_socket_connect(struct restore *r, const struct file_row *f, int fd, struct err *e);
