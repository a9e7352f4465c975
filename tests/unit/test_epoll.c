// SPDX-License-Identifier: GPL-2.0-only
/* Epoll, eventfd, timerfd, signalfd: parsers of their fdinfo, and saving and restoring. */
#include "unit/files.h"
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include "state/epoll.h"
#include "state/timerfd.h"

static void test_parse_watch(void **state)
{
	struct epoll_watch w;

	(void)state;
	assert_true(epoll_parse_watch("tfd:        5 events: 80000019 data: ffffffff00000005  pos:0 ino:7d3 sdev:1000f0\n",
				      &w));
	assert_int_equal(w.fd, 5);
	assert_int_equal(w.events, 0x80000019);
	assert_true(w.data == 0xffffffff00000005);
	assert_int_equal(w.ino, 0x7d3);
	assert_int_equal(major(w.dev), 1);
	assert_int_equal(minor(w.dev), 0xf0);
	assert_false(epoll_parse_watch("tfd: 5 events: 19\n", &w));
	assert_false(epoll_parse_watch("pos:	0\n", &w));
}

static void test_parse_timer(void **state)
{
	struct timerfd_info t;

	(void)state;
	assert_true(timerfd_parse("pos:	0\nclockid: 1\nticks: 7\nsettime flags: 03\nit_value: (3, 499999999)\n"
				  "it_interval: (0, 5)\n", &t));
	assert_int_equal(t.clock, 1);
	assert_int_equal(t.ticks, 7);
	assert_int_equal(t.flags, 3);
	assert_int_equal(t.value_ns, 3499999999);
	assert_int_equal(t.interval_ns, 5);
	assert_false(timerfd_parse("clockid: 1\nticks: 7\nsettime flags: 03\nit_value: (3)\nit_interval: (0, 5)\n", &t));
}

static void make_eventfds(void)
{
	uint64_t high = UINT64_MAX - 1;

	if (eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK) != 3 || eventfd(0, 0) != 4 || write(4, &high, 8) != 8)
		_exit(1);
}

