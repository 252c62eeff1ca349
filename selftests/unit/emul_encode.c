// SPDX-License-Identifier: GPL-2.0-only
/* The encodings of a row of emul_forms[]: prefixes, registers, addressing modes, immediates. */
#include <string.h>
#include "../../kmod/emul/emul.h"
#include "emul_native.h"

u64 align_of(const struct form *f, const struct encoding *c)
{
	if (!(f->opts & O_ALIGN))
		return 1;
	return c->size > 16 ? c->size : 16;
}

static void put_u32(struct encoding *c, u32 v)
{
	memcpy(c->bytes + c->len, &v, 4);
	c->len += 4;
}

static void put_imm(const struct form *f, struct encoding *c)
{
	unsigned int n = 0;
	u64 v = interesting();

	if (f->opts & O_IB)
		n = 1;
	else if (f->opts & O_IZ)
		n = c->size == 2 ? 2 : 4;
	else if (f->opts & O_IV)
		n = c->size;
	c->imm = n < 8 ? v & ((1ULL << 8 * n) - 1) : v;
	memcpy(c->bytes + c->len, &v, n);
	c->len += n;
	if (f->opts & O_JCC)
		c->bytes[c->len++] = 10;
}

void put_prefixes(struct encoding *c, bool a, bool p66, bool lock, u8 rep)
{
	if (a)
		c->bytes[c->len++] = 0x67;
	if (p66)
		c->bytes[c->len++] = 0x66;
	if (lock)
		c->bytes[c->len++] = 0xf0;
	if (rep)
		c->bytes[c->len++] = rep;
}

