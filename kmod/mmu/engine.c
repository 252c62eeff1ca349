// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-table engine; engine.h has the contract and the locking.
 */
#include "mmu/engine.h"

static unsigned int pt_index(u64 gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & (VMM_PT_ENTRIES - 1);
}

static u64 *pt_child(const struct vmm_pt *pt, u64 entry)
{
	return pt_table_va(entry & pt->format->addr & ~pt->encrypt);
}

static u64 pt_make_table(const struct vmm_pt *pt, u64 *table)
{
	return pt_table_pa(table) | pt->format->table | pt->encrypt;
}

static u64 pt_make_leaf(const struct vmm_pt *pt, const struct vmm_pt_leaf *leaf)
{
	const struct vmm_pt_format *f = pt->format;
	u64 entry = (leaf->pfn << 12) | f->leaf | f->accessed;

	if (leaf->level > VMM_PT_4K)
		entry |= f->huge;
	if (leaf->write)
		entry |= f->write;
	entry |= leaf->exec ? f->exec : f->noexec;
	if (leaf->dirty && leaf->write)
		entry |= f->dirty;
	if (leaf->host_write)
		entry |= VMM_PT_HOST_WRITE;
	if (leaf->special)
		entry |= VMM_PT_SPECIAL;
	/* Device memory is not encrypted. */
	entry |= leaf->uncached ? f->uc : f->wb | pt->encrypt;
	return entry;
}

static u64 *pt_cache_get(struct vmm_pt_cache *cache)
{
	return cache->nr ? cache->table[--cache->nr] : NULL;
}

static void pt_cache_put(struct vmm_pt_cache *cache, u64 *table)
{
	cache->table[cache->nr++] = table;
}

/* Clear @bits in an entry that the CPU may be setting bits in; returns what it was. */
static u64 pt_clear_bits(u64 *entry, u64 bits)
{
	u64 old = pt_read(entry);

	while ((old & bits) && !pt_try_cmpxchg(entry, &old, old & ~bits))
		;
	return old;
}

/**
 * vmm_pt_permits() - Does a leaf allow an access?
 * @pt: the tree
 * @entry: a leaf's value
 * @rights: VMM_PT_WRITE, VMM_PT_EXEC; reading is allowed by every present leaf
 */
bool vmm_pt_permits(const struct vmm_pt *pt, u64 entry, u32 rights)
{
	const struct vmm_pt_format *f = pt->format;

	if (!vmm_pt_present(pt, entry))
		return false;
	if ((rights & VMM_PT_WRITE) && !(entry & f->write))
		return false;
	if ((rights & VMM_PT_EXEC) && ((entry & f->noexec) || (f->exec && !(entry & f->exec))))
		return false;
	return true;
}

/**
 * vmm_pt_lookup() - Find the leaf that maps a frame.
 * @pt: the tree; lock held, shared or exclusive
 * @gfn: guest frame
 * @level: set to the leaf's level
 *
 * Return: the entry, or NULL when no leaf maps @gfn.
 */
u64 *vmm_pt_lookup(struct vmm_pt *pt, u64 gfn, int *level)
{
	u64 *table = pt->root;
	int l;

	if (gfn >= vmm_pt_pages(pt->levels + 1))
		return NULL;
	for (l = pt->levels; ; l--) {
		u64 *entry = &table[pt_index(gfn, l)];
		u64 value = pt_read(entry);

		if (!vmm_pt_present(pt, value))
			return NULL;
		if (vmm_pt_is_leaf(pt, value, l)) {
			*level = l;
			return entry;
		}
		table = pt_child(pt, value);
	}
}

/*
 * Put a table of smaller leaves in the place of a huge one. They map the same memory
 * with the same rights (and execution, where only hugeness forbade it), so what a
 * TLB still holds of the huge leaf stays true.
 */
