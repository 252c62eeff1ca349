// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk of the guest's page tables (kmod/mmu/gwalk.c) in memory of the test's own: each paging
 * mode, each right, reserved bits, error codes, accessed and dirty flags; then random tables in
 * every mode against a second walker, written from the manual (SDM 4.3 to 4.8).
 */
#include <check.h>
#include <stdlib.h>

#include "vmm.h"
#include "../../kmod/mmu/gwalk.h"
#include "run_suite.h"

#define P	1ull
#define W	2ull
#define U	4ull
#define A	0x20ull
#define D	0x40ull
#define PS	0x80ull
#define NX	BIT_ULL(63)

/* Error codes */
#define E_P	1u
#define E_W	2u
#define E_U	4u
#define E_RSVD	8u
#define E_ID	0x10u
#define E_PK	0x20u

#define RD	VMM_ACCESS_READ
#define WR	VMM_ACCESS_WRITE
#define EX	VMM_ACCESS_EXEC
#define USER	VMM_ACCESS_USER

#define MEM	0x10000u
#define T5	0x1000u		/* tables, one a level */
#define T4	0x2000u
#define T3	0x3000u
#define T2	0x4000u
#define T1	0x5000u
#define ROM	0x8000u		/* from here on cmpxchg finds read-only memory */

#define GVA	0x00c0201abcull	/* index 3 of level 3, 1 of level 2 (PAE, long), 1 of level 1 */

struct vmm_backend vmm_backend;

static u8 mem[MEM] __attribute__((aligned(8)));
static struct vmm_vcpu v;
static unsigned int steal;	/* so often another agent changes the entry first */
static u64 stolen;		/* bits it sets */

int vmm_read_guest(struct vmm_vm *vm, u64 gpa, void *data, unsigned long len)
{
	(void)vm;
	if (gpa >= MEM || gpa + len > MEM)
		return -EFAULT;
	memcpy(data, mem + gpa, len);
	return 0;
}

int vmm_cmpxchg_guest(struct vmm_vm *vm, u64 gpa, void *old, const void *new, unsigned int len)
{
	(void)vm;
	if (gpa >= ROM)
		return -EFAULT;
	if (steal) {
		steal--;
		*(u64 *)(mem + gpa) |= stolen;
		if (!stolen)
			return 1;
	}
	if (memcmp(mem + gpa, old, len)) {
		memcpy(old, mem + gpa, len);
		return 1;
	}
	memcpy(mem + gpa, new, len);
	return 0;
}

static u64 get(u32 table, unsigned int i)
{
	u64 e;

	memcpy(&e, mem + table + 8 * i, 8);
	return e;
}

static void set(u32 table, unsigned int i, u64 e)
{
	memcpy(mem + table + 8 * i, &e, 8);
}

static u32 get32(u32 table, unsigned int i)
{
	u32 e;

	memcpy(&e, mem + table + 4 * i, 4);
	return e;
}

static void set32(u32 table, unsigned int i, u32 e)
{
	memcpy(mem + table + 4 * i, &e, 4);
}

/* ---- the modes, each mapping GVA to 0x77000 + its offset with all rights ------------------ */

static void base(void)
{
	memset(mem, 0, sizeof(mem));
	memset(&v, 0, sizeof(v));
	v.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
	v.rflags = 2;
	v.caps.maxphyaddr = 48;
	v.caps.gbpages = true;
	vmm_backend.caps.pdptes = true;
	steal = 0;
}

static void legacy(void)
{
	base();
	v.cr3 = T2;
	v.cr4 = X86_CR4_PSE;
	set32(T2, GVA >> 22 & 1023, T1 | P | W | U);
	set32(T1, GVA >> 12 & 1023, 0x77000 | P | W | U);
}

