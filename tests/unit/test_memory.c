// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory comes back: two processes that share pages by fork and by mapping are
 * synced to a swap volume, the volume is copied as a snapshot would be, and
 * stopped copies of this test get their address spaces from the copy. Every
 * byte must be the same and shared pages must be shared again. Needs root and
 * the patched kernel (scripts/vm).
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
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
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

#define NR 2			/* parent and child */
#define MIB (1024 * 1024ul)
#define PRIVATE_AT ((char *)0x200000000000)	/* 4 MiB, shared by fork */
#define SHARED_AT ((char *)0x201000000000)	/* 2 MiB, MAP_SHARED|MAP_ANONYMOUS */
#define FILE_AT ((char *)0x202000000000)	/* a page of the program, changed */

/* ---- volumes and cgroups -------------------------------------------------- */

static int run(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	return system(command);
}

static const char *directory(void)
{
	return access("/scratch", W_OK) == 0 ? "/scratch" : "/tmp";
}

/* A loop device over <directory>/<name>.swap, swapped on privately and pinned to the cgroup of that name. */
static int volume_on(const char *name, int flags)
{
	char path[128], device[64] = "", number[32];
	struct stat st;
	FILE *f;
	int cgroup;

	snprintf(path, sizeof(path), "losetup -f --show %s/%s.swap", directory(), name);
	f = popen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(device, sizeof(device), f));
	pclose(f);
	device[strcspn(device, "\n")] = 0;
	if (swapon(device, flags) < 0)
		fail_msg("swapon %s: %s", device, strerror(errno));
	assert_int_equal(stat(device, &st), 0);
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", name);
	assert_int_equal(mkdir(path, 0755), 0);
	cgroup = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	snprintf(number, sizeof(number), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	assert_int_equal(write_file_at(cgroup, CGROUP_SWAP_DEVICE_FILE, number), 0);
	return cgroup;
}

/* ---- the programs ----------------------------------------------------------- */

static void fill(char *at, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len / 8; i++, seed = seed * 6364136223846793005u + 1442695040888963407u)
		((uint64_t *)(void *)at)[i] = seed;
}

static void make_memory(void)
{
	int self = open("/proc/self/exe", O_RDONLY);

	mmap(PRIVATE_AT, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	mmap(SHARED_AT, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	mmap(FILE_AT, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE, self, 0);
	fill(PRIVATE_AT, 3 * MIB, 1);			/* the last MiB is left untouched */
	memset(PRIVATE_AT + MIB, 0, MIB / 2);		/* pages of zeroes */
	fill(SHARED_AT + MIB, MIB, 2);
	memset(FILE_AT + PAGE_SIZE, 0, PAGE_SIZE);	/* zeroes that hide the file's bytes */
	fill(FILE_AT + 2 * PAGE_SIZE, PAGE_SIZE, 3);
	close(self);
}

/* Child: half of the parent's pages are its own by now. Parent: some, too. */
static void change_memory(bool child)
{
	fill(PRIVATE_AT + (child ? 2 * MIB : 0), MIB / 4, child ? 5 : 6);
	if (child)
		madvise(PRIVATE_AT + 2 * MIB, MIB / 8, MADV_PAGEOUT);
}

static void start_programs(int cgroup, pid_t pids[NR])
{
	int report[2];

	assert_int_equal(pipe(report), 0);
	pids[0] = fork();
	if (pids[0] == 0) {
		pid_t me;

		if (write_file_at(cgroup, "cgroup.procs", "0") < 0)
			_exit(1);
		make_memory();
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* whatever becomes of the test */
		me = fork();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		change_memory(me == 0);
		if (write(report[1], (pid_t[]){ me == 0 ? getpid() : 0 }, sizeof(pid_t)) != sizeof(pid_t))
			_exit(2);
		for (;;)
			pause();
	}
	for (int i = 0; i < NR; i++) {
		pid_t pid;

		assert_int_equal(read(report[0], &pid, sizeof(pid)), sizeof(pid));
		if (pid)
			pids[1] = pid;
	}
	close(report[0]);
	close(report[1]);
}

/* As process_tree.c parks a new process. */
static pid_t start_copy(int cgroup)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		int pidfd = pidfd_open(parent, 0);
		char *self;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write_file_at(cgroup, "cgroup.procs", "0") < 0)
			_exit(1);
		dup2(pidfd, 100);
		close_range(0, 99, 0);
		close_range(101, ~0u, 0);
		__asm__("mov %%fs:0, %0" : "=r"(self));
		if (__rseq_size && syscall(SYS_rseq, self + __rseq_offset, 32, RSEQ_FLAG_UNREGISTER, RSEQ_SIG) < 0)
			_exit(6);
		for (;;)
			pause();
	}
	usleep(500000);
	return pid;
}

