// SPDX-License-Identifier: GPL-2.0-only
/* What /proc says of POSIX timers; which rows are refused; which pending signals are a timer's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "state/posix_timer.h"
#include "state/process.h"

static void test_parse(void **state)
{
	static const char text[] = "ID: 12\nsignal: 34/00007fff00000005\nnotify: signal/tid.77\nClockID: 1\n"
				   "ID: 4000000\nsignal: -9/0000000000000000\nnotify: none/pid.70\nClockID: -6\n"
				   "ID: 4000001\nsignal: 10/ffffffffffffffff\nnotify: thread/pid.70\nClockID: 11\n";
	struct posix_timer_info t;
	const char *at = text;

	(void)state;
	at = posix_timer_parse(at, &t);
	assert_non_null(at);
	assert_int_equal(t.id, 12);
	assert_int_equal(t.signal, 34);
	assert_int_equal(t.value, 0x7fff00000005);
	assert_int_equal(t.notify, SIGEV_THREAD_ID);
	assert_int_equal(t.tid, 77);
	assert_int_equal(t.clock, CLOCK_MONOTONIC);
	at = posix_timer_parse(at, &t);
	assert_non_null(at);
	assert_int_equal(t.id, 4000000);
	assert_int_equal(t.signal, -9);
	assert_int_equal(t.notify, SIGEV_NONE);
	assert_int_equal(t.clock, -6);
	at = posix_timer_parse(at, &t);
	assert_non_null(at);
	assert_true(t.value == UINT64_MAX);
	assert_int_equal(t.notify, SIGEV_THREAD);
	assert_string_equal(at, "");
	assert_null(posix_timer_parse("ID: 1\nsignal: 3\n", &t));
	assert_null(posix_timer_parse("ID: 1\nsignal: 34/0\nnotify: signal/tid.7\nClock", &t));
}

static void test_clocks(void **state)
{
	(void)state;
	/* make_process_cpuclock(0, CPUCLOCK_SCHED), make_thread_cpuclock(812, CPUCLOCK_SCHED) */
	assert_true(clock_is_cpu(-6) && !clock_is_thread(-6) && clock_pid(-6) == 0);
	assert_true(clock_is_thread(-2) && clock_pid(-2) == 0);
	assert_true(clock_is_thread(-6498) && clock_pid(-6498) == 812);
	assert_false(clock_is_cpu(CLOCK_TAI));
	assert_false(clock_is_thread(CLOCK_BOOTTIME));
}

/* A process 70 with the threads 70 and 71. */
static const struct process_row process_row = { .process = 70, .parent = COLUMN_NULL };
static const struct thread_row thread_rows[] = { { .thread = 70, .process = 70 }, { .thread = 71, .process = 70 } };

static int check(struct posix_timer_row row)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);
	_cleanup_image_ struct image *img = image_new(tables, nr);
	struct new_thread threads[2] = { { .row = &thread_rows[0] }, { .row = &thread_rows[1] } };
	struct new_process process = { .row = &process_row, .threads = threads, .nr_threads = 2 };
	struct restore r = { .img = img, .processes = &process, .nr_processes = 1 };
	struct err e = ERR_INIT;

	*(struct posix_timer_row *)image_add(img, &posix_timer_table) = row;
	return posix_timer_check(&r, &e);
}

static const struct posix_timer_row plain = {
	.process = 70, .clock = CLOCK_MONOTONIC, .clock_thread = COLUMN_NULL, .signal = SIGALRM, .target = COLUMN_NULL,
};

/* The plain one with changes: ROW(row.id = 1, row.signal = SIGHUP). */
#define ROW(...) ({ struct posix_timer_row row = plain; __VA_ARGS__; row; })

static void test_check(void **state)
{
	(void)state;
	assert_int_equal(check(ROW(row.id = 1)), 0);
	assert_int_equal(check(ROW(row.notify = SIGEV_NONE, row.signal = -5)), 0);
	assert_int_equal(check(ROW(row.notify = SIGEV_THREAD_ID, row.target = 71)), 0);
	assert_int_equal(check(ROW(row.clock = -2, row.clock_thread = 71)), 0);
	assert_int_equal(check(ROW(row.value_ns = 5, row.interval_ns = 7)), 0);
	assert_int_equal(check(ROW(row.process = 71)), -EBADMSG);
	assert_int_equal(check(ROW(row.signal = 65)), -EBADMSG);
	assert_int_equal(check(ROW(row.notify = 3)), -EBADMSG);
	assert_int_equal(check(ROW(row.notify = SIGEV_THREAD_ID)), -EBADMSG);
	assert_int_equal(check(ROW(row.notify = SIGEV_THREAD_ID, row.target = 72)), -EBADMSG);
	assert_int_equal(check(ROW(row.target = 71)), -EBADMSG);
	assert_int_equal(check(ROW(row.clock = CLOCK_MONOTONIC_RAW)), -EBADMSG);
	assert_int_equal(check(ROW(row.clock = -2)), -EBADMSG);
	assert_int_equal(check(ROW(row.clock = -2, row.clock_thread = 72)), -EBADMSG);
	assert_int_equal(check(ROW(row.clock_thread = 71)), -EBADMSG);
	assert_int_equal(check(ROW(row.clock = -5)), -EBADMSG);	/* a descriptor's clock */
	assert_int_equal(check(ROW(row.interval_ns = 7)), -EBADMSG);
}

static void add_signal(struct image *img, int64_t thread, int64_t shared, int64_t place, int id, int64_t value)
{
	siginfo_t info = { .si_signo = SIGALRM, .si_code = SI_TIMER };

	info.si_timerid = id;
	info.si_ptr = (void *)(intptr_t)value;
	*(struct pending_signal_row *)image_add(img, &pending_signal_table) = (struct pending_signal_row){
		.thread = thread, .shared = shared, .place = place, .signal = SIGALRM,
		.siginfo = image_blob(img, &info, sizeof(info)),
	};
}

static void test_queues(void **state)
{
	static const bool timers[] = { true, false, false, false, true, false };
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);
	_cleanup_image_ struct image *img = image_new(tables, nr);
	const struct pending_signal_row *sig;

	(void)state;
	*(struct posix_timer_row *)image_add(img, &posix_timer_table) = ROW(row.id = 3, row.sigev_value = 9);
	*(struct posix_timer_row *)image_add(img, &posix_timer_table) =
		ROW(row.id = 4, row.notify = SIGEV_THREAD_ID, row.target = 71, row.sigev_value = -1);
	add_signal(img, 70, 1, 0, 3, 9);
	add_signal(img, 70, 1, 1, 3, 9);	/* a second one: sent by a program */
	add_signal(img, 70, 1, 2, 4, -1);	/* in a queue that its timer does not use */
	add_signal(img, 70, 0, 0, 3, 9);
	add_signal(img, 71, 0, 0, 4, -1);
	add_signal(img, 71, 0, 1, 4, 0);
	image_for_each(sig, img, &pending_signal_table)
		assert_int_equal(posix_timer_queues(img, sig), timers[_i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_clocks), cmocka_unit_test(test_check),
		cmocka_unit_test(test_queues),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
