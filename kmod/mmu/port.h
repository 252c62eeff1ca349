/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the page-table engine needs from its surroundings: types, atomic access to
 * an entry, and the way between a table's address and its physical address. The
 * engine includes nothing else, so that the same source is model-checked in user
 * space (selftests/unit/mmu_test.c).
 */
#ifndef VMM_MMU_PORT_H
#define VMM_MMU_PORT_H

#ifdef __KERNEL__

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <asm/page.h>

#define pt_read(entry)			READ_ONCE(*(entry))
#define pt_xchg(entry, value)		xchg(entry, value)
/* On failure *old becomes what the entry holds. */
#define pt_try_cmpxchg(entry, old, new)	try_cmpxchg64(entry, old, new)
#define pt_table_pa(table)		((u64)__pa(table))
#define pt_table_va(pa)			((u64 *)__va(pa))

#else

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;

#define BIT_ULL(n)			(1ULL << (n))
#define GENMASK_ULL(h, l)		((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define min(a, b)			((a) < (b) ? (a) : (b))
#define max(a, b)			((a) > (b) ? (a) : (b))

/* What was read may be out of date at once: the test makes sure that it often is. */
void pt_race(u64 *entry);
#define pt_read(entry)	({							\
	u64 value_ = __atomic_load_n(entry, __ATOMIC_RELAXED);			\
	pt_race(entry);								\
	value_;									\
})
#define pt_xchg(entry, value)		__atomic_exchange_n(entry, value, __ATOMIC_SEQ_CST)
#define pt_try_cmpxchg(entry, old, new)						\
	__atomic_compare_exchange_n(entry, old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define pt_table_pa(table)		((u64)(uintptr_t)(table))
#define pt_table_va(pa)			((u64 *)(uintptr_t)(pa))

#endif /* __KERNEL__ */

#endif /* VMM_MMU_PORT_H */
