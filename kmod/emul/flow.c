// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transfers of control: jumps, calls, returns, loops, software interrupts. SDM volume 2; real-mode
 * interrupts: volume 3, 21.1.4.
 */
#include "internal.h"

static u64 next_rip(const struct emul *e)
{
	u64 rip = e->rip + e->insn.len;

	return e->mode == EMUL_LONG ? rip : (u32)rip;
}

static enum emul_status jump_rel(struct emul *e)
{
	return emul_set_rip(e, e->rip + e->insn.len + e->insn.op[0].val, emul_opsize(e));
}

enum emul_status emul_do_jmp(struct emul *e)
{
	return jump_rel(e);
}

enum emul_status emul_do_jcc(struct emul *e)
{
	return emul_cond(e, e->insn.opcode & 15) ? jump_rel(e) : EMUL_OK;
}

/* LOOPNE, LOOPE, LOOP: arg 0, 1, 2. The counter's width is the address size */
enum emul_status emul_do_loop(struct emul *e)
{
	unsigned int width = e->insn.adsize, kind = e->insn.row->arg;
	bool zf = e->rflags & X86_ZF;

	emul_set_reg(e, EMUL_RCX, width, e->gpr[EMUL_RCX] - 1);
	if (!emul_reg(e, EMUL_RCX, width))
		return EMUL_OK;
	return kind == 2 || zf == (kind == 1) ? jump_rel(e) : EMUL_OK;
}

enum emul_status emul_do_jcxz(struct emul *e)
{
	return emul_reg(e, EMUL_RCX, e->insn.adsize) ? EMUL_OK : jump_rel(e);
}

enum emul_status emul_do_call(struct emul *e)
{
	unsigned int size = emul_opsize(e);

	TRY(emul_push(e, next_rip(e) & emul_mask(size), size));
	return jump_rel(e);
}

enum emul_status emul_do_jmp_ind(struct emul *e)
{
	return emul_set_rip(e, e->insn.op[0].val, emul_opsize(e));
}

enum emul_status emul_do_call_ind(struct emul *e)
{
	unsigned int size = emul_opsize(e);

	TRY(emul_push(e, next_rip(e) & emul_mask(size), size));
	return emul_set_rip(e, e->insn.op[0].val, size);
}

enum emul_status emul_do_ret(struct emul *e)
{
	unsigned int size = emul_opsize(e), width = emul_stack_size(e);
	u64 rip;

	TRY(emul_pop(e, &rip, size));
	if (e->insn.imm)
		emul_set_reg(e, EMUL_RSP, width, e->gpr[EMUL_RSP] + e->insn.imm);
	return emul_set_rip(e, rip, size);
}

enum emul_status emul_do_jmp_far(struct emul *e)
{
	return emul_far_jump(e, e->insn.op[0].sel, e->insn.op[0].val);
}

enum emul_status emul_do_call_far(struct emul *e)
{
	return emul_far_call(e, e->insn.op[0].sel, e->insn.op[0].val);
}

enum emul_status emul_do_jmp_far_ind(struct emul *e)
{
	u64 off;
	u16 sel;

	TRY(emul_read_far(e, &e->insn.op[0], &sel, &off));
	return emul_far_jump(e, sel, off);
}

enum emul_status emul_do_call_far_ind(struct emul *e)
{
	u64 off;
	u16 sel;

	TRY(emul_read_far(e, &e->insn.op[0], &sel, &off));
	return emul_far_call(e, sel, off);
}

enum emul_status emul_do_ret_far(struct emul *e)
{
	return emul_far_ret(e, (unsigned int)e->insn.imm, false);
}

enum emul_status emul_do_iret(struct emul *e)
{
	return emul_far_ret(e, 0, true);
}

/* Vector through the table at IDTR: FLAGS, CS and IP pushed, four bytes an entry */
static enum emul_status int_real(struct emul *e, u8 vector, u64 ret)
{
	struct emul_dtable idt;
	struct emul_seg cs;
	u32 entry = 0;

	if (!e->ops->get_idt)
		return EMUL_UNHANDLEABLE;
	e->ops->get_idt(e, &idt);
	if (vector * 4u + 3 > idt.limit)
		return emul_gp0(e);
	TRY(emul_push(e, e->rflags & 0xffff, 2));
	TRY(emul_push(e, emul_get_seg(e, EMUL_CS)->selector, 2));
	TRY(emul_push(e, ret & 0xffff, 2));
	TRY(emul_read_la(e, idt.base + vector * 4u, &entry, 4, EMUL_ACC_SYSTEM));
	cs = *emul_get_seg(e, EMUL_CS);
	if ((entry & 0xffff) > cs.limit)
		return emul_gp0(e);
	TRY(emul_commit_writes(e));
	cs.selector = entry >> 16;
	cs.base = (u64)cs.selector << 4;
	TRY(emul_put_seg(e, EMUL_CS, &cs));
	e->rip = entry & 0xffff;
	e->rflags &= ~(u64)(X86_IF | X86_TF | X86_AC | X86_RF);
	e->branched = true;
	return EMUL_OK;
}

enum emul_status emul_inject_real(struct emul *e, u8 vector)
{
	enum emul_status st;

	e->nwrites = 0;
	e->wused = 0;
	emul_checkpoint(e);
	st = int_real(e, vector, e->rip);
	if (st != EMUL_OK)
		emul_rollback(e);
	return st;
}

/* Protected-mode delivery (gates, stacks, tasks) is the CPU's: hand the event to the glue */
static enum emul_status soft_event(struct emul *e, enum emul_event kind, u8 vector)
{
	if (e->mode == EMUL_REAL)
		return int_real(e, vector, next_rip(e));
	emul_raise(e, vector);
	e->fault.kind = kind;
	return EMUL_FAULT;
}

enum emul_status emul_do_intn(struct emul *e)
{
	u64 cr4;

	if (e->mode == EMUL_VM86) {
		TRY(emul_get_cr(e, 4, &cr4));
		if (cr4 & CR4_VME)
			return EMUL_UNHANDLEABLE;
		if (emul_iopl(e) < 3)
			return emul_gp0(e);
	}
	return soft_event(e, EMUL_EV_SOFT_INT, (u8)e->insn.imm);
}

enum emul_status emul_do_int3(struct emul *e)
{
	return soft_event(e, EMUL_EV_SOFT_EXC, EMUL_BP);
}

enum emul_status emul_do_into(struct emul *e)
{
	return e->rflags & X86_OF ? soft_event(e, EMUL_EV_SOFT_EXC, EMUL_OF) : EMUL_OK;
}

enum emul_status emul_do_icebp(struct emul *e)
{
	return soft_event(e, EMUL_EV_ICEBP, EMUL_DB);
}
