/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects of the module: a VM, its vCPUs, and what the parts of the module
 * may call on them. Each section names the file that implements it.
 *
 * Lock order (outer to inner):
 *	vcpu->mutex  >  vm->lock  >  vm->slots_lock  >  vm->irq_lock  >
 *	vm->srcu (read side)  >  vm->mmu_lock  >  vm->irq_srcu (read side)  >
 *	lapic/timer internals
 * vm->clock_lock is a leaf. vcpu->mutex is held for the whole of a vCPU ioctl,
 * KVM_RUN included, so all "vCPU thread only" state needs no other lock.
 *
 * Tags on fields: [v] vCPU thread, under vcpu->mutex   [m] vm->lock
 *	[s] read under SRCU, written under slots_lock   [i] set at creation
 *	[a] atomic, any context
 */
#ifndef VMM_H
#define VMM_H

#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/mmu_notifier.h>
#include <linux/preempt.h>
#include <linux/hrtimer.h>
#include <linux/rcuwait.h>
#include <linux/nospec.h>
#include <asm/debugreg.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/pvclock-abi.h>

#include "compat.h"
#include "backend.h"
#include "cpuid_lookup.h"
#include "stats.h"
#include "mmu/mmu.h"
#include "irq/irq.h"

#define VMM_MAX_VCPUS		288
#define VMM_MAX_VCPU_ID		1024
#define VMM_MAX_CPUID_ENTRIES	256
#define DR6_FIXED_1	0xffff0ff0ul		/* bits that read as one (SDM 18.2.3) */
#ifndef DR7_FIXED_1				/* newer kernels have it */
#define DR7_FIXED_1	0x400ul
#endif
#define DR7_GENERAL_DETECT BIT(13)
#define VMM_MCE_BANKS		32
#define VMM_GUESTDBG_VALID	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | \
				 KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_USE_SW_BP | \
				 KVM_GUESTDBG_INJECT_BP | KVM_GUESTDBG_INJECT_DB | \
				 KVM_GUESTDBG_BLOCKIRQ)
#define VMM_HOLES		8		/* a power of two */
#define VMM_USER_MEM_SLOTS	32764		/* as KVM: SHRT_MAX less its three private ones */

typedef u64 gpa_t;
typedef unsigned long gva_t;
typedef u64 gfn_t;

/* General registers in the order instructions encode them; the rest follow. */
enum vmm_reg {
	VMM_RAX, VMM_RCX, VMM_RDX, VMM_RBX, VMM_RSP, VMM_RBP, VMM_RSI, VMM_RDI,
	VMM_R8, VMM_R9, VMM_R10, VMM_R11, VMM_R12, VMM_R13, VMM_R14, VMM_R15,
	VMM_RIP, VMM_RFLAGS,
	VMM_NR_REGS,
	/* Not in regs[], but fetched from the backend on demand the same way: */
	VMM_REG_CR0 = VMM_NR_REGS, VMM_REG_CR3, VMM_REG_CR4, VMM_REG_SHADOW,
	VMM_REG_CS_L,
	VMM_NR_LAZY,
};

static_assert(VMM_RBX == 3 && VMM_RDI == 7 && VMM_R15 == 15);	/* enter_regs.h relies on it */

/* Order of the encodings in SDM 3.7.4; TR and LDTR follow. */
enum vmm_seg {
	VMM_ES, VMM_CS, VMM_SS, VMM_DS, VMM_FS, VMM_GS, VMM_LDTR, VMM_TR,
	VMM_NR_SEGS,
};

/* Things to be done before the next entry. Any context sets, the vCPU thread clears. */
enum vmm_request {
	VMM_REQ_KICK,			/* nothing but leave guest mode */
	VMM_REQ_EVENT,			/* re-evaluate what to inject */
	VMM_REQ_TLB_FLUSH,		/* all of this guest's translations */
	VMM_REQ_TLB_FLUSH_GUEST,	/* the guest's own (linear) translations */
	VMM_REQ_CLOCK_UPDATE,		/* rewrite the kvmclock page */
	VMM_REQ_STEAL,			/* rewrite the steal time page; may ask for a TLB flush */
	VMM_REQ_ASYNC_PF,		/* memory has been fetched, or the guest can be told of more */
	VMM_REQ_TRIPLE_FAULT,
	VMM_REQ_NMI,
	VMM_REQ_TIMER,			/* a LAPIC timer expired: deliver it */
	VMM_REQ_TPR_ACCESS,		/* tell user space what vcpu->tpr_access says */
	VMM_REQ_MSR_FILTER,		/* the filter changed: what is intercepted follows */
	VMM_REQ_SCAN_IOAPIC,		/* EOI interest changed: vmm_lapic_scan_ioapic() */
	VMM_REQ_DEAD,			/* the VM was killed */
	VMM_NR_REQUESTS,
};

/* vcpu->mode: where its thread is, for deciding whether a kick needs an IPI. */
enum vmm_vcpu_mode { VMM_OUTSIDE_GUEST, VMM_IN_GUEST, VMM_EXITING_GUEST };

