// SPDX-License-Identifier: GPL-2.0-only
/* A snapshot's rows in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/image.h"
#include "base/util.h"

struct fruit {
	int64_t id, weight;
	char *name;
	struct blob seeds;
};

struct basket {
	int64_t id;
};

static const struct column fruit_columns[] = {
	INT_COLUMN(struct fruit, id, 1, 1000000),
	INT_COLUMN_OR_NULL(struct fruit, weight, 0, 100),
	TEXT_COLUMN(struct fruit, name, 64),
	BLOB_COLUMN_OR_NULL(struct fruit, seeds, 4096),
};
static const struct table fruit_table = TABLE("fruit", struct fruit, fruit_columns);
static const struct column basket_columns[] = { INT_COLUMN(struct basket, id, 1, 10) };
static const struct table basket_table = TABLE("basket", struct basket, basket_columns);
static const struct table *const tables[] = { &fruit_table, &basket_table };

static void test_description(void **state)
{
	(void)state;
	assert_string_equal(fruit_table.name, "fruit");
	assert_int_equal(fruit_table.nr_columns, 4);
	assert_int_equal(fruit_table.row_size, sizeof(struct fruit));
	assert_string_equal(fruit_columns[1].name, "weight");
	assert_true(fruit_columns[1].optional && fruit_columns[3].optional &&
		    !fruit_columns[2].optional);
	assert_int_equal(fruit_columns[3].offset, offsetof(struct fruit, seeds));
	assert_int_equal(fruit_columns[3].max, 4096);
}

static void test_empty(void **state)
{
	_cleanup_image_ struct image *img = image_new(tables, ARRAY_SIZE(tables));
	const struct fruit *f;
	size_t nr = 7;

	(void)state;
	assert_ptr_equal(image_tables(img, &nr), tables);
	assert_int_equal(nr, 2);
	image_rows(img, &basket_table, &nr);
	assert_int_equal(nr, 0);
	image_for_each(f, img, &fruit_table)
		fail_msg("a row in an empty table: %s", f->name);
	assert_null(image_find(img, &fruit_table, offsetof(struct fruit, id), 0));
}

static void test_rows_keep_their_order(void **state)
{
	_cleanup_image_ struct image *img = image_new(tables, ARRAY_SIZE(tables));
	const struct fruit *f;
	int64_t next = 1;
	size_t nr;

	(void)state;
	for (int64_t i = 1; i <= 1000; i++) {
		struct fruit *row = image_add(img, &fruit_table);
		_cleanup_free_ char *name = xasprintf("fruit %ld", i);

		/* New rows are zeroed, whatever growing left there. */
		assert_true(!row->id && !row->name && !row->seeds.data && !row->seeds.len);
		*row = (struct fruit){ .id = i, .weight = i % 10, .name = image_strdup(img, name) };
		row->seeds = image_blob(img, &i, sizeof(i));
		if (i % 100 == 0)
			((struct basket *)image_add(img, &basket_table))->id = i;
	}
	image_for_each(f, img, &fruit_table) {
		_cleanup_free_ char *name = xasprintf("fruit %ld", next);

		assert_int_equal(f->id, next);
		assert_string_equal(f->name, name);
		assert_memory_equal(f->seeds.data, &next, sizeof(next));
		next++;
	}
	assert_int_equal(next, 1001);
	image_rows(img, &basket_table, &nr);
	assert_int_equal(nr, 10);
	f = image_find(img, &fruit_table, offsetof(struct fruit, weight), 7);
	assert_int_equal(f->id, 7);
	f = image_find(img, &fruit_table, offsetof(struct fruit, id), 512);
	assert_string_equal(f->name, "fruit 512");
	assert_null(image_find(img, &fruit_table, offsetof(struct fruit, id), 1001));
}

static void test_copies_are_own(void **state)
{
	_cleanup_image_ struct image *img = image_new(tables, ARRAY_SIZE(tables));
	char text[] = "apple";
	char *s = image_strdup(img, text);
	struct blob b = image_blob(img, text, sizeof(text)), none = image_blob(img, NULL, 0);

	(void)state;
	text[0] = 'X';
	assert_string_equal(s, "apple");
	assert_memory_equal(b.data, "apple", 6);
	assert_int_equal(b.len, 6);
	/* An empty blob is not NULL, which would be no value at all. */
	assert_non_null(none.data);
	assert_int_equal(none.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_rows_keep_their_order),
		cmocka_unit_test(test_copies_are_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
