// SPDX-License-Identifier: GPL-2.0-only
/* Stages of a command: when signals are heard, and how tests kill cpt there. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/stage.h"

static int status_of(void (*child)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		child();
		_exit(7);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void goes_through(void)
{
	struct err e = ERR_INIT;
	size_t nr;

	stage_hear_signals();
	if (stage("one", &e) != 0 || stage("two", &e) != 0 || stage_signal() != 0)
		_exit(1);
	if (strcmp(stage_times(&nr)[1].name, "two") || nr != 2)
		_exit(2);
}

static void hears(void)
{
	struct err e = ERR_INIT;

	stage_hear_signals();
	raise(SIGTERM);
	if (stage("one", &e) != -EINTR || stage_signal() != SIGTERM || !strstr(e.msg, "SIGTERM") || !strstr(e.msg, "one"))
		_exit(1);
}

static void hears_once(void)
{
	hears();
	raise(SIGTERM);
}

static void hears_nothing_ignored(void)
{
	struct err e = ERR_INIT;

	signal(SIGHUP, SIG_IGN);
	stage_hear_signals();
	raise(SIGHUP);
	if (stage("one", &e) != 0)
		_exit(1);
}

static void hears_no_more(void)
{
	struct err e = ERR_INIT;

	stage_hear_signals();
	stage_hear_no_signals();
	raise(SIGINT);
	raise(SIGINT);
	if (stage("one", &e) != 0)
		_exit(1);
}

static void killed(void)
{
	struct err e = ERR_INIT;

	setenv("CPT_KILL_AT", "two", 1);
	if (stage("one", &e) == 0)
		stage("two", &e);
}

static void killed_otherwise(void)
{
	struct err e = ERR_INIT;

	setenv("CPT_KILL_AT", "two:TERM", 1);
	if (stage("two-and-a-half", &e) == 0)
		stage("two", &e);
}

static void test_stages(void **state)
{
	(void)state;
	assert_int_equal(status_of(goes_through), 7);
}

static void test_signals(void **state)
{
	(void)state;
	assert_int_equal(status_of(hears), 7);
	assert_int_equal(status_of(hears_once), 128 + SIGTERM);
	assert_int_equal(status_of(hears_nothing_ignored), 7);
	assert_int_equal(status_of(hears_no_more), 7);
}

static void test_kill_at(void **state)
{
	(void)state;
	assert_int_equal(status_of(killed), 128 + SIGKILL);
	assert_int_equal(status_of(killed_otherwise), 128 + SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stages), cmocka_unit_test(test_signals), cmocka_unit_test(test_kill_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
