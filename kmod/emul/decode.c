// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decoder: prefixes, opcode maps, ModRM and SIB, immediates, operands.
 *
 * SDM volume 2 chapter 2 and appendix A; APM volume 3 chapter 1. Where vendors differ (operand-size
 * prefix on near branches in 64-bit mode) Intel's behaviour is taken.
 */
#include "internal.h"

/* A reader over the bytes at hand */
struct cursor {
	const u8 *bytes;
	unsigned int n;
	unsigned int pos;
};

/* RETRY: more bytes are needed; FAULT: the instruction is longer than any may be */
static enum emul_status next(struct cursor *c, unsigned int size, u64 *val)
{
	unsigned int i;

	*val = 0;
	if (c->pos + size > EMUL_MAX_INSN)
		return EMUL_FAULT;
	if (c->pos + size > c->n)
		return EMUL_RETRY;
	for (i = 0; i < size; i++)
		*val |= (u64)c->bytes[c->pos + i] << (8 * i);
	c->pos += size;
	return EMUL_OK;
}

static enum emul_status next_u8(struct cursor *c, u8 *val)
{
	u64 v;

	TRY(next(c, 1, &v));
	*val = (u8)v;
	return EMUL_OK;
}

/* Peek at the byte after the current one */
static enum emul_status peek_u8(const struct cursor *c, u8 *val)
{
	struct cursor copy = *c;

	return next_u8(&copy, val);
}

static enum emul_status decode_prefixes(struct emul_insn *in, struct cursor *c,
					enum emul_mode mode, u8 *opcode)
{
	bool lng = mode == EMUL_LONG;
	bool def32 = mode == EMUL_PROT32 || lng;
	bool p67 = false;
	u8 b;

	in->seg = EMUL_NR_SREG;
	for (;;) {
		TRY(next_u8(c, &b));
		/* a REX prefix counts only directly before the opcode */
		if (lng && (b & 0xf0) == 0x40) {
			in->rex = b;
			continue;
		}
		switch (b) {
		case 0x26: case 0x2e: case 0x36: case 0x3e:
			/* null prefixes in 64-bit mode; they don't undo an FS or GS override */
			if (!lng)
				in->seg = (b >> 3) & 3;
			break;
		case 0x64: case 0x65:
			in->seg = b & 7;
			break;
		case 0x66:
			in->p66 = true;
			break;
		case 0x67:
			p67 = true;
			break;
		case 0xf0:
			in->lock = true;
			break;
		case 0xf2: case 0xf3:
			in->rep = b;
			break;
		default:
			*opcode = b;
			goto out;
		}
		in->rex = 0;
	}
out:
	if (lng)
		in->adsize = p67 ? 4 : 8;
	else
		in->adsize = def32 != p67 ? 4 : 2;
	return EMUL_OK;
}

/*
 * VEX and EVEX share their opcodes with LES, LDS and BOUND, whose memory form cannot have
 * mod = 3; outside 64-bit mode that tells them apart. Real and virtual-8086 mode have neither.
 */
static enum emul_status is_vex(const struct cursor *c, enum emul_mode mode, bool *yes)
{
	u8 b;

	*yes = false;
	if (mode == EMUL_REAL || mode == EMUL_VM86)
		return EMUL_OK;
	TRY(peek_u8(c, &b));
	*yes = mode == EMUL_LONG || b >= 0xc0;
	return EMUL_OK;
}

