/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/* The name of a system call of x86-64, or NULL for a number that Linux 6.12 does not have. */
const char *syscall_name(long nr);
