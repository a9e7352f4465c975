// SPDX-License-Identifier: GPL-2.0-only
/* What sockets of all families have in common, see socket.h. */
#include <poll.h>
#include <sys/socket.h>
#include "state/socket.h"

bool socket_is(const struct open_file *f, int *ret_domain, int *ret_type, int *ret_protocol)
{
	socklen_t len = sizeof(int);

	return S_ISSOCK(f->st.st_mode) && f->own >= 0 &&
	       getsockopt(f->own, SOL_SOCKET, SO_DOMAIN, ret_domain, &len) == 0 &&
	       getsockopt(f->own, SOL_SOCKET, SO_TYPE, ret_type, &len) == 0 &&
	       getsockopt(f->own, SOL_SOCKET, SO_PROTOCOL, ret_protocol, &len) == 0;
}

bool socket_refuse_waiting(struct save *s, const struct open_file *f)
{
	struct pollfd p = { .fd = f->own, .events = POLLIN };
	char name[256];

	if (!s->frozen || poll(&p, 1, 0) != 1 || !(p.revents & (POLLIN | POLLERR)))
		return false;
	save_refuse(s, f->process, open_file_name(f, name), "let it be received first",
		    "%s waits in it, which can't be put back", p.revents & POLLERR ? "an error" : "something");
	return true;
}

int socket_save_options(struct save *s, const struct open_file *f, struct err *e)
{
	int domain, type, protocol;

	if (!socket_is(f, &domain, &type, &protocol))
		return err_sys(e, "ask what sort of socket it is");
	return socket_option_save(s, f, domain, type, protocol, e) ?: socket_filter_save(s, f, e) ?:
	       (type != SOCK_STREAM ? socket_group_save(s, f, domain, e) : 0);
}

int socket_restore_options(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	/* The filter last: locked, it lets nobody change it. */
	return socket_option_restore(r, f, fd, e) ?: socket_group_restore(r, f, fd, e) ?: socket_filter_restore(r, f, fd, e);
}

int socket_check_options(struct restore *r, const struct file_row *f, struct err *e)
{
	return socket_option_check(r, f, e) ?: socket_filter_check(r, f, e) ?: socket_group_check(r, f, e);
}
