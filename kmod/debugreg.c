// SPDX-License-Identifier: GPL-2.0-only
/*
 * Debug registers (SDM 18.2, APM 13.1): the guest's, lent to the CPU only while it
 * uses them, and user space's debugger (KVM_SET_GUEST_DEBUG), whose breakpoints
 * take the guest's place.
 */
#include <linux/hw_breakpoint.h>
#include <asm/debugreg.h>

#include "vmm.h"
#include "ioctl.h"

#define DR6_WRITABLE	0x0001e00ful
#define DR7_WRITABLE	0xffff2bfful

/**
 * vmm_update_db() - recompute which debug registers the CPU gets
 * @vcpu: after a change of DR7, db[] or guest_debug
 */
void vmm_update_db(struct vmm_vcpu *vcpu)
{
	unsigned long dr7 = vcpu->dr7;
	int i;

	vcpu->db_loaded &= ~(VMM_DB_GUEST_USES | VMM_DB_DEBUGGER);
	if (vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP) {
		dr7 = vcpu->guest_debug_dr7;
		vcpu->db_loaded |= VMM_DB_DEBUGGER;
	} else {
		for (i = 0; i < 4; i++)
			vcpu->eff_db[i] = vcpu->db[i];
		if (dr7 & 0xff)
			vcpu->db_loaded |= VMM_DB_GUEST_USES;
	}
	vmm_backend.set_dr7(vcpu, dr7);
	vmm_backend.db_intercept(vcpu);
}

/**
 * vmm_debug_enter() - load the debug registers the guest is to run with
 * @vcpu: about to enter; interrupts off
 */
void vmm_debug_enter(struct vmm_vcpu *vcpu)
{
	if (likely(!vcpu->db_loaded))
		return;
	set_debugreg(0, 7);
	set_debugreg(vcpu->eff_db[0], 0);
	set_debugreg(vcpu->eff_db[1], 1);
	set_debugreg(vcpu->eff_db[2], 2);
	set_debugreg(vcpu->eff_db[3], 3);
}

/**
 * vmm_debug_exit() - the host's debug registers again
 * @vcpu: has just exited; interrupts off
 */
void vmm_debug_exit(struct vmm_vcpu *vcpu)
{
	if (unlikely(vcpu->db_loaded & VMM_DB_OPEN)) {
		/* DR6 and DR7 have been stored by the backend. */
		get_debugreg(vcpu->db[0], 0);
		get_debugreg(vcpu->db[1], 1);
		get_debugreg(vcpu->db[2], 2);
		get_debugreg(vcpu->db[3], 3);
		vcpu->db_loaded &= ~VMM_DB_OPEN;
		vmm_update_db(vcpu);
	}
	/* Every exit disables DR7 (SDM 28.5.1, APM 15.6.1), the guest's DR0-3 lent or not. */
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
}

/**
 * vmm_get_dr() - read a debug register as the guest does
 * @vcpu: vCPU thread
 * @nr: 0-7; 4 and 5 are 6 and 7 here, CR4.DE has been checked
 */
unsigned long vmm_get_dr(struct vmm_vcpu *vcpu, int nr)
{
	switch (nr) {
	case 0 ... 3:
		return vcpu->db[array_index_nospec(nr, 4)];
	case 4:
	case 6:
		return vcpu->dr6;
	default:
		return vcpu->dr7;
	}
}

/**
 * vmm_set_dr() - write a debug register as the guest does
 * @vcpu: vCPU thread
 * @nr: 0-7; 4 and 5 are 6 and 7 here, CR4.DE has been checked
 * @value: the operand
 *
 * Return: 0, or 1 for #GP (upper half of DR6 or DR7 set).
 */
int vmm_set_dr(struct vmm_vcpu *vcpu, int nr, unsigned long value)
{
	switch (nr) {
	case 0 ... 3:
		vcpu->db[array_index_nospec(nr, 4)] = value;
		break;
	case 4:
	case 6:
		if (value >> 32)
			return 1;
		vcpu->dr6 = (value & DR6_WRITABLE) | DR6_FIXED_1;
		return 0;
	default:
		if (value >> 32)
			return 1;
		vcpu->dr7 = (value & DR7_WRITABLE) | DR7_FIXED_1;
		break;
	}
	vmm_update_db(vcpu);
	return 0;
}

/* Leave to user space's debugger. */
static int debug_exit(struct vmm_vcpu *vcpu, u8 vector, u64 dr6)
{
	struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;

	memset(arch, 0, sizeof(*arch));
	vcpu->run->exit_reason = KVM_EXIT_DEBUG;
	arch->exception = vector;
	arch->pc = vmm_rip(vcpu) + vmm_backend.segment_base(vcpu, VMM_CS);
	arch->dr6 = dr6 | DR6_FIXED_1;
	arch->dr7 = vcpu->guest_debug_dr7;
	return 0;
}

/**
 * vmm_handle_dr() - MOV to or from a debug register
 * @vcpu: with exit.dr
 *
 * Return: as an exit handler.
 */
