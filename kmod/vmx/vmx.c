// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Intel VT-x backend: life of a vCPU's VMCS, one entry, and the table that the
 * core calls through.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/gfp.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/segment.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>

#include "guest_state.h"
#include "mmu/engine.h"
#include "vmx/vmx.h"

/* PAUSE in a loop: executions this close together, in TSC ticks (SDM 26.1.3). */
#define PLE_GAP_TICKS		128

/* Every port exits: two pages of ones, for all guests (SDM 25.6.4). */
static void *io_bitmaps;

/* ---- load and unload ------------------------------------------------------- */

void vmx_unsetup(void)
{
	vmx_cpu_unsetup();
	free_pages((unsigned long)io_bitmaps, 1);
	io_bitmaps = NULL;
}

int vmx_setup(void)
{
	struct vmm_cpu_facts facts;

	vmm_mitigate_facts(&facts, true);
	vmx_config.mitigate = vmm_mitigate_decide(&facts);
	vmm_mitigate_log(vmx_config.mitigate);
	vmx_fill_caps(&vmm_backend.caps);
	vmm_backend.tdp_format = !vmm_backend.caps.tdp_ad ? &vmm_ept_format :
				 vmx_config.secondary & SECONDARY_EXEC_ENABLE_PML ?
				 &vmm_ept_pml_format : &vmm_ept_ad_format;

	io_bitmaps = (void *)__get_free_pages(GFP_KERNEL, 1);
	if (!io_bitmaps)
		return -ENOMEM;
	memset(io_bitmaps, 0xff, 2 * PAGE_SIZE);
	if (vmx_cpu_setup()) {
		vmx_unsetup();
		return -ENOMEM;
	}
	return 0;
}

/* ---- creation and reset ---------------------------------------------------- */

/* The parts of the host's state that never change (SDM 25.5). */
static void init_host_state(void)
{
	struct desc_ptr idt;
	u64 value;

	vmcs_write(HOST_CR0, read_cr0() & ~X86_CR0_TS);
	vmcs_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmcs_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmcs_write(HOST_DS_SELECTOR, 0);
	vmcs_write(HOST_ES_SELECTOR, 0);
	vmcs_write(HOST_FS_SELECTOR, 0);
	vmcs_write(HOST_GS_SELECTOR, 0);
	vmcs_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmcs_write(HOST_FS_BASE, 0);
	store_idt(&idt);
	vmcs_write(HOST_IDTR_BASE, idt.address);
	rdmsrl(MSR_IA32_SYSENTER_CS, value);
	vmcs_write(HOST_IA32_SYSENTER_CS, (u32)value);
	rdmsrl(MSR_IA32_SYSENTER_EIP, value);
	vmcs_write(HOST_IA32_SYSENTER_EIP, value);
	vmcs_write(HOST_IA32_PAT, vmx_config.host_pat);
	vmcs_write(HOST_IA32_EFER, vmx_config.host_efer);
	vmcs_write(HOST_RIP, (unsigned long)vmx_exit_point);
}

/* Which exits there are, from the hardware, the guest's CPUID and the VM's settings. */
static void update_controls(struct vmx_vcpu *vmx)
{
	const u32 windows = CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING;
	/* By vmx_set_tsc_ratio(), vmx_set_cr4() and vmx_log_by_cpu(). */
	const u32 decided_elsewhere = SECONDARY_EXEC_TSC_SCALING | SECONDARY_EXEC_DESC |
				      SECONDARY_EXEC_ENABLE_PML;
	struct vmm_vcpu *vcpu = &vmx->vcpu;
	u32 cpu_based = vmx_config.cpu_based & ~windows;
	u32 secondary = vmx_config.secondary;
	u32 disabled = READ_ONCE(vcpu->vm->disabled_exits);

	cpu_based |= vmx->cpu_based & windows;
	if (vcpu->lapic && (cpu_based & CPU_BASED_TPR_SHADOW))
		cpu_based &= ~(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING);
	else
		cpu_based &= ~CPU_BASED_TPR_SHADOW;
	if (disabled & KVM_X86_DISABLE_EXITS_HLT)
		cpu_based &= ~CPU_BASED_HLT_EXITING;
	if (disabled & KVM_X86_DISABLE_EXITS_MWAIT)
		cpu_based &= ~(CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING);
	if (disabled & KVM_X86_DISABLE_EXITS_PAUSE)
		secondary &= ~SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	if (!vmx->vpid)
		secondary &= ~SECONDARY_EXEC_ENABLE_VPID;
	if (!vcpu->caps.rdtscp)
		secondary &= ~SECONDARY_EXEC_ENABLE_RDTSCP;
	if (!vcpu->caps.invpcid)
		secondary &= ~SECONDARY_EXEC_ENABLE_INVPCID;
	if (!vcpu->caps.xsaves)
		secondary &= ~SECONDARY_EXEC_ENABLE_XSAVES;
	secondary &= ~decided_elsewhere;
	secondary |= vmx->secondary & decided_elsewhere;

	vmx_set_cpu_based(vmx, cpu_based);
	vmx_set_secondary(vmx, secondary);
}