static bool pt_split(struct vmm_pt *pt, struct vmm_pt_cache *cache, u64 *entry, int level,
		     bool exec)
{
	const struct vmm_pt_format *f = pt->format;
	u64 *table = pt_cache_get(cache);
	u64 old = pt_read(entry);
	unsigned int i;

	if (!table)
		return false;
	do {
		u64 child = old;

		if (level - 1 == VMM_PT_4K) {
			child &= ~f->huge;
			if (exec)
				child = (child & ~f->noexec) | f->exec;
		}
		for (i = 0; i < VMM_PT_ENTRIES; i++)
			table[i] = child + ((i * vmm_pt_pages(level - 1)) << 12);
	} while (!pt_try_cmpxchg(entry, &old, pt_make_table(pt, table)));

	vmm_pt_leaf_count(pt, level, -1);
	vmm_pt_leaf_count(pt, level - 1, VMM_PT_ENTRIES);
	return true;
}

/* Drop all that hangs below a table that is unlinked already, and the table. */
static void pt_drop_table(struct vmm_pt *pt, u64 *table, int level, u64 gfn)
{
	unsigned int i;

	for (i = 0; i < VMM_PT_ENTRIES; i++) {
		u64 old = pt_read(&table[i]);

		if (!vmm_pt_present(pt, old))
			continue;
		old = pt_xchg(&table[i], 0);
		if (vmm_pt_is_leaf(pt, old, level)) {
			vmm_pt_leaf_count(pt, level, -1);
			vmm_pt_leaf_dropped(pt, gfn + i * vmm_pt_pages(level), level, old);
		} else {
			pt_drop_table(pt, pt_child(pt, old), level - 1,
				      gfn + i * vmm_pt_pages(level));
		}
	}
	vmm_pt_table_dropped(pt, table);
}

/* The entry where the leaf belongs was reached: install, strengthen or replace. */
static enum vmm_pt_result pt_install(struct vmm_pt *pt, u64 *entry, u64 gfn,
				     const struct vmm_pt_leaf *leaf, bool exclusive)
{
	const struct vmm_pt_format *f = pt->format;
	u64 new = pt_make_leaf(pt, leaf), old = pt_read(entry);
	int level = leaf->level;

	for (;;) {
		u64 next = new;

		if (vmm_pt_present(pt, old)) {
			if (!vmm_pt_is_leaf(pt, old, level) || vmm_pt_pfn(pt, old) != leaf->pfn)
				break;
			next |= old & (f->write | f->exec | f->dirty);
			if (leaf->exec || !(old & f->noexec))
				next &= ~f->noexec;
			/* A look at the page clears nothing, and sets no accessed bit. */
			if (!((next ^ old) & ~f->accessed))
				return VMM_PT_SPURIOUS;
		}
		if (pt_try_cmpxchg(entry, &old, next)) {
			if (!vmm_pt_present(pt, old))
				vmm_pt_leaf_count(pt, level, 1);
			return VMM_PT_MAPPED;
		}
	}

	/* Smaller leaves, or another page of the host: they have to go first. */
	if (!exclusive)
		return VMM_PT_NEED_EXCLUSIVE;
	gfn &= ~(vmm_pt_pages(level) - 1);
	old = pt_xchg(entry, new);
	if (vmm_pt_is_leaf(pt, old, level)) {
		vmm_pt_leaf_dropped(pt, gfn, level, old);
	} else {
		vmm_pt_leaf_count(pt, level, 1);
		pt_drop_table(pt, pt_child(pt, old), level - 1, gfn);
	}
	return VMM_PT_MAPPED;
}

/**
 * vmm_pt_map() - Map a guest frame.
 * @pt: the tree; lock held, shared unless @exclusive
 * @cache: tables to take from: enough are @pt->levels - 1
 * @gfn: a frame in the range that the leaf maps
 * @leaf: what to map. A present leaf of the same page keeps the rights it has; a
 *	larger leaf that does not allow the access is split.
 * @exclusive: the lock is held exclusively
 */
