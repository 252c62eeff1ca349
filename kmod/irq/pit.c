// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 interval timer and port 61H (Intel 8254 data sheet). Counts are computed
 * from the time since they were loaded; channel 0 has an hrtimer and drives GSI 0.
 * BCD counting is accepted and counts in binary, as KVM's does.
 *
 * Locking: pit->lock (mutex) for the channels and for starting and stopping the
 * hrtimer. Its callback, in hard interrupt context, reads ->periodic and ->period,
 * constant while it is queued. pit->tick_lock (raw, interrupts off, a leaf) for the
 * bookkeeping of ticks. No lock is held while the line is driven.
 *
 * Lost ticks: with reinject on, a tick is not sent before the guest acknowledged the
 * last one; those that come meanwhile are counted and sent one at a time, each at
 * the acknowledgement of its predecessor. Opening the interrupt's mask forgets them.
 */
#include <linux/slab.h>
#include <linux/hrtimer.h>
#include <linux/timex.h>
#include <linux/math64.h>
#include <asm/apicdef.h>
#include "vmm.h"
#include "internal.h"

#define PIT_HZ			1193182u
#define PIT_PORT		0x40
#define PIT_PORT_SPEAKER	0x61
#define PIT_MIN_PERIOD_NS	(200 * NSEC_PER_USEC)

/* Before the first control word: channel 0 does not interrupt. Part of the ABI. */
#define PIT_NO_MODE		0xff

/* kvm_pit_channel_state.read_state and .write_state; part of the ABI. */
enum { STATE_LSB = 1, STATE_MSB = 2, STATE_WORD_LSB = 3, STATE_WORD_MSB = 4 };

struct vmm_pit {
	struct vmm_vm *vm;
	struct mutex lock;
	struct kvm_pit_channel_state channel[3];
	bool hpet_legacy;		/* the HPET drives GSI 0 */
	bool speaker;			/* port 61H bit 1 */

	struct hrtimer timer;
	bool periodic;
	u64 period;			/* ns */

	raw_spinlock_t tick_lock;
	bool reinject;
	bool acked;			/* the guest took the last tick */
	u32 pending;			/* ticks not yet acknowledged, the current one included */
	struct vmm_ack_notifier notifier;

	struct vmm_iodev dev, speaker_dev;
};

/* ---- ticks --------------------------------------------------------------- */

static void pit_raise(struct vmm_pit *pit)
{
	struct vmm_vm *vm = pit->vm;
	struct vmm_vcpu *vcpu;
	unsigned int i;

	vmm_set_irq(vm, VMM_IRQ_SOURCE_PIT, VMM_PIT_GSI, 1);
	vmm_set_irq(vm, VMM_IRQ_SOURCE_PIT, VMM_PIT_GSI, 0);

	/* The watchdog of old: LINT0 in NMI mode gets the same line (MP spec 3.6.2.2). */
	if (!atomic_read(&vm->irqchip.nmi_watchdogs))
		return;
	vmm_for_each_vcpu(i, vcpu, vm)
		if (vcpu->lapic && vmm_lapic_lint0_nmi(vcpu))
			vmm_lapic_local_deliver(vcpu, APIC_LVT0);
}

static enum hrtimer_restart pit_timer_fn(struct hrtimer *timer)
{
	struct vmm_pit *pit = container_of(timer, struct vmm_pit, timer);
	unsigned long flags;
	bool send = true;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	if (pit->reinject) {
		pit->pending++;
		send = pit->acked;
		pit->acked = false;
	}
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
	if (send)
		pit_raise(pit);

	if (!pit->periodic)
		return HRTIMER_NORESTART;
	/* One period at a time: each is a tick to be made up for. */
	hrtimer_add_expires_ns(timer, pit->period);
	return HRTIMER_RESTART;
}

/* GSI 0 was acknowledged. */
static void pit_acked(struct vmm_ack_notifier *n)
{
	struct vmm_pit *pit = container_of(n, struct vmm_pit, notifier);
	unsigned long flags;
	bool send = false;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	pit->acked = true;
	if (pit->pending && --pit->pending) {
		pit->acked = false;
		send = true;
	}
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
	if (send)
		pit_raise(pit);
}

static void pit_forget_ticks(struct vmm_pit *pit)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->tick_lock, flags);
	pit->pending = 0;
	pit->acked = true;
	raw_spin_unlock_irqrestore(&pit->tick_lock, flags);
}

/**
 * vmm_pit_unmasked() - the guest opened GSI 0 at a controller
 * @pit: the PIT; any context
 */
void vmm_pit_unmasked(struct vmm_pit *pit)
{
	if (READ_ONCE(pit->reinject))
		pit_forget_ticks(pit);
}

