// SPDX-License-Identifier: GPL-2.0-only
/* Open memfds: each open file description names the shared memory object behind it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include "state/file.h"
#include "state/memfd.h"
#include "state/shmem.h"

struct memfd_row {
	int64_t file;
	int64_t shmem;
};

static const struct column memfd_columns[] = {
	INT_COLUMN(struct memfd_row, file, 0, INT32_MAX),
	INT_COLUMN(struct memfd_row, shmem, 0, INT32_MAX),
};
static const struct table memfd_table = TABLE("memfd", struct memfd_row, memfd_columns);

static bool memfd_match(const struct open_file *f)
{
	return strncmp(f->link, "/memfd:", 7) == 0 && S_ISREG(f->st.st_mode) && f->st.st_nlink == 0;
}

static int memfd_save(struct save *s, struct open_file *f, struct err *e)
{
	int own = open_file_get(f, e);
	struct statfs fs;
	int64_t shmem;
	char name[256];
	int r;

	if (own < 0) {
		if (!s->frozen)
			*e = ERR_INIT;
		return s->frozen ? own : 0;
	}
	if (fstatfs(own, &fs) < 0)
		return err_sys(e, "statfs of %s", f->link);
	if (fs.f_type != TMPFS_MAGIC) {
		save_refuse(s, f->process, open_file_name(f, name), "create it without MFD_HUGETLB",
			    "it is made of hugetlb pages, which have no place on a swap volume");
		return 0;
	}
	r = shmem_save_memfd(s, own, f->link, &shmem, e);
	if (r < 0)
		return r;
	*(struct memfd_row *)image_add(s->img, &memfd_table) = (struct memfd_row){ .file = f->id, .shmem = shmem };
	return 0;
}

static const struct memfd_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &memfd_table, offsetof(struct memfd_row, file), f->file);
}

static int memfd_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct memfd_row *row = row_of(r, f);
	const struct shmem_row *shmem = row ? shmem_find(r->img, row->shmem) : NULL;

	if (!shmem || strcmp(shmem->kind, "memfd") != 0)
		return err_set(e, -EBADMSG, "file %ld: it has no memfd in table shmem", f->file);
	return 0;
}

/* Flags that open(2) takes; the others follow by fcntl or make no difference for memory. */
#define OPEN_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_NOATIME | O_LARGEFILE)

static int memfd_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	int fd = shmem_fd(r, row_of(r, f)->shmem, true, e);
	char path[32];

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	*ret_fd = open(path, ((int)f->flags & OPEN_FLAGS) | O_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, "open the memfd of file %ld", f->file);
	if (lseek(*ret_fd, f->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %ld in the memfd of file %ld", f->pos, f->file);
	return 0;
}

const struct file_kind memfd_kind = {
	.name = "memfd",
	.tables = (const struct table *const[]){ &memfd_table, NULL },
	.match = memfd_match,
	.save = memfd_save,
	.check = memfd_check,
	.open = memfd_open,
};
