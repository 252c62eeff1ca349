// SPDX-License-Identifier: GPL-2.0-only
/*
 * Far transfers: JMP, CALL, RET and IRET to another code segment, directly or through a call gate,
 * to the same privilege, an inner one (CALL) or an outer one (RET, IRET), to virtual-8086 mode.
 * Transfers to another task are task.c's.
 *
 * SDM volume 2 for each instruction's order of checks; volume 3, 5.8 (gates, stack switches), 20.2
 * (virtual-8086 mode), 5.8.3.1 (64-bit call gates).
 */
#include "seg.h"

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

/* Read the descriptor that a far pointer names */
static enum emul_status far_desc(struct emul *e, u16 sel, u64 desc[2], u64 *la)
{
	return sel_error(sel) ? emul_seg_desc(e, sel, desc, la, EMUL_GP) : emul_gp0(e);
}

/**
 * emul_accept_cs - the checks that every new code segment undergoes
 * @e: emulation
 * @sel: selector as it will be in CS
 * @desc: its descriptor
 * @la: where that lies
 * @allowed: whether privilege permits it
 * @vector: what a bad one raises, #GP or #TS
 * @seg: receives the segment
 */
enum emul_status emul_accept_cs(struct emul *e, u16 sel, const u64 *desc, u64 la, bool allowed,
				u8 vector, struct emul_seg *seg)
{
	u32 attr = desc_attr(*desc);
	u64 d = *desc;

	if (!(attr & EMUL_SEG_S) || !(attr & EMUL_SEG_CODE) || !allowed)
		return emul_bad_selector(e, vector, sel);
	if ((attr & EMUL_SEG_L) && (attr & EMUL_SEG_DB) && emul_lma(e))
		return emul_bad_selector(e, vector, sel);
	if (!(attr & EMUL_SEG_P))
		return emul_bad_selector(e, EMUL_NP, sel);
	TRY(emul_mark_desc(e, la, &d, EMUL_SEG_ACCESSED, 0));
	desc_to_seg(d, sel, seg);
	return EMUL_OK;
}

/** emul_mode_of - the protected mode that code in segment @cs executes in */
enum emul_mode emul_mode_of(struct emul *e, const struct emul_seg *cs)
{
	if ((cs->attr & EMUL_SEG_L) && emul_lma(e))
		return EMUL_LONG;
	return cs->attr & EMUL_SEG_DB ? EMUL_PROT32 : EMUL_PROT16;
}

/* Is @rip good in the new code segment? The fault is still the old segment's */
static enum emul_status check_far_rip(struct emul *e, const struct emul_seg *cs, u64 rip)
{
	if (emul_mode_of(e, cs) == EMUL_LONG) {
		if (!emul_canonical(e, rip))
			return emul_gp0(e);
	} else if (rip > cs->limit) {
		return emul_gp0(e);
	}
	return EMUL_OK;
}

/* The last step in protected mode: nothing fails any more */
static enum emul_status enter_cs(struct emul *e, const struct emul_seg *cs, u64 rip)
{
	TRY(emul_put_seg(e, EMUL_CS, cs));
	e->mode = emul_mode_of(e, cs);
	e->rip = rip;
	e->branched = true;
	return EMUL_OK;
}

/* Real and virtual-8086 mode; what was staged (the pushes of a call) becomes visible first */
static enum emul_status far_real(struct emul *e, u16 sel, u64 off)
{
	const struct emul_seg *cs = emul_get_seg(e, EMUL_CS);

	if (off > cs->limit)
		return emul_gp0(e);
	TRY(emul_commit_writes(e));
	TRY(emul_load_seg_real(e, EMUL_CS, sel));
	e->rip = off;
	e->branched = true;
	return EMUL_OK;
}

/* ---- JMP and CALL ------------------------------------------------------------------------- */

/* Push the return address, @size bytes each, then go */
static enum emul_status call_same(struct emul *e, const struct emul_seg *cs, u64 off,
				  unsigned int size)
{
	u64 next = e->rip + e->insn.len;

	TRY(emul_push(e, emul_get_seg(e, EMUL_CS)->selector, size));
	TRY(emul_push(e, next & emul_mask(size), size));
	TRY(check_far_rip(e, cs, off));
	TRY(emul_commit_writes(e));
	return enter_cs(e, cs, off);
}

