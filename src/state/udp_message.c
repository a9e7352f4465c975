// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams that wait in UDP sockets: table `udp_message`. They are read by
 * peeking, and put back by a raw socket, which can send from any address and
 * port. That is exact only for those that this machine sent to itself; others
 * would seem to have come from another interface, or would reach more sockets
 * than this one, and are refused. Lost are when one came, and an empty
 * one that an earlier snapshot has peeked at (the kernel skips it then).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include "state/udp_socket.h"

#define LONGEST 65488	/* what fits in one packet of the loopback interface over IPv6, too */

struct udp_message_row {
	int64_t file;
	int64_t message;	/* from 0 */
	struct blob data;
	char *source, *destination;	/* "127.0.0.1", "::1" */
	int64_t source_port;
	int64_t ttl, tos;	/* hop limit and traffic class of IPv6 */
};

#define ROW struct udp_message_row
static const struct column udp_message_columns[] = {
	INT_COLUMN(ROW, file, 0, INT32_MAX),
	INT_COLUMN(ROW, message, 0, INT32_MAX),
	BLOB_COLUMN(ROW, data, LONGEST),
	TEXT_COLUMN(ROW, source, INET6_ADDRSTRLEN),
	TEXT_COLUMN(ROW, destination, INET6_ADDRSTRLEN),
	INT_COLUMN(ROW, source_port, 0, 65535),
	INT_COLUMN(ROW, ttl, 0, 255),
	INT_COLUMN(ROW, tos, 0, 255),
};
const struct table udp_message_table = TABLE("udp_message", ROW, udp_message_columns);

/*
 * Is it an address of this machine, and of it alone? What goes to such a one goes from it as well, unless another
 * is asked for, and within 127.0.0.0/8 from 127.0.0.1 (ip_route_output_key_hash_rcu(), ipv6_dev_get_saddr()); what
 * goes to a group comes from another, and to everybody one may not connect.
 */
static bool is_here(const char *address)
{
	struct sockaddr_storage to = { 0 }, from = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&to;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to;
	bool six = strchr(address, ':');
	_cleanup_fd_ int fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(from);

	to.ss_family = six ? AF_INET6 : AF_INET;
	in->sin_port = htons(9);	/* the same place in both; nothing is sent */
	inet_pton(to.ss_family, address, six ? (void *)&in6->sin6_addr : &in->sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&from, &len) < 0)
		return false;
	return six ? IN6_ARE_ADDR_EQUAL(&((struct sockaddr_in6 *)&from)->sin6_addr, &in6->sin6_addr)
		   : ((struct sockaddr_in *)&from)->sin_addr.s_addr == in->sin_addr.s_addr ||
		     ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* ---- saving ----------------------------------------------------------- */

struct seen {
	ssize_t len;
	int family;		/* of the packet: a socket of IPv6 gets both */
	struct in6_addr from, to;	/* IPv4 ones are mapped */
	uint16_t from_port;
	int ttl, tos;
};

static struct in6_addr mapped(struct in_addr a)
{
	struct in6_addr m = { 0 };

	m.s6_addr16[5] = 0xffff;
	m.s6_addr32[3] = a.s_addr;
	return m;
}

static void take_control(struct msghdr *msg, struct seen *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const void *data = CMSG_DATA(c);

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
			m->to = mapped(((const struct in_pktinfo *)data)->ipi_addr);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
			m->ttl = *(const int *)data;
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			m->tos = *(const uint8_t *)data;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
			m->to = ((const struct in6_pktinfo *)data)->ipi6_addr;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
			m->ttl = *(const int *)data;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			m->tos = *(const int *)data;
	}
}

/* 1, 0: nothing waits. */
static int peek(int fd, char *buf, struct seen *m, struct err *e)
{
	_Alignas(struct cmsghdr) char control[2048];
	struct sockaddr_storage from = { 0 };
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&from;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&from;
	struct iovec io = { buf, LONGEST };
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &io, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};

	*m = (struct seen){ .len = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) };
	if (m->len < 0)
		return errno == EAGAIN ? 0 : err_sys(e, "peek at what waits in the socket");
	m->from = from.ss_family == AF_INET6 ? in6->sin6_addr : mapped(in->sin_addr);
	m->from_port = ntohs(from.ss_family == AF_INET6 ? in6->sin6_port : in->sin_port);
	m->family = IN6_IS_ADDR_V4MAPPED(&m->from) ? AF_INET : AF_INET6;
	take_control(&msg, m);
	return 1;
}

static void address_text(const struct in6_addr *a, char buf[static INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, &a->s6_addr[12], buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, a, buf, INET6_ADDRSTRLEN);
}

