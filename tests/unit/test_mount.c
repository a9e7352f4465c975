// SPDX-License-Identifier: GPL-2.0-only
/* Mounts: lines of mountinfo, rows of catalogs that can't be, what comes in place of those that cpt can't make. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "state/file_system.h"
#include "state/mount_stage.h"
#include "state/namespace.h"
#include "state/outside.h"
#include "state/tmpfs.h"
#include "state/vma.h"

static void test_line(void **state)
{
	static const char line[] = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue";
	static const char plain[] = "1 1 0:5 / / ro unbindable - tmpfs none rw,size=4k";
	struct mount_info m;

	(void)state;
	assert_true(mount_info_parse(line, strlen(line), &m));
	assert_int_equal(m.id, 36);
	assert_int_equal(m.parent, 35);
	assert_string_equal(m.device, "98:0");
	assert_string_equal(m.root, "/mnt1");
	assert_string_equal(m.point, "/mnt 2");
	assert_string_equal(m.options, "rw,noatime");
	assert_string_equal(m.type, "ext3");
	assert_string_equal(m.source, "/dev/root");
	assert_string_equal(m.fs_options, "rw,errors=continue");
	assert_true(m.shared == 7 && m.master == 1 && !m.unbindable);
	mount_info_clear(&m);
	assert_true(mount_info_parse(plain, strlen(plain), &m));
	assert_true(m.unbindable && !m.shared && !m.master);
	mount_info_clear(&m);
	assert_false(mount_info_parse("36 35 98:0 / / rw", 17, &m));
}

static void test_paths(void **state)
{
	(void)state;
	assert_string_equal(path_below("/a/b/c", "/a"), "b/c");
	assert_string_equal(path_below("/a/b", "/"), "a/b");
	assert_string_equal(path_below("/a", "/a"), "");
	assert_string_equal(path_below("/", "/"), "");
	assert_null(path_below("/ab", "/a"));
	assert_null(path_below("/a", "/a/b"));
}

static void test_options(void **state)
{
	uint64_t attributes;
	size_t len;

	(void)state;
	assert_string_equal(option_find("rw,size=4k", "size", &len), "4k");
	assert_null(option_find("rw,size=4k", "ro", &len));
	assert_null(option_find("errors=remount-ro", "ro", &len));
	assert_true(mount_attributes("rw,relatime", &attributes) && attributes == 0);
	assert_true(mount_attributes("ro,nosuid,nodev,noexec,noatime", &attributes));
	assert_int_equal(attributes, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			 MOUNT_ATTR_NOATIME);
	assert_true(mount_attributes("rw", &attributes) && attributes == MOUNT_ATTR_STRICTATIME);
	assert_false(mount_attributes("rw,relatime,idmapped", &attributes));
}

/* ---- rows ------------------------------------------------------------------- */

/* A namespace with a host's root, a tmpfs on it with a directory and a file, and a bind of the directory. */
static struct image *image_make(void)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);
	struct image *img = image_new(tables, nr);
	struct mount_row row = {
		.parent = COLUMN_NULL, .point = image_strdup(img, "/"), .root = image_strdup(img, "/"),
		.type = image_strdup(img, "ext4"), .source = image_strdup(img, ""), .options = image_strdup(img, "rw,relatime"),
		.fs_options = image_strdup(img, "rw"), .host_point = image_strdup(img, "/"), .file_system = COLUMN_NULL,
		.shared = COLUMN_NULL, .master = COLUMN_NULL, .is_file = 0, .outside = COLUMN_NULL,
	};
	struct tmpfs_node_row node = { .mode = S_IFDIR | 0755, .shmem = COLUMN_NULL };

	*(struct namespace_row *)image_add(img, &namespace_table) =
		(struct namespace_row){ .type = image_strdup(img, "mnt"), .parent = COLUMN_NULL, .level = COLUMN_NULL, .user_ns = COLUMN_NULL };
	*(struct file_system_row *)image_add(img, &file_system_table) = (struct file_system_row){
		.type = image_strdup(img, "tmpfs"), .source = row.source, .options = image_strdup(img, "rw"), .ns = COLUMN_NULL, .user_ns = COLUMN_NULL,
	};
	*(struct mount_row *)image_add(img, &mount_table) = row;
	row.place = 1;
	row.parent = 0;
	row.point = image_strdup(img, "/run");
	row.type = image_strdup(img, "tmpfs");
	row.host_point = NULL;
	row.file_system = 0;
	row.shared = 5;
	*(struct mount_row *)image_add(img, &mount_table) = row;
	row.place = 2;
	row.point = image_strdup(img, "/run/d");
	row.root = image_strdup(img, "/d");
	row.parent = 1;
	*(struct mount_row *)image_add(img, &mount_table) = row;
	*(struct tmpfs_node_row *)image_add(img, &tmpfs_node_table) = node;
	node.node = 1;
	*(struct tmpfs_node_row *)image_add(img, &tmpfs_node_table) = node;
	node.node = 2;
	node.mode = S_IFREG | 0600;
	*(struct tmpfs_node_row *)image_add(img, &tmpfs_node_table) = node;
	*(struct tmpfs_name_row *)image_add(img, &tmpfs_name_table) = (struct tmpfs_name_row){ 0, 0, image_strdup(img, "d"), 1 };
	*(struct tmpfs_name_row *)image_add(img, &tmpfs_name_table) = (struct tmpfs_name_row){ 0, 1, image_strdup(img, "f"), 2 };
	return img;
}

