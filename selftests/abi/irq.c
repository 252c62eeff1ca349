// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: interrupts, timers and the clock, with the module's irqchip.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "lib.h"

#define APIC_ID		0x20
#define APIC_TPR	0x80
#define APIC_EOI	0xb0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_IRR	0x200
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVTT	0x320
#define APIC_LVT0	0x350
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0

static void eoi(struct frame *f)
{
	(void)f;
	lapic_write(APIC_EOI, 0);
}

static void pic_eoi(struct frame *f)
{
	if (f->vector >= 0x38)
		g_outb(0xa0, 0x20);
	g_outb(0x20, 0x20);
}

static void lapic_on(void)
{
	guest.irq = eoi;
	lapic_write(APIC_SVR, 0x1ff);
	lapic_write(APIC_LVT0, 0x10000);	/* nothing from the PIC */
}

/* Halt until vector's count reaches n. */
static void wait_for(int vector, uint64_t n)
{
	while (guest.count[vector] < n)
		g_halt();
}

static struct vm *irq_vm(unsigned int flags, void (*code)(void))
{
	struct vm *vm = vm_new(WITH_IRQCHIP | flags);

	vcpu_call(vm, 0, code);
	return vm;
}

/* ---- LAPIC timer --------------------------------------------------------------------- */

static void one_shot_guest(void)
{
	lapic_on();
	lapic_write(APIC_TDCR, 0xb);		/* divide by 1 */
	lapic_write(APIC_LVTT, 0x41);
	lapic_write(APIC_TMICT, 100000);
	wait_for(0x41, 1);
	guest.v[0] = lapic_read(APIC_TMCCT);
	lapic_write(APIC_LVTT, 0x10041);	/* masked: counts, but does not interrupt */
	lapic_write(APIC_TMICT, 1000);
	while (lapic_read(APIC_TMCCT))
		;
	asm volatile("sti; nop; cli");
}

static void one_shot(void)
{
	struct vm *vm = irq_vm(0, one_shot_guest);

	expect_sync(vm, 0, DONE);
	EQUAL(guest.count[0x41], 1);
	EQUAL(guest.v[0], 0);
}

/* Interrupts on, without an exit, until the vector has come n times. */
static void spin_for(int vector, uint64_t n)
{
	asm volatile("sti");
	while (guest.count[vector] < n)
		;
	asm volatile("cli");
}

/* The timer may be kept by the hardware while the guest runs, and only then. */
static void anywhere_guest(void)
{
	uint64_t t;

	lapic_on();
	lapic_write(APIC_TDCR, 0xb);
	lapic_write(APIC_LVTT, 0x45);
	lapic_write(APIC_TMICT, 3000000);	/* 3 ms, spinning */
	spin_for(0x45, 1);
	lapic_write(APIC_TMICT, 3000000);	/* asleep */
	wait_for(0x45, 2);
	lapic_write(APIC_TMICT, 6000000);	/* spinning first */
	while (lapic_read(APIC_TMCCT) > 4000000)
		;
	wait_for(0x45, 3);
	lapic_write(APIC_TMICT, 3000000);
	sync_host(1);				/* user space is away for longer */
	guest.v[0] = lapic_read(APIC_TMCCT);
	asm volatile("sti; nop; cli");
	guest.v[1] = guest.count[0x45];
	lapic_write(APIC_TMICT, 20000000);	/* 20 ms; stopped: never */
	lapic_write(APIC_TMICT, 0);
	t = g_rdtsc() + 100000000;
	asm volatile("sti");
	while (g_rdtsc() < t)
		;
	asm volatile("cli");
	guest.v[2] = guest.count[0x45];
}

static void anywhere(void)
{
	struct vm *vm = irq_vm(0, anywhere_guest);

	expect_sync(vm, 0, 1);
	EQUAL(guest.count[0x45], 3);
	usleep(10000);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0);
	EQUAL(guest.v[1], 4);
	EQUAL(guest.v[2], 4);
}

