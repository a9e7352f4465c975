// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thin pools and volumes, see thin.h. Tables and messages are those of
 * Documentation/admin-guide/device-mapper/thin-provisioning.rst.
 *
 * What a message did is durable when it returns: pool_message() in
 * drivers/md/dm-thin.c commits the metadata, and before the superblock is
 * written metadata_pre_commit_callback() flushes the data device. It ignores
 * a failure of that commit but turns the pool read-only, see
 * thin_pool_check().
 */
#include <errno.h>
#include <fcntl.h>
#include <libdevmapper.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include "base/util.h"
#include "store/thin.h"

/* Nobody but cpt has business with its volumes: no probing, no links by uuid or label. */
#define UDEV_FLAGS (DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG | \
		    DM_UDEV_DISABLE_OTHER_RULES_FLAG)

struct dm_task;
typedef struct dm_task *task;

static void destroy_task(task *t)
{
	if (*t)
		dm_task_destroy(*t);
	*t = NULL;
}
#define _cleanup_task_ __attribute__((cleanup(destroy_task)))

/* ---- libdevmapper's conventions into ours --------------------------------- */

/* The library prints; the caller decides what the user sees. The kernel's reason is in the task. */
__attribute__((format(printf, 5, 6)))
static void no_log(int level, const char *file, int line, int dm_errno, const char *f, ...)
{
	(void)level, (void)file, (void)line, (void)dm_errno, (void)f;
}

static task new_task(int type, const char *name)
{
	task t;

	dm_log_with_errno_init(no_log);
	t = dm_task_create(type);
	if (t && name && !dm_task_set_name(t, name))
		destroy_task(&t);
	return t;
}

static int no_task(const char *what, const char *name, struct err *e)
{
	err_set(e, -ENODEV, "%s %s: device-mapper can't be used", what, name);
	return err_advise(e, "the kernel needs CONFIG_BLK_DEV_DM, and cpt needs root's rights over /dev/mapper/control");
}

static int run_task(task t, const char *what, const char *name, struct err *e)
{
	if (dm_task_run(t))
		return 0;
	return err_ret(e, -(dm_task_get_errno(t) ?: EIO), "%s %s", what, name);
}

/* Run a task that makes or removes a node, and wait until udev has done that; without udev the library does it. */
static int run_node_task(task t, const char *what, const char *name, struct err *e)
{
	uint32_t cookie = 0;
	int r;

	if (!dm_task_set_cookie(t, &cookie, UDEV_FLAGS))
		return err_set(e, -EIO, "%s %s: no semaphore to wait for udev", what, name);
	r = run_task(t, what, name, e);
	dm_udev_wait(cookie);
	dm_task_update_nodes();
	return r;
}

static int get_info(const char *name, struct dm_info *ret)
{
	_cleanup_task_ task t = new_task(DM_DEVICE_INFO, name);

	if (!t || !dm_task_run(t) || !dm_task_get_info(t, ret) || !ret->exists)
		return -ENODEV;
	return 0;
}

static int send_message(const char *pool, const char *message, struct err *e)
{
	_cleanup_task_ task t = new_task(DM_DEVICE_TARGET_MSG, pool);
	struct err why = ERR_INIT;

	if (!t || !dm_task_set_sector(t, 0) || !dm_task_set_message(t, message))
		return no_task("tell", pool, e);
	if (dm_task_run(t))
		return 0;
	err_ret(e, -(dm_task_get_errno(t) ?: EIO), "tell pool %s \"%s\"", pool, message);
	return thin_pool_check(pool, &why) < 0 ? err_advise(e, "%s: %s", why.msg, why.advice) : e->code;
}

static bool exists(const char *name)
{
	struct dm_info info;

	return get_info(name, &info) == 0;
}

static int remove_device(const char *name, struct err *e)
{
	_cleanup_task_ task t = new_task(DM_DEVICE_REMOVE, name);

	/* udev or a scanner may have it open for a moment. */
	if (!t || !dm_task_retry_remove(t))
		return no_task("deactivate", name, e);
	return run_node_task(t, "deactivate", name, e);
}

