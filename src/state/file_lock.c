// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locks of files. Those of fcntl(F_SETLK) belong to a process, and go with the
 * first descriptor of the file that it closes: it takes them itself when it
 * has all its descriptors. flock(2), F_OFD_SETLK and leases belong to the open
 * file: a process that has it takes them, for the kernel tells who did.
 *
 * Who waits for a lock makes that system call again when it runs on.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "state/file.h"
#include "state/file_lock.h"
#include "state/process.h"

struct file_lock_row {
	int64_t lock;		/* dense from 0 */
	int64_t file;		/* that it was taken through */
	char *kind;		/* see struct lock_info */
	int64_t process;	/* posix: whose it is; others: who takes it again */
	int64_t write;		/* 1: it is exclusive */
	int64_t start, end;	/* the last byte; COLUMN_NULL: no end */
	char *path;		/* for messages and audits */
};

static const struct column file_lock_columns[] = {
	INT_COLUMN(struct file_lock_row, lock, 0, INT32_MAX),
	INT_COLUMN(struct file_lock_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct file_lock_row, kind, 7),
	INT_COLUMN(struct file_lock_row, process, 1, INT32_MAX),
	INT_COLUMN(struct file_lock_row, write, 0, 1),
	INT_COLUMN(struct file_lock_row, start, 0, INT64_MAX),
	INT_COLUMN_OR_NULL(struct file_lock_row, end, 0, INT64_MAX - 1),
	TEXT_COLUMN(struct file_lock_row, path, 4107),	/* with " (deleted)" */
};
static const struct table file_lock_table = TABLE("file_lock", struct file_lock_row, file_lock_columns);

/* ---- what the kernel tells --------------------------------------------- */

static const char *kind_of(const char *word)
{
	static const char *const kinds_of[][2] = {
		{ "FLOCK", "flock" }, { "POSIX", "posix" }, { "OFDLCK", "ofd" }, { "LEASE", "lease" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds_of); i++)
		if (strcmp(word, kinds_of[i][0]) == 0)
			return kinds_of[i][1];
	return NULL;
}

/* "1: POSIX  ADVISORY  WRITE 359 00:13:11691 100 199", "2: LEASE  ACTIVE    READ 359 00:13:11691 0 EOF" */
bool lock_info_parse(const char *line, struct lock_info *ret)
{
	char kind[8], state[10], type[6], end[21], *stop;
	unsigned int dev_major, dev_minor;
	int64_t last;

	if (sscanf(line, "%*d: %7s %9s %5s %d %x:%x:%" SCNu64 " %" SCNd64 " %20s", kind, state, type, &ret->pid,
		   &dev_major, &dev_minor, &ret->ino, &ret->start, end) != 9 || ret->start < 0)
		return false;
	errno = 0;
	last = strtoll(end, &stop, 10);
	if (strcmp(end, "EOF") != 0 && (errno || *stop || last < ret->start))
		return false;
	if (strcmp(type, "WRITE") != 0 && strcmp(type, "READ") != 0 && strcmp(type, "UNLCK") != 0)
		return false;
	ret->end = strcmp(end, "EOF") == 0 ? COLUMN_NULL : last;
	ret->kind = kind_of(kind);
	ret->dev = makedev(dev_major, dev_minor);
	ret->write = strcmp(type, "WRITE") == 0;
	ret->breaking = strcmp(state, "BREAKING") == 0;
	return true;
}

static bool lock_is_same(const struct lock_info *a, const struct lock_info *b)
{
	return a->kind && b->kind && strcmp(a->kind, b->kind) == 0 && a->dev == b->dev && a->ino == b->ino &&
	       a->start == b->start && a->end == b->end && a->write == b->write;
}

/* The next "lock:" line of an fdinfo from *at on. */
static const char *next_lock(const char **at)
{
	const char *line = *at ? text_field(*at, "lock") : NULL;

	*at = line ? strchr(line, '\n') : NULL;
	return line;
}

/* ---- saving ------------------------------------------------------------ */

static bool maps_file(const struct live_process *p, dev_t dev, uint64_t ino)
{
	for (size_t i = 0; i < p->nr_vmas; i++)
		if (p->vmas[i].ino == ino && p->vmas[i].dev == dev)
			return true;
	return false;
}

static bool is_mapped(const struct live *l, dev_t dev, uint64_t ino)
{
	for (size_t i = 0; i < l->nr_processes; i++)
		if (maps_file(&l->processes[i], dev, ino))
			return true;
	return false;
}

static bool has_file(const struct live_process *p, const struct open_file *f)
{
	for (size_t i = 0; i < p->nr_fds; i++)
		if (p->fds[i].file == f)
			return true;
	return false;
}

