// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that have ended and that nobody has waited for yet: table `zombie`.
 * Their own parent forks them anew (process_tree.c); they end again when the
 * whole tree is there, for they may lead groups and sessions, and before any
 * signal handler is restored: a parent that ignores SIGCHLD by now would not
 * get a zombie. The signal that tells the parent is forgotten: if it had not
 * been taken, it is in table `pending_signal`.
 */
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "state/process.h"
#include "state/zombie.h"

#define STATUS_SIGNAL 0x7f
#define STATUS_CORE 0x80
#define END_NS 20000000000u	/* patience with a loaded machine */

static const struct column zombie_columns[] = {
	INT_COLUMN(struct zombie_row, process, 1, INT32_MAX),
	INT_COLUMN(struct zombie_row, status, 0, 0xffff),
	INT_COLUMN(struct zombie_row, uid, 0, UINT32_MAX),
	INT_COLUMN(struct zombie_row, gid, 0, UINT32_MAX),
};
const struct table zombie_table = TABLE("zombie", struct zombie_row, zombie_columns);

const struct zombie_row *zombie_of(const struct image *img, int64_t process)
{
	return image_find(img, &zombie_table, offsetof(struct zombie_row, process), process);
}

/* ---- saving ----------------------------------------------------------- */

static bool is_init(const struct save *s, const struct live_process *p)
{
	return pid_at(s->img, p->pid, pid_level(s->img, p->pid)) == 1;
}

static int zombie_save(struct save *s, struct live_process *p, struct err *e)
{
	_cleanup_free_ char *stat = NULL;
	struct zombie_row row = { .process = p->pid };
	int r;

	if (!p->zombie)
		return 0;
	if (p->nr_threads > 1)
		save_refuse(s, p, "its first thread", "end the process, or let its first thread wait for the others",
			    "it has ended while other threads run on, and cpt can't restore that yet");
	else if (!live_find(s->live, p->ppid))
		save_refuse(s, p, "the process itself", "try again when that has waited for it",
			    "it has ended, and its parent %d is outside the container", p->ppid);
	else if (is_init(s, p))
		save_refuse(s, p, "its pid namespace", "let its parent wait for it",
			    "the namespace's first process has ended, and the namespace with it");
	r = read_file_at(p->proc_fd, "stat", &stat, NULL);
	if (r < 0)
		return s->frozen ? err_ret(e, r, "read /proc/%d/stat", p->pid) : 0;
	/* Its exit code is the last field. */
	if (process_stat_field(stat, 52, &row.status) < 0)
		return err_set(e, -EBADMSG, "/proc/%d/stat is not as proc(5) says", p->pid);
	row.uid = (int64_t)text_number(p->status, "Uid", 10, 0);
	row.gid = (int64_t)text_number(p->status, "Gid", 10, 0);
	*(struct zombie_row *)image_add(s->img, &zombie_table) = row;
	return 0;
}

/* ---- check ------------------------------------------------------------ */

