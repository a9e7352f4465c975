// SPDX-License-Identifier: GPL-2.0-only
/* Control groups, see cgroup.h. libcgroup makes and removes them and enables controllers; the rest are plain files. */
#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <limits.h>
#include <string.h>
#include "base/util.h"
#include "host/cgroup.h"

/* Turn libcgroup's convention (positive codes, errno aside) into ours. */
static int cgroup_error(struct err *e, int code, const char *what, const char *cgroup)
{
	int saved = code == ECGOTHER ? -cgroup_get_last_errno() : -EIO;

	if (code == ECGROUPNOTOWNER)
		saved = -EPERM;
	return err_set(e, saved ?: -EIO, "%s cgroup %s: %s", what, cgroup, cgroup_strerror(code));
}

const char *cgroup_mount(struct err *e)
{
	static char mount[PATH_MAX];
	_cleanup_free_ char *found = NULL, *file = NULL;
	int r;

	if (*mount)
		return mount;
	r = cgroup_init();
	if (r == 0)
		r = cgroup_get_subsys_mount_point("memory", &found);
	file = xasprintf("%s/cgroup.controllers", found ?: "");
	if (r != 0 || access(file, R_OK) < 0) {
		err_set(e, -ENODEV, "there is no cgroup2 file system with the memory controller");
		err_advise(e, "mount it: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
		return NULL;
	}
	snprintf(mount, sizeof(mount), "%s", found);
	return mount;
}

int cgroup_resolve(const char *name, char **ret, struct err *e)
{
	const char *mount = cgroup_mount(e);
	size_t len;
	char *path;

	if (!mount)
		return e->code;
	len = strlen(mount);
	if (strncmp(name, mount, len) == 0 && (name[len] == '/' || !name[len]))
		name += len;
	while (*name == '/')
		name++;
	path = xasprintf("/%s", name);
	for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		path[len - 1] = 0;
	if (len == 1 || strstr(path, "/../") || (len > 3 && strcmp(path + len - 3, "/..") == 0)) {
		free(path);
		return err_set(e, -EINVAL, "\"%s\" is not the name of a cgroup below %s", name, mount);
	}
	*ret = path;
	return 0;
}

int cgroup_open(const char *cgroup, struct err *e)
{
	const char *mount = cgroup_mount(e);
	_cleanup_free_ char *path = NULL;
	int fd;

	if (!mount)
		return e->code;
	path = xasprintf("%s%s", mount, cgroup);
	fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == ENOENT) {
		err_set(e, -ENOENT, "there is no cgroup %s", cgroup);
		return err_advise(e, "the cgroups are the directories below %s", mount);
	}
	return err_sys(e, "open cgroup %s", path);
}

static int cgroup_read(const char *cgroup, const char *file, char **ret, struct err *e)
{
	_cleanup_fd_ int dir = cgroup_open(cgroup, e);
	int r;

	if (dir < 0)
		return dir;
	r = read_file_at(dir, file, ret, NULL);
	return r < 0 ? err_ret(e, r, "read %s of cgroup %s", file, cgroup) : 0;
}

static int cgroup_write(const char *cgroup, const char *file, const char *text, struct err *e)
{
	_cleanup_fd_ int dir = cgroup_open(cgroup, e);
	int r;

	if (dir < 0)
		return dir;
	r = write_file_at(dir, file, text);
	return r < 0 ? err_ret(e, r, "write \"%s\" to %s of cgroup %s", text, file, cgroup) : 0;
}

int cgroup_is_populated(const char *cgroup, struct err *e)
{
	_cleanup_free_ char *events = NULL;
	int r = cgroup_read(cgroup, "cgroup.events", &events, e);

	return r < 0 ? r : strstr(events, "populated 1") != NULL;
}

int cgroup_create_empty(const char *cgroup, bool *made, struct err *e)
{
	_cleanup_free_ char *path = NULL;
	struct cgroup *cg;
	int r;

	*made = false;
	if (!cgroup_mount(e))
		return e->code;
	path = xasprintf("%s%s", cgroup_mount(e), cgroup);
	if (access(path, F_OK) == 0) {
		r = cgroup_is_populated(cgroup, e);
		if (r <= 0)
			return r;
		err_set(e, -EBUSY, "the cgroup %s still has tasks", cgroup);
		return err_advise(e, "end them, or choose another cgroup with --cgroup NAME");
	}
	cg = cgroup_new_cgroup(cgroup + 1);
	if (!cg || !cgroup_add_controller(cg, "memory")) {
		cgroup_free(&cg);
		return err_set(e, -ENOMEM, "make cgroup %s", cgroup);
	}
	r = cgroup_create_cgroup(cg, 1);
	cgroup_free(&cg);
	if (r != 0)
		return cgroup_error(e, r, "make", cgroup);
	*made = true;
	return 0;
}

/* Depth first: only an empty directory can be removed. */
static int remove_below(int dirfd, const char *name)
{
	_cleanup_dir_ DIR *dir = NULL;
	int fd = openat(dirfd, name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	for (struct dirent *d; (d = readdir(dir)); )
		if (d->d_type == DT_DIR && *d->d_name != '.')
			remove_below(fd, d->d_name);
	return unlinkat(dirfd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int cgroup_remove(const char *cgroup, struct err *e)
{
	const char *mount = cgroup_mount(e);
	_cleanup_free_ char *path = NULL;
	int r;

	if (!mount)
		return e->code;
	path = xasprintf("%s%s", mount, cgroup);
	/* The last task may just be leaving. */
	for (int tries = 0; ; tries++) {
		r = remove_below(AT_FDCWD, path);
		if (r != -EBUSY || tries == 200)
			break;
		usleep(10000);
	}
	return r < 0 ? err_ret(e, r, "remove cgroup %s", cgroup) : 0;
}

int cgroup_kill(const char *cgroup, struct err *e)
{
	int r = cgroup_write(cgroup, "cgroup.kill", "1", e);

	for (int tries = 0; r == 0 && tries < 3000; tries++) {
		r = cgroup_is_populated(cgroup, e);
		if (r <= 0)
			return r;
		r = 0;
		usleep(tries < 100 ? 1000 : 10000);
	}
	return r ?: err_set(e, -ETIMEDOUT, "killed tasks of cgroup %s do not end", cgroup);
}

int cgroup_set_swap_device(const char *cgroup, const char *device, struct err *e)
{
	int r = cgroup_write(cgroup, "memory.swap.device", device, e);

	if (r == -ENOENT)
		err_advise(e, "boot a kernel with cpt's patches; `cpt doctor` tells more");
	return r;
}

int cgroup_get_swap_device(const char *cgroup, char *ret, size_t len, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int r = cgroup_read(cgroup, "memory.swap.device", &text, e);

	if (r == 0)
		snprintf(ret, len, "%.*s", (int)strcspn(text, "\n"), text);
	return r;
}
