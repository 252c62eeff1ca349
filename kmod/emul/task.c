// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware task switches: SDM volume 3, 8.3 (the order of checks and of changes), 8.2.1 and 8.6
 * (the 32-bit and the 16-bit TSS). There is none in IA-32e mode.
 *
 * All that can fault in the old task's name is done before the first change; what fails after
 * (a segment that the new TSS names) is the new task's fault, raised with its registers loaded.
 */
#include "seg.h"

/* Where a TSS keeps things */
struct tss_layout {
	u8 min_limit;
	u8 width;	/* of registers */
	u8 state;	/* IP, FLAGS, the eight general registers */
	u8 sregs;	/* ES, CS, SS, DS, FS, GS */
	u8 nr_sregs;
	u8 ldt;
	u8 end;		/* of what is read */
};

static const struct tss_layout tss32 = { 0x67, 4, 0x20, 0x48, 6, 0x60, 0x68 };
static const struct tss_layout tss16 = { 0x2b, 2, 0x0e, 0x22, 4, 0x2a, 0x2c };

#define TSS32_CR3	0x1c
#define TSS32_TRAP	0x64
#define TSS_MAX		0x68

#define DR7_LOCAL	0x155u	/* L0 to L3, LE: of the old task */

static const struct tss_layout *layout_of(u32 attr)
{
	return attr & SYS_32 ? &tss32 : &tss16;
}

static u64 tss_get(const u8 *tss, unsigned int at, unsigned int size)
{
	u64 v = 0;

	memcpy(&v, tss + at, size);
	return v;
}

/* INT n, INT3 and INTO may not use a task gate of more privilege; the exit came before that check */
static enum emul_status check_gate(struct emul *e, const struct emul_task *t)
{
	struct emul_dtable idt;
	u64 gate = 0;
	u32 error = t->vector * 8 + 2;

	if (t->reason != EMUL_TASK_GATE || t->vector < 0)
		return EMUL_OK;
	if (!e->ops->get_idt)
		return EMUL_UNHANDLEABLE;
	e->ops->get_idt(e, &idt);
	if (t->vector * 8 + 7 > idt.limit)
		return emul_raise_err(e, EMUL_GP, error);
	TRY(emul_read_la(e, idt.base + t->vector * 8, &gate, 8, EMUL_ACC_SYSTEM));
	if (EMUL_SEG_DPL(desc_attr(gate)) < e->cpl)
		return emul_raise_err(e, EMUL_GP, error);
	return EMUL_OK;
}

/* Find the new TSS and check its descriptor */
static enum emul_status new_tss(struct emul *e, const struct emul_task *t, u64 *desc, u64 *la,
				struct emul_seg *tr)
{
	u8 vector = t->reason == EMUL_TASK_IRET ? EMUL_TS : EMUL_GP;
	unsigned int type;
	u64 d[2];

	if (!sel_error(t->selector) || (t->selector & 4))
		return emul_bad_selector(e, vector, t->selector);
	TRY(emul_seg_desc(e, t->selector, d, la, vector));
	type = desc_attr(*d) & (EMUL_SEG_S | EMUL_SEG_TYPE);
	if ((type & ~(SYS_32 | SYS_BUSY)) != SYS_TSS16 ||
	    !(type & SYS_BUSY) != (t->reason != EMUL_TASK_IRET))
		return emul_bad_selector(e, vector, t->selector);
	if (!(desc_attr(*d) & EMUL_SEG_P))
		return emul_bad_selector(e, EMUL_NP, t->selector);
	desc_to_seg(*d, t->selector, tr);
	if (tr->limit < layout_of(tr->attr)->min_limit)
		return emul_bad_selector(e, EMUL_TS, t->selector);
	*desc = *d;
	return EMUL_OK;
}

/* The old task's registers, as its TSS keeps them; answers their place and length */
static void old_state(struct emul *e, const struct tss_layout *l, bool iret, u8 *tss)
{
	u64 flags = iret ? e->rflags & ~(u64)X86_NT : e->rflags, sel;
	unsigned int i, at = l->state;

	memcpy(tss + at, &e->rip, l->width);
	memcpy(tss + at + l->width, &flags, l->width);
	for (i = 0; i < 8; i++)
		memcpy(tss + at + (2 + i) * l->width, &e->gpr[i], l->width);
	for (i = 0; i < l->nr_sregs; i++) {
		sel = emul_get_seg(e, i)->selector;
		memcpy(tss + l->sregs + i * l->width, &sel, l->width);
	}
}

