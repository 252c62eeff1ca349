// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers: those that are the same on every backend, and the
 * ioctls. The rest goes to the LAPIC, to para/ and to the backend.
 *
 * Reads and writes of a guest and of user space meet in vmm_msr_get() and
 * vmm_msr_set(); msr->host tells them apart where the rules differ.
 */
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <asm/mce.h>
#include <asm/msr-index.h>

#include "vmm.h"

/* No cap of MCG_CAP beyond these: thresholded counting and software recovery. */
#define MCG_CAP_SUPPORTED	(MCG_CTL_P | MCG_SER_P)
#define MISC_ENABLE_RO	(MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL)
#define MAX_MSRS		256	/* per KVM_GET/SET_MSRS, as KVM */

static const u16 mtrr_fixed_index[] = {
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000, MSR_MTRRfix4K_C0000,
	MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000, MSR_MTRRfix4K_E0000,
	MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
};
#define MTRR_VARIABLE	8	/* pairs */

/* What a snapshot must carry; KVM_GET_MSR_INDEX_LIST gives those this machine has. */
static const u32 known_msrs[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK, MSR_KERNEL_GS_BASE,
	MSR_FS_BASE, MSR_GS_BASE, MSR_EFER, MSR_TSC_AUX,
	MSR_IA32_TSC, MSR_IA32_TSC_ADJUST, MSR_IA32_TSC_DEADLINE, MSR_IA32_CR_PAT,
	MSR_IA32_APICBASE, MSR_IA32_MISC_ENABLE, MSR_IA32_SPEC_CTRL, MSR_AMD64_VIRT_SPEC_CTRL,
	MSR_IA32_ARCH_CAPABILITIES, MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL,
	MSR_MISC_FEATURES_ENABLES, MSR_PLATFORM_INFO, MSR_K7_HWCR, MSR_AMD64_OSVW_ID_LENGTH,
	MSR_AMD64_OSVW_STATUS, MSR_IA32_POWER_CTL, MSR_IA32_UCODE_REV, MSR_IA32_DEBUGCTLMSR,
	MSR_MTRRdefType, MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000,
	MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000,
	MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
	0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207,
	0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f,
	MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_SYSTEM_TIME_NEW,
	MSR_KVM_PV_EOI_EN, MSR_KVM_STEAL_TIME, MSR_KVM_POLL_CONTROL, MSR_IA32_XSS,
	MSR_KVM_ASYNC_PF_EN, MSR_KVM_ASYNC_PF_INT, MSR_KVM_ASYNC_PF_ACK,
};
static u32 state_msrs[ARRAY_SIZE(known_msrs)];
static unsigned int nr_state_msrs;

/* KVM_GET_MSR_FEATURE_INDEX_LIST: constant, to build CPU models from. */
static u32 feature_msrs[] = {
	MSR_IA32_UCODE_REV, MSR_IA32_ARCH_CAPABILITIES, MSR_IA32_PERF_CAPABILITIES,
	MSR_AMD64_DE_CFG,
};
static unsigned int nr_feature_msrs;

u64 vmm_mce_cap(void)
{
	return MCG_CAP_SUPPORTED | (vmm_backend.caps.cmci ? MCG_CMCI_P : 0) | VMM_MCE_BANKS;
}

/**
 * vmm_efer_supported() - the EFER bits any guest may have on this machine
 */
u64 vmm_efer_supported(void)
{
	u64 mask = EFER_SCE | EFER_LME | EFER_LMA;

	if (boot_cpu_has(X86_FEATURE_NX))
		mask |= EFER_NX;
	if (boot_cpu_has(X86_FEATURE_FXSR_OPT))
		mask |= EFER_FFXSR;
	return mask;
}

