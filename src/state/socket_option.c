// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket options. Those that differ from a new socket's are rows of table
 * `socket_option`, under the names that setsockopt(2) has for them. What can't
 * be read back keeps the default: SO_BUSY_POLL_BUDGET, an IP_MULTICAST_IF that
 * was set by number alone, IPV6_MTU, IPV6_PKTINFO.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/if_packet.h>
#include <linux/in6.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "state/socket.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76		/* include/uapi/asm-generic/socket.h */
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51	/* include/uapi/linux/in.h */
#endif
#ifndef IP_RECVERR_RFC4884
#define IP_RECVERR_RFC4884 26
#endif

struct socket_option_row {
	int64_t file;
	char *name;		/* "SO_RCVBUF" */
	int64_t value;		/* times in microseconds; SO_LINGER: seconds, -1 off; of two numbers the second << 32 */
	char *text;		/* of options that are names (interfaces, too) or addresses; else NULL */
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
	FORM_BUFFER,		/* the kernel doubles what is set (socket(7)) */
	FORM_TIME,
	FORM_LINGER,
	FORM_LONG,
	FORM_TWO,		/* two ints, the second is one that may be left out */
	FORM_NAME,
	FORM_INTERFACE,		/* index */
	FORM_INTERFACE_NET,	/* ... in network byte order */
	FORM_ADDRESS,		/* struct in_addr */
};

struct option {
	const char *name;
	int level, option;
	enum form form;
	int set;		/* another option to set it with; 0: the same */
};

/* Each by itself: a name handed on to another macro would have become its number. */
#define OPTION_FORM(level, name, form) { #name, level, name, form, 0 }
#define SOCKET(name) { #name, SOL_SOCKET, name, FORM_INT, 0 }
#define IP4(name) { #name, IPPROTO_IP, name, FORM_INT, 0 }
#define IP6(name) { #name, IPPROTO_IPV6, name, FORM_INT, 0 }
#define TCP(name) { #name, IPPROTO_TCP, name, FORM_INT, 0 }
#define UDP(name) { #name, IPPROTO_UDP, name, FORM_INT, 0 }
#define NETLINK(name) { #name, SOL_NETLINK, name, FORM_INT, 0 }
#define PACKET(name) { #name, SOL_PACKET, name, FORM_INT, 0 }

/*
 * In the order of restoring: buffer sizes before SO_BUF_LOCK, which says whether the program or the kernel chose
 * them; SO_TIMESTAMPING* before SO_TIMESTAMP*, for the last one set says whether times are 64 bits wide; the
 * interface before those that must agree with it.
 */
