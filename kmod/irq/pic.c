// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259A interrupt controllers with the edge/level control registers
 * (Intel 8259A data sheet; ELCR as in the PIIX4).
 *
 * Locking: pic->lock, raw, interrupts off, for everything but ->output, which is
 * read without it. Acknowledgements and the kick are kept aside under the lock and
 * carried out by pic_unlock() after it.
 */
#include <linux/slab.h>
#include "vmm.h"
#include "internal.h"

#define PIC_MASTER		0
#define PIC_SLAVE		1
#define PIC_CASCADE		2	/* the slave's line into the master */

enum pic_port { PORT_MASTER, PORT_SLAVE, PORT_ELCR, NR_PORTS };

static const u16 port_base[NR_PORTS] = { 0x20, 0xa0, 0x4d0 };
/* IRQ 0, 1, 2, 8 and 13 are edge-triggered in every PC. */
static const u8 elcr_mask[2] = { 0xf8, 0xde };

struct vmm_pic {
	struct vmm_vm *vm;
	raw_spinlock_t lock;
	struct kvm_pic_state chip[2];
	u8 sources[VMM_PIC_PINS];	/* who asserts each line: a bit per source */
	bool output;			/* INTR to the CPUs */
	bool raised;			/* output rose: somebody must be kicked */
	u16 acked, unmasked;		/* pins to be reported after the lock is gone */
	struct pic_iodev {
		struct vmm_iodev dev;
		struct vmm_pic *pic;
	} port[NR_PORTS];
};

static unsigned long pic_lock(struct vmm_pic *pic)
	__acquires(&pic->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	return flags;
}

static void pic_kick(struct vmm_pic *pic)
{
	struct vmm_vcpu *vcpu;
	unsigned int i;

	vmm_for_each_vcpu(i, vcpu, pic->vm) {
		if (!vmm_lapic_accepts_pic(vcpu))
			continue;
		vmm_make_request(vcpu, VMM_REQ_EVENT);
		vmm_vcpu_kick(vcpu);
		return;
	}
}

/* Something to tell: who is to hear of it takes locks of his own. */
static void unlock_and_tell(struct vmm_pic *pic, unsigned long flags)
	__releases(&pic->lock)
{
	unsigned long acked = pic->acked, unmasked = pic->unmasked;
	bool raised = pic->raised;
	unsigned int pin;

	pic->acked = 0;
	pic->unmasked = 0;
	pic->raised = false;
	raw_spin_unlock_irqrestore(&pic->lock, flags);

	if (raised)
		pic_kick(pic);
	for_each_set_bit(pin, &unmasked, VMM_PIC_PINS)
		vmm_notify_unmasked(pic->vm, pin >> 3, pin & 7);
	for_each_set_bit(pin, &acked, VMM_PIC_PINS)
		vmm_notify_acked(pic->vm, pin >> 3, pin & 7);
}

static void pic_unlock(struct vmm_pic *pic, unsigned long flags)
	__releases(&pic->lock)
{
	if (pic->raised || pic->acked || pic->unmasked)
		unlock_and_tell(pic, flags);
	else
		raw_spin_unlock_irqrestore(&pic->lock, flags);
}

static bool is_slave(const struct vmm_pic *pic, const struct kvm_pic_state *s)
{
	return s == &pic->chip[PIC_SLAVE];
}

/* Rank of the best of a set of lines, 0 first, 8: the set is empty. */
static unsigned int rank(const struct kvm_pic_state *s, u8 lines)
{
	unsigned int r = 0;

	if (!lines)
		return 8;
	while (!(lines & (1 << ((r + s->priority_add) & 7))))
		r++;
	return r;
}

