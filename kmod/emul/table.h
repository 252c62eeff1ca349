/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rows of the decoding tables. A row says how an opcode's operands are encoded, what the common
 * code does around the handler (read and write operands, check privilege and prefixes), and which
 * handler computes. SDM volume 2 appendix A uses the same notation for operands.
 */
#ifndef EMUL_TABLE_H
#define EMUL_TABLE_H

#include "emul.h"

typedef enum emul_status (*emul_handler_t)(struct emul *e);

enum emul_row_kind {
	ROW_UD,		/* undefined: #UD. Zero, so that holes in the tables are */
	ROW_INSN,
	ROW_GROUP,	/* sub[ModRM.reg] */
	ROW_MOD,	/* sub[ModRM.mod == 3] */
	ROW_RM,		/* sub[ModRM.rm] */
	ROW_PFX,	/* sub[0: none, 1: 66, 2: F3, 3: F2] */
	ROW_MODE,	/* sub[mode == EMUL_LONG] */
};

/* Operand encodings. Those up to ENC_LAST_MODRM imply a ModRM byte. */
enum emul_enc {
	ENC_NONE,
	ENC_Eb, ENC_Ew, ENC_Ed, ENC_Eq, ENC_Ev, ENC_Ey, ENC_Ev16m, ENC_E8or4,
	ENC_Gb, ENC_Gw, ENC_Gv, ENC_Gy,
	ENC_M, ENC_Mb, ENC_Mw, ENC_Md, ENC_Mq, ENC_Mv, ENC_My, ENC_Mdq, ENC_Mx, ENC_Mp, ENC_Mc,
	ENC_M2v,
	ENC_Sw, ENC_Cd, ENC_Dd, ENC_Rd,
	ENC_Vx, ENC_Vdq, ENC_Vq, ENC_Vd, ENC_Vy,
	ENC_Wx, ENC_Wdq, ENC_Wq, ENC_Wd,
	ENC_Pq, ENC_Py, ENC_Qq,
	ENC_LAST_MODRM = ENC_Qq,
	ENC_By,		/* VEX.vvvv, general register */
	ENC_Hdq,	/* VEX.vvvv, vector register */
	ENC_Ib, ENC_Ibs, ENC_Iw, ENC_Iz, ENC_Iv, ENC_1,
	ENC_AL, ENC_rAX, ENC_eAX, ENC_CL, ENC_DX,
	ENC_Zb, ENC_Zv,
	ENC_Ob, ENC_Ov,
	ENC_Jb, ENC_Jz, ENC_Ap,
	ENC_ES, ENC_CS, ENC_SS, ENC_DS, ENC_FS, ENC_GS,
	ENC_COUNT,
};

#define F_RD	BIT(0)	/* read operand 0 (and 1 and 2) before the handler */
#define F_WR	BIT(1)	/* write operand 0 after it; operands 1 and 2 are read before */
#define F_RW	(F_RD | F_WR)
#define F_LOCK	BIT(2)	/* LOCK allowed with a memory destination */
#define F_XCHG	BIT(3)	/* locked even without the prefix */
#define F_PRIV	BIT(4)	/* CPL 0, else #GP(0) */
#define F_PROT	BIT(5)	/* #UD in real and virtual-8086 mode */
#define F_NO64	BIT(6)	/* #UD in 64-bit mode */
#define F_D64	BIT(7)	/* operand size defaults to 64 bits in 64-bit mode */
#define F_F64	BIT(8)	/* operand size is 64 bits in 64-bit mode */
#define F_MODRM	BIT(9)	/* has ModRM though no operand says so */
#define F_IMM8	BIT(10)	/* has an imm8 that is no operand */
#define F_IMM16	BIT(11)	/* has an imm16 that is no operand */
#define F_SSE	BIT(12)	/* checks CR0.EM, CR0.TS, CR4.OSFXSR */
#define F_MMX	BIT(13)	/* checks CR0.EM, CR0.TS */
#define F_AVX	BIT(14)	/* checks CR4.OSXSAVE, XCR0, CR0.TS */
#define F_ALIGN	BIT(15)	/* memory operand aligned to its size, else #GP(0) */
#define F_IMMZ	BIT(16)	/* has an imm16/32 that is no operand */
#define F_VL0	BIT(17)	/* VEX.L must be 0 */
#define F_BITS	BIT(19)	/* register bit offset reaches beyond the memory operand */
#define F_X87	BIT(20)	/* checks CR0.EM, CR0.TS: #NM */
#define F_NOV	BIT(18)	/* VEX.vvvv must be 1111b */

/* Bits 31:24: the feature that the guest's CPUID must announce, enum emul_feature */
#define F_FEAT(name)	((u32)EMUL_FEAT_##name << 24)
#define ROW_FEAT(row)	((enum emul_feature)((row)->flags >> 24))

/**
 * struct emul_row - one opcode
 * @kind: what the row is
 * @enc: operand encodings, enum emul_enc
 * @arg: the handler's business
 * @flags: F_*
 * @fn: handler; NULL for an instruction that is decoded only
 * @sub: next table, by @kind
 */
struct emul_row {
	u8 kind;
	u8 enc[3];
	u8 arg;
	u32 flags;
	emul_handler_t fn;
	const struct emul_row *sub;
};

/* table.c */
extern const struct emul_row emul_map_1[256];
extern const struct emul_row emul_map_0f[256];
extern const struct emul_row emul_row_nop;
const struct emul_row *emul_row_0f38(u8 opcode);
const struct emul_row *emul_row_0f3a(u8 opcode);
const struct emul_row *emul_row_vex(unsigned int map, u8 opcode, bool evex);

#endif /* EMUL_TABLE_H */
