// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what a guest can be offered, what user space decided to offer it, and what
 * the instruction answers (SDM volume 2, CPUID; APM volume 3, appendix E).
 *
 * A feature is supported when the host's CPU has it, the host's kernel uses or at
 * least tolerates it, the backend can give it to a guest, and the tables below, the
 * knowledge of this module, say that nothing more is needed.
 */
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "vmm.h"
#include "trace.h"

#define BASIC_MAX	0x1f
#define EXTENDED_MAX	0x80000021
#define XSAVE_LEGACY	(512 + 64)	/* x87 and SSE state, then the header */

/* Only what works: see para/. */
#define PV_FEATURES	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |	\
			 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_PV_EOI) |	\
			 BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) |			\
			 BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_TLB_FLUSH) |	\
			 BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_SEND_IPI) |	\
			 BIT(KVM_FEATURE_PV_SCHED_YIELD) | BIT(KVM_FEATURE_POLL_CONTROL) |\
			 /* ..._VMEXIT speaks of guests of the guest, of which there are none. */ \
			 BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_ASYNC_PF_VMEXIT) |	\
			 BIT(KVM_FEATURE_ASYNC_PF_INT))

enum reg { EAX, EBX, ECX, EDX };

/* A feature's bit in its register, from the kernel's number of it. */
#define F(name)		BIT(X86_FEATURE_##name & 31)

/*
 * The words of feature bits: where they stand, what the kernel calls the word, which
 * bits pass from the host (unlisted ones need state, MSRs or controls that we do not
 * have), and which are ours whatever the host has.
 */
static const struct feature_word {
	u32 function;
	u8 index, reg, word;
	u32 pass, own;
} words[] = {
	/* No MONITOR, VMX, SMX, SpeedStep, thermal, debug store, PDCM. OSXSAVE follows CR4. */
	{ 1, 0, ECX, CPUID_1_ECX,
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) |
	  F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND),
	  /*
	   * The LAPIC is emulated. TSC_DEADLINE_TIMER and HYPERVISOR are for user
	   * space to add, as with KVM: the first is only there with our LAPIC
	   * (KVM_CAP_TSC_DEADLINE_TIMER), the second is a matter of its machine.
	   */
	  F(X2APIC) },
	{ 1, 0, EDX, CPUID_1_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) |
	  F(APIC) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) |
	  F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP), 0 },
	/* ARAT: the LAPIC's timer never stops. */
	{ 6, 0, EAX, CPUID_6_EAX, 0, F(ARAT) },
	/* No SGX, MPX, cache monitoring, processor trace. */
	{ 7, 0, EBX, CPUID_7_0_EBX,
	  F(FSGSBASE) | F(BMI1) | F(HLE) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) | F(BMI2) |
	  F(ERMS) | F(INVPCID) | F(RTM) | F(ZERO_FCS_FDS) | F(AVX512F) | F(AVX512DQ) |
	  F(RDSEED) | F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) | F(AVX512PF) |
	  F(AVX512ER) | F(AVX512CD) | F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
	  F(TSC_ADJUST) },
	/* No WAITPKG, CET, bus-lock detection, ENQCMD, SGX launch control. OSPKE follows CR4. */
	{ 7, 0, ECX, CPUID_7_ECX,
	  F(AVX512VBMI) | F(UMIP) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) |
	  F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(LA57) |
	  F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B), 0 },
	/* No AMX, CET-IBT, architectural LBR. Speculation controls: add_speculation(). */
	{ 7, 0, EDX, CPUID_7_EDX,
	  F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) |
	  F(MD_CLEAR) | F(SERIALIZE) | F(TSXLDTRK) | F(AVX512_FP16),
	  F(ARCH_CAPABILITIES) },
	{ 7, 1, EAX, CPUID_7_1_EAX,
	  F(AVX_VNNI) | F(AVX512_BF16) |
	  /* CMPCCXADD, fast short string operations, AVX-IFMA: later kernels' names */
	  BIT(7) | BIT(10) | BIT(11) | BIT(12) | BIT(23), 0 },
	{ 0xd, 1, EAX, CPUID_D_1_EAX,
	  F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES), 0 },
	/* No SVM, extended APIC space, IBS, watchdog, performance counters, MWAITX. */
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX,
	  F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) |
	  F(3DNOWPREFETCH) | F(OSVW) | F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT), 0 },
	{ 0x80000001, 0, EDX, CPUID_8000_0001_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) |
	  F(APIC) | F(SYSCALL) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) |
	  F(NX) | F(MMXEXT) | F(MMX) | F(FXSR) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) |
	  F(3DNOWEXT) | F(3DNOW), 0 },
	/* Speculation controls: add_speculation(). */
	{ 0x80000008, 0, EBX, CPUID_8000_0008_EBX,
	  F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_SSB_NO) | F(BTC_NO), 0 },
	{ 0x80000021, 0, EAX, CPUID_8000_0021_EAX,
	  /* no nested data breakpoints, LFENCE serializes, VERW clears, null selectors
	   * clear bases; PRED_CMD flushes branch types; no SRSO */
	  BIT(0) | BIT(2) | BIT(5) | BIT(6) | BIT(28) | BIT(29),
	  /* no SMM_CTL MSR */
	  BIT(9) },
};

