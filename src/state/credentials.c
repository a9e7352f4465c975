// SPDX-License-Identifier: GPL-2.0-only
/* Credentials of a thread: table `credentials`. The last thing a restored thread gets, for it loses power by it. */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "state/credentials.h"
#include "state/process.h"
#include "state/task_kinds.h"

#define ID(field) INT_COLUMN(struct credentials_row, field, 0, UINT32_MAX)
#define SET(field) INT_COLUMN(struct credentials_row, field, 0, INT64_MAX)

static const struct column credentials_columns[] = {
	INT_COLUMN(struct credentials_row, thread, 1, INT32_MAX),
	ID(uid), ID(euid), ID(suid), ID(fsuid), ID(gid), ID(egid), ID(sgid), ID(fsgid),
	TEXT_COLUMN(struct credentials_row, groups, 1 << 20),
	SET(cap_inheritable), SET(cap_permitted), SET(cap_effective), SET(cap_bounding), SET(cap_ambient),
	INT_COLUMN(struct credentials_row, securebits, 0, 255),
	INT_COLUMN(struct credentials_row, no_new_privs, 0, 1),
	INT_COLUMN(struct credentials_row, dumpable, 0, 2),
	INT_COLUMN(struct credentials_row, parent_death_signal, 0, 64),
	INT_COLUMN(struct credentials_row, keep_caps, 0, 1),
};
const struct table credentials_table = TABLE("credentials", struct credentials_row, credentials_columns);

const struct credentials_row *credentials_of(const struct image *img, int64_t thread)
{
	return image_find(img, &credentials_table, offsetof(struct credentials_row, thread), thread);
}

static int credentials_parse(const char *status, struct save *s, struct credentials_row *row)
{
	const char *uid = text_field(status, "Uid"), *gid = text_field(status, "Gid");
	const char *groups = text_field(status, "Groups");
	_cleanup_free_ char *list = NULL;

	if (!uid || !gid || !groups ||
	    sscanf(uid, "%ld %ld %ld %ld", &row->uid, &row->euid, &row->suid, &row->fsuid) != 4 ||
	    sscanf(gid, "%ld %ld %ld %ld", &row->gid, &row->egid, &row->sgid, &row->fsgid) != 4)
		return -EBADMSG;
	list = strndup(groups, strcspn(groups, "\n"));
	row->groups = image_strdup(s->img, list);
	row->cap_inheritable = (int64_t)text_number(status, "CapInh", 16, 0);
	row->cap_permitted = (int64_t)text_number(status, "CapPrm", 16, 0);
	row->cap_effective = (int64_t)text_number(status, "CapEff", 16, 0);
	row->cap_bounding = (int64_t)text_number(status, "CapBnd", 16, 0);
	row->cap_ambient = (int64_t)text_number(status, "CapAmb", 16, 0);
	row->no_new_privs = (int64_t)text_number(status, "NoNewPrivs", 10, 0);
	return 0;
}

static int credentials_ask(struct save *s, struct live_process *p, struct live_thread *t, struct batch *b, struct err *e)
{
	(void)s, (void)p, (void)t, (void)e;
	batch_call(b, "prctl: read the securebits", SYS_prctl, ARG(PR_GET_SECUREBITS));
	batch_call(b, "prctl: read keep-capabilities", SYS_prctl, ARG(PR_GET_KEEPCAPS));
	batch_call(b, "prctl: read dumpable", SYS_prctl, ARG(PR_GET_DUMPABLE));
	batch_call(b, "prctl: read the parent death signal", SYS_prctl, ARG(PR_GET_PDEATHSIG),
		   ARG_AT(batch_data(b, NULL, sizeof(int))));
	return 0;
}

static void credentials_answer(const struct live_thread *t, struct credentials_row *row)
{
	size_t first;
	const struct batch *b = save_answers(t, credentials_ask, &first);

	row->securebits = batch_result(b, first);
	row->keep_caps = batch_result(b, first + 1);
	row->dumpable = batch_result(b, first + 2);
	row->parent_death_signal = *(int *)batch_data_at(b, batch_argument(b, first + 3, 1));
}

