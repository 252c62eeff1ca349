// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page-table engine (kmod/mmu/engine.c and the formats) against a model.
 *
 * The model is an array: for each guest frame what maps it, and how. Random
 * operations run on both, with the CPU and another vCPU racing against each read of an
 * entry; then a walker written from the manuals, which knows nothing
 * of the engine's tables of bits, must find in the tables what the array says. A small
 * TLB caches translations as a CPU does, and must never hold one that the tables no
 * longer allow unless the engine has said that a flush is due.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mmu/engine.h"
#include "run_suite.h"

#define SPACE		(4ul << 18)		/* frames the model covers: 4 GiB */
#define OPS		6000
#define FULL_CHECK	300			/* operations between two checks of all */
#define TLB		256

struct frame {			/* what the leaf that maps this frame says */
	u64 pfn;		/* of this very frame */
	u8 level;		/* 0: not mapped */
	bool write, exec, host_write, special, accessed, dirty;
	bool caught;		/* the next write is not to go unnoticed */
};

struct tlb {
	bool valid, write, exec;
	u64 gfn, pfn;
};

static struct frame *model;
static struct vmm_pt pt;
static struct tlb tlb[TLB];
static long leaves[4];				/* as the engine counts */
static long tables;				/* allocated and not freed */
static bool flush_due;				/* said by the engine */
static bool checking_drops;
static u64 zap_start, zap_end;			/* while checking_drops */
static unsigned long drops;
static unsigned long written;			/* leaves told to have been */
static u64 **dropped;
static size_t nr_dropped, max_dropped;

/*
 * ck_assert() writes to a pipe each time, and these run by the hundred million; on
 * several threads, too.
 */
#define must_msg(c, ...)	do { if (!(c)) ck_abort_msg(__VA_ARGS__); } while (0)
#define must(c)			must_msg(c, "%s", #c)
#define must_op(a, op, b)	do {						\
	u64 a_ = (u64)(a), b_ = (u64)(b);					\
	must_msg((int64_t)(a_ - b_) op 0, "%s %s %s: %#lx, %#lx", #a, #op, #b,	\
		 (long)a_, (long)b_);						\
} while (0)
#define must_eq(a, b)		must_op(a, ==, b)
#define must_ne(a, b)		must_op(a, !=, b)
#define must_lt(a, b)		must_op(a, <, b)
#define must_le(a, b)		must_op(a, <=, b)

/* ---- random numbers: repeatable, printed nowhere but in the seed ---- */

static __thread u64 rng = 1;

static u64 rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static u64 below(u64 n)
{
	return rnd() % n;
}

static bool coin(void)
{
	return rnd() & 64;
}

/* ---- the owner's side of the engine ---- */

static u64 *table_alloc(void)
{
	u64 *table = aligned_alloc(4096, 4096);

	must(table);
	memset(table, 0, 4096);
	__atomic_add_fetch(&tables, 1, __ATOMIC_RELAXED);
	return table;
}

static void table_free(u64 *table)
{
	/* Whoever still reads it finds reserved bits. */
	memset(table, 0xff, 4096);
	free(table);
	__atomic_sub_fetch(&tables, 1, __ATOMIC_RELAXED);
}

static void cache_fill(struct vmm_pt_cache *cache)
{
	while (cache->nr < VMM_PT_CACHE)
		cache->table[cache->nr++] = table_alloc();
}

static void cache_empty(struct vmm_pt_cache *cache)
{
	while (cache->nr)
		table_free(cache->table[--cache->nr]);
}

static u64 leaf_base(u64 gfn)
{
	return gfn & ~(vmm_pt_pages(model[gfn].level) - 1);
}

static void model_unmap_leaf(u64 gfn)
{
	u64 first = leaf_base(gfn), n = vmm_pt_pages(model[gfn].level), i;

	for (i = first; i < first + n; i++)
		model[i].level = 0;
}