/* The stack for privilege level @cpl, from the TSS: SDM 5.8.5, 8.2 */
static enum emul_status inner_stack(struct emul *e, unsigned int cpl, bool lng,
				    struct emul_seg *ss, u64 *sp)
{
	const struct emul_seg *tr = emul_get_seg(e, EMUL_TR);
	unsigned int width = lng ? 8 : tr->attr & SYS_32 ? 4 : 2;
	u32 at = lng ? 4 + 8 * cpl : width + 2 * width * cpl;
	u64 sel = 0;

	if (at + (lng ? 8 : 2 * width) - 1 > tr->limit)
		return emul_bad_selector(e, EMUL_TS, tr->selector);
	*sp = 0;
	TRY(emul_read_la(e, tr->base + at, sp, width, EMUL_ACC_SYSTEM));
	if (lng) {
		null_seg((u16)cpl, ss);
		ss->attr |= cpl << 5;
		return EMUL_OK;
	}
	TRY(emul_read_la(e, tr->base + at + width, &sel, 2, EMUL_ACC_SYSTEM));
	return emul_check_ss(e, (u16)sel, cpl, false, EMUL_TS, ss);
}

/* What a call to inner privilege leaves on the new stack, which is SS:RSP already */
static enum emul_status inner_frame(struct emul *e, const struct emul_seg *old_ss, u64 old_sp,
				    const u64 *params, unsigned int n, unsigned int size)
{
	u64 next = e->rip + e->insn.len;

	TRY(emul_push(e, old_ss->selector, size));
	TRY(emul_push(e, old_sp & emul_mask(size), size));
	while (n--)
		TRY(emul_push(e, params[n], size));
	TRY(emul_push(e, emul_get_seg(e, EMUL_CS)->selector, size));
	return emul_push(e, next & emul_mask(size), size);
}

/* CALL through a gate to more privilege: @n parameters go over to the new stack */
static enum emul_status call_inner(struct emul *e, const struct emul_seg *cs, u64 off,
				   unsigned int size, unsigned int n)
{
	struct emul_seg old_ss = *emul_get_seg(e, EMUL_SS), ss;
	unsigned int cpl = EMUL_SEG_DPL(cs->attr), old_cpl = e->cpl, i, width = emul_stack_size(e);
	enum emul_mode old_mode = e->mode;
	u64 old_sp = e->gpr[EMUL_RSP], sp, params[31];
	enum emul_status st;

	if (!e->ops->set_seg)
		return EMUL_UNHANDLEABLE;
	for (i = 0; i < n; i++)
		TRY(emul_read_val(e, EMUL_SS, (old_sp + i * size) & emul_mask(width), size,
				  &params[i]));
	TRY(inner_stack(e, cpl, size == 8, &ss, &sp));

	/* from here on accesses are the new privilege level's; none is done before all are checked */
	e->seg[EMUL_SS] = ss;
	e->mode = emul_mode_of(e, cs);
	e->cpl = cpl;
	e->gpr[EMUL_RSP] = sp;
	st = inner_frame(e, &old_ss, old_sp, params, n, size);
	if (st == EMUL_FAULT && e->fault.vector == EMUL_SS_FAULT)
		e->fault.error = sel_error(ss.selector);
	if (st == EMUL_OK)
		st = check_far_rip(e, cs, off);
	if (st == EMUL_OK)
		st = emul_commit_writes(e);
	if (st != EMUL_OK) {
		e->seg[EMUL_SS] = old_ss;
		e->mode = old_mode;
		e->cpl = old_cpl;
		return st;
	}
	TRY(emul_put_seg(e, EMUL_SS, &ss));
	return enter_cs(e, cs, off);
}

static enum emul_status through_call_gate(struct emul *e, const u64 *gate, bool call)
{
	bool lma = emul_lma(e), inner;
	unsigned int size = lma ? 8 : desc_attr(*gate) & SYS_32 ? 4 : 2, dpl;
	u64 off = (*gate & 0xffff) | (*gate >> 32 & 0xffff0000), desc[2], la;
	u16 sel = (u16)(*gate >> 16);
	struct emul_seg cs;
	bool allowed;
	u32 attr;

