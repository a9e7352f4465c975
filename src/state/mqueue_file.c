// SPDX-License-Identifier: GPL-2.0-only
/* Open files of POSIX message queues: table `mqueue_file`. The queues are in mqueue.c, and made before any file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include "state/mqueue.h"
#include "state/namespace.h"

#define MQUEUE_MAGIC 0x19800202		/* ipc/mqueue.c */

struct mqueue_file_row {
	int64_t file;
	int64_t mqueue;
};

static const struct column mqueue_file_columns[] = {
	INT_COLUMN(struct mqueue_file_row, file, 0, INT32_MAX),
	INT_COLUMN(struct mqueue_file_row, mqueue, 0, INT32_MAX),
};
static const struct table mqueue_file_table = TABLE("mqueue_file", struct mqueue_file_row, mqueue_file_columns);

static bool mqueue_file_match(const struct open_file *f)
{
	struct statfs fs;

	return S_ISREG(f->st.st_mode) && f->own >= 0 && fstatfs(f->own, &fs) == 0 && fs.f_type == MQUEUE_MAGIC;
}

/* ---- saving ----------------------------------------------------------- */

/* Is what @f has open the queue of that name in cpt's own ipc namespace? */
static bool is_hosts(const struct open_file *f, const char *name)
{
	_cleanup_fd_ int fd = (int)syscall(SYS_mq_open, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, NULL);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino;
}

/* A queue with a name is one of the ipc namespace that its process is in. */
static bool refuse_elsewhere(struct save *s, struct open_file *f, const struct mqueue_met *met)
{
	if (met->unlinked || !s->frozen ||
	    (met->ipc_ns == COLUMN_NULL ? is_hosts(f, met->name) : mqueue_known(s, met->ipc_ns, f->st.st_ino)))
		return false;
	save_refuse(s, f->process, met->object, "close it, or open it in the process's ipc namespace",
		    "it is a queue of another ipc namespace than that of its process");
	return true;
}

static int mqueue_file_save(struct save *s, struct open_file *f, struct err *e)
{
	char path[32], own[32], object[256], *name = strrchr(f->link, '/');
	struct mqueue_met met = { .process = f->process, .path = path, .unlinked = f->st.st_nlink == 0 };
	struct mqueue_file_row row = { .file = f->id };
	_cleanup_free_ char *plain = NULL;
	_cleanup_fd_ int fd = -1;
	int r;

	if (!name)
		return err_set(e, -EBADMSG, "its name is '%s'", f->link);
	plain = xstrdup(name + 1);
	if (met.unlinked && strrchr(plain, ' '))
		*strrchr(plain, ' ') = 0;	/* " (deleted)" */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	snprintf(own, sizeof(own), "/proc/self/fd/%d", f->own);
	fd = open(own, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open %s", f->link);
	met.name = plain;
	met.fd = fd;
	met.object = open_file_name(f, object);
	r = namespace_of(s, f->process, "ipc", &met.ipc_ns, e);
	if (r < 0 || refuse_elsewhere(s, f, &met))
		return r;
	r = mqueue_save(s, &met, &row.mqueue, e);
	if (r == 0)
		*(struct mqueue_file_row *)image_add(s->img, &mqueue_file_table) = row;
	return r;
}

/* ---- restoring -------------------------------------------------------- */

static const struct mqueue_file_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &mqueue_file_table, offsetof(struct mqueue_file_row, file), f->file);
}

static int mqueue_file_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct mqueue_file_row *row = row_of(r, f);

	return row && image_find(r->img, &mqueue_table, offsetof(struct mqueue_row, mqueue), row->mqueue) ? 0 :
	       err_set(e, -EBADMSG, "it is not in tables mqueue_file and mqueue");
}

static int mqueue_file_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", restore_keyed(r, "mqueue", row_of(r, f)->mqueue));
	*ret_fd = open(path, ((int)f->flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "open the message queue") : 0;
}

const struct file_kind mqueue_file_kind = {
	.name = "mqueue_file",
	.tables = (const struct table *const[]){ &mqueue_file_table, NULL },
	.match = mqueue_file_match,
	.save = mqueue_file_save,
	.check = mqueue_file_check,
	.open = mqueue_file_open,
};