/* What this machine does right, whatever the guest is told besides. */
static u64 arch_capabilities(void)
{
	u64 host = 0;

	if (!boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		return 0;
	rdmsrl(MSR_IA32_ARCH_CAPABILITIES, host);
	return host & (ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_SKIP_VMENTRY_L1DFLUSH |
		       ARCH_CAP_SSB_NO | ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO |
		       ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO |
		       ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA |
		       ARCH_CAP_PBRSB_NO);
}

static int feature_msr(u32 index, u64 *data)
{
	switch (index) {
	case MSR_IA32_ARCH_CAPABILITIES:
		*data = arch_capabilities();
		return 0;
	case MSR_IA32_PERF_CAPABILITIES:
		*data = 0;		/* there is no PMU to have any */
		return 0;
	case MSR_IA32_UCODE_REV:
		*data = boot_cpu_data.microcode;
		if (boot_cpu_data.x86_vendor == X86_VENDOR_INTEL)
			*data <<= 32;
		return 0;
	case MSR_AMD64_DE_CFG:
		if (!boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ||
		    boot_cpu_data.x86_vendor == X86_VENDOR_INTEL)
			return 1;
		*data = BIT(1);		/* LFENCE is serialising here */
		return 0;
	default:
		return 1;
	}
}

/* ---- memory type range registers (SDM 12.11): stored; EPT and NPT decide the type --- */

static u64 *mtrr_slot(struct vmm_vcpu *vcpu, u32 index)
{
	unsigned int i;

	if (index == MSR_MTRRdefType)
		return &vcpu->mtrr_deftype;
	if (index >= 0x200 && index < 0x200 + 2 * MTRR_VARIABLE)
		return &vcpu->mtrr_var[array_index_nospec(index - 0x200, 2 * MTRR_VARIABLE)];
	for (i = 0; i < ARRAY_SIZE(mtrr_fixed_index); i++)
		if (mtrr_fixed_index[i] == index)
			return &vcpu->mtrr_fixed[i];
	return NULL;
}

static bool memory_type_valid(u8 type)
{
	return type < 8 && BIT(type) & 0x73;	/* UC WC WT WP WB */
}

/* Eight types, a byte each: 0, 1 and 4 to 7, so bit 1 comes only with bit 2 (SDM 12.12.2). */
static bool pat_valid(u64 pat)
{
	return !(pat & 0xf8f8f8f8f8f8f8f8) && !((pat & 0x0202020202020202) << 1 & ~pat);
}

static bool mtrr_valid(struct vmm_vcpu *vcpu, u32 index, u64 data)
{
	u64 reserved = ~GENMASK_ULL(vcpu->caps.maxphyaddr - 1, 0);
	int i;

	if (index == MSR_MTRRdefType)
		return !(data & ~0xcffull) && memory_type_valid(data & 0xff);
	if (index >= 0x200 && index < 0x200 + 2 * MTRR_VARIABLE) {
		if (index & 1)
			return !(data & (reserved | 0x7ff));
		return !(data & (reserved | 0xf00)) && memory_type_valid(data & 0xff);
	}
	for (i = 0; i < 64; i += 8)
		if (!memory_type_valid(data >> i))
			return false;
	return true;
}

/* ---- machine check banks -------------------------------------------------------------- */

static u64 *mce_slot(struct vmm_vcpu *vcpu, u32 index)
{
	unsigned int banks = vcpu->mcg_cap & 0xff;
	unsigned int i = index - MSR_IA32_MC0_CTL;

	if (index < MSR_IA32_MC0_CTL || i >= min(banks, (unsigned int)VMM_MCE_BANKS) * 4)
		return NULL;
	return &vcpu->mce_banks[array_index_nospec(i, VMM_MCE_BANKS * 4)];
}

static int set_mce_bank(struct vmm_vcpu *vcpu, const struct vmm_msr *msr, u64 *slot)
{
	unsigned int reg = (msr->index - MSR_IA32_MC0_CTL) & 3;

	/* CTL: all ones or zero (some guests clear bit 10); STATUS: cleared only. */
	if (reg == 0 && msr->data && (msr->data | BIT(10)) != ~0ull)
		return 1;
	if (reg == 1 && msr->data && !msr->host && !(vcpu->hwcr & BIT(18)))
		return 1;
	*slot = msr->data;
	return 0;
}

/* IA32_MCi_CTL2, SDM 16.3.2.5 */
static u64 *mce_ctl2_slot(struct vmm_vcpu *vcpu, u32 index)
{
	unsigned int banks = vcpu->mcg_cap & 0xff;
	unsigned int i = index - MSR_IA32_MC0_CTL2;

	if (i >= min(banks, (unsigned int)VMM_MCE_BANKS))
		return NULL;
	return &vcpu->mce_ctl2[array_index_nospec(i, VMM_MCE_BANKS)];
}

static int set_mce_ctl2(struct vmm_vcpu *vcpu, const struct vmm_msr *msr, u64 *slot)
{
	if (!(vcpu->mcg_cap & MCG_CMCI_P) && (msr->data || !msr->host))
		return 1;
	if (msr->data & ~(MCI_CTL2_CMCI_EN | MCI_CTL2_CMCI_THRESHOLD_MASK))
		return 1;
	*slot = msr->data;
	return 0;
}

/* ---- the registers themselves ----------------------------------------------------------- */

/* Registers that read as a constant, so that guests boot. */
static bool constant_msr(u32 index, u64 *data)
{
	switch (index) {
	case MSR_IA32_PLATFORM_ID:
	case MSR_IA32_EBL_CR_POWERON:
	case MSR_IA32_LASTBRANCHFROMIP:
	case MSR_IA32_LASTBRANCHTOIP:
	case MSR_IA32_LASTINTFROMIP:
	case MSR_IA32_LASTINTTOIP:
	case MSR_AMD64_SYSCFG:
	case MSR_K8_TSEG_ADDR:
	case MSR_K8_TSEG_MASK:
	case MSR_VM_HSAVE_PA:
	case MSR_K8_INT_PENDING_MSG:
	case MSR_AMD64_NB_CFG:
	case MSR_FAM10H_MMIO_CONF_BASE:
	case MSR_AMD64_BU_CFG2:
	case MSR_IA32_PERF_CTL:
	case MSR_AMD64_DC_CFG:
	case MSR_F15H_EX_CFG:
	case MSR_RAPL_POWER_UNIT:
	case MSR_PP0_ENERGY_STATUS:
	case MSR_PP1_ENERGY_STATUS:
	case MSR_PKG_ENERGY_STATUS:
	case MSR_DRAM_ENERGY_STATUS:
	case MSR_K7_EVNTSEL0 ... MSR_K7_EVNTSEL0 + 3:
	case MSR_K7_PERFCTR0 ... MSR_K7_PERFCTR0 + 3:
	case MSR_P6_PERFCTR0 ... MSR_P6_PERFCTR1:
	case MSR_P6_EVNTSEL0 ... MSR_P6_EVNTSEL1:
		*data = 0;
		return true;
	case MSR_FSB_FREQ:
		*data = 3;
		return true;
	case MSR_IA32_PERF_STATUS:
		*data = 1000 | 4ull << 40;	/* KVM's answer: some guests divide by it */
		return true;
	case MSR_EBC_FREQUENCY_ID:
		*data = 1 << 24;
		return true;
	case MSR_IA32_BBL_CR_CTL3:
		*data = 0xbe702111;		/* an L2 cache there and enabled */
		return true;
	default:
		return false;
	}
}

/* Registers of the platform that guests program and that have no effect here. */
static bool write_ignored(u32 index)
{
	switch (index) {
	case MSR_IA32_UCODE_WRITE:
	case MSR_AMD64_PATCH_LOADER:
	case MSR_VM_HSAVE_PA:
	case MSR_AMD64_NB_CFG:
	case MSR_FAM10H_MMIO_CONF_BASE:
	case MSR_AMD64_BU_CFG2:
	case MSR_AMD64_DC_CFG:
	case MSR_F15H_EX_CFG:
	case MSR_IA32_BBL_CR_CTL3:
	case MSR_K7_EVNTSEL0 ... MSR_K7_EVNTSEL0 + 3:
	case MSR_K7_PERFCTR0 ... MSR_K7_PERFCTR0 + 3:
	case MSR_P6_PERFCTR0 ... MSR_P6_PERFCTR1:
	case MSR_P6_EVNTSEL0 ... MSR_P6_EVNTSEL1:
		return true;
	default:
		return false;
	}
}

/* Registers of features that not every processor has, nor every guest. */
static bool exists(struct vmm_vcpu *vcpu, const struct vmm_msr *msr)
{
	switch (msr->index) {
	case MSR_TSC_AUX:
		return vmm_backend.caps.tsc_aux && (msr->host || vcpu->caps.rdtscp);
	case MSR_IA32_SPEC_CTRL:
		return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) &&
		       (msr->host || vcpu->caps.spec_ctrl);
	case MSR_IA32_PRED_CMD:
		return boot_cpu_has(X86_FEATURE_IBPB) && (msr->host || vcpu->caps.ibpb);
	default:
		return true;
	}
}

