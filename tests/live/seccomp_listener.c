// SPDX-License-Identifier: GPL-2.0-only
/* A process that is asked about system calls of another is refused, and goes on being asked. */
#include <poll.h>
#include <sys/ioctl.h>
#include "live.h"
#include "seccomp.h"

int main(int argc, char **argv)
{
	struct seccomp_notif asked = { 0 };
	struct seccomp_notif_resp answer = { .val = 4711 };
	int go[2], result[2];
	long listener, got;
	char c;

	live_setup(argc, argv);
	live_check(pipe(go) == 0 && pipe(result) == 0);
	listener = filter_set(SECCOMP_FILTER_FLAG_NEW_LISTENER, SYS_getpgrp, SECCOMP_RET_USER_NOTIF);
	live_check(listener >= 0);
	if (fork() == 0) {
		live_check(read(go[0], &c, 1) == 1);
		got = syscall(SYS_getpgrp);
		live_check(write(result[1], &got, sizeof(got)) == sizeof(got));
		_exit(0);
	}
	live_refused("who asks it about system calls (SECCOMP_RET_USER_NOTIF)");
	live_ready();
	live_check(write(go[1], "?", 1) == 1 && ioctl((int)listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) == 0);
	live_check(asked.data.nr == SYS_getpgrp);
	answer.id = asked.id;
	live_check(ioctl((int)listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
	live_check(read(result[0], &got, sizeof(got)) == sizeof(got) && got == 4711);
	live_pass();
}
