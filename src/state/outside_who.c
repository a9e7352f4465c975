// SPDX-License-Identifier: GPL-2.0-only
/* Who outside of the container has a file open, see outside.h. */
#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/util.h"
#include "state/outside.h"

static bool process_has(int proc_fd, const char *link, dev_t dev, ino_t ino)
{
	_cleanup_dir_ DIR *dir = NULL;
	int fd = openat(proc_fd, "fd", O_DIRECTORY | O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	dir = fdopendir(fd);
	for (struct dirent *d; (d = readdir(dir)); ) {
		_cleanup_free_ char *to = NULL;
		struct stat st;

		if (isdigit(*d->d_name) && read_link_at(fd, d->d_name, &to) == 0 && strcmp(to, link) == 0 &&
		    fstatat(fd, d->d_name, &st, 0) == 0 && st.st_dev == dev && st.st_ino == ino)
			return true;
	}
	return false;
}

bool outside_has(struct live *l, const char *link, dev_t dev, ino_t ino, char *buf, size_t len)
{
	_cleanup_dir_ DIR *dir = opendir("/proc");
	bool found = false;

	for (struct dirent *d; dir && (d = readdir(dir)); ) {
		_cleanup_free_ char *comm = NULL;
		_cleanup_fd_ int proc_fd = -1;
		pid_t pid = (pid_t)atoi(d->d_name);

		if (pid <= 0 || pid == getpid() || live_find(l, pid))
			continue;
		proc_fd = openat(dirfd(dir), d->d_name, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (proc_fd < 0 || !process_has(proc_fd, link, dev, ino))
			continue;
		if (found) {
			size_t used = strlen(buf);

			snprintf(buf + used, len - used, " and others");
			return true;
		}
		found = true;
		if (read_file_at(proc_fd, "comm", &comm, NULL) == 0)
			comm[strcspn(comm, "\n")] = 0;
		snprintf(buf, len, "task %d (%s)", pid, comm ?: "?");
	}
	return found;
}
