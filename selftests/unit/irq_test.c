// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PIC pair, the I/O APIC and the PIT as their data sheets and KVM's clients want
 * them. What they call is replaced by the recorders below, which also hold that no
 * controller calls out with its lock taken, but for IOAPIC -> LAPIC.
 */
#include <check.h>

#include "vmm.h"
#include "internal.h"

int locks_held;
u64 now = 1000000;

/* ---- what the controllers call ---- */

static struct vmm_vm vm;
static struct vmm_vcpu vcpu;
static struct vmm_irq_msg last_msg;
static unsigned int messages, acks, unmasks, raises;
static unsigned int last_ack;		/* chip << 8 | pin */
static int deliver_result = 1;
static bool eoi_pending;		/* some vCPU has the vector in IRR or ISR */
static void (*on_ack)(void);

int vmm_apic_deliver(struct vmm_vm *v, struct vmm_lapic *source, const struct vmm_irq_msg *msg)
{
	last_msg = *msg;
	messages++;
	return deliver_result;
}

bool vmm_apic_match(struct vmm_vm *v, struct vmm_lapic *target, struct vmm_lapic *source,
		    const struct vmm_irq_msg *msg)
{
	return true;
}

bool vmm_lapic_has_vector(struct vmm_vcpu *v, u8 vector)
{
	return eoi_pending;
}

bool vmm_notify_acked(struct vmm_vm *v, unsigned int chip, unsigned int pin)
{
	ck_assert_int_eq(locks_held, 0);
	acks++;
	last_ack = chip << 8 | pin;
	if (on_ack)
		on_ack();
	return true;
}

void vmm_notify_unmasked(struct vmm_vm *v, unsigned int chip, unsigned int pin)
{
	ck_assert_int_eq(locks_held, 0);
	unmasks++;
}

int vmm_set_irq(struct vmm_vm *v, int source, u32 gsi, int level)
{
	ck_assert_int_eq(gsi, 0);
	ck_assert_int_eq(source, VMM_IRQ_SOURCE_PIT);
	raises += level;
	return 1;
}

bool vmm_lapic_accepts_pic(struct vmm_vcpu *v) { return true; }
bool vmm_lapic_lint0_nmi(struct vmm_vcpu *v) { return false; }
int vmm_lapic_local_deliver(struct vmm_vcpu *v, int lvt) { return 0; }
int vmm_irqchip_register(struct vmm_vm *v, enum vmm_bus bus, u64 addr, int len,
			 struct vmm_iodev *dev) { return 0; }
void vmm_bus_remove(struct vmm_vm *v, enum vmm_bus bus, struct vmm_iodev *dev) { }
void vmm_ack_notifier_add(struct vmm_vm *v, struct vmm_ack_notifier *n) { }
void vmm_ack_notifier_remove(struct vmm_vm *v, struct vmm_ack_notifier *n) { }

#include "irq/pic.c"
#include "irq/ioapic.c"
#include "irq/pit.c"
#include "run_suite.h"

static void setup(void)
{
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.vm = &vm;
	vcpu.lapic = (struct vmm_lapic *)&vcpu;		/* only tested for being there */
	vm.online_vcpus = 1;
	vm.vcpus[0] = &vcpu;
	vm.irqchip.mode = VMM_IRQCHIP_FULL;
	messages = acks = unmasks = raises = 0;
	deliver_result = 1;
	eoi_pending = false;
	on_ack = NULL;
	ck_assert_int_eq(vmm_pic_create(&vm), 0);
	ck_assert_int_eq(vmm_ioapic_create(&vm), 0);
	ck_assert_int_eq(vmm_pit_create(&vm, KVM_PIT_SPEAKER_DUMMY), 0);
}

static void teardown(void)
{
	vmm_pit_destroy(&vm);
	vmm_ioapic_destroy(&vm);
	vmm_pic_destroy(&vm);
	ck_assert_int_eq(locks_held, 0);
}