static bool lock_refuse(struct save *s, const struct live_process *p, const struct open_file *f,
			const struct lock_info *lock, const char *line)
{
	int len = (int)strcspn(line, "\n");
	char name[256];

	open_file_name(f, name);
	if (!lock->kind)
		save_refuse(s, p, name, "release the lock before the snapshot",
			    "it is locked (%.*s) in a way that cpt can't restore", len, line);
	else if (lock->breaking)
		save_refuse(s, p, name, "try again when the lease has been given up",
			    "somebody waits for its lease to be given up (%.*s)", len, line);
	/* The kernel gives one only if nobody else has the file open (check_conflicting_open(), fs/locks.c). */
	else if (strcmp(lock->kind, "lease") == 0 && lock->write && is_mapped(s->live, lock->dev, lock->ino))
		save_refuse(s, p, name, "give the lease or the mapping up before the snapshot",
			    "there is a write lease of it, and it is mapped: cpt would have to open it twice");
	else
		return false;
	return true;
}

static bool lock_is_saved(struct save *s, const struct live_process *p, const struct open_file *f,
			  const struct lock_info *lock)
{
	bool is_posix = strcmp(lock->kind, "posix") == 0;
	const struct file_lock_row *row;

	image_for_each(row, s->img, &file_lock_table)
		if (row->file == f->id && strcmp(row->kind, lock->kind) == 0 && row->start == lock->start &&
		    (!is_posix || row->process == p->pid))
			return true;
	return false;
}

static void lock_save(struct save *s, struct live_process *p, const struct open_file *f, const char *line)
{
	struct live_process *taker = NULL;
	struct file_lock_row *row;
	struct lock_info lock;
	size_t nr;

	if (!lock_info_parse(line, &lock))
		lock.kind = NULL;
	if (lock_refuse(s, p, f, &lock, line) || lock_is_saved(s, p, f, &lock))
		return;
	if (strcmp(lock.kind, "posix") != 0)
		taker = live_find(s->live, lock.pid);
	image_rows(s->img, &file_lock_table, &nr);
	row = image_add(s->img, &file_lock_table);
	*row = (struct file_lock_row){
		.lock = (int64_t)nr, .file = f->id, .kind = image_strdup(s->img, lock.kind), .write = lock.write,
		.process = taker && has_file(taker, f) ? taker->pid : p->pid, .start = lock.start, .end = lock.end,
		.path = image_strdup(s->img, f->link),
	};
}

static void locks_save(struct save *s, struct live_process *p)
{
	for (size_t i = 0; i < p->nr_fds; i++) {
		const char *at = p->fds[i].locks, *line;

		while ((line = next_lock(&at)))
			lock_save(s, p, p->fds[i].file, line);
	}
}

static int file_lock_save(struct save *s, struct live_process *p, struct err *e)
{
	(void)e;
	locks_save(s, p);
	for (size_t i = 1; i < p->nr_threads; i++)
		if (p->threads[i].apart)
			locks_save(s, p->threads[i].apart);
	return 0;
}

/* Does some descriptor of @p, as it is now, hold @lock? */
static bool process_holds(const struct live_process *p, const struct lock_info *lock)
{
	for (size_t i = 0; i < p->nr_fds; i++) {
		_cleanup_free_ char *fdinfo = NULL;
		struct lock_info held;
		const char *at, *line;
		char path[32];

		snprintf(path, sizeof(path), "fdinfo/%d", p->fds[i].fd);
		if (read_file_at(p->proc_fd, path, &fdinfo, NULL) < 0)
			continue;
		at = fdinfo;
		while ((line = next_lock(&at)))
			if (lock_info_parse(line, &held) && lock_is_same(&held, lock))
				return true;
	}
	return false;
}

/*
 * Locks of open files whose descriptors were closed, but which are mapped yet:
 * they can't be told from fdinfo. Only in the survey: reading /proc/locks makes
 * all locking of the host wait.
 */
static void refuse_hidden(struct save *s, const char *line, const struct lock_info *lock)
{
	const struct live_process *p = live_find(s->live, lock->pid);
	int len = (int)strcspn(line, "\n");

	if (!lock->kind || strcmp(lock->kind, "posix") == 0 || !is_mapped(s->live, lock->dev, lock->ino) ||
	    (!p && lock->pid != -1))
		return;
	for (size_t i = 0; i < s->live->nr_processes; i++) {
		const struct live_process *q = &s->live->processes[i];

		if (process_holds(q, lock))
			return;
		for (size_t j = 1; j < q->nr_threads; j++)
			if (q->threads[j].apart && process_holds(q->threads[j].apart, lock))
				return;
	}
	save_refuse(s, p, "a lock of a file that it maps", "keep the file open while it is locked",
		    "no descriptor holds the lock (%.*s), so it seems to be held by the mapping", len, line);
}

static int file_lock_survey(struct save *s, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	struct lock_info lock;
	int r;

	if (s->frozen)
		return 0;
	r = read_file_at(-1, "/proc/locks", &text, NULL);
	if (r < 0)
		return err_ret(e, r, "read /proc/locks");
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		if (lock_info_parse(line, &lock))
			refuse_hidden(s, line, &lock);
		if (!line[strcspn(line, "\n")])
			break;
	}
	return 0;
}