bool encode(const struct form *f, struct encoding *c, bool p66, bool w, bool a32, bool lock, bool l,
	    u8 rep, enum ea ea)
{
	static const u8 bases[] = { 3, 6, 7, 8, 12, 13, 5, 4, 10, 15 };
	static const u8 indexes[] = { 9, 1, 14 };
	bool vex = f->opts & O_VEX, modrm = !(f->opts & (O_NONE | O_PLUS));
	unsigned int reg = f->ext >= 0 ? (unsigned int)f->ext : (unsigned int)(rnd() & 15), rm, vvvv = 0;
	u8 rex = 0x40 | (w ? 8 : 0), map = f->map;
	s32 disp;

	if ((p66 && (f->opts & (O_BYTE | O_NO66 | O_F64))) || (vex && p66) || (p66 && w))
		return false;
	if ((w && (f->opts & (O_W64 | O_NOW | O_JCC))) || (!w && f->opts & O_ONLYW) ||
	    (l && !(f->opts & O_L)))
		return false;
	if (f->opcode == 0xc7 && f->opts & O_ALIGN && !w)	/* CMPXCHG16B is W1 */
		return false;
	if (w && f->opts & O_VEC && vex && f->opcode != 0x6e && !(f->opcode == 0x7e && f->prefix == 0x66))
		return false;
	if (lock && (!(f->opts & O_LOCK) || ea == EA_REG))
		return false;
	/* no LOCK on CMP */
	if (lock && ((f->opcode & 0xf8) == 0x38 || f->ext == 7) && !f->map)
		return false;
	if (!modrm && ea != EA_REG)
		return false;
	if (modrm && ((ea == EA_REG && (f->opts & O_MEM)) || (ea != EA_REG && (f->opts & O_REG))))
		return false;
	if (rep && !(f->opts & O_REP))
		return false;
	if (a32 && ea == EA_REG && !(f->opts & (O_STRING | O_JCC)))
		return false;

	memset(c, 0, sizeof(*c));
	c->base = c->index = c->greg = c->rm = -1;
	c->mem = ea != EA_REG;
	c->a32 = a32;
	c->lock = lock;
	c->size = f->opts & O_BYTE ? 1 : p66 ? 2 : w || (f->opts & O_W64) ? 8 : 4;
	if (f->opts & O_VEC)
		c->size = l ? 32 : 16;
	if (f->opts & O_MMX)
		reg &= 7;
	if (f->opts & O_BYTE && f->map == 2)
		reg &= 15;

	rm = (unsigned int)(rnd() & 15);
	if (f->opts & O_MMX && ea == EA_REG && (f->opcode == 0x6f || f->opcode == 0x7f))
		rm &= 7;
	switch (ea) {
	case EA_BASE:
	case EA_DISP8:
	case EA_DISP32:
	case EA_SIB:
		c->base = rm = bases[rnd() % ARRAY_SIZE(bases)];
		if (ea == EA_SIB)
			c->index = indexes[rnd() % ARRAY_SIZE(indexes)];
		break;
	default:
		break;
	}
	/* a register operand that is also the address would point nowhere when it is random */
	while (f->ext < 0 && f->opts & O_BITS && c->mem && ((int)reg == c->base || (int)reg == c->index))
		reg = rnd() & 15;
	/* the implied registers of these are not addresses either */
	if (f->opts & (O_CX8B | O_DIV) && c->index == EMUL_RCX)
		c->index = EMUL_R9;
	if (f->opts & O_CX8B && c->base == EMUL_RBX)
		c->base = rm = EMUL_RSI;
	if (f->opts & O_SHIFT && c->index == EMUL_RCX)
		c->index = EMUL_R9;
	if (f->opts & O_STACK && c->base == EMUL_RSP)
		c->base = rm = EMUL_RSI;
	c->greg = (int)reg;
	if (ea == EA_REG)
		c->rm = (int)rm;
	if (modrm && f->ext < 0)
		rex |= (reg >> 3) << 2;
	if (modrm || f->opts & O_PLUS) {
		rex |= rm >> 3;
		if (c->index >= 8)
			rex |= 2;
	}
	if (f->opts & O_BYTE && !vex && rnd() & 1)
		rex |= 0x80;	/* force a REX prefix: SPL.. instead of AH.. */
	if (vex) {
		/* vmov* must not use vvvv */
		vvvv = f->opts & O_VVVV ? (unsigned int)(rnd() & 15) :
		       f->opts & O_VEC || f->map == 3 ? 0 : (unsigned int)(rnd() & 15);
	}

	put_prefixes(c, a32, p66, lock, rep);
	c->rep = rep;
	if (f->prefix && !vex)
		c->bytes[c->len++] = f->prefix;
	if (vex) {
		unsigned int pp = f->prefix == 0x66 ? 1 : f->prefix == 0xf3 ? 2 :
				  f->prefix == 0xf2 ? 3 : 0;

		if (map == 1 && !(rex & 0xb) && rnd() & 1) {
			c->bytes[c->len++] = 0xc5;
			c->bytes[c->len++] = (rex & 4 ? 0 : 0x80) | (~vvvv & 15) << 3 | l << 2 | pp;
		} else {
			c->bytes[c->len++] = 0xc4;
			c->bytes[c->len++] = (~rex & 7) << 5 | map;
			c->bytes[c->len++] = (rex & 8) << 4 | (~vvvv & 15) << 3 | l << 2 | pp;
		}
		if (!(f->opts & O_VEC))
			c->size = w ? 8 : 4;
	} else {
		if (rex != 0x40)
			c->bytes[c->len++] = (rex & 0xf) | 0x40;
		if (map)
			c->bytes[c->len++] = 0x0f;
		if (map == 2)
			c->bytes[c->len++] = 0x38;
		if (map == 3)
			c->bytes[c->len++] = 0x3a;
	}
	c->bytes[c->len++] = f->opcode | (f->opts & O_PLUS ? rm & 7 : 0);
	if (f->opts & O_PLUS)
		c->greg = (int)rm;

	if (modrm) {
		unsigned int r = (reg & 7) << 3, sib_base = rm & 7;

		disp = (s32)(align_of(f, c) * (rnd() % 3));
		switch (ea) {
		case EA_REG:
			c->bytes[c->len++] = 0xc0 | r | (rm & 7);
			break;
		case EA_BASE:
		case EA_DISP8:
			/* RSP and R12 need a SIB byte, RBP and R13 a displacement */
			c->bytes[c->len++] = 0x40 | r | (rm & 7);
			if (sib_base == 4)
				c->bytes[c->len++] = 0x24;
			c->bytes[c->len++] = ea == EA_BASE ? 0 : (u8)-(s8)disp;
			if (ea == EA_BASE && sib_base != 4 && sib_base != 5) {
				c->bytes[c->len - 2] &= 0x3f;
				c->len--;
			}
			break;
		case EA_DISP32:
			c->bytes[c->len++] = 0x80 | r | (rm & 7);
			if (sib_base == 4)
				c->bytes[c->len++] = 0x24;
			put_u32(c, (u32)disp);
			break;
		case EA_SIB:
			c->bytes[c->len++] = 0x80 | r | 4;
			c->bytes[c->len++] = (rnd() & 3) << 6 | (c->index & 7) << 3 | sib_base;
			put_u32(c, (u32)disp);
			break;
		case EA_RIP:
			/* fixed up by the caller, who knows where the code is */
			c->bytes[c->len++] = r | 5;
			put_u32(c, 0);
			break;
		default:
			c->bytes[c->len++] = r | 4;
			c->bytes[c->len++] = 0x25;
			put_u32(c, (u32)(MIDDLE + (u32)disp));
		}
	}
	put_imm(f, c);
	return true;
}

void fix_rip(const struct form *f, struct encoding *c)
{
	unsigned int imm = f->opts & O_IB ? 1 : f->opts & O_IZ ? (c->size == 2 ? 2 : 4) : 0;
	u64 at = build(c->bytes, c->len, f->opts);
	u32 disp = (u32)(MIDDLE - (at + c->len));

	memcpy(c->bytes + c->len - imm - 4, &disp, 4);
}
