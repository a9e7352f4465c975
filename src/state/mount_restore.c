// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making the mounts of a container's mount namespaces.
 *
 * All are made in a namespace that only cpt is in for that (the stage, a copy
 * of its own), each as a mount that is nowhere yet: of a mount of the host, or
 * of a file system that is made anew there. In the order in which the container
 * had made them, which is that of its mountinfo. Then they are put together in
 * the container's namespace, on a root of its own, and the copy of the host's
 * mounts that was there goes. Nothing of a catalog is looked up as a path from
 * a root: points are looked up below the mount they are on, without links.
 *
 * A proc shows the pid namespace of the process that mounts it, so those are
 * late: what is on them waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include "state/file_system.h"
#include "state/mount.h"
#include "state/mount_stage.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/tmpfs.h"

int64_t mount_number(const struct restore *r, const struct mount_row *row)
{
	size_t nr;

	return row - (const struct mount_row *)image_rows(r->img, &mount_table, &nr);
}

const struct file_system_row *mount_file_system(const struct restore *r, const struct mount_row *row)
{
	return row->file_system == COLUMN_NULL ? NULL : file_system_find(r->img, row->file_system);
}

bool mount_is_inner_proc(const struct restore *r, const struct mount_row *row)
{
	const struct file_system_row *fs = mount_file_system(r, row);

	return fs && file_system_is_inner_proc(fs);
}

int mount_made(const struct restore *r, const struct mount_row *row)
{
	return restore_keyed(r, MOUNT_MADE, mount_number(r, row));
}

int mount_in(const struct mount_row *row, struct err *e)
{
	return err_in(e, "the mount of %s at %s", row->type, row->point);
}

/* ---- putting together ------------------------------------------------------- */

/* The stand-in is not in use any more, or by files that are open. */
static int stand_in_remove(struct restore *r, const struct mount_row *row, struct err *e)
{
	_cleanup_fd_ int fd = restore_take_keyed(r, MOUNT_STAND_IN, mount_number(r, row));

	if (fd < 0)
		return 0;
	if (fchdir(fd) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "unmount the host's proc from %s", row->point);
	return 0;
}