static void init_vmcs(struct vmx_vcpu *vmx)
{
	init_host_state();

	vmx_set_pin(vmx, vmx_config.pin & ~PIN_BASED_VMX_PREEMPTION_TIMER);
	vmcs_write(VM_EXIT_CONTROLS, vmx_config.exit);
	vmx_set_entry_ctls(vmx, vmx_config.entry & ~VM_ENTRY_IA32E_MODE);
	vmcs_write(CR3_TARGET_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, 0);
	vmcs_write(VM_EXIT_MSR_LOAD_ADDR, __pa(vmx->msr_lists->exit));
	vmcs_write(VM_ENTRY_MSR_LOAD_ADDR, __pa(vmx->msr_lists->entry));
	vmcs_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmcs_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmcs_write(IO_BITMAP_A, __pa(io_bitmaps));
	vmcs_write(IO_BITMAP_B, __pa(io_bitmaps + PAGE_SIZE));
	vmcs_write(MSR_BITMAP, __pa(vmx->msr_bitmap));
	if (vmx_config.cpu_based & CPU_BASED_TPR_SHADOW) {
		vmcs_write(VIRTUAL_APIC_PAGE_ADDR, __pa(vmx->virtual_apic));
		vmcs_write(TPR_THRESHOLD, 0);
	}
	if (vmx->vpid)
		vmcs_write(VIRTUAL_PROCESSOR_ID, vmx->vpid);
	if (vmx_config.secondary & SECONDARY_EXEC_PAUSE_LOOP_EXITING) {
		vmcs_write(PLE_GAP, PLE_GAP_TICKS);
		vmx_set_ple_window(vmx, VMX_PLE_WINDOW);
	}
	if (vmx_config.secondary & SECONDARY_EXEC_ENABLE_XSAVES)
		vmcs_write(XSS_EXIT_BITMAP, 0);
	if (vmx_config.secondary & SECONDARY_EXEC_ENCLS_EXITING)
		vmcs_write(ENCLS_EXITING_BITMAP, ~0ull);
	vmcs_write(VMCS_LINK_POINTER, ~0ull);
	vmcs_write(GUEST_SYSENTER_CS, 0);
	vmcs_write(GUEST_SYSENTER_ESP, 0);
	vmcs_write(GUEST_SYSENTER_EIP, 0);
}

static void free_vcpu_memory(struct vmx_vcpu *vmx)
{
	vmx_vpid_free(vmx->vpid);
	free_page((unsigned long)vmx->msr_lists);
	free_page((unsigned long)vmx->pml);
	free_page((unsigned long)vmx->virtual_apic);
	free_page((unsigned long)vmx->msr_bitmap);
	free_page((unsigned long)vmx->vmcs);
}

