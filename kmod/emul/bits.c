// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shifts, rotates, bit tests and scans, BMI1, BMI2, ADX, CRC32, byte swaps. SDM volume 2.
 */
#include "internal.h"

/* Counts are taken modulo 32, or modulo 64 for 64-bit operands */
static unsigned int shift_count(const struct emul *e, u64 raw)
{
	return raw & (SIZE == 8 ? 63 : 31);
}

/* SF, ZF, PF of a shift's result; CF and OF as given; AF is undefined and kept */
static void shift_flags(struct emul *e, u64 res, bool cf, bool of)
{
	u64 af = e->rflags & X86_AF;

	emul_flags_logic(e, res, SIZE);
	emul_set_flag(e, X86_AF, af);
	emul_set_flag(e, X86_CF, cf);
	emul_set_flag(e, X86_OF, of);
}

enum emul_status emul_do_shl(struct emul *e)
{
	unsigned int n = shift_count(e, SRC), bits = SIZE * 8;
	bool cf;

	if (!n)
		return EMUL_OK;
	cf = n <= bits && (DST >> (bits - n)) & 1;
	DST = n < bits ? (DST << n) & emul_mask(SIZE) : 0;
	shift_flags(e, DST, cf, cf != !!(DST & emul_msb(SIZE)));
	return EMUL_OK;
}

enum emul_status emul_do_shr(struct emul *e)
{
	unsigned int n = shift_count(e, SRC), bits = SIZE * 8;
	bool cf, of = DST & emul_msb(SIZE);

	if (!n)
		return EMUL_OK;
	cf = n <= bits && (DST >> (n - 1)) & 1;
	DST = n < bits ? DST >> n : 0;
	shift_flags(e, DST, cf, of);
	return EMUL_OK;
}

enum emul_status emul_do_sar(struct emul *e)
{
	unsigned int n = shift_count(e, SRC);
	s64 v = (s64)emul_sext(DST, SIZE);

	if (!n)
		return EMUL_OK;
	DST = (u64)(v >> n) & emul_mask(SIZE);
	shift_flags(e, DST, (v >> (n - 1)) & 1, false);
	return EMUL_OK;
}

/* Rotates change CF and OF only; CF also when the count is a multiple of the width, but not 0 */
enum emul_status emul_do_rol(struct emul *e)
{
	unsigned int raw = shift_count(e, SRC), bits = SIZE * 8, n = raw % bits;
	bool cf;

	if (!raw)
		return EMUL_OK;
	if (n)
		DST = (DST << n | DST >> (bits - n)) & emul_mask(SIZE);
	cf = DST & 1;
	emul_set_flag(e, X86_CF, cf);
	emul_set_flag(e, X86_OF, cf != !!(DST & emul_msb(SIZE)));
	return EMUL_OK;
}

enum emul_status emul_do_ror(struct emul *e)
{
	unsigned int raw = shift_count(e, SRC), bits = SIZE * 8, n = raw % bits;
	u64 msb = emul_msb(SIZE);

	if (!raw)
		return EMUL_OK;
	if (n)
		DST = (DST >> n | DST << (bits - n)) & emul_mask(SIZE);
	emul_set_flag(e, X86_CF, DST & msb);
	emul_set_flag(e, X86_OF, !(DST & msb) != !(DST & msb >> 1));
	return EMUL_OK;
}

/* CF and the operand as one word of bits + 1; to the left by @n */
static void rotate_carry(struct emul *e, unsigned int n)
{
	u64 msb = emul_msb(SIZE);

	while (n--) {
		bool out = DST & msb;

		DST = (DST << 1 | (e->rflags & X86_CF)) & emul_mask(SIZE);	/* CF is bit 0 */
		emul_set_flag(e, X86_CF, out);
	}
}

enum emul_status emul_do_rcl(struct emul *e)
{
	unsigned int n = shift_count(e, SRC);
	u64 msb = emul_msb(SIZE);

	if (!n)
		return EMUL_OK;
	rotate_carry(e, n % (SIZE * 8 + 1));
	emul_set_flag(e, X86_OF, !(e->rflags & X86_CF) != !(DST & msb));
	return EMUL_OK;
}

enum emul_status emul_do_rcr(struct emul *e)
{
	unsigned int n = shift_count(e, SRC), width = SIZE * 8 + 1;
	u64 msb = emul_msb(SIZE);

	if (!n)
		return EMUL_OK;
	rotate_carry(e, (width - n % width) % width);
	emul_set_flag(e, X86_OF, !(DST & msb) != !(DST & msb >> 1));
	return EMUL_OK;
}

/*
 * SHLD and SHRD shift the pair destination:source. A 16-bit form with a count above 16 is
 * undefined; here the pattern repeats, as on most CPUs.
 */
