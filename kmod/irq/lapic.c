// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: registers as xAPIC page and x2APIC MSRs, acceptance and
 * acknowledgement of interrupts, state for user space (SDM vol. 3 chapter 11).
 * The timer is in lapic_timer.c, destinations and IPIs in deliver.c.
 *
 * Locking: none, see lapic.h. "vCPU thread" below means under vcpu->mutex.
 *
 * IRR's summary: a bit of irr_words may be set while its word is empty, and is never clear
 * while the word has a bit whose setter has finished. A setter sets the vector's bit, then
 * the word's; the clearer (vCPU thread) clears them in that order, then looks again.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/mce.h>
#include "internal.h"
#include "lapic.h"
#include "trace.h"

#define LAPIC_PAGE_SIZE		4096
#define LAPIC_VERSION		0x14
#define LAPIC_SPIV_MASK		0x3ff

/* Writable bits of the LVT entries (SDM figure 11-8), from LVTT on. */
static const u32 lvt_mask[LAPIC_NR_LVT] = {
	[0] = APIC_LVT_MASKED | APIC_VECTOR_MASK | APIC_LVT_TIMER_PERIODIC,
	[1] = APIC_LVT_MASKED | APIC_VECTOR_MASK | APIC_MODE_MASK,	/* thermal */
	[2] = APIC_LVT_MASKED | APIC_VECTOR_MASK | APIC_MODE_MASK,	/* performance */
	[3] = APIC_LVT_MASKED | APIC_VECTOR_MASK | APIC_MODE_MASK |	/* LINT0 */
	      APIC_LVT_LEVEL_TRIGGER | APIC_INPUT_POLARITY,
	[4] = APIC_LVT_MASKED | APIC_VECTOR_MASK | APIC_MODE_MASK |	/* LINT1 */
	      APIC_LVT_LEVEL_TRIGGER | APIC_INPUT_POLARITY,
	[5] = APIC_LVT_MASKED | APIC_VECTOR_MASK,			/* error */
};

/* A 256-bit register array, 32 bits every 16 bytes. */
static unsigned long *array_word(struct vmm_lapic *lapic, u32 base, u8 vector)
{
	return (unsigned long *)(lapic->regs + base + (vector >> 5) * 0x10);
}

static bool array_test(struct vmm_lapic *lapic, u32 base, u8 vector)
{
	return lapic_reg(lapic, base + (vector >> 5) * 0x10) & BIT(vector & 31);
}

/* The highest vector in the words of the array that @words names, -1: none. */
static int array_highest(struct vmm_lapic *lapic, u32 base, unsigned long words)
{
	while (words) {
		int i = __fls(words);
		u32 word = lapic_reg(lapic, base + i * 0x10);

		if (word)
			return i * 32 + __fls(word);
		words &= ~BIT(i);
	}
	return -1;
}

static void irr_recheck(struct vmm_lapic *lapic, int i)
{
	smp_mb__after_atomic();
	if (lapic_reg(lapic, APIC_IRR + i * 0x10))
		set_bit(i, &lapic->irr_words);
}

static void irr_clear(struct vmm_lapic *lapic, u8 vector)
{
	clear_bit(vector & 31, array_word(lapic, APIC_IRR, vector));
	if (lapic_reg(lapic, APIC_IRR + (vector >> 5) * 0x10))
		return;
	clear_bit(vector >> 5, &lapic->irr_words);
	irr_recheck(lapic, vector >> 5);
}

static void isr_set(struct vmm_lapic *lapic, u8 vector)
{
	__set_bit(vector & 31, array_word(lapic, APIC_ISR, vector));
	__set_bit(vector >> 5, &lapic->isr_words);
	lapic->highest_isr = max_t(int, lapic->highest_isr, vector);
}

static void isr_clear(struct vmm_lapic *lapic, u8 vector)
{
	__clear_bit(vector & 31, array_word(lapic, APIC_ISR, vector));
	if (!lapic_reg(lapic, APIC_ISR + (vector >> 5) * 0x10))
		__clear_bit(vector >> 5, &lapic->isr_words);
	lapic->highest_isr = array_highest(lapic, APIC_ISR, lapic->isr_words);
}

/* The registers have been written as a whole, irr_words being 0 meanwhile. */
static void summarise(struct vmm_lapic *lapic)
{
	int i;

	lapic->isr_words = 0;
	smp_mb();
	for (i = 0; i < 8; i++) {
		irr_recheck(lapic, i);
		if (lapic_reg(lapic, APIC_ISR + i * 0x10))
			__set_bit(i, &lapic->isr_words);
	}
	lapic->highest_isr = array_highest(lapic, APIC_ISR, lapic->isr_words);
}

/**
 * lapic_highest_irr() - the highest vector that waits
 * @lapic: any context; the answer may be outdated
 *
 * Return: the vector, or -1.
 */
int lapic_highest_irr(struct vmm_lapic *lapic)
{
	return array_highest(lapic, APIC_IRR, READ_ONCE(lapic->irr_words));
}