static int put_on(struct restore *r, const struct mount_row *row, const struct mount_row *parent, int fd, struct err *e)
{
	int on = mount_made(r, parent);
	_cleanup_fd_ int point = stage_open_below(on, path_below(row->point, parent->point), RESOLVE_NO_XDEV);

	if (point < 0) {
		err_sys(e, "find its mount point %s", row->point);
		return err_advise(e, "make it again, then restore again");
	}
	if (move_mount(fd, "", point, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "move_mount to %s", row->point);
	return 0;
}

/* Parts of a proc can be bound when it is mounted, and before anything is mounted on it. */
static int proc_parts_make(struct restore *r, const struct mount_row *rows, size_t nr, const struct mount_row *whole,
			   struct err *e)
{
	int proc = mount_made(r, whole);

	for (size_t i = 0; i < nr; i++) {
		const struct mount_row *row = &rows[i];
		int fd;

		if (row->file_system != whole->file_system || row == whole)
			continue;
		fd = stage_clone(proc, row->root + 1, e);
		if (fd < 0)
			return mount_in(row, e);
		restore_set_keyed(r, MOUNT_READY, mount_number(r, row), fd);
		if (mount_set_attributes(row, fd, e) < 0)
			return mount_in(row, e);
	}
	return 0;
}

/* The mount of an inner proc that others of it are made from; NULL if @row is of something else. */
static const struct mount_row *first_whole(const struct restore *r, const struct mount_row *rows, size_t nr,
					   const struct mount_row *row)
{
	if (mount_is_inner_proc(r, row))
		for (size_t i = 0; i < nr; i++)
			if (rows[i].file_system == row->file_system && strcmp(rows[i].root, "/") == 0)
				return &rows[i];
	return NULL;
}

static int row_mount(struct restore *r, const struct mount_row *rows, size_t nr, const struct mount_row *row, struct err *e)
{
	int fd = restore_keyed(r, MOUNT_READY, mount_number(r, row)), ret;

	ret = stand_in_remove(r, row, e) ?: put_on(r, row, &rows[row->parent], fd, e);
	if (ret < 0)
		return mount_in(row, e);
	restore_set_keyed(r, MOUNT_MADE, mount_number(r, row), restore_take_keyed(r, MOUNT_READY, mount_number(r, row)));
	if (row == first_whole(r, rows, nr, row))
		return proc_parts_make(r, rows, nr, row, e);
	return 0;
}

/*
 * The next to be mounted: on what is mounted already, and of two on the same
 * mount the one that is deeper in it, which the other could cover.
 */
static const struct mount_row *next_ready(struct restore *r, const struct mount_row *rows, size_t nr, bool locked)
{
	const struct mount_row *best = NULL;

	for (size_t i = 0; i < nr; i++)
		if (rows[i].locked == locked && rows[i].parent != COLUMN_NULL &&
		    restore_keyed(r, MOUNT_READY, mount_number(r, &rows[i])) >= 0 && mount_made(r, &rows[rows[i].parent]) >= 0 &&
		    (!best || strlen(rows[i].point) > strlen(best->point)))
			best = &rows[i];
	return best;
}

static int all_mount(struct restore *r, const struct mount_row *rows, size_t nr, bool locked, struct err *e)
{
	const struct mount_row *row;

	while ((row = next_ready(r, rows, nr, locked)))
		if (row_mount(r, rows, nr, row, e) < 0)
			return e->code;
	return 0;
}

static int rows_mount(struct restore *r, const struct mount_row *rows, size_t nr, struct err *e)
{
	return all_mount(r, rows, nr, false, e);
}

static int stand_ins_mount(struct restore *r, const struct mount_row *rows, size_t nr, struct err *e)
{
	for (size_t i = 0; i < nr; i++) {
		int fd = restore_keyed(r, MOUNT_STAND_IN, mount_number(r, &rows[i]));

		if (fd < 0 || rows[i].parent == COLUMN_NULL)
			continue;
		if (mount_made(r, &rows[rows[i].parent]) < 0)
			close(restore_take_keyed(r, MOUNT_STAND_IN, mount_number(r, &rows[i])));
		else if (put_on(r, &rows[i], &rows[rows[i].parent], fd, e) < 0)
			return mount_in(&rows[i], e);
	}
	return 0;
}

/* In the container's namespace: its root takes the place of the host's, which goes with all that is on it. */
static int root_mount(struct restore *r, const struct mount_row *row, struct err *e)
{
	_cleanup_fd_ int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = restore_take_keyed(r, MOUNT_READY, mount_number(r, row));

	restore_set_keyed(r, MOUNT_MADE, mount_number(r, row), fd);
	if (old < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "make the mounts private");
	if (move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "mount the root of the namespace");
	if (fchdir(fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, "pivot_root to the root of the namespace");
	if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "unmount what was the root before");
	return 0;
}

static const struct mount_row *root_row(const struct mount_row *rows, size_t nr)
{
	size_t i = 0;

	while (i < nr && rows[i].parent != COLUMN_NULL)
		i++;
	return i < nr ? &rows[i] : NULL;
}

/* ---- namespaces ------------------------------------------------------------- */

typedef int in_namespace(struct restore *r, const struct mount_row *rows, size_t nr, struct err *e);

static int namespace_visit(struct restore *r, int64_t ns, in_namespace *fn, struct err *e)
{
	size_t nr;
	const struct mount_row *rows = mount_rows(r->img, ns, &nr);
	int back, ret, left;

	ret = namespace_enter(r, ns, "mnt", &back, e);
	if (ret < 0)
		return ret;
	ret = fn(r, rows, nr, e);
	left = namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e);
	return ret ?: left;
}

