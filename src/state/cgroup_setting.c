// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settings of cgroups: every file of a cgroup that can be written and read
 * back, unless it says what a new cgroup's says. Files of new controllers are
 * kept like the others.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include "host/cgroup_tree.h"
#include "host/uapi.h"
#include "state/cgroup.h"

static const struct column cgroup_setting_columns[] = {
	TEXT_COLUMN(struct cgroup_setting_row, cgroup, 4095),
	TEXT_COLUMN(struct cgroup_setting_row, file, 255),
	TEXT_COLUMN_OR_NULL(struct cgroup_setting_row, value, 4095),
	INT_COLUMN(struct cgroup_setting_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct cgroup_setting_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct cgroup_setting_row, mode, 0, 07777),
};
const struct table cgroup_setting_table = TABLE("cgroup_setting", struct cgroup_setting_row, cgroup_setting_columns);

/* What a new cgroup has, if it is not "max" or nothing (Documentation/admin-guide/cgroup-v2.rst). */
static const struct { const char *file, *value; } defaults[] = {
	{ "cgroup.pressure", "1" },
	{ "cpu.idle", "0" },
	{ "cpu.max", "max 100000" },
	{ "cpu.max.burst", "0" },
	{ "cpu.uclamp.min", "0.00" },
	{ "cpu.weight", "100" },
	{ "cpuset.cpus.partition", "member" },
	{ "io.*weight", "default 100" },
	{ "io.prio.class", "no-change" },
	{ "memory.low", "0" },
	{ "memory.min", "0" },
	{ "memory.oom.group", "0" },
	{ "memory.zswap.writeback", "1" },
};

/*
 * No settings, though they can be written: what is done to a cgroup, what is
 * in table cgroup, what is the same as another, marks of who reads, and what
 * cpt itself sets (CGROUP_SWAP_DEVICE_FILE).
 */
static const char *const others[] = {
	"cgroup.freeze", "cgroup.kill", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "cgroup.type",
	"cpu.pressure", "cpu.weight.nice", "io.pressure", "irq.pressure", "memory.peak", "memory.pressure",
	"memory.reclaim", "memory.swap.peak", CGROUP_SWAP_DEVICE_FILE,
};

static bool is_setting(const char *file)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (strcmp(file, others[i]) == 0)
			return false;
	return true;
}

/* "max", or "a max" in every line, as rdma.max has it. */
static bool is_max(const char *value)
{
	for (const char *line = value, *end; *line; line = end + (*end == '\n')) {
		end = strchrnul(line, '\n');
		if (end - line < 3 || strncmp(end - 3, "max", 3) != 0 || (end - line > 3 && end[-4] != ' '))
			return false;
	}
	return true;
}

bool cgroup_setting_is_default(const char *file, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		if (fnmatch(defaults[i].file, file, 0) == 0)
			return strcmp(value, defaults[i].value) == 0;
	return is_max(value);
}

/* ---- saving ----------------------------------------------------------- */

/* "8:0 rbps=1048576": that number may be another device's after a restore. */
static bool names_device(const char *value)
{
	for (const char *line = value, *end; *line; line = end + (*end == '\n')) {
		size_t digits = strspn(line, "0123456789");

		end = strchrnul(line, '\n');
		if (digits && line[digits] == ':' && isdigit(line[digits + 1]))
			return true;
	}
	return false;
}

/* What was added behind the name by the kernel is no part of the setting: "root invalid (...)". */
static void cut(const char *file, char *value)
{
	if (strcmp(file, "cpuset.cpus.partition") == 0)
		value[strcspn(value, " ")] = 0;
}

/* 0 and NULL: as in a new cgroup, or it is no setting. */
static int read_value(struct save *s, int dirfd, const char *cgroup, const char *file, mode_t mode, char **ret,
		      struct err *e)
{
	_cleanup_free_ char *text = NULL, *object = NULL;
	int r;

	*ret = NULL;
	if (!is_setting(file) || !(mode & 0222))
		return 0;
	r = cgroup_read(dirfd, file, &text);
	if (r < 0)
		return s->frozen ? err_ret(e, r, "read %s of cgroup \"%s\"", file, cgroup) : 0;
	cut(file, text);
	if (cgroup_setting_is_default(file, text))
		return 0;
	object = xasprintf("%s of cgroup %s%s%s", file, s->live->cgroup, *cgroup ? "/" : "", cgroup);
	if (names_device(text))
		save_refuse(s, NULL, object, "reset it before the snapshot, and set it again after a restore",
			    "it names a device by its number, which may be another's by then: %.*s",
			    (int)strcspn(text, "\n"), text);
	*ret = take_ptr(text);
	return 0;
}

static bool is_as_made(const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;

	/* cgroup_file_mode() in kernel/cgroup/cgroup.c */
	return st->st_uid == 0 && st->st_gid == 0 && (mode == 0644 || mode == 0444 || mode == 0200);
}

