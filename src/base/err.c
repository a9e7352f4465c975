// SPDX-License-Identifier: GPL-2.0-only
/* Errors with context, see err.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/err.h"

static void err_fill(struct err *e, int code, const char *fmt, va_list args)
{
	e->code = code;
	e->advice[0] = 0;
	vsnprintf(e->msg, sizeof(e->msg), fmt, args);
}

static void err_append_reason(struct err *e)
{
	size_t len = strlen(e->msg);

	snprintf(e->msg + len, sizeof(e->msg) - len, ": %s", strerror(-e->code));
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	err_fill(e, code, fmt, args);
	va_end(args);
	return code;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int code = -errno;
	va_list args;

	va_start(args, fmt);
	err_fill(e, code, fmt, args);
	va_end(args);
	err_append_reason(e);
	return code;
}

int err_ret(struct err *e, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	err_fill(e, code, fmt, args);
	va_end(args);
	err_append_reason(e);
	return code;
}

int err_in(struct err *e, const char *fmt, ...)
{
	char inner[sizeof(e->msg)];
	va_list args;
	size_t len;

	memcpy(inner, e->msg, sizeof(inner));
	va_start(args, fmt);
	vsnprintf(e->msg, sizeof(e->msg), fmt, args);
	va_end(args);
	len = strlen(e->msg);
	snprintf(e->msg + len, sizeof(e->msg) - len, ": %.*s", (int)sizeof(inner) - 1, inner);
	return e->code;
}

int err_advise(struct err *e, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(e->advice, sizeof(e->advice), fmt, args);
	va_end(args);
	return e->code;
}