/* What the module supports; written at load only. */
static struct kvm_cpuid_entry2 supported_entries[VMM_MAX_CPUID_ENTRIES];
static u16 supported_order[VMM_MAX_CPUID_ENTRIES];
static struct cpuid_set supported = { .entries = supported_entries, .order = supported_order };

/* What the emulator adds for instructions the host's CPU does not know. */
static const struct kvm_cpuid_entry2 emulated[] = {
	{ .function = 0, .eax = 7 },
	{ .function = 1, .ecx = F(MOVBE) },
	{ .function = 7, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ecx = F(RDPID) },
};

/* Where the XSAVE components lie (leaf 0xD), read once. */
static struct xsave_component {
	u32 size, offset;
	bool aligned;
} components[63];

static u32 *reg_of(struct kvm_cpuid_entry2 *e, enum reg reg)
{
	switch (reg) {
	case EAX:
		return &e->eax;
	case EBX:
		return &e->ebx;
	case ECX:
		return &e->ecx;
	default:
		return &e->edx;
	}
}

static const struct feature_word *word_of(unsigned int feature)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].word == feature / 32)
			return &words[i];
	return NULL;
}

/* ---- what is supported ----------------------------------------------------------- */

/* Bytes of an XSAVE area with these components (SDM volume 1, 13.4.2, 13.4.3). */
static u32 xsave_size(u64 mask, bool compacted)
{
	u32 end = XSAVE_LEGACY;
	int i;

	for (i = 2; i < ARRAY_SIZE(components); i++) {
		u32 offset = components[i].offset;

		if (!(mask & BIT_ULL(i)))
			continue;
		if (compacted)
			offset = components[i].aligned ? ALIGN(end, 64) : end;
		end = max(end, offset + components[i].size);
	}
	return end;
}

