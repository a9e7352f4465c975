// SPDX-License-Identifier: GPL-2.0-only
/*
 * A store on real devices: volumes are swapped on privately, snapshots keep
 * what was on the volume, nothing is left behind. Only in the VM
 * (tests/vm/store.sh sets CPT_STORE_TEST to a directory on a scratch disk),
 * elsewhere every test is skipped.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include "base/util.h"
#include "store/loop.h"
#include "store/store_private.h"
#include "store/swap.h"

#define MIB (1UL << 20)

static const char *base;
static char dir[256];
static struct store *opened;	/* by the running test, so that one that fails half-way does not keep the lock */

/* A call that must succeed; prints why it did not. */
#define ok(call)                                                                       \
	do {                                                                           \
		int _r = (call);                                                       \
		if (_r < 0)                                                            \
			fail_msg("%s: %d: %s (%s)", #call, _r, e.msg, e.advice);       \
	} while (0)

static int setup(void **state)
{
	struct err e = ERR_INIT;
	static int nr;

	(void)state;
	if (!base)
		return 0;
	snprintf(dir, sizeof(dir), "%s/store%d", base, nr++);
	ok(store_init(&(struct store_options){ .dir = dir, .data_bytes = 256 * MIB, .volume_bytes = 64 * MIB }, &e));
	return 0;
}

static int count_one(const char *name, void *arg)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

static int count_devices(const char *prefix)
{
	struct err e = ERR_INIT;
	int nr = 0;

	ok(thin_each_active(prefix, count_one, &nr, &e));
	return nr;
}

static int count_volume(const struct volume_row *v, void *arg)
{
	(void)v;
	++*(int *)arg;
	return 0;
}

static int count_volumes(struct store *s)
{
	struct err e = ERR_INIT;
	int nr = 0;

	ok(catalog_each_volume(store_catalog(s), count_volume, &nr, &e));
	return nr;
}

static int count_swaps(void)
{
	_cleanup_free_ char *text = NULL;
	int nr = -1;

	assert_int_equal(read_file_at(AT_FDCWD, "/proc/swaps", &text, NULL), 0);
	for (char *p = text; (p = strchr(p, '\n')); p++)
		nr++;
	return nr;
}

/* The store must be gone without a trace of it in the kernel when each test has ended. */
static int teardown(void **state)
{
	char file[300], dev[64];
	struct err e = ERR_INIT;
	struct store *s;

	(void)state;
	if (!base)
		return 0;
	store_close(opened);
	opened = NULL;
	ok(store_open(&s, dir, STORE_WRITE, &e));
	assert_int_equal(count_devices(s->prefix), 1);
	assert_int_equal(count_volumes(s), 0);
	assert_int_equal(count_swaps(), 0);
	ok(store_deactivate(s, &e));
	assert_int_equal(count_devices(s->prefix), 0);
	store_close(s);
	snprintf(file, sizeof(file), "%s/data.img", dir);
	assert_int_equal(loop_find(file, dev, sizeof(dev), &e), -ENOENT);
	unlink(file);
	return 0;
}

static void require_vm(void)
{
	if (!base) {
		print_message("skipped: needs the VM (CPT_STORE_TEST)\n");
		skip();
	}
}

static struct store *open_store(void)
{
	struct err e = ERR_INIT;

	ok(store_open(&opened, dir, STORE_WRITE, &e));
	return opened;
}

static void close_store(void)
{
	store_close(opened);
	opened = NULL;
}

/*
 * Plain writes to the device far behind the header, in place of swapped-out
 * pages. The kernel refuses them while it is swapped on. False: no space.
 */
static bool try_write_at(const struct swap_volume *v, off_t at, char byte, size_t len)
{
	_cleanup_fd_ int fd = open(v->path, O_RDWR | O_CLOEXEC);
	_cleanup_free_ char *buf = memset(xmalloc(len), byte, len);
	struct err e = ERR_INIT;
	bool written;

	assert_true(fd >= 0);
	ok(swap_off(v->path, &e));
	written = pwrite(fd, buf, len, at) == (ssize_t)len && fsync(fd) == 0;
	ok(swap_on(v->path, false, &e));
	return written;
}

static void write_at(const struct swap_volume *v, off_t at, char byte, size_t len)
{
	assert_true(try_write_at(v, at, byte, len));
}

static char read_at(const struct swap_volume *v, off_t at)
{
	_cleanup_fd_ int fd = open(v->path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = memalign(4096, 4096);
	char byte = 0;

	assert_true(fd >= 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	assert_int_equal(pread(fd, buf, 4096, at), 4096);
	byte = buf[0];
	return byte;
}

/* ---- tests ------------------------------------------------------------------------ */

static void test_second_init_is_refused(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	require_vm();
	assert_int_equal(store_init(&(struct store_options){ .dir = dir }, &e), -EEXIST);
	assert_non_null(strstr(e.msg, dir));
}

static void test_volume_comes_and_goes(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume v, again;
	uint64_t used, mapped;
	struct store *s;

	(void)state;
	require_vm();
	s = open_store();
	ok(volume_create(s, 0, &v, &e));
	assert_int_equal(v.bytes, 64 * MIB);
	assert_int_equal(count_swaps(), 1);
	ok(volume_find(s, v.thin_id, &again, &e));
	assert_string_equal(again.path, v.path);
	assert_string_equal(again.dev, v.dev);
	ok(volume_usage(s, &v, &used, &mapped, &e));
	assert_int_equal(used, 0);
	assert_int_equal(mapped, THIN_BLOCK_BYTES);	/* its header */
	ok(volume_destroy(s, v.thin_id, &e));
	assert_int_equal(volume_find(s, v.thin_id, &again, &e), -ENOENT);
	close_store();
}

static void add_snapshot(struct store *s, const struct swap_volume *v, int64_t thin_id, const char *id)
{
	const struct volume_row row = {
		.thin_id = thin_id, .role = VOLUME_SNAPSHOT, .origin = v->thin_id, .bytes = (int64_t)v->bytes, .created_ns = 1,
	};
	struct snapshot_row snapshot = {
		.id = (char *)id, .cgroup = (char *)"/x", .thin_id = thin_id, .hostname = (char *)"h", .kernel = (char *)"k",
	};
	struct image *img = image_new(NULL, 0);
	struct err e = ERR_INIT;

	ok(catalog_begin(store_catalog(s), &e));
	ok(catalog_add_volume(store_catalog(s), &row, &e));
	ok(catalog_add_snapshot(store_catalog(s), &snapshot, img, &e));
	ok(catalog_commit(store_catalog(s), &e));
	image_free(img);
}

static void remove_snapshot(struct store *s, const char *id)
{
	struct snapshot_row row;
	struct err e = ERR_INIT;

	ok(catalog_get_snapshot(store_catalog(s), id, &row, &e));
	ok(store_remove_snapshot(s, &row, &e));
	snapshot_row_clear(&row);
}

static void test_clone_has_what_the_snapshot_had(void **state)
{
	struct volume_clone *job1, *job2;
	struct swap_volume v, clone1, clone2;
	struct err e = ERR_INIT;
	struct store *s;
	int64_t id;

	(void)state;
	require_vm();
	s = open_store();
	ok(volume_create(s, 0, &v, &e));
	write_at(&v, 8 * MIB, 'a', 256 * 1024);
	ok(volume_snapshot_prepare(s, &v, &id, &e));
	ok(volume_snapshot_take(s, &v, id, &e));
	ok(volume_snapshot_commit(s, &v, id, &e));
	add_snapshot(s, &v, id, "0123456789ab");
	write_at(&v, 8 * MIB, 'b', 256 * 1024);
	ok(volume_clone_begin(s, id, &job1, &e));
	ok(volume_clone_finish(job1, &clone1, &e));
	ok(volume_clone_begin(s, id, &job2, &e));
	volume_clone_abandon(job2);
	ok(volume_clone_begin(s, id, &job2, &e));
	ok(volume_clone_finish(job2, &clone2, &e));
	assert_int_equal(read_at(&clone1, 8 * MIB), 'a');
	write_at(&clone1, 8 * MIB, 'c', 4096);
	assert_int_equal(read_at(&clone2, 8 * MIB), 'a');
	assert_int_equal(read_at(&v, 8 * MIB), 'b');
	ok(volume_destroy(s, v.thin_id, &e));
	assert_int_equal(read_at(&clone2, 8 * MIB + 4096), 'a');
	ok(volume_destroy(s, clone1.thin_id, &e));
	ok(volume_destroy(s, clone2.thin_id, &e));
	remove_snapshot(s, "0123");
	close_store();
}

static void test_destroyed_volume_gives_space_back(void **state)
{
	struct store_usage empty, full, after;
	struct err e = ERR_INIT;
	struct swap_volume v;
	struct stat st;
	char file[300];
	struct store *s;

	(void)state;
	require_vm();
	s = open_store();
	ok(store_usage(s, &empty, &e));
	ok(volume_create(s, 0, &v, &e));
	write_at(&v, MIB, 'x', 32 * MIB);
	ok(store_usage(s, &full, &e));
	assert_true(full.data_used >= empty.data_used + 32 * MIB);
	ok(volume_destroy(s, v.thin_id, &e));
	ok(store_usage(s, &after, &e));
	assert_int_equal(after.data_used, empty.data_used);
	snprintf(file, sizeof(file), "%s/data.img", dir);
	assert_int_equal(stat(file, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 < 4 * MIB);	/* the loop file is sparse again */
	close_store();
}

/* As a crash would: the store is dropped in the middle, without any undoing. */
static void test_debris_is_removed(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume v;
	struct store_usage before, after;
	struct store *s;
	int64_t id, lost;

	(void)state;
	require_vm();
	s = open_store();
	ok(store_usage(s, &before, &e));
	/* a live volume without a pin, with a snapshot that was taken but never committed */
	ok(volume_create(s, 0, &v, &e));
	write_at(&v, MIB, 'x', MIB);
	ok(volume_snapshot_prepare(s, &v, &id, &e));
	ok(volume_snapshot_take(s, &v, id, &e));
	ok(volume_snapshot_commit(s, &v, id, &e));
	/* and one that was reserved and made, but not yet swapped on */
	ok(catalog_next_thin_id(store_catalog(s), &lost, &e));
	ok(thin_create(s->pool, (uint32_t)lost, &e));
	close_store();
	s = open_store();
	assert_int_equal(count_volumes(s), 0);
	assert_int_equal(count_swaps(), 0);
	assert_int_equal(count_devices(s->prefix), 1);
	ok(store_usage(s, &after, &e));
	assert_int_equal(after.data_used, before.data_used);
	/* both ids can be made again: the pool has neither */
	ok(thin_create(s->pool, (uint32_t)id, &e));
	ok(thin_create(s->pool, (uint32_t)lost, &e));
	ok(thin_delete(s->pool, (uint32_t)id, &e));
	ok(thin_delete(s->pool, (uint32_t)lost, &e));
	close_store();
}

static void test_pin_of_another_boot_is_debris(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume v, w;
	struct store *s = NULL;
	struct pin_row pin = { .cgroup = (char *)"/a" };

	(void)state;
	require_vm();
	s = open_store();
	ok(volume_create(s, 0, &v, &e));
	ok(volume_create(s, 0, &w, &e));
	pin.thin_id = v.thin_id;
	pin.boot_id = (char *)"00000000-0000-0000-0000-000000000000";
	ok(catalog_set_pin(store_catalog(s), &pin, &e));
	pin.cgroup = (char *)"/b";
	pin.thin_id = w.thin_id;
	pin.boot_id = s->boot_id;
	ok(catalog_set_pin(store_catalog(s), &pin, &e));
	close_store();
	s = open_store();
	assert_int_equal(catalog_get_pin(store_catalog(s), "/a", &pin, &e), -ENOENT);
	assert_int_equal(count_volumes(s), 1);
	ok(volume_destroy(s, w.thin_id, &e));
	assert_int_equal(catalog_get_pin(store_catalog(s), "/b", &pin, &e), -ENOENT);
	close_store();
}

static bool is_suspended(const struct swap_volume *v)
{
	_cleanup_free_ char *path = xasprintf("/sys/dev/block/%s/dm/suspended", v->dev), *text = NULL;

	assert_int_equal(read_file_at(AT_FDCWD, path, &text, NULL), 0);
	return text[0] == '1';
}

static pid_t only_child(void)
{
	_cleanup_free_ char *path = xasprintf("/proc/self/task/%d/children", getpid()), *text = NULL;

	return read_file_at(AT_FDCWD, path, &text, NULL) == 0 ? (pid_t)strtol(text, NULL, 10) : -1;
}

/* Killed while @v is suspended, perhaps after the process that watches over it (store/thin.c). */
static void die_in_snapshot(const struct swap_volume *v, bool with_guard)
{
	struct err e = ERR_INIT;
	struct store *s;
	int64_t id;

	if (store_open(&s, dir, STORE_WRITE, &e) < 0 || volume_snapshot_prepare(s, v, &id, &e) < 0 ||
	    volume_snapshot_take(s, v, id, &e) < 0)
		_exit(1);
	if (with_guard) {
		pid_t guard = only_child();

		if (guard <= 0 || kill(guard, SIGKILL) < 0 || waitpid(guard, NULL, 0) != guard)
			_exit(2);
	}
	kill(getpid(), SIGKILL);
}

static void killed_in_snapshot(struct swap_volume *v, bool with_guard)
{
	struct err e = ERR_INIT;
	struct pin_row pin = { .cgroup = (char *)"/a" };
	struct store *s = open_store();
	int status;
	pid_t pid;

	ok(volume_create(s, 0, v, &e));
	pin.thin_id = v->thin_id;
	pin.boot_id = s->boot_id;
	ok(catalog_set_pin(store_catalog(s), &pin, &e));
	close_store();
	pid = fork();
	if (pid == 0)
		die_in_snapshot(v, with_guard);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_volume_left_suspended_goes_on(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume v;
	struct store *s;

	(void)state;
	require_vm();
	killed_in_snapshot(&v, true);
	assert_true(is_suspended(&v));
	s = open_store();
	assert_false(is_suspended(&v));
	ok(volume_destroy(s, v.thin_id, &e));
	close_store();
}

static void test_volume_goes_on_when_cpt_is_killed(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume v;
	bool suspended = true;

	(void)state;
	require_vm();
	killed_in_snapshot(&v, false);
	for (int i = 0; suspended && i < 3000; i++) {
		usleep(10000);
		suspended = is_suspended(&v);
	}
	assert_false(suspended);
	ok(volume_destroy(open_store(), v.thin_id, &e));
	close_store();
}

static void test_full_pool_is_an_error_not_a_hang(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume v[6];
	bool full = false;
	struct store *s;
	int64_t id;
	int n = 0;

	(void)state;
	require_vm();
	s = open_store();
	for (; n < 6; n++) {
		if (volume_create(s, 0, &v[n], &e) < 0)
			break;
		full |= !try_write_at(&v[n], MIB, 1, 60 * MIB);
	}
	assert_true(full);
	e = ERR_INIT;
	assert_int_equal(volume_snapshot_prepare(s, &v[0], &id, &e), -ENOSPC);
	assert_non_null(strstr(e.msg, "full"));
	assert_true(e.advice[0]);
	/* space comes back, and with it everything works */
	while (n--)
		ok(volume_destroy(s, v[n].thin_id, &e));
	ok(volume_create(s, 0, &v[0], &e));
	ok(volume_snapshot_prepare(s, &v[0], &id, &e));
	ok(volume_snapshot_take(s, &v[0], id, &e));
	ok(volume_snapshot_commit(s, &v[0], id, &e));
	ok(volume_snapshot_discard(s, id, &e));
	ok(volume_destroy(s, v[0].thin_id, &e));
	close_store();
}

static void make_and_destroy(int times)
{
	struct err e = ERR_INIT;

	for (int i = 0; i < times; i++) {
		struct swap_volume v;
		struct store *s;

		if (store_open(&s, dir, STORE_WRITE, &e) < 0 || volume_create(s, 0, &v, &e) < 0 ||
		    volume_destroy(s, v.thin_id, &e) < 0) {
			print_error("%s\n", e.msg);
			_exit(1);
		}
		store_close(s);
	}
	_exit(0);
}

static void test_two_at_once(void **state)
{
	pid_t pids[2];
	int status;

	(void)state;
	require_vm();
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			make_and_destroy(5);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
}

static void test_reader_does_not_wait(void **state)
{
	struct err e = ERR_INIT;
	struct store *writer, *reader;
	int nr = 0;

	(void)state;
	require_vm();
	writer = open_store();
	ok(catalog_begin(store_catalog(writer), &e));
	ok(store_open(&reader, dir, STORE_READ, &e));
	ok(catalog_each_volume(store_catalog(reader), count_volume, &nr, &e));
	store_close(reader);
	ok(catalog_commit(store_catalog(writer), &e));
	close_store();
}

/* How long each takes is printed, not asserted: another's load on the machine is no failure. */
static void test_ten_snapshots_in_a_row(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume v, clone;
	struct volume_clone *job;
	int64_t id[10];
	struct store *s;
	char name[13];

	(void)state;
	require_vm();
	s = open_store();
	ok(volume_create(s, 0, &v, &e));
	for (int i = 0; i < 10; i++) {
		uint64_t times[4];

		write_at(&v, 8 * MIB, (char)('a' + i), MIB);
		times[0] = now_ns();
		ok(volume_snapshot_prepare(s, &v, &id[i], &e));
		times[1] = now_ns();
		ok(volume_snapshot_take(s, &v, id[i], &e));
		times[2] = now_ns();
		ok(volume_snapshot_commit(s, &v, id[i], &e));
		times[3] = now_ns();
		print_message("prepare %.1f, take %.1f, commit %.1f ms\n", (double)(times[1] - times[0]) / 1e6,
			      (double)(times[2] - times[1]) / 1e6, (double)(times[3] - times[2]) / 1e6);
		snprintf(name, sizeof(name), "%012x", (unsigned)i);
		add_snapshot(s, &v, id[i], name);
	}
	ok(volume_destroy(s, v.thin_id, &e));
	for (int i = 0; i < 10; i++) {
		ok(volume_clone_begin(s, id[i], &job, &e));
		ok(volume_clone_finish(job, &clone, &e));
		assert_int_equal(read_at(&clone, 8 * MIB), 'a' + i);
		assert_int_equal(read_at(&clone, 9 * MIB - 4096), 'a' + i);
		ok(volume_destroy(s, clone.thin_id, &e));
		snprintf(name, sizeof(name), "%012x", (unsigned)i);
		remove_snapshot(s, name);
	}
	close_store();
}

static void test_200_volumes(void **state)
{
	struct err e = ERR_INIT;
	struct swap_volume *v = xcalloc(200, sizeof(*v));
	struct sysinfo before, after;
	uint64_t begin = now_ns();
	int nr, limited = 0;
	struct store *s;

	(void)state;
	require_vm();
	s = open_store();
	sysinfo(&before);
	for (nr = 0; nr < 200; nr++) {
		limited = volume_create(s, 1UL << 30, &v[nr], &e);
		if (limited == -EPERM)
			break;	/* a kernel with the stock limit on swap areas: cpt must say so */
		ok(limited);
	}
	sysinfo(&after);
	print_message("%d volumes of 1 GiB: %ld KiB of memory each, %.1f ms each\n", nr,
		      nr ? (long)(before.freeram - after.freeram) / 1024 / nr : 0, (double)(now_ns() - begin) / 1e6 / max(nr, 1));
	assert_true(limited == 0 && nr == 200);
	for (int i = 0; i < nr; i++)
		ok(volume_destroy(s, v[i].thin_id, &e));
	close_store();
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_second_init_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_volume_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clone_has_what_the_snapshot_had, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroyed_volume_gives_space_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_debris_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin_of_another_boot_is_debris, setup, teardown),
		cmocka_unit_test_setup_teardown(test_volume_left_suspended_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_volume_goes_on_when_cpt_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_pool_is_an_error_not_a_hang, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reader_does_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ten_snapshots_in_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_200_volumes, setup, teardown),
	};

	base = getenv("CPT_STORE_TEST");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
