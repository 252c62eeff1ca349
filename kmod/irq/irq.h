/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt controllers and the buses that in-module devices sit on.
 */
#ifndef VMM_IRQ_H
#define VMM_IRQ_H

#include <linux/types.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/atomic.h>

struct vmm_vm;
struct vmm_vcpu;
struct vmm_msr;
struct vmm_lapic;		/* lapic.c */
struct vmm_ioapic;		/* ioapic.c */
struct vmm_pic;			/* pic.c */
struct vmm_pit;			/* pit.c */
struct vmm_routing;		/* route.c */
struct kvm_lapic_state;
struct kvm_irqchip;
struct kvm_pit_state2;
struct kvm_msi;
struct kvm_coalesced_mmio_zone;

#define VMM_MAX_IRQ_ROUTES	4096

enum vmm_irqchip_mode { VMM_IRQCHIP_NONE, VMM_IRQCHIP_SPLIT, VMM_IRQCHIP_FULL };

struct vmm_irqchip {
	enum vmm_irqchip_mode mode;		/* written once under vm->lock; release/acquire */
	struct vmm_pic *pic;
	struct vmm_ioapic *ioapic;
	struct vmm_pit *pit;
	struct vmm_routing __rcu *routing;	/* vm->irq_srcu */
	struct vmm_apic_map __rcu *apic_map;	/* RCU: APIC id / logical id -> vCPU */
	struct mutex apic_map_lock;		/* rebuilding of the map; leaf */
	u32 split_pins;				/* KVM_CAP_SPLIT_IRQCHIP's argument */
	bool x2apic_format, disable_broadcast_quirk;	/* KVM_CAP_X2APIC_API */
	struct list_head irqfds;		/* eventfd.c, under irqfds_lock */
	spinlock_t irqfds_lock;			/* taken with interrupts off */
	unsigned int nr_irqfds;			/* likewise */
	struct list_head resamplers;		/* eventfd.c, under vm->irq_lock */
	struct list_head ioeventfds;		/* eventfd.c, under vm->slots_lock */
	struct list_head ack_notifiers;		/* route.c: irq_srcu, written under vm->irq_lock */
	atomic_t nmi_watchdogs;			/* LAPICs whose LVT0 is in NMI mode */
};

/* Coalesced MMIO and port I/O: coalesced.c. */
struct vmm_coalesced {
	struct page *page;		/* [i] the ring user space maps */
	spinlock_t lock;		/* who writes to the ring */
	struct list_head zones;		/* vm->slots_lock */
};

/*
 * Who drives a line: each source has its own level, and a pin sees their OR.
 * VMM_IRQ_LINE_STATUS may be ORed in: the caller wants to know of lost ticks of
 * the RTC (KVM_IRQ_LINE_STATUS; KVM_IRQ_LINE does not set it).
 */
#define VMM_IRQ_SOURCE_USER	0	/* KVM_IRQ_LINE, irqfd */
#define VMM_IRQ_SOURCE_RESAMPLE	1	/* irqfd with a resamplefd */
#define VMM_IRQ_SOURCE_PIT	2
#define VMM_IRQ_LINE_STATUS	0x100

/* ---- buses (bus.c) ------------------------------------------------------- */

enum vmm_bus { VMM_BUS_PIO, VMM_BUS_MMIO, VMM_BUS_FAST_MMIO, VMM_NR_BUSES };

struct vmm_iodev;
struct vmm_iodev_ops {
	/*
	 * 0 handled, -EOPNOTSUPP not mine (try the next). data: little endian, len 1..8; zero
	 * where a read leaves it.
	 */
	int (*read)(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len, void *data);
	int (*write)(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len, const void *data);
	void (*destroy)(struct vmm_iodev *dev);
	bool may_wait;	/* not to be called with interrupts off */
};

struct vmm_iodev {
	const struct vmm_iodev_ops *ops;
};

/* vm->slots_lock held; waits for SRCU readers of the old bus. */
int vmm_bus_add(struct vmm_vm *vm, enum vmm_bus bus, u64 addr, u32 len, struct vmm_iodev *dev);
void vmm_bus_remove(struct vmm_vm *vm, enum vmm_bus bus, struct vmm_iodev *dev);
void vmm_bus_destroy(struct vmm_vm *vm);
/*
 * SRCU held. 0; -EOPNOTSUPP: nobody there, go to user space; -EAGAIN: not with interrupts off.
 * LAPIC's page is tried first on MMIO.
 */
