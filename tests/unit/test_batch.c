// SPDX-License-Identifier: GPL-2.0-only
/* Batches: as data, and run in live processes. Needs the right to ptrace. */
#include "target.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "remote/batch.h"
#include "remote/tracee.h"

/* ---- as data ------------------------------------------------------------- */

static char *printed(const struct batch *b)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	batch_print(b, f);
	fclose(f);
	return text;
}

static void test_print(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	_cleanup_free_ char *text = NULL;
	size_t data = batch_data(b, "/etc", 5), fd;

	(void)state;
	fd = batch_call(b, "open a directory", SYS_openat, ARG(AT_FDCWD), ARG_AT(data),
			ARG(O_RDONLY));
	batch_expect(b,
		     batch_call(b, batch_why(b, "move it to %d", 7), SYS_dup2, ARG_OF(fd), ARG(7)),
		     7);
	batch_may_fail(b, batch_call(b, "unmap", SYS_munmap, ARG(0x7f0000000000), ARG(4096)));
	batch_call(b, "who", 9999, ARG(-1));
	text = printed(b);
	assert_string_equal(text, "0: openat(-100, data+0, 0)  # open a directory\n"
				  "1: dup2(result[0], 7) = 7  # move it to 7\n"
				  "2: munmap(0x7f0000000000, 4096) = any  # unmap\n"
				  "3: syscall_9999(-1)  # who\n");
	assert_int_equal(batch_length(b), 4);
}

static void test_data_is_aligned_and_kept(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	size_t one = batch_data(b, "abc", 3), empty = batch_data(b, NULL, 0),
	       two = batch_data(b, NULL, 5000);

	(void)state;
	assert_int_equal(one % 16 + empty % 16 + two % 16, 0);
	assert_true(one != empty && empty != two);
	assert_memory_equal(batch_data_at(b, one), "abc", 3);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(((char *)batch_data_at(b, two))[i], 0);
}

/* ---- run ------------------------------------------------------------------ */

static void sleeper(struct shared *shm)
{
	shm->step = 1;
	while (!shm->go)
		usleep(1000);
}

struct held {
	struct target target;
	struct tracee tracee;
	struct remote *remote;
	struct err e;
};

static void hold(struct held *h, void (*body)(struct shared *))
{
	h->target = target_start(body);
	h->e = ERR_INIT;
	wait_step(&h->target, 1);
	assert_ok(tracee_seize(&h->tracee, h->target.pid, &h->e), &h->e);
	assert_ok(remote_open(&h->remote, &h->tracee, 0, &h->e), &h->e);
}

/* What the target is left with must be what it had. */
static void let_go(struct held *h)
{
	assert_ok(remote_close(h->remote, &h->tracee, &h->e), &h->e);
	assert_ok(tracee_release(&h->tracee, &h->e), &h->e);
	h->target.shm->go = 1;
	target_join(&h->target);
}

static void run(struct held *h, struct batch *b)
{
	assert_ok(remote_run(h->remote, &h->tracee, b, &h->e), &h->e);
}

static void run_many(size_t nr)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct held h;
	uint64_t begin;

	for (size_t i = 0; i < nr; i++)
		batch_call(b, "ask its pid", SYS_getpid, ARG(0));
	hold(&h, sleeper);
	run(&h, b);
	begin = now_ns();
	run(&h, b);
	print_message("%zu calls: %.3f us a call\n", nr,
		      (double)(now_ns() - begin) / 1000 / (double)nr);
	for (size_t i = 0; i < nr; i++)
		assert_int_equal(batch_result(b, i), h.target.pid);
	let_go(&h);
}

static void test_sizes(void **state)
{
	(void)state;
	run_many(1);
	run_many(64);
	run_many(1000);
	run_many(10000);
	run_many(40000);	/* three footholds full */
}

static void test_empty(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct held h;

	(void)state;
	hold(&h, sleeper);
	run(&h, b);
	let_go(&h);
}

