// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMX operation per CPU, which VMCS is where, and the host state that the hardware
 * does not switch.
 *
 * A VMCS is active on at most one CPU, which may cache it (SDM 25.11.1); each CPU
 * keeps a list of those active on it, so that VMXOFF and a crash dump find memory
 * up to date. The list is changed on its CPU only, with interrupts off.
 */
#define pr_fmt(fmt) "vmm: " fmt

#include <linux/gfp.h>
#include <linux/smp.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/hardirq.h>
#include <asm/mmu_context.h>
#include <asm/msr.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "vmx/vmx.h"

/* 64 KiB: twice the L1D of the processors concerned, which replace not quite the oldest */
#define L1D_ORDER	4

static DEFINE_PER_CPU(struct vmcs *, vmxon_region);
static DEFINE_PER_CPU(struct vmx_vcpu *, vmx_current);
static DEFINE_PER_CPU(struct list_head, vmx_loaded);
static u8 *l1d_pages;

void noinline __cold vmx_insn_failed(const char *insn, u64 operand)
{
	if (READ_ONCE(vmm_rebooting))
		return;
	pr_err_ratelimited("%s %#llx failed\n", insn, operand);
}

int vmx_vmxon(u64 pa)
{
	asm_goto_output("1: vmxon %[pa]\n\t"
			"jbe %l[fail]\n\t"
			_ASM_EXTABLE(1b, %l[fail])
			:
			: [pa] "m" (pa)
			: "cc", "memory"
			: fail);
	return 0;
fail:
	return -EIO;
}

void vmx_vmxoff(void)
{
	asm_goto_output("1: vmxoff\n\t"
			_ASM_EXTABLE(1b, %l[fail])
			: : : "cc", "memory" : fail);
fail:
	return;
}

/**
 * vmx_alloc_vmcs() - a zeroed region with this processor's revision (SDM 25.2)
 * @gfp: allocation flags
 *
 * Return: one page, or NULL.
 */
struct vmcs *vmx_alloc_vmcs(gfp_t gfp)
{
	struct vmcs *vmcs = (struct vmcs *)get_zeroed_page(gfp);

	if (vmcs)
		vmcs->revision_id = vmx_config.revision;
	return vmcs;
}

/**
 * vmx_cpu_setup() - at load: memory that enabling a CPU will need
 */
int vmx_cpu_setup(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		INIT_LIST_HEAD(&per_cpu(vmx_loaded, cpu));
		per_cpu(vmxon_region, cpu) = vmx_alloc_vmcs(GFP_KERNEL);
		if (!per_cpu(vmxon_region, cpu))
			goto fail;
	}
	if (VMX_MITIGATE(L1D) && !VMX_MITIGATE(L1D_MSR)) {
		/* Not zero pages: KSM or the host's zero page would give one line for all. */
		l1d_pages = (u8 *)__get_free_pages(GFP_KERNEL, L1D_ORDER);
		if (!l1d_pages)
			goto fail;
		memset(l1d_pages, 1, PAGE_SIZE << L1D_ORDER);
	}
	return 0;
fail:
	vmx_cpu_unsetup();
	return -ENOMEM;
}

void vmx_cpu_unsetup(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		free_page((unsigned long)per_cpu(vmxon_region, cpu));
		per_cpu(vmxon_region, cpu) = NULL;
	}
	free_pages((unsigned long)l1d_pages, L1D_ORDER);
	l1d_pages = NULL;
}

/**
 * vmx_cpu_enable() - enter VMX operation on this CPU (SDM 24.7)
 *
 * Preemption off. Return: 0; -EBUSY when CR4.VMXE is already set; -EACCES when
 * firmware disabled VMX here; -ENODEV when this CPU is not like the first.
 */
