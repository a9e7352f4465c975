// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files and directories of procfs that describe a process, /proc/<pid>/...:
 * opened anew when that process is there again, by the number it has then.
 * Others (/proc/meminfo) are ordinary files to open by their paths.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include "state/namespace.h"
#include "state/path.h"
#include "state/proc_file.h"
#include "state/process.h"

struct proc_file_row {
	int64_t file;
	char *mount;		/* where the procfs is mounted */
	int64_t pid_ns;		/* that it shows; COLUMN_NULL: the host's */
	int64_t process;	/* that the file is about */
	int64_t in_task;	/* 1: below task/ of the leading thread */
	char *name;		/* below that: "status", "net/tcp"; "": the directory itself */
	int64_t format;		/* S_IF* */
};

static const struct column proc_file_columns[] = {
	INT_COLUMN(struct proc_file_row, file, 0, INT32_MAX),
	TEXT_COLUMN(struct proc_file_row, mount, 4095),
	INT_COLUMN_OR_NULL(struct proc_file_row, pid_ns, 0, INT32_MAX),
	INT_COLUMN(struct proc_file_row, process, 1, INT32_MAX),
	INT_COLUMN(struct proc_file_row, in_task, 0, 1),
	TEXT_COLUMN(struct proc_file_row, name, 4095),
	INT_COLUMN(struct proc_file_row, format, S_IFIFO, S_IFSOCK),
};
static const struct table proc_file_table = TABLE("proc_file", struct proc_file_row, proc_file_columns);

/* ---- saving ------------------------------------------------------------ */

#define PROC_ROOT_INODE 1	/* PROC_ROOT_INO, include/linux/proc_ns.h */

static bool is_root_of(int root, const char *path, const struct open_file *f)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
	_cleanup_fd_ int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == PROC_ROOT_INODE && st.st_dev == f->st.st_dev;
}

