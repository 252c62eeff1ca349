// SPDX-License-Identifier: GPL-2.0-only
/*
 * The AMD-V backend: what the machine can do, CPUs on and off, a vCPU's life, ASIDs
 * and the entry. APM volume 2, chapter 15.
 */
#define pr_fmt(fmt) "vmm: svm: " fmt

#include <linux/cc_platform.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mem_encrypt.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/perf_event.h>
#include <linux/pgtable.h>
#include <asm/cpu_entry_area.h>
#include <asm/desc.h>
#include <asm/nospec-branch.h>
#include <asm/spec-ctrl.h>
#include <uapi/asm/svm.h>

#include "svm.h"
#include "../guest_state.h"
#include "../mitigate.h"
#include "../mmu/engine.h"

static bool npt = true;
module_param(npt, bool, 0444);
MODULE_PARM_DESC(npt, "AMD-V: use nested paging");

static bool vgif = true;
module_param(vgif, bool, 0444);
MODULE_PARM_DESC(vgif, "AMD-V: use the virtual global interrupt flag where present");

static bool nrips = true;
module_param(nrips, bool, 0444);
MODULE_PARM_DESC(nrips, "AMD-V: use the next RIP the CPU saves where present");

struct svm_features svm_features __ro_after_init;
static DEFINE_PER_CPU(struct svm_cpu, svm_cpus);

#define TSC_RATIO_ONE		BIT_ULL(32)	/* 8.32 fixed point, APM 15.30.5 */

/* ---- instructions, each with a fixup: a reboot may have cleared EFER.SVME ---- */

static void vmsave(u64 pa)
{
	asm goto("1: vmsave %0\n\t"
			  _ASM_EXTABLE(1b, %l[gone])
			  : : "a" (pa) : "memory" : gone);
gone:
	return;
}

static void stgi(void)
{
	asm goto("1: stgi\n\t"
			  _ASM_EXTABLE(1b, %l[gone])
			  : : : "memory" : gone);
gone:
	return;
}

/* ---- the machine -------------------------------------------------------------- */

/*
 * Nothing here changes the machine. boot_cpu_has(X86_FEATURE_SVM) is no use: newer
 * kernels clear it when the firmware has SVM disabled, and we tell the two apart.
 */
int svm_usable(void)
{
	u64 value;

	if (cpuid_eax(0x80000000) < 0x80000001 || !(cpuid_ecx(0x80000001) & BIT(2))) {
		pr_err("this CPU has no AMD-V (CPUID says no SVM)\n");
		return -ENODEV;
	}
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		pr_err("this machine is an SEV guest, which cannot run guests of its own\n");
		return -ENODEV;
	}
	if (rdmsrl_safe(MSR_VM_CR, &value) || (value & VM_CR_SVMDIS)) {
		pr_err("AMD-V is disabled by the firmware (VM_CR.SVMDIS): enable SVM in its setup\n");
		return -EACCES;
	}
	rdmsrl(MSR_EFER, value);
	if (value & EFER_SVME) {
		pr_err("another hypervisor is using AMD-V (EFER.SVME is set): unload it first (rmmod kvm_amd)\n");
		return -EBUSY;
	}
	if (cpuid_eax(0x80000000) < SVM_CPUID || !(cpuid_edx(SVM_CPUID) & SVM_NP)) {
		pr_err("this CPU has no nested paging, and vmm has no shadow paging on AMD-V yet\n");
		return -ENODEV;
	}
	if (!npt) {
		pr_err("npt=0 asks for shadow paging, which vmm does not have on AMD-V yet\n");
		return -ENODEV;
	}
	if (cpuid_ebx(SVM_CPUID) < 2) {
		pr_err("this CPU has no ASID for a guest\n");
		return -ENODEV;
	}
	return 0;
}

/*
 * A page that the CPU keeps state in. With SNP on, VMRUN marks it in use in the reverse
 * map, and takes all of a 2 MiB page for in use when it is the first of one: a write of
 * the host's anywhere in there would fault, in the kernel.
 */
static struct page *svm_alloc_page(gfp_t gfp)
{
	struct page *page;