int vmx_vcpu_create(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	BUILD_BUG_ON(offsetof(struct vmx_enter_state, host_rsp) != VMX_ENTER_HOST_RSP);
	BUILD_BUG_ON(offsetof(struct vmx_enter_state, spec_ctrl) != VMX_ENTER_GUEST_SPEC);

	vmx->vmcs_cpu = -1;
	vmx->timer_deadline = ~0ull;
	vmx->vmcs = vmx_alloc_vmcs(GFP_KERNEL_ACCOUNT);
	vmx->msr_bitmap = (unsigned long *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vmx->virtual_apic = (u8 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	BUILD_BUG_ON(sizeof(*vmx->msr_lists) > PAGE_SIZE);
	vmx->msr_lists = (struct vmx_msr_lists *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (vmx_config.secondary & SECONDARY_EXEC_ENABLE_PML)
		vmx->pml = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs || !vmx->msr_bitmap || !vmx->virtual_apic || !vmx->msr_lists ||
	    (!vmx->pml && (vmx_config.secondary & SECONDARY_EXEC_ENABLE_PML))) {
		free_vcpu_memory(vmx);
		return -ENOMEM;
	}
	vmx->vmcs_pa = __pa(vmx->vmcs);
	vmx->vpid = vmx_vpid_alloc();
	memset(vmx->msr_bitmap, 0xff, PAGE_SIZE);
	/* Only VMCLEAR makes a region a VMCS whose launch state is "clear" (SDM 25.11.3). */
	vmx_vmclear(vmx->vmcs_pa);
	return 0;
}

void vmx_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_vmcs_deactivate(vmx);
	free_vcpu_memory(vmx);
}

void vmx_cpuid_changed(struct vmm_vcpu *vcpu)
{
	update_controls(to_vmx(vcpu));
	vmx_update_guest_owned(vcpu);
}

/* What neither the core's registers nor the segments cover (SDM table 10-1). */
void vmx_vcpu_reset(struct vmm_vcpu *vcpu, bool init)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!init)
		init_vmcs(vmx);
	vmcs_write(GUEST_IA32_DEBUGCTL, 0);
	vmcs_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmcs_write(GUEST_INTERRUPTIBILITY_INFO, 0);
	vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, 0);
	vmcs_write(VM_ENTRY_INTR_INFO_FIELD, 0);
	vmx_set_cpu_based(vmx, vmx->cpu_based &
			  ~(CPU_BASED_INTR_WINDOW_EXITING | CPU_BASED_NMI_WINDOW_EXITING));
	vmx_cpuid_changed(vcpu);
}

/* ---- time --------------------------------------------------------------------- */

void vmx_set_tsc_offset(struct vmm_vcpu *vcpu, u64 offset)
{
	vmcs_write(TSC_OFFSET, offset);
}

void vmx_set_tsc_ratio(struct vmm_vcpu *vcpu, u64 ratio)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (!(vmx_config.secondary & SECONDARY_EXEC_TSC_SCALING))
		return;
	if (!ratio || ratio == BIT_ULL(48)) {
		vmx_set_secondary(vmx, vmx->secondary & ~SECONDARY_EXEC_TSC_SCALING);
		return;
	}
	vmcs_write(TSC_MULTIPLIER, ratio);
	vmx_set_secondary(vmx, vmx->secondary | SECONDARY_EXEC_TSC_SCALING);
}

static int vmx_set_preempt_timer(struct vmm_vcpu *vcpu, u64 host_tsc)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 now = rdtsc();

	if (host_tsc != ~0ull && host_tsc > now &&
	    (host_tsc - now) >> vmx_misc_preemption_timer_rate(vmx_config.misc) > U32_MAX)
		return -ERANGE;
	vmx->timer_deadline = host_tsc;
	return 0;
}

/* The timer counts down in the guest only, so it is loaded anew for each entry. */
static void arm_preempt_timer(struct vmx_vcpu *vmx)
{
	u64 now, ticks = 0;

	if (vmx->timer_deadline == ~0ull) {
		vmx_set_pin(vmx, vmx->pin & ~PIN_BASED_VMX_PREEMPTION_TIMER);
		return;
	}
	now = rdtsc();
	/* One more than what is left: the first step may come at once. */
	if (vmx->timer_deadline > now)
		ticks = ((vmx->timer_deadline - now) >>
			 vmx_misc_preemption_timer_rate(vmx_config.misc)) + 1;
	vmcs_write(VMX_PREEMPTION_TIMER_VALUE, min_t(u64, ticks, U32_MAX));
	vmx_set_pin(vmx, vmx->pin | PIN_BASED_VMX_PREEMPTION_TIMER);
}

/* ---- one entry ------------------------------------------------------------------ */