/* Each leaf is dropped once, as what it was, its dirtiness not lost. */
void vmm_pt_leaf_dropped(struct vmm_pt *t, u64 gfn, int level, u64 entry)
{
	flush_due = true;
	__atomic_add_fetch(&drops, 1, __ATOMIC_RELAXED);
	if (!checking_drops)
		return;
	must_lt(gfn, SPACE);
	must(gfn < zap_end && gfn + vmm_pt_pages(level) > zap_start);
	must_eq(model[gfn].level, level);
	must_eq(leaf_base(gfn), gfn);
	must_eq(vmm_pt_pfn(t, entry), model[gfn].pfn);
	must_eq(vmm_pt_dirty(t, entry),
			 t->format->dirty ? model[gfn].dirty : model[gfn].write);
	if (t->format->accessed)
		must_eq(vmm_pt_accessed(t, entry), model[gfn].accessed);
	must_eq(!!(entry & VMM_PT_SPECIAL), model[gfn].special);
	model_unmap_leaf(gfn);
}

/* The host must not take for clean what was written before writes were caught. */
void vmm_pt_leaf_written(struct vmm_pt *t, u64 entry)
{
	must(!t->format->dirty || t->format->logged);
	must(vmm_pt_dirty(t, entry));
	__atomic_add_fetch(&written, 1, __ATOMIC_RELAXED);
}

void vmm_pt_table_dropped(struct vmm_pt *t, u64 *table)
{
	(void)t;
	flush_due = true;
	if (nr_dropped == max_dropped) {
		max_dropped = max_dropped * 2 + 64;
		dropped = realloc(dropped, max_dropped * sizeof(*dropped));
		must(dropped);
	}
	dropped[nr_dropped++] = table;
}

void vmm_pt_leaf_count(struct vmm_pt *t, int level, long n)
{
	(void)t;
	__atomic_add_fetch(&leaves[level], n, __ATOMIC_RELAXED);
}

static void flush(void)
{
	memset(tlb, 0, sizeof(tlb));
	flush_due = false;
	while (nr_dropped)
		table_free(dropped[--nr_dropped]);
}

/* ---- the CPU: the formats again, from the manuals ---- */

struct translation {
	bool present, write, exec, accessed, dirty;
	int level;
	u64 pfn, *entry, raw;
};

static bool is_ept(void)
{
	return pt.format != &vmm_npt_format;
}

/* SDM tables 29-1 to 29-7, APM 5.3; fails on a reserved bit. */
static struct translation cpu_walk(u64 gfn)
{
	u64 pa = (u64)(uintptr_t)pt.root;
	struct translation t = { .write = true, .exec = true };
	int level;

	for (level = pt.levels; ; level--) {
		u64 *e = (u64 *)(uintptr_t)pa + ((gfn >> (9 * (level - 1))) & 511), v = *e;
		bool leaf = level == 1 || (v & (1 << 7));
		u64 address = v & 0x000ffffffffff000ull;

		if (is_ept() ? !(v & 7) : !(v & 1))
			return (struct translation){ .present = false };
		if (is_ept()) {
			must(v & 1);			/* W or X without R */
			t.write &= !!(v & 2);
			t.exec &= !!(v & 4);
			if (leaf) {
				u64 type = (v >> 3) & 7;

				/* WB ignoring the PAT, or UC. */
				must((type == 6 && (v & 64)) || (type == 0 && !(v & 64)));
			} else {
				must_eq(v & 0xf8, 0);	/* 7:3 reserved */
			}
			t.accessed = !!(v & (1 << 8));
			t.dirty = !!(v & (1 << 9));
			if (pt.format == &vmm_ept_format)
				must_eq(v & (3 << 8), 0);
		} else {
			must(v & (1 << 2));		/* nested accesses are user accesses */
			t.write &= !!(v & 2);
			t.exec &= !(v >> 63);
			if (!leaf)
				must_eq(v & 0x180, 0); /* PS, G: must be zero */
			t.accessed = !!(v & (1 << 5));
			t.dirty = !!(v & (1 << 6));
		}
		/* Tables and memory are encrypted, devices are not. */
		must(leaf || (address & pt.encrypt) == pt.encrypt);
		address &= ~pt.encrypt;
		must(level > 1 || !(v & (1 << 7)));	/* EPT: ignored; NPT: PAT */
		if (leaf) {
			u64 mask = vmm_pt_pages(level) - 1;

			must_le(level, 3);
			must_eq((address >> 12) & mask, 0);	/* reserved below the size */
			t.present = true;
			t.level = level;
			t.pfn = (address >> 12) + (gfn & mask);
			t.entry = e;
			t.raw = v;
			return t;
		}
		pa = address;
	}
}

