// SPDX-License-Identifier: GPL-2.0-only
/*
 * File systems of a container's own. Their types are those that a kernel makes
 * out of nothing (proc, sysfs, mqueue, devpts) and tmpfs, whose contents are
 * saved by tmpfs.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include "state/file_system.h"
#include "state/mount_info.h"
#include "state/namespace.h"
#include "state/user_namespace.h"

static const struct column file_system_columns[] = {
	INT_COLUMN(struct file_system_row, file_system, 0, 1 << 20),
	TEXT_COLUMN(struct file_system_row, type, 31),
	TEXT_COLUMN(struct file_system_row, source, 255),
	TEXT_COLUMN(struct file_system_row, options, 4095),
	INT_COLUMN_OR_NULL(struct file_system_row, ns, 0, 65535),
	INT_COLUMN_OR_NULL(struct file_system_row, user_ns, 0, 65535),
	INT_COLUMN(struct file_system_row, dev_major, 0, UINT32_MAX),
	INT_COLUMN(struct file_system_row, dev_minor, 0, UINT32_MAX),
};
const struct table file_system_table = TABLE("file_system", struct file_system_row, file_system_columns);

bool file_system_known(const char *type)
{
	return strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0 || strcmp(type, "mqueue") == 0 ||
	       strcmp(type, "devpts") == 0 || strcmp(type, "tmpfs") == 0;
}

/* Its contents belong to nobody else than to who has made it (init_fs_context() of the others). */
static bool has_maker(const char *type)
{
	return strcmp(type, "tmpfs") == 0 || strcmp(type, "devpts") == 0;
}

/* One that was made in a user namespace has no id that it does not know (make_kuid() in shmem_parse_one()). */
static bool maybe_made_in(const struct save *s, const struct mount_info *m, int64_t user_ns)
{
	static const char *const names[] = { "uid", "gid" };

	for (size_t i = 0; strcmp(m->type, "tmpfs") == 0 && i < ARRAY_SIZE(names); i++) {
		size_t len;
		const char *id = option_find(m->fs_options, names[i], &len);

		if (user_namespace_inside(s->img, user_ns, names[i], id ? strtol(id, NULL, 10) : 0) < 0)
			return false;
	}
	return has_maker(m->type);
}

static void device_of(const struct mount_info *m, int64_t *ret_major, int64_t *ret_minor)
{
	unsigned int dev_major = 0, dev_minor = 0;

	sscanf(m->device, "%u:%u", &dev_major, &dev_minor);
	*ret_major = dev_major;
	*ret_minor = dev_minor;
}

struct file_system_row *file_system_saved(const struct save *s, const struct mount_info *m)
{
	struct file_system_row *row;
	int64_t dev_major, dev_minor;

	device_of(m, &dev_major, &dev_minor);
	image_for_each(row, s->img, &file_system_table)
		if (row->dev_major == dev_major && row->dev_minor == dev_minor)
			return row;
	return NULL;
}

struct file_system_row *file_system_save(struct save *s, const struct mount_info *m, int64_t user_ns)
{
	struct file_system_row *row = file_system_saved(s, m);
	size_t nr;

	if (row)
		return row;
	image_rows(s->img, &file_system_table, &nr);
	row = image_add(s->img, &file_system_table);
	*row = (struct file_system_row){
		.file_system = (int64_t)nr, .type = image_strdup(s->img, m->type),
		.source = image_strdup(s->img, m->source), .options = image_strdup(s->img, m->fs_options),
		.ns = COLUMN_NULL, .user_ns = maybe_made_in(s, m, user_ns) ? user_ns : COLUMN_NULL,
	};
	device_of(m, &row->dev_major, &row->dev_minor);
	return row;
}

const struct file_system_row *file_system_find(const struct image *img, int64_t id)
{
	return image_find(img, &file_system_table, offsetof(struct file_system_row, file_system), id);
}

bool file_system_is_inner_proc(const struct file_system_row *row)
{
	return strcmp(row->type, "proc") == 0 && row->ns != COLUMN_NULL;
}

/* ---- checking ---------------------------------------------------------- */

