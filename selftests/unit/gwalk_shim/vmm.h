/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What kmod/mmu/gwalk.c takes from the module: a vCPU of plain fields, and the door to guest memory,
 * which the test provides.
 */
#ifndef GWALK_SHIM_VMM_H
#define GWALK_SHIM_VMM_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

#define BIT(n)			(1ul << (n))
#define BIT_ULL(n)		(1ull << (n))
#define GENMASK_ULL(h, l)	((~0ull << (l)) & (~0ull >> (63 - (h))))
#ifndef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#endif
#define clamp(x, lo, hi)	((x) < (lo) ? (lo) : (x) > (hi) ? (hi) : (x))

#define X86_CR0_PE		BIT(0)
#define X86_CR0_WP		BIT(16)
#define X86_CR0_PG		BIT(31)
#define X86_CR4_PSE		BIT(4)
#define X86_CR4_PAE		BIT(5)
#define X86_CR4_LA57		BIT(12)
#define X86_CR4_SMEP		BIT(20)
#define X86_CR4_SMAP		BIT(21)
#define X86_CR4_PKE		BIT(22)
#define EFER_LMA		BIT(10)
#define EFER_NX			BIT(11)
#define X86_EFLAGS_AC		BIT(18)

#define VMM_ACCESS_READ		BIT(0)
#define VMM_ACCESS_WRITE	BIT(1)
#define VMM_ACCESS_EXEC		BIT(2)
#define VMM_ACCESS_USER		BIT(3)

struct vmm_vm;

struct vmm_vcpu {
	struct vmm_vm *vm;
	unsigned long cr0, cr3, cr4, rflags;
	u64 efer, pdptrs[4];
	bool pdptrs_stale;
	u32 pkru;
	struct {
		u8 maxphyaddr;
		bool gbpages;
	} caps;
};

struct vmm_backend {
	struct {
		bool pdptes;
	} caps;
};

extern struct vmm_backend vmm_backend;

#define vmm_cr0(v)		((v)->cr0)
#define vmm_cr3(v)		((v)->cr3)
#define vmm_cr4(v)		((v)->cr4)
#define vmm_rflags(v)		((v)->rflags)
#define vmm_paging(v)		((v)->cr0 & X86_CR0_PG)
#define vmm_long_mode(v)	((v)->efer & EFER_LMA)

int vmm_read_guest(struct vmm_vm *vm, u64 gpa, void *data, unsigned long len);
int vmm_cmpxchg_guest(struct vmm_vm *vm, u64 gpa, void *old, const void *new, unsigned int len);
int vmm_gva_to_gpa(struct vmm_vcpu *vcpu, u64 gva, u32 access, u64 *gpa, u32 *error_code);
int vmm_load_pdptrs(struct vmm_vcpu *vcpu, unsigned long cr3);

#endif /* GWALK_SHIM_VMM_H */
