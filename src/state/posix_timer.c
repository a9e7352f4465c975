// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX timers of a process (timer_create(2)): table `posix_timer`. Facts:
 * kernel/time/posix-timers.c, posix-cpu-timers.c, show_timer() in fs/proc/base.c.
 *
 * They run on while their process is stopped, and may go off between any two
 * looks: their times are read before the queues of signals are (kinds.c), and a
 * signal that came in between counts (posix_timer_restore.c).
 *
 * The kernel does not tell whether a timer of CLOCK_REALTIME was set to a time
 * of day or to an interval: like all others it goes on with what it had left.
 * Nor does it tell the overruns of a signal that is still pending.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "state/posix_timer.h"
#include "state/process.h"
#include "state/task_kinds.h"

/*
 * A process's timers are numbered in order, those that are gone counted in: a
 * number is reached again by asking for all below it, some millions a second.
 */
#define ID_HIGHEST (1 << 24)
#define NS 1000000000L
#define TWO_TICKS_NS (NS / 50)	/* at CONFIG_HZ=100, the slowest */

static const struct column posix_timer_columns[] = {
	INT_COLUMN(struct posix_timer_row, process, 1, INT32_MAX),
	INT_COLUMN(struct posix_timer_row, id, 0, ID_HIGHEST),
	INT_COLUMN(struct posix_timer_row, clock, INT32_MIN, CLOCK_TAI),
	INT_COLUMN_OR_NULL(struct posix_timer_row, clock_thread, 1, INT32_MAX),
	INT_COLUMN(struct posix_timer_row, notify, 0, SIGEV_THREAD_ID),
	INT_COLUMN(struct posix_timer_row, signal, INT32_MIN, INT32_MAX),
	INT_COLUMN_OR_NULL(struct posix_timer_row, sigev_value, INT64_MIN, INT64_MAX),
	INT_COLUMN_OR_NULL(struct posix_timer_row, target, 1, INT32_MAX),
	INT_COLUMN(struct posix_timer_row, value_ns, 0, INT64_MAX),
	INT_COLUMN(struct posix_timer_row, interval_ns, 0, INT64_MAX),
	INT_COLUMN(struct posix_timer_row, overrun, 0, INT32_MAX),
	INT_COLUMN(struct posix_timer_row, queued, 0, 1),
};
const struct table posix_timer_table = TABLE("posix_timer", struct posix_timer_row, posix_timer_columns);

/* ---- saving ----------------------------------------------------------- */

const char *posix_timer_parse(const char *text, struct posix_timer_info *ret)
{
	char how[8], whom[4];
	int len = 0;

	if (sscanf(text, "ID: %d signal: %d/%lx notify: %7[a-z]/%3[a-z].%d ClockID: %d %n", &ret->id, &ret->signal,
		   &ret->value, how, whom, &ret->tid, &ret->clock, &len) != 7 || !len)
		return NULL;
	ret->notify = strcmp(how, "signal") == 0 ? SIGEV_SIGNAL : strcmp(how, "none") == 0 ? SIGEV_NONE : SIGEV_THREAD;
	if (strcmp(whom, "tid") == 0)
		ret->notify |= SIGEV_THREAD_ID;
	return text + len;
}

static bool has_task(const struct live_process *p, pid_t tid)
{
	char path[48];

	snprintf(path, sizeof(path), "task/%d", tid);
	return faccessat(p->proc_fd, path, F_OK, 0) == 0;
}

/* Is the task whose CPU time @clock is, by its id in @p's own pid namespace, one that cpt restores? */
static bool clock_is_known(const struct save *s, const struct live_process *p, int64_t clock)
{
	int64_t level = pid_level(s->img, p->pid), id = clock_pid(clock);

	for (size_t i = 0; clock_is_thread(clock) && i < p->nr_threads; i++)
		if (pid_at(s->img, p->threads[i].tid, level) == id)
			return true;
	for (size_t i = 0; !clock_is_thread(clock) && i < s->live->nr_processes; i++)
		if (pid_at(s->img, s->live->processes[i].pid, level) == id)
			return true;
	return id == 0;
}