static void periodic_guest(void)
{
	lapic_on();
	lapic_write(APIC_TDCR, 0xb);
	lapic_write(APIC_LVTT, 0x20042);
	lapic_write(APIC_TMICT, 2000000);	/* 2 ms */
	wait_for(0x42, 20);
	lapic_write(APIC_TMICT, 0);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void periodic(void)
{
	struct vm *vm = irq_vm(0, periodic_guest);
	double t = now();

	expect_sync(vm, 0, DONE);
	t = now() - t;
	CHECK(guest.count[0x42] >= 20);
	/* 20 periods of 2 ms; a busy machine may be late, never early. */
	if (t < 0.037)
		fail("20 periods of 2 ms took %f s", t);
}

static void deadline_guest(void)
{
	uint64_t at;
	int i;

	lapic_on();
	lapic_write(APIC_LVTT, 0x40043);
	for (i = 1; i <= 5; i++) {
		at = g_rdtsc() + 2000000;
		g_wrmsr(0x6e0, at);
		guest.v[3] = g_rdmsr(0x6e0) == at || g_rdtsc() >= at;
		wait_for(0x43, i);
		if (g_rdtsc() < at)
			guest.v[0]++;
		guest.v[1] |= g_rdmsr(0x6e0);
	}
	/* In the past: at once. */
	g_wrmsr(0x6e0, 1);
	wait_for(0x43, 6);
	/* Disarmed: never. */
	g_wrmsr(0x6e0, g_rdtsc() + 30000000);
	g_wrmsr(0x6e0, 0);
	at = g_rdtsc() + 33000000;
	while (g_rdtsc() < at)
		asm volatile("sti; nop; cli");
	guest.v[2] = guest.count[0x43];
}

static void deadline(void)
{
	struct vm *vm = irq_vm(0, deadline_guest);
	struct kvm_cpuid2 *c = supported_cpuid();
	uint32_t i;

	/* KVM leaves it to user space to say that it is there. */
	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == 1)
			c->entries[i].ecx |= 1 << 24;
	MUST(ioctl(vm->vcpu[0], KVM_SET_CPUID2, c));
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0);		/* none came early */
	EQUAL(guest.v[1], 0);		/* the MSR reads 0 afterwards */
	EQUAL(guest.v[2], 6);
	EQUAL(guest.v[3], 1);
}

/* ---- x2APIC, self-IPI, priorities -------------------------------------------------------- */

static void x2apic_guest(void)
{
	guest.irq = NULL;
	g_wrmsr(0x1b, g_rdmsr(0x1b) | 0x400);
	g_wrmsr(0x80f, 0x1ff);
	guest.v[0] = g_rdmsr(0x802);
	guest.v[1] = g_rdmsr(0x803);
	g_wrmsr(0x83f, 0x51);			/* self IPI */
	asm volatile("sti; nop; cli");
	guest.v[2] = g_rdmsr(0x812);		/* ISR 0x40-0x5f: in service */
	g_wrmsr(0x80b, 0);
	guest.v[3] = g_rdmsr(0x812);
	guest.v[4] = TRY("wrmsr", : "c" (0x80b), "a" (1), "d" (0));
	guest.v[5] = TRY("rdmsr", : "c" (0x80e) : "eax", "edx");
	guest.v[6] = TRY("wrmsr", : "c" (0x802), "a" (1), "d" (0));
	g_wrmsr(0x808, 0x60);
	g_wrmsr(0x83f, 0x52);
	asm volatile("sti; nop; cli");
	guest.v[7] = guest.count[0x52];		/* below the TPR */
	g_wrmsr(0x808, 0);
	asm volatile("sti; nop; cli");
	guest.v[8] = guest.count[0x52];
	g_wrmsr(0x80b, 0);
	/* Back is only by way of off. */
	guest.v[9] = TRY("wrmsr", : "c" (0x1b), "a" (0xfee00900), "d" (0));
}

static void x2apic(void)
{
	struct vm *vm = irq_vm(0, x2apic_guest);

	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0);
	answer("version", "%#llx", (unsigned long long)guest.v[1]);
	EQUAL(guest.count[0x51], 1);
	EQUAL(guest.v[2], 1 << 17);
	EQUAL(guest.v[3], 0);
	answer("EOI of 1", "%lld", (long long)guest.v[4]);
	EQUAL(guest.v[5], 13);
	EQUAL(guest.v[6], 13);
	EQUAL(guest.v[7], 0);
	EQUAL(guest.v[8], 1);
	EQUAL(guest.v[9], 13);
}