enum vmm_pt_result vmm_pt_map(struct vmm_pt *pt, struct vmm_pt_cache *cache, u64 gfn,
			      const struct vmm_pt_leaf *leaf, bool exclusive)
{
	u32 rights = (leaf->write ? VMM_PT_WRITE : 0) | (leaf->exec ? VMM_PT_EXEC : 0);
	u64 *table = pt->root;
	int level;

	for (level = pt->levels; level > leaf->level; level--) {
		u64 *entry = &table[pt_index(gfn, level)];
		u64 old = pt_read(entry);

		if (!vmm_pt_present(pt, old)) {
			u64 *child = pt_cache_get(cache);

			if (!child)
				return VMM_PT_NEED_TABLES;
			if (pt_try_cmpxchg(entry, &old, pt_make_table(pt, child))) {
				table = child;
				continue;
			}
			/* Another vCPU was faster. */
			pt_cache_put(cache, child);
		}
		if (vmm_pt_is_leaf(pt, old, level)) {
			if (vmm_pt_permits(pt, old, rights))
				return VMM_PT_SPURIOUS;
			if (!exclusive)
				return VMM_PT_NEED_EXCLUSIVE;
			if (!pt_split(pt, cache, entry, level, leaf->exec))
				return VMM_PT_NEED_TABLES;
			old = pt_read(entry);
		}
		table = pt_child(pt, old);
	}
	return pt_install(pt, &table[pt_index(gfn, level)], gfn, leaf, exclusive);
}

/**
 * vmm_pt_allow_write() - Give back the write access that write-protection took.
 * @pt: the tree; lock held, shared or exclusive
 * @entry: a leaf from vmm_pt_lookup()
 *
 * Return: true when the leaf allows writing now, false when the host has to be asked.
 */
bool vmm_pt_allow_write(struct vmm_pt *pt, u64 *entry)
{
	const struct vmm_pt_format *f = pt->format;
	u64 old = pt_read(entry);

	do {
		if (!vmm_pt_present(pt, old))
			return false;
		if (old & f->write)
			return true;
		if (!(old & VMM_PT_HOST_WRITE))
			return false;
	} while (!pt_try_cmpxchg(entry, &old, old | f->write | f->accessed | f->dirty));
	return true;
}

/*
 * A visit of the leaves that overlap [start, end), in order of address. @prune:
 * unlink the tables that lie in the range wholly. @budget: entries to look at before
 * giving up.
 */
struct pt_walk {
	struct vmm_pt *pt;
	void (*visit)(struct pt_walk *w, u64 *entry, u64 value, int level, u64 gfn);
	bool prune;
	bool result;
	u64 start, end;
	unsigned int budget;
};

/* Returns the frame to go on with, or w->end. Recurses as deep as there are levels. */
static u64 pt_walk_table(struct pt_walk *w, u64 *table, int level, u64 base)
{
	u64 pages = vmm_pt_pages(level), gfn = max(w->start, base), next;
	unsigned int i = (gfn - base) / pages;

	for (gfn = base + i * pages; i < VMM_PT_ENTRIES && gfn < w->end; i++, gfn += pages) {
		u64 value = pt_read(&table[i]), *child;
		bool prune = w->prune && gfn >= w->start && gfn + pages <= w->end;

		if (!w->budget)
			return max(gfn, w->start);
		w->budget--;
		if (!vmm_pt_present(w->pt, value))
			continue;
		if (vmm_pt_is_leaf(w->pt, value, level)) {
			w->visit(w, &table[i], value, level, gfn);
			continue;
		}
		child = pt_child(w->pt, value);
		if (prune && level == VMM_PT_2M) {
			/* In one go, so that a table never stays behind half visited. */
			if (w->budget < VMM_PT_ENTRIES)
				return gfn;
			w->budget -= VMM_PT_ENTRIES;
		} else {
			next = pt_walk_table(w, child, level - 1, gfn);
			if (next < min(gfn + pages, w->end))
				return next;
		}
		if (prune) {
			pt_xchg(&table[i], 0);
			pt_drop_table(w->pt, child, level - 1, gfn);
		}
	}
	return min(gfn, w->end);
}

static u64 pt_walk(struct pt_walk *w)
{
	u64 limit = vmm_pt_pages(w->pt->levels + 1), end = w->end, next;

	w->end = min(end, limit);
	if (w->start >= w->end)
		return end;
	next = pt_walk_table(w, w->pt->root, w->pt->levels, 0);
	return next >= w->end ? end : next;
}

static void visit_zap(struct pt_walk *w, u64 *entry, u64 value, int level, u64 gfn)
{
	value = pt_xchg(entry, 0);
	vmm_pt_leaf_count(w->pt, level, -1);
	vmm_pt_leaf_dropped(w->pt, gfn, level, value);
}

