// SPDX-License-Identifier: GPL-2.0-only
/*
 * Speculative-execution countermeasures: the decision (also built in user space,
 * by selftests/unit/mitigate_test.c) and the collection of the facts it rests on.
 * Manuals: Intel's "Affected Processors" and deep dives on L1TF, MDS, MMIO stale
 * data, PBRSB; AMD's "Software techniques for managing speculation" and the notes
 * on SRSO and TSA; the kernel's Documentation/admin-guide/hw-vuln.
 */
#ifdef __KERNEL__
#define pr_fmt(fmt) "vmm: " fmt
#include <linux/kernel.h>
#include <linux/printk.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/vmx.h>
#endif
#include "mitigate.h"

static u32 decide_l1d(const struct vmm_cpu_facts *f)
{
	u32 flags = VMM_MITIGATE_L1D;

	/*
	 * Under shadow paging the guest never has its own paging structures in use,
	 * and the shadow's non-present entries are written with no address bits.
	 */
	if (!f->bug_l1tf || !f->tdp || f->skip_l1d_flush || f->l1tf == VMM_L1TF_OFF)
		return 0;
	if (f->l1tf == VMM_L1TF_COND)
		flags |= VMM_MITIGATE_L1D_COND;
	if (f->flush_l1d_msr)
		flags |= VMM_MITIGATE_L1D_MSR;
	return flags;
}

/**
 * vmm_mitigate_decide() - the countermeasures for a CPU
 * @f: what is known of it
 *
 * Return: VMM_MITIGATE_* flags.
 */
u32 vmm_mitigate_decide(const struct vmm_cpu_facts *f)
{
	u32 flags = decide_l1d(f);

	/*
	 * Buffers that leak to user space leak to a guest too. MMIO stale data
	 * matters to a guest only where it reaches MMIO: no guest of ours does so
	 * directly, but the kernel's own choice for VM entries is followed.
	 */
	if (f->clear_cpu_buf || f->clear_cpu_buf_vm || (f->bug_mmio_stale && f->mmio_stale_clear))
		flags |= VMM_MITIGATE_VERW;

	if (f->rsb_vmexit)
		flags |= VMM_MITIGATE_RSB;
	else if (f->rsb_vmexit_lite)
		flags |= VMM_MITIGATE_RSB_ONE;
	if (f->use_ibpb)
		flags |= VMM_MITIGATE_IBPB_SWITCH;
	if (f->spec_ctrl) {
		flags |= VMM_MITIGATE_SPEC_CTRL;
		/* With legacy IBRS the write is a barrier by itself, whatever the value. */
		if (f->kernel_ibrs)
			flags |= VMM_MITIGATE_SPEC_CTRL_ALWAYS;
	}
	if (f->bhb_loop_vmexit)
		flags |= VMM_MITIGATE_BHB;
	if (f->ibpb_exit_to_user)
		flags |= VMM_MITIGATE_IBPB_USER;
	if (f->unret && !f->intel)
		flags |= VMM_MITIGATE_UNTRAIN;
	if (f->ibpb_on_vmexit && !f->intel)
		flags |= VMM_MITIGATE_IBPB_EXIT;
	if (f->bug_itlb_multihit && f->tdp)
		flags |= VMM_MITIGATE_NX_HUGE;
	return flags;
}

#ifdef __KERNEL__

/**
 * vmm_mitigate_facts() - fill in what this kernel knows of this machine
 * @f: result
 * @tdp: nested paging is in use
 */
void vmm_mitigate_facts(struct vmm_cpu_facts *f, bool tdp)
{
	u64 arch_caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, arch_caps);

	*f = (struct vmm_cpu_facts) {
		.intel = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL,
		.bug_l1tf = boot_cpu_has_bug(X86_BUG_L1TF),
		.bug_mmio_stale = boot_cpu_has_bug(X86_BUG_MMIO_STALE_DATA),
		.bug_itlb_multihit = boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) &&
				     !(arch_caps & ARCH_CAP_PSCHANGE_MC_NO),
		.clear_cpu_buf = boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF),
		.clear_cpu_buf_vm = boot_cpu_has(X86_FEATURE_CLEAR_CPU_BUF_VM),
		.mmio_stale_clear = static_key_enabled(&mmio_stale_data_clear),
		.rsb_vmexit = boot_cpu_has(X86_FEATURE_RSB_VMEXIT),
		.rsb_vmexit_lite = boot_cpu_has(X86_FEATURE_RSB_VMEXIT_LITE),
		.use_ibpb = boot_cpu_has(X86_FEATURE_USE_IBPB),
		.spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL),
		.kernel_ibrs = boot_cpu_has(X86_FEATURE_KERNEL_IBRS),
		.bhb_loop_vmexit = boot_cpu_has(X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT),
		.ibpb_exit_to_user = boot_cpu_has(X86_FEATURE_IBPB_EXIT_TO_USER),
		.unret = boot_cpu_has(X86_FEATURE_UNRET),
		.ibpb_on_vmexit = boot_cpu_has(X86_FEATURE_IBPB_ON_VMEXIT),
		.flush_l1d_msr = boot_cpu_has(X86_FEATURE_FLUSH_L1D),
		.skip_l1d_flush = arch_caps & ARCH_CAP_SKIP_VMENTRY_L1DFLUSH,
		.tdp = tdp,
	};
	switch (l1tf_mitigation) {
	case L1TF_MITIGATION_OFF:
		f->l1tf = VMM_L1TF_OFF;
		break;
	case L1TF_MITIGATION_FULL_FORCE:
		f->l1tf = VMM_L1TF_ALWAYS;
		break;
	default:
		f->l1tf = VMM_L1TF_COND;
	}
}

/**
 * vmm_mitigate_log() - say in the log, at debug level, what is done
 * @flags: VMM_MITIGATE_*
 */
void vmm_mitigate_log(u32 flags)
{
	static const char * const names[] = {
		"verw", "l1d-flush", "l1d-cond", "l1d-msr", "rsb-fill", "rsb-one", "ibpb-switch",
		"spec-ctrl", "ibrs-write", "bhb-clear", "ibpb-user", "untrain", "ibpb-exit",
		"nx-huge",
	};
	char line[160] = "";
	size_t len = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & BIT(i))
			len += scnprintf(line + len, sizeof(line) - len, " %s", names[i]);
	pr_debug("mitigations:%s\n", len ? line : " none");
}

#endif /* __KERNEL__ */
