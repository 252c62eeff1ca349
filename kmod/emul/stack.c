// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stack: pushes, pops, frames and RFLAGS. SDM volume 1 chapter 6.
 */
#include "internal.h"

/** emul_stack_size - bytes of the stack pointer in use: SS.B, or 8 in 64-bit mode */
unsigned int emul_stack_size(struct emul *e)
{
	if (e->mode == EMUL_LONG)
		return 8;
	return emul_get_seg(e, EMUL_SS)->attr & EMUL_SEG_DB ? 4 : 2;
}

/** emul_push - stage the push of @size bytes and move the stack pointer */
enum emul_status emul_push(struct emul *e, u64 val, unsigned int size)
{
	unsigned int width = emul_stack_size(e);
	u64 sp = (e->gpr[EMUL_RSP] - size) & emul_mask(width);

	TRY(emul_stage_write(e, EMUL_SS, sp, &val, size));
	emul_set_reg(e, EMUL_RSP, width, sp);
	return EMUL_OK;
}

/** emul_pop - read @size bytes at the stack pointer and move it */
enum emul_status emul_pop(struct emul *e, u64 *val, unsigned int size)
{
	unsigned int width = emul_stack_size(e);
	u64 sp = e->gpr[EMUL_RSP] & emul_mask(width);

	TRY(emul_read_val(e, EMUL_SS, sp, size, val));
	emul_set_reg(e, EMUL_RSP, width, sp + size);
	return EMUL_OK;
}

enum emul_status emul_do_push(struct emul *e)
{
	unsigned int size = emul_opsize(e);

	return emul_push(e, e->insn.op[0].val & emul_mask(size), size);
}

enum emul_status emul_do_pop(struct emul *e)
{
	return emul_pop(e, &e->insn.op[0].val, emul_opsize(e));
}

/* POP to memory: an address based on the stack pointer uses its new value */
enum emul_status emul_do_pop_ev(struct emul *e)
{
	struct emul_operand *op = &e->insn.op[0];

	TRY(emul_pop(e, &op->val, emul_opsize(e)));
	if (op->type == EMUL_OP_MEM)
		op->off = emul_ea(e);
	return emul_write_op(e, op);
}

enum emul_status emul_do_pusha(struct emul *e)
{
	unsigned int i, size = emul_opsize(e);
	u64 sp = e->gpr[EMUL_RSP];

	for (i = 0; i < 8; i++)
		TRY(emul_push(e, (i == EMUL_RSP ? sp : e->gpr[i]) & emul_mask(size), size));
	return EMUL_OK;
}

enum emul_status emul_do_popa(struct emul *e)
{
	unsigned int i, size = emul_opsize(e);
	u64 v;

	for (i = 8; i-- > 0;) {
		TRY(emul_pop(e, &v, size));
		if (i != EMUL_RSP)
			emul_set_reg(e, i, size, v);
	}
	return EMUL_OK;
}

/* PUSHF, POPF and IRET in virtual-8086 mode need IOPL 3; VME's way is left to hardware */
static enum emul_status vm86_flags_allowed(struct emul *e)
{
	u64 cr4;

	if (e->mode != EMUL_VM86 || emul_iopl(e) == 3)
		return EMUL_OK;
	TRY(emul_get_cr(e, 4, &cr4));
	return cr4 & CR4_VME ? EMUL_UNHANDLEABLE : emul_gp0(e);
}

enum emul_status emul_do_pushf(struct emul *e)
{
	unsigned int size = emul_opsize(e);
	u64 f = e->rflags & ~(u64)(X86_VM | X86_RF);

	TRY(vm86_flags_allowed(e));
	return emul_push(e, f & emul_mask(size), size);
}

/**
 * emul_set_flags - load RFLAGS as POPF or IRET do
 * @e: emulation
 * @val: value
 * @size: operand size; 2 leaves the upper flags alone
 * @iret: IRET rather than POPF
 *
 * What may change depends on CPL and IOPL (SDM volume 2, POPF, table 4-15; IRET).
 */
enum emul_status emul_set_flags(struct emul *e, u64 val, unsigned int size, bool iret)
{
	u64 mask = X86_ARITH | X86_TF | X86_DF | X86_NT | X86_AC | X86_ID;

	TRY(vm86_flags_allowed(e));
	if (e->cpl == 0)
		mask |= X86_IOPL | X86_IF;
	else if (e->cpl <= emul_iopl(e))
		mask |= X86_IF;
	if (iret) {
		mask |= X86_RF;
		if (e->cpl == 0 && emul_is_prot(e))
			mask |= X86_VIF | X86_VIP;
	}
	mask &= emul_mask(size);
	e->rflags = (e->rflags & ~mask) | (val & mask) | X86_FIXED;
	return EMUL_OK;
}

enum emul_status emul_do_popf(struct emul *e)
{
	unsigned int size = emul_opsize(e);
	u64 v;

	TRY(vm86_flags_allowed(e));
	TRY(emul_pop(e, &v, size));
	return emul_set_flags(e, v, size, false);
}

enum emul_status emul_do_enter(struct emul *e)
{
	unsigned int size = emul_opsize(e), width = emul_stack_size(e);
	unsigned int level = e->insn.imm2 & 31, i;
	u64 frame, bp = e->gpr[EMUL_RBP], v, la = 0;

	TRY(emul_push(e, emul_reg(e, EMUL_RBP, size), size));
	frame = e->gpr[EMUL_RSP];
	if (level) {
		for (i = 1; i < level; i++) {
			bp -= size;
			TRY(emul_read_val(e, EMUL_SS, bp & emul_mask(width), size, &v));
			TRY(emul_push(e, v, size));
		}
		TRY(emul_push(e, frame & emul_mask(size), size));
	}
	emul_set_reg(e, EMUL_RBP, size, frame);
	emul_set_reg(e, EMUL_RSP, width, e->gpr[EMUL_RSP] - e->insn.imm);
	/* the new top must be writable, though nothing is written there (SDM volume 2, ENTER) */
	TRY(emul_linear(e, EMUL_SS, emul_reg(e, EMUL_RSP, width), size, EMUL_ACC_WRITE, &la));
	if (e->ops->probe)
		TRY(e->ops->probe(e, la, size, EMUL_ACC_WRITE));
	return EMUL_OK;
}

enum emul_status emul_do_leave(struct emul *e)
{
	unsigned int size = emul_opsize(e), width = emul_stack_size(e);
	u64 v;

	emul_set_reg(e, EMUL_RSP, width, e->gpr[EMUL_RBP]);
	TRY(emul_pop(e, &v, size));
	emul_set_reg(e, EMUL_RBP, size, v);
	return EMUL_OK;
}

enum emul_status emul_do_push_seg(struct emul *e)
{
	return emul_push(e, emul_get_seg(e, e->insn.op[0].reg)->selector, emul_opsize(e));
}

enum emul_status emul_do_pop_seg(struct emul *e)
{
	unsigned int sreg = e->insn.op[0].reg;
	u64 v;

	TRY(emul_pop(e, &v, emul_opsize(e)));
	TRY(emul_load_seg(e, sreg, (u16)v));
	if (sreg == EMUL_SS)
		e->int_shadow |= EMUL_SHADOW_MOV_SS;
	return EMUL_OK;
}
