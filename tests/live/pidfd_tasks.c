// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pidfds of a child, of the process itself, of the leader of its threads, of a
 * process that has ended (two of one and one of another), one shared by two
 * processes; and an epoll that waits for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static int ended_pidfds(int *second)
{
	pid_t pid = fork();
	int fd;

	live_check(pid >= 0);
	if (pid == 0)
		_exit(0);
	fd = pidfd_open(pid, 0);
	if (second)
		*second = pidfd_open(pid, 0);
	live_check(fd >= 0 && waitpid(pid, NULL, 0) == pid);
	return fd;
}

static bool is_ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) && pidfd_send_signal(fd, 0, NULL, 0) == -1 && errno == ESRCH;
}

static ino_t inode_of(int fd)
{
	struct stat st;

	live_check(fstat(fd, &st) == 0);
	return st.st_ino;
}

int main(int argc, char **argv)
{
	int own, child_fd, nonblock, thread, ended, ended_too, ended_other, epoll, status, usr1[2];
	struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = 77 } };
	siginfo_t info = { 0 };
	sigset_t set;
	pid_t child;

	live_setup(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	own = pidfd_open(getpid(), 0);
	thread = (int)syscall(SYS_pidfd_open, getpid(), O_EXCL /* PIDFD_THREAD */);
	ended = ended_pidfds(&ended_too);
	ended_other = ended_pidfds(NULL);
	live_check(own >= 0 && thread >= 0 && ended_too >= 0 && pipe(usr1) == 0);
	child = fork();
	live_check(child >= 0);
	if (child == 0) {	/* tells its parent, by the pidfd that both have, that it got the signal */
		live_check(sigwaitinfo(&set, NULL) == SIGUSR1 && pidfd_send_signal(own, SIGUSR1, NULL, 0) == 0);
		for (;;)
			pause();
	}
	child_fd = pidfd_open(child, 0);
	nonblock = pidfd_open(child, O_NONBLOCK);
	epoll = epoll_create1(0);
	live_check(child_fd >= 0 && nonblock >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, child_fd, &event) == 0);
	live_ready();

	live_check(inode_of(own) == inode_of(thread) && inode_of(child_fd) == inode_of(nonblock));
	live_check(inode_of(own) != inode_of(child_fd));
	live_check(is_ended(ended) && is_ended(ended_too) && is_ended(ended_other));
	live_check(inode_of(ended) == inode_of(ended_too) && inode_of(ended) != inode_of(ended_other));
	live_check((fcntl(nonblock, F_GETFL) & O_NONBLOCK) && !(fcntl(child_fd, F_GETFL) & O_NONBLOCK));
	live_check((fcntl(thread, F_GETFL) & O_EXCL) && !(fcntl(own, F_GETFL) & O_EXCL));
	live_check(waitid(P_PIDFD, (id_t)nonblock, &info, WEXITED) == -1 && errno == EAGAIN);
	live_check(waitid(P_PIDFD, (id_t)ended, &info, WEXITED) == -1 && errno == ECHILD);
	live_check(!is_ended(child_fd) && epoll_wait(epoll, &event, 1, 0) == 0);
	live_check(pidfd_send_signal(child_fd, SIGUSR1, NULL, 0) == 0 && sigwaitinfo(&set, &info) == SIGUSR1);
	live_check(info.si_pid == child && pidfd_send_signal(thread, SIGUSR1, NULL, 0) == 0);
	live_check(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == getpid());
	live_check(pidfd_send_signal(child_fd, SIGKILL, NULL, 0) == 0 && epoll_wait(epoll, &event, 1, 5000) == 1);
	live_check(event.data.u64 == 77 && waitid(P_PIDFD, (id_t)child_fd, &info, WEXITED) == 0);
	live_check(info.si_pid == child && waitpid(child, &status, WNOHANG) == -1 && errno == ECHILD);
	live_pass();
}