static void test_eventfd(void **state)
{
	struct world w;
	uint64_t v = 0;

	(void)state;
	world_turn(&w, make_eventfds);
	assert_int_equal(fcntl(world_fd(&w, 4), F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(read(world_fd(&w, 4), &v, 8), 8);
	assert_true(v == UINT64_MAX - 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read(world_fd(&w, 3), &v, 8), 8);
		assert_int_equal(v, 1);
	}
	assert_int_equal(read(world_fd(&w, 3), &v, 8), -1);
	world_end(&w);
}

static void watch(int epoll, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		_exit(1);
}

/*
 * 3: epoll of 4 (silent), of the former 5 which is 6 now, and of a second epoll 7 that watches 4.
 * Number 5 is another file by now.
 */
static void make_epoll(void)
{
	if (epoll_create1(0) != 3 || eventfd(0, 0) != 4 || eventfd(1, 0) != 5)
		_exit(1);
	watch(3, 4, EPOLLIN, 0x1122334455667788);
	watch(3, 5, EPOLLIN | EPOLLET, UINT64_MAX);
	if (dup(5) != 6 || close(5) < 0 || eventfd(0, 0) != 5 || epoll_create1(0) != 7)
		_exit(1);
	watch(3, 5, EPOLLIN, 55);
	watch(7, 4, EPOLLIN, 47);
	watch(3, 7, EPOLLIN, 70);
}

static void test_epoll(void **state)
{
	struct epoll_event events[8];
	uint64_t one = 1;
	struct world w;
	int n;

	(void)state;
	world_turn(&w, make_epoll);
	assert_int_equal(epoll_wait(world_fd(&w, 3), events, 8, 0), 1);
	assert_true(events[0].data.u64 == UINT64_MAX);
	/* Edge-triggered: told once. */
	assert_int_equal(epoll_wait(world_fd(&w, 3), events, 8, 0), 0);
	assert_int_equal(write(world_fd(&w, 4), &one, 8), 8);
	n = epoll_wait(world_fd(&w, 3), events, 8, 0);
	assert_int_equal(n, 2);
	assert_true(events[0].data.u64 + events[1].data.u64 == 0x1122334455667788 + 70);
	assert_int_equal(epoll_wait(world_fd(&w, 7), events, 8, 0), 1);
	assert_int_equal(events[0].data.u64, 47);
	assert_int_equal(write(world_fd(&w, 5), &one, 8), 8);
	assert_int_equal(epoll_wait(world_fd(&w, 3), events, 8, 0), 3);
	world_end(&w);
}

/* What matters for EPOLL_CTL_MOD and _DEL afterwards: the number that a watch was added under. */
static void test_epoll_numbers(void **state)
{
	_cleanup_free_ char *before = NULL, *after = NULL;
	char path[64], *a, *b;
	struct world w;

	(void)state;
	world_begin(&w, make_epoll);
	snprintf(path, sizeof(path), "/proc/%d/fdinfo/3", w.pid);
	assert_int_equal(read_file_at(AT_FDCWD, path, &before, NULL), 0);
	assert_int_equal(world_save(&w), 0);
	world_kill(&w);
	assert_int_equal(world_restore(&w), 0);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", world_fd(&w, 3));
	assert_int_equal(read_file_at(AT_FDCWD, path, &after, NULL), 0);
	for (a = strstr(before, "tfd:"), b = strstr(after, "tfd:"); a && b; a = strstr(a + 1, "tfd:"))
		if (!memmem(after, strlen(after), a, 60))
			fail_msg("missing after the restore: %.60s in %s", a, after);
	world_end(&w);
}

/* 3: epoll, 4: eventfd whose one-shot watch has fired, 5: one whose has not */
static void make_oneshot(void)
{
	struct epoll_event event;

	if (epoll_create1(0) != 3 || eventfd(1, 0) != 4 || eventfd(0, 0) != 5)
		_exit(1);
	watch(3, 4, EPOLLIN | EPOLLONESHOT, 4);
	watch(3, 5, EPOLLIN | EPOLLONESHOT, 5);
	if (epoll_wait(3, &event, 1, 0) != 1)
		_exit(1);
}

static void test_oneshot(void **state)
{
	struct epoll_event events[8];
	uint64_t one = 1;
	struct world w;

	(void)state;
	world_turn(&w, make_oneshot);
	assert_int_equal(epoll_wait(world_fd(&w, 3), events, 8, 0), 0);
	assert_int_equal(write(world_fd(&w, 5), &one, 8), 8);
	assert_int_equal(epoll_wait(world_fd(&w, 3), events, 8, 0), 1);
	assert_int_equal(events[0].data.u64, 5);
	world_end(&w);
}

static void make_timerfds(void)
{
	struct itimerspec periodic = { { 0, 1000000 }, { 0, 1000000 } }, late = { { 0, 0 }, { 1000, 0 } };

	if (timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK) != 3 || timerfd_create(CLOCK_REALTIME, 0) != 4 ||
	    timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK) != 5 || timerfd_settime(3, 0, &periodic, NULL) < 0 ||
	    timerfd_settime(4, 0, &late, NULL) < 0)
		_exit(1);
	usleep(20000);
}

static void test_timerfd(void **state)
{
	struct itimerspec t;
	struct world w;
	uint64_t ticks;

	(void)state;
	world_turn(&w, make_timerfds);
	assert_int_equal(read(world_fd(&w, 3), &ticks, 8), 8);
	assert_true(ticks >= 15);
	assert_int_equal(timerfd_gettime(world_fd(&w, 3), &t), 0);
	assert_int_equal(t.it_interval.tv_nsec, 1000000);
	assert_int_equal(timerfd_gettime(world_fd(&w, 4), &t), 0);
	assert_in_range(t.it_value.tv_sec, 900, 1000);
	assert_int_equal(timerfd_gettime(world_fd(&w, 5), &t), 0);
	assert_int_equal(t.it_value.tv_sec + t.it_value.tv_nsec, 0);
	world_end(&w);
}

static void make_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, 40);
	if (signalfd(-1, &set, SFD_NONBLOCK) != 3)
		_exit(1);
}

static void test_signalfd(void **state)
{
	_cleanup_free_ char *info = NULL;
	char path[64];
	struct world w;

	(void)state;
	world_turn(&w, make_signalfd);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", world_fd(&w, 3));
	assert_int_equal(read_file_at(AT_FDCWD, path, &info, NULL), 0);
	assert_int_equal(text_number(info, "sigmask", 16, 0), 1UL << (SIGUSR1 - 1) | 1UL << 39);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_watch), cmocka_unit_test(test_parse_timer), cmocka_unit_test(test_eventfd),
		cmocka_unit_test(test_epoll), cmocka_unit_test(test_epoll_numbers), cmocka_unit_test(test_oneshot),
		cmocka_unit_test(test_timerfd), cmocka_unit_test(test_signalfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
