/* SPDX-License-Identifier: GPL-2.0-only */
/* Pidfds: table `pidfd`. */
#pragma once
#include "state/file.h"

extern const struct kind pidfd_kind;		/* refers to the tasks once they are there, */
extern const struct file_kind pidfd_file_kind;	/* in files that were opened before */
