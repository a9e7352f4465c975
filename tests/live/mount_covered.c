// SPDX-License-Identifier: GPL-2.0-only
/* A tmpfs that another covers may have anything in it: refused. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

int main(int argc, char **argv)
{
	char *point;

	live_setup(argc, argv);
	if (!live_in_namespaces())
		live_skip("it mounts file systems, and here all see the same mounts");
	live_check(asprintf(&point, "%s", live_path("tmpfs")) > 0);
	live_check(mkdir(point, 0700) == 0);
	live_check(mount("below", point, "tmpfs", 0, NULL) == 0);
	live_check(close(open(live_path("tmpfs/data"), O_CREAT | O_WRONLY, 0600)) == 0);
	live_check(mount("above", point, "tmpfs", 0, NULL) == 0);
	live_check(access(live_path("tmpfs/data"), F_OK) < 0);
	live_refused("another mount covers it");
	live_ready();
	live_check(umount(point) == 0 && access(live_path("tmpfs/data"), F_OK) == 0);
	live_pass();
}
