/* SPDX-License-Identifier: GPL-2.0-only */
/* What sockets of all families have in common: their options, table `socket_option`. */
#pragma once
#include "state/file.h"

extern const struct table socket_option_table;

/* Domain, type and protocol of cpt's own descriptor of @f, which files_save() got. False if it is no socket. */
bool socket_is(const struct open_file *f, int *ret_domain, int *ret_type, int *ret_protocol);
/* Rows for the options that are not as a new socket of this sort has them. */
int socket_save_options(struct save *s, const struct open_file *f, struct err *e);
/* Set those of @f; to be called when nothing is sent through @fd any more that they could alter. */
int socket_restore_options(struct restore *r, const struct file_row *f, int fd, struct err *e);
