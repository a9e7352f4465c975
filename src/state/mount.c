// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounts. A restored mount namespace begins as a copy of cpt's own; what the
 * snapshot's had beyond that is mounted, what it had not is unmounted. File
 * systems whose contents live in the kernel (proc, sysfs, mqueue, devpts, an
 * empty tmpfs) can be mounted anew, others must be in cpt's own namespace too.
 * A cgroup2 that shows a cgroup of the container is a bind mount of the new one,
 * which is what mounting it in a cgroup namespace amounts to (cgroup_do_get_tree());
 * its source is told as the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include "host/cgroup.h"
#include "state/cgroup.h"
#include "state/mount.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/user_namespace.h"

#define KEYED_CGROUP2 "cgroup2"	/* detached mounts, by row */

static const struct column mount_columns[] = {
	INT_COLUMN(struct mount_row, mount_ns, 0, 65535),
	INT_COLUMN(struct mount_row, place, 0, 1 << 20),
	TEXT_COLUMN(struct mount_row, point, 4095),
	TEXT_COLUMN(struct mount_row, root, 4095),
	TEXT_COLUMN(struct mount_row, type, 255),
	TEXT_COLUMN(struct mount_row, source, 4095),
	TEXT_COLUMN(struct mount_row, options, 4095),
	TEXT_COLUMN(struct mount_row, fs_options, 4095),
	INT_COLUMN(struct mount_row, host, 0, 1),
	INT_COLUMN_OR_NULL(struct mount_row, pid_ns, 0, 65535),
};
const struct table mount_table = TABLE("mount", struct mount_row, mount_columns);

/* ---- mountinfo --------------------------------------------------------- */

/* Blanks in paths are written as \040 and the like. */
static char *unescape(const char *s, size_t len)
{
	char *out = xmalloc(len + 1), *o = out;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\' && i + 3 < len) {
			*o++ = (char)((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0'));
			i += 3;
		} else {
			*o++ = s[i];
		}
	}
	*o = 0;
	return out;
}

bool mount_info_parse(const char *line, size_t len, struct mount_info *m)
{
	const char *fields[32], *end = line + len;
	size_t lens[32], nr = 0, dash = 0;

	for (const char *p = line; p < end && nr < ARRAY_SIZE(fields); nr++) {
		const char *blank = memchr(p, ' ', (size_t)(end - p)) ?: end;

		fields[nr] = p;
		lens[nr] = (size_t)(blank - p);
		if (!dash && lens[nr] == 1 && *p == '-')
			dash = nr;
		p = blank + 1;
	}
	if (dash < 6 || dash + 3 >= nr)
		return false;
	*m = (struct mount_info){
		.device = unescape(fields[2], lens[2]), .root = unescape(fields[3], lens[3]),
		.point = unescape(fields[4], lens[4]), .options = unescape(fields[5], lens[5]),
		.type = unescape(fields[dash + 1], lens[dash + 1]),
		.source = unescape(fields[dash + 2], lens[dash + 2]),
		.fs_options = unescape(fields[dash + 3], lens[dash + 3]),
	};
	return true;
}

void mount_info_clear(struct mount_info *m)
{
	free(m->point);
	free(m->root);
	free(m->type);
	free(m->source);
	free(m->options);
	free(m->fs_options);
	free(m->device);
}

struct mounts {
	struct mount_info *list;
	size_t nr, cap;
};

static void mounts_clear(struct mounts *m)
{
	for (size_t i = 0; i < m->nr; i++)
		mount_info_clear(&m->list[i]);
	free(m->list);
}

static int mounts_read(int proc_fd, const char *path, struct mounts *m)
{
	_cleanup_free_ char *text = NULL;
	int r = read_file_at(proc_fd, path, &text, NULL);

	*m = (struct mounts){ 0 };
	for (char *line = text, *end; r == 0 && *line; line = end + (*end == '\n')) {
		end = strchrnul(line, '\n');
		array_grow(m->list, m->nr, m->cap);
		if (mount_info_parse(line, (size_t)(end - line), &m->list[m->nr]))
			m->nr++;
	}
	return r;
}