	if (!vmm_compat_host_snp())
		return alloc_page(gfp | __GFP_ZERO);
	page = alloc_pages(gfp | __GFP_ZERO, 1);
	if (!page)
		return NULL;
	split_page(page, 1);
	if (IS_ALIGNED(page_to_pfn(page), PTRS_PER_PMD)) {
		__free_page(page);
		return page + 1;
	}
	__free_page(page + 1);
	return page;
}

static void svm_free_cpus(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpus, cpu);

		if (c->hsave)
			__free_page(c->hsave);
		if (c->host)
			__free_page(c->host);
		c->hsave = c->host = NULL;
	}
}

int svm_setup(void)
{
	struct vmm_backend_caps *caps = &vmm_backend.caps;
	struct svm_features *f = &svm_features;
	u32 edx = cpuid_edx(SVM_CPUID);
	int cpu, r;

	f->nr_asids = cpuid_ebx(SVM_CPUID);
	f->nrips = nrips && (edx & SVM_NRIPS);
	f->vgif = vgif && (edx & SVM_VGIF);
	f->decode_assists = edx & SVM_DECODE_ASSISTS;
	f->flush_by_asid = edx & SVM_FLUSH_BY_ASID;
	f->pause_filter = edx & SVM_PAUSE_FILTER;
	f->pause_threshold = f->pause_filter && (edx & SVM_PAUSE_THRESHOLD);
	f->tsc_ratio = edx & SVM_TSC_RATE_MSR;
	f->spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL) && !(edx & SVM_V_SPEC_CTRL);

	for_each_possible_cpu(cpu) {
		struct svm_cpu *c = per_cpu_ptr(&svm_cpus, cpu);

		c->hsave = svm_alloc_page(GFP_KERNEL);
		c->host = svm_alloc_page(GFP_KERNEL);
		if (!c->hsave || !c->host) {
			r = -ENOMEM;
			goto fail;
		}
	}
	r = svm_msr_setup();
	if (r)
		goto fail;

	vmm_backend.tdp_format = &vmm_npt_format;
	caps->tdp = true;
	caps->tdp_1g = boot_cpu_has(X86_FEATURE_GBPAGES);
	caps->tdp_ad = true;
	/* NPT is walked in the host's own paging mode (APM 15.25.3). */
	caps->tdp_levels = pgtable_l5_enabled() ? 5 : 4;
	caps->tsc_scaling = f->tsc_ratio;
	caps->tsc_scaling_frac_bits = 32;
	caps->xsaves = boot_cpu_has(X86_FEATURE_XSAVES);
	caps->tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
	caps->invpcid = true;
	caps->virt_ssbd = boot_cpu_has(X86_FEATURE_LS_CFG_SSBD) ||
			  boot_cpu_has(X86_FEATURE_VIRT_SSBD);
	caps->v_spec_ctrl = edx & SVM_V_SPEC_CTRL;
	/* RDMSR of the TSC needs an exit: QEMU's TCG answers 0, and nobody reads it often. */
	caps->syscall_msrs = true;
	return 0;
fail:
	svm_free_cpus();
	return r;
}

void svm_unsetup(void)
{
	svm_msr_unsetup();
	svm_free_cpus();
}

/* ---- this CPU -------------------------------------------------------------- */

int svm_cpu_enable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	if (wrmsrl_safe(MSR_EFER, efer | EFER_SVME))
		return -EIO;
	wrmsrl(MSR_VM_HSAVE_PA, __sme_set(page_to_phys(c->hsave)));

	/*
	 * What guests left in the TLB before SVM was last off is unknown: a new
	 * generation, whose first entry flushes everything.
	 */
	c->asid_generation++;
	c->next_asid = svm_features.nr_asids;
	c->current_vmcb = NULL;
	if (vmm_backend.caps.tsc_aux)
		rdmsrl(MSR_TSC_AUX, c->tsc_aux);
	if (svm_features.tsc_ratio) {
		c->tsc_ratio = TSC_RATIO_ONE;
		wrmsrl(MSR_AMD64_TSC_RATIO, c->tsc_ratio);
	}
	/* Perf leaves "host only" off while EFER.SVME is clear: nothing would count. */
	amd_pmu_enable_virt();
	return 0;
}

