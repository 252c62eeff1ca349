// SPDX-License-Identifier: GPL-2.0-only
/*
 * GSI routing: from a line or an MSI to a controller's pin or the LAPICs, and back
 * from a pin that was acknowledged to those who wait for it.
 *
 * Locking: the table and the list of acknowledge notifiers are read under vm->irq_srcu
 * (taken here, so any context will do) and written under vm->irq_lock.
 */
#include <linux/slab.h>
#include <linux/rculist.h>
#include <asm/apicdef.h>
#include "internal.h"
#include "lapic.h"
#include "trace.h"

#define NR_CHIPS	3
#define CHIP_PINS	24

struct route {
	u32 gsi;
	u32 type;			/* KVM_IRQ_ROUTING_{IRQCHIP,MSI} */
	union {
		struct {
			u8 chip, pin;	/* pin counts from the chip's own 0 */
		};
		struct {
			u32 lo, hi, data;
		} msi;
	};
};

/* Immutable once published. */
struct vmm_routing {
	u32 nr_gsi;
	s16 gsi_of[NR_CHIPS][CHIP_PINS];	/* -1: none */
	u16 *first;				/* nr_gsi + 1 indices into route[] */
	unsigned int nr;
	struct route route[];			/* by gsi */
};

static void routing_free(struct vmm_routing *r)
{
	if (r)
		kvfree(r->first);
	kvfree(r);
}

/* -EINVAL for anything a pin or an LAPIC could not take. */
static int route_parse(struct vmm_vm *vm, const struct kvm_irq_routing_entry *e, struct route *r)
{
	if (e->gsi >= VMM_MAX_GSI)
		return -EINVAL;
	r->gsi = e->gsi;
	r->type = e->type;
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		if (e->flags || vm->irqchip.mode == VMM_IRQCHIP_SPLIT)
			return -EINVAL;
		if (e->u.irqchip.irqchip >= NR_CHIPS)
			return -EINVAL;
		if (e->u.irqchip.pin >= (e->u.irqchip.irqchip == KVM_IRQCHIP_IOAPIC ?
					 VMM_IOAPIC_PINS : VMM_PIC_PINS / 2))
			return -EINVAL;
		r->chip = e->u.irqchip.irqchip;
		r->pin = e->u.irqchip.pin;
		return 0;
	case KVM_IRQ_ROUTING_MSI:
		if (e->flags & ~KVM_MSI_VALID_DEVID)
			return -EINVAL;
		if (vm->irqchip.x2apic_format && (e->u.msi.address_hi & 0xff))
			return -EINVAL;
		r->msi.lo = e->u.msi.address_lo;
		r->msi.hi = e->u.msi.address_hi;
		r->msi.data = e->u.msi.data;
		return 0;
	default:
		return -EINVAL;
	}
}

/* A GSI leads to one MSI, or to at most one pin of each chip. */
static bool route_conflicts(const struct vmm_routing *r, unsigned int first, unsigned int n,
			    const struct route *new)
{
	unsigned int i;

	for (i = first; i < first + n; i++)
		if (r->route[i].type != KVM_IRQ_ROUTING_IRQCHIP ||
		    new->type != KVM_IRQ_ROUTING_IRQCHIP || r->route[i].chip == new->chip)
			return true;
	return false;
}

static struct vmm_routing *routing_build(struct vmm_vm *vm,
					 const struct kvm_irq_routing_entry *entries,
					 unsigned int nr)
{
	struct vmm_routing *r;
	unsigned int i, gsi;
	u16 *fill = NULL;
	int ret = -ENOMEM;

	r = kvzalloc(struct_size(r, route, nr), GFP_KERNEL_ACCOUNT);
	if (!r)
		return ERR_PTR(-ENOMEM);
	memset(r->gsi_of, 0xff, sizeof(r->gsi_of));
	for (i = 0; i < nr; i++) {
		if (entries[i].gsi >= VMM_MAX_GSI) {
			ret = -EINVAL;
			goto fail;
		}
		r->nr_gsi = max(r->nr_gsi, entries[i].gsi + 1);
	}
	r->first = kvcalloc(r->nr_gsi + 1, sizeof(*r->first), GFP_KERNEL_ACCOUNT);
	fill = kvcalloc(r->nr_gsi + 1, sizeof(*fill), GFP_KERNEL_ACCOUNT);
	if (!r->first || !fill)
		goto fail;

	/* Counting sort by GSI, user space's order kept. */
	for (i = 0; i < nr; i++)
		r->first[entries[i].gsi + 1]++;
	for (gsi = 0; gsi < r->nr_gsi; gsi++)
		r->first[gsi + 1] += r->first[gsi];
	for (i = 0; i < nr; i++) {
		struct route route = {};

		ret = route_parse(vm, &entries[i], &route);
		if (ret)
			goto fail;
		gsi = route.gsi;
		ret = -EINVAL;
		if (route_conflicts(r, r->first[gsi], fill[gsi], &route))
			goto fail;
		r->route[r->first[gsi] + fill[gsi]++] = route;
		if (route.type == KVM_IRQ_ROUTING_IRQCHIP)
			r->gsi_of[route.chip][route.pin] = gsi;
	}
	r->nr = nr;
	kvfree(fill);
	return r;
fail:
	kvfree(fill);
	routing_free(r);
	return ERR_PTR(ret);
}