static void xapic_guest(void)
{
	lapic_on();
	guest.v[0] = lapic_read(APIC_ID);
	lapic_write(APIC_ICR, 0x40061);		/* fixed, to self */
	lapic_write(APIC_ICR, 0x40071);
	guest.v[1] = lapic_read(APIC_IRR + 0x30);
	asm volatile("sti; nop; cli");
	lapic_write(APIC_TPR, 0x80);
	lapic_write(APIC_ICR, 0x40062);
	asm volatile("sti; nop; cli");
	guest.v[2] = guest.count[0x62];
	asm volatile("mov %0, %%cr8; sti; nop; cli" : : "r" (0ul));
	guest.v[3] = guest.count[0x62];
	guest.v[4] = lapic_read(APIC_TPR);
	lapic_write(APIC_ICR, 0x40000 | 0x400);	/* an NMI to self */
	asm volatile("nop; nop");
	guest.v[5] = guest.count[2];
}

static void xapic(void)
{
	struct vm *vm = irq_vm(0, xapic_guest);

	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0);
	EQUAL(guest.v[1], 1 << 17 | 1 << 1);
	EQUAL(guest.count[0x61], 1);
	EQUAL(guest.count[0x71], 1);
	EQUAL(guest.v[2], 0);
	EQUAL(guest.v[3], 1);
	EQUAL(guest.v[4], 0);
	EQUAL(guest.v[5], 1);
}

/* ---- NMI ---------------------------------------------------------------------------------- */

static void nmi_guest(void)
{
	sync_host(1);
	asm volatile("nop; nop");
	sync_host(2);
	while (guest.count[2] < 2)
		asm volatile("hlt");		/* interrupts are off: only an NMI ends it */
}

static void *nmi_thread(void *arg)
{
	struct vm *vm = arg;
	struct timespec nap = { .tv_nsec = 20000000 };

	nanosleep(&nap, NULL);
	/* vcpu ioctls wait for KVM_RUN: an MSI of delivery mode NMI does not. */
	MUST(ioctl(vm->fd, KVM_SIGNAL_MSI,
		   &(struct kvm_msi) { .address_lo = 0xfee00000, .data = 0x400 }));
	return NULL;
}

static void nmi(void)
{
	struct vm *vm = irq_vm(0, nmi_guest);
	pthread_t thread;

	expect_sync(vm, 0, 1);
	MUST(ioctl(vm->vcpu[0], KVM_NMI, 0));
	expect_sync(vm, 0, 2);
	EQUAL(guest.count[2], 1);
	CHECK(pthread_create(&thread, NULL, nmi_thread, vm) == 0);
	expect_sync(vm, 0, DONE);
	pthread_join(thread, NULL);
	EQUAL(guest.count[2], 2);
}

/* ---- PIC, PIT, IOAPIC, MSI, irqfd ---------------------------------------------------------------- */

static void pic_on(uint16_t unmasked)
{
	guest.irq = pic_eoi;
	lapic_write(APIC_SVR, 0x1ff);
	lapic_write(APIC_LVT0, 0x700);		/* ExtINT */
	g_outb(0x20, 0x11);
	g_outb(0x21, 0x30);
	g_outb(0x21, 4);
	g_outb(0x21, 1);
	g_outb(0xa0, 0x11);
	g_outb(0xa1, 0x38);
	g_outb(0xa1, 2);
	g_outb(0xa1, 1);
	g_outb(0x21, ~unmasked & 0xff);
	g_outb(0xa1, ~unmasked >> 8);
}

static void pit_guest(void)
{
	pic_on(1);
	g_outb(0x43, 0x34);			/* channel 0, mode 2 */
	g_outb(0x40, 0xa9);			/* 1193: 1 ms */
	g_outb(0x40, 0x04);
	wait_for(0x30, 20);
	g_outb(0x21, 0xff);
	/* Channel 2 through port 0x61. */
	g_outb(0x61, 1);
	g_outb(0x43, 0xb0);			/* mode 0 */
	g_outb(0x42, 0xff);			/* 55 ms: a busy host may look away meanwhile */
	g_outb(0x42, 0xff);
	guest.v[0] = g_inb(0x61) & 0x20;
	while (!(g_inb(0x61) & 0x20))
		;
	g_outb(0x43, 0xe8);			/* read back: status of channel 2 */
	guest.v[1] = g_inb(0x42);
}

