// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exchanging an address space: a program full of mappings is read, a stopped
 * copy of this test gets the same ones, and the two lists must be equal. Pages
 * are another matter (they need a swap volume): here all come back empty.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "state/mm.h"
#include "state/live_parts.h"
#include "state/namespace.h"
#include "state/process.h"
#include "state/shmem.h"
#include "state/swap_run.h"
#include "state/zombie.h"

static const struct table *const tables[] = {
	&namespace_table, &process_table, &mm_table, &auxv_table, &mapped_file_table, &vma_table, &swap_run_table,
	&shmem_table, &shmem_run_table, &zombie_table,
};

#define MIB (1024 * 1024ul)
#define AT(n) ((void *)(0x200000000000 + (n) * 16 * MIB))

/* ---- places ---------------------------------------------------------------- */

static void test_hole(void **state)
{
	const struct mm_range taken[] = {
		{ 0x7fff00000000, 0x7ffff0000000 }, { 0x400000, 0x500000 },
		{ 0x100000000 + 3 * MIB, 0x100000000 + 4 * MIB }, { 0x100000000 + 1 * MIB, 0x100000000 + 8 * MIB },
	};

	(void)state;
	assert_int_equal(mm_hole(NULL, 0, MIB), 0x100000000);
	assert_int_equal(mm_hole(taken, 2, MIB), 0x100000000);
	/* One MiB stays free on both sides. */
	assert_int_equal(mm_hole(taken, 4, MIB), 0x100000000 + 9 * MIB);
	assert_int_equal(mm_hole(&(struct mm_range){ 0x1000, ADDRESS_END }, 1, MIB), 0);
}

static void test_vdso_has_a_build_id(void **state)
{
	char id[65];

	(void)state;
	assert_int_equal(strlen(vdso_build_id(id)), 40);
	assert_int_equal(strspn(id, "0123456789abcdef"), 40);
}

/* ---- exchange ---------------------------------------------------------------- */

static void *map_at(int n, size_t len, int prot, int flags, int fd, off_t off)
{
	return mmap(AT(n), len, prot, flags | MAP_FIXED_NOREPLACE, fd, off);
}

