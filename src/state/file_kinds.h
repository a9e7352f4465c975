/* SPDX-License-Identifier: GPL-2.0-only */
/* What descriptors can refer to, each kind in the file of its name. Memfds (memfd.h) come before regular files. */
#pragma once
#include "state/file.h"

extern const struct file_kind proc_file_kind;
extern const struct file_kind path_handle_kind;
extern const struct file_kind regular_kind;
extern const struct file_kind directory_kind;
extern const struct file_kind device_kind;
extern const struct file_kind pipe_kind;		/* and fifos */
extern const struct file_kind eventfd_kind;
extern const struct file_kind timerfd_kind;
extern const struct file_kind signalfd_kind;
extern const struct file_kind unix_socket_kind;
extern const struct file_kind tcp_socket_kind;
extern const struct file_kind udp_socket_kind;
extern const struct file_kind raw_socket_kind;		/* and ping sockets */
extern const struct file_kind netlink_socket_kind;
extern const struct file_kind packet_socket_kind;
extern const struct file_kind epoll_kind;
