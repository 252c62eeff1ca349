/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the VT-x backend. Section numbers are those of the Intel SDM volume 3C,
 * December 2023.
 */
#ifndef VMX_VMX_H
#define VMX_VMX_H

#include <linux/list.h>
#include <linux/percpu.h>
#include <asm/desc_defs.h>
#include <asm/trapnr.h>

#include "vmm.h"
#include "mitigate.h"
#include "vmx/vmcs.h"
#include "vmx/enter.h"

/* MSRs the hardware does not switch and the kernel needs only in user mode (msr.c). */
enum {
	VMX_SWITCH_STAR, VMX_SWITCH_LSTAR, VMX_SWITCH_CSTAR, VMX_SWITCH_SFMASK,
	VMX_SWITCH_TSC_AUX,
	VMX_NR_SWITCHED,
};

/* MSR-load areas (SDM 25.7.2, 25.8.2): a page of their own. */
#define VMX_LISTED_MSRS	32
struct vmx_msr_lists {
	struct vmx_msr_entry entry[VMX_LISTED_MSRS], exit[VMX_LISTED_MSRS];
};

struct vmx_vcpu {
	struct vmm_vcpu vcpu;			/* first: the core casts */

	/* The VMCS, and where the processor may hold it (cpu.c) */
	struct vmcs *vmcs;
	u64 vmcs_pa;
	int vmcs_cpu;				/* active there, or -1 */
	struct list_head loaded_link;		/* in vmx_loaded of vmcs_cpu */

	/* What the control fields hold; written through vmx_set_*() only */
	u32 pin, cpu_based, secondary, entry_ctls, exception_bitmap;

	u32 enter_flags;			/* VMX_ENTER_RESUME once it has been launched (SDM 25.1) */
	u32 intr_info;				/* VM_EXIT_INTR_INFO of the last exit, if that was an exception or NMI */
	struct vmx_enter_state enter;
	u64 eptp;
	u16 vpid;				/* 0: none was left */

	/* Guest state beside the VMCS */
	u64 kernel_gs_base;
	u64 switched[VMX_NR_SWITCHED];
	u8 switched_live;			/* bit i: the CPU holds switched[i], not the host's */
	u64 pat_loaded;				/* what GUEST_IA32_PAT holds */
	bool pae_paging;			/* the CPU uses the PDPTEs (SDM 4.4) */
	unsigned long *msr_bitmap;
	u8 *virtual_apic;			/* only VTPR, at 80H, is used */
	u64 *pml;				/* page-modification log (SDM 29.3.6); NULL: not there */
	struct vmx_msr_lists *msr_lists;	/* what entry and exit load besides: host's counters */
	u8 nr_listed;				/* entries in use of each */
	u8 event_insn_len;			/* of the software exception on its way, or 0 */
	bool check_single_step;			/* blocking by STI or MOV SS may have begun */
	u8 tpr_threshold;			/* what TPR_THRESHOLD holds */
	u32 ple_window;				/* what PLE_WINDOW holds; 0: no such field */
	u64 timer_deadline;			/* host TSC; ~0: off */

	/* Host state */
	u16 host_fs_sel, host_gs_sel, host_ds_sel, host_es_sel;
	unsigned long host_gs_base;		/* user space's, in IA32_KERNEL_GS_BASE meanwhile */
	unsigned long vmcs_fs_base;		/* what HOST_FS_BASE holds */
	unsigned long vmcs_cr3, vmcs_cr4;	/* what HOST_CR3 and HOST_CR4 hold */
	unsigned long host_debugctl;		/* from prepare() on: IA32_DEBUGCTL */
};

static inline struct vmx_vcpu *to_vmx(struct vmm_vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/* What caps.c found out; read-only afterwards. */
struct vmx_config {
	/* Up to ept_vpid, all CPUs must agree. */
	u32 revision;
	u32 pin, cpu_based, secondary, exit, entry;	/* settable and wanted; must-be-1 included */
	u64 ept_vpid;					/* IA32_VMX_EPT_VPID_CAP */
	u64 misc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	/* Host values that are the same on every CPU */
	u64 host_efer, host_pat;
	u32 mitigate;					/* VMM_MITIGATE_* */
};

/*
 * How long a guest may spin before it exits, in TSC ticks. Each exit doubles it, since
 * yielding did not help; a vCPU back on its CPU starts anew.
 */
#define VMX_PLE_WINDOW	4096

static inline void vmx_set_ple_window(struct vmx_vcpu *vmx, u32 ticks)
{
	vmx->ple_window = ticks;
	vmcs_write(PLE_WINDOW, ticks);
}

extern struct vmx_config vmx_config;

#define VMX_MITIGATE(flag)	(vmx_config.mitigate & VMM_MITIGATE_##flag)

#define DECLARE(call)	extern typeof(*((struct vmm_backend *)NULL)->call) vmx_##call;
VMM_BACKEND_CALLS(DECLARE)
#undef DECLARE

/* caps.c */
int vmx_negotiate(struct vmx_config *c);
void vmx_fill_caps(struct vmm_backend_caps *caps);

/* cpu.c */
int vmx_cpu_setup(void);
void vmx_cpu_unsetup(void);
struct vmcs *vmx_alloc_vmcs(gfp_t gfp);
void vmx_vmcs_deactivate(struct vmx_vcpu *vmx);
void vmx_flush_l1d(struct vmx_vcpu *vmx);

/* state.c */
void vmx_cache_insn(struct vmm_vcpu *vcpu);
void vmx_update_guest_owned(struct vmm_vcpu *vcpu);

/* events.c */
void vmx_requeue_event(struct vmx_vcpu *vmx, u32 info, u32 error_code, u32 insn_len);
u32 vmx_get_shadow(struct vmm_vcpu *vcpu);
void vmx_set_tpr_threshold(struct vmx_vcpu *vmx, u8 threshold);

/* log.c */
void vmx_log_by_cpu(struct vmx_vcpu *vmx, bool on);
void vmx_collect_log(struct vmx_vcpu *vmx);

/* exits.c */
void vmx_normalise(struct vmx_vcpu *vmx, u32 reason);

/* msr.c */
void vmx_msr_cpu_enable(void);
void vmx_msr_load_guest(struct vmx_vcpu *vmx);
void vmx_msr_load_host(struct vmx_vcpu *vmx);

/* tlb.c */
u16 vmx_vpid_alloc(void);
void vmx_vpid_free(u16 vpid);
void vmx_flush_tlb_guest(struct vmm_vcpu *vcpu);

/* Control fields change rarely and are compared with their cached value first. */
#define VMX_CONTROL(name, field)					\
static inline void vmx_set_##name(struct vmx_vcpu *vmx, u32 value)	\
{									\
	if (vmx->name == value)						\
		return;							\
	vmx->name = value;						\
	vmcs_write(field, value);					\
}

VMX_CONTROL(pin, PIN_BASED_VM_EXEC_CONTROL)
VMX_CONTROL(cpu_based, CPU_BASED_VM_EXEC_CONTROL)
VMX_CONTROL(secondary, SECONDARY_VM_EXEC_CONTROL)
VMX_CONTROL(entry_ctls, VM_ENTRY_CONTROLS)
VMX_CONTROL(exception_bitmap, EXCEPTION_BITMAP)

#endif /* VMX_VMX_H */
