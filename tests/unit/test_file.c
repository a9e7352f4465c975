// SPDX-License-Identifier: GPL-2.0-only
/* Open files by path, TCP and UDP sockets, and the calls that give a process its descriptors. */
#include "unit/files.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "state/inet.h"
#include "state/process.h"

static char dir[] = "/tmp/cpt-file.XXXXXX";
static char path[64];

static void make_file(void)
{
	expect(open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600) == 3 && write(3, "0123456789", 10) == 10);
	expect(lseek(3, 4, SEEK_SET) == 4 && open(dir, O_RDONLY) == 4 && open("/dev/null", O_WRONLY) == 5);
}

static void test_regular(void **state)
{
	struct world w;
	char c;

	(void)state;
	world_turn(&w, make_file);
	assert_int_equal(fcntl(world_fd(&w, 3), F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
	assert_int_equal(read(world_fd(&w, 3), &c, 1), 1);
	assert_int_equal(c, '4');
	assert_int_equal(faccessat(world_fd(&w, 4), "file", F_OK, 0), 0);
	assert_int_equal(write(world_fd(&w, 5), "x", 1), 1);
	world_end(&w);
}

/* What is changed between snapshot and restore must be said by name, and nothing be made or truncated. */
static void restore_after_of(void (*make)(void), void (*change)(void), int code)
{
	struct world w;

	world_begin(&w, make);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(w.save.nr_refusals, 0);
	world_kill(&w);
	change();
	assert_int_equal(world_restore(&w), code);
	assert_non_null(strstr(w.err.msg, path));
	world_end(&w);
	rmdir(path);
	unlink(path);
}

static void restore_after(void (*change)(void), int code)
{
	restore_after_of(make_file, change, code);
}

static void remove_file(void)
{
	unlink(path);
}

static void make_directory(void)
{
	unlink(path);
	mkdir(path, 0700);
}

static void shorten(void)
{
	expect(truncate(path, 9) == 0);
}

static void test_changed_files(void **state)
{
	(void)state;
	restore_after(remove_file, -ENOENT);
	assert_int_equal(access(path, F_OK), -1);
	restore_after(make_directory, -EINVAL);
	restore_after(shorten, -ESTALE);
}

/* Bytes would need a swap volume: those without a name are empty here. */
static void make_nameless(void)
{
	struct timespec times[2] = { { 7, 8 }, { -5, 6 } };

	umask(0);
	expect(open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600) == 3 && open(path, O_RDONLY) == 4);
	expect(ftruncate(3, 12345) == 0 && lseek(4, 99, SEEK_SET) == 99 && open(path, O_PATH) == 5);
	expect(rename(path, "/tmp/cpt-file-moved") == 0 && close(creat("/tmp/cpt-file-over", 0600)) == 0);
	expect(rename("/tmp/cpt-file-over", "/tmp/cpt-file-moved") == 0 && unlink("/tmp/cpt-file-moved") == 0);
	expect(fchmod(3, 04751) == 0 && futimens(3, times) == 0 && flock(4, LOCK_SH) == 0);
	expect(open(dir, O_TMPFILE | O_WRONLY | O_APPEND, 0640) == 6 && ftruncate(6, 1L << 40) == 0);
	expect(open("/proc/self/fd/6", O_RDONLY) == 7);
	expect(mkdir(path, 0712) == 0 && open(path, O_RDONLY | O_DIRECTORY) == 8 && rmdir(path) == 0);
}

static void test_nameless(void **state)
{
	struct stat st, other;
	struct world w;
	char c;

	(void)state;
	unlink(path);
	world_turn(&w, make_nameless);
	assert_int_equal(fstat(world_fd(&w, 3), &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_size, 12345);
	assert_int_equal(st.st_mode, S_IFREG | 04751);
	assert_int_equal(st.st_mtim.tv_sec, -5);
	assert_int_equal(st.st_mtim.tv_nsec, 6);
	for (int fd = 4; fd < 6; fd++) {
		assert_int_equal(fstat(world_fd(&w, fd), &other), 0);
		assert_int_equal(other.st_ino, st.st_ino);
	}
	assert_int_equal(fcntl(world_fd(&w, 5), F_GETFL) & ~O_LARGEFILE, O_PATH);
	assert_int_equal(lseek(world_fd(&w, 4), 0, SEEK_CUR), 99);
	assert_int_equal(write(world_fd(&w, 3), "x", 1), 1);
	assert_int_equal(pread(world_fd(&w, 4), &c, 1, 12345), 1);
	assert_int_equal(linkat(world_fd(&w, 3), "", AT_FDCWD, path, AT_EMPTY_PATH), -1);
	/* What O_TMPFILE made can be given a name, and is one file with the other that has it open. */
	assert_int_equal(fcntl(world_fd(&w, 6), F_GETFL) & (O_TMPFILE | O_ACCMODE | O_APPEND), O_TMPFILE | O_WRONLY | O_APPEND);
	assert_int_equal(linkat(world_fd(&w, 6), "", AT_FDCWD, path, AT_EMPTY_PATH), 0);
	assert_int_equal(fstat(world_fd(&w, 7), &st), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_size, 1L << 40);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(fstat(world_fd(&w, 8), &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0712);
	assert_int_equal(faccessat(world_fd(&w, 8), "..", F_OK, 0), 0);
	assert_int_equal(mkdirat(world_fd(&w, 8), "x", 0700), -1);
	world_end(&w);
	unlink(path);
}

/* The name it was opened by is gone, another in the same directory leads to it. */
static void make_linked(void)
{
	char other[80];

	snprintf(other, sizeof(other), "%s/other", dir);
	make_file();
	expect(link(path, other) == 0 && unlink(path) == 0);
	expect(open(dir, O_TMPFILE | O_RDWR, 0600) == 6 && linkat(6, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0);
}

static void test_linked(void **state)
{
	struct stat st, open_st;
	char other[80];
	struct world w;

	(void)state;
	unlink(path);
	snprintf(other, sizeof(other), "%s/other", dir);
	world_turn(&w, make_linked);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(fstat(world_fd(&w, 3), &open_st), 0);
	assert_int_equal(st.st_ino, open_st.st_ino);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(fstat(world_fd(&w, 6), &open_st), 0);
	assert_int_equal(st.st_ino, open_st.st_ino);
	world_end(&w);
	unlink(other);
	unlink(path);
}

static void make_linked_elsewhere(void)
{
	char other[80];

	snprintf(other, sizeof(other), "%s-elsewhere", dir);
	make_file();
	expect(link(path, other) == 0 && unlink(path) == 0);
}

static void make_leased(void)
{
	make_file();
	expect(fcntl(3, F_SETLEASE, F_WRLCK) == 0 && unlink(path) == 0);
}

static void make_proc(void)
{
	expect(open("/proc/1/status", O_RDONLY) == 3);
}

static void make_path_only(void)
{
	expect(symlink("nowhere", path) == 0 && open(path, O_PATH | O_NOFOLLOW) == 3 && open(dir, O_PATH | O_DIRECTORY) == 4);
}

static void make_path_of_pipe(void)
{
	int p[2];

	expect(pipe(p) == 0 && open("/proc/self/fd/3", O_PATH) == 5 && close(3) == 0 && close(4) == 0);
}

static void test_path_only(void **state)
{
	struct world w;
	char to[8];

	(void)state;
	unlink(path);
	world_turn(&w, make_path_only);
	assert_int_equal(fcntl(world_fd(&w, 3), F_GETFL) & ~O_LARGEFILE, O_PATH | O_NOFOLLOW);
	assert_int_equal(fcntl(world_fd(&w, 4), F_GETFL) & ~O_LARGEFILE, O_PATH | O_DIRECTORY);
	assert_int_equal(readlinkat(world_fd(&w, 3), "", to, sizeof(to)), 7);
	assert_int_equal(faccessat(world_fd(&w, 4), "file", F_OK, AT_SYMLINK_NOFOLLOW), 0);
	world_end(&w);
	/* Something else is there now. */
	unlink(path);
	restore_after_of(make_path_only, remove_file, -ENOENT);
	restore_after_of(make_path_only, make_directory, -EINVAL);
}

static void make_fdinfo(void)
{
	expect(open("/proc/self/fdinfo/0", O_RDONLY) == 3);
}

static void make_terminal(void)
{
	expect(open("/dev/ptmx", O_RDWR | O_NOCTTY) == 3);
}

static void make_unknown(void)
{
	expect(syscall(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */) == 3);
}

/* Of a type that was obsolete before there were containers. */
static void make_old_packet(void)
{
	expect(socket(AF_PACKET, SOCK_PACKET, 0) == 3);
}

static void make_connection(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int s = socket(AF_INET, SOCK_STREAM, 0);

	expect(bind(s, (struct sockaddr *)&in, sizeof(in)) == 0 && listen(s, 1) == 0);
	expect(getsockname(s, (struct sockaddr *)&in, &len) == 0);
	expect(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&in, len) == 0 && accept(s, NULL, NULL) == 5);
	close(s);
	close(5);
}

static void test_refusals(void **state)
{
	(void)state;
	world_refused(make_linked_elsewhere, "removed or replaced");
	world_refused(make_leased, "lease");
	world_refused(make_proc, "process 1, which is not in the container");
	world_refused(make_fdinfo, "descriptor");
	world_refused(make_path_of_pipe, "does not lead to it");
	world_refused(make_terminal, "never been opened");
	world_refused(make_unknown, "kind");
	world_refused(make_old_packet, "family");
	world_refused(make_connection, "TCP connection (127.0.0.1:");
	unlink(path);
}

static uint16_t tcp_port;

static void make_tcp(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(tcp_port) };
	int one = 1, idle = 99, window = 30000;
	struct linger linger = { 1, 5 };

	expect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) == 3);
	expect(setsockopt(3, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0);
	expect(setsockopt(3, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) == 0);
	expect(setsockopt(3, SOL_SOCKET, SO_SNDBUF, &window, sizeof(window)) == 0);
	expect(setsockopt(3, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	expect(bind(3, (struct sockaddr *)&in, sizeof(in)) == 0 && listen(3, 21) == 0 && fchown(3, 33, 34) == 0);
	expect(socket(AF_INET, SOCK_DGRAM, 0) == 4 && bind(4, (struct sockaddr *)&in, sizeof(in)) == 0);
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int v = -1;

	getsockopt(fd, level, name, &v, &len);
	return v;
}

static void find_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_cleanup_fd_ int s = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(in);

	assert_int_equal(bind(s, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&in, &len), 0);
	tcp_port = ntohs(in.sin_port);
}

static void test_tcp(void **state)
{
	struct tcp_info info = { 0 };
	struct linger linger = { 0 };
	socklen_t len = sizeof(info);
	struct inet_address own;
	struct world w;
	struct stat st;
	int fd;

	(void)state;
	find_port();
	world_turn(&w, make_tcp);
	fd = world_fd(&w, 3);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_state, TCP_LISTEN);
	assert_int_equal(info.tcpi_sacked, 21);
	assert_int_equal(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 99);
	assert_int_equal(option(fd, SOL_SOCKET, SO_SNDBUF), 60000);
	assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEADDR), 0);
	len = sizeof(linger);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
	assert_int_equal(linger.l_linger, 5);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, 33);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(inet_address_of(w.save.img, world_fd(&w, 4), false, &own), 0);
	assert_int_equal(own.port, tcp_port);
	world_end(&w);
}

