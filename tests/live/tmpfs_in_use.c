// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of a container's own tmpfs that are in use: open, mapped, locked,
 * watched, deleted; working directories, programs, fifos and sockets in it.
 * The times of its directories are those of then, whatever was made in them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

#define SIZE (40 * 4096L)

static struct sockaddr_un addr = { .sun_family = AF_UNIX };

static const char *in(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "run/%s", name);
	return live_path(path);
}

static int make(const char *name, const char *text)
{
	int fd = open(in(name), O_CREAT | O_EXCL | O_RDWR, 0644);

	live_check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static int listen_at(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	/* The path of a test may be longer than a socket's name can be. */
	live_check(snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", in(name)) < (int)sizeof(addr.sun_path));
	live_check(fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 3) == 0);
	live_check(chmod(addr.sun_path, 0621) == 0);
	return fd;
}

static void check_served(int listener)
{
	int client = socket(AF_UNIX, SOCK_STREAM, 0), server;
	char c;

	live_check(connect(client, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	server = accept(listener, NULL, NULL);
	live_check(server >= 0 && write(client, "x", 1) == 1 && read(server, &c, 1) == 1 && c == 'x');
	live_check(close(client) == 0 && close(server) == 0);
}

/* A copy of this program that waits for the end of its input. */
static pid_t run_copy(int *ret_input)
{
	int from = open("/proc/self/exe", O_RDONLY), to = open(in("program"), O_CREAT | O_WRONLY, 0755), pipes[2];
	struct stat st;
	pid_t pid;

	live_check(from >= 0 && to >= 0 && fstat(from, &st) == 0 && sendfile(to, from, NULL, (size_t)st.st_size) == st.st_size);
	live_check(close(from) == 0 && close(to) == 0 && pipe2(pipes, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		live_check(dup2(pipes[0], 0) == 0 && chdir(in("dir")) == 0);
		execl(in("program"), "program", "copy", NULL);
		_exit(9);
	}
	live_check(pid > 0 && close(pipes[0]) == 0);
	*ret_input = pipes[1];
	return pid;
}

static int copy_main(void)
{
	char c, here[4096];

	if (read(0, &c, 1) != 1 || !getcwd(here, sizeof(here)) || strcmp(strrchr(here, '/'), "/dir") != 0)
		return 3;
	return c == 'k' && access("../program", X_OK) == 0 ? 42 : 4;
}

static void check_times(const char *name, const struct stat *before)
{
	struct stat st;

	live_check(stat(in(name), &st) == 0);
	if (st.st_mtim.tv_sec != before->st_mtim.tv_sec || st.st_mtim.tv_nsec != before->st_mtim.tv_nsec)
		live_fail("%s was changed at %ld.%09ld and now at %ld.%09ld", name, before->st_mtim.tv_sec,
			  before->st_mtim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int main(int argc, char **argv)
{
	int file, deleted, listener, fifo, input, lock, watch, status, place;
	struct flock whole = { .l_type = F_WRLCK };
	char text[64] = "", event[sizeof(struct inotify_event) + 256];
	struct stat root_before, dir_before, st;
	char *shared, *private;
	pid_t pid, child;

	if (argc > 1 && strcmp(argv[1], "copy") == 0)
		return copy_main();
	live_setup(argc, argv);
	live_own_mounts();
	live_check(mkdir(live_path("run"), 0755) == 0);
	live_check(mount("run", live_path("run"), "tmpfs", MS_NOATIME, "mode=755,size=16m") == 0);
	live_check(mkdir(in("dir"), 0755) == 0 && mkdir(in("gone"), 0755) == 0);
	file = make("file", "0123456789");
	live_check(lseek(file, 3, SEEK_SET) == 3);
	deleted = make("dir/deleted", "still here");
	live_check(unlink(in("dir/deleted")) == 0);
	lock = make("lock", "");
	live_check(fcntl(lock, F_SETLK, &whole) == 0);
	live_check(close(make("mapped", "")) == 0);
	{
		int fd = open(in("mapped"), O_RDWR);

		live_check(ftruncate(fd, SIZE) == 0);
		shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		strcpy(shared + 4096, "shared");
		private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		live_check(shared != MAP_FAILED && private != MAP_FAILED && close(fd) == 0);
		strcpy(private + 8192, "private");
	}
	live_check(mkfifo(in("fifo"), 0600) == 0);
	fifo = open(in("fifo"), O_RDWR);
	live_check(fifo >= 0 && write(fifo, "queued", 6) == 6);
	listener = listen_at("s");
	place = open(in("dir"), O_PATH | O_DIRECTORY);
	watch = inotify_init1(IN_NONBLOCK);
	live_check(place >= 0 && watch >= 0 && inotify_add_watch(watch, in("dir"), IN_CREATE) >= 0);
	pid = run_copy(&input);
	child = fork();
	if (child == 0) {
		live_check(chdir(in("gone")) == 0 && rmdir(in("gone")) == 0);
		pause();
	}
	while (access(in("gone"), F_OK) == 0)
		usleep(10000);
	usleep(200000);		/* the copy is in its directory */
	live_check(stat(in(""), &root_before) == 0 && stat(in("dir"), &dir_before) == 0);

	live_ready();

	check_times("", &root_before);
	check_times("dir", &dir_before);
	live_check(read(file, text, 3) == 3 && memcmp(text, "345", 3) == 0 && lseek(file, 3, SEEK_SET) == 3);
	live_check(fstat(file, &st) == 0 && stat(in("file"), &dir_before) == 0 && st.st_ino == dir_before.st_ino &&
		   st.st_dev == dir_before.st_dev);
	live_check(pread(deleted, text, sizeof(text), 0) == 10 && memcmp(text, "still here", 10) == 0);
	live_check(fstat(deleted, &st) == 0 && st.st_nlink == 0 && st.st_dev == dir_before.st_dev);
	live_check(strcmp(shared + 4096, "shared") == 0 && strcmp(private + 4096, "shared") == 0 &&
		   strcmp(private + 8192, "private") == 0 && shared[8192] == 0);
	{
		int fd = open(in("mapped"), O_RDWR);

		strcpy(shared + 3 * 4096, "through");
		live_check(pread(fd, text, 8, 3 * 4096) == 8 && strcmp(text, "through") == 0);
		live_check(pwrite(fd, "\0", 1, 3 * 4096) == 1 && shared[3 * 4096] == 0 && close(fd) == 0);
	}
	live_check(read(fifo, text, 6) == 6 && memcmp(text, "queued", 6) == 0 && write(fifo, "queued", 6) == 6);
	live_check(stat(addr.sun_path, &st) == 0 && (st.st_mode & 07777) == 0621 && S_ISSOCK(st.st_mode));
	check_served(listener);
	whole.l_pid = 0;
	if (fork() == 0)
		_exit(fcntl(lock, F_GETLK, &whole) == 0 && whole.l_type == F_WRLCK && whole.l_pid == getppid() ? 7 : 8);
	live_check(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	live_check(read(watch, event, sizeof(event)) < 0 && errno == EAGAIN);
	live_check(close(openat(open(in("dir"), O_RDONLY), "new", O_CREAT | O_WRONLY, 0600)) == 0);
	live_check(read(watch, event, sizeof(event)) > 0 && faccessat(place, "new", F_OK, 0) == 0);
	live_check(unlink(in("dir/new")) == 0);
	live_check(write(input, "k", 1) == 1 && waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
		live_fail("the copy ended with %#x", status);
	live_check(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
	live_pass();
}
