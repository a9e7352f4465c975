// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mounts of the container's mount namespaces, as they are: each is either of a
 * file system that the host has mounted, too, or of one of the container's own
 * (file_system.c). They are made again by mount_restore.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include "state/file_system.h"
#include "state/mount.h"
#include "state/mount_source.h"
#include "state/mount_stage.h"
#include "state/namespace.h"
#include "state/tmpfs.h"

static const struct column mount_columns[] = {
	INT_COLUMN(struct mount_row, mount_ns, 0, 65535),
	INT_COLUMN(struct mount_row, place, 0, 1 << 20),
	INT_COLUMN_OR_NULL(struct mount_row, parent, 0, 1 << 20),
	TEXT_COLUMN(struct mount_row, point, 4095),
	TEXT_COLUMN(struct mount_row, root, 4095),
	TEXT_COLUMN(struct mount_row, type, 255),
	TEXT_COLUMN(struct mount_row, source, 4095),
	TEXT_COLUMN(struct mount_row, options, 4095),
	TEXT_COLUMN(struct mount_row, fs_options, 4095),
	TEXT_COLUMN_OR_NULL(struct mount_row, host_point, 4095),
	INT_COLUMN_OR_NULL(struct mount_row, file_system, 0, 1 << 20),
	TEXT_COLUMN_OR_NULL(struct mount_row, cgroup, 4095),
	INT_COLUMN_OR_NULL(struct mount_row, shared, 1, INT32_MAX),
	INT_COLUMN_OR_NULL(struct mount_row, master, 1, INT32_MAX),
	INT_COLUMN(struct mount_row, host_slave, 0, 1),
	INT_COLUMN(struct mount_row, unbindable, 0, 1),
	INT_COLUMN(struct mount_row, locked, 0, 1),
};
const struct table mount_table = TABLE("mount", struct mount_row, mount_columns);

const struct mount_row *mount_rows(const struct image *img, int64_t mount_ns, size_t *ret_nr)
{
	size_t nr, first = 0, last;
	const struct mount_row *rows = image_rows(img, &mount_table, &nr);

	while (first < nr && rows[first].mount_ns != mount_ns)
		first++;
	for (last = first; last < nr && rows[last].mount_ns == mount_ns; )
		last++;
	*ret_nr = last - first;
	return rows + first;
}

const struct mount_row *mount_row_at(const struct image *img, int64_t mount_ns, int64_t place)
{
	size_t nr;
	const struct mount_row *rows = mount_rows(img, mount_ns, &nr);

	return place >= 0 && (size_t)place < nr ? &rows[place] : NULL;
}

