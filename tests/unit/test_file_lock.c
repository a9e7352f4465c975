// SPDX-License-Identifier: GPL-2.0-only
/* Lines that tell locks, the rows made of them, and that a lock somebody else holds fails the restore by name. */
#include "unit/files.h"
#include <sys/file.h>
#include <sys/sysmacros.h>
#include "remote/batch.h"
#include "state/file_lock.h"
#include "state/process.h"

static char path[] = "/tmp/cpt-lock.XXXXXX";

static void test_lines(void **state)
{
	struct lock_info l;

	(void)state;
	assert_true(lock_info_parse("1: POSIX  ADVISORY  WRITE 359 fe:13:11691 100 199\n2: x", &l));
	assert_string_equal(l.kind, "posix");
	assert_true(l.write && !l.breaking);
	assert_int_equal(l.pid, 359);
	assert_int_equal(l.dev, makedev(0xfe, 0x13));
	assert_int_equal(l.ino, 11691);
	assert_int_equal(l.start, 100);
	assert_int_equal(l.end, 199);
	assert_true(lock_info_parse("12: OFDLCK ADVISORY  READ -1 00:13:18446744073709551615 9223372036854775806 EOF\n", &l));
	assert_string_equal(l.kind, "ofd");
	assert_true(!l.write && l.pid == -1 && l.ino == UINT64_MAX && l.start == INT64_MAX - 1 && l.end == COLUMN_NULL);
	assert_true(lock_info_parse("1: FLOCK  ADVISORY  READ 0 00:13:1 0 EOF", &l));
	assert_string_equal(l.kind, "flock");
	assert_true(lock_info_parse("1: LEASE  BREAKING  UNLCK 3 00:13:1 0 EOF", &l));
	assert_true(strcmp(l.kind, "lease") == 0 && l.breaking);
	assert_true(lock_info_parse("1: LEASE  ACTIVE    WRITE 3 00:13:1 0 EOF", &l));
	assert_true(strcmp(l.kind, "lease") == 0 && l.write && !l.breaking);
	/* Others are told, and refused; who waits has no lock. */
	assert_true(lock_info_parse("1: DELEG  ACTIVE    READ 3 00:13:1 0 EOF", &l));
	assert_null(l.kind);
	assert_false(lock_info_parse("1: -> FLOCK  ADVISORY  WRITE 359 00:13:11691 0 EOF", &l));
	assert_false(lock_info_parse("1: POSIX  ADVISORY  WRITE 359 00:13:11691 100", &l));
	assert_false(lock_info_parse("1: POSIX  ADVISORY  WRITE 359 00:13:11691 100 99", &l));
	assert_false(lock_info_parse("1: POSIX  ADVISORY  WRITE 359 00:13:11691 -1 99", &l));
	assert_false(lock_info_parse("1: POSIX  ADVISORY  WRITE 359 00:13:11691 0 EOFX", &l));
	assert_false(lock_info_parse("1: POSIX  ADVISORY  WRITE 359 00:13:11691 0 99999999999999999999", &l));
	assert_false(lock_info_parse("", &l));
}

static void lock_range(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	expect(fcntl(fd, cmd, &range) == 0);
}

static void make_flock(void)
{
	expect(open(path, O_RDWR) == 3 && flock(3, LOCK_EX) == 0 && dup(3) == 4);
}

static void make_shared_flock(void)
{
	expect(open(path, O_RDONLY) == 3 && flock(3, LOCK_SH) == 0);
}

static void make_ranges(void)
{
	expect(open(path, O_RDWR) == 3 && open(path, O_RDWR) == 4 && dup2(3, 9) == 9);
	lock_range(3, F_SETLK, F_WRLCK, 100, 100);
	lock_range(3, F_SETLK, F_RDLCK, 300, 0);
	lock_range(4, F_OFD_SETLK, F_WRLCK, 10, 1);
}