/* ---- PIC ---- */

static void pic_out(unsigned int port, u8 value)
{
	struct vmm_iodev *dev = &vm.irqchip.pic->port[port >= 0x4d0 ? PORT_ELCR :
						       port >= 0xa0 ? PORT_SLAVE : PORT_MASTER].dev;

	ck_assert_int_eq(dev->ops->write(&vcpu, dev, port, 1, &value), 0);
}

static u8 pic_in(unsigned int port)
{
	struct vmm_iodev *dev = &vm.irqchip.pic->port[port >= 0x4d0 ? PORT_ELCR :
						       port >= 0xa0 ? PORT_SLAVE : PORT_MASTER].dev;
	u8 value = 0xee;

	ck_assert_int_eq(dev->ops->read(&vcpu, dev, port, 1, &value), 0);
	return value;
}

/* The sequence every BIOS and OS uses: vectors 20H and 28H. */
static void pic_init(u8 icw4)
{
	pic_out(0x20, 0x11);
	pic_out(0xa0, 0x11);
	pic_out(0x21, 0x20);
	pic_out(0xa1, 0x28);
	pic_out(0x21, 0x04);
	pic_out(0xa1, 0x02);
	pic_out(0x21, icw4);
	pic_out(0xa1, icw4);
	acks = 0;
}

static int pic_line(unsigned int pin, int level)
{
	return vmm_pic_set_irq(vm.irqchip.pic, pin, 0, level);
}

static void pic_pulse(unsigned int pin)
{
	pic_line(pin, 1);
	pic_line(pin, 0);
}

START_TEST(pic_gives_vectors_by_priority)
{
	pic_init(1);
	pic_pulse(12);
	pic_pulse(3);
	pic_pulse(1);
	ck_assert(vmm_pic_output(vm.irqchip.pic));
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x21);
	/* Lower ones wait for the EOI. */
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
	pic_out(0x20, 0x20);
	ck_assert_int_eq(last_ack, 1);
	/* The slave hangs on line 2, so it is before line 3. */
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x2c);
	pic_out(0xa0, 0x20);
	ck_assert_int_eq(last_ack, KVM_IRQCHIP_PIC_SLAVE << 8 | 4);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
	pic_out(0x20, 0x62);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x23);
	pic_out(0x20, 0x63);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
}
END_TEST

START_TEST(pic_mask_holds_back_and_releases)
{
	pic_init(1);
	pic_out(0x21, 0xff);
	unmasks = 0;
	ck_assert_int_eq(pic_line(4, 1), -1);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
	pic_out(0x21, 0xef);
	ck_assert_int_eq(unmasks, 1);
	ck_assert(vmm_pic_output(vm.irqchip.pic));
	ck_assert_int_gt(vcpu.kicks, 0);
	ck_assert_int_eq(pic_in(0x21), 0xef);
}
END_TEST

START_TEST(pic_edge_counts_once_and_level_repeats)
{
	pic_init(1);
	ck_assert_int_eq(pic_line(5, 1), 1);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x25);
	pic_out(0x20, 0x20);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
	pic_line(5, 0);
	pic_pulse(5);
	/* A second edge before the first was taken is lost, and said to be. */
	ck_assert_int_eq(pic_line(5, 1), 0);
	pic_line(5, 0);

	pic_out(0x4d0, 0xff);
	ck_assert_int_eq(pic_in(0x4d0), 0xf8);
	pic_out(0x4d1, 0xff);
	ck_assert_int_eq(pic_in(0x4d1), 0xde);
	pic_init(1);
	pic_line(5, 1);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x25);
	pic_out(0x20, 0x20);
	ck_assert(vmm_pic_output(vm.irqchip.pic));
	pic_line(5, 0);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
}
END_TEST

