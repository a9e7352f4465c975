// SPDX-License-Identifier: GPL-2.0-only
/* The tree of cgroups of a container, see cgroup.h. Settings are in cgroup_setting.c, namespaces in cgroup_ns.c. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include "host/cgroup.h"
#include "host/cgroup_tree.h"
#include "host/uapi.h"
#include "state/cgroup.h"
#include "state/process.h"
#include "state/shmem.h"

static const struct column cgroup_columns[] = {
	TEXT_COLUMN(struct cgroup_row, cgroup, 4095),
	TEXT_COLUMN(struct cgroup_row, type, 15),
	TEXT_COLUMN(struct cgroup_row, controllers, 255),
	INT_COLUMN(struct cgroup_row, frozen, 0, 1),
	INT_COLUMN(struct cgroup_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct cgroup_row, gid, 0, UINT32_MAX),
	INT_COLUMN(struct cgroup_row, mode, 0, 07777),
};
const struct table cgroup_table = TABLE("cgroup", struct cgroup_row, cgroup_columns);

struct cgroup_thread_row {
	int64_t thread;
	char *cgroup;		/* a threaded one below that of its process */
};

static const struct column cgroup_thread_columns[] = {
	INT_COLUMN(struct cgroup_thread_row, thread, 1, INT32_MAX),
	TEXT_COLUMN(struct cgroup_thread_row, cgroup, 4095),
};
static const struct table cgroup_thread_table = TABLE("cgroup_thread", struct cgroup_thread_row, cgroup_thread_columns);

const struct cgroup_row *cgroup_find(const struct image *img, const char *cgroup)
{
	const struct cgroup_row *row;

	image_for_each(row, img, &cgroup_table)
		if (strcmp(row->cgroup, cgroup) == 0)
			return row;
	return NULL;
}

/* ---- saving ----------------------------------------------------------- */

static void refuse(struct save *s, const char *path, const char *advice, const char *why)
{
	_cleanup_free_ char *object = xasprintf("cgroup %s%s%s", s->live->cgroup, *path ? "/" : "", path);

	save_refuse(s, NULL, object, advice, "%s", why);
}

/* Its pages would be on a volume that the snapshot does not have. */
static void refuse_own_volume(struct save *s, int dirfd, const char *path)
{
	_cleanup_free_ char *device = NULL;

	if (*path && cgroup_read(dirfd, CGROUP_SWAP_DEVICE_FILE, &device) == 0 && strcmp(device, "none") != 0)
		refuse(s, path, "`cpt unpin` it", "it is pinned to a swap volume of its own");
}

/* Of one that is gone again nothing is said: it is left out. */
static int save_one(int dirfd, const char *path, void *arg, struct err *e)
{
	_cleanup_free_ char *type = NULL, *controllers = NULL;
	struct save *s = arg;
	struct stat st;

	if (fstat(dirfd, &st) < 0 || cgroup_read(dirfd, "cgroup.type", &type) < 0 ||
	    cgroup_read(dirfd, "cgroup.subtree_control", &controllers) < 0)
		return s->frozen ? err_sys(e, "read what cgroup \"%s\" is like", path) : 0;
	refuse_own_volume(s, dirfd, path);
	*(struct cgroup_row *)image_add(s->img, &cgroup_table) = (struct cgroup_row){
		.cgroup = image_strdup(s->img, path), .type = image_strdup(s->img, type),
		.controllers = image_strdup(s->img, controllers), .frozen = live_was_frozen(s->live, dirfd),
		.uid = st.st_uid, .gid = st.st_gid, .mode = st.st_mode & 07777,
	};
	return cgroup_settings_save(s, dirfd, path, e);
}

static int cgroup_save(struct save *s, struct err *e)
{
	return cgroup_each(s->live->cgroup_fd, save_one, s, e);
}

/* Processes are listed in the domain, their threads may be in threaded cgroups below it. */
static int cgroup_save_thread(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	const struct cgroup_row *row = cgroup_find(s->img, p->cgroup);
	_cleanup_free_ char *cgroup = NULL;

	(void)e;
	if (p->zombie || !row || strcmp(row->type, "domain threaded") != 0)
		return 0;
	cgroup = live_cgroup_of(s->live, t->tid);
	if (cgroup && strcmp(cgroup, p->cgroup) != 0)
		*(struct cgroup_thread_row *)image_add(s->img, &cgroup_thread_table) =
			(struct cgroup_thread_row){ t->tid, image_strdup(s->img, cgroup) };
	return 0;
}

/* ---- check ------------------------------------------------------------ */