/* The calls that would be made in the process, or "" when there is an error in w->err. */
static char *calls(struct world *w)
{
	struct process_row row = { .process = w->process.pid };
	struct new_process p = { .row = &row, .cpt_pidfd = 101 };
	_cleanup_batch_ struct batch *b = batch_new();
	char *text = NULL;
	size_t len;
	FILE *f;

	if (file_lock_kind.check(&w->restore, &w->err) < 0 ||
	    file_lock_kind.restore_process(&w->restore, &p, b, &w->err) < 0)
		return xstrdup("");
	f = open_memstream(&text, &len);
	batch_print(b, f);
	fclose(f);
	return text;
}

static void turn(struct world *w, void (*setup)(void))
{
	world_begin(w, setup);
	if (world_save(w) < 0 || file_lock_kind.save_process(&w->save, &w->process, &w->err) < 0)
		fail_msg("save: %s", w->err.msg);
	assert_int_equal(w->save.nr_refusals, 0);
	world_kill(w);
	if (world_restore(w) < 0)
		fail_msg("restore: %s", w->err.msg);
}

static int count(const char *text, const char *what)
{
	int nr = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		nr++;
	return nr;
}

static void test_rows(void **state)
{
	struct world w;
	char *text;

	(void)state;
	turn(&w, make_flock);
	text = calls(&w);
	assert_int_equal(count(text, "\n"), 1);
	assert_int_equal(count(text, "flock(3, 6)"), 1);	/* LOCK_EX | LOCK_NB; once, though two descriptors show it */
	assert_int_equal(count(text, path), 1);
	free(text);
	world_end(&w);

	turn(&w, make_ranges);
	text = calls(&w);
	assert_int_equal(count(text, "\n"), 3);
	assert_int_equal(count(text, "take the lock (posix)"), 2);
	assert_int_equal(count(text, "take the lock (ofd)"), 1);
	free(text);
	world_end(&w);
}

/* What another holds when the restore is tried, through an open file of its own. */
static void conflict(void (*setup)(void), void (*other)(int fd), bool conflicts)
{
	_cleanup_fd_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct world w;
	char *text;

	turn(&w, setup);
	other(fd);
	text = calls(&w);
	if (conflicts != !*text)
		fail_msg("%s %s", text, w.err.msg);
	if (conflicts) {
		assert_int_equal(w.err.code, -EAGAIN);
		assert_non_null(strstr(w.err.msg, path));
		assert_true(w.err.advice[0]);
	}
	free(text);
	world_end(&w);
}

static void other_flock(int fd)
{
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
}

static void other_shared(int fd)
{
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
}

static void other_byte(int fd)
{
	struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 199, .l_len = 1 };

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
}

static void other_byte_between(int fd)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 200, .l_len = 100 };

	assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
}

static void test_conflicts(void **state)
{
	(void)state;
	conflict(make_flock, other_flock, true);
	conflict(make_flock, other_shared, true);
	conflict(make_shared_flock, other_shared, false);
	conflict(make_shared_flock, other_flock, true);
	conflict(make_ranges, other_byte, true);
	conflict(make_ranges, other_byte_between, false);
	conflict(make_ranges, other_flock, false);
}

/* Rows as they could be in a catalog that was tampered with: an error, nothing else. */
static void test_bad_rows(void **state)
{
	struct row {
		int64_t lock, file;
		char *kind;
		int64_t process, write, start, end;
		char *path;
	} *row, good;
	const struct table *const *t = file_lock_kind.tables;
	struct world w;

	(void)state;
	turn(&w, make_flock);
	assert_int_equal(file_lock_kind.check(&w.restore, &w.err), 0);
	row = image_find(w.save.img, *t, offsetof(struct row, lock), 0);
	assert_non_null(row);
	good = *row;
	for (int i = 0; i < 5; i++) {
		*row = good;
		switch (i) {
		case 0: row->kind = (char *)"mutex"; break;
		case 1: row->start = 1; break;
		case 2: row->kind = (char *)"ofd"; row->start = 5; row->end = 4; break;
		case 3: row->file = 99; break;
		case 4: row->process++; break;
		}
		assert_int_equal(file_lock_kind.check(&w.restore, &w.err), -EBADMSG);
	}
	world_end(&w);
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_rows), cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_bad_rows),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
