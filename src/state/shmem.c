// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory objects: finding those of a live container, their rows, and
 * making them again. Anonymous ones and memfds are made by cpt before any
 * process exists; SysV segments are made by sysv_shm.c, which has their pages
 * installed from here.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include "host/cgroup_tree.h"
#include "host/pagemap.h"
#include "state/namespace.h"
#include "state/shmem.h"
#include "state/swap_run.h"
#include "state/vma.h"

static const struct column shmem_columns[] = {
	INT_COLUMN(struct shmem_row, shmem, 0, INT32_MAX),
	TEXT_COLUMN(struct shmem_row, cgroup, 4095),
	TEXT_COLUMN(struct shmem_row, kind, 8),
	INT_COLUMN_OR_NULL(struct shmem_row, ipc_ns, 0, INT32_MAX),
	INT_COLUMN(struct shmem_row, inode, 0, INT64_MAX),
	INT_COLUMN(struct shmem_row, size, 0, (int64_t)ADDRESS_END),
	TEXT_COLUMN_OR_NULL(struct shmem_row, name, 249),
	INT_COLUMN(struct shmem_row, mode, 0, 07777),
	INT_COLUMN(struct shmem_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct shmem_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct shmem_row, seals, 0, 63),
};
const struct table shmem_table = TABLE("shmem", struct shmem_row, shmem_columns);

static const struct column shmem_run_columns[] = {
	INT_COLUMN(struct shmem_run_row, shmem, 0, INT32_MAX),
	INT_COLUMN(struct shmem_run_row, page, 0, (int64_t)(ADDRESS_END / PAGE_SIZE)),
	INT_COLUMN(struct shmem_run_row, nr_pages, 1, UINT32_MAX),
	INT_COLUMN(struct shmem_run_row, slot, 0, UINT32_MAX),
	INT_COLUMN(struct shmem_run_row, flags, 0, 15),
};
const struct table shmem_run_table = TABLE("shmem_run", struct shmem_run_row, shmem_run_columns);

/* ---- rows -------------------------------------------------------------- */

const struct shmem_row *shmem_find(const struct image *img, int64_t shmem)
{
	return image_find(img, &shmem_table, offsetof(struct shmem_row, shmem), shmem);
}

/* "/memfd:name (deleted)": the name. */
static char *memfd_name(struct save *s, const char *link)
{
	char *name = image_strdup(s->img, link + strlen("/memfd:"));
	size_t len = strlen(name), tail = strlen(" (deleted)");

	if (len >= tail && strcmp(name + len - tail, " (deleted)") == 0)
		name[len - tail] = 0;
	return name;
}

/* SysV segments of different ipc namespaces may have one number, everything else is numbered apart. */
static struct shmem_row *row_get(struct save *s, const struct live_process *p, const char *kind, int64_t ipc_ns,
				 int64_t inode, bool *ret_new)
{
	struct shmem_row *row;
	size_t nr;

	*ret_new = false;
	image_for_each(row, s->img, &shmem_table)
		if (row->inode == inode && row->ipc_ns == ipc_ns && strcmp(row->kind, kind) == 0)
			return row;
	*ret_new = true;
	image_rows(s->img, &shmem_table, &nr);
	row = image_add(s->img, &shmem_table);
	*row = (struct shmem_row){
		.shmem = (int64_t)nr, .cgroup = image_strdup(s->img, p ? p->cgroup : ""), .kind = image_strdup(s->img, kind), .ipc_ns = ipc_ns, .inode = inode,
	};
	return row;
}

int shmem_save_object(struct save *s, const struct shmem_object *o, int64_t *ret, struct err *e)
{
	bool is_sysv = strcmp(o->kind, "sysv") == 0, is_new;
	int64_t ipc_ns = COLUMN_NULL;
	struct shmem_row *row;
	struct stat st;
	int seals, r;

	if (fstat(o->fd, &st) < 0)
		return err_sys(e, "stat %s", o->link);
	r = is_sysv ? namespace_of(s, o->process, "ipc", &ipc_ns, e) : 0;
	if (r < 0)
		return r;
	row = row_get(s, o->process, o->kind, ipc_ns, (int64_t)o->ino, &is_new);
	row->size = st.st_size;
	*ret = row->shmem;
	if (!is_new || is_sysv || strcmp(o->kind, "file") == 0)
		return 0;
	row->mode = st.st_mode & 07777;
	row->uid = st.st_uid;
	row->gid = st.st_gid;
	if (strcmp(o->kind, "memfd") != 0)
		return 0;
	row->name = memfd_name(s, o->link);
	seals = fcntl(o->fd, F_GET_SEALS);
	if (seals < 0)
		return err_sys(e, "read the seals of %s", o->link);
	row->seals = seals;
	return 0;
}