static const struct option options[] = {
	SOCKET(SO_DEBUG), SOCKET(SO_REUSEADDR), SOCKET(SO_REUSEPORT), SOCKET(SO_KEEPALIVE), SOCKET(SO_BROADCAST),
	SOCKET(SO_DONTROUTE), SOCKET(SO_OOBINLINE), SOCKET(SO_PASSCRED), SOCKET(SO_PASSPIDFD), SOCKET(SO_PASSSEC),
	SOCKET(SO_PRIORITY), SOCKET(SO_MARK), SOCKET(SO_RCVMARK), SOCKET(SO_RCVLOWAT), SOCKET(SO_NO_CHECK),
	SOCKET(SO_BUSY_POLL), SOCKET(SO_PREFER_BUSY_POLL), SOCKET(SO_ZEROCOPY), SOCKET(SO_SELECT_ERR_QUEUE),
	SOCKET(SO_RXQ_OVFL), SOCKET(SO_PEEK_OFF), SOCKET(SO_WIFI_STATUS), SOCKET(SO_NOFCS), SOCKET(SO_INCOMING_CPU),
	SOCKET(SO_TXREHASH), SOCKET(SO_RESERVE_MEM),
	OPTION_FORM(SOL_SOCKET, SO_BINDTODEVICE, FORM_NAME),
	OPTION_FORM(SOL_SOCKET, SO_MAX_PACING_RATE, FORM_LONG),
	OPTION_FORM(SOL_SOCKET, SO_TXTIME, FORM_TWO),
	OPTION_FORM(SOL_SOCKET, SO_TIMESTAMPING, FORM_TWO),
	OPTION_FORM(SOL_SOCKET, SO_TIMESTAMPING_NEW, FORM_TWO),
	SOCKET(SO_TIMESTAMP), SOCKET(SO_TIMESTAMPNS), SOCKET(SO_TIMESTAMP_NEW), SOCKET(SO_TIMESTAMPNS_NEW),
	OPTION_FORM(SOL_SOCKET, SO_LINGER, FORM_LINGER),
	OPTION_FORM(SOL_SOCKET, SO_RCVTIMEO, FORM_TIME),
	OPTION_FORM(SOL_SOCKET, SO_SNDTIMEO, FORM_TIME),
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, FORM_BUFFER, SO_RCVBUFFORCE },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, FORM_BUFFER, SO_SNDBUFFORCE },
	SOCKET(SO_BUF_LOCK),
	IP6(IPV6_V6ONLY), IP6(IPV6_UNICAST_HOPS), IP6(IPV6_TCLASS), IP6(IPV6_MTU_DISCOVER), IP6(IPV6_FREEBIND),
	IP6(IPV6_TRANSPARENT), IP6(IPV6_RECVPKTINFO), IP6(IPV6_RECVERR), IP6(IPV6_RECVHOPLIMIT), IP6(IPV6_RECVTCLASS),
	IP6(IPV6_RECVRTHDR), IP6(IPV6_RECVHOPOPTS), IP6(IPV6_RECVDSTOPTS), IP6(IPV6_2292PKTINFO),
	IP6(IPV6_2292HOPLIMIT), IP6(IPV6_2292RTHDR), IP6(IPV6_2292HOPOPTS), IP6(IPV6_2292DSTOPTS), IP6(IPV6_FLOWINFO),
	IP6(IPV6_FLOWINFO_SEND), IP6(IPV6_RECVPATHMTU), IP6(IPV6_RECVORIGDSTADDR), IP6(IPV6_RECVFRAGSIZE),
	IP6(IPV6_RECVERR_RFC4884), IP6(IPV6_MULTICAST_HOPS), IP6(IPV6_MULTICAST_LOOP), IP6(IPV6_MULTICAST_ALL),
	IP6(IPV6_ADDR_PREFERENCES), IP6(IPV6_MINHOPCOUNT), IP6(IPV6_DONTFRAG), IP6(IPV6_AUTOFLOWLABEL),
	IP6(IPV6_ROUTER_ALERT_ISOLATE), IP6(IPV6_HDRINCL),
	OPTION_FORM(IPPROTO_IPV6, IPV6_MULTICAST_IF, FORM_INTERFACE),
	OPTION_FORM(IPPROTO_IPV6, IPV6_UNICAST_IF, FORM_INTERFACE_NET),
	IP4(IP_HDRINCL), IP4(IP_TOS), IP4(IP_TTL), IP4(IP_MTU_DISCOVER), IP4(IP_FREEBIND), IP4(IP_TRANSPARENT),
	IP4(IP_PKTINFO), IP4(IP_RECVERR), IP4(IP_RECVTOS), IP4(IP_RECVTTL), IP4(IP_RECVOPTS), IP4(IP_RETOPTS),
	IP4(IP_PASSSEC), IP4(IP_RECVORIGDSTADDR), IP4(IP_CHECKSUM), IP4(IP_RECVFRAGSIZE), IP4(IP_RECVERR_RFC4884),
	IP4(IP_NODEFRAG), IP4(IP_MINTTL), IP4(IP_ROUTER_ALERT), IP4(IP_BIND_ADDRESS_NO_PORT), IP4(IP_LOCAL_PORT_RANGE),
	IP4(IP_MULTICAST_TTL), IP4(IP_MULTICAST_LOOP), IP4(IP_MULTICAST_ALL),
	OPTION_FORM(IPPROTO_IP, IP_MULTICAST_IF, FORM_ADDRESS),
	OPTION_FORM(IPPROTO_IP, IP_UNICAST_IF, FORM_INTERFACE_NET),
	TCP(TCP_NODELAY), TCP(TCP_CORK), TCP(TCP_KEEPIDLE), TCP(TCP_KEEPINTVL), TCP(TCP_KEEPCNT), TCP(TCP_SYNCNT),
	TCP(TCP_LINGER2), TCP(TCP_DEFER_ACCEPT), TCP(TCP_USER_TIMEOUT), TCP(TCP_WINDOW_CLAMP), TCP(TCP_FASTOPEN),
	TCP(TCP_FASTOPEN_CONNECT), TCP(TCP_FASTOPEN_NO_COOKIE), TCP(TCP_NOTSENT_LOWAT), TCP(TCP_SAVE_SYN),
	TCP(TCP_MAXSEG), TCP(TCP_INQ), TCP(TCP_TX_DELAY), TCP(TCP_THIN_LINEAR_TIMEOUTS),
	OPTION_FORM(IPPROTO_TCP, TCP_CONGESTION, FORM_NAME),
	UDP(UDP_CORK), UDP(UDP_ENCAP), UDP(UDP_NO_CHECK6_TX), UDP(UDP_NO_CHECK6_RX), UDP(UDP_SEGMENT), UDP(UDP_GRO),
	NETLINK(NETLINK_PKTINFO), NETLINK(NETLINK_BROADCAST_ERROR), NETLINK(NETLINK_NO_ENOBUFS),
	NETLINK(NETLINK_LISTEN_ALL_NSID), NETLINK(NETLINK_CAP_ACK), NETLINK(NETLINK_EXT_ACK),
	NETLINK(NETLINK_GET_STRICT_CHK),
	PACKET(PACKET_AUXDATA), PACKET(PACKET_ORIGDEV), PACKET(PACKET_VERSION), PACKET(PACKET_RESERVE),
	PACKET(PACKET_LOSS), PACKET(PACKET_VNET_HDR), PACKET(PACKET_TIMESTAMP), PACKET(PACKET_QDISC_BYPASS),
	PACKET(PACKET_IGNORE_OUTGOING),
};