static enum emul_status decode_vex(struct emul_insn *in, struct cursor *c, enum emul_mode mode,
				   u8 lead, bool *ud)
{
	unsigned int pp;
	u8 p[3];

	/* the mandatory prefixes are inside; outside they make it undefined */
	*ud = in->lock || in->p66 || in->rep || in->rex;
	in->vex = true;
	TRY(next_u8(c, &p[0]));
	if (lead == 0xc5) {
		in->map = EMUL_MAP_0F;
		in->rex = 0x40 | (p[0] & 0x80 ? 0 : 4);
		p[1] = p[0];
	} else {
		TRY(next_u8(c, &p[1]));
		in->rex = 0x40 | ((~p[0] >> 5) & 7) | (p[1] & 0x80 ? 8 : 0);
		switch (p[0] & (lead == 0x62 ? 7 : 31)) {
		case 1:
			in->map = EMUL_MAP_0F;
			break;
		case 2:
			in->map = EMUL_MAP_0F38;
			break;
		case 3:
			in->map = EMUL_MAP_0F3A;
			break;
		case 5:
		case 6:
			/* FP16 arithmetic (EVEX only): laid out as in map 2 */
			*ud |= lead != 0x62;
			in->map = EMUL_MAP_0F38;
			break;
		default:
			*ud = true;
		}
		if (lead == 0x62) {
			in->evex = true;
			TRY(next_u8(c, &p[2]));
		}
	}
	in->vvvv = (~p[1] >> 3) & 15;
	in->vl = p[1] & 4 ? 32 : 16;
	pp = p[1] & 3;
	in->p66 = pp == 1;
	in->rep = pp == 2 ? 0xf3 : pp == 3 ? 0xf2 : 0;
	if (mode != EMUL_LONG) {
		in->rex = 0x40;
		in->vvvv &= 7;
	}
	return next_u8(c, &in->opcode);
}

static unsigned int prefix_index(const struct emul_insn *in)
{
	if (in->rep)
		return in->rep == 0xf3 ? 2 : 3;
	return in->p66 ? 1 : 0;
}

static enum emul_status find_row(struct emul_insn *in, struct cursor *c, enum emul_mode mode,
				 const struct emul_row *row)
{
	for (;;) {
		switch (row->kind) {
		case ROW_GROUP:
		case ROW_MOD:
		case ROW_RM:
			if (!in->has_modrm) {
				TRY(next_u8(c, &in->modrm));
				in->has_modrm = true;
			}
			if (row->kind == ROW_GROUP)
				row = &row->sub[(in->modrm >> 3) & 7];
			else if (row->kind == ROW_MOD)
				row = &row->sub[in->modrm >= 0xc0];
			else
				row = &row->sub[in->modrm & 7];
			continue;
		case ROW_PFX:
			row = &row->sub[prefix_index(in)];
			continue;
		case ROW_MODE:
			row = &row->sub[mode == EMUL_LONG];
			continue;
		default:
			in->row = row;
			return EMUL_OK;
		}
	}
}

static bool row_has_modrm(const struct emul_row *row)
{
	unsigned int i;

	if (row->flags & F_MODRM)
		return true;
	for (i = 0; i < 3; i++)
		if (row->enc[i] != ENC_NONE && row->enc[i] <= ENC_LAST_MODRM)
			return true;
	return false;
}

/* Displacement (and SIB) of a memory form */
static enum emul_status decode_mem(struct emul_insn *in, struct cursor *c, enum emul_mode mode)
{
	unsigned int mod = in->modrm >> 6, rm = in->modrm & 7, size = 0;
	u64 v;

	if (mod == 3)
		return EMUL_OK;
	if (in->adsize == 2) {
		size = mod == 0 ? (rm == 6 ? 2 : 0) : mod;
	} else {
		if (rm == 4) {
			TRY(next_u8(c, &in->sib));
			rm = in->sib & 7;
		} else if (mod == 0 && rm == 5 && mode == EMUL_LONG) {
			in->rip_rel = true;
		}
		size = mod == 0 ? (rm == 5 ? 4 : 0) : mod == 1 ? 1 : 4;
	}
	if (!size)
		return EMUL_OK;
	TRY(next(c, size, &v));
	in->disp = (s64)emul_sext(v, size);
	return EMUL_OK;
}