int shmem_save_mapping(struct save *s, struct live_process *p, const struct live_vma *v, const char *link,
		       int64_t *ret, struct err *e)
{
	_cleanup_fd_ int fd = openat(p->proc_fd, link, O_RDONLY | O_CLOEXEC);
	struct shmem_object o = {
		.kind = vma_shmem_kind(v), .process = p, .ino = v->ino, .link = v->path, .fd = fd,
	};

	*ret = COLUMN_NULL;
	if (fd < 0)
		return s->frozen ? err_sys(e, "open /proc/%d/%s", p->pid, link) : 0;
	return shmem_save_object(s, &o, ret, e);
}

int shmem_save_memfd(struct save *s, int fd, const char *link, int64_t *ret, struct err *e)
{
	struct shmem_object o = { .kind = "memfd", .link = (char *)link, .fd = fd };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat %s", link);
	o.ino = st.st_ino;
	return shmem_save_object(s, &o, ret, e);
}

int shmem_save_sysv(struct save *s, struct live_process *p, int shmid, int64_t size, int64_t *ret, struct err *e)
{
	struct shmem_row *row;
	int64_t ipc_ns;
	bool is_new;
	int r = namespace_of(s, p, "ipc", &ipc_ns, e);

	if (r < 0)
		return r;
	row = row_get(s, p, "sysv", ipc_ns, shmid, &is_new);
	row->size = size;
	*ret = row->shmem;
	return 0;
}

/* ---- restoring --------------------------------------------------------- */

#define KEYED "shmem"
#define KEYED_READ_ONLY "shmem, read only"

static bool is_kind(const struct shmem_row *row, const char *kind)
{
	return strcmp(row->kind, kind) == 0;
}

static int shmem_check(struct restore *r, struct err *e)
{
	const struct shmem_run_row *run, *before = NULL;
	const struct shmem_row *row;

	image_for_each(row, r->img, &shmem_table)
		if (!is_kind(row, "anon") && !is_kind(row, "sysv") && !is_kind(row, "file") &&
		    !(is_kind(row, "memfd") && row->name))
			return err_set(e, -EBADMSG, "shared memory object %ld: kind '%s' is not known or it has no name",
				       row->shmem, row->kind);
	image_for_each(run, r->img, &shmem_run_table) {
		row = shmem_find(r->img, run->shmem);
		if (!row || run->page + run->nr_pages > (int64_t)(PAGE_ALIGN((uint64_t)row->size) / PAGE_SIZE))
			return err_set(e, -EBADMSG, "shared memory object %ld has no page %ld", run->shmem,
				       run->page + run->nr_pages - 1);
		if (before && before->shmem == run->shmem && before->page + before->nr_pages > run->page)
			return err_set(e, -EBADMSG, "shared memory object %ld: its runs overlap at page %ld",
				       run->shmem, run->page);
		before = run;
	}
	return 0;
}

int shmem_restore_runs(struct restore *r, int64_t shmem, void *mapping, struct err *e)
{
	_cleanup_fd_ int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), cgroup = -1;
	_cleanup_free_ struct pagemap_swap_run *runs = NULL;
	const struct shmem_row *object = shmem_find(r->img, shmem);
	const struct shmem_run_row *row;
	size_t nr = 0, cap = 0;

	if (!object)
		return err_set(e, -EBADMSG, "there is no shared memory object %ld", shmem);
	if (pagemap < 0)
		return err_sys(e, "open /proc/self/pagemap");
	image_for_each(row, r->img, &shmem_run_table) {
		struct pagemap_swap_run run = {
			.vaddr = (uintptr_t)mapping + (uint64_t)row->page * PAGE_SIZE,
			.slot = (uint64_t)row->slot, .nr_pages = (uint32_t)row->nr_pages,
			.flags = PM_SWAP_RUN_SHMEM,
		};

		/* Fresh shared memory is zero by itself. */
		if (row->shmem == shmem && !(row->flags & PM_SWAP_RUN_ZERO))
			runs_append(&runs, &nr, &cap, &run);
	}
	if (nr == 0)
		return 0;
	cgroup = cgroup_open_below(r->cgroup_fd, object->cgroup, e);
	return cgroup < 0 ? cgroup : pagemap_set(pagemap, cgroup, runs, nr, e);
}

