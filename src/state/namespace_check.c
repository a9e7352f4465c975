// SPDX-License-Identifier: GPL-2.0-only
/* Do the rows of table `namespace`, and those of processes that refer to them, make sense? */
#include <errno.h>
#include <string.h>
#include "state/namespace.h"
#include "state/process.h"
#include "state/user_namespace.h"

/* Is namespace @id, of @type, there, before row @before? COLUMN_NULL is the host's. */
static bool is_there(const struct restore *r, int64_t id, const char *type, int64_t before)
{
	size_t nr;
	const struct namespace_row *rows = image_rows(r->img, &namespace_table, &nr);

	return id == COLUMN_NULL || (id < (int64_t)nr && id < before && strcmp(rows[id].type, type) == 0);
}

/* create_pid_namespace(): who owns it is in the user namespace that owns the one around it. */
static bool pid_ns_is_sane(const struct restore *r, const struct namespace_row *row)
{
	size_t nr;
	const struct namespace_row *rows = image_rows(r->img, &namespace_table, &nr);
	const struct namespace_row *parent = row->parent == COLUMN_NULL ? NULL : &rows[row->parent];

	return row->level == (parent ? parent->level : 0) + 1 &&
	       user_namespace_within(r->img, row->user_ns, parent ? parent->user_ns : COLUMN_NULL);
}

static int process_check(const struct restore *r, const struct process_row *p, struct err *e)
{
	const struct { const char *type; int64_t id; } in[] = {
		{ "pid", p->pid_ns }, { "ipc", p->ipc_ns }, { "uts", p->uts_ns }, { "mnt", p->mount_ns },
		{ "cgroup", p->cgroup_ns }, { "user", p->user_ns }, { "time", p->time_ns }, { "time", p->time_ns_for_children },
	};

	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		if (!is_there(r, in[i].id, in[i].type, INT64_MAX))
			return err_set(e, -EBADMSG, "process %ld is in %s namespace %ld, which is not in table namespace",
				       p->process, in[i].type, in[i].id);
	return 0;
}

/* Rows of the same number are at that place, and what a row refers to comes before it: nothing goes in circles. */
int namespaces_check(struct restore *r, struct err *e)
{
	const struct namespace_row *row;
	const struct process_row *process;

	image_for_each(row, r->img, &namespace_table) {
		bool pid = strcmp(row->type, "pid") == 0, user = strcmp(row->type, "user") == 0;
		bool owned = !user && strcmp(row->type, "cgroup") != 0;

		if (row->namespace != (int64_t)_i)
			return err_set(e, -EBADMSG, "table namespace is not numbered from 0");
		if (!namespace_flag(row->type))
			return err_set(e, -EBADMSG, "namespace %ld has the unknown type %s", row->namespace, row->type);
		if (!is_there(r, row->parent, row->type, pid || user ? row->namespace : 0) ||
		    !is_there(r, row->user_ns, "user", owned ? row->namespace : 0) || (pid && !pid_ns_is_sane(r, row)))
			return err_set(e, -EBADMSG, "table namespace: what is around namespace %ld, or owns it, makes no "
				       "sense", row->namespace);
	}
	image_for_each(process, r->img, &process_table)
		if (process_check(r, process, e) < 0)
			return e->code;
	return 0;
}
