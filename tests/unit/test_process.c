// SPDX-License-Identifier: GPL-2.0-only
/* Process trees as data: their order, and who has to fork whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <cmocka.h>
#include "state/process_plan.h"
#include "state/zombie.h"

#define NOBODY COLUMN_NULL

static struct image *new_image(void)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);

	return image_new(tables, nr);
}

static void add_ids(struct image *img, int64_t thread, int64_t pid)
{
	*(struct pid_row *)image_add(img, &pid_table) = (struct pid_row){ .thread = thread, .level = 0, .pid = pid };
}

static void add(struct image *img, int64_t process, int64_t parent, int64_t session, bool subreaper)
{
	*(struct process_row *)image_add(img, &process_table) = (struct process_row){
		.process = process, .parent = parent, .session = session, .pgrp = session,
		.child_subreaper = subreaper, .pid_ns = COLUMN_NULL,
		.user_ns = COLUMN_NULL, .cgroup = (char *)"", .comm = (char *)"x",
	};
	add_ids(img, process, process);
}

static void add_leader(struct image *img, int64_t leader, int64_t session)
{
	*(struct leader_row *)image_add(img, &leader_table) = (struct leader_row){ leader, session, COLUMN_NULL };
	add_ids(img, leader, leader);
}

static const struct process_row *row_of(const struct image *img, int64_t process)
{
	return image_find(img, &process_table, offsetof(struct process_row, process), process);
}

static struct process_plan must_plan(const struct image *img)
{
	struct process_plan plan;
	struct err e = ERR_INIT;

	if (process_plan_make(img, &plan, &e) < 0)
		fail_msg("%s", e.msg);
	return plan;
}

#define MAKER(process) process_plan_maker(&plan, row_of(plan.img, process))
#define EARLY(process) process_plan_is_early(&plan, row_of(plan.img, process))

static void test_order(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	const struct process_row *rows;
	size_t nr;

	(void)state;
	/* As the catalog gives them: by id, and ids wrap. */
	add(img, 30, 40, 50, false);
	add(img, 40, 60, 50, false);
	add(img, 41, 45, 50, false);
	add(img, 45, 60, 50, false);
	add(img, 50, NOBODY, 50, false);
	add(img, 60, 50, 50, false);
	add(img, 70, 71, 50, false);	/* a cycle stays a cycle */
	add(img, 71, 70, 50, false);
	process_sort(img);
	rows = image_rows(img, &process_table, &nr);
	assert_int_equal(nr, 8);
	for (size_t i = 0; i < 6; i++)
		assert_true(rows[i].parent == NOBODY || row_of(img, rows[i].parent) < &rows[i]);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(row_of(img, rows[i].process) - rows, i);
}

/* A shell, its children from before and after it led a session, and a grandchild of the same time. */
static void test_early(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	struct process_plan plan;

	(void)state;
	add(img, 10, NOBODY, 10, false);
	add(img, 11, 10, 11, false);
	add(img, 12, 11, 12, false);
	add(img, 13, 12, 10, false);
	add(img, 14, 11, 11, false);
	add(img, 15, 12, 12, false);
	plan = must_plan(img);
	assert_int_equal(MAKER(13), 12);
	assert_true(EARLY(13) && EARLY(12) && !EARLY(11));
	assert_false(EARLY(14) || EARLY(15));
	process_plan_clear(&plan);
}

static void test_orphans(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	struct process_plan plan;

	(void)state;
	add(img, 10, NOBODY, 10, true);
	add(img, 20, NOBODY, 19, false);
	add(img, 31, 10, 30, false);
	add(img, 32, 31, 30, false);
	/* Born in session 40, leads its own by now. */
	add(img, 41, 10, 41, false);
	add(img, 42, 41, 40, false);
	add_leader(img, 19, 19);
	add_leader(img, 30, 30);
	add_leader(img, 40, 40);
	add_leader(img, 50, 10);
	plan = must_plan(img);
	assert_true(MAKER(20) == 19 && plan.stand_ins[0].parent == NOBODY);
	assert_true(MAKER(31) == 30 && plan.stand_ins[1].parent == 10 && MAKER(32) == 31);
	assert_true(MAKER(41) == 40 && plan.stand_ins[2].parent == 10 && MAKER(42) == 41 && EARLY(42));
	assert_true(plan.stand_ins[3].parent == 10 && plan.stand_ins[3].session == 10);
	assert_true(process_plan_adopts(&plan, 10) && process_plan_adopts(&plan, NOBODY));
	assert_false(process_plan_adopts(&plan, 31));
	process_plan_clear(&plan);
}

/* Two generations whose session's leader waits to be waited for; one is its parent's and one the subreaper's. */
static void test_zombies(void **state)
{
	_cleanup_image_ struct image *img = new_image();
	struct process_plan plan;

	(void)state;
	add(img, 10, NOBODY, 10, true);
	add(img, 11, 10, 10, false);
	add(img, 20, 11, 20, false);
	add(img, 21, 10, 20, false);
	add(img, 22, 21, 20, false);
	*(struct zombie_row *)image_add(img, &zombie_table) = (struct zombie_row){ .process = 20 };
	plan = must_plan(img);
	assert_true(MAKER(20) == 11 && MAKER(21) == 20 && MAKER(22) == 21);
	assert_false(EARLY(21) || process_plan_adopts(&plan, 10));
	assert_ptr_equal(process_plan_surroundings(&plan, row_of(img, 21)), row_of(img, 11));
	process_plan_clear(&plan);
}

