/* SPDX-License-Identifier: GPL-2.0-only */
/* Signals: tables `sigaction`, `signal_mask` (with the alternate stack) and `pending_signal`. */
#pragma once
#include "state/kind.h"

extern const struct kind signal_kind;