static void pic_and_pit(void)
{
	struct vm *vm = irq_vm(WITH_PIT, pit_guest);
	double t = now();

	expect_sync(vm, 0, DONE);
	t = now() - t;
	CHECK(guest.count[0x30] >= 20);
	if (t < 0.010)
		fail("20 ticks of 1 ms took %f s", t);
	EQUAL(guest.v[0], 0);
	EQUAL(guest.v[1], 0xb0);
}

static void pic_line_guest(void)
{
	pic_on(1 << 4 | 1 << 2 | 1 << 12);
	sync_host(1);
	wait_for(0x34, 1);
	sync_host(2);
	wait_for(0x3c, 1);
}

static void line(struct vm *vm, uint32_t irq, uint32_t level)
{
	MUST(ioctl(vm->fd, KVM_IRQ_LINE, &(struct kvm_irq_level) { .irq = irq, .level = level }));
}

static void pic_lines(void)
{
	struct vm *vm = irq_vm(0, pic_line_guest);
	struct kvm_irq_level l = { .irq = 4, .level = 1 };

	expect_sync(vm, 0, 1);
	ask("raise, with status", ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &l));
	answer("status, raised", "%d", l.status);
	l.level = 1;
	ask("raise again, with status", ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &l));
	answer("status, raised again", "%d", l.status);
	l.level = 0;
	ask("lower, with status", ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &l));
	answer("status, lowered", "%d", l.status);
	expect_sync(vm, 0, 2);
	line(vm, 12, 1);
	line(vm, 12, 0);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.count[0x34], 1);
	EQUAL(guest.count[0x3c], 1);
}

static void ioapic_write(uint32_t reg, uint32_t v)
{
	*(volatile uint32_t *)0xfec00000ul = reg;
	*(volatile uint32_t *)0xfec00010ul = v;
}

static uint32_t ioapic_read(uint32_t reg)
{
	*(volatile uint32_t *)0xfec00000ul = reg;
	return *(volatile uint32_t *)0xfec00010ul;
}

static void ioapic_guest(void)
{
	lapic_on();
	guest.v[0] = ioapic_read(1);
	ioapic_write(0x10 + 2 * 5 + 1, 0);
	ioapic_write(0x10 + 2 * 5, 0x81);		/* pin 5, edge */
	ioapic_write(0x10 + 2 * 10 + 1, 0);
	ioapic_write(0x10 + 2 * 10, 0x8082);		/* pin 10, level */
	guest.v[1] = ioapic_read(0x10 + 2 * 10);
	sync_host(1);
	wait_for(0x81, 1);
	sync_host(2);
	wait_for(0x82, 3);	/* level: again and again until lowered */
	sync_host(3);
	guest.v[2] = guest.count[0x82];
	asm volatile("sti; nop; cli");
	ioapic_write(0x10 + 2 * 5, 0x10081);		/* masked */
	sync_host(4);
	asm volatile("sti; nop; cli");
	sync_host(5);
	wait_for(0x91, 1);
}

static void ioapic(void)
{
	struct vm *vm = irq_vm(0, ioapic_guest);

	expect_sync(vm, 0, 1);
	answer("version", "%#llx", (unsigned long long)guest.v[0]);
	answer("entry", "%#llx", (unsigned long long)guest.v[1]);
	line(vm, 5, 1);
	line(vm, 5, 0);
	expect_sync(vm, 0, 2);
	line(vm, 10, 1);
	expect_sync(vm, 0, 3);
	line(vm, 10, 0);
	expect_sync(vm, 0, 4);
	CHECK(guest.count[0x82] <= guest.v[2] + 1);
	line(vm, 5, 1);
	line(vm, 5, 0);
	expect_sync(vm, 0, 5);
	EQUAL(guest.count[0x81], 1);
	EQUAL(MUST(ioctl(vm->fd, KVM_SIGNAL_MSI,
			 &(struct kvm_msi) { .address_lo = 0xfee00000, .data = 0x91 })), 1);
	expect_sync(vm, 0, DONE);
	/* To an APIC nobody has. */
	ask("MSI to nobody", ioctl(vm->fd, KVM_SIGNAL_MSI,
				   &(struct kvm_msi) { .address_lo = 0xfee07000, .data = 0x91 }));
}