/* Pins of the IOAPIC whose acknowledgement somebody waits for. irq_lock held. */
static void update_ack_pins(struct vmm_vm *vm)
{
	struct vmm_irqchip *chip = &vm->irqchip;
	struct vmm_routing *r = rcu_dereference_protected(chip->routing,
							  lockdep_is_held(&vm->irq_lock));
	struct vmm_ack_notifier *n;
	unsigned int pin;
	u32 pins = 0;

	if (!chip->ioapic || !r)
		return;
	for (pin = 0; pin < VMM_IOAPIC_PINS; pin++)
		list_for_each_entry(n, &chip->ack_notifiers, link)
			if (r->gsi_of[KVM_IRQCHIP_IOAPIC][pin] == (s32)n->gsi)
				pins |= BIT(pin);
	vmm_ioapic_set_ack_pins(chip->ioapic, pins);
}

static void routing_publish(struct vmm_vm *vm, struct vmm_routing *new)
{
	struct vmm_routing *old;

	mutex_lock(&vm->irq_lock);
	old = rcu_dereference_protected(vm->irqchip.routing, lockdep_is_held(&vm->irq_lock));
	rcu_assign_pointer(vm->irqchip.routing, new);
	update_ack_pins(vm);
	mutex_unlock(&vm->irq_lock);
	if (old) {
		synchronize_srcu_expedited(&vm->irq_srcu);
		routing_free(old);
	}
}

/**
 * vmm_set_routing() - KVM_SET_GSI_ROUTING
 * @vm: the VM
 * @entries: the whole table
 * @nr: its length
 * @flags: must be 0
 *
 * May sleep; neither vm->irq_lock nor vm->irq_srcu is held.
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int vmm_set_routing(struct vmm_vm *vm, const struct kvm_irq_routing_entry *entries,
		    unsigned int nr, u32 flags)
{
	struct vmm_routing *new;

	if (flags || nr > VMM_MAX_GSI || !vmm_irqchip_in_module(&vm->irqchip))
		return -EINVAL;
	new = routing_build(vm, entries, nr);
	if (IS_ERR(new))
		return PTR_ERR(new);
	routing_publish(vm, new);
	if (vm->irqchip.mode == VMM_IRQCHIP_SPLIT)
		vmm_request_all(vm, VMM_REQ_SCAN_IOAPIC);
	return 0;
}

/**
 * vmm_routing_default() - the table a new irqchip starts with
 * @vm: the VM
 * @empty: split irqchip: nothing; else GSI n leads to IOAPIC pin n, and below 16 to
 *	PIC pin n as well
 *
 * Return: 0 or -ENOMEM.
 */
