// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers and descriptors: loading, far transfers, LAR and its relatives.
 *
 * SDM volume 3 chapters 3 (descriptors), 5 (protection); volume 2 for the order of checks. Gates
 * and task switches are not followed: EMUL_UNHANDLEABLE.
 */
#include "internal.h"

#define DESC_LIMIT(d)	((u32)((d) & 0xffff) | (u32)((d) >> 32 & 0xf0000))
#define DESC_BASE(d)	((u32)((d) >> 16 & 0xffffff) | (u32)((d) >> 32 & 0xff000000u))
#define DESC_ACCESS	5	/* byte with type, S, DPL, P */

enum far_kind { FAR_JUMP, FAR_RET };

static u32 desc_attr(u64 d)
{
	return (u32)(d >> 40 & 0xff) | (u32)(d >> 52 & 0xf) << 12;
}

static void desc_to_seg(u64 d, u16 sel, struct emul_seg *seg)
{
	seg->selector = sel;
	seg->attr = desc_attr(d);
	seg->base = DESC_BASE(d);
	seg->limit = DESC_LIMIT(d);
	if (seg->attr & EMUL_SEG_G)
		seg->limit = seg->limit << 12 | 0xfff;
}

static void null_seg(u16 sel, struct emul_seg *seg)
{
	memset(seg, 0, sizeof(*seg));
	seg->selector = sel;
	seg->attr = EMUL_SEG_UNUSABLE;
}

/* The error code of a selector */
static u32 sel_error(u16 sel)
{
	return sel & 0xfffc;
}

static enum emul_status bad_selector(struct emul *e, u8 vector, u16 sel)
{
	return emul_raise_err(e, vector, sel_error(sel));
}

/**
 * emul_seg_desc - read the descriptor that @sel names
 * @e: emulation
 * @sel: selector, not null
 * @desc: receives the descriptor; desc[1] its upper half, for a system descriptor with EFER.LMA
 * @la: receives its linear address
 * @vector: exception for a selector beyond its table
 */
enum emul_status emul_seg_desc(struct emul *e, u16 sel, u64 desc[2], u64 *la, u8 vector)
{
	const struct emul_seg *ldt;
	struct emul_dtable gdt;
	u32 limit, off = sel & 0xfff8;
	u64 base;
	bool big;

	if (sel & 4) {
		ldt = emul_get_seg(e, EMUL_LDTR);
		if (ldt->attr & EMUL_SEG_UNUSABLE)
			return bad_selector(e, vector, sel);
		base = ldt->base;
		limit = ldt->limit;
	} else {
		if (!e->ops->get_gdt)
			return EMUL_UNHANDLEABLE;
		e->ops->get_gdt(e, &gdt);
		base = gdt.base;
		limit = gdt.limit;
	}
	if (off + 7 > limit)
		return bad_selector(e, vector, sel);
	*la = base + off;
	desc[1] = 0;
	TRY(emul_read_la(e, *la, desc, 8, EMUL_ACC_SYSTEM));
	big = !(desc_attr(desc[0]) & EMUL_SEG_S) && emul_lma(e);
	if (big) {
		if (off + 15 > limit)
			return bad_selector(e, vector, sel);
		TRY(emul_read_la(e, *la + 8, &desc[1], 8, EMUL_ACC_SYSTEM));
	}
	return EMUL_OK;
}

/* Set a bit in the descriptor's access byte (accessed, TSS busy): a locked write by the CPU */
static enum emul_status mark_desc(struct emul *e, u64 la, u64 *desc, u8 bit)
{
	u8 old = (u8)(*desc >> 40), new = old | bit;

	if (old == new)
		return EMUL_OK;
	if (!e->ops->cmpxchg)
		return EMUL_UNHANDLEABLE;
	TRY((e->ops->cmpxchg)(e, la + DESC_ACCESS, &old, &new, 1,
			    EMUL_ACC_SYSTEM | EMUL_ACC_WRITE));
	*desc |= (u64)bit << 40;
	return EMUL_OK;
}

/* Real and virtual-8086 mode: base from the selector; real mode keeps limit and attributes */
static enum emul_status load_seg_real(struct emul *e, unsigned int sreg, u16 sel)
{
	struct emul_seg seg = *emul_get_seg(e, sreg);

