// SPDX-License-Identifier: GPL-2.0-only
/* Pieces of work that take turns: src/remote/together.c */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "remote/together.h"
#include "remote/trace.h"
#include "remote/tracee.h"

#define NR 40

static size_t said[256], nr_said;

/* Says its number, waits, and says it again. */
static int twice(void *arg, size_t i, struct err *e)
{
	(void)arg, (void)e;
	said[nr_said++] = i;
	together_wait(true);
	said[nr_said++] = i;
	return 0;
}

static void test_they_take_turns(void **state)
{
	struct err e = ERR_INIT;
	bool done[NR] = { false };
	size_t begun = 0;

	(void)state;
	nr_said = 0;
	assert_int_equal(together(NR, twice, NULL, &e), 0);
	assert_int_equal(nr_said, 2 * NR);
	/* The second waits for nobody: it begins while the first waits. */
	assert_int_equal(said[0], 0);
	assert_int_equal(said[1], 1);
	for (size_t i = 0; i < nr_said; i++) {
		if (said[i] == begun)
			begun++;		/* in order */
		else
			assert_true(said[i] < begun && !done[said[i]]);
		if (said[i] + 1 != begun)
			done[said[i]] = true;
	}
	assert_int_equal(begun, NR);
}

static void test_alone_there_is_nobody_to_wait_for(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_false(together_wait(true));
	nr_said = 0;
	assert_int_equal(together(1, twice, NULL, &e), 0);
	assert_int_equal(nr_said, 2);
	assert_int_equal(together(0, twice, NULL, &e), 0);
	assert_int_equal(nr_said, 2);
}

/* The third fails while the others wait for it. */
static int third_fails(void *arg, size_t i, struct err *e)
{
	size_t *ended = arg;

	if (i == 2)
		return err_set(e, -EIO, "the third failed");
	while (together_wait(false))
		;
	++*ended;
	return i == 1 ? err_set(e, -ENOENT, "so did another, later") : 0;
}

static void test_the_first_failure_counts(void **state)
{
	struct err e = ERR_INIT;
	size_t ended = 0;

	(void)state;
	assert_int_equal(together(NR, third_fails, &ended, &e), -EIO);
	assert_string_equal(e.msg, "the third failed");
	/* Those that had begun came to their end, no others began. */
	assert_true(ended >= 2 && ended < NR - 1);
}

static int nest(void *arg, size_t i, struct err *e)
{
	size_t before = nr_said;

	(void)i;
	if (together(3, twice, arg, e) < 0)
		return e->code;
	/* Others had their turns meanwhile, but these three were done one by one. */
	return nr_said - before >= 6 ? 0 : err_set(e, -EPROTO, "%zu", nr_said - before);
}

static void test_within_a_piece_all_is_as_ever(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	nr_said = 0;
	assert_int_equal(together(4, nest, NULL, &e), 0);
	assert_int_equal(nr_said, 4 * 6);
}

/* errno is each piece's own. */
static int keeps_errno(void *arg, size_t i, struct err *e)
{
	(void)arg;
	errno = (int)i + 1;
	together_wait(true);
	return errno == (int)i + 1 ? 0 : err_set(e, -EPROTO, "errno of %zu is %d", i, errno);
}

static void test_errno_stays(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(together(NR, keeps_errno, NULL, &e), 0);
}

static pid_t children[NR];

/* Many round trips to one of many threads. */
static int trace_child(void *arg, size_t i, struct err *e)
{
	struct tracee t;
	struct stop stop;
	int r = tracee_seize(&t, children[i], e);

	(void)arg;
	for (int trip = 0; r == 0 && trip < 20; trip++)
		r = trace_do(PTRACE_INTERRUPT, t.tid, 0, 0, "interrupting", e) ?:
		    trace_do(PTRACE_CONT, t.tid, 0, 0, "running", e) ?: stop_wait(t.tid, STOP_TIMEOUT_MS, &stop, e);
	return r ?: tracee_release(&t, e);
}

static void test_threads_are_stopped_together(void **state)
{
	struct err e = ERR_INIT;
	int status;

	(void)state;
	for (size_t i = 0; i < NR; i++) {
		children[i] = fork();
		if (children[i] == 0)
			for (;;)
				pause();
	}
	if (together(NR, trace_child, NULL, &e) < 0)
		fail_msg("%s", e.msg);
	/* One that has ended is told of, and the others are let go all the same. */
	kill(children[7], SIGKILL);
	waitpid(children[7], &status, 0);
	assert_int_equal(together(NR, trace_child, NULL, &e), -ESRCH);
	for (size_t i = 0; i < NR; i++)
		kill(children[i], SIGKILL);
	for (size_t i = 0; i < NR; i++)
		waitpid(children[i], &status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_they_take_turns), cmocka_unit_test(test_alone_there_is_nobody_to_wait_for),
		cmocka_unit_test(test_the_first_failure_counts), cmocka_unit_test(test_within_a_piece_all_is_as_ever),
		cmocka_unit_test(test_errno_stays), cmocka_unit_test(test_threads_are_stopped_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
