// SPDX-License-Identifier: GPL-2.0-only
/* Where mounts are made, see mount_stage.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include "state/mount_stage.h"
#include "state/namespace.h"

/* ---- the host's mounts --------------------------------------------------- */

int stage_open_below(int dir, const char *path, uint64_t xdev)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | xdev,
	};

	return *path ? (int)syscall(SYS_openat2, dir, path, &how, sizeof(how)) : fcntl(dir, F_DUPFD_CLOEXEC, 3);
}

static bool is_mount(int fd, int64_t id)
{
	struct statx stx;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_TYPE, &stx) == 0 && (int64_t)stx.stx_mnt_id == id;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/*
 * Mounts on top of each other at one point, of which @bottom is the lowest: the
 * path leads to the topmost one, and to the next when that was moved away.
 */
static void reach_stack(struct stage *s, size_t bottom, int parent, const char *path)
{
	const struct mounts *m = &s->mounts;
	size_t top = bottom, next, nr = 0;

	while ((next = mounts_covering(m, top)) < m->nr && nr++ < m->nr)
		top = next;
	for (;;) {
		_cleanup_fd_ int fd = stage_open_below(parent, path, 0);

		if (fd < 0 || !is_mount(fd, m->list[top].id))
			return;
		s->fds[top] = take_fd(&fd);
		if (top == bottom || stage_put(s, s->fds[top], &ERR_INIT) < 0)
			return;
		top = mounts_by_id(m, m->list[top].parent);
	}
}

/* Each from the mount it is on, until there is nothing new. */
static void reach_all(struct stage *s)
{
	const struct mounts *m = &s->mounts;
	_cleanup_free_ bool *tried = xcalloc(m->nr + 1, sizeof(*tried));
	bool again = true;

	while (again) {
		again = false;
		for (size_t i = 0; i < m->nr; i++) {
			size_t parent = mounts_by_id(m, m->list[i].parent);
			const char *path = parent < m->nr ? path_below(m->list[i].point, m->list[parent].point) : NULL;

			if (tried[i] || !path || !*path || s->fds[parent] < 0)
				continue;
			tried[i] = again = true;
			reach_stack(s, i, s->fds[parent], path);
		}
	}
}

static int area_make(struct stage *s, struct err *e)
{
	_cleanup_fd_ int context = fsopen("tmpfs", FSOPEN_CLOEXEC);

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
	    (s->area = fsmount(context, FSMOUNT_CLOEXEC, 0)) < 0 ||
	    move_mount(s->area, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "make a tmpfs to mount things in");
	return 0;
}

