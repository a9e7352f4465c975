// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pidfds (pidfd_open(2)): table `pidfd`.
 *
 * Files are opened before there are tasks, so a pidfd is at first one of cpt
 * itself, and is replaced under its number when all processes were born. One
 * of a thread has to wait until processes have their threads, and with these
 * their descriptors: until then a socket stands in for it, through which it
 * is received. One of a process that has ended is made of a child of cpt's
 * that has ended, in a pid namespace from which it may be asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "state/namespace.h"
#include "state/pidfd.h"
#include "state/process.h"

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL	/* include/uapi/linux/pidfd.h, since Linux 6.9 */
#endif

struct pidfd_row {
	int64_t file;
	int64_t thread;		/* or the process that it leads; COLUMN_NULL: it has ended, and was waited for */
	int64_t ended;		/* the first file that refers to the same ended process; COLUMN_NULL: it has not */
	int64_t pid_ns;		/* of the process that has the file; COLUMN_NULL: the host's */
};

static const struct column pidfd_columns[] = {
	INT_COLUMN(struct pidfd_row, file, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct pidfd_row, thread, 1, INT32_MAX),
	INT_COLUMN_OR_NULL(struct pidfd_row, ended, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct pidfd_row, pid_ns, 0, 65535),
};
static const struct table pidfd_table = TABLE("pidfd", struct pidfd_row, pidfd_columns);

static bool pidfd_match(const struct open_file *f)
{
	return strcmp(f->link, "anon_inode:[pidfd]") == 0;
}

/* ---- saving ----------------------------------------------------------- */

/* Files of the same process have the same inode (pidfs_inum() in fs/pidfs.c, since Linux 6.9). */
static int64_t first_of_ended(const struct save *s, const struct open_file *f)
{
	for (size_t i = 0; i < s->live->nr_files; i++) {
		const struct open_file *g = s->live->files[i];

		if (pidfd_match(g) && g->st.st_dev == f->st.st_dev && g->st.st_ino == f->st.st_ino)
			return g->id;
	}
	return f->id;
}

static bool is_inside(const struct live *l, pid_t tid)
{
	for (size_t i = 0; i < l->nr_processes; i++)
		for (size_t j = 0; j < l->processes[i].nr_threads; j++)
			if (l->processes[i].threads[j].tid == tid)
				return true;
	return false;
}

static int pidfd_save(struct save *s, struct open_file *f, struct err *e)
{
	struct pidfd_row row = { .file = f->id, .thread = COLUMN_NULL, .ended = COLUMN_NULL };
	const char *text = text_field(f->fdinfo, "Pid");
	pid_t pid = text ? (pid_t)strtol(text, NULL, 10) : 0;
	char name[256];
	int r;

	if (!text)
		return err_set(e, -ENOSYS, "fdinfo does not tell which process it refers to");
	/* pidfd_show_fdinfo(): -1 when there is no such task any more, 0 when it is outside of cpt's pid namespace */
	if (pid < 0) {
		row.ended = first_of_ended(s, f);
	} else if (is_inside(s->live, pid)) {
		row.thread = pid;
	} else {
		save_refuse(s, f->process, open_file_name(f, name), "close it",
			    "it refers to task %d, which is not in the container", pid);
		return 0;
	}
	r = namespace_of(s, f->process, "pid", &row.pid_ns, e);
	if (r < 0)
		return r;
	*(struct pidfd_row *)image_add(s->img, &pidfd_table) = row;
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static const struct pidfd_row *row_of(const struct restore *r, int64_t file)
{
	return image_find(r->img, &pidfd_table, offsetof(struct pidfd_row, file), file);
}

static const struct file_row *file_of(const struct restore *r, const struct pidfd_row *row)
{
	return image_find(r->img, &file_table, offsetof(struct file_row, file), row->file);
}

static bool is_leader(const struct restore *r, int64_t thread)
{
	return image_find(r->img, &process_table, offsetof(struct process_row, process), thread);
}

/* Some process in a pid namespace: its key. */
static int64_t member_of(const struct restore *r, int64_t pid_ns)
{
	const struct process_row *row = image_find(r->img, &process_table, offsetof(struct process_row, pid_ns), pid_ns);

	return row ? row->process : 0;
}

static int pidfd_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct pidfd_row *row = row_of(r, f->file), *first;

	if (!row || (row->thread == COLUMN_NULL) == (row->ended == COLUMN_NULL))
		return err_set(e, -EBADMSG, "it is not in table pidfd, or refers to nothing or two things");
	if (row->thread == COLUMN_NULL) {
		first = row_of(r, row->ended);
		if (!first || first->ended != first->file)
			return err_set(e, -EBADMSG, "file %ld of the same process is not in table pidfd", row->ended);
		return row->pid_ns == COLUMN_NULL || member_of(r, row->pid_ns) ? 0 :
		       err_set(e, -EBADMSG, "no process is in pid namespace %ld", row->pid_ns);
	}
	if (!image_find(r->img, &thread_table, offsetof(struct thread_row, thread), row->thread))
		return err_set(e, -EBADMSG, "thread %ld is not in table thread", row->thread);
	return is_leader(r, row->thread) || (f->flags & PIDFD_THREAD) ? 0 :
	       err_set(e, -EBADMSG, "thread %ld leads no process, and the file has not PIDFD_THREAD", row->thread);
}

