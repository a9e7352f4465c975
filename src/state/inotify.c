// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inotify instances (inotify(7)): tables `inotify` and `inotify_watch`.
 *
 * A watch is of an inode, whatever it is called. A path is found by its file
 * handle and made sure of by a watch of cpt's own, of which the kernel must
 * tell the same. Events that wait can't be read without taking them out.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include "state/inotify.h"
#include "state/mount.h"
#include "state/namespace.h"

#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD _IOW('I', 0, int32_t)	/* include/uapi/linux/inotify.h; CONFIG_CHECKPOINT_RESTORE */
#endif

struct inotify_row {
	int64_t file;
	int64_t watches;	/* how many rows of inotify_watch it has */
};

struct inotify_watch_row {
	int64_t inotify;	/* file number of the instance */
	int64_t wd;
	int64_t mask;
	char *path;
};

static const struct column inotify_columns[] = {
	INT_COLUMN(struct inotify_row, file, 0, INT32_MAX),
	INT_COLUMN(struct inotify_row, watches, 0, INT32_MAX),
};
static const struct table inotify_table = TABLE("inotify", struct inotify_row, inotify_columns);

static const struct column inotify_watch_columns[] = {
	INT_COLUMN(struct inotify_watch_row, inotify, 0, INT32_MAX),
	INT_COLUMN(struct inotify_watch_row, wd, 1, INT32_MAX),
	INT_COLUMN(struct inotify_watch_row, mask, 0, UINT32_MAX),
	TEXT_COLUMN(struct inotify_watch_row, path, 4095),
};
static const struct table inotify_watch_table =
	TABLE("inotify_watch", struct inotify_watch_row, inotify_watch_columns);

static bool inotify_match(const struct open_file *f)
{
	return strcmp(f->link, "anon_inode:inotify") == 0;
}

/* ---- fdinfo ----------------------------------------------------------- */

static bool parse_handle(const char *hex, struct inotify_watch *w)
{
	if (w->handle_bytes > INOTIFY_HANDLE_LONGEST)
		return false;
	for (unsigned int i = 0; i < w->handle_bytes; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		w->handle[i] = (unsigned char)byte;
	}
	return true;
}

bool inotify_parse_watch(const char *line, struct inotify_watch *ret)
{
	unsigned int wd, dev, type;
	int at = 0;

	*ret = (struct inotify_watch){ 0 };
	if (sscanf(line, "inotify wd:%x ino:%lx sdev:%x mask:%x ignored_mask:%*x %n", &wd, &ret->ino, &dev, &ret->mask,
		   &at) < 4 || !at)
		return false;
	ret->wd = wd;
	ret->dev = makedev(dev >> 20, dev & 0xfffff);	/* MKDEV() of the kernel has 20 bits for the minor */
	line += at;
	if (!*line || *line == '\n' || strncmp(line, "inotify", 7) == 0)
		return true;
	at = 0;
	if (sscanf(line, "fhandle-bytes:%x fhandle-type:%x f_handle:%n", &ret->handle_bytes, &type, &at) < 2 || !at)
		return false;
	ret->handle_type = (int)type;
	return parse_handle(line + at, ret);
}

bool inotify_same_file(const struct inotify_watch *a, const struct inotify_watch *b)
{
	return a->ino == b->ino && a->dev == b->dev && a->handle_type == b->handle_type &&
	       a->handle_bytes == b->handle_bytes && memcmp(a->handle, b->handle, a->handle_bytes) == 0;
}

/* ---- finding a path --------------------------------------------------- */

/* What the kernel tells of a watch of the file behind @fd. */
static bool watch_of(int fd, struct inotify_watch *ret)
{
	_cleanup_fd_ int own = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	char path[48];
	const char *line;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (own < 0 || inotify_add_watch(own, path, IN_DELETE_SELF) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", own);
	if (read_file_at(-1, path, &text, NULL) < 0)
		return false;
	line = strstr(text, "inotify wd:");
	return line && inotify_parse_watch(line, ret);
}

/* Does @path, seen from the root directory @root, lead to what @w watches? Opened with O_PATH, no watch sees it. */
static bool path_leads_to(int root, const char *path, const struct inotify_watch *w)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	_cleanup_fd_ int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	struct inotify_watch there;

	return fd >= 0 && watch_of(fd, &there) && inotify_same_file(&there, w);
}

