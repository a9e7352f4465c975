/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pseudo terminals (pty(7)), in four files and tables: `pty`, the pairs;
 * `pty_end`, open files of their ends; `pty_process`, whose controlling
 * terminal they are; `pty_line`, what was typed into them and is no line yet.
 */
#pragma once
#include "state/file.h"
#include "state/process.h"

#define PTY_HIGHEST ((1 << 20) - 1)	/* NR_UNIX98_PTY_MAX, include/linux/tty.h */

struct pty_row {
	int64_t pty;		/* key: the first file that is an end of it */
	int64_t number;		/* /dev/pts/<number> */
	char *ptmx;		/* what its master was opened by, */
	int64_t mount_ns;	/* in there; COLUMN_NULL: the host's */
	int64_t master;		/* file; COLUMN_NULL: closed, and what is left of the slave is hung up */
	int64_t uid, gid, mode;	/* of /dev/pts/<number> */
	int64_t input_modes, output_modes, control_modes, local_modes;	/* struct termios2 */
	int64_t input_speed, output_speed, line;
	struct blob control_characters;
	int64_t rows, columns, width, height;	/* of the window */
	int64_t packets;	/* TIOCPKT */
	int64_t locked;		/* TIOCSPTLCK */
	int64_t exclusive, master_exclusive;	/* TIOCEXCL */
	int64_t output;		/* what waits for its master (table bytes); COLUMN_NULL: nothing */
	int64_t foreground;	/* key of its foreground process group; COLUMN_NULL: it is no controlling terminal */
};

enum pty_end_type {
	PTY_MASTER,
	PTY_SLAVE,
	PTY_CURRENT,	/* a slave that was opened as /dev/tty */
};

struct pty_end_row {
	int64_t file;
	int64_t pty;
	int64_t type;		/* enum pty_end_type */
	int64_t hung;		/* 1: hung up, by its master's end or vhangup(2) */
	char *path;		/* NULL: a master, or hung up */
};
extern const struct table pty_table, pty_end_table, pty_process_table, pty_line_table;
extern const struct kind pty_kind;
extern const struct file_kind pty_end_kind;

/*
 * Fill the row of a pair with what its master and some slave (or NULL) tell; refuses what can't be saved.
 * @hung: there are files of the slave that were hung up.
 */
int pty_save(struct save *s, struct pty_row *row, struct open_file *master, struct open_file *slave, bool hung,
	     struct err *e);
const struct pty_row *pty_row_of(const struct restore *r, int64_t pty);
/* cpt's own descriptor of the slave of a restored pair, until files_finish(). */
int pty_own_slave(const struct restore *r, int64_t pty);
/* When all ends are open: what would have been in the way of opening them. */
int pty_complete(struct restore *r, const struct pty_row *row, int master, struct err *e);

/* When all rows of table pty are there: whose controlling terminals they are. */
int pty_process_save(struct save *s, struct err *e);
int pty_process_check(const struct restore *r, struct err *e);
/* In a process being made, once it is in its session: take the terminal; and when all its children are there: drop one. */
int pty_process_take(const struct restore *r, int64_t process, struct err *e);
int pty_process_drop(const struct restore *r, const struct process_row *row, struct err *e);

/* In a stopped container: what waits in it; refuses what can't be looked at. */
int pty_look_save(struct save *s, struct pty_row *row, struct open_file *master, int slave, struct err *e);
/* In a new pair, before its modes are set: the output that waited. */
int pty_look_restore(const struct restore *r, const struct pty_row *row, int slave, struct err *e);

struct pty_look;
/* The line that the look @l has shown, which pressed VREPRINT. */
int pty_line_save(struct save *s, const struct pty_row *row, struct open_file *master, struct pty_look *l,
		  struct err *e);
int pty_line_check(const struct restore *r, struct err *e);
/* In a new pair, before its modes are set, after the output. */
int pty_line_restore(const struct restore *r, int64_t pty, int master, int slave, struct err *e);