static void pae(void)
{
	base();
	v.cr3 = T3 | 0x60;
	v.cr4 = X86_CR4_PAE;
	v.efer = EFER_NX;
	set(T3 + 0x60, 3, T2 | P);
	set(T2, 1, T1 | P | W | U);
	set(T1, 1, 0x77000 | P | W | U);
	ck_assert_int_eq(vmm_load_pdptrs(&v, v.cr3), 0);
}

static void long4(void)
{
	base();
	v.cr3 = T4;
	v.cr4 = X86_CR4_PAE;
	v.efer = EFER_NX | EFER_LMA;
	set(T4, 0, T3 | P | W | U);
	set(T3, 3, T2 | P | W | U);
	set(T2, 1, T1 | P | W | U);
	set(T1, 1, 0x77000 | P | W | U);
}

static void long5(void)
{
	long4();
	v.cr3 = T5;
	v.cr4 |= X86_CR4_LA57;
	set(T5, 2, T4 | P | W | U);
}

#define GVA5	(GVA | 2ull << 48)

static u64 gpa;
static u32 err;

static void maps(u64 gva, u32 access, u64 to)
{
	gpa = ~0ull;
	ck_assert_int_eq(vmm_gva_to_gpa(&v, gva, access, &gpa, &err), 0);
	ck_assert_uint_eq(gpa, to);
}

static void faults(u64 gva, u32 access, u32 error)
{
	err = ~0u;
	ck_assert_int_eq(vmm_gva_to_gpa(&v, gva, access, &gpa, &err), 1);
	ck_assert_uint_eq(err, error);
}

START_TEST(without_paging_linear_is_physical)
{
	base();
	v.cr0 = X86_CR0_PE;
	maps(0x1234567, RD, 0x1234567);
	maps(0x1ffffffff, WR, 0xffffffff);
}
END_TEST

START_TEST(thirty_two_bit_paging)
{
	legacy();
	maps(GVA, RD, 0x77abc);
	maps(0x100000000 | GVA, RD, 0x77abc);		/* 32 bits of it */
	faults(GVA + 0x1000, RD, 0);
	faults(GVA + 0x1000, WR | USER, E_W | E_U);
	faults(0x12345678, EX, 0);			/* no NX, no SMEP: no I/D */
	v.cr4 |= X86_CR4_SMEP;
	faults(0x12345678, EX, E_ID);
	v.cr3 = T2 | 0xfff;				/* PWT, PCD and ignored bits */
	maps(GVA, RD, 0x77abc);
}
END_TEST

START_TEST(pse_36_large_pages)
{
	legacy();
	set32(T2, GVA >> 22 & 1023, 0x00c00000 | 0x5a << 13 | PS | P | W | U);
	maps(GVA, RD, 0x5a00c00000ull | (GVA & 0x3fffff));
	v.cr4 = 0;					/* PS is ignored: the entry names a table */
	ck_assert_int_eq(vmm_gva_to_gpa(&v, GVA, RD, &gpa, &err), -EFAULT);
	v.cr4 = X86_CR4_PSE;
	set32(T2, GVA >> 22 & 1023, 0x00c00000 | 1 << 21 | PS | P | W | U);
	faults(GVA, RD, E_P | E_RSVD);
	/* address bits that the processor does not have */
	v.caps.maxphyaddr = 36;
	set32(T2, GVA >> 22 & 1023, 0x00c00000 | 0x0f << 13 | PS | P | W | U);
	maps(GVA, RD, 0xf00c00000ull | (GVA & 0x3fffff));
	set32(T2, GVA >> 22 & 1023, 0x00c00000 | 0x10 << 13 | PS | P | W | U);
	faults(GVA, RD, E_P | E_RSVD);
}
END_TEST

