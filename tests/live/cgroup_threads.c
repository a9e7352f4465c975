// SPDX-License-Identifier: GPL-2.0-only
/* Threads of one process in different threaded cgroups, the first thread among them. */
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include "cgroup.h"
#include "live.h"

#define NR 3
static const char *const places[NR + 1] = { "box/one", "box/two", "box/two/inner", "box" };
static pid_t tids[NR + 1];
static pthread_barrier_t barrier;

static void move(pid_t tid, const char *cgroup)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", tid);
	cgroup_put(cgroup, "cgroup.threads", text);
}

static void *thread_main(void *arg)
{
	tids[(uintptr_t)arg] = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

int main(int argc, char **argv)
{
	bool controllers = !live_in_namespaces();
	pthread_t threads[NR + 1];

	live_setup(argc, argv);
	cgroup_begin();
	cgroup_make("box");
	cgroup_make("box/one");
	cgroup_make("box/two");
	cgroup_make("box/two/inner");
	cgroup_enter("box");
	if (controllers)
		cgroup_put("", "cgroup.subtree_control", "+memory +pids +cpu");
	cgroup_put("box/one", "cgroup.type", "threaded");
	cgroup_put("box/two", "cgroup.type", "threaded");
	cgroup_put("box/two/inner", "cgroup.type", "threaded");
	if (controllers) {
		cgroup_put("box", "cgroup.subtree_control", "+cpu +pids");
		cgroup_put("box/two", "cgroup.subtree_control", "+cpu");
		cgroup_put("box/one", "cpu.weight", "50");
		cgroup_put("box/two", "pids.max", "5");
		cgroup_put("box/two/inner", "cpu.weight", "20");
	}
	live_check(pthread_barrier_init(&barrier, NULL, NR + 1) == 0);
	tids[0] = (pid_t)syscall(SYS_gettid);
	for (uintptr_t i = 1; i <= NR; i++)
		live_check(pthread_create(&threads[i], NULL, thread_main, (void *)i) == 0);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i <= NR; i++)
		move(tids[i], places[i]);

	live_ready();

	for (int i = 0; i <= NR; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/task/%d/cgroup", tids[i]);
		cgroup_expect_task(path, places[i]);
	}
	cgroup_expect("box", "cgroup.type", "domain threaded");
	cgroup_expect("box/one", "cgroup.type", "threaded");
	cgroup_expect("box/two", "cgroup.type", "threaded");
	cgroup_expect("box/two/inner", "cgroup.type", "threaded");
	if (controllers) {
		cgroup_expect("box", "cgroup.subtree_control", "cpu pids");
		cgroup_expect("box/two", "cgroup.subtree_control", "cpu");
		cgroup_expect("box/one", "cpu.weight", "50");
		cgroup_expect("box/two", "pids.max", "5");
		cgroup_expect("box/two", "pids.current", "2");
		cgroup_expect("box/two/inner", "cpu.weight", "20");
	}
	pthread_barrier_wait(&barrier);
	for (int i = 1; i <= NR; i++)
		live_check(pthread_join(threads[i], NULL) == 0);
	live_pass();
}