/* Would this CPU take the value? The bits differ by model and microcode. */
static bool spec_ctrl_valid(u64 data)
{
	unsigned long flags;
	bool valid = false;
	u64 saved;

	local_irq_save(flags);
	if (!rdmsrl_safe(MSR_IA32_SPEC_CTRL, &saved)) {
		valid = !wrmsrl_safe(MSR_IA32_SPEC_CTRL, data);
		wrmsrl(MSR_IA32_SPEC_CTRL, saved);
	}
	local_irq_restore(flags);
	return valid;
}

static noinline int set_spec_ctrl(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	if (!exists(vcpu, msr) || !spec_ctrl_valid(msr->data) ||
	    vmm_backend.set_msr(vcpu, msr))
		return 1;
	/*
	 * A guest that uses it does so at every system call. One that never does is
	 * spared the read at every exit.
	 */
	if (msr->data && vcpu->caps.spec_ctrl && !vcpu->spec_ctrl_direct) {
		vcpu->spec_ctrl_direct = true;
		vmm_msr_update_exits(vcpu);
	}
	return 0;
}

/* Those of which there are many: of memory types, and of machine-check banks. */
static noinline int get_banked(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	u64 *slot = mtrr_slot(vcpu, msr->index);

	if (!slot)
		slot = mce_slot(vcpu, msr->index);
	if (slot) {
		msr->data = *slot;
		return 0;
	}
	slot = mce_ctl2_slot(vcpu, msr->index);
	if (slot) {
		msr->data = *slot;
		return !(vcpu->mcg_cap & MCG_CMCI_P) && !msr->host;
	}
	return constant_msr(msr->index, &msr->data) ? 0 : VMM_MSR_UNKNOWN;
}