/* Of every row, also those that no file asks for. */
static int pidfd_check_rows(struct restore *r, struct err *e)
{
	const struct pidfd_row *row;

	image_for_each(row, r->img, &pidfd_table) {
		const struct file_row *f = file_of(r, row);

		if (!f || strcmp(f->kind, pidfd_file_kind.name) != 0)
			return err_set(e, -EBADMSG, "table pidfd has file %ld, which is none of that kind", row->file);
	}
	return 0;
}

static int open_pidfd(pid_t pid, const struct file_row *f, struct err *e)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, (unsigned int)f->flags & (O_NONBLOCK | PIDFD_THREAD));

	return fd < 0 ? err_sys(e, "pidfd_open(%d)", pid) : fd;
}

static int pidfd_open_file(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	(void)r;
	*ret_fd = open_pidfd(getpid(), f, e);
	return *ret_fd < 0 ? *ret_fd : 0;
}

static pid_t tid_of(const struct restore *r, int64_t thread)
{
	for (size_t i = 0; i < r->nr_processes; i++)
		for (size_t j = 0; j < r->processes[i].nr_threads; j++)
			if (r->processes[i].threads[j].row->thread == thread)
				return r->processes[i].threads[j].tid;
	return 0;
}

static bool comes_late(const struct restore *r, const struct pidfd_row *row)
{
	return row->thread != COLUMN_NULL && !is_leader(r, row->thread);
}

/* Let what r->file_fds has for the file be @fd, which is closed. */
static int put_in_place(const struct restore *r, const struct pidfd_row *row, int fd, struct err *e)
{
	int ret = dup3(fd, r->file_fds[row->file], O_CLOEXEC) < 0 ? err_sys(e, "put a pidfd in its place") : 0;

	close(fd);
	return ret;
}

/* All that refer to one ended process, while its stand-in is still waited for. */
static int put_ended(struct restore *r, const struct pidfd_row *first, struct err *e)
{
	const struct pidfd_row *row;
	pid_t pid = fork();
	int ret = 0;

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return err_sys(e, "fork");
	image_for_each(row, r->img, &pidfd_table) {
		int fd = row->ended == first->file && ret == 0 ? open_pidfd(pid, file_of(r, row), e) : -1;

		if (row->ended == first->file && ret == 0)
			ret = fd < 0 ? fd : put_in_place(r, row, fd, e);
	}
	if (waitpid(pid, NULL, 0) < 0)
		return err_sys(e, "waitpid");
	return ret;
}

/* setns(2) to a pid namespace is for children alone, and cpt may return to its own. */
static int put_ended_inside(struct restore *r, const struct pidfd_row *first, struct err *e)
{
	_cleanup_fd_ int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC), inside = -1;
	int ret;

	if (first->pid_ns == COLUMN_NULL)
		return put_ended(r, first, e);
	inside = openat(restore_find(r, member_of(r, first->pid_ns))->proc_fd, "ns/pid", O_RDONLY | O_CLOEXEC);
	if (own < 0 || inside < 0 || setns(inside, CLONE_NEWPID) < 0)
		return err_sys(e, "enter pid namespace %ld", first->pid_ns);
	ret = put_ended(r, first, e);
	return setns(own, CLONE_NEWPID) < 0 ? err_sys(e, "return to cpt's own pid namespace") : ret;
}