struct value {
	int64_t number;
	char text[32];
};

static bool same_value(const struct value *a, const struct value *b)
{
	return a->number == b->number && strcmp(a->text, b->text) == 0;
}

/* Of a level that this family does not have, or not for its type. */
static bool option_applies(const struct option *o, int domain, int type, int protocol)
{
	if (o->level == SOL_SOCKET)
		return true;
	if (o->level == SOL_NETLINK || o->level == SOL_PACKET)
		return domain == (o->level == SOL_NETLINK ? AF_NETLINK : AF_PACKET);
	if (o->level == IPPROTO_TCP)
		return protocol == IPPROTO_TCP && type == SOCK_STREAM && domain != AF_UNIX;
	if (o->level == IPPROTO_UDP)
		return protocol == IPPROTO_UDP && type == SOCK_DGRAM && domain != AF_UNIX;
	if (o->level == IPPROTO_IPV6)
		return domain == AF_INET6;
	return domain == AF_INET || domain == AF_INET6;
}

union raw {
	int number, two[2];
	long wide;
	struct timeval time;
	struct linger linger;
	struct in_addr address;
	char text[32];
};

static socklen_t raw_length(enum form form)
{
	switch (form) {
	case FORM_TIME: return sizeof(struct timeval);
	case FORM_LINGER: return sizeof(struct linger);
	case FORM_LONG: return sizeof(long);
	case FORM_TWO: return 2 * sizeof(int);
	case FORM_NAME: return sizeof(((union raw *)0)->text) - 1;
	default: return sizeof(int);
	}
}

