// SPDX-License-Identifier: GPL-2.0-only
/* Rows of tables seccomp and seccomp_filter that can't be are refused before anything is made. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "base/image.h"
#include "state/kind.h"
#include "state/task_kinds.h"

static char code[8 * 8];

static struct image *image(void)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);

	return image_new(tables, nr);
}

/* The columns in their order; -1: NULL. */
static void add(struct image *img, const char *table, const int64_t values[4], size_t len)
{
	const struct table *t = NULL;
	char *row;

	for (size_t i = 0; seccomp_kind.tables[i]; i++)
		if (strcmp(seccomp_kind.tables[i]->name, table) == 0)
			t = seccomp_kind.tables[i];
	assert_non_null(t);
	assert_int_equal(t->nr_columns, 4);
	row = image_add(img, t);
	for (size_t i = 0; i < t->nr_columns; i++) {
		void *at = row + t->columns[i].offset;

		if (t->columns[i].type == COLUMN_BLOB)
			*(struct blob *)at = image_blob(img, code, len);
		else
			*(int64_t *)at = values[i] < 0 ? COLUMN_NULL : values[i];
	}
}

static void filter(struct image *img, int64_t id, int64_t previous, size_t len)
{
	add(img, "seccomp_filter", (int64_t[]){ id, previous, 0, 0 }, len);
}

static void thread(struct image *img, int64_t tid, int64_t mode, int64_t last)
{
	add(img, "seccomp", (int64_t[]){ tid, mode, last, 0 }, 0);
}

static void check(struct image *img, const char *reason)
{
	struct restore r = { .img = img };
	struct err e = ERR_INIT;
	int ret = seccomp_kind.check(&r, &e);

	if (!reason) {
		if (ret < 0)
			fail_msg("refused: %s", e.msg);
	} else {
		assert_int_equal(ret, -EBADMSG);
		if (!strstr(e.msg, reason))
			fail_msg("the reason is: %s", e.msg);
	}
	image_free(img);
}

static void test_good(void **state)
{
	struct image *img = image();

	(void)state;
	filter(img, 0, -1, 8);
	filter(img, 1, 0, 64);
	filter(img, 2, 0, 16);
	thread(img, 7, 2, 1);
	thread(img, 8, 2, 2);
	thread(img, 9, 1, -1);
	check(img, NULL);
}

static void test_filters(void **state)
{
	struct image *img = image();

	(void)state;
	filter(img, 1, -1, 8);
	check(img, "not numbered from 0");
	for (int64_t previous = 0; previous < 3; previous++) {
		img = image();
		filter(img, 0, previous, 8);
		check(img, "comes later");
	}
	img = image();
	filter(img, 0, -1, 12);
	check(img, "has 12 bytes");
	img = image();
	filter(img, 0, -1, 0);
	check(img, "has 0 bytes");
}

static void test_threads(void **state)
{
	struct image *img = image();

	(void)state;
	thread(img, 7, 2, 0);
	check(img, "thread 7 is in mode 2 with filter 0");
	img = image();
	thread(img, 7, 2, -1);
	check(img, "in mode 2");
	img = image();
	filter(img, 0, -1, 8);
	thread(img, 7, 1, 0);
	check(img, "in mode 1");
}

/* 32768 instructions, where each filter counts four more on top of another. */
static void test_too_many(void **state)
{
	(void)state;
	for (int64_t more = 0; more < 2; more++) {
		struct image *img = image();

		for (int64_t i = 0; i < 6554 + more; i++)
			filter(img, i, i - 1, 8);
		thread(img, 7, 2, 6553 + more);
		check(img, more ? "more filters than any can" : NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