/* SDM 11.8.3.1. */
static u32 lapic_ppr(struct vmm_lapic *lapic)
{
	u32 tpr = lapic_reg(lapic, APIC_TASKPRI) & 0xff;
	u32 isr = lapic->highest_isr >= 0 ? lapic->highest_isr & 0xf0 : 0;

	return (tpr & 0xf0) >= isr ? tpr : isr;
}

/* The vector that IRR has for the CPU now, or -1. */
static int lapic_deliverable(struct vmm_lapic *lapic)
{
	int irr = lapic_highest_irr(lapic);

	if (irr < 0 || (irr & 0xf0) <= (lapic_ppr(lapic) & 0xf0) || !lapic_enabled(lapic))
		return -1;
	return irr;
}

static bool lapic_has_cmci(const struct vmm_lapic *lapic)
{
	return lapic->vcpu->mcg_cap & MCG_CMCI_P;
}

static void lapic_set_version(struct vmm_lapic *lapic)
{
	struct vmm_vcpu *vcpu = lapic->vcpu;
	u32 version = LAPIC_VERSION | (LAPIC_NR_LVT - 1 + lapic_has_cmci(lapic)) << 16;

	/* Our own I/O APIC has no EOI register, so its EOIs must be broadcast. */
	if (vcpu->caps.x2apic && !vcpu->vm->irqchip.ioapic)
		version |= APIC_LVR_DIRECTED_EOI;
	lapic_set_reg(lapic, APIC_LVR, version);
}

/* Each of these vCPUs gets the PIT's ticks as NMIs (virtual wire, NMI mode). */
static void lapic_lvt0_changed(struct vmm_lapic *lapic)
{
	bool nmi = vmm_lapic_lint0_nmi(lapic->vcpu);

	if (nmi != lapic->nmi_watchdog) {
		lapic->nmi_watchdog = nmi;
		atomic_add(nmi ? 1 : -1, &lapic->vcpu->vm->irqchip.nmi_watchdogs);
	}
	vmm_make_request(lapic->vcpu, VMM_REQ_EVENT);
}

/* ---- acceptance ---------------------------------------------------------- */

/**
 * lapic_error() - an error was detected (SDM 11.5.3)
 * @lapic: where; any context
 * @esr_bit: APIC_ESR_*
 *
 * It shows in ESR at the guest's next write to that register. The LVT's error
 * interrupt is raised when the error is new.
 */
void lapic_error(struct vmm_lapic *lapic, u32 esr_bit)
{
	u32 lvt = lapic_reg(lapic, APIC_LVTERR);

	if (atomic_fetch_or(esr_bit, &lapic->errors) & esr_bit)
		return;
	/* Not through acceptance: an illegal vector here must not report itself. */
	if (!(lvt & APIC_LVT_MASKED) && (lvt & APIC_VECTOR_MASK) >= 16 && lapic_enabled(lapic))
		vmm_lapic_set_irq(lapic->vcpu, lvt & APIC_VECTOR_MASK, false);
}

/**
 * vmm_lapic_set_irq() - set a vector in IRR
 * @vcpu: target; any context
 * @vector: which
 * @level: trigger mode for TMR: the EOI will be broadcast to I/O APICs
 *
 * Return: 1 when the bit was clear, 0 when it was set already.
 */
int vmm_lapic_set_irq(struct vmm_vcpu *vcpu, u8 vector, bool level)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (level != array_test(lapic, APIC_TMR, vector)) {
		if (level)
			set_bit(vector & 31, array_word(lapic, APIC_TMR, vector));
		else
			clear_bit(vector & 31, array_word(lapic, APIC_TMR, vector));
	}
	/* Whoever set the bit before us also makes the request, and kicks. */
	if (test_and_set_bit(vector & 31, array_word(lapic, APIC_IRR, vector)))
		return 0;
	if (!test_bit(vector >> 5, &lapic->irr_words))
		set_bit(vector >> 5, &lapic->irr_words);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	vmm_vcpu_kick(vcpu);
	return 1;
}

/**
 * vmm_lapic_local_deliver() - deliver a local interrupt
 * @vcpu: the vCPU; any context
 * @lvt: offset of its LVT register, APIC_LVTT .. APIC_LVTERR or APIC_LVTCMCI
 *
 * Return: 1 when accepted, 0 when masked or the LAPIC is disabled.
 */
int vmm_lapic_local_deliver(struct vmm_vcpu *vcpu, int lvt)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	struct vmm_irq_msg msg = {};
	u32 reg;
	int ret;

	if (!lapic || ((lvt < APIC_LVTT || lvt > APIC_LVTERR) && lvt != APIC_LVTCMCI))
		return 0;
	reg = lapic_reg(lapic, lvt);
	if (!lapic_enabled(lapic) || (reg & APIC_LVT_MASKED))
		return 0;
	msg.vector = reg & APIC_VECTOR_MASK;
	msg.mode = lvt == APIC_LVTT || lvt == APIC_LVTERR ? APIC_DM_FIXED : reg & APIC_MODE_MASK;
	msg.level = reg & APIC_LVT_LEVEL_TRIGGER;
	msg.assert = true;
	ret = vmm_apic_accept(lapic, &msg);
	/* SDM 11.5.1: a performance interrupt masks its own entry. */
	if (ret && lvt == APIC_LVTPC)
		lapic_set_reg(lapic, APIC_LVTPC, reg | APIC_LVT_MASKED);
	return ret;
}