/* An exception, NMI or interrupt on its way into the guest. */
struct vmm_exception {
	bool pending;		/* to be delivered, side effects not yet applied */
	bool injected;		/* was being delivered when the guest last exited */
	bool has_error_code;
	bool has_payload;
	u8 vector;
	u32 error_code;
	u64 payload;		/* CR2 for #PF, DR6 bits for #DB */
};

struct vmm_interrupt {
	bool injected;
	bool soft;		/* INT n: backend needs the instruction length */
	u8 nr;
	u8 insn_len;
};

/* What KVM_RUN has to finish when user space comes back. */
struct vmm_io_completion {
	unsigned long rip;	/* where the vCPU was: moved meanwhile, it owes nothing more */
	int (*complete)(struct vmm_vcpu *vcpu);	/* NULL: nothing pending */
};

/* Feature answers that hot or scattered code wants without a CPUID walk. */
struct vmm_guest_caps {
	u64 xcr0;		/* allowed XCR0 bits */
	u64 cr4_reserved;	/* bits a guest may not set */
	u64 efer_allowed;
	u8 maxphyaddr;
	bool x2apic, nx, gbpages, rdtscp, pcid, fsgsbase, xsave, xsaves, tsc_deadline, invpcid,
	     la57, longmode, spec_ctrl, ibpb, virt_ssbd, arch_capabilities, smap, pku;
	u32 pv_features;	/* KVM_CPUID_FEATURES.EAX as given to this guest */
	bool pv;		/* the KVM signature leaf is present */
	u32 pv_base;		/* its leaf, 0x40000000 as a rule */
};

/* One vCPU. The backend embeds it as the first member of its own struct. */
struct vmm_vcpu {
	struct vmm_vm *vm;			/* [i] */
	int id;					/* [i] KVM_CREATE_VCPU argument: the initial APIC id */
	int idx;				/* [i] index in vm->vcpus */
	struct mutex mutex;
	struct kvm_run *run;			/* [i] first page that user space maps */
	struct page *run_page, *pio_page;	/* [i] */
	void *pio_data;				/* [i] second page */

	/* Running */
	int cpu;				/* host CPU it is loaded on, or -1 */
	int last_cpu;				/* where it was loaded last */
	int mode;				/* [a] enum vmm_vcpu_mode */
	unsigned long requests;			/* [a] */
	struct preempt_notifier preempt_notifier;
	struct rcuwait wait;			/* halted vCPU sleeps here */
	bool loaded;				/* [v] between vcpu_load and vcpu_put */
	bool host_saved;			/* [v] by the backend, since it was loaded on this CPU */
	bool between_insns;			/* [v] the last exit had nothing to emulate */
	spinlock_t thread_lock;			/* leaf; the next */
	struct pid *thread;			/* who ran it last */
	bool ready;				/* its thread wants a CPU and has none: racy */
	bool preempted_in_kernel;		/* ... and the guest was at CPL 0 */
	bool spinning, spin_skipped;		/* in vmm_on_spin(), and passed over once: racy */
	u32 halt_poll_ns;			/* [v] how long to poll in HLT before sleeping */
	bool no_halt_poll;			/* [v] MSR_KVM_POLL_CONTROL: the guest polls itself */
	bool unhalted;				/* [a] KVM_HC_KICK_CPU: the next HLT does not halt */
	bool launched_once;			/* [v] KVM_RUN has entered the guest */
	sigset_t sigset;
	bool sigset_active;

	/* Architectural state */
	unsigned long regs[VMM_NR_REGS];	/* [v] valid where avail says so */
	u32 avail, dirty;			/* [v] bits of enum vmm_reg (lazy ones included) */
	unsigned long cr0, cr2, cr3, cr4;	/* [v] guest's view; see vmm_cr0() */
	unsigned long cr0_guest_owned, cr4_guest_owned;	/* bits the guest flips without exits */
	unsigned long cr8;			/* [v] task priority, when there is no LAPIC here; else: */
	const u32 *tpr;				/* [i] the LAPIC's own */
	u32 shadow;				/* [v] KVM_X86_SHADOW_INT_*; see vmm_shadow() */
	bool cs_l;				/* [v] see vmm_64bit_mode() */
	u64 efer, apic_base, xcr0, xss;
	u64 pdptrs[4];				/* [v] PAE; loaded at CR3 writes */
	bool pdptrs_stale;			/* [v] the guest may have written CR3 without an exit */
	u64 pat;
	u32 pkru;
	u32 host_pkru;				/* between vmm_xstate_enter() and vmm_xstate_exit() */
	unsigned long db[4], dr6, dr7;		/* [v] guest's debug registers */
	unsigned long eff_db[4];		/* what is loaded (guest debug may override) */
	u8 db_loaded;				/* guest's DRs are in the CPU; exits sync them back */
	u32 guest_debug;			/* KVM_GUESTDBG_* */
	unsigned long guest_debug_dr7;
	struct fpu_guest fpu;
	bool fpu_loaded;			/* [v] the thread holds the guest's registers */
	u64 tsc_aux, msr_misc_enable, smi_count, arch_capabilities, virt_spec_ctrl,
	    tsc_adjust, mtrr_deftype, mtrr_fixed[11], mtrr_var[16], mcg_cap, mcg_status, mcg_ctl,
	    mce_banks[4 * 32], mce_ctl2[32], osvw_length, osvw_status, ucode_rev, msr_platform_info,
	    power_ctl, hwcr;
	bool spec_ctrl_direct;			/* [v] the guest uses IA32_SPEC_CTRL, without exits */
	u32 mp_state;				/* [v] KVM_MP_STATE_* */
	bool async_halted;			/* [v] stands still until memory has been fetched */