START_TEST(pic_sources_share_a_line)
{
	pic_init(1);
	pic_out(0x4d0, 0x20);
	vmm_pic_set_irq(vm.irqchip.pic, 5, VMM_IRQ_SOURCE_USER, 1);
	vmm_pic_set_irq(vm.irqchip.pic, 5, VMM_IRQ_SOURCE_RESAMPLE, 1);
	vmm_pic_set_irq(vm.irqchip.pic, 5, VMM_IRQ_SOURCE_USER, 0);
	ck_assert(vmm_pic_output(vm.irqchip.pic));
	vmm_pic_set_irq(vm.irqchip.pic, 5, VMM_IRQ_SOURCE_RESAMPLE, 0);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
}
END_TEST

START_TEST(pic_spurious_is_line_7)
{
	pic_init(1);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x27);
	pic_out(0x20, 0x0b);
	ck_assert_int_eq(pic_in(0x20), 0);		/* nothing in service */
	/* The slave's request vanishes between the master's INTA and its own. */
	pic_out(0x4d1, 0x02);
	pic_line(9, 1);
	pic_line(9, 0);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x2f);
	ck_assert_int_eq(pic_in(0x20), 0x04);
}
END_TEST

START_TEST(pic_rotation_and_set_priority)
{
	pic_init(1);
	pic_pulse(3);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x23);
	pic_out(0x20, 0xa0);				/* EOI, 3 becomes the lowest */
	pic_pulse(3);
	pic_pulse(4);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x24);
	pic_out(0x20, 0xe4);				/* specific, 4 becomes the lowest */
	pic_out(0x20, 0xc2);				/* 2 becomes the lowest, 3 the best */
	pic_pulse(0);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x23);
}
END_TEST

START_TEST(pic_automatic_eoi)
{
	pic_init(3);
	pic_pulse(6);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x26);
	ck_assert_int_eq(last_ack, 6);
	pic_out(0x20, 0x0b);
	ck_assert_int_eq(pic_in(0x20), 0);
	pic_out(0x20, 0x80);				/* rotate in automatic EOI mode */
	pic_pulse(0);
	vmm_pic_take(&vcpu);
	pic_pulse(0);
	pic_pulse(7);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x27);
}
END_TEST

START_TEST(pic_special_mask_and_nesting)
{
	pic_init(1);
	pic_pulse(1);
	vmm_pic_take(&vcpu);
	pic_pulse(5);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
	pic_out(0x21, 0x02);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
	pic_out(0x20, 0x68);				/* special mask mode */
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x25);

	pic_init(0x11);					/* special fully nested */
	pic_pulse(12);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x2c);
	pic_pulse(8);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 0x28);
	pic_init(1);
	pic_pulse(12);
	vmm_pic_take(&vcpu);
	pic_pulse(8);
	ck_assert(!vmm_pic_output(vm.irqchip.pic));
}
END_TEST

START_TEST(pic_poll_is_an_acknowledgement)
{
	pic_init(1);
	pic_out(0x20, 0x0c);
	ck_assert_int_eq(pic_in(0x20), 0);
	pic_pulse(4);
	pic_out(0x20, 0x0c);
	ck_assert_int_eq(pic_in(0x20), 0x84);
	pic_out(0x20, 0x0b);
	ck_assert_int_eq(pic_in(0x20), 0x10);
	pic_out(0x20, 0x0a);
	ck_assert_int_eq(pic_in(0x20), 0);
}
END_TEST

START_TEST(pic_takes_any_state)
{
	struct kvm_pic_state in, out;
	unsigned int i, port;

	for (i = 0; i < 256; i++) {
		memset(&in, i, sizeof(in));
		vmm_pic_set(vm.irqchip.pic, i & 1, &in);
		vmm_pic_get(vm.irqchip.pic, i & 1, &out);
		if (!(i & 1))
			continue;
		ck_assert_mem_eq(&in, &out, sizeof(in));
		for (port = 0; port < 16; port++)
			pic_pulse(port);
		ck_assert_int_lt(vmm_pic_take(&vcpu), 256);
		pic_in(0x20);
		pic_in(0xa1);
	}
	memset(&in, 0xff, sizeof(in));
	vmm_pic_set(vm.irqchip.pic, 0, &in);
	ck_assert_int_eq(vmm_pic_take(&vcpu), 6);
}
END_TEST