START_TEST(pae_paging)
{
	pae();
	maps(GVA, WR, 0x77abc);
	faults(GVA & 0x3fffffff, RD, 0);		/* PDPTE 0 */
	set(T2, 1, 0xdeadbe00000ull | PS | P | W | U);
	maps(GVA, RD, 0xdeadbe00000ull | (GVA & 0x1fffff));
	set(T2, 1, 0xdeadbe00000ull | BIT(13) | PS | P | W | U);
	faults(GVA, RD, E_P | E_RSVD);
	set(T2, 1, T1 | P | W | U | BIT_ULL(52));	/* 62:52 are reserved here */
	faults(GVA, RD, E_P | E_RSVD);
	set(T2, 1, T1 | P | W | U | NX);
	faults(GVA, EX, E_P | E_ID);
	maps(GVA, RD, 0x77abc);
	v.efer = 0;
	faults(GVA, RD, E_P | E_RSVD);			/* NX is reserved without NXE */
}
END_TEST

START_TEST(pae_directory_pointers_are_loaded_or_walked)
{
	pae();
	set(T3 + 0x60, 3, 0);				/* the registers keep the old one */
	maps(GVA, RD, 0x77abc);
	vmm_backend.caps.pdptes = false;
	faults(GVA, RD, 0);
	set(T3 + 0x60, 3, T2 | P | W);			/* a reserved bit: a fault of the walk */
	faults(GVA, RD, E_P | E_RSVD);
	vmm_backend.caps.pdptes = true;
	ck_assert_int_eq(vmm_load_pdptrs(&v, v.cr3), 1);
	maps(GVA, RD, 0x77abc);				/* refused: nothing was replaced */
	set(T3 + 0x60, 3, T2 | P | BIT_ULL(48));	/* beyond MAXPHYADDR */
	ck_assert_int_eq(vmm_load_pdptrs(&v, v.cr3), 1);
	set(T3 + 0x60, 3, W);				/* not present: ignored */
	ck_assert_int_eq(vmm_load_pdptrs(&v, v.cr3), 0);
	faults(GVA, RD, 0);
	ck_assert_int_eq(vmm_load_pdptrs(&v, MEM), 1);
}
END_TEST

START_TEST(four_level_paging)
{
	long4();
	maps(GVA, WR | USER, 0x77abc);
	faults(GVA | BIT_ULL(39), RD, 0);
	set(T2, 1, 0xabcdefe00000ull | PS | P | W | U);
	maps(GVA, RD, 0xabcdefe00000ull | (GVA & 0x1fffff));
	set(T3, 3, 0xabcdc0000000ull | PS | P | W | U);
	maps(GVA, RD, 0xabcdc0000000ull | (GVA & 0x3fffffff));
	v.caps.gbpages = false;
	faults(GVA, RD, E_P | E_RSVD);
	long4();
	set(T4, 0, T3 | PS | P | W | U);		/* PS in a PML4E */
	faults(GVA, RD, E_P | E_RSVD);
	set(T4, 0, T3 | P | W | U | BIT_ULL(52) | BIT_ULL(58));	/* 62:52 are ignored */
	maps(GVA, RD, 0x77abc);
	set(T1, 1, 0x77000 | P | W | U | BIT_ULL(48));	/* beyond MAXPHYADDR */
	faults(GVA, WR, E_P | E_W | E_RSVD);
	set(T1, 1, 0x77000 | W | U | BIT_ULL(48));	/* not present: nothing else counts */
	faults(GVA, WR, E_W);
	long4();
	set(T2, 1, MEM | P | W | U);			/* a table that is no memory */
	ck_assert_int_eq(vmm_gva_to_gpa(&v, GVA, RD, &gpa, &err), -EFAULT);
}
END_TEST

START_TEST(five_level_paging)
{
	long5();
	maps(GVA5, WR | USER, 0x77abc);
	faults(GVA, RD, 0);
	set(T5, 2, T4 | PS | P | W | U);
	faults(GVA5, RD, E_P | E_RSVD);
	set(T5, 2, T4 | P | U);
	faults(GVA5, WR, E_P | E_W);
}
END_TEST