/**
 * vmm_lapic_has_vector() - is a vector requested or in service
 * @vcpu: any vCPU, any context; the answer may be outdated
 * @vector: which
 *
 * Return: true when its EOI is yet to come.
 */
bool vmm_lapic_has_vector(struct vmm_vcpu *vcpu, u8 vector)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	return array_test(lapic, APIC_IRR, vector) || array_test(lapic, APIC_ISR, vector);
}

/**
 * vmm_lapic_accepts_pic() - does INTR from the PIC reach the CPU
 * @vcpu: any vCPU, any context
 *
 * Return: true with LVT0 open in ExtINT mode, or with the LAPIC disabled or absent.
 */
bool vmm_lapic_accepts_pic(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic || !lapic_enabled(lapic))
		return true;
	return (lapic_reg(lapic, APIC_LVT0) & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

/**
 * vmm_lapic_lint0_nmi() - does LINT0 raise NMIs
 * @vcpu: any vCPU with a LAPIC, any context
 *
 * Return: true with LVT0 open in NMI mode.
 */
bool vmm_lapic_lint0_nmi(struct vmm_vcpu *vcpu)
{
	return (lapic_reg(vcpu->lapic, APIC_LVT0) & (APIC_LVT_MASKED | APIC_MODE_MASK)) ==
	       APIC_DM_NMI;
}

static bool extint_pending(struct vmm_vcpu *vcpu)
{
	struct vmm_pic *pic = vcpu->vm->irqchip.pic;

	return pic && vmm_pic_output(pic) && vmm_lapic_accepts_pic(vcpu);
}

/**
 * vmm_irq_pending() - is there an interrupt on the CPU's INTR
 * @vcpu: the vCPU, on its thread
 *
 * Return: true when vmm_irq_take() would give a vector now. No side effect.
 */
bool vmm_irq_pending(struct vmm_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return false;
	return lapic_deliverable(vcpu->lapic) >= 0 || extint_pending(vcpu);
}

/**
 * vmm_irq_take() - acknowledge an interrupt
 * @vcpu: the vCPU, on its thread, vm->srcu held
 *
 * An ExtINT goes first (the PIC sees INTA); else the LAPIC's vector moves from IRR
 * to ISR.
 *
 * Return: the vector, or -1 when there was none.
 */
int vmm_irq_take(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	int vector;

	if (!lapic)
		return -1;
	if (extint_pending(vcpu))
		return vmm_pic_take(vcpu);
	vector = lapic_deliverable(lapic);
	if (vector < 0)
		return -1;
	isr_set(lapic, vector);
	irr_clear(lapic, vector);
	return vector;
}

/**
 * vmm_lapic_update_cr8_intercept() - tell the backend TPR and what waits
 * @vcpu: the vCPU, on its thread, before entry and after vmm_irq_take()
 */
void vmm_lapic_update_cr8_intercept(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic || !vmm_backend.update_cr8_intercept)
		return;
	vmm_backend.update_cr8_intercept(vcpu, (lapic_reg(lapic, APIC_TASKPRI) & 0xf0) >> 4,
					 lapic_highest_irr(lapic));
}

/* ---- EOI ----------------------------------------------------------------- */

/**
 * vmm_lapic_eoi() - the guest wrote EOI (SDM 11.8.5)
 * @vcpu: the vCPU, on its thread, vm->srcu held
 */
void vmm_lapic_eoi(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	struct vmm_ioapic *ioapic = vcpu->vm->irqchip.ioapic;
	int vector;

	if (!lapic || lapic->highest_isr < 0)
		return;
	vector = lapic->highest_isr;
	trace_vmm_eoi(vcpu->id, vector);
	isr_clear(lapic, vector);
	if (READ_ONCE(lapic->irr_words) || vcpu->vapic)
		vmm_make_request(vcpu, VMM_REQ_EVENT);

	if (ioapic) {
		if (vmm_ioapic_wants_eoi(ioapic, vector))
			vmm_ioapic_eoi(vcpu, vector, array_test(lapic, APIC_TMR, vector),
				       lapic_reg(lapic, APIC_SPIV) & APIC_SPIV_DIRECTED_EOI);
	} else if (test_bit(vector, lapic->eoi_vectors)) {
		vcpu->eoi_exit_vector = vector;
	}
}

void vmm_lapic_scan_ioapic(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	bitmap_zero(lapic->eoi_vectors, 256);
	if (vcpu->vm->irqchip.mode == VMM_IRQCHIP_SPLIT)
		vmm_routing_scan_eoi(vcpu, lapic->eoi_vectors);
}