	seg.selector = sel;
	seg.base = (u32)sel << 4;
	if (e->mode == EMUL_VM86) {
		seg.limit = 0xffff;
		seg.attr = EMUL_SEG_P | EMUL_SEG_S | 0x60 | EMUL_SEG_RW | EMUL_SEG_ACCESSED;
	}
	return emul_put_seg(e, sreg, &seg);
}

static bool writable_data(u32 attr)
{
	return (attr & EMUL_SEG_S) && !(attr & EMUL_SEG_CODE) && (attr & EMUL_SEG_RW);
}

static bool readable(u32 attr)
{
	return (attr & EMUL_SEG_S) && (!(attr & EMUL_SEG_CODE) || (attr & EMUL_SEG_RW));
}

static bool conforming(u32 attr)
{
	return (attr & (EMUL_SEG_CODE | EMUL_SEG_EC)) == (EMUL_SEG_CODE | EMUL_SEG_EC);
}

/* Check SS for privilege level @cpl; @null_ok: a null selector is allowed (64-bit, CPL < 3) */
static enum emul_status check_ss(struct emul *e, u16 sel, unsigned int cpl, bool null_ok,
				 struct emul_seg *seg)
{
	unsigned int rpl = sel & 3;
	u64 desc[2], la;
	u32 attr;

	if (!sel_error(sel)) {
		if (!null_ok || rpl != cpl)
			return emul_gp0(e);
		null_seg(sel, seg);
		/* its DPL is what CPL is read from */
		seg->attr |= cpl << 5;
		return EMUL_OK;
	}
	TRY(emul_seg_desc(e, sel, desc, &la, EMUL_GP));
	attr = desc_attr(desc[0]);
	if (rpl != cpl || !writable_data(attr) || EMUL_SEG_DPL(attr) != cpl)
		return bad_selector(e, EMUL_GP, sel);
	if (!(attr & EMUL_SEG_P))
		return bad_selector(e, EMUL_SS_FAULT, sel);
	TRY(mark_desc(e, la, desc, EMUL_SEG_ACCESSED));
	desc_to_seg(desc[0], sel, seg);
	return EMUL_OK;
}

static enum emul_status load_data_seg(struct emul *e, unsigned int sreg, u16 sel)
{
	unsigned int rpl = sel & 3, dpl;
	struct emul_seg seg;
	u64 desc[2], la;
	u32 attr;

	if (!sel_error(sel)) {
		null_seg(sel, &seg);
		return emul_put_seg(e, sreg, &seg);
	}
	TRY(emul_seg_desc(e, sel, desc, &la, EMUL_GP));
	attr = desc_attr(desc[0]);
	dpl = EMUL_SEG_DPL(attr);
	if (!readable(attr))
		return bad_selector(e, EMUL_GP, sel);
	if (!conforming(attr) && (rpl > dpl || e->cpl > dpl))
		return bad_selector(e, EMUL_GP, sel);
	if (!(attr & EMUL_SEG_P))
		return bad_selector(e, EMUL_NP, sel);
	TRY(mark_desc(e, la, desc, EMUL_SEG_ACCESSED));
	desc_to_seg(desc[0], sel, &seg);
	return emul_put_seg(e, sreg, &seg);
}

/* LLDT, LTR */
static enum emul_status load_system_seg(struct emul *e, unsigned int sreg, u16 sel)
{
	struct emul_seg seg;
	u64 desc[2], la;
	unsigned int type;
	bool ok;