/*
 * Make an active device of one target. To the kernel that is three steps:
 * where cpt was killed between them there is a device without a table.
 */
static int create_device(const char *name, uint64_t sectors, const char *target, const char *params, struct err *e)
{
	_cleanup_task_ task t = new_task(DM_DEVICE_CREATE, name);
	_cleanup_free_ char *uuid = xasprintf("CPT-%s", name);
	_cleanup_free_ char *what = xasprintf("activate %s device", target);
	int r = exists(name) ? remove_device(name, e) : 0;

	if (r < 0)
		return r;
	if (!t || !dm_task_set_uuid(t, uuid) || !dm_task_add_target(t, 0, sectors, target, params) ||
	    !dm_task_set_add_node(t, DM_ADD_NODE_ON_CREATE))
		return no_task(what, name, e);
	return run_node_task(t, what, name, e);
}

/* Parameters that the kernel's status or table of a device's only target gives; caller frees. */
static int get_params(const char *name, int type, char **ret, uint64_t *ret_sectors, struct err *e)
{
	_cleanup_task_ task t = new_task(type, name);
	char *target, *params;
	uint64_t start;
	struct dm_info info;

	if (!t || !dm_task_no_flush(t))
		return no_task("status of", name, e);
	if (!dm_task_run(t) || !dm_task_get_info(t, &info) || !info.exists)
		return err_set(e, -ENODEV, "the device-mapper device %s is not active", name);
	dm_get_next_target(t, NULL, &start, ret_sectors, &target, &params);
	*ret = xstrdup(params ?: "");
	return 0;
}

/* ---- what the kernel has ------------------------------------------------------ */

int thin_probe(struct err *e)
{
	_cleanup_task_ task t = new_task(DM_DEVICE_LIST_VERSIONS, NULL);
	const struct dm_versions *v, *last = NULL;
	bool pool = false, thin = false;

	if (!t || !dm_task_run(t))
		return no_task("list targets of", "device-mapper", e);
	for (v = dm_task_get_versions(t); v != last; v = (const void *)((const char *)v + v->next)) {
		last = v;
		pool |= strcmp(v->name, "thin-pool") == 0;
		thin |= strcmp(v->name, "thin") == 0;
	}
	if (pool && thin)
		return 0;
	err_set(e, -ENODEV, "the kernel has no thin provisioning target in device-mapper");
	return err_advise(e, "`modprobe dm-thin-pool`, or a kernel with CONFIG_DM_THIN_PROVISIONING");
}

/* ---- pools --------------------------------------------------------------------- */

static int device_sectors(const char *path, uint64_t *ret, struct err *e)
{
	_cleanup_file_ FILE *f = fopen(path, "re");

	if (!f)
		return err_sys(e, "open %s", path);
	if (fseeko(f, 0, SEEK_END) < 0)
		return err_sys(e, "size of %s", path);
	*ret = (uint64_t)ftello(f) / 512;
	return 0;
}

int thin_pool_activate(const char *name, const char *metadata_dev, const char *data_dev, struct err *e)
{
	_cleanup_free_ char *params = xasprintf("%s %s %d %d 2 skip_block_zeroing error_if_no_space", metadata_dev, data_dev,
						THIN_BLOCK_SECTORS, 0);
	uint64_t sectors = 0;
	int r;

	if (thin_is_active(name))
		return 0;
	r = thin_probe(e) ?: device_sectors(data_dev, &sectors, e);
	if (r < 0)
		return r;
	sectors -= sectors % THIN_BLOCK_SECTORS;
	r = create_device(name, sectors, "thin-pool", params, e);
	if (r < 0)
		err_advise(e, "the kernel log says more; a damaged pool is examined by `thin_check %s`", metadata_dev);
	return r;
}

int thin_pool_deactivate(const char *name, struct err *e)
{
	return exists(name) ? remove_device(name, e) : 0;
}

