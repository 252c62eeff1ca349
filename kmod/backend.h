/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the module and a hardware backend, on one screen.
 *
 * A backend turns the CPU into guest mode and back, and says why it came back as a
 * struct vmm_exit in common terms. It never handles what both vendors have:
 * CPUID, MSR, I/O, HLT, hypercall, memory fault, CR and DR access are finished in
 * shared code.
 */
#ifndef VMM_BACKEND_H
#define VMM_BACKEND_H

#include <linux/static_call.h>
#include <linux/types.h>

struct vmm_vm;
struct vmm_vcpu;
struct vmm_msr;
struct kvm_segment;
struct vmm_pt_format;
struct desc_ptr;

/* Why the guest was left. The handler table in exit.c is indexed by this. */
enum vmm_exit_reason {
	VMM_EXIT_NONE,			/* already finished by the backend: just re-enter */
	VMM_EXIT_INTR,			/* host interrupt: taken when interrupts go back on */
	VMM_EXIT_NMI,			/* host NMI: backend has already raised it */
	VMM_EXIT_IRQ_WINDOW,		/* the guest can take an interrupt now */
	VMM_EXIT_NMI_WINDOW,
	VMM_EXIT_EXCEPTION,		/* .exception */
	VMM_EXIT_TRIPLE_FAULT,		/* .qual: VMM_TRIPLE_FAULT_STATE_LOST or 0 */
	VMM_EXIT_CPUID,
	VMM_EXIT_HLT,
	VMM_EXIT_PAUSE,
	VMM_EXIT_MONITOR,
	VMM_EXIT_MWAIT,
	VMM_EXIT_INVD,
	VMM_EXIT_WBINVD,
	VMM_EXIT_INVLPG,		/* .qual: linear address, when insn_len != 0 */
	VMM_EXIT_RDPMC,
	VMM_EXIT_HYPERCALL,		/* VMCALL or VMMCALL */
	VMM_EXIT_CR_READ,		/* .cr */
	VMM_EXIT_CR_WRITE,		/* .cr */
	VMM_EXIT_CLTS,
	VMM_EXIT_LMSW,			/* .qual: source operand */
	VMM_EXIT_DR,			/* .dr */
	VMM_EXIT_IO,			/* .io */
	VMM_EXIT_RDMSR,			/* ECX */
	VMM_EXIT_WRMSR,			/* ECX, EDX:EAX */
	VMM_EXIT_XSETBV,
	VMM_EXIT_MEMORY,		/* .memory: EPT violation, nested page fault */
	VMM_EXIT_MMIO,			/* .memory.gpa: EPT misconfiguration or reserved-bit fault: known to be MMIO */
	VMM_EXIT_TASK_SWITCH,		/* .task */
	VMM_EXIT_EMULATE,		/* no operands known: run the emulator at RIP */
	VMM_EXIT_UD,			/* an instruction this guest does not have: #UD */
	VMM_EXIT_TPR_BELOW,
	VMM_EXIT_PREEMPT_TIMER,
	VMM_EXIT_MCE,
	VMM_EXIT_FAIL_ENTRY,		/* .qual: hardware's error number; no guest instruction ran */
	VMM_EXIT_UNKNOWN,		/* .hw_reason */
	VMM_NR_EXITS,
};

/* Access bits of a memory fault; also what the MMU takes. */
#define VMM_ACCESS_READ		BIT(0)
#define VMM_ACCESS_WRITE	BIT(1)
#define VMM_ACCESS_EXEC		BIT(2)
#define VMM_ACCESS_USER		BIT(3)
#define VMM_ACCESS_PRESENT	BIT(4)	/* a translation existed, its rights did not allow it */
#define VMM_ACCESS_GUEST_PT	BIT(5)	/* the access was the CPU walking the guest's tables */

/* The hardware did not keep the guest's state: give it that of INIT. */
#define VMM_TRIPLE_FAULT_STATE_LOST	1

struct vmm_exit {
	enum vmm_exit_reason reason;
	u8 insn_len;			/* bytes; 0: unknown, decode to skip */
	bool in_delivery;		/* an event was being delivered (already requeued) */
	u32 hw_reason;			/* vendor's number, for logs and FAIL_ENTRY only */
	u64 qual;
	union {
		struct {
			u16 port;
			u8 size;	/* 1, 2, 4 */
			bool in, string, rep;
		} io;
		struct {
			u64 gpa;
			u64 gva;
			u32 access;	/* VMM_ACCESS_* */
			bool gva_valid;
		} memory;
		struct {
			u8 vector;
			bool has_error;
			u32 error_code;
			u64 address;	/* #PF: CR2; #DB: DR6 bits */
		} exception;
		struct {
			u8 nr;		/* 0, 2, 3, 4, 8 */
			u8 gpr;		/* enum vmm_reg */
			bool decoded;	/* false: emulate instead */
		} cr;
		struct {
			u8 nr, gpr;
			bool in;	/* MOV from DR */
			bool decoded;
		} dr;
		struct {
			u16 selector;
			u8 reason;	/* 0 CALL 1 IRET 2 JMP 3 gate, as the SDM */
			bool soft;	/* gate: by INT n, INT3 or INTO */
			bool has_error;
			u32 error_code;
			int idt_vector;	/* -1 when none */
		} task;
	};
};

