// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's own page tables, walked by software as the CPU does: 32-bit, PAE, 4-level and
 * 5-level paging, rights (WP, SMEP, SMAP, PKU, NX), reserved bits, accessed and dirty flags.
 *
 * SDM 4.3 to 4.7; APM volume 2 chapter 5. walk() is written once and compiled per paging mode:
 * its callers pass constants.
 */
#include "vmm.h"
#include "gwalk.h"

#define PT_PRESENT	BIT_ULL(0)
#define PT_WRITE	BIT_ULL(1)
#define PT_USER		BIT_ULL(2)
#define PT_ACCESSED	BIT_ULL(5)
#define PT_DIRTY	BIT_ULL(6)
#define PT_PS		BIT_ULL(7)
#define PT_NX		BIT_ULL(63)
#define PT_ADDR		GENMASK_ULL(51, 12)

#define ERR_P		BIT(0)
#define ERR_W		BIT(1)
#define ERR_U		BIT(2)
#define ERR_RSVD		BIT(3)
#define ERR_ID		BIT(4)
#define ERR_PK		BIT(5)

/* How often a walk starts over because another agent changed an entry under it */
#define WALK_ATTEMPTS	16

#define MAX_LEVELS	5

struct paging {
	u8 levels;
	u8 index_bits;
	u8 entry_size;
	bool pae;	/* top level is the PDPTEs held in registers */
	bool lng;	/* 4- and 5-level: bits 62:52 ignored */
};

/* What one walk found */
struct walk {
	u64 gpa[MAX_LEVELS];	/* of the entries, index level - 1 */
	u64 pte[MAX_LEVELS];
	u64 rights;		/* PT_WRITE and PT_USER of all levels, PT_NX of any */
	unsigned int level;	/* of the leaf */
};

static u64 reserved_bits(struct vmm_vcpu *vcpu, const struct paging *p, unsigned int level,
			 bool large)
{
	u64 rsvd = 0;

	/* A 4 MiB page: above the address bits that the processor has (PSE-36) */
	if (p->entry_size == 4)
		return large ? GENMASK_ULL(21, clamp((int)vcpu->caps.maxphyaddr, 32, 40) - 19) : 0;
	if (vcpu->caps.maxphyaddr < 52)
		rsvd = GENMASK_ULL(51, vcpu->caps.maxphyaddr);
	if (!p->lng)
		rsvd |= GENMASK_ULL(62, 52);
	if (!(vcpu->efer & EFER_NX))
		rsvd |= PT_NX;
	if (level > 3 || (level == 3 && !vcpu->caps.gbpages))
		rsvd |= PT_PS;
	if (large)
		rsvd |= GENMASK_ULL(12 + 9 * (level - 1) - 1, 13);
	return rsvd;
}

static bool is_leaf(struct vmm_vcpu *vcpu, const struct paging *p, unsigned int level, u64 pte)
{
	if (level == 1)
		return true;
	if (!(pte & PT_PS))
		return false;
	if (p->entry_size == 4)
		return vmm_cr4(vcpu) & X86_CR4_PSE;
	return level <= 3;
}

/*
 * What must be clear in a present PDPTE of PAE paging (SDM 4.4.1). A processor leaves bit 5
 * alone; QEMU's TCG sets it as the accessed bit when it walks under nested paging.
 */
static u64 pdpte_reserved(struct vmm_vcpu *vcpu)
{
	u64 rsvd = BIT_ULL(1) | BIT_ULL(2) | GENMASK_ULL(8, 5) | GENMASK_ULL(63, 52);

	if (!vmm_backend.caps.pdptes)
		rsvd &= ~PT_ACCESSED;
	if (vcpu->caps.maxphyaddr < 52)
		rsvd |= GENMASK_ULL(51, vcpu->caps.maxphyaddr);
	return rsvd;
}

/*
 * The PDPTE for @gva: from the registers that CR3 writes load, or on AMD-V under nested
 * paging from memory each time, where a reserved bit is a page fault (APM 15.25.10) and
 * the guest loads CR3 without an exit. Returns as walk() does.
 */
static int pdpte_for(struct vmm_vcpu *vcpu, u64 gva, u64 *pdpte, u32 *error)
{
	unsigned int i = (gva >> 30) & 3;

	*pdpte = vcpu->pdptrs[i];
	if (!vmm_backend.caps.pdptes &&
	    vmm_read_guest(vcpu->vm, (vmm_cr3(vcpu) & 0xffffffe0ul) + i * sizeof(*pdpte), pdpte,
			   sizeof(*pdpte)))
		return -EFAULT;
	*error = *pdpte & PT_PRESENT ? ERR_P | ERR_RSVD : 0;
	return !(*pdpte & PT_PRESENT) || (*pdpte & pdpte_reserved(vcpu));
}

