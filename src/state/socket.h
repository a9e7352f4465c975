/* SPDX-License-Identifier: GPL-2.0-only */
/* What sockets of all families have in common: options, filters, multicast groups. */
#pragma once
#include "state/file.h"

extern const struct table socket_option_table, socket_filter_table, socket_group_table, socket_source_table;

/* Domain, type and protocol of cpt's own descriptor of @f, which files_save() got. False if it is no socket. */
bool socket_is(const struct open_file *f, int *ret_domain, int *ret_type, int *ret_protocol);
/* Of a stopped container: refuse @f if anything waits in it, an error included. */
bool socket_refuse_waiting(struct save *s, const struct open_file *f);
/* Rows for options that are not as a new socket of this sort has them, for its filter and its multicast groups. */
int socket_save_options(struct save *s, const struct open_file *f, struct err *e);
/* Set those of @f; to be called when nothing is sent through @fd any more that they could alter. */
int socket_restore_options(struct restore *r, const struct file_row *f, int fd, struct err *e);
/* Are the rows of @f in these tables what they may be? */
int socket_check_options(struct restore *r, const struct file_row *f, struct err *e);

/* ---- parts: socket_option.c, socket_filter.c, socket_group.c ------------ */

int socket_option_save(struct save *s, const struct open_file *f, int domain, int type, int protocol, struct err *e);
int socket_option_restore(struct restore *r, const struct file_row *f, int fd, struct err *e);
int socket_option_check(struct restore *r, const struct file_row *f, struct err *e);
int socket_filter_save(struct save *s, const struct open_file *f, struct err *e);
int socket_filter_restore(struct restore *r, const struct file_row *f, int fd, struct err *e);
int socket_filter_check(struct restore *r, const struct file_row *f, struct err *e);
int socket_group_save(struct save *s, const struct open_file *f, int domain, struct err *e);
int socket_group_restore(struct restore *r, const struct file_row *f, int fd, struct err *e);
int socket_group_check(struct restore *r, const struct file_row *f, struct err *e);
