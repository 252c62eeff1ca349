// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kmod/mitigate.c decides, row by row: a CPU as Linux describes it, the
 * countermeasures that must come out of it, no more and no fewer.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mitigate.h"
#include "run_suite.h"

struct row {
	const char *cpu;
	struct vmm_cpu_facts facts;
	u32 flags;
};

static const struct row rows[] = {
	{
		"nothing known to be wrong", { .intel = true, .tdp = true }, 0,
	}, {
		"Haswell, retpolines: L1TF, MDS, multihit, no microcode for L1D",
		{ .intel = true, .tdp = true, .bug_l1tf = true, .l1tf = VMM_L1TF_COND,
		  .clear_cpu_buf = true, .rsb_vmexit = true, .use_ibpb = true,
		  .spec_ctrl = true, .bug_itlb_multihit = true },
		VMM_MITIGATE_L1D | VMM_MITIGATE_L1D_COND | VMM_MITIGATE_VERW | VMM_MITIGATE_RSB |
		VMM_MITIGATE_IBPB_SWITCH | VMM_MITIGATE_SPEC_CTRL | VMM_MITIGATE_NX_HUGE,
	}, {
		"Skylake, legacy IBRS against Retbleed, FLUSH_CMD, MMIO stale data",
		{ .intel = true, .tdp = true, .bug_l1tf = true, .l1tf = VMM_L1TF_COND,
		  .flush_l1d_msr = true, .clear_cpu_buf = true, .bug_mmio_stale = true,
		  .rsb_vmexit = true, .use_ibpb = true, .spec_ctrl = true, .kernel_ibrs = true },
		VMM_MITIGATE_L1D | VMM_MITIGATE_L1D_COND | VMM_MITIGATE_L1D_MSR |
		VMM_MITIGATE_VERW | VMM_MITIGATE_RSB | VMM_MITIGATE_IBPB_SWITCH |
		VMM_MITIGATE_SPEC_CTRL | VMM_MITIGATE_SPEC_CTRL_ALWAYS,
	}, {
		"Ice Lake: eIBRS, PBRSB, MMIO stale data through the static key",
		{ .intel = true, .tdp = true, .bug_mmio_stale = true, .mmio_stale_clear = true,
		  .rsb_vmexit_lite = true, .use_ibpb = true, .spec_ctrl = true,
		  .flush_l1d_msr = true },
		VMM_MITIGATE_VERW | VMM_MITIGATE_RSB_ONE | VMM_MITIGATE_IBPB_SWITCH |
		VMM_MITIGATE_SPEC_CTRL,
	}, {
		"Alder Lake: eIBRS, BHI by software, VMSCAPE, RFDS",
		{ .intel = true, .tdp = true, .clear_cpu_buf = true, .rsb_vmexit_lite = true,
		  .use_ibpb = true, .spec_ctrl = true, .bhb_loop_vmexit = true,
		  .ibpb_exit_to_user = true },
		VMM_MITIGATE_VERW | VMM_MITIGATE_RSB_ONE | VMM_MITIGATE_IBPB_SWITCH |
		VMM_MITIGATE_SPEC_CTRL | VMM_MITIGATE_BHB | VMM_MITIGATE_IBPB_USER,
	}, {
		"Zen 2: Retbleed by untraining",
		{ .tdp = true, .rsb_vmexit = true, .use_ibpb = true, .spec_ctrl = true,
		  .unret = true },
		VMM_MITIGATE_RSB | VMM_MITIGATE_IBPB_SWITCH | VMM_MITIGATE_SPEC_CTRL |
		VMM_MITIGATE_UNTRAIN,
	}, {
		"Zen 4: SRSO by IBPB on exit, TSA by VERW before VMRUN",
		{ .tdp = true, .use_ibpb = true, .spec_ctrl = true, .ibpb_on_vmexit = true,
		  .clear_cpu_buf_vm = true },
		VMM_MITIGATE_VERW | VMM_MITIGATE_IBPB_SWITCH | VMM_MITIGATE_SPEC_CTRL |
		VMM_MITIGATE_IBPB_EXIT,
	}, {
		"mitigations=off on an affected CPU",
		{ .intel = true, .tdp = true, .bug_l1tf = true, .bug_mmio_stale = true,
		  .l1tf = VMM_L1TF_OFF, .flush_l1d_msr = true, .spec_ctrl = true },
		VMM_MITIGATE_SPEC_CTRL,
	},
};