/* What the hardware under us can do; filled by hardware_setup(). */
struct vmm_backend_caps {
	bool tdp;			/* EPT or NPT in use */
	bool tdp_1g, tdp_ad;
	u8 tdp_levels;
	bool tsc_scaling;
	u8 tsc_scaling_frac_bits;
	bool preempt_timer;
	bool xsaves;
	bool cmci;			/* guests may have corrected machine-check interrupts */
	bool pdptes;			/* the CPU keeps PAE's PDPTEs; vcpu->pdptrs follows them */
	bool tsc_aux;			/* IA32_TSC_AUX, RDTSCP and RDPID can be the guest's */
	bool invpcid;			/* ... and INVPCID */
	bool emulates_umip;		/* CR4.UMIP works though the CPU has none */
	bool virt_ssbd;			/* has MSR_AMD64_VIRT_SPEC_CTRL */
	bool debugctl;			/* has IA32_DEBUGCTL */
	bool v_spec_ctrl;		/* the CPU keeps the guest's IA32_SPEC_CTRL apart */
	bool syscall_msrs;		/* entry and exit switch those of SYSCALL */
	bool rdmsr_tsc;			/* RDMSR of IA32_TSC needs no exit */
};

struct vmm_backend {
	const char *name;			/* "vmx", "svm" */
	struct vmm_backend_caps caps;
	size_t vcpu_size;			/* struct with vmm_vcpu first */
	u8 hypercall_insn[3];			/* VMCALL or VMMCALL, for patching */

	/*
	 * The CPU. usable(): this machine can; on failure prints one clear line
	 * and returns -ENODEV (absent), -EACCES (firmware), -EBUSY (in use).
	 * enable/disable run on the CPU concerned, preemption off.
	 */
	int (*usable)(void);
	int (*setup)(void);			/* once at load, after usable() */
	void (*unsetup)(void);
	int (*cpu_enable)(void);		/* 0, -EBUSY when another hypervisor holds it */
	void (*cpu_disable)(void);
	void (*cpu_crash)(void);		/* NMI context: leave VMX/SVM now */

	int (*vcpu_create)(struct vmm_vcpu *vcpu);
	void (*vcpu_destroy)(struct vmm_vcpu *vcpu);
	/* Vendor state; core sets registers. INIT, else RESET: once, after vcpu_create(). */
	void (*vcpu_reset)(struct vmm_vcpu *vcpu, bool init);
	void (*vcpu_load)(struct vmm_vcpu *vcpu, int cpu);	/* preemption off */
	/*
	 * The host state that exits do not restore, saved before the first entry since
	 * vcpu_load() and brought back when the vCPU leaves the CPU. Preemption off.
	 */
	void (*save_host)(struct vmm_vcpu *vcpu);
	void (*restore_host)(struct vmm_vcpu *vcpu);

	/*
	 * Host state that nothing changes while interrupts stay off: looked at once
	 * before the run()s of such a stretch.
	 */
	void (*prepare)(struct vmm_vcpu *vcpu);
	/*
	 * Enter the guest once. Interrupts off; returns with them off and
	 * vcpu->exit filled (event in delivery requeued, NMIs raised). The entry
	 * itself is bracketed here, in noinstr code, by guest_state_enter_irqoff()
	 * and guest_state_exit_irqoff(). Every VMX/SVM instruction has an exception
	 * fixup, so that a reboot, which switches the hardware off under running
	 * threads (vmm_rebooting), cannot turn into an oops.
	 */
	void (*run)(struct vmm_vcpu *vcpu);

	/* Registers. cache_reg fills vcpu->regs[r] / cr0 / cr3 / cr4 / shadow / cs_l and sets avail. */
	void (*cache_reg)(struct vmm_vcpu *vcpu, int reg);
	void (*get_segment)(struct vmm_vcpu *vcpu, struct kvm_segment *s, int seg);
	void (*set_segment)(struct vmm_vcpu *vcpu, const struct kvm_segment *s, int seg);
	u64 (*segment_base)(struct vmm_vcpu *vcpu, int seg);
	int (*cpl)(struct vmm_vcpu *vcpu);
	void (*cs_db_l)(struct vmm_vcpu *vcpu, int *db, int *l);
	void (*get_dt)(struct vmm_vcpu *vcpu, struct desc_ptr *dt, bool idt);
	void (*set_dt)(struct vmm_vcpu *vcpu, const struct desc_ptr *dt, bool idt);
	/* Put into the hardware; core has checked, and updates vcpu->crN itself afterwards. */
	void (*set_cr0)(struct vmm_vcpu *vcpu, unsigned long cr0);
	void (*set_cr3)(struct vmm_vcpu *vcpu, unsigned long cr3);
	void (*set_cr4)(struct vmm_vcpu *vcpu, unsigned long cr4);
	bool (*cr4_valid)(struct vmm_vcpu *vcpu, unsigned long cr4);
	void (*set_efer)(struct vmm_vcpu *vcpu, u64 efer);	/* core sets vcpu->efer first */
	void (*set_dr7)(struct vmm_vcpu *vcpu, unsigned long dr7);
	void (*db_intercept)(struct vmm_vcpu *vcpu);	/* vcpu->db_loaded or guest_debug changed */
	/* VMM_MSR_UNKNOWN when not the backend's. */
	int (*get_msr)(struct vmm_vcpu *vcpu, struct vmm_msr *msr);
	int (*set_msr)(struct vmm_vcpu *vcpu, struct vmm_msr *msr);
	void (*intercept_msr)(struct vmm_vcpu *vcpu, u32 index, bool read, bool write);	/* which exit */
	void (*cpuid_changed)(struct vmm_vcpu *vcpu);

