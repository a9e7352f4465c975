// SPDX-License-Identifier: GPL-2.0-only
/* System V semaphore sets with what each process has pending to undo: tables `sysv_sem`, `sysv_sem_value`, `sysv_sem_undo`. */
#include <errno.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include "host/uapi_sem.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/sysv.h"

struct sysv_sem_row {
	int64_t ipc_ns, id;
	SYSV_PERMISSIONS;
	int64_t semaphores;
};

struct sysv_sem_value_row {
	int64_t ipc_ns, id, semaphore, value;
};

struct sysv_sem_undo_row {
	int64_t process, id, semaphore;
	int64_t adjustment;	/* added to the value when the process ends */
};

#define SEMAPHORES_MOST 32000	/* SEMMSL, include/uapi/linux/sem.h */

static const struct column sysv_sem_columns[] = {
	INT_COLUMN(struct sysv_sem_row, ipc_ns, 0, 65535), INT_COLUMN(struct sysv_sem_row, id, 0, INT32_MAX),
	SYSV_PERMISSION_COLUMNS(struct sysv_sem_row),
	INT_COLUMN(struct sysv_sem_row, semaphores, 1, SEMAPHORES_MOST),
};
static const struct table sysv_sem_table = TABLE("sysv_sem", struct sysv_sem_row, sysv_sem_columns);

static const struct column sysv_sem_value_columns[] = {
	INT_COLUMN(struct sysv_sem_value_row, ipc_ns, 0, 65535),
	INT_COLUMN(struct sysv_sem_value_row, id, 0, INT32_MAX),
	INT_COLUMN(struct sysv_sem_value_row, semaphore, 0, SEMAPHORES_MOST - 1),
	INT_COLUMN(struct sysv_sem_value_row, value, 0, 32767),
};
static const struct table sysv_sem_value_table =
	TABLE("sysv_sem_value", struct sysv_sem_value_row, sysv_sem_value_columns);

static const struct column sysv_sem_undo_columns[] = {
	INT_COLUMN(struct sysv_sem_undo_row, process, 1, INT32_MAX),
	INT_COLUMN(struct sysv_sem_undo_row, id, 0, INT32_MAX),
	INT_COLUMN(struct sysv_sem_undo_row, semaphore, 0, SEMAPHORES_MOST - 1),
	INT_COLUMN(struct sysv_sem_undo_row, adjustment, -32768, 32767),
};
static const struct table sysv_sem_undo_table =
	TABLE("sysv_sem_undo", struct sysv_sem_undo_row, sysv_sem_undo_columns);

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

/* ---- saving ----------------------------------------------------------- */

static int set_save(struct save *s, int64_t ns, int id, const struct semid_ds *ds, struct err *e)
{
	struct sysv_permissions perm = sysv_permissions(&ds->sem_perm);
	_cleanup_free_ unsigned short *values = xcalloc(ds->sem_nsems, sizeof(*values));
	struct sysv_sem_row *row;

	if (semctl(id, 0, GETALL, (union semun){ .array = values }) < 0)
		return s->frozen ? err_sys(e, "read the values of semaphore set %d", id) : 0;
	row = image_add(s->img, &sysv_sem_table);
	*row = (struct sysv_sem_row){ .ipc_ns = ns, .id = id, .semaphores = (int64_t)ds->sem_nsems };
	memcpy(&row->key, &perm, sizeof(perm));
	for (size_t i = 0; i < ds->sem_nsems; i++)
		*(struct sysv_sem_value_row *)image_add(s->img, &sysv_sem_value_table) =
			(struct sysv_sem_value_row){ ns, id, (int64_t)i, values[i] };
	return 0;
}

/* A walk over all sets of the ipc namespace that cpt is in. */
struct set_walk {
	int place, highest;
};

static struct set_walk set_walk_begin(void)
{
	struct seminfo info;