static void read_components(void)
{
	u32 eax, ebx, ecx, edx;
	int i;

	for (i = 2; i < ARRAY_SIZE(components); i++) {
		if (!(vmm_supported_xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		components[i].size = eax;
		components[i].offset = ebx;
		components[i].aligned = ecx & BIT(1);
	}
}

/* The host's leaf, its feature words cut to what passes. */
static struct kvm_cpuid_entry2 *add(u32 function, u32 index, bool indexed)
{
	struct kvm_cpuid_entry2 *e;
	int i;

	if (WARN_ON_ONCE(supported.nent == ARRAY_SIZE(supported_entries)))
		return &supported.entries[supported.nent - 1];
	e = &supported.entries[supported.nent++];
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	e->flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	/* Not every CPU answers zeros beyond its highest leaf. */
	if (function <= cpuid_eax(function & 0xf0000000))
		cpuid_count(function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		const struct feature_word *w = &words[i];
		u32 *reg = reg_of(e, w->reg);

		if (w->function == function && w->index == index)
			*reg = (*reg & boot_cpu_data.x86_capability[w->word] & w->pass) | w->own;
	}
	return e;
}

static void clear(struct kvm_cpuid_entry2 *e)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

/*
 * IBRS, IBPB, STIBP, SSBD: two vendors' names for the same MSRs. The kernel knows in
 * its own words what the CPU has; a guest may look for either, so it is told both.
 */
static void add_speculation(struct kvm_cpuid_entry2 *e)
{
	bool spec_ctrl = boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	bool ibrs = spec_ctrl && boot_cpu_has(X86_FEATURE_IBRS);
	bool ibpb = boot_cpu_has(X86_FEATURE_IBPB);
	bool stibp = spec_ctrl && boot_cpu_has(X86_FEATURE_STIBP);
	bool ssbd = spec_ctrl && (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) ||
				  boot_cpu_has(X86_FEATURE_AMD_SSBD));

	if (e->function == 7) {
		e->edx |= (ibrs && ibpb ? F(SPEC_CTRL) : 0) | (stibp ? F(INTEL_STIBP) : 0) |
			  (ssbd ? F(SPEC_CTRL_SSBD) : 0);
		return;
	}
	e->ebx |= (ibpb ? F(AMD_IBPB) : 0) | (ibrs ? F(AMD_IBRS) : 0) |
		  (stibp ? F(AMD_STIBP) : 0) | (ssbd ? F(AMD_SSBD) : 0);
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		e->ebx |= F(AMD_SSB_NO);
	if (stibp && boot_cpu_has(X86_FEATURE_AMD_STIBP_ALWAYS_ON))
		e->ebx |= F(AMD_STIBP_ALWAYS_ON);
	if (vmm_backend.caps.virt_ssbd)
		e->ebx |= F(VIRT_SSBD);
}

static void add_xsave_leaves(void)
{
	struct kvm_cpuid_entry2 *e = add(0xd, 0, true);
	int i;

	if (!vmm_supported_xcr0) {
		clear(e);
		return;
	}
	e->eax = (u32)vmm_supported_xcr0;
	e->edx = vmm_supported_xcr0 >> 32;
	e->ecx = xsave_size(vmm_supported_xcr0, false);
	e->ebx = e->ecx;

	e = add(0xd, 1, true);
	if (!vmm_backend.caps.xsaves)
		e->eax &= ~F(XSAVES);
	/* No supervisor component is offered: IA32_XSS stays 0. */
	e->ebx = e->eax & (F(XSAVES) | F(XSAVEC)) ? xsave_size(vmm_supported_xcr0, true) : 0;
	e->ecx = 0;
	e->edx = 0;

	for (i = 2; i < ARRAY_SIZE(components); i++) {
		if (!(vmm_supported_xcr0 & BIT_ULL(i)))
			continue;
		e = add(0xd, i, true);
		e->ecx &= BIT(1);	/* a user component, aligned or not; no XFD */
		e->edx = 0;
	}
}

/* Leaf 4, and AMD's in the same format, where TOPOEXT says it is there. */
static void add_cache_leaves(u32 function)
{
	u32 i;

	for (i = 0; i < 16; i++) {
		/* Cache type 0 ends the list, and belongs to it. */
		if (!(add(function, i, true)->eax & 0x1f))
			break;
	}
}

static void add_basic(u32 function)
{
	struct kvm_cpuid_entry2 *e;

	switch (function) {
	case 1:
		e = add(1, 0, false);
		/* Which CPU of how many is for user space to say; CLFLUSH size and brand stay. */
		e->ebx &= 0xffff;
		break;
	case 2:
		e = add(2, 0, false);
		if (e->eax)
			e->eax = (e->eax & ~0xffu) | 1;	/* one call is enough */
		break;
	case 4:
		add_cache_leaves(4);
		break;
	case 6:
		e = add(6, 0, false);
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	case 7:
		e = add(7, 0, true);
		e->eax = min(e->eax, 1u);
		add_speculation(e);
		if (e->eax) {
			e = add(7, 1, true);
			e->ebx = 0;
			e->ecx = 0;
			/* AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16, PREFETCHI: no new state. */
			e->edx &= BIT(4) | BIT(5) | BIT(10) | BIT(14);
		}
		break;
	case 0xb:
	case 0x1f:
		/* No topology until user space gives one: subleaf 0 reports none. */
		clear(add(function, 0, true));
		break;
	case 0xd:
		add_xsave_leaves();
		break;
	default:
		/*
		 * MONITOR, DCA, the PMU, resource control, SGX, processor trace, AMX: not
		 * given. Leaf 0x15 neither: guests derive from it the rate of the LAPIC's
		 * timer, which here is not that of the crystal; 0x16 speaks of the host.
		 */
		clear(add(function, 0, false));
	}
}

static void set_address_sizes(struct kvm_cpuid_entry2 *e)
{
	u32 physical = e->eax & 0xff, linear = max((e->eax >> 8) & 0xff, 48u);
	u32 guest_physical = (e->eax >> 16) & 0xff, reach = 0;

	if (vmm_backend.caps.tdp) {
		/* Memory encryption narrows the host's addresses, not the guest's. */
		if (guest_physical)
			physical = guest_physical;
		/* What nested tables of this depth can map, when that is less. */
		if (physical > 48 && vmm_backend.caps.tdp_levels < 5)
			reach = 48;
	} else {
		physical = boot_cpu_data.x86_phys_bits;
	}
	e->eax = physical | linear << 8 | reach << 16;
}

static void add_extended(u32 function)
{
	struct kvm_cpuid_entry2 *e;

	if (function == 0x8000001d) {
		add_cache_leaves(function);
		return;
	}
	e = add(function, 0, false);
	switch (function) {
	case 0x80000001:
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
	case 0x80000005:
	case 0x80000019:
		break;
	case 0x80000006:
		e->edx &= ~GENMASK(17, 16);	/* reserved */
		break;
	case 0x80000007:
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		e->edx &= BIT(8) & boot_cpu_data.x86_power;	/* invariant TSC */
		break;
	case 0x80000008:
		set_address_sizes(e);
		add_speculation(e);
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0x8000001a:
		e->eax &= GENMASK(2, 0);
		e->ebx = 0;
		e->ecx = 0;
		e->edx = 0;
		break;
	case 0x80000021:
		/* Facts older CPUs have but do not tell. */
		if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
			e->eax |= BIT(2);
		if (!boot_cpu_has_bug(X86_BUG_NULL_SEG))
			e->eax |= BIT(6);
		e->ebx = 0;
		e->ecx &= BIT(1) | BIT(2);	/* TSA_SQ_NO, TSA_L1_NO */
		e->edx = 0;
		break;
	default:
		/* SVM, topology of this very CPU, IBS, memory encryption, ... */
		clear(e);
	}
}

static void add_paravirtual(void)
{
	static const char signature[] = KVM_SIGNATURE;
	struct kvm_cpuid_entry2 *e;

	e = add(KVM_CPUID_SIGNATURE, 0, false);
	e->eax = KVM_CPUID_FEATURES;
	memcpy(&e->ebx, signature, 4);
	memcpy(&e->ecx, signature + 4, 4);
	memcpy(&e->edx, signature + 8, 4);
	e = add(KVM_CPUID_FEATURES, 0, false);
	clear(e);
	e->eax = PV_FEATURES;
	/* The flag that a flush is asked for with stands in the page of steal time. */
	if (!sched_info_on())
		e->eax &= ~(BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_TLB_FLUSH));
}