/* The line this chip would interrupt for, or -1. */
static int chip_irq(const struct vmm_pic *pic, const struct kvm_pic_state *s)
{
	unsigned int want = rank(s, s->irr & ~s->imr);
	u8 in_service = s->isr;

	/* Special mask mode: a masked line in service does not hold back others. */
	if (s->special_mask)
		in_service &= ~s->imr;
	/* Special fully nested: the slave may interrupt its own service routine. */
	if (s->special_fully_nested_mode && !is_slave(pic, s))
		in_service &= ~BIT(PIC_CASCADE);
	if (want == 8 || want >= rank(s, in_service))
		return -1;
	return (want + s->priority_add) & 7;
}

/* 0: it was pending already (coalesced), -1: masked, 1. */
static int chip_set_line(struct kvm_pic_state *s, unsigned int line, bool level)
{
	u8 bit = BIT(line);
	int ret = 1;

	if (s->elcr & bit) {
		if (level) {
			ret = !(s->irr & bit);
			s->irr |= bit;
			s->last_irr |= bit;
		} else {
			s->irr &= ~bit;
			s->last_irr &= ~bit;
		}
	} else if (level) {
		if (!(s->last_irr & bit)) {
			ret = !(s->irr & bit);
			s->irr |= bit;
		}
		s->last_irr |= bit;
	} else {
		s->last_irr &= ~bit;
	}
	return s->imr & bit ? -1 : ret;
}

static void update_output(struct vmm_pic *pic)
{
	bool output = chip_irq(pic, &pic->chip[PIC_MASTER]) >= 0;

	if (output && !pic->output)
		pic->raised = true;
	WRITE_ONCE(pic->output, output);
}

static void pic_update(struct vmm_pic *pic)
{
	if (chip_irq(pic, &pic->chip[PIC_SLAVE]) >= 0) {
		/* A pulse, as the cascade is edge-triggered. */
		chip_set_line(&pic->chip[PIC_MASTER], PIC_CASCADE, true);
		chip_set_line(&pic->chip[PIC_MASTER], PIC_CASCADE, false);
	}
	update_output(pic);
}

static void chip_end(struct vmm_pic *pic, struct kvm_pic_state *s, unsigned int line)
{
	s->isr &= ~BIT(line);
	pic->acked |= BIT(line + (is_slave(pic, s) ? 8 : 0));
}

/* INTA for a line of a chip. */
static void chip_take(struct vmm_pic *pic, struct kvm_pic_state *s, unsigned int line)
{
	s->isr |= BIT(line);
	if (!(s->elcr & BIT(line)))
		s->irr &= ~BIT(line);
	if (s->auto_eoi) {
		if (s->rotate_on_auto_eoi)
			s->priority_add = (line + 1) & 7;
		chip_end(pic, s, line);
	}
}

bool vmm_pic_output(struct vmm_pic *pic)
{
	return READ_ONCE(pic->output);
}

/**
 * vmm_pic_set_irq() - drive a pin
 * @pic: the pair; any context
 * @pin: 0..15, 8 and up are the slave's
 * @source: VMM_IRQ_SOURCE_*
 * @level: 1 or 0
 *
 * Return: 1; 0 when it was pending already; -1 when it is masked.
 */
int vmm_pic_set_irq(struct vmm_pic *pic, unsigned int pin, int source, int level)
{
	unsigned long flags;
	int ret;

	pin = array_index_nospec(pin, VMM_PIC_PINS);
	source &= 7;
	flags = pic_lock(pic);
	if (level)
		pic->sources[pin] |= BIT(source);
	else
		pic->sources[pin] &= ~BIT(source);
	ret = chip_set_line(&pic->chip[pin >> 3], pin & 7, pic->sources[pin]);
	pic_update(pic);
	pic_unlock(pic, flags);
	return ret;
}

/**
 * vmm_pic_take() - the CPU acknowledges (two INTA cycles)
 * @vcpu: the vCPU that does, vm->srcu held
 *
 * Return: the vector. With no request any more it is the spurious one, IRQ 7's, of
 * the chip that lost it.
 */
