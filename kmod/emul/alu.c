// SPDX-License-Identifier: GPL-2.0-only
/*
 * Integer arithmetic and logic with exact flags. Flags that the manuals leave undefined keep the
 * value this code finds natural. SDM volume 2; flags: appendix A of volume 1.
 */
#include "internal.h"

static void set_szp(struct emul *e, u64 res, unsigned int size)
{
	u32 p = (u8)res;

	p ^= p >> 4;
	p ^= p >> 2;
	p ^= p >> 1;
	emul_set_flag(e, X86_SF, res & emul_msb(size));
	emul_set_flag(e, X86_ZF, !(res & emul_mask(size)));
	emul_set_flag(e, X86_PF, !(p & 1));
}

/** emul_flags_logic - flags of AND, OR, XOR, TEST with result @res */
void emul_flags_logic(struct emul *e, u64 res, unsigned int size)
{
	e->rflags &= ~(u64)(X86_CF | X86_OF | X86_AF);
	set_szp(e, res, size);
}

/** emul_add - @a + @b + @carry with flags */
u64 emul_add(struct emul *e, u64 a, u64 b, unsigned int carry, unsigned int size)
{
	u64 msb = emul_msb(size), res = (a + b + carry) & emul_mask(size);

	emul_set_flag(e, X86_CF, ((a & b) | ((a | b) & ~res)) & msb);
	emul_set_flag(e, X86_OF, (a ^ res) & (b ^ res) & msb);
	emul_set_flag(e, X86_AF, (a ^ b ^ res) & 0x10);
	set_szp(e, res, size);
	return res;
}

/** emul_sub - @a - @b - @borrow with flags */
u64 emul_sub(struct emul *e, u64 a, u64 b, unsigned int borrow, unsigned int size)
{
	u64 msb = emul_msb(size), res = (a - b - borrow) & emul_mask(size);

	emul_set_flag(e, X86_CF, ((~a & b) | ((~a | b) & res)) & msb);
	emul_set_flag(e, X86_OF, (a ^ b) & (a ^ res) & msb);
	emul_set_flag(e, X86_AF, (a ^ b ^ res) & 0x10);
	set_szp(e, res, size);
	return res;
}

/* Condition codes 0..15 of Jcc, SETcc, CMOVcc */
bool emul_cond(const struct emul *e, unsigned int cc)
{
	u64 f = e->rflags;
	bool sf = f & X86_SF, of = f & X86_OF, r;

	switch ((cc >> 1) & 7) {
	case 0:
		r = of;
		break;
	case 1:
		r = f & X86_CF;
		break;
	case 2:
		r = f & X86_ZF;
		break;
	case 3:
		r = f & (X86_CF | X86_ZF);
		break;
	case 4:
		r = sf;
		break;
	case 5:
		r = f & X86_PF;
		break;
	case 6:
		r = sf != of;
		break;
	default:
		r = (f & X86_ZF) || sf != of;
		break;
	}
	return r != (cc & 1);
}

#define CARRY	(e->rflags & X86_CF ? 1u : 0u)

/* An immediate wider than the operation is cut to it */
static u64 src(const struct emul *e)
{
	return SRC & emul_mask(SIZE);
}