static void cpu_touch(u64 gfn, const struct translation *t, bool write);

/* An access as the CPU makes it: through the TLB, else by a walk that sets A and D. */
static void cpu_access(u64 gfn, bool write)
{
	struct translation t = cpu_walk(gfn);

	if (!t.present || (write && !t.write))
		return;
	if (write && model[gfn].caught) {
		/* No fault: then it is noted because the page is clean. */
		must(pt.format->logged && t.level == 1 && !t.dirty);
		model[gfn].caught = false;
	}
	cpu_touch(gfn, &t, write);
	tlb[below(TLB)] = (struct tlb){
		.valid = true, .gfn = gfn, .pfn = t.pfn, .exec = t.exec,
		.write = write && t.write,
	};
}

/* ---- races: something happens right after the engine has read an entry ---- */

static bool racing_cpu;				/* accessed and dirty bits get set */
static const struct vmm_pt_leaf *racing_map;	/* another vCPU maps the same page */
static u64 racing_gfn;
static unsigned long reads;

static void model_map(u64 first, const struct vmm_pt_leaf *leaf, struct frame f)
{
	u64 i;

	for (i = 0; i < vmm_pt_pages(leaf->level); i++) {
		f.pfn = leaf->pfn + i;
		model[first + i] = f;
	}
}

static struct frame model_frame(const struct vmm_pt_leaf *leaf)
{
	return (struct frame){
		.level = leaf->level, .write = leaf->write, .exec = leaf->exec,
		.host_write = leaf->host_write, .special = leaf->special, .accessed = true,
		.dirty = leaf->dirty,
	};
}

static void cpu_touch(u64 gfn, const struct translation *t, bool write)
{
	u64 set = is_ept() ? 1 << 8 : 1 << 5, n = vmm_pt_pages(t->level), i;

	if (!pt.format->accessed)
		return;
	if (write)
		set |= is_ept() ? 1 << 9 : 1 << 6;
	__atomic_fetch_or(t->entry, set, __ATOMIC_SEQ_CST);
	gfn &= ~(n - 1);
	for (i = gfn; i < gfn + n; i++) {
		model[i].accessed = true;
		model[i].dirty |= write;
	}
}

void pt_race(u64 *entry)
{
	static struct vmm_pt_cache theirs;
	struct translation t;

	__atomic_add_fetch(&reads, 1, __ATOMIC_RELAXED);
	if (racing_cpu && !(rnd() & 3)) {
		t = cpu_walk(racing_gfn);
		if (t.present && t.entry == entry)
			cpu_touch(racing_gfn, &t, t.write);
	}
	if (racing_map && !(rnd() & 3)) {
		const struct vmm_pt_leaf *leaf = racing_map;
		bool cpu = racing_cpu;

		racing_map = NULL;	/* once, and not against itself */
		racing_cpu = false;
		cache_fill(&theirs);
		if (vmm_pt_map(&pt, &theirs, racing_gfn, leaf, false) == VMM_PT_MAPPED)
			model_map(racing_gfn & ~(vmm_pt_pages(leaf->level) - 1), leaf,
				  model_frame(leaf));
		cache_empty(&theirs);
		racing_cpu = cpu;
	}
}

static void check_frame(u64 gfn)
{
	struct translation t = cpu_walk(gfn);
	const struct frame *f = &model[gfn];

	must_msg(t.present == !!f->level, "gfn %#lx: present %d, model's level %d",
		      (long)gfn, t.present, f->level);
	if (!f->level)
		return;
	must_eq(t.level, f->level);
	must_eq(t.pfn, f->pfn);
	must_msg(t.write == f->write, "gfn %#lx: write %d", (long)gfn, t.write);
	must_msg(t.exec == f->exec, "gfn %#lx: exec %d", (long)gfn, t.exec);
	must_eq(!!(t.raw & VMM_PT_HOST_WRITE), f->host_write);
	must_eq(!!(t.raw & VMM_PT_SPECIAL), f->special);
	if (pt.format->accessed) {
		must_eq(t.accessed, f->accessed);
		must_eq(t.dirty, f->dirty);
	}
}

