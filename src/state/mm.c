// SPDX-License-Identifier: GPL-2.0-only
/* What belongs to an address space as a whole: reading it. mm_restore.c puts it back. */
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <linux/prctl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "state/mm.h"
#include "state/process.h"
#include "state/vma.h"
#include "state/zombie.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_GET_MDWE 66
#endif
#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67
#define PR_GET_MEMORY_MERGE 68
#endif
#define MEMBARRIER_GET_REGISTRATIONS (1 << 9)	/* MEMBARRIER_CMD_GET_REGISTRATIONS, since 6.3 */

#define ADDRESS(field) INT_COLUMN(struct mm_row, field, 0, (int64_t)ADDRESS_END)

static const struct column mm_columns[] = {
	INT_COLUMN(struct mm_row, mm, 1, 4194304),
	ADDRESS(start_code), ADDRESS(end_code), ADDRESS(start_data), ADDRESS(end_data),
	ADDRESS(start_brk), ADDRESS(brk), ADDRESS(start_stack),
	ADDRESS(arg_start), ADDRESS(arg_end), ADDRESS(env_start), ADDRESS(env_end),
	INT_COLUMN(struct mm_row, exe, 0, INT32_MAX),
	TEXT_COLUMN(struct mm_row, vdso, 64),
	INT_COLUMN(struct mm_row, coredump_filter, 0, 511),
	INT_COLUMN(struct mm_row, thp_disabled, 0, 1),
	INT_COLUMN(struct mm_row, ksm, 0, 1),
	INT_COLUMN(struct mm_row, mdwe, 0, 3),
	INT_COLUMN(struct mm_row, membarrier, 0, 1023),
	INT_COLUMN(struct mm_row, lock_future, 0, 7),
};
const struct table mm_table = TABLE("mm", struct mm_row, mm_columns);

static const struct column auxv_columns[] = {
	INT_COLUMN(struct auxv_row, mm, 1, 4194304),
	INT_COLUMN(struct auxv_row, position, 0, 63),
	INT_COLUMN(struct auxv_row, type, 0, INT32_MAX),
	INT_COLUMN(struct auxv_row, value, INT64_MIN + 1, INT64_MAX),
};
const struct table auxv_table = TABLE("auxv", struct auxv_row, auxv_columns);

/* ---- vdso ---------------------------------------------------------------- */

/*
 * Programs remember where the vdso's functions are, so a snapshot only fits a
 * kernel with the very same vdso. The kernel gives every 64-bit process one
 * and the same, so cpt's own tells.
 */
const char *vdso_build_id(char buf[static 65])
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *ehdr = (const void *)base;
	const Elf64_Phdr *phdr = base ? (const void *)(base + ehdr->e_phoff) : NULL;

	*buf = 0;
	for (int i = 0; phdr && i < ehdr->e_phnum; i++) {
		const char *note = base + phdr[i].p_offset, *end = note + phdr[i].p_memsz;

		while (phdr[i].p_type == PT_NOTE && note + sizeof(Elf64_Nhdr) <= end) {
			const Elf64_Nhdr *n = (const void *)note;
			const unsigned char *id = (const unsigned char *)note + sizeof(*n) + ((n->n_namesz + 3) & ~3u);

			if (n->n_type == NT_GNU_BUILD_ID && n->n_descsz <= 32)
				for (unsigned int j = 0; j < n->n_descsz; j++)
					snprintf(buf + 2 * j, 3, "%02x", id[j]);
			note = (const char *)id + ((n->n_descsz + 3) & ~3u);
		}
	}
	return buf;
}

/* ---- reading -------------------------------------------------------------- */