/* Two neighbours that stay apart because each had pages before they met. */
static void make_neighbours(int n)
{
	char *a = map_at(n, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *b = mmap(a + 8 * PAGE_SIZE, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	*a = *b = 1;
	if (mmap(a + 4 * PAGE_SIZE, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		_exit(3);
}

static void make_files(int segment)
{
	int self = open("/proc/self/exe", O_RDONLY), fd = memfd_create("log", MFD_ALLOW_SEALING);
	char *p;

	p = map_at(10, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, self, 0);
	*p = 1;
	mprotect(p, PAGE_SIZE, PROT_READ);		/* as a dynamic linker does after relocation */
	map_at(11, PAGE_SIZE, PROT_READ, MAP_SHARED, self, 0);
	if (ftruncate(fd, 64 * PAGE_SIZE) < 0)
		_exit(4);
	map_at(12, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * PAGE_SIZE);
	map_at(13, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK);
	map_at(14, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mprotect((char *)AT(14) + 4 * PAGE_SIZE, PAGE_SIZE, PROT_READ);
	if (shmat(segment, AT(15), 0) != AT(15) || shmat(segment, AT(16), SHM_RDONLY) != AT(16))
		_exit(5);
	munmap(AT(16), PAGE_SIZE);			/* a part of a segment */
	close(self);
	close(fd);
}

static void make_mappings(int segment)
{
	char *p;

	make_neighbours(0);
	map_at(1, 64 * MIB / 8, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	mprotect(AT(1), MIB, PROT_READ | PROT_WRITE);
	map_at(2, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	p = map_at(3, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(p, 16 * PAGE_SIZE, MADV_DONTFORK);
	madvise(p + 16 * PAGE_SIZE, 16 * PAGE_SIZE, MADV_DONTDUMP);
	madvise(p + 32 * PAGE_SIZE, 16 * PAGE_SIZE, MADV_WIPEONFORK);
	madvise(p + 48 * PAGE_SIZE, 16 * PAGE_SIZE, MADV_SEQUENTIAL);
	madvise(p + 64 * PAGE_SIZE, 16 * PAGE_SIZE, MADV_NOHUGEPAGE);
	p = map_at(4, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mlock(p, 4 * PAGE_SIZE);
	mlock2(p + 8 * PAGE_SIZE, 4 * PAGE_SIZE, MLOCK_ONFAULT);
	p = map_at(5, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*p = 1;
	mprotect(p, 4 * PAGE_SIZE, PROT_READ);
	map_at(6, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = sbrk(MIB);
	*p = 1;
	make_files(segment);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

static pid_t start_program(int segment)
{
	int pair[2];
	char done;
	pid_t pid;

	assert_int_equal(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* whatever becomes of the test */
		make_mappings(segment);
		if (write(pair[1], "", 1) != 1)
			_exit(2);
		for (;;)
			pause();
	}
	assert_int_equal(read(pair[0], &done, 1), 1);
	close(pair[0]);
	close(pair[1]);
	return pid;
}

/* As process_tree.c parks a new process: no descriptor but one, no restartable sequences. */
static pid_t start_copy(int *ret_pidfd)
{
	pid_t parent = getpid(), pid = fork();

	*ret_pidfd = 100;
	if (pid == 0) {
		char *self;
		int pidfd = pidfd_open(parent, 0);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pidfd, 100);
		close_range(0, 99, 0);
		close_range(101, ~0u, 0);
		__asm__("mov %%fs:0, %0" : "=r"(self));
		if (__rseq_size && syscall(SYS_rseq, self + __rseq_offset, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
			_exit(6);
		for (;;)
			pause();
	}
	usleep(300000);
	return pid;
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, __WALL);
}

static int proc_of(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
}

static void read_program(struct live *l, struct save *s, struct live_process *p, pid_t pid)
{
	struct live_thread *thread = xcalloc(1, sizeof(*thread));
	struct err e = ERR_INIT;

	*p = (struct live_process){ .pid = pid, .proc_fd = proc_of(pid), .pidfd = pidfd_open(pid, 0), .threads = thread,
				    .nr_threads = 1, .comm = "program", .cgroup = xstrdup("") };
	thread->tid = pid;
	*l = (struct live){ .processes = p, .nr_processes = 1, .cgroup_fd = -1, .frozen = true };
	*s = (struct save){ .live = l, .frozen = true, .img = image_new(tables, ARRAY_SIZE(tables)) };
	*(struct process_row *)image_add(s->img, &process_table) = (struct process_row){
		.process = pid, .comm = (char *)"program", .pid_ns = COLUMN_NULL, .mount_ns = COLUMN_NULL,
	};
	if (tracee_seize(&thread->tracee, pid, &e) < 0 || live_read_vmas(p, &e) < 0 ||
	    remote_open(&p->remote, &thread->tracee, 0, &e) < 0 || save_ask_all(s, &e) < 0 ||
	    vma_kind.save_process(s, p, &e) < 0 || mm_kind.save_process(s, p, &e) < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < s->nr_refusals; i++)
		fail_msg("%s: %s", s->refusals[i].object, s->refusals[i].reason);
}

static void restore_copy(struct save *s, struct restore *r, struct new_process *p, pid_t pid, int pidfd)
{
	struct new_thread *thread = xcalloc(1, sizeof(*thread));
	struct err e = ERR_INIT;
	uint64_t hole;

	thread->tid = pid;
	*p = (struct new_process){ .row = image_rows(s->img, &process_table, &(size_t){ 0 }), .pid = pid,
				   .proc_fd = proc_of(pid), .cpt_pidfd = pidfd, .threads = thread, .nr_threads = 1 };
	*r = (struct restore){ .img = s->img, .cgroup_fd = -1, .processes = p, .nr_processes = 1 };
	if (mm_kind.check(r, &e) < 0 || vma_kind.check(r, &e) < 0 || shmem_kind.check(r, &e) < 0 ||
	    swap_run_kind.check(r, &e) < 0 || vma_kind.restore_container(r, &e) < 0 ||
	    shmem_kind.restore_container(r, &e) < 0 || tracee_seize(&thread->tracee, pid, &e) < 0 ||
	    mm_find_hole(r, p, &hole, &e) < 0 || remote_open(&p->remote, &thread->tracee, hole, &e) < 0 ||
	    mm_restore(r, p, &e) < 0 || mm_compare(r, p, &e) < 0 || shmem_kind.finish(r, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(remote_close(p->remote, &thread->tracee, &e), 0);
	p->remote = NULL;
	if (mm_compare(r, p, &e) < 0)
		fail_msg("without foothold: %s", e.msg);
}

/* Fields 26-28 and 45-51 of /proc/<pid>/stat: where code, data, heap, stack, arguments are. */
static void read_addresses(int proc_fd, char *fields[static 10])
{
	char *text, *at;
	size_t found = 0;

	assert_int_equal(read_file_at(proc_fd, "stat", &text, NULL), 0);
	at = strtok(strrchr(text, ')') + 2, " \n");
	for (int nr = 3; at; nr++, at = strtok(NULL, " \n"))
		if ((nr >= 26 && nr <= 28) || (nr >= 45 && nr <= 51))
			fields[found++] = xstrdup(at);
	assert_int_equal(found, 10);
	free(text);
}

static void assert_same_addresses(int a, int b)
{
	char *x[10], *y[10];

	read_addresses(a, x);
	read_addresses(b, y);
	for (int i = 0; i < 10; i++) {
		assert_string_equal(x[i], y[i]);
		assert_string_not_equal(x[i], "0");
		free(x[i]);
		free(y[i]);
	}
}

static void assert_same_file(int a, int b, const char *file)
{
	_cleanup_free_ char *x = NULL, *y = NULL;
	size_t x_len, y_len;

	assert_int_equal(read_file_at(a, file, &x, &x_len), 0);
	assert_int_equal(read_file_at(b, file, &y, &y_len), 0);
	assert_int_equal(x_len, y_len);
	assert_memory_equal(x, y, x_len);
}

static void assert_seals(struct restore *r)
{
	const struct shmem_row *row;
	bool found = false;

	image_for_each(row, r->img, &shmem_table) {
		struct err e = ERR_INIT;

		if (strcmp(row->kind, "memfd") != 0)
			continue;
		assert_string_equal(row->name, "log");
		assert_int_equal(fcntl(shmem_fd(r, row->shmem, true, &e), F_GET_SEALS), F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK);
		found = true;
	}
	assert_true(found);
}

static void test_exchange(void **state)
{
	struct new_process copy;
	struct live_process program;
	struct restore r;
	struct save s;
	struct live l;
	int segment, pidfd;
	pid_t pids[2];
	struct shmid_ds ds;

	(void)state;
	if (geteuid() != 0) {
		print_message("needs root: ptrace, prctl(PR_SET_MM) and map_files\n");
		skip();
	}
	segment = shmget(IPC_PRIVATE, 8 * PAGE_SIZE, IPC_CREAT | 0600);
	assert_true(segment >= 0);
	pids[0] = start_program(segment);
	read_program(&l, &s, &program, pids[0]);
	pids[1] = start_copy(&pidfd);
	restore_copy(&s, &r, &copy, pids[1], pidfd);
	assert_same_addresses(program.proc_fd, copy.proc_fd);
	assert_same_file(program.proc_fd, copy.proc_fd, "auxv");
	if (faccessat(program.proc_fd, "coredump_filter", R_OK, 0) == 0)	/* CONFIG_ELF_CORE */
		assert_same_file(program.proc_fd, copy.proc_fd, "coredump_filter");
	assert_seals(&r);
	assert_int_equal(shmctl(segment, IPC_STAT, &ds), 0);
	assert_int_equal(ds.shm_nattch, 4);	/* two by each */
	end_process(pids[1]);
	end_process(pids[0]);
	shmctl(segment, IPC_RMID, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hole), cmocka_unit_test(test_vdso_has_a_build_id), cmocka_unit_test(test_exchange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
