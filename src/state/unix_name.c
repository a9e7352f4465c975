// SPDX-License-Identifier: GPL-2.0-only
/* Names of unix sockets: paths, abstract ones, and paths whose file is gone. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include "state/fs_user.h"
#include "state/path.h"
#include "state/unix_socket.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)	/* include/uapi/linux/un.h: an O_PATH descriptor of the socket's file */
#endif

#define ROW struct unix_socket_row
#define LONGEST (sizeof(((struct sockaddr_un *)0)->sun_path))

bool unix_is_named(const ROW *row)
{
	return row->path || row->abstract.data;
}

static bool is_hidden(const ROW *row)
{
	return row->path && row->mode == COLUMN_NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool unix_same_name(const ROW *a, const ROW *b)
{
	if (a->path && b->path)
		return strcmp(a->path, b->path) == 0 && same_text(a->directory, b->directory) &&
		       same_text(a->moved, b->moved) && is_hidden(a) == is_hidden(b);
	return a->abstract.data && b->abstract.data && a->abstract.len == b->abstract.len &&
	       memcmp(a->abstract.data, b->abstract.data, a->abstract.len) == 0;
}

/* ---- saving ----------------------------------------------------------- */

void unix_name_of(struct image *img, const struct sockaddr_un *addr, socklen_t len, char **ret_path,
		  struct blob *ret_abstract)
{
	char path[LONGEST + 1] = "";
	size_t n;

	*ret_path = NULL;
	*ret_abstract = (struct blob){ 0 };
	if (len <= offsetof(struct sockaddr_un, sun_path))
		return;
	n = min(len - offsetof(struct sockaddr_un, sun_path), LONGEST);
	if (addr->sun_path[0] == 0) {
		*ret_abstract = image_blob(img, addr->sun_path + 1, n - 1);
		return;
	}
	memcpy(path, addr->sun_path, n);
	*ret_path = image_strdup(img, path);
}

static int refuse(struct save *s, const struct open_file *f, const char *advice, const char *why)
{
	char name[256];

	save_refuse(s, f->process, open_file_name(f, name), advice, "%s", why);
	return 0;
}

/* A relative path is kept with the directory that bind(2) was called in. */
static int save_relative(struct save *s, struct open_file *f, ROW *row, char *where)
{
	size_t len = strlen(where), tail = strlen(row->path);

	if (len <= tail || strcmp(where + len - tail, row->path) != 0 || where[len - tail - 1] != '/')
		return refuse(s, f, "bind it to an absolute path",
			      "it is bound to a relative path that has changed since");
	where[len - tail] = 0;
	row->directory = image_strdup(s->img, where);
	return 0;
}

/* Paths are restored from the root of a mount namespace. */
static bool has_own_root(const struct live_process *p)
{
	_cleanup_free_ char *root = NULL;

	return read_link_at(p->proc_fd, "root", &root) == 0 && strcmp(root, "/") != 0;
}

/* The file at the path: where it is and whose. Opened by SIOCUNIXFILE, so it is the right one wherever it is. */
static int save_socket_file(struct save *s, struct open_file *f, ROW *row, struct err *e)
{
	_cleanup_fd_ int fd = ioctl(f->own, SIOCUNIXFILE), root = -1;
	_cleanup_free_ char *where = NULL;
	struct stat st;
	char link[32];
	int r;

	root = openat(f->process->proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || root < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "ioctl(SIOCUNIXFILE)");
	if (st.st_nlink == 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	r = read_link_at(AT_FDCWD, link, &where);
	if (r < 0)
		return err_ret(e, r, "find the path of a socket");
	row->uid = st.st_uid;
	row->gid = st.st_gid;
	row->mode = st.st_mode & 07777;
	if (row->path[0] != '/')
		return save_relative(s, f, row, where);
	if (has_own_root(f->process))
		return refuse(s, f, "bind it without chroot(2)", "it is bound to a path, and its task has another root directory");
	if (path_leads_to(root, row->path, &st))
		return 0;
	if (strlen(where) >= LONGEST || !path_leads_to(root, where, &st))
		return refuse(s, f, "leave the socket's file where it was bound",
			      "the file that it is bound to can't be reached by a path any more");
	row->moved = image_strdup(s->img, where);
	return 0;
}

int unix_name_save(struct save *s, struct open_file *f, ROW *row, struct err *e)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	row->mode = row->uid = row->gid = COLUMN_NULL;
	if (getsockname(f->own, (struct sockaddr *)&addr, &len) < 0)
		return err_sys(e, "getsockname");
	unix_name_of(s->img, &addr, len, &row->path, &row->abstract);
	return row->path ? save_socket_file(s, f, row, e) : 0;
}

/* ---- places ----------------------------------------------------------- */

bool unix_name_ok(const ROW *row)
{
	if (row->path && (row->abstract.data || !*row->path || strlen(row->path) > LONGEST))
		return false;
	if (row->directory && (!row->path || *row->path == '/' || *row->directory != '/'))
		return false;
	if (row->path && *row->path != '/' && row->mode != COLUMN_NULL && !row->directory)
		return false;
	if (row->moved && (!row->path || *row->moved != '/' || row->directory))
		return false;
	return row->mode == COLUMN_NULL || (row->path && row->uid != COLUMN_NULL && row->gid != COLUMN_NULL);
}

/* Where cpt was, while it is where the path of a socket starts from. */
struct place {
	int root, cwd;
};

/* A tmpfs that is mounted nowhere, with a root directory for each socket whose file is gone. */
static int hidden_root(struct restore *r, const ROW *row, int *ret, struct err *e)
{
	int fs = restore_keyed(r, "unix_name", 0);
	char name[24];

	if (fs < 0) {
		_cleanup_fd_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

		if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
		    (fs = fsmount(context, FSMOUNT_CLOEXEC, 0)) < 0)
			return err_sys(e, "make a tmpfs for sockets whose files are gone");
		restore_set_keyed(r, "unix_name", 0, fs);
	}
	snprintf(name, sizeof(name), "%ld", row->file);
	if (mkdirat(fs, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make a directory in a tmpfs");
	*ret = openat(fs, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open a directory in a tmpfs") : 0;
}

static int place_leave(struct place *p, struct err *e)
{
	int r = 0;

	if (p->root >= 0 && (fchdir(p->root) < 0 || chroot(".") < 0))
		r = err_sys(e, "go back to the root directory from that of a socket");
	if (p->cwd >= 0 && fchdir(p->cwd) < 0)
		r = err_sys(e, "go back from a socket's directory");
	close_fd(&p->root);
	close_fd(&p->cwd);
	return r;
}

static int place_enter(struct restore *r, const ROW *row, struct place *p, struct err *e)
{
	_cleanup_fd_ int root = -1;

	*p = (struct place){ -1, -1 };
	if (!is_hidden(row) && !row->directory)
		return 0;
	if (is_hidden(row) && hidden_root(r, row, &root, e) < 0)
		return e->code;
	p->cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->cwd < 0)
		return err_sys(e, "open the working directory");
	if (root < 0 && chdir(row->directory) < 0) {
		err_sys(e, "go to %s, which the socket's path %s starts from", row->directory, row->path);
		close_fd(&p->cwd);
		return e->code;
	}
	if (root < 0)
		return 0;
	p->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (p->root >= 0 && fchdir(root) == 0 && chroot(".") == 0)
		return 0;
	err_sys(e, "enter the directory of a socket whose file is gone");
	place_leave(p, &ERR_INIT);
	return e->code;
}

/* Where its file is (@now), or the path that it was bound to. */
static socklen_t address_of(const ROW *row, bool now, struct sockaddr_un *addr)
{
	const char *path = now && row->moved ? row->moved : row->path;
	size_t len = path ? strlen(path) : row->abstract.len;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (path) {
		memcpy(addr->sun_path, path, min(len, LONGEST));
		return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + min(len + 1, LONGEST));
	}
	memcpy(addr->sun_path + 1, row->abstract.data, min(len, LONGEST - 1));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + min(len, LONGEST - 1));
}