/*
 * Performance events of the host that are not to count in the guest stop at the entry
 * and go on at the exit. Above all PEBS must stop: it stores its records by linear
 * address, which in the guest is the guest's. Interrupts off.
 */
static void switch_host_counters(struct vmx_vcpu *vmx)
{
	struct vmx_msr_lists *lists = vmx->msr_lists;
	struct perf_guest_switch_msr *msrs;
	int nr = 0, used = 0, i;

	msrs = perf_guest_get_msrs(&nr, NULL);
	for (i = 0; msrs && i < nr && used < VMX_LISTED_MSRS; i++) {
		if (msrs[i].host == msrs[i].guest)
			continue;
		lists->entry[used] = (struct vmx_msr_entry) {
			.index = msrs[i].msr, .value = msrs[i].guest,
		};
		lists->exit[used] = (struct vmx_msr_entry) {
			.index = msrs[i].msr, .value = msrs[i].host,
		};
		used++;
		/* A record on its way needs time before the guest's tables are in force. */
		if (msrs[i].msr == MSR_IA32_PEBS_ENABLE)
			wrmsrl(MSR_IA32_PEBS_ENABLE, 0);
	}
	if (likely(used == vmx->nr_listed))
		return;
	vmx->nr_listed = used;
	vmcs_write(VM_ENTRY_MSR_LOAD_COUNT, used);
	vmcs_write(VM_EXIT_MSR_LOAD_COUNT, used);
}

void vmx_prepare(struct vmm_vcpu *vcpu)
{
	unsigned long cr3 = __get_current_cr3_fast(), cr4 = cr4_read_shadow();
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (unlikely(cr3 != vmx->vmcs_cr3)) {
		vmcs_write(HOST_CR3, cr3);
		vmx->vmcs_cr3 = cr3;
	}
	if (unlikely(cr4 != vmx->vmcs_cr4)) {
		vmcs_write(HOST_CR4, cr4);
		vmx->vmcs_cr4 = cr4;
	}
	/* An IPI of perf's changes it while the vCPU is loaded. */
	vmx->host_debugctl = get_debugctlmsr();
	if (unlikely(READ_ONCE(vcpu->vm->mmu.log_by_cpu) !=
		     !!(vmx->secondary & SECONDARY_EXEC_ENABLE_PML)))
		vmx_log_by_cpu(vmx, !(vmx->secondary & SECONDARY_EXEC_ENABLE_PML));
	switch_host_counters(vmx);
}

/*
 * Under blocking by STI or MOV SS a single step must be pending if and only if
 * RFLAGS.TF is set, or the entry fails (SDM 27.3.1.5). It is not where the trap was the
 * exit, where the instruction was emulated, and where user space made up the state.
 * A debugger rather wants to stop after this instruction.
 */
static void agree_single_step(struct vmx_vcpu *vmx)
{
	struct vmm_vcpu *vcpu = &vmx->vcpu;
	u64 old, pending;

	vmx->check_single_step = false;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		vmx_set_shadow(vcpu, 0);
	if (!vmx_get_shadow(vcpu))
		return;
	old = vmcs_read(GUEST_PENDING_DBG_EXCEPTIONS);
	pending = vmm_rflags(vcpu) & X86_EFLAGS_TF ? old | DR_STEP : old & ~(u64)DR_STEP;
	if (pending != old)
		vmcs_write(GUEST_PENDING_DBG_EXCEPTIONS, pending);
}

static void write_guest_state(struct vmx_vcpu *vmx)
{
	struct vmm_vcpu *vcpu = &vmx->vcpu;
	u32 dirty = vcpu->dirty;
	int i;

	if (unlikely(vmx->check_single_step || (dirty & BIT(VMM_RFLAGS)) ||
		     (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)))
		agree_single_step(vmx);
	if (dirty & BIT(VMM_RIP))
		vmcs_write(GUEST_RIP, vcpu->regs[VMM_RIP]);
	if (unlikely(dirty & (BIT(VMM_RSP) | BIT(VMM_RFLAGS)))) {
		if (dirty & BIT(VMM_RSP))
			vmcs_write(GUEST_RSP, vcpu->regs[VMM_RSP]);
		if (dirty & BIT(VMM_RFLAGS))
			vmcs_write(GUEST_RFLAGS, vcpu->regs[VMM_RFLAGS]);
	}
	vcpu->dirty = 0;
	if (unlikely(vmx->pat_loaded != vcpu->pat)) {
		vmcs_write(GUEST_IA32_PAT, vcpu->pat);
		vmx->pat_loaded = vcpu->pat;
	}
	if (unlikely(vmx->pae_paging)) {
		for (i = 0; i < 4; i++)
			vmcs_write(GUEST_PDPTR0 + 2 * i, vcpu->pdptrs[i]);
	}
}

