// SPDX-License-Identifier: GPL-2.0-only
/* ptrace requests and stops, see trace.h. Facts: ptrace(2), kernel/ptrace.c, kernel/signal.c. */
#include <ctype.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/util.h"
#include "remote/syscall_name.h"
#include "remote/together.h"
#include "remote/trace.h"

/* Most stops come within microseconds: look again at once for so long, then sleep until there is word of one. */
#define SPIN_NS 50000u
/* For word can be missed: of a leader that ended, there is none, and another thread of cpt may have got it. */
#define MAX_SLEEP_NS 2000000

/* From SIGKILL to where /proc tells that a thread is on its way out. */
#define DEATH_NS 200000000u

/* PF_EXITING, PF_POSTCOREDUMP, PF_DUMPCORE (include/linux/sched.h) */
#define PF_GOING (0x4u | 0x8u | 0x200u)

/* ---- naming a thread ----------------------------------------------------- */

/* A file of /proc/<tid>, or NULL when the thread has ended. */
static char *task_file(pid_t tid, const char *name)
{
	char path[48], *text;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	return read_file_at(-1, path, &text, NULL) == 0 ? text : NULL;
}

const char *task_label(pid_t tid, char buf[static 48])
{
	_cleanup_free_ char *comm = task_file(tid, "comm");

	if (comm)
		comm[strcspn(comm, "\n")] = 0;
	snprintf(buf, 48, comm ? "task %d (%s)" : "task %d", tid, comm);
	return buf;
}

/* The letter of its state and its PF_ flags (proc_pid_stat(5)). False: there is no such thread. */
static bool task_state(pid_t tid, char *state, unsigned int *flags)
{
	_cleanup_free_ char *stat = task_file(tid, "stat");
	const char *behind_name = stat ? strrchr(stat, ')') : NULL;

	return behind_name && sscanf(behind_name, ") %c %*d %*d %*d %*d %*d %u", state, flags) == 2;
}

bool task_is_gone(pid_t tid)
{
	unsigned int flags;
	char state;

	return !task_state(tid, &state, &flags) || state == 'Z' || state == 'X' ||
	       (flags & PF_GOING);
}

/* Of a thread that was stopped and is not: what else could have happened to it? */
static bool task_is_ending(pid_t tid)
{
	uint64_t begin = now_ns();

	while (!task_is_gone(tid)) {
		if (now_ns() - begin > DEATH_NS)
			return false;
		usleep(200);
	}
	return true;
}

int task_ended(pid_t tid, struct err *e)
{
	return err_set(e, -ESRCH, "task %d has ended", tid);
}

static void task_reap_one(pid_t tid)
{
	uint64_t begin = now_ns();
	int status = 0;

	while (waitpid(tid, &status, __WALL | WNOHANG) == 0 || WIFSTOPPED(status)) {
		if (now_ns() - begin > DEATH_NS)
			return;
		status = 0;
		usleep(100);
	}
}

void task_reap(pid_t tid)
{
	_cleanup_free_ char *status = task_file(tid, "status");
	const char *group = status ? strstr(status, "\nTgid:\t") : NULL;
	char path[32];
	_cleanup_dir_ DIR *dir = NULL;

	/* The end of a leader is reported when all others of its group were waited for. */
	if (group && atoi(group + 7) == tid) {
		snprintf(path, sizeof(path), "/proc/%d/task", tid);
		dir = opendir(path);
	}
	for (struct dirent *d; dir && (d = readdir(dir)); ) {
		pid_t other = atoi(d->d_name);

		if (other > 0 && other != tid && task_is_gone(other))
			task_reap_one(other);
	}
	task_reap_one(tid);
}

/* ---- requests ------------------------------------------------------------ */

long trace(int request, pid_t tid, uint64_t addr, uint64_t data)
{
	/* The C library's wrapper has other types in every version. */
	return syscall(SYS_ptrace, (long)request, tid, addr, data);
}

int trace_do(int request, pid_t tid, uint64_t addr, uint64_t data, const char *what, struct err *e)
{
	char label[48];

	if (trace(request, tid, addr, data) >= 0)
		return 0;
	if (errno != ESRCH)
		return err_sys(e, "%s of %s", what, task_label(tid, label));
	if (task_is_ending(tid))
		return task_ended(tid, e);
	return err_set(e, -EBUSY, "%s of %s: it is not stopped", what, task_label(tid, label));
}

/* ---- stops --------------------------------------------------------------- */

static struct stop stop_decode(int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);

	if (event == PTRACE_EVENT_STOP)
		return (struct stop){ STOP_TRAP, signal };
	if (event)
		return (struct stop){ STOP_EVENT, 0 };
	if (signal == (SIGTRAP | 0x80))		/* PTRACE_O_TRACESYSGOOD */
		return (struct stop){ STOP_SYSCALL, 0 };
	return (struct stop){ STOP_SIGNAL, signal };
}

