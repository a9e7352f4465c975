// SPDX-License-Identifier: GPL-2.0-only
/* Rows about cgroups are untrusted: what makes no sense is refused before anything is made. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "base/util.h"
#include "host/cgroup_tree.h"
#include "state/cgroup.h"
#include "state/namespace.h"

static void test_paths(void **state)
{
	static const char *const below[] = { "", "a", "a/b", ".hidden", "...", "a b/c", "..a/b.." };
	static const char *const not[] = { "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/.", "a\nb" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(below); i++)
		if (!cgroup_path_is_below(below[i]))
			fail_msg("\"%s\"", below[i]);
	for (size_t i = 0; i < ARRAY_SIZE(not); i++)
		if (cgroup_path_is_below(not[i]))
			fail_msg("\"%s\"", not[i]);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_true(cgroup_setting_is_default("memory.max", "max"));
	assert_true(cgroup_setting_is_default("memory.low", "0"));
	assert_false(cgroup_setting_is_default("memory.low", "max"));
	assert_false(cgroup_setting_is_default("memory.max", "4096"));
	assert_true(cgroup_setting_is_default("cpu.max", "max 100000"));
	assert_false(cgroup_setting_is_default("cpu.max", "max 50000"));
	assert_true(cgroup_setting_is_default("io.bfq.weight", "default 100"));
	assert_false(cgroup_setting_is_default("io.weight", "default 100\n8:0 50"));
	assert_true(cgroup_setting_is_default("cpuset.cpus", ""));
	assert_true(cgroup_setting_is_default("rdma.max", "a max\nb max"));
	assert_false(cgroup_setting_is_default("misc.max", "a max\nb 3"));
	assert_false(cgroup_setting_is_default("misc.max", "climax"));
}

/* A directory that looks like a cgroup's. */
static void test_controllers(void **state)
{
	char path[] = "/tmp/cpt-cgroup-XXXXXX";
	_cleanup_free_ char *text = NULL;
	struct err e = ERR_INIT;
	int fd, file;

	(void)state;
	assert_non_null(mkdtemp(path));
	fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	file = openat(fd, "cgroup.subtree_control", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(write_all(file, "cpu pids\n", 9), 0);
	assert_int_equal(cgroup_control(fd, "pids cpu", &e), 0);
	assert_int_equal(cgroup_read(fd, "cgroup.subtree_control", &text), 0);
	assert_string_equal(text, "cpu pids");	/* nothing to change, nothing is written */
	free(take_ptr(text));
	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, "cpu cpuset\n", 11, 0), 11);
	assert_int_equal(cgroup_control(fd, " memory  cpuset", &e), 0);
	assert_int_equal(cgroup_read(fd, "cgroup.subtree_control", &text), 0);
	assert_memory_equal(text, "-cpu +memory ", 13);
	close(file);
	unlinkat(fd, "cgroup.subtree_control", 0);
	close(fd);
	rmdir(path);
}

/* ---- check -------------------------------------------------------------------- */

static struct cgroup_row *add_cgroup(struct image *img, const char *path)
{
	struct cgroup_row *row = image_add(img, &cgroup_table);

	*row = (struct cgroup_row){ (char *)path, (char *)"domain", (char *)"cpu", 0, 0, 0, 0755 };
	return row;
}

static void add_setting(struct image *img, const char *cgroup, const char *file, const char *value)
{
	*(struct cgroup_setting_row *)image_add(img, &cgroup_setting_table) =
		(struct cgroup_setting_row){ (char *)cgroup, (char *)file, (char *)value, 0, 0, 0644 };
}

static struct image *honest(void)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);
	struct image *img = image_new(tables, nr);

	add_cgroup(img, "");
	add_cgroup(img, "a");
	add_cgroup(img, "a/b");
	add_setting(img, "a/b", "memory.max", "4096");
	return img;
}

/* Of an image that it frees. */
static void expect(struct image *img, int code, const char *text)
{
	struct restore r = { .img = img };
	struct err e = ERR_INIT;
	int ret = cgroup_kind.check(&r, &e);

	if (ret != code || (text && !strstr(e.msg, text)))
		fail_msg("%d: %s", ret, e.msg);
	image_free(img);
}

static void test_check_cgroups(void **state)
{
	static const char *const forged[] = { "../x", "/x", "a/../../x", "b/c", "a//c" };
	struct image *img;

	(void)state;
	expect(honest(), 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
		img = honest();
		add_cgroup(img, forged[i]);
		expect(img, -EBADMSG, forged[i]);
	}
	img = honest();
	add_cgroup(img, "c")->type = (char *)"strange";
	expect(img, -EBADMSG, "\"c\"");
	img = honest();
	add_cgroup(img, "c")->controllers = (char *)"cpu\n+io";
	expect(img, -EBADMSG, "\"c\"");
}

static void test_check_settings(void **state)
{
	static const char *const forged[] = {
		"../memory.max", "x/memory.max", "", "memory", ".memory", "cgroup.procs", "cgroup.kill",
		"memory.swap.device", "memory.reclaim", "memory.max\n",
	};
	struct image *img;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
		img = honest();
		add_setting(img, "a", forged[i], "1");
		expect(img, -EBADMSG, "table cgroup_setting");
	}
	img = honest();
	add_setting(img, "a", "io.max", "8:0 rbps=1");
	expect(img, -EBADMSG, "io.max");
	img = honest();
	add_setting(img, "c", "memory.max", "1");
	expect(img, -EBADMSG, "\"c\"");
	/* The owner alone. */
	img = honest();
	add_setting(img, "a", "cgroup.procs", NULL);
	expect(img, 0, NULL);
}

static void test_check_namespaces(void **state)
{
	struct image *img = honest();

	(void)state;
	*(struct namespace_row *)image_add(img, &namespace_table) = (struct namespace_row){
		.namespace = 0, .type = (char *)"cgroup", .parent = COLUMN_NULL, .level = COLUMN_NULL,
	};
	expect(img, -EBADMSG, "cgroup_ns");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_controllers),
		cmocka_unit_test(test_check_cgroups),
		cmocka_unit_test(test_check_settings),
		cmocka_unit_test(test_check_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