	if (lma)
		off |= gate[1] << 32;
	off &= emul_mask(size);
	TRY(far_desc(e, sel, desc, &la));
	attr = desc_attr(*desc);
	dpl = EMUL_SEG_DPL(attr);
	inner = call && !conforming(attr) && dpl < e->cpl;
	allowed = conforming(attr) || call ? dpl <= e->cpl : dpl == e->cpl;
	if (lma && !(attr & EMUL_SEG_L))
		allowed = false;
	sel = (sel & ~3) | (inner ? dpl : e->cpl);
	TRY(emul_accept_cs(e, sel, desc, la, allowed, EMUL_GP, &cs));
	if (inner)
		return call_inner(e, &cs, off, size, lma ? 0 : *gate >> 32 & 31);
	if (call)
		return call_same(e, &cs, off, size);
	TRY(check_far_rip(e, &cs, off));
	return enter_cs(e, &cs, off);
}

/* JMP or CALL names a system descriptor: a gate or a TSS. The pointer's offset is ignored */
static enum emul_status far_system(struct emul *e, u16 sel, const u64 *desc, bool call)
{
	u32 attr = desc_attr(*desc);
	unsigned int type = attr & EMUL_SEG_TYPE, dpl = EMUL_SEG_DPL(attr);
	bool lma = emul_lma(e), ok;
	struct emul_task task = {
		.reason = call ? EMUL_TASK_CALL : EMUL_TASK_JMP, .selector = sel, .vector = -1,
	};

	if (lma)
		ok = type == SYS_CALL32 && !(desc[1] >> 40 & 0x1f);
	else
		ok = type == SYS_CALL16 || type == SYS_CALL32 || type == SYS_TASK_GATE ||
		     type == SYS_TSS16 || type == SYS_TSS32;
	if (!ok || dpl < e->cpl || dpl < (sel & 3u))
		return emul_bad_selector(e, EMUL_GP, sel);
	if (!(attr & EMUL_SEG_P))
		return emul_bad_selector(e, EMUL_NP, sel);
	if (type == SYS_CALL16 || type == SYS_CALL32)
		return through_call_gate(e, desc, call);
	if (type == SYS_TASK_GATE)
		task.selector = (u16)(*desc >> 16);
	e->rip = (u32)(e->rip + e->insn.len);
	return emul_task_switch(e, &task);
}

/* Check the target of a JMP or CALL that is a code segment */
static enum emul_status check_target(struct emul *e, u16 sel, const u64 *desc, u64 la,
				     struct emul_seg *cs)
{
	u32 attr = desc_attr(*desc);
	unsigned int dpl = EMUL_SEG_DPL(attr);
	bool allowed = conforming(attr) ? dpl <= e->cpl : (sel & 3u) <= e->cpl && dpl == e->cpl;

	return emul_accept_cs(e, (sel & ~3) | e->cpl, desc, la, allowed, EMUL_GP, cs);
}

/** emul_far_jump - JMP FAR to @sel:@off */
enum emul_status emul_far_jump(struct emul *e, u16 sel, u64 off)
{
	struct emul_seg cs;
	u64 desc[2], la;

	if (!emul_is_prot(e))
		return far_real(e, sel, off);
	TRY(far_desc(e, sel, desc, &la));
	if (!(desc_attr(*desc) & EMUL_SEG_S))
		return far_system(e, sel, desc, false);
	TRY(check_target(e, sel, desc, la, &cs));
	TRY(check_far_rip(e, &cs, off));
	return enter_cs(e, &cs, off);
}

/** emul_far_call - CALL FAR to @sel:@off */
enum emul_status emul_far_call(struct emul *e, u16 sel, u64 off)
{
	unsigned int size = emul_opsize(e);
	u64 next = e->rip + e->insn.len, desc[2], la;
	struct emul_seg cs;

	if (!emul_is_prot(e)) {
		TRY(emul_push(e, emul_get_seg(e, EMUL_CS)->selector, size));
		TRY(emul_push(e, next & emul_mask(size), size));
		return far_real(e, sel, off);
	}
	TRY(far_desc(e, sel, desc, &la));
	if (!(desc_attr(*desc) & EMUL_SEG_S))
		return far_system(e, sel, desc, true);
	TRY(check_target(e, sel, desc, la, &cs));
	return call_same(e, &cs, off, size);
}

/* ---- RET and IRET ------------------------------------------------------------------------- */

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

