// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data movement between general registers and memory, conversions, and the flag instructions.
 */
#include "internal.h"

/* MOV in all forms, MOVZX, MOVNTI, MOVDIRI: sources are read zero-extended */
enum emul_status emul_do_mov(struct emul *e)
{
	DST = SRC & emul_mask(SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_movsx(struct emul *e)
{
	/* MOVSXD with a 16-bit operand size is a plain move */
	unsigned int size = e->insn.row->arg < SIZE ? e->insn.row->arg : SIZE;

	DST = emul_sext(SRC & emul_mask(size), size) & emul_mask(SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_xchg(struct emul *e)
{
	u64 v = SRC;

	SRC = DST;
	DST = v;
	return emul_write_op(e, &e->insn.op[1]);
}

enum emul_status emul_do_lea(struct emul *e)
{
	DST = e->insn.op[1].off & emul_mask(SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_setcc(struct emul *e)
{
	DST = emul_cond(e, e->insn.opcode & 15);
	return EMUL_OK;
}

/* The destination is written in either case: a 32-bit one is zero-extended */
enum emul_status emul_do_cmov(struct emul *e)
{
	DST = emul_cond(e, e->insn.opcode & 15) ? SRC : emul_reg(e, e->insn.op[0].reg, SIZE);
	return EMUL_OK;
}

/* CBW, CWDE, CDQE */
enum emul_status emul_do_cbw(struct emul *e)
{
	unsigned int size = emul_opsize(e), half = size / 2;

	emul_set_reg(e, EMUL_RAX, size, emul_sext(emul_reg(e, EMUL_RAX, half), half));
	return EMUL_OK;
}

/* CWD, CDQ, CQO */
enum emul_status emul_do_cwd(struct emul *e)
{
	unsigned int size = emul_opsize(e);

	emul_set_reg(e, EMUL_RDX, size, e->gpr[EMUL_RAX] & emul_msb(size) ? ~0ULL : 0);
	return EMUL_OK;
}

enum emul_status emul_do_sahf(struct emul *e)
{
	const u64 mask = X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF;

	e->rflags = (e->rflags & ~mask) | ((e->gpr[EMUL_RAX] >> 8) & mask);
	return EMUL_OK;
}

enum emul_status emul_do_lahf(struct emul *e)
{
	const u64 mask = X86_SF | X86_ZF | X86_AF | X86_PF | X86_CF;
	u64 ah = (e->rflags & mask) | X86_FIXED;

	e->gpr[EMUL_RAX] = (e->gpr[EMUL_RAX] & ~0xff00ULL) | ah << 8;
	return EMUL_OK;
}

enum emul_status emul_do_xlat(struct emul *e)
{
	const struct emul_insn *in = &e->insn;
	unsigned int seg = in->seg != EMUL_NR_SREG ? in->seg : EMUL_DS;
	u64 v, off = e->gpr[EMUL_RBX] + (u8)e->gpr[EMUL_RAX];

	TRY(emul_read_val(e, seg, off & emul_mask(in->adsize), 1, &v));
	emul_set_reg(e, EMUL_RAX, 1, v);
	return EMUL_OK;
}

/* Flushes of a cache line: caches are coherent, but the address is checked as a load's */
enum emul_status emul_do_clflush(struct emul *e)
{
	const struct emul_operand *op = &e->insn.op[0];
	u64 la = 0;

	TRY(emul_linear(e, op->seg, op->off, 1, 0, &la));
	return e->ops->probe ? e->ops->probe(e, la, 1, 0) : EMUL_OK;
}

/* NOP, PAUSE, prefetches, hints, fences */
enum emul_status emul_do_nop(struct emul *e)
{
	(void)e;
	return EMUL_OK;
}

/* 64 bytes to ES:reg, which must be aligned */
enum emul_status emul_do_movdir64b(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	u64 to = e->gpr[in->op[0].reg & 15] & emul_mask(in->adsize), la = 0;

	TRY(emul_linear(e, EMUL_ES, to, 64, EMUL_ACC_WRITE, &la));
	if (la & 63)
		return emul_gp0(e);
	TRY(emul_read_mem(e, in->op[1].seg, in->op[1].off, e->xbuf, 64, 0));
	return emul_stage_write(e, EMUL_ES, to, e->xbuf, 64);
}

/* CMPXCHG8B, CMPXCHG16B */
enum emul_status emul_do_cmpxchg8b(struct emul *e)
{
	struct emul_operand *op = &e->insn.op[0];
	unsigned int half = op->size / 2;
	u64 la = 0;
	u8 old[16], new[16];
	u64 v;

	if (op->size == 16 && !emul_has(e, EMUL_FEAT_CX16))
		return emul_ud(e);
	TRY(emul_linear(e, op->seg, op->off, op->size, EMUL_ACC_WRITE, &la));
	if (op->size == 16 && (la & 15))
		return emul_gp0(e);
	TRY(emul_read_la(e, la, old, op->size, EMUL_ACC_WRITE));
	if (!memcmp(old, &e->gpr[EMUL_RAX], half) &&
	    !memcmp(old + half, &e->gpr[EMUL_RDX], half)) {
		memcpy(new, &e->gpr[EMUL_RBX], half);
		memcpy(new + half, &e->gpr[EMUL_RCX], half);
		e->rflags |= X86_ZF;
	} else {
		/* memory gets its old value back: the access is always a write */
		memcpy(new, old, op->size);
		e->rflags &= ~(u64)X86_ZF;
		v = 0;
		memcpy(&v, old, half);
		emul_set_reg(e, EMUL_RAX, half, v);
		memcpy(&v, old + half, half);
		emul_set_reg(e, EMUL_RDX, half, v);
	}
	if (!e->insn.lock)
		return emul_stage_write(e, op->seg, op->off, new, op->size);
	if (!e->ops->cmpxchg || (e->mode != EMUL_LONG && la + op->size > 0x100000000ULL))
		return EMUL_UNHANDLEABLE;
	return (e->ops->cmpxchg)(e, la, old, new, op->size, EMUL_ACC_WRITE);
}

enum emul_status emul_do_clc(struct emul *e)
{
	e->rflags &= ~(u64)X86_CF;
	return EMUL_OK;
}

enum emul_status emul_do_stc(struct emul *e)
{
	e->rflags |= X86_CF;
	return EMUL_OK;
}

enum emul_status emul_do_cmc(struct emul *e)
{
	e->rflags ^= X86_CF;
	return EMUL_OK;
}

enum emul_status emul_do_cld(struct emul *e)
{
	e->rflags &= ~(u64)X86_DF;
	return EMUL_OK;
}

enum emul_status emul_do_std(struct emul *e)
{
	e->rflags |= X86_DF;
	return EMUL_OK;
}

/*
 * May IF be changed? With virtual interrupts (CR4.VME, CR4.PVI) the answer is VIF, which is left
 * to real hardware.
 */
static enum emul_status may_change_if(struct emul *e)
{
	u64 cr4;

	if (e->cpl <= emul_iopl(e) || e->mode == EMUL_REAL)
		return EMUL_OK;
	TRY(emul_get_cr(e, 4, &cr4));
	if (e->mode == EMUL_VM86 ? cr4 & CR4_VME : (cr4 & CR4_PVI) && e->cpl == 3)
		return EMUL_UNHANDLEABLE;
	return emul_gp0(e);
}

enum emul_status emul_do_cli(struct emul *e)
{
	TRY(may_change_if(e));
	e->rflags &= ~(u64)X86_IF;
	return EMUL_OK;
}

enum emul_status emul_do_sti(struct emul *e)
{
	TRY(may_change_if(e));
	if (!(e->rflags & X86_IF))
		e->int_shadow |= EMUL_SHADOW_STI;
	e->rflags |= X86_IF;
	return EMUL_OK;
}

enum emul_status emul_do_bound(struct emul *e)
{
	struct emul_operand *mem = &e->insn.op[1];
	unsigned int size = emul_opsize(e);
	s64 index = (s64)emul_sext(emul_reg(e, e->insn.op[0].reg, size), size);
	u64 lo, hi;

	TRY(emul_read_val(e, mem->seg, mem->off, size, &lo));
	TRY(emul_read_val(e, mem->seg, (mem->off + size) & emul_mask(e->insn.adsize), size, &hi));
	if (index < (s64)emul_sext(lo, size) || index > (s64)emul_sext(hi, size))
		return emul_raise(e, EMUL_BR);
	return EMUL_OK;
}

enum emul_status emul_do_ud(struct emul *e)
{
	return emul_ud(e);
}
