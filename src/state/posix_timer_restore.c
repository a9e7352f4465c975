// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restores POSIX timers. They are made under their ids while the process still
 * has all power, before any of its threads gives some up (alarm clocks need
 * CAP_WAKE_ALARM), and armed last, when all tasks are complete.
 *
 * A pending signal of a timer is queued by the timer itself, set to go off at
 * once: only then does the kernel take up the interval when the signal is
 * taken, and count another expiry as an overrun.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include "state/clock.h"
#include "state/posix_timer.h"
#include "state/process.h"

#define NS 1000000000L
#define IDS_AT_ONCE 8192
#define QUEUED_NS (10 * NS)	/* a timer that is over goes off within that */

/* ---- rows ------------------------------------------------------------- */

static siginfo_t siginfo_of(const struct pending_signal_row *sig)
{
	siginfo_t info = { 0 };

	memcpy(&info, sig->siginfo.data, min(sig->siginfo.len, sizeof(info)));
	return info;
}

static bool in_queue_of(const struct posix_timer_row *row, const struct pending_signal_row *sig)
{
	return row->target == COLUMN_NULL ? sig->shared && sig->thread == row->process :
					    !sig->shared && sig->thread == row->target;
}

/* A timer's signal is in the queue at most once; another that looks like it was sent by a program. */
static const struct pending_signal_row *signal_of(const struct image *img, const struct posix_timer_row *row)
{
	const struct pending_signal_row *sig;

	image_for_each(sig, img, &pending_signal_table) {
		siginfo_t info = siginfo_of(sig);

		if (in_queue_of(row, sig) && sig->signal == row->signal && info.si_code == SI_TIMER &&
		    info.si_timerid == (int)row->id && (int64_t)(intptr_t)info.si_ptr == row->sigev_value)
			return sig;
	}
	return NULL;
}

static const struct posix_timer_row *timer_of(const struct image *img, const struct pending_signal_row *sig)
{
	const struct posix_timer_row *row;

	image_for_each(row, img, &posix_timer_table)
		if (in_queue_of(row, sig) && signal_of(img, row) == sig)
			return row;
	return NULL;
}

bool posix_timer_queues(const struct image *img, const struct pending_signal_row *sig)
{
	return timer_of(img, sig);
}

static struct new_thread *thread_of(struct new_process *p, int64_t thread)
{
	for (size_t i = 0; i < p->nr_threads; i++)
		if (p->threads[i].row->thread == thread)
			return &p->threads[i];
	return NULL;
}

/* ---- check ------------------------------------------------------------ */

static bool clock_is_sane(const struct posix_timer_row *row, struct new_process *p)
{
	bool own = clock_is_thread(row->clock) && !clock_pid(row->clock);

	if (own != (row->clock_thread != COLUMN_NULL) || (own && !thread_of(p, row->clock_thread)))
		return false;
	if (clock_is_cpu(row->clock))
		return (row->clock & 3) != 3 && clock_pid(row->clock) >= 0;
	return row->clock == CLOCK_REALTIME || row->clock == CLOCK_MONOTONIC || row->clock == CLOCK_BOOTTIME ||
	       row->clock == CLOCK_REALTIME_ALARM || row->clock == CLOCK_BOOTTIME_ALARM || row->clock == CLOCK_TAI;
}

static bool notify_is_sane(const struct posix_timer_row *row, struct new_process *p)
{
	if (row->notify == SIGEV_NONE)
		return row->target == COLUMN_NULL;
	if (row->signal < 1 || row->signal > SIGRTMAX)
		return false;
	if (row->notify == SIGEV_THREAD_ID)
		return row->target != COLUMN_NULL && thread_of(p, row->target);
	return (row->notify == SIGEV_SIGNAL || row->notify == SIGEV_THREAD) && row->target == COLUMN_NULL;
}

int posix_timer_check(struct restore *r, struct err *e)
{
	const struct posix_timer_row *row;
	struct timespec t;

	image_for_each(row, r->img, &posix_timer_table) {
		struct new_process *p = restore_find(r, row->process);

		if (!p)
			return err_set(e, -EBADMSG, "table posix_timer names process %ld, table process does not",
				       row->process);
		if (!clock_is_sane(row, p) || !notify_is_sane(row, p) || (row->interval_ns && !row->value_ns))
			return err_set(e, -EBADMSG, "table posix_timer: timer %ld of process %ld makes no sense",
				       row->id, row->process);
		if (!clock_is_cpu(row->clock) && clock_gettime((clockid_t)row->clock, &t) < 0)
			return err_sys(e, "timer %ld of process %ld (%s): its clock %ld does not run here", row->id,
				       row->process, p->row->comm, row->clock);
	}
	return 0;
}

