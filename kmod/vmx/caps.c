// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this processor's VMX offers (SDM appendix A) against what we ask of it.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/moduleparam.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tlbflush.h>

#include "vmx/vmx.h"

struct vmx_config vmx_config;

static int ept = 1, vpid = 1, unrestricted = 1;
module_param(ept, int, 0444);
MODULE_PARM_DESC(ept, "VT-x: use extended page tables (0 is refused: no shadow paging yet)");
module_param(vpid, int, 0444);
MODULE_PARM_DESC(vpid, "VT-x: tag the TLB with virtual processor identifiers (0 or 1)");
module_param(unrestricted, int, 0444);
MODULE_PARM_DESC(unrestricted, "VT-x: run real mode directly (0 is refused)");

/*
 * Controls we ask for. "required" refuses the machine, "optional" is used where it
 * is there; both hold all bits that may be on at some time.
 */
static const struct control {
	const char *name;		/* what its required bits amount to */
	size_t result;			/* offset in struct vmx_config */
	u32 msr, true_msr;		/* the latter, if any, where IA32_VMX_BASIC[55] says so */
	u32 required, optional;
} controls[] = {
	{
		"bitmaps or secondary controls", offsetof(struct vmx_config, cpu_based),
		MSR_IA32_VMX_PROCBASED_CTLS, MSR_IA32_VMX_TRUE_PROCBASED_CTLS,
		/*
		 * Allow: INVLPG, CR3 loads and stores, RDTSC (with an offset), PAUSE outside
		 * of tight loops. All else that could reach the host exits.
		 */
		.required = CPU_BASED_HLT_EXITING | CPU_BASED_MWAIT_EXITING |
			    CPU_BASED_MONITOR_EXITING | CPU_BASED_RDPMC_EXITING |
			    CPU_BASED_USE_TSC_OFFSETTING | CPU_BASED_CR8_LOAD_EXITING |
			    CPU_BASED_CR8_STORE_EXITING | CPU_BASED_MOV_DR_EXITING |
			    CPU_BASED_USE_IO_BITMAPS | CPU_BASED_USE_MSR_BITMAPS |
			    CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING |
			    CPU_BASED_ACTIVATE_SECONDARY_CONTROLS,
		.optional = CPU_BASED_TPR_SHADOW,
	}, {
		"extended page tables (EPT) or unrestricted guest",
		offsetof(struct vmx_config, secondary), MSR_IA32_VMX_PROCBASED_CTLS2, 0,
		/*
		 * Allow: RDRAND, RDSEED, XSAVES and XRSTORS with IA32_XSS 0, descriptor-table
		 * instructions unless UMIP is emulated and on.
		 */
		.required = SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_UNRESTRICTED_GUEST,
		.optional = SECONDARY_EXEC_ENABLE_VPID | SECONDARY_EXEC_WBINVD_EXITING |
			    SECONDARY_EXEC_ENABLE_RDTSCP | SECONDARY_EXEC_ENABLE_INVPCID |
			    SECONDARY_EXEC_PAUSE_LOOP_EXITING | SECONDARY_EXEC_TSC_SCALING |
			    SECONDARY_EXEC_ENCLS_EXITING | SECONDARY_EXEC_DESC |
			    SECONDARY_EXEC_ENABLE_XSAVES | SECONDARY_EXEC_ENABLE_PML,
	}, {
		"virtual NMIs", offsetof(struct vmx_config, pin),
		MSR_IA32_VMX_PINBASED_CTLS, MSR_IA32_VMX_TRUE_PINBASED_CTLS,
		/* Allow: nothing; host interrupts and NMIs always end the guest's turn. */
		.required = PIN_BASED_EXT_INTR_MASK | PIN_BASED_NMI_EXITING |
			    PIN_BASED_VIRTUAL_NMIS,
		.optional = PIN_BASED_VMX_PREEMPTION_TIMER,
	}, {
		"VM-exit controls", offsetof(struct vmx_config, exit),
		MSR_IA32_VMX_EXIT_CTLS, MSR_IA32_VMX_TRUE_EXIT_CTLS,
		.required = VM_EXIT_HOST_ADDR_SPACE_SIZE | VM_EXIT_SAVE_DEBUG_CONTROLS |
			    VM_EXIT_LOAD_IA32_EFER | VM_EXIT_LOAD_IA32_PAT,
	}, {
		"VM-entry controls", offsetof(struct vmx_config, entry),
		MSR_IA32_VMX_ENTRY_CTLS, MSR_IA32_VMX_TRUE_ENTRY_CTLS,
		.required = VM_ENTRY_LOAD_DEBUG_CONTROLS | VM_ENTRY_IA32E_MODE |
			    VM_ENTRY_LOAD_IA32_EFER | VM_ENTRY_LOAD_IA32_PAT,
	},
};

/*
 * The preemption timer counts at a wrong rate: errata AAT59, AAU65 (Westmere) and the
 * Xeon E3-1220 v2's. Older processors that have it lack unrestricted guest.
 */
static bool preemption_timer_broken(void)
{
	switch (cpuid_eax(1) & 0x0fff3fff) {
	case 0x20652:
	case 0x20655:
	case 0x306a8:
		return true;
	}
	return false;
}

/* Bits 31:0 of a capability MSR must be 1 in the control, bits 63:32 may be. */
static u32 missing_control(const struct control *c, u64 basic, u32 *result)
{
	u64 msr;

	rdmsrl(basic & BIT_ULL(55) && c->true_msr ? c->true_msr : c->msr, msr);
	*result = ((c->required | c->optional) & (msr >> 32)) | (u32)msr;
	return c->required & ~(u32)(msr >> 32);
}