static void test_results_as_arguments(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	size_t name = batch_data(b, "x", 2), out = batch_data(b, "hello", 5),
	       in = batch_data(b, NULL, 5);
	size_t fd, copy, wrote;
	struct held h;

	(void)state;
	fd = batch_call(b, "make a memfd", SYS_memfd_create, ARG_AT(name), ARG(0));
	wrote = batch_call(b, "write to it", SYS_write, ARG_OF(fd), ARG_AT(out), ARG(5));
	/* One result in many places, two of them in one call; and a result of a result. */
	copy = batch_call(b, "copy the descriptor", SYS_dup, ARG_OF(fd));
	batch_expect(b, batch_call(b, "dup2 to itself", SYS_dup2, ARG_OF(fd), ARG_OF(fd)), 3);
	batch_expect(b,
		     batch_call(b, "read by the copy", SYS_pread64, ARG_OF(copy), ARG_AT(in),
				ARG_OF(wrote), ARG(0)),
		     5);
	batch_call(b, "close", SYS_close, ARG_OF(fd));
	batch_call(b, "close the copy", SYS_close, ARG_OF(copy));
	hold(&h, sleeper);
	run(&h, b);
	assert_int_equal(batch_result(b, fd), 3);
	assert_int_equal(batch_result(b, copy), 4);
	assert_memory_equal(batch_data_at(b, in), "hello", 5);
	let_go(&h);
}

/* A chain of results through all calls, over the border between parts. */
static void test_results_over_parts(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	size_t first = batch_call(b, "first", SYS_dup, ARG(1)), last = first;
	struct held h;

	(void)state;
	for (size_t i = 0; i < 30000; i++) {
		size_t same =
			batch_call(b, "dup2 to itself", SYS_dup2, ARG_OF(last), ARG_OF(first));

		last = i % 3 ? last : same;
	}
	hold(&h, sleeper);
	run(&h, b);
	assert_int_equal(batch_result(b, batch_length(b) - 1), batch_result(b, first));
	let_go(&h);
}

static void test_failed_call_is_named(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	size_t ok = batch_call(b, "fine", SYS_getpid, ARG(0)), after;
	struct held h;
	char who[48];

	(void)state;
	batch_may_fail(b, batch_call(b, "may fail", SYS_close, ARG(999)));
	batch_call(b, "restore the descriptor of a test", SYS_dup2, ARG(999), ARG(5));
	after = batch_call(b, "must not happen", SYS_dup2, ARG(1), ARG(77));
	hold(&h, sleeper);
	assert_int_equal(remote_run(h.remote, &h.tracee, b, &h.e), -EBADF);
	snprintf(who, sizeof(who), "task %d (%.15s)", h.target.pid, program_invocation_short_name);
	assert_non_null(strstr(h.e.msg, who));
	assert_non_null(strstr(
		h.e.msg, "restore the descriptor of a test: dup2(999, 5), call 3 of 4: Bad file"));
	assert_int_equal(batch_result(b, ok), h.target.pid);
	assert_int_equal(batch_result(b, 1), -EBADF);
	assert_int_equal(batch_result(b, after), 0);
	/* The thread is as good as before. */
	batch_free(take_ptr(b));
	b = batch_new();
	after = batch_call(b, "was it made?", SYS_fcntl, ARG(77), ARG(F_GETFD));
	assert_int_equal(remote_run(h.remote, &h.tracee, b, &h.e), -EBADF);
	let_go(&h);
}

static void test_unexpected_result(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct held h;

	(void)state;
	batch_expect(b, batch_call(b, "take the id", SYS_getpid, ARG(0)), 1);
	hold(&h, sleeper);
	assert_int_equal(remote_run(h.remote, &h.tracee, b, &h.e), -EPROTO);
	assert_non_null(strstr(h.e.msg, "take the id: getpid(0), call 1 of 1, gave "));
	assert_non_null(strstr(h.e.msg, " instead of 1"));
	let_go(&h);
}

/* Results near the border of what is an error. */
static void test_large_results_are_no_errors(void **state)
{
	struct held h;
	int64_t got;
	uint64_t page[6] = { 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX, 0 };

	(void)state;
	hold(&h, sleeper);
	assert_ok(remote_call(h.remote, &h.tracee, "map", &got, SYS_mmap, 6, page, &h.e), &h.e);
	assert_true(got > 65536 && got % 4096 == 0);
	assert_int_equal(remote_call(h.remote, &h.tracee, "unmap", &got, SYS_munmap, 2,
				     (uint64_t[]){ 1, 4096 }, &h.e), -EINVAL);
	assert_int_equal(got, -EINVAL);
	let_go(&h);
}