	if (!sel_error(sel)) {
		if (sreg == EMUL_TR)
			return emul_gp0(e);
		null_seg(sel, &seg);
		return emul_put_seg(e, sreg, &seg);
	}
	if (sel & 4)
		return bad_selector(e, EMUL_GP, sel);
	TRY(emul_seg_desc(e, sel, desc, &la, EMUL_GP));
	type = desc_attr(desc[0]) & (EMUL_SEG_S | EMUL_SEG_TYPE);
	if (sreg == EMUL_LDTR)
		ok = type == 2;
	else
		ok = type == 9 || (type == 1 && !emul_lma(e));
	/* the upper half of a 16-byte descriptor has a type field of its own, which must be 0 */
	if (!ok || (desc[1] >> 40 & 0x1f))
		return bad_selector(e, EMUL_GP, sel);
	if (!(desc_attr(desc[0]) & EMUL_SEG_P))
		return bad_selector(e, EMUL_NP, sel);
	desc_to_seg(desc[0], sel, &seg);
	if (emul_lma(e)) {
		seg.base |= desc[1] << 32;
		if (!emul_canonical(e, seg.base))
			return bad_selector(e, EMUL_GP, sel);
	}
	if (sreg == EMUL_TR) {
		TRY(mark_desc(e, la, desc, EMUL_SEG_RW));	/* busy */
		seg.attr |= EMUL_SEG_RW;
	}
	return emul_put_seg(e, sreg, &seg);
}

enum emul_status emul_load_seg(struct emul *e, unsigned int sreg, u16 sel)
{
	struct emul_seg seg;

	if (sreg >= EMUL_NR_SREG)
		return emul_ud(e);
	if (sreg >= EMUL_LDTR)
		return load_system_seg(e, sreg, sel);
	if (!emul_is_prot(e))
		return load_seg_real(e, sreg, sel);
	if (sreg == EMUL_CS)
		return emul_ud(e);
	if (sreg != EMUL_SS)
		return load_data_seg(e, sreg, sel);
	TRY(check_ss(e, sel, e->cpl, e->mode == EMUL_LONG && e->cpl != 3, &seg));
	return emul_put_seg(e, EMUL_SS, &seg);
}

/**
 * emul_set_rip - near transfer, with the checks of the target
 * @e: emulation
 * @rip: target
 * @size: operand size, to which the target is truncated
 */
enum emul_status emul_set_rip(struct emul *e, u64 rip, unsigned int size)
{
	rip &= emul_mask(size);
	if (e->mode == EMUL_LONG) {
		if (!emul_canonical(e, rip))
			return emul_gp0(e);
	} else if (rip > emul_get_seg(e, EMUL_CS)->limit) {
		return emul_gp0(e);
	}
	e->rip = rip;
	e->branched = true;
	return EMUL_OK;
}

/* Check a code segment as the target of a far jump, call or return in protected mode */
static enum emul_status check_cs(struct emul *e, u16 sel, enum far_kind kind,
				 struct emul_seg *seg)
{
	unsigned int rpl = sel & 3, dpl;
	u64 desc[2], la;
	u32 attr;
	bool ok;

	if (!sel_error(sel))
		return emul_gp0(e);
	TRY(emul_seg_desc(e, sel, desc, &la, EMUL_GP));
	attr = desc_attr(desc[0]);
	dpl = EMUL_SEG_DPL(attr);
	/* call gates, task gates, TSSs: not followed */
	if (!(attr & EMUL_SEG_S) && kind == FAR_JUMP)
		return EMUL_UNHANDLEABLE;
	if (!(attr & EMUL_SEG_S) || !(attr & EMUL_SEG_CODE))
		return bad_selector(e, EMUL_GP, sel);
	if (kind == FAR_JUMP)
		ok = conforming(attr) ? dpl <= e->cpl : rpl <= e->cpl && dpl == e->cpl;
	else
		ok = rpl >= e->cpl && (conforming(attr) ? dpl <= rpl : dpl == rpl);
	if (!ok)
		return bad_selector(e, EMUL_GP, sel);
	if (emul_lma(e) && (attr & EMUL_SEG_L) && (attr & EMUL_SEG_DB))
		return bad_selector(e, EMUL_GP, sel);
	if (!(attr & EMUL_SEG_P))
		return bad_selector(e, EMUL_NP, sel);
	TRY(mark_desc(e, la, desc, EMUL_SEG_ACCESSED));
	if (kind == FAR_JUMP)
		sel = (sel & ~3) | e->cpl;
	desc_to_seg(desc[0], sel, seg);
	return EMUL_OK;
}

static enum emul_mode mode_of(struct emul *e, const struct emul_seg *cs)
{
	if ((cs->attr & EMUL_SEG_L) && emul_lma(e))
		return EMUL_LONG;
	return cs->attr & EMUL_SEG_DB ? EMUL_PROT32 : EMUL_PROT16;
}

