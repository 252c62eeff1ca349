// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's vector registers, for emulated moves, and its x87's control.
 */
#include <asm/asm.h>
#include <asm/fpu/api.h>

#include "emulate.h"

/*
 * The guest's vector registers are live in the CPU while its thread runs, unless the kernel has
 * put them aside for a context switch: then bring them back, and keep them until @unlock.
 */
static void fpregs_begin(void)
{
	fpregs_lock();
	fpregs_assert_state_consistent();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
}

static void fpregs_end(void)
{
	fpregs_unlock();
}

#define EACH_VECTOR_REG(X)	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) \
				X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

void vmm_emulate_get_xmm(struct emul *e, unsigned int reg, void *buf, unsigned int len)
{
	struct { u8 b[32]; } *v = buf;

	fpregs_begin();
	if (len == 32) {
		switch (reg) {
#define X(n)	case n: asm volatile("vmovdqu %%ymm" #n ", %0" : "=m" (*v)); break;
		EACH_VECTOR_REG(X)
#undef X
		}
	} else {
		switch (reg) {
#define X(n)	case n: asm volatile("movdqu %%xmm" #n ", %0" : "=m" (*(struct { u8 b[16]; } *)buf)); \
			break;
		EACH_VECTOR_REG(X)
#undef X
		}
	}
	fpregs_end();
}

void vmm_emulate_set_xmm(struct emul *e, unsigned int reg, const void *buf, unsigned int len,
			 bool zero_upper)
{
	const struct { u8 b[16]; } *x = buf;
	const struct { u8 b[32]; } *y = buf;

	fpregs_begin();
	if (len == 32) {
		switch (reg) {
#define X(n)	case n: asm volatile("vmovdqu %0, %%ymm" #n : : "m" (*y)); break;
		EACH_VECTOR_REG(X)
#undef X
		}
	} else if (zero_upper) {
		switch (reg) {
#define X(n)	case n: asm volatile("vmovdqu %0, %%xmm" #n : : "m" (*x)); break;
		EACH_VECTOR_REG(X)
#undef X
		}
	} else {
		switch (reg) {
#define X(n)	case n: asm volatile("movdqu %0, %%xmm" #n : : "m" (*x)); break;
		EACH_VECTOR_REG(X)
#undef X
		}
	}
	fpregs_end();
}

#define EACH_MMX_REG(X)		X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

void vmm_emulate_get_mmx(struct emul *e, unsigned int reg, u64 *val)
{
	fpregs_begin();
	switch (reg) {
#define X(n)	case n: asm volatile("movq %%mm" #n ", %0" : "=m" (*val)); break;
	EACH_MMX_REG(X)
#undef X
	}
	fpregs_end();
}

void vmm_emulate_set_mmx(struct emul *e, unsigned int reg, u64 val)
{
	fpregs_begin();
	switch (reg) {
#define X(n)	case n: asm volatile("movq %0, %%mm" #n : : "m" (val)); break;
	EACH_MMX_REG(X)
#undef X
	}
	fpregs_end();
}

/* Execute with the guest's FPU in the CPU; a fault it raises is the guest's */
#define TRY_FPU(insn, mem)						\
	asm volatile("1:	" insn "\n"				\
		     "2:\n"						\
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_EFAULT_REG, %[err])	\
		     : [err] "+r" (err), [m] "+m" (mem) : : "memory")

enum emul_status vmm_emulate_fpu(struct emul *e, enum emul_fpu_op op, void *buf)
{
	struct { u8 b[512]; } *area = buf;
	u16 *word = buf;
	int err = 0, none = 0;

	fpregs_begin();
	switch (op) {
	case EMUL_FPU_INIT:
		asm volatile("fninit");
		break;
	case EMUL_FPU_STCW:
		asm volatile("fnstcw %0" : "=m" (*word));
		break;
	case EMUL_FPU_STSW:
		asm volatile("fnstsw %0" : "=m" (*word));
		break;
	case EMUL_FPU_WAIT:
		TRY_FPU("fwait", none);
		break;
	case EMUL_FPU_EMMS:
		TRY_FPU("emms", none);
		break;
	case EMUL_FPU_SAVE:
		asm volatile("fxsave %0" : "+m" (*area));
		break;
	case EMUL_FPU_SAVE64:
		asm volatile("fxsave64 %0" : "+m" (*area));
		break;
	case EMUL_FPU_RESTORE:
		TRY_FPU("fxrstor %[m]", *area);
		break;
	case EMUL_FPU_RESTORE64:
		TRY_FPU("fxrstor64 %[m]", *area);
		break;
	}
	fpregs_end();
	return err ? EMUL_FAULT : EMUL_OK;
}
