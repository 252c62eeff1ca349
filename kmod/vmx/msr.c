// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs: which the guest touches without an exit (SDM 25.6.9), and those that
 * neither entry nor exit switches.
 *
 * The latter matter to the host only in user mode (SYSCALL's, TSC_AUX, the inactive
 * GS base), so they hold the guest's values from the first entry after a load until
 * vmx_restore_host(), which comes before this thread returns to user space or another runs.
 */
#include <asm/msr.h>

#include "vmx/vmx.h"

static const u32 switched_index[VMX_NR_SWITCHED] = {
	[VMX_SWITCH_STAR]	= MSR_STAR,
	[VMX_SWITCH_LSTAR]	= MSR_LSTAR,
	[VMX_SWITCH_CSTAR]	= MSR_CSTAR,
	[VMX_SWITCH_SFMASK]	= MSR_SYSCALL_MASK,
	[VMX_SWITCH_TSC_AUX]	= MSR_TSC_AUX,
};

struct switched_values {
	u64 value[VMX_NR_SWITCHED];
};

/* What the host has there; read when a CPU enters VMX operation. */
static DEFINE_PER_CPU(struct switched_values, host_switched);

static bool have_tsc_aux(void)
{
	return vmx_config.secondary & SECONDARY_EXEC_ENABLE_RDTSCP;
}

/* Those that are fields of the VMCS; 0: another one. */
static unsigned long vmcs_field(u32 index)
{
	switch (index) {
	case MSR_FS_BASE:
		return GUEST_FS_BASE;
	case MSR_GS_BASE:
		return GUEST_GS_BASE;
	case MSR_IA32_SYSENTER_CS:
		return GUEST_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP:
		return GUEST_SYSENTER_ESP;
	case MSR_IA32_SYSENTER_EIP:
		return GUEST_SYSENTER_EIP;
	}
	return 0;
}

static int switched_slot(u32 index)
{
	int i;

	for (i = 0; i < VMX_NR_SWITCHED; i++)
		if (switched_index[i] == index)
			return i;
	return -1;
}

/**
 * vmx_msr_cpu_enable() - note the host's values; on the CPU concerned
 */
void vmx_msr_cpu_enable(void)
{
	struct switched_values *host = this_cpu_ptr(&host_switched);
	int i;

	for (i = 0; i < VMX_NR_SWITCHED; i++)
		if (i != VMX_SWITCH_TSC_AUX || have_tsc_aux())
			rdmsrl(switched_index[i], host->value[i]);
}

static void load_guest_slot(struct vmx_vcpu *vmx, int i)
{
	wrmsrl(switched_index[i], vmx->switched[i]);
	vmx->switched_live |= BIT(i);
}

/**
 * vmx_msr_load_guest() - the guest's values into the CPU; preemption off
 * @vmx: the vCPU
 */
void vmx_msr_load_guest(struct vmx_vcpu *vmx)
{
	struct switched_values *host = this_cpu_ptr(&host_switched);
	int i;

	wrmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	for (i = 0; i < VMX_NR_SWITCHED; i++)
		if (vmx->switched[i] != host->value[i] &&
		    (i != VMX_SWITCH_TSC_AUX || have_tsc_aux()))
			load_guest_slot(vmx, i);
}

/**
 * vmx_msr_load_host() - take the guest's values back and restore the host's, but for
 * IA32_KERNEL_GS_BASE, which vmx_restore_host() writes; preemption off
 * @vmx: the vCPU
 */
void vmx_msr_load_host(struct vmx_vcpu *vmx)
{
	struct switched_values *host = this_cpu_ptr(&host_switched);
	int i;

	rdmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	for (i = 0; i < VMX_NR_SWITCHED; i++)
		if (vmx->switched_live & BIT(i))
			wrmsrl(switched_index[i], host->value[i]);
	vmx->switched_live = 0;
}

static void set_switched(struct vmx_vcpu *vmx, int i, u64 data)
{
	preempt_disable();
	vmx->switched[i] = data;
	if (vmx->vcpu.host_saved)
		load_guest_slot(vmx, i);
	preempt_enable();
}