static void read_guest_state(struct vmx_vcpu *vmx)
{
	struct vmm_vcpu *vcpu = &vmx->vcpu;
	int i;

	vcpu->avail = ~(u32)(BIT(VMM_RIP) | BIT(VMM_RSP) | BIT(VMM_RFLAGS) | BIT(VMM_REG_CR0) |
			     BIT(VMM_REG_CR3) | BIT(VMM_REG_CR4) | BIT(VMM_REG_SHADOW) |
			     BIT(VMM_REG_CS_L));
	/* The guest loads CR3 without an exit, and the CPU the PDPTEs along with it. */
	if (unlikely(vmx->pae_paging)) {
		for (i = 0; i < 4; i++)
			vcpu->pdptrs[i] = vmcs_read(GUEST_PDPTR0 + 2 * i);
	}
}

static u32 enter_flags(struct vmx_vcpu *vmx)
{
	u32 flags = vmx->enter_flags;

	if (VMX_MITIGATE(VERW))
		flags |= VMX_ENTER_VERW;
	if (VMX_MITIGATE(SPEC_CTRL)) {
		/*
		 * Legacy IBRS, left on, slows a guest that knows nothing of it to a
		 * fraction; other values of the host's do no harm there.
		 */
		if (vmx->vcpu.caps.spec_ctrl || vmx->enter.spec_ctrl ||
		    VMX_MITIGATE(SPEC_CTRL_ALWAYS))
			flags |= BIT(VMX_ENTER_SPEC_CTRL_BIT);
		if (vmx->vcpu.spec_ctrl_direct)
			flags |= BIT(VMX_ENTER_SPEC_READ_BIT);
		if (VMX_MITIGATE(SPEC_CTRL_ALWAYS))
			flags |= BIT(VMX_ENTER_SPEC_ALWAYS_BIT);
	}
	return flags;
}

/* ---- TPR shadow (SDM 30.1) ------------------------------------------------------- */

#define VTPR	0x80

/* Before an entry: the LAPIC's TPR becomes what the guest's CR8 reads. */
static __always_inline void tpr_to_cpu(struct vmx_vcpu *vmx)
{
	u8 tpr = vmm_get_cr8(&vmx->vcpu);

	vmx->virtual_apic[VTPR] = tpr << 4;
	/* The threshold must not be above it at entry (SDM 27.2.1.1). */
	if (unlikely(vmx->tpr_threshold > tpr))
		vmx_set_tpr_threshold(vmx, 0);
}

/* After an exit: tell the LAPIC what the guest moved to CR8. */
static __always_inline void tpr_from_cpu(struct vmx_vcpu *vmx)
{
	u8 tpr = vmx->virtual_apic[VTPR] >> 4;

	if (unlikely(tpr != vmm_get_cr8(&vmx->vcpu)))
		vmm_lapic_set_tpr(&vmx->vcpu, tpr);
}

/* ---- in and out -------------------------------------------------------------------- */

/* VMLAUNCH or VMRESUME itself failed: no exit took place. No exit reason has all bits set. */
#define NO_EXIT		~0u

/*
 * From here on RCU and lockdep take this CPU for one in user mode. A host NMI that
 * ended the guest's turn is raised in here: NMIs are blocked until the handler's
 * IRET, and nothing that may itself return by IRET goes before it (SDM 28.1).
 *
 * Returns VM_EXIT_REASON, or NO_EXIT.
 */
