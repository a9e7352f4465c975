/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making files as someone whom their file system knows: one of a user namespace has no name for the host's root, and
 * lets nobody without a name make anything (fsuidgid_has_mapping()). cpt keeps all its power meanwhile.
 */
#pragma once
#include "base/err.h"

struct fs_user {
	int changed, bits, dumpable;
};

/* Be the owner of @dir from here on. A negative errno: nothing has changed. */
int fs_user_become(struct fs_user *was, int dir, struct err *e);
/* Be the host's root again. Never fails. */
void fs_user_return(struct fs_user *was);