static u64 get_kernel_gs_base(struct vmx_vcpu *vmx)
{
	preempt_disable();
	if (vmx->vcpu.host_saved)
		rdmsrl(MSR_KERNEL_GS_BASE, vmx->kernel_gs_base);
	preempt_enable();
	return vmx->kernel_gs_base;
}

static void set_kernel_gs_base(struct vmx_vcpu *vmx, u64 data)
{
	preempt_disable();
	vmx->kernel_gs_base = data;
	if (vmx->vcpu.host_saved)
		wrmsrl(MSR_KERNEL_GS_BASE, data);
	preempt_enable();
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

static int set_spec_ctrl(struct vmm_vcpu *vcpu, const struct vmm_msr *msr)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		return msr->host && !msr->data ? 0 : 1;
	if (!msr->host && !vcpu->caps.spec_ctrl)
		return 1;
	if (!spec_ctrl_valid(msr->data))
		return 1;
	vmx->enter.spec_ctrl = msr->data;
	vcpu->spec_ctrl = msr->data;
	/*
	 * A guest that uses it does so at every system call. One that never does
	 * is spared the read at every exit.
	 */
	if (msr->data && !msr->host && !vmx->spec_ctrl_direct) {
		vmx->spec_ctrl_direct = true;
		vmx_msr_intercept(vcpu, MSR_IA32_SPEC_CTRL, false, false);
	}
	return 0;
}

static int set_pred_cmd(struct vmm_vcpu *vcpu, const struct vmm_msr *msr)
{
	if (!msr->host && !vcpu->caps.ibpb)
		return 1;
	if (!boot_cpu_has(X86_FEATURE_IBPB) || (msr->data & ~(u64)PRED_CMD_IBPB))
		return 1;
	if (!msr->data)
		return 0;
	wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	if (!msr->host)
		vmx_msr_intercept(vcpu, MSR_IA32_PRED_CMD, true, false);
	return 0;
}

/**
 * vmx_get_msr() - read one of the backend's MSRs
 * @vcpu: loaded
 * @msr: index and host in, data out
 *
 * Return: 0, 1 (#GP) or VMM_MSR_UNKNOWN.
 */
int vmx_get_msr(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int slot;

	if (vmcs_field(msr->index)) {
		msr->data = vmcs_read(vmcs_field(msr->index));
		return 0;
	}
	switch (msr->index) {
	case MSR_KERNEL_GS_BASE:
		msr->data = get_kernel_gs_base(vmx);
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		msr->data = vmcs_read(GUEST_IA32_DEBUGCTL);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!msr->host && !vcpu->caps.spec_ctrl)
			return 1;
		msr->data = vmx->enter.spec_ctrl;
		return 0;
	case MSR_TSC_AUX:
		if (!have_tsc_aux() || (!msr->host && !vcpu->caps.rdtscp))
			return 1;
		break;
	}
	slot = switched_slot(msr->index);
	if (slot < 0)
		return VMM_MSR_UNKNOWN;
	msr->data = vmx->switched[slot];
	return 0;
}

/**
 * vmx_set_msr() - write one of the backend's MSRs
 * @vcpu: loaded
 * @msr: index, data and host; addresses have been found canonical
 *
 * Return: 0, 1 (#GP) or VMM_MSR_UNKNOWN.
 */
int vmx_set_msr(struct vmm_vcpu *vcpu, struct vmm_msr *msr)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 data = msr->data;
	int slot;

	if (vmcs_field(msr->index)) {
		vmcs_write(vmcs_field(msr->index), data);	/* SYSENTER_CS: 32 bits of it */
		return 0;
	}
	switch (msr->index) {
	case MSR_KERNEL_GS_BASE:
		set_kernel_gs_base(vmx, data);
		return 0;
	case MSR_IA32_CR_PAT:
		return 0;	/* vcpu->pat goes in with the next entry */
	case MSR_IA32_DEBUGCTLMSR:
		/* No LBR, BTS or BTF here; setting the two common bits is quietly ignored. */
		return data & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF) ? 1 : 0;
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(vcpu, msr);
	case MSR_IA32_PRED_CMD:
		return set_pred_cmd(vcpu, msr);
	case MSR_SYSCALL_MASK:
		/* The upper half is reserved: the WRMSR before the next entry would fault. */
		if (data >> 32)
			return 1;
		break;
	case MSR_TSC_AUX:
		if (!have_tsc_aux() || (!msr->host && !vcpu->caps.rdtscp))
			return 1;
		if (data >> 32)
			return 1;
		break;
	}
	slot = switched_slot(msr->index);
	if (slot < 0)
		return VMM_MSR_UNKNOWN;
	set_switched(vmx, slot, data);
	return 0;
}

