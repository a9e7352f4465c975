// SPDX-License-Identifier: GPL-2.0-only
/* User namespaces, see user_namespace.h: reading them, and what their rows mean. user_namespace_make.c makes them. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include "state/credentials.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/user_namespace.h"

#define LINES_MOST 340		/* UID_GID_MAP_MAX_EXTENTS, include/linux/user_namespace.h */
#define LEVELS_MOST 33		/* create_user_ns() in kernel/user_namespace.c */

static const struct column user_namespace_columns[] = {
	INT_COLUMN(struct user_namespace_row, namespace, 0, 65535),
	INT_COLUMN(struct user_namespace_row, owner, 0, UINT32_MAX - 1),
	INT_COLUMN(struct user_namespace_row, setgroups, 0, 1),
};
const struct table user_namespace_table = TABLE("user_namespace", struct user_namespace_row, user_namespace_columns);

static const struct column id_map_columns[] = {
	INT_COLUMN(struct id_map_row, namespace, 0, 65535),
	TEXT_COLUMN(struct id_map_row, type, 3),
	INT_COLUMN(struct id_map_row, place, 0, LINES_MOST - 1),
	INT_COLUMN(struct id_map_row, inside, 0, UINT32_MAX - 1),
	INT_COLUMN(struct id_map_row, host, 0, UINT32_MAX - 1),
	INT_COLUMN(struct id_map_row, count, 1, UINT32_MAX),
};
const struct table id_map_table = TABLE("id_map", struct id_map_row, id_map_columns);

/* ---- what rows mean ---------------------------------------------------- */

static const struct user_namespace_row *row_of(const struct image *img, int64_t user_ns)
{
	return image_find(img, &user_namespace_table, offsetof(struct user_namespace_row, namespace), user_ns);
}

static const struct namespace_row *namespace_row_of(const struct image *img, int64_t namespace)
{
	return image_find(img, &namespace_table, offsetof(struct namespace_row, namespace), namespace);
}

int64_t user_namespace_inside(const struct image *img, int64_t user_ns, const char *type, int64_t id)
{
	const struct id_map_row *row;

	if (user_ns == COLUMN_NULL)
		return id;
	image_for_each(row, img, &id_map_table)
		if (row->namespace == user_ns && strcmp(row->type, type) == 0 && id >= row->host &&
		    id - row->host < row->count)
			return row->inside + (id - row->host);
	return -1;
}

bool user_namespace_has_setgroups(const struct image *img, int64_t user_ns)
{
	const struct user_namespace_row *row = row_of(img, user_ns);
	const struct id_map_row *line;

	if (user_ns == COLUMN_NULL)
		return true;
	/* userns_may_setgroups(): not before there is a map, either. */
	image_for_each(line, img, &id_map_table)
		if (line->namespace == user_ns && strcmp(line->type, "gid") == 0)
			return row && row->setgroups;
	return false;
}

bool user_namespace_within(const struct image *img, int64_t user_ns, int64_t outer)
{
	for (int level = 0; user_ns != outer; level++) {
		const struct namespace_row *row = user_ns == COLUMN_NULL ? NULL : namespace_row_of(img, user_ns);

		if (!row || level > LEVELS_MOST)
			return false;
		user_ns = row->parent;
	}
	return true;
}

bool user_namespace_rules(const struct image *img, int64_t user_ns, int64_t pid_ns)
{
	if (pid_ns == COLUMN_NULL)	/* it has ids in the host's alone */
		return user_ns == COLUMN_NULL;
	while (pid_ns != COLUMN_NULL) {
		const struct namespace_row *row = namespace_row_of(img, pid_ns);

		if (!row || !user_namespace_within(img, row->user_ns, user_ns))
			return false;
		pid_ns = row->parent;
	}
	return true;
}

/* ---- saving ----------------------------------------------------------- */

/* A child that lives in it until it is killed: files of /proc tell about the namespace of a process. */
static pid_t visit(int fd, int tell)
{
	pid_t pid = fork();
	int r;

	if (pid == 0) {
		if (setns(fd, CLONE_NEWUSER) < 0)
			_exit(errno);
		r = user_limits_tell(tell);
		if (r < 0)
			_exit(-r);
		close_fd(&tell);
		raise(SIGSTOP);
		_exit(0);
	}
	return pid;
}

static int map_save(struct save *s, pid_t visitor, int64_t namespace, const char *type, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	int64_t place = 0;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/%s_map", visitor, type);
	r = read_file_at(-1, path, &text, NULL);
	if (r < 0)
		return err_ret(e, r, "read %s", path);
	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
		struct id_map_row row = { namespace, image_strdup(s->img, type), place++, 0, 0, 0 };

		/* cpt reads it, so the second number is the host's (uid_m_show() in kernel/user_namespace.c). */
		if (sscanf(line, "%ld %ld %ld", &row.inside, &row.host, &row.count) != 3)
			return err_set(e, -EBADMSG, "%s is not as user_namespaces(7) says", path);
		*(struct id_map_row *)image_add(s->img, &id_map_table) = row;
	}
	return 0;
}

static int visited_save(struct save *s, pid_t visitor, int64_t namespace, int fd, struct err *e)
{
	_cleanup_free_ char *setgroups = NULL;
	char path[32];
	uid_t owner;
	int r;

	if (ioctl(fd, NS_GET_OWNER_UID, &owner) < 0)
		return err_sys(e, "find the owner of a user namespace");
	snprintf(path, sizeof(path), "/proc/%d/setgroups", visitor);
	r = read_file_at(-1, path, &setgroups, NULL);
	if (r < 0)
		return err_ret(e, r, "read %s", path);
	*(struct user_namespace_row *)image_add(s->img, &user_namespace_table) = (struct user_namespace_row){
		namespace, owner, strncmp(setgroups, "allow", 5) == 0,
	};
	return map_save(s, visitor, namespace, "uid", e) ?: map_save(s, visitor, namespace, "gid", e);
}