static void irqfd_guest(void)
{
	lapic_on();
	ioapic_write(0x10 + 2 * 6 + 1, 0);
	ioapic_write(0x10 + 2 * 6, 0xa1);
	ioapic_write(0x10 + 2 * 7 + 1, 0);
	ioapic_write(0x10 + 2 * 7, 0x80a2);		/* level, resampled */
	sync_host(1);
	wait_for(0xa1, 1);
	sync_host(2);
	wait_for(0xa2, 1);
	sync_host(3);
	wait_for(0xa3, 1);
	/* ioeventfds */
	*(volatile uint32_t *)MMIO = 0x1234;		/* matches: no exit */
	asm volatile("outw %0, %1" : : "a" ((uint16_t)7), "d" ((uint16_t)0x501));
	*(volatile uint32_t *)MMIO = 0x4321;		/* does not */
}

static uint64_t counter(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t v = 0;

	if (poll(&p, 1, 0) == 1 && read(fd, &v, 8) != 8)
		return ~0ull;
	return v;
}

static void kick(int fd)
{
	uint64_t one = 1;

	CHECK(write(fd, &one, 8) == 8);
}

static void irqfd(void)
{
	struct vm *vm = irq_vm(0, irqfd_guest);
	int edge = eventfd(0, 0), level = eventfd(0, 0), resample = eventfd(0, 0), msi = eventfd(0, 0);
	int mmio = eventfd(0, 0), pio = eventfd(0, 0);
	struct kvm_ioeventfd io = {
		.fd = mmio, .addr = MMIO, .len = 4, .datamatch = 0x1234,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry e[3];
	} r = {
		.head.nr = 3,
		.e = {
			{ .gsi = 6, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 2, 6 } },
			{ .gsi = 7, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 2, 7 } },
			{ .gsi = 30, .type = KVM_IRQ_ROUTING_MSI,
			  .u.msi = { .address_lo = 0xfee00000, .data = 0xa3 } },
		},
	};

	MUST(ioctl(vm->fd, KVM_IRQFD, &(struct kvm_irqfd) { .fd = edge, .gsi = 6 }));
	MUST(ioctl(vm->fd, KVM_IRQFD, &(struct kvm_irqfd) {
		.fd = level, .gsi = 7, .flags = KVM_IRQFD_FLAG_RESAMPLE, .resamplefd = resample }));
	MUST(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &r));
	MUST(ioctl(vm->fd, KVM_IRQFD, &(struct kvm_irqfd) { .fd = msi, .gsi = 30 }));
	MUST(ioctl(vm->fd, KVM_IOEVENTFD, &io));
	io = (struct kvm_ioeventfd) { .fd = pio, .addr = 0x501, .len = 2,
				      .flags = KVM_IOEVENTFD_FLAG_PIO };
	MUST(ioctl(vm->fd, KVM_IOEVENTFD, &io));
	expect_sync(vm, 0, 1);
	kick(edge);
	expect_sync(vm, 0, 2);
	EQUAL(counter(resample), 0);
	kick(level);
	expect_sync(vm, 0, 3);
	EQUAL(counter(resample), 1);
	kick(msi);
	run_until(vm, 0, KVM_EXIT_MMIO);
	EQUAL(*(uint32_t *)vm->run[0]->mmio.data, 0x4321);
	expect_sync(vm, 0, DONE);
	EQUAL(counter(mmio), 1);
	EQUAL(counter(pio), 1);
	EQUAL(guest.count[0xa1], 1);
	EQUAL(guest.count[0xa2], 1);
}

/* ---- split irqchip --------------------------------------------------------------------------------- */

static void split_guest(void)
{
	lapic_on();
	asm volatile("sti");
	*(volatile uint32_t *)0xfec00000ul = 0;		/* the IOAPIC is user space's */
	sync_host(1);
	while (guest.count[0x91] < 1)
		asm volatile("sti; hlt");
}

