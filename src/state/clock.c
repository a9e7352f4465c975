// SPDX-License-Identifier: GPL-2.0-only
/*
 * The monotonic and the boot-time clock: table `clock`, see clock.h. Facts:
 * kernel/time/namespace.c, time_namespaces(7).
 *
 * A time namespace has an offset for each of the two, against the clocks of
 * the host. They are set before any task is in it, so the clocks go on while
 * the container is being restored: for that time they are ahead. What was to
 * happen at a time on one of them happens then, never earlier.
 *
 * CLOCK_MONOTONIC_RAW has the offset of CLOCK_MONOTONIC: what both have
 * drifted apart since the host booted (NTP) is that of the host they are on.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>
#include "state/clock.h"
#include "state/namespace.h"
#include "state/process.h"

#define NS 1000000000L
/* A time namespace takes an offset if the clock is below half of KTIME_SEC_MAX with it: 146 years. */
#define HIGHEST_NS (4000000000L * NS)

static const struct {
	const char *name;	/* in /proc/<pid>/timens_offsets */
	clockid_t id;
} clocks[NR_CLOCKS] = { { "monotonic", CLOCK_MONOTONIC }, { "boottime", CLOCK_BOOTTIME } };

struct clock_row {
	int64_t namespace;	/* COLUMN_NULL: cpt's own */
	int64_t clock;		/* CLOCK_* */
	int64_t value_ns;
};

static const struct column clock_columns[] = {
	INT_COLUMN_OR_NULL(struct clock_row, namespace, 0, 65535),
	INT_COLUMN(struct clock_row, clock, CLOCK_MONOTONIC, CLOCK_BOOTTIME),
	INT_COLUMN(struct clock_row, value_ns, 0, HIGHEST_NS),
};
static const struct table clock_table = TABLE("clock", struct clock_row, clock_columns);

static struct clock_row *row_of(const struct image *img, int64_t namespace, clockid_t clock)
{
	struct clock_row *row;

	image_for_each(row, img, &clock_table)
		if (row->namespace == namespace && row->clock == clock)
			return row;
	return NULL;
}

static int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return timespec_ns(&t);
}

/* Of the namespace that children of cpt would be in. A kernel without time namespaces has offsets of 0. */
static int read_offsets(int64_t ret[NR_CLOCKS], struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int r = read_file_at(-1, "/proc/self/timens_offsets", &text, NULL);

	memset(ret, 0, NR_CLOCKS * sizeof(*ret));
	if (r < 0)
		return r == -ENOENT ? 0 : err_ret(e, r, "read /proc/self/timens_offsets");
	for (size_t i = 0; i < NR_CLOCKS; i++) {
		const char *line = strstr(text, clocks[i].name);
		int64_t s, ns;

		if (!line || sscanf(line + strlen(clocks[i].name), "%" SCNd64 " %" SCNd64, &s, &ns) != 2)
			return err_set(e, -EBADMSG, "/proc/self/timens_offsets is not as time_namespaces(7) says");
		ret[i] = s * NS + ns;
	}
	return 0;
}

/* ---- saving ----------------------------------------------------------- */

static void add_row(struct save *s, int64_t namespace, size_t i, int64_t value_ns)
{
	*(struct clock_row *)image_add(s->img, &clock_table) =
		(struct clock_row){ namespace, clocks[i].id, value_ns };
}

static int clock_save(struct save *s, struct err *e)
{
	(void)e;
	for (size_t i = 0; i < NR_CLOCKS; i++)
		add_row(s, COLUMN_NULL, i, read_clock(clocks[i].id));
	return 0;
}

static int offsets_in(const struct live_process *p, const char *link, int64_t ret[NR_CLOCKS], struct err *e)
{
	_cleanup_fd_ int own = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int ns = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "ns/%s", link);
	ns = openat(p->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || own < 0 || setns(ns, CLONE_NEWTIME) < 0)
		return err_sys(e, "enter the time namespace of task %d", p->pid);
	r = read_offsets(ret, e);
	if (setns(own, CLONE_NEWTIME) < 0)
		return err_sys(e, "leave the time namespace of task %d", p->pid);
	return r;
}

int clock_save_namespace(struct save *s, const struct live_process *p, const char *link, int64_t namespace,
			 struct err *e)
{
	int64_t own[NR_CLOCKS], in[NR_CLOCKS];
	int r = read_offsets(own, e) ?: offsets_in(p, link, in, e);

	/* By the offsets, not by a look at the clocks: they stay the same among all namespaces of the container. */
	for (size_t i = 0; r == 0 && i < NR_CLOCKS; i++)
		add_row(s, namespace, i, row_of(s->img, COLUMN_NULL, clocks[i].id)->value_ns - own[i] + in[i]);
	return r;
}

/* ---- restoring -------------------------------------------------------- */

