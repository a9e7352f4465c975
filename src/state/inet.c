// SPDX-License-Identifier: GPL-2.0-only
/* Internet addresses, see inet.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "base/util.h"
#include "state/inet.h"

int inet_address_of(struct image *img, int fd, bool peer, struct inet_address *ret)
{
	struct sockaddr_storage addr = { 0 };
	const struct sockaddr_in *in = (const struct sockaddr_in *)&addr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr;
	socklen_t len = sizeof(addr);
	char text[INET6_ADDRSTRLEN];

	*ret = (struct inet_address){ 0 };
	if ((peer ? getpeername(fd, (struct sockaddr *)&addr, &len) : getsockname(fd, (struct sockaddr *)&addr, &len)) < 0)
		return errno == ENOTCONN ? 0 : -errno;
	if (addr.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		ret->port = ntohs(in6->sin6_port);
		ret->scope = in6->sin6_scope_id;
		if (ret->port || !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr))
			ret->address = image_strdup(img, text);
	} else {
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		ret->port = ntohs(in->sin_port);
		if (ret->port || in->sin_addr.s_addr)
			ret->address = image_strdup(img, text);
	}
	return 0;
}

int inet_sockaddr(int family, const struct inet_address *a, struct sockaddr_storage *ret, socklen_t *ret_len,
		  struct err *e)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET6) {
		in6->sin6_port = htons((uint16_t)a->port);
		in6->sin6_scope_id = (uint32_t)a->scope;
		*ret_len = sizeof(*in6);
		if (inet_pton(AF_INET6, a->address, &in6->sin6_addr) == 1)
			return 0;
	} else {
		in->sin_port = htons((uint16_t)a->port);
		*ret_len = sizeof(*in);
		if (inet_pton(AF_INET, a->address, &in->sin_addr) == 1)
			return 0;
	}
	return err_set(e, -EBADMSG, "'%s' is no address of its family", a->address);
}

const char *inet_text(const struct inet_address *a, char buf[static 80])
{
	snprintf(buf, 80, a->address && strchr(a->address, ':') ? "[%s]:%ld" : "%s:%ld", a->address ?: "?", a->port);
	return buf;
}

/* The socket's own address, or its peer's; it may have none. */
static int set_address(int fd, int family, const struct inet_address *a, bool peer, struct err *e)
{
	struct sockaddr_storage addr;
	socklen_t len;
	char text[80];
	int r;

	if (!a->address)
		return 0;
	if (inet_sockaddr(family, a, &addr, &len, e) < 0)
		return e->code;
	r = peer ? connect(fd, (struct sockaddr *)&addr, len) : bind(fd, (struct sockaddr *)&addr, len);
	return r < 0 ? err_sys(e, "%s to %s", peer ? "connect" : "bind", inet_text(a, text)) : 0;
}

int inet_bind(int fd, int family, const struct inet_address *a, struct err *e)
{
	return set_address(fd, family, a, false, e);
}

int inet_connect(int fd, int family, const struct inet_address *a, struct err *e)
{
	return set_address(fd, family, a, true, e);
}