/* Fields of /proc/<pid>/stat by their numbers in proc(5). */
static int mm_read_stat(const struct live_process *p, struct mm_row *row, struct err *e)
{
	const struct {
		int nr;
		int64_t *to;
	} wanted[] = {
		{ 26, &row->start_code }, { 27, &row->end_code }, { 28, &row->start_stack },
		{ 45, &row->start_data }, { 46, &row->end_data }, { 47, &row->start_brk },
		{ 48, &row->arg_start }, { 49, &row->arg_end }, { 50, &row->env_start }, { 51, &row->env_end },
	};
	_cleanup_free_ char *text = NULL;
	size_t found = 0;
	char *field;
	int r = read_file_at(p->proc_fd, "stat", &text, NULL);

	if (r < 0)
		return err_ret(e, r, "read /proc/%d/stat", p->pid);
	field = strrchr(text, ')');
	for (int nr = 2; field && found < ARRAY_SIZE(wanted); nr++) {
		if (nr == wanted[found].nr)
			*wanted[found++].to = strtol(field, NULL, 10);
		field = strchr(field, ' ');
		if (field)
			field++;
	}
	if (found != ARRAY_SIZE(wanted))
		return err_set(e, -EBADMSG, "/proc/%d/stat is not as proc(5) says", p->pid);
	return 0;
}

static int mm_read_auxv(struct save *s, const struct live_process *p, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = read_file_at(p->proc_fd, "auxv", &text, &len);

	if (r < 0)
		return err_ret(e, r, "read /proc/%d/auxv", p->pid);
	for (size_t i = 0; (i + 1) * sizeof(Elf64_auxv_t) <= len; i++) {
		Elf64_auxv_t entry;

		memcpy(&entry, text + i * sizeof(entry), sizeof(entry));
		if (entry.a_type == AT_NULL)
			break;
		*(struct auxv_row *)image_add(s->img, &auxv_table) = (struct auxv_row){
			.mm = p->pid, .position = (int64_t)i,
			.type = (int64_t)entry.a_type, .value = (int64_t)entry.a_un.a_val,
		};
	}
	return 0;
}

/* What only the process itself can be asked. A kernel without a feature does not know the question. */
static int mm_ask(struct save *s, struct live_process *p, struct live_thread *t, struct batch *b, struct err *e)
{
	static const struct {
		const char *why;
		int option;
	} questions[] = {
		{ "prctl: does it use huge pages", PR_GET_THP_DISABLE },
		{ "prctl: are its pages merged", PR_GET_MEMORY_MERGE },
		{ "prctl: may it write code", PR_GET_MDWE },
	};

	(void)s, (void)p, (void)t, (void)e;
	batch_call(b, "brk: read where the heap ends", SYS_brk, ARG(0));
	batch_may_fail(b, batch_call(b, "membarrier: read registrations", SYS_membarrier,
				     ARG(MEMBARRIER_GET_REGISTRATIONS), ARG(0), ARG(0)));
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++)
		batch_may_fail(b, batch_call(b, questions[i].why, SYS_prctl, ARG(questions[i].option), ARG(0), ARG(0),
					     ARG(0), ARG(0)));
	return 0;
}

static void mm_answer(const struct live_process *p, struct mm_row *row)
{
	int64_t *const to[] = { &row->membarrier, &row->thp_disabled, &row->ksm, &row->mdwe };
	size_t first;
	const struct batch *b = save_answers(&p->threads[0], mm_ask, &first);

	row->brk = batch_result(b, first);
	for (size_t i = 0; i < ARRAY_SIZE(to); i++)
		*to[i] = max(batch_result(b, first + 1 + i), (int64_t)0);
}

/* "lo" and "lf" of the foothold, which nobody but MCL_FUTURE has locked. */
static int64_t foothold_lock(const struct live_process *p)
{
	_cleanup_free_ char *smaps = NULL;
	char first[40], *at;
	const char *flags;

	if (read_file_at(p->proc_fd, "smaps", &smaps, NULL) < 0)
		return MCL_FUTURE;
	/* It may have become one with a neighbour: take the mapping that begins last before its end. */
	snprintf(first, sizeof(first), "%lx-", (unsigned long)remote_address(p->remote));
	at = strstr(smaps, first);
	flags = at ? strstr(at, "VmFlags:") : NULL;
	return flags && memmem(flags, strcspn(flags, "\n"), " lf", 3) ? MCL_FUTURE | MCL_ONFAULT : MCL_FUTURE;
}