bool vmm_lapic_pv_eoi_allowed(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	struct vmm_ioapic *ioapic = vcpu->vm->irqchip.ioapic;
	u32 word;

	if (!lapic || lapic->highest_isr < 0 || READ_ONCE(lapic->irr_words))
		return false;
	/* One vector in service, no more. */
	word = lapic_reg(lapic, APIC_ISR + (lapic->highest_isr >> 5) * 0x10);
	if (!is_power_of_2(word) || !is_power_of_2(lapic->isr_words))
		return false;
	if (ioapic)
		return !vmm_ioapic_wants_eoi(ioapic, lapic->highest_isr);
	return !test_bit(lapic->highest_isr, lapic->eoi_vectors);
}

/* ---- registers ----------------------------------------------------------- */

/* Registers that exist and can be read, a bit per 16 bytes (SDM table 11-1). */
#define R(offset)	BIT_ULL((offset) >> 4)
#define R_ARRAY(offset)	(0xffull << ((offset) >> 4))
static const u64 readable =
	R(APIC_ID) | R(APIC_LVR) | R(APIC_TASKPRI) | R(APIC_PROCPRI) | R(APIC_LDR) |
	R(APIC_SPIV) | R_ARRAY(APIC_ISR) | R_ARRAY(APIC_TMR) | R_ARRAY(APIC_IRR) | R(APIC_ESR) |
	R(APIC_ICR) | R(APIC_LVTT) | R(APIC_LVTTHMR) | R(APIC_LVTPC) | R(APIC_LVT0) |
	R(APIC_LVT1) | R(APIC_LVTERR) | R(APIC_TMICT) | R(APIC_TMCCT) | R(APIC_TDCR);
static const u64 readable_xapic = R(APIC_ARBPRI) | R(APIC_DFR) | R(APIC_ICR2);
/* Known too, but write-only or without a function here: no illegal-address error. */
static const u64 silent_xapic = R(APIC_EOI) | R(0xc0) | R(APIC_LVTCMCI);

/* User space wants to know of the guest's accesses to the TPR: at the next entry, see vapic.c. */
static void report_tpr_access(struct vmm_vcpu *vcpu, bool write)
{
	if (likely(!vcpu->tpr_access.report))
		return;
	vcpu->tpr_access.rip = vmm_rip(vcpu);
	vcpu->tpr_access.write = write;
	vmm_make_request(vcpu, VMM_REQ_TPR_ACCESS);
}

static void lapic_write_tpr(struct vmm_lapic *lapic, u32 value)
{
	struct vmm_vcpu *vcpu = lapic->vcpu;

	lapic_set_reg(lapic, APIC_TASKPRI, value);
	if (READ_ONCE(lapic->irr_words) || vcpu->vapic)
		vmm_make_request(vcpu, VMM_REQ_EVENT);
}

/* 0, or 1: no such register. */
static int lapic_read(struct vmm_lapic *lapic, u32 offset, u32 *value)
{
	u64 valid = readable | (lapic_x2apic(lapic) ? 0 : readable_xapic) |
		    (lapic_has_cmci(lapic) ? R(APIC_LVTCMCI) : 0);

	if (offset >= 0x400 || !(valid & R(offset)))
		return 1;
	switch (offset) {
	case APIC_TMCCT:
		*value = lapic_timer_count(lapic);
		break;
	case APIC_TASKPRI:
		report_tpr_access(lapic->vcpu, false);
		*value = lapic_reg(lapic, offset);
		break;
	case APIC_PROCPRI:
		*value = lapic_ppr(lapic);
		break;
	case APIC_ARBPRI:
		*value = 0;
		break;
	default:
		*value = lapic_reg(lapic, offset);
	}
	return 0;
}

static void lapic_write_spiv(struct vmm_lapic *lapic, u32 value)
{
	u32 old = lapic_reg(lapic, APIC_SPIV);
	u32 mask = LAPIC_SPIV_MASK;
	int i;

	if (lapic_reg(lapic, APIC_LVR) & APIC_LVR_DIRECTED_EOI)
		mask |= APIC_SPIV_DIRECTED_EOI;
	lapic_set_reg(lapic, APIC_SPIV, value & mask);

	if (!(value & APIC_SPIV_APIC_ENABLED)) {
		/* SDM 11.4.7.2: while disabled, the LVT's mask bits are set and stay so. */
		for (i = 0; i < LAPIC_NR_LVT; i++)
			lapic_set_reg(lapic, APIC_LVTT + i * 0x10,
				      lapic_reg(lapic, APIC_LVTT + i * 0x10) | APIC_LVT_MASKED);
		if (lapic_has_cmci(lapic))
			lapic_set_reg(lapic, APIC_LVTCMCI,
				      lapic_reg(lapic, APIC_LVTCMCI) | APIC_LVT_MASKED);
		lapic_lvt0_changed(lapic);
		WRITE_ONCE(lapic->timer_fired, false);
	}
	if ((old ^ value) & APIC_SPIV_APIC_ENABLED)
		vmm_apic_map_rebuild(lapic->vcpu->vm);
}