	/* Events */
	struct vmm_exception exception;
	struct vmm_interrupt interrupt;
	atomic_t nmi_queued;			/* [a] */
	u8 nmi_pending;				/* [v] 0..2 */
	bool nmi_injected;
	u8 sipi_vector;

	/* Exit */
	struct vmm_exit exit;			/* [v] the last one, filled by the backend */
	struct vmm_io_completion io;
	bool vapic;				/* [v] the guest has the TPR in memory: irq/vapic.c */
	struct {				/* [v] KVM_TPR_ACCESS_REPORTING, and the last access */
		bool report, write;
		unsigned long rip;
	} tpr_access;
	int eoi_exit_vector;			/* split irqchip: EOI user space wants to see, -1 none */
	int user_irq;				/* KVM_INTERRUPT with a split irqchip, -1 none */
	unsigned long resume_work_deadline;	/* jiffies: return-to-user work served by then */
	/*
	 * [v] Since the last L1D flush (L1TF) the host ran code that brings in data a guest must
	 * not find: another thread, the emulator. Exits that touch only the VM's own do not count.
	 */
	bool l1d_unclean;
	u32 bus_hint[VMM_NR_BUSES];		/* [v] index of the range that answered last */
	struct vmm_emulation *emulation;	/* emulate.c's state, allocated at creation */

	/* Time */
	u64 tsc_offset;				/* guest TSC = host TSC + offset */
	u64 tsc_khz;				/* [v] virtual frequency, kHz */
	struct vmm_kvmclock *kvmclock;		/* para/kvmclock.c's state */
	struct vmm_pv_eoi *pv_eoi;		/* para/pv_eoi.c's */
	bool pv_eoi_offered;			/* [v] the guest may skip the next EOI write */
	struct vmm_steal *steal;		/* para/steal.c's */
	struct vmm_async_pf *async_pf;		/* para/async_pf.c's */
	bool pv_enforced;			/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */

	struct cpuid_set cpuid;			/* [v] as set by KVM_SET_CPUID2 */
	struct vmm_guest_caps caps;		/* [v] derived from it */
	struct vmm_lapic *lapic;		/* NULL without in-module irqchip */
	struct vmm_mmu_vcpu mmu;		/* mmu/ */
	struct vmm_vcpu_stats stats;		/* [v] counters; read racily by the stats fd */
	struct vmm_slot *last_slots[2];		/* [v] lookup cache, good for slots_generation only */
	u64 holes[VMM_HOLES];			/* [v] frames in no slot; likewise */
	u64 slots_generation;
};

struct vmm_vm {
	struct mm_struct *mm;			/* [i] memory of the creating process */
	refcount_t users;			/* fds of the VM and of its vCPUs, in-flight work */
	struct mutex lock;			/* creation of vCPUs and devices, config */
	struct mutex slots_lock;
	struct mutex irq_lock;			/* routing, devices */
	struct srcu_struct srcu;		/* memslots, buses; readers may fault */
	struct srcu_struct irq_srcu;		/* routing, ack notifiers, irqfds; readers do not sleep */
	unsigned int online_vcpus;		/* release/acquire; slots below are filled */
	struct vmm_vcpu *vcpus[VMM_MAX_VCPUS];
	unsigned int created_vcpus;		/* [m] */

	struct vmm_memory memory;		/* memory.c */
	struct vmm_mmu mmu;			/* mmu/ */
	struct vmm_irqchip irqchip;		/* irq/ */
	struct vmm_io_bus __rcu *bus[VMM_NR_BUSES];	/* [s] bus.c */
	struct vmm_coalesced coalesced;		/* irq/coalesced.c */

	/* Death: set once, never cleared. */
	bool dead;				/* [a] */
	char dead_reason[80];

	/* Time */
	raw_spinlock_t clock_lock;		/* leaf; the three below */
	s64 kvmclock_offset;			/* guest kvmclock ns = boot ns + offset */
	bool master_clock;
	u64 master_tsc, master_ns;		/* the pair every vCPU's kvmclock is built on */
	u64 tsc_offset;				/* offset new vCPUs start with */
	u64 tsc_write_ns, tsc_write_value, tsc_write_khz;	/* [clock_lock] matching of TSC writes */
	u64 tsc_resume_seen;			/* [clock_lock] host TSC lost in suspends, applied so far */
	struct mutex clock_mutex;		/* one re-pairing at a time; inside vcpu->mutex and SRCU */
	bool clock_stale;			/* the pair must be taken again before the next use */
	u64 wall_clock_gpa;