bool mount_attributes(const char *options, uint64_t *ret)
{
	static const struct { const char *word; uint64_t flag; } words[] = {
		{ "ro", MOUNT_ATTR_RDONLY }, { "nosuid", MOUNT_ATTR_NOSUID }, { "nodev", MOUNT_ATTR_NODEV },
		{ "noexec", MOUNT_ATTR_NOEXEC }, { "noatime", MOUNT_ATTR_NOATIME },
		{ "nodiratime", MOUNT_ATTR_NODIRATIME }, { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
		{ "relatime", 0 }, { "rw", 0 },
	};
	size_t nr_words = 0, nr_known = 0, len;

	/* That times of access are all noted is shown by no word at all. */
	*ret = option_find(options, "relatime", &len) || option_find(options, "noatime", &len) ? 0 :
	       MOUNT_ATTR_STRICTATIME;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (option_find(options, words[i].word, &len)) {
			*ret |= words[i].flag;
			nr_known++;
		}
	for (const char *p = options; *p; p = strchrnul(p, ',') + (*strchrnul(p, ',') == ','))
		nr_words++;
	return nr_known == nr_words;
}

static bool is_deleted(const char *root)
{
	size_t len = strlen(root), tail = strlen("//deleted");

	return len >= tail && strcmp(root + len - tail, "//deleted") == 0;
}

/* ---- refusing ----------------------------------------------------------- */

static bool has_group(const struct mounts *m, int64_t group)
{
	for (size_t i = 0; i < m->nr; i++)
		if (m->list[i].shared == group)
			return true;
	return false;
}

static void refuse(struct mount_visit *v, const struct mount_info *m, const char *advice, const char *why)
{
	char object[300];

	snprintf(object, sizeof(object), "the mount %.200s (%s)", m->point, m->type);
	save_refuse(v->s, v->process, object, advice, "%s", why);
}

static void refuse_any(struct mount_visit *v, size_t i, const struct mount_row *row)
{
	const struct mount_info *m = &v->theirs.list[i];
	uint64_t attributes;

	if (m->shared && has_group(&v->host, m->shared))
		refuse(v, m, "`mount --make-private` it", "it is shared with mounts of the host");
	if (!mount_attributes(m->options, &attributes))
		refuse(v, m, "mount it without", "cpt does not know all of its options");
	if (is_deleted(m->root))
		refuse(v, m, "unmount it", "it is a bind mount of something that was deleted");
	if (row->host_point || row->cgroup || is_deleted(m->root))
		return;
	if (!file_system_known(m->type))
		refuse(v, m, "mount it in the host's namespace as well",
		       "only the container has it, and cpt can't restore file systems of this type");
	else if (strcmp(m->root, "/") != 0 && (strcmp(m->type, "devpts") == 0 || strcmp(m->type, "mqueue") == 0))
		refuse(v, m, "unmount it", "it is a bind mount of what is not there yet when a container is restored");
}

/* cpt finds it again by its path when it is restored. */
static void refuse_covered_locked(struct mount_visit *v, const struct mount_info *m)
{
	_cleanup_fd_ int fd = mount_reach(v->root, m->point, m->id);

	if (fd < 0)
		refuse(v, m, "`mount --make-private` it before", "it is shared and covered, and its user namespace has it locked");
}

/* A part of a proc is bound from where all of it is mounted. */
static void refuse_partial_proc(struct mount_visit *v, const struct mount_info *m)
{
	for (size_t i = 0; i < v->theirs.nr; i++)
		if (strcmp(v->theirs.list[i].device, m->device) == 0 && strcmp(v->theirs.list[i].root, "/") == 0)
			return;
	refuse(v, m, "mount the whole of it as well", "it is a part of a proc that is mounted nowhere in the container");
}

/* ---- saving ----------------------------------------------------------- */

/* What is in a tmpfs is read through a mount of cpt's own, on which nothing else is mounted. Inside of the namespace. */
static int tmpfs_clone(const struct mount_visit *v, const char *device)
{
	struct mount_attr noatime = { .attr_set = MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME };

	for (size_t i = 0; i < v->theirs.nr; i++) {
		const struct mount_info *m = &v->theirs.list[i];
		_cleanup_fd_ int at = -1, fd = -1;

		if (strcmp(m->device, device) != 0 || strcmp(m->root, "/") != 0)
			continue;
		at = mount_reach(v->root, m->point, m->id);
		fd = at < 0 ? -1 : open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
		if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &noatime, sizeof(noatime)) == 0)
			return take_fd(&fd);
	}
	return -1;
}

static int tmpfs_contents(struct mount_visit *v, const struct mount_info *m, int64_t file_system, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	struct mount_ns_back back;
	int r;

	r = mount_ns_enter(v->s, v->process, &back, e);
	if (r <= 0)
		return r;
	fd = tmpfs_clone(v, m->device);
	r = mount_ns_leave(&back, e);
	if (r < 0)
		return r;
	if (fd < 0) {
		refuse(v, m, "unmount what covers it", strcmp(m->root, "/") == 0 ?
		       "another mount covers it, so cpt can't see what is in it" :
		       "it is a bind mount of a part of a tmpfs, and cpt can't see what else is in that");
		return 0;
	}
	return tmpfs_save(v->s, v->process, m->point, file_system, fd, e);
}