static void lapic_write_lvt(struct vmm_lapic *lapic, u32 offset, u32 value)
{
	u32 index = array_index_nospec((offset - APIC_LVTT) >> 4, LAPIC_NR_LVT);
	u32 old = lapic_reg(lapic, offset), mask = lvt_mask[index];

	if (offset == APIC_LVTT && lapic->vcpu->caps.tsc_deadline)
		mask |= APIC_LVT_TIMER_TSCDEADLINE;
	if (!lapic_sw_enabled(lapic))
		value |= APIC_LVT_MASKED;
	lapic_set_reg(lapic, offset, value & mask);

	if (offset == APIC_LVTT)
		lapic_timer_lvt_changed(lapic, old & (3 << 17));
	else if (offset == APIC_LVT0)
		lapic_lvt0_changed(lapic);
}

/* The ID, LDR or DFR: who is addressed by what. Guests write them more often than they change. */
static void lapic_write_address(struct vmm_lapic *lapic, u32 offset, u32 value)
{
	if (lapic_reg(lapic, offset) == value)
		return;
	lapic_set_reg(lapic, offset, value);
	vmm_apic_map_rebuild(lapic->vcpu->vm);
}

/* 0, or 1: no such register, or it cannot be written (x2APIC: #GP). */
static int lapic_write(struct vmm_lapic *lapic, u32 offset, u32 value)
{
	bool x2apic = lapic_x2apic(lapic);

	switch (offset) {
	case APIC_ID:
		if (x2apic)
			return 1;
		lapic_write_address(lapic, APIC_ID, value & 0xff000000);
		return 0;
	case APIC_TASKPRI:
		report_tpr_access(lapic->vcpu, true);
		lapic_write_tpr(lapic, value & 0xff);
		return 0;
	case APIC_EOI:
		vmm_lapic_eoi(lapic->vcpu);
		return 0;
	case APIC_LDR:
		if (x2apic)
			return 1;
		lapic_write_address(lapic, APIC_LDR, value & APIC_LDR_MASK);
		return 0;
	case APIC_DFR:
		if (x2apic)
			return 1;
		lapic_write_address(lapic, APIC_DFR, value | 0x0fffffff);
		return 0;
	case APIC_SPIV:
		lapic_write_spiv(lapic, value);
		return 0;
	case APIC_ESR:
		/* A write latches what was detected since the last one. */
		if (x2apic && value)
			return 1;
		lapic_set_reg(lapic, APIC_ESR, atomic_xchg(&lapic->errors, 0));
		return 0;
	case APIC_ICR:
		value &= ~APIC_ICR_BUSY;
		lapic_set_reg(lapic, APIC_ICR, value);
		lapic_send_ipi(lapic, value, lapic_reg(lapic, APIC_ICR2) >> 24);
		return 0;
	case APIC_ICR2:
		if (x2apic)
			return 1;
		lapic_set_reg(lapic, APIC_ICR2, value & 0xff000000);
		return 0;
	case APIC_LVTT:
	case APIC_LVTTHMR:
	case APIC_LVTPC:
	case APIC_LVT0:
	case APIC_LVT1:
	case APIC_LVTERR:
		lapic_write_lvt(lapic, offset, value);
		return 0;
	case APIC_LVTCMCI:
		if (!lapic_has_cmci(lapic))
			return 1;
		value &= APIC_LVT_MASKED | APIC_VECTOR_MASK | APIC_MODE_MASK;
		if (!lapic_sw_enabled(lapic))
			value |= APIC_LVT_MASKED;
		lapic_set_reg(lapic, APIC_LVTCMCI, value);
		return 0;
	case APIC_TMICT:
		/* SDM 11.5.4.1: ignored in TSC-deadline mode. */
		if (lapic_tsc_deadline_mode(lapic))
			return 0;
		lapic_timer_stop(lapic);
		lapic_set_reg(lapic, APIC_TMICT, value);
		lapic_timer_start(lapic);
		return 0;
	case APIC_TDCR:
		lapic_timer_set_divide(lapic, value & 0xb);
		return 0;
	case LAPIC_X2APIC_SELF_IPI:
		if (!x2apic || (value & ~APIC_VECTOR_MASK))
			return 1;
		lapic_send_ipi(lapic, APIC_DEST_SELF | value, 0);
		return 0;
	default:
		return 1;
	}
}

/* ---- the xAPIC page ------------------------------------------------------ */

/*
 * With the quirk a LAPIC that is off, or in x2APIC mode, still covers its page:
 * reads give ones and writes vanish.
 */
static bool lapic_page_is_hole(struct vmm_lapic *lapic)
{
	return !lapic_enabled(lapic) || lapic_x2apic(lapic);
}

