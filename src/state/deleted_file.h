/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files and directories without a name: unlinked while they were open, mapped
 * or a working directory, or made by O_TMPFILE. Nobody keeps them but those
 * who have them, so their contents are part of the snapshot. Table
 * `deleted_file`.
 */
#pragma once
#include "state/kind.h"

/*
 * Row of the nameless file or directory that @link names in the /proc of @p
 * ("fd/5", "map_files/7f..-7f..", "exe", "cwd"), made on first sight; @shown is
 * where that link seems to lead. 0 and COLUMN_NULL after a refusal (reported on
 * @object) or when a running process changed it.
 */
int deleted_file_save(struct save *s, struct live_process *p, const char *link, const char *shown,
		      const char *object, int64_t *ret, struct err *e);
/* The same of an open file: 1 with its path as /proc shows it; 0 where the other says COLUMN_NULL. */
int deleted_file_save_open(struct save *s, struct open_file *f, char **ret_path, int64_t *ret, struct err *e);
/* File @file is the open file that O_TMPFILE made it through: F_GETFL tells. */
void deleted_file_set_maker(struct save *s, int64_t id, int64_t file);

/* Is there such a row, of that format (S_IFREG, S_IFDIR; 0: either)? */
bool deleted_file_known(const struct restore *r, int64_t id, mode_t format);
/* It is open as this for good, for whoever wants to pull it; a place only (O_PATH). */
int deleted_file_place(const struct restore *r, int64_t id);
/* A new open file of it, with @flags of open(2); or the one that made it, if that is @file. Negative errno. */
int deleted_file_open(const struct restore *r, int64_t id, int64_t file, int flags, struct err *e);

extern const struct kind deleted_file_kind;
