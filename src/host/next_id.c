// SPDX-License-Identifier: GPL-2.0-only
/* Asking the kernel for ids, see next_id.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "host/next_id.h"

bool next_id_known(const char *kind)
{
	_cleanup_free_ char *kinds = NULL;

	if (read_file_at(-1, "/proc/sys/kernel/next_id_kinds", &kinds, NULL) < 0)
		return false;
	for (char *save, *word = strtok_r(kinds, " \t\n", &save); word; word = strtok_r(NULL, " \t\n", &save))
		if (strcmp(word, kind) == 0)
			return true;
	return false;
}

static int next_id_write(int proc, const char *text, struct err *e)
{
	int r = write_file_at(proc, "thread-self/next_id", text);

	if (r == -ENOENT)
		return err_set(e, -ENOSYS, "the kernel has no /proc/self/task/<tid>/next_id"),
		       err_advise(e, "boot a kernel with cpt's patches; `cpt doctor` tells more");
	return r < 0 ? err_ret(e, r, "ask for the next id: %s", text) : 0;
}

size_t next_id_format_pids(char *buf, size_t size, const pid_t *ids, size_t nr)
{
	size_t len = (size_t)snprintf(buf, size, "PID%zu", nr);

	for (size_t i = 0; i < nr && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, " %d", ids[i]);
	return min(len, size - 1);
}

int next_id_ask_pids(int proc, const pid_t *ids, size_t nr, struct err *e)
{
	char text[512];

	next_id_format_pids(text, sizeof(text), ids, nr);
	return next_id_write(proc, text, e);
}

int next_id_ask(int proc, const char *kind, long id, struct err *e)
{
	static const struct { const char *kind, *sysctl; } mainline[] = {
		{ "IPC_SHM", "/proc/sys/kernel/shm_next_id" }, { "IPC_SEM", "/proc/sys/kernel/sem_next_id" },
		{ "IPC_MSG", "/proc/sys/kernel/msg_next_id" },
	};
	char text[64];
	int r;

	snprintf(text, sizeof(text), "%s %ld", kind, id);
	r = next_id_write(proc, text, e);
	for (size_t i = 0; r == -ENOSYS && i < ARRAY_SIZE(mainline); i++) {
		if (strcmp(mainline[i].kind, kind) != 0)
			continue;
		snprintf(text, sizeof(text), "%ld", id);
		r = write_file_at(-1, mainline[i].sysctl, text);
		return r < 0 ? err_ret(e, r, "write %s to %s", text, mainline[i].sysctl) : 0;
	}
	return r;
}