/**
 * vmx_negotiate() - read this CPU's capabilities and choose the controls
 * @c: result
 *
 * Return: 0, or -ENODEV after one line in the log saying what is missing.
 */
int vmx_negotiate(struct vmx_config *c)
{
	u32 missing;
	u64 basic;
	int i;

	memset(c, 0, sizeof(*c));
	rdmsrl(MSR_IA32_VMX_BASIC, basic);
	c->revision = vmx_basic_vmcs_revision_id(basic);
	rdmsrl(MSR_IA32_VMX_MISC, c->misc);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, c->cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, c->cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, c->cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, c->cr4_fixed1);
	rdmsrl(MSR_EFER, c->host_efer);
	rdmsrl(MSR_IA32_CR_PAT, c->host_pat);

	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		missing = missing_control(&controls[i], basic, (void *)c + controls[i].result);
		if (!missing)
			continue;
		pr_err("this processor's VT-x lacks %s (controls %#x), which vmm needs\n",
		       controls[i].name, missing);
		return -ENODEV;
	}
	if (preemption_timer_broken())
		c->pin &= ~PIN_BASED_VMX_PREEMPTION_TIMER;

	rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, c->ept_vpid);
	if (!(c->ept_vpid & VMX_EPT_PAGE_WALK_4_BIT) || !(c->ept_vpid & VMX_EPTP_WB_BIT) ||
	    !(c->ept_vpid & VMX_EPT_INVEPT_BIT) ||
	    !(c->ept_vpid & (VMX_EPT_EXTENT_CONTEXT_BIT | VMX_EPT_EXTENT_GLOBAL_BIT))) {
		pr_err("this processor's EPT lacks 4-level write-back walks or INVEPT (%#llx)\n",
		       c->ept_vpid);
		return -ENODEV;
	}
	/* It goes by the dirty bits. */
	if (!(c->ept_vpid & VMX_EPT_AD_BIT))
		c->secondary &= ~SECONDARY_EXEC_ENABLE_PML;
	/* A tag that cannot be flushed is worse than none. */
	if (!vpid || !(c->ept_vpid >> 32 & VMX_VPID_INVVPID_BIT) ||
	    !(c->ept_vpid >> 32 & (VMX_VPID_EXTENT_SINGLE_CONTEXT_BIT |
				   VMX_VPID_EXTENT_GLOBAL_CONTEXT_BIT)))
		c->secondary &= ~SECONDARY_EXEC_ENABLE_VPID;
	return 0;
}

/**
 * vmx_usable() - can and may this machine run VMX guests
 *
 * Return: 0; -ENODEV, -EACCES or -EBUSY after one line in the log.
 */
int vmx_usable(void)
{
	u64 feat_ctl;

	if (!(cpuid_ecx(1) & BIT(5))) {		/* SDM 24.6: CPUID.1:ECX.VMX */
		pr_err("this processor has no VT-x (CPUID says no VMX)\n");
		return -ENODEV;
	}
	/* The kernel locks the MSR at boot where firmware left it open (SDM 24.7). */
	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &feat_ctl))
		feat_ctl = FEAT_CTL_LOCKED;
	if ((feat_ctl & FEAT_CTL_LOCKED) && !(feat_ctl & FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)) {
		pr_err("VT-x is disabled by the firmware (IA32_FEATURE_CONTROL is %#llx); enable it in the setup\n",
		       feat_ctl);
		return -EACCES;
	}
	if (__read_cr4() & X86_CR4_VMXE) {
		pr_err("VT-x is in use by another hypervisor (CR4.VMXE is set); is kvm_intel loaded?\n");
		return -EBUSY;
	}
	if (!ept) {
		pr_err("ept=0: shadow paging on VT-x is not there yet\n");
		return -ENODEV;
	}
	if (!unrestricted) {
		pr_err("unrestricted=0: running real mode by emulation is not supported\n");
		return -ENODEV;
	}
	return vmx_negotiate(&vmx_config);
}

/**
 * vmx_fill_caps() - the configuration in the core's terms
 * @caps: result
 */
void vmx_fill_caps(struct vmm_backend_caps *caps)
{
	const struct vmx_config *c = &vmx_config;

	*caps = (struct vmm_backend_caps) {
		.tdp = true,
		.tdp_1g = c->ept_vpid & VMX_EPT_1GB_PAGE_BIT,
		.tdp_ad = c->ept_vpid & VMX_EPT_AD_BIT,
		.tdp_levels = 4,
		.tsc_scaling = c->secondary & SECONDARY_EXEC_TSC_SCALING,
		.tsc_scaling_frac_bits = 48,
		.preempt_timer = c->pin & PIN_BASED_VMX_PREEMPTION_TIMER,
		.pdptes = true,
		.debugctl = true,
		.rdmsr_tsc = true,
		.xsaves = c->secondary & SECONDARY_EXEC_ENABLE_XSAVES,
		.cmci = true,
		.tsc_aux = c->secondary & SECONDARY_EXEC_ENABLE_RDTSCP,
		.invpcid = c->secondary & SECONDARY_EXEC_ENABLE_INVPCID,
		/* The exits of the descriptor-table instructions stand in for it. */
		.emulates_umip = !(c->cr4_fixed1 & X86_CR4_UMIP) &&
				 (c->secondary & SECONDARY_EXEC_DESC),
	};
}