	unsigned long tss_addr;			/* KVM_SET_TSS_ADDR, gpa */
	u64 identity_map_addr;
	unsigned int max_mmu_pages;		/* KVM_SET_NR_MMU_PAGES; under slots_lock */
	u32 bsp_vcpu_id;
	u32 max_vcpu_ids;			/* [m] 0: not said; final with the first vCPU */
	struct vmm_msr_filter __rcu *msr_filter;	/* msr_exit.c: read under SRCU, written under lock */
	u32 msr_exits;				/* KVM_MSR_EXIT_REASON_*: failures for user space */
	u32 disabled_exits;			/* KVM_X86_DISABLE_EXITS_*; fixed before the first vCPU */
	u32 halt_poll_ns;			/* KVM_CAP_HALT_POLL: the most, 0 none */
	unsigned int last_boosted;		/* index: where directed yield starts to look; racy */
	bool exit_on_emulation_error, exception_payload, triple_fault_event, platform_info_hidden;
	u64 disabled_quirks;
	u32 hypercall_exits;			/* KVM_CAP_EXIT_HYPERCALL: numbers, as bits */
	u32 default_tsc_khz;
	struct vmm_vm_stats stats;
	void *vendor;				/* the backend's VM-wide state */
	struct list_head link;			/* vmm_vms, under vmm_vms_lock (main.c) */
	char name[32];				/* "kvm-PID": logs, statistics */
};

extern struct list_head vmm_vms;
extern struct mutex vmm_vms_lock;

/* ---- death (vm.c) -------------------------------------------------------- */

/*
 * The one way out for an impossible guest state: the guest never runs again and
 * KVM_RUN answers KVM_EXIT_INTERNAL_ERROR. May be called from any context; the
 * first reason stays. Callers just return, no error ladder is needed.
 */
__printf(2, 3) void vmm_kill(struct vmm_vm *vm, const char *fmt, ...);

void vmm_vm_get(struct vmm_vm *vm);
void vmm_vm_put(struct vmm_vm *vm);

#define vmm_for_each_vcpu(i, vcpu, vm)					\
	for ((i) = 0; (i) < smp_load_acquire(&(vm)->online_vcpus) &&	\
	     ((vcpu) = (vm)->vcpus[i], true); (i)++)

struct vmm_vcpu *vmm_vcpu_by_id(struct vmm_vm *vm, int id);

/* ---- requests and kicks (vcpu.c) ----------------------------------------- */

static inline void vmm_make_request(struct vmm_vcpu *vcpu, enum vmm_request req)
{
	/* Pairs with the barrier after mode = IN_GUEST in the run loop. */
	smp_wmb();
	set_bit(req, &vcpu->requests);
}

static inline bool vmm_test_request(struct vmm_vcpu *vcpu, enum vmm_request req)
{
	return test_bit(req, &vcpu->requests);
}

static inline bool vmm_check_request(struct vmm_vcpu *vcpu, enum vmm_request req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	smp_mb__after_atomic();
	return true;
}

void vmm_vcpu_kick(struct vmm_vcpu *vcpu);	/* leave guest mode, or wake from HLT; any context */
bool vmm_vcpu_wake(struct vmm_vcpu *vcpu);	/* wake from HLT only; true when it slept */
void vmm_request_all(struct vmm_vm *vm, enum vmm_request req);	/* set on all and kick those in guest mode; waits until they left it */
void vmm_vcpu_load(struct vmm_vcpu *vcpu);
void vmm_vcpu_put(struct vmm_vcpu *vcpu);
void vmm_vcpu_restore_host(struct vmm_vcpu *vcpu);	/* preemption off */
void vmm_vcpu_reset(struct vmm_vcpu *vcpu, bool init);	/* SDM table 10-1; init: INIT, else power-up */
void vmm_vcpu_sipi(struct vmm_vcpu *vcpu, u8 vector);

/* ---- registers ----------------------------------------------------------- */

static inline unsigned long vmm_reg(struct vmm_vcpu *vcpu, enum vmm_reg r)
{
	if (!(vcpu->avail & BIT(r)))
		vmm_backend.cache_reg(vcpu, r);
	return vcpu->regs[r];
}

static inline void vmm_set_reg(struct vmm_vcpu *vcpu, enum vmm_reg r, unsigned long value)
{
	vcpu->regs[r] = value;
	vcpu->avail |= BIT(r);
	vcpu->dirty |= BIT(r);
}

#define vmm_rip(vcpu)			vmm_reg(vcpu, VMM_RIP)
#define vmm_set_rip(vcpu, v)		vmm_set_reg(vcpu, VMM_RIP, v)
#define vmm_rflags(vcpu)		vmm_reg(vcpu, VMM_RFLAGS)
#define vmm_set_rflags(vcpu, v)		vmm_set_reg(vcpu, VMM_RFLAGS, v)