static int proc_of(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	return open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
}

/* ---- snapshot and restore ------------------------------------------------------ */

static void must(int ret, const struct err *e)
{
	if (ret < 0)
		fail_msg("%s", e->msg);
}

static void stop_programs(struct live *l, struct live_process *p, const pid_t pids[NR], int cgroup, struct image *img)
{
	struct err e = ERR_INIT;

	for (size_t i = 0; i < NR; i++) {
		p[i] = (struct live_process){ .pid = pids[i], .proc_fd = proc_of(pids[i]), .index = i, .mm_owner = i,
					      .pidfd = pidfd_open(pids[i], 0), .comm = "program", .cgroup = (char *)"",
					      .threads = xcalloc(1, sizeof(struct live_thread)), .nr_threads = 1 };
		p[i].threads->tid = pids[i];
		must(tracee_seize(&p[i].threads->tracee, pids[i], &e), &e);
		must(live_read_vmas(&p[i], &e), &e);
		*(struct process_row *)image_add(img, &process_table) = (struct process_row){
			.process = pids[i], .comm = (char *)"program", .pid_ns = COLUMN_NULL, .mount_ns = COLUMN_NULL,
		};
	}
	*l = (struct live){ .processes = p, .nr_processes = NR, .cgroup_fd = cgroup, .frozen = true };
}

static void take(struct live *l, struct save *s, struct live_process *p)
{
	struct sync_figures figures = { 0 }, again = { 0 };
	struct err e = ERR_INIT;

	must(memory_sync(l, &figures, &e), &e);
	assert_true(figures.written >= 3 * MIB / PAGE_SIZE);
	/* Nothing runs, so nothing is left to be written. */
	must(memory_sync(l, &again, &e), &e);
	assert_int_equal(again.written, 0);
	must(memory_save(s, &e), &e);
	for (size_t i = 0; i < NR; i++)
		must(remote_open(&p[i].remote, &p[i].threads->tracee, 0, &e), &e);
	must(save_ask_all(s, &e), &e);
	for (size_t i = 0; i < NR; i++) {
		must(vma_kind.save_process(s, &p[i], &e), &e);
		must(mm_kind.save_process(s, &p[i], &e), &e);
	}
	for (size_t i = 0; i < s->nr_refusals; i++)
		fail_msg("%s: %s", s->refusals[i].object, s->refusals[i].reason);
}

static void put_back(struct restore *r, struct new_process *p, const pid_t pids[NR])
{
	struct err e = ERR_INIT;
	size_t nr;
	struct process_row *rows = image_rows(r->img, &process_table, &nr);

	must(mm_kind.check(r, &e), &e);
	must(vma_kind.check(r, &e), &e);
	must(shmem_kind.check(r, &e), &e);
	must(swap_run_kind.check(r, &e), &e);
	must(vma_kind.restore_container(r, &e), &e);
	must(shmem_kind.restore_container(r, &e), &e);
	for (size_t i = 0; i < NR; i++)
		p[i] = (struct new_process){ .row = &rows[i], .pid = pids[i], .proc_fd = proc_of(pids[i]), .cpt_pidfd = 100,
					     .threads = xcalloc(1, sizeof(struct new_thread)), .nr_threads = 1 };
	for (size_t i = 0; i < NR; i++) {
		uint64_t hole;

		p[i].threads->tid = pids[i];
		must(tracee_seize(&p[i].threads->tracee, pids[i], &e), &e);
		must(mm_find_hole(r, &p[i], &hole, &e), &e);
		must(remote_open(&p[i].remote, &p[i].threads->tracee, hole, &e), &e);
		must(mm_restore(r, &p[i], &e), &e);
		must(mm_compare(r, &p[i], &e), &e);
	}
	must(memory_restore_done(r, &e), &e);
}

