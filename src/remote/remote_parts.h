/* SPDX-License-Identifier: GPL-2.0-only */
/* What foothold.c and run.c share. */
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include "base/util.h"
#include "remote/stub.h"

#define FOOTHOLD_SIZE (1024 * 1024ul)
/* Behind the stub's page: the way home, then the part of a batch that is being run. */
#define FOOTHOLD_ROOM (FOOTHOLD_SIZE - STUB_HOME - HOME_SIZE)

struct remote {
	pid_t pid;
	pid_t own_pid;		/* the process's id in its own pid namespace */
	uint64_t base;
	uint64_t gadget;	/* address of a `syscall` instruction outside the foothold */
	char *image;		/* room to put together what goes to base + STUB_HOME */
};