int thin_pool_status(const char *name, struct thin_pool_status *ret, struct err *e)
{
	_cleanup_free_ char *params = NULL;
	struct dm_status_thin_pool *s;
	struct dm_pool *mem;
	uint64_t sectors;
	int r = get_params(name, DM_DEVICE_STATUS, &params, &sectors, e);

	if (r < 0)
		return r;
	mem = dm_pool_create("status", 1024);
	if (!mem || !dm_get_status_thin_pool(mem, params, &s)) {
		r = err_set(e, -EBADMSG, "the status \"%s\" of pool %s is not understood", params, name);
	} else {
		*ret = (struct thin_pool_status){
			.metadata_used = s->used_metadata_blocks, .metadata_total = s->total_metadata_blocks,
			.data_used = s->used_data_blocks, .data_total = s->total_data_blocks,
			.read_only = s->read_only, .out_of_data = s->out_of_data_space,
			.needs_check = s->needs_check, .failed = s->fail || s->error,
		};
	}
	if (mem)
		dm_pool_destroy(mem);
	return r;
}

int thin_pool_check(const char *name, struct err *e)
{
	struct thin_pool_status s;
	int r = thin_pool_status(name, &s, e);

	if (r < 0)
		return r;
	if (s.failed || s.needs_check || s.read_only) {
		err_set(e, -EIO, "the pool %s is %s", name,
			s.failed ? "failed: the kernel gives every access an error" : "read-only after an error of its metadata");
		return err_advise(e, "the kernel log says why; with the pool deactivated, thin_check(8) and thin_repair(8) help");
	}
	if (s.out_of_data) {
		err_set(e, -ENOSPC, "the pool %s is full", name);
		return err_advise(e, "`cpt rm` of snapshots that are not needed gives space back; `cpt list` shows what is used");
	}
	return 0;
}

/* ---- thin ids ------------------------------------------------------------------- */

int thin_create(const char *pool, uint32_t id, struct err *e)
{
	char message[32];

	snprintf(message, sizeof(message), "create_thin %u", id);
	return send_message(pool, message, e) ?: thin_pool_check(pool, e);
}

int thin_clone(const char *pool, uint32_t id, uint32_t origin, struct err *e)
{
	char message[48];

	snprintf(message, sizeof(message), "create_snap %u %u", id, origin);
	return send_message(pool, message, e) ?: thin_pool_check(pool, e);
}

int thin_delete(const char *pool, uint32_t id, struct err *e)
{
	char message[32];
	int r;

	snprintf(message, sizeof(message), "delete %u", id);
	r = send_message(pool, message, e);
	return r == -ENODATA || r == -ENOENT ? 0 : r;	/* dm_btree_lookup() found none */
}

/* ---- snapshots of an active thin --------------------------------------------------- */

struct thin_snapshot_job {
	task suspend, message, resume;
	pid_t guard;
	int guard_pipe;	/* closed by the death of cpt */
	char *origin_dev;
	uint32_t cookie;
	bool suspended;
	bool resumed;	/* so udev, or the library on failure, completes the cookie */
};

/* The device must not stay suspended: its container would hang. */
static int resume(struct thin_snapshot_job *job, struct err *e)
{
	job->resumed = true;
	job->suspended = false;
	for (int try = 0; try < 3; try++)
		if (dm_task_run(job->resume))
			return 0;
	err_ret(e, -(dm_task_get_errno(job->resume) ?: EIO), "resume %s", job->origin_dev);
	return err_advise(e, "the container waits for its swap volume: `dmsetup resume %s` lets it go on", job->origin_dev);
}

/*
 * A process that resumes the device when cpt dies while it is suspended: the
 * container would hang until the next command came. It is ready, with all its
 * memory locked, before the device is suspended.
 */
static void guard_main(task resume_task, int pipe)
{
	sigset_t all;
	char ready = 1;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();	/* what is sent to cpt's process group is not for it */
	if (mlockall(MCL_CURRENT) < 0 || write(pipe, &ready, 1) != 1)
		_exit(1);
	while (read(pipe, &ready, 1) < 0 && errno == EINTR)
		;
	for (int try = 0; try < 3 && !dm_task_run(resume_task); try++)
		;
	_exit(0);
}