int vmm_routing_default(struct vmm_vm *vm, bool empty)
{
	struct kvm_irq_routing_entry *e;
	struct vmm_routing *new;
	unsigned int gsi, nr = 0;

	e = kcalloc(VMM_IOAPIC_PINS + VMM_PIC_PINS, sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e)
		return -ENOMEM;
	for (gsi = 0; !empty && gsi < VMM_IOAPIC_PINS; gsi++) {
		e[nr].gsi = gsi;
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		e[nr++].u.irqchip.pin = gsi;
		if (gsi >= VMM_PIC_PINS)
			continue;
		e[nr].gsi = gsi;
		e[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[nr].u.irqchip.irqchip = gsi < 8 ? KVM_IRQCHIP_PIC_MASTER :
						    KVM_IRQCHIP_PIC_SLAVE;
		e[nr++].u.irqchip.pin = gsi & 7;
	}
	new = routing_build(vm, e, nr);
	kfree(e);
	if (IS_ERR(new))
		return PTR_ERR(new);
	routing_publish(vm, new);
	return 0;
}

void vmm_routing_free(struct vmm_vm *vm)
{
	routing_free(rcu_dereference_protected(vm->irqchip.routing, true));
	RCU_INIT_POINTER(vm->irqchip.routing, NULL);
}

/**
 * vmm_msi_decode() - what an MSI's address and data say (SDM 11.11)
 * @vm: the VM: KVM_CAP_X2APIC_API gives bits 31:8 of @hi a meaning
 * @lo: address, low
 * @hi: address, high
 * @data: data
 * @msg: the result
 */
void vmm_msi_decode(struct vmm_vm *vm, u32 lo, u32 hi, u32 data, struct vmm_irq_msg *msg)
{
	*msg = (struct vmm_irq_msg){
		.dest = (lo >> 12) & 0xff,
		.mode = data & APIC_DM_FIXED_MASK,
		.vector = data & APIC_VECTOR_MASK,
		.logical = lo & BIT(2),
		.lowest = lo & BIT(3),
		.level = data & BIT(15),
		.assert = true,
	};
	if (vm->irqchip.x2apic_format)
		msg->dest |= hi & 0xffffff00;
}

static int msi_deliver(struct vmm_vm *vm, u32 lo, u32 hi, u32 data)
{
	struct vmm_irq_msg msg;

	if (vm->irqchip.x2apic_format && (hi & 0xff))
		return -EINVAL;
	vmm_msi_decode(vm, lo, hi, data, &msg);
	return vmm_apic_deliver(vm, NULL, &msg);
}

/**
 * vmm_send_msi() - KVM_SIGNAL_MSI
 * @vm: the VM; any context
 * @msi: address and data; no flag is known
 *
 * Return: LAPICs reached, 0 or -1: none, -EINVAL.
 */
int vmm_send_msi(struct vmm_vm *vm, const struct kvm_msi *msi)
{
	if (!vmm_irqchip_in_module(&vm->irqchip) || (msi->flags & ~KVM_MSI_VALID_DEVID))
		return -EINVAL;
	return msi_deliver(vm, msi->address_lo, msi->address_hi, msi->data);
}

static int route_deliver(struct vmm_vm *vm, const struct route *r, int source, int level)
{
	struct vmm_irqchip *chip = &vm->irqchip;

	if (r->type == KVM_IRQ_ROUTING_MSI)
		return level ? msi_deliver(vm, r->msi.lo, r->msi.hi, r->msi.data) : -1;
	if (r->chip == KVM_IRQCHIP_IOAPIC)
		return chip->ioapic ? vmm_ioapic_set_irq(chip->ioapic, r->pin, source, level) : -1;
	return chip->pic ? vmm_pic_set_irq(chip->pic, r->pin + r->chip * 8, source, level) : -1;
}

/**
 * vmm_set_irq() - drive a GSI
 * @vm: the VM; any context
 * @source: VMM_IRQ_SOURCE_*, possibly with VMM_IRQ_LINE_STATUS
 * @gsi: which
 * @level: 1 or 0; an MSI is sent at 1
 *
 * Return: LAPICs reached; 0: coalesced with an interrupt not yet acknowledged; <0:
 * masked, or it leads nowhere.
 */
int vmm_set_irq(struct vmm_vm *vm, int source, u32 gsi, int level)
{
	struct vmm_routing *r;
	int ret = -1, idx, one;
	unsigned int i;

	trace_vmm_set_irq(gsi, level, source);
	idx = srcu_read_lock(&vm->irq_srcu);
	r = srcu_dereference(vm->irqchip.routing, &vm->irq_srcu);
	if (r && gsi < r->nr_gsi) {
		gsi = array_index_nospec(gsi, r->nr_gsi);
		for (i = r->first[gsi]; i < r->first[gsi + 1]; i++) {
			one = route_deliver(vm, &r->route[i], source, level);
			if (one >= 0)
				ret = max(ret, 0) + one;
		}
	}
	srcu_read_unlock(&vm->irq_srcu, idx);
	return ret;
}

/* ---- back from the pins -------------------------------------------------- */

/**
 * vmm_ack_notifier_add() - hear of acknowledgements of a GSI
 * @vm: the VM; vm->irq_lock is held
 * @n: gsi and acked are set
 */
void vmm_ack_notifier_add(struct vmm_vm *vm, struct vmm_ack_notifier *n)
{
	list_add_tail_rcu(&n->link, &vm->irqchip.ack_notifiers);
	update_ack_pins(vm);
}

/**
 * vmm_ack_notifier_remove() - stop hearing
 * @vm: the VM; vm->irq_lock is held, vm->irq_srcu is not
 * @n: when this returns nobody calls it any more
 */
void vmm_ack_notifier_remove(struct vmm_vm *vm, struct vmm_ack_notifier *n)
{
	list_del_rcu(&n->link);
	update_ack_pins(vm);
	synchronize_srcu_expedited(&vm->irq_srcu);
}

/* The GSI that leads to a pin, or -1; SRCU held. */
static int pin_to_gsi(struct vmm_vm *vm, unsigned int chip, unsigned int pin)
{
	struct vmm_routing *r = srcu_dereference(vm->irqchip.routing, &vm->irq_srcu);

	return r ? r->gsi_of[array_index_nospec(chip, NR_CHIPS)]
			    [array_index_nospec(pin, CHIP_PINS)] : -1;
}

/**
 * vmm_notify_acked() - a pin's interrupt was acknowledged
 * @vm: the VM; no lock of a controller is held
 * @chip: KVM_IRQCHIP_*
 * @pin: pin of that chip
 *
 * Return: true when somebody was told.
 */
bool vmm_notify_acked(struct vmm_vm *vm, unsigned int chip, unsigned int pin)
{
	struct vmm_ack_notifier *n;
	bool told = false;
	int idx, gsi;

	if (list_empty(&vm->irqchip.ack_notifiers))
		return false;
	idx = srcu_read_lock(&vm->irq_srcu);
	gsi = pin_to_gsi(vm, chip, pin);
	if (gsi >= 0)
		list_for_each_entry_srcu(n, &vm->irqchip.ack_notifiers, link,
					 srcu_read_lock_held(&vm->irq_srcu))
			if (n->gsi == gsi) {
				n->acked(n);
				told = true;
			}
	srcu_read_unlock(&vm->irq_srcu, idx);
	return told;
}

/**
 * vmm_notify_unmasked() - the guest opened a pin
 * @vm: the VM; no lock of a controller is held
 * @chip: KVM_IRQCHIP_*
 * @pin: pin of that chip
 */
void vmm_notify_unmasked(struct vmm_vm *vm, unsigned int chip, unsigned int pin)
{
	struct vmm_pit *pit = smp_load_acquire(&vm->irqchip.pit);
	int idx;

	if (!pit)
		return;
	idx = srcu_read_lock(&vm->irq_srcu);
	if (pin_to_gsi(vm, chip, pin) == VMM_PIT_GSI)
		vmm_pit_unmasked(pit);
	srcu_read_unlock(&vm->irq_srcu, idx);
}

/**
 * vmm_routing_scan_eoi() - vectors whose EOI by a vCPU a split IOAPIC must see
 * @vcpu: the vCPU, on its thread
 * @vectors: 256 bits, added to
 *
 * Those are the level-triggered MSIs among the IOAPIC's reserved GSIs that this vCPU
 * is a destination of, or still has in IRR or ISR from an earlier routing.
 */
void vmm_routing_scan_eoi(struct vmm_vcpu *vcpu, unsigned long *vectors)
{
	struct vmm_vm *vm = vcpu->vm;
	int idx = srcu_read_lock(&vm->irq_srcu);
	struct vmm_routing *r = srcu_dereference(vm->irqchip.routing, &vm->irq_srcu);
	unsigned int i, end;
	struct vmm_irq_msg msg;

	if (!r)
		goto out;
	end = r->first[min(r->nr_gsi, vm->irqchip.split_pins)];
	for (i = 0; i < end; i++) {
		struct route *e = &r->route[i];

		if (e->type != KVM_IRQ_ROUTING_MSI)
			continue;
		vmm_msi_decode(vm, e->msi.lo, e->msi.hi, e->msi.data, &msg);
		if (msg.level && (vmm_apic_match(vm, vcpu->lapic, NULL, &msg) ||
				  vmm_lapic_has_vector(vcpu, msg.vector)))
			__set_bit(msg.vector, vectors);
	}
out:
	srcu_read_unlock(&vm->irq_srcu, idx);
}
