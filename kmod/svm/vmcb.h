/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine control block: APM volume 2, appendix B, and the CPUID leaf
 * that says which of its features exist (APM volume 3, Fn8000_000A).
 *
 * Of our own rather than the kernel's <asm/svm.h>, whose layout of the tail differs
 * between the kernels we build for.
 */
#ifndef VMM_SVM_VMCB_H
#define VMM_SVM_VMCB_H

#include <linux/types.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>

/* Intercept vectors, as 32-bit words from offset 0. */
#define ICPT_READ_CR(n)		(0 * 32 + (n))
#define ICPT_WRITE_CR(n)	(0 * 32 + 16 + (n))
#define ICPT_READ_DR(n)		(1 * 32 + (n))
#define ICPT_WRITE_DR(n)	(1 * 32 + 16 + (n))
#define ICPT_EXCEPTION(n)	(2 * 32 + (n))

enum {
	ICPT_INTR = 3 * 32,
	ICPT_NMI,
	ICPT_SMI,
	ICPT_INIT,
	ICPT_VINTR,
	ICPT_CR0_SELECTIVE,
	ICPT_READ_IDTR,
	ICPT_READ_GDTR,
	ICPT_READ_LDTR,
	ICPT_READ_TR,
	ICPT_WRITE_IDTR,
	ICPT_WRITE_GDTR,
	ICPT_WRITE_LDTR,
	ICPT_WRITE_TR,
	ICPT_RDTSC,
	ICPT_RDPMC,
	ICPT_PUSHF,
	ICPT_POPF,
	ICPT_CPUID,
	ICPT_RSM,
	ICPT_IRET,
	ICPT_INTN,
	ICPT_INVD,
	ICPT_PAUSE,
	ICPT_HLT,
	ICPT_INVLPG,
	ICPT_INVLPGA,
	ICPT_IOIO,
	ICPT_MSR,
	ICPT_TASK_SWITCH,
	ICPT_FERR_FREEZE,
	ICPT_SHUTDOWN,
	ICPT_VMRUN = 4 * 32,
	ICPT_VMMCALL,
	ICPT_VMLOAD,
	ICPT_VMSAVE,
	ICPT_STGI,
	ICPT_CLGI,
	ICPT_SKINIT,
	ICPT_RDTSCP,
	ICPT_ICEBP,
	ICPT_WBINVD,
	ICPT_MONITOR,
	ICPT_MWAIT,
	ICPT_MWAIT_ARMED,
	ICPT_XSETBV,
	ICPT_RDPRU,
	ICPT_INVLPGB = 5 * 32,
	ICPT_INVLPGB_ILLEGAL,
	ICPT_INVPCID,
	ICPT_MCOMMIT,
	ICPT_TLBSYNC,
};

/* tlb_control, APM 15.16.1 */
#define TLB_CTL_NOTHING		0
#define TLB_CTL_FLUSH_ALL		1	/* every ASID on this core, the host's too */
#define TLB_CTL_FLUSH_ASID		3	/* this guest's; needs FlushByAsid */

/* int_ctl, APM 15.21 */
#define V_TPR_MASK		0x0fu
#define V_IRQ			BIT(8)
#define V_GIF			BIT(9)
#define V_INTR_PRIO_MAX		(0xfu << 16)
#define V_IGN_TPR		BIT(20)
#define V_INTR_MASKING		BIT(24)
#define V_GIF_ENABLE		BIT(25)

/* int_state */
#define INTERRUPT_SHADOW	BIT(0)

/* EVENTINJ and EXITINTINFO, APM 15.20 */
#define EVENT_VECTOR		0xffu
#define EVENT_TYPE		(7u << 8)
#define EVENT_INTR		(0u << 8)
#define EVENT_NMI		(2u << 8)
#define EVENT_EXCEPTION		(3u << 8)
#define EVENT_SOFT_INTR		(4u << 8)
#define EVENT_EV		BIT(11)
#define EVENT_V			BIT(31)

/* VMCB clean bits, APM 15.15.3: set, the CPU may use what it cached. */
#define CLEAN_INTERCEPTS	BIT(0)	/* intercepts, TSC offset, pause filter */
#define CLEAN_IOPM		BIT(1)	/* and MSRPM addresses */
#define CLEAN_ASID		BIT(2)
#define CLEAN_TPR		BIT(3)	/* all of int_ctl and int_vector */
#define CLEAN_NP		BIT(4)	/* nested CR3, g_pat */
#define CLEAN_CRX		BIT(5)	/* CR0, CR3, CR4, EFER */
#define CLEAN_DRX		BIT(6)
#define CLEAN_DT		BIT(7)
#define CLEAN_SEG		BIT(8)	/* CS DS SS ES and CPL */
#define CLEAN_CR2		BIT(9)
#define CLEAN_ALL		0x3ffu