static u8 default_seg(const struct emul_insn *in)
{
	unsigned int mod = in->modrm >> 6, rm = in->modrm & 7;

	if (in->seg != EMUL_NR_SREG)
		return in->seg;
	if (in->adsize == 2)
		return rm == 2 || rm == 3 || (rm == 6 && mod) ? EMUL_SS : EMUL_DS;
	if (rm == 4) {
		rm = in->sib & 7;
		if (in->rex & 1)
			return EMUL_DS;
		return rm == 4 || (rm == 5 && mod) ? EMUL_SS : EMUL_DS;
	}
	return rm == 5 && mod && !(in->rex & 1) ? EMUL_SS : EMUL_DS;
}

static void set_reg(const struct emul_insn *in, struct emul_operand *op, unsigned int reg,
		    unsigned int size)
{
	op->type = EMUL_OP_REG;
	op->size = size;
	op->reg = reg;
	/* without REX, byte registers 4..7 are AH, CH, DH, BH */
	if (size == 1 && !in->rex && reg >= 4 && reg < 8) {
		op->high = true;
		op->reg = reg - 4;
	}
}

static void set_rm(const struct emul_insn *in, struct emul_operand *op, enum emul_optype type,
		   unsigned int reg_size, unsigned int mem_size)
{
	if (in->modrm < 0xc0) {
		op->type = EMUL_OP_MEM;
		op->size = mem_size;
		op->seg = default_seg(in);
		return;
	}
	if (type == EMUL_OP_REG) {
		set_reg(in, op, (in->modrm & 7) | (in->rex & 1) << 3, reg_size);
		return;
	}
	op->type = type;
	op->size = reg_size;
	op->reg = (in->modrm & 7) | (type == EMUL_OP_XMM ? (in->rex & 1) << 3 : 0);
}

static void set_other(struct emul_operand *op, enum emul_optype type, unsigned int reg,
		      unsigned int size)
{
	op->type = type;
	op->reg = reg;
	op->size = size;
}

static void set_imm(struct emul_operand *op, unsigned int size, u64 val)
{
	op->type = EMUL_OP_IMM;
	op->size = size;
	op->val = val;
}

/* Read an immediate and make it an operand, sign-extended from @size to 64 bits when asked */
static enum emul_status decode_imm(struct emul_insn *in, struct cursor *c,
				   struct emul_operand *op, unsigned int size, bool sext)
{
	TRY(next(c, size, &in->imm));
	set_imm(op, size, sext ? emul_sext(in->imm, size) : in->imm);
	return EMUL_OK;
}

/* An operand encoded in ModRM. #UD (false) when the form has no such operand. */
static bool decode_modrm_operand(struct emul_insn *in, enum emul_mode mode,
				 struct emul_operand *op, enum emul_enc enc)
{
	unsigned int reg = (in->modrm >> 3) & 7, rexr = reg | (in->rex & 4) << 1;
	unsigned int v = in->opsize, vl = in->vex ? in->vl : 16;
	unsigned int y = in->rex & 8 ? 8 : 4;
	unsigned int natural = mode == EMUL_LONG ? 8 : 4;