/* 0: @w is filled; 1: fault with *error (W, U, I/D not included); -EFAULT: table not in memory */
static __always_inline int walk(struct vmm_vcpu *vcpu, const struct paging p, u64 gva,
				struct walk *w, u32 *error)
{
	unsigned int level, shift;
	u64 table, pte;
	int r;

	w->rights = PT_WRITE | PT_USER;
	if (p.pae) {
		r = pdpte_for(vcpu, gva, &pte, error);
		if (r)
			return r;
		table = pte & PT_ADDR;
	} else {
		table = vmm_cr3(vcpu) & (p.entry_size == 4 ? 0xfffff000ull : PT_ADDR);
	}
	for (level = p.levels; level >= 1; level--) {
		shift = 12 + p.index_bits * (level - 1);
		w->gpa[level - 1] = table + ((gva >> shift) & (BIT(p.index_bits) - 1)) *
				    p.entry_size;
		pte = 0;
		if (vmm_read_guest(vcpu->vm, w->gpa[level - 1], &pte, p.entry_size))
			return -EFAULT;
		w->pte[level - 1] = pte;
		w->level = level;
		if (!(pte & PT_PRESENT)) {
			*error = 0;
			return 1;
		}
		if (pte & reserved_bits(vcpu, &p, level,
					level > 1 && is_leaf(vcpu, &p, level, pte))) {
			*error = ERR_P | ERR_RSVD;
			return 1;
		}
		w->rights &= pte | PT_NX;
		w->rights |= pte & PT_NX;
		if (is_leaf(vcpu, &p, level, pte))
			return 0;
		table = pte & PT_ADDR;
	}
	return -EFAULT;		/* not reached: level 1 is a leaf */
}

/* Rights of SDM 4.6.1: is the access forbidden? */
static bool forbidden(struct vmm_vcpu *vcpu, const struct walk *w, u32 access)
{
	bool user = access & VMM_ACCESS_USER, wp = vmm_cr0(vcpu) & X86_CR0_WP;
	bool write = access & VMM_ACCESS_WRITE, exec = access & VMM_ACCESS_EXEC;
	unsigned long cr4 = vmm_cr4(vcpu);

	if (user && !(w->rights & PT_USER))
		return true;
	if (write && !(w->rights & PT_WRITE) && (user || wp))
		return true;
	if (exec && (w->rights & PT_NX))
		return true;
	if (user || !(w->rights & PT_USER))
		return false;
	if (exec)
		return cr4 & X86_CR4_SMEP;
	return (cr4 & X86_CR4_SMAP) &&
	       ((access & VMM_ACCESS_IMPLICIT) || !(vmm_rflags(vcpu) & X86_EFLAGS_AC));
}

/* Does the page's protection key forbid it (SDM 4.6.2)? */
static bool key_forbids(struct vmm_vcpu *vcpu, const struct walk *w, u32 access)
{
	bool supervisor = !(access & VMM_ACCESS_USER);
	unsigned int denied;

	if (!(vmm_cr4(vcpu) & X86_CR4_PKE) || (access & VMM_ACCESS_EXEC) ||
	    !(w->rights & PT_USER))
		return false;
	denied = vcpu->pkru >> (2 * (w->pte[w->level - 1] >> 59 & 15));
	if (denied & 1)
		return true;
	if (!(denied & 2) || !(access & VMM_ACCESS_WRITE))
		return false;
	return !supervisor || (vmm_cr0(vcpu) & X86_CR0_WP);
}

/* 0, or the error code's P and PK; PK whatever else forbids the access (SDM 4.7) */
static u32 check_rights(struct vmm_vcpu *vcpu, const struct walk *w, bool lng, u32 access)
{
	if (lng && key_forbids(vcpu, w, access))
		return ERR_P | ERR_PK;
	return forbidden(vcpu, w, access) ? ERR_P : 0;
}

/* Set A on the way and A, D at the leaf. False: an entry changed meanwhile, walk again */
static bool mark_used(struct vmm_vcpu *vcpu, const struct paging *p, struct walk *w, bool write)
{
	unsigned int level;
	u64 old, new;

	for (level = p->levels; level >= w->level; level--) {
		old = w->pte[level - 1];
		new = old | PT_ACCESSED;
		if (level == w->level && write)
			new |= PT_DIRTY;
		if (new == old)
			continue;
		/*
		 * Tables in read-only memory keep their flags: -EFAULT is no reason to stop
		 * (the entry was just read, so it is memory).
		 */
		if (vmm_cmpxchg_guest(vcpu->vm, w->gpa[level - 1], &old, &new, p->entry_size) > 0)
			return false;
	}
	return true;
}