/*
 * Open the file by its handle, on the file system that directory @fd is on. The handle is looked up
 * from the working directory: with a descriptor it would have to be one that was opened in earnest,
 * which watches of that directory would see.
 */
static int open_handle(int fd, const struct inotify_watch *w)
{
	_cleanup_fd_ int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + INOTIFY_HANDLE_LONGEST];
	} u = { .handle = { .handle_bytes = w->handle_bytes, .handle_type = w->handle_type } };
	int opened;

	memcpy(u.handle.f_handle, w->handle, w->handle_bytes);
	if (back < 0 || fchdir(fd) < 0)
		return -1;
	opened = open_by_handle_at(AT_FDCWD, &u.handle, O_PATH | O_CLOEXEC);
	if (fchdir(back) < 0)
		close_fd(&opened);
	return opened;
}

static bool path_on_mount(int root, const char *point, const struct inotify_watch *w, char *path, size_t size)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	_cleanup_fd_ int mount = (int)syscall(SYS_openat2, root, point, &how, sizeof(how)), file = -1;
	_cleanup_free_ char *to = NULL;
	char link[32];

	if (mount < 0)
		return false;
	file = open_handle(mount, w);
	if (file < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
	if (read_link_at(-1, link, &to) < 0 || *to != '/')
		return false;
	snprintf(path, size, "%s", to);
	return path_leads_to(root, path, w);
}

/* Try each mount of the file system that @mountinfo, whose paths begin at @root, has. */
static bool path_find(int root, const char *mountinfo, const struct inotify_watch *w, char *path, size_t size)
{
	bool found = false;

	for (const char *line = mountinfo, *end; !found && *line; line = end + (*end == '\n')) {
		struct mount_info m;
		unsigned int maj, min;

		end = strchrnul(line, '\n');
		if (sscanf(line, "%*d %*d %u:%u", &maj, &min) != 2 || makedev(maj, min) != w->dev ||
		    !mount_info_parse(line, (size_t)(end - line), &m))
			continue;
		found = path_on_mount(root, m.point, w, path, size);
		mount_info_clear(&m);
	}
	return found;
}

/* ---- saving ----------------------------------------------------------- */

struct places {
	int root;
	char *mountinfo;
};

static int watch_save(struct save *s, struct open_file *f, const struct places *p, const struct inotify_watch *w)
{
	struct inotify_watch_row *row;
	char path[PATH_MAX], name[256];

	if (!w->handle_bytes || !path_find(p->root, p->mountinfo, w, path, sizeof(path))) {
		if (s->frozen || w->handle_bytes)
			save_refuse(s, f->process, open_file_name(f, name), "inotify_rm_watch, or close it",
				    "cpt can't find out the path of what its watch %ld is for (inode %ju on device %u:%u)",
				    w->wd, (uintmax_t)w->ino, major(w->dev), minor(w->dev));
		return 0;
	}
	row = image_add(s->img, &inotify_watch_table);
	*row = (struct inotify_watch_row){ f->id, w->wd, w->mask, image_strdup(s->img, path) };
	return 1;
}

static int watches_save(struct save *s, struct open_file *f, const struct places *p, struct err *e)
{
	struct inotify_row row = { .file = f->id };

	for (const char *line = strstr(f->fdinfo, "inotify wd:"); line; line = strstr(line + 1, "inotify wd:")) {
		struct inotify_watch w;

		if (!inotify_parse_watch(line, &w))
			return err_set(e, -EBADMSG, "fdinfo has the unknown line '%.*s'", (int)strcspn(line, "\n"), line);
		row.watches += watch_save(s, f, p, &w);
	}
	*(struct inotify_row *)image_add(s->img, &inotify_table) = row;
	return 0;
}