static bool type_is_known(const char *type)
{
	return strcmp(type, "domain") == 0 || strcmp(type, "domain threaded") == 0 ||
	       strcmp(type, "domain invalid") == 0 || strcmp(type, "threaded") == 0;
}

static bool parent_comes_first(const struct restore *r, const struct cgroup_row *row)
{
	const char *slash = strrchr(row->cgroup, '/');
	_cleanup_free_ char *parent = strndup(row->cgroup, slash ? (size_t)(slash - row->cgroup) : 0);
	const struct cgroup_row *found = cgroup_find(r->img, parent);

	return !*row->cgroup || (found && found < row);
}

static int check_row(const struct restore *r, const struct cgroup_row *row, struct err *e)
{
	if (!cgroup_path_is_below(row->cgroup))
		return err_set(e, -EBADMSG, "table cgroup: \"%s\" is no path below the container's cgroup", row->cgroup);
	if (!parent_comes_first(r, row))
		return err_set(e, -EBADMSG, "table cgroup: cgroup \"%s\" has no parent", row->cgroup);
	if (!type_is_known(row->type) || (!*row->cgroup && strcmp(row->type, "threaded") == 0))
		return err_set(e, -EBADMSG, "table cgroup: cgroup \"%s\" has the type \"%s\"", row->cgroup, row->type);
	if (strspn(row->controllers, "abcdefghijklmnopqrstuvwxyz0123456789_ ") != strlen(row->controllers))
		return err_set(e, -EBADMSG, "table cgroup: cgroup \"%s\" has the controllers \"%s\"", row->cgroup,
			       row->controllers);
	return 0;
}

static int check_members(const struct restore *r, struct err *e)
{
	const struct cgroup_thread_row *thread;
	const struct process_row *process;
	const struct shmem_row *shmem;

	image_for_each(process, r->img, &process_table)
		if (!cgroup_find(r->img, process->cgroup))
			return err_set(e, -EBADMSG, "process %ld is in cgroup \"%s\", which is not in table cgroup",
				       process->process, process->cgroup);
	image_for_each(thread, r->img, &cgroup_thread_table)
		if (!cgroup_find(r->img, thread->cgroup) ||
		    !image_find(r->img, &thread_table, offsetof(struct thread_row, thread), thread->thread))
			return err_set(e, -EBADMSG, "table cgroup_thread: thread %ld in cgroup \"%s\": there is no such",
				       thread->thread, thread->cgroup);
	image_for_each(shmem, r->img, &shmem_table)
		if (!cgroup_find(r->img, shmem->cgroup))
			return err_set(e, -EBADMSG, "shared memory object %ld is of cgroup \"%s\", which is not in table cgroup",
				       shmem->shmem, shmem->cgroup);
	return 0;
}

static int cgroup_check(struct restore *r, struct err *e)
{
	const struct cgroup_row *row;
	int ret = 0;

	if (!cgroup_find(r->img, ""))
		return err_set(e, -EBADMSG, "table cgroup has no row for the container's own");
	image_for_each(row, r->img, &cgroup_table)
		ret = ret ?: check_row(r, row, e);
	return ret ?: check_members(r, e) ?: cgroup_settings_check(r, e) ?: cgroup_ns_check(r, e);
}

/* ---- restoring -------------------------------------------------------- */

static int make_directories(struct restore *r, struct err *e)
{
	const struct cgroup_row *row;
	int ret = cgroup_remove_children(r->cgroup, e) ?: cgroup_control(r->cgroup_fd, "", e);

	if (ret < 0)
		return ret;
	image_for_each(row, r->img, &cgroup_table)
		if (*row->cgroup && mkdirat(r->cgroup_fd, row->cgroup, 0755) < 0)
			return err_sys(e, "make cgroup %s/%s", r->cgroup, row->cgroup);
	return 0;
}

/* What it takes from the cgroups above that these controllers can be on here. */
static int provide(struct restore *r, struct err *e)
{
	_cleanup_free_ char *own = r->cgroup_made ? cgroup_settings_controllers(r->img) : xstrdup("");
	_cleanup_free_ char *all = xasprintf("%s %s", own, cgroup_find(r->img, "")->controllers);

	return strspn(all, " ") == strlen(all) ? 0 : cgroup_provide(r->cgroup, all, e);
}

/* In @row's directory; parents come first, so its files of controllers are there. */
static int set_up(struct restore *r, const struct cgroup_row *row, struct err *e)
{
	_cleanup_fd_ int fd = cgroup_open_below(r->cgroup_fd, row->cgroup, e);
	int ret = fd < 0 ? fd : 0;

	if (ret == 0 && *row->cgroup && strcmp(row->type, "threaded") == 0) {
		ret = write_file_at(fd, "cgroup.type", "threaded");
		if (ret < 0)
			err_ret(e, ret, "write \"threaded\" to cgroup.type");
	}
	ret = ret ?: cgroup_control(fd, row->controllers, e) ?: cgroup_settings_apply(r, row, fd, true, e);
	return ret < 0 ? err_in(e, "cgroup %s/%s", r->cgroup, row->cgroup) : 0;
}