/* Several may be of one file system: the contents come with the first. */
static int own_save(struct mount_visit *v, const struct mount_info *m, struct mount_row *mount, struct err *e)
{
	bool is_new;
	struct file_system_row *fs = file_system_save(v->s, m, v->user_ns, &is_new);

	mount->file_system = fs->file_system;
	if (strcmp(m->type, "proc") == 0 && strcmp(m->root, "/") != 0)
		refuse_partial_proc(v, m);
	else if (strcmp(m->type, "proc") == 0 && !fs->known)
		fs->known = mount_proc_pid_ns(v, m, &fs->ns);
	else if (is_new && strcmp(m->type, "mqueue") == 0)
		fs->ns = mount_mqueue_ipc_ns(v->s, m);
	return is_new && strcmp(m->type, "tmpfs") == 0 ? tmpfs_contents(v, m, fs->file_system, e) : 0;
}

static int64_t or_null(int64_t group)
{
	return group ?: COLUMN_NULL;
}

/* A proc of the container's pid namespace is another one after a restore, wherever else it is mounted now. */
static bool is_of_host(struct mount_visit *v, const struct mount_info *m, const struct mount_info *h)
{
	int64_t ns = COLUMN_NULL;

	if (h && strcmp(m->type, "proc") == 0 && strcmp(m->root, "/") == 0)
		mount_proc_pid_ns(v, m, &ns);
	return h && !mount_shown_cgroup(v->s, m) && ns == COLUMN_NULL;
}

/*
 * MNT_LOCKED is shown nowhere. Whoever makes a mount namespace in a new user namespace has all mounts locked
 * (lock_mnt_tree()), and nobody in there can make any with the host's file systems at their places below those.
 */
static bool is_locked(const struct mount_visit *v, const struct mount_row *row, const struct mount_info *h)
{
	const struct mount_row *parent = row->parent == COLUMN_NULL ? NULL : mount_row_at(v->s->img, v->ns, row->parent);
	const struct file_system_row *fs = row->file_system == COLUMN_NULL ? NULL :
		file_system_find(v->s->img, row->file_system);

	if (v->user_ns == COLUMN_NULL || (row->parent != COLUMN_NULL && (!parent || !parent->locked)))
		return false;
	return row->host_point ? strcmp(row->point, row->host_point) == 0 && strcmp(row->root, h->root) == 0 :
	       fs && strcmp(fs->type, "tmpfs") == 0 && fs->user_ns != v->user_ns;
}

static int one_save(struct mount_visit *v, size_t i, struct err *e)
{
	const struct mount_info *m = &v->theirs.list[i], *h = mount_of_host(&v->host, m);
	size_t parent = mounts_by_id(&v->theirs, m->parent), before = v->s->nr_refusals;
	struct image *img = v->s->img;
	struct mount_row row = {
		.mount_ns = v->ns, .place = (int64_t)i,
		.parent = parent < v->theirs.nr && parent != i ? (int64_t)parent : COLUMN_NULL,
		.point = image_strdup(img, m->point), .root = image_strdup(img, m->root),
		.type = image_strdup(img, m->type), .source = image_strdup(img, m->source),
		.options = image_strdup(img, m->options), .fs_options = image_strdup(img, m->fs_options),
		.file_system = COLUMN_NULL, .shared = or_null(m->shared), .master = or_null(m->master),
		.unbindable = m->unbindable,
	};

	if (is_of_host(v, m, h)) {
		row.host_point = image_strdup(img, h->point);
		row.host_slave = mount_is_slave_of(m, h);
		row.master = row.host_slave ? COLUMN_NULL : row.master;
	} else if (mount_shown_cgroup(v->s, m)) {
		row.cgroup = image_strdup(img, mount_shown_cgroup(v->s, m));
	}
	refuse_any(v, i, &row);
	if (!row.host_point && !row.cgroup && v->s->nr_refusals == before && own_save(v, m, &row, e) < 0)
		return err_in(e, "%s mounted at %s", m->type, m->point);
	row.locked = is_locked(v, &row, h);
	if (row.locked && (m->shared || m->master || m->unbindable))
		refuse_covered_locked(v, m);
	*(struct mount_row *)image_add(img, &mount_table) = row;
	return 0;
}