static bool interface_name(unsigned int index, struct value *ret)
{
	return index == 0 || if_indextoname(index, ret->text);
}

/* False when this socket or kernel has no such option. */
static bool option_get(int fd, const struct option *o, struct value *ret)
{
	union raw v = { .text = "" };
	socklen_t len = raw_length(o->form);

	*ret = (struct value){ 0 };
	if (getsockopt(fd, o->level, o->option, &v, &len) < 0)
		return false;
	switch (o->form) {
	case FORM_INT:
	case FORM_BUFFER: ret->number = v.number; break;
	case FORM_LONG: ret->number = v.wide; break;
	case FORM_TWO: ret->number = (int64_t)((uint64_t)(uint32_t)v.two[1] << 32 | (uint32_t)v.two[0]); break;
	case FORM_TIME: ret->number = v.time.tv_sec * 1000000L + v.time.tv_usec; break;
	case FORM_LINGER: ret->number = v.linger.l_onoff ? v.linger.l_linger : -1; break;
	case FORM_NAME: memcpy(ret->text, v.text, sizeof(ret->text)); break;
	case FORM_INTERFACE: return interface_name((unsigned int)v.number, ret);
	case FORM_INTERFACE_NET: return interface_name(ntohl((uint32_t)v.number), ret);
	case FORM_ADDRESS: inet_ntop(AF_INET, &v.address, ret->text, sizeof(ret->text)); break;
	}
	return true;
}

static int option_set(int fd, const struct option *o, const struct value *value, struct err *e)
{
	union raw v = { .text = "" };
	socklen_t len = raw_length(o->form);

	switch (o->form) {
	case FORM_INT: v.number = (int)value->number; break;
	case FORM_BUFFER: v.number = (int)(value->number / 2); break;
	case FORM_LONG: v.wide = value->number; break;
	case FORM_TWO: v.two[0] = (int)value->number, v.two[1] = (int)(value->number >> 32); break;
	case FORM_TIME: v.time = (struct timeval){ value->number / 1000000, value->number % 1000000 }; break;
	case FORM_LINGER: v.linger = (struct linger){ value->number >= 0, max((int)value->number, 0) }; break;
	case FORM_NAME:
		memcpy(v.text, value->text, sizeof(v.text));
		len = (socklen_t)strlen(value->text);
		break;
	case FORM_INTERFACE: v.number = (int)if_nametoindex(value->text); break;
	case FORM_INTERFACE_NET: v.number = (int)htonl(if_nametoindex(value->text)); break;
	case FORM_ADDRESS: inet_pton(AF_INET, value->text, &v.address); break;
	}
	return setsockopt(fd, o->level, o->set ?: o->option, &v, len) < 0
		? err_sys(e, "setsockopt(%s, %ld%s)", o->name, value->number, value->text) : 0;
}

/* ---- saving ----------------------------------------------------------- */

static void refuse(struct save *s, const struct open_file *f, const char *advice, const char *why)
{
	char name[256];

	save_refuse(s, f->process, open_file_name(f, name), advice, "%s", why);
}

static bool has_option(int fd, int level, int option)
{
	char space[256];
	socklen_t len = sizeof(space);

	return getsockopt(fd, level, option, space, &len) == 0 && len > 0;
}

