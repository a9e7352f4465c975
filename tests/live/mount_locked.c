// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user namespace got with its mount namespace it can't unmount, and what the host has chosen of its
 * mounts' options it can't choose again for binds of them; what it has mounted itself it can.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "live.h"

static void check_locked(void)
{
	live_check(umount2("/sys", MNT_DETACH) < 0 && errno == EINVAL);
	live_check(mount(NULL, "/sys", NULL, MS_BIND | MS_REMOUNT | MS_NOATIME, NULL) < 0 && errno == EPERM);
	live_check(mount(NULL, live_path("bind"), NULL, MS_BIND | MS_REMOUNT | MS_NOATIME, NULL) < 0 && errno == EPERM);
	live_check(access(live_path("bind/kernel"), F_OK) == 0);
	live_check(open(live_path("read-only/x"), O_CREAT | O_WRONLY, 0600) < 0 && errno == EROFS);
}

int main(int argc, char **argv)
{
	const char *mode;
	struct stat st;
	int fd;

	live_setup(argc, argv);
	mode = getenv("CPT_LIVE_MODE");
	if (!mode || strncmp(mode, "user", 4) != 0)
		live_skip("it is about user namespaces");
	live_check(mkdir(live_path("bind"), 0755) == 0 && mkdir(live_path("tmpfs"), 0755) == 0 &&
		   mkdir(live_path("read-only"), 0755) == 0);
	live_check(mount("/sys", live_path("bind"), NULL, MS_BIND | MS_REC, NULL) == 0);
	live_check(mount("own", live_path("tmpfs"), "tmpfs", MS_NODEV | MS_NOSUID, "mode=750,gid=7") == 0);
	live_check(mount(live_path("tmpfs"), live_path("read-only"), NULL, MS_BIND, NULL) == 0);
	live_check(mount(NULL, live_path("read-only"), NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
	fd = open(live_path("tmpfs/file"), O_CREAT | O_RDWR, 0640);
	live_check(fd >= 0 && write(fd, "mine", 4) == 4 && fchown(fd, 5, 6) == 0);
	check_locked();

	live_ready();

	check_locked();
	live_check(fstat(fd, &st) == 0 && st.st_uid == 5 && st.st_gid == 6 && st.st_size == 4 && (st.st_mode & 07777) == 0640);
	live_check(stat(live_path("tmpfs"), &st) == 0 && st.st_uid == 0 && st.st_gid == 7 && (st.st_mode & 07777) == 0750);
	/* Its own file system: that can be anything. */
	live_check(mount(NULL, live_path("tmpfs"), NULL, MS_BIND | MS_REMOUNT | MS_NOATIME, NULL) == 0);
	live_check(mount(NULL, live_path("tmpfs"), NULL, MS_REMOUNT, "mode=700,size=1m") == 0);
	live_check(mount(NULL, live_path("read-only"), NULL, MS_BIND | MS_REMOUNT, NULL) == 0);
	live_check(close(open(live_path("read-only/x"), O_CREAT | O_WRONLY, 0600)) == 0 && close(fd) == 0);
	live_check(umount(live_path("read-only")) == 0 && umount(live_path("tmpfs")) == 0 &&
		   umount2(live_path("bind"), MNT_DETACH) == 0);
	live_pass();
}
