// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pseudo terminals: rows of a catalog that can't be are refused before anything is made, and so is what waits in a
 * pty and can't be saved.
 */
#include "unit/files.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include "state/process.h"
#include "state/pty.h"

struct rows {
	struct image *img;
	struct pty_row *pty;
	struct pty_end_row *master, *slave;
	struct file_row *files;
	struct process_row *processes;
};

/* A pty whose ends are files 0 and 1, the terminal of a session of processes 10 and 11. */
static void rows_make(struct rows *r)
{
	static char chars[19];
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);

	r->img = image_new(tables, nr);
	for (int i = 0; i < 2; i++)
		*(struct file_row *)image_add(r->img, &file_table) =
			(struct file_row){ .file = i, .kind = image_strdup(r->img, "pty_end"), .flags = O_RDWR };
	for (int i = 0; i < 2; i++)
		*(struct process_row *)image_add(r->img, &process_table) =
			(struct process_row){ .process = 10 + i, .session = 10, .pgrp = 10 + i };
	*(struct pty_end_row *)image_add(r->img, &pty_end_table) = (struct pty_end_row){ 0, 0, PTY_MASTER, 0, NULL };
	*(struct pty_end_row *)image_add(r->img, &pty_end_table) =
		(struct pty_end_row){ 1, 0, PTY_SLAVE, 0, image_strdup(r->img, "/dev/pts/3") };
	*(struct pty_row *)image_add(r->img, &pty_table) = (struct pty_row){
		.number = 3, .ptmx = image_strdup(r->img, "/dev/ptmx"), .mount_ns = COLUMN_NULL, .output = COLUMN_NULL,
		.control_characters = image_blob(r->img, chars, sizeof(chars)), .foreground = 11,
	};
	for (int64_t i = 0; i < 2; i++) {
		int64_t *process = image_add(r->img, &pty_process_table);	/* process, pty */

		process[0] = 10 + i;
	}
	r->pty = image_rows(r->img, &pty_table, &nr);
	r->master = image_rows(r->img, &pty_end_table, &nr);
	r->slave = r->master + 1;
	r->files = image_rows(r->img, &file_table, &nr);
	r->processes = image_rows(r->img, &process_table, &nr);
}

static int rows_check(struct rows *r)
{
	struct restore restore = { .img = r->img };
	struct err e = ERR_INIT;
	int ret = pty_kind.check(&restore, &e) ?: pty_end_kind.check(&restore, &r->files[0], &e) ?:
		  pty_end_kind.check(&restore, &r->files[1], &e);

	image_freep(&r->img);
	return ret;
}

static void test_good(void **state)
{
	struct rows r;

	(void)state;
	rows_make(&r);
	assert_int_equal(rows_check(&r), 0);
}

#define BAD(change) do { struct rows r; rows_make(&r); change; assert_int_equal(rows_check(&r), -EBADMSG); } while (0)

static void test_bad_pairs(void **state)
{
	(void)state;
	BAD(r.pty->master = 1);			/* a slave */
	BAD(r.pty->master = 2);			/* nothing */
	BAD(r.pty->master = COLUMN_NULL);	/* but it has control characters, a session, a slave that is not hung up */
	BAD(r.pty->pty = 1);			/* no end is of it */
	BAD(r.pty->pty = 2);
	BAD(r.pty->control_characters.len = 18);
	BAD(r.pty->control_characters.len = 0);
	BAD(r.pty->foreground = 12);		/* no process */
	BAD(r.pty->foreground = COLUMN_NULL);	/* but it is a terminal of processes */
}

static void test_bad_ends(void **state)
{
	(void)state;
	BAD(r.slave->pty = 1);
	BAD(r.slave->type = PTY_MASTER);
	BAD(r.master->type = PTY_SLAVE);
	BAD(r.slave->path = NULL);
	BAD(r.slave->hung = 1);			/* and has a path */
	BAD(r.master->hung = 1);
	BAD(r.master->path = r.slave->path);
	BAD(r.slave->file = 2);
	BAD(r.files[1].kind = image_strdup(r.img, "pipe"));
}

static void test_bad_sessions(void **state)
{
	(void)state;
	BAD(r.processes[1].process = 12);	/* pty_process has one that is not there */
	BAD(r.processes[1].session = 11);	/* whose leader has it, but the other leader too */
	BAD(r.processes[0].session = 11);
}

/* ---- saving ----------------------------------------------------------- */

/* Descriptors 3 and 4: a pty, in a session that has no controlling terminal. */
static void make_pty(void)
{
	int master, slave;

	if (setsid() < 0 || openpty(&master, &slave, NULL, NULL, NULL) < 0 || master != 3 || slave != 4)
		_exit(1);
}

static void make_input(void)
{
	char echo[16];

	make_pty();
	if (write(3, "a line\n", 7) != 7 || read(3, echo, sizeof(echo)) <= 0)
		_exit(1);
}

static void make_much_output(void)
{
	static char text[4096];
	int arrived;

	make_pty();
	memset(text, 'x', sizeof(text));
	if (fcntl(4, F_SETFL, O_NONBLOCK) < 0 || write(4, text, sizeof(text)) != sizeof(text))
		_exit(1);
	while (ioctl(3, FIONREAD, &arrived) == 0 && arrived < 4095)
		usleep(1000);
}

static void make_stopped(void)
{
	make_pty();
	if (tcflow(4, TCOOFF) < 0)
		_exit(1);
}

static void make_closed_locked(void)
{
	int on = 1;

	make_pty();
	if (close(4) < 0 || ioctl(3, TIOCSPTLCK, &on) < 0)
		_exit(1);
}

static void test_refused(void **state)
{
	(void)state;
	world_refused(make_input, "7 bytes of input wait in it");
	world_refused(make_much_output, "more output waits in it than");
	world_refused(make_stopped, "its output is stopped");
	world_refused(make_closed_locked, "its other end is closed, and locked");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good), cmocka_unit_test(test_bad_pairs), cmocka_unit_test(test_bad_ends),
		cmocka_unit_test(test_bad_sessions), cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
