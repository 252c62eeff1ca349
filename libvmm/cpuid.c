// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What CPUID tells a vCPU: the leaves the device supports, with the topology
 * of this VM (one package, one thread per core), the vCPU's own APIC id and
 * the TSC's frequency (SDM volume 2A CPUID, APM volume 3 appendix E,
 * Documentation/virt/kvm/x86/cpuid.rst).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <vmm/error.h>
#include "internal.h"

#define LEAF1_ECX_TSC_DEADLINE	(1u << 24)
#define LEAF1_ECX_HYPERVISOR	(1u << 31)
#define LEAF1_EDX_HTT		(1u << 28)
#define EXT1_ECX_CMP_LEGACY	(1u << 1)
#define EXT1_ECX_TOPOEXT	(1u << 22)
#define HV_BASE			0x40000000u
#define HV_TIMING		0x40000010u
#define APIC_BUS_KHZ		1000000u	/* the in-kernel APIC counts nanoseconds */

static struct kvm_cpuid_entry2 *leaf_find(struct kvm_cpuid2 *cpuid, __u32 function, __u32 index)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	}
	return NULL;
}

/* Find or append; NULL when the table is full. */
static struct kvm_cpuid_entry2 *leaf_get(struct kvm_cpuid2 *cpuid, __u32 function, __u32 index,
					 __u32 flags)
{
	struct kvm_cpuid_entry2 *e = leaf_find(cpuid, function, index);

	if (e || cpuid->nent == VMM_CPUID_MAX)
		return e;
	e = &cpuid->entries[cpuid->nent++];
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	e->flags = flags;
	return e;
}

static void leaf_remove(struct kvm_cpuid2 *cpuid, __u32 function)
{
	unsigned int i, n = 0;

	for (i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != function)
			cpuid->entries[n++] = cpuid->entries[i];
	}
	cpuid->nent = n;
}

/* Bits of an APIC id that number @n things: the ceiling of log2. */
static unsigned int id_bits(unsigned int n)
{
	unsigned int bits = 0;

	while ((1u << bits) < n)
		bits++;
	return bits;
}

/* Extended topology, leaf 0xb or 0x1f: threads of a core, then cores of the package. */
static void set_topology_leaf(struct kvm_cpuid2 *cpuid, __u32 function,
			      const struct vmm_cpuid_policy *p)
{
	const __u32 levels[3][3] = {
		/* EAX: shift to the next level, EBX: processors, ECX[15:8]: level type */
		{ 0, 1, 1 << 8 },
		{ id_bits(p->nr_cpus), p->nr_cpus, 2 << 8 },
		{ 0, 0, 0 },
	};
	__u32 i;

	leaf_remove(cpuid, function);
	for (i = 0; i < 3; i++) {
		struct kvm_cpuid_entry2 *e = leaf_get(cpuid, function, i,
						      KVM_CPUID_FLAG_SIGNIFCANT_INDEX);

		if (!e)
			return;
		e->eax = levels[i][0];
		e->ebx = levels[i][1];
		e->ecx = levels[i][2] | i;
		e->edx = p->apic_id;
	}
}

static void set_leaf1(struct kvm_cpuid_entry2 *e, const struct vmm_cpuid_policy *p)
{
	/* EBX: APIC id, processors per package, CLFLUSH size; brand stays. */
	e->ebx = (e->ebx & 0xffff) | p->nr_cpus << 16 | p->apic_id << 24;
	e->edx &= ~LEAF1_EDX_HTT;
	if (p->nr_cpus > 1)
		e->edx |= LEAF1_EDX_HTT;
	e->ecx |= LEAF1_ECX_HYPERVISOR;
	e->ecx &= ~LEAF1_ECX_TSC_DEADLINE;
	if (p->tsc_deadline)
		e->ecx |= LEAF1_ECX_TSC_DEADLINE;
}

/* Caches (leaf 4 Intel, 0x8000001d AMD): none is shared but the last level. */
static void set_cache(struct kvm_cpuid_entry2 *e, const struct vmm_cpuid_policy *p, bool intel)
{
	unsigned int level = (e->eax >> 5) & 7;
	unsigned int sharing = level >= 3 ? p->nr_cpus : 1;

	if (!(e->eax & 0x1f))
		return;
	e->eax &= ~(0xfffu << 14);
	e->eax |= (sharing - 1) << 14;
	if (intel) {
		e->eax &= ~(0x3fu << 26);
		e->eax |= ((1u << id_bits(p->nr_cpus)) - 1 > 63 ? 63u :
			   (1u << id_bits(p->nr_cpus)) - 1) << 26;
	}
}