int vmm_handle_dr(struct vmm_vcpu *vcpu)
{
	int nr = vcpu->exit.dr.nr & 7;
	unsigned long value;

	/*
	 * A guest that touches one debug register soon touches the others: lend them
	 * to it until its next exit.
	 */
	if (!vcpu->guest_debug) {
		vcpu->db_loaded |= VMM_DB_OPEN;
		vmm_update_db(vcpu);
		return 1;
	}
	if (!vcpu->exit.dr.decoded)
		return vmm_emulate(vcpu, VMM_INVALID_GPA, 0);
	if (vmm_backend.cpl(vcpu)) {
		vmm_inject_gp(vcpu);
		return 1;
	}
	/* General detect: any access traps, before it happens (SDM 18.2.4). */
	if (vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP) {
		if (vcpu->guest_debug_dr7 & DR7_GENERAL_DETECT)
			return debug_exit(vcpu, DB_VECTOR, BIT(13));
	} else if (vcpu->dr7 & DR7_GENERAL_DETECT) {
		vmm_queue_exception_p(vcpu, DB_VECTOR, BIT(13));
		return 1;
	}
	if ((nr == 4 || nr == 5) && (vmm_cr4(vcpu) & X86_CR4_DE)) {
		vmm_inject_ud(vcpu);
		return 1;
	}
	if (vcpu->exit.dr.in) {
		vmm_set_reg(vcpu, vcpu->exit.dr.gpr, vmm_get_dr(vcpu, nr));
	} else {
		value = vmm_reg(vcpu, vcpu->exit.dr.gpr);
		if (!vmm_64bit_mode(vcpu))
			value = (u32)value;
		if (vmm_set_dr(vcpu, nr, value)) {
			vmm_inject_gp(vcpu);
			return 1;
		}
	}
	return vmm_skip_instruction(vcpu);
}

/**
 * vmm_singlestep_trap() - an instruction was completed in software under RFLAGS.TF
 * @vcpu: RIP is past it
 *
 * Return: as an exit handler.
 */
int vmm_singlestep_trap(struct vmm_vcpu *vcpu)
{
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		return debug_exit(vcpu, DB_VECTOR, DR_STEP);
	vmm_queue_exception_p(vcpu, DB_VECTOR, DR_STEP);
	return 1;
}

/**
 * vmm_debug_exception() - #DB or #BP was intercepted
 * @vcpu: with exit.exception
 *
 * Return: as an exit handler.
 */
int vmm_debug_exception(struct vmm_vcpu *vcpu)
{
	u8 vector = vcpu->exit.exception.vector;
	u64 dr6 = vcpu->exit.exception.address;

	if (vector == BP_VECTOR) {
		if (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP)
			return debug_exit(vcpu, vector, 0);
		/* INT3 is a trap: RIP moves past it before delivery. */
		vmm_requeue_exception(vcpu, BP_VECTOR, false, 0);
		return 1;
	}
	if (vcpu->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return debug_exit(vcpu, vector, dr6);
	if (vcpu->exit.insn_len) {
		/* INT1 is a trap, but the exit comes before it (SDM 28.2.2): step over it. */
		unsigned long rip = vmm_rip(vcpu) + vcpu->exit.insn_len;

		vmm_set_rip(vcpu, vmm_64bit_mode(vcpu) ? rip : (u32)rip);
		vmm_set_shadow(vcpu, 0);
	}
	vmm_queue_exception_p(vcpu, DB_VECTOR, dr6);
	return 1;
}

/**
 * vmm_set_guest_debug() - KVM_SET_GUEST_DEBUG
 * @vcpu: vcpu->mutex held, loaded
 * @dbg: flags and hardware breakpoints
 *
 * Return: 0; -EINVAL for unknown flags; -EBUSY when asked to inject while another
 * exception waits.
 */
int vmm_set_guest_debug(struct vmm_vcpu *vcpu, const struct kvm_guest_debug *dbg)
{
	unsigned long rflags;
	int i;

	if (dbg->control & ~(u32)VMM_GUESTDBG_VALID)
		return -EINVAL;
	if (dbg->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		if (vcpu->exception.pending)
			return -EBUSY;
		vmm_queue_exception(vcpu, dbg->control & KVM_GUESTDBG_INJECT_DB ?
				    DB_VECTOR : BP_VECTOR);
	}
	/* Give the guest its own TF back before it is taken anew. */
	rflags = vmm_rflags(vcpu);
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		rflags &= ~X86_EFLAGS_TF;
	vcpu->guest_debug = dbg->control & KVM_GUESTDBG_ENABLE ? dbg->control : 0;
	/* A loan not yet used ends here, or the debugger's addresses would come back with it. */
	vcpu->db_loaded &= ~VMM_DB_OPEN;
	if (vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP) {
		for (i = 0; i < 4; i++)
			vcpu->eff_db[i] = dbg->arch.debugreg[i];
		vcpu->guest_debug_dr7 = (dbg->arch.debugreg[7] & DR7_WRITABLE) | DR7_FIXED_1;
	} else {
		vcpu->guest_debug_dr7 = DR7_FIXED_1;
	}
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		rflags |= X86_EFLAGS_TF;
	vmm_set_rflags(vcpu, rflags);
	vmm_update_db(vcpu);
	/* Interrupts may be let through again (KVM_GUESTDBG_BLOCKIRQ). */
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	return 0;
}
