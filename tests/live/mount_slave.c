// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two mount namespaces, one of which has a slave and a peer of a mount of the other, or of the host's: what is mounted
 * there comes here, and what is mounted on the slave does not go back. A peer of the host's own is refused, so here
 * it is made only where both are the container's.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static int ask[2], answer[2];

static char *path(const char *name)
{
	return strdup(live_path(name));
}

static void mount_on(const char *point)
{
	char file[4096];

	live_check(mount("new", point, "tmpfs", 0, NULL) == 0);
	snprintf(file, sizeof(file), "%s/file", point);
	live_check(close(open(file, O_CREAT | O_WRONLY, 0600)) == 0);
}

/* Says what it sees: 's' the slave's, 'p' the peer's; mounts on both. */
static void child_main(bool has_peer)
{
	char c;

	live_check(unshare(CLONE_NEWNS) == 0);
	live_check(mount(NULL, path("shared"), NULL, MS_SLAVE, NULL) == 0);
	live_check(mount(NULL, path("shared"), NULL, MS_SHARED, NULL) == 0);
	live_check(has_peer || mount(NULL, path("peer"), NULL, MS_PRIVATE, NULL) == 0);
	live_check(write(answer[1], "r", 1) == 1);
	while (read(ask[0], &c, 1) == 1 && c != 'e') {
		if (c == 'm') {
			mount_on(path("shared/mine"));
			if (has_peer)
				mount_on(path("peer/mine"));
		} else {
			c = access(path("shared/new/file"), F_OK) == 0 ? '1' : '0';
			if (has_peer && (access(path("peer/new/file"), F_OK) == 0) != (c == '1'))
				c = '?';
		}
		live_check(write(answer[1], &c, 1) == 1);
	}
	_exit(7);
}

static char say(char c)
{
	live_check(write(ask[1], &c, 1) == 1 && read(answer[0], &c, 1) == 1);
	return c;
}

static void prepare(const char *name)
{
	char below[64];

	live_check(mkdir(live_path(name), 0755) == 0 && mount(name, live_path(name), "tmpfs", 0, NULL) == 0);
	live_check(mount(NULL, live_path(name), NULL, MS_SHARED, NULL) == 0);
	for (int i = 0; i < 2; i++) {
		snprintf(below, sizeof(below), "%s/%s", name, i ? "mine" : "new");
		live_check(mkdir(live_path(below), 0755) == 0);
	}
}

int main(int argc, char **argv)
{
	bool has_peer;
	int status;
	pid_t pid;
	char c;

	live_setup(argc, argv);
	if (getenv("CPT_LIVE_MODE") && strcmp(getenv("CPT_LIVE_MODE"), "host-again") == 0)
		live_skip("what it has mounted on the host is gone when it is restored");
	has_peer = live_in_namespaces();
	prepare("shared");
	prepare("peer");
	live_check(pipe(ask) == 0 && pipe(answer) == 0);
	pid = fork();
	if (pid == 0)
		child_main(has_peer);
	live_check(read(answer[0], &c, 1) == 1);

	live_ready();

	live_check(say('?') == '0');
	mount_on(path("shared/new"));
	mount_on(path("peer/new"));
	live_check(say('?') == '1');
	live_check(umount(path("shared/new")) == 0 && umount(path("peer/new")) == 0);
	live_check(say('?') == '0');
	live_check(say('m') == 'm');
	live_check(access(path("shared/mine/file"), F_OK) < 0);
	live_check((access(path("peer/mine/file"), F_OK) == 0) == has_peer);
	live_check(!has_peer || umount(path("peer/mine")) == 0);
	live_check(write(ask[1], "e", 1) == 1 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	/* On the host they would stay. */
	if (!has_peer)
		live_check(umount2(live_path("shared"), MNT_DETACH) == 0 && umount2(live_path("peer"), MNT_DETACH) == 0);
	live_pass();
}