static u64 leaf_address(const struct paging *p, const struct walk *w, u64 gva)
{
	u64 pte = w->pte[w->level - 1];
	u64 offset = BIT_ULL(12 + p->index_bits * (w->level - 1)) - 1, base;

	if (p->entry_size == 4 && w->level == 2)
		base = (pte & 0xffc00000) | (pte >> 13 & 0xff) << 32;	/* PSE-36 */
	else
		base = pte & (p->entry_size == 4 ? 0xfffff000ull : PT_ADDR);
	return (base & ~offset) | (gva & offset);
}

static __always_inline int translate(struct vmm_vcpu *vcpu, const struct paging p, u64 gva,
				     u32 access, u64 *gpa, u32 *error_code)
{
	u32 error = 0;
	struct walk w;
	int r, i;

	for (i = 0; i < WALK_ATTEMPTS; i++) {
		r = walk(vcpu, p, gva, &w, &error);
		if (r < 0)
			return r;
		if (!r) {
			error = check_rights(vcpu, &w, p.lng, access);
			r = error != 0;
		}
		if (r) {
			if (access & VMM_ACCESS_WRITE)
				error |= ERR_W;
			if (access & VMM_ACCESS_USER)
				error |= ERR_U;
			if ((access & VMM_ACCESS_EXEC) &&
			    ((p.entry_size == 8 && (vcpu->efer & EFER_NX)) ||
			     (vmm_cr4(vcpu) & X86_CR4_SMEP)))
				error |= ERR_ID;
			*error_code = error;
			return 1;
		}
		if (mark_used(vcpu, &p, &w, access & VMM_ACCESS_WRITE)) {
			*gpa = leaf_address(&p, &w, gva);
			return 0;
		}
	}
	return -EFAULT;
}

/**
 * vmm_gva_to_gpa() - guest-linear to guest-physical, with the CPU's checks and side effects
 * @vcpu: vCPU thread, SRCU held; may sleep
 * @gva: linear address, canonical
 * @access: VMM_ACCESS_READ, WRITE, EXEC, USER, IMPLICIT
 * @gpa: result
 * @error_code: of the #PF
 *
 * Return: 0 with *gpa; 1 with *error_code (SDM 4.7); -EFAULT when a table lies outside memory, or
 * never holds still.
 */
int vmm_gva_to_gpa(struct vmm_vcpu *vcpu, u64 gva, u32 access, u64 *gpa, u32 *error_code)
{
	if (!vmm_paging(vcpu)) {
		*gpa = (u32)gva;
		return 0;
	}
	if (vmm_long_mode(vcpu)) {
		if (vmm_cr4(vcpu) & X86_CR4_LA57)
			return translate(vcpu, (struct paging) {
				.levels = 5, .index_bits = 9, .entry_size = 8, .lng = true,
			}, gva, access, gpa, error_code);
		return translate(vcpu, (struct paging) {
			.levels = 4, .index_bits = 9, .entry_size = 8, .lng = true,
		}, gva, access, gpa, error_code);
	}
	gva = (u32)gva;
	if (vmm_cr4(vcpu) & X86_CR4_PAE)
		return translate(vcpu, (struct paging) {
			.levels = 2, .index_bits = 9, .entry_size = 8, .pae = true,
		}, gva, access, gpa, error_code);
	return translate(vcpu, (struct paging) {
		.levels = 2, .index_bits = 10, .entry_size = 4,
	}, gva, access, gpa, error_code);
}

/**
 * vmm_load_pdptrs() - read the four PAE page-directory-pointer entries, as MOV to CR3 does
 * @vcpu: vCPU thread, SRCU held; may sleep
 * @cr3: value being loaded; bits 31:5 are the address
 *
 * Return: 0 with vcpu->pdptrs replaced; 1 when a reserved bit is set or the table is not in
 * memory, for #GP(0) (SDM 4.4.1).
 */
int vmm_load_pdptrs(struct vmm_vcpu *vcpu, unsigned long cr3)
{
	u64 rsvd = pdpte_reserved(vcpu), pdpte[4];
	int i;

	if (vmm_read_guest(vcpu->vm, cr3 & 0xffffffe0ul, pdpte, sizeof(pdpte)))
		return 1;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & PT_PRESENT) && (pdpte[i] & rsvd))
			return 1;
	memcpy(vcpu->pdptrs, pdpte, sizeof(pdpte));
	vcpu->pdptrs_stale = false;
	return 0;
}