static long count_tables(u64 *table, int level)
{
	long n = 1;
	int i;

	for (i = 0; i < 512 && level > 1; i++) {
		u64 v = table[i];

		if ((v & pt.format->present) && !(v & pt.format->huge))
			n += count_tables((u64 *)(uintptr_t)(v & 0x000ffffffffff000ull & ~pt.encrypt),
					  level - 1);
	}
	return n;
}

static void check_all(void)
{
	long n[4] = { 0 };
	u64 gfn;

	for (gfn = 0; gfn < SPACE; gfn++) {
		check_frame(gfn);
		if (model[gfn].level && leaf_base(gfn) == gfn)
			n[model[gfn].level]++;
	}
	must_eq(n[1], leaves[1]);
	must_eq(n[2], leaves[2]);
	must_eq(n[3], leaves[3]);
}

/* What a CPU may have cached is true, unless the owner knows that it is not. */
static void check_tlb(bool weakened)
{
	int i;

	if (flush_due || weakened)
		flush();
	for (i = 0; i < TLB; i++) {
		struct translation t;

		if (!tlb[i].valid)
			continue;
		t = cpu_walk(tlb[i].gfn);
		must(t.present);
		must_eq(t.pfn, tlb[i].pfn);
		must(t.write || !tlb[i].write);
		must(t.exec || !tlb[i].exec);
	}
}

/* ---- operations ---- */

static struct vmm_pt_cache cache;

/* Frames near each other and near the boundaries meet often. */
static u64 some_gfn(void)
{
	static const u64 spots[] = { 0, 512, 1024, 262144, 262144 + 512, 524288, 786432, SPACE - 512 };
	u64 gfn;

	switch (below(8)) {
	case 0:
		return below(SPACE);
	case 1:
		return below(8) * 262144 / 2;
	default:
		gfn = spots[below(8)] + below(600) - 40;
		return gfn < SPACE ? gfn : 0;
	}
}

static void split_model(u64 gfn, int to, bool exec)
{
	u64 first = leaf_base(gfn), n, i;

	while (model[gfn].level > to) {
		first = leaf_base(gfn);
		n = vmm_pt_pages(model[gfn].level);
		for (i = first; i < first + n; i++) {
			model[i].level--;
			if (model[i].level == 1 && exec)
				model[i].exec = true;
		}
	}
}

/* The pages of the host: each 1 GiB of guest memory lies somewhere else. */
static u64 host_pfn(u64 gfn, unsigned int move)
{
	return gfn + ((gfn >> 18) * 3 + 8 + move * 64) * (1 << 18);
}

static void op_map(void)
{
	u64 gfn = some_gfn(), first, n, i;
	struct vmm_pt_leaf leaf = {
		.level = below(16) ? 1 + below(2) : 3,
		.exec = below(4),
		.host_write = coin(),
		.special = !below(4),
	};
	enum vmm_pt_result r, expected = VMM_PT_MAPPED;
	struct frame *f = &model[gfn], old, new;
	struct vmm_pt_leaf rival;
	bool split = false;

	leaf.uncached = leaf.special && coin();
	leaf.write = leaf.host_write && coin();
	leaf.dirty = leaf.write && coin();
	first = gfn & ~(vmm_pt_pages(leaf.level) - 1);
	n = vmm_pt_pages(leaf.level);
	/* Sometimes a page that was moved without an invalidation. */
	leaf.pfn = host_pfn(first, !below(8));

	/* What must happen, by the contract of vmm_pt_map(). */
	old = *f;
	if (old.level > leaf.level) {
		if ((!leaf.write || old.write) && (!leaf.exec || old.exec))
			expected = VMM_PT_SPURIOUS;
		else
			split = true;
	}

	cache_fill(&cache);
	checking_drops = false;
	racing_gfn = gfn;
	racing_cpu = true;
	if (expected == VMM_PT_SPURIOUS) {
		r = vmm_pt_map(&pt, &cache, gfn, &leaf, coin());
		racing_cpu = false;
		must_eq(r, VMM_PT_SPURIOUS);
		check_frame(gfn);
		return;
	}

	drops = 0;
	if (!old.level) {
		rival = leaf;
		rival.write = rival.dirty = leaf.host_write && coin();
		rival.exec = coin();
		racing_map = &rival;
	}
	r = vmm_pt_map(&pt, &cache, gfn, &leaf, false);
	racing_map = NULL;
	if (r == VMM_PT_NEED_EXCLUSIVE) {
		must_eq(drops, 0);
		check_frame(gfn);
		r = vmm_pt_map(&pt, &cache, gfn, &leaf, true);
	} else {
		/* Nothing was in the way. */
		must(!split);
	}
	racing_cpu = false;
	must(r == VMM_PT_MAPPED || r == VMM_PT_SPURIOUS);

	if (split)
		split_model(gfn, leaf.level, leaf.exec);
	old = *f;	/* as it was found, races included */
	new = model_frame(&leaf);
	if (old.level == leaf.level && old.pfn - (gfn - first) == leaf.pfn) {
		/* The same page: rights add up. */
		new.write |= old.write;
		new.exec |= old.exec;
		new.dirty |= old.dirty;
		if (r == VMM_PT_SPURIOUS)
			new.accessed = old.accessed;
		must_eq(drops, 0);
	} else {
		unsigned long gone = 0;

		must_eq(r, VMM_PT_MAPPED);
		for (i = first; i < first + n; i++)
			gone += model[i].level && leaf_base(i) == i;
		must_eq(drops, gone);
		must(!gone || flush_due);
	}
	model_map(first, &leaf, new);
}