/* What can't have come about by setsid() and orphans. */
static void test_refused(void **state)
{
	struct process_plan plan;
	struct err e = ERR_INIT;

	(void)state;
	for (int n = 0; n < 5; n++) {
		_cleanup_image_ struct image *img = new_image();

		add(img, 10, NOBODY, 10, n != 3);
		add(img, 11, 10, 11, false);
		if (n == 0)
			add(img, 12, 10, 11, false);	/* in its sibling's session */
		if (n == 1) {
			add(img, 12, 10, 30, false);	/* two parents of what one session left behind */
			add(img, 13, NOBODY, 30, false);
			add_leader(img, 30, 30);
		}
		if (n == 2)
			add_leader(img, 30, 30);	/* of a session without members */
		if (n == 3)
			add(img, 12, NOBODY, 11, false);
		if (n == 4) {
			add(img, 20, 11, 20, false);	/* a zombie's orphan that somebody else has than the subreaper */
			add(img, 21, 11, 20, false);
			*(struct zombie_row *)image_add(img, &zombie_table) = (struct zombie_row){ .process = 20 };
		}
		assert_int_equal(process_plan_make(img, &plan, &e), n == 2 ? -EBADMSG : -EOPNOTSUPP);
	}
}

/* ---- what threads and processes share ------------------------------------ */

static void add_thread(struct image *img, int64_t thread, int64_t files, int64_t fs)
{
	*(struct thread_row *)image_add(img, &thread_table) = (struct thread_row){
		.thread = thread, .process = thread, .comm = (char *)"x", .files = files, .fs = fs,
	};
}

#define NR_THREADS 6

/* @shared: the first that has its descriptor table, and its fs. @makers: the thread that makes each; NULL: it can't be. */
static void check_threads(const int64_t shared[NR_THREADS][2], const size_t *makers)
{
	struct thread_row rows[NR_THREADS];
	const struct thread_row *pointers[NR_THREADS];
	size_t maker[NR_THREADS];
	struct err e = ERR_INIT;
	int r;

	for (int i = 0; i < NR_THREADS; i++) {
		rows[i] = (struct thread_row){
			.thread = i + 1, .process = 1, .comm = (char *)"x", .files = shared[i][0], .fs = shared[i][1],
		};
		pointers[i] = &rows[i];
	}
	r = thread_plan(pointers, NR_THREADS, maker, &e);
	assert_int_equal(r, makers ? 0 : -EOPNOTSUPP);
	for (int i = 0; makers && i < NR_THREADS; i++)
		assert_int_equal(maker[i], makers[i]);
	assert_true(makers || *e.advice);
}

static void test_thread_makers(void **state)
{
	static const int64_t all[][2] = { { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 } };
	static const int64_t groups[][2] = { { 1, 1 }, { 2, 1 }, { 1, 3 }, { 2, 1 }, { 5, 6 }, { 1, 3 } };
	static const int64_t line[][2] = { { 1, 1 }, { 2, 2 }, { 2, 3 }, { 4, 2 }, { 4, 5 }, { 6, 3 } };
	static const int64_t crossed[][2] = { { 1, 1 }, { 2, 1 }, { 1, 3 }, { 2, 3 }, { 1, 1 }, { 1, 1 } };

	(void)state;
	check_threads(all, (size_t[]){ 0, 0, 0, 0, 0, 0 });
	check_threads(groups, (size_t[]){ 0, 0, 0, 1, 0, 2 });
	check_threads(line, (size_t[]){ 0, 0, 1, 1, 3, 2 });
	check_threads(crossed, NULL);
}

static void test_shared_by_processes(void **state)
{
	struct image *img = new_image();
	struct process_plan plan;

	(void)state;
	add(img, 1, NOBODY, 1, false);
	add(img, 2, 1, 1, false);
	add(img, 3, 2, 1, false);
	add(img, 4, 2, 1, false);
	add_thread(img, 1, 1, 1);
	add_thread(img, 2, 1, 2);
	add_thread(img, 3, 1, 2);
	add_thread(img, 4, 4, 4);
	plan = must_plan(img);
	assert_int_equal(process_plan_shared(&plan, row_of(img, 1)), 0);
	assert_int_equal(process_plan_shared(&plan, row_of(img, 2)), CLONE_FILES);
	assert_int_equal(process_plan_shared(&plan, row_of(img, 3)), CLONE_FILES | CLONE_FS);
	assert_int_equal(process_plan_shared(&plan, row_of(img, 4)), 0);
	process_plan_clear(&plan);
	image_free(img);
}

/* Siblings share what their parent has not. */
static void test_shared_by_siblings(void **state)
{
	struct image *img = new_image();
	struct process_plan plan;
	struct err e = ERR_INIT;

	(void)state;
	add(img, 1, NOBODY, 1, false);
	add(img, 2, 1, 1, false);
	add(img, 3, 1, 1, false);
	add_thread(img, 1, 1, 1);
	add_thread(img, 2, 2, 2);
	add_thread(img, 3, 3, 2);
	assert_int_equal(process_plan_make(img, &plan, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.msg, "working directory with process 2"));
	image_free(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order), cmocka_unit_test(test_early), cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_zombies), cmocka_unit_test(test_refused), cmocka_unit_test(test_thread_makers),
		cmocka_unit_test(test_shared_by_processes), cmocka_unit_test(test_shared_by_siblings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
