// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves between memory and MMX, XMM and YMM registers: what compilers, memcpy() and firmware use
 * on device memory. Vector arithmetic has no place here.
 *
 * SDM volume 2; the registers themselves are reached through callbacks.
 */
#include "internal.h"

/* Alignment of MOVAPS and its kind: #GP(0) whatever CR0.AM says */
static enum emul_status check_align(struct emul *e, const struct emul_operand *mem)
{
	u64 la = 0;

	if (!(e->insn.row->flags & F_ALIGN))
		return EMUL_OK;
	TRY(emul_linear(e, mem->seg, mem->off, mem->size, 0, &la));
	return la & (mem->size - 1) ? emul_gp0(e) : EMUL_OK;
}

/*
 * Vector register from register or memory. A narrow source (MOVD, MOVSS from memory) is
 * zero-extended to 16 bytes, except that MOVSS and MOVSD between registers (legacy encoding,
 * row->arg 0) keep the rest of the destination. VEX clears what lies beyond.
 */
enum emul_status emul_do_vmov_load(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	struct emul_operand *dst = &in->op[0], *src = &in->op[1];
	u8 *buf = e->xbuf;
	unsigned int len;

	if (!e->ops->get_xmm || !e->ops->set_xmm)
		return EMUL_UNHANDLEABLE;
	len = dst->size == 32 ? 32 : 16;
	memset(buf, 0, sizeof(e->xbuf));
	switch (src->type) {
	case EMUL_OP_MEM:
		TRY(check_align(e, src));
		TRY(emul_read_mem(e, src->seg, src->off, buf, src->size, 0));
		break;
	case EMUL_OP_REG:
		memcpy(buf, &e->gpr[src->reg & 15], src->size);
		break;
	default:
		e->ops->get_xmm(e, src->reg, buf, len);
		if (src->size >= 16)
			break;
		if (in->row->arg) {
			memset(buf + src->size, 0, len - src->size);
		} else {
			e->ops->get_xmm(e, dst->reg, buf + 32, 16);
			memcpy(buf + src->size, buf + 32 + src->size, 16 - src->size);
		}
	}
	e->ops->set_xmm(e, dst->reg, buf, len, in->vex);
	return EMUL_OK;
}

/* Vector register to register or memory; to a register as emul_do_vmov_load() */
enum emul_status emul_do_vmov_store(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	struct emul_operand *dst = &in->op[0], *src = &in->op[1];
	u8 *buf = e->xbuf;
	unsigned int len;
	u64 v = 0;

	if (!e->ops->get_xmm || !e->ops->set_xmm)
		return EMUL_UNHANDLEABLE;
	len = src->size == 32 ? 32 : 16;
	memset(buf, 0, sizeof(e->xbuf));
	e->ops->get_xmm(e, src->reg, buf, len);
	switch (dst->type) {
	case EMUL_OP_MEM:
		TRY(check_align(e, dst));
		return emul_stage_write(e, dst->seg, dst->off, buf, dst->size);
	case EMUL_OP_REG:
		memcpy(&v, buf, dst->size);
		emul_set_reg(e, dst->reg, dst->size, v);
		return EMUL_OK;
	default:
		if (dst->size < 16) {
			if (in->row->arg) {
				memset(buf + dst->size, 0, 16 - dst->size);
			} else {
				e->ops->get_xmm(e, dst->reg, buf + 32, 16);
				memcpy(buf + dst->size, buf + 32 + dst->size, 16 - dst->size);
			}
		}
		e->ops->set_xmm(e, dst->reg, buf, len, in->vex);
		return EMUL_OK;
	}
}

/*
 * One half (row->arg: 1 the high one) from memory, or from the other half of a register: MOVLPx,
 * MOVHPx, MOVHLPS, MOVLHPS. The rest is the destination's, with VEX the middle operand's.
 */
enum emul_status emul_do_vmov_half(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	struct emul_operand *base = &in->op[in->vex ? 1 : 0], *src = &in->op[in->vex ? 2 : 1];
	unsigned int high = in->row->arg;
	u8 *buf = e->xbuf;

	if (!e->ops->get_xmm || !e->ops->set_xmm)
		return EMUL_UNHANDLEABLE;
	e->ops->get_xmm(e, base->reg, buf, 16);
	if (src->type == EMUL_OP_MEM) {
		TRY(emul_read_mem(e, src->seg, src->off, buf + 8 * high, 8, 0));
	} else {
		e->ops->get_xmm(e, src->reg, buf + 16, 16);
		memcpy(buf + 8 * high, buf + 16 + 8 * !high, 8);
	}
	e->ops->set_xmm(e, in->op[0].reg, buf, 16, in->vex);
	return EMUL_OK;
}

