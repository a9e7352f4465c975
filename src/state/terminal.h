/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Terminals whose other end is outside of the container (outside.h): slaves of
 * ptys whose master is, consoles, serial lines. Tables `terminal` and
 * `terminal_process`.
 */
#pragma once
#include "state/process.h"

extern const struct kind terminal_kind;
extern const struct file_kind terminal_file_kind;

/* Save @f, an open file of the terminal @device, which is outside for @reason; or refuse it. */
int terminal_save(struct save *s, struct open_file *f, dev_t device, const char *reason, struct err *e);
/* The same of a process whose controlling terminal is @device, outside; @stat is its text in /proc. */
void terminal_save_process(struct save *s, const struct live_process *p, dev_t device, const char *stat);

/* Is it anybody's controlling terminal? */
bool terminal_is_controlling(const struct image *img, int64_t outside);
/* As pty_process_take() and pty_process_drop(). It may be another session's already: then it is not taken, which is noted. */
int terminal_take(const struct restore *r, int64_t process, struct err *e);
int terminal_drop(const struct restore *r, const struct process_row *row, struct err *e);