void svm_cpu_crash(void)
{
	u64 efer;

	/* With GIF clear the CPU would answer neither INIT nor NMI (APM 15.17). */
	stgi();
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

void svm_cpu_disable(void)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);

	if (svm_features.tsc_ratio) {
		c->tsc_ratio = TSC_RATIO_ONE;
		wrmsrl(MSR_AMD64_TSC_RATIO, c->tsc_ratio);
	}
	svm_cpu_crash();
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	amd_pmu_disable_virt();
}

/* ---- a vCPU's life ---------------------------------------------------------- */

/*
 * Intercepts. What is not listed runs in the guest without an exit:
 *
 *  Allow: MOV from CR0, CR2, CR3, CR4, CR8 and to CR2, CR3: the VMCB holds the
 *	guest's own (state.c intercepts CR0 and CR4 reads while they differ);
 *	MOV to CR0 of TS and MP only, and CLTS: the rest changes paging mode or
 *	caching; MOV to CR8 when there is a LAPIC to take V_TPR from afterwards.
 *  Allow: SGDT..LTR, PUSHF, POPF, INT n, IRET (but events.c), RSM (outside SMM it is
 *	#UD by itself), INVLPG (nested paging), RDTSC (offset and ratio), ICEBP,
 *	FERR_FREEZE (any physical interrupt ends it).
 *  Allow: all exceptions but those below.
 */
static const u16 always[] = {
	/* Whatever the host is to see. All are held pending until STGI. */
	ICPT_INTR, ICPT_NMI, ICPT_SMI, ICPT_INIT,
	/* A shutdown would reset the machine under us. */
	ICPT_SHUTDOWN,
	ICPT_EXCEPTION(X86_TRAP_MC),
	/*
	 * These two can recur while being delivered, for ever, with no interrupt
	 * taken in between: the guest would own the CPU.
	 */
	ICPT_EXCEPTION(X86_TRAP_DB), ICPT_EXCEPTION(X86_TRAP_AC),
	/* The other vendor's hypercall is replaced by ours. */
	ICPT_EXCEPTION(X86_TRAP_UD),
	/* Emulated. */
	ICPT_CR0_SELECTIVE, ICPT_WRITE_CR(4), ICPT_WRITE_CR(8),
	ICPT_CPUID, ICPT_IOIO, ICPT_MSR, ICPT_RDPMC, ICPT_TASK_SWITCH, ICPT_VMMCALL,
	ICPT_XSETBV, ICPT_MONITOR,
	/* Caches are the host's: INVD would lose its data, WBINVD stalls everyone. */
	ICPT_INVD, ICPT_WBINVD,
	/* A guest without SVM gets #UD, though EFER.SVME is set while it runs. */
	ICPT_VMRUN, ICPT_VMLOAD, ICPT_VMSAVE, ICPT_STGI, ICPT_CLGI, ICPT_SKINIT,
	ICPT_INVLPGA,
	/* Reads the host's performance counters: #UD. */
	ICPT_RDPRU,
};

static void svm_init_intercepts(struct svm_vcpu *svm)
{
	u32 allowed = svm->vcpu.vm->disabled_exits;
	struct vmcb *vmcb = svm->vmcb;
	int i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		svm_intercept(svm, always[i], true);
	svm_intercept(svm, ICPT_HLT, !(allowed & KVM_X86_DISABLE_EXITS_HLT));
	svm_intercept(svm, ICPT_MWAIT, !(allowed & KVM_X86_DISABLE_EXITS_MWAIT));
	svm_intercept(svm, ICPT_MONITOR, !(allowed & KVM_X86_DISABLE_EXITS_MWAIT));
	/* Without the filter every PAUSE would exit: worse than spinning. */
	if (svm_features.pause_filter && !(allowed & KVM_X86_DISABLE_EXITS_PAUSE)) {
		vmcb->pause_count = 3000;
		if (svm_features.pause_threshold)
			vmcb->pause_threshold = 128;
		svm_intercept(svm, ICPT_PAUSE, true);
	}
}