/* @device NULL: whatever it is now. */
static bool mounts_have(const struct mounts *m, const char *point, const char *type, const char *root,
			const char *device)
{
	for (size_t i = 0; i < m->nr; i++)
		if (strcmp(m->list[i].point, point) == 0 && strcmp(m->list[i].type, type) == 0 &&
		    strcmp(m->list[i].root, root) == 0 && (!device || strcmp(m->list[i].device, device) == 0))
			return true;
	return false;
}

/* ---- saving ----------------------------------------------------------- */

/* Is a process both where a proc is mounted and in the pid namespace that it shows? That one mounts it anew. */
static bool proc_has_mounter(struct save *s, int64_t mount_ns, int64_t pid_ns)
{
	for (size_t i = 0; i < s->live->nr_processes; i++) {
		const struct live_process *p = &s->live->processes[i];
		int64_t mnt, pid;

		if (!p->zombie && namespace_of(s, p, "mnt", &mnt, &ERR_INIT) == 0 && mnt == mount_ns &&
		    namespace_of(s, p, "pid", &pid, &ERR_INIT) == 0 && pid == pid_ns)
			return true;
	}
	return false;
}

/* The pid namespace that a proc shows is that of its process 1: perhaps one that no process met so far is in. */
static int64_t proc_pid_ns(struct save *s, struct live_process *p, const struct mount_info *m, int64_t mount_ns)
{
	_cleanup_fd_ int fd = -1;
	int64_t ns = COLUMN_NULL;
	char text[4200];

	snprintf(text, sizeof(text), "root%s/1/ns/pid", m->point);
	fd = openat(p->proc_fd, text, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && namespace_of_pid_fd(s, fd, &ns, &ERR_INIT) == 0 &&
	    (ns == COLUMN_NULL || proc_has_mounter(s, mount_ns, ns)))
		return ns;
	snprintf(text, sizeof(text), "the proc mounted at %.200s", m->point);
	if (s->frozen)	/* before that it may have been the last process that ended */
		save_refuse(s, p, text, "unmount it", "no process of the container is in the pid namespace it shows");
	return ns;
}

/* Nothing can be reached through a mount that another at the same point covers. */
static bool covered(const struct mounts *m, size_t i)
{
	for (size_t later = i + 1; later < m->nr; later++)
		if (strcmp(m->list[later].point, m->list[i].point) == 0)
			return true;
	return false;
}

static bool is_cgroup2(const char *type)
{
	return strcmp(type, "cgroup2") == 0;
}

/* Of a cgroup2 of its own: the cgroup below the container's that it shows, or "/", all of them. NULL: another. */
static const char *shown_cgroup(const struct save *s, const struct mount_info *m)
{
	size_t len = strlen(s->live->cgroup);

	if (!is_cgroup2(m->type) || strcmp(m->root, "/") == 0)
		return is_cgroup2(m->type) ? m->root : NULL;
	if (strncmp(m->root, s->live->cgroup, len) != 0 || (m->root[len] && m->root[len] != '/'))
		return NULL;
	return m->root[len] ? m->root + len + 1 : "";
}

static bool tmpfs_is_empty(const struct live_process *p, const struct mount_info *m)
{
	_cleanup_dir_ DIR *dir = NULL;
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "root%s", m->point);
	fd = openat(p->proc_fd, path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	for (struct dirent *d; (d = readdir(dir)); )
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			return false;
	return true;
}

/* What can be mounted anew: all that is in it is the kernel's, or nothing is. */
static bool is_kernel_fs(const char *type)
{
	return strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0 || strcmp(type, "mqueue") == 0 ||
	       strcmp(type, "devpts") == 0;
}