	/* Events */
	void (*inject_exception)(struct vmm_vcpu *vcpu);	/* vcpu->exception */
	void (*inject_irq)(struct vmm_vcpu *vcpu);		/* vcpu->interrupt */
	void (*inject_nmi)(struct vmm_vcpu *vcpu);
	void (*cancel_injection)(struct vmm_vcpu *vcpu);	/* entry was called off: requeue */
	bool (*irq_allowed)(struct vmm_vcpu *vcpu);		/* IF, no shadow, not blocked */
	bool (*nmi_allowed)(struct vmm_vcpu *vcpu);
	void (*open_irq_window)(struct vmm_vcpu *vcpu);
	void (*open_nmi_window)(struct vmm_vcpu *vcpu);
	void (*set_shadow)(struct vmm_vcpu *vcpu, u32 mask);	/* KVM_X86_SHADOW_INT_* */
	bool (*get_nmi_mask)(struct vmm_vcpu *vcpu);
	void (*set_nmi_mask)(struct vmm_vcpu *vcpu, bool masked);
	/*
	 * The TPR in the CPU: exit when it falls below irr's class. tpr in CR8 form
	 * (0..15); irr the highest waiting vector (16..255), or -1: never exit.
	 */
	void (*update_cr8_intercept)(struct vmm_vcpu *vcpu, int tpr, int irr);
	void (*set_tsc_offset)(struct vmm_vcpu *vcpu, u64 offset);
	void (*set_tsc_ratio)(struct vmm_vcpu *vcpu, u64 ratio);	/* 0: none */
	/* Host TSC at which to force an exit (~0: off); 0 or -ERANGE. Where caps.preempt_timer. */
	int (*set_preempt_timer)(struct vmm_vcpu *vcpu, u64 host_tsc);

	/* Memory */
	const struct vmm_pt_format *tdp_format;	/* set by setup(): vmm_ept_format, vmm_ept_ad_format, vmm_npt_format */
	void (*set_root)(struct vmm_vcpu *vcpu, u64 root_pa, int levels);	/* TDP root */
	void (*flush_tlb)(struct vmm_vcpu *vcpu);		/* everything of this VM, on this CPU */
	void (*flush_tlb_guest)(struct vmm_vcpu *vcpu);		/* linear translations of this vCPU */
	void (*flush_tlb_gva)(struct vmm_vcpu *vcpu, u64 gva);

	/* Debug dump of the vendor's structure after FAIL_ENTRY or UNKNOWN. */
	void (*dump)(struct vmm_vcpu *vcpu);
};

/*
 * The calls for which each backend has a function of the same name, vmx_... and svm_...:
 * their declarations and the rows of the tables are made from this list.
 */
#define VMM_BACKEND_CALLS(call)								\
	call(usable) call(setup) call(unsetup)						\
	call(cpu_enable) call(cpu_disable) call(cpu_crash)				\
	call(vcpu_create) call(vcpu_destroy) call(vcpu_reset)				\
	call(vcpu_load) call(save_host) call(restore_host)				\
	call(prepare) call(run)								\
	call(cache_reg) call(get_segment) call(set_segment) call(segment_base)		\
	call(cpl) call(cs_db_l) call(get_dt) call(set_dt)				\
	call(set_cr0) call(set_cr3) call(set_cr4) call(cr4_valid) call(set_efer)	\
	call(set_dr7) call(db_intercept)						\
	call(get_msr) call(set_msr) call(intercept_msr) call(cpuid_changed)		\
	call(inject_exception) call(inject_irq) call(inject_nmi) call(cancel_injection)	\
	call(irq_allowed) call(nmi_allowed) call(open_irq_window) call(open_nmi_window)	\
	call(set_shadow) call(get_nmi_mask) call(set_nmi_mask)		\
	call(update_cr8_intercept) call(set_tsc_offset) call(set_tsc_ratio)		\
	call(set_root) call(flush_tlb) call(flush_tlb_gva)				\
	call(dump)

extern bool vmm_rebooting;			/* main.c: hardware is being switched off */
extern struct vmm_backend vmm_backend;		/* the one in use, copied at load */
DECLARE_STATIC_CALL(vmm_prepare, *vmm_backend.prepare);	/* its prepare */
DECLARE_STATIC_CALL(vmm_run, *vmm_backend.run);		/* its run */
extern const struct vmm_backend vmx_backend, svm_backend;

#endif /* VMM_BACKEND_H */
