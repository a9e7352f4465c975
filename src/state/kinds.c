// SPDX-License-Identifier: GPL-2.0-only
/* Everything that cpt can save, in the order it is restored; and what kinds share in doing so. */
#include <stdarg.h>
#include <string.h>
#include "remote/together.h"
#include "state/kind.h"
#include "state/kind_list.h"
#include "state/live_parts.h"

/*
 * The order of restore: what others stand on comes first, and what takes power
 * away from a thread (credentials) last. Saving follows the same order.
 */
const struct kind *const kinds[] = {
	&clock_kind,		/* before time namespaces are made */
	&namespace_kind,
	&cgroup_kind,
	&mount_kind,
	&outside_kind,	/* before files: it decides what they are to be */
	&pty_kind,
	&terminal_kind,
	&process_kind,
	&zombie_kind,		/* before signals: their end sent some */
	&leader_kind,		/* it plans who makes whom, for which it is to know zombies */
	&shmem_kind,
	&deleted_file_kind,	/* before mappings: of them, too */
	&sysv_shm_kind,
	&sysv_sem_kind,
	&sysv_msg_kind,
	&mqueue_kind,
	&vma_kind,
	&mm_kind,
	&swap_run_kind,
	&pidfd_kind,
	&fd_kind,
	&file_lock_kind,	/* a descriptor that is closed takes locks with it */
	&fs_kind,
	&timer_kind,		/* these two before signals: one that goes off while it is saved is among those then */
	&posix_timer_kind,
	&signal_kind,
	&thread_area_kind,
	&registers_kind,
	&scheduling_kind,
	&rlimit_kind,
	&stopped_kind,	/* late: it is to find all pending signals */
	&seccomp_kind,	/* before credentials: a filter can be set with rights that its process gave up later */
	&credentials_kind,
	&user_namespace_kind,	/* it is to know everybody's credentials; namespace.c has them made */
	NULL,
};

/*
 * The first that matches counts: what was opened with O_PATH can be of any format; memfds and message queues
 * look like regular files, terminals like other devices.
 */
const struct file_kind *const file_kinds[] = {
	&proc_file_kind,
	&path_handle_kind,
	&memfd_kind,
	&mqueue_file_kind,
	&regular_kind,
	&directory_kind,
	&pty_end_kind,
	&device_kind,
	&terminal_file_kind,
	&pipe_kind,
	&eventfd_kind,
	&timerfd_kind,
	&signalfd_kind,
	&unix_socket_kind,
	&tcp_socket_kind,
	&udp_socket_kind,
	&raw_socket_kind,
	&netlink_socket_kind,
	&packet_socket_kind,
	&pidfd_file_kind,
	&inotify_kind,
	&epoll_kind,	/* last: it watches the others */
	NULL,
};

const struct table *const *kind_tables(size_t *ret_nr)
{
	static const struct table **tables;
	static size_t nr, cap;

	if (!tables) {
		for (size_t i = 0; kinds[i]; i++)
			for (const struct table *const *t = kinds[i]->tables; t && *t; t++) {
				array_grow(tables, nr, cap);
				tables[nr++] = *t;
			}
		for (size_t i = 0; file_kinds[i]; i++)
			for (const struct table *const *t = file_kinds[i]->tables; t && *t; t++) {
				array_grow(tables, nr, cap);
				tables[nr++] = *t;
			}
	}
	*ret_nr = nr;
	return tables;
}

void save_refuse(struct save *s, const struct live_process *p, const char *object,
		 const char *advice, const char *fmt, ...)
{
	struct refusal *refusal;
	va_list args;

	array_grow(s->refusals, s->nr_refusals, s->cap_refusals);
	refusal = &s->refusals[s->nr_refusals++];
	*refusal = (struct refusal){
		.pid = p ? p->pid : 0, .object = xstrdup(object), .advice = advice ? xstrdup(advice) : NULL,
	};
	if (p)
		memcpy(refusal->comm, p->comm, sizeof(refusal->comm));
	va_start(args, fmt);
	if (vasprintf(&refusal->reason, fmt, args) < 0)
		refusal->reason = xstrdup(fmt);
	va_end(args);
}

int save_forgive(const struct save *s, int r, struct err *e)
{
	if (r < 0 && !s->frozen) {
		*e = ERR_INIT;
		return 0;
	}
	return r;
}

int save_thread_status(struct save *s, struct live_process *p, struct live_thread *t, const char **ret, struct err *e)
{
	char path[48];
	int r = 0;

	snprintf(path, sizeof(path), "task/%d/status", t->tid);
	if (!t->status)
		r = read_file_at(p->proc_fd, path, &t->status, NULL);
	*ret = t->status;
	return r < 0 && s->frozen ? err_ret(e, r, "read /proc/%d/%s", p->pid, path) : 0;
}

void save_keep_fd(struct save *s, int fd)
{
	array_grow(s->kept_fds, s->nr_kept_fds, s->cap_kept_fds);
	s->kept_fds[s->nr_kept_fds++] = fd;
}