/* Signals that end no process by default (signal(7)). */
static bool ends_nobody(int sig)
{
	return sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH || sig == SIGSTOP ||
	       sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

static bool status_is_sane(int64_t status)
{
	int sig = (int)status & STATUS_SIGNAL;

	return sig ? status <= (STATUS_SIGNAL | STATUS_CORE) && sig <= SIGRTMAX && !ends_nobody(sig) :
		     (status & 0xff) == 0;
}

static int zombie_check(struct restore *r, struct err *e)
{
	const struct process_row *process;
	const struct zombie_row *row;

	image_for_each(row, r->img, &zombie_table) {
		process = image_find(r->img, &process_table, offsetof(struct process_row, process), row->process);
		if (!process || process->parent == COLUMN_NULL)
			return err_set(e, -EBADMSG, "table zombie: process %ld, or its parent, is not in table process",
				       row->process);
		if (image_find(r->img, &process_table, offsetof(struct process_row, parent), row->process) ||
		    pid_at(r->img, row->process, pid_level(r->img, row->process)) == 1)
			return err_set(e, -EBADMSG, "table zombie: process %ld has ended, but not its children",
				       row->process);
		if (!status_is_sane(row->status))
			return err_set(e, -EBADMSG, "table zombie: no process ends with the status %#lx of process %ld",
				       row->status, row->process);
	}
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

bool zombie_core_is_harmless(void)
{
	_cleanup_free_ char *pattern = NULL;

	/* Neither a program of the host's nor a place of the host's: a name in the working directory (core(5)). */
	return read_file_at(-1, "/proc/sys/kernel/core_pattern", &pattern, NULL) == 0 && *pattern &&
	       !strpbrk(pattern, "|/@");
}

/* A working directory that is gone with this process, and a limit that keeps the memory image small. */
static bool prepare_core(void)
{
	struct rlimit limit = { PAGE_SIZE, PAGE_SIZE };

	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("cpt", "/proc", "tmpfs", 0, "mode=1777") == 0 && chdir("/proc") == 0 &&
	       setrlimit(RLIMIT_CORE, &limit) == 0;
}

void zombie_end(const struct zombie_row *row, const char *comm, bool core)
{
	int sig = (int)row->status & STATUS_SIGNAL;
	uint64_t mask = ~(1ull << (sig ? sig - 1 : 0));
	uint64_t action[4] = { (uint64_t)(uintptr_t)SIG_DFL };

	core = core && (row->status & STATUS_CORE) && prepare_core();
	prctl(PR_SET_NAME, comm);
	/* The kernel's own calls: the C library's talk to other threads. */
	syscall(SYS_setgroups, 0, NULL);
	syscall(SYS_setresgid, row->gid, row->gid, row->gid);
	syscall(SYS_setresuid, row->uid, row->uid, row->uid);
	prctl(PR_SET_DUMPABLE, core);
	if (!sig)
		_exit((int)row->status >> 8);
	syscall(SYS_rt_sigaction, sig, action, NULL, 8);
	syscall(SYS_kill, syscall(SYS_getpid), sig);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
	for (;;)
		pause();	/* zombie_wait() will tell */
}

int zombie_wait(const struct zombie_row *row, pid_t pid, struct err *e)
{
	uint64_t begun = now_ns();
	int64_t status = 0;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (now_ns() - begun < END_NS) {
		_cleanup_free_ char *stat = NULL;
		const char *state;
		int r = read_file_at(-1, path, &stat, NULL);

		if (r < 0)
			return err_ret(e, r, "read %s of zombie %ld", path, row->process);
		state = strrchr(stat, ')');
		if (state && state[1] && state[2] == 'Z' && process_stat_field(stat, 52, &status) == 0) {
			if ((status | STATUS_CORE) == (row->status | STATUS_CORE))
				return 0;
			return err_set(e, -EPROTO, "process %ld ended with the status %#lx instead of %#lx",
				       row->process, status, row->status);
		}
		usleep(200);
	}
	return err_set(e, -ETIMEDOUT, "process %ld does not end with the status %#lx", row->process, row->status);
}

/* In the parent, whose signals are all blocked. Ignored for a moment, a signal is dropped (do_sigaction()). */
static int zombie_forget_signal(struct restore *r, struct new_process *p, struct batch *b, struct err *e)
{
	const struct process_row *row;
	uint64_t action[4] = { (uint64_t)(uintptr_t)SIG_IGN };

	(void)e;
	image_for_each(row, r->img, &process_table)
		if (row->parent == p->row->process && row->exit_signal && zombie_of(r->img, row->process))
			batch_call(b, "rt_sigaction: forget that a child ended", SYS_rt_sigaction,
				   ARG(row->exit_signal), ARG_AT(batch_data(b, action, sizeof(action))), ARG(0), ARG(8));
	return 0;
}

const struct kind zombie_kind = {
	.name = "zombie",
	.tables = (const struct table *const[]){ &zombie_table, NULL },
	.save_process = zombie_save,
	.check = zombie_check,
	.restore_process = zombie_forget_signal,
};