bool vmm_lapic_owns_gpa(struct vmm_vcpu *vcpu, u64 gpa)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	u64 base = vcpu->apic_base & MSR_IA32_APICBASE_BASE;

	if (!lapic || gpa < base || gpa - base >= LAPIC_PAGE_SIZE)
		return false;
	return !lapic_page_is_hole(lapic) ||
	       !(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

/**
 * vmm_lapic_mmio_read() - the guest reads the LAPIC's page
 * @vcpu: the vCPU, on its thread, vm->srcu held
 * @gpa: address; vmm_lapic_owns_gpa()
 * @len: bytes, 1..8
 * @data: where they go; zeroed
 *
 * Registers are 32 bits wide, 16 bytes apart; what lies between reads as zero.
 */
void vmm_lapic_mmio_read(struct vmm_vcpu *vcpu, u64 gpa, int len, void *data)
{
	u32 offset = gpa & (LAPIC_PAGE_SIZE - 1), value;
	struct vmm_lapic *lapic = vcpu->lapic;

	if (lapic_page_is_hole(lapic))
		memset(data, 0xff, len);
	else if ((offset & 0xf) + len > 4)
		return;
	else if (!lapic_read(lapic, offset & ~0xfu, &value))
		memcpy(data, (u8 *)&value + (offset & 0xf), len);
	else if (offset >= 0x400 || !(silent_xapic & R(offset)))
		lapic_error(lapic, APIC_ESR_ILLREGA);
}

/**
 * vmm_lapic_mmio_write() - the guest writes to the LAPIC's page
 * @vcpu: the vCPU, on its thread, vm->srcu held
 * @gpa: address; vmm_lapic_owns_gpa()
 * @len: bytes; anything but an aligned 32-bit write is ignored (SDM 11.4.1)
 * @data: the bytes
 */
void vmm_lapic_mmio_write(struct vmm_vcpu *vcpu, u64 gpa, int len, const void *data)
{
	u32 offset = gpa & (LAPIC_PAGE_SIZE - 1), value;
	struct vmm_lapic *lapic = vcpu->lapic;

	if (lapic_page_is_hole(lapic) || len != 4 || (offset & 0xf))
		return;
	memcpy(&value, data, 4);
	if (lapic_write(lapic, offset, value) &&
	    (offset >= 0x400 || !((readable | readable_xapic | silent_xapic) & R(offset))))
		lapic_error(lapic, APIC_ESR_ILLREGA);
}

/* ---- MSRs ---------------------------------------------------------------- */

static u64 read_deadline(struct vmm_lapic *lapic)
{
	if (!lapic || !lapic_enabled(lapic) || !lapic_tsc_deadline_mode(lapic))
		return 0;
	return lapic->tsc_deadline;
}

/* SDM 11.5.4.1: writes are ignored in the other timer modes. */
static void write_deadline(struct vmm_lapic *lapic, u64 data)
{
	if (!lapic || !lapic_enabled(lapic) || !lapic_tsc_deadline_mode(lapic))
		return;
	lapic_timer_stop(lapic);
	lapic->tsc_deadline = data;
	lapic_timer_start(lapic);
}

/**
 * vmm_lapic_msr_read() - read an x2APIC MSR or IA32_TSC_DEADLINE
 * @vcpu: the vCPU, on its thread
 * @msr: 800H..8FFH, or IA32_TSC_DEADLINE
 * @data: result
 *
 * Return: 0, or 1 for #GP (not in x2APIC mode, no such register: SDM table 11-6).
 */
int vmm_lapic_msr_read(struct vmm_vcpu *vcpu, u32 msr, u64 *data)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	u32 offset = (msr - APIC_BASE_MSR) << 4, value;

	*data = 0;
	if (msr == MSR_IA32_TSC_DEADLINE) {
		*data = read_deadline(lapic);
		return 0;
	}
	if (!lapic || !lapic_enabled(lapic) || !lapic_x2apic(lapic))
		return 1;
	if (lapic_read(lapic, offset, &value))
		return 1;
	*data = value;
	if (offset == APIC_ICR)
		*data |= (u64)lapic_reg(lapic, APIC_ICR2) << 32;
	return 0;
}

/* SDM figure 11-28, less the delivery status, which Intel ignores. */
#define X2APIC_ICR_RESERVED	(GENMASK_ULL(31, 20) | GENMASK_ULL(17, 16) | BIT_ULL(13))

/**
 * vmm_lapic_msr_write() - write an x2APIC MSR or IA32_TSC_DEADLINE
 * @vcpu: the vCPU, on its thread, vm->srcu held
 * @msr: 800H..8FFH, or IA32_TSC_DEADLINE
 * @data: value
 *
 * Return: 0, or 1 for #GP (also for reserved bits).
 */
int vmm_lapic_msr_write(struct vmm_vcpu *vcpu, u32 msr, u64 data)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	u32 offset = (msr - APIC_BASE_MSR) << 4;

	if (msr == MSR_IA32_TSC_DEADLINE) {
		write_deadline(lapic, data);
		return 0;
	}
	if (!lapic || !lapic_enabled(lapic) || !lapic_x2apic(lapic))
		return 1;
	if (offset == APIC_ICR) {
		if (data & X2APIC_ICR_RESERVED)
			return 1;
		data &= ~(u64)APIC_ICR_BUSY;
		lapic_set_reg(lapic, APIC_ICR, data);
		lapic_set_reg(lapic, APIC_ICR2, data >> 32);
		lapic_send_ipi(lapic, data, data >> 32);
		return 0;
	}
	if (data >> 32)
		return 1;
	return lapic_write(lapic, offset, data);
}

void vmm_lapic_set_tpr(struct vmm_vcpu *vcpu, unsigned long cr8)
{
	if (vcpu->lapic)
		lapic_write_tpr(vcpu->lapic, (cr8 & 0xf) << 4);
}