static int check_rows_of(const struct restore *r, int64_t namespace, struct err *e)
{
	for (size_t i = 0; i < NR_CLOCKS; i++)
		if (!row_of(r->img, namespace, clocks[i].id))
			return err_set(e, -EBADMSG, "table clock has no row for the %s clock of time namespace %ld",
				       clocks[i].name, namespace == COLUMN_NULL ? -1 : namespace);
	return 0;
}

static int clock_check(struct restore *r, struct err *e)
{
	const struct namespace_row *row;
	int ret = check_rows_of(r, COLUMN_NULL, e);

	image_for_each(row, r->img, &namespace_table)
		if (ret == 0 && strcmp(row->type, "time") == 0)
			ret = check_rows_of(r, row->namespace, e);
	return ret;
}

static int64_t saved(const struct restore *r, int64_t namespace, size_t i)
{
	return row_of(r->img, namespace, clocks[i].id)->value_ns;
}

/* What a task that was in @namespace finds ahead of cpt's clock; negative: behind. */
static int64_t ahead_ns(const struct restore *r, int64_t namespace, size_t i)
{
	return r->clock_shift_ns[i] + saved(r, namespace, i) - saved(r, COLUMN_NULL, i);
}

const char *clock_offsets(const struct restore *r, int64_t id, char buf[static CLOCK_OFFSETS_TEXT])
{
	size_t len = 0;

	for (size_t i = 0; i < NR_CLOCKS; i++) {
		const struct timespec offset = timespec_of(r->clock_own_ns[i] + ahead_ns(r, id, i));

		len += (size_t)snprintf(buf + len, CLOCK_OFFSETS_TEXT - len, "%s %ld %ld\n", clocks[i].name, offset.tv_sec,
					offset.tv_nsec);
	}
	return buf;
}

int clock_namespace(const struct restore *r, int64_t id)
{
	return id == COLUMN_NULL ? restore_keyed(r, "clock", 0) : r->ns_fds[id];
}

/* CLOCK_MONOTONIC_* and CLOCK_BOOTTIME_ALARM have the offsets of their sisters (timens_setup_vdso_data()). */
static size_t clock_index(int64_t clock)
{
	if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE)
		return 0;
	return clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM ? 1 : NR_CLOCKS;
}

bool clock_is_continued(int64_t clock)
{
	return clock_index(clock) < NR_CLOCKS;
}

int clock_read(const struct restore *r, const struct new_process *p, clockid_t clock, struct timespec *ret)
{
	size_t i = clock_index(clock);
	int64_t ns;

	if (clock_gettime(clock, ret) < 0)
		return -errno;
	if (i < NR_CLOCKS) {
		ns = ret->tv_sec * NS + ret->tv_nsec + ahead_ns(r, p->row->time_ns, i);
		*ret = (struct timespec){ ns / NS, ns % NS };
	}
	return 0;
}

bool clock_moment(const struct restore *r, int64_t clock, int64_t *ns)
{
	size_t i = clock_index(clock);

	if (i >= NR_CLOCKS || r->host_clocks)
		return false;
	if (__builtin_sub_overflow(*ns, r->clock_shift_ns[i], ns))
		*ns = INT64_MAX;
	*ns = max(*ns, (int64_t)1);	/* it is over; 0 would mean never */
	return true;
}

/* Have tasks share cpt's clocks: it was asked for, or there is nothing else. */
static int stay_with_host(struct restore *r, struct err *e)
{
	int fd = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);

	r->host_clocks = true;
	memset(r->clock_shift_ns, 0, sizeof(r->clock_shift_ns));
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open /proc/self/ns/time");
	restore_set_keyed(r, "clock", 0, fd);
	return 0;
}

static int no_namespaces(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < NR_CLOCKS; i++)
		if (r->clock_shift_ns[i] > 0) {
			err_in(e, "the %s clock would go back by %ld s", clocks[i].name,
			       (long)(r->clock_shift_ns[i] / NS));
			return err_advise(e, "boot a kernel with CONFIG_TIME_NS, or use --host-clocks");
		}
	*e = ERR_INIT;
	return stay_with_host(r, e);
}

static int clock_restore(struct restore *r, struct err *e)
{
	char offsets[CLOCK_OFFSETS_TEXT];
	int fd = -1, ret = read_offsets(r->clock_own_ns, e);

	if (ret < 0)
		return ret;
	if (r->host_clocks)
		return stay_with_host(r, e);
	for (size_t i = 0; i < NR_CLOCKS; i++)
		r->clock_shift_ns[i] = saved(r, COLUMN_NULL, i) - read_clock(clocks[i].id);
	ret = namespace_make("time", clock_offsets(r, COLUMN_NULL, offsets), -1, -1, &fd, e);
	if (ret == -EINVAL)	/* unshare(2) knows no CLONE_NEWTIME */
		return no_namespaces(r, e);
	if (ret == 0)
		restore_set_keyed(r, "clock", 0, fd);
	return ret;
}

const struct kind clock_kind = {
	.name = "clock",
	.tables = (const struct table *const[]){ &clock_table, NULL },
	.save_container = clock_save,
	.check = clock_check,
	.restore_container = clock_restore,
};