/* ---- counting ------------------------------------------------------------ */

static u64 counts_since_load(const struct kvm_pit_channel_state *c)
{
	s64 elapsed = ktime_get_ns() - c->count_load_time;

	/* User space may have set a load time that lies ahead. */
	return elapsed > 0 ? mul_u64_u32_div(elapsed, PIT_HZ, NSEC_PER_SEC) : 0;
}

static u16 channel_count(const struct kvm_pit_channel_state *c)
{
	u64 d = counts_since_load(c);
	u64 rest;

	switch (c->mode) {
	case 0:
	case 1:
	case 4:
	case 5:
		return c->count - d;
	case 3:
		/* Counts down by two, twice per period. */
		div64_u64_rem(2 * d, c->count, &rest);
		return c->count - rest;
	default:
		div64_u64_rem(d, c->count, &rest);
		return c->count - rest;
	}
}

static bool channel_out(const struct kvm_pit_channel_state *c)
{
	u64 d = counts_since_load(c);
	u64 rest;

	switch (c->mode) {
	case 0:
		return d >= c->count;
	case 1:
		return d < c->count;
	case 2:
		div64_u64_rem(d, c->count, &rest);
		return d && !rest;
	case 3:
		div64_u64_rem(d, c->count, &rest);
		return rest < (c->count + 1) >> 1;
	default:
		return d == c->count;
	}
}

static void start_timer(struct vmm_pit *pit)
{
	struct kvm_pit_channel_state *c = &pit->channel[0];

	hrtimer_cancel(&pit->timer);
	pit_forget_ticks(pit);
	if (pit->hpet_legacy)
		return;
	switch (c->mode) {
	case 0:
	case 1:
	case 4:
		pit->periodic = false;
		break;
	case 2:
	case 3:
		pit->periodic = true;
		break;
	default:
		return;
	}
	pit->period = div_u64((u64)c->count * NSEC_PER_SEC, PIT_HZ);
	if (pit->periodic)
		pit->period = max_t(u64, pit->period, PIT_MIN_PERIOD_NS);
	hrtimer_start(&pit->timer, ktime_add_ns(ktime_get(), pit->period),
		      HRTIMER_MODE_ABS_HARD);
}

static void load_count(struct vmm_pit *pit, unsigned int nr, u32 count)
{
	struct kvm_pit_channel_state *c = &pit->channel[nr];

	/* 0 stands for the largest count. */
	c->count = count & 0xffff ?: 0x10000;
	c->count_load_time = ktime_get_ns();
	if (nr == 0)
		start_timer(pit);
}

static void set_gate(struct kvm_pit_channel_state *c, bool gate)
{
	/* A rising edge starts these modes over; the others only pause, which is ignored. */
	if (gate && !c->gate && (c->mode == 1 || c->mode == 2 || c->mode == 3 || c->mode == 5))
		c->count_load_time = ktime_get_ns();
	c->gate = gate;
}

static void latch_count(struct kvm_pit_channel_state *c)
{
	if (c->count_latched)
		return;
	c->latched_count = channel_count(c);
	c->count_latched = c->rw_mode;
}

static void latch_status(struct kvm_pit_channel_state *c)
{
	if (c->status_latched)
		return;
	c->status = channel_out(c) << 7 | c->rw_mode << 4 | c->mode << 1 | c->bcd;
	c->status_latched = 1;
}

/* ---- ports --------------------------------------------------------------- */

static void write_control(struct vmm_pit *pit, u8 value)
{
	struct kvm_pit_channel_state *c;
	unsigned int nr = value >> 6, access = (value >> 4) & 3;

	if (nr == 3) {
		/* Read-back: the complemented bits 5 and 4 ask for count and status. */
		for (nr = 0; nr < 3; nr++) {
			c = &pit->channel[nr];
			if (!(value & (2 << nr)))
				continue;
			if (!(value & 0x20))
				latch_count(c);
			if (!(value & 0x10))
				latch_status(c);
		}
		return;
	}
	c = &pit->channel[array_index_nospec(nr, 3)];
	if (!access) {
		latch_count(c);
		return;
	}
	c->rw_mode = access;
	c->read_state = access;
	c->write_state = access;
	c->mode = (value >> 1) & 7;
	if (c->mode > 5)
		c->mode -= 4;
	c->bcd = value & 1;
}

static void write_channel(struct vmm_pit *pit, unsigned int nr, u8 value)
{
	struct kvm_pit_channel_state *c = &pit->channel[nr];

	switch (c->write_state) {
	case STATE_MSB:
		load_count(pit, nr, value << 8);
		break;
	case STATE_WORD_LSB:
		c->write_latch = value;
		c->write_state = STATE_WORD_MSB;
		break;
	case STATE_WORD_MSB:
		load_count(pit, nr, c->write_latch | value << 8);
		c->write_state = STATE_WORD_LSB;
		break;
	default:
		load_count(pit, nr, value);
	}
}

