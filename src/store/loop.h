/* SPDX-License-Identifier: GPL-2.0-only */
/* Loop devices, by ioctl (loop(4)). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/*
 * The loop device of @file ("/dev/loop3"), attached now if it is not yet, with
 * direct I/O where the file system can (pages are not cached twice). It stays
 * until loop_detach(), also when this process ends.
 */
int loop_attach(const char *file, char *dev, size_t dev_len, struct err *e);
/* As loop_attach(), for an open file whatever its name. */
int loop_attach_fd(int fd, const char *name, char *dev, size_t dev_len, struct err *e);
/* The device that @file is attached to. -ENOENT: none. */
int loop_find(const char *file, char *dev, size_t dev_len, struct err *e);
/* Detach it if it is attached. -EBUSY: in use. */
int loop_detach(const char *file, struct err *e);
int loop_detach_device(const char *dev, struct err *e);
