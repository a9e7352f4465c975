// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces that a container does not share with cpt: tables `namespace` and
 * `uts`. Pid namespaces come with their first process (process_tree.c), those
 * of cgroups are made by cgroup_ns.c, mounts are in mount.c, SysV objects in
 * sysv_*.c, what only user namespaces have in user_namespace.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/nsfs.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include "state/cgroup.h"
#include "state/clock.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/user_namespace.h"

static const struct column namespace_columns[] = {
	INT_COLUMN(struct namespace_row, namespace, 0, 65535),
	TEXT_COLUMN(struct namespace_row, type, 8),
	INT_COLUMN(struct namespace_row, inode, 0, UINT32_MAX),
	INT_COLUMN_OR_NULL(struct namespace_row, parent, 0, 65535),
	INT_COLUMN_OR_NULL(struct namespace_row, level, 1, 32),
	INT_COLUMN_OR_NULL(struct namespace_row, user_ns, 0, 65535),
};
const struct table namespace_table = TABLE("namespace", struct namespace_row, namespace_columns);

struct uts_row {
	int64_t namespace;
	char *nodename, *domainname;
};

static const struct column uts_columns[] = {
	INT_COLUMN(struct uts_row, namespace, 0, 65535),
	TEXT_COLUMN(struct uts_row, nodename, 64),
	TEXT_COLUMN(struct uts_row, domainname, 64),
};
static const struct table uts_table = TABLE("uts", struct uts_row, uts_columns);

static const struct {
	const char *type;
	int flag;
	bool saved;	/* can differ from cpt's own */
} namespaces[NR_NAMESPACE_TYPES] = {
	{ "pid", CLONE_NEWPID, true }, { "ipc", CLONE_NEWIPC, true }, { "uts", CLONE_NEWUTS, true },
	{ "mnt", CLONE_NEWNS, true }, { "net", CLONE_NEWNET, false }, { "user", CLONE_NEWUSER, true },
	{ "cgroup", CLONE_NEWCGROUP, true }, { "time", CLONE_NEWTIME, true },
};

/* NR_NAMESPACE_TYPES: there is none of that name. */
static size_t type_index(const char *type)
{
	size_t i = 0;

	while (i < NR_NAMESPACE_TYPES && strcmp(namespaces[i].type, type) != 0)
		i++;
	return i;
}

int namespace_flag(const char *type)
{
	size_t i = type_index(type);

	return i < NR_NAMESPACE_TYPES ? namespaces[i].flag : 0;
}

/* ---- saving ----------------------------------------------------------- */