static void refuse_foreign(struct save *s, struct live_process *p, const struct mount_info *m, bool is_covered)
{
	char object[300];

	if (shown_cgroup(s, m))
		return;
	snprintf(object, sizeof(object), "the mount %.200s (%s)", m->point, m->type);
	if (strcmp(m->root, "/") != 0)
		save_refuse(s, p, object, "mount it in the host's namespace as well",
			    "it is a bind mount of %s that only the container has", m->root);
	else if (strcmp(m->type, "tmpfs") == 0 && is_covered)
		save_refuse(s, p, object, "unmount what covers it", "another mount covers it, so cpt can't see what is in it");
	else if (strcmp(m->type, "tmpfs") == 0 ? !tmpfs_is_empty(p, m) : !is_kernel_fs(m->type))
		save_refuse(s, p, object, "mount it in the host's namespace as well",
			    "only the container has it, and cpt can't restore its contents yet");
}

static int mounts_save(struct save *s, struct live_process *p, int64_t ns, struct err *e)
{
	struct mounts host, theirs;
	int r;

	r = mounts_read(-1, "/proc/self/mountinfo", &host);
	if (r < 0)
		return err_ret(e, r, "read /proc/self/mountinfo");
	r = mounts_read(p->proc_fd, "mountinfo", &theirs);
	for (size_t i = 0; r == 0 && i < theirs.nr; i++) {
		const struct mount_info *m = &theirs.list[i];
		bool is_covered = covered(&theirs, i);
		struct mount_row row = {
			ns, (int64_t)i, image_strdup(s->img, m->point), image_strdup(s->img, m->root),
			image_strdup(s->img, m->type), image_strdup(s->img, m->source),
			image_strdup(s->img, m->options), image_strdup(s->img, m->fs_options),
			mounts_have(&host, m->point, m->type, m->root, m->device), COLUMN_NULL,
		};

		if (strcmp(m->type, "proc") == 0 && !is_covered)
			row.pid_ns = proc_pid_ns(s, p, m, ns);
		/* A proc of an inner pid namespace shows another one after a restore, wherever it was mounted. */
		if (row.pid_ns != COLUMN_NULL)
			row.host = 0;
		if (!row.host)
			refuse_foreign(s, p, m, is_covered);
		if (!row.host && shown_cgroup(s, m))
			row.root = image_strdup(s->img, shown_cgroup(s, m));
		*(struct mount_row *)image_add(s->img, &mount_table) = row;
	}
	mounts_clear(&host);
	if (r == 0)
		mounts_clear(&theirs);
	return r < 0 && s->frozen ? err_ret(e, r, "read /proc/%d/mountinfo", p->pid) : 0;
}

static int mount_save(struct save *s, struct live_process *p, struct err *e)
{
	int64_t ns;
	int r = p->zombie ? 0 : namespace_of(s, p, "mnt", &ns, e);

	if (p->zombie || r < 0 || ns == COLUMN_NULL ||
	    image_find(s->img, &mount_table, offsetof(struct mount_row, mount_ns), ns))
		return r;
	return mounts_save(s, p, ns, e);
}

/* ---- restoring -------------------------------------------------------- */

static bool recorded(const struct restore *r, int64_t ns, const struct mount_info *m)
{
	const struct mount_row *row;

	image_for_each(row, r->img, &mount_table)
		if (row->mount_ns == ns && strcmp(row->point, m->point) == 0 && strcmp(row->type, m->type) == 0 &&
		    (row->host || !is_cgroup2(m->type)))
			return true;
	return false;
}