/* ---- making them ------------------------------------------------------ */

/* The kernel gives ids in order, also to calls that fail afterwards (do_timer_create()). */
static int use_up_ids(struct new_process *p, int64_t from, int64_t to, struct err *e)
{
	const struct sigevent none_such = { .sigev_notify = -1 };
	int r = 0;

	while (r == 0 && from < to) {
		_cleanup_batch_ struct batch *b = batch_new();
		size_t event = batch_data(b, &none_such, sizeof(none_such)), id = batch_data(b, NULL, sizeof(int));

		for (int i = 0; i < IDS_AT_ONCE && from < to; i++, from++)
			batch_expect(b, batch_call(b, "timer_create: use up an id", SYS_timer_create,
						   ARG(CLOCK_MONOTONIC), ARG_AT(event), ARG_AT(id)), -EINVAL);
		r = remote_run(p->remote, &p->threads[0].tracee, b, e);
	}
	return r;
}

static int create(struct restore *r, struct new_process *p, const struct posix_timer_row *row, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	int64_t level = pid_level(r->img, p->row->process);
	struct sigevent event = {
		.sigev_value.sival_ptr = (void *)(intptr_t)row->sigev_value, .sigev_signo = (int)row->signal,
		.sigev_notify = (int)row->notify,
	};
	/* The CPU time of its own thread is that of the thread which makes the timer. */
	struct new_thread *maker = row->clock_thread == COLUMN_NULL ? &p->threads[0] : thread_of(p, row->clock_thread);
	size_t at = batch_data(b, NULL, sizeof(int));
	int ret, id;

	if (row->notify == SIGEV_THREAD_ID)
		event._sigev_un._tid = (pid_t)pid_at(r->img, row->target, level);
	batch_call(b, batch_why(b, "timer_create: timer %ld of clock %ld", row->id, row->clock), SYS_timer_create,
		   ARG(row->clock), ARG_AT(batch_data(b, &event, sizeof(event))), ARG_AT(at));
	ret = remote_run(p->remote, &maker->tracee, b, e);
	if (ret < 0)
		return ret;
	id = *(const int *)batch_data_at(b, at);
	return id == row->id ? 0 : err_set(e, -EPROTO, "the kernel made its timer %ld as timer %d", row->id, id);
}

/* With the leader: all threads are there, and none of them has its own credentials yet. */
int posix_timer_create(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b, struct err *e)
{
	const struct posix_timer_row *row;
	int64_t next = 0;
	int ret;

	(void)b;
	if (t != &p->threads[0])
		return 0;
	image_for_each(row, r->img, &posix_timer_table) {
		if (row->process != p->row->process)
			continue;
		ret = use_up_ids(p, next, row->id, e) ?: create(r, p, row, e);
		if (ret < 0)
			return ret;
		next = row->id + 1;
	}
	return 0;
}

/* ---- arming them ------------------------------------------------------ */

static int set_time(struct new_process *p, const struct posix_timer_row *row, int flags, int64_t value_ns,
		    int64_t interval_ns, struct err *e)
{
	const struct itimerspec t = { timespec_of(interval_ns), timespec_of(value_ns) };
	_cleanup_batch_ struct batch *b = batch_new();

	batch_call(b, batch_why(b, "timer_settime: timer %ld", row->id), SYS_timer_settime, ARG(row->id), ARG(flags),
		   ARG_AT(batch_data(b, &t, sizeof(t))), ARG(0));
	return remote_run(p->remote, &p->threads[0].tracee, b, e);
}

/*
 * A time in the past from which on the timer has gone off @times, and is to go
 * off next when value_ns is over; 0: its clock has not run that long, or tells
 * by the kind of time it was set to whether it follows changes of the time of
 * day (CLOCK_REALTIME, common_hrtimer_arm()). A new process has no CPU time.
 */
static int64_t past_time(const struct restore *r, const struct new_process *p, const struct posix_timer_row *row,
			 int64_t times)
{
	struct timespec now;
	int64_t next, back;

	if (clock_is_cpu(row->clock) || row->clock == CLOCK_REALTIME ||
	    clock_read(r, p, (clockid_t)row->clock, &now) < 0 ||
	    __builtin_add_overflow(now.tv_sec * NS + now.tv_nsec, row->value_ns, &next) ||
	    __builtin_mul_overflow(times, row->interval_ns, &back) || back >= next)
		return 0;
	return next - back;
}

static struct new_thread *who_gets(struct new_process *p, const struct posix_timer_row *row)
{
	return row->target == COLUMN_NULL ? &p->threads[0] : thread_of(p, row->target);
}