static void op_zap(bool all)
{
	u64 start = all ? 0 : some_gfn(), end = all ? ~0ull : start + 1 + below(below(8) ? 700 : SPACE);
	u64 gfn, next = end;
	int rounds = 0;

	checking_drops = true;
	zap_start = start;
	zap_end = end;
	for (gfn = start; gfn < end; gfn = next) {
		next = vmm_pt_zap(&pt, gfn, end, VMM_PT_MIN_BUDGET + below(4096));
		must_msg(next > gfn && next <= end, "zap went from %#lx to %#lx of %#lx",
			      (long)gfn, (long)next, (long)end);
		must_lt(rounds++, 100000);
	}
	must_eq(next, end);
	checking_drops = false;
	/* The callbacks have emptied the model; nothing may be left that was in the range. */
	for (gfn = start; gfn < end && gfn < SPACE; gfn++)
		must_eq(model[gfn].level, 0);
	for (gfn = start; gfn < end && gfn < SPACE; gfn += 1 + below(64))
		check_frame(gfn);
}

/*
 * Returns how many leaves change: those that were writable or, where the CPU takes notes,
 * small and dirty. @lost: those that then do not say any more that they were written.
 */
static unsigned long model_catch_writes(u64 start, u64 end, unsigned long *lost)
{
	unsigned long changed = 0;
	u64 gfn, i, next;

	*lost = 0;
	for (gfn = start; gfn < end && gfn < SPACE; gfn = next) {
		const struct frame *f = &model[gfn];
		bool noted = pt.format->logged && f->level == 1;
		u64 first, n;

		next = gfn + 1;
		if (!f->level)
			continue;
		first = leaf_base(gfn);
		n = vmm_pt_pages(f->level);
		next = first + n;
		if (noted ? f->dirty : f->write) {
			changed++;
			*lost += noted || !pt.format->dirty;
		}
		for (i = first; i < first + n; i++) {
			if (noted)
				model[i].dirty = false;
			else
				model[i].write = false;
			model[i].caught = true;
		}
	}
	return changed;
}

static bool op_catch_writes(void)
{
	u64 start = some_gfn(), end = start + 1 + below(1500), gfn;
	unsigned long expected, lost;
	bool changed = false;

	written = 0;
	if (coin()) {
		/*
		 * The model last: the CPU may write until the very change. (Where it notes
		 * that, whether the engine saw it or not comes to the same.)
		 */
		racing_gfn = start;
		racing_cpu = !pt.format->logged;
		changed = vmm_pt_catch_writes_one(&pt, start);
		racing_cpu = false;
		expected = model_catch_writes(start, start + 1, &lost);
	} else {
		expected = model_catch_writes(start, end, &lost);
		for (gfn = start; gfn < end; )
			gfn = vmm_pt_catch_writes(&pt, gfn, end, VMM_PT_MIN_BUDGET, &changed);
	}
	must_eq(changed, expected > 0);
	must_eq(written, lost);
	return changed;
}