static int guard_start(struct thin_snapshot_job *job, struct err *e)
{
	_cleanup_task_ task t = new_task(DM_DEVICE_RESUME, job->origin_dev);
	_cleanup_fd_ int theirs = -1;
	int pair[2];
	char ready;

	if (!t)
		return no_task("resume", job->origin_dev, e);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	job->guard_pipe = pair[0];
	theirs = pair[1];
	job->guard = fork();
	if (job->guard < 0)
		return err_sys(e, "fork");
	if (job->guard == 0) {
		close(job->guard_pipe);
		guard_main(t, theirs);
	}
	close_fd(&theirs);
	if (read_all(job->guard_pipe, &ready, 1) < 0)
		return err_set(e, -ECHILD, "the process that would resume %s if cpt died has ended", job->origin_dev);
	return 0;
}

static void guard_end(struct thin_snapshot_job *job)
{
	if (job->guard > 0) {
		kill(job->guard, SIGKILL);
		waitpid(job->guard, NULL, 0);
	}
	close_fd(&job->guard_pipe);
}

void thin_snapshot_free(struct thin_snapshot_job *job)
{
	if (!job)
		return;
	if (job->suspended)
		resume(job, &ERR_INIT);
	guard_end(job);
	if (!job->resumed)
		dm_udev_complete(job->cookie);
	dm_udev_wait(job->cookie);
	dm_task_update_nodes();
	destroy_task(&job->suspend);
	destroy_task(&job->message);
	destroy_task(&job->resume);
	free(job->origin_dev);
	free(job);
}

int thin_snapshot_prepare(struct thin_snapshot_job **ret, const char *pool, uint32_t id, uint32_t origin,
			  const char *origin_dev, struct err *e)
{
	struct thin_snapshot_job *job = xcalloc(1, sizeof(*job));
	char message[48];
	int r;

	snprintf(message, sizeof(message), "create_snap %u %u", id, origin);
	job->guard_pipe = -1;
	job->origin_dev = xstrdup(origin_dev);
	job->suspend = new_task(DM_DEVICE_SUSPEND, origin_dev);
	job->message = new_task(DM_DEVICE_TARGET_MSG, pool);
	job->resume = new_task(DM_DEVICE_RESUME, origin_dev);
	/* There is no file system to freeze. Writes in flight are waited for: no dm_task_no_flush(). */
	if (!job->suspend || !dm_task_skip_lockfs(job->suspend) || !job->resume || !job->message ||
	    !dm_task_set_sector(job->message, 0) || !dm_task_set_message(job->message, message) ||
	    !dm_task_set_cookie(job->resume, &job->cookie, UDEV_FLAGS)) {
		thin_snapshot_free(job);
		return no_task("snapshot of", origin_dev, e);
	}
	r = guard_start(job, e);
	if (r < 0)
		thin_snapshot_free(job);
	else
		*ret = job;
	return r;
}

int thin_snapshot_suspend(struct thin_snapshot_job *job, struct err *e)
{
	if (!dm_task_run(job->suspend))
		return err_ret(e, -(dm_task_get_errno(job->suspend) ?: EIO), "suspend %s", job->origin_dev);
	job->suspended = true;
	return 0;
}

int thin_snapshot_finish(struct thin_snapshot_job *job, struct err *e)
{
	struct err resume_err = ERR_INIT;
	int r = dm_task_run(job->message) ? 0 : -(dm_task_get_errno(job->message) ?: EIO);

	if (resume(job, &resume_err) < 0) {
		*e = resume_err;
		return e->code;
	}
	return r < 0 ? err_ret(e, r, "snapshot of %s in the pool", job->origin_dev) : 0;
}

int thin_resume(const char *name, struct err *e)
{
	_cleanup_task_ task t = NULL;
	struct dm_info info;

	if (get_info(name, &info) < 0 || !info.suspended)
		return 0;
	t = new_task(DM_DEVICE_RESUME, name);
	return t ? run_node_task(t, "resume", name, e) : no_task("resume", name, e);
}

/* ---- active devices ------------------------------------------------------------------ */