static void test_pointers_in_data(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	int pipe_fds[2];
	struct iovec iov[2] = { { NULL, 3 }, { NULL, 4 } };
	size_t fds = batch_data(b, NULL, sizeof(pipe_fds));
	size_t vector = batch_data(b, iov, sizeof(iov)), one = batch_data(b, "abc", 3),
	       two = batch_data(b, "defg", 4);
	size_t in = batch_data(b, NULL, 7);
	struct held h;

	(void)state;
	batch_pointer(b, vector + offsetof(struct iovec, iov_base), one);
	batch_pointer(b, vector + sizeof(*iov) + offsetof(struct iovec, iov_base), two);
	batch_call(b, "make a pipe", SYS_pipe2, ARG_AT(fds), ARG(0));
	batch_expect(b, batch_call(b, "write both", SYS_writev, ARG(4), ARG_AT(vector), ARG(2)), 7);
	batch_expect(b, batch_call(b, "read all", SYS_read, ARG(3), ARG_AT(in), ARG(7)), 7);
	hold(&h, sleeper);
	run(&h, b);
	memcpy(pipe_fds, batch_data_at(b, fds), sizeof(pipe_fds));
	assert_int_equal(pipe_fds[0], 3);
	assert_memory_equal(batch_data_at(b, in), "abcdefg", 7);
	let_go(&h);
}

/* More data than the foothold holds, which later parts use again. */
static void test_data_in_parts(void **state)
{
	enum { NR = 40, SIZE = 100000 };
	_cleanup_batch_ struct batch *b = batch_new();
	size_t name = batch_data(b, "x", 2), fd, at[NR], back[NR];
	struct held h;

	(void)state;
	fd = batch_call(b, "make a memfd", SYS_memfd_create, ARG_AT(name), ARG(0));
	for (int i = 0; i < NR; i++) {
		at[i] = batch_data(b, NULL, SIZE);
		memset(batch_data_at(b, at[i]), 'a' + i % 26, SIZE);
		batch_expect(
			b, batch_call(b, "write", SYS_write, ARG_OF(fd), ARG_AT(at[i]), ARG(SIZE)),
			SIZE);
	}
	for (int i = 0; i < NR; i++) {
		back[i] = batch_data(b, NULL, SIZE);
		batch_expect(b,
			     batch_call(b, "read", SYS_pread64, ARG_OF(fd), ARG_AT(back[i]),
					ARG(SIZE), ARG(i * SIZE)),
			     SIZE);
		/* What a call of this or an earlier part left is there for the next. */
		batch_expect(b,
			     batch_call(b, "write again", SYS_pwrite64, ARG_OF(fd),
					ARG_AT(back[i] + 10), ARG(10), ARG((NR + i) * SIZE)),
			     10);
	}
	hold(&h, sleeper);
	run(&h, b);
	for (int i = 0; i < NR; i++)
		assert_memory_equal(batch_data_at(b, back[i]), batch_data_at(b, at[i]), SIZE);
	let_go(&h);
}

/* One call reads a number into an argument of the next. */
static void test_argument(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new(), *large = batch_new();
	uint32_t mask = 0123;
	size_t number = batch_data(b, &mask, sizeof(mask)), fd, old;
	struct held h;

	(void)state;
	fd = batch_call(b, "make a memfd", SYS_memfd_create, ARG_AT(batch_data(b, "x", 2)), ARG(0));
	batch_call(b, "write", SYS_write, ARG_OF(fd), ARG_AT(number), ARG(4));
	old = batch_call(b, "read", SYS_pread64, ARG_OF(fd), ARG_AT_ARGUMENT(3, 0), ARG(4), ARG(0)) + 1;
	batch_call(b, "umask", SYS_umask, ARG(0));
	batch_expect(b, batch_call(b, "umask", SYS_umask, ARG_OF(old)), 0123);
	batch_call(b, "close", SYS_close, ARG_OF(fd));
	assert_true(remote_holds(b));
	hold(&h, sleeper);
	run(&h, b);
	assert_int_equal(batch_argument(b, old, 0), 0123);
	let_go(&h);
	for (int i = 0; i < 20; i++)
		batch_call(large, "read", SYS_read, ARG(0), ARG_AT(batch_data(large, NULL, 65536)), ARG(65536));
	assert_false(remote_holds(large));
}