/* User space is to answer, or to see, what the instruction at RIP does: finish it afterwards. */
static inline void vmm_complete_with(struct vmm_vcpu *vcpu, int (*complete)(struct vmm_vcpu *vcpu))
{
	vcpu->io.complete = complete;
	vcpu->io.rip = vmm_rip(vcpu);
}

/* Blocking by STI or MOV SS at RIP, KVM_X86_SHADOW_INT_*. */
static inline u32 vmm_shadow(struct vmm_vcpu *vcpu)
{
	if (!(vcpu->avail & BIT(VMM_REG_SHADOW)))
		vmm_backend.cache_reg(vcpu, VMM_REG_SHADOW);
	return vcpu->shadow;
}

/* The CPU may be able to hold less than @mask says. */
static inline void vmm_set_shadow(struct vmm_vcpu *vcpu, u32 mask)
{
	vmm_backend.set_shadow(vcpu, mask);
	vcpu->avail &= ~BIT(VMM_REG_SHADOW);
}

static inline unsigned long vmm_get_cr8(const struct vmm_vcpu *vcpu)
{
	return vcpu->tpr ? READ_ONCE(*vcpu->tpr) >> 4 & 0xf : vcpu->cr8;
}

/* vcpu->db_loaded */
#define VMM_DB_GUEST_USES	BIT(0)	/* the guest has enabled a breakpoint */
#define VMM_DB_DEBUGGER		BIT(1)	/* user space's breakpoints are loaded instead */
#define VMM_DB_OPEN		BIT(2)	/* the guest reads and writes DRs without exits: sync back */

/* The guest's own debug registers are loaded, and it has free access. */
static inline bool vmm_guest_owns_debug(const struct vmm_vcpu *vcpu)
{
	return (vcpu->db_loaded & VMM_DB_OPEN) && !vcpu->guest_debug;
}

/* Where vmm_vcpu_find_slot() remembers a frame in no slot: pages of devices, far from each other. */
static inline u64 *vmm_hole(struct vmm_vcpu *vcpu, u64 gfn)
{
	return &vcpu->holes[(gfn ^ gfn >> 9) % VMM_HOLES];
}

/* CR0, CR3 and CR4 as the guest sees them. */
static inline unsigned long vmm_cr0(struct vmm_vcpu *vcpu)
{
	if (vcpu->cr0_guest_owned && !(vcpu->avail & BIT(VMM_REG_CR0)))
		vmm_backend.cache_reg(vcpu, VMM_REG_CR0);
	return vcpu->cr0;
}

static inline unsigned long vmm_cr3(struct vmm_vcpu *vcpu)
{
	if (!(vcpu->avail & BIT(VMM_REG_CR3)))
		vmm_backend.cache_reg(vcpu, VMM_REG_CR3);
	return vcpu->cr3;
}

static inline unsigned long vmm_cr4(struct vmm_vcpu *vcpu)
{
	if (vcpu->cr4_guest_owned && !(vcpu->avail & BIT(VMM_REG_CR4)))
		vmm_backend.cache_reg(vcpu, VMM_REG_CR4);
	return vcpu->cr4;
}

static inline bool vmm_long_mode(struct vmm_vcpu *vcpu)
{
	return vcpu->efer & EFER_LMA;
}

static inline bool vmm_paging(struct vmm_vcpu *vcpu)
{
	return vmm_cr0(vcpu) & X86_CR0_PG;
}

/* Is the guest executing 64-bit code? */
static inline bool vmm_64bit_mode(struct vmm_vcpu *vcpu)
{
	if (!vmm_long_mode(vcpu))
		return false;
	if (!(vcpu->avail & BIT(VMM_REG_CS_L)))
		vmm_backend.cache_reg(vcpu, VMM_REG_CS_L);
	return vcpu->cs_l;
}

static inline void vmm_set_segment(struct vmm_vcpu *vcpu, const struct kvm_segment *s, int seg)
{
	vmm_backend.set_segment(vcpu, s, seg);
	vcpu->avail &= ~BIT(VMM_REG_CS_L);
}

/*
 * The guest wrote a control register (cr.c). These check as SDM 2.5 and APM 3.1
 * do, apply every side effect (paging mode, PDPTRs, TLB, CPUID.OSXSAVE), and
 * return 0, or 1 when the caller must inject #GP(0).
 */
int vmm_set_cr0(struct vmm_vcpu *vcpu, unsigned long value);
int vmm_set_cr3(struct vmm_vcpu *vcpu, unsigned long value);
int vmm_set_cr4(struct vmm_vcpu *vcpu, unsigned long value);
int vmm_set_cr8(struct vmm_vcpu *vcpu, unsigned long value);
void vmm_lmsw(struct vmm_vcpu *vcpu, unsigned long msw);
int vmm_set_efer(struct vmm_vcpu *vcpu, u64 value, bool host_initiated);
int vmm_set_dr(struct vmm_vcpu *vcpu, int nr, unsigned long value);	/* 1: #GP */
unsigned long vmm_get_dr(struct vmm_vcpu *vcpu, int nr);
int vmm_set_xcr(struct vmm_vcpu *vcpu, u32 index, u64 value);		/* 1: #GP */
u64 vmm_efer_supported(void);		/* bits any guest may have on this machine (msr.c) */

