// SPDX-License-Identifier: GPL-2.0-only
/* Runs: merged, cut at mappings, and telling which mappings share pages. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "state/process.h"
#include "state/swap_run.h"

static const struct table *const tables[] = { &process_table, &vma_table, &swap_run_table };

static struct image *new_image(void)
{
	return image_new(tables, ARRAY_SIZE(tables));
}

static void add_process(struct image *img, int64_t pid)
{
	*(struct process_row *)image_add(img, &process_table) = (struct process_row){ .process = pid };
}

static void add_vma(struct image *img, int64_t mm, int64_t start, int64_t end, int64_t file)
{
	*(struct vma_row *)image_add(img, &vma_table) = (struct vma_row){
		.mm = mm, .start = start, .end = end, .type = (char *)"anon", .prot = (char *)"rw-",
		.flags = (char *)"private accounted", .advice = (char *)"", .mapped_file = file, .shmem = COLUMN_NULL,
	};
}

static void add_run(struct image *img, int64_t mm, int64_t vaddr, int64_t nr, int64_t slot, int64_t flags)
{
	*(struct swap_run_row *)image_add(img, &swap_run_table) = (struct swap_run_row){ mm, vaddr, nr, slot, flags };
}

static void test_append(void **state)
{
	const struct pagemap_swap_run in[] = {
		{ 0x1000, 10, 2, PM_SWAP_RUN_EXCLUSIVE },
		{ 0x3000, 12, 1, PM_SWAP_RUN_EXCLUSIVE | PM_SWAP_RUN_YOUNG },	/* goes on, YOUNG apart */
		{ 0x4000, 13, 1, 0 },						/* not exclusive */
		{ 0x5000, 20, 1, 0 },						/* another slot */
		{ 0x7000, 21, 1, 0 },						/* another address */
	};
	_cleanup_free_ struct pagemap_swap_run *runs = NULL;
	size_t nr = 0, cap = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		runs_append(&runs, &nr, &cap, &in[i]);
	assert_int_equal(nr, 4);
	assert_int_equal(runs[0].nr_pages, 3);
	assert_int_equal(runs[0].flags, PM_SWAP_RUN_EXCLUSIVE | PM_SWAP_RUN_YOUNG);
	assert_int_equal(runs[1].vaddr, 0x4000);
	assert_int_equal(runs[3].slot, 21);
}