static enum emul_status load_ldt(struct emul *e, u16 sel)
{
	struct emul_seg seg;
	u64 desc[2], la;

	if (!sel_error(sel)) {
		null_seg(sel, &seg);
		return emul_put_seg(e, EMUL_LDTR, &seg);
	}
	if (sel & 4)
		return emul_bad_selector(e, EMUL_TS, sel);
	TRY(emul_seg_desc(e, sel, desc, &la, EMUL_TS));
	desc_to_seg(*desc, sel, &seg);
	if ((seg.attr & (EMUL_SEG_S | EMUL_SEG_TYPE)) != SYS_LDT || !(seg.attr & EMUL_SEG_P))
		return emul_bad_selector(e, EMUL_TS, sel);
	return emul_put_seg(e, EMUL_LDTR, &seg);
}

static enum emul_status load_cs(struct emul *e, u16 sel)
{
	unsigned int rpl = sel & 3, dpl;
	struct emul_seg seg;
	u64 desc[2], la;
	u32 attr;

	if (!sel_error(sel))
		return emul_bad_selector(e, EMUL_TS, sel);
	TRY(emul_seg_desc(e, sel, desc, &la, EMUL_TS));
	attr = desc_attr(*desc);
	dpl = EMUL_SEG_DPL(attr);
	TRY(emul_accept_cs(e, sel, desc, la, conforming(attr) ? dpl <= rpl : dpl == rpl, EMUL_TS,
			   &seg));
	TRY(emul_put_seg(e, EMUL_CS, &seg));
	e->mode = emul_mode_of(e, &seg);
	return EMUL_OK;
}

/* Make the new task's segments present, in the order in which their faults have precedence */
static enum emul_status load_segments(struct emul *e, const u16 *sel, u16 ldt)
{
	static const u8 data[] = { EMUL_ES, EMUL_DS, EMUL_FS, EMUL_GS };
	struct emul_seg ss;
	unsigned int i;

	TRY(load_ldt(e, ldt));
	if (e->mode == EMUL_VM86) {
		for (i = EMUL_ES; i <= EMUL_GS; i++)
			TRY(emul_load_seg_real(e, i, sel[i]));
		return EMUL_OK;
	}
	TRY(load_cs(e, sel[EMUL_CS]));
	TRY(emul_check_ss(e, sel[EMUL_SS], e->cpl, false, EMUL_TS, &ss));
	TRY(emul_put_seg(e, EMUL_SS, &ss));
	for (i = 0; i < ARRAY_SIZE(data); i++)
		TRY(emul_load_data_seg(e, data[i], sel[data[i]], EMUL_TS));
	return EMUL_OK;
}

/* Registers of the new task; its selectors, with the hidden parts still the old ones */
static enum emul_status load_registers(struct emul *e, const struct tss_layout *l, const u8 *tss,
				       bool nested, u16 *sel)
{
	struct emul_seg seg;
	unsigned int i;

	e->rip = tss_get(tss, l->state, l->width);
	e->rflags = (tss_get(tss, l->state + l->width, l->width) & X86_LOADABLE) | X86_FIXED;
	if (nested)
		e->rflags |= X86_NT;
	for (i = 0; i < EMUL_NR_GPR; i++)
		e->gpr[i] = i < 8 ? tss_get(tss, l->state + (2 + i) * l->width, l->width) : 0;
	for (i = EMUL_ES; i <= EMUL_GS; i++) {
		sel[i] = i < l->nr_sregs ? (u16)tss_get(tss, l->sregs + i * l->width, 2) : 0;
		seg = *emul_get_seg(e, i);
		seg.selector = sel[i];
		TRY(emul_put_seg(e, i, &seg));
	}
	e->mode = e->rflags & X86_VM ? EMUL_VM86 : EMUL_PROT32;
	e->cpl = e->rflags & X86_VM ? 3 : sel[EMUL_CS] & 3;
	return EMUL_OK;
}