static void refuse_timer(struct save *s, struct live_process *p, const struct posix_timer_info *t)
{
	_cleanup_free_ char *object = xasprintf("its POSIX timer %d", t->id);
	const char *advice = "have it deleted (timer_delete)";

	if (t->id > ID_HIGHEST)
		save_refuse(s, p, object, "start the process anew now and then",
			    "it has made so many timers that cpt can't count up to this one (more than %d)", ID_HIGHEST);
	if ((t->notify & SIGEV_THREAD_ID) && !has_task(p, t->tid))
		save_refuse(s, p, object, advice, "it signals thread %d, which has ended", t->tid);
	/* While the process runs, the clock's may be newer than the list of threads. */
	if (s->frozen && !clock_is_known(s, p, t->clock))
		save_refuse(s, p, object, advice, "it follows the CPU time of %s %ld, which has ended or is outside "
			    "the container", clock_is_thread(t->clock) ? "thread" : "process", clock_pid(t->clock));
}

static int64_t ns_of(struct timespec t)
{
	return t.tv_sec >= INT64_MAX / NS ? INT64_MAX : t.tv_sec * NS + t.tv_nsec;
}

static int save_time(struct live_process *p, struct posix_timer_row *row, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	size_t at = batch_data(b, NULL, sizeof(struct itimerspec)), overrun;
	const struct itimerspec *t;
	int r;

	batch_call(b, "timer_gettime", SYS_timer_gettime, ARG(row->id), ARG_AT(at));
	overrun = batch_call(b, "timer_getoverrun", SYS_timer_getoverrun, ARG(row->id));
	r = signal_is_queued(row->target == COLUMN_NULL ? p->pid : (pid_t)row->target, row->target == COLUMN_NULL,
			     (int)row->signal, SI_TIMER, (int)row->id, e);
	if (r < 0)
		return r;
	row->queued = r;
	r = remote_run(p->remote, &p->threads[0].tracee, b, e);
	if (r < 0)
		return r;
	t = batch_data_at(b, at);
	row->value_ns = ns_of(t->it_value);
	row->interval_ns = row->value_ns ? ns_of(t->it_interval) : 0;
	row->overrun = batch_result(b, overrun);
	return 0;
}

/*
 * 1 ns is also what is left of a timer that should have gone off, but does so
 * only at the next tick while its thread has the CPU (__posix_cpu_timer_get()).
 */
static bool is_due(const struct posix_timer_row *row)
{
	return row->value_ns == 1;
}

/* Two looks from within @t with some of its CPU time in between. ESRCH when the clock's thread has ended. */
static int look_twice(struct live_process *p, struct live_thread *t, const struct posix_timer_row *row,
		      const struct itimerspec *meanwhile, int calls, int64_t *ret_cpu_ns, bool *ret_moved, struct err *e)
{
	const struct itimerspec had = {
		.it_value = timespec_of(row->value_ns), .it_interval = timespec_of(row->interval_ns),
	};
	_cleanup_batch_ struct batch *b = batch_new();
	size_t had_at = batch_data(b, &had, sizeof(had)), first = batch_data(b, NULL, sizeof(had));
	size_t second = batch_data(b, NULL, sizeof(had)), cpu_at = batch_data(b, NULL, sizeof(struct timespec));
	int r;

	if (meanwhile)
		batch_may_fail(b, batch_call(b, "timer_settime: for a moment", SYS_timer_settime, ARG(row->id), ARG(0),
					     ARG_AT(batch_data(b, meanwhile, sizeof(*meanwhile))), ARG(0)));
	batch_call(b, "timer_gettime", SYS_timer_gettime, ARG(row->id), ARG_AT(first));
	for (int i = 0; i < calls; i++)
		batch_call(b, "getppid: spend time", SYS_getppid);
	batch_call(b, "timer_gettime", SYS_timer_gettime, ARG(row->id), ARG_AT(second));
	if (meanwhile)
		batch_may_fail(b, batch_call(b, "timer_settime: as it was", SYS_timer_settime, ARG(row->id),
					     ARG(0), ARG_AT(had_at), ARG(0)));
	batch_call(b, "clock_gettime", SYS_clock_gettime, ARG(CLOCK_THREAD_CPUTIME_ID), ARG_AT(cpu_at));
	r = remote_run(p->remote, &t->tracee, b, e);
	if (r < 0)
		return r;
	*ret_moved = memcmp(batch_data_at(b, first), batch_data_at(b, second), sizeof(had)) != 0;
	*ret_cpu_ns = ns_of(*(const struct timespec *)batch_data_at(b, cpu_at));
	return 0;
}