void svm_cpuid_changed(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_intercept(svm, ICPT_RDTSCP, !vcpu->caps.rdtscp);
	svm_intercept(svm, ICPT_INVPCID, !vcpu->caps.invpcid);
}

/*
 * What is left of the VMCB, segments, control and debug registers, follows through the
 * backend's own calls or with the next entry. INIT leaves MSRs alone, and RESET, which
 * comes once, finds zeros there.
 */
void svm_vcpu_reset(struct vmm_vcpu *vcpu, bool init)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	u64 nested_cr3 = vmcb->nested_cr3;

	memset(vmcb, 0, offsetof(struct vmcb, es));
	vmcb->nested_cr3 = nested_cr3;
	vmcb->iopm_pa = svm_iopm_pa;
	vmcb->msrpm_pa = __sme_pa(svm->msrpm);
	vmcb->nested_ctl = NESTED_CTL_NP;
	vmcb->int_ctl = svm_int_ctl();
	vmcb->dbgctl = 0;
	svm_init_intercepts(svm);
	svm_cpuid_changed(vcpu);

	/* The memset took the ASID away, too: take a new one at the next entry. */
	svm->asid_generation = 0;
	svm->nmi_masked = svm->nmi_iret = svm->nmi_step = svm->soft_injected = false;
	vcpu->cr0_guest_owned = X86_CR0_TS | X86_CR0_MP;
}

int svm_vcpu_create(struct vmm_vcpu *vcpu)
{
	struct page *page = svm_alloc_page(GFP_KERNEL_ACCOUNT);
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb = page ? page_address(page) : NULL;
	svm->msrpm = svm_msrpm_alloc();
	if (!svm->vmcb || !svm->msrpm) {
		free_page((unsigned long)svm->vmcb);
		svm_msrpm_free(svm->msrpm);
		return -ENOMEM;
	}
	svm->entry.vmcb_pa = __sme_pa(svm->vmcb);
	svm->vmcb_cpu = -1;
	svm->tsc_ratio = TSC_RATIO_ONE;
	return 0;
}

void svm_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	int cpu;

	/* Another guest's VMCB may get this address: it must not look like ours returning. */
	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(svm_cpus, cpu).current_vmcb, svm->vmcb, NULL);
	free_page((unsigned long)svm->vmcb);
	svm_msrpm_free(svm->msrpm);
}

void svm_vcpu_load(struct vmm_vcpu *vcpu, int cpu)
{
	struct svm_cpu *c = per_cpu_ptr(&svm_cpus, cpu);
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->vmcb_cpu != cpu) {
		/* Clean bits and ASIDs speak of one CPU only. */
		svm->vmcb->clean = 0;
		svm->asid_generation = 0;
		svm->vmcb_cpu = cpu;
	}
	svm->entry.host_pa = __sme_set(page_to_phys(c->host));
	if (READ_ONCE(c->current_vmcb) != svm->vmcb) {
		WRITE_ONCE(c->current_vmcb, svm->vmcb);
		/* One guest must not steer another's indirect branches. */
		indirect_branch_prediction_barrier();
	}
}

void svm_restore_host(struct vmm_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (vmm_backend.caps.tsc_aux && svm->loaded_tsc_aux != this_cpu_read(svm_cpus.tsc_aux))
		wrmsrl(MSR_TSC_AUX, this_cpu_read(svm_cpus.tsc_aux));
}

static u16 current_ldt(void)
{
	u32 ldt;

	asm volatile("sldt %0" : "=r" (ldt));
	return ldt;
}

/*
 * The image that every exit restores FS, GS, TR, LDTR and the SYSCALL and SYSENTER
 * MSRs from. It stays true until the thread leaves the CPU, but for the LDT.
 */
static void save_host_image(struct svm_vcpu *svm, struct svm_cpu *c)
{
	vmsave(svm->entry.host_pa);
	c->host_ldt = current_ldt();
}