START_TEST(row_gives_its_flags)
{
	const struct row *row = &rows[_i];
	u32 flags = vmm_mitigate_decide(&row->facts);

	ck_assert_msg(flags == row->flags, "%s: %#x, expected %#x", row->cpu, flags, row->flags);
}
END_TEST

START_TEST(l1tf_policy_chooses_when_to_flush)
{
	struct vmm_cpu_facts f = { .intel = true, .bug_l1tf = true, .tdp = true };

	f.l1tf = VMM_L1TF_ALWAYS;
	ck_assert_uint_eq(vmm_mitigate_decide(&f), VMM_MITIGATE_L1D);
	f.l1tf = VMM_L1TF_COND;
	ck_assert_uint_eq(vmm_mitigate_decide(&f), VMM_MITIGATE_L1D | VMM_MITIGATE_L1D_COND);
	f.l1tf = VMM_L1TF_OFF;
	ck_assert_uint_eq(vmm_mitigate_decide(&f), 0);
}
END_TEST

START_TEST(l1d_is_not_flushed_where_it_cannot_leak)
{
	struct vmm_cpu_facts f = {
		.intel = true, .bug_l1tf = true, .tdp = true, .l1tf = VMM_L1TF_ALWAYS,
	};

	f.skip_l1d_flush = true;	/* we are a guest whose hypervisor does it */
	ck_assert_uint_eq(vmm_mitigate_decide(&f), 0);
	f.skip_l1d_flush = false;
	f.tdp = false;
	ck_assert_uint_eq(vmm_mitigate_decide(&f), 0);
	f.tdp = true;
	f.bug_l1tf = false;
	ck_assert_uint_eq(vmm_mitigate_decide(&f), 0);
}
END_TEST

START_TEST(full_fill_wins_over_one_entry)
{
	struct vmm_cpu_facts f = { .rsb_vmexit = true, .rsb_vmexit_lite = true };

	ck_assert_uint_eq(vmm_mitigate_decide(&f), VMM_MITIGATE_RSB);
}
END_TEST

/* More known to be wrong never means less done: each fact alone only adds flags. */
START_TEST(a_bug_never_removes_a_countermeasure)
{
	static const size_t facts[] = {
		offsetof(struct vmm_cpu_facts, clear_cpu_buf),
		offsetof(struct vmm_cpu_facts, clear_cpu_buf_vm),
		offsetof(struct vmm_cpu_facts, rsb_vmexit_lite),
		offsetof(struct vmm_cpu_facts, use_ibpb),
		offsetof(struct vmm_cpu_facts, kernel_ibrs),
		offsetof(struct vmm_cpu_facts, bhb_loop_vmexit),
		offsetof(struct vmm_cpu_facts, ibpb_exit_to_user),
		offsetof(struct vmm_cpu_facts, bug_itlb_multihit),
		offsetof(struct vmm_cpu_facts, bug_mmio_stale),
	};
	size_t i, j;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		u32 before = vmm_mitigate_decide(&rows[i].facts);

		for (j = 0; j < sizeof(facts) / sizeof(facts[0]); j++) {
			struct vmm_cpu_facts f = rows[i].facts;

			*((bool *)((char *)&f + facts[j])) = true;
			ck_assert_uint_eq(vmm_mitigate_decide(&f) & before, before);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("mitigate");
	TCase *tc = tcase_create("decide");

	tcase_add_loop_test(tc, row_gives_its_flags, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tc, l1tf_policy_chooses_when_to_flush);
	tcase_add_test(tc, l1d_is_not_flushed_where_it_cannot_leak);
	tcase_add_test(tc, full_fill_wins_over_one_entry);
	tcase_add_test(tc, a_bug_never_removes_a_countermeasure);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