START_TEST(user_and_write_are_rights_of_all_levels)
{
	static const struct { u32 table; unsigned int i; } at[] = {
		{ T4, 0 }, { T3, 3 }, { T2, 1 }, { T1, 1 },
	};
	unsigned int i;
	u64 e;

	for (i = 0; i < 4; i++) {
		long4();
		e = get(at[i].table, at[i].i);
		set(at[i].table, at[i].i, e & ~U);
		faults(GVA, RD | USER, E_P | E_U);
		faults(GVA, EX | USER, E_P | E_U | E_ID);
		maps(GVA, WR, 0x77abc);
		set(at[i].table, at[i].i, e & ~W);
		faults(GVA, WR | USER, E_P | E_U | E_W);
		faults(GVA, WR, E_P | E_W);
		maps(GVA, RD | USER, 0x77abc);
		v.cr0 &= ~X86_CR0_WP;
		maps(GVA, WR, 0x77abc);
		faults(GVA, WR | USER, E_P | E_U | E_W);
		v.cr0 |= X86_CR0_WP;
		set(at[i].table, at[i].i, e | NX);
		faults(GVA, EX | USER, E_P | E_U | E_ID);
		faults(GVA, EX, E_P | E_ID);
		maps(GVA, WR | USER, 0x77abc);
	}
}
END_TEST

START_TEST(smep_keeps_the_kernel_from_user_code)
{
	long4();
	maps(GVA, EX, 0x77abc);
	v.cr4 |= X86_CR4_SMEP;
	faults(GVA, EX, E_P | E_ID);
	maps(GVA, EX | USER, 0x77abc);
	maps(GVA, RD, 0x77abc);
	set(T3, 3, get(T3, 3) & ~U);
	maps(GVA, EX, 0x77abc);				/* a supervisor page */
}
END_TEST

START_TEST(smap_keeps_the_kernel_from_user_data)
{
	long4();
	v.cr4 |= X86_CR4_SMAP;
	faults(GVA, RD, E_P);
	faults(GVA, WR, E_P | E_W);
	maps(GVA, EX, 0x77abc);
	maps(GVA, RD | USER, 0x77abc);
	v.rflags |= X86_EFLAGS_AC;
	maps(GVA, WR, 0x77abc);
	faults(GVA, RD | VMM_ACCESS_IMPLICIT, E_P);	/* AC is for explicit accesses */
	set(T1, 1, get(T1, 1) & ~U);
	maps(GVA, RD | VMM_ACCESS_IMPLICIT, 0x77abc);
}
END_TEST

START_TEST(protection_keys)
{
	long4();
	set(T1, 1, get(T1, 1) | 5ull << 59);
	v.pkru = 1u << 10;				/* AD of key 5 */
	maps(GVA, WR | USER, 0x77abc);
	v.cr4 |= X86_CR4_PKE;
	faults(GVA, RD | USER, E_P | E_U | E_PK);
	faults(GVA, RD, E_P | E_PK);			/* the kernel too, on a user page */
	maps(GVA, EX | USER, 0x77abc);
	v.pkru = 2u << 10;				/* WD */
	maps(GVA, RD | USER, 0x77abc);
	faults(GVA, WR | USER, E_P | E_W | E_U | E_PK);
	faults(GVA, WR, E_P | E_W | E_PK);
	v.cr0 &= ~X86_CR0_WP;
	maps(GVA, WR, 0x77abc);
	v.cr0 |= X86_CR0_WP;
	set(T2, 1, get(T2, 1) & ~W);			/* both forbid it: both are told */
	faults(GVA, WR | USER, E_P | E_W | E_U | E_PK);
	set(T2, 1, get(T2, 1) & ~U);			/* a supervisor page has no key */
	v.pkru = 3u << 10;
	maps(GVA, RD, 0x77abc);
	faults(GVA, RD | USER, E_P | E_U);
}
END_TEST

