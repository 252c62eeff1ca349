// SPDX-License-Identifier: GPL-2.0-only
/*
 * What KVM_CHECK_EXTENSION answers and KVM_ENABLE_CAP switches. A capability that
 * is not here answers 0: nothing pretends. Documentation/abi.md lists them all.
 */
#include <linux/cpumask.h>
#include <linux/sched/stat.h>

#include "vmm.h"
#include "ioctl.h"

#define X2APIC_API_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
#define DIRTY_LOG_FLAGS		(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)
/* A later kernel's header names more, of which nothing here depends. */
#define QUIRKS	(KVM_X86_QUIRK_LINT0_REENABLED | KVM_X86_QUIRK_CD_NW_CLEARED |		\
		 KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_OUT_7E_INC_RIP |		\
		 KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | KVM_X86_QUIRK_FIX_HYPERCALL_INSN | \
		 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)
#define CLOCK_FLAGS		(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

#define HYPERCALL_EXITS		BIT(KVM_HC_MAP_GPA_RANGE)

/* MWAIT in a guest must not stop the host's timer, nor MONITOR fail to see a write. */
static u32 exits_to_disable(void)
{
	u32 exits = KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_HLT |
		    KVM_X86_DISABLE_EXITS_CSTATE;

	if (boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
	    !boot_cpu_has_bug(X86_BUG_MONITOR))
		exits |= KVM_X86_DISABLE_EXITS_MWAIT;
	return exits;
}

/**
 * vmm_check_extension() - KVM_CHECK_EXTENSION
 * @vm: or NULL when asked on /dev/vmm
 * @cap: KVM_CAP_*
 *
 * Return: 0 for what is not there; 1 or the capability's number otherwise.
 */