static void test_vector_is_cut_at_mappings(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	_cleanup_free_ struct pagemap_swap_run *vec = NULL;
	struct err e = ERR_INIT;
	size_t nr;

	(void)state;
	add_vma(img, 5, 0x1000, 0x3000, COLUMN_NULL);
	add_vma(img, 5, 0x3000, 0x5000, COLUMN_NULL);
	add_vma(img, 6, 0x1000, 0x9000, COLUMN_NULL);
	add_run(img, 5, 0x2000, 3, 100, PM_SWAP_RUN_EXCLUSIVE | PM_SWAP_RUN_YOUNG);
	add_run(img, 6, 0x1000, 8, 200, 0);
	assert_int_equal(swap_run_vector(img, 5, &vec, &nr, &e), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(vec[0].vaddr, 0x2000);
	assert_int_equal(vec[0].nr_pages, 1);
	assert_int_equal(vec[0].slot, 100);
	assert_int_equal(vec[0].flags, PM_SWAP_RUN_EXCLUSIVE);
	assert_int_equal(vec[1].vaddr, 0x3000);
	assert_int_equal(vec[1].nr_pages, 2);
	assert_int_equal(vec[1].slot, 101);
}

static void test_zeroes_hide_file_pages_only(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	_cleanup_free_ struct pagemap_swap_run *vec = NULL;
	struct err e = ERR_INIT;
	size_t nr;

	(void)state;
	add_vma(img, 5, 0x1000, 0x3000, COLUMN_NULL);
	add_vma(img, 5, 0x3000, 0x5000, 0);
	add_run(img, 5, 0x1000, 4, 7, PM_SWAP_RUN_ZERO);
	assert_int_equal(swap_run_vector(img, 5, &vec, &nr, &e), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(vec[0].vaddr, 0x3000);
	assert_int_equal(vec[0].slot, 9);
	assert_int_equal(vec[0].flags, PM_SWAP_RUN_ZERO);
	assert_false(swap_run_any(swap_run_rows(img, 5, &nr), 1, 0x1000, 0x5000));
}

static void test_run_outside_mappings(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	struct pagemap_swap_run *vec = NULL;
	struct err e = ERR_INIT;
	size_t nr;

	(void)state;
	add_vma(img, 5, 0x1000, 0x3000, COLUMN_NULL);
	add_run(img, 5, 0x2000, 2, 7, 0);
	assert_int_equal(swap_run_vector(img, 5, &vec, &nr, &e), -EBADMSG);
	assert_null(vec);
	assert_non_null(strstr(e.msg, "0x3000"));
}

static void test_any(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	const struct swap_run_row *runs;
	size_t nr;

	(void)state;
	add_run(img, 4, 0x1000, 9, 1, 0);
	add_run(img, 5, 0x1000, 1, 90, PM_SWAP_RUN_ZERO);
	add_run(img, 5, 0x4000, 2, 7, 0);
	add_run(img, 5, 0xa000, 2, 70, 0);
	runs = swap_run_rows(img, 5, &nr);
	assert_int_equal(nr, 3);
	assert_true(swap_run_any(runs, nr, 0x5000, 0x9000));
	assert_false(swap_run_any(runs, nr, 0x6000, 0xa000));
	assert_false(swap_run_any(runs, nr, 0x1000, 0x4000));
	assert_true(swap_run_any(runs, nr, 0x1000, 0x5000));
	assert_true(swap_run_any(runs, nr, 0xb000, 0xc000));
	assert_false(swap_run_any(runs, nr, 0xc000, 0xd000));
	swap_run_rows(img, 6, &nr);
	assert_int_equal(nr, 0);
}

/* ---- sharing ------------------------------------------------------------ */

/* A parent and two children with one mapping each; the runs decide who is whose relative. */
static struct image *family_image(void)
{
	struct image *img = new_image();

	for (int64_t pid = 10; pid <= 12; pid++) {
		add_process(img, pid);
		add_vma(img, pid, 0x10000, 0x20000, COLUMN_NULL);
	}
	return img;
}

static void test_fork_is_seen(void **state)
{
	_cleanup_image_ struct image *img = family_image();
	_cleanup_free_ struct share *shares = NULL;
	size_t nr;

	(void)state;
	add_run(img, 10, 0x10000, 16, 100, 0);
	add_run(img, 11, 0x10000, 4, 500, PM_SWAP_RUN_EXCLUSIVE);	/* its own by now */
	add_run(img, 11, 0x14000, 12, 104, 0);				/* still the parent's */
	add_run(img, 12, 0x10000, 16, 600, PM_SWAP_RUN_EXCLUSIVE);	/* shares nothing */
	share_plan(img, &shares, &nr);
	assert_int_equal(nr, 1);
	assert_int_equal(shares[0].vma->mm, 11);
	assert_int_equal(shares[0].peer->mm, 10);
}

/* 11 and 12 share nothing with each other, but each with 10's: all are one family. */
static void test_family_is_transitive(void **state)
{
	_cleanup_image_ struct image *img = family_image();
	_cleanup_free_ struct share *shares = NULL;
	size_t nr;

	(void)state;
	add_run(img, 10, 0x10000, 4, 300, PM_SWAP_RUN_EXCLUSIVE);
	add_run(img, 10, 0x14000, 4, 104, 0);
	add_run(img, 11, 0x18000, 4, 108, 0);
	add_run(img, 12, 0x14000, 8, 104, 0);
	share_plan(img, &shares, &nr);
	assert_int_equal(nr, 2);
	assert_int_equal(shares[0].vma->mm, 11);
	assert_int_equal(shares[0].peer->mm, 10);
	assert_int_equal(shares[1].vma->mm, 12);
	assert_int_equal(shares[1].peer->mm, 10);
}

static void test_same_slot_elsewhere_is_no_family(void **state)
{
	_cleanup_image_ struct image *img = family_image();
	_cleanup_free_ struct share *shares = NULL;
	size_t nr;

	(void)state;
	add_run(img, 10, 0x10000, 4, 100, 0);
	add_run(img, 11, 0x11000, 4, 100, 0);	/* merged by KSM: same contents, other address */
	share_plan(img, &shares, &nr);
	assert_int_equal(nr, 0);
}

static void test_peer_must_cover(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	_cleanup_free_ struct share *shares = NULL;
	size_t nr;

	(void)state;
	add_process(img, 10);
	add_process(img, 11);
	add_vma(img, 10, 0x10000, 0x18000, COLUMN_NULL);
	add_vma(img, 11, 0x10000, 0x20000, COLUMN_NULL);
	add_run(img, 10, 0x10000, 4, 100, 0);
	add_run(img, 11, 0x10000, 4, 100, 0);
	share_plan(img, &shares, &nr);
	assert_int_equal(nr, 0);
}

static void test_no_runs(void **state)
{
	_cleanup_image_ struct image *img = family_image();
	_cleanup_free_ struct share *shares = NULL;
	size_t nr;

	(void)state;
	share_plan(img, &shares, &nr);
	assert_int_equal(nr, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append), cmocka_unit_test(test_vector_is_cut_at_mappings),
		cmocka_unit_test(test_zeroes_hide_file_pages_only), cmocka_unit_test(test_run_outside_mappings),
		cmocka_unit_test(test_any), cmocka_unit_test(test_fork_is_seen), cmocka_unit_test(test_family_is_transitive),
		cmocka_unit_test(test_same_slot_elsewhere_is_no_family), cmocka_unit_test(test_peer_must_cover),
		cmocka_unit_test(test_no_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
