// SPDX-License-Identifier: GPL-2.0-only
/* User namespaces as rows: names of ids, who has power over what, which ids can be taken, what is refused. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "state/credentials.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/process_plan.h"
#include "state/user_namespace.h"

static struct image *new_image(void)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);

	return image_new(tables, nr);
}

static struct namespace_row *add_namespace(struct image *img, const char *type, int64_t parent, int64_t user_ns)
{
	struct namespace_row *row, *outer;
	size_t nr;

	image_rows(img, &namespace_table, &nr);
	row = image_add(img, &namespace_table);
	*row = (struct namespace_row){ (int64_t)nr, image_strdup(img, type), 1, parent, COLUMN_NULL, user_ns };
	outer = image_find(img, &namespace_table, offsetof(struct namespace_row, namespace), parent);
	if (strcmp(type, "pid") == 0)
		row->level = outer ? outer->level + 1 : 1;
	return row;
}

static int64_t add_user(struct image *img, int64_t parent, int64_t owner, int64_t setgroups)
{
	int64_t id = add_namespace(img, "user", parent, COLUMN_NULL)->namespace;

	*(struct user_namespace_row *)image_add(img, &user_namespace_table) =
		(struct user_namespace_row){ id, owner, setgroups };
	return id;
}

static struct id_map_row *add_line(struct image *img, int64_t id, const char *type, int64_t place, int64_t inside,
				   int64_t host, int64_t count)
{
	struct id_map_row *row = image_add(img, &id_map_table);

	*row = (struct id_map_row){ id, image_strdup(img, type), place, inside, host, count };
	return row;
}

static void add_lines(struct image *img, int64_t id, int64_t inside, int64_t host, int64_t count)
{
	add_line(img, id, "uid", 0, inside, host, count);
	add_line(img, id, "gid", 0, inside, host, count);
}

static int check(struct image *img)
{
	struct restore r = { .img = img };
	struct err e = ERR_INIT;

	return namespaces_check(&r, &e) ?: user_namespace_kind.check(&r, &e);
}

static void test_names(void **state)
{
	struct image *img = new_image();
	int64_t outer = add_user(img, COLUMN_NULL, 0, 1), inner = add_user(img, outer, 1003, 0), none;

	(void)state;
	add_lines(img, outer, 0, 1000, 10);
	add_line(img, outer, "uid", 1, 20, 2000, 5);
	add_lines(img, inner, 7, 1003, 1);
	none = add_user(img, outer, 1003, 1);
	assert_int_equal(check(img), 0);
	assert_int_equal(user_namespace_inside(img, COLUMN_NULL, "uid", 5), 5);
	assert_int_equal(user_namespace_inside(img, outer, "uid", 1009), 9);
	assert_int_equal(user_namespace_inside(img, outer, "uid", 1010), -1);
	assert_int_equal(user_namespace_inside(img, outer, "uid", 2004), 24);
	assert_int_equal(user_namespace_inside(img, outer, "gid", 2004), -1);
	assert_int_equal(user_namespace_inside(img, inner, "gid", 1003), 7);
	assert_true(user_namespace_has_setgroups(img, COLUMN_NULL));
	assert_true(user_namespace_has_setgroups(img, outer));
	assert_false(user_namespace_has_setgroups(img, inner));
	assert_false(user_namespace_has_setgroups(img, none));	/* it has no map */
	assert_true(user_namespace_within(img, inner, outer));
	assert_true(user_namespace_within(img, inner, COLUMN_NULL));
	assert_false(user_namespace_within(img, outer, inner));
	assert_false(user_namespace_within(img, COLUMN_NULL, outer));
	image_free(img);
}

static void test_power(void **state)
{
	struct image *img = new_image();
	int64_t user = add_user(img, COLUMN_NULL, 0, 1), deeper, hosts, own, below;

	(void)state;
	add_lines(img, user, 0, 1000, 10);
	deeper = add_user(img, user, 1000, 1);
	hosts = add_namespace(img, "pid", COLUMN_NULL, COLUMN_NULL)->namespace;
	own = add_namespace(img, "pid", COLUMN_NULL, user)->namespace;
	below = add_namespace(img, "pid", hosts, user)->namespace;
	assert_int_equal(check(img), 0);
	assert_true(user_namespace_rules(img, COLUMN_NULL, COLUMN_NULL));
	assert_false(user_namespace_rules(img, user, COLUMN_NULL));
	assert_true(user_namespace_rules(img, COLUMN_NULL, below));
	assert_false(user_namespace_rules(img, user, hosts));
	assert_true(user_namespace_rules(img, user, own));
	assert_false(user_namespace_rules(img, user, below));
	assert_false(user_namespace_rules(img, deeper, own));
	image_free(img);
}

#define IDS(id, group_list) (struct credentials_row){ 9, id, id, id, id, id, id, id, id, (char *)group_list, \
						      0, 0, 0, 0, 0, 0, 0, 1, 0, 0 }

