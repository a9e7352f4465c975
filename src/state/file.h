/* SPDX-License-Identifier: GPL-2.0-only */
/* Open file descriptions and the descriptors that refer to them: tables `file` and `fd`. */
#pragma once
#include "state/kind.h"

struct file_row {
	int64_t file;		/* open_file.id, dense from 0 */
	char *kind;		/* file_kind.name, whose table has a row with the same number */
	int64_t flags;		/* F_GETFL */
	int64_t pos;
	int64_t mount_ns;	/* namespace that its path is to be opened in; COLUMN_NULL: the host's */
	/* F_SETOWN / F_SETSIG are kept here too: columns as needed */
	int64_t owner_type, owner_pid, owner_signal;
};
extern const struct table file_table, fd_table;

struct fd_row {
	int64_t files;		/* descriptor table: pid of the first process that has it */
	int64_t fd;
	int64_t file;
	int64_t cloexec;
};

extern const struct kind fd_kind;	/* saves rows of both, restores the descriptor tables */

/* Save every open file once through its kind; open all anew as cpt's own. Called by the engine. */
int files_save(struct save *s, struct err *e);
int files_restore(struct restore *r, struct err *e);
int files_connect(struct restore *r, struct err *e);
