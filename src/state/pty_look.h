/* SPDX-License-Identifier: GPL-2.0-only */
/* A look at what waits in a pty, see pty_look.c. */
#pragma once
#include "state/pty.h"

#define PTY_QUEUE_LONGEST 4096	/* N_TTY_BUF_SIZE in drivers/tty/n_tty.c */

struct pty_look {
	size_t waiting;		/* in: bytes of output, as far as FIONREAD counts them; 0: there is none to look at */
	int key_index;		/* in: control character whose key to press (VREPRINT...); 0: none */
	char output[4 * PTY_QUEUE_LONGEST];
	size_t nr_output;
	unsigned char key;	/* that was pressed */
	char echo[4 * PTY_QUEUE_LONGEST];
	size_t nr_echo;
};

/* In a stopped container. Afterwards all is as it was. */
int pty_look(const struct pty_row *row, struct open_file *master, struct pty_look *l, struct err *e);
