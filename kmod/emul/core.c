// SPDX-License-Identifier: GPL-2.0-only
/*
 * The executor: everything around an instruction's handler. Privilege and prefix checks,
 * segmentation, reading and writing of operands, atomic read-modify-write, and the rule that
 * nothing of an instruction is visible unless all of it succeeded.
 */
#include "internal.h"

/* A locked read-modify-write that loses this often goes back to the guest, to let others run */
#define LOCK_ATTEMPTS	16

/** emul_raise_err - raise exception @vector with error code @error (dropped in real mode) */
enum emul_status emul_raise_err(struct emul *e, u8 vector, u32 error)
{
	e->fault.kind = EMUL_EV_FAULT;
	e->fault.vector = vector;
	e->fault.has_error = e->mode != EMUL_REAL;
	e->fault.error = e->mode != EMUL_REAL ? error : 0;
	e->fault.cr2 = 0;
	return EMUL_FAULT;
}

/** emul_raise - raise exception @vector, which has no error code */
enum emul_status emul_raise(struct emul *e, u8 vector)
{
	emul_raise_err(e, vector, 0);
	e->fault.has_error = false;
	return EMUL_FAULT;
}

/** emul_gp0 - raise #GP(0) */
enum emul_status emul_gp0(struct emul *e)
{
	return emul_raise_err(e, EMUL_GP, 0);
}

/** emul_ud - raise #UD */
enum emul_status emul_ud(struct emul *e)
{
	return emul_raise(e, EMUL_UD);
}

/** emul_get_seg - a segment register, asked for once per instruction */
const struct emul_seg *emul_get_seg(struct emul *e, unsigned int sreg)
{
	if (!(e->seg_valid & BIT(sreg))) {
		e->ops->get_seg(e, sreg, &e->seg[sreg]);
		e->seg_valid |= BIT(sreg);
	}
	return &e->seg[sreg];
}

/** emul_put_seg - change a segment register */
enum emul_status emul_put_seg(struct emul *e, unsigned int sreg, const struct emul_seg *seg)
{
	if (!e->ops->set_seg)
		return EMUL_UNHANDLEABLE;
	e->seg[sreg] = *seg;
	e->seg_valid |= BIT(sreg);
	e->ops->set_seg(e, sreg, seg);
	return EMUL_OK;
}

/** emul_get_cr - read a control register */
enum emul_status emul_get_cr(struct emul *e, unsigned int nr, u64 *val)
{
	if (!e->ops->get_cr)
		return EMUL_UNHANDLEABLE;
	*val = e->ops->get_cr(e, nr);
	return EMUL_OK;
}

/** emul_lma - whether EFER.LMA is set (64-bit and compatibility mode) */
bool emul_lma(struct emul *e)
{
	u64 efer = 0;

	if (e->mode == EMUL_LONG)
		return true;
	if (!emul_is_prot(e) || !e->ops->get_msr)
		return false;
	if (e->ops->get_msr(e, MSR_EFER_NR, &efer) != EMUL_OK)
		return false;
	return efer & EFER_LMA_BIT;
}

/** emul_canonical - whether @la is canonical with the present depth of page tables */
bool emul_canonical(struct emul *e, u64 la)
{
	unsigned int unused = 16;
	u64 cr4;

	/* the common case needs no register read: canonical in 48 bits is canonical in 57 */
	if ((u64)((s64)(la << unused) >> unused) == la)
		return true;
	if (emul_get_cr(e, 4, &cr4) != EMUL_OK || !(cr4 & CR4_LA57))
		return false;
	unused = 7;
	return (u64)((s64)(la << unused) >> unused) == la;
}

/* Limit and type check outside 64-bit mode. SDM 3: 5.3, 5.5; APM 2: 4.12 */
static bool seg_allows(const struct emul *e, const struct emul_seg *s, u32 off, unsigned int len,
		       unsigned int acc, bool *null)
{
	u32 last = off + len - 1, max;

	*null = false;
	if (emul_is_prot(e)) {
		if (s->attr & EMUL_SEG_UNUSABLE) {
			*null = true;
			return false;
		}
		if (acc & EMUL_ACC_WRITE) {
			if ((s->attr & EMUL_SEG_CODE) || !(s->attr & EMUL_SEG_RW))
				return false;
		} else if ((s->attr & EMUL_SEG_CODE) && !(s->attr & EMUL_SEG_RW)) {
			return false;
		}
	}
	if (last < off)
		return false;
	if (!(s->attr & EMUL_SEG_CODE) && (s->attr & EMUL_SEG_EC)) {
		max = s->attr & EMUL_SEG_DB ? 0xffffffffu : 0xffffu;
		return off > s->limit && last <= max;
	}
	return last <= s->limit;
}