static void op_allow_write(void)
{
	u64 gfn = some_gfn(), first, n, i;
	struct frame *f = &model[gfn];
	int level;
	u64 *entry = vmm_pt_lookup(&pt, gfn, &level);
	bool allowed;

	must_eq(!!entry, !!f->level);
	if (!entry)
		return;
	must_eq(level, f->level);
	racing_gfn = gfn;
	racing_cpu = true;
	allowed = vmm_pt_allow_write(&pt, entry);
	racing_cpu = false;
	must_eq(allowed, f->write || f->host_write);
	if (!allowed || f->write)
		return;
	first = leaf_base(gfn);
	n = vmm_pt_pages(f->level);
	for (i = first; i < first + n; i++) {
		model[i].write = true;
		model[i].dirty = model[i].accessed = true;
		model[i].caught = false;
	}
}

static bool op_age(void)
{
	u64 start = some_gfn(), end = start + 1 + below(600), gfn, i;
	bool clear = coin() && pt.format->accessed, expected = false;

	for (gfn = start; gfn < end && gfn < SPACE; gfn++) {
		if (!model[gfn].level)
			continue;
		expected |= !pt.format->accessed || model[gfn].accessed;
		if (clear && model[gfn].accessed) {
			u64 first = leaf_base(gfn), n = vmm_pt_pages(model[gfn].level);

			for (i = first; i < first + n; i++)
				model[i].accessed = false;
		}
	}
	must_eq(vmm_pt_age(&pt, start, end, clear), expected);
	/* Cached copies with the accessed bit set stay right as translations. */
	return false;
}

static void setup_tree(const struct vmm_pt_format *format, int levels)
{
	pt = (struct vmm_pt){
		.format = format, .levels = levels, .max_leaf = VMM_PT_1G,
		.encrypt = format->encrypt && levels == 4 ? 1ull << 47 : 0,
		.root = table_alloc(),
	};
	model = calloc(SPACE, sizeof(*model));
	must(model);
	memset(leaves, 0, sizeof(leaves));
	memset(tlb, 0, sizeof(tlb));
}

static void teardown_tree(void)
{
	op_zap(true);
	flush();
	must_eq(leaves[1] | leaves[2] | leaves[3], 0);
	/* All tables below the root are gone, the walk's own too. */
	cache_empty(&cache);
	must_eq(count_tables(pt.root, pt.levels), tables);
	table_free(pt.root);
	free(model);
}

static const struct {
	const struct vmm_pt_format *format;
	int levels;
} trees[] = {
	{ &vmm_ept_format, 4 },
	{ &vmm_ept_ad_format, 4 },
	{ &vmm_ept_ad_format, 5 },
	{ &vmm_ept_pml_format, 4 },
	{ &vmm_npt_format, 4 },	/* with memory encryption */
	{ &vmm_npt_format, 5 },
};

START_TEST(random_operations_agree_with_the_model)
{
	int i;

	rng = 0x9e3779b97f4a7c15ull + _i;
	setup_tree(trees[_i].format, trees[_i].levels);
	for (i = 0; i < OPS; i++) {
		bool weakened = false;
		int j;

		switch (below(16)) {
		case 0 ... 6:
			op_map();
			break;
		case 7 ... 8:
			op_zap(false);
			break;
		case 9 ... 11:
			weakened = op_catch_writes();
			break;
		case 12 ... 13:
			op_allow_write();
			break;
		default:
			op_age();
		}
		check_tlb(weakened);
		for (j = 0; j < 8; j++) {
			cpu_access(some_gfn(), coin());
			check_frame(some_gfn());
		}
		if (i % FULL_CHECK == 0)
			check_all();
	}
	check_all();
	must_eq(count_tables(pt.root, pt.levels) + cache.nr, tables);
	teardown_tree();
}
END_TEST

static struct vmm_pt_leaf plain(u64 pfn, int level)
{
	return (struct vmm_pt_leaf){
		.pfn = pfn, .level = level, .write = true, .host_write = true, .exec = true,
	};
}