static noinline int set_banked(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	u64 *slot = mtrr_slot(vcpu, msr->index);

	if (slot) {
		if (!mtrr_valid(vcpu, msr->index, msr->data))
			return 1;
		*slot = msr->data;
		return 0;
	}
	slot = mce_slot(vcpu, msr->index);
	if (slot)
		return set_mce_bank(vcpu, msr, slot);
	slot = mce_ctl2_slot(vcpu, msr->index);
	if (slot)
		return set_mce_ctl2(vcpu, msr, slot);
	return write_ignored(msr->index) ? 0 : VMM_MSR_UNKNOWN;
}

static int get_shared(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	switch (msr->index) {
	case MSR_IA32_TSC:
		msr->data = vmm_guest_tsc(vcpu, rdtsc());
		return 0;
	case MSR_IA32_TSC_ADJUST:
		msr->data = vcpu->tsc_adjust;
		return 0;
	case MSR_EFER:
		msr->data = vcpu->efer;
		return 0;
	case MSR_IA32_APICBASE:
		msr->data = vcpu->apic_base;
		return 0;
	case MSR_IA32_CR_PAT:
		msr->data = vcpu->pat;
		return 0;
	case MSR_MTRRcap:
		msr->data = 0x500 | MTRR_VARIABLE;	/* fixed, write-combining */
		return 0;
	case MSR_IA32_XSS:
		msr->data = 0;
		return !vcpu->caps.xsaves;
	case MSR_IA32_MISC_ENABLE:
		msr->data = vcpu->msr_misc_enable;
		return 0;
	case MSR_MISC_FEATURES_ENABLES:
		msr->data = 0;
		return 0;
	case MSR_PLATFORM_INFO:
		if (!msr->host && vcpu->vm->platform_info_hidden)
			return 1;
		msr->data = vcpu->msr_platform_info;
		return 0;
	case MSR_IA32_POWER_CTL:
		msr->data = vcpu->power_ctl;
		return 0;
	case MSR_IA32_UCODE_REV:
		msr->data = vcpu->ucode_rev;
		return 0;
	case MSR_SMI_COUNT:
		msr->data = vcpu->smi_count;
		return 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		if (!msr->host && !vcpu->caps.arch_capabilities)
			return 1;
		msr->data = vcpu->arch_capabilities;
		return 0;
	case MSR_TSC_AUX:
		msr->data = vcpu->tsc_aux;
		return !exists(vcpu, msr);
	case MSR_IA32_SPEC_CTRL:
		return exists(vcpu, msr) ? vmm_backend.get_msr(vcpu, msr) : 1;
	case MSR_IA32_MCG_CAP:
		msr->data = vcpu->mcg_cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		msr->data = vcpu->mcg_status;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(vcpu->mcg_cap & MCG_CTL_P) && !msr->host)
			return 1;
		msr->data = vcpu->mcg_ctl;
		return 0;
	case MSR_K7_HWCR:
		msr->data = vcpu->hwcr;
		return 0;
	case MSR_AMD64_OSVW_ID_LENGTH:
		msr->data = vcpu->osvw_length;
		return 0;
	case MSR_AMD64_OSVW_STATUS:
		msr->data = vcpu->osvw_status;
		return 0;
	}
	return get_banked(vcpu, msr);
}