	switch (enc) {
	case ENC_Eb:
		set_rm(in, op, EMUL_OP_REG, 1, 1);
		return true;
	case ENC_Ew:
		set_rm(in, op, EMUL_OP_REG, 2, 2);
		return true;
	case ENC_Ed:
		set_rm(in, op, EMUL_OP_REG, 4, 4);
		return true;
	case ENC_Eq:
		set_rm(in, op, EMUL_OP_REG, 8, 8);
		return true;
	case ENC_Ev:
		set_rm(in, op, EMUL_OP_REG, v, v);
		return true;
	case ENC_Ey:
		set_rm(in, op, EMUL_OP_REG, y, y);
		return true;
	case ENC_Ev16m:
		set_rm(in, op, EMUL_OP_REG, v, 2);
		return true;
	case ENC_E8or4:
		set_rm(in, op, EMUL_OP_REG, natural, natural);
		return true;
	case ENC_Gb:
		set_reg(in, op, rexr, 1);
		return true;
	case ENC_Gw:
		set_reg(in, op, rexr, 2);
		return true;
	case ENC_Gv:
		set_reg(in, op, rexr, v);
		return true;
	case ENC_Gy:
		set_reg(in, op, rexr, y);
		return true;
	case ENC_M:
	case ENC_Mb:
	case ENC_Mw:
	case ENC_Md:
	case ENC_Mq:
	case ENC_Mv:
	case ENC_My:
	case ENC_Mdq:
	case ENC_Mx:
	case ENC_Mp:
	case ENC_Mc:
	case ENC_M2v:
		if (in->modrm >= 0xc0)
			return false;
		set_rm(in, op, EMUL_OP_REG, 0, enc == ENC_Mb ? 1 : enc == ENC_Mw ? 2 :
		       enc == ENC_Md ? 4 : enc == ENC_Mq ? 8 : enc == ENC_Mv ? v :
		       enc == ENC_My ? y : enc == ENC_Mdq ? 16 : enc == ENC_Mx ? vl :
		       enc == ENC_Mp ? v + 2 : enc == ENC_Mc ? 2 * y :
		       enc == ENC_M2v ? 2 * v : 0);
		return true;
	case ENC_Sw:
		if (reg > EMUL_GS)
			return false;
		set_other(op, EMUL_OP_SREG, reg, 2);
		return true;
	case ENC_Cd:
		if (rexr != 0 && rexr != 2 && rexr != 3 && rexr != 4 && rexr != 8)
			return false;
		set_other(op, EMUL_OP_CR, rexr, natural);
		return true;
	case ENC_Dd:
		if (rexr > 7)
			return false;
		set_other(op, EMUL_OP_DR, rexr, natural);
		return true;
	case ENC_Rd:
		/* mod is ignored: always a register */
		set_reg(in, op, (in->modrm & 7) | (in->rex & 1) << 3, natural);
		return true;
	case ENC_Vx:
		set_other(op, EMUL_OP_XMM, rexr, vl);
		return true;
	case ENC_Vdq:
		set_other(op, EMUL_OP_XMM, rexr, 16);
		return true;
	case ENC_Vq:
		set_other(op, EMUL_OP_XMM, rexr, 8);
		return true;
	case ENC_Vd:
		set_other(op, EMUL_OP_XMM, rexr, 4);
		return true;
	case ENC_Vy:
		set_other(op, EMUL_OP_XMM, rexr, y);
		return true;
	case ENC_Wx:
		set_rm(in, op, EMUL_OP_XMM, vl, vl);
		return true;
	case ENC_Wdq:
		set_rm(in, op, EMUL_OP_XMM, 16, 16);
		return true;
	case ENC_Wq:
		set_rm(in, op, EMUL_OP_XMM, 8, 8);
		return true;
	case ENC_Wd:
		set_rm(in, op, EMUL_OP_XMM, 4, 4);
		return true;
	case ENC_Pq:
		set_other(op, EMUL_OP_MMX, reg, 8);
		return true;
	case ENC_Py:
		set_other(op, EMUL_OP_MMX, reg, y);
		return true;
	case ENC_Qq:
		set_rm(in, op, EMUL_OP_MMX, 8, 8);
		return true;
	default:
		return false;
	}
}

/* An operand that is in the opcode, implied, or an immediate */
static enum emul_status decode_plain_operand(struct emul_insn *in, struct cursor *c,
					     struct emul_operand *op, enum emul_enc enc)
{
	unsigned int v = in->opsize, z = v == 2 ? 2 : 4;

