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
	INT_COLUMN(struct mount_row, host_slave, 0, MOUNT_PEER),
	INT_COLUMN(struct mount_row, unbindable, 0, 1),
	INT_COLUMN(struct mount_row, locked, 0, 1),
	INT_COLUMN_OR_NULL(struct mount_row, is_file, 0, 1),
	INT_COLUMN_OR_NULL(struct mount_row, outside, 0, INT32_MAX),
};
const struct table mount_table = TABLE("mount", struct mount_row, mount_columns);

struct mount_row *mount_rows(const struct image *img, int64_t mount_ns, size_t *ret_nr)
{
	size_t nr, first = 0, last;
	struct mount_row *rows = image_rows(img, &mount_table, &nr);

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

const char *mount_object(const char *point, const char *type, char buf[static 300])
{
	snprintf(buf, 300, "the mount %.200s (%.80s)", point, type);
	return buf;
}

static bool has_group(const struct mounts *m, int64_t group)
{
	for (size_t i = 0; i < m->nr; i++)
		if (m->list[i].shared == group)
			return true;
	return false;
}

/* Why cpt can't make it anew, with @ret_advice; NULL: it can, as far as that is seen without looking into it. */
static const char *trouble_of(const struct mount_info *m, const struct mount_row *row, const char **ret_advice)
{
	uint64_t attributes;

	if (row->host_slave == MOUNT_PEER) {
		*ret_advice = "`mount --make-private` it";
		return "it is shared with mounts of the host";
	}
	if (!mount_attributes(m->options, &attributes)) {
		*ret_advice = "mount it without";
		return "cpt does not know all of its options";
	}
	*ret_advice = "unmount it";
	if (is_deleted(m->root))
		return "it is a bind mount of something that was deleted";
	if (row->host_point || row->cgroup)
		return NULL;
	if (strcmp(m->root, "/") != 0 && (strcmp(m->type, "devpts") == 0 || strcmp(m->type, "mqueue") == 0))
		return "it is a bind mount of what is not there yet when a container is restored";
	*ret_advice = "mount it in the host's namespace as well";
	return file_system_known(m->type) ? NULL :
	       "only the container has it, and cpt can't restore file systems of this type";
}

/* cpt finds it again by its path when it is restored. */
static void refuse_covered_locked(struct mount_visit *v, const struct mount_info *m)
{
	_cleanup_fd_ int fd = mount_reach(v->root, m->point, m->id);
	char object[300];

	if (fd < 0)
		save_refuse(v->s, v->process, mount_object(m->point, m->type, object), "`mount --make-private` it before",
			    "it is shared and covered, and its user namespace has it locked");
}

/* A part of a proc is bound from where all of it is mounted. */
static bool has_whole(const struct mount_visit *v, const struct mount_info *m)
{
	for (size_t i = 0; i < v->theirs.nr; i++)
		if (strcmp(v->theirs.list[i].device, m->device) == 0 && strcmp(v->theirs.list[i].root, "/") == 0)
			return true;
	return false;
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

/* cpt's own mount of all of a tmpfs; -1: it can't be had. 0: the process ended meanwhile. */
static int tmpfs_reach(const struct mount_visit *v, const struct mount_info *m, int *ret, struct err *e)
{
	struct mount_ns_back back;
	int r = mount_ns_enter(v->s, v->process, &back, e);

	*ret = -1;
	if (r <= 0)
		return r;
	*ret = tmpfs_clone(v, m->device);
	r = mount_ns_leave(&back, e);
	if (r < 0)
		close_fd(ret);
	return r ?: 1;
}

static const char *proc_trouble(struct mount_visit *v, const struct mount_info *m, int64_t *ns, bool *known,
				const char **ret_advice)
{
	if (strcmp(m->root, "/") != 0) {
		*ret_advice = "mount the whole of it as well";
		return has_whole(v, m) ? NULL : "it is a part of a proc that is mounted nowhere in the container";
	}
	*ret_advice = "unmount it";
	if (mount_proc_pid_ns(v, m, ns, known) < 0)
		return "no process of the container is in the pid namespace it shows";
	return NULL;
}

/*
 * One of the container's own: the contents come with the first mount of it. @ret_trouble as of trouble_of(): then it
 * is not saved.
 */
static int own_save(struct mount_visit *v, const struct mount_info *m, struct mount_row *mount, const char **ret_trouble,
		    const char **ret_advice, struct err *e)
{
	bool is_new = !file_system_saved(v->s, m), is_tmpfs = is_new && strcmp(m->type, "tmpfs") == 0, known = false;
	_cleanup_fd_ int fd = -1;
	struct file_system_row *fs;
	int64_t ns = COLUMN_NULL;

	*ret_trouble = strcmp(m->type, "proc") == 0 ? proc_trouble(v, m, &ns, &known, ret_advice) : NULL;
	if (is_tmpfs) {
		int r = tmpfs_reach(v, m, &fd, e);

		if (r <= 0)
			return r;
		*ret_advice = "unmount what covers it";
		*ret_trouble = fd >= 0 ? NULL : strcmp(m->root, "/") == 0 ?
			"another mount covers it, so cpt can't see what is in it" :
			"it is a bind mount of a part of a tmpfs, and cpt can't see what else is in that";
	}
	if (*ret_trouble)
		return 0;
	fs = file_system_save(v->s, m, v->user_ns);
	mount->file_system = fs->file_system;
	if (known && !fs->known) {
		fs->known = true;
		fs->ns = ns;
	} else if (is_new && strcmp(m->type, "mqueue") == 0) {
		fs->ns = mount_mqueue_ipc_ns(v->s, m);
	}
	return is_tmpfs ? tmpfs_save(v->s, v->process, m->point, fs->file_system, fd, e) : 0;
}

static int64_t or_null(int64_t group)
{
	return group ?: COLUMN_NULL;
}

/* A proc of the container's pid namespace is another one after a restore, wherever else it is mounted now. */
static bool is_of_host(struct mount_visit *v, const struct mount_info *m, const struct mount_info *h)
{
	int64_t ns = COLUMN_NULL;
	bool known;

	if (h && strcmp(m->type, "proc") == 0 && strcmp(m->root, "/") == 0)
		mount_proc_pid_ns(v, m, &ns, &known);
	return h && !mount_shown_cgroup(v->s, m) && ns == COLUMN_NULL;
}

/* Of those that cpt can't make anew (FS_USERNS_MOUNT in the kernel's sources). */
static bool users_can_mount(const char *type)
{
	return strcmp(type, "overlay") == 0 || strcmp(type, "fuse") == 0 || strncmp(type, "fuse.", 5) == 0;
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
	if (row->host_point)
		return strcmp(row->point, row->host_point) == 0 && strcmp(row->root, h->root) == 0;
	return row->outside != COLUMN_NULL ? !users_can_mount(row->type) :
	       fs && strcmp(fs->type, "tmpfs") == 0 && fs->user_ns != v->user_ns;
}

/* A file or a directory? Of a file system whose server does not answer, too: it is not asked. */
static int64_t is_file(const struct mount_visit *v, const struct mount_info *m)
{
	_cleanup_fd_ int fd = mount_reach(v->root, m->point, m->id);
	struct statx stx;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &stx) < 0)
		return COLUMN_NULL;
	return !S_ISDIR(stx.stx_mode);
}

