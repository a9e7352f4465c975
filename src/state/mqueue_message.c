// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages in POSIX queues: table `mqueue_message`.
 *
 * They can't be read without taking them out. So a task of the container takes
 * all out and puts all back, in one batch: should cpt die meanwhile, it goes on
 * with that by itself. In the order in which they come out they go back into
 * the same one: the highest priority first, the oldest of it first.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <string.h>
#include <sys/syscall.h>
#include "state/mqueue.h"

struct mqueue_message_row {
	int64_t mqueue;
	int64_t place;		/* in the order of receiving */
	int64_t priority;
	struct blob text;
};

static const struct column mqueue_message_columns[] = {
	INT_COLUMN(struct mqueue_message_row, mqueue, 0, INT32_MAX),
	INT_COLUMN(struct mqueue_message_row, place, 0, MQUEUE_MESSAGES_MOST),
	INT_COLUMN(struct mqueue_message_row, priority, 0, MQUEUE_PRIORITY_HIGHEST),
	BLOB_COLUMN(struct mqueue_message_row, text, MQUEUE_BYTES_MOST),
};
const struct table mqueue_message_table =
	TABLE("mqueue_message", struct mqueue_message_row, mqueue_message_columns);

/* The calls of one turn: open, receive all, send all, close. */
struct turn {
	struct batch *batch;
	size_t open, receive, send;	/* the first of each */
	size_t *texts;			/* data offset of each message */
	long nr;
};

#define SEND_PRIORITY 3		/* argument of mq_timedsend(2) */

static void turn_open(struct turn *t, const struct mqueue_met *met)
{
	const char *by = met->path ?: met->name;
	size_t name = batch_data(t->batch, by, strlen(by) + 1);

	if (met->path)
		t->open = batch_call(t->batch, "open the message queue", SYS_openat, ARG(AT_FDCWD), ARG_AT(name),
				     ARG(O_RDWR | O_NONBLOCK | O_CLOEXEC), ARG(0));
	else
		t->open = batch_call(t->batch, "open the message queue", SYS_mq_open, ARG_AT(name),
				     ARG(O_RDWR | O_NONBLOCK | O_CLOEXEC), ARG(0), ARG(0));
}

/* What was not received is sent with a wrong length, which fails; that keeps no other from going back. */
static void turn_plan(struct turn *t, const struct mqueue_met *met, int64_t bytes_most, long nr)
{
	t->batch = batch_new();
	t->nr = nr;
	t->texts = xcalloc((size_t)nr, sizeof(*t->texts));
	turn_open(t, met);
	t->receive = t->open + 1;
	t->send = t->receive + (size_t)nr;
	for (long i = 0; i < nr; i++) {
		t->texts[i] = batch_data(t->batch, NULL, (size_t)bytes_most);
		batch_may_fail(t->batch, batch_call(t->batch, "receive a message", SYS_mq_timedreceive, ARG_OF(t->open),
						    ARG_AT(t->texts[i]), ARG(bytes_most),
						    ARG_AT_ARGUMENT(t->send + (size_t)i, SEND_PRIORITY), ARG(0)));
	}
	for (long i = 0; i < nr; i++)
		batch_may_fail(t->batch, batch_call(t->batch, "put the message back", SYS_mq_timedsend, ARG_OF(t->open),
						    ARG_AT(t->texts[i]), ARG_OF(t->receive + (size_t)i), ARG(0), ARG(0)));
	batch_call(t->batch, "close the message queue", SYS_close, ARG_OF(t->open));
}

static void turn_clear(struct turn *t)
{
	batch_free(t->batch);
	free(t->texts);
}

/* What the task could not put back, cpt does. */
static int message_put_back(const struct turn *t, const struct mqueue_met *met, size_t i, size_t len)
{
	_cleanup_fd_ int fd = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", met->fd);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return mq_send(fd, batch_data_at(t->batch, t->texts[i]), len,
		       (unsigned int)batch_argument(t->batch, t->send + i, SEND_PRIORITY)) < 0 ? -errno : 0;
}

static int turn_take(struct save *s, const struct turn *t, const struct mqueue_met *met, const struct mqueue_row *row,
		     struct err *e)
{
	int lost = 0, missing = 0, r;

	for (size_t i = 0; i < (size_t)t->nr; i++) {
		int64_t len = batch_result(t->batch, t->receive + i);

		if (len < 0) {
			missing++;
			continue;
		}
		if (batch_result(t->batch, t->send + i) < 0) {
			r = message_put_back(t, met, i, (size_t)len);
			lost = r < 0 ? r : lost;
		}
		*(struct mqueue_message_row *)image_add(s->img, &mqueue_message_table) = (struct mqueue_message_row){
			row->mqueue, (int64_t)i, (int64_t)batch_argument(t->batch, t->send + i, SEND_PRIORITY),
			image_blob(s->img, batch_data_at(t->batch, t->texts[i]), (size_t)len),
		};
	}
	if (lost)
		return err_ret(e, lost, "put a message back into /%s", met->name);
	return missing ? err_set(e, -EBUSY, "%d messages in /%s were taken by somebody else", missing, met->name) : 0;
}

int mqueue_messages_save(struct save *s, const struct mqueue_met *met, const struct mqueue_row *row, long nr,
			 struct err *e)
{
	struct live_process *p = met->process;
	struct turn t = { 0 };
	int r = 0;

	turn_plan(&t, met, row->bytes_most, nr);
	if (!remote_holds(t.batch)) {
		save_refuse(s, p, met->object, "let them be received first, then take the snapshot again",
			    "%ld messages of up to %ld bytes wait in it, more than cpt can take out and put back at once",
			    nr, row->bytes_most);
	} else {
		r = remote_run(p->remote, &p->threads[0].tracee, t.batch, e);
		if (r == 0) {
			r = turn_take(s, &t, met, row, e);
		} else if (batch_result(t.batch, t.open) < 0) {
			save_refuse(s, p, met->object, "let them be received first, then take the snapshot again",
				    "%ld messages wait in it, and this process can't read them for cpt: %s", nr, e->msg);
			*e = ERR_INIT;
			r = 0;
		}
	}
	turn_clear(&t);
	return r;
}

int mqueue_messages_restore(struct restore *r, const struct mqueue_row *row, int fd, struct err *e)
{
	const struct mqueue_message_row *m;

	image_for_each(m, r->img, &mqueue_message_table)
		if (m->mqueue == row->mqueue && mq_send(fd, m->text.data ?: "", m->text.len, (unsigned int)m->priority) < 0)
			return err_sys(e, "put message %ld into it", m->place);
	return 0;
}