enum emul_status emul_linear(struct emul *e, unsigned int seg, u64 off, unsigned int len,
			     unsigned int acc, u64 *la)
{
	const struct emul_seg *s;
	bool null;

	if (e->mode == EMUL_LONG) {
		*la = off;
		if (seg == EMUL_FS || seg == EMUL_GS)
			*la += emul_get_seg(e, seg)->base;
		if (emul_canonical(e, *la) && emul_canonical(e, *la + len - 1))
			return EMUL_OK;
	} else {
		s = emul_get_seg(e, seg);
		*la = (u32)(s->base + off);
		if (seg_allows(e, s, (u32)off, len, acc, &null))
			return EMUL_OK;
	}
	return emul_raise_err(e, seg == EMUL_SS ? EMUL_SS_FAULT : EMUL_GP, 0);
}

/* Bytes staged but not yet written are what the same instruction must read back */
static void overlay_staged(const struct emul *e, u64 la, u8 *buf, unsigned int len)
{
	const struct emul_write *w;
	unsigned int i, k;

	for (i = 0; i < e->nwrites; i++) {
		w = &e->w[i];
		for (k = 0; k < w->len; k++)
			if (w->la + k - la < len)
				buf[w->la + k - la] = e->wbuf[w->at + k];
	}
}

/* Outside 64-bit mode addresses wrap at 4 GiB: cut *la, and say how many bytes lie below that */
static unsigned int below_4g(const struct emul *e, u64 *la, unsigned int len, unsigned int acc)
{
	if (e->mode == EMUL_LONG || acc & EMUL_ACC_SYSTEM)
		return len;
	*la = (u32)*la;
	return *la + len > 0x100000000ULL ? (unsigned int)(0x100000000ULL - *la) : len;
}

/** emul_read_la - read linear memory */
enum emul_status emul_read_la(struct emul *e, u64 la, void *buf, unsigned int len,
			      unsigned int acc)
{
	unsigned int first = below_4g(e, &la, len, acc);

	TRY(e->ops->read(e, la, buf, first, acc));
	if (first < len)
		TRY(e->ops->read(e, 0, (u8 *)buf + first, len - first, acc));
	if (e->nwrites)
		overlay_staged(e, la, buf, len);
	return EMUL_OK;
}

/** emul_write_la - write linear memory now */
enum emul_status emul_write_la(struct emul *e, u64 la, const void *buf, unsigned int len,
			       unsigned int acc)
{
	unsigned int first = below_4g(e, &la, len, acc);

	if (!e->ops->write)
		return EMUL_UNHANDLEABLE;
	TRY(e->ops->write(e, la, buf, first, acc | EMUL_ACC_WRITE));
	if (first < len)
		TRY(e->ops->write(e, 0, (const u8 *)buf + first, len - first,
				  acc | EMUL_ACC_WRITE));
	return EMUL_OK;
}

/** emul_read_mem - read @len bytes of @seg:@off */
enum emul_status emul_read_mem(struct emul *e, unsigned int seg, u64 off, void *buf,
			       unsigned int len, unsigned int acc)
{
	u64 la = 0;

	TRY(emul_linear(e, seg, off, len, acc, &la));
	return emul_read_la(e, la, buf, len, acc);
}

/** emul_read_val - read a little-endian value of 1 to 8 bytes */
enum emul_status emul_read_val(struct emul *e, unsigned int seg, u64 off, unsigned int len,
			       u64 *val)
{
	*val = 0;
	return emul_read_mem(e, seg, off, val, len, 0);
}

/** emul_stage_write - check a write to @seg:@off and remember it for emul_commit_writes() */
enum emul_status emul_stage_write(struct emul *e, unsigned int seg, u64 off, const void *buf,
				  unsigned int len)
{
	struct emul_write *w;
	u64 la = 0;

	TRY(emul_linear(e, seg, off, len, EMUL_ACC_WRITE, &la));
	if (e->nwrites == EMUL_MAX_WRITES || e->wused + len > sizeof(e->wbuf))
		return EMUL_UNHANDLEABLE;
	w = &e->w[e->nwrites++];
	w->la = la;
	w->len = len;
	w->at = e->wused;
	w->acc = EMUL_ACC_WRITE;
	memcpy(e->wbuf + e->wused, buf, len);
	e->wused += len;
	return EMUL_OK;
}