void svm_save_host(struct vmm_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->loaded_tsc_aux = c->tsc_aux;
	save_host_image(svm, c);
}

/* What the guest sets now and then, and the host does not use meanwhile. */
static void load_guest_msrs(struct svm_vcpu *svm, struct svm_cpu *c)
{
	const struct vmm_vcpu *vcpu = &svm->vcpu;

	/* The kernel itself never reads TSC_AUX, user space does: svm_restore_host(). */
	if (vmm_backend.caps.tsc_aux && svm->loaded_tsc_aux != vcpu->tsc_aux) {
		wrmsrl(MSR_TSC_AUX, vcpu->tsc_aux);
		svm->loaded_tsc_aux = vcpu->tsc_aux;
	}
	/* Of no effect on the host, so it just stays. */
	if (svm_features.tsc_ratio && c->tsc_ratio != svm->tsc_ratio) {
		wrmsrl(MSR_AMD64_TSC_RATIO, svm->tsc_ratio);
		c->tsc_ratio = svm->tsc_ratio;
	}
}

/* ---- ASIDs and the TLB ------------------------------------------------------------
 *
 * A TLB entry of a guest, linear or nested, carries the ASID it ran with (APM 15.16).
 * Each vCPU has an ASID of its own on the CPU it is loaded on, so
 *  - another CPU, or a vCPU returning to one: a new ASID there. What its old ASID
 *    left behind cannot be reached any more until the number is handed out again,
 *    and that happens only
 *  - after the numbers of a CPU ran out: a new generation begins with one entry
 *    that flushes all ASIDs, and every vCPU of an older generation takes a new one;
 *  - "flush" is the vCPU's own ASID, by tlb_control where the CPU can flush one
 *    ASID, else by taking a new ASID;
 *  - a new nested CR3 does not change the ASID: flush.
 * ASID 0 is the host's.
 */

/**
 * svm_flush() - everything this vCPU has in the TLB goes before its next instruction
 * @svm: loaded, or vcpu->mutex held
 */
void svm_flush(struct svm_vcpu *svm)
{
	if (!svm_features.flush_by_asid)
		svm->asid_generation = 0;
	else if (svm->vmcb->tlb_control == TLB_CTL_NOTHING)
		svm->vmcb->tlb_control = TLB_CTL_FLUSH_ASID;
}

static void svm_new_asid(struct svm_vcpu *svm, struct svm_cpu *c)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->tlb_control = TLB_CTL_NOTHING;	/* nothing carries the new number yet */
	if (c->next_asid >= svm_features.nr_asids) {
		c->asid_generation++;
		c->next_asid = 1;
		vmcb->tlb_control = TLB_CTL_FLUSH_ALL;
	}
	vmcb->asid = c->next_asid++;
	svm->asid_generation = c->asid_generation;
	/* A generation also ends when SVM was off: the CPU's copy is then void. */
	vmcb->clean = 0;
}

void svm_flush_tlb(struct vmm_vcpu *vcpu)
{
	svm_flush(to_svm(vcpu));
}

void svm_flush_tlb_gva(struct vmm_vcpu *vcpu, u64 gva)
{
	/* INVLPGA takes an ASID of this CPU, and ours may still be to be chosen. */
	svm_flush(to_svm(vcpu));
}

void svm_set_root(struct vmm_vcpu *vcpu, u64 root_pa, int levels)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->nested_cr3 = __sme_set(root_pa);
	svm_dirty(svm, CLEAN_NP);
	svm_flush(svm);
}

/* ---- time ---------------------------------------------------------------------- */

void svm_set_tsc_offset(struct vmm_vcpu *vcpu, u64 offset)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->tsc_offset = offset;
	svm_dirty(svm, CLEAN_INTERCEPTS);
}

void svm_set_tsc_ratio(struct vmm_vcpu *vcpu, u64 ratio)
{
	to_svm(vcpu)->tsc_ratio = ratio ? ratio : TSC_RATIO_ONE;
}

/* ---- entry ------------------------------------------------------------------------ */