/* What the host has of it, and in which way it is told what the host mounts there. */
static void host_save(struct mount_visit *v, const struct mount_info *m, const struct mount_info *h, struct mount_row *row)
{
	if (is_of_host(v, m, h)) {
		row->host_point = image_strdup(v->s->img, h->point);
		row->host_slave = mount_is_slave_of(m, h) ? MOUNT_SLAVE : 0;
		row->master = row->host_slave ? COLUMN_NULL : row->master;
	} else if (mount_shown_cgroup(v->s, m)) {
		row->cgroup = image_strdup(v->s->img, mount_shown_cgroup(v->s, m));
	}
	if (m->shared && has_group(&v->host, m->shared)) {
		row->host_slave = MOUNT_PEER;
		row->shared = row->master = COLUMN_NULL;
	}
}

static int one_save(struct mount_visit *v, size_t i, struct err *e)
{
	const struct mount_info *m = &v->theirs.list[i], *h = mount_of_host(&v->host, m);
	size_t parent = mounts_by_id(&v->theirs, m->parent);
	struct image *img = v->s->img;
	const char *trouble, *advice;
	struct mount_row row = {
		.mount_ns = v->ns, .place = (int64_t)i,
		.parent = parent < v->theirs.nr && parent != i ? (int64_t)parent : COLUMN_NULL,
		.point = image_strdup(img, m->point), .root = image_strdup(img, m->root),
		.type = image_strdup(img, m->type), .source = image_strdup(img, m->source),
		.options = image_strdup(img, m->options), .fs_options = image_strdup(img, m->fs_options),
		.file_system = COLUMN_NULL, .shared = or_null(m->shared), .master = or_null(m->master),
		.unbindable = m->unbindable, .is_file = is_file(v, m), .outside = COLUMN_NULL,
	};

	host_save(v, m, h, &row);
	trouble = trouble_of(m, &row, &advice);
	if (!trouble && !row.host_point && !row.cgroup && own_save(v, m, &row, &trouble, &advice, e) < 0)
		return err_in(e, "%s mounted at %s", m->type, m->point);
	if (trouble)
		mount_outside_save(v->s, v->process, &row, trouble, advice);
	row.locked = is_locked(v, &row, h);
	if (row.locked && (m->shared || m->master || m->unbindable))
		refuse_covered_locked(v, m);
	*(struct mount_row *)image_add(img, &mount_table) = row;
	return 0;
}