int vmm_pic_take(struct vmm_vcpu *vcpu)
{
	struct vmm_pic *pic = vcpu->vm->irqchip.pic;
	struct kvm_pic_state *master = &pic->chip[PIC_MASTER], *slave = &pic->chip[PIC_SLAVE];
	unsigned long flags = pic_lock(pic);
	int line = chip_irq(pic, master), vector;

	if (line < 0) {
		vector = master->irq_base + 7;
	} else {
		chip_take(pic, master, line);
		vector = master->irq_base + line;
		if (line == PIC_CASCADE) {
			line = chip_irq(pic, slave);
			if (line >= 0)
				chip_take(pic, slave, line);
			else
				line = 7;
			vector = slave->irq_base + line;
		}
	}
	pic_update(pic);
	pic_unlock(pic, flags);
	return vector & 0xff;
}

/* ---- ports --------------------------------------------------------------- */

/* ICW1. */
static void chip_reset(struct vmm_pic *pic, struct kvm_pic_state *s)
{
	u8 lost = s->irr & ~s->elcr;

	s->last_irr = 0;
	s->irr &= s->elcr;
	s->isr = 0;
	s->imr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	if (!s->init4) {
		s->special_fully_nested_mode = 0;
		s->auto_eoi = 0;
	}
	s->init_state = 1;
	/* Whoever waits for these edges to be acknowledged (the PIT) must not wait on. */
	pic->acked |= lost << (is_slave(pic, s) ? 8 : 0);
}

static void chip_ocw2(struct vmm_pic *pic, struct kvm_pic_state *s, u8 value)
{
	unsigned int line = value & 7, r;

	switch (value >> 5) {
	case 0:			/* rotate in automatic EOI mode: clear, set */
	case 4:
		s->rotate_on_auto_eoi = value >> 7;
		return;
	case 1:			/* non-specific EOI, plain and rotating */
	case 5:
		r = rank(s, s->isr);
		if (r == 8)
			return;
		line = (r + s->priority_add) & 7;
		if (value & 0x80)
			s->priority_add = (line + 1) & 7;
		chip_end(pic, s, line);
		break;
	case 3:			/* specific EOI */
		chip_end(pic, s, line);
		break;
	case 6:			/* set priority */
		s->priority_add = (line + 1) & 7;
		break;
	case 7:			/* rotate on specific EOI */
		s->priority_add = (line + 1) & 7;
		chip_end(pic, s, line);
		break;
	default:
		return;
	}
	pic_update(pic);
}

static void chip_write(struct vmm_pic *pic, struct kvm_pic_state *s, bool a0, u8 value)
{
	u8 opened;

	if (!a0) {
		if (value & 0x10) {
			s->init4 = value & 1;
			chip_reset(pic, s);
			/* Only new edges count from here on, the slave's request included. */
			update_output(pic);
		} else if (value & 0x08) {
			if (value & 0x04)
				s->poll = 1;
			if (value & 0x02)
				s->read_reg_select = value & 1;
			if (value & 0x40)
				s->special_mask = (value >> 5) & 1;
			pic_update(pic);
		} else {
			chip_ocw2(pic, s, value);
		}
		return;
	}

	switch (s->init_state) {
	case 0:
		opened = s->imr & ~value;
		s->imr = value;
		pic->unmasked |= opened << (is_slave(pic, s) ? 8 : 0);
		pic_update(pic);
		break;
	case 1:
		s->irq_base = value & 0xf8;
		s->init_state = 2;
		break;
	case 2:			/* ICW3: the cascade is wired, its value means nothing */
		s->init_state = s->init4 ? 3 : 0;
		break;
	case 3:
		s->special_fully_nested_mode = (value >> 4) & 1;
		s->auto_eoi = (value >> 1) & 1;
		s->init_state = 0;
		break;
	}
}