/* ---- I/O APIC ---- */

static void io_write(unsigned int reg, u32 value)
{
	struct vmm_iodev *dev = &vm.irqchip.ioapic->dev;

	dev->ops->write(&vcpu, dev, 0xfec00000, 4, &reg);
	dev->ops->write(&vcpu, dev, 0xfec00010, 4, &value);
}

static u32 io_read(unsigned int reg)
{
	struct vmm_iodev *dev = &vm.irqchip.ioapic->dev;
	u32 value = 0xeeeeeeee;

	dev->ops->write(&vcpu, dev, 0xfec00000, 4, &reg);
	dev->ops->read(&vcpu, dev, 0xfec00010, 4, &value);
	return value;
}

static int io_line(unsigned int pin, int level)
{
	return vmm_ioapic_set_irq(vm.irqchip.ioapic, pin, 0, level);
}

static void io_eoi(u8 vector, bool level)
{
	ck_assert(vmm_ioapic_wants_eoi(vm.irqchip.ioapic, vector));
	vmm_ioapic_eoi(&vcpu, vector, level, false);
}

START_TEST(ioapic_registers)
{
	u64 wide = 0;
	struct vmm_iodev *dev = &vm.irqchip.ioapic->dev;

	ck_assert_uint_eq(io_read(1), 0x00170011);
	io_write(0, 0xffffffff);
	ck_assert_uint_eq(io_read(0), 0x0f000000);
	ck_assert_uint_eq(io_read(2), 0x0f000000);
	ck_assert_uint_eq(io_read(0x10), 0x10000);
	ck_assert_uint_eq(io_read(0x3f), 0);
	ck_assert_uint_eq(io_read(0x40), ~0u);
	ck_assert_uint_eq(io_read(0x0f), ~0u);
	io_write(0x40, 5);
	/* Delivery status and Remote IRR are the chip's. */
	io_write(0x10, 0x1d0ff);
	ck_assert_uint_eq(io_read(0x10), 0x180ff);
	io_write(0x11, 0xab000000);
	ck_assert_uint_eq(io_read(0x11), 0xab000000);
	ck_assert_uint_eq(io_read(0x10), 0x180ff);
	ck_assert_int_eq(dev->ops->read(&vcpu, dev, 0xfec00010, 8, &wide), 0);
	ck_assert_uint_eq(wide, 0x180ff);
}
END_TEST

START_TEST(ioapic_message_says_what_the_entry_does)
{
	io_write(0x15, 0x5a000000);
	io_write(0x14, 0x0931);
	ck_assert_int_eq(io_line(2, 1), 1);
	ck_assert_uint_eq(last_msg.dest, 0x5a);
	ck_assert_uint_eq(last_msg.vector, 0x31);
	ck_assert_uint_eq(last_msg.mode, 0x100);
	ck_assert(last_msg.logical && !last_msg.level && last_msg.assert);
}
END_TEST

START_TEST(ioapic_edge)
{
	io_write(0x10, 0x40);
	ck_assert_int_eq(io_line(0, 1), 1);
	ck_assert_int_eq(io_line(0, 1), 0);		/* no new edge */
	ck_assert_int_eq(io_line(0, 0), 1);
	ck_assert_int_eq(io_line(0, 1), 1);
	ck_assert_uint_eq(messages, 2);
	ck_assert(!vmm_ioapic_wants_eoi(vm.irqchip.ioapic, 0x40));
	/* While masked an edge goes nowhere, and unmasking does not bring it back. */
	io_line(0, 0);
	io_write(0x10, 0x10040);
	ck_assert_int_lt(io_line(0, 1), 0);
	io_write(0x10, 0x40);
	ck_assert_uint_eq(messages, 2);
	ck_assert_uint_eq(unmasks, 2);
}
END_TEST

