// SPDX-License-Identifier: GPL-2.0-only
/*
 * A session on a pty, as a shell makes it: its controlling terminal, which one
 * member has dropped and another reads as /dev/tty; a group in the foreground,
 * which Ctrl-C ends, and one in the background, which may not read.
 *
 * Runs alone: beside others it has hung when it was restored, which is not understood yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include "live.h"

static int slave, dropped_says[2], tty;
static volatile sig_atomic_t resized;

static void on_resize(int sig)
{
	resized = sig;
}

/* Ends by the SIGINT that Ctrl-C sends to the group in the foreground. */
static void foreground_main(void)
{
	setpgid(0, 0);
	for (;;)
		pause();
}

/* Tells what it sees, whenever it is asked. */
static void dropped_main(void)
{
	char c;

	live_check(ioctl(slave, TIOCNOTTY) == 0);
	while (read(dropped_says[0], &c, 1) == 1) {
		c = open("/dev/tty", O_RDWR) == -1 && errno == ENXIO && tcgetpgrp(slave) == -1 && errno == ENOTTY ? 'y' : 'n';
		live_check(write(dropped_says[0], &c, 1) == 1);
	}
	_exit(0);
}

/* It is stopped when it reads from the terminal. */
static void background_main(void)
{
	char c;

	setpgid(0, 0);
	for (;;) {
		pause();
		live_check(read(slave, &c, 1) == 1);
	}
}

static void on_usr1(int sig)
{
	(void)sig;
}

static pid_t fork_into_group(void (*fn)(void), int group)
{
	pid_t pid = fork();

	live_check(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(1);
	}
	if (group)
		setpgid(pid, pid);
	return pid;
}

static void leader_main(int from, int to)
{
	struct sigaction usr1 = { .sa_handler = on_usr1 }, winch = { .sa_handler = on_resize };
	pid_t foreground, dropped, background;
	char c, line[16] = "";
	int status;

	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGWINCH, &winch, NULL);
	signal(SIGTTOU, SIG_IGN);
	live_check(setsid() == getpid() && ioctl(slave, TIOCSCTTY, 0) == 0);
	tty = open("/dev/tty", O_RDWR | O_NONBLOCK);
	live_check(tty >= 0);
	foreground = fork_into_group(foreground_main, 1);
	background = fork_into_group(background_main, 1);
	dropped = fork_into_group(dropped_main, 0);
	live_check(tcsetpgrp(slave, foreground) == 0);
	live_check(write(to, "s", 1) == 1 && read(from, &c, 1) == 1);

	live_check(tcgetpgrp(slave) == foreground && tcgetsid(slave) == getpid() && tcgetpgrp(tty) == foreground);
	live_check(write(dropped_says[1], "?", 1) == 1 && read(dropped_says[1], &c, 1) == 1 && c == 'y');
	live_check(resized == 0);
	live_check(write(to, "r", 1) == 1);			/* let the window be resized, */
	live_check(read(from, &c, 1) == 1);			/* ... which the leader is not told of */
	live_check(resized == 0);
	live_check(write(to, "i", 1) == 1 && waitpid(foreground, &status, 0) == foreground);
	live_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	live_check(kill(background, SIGUSR1) == 0 && waitpid(background, &status, WUNTRACED) == background);
	live_check(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
	live_check(tcsetpgrp(slave, getpgrp()) == 0);
	live_check(write(to, "w", 1) == 1 && read(from, &c, 1) == 1);
	live_check(read(tty, line, sizeof(line)) == 5 && strcmp(line, "word\n") == 0);
	kill(background, SIGKILL);
	kill(dropped, SIGKILL);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct winsize w = { 50, 100, 0, 0 };
	int master, up[2], down[2], status;
	char c, echo[32];
	pid_t leader;

	live_setup(argc, argv);
	live_check(openpty(&master, &slave, NULL, NULL, NULL) == 0 && pipe(up) == 0 && pipe(down) == 0);
	live_check(socketpair(AF_UNIX, SOCK_STREAM, 0, dropped_says) == 0);
	leader = fork();
	live_check(leader >= 0);
	if (leader == 0)
		leader_main(down[0], up[1]);
	close(slave);
	live_check(read(up[0], &c, 1) == 1 && c == 's');
	live_ready();

	live_check(tcgetsid(master) == leader);
	live_check(write(down[1], ".", 1) == 1 && read(up[0], &c, 1) == 1 && c == 'r');
	live_check(ioctl(master, TIOCSWINSZ, &w) == 0 && write(down[1], ".", 1) == 1);
	live_check(read(up[0], &c, 1) == 1 && c == 'i' && write(master, "\3", 1) == 1);
	live_check(read(up[0], &c, 1) == 1 && c == 'w' && write(master, "word\n", 5) == 5);
	live_check(read(master, echo, sizeof(echo)) > 0 && write(down[1], ".", 1) == 1);
	live_check(waitpid(leader, &status, 0) == leader && status == 0);
	live_check(read(master, echo, sizeof(echo)) >= -1);
	live_pass();
}
