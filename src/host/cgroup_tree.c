// SPDX-License-Identifier: GPL-2.0-only
/* Sub-cgroups, see cgroup_tree.h. Files: Documentation/admin-guide/cgroup-v2.rst. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/util.h"
#include "host/cgroup_tree.h"

static int each_below(int dirfd, const char *path, cgroup_fn *fn, void *arg, struct err *e)
{
	int fd = openat(dirfd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC), r;
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(e, "list the cgroup %s", path);
	r = fn(dirfd, path, arg, e);
	for (const struct dirent *d; r == 0 && (d = readdir(dir)); ) {
		_cleanup_free_ char *below = NULL;
		_cleanup_fd_ int sub = -1;

		if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		sub = openat(dirfd, d->d_name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (sub < 0)
			continue;
		below = xasprintf("%s%s%s", path, *path ? "/" : "", d->d_name);
		r = each_below(sub, below, fn, arg, e);
	}
	return r;
}

int cgroup_each(int dirfd, cgroup_fn *fn, void *arg, struct err *e)
{
	return each_below(dirfd, "", fn, arg, e);
}

bool cgroup_path_is_below(const char *path)
{
	if (!*path)
		return true;
	for (;;) {
		size_t len = strcspn(path, "/");

		/* cgroup_mkdir() refuses names with a newline. */
		if (!len || memchr(path, '\n', len) || (len <= 2 && strspn(path, ".") >= len))
			return false;
		if (!path[len])
			return true;
		path += len + 1;
	}
}

int cgroup_open_below(int dirfd, const char *path, struct err *e)
{
	int fd = openat(dirfd, *path ? path : ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open the cgroup \"%s\" of the container", path) : fd;
}

int cgroup_read(int dirfd, const char *file, char **ret)
{
	size_t len;
	int r = read_file_at(dirfd, file, ret, &len);

	if (r == 0 && len && (*ret)[len - 1] == '\n')
		(*ret)[len - 1] = 0;
	return r;
}

bool cgroup_is_frozen(int dirfd)
{
	_cleanup_free_ char *text = NULL;

	return cgroup_read(dirfd, "cgroup.freeze", &text) == 0 && strcmp(text, "1") == 0;
}

static bool has_word(const char *words, const char *word, size_t len)
{
	for (const char *p = words; *p; p += strcspn(p, " ")) {
		p += strspn(p, " ");
		if (strcspn(p, " ") == len && strncmp(p, word, len) == 0)
			return true;
	}
	return false;
}

/* Those of @from that are not in @without, each with @sign. */
static char *changes(const char *from, const char *without, char sign, char *to)
{
	for (const char *p = from; *p; ) {
		size_t len;

		p += strspn(p, " ");
		len = strcspn(p, " ");
		if (len && !has_word(without, p, len)) {
			*to++ = sign;
			to = mempcpy(to, p, len);
			*to++ = ' ';
		}
		p += len;
	}
	*to = 0;
	return to;
}

int cgroup_control(int dirfd, const char *controllers, struct err *e)
{
	_cleanup_free_ char *now = NULL, *text = NULL;
	int r = cgroup_read(dirfd, "cgroup.subtree_control", &now);

	if (r < 0)
		return err_ret(e, r, "read cgroup.subtree_control");
	text = xmalloc(2 * (strlen(now) + strlen(controllers)) + 2);
	changes(controllers, now, '+', changes(now, controllers, '-', text));
	r = *text ? write_file_at(dirfd, "cgroup.subtree_control", text) : 0;
	return r < 0 ? err_ret(e, r, "write \"%s\" to cgroup.subtree_control", text) : 0;
}
