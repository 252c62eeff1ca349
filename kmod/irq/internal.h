/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the interrupt controllers say to each other. The rest of the module uses
 * irq.h only.
 *
 * Every lock in here that a line or a message may meet on its way to a vCPU is a
 * raw spinlock taken with interrupts off, since lines are driven from hrtimers and
 * from eventfd wake-ups. None is held while another controller is called, but for
 * IOAPIC -> LAPIC, which takes no lock. Acknowledge notifiers run with no lock.
 */
#ifndef VMM_IRQ_INTERNAL_H
#define VMM_IRQ_INTERNAL_H

#include <linux/kvm.h>
#include "irq.h"

#define VMM_PIC_PINS		16
#define VMM_IOAPIC_PINS		KVM_IOAPIC_NUM_PINS
#define VMM_MAX_GSI		4096	/* as KVM_CAP_IRQ_ROUTING answers */
#define VMM_RTC_PIN		8
#define VMM_PIT_GSI		0

/* A message on the way to local APICs: from an ICR, an IOAPIC entry or an MSI. */
struct vmm_irq_msg {
	u32 dest;		/* APIC id, or logical destination */
	u32 mode;		/* APIC_DM_* */
	u32 shorthand;		/* 0, or APIC_DEST_{SELF,ALLINC,ALLBUT} */
	u8 vector;
	bool logical;
	bool level;		/* trigger mode */
	bool assert;		/* false: a level de-assert (INIT only) */
	bool lowest;		/* MSI redirection hint: to one of the destinations */
};

/* deliver.c */
int vmm_apic_deliver(struct vmm_vm *vm, struct vmm_lapic *source, const struct vmm_irq_msg *msg);
bool vmm_apic_match(struct vmm_vm *vm, struct vmm_lapic *target, struct vmm_lapic *source,
		    const struct vmm_irq_msg *msg);
void vmm_apic_map_rebuild(struct vmm_vm *vm);
void vmm_apic_map_free(struct vmm_vm *vm);
int vmm_apic_accept(struct vmm_lapic *lapic, const struct vmm_irq_msg *msg);

/* route.c */
struct vmm_ack_notifier {
	struct list_head link;
	u32 gsi;
	/* The guest acknowledged an interrupt of the GSI. SRCU held, no lock; may not sleep. */
	void (*acked)(struct vmm_ack_notifier *n);
};

int vmm_routing_default(struct vmm_vm *vm, bool empty);
void vmm_routing_free(struct vmm_vm *vm);
void vmm_ack_notifier_add(struct vmm_vm *vm, struct vmm_ack_notifier *n);
void vmm_ack_notifier_remove(struct vmm_vm *vm, struct vmm_ack_notifier *n);
bool vmm_notify_acked(struct vmm_vm *vm, unsigned int chip, unsigned int pin);
void vmm_notify_unmasked(struct vmm_vm *vm, unsigned int chip, unsigned int pin);
void vmm_msi_decode(struct vmm_vm *vm, u32 lo, u32 hi, u32 data, struct vmm_irq_msg *msg);
void vmm_routing_scan_eoi(struct vmm_vcpu *vcpu, unsigned long *vectors);

/* irqchip.c */
int vmm_irqchip_register(struct vmm_vm *vm, enum vmm_bus bus, u64 addr, int len,
			 struct vmm_iodev *dev);

/* pic.c */
int vmm_pic_create(struct vmm_vm *vm);
void vmm_pic_destroy(struct vmm_vm *vm);
int vmm_pic_set_irq(struct vmm_pic *pic, unsigned int pin, int source, int level);
int vmm_pic_take(struct vmm_vcpu *vcpu);
bool vmm_pic_output(struct vmm_pic *pic);
void vmm_pic_get(struct vmm_pic *pic, unsigned int chip, struct kvm_pic_state *s);
void vmm_pic_set(struct vmm_pic *pic, unsigned int chip, const struct kvm_pic_state *s);

/* ioapic.c */
int vmm_ioapic_create(struct vmm_vm *vm);
void vmm_ioapic_destroy(struct vmm_vm *vm);
int vmm_ioapic_set_irq(struct vmm_ioapic *io, unsigned int pin, int source, int level);
void vmm_ioapic_eoi(struct vmm_vcpu *vcpu, u8 vector, bool level, bool directed);
bool vmm_ioapic_wants_eoi(struct vmm_ioapic *io, u8 vector);
void vmm_ioapic_set_ack_pins(struct vmm_ioapic *io, u32 pins);
void vmm_ioapic_get(struct vmm_ioapic *io, struct kvm_ioapic_state *s);
void vmm_ioapic_set(struct vmm_ioapic *io, const struct kvm_ioapic_state *s);

/* pit.c */
void vmm_pit_destroy(struct vmm_vm *vm);
void vmm_pit_unmasked(struct vmm_pit *pit);

/* lapic.c */
bool vmm_lapic_lint0_nmi(struct vmm_vcpu *vcpu);
bool vmm_lapic_has_vector(struct vmm_vcpu *vcpu, u8 vector);

#endif /* VMM_IRQ_INTERNAL_H */
