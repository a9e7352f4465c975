// SPDX-License-Identifier: GPL-2.0-only
/*
 * What waits in a pty, and can't be read without a trace: output that its
 * master has not read, and a line that is being typed. A task that has the
 * master looks, in one batch: it takes the output out, presses a key that shows
 * the line, takes out what that gave, and puts the output back, with modes for
 * the time being in which nothing is changed on the way. Should cpt die
 * meanwhile, the batch still goes on to its end (stub.S).
 */
#include <asm/termbits.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "state/bytes.h"
#include "state/pty_look.h"

#define ECHO_WAIT_MS 10000
/* Each takes what the line discipline has, up to 4095 bytes. Behind that can wait 8192 and some (pty_common_install()). */
#define NR_READS 4

/* ---- the look --------------------------------------------------------- */

struct plan {
	struct batch *b;
	int fd;			/* of the master, in the task */
	size_t modes[3];	/* data: for the key, for output, the pty's own */
	size_t output[NR_READS], echo[NR_READS];	/* data that reads fill */
	size_t slave, take[NR_READS], put[NR_READS], typed, seen, see[NR_READS];	/* calls */
};

/*
 * @as with no special character but the one of @index, which is *@key, and with what that takes. Those of flow
 * control stay, or a master in packet mode would be told of a change (pty_set_termios()); ICANON too, or what was
 * typed would become a line (n_tty_set_termios()).
 */
static struct termios2 modes_for_key(const struct termios2 *as, int index, cc_t *key)
{
	struct termios2 t = *as;

	*key = 0x12;
	while (*key == as->c_cc[VSTART] || *key == as->c_cc[VSTOP])
		(*key)++;
	t.c_iflag &= IXON;
	t.c_oflag &= ~(tcflag_t)OPOST;
	t.c_lflag = ICANON | IEXTEN | ECHO;
	memset(t.c_cc, 0, sizeof(t.c_cc));
	t.c_cc[VSTART] = as->c_cc[VSTART];
	t.c_cc[VSTOP] = as->c_cc[VSTOP];
	t.c_cc[index] = *key;
	return t;
}

static size_t plan_call(struct plan *p, const char *why, long nr, struct batch_arg a, struct batch_arg b)
{
	size_t call = batch_call(p->b, why, nr, ARG(p->fd), a, b);

	batch_may_fail(p->b, call);	/* what comes after has to be done in any case */
	return call;
}

static void plan_modes(struct plan *p, int which)
{
	plan_call(p, "set the modes of a pty for a moment", SYS_ioctl, ARG(TCSETS2), ARG_AT(p->modes[which]));
}

/* Everything: one that finds nothing waits for what is on the way (n_tty_read()), then fails. */
static void plan_reads(struct plan *p, const char *why, size_t *data, size_t *calls)
{
	for (int i = 0; i < NR_READS; i++) {
		data[i] = batch_data(p->b, NULL, PTY_QUEUE_LONGEST);
		calls[i] = plan_call(p, why, SYS_read, ARG_AT(data[i]), ARG(PTY_QUEUE_LONGEST));
	}
}

/* With the line discipline's lock, which TCSETS takes, the echo is complete before the modes change. */
static void plan_key(struct plan *p, cc_t key)
{
	struct pollfd poll = { .fd = p->fd, .events = POLLIN };

	p->typed = plan_call(p, "press a key", SYS_write, ARG_AT(batch_data(p->b, &key, 1)), ARG(1));
	p->seen = batch_call(p->b, "see its echo", SYS_poll, ARG_AT(batch_data(p->b, &poll, sizeof(poll))), ARG(1),
			     ARG(ECHO_WAIT_MS));
	batch_may_fail(p->b, p->seen);
	plan_modes(p, 1);
	plan_reads(p, "read its echo", p->echo, p->see);
}

/* What came first has to arrive before there is room for more. What was not read has no length that can be written. */
static void plan_put(struct plan *p)
{
	struct pollfd poll = { .fd = p->fd, .events = POLLIN };

	for (int i = 0; i < NR_READS; i++) {
		p->put[i] = batch_call(p->b, "put the output back", SYS_write, ARG_OF(p->slave), ARG_AT(p->output[i]),
				       ARG_OF(p->take[i]));
		batch_may_fail(p->b, p->put[i]);
		if (i == 0)
			batch_may_fail(p->b, batch_call(p->b, "see it arrive", SYS_poll,
							ARG_AT(batch_data(p->b, &poll, sizeof(poll))), ARG(1),
							ARG(ECHO_WAIT_MS)));
	}
}