/** emul_commit_writes - carry out what was staged, in order */
enum emul_status emul_commit_writes(struct emul *e)
{
	unsigned int i, n = e->nwrites;

	/*
	 * Several writes are the pushes of one instruction: prove all before doing the first, so
	 * that a fault or a retry leaves nothing behind but what the CPU would.
	 */
	if (n > 1 && e->ops->probe)
		for (i = 0; i < n; i++)
			TRY(e->ops->probe(e, e->w[i].la, e->w[i].len, e->w[i].acc));
	for (i = 0; i < n; i++)
		TRY(emul_write_la(e, e->w[i].la, e->wbuf + e->w[i].at, e->w[i].len, e->w[i].acc));
	e->nwrites = 0;
	e->wused = 0;
	return EMUL_OK;
}

/** emul_checkpoint - the registers as they are now are what a later failure returns to */
void emul_checkpoint(struct emul *e)
{
	memcpy(e->saved_gpr, e->gpr, sizeof(e->gpr));
	e->saved_rip = e->rip;
	e->saved_rflags = e->rflags;
}

/** emul_rollback - undo what was not committed */
void emul_rollback(struct emul *e)
{
	memcpy(e->gpr, e->saved_gpr, sizeof(e->gpr));
	e->rip = e->saved_rip;
	e->rflags = e->saved_rflags;
	e->nwrites = 0;
	e->wused = 0;
}

/** emul_read_op - fetch the value of an operand of at most 8 bytes into @op->val */
enum emul_status emul_read_op(struct emul *e, struct emul_operand *op, unsigned int acc)
{
	switch (op->type) {
	case EMUL_OP_REG:
		if (op->high)
			op->val = (e->gpr[op->reg & 3] >> 8) & 0xff;
		else
			op->val = emul_reg(e, op->reg, op->size);
		return EMUL_OK;
	case EMUL_OP_MEM:
		op->val = 0;
		if (!op->size || op->size > 8)
			return EMUL_OK;	/* LEA, far pointers and the like: the handler's */
		return emul_read_mem(e, op->seg, op->off, &op->val, op->size, acc);
	default:
		return EMUL_OK;
	}
}

/** emul_write_op - store @op->val: registers at once, memory staged */
enum emul_status emul_write_op(struct emul *e, struct emul_operand *op)
{
	u64 *r;

	switch (op->type) {
	case EMUL_OP_REG:
		if (op->high) {
			r = &e->gpr[op->reg & 3];
			*r = (*r & ~0xff00ULL) | (op->val & 0xff) << 8;
		} else {
			emul_set_reg(e, op->reg, op->size, op->val);
		}
		return EMUL_OK;
	case EMUL_OP_MEM:
		return emul_stage_write(e, op->seg, op->off, &op->val, op->size);
	default:
		return EMUL_OK;
	}
}

/** emul_has - does the guest have @feature? */
bool emul_has(struct emul *e, enum emul_feature feature)
{
	return !feature || !e->ops->has || e->ops->has(e, feature);
}

/** emul_fpu_check - may vector or MMX registers be used? SDM 3: 2.5, table 13-1 */
enum emul_status emul_fpu_check(struct emul *e, u32 flags)
{
	u64 cr0, cr4, xcr0 = 0;

	TRY(emul_get_cr(e, 0, &cr0));
	TRY(emul_get_cr(e, 4, &cr4));
	if (flags & F_X87)
		return cr0 & (CR0_EM | CR0_TS) ? emul_raise(e, EMUL_NM) : EMUL_OK;
	if (flags & F_AVX) {
		if (!(cr4 & CR4_OSXSAVE) || !emul_is_prot(e))
			return emul_ud(e);
		if (!e->ops->get_xcr)
			return EMUL_UNHANDLEABLE;
		TRY(e->ops->get_xcr(e, 0, &xcr0));
		if ((xcr0 & 6) != 6)
			return emul_ud(e);
	} else {
		if (cr0 & CR0_EM)
			return emul_ud(e);
		if ((flags & F_SSE) && !(cr4 & CR4_OSFXSR))
			return emul_ud(e);
	}
	if (cr0 & CR0_TS)
		return emul_raise(e, EMUL_NM);
	return EMUL_OK;
}

