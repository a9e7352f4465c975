// SPDX-License-Identifier: GPL-2.0-only
/* System V shared memory segments: table `sysv_shm`; their pages are a shared memory object (shmem.c). */
#include <errno.h>
#include <string.h>
#include <sys/shm.h>
#include "state/namespace.h"
#include "state/shmem.h"
#include "state/sysv.h"

struct sysv_shm_row {
	int64_t ipc_ns;		/* COLUMN_NULL: the host's */
	int64_t id;
	SYSV_PERMISSIONS;
	int64_t shmem;
	int64_t size;
	int64_t locked, removed;	/* SHM_LOCK; IPC_RMID while attached */
};

static const struct column sysv_shm_columns[] = {
	INT_COLUMN_OR_NULL(struct sysv_shm_row, ipc_ns, 0, 65535),
	INT_COLUMN(struct sysv_shm_row, id, 0, INT32_MAX),
	SYSV_PERMISSION_COLUMNS(struct sysv_shm_row),
	INT_COLUMN(struct sysv_shm_row, shmem, 0, INT32_MAX),
	INT_COLUMN(struct sysv_shm_row, size, 0, INT64_MAX),
	INT_COLUMN(struct sysv_shm_row, locked, 0, 1),
	INT_COLUMN(struct sysv_shm_row, removed, 0, 1),
};
static const struct table sysv_shm_table = TABLE("sysv_shm", struct sysv_shm_row, sysv_shm_columns);

static int segment_save(struct save *s, struct live_process *p, int64_t ns, const struct shmid_ds *ds, int id,
			struct err *e)
{
	struct sysv_permissions perm = sysv_permissions(&ds->shm_perm);
	struct sysv_shm_row row = {
		.ipc_ns = ns, .id = id, .size = (int64_t)ds->shm_segsz,
		.locked = !!(ds->shm_perm.mode & SHM_LOCKED), .removed = !!(ds->shm_perm.mode & SHM_DEST),
	};
	int r;

	memcpy(&row.key, &perm, sizeof(perm));
	if (ds->shm_perm.mode & SHM_HUGETLB)
		save_refuse(s, p, "a System V segment", "use ordinary pages", "segment %d is made of huge pages", id);
	r = shmem_save_sysv(s, p, id, row.size, &row.shmem, e);
	if (r == 0)
		*(struct sysv_shm_row *)image_add(s->img, &sysv_shm_table) = row;
	return r;
}

static int namespace_save_segments(struct save *s, struct live_process *p, int64_t ns, struct err *e)
{
	struct shmid_ds ds;
	int highest = shmctl(0, SHM_INFO, (void *)&ds);

	for (int place = 0; place <= highest; place++) {
		int id = shmctl(place, SHM_STAT_ANY, &ds), r;

		if (id < 0)
			continue;
		r = segment_save(s, p, ns, &ds, id, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool segment_known(const struct save *s, int64_t id)
{
	const struct sysv_shm_row *row;

	image_for_each(row, s->img, &sysv_shm_table)
		if (row->ipc_ns == COLUMN_NULL && row->id == id)
			return true;
	return false;
}

/* In the host's namespace, what the container maps (the inode number of a segment is its id). */
static int save_mapped(struct save *s, struct live_process *p, struct err *e)
{
	int64_t ns;
	int r = p->zombie ? 0 : namespace_of(s, p, "ipc", &ns, e);

	if (p->zombie || r < 0 || ns != COLUMN_NULL)
		return r;
	for (size_t i = 0; i < p->nr_vmas; i++) {
		struct live_vma *v = &p->vmas[i];
		struct shmid_ds ds;

		if (strncmp(v->path, "/SYSV", 5) != 0 || segment_known(s, (int64_t)v->ino))
			continue;
		if (shmctl((int)v->ino, IPC_STAT, &ds) < 0)
			continue;
		r = segment_save(s, p, COLUMN_NULL, &ds, (int)v->ino, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int sysv_shm_save(struct save *s, struct err *e)
{
	return sysv_each_namespace(s, namespace_save_segments, e);
}

/* ---- restoring -------------------------------------------------------- */

static int segment_fill(struct restore *r, const struct sysv_shm_row *row, int id, struct err *e)
{
	struct shmid_ds ds;
	void *at;
	int ret;

	at = shmat(id, NULL, 0);
	if (at == (void *)-1)
		return err_sys(e, "attach it");
	ret = shmem_restore_runs(r, row->shmem, at, e);
	shmdt(at);
	if (ret < 0)
		return ret;
	if (row->locked && shmctl(id, SHM_LOCK, NULL) < 0)
		return err_sys(e, "lock it");
	if (shmctl(id, IPC_STAT, &ds) < 0)
		return err_sys(e, "read its state");
	ds.shm_perm.uid = (uid_t)row->uid;
	ds.shm_perm.gid = (gid_t)row->gid;
	ds.shm_perm.mode = (unsigned short)row->mode;
	return shmctl(id, IPC_SET, &ds) < 0 ? err_sys(e, "set its owner") : 0;
}

static int segment_restore(struct restore *r, const struct sysv_shm_row *row, struct err *e)
{
	struct sysv_permissions perm;
	struct sysv_scope scope;
	int ret, id;

	memcpy(&perm, &row->key, sizeof(perm));
	ret = sysv_begin(r, &scope, row->ipc_ns, "IPC_SHM", row->id, &perm, e);
	if (ret < 0)
		return ret;
	id = shmget((key_t)row->key, (size_t)row->size, IPC_CREAT | IPC_EXCL | (int)row->mode);
	if (id < 0)
		ret = err_sys(e, "make it");
	else if (id != row->id)
		ret = err_set(e, -EPROTO, "the kernel gave it the id %d", id);
	if (ret == 0)
		ret = segment_fill(r, row, id, e);
	if (ret < 0 && id >= 0)
		shmctl(id, IPC_RMID, NULL);
	return sysv_end(&scope, ret < 0 ? &ERR_INIT : e) ?: ret;
}

static int sysv_shm_restore(struct restore *r, struct err *e)
{
	const struct sysv_shm_row *row;

	image_for_each(row, r->img, &sysv_shm_table)
		if (segment_restore(r, row, e) < 0)
			return err_in(e, "segment %ld", row->id);
	return 0;
}

/* What was removed while attached goes for good when the last process detaches. */
static int sysv_shm_finish(struct restore *r, struct err *e)
{
	const struct sysv_shm_row *row;

	image_for_each(row, r->img, &sysv_shm_table) {
		int back, ret = row->removed ? namespace_enter(r, row->ipc_ns, "ipc", &back, e) : 0;

		if (ret < 0)
			return ret;
		if (!row->removed)
			continue;
		if (shmctl((int)row->id, IPC_RMID, NULL) < 0)
			ret = err_sys(e, "remove segment %ld again", row->id);
		ret = namespace_leave(&back, "ipc", ret < 0 ? &ERR_INIT : e) ?: ret;
		if (ret < 0)
			return ret;
	}
	return 0;
}

const struct kind sysv_shm_kind = {
	.name = "sysv_shm",
	.tables = (const struct table *const[]){ &sysv_shm_table, NULL },
	.save_container = sysv_shm_save,
	.save_process = save_mapped,
	.restore_container = sysv_shm_restore,
	.finish = sysv_shm_finish,
};
