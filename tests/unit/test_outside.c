// SPDX-License-Identifier: GPL-2.0-only
/* Things whose other end is outside: names, options, and each kind with each of inherit, replace and drop. */
#include "unit/files.h"
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "state/terminal.h"

static char dir[] = "/tmp/cpt-outside.XXXXXX";
static struct sockaddr_un server_name = { .sun_family = AF_UNIX };
static char fifo_path[64], file_path[64];
static int ends[2], ready[2];
static pid_t holder;
static char *const all[] = { "all" };

/* ---- options ---------------------------------------------------------- */

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(outside_match("pipe:12345", "pipe", "pipe:12345"), OUTSIDE_EXACTLY);
	assert_int_equal(outside_match("pipe:[12345]", "pipe", "pipe:12345"), OUTSIDE_EXACTLY);
	assert_int_equal(outside_match("pipe:[12345]", "pipe", "pipe:1"), 0);
	assert_int_equal(outside_match("pipe:[1]", "pipe", "pipe:1"), 3);	/* of glob(7): the same */
	assert_int_equal(outside_match("pipe:[12]*", "pipe", "pipe:2999"), 3);
	assert_int_equal(outside_match("pipe:1234", "pipe", "pipe:12345"), 0);
	assert_int_equal(outside_match("unix:/run/*", "unix", "unix:/run/a/b.sock"), 3);
	assert_int_equal(outside_match("unix", "unix", "unix:/run/a"), 2);
	assert_int_equal(outside_match("unix", "pipe", "pipe:1"), 0);
	assert_int_equal(outside_match("all", "tty", "tty:/dev/pts/3"), 1);
	assert_int_equal(outside_match("", "tty", "tty:/dev/pts/3"), 0);
}

static void parse_ok(enum outside_how how, const char *text, const char *name, int fd, const char *path)
{
	struct err e = ERR_INIT;
	struct outside_choice c;

	assert_int_equal(outside_choice_parse(&c, how, text, &e), 0);
	assert_int_equal(c.how, how);
	assert_string_equal(c.name, name);
	assert_int_equal(c.fd, fd);
	if (path)
		assert_string_equal(c.path, path);
	else
		assert_null(c.path);
	outside_choice_clear(&c);
}

static void parse_bad(enum outside_how how, const char *text, const char *why)
{
	struct err e = ERR_INIT;
	struct outside_choice c;

	assert_int_equal(outside_choice_parse(&c, how, text, &e), -EINVAL);
	if (!strstr(e.msg, why))
		fail_msg("it says: %s", e.msg);
	assert_true(*e.advice);
}

static void test_grammar(void **state)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0), *relative = NULL;

	(void)state;
	relative = xasprintf("%s/out.log", cwd);
	parse_ok(OUTSIDE_INHERIT, "pipe:12345=3", "pipe:12345", 3, NULL);
	parse_ok(OUTSIDE_INHERIT, "tty:*=0", "tty:*", 0, NULL);
	parse_ok(OUTSIDE_REPLACE, "unix:/run/a=/run/b", "unix:/run/a", -1, "/run/b");
	parse_ok(OUTSIDE_REPLACE, "pipe=/a=b", "pipe", -1, "/a=b");
	parse_ok(OUTSIDE_REPLACE, "unix:@x=@y", "unix:@x", -1, "@y");
	parse_ok(OUTSIDE_REPLACE, "pipe=out.log", "pipe", -1, relative);
	parse_ok(OUTSIDE_DROP, "unix:/run/a#2", "unix:/run/a#2", -1, NULL);
	parse_bad(OUTSIDE_INHERIT, "pipe:12345", "there is no name in it");
	parse_bad(OUTSIDE_INHERIT, "=3", "there is no name in it");
	parse_bad(OUTSIDE_INHERIT, "pipe=", "no number of a descriptor");
	parse_bad(OUTSIDE_INHERIT, "pipe=3x", "no number of a descriptor");
	parse_bad(OUTSIDE_INHERIT, "pipe=-1", "no number of a descriptor");
	parse_bad(OUTSIDE_INHERIT, "pipe=99999999999", "no number of a descriptor");
	parse_bad(OUTSIDE_REPLACE, "pipe=", "there is no path in it");
	parse_bad(OUTSIDE_DROP, "", "there is no name in it");
	parse_bad(OUTSIDE_DROP, "pipe=3", "gets nothing");
}

/* ---- somebody outside -------------------------------------------------- */