	return (struct set_walk){ .highest = semctl(0, 0, SEM_INFO, (union semun){ .info = &info }) };
}

/* The id of the next set, or -1. */
static int set_walk_next(struct set_walk *w, struct semid_ds *ds)
{
	int id = -1;

	while (id < 0 && w->place <= w->highest)
		id = semctl(w->place++, 0, SEM_STAT_ANY, (union semun){ .buf = ds });
	return id;
}

static int namespace_save_sets(struct save *s, struct live_process *p, int64_t ns, struct err *e)
{
	struct set_walk w = set_walk_begin();
	struct semid_ds ds;
	int id, r = 0;

	(void)p;
	while (r == 0 && (id = set_walk_next(&w, &ds)) >= 0)
		r = set_save(s, ns, id, &ds, e);
	return r;
}

static int sysv_sem_save(struct save *s, struct err *e)
{
	return sysv_each_namespace(s, namespace_save_sets, e);
}

/* The sets of a process's ipc namespace: those saved, or in the host's all that there are. */
struct set_list {
	struct {
		int id;
		size_t semaphores, at;	/* where in the batch its adjustments are */
	} *sets;
	size_t nr, cap;
};

static void list_set(struct set_list *l, int id, size_t semaphores)
{
	array_grow(l->sets, l->nr, l->cap);
	l->sets[l->nr].id = id;
	l->sets[l->nr++].semaphores = semaphores;
}

static void list_sets(const struct save *s, int64_t ns, struct set_list *l)
{
	const struct sysv_sem_row *set;

	if (ns == COLUMN_NULL) {
		struct set_walk w = set_walk_begin();
		struct semid_ds ds;
		int id;

		while ((id = set_walk_next(&w, &ds)) >= 0)
			list_set(l, id, ds.sem_nsems);
	}
	image_for_each(set, s->img, &sysv_sem_table)
		if (set->ipc_ns == ns)
			list_set(l, (int)set->id, (size_t)set->semaphores);
}

static int undo_read(struct live_process *p, struct set_list *l, struct batch *b, struct err *e)
{
	int r;

	for (size_t i = 0; i < l->nr; i++) {
		l->sets[i].at = batch_data(b, NULL, l->sets[i].semaphores * sizeof(short));
		batch_call(b, "semctl: read what it has to undo", SYS_semctl, ARG(l->sets[i].id), ARG(0), ARG(GETADJ),
			   ARG_AT(l->sets[i].at));
	}
	r = l->nr ? remote_run(p->remote, &p->threads[0].tracee, b, e) : 0;
	if (r == -EINVAL)
		err_advise(e, "boot a kernel with all of cpt's patches: this one can't tell pending undos");
	return r;
}

static void undo_note(struct save *s, struct live_process *p, int64_t ns, int id, size_t semaphore, short adjustment)
{
	char object[64];

	if (adjustment == 0)
		return;
	if (ns != COLUMN_NULL) {
		*(struct sysv_sem_undo_row *)image_add(s->img, &sysv_sem_undo_table) =
			(struct sysv_sem_undo_row){ p->pid, id, (int64_t)semaphore, adjustment };
		return;
	}
	/* When the process is killed the undo takes place, and a restore would take it back from whoever is next. */
	snprintf(object, sizeof(object), "its undo of semaphore %zu of set %d", semaphore, id);
	save_refuse(s, p, object, "run it in an ipc namespace of its own (`cpt run` does)",
		    "the set is the host's, not the container's");
}

static int undo_save(struct save *s, struct live_process *p, struct err *e)
{
	_cleanup_batch_ struct batch *b = NULL;
	struct set_list l = { 0 };
	int64_t ns;
	int r;

	if (!s->frozen || p->zombie)
		return 0;
	r = namespace_of(s, p, "ipc", &ns, e);
	if (r < 0)
		return r;
	b = batch_new();
	list_sets(s, ns, &l);
	r = undo_read(p, &l, b, e);
	for (size_t i = 0; r == 0 && i < l.nr; i++)
		for (size_t n = 0; n < l.sets[i].semaphores; n++)
			undo_note(s, p, ns, l.sets[i].id, n, ((short *)batch_data_at(b, l.sets[i].at))[n]);
	free(l.sets);
	return r;
}

