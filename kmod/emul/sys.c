// SPDX-License-Identifier: GPL-2.0-only
/*
 * System instructions: control and debug registers, MSRs, descriptor tables, CPUID, time, HLT.
 * The rows' F_PRIV has checked CPL; values are validated by the callbacks. SDM volume 2.
 */
#include "internal.h"

/* Call something that may answer EMUL_FAULT without naming a fault: then it is #GP(0) */
#define CALLBACK(e, name, ...)						\
	((e)->ops->name ? (emul_gp0(e), (e)->ops->name(e, ##__VA_ARGS__)) : EMUL_UNHANDLEABLE)

enum emul_status emul_do_hlt(struct emul *e)
{
	return CALLBACK(e, hlt);
}

enum emul_status emul_do_wbinvd(struct emul *e)
{
	return CALLBACK(e, wbinvd);
}

enum emul_status emul_do_invlpg(struct emul *e)
{
	const struct emul_operand *op = &e->insn.op[0];
	u64 la = op->off;

	/* no limit or canonical check: it is no memory access */
	if (e->mode != EMUL_LONG)
		la = (u32)(la + emul_get_seg(e, op->seg)->base);
	else if (op->seg == EMUL_FS || op->seg == EMUL_GS)
		la += emul_get_seg(e, op->seg)->base;
	return CALLBACK(e, invlpg, la);
}

enum emul_status emul_do_cpuid(struct emul *e)
{
	u32 r[4] = { (u32)e->gpr[EMUL_RAX], 0, (u32)e->gpr[EMUL_RCX], 0 };

	if (!e->ops->cpuid)
		return EMUL_UNHANDLEABLE;
	e->ops->cpuid(e, r);
	e->gpr[EMUL_RAX] = r[0];
	e->gpr[EMUL_RBX] = r[1];
	e->gpr[EMUL_RCX] = r[2];
	e->gpr[EMUL_RDX] = r[3];
	return EMUL_OK;
}

static enum emul_status read_tsc(struct emul *e, u32 *aux)
{
	u64 v, cr4;

	if (!e->ops->rdtsc)
		return EMUL_UNHANDLEABLE;
	if (e->cpl) {
		TRY(emul_get_cr(e, 4, &cr4));
		if (cr4 & CR4_TSD)
			return emul_gp0(e);
	}
	v = e->ops->rdtsc(e, aux);
	e->gpr[EMUL_RAX] = (u32)v;
	e->gpr[EMUL_RDX] = v >> 32;
	return EMUL_OK;
}

enum emul_status emul_do_rdtsc(struct emul *e)
{
	u32 aux;

	return read_tsc(e, &aux);
}

enum emul_status emul_do_rdtscp(struct emul *e)
{
	u32 aux = 0;

	TRY(read_tsc(e, &aux));
	e->gpr[EMUL_RCX] = aux;
	return EMUL_OK;
}

enum emul_status emul_do_rdpid(struct emul *e)
{
	u32 aux = 0;

	if (!e->ops->rdtsc)
		return EMUL_UNHANDLEABLE;
	e->ops->rdtsc(e, &aux);
	e->insn.op[0].val = aux;
	return EMUL_OK;
}

enum emul_status emul_do_rdmsr(struct emul *e)
{
	u64 v = 0;

	TRY(CALLBACK(e, get_msr, (u32)e->gpr[EMUL_RCX], &v));
	e->gpr[EMUL_RAX] = (u32)v;
	e->gpr[EMUL_RDX] = v >> 32;
	return EMUL_OK;
}

/* EDX:EAX */
static u64 edx_eax(const struct emul *e)
{
	return (u32)e->gpr[EMUL_RAX] | e->gpr[EMUL_RDX] << 32;
}

enum emul_status emul_do_wrmsr(struct emul *e)
{
	return CALLBACK(e, set_msr, (u32)e->gpr[EMUL_RCX], edx_eax(e));
}

static enum emul_status osxsave_check(struct emul *e)
{
	u64 cr4;

	TRY(emul_get_cr(e, 4, &cr4));
	return cr4 & CR4_OSXSAVE ? EMUL_OK : emul_ud(e);
}

enum emul_status emul_do_xgetbv(struct emul *e)
{
	u64 v = 0;

	TRY(osxsave_check(e));
	TRY(CALLBACK(e, get_xcr, (u32)e->gpr[EMUL_RCX], &v));
	e->gpr[EMUL_RAX] = (u32)v;
	e->gpr[EMUL_RDX] = v >> 32;
	return EMUL_OK;
}

enum emul_status emul_do_xsetbv(struct emul *e)
{
	TRY(osxsave_check(e));
	return CALLBACK(e, set_xcr, (u32)e->gpr[EMUL_RCX], edx_eax(e));
}

enum emul_status emul_do_mov_from_cr(struct emul *e)
{
	struct emul_operand *op = &e->insn.op[0];

	TRY(emul_get_cr(e, e->insn.op[1].reg, &op->val));
	return emul_write_op(e, op);
}

enum emul_status emul_do_mov_to_cr(struct emul *e)
{
	struct emul_operand *op = &e->insn.op[1];

	TRY(emul_read_op(e, op, 0));
	return CALLBACK(e, set_cr, e->insn.op[0].reg, op->val);
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE; DR7.GD traps every access (SDM 3, 17.2) */
static enum emul_status debug_reg(struct emul *e, unsigned int *nr)
{
	u64 cr4, dr7 = 0;

	if (*nr == 4 || *nr == 5) {
		TRY(emul_get_cr(e, 4, &cr4));
		if (cr4 & CR4_DE)
			return emul_ud(e);
		*nr += 2;
	}
	TRY(CALLBACK(e, get_dr, 7, &dr7));
	/* the glue sets DR6.BD and clears DR7.GD as it delivers this */
	return dr7 & DR7_GD ? emul_raise(e, EMUL_DB) : EMUL_OK;
}

enum emul_status emul_do_mov_from_dr(struct emul *e)
{
	struct emul_operand *op = &e->insn.op[0];
	unsigned int nr = e->insn.op[1].reg;

	TRY(debug_reg(e, &nr));
	TRY(CALLBACK(e, get_dr, nr, &op->val));
	return emul_write_op(e, op);
}

enum emul_status emul_do_mov_to_dr(struct emul *e)
{
	struct emul_operand *op = &e->insn.op[1];
	unsigned int nr = e->insn.op[0].reg;

	TRY(debug_reg(e, &nr));
	TRY(emul_read_op(e, op, 0));
	/* in 64-bit mode the upper half of DR6 and DR7 must be 0 */
	if (nr >= 6 && op->val >> 32)
		return emul_gp0(e);
	return CALLBACK(e, set_dr, nr, op->val);
}

enum emul_status emul_do_clts(struct emul *e)
{
	u64 cr0;

	TRY(emul_get_cr(e, 0, &cr0));
	return CALLBACK(e, set_cr, 0, cr0 & ~CR0_TS);
}

enum emul_status emul_do_smsw(struct emul *e)
{
	TRY(emul_umip_check(e));
	TRY(emul_get_cr(e, 0, &e->insn.op[0].val));
	/* a register takes as much of CR0 as the operand size, memory 16 bits */
	e->insn.op[0].val &= emul_mask(e->insn.op[0].size);
	return EMUL_OK;
}

/* PE, MP, EM, TS; PE can be set this way but not cleared */
enum emul_status emul_do_lmsw(struct emul *e)
{
	u64 cr0;

	TRY(emul_get_cr(e, 0, &cr0));
	cr0 = (cr0 & ~0xeULL) | (e->insn.op[0].val & 0xf);
	return CALLBACK(e, set_cr, 0, cr0);
}

static enum emul_status store_dtable(struct emul *e, const struct emul_dtable *dt)
{
	const struct emul_operand *op = &e->insn.op[0];
	unsigned int size = e->mode == EMUL_LONG ? 8 : 4;
	u8 buf[10];

	memcpy(buf, &dt->limit, 2);
	memcpy(buf + 2, &dt->base, 8);
	return emul_stage_write(e, op->seg, op->off, buf, 2 + size);
}

enum emul_status emul_do_sgdt(struct emul *e)
{
	struct emul_dtable dt;

	TRY(emul_umip_check(e));
	if (!e->ops->get_gdt)
		return EMUL_UNHANDLEABLE;
	e->ops->get_gdt(e, &dt);
	return store_dtable(e, &dt);
}

enum emul_status emul_do_sidt(struct emul *e)
{
	struct emul_dtable dt;

	TRY(emul_umip_check(e));
	if (!e->ops->get_idt)
		return EMUL_UNHANDLEABLE;
	e->ops->get_idt(e, &dt);
	return store_dtable(e, &dt);
}

static enum emul_status load_dtable(struct emul *e, struct emul_dtable *dt)
{
	const struct emul_operand *op = &e->insn.op[0];
	unsigned int size = e->mode == EMUL_LONG ? 8 : 4;
	u8 buf[10] = { 0 };

	TRY(emul_read_mem(e, op->seg, op->off, buf, 2 + size, 0));
	memcpy(&dt->limit, buf, 2);
	memcpy(&dt->base, buf + 2, 8);
	if (e->mode == EMUL_LONG)
		return emul_canonical(e, dt->base) ? EMUL_OK : emul_gp0(e);
	if (emul_opsize(e) == 2)
		dt->base &= 0xffffff;
	return EMUL_OK;
}

enum emul_status emul_do_lgdt(struct emul *e)
{
	struct emul_dtable dt;

	if (!e->ops->set_gdt)
		return EMUL_UNHANDLEABLE;
	TRY(load_dtable(e, &dt));
	e->ops->set_gdt(e, &dt);
	return EMUL_OK;
}

enum emul_status emul_do_lidt(struct emul *e)
{
	struct emul_dtable dt;

	if (!e->ops->set_idt)
		return EMUL_UNHANDLEABLE;
	TRY(load_dtable(e, &dt));
	e->ops->set_idt(e, &dt);
	return EMUL_OK;
}

#define MSR_KERNEL_GS	0xc0000102u

enum emul_status emul_do_swapgs(struct emul *e)
{
	struct emul_seg gs;
	u64 other = 0;

	if (e->mode != EMUL_LONG)
		return emul_ud(e);
	gs = *emul_get_seg(e, EMUL_GS);
	TRY(CALLBACK(e, get_msr, MSR_KERNEL_GS, &other));
	TRY(CALLBACK(e, set_msr, MSR_KERNEL_GS, gs.base));
	gs.base = other;
	return emul_put_seg(e, EMUL_GS, &gs);
}

/* RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE: arg 0 to 3 */
enum emul_status emul_do_fsgsbase(struct emul *e)
{
	struct emul_operand *op = &e->insn.op[0];
	unsigned int arg = e->insn.row->arg, sreg = arg & 1 ? EMUL_GS : EMUL_FS;
	struct emul_seg seg;
	u64 cr4;

	TRY(emul_get_cr(e, 4, &cr4));
	if (e->mode != EMUL_LONG || !(cr4 & CR4_FSGSBASE))
		return emul_ud(e);
	seg = *emul_get_seg(e, sreg);
	if (arg < 2) {
		op->val = seg.base;
		return emul_write_op(e, op);
	}
	TRY(emul_read_op(e, op, 0));
	if (!emul_canonical(e, op->val))
		return emul_gp0(e);
	seg.base = op->val;
	return emul_put_seg(e, sreg, &seg);
}

static enum emul_status change_ac(struct emul *e, bool on)
{
	if (e->mode == EMUL_VM86)
		return emul_ud(e);
	emul_set_flag(e, X86_AC, on);
	return EMUL_OK;
}

enum emul_status emul_do_clac(struct emul *e)
{
	return change_ac(e, false);
}

enum emul_status emul_do_stac(struct emul *e)
{
	return change_ac(e, true);
}