/* The second half: the new task is the present one */
static enum emul_status begin_task(struct emul *e, const struct emul_task *t,
				   const struct tss_layout *l, const u8 *tss)
{
	bool nested = t->reason == EMUL_TASK_CALL || t->reason == EMUL_TASK_GATE;
	u16 sel[EMUL_GS + 1];
	u64 cr0, dr7;

	emul_raise_err(e, EMUL_TS, sel_error(t->selector) | e->ext);
	TRY(emul_get_cr(e, 0, &cr0));
	TRY(e->ops->set_cr(e, 0, cr0 | CR0_TS));
	if (l == &tss32 && (cr0 & CR0_PG))
		TRY(e->ops->set_cr(e, 3, tss_get(tss, TSS32_CR3, 4)));
	TRY(load_registers(e, l, tss, nested, sel));
	e->branched = true;
	emul_checkpoint(e);

	TRY(load_segments(e, sel, (u16)tss_get(tss, l->ldt, 2)));
	if (t->has_error) {
		TRY(emul_push(e, t->error, l->width));
		TRY(emul_commit_writes(e));
	}
	if (e->ops->get_dr && e->ops->set_dr) {
		TRY(e->ops->get_dr(e, 7, &dr7));
		if (dr7 & DR7_LOCAL)
			TRY(e->ops->set_dr(e, 7, dr7 & ~(u64)DR7_LOCAL));
	}
	e->task_trap = l == &tss32 && (tss[TSS32_TRAP] & 1);
	return EMUL_OK;
}

static enum emul_status task_switch(struct emul *e, const struct emul_task *t)
{
	const struct tss_layout *l, *old_l;
	struct emul_seg old, tr;
	u8 from[TSS_MAX], to[TSS_MAX];
	u64 desc, la, old_desc[2], old_la = 0;
	bool leaves = t->reason == EMUL_TASK_JMP || t->reason == EMUL_TASK_IRET;
	unsigned int len;

	if (!e->ops->write || !e->ops->set_seg || !e->ops->set_cr || !e->ops->cmpxchg)
		return EMUL_UNHANDLEABLE;
	old = *emul_get_seg(e, EMUL_TR);
	old_l = layout_of(old.attr);
	TRY(check_gate(e, t));
	TRY(new_tss(e, t, &desc, &la, &tr));
	l = layout_of(tr.attr);
	if ((old.attr & EMUL_SEG_UNUSABLE) || old.limit < old_l->min_limit)
		return emul_bad_selector(e, EMUL_TS, old.selector);
	if (leaves)
		TRY(emul_seg_desc(e, old.selector, old_desc, &old_la, EMUL_TS));
	TRY(emul_read_la(e, tr.base, to, l->end, EMUL_ACC_SYSTEM));
	len = old_l->sregs + old_l->nr_sregs * old_l->width - old_l->state;
	if (e->ops->probe) {
		TRY(e->ops->probe(e, old.base + old_l->state, len,
				  EMUL_ACC_SYSTEM | EMUL_ACC_WRITE));
		TRY(e->ops->probe(e, tr.base, 2, EMUL_ACC_SYSTEM | EMUL_ACC_WRITE));
	}

	/* A descriptor that changes under us: nothing is done yet, the guest comes again */
	if (leaves)
		TRY(emul_mark_desc(e, old_la, old_desc, 0, SYS_BUSY));
	old_state(e, old_l, t->reason == EMUL_TASK_IRET, from);
	TRY(e->ops->write(e, old.base + old_l->state, from + old_l->state, len,
			  EMUL_ACC_SYSTEM | EMUL_ACC_WRITE));
	if (!leaves)
		TRY(e->ops->write(e, tr.base, &old.selector, 2, EMUL_ACC_SYSTEM | EMUL_ACC_WRITE));
	if (t->reason != EMUL_TASK_IRET)
		TRY(emul_mark_desc(e, la, &desc, SYS_BUSY, 0));
	tr.attr |= SYS_BUSY;
	TRY(emul_put_seg(e, EMUL_TR, &tr));
	return begin_task(e, t, l, to);
}

enum emul_status emul_task_switch(struct emul *e, const struct emul_task *t)
{
	enum emul_status st;

	if (emul_lma(e) || !(emul_is_prot(e) || e->mode == EMUL_VM86))
		return EMUL_UNHANDLEABLE;
	e->ext = t->ext;
	e->task_trap = false;
	e->branched = false;
	st = task_switch(e, t);
	e->ext = 0;
	if (st != EMUL_OK && e->branched)
		emul_rollback(e);	/* to the new task's registers as they were loaded */
	return st;
}
