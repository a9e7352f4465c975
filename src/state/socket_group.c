// SPDX-License-Identifier: GPL-2.0-only
/*
 * Multicast groups that sockets have joined: tables `socket_group` and
 * `socket_source`. Nothing lists those of one socket, but the kernel lists all
 * of a network namespace, and tells of each whether a socket is in it
 * (MCAST_MSFILTER, which gives its sources as well).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include "state/socket.h"

struct socket_group_row {
	int64_t file;
	char *interface;
	char *address;		/* of the group: "239.1.2.3", "ff02::1:2" */
	int64_t exclude;	/* 1: from all but the sources listed, 0: from these alone */
};

struct socket_source_row {
	int64_t file;
	char *interface, *address;	/* of which group */
	char *source;
};

static const struct column socket_group_columns[] = {
	INT_COLUMN(struct socket_group_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct socket_group_row, interface, IF_NAMESIZE - 1),
	TEXT_COLUMN(struct socket_group_row, address, INET6_ADDRSTRLEN),
	INT_COLUMN(struct socket_group_row, exclude, 0, 1),
};
const struct table socket_group_table = TABLE("socket_group", struct socket_group_row, socket_group_columns);

static const struct column socket_source_columns[] = {
	INT_COLUMN(struct socket_source_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct socket_source_row, interface, IF_NAMESIZE - 1),
	TEXT_COLUMN(struct socket_source_row, address, INET6_ADDRSTRLEN),
	TEXT_COLUMN(struct socket_source_row, source, INET6_ADDRSTRLEN),
};
const struct table socket_source_table = TABLE("socket_source", struct socket_source_row, socket_source_columns);

#define MOST_SOURCES 1024

/* Also of IPv4 groups that an IPv6 socket is in. False: @text is no address. */
static bool parse_address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
		ret->ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		ret->ss_family = AF_INET6;
	return ret->ss_family;
}

static void address_text(const struct sockaddr_storage *a, char buf[static INET6_ADDRSTRLEN])
{
	inet_ntop(a->ss_family, a->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
							: &((const struct sockaddr_in6 *)a)->sin6_addr,
		  buf, INET6_ADDRSTRLEN);
}

static int level_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
}

/* ---- saving ----------------------------------------------------------- */

static int save_if_member(struct save *s, const struct open_file *f, struct group_filter *filter, struct err *e)
{
	int level = level_of(&filter->gf_group);
	char interface[IF_NAMESIZE], group[INET6_ADDRSTRLEN], source[INET6_ADDRSTRLEN];
	socklen_t len = GROUP_FILTER_SIZE(MOST_SOURCES);

	filter->gf_numsrc = MOST_SOURCES;
	if (getsockopt(f->own, level, MCAST_MSFILTER, filter, &len) < 0)
		return errno == EADDRNOTAVAIL || errno == ENOPROTOOPT ? 0 : err_sys(e, "getsockopt(MCAST_MSFILTER)");
	if (filter->gf_numsrc > MOST_SOURCES || !if_indextoname(filter->gf_interface, interface))
		return err_set(e, -EBADMSG, "a group on interface %u has %u sources", filter->gf_interface,
			       filter->gf_numsrc);
	address_text(&filter->gf_group, group);
	*(struct socket_group_row *)image_add(s->img, &socket_group_table) = (struct socket_group_row){
		f->id, image_strdup(s->img, interface), image_strdup(s->img, group), filter->gf_fmode == MCAST_EXCLUDE,
	};
	for (unsigned int i = 0; i < filter->gf_numsrc; i++) {
		filter->gf_slist[i].ss_family = filter->gf_group.ss_family;
		address_text(&filter->gf_slist[i], source);
		*(struct socket_source_row *)image_add(s->img, &socket_source_table) = (struct socket_source_row){
			f->id, image_strdup(s->img, interface), image_strdup(s->img, group), image_strdup(s->img, source),
		};
	}
	return 0;
}

/* "1	lo        :     1      V3", and below it one line a group: "				010000E0     1 0:00000000		0" */
static bool parse_igmp(const char *line, struct group_filter *filter)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&filter->gf_group;
	unsigned int index, group;

	if (line[0] != '\t')
		return sscanf(line, "%u", &index) == 1 ? filter->gf_interface = index, false : false;
	if (sscanf(line, " %8X", &group) != 1)
		return false;
	memset(&filter->gf_group, 0, sizeof(filter->gf_group));
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = group;	/* printed as a number of this machine's */
	return true;
}