static void test_change(void **state)
{
	struct image *img = new_image();
	int64_t user = add_user(img, COLUMN_NULL, 0, 1), denied = add_user(img, COLUMN_NULL, 0, 0);
	struct credentials_row a = IDS(1003, "1000 1001 "), b = IDS(1004, "1001 1009 "), out = IDS(1004, "5 "), c;
	struct id_change change;
	struct err e = ERR_INIT;

	(void)state;
	add_lines(img, user, 0, 1000, 10);
	add_lines(img, denied, 0, 1003, 1);
	/* As cpt: everything, as the host calls it. */
	assert_int_equal(credentials_change(img, COLUMN_NULL, NULL, &a, &change, &e), 0);
	assert_true(change.uids && change.gids && change.set_groups && change.nr_groups == 2);
	assert_int_equal(change.uid[0], 1003);
	assert_int_equal(change.groups[1], 1001);
	free(change.groups);
	/* Nothing is to be done, names or no names. */
	assert_int_equal(credentials_change(img, denied, &out, &out, &change, &e), 0);
	assert_false(change.uids || change.gids || change.set_groups || change.set_fsuid || change.set_fsgid);
	/* Inside: by other names; what stays is left alone. */
	assert_int_equal(credentials_change(img, user, &a, &b, &change, &e), 0);
	assert_int_equal(change.uid[1], 4);
	assert_int_equal(change.groups[1], 9);
	free(change.groups);
	c = a;
	c.euid = c.fsuid = 1007;
	assert_int_equal(credentials_change(img, user, &a, &c, &change, &e), 0);
	assert_true(change.uids && !change.gids && !change.set_groups && !change.set_fsuid);
	assert_int_equal(change.uid[0], UINT32_MAX);
	assert_int_equal(change.uid[1], 7);
	c.fsuid = 1003;		/* would follow the effective one */
	assert_int_equal(credentials_change(img, user, &a, &c, &change, &e), 0);
	assert_true(change.set_fsuid && change.fsuid == 3);
	/* No name, no leave. */
	assert_int_equal(credentials_change(img, user, &a, &out, &change, &e), -EOPNOTSUPP);
	assert_int_equal(credentials_change(img, denied, &a, &b, &change, &e), -EOPNOTSUPP);
	c = b;
	c.groups = a.groups;
	assert_int_equal(credentials_change(img, denied, &a, &c, &change, &e), -EOPNOTSUPP);
	image_free(img);
}

/* 1: in the host's; 2: first in a pid namespace of @user's; 3: its child. */
static void add_family(struct image *img, int64_t user, int64_t pid_ns)
{
	size_t nr;

	for (int64_t p = 1; p <= 3; p++) {
		*(struct process_row *)image_add(img, &process_table) = (struct process_row){
			.process = p, .parent = p > 1 ? p - 1 : COLUMN_NULL, .pgrp = 1, .session = 1,
			.pid_ns = p > 1 ? pid_ns : COLUMN_NULL, .user_ns = p > 1 ? user : COLUMN_NULL, .ipc_ns = COLUMN_NULL,
			.uts_ns = COLUMN_NULL, .mount_ns = COLUMN_NULL, .cgroup_ns = COLUMN_NULL, .time_ns = COLUMN_NULL,
			.time_ns_for_children = COLUMN_NULL, .cgroup = (char *)"", .comm = (char *)"x",
		};
		*(struct pid_row *)image_add(img, &pid_table) = (struct pid_row){ p, 0, p };
		if (p > 1)
			*(struct pid_row *)image_add(img, &pid_table) = (struct pid_row){ p, 1, p - 1 };
		*(struct credentials_row *)image_add(img, &credentials_table) = IDS(p > 1 ? 1000 : 0, "27 ");
		((struct credentials_row *)image_rows(img, &credentials_table, &nr))[p - 1].thread = p;
		*(struct thread_row *)image_add(img, &thread_table) = (struct thread_row){ p, p, (char *)"x", p, p };
	}
}

static void test_births(void **state)
{
	struct image *img = new_image();
	int64_t user = add_user(img, COLUMN_NULL, 1000, 0);
	const struct process_row *rows;
	struct process_plan plan;
	struct err e = ERR_INIT;
	size_t nr;

	(void)state;
	add_lines(img, user, 0, 1000, 2);
	add_family(img, user, add_namespace(img, "pid", COLUMN_NULL, user)->namespace);
	rows = image_rows(img, &process_table, &nr);
	assert_int_equal(process_plan_make(img, &plan, &e), 0);
	assert_int_equal(process_plan_user_ns(&plan, &rows[0]), COLUMN_NULL);
	assert_int_equal(process_plan_user_ns(&plan, &rows[1]), user);
	assert_int_equal(process_plan_user_ns(&plan, &rows[2]), user);
	assert_int_equal(credentials_born_as(&plan, &rows[0]), COLUMN_NULL);
	assert_int_equal(credentials_born_as(&plan, &rows[2]), 2);
	process_plan_clear(&plan);
	assert_int_equal(check(img), 0);
	/* Another user for the child is fine, other groups are denied. */
	((struct credentials_row *)image_rows(img, &credentials_table, &nr))[2].uid = 1001;
	assert_int_equal(check(img), 0);
	((struct credentials_row *)image_rows(img, &credentials_table, &nr))[2].groups = (char *)"28 ";
	assert_int_equal(check(img), -EOPNOTSUPP);
	/* It can't have come out again. */
	((struct process_row *)image_rows(img, &process_table, &nr))[2].user_ns = COLUMN_NULL;
	assert_int_equal(process_plan_make(img, &plan, &e), -EOPNOTSUPP);
	image_free(img);
}

