// SPDX-License-Identifier: GPL-2.0-only
/* Tasks in frozen cgroups are still frozen after a snapshot and after a restore, and have not run in between. */
#include <stdint.h>
#include <sys/mman.h>
#include "cgroup.h"
#include "live.h"

enum { ICE, INNER, EMPTY, FREE, NR };
static const char *const names[NR] = { "ice", "ice/inner", "ice/empty", "free" };
static volatile uint64_t *counters;

static void counter_start(int i)
{
	pid_t pid = fork();

	live_check(pid >= 0);
	if (pid)
		return;
	cgroup_enter(names[i]);
	/* In a system call half of the time, in user space the other half. */
	for (uint64_t n = 0; ; n++) {
		counters[i]++;
		if (n % 1000 == 0)
			usleep(2000);
	}
}

static void wait_frozen(const char *cgroup, const char *state)
{
	char text[256];

	for (int tries = 0; tries < 5000; tries++) {
		cgroup_get(cgroup, "cgroup.events", text, sizeof(text));
		if (strstr(text, state))
			return;
		usleep(2000);
	}
	live_fail("cgroup.events of %s says \"%s\"", cgroup, text);
}

static void wait_counting(int i)
{
	uint64_t before = counters[i];

	for (int tries = 0; counters[i] == before; tries++) {
		if (tries == 5000)
			live_fail("%s does not run", names[i]);
		usleep(2000);
	}
}

int main(int argc, char **argv)
{
	uint64_t then[NR];

	live_setup(argc, argv);
	cgroup_begin();
	counters = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	live_check(counters != MAP_FAILED);
	for (int i = 0; i < NR; i++) {
		cgroup_make(names[i]);
		if (i == EMPTY)
			continue;
		counter_start(i);
		wait_counting(i);
	}
	cgroup_put("ice/inner", "cgroup.freeze", "1");
	cgroup_put("ice", "cgroup.freeze", "1");
	wait_frozen("ice", "frozen 1");
	wait_frozen("ice/inner", "frozen 1");
	for (int i = 0; i < NR; i++)
		then[i] = counters[i];

	live_ready();

	wait_frozen("ice", "frozen 1");
	wait_frozen("ice/inner", "frozen 1");
	wait_frozen("ice/empty", "frozen 1");
	cgroup_expect("ice", "cgroup.freeze", "1");
	cgroup_expect("ice/inner", "cgroup.freeze", "1");
	cgroup_expect("ice/empty", "cgroup.freeze", "0");
	cgroup_expect("free", "cgroup.freeze", "0");
	cgroup_expect("", "cgroup.freeze", "0");
	wait_counting(FREE);
	live_check(counters[ICE] == then[ICE]);
	live_check(counters[INNER] == then[INNER]);

	cgroup_put("ice", "cgroup.freeze", "0");
	wait_counting(ICE);
	wait_frozen("ice/inner", "frozen 1");
	live_check(counters[INNER] == then[INNER]);
	cgroup_put("ice/inner", "cgroup.freeze", "0");
	wait_counting(INNER);
	live_pass();
}
