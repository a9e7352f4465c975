// SPDX-License-Identifier: GPL-2.0-only
/* Unix sockets: pairs with queues, listening ones, named connections, datagrams; who is outside. */
#include "unit/files.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char dir[] = "/tmp/cpt-unix.XXXXXX";

static struct sockaddr_un path_name(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	return a;
}

static void make_stream(void)
{
	int p[2], on = 1, size = 30000;

	expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == 0);
	expect(write(3, "to four", 7) == 7 && write(4, "to ", 3) == 3 && write(4, "three", 5) == 5);
	expect(setsockopt(4, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 || 1);
	on = 0;
	expect(setsockopt(4, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	expect(setsockopt(3, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
	expect(shutdown(4, SHUT_WR) == 0);
}

static void test_stream(void **state)
{
	socklen_t len = sizeof(int);
	struct world w;
	char buf[32];
	int size;

	(void)state;
	world_turn(&w, make_stream);
	assert_int_equal(getsockopt(world_fd(&w, 3), SOL_SOCKET, SO_SNDBUF, &size, &len), 0);
	assert_int_equal(size, 60000);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "to three", 8);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 0);
	assert_int_equal(read(world_fd(&w, 4), buf, sizeof(buf)), 7);
	assert_int_equal(send(world_fd(&w, 4), "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(write(world_fd(&w, 3), "x", 1), 1);
	assert_int_equal(read(world_fd(&w, 4), buf, sizeof(buf)), 1);
	assert_true(fcntl(world_fd(&w, 4), F_GETFL) & O_NONBLOCK);
	world_end(&w);
}

static void test_saving_takes_nothing(void **state)
{
	struct world w;
	char buf[32];
	int off;
	socklen_t len = sizeof(off);

	(void)state;
	world_begin(&w, make_stream);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(world_save(&w), 0);
	for (size_t i = 0; i < w.live.nr_files; i++) {
		int own = w.live.files[i]->own;

		if (!S_ISSOCK(w.live.files[i]->st.st_mode))
			continue;
		assert_int_equal(recv(own, buf, sizeof(buf), MSG_PEEK), w.live.files[i]->fd == 3 ? 8 : 7);
		assert_int_equal(getsockopt(own, SOL_SOCKET, SO_PEEK_OFF, &off, &len), 0);
		assert_int_equal(off, -1);
	}
	world_end(&w);
}

static void make_messages(void)
{
	int p[2];

	expect(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p) == 0);
	expect(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p) == 0);
	expect(write(3, "a", 1) == 1 && write(3, "bc", 2) == 2);
	expect(socket(AF_UNIX, SOCK_SEQPACKET, 0) == 7 && socket(AF_UNIX, SOCK_STREAM, 0) == 8);
	expect(write(5, "d", 1) == 1 && send(5, "", 0, 0) == 0 && write(5, "ef", 2) == 2);
}

static void test_messages(void **state)
{
	struct world w;
	char buf[32];

	(void)state;
	world_turn(&w, make_messages);
	assert_int_equal(read(world_fd(&w, 4), buf, sizeof(buf)), 1);
	assert_int_equal(read(world_fd(&w, 4), buf, sizeof(buf)), 2);
	assert_int_equal(read(world_fd(&w, 6), buf, sizeof(buf)), 1);
	assert_int_equal(recv(world_fd(&w, 6), buf, sizeof(buf), 0), 0);
	assert_int_equal(read(world_fd(&w, 6), buf, sizeof(buf)), 2);
	assert_int_equal(read(world_fd(&w, 6), buf, sizeof(buf)), -1);
	assert_int_equal(read(world_fd(&w, 7), buf, sizeof(buf)), -1);
	assert_int_equal(errno, ENOTCONN);
	world_end(&w);
}

static void make_orphans(void)
{
	int p[2];

	expect(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0);
	expect(write(4, "left", 4) == 4 && write(5, "unread", 6) == 6);
	close(4);
	close(6);
}

static void test_peer_gone(void **state)
{
	struct world w;
	char buf[32];

	(void)state;
	world_turn(&w, make_orphans);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 4);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 0);
	assert_int_equal(read(world_fd(&w, 5), buf, sizeof(buf)), -1);
	assert_int_equal(errno, ECONNRESET);
	world_end(&w);
}