int vmx_cpu_enable(void)
{
	const u64 want = FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;
	struct vmx_config here;
	u64 feat_ctl;

	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;
	if (rdmsrl_safe(MSR_IA32_FEAT_CTL, &feat_ctl))
		return -EACCES;
	if (!(feat_ctl & FEAT_CTL_LOCKED)) {
		wrmsrl_safe(MSR_IA32_FEAT_CTL, feat_ctl | want);
		rdmsrl(MSR_IA32_FEAT_CTL, feat_ctl);
	}
	if ((feat_ctl & want) != want)
		return -EACCES;
	if (vmx_negotiate(&here))
		return -ENODEV;
	if (memcmp(&here, &vmx_config, offsetofend(struct vmx_config, ept_vpid)))
		return -ENODEV;

	vmx_msr_cpu_enable();
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (vmx_vmxon(__pa(this_cpu_read(vmxon_region)))) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EIO;
	}
	/* Whatever ran here before may have left translations under our tags. */
	if (vmx_config.ept_vpid & VMX_EPT_EXTENT_GLOBAL_BIT)
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
	return 0;
}

/* On vmx->vmcs_cpu, interrupts off: write the VMCS back and forget it. */
static void deactivate_here(void *data)
{
	struct vmx_vcpu *vmx = data;

	/* It may have been deactivated by the CPU's going down in the meantime. */
	if (vmx->vmcs_cpu != raw_smp_processor_id())
		return;
	if (this_cpu_read(vmx_current) == vmx)
		this_cpu_write(vmx_current, NULL);
	vmx_vmclear(vmx->vmcs_pa);
	vmx->enter_flags = 0;
	/* After VMCLEAR: a crash in between must still find it listed. */
	list_del(&vmx->loaded_link);
	/* The remote CPU that waits may take vmcs_cpu as permission to use the link. */
	smp_store_release(&vmx->vmcs_cpu, -1);
}

/**
 * vmx_vmcs_deactivate() - VMCLEAR, wherever the VMCS is active
 * @vmx: may sleep; preemption may be off but interrupts must be on
 */
void vmx_vmcs_deactivate(struct vmx_vcpu *vmx)
{
	int cpu = smp_load_acquire(&vmx->vmcs_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, deactivate_here, vmx, 1);
}

/**
 * vmx_cpu_disable() - leave VMX operation on this CPU; preemption off
 */
void vmx_cpu_disable(void)
{
	struct vmx_vcpu *vmx, *next;
	unsigned long flags;

	local_irq_save(flags);
	list_for_each_entry_safe(vmx, next, this_cpu_ptr(&vmx_loaded), loaded_link)
		deactivate_here(vmx);
	vmx_vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
	local_irq_restore(flags);
	intel_pt_handle_vmx(0);
}

/**
 * vmx_cpu_crash() - the kernel has crashed: leave VMX operation, keep memory whole
 *
 * NMI context, on the CPU concerned. The list may be in the middle of a change:
 * it is only ever walked forward and its forward links are always good.
 */
void vmx_cpu_crash(void)
{
	struct vmx_vcpu *vmx;

	list_for_each_entry(vmx, this_cpu_ptr(&vmx_loaded), loaded_link)
		vmx_vmclear(vmx->vmcs_pa);
	vmx_vmxoff();
	cr4_clear_bits(X86_CR4_VMXE);
}