static int stage_set_up(struct stage *s, struct err *e)
{
	_cleanup_fd_ int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	/* What is made of them can be slaves of the host's then, too. */
	if (self < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_sys(e, "make the mounts slaves of the host's");
	s->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = s->root < 0 ? -errno : mounts_read(self, &s->mounts);
	if (r < 0)
		return err_ret(e, r, "read /proc/self/mountinfo");
	s->fds = xcalloc(s->mounts.nr + 1, sizeof(*s->fds));
	for (size_t i = 0; i < s->mounts.nr; i++) {
		s->fds[i] = -1;
		/* The root: what it is mounted on is not seen from here. */
		if (mounts_by_id(&s->mounts, s->mounts.list[i].parent) == s->mounts.nr)
			s->fds[i] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	r = area_make(s, e);
	if (r == 0)
		reach_all(s);
	return r;
}

int stage_enter(struct stage *s, struct err *e)
{
	*s = (struct stage){ .back = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), .ns = -1, .root = -1, .area = -1 };
	if (s->back < 0)
		return err_sys(e, "open cpt's own mount namespace");
	if (namespace_make("mnt", NULL, -1, -1, &s->ns, e) < 0 || (setns(s->ns, CLONE_NEWNS) < 0 && err_sys(e, "enter a mount namespace") < 0)) {
		close_fd(&s->back);
		close_fd(&s->ns);
		return e->code;
	}
	if (stage_set_up(s, e) < 0)
		stage_leave(s, &ERR_INIT);
	return e->code;
}

int stage_leave(struct stage *s, struct err *e)
{
	int r = namespace_leave(&s->back, "mnt", e);

	for (size_t i = 0; s->fds && i < s->mounts.nr; i++)
		close_fd(&s->fds[i]);
	free(s->fds);
	mounts_clear(&s->mounts);
	close_fd(&s->area);
	close_fd(&s->root);
	close_fd(&s->ns);
	return r;
}

/* ---- mounts that are nowhere ----------------------------------------------- */

int stage_put(struct stage *s, int fd, struct err *e)
{
	_cleanup_fd_ int at = -1;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%u", s->nr_used++);
	r = is_directory(fd) ? mkdirat(s->area, name, 0700) : mknodat(s->area, name, S_IFREG | 0600, 0);
	at = r < 0 ? -1 : openat(s->area, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0)
		return err_sys(e, "make a mount point in a tmpfs");
	if (move_mount(fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "mount it in a tmpfs");
	return 0;
}

int stage_clone(int fd, const char *path, struct err *e)
{
	_cleanup_fd_ int from = stage_open_below(fd, path, RESOLVE_NO_XDEV);
	int made;

	if (from < 0)
		return err_sys(e, "find /%s in its file system", path);
	made = open_tree(from, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	return made < 0 ? err_sys(e, "open_tree") : made;
}

/* The one that shows least, in which it is nonetheless: most likely the one that it was found in. */
static size_t host_find(const struct stage *s, const struct mount_row *row)
{
	const struct mounts *m = &s->mounts;
	size_t best = m->nr;

	for (size_t i = 0; i < m->nr; i++)
		if (s->fds[i] >= 0 && strcmp(m->list[i].point, row->host_point) == 0 &&
		    strcmp(m->list[i].type, row->type) == 0 && path_below(row->root, m->list[i].root) &&
		    (best == m->nr || strlen(m->list[i].root) >= strlen(m->list[best].root)))
			best = i;
	return best;
}

int stage_clone_host(struct stage *s, const struct mount_row *row, struct err *e)
{
	size_t i = host_find(s, row);
	_cleanup_fd_ int whole = -1;
	const char *path;

	if (i == s->mounts.nr) {
		err_set(e, -ENOENT, "this host has no mount of %s at %s with %s in it, which the snapshot needs", row->type,
			row->host_point, row->root);
		return err_advise(e, "mount it, then restore again");
	}
	path = path_below(row->root, s->mounts.list[i].root);
	if (!*path)
		return stage_clone(s->fds[i], path, e);
	/* Something may be mounted on the way to it on the host, but not on a copy. */
	whole = stage_clone(s->fds[i], "", e);
	if (whole < 0 || stage_put(s, whole, e) < 0)
		return e->code;
	return stage_clone(whole, path, e);
}

int stage_inside(struct stage *s, int user_ns, int *ret, struct err *e)
{
	return namespace_make("mnt", NULL, user_ns, s->ns, ret, e);
}

/* Where stage_put() has put it, on the root of the stage and of every copy of that. */
int stage_clone_inside(struct stage *s, int inside, unsigned int name, struct err *e)
{
	_cleanup_fd_ int at = -1;
	char path[16];
	int made = -1;

	if (setns(inside, CLONE_NEWNS) < 0)
		return err_sys(e, "enter a copy of the mounts");
	snprintf(path, sizeof(path), "/%u", name);
	at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (at >= 0)
		made = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (made < 0)
		err_sys(e, "open_tree in a copy of the mounts");
	/* That leads to what is on the root, but cpt needs what is below it. */
	if (setns(s->ns, CLONE_NEWNS) < 0 || fchdir(s->root) < 0 || chroot(".") < 0) {
		close_fd(&made);
		*e = ERR_INIT;
		return err_sys(e, "leave a copy of the mounts");
	}
	return made < 0 ? e->code : made;
}

int stage_clone_proc(struct stage *s)
{
	for (size_t i = 0; i < s->mounts.nr; i++)
		if (s->fds[i] >= 0 && strcmp(s->mounts.list[i].type, "proc") == 0 &&
		    strcmp(s->mounts.list[i].root, "/") == 0)
			return stage_clone(s->fds[i], "", &ERR_INIT);
	return -1;
}
