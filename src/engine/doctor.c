// SPDX-License-Identifier: GPL-2.0-only
/*
 * Features that take a swap area and a cgroup to try. They build on each
 * other, so all are tried on one scratch area and one scratch cgroup; a test
 * whose ground is missing fails with what is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "base/util.h"
#include "engine/doctor.h"
#include "host/cgroup.h"
#include "host/pagemap.h"
#include "host/uapi.h"
#include "store/scratch.h"
#include "store/thin.h"

/* ---- the ground ------------------------------------------------------------------ */

struct ground {
	struct scratch swap;
	char cgroup[64];
};

static void ground_clear(struct ground *g)
{
	if (*g->cgroup) {
		cgroup_set(g->cgroup, CGROUP_SWAP_DEVICE_FILE, "none", &ERR_INIT);
		cgroup_remove(g->cgroup, &ERR_INIT);
	}
	scratch_close(&g->swap);
}
#define _cleanup_ground_ __attribute__((cleanup(ground_clear)))

static int ground_make(struct ground *g, struct err *e)
{
	int r = scratch_open(&g->swap, e);

	if (r < 0)
		return r;
	snprintf(g->cgroup, sizeof(g->cgroup), "/cpt-doctor-%d", getpid());
	r = cgroup_create(g->cgroup, e);
	if (r < 0)
		g->cgroup[0] = 0;
	return r ?: cgroup_set(g->cgroup, CGROUP_SWAP_DEVICE_FILE, g->swap.dev, e);
}

/* ---- tests ----------------------------------------------------------------------- */

static int test_private_swap(struct err *e)
{
	struct scratch s;
	int r = scratch_open(&s, e);

	scratch_close(&s);
	return r;
}

static int test_pin(struct err *e)
{
	_cleanup_ground_ struct ground g = { 0 };
	_cleanup_free_ char *back = NULL;
	int r = ground_make(&g, e) ?: cgroup_get(g.cgroup, CGROUP_SWAP_DEVICE_FILE, &back, e);

	if (r == 0 && strcmp(back, g.swap.dev))
		return err_set(e, -EIO, "%s reads \"%s\" after \"%s\" was written", CGROUP_SWAP_DEVICE_FILE, back, g.swap.dev);
	return r;
}

/* In a child that lives in the pinned cgroup: a page goes to the area, and where it is can be asked. */
static int sync_own_page(struct err *e)
{
	_cleanup_fd_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	char *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sync_figures figures = { 0 };
	struct pagemap_swap_run *runs = NULL;
	uint64_t start = (uintptr_t)page, busy;
	size_t nr = 0, cap = 0;
	int r;

	if (fd < 0 || page == MAP_FAILED)
		return err_sys(e, "open /proc/self/pagemap");
	memset(page, 'c', PAGE_SIZE);
	r = pagemap_sync(fd, -1, start, start + PAGE_SIZE, &figures, e) ?:
	    pagemap_get(fd, -1, start, start + PAGE_SIZE, &runs, &nr, &cap, &busy, e);
	if (r == 0 && (figures.written != 1 || nr != 1 || runs[0].vaddr != start || runs[0].nr_pages != 1))
		r = err_set(e, -EIO, "one dirty page was written %ju times and is named by %zu runs", (uintmax_t)figures.written,
			    nr);
	free(runs);
	return r;
}

static int in_cgroup(const char *cgroup, int (*test)(struct err *e), struct err *e)
{
	struct err *shared = mmap(NULL, PAGE_ALIGN(sizeof(*shared)), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = shared == MAP_FAILED ? -1 : fork();

	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0) {
		if (cgroup_attach(cgroup, getpid(), shared) == 0)
			test(shared);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	*e = *shared;
	munmap(shared, PAGE_ALIGN(sizeof(*shared)));
	return e->code;
}

static int test_pagemap(struct err *e)
{
	_cleanup_ground_ struct ground g = { 0 };

	return ground_make(&g, e) ?: in_cgroup(g.cgroup, sync_own_page, e);
}

static int kill_child(const char *cgroup, struct err *e)
{
	pid_t pid = fork();
	int r;

	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0)
		for (;;)
			pause();
	r = cgroup_attach(cgroup, pid, e) ?: cgroup_set(cgroup, "cgroup.kill", "1", e);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return r;
}

static int test_cgroup_kill(struct err *e)
{
	_cleanup_ground_ struct ground g = { 0 };
	int r;

	snprintf(g.cgroup, sizeof(g.cgroup), "/cpt-doctor-%d", getpid());
	r = cgroup_create(g.cgroup, e);
	return r ?: kill_child(g.cgroup, e);
}

#define SERIES "boot a kernel with cpt's series (`make kernel` builds one)"

static const struct feature features[] = {
	{ "cgroup.kill", test_cgroup_kill, true, "a failed restore can't be undone", "Linux 5.14 or newer" },
	{ "thin provisioning", thin_probe, true, "no store can be made", "a kernel with CONFIG_DM_THIN_PROVISIONING" },
	{ "loop devices", loop_probe, false, "a store needs block devices of its own", "a kernel with CONFIG_BLK_DEV_LOOP" },
	{ "private swap", test_private_swap, true, "containers would share swap areas", SERIES },
	{ "memory.swap.device", test_pin, true, "a container can't be bound to a swap volume", SERIES },
	{ "pagemap sync and get", test_pagemap, true, "memory can't be snapshotted", SERIES },
	{ 0 },
};

static void run_list(const struct feature *f, doctor_fn *fn, void *arg)
{
	for (; f->name; f++) {
		struct err e = ERR_INIT;

		fn(f, f->test(&e) < 0 ? &e : NULL, arg);
	}
}

void doctor_run(doctor_fn *fn, void *arg)
{
	run_list(host_features, fn, arg);
	run_list(features, fn, arg);
}
