// SPDX-License-Identifier: GPL-2.0-only
/* Parsing /proc/<pid>/mountinfo, see mount_info.h. */
#include <string.h>
#include "base/util.h"
#include "state/mount_info.h"

/* Blanks in paths are written as \040 and the like. */
static char *unescape(const char *s, size_t len)
{
	char *out = xmalloc(len + 1), *o = out;

	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\' && i + 3 < len) {
			*o++ = (char)((s[i + 1] - '0') << 6 | (s[i + 2] - '0') << 3 | (s[i + 3] - '0'));
			i += 3;
		} else {
			*o++ = s[i];
		}
	}
	*o = 0;
	return out;
}

/* "shared:3", "master:4", "propagate_from:2" (of a master that is elsewhere), "unbindable". */
static void parse_propagation(struct mount_info *m, const char *word, size_t len)
{
	if (len > 7 && strncmp(word, "shared:", 7) == 0)
		m->shared = strtoll(word + 7, NULL, 10);
	else if (len > 7 && strncmp(word, "master:", 7) == 0)
		m->master = strtoll(word + 7, NULL, 10);
	else if (len == 10 && strncmp(word, "unbindable", len) == 0)
		m->unbindable = true;
}

bool mount_info_parse(const char *line, size_t len, struct mount_info *m)
{
	const char *fields[32], *end = line + len;
	size_t lens[32], nr = 0, dash = 0;

	for (const char *p = line; p < end && nr < ARRAY_SIZE(fields); nr++) {
		const char *blank = memchr(p, ' ', (size_t)(end - p)) ?: end;

		fields[nr] = p;
		lens[nr] = (size_t)(blank - p);
		if (!dash && lens[nr] == 1 && *p == '-')
			dash = nr;
		p = blank + 1;
	}
	if (dash < 6 || dash + 3 >= nr)
		return false;
	*m = (struct mount_info){
		.id = strtoll(fields[0], NULL, 10), .parent = strtoll(fields[1], NULL, 10),
		.device = unescape(fields[2], lens[2]), .root = unescape(fields[3], lens[3]),
		.point = unescape(fields[4], lens[4]), .options = unescape(fields[5], lens[5]),
		.type = unescape(fields[dash + 1], lens[dash + 1]),
		.source = unescape(fields[dash + 2], lens[dash + 2]),
		.fs_options = unescape(fields[dash + 3], lens[dash + 3]),
	};
	for (size_t i = 6; i < dash; i++)
		parse_propagation(m, fields[i], lens[i]);
	return true;
}

void mount_info_clear(struct mount_info *m)
{
	free(m->point);
	free(m->root);
	free(m->type);
	free(m->source);
	free(m->options);
	free(m->fs_options);
	free(m->device);
}

void mounts_clear(struct mounts *m)
{
	for (size_t i = 0; i < m->nr; i++)
		mount_info_clear(&m->list[i]);
	free(m->list);
	*m = (struct mounts){ 0 };
}

int mounts_read(int proc_fd, struct mounts *m)
{
	_cleanup_free_ char *text = NULL;
	const char *end;
	int r = read_file_at(proc_fd, "mountinfo", &text, NULL);

	*m = (struct mounts){ 0 };
	for (const char *line = text; r == 0 && *line; line = end + (*end == '\n')) {
		end = strchrnul(line, '\n');
		array_grow(m->list, m->nr, m->cap);
		if (mount_info_parse(line, (size_t)(end - line), &m->list[m->nr]))
			m->nr++;
	}
	return r;
}

size_t mounts_covering(const struct mounts *m, size_t i)
{
	for (size_t j = 0; j < m->nr; j++)
		if (j != i && m->list[j].parent == m->list[i].id && strcmp(m->list[j].point, m->list[i].point) == 0)
			return j;
	return m->nr;
}

size_t mounts_by_id(const struct mounts *m, int64_t id)
{
	size_t i = 0;

	while (i < m->nr && m->list[i].id != id)
		i++;
	return i;
}

const char *path_below(const char *path, const char *above)
{
	size_t len = strlen(above);

	if (strcmp(above, "/") == 0)
		return *path == '/' ? path + 1 : NULL;
	if (strncmp(path, above, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	return path[len] ? path + len + 1 : path + len;
}

const char *option_find(const char *options, const char *name, size_t *ret_len)
{
	size_t len = strlen(name);

	for (const char *p = options, *end; *p; p = end + (*end == ',')) {
		end = strchrnul(p, ',');
		if ((size_t)(end - p) < len || strncmp(p, name, len) != 0 || (p + len != end && p[len] != '='))
			continue;
		p += len + (p + len != end);
		*ret_len = (size_t)(end - p);
		return p;
	}
	return NULL;
}
