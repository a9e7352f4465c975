/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors. A function that can fail returns 0 or a negative errno and fills a
 * struct err exactly once, where the failure happened: what was tried, on
 * what, and why. Callers add only where ("task 12 (redis-server)").
 * Libraries return, only main() prints.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>

struct err {
	int code;		/* negative errno; 0: no error */
	char msg[1536];		/* one sentence, no final period */
	char advice[512];	/* what the user can do, or empty */
};

#define ERR_INIT ((struct err){ 0 })

/* Fill @e with @code (negative errno) and a message; returns @code. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* As err_set() with -errno as the code and its text behind the message. */
int err_sys(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* As err_sys() for a negative errno value that a call returned. */
int err_ret(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Put "where: " before the message; returns e->code. */
int err_in(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Say what the user can do about it; returns e->code. */
int err_advise(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