static int credentials_save(struct save *s, struct live_process *p, struct live_thread *t, struct err *e)
{
	struct credentials_row row = { .thread = t->tid };
	const char *status;
	int r;

	if (!s->frozen || p->zombie)
		return 0;
	r = save_thread_status(s, p, t, &status, e);
	if (r < 0)
		return r;
	r = credentials_parse(status, s, &row);
	if (r < 0)
		return err_set(e, r, "/proc/%d/task/%d/status is not as proc(5) says", p->pid, t->tid);
	credentials_answer(t, &row);
	*(struct credentials_row *)image_add(s->img, &credentials_table) = row;
	return 0;
}

/* ---- restoring -------------------------------------------------------- */

static void add_capabilities(struct batch *b, const struct credentials_row *row)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ (uint32_t)row->cap_effective, (uint32_t)row->cap_permitted, (uint32_t)row->cap_inheritable },
		{ (uint32_t)(row->cap_effective >> 32), (uint32_t)(row->cap_permitted >> 32),
		  (uint32_t)(row->cap_inheritable >> 32) },
	};

	batch_call(b, "capset", SYS_capset, ARG_AT(batch_data(b, &header, sizeof(header))),
		   ARG_AT(batch_data(b, data, sizeof(data))));
	for (int cap = 0; cap < 63; cap++)
		if (row->cap_ambient >> cap & 1)
			batch_call(b, "prctl: raise an ambient capability", SYS_prctl,
				   ARG(PR_CAP_AMBIENT), ARG(PR_CAP_AMBIENT_RAISE), ARG(cap), ARG(0), ARG(0));
}

/* The highest capability that this kernel knows: dropping others from the bounding set is EINVAL. */
static int last_capability(void)
{
	_cleanup_free_ char *text = NULL;

	return read_file_at(-1, "/proc/sys/kernel/cap_last_cap", &text, NULL) < 0 ? CAP_LAST_CAP : atoi(text);
}

static int credentials_restore(struct restore *r, struct new_process *p, struct new_thread *t,
			       struct batch *b, struct err *e)
{
	const struct credentials_row *row = credentials_of(r->img, t->row->thread), *have = NULL;
	int last = last_capability(), ret;
	struct id_change change;

	if (!row)
		return err_set(e, -EBADMSG, "thread %ld of process %ld has no row in table credentials",
			       t->row->thread, p->row->process);
	if (p->row->user_ns != p->born_in)
		have = credentials_of(r->img, p->row->process);		/* credentials_enter() */
	else if (p->born_as != COLUMN_NULL)
		have = credentials_of(r->img, p->born_as);
	ret = credentials_change(r->img, p->row->user_ns, have, row, &change, e);
	if (ret < 0)
		return ret;
	id_change_add(&change, b);
	free(change.groups);
	for (int cap = 0; cap <= last; cap++)
		if (!(row->cap_bounding >> cap & 1))
			batch_call(b, "prctl: drop a capability from the bounding set", SYS_prctl,
				   ARG(PR_CAPBSET_DROP), ARG(cap));
	batch_call(b, "prctl: restore securebits", SYS_prctl, ARG(PR_SET_SECUREBITS),
		   ARG((row->securebits & ~(1 << SECURE_KEEP_CAPS)) | row->keep_caps << SECURE_KEEP_CAPS));
	if (row->no_new_privs)
		batch_call(b, "prctl: no_new_privs", SYS_prctl, ARG(PR_SET_NO_NEW_PRIVS), ARG(1), ARG(0), ARG(0), ARG(0));
	add_capabilities(b, row);
	batch_call(b, "prctl: parent death signal", SYS_prctl, ARG(PR_SET_PDEATHSIG), ARG(row->parent_death_signal));
	/* Every change of ids above cleared it. 2 (root only) can't be set, it is what a change of ids leaves. */
	if (t->row->thread == p->row->process && (row->dumpable != 2 || p->born_in != COLUMN_NULL))
		batch_call(b, "prctl: dumpable", SYS_prctl, ARG(PR_SET_DUMPABLE), ARG(row->dumpable == 1));
	return 0;
}

const struct kind credentials_kind = {
	.name = "credentials",
	.tables = (const struct table *const[]){ &credentials_table, NULL },
	.ask_thread = credentials_ask,
	.save_thread = credentials_save,
	.restore_thread = credentials_restore,
};