/* What mount_kind.check says of the rows after @change. */
static void refused(void (*change)(struct image *img), const char *text)
{
	struct image *img = image_make();
	struct restore r = { .img = img, .cgroup_fd = -1 };
	struct err e = ERR_INIT;

	if (change)
		change(img);
	assert_int_equal(mount_kind.check(&r, &e), text ? -EBADMSG : 0);
	if (text && !strstr(e.msg, text))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, text);
	image_free(img);
}

static struct mount_row *mount_at(struct image *img, size_t i)
{
	size_t nr;

	return (struct mount_row *)image_rows(img, &mount_table, &nr) + i;
}

static struct tmpfs_node_row *node_at(struct image *img, size_t i)
{
	size_t nr;

	return (struct tmpfs_node_row *)image_rows(img, &tmpfs_node_table, &nr) + i;
}

static struct tmpfs_name_row *name_at(struct image *img, size_t i)
{
	size_t nr;

	return (struct tmpfs_name_row *)image_rows(img, &tmpfs_name_table, &nr) + i;
}

static void dots(struct image *img) { mount_at(img, 1)->point = image_strdup(img, "/run/../etc"); }
static void relative(struct image *img) { mount_at(img, 2)->root = image_strdup(img, "d"); }
static void circle(struct image *img) { mount_at(img, 1)->parent = 2; }
static void no_root(struct image *img) { mount_at(img, 0)->parent = 1; }
static void two_roots(struct image *img)
{
	mount_at(img, 1)->parent = COLUMN_NULL;
	mount_at(img, 1)->point = image_strdup(img, "/");
}
static void not_below(struct image *img) { mount_at(img, 2)->point = image_strdup(img, "/etc"); }
static void no_source(struct image *img) { mount_at(img, 0)->host_point = NULL; }
static void two_sources(struct image *img) { mount_at(img, 1)->host_point = image_strdup(img, "/run"); }
static void other_type(struct image *img) { mount_at(img, 1)->type = image_strdup(img, "ext4"); }
static void bad_option(struct image *img) { mount_at(img, 1)->options = image_strdup(img, "rw,setuid"); }
static void bad_place(struct image *img) { mount_at(img, 1)->place = 7; }
static void no_master(struct image *img) { mount_at(img, 1)->master = 9; }
static void own_master(struct image *img) { mount_at(img, 1)->master = mount_at(img, 2)->master = 5; }
static void other_peer(struct image *img) { mount_at(img, 0)->shared = 5; }
static void bad_file_system(struct image *img)
{
	struct file_system_row *row = image_find(img, &file_system_table, 0, 0);

	row->type = image_strdup(img, "nfs");
}
static void bad_ns(struct image *img)
{
	struct file_system_row *row = image_find(img, &file_system_table, 0, 0);

	row->ns = 0;
}

