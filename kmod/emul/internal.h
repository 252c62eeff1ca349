/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the emulator share among themselves. Handlers run between the reading of
 * source operands and the writing of the destination, both done by core.c as the row's flags say.
 * A handler that writes memory itself stages the write (emul_stage_write()); staged writes reach
 * memory when it answers EMUL_OK, or earlier by emul_commit_writes().
 */
#ifndef EMUL_INTERNAL_H
#define EMUL_INTERNAL_H

#include "emul.h"
#include "table.h"

#define X86_CF		0x0001u
#define X86_FIXED	0x0002u
#define X86_PF		0x0004u
#define X86_AF		0x0010u
#define X86_ZF		0x0040u
#define X86_SF		0x0080u
#define X86_TF		0x0100u
#define X86_IF		0x0200u
#define X86_DF		0x0400u
#define X86_OF		0x0800u
#define X86_IOPL	0x3000u
#define X86_NT		0x4000u
#define X86_RF		0x10000u
#define X86_VM		0x20000u
#define X86_AC		0x40000u
#define X86_VIF		0x80000u
#define X86_VIP		0x100000u
#define X86_ID		0x200000u
/* What IRET to virtual-8086 mode, or a task switch, can load: everything */
#define X86_LOADABLE	0x3f7fd5u
#define X86_ARITH	(X86_CF | X86_PF | X86_AF | X86_ZF | X86_SF | X86_OF)

#define CR0_PE		BIT(0)
#define CR0_MP		BIT(1)
#define CR0_EM		BIT(2)
#define CR0_TS		BIT(3)
#define CR0_PG		BIT(31)
#define CR4_VME		BIT(0)
#define CR4_PVI		BIT(1)
#define CR4_TSD		BIT(2)
#define CR4_DE		BIT(3)
#define CR4_OSFXSR	BIT(9)
#define CR4_UMIP	BIT(11)
#define CR4_LA57	BIT(12)
#define CR4_FSGSBASE	BIT(16)
#define CR4_OSXSAVE	BIT(18)

#define DR7_GD		BIT(13)

#define MSR_EFER_NR	0xc0000080u
#define EFER_LMA_BIT	BIT(10)

/* Call and hand any answer but EMUL_OK up */
#define TRY(call) do {					\
		enum emul_status st_ = (call);		\
							\
		if (unlikely(st_ != EMUL_OK))		\
			return st_;			\
	} while (0)

static inline u64 emul_mask(unsigned int size)
{
	return size >= 8 ? ~0ULL : (1ULL << (size * 8)) - 1;
}

static inline u64 emul_msb(unsigned int size)
{
	return 1ULL << (size * 8 - 1);
}

static inline u64 emul_sext(u64 v, unsigned int size)
{
	unsigned int up = 64 - size * 8;

	return (u64)((s64)(v << up) >> up);
}

static inline unsigned int emul_opsize(const struct emul *e)
{
	return e->insn.opsize;
}

static inline bool emul_is_prot(const struct emul *e)
{
	return e->mode >= EMUL_PROT16;
}

static inline unsigned int emul_iopl(const struct emul *e)
{
	return (e->rflags >> 12) & 3;
}

static inline void emul_set_flag(struct emul *e, u64 flag, bool on)
{
	if (on)
		e->rflags |= flag;
	else
		e->rflags &= ~flag;
}

/* General registers by number and size; a 4-byte write clears the upper half, smaller ones merge */
static inline u64 emul_reg(const struct emul *e, unsigned int reg, unsigned int size)
{
	return e->gpr[reg & 15] & emul_mask(size);
}

static inline void emul_set_reg(struct emul *e, unsigned int reg, unsigned int size, u64 val)
{
	u64 *r = &e->gpr[reg & 15];

	if (size == 8)
		*r = val;
	else if (size == 4)
		*r = (u32)val;
	else
		*r = (*r & ~emul_mask(size)) | (val & emul_mask(size));
}

/* core.c */
enum emul_status emul_raise(struct emul *e, u8 vector);
enum emul_status emul_raise_err(struct emul *e, u8 vector, u32 error);
enum emul_status emul_gp0(struct emul *e);
enum emul_status emul_ud(struct emul *e);
const struct emul_seg *emul_get_seg(struct emul *e, unsigned int sreg);
enum emul_status emul_put_seg(struct emul *e, unsigned int sreg, const struct emul_seg *seg);
enum emul_status emul_get_cr(struct emul *e, unsigned int nr, u64 *val);
bool emul_lma(struct emul *e);
bool emul_canonical(struct emul *e, u64 la);
enum emul_status emul_read_la(struct emul *e, u64 la, void *buf, unsigned int len,
			      unsigned int acc);
enum emul_status emul_write_la(struct emul *e, u64 la, const void *buf, unsigned int len,
			       unsigned int acc);
enum emul_status emul_read_mem(struct emul *e, unsigned int seg, u64 off, void *buf,
			       unsigned int len, unsigned int acc);
enum emul_status emul_read_val(struct emul *e, unsigned int seg, u64 off, unsigned int len,
			       u64 *val);
enum emul_status emul_stage_write(struct emul *e, unsigned int seg, u64 off, const void *buf,
				  unsigned int len);