	switch (enc) {
	case ENC_By:
		set_reg(in, op, in->vvvv, in->rex & 8 ? 8 : 4);
		break;
	case ENC_Hdq:
		set_other(op, EMUL_OP_XMM, in->vvvv, 16);
		break;
	case ENC_Ib:
		return decode_imm(in, c, op, 1, false);
	case ENC_Ibs:
		return decode_imm(in, c, op, 1, true);
	case ENC_Iw:
		return decode_imm(in, c, op, 2, false);
	case ENC_Iz:
		return decode_imm(in, c, op, z, true);
	case ENC_Iv:
		return decode_imm(in, c, op, v, false);
	case ENC_1:
		set_imm(op, 1, 1);
		break;
	case ENC_AL:
		set_reg(in, op, EMUL_RAX, 1);
		break;
	case ENC_rAX:
		set_reg(in, op, EMUL_RAX, v);
		break;
	case ENC_eAX:
		set_reg(in, op, EMUL_RAX, z);
		break;
	case ENC_CL:
		set_reg(in, op, EMUL_RCX, 1);
		break;
	case ENC_DX:
		set_reg(in, op, EMUL_RDX, 2);
		break;
	case ENC_Zb:
		set_reg(in, op, in->zreg, 1);
		break;
	case ENC_Zv:
		set_reg(in, op, in->zreg, v);
		break;
	case ENC_Ob:
	case ENC_Ov:
		TRY(next(c, in->adsize, &in->imm));
		op->type = EMUL_OP_MEM;
		op->size = enc == ENC_Ob ? 1 : v;
		op->seg = in->seg != EMUL_NR_SREG ? in->seg : EMUL_DS;
		in->disp = (s64)in->imm;
		break;
	case ENC_Jb:
		TRY(decode_imm(in, c, op, 1, true));
		op->type = EMUL_OP_REL;
		break;
	case ENC_Jz:
		TRY(decode_imm(in, c, op, z, true));
		op->type = EMUL_OP_REL;
		break;
	case ENC_Ap:
		TRY(next(c, z, &in->imm));
		TRY(next(c, 2, &in->imm2));
		op->type = EMUL_OP_FAR;
		op->size = z;
		op->val = in->imm;
		op->sel = (u16)in->imm2;
		break;
	case ENC_ES:
	case ENC_CS:
	case ENC_SS:
	case ENC_DS:
	case ENC_FS:
	case ENC_GS:
		set_other(op, EMUL_OP_SREG, enc - ENC_ES, 2);
		break;
	default:
		break;
	}
	return EMUL_OK;
}

static const struct emul_row *first_row(struct emul_insn *in)
{
	if (in->vex)
		return emul_row_vex(in->map, in->opcode, in->evex);
	switch (in->map) {
	case EMUL_MAP_0F:
		return &emul_map_0f[in->opcode];
	case EMUL_MAP_0F38:
		return emul_row_0f38(in->opcode);
	case EMUL_MAP_0F3A:
		return emul_row_0f3a(in->opcode);
	default:
		if (in->opcode == 0x90 && !(in->rex & 1))
			return &emul_row_nop;
		return &emul_map_1[in->opcode];
	}
}

static enum emul_status decode_opcode(struct emul_insn *in, struct cursor *c, enum emul_mode mode,
				      u8 b, bool *ud)
{
	bool vex;

	if (b == 0xc4 || b == 0xc5 || b == 0x62) {
		TRY(is_vex(c, mode, &vex));
		if (vex)
			return decode_vex(in, c, mode, b, ud);
	}
	in->opcode = b;
	if (b != 0x0f)
		return EMUL_OK;
	in->map = EMUL_MAP_0F;
	TRY(next_u8(c, &in->opcode));
	if (in->opcode == 0x38)
		in->map = EMUL_MAP_0F38;
	else if (in->opcode == 0x3a)
		in->map = EMUL_MAP_0F3A;
	else
		return EMUL_OK;
	return next_u8(c, &in->opcode);
}