/* A clone beside its original is told that the port is taken; it never gets to share it. */
static void test_tcp_port_taken(void **state)
{
	struct world w;

	(void)state;
	find_port();
	world_begin(&w, make_tcp);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(world_restore(&w), -EADDRINUSE);
	assert_non_null(strstr(w.err.msg, "127.0.0.1:"));
	assert_true(w.err.advice[0]);
	world_end(&w);
}

/* ---- descriptors as calls ---------------------------------------------- */

static void make_numbers(void)
{
	expect(open("/dev/zero", O_RDONLY | O_CLOEXEC) == 3 && dup2(3, 90) == 90 && close(3) == 0);
	expect(open("/dev/full", O_RDWR) == 3 && dup2(3, 5) == 5 && close(0) == 0);
}

/* Apply the batch of descriptors to a table of numbers, as the kernel would. */
static void test_batch_of_descriptors(void **state)
{
	struct process_row row = { 0 };
	struct thread_row leader = { 0 };
	struct new_thread thread = { .row = &leader };
	struct new_process p = { .row = &row, .cpt_pidfd = 101, .threads = &thread, .nr_threads = 1 };
	struct batch *b = batch_new();
	char *text = NULL, *line, *save = NULL;
	size_t len = 0, getfd = 0, dup3s = 0;
	struct world w;
	FILE *f;

	(void)state;
	world_turn(&w, make_numbers);
	row.process = leader.thread = leader.files = w.process.pid;
	assert_int_equal(fd_kind.restore_process(&w.restore, &p, b, &w.err), 0);
	f = open_memstream(&text, &len);
	batch_print(b, f);
	fclose(f);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		getfd += strstr(line, "get file") != NULL;
		dup3s += strstr(line, "dup to descriptor") != NULL;
	}
	/* Three open files: null (1, 2), full (3, 5), zero (90). Nothing may be pulled twice: it would be shared no more. */
	assert_int_equal(getfd, 3);
	/* 1 comes as 0, 2 is its dup, 3 comes as 0 again, 5 is its dup, 90 comes as 0. */
	assert_int_equal(dup3s, 5);
	free(text);
	batch_free(b);
	world_end(&w);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int teardown(void **state)
{
	char other[80];

	(void)state;
	snprintf(other, sizeof(other), "%s-elsewhere", dir);
	unlink(other);
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regular), cmocka_unit_test(test_changed_files), cmocka_unit_test(test_path_only), cmocka_unit_test(test_nameless),
		cmocka_unit_test(test_linked), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_tcp), cmocka_unit_test(test_tcp_port_taken),
		cmocka_unit_test(test_batch_of_descriptors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
