// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open file descriptions: which kind each is of, and what all kinds have in
 * common (flags, position, who is told of events by signal). Table `file`.
 * Each is made once, by cpt itself, and pulled from there by all tasks that
 * have descriptors of it (fd.c), so that what was shared is shared again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include "state/file.h"
#include "state/namespace.h"
#include "state/outside.h"
#include "state/process.h"
#include "state/zombie.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17	/* include/uapi/asm-generic/fcntl.h; needs CONFIG_CHECKPOINT_RESTORE */
#endif

static const struct column file_columns[] = {
	INT_COLUMN(struct file_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct file_row, kind, 31),
	INT_COLUMN(struct file_row, flags, 0, INT32_MAX),
	INT_COLUMN(struct file_row, pos, 0, INT64_MAX),
	INT_COLUMN_OR_NULL(struct file_row, mount_ns, 0, INT32_MAX),
	INT_COLUMN_OR_NULL(struct file_row, owner_type, F_OWNER_TID, F_OWNER_PGRP),
	INT_COLUMN_OR_NULL(struct file_row, owner_pid, 1, INT32_MAX),
	INT_COLUMN_OR_NULL(struct file_row, owner_uid, 0, UINT32_MAX),
	INT_COLUMN_OR_NULL(struct file_row, owner_euid, 0, UINT32_MAX),
	INT_COLUMN(struct file_row, owner_signal, 0, 64),
};
const struct table file_table = TABLE("file", struct file_row, file_columns);

struct file_row *file_row_of(struct save *s, const struct open_file *f)
{
	return image_find(s->img, &file_table, offsetof(struct file_row, file), f->id);
}

/* ---- saving ----------------------------------------------------------- */

/* Is the owner of a file's signals in the container, and alive? A group lives as long as it has members. */
static bool owner_inside(const struct save *s, const struct f_owner_ex *owner)
{
	const struct live_process *p = live_find(s->live, owner->pid);
	const struct process_row *row;
	struct live *l = s->live;

	image_for_each(row, s->img, &process_table)
		if (owner->type == F_OWNER_PGRP && row->pgrp == owner->pid && !zombie_of(s->img, row->process))
			return true;
	if (owner->type != F_OWNER_TID)
		return p && !p->zombie;
	for (size_t i = 0; i < l->nr_processes; i++)
		for (size_t j = 0; j < l->processes[i].nr_threads; j++)
			if (l->processes[i].threads[j].tid == owner->pid)
				return !l->processes[i].zombie;
	return false;
}

static int file_save_owner(struct save *s, struct open_file *f, struct file_row *row, struct err *e)
{
	struct f_owner_ex owner = { 0 };
	uint32_t uids[2];
	char name[256];
	int signal;

	row->owner_type = row->owner_pid = row->owner_uid = row->owner_euid = COLUMN_NULL;
	if (f->flags & O_PATH)
		return 0;	/* nothing ever happens on it */
	signal = fcntl(f->own, F_GETSIG);
	if (signal < 0 || fcntl(f->own, F_GETOWN_EX, &owner) < 0)
		return err_sys(e, "fcntl(F_GETSIG, F_GETOWN_EX)");
	row->owner_signal = signal;
	if (owner.pid == 0)
		return 0;
	if (!owner_inside(s, &owner)) {
		save_refuse(s, f->process, open_file_name(f, name), "fcntl(F_SETOWN) to a process of the container",
			    "its signals (F_SETOWN) go to %d, which is not a living task of the container", owner.pid);
		return 0;
	}
	if (fcntl(f->own, F_GETOWNER_UIDS, uids) < 0)
		return err_sys(e, "fcntl(F_GETOWNER_UIDS)");
	row->owner_type = owner.type;
	row->owner_pid = owner.pid;
	row->owner_uid = uids[0];
	row->owner_euid = uids[1];
	return 0;
}

static const struct file_kind *kind_of(const struct open_file *f)
{
	for (size_t i = 0; file_kinds[i]; i++)
		if (file_kinds[i]->match(f))
			return file_kinds[i];
	return NULL;
}

static void refuse_unknown(struct save *s, struct open_file *f)
{
	char name[256];

	open_file_name(f, name);
	if (S_ISSOCK(f->st.st_mode))
		save_refuse(s, f->process, name, "close it", "cpt can't save sockets of this family or type");
	else if (strcmp(f->link, "anon_inode:seccomp notify") == 0)
		save_refuse(s, f->process, name, "run it without a supervisor of system calls",
			    "cpt can't save who asks it about system calls (SECCOMP_RET_USER_NOTIF)");
	else
		save_refuse(s, f->process, name, "close it", "cpt can't save files of this kind");
}

static int file_look(struct save *s, struct open_file *f, struct err *e)
{
	int r = f->flags & O_PATH ? 0 : open_file_get(f, e);

	if (r < 0 || f->flags & O_PATH)
		return r;
	f->kind = kind_of(f);
	return f->kind && f->kind->look ? f->kind->look(s, f, e) : 0;
}

