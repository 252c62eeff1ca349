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

/* Leaves in their buckets: those of a guest as a rule have one or two functions each. */
#define CPUID_BUCKETS		64

struct cpuid_set {
	int nent;
	struct kvm_cpuid_entry2 *entries;	/* in user space's order */
	__u16 *order;				/* indices by bucket and, within, by position */
	__u16 first[CPUID_BUCKETS + 1];		/* where in order a bucket begins */
};

/* The ranges begin at 0, at 40000000H and at 80000000H: 16 and 32 buckets on. */
static inline unsigned int cpuid_bucket(__u32 function)
{
	return (function + (function >> 26)) % CPUID_BUCKETS;
}

/**
 * cpuid_sort() - make a set ready for cpuid_lookup()
 * @set: its entries; order has room for as many indices
 */
static inline void cpuid_sort(struct cpuid_set *set)
{
	__u16 next[CPUID_BUCKETS];
	int i;

	for (i = 0; i <= CPUID_BUCKETS; i++)
		set->first[i] = 0;
	for (i = 0; i < set->nent; i++)
		set->first[cpuid_bucket(set->entries[i].function) + 1]++;
	for (i = 0; i < CPUID_BUCKETS; i++) {
		next[i] = set->first[i];
		set->first[i + 1] += set->first[i];
	}
	for (i = 0; i < set->nent; i++)
		set->order[next[cpuid_bucket(set->entries[i].function)]++] = i;
}

/**
 * cpuid_lookup() - find a leaf
 * @set: sorted
 * @function: EAX
 * @index: ECX; an entry without KVM_CPUID_FLAG_SIGNIFCANT_INDEX matches any
 *
 * Return: the first such entry, or NULL.
 */
static inline struct kvm_cpuid_entry2 *cpuid_lookup(const struct cpuid_set *set, __u32 function,
						    __u32 index)
{
	unsigned int bucket = cpuid_bucket(function);
	const __u16 *i = &set->order[set->first[bucket]], *end = &set->order[set->first[bucket + 1]];

	for (; i < end; i++) {
		struct kvm_cpuid_entry2 *e = &set->entries[*i];

		if (e->function == function &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
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
 * @set: sorted
 * @function: EAX
 * @index: ECX
 *
 * Above the highest leaf of its range Intel's CPUs give the data of the highest basic
 * leaf; AMD's and Hygon's give zeros. Within the range an absent leaf is zeros.
 *
 * Return: that entry, or NULL for zeros.
 */
static inline struct kvm_cpuid_entry2 *cpuid_absent(const struct cpuid_set *set, __u32 function,
						    __u32 index)
{
	struct kvm_cpuid_entry2 *basic = cpuid_lookup(set, 0, 0);
	struct kvm_cpuid_entry2 *range = basic;

	if (!basic)
		return NULL;
	/* "AuthenticAMD", "HygonGenuine" */
	if (cpuid_vendor_is(basic, 0x68747541, 0x69746e65, 0x444d4163) ||
	    cpuid_vendor_is(basic, 0x6f677948, 0x6e65476e, 0x656e6975))
		return NULL;
	if (function >= CPUID_EXTENDED_BASE)
		range = cpuid_lookup(set, function & 0xf0000000u, 0);
	else if (function >= CPUID_HYPERVISOR_BASE && function < CPUID_HYPERVISOR_BASE + 0x10000000u)
		range = cpuid_lookup(set, function & CPUID_GROUP_MASK, 0);
	/* The function that says how far a range goes is in range by itself. */
	if (range && function <= range->eax)
		return NULL;
	return cpuid_lookup(set, basic->eax, index);
}

#endif /* VMM_CPUID_LOOKUP_H */
