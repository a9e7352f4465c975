// SPDX-License-Identifier: GPL-2.0-only
/* Inotify: what fdinfo tells about a watch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <cmocka.h>
#include "state/inotify.h"

static void test_parse(void **state)
{
	static const char line[] =
		"inotify wd:1f ino:9e7e sdev:800013 mask:80000fce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 "
		"f_handle:7e9e0000640d1b6d\ninotify wd:1 ino:1 sdev:1 mask:1 ignored_mask:0 \n";
	struct inotify_watch w, other;

	(void)state;
	assert_true(inotify_parse_watch(line, &w));
	assert_int_equal(w.wd, 31);
	assert_int_equal(w.ino, 0x9e7e);
	assert_int_equal(w.dev, makedev(8, 19));
	assert_int_equal(w.mask, 0x80000fce);
	assert_int_equal(w.handle_type, 1);
	assert_int_equal(w.handle_bytes, 8);
	assert_memory_equal(w.handle, "\x7e\x9e\0\0\x64\x0d\x1b\x6d", 8);
	other = w;
	other.wd = 2;
	other.mask = 1;
	assert_true(inotify_same_file(&w, &other));
	other.handle[7]++;
	assert_false(inotify_same_file(&w, &other));
}

static void test_parse_without_handle(void **state)
{
	struct inotify_watch w;

	(void)state;
	assert_true(inotify_parse_watch("inotify wd:1 ino:2 sdev:3 mask:4 ignored_mask:0 \n", &w));
	assert_int_equal(w.handle_bytes, 0);
	assert_true(inotify_parse_watch("inotify wd:1 ino:2 sdev:3 mask:4 ignored_mask:0 \ninotify wd:2 ino:2 sdev:3 mask:4 "
					"ignored_mask:0 fhandle-bytes:4 fhandle-type:1 f_handle:00000000\n", &w));
	assert_int_equal(w.handle_bytes, 0);
}

static void test_parse_nonsense(void **state)
{
	struct inotify_watch w;

	(void)state;
	assert_false(inotify_parse_watch("", &w));
	assert_false(inotify_parse_watch("pos:	0\n", &w));
	assert_false(inotify_parse_watch("inotify wd:1 ino:2 sdev:3\n", &w));
	assert_false(inotify_parse_watch("inotify wd:1 ino:2 sdev:3 mask:4 ignored_mask:0 fhandle-bytes:81 fhandle-type:1 "
					 "f_handle:00\n", &w));
	assert_false(inotify_parse_watch("inotify wd:1 ino:2 sdev:3 mask:4 ignored_mask:0 fhandle-bytes:4 fhandle-type:1 "
					 "f_handle:0000\n", &w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_parse_without_handle),
		cmocka_unit_test(test_parse_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