enum emul_status emul_do_shld(struct emul *e)
{
	unsigned int n = shift_count(e, SRC2), bits = SIZE * 8;
	u64 res, old = DST;
	bool cf;

	if (!n)
		return EMUL_OK;
	if (n > bits) {
		n -= bits;
		res = SRC << n | old >> (bits - n);
		cf = (SRC >> (bits - n)) & 1;
	} else {
		res = (n < bits ? old << n : 0) | SRC >> (bits - n);
		cf = (old >> (bits - n)) & 1;
	}
	DST = res & emul_mask(SIZE);
	shift_flags(e, DST, cf, (DST ^ old) & emul_msb(SIZE));
	return EMUL_OK;
}

enum emul_status emul_do_shrd(struct emul *e)
{
	unsigned int n = shift_count(e, SRC2), bits = SIZE * 8;
	u64 res, old = DST;
	bool cf;

	if (!n)
		return EMUL_OK;
	if (n > bits) {
		n -= bits;
		res = SRC >> n | old << (bits - n);
		cf = (SRC >> (n - 1)) & 1;
	} else {
		res = (n < bits ? old >> n : 0) | SRC << (bits - n);
		cf = (old >> (n - 1)) & 1;
	}
	DST = res & emul_mask(SIZE);
	shift_flags(e, DST, cf, (DST ^ old) & emul_msb(SIZE));
	return EMUL_OK;
}

/**
 * emul_bit_address - where the memory operand of BT r/m, r really is
 * @e: emulation with a memory operand 0 and a register operand 1
 *
 * The register is a signed bit offset from the effective address (SDM volume 1, figure 3-2...
 * "bit strings"): move the operand to the word that holds the bit.
 */
void emul_bit_address(struct emul *e)
{
	struct emul_operand *mem = &e->insn.op[0];
	unsigned int bits = mem->size * 8;
	s64 bit = (s64)emul_sext(emul_reg(e, e->insn.op[1].reg, mem->size), mem->size);
	s64 word = (bit & ~(s64)(bits - 1)) / bits;

	mem->off = (emul_ea(e) + (u64)(word * mem->size)) & emul_mask(e->insn.adsize);
}

static u64 test_bit_flag(struct emul *e)
{
	u64 bit = 1ULL << (SRC & (SIZE * 8 - 1));

	emul_set_flag(e, X86_CF, DST & bit);
	return bit;
}

enum emul_status emul_do_bt(struct emul *e)
{
	test_bit_flag(e);
	return EMUL_OK;
}

enum emul_status emul_do_bts(struct emul *e)
{
	DST |= test_bit_flag(e);
	return EMUL_OK;
}

enum emul_status emul_do_btr(struct emul *e)
{
	DST &= ~test_bit_flag(e);
	return EMUL_OK;
}

enum emul_status emul_do_btc(struct emul *e)
{
	DST ^= test_bit_flag(e);
	return EMUL_OK;
}

/* A zero source sets ZF and leaves the destination as it was, all 64 bits of it */
enum emul_status emul_do_bsf(struct emul *e)
{
	emul_set_flag(e, X86_ZF, !SRC);
	e->no_write = !SRC;
	if (SRC)
		DST = __builtin_ctzll(SRC);
	return EMUL_OK;
}

enum emul_status emul_do_bsr(struct emul *e)
{
	emul_set_flag(e, X86_ZF, !SRC);
	e->no_write = !SRC;
	if (SRC)
		DST = 63 - __builtin_clzll(SRC);
	return EMUL_OK;
}

static enum emul_status count_flags(struct emul *e)
{
	emul_set_flag(e, X86_CF, !SRC);
	emul_set_flag(e, X86_ZF, !DST);
	return EMUL_OK;
}

/* Where TZCNT and LZCNT do not exist their prefix is ignored */
enum emul_status emul_do_tzcnt(struct emul *e)
{
	if (!emul_has(e, EMUL_FEAT_BMI1))
		return emul_do_bsf(e);
	DST = SRC ? (u64)__builtin_ctzll(SRC) : SIZE * 8;
	return count_flags(e);
}

enum emul_status emul_do_lzcnt(struct emul *e)
{
	if (!emul_has(e, EMUL_FEAT_LZCNT))
		return emul_do_bsr(e);
	DST = SRC ? (u64)__builtin_clzll(SRC) - (64 - SIZE * 8) : SIZE * 8;
	return count_flags(e);
}

enum emul_status emul_do_popcnt(struct emul *e)
{
	u64 v = SRC;

	/* no __builtin_popcountll(): without the instruction it is a library call */
	for (DST = 0; v; v &= v - 1)
		DST++;
	e->rflags &= ~(u64)X86_ARITH;
	emul_set_flag(e, X86_ZF, !SRC);
	return EMUL_OK;
}

static u64 swap_bytes(u64 v, unsigned int size)
{
	return __builtin_bswap64(v) >> (64 - size * 8);
}