/* A page: there are a dozen limits. */
static int limits_save(struct save *s, int64_t namespace, int told, struct err *e)
{
	char text[4096];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(text) - 1 && (n = read(told, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	return user_limits_save(s, namespace, text, e);
}

int user_namespace_save(struct save *s, int64_t namespace, int fd, struct err *e)
{
	_cleanup_fd_ int told = -1, tell = -1;
	int ends[2], status, r;
	pid_t visitor;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	told = ends[0];
	tell = ends[1];
	visitor = visit(fd, tell);
	if (visitor < 0)
		return err_sys(e, "fork");
	close_fd(&tell);
	if (waitpid(visitor, &status, WUNTRACED) != visitor)
		return err_sys(e, "wait for a child");
	if (!WIFSTOPPED(status))
		return err_ret(e, WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD, "enter a user namespace");
	r = visited_save(s, visitor, namespace, fd, e) ?: limits_save(s, namespace, told, e);
	kill(visitor, SIGKILL);
	waitpid(visitor, NULL, 0);
	return r;
}

/* When all credentials are saved: can they be taken again? */
static int user_namespace_save_container(struct save *s, struct err *e)
{
	struct err why = ERR_INIT;

	(void)e;
	if (s->frozen && !s->nr_refusals && credentials_reach(s->img, &why) < 0)
		save_refuse(s, NULL, "its credentials", *why.advice ? why.advice : "give all processes the same", "%s",
			    why.msg);
	return 0;
}

/* ---- check ------------------------------------------------------------ */

static bool overlap(int64_t a, int64_t b, int64_t count_a, int64_t count_b)
{
	return a < b + count_b && b < a + count_a;
}

static int line_is_bad(const struct id_map_row *row, const char *why, struct err *e)
{
	return err_set(e, -EBADMSG, "table id_map: line %ld of the %s_map of namespace %ld %s", row->place, row->type,
		       row->namespace, why);
}

/* The kernel maps each line through one line of the parent's (map_id_range_down()). */
static bool line_fits_parent(const struct image *img, int64_t parent, const struct id_map_row *row)
{
	const struct id_map_row *outer;

	if (parent == COLUMN_NULL)
		return row->host + row->count <= UINT32_MAX;
	image_for_each(outer, img, &id_map_table)
		if (outer->namespace == parent && strcmp(outer->type, row->type) == 0 && row->host >= outer->host &&
		    row->host + row->count <= outer->host + outer->count)
			return true;
	return false;
}

static int line_check(const struct image *img, const struct id_map_row *row, struct err *e)
{
	const struct namespace_row *namespace = namespace_row_of(img, row->namespace);
	const struct id_map_row *other;
	int64_t before = 0;

	if (!namespace || !row_of(img, row->namespace))
		return line_is_bad(row, "is of no user namespace", e);
	if (strcmp(row->type, "uid") != 0 && strcmp(row->type, "gid") != 0)
		return line_is_bad(row, "is of neither users nor groups", e);
	if (row->inside + row->count > UINT32_MAX)
		return line_is_bad(row, "goes beyond the highest id", e);
	if (!line_fits_parent(img, namespace->parent, row))
		return line_is_bad(row, "has ids that the namespace around it has not", e);
	image_for_each(other, img, &id_map_table) {
		if (other->namespace != row->namespace || strcmp(other->type, row->type) != 0 || other == row)
			continue;
		before += other->place < row->place;
		if (overlap(row->inside, other->inside, row->count, other->count) ||
		    overlap(row->host, other->host, row->count, other->count))
			return line_is_bad(row, "overlaps another", e);
	}
	return before == row->place ? 0 : line_is_bad(row, "does not follow another", e);
}

static int namespace_check_user(const struct image *img, const struct user_namespace_row *row, struct err *e)
{
	const struct namespace_row *namespace = namespace_row_of(img, row->namespace);

	if (!namespace || strcmp(namespace->type, "user") != 0)
		return err_set(e, -EBADMSG, "table user_namespace: namespace %ld is no user namespace", row->namespace);
	if (user_namespace_inside(img, namespace->parent, "uid", row->owner) < 0)
		return err_set(e, -EBADMSG, "table user_namespace: the owner %ld of namespace %ld is nobody in the "
			       "namespace around it", row->owner, row->namespace);
	return 0;
}

/* namespace_check() was there before: parents come first, so there is no cycle. */
static int user_namespace_check(struct restore *r, struct err *e)
{
	const struct user_namespace_row *row;
	const struct namespace_row *namespace;
	const struct id_map_row *line;
	int ret = 0;

	image_for_each(row, r->img, &user_namespace_table)
		ret = ret ?: namespace_check_user(r->img, row, e);
	image_for_each(namespace, r->img, &namespace_table)
		if (ret == 0 && strcmp(namespace->type, "user") == 0 && !row_of(r->img, namespace->namespace))
			ret = err_set(e, -EBADMSG, "namespace %ld has no row in table user_namespace",
				      namespace->namespace);
	image_for_each(line, r->img, &id_map_table)
		ret = ret ?: line_check(r->img, line, e);
	return ret ?: user_limits_check(r->img, e) ?: credentials_reach(r->img, e);
}

const struct kind user_namespace_kind = {
	.name = "user_namespace",
	.tables = (const struct table *const[]){ &user_namespace_table, &id_map_table, &user_limit_table, NULL },
	.save_container = user_namespace_save_container,
	.check = user_namespace_check,
	.finish = user_limits_restore,
};