START_TEST(accessed_and_dirty_are_set_as_used)
{
	long4();
	maps(GVA, RD, 0x77abc);
	ck_assert_uint_eq(get(T4, 0), T3 | P | W | U | A);
	ck_assert_uint_eq(get(T3, 3), T2 | P | W | U | A);
	ck_assert_uint_eq(get(T2, 1), T1 | P | W | U | A);
	ck_assert_uint_eq(get(T1, 1), 0x77000 | P | W | U | A);
	maps(GVA, WR, 0x77abc);
	ck_assert_uint_eq(get(T2, 1), T1 | P | W | U | A);	/* no D but in the leaf */
	ck_assert_uint_eq(get(T1, 1), 0x77000 | P | W | U | A | D);
	long4();
	set(T1, 1, 0x77000 | P);
	faults(GVA, WR, E_P | E_W);
	ck_assert_uint_eq(get(T1, 1), 0x77000 | P);		/* not used, not marked */
	legacy();
	maps(GVA, WR, 0x77abc);
	ck_assert_uint_eq(get32(T1, GVA >> 12 & 1023), 0x77000 | P | W | U | A | D);
	ck_assert_uint_eq(get32(T1, (GVA >> 12 & 1023) + 1), 0);
	pae();
	maps(GVA, WR, 0x77abc);
	ck_assert_uint_eq(get(T3 + 0x60, 3), T2 | P);		/* a PDPTE has none */
	ck_assert_uint_eq(get(T2, 1), T1 | P | W | U | A);
}
END_TEST

START_TEST(tables_in_read_only_memory_keep_their_flags)
{
	long4();
	set(ROM, 1, 0x77000 | P | W | U);
	set(T2, 1, ROM | P | W | U);
	maps(GVA, WR, 0x77abc);
	ck_assert_uint_eq(get(ROM, 1), 0x77000 | P | W | U);
	ck_assert_uint_eq(get(T2, 1), ROM | P | W | U | A);
}
END_TEST

START_TEST(an_entry_that_changes_is_walked_again)
{
	long4();
	steal = 3;
	stolen = BIT(9);				/* an ignored bit */
	maps(GVA, WR, 0x77abc);
	ck_assert_uint_eq(get(T4, 0), T3 | P | W | U | A | BIT(9));
	ck_assert_uint_eq(get(T1, 1) & (A | D), A | D);
	/* another right, or a reserved bit, seen on the second look */
	long4();
	set(T1, 1, get(T1, 1) | A | D);
	set(T2, 1, get(T2, 1) | A);
	set(T3, 3, get(T3, 3) | A);
	steal = 1;
	stolen = NX;
	faults(GVA, EX, E_P | E_ID);
	/* one that never holds still is given up */
	long4();
	steal = ~0u;
	stolen = 0;
	ck_assert_int_eq(vmm_gva_to_gpa(&v, GVA, RD, &gpa, &err), -EFAULT);
}
END_TEST

/* ---- random tables against a second walker -------------------------------------------------- */

static u64 seed = 0x9e3779b97f4a7c15ull;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool one_in(unsigned int n)
{
	return rnd() % n == 0;
}

