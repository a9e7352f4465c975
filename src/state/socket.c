// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket options. Those that differ from a new socket's are rows of table
 * `socket_option`, under the names that setsockopt(2) has for them. An option
 * that cpt doesn't know keeps the default; those that can't be read back but
 * matter (filters) are refused.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "state/socket.h"

struct socket_option_row {
	int64_t file;
	char *name;		/* "SO_RCVBUF" */
	int64_t value;		/* times in microseconds; SO_LINGER: seconds, -1 off */
	char *text;		/* of options that are names; else NULL */
};

static const struct column socket_option_columns[] = {
	INT_COLUMN(struct socket_option_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct socket_option_row, name, 31),
	INT_COLUMN(struct socket_option_row, value, INT64_MIN, INT64_MAX),
	TEXT_COLUMN_OR_NULL(struct socket_option_row, text, 31),
};
const struct table socket_option_table = TABLE("socket_option", struct socket_option_row, socket_option_columns);

enum form {
	FORM_INT,
	FORM_BUFFER,	/* the kernel doubles what is set (socket(7)) */
	FORM_TIME,
	FORM_LINGER,
	FORM_NAME,
};

struct option {
	const char *name;
	int level, option;
	enum form form;
	int set;		/* another option to set it with; 0: the same */
};

#define OPTION(level, name) { #name, level, name, FORM_INT, 0 }

/*
 * In the order of restoring: buffer sizes before SO_BUF_LOCK, which says
 * whether the program or the kernel chose them.
 */
static const struct option options[] = {
	OPTION(SOL_SOCKET, SO_REUSEADDR), OPTION(SOL_SOCKET, SO_REUSEPORT), OPTION(SOL_SOCKET, SO_KEEPALIVE),
	OPTION(SOL_SOCKET, SO_BROADCAST), OPTION(SOL_SOCKET, SO_DONTROUTE), OPTION(SOL_SOCKET, SO_OOBINLINE),
	OPTION(SOL_SOCKET, SO_PASSCRED), OPTION(SOL_SOCKET, SO_PASSSEC), OPTION(SOL_SOCKET, SO_PRIORITY),
	OPTION(SOL_SOCKET, SO_MARK), OPTION(SOL_SOCKET, SO_RCVLOWAT), OPTION(SOL_SOCKET, SO_BINDTOIFINDEX),
	OPTION(SOL_SOCKET, SO_NO_CHECK), OPTION(SOL_SOCKET, SO_BUSY_POLL), OPTION(SOL_SOCKET, SO_ZEROCOPY),
	OPTION(SOL_SOCKET, SO_SELECT_ERR_QUEUE), OPTION(SOL_SOCKET, SO_RXQ_OVFL), OPTION(SOL_SOCKET, SO_PEEK_OFF),
	OPTION(SOL_SOCKET, SO_TIMESTAMP), OPTION(SOL_SOCKET, SO_TIMESTAMPNS),
	OPTION(SOL_SOCKET, SO_TIMESTAMP_NEW), OPTION(SOL_SOCKET, SO_TIMESTAMPNS_NEW),
	{ "SO_LINGER", SOL_SOCKET, SO_LINGER, FORM_LINGER, 0 },
	{ "SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO, FORM_TIME, 0 },
	{ "SO_SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO, FORM_TIME, 0 },
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, FORM_BUFFER, SO_RCVBUFFORCE },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, FORM_BUFFER, SO_SNDBUFFORCE },
	OPTION(SOL_SOCKET, SO_BUF_LOCK),
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY), OPTION(IPPROTO_IPV6, IPV6_UNICAST_HOPS), OPTION(IPPROTO_IPV6, IPV6_TCLASS),
	OPTION(IPPROTO_IPV6, IPV6_MTU_DISCOVER), OPTION(IPPROTO_IPV6, IPV6_FREEBIND),
	OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT), OPTION(IPPROTO_IPV6, IPV6_RECVPKTINFO),
	OPTION(IPPROTO_IPV6, IPV6_RECVERR), OPTION(IPPROTO_IPV6, IPV6_RECVHOPLIMIT), OPTION(IPPROTO_IPV6, IPV6_RECVTCLASS),
	OPTION(IPPROTO_IP, IP_TOS), OPTION(IPPROTO_IP, IP_TTL), OPTION(IPPROTO_IP, IP_MTU_DISCOVER),
	OPTION(IPPROTO_IP, IP_FREEBIND), OPTION(IPPROTO_IP, IP_TRANSPARENT), OPTION(IPPROTO_IP, IP_PKTINFO),
	OPTION(IPPROTO_IP, IP_RECVERR), OPTION(IPPROTO_IP, IP_RECVTOS), OPTION(IPPROTO_IP, IP_RECVTTL),
	OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	OPTION(IPPROTO_TCP, TCP_NODELAY), OPTION(IPPROTO_TCP, TCP_CORK), OPTION(IPPROTO_TCP, TCP_KEEPIDLE),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL), OPTION(IPPROTO_TCP, TCP_KEEPCNT), OPTION(IPPROTO_TCP, TCP_SYNCNT),
	OPTION(IPPROTO_TCP, TCP_LINGER2), OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT), OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT),
	OPTION(IPPROTO_TCP, TCP_WINDOW_CLAMP), OPTION(IPPROTO_TCP, TCP_FASTOPEN),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN_CONNECT), OPTION(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE),
	OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT), OPTION(IPPROTO_TCP, TCP_SAVE_SYN),
	{ "TCP_CONGESTION", IPPROTO_TCP, TCP_CONGESTION, FORM_NAME, 0 },
};