/* ---- restoring --------------------------------------------------------- */

/* The number that @process has @file under, or -1. */
static int64_t fd_of(const struct image *img, int64_t process, int64_t file)
{
	const struct fd_row *row;

	image_for_each(row, img, &fd_table)
		if (row->files == process && row->file == file)
			return row->fd;
	return -1;
}

static bool is_kind(const struct file_lock_row *row, const char *kind)
{
	return strcmp(row->kind, kind) == 0;
}

static int file_lock_check(struct restore *r, struct err *e)
{
	const struct file_lock_row *row;

	image_for_each(row, r->img, &file_lock_table) {
		bool has_range = is_kind(row, "posix") || is_kind(row, "ofd");

		if (!has_range && !is_kind(row, "flock") && !is_kind(row, "lease"))
			return err_set(e, -EBADMSG, "lock %ld is of the unknown kind %s", row->lock, row->kind);
		if (has_range ? row->end != COLUMN_NULL && row->end < row->start : row->start || row->end != COLUMN_NULL)
			return err_set(e, -EBADMSG, "lock %ld has an impossible range", row->lock);
		if (fd_of(r->img, row->process, row->file) < 0)
			return err_set(e, -EBADMSG, "lock %ld: process %ld has no descriptor of file %ld", row->lock,
				       row->process, row->file);
	}
	return 0;
}

static struct flock range_of(const struct file_lock_row *row)
{
	return (struct flock){
		.l_type = row->write ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = row->start,
		.l_len = row->end == COLUMN_NULL ? 0 : row->end - row->start + 1,
	};
}

static int taken(const struct file_lock_row *row, pid_t pid, struct err *e)
{
	if (pid > 0)
		err_set(e, -EAGAIN, "process %d holds a lock of %s that conflicts with the snapshot's", pid, row->path);
	else
		err_set(e, -EAGAIN, "somebody holds a lock of %s that conflicts with the snapshot's", row->path);
	return err_advise(e, "let go of that lock (`lslocks` lists them), then restore again");
}

/* Would it be given? cpt has the open file too; asking first makes a better message than a call that failed. */
static int lock_try(struct restore *r, const struct file_lock_row *row, struct err *e)
{
	struct flock range = range_of(row);
	int fd = r->file_fds[row->file];

	if (is_kind(row, "flock")) {
		if (flock(fd, (row->write ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0)
			return errno == EWOULDBLOCK ? taken(row, 0, e) : err_sys(e, "flock %s", row->path);
		return flock(fd, LOCK_UN) < 0 ? err_sys(e, "flock %s", row->path) : 0;
	}
	if (is_kind(row, "lease"))
		return 0;
	if (fcntl(fd, F_OFD_GETLK, &range) < 0)
		return err_sys(e, "ask for locks of %s", row->path);
	return range.l_type == F_UNLCK ? 0 : taken(row, range.l_pid, e);
}

static void lock_take(struct restore *r, const struct file_lock_row *row, struct batch *b)
{
	struct flock range = range_of(row);
	int64_t fd = fd_of(r->img, row->process, row->file);
	const char *why = batch_why(b, "take the lock (%s) of %s", row->kind, row->path);

	if (is_kind(row, "flock"))
		batch_call(b, why, SYS_flock, ARG(fd), ARG((row->write ? LOCK_EX : LOCK_SH) | LOCK_NB));
	else if (is_kind(row, "lease"))
		batch_call(b, why, SYS_fcntl, ARG(fd), ARG(F_SETLEASE), ARG(row->write ? F_WRLCK : F_RDLCK));
	else
		batch_call(b, why, SYS_fcntl, ARG(fd), ARG(is_kind(row, "ofd") ? F_OFD_SETLK : F_SETLK),
			   ARG_AT(batch_data(b, &range, sizeof(range))));
}

static int locks_restore(struct restore *r, int64_t files, struct batch *b, struct err *e)
{
	const struct file_lock_row *row;
	int ret;

	image_for_each(row, r->img, &file_lock_table) {
		if (row->process != files)
			continue;
		ret = lock_try(r, row, e);
		if (ret < 0)
			return ret;
		lock_take(r, row, b);
	}
	return 0;
}

static int file_lock_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	return locks_restore(r, p->row->process, b, e);
}

static int file_lock_restore_apart(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b,
				   struct err *e)
{
	(void)p;
	return locks_restore(r, t->row->thread, b, e);
}

const struct kind file_lock_kind = {
	.name = "file_lock",
	.tables = (const struct table *const[]){ &file_lock_table, NULL },
	.save_container = file_lock_survey,
	.save_process = file_lock_save,
	.check = file_lock_check,
	.restore_process = file_lock_restore,
	.restore_apart = file_lock_restore_apart,
};
