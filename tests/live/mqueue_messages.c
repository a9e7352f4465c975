// SPDX-License-Identifier: GPL-2.0-only
/*
 * POSIX message queues: attributes, owner, messages in their order with their
 * priorities; one that nobody has open, one without a name, one of which two
 * files are open. In the host's ipc namespace those with a name are the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static const struct {
	unsigned int priority;
	const char *text;
} messages[] = { { 5, "five" }, { 0, "" }, { 31, "thirty-one" }, { 5, "five again" }, { 32767, "highest" }, { 0, "last" } },
  ordered[] = { { 32767, "highest" }, { 31, "thirty-one" }, { 5, "five" }, { 5, "five again" }, { 0, "" }, { 0, "last" } };

static void fill(mqd_t q)
{
	for (int i = 0; i < 6; i++)
		live_check(mq_send(q, messages[i].text, strlen(messages[i].text), messages[i].priority) == 0);
}

static void drain(mqd_t q)
{
	char buf[64];
	unsigned int priority;

	for (int i = 0; i < 6; i++) {
		live_check(mq_receive(q, buf, sizeof(buf), &priority) == (ssize_t)strlen(ordered[i].text));
		live_check(priority == ordered[i].priority && memcmp(buf, ordered[i].text, strlen(ordered[i].text)) == 0);
	}
	live_check(mq_receive(q, buf, sizeof(buf), &priority) == -1 && errno == EAGAIN);
}

static mqd_t make(const char *name, long most, int flags)
{
	struct mq_attr attr = { .mq_maxmsg = most, .mq_msgsize = 64 };
	mqd_t q;

	mq_unlink(name);
	q = mq_open(name, O_CREAT | O_EXCL | O_RDWR | flags, 0620, &attr);
	live_check(q >= 0);
	return q;
}

int main(int argc, char **argv)
{
	mqd_t open_one, reader, nameless, kept, closed;
	unsigned int priority;
	char names[2][64], buf[64];
	struct mq_attr attr;
	struct stat st;
	int status;
	pid_t child;

	live_setup(argc, argv);
	umask(0);
	for (int i = 0; i < 2; i++)	/* one run's own: the host's namespace is everybody's */
		snprintf(names[i], sizeof(names[i]), "/cpt live %d %.40s", i, live_in_namespaces() ? "ns" : "host");
	open_one = make(names[0], 7, O_NONBLOCK);
	fill(open_one);
	live_check(fchown(open_one, 21, 22) == 0 && fchmod(open_one, 0640) == 0);
	reader = mq_open(names[0], O_RDONLY);
	closed = make(names[1], 8, O_NONBLOCK);
	fill(closed);
	mq_close(closed);
	nameless = make("/cpt live nameless", 3, 0);
	live_check(reader >= 0 && mq_unlink("/cpt live nameless") == 0);
	kept = make("/cpt live nameless", 5, 0);
	live_check(mq_send(kept, "kept", 4, 9) == 0 && mq_unlink("/cpt live nameless") == 0);
	child = fork();
	live_check(child >= 0);
	if (child == 0)		/* waits for what its parent sends */
		_exit(mq_receive(nameless, buf, sizeof(buf), NULL) != 5 || memcmp(buf, "hello", 5) != 0);
	live_check(mq_send(open_one, "x", 1, 0) == 0 && mq_send(open_one, "x", 1, 0) == -1 && errno == EAGAIN);
	live_ready();

	live_check(mq_getattr(open_one, &attr) == 0 && attr.mq_maxmsg == 7 && attr.mq_msgsize == 64 && attr.mq_curmsgs == 7);
	live_check(attr.mq_flags == O_NONBLOCK && mq_getattr(reader, &attr) == 0 && attr.mq_flags == 0);
	live_check(fstat(open_one, &st) == 0 && st.st_uid == 21 && st.st_gid == 22 && (st.st_mode & 07777) == 0640);
	live_check(mq_send(reader, "x", 1, 0) == -1 && errno == EBADF);
	live_check(mq_receive(reader, buf, sizeof(buf), NULL) == 7 && memcmp(buf, "highest", 7) == 0);
	live_check(mq_send(open_one, "highest", 7, 32767) == 0);
	for (int i = 0; i < 7; i++)	/* what was sent last of the lowest comes last */
		live_check(mq_receive(open_one, buf, sizeof(buf), NULL) >= 0);
	live_check(buf[0] == 'x');
	fill(open_one);
	drain(open_one);
	closed = mq_open(names[1], O_RDWR | O_NONBLOCK);
	live_check(closed >= 0 && mq_getattr(closed, &attr) == 0 && attr.mq_maxmsg == 8);
	drain(closed);
	live_check(mq_open("/cpt live nameless", O_RDONLY) == -1 && errno == ENOENT);
	live_check(mq_send(nameless, "hello", 5, 0) == 0 && waitpid(child, &status, 0) == child && status == 0);
	live_check(mq_receive(kept, buf, sizeof(buf), &priority) == 4 && priority == 9 && memcmp(buf, "kept", 4) == 0);
	/* The host's are not set back when the restored one looks. */
	fill(open_one);
	live_check(mq_send(open_one, "x", 1, 0) == 0);
	fill(closed);
	live_pass();
}
