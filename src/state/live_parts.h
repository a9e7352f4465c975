/* SPDX-License-Identifier: GPL-2.0-only */
/* What live.c, live_sharing.c, live_maps.c, live_files.c, live_zombies.c and live_frozen.c share. */
#pragma once
#include "state/live.h"

/* kcmp(2) as a comparison: <0, 0, >0. */
int live_kcmp(pid_t a, pid_t b, int what, uint64_t x, uint64_t y);
struct live_process live_process_new(pid_t pid);
void asked_free(struct asked *a);	/* kinds.c */
/* Begin with a process; -ESRCH when it ended meanwhile. */
int live_process_open(struct live_process *p, pid_t pid, const char *cgroup, struct err *e);
void live_process_clear(struct live_process *p);
/* /proc/<pid>/status anew, and what is in it. Negative errno, without a message. */
int live_process_read_status(struct live_process *p);
/* Who has the same address space, descriptor table, fs; and tables that threads have for themselves. */
int live_find_shared(struct live *l, struct err *e);
/* Children of the processes found so far that have ended: cgroup.procs does not list them. */
int live_read_zombies(struct live *l, struct err *e);
/* Mappings of one process; -ESRCH when it ended. */
int live_read_vmas(struct live_process *p, struct err *e);
/* Descriptors of all processes and the open files behind them. */
int live_read_files(struct live *l, struct err *e);
void live_free_files(struct live *l);
/* Thaw its cgroups, all of whose tasks ptrace holds; freeze those again that were. */
int live_thaw(struct live *l, struct err *e);
void live_refreeze(struct live *l);
