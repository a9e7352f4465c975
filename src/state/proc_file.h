/* SPDX-License-Identifier: GPL-2.0-only */
/* Files and directories of procfs that describe a process of the container: table `proc_file`. */
#pragma once
#include "state/file.h"

/*
 * How much of the path of @f, which is in procfs, is that of the mount: "/proc"
 * of "/proc/12/status". Negative when its root can't be found above it.
 */
int proc_file_mount(const struct open_file *f);

extern const struct file_kind proc_file_kind;