static u8 read_channel(struct kvm_pit_channel_state *c)
{
	u8 value;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched) {
		switch (c->count_latched) {
		case STATE_MSB:
			c->count_latched = 0;
			return c->latched_count >> 8;
		case STATE_WORD_LSB:
			c->count_latched = STATE_MSB;
			return c->latched_count & 0xff;
		default:
			c->count_latched = 0;
			return c->latched_count & 0xff;
		}
	}
	switch (c->read_state) {
	case STATE_MSB:
		return channel_count(c) >> 8;
	case STATE_WORD_LSB:
		value = channel_count(c) & 0xff;
		c->read_state = STATE_WORD_MSB;
		return value;
	case STATE_WORD_MSB:
		value = channel_count(c) >> 8;
		c->read_state = STATE_WORD_LSB;
		return value;
	default:
		return channel_count(c) & 0xff;
	}
}

static int pit_write(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
		     const void *data)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, dev);
	unsigned int port = addr & 3;
	u8 value = *(const u8 *)data;

	mutex_lock(&pit->lock);
	if (port == 3)
		write_control(pit, value);
	else
		write_channel(pit, array_index_nospec(port, 3), value);
	mutex_unlock(&pit->lock);
	return 0;
}

static int pit_read(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len, void *data)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, dev);
	unsigned int port = addr & 3;

	if (port == 3)
		return 0;
	mutex_lock(&pit->lock);
	*(u8 *)data = read_channel(&pit->channel[array_index_nospec(port, 3)]);
	mutex_unlock(&pit->lock);
	return 0;
}

/*
 * Port 61H: bit 0 gate of channel 2, bit 1 speaker, bit 4 a square wave that firmware
 * times with (15 us on the original), bit 5 output of channel 2.
 */
static int speaker_read(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
			void *data)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, speaker_dev);
	struct kvm_pit_channel_state *c = &pit->channel[2];
	u8 refresh = (ktime_get_ns() >> 14) & 1;

	mutex_lock(&pit->lock);
	*(u8 *)data = c->gate | pit->speaker << 1 | refresh << 4 | channel_out(c) << 5;
	mutex_unlock(&pit->lock);
	return 0;
}

static int speaker_write(struct vmm_vcpu *vcpu, struct vmm_iodev *dev, u64 addr, int len,
			 const void *data)
{
	struct vmm_pit *pit = container_of(dev, struct vmm_pit, speaker_dev);
	u8 value = *(const u8 *)data;

	mutex_lock(&pit->lock);
	pit->speaker = value & 2;
	set_gate(&pit->channel[2], value & 1);
	mutex_unlock(&pit->lock);
	return 0;
}

static const struct vmm_iodev_ops pit_ops = {
	.read = pit_read,
	.write = pit_write,
	.may_wait = true,
};

static const struct vmm_iodev_ops speaker_ops = {
	.read = speaker_read,
	.write = speaker_write,
	.may_wait = true,
};

/* ---- state and life ------------------------------------------------------ */

/**
 * vmm_pit_get() - KVM_GET_PIT, KVM_GET_PIT2
 * @vm: the VM
 * @s: filled whole
 *
 * Return: 0, -ENXIO without a PIT.
 */