int vmm_bus_read(struct vmm_vcpu *vcpu, enum vmm_bus bus, u64 addr, int len, void *data);
int vmm_bus_write(struct vmm_vcpu *vcpu, enum vmm_bus bus, u64 addr, int len, const void *data);

/* ---- coalesced writes (coalesced.c) -------------------------------------- */

int vmm_coalesced_init(struct vmm_vm *vm);
void vmm_coalesced_free(struct vmm_vm *vm);
int vmm_coalesced_register(struct vmm_vm *vm, const struct kvm_coalesced_mmio_zone *arg);
int vmm_coalesced_unregister(struct vmm_vm *vm, const struct kvm_coalesced_mmio_zone *arg);

/* ---- VM-wide (irqchip.c) ------------------------------------------------- */

void vmm_irqchip_init(struct vmm_vm *vm);	/* at VM creation: nothing exists yet */
int vmm_irqchip_create(struct vmm_vm *vm);	/* KVM_CREATE_IRQCHIP: vm->lock held; -EEXIST, -EINVAL after vCPUs */
int vmm_irqchip_split(struct vmm_vm *vm, u32 pins);	/* KVM_CAP_SPLIT_IRQCHIP */
/*
 * VM destruction calls vmm_eventfd_destroy(), vmm_bus_destroy() and
 * vmm_irqchip_destroy() in this order, all before any vCPU is freed.
 */
void vmm_irqchip_destroy(struct vmm_vm *vm);
int vmm_irqchip_get(struct vmm_vm *vm, struct kvm_irqchip *chip);	/* -EINVAL, -ENXIO */
int vmm_irqchip_set(struct vmm_vm *vm, const struct kvm_irqchip *chip);
int vmm_pit_create(struct vmm_vm *vm, u32 flags);	/* KVM_CREATE_PIT(2) */
int vmm_pit_get(struct vmm_vm *vm, struct kvm_pit_state2 *s);
int vmm_pit_set(struct vmm_vm *vm, const struct kvm_pit_state2 *s);
int vmm_pit_reinject(struct vmm_vm *vm, bool reinject);

static inline bool vmm_irqchip_in_module(const struct vmm_irqchip *c)
{
	return smp_load_acquire(&c->mode) != VMM_IRQCHIP_NONE;
}

/* ---- lines and messages (route.c) ---------------------------------------- */

/*
 * Drive a GSI through the routing. Any context that may hold SRCU; level sources
 * are ORed per source id. Returns vCPUs reached (0 coalesced, <0 nobody/masked) as
 * KVM_IRQ_LINE_STATUS reports.
 */
int vmm_set_irq(struct vmm_vm *vm, int source, u32 gsi, int level);
int vmm_send_msi(struct vmm_vm *vm, const struct kvm_msi *msi);
int vmm_set_routing(struct vmm_vm *vm, const struct kvm_irq_routing_entry *entries, unsigned int nr, u32 flags);

/* ---- irqfd and ioeventfd (eventfd.c) -------------------------------------- */
int vmm_irqfd(struct vmm_vm *vm, const struct kvm_irqfd *args);
int vmm_ioeventfd(struct vmm_vm *vm, const struct kvm_ioeventfd *args);
void vmm_eventfd_destroy(struct vmm_vm *vm);
int vmm_eventfd_module_init(void);
void vmm_eventfd_module_exit(void);

/* ---- per vCPU (lapic.c and the PIC) --------------------------------------- */

