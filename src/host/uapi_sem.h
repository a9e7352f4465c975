/* SPDX-License-Identifier: GPL-2.0-only */
/* What cpt's kernel series adds to semctl(2). */
#pragma once

/* semctl(semid, 0, GETADJ, short *array): the caller's pending undo of every semaphore of the set. */
#define GETADJ 21