static int row_check(const struct restore *r, const struct file_system_row *row, struct err *e)
{
	const struct namespace_row *ns = row->ns == COLUMN_NULL ? NULL :
		image_find(r->img, &namespace_table, offsetof(struct namespace_row, namespace), row->ns);
	const struct namespace_row *user = row->user_ns == COLUMN_NULL ? NULL :
		image_find(r->img, &namespace_table, offsetof(struct namespace_row, namespace), row->user_ns);
	const char *wanted = strcmp(row->type, "proc") == 0 ? "pid" : strcmp(row->type, "mqueue") == 0 ? "ipc" : NULL;

	if (!file_system_known(row->type))
		return err_set(e, -EBADMSG, "its type is %s, which cpt does not save", row->type);
	if (row->ns != COLUMN_NULL && (!ns || !wanted || strcmp(ns->type, wanted) != 0))
		return err_set(e, -EBADMSG, "a %s of namespace %ld can't be", row->type, row->ns);
	if (row->user_ns != COLUMN_NULL && (!user || strcmp(user->type, "user") != 0 || !has_maker(row->type)))
		return err_set(e, -EBADMSG, "a %s of user namespace %ld can't be", row->type, row->user_ns);
	return 0;
}

int file_systems_check(struct restore *r, struct err *e)
{
	const struct file_system_row *row;

	image_for_each(row, r->img, &file_system_table) {
		if (row->file_system != (int64_t)_i)
			return err_set(e, -EBADMSG, "table file_system is not numbered from 0");
		if (row_check(r, row, e) < 0)
			return err_in(e, "file_system %ld", row->file_system);
	}
	return 0;
}

/* ---- restoring --------------------------------------------------------- */

/* mountinfo has the host's ids; who gives them to the kernel in @user_ns says its own. */
static const char *id_inside(const struct image *img, int64_t user_ns, const char *name, const char *value, char buf[static 24])
{
	if (!value || (strcmp(name, "uid") != 0 && strcmp(name, "gid") != 0))
		return value;
	snprintf(buf, 24, "%ld", user_namespace_inside(img, user_ns, name, strtol(value, NULL, 10)));
	return buf;
}

bool file_system_each_option(const struct image *img, const struct file_system_row *row, int64_t user_ns,
			     bool (*fn)(void *arg, const char *name, const char *value), void *arg)
{
	_cleanup_free_ char *options = xstrdup(row->options);
	char *rest = options, id[24];

	for (char *name; (name = strsep(&rest, ",")); ) {
		char *value = strchr(name, '=');

		if (value)
			*value++ = 0;
		/* A label that a security module shows is no option. */
		if (!*name || strcmp(name, "rw") == 0 || strcmp(name, "ro") == 0 || strcmp(name, "seclabel") == 0)
			continue;
		if (!fn(arg, name, id_inside(img, user_ns, name, value, id)))
			return false;
	}
	return true;
}

static bool set_option(void *arg, const char *name, const char *value)
{
	return fsconfig(*(int *)arg, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, name, value, 0) == 0;
}

struct making {
	struct restore *r;
	const struct file_system_row *row;
};

/* Gives its first mount, or a negative errno. */
static int make_here(void *arg)
{
	const struct making *m = arg;
	const struct file_system_row *row = m->row;
	_cleanup_fd_ int context = fsopen(row->type, FSOPEN_CLOEXEC);
	int fd;

	if (context < 0 || !file_system_each_option(m->r->img, row, row->user_ns, set_option, &context) ||
	    (*row->source && fsconfig(context, FSCONFIG_SET_STRING, "source", row->source, 0) < 0) ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int make_in_ipc_ns(struct making *m, struct err *e)
{
	int back, fd;

	if (namespace_enter(m->r, m->row->ns, "ipc", &back, e) < 0)
		return e->code;
	fd = make_here(m);
	if (namespace_leave(&back, "ipc", e) < 0 && fd >= 0)
		close_fd(&fd);
	return fd;
}

int file_system_make(struct restore *r, const struct file_system_row *row, int place, struct err *e)
{
	struct making m = { r, row };
	int fd;

	if (row->user_ns != COLUMN_NULL)
		fd = user_namespace_open(r, row->user_ns, place, make_here, &m);
	else
		fd = strcmp(row->type, "mqueue") == 0 ? make_in_ipc_ns(&m, e) : make_here(&m);
	if (fd < 0 && !e->code)
		err_ret(e, fd, "make it with the options \"%s\"", row->options);
	if (e->code)
		return err_in(e, "%s of the container's own (file_system %ld)", row->type, row->file_system);
	return fd;
}