static int set_shared(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	u64 data = msr->data;

	switch (msr->index) {
	case MSR_IA32_TSC:
		vmm_guest_tsc_write(vcpu, data, msr->host);
		return 0;
	case MSR_IA32_TSC_ADJUST:
		/* The guest moves its TSC by the difference; user space only restores. */
		if (!msr->host)
			vmm_guest_tsc_adjust(vcpu, data - vcpu->tsc_adjust);
		vcpu->tsc_adjust = data;
		return 0;
	case MSR_EFER:
		return vmm_set_efer(vcpu, data, msr->host);
	case MSR_IA32_APICBASE:
		return vmm_lapic_set_base(vcpu, data, msr->host);
	case MSR_IA32_CR_PAT:
		if (!pat_valid(data))
			return 1;
		vcpu->pat = data;
		return 0;
	case MSR_IA32_XSS:
		return !vcpu->caps.xsaves || data;	/* no supervisor component is offered */
	case MSR_IA32_MISC_ENABLE:
		/* The two unavailability bits are read-only (SDM volume 4, table 2-2). */
		if (!msr->host && ((data ^ vcpu->msr_misc_enable) & MISC_ENABLE_RO))
			return 1;
		vcpu->msr_misc_enable = data;
		vmm_cpuid_update_runtime(vcpu);
		return 0;
	case MSR_MISC_FEATURES_ENABLES:
		return data != 0;
	case MSR_PLATFORM_INFO:
		if (!msr->host)
			return 1;
		vcpu->msr_platform_info = data;
		return 0;
	case MSR_IA32_POWER_CTL:
		vcpu->power_ctl = data;
		return 0;
	case MSR_IA32_UCODE_REV:
		/* Guests write 0 before reading the revision. */
		if (msr->host)
			vcpu->ucode_rev = data;
		return 0;
	case MSR_SMI_COUNT:
		if (!msr->host)
			return 1;
		vcpu->smi_count = data;
		return 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		if (!msr->host)
			return 1;
		vcpu->arch_capabilities = data;
		return 0;
	case MSR_TSC_AUX:
		/* Intel reserves the upper half, AMD ignores it. */
		if (!exists(vcpu, msr) ||
		    (data >> 32 && boot_cpu_data.x86_vendor == X86_VENDOR_INTEL))
			return 1;
		vcpu->tsc_aux = msr->data = (u32)data;
		vmm_backend.set_msr(vcpu, msr);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(vcpu, msr);
	case MSR_IA32_PRED_CMD:
		if (!exists(vcpu, msr) || data & ~(u64)PRED_CMD_IBPB)
			return 1;
		if (data)
			wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
		return 0;
	case MSR_IA32_MCG_STATUS:
		vcpu->mcg_status = data;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(vcpu->mcg_cap & MCG_CTL_P) && (data || !msr->host))
			return 1;
		if (data && data != ~0ull)
			return 1;
		vcpu->mcg_ctl = data;
		return 0;
	case MSR_K7_HWCR:
		/* McStatusWrEn (18) sticks; TlbCacheDis, FFDis and IgnneEm are dropped. */
		if (data & ~(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8) | BIT_ULL(18)))
			return 1;
		vcpu->hwcr = data & BIT_ULL(18);
		return 0;
	case MSR_AMD64_OSVW_ID_LENGTH:
		if (!msr->host)
			return 1;
		vcpu->osvw_length = data;
		return 0;
	case MSR_AMD64_OSVW_STATUS:
		if (!msr->host)
			return 1;
		vcpu->osvw_status = data;
		return 0;
	}
	return set_banked(vcpu, msr);
}