static int wait_queued(struct new_process *p, const struct posix_timer_row *row, struct err *e)
{
	uint64_t begun = now_ns();
	int r;

	while ((r = signal_is_queued(who_gets(p, row)->tid, row->target == COLUMN_NULL, (int)row->signal, SI_TIMER,
				     (int)row->id, e)) == 0) {
		if (now_ns() - begun > QUEUED_NS)
			return err_set(e, -ETIMEDOUT, "timer %ld does not go off", row->id);
		usleep(50);
	}
	return r < 0 ? r : 0;
}

/* Have it queue its signal, which is in table pending_signal as @sig. */
static int arm_queued(struct restore *r, struct new_process *p, const struct posix_timer_row *row,
		      const struct pending_signal_row *sig, struct err *e)
{
	/* Expiries while it was queued already, as happen to one that was set anew then. */
	int overrun = max(siginfo_of(sig).si_overrun, 0);
	int64_t past = row->interval_ns ? past_time(r, p, row, (int64_t)overrun + 1) : 0;
	bool absolute = past || clock_is_cpu(row->clock);
	int ret = set_time(p, row, absolute ? TIMER_ABSTIME : 0, past ?: 1, row->interval_ns, e) ?: wait_queued(p, row, e);

	/* One that does not repeat was set anew while its signal waited, and runs. */
	if (ret == 0 && !row->interval_ns && row->value_ns && row->queued)
		ret = set_time(p, row, 0, row->value_ns, 0, e);
	return ret;
}

/* Let it go off as often as it had when its last signal was taken, and take that: 1 done, 0 can't be. */
static int arm_overrun(struct restore *r, struct new_process *p, const struct posix_timer_row *row, struct err *e)
{
	const struct timespec patience = timespec_of(QUEUED_NS);
	const uint64_t mask = 1ull << (row->signal - 1);
	const struct pending_signal_row *other;
	_cleanup_batch_ struct batch *b = NULL;
	int64_t past = past_time(r, p, row, row->overrun + 1);
	int ret;

	/* The first of that number would be taken; these two end runs of batches (run.c). */
	image_for_each(other, r->img, &pending_signal_table)
		if (in_queue_of(row, other) && other->signal == row->signal)
			return 0;
	if (!past || row->signal == SIGWINCH || row->signal == SIGTRAP)
		return 0;
	b = batch_new();
	batch_expect(b, batch_call(b, batch_why(b, "rt_sigtimedwait: take the signal of timer %ld", row->id),
				   SYS_rt_sigtimedwait, ARG_AT(batch_data(b, &mask, sizeof(mask))), ARG(0),
				   ARG_AT(batch_data(b, &patience, sizeof(patience))), ARG(sizeof(mask))), row->signal);
	ret = set_time(p, row, TIMER_ABSTIME, past, row->interval_ns, e) ?: wait_queued(p, row, e) ?:
	      remote_run(p->remote, &who_gets(p, row)->tracee, b, e);
	return ret < 0 ? ret : 1;
}

static int arm_process(struct restore *r, struct new_process *p, struct err *e)
{
	const struct pending_signal_row *sig;
	const struct posix_timer_row *row;
	size_t nr;
	bool *armed;
	int ret = 0;

	image_rows(r->img, &posix_timer_table, &nr);
	armed = xcalloc(nr + 1, sizeof(*armed));
	/* Overruns first, while only signals of table pending_signal are queued. */
	image_for_each(row, r->img, &posix_timer_table) {
		if (ret < 0 || row->process != p->row->process || !row->interval_ns || row->notify == SIGEV_NONE ||
		    !row->overrun)
			continue;
		ret = arm_overrun(r, p, row, e);
		armed[_i] = ret > 0;
	}
	/* Then signals in the order of their queues. */
	image_for_each(sig, r->img, &pending_signal_table) {
		row = ret < 0 ? NULL : timer_of(r->img, sig);
		if (!row || row->process != p->row->process)
			continue;
		ret = arm_queued(r, p, row, sig, e);
		armed[row - (struct posix_timer_row *)image_rows(r->img, &posix_timer_table, &nr)] = true;
	}
	image_for_each(row, r->img, &posix_timer_table)
		if (ret >= 0 && row->process == p->row->process && row->value_ns && !armed[_i])
			ret = set_time(p, row, 0, row->value_ns, row->interval_ns, e);
	free(armed);
	return ret < 0 ? ret : 0;
}

int posix_timer_arm(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->nr_processes; i++) {
		int ret = arm_process(r, &r->processes[i], e);

		if (ret < 0)
			return err_in(e, "process %ld (%s)", r->processes[i].row->process, r->processes[i].row->comm);
	}
	return 0;
}