/* 3 listens at a path, 4 at an abstract name; 5-6 and 7-8 are connections by them, 9-10 by one that is closed */
static void make_listening(void)
{
	struct sockaddr_un a = path_name("listen"), b = { .sun_family = AF_UNIX, .sun_path = "\0cpt-unit" };
	struct sockaddr_un c = path_name("closed");
	socklen_t b_len = offsetof(struct sockaddr_un, sun_path) + 9;

	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 3 && socket(AF_UNIX, SOCK_STREAM, 0) == 4);
	expect(bind(3, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(3, 17) == 0);
	expect(chmod(a.sun_path, 0620) == 0 && chown(a.sun_path, 11, 12) == 0);
	expect(bind(4, (struct sockaddr *)&b, b_len) == 0 && listen(4, 0) == 0);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 5 && connect(5, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(accept(3, NULL, NULL) == 6);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 7 && connect(7, (struct sockaddr *)&b, b_len) == 0);
	expect(accept(4, NULL, NULL) == 8 && write(7, "queued", 6) == 6);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 9 && socket(AF_UNIX, SOCK_STREAM, 0) == 10);
	expect(bind(10, (struct sockaddr *)&c, sizeof(c)) == 0 && listen(10, 1) == 0);
	expect(connect(9, (struct sockaddr *)&c, sizeof(c)) == 0 && accept(10, NULL, NULL) == 11);
	expect(unlink(c.sun_path) == 0 && dup2(11, 10) == 10 && close(11) == 0);
}

static void expect_name(int fd, bool peer, const char *name, size_t len)
{
	struct sockaddr_un a;
	socklen_t got = sizeof(a);

	assert_int_equal((peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &got), 0);
	assert_true(got >= offsetof(struct sockaddr_un, sun_path) + len);
	assert_memory_equal(a.sun_path, name, len);
}

static void test_listening(void **state)
{
	struct sockaddr_un a = path_name("listen"), c = path_name("closed");
	_cleanup_fd_ int client = socket(AF_UNIX, SOCK_STREAM, 0);
	_cleanup_fd_ int accepted = -1;
	struct world w;
	struct stat st;
	char buf[16];

	(void)state;
	world_turn(&w, make_listening);
	assert_int_equal(stat(a.sun_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0620);
	assert_int_equal(st.st_uid, 11);
	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	accepted = accept(world_fd(&w, 3), NULL, NULL);
	assert_true(accepted >= 0);
	expect_name(world_fd(&w, 6), false, a.sun_path, strlen(a.sun_path));
	expect_name(world_fd(&w, 5), true, a.sun_path, strlen(a.sun_path));
	expect_name(world_fd(&w, 8), false, "\0cpt-unit", 9);
	expect_name(world_fd(&w, 10), false, c.sun_path, strlen(c.sun_path));
	expect_name(world_fd(&w, 9), true, c.sun_path, strlen(c.sun_path));
	assert_int_equal(access(c.sun_path, F_OK), -1);
	assert_int_equal(read(world_fd(&w, 8), buf, sizeof(buf)), 6);
	assert_int_equal(write(world_fd(&w, 8), "back", 4), 4);
	assert_int_equal(read(world_fd(&w, 7), buf, sizeof(buf)), 4);
	assert_int_equal(write(world_fd(&w, 9), "c", 1), 1);
	assert_int_equal(read(world_fd(&w, 10), buf, sizeof(buf)), 1);
	world_end(&w);
	unlink(a.sun_path);
}

static void make_listening_only(void)
{
	struct sockaddr_un a = path_name("busy");

	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 3 && bind(3, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(3, 1) == 0);
}

/* A clone beside its original must not take the original's socket away. */
static void test_busy_path(void **state)
{
	struct sockaddr_un a = path_name("busy");
	_cleanup_fd_ int client = socket(AF_UNIX, SOCK_STREAM, 0);
	struct world w;

	(void)state;
	world_begin(&w, make_listening_only);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(world_restore(&w), -EADDRINUSE);
	assert_non_null(strstr(w.err.msg, a.sun_path));
	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	world_end(&w);
	unlink(a.sun_path);
}

/* 3: a server of datagrams with some waiting, 4: connected to it by name */
static void make_datagram_server(void)
{
	struct sockaddr_un a = path_name("server");

	expect(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0) == 3 && bind(3, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(socket(AF_UNIX, SOCK_DGRAM, 0) == 4 && connect(4, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(write(4, "first", 5) == 5 && write(4, "2nd", 3) == 3);
}

static void test_datagram_server(void **state)
{
	struct sockaddr_un a = path_name("server");
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_datagram_server);
	assert_int_equal(write(world_fd(&w, 4), "third!", 6), 6);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 5);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 3);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 6);
	world_end(&w);
	unlink(a.sun_path);
}