/* Returns how many were noted so far (more than @nr), or @nr when there are no more. */
static int64_t save_next(struct save *s, const struct open_file *f, int64_t nr, char *buf, struct err *e)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], name[256];
	struct seen m;
	int r = peek(f->own, buf, &m, e);

	if (r <= 0)
		return r < 0 ? r : nr;
	address_text(&m.from, from);
	address_text(&m.to, to);
	if (!is_here(from) || !is_here(to) || m.len > LONGEST) {
		save_refuse(s, f->process, open_file_name(f, name), "let it be received first",
			    "a datagram of %zd bytes from %s to %s waits in it, which can't be sent again as it came",
			    m.len, from, to);
		return nr;
	}
	*(ROW *)image_add(s->img, &udp_message_table) = (ROW){
		.file = f->id, .message = nr, .data = image_blob(s->img, buf, (size_t)m.len),
		.source = image_strdup(s->img, from), .destination = image_strdup(s->img, to),
		.source_port = m.from_port,
		.ttl = m.ttl, .tos = m.tos,
	};
	return nr + 1;
}

static const struct {
	int level, option, value;
} looking[] = {
	/* What tells where a packet was sent to and how; each peek goes on where the last one ended. */
	{ IPPROTO_IP, IP_PKTINFO, 1 }, { IPPROTO_IP, IP_RECVTTL, 1 }, { IPPROTO_IP, IP_RECVTOS, 1 },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 }, { IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1 },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 1 }, { SOL_SOCKET, SO_PEEK_OFF, 0 },
};

static int save_all(struct save *s, const struct open_file *f, struct err *e)
{
	_cleanup_free_ char *buf = xmalloc(LONGEST);
	int64_t nr = 0, next;

	while ((next = save_next(s, f, nr, buf, e)) > nr)
		nr = next;
	return next < 0 ? (int)next : 0;
}

/* Options are set while it is looked at. No signal may end cpt before they are as they were. */
static int save_with_options(struct save *s, const struct open_file *f, struct err *e)
{
	int old[ARRAY_SIZE(looking)], r = 0;
	bool has[ARRAY_SIZE(looking)];
	sigset_t all, mask;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	for (size_t i = 0; i < ARRAY_SIZE(looking); i++) {
		socklen_t len = sizeof(int);

		has[i] = getsockopt(f->own, looking[i].level, looking[i].option, &old[i], &len) == 0 &&
			 setsockopt(f->own, looking[i].level, looking[i].option, &looking[i].value, sizeof(int)) == 0;
	}
	r = save_all(s, f, e);
	for (size_t i = 0; i < ARRAY_SIZE(looking); i++)
		if (has[i] && setsockopt(f->own, looking[i].level, looking[i].option, &old[i], sizeof(int)) < 0 && r == 0)
			r = err_sys(e, "set an option of the socket back");
	sigprocmask(SIG_SETMASK, &mask, NULL);
	return r;
}

