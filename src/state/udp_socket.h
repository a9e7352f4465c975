/* SPDX-License-Identifier: GPL-2.0-only */
/* UDP sockets: what udp_socket.c and udp_message.c share. */
#pragma once
#include "state/file.h"

extern const struct table udp_message_table;

/* Of a stopped container: note what waits in @f, or refuse it. */
int udp_message_save(struct save *s, const struct open_file *f, struct err *e);
int udp_message_check(struct restore *r, const struct file_row *f, struct err *e);
/* Put it back; filters come later. @port is where @fd is bound. */
int udp_message_restore(struct restore *r, const struct file_row *f, int64_t port, int fd, struct err *e);
