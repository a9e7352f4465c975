// SPDX-License-Identifier: GPL-2.0-only
/* What waits in unix sockets: senders of datagrams, descriptors in flight. */
#include "unit/files.h"
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "state/unix_socket.h"

static char dir[] = "/tmp/cpt-message.XXXXXX";

static struct sockaddr_un path_name(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s", dir, name);
	return a;
}

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(4 * sizeof(int))];
};

static void send_fds(int fd, const char *text, size_t len, const int *fds, size_t nr)
{
	union control control = { .head = { CMSG_LEN(nr * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec io = { (char *)(uintptr_t)text, len };
	struct msghdr msg = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(nr * sizeof(int)),
	};

	memcpy(CMSG_DATA(&control.head), fds, nr * sizeof(int));
	expect(sendmsg(fd, &msg, 0) == (ssize_t)len);
}

/* Bytes received; descriptors to @fds, how many to @nr. */
static ssize_t receive(int fd, void *buf, size_t len, int *fds, size_t *nr, struct sockaddr_un *from, socklen_t *from_len)
{
	union control control;
	struct iovec io = { buf, len };
	struct msghdr msg = {
		.msg_name = from, .msg_namelen = from ? sizeof(*from) : 0, .msg_iov = &io, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	*nr = c ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (c)
		memcpy(fds, CMSG_DATA(c), *nr * sizeof(int));
	if (from_len)
		*from_len = msg.msg_namelen;
	return n;
}

/*
 * 3-4: a stream, and in flight to 4, behind 3 plain bytes, with "def": a pipe's end to read that nobody else has, an
 * eventfd that 5 is, too, and 4 itself. 6: the end of that pipe to write.
 */
static void make_rights(void)
{
	int p[2], fds[3];

	expect(socketpair(AF_UNIX, SOCK_STREAM, 0, p) == 0 && eventfd(7, 0) == 5 && pipe(p) == 0 && p[0] == 6);
	expect(write(p[1], "in pipe", 7) == 7 && write(3, "abc", 3) == 3);
	fds[0] = p[0];
	fds[1] = 5;
	fds[2] = 4;
	send_fds(3, "def", 3, fds, 3);
	expect(write(3, "ghi", 3) == 3 && dup2(p[1], 6) == 6 && close(p[1]) == 0);
}

static void check_rights(int four, int five, int six)
{
	char buf[64];
	int fds[4];
	uint64_t count;
	size_t nr;

	/* The descriptors come with no byte before theirs, and what follows does not come along with them. */
	assert_int_equal(receive(four, buf, 3, fds, &nr, NULL, NULL), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(nr, 0);
	assert_int_equal(receive(four, buf, sizeof(buf), fds, &nr, NULL, NULL), 3);
	assert_memory_equal(buf, "def", 3);
	assert_int_equal(nr, 3);
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 7);
	assert_memory_equal(buf, "in pipe", 7);
	assert_int_equal(write(six, "more", 4), 4);
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 4);
	assert_int_equal(read(five, &count, sizeof(count)), 8);
	assert_int_equal(count, 7);
	count = 9;
	assert_int_equal(write(five, &count, sizeof(count)), 8);
	assert_int_equal(read(fds[1], &count, sizeof(count)), 8);
	assert_int_equal(count, 9);
	assert_int_equal(receive(fds[2], buf, sizeof(buf), fds, &nr, NULL, NULL), 3);
	assert_memory_equal(buf, "ghi", 3);
	assert_int_equal(nr, 0);
}

static void test_rights(void **state)
{
	struct world w;

	(void)state;
	world_turn(&w, make_rights);
	check_rights(world_fd(&w, 4), world_fd(&w, 5), world_fd(&w, 6));
	world_end(&w);
}

/* Nothing is taken from the queue, no option changed, and cpt's copies go away. */
static void test_looking_takes_nothing(void **state)
{
	struct world w;
	int four = -1, off, on;
	socklen_t len = sizeof(off);

	(void)state;
	world_begin(&w, make_rights);
	assert_int_equal(world_save(&w), 0);
	w.save.img = (image_free(w.save.img), NULL);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(w.save.nr_refusals, 0);
	for (size_t i = 0; i < w.live.nr_files; i++)
		if (w.live.files[i]->fd == 4)
			four = w.live.files[i]->own;
	assert_int_equal(getsockopt(four, SOL_SOCKET, SO_PEEK_OFF, &off, &len), 0);
	assert_int_equal(getsockopt(four, SOL_SOCKET, SO_PASSCRED, &on, &len), 0);
	assert_int_equal(off, -1);
	assert_int_equal(on, 0);
	check_rights(four, pidfd_getfd(w.process.pidfd, 5, 0), pidfd_getfd(w.process.pidfd, 6, 0));
	world_end(&w);
}

/* 3-4: packets; in flight to 4 is one end of a pair, to whose other end, in flight with it, another pair's end is. */
static void make_nested(void)
{
	int outer[2], inner[2], fds[2];

	expect(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, outer) == 0);
	expect(socketpair(AF_UNIX, SOCK_STREAM, 0, inner) == 0);
	fds[0] = memfd_create("x", 0);
	expect(write(fds[0], "memory", 6) == 6);
	send_fds(inner[0], "m", 1, fds, 1);
	close(fds[0]);
	send_fds(outer[0], "two", 3, inner, 2);
	send_fds(outer[0], "", 0, inner, 1);
	close(inner[0]);
	close(inner[1]);
}

static void test_nested(void **state)
{
	struct world w;
	int fds[4], memfd[4], again[4];
	char buf[16];
	size_t nr;

	(void)state;
	world_begin(&w, make_nested);
	if (world_save(&w) < 0)
		fail_msg("save: %s", w.err.msg);
	assert_int_equal(w.save.nr_refusals, 0);
	/* The memory of a memfd is not a part of this test. */
	for (size_t i = 0; i < w.live.nr_files; i++)
		if (strncmp(w.live.files[i]->link, "/memfd:x", 8) == 0)
			nr = i;
	assert_int_equal(w.live.files[nr]->fd, -1);
	assert_string_equal(w.live.files[nr]->kind->name, "memfd");
	world_end(&w);

	world_begin(&w, make_nested);
	assert_int_equal(receive(pidfd_getfd(w.process.pidfd, 4, 0), buf, 16, fds, &nr, NULL, NULL), 3);
	assert_int_equal(nr, 2);
	assert_int_equal(receive(pidfd_getfd(w.process.pidfd, 4, 0), buf, 16, again, &nr, NULL, NULL), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(receive(fds[1], buf, 16, memfd, &nr, NULL, NULL), 1);
	assert_int_equal(pread(memfd[0], buf, 16, 0), 6);
	world_end(&w);
}

/* 3 has a path, 4 an automatic name; 5 has none. 6 had a path and is closed, 7 an abstract name. */
static void make_senders(void)
{
	struct sockaddr_un a = path_name("receiver"), b = path_name("sender"), none = { .sun_family = AF_UNIX };
	struct sockaddr_un c = { .sun_family = AF_UNIX, .sun_path = "\0cpt-sender" };

	for (int fd = 3; fd <= 7; fd++)
		expect(socket(AF_UNIX, SOCK_DGRAM, 0) == fd);
	expect(bind(3, (struct sockaddr *)&a, sizeof(a)) == 0);
	expect(bind(4, (struct sockaddr *)&none, sizeof(none.sun_family)) == 0);
	expect(bind(6, (struct sockaddr *)&b, sizeof(b)) == 0);
	expect(bind(7, (struct sockaddr *)&c, offsetof(struct sockaddr_un, sun_path) + 11) == 0);
	for (int fd = 3; fd <= 7; fd++)
		expect(sendto(fd, "from x" + (fd == 5), (size_t)fd, 0, (struct sockaddr *)&a, sizeof(a)) == fd);
	expect(unlink(b.sun_path) == 0 && close(6) == 0 && close(7) == 0);
	expect(connect(3, (struct sockaddr *)&a, sizeof(a)) == 0);
}

static void test_senders(void **state)
{
	struct sockaddr_un from, a = path_name("receiver"), b = path_name("sender"), four;
	socklen_t len, four_len = sizeof(four);
	struct world w;
	char buf[16];
	int fds[4];
	size_t nr;

	(void)state;
	world_turn(&w, make_senders);
	assert_int_equal(receive(world_fd(&w, 3), buf, sizeof(buf), fds, &nr, &from, &len), 3);
	assert_string_equal(from.sun_path, a.sun_path);
	assert_int_equal(receive(world_fd(&w, 3), buf, sizeof(buf), fds, &nr, &from, &len), 4);
	assert_int_equal(getsockname(world_fd(&w, 4), (struct sockaddr *)&four, &four_len), 0);
	assert_int_equal(four_len, offsetof(struct sockaddr_un, sun_path) + 6);
	assert_int_equal(len, four_len);
	assert_memory_equal(&from, &four, len);
	assert_int_equal(receive(world_fd(&w, 3), buf, sizeof(buf), fds, &nr, &from, &len), 5);
	assert_true(len <= offsetof(struct sockaddr_un, sun_path));
	assert_int_equal(receive(world_fd(&w, 3), buf, sizeof(buf), fds, &nr, &from, &len), 6);
	assert_string_equal(from.sun_path, b.sun_path);
	assert_int_equal(access(b.sun_path, F_OK), -1);
	assert_int_equal(receive(world_fd(&w, 3), buf, sizeof(buf), fds, &nr, &from, &len), 7);
	assert_int_equal(len, offsetof(struct sockaddr_un, sun_path) + 11);
	assert_memory_equal(from.sun_path, "\0cpt-sender", 11);
	world_end(&w);
	unlink(a.sun_path);
}

/* 3 is connected to 4, 4 to 5, 5 and 6 to each other; all by abstract names, 3 by a path that was removed. */
static void make_row(void)
{
	struct sockaddr_un a = path_name("three"), name = { .sun_family = AF_UNIX, .sun_path = "\0cpt-row-0" };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 10;

	for (int fd = 3; fd <= 6; fd++) {
		name.sun_path[9] = (char)('0' + fd);
		expect(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0) == fd);
		expect((fd == 3 ? bind(fd, (struct sockaddr *)&a, sizeof(a)) : bind(fd, (struct sockaddr *)&name, len)) == 0);
	}
	expect(sendto(4, "to 3", 4, 0, (struct sockaddr *)&a, sizeof(a)) == 4 && unlink(a.sun_path) == 0);
	for (int fd = 3; fd <= 6; fd++) {
		name.sun_path[9] = (char)('1' + (fd == 6 ? 4 : fd));
		expect(connect(fd, (struct sockaddr *)&name, len) == 0 && send(fd, "hello", 5, 0) == 5);
	}
}

static void test_row(void **state)
{
	struct sockaddr_un from;
	socklen_t len;
	struct world w;
	char buf[16];
	int fds[4];
	size_t nr;

	(void)state;
	world_turn(&w, make_row);
	assert_int_equal(receive(world_fd(&w, 3), buf, sizeof(buf), fds, &nr, &from, &len), 4);
	assert_memory_equal(from.sun_path, "\0cpt-row-4", 10);
	for (int fd = 3; fd <= 6; fd++) {
		int to = fd == 6 ? 5 : fd + 1;

		assert_int_equal(receive(world_fd(&w, to), buf, sizeof(buf), fds, &nr, &from, &len), 5);
		if (fd == 3)
			assert_string_equal(from.sun_path, path_name("three").sun_path);
		else
			assert_int_equal(from.sun_path[9], '0' + fd);
		/* Their ends are connected to others by now. */
		assert_int_equal(send(world_fd(&w, fd), "again", 5, 0), fd < 5 ? -1 : 5);
	}
	world_end(&w);
}

/* What a catalog says is refused before anything is made: each of these spoils one number. */
static void test_nonsense(void **state)
{
	for (int i = 0; i < 7; i++) {
		struct unix_right_row *right;
		struct unix_message_row *message;
		struct unix_socket_row *row;
		struct world w;
		size_t nr;

		world_begin(&w, i < 5 ? make_rights : make_row);
		assert_int_equal(world_save(&w), 0);
		right = image_rows(w.save.img, &unix_right_table, &nr);
		message = image_rows(w.save.img, &unix_message_table, &nr);
		row = image_rows(w.save.img, &unix_socket_table, &nr);
		switch (i) {
		case 0: right[2].sent = 1000; break;
		case 1: right[1].number = 7; break;
		case 2: right[0].message = 3; break;
		case 3: message[1].message = 5; break;
		case 4: row[0].pending = row[1].file; break;
		case 5: row[3].peer = row[0].file; break;	/* from the end of the row to its start */
		case 6: row[0].peer = 999; break;
		}
		assert_int_equal(world_restore(&w), -EBADMSG);
		world_end(&w);
		unlink(path_name("three").sun_path);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_looking_takes_nothing),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_nonsense),
	};

	if (!mkdtemp(dir))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	rmdir(dir);
	return failed;
}