static void test_data_too_large(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct held h;

	(void)state;
	batch_call(b, "read a lot", SYS_read, ARG(0), ARG_AT(batch_data(b, NULL, 2000000)),
		   ARG(2000000));
	hold(&h, sleeper);
	assert_int_equal(remote_run(h.remote, &h.tracee, b, &h.e), -E2BIG);
	assert_non_null(strstr(h.e.msg, "read a lot"));
	let_go(&h);
}

/* ---- the foothold ---------------------------------------------------------- */

static char *maps_of(pid_t pid)
{
	char path[32], *text;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	assert_int_equal(read_file_at(-1, path, &text, NULL), 0);
	return text;
}

static void test_foothold_leaves_nothing(void **state)
{
	struct held h = { .target = target_start(sleeper) };
	_cleanup_free_ char *before = NULL, *after = NULL;

	(void)state;
	wait_step(&h.target, 1);
	assert_ok(tracee_seize(&h.tracee, h.target.pid, &h.e), &h.e);
	before = maps_of(h.target.pid);
	assert_ok(remote_open(&h.remote, &h.tracee, 0, &h.e), &h.e);
	assert_int_equal(remote_size(h.remote), 1 << 20);
	assert_ok(remote_close(h.remote, &h.tracee, &h.e), &h.e);
	after = maps_of(h.target.pid);
	assert_string_equal(before, after);
	assert_ok(remote_open(&h.remote, &h.tracee, 0x10000000, &h.e), &h.e);
	assert_int_equal(remote_address(h.remote), 0x10000000);
	let_go(&h);
}

static void test_foothold_never_replaces(void **state)
{
	struct held h;
	struct remote *second = NULL;

	(void)state;
	hold(&h, sleeper);
	assert_int_equal(remote_open(&second, &h.tracee, remote_address(h.remote), &h.e), -EEXIST);
	assert_null(second);
	let_go(&h);
}

static void without_vdso(struct shared *shm)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned long start, end;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &start, &end) == 2)
			munmap((void *)start, end - start);
	shm->step = 1;
	while (!shm->go)
		syscall(SYS_sched_yield);
}

static void test_without_vdso(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct held h;

	(void)state;
	batch_call(b, "ask", SYS_getppid, ARG(0));
	hold(&h, without_vdso);
	run(&h, b);
	assert_int_equal(batch_result(b, 0), getpid());
	let_go(&h);
}

static void test_moved_vdso(void **state)
{
	struct held h;
	uint64_t vdso = 0, end = 0, to = 0x20000000;
	_cleanup_free_ char *maps = NULL;
	int64_t got;

	(void)state;
	hold(&h, sleeper);
	maps = maps_of(h.target.pid);
	for (char *line = strtok(maps, "\n"); line; line = strtok(NULL, "\n"))
		if (strstr(line, "[vdso]"))
			assert_int_equal(sscanf(line, "%lx-%lx", &vdso, &end), 2);
	assert_ok(remote_call(h.remote, &h.tracee, "move", &got, SYS_mremap, 5,
			      (uint64_t[]){ vdso, end - vdso, end - vdso,
					    MREMAP_MAYMOVE | MREMAP_FIXED, to },
			      &h.e),
		  &h.e);
	assert_int_equal(remote_moved_vdso(h.remote, &h.tracee, vdso, &h.e), -ENOEXEC);
	assert_ok(remote_moved_vdso(h.remote, &h.tracee, to, &h.e), &h.e);
	assert_ok(remote_close(h.remote, &h.tracee, &h.e), &h.e);
	/* A caller that forgot to say so is forgiven. */
	assert_ok(remote_open(&h.remote, &h.tracee, 0, &h.e), &h.e);
	assert_ok(remote_call(h.remote, &h.tracee, "move back", &got, SYS_mremap, 5,
			      (uint64_t[]){ to, end - vdso, end - vdso,
					    MREMAP_MAYMOVE | MREMAP_FIXED, vdso },
			      &h.e),
		  &h.e);
	let_go(&h);
}

static void no_writable_code(struct shared *shm)
{
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
	shm->value[0] = prctl(PR_SET_MDWE, 1, 0, 0, 0);
	sleeper(shm);
}