START_TEST(ioapic_level_waits_for_eoi_and_repeats)
{
	io_write(0x20, 0x8041);
	ck_assert_int_eq(io_line(8, 1), 1);
	ck_assert_uint_eq(io_read(0x20), 0xc041);
	ck_assert_int_eq(io_line(8, 1), 0);
	ck_assert_uint_eq(messages, 1);
	io_eoi(0x41, true);
	ck_assert_uint_eq(messages, 2);
	io_line(8, 0);
	io_eoi(0x41, true);
	ck_assert_uint_eq(messages, 2);
	ck_assert_uint_eq(io_read(0x20), 0x8041);
	/* The EOI of an edge of the same vector on another vCPU is not this pin's. */
	io_line(8, 1);
	io_eoi(0x41, false);
	ck_assert_uint_eq(io_read(0x20), 0xc041);
	/* To edge and back is how an OS without EOI register clears Remote IRR. */
	io_write(0x20, 0x10041);
	io_write(0x20, 0x8041);
	ck_assert_uint_eq(io_read(0x20), 0xc041);	/* still asserted: sent again */
	ck_assert_uint_eq(messages, 4);
}
END_TEST

START_TEST(ioapic_level_unmasked_is_sent)
{
	io_write(0x20, 0x18041);
	ck_assert_int_lt(io_line(8, 1), 0);
	io_write(0x20, 0x8041);
	ck_assert_uint_eq(messages, 1);
}
END_TEST

static void lower_line(void)
{
	vmm_ioapic_set_irq(vm.irqchip.ioapic, 8, VMM_IRQ_SOURCE_RESAMPLE, 0);
}

START_TEST(ioapic_resampled_line_can_fall)
{
	vmm_ioapic_set_ack_pins(vm.irqchip.ioapic, BIT(8));
	on_ack = lower_line;
	io_write(0x20, 0x8041);
	vmm_ioapic_set_irq(vm.irqchip.ioapic, 8, VMM_IRQ_SOURCE_RESAMPLE, 1);
	io_eoi(0x41, true);
	ck_assert_uint_eq(acks, 1);
	ck_assert_uint_eq(messages, 1);
	/* Asserted while masked; at the unmasking the device is asked first. */
	io_write(0x20, 0x18041);
	vmm_ioapic_set_irq(vm.irqchip.ioapic, 8, VMM_IRQ_SOURCE_RESAMPLE, 1);
	io_write(0x20, 0x8041);
	ck_assert_uint_eq(acks, 2);
	ck_assert_uint_eq(messages, 1);
	/* Somebody else's level does not fall with it. */
	vmm_ioapic_set_irq(vm.irqchip.ioapic, 8, VMM_IRQ_SOURCE_USER, 1);
	io_eoi(0x41, true);
	ck_assert_uint_eq(messages, 3);
}
END_TEST

START_TEST(ioapic_storm_pauses)
{
	unsigned int i;

	io_write(0x20, 0x8041);
	io_line(8, 1);
	for (i = 1; i < STORM_EOIS; i++)
		io_eoi(0x41, true);
	ck_assert_uint_eq(messages, STORM_EOIS);
	ck_assert(!vm.irqchip.ioapic->storm.queued);
	io_eoi(0x41, true);
	ck_assert_uint_eq(messages, STORM_EOIS);
	ck_assert(vm.irqchip.ioapic->storm.queued);
	storm_work(&vm.irqchip.ioapic->storm.work);
	ck_assert_uint_eq(messages, STORM_EOIS + 1);
}
END_TEST