/* Those that are seldom used, and more than a number. */
static void refuse_odd(struct save *s, const struct open_file *f, int domain, int type)
{
	static const int sticky[] = { IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, IPV6_DSTOPTS };
	int stamping = 0, alert = 0;
	socklen_t len = sizeof(int);

	if ((domain == AF_INET || domain == AF_INET6) && has_option(f->own, IPPROTO_IP, IP_OPTIONS))
		refuse(s, f, "clear them (IP_OPTIONS)", "it has IP options, which cpt can't save");
	for (size_t i = 0; domain == AF_INET6 && i < ARRAY_SIZE(sticky); i++)
		if (has_option(f->own, IPPROTO_IPV6, sticky[i]))
			refuse(s, f, "clear them", "it has IPv6 extension headers for all that it sends, which cpt can't save");
	if (domain == AF_INET6 && type == SOCK_RAW &&
	    getsockopt(f->own, IPPROTO_IPV6, IPV6_ROUTER_ALERT, &alert, &len) == 0 && alert)
		refuse(s, f, "clear it", "it takes packets with a router alert (IPV6_ROUTER_ALERT), which cpt can't save");
	if (getsockopt(f->own, SOL_SOCKET, SO_TIMESTAMPING, &stamping, &len) == 0 &&
	    (stamping & SOF_TIMESTAMPING_OPT_ID))
		refuse(s, f, "clear SOF_TIMESTAMPING_OPT_ID", "it numbers its time stamps, and nothing tells how far it is");
}

int socket_option_save(struct save *s, const struct open_file *f, int domain, int type, int protocol, struct err *e)
{
	_cleanup_fd_ int new = socket(domain, type | SOCK_CLOEXEC, protocol);
	bool buffers = false;

	/* Ping sockets are for some groups of users only: then there is nothing to compare with. */
	if (new < 0 && errno != EACCES)
		return err_sys(e, "socket(%d, %d, %d)", domain, type, protocol);
	refuse_odd(s, f, domain, type);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		struct value now, fresh;
		struct socket_option_row *row;

		if (!option_applies(o, domain, type, protocol) || !option_get(f->own, o, &now))
			continue;
		/* Setting a size locks it: whether it is locked counts with each size that is set. */
		if (option_get(new, o, &fresh) && same_value(&fresh, &now) && !(buffers && o->option == SO_BUF_LOCK &&
										  o->level == SOL_SOCKET))
			continue;
		buffers |= o->form == FORM_BUFFER;
		row = image_add(s->img, &socket_option_table);
		*row = (struct socket_option_row){
			.file = f->id, .name = image_strdup(s->img, o->name), .value = now.number,
			.text = *now.text ? image_strdup(s->img, now.text) : NULL,
		};
	}
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static const struct option *option_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

int socket_option_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct socket_option_row *row;
	struct in_addr address;

	image_for_each(row, r->img, &socket_option_table) {
		const struct option *o = row->file == f->file ? option_named(row->name) : NULL;

		if (row->file != f->file)
			continue;
		if (!o)
			return err_set(e, -EBADMSG, "it has the unknown option %s (table socket_option)", row->name);
		if (row->text && (o->form < FORM_NAME ||
				  (o->form == FORM_ADDRESS && inet_pton(AF_INET, row->text, &address) != 1)))
			return err_set(e, -EBADMSG, "its option %s is '%s' (table socket_option)", o->name, row->text);
		if ((o->form == FORM_INT || o->form == FORM_BUFFER) && (row->value < INT32_MIN || row->value > INT32_MAX))
			return err_set(e, -EBADMSG, "its option %s is %ld (table socket_option)", o->name, row->value);
	}
	return 0;
}

int socket_option_restore(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const struct socket_option_row *rows[ARRAY_SIZE(options)] = { NULL }, *row;

	image_for_each(row, r->img, &socket_option_table)
		if (row->file == f->file)
			rows[option_named(row->name) - options] = row;	/* socket_option_check() found all names known */
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		struct value now, then;

		row = rows[i];
		if (!row)
			continue;
		then = (struct value){ .number = row->value };
		if (row->text)
			memcpy(then.text, row->text, strlen(row->text));
		if (o->form >= FORM_INTERFACE && o->form <= FORM_INTERFACE_NET && *then.text && !if_nametoindex(then.text))
			return err_sys(e, "find the interface %s for %s", then.text, o->name);
		/* Some can be set only once, or before bind(2): those are right by now. */
		if ((!option_get(fd, o, &now) || !same_value(&now, &then)) && option_set(fd, o, &then, e) < 0)
			return e->code;
	}
	return 0;
}