enum emul_status emul_do_bswap(struct emul *e)
{
	/* the 16-bit form is undefined; CPUs clear the register */
	DST = SIZE == 2 ? 0 : swap_bytes(DST, SIZE);
	return EMUL_OK;
}

enum emul_status emul_do_movbe(struct emul *e)
{
	DST = swap_bytes(SRC, SIZE);
	return EMUL_OK;
}

/* CRC-32C, bit by bit: polynomial 11EDC6F41 reflected */
enum emul_status emul_do_crc32(struct emul *e)
{
	u32 crc = (u32)DST;
	unsigned int i, k;

	for (i = 0; i < e->insn.op[1].size; i++) {
		crc ^= (u8)(SRC >> (8 * i));
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	DST = crc;
	return EMUL_OK;
}

/* The BMI group sets SF and ZF, clears OF, and CF has a meaning of its own */
static enum emul_status bmi_result(struct emul *e, u64 res, bool cf)
{
	u64 keep = e->rflags & (X86_AF | X86_PF);

	DST = res & emul_mask(SIZE);
	emul_flags_logic(e, DST, SIZE);
	e->rflags = (e->rflags & ~(u64)(X86_AF | X86_PF)) | keep;
	emul_set_flag(e, X86_CF, cf);
	return EMUL_OK;
}

enum emul_status emul_do_andn(struct emul *e)
{
	return bmi_result(e, ~SRC & SRC2, false);
}

enum emul_status emul_do_bls(struct emul *e)
{
	u64 s = SRC;

	switch (e->insn.row->arg) {
	case 1:
		return bmi_result(e, s & (s - 1), !s);
	case 2:
		return bmi_result(e, s ^ (s - 1), !s);
	default:
		return bmi_result(e, s & -s, s);
	}
}

enum emul_status emul_do_bextr(struct emul *e)
{
	unsigned int start = SRC2 & 0xff, len = (SRC2 >> 8) & 0xff;
	u64 v = start < 64 ? SRC >> start : 0;
	u64 sf = e->rflags & X86_SF;

	if (len < 64)
		v &= (1ULL << len) - 1;
	bmi_result(e, v, false);
	emul_set_flag(e, X86_SF, sf);
	return EMUL_OK;
}

enum emul_status emul_do_bzhi(struct emul *e)
{
	unsigned int n = SRC2 & 0xff;
	bool beyond = n >= SIZE * 8u;

	return bmi_result(e, beyond ? SRC : SRC & ((1ULL << n) - 1), beyond);
}

enum emul_status emul_do_pdep(struct emul *e)
{
	u64 mask, res = 0, bit = 1;

	for (mask = SRC2; mask; mask &= mask - 1, bit <<= 1)
		if (SRC & bit)
			res |= mask & -mask;
	DST = res;
	return EMUL_OK;
}

enum emul_status emul_do_pext(struct emul *e)
{
	u64 mask, res = 0, bit = 1;

	for (mask = SRC2; mask; mask &= mask - 1, bit <<= 1)
		if (SRC & mask & -mask)
			res |= bit;
	DST = res;
	return EMUL_OK;
}

enum emul_status emul_do_mulx(struct emul *e)
{
	unsigned int size = SIZE;
	unsigned __int128 p = (unsigned __int128)emul_reg(e, EMUL_RDX, size) * SRC2;

	/* the high half is written last: it wins when both name one register */
	SRC = (u64)p & emul_mask(size);
	DST = (u64)(p >> (size * 8)) & emul_mask(size);
	return emul_write_op(e, &e->insn.op[1]);
}

/* ADCX carries through CF, ADOX through OF; neither touches another flag */
enum emul_status emul_do_adx(struct emul *e)
{
	u32 flag = e->insn.row->arg ? X86_OF : X86_CF;
	u64 saved = e->rflags;
	bool carry;

	DST = emul_add(e, DST, SRC, saved & flag ? 1 : 0, SIZE);
	carry = e->rflags & X86_CF;
	e->rflags = saved;
	emul_set_flag(e, flag, carry);
	return EMUL_OK;
}

/* SHLX, SARX, SHRX by mandatory prefix; no flags */
enum emul_status emul_do_shx(struct emul *e)
{
	unsigned int n = shift_count(e, SRC2);

	if (e->insn.p66)
		DST = (SRC << n) & emul_mask(SIZE);
	else if (e->insn.rep == 0xf3)
		DST = (u64)((s64)emul_sext(SRC, SIZE) >> n) & emul_mask(SIZE);
	else
		DST = SRC >> n;
	return EMUL_OK;
}

enum emul_status emul_do_rorx(struct emul *e)
{
	unsigned int n = shift_count(e, SRC2), bits = SIZE * 8;

	DST = n ? (SRC >> n | SRC << (bits - n)) & emul_mask(SIZE) : SRC;
	return EMUL_OK;
}