int vmm_check_extension(struct vmm_vm *vm, unsigned long cap)
{
	switch (cap) {
	case KVM_CAP_IRQCHIP:
	case KVM_CAP_HLT:
	case KVM_CAP_USER_MEMORY:
	case KVM_CAP_SET_TSS_ADDR:
	case KVM_CAP_EXT_CPUID:
	case KVM_CAP_EXT_EMUL_CPUID:
	case KVM_CAP_CLOCKSOURCE:
	case KVM_CAP_PIT:
	case KVM_CAP_NOP_IO_DELAY:
	case KVM_CAP_MP_STATE:
	case KVM_CAP_SYNC_MMU:
	case KVM_CAP_DESTROY_MEMORY_REGION_WORKS:
	case KVM_CAP_USER_NMI:
	case KVM_CAP_SET_GUEST_DEBUG:
	case KVM_CAP_REINJECT_CONTROL:
	case KVM_CAP_IRQ_INJECT_STATUS:
	case KVM_CAP_JOIN_MEMORY_REGIONS_WORKS:
	case KVM_CAP_IRQFD:
	case KVM_CAP_IRQFD_RESAMPLE:
	case KVM_CAP_PIT2:
	case KVM_CAP_PIT_STATE2:
	case KVM_CAP_IOEVENTFD:
	case KVM_CAP_IOEVENTFD_NO_LENGTH:
	case KVM_CAP_IOEVENTFD_ANY_LENGTH:
	case KVM_CAP_SET_IDENTITY_MAP_ADDR:
	case KVM_CAP_VCPU_EVENTS:
	case KVM_CAP_DEBUGREGS:
	case KVM_CAP_X86_ROBUST_SINGLESTEP:
	case KVM_CAP_INTERNAL_ERROR_DATA:
	case KVM_CAP_XSAVE:
	case KVM_CAP_ENABLE_CAP:
	case KVM_CAP_ENABLE_CAP_VM:
	case KVM_CAP_CHECK_EXTENSION_VM:
	case KVM_CAP_TSC_DEADLINE_TIMER:
	case KVM_CAP_GET_TSC_KHZ:
	case KVM_CAP_KVMCLOCK_CTRL:
	case KVM_CAP_SIGNAL_MSI:
	case KVM_CAP_READONLY_MEM:
	case KVM_CAP_SET_BOOT_CPU_ID:
	case KVM_CAP_SPLIT_IRQCHIP:
	case KVM_CAP_IMMEDIATE_EXIT:
	case KVM_CAP_GET_MSR_FEATURES:
	case KVM_CAP_EXCEPTION_PAYLOAD:
	case KVM_CAP_MSR_PLATFORM_INFO:
	case KVM_CAP_DISABLE_QUIRKS:
	case KVM_CAP_HALT_POLL:
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
	case KVM_CAP_COALESCED_PIO:
	case KVM_CAP_MMU_SHADOW_CACHE_CONTROL:
	case KVM_CAP_IOAPIC_POLARITY_IGNORED:
	case KVM_CAP_VCPU_ATTRIBUTES:
	case KVM_CAP_SYS_ATTRIBUTES:
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
	case KVM_CAP_VAPIC:
	case KVM_CAP_X86_USER_SPACE_MSR:
	case KVM_CAP_X86_MSR_FILTER:
	case KVM_CAP_SREGS2:
	case KVM_CAP_BINARY_STATS_FD:
	case KVM_CAP_ENFORCE_PV_FEATURE_CPUID:
	case KVM_CAP_ASYNC_PF:
	case KVM_CAP_ASYNC_PF_INT:
		return 1;
	case KVM_CAP_SYNC_REGS:
		return KVM_SYNC_X86_VALID_FIELDS;
	case KVM_CAP_COALESCED_MMIO:
		return KVM_COALESCED_MMIO_PAGE_OFFSET;
	case KVM_CAP_STEAL_TIME:
		return sched_info_on();
	case KVM_CAP_EXIT_HYPERCALL:
		return HYPERCALL_EXITS;
	case KVM_CAP_X86_DISABLE_EXITS:
		return exits_to_disable();
	case KVM_CAP_XCRS:
		return boot_cpu_has(X86_FEATURE_XSAVE);
	case KVM_CAP_XSAVE2:
		return vmm_xsave2_size();
	case KVM_CAP_TSC_CONTROL:
	case KVM_CAP_VM_TSC_CONTROL:
		return vmm_backend.caps.tsc_scaling;
	case KVM_CAP_ADJUST_CLOCK:
		return CLOCK_FLAGS;
	case KVM_CAP_DISABLE_QUIRKS2:
		return QUIRKS;
	case KVM_CAP_X2APIC_API:
		return X2APIC_API_FLAGS;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return DIRTY_LOG_FLAGS;
	case KVM_CAP_IRQ_ROUTING:
		return VMM_MAX_IRQ_ROUTES;
	case KVM_CAP_NR_VCPUS:
		return min_t(unsigned int, num_online_cpus(), VMM_MAX_VCPUS);
	case KVM_CAP_MAX_VCPUS:
		return VMM_MAX_VCPUS;
	case KVM_CAP_MAX_VCPU_ID:
		return VMM_MAX_VCPU_ID;
	case KVM_CAP_NR_MEMSLOTS:
		return VMM_USER_MEM_SLOTS;
	case KVM_CAP_MCE:
		return VMM_MCE_BANKS;
	case KVM_CAP_SET_GUEST_DEBUG2:
		return VMM_GUESTDBG_VALID;
	default:
		return 0;
	}
}

static int disable_exits(struct vmm_vm *vm, u64 exits)
{
	int r = -EINVAL;

	if (exits & ~(u64)KVM_X86_DISABLE_VALID_EXITS)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (!vm->created_vcpus) {
		/* What this CPU cannot leave to a guest goes on exiting: nobody is told. */
		vm->disabled_exits |= exits & exits_to_disable();
		r = 0;
	}
	mutex_unlock(&vm->lock);
	return r;
}

static int enable_split_irqchip(struct vmm_vm *vm, u64 pins)
{
	int r;

	if (pins > VMM_MAX_IRQ_ROUTES)
		return -EINVAL;
	mutex_lock(&vm->lock);
	r = vmm_irqchip_split(vm, pins);
	mutex_unlock(&vm->lock);
	return r;
}