/* AMD core count and topology (APM volume 3, E.4.7 and E.4.17). */
static void set_amd_topology(struct kvm_cpuid2 *cpuid, const struct vmm_cpuid_policy *p)
{
	struct kvm_cpuid_entry2 *e = leaf_find(cpuid, 0x80000001, 0);

	if (e) {
		e->ecx &= ~EXT1_ECX_CMP_LEGACY;
		if (p->nr_cpus > 1)
			e->ecx |= EXT1_ECX_CMP_LEGACY;
	}
	if (!e || !(e->ecx & EXT1_ECX_TOPOEXT)) {
		leaf_remove(cpuid, 0x8000001d);
		leaf_remove(cpuid, 0x8000001e);
	}
	e = leaf_find(cpuid, 0x80000008, 0);
	if (e)
		e->ecx = (e->ecx & 0x30000) | id_bits(p->nr_cpus) << 12 | (p->nr_cpus - 1);
	e = leaf_find(cpuid, 0x8000001e, 0);
	if (e) {
		e->eax = p->apic_id;
		e->ebx = p->apic_id & 0xff;	/* compute unit id, one thread per core */
		e->ecx = 0;			/* node 0 of 1 */
		e->edx = 0;
	}
}

/*
 * TSC frequency, so that no guest has to measure it: leaf 0x15 where the
 * processor defines it (Intel), and the hypervisor timing leaf, which any
 * guest may read.
 */
static void set_tsc(struct kvm_cpuid2 *cpuid, const struct vmm_cpuid_policy *p, bool intel)
{
	struct kvm_cpuid_entry2 *e, *base = leaf_find(cpuid, HV_BASE, 0);

	if (!p->tsc_khz)
		return;
	if (base) {
		e = leaf_get(cpuid, HV_TIMING, 0, 0);
		if (e) {
			e->eax = p->tsc_khz;
			e->ebx = APIC_BUS_KHZ;
			e->ecx = 0;
			e->edx = 0;
			/* The table may have been searched only: @base is still there. */
			if (base->eax < HV_TIMING)
				base->eax = HV_TIMING;
		}
	}
	e = leaf_find(cpuid, 0, 0);
	if (!intel || !e || e->eax < 0x15)
		return;
	e = leaf_get(cpuid, 0x15, 0, 0);
	if (e) {
		/* TSC = crystal * EBX / EAX; a crystal of 1 MHz keeps the kHz exact. */
		e->eax = 1000;
		e->ebx = p->tsc_khz;
		e->ecx = 1000000;
		e->edx = 0;
	}
	e = leaf_get(cpuid, 0x16, 0, 0);
	if (e) {
		e->eax = p->tsc_khz / 1000;
		e->ebx = p->tsc_khz / 1000;
		e->ecx = 100;
		e->edx = 0;
		e = leaf_find(cpuid, 0, 0);
		if (e->eax < 0x16)
			e->eax = 0x16;
	}
}

void vmm_cpuid_adjust(struct kvm_cpuid2 *cpuid, const struct vmm_cpuid_policy *p)
{
	struct kvm_cpuid_entry2 *e = leaf_find(cpuid, 0, 0);
	/* "Genu" and "Auth"/"Hygo" are enough to tell whose leaves these are. */
	bool intel = e && e->ebx == 0x756e6547;
	__u32 max = e ? e->eax : 0;
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		e = &cpuid->entries[i];
		switch (e->function) {
		case 1:
			set_leaf1(e, p);
			break;
		case 4:
			set_cache(e, p, true);
			break;
		case 6:
			/* ARAT only: no device here reports temperature or performance. */
			e->eax &= 1 << 2;
			e->ebx = 0;
			e->ecx = 0;
			e->edx = 0;
			break;
		case 0x8000001d:
			set_cache(e, p, false);
			break;
		}
	}
	if (max >= 0xb)
		set_topology_leaf(cpuid, 0xb, p);
	if (max >= 0x1f)
		set_topology_leaf(cpuid, 0x1f, p);
	if (!intel)
		set_amd_topology(cpuid, p);
	set_tsc(cpuid, p, intel);
}

int vmm_cpuid_set(struct vmm_vcpu *vcpu)
{
	struct vmm_device *dev = vcpu->vm->dev;
	int khz = vmm_device_cap(dev, KVM_CAP_GET_TSC_KHZ) ?
		  ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0) : 0;
	struct vmm_cpuid_policy policy = {
		.apic_id = vcpu->index,
		.nr_cpus = vcpu->vm->nr_vcpus,
		.tsc_khz = khz > 0 ? khz : 0,
		.tsc_deadline = vmm_device_cap(dev, KVM_CAP_TSC_DEADLINE_TIMER),
	};
	struct kvm_cpuid2 *cpuid;
	int err = vmm_device_cpuid(dev, &cpuid);

	if (err)
		return err;
	vmm_cpuid_adjust(cpuid, &policy);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		err = vmm_fail(errno, "%s: KVM_SET_CPUID2 for vCPU %u: %s", dev->path,
			       vcpu->index, strerror(errno));
	free(cpuid);
	return err;
}