/* Features that need something else, and whether this host and backend have it. */
static void follow_backend(struct kvm_cpuid_entry2 *e)
{
	const struct vmm_backend_caps *caps = &vmm_backend.caps;

	if (e->function == 7 && e->index == 0) {
		if (!(vmm_supported_xcr0 & XFEATURE_MASK_PKRU))
			e->ecx &= ~F(PKU);
		if (!caps->tsc_aux)
			e->ecx &= ~F(RDPID);
		if (!caps->invpcid)
			e->ebx &= ~F(INVPCID);
		if (caps->emulates_umip)
			e->ecx |= F(UMIP);
	}
	if (e->function == 0x80000001 && !caps->tsc_aux)
		e->edx &= ~F(RDTSCP);
}

/**
 * vmm_cpuid_init() - at load, after the backend's setup and vmm_fpu_init()
 */
void vmm_cpuid_init(void)
{
	u32 function, max;
	int i;

	supported.nent = 0;
	read_components();

	max = min_t(u32, cpuid_eax(0), BASIC_MAX);
	add(0, 0, false)->eax = max;
	for (function = 1; function <= max; function++)
		add_basic(function);

	add_paravirtual();

	max = cpuid_eax(0x80000000);
	/* Zen 1 to 3 lack the leaf that would say what they do: give it to their guests. */
	if (max >= 0x8000001d && (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ||
				  !boot_cpu_has_bug(X86_BUG_NULL_SEG)))
		max = max_t(u32, max, EXTENDED_MAX);
	max = min_t(u32, max, EXTENDED_MAX);
	add(0x80000000, 0, false)->eax = max;
	for (function = 0x80000001; function <= max; function++)
		add_extended(function);

	for (i = 0; i < supported.nent; i++)
		follow_backend(&supported.entries[i]);
	cpuid_sort(&supported);
}

/**
 * vmm_supported_has() - is a feature in the supported set?
 * @feature: X86_FEATURE_* of a word that CPUID reports (not the kernel's own words)
 *
 * Return: true when KVM_GET_SUPPORTED_CPUID offers it.
 */
bool vmm_supported_has(unsigned int feature)
{
	const struct feature_word *w = word_of(feature);
	struct kvm_cpuid_entry2 *e;

	if (!w)
		return false;
	e = cpuid_lookup(&supported, w->function, w->index);
	return e && *reg_of(e, w->reg) & BIT(feature & 31);
}

