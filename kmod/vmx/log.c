// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-modification logging (SDM 29.3.6): the CPU writes down the guest-physical address
 * of each page that it sets dirty for, from the last entry of a page to the first.
 */
#include "vmx/vmx.h"

#define PML_ENTRIES	(PAGE_SIZE / sizeof(u64))

/**
 * vmx_log_by_cpu() - begin to log, with nothing noted yet, or stop
 * @vmx: interrupts off
 * @on: begin
 */
void vmx_log_by_cpu(struct vmx_vcpu *vmx, bool on)
{
	if (!on) {
		vmx_set_secondary(vmx, vmx->secondary & ~SECONDARY_EXEC_ENABLE_PML);
		return;
	}
	vmcs_write(PML_ADDRESS, __pa(vmx->pml));
	vmcs_write(GUEST_PML_INDEX, PML_ENTRIES - 1);
	vmx_set_secondary(vmx, vmx->secondary | SECONDARY_EXEC_ENABLE_PML);
}

/**
 * vmx_collect_log() - after an exit: what has been noted goes to the dirty log
 * @vmx: logs; interrupts off, SRCU not held
 */
void vmx_collect_log(struct vmx_vcpu *vmx)
{
	u16 index = vmcs_read(GUEST_PML_INDEX);		/* of the next entry to be used */
	struct vmm_vm *vm = vmx->vcpu.vm;
	unsigned int i;
	int srcu;

	if (likely(index == PML_ENTRIES - 1))
		return;
	/* Past the first it wraps, and the page is full. */
	i = index < PML_ENTRIES ? index + 1 : 0;
	srcu = srcu_read_lock(&vm->srcu);
	for (; i < PML_ENTRIES; i++)
		vmm_mmu_logged(vm, vmx->pml[i] >> PAGE_SHIFT);
	srcu_read_unlock(&vm->srcu, srcu);
	vmcs_write(GUEST_PML_INDEX, PML_ENTRIES - 1);
}