#define NESTED_CTL_NP		BIT(0)

/* Nested page fault, EXITINFO1: APM 15.25.6 */
#define NPF_P			BIT_ULL(0)
#define NPF_W			BIT_ULL(1)
#define NPF_U			BIT_ULL(2)
#define NPF_RSV			BIT_ULL(3)
#define NPF_I			BIT_ULL(4)
#define NPF_WALK		BIT_ULL(33)	/* on the guest's own page tables */

struct vmcb_segment {
	u16 selector;
	u16 attrib;		/* descriptor bits 55:52 and 47:40, packed */
	u32 limit;
	u64 base;
};

#define SEG_P			BIT(7)
#define SEG_L			BIT(9)
#define SEG_DB			BIT(10)

struct vmcb {
	/* Control area */
	u32 intercept[6];
	u32 reserved_018[9];
	u16 pause_threshold;
	u16 pause_count;
	u64 iopm_pa;
	u64 msrpm_pa;
	u64 tsc_offset;
	u32 asid;
	u8 tlb_control;
	u8 reserved_05d[3];
	u32 int_ctl;
	u32 int_vector;
	u64 int_state;
	u64 exit_code;
	u64 exit_info1;
	u64 exit_info2;
	u32 exit_int_info;
	u32 exit_int_error;
	u64 nested_ctl;
	u64 reserved_098[2];
	u32 event_inj;
	u32 event_inj_error;
	u64 nested_cr3;
	u64 virt_ext;
	u32 clean;
	u32 reserved_0c4;
	u64 next_rip;
	u8 fetched;
	u8 insn[15];
	u8 reserved_0e0[0x400 - 0xe0];

	/* State save area */
	struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u8 reserved_4a0[0x4cb - 0x4a0];
	u8 cpl;
	u32 reserved_4cc;
	u64 efer;
	u8 reserved_4d8[0x548 - 0x4d8];
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u8 reserved_580[0x5d8 - 0x580];
	u64 rsp;
	u64 reserved_5e0[3];	/* S_CET, SSP, ISST_ADDR */
	u64 rax;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_648[0x668 - 0x648];
	u64 g_pat;
	u64 dbgctl;
	u64 lbr[4];
	u8 reserved_698[0x6e0 - 0x698];
	u64 spec_ctrl;
	u8 reserved_6e8[0x1000 - 0x6e8];
};

#define VMCB_AT(field, at)	static_assert(offsetof(struct vmcb, field) == (at))
VMCB_AT(pause_threshold, 0x03c);
VMCB_AT(iopm_pa, 0x040);
VMCB_AT(msrpm_pa, 0x048);
VMCB_AT(tsc_offset, 0x050);
VMCB_AT(asid, 0x058);
VMCB_AT(tlb_control, 0x05c);
VMCB_AT(int_ctl, 0x060);
VMCB_AT(int_state, 0x068);
VMCB_AT(exit_code, 0x070);
VMCB_AT(exit_info1, 0x078);
VMCB_AT(exit_info2, 0x080);
VMCB_AT(exit_int_info, 0x088);
VMCB_AT(nested_ctl, 0x090);
VMCB_AT(event_inj, 0x0a8);
VMCB_AT(nested_cr3, 0x0b0);
VMCB_AT(virt_ext, 0x0b8);
VMCB_AT(clean, 0x0c0);
VMCB_AT(next_rip, 0x0c8);
VMCB_AT(fetched, 0x0d0);
VMCB_AT(es, 0x400);
VMCB_AT(gdtr, 0x460);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(kernel_gs_base, 0x620);
VMCB_AT(sysenter_eip, 0x638);
VMCB_AT(cr2, 0x640);
VMCB_AT(g_pat, 0x668);
VMCB_AT(dbgctl, 0x670);
VMCB_AT(spec_ctrl, 0x6e0);
static_assert(sizeof(struct vmcb) == 4096);

/* CPUID Fn8000_000A EDX */
#define SVM_CPUID		0x8000000a
#define SVM_NP			BIT(0)
#define SVM_NRIPS		BIT(3)
#define SVM_TSC_RATE_MSR	BIT(4)
#define SVM_VMCB_CLEAN		BIT(5)
#define SVM_FLUSH_BY_ASID	BIT(6)
#define SVM_DECODE_ASSISTS	BIT(7)
#define SVM_PAUSE_FILTER	BIT(10)
#define SVM_PAUSE_THRESHOLD	BIT(12)
#define SVM_VGIF		BIT(16)
#define SVM_V_SPEC_CTRL		BIT(20)

/* MSR VM_CR, APM 15.30.1 */
#define VM_CR_SVMDIS		BIT_ULL(4)

#endif /* VMM_SVM_VMCB_H */