static bool holds_address(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
	case MSR_GS_BASE:
	case MSR_KERNEL_GS_BASE:
	case MSR_LSTAR:
	case MSR_CSTAR:
	case MSR_IA32_SYSENTER_ESP:
	case MSR_IA32_SYSENTER_EIP:
		return true;
	default:
		return false;
	}
}

static bool canonical(struct vmm_vcpu *vcpu, u64 address)
{
	unsigned int shift = 64 - (vmm_cr4(vcpu) & X86_CR4_LA57 ? 57 : 48);

	return (u64)((s64)(address << shift) >> shift) == address;
}

/*
 * User space may write zero to, and read, any register the list names, whether or
 * not this machine or this guest's CPUID has it: snapshots from elsewhere restore that way.
 */
static int unknown_msr(struct vmm_msr *msr, bool write, int r)
{
	unsigned int i;

	if (msr->host && (!write || !msr->data)) {
		for (i = 0; i < ARRAY_SIZE(known_msrs); i++) {
			if (known_msrs[i] == msr->index) {
				msr->data = 0;
				return 0;
			}
		}
	}
	return r;
}

/**
 * vmm_msr_get() - read a register
 * @vcpu: vCPU thread, loaded, SRCU held
 * @msr: index and host in, data out
 *
 * Return: 0; 1 or VMM_MSR_UNKNOWN: #GP for a guest, the end of the list for user space.
 */
int vmm_msr_get(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	int r;

	if ((msr->index >= 0x800 && msr->index <= 0x8ff) || msr->index == MSR_IA32_TSC_DEADLINE) {
		r = vcpu->lapic ? vmm_lapic_msr_read(vcpu, msr->index, &msr->data) : 1;
	} else if (vmm_pv_msr(msr->index)) {
		r = vmm_pv_msr_get(vcpu, msr);
	} else {
		r = get_shared(vcpu, msr);
		if (r == VMM_MSR_UNKNOWN)
			r = vmm_backend.get_msr(vcpu, msr);
	}
	return r == 0 ? 0 : unknown_msr(msr, false, r);
}

/**
 * vmm_msr_set() - write a register
 * @vcpu: vCPU thread, loaded, SRCU held
 * @msr: index, data and host in
 *
 * Return: 0; 1 or VMM_MSR_UNKNOWN: #GP for a guest, the end of the list for user space.
 */
int vmm_msr_set(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	int r;

	if ((msr->index >= 0x800 && msr->index <= 0x8ff) || msr->index == MSR_IA32_TSC_DEADLINE) {
		r = vcpu->lapic ? vmm_lapic_msr_write(vcpu, msr->index, msr->data) : 1;
	} else if (vmm_pv_msr(msr->index)) {
		r = vmm_pv_msr_set(vcpu, msr);
	} else {
		r = set_shared(vcpu, msr);
		/* Those that hold an address are the backends'. */
		if (r == VMM_MSR_UNKNOWN)
			r = holds_address(msr->index) && !canonical(vcpu, msr->data) ?
			    1 : vmm_backend.set_msr(vcpu, msr);
	}
	return r == 0 ? 0 : unknown_msr(msr, true, r);
}

