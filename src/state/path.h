/* SPDX-License-Identifier: GPL-2.0-only */
/* What all kinds that are opened by a path have in common. */
#pragma once
#include "state/file.h"

/*
 * The path by which @f can be opened again: that its path still leads to it
 * is made sure of, and the mount namespace that it does so in noted in the
 * row of table `file`. Returns 1 with the path in *@ret (it lives as long as
 * the image), 0 when it was refused, or a negative errno.
 */
int path_save(struct save *s, struct open_file *f, char **ret, struct err *e);

/* Does @path, seen from the root directory @root, lead to @st? */
bool path_leads_to(int root, const char *path, const struct stat *st);

/* "a regular file" and the like, of the S_IFMT part of @mode. */
const char *path_format_name(mode_t mode);

/* Of the flags of @f those that open(2) knows and that neither make nor truncate anything. */
int path_flags(const struct file_row *f);

/*
 * Open @path as @f was opened, without making or truncating anything, and make
 * sure that it is of the type that @format (S_IFMT part of a mode) says. In
 * the mount namespace that the caller has entered.
 */
int path_open(const struct file_row *f, const char *path, mode_t format, int *ret_fd, struct err *e);