static void bad_user_ns(struct image *img)
{
	struct file_system_row *row = image_find(img, &file_system_table, 0, 0);

	row->user_ns = 0;
}
static void bad_cgroup(struct image *img) { mount_at(img, 0)->host_point = NULL; mount_at(img, 0)->cgroup = image_strdup(img, ""); }
static void lost_cgroup(struct image *img)
{
	bad_cgroup(img);
	mount_at(img, 0)->type = image_strdup(img, "cgroup2");
	mount_at(img, 0)->cgroup = image_strdup(img, "../other");
}
static void bad_locked(struct image *img) { mount_at(img, 0)->locked = 1; }
static void other_host_slave(struct image *img) { mount_at(img, 2)->host_slave = 1; }

static void outside_add(struct image *img, const char *name, const char *kind)
{
	size_t nr;

	image_rows(img, &outside_table, &nr);
	*(struct outside_row *)image_add(img, &outside_table) = (struct outside_row){
		.outside = (int64_t)nr, .name = image_strdup(img, name), .kind = image_strdup(img, kind), .access = OUTSIDE_READS,
	};
}
static void from_outside(struct image *img)
{
	outside_add(img, "mount:/", "mount");
	mount_at(img, 0)->outside = 0;
	mount_at(img, 0)->host_slave = MOUNT_PEER;
	mount_at(img, 0)->options = image_strdup(img, "rw,idmapped");
	mount_at(img, 0)->root = image_strdup(img, "net:[4026531840]");
}
static void lost_outside(struct image *img) { mount_at(img, 0)->outside = 0; }
static void other_outside(struct image *img)
{
	outside_add(img, "pipe:1", "pipe");
	mount_at(img, 0)->outside = 0;
}
static void outside_and_own(struct image *img) { from_outside(img); mount_at(img, 1)->outside = 0; }
static void host_peer(struct image *img) { mount_at(img, 0)->host_slave = MOUNT_PEER; }

/* In a mount namespace of a user namespace, with what that got. */
static void user_owned(struct image *img)
{
	struct namespace_row *ns = image_find(img, &namespace_table, offsetof(struct namespace_row, namespace), 0);

	ns->user_ns = 1;
	*(struct namespace_row *)image_add(img, &namespace_table) = (struct namespace_row){
		.namespace = 1, .type = image_strdup(img, "user"), .parent = COLUMN_NULL, .level = COLUMN_NULL,
		.user_ns = COLUMN_NULL,
	};
	mount_at(img, 0)->locked = 1;
}
static void locked_on_other(struct image *img)
{
	user_owned(img);
	mount_at(img, 0)->locked = 0;
	mount_at(img, 1)->locked = 1;
}
static void locked_peer(struct image *img)
{
	user_owned(img);
	mount_at(img, 1)->locked = mount_at(img, 2)->locked = 1;
}

static void test_mounts(void **state)
{
	(void)state;
	refused(NULL, NULL);
	refused(dots, "'/run/../etc'");
	refused(relative, "is no path");
	refused(circle, "leads to the root");
	refused(no_root, "leads to the root");
	refused(two_roots, "2 roots");
	refused(not_below, "leads to the root");
	refused(no_source, "neither of the host");
	refused(two_sources, "neither of the host");
	refused(other_type, "neither of the host");
	refused(bad_option, "rw,setuid");
	refused(bad_place, "not numbered");
	refused(no_master, "is a slave of");
	refused(own_master, "slave of itself");
	refused(other_peer, "shared with");
	refused(bad_file_system, "nfs");
	refused(bad_ns, "can't be");
	refused(bad_user_ns, "of user namespace 0");
	refused(bad_cgroup, "neither of the host");
	refused(lost_cgroup, "neither of the host");
	refused(bad_locked, "no user namespace");
	refused(other_host_slave, "shared with");
	refused(from_outside, NULL);
	refused(lost_outside, "neither of the host");
	refused(other_outside, "neither of the host");
	refused(outside_and_own, "neither of the host");
	refused(host_peer, "shared with the host");
	refused(user_owned, NULL);
	refused(locked_on_other, "no user namespace");
	refused(locked_peer, "take away");
}