/* ---- comparison ------------------------------------------------------------------ */

static void assert_same_memory(const struct image *img, int64_t mm, const struct live_process *then,
			       const struct new_process *now)
{
	_cleanup_fd_ int a = openat(then->proc_fd, "mem", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int b = openat(now->proc_fd, "mem", O_RDONLY | O_CLOEXEC);
	size_t nr;
	const struct vma_row *vmas = vma_rows(img, mm, &nr);

	for (size_t i = 0; i < nr; i++) {
		char x[PAGE_SIZE], y[PAGE_SIZE];

		if (strcmp(vmas[i].type, "vvar") == 0)
			continue;
		for (int64_t at = vmas[i].start; at < vmas[i].end; at += PAGE_SIZE) {
			ssize_t n = pread(a, x, sizeof(x), at);

			assert_int_equal(n, pread(b, y, sizeof(y), at));
			if (n > 0 && memcmp(x, y, (size_t)n) != 0)
				fail_msg("the page at %#lx (%s) is not what it was", at, vmas[i].type);
		}
	}
}

/* Pages of [at, at + len) that are one and the same page frame in both. */
static size_t shared_pages(int a_proc, int b_proc, char *at, size_t len)
{
	_cleanup_fd_ int a = openat(a_proc, "pagemap", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int b = openat(b_proc, "pagemap", O_RDONLY | O_CLOEXEC);
	size_t nr = 0;

	for (size_t off = 0; off < len; off += PAGE_SIZE) {
		uint64_t x = 0, y = 0, where = (uintptr_t)(at + off) / PAGE_SIZE * 8;

		assert_int_equal(pread(a, &x, 8, (off_t)where), 8);
		assert_int_equal(pread(b, &y, 8, (off_t)where), 8);
		nr += x >> 63 && x == y;
	}
	return nr;
}

static void test_memory_comes_back(void **state)
{
	struct image *img = image_new(tables, ARRAY_SIZE(tables));
	struct live_process programs[NR];
	struct new_process copies[NR];
	struct save s = { .img = img, .frozen = true };
	struct restore r = { .img = img, .processes = copies, .nr_processes = NR };
	pid_t pids[NR], copy_pids[NR];
	struct live l;
	int cgroup;

	(void)state;
	if (geteuid() != 0 || pagemap_probe() <= 0) {
		print_message("needs root and a kernel with cpt's patches\n");
		skip();
	}
	assert_int_equal(run("truncate -s 64M %s/before.swap && mkswap -q %s/before.swap", directory(), directory()), 0);
	cgroup = volume_on("before", SWAP_FLAG_PRIVATE);
	start_programs(cgroup, pids);
	stop_programs(&l, programs, pids, cgroup, img);
	s.live = &l;
	take(&l, &s, programs);
	assert_int_equal(run("sync; cp --sparse=always %s/before.swap %s/after.swap", directory(), directory()), 0);
	r.cgroup_fd = volume_on("after", SWAP_FLAG_PRIVATE | SWAP_FLAG_CLAIM);
	for (size_t i = 0; i < NR; i++)
		copy_pids[i] = start_copy(r.cgroup_fd);
	put_back(&r, copies, copy_pids);
	for (size_t i = 0; i < NR; i++)
		assert_same_memory(img, pids[i], &programs[i], &copies[i]);
	/* What both had from the fork is in memory once. */
	assert_int_equal(shared_pages(copies[0].proc_fd, copies[1].proc_fd, PRIVATE_AT + MIB / 2, MIB / 2),
			 MIB / 2 / PAGE_SIZE);
	assert_int_equal(shared_pages(copies[0].proc_fd, copies[1].proc_fd, PRIVATE_AT, MIB / 4), 0);
	for (size_t i = 0; i < NR; i++) {
		kill(copy_pids[i], SIGKILL);
		kill(pids[i], SIGKILL);
		waitpid(copy_pids[i], NULL, __WALL);
		waitpid(pids[i], NULL, __WALL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_memory_comes_back) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