/* ---- what does not exit ------------------------------------------------------------------ */

static void pass(struct vmm_vcpu *vcpu, u32 index, bool read, bool write)
{
	vmm_backend.intercept_msr(vcpu, index, !read || !vmm_msr_allowed(vcpu, index, false),
				  !write || !vmm_msr_allowed(vcpu, index, true));
}

/**
 * vmm_msr_update_exits() - choose the MSRs that the guest reads and writes by itself
 * @vcpu: vCPU thread, SRCU held or vm->lock; its CPUID, the VM's filter or spec_ctrl_direct
 * has changed
 *
 * Allow: what every entry and exit, or vcpu_put, switches, where no value can hurt the
 * host; barriers of branch prediction; and what the filter lets through of that.
 */
void vmm_msr_update_exits(struct vmm_vcpu *vcpu)
{
	static const u32 direct[] = {
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	static const u32 of_syscall[] = { MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK };
	/* How long a guest that owns its CPU was in Intel's C-states. */
	static const u32 residency[] = {
		MSR_CORE_C1_RES, MSR_CORE_C3_RESIDENCY, MSR_CORE_C6_RESIDENCY,
		MSR_CORE_C7_RESIDENCY,
	};
	const struct vmm_backend_caps *caps = &vmm_backend.caps;
	int i;

	for (i = 0; i < ARRAY_SIZE(direct); i++)
		pass(vcpu, direct[i], true, true);
	for (i = 0; i < ARRAY_SIZE(of_syscall); i++)
		pass(vcpu, of_syscall[i], caps->syscall_msrs, caps->syscall_msrs);
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_CSTATE &&
	    boot_cpu_data.x86_vendor == X86_VENDOR_INTEL)
		for (i = 0; i < ARRAY_SIZE(residency); i++)
			pass(vcpu, residency[i], true, false);
	pass(vcpu, MSR_IA32_TSC, caps->rdmsr_tsc, false);
	vcpu->spec_ctrl_direct = (vcpu->spec_ctrl_direct || caps->v_spec_ctrl) &&
				 vcpu->caps.spec_ctrl;
	pass(vcpu, MSR_IA32_SPEC_CTRL, vcpu->spec_ctrl_direct, vcpu->spec_ctrl_direct);
	pass(vcpu, MSR_IA32_PRED_CMD, false, vcpu->caps.ibpb);
}

/**
 * vmm_msr_vcpu_create() - what the registers hold before anybody writes them
 * @vcpu: being created
 */
void vmm_msr_vcpu_create(struct vmm_vcpu *vcpu)
{
	vcpu->mcg_cap = VMM_MCE_BANKS;
	vcpu->arch_capabilities = arch_capabilities();
	vcpu->ucode_rev = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ? 1ull << 32 : 0x01000065;
	vcpu->osvw_length = 4;
}

/* ---- ioctls -------------------------------------------------------------------------------- */

static int feature_get(struct vmm_vcpu *unused, struct vmm_msr *msr)
{
	return feature_msr(msr->index, &msr->data) ? 1 : 0;
}

typedef int (*msr_fn)(struct vmm_vcpu *vcpu, struct vmm_msr *msr);

/* Returns how many were done, stopping at the first register that fails. */
static u32 msr_entries(struct vmm_vcpu *vcpu, struct kvm_msr_entry *entries, u32 n, msr_fn one)
{
	u32 i;

	for (i = 0; i < n; i++) {
		struct vmm_msr msr = {
			.index = entries[i].index, .data = entries[i].data, .host = true,
		};

		if (one(vcpu, &msr))
			break;
		entries[i].data = msr.data;
	}
	return i;
}

/*
 * Walk user space's list. SRCU is not held around the copies, which may wait for user
 * space. Returns how many were done; -EFAULT, -E2BIG, -ENOMEM.
 */