static int inode_of(int proc_fd, const char *type, ino_t *ret)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "ns/%s", type);
	if (fstatat(proc_fd, path, &st, 0) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

/*
 * Looked up once: it is asked for with each mapping, and also while cpt is in an ipc namespace of the
 * container (sysv_each_namespace(), which asks before it enters one), where /proc/self would tell that.
 */
static int own_inode(struct save *s, const char *type, ino_t *ret, struct err *e)
{
	ino_t *own = &s->own_ns[type_index(type)];

	if (!*own) {
		_cleanup_fd_ int self = open("/proc/self", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		int r = self < 0 ? -errno : inode_of(self, type, own);

		/* The kernel may have no namespaces of that type. */
		if (r < 0 && r != -ENOENT)
			return err_ret(e, r, "look up cpt's own %s namespace", type);
	}
	*ret = *own;
	return 0;
}

static struct namespace_row *namespace_known(struct save *s, ino_t inode)
{
	return image_find(s->img, &namespace_table, offsetof(struct namespace_row, inode), (int64_t)inode);
}

static struct namespace_row *namespace_add(struct save *s, const char *type, ino_t inode)
{
	struct namespace_row *row;
	size_t nr;

	image_rows(s->img, &namespace_table, &nr);
	row = image_add(s->img, &namespace_table);
	*row = (struct namespace_row){
		.namespace = (int64_t)nr, .type = image_strdup(s->img, type), .inode = (int64_t)inode,
		.parent = COLUMN_NULL, .level = COLUMN_NULL, .user_ns = COLUMN_NULL,
	};
	return row;
}

/* A user namespace comes after those around it, up to cpt's own. */
static int user_ns_add(struct save *s, int fd, int64_t *ret, struct err *e)
{
	_cleanup_fd_ int parent_fd = -1;
	struct namespace_row *row;
	struct stat st;
	int64_t parent;
	ino_t own;
	int r = own_inode(s, "user", &own, e);

	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "fstat of a user namespace");
	row = namespace_known(s, st.st_ino);
	*ret = row ? row->namespace : COLUMN_NULL;
	if (row || st.st_ino == own)
		return 0;
	parent_fd = ioctl(fd, NS_GET_PARENT);
	if (parent_fd < 0)
		return err_sys(e, "find the parent of user namespace %ju", (uintmax_t)st.st_ino);
	r = user_ns_add(s, parent_fd, &parent, e);
	if (r < 0)
		return r;
	row = namespace_add(s, "user", st.st_ino);
	row->parent = parent;
	*ret = row->namespace;
	return user_namespace_save(s, row->namespace, fd, e);
}

/* Which user namespace owns the namespace of @fd? */
static int owner_of(struct save *s, int fd, int64_t *ret, struct err *e)
{
	_cleanup_fd_ int owner = ioctl(fd, NS_GET_USERNS);

	return owner < 0 ? err_sys(e, "find the user namespace that owns a namespace") : user_ns_add(s, owner, ret, e);
}

/* A pid namespace comes after those outside of it, up to cpt's own. */
static int pid_ns_add(struct save *s, int fd, ino_t own, int64_t *ret, int64_t *ret_level, struct err *e)
{
	_cleanup_fd_ int parent_fd = -1;
	struct namespace_row *row;
	struct stat st;
	int64_t parent, level, user_ns;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "fstat of a pid namespace");
	if (st.st_ino == own) {
		*ret = COLUMN_NULL;
		*ret_level = 0;
		return 0;
	}
	row = namespace_known(s, st.st_ino);
	if (row) {
		*ret = row->namespace;
		*ret_level = row->level;
		return 0;
	}
	parent_fd = ioctl(fd, NS_GET_PARENT);
	if (parent_fd < 0)
		return err_sys(e, "find the parent of pid namespace %ju", (uintmax_t)st.st_ino);
	r = pid_ns_add(s, parent_fd, own, &parent, &level, e) ?: owner_of(s, fd, &user_ns, e);
	if (r < 0)
		return r;
	row = namespace_add(s, "pid", st.st_ino);
	row->parent = parent;
	row->user_ns = user_ns;
	*ret_level = row->level = level + 1;
	*ret = row->namespace;
	return 0;
}