/* The answer of the manual: -1 table not in memory, 0 mapped, 1 fault */
static int model(u64 gva, u32 access, u64 *to, u32 *error)
{
	bool lng = v.efer & EFER_LMA, wide = v.cr4 & X86_CR4_PAE, la57 = lng && v.cr4 & X86_CR4_LA57;
	bool nxe = wide && v.efer & EFER_NX, user = access & USER, write = access & WR;
	bool exec = access & EX, can_u = true, can_w = true, nx = false, bad = false, pk = false;
	int level = la57 ? 5 : lng ? 4 : wide ? 3 : 2, m = v.caps.maxphyaddr;
	unsigned int bits = wide ? 9 : 10, key = 0;
	u64 table = v.cr3 & (lng ? 0xffffffffff000ull : wide ? 0xffffffe0 : 0xfffff000), e, page = 0;

	*error = (write ? E_W : 0) | (user ? E_U : 0) |
		 (exec && (nxe || v.cr4 & X86_CR4_SMEP) ? E_ID : 0);
	for (;; level--) {
		unsigned int shift = 12 + bits * (level - 1);
		u64 at = table + (gva >> shift & ((1 << bits) - 1)) * (wide ? 8 : 4);
		bool leaf;

		e = 0;
		if (level == 3 && !lng) {
			e = v.pdptrs[gva >> 30 & 3];
			if (!(e & P))
				return 1;
			table = e & 0xffffffffff000ull;
			continue;
		}
		if (at + 8 > MEM)
			return -1;
		memcpy(&e, mem + at, wide ? 8 : 4);
		if (!(e & P))
			return 1;
		leaf = level == 1 || (e & PS && (level == 2 ? wide || v.cr4 & X86_CR4_PSE : true));
		if (wide) {
			for (int b = m; b < 52; b++)
				bad |= e >> b & 1;
			for (int b = 52; b < 63 && !lng; b++)
				bad |= e >> b & 1;
			bad |= (e & NX) && !nxe;
			bad |= (e & PS) && (level >= 4 || (level == 3 && !v.caps.gbpages));
			if (leaf && level > 1)
				for (unsigned int b = 13; b < shift; b++)
					bad |= e >> b & 1;
		} else if (leaf && level == 2) {
			bad |= e >> 21 & 1;
			for (int b = 13; b < 21; b++)
				bad |= (e >> b & 1) && b - 13 + 32 >= m;
		}
		if (bad) {
			*error |= E_P | E_RSVD;
			return 1;
		}
		can_u &= !!(e & U);
		can_w &= !!(e & W);
		nx |= !!(e & NX);
		if (!leaf) {
			table = e & (wide ? 0xffffffffff000ull : 0xfffff000);
			continue;
		}
		if (!wide && level == 2)
			page = (e & 0xffc00000) | (e >> 13 & 0xff) << 32;
		else
			page = e & 0xffffffffff000ull & ~((1ull << shift) - 1);
		*to = page | (gva & ((1ull << shift) - 1));
		break;
	}
	key = e >> 59 & 15;
	if (user ? !can_u : (can_u && ((exec && v.cr4 & X86_CR4_SMEP) ||
	    (!exec && v.cr4 & X86_CR4_SMAP &&
	     (access & VMM_ACCESS_IMPLICIT || !(v.rflags & X86_EFLAGS_AC))))))
		bad = true;
	if (write && !can_w && (user || v.cr0 & X86_CR0_WP))
		bad = true;
	if (exec && nx)
		bad = true;
	if (lng && v.cr4 & X86_CR4_PKE && can_u && !exec) {
		pk = v.pkru >> 2 * key & 1;
		pk |= write && (v.pkru >> 2 * key & 2) && (user || v.cr0 & X86_CR0_WP);
	}
	if (!bad && !pk)
		return 0;
	*error |= E_P | (pk ? E_PK : 0);
	return 1;
}

static u64 random_entry(u32 next)
{
	u64 e = next | P | W | U;

	if (one_in(12))
		e &= ~P;
	if (one_in(4))
		e &= ~W;
	if (one_in(4))
		e &= ~U;
	if (one_in(6))
		e |= NX;
	if (one_in(5))
		e |= PS;
	if (one_in(8))
		e |= 1ull << rnd() % 64;
	if (one_in(16))
		e |= rnd() & 0xffffffe00000ull;
	return e | (rnd() & 15) << 59;
}

