// SPDX-License-Identifier: GPL-2.0-only
/* Ids with which cpt makes files, see fs_user.h. */
#include <linux/securebits.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include "state/fs_user.h"

int fs_user_become(struct fs_user *was, int dir, struct err *e)
{
	struct stat st;

	*was = (struct fs_user){ 0 };
	if (fstat(dir, &st) < 0)
		return err_sys(e, "fstat of a directory");
	if (!st.st_uid && !st.st_gid)
		return 0;
	was->dumpable = prctl(PR_GET_DUMPABLE);
	was->bits = prctl(PR_GET_SECUREBITS);
	/* Or the capabilities to do with files would go with the id (cap_task_fix_setuid()). */
	if (was->bits < 0 || prctl(PR_SET_SECUREBITS, was->bits | SECBIT_NO_SETUID_FIXUP) < 0)
		return err_sys(e, "keep capabilities");
	was->changed = 1;
	setfsgid(st.st_gid);
	setfsuid(st.st_uid);
	return 0;
}

void fs_user_return(struct fs_user *was)
{
	if (!was->changed)
		return;
	setfsuid(0);
	setfsgid(0);
	prctl(PR_SET_SECUREBITS, was->bits);
	/* A change of ids has cleared that (commit_creds()); who is to take descriptors from cpt needs it. */
	prctl(PR_SET_DUMPABLE, was->dumpable);
	was->changed = 0;
}
