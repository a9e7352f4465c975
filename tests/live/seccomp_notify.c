// SPDX-License-Identifier: GPL-2.0-only
/* A filter that asks a supervisor is refused, though its supervisor is gone (or is outside, which looks the same). */
#include "live.h"
#include "seccomp.h"

int main(int argc, char **argv)
{
	long listener;

	live_setup(argc, argv);
	listener = filter_set(SECCOMP_FILTER_FLAG_NEW_LISTENER, SYS_getppid, SECCOMP_RET_USER_NOTIF);
	live_check(listener >= 0 && close((int)listener) == 0);
	live_refused("asks another process (SECCOMP_RET_USER_NOTIF)");
	live_ready();
	live_check(filter_errno(SYS_getppid) == ENOSYS);
	live_pass();
}