START_TEST(ioapic_state_delivers_what_waits)
{
	struct kvm_ioapic_state s;

	io_write(0x14, 0x42);
	io_line(2, 1);
	vmm_ioapic_get(vm.irqchip.ioapic, &s);
	ck_assert_uint_eq(s.irr, 0);			/* sent: not to be sent again */
	s.irr = 4;
	s.redirtbl[3].bits = 0x8055;
	vmm_ioapic_set(vm.irqchip.ioapic, &s);
	ck_assert_uint_eq(messages, 2);
	ck_assert(vmm_ioapic_wants_eoi(vm.irqchip.ioapic, 0x55));
	memset(&s, 0xff, sizeof(s));
	vmm_ioapic_set(vm.irqchip.ioapic, &s);
	vmm_ioapic_get(vm.irqchip.ioapic, &s);
	ck_assert_uint_eq(s.id, 0xf);
	ck_assert_uint_eq(s.irr & ~0xffffffu, 0);
}
END_TEST

START_TEST(ioapic_lost_rtc_ticks_are_told)
{
	struct vmm_ioapic *io = vm.irqchip.ioapic;

	io_write(0x20, 0x48);
	ck_assert_int_eq(vmm_ioapic_set_irq(io, 8, VMM_IRQ_LINE_STATUS, 1), 1);
	vmm_ioapic_set_irq(io, 8, VMM_IRQ_LINE_STATUS, 0);
	eoi_pending = true;
	ck_assert_int_eq(vmm_ioapic_set_irq(io, 8, VMM_IRQ_LINE_STATUS, 1), 0);
	vmm_ioapic_set_irq(io, 8, VMM_IRQ_LINE_STATUS, 0);
	ck_assert_int_eq(vmm_ioapic_set_irq(io, 8, 0, 1), 1);
}
END_TEST

/* ---- PIT ---- */

static void pit_out(unsigned int port, u8 value)
{
	struct vmm_iodev *dev = port == 0x61 ? &vm.irqchip.pit->speaker_dev : &vm.irqchip.pit->dev;

	dev->ops->write(&vcpu, dev, port, 1, &value);
}

static u8 pit_in(unsigned int port)
{
	struct vmm_iodev *dev = port == 0x61 ? &vm.irqchip.pit->speaker_dev : &vm.irqchip.pit->dev;
	u8 value = 0;

	dev->ops->read(&vcpu, dev, port, 1, &value);
	return value;
}

static void pit_program(unsigned int channel, unsigned int mode, u16 count)
{
	pit_out(0x43, channel << 6 | 0x30 | mode << 1);
	pit_out(0x40 + channel, count & 0xff);
	pit_out(0x40 + channel, count >> 8);
}

static u64 ticks_to_ns(u64 ticks)
{
	return (ticks * 1000000000 + PIT_HZ - 1) / PIT_HZ;
}

static void advance(u64 ns)
{
	struct hrtimer *t = &vm.irqchip.pit->timer;
	u64 end = now + ns;

	while (t->active && (u64)t->expires <= end) {
		now = t->expires;
		t->active = t->function(t) == HRTIMER_RESTART;
	}
	now = end;
}

static void guest_acks(void)
{
	struct vmm_ack_notifier *n = &vm.irqchip.pit->notifier;

	n->acked(n);
}

START_TEST(pit_rate_generator_ticks)
{
	int i;

	pit_program(0, 2, 11932);			/* 100 Hz */
	for (i = 0; i < 100; i++) {
		advance(10000000 + 200);
		guest_acks();
	}
	ck_assert_uint_eq(raises, 100);
}
END_TEST

START_TEST(pit_one_shot_ticks_once)
{
	pit_program(0, 0, 1193);
	advance(999000);
	ck_assert_uint_eq(raises, 0);
	advance(100000000);
	ck_assert_uint_eq(raises, 1);
	guest_acks();
	ck_assert(!vm.irqchip.pit->timer.active);
}
END_TEST