int udp_message_save(struct save *s, const struct open_file *f, struct err *e)
{
	int gro = 0, shared = 0, device = 0;
	socklen_t len = sizeof(int);
	char name[256];
	size_t before, after;
	int r;

	image_rows(s->img, &udp_message_table, &before);
	r = save_with_options(s, f, e);
	image_rows(s->img, &udp_message_table, &after);
	if (r < 0 || before == after)
		return r;
	getsockopt(f->own, IPPROTO_UDP, UDP_GRO, &gro, &len);
	getsockopt(f->own, SOL_SOCKET, SO_REUSEPORT, &shared, &len);
	getsockopt(f->own, SOL_SOCKET, SO_BINDTOIFINDEX, &device, &len);
	if (gro || shared || device)
		save_refuse(s, f->process, open_file_name(f, name), "let it be received first",
			    "datagrams wait in it, and it %s", gro ? "has UDP_GRO set" : shared
			    ? "shares its port (SO_REUSEPORT): they could be sent to another one"
			    : "is bound to an interface");
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

int udp_message_check(struct restore *r, const struct file_row *f, struct err *e)
{
	struct in6_addr a;
	const ROW *m;
	int64_t nr = 0;

	image_for_each(m, r->img, &udp_message_table) {
		int family = strchr(m->source, ':') ? AF_INET6 : AF_INET;

		if (m->file != f->file)
			continue;
		if (m->message != nr++ || inet_pton(family, m->source, &a) != 1 || inet_pton(family, m->destination, &a) != 1)
			return err_set(e, -EBADMSG, "message %ld from %s to %s is none (table udp_message)", m->message,
				       m->source, m->destination);
	}
	return 0;
}

static uint32_t sum_of(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	return sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	/* 0 would say that there is none (RFC 768). */
	return htons((uint16_t)(~sum & 0xffff) ?: 0xffff);
}

/* The whole packet, as it goes over the wire. Returns its length. */
static size_t make_packet(const ROW *m, int family, int64_t port, char *packet)
{
	struct udphdr udp = {
		.source = htons((uint16_t)m->source_port), .dest = htons((uint16_t)port),
		.len = htons((uint16_t)(sizeof(udp) + m->data.len)),
	};
	struct in6_addr addresses[2];
	size_t head = family == AF_INET6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr);
	size_t size = family == AF_INET6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
	char *both = packet + (family == AF_INET6 ? offsetof(struct ip6_hdr, ip6_src) : offsetof(struct iphdr, saddr));
	uint32_t sum;

	inet_pton(family, m->source, &addresses[0]);
	inet_pton(family, m->destination, &addresses[1]);
	if (family == AF_INET6)
		*(struct ip6_hdr *)packet = (struct ip6_hdr){
			.ip6_flow = htonl(6U << 28 | (uint32_t)m->tos << 20), .ip6_plen = udp.len,
			.ip6_nxt = IPPROTO_UDP, .ip6_hlim = (uint8_t)m->ttl,
		};
	else
		*(struct iphdr *)packet = (struct iphdr){
			.version = 4, .ihl = 5, .tos = (uint8_t)m->tos, .ttl = (uint8_t)m->ttl, .protocol = IPPROTO_UDP,
			.tot_len = htons((uint16_t)(head + sizeof(udp) + m->data.len)),
		};
	memcpy(both, &addresses[0], size);
	memcpy(both + size, &addresses[1], size);
	/* With the pseudo header: addresses, protocol, length. */
	sum = sum_of(both, 2 * size, IPPROTO_UDP + (uint32_t)(sizeof(udp) + m->data.len));
	sum = sum_of(m->data.data, m->data.len, sum_of(&udp, sizeof(udp), sum));
	udp.check = checksum(sum);
	memcpy(packet + head, &udp, sizeof(udp));
	if (m->data.len)
		memcpy(packet + head + sizeof(udp), m->data.data, m->data.len);
	return head + sizeof(udp) + m->data.len;
}

/* Memory that what waits in @fd takes. */
static uint32_t waiting(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len);
	return info[SK_MEMINFO_RMEM_ALLOC];
}

static int packet_send(const ROW *m, int family, int64_t port, int fd, struct err *e)
{
	_cleanup_free_ char *packet = xcalloc(1, sizeof(struct ip6_hdr) + sizeof(struct udphdr) + LONGEST);
	_cleanup_fd_ int raw = socket(family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);	/* with headers of ours */
	struct sockaddr_storage to = { .ss_family = (sa_family_t)family };
	size_t len = make_packet(m, family, port, packet);
	int large = (int)len + 4096;
	uint32_t before = waiting(fd);

	inet_pton(family, m->destination, family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&to)->sin6_addr
						     : &((struct sockaddr_in *)&to)->sin_addr);
	if (raw < 0 || setsockopt(raw, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof(large)) < 0)
		return err_sys(e, "make a raw socket");
	if (sendto(raw, packet, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_sys(e, "send a datagram of %zu bytes to %s again", m->data.len, m->destination);
	for (int i = 0; waiting(fd) == before; i++) {
		if (i == 1000)
			return err_set(e, -EIO, "a datagram from %s to %s did not arrive again", m->source, m->destination);
		usleep(1000);
	}
	return 0;
}

int udp_message_restore(struct restore *r, const struct file_row *f, int64_t port, int fd, struct err *e)
{
	int old, lock, large = 1 << 29, half;
	socklen_t len = sizeof(int);
	const ROW *m;

	if (!image_find(r->img, &udp_message_table, offsetof(ROW, file), f->file))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &old, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, &len) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof(large)) < 0)
		return err_sys(e, "raise SO_RCVBUF for what waited in the queue");
	image_for_each(m, r->img, &udp_message_table) {
		if (m->file == f->file && (!is_here(m->source) || !is_here(m->destination)))
			return err_set(e, -EADDRNOTAVAIL, "a datagram waited from %s to %s, which are not both addresses here",
				       m->source, m->destination);
		if (m->file == f->file && packet_send(m, strchr(m->source, ':') ? AF_INET6 : AF_INET, port, fd, e) < 0)
			return e->code;
	}
	half = old / 2;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &half, sizeof(half)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &lock, sizeof(lock)) < 0)
		return err_sys(e, "set SO_RCVBUF back to %d", old);
	return 0;
}
