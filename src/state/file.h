/* SPDX-License-Identifier: GPL-2.0-only */
/* Open file descriptions and the descriptors that refer to them: tables `file` and `fd`. */
#pragma once
#include <fcntl.h>
#include "state/kind.h"

/* What O_TMPFILE is beyond O_DIRECTORY: says how a file was made, not how it is open. */
#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

struct file_row {
	int64_t file;		/* open_file.id, dense from 0 */
	char *kind;		/* file_kind.name, whose table has a row with the same number */
	int64_t flags;		/* F_GETFL */
	int64_t pos;
	int64_t mount_ns;	/* namespace that its path is to be opened in; COLUMN_NULL: the host's */
	/* Who is told of events (F_SETOWN_EX): F_OWNER_*, the key of a thread, process or group; COLUMN_NULL: nobody. */
	int64_t owner_type, owner_pid;
	int64_t owner_uid, owner_euid;	/* as whom the kernel sends the signal; COLUMN_NULL: nobody */
	int64_t owner_signal;		/* F_SETSIG; 0: SIGIO */
};
extern const struct table file_table, fd_table;

struct fd_row {
	int64_t files;		/* descriptor table: tid of the first thread that has it */
	int64_t fd;
	int64_t file;
	int64_t cloexec;
};

/* The row that files_save() made for @f before it asked the kind to save it. */
struct file_row *file_row_of(struct save *s, const struct open_file *f);
/* "sh (descriptor 0 1), cat (descriptor 0)": who has files that @is says are of @number. NULL: nobody; the caller frees it. */
char *file_users(const struct image *img, bool (*is)(const struct image *img, int64_t file, int64_t number), int64_t number);
/* struct kind.needs */
void files_need(const struct restore *r, needed_path_fn *fn, void *arg);
/* The descriptors of one table, ascending; the caller frees the array. */
const struct fd_row **fd_rows_of(const struct image *img, int64_t files, size_t *ret_nr);
/* Is all that table `file` says fit to be restored? Asks the kinds too. Makes nothing. */
int files_check(struct restore *r, struct err *e);
/* When all tasks are there: who is told of events by signal. */
int files_finish(struct restore *r, struct err *e);

extern const struct kind fd_kind;	/* saves rows of both, restores the descriptor tables */

/* Find the open files of a stopped container that no task has; before its memory is saved. Called by the engine. */
int files_look(struct save *s, struct err *e);
/* Save every open file once through its kind; open all anew as cpt's own, late ones last. Called by the engine. */
int files_save(struct save *s, struct err *e);
int files_restore(struct restore *r, struct err *e);
int files_restore_late(struct restore *r, struct err *e);
int files_connect(struct restore *r, struct err *e);
