// SPDX-License-Identifier: GPL-2.0-only
/* Pipes and fifos: what waits in them, which ends there are, packets, who is outside. */
#include "unit/files.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static char dir[] = "/tmp/cpt-pipe.XXXXXX";
static char fifo_path[64];
static int outside[2] = { -1, -1 };

/* 3: read, 4: write */
static void make_filled(void)
{
	int p[2];

	if (pipe(p) < 0 || fcntl(4, F_SETPIPE_SZ, 8192) < 0 || write(4, "hello", 5) != 5)
		_exit(1);
	fcntl(3, F_SETFL, O_NONBLOCK);
}

static void test_contents(void **state)
{
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_filled);
	assert_int_equal(fcntl(world_fd(&w, 4), F_GETPIPE_SZ), 8192);
	assert_int_equal(fcntl(world_fd(&w, 3), F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_RDONLY);
	assert_int_equal(fcntl(world_fd(&w, 4), F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_WRONLY);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(write(world_fd(&w, 4), "x", 1), 1);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 1);
	world_end(&w);
}

/* A snapshot must not take anything out of the queue of a container that goes on. */
static void test_saving_takes_nothing(void **state)
{
	struct world w;
	int waiting = 0;

	(void)state;
	world_begin(&w, make_filled);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(ioctl(w.live.files[1]->own, FIONREAD, &waiting), 0);
	assert_int_equal(waiting, 5);
	world_end(&w);
}

static void make_full(void)
{
	static char page[4096];
	int p[2];

	if (pipe2(p, O_NONBLOCK) < 0)
		_exit(1);
	for (int i = 0; ; i++) {
		memset(page, 'a' + i, sizeof(page));
		if (write(4, page, sizeof(page)) < 0)
			break;
	}
}

static void test_full(void **state)
{
	static char buf[70000];
	struct world w;

	(void)state;
	world_turn(&w, make_full);
	assert_int_equal(write(world_fd(&w, 4), "x", 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 65536);
	assert_int_equal(buf[65535], 'a' + 15);
	world_end(&w);
}

static void make_packets(void)
{
	int p[2];

	if (pipe2(p, O_DIRECT | O_NONBLOCK) < 0 || write(4, "one", 3) != 3 || write(4, "three", 5) != 5)
		_exit(1);
}

static void test_packets(void **state)
{
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_packets);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 3);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "three", 5);
	assert_true(fcntl(world_fd(&w, 4), F_GETFL) & O_DIRECT);
	world_end(&w);
}

static void make_read_end(void)
{
	make_filled();
	close(4);
}

static void test_writer_gone(void **state)
{
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_read_end);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 5);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 0);
	world_end(&w);
}

static void make_write_end(void)
{
	make_filled();
	close(3);
}

static void test_reader_gone(void **state)
{
	struct world w;
	struct pollfd p = { 0 };

	(void)state;
	world_turn(&w, make_write_end);
	p.fd = world_fd(&w, 4);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_true(p.revents & POLLERR);
	world_end(&w);
}

/* dup: 5 is the open file of 4; 6 and 7 are other open files of the same pipe. */
static void make_many_ends(void)
{
	make_filled();
	if (dup(4) != 5 || open("/proc/self/fd/3", O_RDONLY) != 6 || open("/proc/self/fd/3", O_RDWR) != 7)
		_exit(1);
}

static void test_many_ends(void **state)
{
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_many_ends);
	assert_int_equal(w.restore.nr_files, 5);
	assert_int_equal(world_fd(&w, 4), world_fd(&w, 5));
	assert_int_not_equal(world_fd(&w, 3), world_fd(&w, 6));
	assert_int_equal(fcntl(world_fd(&w, 6), F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(write(world_fd(&w, 7), "!", 1), 1);
	assert_int_equal(read(world_fd(&w, 6), buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "hello!", 6);
	world_end(&w);
}

static void make_owned(void)
{
	make_filled();
	if (fchown(3, 1234, 2345) < 0)
		_exit(1);
}

static void test_owner(void **state)
{
	struct world w;
	struct stat st;

	(void)state;
	world_turn(&w, make_owned);
	assert_int_equal(fstat(world_fd(&w, 4), &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 2345);
	world_end(&w);
}

static void make_fifo(void)
{
	if (open(fifo_path, O_RDWR | O_NONBLOCK) != 3 || open(fifo_path, O_WRONLY) != 4 || write(4, "named", 5) != 5)
		_exit(1);
}

static void test_fifo(void **state)
{
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_fifo);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "named", 5);
	assert_int_equal(write(world_fd(&w, 4), "x", 1), 1);
	world_end(&w);
}

static void test_fifo_in_use(void **state)
{
	_cleanup_fd_ int other = -1;
	struct world w;

	(void)state;
	world_begin(&w, make_fifo);
	assert_int_equal(world_save(&w), 0);
	world_kill(&w);
	other = open(fifo_path, O_RDWR | O_NONBLOCK);
	assert_int_equal(world_restore(&w), -EBUSY);
	assert_non_null(strstr(w.err.msg, fifo_path));
	world_end(&w);
}

/* The test itself reads what the child writes to; inherited over the wall of close_range(). */
static void make_outside(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getppid(), outside[0]);
	if (open(path, O_WRONLY) != 3)
		_exit(1);
}

static void test_outside_is_refused(void **state)
{
	pid_t holder;

	(void)state;
	assert_int_equal(pipe2(outside, O_CLOEXEC), 0);
	holder = fork();
	if (holder == 0) {
		pause();
		_exit(0);
	}
	world_refused(make_outside, "outside of the container, reads from it");
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	close(outside[0]);
	close(outside[1]);
}

static void make_mixed(void)
{
	int p[2];

	if (pipe(p) < 0 || write(4, "plain", 5) != 5 || open("/proc/self/fd/3", O_WRONLY) != 5 ||
	    fcntl(5, F_SETFL, O_DIRECT) < 0)
		_exit(1);
}

static void test_mixed_is_refused(void **state)
{
	(void)state;
	world_refused(make_mixed, "packets");
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(fifo_path, sizeof(fifo_path), "%s/fifo", dir);
	return mkfifo(fifo_path, 0600);
}

static int teardown(void **state)
{
	(void)state;
	unlink(fifo_path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contents), cmocka_unit_test(test_saving_takes_nothing),
		cmocka_unit_test(test_full), cmocka_unit_test(test_packets), cmocka_unit_test(test_writer_gone),
		cmocka_unit_test(test_reader_gone), cmocka_unit_test(test_many_ends), cmocka_unit_test(test_owner),
		cmocka_unit_test(test_fifo), cmocka_unit_test(test_fifo_in_use),
		cmocka_unit_test(test_outside_is_refused), cmocka_unit_test(test_mixed_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