START_TEST(an_empty_cache_is_reported_and_nothing_breaks)
{
	struct vmm_pt_leaf leaf = plain(host_pfn(5, 0), 1);
	struct vmm_pt_cache none = { .nr = 0 };
	int have;

	setup_tree(trees[_i].format, trees[_i].levels);
	for (have = 0; have < pt.levels - 1; have++) {
		while (none.nr < (have ? 1 : 0))
			none.table[none.nr++] = table_alloc();
		must_eq(vmm_pt_map(&pt, &none, 5, &leaf, false), VMM_PT_NEED_TABLES);
		must_eq(none.nr, 0);
	}
	none.table[none.nr++] = table_alloc();
	must_eq(vmm_pt_map(&pt, &none, 5, &leaf, false), VMM_PT_MAPPED);
	must_eq(vmm_pt_map(&pt, &none, 5, &leaf, false), VMM_PT_SPURIOUS);
	model[5] = (struct frame){ .pfn = leaf.pfn, .level = 1, .write = true, .exec = true,
				   .host_write = true, .accessed = true };
	check_all();
	teardown_tree();
}
END_TEST

START_TEST(a_table_emptied_by_zap_makes_room_for_a_huge_leaf)
{
	struct vmm_pt_leaf leaf;
	u64 gfn;

	setup_tree(trees[_i].format, trees[_i].levels);
	for (gfn = 512; gfn < 1024; gfn += 7) {
		leaf = plain(host_pfn(gfn, 0), 1);
		cache_fill(&cache);
		must_eq(vmm_pt_map(&pt, &cache, gfn, &leaf, false), VMM_PT_MAPPED);
	}
	/* khugepaged: the host invalidates the 2 MiB, then maps them as one. */
	must_eq(vmm_pt_zap(&pt, 512, 1024, VMM_PT_MIN_BUDGET), 1024);
	must_eq(leaves[1], 0);
	must_eq(nr_dropped, 1);
	flush();
	leaf = plain(host_pfn(512, 0), 2);
	cache_fill(&cache);
	must_eq(vmm_pt_map(&pt, &cache, 700, &leaf, false), VMM_PT_MAPPED);
	must_eq(leaves[2], 1);
	must_eq(cpu_walk(700).pfn, host_pfn(700, 0));
	must_eq(vmm_pt_zap(&pt, 600, 601, VMM_PT_MIN_BUDGET), 601);
	must(!cpu_walk(700).present);
	teardown_tree();
}
END_TEST

START_TEST(frames_beyond_the_tree_are_not_found)
{
	struct vmm_pt_leaf leaf = plain(host_pfn(0, 0), 1);
	u64 limit;
	int level;
	bool changed = false;

	setup_tree(trees[_i].format, trees[_i].levels);
	limit = vmm_pt_pages(pt.levels + 1);
	/* What an index that wraps would find. */
	cache_fill(&cache);
	must_eq(vmm_pt_map(&pt, &cache, 0, &leaf, false), VMM_PT_MAPPED);
	model[0] = model_frame(&leaf);
	model[0].pfn = leaf.pfn;
	must(!vmm_pt_lookup(&pt, limit, &level));
	must(!vmm_pt_lookup(&pt, ~0ull >> 12, &level));
	must_eq(vmm_pt_zap(&pt, limit, ~0ull, VMM_PT_MIN_BUDGET), ~0ull);
	must_eq(vmm_pt_catch_writes(&pt, limit - 1, limit + 5, VMM_PT_MIN_BUDGET, &changed),
			  limit + 5);
	must(!vmm_pt_age(&pt, limit, limit + 1, false));
	must(!vmm_pt_catch_writes_one(&pt, limit));
	teardown_tree();
}
END_TEST

START_TEST(a_zap_looks_at_no_more_entries_than_its_budget)
{
	u64 gfn, next;

	setup_tree(trees[_i].format, trees[_i].levels);
	for (gfn = 0; gfn < 100 * 512; gfn += 3) {
		struct vmm_pt_leaf leaf = plain(host_pfn(gfn, 0), 1);

		cache_fill(&cache);
		must_eq(vmm_pt_map(&pt, &cache, gfn, &leaf, false), VMM_PT_MAPPED);
	}
	for (gfn = 1; gfn < SPACE; gfn = next) {
		reads = 0;
		next = vmm_pt_zap(&pt, gfn, SPACE, VMM_PT_MIN_BUDGET);
		must(next > gfn);
		/* An emptied table of tables is looked through once more. */
		must(reads <= VMM_PT_MIN_BUDGET + 2 * VMM_PT_ENTRIES);
	}
	must_eq(leaves[1], 1);
	memset(model, 0, SPACE * sizeof(*model));
	must_eq(vmm_pt_zap(&pt, 0, 1, VMM_PT_MIN_BUDGET), 1);
	teardown_tree();
}
END_TEST

