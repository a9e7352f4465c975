/* SPDX-License-Identifier: GPL-2.0-only */
/* What foothold.c and run.c share. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/util.h"
#include "remote/stub.h"

struct tracee;

#define FOOTHOLD_SIZE ((unsigned long)FOOTHOLD_BYTES)
/* Behind the stub's page: the way home, then the part of a batch that is being run. */
#define FOOTHOLD_ROOM (FOOTHOLD_SIZE - STUB_HOME - HOME_SIZE)

struct remote {
	pid_t pid;
	pid_t own_pid;		/* the process's id in its own pid namespace */
	uint64_t base;
	uint64_t gadget;	/* address of a `syscall` instruction outside the foothold */
	bool is_new;		/* a process that cpt is making: it is to end with cpt */
	uint64_t nest;		/* address of two nests; 0: there are none (nest.c) */
	int mem;		/* /proc/<pid>/mem, to write where the process itself may not */
	char *nests;		/* as they are there */
	unsigned int turn;	/* which of them is the carrier's */
	struct tracee *carrier;	/* the thread whose registers lead to its nest; NULL */
	char *image;		/* room to put together what goes to base + STUB_HOME */
};
