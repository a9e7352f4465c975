/* SPDX-License-Identifier: GPL-2.0-only */
/* Trying everything that cpt needs of this machine, see host/feature.h. */
#pragma once
#include "host/feature.h"

/* @e: NULL when it works. Advice is in @e, or in the feature. */
typedef void doctor_fn(const struct feature *f, const struct err *e, void *arg);

/* Test every feature in turn and tell @fn. Nothing is left of the tests. */
void doctor_run(doctor_fn *fn, void *arg);