/* debugreg.c */
int vmm_handle_dr(struct vmm_vcpu *vcpu);		/* exit handlers */
int vmm_singlestep_trap(struct vmm_vcpu *vcpu);
int vmm_debug_exception(struct vmm_vcpu *vcpu);
void vmm_debug_enter(struct vmm_vcpu *vcpu);		/* irqs off, around an entry */
void vmm_debug_exit(struct vmm_vcpu *vcpu);
void vmm_update_db(struct vmm_vcpu *vcpu);	/* recompute effective DRs and tell the backend */

/* ---- events (inject.c) --------------------------------------------------- */

void vmm_queue_exception(struct vmm_vcpu *vcpu, u8 vector);
void vmm_queue_exception_e(struct vmm_vcpu *vcpu, u8 vector, u32 error_code);
void vmm_queue_exception_p(struct vmm_vcpu *vcpu, u8 vector, u64 payload);
void vmm_queue_pf(struct vmm_vcpu *vcpu, u32 error_code, gva_t cr2);
static inline void vmm_inject_gp(struct vmm_vcpu *vcpu) { vmm_queue_exception_e(vcpu, 13, 0); }
static inline void vmm_inject_ud(struct vmm_vcpu *vcpu) { vmm_queue_exception(vcpu, 6); }
void vmm_inject_nmi(struct vmm_vcpu *vcpu);	/* any context */

/*
 * After an exit in the middle of event delivery (IDT-vectoring info, EXITINTINFO)
 * the backend hands the event back with these; it is delivered again before
 * anything new.
 */
void vmm_requeue_exception(struct vmm_vcpu *vcpu, u8 vector, bool has_error, u32 error_code);
void vmm_requeue_irq(struct vmm_vcpu *vcpu, u8 vector, bool soft, u8 insn_len);
void vmm_requeue_nmi(struct vmm_vcpu *vcpu);

/* What went in at the last entry has been delivered. */
static inline void vmm_clear_injected(struct vmm_vcpu *vcpu)
{
	vcpu->exception.injected = false;
	vcpu->interrupt.injected = false;
	vcpu->nmi_injected = false;
}

void vmm_collect_nmis(struct vmm_vcpu *vcpu);	/* nmi_queued into nmi_pending */
void vmm_deliver_payload(struct vmm_vcpu *vcpu);	/* CR2, DR6 of the pending exception */

int vmm_inject_pending(struct vmm_vcpu *vcpu);	/* before entry: what goes in, which windows open */
bool vmm_has_events(struct vmm_vcpu *vcpu);	/* would a halted vCPU wake */

/* ---- exits (exit.c) ------------------------------------------------------ */

int vmm_vcpu_run(struct vmm_vcpu *vcpu);
extern int (*const vmm_exit_handlers[VMM_NR_EXITS])(struct vmm_vcpu *vcpu);	/* handlers.c */
int vmm_halt(struct vmm_vcpu *vcpu);	/* the guest executed HLT (RIP already past it): 1 or 0 */

/*
 * Move RIP past the instruction that exited (length from the exit, or decoded
 * where the CPU gives none), clear the interrupt shadow, raise #DB when RFLAGS.TF
 * asks for it. Returns 1 (go on), or what a handler returns to reach user space.
 */
#define VMM_NOT_NOW		2	/* beside what handlers return: it needs interrupts on */
int vmm_handle_quickly(struct vmm_vcpu *vcpu);
int vmm_skip_instruction(struct vmm_vcpu *vcpu);
int vmm_skip_or_gp(struct vmm_vcpu *vcpu, bool fault);

/* Length of the instruction at RIP in bytes, by decoding it; 0 when it cannot be read. (emulate.c) */
unsigned int vmm_insn_length(struct vmm_vcpu *vcpu);	/* insn.c: the quick ones */
bool vmm_insn_mov_cr(struct vmm_vcpu *vcpu, bool write);
int vmm_insn_mmio(struct vmm_vcpu *vcpu, u64 gpa);
int vmm_decode_length(struct vmm_vcpu *vcpu);

/*
 * Emulate the instruction at RIP (emulate.c). gpa: the address that faulted, or
 * INVALID_GPA. Returns as an exit handler: 1 re-enter, 0 to user space
 * (vcpu->run filled), <0 errno.
 */
#define VMM_INVALID_GPA		(~0ull)
#define VMM_EMUL_SKIP		BIT(0)	/* only step over it */
#define VMM_EMUL_UD		BIT(1)	/* came from #UD: anything we do not know stays #UD */
int vmm_emulate(struct vmm_vcpu *vcpu, gpa_t gpa, u32 flags);
int vmm_emulation_create(struct vmm_vcpu *vcpu);
int vmm_task_switch(struct vmm_vcpu *vcpu);	/* task_switch.c */
void vmm_emulation_destroy(struct vmm_vcpu *vcpu);
/* IN/OUT from an exit that gave all operands (no string): same returns. */
int vmm_pio(struct vmm_vcpu *vcpu, u16 port, u8 size, bool in);
int vmm_pio_quickly(struct vmm_vcpu *vcpu);