static int put_pidfd(const struct restore *r, const struct pidfd_row *row, struct err *e)
{
	int fd = open_pidfd(tid_of(r, row->thread), file_of(r, row), e);

	return fd < 0 ? fd : put_in_place(r, row, fd, e);
}

static int put_socket(struct restore *r, const struct pidfd_row *row, struct err *e)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "socketpair");
	restore_set_keyed(r, "pidfd", row->file, ends[0]);
	return put_in_place(r, row, ends[1], e);
}

/* Before any process gets its descriptors. */
static int pidfd_restore_process(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct pidfd_row *row;

	(void)b;
	if (p != &r->processes[0])
		return 0;
	image_for_each(row, r->img, &pidfd_table) {
		int ret = 0;

		if (row->ended == row->file)
			ret = put_ended_inside(r, row, e);
		else if (row->thread != COLUMN_NULL)
			ret = comes_late(r, row) ? put_socket(r, row, e) : put_pidfd(r, row, e);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int send_pidfd(int socket, int fd, struct err *e)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec iov = { "", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &msg, MSG_NOSIGNAL) < 0 ? err_sys(e, "send a pidfd") : 0;
}

/* Receive it through the descriptors that stand in for it, and let all of these be it. */
static void batch_receive(struct batch *b, const struct fd_row *const *fds, size_t nr, int64_t file, int64_t lowest)
{
	size_t control = batch_data(b, NULL, CMSG_SPACE(sizeof(int))), byte = batch_data(b, NULL, 1);
	struct iovec iov = { .iov_len = 1 };
	struct msghdr msg = { .msg_iovlen = 1, .msg_controllen = CMSG_SPACE(sizeof(int)) };
	size_t io = batch_data(b, &iov, sizeof(iov)), message = batch_data(b, &msg, sizeof(msg));
	bool received = false;

	batch_pointer(b, io + offsetof(struct iovec, iov_base), byte);
	batch_pointer(b, message + offsetof(struct msghdr, msg_iov), io);
	batch_pointer(b, message + offsetof(struct msghdr, msg_control), control);
	for (size_t i = 0; i < nr; i++) {
		if (fds[i]->file != file)
			continue;
		if (!received)
			batch_expect(b, batch_call(b, "receive a pidfd", SYS_recvmsg, ARG(fds[i]->fd), ARG_AT(message),
						   ARG(MSG_CMSG_CLOEXEC)), 1);
		received = true;
		batch_call(b, batch_why(b, "dup to descriptor %ld", fds[i]->fd), SYS_dup3, ARG(lowest), ARG(fds[i]->fd),
			   ARG(fds[i]->cloexec ? O_CLOEXEC : 0));
	}
	batch_call(b, "close the number it came with", SYS_close, ARG(lowest));
}

/* When all threads are there: the real ones, to whom has a stand-in. */
static int pidfd_restore_thread(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b,
				struct err *e)
{
	_cleanup_free_ const struct fd_row **fds = NULL;
	const struct pidfd_row *row;
	int64_t lowest = 0;
	size_t nr;

	if (t->row->files != t->row->thread)
		return 0;
	image_for_each(row, r->img, &pidfd_table)
		if (p == &r->processes[0] && t == &p->threads[0] && comes_late(r, row) && put_pidfd(r, row, e) < 0)
			return e->code;
	fds = fd_rows_of(r->img, t->row->files, &nr);
	for (size_t i = 0; i < nr && fds[i]->fd == lowest; i++)
		lowest++;
	image_for_each(row, r->img, &pidfd_table) {
		bool has = false;

		for (size_t i = 0; i < nr; i++)
			has |= fds[i]->file == row->file;
		if (!has || !comes_late(r, row))
			continue;
		if (send_pidfd(restore_keyed(r, "pidfd", row->file), r->file_fds[row->file], e) < 0)
			return e->code;
		batch_receive(b, fds, nr, row->file, lowest);
	}
	return 0;
}

const struct kind pidfd_kind = {
	.name = "pidfd",
	.tables = (const struct table *const[]){ &pidfd_table, NULL },
	.check = pidfd_check_rows,
	.restore_process = pidfd_restore_process,
	.restore_thread = pidfd_restore_thread,
};

const struct file_kind pidfd_file_kind = {
	.name = "pidfd",
	.match = pidfd_match,
	.save = pidfd_save,
	.check = pidfd_check,
	.open = pidfd_open_file,
};
