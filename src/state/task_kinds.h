/* SPDX-License-Identifier: GPL-2.0-only */
/* Kinds of what a task is and may do, each in the file of its name. */
#pragma once
#include "state/kind.h"

extern const struct kind credentials_kind;	/* uids, gids, capabilities, securebits, dumpable */
extern const struct kind seccomp_kind;		/* which system calls it may make */
extern const struct kind rlimit_kind;		/* resource limits */
extern const struct kind scheduling_kind;	/* policy, nice, affinity, oom_score_adj, personality */
extern const struct kind timer_kind;		/* interval timers */
extern const struct kind posix_timer_kind;	/* timers of timer_create(2) */
extern const struct kind stopped_kind;		/* by job control */
extern const struct kind thread_area_kind;	/* addresses the kernel keeps for the C library */
extern const struct kind fs_kind;		/* working directory, root, umask */

/* Go to the working directory that @process is to have, if the caller may. */
void fs_go(const struct image *img, int64_t process);
