// SPDX-License-Identifier: GPL-2.0-only
/*
 * The opcode maps: SDM volume 2 appendix A, tables, in declarative form.
 *
 * Instructions that are decoded but not executed (x87, SSE arithmetic, VMX...) have rows too, so
 * that their length is known.
 */
#include "internal.h"

#define UD		{ .kind = ROW_UD }
#define I0(f, fl)	{ .kind = ROW_INSN, .fn = emul_do_##f, .flags = (fl) }
#define I1(f, fl, a)	{ .kind = ROW_INSN, .fn = emul_do_##f, .flags = (fl), .enc = { ENC_##a } }
#define I2(f, fl, a, b)	{ .kind = ROW_INSN, .fn = emul_do_##f, .flags = (fl),	\
			  .enc = { ENC_##a, ENC_##b } }
#define I3(f, fl, a, b, c) { .kind = ROW_INSN, .fn = emul_do_##f, .flags = (fl),	\
			  .enc = { ENC_##a, ENC_##b, ENC_##c } }
#define A2(f, fl, a, b, x) { .kind = ROW_INSN, .fn = emul_do_##f, .flags = (fl), .arg = (x),	\
			  .enc = { ENC_##a, ENC_##b } }
/* decoded only */
#define LEN(fl)		{ .kind = ROW_INSN, .flags = (fl) }
#define I3A(f, fl, a, b, c, x) { .kind = ROW_INSN, .fn = emul_do_##f, .flags = (fl), .arg = (x),	\
			  .enc = { ENC_##a, ENC_##b, ENC_##c } }
#define LENM		LEN(F_MODRM)
#define LENMI		LEN(F_MODRM | F_IMM8)
#define GROUP(t)	{ .kind = ROW_GROUP, .sub = (t) }
#define MOD(t)		{ .kind = ROW_MOD, .sub = (t) }
#define RM(t)		{ .kind = ROW_RM, .sub = (t) }
#define PFX(t)		{ .kind = ROW_PFX, .sub = (t) }
#define MODE(t)		{ .kind = ROW_MODE, .sub = (t) }

#define X2(...)		__VA_ARGS__, __VA_ARGS__
#define X4(...)		X2(__VA_ARGS__), __VA_ARGS__, __VA_ARGS__
#define X8(...)		X4(__VA_ARGS__), X2(__VA_ARGS__), __VA_ARGS__, __VA_ARGS__
#define X16(...)	X8(__VA_ARGS__), X4(__VA_ARGS__), X2(__VA_ARGS__), __VA_ARGS__, __VA_ARGS__

/* The six forms of the eight classic ALU operations */
#define ALU(f, fl)							\
	I2(f, fl, Eb, Gb), I2(f, fl, Ev, Gv),				\
	I2(f, (fl) & ~F_LOCK, Gb, Eb), I2(f, (fl) & ~F_LOCK, Gv, Ev),	\
	I2(f, (fl) & ~F_LOCK, AL, Ib), I2(f, (fl) & ~F_LOCK, rAX, Iz)

#define RWL	(F_RW | F_LOCK)

#define GRP1(a, b)							\
	I2(add, RWL, a, b), I2(or, RWL, a, b), I2(adc, RWL, a, b), I2(sbb, RWL, a, b),	\
	I2(and, RWL, a, b), I2(sub, RWL, a, b), I2(xor, RWL, a, b), I2(cmp, F_RD, a, b)

static const struct emul_row grp_80[8] = { GRP1(Eb, Ib) };
static const struct emul_row grp_81[8] = { GRP1(Ev, Iz) };
static const struct emul_row grp_83[8] = { GRP1(Ev, Ibs) };

/* /6 is SHL under another number, on every CPU */
#define GRP2(a, b)							\
	I2(rol, F_RW, a, b), I2(ror, F_RW, a, b), I2(rcl, F_RW, a, b), I2(rcr, F_RW, a, b),	\
	I2(shl, F_RW, a, b), I2(shr, F_RW, a, b), I2(shl, F_RW, a, b), I2(sar, F_RW, a, b)

static const struct emul_row grp_c0[8] = { GRP2(Eb, Ib) };
static const struct emul_row grp_c1[8] = { GRP2(Ev, Ib) };
static const struct emul_row grp_d0[8] = { GRP2(Eb, 1) };
static const struct emul_row grp_d1[8] = { GRP2(Ev, 1) };
static const struct emul_row grp_d2[8] = { GRP2(Eb, CL) };
static const struct emul_row grp_d3[8] = { GRP2(Ev, CL) };

static const struct emul_row grp_8f[8] = { I1(pop_ev, F_D64, Ev) };

static const struct emul_row grp_c6[8] = { I2(mov, F_WR, Eb, Ib) };
static const struct emul_row grp_c7[8] = { I2(mov, F_WR, Ev, Iz) };

static const struct emul_row grp_f6[8] = {
	I2(test, F_RD, Eb, Ib), I2(test, F_RD, Eb, Ib), I1(not, RWL, Eb), I1(neg, RWL, Eb),
	I1(mul, F_RD, Eb), I1(imul1, F_RD, Eb), I1(div, F_RD, Eb), I1(idiv, F_RD, Eb),
};

static const struct emul_row grp_f7[8] = {
	I2(test, F_RD, Ev, Iz), I2(test, F_RD, Ev, Iz), I1(not, RWL, Ev), I1(neg, RWL, Ev),
	I1(mul, F_RD, Ev), I1(imul1, F_RD, Ev), I1(div, F_RD, Ev), I1(idiv, F_RD, Ev),
};

static const struct emul_row grp_fe[8] = { I1(inc, RWL, Eb), I1(dec, RWL, Eb) };

static const struct emul_row grp_ff[8] = {
	I1(inc, RWL, Ev), I1(dec, RWL, Ev),
	I1(call_ind, F_RD | F_F64, Ev), I1(call_far_ind, 0, Mp),
	I1(jmp_ind, F_RD | F_F64, Ev), I1(jmp_far_ind, 0, Mp),
	I1(push, F_RD | F_D64, Ev), UD,
};

/* 82 is 80 again, except in 64-bit mode */
static const struct emul_row mode_82[2] = { GROUP(grp_80), UD };

static const struct emul_row mode_63[2] = {
	I2(arpl, F_RD | F_PROT, Ew, Gw),
	A2(movsx, F_WR, Gv, Ed, 4),
};

/* 90 is XCHG with rAX too, unless it names rAX itself: then nothing, not even zero-extension */
const struct emul_row emul_row_nop = I0(nop, 0);

static const struct emul_row nop_90[4] = {
	I2(xchg, F_RW, Zv, rAX), I2(xchg, F_RW, Zv, rAX),
	I0(nop, 0),	/* PAUSE */
	I2(xchg, F_RW, Zv, rAX),
};

/* x87: of nearly all only the length is known */
static const struct emul_row grp_d9_mem[8] = { X4(LENM), X2(LENM), LENM, I1(fnstcw, F_WR | F_X87, Mw) };
static const struct emul_row mod_d9[2] = { GROUP(grp_d9_mem), LENM };
static const struct emul_row rm_db_4[8] = { X2(LENM), LENM, I0(fninit, F_X87 | F_MODRM), X4(LENM) };
static const struct emul_row grp_db_reg[8] = { X4(LENM), RM(rm_db_4), X2(LENM), LENM };
static const struct emul_row mod_db[2] = { LENM, GROUP(grp_db_reg) };
static const struct emul_row grp_dd_mem[8] = { X4(LENM), X2(LENM), LENM, I1(fnstsw, F_WR | F_X87, Mw) };
static const struct emul_row mod_dd[2] = { GROUP(grp_dd_mem), LENM };
static const struct emul_row rm_df_4[8] = {
	I1(fnstsw, F_WR | F_X87 | F_MODRM, rAX), X4(LENM), X2(LENM), LENM,
};
static const struct emul_row grp_df_reg[8] = { X4(LENM), RM(rm_df_4), X2(LENM), LENM };
static const struct emul_row mod_df[2] = { LENM, GROUP(grp_df_reg) };

const struct emul_row emul_map_1[256] = {
	[0x00] = ALU(add, RWL), I1(push_seg, F_NO64, ES), I1(pop_seg, F_NO64, ES),
	[0x08] = ALU(or, RWL), I1(push_seg, F_NO64, CS), UD,
	[0x10] = ALU(adc, RWL), I1(push_seg, F_NO64, SS), I1(pop_seg, F_NO64, SS),
	[0x18] = ALU(sbb, RWL), I1(push_seg, F_NO64, DS), I1(pop_seg, F_NO64, DS),
	[0x20] = ALU(and, RWL), UD, I0(daa, F_NO64),
	[0x28] = ALU(sub, RWL), UD, I0(das, F_NO64),
	[0x30] = ALU(xor, RWL), UD, I0(aaa, F_NO64),
	[0x38] = ALU(cmp, F_RD), UD, I0(aas, F_NO64),
	[0x40] = X8(I1(inc, F_RW, Zv)),
	[0x48] = X8(I1(dec, F_RW, Zv)),
	[0x50] = X8(I1(push, F_RD | F_D64, Zv)),
	[0x58] = X8(I1(pop, F_WR | F_D64, Zv)),
	[0x60] = I0(pusha, F_NO64), I0(popa, F_NO64), I2(bound, F_NO64, Gv, M2v),
	[0x63] = MODE(mode_63),
	[0x68] = I1(push, F_RD | F_D64, Iz), I3(imul, F_WR, Gv, Ev, Iz),
		 I1(push, F_RD | F_D64, Ibs), I3(imul, F_WR, Gv, Ev, Ibs),
	[0x6c] = I0(ins, 0), I0(ins, 0), I0(outs, 0), I0(outs, 0),
	[0x70] = X16(I1(jcc, F_F64, Jb)),
	[0x80] = GROUP(grp_80), GROUP(grp_81), MODE(mode_82), GROUP(grp_83),
	[0x84] = I2(test, F_RD, Eb, Gb), I2(test, F_RD, Ev, Gv),
		 I2(xchg, RWL | F_XCHG, Eb, Gb), I2(xchg, RWL | F_XCHG, Ev, Gv),
	[0x88] = I2(mov, F_WR, Eb, Gb), I2(mov, F_WR, Ev, Gv),
		 I2(mov, F_WR, Gb, Eb), I2(mov, F_WR, Gv, Ev),
	[0x8c] = I2(mov_from_seg, F_WR, Ev16m, Sw), I2(lea, F_WR, Gv, M),
		 I2(mov_to_seg, 0, Sw, Ew), GROUP(grp_8f),
	[0x90] = PFX(nop_90),
	[0x91] = X4(I2(xchg, F_RW, Zv, rAX)), X2(I2(xchg, F_RW, Zv, rAX)),
	[0x97] = I2(xchg, F_RW, Zv, rAX),
	[0x98] = I0(cbw, 0), I0(cwd, 0), I1(call_far, F_NO64, Ap), I0(fwait, 0),
	[0x9c] = I0(pushf, F_D64), I0(popf, F_D64), I0(sahf, 0), I0(lahf, 0),
	[0xa0] = I2(mov, F_WR, AL, Ob), I2(mov, F_WR, rAX, Ov),
		 I2(mov, F_WR, Ob, AL), I2(mov, F_WR, Ov, rAX),
	[0xa4] = X2(I0(movs, 0)), X2(I0(cmps, 0)),
	[0xa8] = I2(test, F_RD, AL, Ib), I2(test, F_RD, rAX, Iz),
	[0xaa] = X2(I0(stos, 0)), X2(I0(lods, 0)), X2(I0(scas, 0)),
	[0xb0] = X8(I2(mov, F_WR, Zb, Ib)),
	[0xb8] = X8(I2(mov, F_WR, Zv, Iv)),
	[0xc0] = GROUP(grp_c0), GROUP(grp_c1),
	[0xc2] = I0(ret, F_F64 | F_IMM16), I0(ret, F_F64),
	[0xc4] = A2(lseg, F_NO64, Gv, Mp, EMUL_ES), A2(lseg, F_NO64, Gv, Mp, EMUL_DS),
	[0xc6] = GROUP(grp_c6), GROUP(grp_c7),
	[0xc8] = I0(enter, F_D64 | F_IMM16 | F_IMM8), I0(leave, F_D64),
	[0xca] = I0(ret_far, F_IMM16), I0(ret_far, 0),
	[0xcc] = I0(int3, 0), I1(intn, 0, Ib), I0(into, F_NO64), I0(iret, 0),
	[0xd0] = GROUP(grp_d0), GROUP(grp_d1), GROUP(grp_d2), GROUP(grp_d3),
	[0xd4] = I1(aam, F_NO64, Ib), I1(aad, F_NO64, Ib), I0(salc, F_NO64), I0(xlat, 0),
	[0xd8] = LENM, MOD(mod_d9), LENM, MOD(mod_db), LENM, MOD(mod_dd), LENM, MOD(mod_df),
	[0xe0] = A2(loop, F_F64, Jb, NONE, 0), A2(loop, F_F64, Jb, NONE, 1),
		 A2(loop, F_F64, Jb, NONE, 2), I1(jcxz, F_F64, Jb),
	[0xe4] = I2(in, 0, AL, Ib), I2(in, 0, eAX, Ib), I2(out, 0, Ib, AL), I2(out, 0, Ib, eAX),
	[0xe8] = I1(call, F_F64, Jz), I1(jmp, F_F64, Jz), I1(jmp_far, F_NO64, Ap),
		 I1(jmp, F_F64, Jb),
	[0xec] = I2(in, 0, AL, DX), I2(in, 0, eAX, DX), I2(out, 0, DX, AL), I2(out, 0, DX, eAX),
	[0xf1] = I0(icebp, 0),
	[0xf4] = I0(hlt, F_PRIV), I0(cmc, 0), GROUP(grp_f6), GROUP(grp_f7),
	[0xf8] = I0(clc, 0), I0(stc, 0), I0(cli, 0), I0(sti, 0), I0(cld, 0), I0(std, 0),
	[0xfe] = GROUP(grp_fe), GROUP(grp_ff),
};

static const struct emul_row grp_0f00[8] = {
	I1(sldt, F_WR | F_PROT, Ev16m), I1(str, F_WR | F_PROT, Ev16m),
	I1(lldt, F_RD | F_PROT | F_PRIV, Ew), I1(ltr, F_RD | F_PROT | F_PRIV, Ew),
	I1(verr, F_RD | F_PROT, Ew), I1(verw, F_RD | F_PROT, Ew), UD, UD,
};

/* 0F 01 with mod = 3: by reg, then rm */
static const struct emul_row rm_0f01_0[8] = { UD, X4(LEN(0)) };	/* VMCALL .. VMXOFF */
static const struct emul_row rm_0f01_1[8] = {
	LEN(F_PRIV), LEN(F_PRIV), I0(clac, F_PRIV | F_FEAT(SMAP)), I0(stac, F_PRIV | F_FEAT(SMAP)),	/* MONITOR, MWAIT */
};
static const struct emul_row rm_0f01_2[8] = {
	I0(xgetbv, 0), I0(xsetbv, F_PRIV), UD, UD, X4(LEN(0)),
};
static const struct emul_row rm_0f01_3[8] = { X8(LEN(0)) };	/* VMRUN .. INVLPGA */
static const struct emul_row rm_0f01_5[8] = { X8(LEN(0)) };	/* SERIALIZE, RDPKRU.. */
static const struct emul_row rm_0f01_7[8] = {
	I0(swapgs, F_PRIV), I0(rdtscp, F_FEAT(RDTSCP)), X4(LEN(0)), X2(LEN(0)),
};

#define SMSW_ROW	I1(smsw, F_WR, Ev16m)
#define LMSW_ROW	I1(lmsw, F_RD | F_PRIV, Ew)

static const struct emul_row grp_0f01_mem[8] = {
	I1(sgdt, 0, M), I1(sidt, 0, M), I1(lgdt, F_PRIV, M), I1(lidt, F_PRIV, M),
	SMSW_ROW, LEN(F_MODRM), LMSW_ROW, I1(invlpg, F_PRIV, M),
};

static const struct emul_row grp_0f01_reg[8] = {
	RM(rm_0f01_0), RM(rm_0f01_1), RM(rm_0f01_2), RM(rm_0f01_3),
	SMSW_ROW, RM(rm_0f01_5), LMSW_ROW, RM(rm_0f01_7),
};

static const struct emul_row mod_0f01[2] = { GROUP(grp_0f01_mem), GROUP(grp_0f01_reg) };

/* AMD's reserved NOPs and PREFETCHW; Intel agrees */
#define NOPM	I0(nop, F_MODRM)

static const struct emul_row pfx_0f10[4] = {
	I2(vmov_load, F_SSE, Vdq, Wdq), I2(vmov_load, F_SSE, Vdq, Wdq),
	I2(vmov_load, F_SSE, Vd, Wd), I2(vmov_load, F_SSE, Vq, Wq),
};
static const struct emul_row pfx_0f11[4] = {
	I2(vmov_store, F_SSE, Wdq, Vdq), I2(vmov_store, F_SSE, Wdq, Vdq),
	I2(vmov_store, F_SSE, Wd, Vd), I2(vmov_store, F_SSE, Wq, Vq),
};
static const struct emul_row pfx_0f12[4] = {
	A2(vmov_half, F_SSE, Vdq, Wq, 0), A2(vmov_half, F_SSE, Vdq, Mq, 0),
	A2(vmov_dup, F_SSE | F_ALIGN | F_FEAT(SSE3), Vdq, Wdq, 1),
	A2(vmov_dup, F_SSE | F_FEAT(SSE3), Vdq, Wq, 0),
};
static const struct emul_row pfx_0f13[4] = {
	I2(vmov_store, F_SSE, Mq, Vq), I2(vmov_store, F_SSE, Mq, Vq), UD, UD,
};
static const struct emul_row pfx_0f16[4] = {
	A2(vmov_half, F_SSE, Vdq, Wq, 1), A2(vmov_half, F_SSE, Vdq, Mq, 1),
	A2(vmov_dup, F_SSE | F_ALIGN | F_FEAT(SSE3), Vdq, Wdq, 2), UD,
};
static const struct emul_row pfx_0f17[4] = {
	I2(vmov_high_store, F_SSE, Mq, Vq), I2(vmov_high_store, F_SSE, Mq, Vq), UD, UD,
};
static const struct emul_row pfx_0f28[4] = {
	I2(vmov_load, F_SSE | F_ALIGN, Vdq, Wdq), I2(vmov_load, F_SSE | F_ALIGN, Vdq, Wdq), UD, UD,
};
static const struct emul_row pfx_0f29[4] = {
	I2(vmov_store, F_SSE | F_ALIGN, Wdq, Vdq), I2(vmov_store, F_SSE | F_ALIGN, Wdq, Vdq), UD, UD,
};
static const struct emul_row pfx_0f2b[4] = {
	I2(vmov_store, F_SSE | F_ALIGN, Mdq, Vdq), I2(vmov_store, F_SSE | F_ALIGN, Mdq, Vdq),
	LENM, LENM,	/* MOVNTSS, MOVNTSD of SSE4a */
};
static const struct emul_row pfx_0f6e[4] = {
	I2(mmx_load, F_MMX, Pq, Ey), I2(vmov_load, F_SSE, Vdq, Ey), UD, UD,
};
static const struct emul_row pfx_0f6f[4] = {
	I2(mmx_load, F_MMX, Pq, Qq), I2(vmov_load, F_SSE | F_ALIGN, Vdq, Wdq),
	I2(vmov_load, F_SSE, Vdq, Wdq), UD,
};
static const struct emul_row pfx_0f7e[4] = {
	I2(mmx_store, F_MMX, Ey, Py), I2(vmov_store, F_SSE, Ey, Vy),
	A2(vmov_load, F_SSE, Vq, Wq, 1), UD,
};
static const struct emul_row pfx_0f7f[4] = {
	I2(mmx_store, F_MMX, Qq, Pq), I2(vmov_store, F_SSE | F_ALIGN, Wdq, Vdq),
	I2(vmov_store, F_SSE, Wdq, Vdq), UD,
};
static const struct emul_row pfx_0fd6[4] = {
	UD, A2(vmov_store, F_SSE, Wq, Vq, 1), LENM, LENM,
};
static const struct emul_row pfx_0fe7[4] = {
	I2(mmx_store, F_MMX, Mq, Pq), I2(vmov_store, F_SSE | F_ALIGN, Mdq, Vdq), UD, UD,
};
static const struct emul_row pfx_0ff0[4] = {
	UD, UD, UD, I2(vmov_load, F_SSE | F_FEAT(SSE3), Vdq, Mdq),
};

static const struct emul_row pfx_0fb8[4] = { UD, UD, I2(popcnt, F_WR | F_FEAT(POPCNT), Gv, Ev), UD };
static const struct emul_row pfx_0fbc[4] = {
	I2(bsf, F_RW, Gv, Ev), I2(bsf, F_RW, Gv, Ev), I2(tzcnt, F_WR, Gv, Ev), I2(bsf, F_RW, Gv, Ev),
};
static const struct emul_row pfx_0fbd[4] = {
	I2(bsr, F_RW, Gv, Ev), I2(bsr, F_RW, Gv, Ev), I2(lzcnt, F_WR, Gv, Ev), I2(bsr, F_RW, Gv, Ev),
};

/* CLFLUSH, CLFLUSHOPT, CLWB */
#define CLFLUSH		I1(clflush, 0, Mb)

static const struct emul_row grp_0fae_mem[8] = { X4(LENM), X2(LENM), NOPM, NOPM };
static const struct emul_row pfx_0fae_6[4] = { LENM, CLFLUSH, LENM, UD };	/* XSAVEOPT */
static const struct emul_row grp_0fae_mem_pfx[8] = {
	I1(fxsave, F_X87, M), I1(fxrstor, F_X87, M), LENM, LENM, LENM, LENM, PFX(pfx_0fae_6), CLFLUSH,
};
static const struct emul_row grp_0fae_fence[8] = { UD, UD, UD, UD, UD, NOPM, NOPM, NOPM };
static const struct emul_row grp_0fae_f3[8] = {
	A2(fsgsbase, F_PROT, Ey, NONE, 0), A2(fsgsbase, F_PROT, Ey, NONE, 1),
	A2(fsgsbase, F_PROT, Ey, NONE, 2), A2(fsgsbase, F_PROT, Ey, NONE, 3),
	LENM, LENM, LENM, UD,
};
static const struct emul_row grp_0fae_len[8] = { UD, UD, UD, UD, UD, LENM, LENM, UD };
static const struct emul_row pfx_0fae_reg[4] = {
	GROUP(grp_0fae_fence), GROUP(grp_0fae_len), GROUP(grp_0fae_f3), GROUP(grp_0fae_len),
};
static const struct emul_row pfx_0fae_mem[4] = {
	GROUP(grp_0fae_mem_pfx), GROUP(grp_0fae_mem_pfx), GROUP(grp_0fae_mem), UD,
};
static const struct emul_row mod_0fae[2] = { PFX(pfx_0fae_mem), PFX(pfx_0fae_reg) };

static const struct emul_row grp_0fba[8] = {
	UD, UD, UD, UD,
	I2(bt, F_RD, Ev, Ib), I2(bts, RWL, Ev, Ib), I2(btr, RWL, Ev, Ib), I2(btc, RWL, Ev, Ib),
};

static const struct emul_row grp_0fc7_mem[8] = {
	UD, I1(cmpxchg8b, F_LOCK, Mc), UD, LENM, LENM, LENM, LENM, LENM,
};
static const struct emul_row pfx_0fc7_7[4] = { LENM, LENM, I1(rdpid, F_WR | F_FEAT(RDPID), E8or4), UD };
static const struct emul_row grp_0fc7_reg[8] = {
	UD, UD, UD, UD, UD, UD, LENM, PFX(pfx_0fc7_7),	/* RDRAND, RDSEED, RDPID */
};
static const struct emul_row mod_0fc7[2] = { GROUP(grp_0fc7_mem), GROUP(grp_0fc7_reg) };

static const struct emul_row pfx_0fc3[4] = { I2(mov, F_WR, My, Gy), UD, UD, UD };	/* MOVNTI */

static const struct emul_row grp_shift_imm[8] = {
	UD, UD, LENMI, LENMI, LENMI, UD, LENMI, LENMI,
};

const struct emul_row emul_map_0f[256] = {
	[0x00] = GROUP(grp_0f00), MOD(mod_0f01),
	[0x02] = I2(lar, F_RW | F_PROT, Gv, Ew), I2(lsl, F_RW | F_PROT, Gv, Ew),
	[0x05] = LEN(0),		/* SYSCALL */
	[0x06] = I0(clts, F_PRIV),
	[0x07] = LEN(F_PRIV),		/* SYSRET */
	[0x08] = I0(wbinvd, F_PRIV), I0(wbinvd, F_PRIV),	/* INVD may write back too */
	[0x0b] = I0(ud, 0),
	[0x0d] = NOPM,			/* PREFETCHW */
	[0x0e] = LEN(0),		/* FEMMS */
	[0x0f] = LENMI,			/* 3DNow! */
	[0x10] = PFX(pfx_0f10), PFX(pfx_0f11), PFX(pfx_0f12), PFX(pfx_0f13),
	[0x14] = LENM, LENM, PFX(pfx_0f16), PFX(pfx_0f17),
	[0x18] = X8(NOPM),		/* PREFETCHh, hint NOPs, ENDBR */
	[0x20] = I2(mov_from_cr, F_PRIV, Rd, Cd), I2(mov_from_dr, F_PRIV, Rd, Dd),
		 I2(mov_to_cr, F_PRIV, Cd, Rd), I2(mov_to_dr, F_PRIV, Dd, Rd),
	[0x28] = PFX(pfx_0f28), PFX(pfx_0f29), LENM, PFX(pfx_0f2b), X4(LENM),
	[0x30] = I0(wrmsr, F_PRIV), I0(rdtsc, 0), I0(rdmsr, F_PRIV), LEN(0),	/* RDPMC */
	[0x34] = LEN(F_PROT), LEN(F_PROT | F_PRIV),	/* SYSENTER, SYSEXIT */
	[0x37] = LEN(0),		/* GETSEC */
	[0x40] = X16(I2(cmov, F_WR, Gv, Ev)),
	[0x50] = X16(LENM), X8(LENM), X4(LENM), X2(LENM), PFX(pfx_0f6e), PFX(pfx_0f6f),
	[0x70] = LENMI, GROUP(grp_shift_imm), GROUP(grp_shift_imm), GROUP(grp_shift_imm),
	[0x74] = LENM, LENM, LENM, I0(emms, F_MMX),
	[0x78] = LENM, LENM, UD, UD, LENM, LENM, PFX(pfx_0f7e), PFX(pfx_0f7f),
	[0x80] = X16(I1(jcc, F_F64, Jz)),
	[0x90] = X16(I1(setcc, F_WR, Eb)),
	[0xa0] = I1(push_seg, F_D64, FS), I1(pop_seg, F_D64, FS), I0(cpuid, 0),
		 I2(bt, F_RD | F_BITS, Ev, Gv), I3(shld, F_RW, Ev, Gv, Ib), I3(shld, F_RW, Ev, Gv, CL),
	[0xa8] = I1(push_seg, F_D64, GS), I1(pop_seg, F_D64, GS), LEN(0),	/* RSM */
		 I2(bts, RWL | F_BITS, Ev, Gv), I3(shrd, F_RW, Ev, Gv, Ib), I3(shrd, F_RW, Ev, Gv, CL),
		 MOD(mod_0fae), I2(imul, F_RW, Gv, Ev),
	[0xb0] = I2(cmpxchg, RWL, Eb, Gb), I2(cmpxchg, RWL, Ev, Gv),
		 A2(lseg, 0, Gv, Mp, EMUL_SS), I2(btr, RWL | F_BITS, Ev, Gv),
		 A2(lseg, 0, Gv, Mp, EMUL_FS), A2(lseg, 0, Gv, Mp, EMUL_GS),
		 I2(mov, F_WR, Gv, Eb), I2(mov, F_WR, Gv, Ew),		/* MOVZX */
	[0xb8] = PFX(pfx_0fb8), I0(ud, F_MODRM), GROUP(grp_0fba), I2(btc, RWL | F_BITS, Ev, Gv),
		 PFX(pfx_0fbc), PFX(pfx_0fbd),
		 A2(movsx, F_WR, Gv, Eb, 1), A2(movsx, F_WR, Gv, Ew, 2),
	[0xc0] = I2(xadd, RWL, Eb, Gb), I2(xadd, RWL, Ev, Gv), LENMI, PFX(pfx_0fc3),
		 LENMI, LENMI, LENMI, MOD(mod_0fc7),
	[0xc8] = X8(I1(bswap, F_RW, Zv)),
	[0xd0] = X4(LENM), X2(LENM), PFX(pfx_0fd6), LENM,
	[0xd8] = X8(LENM),
	[0xe0] = X4(LENM), LENM, LENM, LENM, PFX(pfx_0fe7),
	[0xe8] = X8(LENM),
	[0xf0] = PFX(pfx_0ff0), LENM, X2(LENM), X4(LENM),
	[0xf8] = X4(LENM), X2(LENM), LENM, I0(ud, F_MODRM),
};

static const struct emul_row mod_movntdqa[2] = {
	I2(vmov_load, F_SSE | F_ALIGN | F_FEAT(SSE41), Vdq, Mdq), UD,
};
static const struct emul_row pfx_382a[4] = { UD, MOD(mod_movntdqa), UD, UD };
static const struct emul_row pfx_38f0[4] = {
	I2(movbe, F_WR | F_FEAT(MOVBE), Gv, Mv), I2(movbe, F_WR | F_FEAT(MOVBE), Gv, Mv), UD, I2(crc32, F_RW | F_FEAT(SSE42), Gy, Eb),
};
static const struct emul_row pfx_38f1[4] = {
	I2(movbe, F_WR | F_FEAT(MOVBE), Mv, Gv), I2(movbe, F_WR | F_FEAT(MOVBE), Mv, Gv), UD, I2(crc32, F_RW | F_FEAT(SSE42), Gy, Ev),
};
static const struct emul_row pfx_38f6[4] = {
	LENM, A2(adx, F_RW | F_FEAT(ADX), Gy, Ey, 0), A2(adx, F_RW | F_FEAT(ADX), Gy, Ey, 1), UD,
};
static const struct emul_row pfx_38f8[4] = {
	UD, I2(movdir64b, F_FEAT(MOVDIR64B), Gv, M), LENM, LENM,	/* ENQCMDS, ENQCMD */
};
static const struct emul_row pfx_38f9[4] = { I2(mov, F_WR | F_FEAT(MOVDIRI), My, Gy), UD, UD, UD };

static const struct emul_row row_lenm = LENM;
static const struct emul_row row_lenmi = LENMI;

/* Nearly all of the three-byte maps is vector arithmetic: only the rest has rows */
struct sparse {
	u8 opcode;
	struct emul_row row;
};

static const struct sparse map_0f38[] = {
	{ 0x2a, PFX(pfx_382a) },
	{ 0xf0, PFX(pfx_38f0) },
	{ 0xf1, PFX(pfx_38f1) },
	{ 0xf6, PFX(pfx_38f6) },
	{ 0xf8, PFX(pfx_38f8) },
	{ 0xf9, PFX(pfx_38f9) },
};

/* VMOVSS and VMOVSD merge two sources in their register form; they ignore VEX.L */
static const struct emul_row vmod_10ss[2] = { A2(vmov_load, F_AVX | F_NOV, Vd, Md, 1), LENM };
static const struct emul_row vmod_10sd[2] = { A2(vmov_load, F_AVX | F_NOV, Vq, Mq, 1), LENM };
static const struct emul_row vmod_11ss[2] = { I2(vmov_store, F_AVX | F_NOV, Md, Vd), LENM };
static const struct emul_row vmod_11sd[2] = { I2(vmov_store, F_AVX | F_NOV, Mq, Vq), LENM };

#define VLOAD(fl)	I2(vmov_load, F_AVX | F_NOV | (fl), Vx, Wx)
#define VSTORE(fl)	I2(vmov_store, F_AVX | F_NOV | (fl), Wx, Vx)

static const struct emul_row vpfx_10[4] = {
	VLOAD(0), VLOAD(0), MOD(vmod_10ss), MOD(vmod_10sd),
};
static const struct emul_row vpfx_11[4] = {
	VSTORE(0), VSTORE(0), MOD(vmod_11ss), MOD(vmod_11sd),
};
#define VHALF(mem, half)	I3A(vmov_half, F_AVX | F_VL0, Vdq, Hdq, mem, half)
#define VDUP(kind)		A2(vmov_dup, F_AVX | F_NOV, Vx, Wx, kind)

static const struct emul_row vpfx_12[4] = { VHALF(Wq, 0), VHALF(Mq, 0), VDUP(1), VDUP(0) };
static const struct emul_row vpfx_16[4] = { VHALF(Wq, 1), VHALF(Mq, 1), VDUP(2), UD };
static const struct emul_row vpfx_movq_store[4] = {
	I2(vmov_store, F_AVX | F_NOV | F_VL0, Mq, Vq), I2(vmov_store, F_AVX | F_NOV | F_VL0, Mq, Vq),
	UD, UD,
};
static const struct emul_row vpfx_17[4] = {
	I2(vmov_high_store, F_AVX | F_NOV | F_VL0, Mq, Vq),
	I2(vmov_high_store, F_AVX | F_NOV | F_VL0, Mq, Vq), UD, UD,
};
static const struct emul_row vpfx_28[4] = { VLOAD(F_ALIGN), VLOAD(F_ALIGN), UD, UD };
static const struct emul_row vpfx_29[4] = { VSTORE(F_ALIGN), VSTORE(F_ALIGN), UD, UD };
static const struct emul_row vpfx_2b[4] = {
	I2(vmov_store, F_AVX | F_NOV | F_ALIGN, Mx, Vx),
	I2(vmov_store, F_AVX | F_NOV | F_ALIGN, Mx, Vx), UD, UD,
};
static const struct emul_row vpfx_6e[4] = {
	UD, I2(vmov_load, F_AVX | F_NOV | F_VL0, Vdq, Ey), UD, UD,
};
static const struct emul_row vpfx_6f[4] = { UD, VLOAD(F_ALIGN), VLOAD(0), UD };
static const struct emul_row vpfx_7e[4] = {
	UD, I2(vmov_store, F_AVX | F_NOV | F_VL0, Ey, Vy),
	A2(vmov_load, F_AVX | F_NOV | F_VL0, Vq, Wq, 1), UD,
};
static const struct emul_row vpfx_7f[4] = { UD, VSTORE(F_ALIGN), VSTORE(0), UD };
static const struct emul_row vpfx_d6[4] = {
	UD, A2(vmov_store, F_AVX | F_NOV | F_VL0, Wq, Vq, 1), UD, UD,
};
static const struct emul_row vpfx_e7[4] = {
	UD, I2(vmov_store, F_AVX | F_NOV | F_ALIGN, Mx, Vx), UD, UD,
};
static const struct emul_row vpfx_f0[4] = {
	UD, UD, UD, I2(vmov_load, F_AVX | F_NOV, Vx, Mx),
};
static const struct emul_row vpfx_382a[4] = {
	UD, I2(vmov_load, F_AVX | F_NOV | F_ALIGN, Vx, Mx), UD, UD,
};
static const struct emul_row vpfx_38f2[4] = { I3(andn, F_WR | F_FEAT(BMI1) | F_VL0, Gy, By, Ey), UD, UD, UD };
static const struct emul_row grp_bls[8] = {
	UD, A2(bls, F_WR | F_FEAT(BMI1) | F_VL0, By, Ey, 1), A2(bls, F_WR | F_FEAT(BMI1) | F_VL0, By, Ey, 2),
	A2(bls, F_WR | F_FEAT(BMI1) | F_VL0, By, Ey, 3), UD, UD, UD, UD,
};
static const struct emul_row vpfx_38f3[4] = { GROUP(grp_bls), UD, UD, UD };
static const struct emul_row vpfx_38f5[4] = {
	I3(bzhi, F_WR | F_FEAT(BMI2) | F_VL0, Gy, Ey, By), UD, I3(pext, F_WR | F_FEAT(BMI2) | F_VL0, Gy, By, Ey),
	I3(pdep, F_WR | F_FEAT(BMI2) | F_VL0, Gy, By, Ey),
};
static const struct emul_row vpfx_38f6[4] = { UD, UD, UD, I3(mulx, F_WR | F_FEAT(BMI2) | F_VL0, Gy, By, Ey) };
static const struct emul_row vpfx_38f7[4] = {
	I3(bextr, F_WR | F_FEAT(BMI1) | F_VL0, Gy, Ey, By), I3(shx, F_WR | F_FEAT(BMI2) | F_VL0, Gy, Ey, By),
	I3(shx, F_WR | F_FEAT(BMI2) | F_VL0, Gy, Ey, By), I3(shx, F_WR | F_FEAT(BMI2) | F_VL0, Gy, Ey, By),
};
static const struct emul_row vpfx_3af0[4] = {
	UD, UD, UD, I3(rorx, F_WR | F_FEAT(BMI2) | F_VL0 | F_NOV, Gy, Ey, Ib),
};

static const struct sparse vex_0f[] = {
	{ 0x10, PFX(vpfx_10) },
	{ 0x11, PFX(vpfx_11) },
	{ 0x12, PFX(vpfx_12) },
	{ 0x13, PFX(vpfx_movq_store) },
	{ 0x16, PFX(vpfx_16) },
	{ 0x17, PFX(vpfx_17) },
	{ 0x28, PFX(vpfx_28) },
	{ 0x29, PFX(vpfx_29) },
	{ 0x2b, PFX(vpfx_2b) },
	{ 0x6e, PFX(vpfx_6e) },
	{ 0x6f, PFX(vpfx_6f) },
	{ 0x77, LEN(0) },	/* VZEROUPPER, VZEROALL */
	{ 0x7e, PFX(vpfx_7e) },
	{ 0x7f, PFX(vpfx_7f) },
	{ 0xd6, PFX(vpfx_d6) },
	{ 0xe7, PFX(vpfx_e7) },
	{ 0xf0, PFX(vpfx_f0) },
};

static const struct sparse vex_0f38[] = {
	{ 0x2a, PFX(vpfx_382a) },
	{ 0xf2, PFX(vpfx_38f2) },
	{ 0xf3, PFX(vpfx_38f3) },
	{ 0xf5, PFX(vpfx_38f5) },
	{ 0xf6, PFX(vpfx_38f6) },
	{ 0xf7, PFX(vpfx_38f7) },
};

#define VINSERT(fl)	I3(vinsert128, F_AVX | (fl), Vx, Wdq, Ib)
#define VEXTRACT(fl)	I3(vextract128, F_AVX | F_NOV | (fl), Wdq, Vx, Ib)

static const struct emul_row vpfx_3a18[4] = { UD, VINSERT(0), UD, UD };
static const struct emul_row vpfx_3a19[4] = { UD, VEXTRACT(0), UD, UD };
static const struct emul_row vpfx_3a38[4] = { UD, VINSERT(F_FEAT(AVX2)), UD, UD };
static const struct emul_row vpfx_3a39[4] = { UD, VEXTRACT(F_FEAT(AVX2)), UD, UD };

static const struct sparse vex_0f3a[] = {
	{ 0x18, PFX(vpfx_3a18) },
	{ 0x19, PFX(vpfx_3a19) },
	{ 0x38, PFX(vpfx_3a38) },
	{ 0x39, PFX(vpfx_3a39) },
	{ 0xf0, PFX(vpfx_3af0) },
};

static const struct emul_row *find(const struct sparse *map, unsigned int n, u8 opcode,
				   const struct emul_row *other)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (map[i].opcode == opcode)
			return &map[i].row;
	return other;
}

/** emul_row_0f38 - row of a legacy 0F 38 opcode */
const struct emul_row *emul_row_0f38(u8 opcode)
{
	return find(map_0f38, ARRAY_SIZE(map_0f38), opcode, &row_lenm);
}

/** emul_row_0f3a - row of a legacy 0F 3A opcode: all have an imm8, none is executed */
const struct emul_row *emul_row_0f3a(u8 opcode)
{
	(void)opcode;
	return &row_lenmi;
}

/* Of map 0F, these have an imm8 in VEX and EVEX too */
static bool vex_0f_imm8(u8 opcode)
{
	return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
	       (opcode >= 0xc4 && opcode <= 0xc6);
}

/**
 * emul_row_vex - row of a VEX- or EVEX-encoded opcode
 * @map: enum emul_map
 * @opcode: opcode
 * @evex: EVEX, of which only the length is known
 */
const struct emul_row *emul_row_vex(unsigned int map, u8 opcode, bool evex)
{
	const struct emul_row *other = &row_lenm;

	if (map == EMUL_MAP_0F3A || (map == EMUL_MAP_0F && vex_0f_imm8(opcode)))
		other = &row_lenmi;
	if (evex)
		return other;
	switch (map) {
	case EMUL_MAP_0F:
		return find(vex_0f, ARRAY_SIZE(vex_0f), opcode, other);
	case EMUL_MAP_0F38:
		return find(vex_0f38, ARRAY_SIZE(vex_0f38), opcode, other);
	default:
		return find(vex_0f3a, ARRAY_SIZE(vex_0f3a), opcode, other);
	}
}