static void make_relative(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "relative" };

	expect(chdir(dir) == 0 && socket(AF_UNIX, SOCK_STREAM, 0) == 3);
	expect(bind(3, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(3, 1) == 0 && chdir("/") == 0);
}

static void test_relative_path(void **state)
{
	struct sockaddr_un a = path_name("relative");
	_cleanup_fd_ int client = socket(AF_UNIX, SOCK_STREAM, 0);
	struct world w;

	(void)state;
	world_turn(&w, make_relative);
	expect_name(world_fd(&w, 3), false, "relative", 9);
	assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
	world_end(&w);
	unlink(a.sun_path);
}

/* What the closed one has sent can't be looked at before it is accepted. */
static void make_pending_closed(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0cpt-pending" };

	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 3 && bind(3, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(3, 1) == 0);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 4 && connect(4, (struct sockaddr *)&a, sizeof(a)) == 0);
	close(4);
}

static void make_pending_sent(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0cpt-pending" };

	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 3 && bind(3, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(3, 1) == 0);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 4 && connect(4, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(write(4, "early", 5) == 5);
}

static void test_refusals(void **state)
{
	(void)state;
	world_refused(make_pending_closed, "whose other end is closed");
	world_refused(make_pending_sent, "it has sent something");
}

/* 3 listens, removed since; 4, 5 and 6 wait to be accepted, 5 under a name of its own, 6 shut down one way. */
static void make_pending(void)
{
	struct sockaddr_un a = path_name("pending"), b = { .sun_family = AF_UNIX, .sun_path = "\0cpt-client" };

	expect(socket(AF_UNIX, SOCK_SEQPACKET, 0) == 3 && bind(3, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(3, 5) == 0);
	for (int fd = 4; fd <= 6; fd++) {
		expect(socket(AF_UNIX, SOCK_SEQPACKET, 0) == fd);
		if (fd == 5)
			expect(bind(5, (struct sockaddr *)&b, offsetof(struct sockaddr_un, sun_path) + 11) == 0);
		expect(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	}
	expect(shutdown(6, SHUT_WR) == 0 && listen(3, 1) == 0 && unlink(a.sun_path) == 0);
}

static void test_pending(void **state)
{
	struct sockaddr_un a = path_name("pending");
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_pending);
	assert_int_equal(access(a.sun_path, F_OK), -1);
	expect_name(world_fd(&w, 3), false, a.sun_path, strlen(a.sun_path));
	for (int fd = 4; fd <= 6; fd++) {
		int accepted = accept(world_fd(&w, 3), NULL, NULL);

		assert_true(accepted >= 0);
		expect_name(world_fd(&w, fd), true, a.sun_path, strlen(a.sun_path));
		expect_name(accepted, false, a.sun_path, strlen(a.sun_path));
		expect_name(accepted, true, "\0cpt-client", fd == 5 ? 11 : 0);
		assert_int_equal(write(accepted, &fd, sizeof(fd)), sizeof(fd));
		assert_int_equal(read(world_fd(&w, fd), buf, sizeof(buf)), sizeof(fd));
		assert_memory_equal(buf, &fd, sizeof(fd));
		if (fd == 6)
			assert_int_equal(read(accepted, buf, sizeof(buf)), 0);
		close(accepted);
	}
	world_end(&w);
}

/*
 * 3 is bound to a path that was removed, then 4 to the same again; 5 to one that was moved. 6's other end was
 * bound to a path, 7's connection was accepted at a path by one that is closed, and 8's by one that still listens.
 */
static void make_odd_names(void)
{
	struct sockaddr_un a = path_name("twice"), b = path_name("moved.tmp"), to = path_name("moved"), c = path_name("c");
	struct sockaddr_un d = { .sun_family = AF_UNIX, .sun_path = "\0cpt-alive" };
	int p[2];

	expect(socket(AF_UNIX, SOCK_DGRAM, 0) == 3 && bind(3, (struct sockaddr *)&a, sizeof(a)) == 0);
	unlink(a.sun_path);
	expect(socket(AF_UNIX, SOCK_DGRAM, 0) == 4 && bind(4, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 5 && bind(5, (struct sockaddr *)&b, sizeof(b)) == 0 && listen(5, 1) == 0);
	expect(rename(b.sun_path, to.sun_path) == 0);
	expect(socketpair(AF_UNIX, SOCK_DGRAM, 0, p) == 0 && p[0] == 6 && bind(p[1], (struct sockaddr *)&c, sizeof(c)) == 0);
	expect(write(p[1], "bye", 3) == 3 && close(p[1]) == 0 && unlink(c.sun_path) == 0);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 7 && socket(AF_UNIX, SOCK_STREAM, 0) == 8);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 9 && bind(9, (struct sockaddr *)&c, sizeof(c)) == 0 && listen(9, 1) == 0);
	expect(connect(7, (struct sockaddr *)&c, sizeof(c)) == 0 && accept(9, NULL, NULL) == 10);
	expect(write(10, "gone", 4) == 4 && close(10) == 0 && close(9) == 0 && unlink(c.sun_path) == 0);
	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 9 && bind(9, (struct sockaddr *)&d, sizeof(d)) == 0 && listen(9, 1) == 0);
	expect(connect(8, (struct sockaddr *)&d, sizeof(d)) == 0 && accept(9, NULL, NULL) == 10 && close(10) == 0);
}