int proc_file_mount(const struct open_file *f)
{
	_cleanup_fd_ int root = openat(f->process->proc_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *path = xstrdup(f->link);

	/* From the inside out: a process's directory is never the root of another. */
	for (char *slash = path + strlen(path); slash; slash = strrchr(path, '/')) {
		*slash = 0;
		if (slash > path && (is_root_of(root, path, f) || is_root_of(own_root, path, f)))
			return (int)(slash - path);
	}
	return -1;
}

static bool proc_file_match(const struct open_file *f)
{
	struct statfs fs;
	int mount;

	if (f->link[0] != '/' || fstatfs(f->own, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return false;
	mount = proc_file_mount(f);
	return mount >= 0 && f->link[mount] == '/' && isdigit(f->link[mount + 1]);
}

/* Which pid namespace that procfs shows: cpt's own if it is cpt's /proc, else that of its process 1. */
static int mount_pid_ns(struct save *s, const struct open_file *f, int mount, int64_t *ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("root%.*s/1/ns/pid", mount, f->link);
	_cleanup_fd_ int fd = -1;
	struct stat own;

	*ret = COLUMN_NULL;
	if (stat("/proc", &own) == 0 && own.st_dev == f->st.st_dev)
		return 0;
	fd = openat(f->process->proc_fd, path, O_RDONLY | O_CLOEXEC);
	/* One that came from outside, and is not mounted in there. */
	if (fd < 0)
		fd = open(path + strlen("root"), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "open %s", path + strlen("root")) : namespace_of_pid_fd(s, fd, ret, e);
}

static const struct namespace_row *ns_row(const struct image *img, int64_t ns)
{
	return image_find(img, &namespace_table, offsetof(struct namespace_row, namespace), ns);
}

static bool is_below(const struct image *img, int64_t ns, int64_t outer)
{
	while (ns != outer && ns != COLUMN_NULL) {
		const struct namespace_row *row = ns_row(img, ns);

		ns = row ? row->parent : COLUMN_NULL;
	}
	return ns == outer;
}

/* The process that has @number in pid namespace @pid_ns, or NULL. */
static struct live_process *process_numbered(struct save *s, int64_t pid_ns, int64_t number)
{
	const struct namespace_row *ns = pid_ns == COLUMN_NULL ? NULL : ns_row(s->img, pid_ns);

	if (!ns)
		return live_find(s->live, (pid_t)number);
	for (size_t i = 0; i < s->live->nr_processes; i++) {
		struct live_process *p = &s->live->processes[i];
		int64_t its;

		if (!p->zombie && pid_at(s->img, p->pid, ns->level) == number &&
		    namespace_of(s, p, "pid", &its, &ERR_INIT) == 0 && is_below(s->img, its, pid_ns))
			return p;
	}
	return NULL;
}

/* "12/task/12/stat": number, whether it goes through task/, and what is behind. False: of another thread. */
static bool path_split(const char *path, int64_t *ret_number, bool *ret_in_task, const char **ret_name)
{
	char *end, *behind;

	*ret_number = strtol(path, &end, 10);
	*ret_in_task = strncmp(end, "/task/", 6) == 0 && isdigit(end[6]);
	if (*ret_in_task && strtol(end + 6, &behind, 10) != *ret_number)
		return false;
	if (*ret_in_task)
		end = behind;
	*ret_name = *end == '/' ? end + 1 : end;
	return true;
}

static int proc_file_save(struct save *s, struct open_file *f, struct err *e)
{
	int mount = proc_file_mount(f), r;
	const struct live_process *about;
	struct proc_file_row *row;
	const char *name_in_proc;
	int64_t pid_ns, number;
	char name[256], *path;
	bool in_task;

	if (mount < 0)
		return err_set(e, -ENOENT, "%s is not below a procfs any more", f->link);
	open_file_name(f, name);
	if (!path_split(f->link + mount + 1, &number, &in_task, &name_in_proc)) {
		save_refuse(s, f->process, name, "close it; open it anew each time it is read",
			    "it describes a single thread of a process");
		return 0;
	}
	if (strncmp(name_in_proc, "fdinfo/", 7) == 0) {
		save_refuse(s, f->process, name, "close it; open it anew each time it is read",
			    "it describes a descriptor");
		return 0;
	}
	r = mount_pid_ns(s, f, mount, &pid_ns, e);
	if (r < 0)
		return r;
	about = process_numbered(s, pid_ns, number);
	if (!about) {
		save_refuse(s, f->process, name, "close it; open it anew each time it is read",
			    "it describes process %ld, which is not in the container or has ended", number);
		return 0;
	}
	r = path_save(s, f, &path, e);
	if (r <= 0)
		return r;
	row = image_add(s->img, &proc_file_table);
	*row = (struct proc_file_row){
		.file = f->id, .mount = image_strdup(s->img, path), .pid_ns = pid_ns, .process = about->pid,
		.in_task = in_task, .name = image_strdup(s->img, name_in_proc), .format = f->st.st_mode & S_IFMT,
	};
	row->mount[mount] = 0;
	return 0;
}

/* ---- restoring --------------------------------------------------------- */

static const struct proc_file_row *row_of(const struct restore *r, const struct file_row *f)
{
	return image_find(r->img, &proc_file_table, offsetof(struct proc_file_row, file), f->file);
}

static int proc_file_check(struct restore *r, const struct file_row *f, struct err *e)
{
	const struct proc_file_row *row = row_of(r, f);
	const struct namespace_row *ns;

	if (!row)
		return err_set(e, -EBADMSG, "it is not in table proc_file");
	if (!image_find(r->img, &process_table, offsetof(struct process_row, process), row->process))
		return err_set(e, -EBADMSG, "it is about process %ld, which is not in table process", row->process);
	if (row->pid_ns == COLUMN_NULL)
		return 0;
	ns = ns_row(r->img, row->pid_ns);
	if (!ns || strcmp(ns->type, "pid") != 0 || pid_at(r->img, row->process, ns->level) < 0)
		return err_set(e, -EBADMSG, "process %ld has no id in namespace %ld", row->process, row->pid_ns);
	return 0;
}

static int64_t number_now(struct restore *r, const struct proc_file_row *row)
{
	if (row->pid_ns == COLUMN_NULL)
		return restore_find(r, row->process)->pid;
	return pid_at(r->img, row->process, ns_row(r->img, row->pid_ns)->level);
}

static int proc_file_open(struct restore *r, const struct file_row *f, int *ret_fd, struct err *e)
{
	const struct proc_file_row *row = row_of(r, f);
	int64_t number = number_now(r, row);
	_cleanup_free_ char *task = row->in_task ? xasprintf("/task/%ld", number) : xstrdup("");
	_cleanup_free_ char *path = xasprintf("%s/%ld%s%s%s", row->mount, number, task, *row->name ? "/" : "", row->name);

	return path_open(f, path, (mode_t)row->format, ret_fd, e);
}

/* Late: what is behind the position is made then and kept until it is read (traverse(), fs/seq_file.c). */
static int proc_file_connect(struct restore *r, const struct file_row *f, int fd, struct err *e)
{
	if (f->pos && lseek(fd, f->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %ld in %s of process %ld", f->pos, row_of(r, f)->name, row_of(r, f)->process);
	return 0;
}

const struct file_kind proc_file_kind = {
	.name = "proc_file",
	.tables = (const struct table *const[]){ &proc_file_table, NULL },
	.late = true,
	.match = proc_file_match,
	.save = proc_file_save,
	.check = proc_file_check,
	.open = proc_file_open,
	.connect = proc_file_connect,
};
