// SPDX-License-Identifier: GPL-2.0-only
/* Stages of a command, see stage.h. Of the process as a whole, like its signals. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/stage.h"
#include "base/util.h"

static volatile sig_atomic_t heard;
static struct stage_time times[32];
static size_t nr_times;

static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

/* SA_RESETHAND: the next one is not heard here. */
static void hear(int signal)
{
	heard = signal;
}

static void on_signals(void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART | (int)SA_RESETHAND };
	struct sigaction now;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		/* What nohup(1) or a shell's `&` has cpt ignore it ignores. */
		if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

void stage_hear_signals(void)
{
	on_signals(hear);
}

void stage_hear_no_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int stage_signal(void)
{
	return heard;
}

/* By name, or SIGKILL. */
static int signal_named(const char *name)
{
	for (int i = 1; name && i < NSIG; i++)
		if (sigabbrev_np(i) && strcmp(sigabbrev_np(i), name) == 0)
			return i;
	return SIGKILL;
}

void stage_point(const char *name)
{
	const char *at = secure_getenv("CPT_KILL_AT");
	size_t len = strlen(name);

	if (at && strncmp(at, name, len) == 0 && (at[len] == ':' || !at[len]))
		kill(getpid(), signal_named(at[len] ? at + len + 1 : NULL));
}

int stage(const char *name, struct err *e)
{
	if (nr_times < ARRAY_SIZE(times))
		times[nr_times++] = (struct stage_time){ name, now_ns() };
	stage_point(name);
	if (!heard)
		return 0;
	return err_set(e, -EINTR, "interrupted by SIG%s before the stage \"%s\"", sigabbrev_np(heard), name);
}

const struct stage_time *stage_times(size_t *ret_nr)
{
	*ret_nr = nr_times;
	return times;
}
