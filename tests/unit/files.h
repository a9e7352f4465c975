/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saves the descriptors of a child and opens them anew in the test itself, for
 * tests of what descriptors refer to. The child is made by a function that
 * opens things; it is stopped while it is saved, and killed before its files
 * are made again.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "base/util.h"
#include "state/deleted_file.h"
#include "state/file.h"
#include "state/live_parts.h"
#include "state/outside.h"

struct world {
	pid_t pid;
	struct live live;
	struct live_process process;
	struct save save;
	struct restore restore;
	const struct outside_choice *choices;	/* for world_restore() */
	size_t nr_choices;
	struct err err;
};

/* In the child: what is not so ends it. */
static inline void expect(int what)
{
	if (!what)
		_exit(1);
}

static inline void world_child(void (*setup)(void))
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, UINT_MAX, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setup();
	raise(SIGSTOP);
	_exit(0);
}

static inline void world_begin(struct world *w, void (*setup)(void))
{
	char path[32];
	int status;

	*w = (struct world){ .pid = fork() };
	if (w->pid == 0)
		world_child(setup);
	assert_int_equal(waitpid(w->pid, &status, WUNTRACED), w->pid);
	assert_true(WIFSTOPPED(status));
	snprintf(path, sizeof(path), "/proc/%d", w->pid);
	w->process = (struct live_process){ .pid = w->pid, .ppid = getpid(), .comm = "child" };
	w->process.proc_fd = open(path, O_DIRECTORY | O_CLOEXEC);
	w->process.pidfd = pidfd_open(w->pid, 0);
	w->live = (struct live){ .cgroup_fd = -1, .processes = &w->process, .nr_processes = 1, .frozen = true };
	assert_int_equal(live_read_files(&w->live, &w->err), 0);
}

/* Save as a snapshot does (a second time: afresh). Refusals are for the test to look at. */
static inline int world_save(struct world *w)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);

	image_freep(&w->save.img);
	w->save.live = &w->live;
	w->save.frozen = true;
	w->save.img = image_new(tables, nr);
	return files_look(&w->save, &w->err) ?: files_save(&w->save, &w->err) ?: fd_kind.save_process(&w->save, &w->process, &w->err);
}

static inline void world_kill(struct world *w)
{
	for (size_t i = 0; i < w->live.nr_files; i++)
		close_fd(&w->live.files[i]->own);
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	w->pid = 0;
}

static inline int world_restore(struct world *w)
{
	w->restore = (struct restore){
		.img = w->save.img, .cgroup_fd = -1, .choices = w->choices, .nr_choices = w->nr_choices,
	};
	return outside_kind.check(&w->restore, &w->err) ?: deleted_file_kind.check(&w->restore, &w->err) ?: files_check(&w->restore, &w->err) ?:
	       deleted_file_kind.restore_container(&w->restore, &w->err) ?: files_restore(&w->restore, &w->err) ?:
	       files_connect(&w->restore, &w->err) ?: files_finish(&w->restore, &w->err);
}

/* Save, kill, restore; all must succeed. */
static inline void world_turn(struct world *w, void (*setup)(void))
{
	world_begin(w, setup);
	if (world_save(w) < 0)
		fail_msg("save: %s", w->err.msg);
	for (size_t i = 0; i < w->save.nr_refusals; i++)
		print_error("refused: %s: %s\n", w->save.refusals[i].object, w->save.refusals[i].reason);
	assert_int_equal(w->save.nr_refusals, 0);
	world_kill(w);
	if (world_restore(w) < 0)
		fail_msg("restore: %s (%s)", w->err.msg, w->err.advice);
}

/* The descriptor of ours that is what number @fd was in the child. */
static inline int world_fd(struct world *w, int fd)
{
	const struct fd_row *row;

	image_for_each(row, w->restore.img, &fd_table)
		if (row->fd == fd)
			return w->restore.file_fds[row->file];
	fail_msg("descriptor %d was not saved", fd);
	return -1;
}

/* Set up, and expect exactly one refusal, whose reason contains @reason. */
static inline void world_refused(void (*setup)(void), const char *reason);

static inline void world_end(struct world *w)
{
	void restore_clear(struct restore *r);

	if (w->pid > 0)
		world_kill(w);
	restore_clear(&w->restore);
	for (size_t i = 0; i < w->save.nr_refusals; i++) {
		free(w->save.refusals[i].object);
		free(w->save.refusals[i].reason);
		free(w->save.refusals[i].advice);
		free(w->save.refusals[i].outside);
	}
	free(w->save.refusals);
	image_freep(&w->save.img);
	live_free_files(&w->live);
	for (size_t i = 0; i < w->process.nr_fds; i++)
		free(w->process.fds[i].locks);
	free(w->process.fds);
	close_fd(&w->process.proc_fd);
	close_fd(&w->process.pidfd);
}

static inline void world_refused(void (*setup)(void), const char *reason)
{
	struct world w;

	world_begin(&w, setup);
	assert_int_equal(world_save(&w), 0);
	for (size_t i = 1; i < w.save.nr_refusals; i++)
		print_error("and refused: %s: %s\n", w.save.refusals[i].object, w.save.refusals[i].reason);
	assert_int_equal(w.save.nr_refusals, 1);
	if (!strstr(w.save.refusals[0].reason, reason))
		fail_msg("the reason is: %s", w.save.refusals[0].reason);
	assert_non_null(w.save.refusals[0].advice);
	world_end(&w);
}