START_TEST(pit_period_has_a_floor)
{
	pit_program(0, 2, 1);
	advance(200000 * 10);
	ck_assert_uint_le(vm.irqchip.pit->pending, 10);
	ck_assert_uint_eq(raises, 1);			/* never acknowledged */
}
END_TEST

START_TEST(pit_lost_ticks_are_made_up_for)
{
	int i;

	pit_program(0, 2, 11932);
	advance(50500000);
	ck_assert_uint_eq(raises, 1);
	for (i = 0; i < 10; i++)
		guest_acks();
	ck_assert_uint_eq(raises, 5);
	/* Opening the mask forgets them. */
	advance(50000000);
	vmm_pit_unmasked(vm.irqchip.pit);
	raises = 0;
	for (i = 0; i < 10; i++)
		guest_acks();
	ck_assert_uint_eq(raises, 0);
	/* Without reinjection every tick is sent as it comes. */
	vmm_pit_reinject(&vm, false);
	advance(50000000);
	ck_assert_uint_eq(raises, 5);
}
END_TEST

START_TEST(pit_counts_down)
{
	unsigned int value;

	pit_program(2, 0, 1000);
	now += ticks_to_ns(100);
	pit_out(0x43, 0x80);				/* latch channel 2 */
	now += ticks_to_ns(50);
	value = pit_in(0x42);
	value |= pit_in(0x42) << 8;
	ck_assert_uint_eq(value, 900);
	value = pit_in(0x42);				/* not latched: as it runs */
	value |= pit_in(0x42) << 8;
	ck_assert_uint_eq(value, 850);

	pit_program(2, 3, 1000);			/* by two, each half of the period */
	now += ticks_to_ns(100);
	pit_out(0x43, 0x80);
	value = pit_in(0x42);
	value |= pit_in(0x42) << 8;
	ck_assert_uint_eq(value, 800);

	pit_program(2, 2, 1000);
	now += ticks_to_ns(2300);
	pit_out(0x43, 0x80);
	value = pit_in(0x42);
	value |= pit_in(0x42) << 8;
	ck_assert_uint_eq(value, 700);
}
END_TEST

START_TEST(pit_reads_and_writes_single_bytes)
{
	pit_out(0x43, 0xa0);				/* channel 2, high byte only, mode 0 */
	pit_out(0x42, 0x12);
	ck_assert_uint_eq(vm.irqchip.pit->channel[2].count, 0x1200);
	now += ticks_to_ns(1);
	ck_assert_uint_eq(pit_in(0x42), 0x11);
	pit_out(0x43, 0x90);				/* low byte only */
	pit_out(0x42, 0);
	ck_assert_uint_eq(vm.irqchip.pit->channel[2].count, 0x10000);
	now += ticks_to_ns(1);
	ck_assert_uint_eq(pit_in(0x42), 0xff);
	ck_assert_uint_eq(pit_in(0x43), 0);
}
END_TEST

START_TEST(pit_read_back)
{
	unsigned int value;

	pit_program(2, 0, 1000);
	now += ticks_to_ns(10);
	pit_out(0x43, 0xc8);				/* count and status of channel 2 */
	now += ticks_to_ns(2000);
	ck_assert_uint_eq(pit_in(0x42), 0x30);		/* status first; output low */
	value = pit_in(0x42);
	value |= pit_in(0x42) << 8;
	ck_assert_uint_eq(value, 990);
	pit_out(0x43, 0xe8);				/* status only */
	ck_assert_uint_eq(pit_in(0x42), 0xb0);
}
END_TEST

START_TEST(pit_port_61)
{
	u8 a, b;

	pit_out(0x61, 3);
	pit_program(2, 0, 1193);
	ck_assert_uint_eq(pit_in(0x61) & 0x2f, 0x03);
	now += 1000100;
	ck_assert_uint_eq(pit_in(0x61) & 0x2f, 0x23);
	a = pit_in(0x61) & 0x10;
	now += 1 << 14;
	b = pit_in(0x61) & 0x10;
	ck_assert_uint_ne(a, b);
	/* A rising gate starts mode 1 over. */
	pit_program(2, 1, 1193);
	now += 2000000;
	ck_assert_uint_eq(pit_in(0x61) & 0x20, 0);
	pit_out(0x61, 0);
	pit_out(0x61, 1);
	ck_assert_uint_eq(pit_in(0x61) & 0x23, 0x21);
}
END_TEST