/* Is @rip good in the new code segment? The fault is still the old segment's */
static enum emul_status check_far_rip(struct emul *e, const struct emul_seg *cs, u64 rip)
{
	if (mode_of(e, cs) == EMUL_LONG) {
		if (!emul_canonical(e, rip))
			return emul_gp0(e);
	} else if (rip > cs->limit) {
		return emul_gp0(e);
	}
	return EMUL_OK;
}

/* Real and virtual-8086 mode; what was staged (the pushes of a call) becomes visible first */
static enum emul_status far_real(struct emul *e, u16 sel, u64 off)
{
	const struct emul_seg *cs = emul_get_seg(e, EMUL_CS);

	if (off > cs->limit)
		return emul_gp0(e);
	TRY(emul_commit_writes(e));
	TRY(load_seg_real(e, EMUL_CS, sel));
	e->rip = off;
	e->branched = true;
	return EMUL_OK;
}

/** emul_far_jump - JMP FAR to @sel:@off */
enum emul_status emul_far_jump(struct emul *e, u16 sel, u64 off)
{
	struct emul_seg cs;

	if (!emul_is_prot(e))
		return far_real(e, sel, off);
	TRY(check_cs(e, sel, FAR_JUMP, &cs));
	TRY(check_far_rip(e, &cs, off));
	TRY(emul_put_seg(e, EMUL_CS, &cs));
	e->mode = mode_of(e, &cs);
	e->rip = off;
	e->branched = true;
	return EMUL_OK;
}

/** emul_far_call - CALL FAR to @sel:@off */
enum emul_status emul_far_call(struct emul *e, u16 sel, u64 off)
{
	unsigned int size = emul_opsize(e);
	u64 next = e->rip + e->insn.len;
	struct emul_seg cs;

	if (!emul_is_prot(e)) {
		TRY(emul_push(e, emul_get_seg(e, EMUL_CS)->selector, size));
		TRY(emul_push(e, next & emul_mask(size), size));
		return far_real(e, sel, off);
	}
	TRY(check_cs(e, sel, FAR_JUMP, &cs));
	TRY(emul_push(e, emul_get_seg(e, EMUL_CS)->selector, size));
	TRY(emul_push(e, next & emul_mask(size), size));
	TRY(check_far_rip(e, &cs, off));
	TRY(emul_commit_writes(e));
	TRY(emul_put_seg(e, EMUL_CS, &cs));
	e->mode = mode_of(e, &cs);
	e->rip = off;
	e->branched = true;
	return EMUL_OK;
}

/* A return to less privilege leaves no data segment behind that it could not have loaded */
static enum emul_status drop_data_segs(struct emul *e, unsigned int cpl)
{
	static const u8 data[] = { EMUL_ES, EMUL_DS, EMUL_FS, EMUL_GS };
	const struct emul_seg *s;
	struct emul_seg null;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(data); i++) {
		s = emul_get_seg(e, data[i]);
		if ((s->attr & EMUL_SEG_UNUSABLE) || conforming(s->attr) ||
		    EMUL_SEG_DPL(s->attr) >= cpl)
			continue;
		null_seg(0, &null);
		TRY(emul_put_seg(e, data[i], &null));
	}
	return EMUL_OK;
}

static enum emul_status far_ret_real(struct emul *e, unsigned int extra, bool iret)
{
	unsigned int size = emul_opsize(e), width = emul_stack_size(e);
	u64 rip, sel, flags;

	TRY(emul_pop(e, &rip, size));
	TRY(emul_pop(e, &sel, size));
	if (iret) {
		TRY(emul_pop(e, &flags, size));
		TRY(emul_set_flags(e, flags, size, true));
	}
	emul_set_reg(e, EMUL_RSP, width, e->gpr[EMUL_RSP] + extra);
	return far_real(e, (u16)sel, rip);
}

/**
 * emul_far_ret - RET FAR and IRET
 * @e: emulation
 * @extra: bytes of parameters to release
 * @iret: IRET
 *
 * Same and outer privilege; nested tasks and returns to virtual-8086 mode are not emulated.
 */