/* ---- IA32_APIC_BASE ------------------------------------------------------ */

#define BASE_MODE	(MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE)

static void lapic_base_changed(struct vmm_vcpu *vcpu, u64 old)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	u64 new = vcpu->apic_base;

	if ((old ^ new) & MSR_IA32_APICBASE_ENABLE)
		vmm_cpuid_update_runtime(vcpu);
	if (!lapic || !((old ^ new) & BASE_MODE))
		return;
	if ((new & BASE_MODE) == BASE_MODE) {
		lapic_set_reg(lapic, APIC_ID, vcpu->id);
		lapic_set_reg(lapic, APIC_LDR, lapic_x2apic_ldr(vcpu->id));
	} else if (new & MSR_IA32_APICBASE_ENABLE) {
		lapic_set_reg(lapic, APIC_ID, (u32)vcpu->id << 24);
		if (old & X2APIC_ENABLE)
			lapic_set_reg(lapic, APIC_LDR, 0);
	}
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	vmm_apic_map_rebuild(vcpu->vm);
}

/**
 * vmm_lapic_set_base() - IA32_APIC_BASE is written
 * @vcpu: the vCPU, on its thread; it may have no LAPIC
 * @value: new value
 * @host: from an ioctl: any transition between valid modes is allowed
 *
 * Return: 0, or 1 for #GP: reserved bits, x2APIC without its CPUID bit or without
 * the enable bit, or a transition that SDM figure 11-27 does not have.
 */
int vmm_lapic_set_base(struct vmm_vcpu *vcpu, u64 value, bool host)
{
	unsigned int bits = vcpu->caps.maxphyaddr ?: 36;
	u64 reserved = 0x2ff | (bits < 64 ? GENMASK_ULL(63, bits) : 0);
	u64 old = vcpu->apic_base;

	if (!vcpu->caps.x2apic)
		reserved |= X2APIC_ENABLE;
	if ((value & reserved) || (value & BASE_MODE) == X2APIC_ENABLE)
		return 1;
	if (!host) {
		if ((old & BASE_MODE) == BASE_MODE &&
		    (value & BASE_MODE) == MSR_IA32_APICBASE_ENABLE)
			return 1;
		if (!(old & BASE_MODE) && (value & X2APIC_ENABLE))
			return 1;
	}
	WRITE_ONCE(vcpu->apic_base, value);
	lapic_base_changed(vcpu, old);
	return 0;
}

/**
 * vmm_lapic_cpuid_changed() - KVM_SET_CPUID2 was done
 * @vcpu: the vCPU, on its thread; caps are up to date
 */
void vmm_lapic_cpuid_changed(struct vmm_vcpu *vcpu)
{
	if (vcpu->lapic)
		lapic_set_version(vcpu->lapic);
}

/* ---- life ---------------------------------------------------------------- */

/**
 * vmm_lapic_create() - give a vCPU its local APIC
 * @vcpu: a vCPU that is not yet visible; its VM has an irqchip
 *
 * vmm_lapic_reset() must follow.
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_lapic_create(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);

	if (lapic)
		lapic->regs = (u8 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!lapic || !lapic->regs) {
		kfree(lapic);
		return -ENOMEM;
	}
	lapic->vcpu = vcpu;
	lapic->highest_isr = -1;
	lapic_timer_init(lapic);
	vcpu->lapic = lapic;
	vcpu->tpr = (u32 *)(lapic->regs + APIC_TASKPRI);
	return 0;
}

/**
 * vmm_lapic_destroy() - free it
 * @vcpu: a vCPU that nobody can reach any more; without a LAPIC nothing happens
 */
void vmm_lapic_destroy(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	lapic_timer_stop(lapic);
	if (lapic->nmi_watchdog)
		atomic_dec(&vcpu->vm->irqchip.nmi_watchdogs);
	vcpu->lapic = NULL;
	vcpu->tpr = NULL;
	free_page((unsigned long)lapic->regs);
	kfree(lapic);
}

/**
 * vmm_lapic_reset() - power-up or INIT state (SDM 11.4.7)
 * @vcpu: the vCPU, on its thread; without a LAPIC only IA32_APIC_BASE is set
 * @init: INIT: the base, the mode and the APIC id stay
 */
