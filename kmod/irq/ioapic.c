// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC, 82093AA compatible: 24 pins, version 11H, no EOI register.
 *
 * Locking: io->lock, raw, interrupts off. Messages to LAPICs are sent under it (they
 * take no lock); acknowledge and unmask notifications are not. ->eoi_vectors is
 * read without it at every EOI.
 *
 * A line's polarity bit is ignored, as KVM does: user space and irqfds speak of
 * asserted and de-asserted.
 */
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <asm/apicdef.h>
#include "vmm.h"
#include "internal.h"

#define IOAPIC_BASE		0xfec00000ull
#define IOAPIC_LENGTH		0x100
#define IOAPIC_REGSEL		0x00
#define IOAPIC_WINDOW		0x10
#define IOAPIC_REG_ID		0x00
#define IOAPIC_REG_VERSION	0x01
#define IOAPIC_REG_ARB		0x02
#define IOAPIC_REG_REDIR	0x10
#define IOAPIC_VERSION		0x11

/* Redirection table entry. */
#define REDIR_VECTOR		0xffull
#define REDIR_MODE		0x700ull
#define REDIR_LOGICAL		BIT_ULL(11)
#define REDIR_STATUS		BIT_ULL(12)
#define REDIR_REMOTE_IRR	BIT_ULL(14)
#define REDIR_LEVEL		BIT_ULL(15)
#define REDIR_MASKED		BIT_ULL(16)
#define REDIR_READ_ONLY		(REDIR_STATUS | REDIR_REMOTE_IRR)
#define REDIR_DEST_SHIFT	56

/*
 * A level line that is asserted again at every EOI, with no driver to quiet it,
 * would leave the guest no time for anything else: after so many the next one
 * waits a while.
 */
#define STORM_EOIS		10000
#define STORM_DELAY		(HZ / 100)

struct vmm_ioapic {
	struct vmm_vm *vm;
	raw_spinlock_t lock;
	u8 regsel, id;
	u32 irr;			/* asserted lines; edges until the line falls */
	u32 edges_sent;			/* of those, edges that have been delivered */
	u32 ack_pins;			/* pins with an acknowledge notifier */
	u64 redir[VMM_IOAPIC_PINS];
	u8 sources[VMM_IOAPIC_PINS];	/* who asserts each line: a bit per source */
	u32 eois[VMM_IOAPIC_PINS];	/* successive EOIs with the line still asserted */
	DECLARE_BITMAP(eoi_vectors, 256);	/* whose EOI means something here */
	struct delayed_work storm;
	struct vmm_iodev dev;
};

static void ioapic_msg(u64 entry, struct vmm_irq_msg *msg)
{
	*msg = (struct vmm_irq_msg){
		.dest = entry >> REDIR_DEST_SHIFT,
		.mode = entry & REDIR_MODE,
		.vector = entry & REDIR_VECTOR,
		.logical = entry & REDIR_LOGICAL,
		.level = entry & REDIR_LEVEL,
		.assert = true,
	};
}

/* A vector that stays in the set must not be missing from it for a moment. */
static void update_eoi_vectors(struct vmm_ioapic *io)
{
	DECLARE_BITMAP(vectors, 256);
	unsigned int pin, i;

	bitmap_zero(vectors, 256);
	for (pin = 0; pin < VMM_IOAPIC_PINS; pin++)
		if ((io->redir[pin] & REDIR_LEVEL) || (io->ack_pins & BIT(pin)))
			__set_bit(io->redir[pin] & REDIR_VECTOR, vectors);
	for (i = 0; i < ARRAY_SIZE(vectors); i++)
		WRITE_ONCE(io->eoi_vectors[i], vectors[i]);
}

/* Send a pin's message: LAPICs reached, <0: masked, awaiting EOI, or nobody there. */
static int ioapic_service(struct vmm_ioapic *io, unsigned int pin)
{
	u64 entry = io->redir[pin];
	struct vmm_irq_msg msg;
	int ret;

	if (entry & REDIR_MASKED)
		return -1;
	if ((entry & REDIR_LEVEL) && (entry & REDIR_REMOTE_IRR))
		return -1;
	ioapic_msg(entry, &msg);
	if (!msg.level)
		io->edges_sent |= BIT(pin);
	ret = vmm_apic_deliver(io->vm, NULL, &msg);
	if (ret && msg.level)
		io->redir[pin] |= REDIR_REMOTE_IRR;
	return ret;
}

/*
 * A tick of the RTC whose predecessor some vCPU has not yet finished is lost. User
 * space that asks (KVM_IRQ_LINE_STATUS) hears of it and makes up for it later.
 */