static int msr_io(struct vmm_vcpu *vcpu, struct kvm_msrs __user *user, bool copy_back, msr_fn one)
{
	struct kvm_msr_entry *entries;
	struct kvm_msrs head;
	size_t size;
	int r, srcu;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_MSRS)
		return -E2BIG;
	size = array_size(head.nmsrs, sizeof(*entries));
	entries = vmemdup_user(user->entries, size);
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	if (vcpu) {
		srcu = srcu_read_lock(&vcpu->vm->srcu);
		r = msr_entries(vcpu, entries, head.nmsrs, one);
		srcu_read_unlock(&vcpu->vm->srcu, srcu);
	} else {
		r = msr_entries(NULL, entries, head.nmsrs, one);
	}
	if (copy_back && copy_to_user(user->entries, entries, size))
		r = -EFAULT;
	kvfree(entries);
	return r;
}

/**
 * vmm_msr_io() - KVM_GET_MSRS and KVM_SET_MSRS on a vCPU
 * @vcpu: vcpu->mutex held, loaded, SRCU not held
 * @user: struct kvm_msrs
 * @write: SET
 *
 * Return: registers done, the list ends at the first that fails; -EFAULT, -E2BIG,
 * -ENOMEM.
 */
int vmm_msr_io(struct vmm_vcpu *vcpu, struct kvm_msrs __user *user, bool write)
{
	return msr_io(vcpu, user, !write, write ? vmm_msr_set : vmm_msr_get);
}

/**
 * vmm_msr_feature_io() - KVM_GET_MSRS on /dev/vmm
 * @user: struct kvm_msrs
 *
 * Return: as vmm_msr_io().
 */
int vmm_msr_feature_io(struct kvm_msrs __user *user)
{
	return msr_io(NULL, user, true, feature_get);
}

/**
 * vmm_msr_index_list() - KVM_GET_MSR_INDEX_LIST, KVM_GET_MSR_FEATURE_INDEX_LIST
 * @user: nmsrs in: room; out: how many there are
 * @feature: the feature list
 *
 * Return: 0; -E2BIG when the room is too small (nmsrs is still written), -EFAULT.
 */
int vmm_msr_index_list(struct kvm_msr_list __user *user, bool feature)
{
	const u32 *list = feature ? feature_msrs : state_msrs;
	u32 count = feature ? nr_feature_msrs : nr_state_msrs, room;

	if (get_user(room, &user->nmsrs) || put_user(count, &user->nmsrs))
		return -EFAULT;
	if (room < count)
		return -E2BIG;
	return copy_to_user(user->indices, list, array_size(count, sizeof(*list))) ? -EFAULT : 0;
}

/* Does the list's register exist on this machine? */
static bool state_msr_exists(u32 index)
{
	switch (index) {
	case MSR_TSC_AUX:
		return vmm_backend.caps.tsc_aux;
	case MSR_IA32_SPEC_CTRL:
		return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	case MSR_AMD64_VIRT_SPEC_CTRL:
		return vmm_backend.caps.virt_ssbd;
	case MSR_IA32_DEBUGCTLMSR:
		return vmm_backend.caps.debugctl;
	case MSR_IA32_XSS:
		return false;	/* always 0, nothing to save */
	case MSR_IA32_ARCH_CAPABILITIES:
		return boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES);
	case MSR_K7_HWCR:
	case MSR_AMD64_OSVW_ID_LENGTH:
	case MSR_AMD64_OSVW_STATUS:
		return boot_cpu_data.x86_vendor != X86_VENDOR_INTEL;
	default:
		return true;
	}
}

/**
 * vmm_msr_init() - at load: keep of the lists what this machine has
 */
void vmm_msr_init(void)
{
	unsigned int i;
	u64 data;

	nr_state_msrs = nr_feature_msrs = 0;
	for (i = 0; i < ARRAY_SIZE(known_msrs); i++)
		if (state_msr_exists(known_msrs[i]))
			state_msrs[nr_state_msrs++] = known_msrs[i];
	for (i = 0; i < ARRAY_SIZE(feature_msrs); i++)
		if (!feature_msr(feature_msrs[i], &data))
			feature_msrs[nr_feature_msrs++] = feature_msrs[i];
}
