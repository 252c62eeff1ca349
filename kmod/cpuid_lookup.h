/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finding a leaf in what user space gave with KVM_SET_CPUID2, and what the CPUID
 * instruction answers for a leaf that is not there (SDM volume 2, CPUID; APM volume 3).
 *
 * Needs struct kvm_cpuid_entry2 from <linux/kvm.h> and integer types, so that the unit
 * tests can include it.
 */
#ifndef VMM_CPUID_LOOKUP_H
#define VMM_CPUID_LOOKUP_H

/* Leaves of hypervisors come in groups of 0x100, each with its own highest leaf. */
#define CPUID_HYPERVISOR_BASE	0x40000000u
#define CPUID_EXTENDED_BASE	0x80000000u
#define CPUID_GROUP_MASK	0xffffff00u

/**
 * cpuid_lookup() - find a leaf
 * @entries: in any order
 * @order: indices into @entries, sorted by function and, within, by position
 * @nent: how many of both
 * @function: EAX
 * @index: ECX; an entry without KVM_CPUID_FLAG_SIGNIFCANT_INDEX matches any
 *
 * Return: the first such entry, or NULL.
 */
static inline struct kvm_cpuid_entry2 *cpuid_lookup(struct kvm_cpuid_entry2 *entries,
						    const __u16 *order, int nent,
						    __u32 function, __u32 index)
{
	int low = 0, high = nent;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (entries[order[middle]].function < function)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < nent; low++) {
		struct kvm_cpuid_entry2 *e = &entries[order[low]];

		if (e->function != function)
			break;
		if (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index)
			return e;
	}
	return NULL;
}

static inline int cpuid_vendor_is(const struct kvm_cpuid_entry2 *leaf0, __u32 ebx, __u32 edx,
				  __u32 ecx)
{
	return leaf0->ebx == ebx && leaf0->edx == edx && leaf0->ecx == ecx;
}

/**
 * cpuid_absent() - which entry answers for a function that is not there
 * @entries: as for cpuid_lookup()
 * @order: likewise
 * @nent: likewise
 * @function: EAX
 * @index: ECX
 *
 * Above the highest leaf of its range Intel's CPUs give the data of the highest basic
 * leaf; AMD's and Hygon's give zeros. Within the range an absent leaf is zeros.
 *
 * Return: that entry, or NULL for zeros.
 */
static inline struct kvm_cpuid_entry2 *cpuid_absent(struct kvm_cpuid_entry2 *entries,
						    const __u16 *order, int nent,
						    __u32 function, __u32 index)
{
	struct kvm_cpuid_entry2 *basic = cpuid_lookup(entries, order, nent, 0, 0);
	struct kvm_cpuid_entry2 *range = basic;

	if (!basic)
		return NULL;
	/* "AuthenticAMD", "HygonGenuine" */
	if (cpuid_vendor_is(basic, 0x68747541, 0x69746e65, 0x444d4163) ||
	    cpuid_vendor_is(basic, 0x6f677948, 0x6e65476e, 0x656e6975))
		return NULL;
	if (function >= CPUID_EXTENDED_BASE)
		range = cpuid_lookup(entries, order, nent, function & 0xf0000000u, 0);
	else if (function >= CPUID_HYPERVISOR_BASE && function < CPUID_HYPERVISOR_BASE + 0x10000000u)
		range = cpuid_lookup(entries, order, nent, function & CPUID_GROUP_MASK, 0);
	/* The function that says how far a range goes is in range by itself. */
	if (range && function <= range->eax)
		return NULL;
	return cpuid_lookup(entries, order, nent, basic->eax, index);
}

#endif /* VMM_CPUID_LOOKUP_H */