static noinstr int svm_enter_guest(struct svm_vcpu *svm)
{
	int r;

	guest_state_enter_irqoff(svm->vcpu.exit.reason == VMM_EXIT_INTR);
	/* The guest must not see the host's last quotient (erratum "DIV0"). */
	amd_clear_divider();
	r = svm_enter(svm->vcpu.regs, &svm->entry);
	guest_state_exit_irqoff();
	return r;
}

static void svm_load_guest(struct svm_vcpu *svm)
{
	struct vmm_vcpu *vcpu = &svm->vcpu;
	struct vmcb *vmcb = svm->vmcb;
	u64 dr6 = vmm_guest_owns_debug(vcpu) ? vcpu->dr6 : DR6_FIXED_1;

	vmcb->rax = vcpu->regs[VMM_RAX];
	vmcb->rsp = vcpu->regs[VMM_RSP];
	vmcb->rip = vcpu->regs[VMM_RIP];
	vmcb->rflags = vcpu->regs[VMM_RFLAGS];
	vmcb->cr2 = vcpu->cr2;
	if (vmcb->dr6 != dr6) {
		vmcb->dr6 = dr6;
		svm_dirty(svm, CLEAN_DRX);
	}
	if (vmcb->g_pat != vcpu->pat) {
		vmcb->g_pat = vcpu->pat;
		svm_dirty(svm, CLEAN_NP);
	}
	svm->entered_cr8 = vmm_get_cr8(vcpu) & V_TPR_MASK;
	vmcb->int_ctl = (vmcb->int_ctl & ~V_TPR_MASK) | svm->entered_cr8;

	svm->entry.flags = 0;
	if (svm_features.spec_ctrl) {
		svm->entry.host_spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
		if (svm->entry.guest_spec_ctrl != svm->entry.host_spec_ctrl)
			svm->entry.flags |= SVM_ENTRY_LOAD_SPEC_CTRL;
		if (vcpu->spec_ctrl_direct)
			svm->entry.flags |= SVM_ENTRY_READ_SPEC_CTRL;
	}
}

static void svm_store_guest(struct svm_vcpu *svm)
{
	struct vmm_vcpu *vcpu = &svm->vcpu;
	struct vmcb *vmcb = svm->vmcb;
	u8 cr8 = vmcb->int_ctl & V_TPR_MASK;

	vcpu->regs[VMM_RAX] = vmcb->rax;
	vcpu->regs[VMM_RSP] = vmcb->rsp;
	vcpu->regs[VMM_RIP] = vmcb->rip;
	vcpu->regs[VMM_RFLAGS] = vmcb->rflags;
	/* What decoding an instruction needs. */
	vcpu->cr3 = vmcb->cr3;
	vcpu->cs_l = vmcb->cs.attrib & SEG_L;
	vcpu->shadow = 0;
	vcpu->avail = ~(u32)BIT(VMM_REG_CR0);
	if (vmcb->int_state & INTERRUPT_SHADOW)
		vcpu->avail &= ~BIT(VMM_REG_SHADOW);
	vcpu->dirty = 0;
	vcpu->pdptrs_stale = true;
	vcpu->cr2 = vmcb->cr2;
	if (vmm_guest_owns_debug(vcpu)) {
		vcpu->dr6 = vmcb->dr6;
		vcpu->dr7 = vmcb->dr7;
	}
	if (vcpu->lapic && !svm_intercepts(svm, ICPT_WRITE_CR(8)) &&
	    cr8 != svm->entered_cr8)
		vmm_lapic_set_tpr(vcpu, cr8);

	vmcb->tlb_control = TLB_CTL_NOTHING;
	vmcb->event_inj = 0;
	/* int_ctl and CR2 are written before every entry. */
	vmcb->clean = CLEAN_ALL & ~(CLEAN_TPR | CLEAN_CR2);
}

void svm_prepare(struct vmm_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);

	/*
	 * modify_ldt() in another thread of this process gives the process a new LDT
	 * by IPI and frees the old one: the image must not bring that one back.
	 */
	if (unlikely(c->host_ldt | current_ldt()))
		save_host_image(to_svm(vcpu), c);
}

