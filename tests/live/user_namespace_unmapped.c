// SPDX-License-Identifier: GPL-2.0-only
/* A user namespace that has no map yet: everybody is nobody in there, until the map is written. */
#include <grp.h>
#include "guest.h"

static void nobody_main(struct guest *g)
{
	gid_t groups[2] = { 300, 301 };

	guest_check(g, setgroups(2, groups) == 0 && setresgid(61, 62, 63) == 0 && setresuid(51, 52, 53) == 0);
	guest_check(g, prctl(PR_SET_DUMPABLE, 1) == 0 && unshare(CLONE_NEWUSER) == 0);
	guest_see(g);
	guest_next(g);
	guest_see(g);
	guest_check(g, getuid() == 65534 && geteuid() == 65534 && getegid() == 65534);
	guest_next(g);		/* now there is one */
	guest_check(g, getuid() == 1 && geteuid() == 2 && getgid() == 11 && getegid() == 12);
	guest_check(g, setresuid(0, 0, 0) == 0 && getuid() == 0);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct guest *g;
	pid_t pid;

	live_setup(argc, argv);
	g = guests_room();
	if ((pid = fork()) == 0)
		nobody_main(g);
	g->pid = pid;
	guest_step(g, 1);
	guest_note(g);

	live_ready();

	guest_step(g, 2);
	guest_same(g);
	guest_write(g->pid, "uid_map", "0 50 10\n");
	guest_write(g->pid, "gid_map", "10 60 10\n");
	guest_end(g, 3);
	live_pass();
}