int vmm_lapic_create(struct vmm_vcpu *vcpu);	/* when the VM has an irqchip */
void vmm_lapic_destroy(struct vmm_vcpu *vcpu);
void vmm_lapic_reset(struct vmm_vcpu *vcpu, bool init);
int vmm_lapic_get(struct vmm_vcpu *vcpu, struct kvm_lapic_state *s);
int vmm_lapic_set(struct vmm_vcpu *vcpu, const struct kvm_lapic_state *s);
int vmm_lapic_set_base(struct vmm_vcpu *vcpu, u64 value, bool host);	/* IA32_APIC_BASE; 1: #GP */
void vmm_lapic_cpuid_changed(struct vmm_vcpu *vcpu);
/* The page, in xAPIC mode: read and write what vmm_lapic_owns_gpa() says is the LAPIC's. */
void vmm_lapic_mmio_read(struct vmm_vcpu *vcpu, u64 gpa, int len, void *data);
void vmm_lapic_mmio_write(struct vmm_vcpu *vcpu, u64 gpa, int len, const void *data);
bool vmm_lapic_owns_gpa(struct vmm_vcpu *vcpu, u64 gpa);
bool vmm_lapic_write_waits(struct vmm_vcpu *vcpu, u32 offset);	/* not with interrupts off */
/* x2APIC MSRs 800H..8FFH and IA32_TSC_DEADLINE: 0, or 1 for #GP. */
int vmm_lapic_msr_read(struct vmm_vcpu *vcpu, u32 msr, u64 *data);
int vmm_lapic_msr_write(struct vmm_vcpu *vcpu, u32 msr, u64 data);
void vmm_lapic_set_tpr(struct vmm_vcpu *vcpu, unsigned long cr8);
int vmm_lapic_local_deliver(struct vmm_vcpu *vcpu, int lvt);
void vmm_lapic_mcg_cap_changed(struct vmm_vcpu *vcpu);	/* there is an LVT entry for CMCI, or not */
void vmm_lapic_eoi(struct vmm_vcpu *vcpu);		/* PV EOI: as a write to the EOI register */

/* Set a vector in IRR; any context. 1 new, 0 it was already set. Kicks the target. */
int vmm_lapic_set_irq(struct vmm_vcpu *vcpu, u8 vector, bool level);

/*
 * What the CPU's INTR pin carries: a vector that PPR lets through (LAPIC), or an
 * ExtINT from the PIC. pending: no side effect. take: acknowledges (IRR to ISR, or
 * PIC INTA). Vector, or -1.
 */
bool vmm_irq_pending(struct vmm_vcpu *vcpu);
int vmm_irq_take(struct vmm_vcpu *vcpu);
/* Tell the backend about TPR and the highest waiting vector; before entry. */
void vmm_lapic_update_cr8_intercept(struct vmm_vcpu *vcpu);
/* VMM_REQ_TIMER: move an expired timer's interrupt into IRR. vCPU thread. */
void vmm_lapic_timer_expired(struct vmm_vcpu *vcpu);
void vmm_lapic_timer_exit(struct vmm_vcpu *vcpu);
void vmm_lapic_timer_to_host(struct vmm_vcpu *vcpu);
bool vmm_lapic_timer_pending(struct vmm_vcpu *vcpu);
/* INIT and SIPI, if any (SDM 9.4.4.1); they come with VMM_REQ_EVENT. Changes mp_state. */
void vmm_lapic_accept_events(struct vmm_vcpu *vcpu);
void vmm_lapic_post_sipi(struct vmm_vcpu *vcpu);	/* as if a SIPI with vcpu->sipi_vector arrived */
bool vmm_lapic_events_pending(struct vmm_vcpu *vcpu);
/* The vCPU moves to another host CPU: its hrtimer follows. */
void vmm_lapic_migrate_timer(struct vmm_vcpu *vcpu);
/* A TPR shared with the guest (vapic.c); around entries when vcpu->vapic is set. */
void vmm_vapic_sync_from(struct vmm_vcpu *vcpu);
void vmm_vapic_sync_to(struct vmm_vcpu *vcpu);
bool vmm_lapic_accepts_pic(struct vmm_vcpu *vcpu);	/* LVT0 in ExtINT mode; LAPIC off, or none */
/* VMM_REQ_SCAN_IOAPIC (split irqchip): which EOIs user space wants; SRCU held. */
void vmm_lapic_scan_ioapic(struct vmm_vcpu *vcpu);
/* PV EOI may be offered: one interrupt in service whose EOI no IOAPIC waits for, none waiting. */
bool vmm_lapic_pv_eoi_allowed(struct vmm_vcpu *vcpu);
/* By current APIC id (KVM_HC_KICK_CPU and friends), any context; NULL: nobody. */
struct vmm_vcpu *vmm_vcpu_by_apic_id(struct vmm_vm *vm, u32 apic_id);
bool vmm_apic_interrupt(struct vmm_vcpu *vcpu, u8 vector);
int vmm_apic_send_bitmap(struct vmm_vm *vm, const u64 bitmap[2], unsigned int width, u32 first,
			 u32 icr);	/* KVM_HC_SEND_IPI */

#endif /* VMM_IRQ_H */
