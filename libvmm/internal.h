/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library's files share and its users do not see.
 */
#ifndef LIBVMM_INTERNAL_H
#define LIBVMM_INTERNAL_H

#include <vmm/vm.h>

/**
 * vmm_vcpu_create() - make one vCPU with its run mapping and CPUID
 * @vm: VM
 * @vcpu: zeroed
 * @index: number and APIC id
 *
 * Return: 0 or a negative errno.
 */
int vmm_vcpu_create(struct vmm_vm *vm, struct vmm_vcpu *vcpu, unsigned int index);

/* Start a vCPU's thread. Return: 0 or a negative errno. */
int vmm_vcpu_start(struct vmm_vcpu *vcpu);

/* Make the vCPU leave the guest and look at the VM's end; from any thread. */
void vmm_vcpu_kick(struct vmm_vcpu *vcpu);

/* Close the descriptor and the mapping; the thread must be gone. */
void vmm_vcpu_destroy(struct vmm_vcpu *vcpu);

/**
 * vmm_cpuid_set() - give a vCPU its CPUID leaves
 * @vcpu: a vCPU that has not run
 *
 * Return: 0 or a negative errno.
 */
int vmm_cpuid_set(struct vmm_vcpu *vcpu);

/**
 * struct vmm_cpuid_policy - the facts that CPUID leaves are adjusted to
 * @apic_id: of this vCPU
 * @nr_cpus: vCPUs in the VM, all cores of one package
 * @tsc_khz: the guest's TSC frequency, 0 when unknown
 * @tsc_deadline: the in-kernel APIC has the TSC-deadline mode
 */
struct vmm_cpuid_policy {
	unsigned int apic_id;
	unsigned int nr_cpus;
	unsigned int tsc_khz;
	bool tsc_deadline;
};

struct kvm_cpuid2;

/**
 * vmm_cpuid_adjust() - turn what the device supports into one vCPU's leaves
 * @cpuid: table with room for VMM_CPUID_MAX entries
 * @policy: the facts
 */
void vmm_cpuid_adjust(struct kvm_cpuid2 *cpuid, const struct vmm_cpuid_policy *policy);

#endif
