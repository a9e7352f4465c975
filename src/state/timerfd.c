// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timerfds: table `timerfd`.
 *
 * A timer goes on with what it had left, as if no time had passed; only one
 * that was set to a time on a clock keeps that. A time of day (CLOCK_REALTIME)
 * may be over meanwhile: then it has expired; other clocks continue (clock.h).
 * Expirations that nobody has read are kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include "state/clock.h"
#include "state/file_kinds.h"
#include "state/timerfd.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)	/* include/linux/timerfd.h */
#endif

struct timerfd_row {
	int64_t file;
	int64_t clock;		/* CLOCK_* */
	int64_t flags;		/* TFD_TIMER_* of the last timerfd_settime() */
	int64_t ticks;		/* expirations not read yet */
	int64_t value_ns;	/* until the next expiration; 0: it is not armed */
	int64_t interval_ns;
	int64_t expires_ns;	/* on cpt's own clock, when it was set to a time on it; COLUMN_NULL: value_ns counts */
};

static const struct column timerfd_columns[] = {
	INT_COLUMN(struct timerfd_row, file, 0, INT32_MAX),
	INT_COLUMN(struct timerfd_row, clock, 0, 15),
	INT_COLUMN(struct timerfd_row, flags, 0, 3),
	INT_COLUMN(struct timerfd_row, ticks, 0, INT64_MAX),
	INT_COLUMN(struct timerfd_row, value_ns, 0, INT64_MAX),
	INT_COLUMN(struct timerfd_row, interval_ns, 0, INT64_MAX),
	INT_COLUMN_OR_NULL(struct timerfd_row, expires_ns, 0, INT64_MAX),
};
static const struct table timerfd_table = TABLE("timerfd", struct timerfd_row, timerfd_columns);

#define NS 1000000000L

static bool timerfd_match(const struct open_file *f)
{
	return strcmp(f->link, "anon_inode:[timerfd]") == 0;
}

/* "it_value: (3, 499999999)" */
static bool parse_time(const char *fdinfo, const char *name, int64_t *ret_ns)
{
	const char *text = text_field(fdinfo, name);
	int64_t s, ns;

	if (!text || sscanf(text, "(%" SCNd64 ", %" SCNd64 ")", &s, &ns) != 2 || s < 0 || s > INT64_MAX / NS - 1)
		return false;
	*ret_ns = s * NS + ns;
	return true;
}

bool timerfd_parse(const char *fdinfo, struct timerfd_info *ret)
{
	if (!text_field(fdinfo, "clockid") || !text_field(fdinfo, "ticks") || !text_field(fdinfo, "settime flags"))
		return false;
	ret->clock = (int)text_number(fdinfo, "clockid", 10, 0);
	ret->ticks = text_number(fdinfo, "ticks", 10, 0);
	ret->flags = (int)text_number(fdinfo, "settime flags", 8, 0);
	return parse_time(fdinfo, "it_value", &ret->value_ns) && parse_time(fdinfo, "it_interval", &ret->interval_ns);
}

static bool is_realtime(int64_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
}

static int timerfd_save(struct save *s, struct open_file *f, struct err *e)
{
	_cleanup_free_ char *fdinfo = NULL;
	struct timerfd_info t;
	struct timerfd_row *row;
	struct itimerspec now;
	int64_t now_ns;
	char path[48];

	/*
	 * A periodic timer that has expired rests until it is read or asked for
	 * (do_timerfd_gettime() in fs/timerfd.c); only then are its ticks right.
	 */
	if (timerfd_gettime(f->own, &now) < 0)
		return err_sys(e, "timerfd_gettime");
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->own);
	if (read_file_at(AT_FDCWD, path, &fdinfo, NULL) < 0 || !timerfd_parse(fdinfo, &t))
		return err_set(e, -EBADMSG, "fdinfo does not tell a timerfd's state");
	row = image_add(s->img, &timerfd_table);
	*row = (struct timerfd_row){
		.file = f->id, .clock = t.clock, .flags = t.flags, .ticks = (int64_t)t.ticks,
		.value_ns = t.value_ns, .interval_ns = t.interval_ns, .expires_ns = COLUMN_NULL,
	};
	if (t.value_ns && (t.flags & TFD_TIMER_ABSTIME) && (is_realtime(t.clock) || clock_is_continued(t.clock))) {
		if (clock_gettime(t.clock, &now.it_value) < 0)
			return err_sys(e, "clock_gettime(%d)", t.clock);
		now_ns = now.it_value.tv_sec * NS + now.it_value.tv_nsec;
		row->expires_ns = now_ns > INT64_MAX - t.value_ns ? INT64_MAX : now_ns + t.value_ns;
	}
	return 0;
}

static const struct timerfd_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &timerfd_table, offsetof(struct timerfd_row, file), f->file);
}

static int timerfd_check(struct restore *r, const struct file_row *f, struct err *e)
{
	return row_of(r, f) ? 0 : err_set(e, -EBADMSG, "it is not in table timerfd");
}

static int timerfd_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	*ret_fd = timerfd_create((int)row_of(r, f)->clock, TFD_CLOEXEC | TFD_NONBLOCK);
	return *ret_fd < 0 ? err_sys(e, "timerfd_create(%ld)", row_of(r, f)->clock) : 0;
}

/* Late, for the time that the restore takes is none of the timer's. */
static int timerfd_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const struct timerfd_row *row = row_of(r, f);
	/*
	 * Gone off, and since it is periodic it rests until it is read: it shall go off and rest again.
	 * One without ticks is disarmed, which leaves the interval as it is.
	 */
	bool rests = row->value_ns == 0 && row->interval_ns && row->ticks;
	int64_t value_ns = rests ? 1 : row->value_ns;
	struct itimerspec t = { timespec_of(row->interval_ns), timespec_of(value_ns) };
	struct pollfd gone_off = { .fd = fd, .events = POLLIN };
	int flags = (int)row->flags;
	int64_t expires_ns = row->expires_ns;
	struct timespec now;

	if (expires_ns != COLUMN_NULL && (is_realtime(row->clock) || clock_moment(r, row->clock, &expires_ns))) {
		t.it_value = timespec_of(expires_ns);
	} else if ((flags & TFD_TIMER_ABSTIME) && value_ns) {
		if (clock_gettime((clockid_t)row->clock, &now) < 0)
			return err_sys(e, "clock_gettime(%ld)", row->clock);
		t.it_value = timespec_of(now.tv_sec * NS + now.tv_nsec + value_ns);
	}
	if (timerfd_settime(fd, flags, &t, NULL) < 0)
		return err_sys(e, "timerfd_settime");
	if (rests && poll(&gone_off, 1, 1000) != 1)
		return err_set(e, -ETIMEDOUT, "a timerfd of interval %ld ns does not go off", row->interval_ns);
	if (row->ticks && ioctl(fd, TFD_IOC_SET_TICKS, &row->ticks) < 0) {
		err_sys(e, "set the expirations of a timerfd to %ld", row->ticks);
		return err_advise(e, "this needs a kernel with CONFIG_CHECKPOINT_RESTORE");
	}
	return 0;
}

const struct file_kind timerfd_kind = {
	.name = "timerfd",
	.tables = (const struct table *const[]){ &timerfd_table, NULL },
	.match = timerfd_match,
	.save = timerfd_save,
	.check = timerfd_check,
	.open = timerfd_open,
	.connect = timerfd_connect,
};