void vmm_lapic_reset(struct vmm_vcpu *vcpu, bool init)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	struct vmm_vm *vm = vcpu->vm;
	int i;

	if (!init) {
		u64 base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;

		if (vcpu->id == vm->bsp_vcpu_id)
			base |= MSR_IA32_APICBASE_BSP;
		WRITE_ONCE(vcpu->apic_base, base);
	}
	if (!lapic)
		return;

	lapic_timer_stop(lapic);
	lapic->tsc_deadline = 0;
	if (!init)
		lapic_set_reg(lapic, APIC_ID, (u32)vcpu->id << 24);
	lapic_set_version(lapic);
	for (i = 0; i < LAPIC_NR_LVT; i++)
		lapic_set_reg(lapic, APIC_LVTT + i * 0x10, APIC_LVT_MASKED);
	lapic_set_reg(lapic, APIC_LVTCMCI, lapic_has_cmci(lapic) ? APIC_LVT_MASKED : 0);
	/* Without it firmware that knows no LAPIC would get no PIC interrupts. */
	if (!init && vcpu->id == vm->bsp_vcpu_id &&
	    !(vm->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		lapic_set_reg(lapic, APIC_LVT0, APIC_DM_EXTINT);
	lapic_lvt0_changed(lapic);

	lapic_set_reg(lapic, APIC_DFR, 0xffffffff);
	lapic_set_reg(lapic, APIC_SPIV, 0xff);
	lapic_set_reg(lapic, APIC_TASKPRI, 0);
	lapic_set_reg(lapic, APIC_LDR, lapic_x2apic(lapic) ? lapic_x2apic_ldr(vcpu->id) : 0);
	lapic_set_reg(lapic, APIC_ESR, 0);
	lapic_set_reg(lapic, APIC_ICR, 0);
	lapic_set_reg(lapic, APIC_ICR2, 0);
	lapic_set_reg(lapic, APIC_TDCR, 0);
	lapic_set_reg(lapic, APIC_TMICT, 0);
	WRITE_ONCE(lapic->irr_words, 0);
	for (i = 0; i < 8; i++) {
		lapic_set_reg(lapic, APIC_IRR + i * 0x10, 0);
		lapic_set_reg(lapic, APIC_ISR + i * 0x10, 0);
		lapic_set_reg(lapic, APIC_TMR + i * 0x10, 0);
	}
	summarise(lapic);
	atomic_set(&lapic->errors, 0);
	vmm_apic_map_rebuild(vm);
}

/**
 * vmm_lapic_mcg_cap_changed() - user space has set IA32_MCG_CAP
 * @vcpu: the vCPU, on its thread
 *
 * With CMCI there is an LVT entry more (SDM 11.5.1, 16.5).
 */
void vmm_lapic_mcg_cap_changed(struct vmm_vcpu *vcpu)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	u32 version;

	if (!lapic)
		return;
	version = lapic_reg(lapic, APIC_LVR);
	lapic_set_version(lapic);
	if (lapic_reg(lapic, APIC_LVR) != version)
		lapic_set_reg(lapic, APIC_LVTCMCI, lapic_has_cmci(lapic) ? APIC_LVT_MASKED : 0);
}

/**
 * vmm_lapic_get() - KVM_GET_LAPIC
 * @vcpu: the vCPU, on its thread
 * @s: filled whole. In x2APIC mode the ID is an xAPIC's (bits 31:24) unless user
 *     space enabled the 32-bit format (KVM_CAP_X2APIC_API)
 *
 * Return: 0, or -EINVAL without a LAPIC.
 */
int vmm_lapic_get(struct vmm_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	u32 *regs = (u32 *)s->regs;

	if (!lapic)
		return -EINVAL;
	memcpy(s->regs, lapic->regs, sizeof(s->regs));
	regs[APIC_TMCCT / 4] = lapic_timer_count(lapic);
	regs[APIC_PROCPRI / 4] = lapic_ppr(lapic);
	if (lapic_x2apic(lapic) && !vcpu->vm->irqchip.x2apic_format)
		regs[APIC_ID / 4] = (u32)vcpu->id << 24;
	return 0;
}

/**
 * vmm_lapic_set() - KVM_SET_LAPIC
 * @vcpu: the vCPU, on its thread
 * @s: registers; a running timer goes on from TMCCT
 *
 * Return: 0, or -EINVAL: no LAPIC, or an x2APIC id that is not this vCPU's.
 */
int vmm_lapic_set(struct vmm_vcpu *vcpu, const struct kvm_lapic_state *s)
{
	struct vmm_lapic *lapic = vcpu->lapic;
	const u32 *regs = (const u32 *)s->regs;
	u32 offset;

	if (!lapic)
		return -EINVAL;
	if (lapic_x2apic(lapic) && vcpu->vm->irqchip.x2apic_format &&
	    regs[APIC_ID / 4] != vcpu->id)
		return -EINVAL;

	lapic_timer_stop(lapic);
	/* Word by word: other threads read, and set IRR bits, meanwhile. */
	WRITE_ONCE(lapic->irr_words, 0);
	for (offset = 0; offset < sizeof(s->regs); offset += 4)
		lapic_set_reg(lapic, offset, regs[offset / 4]);
	summarise(lapic);
	if (lapic_x2apic(lapic)) {
		lapic_set_reg(lapic, APIC_ID, vcpu->id);
		lapic_set_reg(lapic, APIC_LDR, lapic_x2apic_ldr(vcpu->id));
	}
	lapic_set_version(lapic);
	lapic_lvt0_changed(lapic);
	lapic_timer_resume(lapic, regs[APIC_TMCCT / 4]);
	lapic_set_reg(lapic, APIC_TMCCT, 0);
	vmm_make_request(vcpu, VMM_REQ_EVENT);
	vmm_make_request(vcpu, VMM_REQ_SCAN_IOAPIC);
	vmm_apic_map_rebuild(vcpu->vm);
	return 0;
}
