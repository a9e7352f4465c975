/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptors of memfds: table `memfd`. Their memory is in table `shmem`. */
#pragma once
#include "state/kind.h"

extern const struct file_kind memfd_kind;