static void save_unknown_procs(struct mount_visit *v)
{
	const struct file_system_row *fs;
	size_t nr;
	struct mount_row *rows = mount_rows(v->s->img, v->ns, &nr);

	for (size_t i = 0; i < nr; i++) {
		fs = rows[i].file_system == COLUMN_NULL ? NULL : file_system_find(v->s->img, rows[i].file_system);
		if (fs && strcmp(fs->type, "proc") == 0 && !fs->known)
			mount_outside_save(v->s, v->process, &rows[i], "another mount covers it, so cpt can't see whose "
					   "processes it shows", "unmount what covers it");
	}
}

/* When all namespaces are there: slaves of mounts that are in none of these, and not the host's. */
static void save_slaves_of_others(struct save *s)
{
	size_t nr;
	struct mount_row *rows = image_rows(s->img, &mount_table, &nr);

	for (size_t i = 0; i < nr; i++) {
		if (!rows[i].host_point || rows[i].master == COLUMN_NULL || mount_group_leader(rows, nr, rows[i].master))
			continue;
		rows[i].host_slave = MOUNT_SLAVE;
		rows[i].master = COLUMN_NULL;
		if (rows[i].outside == COLUMN_NULL)
			mount_outside_save(s, NULL, &rows[i], "it is a slave of a mount that neither the host has nor the container",
					   "`mount --make-private` it");
	}
}

/* What is shared in groups that can't be put together again. */
static void refuse_groups(struct save *s)
{
	size_t nr;
	const struct mount_row *rows = image_rows(s->img, &mount_table, &nr);

	for (size_t i = 0; i < nr && !s->nr_refusals; i++) {
		const char *trouble = mount_group_trouble(rows, nr, &rows[i]);
		char object[300];

		if (trouble)
			save_refuse(s, NULL, mount_object(rows[i].point, rows[i].type, object), "`mount --make-private` it",
				    "%s", trouble);
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
		save_unknown_procs(&v);
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
	if (r == 0 && p->index + 1 == s->live->nr_processes) {
		save_slaves_of_others(s);
		refuse_groups(s);
	}
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