/* A task that is not of the container keeps what the test has open, and serves at server_name. */
static void holder_begin(void)
{
	char c;

	assert_int_equal(pipe(ready), 0);
	holder = fork();
	if (holder == 0) {
		int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), accepted;
		struct sockaddr_un log = server_name;

		strcat(log.sun_path, ".log");
		expect(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_NAME, "holder") == 0);
		expect(bind(s, (struct sockaddr *)&server_name, sizeof(server_name)) == 0 && listen(s, 9) == 0);
		expect(bind(d, (struct sockaddr *)&log, sizeof(log)) == 0 && write(ready[1], "", 1) == 1);
		while ((accepted = accept(s, NULL, NULL)) >= 0)
			expect(write(accepted, "hi", 2) == 2);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
}

static void holder_end(void)
{
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	unlink(server_name.sun_path);
	strcat(server_name.sun_path, ".log");
	unlink(server_name.sun_path);
	server_name.sun_path[strlen(server_name.sun_path) - 4] = 0;
}

/* Save what @setup opens, with all that is outside. */
static void begin(struct world *w, void (*setup)(void))
{
	holder_begin();
	world_begin(w, setup);
	w->save.outside = all;
	w->save.nr_outside = 1;
	if (world_save(w) < 0)
		fail_msg("save: %s", w->err.msg);
	for (size_t i = 0; i < w->save.nr_refusals; i++)
		print_error("refused: %s: %s\n", w->save.refusals[i].object, w->save.refusals[i].reason);
	assert_int_equal(w->save.nr_refusals, 0);
	world_kill(w);
}

static void end(struct world *w)
{
	world_end(w);
	if (holder)
		holder_end();
	holder = 0;
}

static int restore_with(struct world *w, enum outside_how how, const char *text)
{
	static struct outside_choice c;
	struct err e = ERR_INIT;
	int r;

	assert_int_equal(outside_choice_parse(&c, how, text, &e), 0);
	w->choices = &c;
	w->nr_choices = 1;
	r = world_restore(w);
	if (r == 0)
		outside_choice_clear(&c);
	return r;
}

static void restored(struct world *w, enum outside_how how, const char *text)
{
	if (restore_with(w, how, text) < 0)
		fail_msg("restore: %s (%s)", w->err.msg, w->err.advice);
}

static void not_restored(struct world *w, enum outside_how how, const char *text, const char *why)
{
	w->err = ERR_INIT;
	assert_true(restore_with(w, how, text) < 0);
	if (!strstr(w->err.msg, why))
		fail_msg("it says: %s", w->err.msg);
	restore_clear(&w->restore);
}

/* ---- pipes ------------------------------------------------------------- */

static void open_end(int end, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getppid(), ends[end]);
	expect(open(path, flags) == 3);
}

/* 3 and 5 are two open files of it, 4 is of 3. */
static void make_writer(void)
{
	open_end(0, O_WRONLY);
	expect(dup(3) == 4 && open("/proc/self/fd/3", O_WRONLY | O_NONBLOCK) == 5);
}


static void pipe_begin(struct world *w, void (*setup)(void))
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	begin(w, setup);
}

static void pipe_end(struct world *w)
{
	end(w);
	close(ends[0]);
	close(ends[1]);
}

static void test_refused_with_names(void **state)
{
	struct world w;
	char name[32], option[64];
	struct stat st;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	holder_begin();
	fstat(ends[0], &st);
	snprintf(name, sizeof(name), "pipe:%ju", (uintmax_t)st.st_ino);
	snprintf(option, sizeof(option), "--outside %s ", name);
	world_begin(&w, make_writer);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(w.save.nr_refusals, 1);	/* once, however many have it */
	assert_string_equal(w.save.refusals[0].outside, name);
	assert_non_null(strstr(w.save.refusals[0].reason, "(holder)"));
	assert_non_null(strstr(w.save.refusals[0].advice, option));
	pipe_end(&w);
}

static void test_undecided(void **state)
{
	const struct outside_plan *plans;
	struct world w;
	size_t nr;

	(void)state;
	pipe_begin(&w, make_writer);
	assert_int_equal(world_restore(&w), -EDESTADDRREQ);
	plans = outside_plans(&w.restore, &nr);
	assert_int_equal(nr, 1);
	assert_int_equal(plans[0].how, OUTSIDE_UNDECIDED);
	assert_int_equal(plans[0].row->access, OUTSIDE_WRITES);
	assert_non_null(strstr(plans[0].users, "descriptor"));
	restore_clear(&w.restore);
	not_restored(&w, OUTSIDE_DROP, "pipe:1", "nothing outside that is called pipe:1");
	not_restored(&w, OUTSIDE_DROP, "unix", "nothing says");
	pipe_end(&w);
}

