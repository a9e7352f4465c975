// SPDX-License-Identifier: GPL-2.0-only
/* Errors: filled once, added to on the way up; and the helpers that report by return value. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "base/util.h"

static void test_set(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(e.code, 0);
	assert_int_equal(err_set(&e, -EBUSY, "pin %s: it is pinned to %d:%d", "web", 253, 4),
			 -EBUSY);
	assert_int_equal(e.code, -EBUSY);
	assert_string_equal(e.msg, "pin web: it is pinned to 253:4");
	assert_string_equal(e.advice, "");
}

static void test_reasons(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&e, "open %s", "/x"), -ENOENT);
	assert_string_equal(e.msg, "open /x: No such file or directory");
	assert_int_equal(err_ret(&e, -EPERM, "trace task %d", 12), -EPERM);
	assert_string_equal(e.msg, "trace task 12: Operation not permitted");
	assert_int_equal(e.code, -EPERM);
}

static void test_context_and_advice(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	err_set(&e, -EINVAL, "no such kind");
	assert_int_equal(err_advise(&e, "run cpt %s", "doctor"), -EINVAL);
	assert_int_equal(err_in(&e, "task %d (%s)", 12, "redis"), -EINVAL);
	assert_int_equal(err_in(&e, "snapshot of %s", "web"), -EINVAL);
	assert_string_equal(e.msg, "snapshot of web: task 12 (redis): no such kind");
	assert_string_equal(e.advice, "run cpt doctor");
	/* A new error has no advice from the one before. */
	err_set(&e, -EIO, "other");
	assert_string_equal(e.advice, "");
}

/* Long names are cut, not written behind the end. */
static void test_long_messages(void **state)
{
	struct { struct err e; char guard[16]; } x = { .e = ERR_INIT };
	char name[4096];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	memset(x.guard, 0x5a, sizeof(x.guard));
	err_ret(&x.e, -EIO, "read %s", name);
	assert_int_equal(strlen(x.e.msg), sizeof(x.e.msg) - 1);
	err_in(&x.e, "%s", name);
	err_in(&x.e, "short");
	assert_int_equal(strlen(x.e.msg), sizeof(x.e.msg) - 1);
	assert_memory_equal(x.e.msg, "short: nnn", 10);
	err_advise(&x.e, "%s", name);
	assert_int_equal(strlen(x.e.advice), sizeof(x.e.advice) - 1);
	for (size_t i = 0; i < sizeof(x.guard); i++)
		assert_int_equal(x.guard[i], 0x5a);
	assert_int_equal(x.e.code, -EIO);
}

static void test_files(void **state)
{
	char path[] = "/tmp/test_err.XXXXXX", back[8];
	_cleanup_fd_ int fd = mkstemp(path);
	_cleanup_free_ char *text = NULL, *link = NULL, *big = xcalloc(1, 300000), *big_back = NULL;
	size_t len;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(read_file_at(AT_FDCWD, path, &text, &len), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	assert_int_equal(write_file_at(AT_FDCWD, path, "hello"), 0);
	free_ptr(&text);
	assert_int_equal(read_file_at(AT_FDCWD, path, &text, &len), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(read_all(fd, back, 5), 0);
	assert_memory_equal(back, "hello", 5);
	assert_int_equal(read_all(fd, back, 1), -ENODATA);
	memset(big, 'b', 300000);
	assert_int_equal(write_all(fd, big, 300000), 0);
	assert_int_equal(read_file_at(AT_FDCWD, path, &big_back, &len), 0);
	assert_int_equal(len, 300005);
	assert_memory_equal(big_back + 5, big, 300000);
	assert_int_equal(big_back[len], 0);
	unlink(path);
	assert_int_equal(read_file_at(AT_FDCWD, path, &link, NULL), -ENOENT);
	assert_null(link);
	assert_int_equal(write_file_at(AT_FDCWD, path, "x"), -ENOENT);
	assert_int_equal(symlink("to here", path), 0);
	assert_int_equal(read_link_at(AT_FDCWD, path, &link), 0);
	assert_string_equal(link, "to here");
	unlink(path);
	assert_int_equal(write_all(-1, "x", 1), -EBADF);
}

static void test_hand_over(void **state)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), kept = take_fd(&fd), copy = kept;
	char *p = xstrdup("x"), *q = take_ptr(p);

	(void)state;
	assert_int_equal(fd, -1);
	assert_true(fcntl(kept, F_GETFD) >= 0);
	errno = EDOM;
	close_fd(&kept);
	close_fd(&kept);
	assert_int_equal(errno, EDOM);
	assert_int_equal(kept, -1);
	assert_int_equal(fcntl(copy, F_GETFD), -1);
	assert_null(p);
	assert_string_equal(q, "x");
	free_ptr(&q);
	assert_null(q);
}

static void test_array_grow(void **state)
{
	int *a = NULL;
	size_t nr = 0, cap = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		array_grow(a, nr, cap);
		assert_int_equal(a[nr], 0);
		a[nr++] = i;
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(a[i], i);
	free(a);
}

static void test_times_before_the_epoch(void **state)
{
	static const struct { int64_t ns; time_t sec; long nsec; } cases[] = {
		{ 0, 0, 0 }, { 1, 0, 1 }, { 1999999999, 1, 999999999 }, { -1, -1, 999999999 }, { -1000000000, -1, 0 },
		{ -1000000001, -2, 999999999 }, { INT64_MAX, 9223372036, 854775807 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct timespec t = timespec_of(cases[i].ns);

		assert_int_equal(t.tv_sec, cases[i].sec);
		assert_int_equal(t.tv_nsec, cases[i].nsec);
		assert_int_equal(timespec_ns(&t), cases[i].ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_context_and_advice),
		cmocka_unit_test(test_long_messages),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_hand_over),
		cmocka_unit_test(test_array_grow),
		cmocka_unit_test(test_times_before_the_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