/*
 * mlockall(MCL_FUTURE) can't be asked for, but it has locked the foothold:
 * there is that much more locked memory than the mappings read before it have.
 */
static int64_t mm_read_lock_future(const struct live_process *p)
{
	_cleanup_free_ char *status = NULL;
	uint64_t locked_kib, known = 0;

	if (read_file_at(p->proc_fd, "status", &status, NULL) < 0)
		return 0;
	locked_kib = text_number(status, "VmLck", 10, 0);
	for (size_t i = 0; i < p->nr_vmas; i++)
		if (p->vmas[i].flags && vma_flags_parse(p->vmas[i].flags) & VMA_LOCKED)
			known += p->vmas[i].end - p->vmas[i].start;
	return locked_kib * 1024 >= known + remote_size(p->remote) ? foothold_lock(p) : 0;
}

static int mm_save(struct save *s, struct live_process *p, struct err *e)
{
	struct mm_row row = { .mm = p->pid };
	_cleanup_free_ char *exe = NULL, *filter = NULL;
	char object[PATH_MAX], vdso[65];
	int r;

	if (p->zombie || p->mm_owner != p->index)
		return 0;
	r = read_link_at(p->proc_fd, "exe", &exe);
	if (r < 0)
		return s->frozen ? err_ret(e, r, "read /proc/%d/exe", p->pid) : 0;
	snprintf(object, sizeof(object), "its program %.4000s", exe);
	r = mapped_file_save(s, p, "exe", exe, object, false, true, &row.exe, e);
	if (r < 0 || !s->frozen)
		return r;
	r = read_file_at(p->proc_fd, "coredump_filter", &filter, NULL);
	if (r == 0)
		row.coredump_filter = strtol(filter, NULL, 16);
	r = mm_read_stat(p, &row, e) ?: mm_read_auxv(s, p, e);
	if (r < 0)
		return r;
	mm_answer(p, &row);
	row.lock_future = mm_read_lock_future(p);
	row.vdso = image_strdup(s->img, vdso_build_id(vdso));
	*(struct mm_row *)image_add(s->img, &mm_table) = row;
	return 0;
}

/* ---- check ------------------------------------------------------------------ */

static int mm_check(struct restore *r, struct err *e)
{
	const struct process_row *process;
	char vdso[65];

	vdso_build_id(vdso);
	image_for_each(process, r->img, &process_table) {
		const struct mm_row *row = image_find(r->img, &mm_table, offsetof(struct mm_row, mm), process->process);
		size_t nr;

		if (zombie_of(r->img, process->process))
			continue;
		if (!row)
			return err_set(e, -EBADMSG, "process %ld has no row in table mm", process->process);
		vma_rows(r->img, row->mm, &nr);
		if (nr == 0)
			return err_set(e, -EBADMSG, "process %ld has no mapping", row->mm);
		if (!image_find(r->img, &mapped_file_table, offsetof(struct mapped_file_row, mapped_file), row->exe))
			return err_set(e, -EBADMSG, "process %ld: its program %ld is not among the mapped files",
				       row->mm, row->exe);
		if (strcmp(row->vdso, vdso) != 0) {
			err_set(e, -ENOEXEC, "process %ld (%s) was snapshotted under a kernel whose vdso (build id %s) is "
				"not this one's (%s)", row->mm, process->comm, row->vdso, vdso);
			return err_advise(e, "boot the kernel that the snapshot was taken under");
		}
	}
	return 0;
}

const struct kind mm_kind = {
	.name = "mm",
	.tables = (const struct table *const[]){ &mm_table, &auxv_table, NULL },
	.ask_process = mm_ask,
	.save_process = mm_save,
	.check = mm_check,
};
