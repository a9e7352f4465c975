/* SPDX-License-Identifier: GPL-2.0-only */
/* Asking the kernel for ids of objects about to be made: /proc/self/task/<tid>/next_id. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"

/* @kind: "PID", "IPC_SHM", "IPC_SEM", "IPC_MSG", "PTY". Listed in /proc/sys/kernel/next_id_kinds. */
bool next_id_known(const char *kind);
/*
 * The next task that this thread makes gets @ids[0] in its own pid namespace,
 * @ids[1] in the one outside of that, and so on. @proc: a /proc directory.
 */
int next_id_ask_pids(int proc, const pid_t *ids, size_t nr, struct err *e);	/* -ENOSYS: the kernel has no next_id */
/* The text to write for that, for a remote call: "PID2 7 812". Returns its length. */
size_t next_id_format_pids(char *buf, size_t size, const pid_t *ids, size_t nr);
/*
 * The next object of @kind ("IPC_SHM"...) gets @id. On a kernel without next_id
 * mainline's kernel.{shm,sem,msg}_next_id is asked, which promises nothing:
 * callers compare what they got.
 */
int next_id_ask(int proc, const char *kind, long id, struct err *e);