static void slash(struct image *img) { name_at(img, 1)->name = image_strdup(img, "../f"); }
static void dot_dot(struct image *img) { name_at(img, 1)->name = image_strdup(img, ".."); }
static void nameless(struct image *img) { name_at(img, 1)->name = image_strdup(img, ""); }
static void in_itself(struct image *img) { name_at(img, 0)->directory = 1; }
static void in_file(struct image *img) { name_at(img, 1)->directory = 2; }
static void of_nothing(struct image *img) { name_at(img, 1)->node = 3; }
static void of_root(struct image *img) { name_at(img, 1)->node = 0; }
static void twice(struct image *img) { name_at(img, 1)->node = 1; }
static void no_name(struct image *img) { *name_at(img, 1) = *name_at(img, 0); name_at(img, 0)->node = 2; name_at(img, 1)->node = 2; }
static void root_file(struct image *img) { node_at(img, 0)->mode = S_IFREG; }
static void no_format(struct image *img) { node_at(img, 2)->mode = 0600; }
static void link_without_target(struct image *img) { node_at(img, 2)->mode = S_IFLNK | 0777; }
static void file_with_target(struct image *img) { node_at(img, 2)->target = image_strdup(img, "/etc"); }
static void fat_directory(struct image *img) { node_at(img, 1)->size = 5; }
static void no_contents(struct image *img) { node_at(img, 2)->shmem = 3; }
static void not_numbered(struct image *img) { node_at(img, 2)->node = 9; }
static void elsewhere(struct image *img)
{
	*(struct tmpfs_xattr_row *)image_add(img, &tmpfs_xattr_table) =
		(struct tmpfs_xattr_row){ 0, 8, image_strdup(img, "user.x"), { NULL, 0 } };
}

static void test_contents(void **state)
{
	(void)state;
	refused(slash, "'../f'");
	refused(dot_dot, "'..'");
	refused(nameless, "no name");
	refused(in_itself, "in itself");
	refused(in_file, "can't be in node 2");
	refused(of_nothing, "node 3");
	refused(of_root, "node 0 can't be");
	refused(twice, "two names");
	refused(no_name, "tmpfs_node 1 of tmpfs 0 has no name");
	refused(root_file, "mode");
	refused(no_format, "mode");
	refused(link_without_target, "target");
	refused(file_with_target, "target");
	refused(fat_directory, "contents");
	refused(no_contents, "table shmem");
	refused(not_numbered, "not numbered");
	refused(elsewhere, "tmpfs_xattr 'user.x'");
}

/* ---- what comes in place of them ---------------------------------------------- */

static void mapped_add(struct image *img, const char *path)
{
	size_t nr;

	image_rows(img, &mapped_file_table, &nr);
	*(struct mapped_file_row *)image_add(img, &mapped_file_table) = (struct mapped_file_row){
		.mapped_file = (int64_t)nr, .path = image_strdup(img, path), .deleted_file = COLUMN_NULL,
	};
}

/* The root and /run are outside; on /run is /run/d, and on the root /etc, on which there is another. */
static struct image *plan_begin(void)
{
	struct image *img = image_make();
	struct mount_row row;

	from_outside(img);
	outside_add(img, "mount:/run", "mount");
	mount_at(img, 1)->outside = 1;
	mount_at(img, 1)->file_system = COLUMN_NULL;
	mount_at(img, 1)->shared = mount_at(img, 2)->shared = COLUMN_NULL;
	row = *mount_at(img, 2);
	row.place = 3;
	row.parent = 0;
	row.point = image_strdup(img, "/etc");
	*(struct mount_row *)image_add(img, &mount_table) = row;
	row.place = 4;
	row.parent = 3;
	row.point = image_strdup(img, "/etc/x");
	*(struct mount_row *)image_add(img, &mount_table) = row;
	return img;
}

static int plan(struct restore *r, struct image *img, const struct outside_choice *choices, size_t nr, struct err *e)
{
	*e = ERR_INIT;
	*r = (struct restore){ .img = img, .cgroup_fd = -1, .choices = choices, .nr_choices = nr };
	return mount_kind.check(r, e) ?: outside_kind.check(r, e);
}

static void plan_end(struct restore *r)
{
	struct image *img = r->img;

	restore_clear(r);
	image_free(img);
}

