// SPDX-License-Identifier: GPL-2.0-only
/*
 * Working directory, root directory and umask: table `fs`. Threads have those of
 * their process, and processes may have them together (CLONE_FS), if none of
 * them went its own way (unshare(2)).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include "state/deleted_file.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/task_kinds.h"

struct fs_row {
	int64_t fs;		/* the first thread that has it */
	char *cwd, *root;	/* paths in its mount namespace */
	int64_t umask;
	int64_t cwd_deleted;	/* deleted_file of the working directory; COLUMN_NULL: it had a name */
};

static const struct column fs_columns[] = {
	INT_COLUMN(struct fs_row, fs, 1, INT32_MAX),
	TEXT_COLUMN(struct fs_row, cwd, 4107),	/* with " (deleted)" */
	TEXT_COLUMN(struct fs_row, root, 4095),
	INT_COLUMN(struct fs_row, umask, 0, 0777),
	INT_COLUMN_OR_NULL(struct fs_row, cwd_deleted, 0, INT32_MAX),
};
static const struct table fs_table = TABLE("fs", struct fs_row, fs_columns);

/*
 * A link of /proc/<pid> as a path. When it no longer leads there: the removed
 * directory, or a refusal if there is no @ret_deleted.
 */
static int fs_path(struct save *s, struct live_process *p, const char *link, char **ret, int64_t *ret_deleted,
		   struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	size_t len;
	int r;

	r = read_link_at(p->proc_fd, link, &path);
	if (r < 0)
		return s->frozen ? err_ret(e, r, "read the link /proc/%d/%s", p->pid, link) : -ENOENT;
	*ret = image_strdup(s->img, path);
	len = strlen(path);
	if (len <= 10 || strcmp(path + len - 10, " (deleted)") != 0)
		return 0;
	if (ret_deleted && fstatat(p->proc_fd, link, &st, 0) == 0 && st.st_nlink == 0)
		return deleted_file_save(s, p, link, path, "its working directory", ret_deleted, e);
	save_refuse(s, p, link, "make the directory again, or let the program change to another",
		    "it is the removed directory %s", path);
	return 0;
}

static int fs_save(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	struct fs_row row = { .fs = t->tid, .cwd_deleted = COLUMN_NULL };
	char cwd[48], root[48];
	const char *status;
	int r;

	if (p->zombie || t->fs != t->tid)
		return 0;
	snprintf(cwd, sizeof(cwd), "task/%d/cwd", t->tid);
	snprintf(root, sizeof(root), "task/%d/root", t->tid);
	r = save_thread_status(s, p, t, &status, e);
	if (r < 0 || !status)
		return r;
	row.umask = (int64_t)text_number(status, "Umask", 8, 022);
	r = fs_path(s, p, cwd, &row.cwd, &row.cwd_deleted, e) ?: fs_path(s, p, root, &row.root, NULL, e);
	if (r < 0)
		return r == -ENOENT && !s->frozen ? 0 : r;
	*(struct fs_row *)image_add(s->img, &fs_table) = row;
	return 0;
}

static const struct fs_row *row_of(const struct image *img, int64_t fs)
{
	return image_find(img, &fs_table, offsetof(struct fs_row, fs), fs);
}

static void fs_needs(const struct restore *r, needed_path_fn *fn, void *arg)
{
	const struct thread_row *t;
	const struct process_row *p;
	const struct fs_row *row;

	image_for_each(t, r->img, &thread_table) {
		_cleanup_free_ char *cwd = xasprintf("where %s is", t->comm), *root = xasprintf("the root directory of %s", t->comm);
		struct needed_path n = { .format = S_IFDIR, .mtime_ns = COLUMN_NULL, .file = COLUMN_NULL };

		row = t->fs == t->thread ? row_of(r->img, t->fs) : NULL;
		p = image_find(r->img, &process_table, offsetof(struct process_row, process), t->process);
		if (!row || !p)
			continue;
		n.mount_ns = p->mount_ns;
		n.path = row->cwd;
		n.what = cwd;
		if (row->cwd_deleted == COLUMN_NULL)
			fn(arg, &n);
		n.path = row->root;
		n.what = root;
		fn(arg, &n);
	}
}

static int fs_check(struct restore *r, struct err *e)
{
	const struct fs_row *row;

	image_for_each(row, r->img, &fs_table)
		if (row->cwd_deleted != COLUMN_NULL && !deleted_file_known(r, row->cwd_deleted, S_IFDIR))
			return err_set(e, -EBADMSG, "thread %ld works in the deleted directory %ld, which is not in "
				       "table deleted_file", row->fs, row->cwd_deleted);
	return 0;
}

static void chdir_to_deleted(const struct restore *r, const struct new_process *p, int64_t id, struct batch *b)
{
	size_t got = batch_call(b, "get the removed working directory", SYS_pidfd_getfd, ARG(p->cpt_pidfd),
				ARG(deleted_file_place(r, id)), ARG(0));

	batch_call(b, "fchdir to it", SYS_fchdir, ARG_OF(got));
	batch_call(b, "close it", SYS_close, ARG_OF(got));
}

