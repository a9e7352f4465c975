// SPDX-License-Identifier: GPL-2.0-only
/* Interval timers of a process (alarm(2), setitimer(2)): table `timer`. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include "state/process.h"
#include "state/signal.h"
#include "state/task_kinds.h"

#define NR_TIMERS 3	/* ITIMER_REAL, _VIRTUAL, _PROF */

struct timer_row {
	int64_t process, which;
	int64_t value_us, interval_us;	/* time left when the container was stopped */
	int64_t queued;		/* of ITIMER_REAL: 1: its signal was pending already when value_us was read */
};

static const struct column timer_columns[] = {
	INT_COLUMN(struct timer_row, process, 1, INT32_MAX),
	INT_COLUMN(struct timer_row, which, 0, NR_TIMERS - 1),
	INT_COLUMN(struct timer_row, value_us, 0, INT64_MAX),
	INT_COLUMN(struct timer_row, interval_us, 0, INT64_MAX),
	INT_COLUMN(struct timer_row, queued, 0, 1),
};
static const struct table timer_table = TABLE("timer", struct timer_row, timer_columns);

/* Is its signal in the queue from before its timers are read? Then that has not gone off since. */
static int timer_ask(struct save *s, struct live_process *p, struct live_thread *t, struct batch *b, struct err *e)
{
	int queued = signal_is_queued(p->pid, true, SIGALRM, SI_KERNEL, 0, e);

	(void)s, (void)t;
	for (int which = 0; which < NR_TIMERS; which++)
		batch_call(b, "getitimer", SYS_getitimer, ARG(which), ARG_AT(batch_data(b, NULL, sizeof(struct itimerval))));
	p->alarm_queued = queued > 0;
	return min(queued, 0);
}

static int timer_save(struct save *s, struct live_process *p, struct err *e)
{
	const struct batch *b;
	size_t first;

	(void)e;
	if (!s->frozen || p->zombie)
		return 0;
	b = save_answers(&p->threads[0], timer_ask, &first);
	for (int which = 0; which < NR_TIMERS; which++) {
		const struct itimerval *t = batch_data_at(b, batch_argument(b, first + (size_t)which, 1));

		if (t->it_value.tv_sec || t->it_value.tv_usec || t->it_interval.tv_sec || t->it_interval.tv_usec)
			*(struct timer_row *)image_add(s->img, &timer_table) = (struct timer_row){
				p->pid, which, t->it_value.tv_sec * 1000000 + t->it_value.tv_usec,
				t->it_interval.tv_sec * 1000000 + t->it_interval.tv_usec,
				which == ITIMER_REAL && p->alarm_queued,
			};
	}
	return 0;
}

/* It runs on while its process is stopped, and is read before the queues of signals are (kinds.c). */
static bool went_off_meanwhile(const struct restore *r, const struct timer_row *row)
{
	const struct pending_signal_row *sig;

	image_for_each(sig, r->img, &pending_signal_table) {
		siginfo_t info = { 0 };

		memcpy(&info, sig->siginfo.data, min(sig->siginfo.len, sizeof(info)));
		if (sig->thread == row->process && sig->shared && sig->signal == SIGALRM && info.si_code == SI_KERNEL)
			return row->which == ITIMER_REAL && row->value_us && !row->queued;
	}
	return false;
}

static int timer_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct timer_row *row;

	(void)e;
	image_for_each(row, r->img, &timer_table) {
		struct itimerval t = {
			.it_value = { row->value_us / 1000000, row->value_us % 1000000 },
			.it_interval = { row->interval_us / 1000000, row->interval_us % 1000000 },
		};

		/*
		 * It has gone off and waits for its signal to be taken before it goes on (dequeue_signal(),
		 * kernel/signal.c): so it shall be again, at once. A second SIGALRM is none. The other timers
		 * never wait; they keep their interval when they are disarmed (set_cpu_itimer()).
		 */
		if (went_off_meanwhile(r, row) && !row->interval_us)
			continue;
		if ((row->value_us == 0 && row->which == ITIMER_REAL) || went_off_meanwhile(r, row))
			t.it_value = (struct timeval){ 0, 1 };
		if (row->process == p->row->process)
			batch_call(b, "setitimer", SYS_setitimer, ARG(row->which),
				   ARG_AT(batch_data(b, &t, sizeof(t))), ARG(0));
	}
	return 0;
}

const struct kind timer_kind = {
	.name = "timer",
	.tables = (const struct table *const[]){ &timer_table, NULL },
	.ask_process = timer_ask,
	.save_process = timer_save,
	.restore_process = timer_restore,
};