static void refuse_unknown_procs(struct mount_visit *v)
{
	const struct file_system_row *fs;
	size_t nr;
	const struct mount_row *rows = mount_rows(v->s->img, v->ns, &nr);

	for (size_t i = 0; i < nr; i++) {
		fs = rows[i].file_system == COLUMN_NULL ? NULL : file_system_find(v->s->img, rows[i].file_system);
		if (fs && strcmp(fs->type, "proc") == 0 && !fs->known && strcmp(rows[i].root, "/") == 0)
			refuse(v, &v->theirs.list[i], "unmount what covers it",
			       "another mount covers it, so cpt can't see whose processes it shows");
	}
}

/* When all namespaces are there: what is shared in groups that can't be put together again. */
static void refuse_groups(struct save *s)
{
	size_t nr;
	const struct mount_row *rows = image_rows(s->img, &mount_table, &nr);

	for (size_t i = 0; i < nr && !s->nr_refusals; i++) {
		const char *trouble = mount_group_trouble(rows, nr, &rows[i]);
		char object[300];

		snprintf(object, sizeof(object), "the mount %.200s (%s)", rows[i].point, rows[i].type);
		if (trouble)
			save_refuse(s, NULL, object, "`mount --make-private` it", "%s", trouble);
	}
}

/* What the process sees may be less, and from another root: cpt looks from inside. */
static int visit_read(struct mount_visit *v, struct err *e)
{
	_cleanup_fd_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct mount_ns_back back;
	int r, left;

	if (self < 0)
		return err_sys(e, "open /proc/self");
	r = mounts_read(self, &v->host);
	if (r < 0)
		return err_ret(e, r, "read /proc/self/mountinfo");
	r = mount_ns_enter(v->s, v->process, &back, e);
	if (r <= 0)
		return r;
	r = mounts_read(self, &v->theirs);
	left = mount_ns_leave(&back, e);
	return r < 0 ? err_ret(e, r, "read mountinfo in the mount namespace of task %d", v->process->pid) : left;
}

static int namespace_save(struct save *s, struct live_process *p, int64_t ns, struct err *e)
{
	const struct namespace_row *row = image_find(s->img, &namespace_table, offsetof(struct namespace_row, namespace), ns);
	struct mount_visit v = { .s = s, .process = p, .ns = ns, .user_ns = row->user_ns };
	int r;

	v.root = mount_ns_root(s, p, e);
	if (v.root < 0)
		return v.root;
	r = visit_read(&v, e);
	for (size_t i = 0; r == 0 && i < v.theirs.nr; i++)
		r = one_save(&v, i, e);
	if (r == 0)
		refuse_unknown_procs(&v);
	mounts_clear(&v.host);
	mounts_clear(&v.theirs);
	return r;
}

static int mount_save(struct save *s, struct live_process *p, struct err *e)
{
	int64_t ns = COLUMN_NULL;
	int r = p->zombie ? 0 : namespace_of(s, p, "mnt", &ns, e);

	if (r == 0 && ns != COLUMN_NULL && !image_find(s->img, &mount_table, offsetof(struct mount_row, mount_ns), ns))
		r = namespace_save(s, p, ns, e);
	if (r == 0 && p->index + 1 == s->live->nr_processes)
		refuse_groups(s);
	return r;
}

int mounts_presync(struct live *l, struct sync_figures *sum, struct err *e)
{
	size_t nr;
	const struct table *const *tables = kind_tables(&nr);
	struct save s = { .live = l, .img = image_new(tables, nr), .written = sum, .presync = true };
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->nr_processes; i++)
		r = save_forgive(&s, mount_save(&s, &l->processes[i], e), e);
	save_clear(&s);
	return r;
}

const struct kind mount_kind = {
	.name = "mount",
	.tables = (const struct table *const[]){
		&mount_table, &file_system_table, &tmpfs_node_table, &tmpfs_name_table, &tmpfs_xattr_table, NULL
	},
	.save_process = mount_save,
	.check = mounts_check,
	.restore_container = mounts_restore,
	.restore_place = mounts_restore_place,
	.finish = mounts_finish,
};
