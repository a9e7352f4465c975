// SPDX-License-Identifier: GPL-2.0-only
/* Files that are opened again by their path, see path.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include "state/mount.h"
#include "state/namespace.h"
#include "state/path.h"

bool path_leads_to(int root, const char *path, const struct stat *st)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	struct stat there;
	_cleanup_fd_ int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

	return fd >= 0 && fstat(fd, &there) == 0 && there.st_dev == st->st_dev && there.st_ino == st->st_ino;
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len >= n && strcmp(s + len - n, end) == 0;
}

/*
 * A file that lost the name it was opened by may have got another in the same
 * directory: by link(2) before, or by linkat(2) of what O_TMPFILE made.
 */
static bool path_find_again(int root, const char *link, const struct stat *st, char **ret)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	_cleanup_free_ char *directory = xstrdup(link);
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *d;
	int fd;

	*strrchr(directory, '/') = 0;
	fd = (int)syscall(SYS_openat2, root, *directory ? directory : "/", &how, sizeof(how));
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (d = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (d->d_ino != st->st_ino)
			continue;
		path = xasprintf("%s/%s", directory, d->d_name);
		if (path_leads_to(root, path, st)) {
			*ret = take_ptr(path);
			return true;
		}
	}
	return false;
}

/* Where @f is, seen from @root. */
static bool path_find(int root, const struct open_file *f, char **ret)
{
	if (path_leads_to(root, f->link, &f->st)) {
		*ret = xstrdup(f->link);
		return true;
	}
	return f->link[0] == '/' && f->st.st_nlink && ends_with(f->link, " (deleted)") &&
	       path_find_again(root, f->link, &f->st, ret);
}

int path_save(struct save *s, struct open_file *f, char **ret, struct err *e)
{
	int root = mount_ns_root(s, f->process, e);
	_cleanup_fd_ int own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *path = NULL;
	char name[256];
	int64_t ns;
	int r;

	if (root < 0)
		return root;
	if (own_root < 0)
		return err_sys(e, "open cpt's own root directory");
	r = namespace_of(s, f->process, "mnt", &ns, e);
	if (r < 0)
		return r;
	/* What came with the first task of a container (its output...) may be outside of its mounts. */
	if (path_find(root, f, &path))
		file_row_of(s, f)->mount_ns = ns;
	else
		path_find(own_root, f, &path);
	if (path) {
		*ret = image_strdup(s->img, path);
		return 1;
	}
	open_file_name(f, name);
	if (f->st.st_nlink == 0 || ends_with(f->link, " (deleted)"))
		save_refuse(s, f->process, name, "close it, or put the file back at its path",
			    "the file was removed or replaced while it was open");
	else
		save_refuse(s, f->process, name, "close it, or mount what holds it where the container sees it",
			    "its path does not lead to it, neither in the container's mounts nor in the host's");
	return 0;
}

const char *path_format_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "a regular file";
	case S_IFDIR: return "a directory";
	case S_IFCHR: return "a character device";
	case S_IFBLK: return "a block device";
	case S_IFIFO: return "a fifo";
	case S_IFSOCK: return "a socket";
	case S_IFLNK: return "a symbolic link";
	default: return "something else";
	}
}

/* The rest of a row's flags is ignored. */
#define OPEN_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_NOATIME | \
		    O_DIRECTORY | O_NOFOLLOW | O_LARGEFILE | O_PATH)

int path_flags(const struct file_row *f)
{
	int flags = (int)f->flags & OPEN_FLAGS;

	return f->flags & TMPFILE_BIT ? flags & ~O_DIRECTORY : flags;
}

int path_open(const struct file_row *f, const char *path, mode_t format, int *ret_fd, struct err *e)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;

	if (path[0] != '/')
		return err_set(e, -EBADMSG, "its path '%s' is not absolute", path);
	/* Before it is opened: opening a device or a fifo can do something. */
	if (fstatat(AT_FDCWD, path, &st, f->flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) < 0) {
		err_sys(e, "find %s", path);
		return err_advise(e, "put the file back at its path, then restore again");
	}
	if ((st.st_mode & S_IFMT) != (format & S_IFMT))
		return err_set(e, -EINVAL, "%s was %s at snapshot time and is %s now", path, path_format_name(format),
			       path_format_name(st.st_mode));
	fd = open(path, path_flags(f) | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, "open %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}