static int in_open_file(const struct open_file *f, struct err *e)
{
	char name[256];

	return err_in(e, "task %d (%s), %s", f->process->pid, f->process->comm, open_file_name(f, name));
}

int files_look(struct save *s, struct err *e)
{
	for (size_t i = 0; i < s->live->nr_files; i++)
		if (file_look(s, s->live->files[i], e) < 0)
			return in_open_file(s->live->files[i], e);
	return 0;
}

static int file_save(struct save *s, struct open_file *f, struct err *e)
{
	struct file_row *row;
	int r;

	r = open_file_get(f, e);
	if (r < 0)
		return r;
	f->kind = f->kind ?: kind_of(f);
	if (!f->kind) {
		refuse_unknown(s, f);
		return 0;
	}
	row = image_add(s->img, &file_table);
	*row = (struct file_row){
		.file = f->id, .kind = image_strdup(s->img, f->kind->name), .flags = f->flags, .pos = f->pos,
		.mount_ns = COLUMN_NULL,
	};
	return file_save_owner(s, f, row, e) ?: f->kind->save(s, f, e);
}

int files_save(struct save *s, struct err *e)
{
	int r;

	for (size_t i = 0; i < s->live->nr_files; i++) {
		struct open_file *f = s->live->files[i];

		r = save_forgive(s, file_save(s, f, e), e);
		if (r < 0)
			return in_open_file(f, e);
	}
	for (size_t i = 0; file_kinds[i]; i++) {
		r = file_kinds[i]->save_finish ? file_kinds[i]->save_finish(s, e) : 0;
		if (save_forgive(s, r, e) < 0)
			return err_in(e, "%s", file_kinds[i]->name);
	}
	return 0;
}

/* ---- checking --------------------------------------------------------- */

static const struct file_kind *kind_named(const char *name)
{
	for (size_t i = 0; file_kinds[i]; i++)
		if (strcmp(file_kinds[i]->name, name) == 0)
			return file_kinds[i];
	return NULL;
}

static int in_file(const struct file_row *f, struct err *e)
{
	return err_in(e, "%s (file %ld)", f->kind, f->file);
}

int files_check(struct restore *r, struct err *e)
{
	const struct file_row *f;
	int ret;

	image_for_each(f, r->img, &file_table) {
		const struct file_kind *kind = kind_named(f->kind);

		if (f->file != (int64_t)_i)
			return err_set(e, -EBADMSG, "table file is not numbered from 0");
		if (!kind)
			return err_set(e, -EBADMSG, "file %ld is of the unknown kind %s", f->file, f->kind);
		if (f->owner_pid != COLUMN_NULL && (f->owner_type == COLUMN_NULL || f->owner_uid == COLUMN_NULL ||
						    f->owner_euid == COLUMN_NULL))
			return err_set(e, -EBADMSG, "file %ld has an owner that is incomplete", f->file);
		ret = kind->check ? kind->check(r, f, e) : 0;
		if (ret < 0)
			return in_file(f, e);
	}
	return 0;
}

/* What comes in place of a fifo's other end is no place in the container. */
void files_need(const struct restore *r, needed_path_fn *fn, void *arg)
{
	const struct file_row *f;

	image_for_each(f, r->img, &file_table) {
		const struct file_kind *kind = kind_named(f->kind);

		if (kind && kind->needs && !outside_plan_of(r, f->file))
			kind->needs(r, f, fn, arg);
	}
}

/* ---- restoring -------------------------------------------------------- */

/* What fcntl(F_SETFL) can change; O_ASYNC waits for files_finish(). */
#define SETTABLE (O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT)
/* Says nothing about a file that 64-bit programs use, or belongs to the descriptor. */
#define UNIMPORTANT (0100000 /* O_LARGEFILE */ | O_CLOEXEC | O_ASYNC | O_NOFOLLOW | O_DIRECTORY | \
		     TMPFILE_BIT)

static int file_set_flags(const struct file_row *f, int fd, struct err *e)
{
	int now = fcntl(fd, F_GETFL);

	if (now < 0)
		return err_sys(e, "fcntl(F_GETFL)");
	if (((now ^ f->flags) & SETTABLE) &&
	    fcntl(fd, F_SETFL, (int)((now & ~SETTABLE) | (f->flags & SETTABLE))) < 0)
		return err_sys(e, "fcntl(F_SETFL, %#lo)", f->flags & SETTABLE);
	now = fcntl(fd, F_GETFL);
	if ((now ^ f->flags) & ~(int64_t)UNIMPORTANT)
		return err_set(e, -EPROTO, "its flags are %#o instead of %#lo", now, f->flags);
	return 0;
}

