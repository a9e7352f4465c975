// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ptys with both ends in the container: number, modes, window, packet mode,
 * lock, exclusive use; one shared by two processes, one whose slave was
 * closed, one whose master was, one that was hung up under its slave.
 */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "live.h"

static char slave_path[32];

static int open_master(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlock = 0, number = -1;

	live_check(master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0 && ioctl(master, TIOCGPTN, &number) == 0);
	snprintf(slave_path, sizeof(slave_path), "/dev/pts/%d", number);
	return master;
}

static int open_slave(int flags)
{
	int slave = open(slave_path, flags | O_NOCTTY);

	live_check(slave >= 0);
	return slave;
}

/* Does what is written to @from come out of @to? */
static bool passes(int from, const char *what, int to, const char *expected)
{
	char buf[64] = "";

	return write(from, what, strlen(what)) == (ssize_t)strlen(what) &&
	       read(to, buf, sizeof(buf) - 1) == (ssize_t)strlen(expected) && strcmp(buf, expected) == 0;
}

static short events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI };

	live_check(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static int number_of(int master)
{
	int number = -1;

	live_check(ioctl(master, TIOCGPTN, &number) == 0);
	return number;
}

int main(int argc, char **argv)
{
	struct winsize w = { 43, 132, 1000, 700 }, w_now;
	struct termios2 t, now;
	int raw, raw_slave, cooked, cooked_slave, closed, hung_master, hung, under, under_slave, number, one = 1, v, status;
	struct stat st;
	char buf[8], name[64];
	pid_t child;

	live_setup(argc, argv);
	live_needs_host("it hangs up a terminal that is not its own (TIOCVHANGUP)");
	/* With a mount namespace of its own it has a devpts of its own, in which numbers begin at 0. */
	if (live_in_namespaces())
		live_check(mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
				 "mode=600,gid=5,ptmxmode=666,max=64") == 0);
	raw = open_master();
	number = number_of(raw);
	live_check(!live_in_namespaces() || number == 0);
	raw_slave = open_slave(O_RDWR);
	live_check(ioctl(raw_slave, TCGETS2, &t) == 0);
	t.c_iflag = IXON | IUTF8;
	t.c_oflag = 0;
	t.c_lflag = TOSTOP;
	t.c_cc[VMIN] = 3;
	t.c_cc[VQUIT] = 'q';
	t.c_cflag = (t.c_cflag & ~(unsigned int)CBAUD) | BOTHER;
	t.c_ispeed = t.c_ospeed = 12345;
	live_check(ioctl(raw_slave, TCSETS2, &t) == 0 && ioctl(raw_slave, TIOCSWINSZ, &w) == 0);
	live_check(ioctl(raw_slave, TCGETS2, &t) == 0 && fchown(raw_slave, 12, 34) == 0 && fchmod(raw_slave, 0641) == 0);
	live_check(ioctl(raw, TIOCPKT, &one) == 0 && ioctl(raw, TIOCSPTLCK, &one) == 0);

	cooked = open_master();
	cooked_slave = open_slave(O_RDWR | O_NONBLOCK);
	live_check(ioctl(cooked_slave, TIOCEXCL) == 0);

	closed = open_master();
	close(open_slave(O_RDWR));

	hung_master = open_master();
	hung = open_slave(O_RDWR);
	close(hung_master);

	under = open_master();
	under_slave = open_slave(O_RDWR);
	live_check(ioctl(under_slave, TIOCVHANGUP) == 0);
	close(open_slave(O_RDWR));

	child = fork();
	live_check(child >= 0);
	if (child == 0)	/* holds what the parent holds, and shares it */
		_exit(read(cooked_slave, buf, 1) == -1 && errno == EAGAIN ? (pause(), 1) : 2);
	live_ready();

	live_check(number_of(raw) == number && ioctl(raw_slave, TCGETS2, &now) == 0 && memcmp(&t, &now, sizeof(t)) == 0);
	live_check(ioctl(raw, TIOCGWINSZ, &w_now) == 0 && memcmp(&w, &w_now, sizeof(w)) == 0);
	live_check(ioctl(raw, TIOCGPKT, &v) == 0 && v == 1 && ioctl(raw, TIOCGPTLCK, &v) == 0 && v == 1);
	live_check(fstat(raw_slave, &st) == 0 && st.st_uid == 12 && st.st_gid == 34 && st.st_mode == (S_IFCHR | 0641));
	live_check((events(raw) & (POLLIN | POLLPRI | POLLHUP)) == 0 && write(raw_slave, "out", 3) == 3);
	live_check(read(raw, buf, sizeof(buf)) == 4 && memcmp(buf, "\0out", 4) == 0);	/* TIOCPKT_DATA and data */
	live_check(passes(raw, "in\n", raw_slave, "in\n"));
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	live_check(open(name, O_RDWR | O_NOCTTY) == -1 && errno == EIO);	/* locked; spoils it for the others too */

	live_check(ioctl(cooked_slave, TIOCGEXCL, &v) == 0 && v == 1 && ioctl(raw_slave, TIOCGEXCL, &v) == 0 && v == 0);
	live_check((fcntl(cooked_slave, F_GETFL) & O_NONBLOCK) && !(fcntl(raw_slave, F_GETFL) & O_NONBLOCK));
	live_check(passes(cooked, "line\n", cooked_slave, "line\n") && read(cooked, buf, 6) == 6 &&
		   memcmp(buf, "line\r\n", 6) == 0);
	live_check(passes(cooked_slave, "a\n", cooked, "a\r\n"));
	live_check(kill(child, 0) == 0);

	live_check((events(closed) & POLLHUP) && read(closed, buf, 1) == -1 && errno == EIO);
	snprintf(slave_path, sizeof(slave_path), "/dev/pts/%d", number_of(closed));
	v = open_slave(O_RDWR);
	live_check(!(events(closed) & POLLHUP) && passes(v, "x", closed, "x"));

	live_check((events(hung) & POLLHUP) && read(hung, buf, 1) == 0 && write(hung, "x", 1) == -1 && errno == EIO);
	live_check((events(under_slave) & POLLHUP) && read(under_slave, buf, 1) == 0);
	snprintf(slave_path, sizeof(slave_path), "/dev/pts/%d", number_of(under));
	live_check(passes(open_slave(O_RDWR), "y", under, "y"));
	live_check(kill(child, 9) == 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	live_pass();
}