/**
 * vmm_pt_zap() - Drop every leaf that overlaps a range of guest frames.
 * @pt: the tree; lock held exclusively
 * @start: first frame
 * @end: frame after the last
 * @budget: how many entries to look at, so that the lock is not held too long; at
 *	least VMM_PT_MIN_BUDGET, less may get nowhere
 *
 * A huge leaf that overlaps the range goes as a whole: the rest faults in again.
 *
 * Return: @end, or the frame to call again with.
 */
u64 vmm_pt_zap(struct vmm_pt *pt, u64 start, u64 end, unsigned int budget)
{
	struct pt_walk w = {
		.pt = pt, .visit = visit_zap, .prune = true,
		.start = start, .end = end, .budget = budget,
	};

	return pt_walk(&w);
}

/*
 * Small pages that the CPU notes by itself only have to be clean for that; others must
 * not be writable. Either may take away all that said the page may have been written.
 */
static bool pt_catch_writes(struct vmm_pt *pt, u64 *entry, int level)
{
	const struct vmm_pt_format *f = pt->format;
	u64 bit = f->logged && level == VMM_PT_4K ? f->dirty : f->write;
	u64 old = pt_clear_bits(entry, bit);

	if (!(old & bit))
		return false;
	if (!f->dirty || bit == f->dirty)
		vmm_pt_leaf_written(pt, old);
	return true;
}

static void visit_catch_writes(struct pt_walk *w, u64 *entry, u64 value, int level, u64 gfn)
{
	(void)value;
	(void)gfn;
	if (pt_catch_writes(w->pt, entry, level))
		w->result = true;
}

/**
 * vmm_pt_catch_writes() - Let no write to a range go unnoticed from now on.
 * @pt: the tree; lock held, shared or exclusive
 * @start: first frame
 * @end: frame after the last
 * @budget: as in vmm_pt_zap()
 * @changed: set when a leaf was changed, and the TLBs have to follow; else left alone
 *
 * The next write either faults, or is noted by the CPU: vmm_pt_format.logged.
 *
 * Return: @end, or the frame to call again with.
 */
u64 vmm_pt_catch_writes(struct vmm_pt *pt, u64 start, u64 end, unsigned int budget,
			bool *changed)
{
	struct pt_walk w = {
		.pt = pt, .visit = visit_catch_writes,
		.start = start, .end = end, .budget = budget,
	};
	u64 next = pt_walk(&w);

	*changed |= w.result;
	return next;
}

/**
 * vmm_pt_catch_writes_one() - vmm_pt_catch_writes() for the leaf that maps one frame.
 * @pt: the tree; lock held, shared or exclusive
 * @gfn: the frame
 *
 * Return: true when the leaf was changed.
 */
bool vmm_pt_catch_writes_one(struct vmm_pt *pt, u64 gfn)
{
	int level;
	u64 *entry = vmm_pt_lookup(pt, gfn, &level);

	return entry && pt_catch_writes(pt, entry, level);
}

static void visit_test_young(struct pt_walk *w, u64 *entry, u64 value, int level, u64 gfn)
{
	(void)entry;
	(void)level;
	(void)gfn;
	if (vmm_pt_accessed(w->pt, value))
		w->result = true;
}

static void visit_clear_young(struct pt_walk *w, u64 *entry, u64 value, int level, u64 gfn)
{
	(void)value;
	(void)level;
	(void)gfn;
	if (pt_clear_bits(entry, w->pt->format->accessed) & w->pt->format->accessed)
		w->result = true;
}

/**
 * vmm_pt_age() - Was anything in a range accessed since it was last asked?
 * @pt: the tree; lock held, shared or exclusive
 * @start: first frame
 * @end: frame after the last
 * @clear: start a new period. Only where the format has an accessed bit; the caller
 *	zaps instead where it has none.
 */
bool vmm_pt_age(struct vmm_pt *pt, u64 start, u64 end, bool clear)
{
	struct pt_walk w = {
		.pt = pt, .visit = clear ? visit_clear_young : visit_test_young,
		.start = start, .end = end, .budget = ~0u,
	};

	pt_walk(&w);
	return w.result;
}
