/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A local APIC's state, shared by lapic.c, lapic_timer.c and deliver.c.
 *
 * No lock. IRR and TMR are set from any context with atomic bit operations;
 * everything else is written by the vCPU thread alone, and what other threads read
 * to find a destination (base, ID, LDR, DFR, SVR, LVT0) they read once, racily: an
 * interrupt sent while its target changes its address may use either one.
 */
#ifndef VMM_LAPIC_H
#define VMM_LAPIC_H

#include <linux/bitmap.h>
#include <linux/hrtimer.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>
#include "vmm.h"

#define LAPIC_NR_LVT		6
#define LAPIC_X2APIC_SELF_IPI	0x3f0
#define LAPIC_EVENT_INIT	0
#define LAPIC_EVENT_SIPI	1

struct vmm_lapic {
	struct vmm_vcpu *vcpu;		/* [i] */
	u8 *regs;			/* [i] a page; layout of SDM table 11-1 */
	unsigned long irr_words;	/* [a] bit clear: this word of IRR is empty for certain */
	unsigned long isr_words;	/* [v] words of ISR that are not empty */
	int highest_isr;		/* [v] -1: none */
	atomic_t errors;		/* ESR bits not yet latched by a write to ESR */
	unsigned long events;		/* [a] LAPIC_EVENT_* */
	bool nmi_watchdog;		/* [v] counted in irqchip.nmi_watchdogs */
	struct vmm_gpa_cache vapic;	/* [v] vapic.c: valid when vcpu->vapic is set */
	DECLARE_BITMAP(eoi_vectors, 256);	/* [v] EOIs that a split IOAPIC waits for */

	/* lapic_timer.c */
	struct hrtimer timer;
	bool timer_fired;		/* [a] expired, not yet delivered */
	bool periodic;			/* written while the hrtimer is stopped */
	u64 period;			/* ns; likewise */
	ktime_t first;			/* [v] the (first) expiry */
	bool in_guest;			/* [v] the hardware keeps it, not the hrtimer */
	bool armed;			/* [v] first and period mean something */
	u64 tsc_deadline;		/* [v] guest TSC; 0: disarmed */
};

static inline u32 lapic_reg(const struct vmm_lapic *lapic, u32 offset)
{
	return READ_ONCE(*(u32 *)(lapic->regs + offset));
}

static inline void lapic_set_reg(struct vmm_lapic *lapic, u32 offset, u32 value)
{
	WRITE_ONCE(*(u32 *)(lapic->regs + offset), value);
}

static inline bool lapic_enabled(const struct vmm_lapic *lapic)
{
	return READ_ONCE(lapic->vcpu->apic_base) & MSR_IA32_APICBASE_ENABLE;
}

static inline bool lapic_sw_enabled(const struct vmm_lapic *lapic)
{
	return lapic_reg(lapic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

static inline bool lapic_x2apic(const struct vmm_lapic *lapic)
{
	return READ_ONCE(lapic->vcpu->apic_base) & X2APIC_ENABLE;
}

/* The current APIC id, wherever the mode keeps it. */
static inline u32 lapic_id(const struct vmm_lapic *lapic)
{
	return lapic_x2apic(lapic) ? lapic->vcpu->id : lapic_reg(lapic, APIC_ID) >> 24;
}

/* Logical id in x2APIC mode, fixed by the APIC id (SDM 11.12.10.2). */
static inline u32 lapic_x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

static inline u32 lapic_timer_mode(const struct vmm_lapic *lapic)
{
	return lapic_reg(lapic, APIC_LVTT) & (3 << 17);
}

static inline bool lapic_tsc_deadline_mode(const struct vmm_lapic *lapic)
{
	return lapic_timer_mode(lapic) == APIC_LVT_TIMER_TSCDEADLINE;
}

/* lapic.c */
int lapic_highest_irr(struct vmm_lapic *lapic);
void lapic_error(struct vmm_lapic *lapic, u32 esr_bit);

/* deliver.c */
void lapic_send_ipi(struct vmm_lapic *lapic, u32 icr, u32 dest);

/* lapic_timer.c */
void lapic_timer_init(struct vmm_lapic *lapic);
void lapic_timer_stop(struct vmm_lapic *lapic);
void lapic_timer_start(struct vmm_lapic *lapic);
void lapic_timer_resume(struct vmm_lapic *lapic, u32 count);
void lapic_timer_lvt_changed(struct vmm_lapic *lapic, u32 old_mode);
void lapic_timer_set_divide(struct vmm_lapic *lapic, u32 tdcr);
u32 lapic_timer_count(struct vmm_lapic *lapic);

#endif /* VMM_LAPIC_H */
