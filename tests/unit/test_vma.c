// SPDX-License-Identifier: GPL-2.0-only
/* What smaps says of a mapping comes back as the same mapping, or is refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <cmocka.h>
#include "state/vma.h"

static struct vma_row row_of(const char *vmflags, char *prot, char *flags, char *advice)
{
	vma_flags_describe(vma_flags_parse(vmflags), prot, flags, advice);
	return (struct vma_row){
		.mm = 1, .start = 0x10000, .end = 0x20000, .type = (char *)"anon", .prot = prot, .flags = flags,
		.advice = advice, .mapped_file = COLUMN_NULL, .shmem = COLUMN_NULL,
	};
}

#define ROW(v, vmflags) \
	char v##_prot[4], v##_flags[128], v##_advice[128]; \
	struct vma_row v = row_of(vmflags, v##_prot, v##_flags, v##_advice)

static void test_words(void **state)
{
	(void)state;
	ROW(stack, "rd wr mr mw me gd ac sd");
	assert_string_equal(stack.prot, "rw-");
	assert_string_equal(stack.flags, "private growsdown accounted");
	assert_string_equal(stack.advice, "");
	ROW(shared, "rd wr sh mr mw me ms sd");
	assert_string_equal(shared.flags, "shared maywrite");
	ROW(read_only, "rd mr me ms sd");
	assert_string_equal(read_only.flags, "shared");
	ROW(arena, "mr mw me nr hg dc dd lo lf");
	assert_string_equal(arena.prot, "---");
	assert_string_equal(arena.flags, "private noreserve locked onfault");
	assert_string_equal(arena.advice, "dontfork dontdump hugepage");
}

static void test_words_come_back(void **state)
{
	static const char *const all[] = {
		"rd wr mr mw me ac sd", "rd ex mr mw me sd", "rd mr mw me ac", "mr mw me nr", "rd wr sh mr mw me ms",
		"rd mr me ms", "rd wr mr mw me gd ac lo", "rd wr mr mw me ac lo lf sr", "rd wr mr mw me wf nr dd dp",
		"rd wr mr mw me ac rr dc hg mg", "rd wr mr mw me ac nh",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		ROW(v, all[i]);
		uint32_t bits;

		assert_true(vma_flags_of(&v, &bits));
		assert_int_equal(bits | VMA_MAYWRITE, vma_flags_parse(all[i]) | VMA_MAYWRITE);
	}
}

static void test_nonsense_is_no_row(void **state)
{
	static const char *const bad[][3] = {
		{ "rwz", "private", "" }, { "rw", "private", "" }, { "rw-", "", "" }, { "rw-", "private shared", "" },
		{ "rw-", "private teapot", "" }, { "rw-", "private", "locked" }, { "rw-", "private hugepage", "" },
	};
	uint32_t bits;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vma_row v = { .prot = (char *)bad[i][0], .flags = (char *)bad[i][1], .advice = (char *)bad[i][2] };

		assert_false(vma_flags_of(&v, &bits));
	}
}

static void test_refusals(void **state)
{
	static const char *const refused[] = {
		"rd wr mr mw me ht", "rd wr mr mw me um", "rd wr mr mw me uw", "rd wr sh mr mw me ms pf io de dd",
		"rd wr sh mr mw me ms de", "rd wr mr mw ss", "rd mr mw me sl", "rd wr mr mw me zz",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_non_null(vma_flags_refusal(vma_flags_parse(refused[i]), VMA_ANON));
	assert_non_null(strstr(vma_flags_refusal(vma_flags_parse("rd wr mr mw me um"), VMA_ANON), "userfaultfd"));
	assert_null(vma_flags_refusal(vma_flags_parse("rd wr mr mw me ac sd"), VMA_HEAP));
	assert_null(vma_flags_refusal(vma_flags_parse("rd mr pf io de dd sd"), VMA_VVAR));
	assert_null(vma_flags_refusal(vma_flags_parse("rd ex mr mw me de sd"), VMA_VDSO));
}

static bool advises(const struct vma_plan *plan, int advice)
{
	for (size_t i = 0; i < plan->nr_advice; i++)
		if (plan->advice[i] == advice)
			return true;
	return false;
}

static void test_plan(void **state)
{
	struct vma_plan plan;

	(void)state;
	ROW(stack, "rd wr mr mw me gd ac");
	vma_plan(&stack, &plan);
	assert_int_equal(plan.prot, PROT_READ | PROT_WRITE);
	assert_int_equal(plan.flags, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
	assert_int_equal(plan.final_prot, -1);
	assert_int_equal(plan.lock, 0);

	/* Read-only after relocation: counted as committed memory, so it must be made writable first. */
	ROW(relro, "rd mr mw me ac");
	relro.mapped_file = 3;
	vma_plan(&relro, &plan);
	assert_int_equal(plan.prot, PROT_READ | PROT_WRITE);
	assert_int_equal(plan.final_prot, PROT_READ);
	assert_int_equal(plan.flags, MAP_FIXED_NOREPLACE | MAP_PRIVATE);

	ROW(reserve, "mr mw me nr dc hg");
	vma_plan(&reserve, &plan);
	assert_int_equal(plan.prot, PROT_NONE);
	assert_true(plan.flags & MAP_NORESERVE);
	assert_true(advises(&plan, MADV_DONTFORK) && advises(&plan, MADV_HUGEPAGE));

	ROW(locked, "rd wr mr mw me ac lo lf");
	vma_plan(&locked, &plan);
	assert_int_equal(plan.lock, 2);

	/* MAP_DROPPABLE brings no-reserve, wipe-on-fork and don't-dump by itself and can't be MAP_PRIVATE. */
	ROW(droppable, "rd wr mr mw me nr wf dd dp");
	vma_plan(&droppable, &plan);
	assert_int_equal(plan.flags, MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | 0x08);
	assert_int_equal(plan.nr_advice, 0);
}