/* ---- binding ---------------------------------------------------------- */

/* A socket file that nobody listens at any more is what the killed container left: remove it. */
static int remove_leftover(const ROW *row, const char *path, bool now, struct err *e)
{
	_cleanup_fd_ int probe = -1;
	struct sockaddr_un addr;
	socklen_t len = address_of(row, now, &addr);
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "find %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, -EEXIST, "%s is there and is no socket", path);
	probe = socket(AF_UNIX, (int)row->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return err_sys(e, "socket");
	if (connect(probe, (struct sockaddr *)&addr, len) == 0 || errno != ECONNREFUSED) {
		err_set(e, -EADDRINUSE, "the socket %s is in use by another process", path);
		return err_advise(e, "end who uses it (`ss -xlp`), perhaps the container that the snapshot is of");
	}
	return unlink(path) < 0 ? err_sys(e, "remove the left-over socket %s", path) : 0;
}

/* The directories of a path in a file system that is empty. */
static int make_directories(const char *path, struct err *e)
{
	_cleanup_free_ char *part = xstrdup(path);

	for (char *slash = part + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = 0;
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_sys(e, "make %s in a tmpfs", part);
	}
	return 0;
}

static int settle_file(const ROW *row, struct err *e)
{
	if (chmod(row->path, (mode_t)row->mode) < 0 || lchown(row->path, (uid_t)row->uid, (gid_t)row->gid) < 0)
		return err_sys(e, "give %s to user %ld", row->path, row->uid);
	if (row->moved && (remove_leftover(row, row->moved, true, e) < 0 ||
			   (rename(row->path, row->moved) < 0 && err_sys(e, "move %s to %s", row->path, row->moved) < 0)))
		return e->code;
	return 0;
}

/* In a file system where the host's root has no name, its directory's owner makes the file. */
static int bind_as_owner(const char *path, int fd, const struct sockaddr_un *addr, socklen_t len)
{
	_cleanup_free_ char *copy = xstrdup(path);
	char *slash = strrchr(copy, '/');
	_cleanup_fd_ int dir = -1;
	struct fs_user was;
	int r;

	if (slash)
		slash[slash == copy] = 0;
	dir = open(slash ? copy : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = fs_user_become(&was, dir, &ERR_INIT);
	if (r == 0 && bind(fd, (const struct sockaddr *)addr, len) < 0)
		r = -errno;
	fs_user_return(&was);
	return r;
}

static int bind_somehow(const ROW *row, int fd, const struct sockaddr_un *addr, socklen_t len)
{
	if (bind(fd, (const struct sockaddr *)addr, len) == 0)
		return 0;
	return errno == EOVERFLOW && row->path ? bind_as_owner(row->path, fd, addr, len) : -errno;
}

static int bind_here(const ROW *row, int fd, struct err *e)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(row, false, &addr);
	int r;

	if (row->path && (is_hidden(row) ? make_directories(row->path, e) : remove_leftover(row, row->path, false, e)) < 0)
		return e->code;
	r = bind_somehow(row, fd, &addr, len);
	if (r < 0) {
		err_ret(e, r, "bind to the %s name %.*s", row->path ? "socket" : "abstract",
			(int)(LONGEST - 1), row->path ?: (const char *)addr.sun_path + 1);
		return err_advise(e, "`ss -xlp` shows who has it; a clone beside its original needs its own names");
	}
	return row->path && !is_hidden(row) ? settle_file(row, e) : 0;
}

int unix_name_bind(struct restore *r, const ROW *row, int fd, struct err *e)
{
	struct place p;
	int ret, left;

	if (!unix_is_named(row))
		return 0;
	ret = place_enter(r, row, &p, e);
	if (ret < 0)
		return ret;
	ret = bind_here(row, fd, e);
	left = place_leave(&p, ret < 0 ? &ERR_INIT : e);
	return ret ?: left;
}

int unix_name_hide(struct restore *r, const ROW *row, struct err *e)
{
	struct place p;
	int ret, left;

	if (!is_hidden(row))
		return 0;
	ret = place_enter(r, row, &p, e);
	if (ret < 0)
		return ret;
	/* One that was accepted shares the file of the socket that listens. */
	ret = unlink(row->path) < 0 && errno != ENOENT ? err_sys(e, "remove %s from a tmpfs", row->path) : 0;
	left = place_leave(&p, ret < 0 ? &ERR_INIT : e);
	return ret ?: left;
}

/* ---- reaching --------------------------------------------------------- */

static const char *text_of(const ROW *row)
{
	return row->path ?: "an abstract name";
}

int unix_name_connect(struct restore *r, const ROW *row, int fd, struct err *e)
{
	struct sockaddr_un addr;
	socklen_t len = address_of(row, true, &addr);
	struct place p;
	int ret = place_enter(r, row, &p, e), left;

	if (ret < 0)
		return ret;
	if (connect(fd, (struct sockaddr *)&addr, len) < 0)
		ret = err_sys(e, "connect to %s", text_of(row));
	left = place_leave(&p, ret < 0 ? &ERR_INIT : e);
	return ret ?: left;
}

ssize_t unix_name_send(struct restore *r, const ROW *row, int fd, struct msghdr *msg, struct err *e)
{
	struct sockaddr_un addr;
	struct place p;
	ssize_t n;
	int ret = place_enter(r, row, &p, e);

	if (ret < 0)
		return ret;
	msg->msg_name = &addr;
	msg->msg_namelen = address_of(row, true, &addr);
	n = sendmsg(fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		n = err_sys(e, "send to %s", text_of(row));
	ret = place_leave(&p, n < 0 ? &ERR_INIT : e);
	return ret < 0 ? ret : n;
}
