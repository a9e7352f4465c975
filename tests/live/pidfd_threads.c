// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pidfds of threads: of one's own and of the parent's, under several numbers,
 * shared by two processes; a signal goes to that thread, its end is seen.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static int got[2], tids[2];

static void *waiter(void *arg)
{
	int nr = *(int *)arg;
	sigset_t set;
	pid_t tid = gettid();

	live_check(write(tids[1], &tid, sizeof(tid)) == sizeof(tid));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	live_check(sigwaitinfo(&set, NULL) == SIGUSR1 && write(got[1], &nr, sizeof(nr)) == sizeof(nr));
	return NULL;
}

static short events(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	live_check(poll(&p, 1, ms) >= 0);
	return p.revents;
}

int main(int argc, char **argv)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u64 = 1 } };
	int numbers[2] = { 1, 2 }, pidfds[2], high, epoll, nr, status, ask[2];
	pthread_t threads[2];
	pid_t tid[2], child;
	sigset_t set;
	char c;

	live_setup(argc, argv);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	live_check(pipe(got) == 0 && pipe(tids) == 0 && pipe(ask) == 0);
	epoll = epoll_create1(0);
	for (int i = 0; i < 2; i++) {
		live_check(pthread_create(&threads[i], NULL, waiter, &numbers[i]) == 0);
		live_check(read(tids[0], &tid[i], sizeof(pid_t)) == sizeof(pid_t));
		pidfds[i] = (int)syscall(SYS_pidfd_open, tid[i], O_EXCL /* PIDFD_THREAD */);
		live_check(pidfds[i] >= 0);
	}
	high = dup2(pidfds[1], 50);
	live_check(epoll_ctl(epoll, EPOLL_CTL_ADD, pidfds[1], &event) == 0 && fcntl(pidfds[1], F_SETFD, 0) == 0);
	child = fork();
	live_check(child >= 0);
	if (child == 0) {	/* makes what both have open nonblocking, and ends its parent's first thread's wait */
		live_check(read(ask[0], &c, 1) == 1 && fcntl(high, F_SETFL, O_NONBLOCK) == 0);
		_exit(pidfd_send_signal(pidfds[0], SIGUSR1, NULL, 0));
	}
	live_ready();

	live_check(tid[0] != getpid() && (fcntl(pidfds[0], F_GETFL) & O_EXCL) && (fcntl(high, F_GETFL) & O_EXCL));
	live_check((fcntl(pidfds[0], F_GETFD) & FD_CLOEXEC) && !(fcntl(pidfds[1], F_GETFD) & FD_CLOEXEC));
	live_check(events(pidfds[0], 0) == 0 && events(pidfds[1], 0) == 0 && !(fcntl(pidfds[1], F_GETFL) & O_NONBLOCK));
	live_check(write(ask[1], "?", 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
	live_check(read(got[0], &nr, sizeof(nr)) == sizeof(nr) && nr == 1 && pthread_join(threads[0], NULL) == 0);
	live_check((events(pidfds[0], 5000) & POLLIN) && events(pidfds[1], 0) == 0);
	live_check((fcntl(pidfds[1], F_GETFL) & O_NONBLOCK) && epoll_wait(epoll, &event, 1, 0) == 0);
	live_check(pidfd_send_signal(high, SIGUSR1, NULL, 0) == 0 && read(got[0], &nr, sizeof(nr)) == sizeof(nr) && nr == 2);
	live_check(epoll_wait(epoll, &event, 1, 5000) == 1 && pthread_join(threads[1], NULL) == 0);
	live_pass();
}
