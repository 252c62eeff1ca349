/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which speculative-execution countermeasures an entry and an exit need.
 *
 * The decision is a pure function of what the kernel decided about this CPU, so
 * that it can be tested in user space for CPUs nobody here owns. The backends act
 * on the answer. The countermeasures that a mispredicted branch could itself skip
 * (return buffer fill, untraining, branch history) are patched into the entry
 * code by the kernel's alternatives, which follow the same feature bits; their
 * flags here are for the log.
 */
#ifndef VMM_MITIGATE_H
#define VMM_MITIGATE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint32_t u32;
typedef uint64_t u64;
#endif

/* How the administrator wants L1TF treated (l1tf=, kvm-intel.vmentry_l1d_flush's default). */
enum vmm_l1tf_policy {
	VMM_L1TF_OFF,		/* l1tf=off */
	VMM_L1TF_COND,		/* flush, full: flush where secrets may have come into L1D */
	VMM_L1TF_ALWAYS,	/* full,force */
};

/* What is known of the CPU and of the kernel's choices. */
struct vmm_cpu_facts {
	bool intel;
	/* Bugs the kernel found. */
	bool bug_l1tf, bug_mmio_stale, bug_itlb_multihit;
	/* Features the kernel turned on to work around bugs. */
	bool clear_cpu_buf;		/* VERW on the way to user space: MDS, TAA, RFDS */
	bool clear_cpu_buf_vm;		/* VERW before a VM entry: TSA, MMIO stale data */
	bool mmio_stale_clear;		/* its static key of older kernels */
	bool rsb_vmexit, rsb_vmexit_lite;
	bool use_ibpb;
	bool spec_ctrl;			/* IA32_SPEC_CTRL exists */
	bool kernel_ibrs;		/* legacy IBRS: set at every kernel entry */
	bool bhb_loop_vmexit;
	bool ibpb_exit_to_user;		/* VMSCAPE */
	bool unret, ibpb_on_vmexit;	/* AMD: Retbleed, SRSO */
	/* Hardware. */
	bool flush_l1d_msr;		/* IA32_FLUSH_CMD */
	bool skip_l1d_flush;		/* IA32_ARCH_CAPABILITIES.SKIP_L1DFL_VMENTRY */
	bool tdp;			/* nested paging in use */
	enum vmm_l1tf_policy l1tf;
};

#define VMM_MITIGATE_VERW		(1u << 0)	/* VERW as the last thing before the entry */
#define VMM_MITIGATE_L1D		(1u << 1)	/* flush L1D at an entry ... */
#define VMM_MITIGATE_L1D_COND		(1u << 2)	/* ... only where the host ran other code since */
#define VMM_MITIGATE_L1D_MSR		(1u << 3)	/* ... by IA32_FLUSH_CMD, else by reading 64 KiB */
#define VMM_MITIGATE_RSB		(1u << 4)	/* fill the return buffer after an exit */
#define VMM_MITIGATE_RSB_ONE		(1u << 5)	/* one entry suffices (post-barrier RSB) */
#define VMM_MITIGATE_IBPB_SWITCH	(1u << 6)	/* IBPB when another vCPU comes to a CPU */
#define VMM_MITIGATE_SPEC_CTRL		(1u << 7)	/* the host's SPEC_CTRL comes back at an exit */
#define VMM_MITIGATE_SPEC_CTRL_ALWAYS	(1u << 8)	/* ... written even when it has the value */
#define VMM_MITIGATE_BHB		(1u << 9)	/* clear the branch history after an exit */
#define VMM_MITIGATE_IBPB_USER		(1u << 10)	/* IBPB on the way to user space after a run */
#define VMM_MITIGATE_UNTRAIN		(1u << 11)	/* AMD: untrain return predictions after an exit */
#define VMM_MITIGATE_IBPB_EXIT		(1u << 12)	/* AMD: IBPB after an exit */
#define VMM_MITIGATE_NX_HUGE		(1u << 13)	/* no executable huge page (iTLB multihit) */

u32 vmm_mitigate_decide(const struct vmm_cpu_facts *f);

#ifdef __KERNEL__
#include <asm/cpufeature.h>
#include <asm/nospec-branch.h>

void vmm_mitigate_facts(struct vmm_cpu_facts *f, bool tdp);
void vmm_mitigate_log(u32 flags);

/*
 * The guest has run on this CPU: the next return to user space must not be
 * predicted by what it trained (VMSCAPE). Preemption off.
 */
static __always_inline void vmm_mitigate_ran_guest(void)
{
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
}
#endif

#endif /* VMM_MITIGATE_H */
