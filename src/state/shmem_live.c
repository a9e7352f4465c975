// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shared memory objects of a live container: what its processes map, what
 * they have open as memfds, and the SysV segments of its ipc namespaces that
 * nobody maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/sysmacros.h>
#include "state/shmem.h"
#include "state/vma.h"

struct list {
	struct shmem_object *objects;
	size_t nr, cap;
};

static bool list_has(const struct list *l, const char *kind, uint64_t ipc_ns, ino_t ino)
{
	for (size_t i = 0; i < l->nr; i++) {
		const struct shmem_object *o = &l->objects[i];

		if (o->ino == ino && o->ipc_ns == ipc_ns && strcmp(o->kind, kind) == 0)
			return true;
	}
	return false;
}

static void list_add(struct list *l, const char *kind, struct live_process *p, uint64_t ipc_ns, ino_t ino,
		     const char *link, int fd)
{
	array_grow(l->objects, l->nr, l->cap);
	l->objects[l->nr++] = (struct shmem_object){
		.kind = kind, .process = p, .ipc_ns = ipc_ns, .ino = ino, .link = xstrdup(link), .fd = fd,
	};
}

void shmem_list_free(struct shmem_object *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		close_fd(&list[i].fd);
		free(list[i].link);
	}
	free(list);
}

static uint64_t ipc_ns_of(const struct live_process *p)
{
	ino_t inode;

	return live_namespace(p, "ipc", &inode) == 0 ? inode : 0;
}

static int list_mappings(struct list *l, const struct live *live, struct live_process *p, struct err *e)
{
	uint64_t ipc_ns = ipc_ns_of(p);

	for (size_t i = 0; i < p->nr_vmas; i++) {
		const struct live_vma *v = &p->vmas[i];
		const char *kind = vma_shmem_kind(v);
		uint64_t ns = kind && strcmp(kind, "sysv") == 0 ? ipc_ns : 0;
		char link[64];
		int fd;

		if (!kind || (v->flags && vma_flags_parse(v->flags) & VMA_HUGETLB) || list_has(l, kind, ns, v->ino))
			continue;
		snprintf(link, sizeof(link), "map_files/%lx-%lx", v->start, v->end);
		fd = openat(p->proc_fd, link, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && !live->frozen)
			continue;	/* unmapped meanwhile */
		if (fd < 0)
			return err_sys(e, "open /proc/%d/%s (%s)", p->pid, link, v->path);
		list_add(l, kind, p, ns, v->ino, v->path, fd);
	}
	return 0;
}

static int list_memfds(struct list *l, struct live *live, struct err *e)
{
	for (size_t i = 0; i < live->nr_files; i++) {
		struct open_file *f = live->files[i];
		char path[32];
		int own, fd;

		if (strncmp(f->link, "/memfd:", 7) != 0 || major(f->st.st_dev) != 0 ||
		    list_has(l, "memfd", 0, f->st.st_ino))
			continue;
		own = open_file_get(f, e);
		if (own < 0 && live->frozen)
			return own;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", own);
		fd = own < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			list_add(l, "memfd", f->process, 0, f->st.st_ino, f->link, fd);
		else if (live->frozen)
			return err_sys(e, "open %s of task %d for reading", f->link, f->process->pid);
		else
			*e = ERR_INIT;
	}
	return 0;
}

/*
 * A segment that nobody maps can only be reached by mapping it. That changes
 * its time of last attachment, which is read before by sysv_shm.c.
 */
static int segment_open(int shmid, size_t size, struct err *e)
{
	char path[80], *at = shmat(shmid, NULL, SHM_RDONLY);
	int fd;

	if (at == (char *)-1)
		return err_sys(e, "shmat(%d)", shmid);
	size = PAGE_ALIGN(size);
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at, (unsigned long)at + size);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err_sys(e, "open %s", path);
	shmdt(at);
	return fd < 0 ? e->code : fd;
}

#define HUGETLB_SEGMENT 04000	/* SHM_HUGETLB in the mode, include/uapi/linux/shm.h */

static int list_segments_here(struct list *l, struct live_process *p, uint64_t ns, struct err *e)
{
	struct shm_info info;
	int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&info);

	if (highest < 0)
		return err_sys(e, "list SysV segments");
	for (int i = 0; i <= highest; i++) {
		struct shmid_ds ds;
		int shmid = shmctl(i, SHM_STAT, &ds), fd;
		char link[64];

		if (shmid < 0 || ds.shm_perm.mode & HUGETLB_SEGMENT || list_has(l, "sysv", ns, (ino_t)shmid))
			continue;
		fd = segment_open(shmid, ds.shm_segsz, e);
		if (fd < 0)
			return fd;
		snprintf(link, sizeof(link), "SysV segment %d", shmid);
		list_add(l, "sysv", p, ns, (ino_t)shmid, link, fd);
	}
	return 0;
}

/* Segments of an ipc namespace that is the container's own; the host's are nobody's business here. */
static int list_segments(struct list *l, struct live_process *p, struct err *e)
{
	_cleanup_fd_ int back = open("/proc/self/ns/ipc", O_RDONLY | O_CLOEXEC), ns = -1;
	struct stat ours, its;
	int r;

	ns = openat(p->proc_fd, "ns/ipc", O_RDONLY | O_CLOEXEC);
	if (ns < 0 && (errno == ENOENT || errno == ESRCH))
		return 0;
	if (back < 0 || ns < 0 || fstat(back, &ours) < 0 || fstat(ns, &its) < 0)
		return err_sys(e, "open the ipc namespace of task %d", p->pid);
	if (ours.st_ino == its.st_ino)
		return 0;
	if (setns(ns, CLONE_NEWIPC) < 0)
		return err_sys(e, "enter the ipc namespace of task %d", p->pid);
	r = list_segments_here(l, p, its.st_ino, e);
	if (setns(back, CLONE_NEWIPC) < 0)
		return err_sys(e, "return to cpt's own ipc namespace");
	return r;
}

static int list_unmapped(struct list *l, struct live *live, struct err *e)
{
	_cleanup_free_ uint64_t *seen = xcalloc(live->nr_processes, sizeof(*seen));
	int r = 0;

	for (size_t i = 0; r == 0 && i < live->nr_processes; i++) {
		bool known = false;

		seen[i] = ipc_ns_of(&live->processes[i]);
		for (size_t j = 0; j < i; j++)
			known |= seen[j] == seen[i];
		if (!known && !live->processes[i].zombie)
			r = list_segments(l, &live->processes[i], e);
	}
	return r;
}

int shmem_list(struct live *live, struct shmem_object **ret, size_t *ret_nr, struct err *e)
{
	struct list l = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < live->nr_processes; i++)
		r = list_mappings(&l, live, &live->processes[i], e);
	if (r == 0)
		r = list_memfds(&l, live, e);
	if (r == 0)
		r = list_unmapped(&l, live, e);
	*ret = l.objects;
	*ret_nr = l.nr;
	return r;
}