/* KVM_GET_EMULATED_CPUID has always insisted that callers zero the padding. */
static int check_padding(struct kvm_cpuid2 __user *user, u32 nent)
{
	u32 i;

	for (i = 0; i < nent; i++) {
		u32 padding[3];

		if (copy_from_user(padding, user->entries[i].padding, sizeof(padding)))
			return -EFAULT;
		if (padding[0] || padding[1] || padding[2])
			return -EINVAL;
	}
	return 0;
}

/**
 * vmm_cpuid_supported() - KVM_GET_SUPPORTED_CPUID and KVM_GET_EMULATED_CPUID
 * @user: nent says how many entries there is room for; it becomes the number filled
 * @emulating: the latter
 *
 * Return: 0; -E2BIG when there is not room enough, -EINVAL, -EFAULT.
 */
int vmm_cpuid_supported(struct kvm_cpuid2 __user *user, bool emulating)
{
	const struct kvm_cpuid_entry2 *entries = emulating ? emulated : supported.entries;
	u32 have = emulating ? ARRAY_SIZE(emulated) : supported.nent, nent;
	int r;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (!nent)
		return -E2BIG;
	if (emulating) {
		r = check_padding(user, min_t(u32, nent, VMM_MAX_CPUID_ENTRIES));
		if (r)
			return r;
	}
	if (nent < have)
		return -E2BIG;
	if (copy_to_user(user->entries, entries, have * sizeof(*entries)) ||
	    put_user(have, &user->nent))
		return -EFAULT;
	return 0;
}

/* ---- what a guest was given ----------------------------------------------------- */

/**
 * vmm_cpuid_find() - an entry as user space set it, runtime bits up to date
 * @vcpu: its thread
 * @function: EAX
 * @index: ECX
 *
 * Return: the entry, or NULL.
 */
struct kvm_cpuid_entry2 *vmm_cpuid_find(struct vmm_vcpu *vcpu, u32 function, u32 index)
{
	return cpuid_lookup(&vcpu->cpuid, function, index);
}

/**
 * vmm_guest_has() - does the guest's CPUID announce a feature?
 * @vcpu: its thread
 * @feature: X86_FEATURE_*
 */
bool vmm_guest_has(struct vmm_vcpu *vcpu, unsigned int feature)
{
	const struct feature_word *w = word_of(feature);
	struct kvm_cpuid_entry2 *e;

	e = w ? vmm_cpuid_find(vcpu, w->function, w->index) : NULL;
	return e && *reg_of(e, w->reg) & BIT(feature & 31);
}

/* Given to the guest, and not just claimed by user space. */
static bool usable(struct vmm_vcpu *vcpu, unsigned int feature)
{
	return vmm_guest_has(vcpu, feature) && vmm_supported_has(feature);
}

