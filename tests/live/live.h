/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A live test is a program that sets something up, says that it is ready, is
 * snapshotted and restored by scripts/live-tests while it waits, and then
 * checks itself. The verdict is a file in $CPT_LIVE_DIR: pass, fail or skip.
 */
#pragma once
#include <stdbool.h>

void live_setup(int argc, char **argv);
/* Tell that everything is set up, wait until told to go on. No descriptor is held meanwhile. */
void live_ready(void);
void live_pass(void) __attribute__((noreturn));
void live_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* This machine can't make what is to be tested; before live_ready(). */
void live_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* live_fail() with the condition's text unless it holds. */
#define live_check(cond) ((cond) ? (void)0 : live_fail("line %d: not %s", __LINE__, #cond))
/* A path in the test's own directory; static storage. */
const char *live_path(const char *name);
