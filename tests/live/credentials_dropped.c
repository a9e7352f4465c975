// SPDX-License-Identifier: GPL-2.0-only
/* A process that gave up root keeps its ids, groups, capabilities, limits, nice value, umask and directory. */
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "live.h"

static void capabilities(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

	syscall(SYS_capget, &header, data);
}

int main(int argc, char **argv)
{
	struct __user_cap_data_struct before[2], after[2];
	struct rlimit limit = { 333, 444 }, limit_now;
	gid_t groups[3] = { 7, 1234, 99 }, groups_now[8];
	uid_t r, e, s;
	char cwd[100];

	live_setup(argc, argv);
	chmod(live_path(""), 0777);
	if (setgroups(3, groups) || prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT) || setresgid(11, 12, 13) ||
	    setpriority(PRIO_PROCESS, 0, 7) || setrlimit(RLIMIT_NOFILE, &limit) || chdir("/usr/share") ||
	    setresuid(21, 22, 23))
		live_fail("set-up");
	umask(031);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	capabilities(before);
	live_ready();
	getresuid(&r, &e, &s);
	live_check(r == 21 && e == 22 && s == 23);
	getresgid(&r, &e, &s);
	live_check(r == 11 && e == 12 && s == 13);
	live_check(getgroups(8, groups_now) == 3 && groups_now[0] + groups_now[1] + groups_now[2] == 7 + 1234 + 99);
	capabilities(after);
	live_check(memcmp(before, after, sizeof(before)) == 0);
	live_check(prctl(PR_CAPBSET_READ, CAP_SYS_BOOT) == 0 && prctl(PR_CAPBSET_READ, CAP_CHOWN) == 1);
	live_check(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	live_check(getpriority(PRIO_PROCESS, 0) == 7);
	live_check(getrlimit(RLIMIT_NOFILE, &limit_now) == 0 && limit_now.rlim_cur == 333 && limit_now.rlim_max == 444);
	live_check(umask(0) == 031);
	live_check(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/usr/share") == 0);
	live_pass();
}
