// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a live process, from /proc/<pid>/smaps_flags where the kernel has it. Otherwise only
 * smaps shows VmFlags, and looks at each page before it does.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include "base/util.h"
#include "state/live_parts.h"

/* "start-end perms pgoff major:minor inode   path" (proc(5)). */
static bool vma_parse(const char *line, struct live_vma *v)
{
	unsigned int major_nr, minor_nr;
	int path_at = 0;

	if (sscanf(line, "%lx-%lx %4s %lx %x:%x %lu%n", &v->start, &v->end, v->perms, &v->pgoff,
		   &major_nr, &minor_nr, &v->ino, &path_at) < 7)
		return false;
	v->dev = makedev(major_nr, minor_nr);
	v->path = xstrdup(line + path_at + strspn(line + path_at, " "));
	return true;
}

/* A mapping's first line begins with its address; all others with a capitalised name. */
static bool starts_mapping(const char *line)
{
	return (*line >= '0' && *line <= '9') || (*line >= 'a' && *line <= 'f');
}

int live_read_vmas(struct live_process *p, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	const char *name = "smaps_flags";
	int r = read_file_at(p->proc_fd, name, &text, NULL);

	if (r == -ENOENT) {
		name = "smaps";
		r = read_file_at(p->proc_fd, name, &text, NULL);
	}
	if (r < 0)
		return r == -ESRCH || r == -ENOENT ? -ESRCH : err_ret(e, r, "read /proc/%d/%s", p->pid, name);
	/* A line at a time is a string: sscanf() looks for the end of what it is given, each time. */
	for (char *rest = text, *line; (line = strsep(&rest, "\n")); ) {
		if (starts_mapping(line)) {
			struct live_vma v = { 0 };

			if (!vma_parse(line, &v))
				return err_set(e, -EBADMSG, "/proc/%d/%s has a line that cpt can't read: %s", p->pid, name, line);
			array_grow(p->vmas, p->nr_vmas, p->cap_vmas);
			p->vmas[p->nr_vmas++] = v;
		} else if (strncmp(line, "VmFlags:", 8) == 0 && p->nr_vmas) {
			p->vmas[p->nr_vmas - 1].flags = xstrdup(line + 8 + strspn(line + 8, " "));
		} else if (strncmp(line, "ProtectionKey:", 14) == 0 && p->nr_vmas) {
			p->vmas[p->nr_vmas - 1].pkey = atoi(line + 14);
		}
	}
	return 0;
}