static u8 chip_read(struct vmm_pic *pic, struct kvm_pic_state *s, bool a0)
{
	int line;

	if (s->poll) {
		/* The read is an INTA: bit 7 says that there was a request. */
		s->poll = 0;
		line = chip_irq(pic, s);
		if (line < 0)
			return 0;
		chip_take(pic, s, line);
		pic_update(pic);
		return 0x80 | line;
	}
	if (a0)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

static int pic_read(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len, void *data)
{
	struct pic_iodev *port = container_of(dev, struct pic_iodev, dev);
	struct vmm_pic *pic = port->pic;
	unsigned long flags;

	if (len != 1)
		return 0;
	flags = pic_lock(pic);
	if (port == &pic->port[PORT_ELCR])
		*(u8 *)data = pic->chip[addr & 1].elcr;
	else
		*(u8 *)data = chip_read(pic, &pic->chip[port == &pic->port[PORT_SLAVE]],
					addr & 1);
	pic_unlock(pic, flags);
	return 0;
}

static int pic_write(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
		     const void *data)
{
	struct pic_iodev *port = container_of(dev, struct pic_iodev, dev);
	struct vmm_pic *pic = port->pic;
	u8 value = *(const u8 *)data;
	unsigned long flags;

	if (len != 1)
		return 0;
	flags = pic_lock(pic);
	if (port == &pic->port[PORT_ELCR])
		pic->chip[addr & 1].elcr = value & pic->chip[addr & 1].elcr_mask;
	else
		chip_write(pic, &pic->chip[port == &pic->port[PORT_SLAVE]], addr & 1, value);
	pic_unlock(pic, flags);
	return 0;
}

static const struct vmm_iodev_ops pic_ops = {
	.read = pic_read,
	.write = pic_write,
};

/* ---- state and life ------------------------------------------------------ */

/**
 * vmm_pic_get() - KVM_GET_IRQCHIP
 * @pic: the pair
 * @chip: 0 master, 1 slave
 * @s: filled whole
 */
void vmm_pic_get(struct vmm_pic *pic, unsigned int chip, struct kvm_pic_state *s)
{
	unsigned long flags = pic_lock(pic);

	*s = pic->chip[chip & 1];
	pic_unlock(pic, flags);
}

/**
 * vmm_pic_set() - KVM_SET_IRQCHIP
 * @pic: the pair
 * @chip: 0 master, 1 slave
 * @s: new state, taken and given back as it is; its users keep to their bits
 */
void vmm_pic_set(struct vmm_pic *pic, unsigned int chip, const struct kvm_pic_state *s)
{
	unsigned long flags;
	struct kvm_pic_state *c = &pic->chip[chip & 1];

	flags = pic_lock(pic);
	*c = *s;
	pic_update(pic);
	/* The interrupt may have been pending before, for a vCPU that now accepts it. */
	pic->raised = pic->output;
	pic_unlock(pic, flags);
}

/**
 * vmm_pic_create() - the pair and its ports
 * @vm: the VM; vm->lock is held
 *
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int vmm_pic_create(struct vmm_vm *vm)
{
	struct vmm_pic *pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	int i, ret;

	if (!pic)
		return -ENOMEM;
	pic->vm = vm;
	raw_spin_lock_init(&pic->lock);
	for (i = 0; i < 2; i++)
		pic->chip[i].elcr_mask = elcr_mask[i];
	vm->irqchip.pic = pic;
	for (i = 0; i < NR_PORTS; i++) {
		pic->port[i].dev.ops = &pic_ops;
		pic->port[i].pic = pic;
		ret = vmm_irqchip_register(vm, VMM_BUS_PIO, port_base[i], 2, &pic->port[i].dev);
		if (ret) {
			vmm_pic_destroy(vm);
			return ret;
		}
	}
	return 0;
}

/**
 * vmm_pic_destroy() - take it off the bus and free it
 * @vm: the VM; no vCPU runs
 */
void vmm_pic_destroy(struct vmm_vm *vm)
{
	struct vmm_pic *pic = vm->irqchip.pic;
	int i;

	if (!pic)
		return;
	mutex_lock(&vm->slots_lock);
	for (i = 0; i < NR_PORTS; i++)
		vmm_bus_remove(vm, VMM_BUS_PIO, &pic->port[i].dev);
	mutex_unlock(&vm->slots_lock);
	vm->irqchip.pic = NULL;
	kfree(pic);
}