static bool is_noreserve(const struct image *img, int64_t shmem)
{
	const struct vma_row *v;
	uint32_t bits;

	image_for_each(v, img, &vma_table)
		if (v->shmem == shmem && vma_flags_of(v, &bits) && bits & VMA_NORESERVE)
			return true;
	return false;
}

/*
 * Only mmap(2) makes an object that maps as "/dev/zero (deleted)"; the way to a
 * descriptor of it leads through map_files.
 */
static int anon_make(struct restore *r, const struct shmem_row *row, int *ret, struct err *e)
{
	int flags = MAP_SHARED | MAP_ANONYMOUS | (is_noreserve(r->img, row->shmem) ? MAP_NORESERVE : 0);
	size_t len = PAGE_ALIGN((size_t)row->size);
	char path[80], *at;
	int err;

	at = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (at == MAP_FAILED)
		return err_sys(e, "map %zu bytes of shared memory", len);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at, (unsigned long)at + len);
	*ret = open(path, O_RDWR | O_CLOEXEC);
	err = *ret < 0 ? err_sys(e, "open %s", path) : shmem_restore_runs(r, row->shmem, at, e);
	munmap(at, len);
	return err;
}

int shmem_fill(struct restore *r, const struct shmem_row *row, int fd, struct err *e)
{
	size_t len = PAGE_ALIGN((size_t)row->size);
	void *at;
	int err;

	if (len == 0)
		return 0;
	at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_sys(e, "map %zu bytes of shared memory", len);
	err = shmem_restore_runs(r, row->shmem, at, e);
	munmap(at, len);
	return err;
}

static int memfd_make(struct restore *r, const struct shmem_row *row, int *ret, struct err *e)
{
	*ret = memfd_create(row->name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*ret < 0)
		return err_sys(e, "memfd_create(%s)", row->name);
	if (ftruncate(*ret, row->size) < 0 || fchmod(*ret, (mode_t)row->mode) < 0 ||
	    fchown(*ret, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "set size, mode and owner of memfd %s", row->name);
	return shmem_fill(r, row, *ret, e);
}

static int shmem_restore(struct restore *r, struct err *e)
{
	const struct shmem_row *row;

	image_for_each(row, r->img, &shmem_table) {
		_cleanup_fd_ int fd = -1;
		int ret;

		if (is_kind(row, "sysv") || is_kind(row, "file"))
			continue;
		ret = is_kind(row, "anon") ? anon_make(r, row, &fd, e) : memfd_make(r, row, &fd, e);
		if (ret < 0)
			return err_in(e, "shared memory object %ld", row->shmem);
		restore_set_keyed(r, KEYED, row->shmem, take_fd(&fd));
	}
	return 0;
}

int shmem_fd(struct restore *r, int64_t shmem, bool writable, struct err *e)
{
	int fd = restore_keyed(r, writable ? KEYED : KEYED_READ_ONLY, shmem);
	char path[32];

	if (fd >= 0)
		return fd;
	fd = restore_keyed(r, KEYED, shmem);
	if (writable || fd < 0)
		return err_set(e, -EBADMSG, "shared memory object %ld has no descriptor", shmem);
	/* A write seal allows no mapping that could become writable: those need another open file. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open shared memory object %ld for reading", shmem);
	restore_set_keyed(r, KEYED_READ_ONLY, shmem, fd);
	return fd;
}

/* Last, for F_SEAL_FUTURE_WRITE forbids writable mappings, but not those that are there. */
static int shmem_seal(struct restore *r, struct err *e)
{
	const struct shmem_row *row;

	image_for_each(row, r->img, &shmem_table) {
		int fd = row->seals ? shmem_fd(r, row->shmem, true, e) : -1;

		if (row->seals && fd < 0)
			return fd;
		if (row->seals && fcntl(fd, F_ADD_SEALS, (int)row->seals) < 0)
			return err_sys(e, "seal memfd %s with %#lx", row->name, row->seals);
	}
	return 0;
}

const struct kind shmem_kind = {
	.name = "shmem",
	.tables = (const struct table *const[]){ &shmem_table, &shmem_run_table, NULL },
	.check = shmem_check,
	.restore_container = shmem_restore,
	.finish = shmem_seal,
};