static char all[] = "mount:*", run[] = "mount:/run", root[] = "mount:/", there[] = "/", none[] = "/no/such/directory";
static char etc[] = "mount:/etc";
#define REPLACE(n, at) { .how = OUTSIDE_REPLACE, .name = n, .path = at, .fd = -1 }
#define DROP(n) { .how = OUTSIDE_DROP, .name = n, .fd = -1 }

static void test_dropped(void **state)
{
	const struct outside_choice choices[] = { REPLACE(root, there), DROP(run) };
	struct image *img = plan_begin();
	struct restore r;
	struct err e;
	size_t nr;

	(void)state;
	assert_int_equal(plan(&r, img, choices, 2, &e), 0);
	mount_rows(img, 0, &nr);
	assert_int_equal(nr, 3);
	assert_string_equal(mount_at(img, 1)->point, "/etc");
	assert_true(mount_at(img, 1)->place == 1 && mount_at(img, 1)->parent == 0);
	assert_string_equal(mount_at(img, 2)->point, "/etc/x");
	assert_true(mount_at(img, 2)->place == 2 && mount_at(img, 2)->parent == 1);
	assert_string_equal(r.plans[1].note, "mount:/run is dropped with what is mounted on it: /run/d");
	plan_end(&r);
}

static void test_needed(void **state)
{
	const struct outside_choice choices[] = { REPLACE(root, there), DROP(run) };
	struct image *img = plan_begin();
	struct restore r;
	struct err e;

	(void)state;
	mapped_add(img, "/run/file");
	mapped_add(img, "/run/d/file");
	mapped_add(img, "/run.no-such-file");
	mapped_add(img, "/etc/x/file");
	assert_int_equal(plan(&r, img, choices, 2, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "3 things"));
	assert_string_equal(r.plans[0].missing, "/run.no-such-file, which is mapped: it is not in /");
	assert_string_equal(r.plans[1].missing, "/run/file, which is mapped: nothing is mounted there any more\n"
			    "/run/d/file, which is mapped: nothing is mounted there any more");
	plan_end(&r);
}

static void plan_fails(const struct outside_choice *choices, size_t nr, int code, const char *text)
{
	struct image *img = plan_begin();
	struct restore r;
	struct err e;

	assert_int_equal(plan(&r, img, choices, nr, &e), code);
	if (!strstr(e.msg, text))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, text);
	plan_end(&r);
}

static void test_misfits(void **state)
{
	const struct outside_choice whole[] = { DROP(all) }, half[] = { REPLACE(root, there) };
	const struct outside_choice lost[] = { REPLACE(all, none) }, own[] = { REPLACE(all, there), DROP(etc) };

	(void)state;
	plan_fails(NULL, 0, -EDESTADDRREQ, "2 things");
	plan_fails(half, 1, -EDESTADDRREQ, "1 thing came");
	plan_fails(whole, 1, -EINVAL, "the root of a mount namespace");
	plan_fails(lost, 1, -ENOENT, none);
	plan_fails(own, 2, -EINVAL, "nothing outside that is called mount:/etc");	/* it is the container's own */
}

/* What the snapshot has from the host, and the host that it is restored on does not have. */
static void test_lacking(void **state)
{
	const struct outside_choice choices[] = { REPLACE(all, there) };
	struct image *img = image_make();
	struct restore r;
	struct err e;

	(void)state;
	mount_at(img, 0)->type = image_strdup(img, "no such type");
	assert_int_equal(plan(&r, img, NULL, 0, &e), -EDESTADDRREQ);
	assert_int_equal(r.nr_plans, 1);
	assert_string_equal(r.plans[0].row->name, "mount:/");
	assert_string_equal(r.plans[0].row->lack, "this host has no no such type mounted at /");
	restore_clear(&r);
	assert_int_equal(mount_at(img, 0)->outside, 0);
	assert_int_equal(plan(&r, img, choices, 1, &e), 0);
	plan_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line), cmocka_unit_test(test_paths), cmocka_unit_test(test_options),
		cmocka_unit_test(test_mounts), cmocka_unit_test(test_contents),
		cmocka_unit_test(test_dropped), cmocka_unit_test(test_needed), cmocka_unit_test(test_misfits),
		cmocka_unit_test(test_lacking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
