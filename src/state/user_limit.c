// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many objects of a kind the users of a user namespace may have: table `user_limit`. These files of /proc/sys/user
 * are about the namespace of whoever reads or writes them.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "state/namespace.h"
#include "state/user_namespace.h"

#define DIRECTORY "/proc/sys/user"
#define UNLIMITED INT_MAX	/* what a new one begins with (create_user_ns()) */

static const struct column user_limit_columns[] = {
	INT_COLUMN(struct user_limit_row, namespace, 0, 65535),
	TEXT_COLUMN(struct user_limit_row, name, 64),
	INT_COLUMN(struct user_limit_row, value, 0, INT_MAX),
};
const struct table user_limit_table = TABLE("user_limit", struct user_limit_row, user_limit_columns);

int user_limits_tell(int fd)
{
	_cleanup_dir_ DIR *dir = opendir(DIRECTORY);

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	for (struct dirent *d; (d = readdir(dir)); ) {
		_cleanup_free_ char *text = NULL;
		int r = *d->d_name == '.' ? 0 : read_file_at(dirfd(dir), d->d_name, &text, NULL);

		if (r < 0)
			return r;
		if (text && atol(text) != UNLIMITED && dprintf(fd, "%s %ld\n", d->d_name, atol(text)) < 0)
			return -errno;
	}
	return 0;
}

int user_limits_save(struct save *s, int64_t namespace, const char *told, struct err *e)
{
	for (const char *line = told; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
		struct user_limit_row row = { .namespace = namespace };
		char name[65];

		if (sscanf(line, "%64s %ld", name, &row.value) != 2)
			return err_set(e, -EBADMSG, DIRECTORY " has an unknown line: %.100s", line);
		row.name = image_strdup(s->img, name);
		*(struct user_limit_row *)image_add(s->img, &user_limit_table) = row;
	}
	return 0;
}

int user_limits_check(const struct image *img, struct err *e)
{
	const struct user_limit_row *row;

	image_for_each(row, img, &user_limit_table)
		if (!image_find(img, &user_namespace_table, offsetof(struct user_namespace_row, namespace),
				row->namespace) || strncmp(row->name, "max_", 4) != 0 ||
		    strspn(row->name, "abcdefghijklmnopqrstuvwxyz_") != strlen(row->name))
			return err_set(e, -EBADMSG, "table user_limit: '%s' of namespace %ld is no limit of a user "
				       "namespace", row->name, row->namespace);
	return 0;
}

static int limit_write(void *arg)
{
	const struct user_limit_row *row = arg;
	_cleanup_free_ char *path = xasprintf(DIRECTORY "/%s", row->name), *text = xasprintf("%ld", row->value);

	return write_file_at(-1, path, text);
}

/* When everything is made: there may be more than the limit allows by now. */
int user_limits_restore(struct restore *r, struct err *e)
{
	struct user_limit_row *row;

	image_for_each(row, r->img, &user_limit_table)
		if (user_namespace_do(r, row->namespace, COLUMN_NULL, limit_write, row,
				      "set a limit of a user namespace", e) < 0)
			return err_in(e, "%s", row->name);
	return 0;
}
