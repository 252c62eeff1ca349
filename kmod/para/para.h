/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files in para/ share among themselves.
 */
#ifndef VMM_PARA_H
#define VMM_PARA_H

#include "vmm.h"
#include "timescale.h"

/* kvmclock and TSC state of a vCPU. [v] except where vm->clock_lock is named. */
struct vmm_kvmclock {
	u64 msr;			/* KVM_SYSTEM_TIME as written */
	bool stopped_request;		/* KVM_KVMCLOCK_CTRL: say so in the next update */

	u64 tsc_ratio;			/* [clock_lock] hardware multiplier, 0: none */
	u64 tsc_hw_khz;			/* [clock_lock] rate the guest's TSC really has */
	bool push;			/* the backend does not have offset and ratio yet */

	/* Host with an unstable TSC: where the guest's stood when it left the CPU. */
	bool put_valid;
	u64 put_tsc, put_ns;
};

/* All of the host's clocks, read at one moment. */
struct vmm_host_time {
	u64 tsc;
	u64 ns;				/* since boot, suspends included, not steered by NTP */
	u64 real;			/* since 1970 */
	bool by_tsc;			/* the host keeps time by the TSC: tsc and ns are exact */
};

void vmm_host_time(struct vmm_host_time *t);
u64 vmm_host_ns(void);			/* the .ns alone */

/* tsc.c */
void vmm_tsc_vm_init(struct vmm_vm *vm);
void vmm_tsc_vcpu_create(struct vmm_vcpu *vcpu);
void vmm_tsc_push(struct vmm_vcpu *vcpu);
void vmm_tsc_load(struct vmm_vcpu *vcpu, int cpu);
void vmm_tsc_put(struct vmm_vcpu *vcpu);
bool vmm_tsc_adopt_resume(struct vmm_vm *vm);
bool vmm_tsc_same(struct vmm_vm *vm);
int vmm_tsc_init(void);
void vmm_tsc_exit(void);

/* kvmclock.c */
int vmm_kvmclock_msr_get(struct vmm_vcpu *vcpu, struct vmm_msr *msr);
int vmm_kvmclock_msr_set(struct vmm_vcpu *vcpu, struct vmm_msr *msr);

/* pv_eoi.c */
u64 vmm_pv_eoi_get(struct vmm_vcpu *vcpu);
int vmm_pv_eoi_set(struct vmm_vcpu *vcpu, u64 data);

/* async_pf.c */
u64 vmm_async_pf_get(struct vmm_vcpu *vcpu, u32 index);
int vmm_async_pf_set(struct vmm_vcpu *vcpu, const struct vmm_msr *msr);

/* yield.c */
void vmm_yield_hint(struct vmm_vcpu *vcpu, struct vmm_vcpu *target);

/* steal.c */
u64 vmm_steal_get(struct vmm_vcpu *vcpu);
int vmm_steal_set(struct vmm_vcpu *vcpu, u64 data);

/*
 * May this guest use a feature (KVM_FEATURE_*)? Without KVM_CAP_ENFORCE_PV_FEATURE_CPUID
 * what its CPUID says does not matter, as with KVM.
 */
static inline bool vmm_pv_has(struct vmm_vcpu *vcpu, unsigned int feature)
{
	return !vcpu->pv_enforced || (vcpu->caps.pv_features & BIT(feature));
}

#endif /* VMM_PARA_H */