static void plan_make(struct plan *p, const struct pty_row *row, struct open_file *master, const struct pty_look *l,
		      const struct termios2 *as)
{
	struct termios2 for_output = *as, for_key = modes_for_key(as, l->key_index, &(cc_t){ 0 });
	int off = 0, on = 1;

	for_output.c_oflag &= ~(tcflag_t)OPOST;
	p->b = batch_new();
	p->fd = master->fd;
	p->modes[0] = batch_data(p->b, &for_key, sizeof(for_key));
	p->modes[1] = batch_data(p->b, &for_output, sizeof(for_output));
	p->modes[2] = batch_data(p->b, as, sizeof(*as));
	if (l->waiting)		/* the one call that may end it: nothing is done yet */
		p->slave = batch_call(p->b, "open the slave of a pty", SYS_ioctl, ARG(p->fd), ARG(TIOCGPTPEER),
				      ARG(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
	plan_call(p, "let no read wait", SYS_fcntl, ARG(F_SETFL), ARG(master->flags | O_NONBLOCK));
	if (row->packets)
		plan_call(p, "leave packet mode", SYS_ioctl, ARG(TIOCPKT), ARG_AT(batch_data(p->b, &off, sizeof(off))));
	plan_modes(p, l->key_index ? 0 : 1);
	if (l->waiting)
		plan_reads(p, "take the output out", p->output, p->take);
	if (l->key_index)
		plan_key(p, for_key.c_cc[l->key_index]);
	if (l->waiting)
		plan_put(p);
	plan_modes(p, 2);
	if (row->packets)
		plan_call(p, "go back to packet mode", SYS_ioctl, ARG(TIOCPKT),
			  ARG_AT(batch_data(p->b, &on, sizeof(on))));
	plan_call(p, "set the flags back", SYS_fcntl, ARG(F_SETFL), ARG(master->flags));
	if (l->waiting)
		batch_call(p->b, "close the slave of a pty", SYS_close, ARG_OF(p->slave));
}

static size_t collect(const struct plan *p, const size_t *data, const size_t *calls, char *buf)
{
	size_t len = 0;

	for (int i = 0; i < NR_READS; i++) {
		int64_t n = batch_result(p->b, calls[i]);

		if (n <= 0)
			continue;
		memcpy(buf + len, batch_data_at(p->b, data[i]), (size_t)n);
		len += (size_t)n;
	}
	return len;
}

/* How much of what was taken did not go back? */
static int64_t missing(const struct plan *p)
{
	int64_t nr = 0;

	for (int i = 0; i < NR_READS; i++)
		if (batch_result(p->b, p->take[i]) > 0)
			nr += batch_result(p->b, p->take[i]) - max(batch_result(p->b, p->put[i]), (int64_t)0);
	return nr;
}

static int plan_take(const struct plan *p, struct pty_look *l, struct err *e)
{
	if (l->waiting && missing(p))
		return err_set(e, -EIO, "of the output that waited %ld bytes did not go back", missing(p));
	l->nr_output = l->waiting ? collect(p, p->output, p->take, l->output) : 0;
	l->nr_echo = l->key_index ? collect(p, p->echo, p->see, l->echo) : 0;
	if (l->key_index && (batch_result(p->b, p->typed) != 1 || batch_result(p->b, p->seen) != 1))
		return err_set(e, -EIO, "pressing a key gave %ld, waiting for its echo %ld", batch_result(p->b, p->typed),
			       batch_result(p->b, p->seen));
	return 0;
}

int pty_look(const struct pty_row *row, struct open_file *master, struct pty_look *l, struct err *e)
{
	struct live_process *task = master->process;
	struct termios2 as;
	struct plan p = { 0 };
	int r;

	if (ioctl(master->own, TCGETS2, &as) < 0)
		return err_sys(e, "read the modes of a pty");
	modes_for_key(&as, l->key_index, &l->key);
	plan_make(&p, row, master, l, &as);
	assert(remote_holds(p.b));
	r = remote_run(task->remote, &task->threads[0].tracee, p.b, e) ?: plan_take(&p, l, e);
	batch_free(p.b);
	return r;
}

/* ---- saving ----------------------------------------------------------- */

static void refuse(struct save *s, struct open_file *f, const char *advice, const char *reason)
{
	char name[256];

	save_refuse(s, f->process, open_file_name(f, name), advice, "%s", reason);
}

/* A look at it has to be one that nobody sees, and that can't fail half-way. */
static bool refuse_look(struct save *s, const struct pty_row *row, struct open_file *master, const struct pty_look *l)
{
	const char *why = NULL;

	if ((master->flags & O_ACCMODE) != O_RDWR || (master->flags & O_ASYNC))
		why = "its master can't be both read and written, or tells of input by SIGIO";
	else if (l->waiting && (row->locked || row->exclusive))
		why = "output waits in it, and its other end can't be opened to look at that";
	else if (l->waiting >= PTY_QUEUE_LONGEST - 1)	/* there may be more, which FIONREAD does not count */
		why = "more output waits in it than cpt can take out and put back at once";
	if (why)
		refuse(s, master, "let its master be read first, then take the snapshot again", why);
	return why;
}

static int look_save(struct save *s, struct pty_row *row, struct open_file *master, size_t output, struct err *e)
{
	bool canonical = (row->local_modes & ICANON) && !(row->local_modes & EXTPROC);
	struct pty_look l = { .waiting = output, .key_index = canonical ? VREPRINT : 0 };
	int r;

	if ((!output && !canonical) || refuse_look(s, row, master, &l))
		return 0;
	r = pty_look(row, master, &l, e);
	if (r < 0)
		return r;
	if (l.nr_output) {
		row->output = bytes_new(s);
		bytes_add(s, row->output, l.output, l.nr_output);
	}
	return canonical ? pty_line_save(s, row, master, &l, e) : 0;
}

/*
 * As FIONREAD counts it, which is what has arrived. If some has, nothing waits for the rest (n_tty_poll()): give
 * the kernel's worker the time to bring it.
 */
static int count_output(int master, int *ret)
{
	int before;

	if (ioctl(master, FIONREAD, ret) < 0)
		return -errno;
	for (int tries = 0; *ret && tries < 100; tries++) {
		before = *ret;
		usleep(2000);
		if (ioctl(master, FIONREAD, ret) < 0)
			return -errno;
		if (*ret == before)
			break;
	}
	return 0;
}

/*
 * poll() waits until what was written has arrived at the other end (n_tty_poll() flushes the work); no end is
 * ready to be written while its output is stopped.
 */
int pty_look_save(struct save *s, struct pty_row *row, struct open_file *master, int slave, struct err *e)
{
	struct pollfd p[] = { { .fd = master->own, .events = POLLIN | POLLPRI | POLLOUT },
			      { .fd = slave, .events = POLLIN | POLLOUT } };
	size_t refused = s->nr_refusals;
	int output = 0, input = 0;
	char name[256];

	if (poll(p, 2, 0) < 0 || count_output(master->own, &output) < 0 || ioctl(slave, FIONREAD, &input) < 0)
		return err_sys(e, "look for what waits in a pty");
	if (p[0].revents & POLLPRI)
		refuse(s, master, "let its master be read first", "a change of its state waits to be read (packet mode)");
	if (input || (p[1].revents & POLLIN))
		save_refuse(s, master->process, open_file_name(master, name),
			    "let them be read first, then take the snapshot again",
			    "%d bytes of input wait in it, which cpt can't read without taking them away", input);
	if (!(p[0].revents & p[1].revents & POLLOUT))
		refuse(s, master, "let it go on (Ctrl-Q)", "its output is stopped (Ctrl-S)");
	return s->nr_refusals == refused ? look_save(s, row, master, (size_t)output, e) : 0;
}

/* ---- restoring -------------------------------------------------------- */

/* Into a new pair, as it came out of the slave. */
int pty_look_restore(const struct restore *r, const struct pty_row *row, int slave, struct err *e)
{
	_cleanup_free_ const struct bytes_row **parts = NULL;
	struct termios2 t;
	size_t nr = 0;
	int ret;

	if (row->output == COLUMN_NULL)
		return 0;
	ret = bytes_parts(r->img, row->output, &parts, &nr, e);
	if (ret < 0)
		return ret;
	if (ioctl(slave, TCGETS2, &t) < 0)
		return err_sys(e, "read the modes of a pty");
	t.c_oflag = 0;
	if (ioctl(slave, TCSETS2, &t) < 0)
		return err_sys(e, "set the modes of a pty");
	if (nr != 1 || fcntl(slave, F_SETFL, O_NONBLOCK) < 0 ||
	    write(slave, parts[0]->data.data, parts[0]->data.len) != (ssize_t)parts[0]->data.len)
		return err_set(e, -EBADMSG, "what waits in it does not fit into a pty");
	return 0;
}
