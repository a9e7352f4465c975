// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that have a working directory, root and umask of their own keep them, also where their process has another
 * root; processes that have them together (CLONE_FS) go on having them together.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static pthread_barrier_t barrier;

static void step(void)
{
	pthread_barrier_wait(&barrier);
}

static int is_at(const char *cwd)
{
	char now[4096];

	return getcwd(now, sizeof(now)) && strcmp(now, cwd) == 0;
}

static int mask(void)
{
	int now = (int)umask(0);

	umask((mode_t)now);
	return now;
}

/* ---- threads ------------------------------------------------------------ */

static void *elsewhere(void *arg)
{
	(void)arg;
	live_check(unshare(CLONE_FS) == 0 && chdir("/usr/share") == 0);
	umask(0111);
	step();
	step();
	live_check(is_at("/usr/share") && mask() == 0111 && access("/usr/bin", X_OK) == 0);
	live_check(chdir("/usr/lib") == 0);
	step();
	return NULL;
}

/* With a table of its own, too. */
static void *rooted(void *arg)
{
	(void)arg;
	live_check(unshare(CLONE_FS | CLONE_FILES) == 0 && chdir("/usr/bin") == 0 && chroot("/usr") == 0);
	umask(0222);
	step();
	step();
	live_check(is_at("/bin") && mask() == 0222 && access("/bin/env", X_OK) == 0 && access("/usr/bin", X_OK) < 0);
	step();
	return NULL;
}

/* A process with the root /usr, whose threads had theirs before; "y" says that all is well. */
static void family(int in, int out)
{
	pthread_t threads[2];
	char c = 'y';

	pthread_barrier_init(&barrier, NULL, 3);
	live_check(pthread_create(&threads[0], NULL, elsewhere, NULL) == 0);
	live_check(pthread_create(&threads[1], NULL, rooted, NULL) == 0);
	step();
	live_check(chdir("/usr/include") == 0 && chroot("/usr") == 0);
	umask(0333);
	live_check(write(out, &c, 1) == 1 && read(in, &c, 1) == 1);
	live_check(is_at("/include") && mask() == 0333 && access("/bin/env", X_OK) == 0 && access("/usr/bin", X_OK) < 0);
	step();
	step();
	live_check(is_at("/include"));
	live_check(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
	c = 'y';
	live_check(write(out, &c, 1) == 1);
	_exit(0);
}

/* ---- processes ---------------------------------------------------------- */

/* Goes where it is told, and has its umask set with it. */
static void follow(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1) {
		c = is_at("/usr") && mask() == 0123 && chdir("/usr/share") == 0 ? 'y' : 'n';
		umask(0321);
		if (write(out, &c, 1) != 1)
			_exit(2);
	}
	_exit(0);
}

static void check_common(int to, int from)
{
	char c = '?';

	live_check(chdir("/usr") == 0);
	umask(0123);
	live_check(write(to, &c, 1) == 1 && read(from, &c, 1) == 1 && c == 'y');
	live_check(is_at("/usr/share") && mask() == 0321);
}

int main(int argc, char **argv)
{
	int in[2][2], out[2][2];
	char c;

	live_setup(argc, argv);
	for (int i = 0; i < 2; i++)
		live_check(pipe(in[i]) == 0 && pipe(out[i]) == 0);
	if (fork() == 0)
		family(in[0][0], out[0][1]);
	live_check(read(out[0][0], &c, 1) == 1 && c == 'y');
	if (syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0) == 0)
		follow(in[1][0], out[1][1]);
	check_common(in[1][1], out[1][0]);
	live_ready();
	live_check(is_at("/usr/share") && mask() == 0321);
	check_common(in[1][1], out[1][0]);
	live_check(write(in[0][1], "?", 1) == 1 && read(out[0][0], &c, 1) == 1 && c == 'y');
	live_pass();
}