static void test_memory_deny_write_execute(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct held h;

	(void)state;
	batch_call(b, "ask", SYS_getppid, ARG(0));
	hold(&h, no_writable_code);
	assert_int_equal(h.target.shm->value[0], 0);
	run(&h, b);
	let_go(&h);
}

/* ---- threads --------------------------------------------------------------- */

#define NR_THREADS 4

static struct shared *threads_shm;

static void *thread_body(void *arg)
{
	long i = (long)arg;

	threads_shm->value[i] = gettid();
	threads_shm->step++;
	while (!threads_shm->go)
		usleep(1000);
	return NULL;
}

static void threads(struct shared *shm)
{
	pthread_t thread[NR_THREADS];

	threads_shm = shm;
	for (long i = 1; i < NR_THREADS; i++)
		pthread_create(&thread[i], NULL, thread_body, (void *)i);
	thread_body((void *)0);
	for (long i = 1; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void test_threads_share_a_foothold(void **state)
{
	struct target target = target_start(threads);
	struct tracee tracee[NR_THREADS];
	struct remote *r;
	struct err e = ERR_INIT;
	int64_t got;

	(void)state;
	wait_step(&target, NR_THREADS);
	for (int i = 0; i < NR_THREADS; i++)
		assert_ok(tracee_seize(&tracee[i], (pid_t)target.shm->value[i], &e), &e);
	assert_ok(remote_open(&r, &tracee[1], 0, &e), &e);
	for (int turn = 0; turn < 3; turn++)
		for (int i = 0; i < NR_THREADS; i++) {
			assert_ok(remote_call(r, &tracee[i], "who", &got, SYS_gettid, 0, NULL, &e),
				  &e);
			assert_int_equal(got, target.shm->value[i]);
		}
	assert_ok(remote_close(r, &tracee[0], &e), &e);
	for (int i = 0; i < NR_THREADS; i++)
		assert_ok(tracee_release(&tracee[i], &e), &e);
	target.shm->go = 1;
	target_join(&target);
}

static void test_new_threads_and_children(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct tracee thread, child;
	size_t clone_at, fork_at;
	struct held h;
	int64_t got;

	(void)state;
	clone_at = batch_call(b, "make a thread", SYS_clone,
			      ARG(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				  CLONE_SYSVSEM),
			      ARG(0), ARG(0), ARG(0), ARG(0));
	fork_at = batch_call(b, "make a child", SYS_clone, ARG(SIGCHLD), ARG(0), ARG(0), ARG(0),
			     ARG(0));
	batch_call(b, "go on", SYS_getpid, ARG(0));
	hold(&h, sleeper);
	run(&h, b);
	assert_ok(tracee_adopt(&thread, (pid_t)batch_result(b, clone_at), &h.e), &h.e);
	assert_ok(tracee_adopt(&child, (pid_t)batch_result(b, fork_at), &h.e), &h.e);
	assert_ok(remote_call(h.remote, &thread, "who", &got, SYS_gettid, 0, NULL, &h.e), &h.e);
	assert_int_equal(got, batch_result(b, clone_at));
	assert_ok(remote_call(h.remote, &thread, "exit", &got, SYS_getppid, 0, NULL, &h.e), &h.e);
	assert_int_equal(got, getpid());
	kill(child.tid, SIGKILL);
	assert_int_equal(tracee_release(&child, &h.e), -ESRCH);
	kill(h.target.pid, SIGKILL);
	tracee_release(&thread, &h.e);
	assert_int_equal(remote_close(h.remote, &h.tracee, &h.e), 0);
	target_kill(&h.target);
}

/* ---- ends ------------------------------------------------------------------- */

static void add_sleep(struct batch *b, long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	batch_call(b, "sleep", SYS_nanosleep, ARG_AT(batch_data(b, &time, sizeof(time))), ARG(0));
}

static pid_t kill_later(pid_t pid, unsigned int ms)
{
	pid_t killer = fork();

	if (killer == 0) {
		usleep(ms * 1000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	return killer;
}

static void test_killed_in_a_batch(void **state)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct held h;
	pid_t killer;

	(void)state;
	add_sleep(b, 10000);
	hold(&h, sleeper);
	killer = kill_later(h.target.pid, 50);
	assert_int_equal(remote_run(h.remote, &h.tracee, b, &h.e), -ESRCH);
	assert_int_equal(h.e.code, -ESRCH);
	assert_non_null(strstr(h.e.msg, "has ended"));
	assert_int_equal(remote_run(h.remote, &h.tracee, b, &h.e), -ESRCH);
	assert_int_equal(remote_close(h.remote, &h.tracee, &h.e), 0);
	assert_int_equal(tracee_release(&h.tracee, &h.e), -ESRCH);
	waitpid(killer, NULL, 0);
	target_kill(&h.target);
}

static void test_killed_while_held(void **state)
{
	struct held h;
	struct remote *r;
	int64_t got;

	(void)state;
	hold(&h, sleeper);
	kill(h.target.pid, SIGKILL);
	assert_int_equal(remote_call(h.remote, &h.tracee, "ask", &got, SYS_getpid, 0, NULL, &h.e),
			 -ESRCH);
	assert_int_equal(remote_open(&r, &h.tracee, 0, &h.e), -ESRCH);
	assert_int_equal(remote_close(h.remote, &h.tracee, &h.e), 0);
	assert_int_equal(tracee_release(&h.tracee, &h.e), -ESRCH);
	assert_int_equal(tracee_seize(&h.tracee, h.target.pid, &h.e), -ESRCH);
	target_kill(&h.target);
}

/* The end of a leader is not reported while its other threads are not waited for. */
static void kill_with_threads(bool leader_first)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct target target = target_start(threads);
	struct tracee tracee[NR_THREADS];
	struct remote *r;
	struct err e = ERR_INIT;
	pid_t killer;

	wait_step(&target, NR_THREADS);
	for (int i = 0; i < NR_THREADS; i++)
		assert_ok(tracee_seize(&tracee[i], (pid_t)target.shm->value[i], &e), &e);
	assert_ok(remote_open(&r, &tracee[0], 0, &e), &e);
	add_sleep(b, 10000);
	killer = kill_later(target.pid, 50);
	assert_int_equal(remote_run(r, &tracee[0], b, &e), -ESRCH);
	assert_int_equal(remote_close(r, &tracee[0], &e), 0);
	for (int i = 0; i < NR_THREADS; i++)
		assert_int_equal(tracee_release(&tracee[leader_first ? i : NR_THREADS - 1 - i], &e),
				 -ESRCH);
	waitpid(killer, NULL, 0);
	target_kill(&target);
}

static void test_killed_with_threads(void **state)
{
	(void)state;
	kill_with_threads(true);
	kill_with_threads(false);
}

/* A batch call that takes the stub's own page away: an error, not a hang. */
static void test_fault_in_a_batch(void **state)
{
	struct held h;
	int64_t got;

	(void)state;
	hold(&h, sleeper);
	assert_int_equal(remote_call(h.remote, &h.tracee, "saw the branch off", &got, SYS_munmap, 2,
				     (uint64_t[]){ remote_address(h.remote), 4096 }, &h.e),
			 -EFAULT);
	assert_non_null(strstr(h.e.msg, "Segmentation fault"));
	remote_close(h.remote, &h.tracee, &h.e);
	assert_ok(tracee_release(&h.tracee, &h.e), &h.e);
	target_kill(&h.target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_data_is_aligned_and_kept),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_results_as_arguments),
		cmocka_unit_test(test_results_over_parts),
		cmocka_unit_test(test_failed_call_is_named),
		cmocka_unit_test(test_unexpected_result),
		cmocka_unit_test(test_large_results_are_no_errors),
		cmocka_unit_test(test_pointers_in_data),
		cmocka_unit_test(test_data_in_parts),
		cmocka_unit_test(test_argument), cmocka_unit_test(test_data_too_large),
		cmocka_unit_test(test_foothold_leaves_nothing),
		cmocka_unit_test(test_foothold_never_replaces),
		cmocka_unit_test(test_without_vdso),
		cmocka_unit_test(test_moved_vdso),
		cmocka_unit_test(test_memory_deny_write_execute),
		cmocka_unit_test(test_threads_share_a_foothold),
		cmocka_unit_test(test_new_threads_and_children),
		cmocka_unit_test(test_killed_in_a_batch),
		cmocka_unit_test(test_killed_while_held),
		cmocka_unit_test(test_killed_with_threads),
		cmocka_unit_test(test_fault_in_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