static int file_open(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct file_kind *kind = kind_named(f->kind);
	bool given = outside_is_given(r, f->file);
	_cleanup_fd_ int fd = -1;
	int back, ret, left;

	ret = namespace_enter(r, given ? COLUMN_NULL : f->mount_ns, "mnt", &back, e);
	if (ret < 0)
		return ret;
	ret = kind->open(r, f, &fd, e) ?: given ? 0 : file_set_flags(f, fd, e);
	left = namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e);
	r->file_fds[f->file] = take_fd(&fd);
	return ret ?: left;
}

int files_restore(struct restore *r, struct err *e)
{
	const struct file_row *f;

	image_rows(r->img, &file_table, &r->nr_files);
	r->file_fds = xcalloc(r->nr_files, sizeof(*r->file_fds));
	for (size_t i = 0; i < r->nr_files; i++)
		r->file_fds[i] = -1;
	image_for_each(f, r->img, &file_table)
		if (!kind_named(f->kind)->late && file_open(r, f, e) < 0)
			return in_file(f, e);
	return 0;
}

int files_restore_late(struct restore *r, struct err *e)
{
	const struct file_row *f;

	image_for_each(f, r->img, &file_table)
		if (kind_named(f->kind)->late && file_open(r, f, e) < 0)
			return in_file(f, e);
	return 0;
}

static int file_step(struct restore *r, const struct file_row *f,
		     int (*step)(struct restore *r, const struct file_row *f, int fd, struct err *e), struct err *e)
{
	int back, ret, left;

	if (!step)
		return 0;
	ret = namespace_enter(r, f->mount_ns, "mnt", &back, e);
	if (ret < 0)
		return ret;
	ret = step(r, f, r->file_fds[f->file], e);
	left = namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e);
	return ret ?: left;
}

int files_connect(struct restore *r, struct err *e)
{
	const struct file_row *f;

	image_for_each(f, r->img, &file_table)
		if (file_step(r, f, kind_named(f->kind)->connect, e) < 0)
			return in_file(f, e);
	image_for_each(f, r->img, &file_table)
		if (file_step(r, f, kind_named(f->kind)->settle, e) < 0)
			return in_file(f, e);
	return 0;
}

/* The owner's id in cpt's pid namespace, or 0. */
static pid_t owner_now(struct restore *r, const struct file_row *f)
{
	if (f->owner_type == F_OWNER_TID)
		for (size_t i = 0; i < r->nr_processes; i++)
			for (size_t j = 0; j < r->processes[i].nr_threads; j++)
				if (r->processes[i].threads[j].row->thread == f->owner_pid)
					return r->processes[i].threads[j].tid;
	/* Its leader may have ended. */
	for (size_t i = 0; f->owner_type == F_OWNER_PGRP && i < r->nr_processes; i++)
		if (r->processes[i].row->pgrp == f->owner_pid)
			return getpgid(r->processes[i].pid);
	struct new_process *p = restore_find(r, f->owner_pid);

	return p ? p->pid : 0;
}

/*
 * The kernel notes as whom F_SETOWN was called and sends the signal with those
 * rights (sigio_perm() in fs/fcntl.c), so cpt calls it as that user.
 */
static int file_set_owner(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	struct f_owner_ex owner = { .type = (int)f->owner_type, .pid = owner_now(r, f) };
	int ret;

	if (!owner.pid)
		return err_set(e, -EBADMSG, "its signals go to %ld, which is no task of the snapshot", f->owner_pid);
	if (syscall(SYS_setresuid, (uid_t)f->owner_uid, (uid_t)f->owner_euid, 0) < 0)
		return err_sys(e, "become user %ld for F_SETOWN", f->owner_uid);
	ret = fcntl(fd, F_SETOWN_EX, &owner) < 0 ? -errno : 0;
	if (syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, "become root again");
	return ret < 0 ? err_ret(e, ret, "fcntl(F_SETOWN_EX, %d)", owner.pid) : 0;
}

int files_finish(struct restore *r, struct err *e)
{
	const struct file_row *f;
	int ret;

	/* An end that only cpt has is no end: whoever waits for the last writer to go must not wait for cpt. */
	restore_close_keyed(r, "pipe");
	restore_close_keyed(r, "pipe reader");
	restore_close_keyed(r, "unix_socket");
	restore_close_keyed(r, "mqueue");
	restore_close_keyed(r, "pty");
	restore_close_keyed(r, "pty_end");
	image_for_each(f, r->img, &file_table) {
		int fd = r->file_fds[f->file];

		if (f->owner_signal && fcntl(fd, F_SETSIG, (int)f->owner_signal) < 0)
			return err_sys(e, "fcntl(F_SETSIG, %ld)", f->owner_signal), in_file(f, e);
		ret = f->owner_pid == COLUMN_NULL ? 0 : file_set_owner(r, f, fd, e);
		if (ret == 0 && (f->flags & O_ASYNC) && fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC) < 0)
			ret = err_sys(e, "fcntl(F_SETFL, O_ASYNC)");
		if (ret < 0)
			return in_file(f, e);
	}
	return 0;
}