static int cgroup_restore(struct restore *r, struct err *e)
{
	const struct cgroup_row *row;
	int ret = make_directories(r, e) ?: cgroup_ns_restore(r, e) ?: provide(r, e);

	image_for_each(row, r->img, &cgroup_table)
		ret = ret ?: set_up(r, row, e);
	return ret;
}

static int enter_namespace(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	size_t fd;

	(void)e;
	if (p->row->cgroup_ns == COLUMN_NULL)
		return 0;
	fd = batch_call(b, "pidfd_getfd: its cgroup namespace", SYS_pidfd_getfd, ARG(p->cpt_pidfd),
			ARG(r->ns_fds[p->row->cgroup_ns]), ARG(0));
	batch_call(b, "setns: enter its cgroup namespace", SYS_setns, ARG_OF(fd), ARG(CLONE_NEWCGROUP));
	batch_call(b, "close the cgroup namespace", SYS_close, ARG_OF(fd));
	return 0;
}

static const struct new_thread *thread_of(const struct restore *r, int64_t thread)
{
	for (size_t i = 0; i < r->nr_processes; i++)
		for (size_t j = 0; j < r->processes[i].nr_threads; j++)
			if (r->processes[i].threads[j].row->thread == thread)
				return &r->processes[i].threads[j];
	return NULL;
}

static int move_threads(struct restore *r, struct err *e)
{
	const struct cgroup_thread_row *row;

	image_for_each(row, r->img, &cgroup_thread_table) {
		_cleanup_fd_ int fd = cgroup_open_below(r->cgroup_fd, row->cgroup, e);
		const struct new_thread *t = thread_of(r, row->thread);
		char text[16];
		int ret;

		if (fd < 0)
			return fd;
		if (!t)
			return err_set(e, -EBADMSG, "table cgroup_thread: thread %ld has ended", row->thread);
		snprintf(text, sizeof(text), "%d", t->tid);
		ret = write_file_at(fd, "cgroup.threads", text);
		if (ret < 0)
			return err_ret(e, ret, "move thread %ld to cgroup %s/%s", row->thread, r->cgroup, row->cgroup);
	}
	return 0;
}

/* From the innermost, so that nobody needs a right that has been given away already. */
static int cgroup_finish(struct restore *r, struct err *e)
{
	size_t nr;
	const struct cgroup_row *rows = image_rows(r->img, &cgroup_table, &nr);
	int ret = move_threads(r, e);

	while (ret == 0 && nr-- > 0) {
		const struct cgroup_row *row = &rows[nr];
		_cleanup_fd_ int fd = -1;

		if (!*row->cgroup && !r->cgroup_made)
			continue;
		fd = cgroup_open_below(r->cgroup_fd, row->cgroup, e);
		ret = fd < 0 ? fd : cgroup_settings_apply(r, row, fd, false, e);
		if (ret == 0 && (fchown(fd, (uid_t)row->uid, (gid_t)row->gid) < 0 || fchmod(fd, (mode_t)row->mode) < 0))
			ret = err_sys(e, "set owner and mode");
		if (ret < 0)
			err_in(e, "cgroup %s/%s", r->cgroup, row->cgroup);
	}
	return ret;
}

int cgroups_freeze(struct restore *r, struct err *e)
{
	const struct cgroup_row *row;

	image_for_each(row, r->img, &cgroup_table) {
		bool frozen = *row->cgroup && row->frozen;
		_cleanup_fd_ int fd = frozen ? cgroup_open_below(r->cgroup_fd, row->cgroup, e) : -1;
		int ret = frozen ? fd < 0 ? fd : write_file_at(fd, "cgroup.freeze", "1") : 0;

		if (ret < 0)
			return err_ret(e, ret, "freeze cgroup %s/%s", r->cgroup, row->cgroup);
	}
	return 0;
}

const struct kind cgroup_kind = {
	.name = "cgroup",
	.tables = (const struct table *const[]){ &cgroup_table, &cgroup_setting_table, &cgroup_thread_table,
						 &cgroup_ns_table, NULL },
	.save_container = cgroup_save,
	.save_thread = cgroup_save_thread,
	.check = cgroup_check,
	.restore_container = cgroup_restore,
	.restore_place = enter_namespace,
	.finish = cgroup_finish,
};