static void set_bit_to(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

static void update_runtime(struct vmm_vcpu *vcpu, struct cpuid_set *set)
{
	struct kvm_cpuid_entry2 *e;

	e = cpuid_lookup(set, 1, 0);
	if (e) {
		if (vmm_supported_xcr0)
			set_bit_to(&e->ecx, F(OSXSAVE), vcpu->cr4 & X86_CR4_OSXSAVE);
		set_bit_to(&e->edx, F(APIC), vcpu->apic_base & MSR_IA32_APICBASE_ENABLE);
		/* By default IA32_MISC_ENABLE does not govern MWAIT: a quirk KVM keeps. */
		if (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
			set_bit_to(&e->ecx, F(MWAIT),
				   vcpu->msr_misc_enable & MSR_IA32_MISC_ENABLE_MWAIT);
	}
	e = cpuid_lookup(set, 7, 0);
	if (e && vmm_supported_has(X86_FEATURE_PKU))
		set_bit_to(&e->ecx, F(OSPKE), vcpu->cr4 & X86_CR4_PKE);
	e = cpuid_lookup(set, 0xd, 0);
	if (e)
		e->ebx = xsave_size(vcpu->xcr0, false);
	e = cpuid_lookup(set, 0xd, 1);
	if (e && e->eax & (F(XSAVES) | F(XSAVEC)))
		e->ebx = xsave_size(vcpu->xcr0 | vcpu->xss, true);
}

static void find_paravirtual(struct vmm_vcpu *vcpu)
{
	static const char signature[] = KVM_SIGNATURE;
	struct vmm_guest_caps *caps = &vcpu->caps;
	struct kvm_cpuid_entry2 *e;
	u32 base;

	caps->pv = false;
	caps->pv_base = 0;
	caps->pv_features = 0;
	/* Other hypervisors' leaves may come first. */
	for (base = 0x40000000; base < 0x40010000; base += 0x100) {
		u32 found[3];

		e = vmm_cpuid_find(vcpu, base, 0);
		if (!e)
			continue;
		found[0] = e->ebx;
		found[1] = e->ecx;
		found[2] = e->edx;
		if (memcmp(found, signature, sizeof(found)))
			continue;
		caps->pv = true;
		caps->pv_base = base;
		e = vmm_cpuid_find(vcpu, base | 1, 0);
		/* A kick would not wake a vCPU whose HLT the module does not see. */
		if (e && (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT))
			e->eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
		caps->pv_features = e ? e->eax : 0;
		return;
	}
}

/*
 * CR4 bits a guest may set: those of the first CPUs, and those of its features (SDM 2.5).
 * Before it is given any CPUID, of the features there are: user space may restore CR4 first.
 */
static u64 cr4_allowed(struct vmm_vcpu *vcpu)
{
	static const struct {
		u64 bit;
		unsigned int feature;
	} by_feature[] = {
		{ X86_CR4_UMIP,		X86_FEATURE_UMIP },
		{ X86_CR4_LA57,		X86_FEATURE_LA57 },
		{ X86_CR4_FSGSBASE,	X86_FEATURE_FSGSBASE },
		{ X86_CR4_PCIDE,	X86_FEATURE_PCID },
		{ X86_CR4_OSXSAVE,	X86_FEATURE_XSAVE },
		{ X86_CR4_SMEP,		X86_FEATURE_SMEP },
		{ X86_CR4_SMAP,		X86_FEATURE_SMAP },
		{ X86_CR4_PKE,		X86_FEATURE_PKU },
	};
	u64 allowed = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |
		      X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |
		      X86_CR4_OSXMMEXCPT;
	int i;

	for (i = 0; i < ARRAY_SIZE(by_feature); i++)
		if (vcpu->cpuid.nent ? usable(vcpu, by_feature[i].feature)
				     : vmm_supported_has(by_feature[i].feature))
			allowed |= by_feature[i].bit;
	return allowed;
}

static void derive_caps(struct vmm_vcpu *vcpu)
{
	struct vmm_guest_caps *caps = &vcpu->caps;
	struct kvm_cpuid_entry2 *e;

	e = vmm_cpuid_find(vcpu, 0xd, 0);
	caps->xcr0 = e ? (e->eax | (u64)e->edx << 32) & vmm_supported_xcr0 : 0;

	caps->maxphyaddr = 36;		/* what PAE CPUs had before there was a leaf for it */
	e = vmm_cpuid_find(vcpu, 0x80000000, 0);
	if (e && e->eax >= 0x80000008) {
		e = vmm_cpuid_find(vcpu, 0x80000008, 0);
		if (e)
			caps->maxphyaddr = clamp_t(u32, e->eax & 0xff, 32, 52);
	}

	caps->x2apic = usable(vcpu, X86_FEATURE_X2APIC);
	caps->nx = usable(vcpu, X86_FEATURE_NX);
	caps->gbpages = usable(vcpu, X86_FEATURE_GBPAGES);
	/* RDPID reads the same TSC_AUX. */
	caps->rdtscp = usable(vcpu, X86_FEATURE_RDTSCP) || usable(vcpu, X86_FEATURE_RDPID);
	caps->pcid = usable(vcpu, X86_FEATURE_PCID);
	caps->fsgsbase = usable(vcpu, X86_FEATURE_FSGSBASE);
	caps->xsave = usable(vcpu, X86_FEATURE_XSAVE);
	caps->xsaves = usable(vcpu, X86_FEATURE_XSAVES);
	caps->tsc_deadline = vmm_guest_has(vcpu, X86_FEATURE_TSC_DEADLINE_TIMER);
	caps->invpcid = usable(vcpu, X86_FEATURE_INVPCID);
	caps->la57 = usable(vcpu, X86_FEATURE_LA57);
	caps->longmode = usable(vcpu, X86_FEATURE_LM);
	caps->spec_ctrl = usable(vcpu, X86_FEATURE_SPEC_CTRL) ||
			  usable(vcpu, X86_FEATURE_INTEL_STIBP) ||
			  usable(vcpu, X86_FEATURE_SPEC_CTRL_SSBD) ||
			  usable(vcpu, X86_FEATURE_AMD_IBRS) ||
			  usable(vcpu, X86_FEATURE_AMD_STIBP) ||
			  usable(vcpu, X86_FEATURE_AMD_SSBD);
	caps->ibpb = usable(vcpu, X86_FEATURE_SPEC_CTRL) || usable(vcpu, X86_FEATURE_AMD_IBPB);
	caps->virt_ssbd = usable(vcpu, X86_FEATURE_VIRT_SSBD);
	caps->arch_capabilities = usable(vcpu, X86_FEATURE_ARCH_CAPABILITIES);
	caps->smap = usable(vcpu, X86_FEATURE_SMAP);
	caps->pku = usable(vcpu, X86_FEATURE_PKU);

	caps->cr4_reserved = ~cr4_allowed(vcpu);
	caps->efer_allowed = EFER_SCE;
	if (caps->longmode)
		caps->efer_allowed |= EFER_LME | EFER_LMA;
	if (caps->nx)
		caps->efer_allowed |= EFER_NX;
	if (usable(vcpu, X86_FEATURE_FXSR_OPT))
		caps->efer_allowed |= EFER_FFXSR;
	find_paravirtual(vcpu);
}

/**
 * vmm_cpuid_update_runtime() - the bits that follow CR4, XCR0, APIC_BASE and MISC_ENABLE
 * @vcpu: its thread, after one of them changed; at reset also without any CPUID set
 */
void vmm_cpuid_update_runtime(struct vmm_vcpu *vcpu)
{
	/* A vCPU that was never given a CPUID still needs defaults to run by. */
	if (!vcpu->cpuid.nent)
		derive_caps(vcpu);
	update_runtime(vcpu, &vcpu->cpuid);
}

/* Entries and their order live in one allocation, freed through .entries. */
static int alloc_set(struct cpuid_set *set, u32 nent)
{
	memset(set, 0, sizeof(*set));
	if (!nent)
		return 0;
	set->entries = kvzalloc(nent * (sizeof(*set->entries) + sizeof(*set->order)),
				GFP_KERNEL_ACCOUNT);
	if (!set->entries)
		return -ENOMEM;
	set->order = (u16 *)(set->entries + nent);
	set->nent = nent;
	return 0;
}

static int fetch_set(struct cpuid_set *set, struct kvm_cpuid_entry2 __user *user, bool v1)
{
	struct kvm_cpuid_entry __user *old = (struct kvm_cpuid_entry __user *)user;
	int i;

	if (!v1)
		return copy_from_user(set->entries, user, set->nent * sizeof(*user)) ? -EFAULT : 0;
	for (i = 0; i < set->nent; i++) {
		struct kvm_cpuid_entry e;

		if (copy_from_user(&e, &old[i], sizeof(e)))
			return -EFAULT;
		set->entries[i] = (struct kvm_cpuid_entry2) {
			.function = e.function,
			.eax = e.eax, .ebx = e.ebx, .ecx = e.ecx, .edx = e.edx,
		};
	}
	return 0;
}

static bool same_set(const struct cpuid_set *a, const struct cpuid_set *b)
{
	int i;

	if (a->nent != b->nent)
		return false;
	for (i = 0; i < a->nent; i++) {
		const struct kvm_cpuid_entry2 *x = &a->entries[i], *y = &b->entries[i];

		if (x->function != y->function || x->index != y->index || x->flags != y->flags ||
		    x->eax != y->eax || x->ebx != y->ebx || x->ecx != y->ecx || x->edx != y->edx)
			return false;
	}
	return true;
}

/**
 * vmm_cpuid_set() - KVM_SET_CPUID and KVM_SET_CPUID2
 * @vcpu: loaded, vcpu->mutex held
 * @user: the entries
 * @nent: how many
 * @v1: they are struct kvm_cpuid_entry
 *
 * A guest's CPU does not change while it runs: once it has, only the same again is
 * accepted.
 *
 * Return: 0; -E2BIG for too many entries, -EINVAL for a change after KVM_RUN or an
 * impossible width of linear addresses, -ENOMEM, -EFAULT.
 */
int vmm_cpuid_set(struct vmm_vcpu *vcpu, struct kvm_cpuid_entry2 __user *user, u32 nent, bool v1)
{
	struct kvm_cpuid_entry2 *e;
	struct cpuid_set set;
	u32 linear;
	int r, srcu;

	if (nent > VMM_MAX_CPUID_ENTRIES)
		return -E2BIG;
	r = alloc_set(&set, nent);
	if (r)
		return r;
	r = fetch_set(&set, user, v1);
	if (r)
		goto out;
	cpuid_sort(&set);

	r = -EINVAL;
	e = cpuid_lookup(&set, 0x80000008, 0);
	linear = e ? (e->eax >> 8) & 0xff : 0;
	if (linear && linear != 48 && linear != 57)
		goto out;
	update_runtime(vcpu, &set);
	if (vcpu->launched_once) {
		r = same_set(&set, &vcpu->cpuid) ? 0 : -EINVAL;
		goto out;
	}
	swap(vcpu->cpuid, set);
	derive_caps(vcpu);
	vmm_backend.cpuid_changed(vcpu);
	srcu = srcu_read_lock(&vcpu->vm->srcu);		/* the MSR filter */
	vmm_msr_update_exits(vcpu);
	srcu_read_unlock(&vcpu->vm->srcu, srcu);
	if (vcpu->lapic)
		vmm_lapic_cpuid_changed(vcpu);
	r = 0;
out:
	kvfree(set.entries);
	return r;
}

/**
 * vmm_cpuid_get() - KVM_GET_CPUID2
 * @vcpu: vcpu->mutex held
 * @user: nent says how many entries there is room for; it becomes the number there are
 *
 * Return: 0; -E2BIG when there is not room enough, -EFAULT.
 */
int vmm_cpuid_get(struct vmm_vcpu *vcpu, struct kvm_cpuid2 __user *user)
{
	u32 room, nent = vcpu->cpuid.nent;

	if (get_user(room, &user->nent) || put_user(nent, &user->nent))
		return -EFAULT;
	if (room < nent)
		return -E2BIG;
	if (copy_to_user(user->entries, vcpu->cpuid.entries, nent * sizeof(*user->entries)))
		return -EFAULT;
	return 0;
}

/**
 * vmm_cpuid() - the CPUID instruction
 * @vcpu: its thread
 * @eax: function in, EAX out
 * @ebx: EBX out
 * @ecx: index in, ECX out
 * @edx: EDX out
 */
void vmm_cpuid(struct vmm_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	const struct cpuid_set *set = &vcpu->cpuid;
	u32 function = *eax, index = *ecx;
	struct kvm_cpuid_entry2 *e = cpuid_lookup(set, function, index);
	bool found = e;

	if (!e)
		e = cpuid_absent(set, function, index);
	*eax = e ? e->eax : 0;
	*ebx = e ? e->ebx : 0;
	*ecx = e ? e->ecx : 0;
	*edx = e ? e->edx : 0;
	/* Past the last level of a topology, its level number and the APIC id still stand. */
	if (!e && (function == 0xb || function == 0x1f)) {
		e = cpuid_lookup(set, function, 1);
		if (e) {
			*ecx = index & 0xff;
			*edx = e->edx;
		}
	}
	trace_vmm_cpuid(function, index, *eax, *ebx, *ecx, *edx, found);
}

static noinline int handle_cpuid_slowly(struct vmm_vcpu *vcpu)
{
	u32 eax = vmm_reg(vcpu, VMM_RAX), ecx = vmm_reg(vcpu, VMM_RCX), ebx, edx;

	vmm_cpuid(vcpu, &eax, &ebx, &ecx, &edx);
	vmm_set_reg(vcpu, VMM_RAX, eax);
	vmm_set_reg(vcpu, VMM_RBX, ebx);
	vmm_set_reg(vcpu, VMM_RCX, ecx);
	vmm_set_reg(vcpu, VMM_RDX, edx);
	return vmm_skip_instruction(vcpu);
}

/**
 * vmm_handle_cpuid() - exit handler of CPUID
 * @vcpu: its thread; interrupts may be off
 *
 * Return: as an exit handler.
 */
int vmm_handle_cpuid(struct vmm_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = cpuid_lookup(&vcpu->cpuid, vmm_reg(vcpu, VMM_RAX),
							vmm_reg(vcpu, VMM_RCX));

	if (unlikely(!e || trace_vmm_cpuid_enabled()))
		return handle_cpuid_slowly(vcpu);
	vmm_set_reg(vcpu, VMM_RAX, e->eax);
	vmm_set_reg(vcpu, VMM_RBX, e->ebx);
	vmm_set_reg(vcpu, VMM_RCX, e->ecx);
	vmm_set_reg(vcpu, VMM_RDX, e->edx);
	return vmm_skip_instruction(vcpu);
}