START_TEST(pit_state)
{
	struct kvm_pit_state2 s;

	/* Before any programming nothing ticks, and a round trip does not change that. */
	ck_assert_int_eq(vmm_pit_get(&vm, &s), 0);
	ck_assert_uint_eq(s.channels[0].mode, 0xff);
	vmm_pit_set(&vm, &s);
	advance(1000000000);
	ck_assert_uint_eq(raises, 0);

	pit_program(0, 2, 11932);
	vmm_pit_get(&vm, &s);
	ck_assert_uint_eq(s.channels[0].count, 11932);
	s.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	vmm_pit_set(&vm, &s);
	advance(1000000000);
	ck_assert_uint_eq(raises, 0);
	s.flags = 0;
	vmm_pit_set(&vm, &s);
	advance(11000000);
	ck_assert_uint_eq(raises, 1);

	/* Bit 2 of the mode means nothing in modes 2 and 3. */
	pit_program(0, 7, 11932);
	vmm_pit_get(&vm, &s);
	ck_assert_uint_eq(s.channels[0].mode, 3);

	memset(&s, 0xff, sizeof(s));
	s.channels[0].mode = 9;
	vmm_pit_set(&vm, &s);
	vmm_pit_get(&vm, &s);
	ck_assert_uint_eq(s.channels[0].mode, 0xff);
	pit_in(0x40);
	pit_in(0x61);
	pit_out(0x43, 0xde);
	memset(&s, 0x02, sizeof(s));
	s.channels[0].count = 0;
	vmm_pit_set(&vm, &s);
	vmm_pit_get(&vm, &s);
	ck_assert_uint_eq(s.channels[0].count, 0x10000);
}
END_TEST

int main(void)
{
	const TTest *const pic[] = {
		pic_gives_vectors_by_priority, pic_mask_holds_back_and_releases,
		pic_edge_counts_once_and_level_repeats, pic_sources_share_a_line,
		pic_spurious_is_line_7, pic_rotation_and_set_priority, pic_automatic_eoi,
		pic_special_mask_and_nesting, pic_poll_is_an_acknowledgement, pic_takes_any_state,
	}, *const ioapic[] = {
		ioapic_registers, ioapic_message_says_what_the_entry_does, ioapic_edge,
		ioapic_level_waits_for_eoi_and_repeats, ioapic_level_unmasked_is_sent,
		ioapic_resampled_line_can_fall, ioapic_storm_pauses,
		ioapic_state_delivers_what_waits, ioapic_lost_rtc_ticks_are_told,
	}, *const pit[] = {
		pit_rate_generator_ticks, pit_one_shot_ticks_once, pit_period_has_a_floor,
		pit_lost_ticks_are_made_up_for, pit_counts_down,
		pit_reads_and_writes_single_bytes, pit_read_back, pit_port_61, pit_state,
	};
	const struct {
		const char *name;
		const TTest *const *tests;
		size_t n;
	} cases[] = {
		{ "pic", pic, ARRAY_SIZE(pic) },
		{ "ioapic", ioapic, ARRAY_SIZE(ioapic) },
		{ "pit", pit, ARRAY_SIZE(pit) },
	};
	Suite *suite = suite_create("irq");
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		TCase *tc = tcase_create(cases[i].name);

		tcase_add_checked_fixture(tc, setup, teardown);
		for (j = 0; j < cases[i].n; j++)
			tcase_add_test(tc, cases[i].tests[j]);
		suite_add_tcase(suite, tc);
	}
	return run_suite(suite);
}
