/* SPDX-License-Identifier: GPL-2.0-only */
/* What store.c and volume.c share. */
#pragma once
#include <signal.h>
#include "store/store.h"
#include "store/thin.h"

struct store {
	char *dir;
	char *prefix;		/* of every dm device of this store: "cpt-1a2b3c4d-" */
	char *pool;		/* dm name of the pool */
	char *boot_id;
	int lock_fd;		/* -1: opened for reading */
	uint64_t volume_bytes;	/* default size, 0: by memory */
	struct catalog *catalog;
	struct thin_snapshot_job *job;	/* between volume_snapshot_prepare() and _take() */
	bool memory_locked;
	sigset_t signals;	/* that were blocked before the volume was suspended */
	bool signals_blocked;
};

/* "cpt-1a2b3c4d-17", fresh. */
char *volume_name(const struct store *s, int64_t thin_id);
/* Whatever the pool and the kernel have of @thin_id goes: swap area, device, thin id, its note in the catalog. */
int volume_erase(struct store *s, int64_t thin_id, struct err *e);
/* Resume, unlock and unblock whatever a snapshot that is not finished holds. */
void volume_snapshot_abandon(struct store *s);