static void split_irqchip(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	struct vm *vm = vm_new(NO_VCPU);

	MUST(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vm_add_vcpu(vm);
	vm->irqchip = true;
	vcpu_call(vm, 0, split_guest);
	run_until(vm, 0, KVM_EXIT_MMIO);
	EQUAL(vm->run[0]->mmio.phys_addr, 0xfec00000);
	expect_sync(vm, 0, 1);
	MUST(ioctl(vm->fd, KVM_SIGNAL_MSI,
		   &(struct kvm_msi) { .address_lo = 0xfee00000, .data = 0x91 }));
	expect_sync(vm, 0, DONE);
}

/*
 * A user space that has an interrupt for a guest whose LAPIC lets none of the PIC's
 * through: it learns that it may not inject, and the guest goes on undisturbed.
 */
static void split_masked_guest(void)
{
	uint64_t i;

	lapic_on();
	sync_host(1);
	asm volatile("sti" : : : "memory");
	for (i = 0; i < 100000; i++)
		asm volatile("" : : "r" (i));
	sync_host(2);
	asm volatile("cli" : : : "memory");
	lapic_write(APIC_LVT0, 0x700);		/* ExtINT */
	asm volatile("sti" : : : "memory");
	for (;;)
		guest.v[0]++;
}

static void split_masked(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	struct vm *vm = vm_new(NO_VCPU);

	MUST(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vm->irqchip = true;
	vm_add_vcpu(vm);
	vcpu_call(vm, 0, split_masked_guest);
	expect_sync(vm, 0, 1);
	vm->run[0]->request_interrupt_window = 1;
	expect_sync(vm, 0, 2);
	EQUAL(vm->run[0]->ready_for_interrupt_injection, 0);
	/* Once the LAPIC lets it: at the first chance. */
	run_until(vm, 0, KVM_EXIT_IRQ_WINDOW_OPEN);
	EQUAL(vm->run[0]->ready_for_interrupt_injection, 1);
	EQUAL(vm->run[0]->if_flag, 1);
}

/* ---- two vCPUs ----------------------------------------------------------------------------------------- */

/* At 0x9000, where a SIPI of vector 9 leads: real mode, then straight to long mode. */
RAW_GUEST(ap16, 16,
	"cli; xor %ax, %ax; mov %ax, %ds\n"
	"lgdtl (gdtr16 - ap16_start + 0x9000)\n"
	"lidtl (idtr16 - ap16_start + 0x9000)\n"
	"mov $0x620, %eax; mov %eax, %cr4\n"
	"mov $0x10000, %eax; mov %eax, %cr3\n"
	"mov $0xc0000080, %ecx; mov $0x100, %eax; xor %edx, %edx; wrmsr\n"
	"mov $0x80010031, %eax; mov %eax, %cr0\n"
	"ljmpl $0x18, $(ap64 - ap16_start + 0x9000)\n"
	".code64\n"
	"ap64: mov $0x10, %eax; mov %eax, %ds; mov %eax, %ss; mov %eax, %es\n"
	"mov $0x5fff8, %esp\n"
	"mov $ap_main, %eax; call *%rax\n"
	"1: cli; hlt; jmp 1b\n"
	"gdtr16: .word 71; .long 0x1000\n"
	"idtr16: .word 0xfff; .long 0x2000\n");

static void ap_irq(struct frame *f)
{
	(void)f;
	lapic_write(APIC_EOI, 0);
}

__attribute__((used)) void ap_main(void);
void ap_main(void)
{
	lapic_write(APIC_SVR, 0x1ff);
	guest.v[1] = lapic_read(APIC_ID) >> 24;
	asm volatile("" : : : "memory");
	guest.v[0] = 1;
	for (;;) {
		asm volatile("sti; hlt; cli" : : : "memory");
		guest.v[2]++;
		/* Answer with an IPI of our own. */
		lapic_write(APIC_ICR2, 0);
		lapic_write(APIC_ICR, 0x4072);
	}
}

static void send_ipi(uint32_t apic, uint32_t icr)
{
	lapic_write(APIC_ICR2, apic << 24);
	lapic_write(APIC_ICR, icr);
	while (lapic_read(APIC_ICR) & 0x1000)
		;
}

static void bsp_guest(void)
{
	int i;

	guest.irq = ap_irq;
	lapic_write(APIC_SVR, 0x1ff);
	send_ipi(1, 0x4500);		/* INIT */
	send_ipi(1, 0x4609);		/* SIPI to 0x9000 */
	while (!guest.v[0])
		asm volatile("pause");
	for (i = 1; i <= 20; i++) {
		send_ipi(1, 0x4071);
		wait_for(0x72, i);
	}
}

static void *ap_thread(void *arg)
{
	struct vm *vm = arg;

	/* EAGAIN says that it is out of INIT; the signal at the end, EINTR. */
	while (!guest.v[3])
		if (ioctl(vm->vcpu[1], KVM_RUN, 0) < 0 && errno != EAGAIN && errno != EINTR)
			fail("the AP's KVM_RUN: %s", errno_name(errno));
	return NULL;
}

static void two_vcpus(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	pthread_t thread;

	vm_add_vcpu(vm);
	memcpy(vm->low + 0x9000, ap16_start, ap16_end - ap16_start);
	vcpu_call(vm, 0, bsp_guest);
	MUST(ioctl(vm->vcpu[1], KVM_GET_MP_STATE, &mp));
	EQUAL(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	CHECK(pthread_create(&thread, NULL, ap_thread, vm) == 0);
	expect_sync(vm, 0, DONE);
	guest.v[3] = 1;
	vm->run[1]->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	EQUAL(guest.v[1], 1);
	EQUAL(guest.count[0x71], 20);
	EQUAL(guest.count[0x72], 20);
	MUST(ioctl(vm->vcpu[1], KVM_GET_REGS, &regs));
	CHECK(regs.rsp > 0x50000 && regs.rsp < 0x60000);
	MUST(ioctl(vm->vcpu[1], KVM_GET_MP_STATE, &mp));
	CHECK(mp.mp_state == KVM_MP_STATE_HALTED || mp.mp_state == KVM_MP_STATE_RUNNABLE);
}

/* Its first KVM_RUN makes an uninitialised vCPU ready for INIT, and tells of it. */
static void ap_waits(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_mp_state mp;

	vm_add_vcpu(vm);
	alarm(1);
	ask("KVM_RUN of a vCPU that waits for INIT", ioctl(vm->vcpu[1], KVM_RUN, 0));
	alarm(0);
	MUST(ioctl(vm->vcpu[1], KVM_GET_MP_STATE, &mp));
	answer("mp_state", "%u", mp.mp_state);
}

static void init_guest(void)
{
	lapic_write(APIC_SVR, 0x1ff);
	send_ipi(1, 0x4500);
}

/* What an STI held off is no longer held off. */
static void init_resets(void)
{
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_vcpu_events events;

	vm_add_vcpu(vm);
	vcpu_call(vm, 1, init_guest);
	MUST(ioctl(vm->vcpu[1], KVM_SET_MP_STATE, &mp));
	MUST(ioctl(vm->vcpu[1], KVM_GET_VCPU_EVENTS, &events));
	events.flags = KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	MUST(ioctl(vm->vcpu[1], KVM_SET_VCPU_EVENTS, &events));
	MUST(ioctl(vm->vcpu[1], KVM_GET_VCPU_EVENTS, &events));
	CHECK(events.interrupt.shadow & KVM_X86_SHADOW_INT_STI);	/* AMD-V cannot tell which */
	vcpu_call(vm, 0, init_guest);
	expect_sync(vm, 0, DONE);
	alarm(1);
	ask("KVM_RUN of a vCPU that got INIT", ioctl(vm->vcpu[1], KVM_RUN, 0));
	alarm(0);
	MUST(ioctl(vm->vcpu[1], KVM_GET_MP_STATE, &mp));
	EQUAL(mp.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	MUST(ioctl(vm->vcpu[1], KVM_GET_VCPU_EVENTS, &events));
	answer("shadow after INIT", "%u", events.interrupt.shadow);
	if (!on_kvm)
		EQUAL(events.interrupt.shadow, 0);
}

/* ---- kvmclock ---------------------------------------------------------------------------------------------- */

struct pvclock {
	uint32_t version, pad;
	uint64_t tsc, ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
} __attribute__((packed));

static uint64_t pvclock_read(void)
{
	volatile struct pvclock *c = (void *)SCRATCH;
	uint64_t delta, hi, lo, ns;
	uint32_t version;

	do {
		version = c->version;
		asm volatile("lfence" : : : "memory");
		delta = g_rdtsc() - c->tsc;
		delta = c->shift >= 0 ? delta << c->shift : delta >> -c->shift;
		asm volatile("mulq %3" : "=a" (lo), "=d" (hi) : "a" (delta), "r" ((uint64_t)c->mul));
		ns = c->ns + (hi << 32 | lo >> 32);
		asm volatile("lfence" : : : "memory");
	} while (version & 1 || version != c->version);
	return ns;
}

static void clock_guest(void)
{
	uint64_t start, t, last = 0;

	g_wrmsr(0x4b564d01, SCRATCH | 1);
	g_wrmsr(0x4b564d00, SCRATCH + 0x1000);
	sync_host(1);
	guest.v[0] = pvclock_read();
	sync_host(2);
	guest.v[1] = pvclock_read();
	start = last = pvclock_read();
	do {
		t = pvclock_read();
		if (t < last)
			guest.v[2]++;		/* backwards */
		last = t;
	} while (t < start + 5000000);
}

static void kvmclock(void)
{
	struct vm *vm = vm_new(0);
	volatile struct pvclock *c = (void *)(vm->low + SCRATCH);
	struct kvm_clock_data a, b;
	uint32_t *wall = (void *)(vm->low + SCRATCH + 0x1000);
	double t;
	time_t seconds;

	vcpu_call(vm, 0, clock_guest);
	/* The guest's two readings lie between these two of the host's. */
	t = now();
	expect_sync(vm, 0, 1);
	memset(&a, 0, sizeof(a));
	b = a;
	MUST(ioctl(vm->fd, KVM_GET_CLOCK, &a));
	expect_sync(vm, 0, 2);
	usleep(100000);
	MUST(ioctl(vm->fd, KVM_GET_CLOCK, &b));
	expect_sync(vm, 0, DONE);
	t = now() - t;
	CHECK(!(c->version & 1) && c->mul);
	CHECK(guest.v[0] >= a.clock && guest.v[0] < a.clock + 1000000000);
	CHECK(guest.v[1] >= b.clock && guest.v[1] < b.clock + 1000000000);
	CHECK(guest.v[1] - guest.v[0] >= 99000000 && guest.v[1] - guest.v[0] < (t + 0.01) * 1e9);
	EQUAL(guest.v[2], 0);
	/* Wall clock at boot plus the clock is now. */
	seconds = wall[1] + (wall[2] + guest.v[1]) / 1000000000;
	CHECK(llabs((long long)(seconds - time(NULL))) <= 2);
	ask("KVMCLOCK_CTRL", ioctl(vm->vcpu[0], KVM_KVMCLOCK_CTRL, 0));
}

const struct row irq_rows[] = {
	{ "irq: LAPIC timer, one-shot", one_shot },
	{ "irq: LAPIC timer while the guest runs, sleeps, is away", anywhere },
	{ "irq: LAPIC timer, periodic", periodic },
	{ "irq: LAPIC timer, TSC deadline", deadline },
	{ "irq: xAPIC: self-IPIs, priorities, NMI", xapic },
	{ "irq: x2APIC", x2apic },
	{ "irq: NMI", nmi },
	{ "irq: PIC and PIT", pic_and_pit },
	{ "irq: lines to the PIC", pic_lines },
	{ "irq: IOAPIC and MSI", ioapic },
	{ "irq: irqfd, resampling, ioeventfd", irqfd },
	{ "irq: split irqchip", split_irqchip },
	{ "irq: split irqchip, a masked LAPIC and a window", split_masked },
	{ "irq: INIT, SIPI and IPIs between two vCPUs", two_vcpus },
	{ "irq: a vCPU waits for INIT", ap_waits },
	{ "irq: INIT leaves no interrupt shadow", init_resets },
	{ "irq: kvmclock", kvmclock },
	{ NULL, NULL },
};
