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

/* Those that are fields of the VMCS. */
static const struct {
	u32 index, field;
} in_vmcs[] = {
	{ MSR_FS_BASE, GUEST_FS_BASE },
	{ MSR_GS_BASE, GUEST_GS_BASE },
	{ MSR_IA32_SYSENTER_CS, GUEST_SYSENTER_CS },
	{ MSR_IA32_SYSENTER_ESP, GUEST_SYSENTER_ESP },
	{ MSR_IA32_SYSENTER_EIP, GUEST_SYSENTER_EIP },
};

/* 0: another one. */
static unsigned long vmcs_field(u32 index)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(in_vmcs); i++)
		if (in_vmcs[i].index == index)
			return in_vmcs[i].field;
	return 0;
}

/**
 * vmx_msr_cpu_enable() - note the host's values; on the CPU concerned
 */
void vmx_msr_cpu_enable(void)
{
	struct switched_values *host = this_cpu_ptr(&host_switched);
	int i;

	for (i = 0; i < VMX_NR_SWITCHED; i++)
		if (i != VMX_SWITCH_TSC_AUX || vmm_backend.caps.tsc_aux)
			rdmsrl(switched_index[i], host->value[i]);
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
		if (vmx->switched[i] != host->value[i]) {
			wrmsrl(switched_index[i], vmx->switched[i]);
			vmx->switched_live |= BIT(i);
		}
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

/*
 * Where an MSR is kept that the CPU holds while the guest is loaded. Its value comes
 * back from there first, and goes in again with the next entry. NULL: another one.
 */
static u64 *kept(struct vmx_vcpu *vmx, u32 index)
{
	u64 *value = index == MSR_KERNEL_GS_BASE ? &vmx->kernel_gs_base : NULL;
	int i;

	for (i = 0; i < VMX_NR_SWITCHED; i++)
		if (switched_index[i] == index)
			value = &vmx->switched[i];
	if (value) {
		preempt_disable();
		vmm_vcpu_restore_host(&vmx->vcpu);
		preempt_enable();
	}
	return value;
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
	unsigned long field = vmcs_field(msr->index);
	u64 *value = kept(vmx, msr->index);

	if (value)
		msr->data = *value;
	else if (field)
		msr->data = vmcs_read(field);
	else if (msr->index == MSR_IA32_SPEC_CTRL)
		msr->data = vmx->enter.spec_ctrl;
	else if (msr->index == MSR_IA32_DEBUGCTLMSR)
		msr->data = 0;
	else
		return VMM_MSR_UNKNOWN;
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
	unsigned long field = vmcs_field(msr->index);
	u64 *value = kept(vmx, msr->index);

	switch (msr->index) {
	case MSR_IA32_DEBUGCTLMSR:
		/* No LBR, BTS or BTF here; setting the two common bits is quietly ignored. */
		return msr->data & ~(u64)(DEBUGCTLMSR_LBR | DEBUGCTLMSR_BTF) ? 1 : 0;
	case MSR_SYSCALL_MASK:
		/* The upper half is reserved: the WRMSR before the next entry would fault. */
		if (msr->data >> 32)
			return 1;
		break;
	case MSR_IA32_SPEC_CTRL:
		value = &vmx->enter.spec_ctrl;
		break;
	}
	if (value)
		*value = msr->data;
	else if (field)
		vmcs_write(field, msr->data);	/* SYSENTER_CS: 32 bits of it */
	else
		return VMM_MSR_UNKNOWN;
	return 0;
}

/*
 * The bitmap: 1 KiB each for reads of MSRs 0..1FFFH, reads of C0000000H..C0001FFFH,
 * writes of the former, writes of the latter. All others always exit.
 */
#define BITMAP_HIGH	0x400
#define BITMAP_WRITE	0x800

/**
 * vmx_intercept_msr() - does the guest's access to an MSR exit
 * @vcpu: any time
 * @index: of the MSR
 * @read: true: RDMSR exits
 * @write: true: WRMSR exits
 */
void vmx_intercept_msr(struct vmm_vcpu *vcpu, u32 index, bool read, bool write)
{
	u8 *bitmap = (u8 *)to_vmx(vcpu)->msr_bitmap;
	u32 bit = index & 0x1fff;

	if (index >= 0xc0000000)
		bitmap += BITMAP_HIGH;
	__assign_bit(bit, (unsigned long *)bitmap, read);
	__assign_bit(bit, (unsigned long *)(bitmap + BITMAP_WRITE), write);
}
