// SPDX-License-Identifier: GPL-2.0-only
/* Leases are held: who opens the file has to wait, and the holder is told by the signal it chose. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static volatile sig_atomic_t heard, heard_fd;

static void hear(int signal, siginfo_t *info, void *context)
{
	(void)context;
	heard_fd = info->si_fd;
	heard = signal;
}

static bool opens(const char *name, int flags)
{
	int fd = open(live_path(name), flags | O_NONBLOCK), status;
	pid_t pid;

	if (fd >= 0)
		live_check(close(fd) == 0);
	else
		live_check(errno == EWOULDBLOCK);
	/* The same for another process. */
	pid = fork();
	if (pid == 0)
		_exit(open(live_path(name), flags | O_NONBLOCK) >= 0);
	live_check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	live_check(WEXITSTATUS(status) == (fd >= 0));
	return fd >= 0;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_sigaction = hear, .sa_flags = SA_SIGINFO | SA_RESTART };
	int writer, reader, plain;

	live_setup(argc, argv);
	live_check(sigaction(SIGRTMIN + 2, &act, NULL) == 0 && sigaction(SIGIO, &act, NULL) == 0);
	live_check(close(creat(live_path("w"), 0600)) == 0 && close(creat(live_path("r"), 0600)) == 0);
	writer = open(live_path("w"), O_RDWR);
	reader = open(live_path("r"), O_RDONLY);
	live_check(writer >= 0 && reader >= 0);
	live_check(fcntl(writer, F_SETSIG, SIGRTMIN + 2) == 0);
	live_check(fcntl(writer, F_SETLEASE, F_WRLCK) == 0 && fcntl(reader, F_SETLEASE, F_RDLCK) == 0);
	live_ready();

	live_check(fcntl(writer, F_GETLEASE) == F_WRLCK && fcntl(reader, F_GETLEASE) == F_RDLCK);
	live_check(!heard);
	/* Reading is no matter to a lease for reading. */
	live_check(opens("r", O_RDONLY) && !heard);
	live_check(!opens("r", O_WRONLY) && heard == SIGIO && fcntl(reader, F_GETLEASE) == F_UNLCK);
	heard = 0;
	live_check(!opens("w", O_RDONLY) && heard == SIGRTMIN + 2 && heard_fd == writer);
	live_check(fcntl(writer, F_SETLEASE, F_UNLCK) == 0 && fcntl(reader, F_SETLEASE, F_UNLCK) == 0);
	live_check(opens("r", O_WRONLY) && opens("w", O_RDWR));
	plain = open(live_path("w"), O_RDONLY);
	live_check(plain >= 0 && fcntl(plain, F_GETLEASE) == F_UNLCK);
	live_pass();
}