/* "1    lo              ff020000000000000000000000000001     1 0000000C 0" */
static bool parse_igmp6(const char *line, struct group_filter *filter)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&filter->gf_group;
	unsigned int index, byte;
	char hex[33];

	if (sscanf(line, "%u %*s %32[0-9a-f]", &index, hex) != 2 || strlen(hex) != 32)
		return false;
	memset(&filter->gf_group, 0, sizeof(filter->gf_group));
	filter->gf_interface = index;
	in6->sin6_family = AF_INET6;
	for (int i = 0; i < 16; i++) {
		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		in6->sin6_addr.s6_addr[i] = (uint8_t)byte;
	}
	return true;
}

static int save_groups(struct save *s, const struct open_file *f, const char *path,
		       bool (*parse)(const char *line, struct group_filter *filter), struct err *e)
{
	_cleanup_free_ struct group_filter *filter = xmalloc(GROUP_FILTER_SIZE(MOST_SOURCES));
	_cleanup_free_ char *text = NULL;
	int r = read_file_at(AT_FDCWD, path, &text, NULL);

	if (r < 0)
		return r == -ENOENT ? 0 : err_ret(e, r, "read %s", path);
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (parse(line, filter) && save_if_member(s, f, filter, e) < 0)
			return e->code;
	}
	return 0;
}

int socket_group_save(struct save *s, const struct open_file *f, int domain, struct err *e)
{
	if (domain != AF_INET && domain != AF_INET6)
		return 0;
	return save_groups(s, f, "/proc/net/igmp", parse_igmp, e) ?:
	       (domain == AF_INET6 ? save_groups(s, f, "/proc/net/igmp6", parse_igmp6, e) : 0);
}

/* ---- restoring -------------------------------------------------------- */

int socket_group_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct socket_source_row *source;
	const struct socket_group_row *group;
	struct sockaddr_storage a;

	image_for_each(group, r->img, &socket_group_table)
		if (group->file == f->file && !parse_address(group->address, &a))
			return err_set(e, -EBADMSG, "it is in the group '%s' (table socket_group)", group->address);
	image_for_each(source, r->img, &socket_source_table)
		if (source->file == f->file && !parse_address(source->source, &a))
			return err_set(e, -EBADMSG, "its group has the source '%s' (table socket_source)", source->source);
	return 0;
}

static int set_sources(struct restore *r, const struct socket_group_row *row, const struct group_req *group, int fd,
		       struct err *e)
{
	_cleanup_free_ struct group_filter *filter = xcalloc(1, GROUP_FILTER_SIZE(MOST_SOURCES));
	const struct socket_source_row *source;
	unsigned int nr = 0;

	image_for_each(source, r->img, &socket_source_table)
		if (source->file == row->file && strcmp(source->interface, row->interface) == 0 &&
		    strcmp(source->address, row->address) == 0 && nr < MOST_SOURCES)
			parse_address(source->source, &filter->gf_slist[nr++]);
	if (nr == 0 && row->exclude)
		return 0;
	filter->gf_interface = group->gr_interface;
	filter->gf_group = group->gr_group;
	filter->gf_fmode = row->exclude ? MCAST_EXCLUDE : MCAST_INCLUDE;
	filter->gf_numsrc = nr;
	return setsockopt(fd, level_of(&group->gr_group), MCAST_MSFILTER, filter, GROUP_FILTER_SIZE(nr)) < 0
		? err_sys(e, "set %u sources of the group %s", nr, row->address) : 0;
}

int socket_group_restore(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const struct socket_group_row *row;

	image_for_each(row, r->img, &socket_group_table) {
		struct group_req group = { 0 };

		if (row->file != f->file)
			continue;
		group.gr_interface = if_nametoindex(row->interface);
		if (!group.gr_interface)
			return err_sys(e, "find the interface %s of the group %s", row->interface, row->address);
		parse_address(row->address, &group.gr_group);
		if (setsockopt(fd, level_of(&group.gr_group), MCAST_JOIN_GROUP, &group, sizeof(group)) < 0)
			return err_sys(e, "join the group %s on %s", row->address, row->interface);
		if (set_sources(r, row, &group, fd, e) < 0)
			return e->code;
	}
	return 0;
}