enum emul_status emul_do_add(struct emul *e)
{
	DST = emul_add(e, DST, src(e), 0, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_adc(struct emul *e)
{
	DST = emul_add(e, DST, src(e), CARRY, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_sub(struct emul *e)
{
	DST = emul_sub(e, DST, src(e), 0, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_sbb(struct emul *e)
{
	DST = emul_sub(e, DST, src(e), CARRY, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_cmp(struct emul *e)
{
	emul_sub(e, DST, src(e), 0, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_and(struct emul *e)
{
	DST &= src(e);
	emul_flags_logic(e, DST, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_or(struct emul *e)
{
	DST |= src(e);
	emul_flags_logic(e, DST, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_xor(struct emul *e)
{
	DST ^= src(e);
	emul_flags_logic(e, DST, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_test(struct emul *e)
{
	emul_flags_logic(e, DST & src(e), SIZE);
	return EMUL_OK;
}

/* INC and DEC leave CF alone */
enum emul_status emul_do_inc(struct emul *e)
{
	u64 cf = e->rflags & X86_CF;

	DST = emul_add(e, DST, 1, 0, SIZE);
	emul_set_flag(e, X86_CF, cf);
	return EMUL_OK;
}

enum emul_status emul_do_dec(struct emul *e)
{
	u64 cf = e->rflags & X86_CF;

	DST = emul_sub(e, DST, 1, 0, SIZE);
	emul_set_flag(e, X86_CF, cf);
	return EMUL_OK;
}

enum emul_status emul_do_not(struct emul *e)
{
	DST = ~DST & emul_mask(SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_neg(struct emul *e)
{
	DST = emul_sub(e, 0, DST, 0, SIZE);
	return EMUL_OK;
}

/* The double-width accumulator: AX, DX:AX, EDX:EAX, RDX:RAX */
static void put_product(struct emul *e, u64 lo, u64 hi, bool overflow)
{
	unsigned int size = SIZE;

	if (size == 1) {
		emul_set_reg(e, EMUL_RAX, 2, lo);
	} else {
		emul_set_reg(e, EMUL_RAX, size, lo);
		emul_set_reg(e, EMUL_RDX, size, hi);
	}
	emul_set_flag(e, X86_CF | X86_OF, overflow);
}

enum emul_status emul_do_mul(struct emul *e)
{
	unsigned int size = SIZE, bits = size * 8;
	unsigned __int128 p = (unsigned __int128)emul_reg(e, EMUL_RAX, size) * DST;
	u64 hi = (u64)(p >> bits) & emul_mask(size);

	put_product(e, (u64)p, hi, hi);
	return EMUL_OK;
}

static bool imul_overflows(__int128 p, unsigned int size)
{
	return p != (__int128)(s64)emul_sext((u64)p & emul_mask(size), size);
}

enum emul_status emul_do_imul1(struct emul *e)
{
	unsigned int size = SIZE, bits = size * 8;
	__int128 a = (s64)emul_sext(emul_reg(e, EMUL_RAX, size), size);
	__int128 p = a * (s64)emul_sext(DST, size);

	put_product(e, (u64)p, (u64)(p >> bits), imul_overflows(p, size));
	return EMUL_OK;
}

/* IMUL r, r/m and IMUL r, r/m, imm */
enum emul_status emul_do_imul(struct emul *e)
{
	unsigned int size = SIZE;
	bool three = e->insn.op[2].type == EMUL_OP_IMM;
	__int128 a = (s64)emul_sext(three ? SRC2 & emul_mask(size) : DST, size);
	__int128 p = a * (s64)emul_sext(src(e), size);

	DST = (u64)p & emul_mask(size);
	emul_set_flag(e, X86_CF | X86_OF, imul_overflows(p, size));
	return EMUL_OK;
}

/* @hi:@lo / @div when the quotient fits; the compiler's 128-bit division is not in the kernel */
static u64 div128(u64 hi, u64 lo, u64 div, u64 *rem)
{
	u64 quot;

	asm("divq %4" : "=a" (quot), "=d" (*rem) : "0" (lo), "1" (hi), "r" (div) : "cc");
	return quot;
}

static void get_dividend(const struct emul *e, unsigned int size, u64 *lo, u64 *hi)
{
	if (size == 1) {
		*lo = e->gpr[EMUL_RAX] & 0xff;
		*hi = (e->gpr[EMUL_RAX] >> 8) & 0xff;
	} else {
		*lo = emul_reg(e, EMUL_RAX, size);
		*hi = emul_reg(e, EMUL_RDX, size);
	}
}

static void put_quotient(struct emul *e, unsigned int size, u64 quot, u64 rem)
{
	if (size == 1) {
		emul_set_reg(e, EMUL_RAX, 2, (quot & 0xff) | (rem & 0xff) << 8);
	} else {
		emul_set_reg(e, EMUL_RAX, size, quot);
		emul_set_reg(e, EMUL_RDX, size, rem);
	}
}

enum emul_status emul_do_div(struct emul *e)
{
	unsigned int size = SIZE;
	u64 lo, hi, rem, div = DST;

	get_dividend(e, size, &lo, &hi);
	if (hi >= div)	/* division by zero included */
		return emul_raise(e, EMUL_DE);
	if (size == 8) {
		lo = div128(hi, lo, div, &rem);
	} else {
		lo |= hi << (size * 8);
		rem = lo % div;
		lo /= div;
	}
	put_quotient(e, size, lo, rem);
	return EMUL_OK;
}

enum emul_status emul_do_idiv(struct emul *e)
{
	unsigned int size = SIZE;
	bool neg_num, neg_div;
	u64 lo, hi, div = DST, quot, rem;

	get_dividend(e, size, &lo, &hi);
	if (size < 8) {
		/* make it one 64-bit value, then 128 bits like the widest form */
		lo = emul_sext((lo | hi << (size * 8)) & emul_mask(size * 2), size * 2);
		hi = (s64)lo < 0 ? ~0ULL : 0;
		div = emul_sext(div, size);
	}
	neg_num = (s64)hi < 0;
	neg_div = (s64)div < 0;
	if (neg_num) {
		lo = -lo;
		hi = ~hi + (lo == 0);
	}
	if (neg_div)
		div = -div;
	if (hi >= div)
		return emul_raise(e, EMUL_DE);
	quot = div128(hi, lo, div, &rem);
	/* largest magnitude: 2^(n-1) when negative, one less when positive */
	if (quot > emul_msb(size) - (neg_num != neg_div ? 0 : 1))
		return emul_raise(e, EMUL_DE);
	if (neg_num != neg_div)
		quot = -quot;
	if (neg_num)
		rem = -rem;
	put_quotient(e, size, quot, rem);
	return EMUL_OK;
}

/* DAA and DAS: @by is 6 or -6; the low digit's correction may carry out of AL */
static enum emul_status decimal_adjust(struct emul *e, int by)
{
	u8 al = (u8)e->gpr[EMUL_RAX], old = al;
	bool cf = e->rflags & X86_CF, af = e->rflags & X86_AF, carry = false;

	if ((al & 15) > 9 || af) {
		carry = cf || (by > 0 ? al > 0xf9 : al < 6);
		al += by;
		af = true;
	}
	if (old > 0x99 || cf) {
		al += by * 16;
		carry = true;
	}
	emul_set_reg(e, EMUL_RAX, 1, al);
	emul_set_flag(e, X86_AF, af);
	emul_set_flag(e, X86_CF, carry);
	set_szp(e, al, 1);
	return EMUL_OK;
}

enum emul_status emul_do_daa(struct emul *e)
{
	return decimal_adjust(e, 6);
}

enum emul_status emul_do_das(struct emul *e)
{
	return decimal_adjust(e, -6);
}

static enum emul_status ascii_adjust(struct emul *e, int by)
{
	u64 ax = emul_reg(e, EMUL_RAX, 2);
	bool adjust = (ax & 15) > 9 || (e->rflags & X86_AF);

	if (adjust)
		ax += by;
	emul_set_reg(e, EMUL_RAX, 2, ax & 0xff0f);
	emul_set_flag(e, X86_AF | X86_CF, adjust);
	return EMUL_OK;
}

enum emul_status emul_do_aaa(struct emul *e)
{
	return ascii_adjust(e, 0x106);
}

enum emul_status emul_do_aas(struct emul *e)
{
	return ascii_adjust(e, -0x106);
}

enum emul_status emul_do_aam(struct emul *e)
{
	u8 al = (u8)e->gpr[EMUL_RAX], base = (u8)e->insn.imm;

	if (!base)
		return emul_raise(e, EMUL_DE);
	emul_set_reg(e, EMUL_RAX, 2, (u32)(al / base) << 8 | al % base);
	set_szp(e, al % base, 1);
	return EMUL_OK;
}

enum emul_status emul_do_aad(struct emul *e)
{
	u64 ax = e->gpr[EMUL_RAX];
	u8 al = (u8)(ax + ((ax >> 8) & 0xff) * (u8)e->insn.imm);

	emul_set_reg(e, EMUL_RAX, 2, al);
	set_szp(e, al, 1);
	return EMUL_OK;
}

enum emul_status emul_do_salc(struct emul *e)
{
	emul_set_reg(e, EMUL_RAX, 1, CARRY ? 0xff : 0);
	return EMUL_OK;
}

enum emul_status emul_do_xadd(struct emul *e)
{
	u64 old = DST;

	DST = emul_add(e, DST, SRC, 0, SIZE);
	/* the source is written first: XADD r, r leaves the sum */
	SRC = old;
	return emul_write_op(e, &e->insn.op[1]);
}

enum emul_status emul_do_cmpxchg(struct emul *e)
{
	unsigned int size = SIZE;
	u64 acc = emul_reg(e, EMUL_RAX, size);
	bool equal = acc == DST;

	emul_sub(e, acc, DST, 0, size);
	if (equal)
		DST = SRC;
	else
		emul_set_reg(e, EMUL_RAX, size, DST);
	/*
	 * On failure memory gets its old value back, for the access is always a write; a register
	 * is left alone, not even zero-extended.
	 */
	e->no_write = !equal && e->insn.op[0].type == EMUL_OP_REG;
	return EMUL_OK;
}