int vmm_internal_error(struct vmm_vcpu *vcpu, u32 suberror);	/* fills run; returns 0 */

/* ---- CPUID (cpuid.c) ----------------------------------------------------- */

void vmm_cpuid_init(void);		/* at load: what host, backend and module support together */
int vmm_cpuid_supported(struct kvm_cpuid2 __user *user, bool emulated);
int vmm_cpuid_set(struct vmm_vcpu *vcpu, struct kvm_cpuid_entry2 __user *entries, u32 nent, bool v1);
int vmm_cpuid_get(struct vmm_vcpu *vcpu, struct kvm_cpuid2 __user *user);
/* In-out EAX..EDX, as the instruction; applies the out-of-range rules of SDM CPUID. */
int vmm_handle_cpuid(struct vmm_vcpu *vcpu);
void vmm_cpuid(struct vmm_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);
struct kvm_cpuid_entry2 *vmm_cpuid_find(struct vmm_vcpu *vcpu, u32 function, u32 index);
bool vmm_guest_has(struct vmm_vcpu *vcpu, unsigned int feature);
void vmm_cpuid_update_runtime(struct vmm_vcpu *vcpu);	/* OSXSAVE, OSPKE, APIC, xsave sizes */
bool vmm_supported_has(unsigned int x86_feature);	/* X86_FEATURE_*: in the supported set */

/* ---- MSRs (msr.c) -------------------------------------------------------- */

struct vmm_msr {
	u32 index;
	u64 data;
	bool host;		/* from an ioctl: skip the checks guests are held to */
};

/* msr_exit.c: the guest's RDMSR and WRMSR, as exit handlers; SRCU held */
int vmm_rdmsr(struct vmm_vcpu *vcpu);
int vmm_rdmsr_quickly(struct vmm_vcpu *vcpu);
int vmm_wrmsr_quickly(struct vmm_vcpu *vcpu);
int vmm_wrmsr(struct vmm_vcpu *vcpu);
bool vmm_msr_allowed(struct vmm_vcpu *vcpu, u32 index, bool write);	/* by user space's filter */
void vmm_msr_filter_free(struct vmm_vm *vm);

/* 0; 1: the guest gets #GP (an ioctl stops counting); VMM_MSR_UNKNOWN: nobody knows it. */
#define VMM_MSR_UNKNOWN		2
int vmm_msr_get(struct vmm_vcpu *vcpu, struct vmm_msr *msr);
int vmm_msr_set(struct vmm_vcpu *vcpu, struct vmm_msr *msr);
void vmm_msr_update_exits(struct vmm_vcpu *vcpu);	/* after a change of the filter or CPUID */
int vmm_msr_index_list(struct kvm_msr_list __user *user, bool feature);
int vmm_msr_io(struct vmm_vcpu *vcpu, struct kvm_msrs __user *user, bool write);	/* KVM_GET/SET_MSRS */
int vmm_msr_feature_io(struct kvm_msrs __user *user);	/* system KVM_GET_MSRS */
void vmm_msr_init(void);			/* at load: which of the listed MSRs exist here */
void vmm_msr_vcpu_create(struct vmm_vcpu *vcpu);
u64 vmm_mce_cap(void);			/* KVM_X86_GET_MCE_CAP_SUPPORTED */

/* ---- FPU (fpu.c) --------------------------------------------------------- */

extern u64 vmm_supported_xcr0;
void vmm_fpu_init(void);		/* at load */
int vmm_fpu_get(struct vmm_vcpu *vcpu, struct kvm_fpu *fpu);
int vmm_fpu_set(struct vmm_vcpu *vcpu, const struct kvm_fpu *fpu);
int vmm_xsave_get(struct vmm_vcpu *vcpu, struct kvm_xsave *xsave);	/* 4096 bytes */
int vmm_xsave2_get(struct vmm_vcpu *vcpu, void __user *user);
int vmm_xsave_set(struct vmm_vcpu *vcpu, const struct kvm_xsave *xsave);
int vmm_xcrs_get(struct vmm_vcpu *vcpu, struct kvm_xcrs *xcrs);
int vmm_xcrs_set(struct vmm_vcpu *vcpu, const struct kvm_xcrs *xcrs);
int vmm_xsave2_size(void);		/* KVM_CAP_XSAVE2's answer, bytes */
int vmm_fpu_create(struct vmm_vcpu *vcpu);
void vmm_fpu_destroy(struct vmm_vcpu *vcpu);
void vmm_fpu_load(struct vmm_vcpu *vcpu);	/* around KVM_RUN, not each exit */
void vmm_fpu_put(struct vmm_vcpu *vcpu);
/* Irqs off, around the entry: XCR0, XSS and PKRU. */
void vmm_xstate_enter(struct vmm_vcpu *vcpu);
void vmm_xstate_exit(struct vmm_vcpu *vcpu);