/* The highest number of a vCPU plus one: said once, before the first is created. */
static int limit_vcpu_ids(struct vmm_vm *vm, u64 limit)
{
	int r = -EINVAL;

	if (limit > VMM_MAX_VCPU_ID)
		return r;
	mutex_lock(&vm->lock);
	if (vm->max_vcpu_ids == limit)
		r = 0;
	else if (!vm->max_vcpu_ids) {
		vm->max_vcpu_ids = limit;
		r = 0;
	}
	mutex_unlock(&vm->lock);
	return r;
}

/**
 * vmm_enable_cap_vm() - KVM_ENABLE_CAP on a VM
 * @vm: no lock held
 * @cap: what to enable, with its arguments
 *
 * Return: 0; -EINVAL for an unknown capability, flags or arguments; the
 * capability's own errors.
 */
int vmm_enable_cap_vm(struct vmm_vm *vm, const struct kvm_enable_cap *cap)
{
	u64 arg = cap->args[0];

	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_SPLIT_IRQCHIP:
		return enable_split_irqchip(vm, arg);
	case KVM_CAP_X2APIC_API:
		if (arg & ~(u64)X2APIC_API_FLAGS)
			return -EINVAL;
		if (arg & KVM_X2APIC_API_USE_32BIT_IDS)
			WRITE_ONCE(vm->irqchip.x2apic_format, true);
		if (arg & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
			WRITE_ONCE(vm->irqchip.disable_broadcast_quirk, true);
		return 0;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		/* Initially-set only makes sense with manual protection. */
		if (arg & ~(u64)DIRTY_LOG_FLAGS || arg == KVM_DIRTY_LOG_INITIALLY_SET)
			return -EINVAL;
		WRITE_ONCE(vm->memory.dirty_log_manual, arg);
		return 0;
	case KVM_CAP_MAX_VCPU_ID:
		return limit_vcpu_ids(vm, arg);
	case KVM_CAP_DISABLE_QUIRKS2:
		if (arg & ~(u64)QUIRKS)
			return -EINVAL;
		fallthrough;
	case KVM_CAP_DISABLE_QUIRKS:
		WRITE_ONCE(vm->disabled_quirks, arg);
		return 0;
	case KVM_CAP_MSR_PLATFORM_INFO:
		WRITE_ONCE(vm->platform_info_hidden, !arg);
		return 0;
	case KVM_CAP_HALT_POLL:
		if (arg != (u32)arg)
			return -EINVAL;
		WRITE_ONCE(vm->halt_poll_ns, arg);
		return 0;
	case KVM_CAP_X86_USER_SPACE_MSR:
		return vmm_set_msr_exits(vm, arg);
	case KVM_CAP_EXIT_HYPERCALL:
		if (arg & ~(u64)HYPERCALL_EXITS)
			return -EINVAL;
		WRITE_ONCE(vm->hypercall_exits, arg);
		return 0;
	case KVM_CAP_X86_DISABLE_EXITS:
		return disable_exits(vm, arg);
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		WRITE_ONCE(vm->triple_fault_event, arg);
		return 0;
	case KVM_CAP_EXCEPTION_PAYLOAD:
		WRITE_ONCE(vm->exception_payload, arg);
		return 0;
	case KVM_CAP_EXIT_ON_EMULATION_FAILURE:
		if (arg & ~1ull)
			return -EINVAL;
		WRITE_ONCE(vm->exit_on_emulation_error, arg);
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * vmm_enable_cap_vcpu() - KVM_ENABLE_CAP on a vCPU
 * @vcpu: vcpu->mutex held
 * @cap: what to enable, with its arguments
 *
 * Return: 0; -EINVAL for an unknown capability or flags.
 */
int vmm_enable_cap_vcpu(struct vmm_vcpu *vcpu, const struct kvm_enable_cap *cap)
{
	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_ENFORCE_PV_FEATURE_CPUID:
		vcpu->pv_enforced = cap->args[0];
		return 0;
	default:
		return -EINVAL;
	}
}
