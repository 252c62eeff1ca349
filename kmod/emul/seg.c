// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segment registers and descriptors: loading, LAR and its relatives. far.c has the far transfers.
 *
 * SDM volume 3 chapters 3 (descriptors), 5 (protection); volume 2 for the order of checks.
 */
#include "seg.h"

#define DESC_ACCESS	5	/* byte with type, S, DPL, P */

/** emul_bad_selector - raise @vector with the selector, and EXT, as its error code */
enum emul_status emul_bad_selector(struct emul *e, u8 vector, u16 sel)
{
	return emul_raise_err(e, vector, sel_error(sel) | e->ext);
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
			return emul_bad_selector(e, vector, sel);
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
		return emul_bad_selector(e, vector, sel);
	*la = base + off;
	desc[1] = 0;
	TRY(emul_read_la(e, *la, desc, 8, EMUL_ACC_SYSTEM));
	big = !(desc_attr(desc[0]) & EMUL_SEG_S) && emul_lma(e);
	if (big) {
		if (off + 15 > limit)
			return emul_bad_selector(e, vector, sel);
		TRY(emul_read_la(e, *la + 8, &desc[1], 8, EMUL_ACC_SYSTEM));
	}
	return EMUL_OK;
}

/**
 * emul_mark_desc - change bits of a descriptor's type: accessed, TSS busy. The CPU locks the write
 * @e: emulation
 * @la: the descriptor's address
 * @desc: its value as read; updated
 * @set: bits to set
 * @clear: bits to clear
 *
 * Return: EMUL_OK; EMUL_RETRY when another vCPU has changed it meanwhile; EMUL_FAULT.
 */
enum emul_status emul_mark_desc(struct emul *e, u64 la, u64 *desc, u8 set, u8 clear)
{
	u8 old = (u8)(*desc >> 40), new = (old & ~clear) | set;

	if (old == new)
		return EMUL_OK;
	if (!e->ops->cmpxchg)
		return EMUL_UNHANDLEABLE;
	TRY((e->ops->cmpxchg)(e, la + DESC_ACCESS, &old, &new, 1,
			      EMUL_ACC_SYSTEM | EMUL_ACC_WRITE));
	*desc = (*desc & ~(0xffULL << 40)) | (u64)new << 40;
	return EMUL_OK;
}

/**
 * emul_load_seg_real - load a segment register in real or virtual-8086 mode
 *
 * The base comes from the selector; real mode keeps limit and attributes.
 */
enum emul_status emul_load_seg_real(struct emul *e, unsigned int sreg, u16 sel)
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

/**
 * emul_check_ss - check a selector for SS, without loading it
 * @e: emulation
 * @sel: selector
 * @cpl: privilege level that it is for
 * @null_ok: a null selector is allowed (64-bit, CPL < 3)
 * @vector: what a bad one raises, #GP or #TS
 * @seg: receives the segment
 */
enum emul_status emul_check_ss(struct emul *e, u16 sel, unsigned int cpl, bool null_ok, u8 vector,
			       struct emul_seg *seg)
{
	unsigned int rpl = sel & 3;
	u64 desc[2], la;
	u32 attr;

	if (!sel_error(sel)) {
		if (!null_ok || rpl != cpl)
			return emul_bad_selector(e, vector, sel);
		null_seg(sel, seg);
		/* its DPL is what CPL is read from */
		seg->attr |= cpl << 5;
		return EMUL_OK;
	}
	TRY(emul_seg_desc(e, sel, desc, &la, vector));
	attr = desc_attr(desc[0]);
	if (rpl != cpl || !writable_data(attr) || EMUL_SEG_DPL(attr) != cpl)
		return emul_bad_selector(e, vector, sel);
	if (!(attr & EMUL_SEG_P))
		return emul_bad_selector(e, EMUL_SS_FAULT, sel);
	TRY(emul_mark_desc(e, la, desc, EMUL_SEG_ACCESSED, 0));
	desc_to_seg(desc[0], sel, seg);
	return EMUL_OK;
}

/**
 * emul_load_data_seg - load ES, DS, FS or GS in protected mode
 * @e: emulation
 * @sreg: register
 * @sel: selector
 * @vector: what a bad one raises, #GP or #TS
 */
enum emul_status emul_load_data_seg(struct emul *e, unsigned int sreg, u16 sel, u8 vector)
{
	unsigned int rpl = sel & 3, dpl;
	struct emul_seg seg;
	u64 desc[2], la;
	u32 attr;

	if (!sel_error(sel)) {
		null_seg(sel, &seg);
		return emul_put_seg(e, sreg, &seg);
	}
	TRY(emul_seg_desc(e, sel, desc, &la, vector));
	attr = desc_attr(desc[0]);
	dpl = EMUL_SEG_DPL(attr);
	if (!readable(attr))
		return emul_bad_selector(e, vector, sel);
	if (!conforming(attr) && (rpl > dpl || e->cpl > dpl))
		return emul_bad_selector(e, vector, sel);
	if (!(attr & EMUL_SEG_P))
		return emul_bad_selector(e, EMUL_NP, sel);
	TRY(emul_mark_desc(e, la, desc, EMUL_SEG_ACCESSED, 0));
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
		return emul_bad_selector(e, EMUL_GP, sel);
	TRY(emul_seg_desc(e, sel, desc, &la, EMUL_GP));
	type = desc_attr(desc[0]) & (EMUL_SEG_S | EMUL_SEG_TYPE);
	if (sreg == EMUL_LDTR)
		ok = type == SYS_LDT;
	else
		ok = type == SYS_TSS32 || (type == SYS_TSS16 && !emul_lma(e));
	/* the upper half of a 16-byte descriptor has a type field of its own, which must be 0 */
	if (!ok || (desc[1] >> 40 & 0x1f))
		return emul_bad_selector(e, EMUL_GP, sel);
	if (!(desc_attr(desc[0]) & EMUL_SEG_P))
		return emul_bad_selector(e, EMUL_NP, sel);
	desc_to_seg(desc[0], sel, &seg);
	if (emul_lma(e)) {
		seg.base |= desc[1] << 32;
		if (!emul_canonical(e, seg.base))
			return emul_bad_selector(e, EMUL_GP, sel);
	}
	if (sreg == EMUL_TR) {
		TRY(emul_mark_desc(e, la, desc, SYS_BUSY, 0));
		seg.attr |= SYS_BUSY;
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
		return emul_load_seg_real(e, sreg, sel);
	if (sreg == EMUL_CS)
		return emul_ud(e);
	if (sreg != EMUL_SS)
		return emul_load_data_seg(e, sreg, sel, EMUL_GP);
	TRY(emul_check_ss(e, sel, e->cpl, e->mode == EMUL_LONG && e->cpl != 3, EMUL_GP, &seg));
	return emul_put_seg(e, EMUL_SS, &seg);
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