int stop_poll(pid_t tid, struct stop *ret, struct err *e)
{
	int status;
	pid_t got;

	do
		got = waitpid(tid, &status, __WALL | WNOHANG);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return 0;
	if (got < 0 && errno != ECHILD)
		return err_sys(e, "wait for task %d", tid);
	if (got < 0 || !WIFSTOPPED(status))
		return task_ended(tid, e);
	*ret = stop_decode(status);
	return 1;
}

/* What keeps a thread from stopping: the system call it sleeps in, and how. */
static int stop_timed_out(pid_t tid, unsigned int timeout_ms, struct err *e)
{
	_cleanup_free_ char *call = task_file(tid, "syscall");
	char state = 0, label[48];
	unsigned int flags;
	const char *name = call && isdigit((unsigned char)*call) ? syscall_name(atol(call)) : NULL;

	task_state(tid, &state, &flags);
	err_set(e, -ETIMEDOUT, "%s does not stop: for %u.%u s it has been %s%s%s",
		task_label(tid, label), timeout_ms / 1000, timeout_ms / 100 % 10,
		state == 'D' ? "in an uninterruptible wait" : "in the kernel",
		name ? " in " : "", name ?: "");
	/* kernel/fork.c wait_for_vfork_done() can only be killed. */
	if (name && (strcmp(name, "vfork") == 0 || strncmp(name, "clone", 5) == 0))
		return err_advise(e, "it waits for its vfork child to call exec or to exit; "
				  "try again after that");
	return err_advise(e, "/proc/%d/stack shows where; try again when its disk or network "
			  "answers, or thaw its cgroup if that is frozen", tid);
}

/* With SIGCHLD blocked: until the kernel tells the tracer of any stop or end (do_notify_parent_cldstop()), or not for long. */
static bool sleep_until_told(const sigset_t *told)
{
	return sigtimedwait(told, NULL, &(struct timespec){ .tv_nsec = MAX_SLEEP_NS }) == SIGCHLD;
}

static int stop_wait_told(pid_t tid, const sigset_t *told, uint64_t until_ns, struct stop *ret, struct err *e)
{
	for (;;) {
		int r = stop_poll(tid, ret, e);

		if (r != 0)
			return r < 0 ? r : 0;
		/*
		 * The end of a thread group leader is not reported before all other
		 * threads of it were waited for, so look.
		 */
		if (!sleep_until_told(told) && task_is_gone(tid))
			return task_ended(tid, e);
		if (now_ns() > until_ns)
			return -ETIMEDOUT;
	}
}

/* While other targets are dealt with. 0: a stop, 1: there are none, or negative. */
static int stop_wait_together(pid_t tid, uint64_t until_ns, struct stop *ret, struct err *e)
{
	uint64_t look_ns = now_ns() + MAX_SLEEP_NS;

	for (bool first = true; ; first = false) {
		int r = stop_poll(tid, ret, e);

		if (r != 0)
			return r < 0 ? r : 0;
		if (!together_wait(first))
			return 1;
		if (now_ns() < look_ns)
			continue;
		if (task_is_gone(tid))
			return task_ended(tid, e);
		look_ns = now_ns() + MAX_SLEEP_NS;
		if (look_ns > until_ns)
			return -ETIMEDOUT;
	}
}

int stop_wait(pid_t tid, unsigned int timeout_ms, struct stop *ret, struct err *e)
{
	uint64_t begin = now_ns();
	sigset_t told, before;
	int r = stop_wait_together(tid, begin + timeout_ms * 1000000ull, ret, e);

	if (r <= 0)
		return r == -ETIMEDOUT ? stop_timed_out(tid, timeout_ms, e) : r;
	do {
		r = stop_poll(tid, ret, e);
		if (r != 0)
			return r < 0 ? r : 0;
		sched_yield();
	} while (now_ns() - begin < SPIN_NS);
	sigemptyset(&told);
	sigaddset(&told, SIGCHLD);
	sigprocmask(SIG_BLOCK, &told, &before);
	r = stop_wait_told(tid, &told, begin + timeout_ms * 1000000ull, ret, e);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r == -ETIMEDOUT ? stop_timed_out(tid, timeout_ms, e) : r;
}

int stop_settle(pid_t tid, int signal, unsigned int timeout_ms, struct stop *ret, struct err *e)
{
	*ret = (struct stop){ STOP_SIGNAL, signal };
	for (;;) {
		/*
		 * Any stop clears an interrupt that was asked for before it, so ask
		 * again each time. A signal is let through: its handler's frame is
		 * made (or it kills, or is ignored) and the interrupt then stops the
		 * thread before the handler's first instruction, as if the signal
		 * had come a moment earlier.
		 */
		uint64_t deliver = ret->kind == STOP_SIGNAL ? (uint64_t)ret->signal : 0;
		int r = trace_do(PTRACE_INTERRUPT, tid, 0, 0, "interrupting", e) ?:
			trace_do(PTRACE_CONT, tid, 0, deliver, "continuing", e) ?:
			stop_wait(tid, timeout_ms, ret, e);

		if (r < 0 || ret->kind == STOP_TRAP)
			return r;
	}
}