static void set_opsize(struct emul_insn *in, enum emul_mode mode)
{
	u32 flags = in->row->flags;

	if (mode == EMUL_LONG) {
		if ((in->rex & 8) || (flags & F_F64))
			in->opsize = 8;
		else if (in->p66)
			in->opsize = 2;
		else
			in->opsize = flags & F_D64 ? 8 : 4;
	} else {
		in->opsize = (mode == EMUL_PROT32) != in->p66 ? 4 : 2;
	}
}

static bool row_undefined(const struct emul_insn *in, enum emul_mode mode)
{
	const struct emul_row *row = in->row;

	if (row->kind == ROW_UD)
		return true;
	if (mode == EMUL_LONG && (row->flags & F_NO64))
		return true;
	if (mode < EMUL_PROT16 && (row->flags & F_PROT))
		return true;
	if (in->lock && !((row->flags & F_LOCK) && in->op[0].type == EMUL_OP_MEM))
		return true;
	if (in->vex && !in->evex) {
		if ((row->flags & F_VL0) && in->vl != 16)
			return true;
		if ((row->flags & F_NOV) && in->vvvv)
			return true;
	}
	return false;
}

enum emul_status emul_decode_bytes(struct emul_insn *in, enum emul_mode mode, const u8 *bytes,
				   unsigned int n)
{
	struct cursor c = { .bytes = bytes, .n = n };
	bool ud = false;
	unsigned int i;
	u32 flags;
	u64 v;
	u8 b;

	memset(in, 0, sizeof(*in));
	in->fetched = n < EMUL_MAX_INSN ? n : EMUL_MAX_INSN;
	memcpy(in->bytes, bytes, in->fetched);

	TRY(decode_prefixes(in, &c, mode, &b));
	TRY(decode_opcode(in, &c, mode, b, &ud));
	if (ud) {
		in->len = c.pos;
		return EMUL_FAULT;
	}
	in->zreg = (in->opcode & 7) | (in->rex & 1) << 3;
	TRY(find_row(in, &c, mode, first_row(in)));
	if (in->row->kind == ROW_UD) {
		in->row = NULL;
		in->len = c.pos;
		return EMUL_FAULT;
	}
	flags = in->row->flags;
	set_opsize(in, mode);
	if (!in->has_modrm && row_has_modrm(in->row)) {
		TRY(next_u8(&c, &in->modrm));
		in->has_modrm = true;
	}
	/* MOV to and from CR and DR ignore mod: no displacement follows */
	if (in->has_modrm && in->row->enc[0] != ENC_Rd && in->row->enc[1] != ENC_Rd)
		TRY(decode_mem(in, &c, mode));
	for (i = 0; i < 3; i++) {
		enum emul_enc enc = in->row->enc[i];

		if (enc == ENC_NONE)
			continue;
		if (enc > ENC_LAST_MODRM)
			TRY(decode_plain_operand(in, &c, &in->op[i], enc));
		else if (!decode_modrm_operand(in, mode, &in->op[i], enc))
			ud = true;
	}
	if (flags & F_IMM16) {
		TRY(next(&c, 2, &v));
		in->imm = v;
	}
	if (flags & F_IMMZ) {
		TRY(next(&c, in->opsize == 2 ? 2 : 4, &v));
		in->imm = v;
	}
	if (flags & F_IMM8) {
		TRY(next(&c, 1, &v));
		if (flags & F_IMM16)
			in->imm2 = v;
		else
			in->imm = v;
	}
	in->len = c.pos;
	if (ud || row_undefined(in, mode)) {
		in->row = NULL;
		return EMUL_FAULT;
	}
	return EMUL_OK;
}

static u64 ea16(const struct emul *e)
{
	static const u8 base[8] = {
		EMUL_RBX, EMUL_RBX, EMUL_RBP, EMUL_RBP, EMUL_RSI, EMUL_RDI, EMUL_RBP, EMUL_RBX,
	};
	static const u8 index[4] = { EMUL_RSI, EMUL_RDI, EMUL_RSI, EMUL_RDI };
	unsigned int mod = e->insn.modrm >> 6, rm = e->insn.modrm & 7;
	u64 ea = (u64)e->insn.disp;

	if (mod || rm != 6)
		ea += e->gpr[base[rm]];
	if (rm < 4)
		ea += e->gpr[index[rm]];
	return ea;
}