static bool rtc_tick_lost(struct vmm_ioapic *io)
{
	u64 entry = io->redir[VMM_RTC_PIN];
	struct vmm_irq_msg msg;
	struct vmm_vcpu *vcpu;
	unsigned int i;

	if (entry & REDIR_MASKED)
		return false;
	ioapic_msg(entry, &msg);
	vmm_for_each_vcpu(i, vcpu, io->vm)
		if (vcpu->lapic && vmm_apic_match(io->vm, vcpu->lapic, NULL, &msg) &&
		    vmm_lapic_has_vector(vcpu, msg.vector))
			return true;
	return false;
}

static int ioapic_assert(struct vmm_ioapic *io, unsigned int pin)
{
	bool edge = !(io->redir[pin] & REDIR_LEVEL);
	u32 old = io->irr;

	io->irr |= BIT(pin);
	if (edge)
		io->edges_sent &= ~BIT(pin);
	if (edge ? old & BIT(pin) : io->redir[pin] & REDIR_REMOTE_IRR)
		return 0;
	return ioapic_service(io, pin);
}

/**
 * vmm_ioapic_set_irq() - drive a pin
 * @io: the I/O APIC; any context
 * @pin: 0..23
 * @source: VMM_IRQ_SOURCE_*, possibly with VMM_IRQ_LINE_STATUS
 * @level: 1 or 0
 *
 * Return: LAPICs reached (1 for a de-assertion); 0: the previous interrupt is not
 * finished; <0: masked, or no destination.
 */
int vmm_ioapic_set_irq(struct vmm_ioapic *io, unsigned int pin, int source, int level)
{
	bool status = source & VMM_IRQ_LINE_STATUS;
	unsigned long flags;
	int ret;

	pin = array_index_nospec(pin, VMM_IOAPIC_PINS);
	source &= 7;
	raw_spin_lock_irqsave(&io->lock, flags);
	if (level)
		io->sources[pin] |= BIT(source);
	else
		io->sources[pin] &= ~BIT(source);
	if (!io->sources[pin]) {
		io->irr &= ~BIT(pin);
		ret = 1;
	} else if (pin == VMM_RTC_PIN && status && rtc_tick_lost(io)) {
		ret = 0;
	} else {
		ret = ioapic_assert(io, pin);
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return ret;
}

bool vmm_ioapic_wants_eoi(struct vmm_ioapic *io, u8 vector)
{
	return test_bit(vector, io->eoi_vectors);
}

/* Level pins of @pins: the LAPIC is done; what is still asserted is sent again. */
static bool ioapic_end(struct vmm_ioapic *io, unsigned long pins)
{
	bool storm = false;
	unsigned int pin;

	for_each_set_bit(pin, &pins, VMM_IOAPIC_PINS) {
		if (!(io->redir[pin] & REDIR_LEVEL))
			continue;
		io->redir[pin] &= ~REDIR_REMOTE_IRR;
		if ((io->redir[pin] & REDIR_MASKED) || !(io->irr & BIT(pin))) {
			io->eois[pin] = 0;
		} else if (++io->eois[pin] >= STORM_EOIS) {
			io->eois[pin] = 0;
			storm = true;
		} else {
			ioapic_service(io, pin);
		}
	}
	return storm;
}

/**
 * vmm_ioapic_eoi() - a LAPIC broadcasts an EOI
 * @vcpu: whose, on its thread, vm->srcu held
 * @vector: which
 * @level: TMR had it as level-triggered
 * @directed: broadcasts are suppressed (SDM 11.8.5): notifiers are still told
 */
void vmm_ioapic_eoi(struct vmm_vcpu *vcpu, u8 vector, bool level, bool directed)
{
	struct vmm_ioapic *io = vcpu->vm->irqchip.ioapic;
	unsigned long flags, pins = 0, told;
	bool storm = false;
	unsigned int pin;

	raw_spin_lock_irqsave(&io->lock, flags);
	for (pin = 0; pin < VMM_IOAPIC_PINS; pin++)
		if ((io->redir[pin] & REDIR_VECTOR) == vector)
			pins |= BIT(pin);
	told = pins & io->ack_pins;
	if (told) {
		/* First, so that a resampling device can lower its line. */
		raw_spin_unlock_irqrestore(&io->lock, flags);
		for_each_set_bit(pin, &told, VMM_IOAPIC_PINS)
			vmm_notify_acked(io->vm, KVM_IRQCHIP_IOAPIC, pin);
		raw_spin_lock_irqsave(&io->lock, flags);
	}
	if (level && !directed)
		storm = ioapic_end(io, pins);
	raw_spin_unlock_irqrestore(&io->lock, flags);
	if (storm)
		schedule_delayed_work(&io->storm, STORM_DELAY);
}

static void storm_work(struct work_struct *work)
{
	struct vmm_ioapic *io = container_of(work, struct vmm_ioapic, storm.work);
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&io->lock, flags);
	for (pin = 0; pin < VMM_IOAPIC_PINS; pin++)
		if ((io->redir[pin] & REDIR_LEVEL) && (io->irr & BIT(pin)))
			ioapic_service(io, pin);
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/**
 * vmm_ioapic_set_ack_pins() - pins whose acknowledgement somebody waits for
 * @io: the I/O APIC
 * @pins: a bit per pin
 */
void vmm_ioapic_set_ack_pins(struct vmm_ioapic *io, u32 pins)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&io->lock, flags);
	io->ack_pins = pins;
	update_eoi_vectors(io);
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/* ---- registers ----------------------------------------------------------- */