/* What that family's @who shares with its parent, where 2 and 3 are in @user_2 and @user_3; NULL: it may. */
static void check_shared(int64_t who, uint64_t shared, int user_2, int user_3, const char *why)
{
	struct image *img = new_image();
	int64_t user = add_user(img, COLUMN_NULL, 1000, 0);
	int64_t users[] = { user, add_user(img, user, 1000, 0) };
	struct thread_row *threads;
	struct process_row *rows;
	struct process_plan plan;
	struct err e = ERR_INIT;
	size_t nr;

	add_family(img, user, add_namespace(img, "pid", COLUMN_NULL, user)->namespace);
	rows = image_rows(img, &process_table, &nr);
	rows[1].user_ns = users[user_2];
	rows[2].user_ns = users[user_3];
	threads = image_rows(img, &thread_table, &nr);
	threads[who - 1].files -= shared & CLONE_FILES ? 1 : 0;
	threads[who - 1].fs -= shared & CLONE_FS ? 1 : 0;
	assert_int_equal(process_plan_make(img, &plan, &e), why ? -EOPNOTSUPP : 0);
	if (why && !strstr(e.msg, why))
		fail_msg("%s", e.msg);
	if (!why)
		process_plan_clear(&plan);
	image_free(img);
}

static void test_shared(void **state)
{
	(void)state;
	check_shared(3, CLONE_FILES | CLONE_FS, 0, 0, NULL);
	check_shared(3, CLONE_FILES, 1, 1, NULL);
	check_shared(3, CLONE_FS, 1, 1, "is not the one that owns their pid namespace");
	check_shared(3, CLONE_FILES, 0, 1, "its descriptor table with process 2, which is in another user namespace");
	check_shared(3, CLONE_FS, 0, 1, "its working directory with process 2, which is in another user namespace");
	check_shared(2, CLONE_FILES, 0, 0, "with process 1, which is in another user namespace");
}

/* One thing is wrong with each. */
static void test_nonsense(void **state)
{
	(void)state;
	for (int n = 0; n < 16; n++) {
		struct image *img = new_image();
		int64_t a = add_user(img, COLUMN_NULL, 0, 1), b = add_user(img, a, 1001, 1);
		struct namespace_row *pid = add_namespace(img, "pid", COLUMN_NULL, a), *rows;
		size_t nr;

		add_lines(img, a, 0, 1000, 10);
		add_lines(img, b, 0, 1001, 2);
		if (n == 1)
			add_line(img, a, "uid", 1, 9, 3000, 2);		/* overlaps inside */
		if (n == 2)
			add_line(img, a, "uid", 1, 50, 1009, 2);	/* overlaps outside */
		if (n == 3)
			add_line(img, a, "uid", 2, 50, 3000, 2);	/* there is no line 1 */
		if (n == 4)
			add_line(img, b, "uid", 1, 50, 3000, 2);	/* more than there is around it */
		if (n == 5)
			add_line(img, a, "xid", 0, 50, 3000, 2);
		if (n == 6)
			add_line(img, a, "uid", 1, UINT32_MAX - 2, 3000, 3);
		if (n == 7)
			add_line(img, pid->namespace, "uid", 0, 0, 3000, 2);
		rows = image_rows(img, &namespace_table, &nr);
		if (n == 8)
			rows[a].parent = b;				/* a circle */
		if (n == 9)
			rows[a].parent = a;
		if (n == 10)
			rows[pid->namespace].user_ns = 77;
		if (n == 11)
			rows[pid->namespace].user_ns = pid->namespace;
		if (n == 12)						/* its owner is nobody around it */
			((struct user_namespace_row *)image_rows(img, &user_namespace_table, &nr))[1].owner = 5;
		if (n == 13)
			add_namespace(img, "pid", pid->namespace, COLUMN_NULL);	/* of who has no power there */
		*(struct user_limit_row *)image_add(img, &user_limit_table) = (struct user_limit_row){
			n == 14 ? pid->namespace : b, (char *)(n == 15 ? "max_/../../x" : "max_pid_namespaces"), 7,
		};
		if (n == 0)
			assert_int_equal(check(img), 0);
		else if (check(img) != -EBADMSG)
			fail_msg("case %d was not refused", n);
		image_free(img);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_power), cmocka_unit_test(test_change),
		cmocka_unit_test(test_births), cmocka_unit_test(test_shared), cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
