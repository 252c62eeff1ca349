/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page-table engine: one walker, mapper, splitter, zapper, catcher of writes and
 * ager for every format of 512-entry, 8-byte tables (EPT, NPT; the shadow formats).
 * A format says what its bits mean; the engine never names one.
 *
 * Who may do what, with respect to the lock that guards the tree (vmm_mmu.lock):
 *	shared (read)		look up, map, catch writes, age, allow writing
 *	exclusive (write)	zap, split, replace, anything that unlinks a table
 * Shared users race with each other and with the CPU's setting of accessed and
 * dirty bits, hence every change of an entry is one atomic operation. A table is
 * unlinked under the exclusive lock only, so a shared user never holds a stale one.
 */
#ifndef VMM_MMU_ENGINE_H
#define VMM_MMU_ENGINE_H

#include "mmu/port.h"

#define VMM_PT_ENTRIES		512
#define VMM_PT_MAX_LEVELS	5

/* Levels count from the leaves: 1 is 4 KiB, 2 is 2 MiB, 3 is 1 GiB. */
#define VMM_PT_4K	1
#define VMM_PT_2M	2
#define VMM_PT_1G	3

/*
 * Bits for software, ignored by the CPU in every format (SDM table 28-7: 11, 52;
 * APM 5.4.1: AVL 11:9 and 62:52).
 */
#define VMM_PT_HOST_WRITE	BIT_ULL(11)	/* the host lets the page be written */
#define VMM_PT_SPECIAL		BIT_ULL(52)	/* no page of the host's memory management */

/* Meaning of the bits of an entry. A mask of 0: the format has no such thing. */
struct vmm_pt_format {
	const char *name;
	u64 present;		/* any of these set: the CPU uses the entry */
	u64 huge;		/* at levels 2 and up: a leaf */
	u64 addr;		/* physical address */
	u64 write;		/* set: may be written */
	u64 exec, noexec;	/* set: may, may not be executed */
	u64 accessed, dirty;	/* set by the CPU */
	bool logged;		/* ... which notes each 4 KiB page that it sets dirty for (SDM 29.3.6) */
	u64 table;		/* all of an entry that points to a table, but its address */
	u64 leaf;		/* fixed part of a leaf: readable */
	u64 wb, uc;		/* memory type of a leaf */
	bool encrypt;		/* addresses carry the host's memory encryption bit */
};

/* One tree. */
struct vmm_pt {
	const struct vmm_pt_format *format;
	u64 *root;
	u64 encrypt;		/* memory encryption bit, or 0 */
	u8 levels;
	u8 max_leaf;		/* highest level at which a leaf may stand */
};

/* Zeroed tables allocated before the lock is taken. */
#define VMM_PT_CACHE	8
struct vmm_pt_cache {
	u64 *table[VMM_PT_CACHE];
	int nr;
};

/* A mapping asked for. */
struct vmm_pt_leaf {
	u64 pfn;		/* aligned to the level */
	u8 level;
	bool write;		/* give write access now */
	bool host_write;	/* may be given without asking the host again */
	bool exec;
	bool dirty;		/* a write is about to happen */
	bool special;
	bool uncached;
};

/* One whole table and the way to it. */
#define VMM_PT_MIN_BUDGET	(2 * VMM_PT_ENTRIES)

/* Rights to test an entry for. */
#define VMM_PT_WRITE	BIT_ULL(0)
#define VMM_PT_EXEC	BIT_ULL(1)

/* Answers of vmm_pt_map(). */
enum vmm_pt_result {
	VMM_PT_MAPPED,		/* the entry was installed or got more rights */
	VMM_PT_SPURIOUS,	/* nothing to do: it allows the access already */
	VMM_PT_NEED_EXCLUSIVE,	/* call again with the exclusive lock */
	VMM_PT_NEED_TABLES,	/* the cache is empty */
};

static inline u64 vmm_pt_pages(int level)
{
	return 1ULL << (9 * (level - 1));
}

static inline bool vmm_pt_present(const struct vmm_pt *pt, u64 entry)
{
	return entry & pt->format->present;
}

static inline bool vmm_pt_is_leaf(const struct vmm_pt *pt, u64 entry, int level)
{
	return level == VMM_PT_4K || (entry & pt->format->huge);
}

static inline u64 vmm_pt_pfn(const struct vmm_pt *pt, u64 entry)
{
	return (entry & pt->format->addr & ~pt->encrypt) >> 12;
}

/* Was the page written through this leaf? Without a dirty bit: might it have been? */
static inline bool vmm_pt_dirty(const struct vmm_pt *pt, u64 entry)
{
	return entry & (pt->format->dirty ? pt->format->dirty : pt->format->write);
}

static inline bool vmm_pt_accessed(const struct vmm_pt *pt, u64 entry)
{
	return !pt->format->accessed || (entry & pt->format->accessed);
}

bool vmm_pt_permits(const struct vmm_pt *pt, u64 entry, u32 rights);
u64 *vmm_pt_lookup(struct vmm_pt *pt, u64 gfn, int *level);
enum vmm_pt_result vmm_pt_map(struct vmm_pt *pt, struct vmm_pt_cache *cache, u64 gfn,
			      const struct vmm_pt_leaf *leaf, bool exclusive);
bool vmm_pt_allow_write(struct vmm_pt *pt, u64 *entry);
u64 vmm_pt_zap(struct vmm_pt *pt, u64 start, u64 end, unsigned int budget);
u64 vmm_pt_catch_writes(struct vmm_pt *pt, u64 start, u64 end, unsigned int budget,
			 bool *changed);
bool vmm_pt_catch_writes_one(struct vmm_pt *pt, u64 gfn);
bool vmm_pt_age(struct vmm_pt *pt, u64 start, u64 end, bool clear);

/*
 * What the engine tells its owner (mmu.c; the test's shim). The lock is held as the
 * operation demands.
 *
 * leaf_dropped: the leaf *was* @entry, and cached copies of it may still be in use:
 *	flush before the page goes back to the host. Exclusive.
 * leaf_written: the leaf was @entry and stays, but says no more that its page may have
 *	been written. Shared or exclusive.
 * table_dropped: @table is out of the tree, but CPUs may still be reading it: free
 *	it after the flush. Exclusive.
 * leaf_count: @n leaves more (fewer) at @level. Shared or exclusive.
 */
void vmm_pt_leaf_dropped(struct vmm_pt *pt, u64 gfn, int level, u64 entry);
void vmm_pt_leaf_written(struct vmm_pt *pt, u64 entry);
void vmm_pt_table_dropped(struct vmm_pt *pt, u64 *table);
void vmm_pt_leaf_count(struct vmm_pt *pt, int level, long n);

extern const struct vmm_pt_format vmm_ept_format;	/* no accessed and dirty bits */
extern const struct vmm_pt_format vmm_ept_ad_format;
extern const struct vmm_pt_format vmm_ept_pml_format;
extern const struct vmm_pt_format vmm_npt_format;

#endif /* VMM_MMU_ENGINE_H */