enum emul_status emul_commit_writes(struct emul *e);
void emul_checkpoint(struct emul *e);
void emul_rollback(struct emul *e);
enum emul_status emul_read_op(struct emul *e, struct emul_operand *op, unsigned int acc);
enum emul_status emul_write_op(struct emul *e, struct emul_operand *op);
enum emul_status emul_fpu_check(struct emul *e, u32 flags);
bool emul_has(struct emul *e, enum emul_feature feature);

/* decode.c */
u64 emul_ea(const struct emul *e);

/* far.c */
enum emul_status emul_far_jump(struct emul *e, u16 sel, u64 off);
enum emul_status emul_far_call(struct emul *e, u16 sel, u64 off);
enum emul_status emul_far_ret(struct emul *e, unsigned int extra, bool iret);
enum emul_status emul_set_rip(struct emul *e, u64 rip, unsigned int size);

/* seg.c */
enum emul_status emul_read_far(struct emul *e, const struct emul_operand *op, u16 *sel, u64 *off);
enum emul_status emul_umip_check(struct emul *e);

/* stack.c */
unsigned int emul_stack_size(struct emul *e);
enum emul_status emul_push(struct emul *e, u64 val, unsigned int size);
enum emul_status emul_pop(struct emul *e, u64 *val, unsigned int size);
enum emul_status emul_set_flags(struct emul *e, u64 val, unsigned int size, bool iret);

/* alu.c, bits.c: helpers used elsewhere */
void emul_flags_logic(struct emul *e, u64 res, unsigned int size);
u64 emul_sub(struct emul *e, u64 a, u64 b, unsigned int borrow, unsigned int size);
u64 emul_add(struct emul *e, u64 a, u64 b, unsigned int carry, unsigned int size);
bool emul_cond(const struct emul *e, unsigned int cc);
void emul_bit_address(struct emul *e);

/* string.c */
enum emul_status emul_io_allowed(struct emul *e, u16 port, unsigned int size);

/* Handlers, named in table.c only */
#define EMUL_HANDLERS(X)						\
	X(add) X(or) X(adc) X(sbb) X(and) X(sub) X(xor) X(cmp) X(test)	\
	X(inc) X(dec) X(not) X(neg) X(mul) X(imul1) X(imul) X(div) X(idiv) \
	X(rol) X(ror) X(rcl) X(rcr) X(shl) X(shr) X(sar) X(shld) X(shrd) \
	X(bt) X(bts) X(btr) X(btc) X(bsf) X(bsr) X(popcnt) X(tzcnt) X(lzcnt) \
	X(bswap) X(crc32) X(movbe) X(andn) X(bls) X(bextr) X(bzhi) X(pdep) \
	X(pext) X(mulx) X(adx) X(shx) X(rorx)				\
	X(daa) X(das) X(aaa) X(aas) X(aam) X(aad) X(salc)		\
	X(mov) X(movsx) X(xchg) X(xadd) X(cmpxchg) X(cmpxchg8b) X(lea) X(setcc) \
	X(cmov) X(cbw) X(cwd) X(sahf) X(lahf) X(xlat) X(nop) X(clflush) X(movdir64b) \
	X(clc) X(stc) X(cmc) X(cli) X(sti) X(cld) X(std)		\
	X(push) X(pop) X(pop_ev) X(pusha) X(popa) X(pushf) X(popf) X(enter) X(leave) \
	X(push_seg) X(pop_seg) X(mov_from_seg) X(mov_to_seg) X(lseg)	\
	X(jmp) X(jcc) X(call) X(jmp_ind) X(call_ind) X(ret) X(loop) X(jcxz) \
	X(jmp_far) X(call_far) X(jmp_far_ind) X(call_far_ind) X(ret_far) X(iret) \
	X(intn) X(int3) X(into) X(icebp) X(bound) X(ud)			\
	X(movs) X(cmps) X(scas) X(stos) X(lods) X(ins) X(outs) X(in) X(out) \
	X(hlt) X(cpuid) X(rdtsc) X(rdtscp) X(rdpid) X(rdmsr) X(wrmsr) X(wbinvd) X(invlpg) \
	X(mov_from_cr) X(mov_to_cr) X(mov_from_dr) X(mov_to_dr) X(clts) X(smsw) X(lmsw) \
	X(sgdt) X(sidt) X(lgdt) X(lidt) X(sldt) X(str) X(lldt) X(ltr)	\
	X(lar) X(lsl) X(verr) X(verw) X(arpl) X(xgetbv) X(xsetbv) X(swapgs) X(fsgsbase) \
	X(vmov_load) X(vmov_store) X(vmov_half) X(vmov_high_store) X(vmov_dup) \
	X(vinsert128) X(vextract128) X(mmx_load) X(mmx_store) X(clac) X(stac) \
	X(fninit) X(fnstcw) X(fnstsw) X(fwait) X(emms) X(fxsave) X(fxrstor)

#define X(name) enum emul_status emul_do_##name(struct emul *e);
EMUL_HANDLERS(X)
#undef X

/* The operands in handlers of one instruction @e */
#define DST	(e->insn.op[0].val)
#define SRC	(e->insn.op[1].val)
#define SRC2	(e->insn.op[2].val)
#define SIZE	(e->insn.op[0].size)

#endif /* EMUL_INTERNAL_H */