static void random_machine(void)
{
	unsigned int i, mode = rnd() % 4;

	base();
	v.cr0 = X86_CR0_PE | X86_CR0_PG | (rnd() & X86_CR0_WP);
	v.cr4 = rnd() & (X86_CR4_PSE | X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE);
	v.efer = rnd() & EFER_NX;
	v.rflags = 2 | (rnd() & X86_EFLAGS_AC);
	v.pkru = (u32)rnd();
	v.caps.maxphyaddr = 32 + rnd() % 21;
	v.caps.gbpages = rnd() & 1;
	if (mode) {
		v.cr4 |= X86_CR4_PAE;
		v.efer |= mode > 1 ? EFER_LMA : 0;
		v.cr4 |= mode > 2 ? X86_CR4_LA57 : 0;
	}
	v.cr3 = mode == 3 ? T5 : mode == 2 ? T4 : mode == 1 ? T3 : T2;
	for (i = 0; i < 4; i++) {
		set(T5, i, random_entry(T4));
		set(T4, i, random_entry(T3));
		set(T3, i, random_entry(T2));
		set(T2, i, random_entry(T1));
		set(T1, i, random_entry(0x77000));
	}
	if (!mode)
		for (i = 0; i < 8; i++) {
			set32(T2, i, (u32)random_entry(T1));
			set32(T1, i, (u32)random_entry(0x77000));
		}
	for (i = 0; i < 4; i++)
		v.pdptrs[i] = mode == 1 && !one_in(8) ? T2 | P : 0;
}

START_TEST(random_tables_are_walked_as_the_manual_says)
{
	static const u32 kinds[] = { RD, WR, EX, RD | USER, WR | USER, EX | USER,
				     RD | VMM_ACCESS_IMPLICIT, WR | VMM_ACCESS_IMPLICIT };
	unsigned long outcome[3] = { 0 };
	u32 access, want_error;
	u64 gva, want = 0;
	int i, got, r;

	for (i = 0; i < 2000000; i++) {
		random_machine();
		gva = (rnd() & 3) << 12 | (rnd() & 0xfff);
		if (v.cr4 & X86_CR4_PAE)
			gva |= (rnd() & 3) << 21 | (rnd() & 3) << 30 | (rnd() & 3) << 39 |
			       (rnd() & 3) << 48;
		else
			gva |= (rnd() & 7) << 22;
		if (!(v.efer & EFER_LMA))
			gva = (u32)gva;
		access = kinds[rnd() % 8];
		r = model(gva, access, &want, &want_error);
		got = vmm_gva_to_gpa(&v, gva, access, &gpa, &err);
		outcome[r + 1]++;
		if ((r < 0) != (got < 0) || (r >= 0 && got != r) || (!r && gpa != want) ||
		    (r == 1 && err != want_error))
			ck_abort_msg("%d: gva %#lx access %#x cr0 %#lx cr4 %#lx efer %#lx: %d %#lx %#x, "
				     "the manual's %d %#lx %#x", i, (long)gva, access, v.cr0, v.cr4,
				     (long)v.efer, got, (long)gpa, err, r, (long)want, want_error);
	}
	/* the tables are such that much of everything happens */
	ck_assert_uint_gt(outcome[1], 100000);
	ck_assert_uint_gt(outcome[2], 100000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gwalk");
	TCase *t = tcase_create("gwalk");

	tcase_add_test(t, without_paging_linear_is_physical);
	tcase_add_test(t, thirty_two_bit_paging);
	tcase_add_test(t, pse_36_large_pages);
	tcase_add_test(t, pae_paging);
	tcase_add_test(t, pae_directory_pointers_are_loaded_or_walked);
	tcase_add_test(t, four_level_paging);
	tcase_add_test(t, five_level_paging);
	tcase_add_test(t, user_and_write_are_rights_of_all_levels);
	tcase_add_test(t, smep_keeps_the_kernel_from_user_code);
	tcase_add_test(t, smap_keeps_the_kernel_from_user_data);
	tcase_add_test(t, protection_keys);
	tcase_add_test(t, accessed_and_dirty_are_set_as_used);
	tcase_add_test(t, tables_in_read_only_memory_keep_their_flags);
	tcase_add_test(t, an_entry_that_changes_is_walked_again);
	tcase_add_test(t, random_tables_are_walked_as_the_manual_says);
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	return run_suite(s);
}
