// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cgroups, see cgroup.h. libcgroup finds the hierarchy, makes groups (with
 * their controllers turned on all the way down), lists processes and removes
 * groups; it has no words for newer files of cgroup2, which are plain text.
 * Files: Documentation/admin-guide/cgroup-v2.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include "base/util.h"
#include "host/cgroup.h"
#include "host/cgroup_tree.h"

#define KILL_MS 10000

/* ---- libcgroup's conventions into ours ----------------------------------------- */

static int errno_of(int code)
{
	switch (code) {
	case ECGROUPNOTEXIST:	return -ENOENT;
	case ECGROUPNOTALLOWED:	return -EPERM;
	case ECGNONEMPTY:	return -EBUSY;
	case ECGROUPNOTMOUNTED:
	case ECGROUPNOTINITIALIZED:
	case ECGROUPSUBSYSNOTMOUNTED: return -ENODEV;
	case ECGOTHER:		return -(cgroup_get_last_errno() ?: EIO);
	default:		return -EIO;
	}
}

static int fail(int code, struct err *e, const char *what, const char *cgroup)
{
	return err_set(e, errno_of(code), "%s cgroup %s: %s", what, cgroup, cgroup_strerror(code));
}

static int no_mount(struct err *e)
{
	err_set(e, -ENODEV, "cgroup2 with the memory controller is not mounted");
	return err_advise(e, "`mount -t cgroup2 cgroup2 /sys/fs/cgroup`, and the kernel needs CONFIG_MEMCG without cgroup_disable=memory");
}

int cgroup_mount(const char **ret, struct err *e)
{
	static char *mount;

	if (!mount) {
		_cleanup_free_ char *controllers = NULL;
		_cleanup_free_ char *file = NULL;

		if (cgroup_init() != 0 || cgroup_get_subsys_mount_point("memory", &mount) != 0)
			return no_mount(e);
		/* A version 1 hierarchy has no such file. */
		file = xasprintf("%s/cgroup.controllers", mount);
		if (access(file, F_OK) < 0) {
			free(take_ptr(mount));
			return no_mount(e);
		}
	}
	*ret = mount;
	return 0;
}

/* ---- paths --------------------------------------------------------------------- */

/* What is behind @mount in @name, or @name. */
static const char *below_mount(const char *name, const char *mount)
{
	size_t len = strlen(mount);

	return strncmp(name, mount, len) == 0 && (name[len] == '/' || !name[len]) ? name + len : name;
}

int cgroup_resolve(const char *name, char **ret, struct err *e)
{
	const char *mount, *from;
	_cleanup_free_ char *path = NULL;
	char *to;
	int r = cgroup_mount(&mount, e);

	if (r < 0)
		return r;
	from = below_mount(name, mount);
	path = to = xmalloc(strlen(from) + 2);
	for (;;) {
		size_t len;

		from += strspn(from, "/");
		len = strcspn(from, "/");
		if (!len)
			break;
		if (len == 2 && strncmp(from, "..", 2) == 0) {
			err_set(e, -EINVAL, "the cgroup \"%s\" has \"..\" in its path", name);
			return err_advise(e, "give its path below %s", mount);
		}
		if (len != 1 || *from != '.') {
			*to++ = '/';
			to = mempcpy(to, from, len);
		}
		from += len;
	}
	*to = 0;
	if (to == path)
		err_set(e, -EINVAL, "\"%s\" is the root cgroup, not that of a container", name);
	if (to == path)
		return err_advise(e, "`ls %s` shows the cgroups there are", mount);
	*ret = take_ptr(path);
	return 0;
}

static char *full_path(const char *cgroup, const char *file)
{
	const char *mount;

	if (cgroup_mount(&mount, &ERR_INIT) < 0)
		mount = "/sys/fs/cgroup";
	return xasprintf("%s%s%s%s", mount, cgroup, file ? "/" : "", file ?: "");
}

bool cgroup_exists(const char *cgroup)
{
	_cleanup_free_ char *path = full_path(cgroup, "cgroup.procs");

	return access(path, F_OK) == 0;
}

int cgroup_open(const char *cgroup, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	const char *mount;
	int fd, r = cgroup_mount(&mount, e);

	if (r < 0)
		return r;
	path = full_path(cgroup, NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, "open cgroup %s", cgroup);
		return err_advise(e, "`ls %s` shows the cgroups there are", mount);
	}
	return fd;
}