static u32 ioapic_read_reg(struct vmm_ioapic *io)
{
	unsigned int pin;

	switch (io->regsel) {
	case IOAPIC_REG_VERSION:
		return (VMM_IOAPIC_PINS - 1) << 16 | IOAPIC_VERSION;
	case IOAPIC_REG_ID:
	case IOAPIC_REG_ARB:
		return (u32)io->id << 24;
	}
	if (io->regsel < IOAPIC_REG_REDIR)
		return ~0u;
	pin = (io->regsel - IOAPIC_REG_REDIR) >> 1;
	if (pin >= VMM_IOAPIC_PINS)
		return ~0u;
	pin = array_index_nospec(pin, VMM_IOAPIC_PINS);
	return io->redir[pin] >> (io->regsel & 1 ? 32 : 0);
}

/* An asserted level pin that is open and awaits no EOI. */
static bool ioapic_ready(struct vmm_ioapic *io, unsigned int pin)
{
	return (io->irr & BIT(pin)) &&
	       (io->redir[pin] & (REDIR_LEVEL | REDIR_MASKED | REDIR_REMOTE_IRR)) == REDIR_LEVEL;
}

/* The lock is held; dropped and taken again around notifications. */
static void ioapic_write_redir(struct vmm_ioapic *io, unsigned int pin, bool high, u32 value,
			       unsigned long *flags)
{
	u64 old = io->redir[pin], new;

	if (high)
		new = (old & 0xffffffff) | (u64)value << 32;
	else
		new = (old & ~0xffffffffull) | value;
	new = (new & ~REDIR_READ_ONLY) | (old & REDIR_READ_ONLY);
	/* Making a pin edge-triggered clears Remote IRR: how an OS without EOIR does it. */
	if (!(new & REDIR_LEVEL))
		new &= ~REDIR_REMOTE_IRR;
	io->redir[pin] = new;
	if ((old ^ new) & (REDIR_VECTOR | REDIR_LEVEL))
		update_eoi_vectors(io);

	if ((old & REDIR_MASKED) && !(new & REDIR_MASKED)) {
		raw_spin_unlock_irqrestore(&io->lock, *flags);
		vmm_notify_unmasked(io->vm, KVM_IRQCHIP_IOAPIC, pin);
		raw_spin_lock_irqsave(&io->lock, *flags);
	}
	if (!ioapic_ready(io, pin))
		return;
	/*
	 * The line may have been lowered at its source while it was masked. Where the
	 * source can be asked to sample again, let it raise the line if it must.
	 */
	if (io->ack_pins & BIT(pin)) {
		raw_spin_unlock_irqrestore(&io->lock, *flags);
		vmm_notify_acked(io->vm, KVM_IRQCHIP_IOAPIC, pin);
		raw_spin_lock_irqsave(&io->lock, *flags);
	}
	if (ioapic_ready(io, pin))
		ioapic_service(io, pin);
}

static void ioapic_write_reg(struct vmm_ioapic *io, u32 value, unsigned long *flags)
{
	unsigned int pin;

	if (io->regsel == IOAPIC_REG_ID) {
		io->id = (value >> 24) & 0xf;
		return;
	}
	if (io->regsel < IOAPIC_REG_REDIR)
		return;
	pin = (io->regsel - IOAPIC_REG_REDIR) >> 1;
	if (pin >= VMM_IOAPIC_PINS)
		return;
	pin = array_index_nospec(pin, VMM_IOAPIC_PINS);
	ioapic_write_redir(io, pin, io->regsel & 1, value, flags);
}