static int setting_save(struct save *s, int dirfd, const char *cgroup, const char *file, struct err *e)
{
	_cleanup_free_ char *value = NULL;
	struct stat st;
	int r;

	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return s->frozen ? err_sys(e, "stat %s of cgroup \"%s\"", file, cgroup) : 0;
	if (!S_ISREG(st.st_mode))
		return 0;
	r = read_value(s, dirfd, cgroup, file, st.st_mode, &value, e);
	if (r < 0 || (!value && is_as_made(&st)))
		return r;
	*(struct cgroup_setting_row *)image_add(s->img, &cgroup_setting_table) = (struct cgroup_setting_row){
		.cgroup = image_strdup(s->img, cgroup), .file = image_strdup(s->img, file),
		.value = value ? image_strdup(s->img, value) : NULL,
		.uid = st.st_uid, .gid = st.st_gid, .mode = st.st_mode & 07777,
	};
	return 0;
}

int cgroup_settings_save(struct save *s, int dirfd, const char *cgroup, struct err *e)
{
	int fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC), r = 0;
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return s->frozen ? err_sys(e, "list cgroup \"%s\"", cgroup) : 0;
	for (const struct dirent *d; r == 0 && (d = readdir(dir)); )
		if (d->d_type != DT_DIR)
			r = setting_save(s, dirfd, cgroup, d->d_name, e);
	return r;
}

/* ---- restoring -------------------------------------------------------- */

/* Which file, whatever else is in the cgroup's directory: "memory.max" and the like. */
static bool file_is_sane(const char *file)
{
	return isalpha(*file) && strchr(file, '.') &&
	       strspn(file, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(file);
}

int cgroup_settings_check(const struct restore *r, struct err *e)
{
	const struct cgroup_setting_row *row;

	image_for_each(row, r->img, &cgroup_setting_table) {
		if (!cgroup_find(r->img, row->cgroup))
			return err_set(e, -EBADMSG, "table cgroup_setting: %s of cgroup \"%s\", which is not in table cgroup",
				       row->file, row->cgroup);
		if (!file_is_sane(row->file) || (row->value && (!is_setting(row->file) || names_device(row->value))))
			return err_set(e, -EBADMSG, "table cgroup_setting: \"%s\" of cgroup \"%s\" is no setting that cpt saves",
				       row->file, row->cgroup);
	}
	return 0;
}

char *cgroup_settings_controllers(const struct image *img)
{
	const struct cgroup_setting_row *row;
	char *all = xstrdup("");

	image_for_each(row, img, &cgroup_setting_table) {
		_cleanup_free_ char *before = NULL;

		if (*row->cgroup || strncmp(row->file, "cgroup.", 7) == 0)
			continue;
		before = all;
		all = xasprintf("%s%.*s ", before, (int)strcspn(row->file, "."), row->file);
	}
	return all;
}

/* A cgroup that is idle has no weight, and takes none. */
static bool is_void(const struct restore *r, const struct cgroup_setting_row *row)
{
	const struct cgroup_setting_row *other;

	if (strcmp(row->file, "cpu.weight") == 0)
		image_for_each(other, r->img, &cgroup_setting_table)
			if (strcmp(other->cgroup, row->cgroup) == 0 && strcmp(other->file, "cpu.idle") == 0)
				return true;
	return false;
}

/* A line at a time: that is how files with more than one take it. */
static int write_value(int dirfd, const struct cgroup_setting_row *row, struct err *e)
{
	for (const char *line = row->value, *end; ; line = end + 1) {
		_cleanup_free_ char *text = NULL;
		int r;

		end = strchrnul(line, '\n');
		text = strndup(line, (size_t)(end - line));
		r = write_file_at(dirfd, row->file, text);
		if (r < 0) {
			err_ret(e, r, "write \"%s\" to %s", text, row->file);
			return r == -ENOENT ? err_advise(e, "this kernel has no such setting, or its controller is not on") : r;
		}
		if (!*end)
			return 0;
	}
}

int cgroup_settings_apply(const struct restore *r, const struct cgroup_row *cgroup, int dirfd, bool early, struct err *e)
{
	const struct cgroup_setting_row *row;

	if (early && !*cgroup->cgroup && !r->cgroup_made)
		return 0;
	image_for_each(row, r->img, &cgroup_setting_table) {
		bool is_early = strncmp(row->file, "cpuset.", 7) == 0;
		int ret;

		if (strcmp(row->cgroup, cgroup->cgroup) != 0)
			continue;
		ret = row->value && is_early == early && !is_void(r, row) ? write_value(dirfd, row, e) : 0;
		if (ret < 0)
			return ret;
		if (!early && (fchownat(dirfd, row->file, (uid_t)row->uid, (gid_t)row->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
			       fchmodat(dirfd, row->file, (mode_t)row->mode, 0) < 0))
			return err_sys(e, "set owner and mode of %s", row->file);
	}
	return 0;
}