static unsigned long mount_flags(const char *options)
{
	static const struct { const char *word; unsigned long flag; } words[] = {
		{ "ro", MS_RDONLY }, { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV }, { "noexec", MS_NOEXEC },
		{ "noatime", MS_NOATIME }, { "nodiratime", MS_NODIRATIME }, { "relatime", MS_RELATIME },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		for (const char *p = options; (p = strstr(p, words[i].word)); p++) {
			char behind = p[strlen(words[i].word)];

			if ((p == options || p[-1] == ',') && (!behind || behind == ','))
				flags |= words[i].flag;
		}
	return flags;
}

static bool shows_known_cgroup(const struct restore *r, const struct mount_row *row)
{
	return strcmp(row->root, "/") == 0 || cgroup_find(r->img, row->root);
}

/* Only what cpt saves: a catalog is not to mount anything else. */
static int mount_check(struct restore *r, struct err *e)
{
	const struct mount_row *row;

	image_for_each(row, r->img, &mount_table)
		if (!row->host && is_cgroup2(row->type) ? !shows_known_cgroup(r, row) :
		    !row->host && !is_kernel_fs(row->type) && strcmp(row->type, "tmpfs") != 0)
			return err_set(e, -EBADMSG, "table mount has a %s of the container's own at %s",
				       row->type, row->point);
	return 0;
}

/* devpts knows no "rw" (parse_mount_options() in fs/devpts/inode.c), which mountinfo begins with. */
static const char *mount_data(const struct mount_row *row)
{
	const char *comma = strchr(row->fs_options, ',');

	if (strcmp(row->type, "devpts") != 0)
		return row->fs_options;
	return comma ? comma + 1 : "";
}

/* mountinfo has the host's ids; who mounts it, in @user_ns, says its own. */
static char *data_inside(const struct restore *r, int64_t user_ns, const char *data)
{
	_cleanup_free_ char *copy = xstrdup(data);
	char *all = xstrdup(""), *rest = copy, *word;

	while ((word = strsep(&rest, ","))) {
		bool is_id = strncmp(word, "uid=", 4) == 0 || strncmp(word, "gid=", 4) == 0;
		char type[4] = { word[0], 'i', 'd' }, *more;
		int64_t id = is_id ? strtol(word + 4, NULL, 10) : 0;

		id = is_id ? user_namespace_inside(r->img, user_ns, type, id) : 0;
		more = is_id ? xasprintf("%s%s%s=%ld", all, *all ? "," : "", type, id) :
			       xasprintf("%s%s%s", all, *all ? "," : "", word);
		free(all);
		all = more;
	}
	return all;
}

struct mounting {
	const struct mount_row *row;
	const char *data;
};

static int mount_do(void *arg)
{
	const struct mounting *m = arg;
	const struct mount_row *row = m->row;

	return mount(row->source, row->point, row->type, mount_flags(row->options), m->data) < 0 ? -errno : 0;
}

/*
 * Those whose contents belong to nobody else are of the user namespace that the mount namespace is of; others are of
 * that of what they show, whoever mounts them (init_fs_context() of each).
 */
static int mount_again(struct restore *r, const struct mount_row *row, int64_t user_ns, struct err *e)
{
	struct mounting m = { row, mount_data(row) };
	_cleanup_free_ char *data = NULL;
	int ret;

	if (user_ns == COLUMN_NULL || (strcmp(row->type, "tmpfs") != 0 && strcmp(row->type, "devpts") != 0)) {
		ret = mount_do(&m);
		return ret < 0 ? err_ret(e, ret, "mount %s at %s", row->type, row->point) : 0;
	}
	m.data = data = data_inside(r, user_ns, m.data);
	ret = user_namespace_do(r, user_ns, row->mount_ns, mount_do, &m, "mount it in its user namespace", e);
	return ret < 0 ? err_in(e, "%s at %s", row->type, row->point) : 0;
}

/* A detached mount of what @row shows: it has to be made in cpt's own namespace. */
static int cgroup2_clone(struct restore *r, const struct mount_row *row, int64_t nth, struct err *e)
{
	bool all = strcmp(row->root, "/") == 0;
	const char *top;
	int fd;

	if (all && cgroup_mount(&top, e) < 0)
		return e->code;
	fd = open_tree(all ? AT_FDCWD : r->cgroup_fd, all ? top : row->root,
		       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (fd < 0)
		return err_sys(e, "open_tree: cgroup \"%s\" for the mount at %s", row->root, row->point);
	restore_set_keyed(r, KEYED_CGROUP2, nth, fd);
	return 0;
}

static int cgroup2_mount(int fd, const struct mount_row *row, struct err *e)
{
	if (move_mount(fd, "", AT_FDCWD, row->point, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mount(NULL, row->point, NULL, MS_REMOUNT | MS_BIND | mount_flags(row->options), NULL) < 0)
		return err_sys(e, "mount cgroup2 at %s", row->point);
	return 0;
}

/* In the new namespace: away with what the snapshot had not. */
static int mounts_remove(struct restore *r, int64_t ns, struct err *e)
{
	const struct mount_row *row;
	struct mounts now;
	int ret;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "make the mounts private");
	ret = mounts_read(-1, "/proc/thread-self/mountinfo", &now);
	if (ret < 0)
		return err_ret(e, ret, "read /proc/thread-self/mountinfo");
	image_for_each(row, r->img, &mount_table)
		if (row->mount_ns == ns && row->host && !mounts_have(&now, row->point, row->type, row->root, NULL))
			ret = err_set(e, -ENOENT, "this host has no mount of %s at %s, which the snapshot needs",
				      row->type, row->point);
	for (size_t i = now.nr; ret == 0 && i-- > 0; )
		if (!recorded(r, ns, &now.list[i]) && umount2(now.list[i].point, MNT_DETACH) < 0 && errno != EINVAL)
			ret = err_sys(e, "unmount %s", now.list[i].point);
	mounts_clear(&now);
	return ret;
}

/* Here with what it had besides. */
static int mounts_add(struct restore *r, int64_t ns, struct err *e)
{
	const struct namespace_row *namespace = image_find(r->img, &namespace_table,
							   offsetof(struct namespace_row, namespace), ns);
	const struct mount_row *row;
	int ret = 0;

	image_for_each(row, r->img, &mount_table)
		if (ret == 0 && row->mount_ns == ns && !row->host && row->pid_ns == COLUMN_NULL)
			ret = is_cgroup2(row->type) ? cgroup2_mount(restore_keyed(r, KEYED_CGROUP2, (int64_t)_i), row, e) :
			      mount_again(r, row, namespace->user_ns, e);
	return ret;
}

static int in_namespace(struct restore *r, int64_t ns, int (*fn)(struct restore *r, int64_t ns, struct err *e),
			struct err *e)
{
	int back, ret = namespace_enter(r, ns, "mnt", &back, e);

	if (ret < 0)
		return ret;
	ret = fn(r, ns, e);
	return namespace_leave(&back, "mnt", ret < 0 ? &ERR_INIT : e) ?: ret;
}

static int mount_restore(struct restore *r, struct err *e)
{
	const struct namespace_row *row;
	const struct mount_row *m;
	int ret = 0;

	image_for_each(m, r->img, &mount_table)
		if (!m->host && is_cgroup2(m->type) && cgroup2_clone(r, m, (int64_t)_i, e) < 0)
			return e->code;
	image_for_each(row, r->img, &namespace_table)
		if (ret == 0 && strcmp(row->type, "mnt") == 0)
			ret = in_namespace(r, row->namespace, mounts_remove, e) ?:
			      namespace_hand_over(r, row->namespace, e) ?: in_namespace(r, row->namespace, mounts_add, e);
	return ret;
}

/* A proc shows the pid namespace of whoever mounts it: the first process in both namespaces does. */
static int proc_restore(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct process_row *other;
	const struct mount_row *row;
	char *data;

	(void)e;
	if (p->row->mount_ns == COLUMN_NULL)
		return 0;
	image_for_each(other, r->img, &process_table)
		if (other < p->row && other->mount_ns == p->row->mount_ns && other->pid_ns == p->row->pid_ns)
			return 0;
	image_for_each(row, r->img, &mount_table) {
		if (row->mount_ns != p->row->mount_ns || row->pid_ns == COLUMN_NULL || row->pid_ns != p->row->pid_ns)
			continue;
		data = data_inside(r, p->born_in, row->fs_options);
		batch_call(b, batch_why(b, "mount proc at %s", row->point), SYS_mount, ARG_AT(batch_data(b, "proc", 5)),
			   ARG_AT(batch_data(b, row->point, strlen(row->point) + 1)), ARG_AT(batch_data(b, "proc", 5)),
			   ARG(mount_flags(row->options)), ARG_AT(batch_data(b, data, strlen(data) + 1)));
		free(data);
	}
	return 0;
}

const struct kind mount_kind = {
	.name = "mount",
	.tables = (const struct table *const[]){ &mount_table, NULL },
	.save_process = mount_save,
	.check = mount_check,
	.restore_container = mount_restore,
	.restore_place = proc_restore,
};