void svm_run(struct vmm_vcpu *vcpu)
{
	struct svm_cpu *c = this_cpu_ptr(&svm_cpus);
	struct svm_vcpu *svm = to_svm(vcpu);
	bool ssbd;

	load_guest_msrs(svm, c);
	svm_load_guest(svm);
	svm->step_added = 0;
	if (unlikely(svm->nmi_step))
		svm_step_for_nmi(svm);
	if (svm->asid_generation != c->asid_generation)
		svm_new_asid(svm, c);
	/* With SSBD off on both sides there is nothing to switch. */
	ssbd = vmm_backend.caps.virt_ssbd &&
	       (vcpu->virt_spec_ctrl || test_thread_flag(TIF_SSBD));
	if (unlikely(ssbd))
		x86_spec_ctrl_set_guest(vcpu->virt_spec_ctrl);

	if (unlikely(svm_enter_guest(svm))) {
		svm_cancel_injection(vcpu);
		vcpu->exit = (struct vmm_exit) { .reason = VMM_EXIT_INTR };
		vmm_kill(vcpu->vm, "AMD-V was switched off: the host is going down");
		return;
	}

	if (unlikely(ssbd))
		x86_spec_ctrl_restore_host(vcpu->virt_spec_ctrl);
	vmm_mitigate_ran_guest();
	svm_store_guest(svm);
	if (unlikely(svm->vmcb->exit_code == SVM_EXIT_EXCP_BASE + X86_TRAP_MC))
		host_machine_check();
	vmm_clear_injected(vcpu);
	if (unlikely(svm->step_added || svm->nmi_iret))
		svm_track_nmi(svm);
	vcpu->exit.in_delivery = svm->vmcb->exit_int_info & EVENT_V;
	if (unlikely(vcpu->exit.in_delivery))
		svm_requeue(svm);
	svm->soft_injected = false;
	svm_normalise_exit(svm);
}

/* ---- dump -------------------------------------------------------------------------- */

void svm_dump(struct vmm_vcpu *vcpu)
{
	static const char names[][5] = {
		"es", "cs", "ss", "ds", "fs", "gs", "gdtr", "ldtr", "idtr", "tr",
	};
	const struct vmcb *v = to_svm(vcpu)->vmcb;
	const struct vmcb_segment *s = &v->es;
	int i;

	pr_err("VMCB of vCPU %d of %s:\n", vcpu->id, vcpu->vm->name);
	pr_err("  exit %llx info1 %016llx info2 %016llx intinfo %08x:%08x next_rip %llx\n",
	       v->exit_code, v->exit_info1, v->exit_info2, v->exit_int_info, v->exit_int_error,
	       v->next_rip);
	pr_err("  intercepts %*ph\n", (int)sizeof(v->intercept), v->intercept);
	pr_err("  asid %u tlb %u int_ctl %08x int_state %llx event_inj %08x clean %x ncr3 %llx tsc %llx\n",
	       v->asid, v->tlb_control, v->int_ctl, v->int_state, v->event_inj, v->clean,
	       v->nested_cr3, v->tsc_offset);
	pr_err("  rip %016llx rsp %016llx rflags %08llx rax %016llx cpl %u\n", v->rip, v->rsp,
	       v->rflags, v->rax, v->cpl);
	pr_err("  cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx dr6 %llx dr7 %llx\n", v->cr0,
	       v->cr2, v->cr3, v->cr4, v->efer, v->dr6, v->dr7);
	for (i = 0; i < ARRAY_SIZE(names); i++, s++)
		pr_err("  %-4s %04x attrib %04x limit %08x base %016llx\n", names[i], s->selector,
		       s->attrib, s->limit, s->base);
}

#define ROW(call)	.call = svm_##call,

const struct vmm_backend svm_backend = {
	.name = "svm",
	.vcpu_size = sizeof(struct svm_vcpu),
	.hypercall_insn = { 0x0f, 0x01, 0xd9 },		/* VMMCALL */
	VMM_BACKEND_CALLS(ROW)
	.flush_tlb_guest = svm_flush_tlb,
};