static void test_odd_names(void **state)
{
	struct sockaddr_un a = path_name("twice"), b = path_name("moved.tmp"), to = path_name("moved"), c = path_name("c");
	_cleanup_fd_ int client = socket(AF_UNIX, SOCK_STREAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct world w;
	char buf[16];

	(void)state;
	world_turn(&w, make_odd_names);
	expect_name(world_fd(&w, 3), false, a.sun_path, strlen(a.sun_path));
	expect_name(world_fd(&w, 4), false, a.sun_path, strlen(a.sun_path));
	assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
	assert_int_equal(recv(world_fd(&w, 3), buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(recv(world_fd(&w, 4), buf, sizeof(buf), MSG_DONTWAIT), 1);
	expect_name(world_fd(&w, 5), false, b.sun_path, strlen(b.sun_path));
	assert_int_equal(access(b.sun_path, F_OK), -1);
	assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
	expect_name(world_fd(&w, 6), true, c.sun_path, strlen(c.sun_path));
	assert_int_equal(read(world_fd(&w, 6), buf, sizeof(buf)), 3);
	assert_int_equal(send(world_fd(&w, 6), "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, ECONNREFUSED);
	expect_name(world_fd(&w, 7), true, c.sun_path, strlen(c.sun_path));
	assert_int_equal(read(world_fd(&w, 7), buf, sizeof(buf)), 4);
	assert_int_equal(read(world_fd(&w, 7), buf, sizeof(buf)), 0);
	expect_name(world_fd(&w, 8), true, "\0cpt-alive", 10);
	assert_int_equal(read(world_fd(&w, 8), buf, sizeof(buf)), 0);
	assert_int_equal(access(c.sun_path, F_OK), -1);
	world_end(&w);
	unlink(a.sun_path);
	unlink(to.sun_path);
}

static struct sockaddr_un outside_name = { .sun_family = AF_UNIX, .sun_path = "\0cpt-outside" };

static void make_outside(void)
{
	char c;

	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 3);
	expect(connect(3, (struct sockaddr *)&outside_name, sizeof(outside_name)) == 0);
	expect(read(3, &c, 1) == 1);	/* it has been accepted */
}

/* A process outside of the container accepts the connection: it must be named. */
static void test_outside_is_refused(void **state)
{
	int ready[2];
	pid_t server;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	server = fork();
	if (server == 0) {
		int s = socket(AF_UNIX, SOCK_STREAM, 0), accepted;

		expect(bind(s, (struct sockaddr *)&outside_name, sizeof(outside_name)) == 0 && listen(s, 1) == 0);
		expect(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_NAME, "nosy") == 0 && write(ready[1], "", 1) == 1);
		accepted = accept(s, NULL, NULL);
		expect(accepted >= 0 && write(accepted, "", 1) == 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	world_refused(make_outside, "(nosy)");
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream), cmocka_unit_test(test_saving_takes_nothing),
		cmocka_unit_test(test_messages), cmocka_unit_test(test_peer_gone), cmocka_unit_test(test_listening),
		cmocka_unit_test(test_busy_path), cmocka_unit_test(test_datagram_server),
		cmocka_unit_test(test_relative_path), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_outside_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