int vmm_pit_get(struct vmm_vm *vm, struct kvm_pit_state2 *s)
{
	struct vmm_pit *pit = smp_load_acquire(&vm->irqchip.pit);

	if (!pit)
		return -ENXIO;
	memset(s, 0, sizeof(*s));
	mutex_lock(&pit->lock);
	memcpy(s->channels, pit->channel, sizeof(s->channels));
	if (pit->hpet_legacy)
		s->flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	if (pit->speaker)
		s->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * vmm_pit_set() - KVM_SET_PIT (no flags), KVM_SET_PIT2
 * @vm: the VM
 * @s: new state; every count starts over now
 *
 * Return: 0, -ENXIO without a PIT.
 */
int vmm_pit_set(struct vmm_vm *vm, const struct kvm_pit_state2 *s)
{
	struct vmm_pit *pit = smp_load_acquire(&vm->irqchip.pit);
	unsigned int nr;

	if (!pit)
		return -ENXIO;
	mutex_lock(&pit->lock);
	memcpy(pit->channel, s->channels, sizeof(pit->channel));
	pit->hpet_legacy = s->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker = s->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	for (nr = 0; nr < 3; nr++) {
		struct kvm_pit_channel_state *c = &pit->channel[nr];

		if (c->mode > 5)
			c->mode = PIT_NO_MODE;
		c->rw_mode &= 3;
		c->bcd &= 1;
		c->gate &= 1;
		load_count(pit, nr, c->count);
	}
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * vmm_pit_reinject() - KVM_REINJECT_CONTROL
 * @vm: the VM
 * @reinject: make up for lost ticks (the default), or drop them
 *
 * Return: 0, -ENXIO without a PIT.
 */
int vmm_pit_reinject(struct vmm_vm *vm, bool reinject)
{
	struct vmm_pit *pit = smp_load_acquire(&vm->irqchip.pit);

	if (!pit)
		return -ENXIO;
	mutex_lock(&vm->irq_lock);
	if (pit->reinject != reinject) {
		pit_forget_ticks(pit);
		/* Without it the guest's EOIs need not be looked at. */
		if (reinject)
			vmm_ack_notifier_add(vm, &pit->notifier);
		WRITE_ONCE(pit->reinject, reinject);
		if (!reinject)
			vmm_ack_notifier_remove(vm, &pit->notifier);
	}
	mutex_unlock(&vm->irq_lock);
	return 0;
}

/**
 * vmm_pit_create() - KVM_CREATE_PIT, KVM_CREATE_PIT2
 * @vm: the VM; vm->lock is held
 * @flags: KVM_PIT_SPEAKER_DUMMY: answer port 61H as well
 *
 * Return: 0, -EEXIST, -ENOENT (no PIC here), -ENOMEM, -ENOSPC.
 */
int vmm_pit_create(struct vmm_vm *vm, u32 flags)
{
	struct vmm_pit *pit;
	unsigned int nr;
	int ret;

	if (vm->irqchip.pit)
		return -EEXIST;
	if (smp_load_acquire(&vm->irqchip.mode) != VMM_IRQCHIP_FULL)
		return -ENOENT;
	pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	if (!pit)
		return -ENOMEM;
	pit->vm = vm;
	mutex_init(&pit->lock);
	raw_spin_lock_init(&pit->tick_lock);
	hrtimer_init(&pit->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	pit->timer.function = pit_timer_fn;
	pit->notifier.gsi = VMM_PIT_GSI;
	pit->notifier.acked = pit_acked;
	pit->dev.ops = &pit_ops;
	pit->speaker_dev.ops = &speaker_ops;
	pit->acked = true;
	for (nr = 0; nr < 3; nr++) {
		pit->channel[nr].mode = PIT_NO_MODE;
		pit->channel[nr].gate = nr != 2;
		pit->channel[nr].count = 0x10000;
		pit->channel[nr].count_load_time = ktime_get_ns();
	}

	ret = vmm_irqchip_register(vm, VMM_BUS_PIO, PIT_PORT, 4, &pit->dev);
	if (ret)
		goto no_ports;
	if (flags & KVM_PIT_SPEAKER_DUMMY) {
		ret = vmm_irqchip_register(vm, VMM_BUS_PIO, PIT_PORT_SPEAKER, 1,
					   &pit->speaker_dev);
		if (ret)
			goto no_speaker;
	}
	mutex_lock(&vm->irq_lock);
	pit->reinject = true;
	vmm_ack_notifier_add(vm, &pit->notifier);
	mutex_unlock(&vm->irq_lock);
	smp_store_release(&vm->irqchip.pit, pit);
	return 0;

no_speaker:
	mutex_lock(&vm->slots_lock);
	vmm_bus_remove(vm, VMM_BUS_PIO, &pit->dev);
	mutex_unlock(&vm->slots_lock);
	hrtimer_cancel(&pit->timer);
no_ports:
	kfree(pit);
	return ret;
}

/**
 * vmm_pit_destroy() - stop it, take it off the bus and free it
 * @vm: the VM; no vCPU runs
 */
void vmm_pit_destroy(struct vmm_vm *vm)
{
	struct vmm_pit *pit = vm->irqchip.pit;

	if (!pit)
		return;
	mutex_lock(&vm->slots_lock);
	vmm_bus_remove(vm, VMM_BUS_PIO, &pit->dev);
	vmm_bus_remove(vm, VMM_BUS_PIO, &pit->speaker_dev);
	mutex_unlock(&vm->slots_lock);
	hrtimer_cancel(&pit->timer);
	if (pit->reinject) {
		mutex_lock(&vm->irq_lock);
		vmm_ack_notifier_remove(vm, &pit->notifier);
		mutex_unlock(&vm->irq_lock);
	}
	vm->irqchip.pit = NULL;
	kfree(pit);
}