/*
 * Only on the clock of the thread that looks does time pass between two looks
 * at the timer. One that is disarmed, or due, is set for them to a time that
 * does not come, and then as it was. That makes its overruns 0 (see
 * posix_timer_set_common()), as those of a disarmed timer are; with others,
 * the thread is given CPU time until the timer goes off, if it is its own.
 */
static int follows_thread(struct live_process *p, struct live_thread *t, const struct posix_timer_row *row,
			  bool *ret, struct err *e)
{
	const struct itimerspec far = { .it_value = { INT32_MAX, 0 } };
	bool stands = !row->value_ns || (is_due(row) && !row->overrun);
	bool wait = is_due(row) && row->overrun;
	int64_t begun = 0, cpu = 0;
	int r = look_twice(p, t, row, stands ? &far : NULL, 8, &begun, ret, e);

	while (r == 0 && !*ret && wait && cpu < begun + TWO_TICKS_NS)
		r = look_twice(p, t, row, NULL, 256, &cpu, ret, e);
	return r;
}

/* CLOCK_THREAD_CPUTIME_ID is that of the thread which made the timer; /proc does not tell which that was. */
static int save_clock_thread(struct save *s, struct live_process *p, struct posix_timer_row *row, struct err *e)
{
	_cleanup_free_ char *object = NULL;

	row->clock_thread = COLUMN_NULL;
	if (!clock_is_thread(row->clock) || clock_pid(row->clock))
		return 0;
	for (size_t i = 0; i < p->nr_threads; i++) {
		bool follows = p->nr_threads == 1;
		int r = follows ? 0 : follows_thread(p, &p->threads[i], row, &follows, e);

		if (r < 0)
			return r;
		if (!follows)
			continue;
		row->clock_thread = p->threads[i].tid;
		return 0;
	}
	object = xasprintf("its POSIX timer %ld", row->id);
	save_refuse(s, p, object, "have it deleted (timer_delete)",
		    "the thread whose CPU time it follows has ended, or can't be told from others");
	return 0;
}

static int save_timer(struct save *s, struct live_process *p, const struct posix_timer_info *t, struct err *e)
{
	struct posix_timer_row row = {
		.process = p->pid, .id = t->id, .clock = t->clock, .notify = t->notify, .signal = t->signal,
		.sigev_value = (int64_t)t->value,
		.target = t->notify & SIGEV_THREAD_ID ? t->tid : COLUMN_NULL,
	};
	int r;

	refuse_timer(s, p, t);
	if (!s->frozen || s->nr_refusals)
		return 0;
	r = save_time(p, &row, e) ?: save_clock_thread(s, p, &row, e);
	if (r < 0)
		return err_in(e, "timer %d", t->id);
	*(struct posix_timer_row *)image_add(s->img, &posix_timer_table) = row;
	return 0;
}

static int posix_timer_save(struct save *s, struct live_process *p, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct posix_timer_info t;
	int r;

	if (p->zombie)
		return 0;
	r = read_file_at(p->proc_fd, "timers", &text, NULL);
	if (r < 0)
		return s->frozen ? err_ret(e, r, "read /proc/%d/timers", p->pid) : 0;
	for (const char *at = text; r == 0 && *at; ) {
		at = posix_timer_parse(at, &t);
		if (!at)
			return err_set(e, -EBADMSG, "/proc/%d/timers is not as proc(5) says", p->pid);
		r = save_timer(s, p, &t, e);
	}
	return r;
}

const struct kind posix_timer_kind = {
	.name = "posix_timer",
	.tables = (const struct table *const[]){ &posix_timer_table, NULL },
	.save_process = posix_timer_save,
	.check = posix_timer_check,
	.restore_thread = posix_timer_create,
	.finish = posix_timer_arm,
};