/* ---- making and removing --------------------------------------------------------- */

static void free_group(struct cgroup **g)
{
	cgroup_free(g);
}
#define _cleanup_group_ __attribute__((cleanup(free_group)))

static struct cgroup *new_group(const char *cgroup)
{
	struct cgroup *g = cgroup_new_cgroup(cgroup + 1);

	if (g && !cgroup_add_controller(g, "memory"))
		cgroup_free(&g);
	return g;
}

int cgroup_create(const char *cgroup, struct err *e)
{
	_cleanup_group_ struct cgroup *g = NULL;
	const char *mount;
	int r = cgroup_mount(&mount, e);

	if (r < 0 || cgroup_exists(cgroup))
		return r;
	g = new_group(cgroup);
	r = g ? cgroup_create_cgroup(g, 1) : ECGOTHER;
	return r ? fail(r, e, "make", cgroup) : 0;
}

int cgroup_check_empty(const char *cgroup, struct err *e)
{
	bool populated = false;
	int r = cgroup_exists(cgroup) ? cgroup_populated(cgroup, &populated, e) : 0;

	if (r < 0 || !populated)
		return r;
	err_set(e, -EBUSY, "there are tasks in cgroup %s", cgroup);
	return err_advise(e, "end them, or choose another cgroup with --cgroup");
}

int cgroup_create_empty(const char *cgroup, bool *ret_made, struct err *e)
{
	bool there = cgroup_exists(cgroup);
	int r = cgroup_check_empty(cgroup, e) ?: cgroup_create(cgroup, e);

	*ret_made = r == 0 && !there;
	return r;
}