/**
 * vmx_has_msr() - is it emulated or switched by the backend on this machine
 * @index: of the MSR
 */
bool vmx_has_msr(u32 index)
{
	switch (index) {
	case MSR_KERNEL_GS_BASE:
	case MSR_IA32_DEBUGCTLMSR:
	case MSR_IA32_CR_PAT:
		return true;
	case MSR_TSC_AUX:
		return have_tsc_aux();
	case MSR_IA32_SPEC_CTRL:
		return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	default:
		return switched_slot(index) >= 0 || vmcs_field(index);
	}
}

/*
 * The bitmap: 1 KiB each for reads of MSRs 0..1FFFH, reads of C0000000H..C0001FFFH,
 * writes of the former, writes of the latter. All others always exit.
 */
#define BITMAP_HIGH	0x400
#define BITMAP_WRITE	0x800

/**
 * vmx_msr_intercept() - does the guest's access to an MSR exit; what the filter denies does
 * @vcpu: any time
 * @msr: index
 * @read: true: RDMSR exits
 * @write: true: WRMSR exits
 */
void vmx_msr_intercept(struct vmm_vcpu *vcpu, u32 msr, bool read, bool write)
{
	u8 *bitmap = (u8 *)to_vmx(vcpu)->msr_bitmap;
	u32 bit = msr & 0x1fff;

	if (msr >= 0xc0000000 && msr <= 0xc0001fff)
		bitmap += BITMAP_HIGH;
	else if (msr > 0x1fff)
		return;
	read |= !vmm_msr_allowed(vcpu, msr, false);
	write |= !vmm_msr_allowed(vcpu, msr, true);
	if (read)
		__set_bit(bit, (unsigned long *)bitmap);
	else
		__clear_bit(bit, (unsigned long *)bitmap);
	if (write)
		__set_bit(bit, (unsigned long *)(bitmap + BITMAP_WRITE));
	else
		__clear_bit(bit, (unsigned long *)(bitmap + BITMAP_WRITE));
}

/**
 * vmx_msr_bitmap_init() - what any guest may touch directly
 * @vmx: the vCPU
 */
void vmx_msr_bitmap_init(struct vmx_vcpu *vmx)
{
	/*
	 * Allow: what the VMCS switches, KERNEL_GS_BASE, which vmx_restore_host()
	 * saves, and reads of the TSC, to which the offset applies.
	 */
	static const u32 direct[] = {
		MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
		MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	};
	/* ... and, for a guest that owns its CPU, how long that was in its C-states. */
	static const u32 residency[] = {
		MSR_CORE_C1_RES, MSR_CORE_C3_RESIDENCY, MSR_CORE_C6_RESIDENCY,
		MSR_CORE_C7_RESIDENCY,
	};
	int i;

	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(direct); i++)
		vmx_msr_intercept(&vmx->vcpu, direct[i], false, false);
	vmx_msr_intercept(&vmx->vcpu, MSR_IA32_TSC, false, true);
	if (vmx->vcpu.vm->disabled_exits & KVM_X86_DISABLE_EXITS_CSTATE)
		for (i = 0; i < ARRAY_SIZE(residency); i++)
			vmx_msr_intercept(&vmx->vcpu, residency[i], false, true);
}

/**
 * vmx_msr_filter_changed() - let what does not exit follow user space's filter
 * @vcpu: loaded
 *
 * IA32_PRED_CMD exits until the next write, as at first.
 */
void vmx_msr_filter_changed(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_msr_bitmap_init(vmx);
	if (vmx->spec_ctrl_direct)
		vmx_msr_intercept(vcpu, MSR_IA32_SPEC_CTRL, false, false);
}