struct value {
	int64_t number;
	char text[32];
};

bool socket_is(const struct open_file *f, int *ret_domain, int *ret_type, int *ret_protocol)
{
	socklen_t len = sizeof(int);

	return S_ISSOCK(f->st.st_mode) && f->own >= 0 &&
	       getsockopt(f->own, SOL_SOCKET, SO_DOMAIN, ret_domain, &len) == 0 &&
	       getsockopt(f->own, SOL_SOCKET, SO_TYPE, ret_type, &len) == 0 &&
	       getsockopt(f->own, SOL_SOCKET, SO_PROTOCOL, ret_protocol, &len) == 0;
}

/* Of a level that this family does not have, or not for its type. */
static bool option_applies(const struct option *o, int domain, int protocol)
{
	if (o->level == SOL_SOCKET)
		return true;
	if (o->level == IPPROTO_TCP)
		return protocol == IPPROTO_TCP;
	if (o->level == IPPROTO_IPV6)
		return domain == AF_INET6;
	return domain == AF_INET || domain == AF_INET6;
}

/* False when this socket or kernel has no such option. */
static bool option_get(int fd, const struct option *o, struct value *ret)
{
	union {
		int number;
		struct timeval time;
		struct linger linger;
		char text[32];
	} v = { 0 };
	socklen_t len = o->form == FORM_TIME ? sizeof(v.time) : o->form == FORM_LINGER ? sizeof(v.linger) :
			o->form == FORM_NAME ? sizeof(v.text) - 1 : sizeof(v.number);

	*ret = (struct value){ 0 };
	if (getsockopt(fd, o->level, o->option, &v, &len) < 0)
		return false;
	switch (o->form) {
	case FORM_INT:
	case FORM_BUFFER: ret->number = v.number; break;
	case FORM_TIME: ret->number = v.time.tv_sec * 1000000L + v.time.tv_usec; break;
	case FORM_LINGER: ret->number = v.linger.l_onoff ? v.linger.l_linger : -1; break;
	case FORM_NAME: memcpy(ret->text, v.text, sizeof(ret->text)); break;
	}
	return true;
}

static int option_set(int fd, const struct option *o, const struct socket_option_row *row, struct err *e)
{
	int number = (int)(o->form == FORM_BUFFER ? row->value / 2 : row->value), r;
	struct timeval time = { row->value / 1000000, row->value % 1000000 };
	struct linger linger = { row->value >= 0, row->value >= 0 ? number : 0 };
	int option = o->set ?: o->option;

	if (o->form == FORM_TIME)
		r = setsockopt(fd, o->level, option, &time, sizeof(time));
	else if (o->form == FORM_LINGER)
		r = setsockopt(fd, o->level, option, &linger, sizeof(linger));
	else if (o->form == FORM_NAME)
		r = setsockopt(fd, o->level, option, row->text ?: "", (socklen_t)strlen(row->text ?: ""));
	else
		r = setsockopt(fd, o->level, option, &number, sizeof(number));
	return r < 0 ? err_sys(e, "setsockopt(%s, %ld%s)", o->name, row->value, row->text ?: "") : 0;
}

/* ---- saving ----------------------------------------------------------- */

static bool has_filter(int fd)
{
	socklen_t len = 0;

	/* With no room it only gives the number of instructions (sk_get_filter() in net/core/filter.c). */
	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) == 0 && len > 0;
}

int socket_save_options(struct save *s, const struct open_file *f, struct err *e)
{
	_cleanup_fd_ int new = -1;
	int domain, type, protocol;
	char name[256];

	if (!socket_is(f, &domain, &type, &protocol))
		return err_sys(e, "ask what sort of socket it is");
	new = socket(domain, type | SOCK_CLOEXEC, protocol);
	if (new < 0)
		return err_sys(e, "socket(%d, %d, %d)", domain, type, protocol);
	if (has_filter(f->own))
		save_refuse(s, f->process, open_file_name(f, name), "detach the filter (SO_DETACH_FILTER)",
			    "it has a packet filter, which cpt can't save");
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		struct value now, fresh;
		struct socket_option_row *row;

		if (!option_applies(o, domain, protocol) || !option_get(f->own, o, &now))
			continue;
		if (option_get(new, o, &fresh) && fresh.number == now.number && strcmp(fresh.text, now.text) == 0)
			continue;
		row = image_add(s->img, &socket_option_table);
		*row = (struct socket_option_row){
			.file = f->id, .name = image_strdup(s->img, o->name), .value = now.number,
			.text = o->form == FORM_NAME ? image_strdup(s->img, now.text) : NULL,
		};
	}
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static const struct socket_option_row *row_named(const struct restore *r, const struct file_row *f, const char *name)
{
	const struct socket_option_row *row;

	image_for_each(row, r->img, &socket_option_table)
		if (row->file == f->file && strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

int socket_restore_options(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct socket_option_row *row = row_named(r, f, options[i].name);
		struct value now;

		/* Some can be set only once, or before bind(2): those are right by now. */
		if (!row || (option_get(fd, &options[i], &now) && now.number == row->value &&
			     strcmp(now.text, row->text ?: "") == 0))
			continue;
		if (option_set(fd, &options[i], row, e) < 0)
			return e->code;
	}
	return 0;
}
