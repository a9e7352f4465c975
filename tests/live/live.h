/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Live tests: programs that set something up, are snapshotted and restored
 * while they wait in live_ready(), and then look for themselves whether
 * everything is as it was. One thing each, named <noun>_<case>.c.
 *
 * What they have to say goes into files of the directory $CPT_LIVE_DIR, which
 * scripts/live-tests reads: `ready`, then, once there is a file `go`, `pass` or
 * `fail` (with the reason). `skip` says why the test can't run here; `refused`
 * what the refusal of the snapshot must say, and then the test runs on.
 * While it waits, a test has no descriptor open that it did not open itself.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* First of all: input from /dev/null, output to the file `output`, no other descriptor open. */
void live_setup(int argc, char **argv);
/* Say that all is set up and wait for the file `go`. Only the first process calls it. */
void live_ready(void);
/* Say that cpt has to refuse this process, for a reason in which @text is; before live_ready(). */
void live_refused(const char *text);
/* Does it run in namespaces of its own? */
bool live_in_namespaces(void);
/* It needs what only the host's root may do: skipped where root is that of a user namespace. First after live_setup(). */
void live_needs_host(const char *why);
/* From here on what it mounts is not seen by others: it gets a mount namespace of its own. */
void live_own_mounts(void);
/* The loopback interface is up, or the test is skipped. */
void live_lo_up(void);
/* The last word; children still there are left to whoever runs the test. Any process may call live_fail(). */
void live_pass(void) __attribute__((noreturn));
void live_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void live_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A file @name with @text in $CPT_LIVE_DIR, at once complete for whoever waits for it. */
void live_mark(const char *name, const char *text);
/* The path of @name in $CPT_LIVE_DIR; good until the fourth call from then. */
const char *live_path(const char *name);

/* Fail with line and condition, and what errno says. */
#define live_check(condition) \
	((condition) ? (void)0 : live_fail_at(__FILE__, __LINE__, #condition))
void live_fail_at(const char *file, int line, const char *condition) __attribute__((noreturn));
