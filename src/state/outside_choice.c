// SPDX-License-Identifier: GPL-2.0-only
/* What options say about things whose other end is outside, see outside.h. */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include "base/util.h"
#include "state/outside.h"

enum { ALL = 1, KIND, GLOB, EXACT = OUTSIDE_EXACTLY };

/* "pipe:[12345]" is "pipe:12345"; a bracket around anything else is of glob(7). */
static char *without_brackets(const char *pattern)
{
	const char *open = strchr(pattern, '[');
	size_t digits = open ? strspn(open + 1, "0123456789") : 0;

	if (!open || open == pattern || open[-1] != ':' || digits < 2 || strcmp(open + 1 + digits, "]") != 0)
		return xstrdup(pattern);
	return xasprintf("%.*s%.*s", (int)(open - pattern), pattern, (int)digits, open + 1);
}

int outside_match(const char *pattern, const char *kind, const char *name)
{
	_cleanup_free_ char *plain = without_brackets(pattern);

	if (strcmp(plain, name) == 0)
		return EXACT;
	if (strcmp(plain, kind) == 0)
		return KIND;
	if (strcmp(plain, "all") == 0)
		return ALL;
	return fnmatch(plain, name, 0) == 0 ? GLOB : 0;
}

static const char *const options[] = {
	[OUTSIDE_INHERIT] = "--inherit takes NAME=FD", [OUTSIDE_REPLACE] = "--replace takes NAME=PATH",
	[OUTSIDE_DROP] = "--drop takes NAME",
};

static int wrong(enum outside_how how, const char *text, const char *why, struct err *e)
{
	err_set(e, -EINVAL, "%s, not \"%s\": %s", options[how], text, why);
	return err_advise(e, "NAME is as `cpt show` lists it, a pattern like 'pipe:*', pipe, unix, tty, mount, or all");
}

static int parse_fd(const char *digits, int *ret)
{
	char *end;
	unsigned long fd;

	if (!isdigit((unsigned char)*digits))
		return -EINVAL;
	errno = 0;
	fd = strtoul(digits, &end, 10);
	if (*end || errno || fd > INT_MAX)
		return -EINVAL;
	*ret = (int)fd;
	return 0;
}

static char *absolute(const char *path)
{
	_cleanup_free_ char *cwd = *path == '/' || *path == '@' ? NULL : getcwd(NULL, 0);

	return cwd ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
}

/* No name has a '=' in it, see name_make() in outside.c. */
int outside_choice_parse(struct outside_choice *ret, enum outside_how how, const char *text, struct err *e)
{
	const char *equals = strchr(text, '=');
	struct outside_choice c = { .how = how, .fd = -1 };

	if (how == OUTSIDE_DROP ? !*text : !equals || equals == text)
		return wrong(how, text, "there is no name in it", e);
	if (how == OUTSIDE_DROP && equals)
		return wrong(how, text, "what is dropped gets nothing in its place", e);
	if (how == OUTSIDE_INHERIT && parse_fd(equals + 1, &c.fd) < 0)
		return wrong(how, text, "what is behind the = is no number of a descriptor", e);
	if (how == OUTSIDE_REPLACE && !equals[1])
		return wrong(how, text, "there is no path in it", e);
	c.name = equals ? xasprintf("%.*s", (int)(equals - text), text) : xstrdup(text);
	if (how == OUTSIDE_REPLACE)
		c.path = absolute(equals + 1);
	*ret = c;
	return 0;
}

void outside_choice_clear(struct outside_choice *c)
{
	free(take_ptr(c->name));
	free(take_ptr(c->path));
}