enum emul_status emul_far_ret(struct emul *e, unsigned int extra, bool iret)
{
	unsigned int size = emul_opsize(e), width, cpl, old_cpl = e->cpl;
	u64 rip, sel, flags = 0, sp = 0, ss_sel = 0;
	bool outer, pops_ss, lng = e->mode == EMUL_LONG;
	struct emul_seg cs, ss;

	if (!emul_is_prot(e))
		return far_ret_real(e, extra, iret);
	if (iret && (e->rflags & X86_NT))
		return lng ? emul_gp0(e) : EMUL_UNHANDLEABLE;
	width = emul_stack_size(e);
	TRY(emul_pop(e, &rip, size));
	TRY(emul_pop(e, &sel, size));
	if (iret) {
		TRY(emul_pop(e, &flags, size));
		if ((flags & X86_VM) && size == 4 && !e->cpl && !emul_lma(e))
			return EMUL_UNHANDLEABLE;
	}
	emul_set_reg(e, EMUL_RSP, width, e->gpr[EMUL_RSP] + extra);
	TRY(check_cs(e, (u16)sel, FAR_RET, &cs));
	cpl = sel & 3;
	outer = cpl > old_cpl;
	pops_ss = outer || (iret && lng);
	if (pops_ss) {
		TRY(emul_pop(e, &sp, size));
		TRY(emul_pop(e, &ss_sel, size));
		TRY(check_ss(e, (u16)ss_sel, cpl, mode_of(e, &cs) == EMUL_LONG && cpl != 3, &ss));
	}
	TRY(check_far_rip(e, &cs, rip));
	if (iret)
		TRY(emul_set_flags(e, flags, size, true));

	TRY(emul_put_seg(e, EMUL_CS, &cs));
	e->mode = mode_of(e, &cs);
	e->cpl = cpl;
	if (pops_ss) {
		TRY(emul_put_seg(e, EMUL_SS, &ss));
		width = emul_stack_size(e);
		emul_set_reg(e, EMUL_RSP, width, sp + extra);
	}
	if (outer)
		TRY(drop_data_segs(e, cpl));
	e->rip = rip;
	e->branched = true;
	return EMUL_OK;
}

enum emul_status emul_do_mov_from_seg(struct emul *e)
{
	e->insn.op[0].val = emul_get_seg(e, e->insn.op[1].reg)->selector;
	return EMUL_OK;
}

enum emul_status emul_do_mov_to_seg(struct emul *e)
{
	unsigned int sreg = e->insn.op[0].reg;

	if (sreg == EMUL_CS)
		return emul_ud(e);
	TRY(emul_read_op(e, &e->insn.op[1], 0));
	TRY(emul_load_seg(e, sreg, (u16)e->insn.op[1].val));
	if (sreg == EMUL_SS)
		e->int_shadow |= EMUL_SHADOW_MOV_SS;
	return EMUL_OK;
}

/** emul_read_far - read the far pointer that memory operand @op holds */
enum emul_status emul_read_far(struct emul *e, const struct emul_operand *op, u16 *sel, u64 *off)
{
	unsigned int size = op->size - 2;
	u64 v;

	TRY(emul_read_val(e, op->seg, op->off, size, off));
	TRY(emul_read_val(e, op->seg, (op->off + size) & emul_mask(e->insn.adsize), 2, &v));
	*sel = (u16)v;
	return EMUL_OK;
}

/* LES, LDS, LSS, LFS, LGS */
enum emul_status emul_do_lseg(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	u64 off;
	u16 sel;

	TRY(emul_read_far(e, &in->op[1], &sel, &off));
	TRY(emul_load_seg(e, in->row->arg, sel));
	emul_set_reg(e, in->op[0].reg, in->op[0].size, off);
	return EMUL_OK;
}

/* SLDT, STR, SMSW, SGDT, SIDT tell user mode about the system: UMIP stops them */
enum emul_status emul_umip_check(struct emul *e)
{
	u64 cr4;

	if (!e->cpl)
		return EMUL_OK;
	TRY(emul_get_cr(e, 4, &cr4));
	return cr4 & CR4_UMIP ? emul_gp0(e) : EMUL_OK;
}

