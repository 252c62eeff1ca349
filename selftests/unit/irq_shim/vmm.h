/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for kmod/vmm.h in irq_test.c. */
#ifndef VMM_H
#define VMM_H

#include "shim.h"
#include "irq/irq.h"

enum vmm_request { VMM_REQ_EVENT };

struct vmm_vcpu {
	struct vmm_vm *vm;
	struct vmm_lapic *lapic;
	int kicks;
};

struct vmm_vm {
	struct vmm_irqchip irqchip;
	struct mutex slots_lock, irq_lock;
	unsigned int online_vcpus;
	struct vmm_vcpu *vcpus[1];
};

#define vmm_for_each_vcpu(i, vcpu, vm)	\
	for ((i) = 0; (i) < (vm)->online_vcpus && ((vcpu) = (vm)->vcpus[i], true); (i)++)

static inline void vmm_make_request(struct vmm_vcpu *vcpu, enum vmm_request req)
{
	(void)vcpu;
	(void)req;
}

static inline void vmm_vcpu_kick(struct vmm_vcpu *vcpu)
{
	vcpu->kicks++;
}

#endif /* VMM_H */
