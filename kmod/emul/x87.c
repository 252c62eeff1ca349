// SPDX-License-Identifier: GPL-2.0-only
/*
 * The x87's control instructions, EMMS, FXSAVE and FXRSTOR: what firmware probes and switches the
 * FPU with. The FPU itself is reached through a callback. SDM volume 2.
 */
#include "internal.h"

#define FX_STATE64	416	/* with XMM0 to XMM15 */
#define FX_STATE32		288	/* XMM0 to XMM7 */
#define FX_STATE_X87		160
#define FX_SIZE			512
#define EFER_FFXSR_BIT		BIT(14)

static enum emul_status fpu(struct emul *e, enum emul_fpu_op op, void *buf)
{
	if (!e->ops->fpu)
		return EMUL_UNHANDLEABLE;
	emul_raise(e, EMUL_MF);
	return e->ops->fpu(e, op, buf);
}

static enum emul_status store_word(struct emul *e, enum emul_fpu_op op)
{
	u16 v = 0;

	TRY(fpu(e, op, &v));
	e->insn.op[0].val = v;
	e->insn.op[0].size = 2;	/* of AX too, whatever the operand size */
	return EMUL_OK;
}

enum emul_status emul_do_fninit(struct emul *e)
{
	return fpu(e, EMUL_FPU_INIT, NULL);
}

enum emul_status emul_do_fnstcw(struct emul *e)
{
	return store_word(e, EMUL_FPU_STCW);
}

enum emul_status emul_do_fnstsw(struct emul *e)
{
	return store_word(e, EMUL_FPU_STSW);
}

/* FWAIT is stopped by TS with MP only; EM does not matter */
enum emul_status emul_do_fwait(struct emul *e)
{
	u64 cr0;

	TRY(emul_get_cr(e, 0, &cr0));
	if ((cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		return emul_raise(e, EMUL_NM);
	return fpu(e, EMUL_FPU_WAIT, NULL);
}

enum emul_status emul_do_emms(struct emul *e)
{
	return fpu(e, EMUL_FPU_EMMS, NULL);
}

/* The area, which must be aligned, and how much of it is used */
static enum emul_status fx_area(struct emul *e, unsigned int acc, u64 *la, unsigned int *len)
{
	const struct emul_operand *op = &e->insn.op[0];
	u64 cr4, efer = 0;

	TRY(emul_linear(e, op->seg, op->off, FX_SIZE, acc, la));
	if (*la & 15)
		return emul_gp0(e);
	TRY(emul_get_cr(e, 4, &cr4));
	*len = e->mode == EMUL_LONG ? FX_STATE64 :
	       cr4 & CR4_OSFXSR ? FX_STATE32 : FX_STATE_X87;
	if (e->mode != EMUL_LONG || e->cpl || !e->ops->get_msr)
		return EMUL_OK;
	/* AMD's fast variant leaves the vector registers out */
	if (e->ops->get_msr(e, MSR_EFER_NR, &efer) == EMUL_OK && (efer & EFER_FFXSR_BIT))
		*len = FX_STATE_X87;
	return EMUL_OK;
}

enum emul_status emul_do_fxsave(struct emul *e)
{
	bool w = e->insn.rex & 8;
	unsigned int len;
	u64 la = 0;

	TRY(fx_area(e, EMUL_ACC_WRITE, &la, &len));
	TRY(fpu(e, w ? EMUL_FPU_SAVE64 : EMUL_FPU_SAVE, e->pio_buf));
	return emul_write_la(e, la, e->pio_buf, len, 0);
}

/* What is not restored is what it was: load it from where it was saved just before */
enum emul_status emul_do_fxrstor(struct emul *e)
{
	bool w = e->insn.rex & 8;
	unsigned int len;
	u64 la = 0;

	TRY(fx_area(e, 0, &la, &len));
	TRY(fpu(e, w ? EMUL_FPU_SAVE64 : EMUL_FPU_SAVE, e->pio_buf));
	TRY(emul_read_la(e, la, e->pio_buf, len, 0));
	emul_gp0(e);
	return e->ops->fpu(e, w ? EMUL_FPU_RESTORE64 : EMUL_FPU_RESTORE, e->pio_buf);
}
