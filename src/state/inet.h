/* SPDX-License-Identifier: GPL-2.0-only */
/* Internet addresses as text and number, for sockets of TCP and UDP. */
#pragma once
#include "base/image.h"
#include <sys/socket.h>

struct inet_address {
	char *address;		/* "10.0.0.1", "fe80::1"; NULL: none */
	int64_t port;
	int64_t scope;		/* interface of a link-local IPv6 address, else 0 */
};

/* Of the socket's own end (@peer false) or the other. An unset address has NULL. 0 or negative errno. */
int inet_address_of(struct image *img, int fd, bool peer, struct inet_address *ret);
/* For bind(2) and connect(2). @family is that of the socket. */
int inet_sockaddr(int family, const struct inet_address *a, struct sockaddr_storage *ret, socklen_t *ret_len,
		  struct err *e);
/* Bind or connect socket @fd of @family; nothing is done to an unset address. */
int inet_bind(int fd, int family, const struct inet_address *a, struct err *e);
int inet_connect(int fd, int family, const struct inet_address *a, struct err *e);
/* "10.0.0.1:80", "[::1]:80" */
const char *inet_text(const struct inet_address *a, char buf[static 80]);