/* Children first. cgroup directories have no other content that rmdir() minds. */
static int remove_below(int parent_fd, const char *name, bool itself)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *d;
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	while (r == 0 && (d = readdir(dir)))
		if (d->d_type == DT_DIR && strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			r = remove_below(dirfd(dir), d->d_name, true);
	if (r == 0 && itself && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

int cgroup_remove(const char *cgroup, struct err *e)
{
	_cleanup_free_ char *path = full_path(cgroup, NULL);
	bool populated = false;
	int r;

	if (!cgroup_exists(cgroup))
		return 0;
	r = cgroup_populated(cgroup, &populated, e);
	if (r < 0)
		return r;
	/* libcgroup would move the tasks into the parent. */
	if (populated)
		return err_set(e, -EBUSY, "cgroup %s can't be removed: there are tasks in it", cgroup);
	r = remove_below(AT_FDCWD, path, true);
	return r < 0 ? err_ret(e, r, "remove cgroup %s", cgroup) : 0;
}

int cgroup_remove_children(const char *cgroup, struct err *e)
{
	_cleanup_free_ char *path = full_path(cgroup, NULL);
	int r = remove_below(AT_FDCWD, path, false);

	return r < 0 ? err_ret(e, r, "remove the cgroups below %s", cgroup) : 0;
}

/* ---- above ----------------------------------------------------------------------- */

/* From the root down; one that has a controller on for its children is left alone. */
int cgroup_provide(const char *cgroup, const char *controllers, struct err *e)
{
	for (const char *slash = cgroup; slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *above = strndup(cgroup, (size_t)(slash - cgroup)), *on = NULL, *want = NULL;
		_cleanup_fd_ int fd = cgroup_open(above, e);
		int r = fd < 0 ? fd : cgroup_read(fd, "cgroup.subtree_control", &on);

		if (fd >= 0 && r < 0)
			err_ret(e, r, "read cgroup.subtree_control");
		if (r == 0) {
			want = xasprintf("%s %s", on, controllers);
			r = cgroup_control(fd, want, e);
		}
		if (r < 0)
			return err_in(e, "controllers of cgroup %s", *above ? above : "/");
	}
	return 0;
}

int cgroup_check_above(const char *cgroup, struct err *e)
{
	for (const char *slash = strchr(cgroup + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *above = strndup(cgroup, (size_t)(slash - cgroup));
		_cleanup_fd_ int fd = cgroup_open(above, &ERR_INIT);

		if (fd < 0 || !cgroup_is_frozen(fd))
			continue;
		err_set(e, -EBUSY, "cgroup %s, above %s, is frozen", above, cgroup);
		return err_advise(e, "thaw it first: write 0 to its cgroup.freeze");
	}
	return 0;
}

/* ---- tasks -------------------------------------------------------------------------- */

int cgroup_processes(const char *cgroup, pid_t **ret, size_t *ret_nr, struct err *e)
{
	const char *mount;
	int nr = 0;
	int r = cgroup_mount(&mount, e);

	if (r < 0)
		return r;
	*ret = NULL;
	r = cgroup_get_procs((char *)cgroup + 1, (char *)"memory", ret, &nr);
	if (r)
		return fail(r, e, "list processes of", cgroup);
	*ret_nr = (size_t)nr;
	return 0;
}

int cgroup_threads(const char *cgroup, pid_t **ret, size_t *ret_nr, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	pid_t *tids = NULL;
	size_t nr = 0, cap = 0;
	int r = cgroup_get(cgroup, "cgroup.threads", &text, e);

	if (r < 0)
		return r;
	for (char *p = text, *end; *p; p = end) {
		long tid = strtol(p, &end, 10);

		if (end == p)
			break;
		array_grow(tids, nr, cap);
		tids[nr++] = (pid_t)tid;
	}
	*ret = tids;
	*ret_nr = nr;
	return 0;
}

int cgroup_populated(const char *cgroup, bool *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int r = cgroup_get(cgroup, "cgroup.events", &text, e);

	if (r == 0)
		*ret = strstr(text, "populated 1") != NULL;
	return r;
}

int cgroup_attach(const char *cgroup, pid_t pid, struct err *e)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return cgroup_set(cgroup, "cgroup.procs", text, e);
}

/* cgroup.events reports a change with POLLPRI. */
static int wait_empty(const char *cgroup, struct err *e)
{
	_cleanup_free_ char *path = full_path(cgroup, "cgroup.events");
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t deadline = now_ns() + KILL_MS * 1000000UL;

	if (fd < 0)
		return err_sys(e, "open %s", path);
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLPRI };
		char text[256] = "";
		uint64_t now = now_ns();

		if (pread(fd, text, sizeof(text) - 1, 0) < 0)
			return err_sys(e, "read %s", path);
		if (strstr(text, "populated 0"))
			return 0;
		if (now >= deadline)
			return err_set(e, -ETIMEDOUT, "tasks of cgroup %s do not end %d s after SIGKILL", cgroup, KILL_MS / 1000);
		poll(&p, 1, (int)min((deadline - now) / 1000000 + 1, 100UL));
	}
}

int cgroup_kill(const char *cgroup, struct err *e)
{
	return cgroup_set(cgroup, "cgroup.kill", "1", e) ?: wait_empty(cgroup, e);
}

/* ---- settings ------------------------------------------------------------------------ */

int cgroup_get(const char *cgroup, const char *file, char **ret, struct err *e)
{
	_cleanup_free_ char *path = full_path(cgroup, file);
	size_t len;
	int r = read_file_at(AT_FDCWD, path, ret, &len);

	if (r < 0)
		return err_ret(e, r, "read %s of cgroup %s", file, cgroup);
	if (len && (*ret)[len - 1] == '\n')
		(*ret)[len - 1] = 0;
	return 0;
}

int cgroup_set(const char *cgroup, const char *file, const char *value, struct err *e)
{
	_cleanup_free_ char *path = full_path(cgroup, file);
	int r = write_file_at(AT_FDCWD, path, value);

	return r < 0 ? err_ret(e, r, "write \"%s\" to %s of cgroup %s", value, file, cgroup) : 0;
}

int cgroup_memory_limit(const char *cgroup, uint64_t *ret, struct err *e)
{
	_cleanup_free_ char *path = xstrdup(cgroup);
	uint64_t limit = UINT64_MAX;

	while (*path) {
		_cleanup_free_ char *text = NULL;
		int r = cgroup_get(path, "memory.max", &text, e);

		if (r < 0)
			return r;
		if (strcmp(text, "max"))
			limit = min(limit, (uint64_t)strtoull(text, NULL, 10));
		*strrchr(path, '/') = 0;
	}
	*ret = limit;
	return 0;
}