static void test_writer_dropped(void **state)
{
	struct pollfd p = { 0 };
	struct world w;

	(void)state;
	pipe_begin(&w, make_writer);
	restored(&w, OUTSIDE_DROP, "pipe");
	p.fd = world_fd(&w, 3);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_true(p.revents & POLLERR);
	pipe_end(&w);
}

static void test_writer_inherits(void **state)
{
	struct world w;
	char buf[16], text[32];
	int new[2];

	(void)state;
	pipe_begin(&w, make_writer);
	assert_int_equal(pipe2(new, O_CLOEXEC), 0);
	snprintf(text, sizeof(text), "pipe=%d", new[0]);
	not_restored(&w, OUTSIDE_INHERIT, text, "open for reading only, and the container writes to it");
	snprintf(text, sizeof(text), "pipe=%d", new[1]);
	restored(&w, OUTSIDE_INHERIT, text);
	assert_int_equal(world_fd(&w, 3), world_fd(&w, 4));
	assert_int_not_equal(world_fd(&w, 3), world_fd(&w, 5));
	assert_int_equal(fcntl(world_fd(&w, 3), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
	assert_int_equal(fcntl(world_fd(&w, 5), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
	assert_int_equal(fcntl(new[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(write(world_fd(&w, 3), "a", 1) + write(world_fd(&w, 5), "b", 1), 2);
	assert_int_equal(read(new[0], buf, sizeof(buf)), 2);
	pipe_end(&w);
	close(new[0]);
	close(new[1]);
}

static void test_writer_replaced(void **state)
{
	_cleanup_free_ char *text = xasprintf("pipe:*=%s", file_path), *there = xasprintf("pipe=%s/none", dir);
	_cleanup_free_ char *fifo = xasprintf("pipe=%s", fifo_path), *directory = xasprintf("pipe=%s", dir);
	_cleanup_fd_ int reader = -1;
	struct world w;
	char buf[16];

	(void)state;
	assert_int_equal(write_file_at(-1, file_path, "old\n"), 0);
	pipe_begin(&w, make_writer);
	not_restored(&w, OUTSIDE_REPLACE, there, "No such file");
	not_restored(&w, OUTSIDE_REPLACE, directory, "a directory, and it was a pipe");
	not_restored(&w, OUTSIDE_REPLACE, fifo, "nobody reads");
	restored(&w, OUTSIDE_REPLACE, text);
	assert_int_equal(write(world_fd(&w, 3), "a\n", 2) + write(world_fd(&w, 5), "b\n", 2), 4);
	restore_clear(&w.restore);
	reader = open(file_path, O_RDONLY);
	assert_int_equal(read(reader, buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "old\na\nb\n", 8);
	close_fd(&reader);
	reader = open(fifo_path, O_RDONLY | O_NONBLOCK);
	restored(&w, OUTSIDE_REPLACE, fifo);
	assert_int_equal(write(world_fd(&w, 4), "x", 1), 1);
	assert_int_equal(read(reader, buf, sizeof(buf)), 1);
	pipe_end(&w);
}

static void make_reader_filled(void)
{
	open_end(0, O_RDONLY);
}

static void test_reader_keeps_bytes(void **state)
{
	_cleanup_free_ char *file = xasprintf("pipe=%s", file_path);
	struct world w;
	char buf[16], text[32];
	int new[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "waits", 5), 5);
	assert_int_equal(write_file_at(-1, file_path, "old\n"), 0);
	begin(&w, make_reader_filled);
	not_restored(&w, OUTSIDE_REPLACE, file, "can't be put before what");
	assert_int_equal(pipe2(new, O_CLOEXEC), 0);
	snprintf(text, sizeof(text), "pipe=%d", new[0]);
	restored(&w, OUTSIDE_INHERIT, text);
	assert_int_equal(write(new[1], "!", 1), 1);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "waits!", 6);
	restore_clear(&w.restore);
	assert_int_equal(write(new[1], "before", 6), 6);
	not_restored(&w, OUTSIDE_INHERIT, text, "has in it already");
	restored(&w, OUTSIDE_DROP, "all");
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 5);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 0);
	pipe_end(&w);
	close(new[0]);
	close(new[1]);
}

static void make_fifo_reader(void)
{
	expect(open(fifo_path, O_RDONLY | O_NONBLOCK) == 3);
}

/* A fifo goes by its path; without the others it is a pipe, and they keep theirs. */
static void test_fifo(void **state)
{
	_cleanup_free_ char *name = xasprintf("pipe:%s", fifo_path), *text = xasprintf("%s=%s", name, fifo_path);
	int holds = open(fifo_path, O_RDWR);	/* the holder has it, too */
	struct world w;
	char c;

	(void)state;
	begin(&w, make_fifo_reader);
	assert_int_equal(write(holds, "x", 1), 1);
	restored(&w, OUTSIDE_REPLACE, text);
	assert_int_equal(read(world_fd(&w, 3), &c, 1), 1);
	restore_clear(&w.restore);
	restored(&w, OUTSIDE_DROP, name);
	assert_int_equal(read(world_fd(&w, 3), &c, 1), 0);
	restore_clear(&w.restore);
	close(holds);
	holder_end();
	holder = 0;
	not_restored(&w, OUTSIDE_REPLACE, text, "nobody writes to");
	end(&w);
}

/* ---- unix sockets ------------------------------------------------------- */

static void make_client(void)
{
	char buf[2];
	int on = 1;

	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 3);
	expect(connect(3, (struct sockaddr *)&server_name, sizeof(server_name)) == 0);
	expect(read(3, buf, 2) == 2);	/* it has been accepted */
	expect(setsockopt(3, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	expect(fcntl(3, F_SETFL, O_NONBLOCK) == 0);
}

static void test_client(void **state)
{
	_cleanup_free_ char *name = xasprintf("unix:%s", server_name.sun_path);
	_cleanup_free_ char *text = xasprintf("%s=%s", name, server_name.sun_path), *inherit = NULL;
	_cleanup_free_ char *file = xasprintf("unix=%s", file_path);
	socklen_t len = sizeof(int);
	struct pollfd p = { .events = POLLIN };
	struct world w;
	int pair[2], on = 0;
	char buf[4];

	(void)state;
	begin(&w, make_client);
	not_restored(&w, OUTSIDE_REPLACE, file, "a regular file, and it was a unix socket");
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	inherit = xasprintf("unix=%d", pair[0]);
	not_restored(&w, OUTSIDE_INHERIT, inherit, "of type stream");
	close(pair[0]);
	close(pair[1]);

	restored(&w, OUTSIDE_REPLACE, text);
	p.fd = world_fd(&w, 3);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 2);
	assert_memory_equal(buf, "hi", 2);
	assert_int_equal(getsockopt(p.fd, SOL_SOCKET, SO_PASSCRED, &on, &len), 0);
	assert_int_equal(on, 1);
	assert_true(fcntl(p.fd, F_GETFL) & O_NONBLOCK);
	restore_clear(&w.restore);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	restored(&w, OUTSIDE_INHERIT, inherit);
	assert_int_equal(write(world_fd(&w, 3), "abc", 3), 3);
	assert_int_equal(read(pair[1], buf, sizeof(buf)), 3);
	restore_clear(&w.restore);

	restored(&w, OUTSIDE_DROP, name);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 0);
	assert_int_equal(send(world_fd(&w, 3), "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	end(&w);
	close(pair[0]);
	close(pair[1]);
}

static void make_unread(void)
{
	struct pollfd p = { .fd = 3, .events = POLLIN };

	expect(socket(AF_UNIX, SOCK_STREAM, 0) == 3);
	expect(connect(3, (struct sockaddr *)&server_name, sizeof(server_name)) == 0);
	expect(poll(&p, 1, 10000) == 1);
}

static void test_unread(void **state)
{
	_cleanup_free_ char *text = xasprintf("unix=%s", server_name.sun_path);
	struct world w;
	char buf[4];

	(void)state;
	begin(&w, make_unread);
	not_restored(&w, OUTSIDE_REPLACE, text, "can't be put back");
	restored(&w, OUTSIDE_DROP, "all");
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 2);
	assert_int_equal(read(world_fd(&w, 3), buf, sizeof(buf)), 0);
	end(&w);
}

static void make_syslog(void)
{
	struct sockaddr_un log = server_name;

	strcat(log.sun_path, ".log");
	expect(socket(AF_UNIX, SOCK_DGRAM, 0) == 3);
	expect(connect(3, (struct sockaddr *)&log, sizeof(log)) == 0);
}

/* As syslog(3) has it: nothing has to be said, as long as somebody is there. */
static void test_syslog(void **state)
{
	struct world w;
	size_t nr;

	(void)state;
	holder_begin();
	world_begin(&w, make_syslog);
	assert_int_equal(world_save(&w), 0);
	assert_int_equal(w.save.nr_refusals, 0);
	world_kill(&w);
	assert_int_equal(world_restore(&w), 0);
	assert_int_equal(outside_plans(&w.restore, &nr)[0].how, OUTSIDE_REPLACE);
	assert_int_equal(write(world_fd(&w, 3), "<1>hello", 8), 8);
	restore_clear(&w.restore);
	holder_end();
	holder = 0;
	assert_int_equal(world_restore(&w), -EDESTADDRREQ);
	restore_clear(&w.restore);
	restored(&w, OUTSIDE_DROP, "unix");
	assert_int_equal(write(world_fd(&w, 3), "x", 1), -1);
	end(&w);
}

/* What is only standard output is written to, and no more. */
static void make_journal(void)
{
	make_client();
	expect(dup2(3, 1) == 1 && close(3) == 0);
}

static void test_standard_output(void **state)
{
	_cleanup_free_ char *text = xasprintf("unix=%s", file_path), *fifo = xasprintf("unix=%s", fifo_path);
	struct world w;

	(void)state;
	assert_int_equal(write_file_at(-1, file_path, "old\n"), 0);
	begin(&w, make_journal);
	not_restored(&w, OUTSIDE_REPLACE, fifo, "of which a pipe does one");
	restored(&w, OUTSIDE_REPLACE, text);
	assert_int_equal(write(world_fd(&w, 1), "x", 1), 1);
	end(&w);
}

/* ---- terminals ---------------------------------------------------------- */

static void raw_mode(int fd)
{
	struct termios t;

	expect(tcgetattr(fd, &t) == 0);
	cfmakeraw(&t);
	t.c_cc[VMIN] = 7;
	expect(tcsetattr(fd, TCSANOW, &t) == 0);
}

static void make_terminal(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getppid(), ends[0]);
	expect(open(path, O_RDWR | O_NOCTTY) == 3 && open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK) == 4);
	raw_mode(3);
}

static void test_terminal(void **state)
{
	_cleanup_free_ char *inherit = NULL, *replace = NULL, *file = xasprintf("tty=%s", file_path);
	struct termios t;
	struct world w;
	int master, slave;
	char buf[16];

	(void)state;
	assert_int_equal(openpty(&ends[1], &ends[0], NULL, NULL, NULL), 0);
	begin(&w, make_terminal);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	inherit = xasprintf("tty:*=%d", slave);
	replace = xasprintf("tty=%s", ttyname(slave));
	not_restored(&w, OUTSIDE_REPLACE, file, "a regular file, and it was a terminal");
	restored(&w, OUTSIDE_INHERIT, inherit);
	assert_int_equal(terminal_kind.restore_container(&w.restore, &w.err), 0);
	assert_int_equal(terminal_kind.finish(&w.restore, &w.err), 0);
	assert_int_equal(fcntl(world_fd(&w, 3), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
	assert_int_equal(fcntl(world_fd(&w, 4), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
	assert_int_equal(fcntl(slave, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(tcgetattr(slave, &t), 0);
	assert_int_equal(t.c_cc[VMIN], 7);
	assert_false(t.c_lflag & ICANON);
	assert_int_equal(write(world_fd(&w, 4), "x", 1), 1);
	assert_int_equal(read(master, buf, sizeof(buf)), 1);
	restore_clear(&w.restore);
	restored(&w, OUTSIDE_REPLACE, replace);
	assert_int_equal(write(world_fd(&w, 3), "yz", 2), 2);
	assert_int_equal(read(master, buf, sizeof(buf)), 2);
	restore_clear(&w.restore);
	restored(&w, OUTSIDE_DROP, "tty");
	assert_int_equal(read(world_fd(&w, 3), buf, 1), 0);
	assert_int_equal(write(world_fd(&w, 4), "x", 1), -1);
	assert_int_equal(errno, EIO);
	pipe_end(&w);
	close(master);
	close(slave);
}

static int setup(void **state)
{
	int file;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(fifo_path, sizeof(fifo_path), "%s/fifo", dir);
	snprintf(file_path, sizeof(file_path), "%s/file", dir);
	snprintf(server_name.sun_path, 64, "%s/server", dir);
	file = open(file_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(file);
	return mkfifo(fifo_path, 0600);
}

static int teardown(void **state)
{
	(void)state;
	unlink(fifo_path);
	unlink(file_path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_refused_with_names), cmocka_unit_test(test_undecided),
		cmocka_unit_test(test_writer_dropped), cmocka_unit_test(test_writer_inherits),
		cmocka_unit_test(test_writer_replaced), cmocka_unit_test(test_reader_keeps_bytes),
		cmocka_unit_test(test_fifo), cmocka_unit_test(test_client), cmocka_unit_test(test_unread),
		cmocka_unit_test(test_syslog), cmocka_unit_test(test_standard_output), cmocka_unit_test(test_terminal),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