static noinstr u32 enter_guest(struct vmx_vcpu *vmx, u32 flags)
{
	struct vmm_vcpu *vcpu = &vmx->vcpu;
	u32 reason = NO_EXIT;
	bool failed;

	guest_state_enter_irqoff(vcpu->exit.reason == VMM_EXIT_INTR);

	if (VMX_MITIGATE(L1D))
		vmx_flush_l1d(vmx);
	if (vcpu->cr2 != native_read_cr2())
		native_write_cr2(vcpu->cr2);
	failed = vmx_enter(vcpu->regs, flags, &vmx->enter);
	vcpu->cr2 = native_read_cr2();

	if (likely(!failed)) {
		reason = vmcs_read(VM_EXIT_REASON);
		if (reason == EXIT_REASON_EXCEPTION_NMI) {
			vmx->intr_info = vmcs_read(VM_EXIT_INTR_INFO);
			if ((vmx->intr_info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR)
				asm volatile("int $2");
		}
	}
	guest_state_exit_irqoff();
	return reason;
}

/* No guest instruction ran, and the event to deliver is still in its field. */
static noinline void entry_failed(struct vmx_vcpu *vmx, u32 reason)
{
	struct vmm_exit *e = &vmx->vcpu.exit;

	if (reason != NO_EXIT && (u16)reason == EXIT_REASON_MCE_DURING_VMENTRY)
		host_machine_check();
	e->reason = VMM_EXIT_FAIL_ENTRY;
	e->hw_reason = reason == NO_EXIT ? 0 : reason;
	e->insn_len = 0;
	e->in_delivery = false;
	if (reason != NO_EXIT)
		e->qual = reason;
	else if (READ_ONCE(vmm_rebooting))
		e->qual = 0;
	else
		e->qual = vmcs_read(VM_INSTRUCTION_ERROR);
}

void vmx_run(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u32 reason;

	write_guest_state(vmx);
	/* The last exit brought PEBS back: it must have stopped some time before the entry. */
	if (unlikely(vmx->nr_listed))
		switch_host_counters(vmx);
	if (vmx->cpu_based & CPU_BASED_TPR_SHADOW)
		tpr_to_cpu(vmx);
	if (vmx_config.pin & PIN_BASED_VMX_PREEMPTION_TIMER)
		arm_preempt_timer(vmx);
	if (unlikely(vmm_guest_owns_debug(vcpu)))
		set_debugreg(vcpu->dr6, 6);

	/* What perf does in an NMI is to stop. */
	if (unlikely(vmx->host_debugctl))
		vmx->host_debugctl = get_debugctlmsr();

	reason = enter_guest(vmx, enter_flags(vmx));

	if (unlikely(vmm_guest_owns_debug(vcpu))) {
		get_debugreg(vcpu->dr6, 6);
		vcpu->dr7 = vmcs_read(GUEST_DR7);
		/* The host's #DB handler takes what it finds there for its own. */
		set_debugreg(DR6_RESERVED, 6);
	}
	/* An exit clears IA32_DEBUGCTL (SDM 28.5.1). */
	if (unlikely(vmx->host_debugctl))
		update_debugctlmsr(vmx->host_debugctl);
	vmm_mitigate_ran_guest();
	read_guest_state(vmx);
	if (unlikely(vmx->secondary & SECONDARY_EXEC_ENABLE_PML))
		vmx_collect_log(vmx);

	/* Bit 31 says that the entry failed, and NO_EXIT has it, too. */
	if (unlikely(reason & VMX_EXIT_REASONS_FAILED_VMENTRY)) {
		entry_failed(vmx, reason);
		return;
	}
	vmx->enter_flags = VMX_ENTER_RESUME;
	vmm_clear_injected(vcpu);
	if (vmx->cpu_based & CPU_BASED_TPR_SHADOW)
		tpr_from_cpu(vmx);
	vmx_normalise(vmx, reason);
}

#define ROW(call)	.call = vmx_##call,

const struct vmm_backend vmx_backend = {
	.name = "vmx",
	.vcpu_size = sizeof(struct vmx_vcpu),
	.hypercall_insn = { 0x0f, 0x01, 0xc1 },		/* VMCALL */
	VMM_BACKEND_CALLS(ROW)
	.flush_tlb_guest = vmx_flush_tlb_guest,
	.set_preempt_timer = vmx_set_preempt_timer,
};