/* The destination of a locked instruction: store unless memory changed since it was read */
static enum emul_status locked_write(struct emul *e, struct emul_operand *op, u64 old)
{
	u64 la = 0, expected = old;

	TRY(emul_linear(e, op->seg, op->off, op->size, EMUL_ACC_WRITE, &la));
	if (!e->ops->cmpxchg)
		return EMUL_UNHANDLEABLE;
	/* a locked access that wraps around 4 GiB is nothing anyone does */
	if (e->mode != EMUL_LONG && la + op->size > 0x100000000ULL)
		return EMUL_UNHANDLEABLE;
	return (e->ops->cmpxchg)(e, la, &expected, &op->val, op->size, EMUL_ACC_WRITE);
}

static enum emul_status run_once(struct emul *e, bool locked)
{
	struct emul_insn *in = &e->insn;
	const struct emul_row *row = in->row;
	unsigned int i, acc = 0;
	u64 old;

	if (!(row->flags & F_RW))
		return row->fn(e);
	if (row->flags & F_WR)
		acc = EMUL_ACC_WRITE;
	if (row->flags & F_RD)
		TRY(emul_read_op(e, &in->op[0], acc));
	old = in->op[0].val;
	for (i = 1; i < 3; i++)
		TRY(emul_read_op(e, &in->op[i], 0));
	e->no_write = false;
	TRY(row->fn(e));
	if (!(row->flags & F_WR) || e->no_write)
		return EMUL_OK;
	if (locked)
		return locked_write(e, &in->op[0], old);
	return emul_write_op(e, &in->op[0]);
}

/*
 * Immediates of F_WR rows live in op[].val, which a handler may use as scratch; keep them right
 * for another attempt.
 */
static enum emul_status run(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	bool locked = (in->lock || (in->row->flags & F_XCHG)) && in->op[0].type == EMUL_OP_MEM;
	unsigned int attempt;
	enum emul_status st;
	u64 val1 = in->op[1].val, val2 = in->op[2].val;

	if ((in->row->flags & F_BITS) && in->op[0].type == EMUL_OP_MEM)
		emul_bit_address(e);
	for (attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
		st = run_once(e, locked);
		if (in->op[1].type == EMUL_OP_IMM)
			in->op[1].val = val1;
		if (in->op[2].type == EMUL_OP_IMM)
			in->op[2].val = val2;
		if (!locked || st != EMUL_RETRY)
			return st;
		emul_rollback(e);
	}
	return EMUL_RETRY;
}

enum emul_status emul_execute(struct emul *e)
{
	const struct emul_row *row = e->insn.row;
	enum emul_status st = EMUL_OK;

	if (!row || !row->fn)
		return EMUL_UNHANDLEABLE;
	e->nwrites = 0;
	e->wused = 0;
	e->stop = false;
	e->rep_pending = false;
	e->branched = false;
	e->int_shadow = 0;
	e->task_trap = false;
	emul_checkpoint(e);
	/* an instruction that completes clears RF, unless it is IRET and loads it */
	e->rflags &= ~(u64)X86_RF;

	if (!emul_has(e, ROW_FEAT(row)))
		st = emul_ud(e);
	if (st == EMUL_OK && (row->flags & (F_SSE | F_MMX | F_AVX | F_X87)))
		st = emul_fpu_check(e, row->flags);
	if (st == EMUL_OK && (row->flags & F_PRIV) && e->cpl)
		st = emul_gp0(e);
	if (st == EMUL_OK)
		st = run(e);
	if (st == EMUL_OK && e->nwrites)
		st = emul_commit_writes(e);
	if (st != EMUL_OK) {
		emul_rollback(e);
		e->branched = false;
		e->int_shadow = 0;
		return st;
	}
	if (e->rep_pending) {
		e->rflags |= e->saved_rflags & X86_RF;
	} else if (!e->branched) {
		e->rip += e->insn.len;
		if (e->mode != EMUL_LONG)
			e->rip = (u32)e->rip;
	}
	return EMUL_OK;
}

/** emul_step - decode and execute one instruction */
enum emul_status emul_step(struct emul *e)
{
	TRY(emul_decode(e));
	return emul_execute(e);
}