/* ---- asking tasks ------------------------------------------------------- */

struct asked {
	struct batch *batch;
	struct { save_ask *ask; size_t first; } parts[ARRAY_SIZE(kinds) * 2];
	size_t nr_parts;
};

void asked_free(struct asked *a)
{
	if (a)
		batch_free(a->batch);
	free(a);
}

static int add_questions(struct save *s, struct live_process *p, struct live_thread *t, save_ask *ask, struct err *e)
{
	struct asked *a = t->asked;

	if (!ask)
		return 0;
	a->parts[a->nr_parts].ask = ask;
	a->parts[a->nr_parts++].first = batch_length(a->batch);
	return ask(s, p, t, a->batch, e);
}

static int ask_thread(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	int r = 0;

	t->asked = xcalloc(1, sizeof(*t->asked));
	t->asked->batch = batch_new();
	for (size_t i = 0; r == 0 && kinds[i]; i++) {
		r = t == &p->threads[0] ? add_questions(s, p, t, kinds[i]->ask_process, e) : 0;
		r = r ?: add_questions(s, p, t, kinds[i]->ask_thread, e);
		if (r < 0)
			return err_in(e, "%s of task %d (%s)", kinds[i]->name, t->tid, p->comm);
	}
	return remote_run(p->remote, &t->tracee, t->asked->batch, e);
}

static int ask_process(void *arg, size_t i, struct err *e)
{
	struct save *s = arg;
	struct live_process *p = &s->live->processes[i];
	int r = 0;

	for (size_t j = 0; r == 0 && !p->zombie && j < p->nr_threads; j++)
		r = ask_thread(s, p, &p->threads[j], e);
	return r;
}

int save_ask_all(struct save *s, struct err *e)
{
	return together(s->live->nr_processes, ask_process, s, e);
}

const struct batch *save_answers(const struct live_thread *t, save_ask *ask, size_t *ret_first)
{
	const struct asked *a = t->asked;
	size_t i = 0;

	while (a->parts[i].ask != ask)
		i++;
	*ret_first = a->parts[i].first;
	return a->batch;
}

void save_clear(struct save *s)
{
	for (size_t i = 0; i < s->nr_kept_fds; i++)
		close_fd(&s->kept_fds[i]);
	free(s->kept_fds);
	free(s->ns_roots);
	for (size_t i = 0; i < s->nr_refusals; i++) {
		free(s->refusals[i].object);
		free(s->refusals[i].reason);
		free(s->refusals[i].advice);
		free(s->refusals[i].outside);
	}
	free(s->refusals);
	image_freep(&s->img);
	*s = (struct save){ 0 };
}

struct keyed {
	const char *noun;
	int64_t number;
	int fd;
};

int restore_keyed(const struct restore *r, const char *noun, int64_t number)
{
	for (size_t i = 0; i < r->nr_keyed; i++)
		if (r->keyed[i].fd >= 0 && r->keyed[i].number == number && strcmp(r->keyed[i].noun, noun) == 0)
			return r->keyed[i].fd;
	return -1;
}

void restore_set_keyed(struct restore *r, const char *noun, int64_t number, int fd)
{
	array_grow(r->keyed, r->nr_keyed, r->cap_keyed);
	r->keyed[r->nr_keyed++] = (struct keyed){ noun, number, fd };
}

int restore_take_keyed(struct restore *r, const char *noun, int64_t number)
{
	for (size_t i = 0; i < r->nr_keyed; i++)
		if (r->keyed[i].fd >= 0 && r->keyed[i].number == number && strcmp(r->keyed[i].noun, noun) == 0)
			return take_fd(&r->keyed[i].fd);
	return -1;
}

void restore_close_keyed(struct restore *r, const char *noun)
{
	for (size_t i = 0; i < r->nr_keyed; i++)
		if (strcmp(r->keyed[i].noun, noun) == 0)
			close_fd(&r->keyed[i].fd);
}

void restore_close_files(struct restore *r)
{
	for (size_t i = 0; i < r->nr_keyed; i++)
		close_fd(&r->keyed[i].fd);
	for (size_t i = 0; r->file_fds && i < r->nr_files; i++)
		close_fd(&r->file_fds[i]);
}

void restore_clear(struct restore *r)
{
	restore_close_files(r);
	for (size_t i = 0; r->ns_fds && i < r->nr_ns; i++)
		close_fd(&r->ns_fds[i]);
	for (size_t i = 0; i < r->nr_processes; i++) {
		close_fd(&r->processes[i].proc_fd);
		free(r->processes[i].threads);
	}
	free(r->keyed);
	free(r->shares);
	free(r->file_fds);
	user_namespaces_leave(r);
	free(r->ns_fds);
	free(r->processes);
	free(r->stand_ins);
	outside_plans_clear(r);
	free(r->keep_controllers);
	*r = (struct restore){ .cgroup_fd = -1 };
}