static u64 ea32(const struct emul *e)
{
	const struct emul_insn *in = &e->insn;
	unsigned int mod = in->modrm >> 6, rm = in->modrm & 7, index;
	u64 ea = (u64)in->disp;

	if (in->rip_rel)
		return ea + e->rip + in->len;
	if (rm == 4) {
		index = ((in->sib >> 3) & 7) | (in->rex & 2) << 2;
		if (index != EMUL_RSP)
			ea += e->gpr[index] << (in->sib >> 6);
		rm = in->sib & 7;
	}
	if (rm == 5 && mod == 0)
		return ea;
	return ea + e->gpr[rm | (in->rex & 1) << 3];
}

/**
 * emul_ea - effective address of the memory operand, with the registers as they are now
 * @e: emulation, decoded
 *
 * Return: offset in the segment, truncated to the address size.
 */
u64 emul_ea(const struct emul *e)
{
	const struct emul_insn *in = &e->insn;
	u64 ea;

	if (!in->has_modrm)
		ea = (u64)in->disp;
	else if (in->adsize == 2)
		ea = ea16(e);
	else
		ea = ea32(e);
	return ea & emul_mask(in->adsize);
}

/* How many bytes may be fetched at RIP + @have in one go: up to the page's end and CS's limit */
static enum emul_status fetch_span(struct emul *e, unsigned int have, u64 *la, unsigned int *span)
{
	const struct emul_seg *cs;
	unsigned int n = EMUL_MAX_INSN - have;
	u64 off = e->rip + have, room;

	if (e->mode == EMUL_LONG) {
		*la = off;
		if (!emul_canonical(e, off))
			return emul_gp0(e);
	} else {
		cs = emul_get_seg(e, EMUL_CS);
		off = (u32)off;
		if (off > cs->limit)
			return emul_gp0(e);
		if (n - 1 > cs->limit - off)
			n = cs->limit - off + 1;
		*la = (u32)(cs->base + off);
	}
	room = 4096 - (*la & 4095);
	*span = n < room ? n : (unsigned int)room;
	return EMUL_OK;
}

enum emul_status emul_decode(struct emul *e)
{
	u8 bytes[EMUL_MAX_INSN];
	unsigned int have = 0, span = 0, i;
	enum emul_status st;
	u64 la = 0;

	e->insn.row = NULL;
	e->insn.fetched = 0;
	e->insn.len = 0;
	if (!e->ops->fetch)
		return EMUL_UNHANDLEABLE;
	do {
		TRY(fetch_span(e, have, &la, &span));
		TRY(e->ops->fetch(e, la, bytes + have, span));
		have += span;
		st = emul_decode_bytes(&e->insn, e->mode, bytes, have);
	} while (st == EMUL_RETRY && have < EMUL_MAX_INSN);

	if (st == EMUL_RETRY)	/* 15 bytes and still not whole */
		return emul_gp0(e);
	if (st == EMUL_FAULT)
		return e->insn.len ? emul_ud(e) : emul_gp0(e);
	if (st != EMUL_OK)
		return st;
	for (i = 0; i < 3; i++)
		if (e->insn.op[i].type == EMUL_OP_MEM)
			e->insn.op[i].off = emul_ea(e);
	return EMUL_OK;
}

void emul_init(struct emul *e)
{
	e->seg_valid = 0;
	e->nwrites = 0;
	e->wused = 0;
	e->stop = false;
	e->rep_pending = false;
	e->branched = false;
	e->int_shadow = 0;
	e->task_trap = false;
	e->ext = 0;
	e->insn.row = NULL;
	e->insn.fetched = 0;
	e->insn.len = 0;
}