/* MOVDDUP, MOVSLDUP, MOVSHDUP: arg 0, 1, 2. Some elements of the source, twice each */
enum emul_status emul_do_vmov_dup(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	struct emul_operand *dst = &in->op[0], *src = &in->op[1];
	unsigned int arg = in->row->arg, i, len = dst->size;
	u8 *buf = e->xbuf;

	if (!e->ops->get_xmm || !e->ops->set_xmm)
		return EMUL_UNHANDLEABLE;
	if (src->type == EMUL_OP_MEM) {
		TRY(check_align(e, src));
		/* the 128-bit MOVDDUP reads 8 bytes, the 256-bit one 32 */
		TRY(emul_read_mem(e, src->seg, src->off, buf, !arg && len == 16 ? 8 : len, 0));
	} else {
		e->ops->get_xmm(e, src->reg, buf, len);
	}
	if (!arg)
		for (i = 0; i < len; i += 16)
			memcpy(buf + i + 8, buf + i, 8);
	else
		for (i = 0; i < len; i += 8)
			memcpy(buf + i + (arg == 1 ? 4 : 0), buf + i + (arg == 1 ? 0 : 4), 4);
	e->ops->set_xmm(e, dst->reg, buf, len, in->vex);
	return EMUL_OK;
}

/* VINSERTF128, VINSERTI128: compilers load unaligned 32 bytes in halves with it */
enum emul_status emul_do_vinsert128(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	struct emul_operand *src = &in->op[1];
	u8 *buf = e->xbuf, *half = buf + (in->imm & 1 ? 16 : 0);

	if (in->vl != 32)
		return emul_ud(e);
	if (!e->ops->get_xmm || !e->ops->set_xmm)
		return EMUL_UNHANDLEABLE;
	e->ops->get_xmm(e, in->vvvv, buf, 32);
	if (src->type == EMUL_OP_MEM)
		TRY(emul_read_mem(e, src->seg, src->off, half, 16, 0));
	else
		e->ops->get_xmm(e, src->reg, half, 16);
	e->ops->set_xmm(e, in->op[0].reg, buf, 32, true);
	return EMUL_OK;
}

/* VEXTRACTF128, VEXTRACTI128 */
enum emul_status emul_do_vextract128(struct emul *e)
{
	struct emul_insn *in = &e->insn;
	struct emul_operand *dst = &in->op[0];
	u8 *half = e->xbuf + (in->imm & 1 ? 16 : 0);

	if (in->vl != 32)
		return emul_ud(e);
	if (!e->ops->get_xmm || !e->ops->set_xmm)
		return EMUL_UNHANDLEABLE;
	e->ops->get_xmm(e, in->op[1].reg, e->xbuf, 32);
	if (dst->type == EMUL_OP_MEM)
		return emul_stage_write(e, dst->seg, dst->off, half, 16);
	e->ops->set_xmm(e, dst->reg, half, 16, true);
	return EMUL_OK;
}

/* MOVHPS, MOVHPD to memory */
enum emul_status emul_do_vmov_high_store(struct emul *e)
{
	struct emul_operand *dst = &e->insn.op[0], *src = &e->insn.op[1];

	if (!e->ops->get_xmm)
		return EMUL_UNHANDLEABLE;
	e->ops->get_xmm(e, src->reg, e->xbuf, 16);
	return emul_stage_write(e, dst->seg, dst->off, e->xbuf + 8, 8);
}

enum emul_status emul_do_mmx_load(struct emul *e)
{
	struct emul_operand *dst = &e->insn.op[0], *src = &e->insn.op[1];
	u64 v = 0;

	if (!e->ops->get_mmx || !e->ops->set_mmx)
		return EMUL_UNHANDLEABLE;
	if (src->type == EMUL_OP_MMX) {
		e->ops->get_mmx(e, src->reg, &v);
	} else {
		TRY(emul_read_op(e, src, 0));
		v = src->val;
	}
	e->ops->set_mmx(e, dst->reg, v);
	return EMUL_OK;
}

enum emul_status emul_do_mmx_store(struct emul *e)
{
	struct emul_operand *dst = &e->insn.op[0], *src = &e->insn.op[1];
	u64 v = 0;

	if (!e->ops->get_mmx || !e->ops->set_mmx)
		return EMUL_UNHANDLEABLE;
	e->ops->get_mmx(e, src->reg, &v);
	if (dst->type == EMUL_OP_MMX) {
		e->ops->set_mmx(e, dst->reg, v);
		return EMUL_OK;
	}
	/* the store uses the MMX state, so it too marks the tags valid */
	e->ops->set_mmx(e, src->reg, v);
	dst->val = v & emul_mask(dst->size);
	return emul_write_op(e, dst);
}
