/* SPDX-License-Identifier: GPL-2.0-only */
/* Signals: tables `sigaction`, `signal_mask` (with the alternate stack) and `pending_signal`. */
#pragma once
#include "state/kind.h"

struct pending_signal_row {
	int64_t thread;		/* whose queue; the leader's row with shared = 1 is the process's */
	int64_t shared;
	int64_t place;		/* in the queue */
	int64_t signal;
	struct blob siginfo;
};
extern const struct table pending_signal_table;

/*
 * Is a signal with that number and si_code in the queue of the stopped thread
 * @tid, or of its process? Of SI_TIMER that of the timer with this id. 1, 0, or negative.
 */
int signal_is_queued(pid_t tid, bool shared, int signal, int code, int timer, struct err *e);

extern const struct kind signal_kind;
