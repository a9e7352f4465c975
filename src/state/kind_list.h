/* SPDX-License-Identifier: GPL-2.0-only */
/* Every kind there is; for kinds.c alone. */
#pragma once
#include "state/file_kinds.h"
#include "state/leader.h"
#include "state/memfd.h"
#include "state/mm.h"
#include "state/mount.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/pty.h"
#include "state/registers.h"
#include "state/shmem.h"
#include "state/signal.h"
#include "state/swap_run.h"
#include "state/sysv.h"
#include "state/task_kinds.h"
#include "state/vma.h"
#include "state/zombie.h"
