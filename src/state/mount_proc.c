// SPDX-License-Identifier: GPL-2.0-only
/* A proc shows the pid namespace of who makes it: a process of the container does, for cpt to mount it. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include "state/file_system.h"
#include "state/mount_stage.h"
#include "state/process.h"

struct proc_options {
	struct batch *b;
	size_t context;
};

static bool proc_option(void *arg, const char *name, const char *value)
{
	struct proc_options *o = arg;
	struct batch *b = o->b;

	batch_call(b, batch_why(b, "option %s of a proc", name), SYS_fsconfig, ARG_OF(o->context),
		   ARG(value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG), ARG_AT(batch_data(b, name, strlen(name) + 1)),
		   value ? ARG_AT(batch_data(b, value, strlen(value) + 1)) : ARG(0), ARG(0));
	return true;
}

/* The process makes it, for its own pid namespace, and cpt takes it from there. */
int mount_proc_make(const struct restore *r, struct new_process *p, const struct file_system_row *fs, struct err *e)
{
	_cleanup_batch_ struct batch *b = batch_new();
	struct proc_options o = { .b = b };
	_cleanup_fd_ int pidfd = -1, fd = -1;
	uint64_t theirs;
	int64_t closed;
	size_t made;

	o.context = batch_call(b, "fsopen(proc)", SYS_fsopen, ARG_AT(batch_data(b, "proc", 5)), ARG(0));
	file_system_each_option(r->img, fs, p->born_in, proc_option, &o);
	proc_option(&o, "source", *fs->source ? fs->source : "proc");
	batch_call(b, "make a proc", SYS_fsconfig, ARG_OF(o.context), ARG(FSCONFIG_CMD_CREATE), ARG(0), ARG(0), ARG(0));
	made = batch_call(b, "fsmount of a proc", SYS_fsmount, ARG_OF(o.context), ARG(0), ARG(0));
	batch_call(b, "close the context of a proc", SYS_close, ARG_OF(o.context));
	if (remote_run(p->remote, &p->threads[0].tracee, b, e) < 0)
		return e->code;
	theirs = (uint64_t)batch_result(b, made);
	pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, (int)theirs, 0);
	if (fd < 0)
		return err_sys(e, "get the proc that process %ld has made", p->row->process);
	if (remote_call(p->remote, &p->threads[0].tracee, "close the proc", &closed, SYS_close, 1, &theirs, e) < 0)
		return e->code;
	return take_fd(&fd);
}