void fs_go(const struct image *img, int64_t process)
{
	const struct fs_row *row = row_of(img, process);

	if (row && row->cwd_deleted == COLUMN_NULL && chdir(row->cwd) < 0)
		errno = 0;	/* fs_restore() tells, if it can't go there, either */
}

static int open_directory(struct restore *r, const struct new_process *p, const struct fs_row *row, struct err *e)
{
	int back, fd, left, ret = namespace_enter(r, p->row->mount_ns, "mnt", &back, e);

	if (ret < 0)
		return ret;
	fd = open(row->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		ret = err_sys(e, "open %s", row->cwd);
	else
		restore_set_keyed(r, "directory", row->fs, fd);
	left = namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e);
	return ret ?: left ?: fd;
}

/* Is it the working directory of @t now? */
static bool is_there(const struct new_process *p, const struct new_thread *t, int fd)
{
	struct stat now, then;
	char cwd[48];

	snprintf(cwd, sizeof(cwd), "task/%d/cwd", t->tid);
	return fstatat(p->proc_fd, cwd, &now, 0) == 0 && fstat(fd, &then) == 0 && now.st_dev == then.st_dev &&
	       now.st_ino == then.st_ino;
}

/*
 * Who was born in a user namespace may have no right to go where it was all the same: the way there may be closed to
 * it, and if the place itself is, it is there since a midwife had the right (process_birth.c). @stays: no call that
 * comes before takes it away.
 */
static int go_by_descriptor(struct restore *r, const struct new_process *p, const struct new_thread *t,
			    const struct fs_row *row, bool stays, struct batch *b, struct err *e)
{
	int fd = open_directory(r, p, row, e);
	size_t got;

	if (fd < 0)
		return fd;
	if (stays && is_there(p, t, fd))
		return 0;
	got = batch_call(b, batch_why(b, "get the directory %s", row->cwd), SYS_pidfd_getfd, ARG(p->cpt_pidfd), ARG(fd),
			 ARG(0));
	batch_call(b, batch_why(b, "fchdir to %s", row->cwd), SYS_fchdir, ARG_OF(got));
	batch_call(b, "close it", SYS_close, ARG_OF(got));
	return 0;
}

static int add_row(struct restore *r, const struct new_process *p, const struct new_thread *t, bool stays,
		   struct batch *b, struct err *e)
{
	const struct fs_row *row = row_of(r->img, t->row->fs);

	if (!row)
		return err_set(e, -EBADMSG, "thread %ld has no row in table fs", t->row->fs);
	/* What /proc shows is a path from the namespace's root, so the directory comes before the root. */
	if (row->cwd_deleted != COLUMN_NULL)
		chdir_to_deleted(r, p, row->cwd_deleted, b);
	else if (p->born_in != COLUMN_NULL && go_by_descriptor(r, p, t, row, stays, b, e) < 0)
		return e->code;
	else if (p->born_in == COLUMN_NULL)
		batch_call(b, batch_why(b, "chdir to %s", row->cwd), SYS_chdir,
			   ARG_AT(batch_data(b, row->cwd, strlen(row->cwd) + 1)));
	if (strcmp(row->root, "/") != 0)
		batch_call(b, batch_why(b, "chroot to %s", row->root), SYS_chroot,
			   ARG_AT(batch_data(b, row->root, strlen(row->root) + 1)));
	batch_call(b, "umask", SYS_umask, ARG(row->umask));
	return 0;
}

static int fs_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct thread_row *leader = p->threads[0].row;

	return leader->fs == leader->thread ? add_row(r, p, &p->threads[0], true, b, e) : 0;
}

/* Threads of @p that are not where it is begin with its root: paths are from that which it has until it has its own. */
static int fs_restore_place(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct fs_row *row = row_of(r->img, p->threads[0].row->fs);
	bool any = false;
	int fd;

	(void)b;
	for (size_t i = 1; i < p->nr_threads; i++)
		any |= p->threads[i].row->fs == p->threads[i].row->thread;
	if (!any || !row || strcmp(row->root, "/") == 0)
		return 0;
	fd = openat(p->proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open its root directory");
	restore_set_keyed(r, "root", p->row->process, fd);
	return 0;
}

static int fs_restore_apart(struct restore *r, struct new_process *p, struct new_thread *t, struct batch *b,
			    struct err *e)
{
	int root = restore_keyed(r, "root", p->row->process);
	size_t got;

	if (t->row->fs != t->row->thread)
		return 0;
	if (root >= 0) {
		got = batch_call(b, "get the root of its mount namespace", SYS_pidfd_getfd, ARG(p->cpt_pidfd), ARG(root),
				 ARG(0));
		batch_call(b, "fchdir to it", SYS_fchdir, ARG_OF(got));
		batch_call(b, "chroot to it", SYS_chroot, ARG_AT(batch_data(b, ".", 2)));
		batch_call(b, "close it", SYS_close, ARG_OF(got));
	}
	return add_row(r, p, t, root < 0, b, e);
}

const struct kind fs_kind = {
	.name = "fs",
	.tables = (const struct table *const[]){ &fs_table, NULL },
	.save_thread = fs_save,
	.needs = fs_needs,
	.check = fs_check,
	.restore_place = fs_restore_place,
	.restore_process = fs_restore,
	.restore_apart = fs_restore_apart,
};