int thin_find(const char *name, char *node, size_t node_len, char *dev, size_t dev_len, struct err *e)
{
	struct dm_info info;
	struct stat st;

	if (get_info(name, &info) < 0 || !info.live_table)
		return err_set(e, -ENODEV, "the device-mapper device %s is not active", name);
	snprintf(node, node_len, "%s/%s", dm_dir(), name);
	snprintf(dev, dev_len, "%u:%u", info.major, info.minor);
	/* The node may be missing where udev was to make it and died. */
	if (stat(node, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == makedev(info.major, info.minor))
		return 0;
	unlink(node);
	if (mknod(node, S_IFBLK | 0600, makedev(info.major, info.minor)) < 0)
		return err_sys(e, "make the device node %s", node);
	return 0;
}

int thin_activate(const char *pool, const char *name, uint32_t id, uint64_t bytes, char *node, size_t node_len,
		  char *dev, size_t dev_len, struct err *e)
{
	_cleanup_free_ char *params = xasprintf("%s/%s %u", dm_dir(), pool, id);
	int r = thin_is_active(name) ? 0 : create_device(name, bytes / 512, "thin", params, e);

	return r ?: thin_find(name, node, node_len, dev, dev_len, e);
}

static int get_thin_status(const char *name, uint64_t *ret_mapped, uint64_t *ret_end, struct err *e)
{
	_cleanup_free_ char *params = NULL;
	struct dm_status_thin *s;
	struct dm_pool *mem;
	uint64_t sectors;
	int r = get_params(name, DM_DEVICE_STATUS, &params, &sectors, e);

	if (r < 0)
		return r;
	mem = dm_pool_create("status", 256);
	if (!mem || !dm_get_status_thin(mem, params, &s) || s->fail) {
		r = err_set(e, -EIO, "the thin volume %s has failed: its status is \"%s\"", name, params);
	} else {
		*ret_mapped = s->mapped_sectors * 512;
		*ret_end = s->mapped_sectors ? (s->highest_mapped_sector + 1) * 512 : 0;
	}
	if (mem)
		dm_pool_destroy(mem);
	return r;
}

int thin_mapped(const char *name, uint64_t *ret_bytes, struct err *e)
{
	uint64_t end;

	return get_thin_status(name, ret_bytes, &end, e);
}

/*
 * Blocks whose discard is on its way to the data device are nobody's, so that
 * nobody takes them meanwhile (process_prepared_discard_passdown_pt1()). If
 * that is committed, which happens each second, and the power goes then, they
 * stay so for good: piece by piece these are few.
 */
int thin_discard(const char *name, const char *node, struct err *e)
{
	const uint64_t piece = 64 * THIN_BLOCK_BYTES;
	_cleanup_fd_ int fd = open(node, O_RDWR | O_CLOEXEC);
	uint64_t mapped, end;
	int r = get_thin_status(name, &mapped, &end, e);

	if (r < 0)
		return r;
	if (fd < 0)
		return err_sys(e, "open %s", node);
	for (uint64_t at = 0; at < end; at += piece) {
		uint64_t range[2] = { at, min(piece, end - at) };

		if (ioctl(fd, BLKDISCARD, range) < 0)
			return err_sys(e, "discard the contents of %s", node);
	}
	return 0;
}

int thin_deactivate(const char *name, struct err *e)
{
	return exists(name) ? remove_device(name, e) : 0;
}

bool thin_is_active(const char *name)
{
	struct dm_info info;

	return get_info(name, &info) == 0 && info.live_table;
}

int thin_each_active(const char *prefix, int (*fn)(const char *name, void *arg), void *arg, struct err *e)
{
	_cleanup_task_ task t = new_task(DM_DEVICE_LIST, NULL);
	const struct dm_names *n;
	uint32_t next;
	int r = 0;

	if (!t || !dm_task_run(t))
		return no_task("list devices of", "device-mapper", e);
	n = dm_task_get_names(t);
	if (!n || !n->dev)
		return 0;
	do {
		next = n->next;
		if (strncmp(n->name, prefix, strlen(prefix)) == 0)
			r = fn(n->name, arg);
		n = (const void *)((const char *)n + next);
	} while (r == 0 && next);
	return r;
}