enum emul_status emul_do_sldt(struct emul *e)
{
	TRY(emul_umip_check(e));
	e->insn.op[0].val = emul_get_seg(e, EMUL_LDTR)->selector;
	return EMUL_OK;
}

enum emul_status emul_do_str(struct emul *e)
{
	TRY(emul_umip_check(e));
	e->insn.op[0].val = emul_get_seg(e, EMUL_TR)->selector;
	return EMUL_OK;
}

enum emul_status emul_do_lldt(struct emul *e)
{
	return emul_load_seg(e, EMUL_LDTR, (u16)e->insn.op[0].val);
}

enum emul_status emul_do_ltr(struct emul *e)
{
	return emul_load_seg(e, EMUL_TR, (u16)e->insn.op[0].val);
}

/*
 * The descriptor LAR, LSL, VERR, VERW ask about. They never fault on a selector: @ok is false
 * when it is null, beyond its table, or out of reach of CPL and RPL.
 */
static enum emul_status inspect(struct emul *e, u16 sel, u64 *desc, bool *ok)
{
	enum emul_status st;
	u64 d[2], la;
	u32 attr;

	*ok = false;
	*desc = 0;
	if (!sel_error(sel))
		return EMUL_OK;
	st = emul_seg_desc(e, sel, d, &la, EMUL_GP);
	if (st == EMUL_FAULT && e->fault.vector == EMUL_GP)
		return EMUL_OK;
	if (st != EMUL_OK)
		return st;
	*desc = d[0];
	attr = desc_attr(d[0]);
	*ok = conforming(attr & EMUL_SEG_S ? attr : 0) ||
	      (EMUL_SEG_DPL(attr) >= e->cpl && EMUL_SEG_DPL(attr) >= (sel & 3u));
	return EMUL_OK;
}

/* Bit @type of @legacy or @lng says whether a system descriptor of that type is reported */
static bool type_reported(struct emul *e, u64 desc, u16 legacy, u16 lng)
{
	u32 attr = desc_attr(desc);

	if (attr & EMUL_SEG_S)
		return true;
	return (emul_lma(e) ? lng : legacy) >> (attr & EMUL_SEG_TYPE) & 1;
}

enum emul_status emul_do_lar(struct emul *e)
{
	u64 desc;
	bool ok;

	TRY(inspect(e, (u16)e->insn.op[1].val, &desc, &ok));
	ok = ok && type_reported(e, desc, 0x1a3e, 0x1a04);
	emul_set_flag(e, X86_ZF, ok);
	e->no_write = !ok;
	e->insn.op[0].val = (desc >> 32) & (emul_opsize(e) == 2 ? 0xff00 : 0xf0ff00);
	return EMUL_OK;
}

enum emul_status emul_do_lsl(struct emul *e)
{
	struct emul_seg seg;
	u64 desc;
	bool ok;

	TRY(inspect(e, (u16)e->insn.op[1].val, &desc, &ok));
	ok = ok && type_reported(e, desc, 0x0a0e, 0x0a04);
	emul_set_flag(e, X86_ZF, ok);
	e->no_write = !ok;
	desc_to_seg(desc, 0, &seg);
	e->insn.op[0].val = seg.limit;
	return EMUL_OK;
}

enum emul_status emul_do_verr(struct emul *e)
{
	u64 desc;
	bool ok;

	TRY(inspect(e, (u16)e->insn.op[0].val, &desc, &ok));
	emul_set_flag(e, X86_ZF, ok && readable(desc_attr(desc)));
	return EMUL_OK;
}

enum emul_status emul_do_verw(struct emul *e)
{
	u64 desc;
	bool ok;

	TRY(inspect(e, (u16)e->insn.op[0].val, &desc, &ok));
	emul_set_flag(e, X86_ZF, ok && writable_data(desc_attr(desc)));
	return EMUL_OK;
}

enum emul_status emul_do_arpl(struct emul *e)
{
	u64 rpl = e->insn.op[1].val & 3;
	struct emul_operand *op = &e->insn.op[0];
	bool lower = (op->val & 3) < rpl;

	emul_set_flag(e, X86_ZF, lower);
	if (!lower)
		return EMUL_OK;
	op->val = (op->val & ~3ULL) | rpl;
	return emul_write_op(e, op);
}