/* ---- restoring -------------------------------------------------------- */

static int set_fill(struct restore *r, const struct sysv_sem_row *row, struct err *e)
{
	_cleanup_free_ unsigned short *values = xcalloc((size_t)row->semaphores, sizeof(*values));
	const struct sysv_sem_value_row *v;
	struct semid_ds ds;
	int id = (int)row->id;

	image_for_each(v, r->img, &sysv_sem_value_table)
		if (v->ipc_ns == row->ipc_ns && v->id == row->id && v->semaphore < row->semaphores)
			values[v->semaphore] = (unsigned short)v->value;
	if (semctl(id, 0, SETALL, (union semun){ .array = values }) < 0)
		return err_sys(e, "set its values");
	if (semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }) < 0)
		return err_sys(e, "read its state");
	ds.sem_perm.uid = (uid_t)row->uid;
	ds.sem_perm.gid = (gid_t)row->gid;
	ds.sem_perm.mode = (unsigned short)row->mode;
	return semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }) < 0 ? err_sys(e, "set its owner") : 0;
}

static int set_restore(struct restore *r, const struct sysv_sem_row *row, struct err *e)
{
	struct sysv_permissions perm;
	struct sysv_scope scope;
	int ret, id;

	memcpy(&perm, &row->key, sizeof(perm));
	ret = sysv_begin(r, &scope, row->ipc_ns, "IPC_SEM", row->id, &perm, e);
	if (ret < 0)
		return ret;
	id = semget((key_t)row->key, (int)row->semaphores, IPC_CREAT | IPC_EXCL | (int)row->mode);
	if (id < 0)
		ret = err_sys(e, "make it");
	else if (id != row->id)
		ret = err_set(e, -EPROTO, "the kernel gave it the id %d", id);
	if (ret == 0)
		ret = set_fill(r, row, e);
	return sysv_end(&scope, ret < 0 ? &ERR_INIT : e) ?: ret;
}

static int sysv_sem_restore(struct restore *r, struct err *e)
{
	const struct sysv_sem_row *row;

	image_for_each(row, r->img, &sysv_sem_table)
		if (set_restore(r, row, e) < 0)
			return err_in(e, "semaphore set %ld", row->id);
	return 0;
}

/*
 * The process takes its undo on itself by two operations that are made as one
 * and leave the value alone: only one of them is to be undone.
 */
static int undo_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct sysv_sem_undo_row *row;

	(void)e;
	image_for_each(row, r->img, &sysv_sem_undo_table) {
		struct sembuf ops[2] = {
			{ (unsigned short)row->semaphore, (short)row->adjustment, 0 },
			{ (unsigned short)row->semaphore, (short)-row->adjustment, SEM_UNDO },
		};

		if (row->process != p->row->process)
			continue;
		if (row->adjustment < 0) {	/* up before down, or it would wait */
			struct sembuf first = ops[1];

			ops[1] = ops[0];
			ops[0] = first;
		}
		batch_call(b, batch_why(b, "semop: take on the undo of semaphore set %ld", row->id), SYS_semop,
			   ARG(row->id), ARG_AT(batch_data(b, ops, sizeof(ops))), ARG(2));
	}
	return 0;
}

const struct kind sysv_sem_kind = {
	.name = "sysv_sem",
	.tables = (const struct table *const[]){ &sysv_sem_table, &sysv_sem_value_table, &sysv_sem_undo_table, NULL },
	.save_container = sysv_sem_save,
	.save_process = undo_save,
	.restore_container = sysv_sem_restore,
	.restore_process = undo_restore,
};