/* IRETD from ring 0 to virtual-8086 mode: EIP, CS and EFLAGS are popped, six more follow */
static enum emul_status iret_to_vm86(struct emul *e, u64 rip, u64 cs, u64 flags)
{
	static const u8 order[] = { EMUL_SS, EMUL_ES, EMUL_DS, EMUL_FS, EMUL_GS };
	u64 sp, sel[ARRAY_SIZE(order)];
	unsigned int i;

	if (!e->ops->set_seg)
		return EMUL_UNHANDLEABLE;
	TRY(emul_pop(e, &sp, 4));
	for (i = 0; i < ARRAY_SIZE(order); i++)
		TRY(emul_pop(e, &sel[i], 4));
	if (rip > 0xffff)
		return emul_gp0(e);
	e->mode = EMUL_VM86;
	e->cpl = 3;
	e->rflags = (flags & X86_LOADABLE) | X86_FIXED;
	TRY(emul_load_seg_real(e, EMUL_CS, (u16)cs));
	for (i = 0; i < ARRAY_SIZE(order); i++)
		TRY(emul_load_seg_real(e, order[i], (u16)sel[i]));
	emul_set_reg(e, EMUL_RSP, 4, sp);
	e->rip = rip;
	e->branched = true;
	return EMUL_OK;
}

/* IRET with NT set: back to the task that the present one's TSS links to */
static enum emul_status iret_to_task(struct emul *e)
{
	struct emul_task task = { .reason = EMUL_TASK_IRET, .vector = -1 };

	if (emul_lma(e))
		return emul_gp0(e);
	TRY(emul_read_la(e, emul_get_seg(e, EMUL_TR)->base, &task.selector, 2, EMUL_ACC_SYSTEM));
	e->rip = (u32)(e->rip + e->insn.len);
	return emul_task_switch(e, &task);
}

/**
 * emul_far_ret - RET FAR and IRET
 * @e: emulation
 * @extra: bytes of parameters to release
 * @iret: IRET
 */
enum emul_status emul_far_ret(struct emul *e, unsigned int extra, bool iret)
{
	unsigned int size = emul_opsize(e), width, cpl, old_cpl = e->cpl, dpl;
	u64 rip, sel, flags = 0, sp = 0, ss_sel = 0, desc[2], la;
	bool outer, pops_ss, lng = e->mode == EMUL_LONG, allowed;
	struct emul_seg cs, ss;
	u32 attr;

	if (!emul_is_prot(e))
		return far_ret_real(e, extra, iret);
	if (iret && (e->rflags & X86_NT))
		return iret_to_task(e);
	width = emul_stack_size(e);
	TRY(emul_pop(e, &rip, size));
	TRY(emul_pop(e, &sel, size));
	if (iret) {
		TRY(emul_pop(e, &flags, size));
		if ((flags & X86_VM) && size == 4 && !e->cpl && !emul_lma(e))
			return iret_to_vm86(e, rip, sel, flags);
	}
	emul_set_reg(e, EMUL_RSP, width, e->gpr[EMUL_RSP] + extra);
	TRY(far_desc(e, (u16)sel, desc, &la));
	attr = desc_attr(*desc);
	dpl = EMUL_SEG_DPL(attr);
	cpl = sel & 3;
	allowed = cpl >= e->cpl && (conforming(attr) ? dpl <= cpl : dpl == cpl);
	TRY(emul_accept_cs(e, (u16)sel, desc, la, allowed, EMUL_GP, &cs));
	outer = cpl > old_cpl;
	pops_ss = outer || (iret && lng);
	if (pops_ss) {
		TRY(emul_pop(e, &sp, size));
		TRY(emul_pop(e, &ss_sel, size));
		TRY(emul_check_ss(e, (u16)ss_sel, cpl,
				  emul_mode_of(e, &cs) == EMUL_LONG && cpl != 3, EMUL_GP, &ss));
	}
	TRY(check_far_rip(e, &cs, rip));
	if (iret)
		TRY(emul_set_flags(e, flags, size, true));

	TRY(enter_cs(e, &cs, rip));
	e->cpl = cpl;
	if (pops_ss) {
		TRY(emul_put_seg(e, EMUL_SS, &ss));
		width = emul_stack_size(e);
		emul_set_reg(e, EMUL_RSP, width, sp + extra);
	}
	return outer ? drop_data_segs(e, cpl) : EMUL_OK;
}