static void test_merge(void **state)
{
	(void)state;
	ROW(a, "rd wr mr mw me ac");
	ROW(b, "rd wr mr mw me ac");
	b.start = a.end;
	b.end = b.start + 0x1000;
	assert_true(vma_would_merge(&a, &b));
	a.name = (char *)"stack of a thread";
	assert_false(vma_would_merge(&a, &b));
	a.name = NULL;
	b.start += 0x1000;
	assert_false(vma_would_merge(&a, &b));
	b.start = a.end;
	ROW(c, "rd wr mr mw me ac dc");
	c.start = a.end;
	assert_false(vma_would_merge(&a, &c));
	/* Of one file, only if the offsets go on too. */
	a.mapped_file = b.mapped_file = 1;
	b.pgoff = a.end - a.start;
	assert_true(vma_would_merge(&a, &b));
	b.pgoff += 0x1000;
	assert_false(vma_would_merge(&a, &b));
}

static void test_shmem_kinds(void **state)
{
	struct live_vma v = { .perms = "rw-s", .path = (char *)"/dev/zero (deleted)", .dev = makedev(0, 1) };

	(void)state;
	assert_string_equal(vma_shmem_kind(&v), "anon");
	v.path = (char *)"/SYSV0000002a (deleted)";
	assert_string_equal(vma_shmem_kind(&v), "sysv");
	v.path = (char *)"/memfd:log (deleted)";
	assert_string_equal(vma_shmem_kind(&v), "memfd");
	/* A private mapping of /dev/zero is ordinary anonymous memory, a file of that name on a disk a file. */
	v.path = (char *)"/dev/zero (deleted)";
	v.dev = makedev(8, 1);
	assert_null(vma_shmem_kind(&v));
	v.dev = makedev(0, 1);
	memcpy(v.perms, "rw-p", 5);
	assert_null(vma_shmem_kind(&v));
}

static void test_lookup(void **state)
{
	const struct vma_row vmas[] = {
		{ .start = 0x1000, .end = 0x3000 }, { .start = 0x3000, .end = 0x4000 }, { .start = 0x8000, .end = 0x9000 },
	};

	(void)state;
	assert_null(vma_at(vmas, 3, 0xfff));
	assert_ptr_equal(vma_at(vmas, 3, 0x1000), &vmas[0]);
	assert_ptr_equal(vma_at(vmas, 3, 0x3000), &vmas[1]);
	assert_null(vma_at(vmas, 3, 0x4000));
	assert_ptr_equal(vma_at(vmas, 3, 0x8fff), &vmas[2]);
	assert_null(vma_at(vmas, 3, 0x9000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words), cmocka_unit_test(test_words_come_back),
		cmocka_unit_test(test_nonsense_is_no_row), cmocka_unit_test(test_refusals), cmocka_unit_test(test_plan),
		cmocka_unit_test(test_merge), cmocka_unit_test(test_shmem_kinds), cmocka_unit_test(test_lookup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