/* ---- many at once: shared users race, an exclusive one comes between ---- */

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

static void *shared_user(void *seed)
{
	struct vmm_pt_cache mine = { .nr = 0 };
	int i;

	rng = (u64)(uintptr_t)seed * 0x9e3779b97f4a7c15ull;
	for (i = 0; i < 60000; i++) {
		u64 gfn = below(3000);
		struct vmm_pt_leaf leaf = plain(0, below(8) ? 1 : 2);
		enum vmm_pt_result r;
		bool changed = false;
		int level;
		u64 *entry;

		leaf.pfn = host_pfn(gfn & ~(vmm_pt_pages(leaf.level) - 1), 0);
		leaf.write = coin();
		cache_fill(&mine);
		pthread_rwlock_rdlock(&lock);
		r = vmm_pt_map(&pt, &mine, gfn, &leaf, false);
		if (r == VMM_PT_MAPPED) {
			entry = vmm_pt_lookup(&pt, gfn, &level);
			must(entry);
			/* As a CPU sets its bits: any time, without a lock of ours. */
			__atomic_fetch_or(entry, pt.format->accessed | pt.format->dirty,
					  __ATOMIC_SEQ_CST);
		}
		if (!below(8))
			vmm_pt_catch_writes(&pt, gfn, gfn + 64, VMM_PT_MIN_BUDGET, &changed);
		if (!below(8))
			vmm_pt_age(&pt, gfn, gfn + 64, pt.format->accessed);
		entry = vmm_pt_lookup(&pt, gfn, &level);
		if (entry && below(2))
			vmm_pt_allow_write(&pt, entry);
		pthread_rwlock_unlock(&lock);

		if (r == VMM_PT_NEED_EXCLUSIVE || !below(64)) {
			cache_fill(&mine);
			pthread_rwlock_wrlock(&lock);
			if (r == VMM_PT_NEED_EXCLUSIVE)
				must_ne(vmm_pt_map(&pt, &mine, gfn, &leaf, true),
						 VMM_PT_NEED_EXCLUSIVE);
			else
				vmm_pt_zap(&pt, gfn, gfn + below(1200), ~0u);
			flush();
			pthread_rwlock_unlock(&lock);
		}
	}
	cache_empty(&mine);
	return NULL;
}

START_TEST(concurrent_users_lose_no_leaf_and_no_table)
{
	pthread_t thread[4];
	long n[4] = { 0 };
	u64 gfn, i;

	checking_drops = false;
	setup_tree(trees[_i].format, trees[_i].levels);
	for (i = 0; i < 4; i++)
		must_eq(pthread_create(&thread[i], NULL, shared_user, (void *)(i + 1)), 0);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (gfn = 0; gfn < SPACE; ) {
		struct translation t = cpu_walk(gfn);

		if (t.present) {
			must_eq(t.pfn, host_pfn(gfn, 0));
			n[t.level]++;
		}
		gfn += t.present ? vmm_pt_pages(t.level) : 1;
	}
	must_eq(n[1], leaves[1]);
	must_eq(n[2], leaves[2]);
	must_eq(count_tables(pt.root, pt.levels), tables);
	must_eq(vmm_pt_zap(&pt, 0, ~0ull, ~0u), ~0ull);
	flush();
	must_eq(leaves[1] | leaves[2], 0);
	must_eq(tables, 1);
	table_free(pt.root);
	free(model);
}
END_TEST

int main(void)
{
	const int n = sizeof(trees) / sizeof(trees[0]);
	Suite *suite = suite_create("mmu");
	TCase *tc = tcase_create("engine");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, random_operations_agree_with_the_model, 0, n);
	tcase_add_loop_test(tc, an_empty_cache_is_reported_and_nothing_breaks, 0, n);
	tcase_add_loop_test(tc, a_table_emptied_by_zap_makes_room_for_a_huge_leaf, 0, n);
	tcase_add_loop_test(tc, frames_beyond_the_tree_are_not_found, 0, n);
	tcase_add_loop_test(tc, a_zap_looks_at_no_more_entries_than_its_budget, 0, n);
	tcase_add_loop_test(tc, concurrent_users_lose_no_leaf_and_no_table, 0, n);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