static int ioapic_read(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
		       void *data)
{
	struct vmm_ioapic *io = container_of(dev, struct vmm_ioapic, dev);
	unsigned long flags;
	u32 value = 0;

	raw_spin_lock_irqsave(&io->lock, flags);
	switch (addr & 0xff) {
	case IOAPIC_REGSEL:
		value = io->regsel;
		break;
	case IOAPIC_WINDOW:
		value = ioapic_read_reg(io);
		break;
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	memcpy(data, &value, min_t(int, len, sizeof(value)));
	return 0;
}

static int ioapic_write(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
			const void *data)
{
	struct vmm_ioapic *io = container_of(dev, struct vmm_ioapic, dev);
	unsigned long flags;
	u32 value = 0;

	memcpy(&value, data, min_t(int, len, sizeof(value)));
	raw_spin_lock_irqsave(&io->lock, flags);
	switch (addr & 0xff) {
	case IOAPIC_REGSEL:
		io->regsel = value;
		break;
	case IOAPIC_WINDOW:
		ioapic_write_reg(io, value, &flags);
		break;
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return 0;
}

static const struct vmm_iodev_ops ioapic_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

/* ---- state and life ------------------------------------------------------ */

/**
 * vmm_ioapic_get() - KVM_GET_IRQCHIP
 * @io: the I/O APIC
 * @s: filled whole; IRR holds what is still to be delivered
 */
void vmm_ioapic_get(struct vmm_ioapic *io, struct kvm_ioapic_state *s)
{
	unsigned long flags;
	int i;

	memset(s, 0, sizeof(*s));
	raw_spin_lock_irqsave(&io->lock, flags);
	s->base_address = IOAPIC_BASE;
	s->ioregsel = io->regsel;
	s->id = io->id;
	s->irr = io->irr & ~io->edges_sent;
	for (i = 0; i < VMM_IOAPIC_PINS; i++)
		s->redirtbl[i].bits = io->redir[i];
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/**
 * vmm_ioapic_set() - KVM_SET_IRQCHIP
 * @io: the I/O APIC
 * @s: new state; the base address is fixed. Lines in IRR are delivered anew
 */
void vmm_ioapic_set(struct vmm_ioapic *io, const struct kvm_ioapic_state *s)
{
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&io->lock, flags);
	io->regsel = s->ioregsel;
	io->id = s->id & 0xf;
	io->irr = 0;
	io->edges_sent = 0;
	memset(io->eois, 0, sizeof(io->eois));
	for (pin = 0; pin < VMM_IOAPIC_PINS; pin++)
		io->redir[pin] = s->redirtbl[pin].bits;
	update_eoi_vectors(io);
	for (pin = 0; pin < VMM_IOAPIC_PINS; pin++)
		if (s->irr & BIT(pin))
			ioapic_assert(io, pin);
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/**
 * vmm_ioapic_create() - the I/O APIC and its registers
 * @vm: the VM; vm->lock is held
 *
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int vmm_ioapic_create(struct vmm_vm *vm)
{
	struct vmm_ioapic *io = kzalloc(sizeof(*io), GFP_KERNEL_ACCOUNT);
	int i, ret;

	if (!io)
		return -ENOMEM;
	io->vm = vm;
	raw_spin_lock_init(&io->lock);
	INIT_DELAYED_WORK(&io->storm, storm_work);
	for (i = 0; i < VMM_IOAPIC_PINS; i++)
		io->redir[i] = REDIR_MASKED;
	io->dev.ops = &ioapic_ops;
	ret = vmm_irqchip_register(vm, VMM_BUS_MMIO, IOAPIC_BASE, IOAPIC_LENGTH, &io->dev);
	if (ret) {
		kfree(io);
		return ret;
	}
	vm->irqchip.ioapic = io;
	return 0;
}

/**
 * vmm_ioapic_destroy() - take it off the bus and free it
 * @vm: the VM; no vCPU runs, no line is driven any more
 */
void vmm_ioapic_destroy(struct vmm_vm *vm)
{
	struct vmm_ioapic *io = vm->irqchip.ioapic;

	if (!io)
		return;
	mutex_lock(&vm->slots_lock);
	vmm_bus_remove(vm, VMM_BUS_MMIO, &io->dev);
	mutex_unlock(&vm->slots_lock);
	cancel_delayed_work_sync(&io->storm);
	vm->irqchip.ioapic = NULL;
	kfree(io);
}
