/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers of a thread: table `registers`. */
#pragma once
#include "state/kind.h"

extern const struct kind registers_kind;