static int refuse_events(struct save *s, struct open_file *f, struct err *e)
{
	int waiting;
	char name[256];

	if (ioctl(f->own, FIONREAD, &waiting) < 0)
		return err_sys(e, "ioctl(FIONREAD)");
	if (waiting && s->frozen)	/* in a running container they come and go */
		save_refuse(s, f->process, open_file_name(f, name), "let them be read first, then take the snapshot again",
			    "%d bytes of events wait in it, which cpt can't read without taking them away", waiting);
	return 0;
}

static int inotify_save(struct save *s, struct open_file *f, struct err *e)
{
	struct places p = { .root = openat(f->process->proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC) };
	int64_t ns;
	int r;

	if (p.root < 0)
		return err_sys(e, "open the root directory of task %d", f->process->pid);
	r = namespace_of(s, f->process, "mnt", &ns, e);
	file_row_of(s, f)->mount_ns = ns;
	if (r == 0) {
		r = read_file_at(f->process->proc_fd, "mountinfo", &p.mountinfo, NULL);
		if (r < 0)
			err_ret(e, r, "read /proc/%d/mountinfo", f->process->pid);
	}
	if (r == 0)
		r = watches_save(s, f, &p, e) ?: refuse_events(s, f, e);
	close_fd(&p.root);
	free(p.mountinfo);
	return r;
}

/* ---- restoring -------------------------------------------------------- */

static int inotify_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct inotify_row *row = image_find(r->img, &inotify_table, offsetof(struct inotify_row, file), f->file);
	const struct inotify_watch_row *w;
	int64_t nr = 0;

	if (!row)
		return err_set(e, -EBADMSG, "it is not in table inotify");
	image_for_each(w, r->img, &inotify_watch_table) {
		if (w->inotify != f->file)
			continue;
		nr++;
		if (*w->path != '/')
			return err_set(e, -EBADMSG, "watch %ld has the path '%s', which is not absolute", w->wd, w->path);
	}
	return nr == row->watches ? 0 : err_set(e, -EBADMSG, "it has %ld watches instead of %ld", nr, row->watches);
}

static void inotify_needs(const struct restore *r, const struct file_row *f, needed_path_fn *fn, void *arg)
{
	const struct inotify_watch_row *w;

	image_for_each(w, r->img, &inotify_watch_table)
		if (w->inotify == f->file)
			fn(arg, &(struct needed_path){
				.mount_ns = f->mount_ns, .path = w->path, .mtime_ns = COLUMN_NULL, .file = f->file,
			});
}

static int inotify_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	(void)r;
	(void)f;
	*ret_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return *ret_fd < 0 ? err_sys(e, "inotify_init") : 0;
}

/* Once nothing is opened any more, which watches would see. They come in the order of their numbers. */
static int inotify_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	const struct inotify_watch_row *w;

	image_for_each(w, r->img, &inotify_watch_table) {
		int wd;

		if (w->inotify != f->file)
			continue;
		if (ioctl(fd, INOTIFY_IOC_SETNEXTWD, (long)w->wd) < 0)
			return err_sys(e, "ask for watch %ld", w->wd);
		wd = inotify_add_watch(fd, w->path, (uint32_t)w->mask | IN_DONT_FOLLOW);
		if (wd < 0) {
			err_sys(e, "watch %s", w->path);
			return err_advise(e, "put what was watched back at its path, then restore again");
		}
		if (wd != w->wd)
			return err_set(e, -EPROTO, "%s got watch %d instead of %ld: is it watched by another path as well?",
				       w->path, wd, w->wd);
	}
	return 0;
}

const struct file_kind inotify_kind = {
	.name = "inotify",
	.tables = (const struct table *const[]){ &inotify_table, &inotify_watch_table, NULL },
	.match = inotify_match,
	.save = inotify_save,
	.needs = inotify_needs,
	.check = inotify_check,
	.open = inotify_open,
	.connect = inotify_connect,
};