static int namespaces_visit(struct restore *r, in_namespace *fn, struct err *e)
{
	const struct namespace_row *ns;

	image_for_each(ns, r->img, &namespace_table)
		if (strcmp(ns->type, "mnt") == 0 && namespace_visit(r, ns->namespace, fn, e) < 0)
			return err_in(e, "mount namespace %ld", ns->namespace);
	return 0;
}

/* Before a user namespace owns it. */
static int locked_mount(struct restore *r, const struct mount_row *rows, size_t nr, struct err *e)
{
	const struct mount_row *root = root_row(rows, nr);

	return root->locked ? root_mount(r, root, e) ?: all_mount(r, rows, nr, true, e) : 0;
}

static int namespace_mount(struct restore *r, const struct mount_row *rows, size_t nr, struct err *e)
{
	const struct mount_row *root = root_row(rows, nr);

	return (root->locked ? 0 : root_mount(r, root, e)) ?: rows_mount(r, rows, nr, e) ?: stand_ins_mount(r, rows, nr, e);
}

int mounts_restore(struct restore *r, struct err *e)
{
	size_t nr;

	image_rows(r->img, &mount_table, &nr);
	if (!nr)
		return 0;
	return mounts_make(r, e) ?: namespaces_visit(r, locked_mount, e) ?: mounts_hand_over(r, e) ?:
	       namespaces_visit(r, namespace_mount, e);
}

/* ---- procs of the container's pid namespaces ---------------------------------- */

int mounts_restore_place(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	size_t nr;
	const struct mount_row *rows;
	bool any = false;

	(void)b;
	if (p->row->mount_ns == COLUMN_NULL)
		return 0;
	rows = mount_rows(r->img, p->row->mount_ns, &nr);
	for (size_t i = 0; i < nr; i++) {
		int64_t number = mount_number(r, &rows[i]);
		int fd;

		if (first_whole(r, rows, nr, &rows[i]) != &rows[i] ||
		    mount_file_system(r, &rows[i])->ns != p->row->pid_ns || restore_keyed(r, MOUNT_READY, number) >= 0 ||
		    restore_keyed(r, MOUNT_MADE, number) >= 0)
			continue;
		fd = mount_proc_make(r, p, mount_file_system(r, &rows[i]), e);
		if (fd < 0)
			return mount_in(&rows[i], e);
		restore_set_keyed(r, MOUNT_READY, number, fd);
		if (mount_set_attributes(&rows[i], fd, e) < 0)
			return mount_in(&rows[i], e);
		any = true;
	}
	return any ? namespace_visit(r, p->row->mount_ns, rows_mount, e) : 0;
}

/* ---- the end ---------------------------------------------------------------- */

static int all_mounted(struct restore *r, const struct mount_row *rows, size_t nr, struct err *e)
{
	for (size_t i = 0; i < nr; i++)
		if (mount_made(r, &rows[i]) < 0)
			return err_set(e, -EBADMSG, "nobody could mount the %s at %s", rows[i].type, rows[i].point);
	return 0;
}

/* Nothing is written to it any more. */
static int make_read_only(int fd, struct err *e)
{
	_cleanup_fd_ int context = fspick(fd, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return err_sys(e, "make a file system read-only");
	return 0;
}

int mounts_finish(struct restore *r, struct err *e)
{
	const struct file_system_row *row;
	int ret = namespaces_visit(r, all_mounted, e) ?: mount_groups_make(r, e);
	size_t len;

	image_for_each(row, r->img, &file_system_table) {
		int fd = restore_keyed(r, "file_system", row->file_system);

		if (ret == 0 && strcmp(row->type, "tmpfs") == 0)
			ret = tmpfs_set_times(r, row->file_system, fd, e);
		if (ret == 0 && fd >= 0 && option_find(row->options, "ro", &len))
			ret = make_read_only(fd, e);
		if (ret < 0)
			return err_in(e, "file_system %ld", row->file_system);
	}
	return ret;
}
