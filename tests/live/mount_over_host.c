// SPDX-License-Identifier: GPL-2.0-only
/* A tmpfs of the container's own where the host has one, too, is not the host's: what is in it stays. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "live.h"

#define POINT "/dev/shm"

int main(int argc, char **argv)
{
	struct statfs fs;

	live_setup(argc, argv);
	live_own_mounts();
	live_check(statfs(POINT, &fs) == 0);
	if (fs.f_type != TMPFS_MAGIC)
		live_skip("there is no tmpfs at " POINT);
	live_check(mount("own", POINT, "tmpfs", 0, NULL) == 0);
	live_check(close(open(POINT "/data", O_CREAT | O_WRONLY, 0600)) == 0);
	live_ready();
	live_check(access(POINT "/data", F_OK) == 0);
	live_check(umount(POINT) == 0);
	live_check(access(POINT "/data", F_OK) < 0);
	live_check(statfs(POINT, &fs) == 0 && fs.f_type == TMPFS_MAGIC);
	live_pass();
}