static int uts_save(struct save *s, const struct live_process *p, int64_t id, struct err *e)
{
	_cleanup_fd_ int ns = openat(p->proc_fd, "ns/uts", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
	struct utsname name;
	struct uts_row *row;

	if (ns < 0 || own < 0 || setns(ns, CLONE_NEWUTS) < 0)
		return err_sys(e, "enter the uts namespace of task %d", p->pid);
	uname(&name);
	if (setns(own, CLONE_NEWUTS) < 0)
		return err_sys(e, "leave the uts namespace of task %d", p->pid);
	row = image_add(s->img, &uts_table);
	*row = (struct uts_row){
		id, image_strdup(s->img, name.nodename), image_strdup(s->img, name.domainname),
	};
	return 0;
}

static int namespace_open(struct save *s, const struct live_process *p, const char *link, const char *type, ino_t inode,
			  int64_t *ret, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	struct namespace_row *row;
	int64_t user_ns, level;
	char path[32];
	ino_t own;
	int r;

	snprintf(path, sizeof(path), "ns/%s", link);
	fd = openat(p->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return s->frozen ? err_sys(e, "open /proc/%d/%s", p->pid, path) : 0;
	if (strcmp(type, "pid") == 0)
		return own_inode(s, "pid", &own, e) ?: pid_ns_add(s, fd, own, ret, &level, e);
	if (strcmp(type, "user") == 0)
		return user_ns_add(s, fd, ret, e);
	r = owner_of(s, fd, &user_ns, e);
	if (r < 0)
		return r;
	row = namespace_add(s, type, inode);
	row->user_ns = user_ns;
	*ret = row->namespace;
	if (strcmp(type, "time") == 0)
		return clock_save_namespace(s, p, link, *ret, e);
	if (strcmp(type, "cgroup") == 0 && user_ns != COLUMN_NULL)
		save_refuse(s, p, "its cgroup namespace", "make it in the host's user namespace",
			    "it belongs to a user namespace of the container, and cpt can't restore that yet");
	return strcmp(type, "uts") == 0 ? uts_save(s, p, *ret, e) :
	       strcmp(type, "cgroup") == 0 ? cgroup_ns_save(s, p, *ret, e) : 0;
}

int namespace_of(struct save *s, const struct live_process *p, const char *link, int64_t *ret, struct err *e)
{
	const char *type;
	struct namespace_row *row;
	ino_t own, inode = 0;
	int r;

	*ret = COLUMN_NULL;
	type = strcmp(link, "pid_for_children") == 0 ? "pid" : strcmp(link, "time_for_children") == 0 ? "time" : link;
	r = own_inode(s, type, &own, e);
	if (r < 0 || !own)
		return r;
	r = live_namespace(p, link, &inode);
	if (r < 0)
		return s->frozen ? err_ret(e, r, "read /proc/%d/ns/%s", p->pid, link) : 0;
	if (inode == own)
		return 0;
	row = namespace_known(s, inode);
	if (row) {
		*ret = row->namespace;
		return 0;
	}
	return namespace_open(s, p, link, type, inode, ret, e);
}

int namespace_of_pid_fd(struct save *s, int fd, int64_t *ret, struct err *e)
{
	int64_t level;
	ino_t own;

	return own_inode(s, "pid", &own, e) ?: pid_ns_add(s, fd, own, ret, &level, e);
}

/* Those that can't be saved must be cpt's own. */
static int namespace_save(struct save *s, struct live_process *p, struct err *e)
{
	int r;

	for (size_t i = 0; !p->zombie && i < ARRAY_SIZE(namespaces); i++) {
		ino_t own, inode = 0;
		char object[48];

		if (namespaces[i].saved)
			continue;
		r = own_inode(s, namespaces[i].type, &own, e);
		if (r < 0)
			return r;
		if (live_namespace(p, namespaces[i].type, &inode) < 0 || inode == own)
			continue;
		snprintf(object, sizeof(object), "its %s namespace", namespaces[i].type);
		save_refuse(s, p, object, "run it in the host's", "cpt can't restore namespaces of this type yet");
	}
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

/* In a new process: in @user_ns, and for a copy of mounts in the namespace they are in so far. */
static int namespace_begin(const char *type, const char *offsets, int user_ns, int mount_ns)
{
	_cleanup_fd_ int fd = -1;

	if ((mount_ns >= 0 && setns(mount_ns, CLONE_NEWNS) < 0) || (user_ns >= 0 && setns(user_ns, CLONE_NEWUSER) < 0) ||
	    unshare(namespace_flag(type)) < 0)
		return errno;
	if (!offsets)
		return 0;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, offsets, strlen(offsets)) < 0 ? errno : 0;
}

/* A child makes it and keeps it alive until cpt holds a descriptor of it. */
int namespace_make(const char *type, const char *offsets, int user_ns, int mount_ns, int *ret_fd, struct err *e)
{
	_cleanup_fd_ int up = -1, down = -1;
	int pair[2], status = 0;
	char path[48];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	up = pair[0];
	down = pair[1];
	pid = fork();
	if (pid == 0) {
		close_fd(&up);	/* or it would wait for itself below */
		status = namespace_begin(type, offsets, user_ns, mount_ns);
		if (write(down, &status, sizeof(status)) < 0 || read(down, &status, 1) < 0)
			_exit(1);
		_exit(0);
	}
	if (pid < 0)
		return err_sys(e, "fork");
	close_fd(&down);
	if (read_all(up, &status, sizeof(status)) < 0)
		status = ECHILD;
	/* Only its children would be in a time namespace. */
	snprintf(path, sizeof(path), "/proc/%d/ns/%s%s", pid, type, offsets ? "_for_children" : "");
	if (!status)
		*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!status && *ret_fd < 0)
		status = errno;
	close_fd(&up);
	waitpid(pid, NULL, 0);
	return status ? err_ret(e, -status, "make a new %s namespace", type) : 0;
}

int namespace_enter(struct restore *r, int64_t id, const char *type, int *ret_back, struct err *e)
{
	char path[32];

	*ret_back = -1;
	if (id == COLUMN_NULL)
		return 0;
	if (id < 0 || (size_t)id >= r->nr_ns || r->ns_fds[id] < 0)
		return err_set(e, -EBADMSG, "there is no %s namespace %ld in table namespace", type, id);
	snprintf(path, sizeof(path), "/proc/self/ns/%s", type);
	*ret_back = open(path, O_RDONLY | O_CLOEXEC);
	if (*ret_back < 0)
		return err_sys(e, "open %s", path);
	if (setns(r->ns_fds[id], namespace_flag(type)) < 0) {
		err_sys(e, "enter %s namespace %ld", type, id);
		close_fd(ret_back);
		return e->code;
	}
	return 0;
}

int namespace_leave(int *back, const char *type, struct err *e)
{
	int r = 0;

	if (*back >= 0 && setns(*back, namespace_flag(type)) < 0)
		r = err_sys(e, "return to cpt's own %s namespace", type);
	close_fd(back);
	return r;
}

static int uts_restore(struct restore *r, struct err *e)
{
	const struct uts_row *row;

	image_for_each(row, r->img, &uts_table) {
		int back, ret = namespace_enter(r, row->namespace, "uts", &back, e);

		if (ret < 0)
			return ret;
		if (sethostname(row->nodename, strlen(row->nodename)) < 0 ||
		    setdomainname(row->domainname, strlen(row->domainname)) < 0)
			ret = err_sys(e, "set the host name %s", row->nodename);
		ret = namespace_leave(&back, "uts", ret < 0 ? &ERR_INIT : e) ?: ret;
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* A mount namespace is the host's first: what a user namespace gets, it keeps (MNT_LOCKED). See mount.c. */
static int other_restore(struct restore *r, const struct namespace_row *row, struct err *e)
{
	bool host = strcmp(row->type, "mnt") == 0 || row->user_ns == COLUMN_NULL, is_time = strcmp(row->type, "time") == 0;
	char offsets[CLOCK_OFFSETS_TEXT];

	if (strcmp(row->type, "pid") == 0 || strcmp(row->type, "user") == 0 || strcmp(row->type, "cgroup") == 0)
		return 0;
	return namespace_make(row->type, is_time ? clock_offsets(r, row->namespace, offsets) : NULL,
			      host ? -1 : r->ns_fds[row->user_ns], -1, &r->ns_fds[row->namespace], e);
}

int namespace_hand_over(struct restore *r, int64_t id, struct err *e)
{
	const struct namespace_row *row = image_find(r->img, &namespace_table,
						     offsetof(struct namespace_row, namespace), id);
	int fd = -1, ret;

	if (!row || row->user_ns == COLUMN_NULL)
		return 0;
	ret = namespace_make(row->type, NULL, r->ns_fds[row->user_ns], r->ns_fds[id], &fd, e);
	if (ret < 0)
		return ret;
	close_fd(&r->ns_fds[id]);
	r->ns_fds[id] = fd;
	return 0;
}

static int namespace_restore(struct restore *r, struct err *e)
{
	const struct namespace_row *row;
	int ret = 0;

	image_rows(r->img, &namespace_table, &r->nr_ns);
	r->keepers = xcalloc(r->nr_ns + 1, sizeof(*r->keepers));
	r->ns_fds = xcalloc(r->nr_ns, sizeof(*r->ns_fds));
	for (size_t i = 0; i < r->nr_ns; i++)
		r->ns_fds[i] = -1;
	image_for_each(row, r->img, &namespace_table)
		if (ret == 0 && strcmp(row->type, "user") == 0)
			ret = user_namespace_make(r, row->namespace, e);
	image_for_each(row, r->img, &namespace_table)
		ret = ret ?: other_restore(r, row, e);
	return ret ?: uts_restore(r, e);
}

const struct kind namespace_kind = {
	.name = "namespace",
	.tables = (const struct table *const[]){ &namespace_table, &uts_table, NULL },
	.save_process = namespace_save,
	.check = namespaces_check,
	.restore_container = namespace_restore,
};
