/* SPDX-License-Identifier: GPL-2.0-only */
/* What live.c, live_maps.c and live_files.c share. */
#pragma once
#include "state/live.h"

/* kcmp(2) as a comparison: <0, 0, >0. */
int live_kcmp(pid_t a, pid_t b, int what, uint64_t x, uint64_t y);
/* Mappings of one process; -ESRCH when it ended. */
int live_read_vmas(struct live_process *p, struct err *e);
/* Descriptors of all processes and the open files behind them. */
int live_read_files(struct live *l, struct err *e);
void live_free_files(struct live *l);