/* CR4.OSXSAVE and CR4.PKE are never guest-owned: CPUID depends on them. */
static inline bool vmm_uses_xstate(const struct vmm_vcpu *vcpu)
{
	return (vcpu->cr4 & (X86_CR4_OSXSAVE | X86_CR4_PKE)) |
	       (vcpu->xcr0 & XFEATURE_MASK_PKRU);
}


/* ---- time and paravirtual (para/) ---------------------------------------- */

int vmm_clock_init(void);			/* at load */
void vmm_clock_exit(void);
void vmm_clock_resume(void);			/* after suspend: the host TSC may have restarted */
int vmm_vm_set_tsc_khz(struct vmm_vm *vm, u32 khz);	/* for vCPUs yet to come */
int vmm_vcpu_set_tsc_khz(struct vmm_vcpu *vcpu, u32 khz);	/* 0: the host's; -EINVAL */
int vmm_clock_guest_stopped(struct vmm_vcpu *vcpu);	/* KVM_KVMCLOCK_CTRL */
void vmm_clock_vm_init(struct vmm_vm *vm);
int vmm_clock_vcpu_create(struct vmm_vcpu *vcpu);
void vmm_clock_vcpu_destroy(struct vmm_vcpu *vcpu);
void vmm_clock_vcpu_reset(struct vmm_vcpu *vcpu);
void vmm_clock_vcpu_load(struct vmm_vcpu *vcpu, int cpu);	/* preemption off, after backend.vcpu_load */
void vmm_clock_vcpu_put(struct vmm_vcpu *vcpu);	/* preemption off */
int vmm_clock_update(struct vmm_vcpu *vcpu);	/* VMM_REQ_CLOCK_UPDATE: writes the guest's page */
u64 vmm_clock_ns(struct vmm_vm *vm);		/* kvmclock's "now", ns */
int vmm_clock_get(struct vmm_vm *vm, struct kvm_clock_data __user *user);
int vmm_clock_set(struct vmm_vm *vm, const struct kvm_clock_data *data);
u64 vmm_guest_tsc(struct vmm_vcpu *vcpu, u64 host_tsc);
void vmm_guest_tsc_write(struct vmm_vcpu *vcpu, u64 value, bool host);	/* IA32_TSC */
void vmm_guest_tsc_set_offset(struct vmm_vcpu *vcpu, u64 offset);	/* ticks; user space */
void vmm_guest_tsc_adjust(struct vmm_vcpu *vcpu, s64 delta);	/* guest wrote IA32_TSC_ADJUST */
bool vmm_pv_msr(u32 index);			/* one of ours below */
int vmm_pv_msr_get(struct vmm_vcpu *vcpu, struct vmm_msr *msr);
int vmm_pv_msr_set(struct vmm_vcpu *vcpu, struct vmm_msr *msr);
int vmm_hypercall(struct vmm_vcpu *vcpu);	/* exit handler */
int vmm_hypercall_quickly(struct vmm_vcpu *vcpu);
void vmm_pv_eoi_reset(struct vmm_vcpu *vcpu);
int vmm_pv_eoi_create(struct vmm_vcpu *vcpu);
void vmm_pv_eoi_destroy(struct vmm_vcpu *vcpu);
/*
 * Before entry, vCPU thread, may touch guest memory: offer the skip-EOI bit when
 * exactly one interrupt is in service and none waits; take it back when the guest
 * used it (the EOI is then applied to the LAPIC).
 */
void vmm_pv_eoi_sync_to(struct vmm_vcpu *vcpu);
void vmm_pv_eoi_sync_from(struct vmm_vcpu *vcpu);
void vmm_note_thread(struct vmm_vcpu *vcpu);	/* KVM_RUN */
void vmm_forget_thread(struct vmm_vcpu *vcpu);
void vmm_on_spin(struct vmm_vcpu *vcpu);	/* PAUSE in a loop; may sleep */
int vmm_async_pf_module_init(void);
void vmm_async_pf_module_exit(void);
int vmm_async_pf_create(struct vmm_vcpu *vcpu);
void vmm_async_pf_destroy(struct vmm_vcpu *vcpu);
void vmm_async_pf_reset(struct vmm_vcpu *vcpu);
bool vmm_async_pf_possible(struct vmm_vcpu *vcpu, u64 gfn);
bool vmm_async_pf_start(struct vmm_vcpu *vcpu, u64 gpa, unsigned long hva, u32 access);
void vmm_async_pf_ready(struct vmm_vcpu *vcpu);	/* VMM_REQ_ASYNC_PF */
int vmm_steal_create(struct vmm_vcpu *vcpu);
void vmm_steal_destroy(struct vmm_vcpu *vcpu);
void vmm_steal_reset(struct vmm_vcpu *vcpu);
void vmm_steal_load(struct vmm_vcpu *vcpu);	/* preemption off; a run queue may be locked */
void vmm_steal_preempted(struct vmm_vcpu *vcpu);	/* a run queue is locked */
void vmm_steal_new_thread(struct vmm_vcpu *vcpu);
void vmm_steal_update(struct vmm_vcpu *vcpu);	/* VMM_REQ_STEAL */

#endif /* VMM_H */