/* Host state that is the same for all tasks on a CPU (SDM 25.5). */
static void write_host_cpu_state(int cpu)
{
	u64 value;

	vmcs_write(HOST_TR_BASE, (unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmcs_write(HOST_GDTR_BASE, (unsigned long)get_current_gdt_ro());
	rdmsrl(MSR_IA32_SYSENTER_ESP, value);
	vmcs_write(HOST_IA32_SYSENTER_ESP, value);
	rdmsrl(MSR_GS_BASE, value);
	vmcs_write(HOST_GS_BASE, value);
}

/**
 * vmx_vcpu_load() - make the vCPU's VMCS current on this CPU
 * @vcpu: its thread is here
 * @cpu: this CPU, preemption off, interrupts on
 */
void vmx_vcpu_load(struct vmm_vcpu *vcpu, int cpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	bool moved = vmx->vmcs_cpu != cpu;

	if (moved) {
		vmx_vmcs_deactivate(vmx);
		local_irq_disable();
		vmx->vmcs_cpu = cpu;
		list_add(&vmx->loaded_link, &per_cpu(vmx_loaded, cpu));
		local_irq_enable();
	}
	if (this_cpu_read(vmx_current) != vmx) {
		this_cpu_write(vmx_current, vmx);
		vmx_vmptrld(vmx->vmcs_pa);
		/* The branch predictor was trained by another guest. */
		if (VMX_MITIGATE(IBPB_SWITCH))
			indirect_branch_prediction_barrier();
	}
	if (moved)
		write_host_cpu_state(cpu);
	if (vmx->ple_window > VMX_PLE_WINDOW)
		vmx_set_ple_window(vmx, VMX_PLE_WINDOW);
	vmx->vcpu.l1d_unclean = true;
}

/**
 * vmx_save_host() - save what an exit will not restore and load the guest's
 * @vcpu: loaded; preemption off, interrupts on
 */
void vmx_save_host(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned long fs_base;

	current_save_fsgs();
	fs_base = current->thread.fsbase;
	vmx->host_gs_base = current->thread.gsbase;
	vmx->host_fs_sel = current->thread.fsindex;
	vmx->host_gs_sel = current->thread.gsindex;
	savesegment(ds, vmx->host_ds_sel);
	savesegment(es, vmx->host_es_sel);

	/* The selector fields are null: user space's RPL is not allowed there (SDM 27.2.3). */
	if (fs_base != vmx->vmcs_fs_base) {
		vmcs_write(HOST_FS_BASE, fs_base);
		vmx->vmcs_fs_base = fs_base;
	}
	vmx_msr_load_guest(vmx);
}

/*
 * An exit leaves LDTR null. Another thread may give the process its first LDT while the
 * vCPU is loaded, so what was there before says nothing. Its descriptor comes with an IPI
 * that loads LDTR, too; until then there may be none to load.
 */
static void reload_ldt(void)
{
#ifdef CONFIG_MODIFY_LDT_SYSCALL
	const struct desc_struct *gdt = get_current_gdt_ro();

	if (unlikely(READ_ONCE(current->mm->context.ldt)) && gdt[GDT_ENTRY_LDT].p)
		asm volatile("lldt %w0" : : "r" (GDT_ENTRY_LDT * 8));
#endif
}

/**
 * vmx_restore_host() - the CPU goes back to the host: undo vmx_save_host()
 * @vcpu: loaded; preemption off, interrupts on or off
 *
 * The VMCS stays active; as a rule the vCPU comes back to the same CPU.
 */
void vmx_restore_host(struct vmm_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_msr_load_host(vmx);
	reload_ldt();
	if (vmx->host_gs_sel)
		load_gs_index(vmx->host_gs_sel);
	if (vmx->host_fs_sel) {
		loadsegment(fs, vmx->host_fs_sel);
		wrmsrl(MSR_FS_BASE, vmx->vmcs_fs_base);
	}
	if (vmx->host_ds_sel | vmx->host_es_sel) {
		loadsegment(ds, vmx->host_ds_sel);
		loadsegment(es, vmx->host_es_sel);
	}
	/* After the selector: loading it has changed the base. */
	wrmsrl(MSR_KERNEL_GS_BASE, vmx->host_gs_base);
	/* An exit leaves TR with a limit of 67H and GDTR with one of FFFFH (SDM 28.5.2). */
	invalidate_tss_limit();
	load_fixmap_gdt(raw_smp_processor_id());
}

/**
 * vmx_flush_l1d() - leave no host data in the L1 data cache for an L1TF guest
 * @vmx: about to enter; interrupts off
 */
void noinstr vmx_flush_l1d(struct vmx_vcpu *vmx)
{
	const u8 *p, *end = l1d_pages + (PAGE_SIZE << L1D_ORDER);
	int i;

	if (VMX_MITIGATE(L1D_COND)) {
		bool interrupted = kvm_get_cpu_l1tf_flush_l1d();

		kvm_clear_cpu_l1tf_flush_l1d();
		if (!vmx->vcpu.l1d_unclean && !interrupted)
			return;
	}
	vmx->vcpu.l1d_unclean = false;
	if (VMX_MITIGATE(L1D_MSR)) {
		native_wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}
	/* The first loop fills the TLB, so that walks do not disturb the second. */
	for (p = l1d_pages; p < end; p += PAGE_SIZE)
		READ_ONCE(*p);
	asm volatile("lfence" : : : "memory");
	for (p = l1d_pages; p < end; p += 16 * L1_CACHE_BYTES) {
#pragma GCC unroll 16
		for (i = 0; i < 16; i++)
			READ_ONCE(p[i * L1_CACHE_BYTES]);
	}
	asm volatile("lfence" : : : "memory");
}
