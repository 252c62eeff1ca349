// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: attributes, machine checks, exits left to the guest, and other things that
 * few programs ask for.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <linux/kvm_para.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "lib.h"

static int enable(int fd, uint32_t cap, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args[0] = arg };

	return ioctl(fd, KVM_ENABLE_CAP, &c);
}

/* ---- device attributes ---------------------------------------------------------------------- */

static int attr(int fd, unsigned long request, uint32_t group, uint64_t nr, void *addr)
{
	struct kvm_device_attr a = { .group = group, .attr = nr, .addr = (uintptr_t)addr };

	return ioctl(fd, request, &a);
}

static void device_attributes(void)
{
	uint64_t value = 0;

	ask("has XCOMP_GUEST_SUPP", attr(dev, KVM_HAS_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, NULL));
	ask("has attribute 7", attr(dev, KVM_HAS_DEVICE_ATTR, 0, 7, NULL));
	ask("has group 1", attr(dev, KVM_HAS_DEVICE_ATTR, 1, 0, NULL));
	ask("get", attr(dev, KVM_GET_DEVICE_ATTR, 0, KVM_X86_XCOMP_GUEST_SUPP, &value));
	answer("value", "%#llx", (unsigned long long)value);
	ask("get attribute 7", attr(dev, KVM_GET_DEVICE_ATTR, 0, 7, &value));
	ask("get group 1", attr(dev, KVM_GET_DEVICE_ATTR, 1, 0, &value));
	ask("get to nowhere", attr(dev, KVM_GET_DEVICE_ATTR, 0, 0, (void *)8));
	ask("from nowhere", ioctl(dev, KVM_GET_DEVICE_ATTR, (void *)8));
}

static void tsc_guest(void)
{
	for (;;) {
		guest.v[0] = g_rdtsc();
		sync_host(1);
	}
}

static void tsc_offset(void)
{
	struct vm *vm = vm_new(0);
	uint64_t offset = 0, want = 1ull << 45;
	int fd = vm->vcpu[0];
	int64_t off;

	ask("has", attr(fd, KVM_HAS_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, NULL));
	ask("has attribute 1", attr(fd, KVM_HAS_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, 1, NULL));
	ask("has group 1", attr(fd, KVM_HAS_DEVICE_ATTR, 1, 0, NULL));
	ask("get attribute 1", attr(fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, 1, &offset));
	ask("set group 1", attr(fd, KVM_SET_DEVICE_ATTR, 1, 0, &offset));
	ask("get to nowhere", attr(fd, KVM_GET_DEVICE_ATTR, 0, 0, (void *)8));
	ask("set from nowhere", attr(fd, KVM_SET_DEVICE_ATTR, 0, 0, (void *)8));
	vcpu_call(vm, 0, tsc_guest);
	MUST(attr(fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset));
	expect_sync(vm, 0, 1);
	off = guest.v[0] - offset - g_rdtsc();
	CHECK(off <= 0 && off > -(1ll << 34));
	MUST(attr(fd, KVM_SET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &want));
	MUST(attr(fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset));
	EQUAL(offset, want);
	expect_sync(vm, 0, 1);
	off = guest.v[0] - want - g_rdtsc();
	CHECK(off <= 0 && off > -(1ll << 34));
	/* Moving the TSC by MSR moves the offset. */
	set_msr(vm, 0, 0x10, 1ull << 50);
	MUST(attr(fd, KVM_GET_DEVICE_ATTR, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, &offset));
	off = offset + g_rdtsc() - (1ull << 50);
	CHECK(off >= 0 && off < 1ll << 34);
}

/* ---- the PIT, the old way --------------------------------------------------------------------- */

static void old_pit(void)
{
	struct vm *none = vm_new(WITH_IRQCHIP), *vm = vm_new(WITH_PIT);
	struct kvm_pit_state2 two = { 0 };
	struct kvm_pit_state one = { 0 };

	ask("GET_PIT, none", ioctl(none->fd, KVM_GET_PIT, &one));
	ask("SET_PIT, none", ioctl(none->fd, KVM_SET_PIT, &one));
	ask("GET_PIT from nowhere", ioctl(none->fd, KVM_GET_PIT, (void *)8));
	MUST(ioctl(vm->fd, KVM_GET_PIT2, &two));
	two.channels[2].mode = 3;
	two.channels[2].count = 0x1234;
	two.channels[0].mode = 2;
	two.channels[0].count = 0x4321;
	two.flags = KVM_PIT_FLAGS_HPET_LEGACY;
	MUST(ioctl(vm->fd, KVM_SET_PIT2, &two));
	ask("GET_PIT", ioctl(vm->fd, KVM_GET_PIT, &one));
	answer("channel 0", "mode %u, count %#x", one.channels[0].mode, one.channels[0].count);
	answer("channel 2", "mode %u, count %#x", one.channels[2].mode, one.channels[2].count);
	one.channels[2].count = 0x777;
	ask("SET_PIT", ioctl(vm->fd, KVM_SET_PIT, &one));
	MUST(ioctl(vm->fd, KVM_GET_PIT2, &two));
	answer("channel 2 afterwards", "mode %u, count %#x", two.channels[2].mode,
	       two.channels[2].count);
	answer("flags afterwards", "%#x", two.flags);
}

/* ---- machine checks ----------------------------------------------------------------------------- */

#define MCI_VAL		(1ull << 63)
#define MCI_OVER	(1ull << 62)
#define MCI_UC		(1ull << 61)
#define MCI_EN		(1ull << 60)
#define MCI_PCC		(1ull << 57)
#define MCI_S		(1ull << 56)
#define MCI_AR		(1ull << 55)

static void mce_guest(void)
{
	for (;;)
		sync_host(guest.count[18]);
}

static void set_cr4(struct vm *vm, uint64_t mce)
{
	struct kvm_sregs sregs;

	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &sregs));
	sregs.cr4 = (sregs.cr4 & ~0x40ull) | mce;
	MUST(ioctl(vm->vcpu[0], KVM_SET_SREGS, &sregs));
}

static void machine_checks(void)
{
	static const struct {
		const char *name;
		uint64_t cr4, ctl, bank_ctl, before, mcg_before, status, mcg_status;
		uint8_t bank;
	} rows[] = {
		{ "not valid", 0x40, ~0ull, ~0ull, 0, 0, MCI_UC, 4, 1 },
		{ "no such bank", 0x40, ~0ull, ~0ull, 0, 0, MCI_VAL | MCI_UC, 4, 10 },
		{ "bank 255", 0x40, ~0ull, ~0ull, 0, 0, MCI_VAL | MCI_UC, 4, 255 },
		{ "corrected", 0x40, ~0ull, ~0ull, 0, 0, MCI_VAL | 5, 0, 1 },
		{ "corrected after corrected", 0x40, ~0ull, ~0ull, MCI_VAL | 7, 0, MCI_VAL | 5, 0, 1 },
		{ "corrected after uncorrected", 0x40, ~0ull, ~0ull, MCI_VAL | MCI_UC | 7, 0,
		  MCI_VAL | 5, 0, 1 },
		{ "no action", 0x40, ~0ull, ~0ull, 0, 0, MCI_VAL | MCI_UC | 5, 0, 1 },
		{ "no action, reporting off", 0x40, 0, 0, 0, 0, MCI_VAL | MCI_UC | 5, 0, 1 },
		{ "fatal", 0x40, ~0ull, ~0ull, 0, 0, MCI_VAL | MCI_UC | MCI_EN | MCI_PCC | 5, 5, 1 },
		{ "fatal after corrected", 0x40, ~0ull, ~0ull, MCI_VAL | 7, 0,
		  MCI_VAL | MCI_UC | MCI_EN | MCI_PCC | 5, 5, 1 },
		{ "action required", 0x40, ~0ull, ~0ull, 0, 0,
		  MCI_VAL | MCI_UC | MCI_EN | MCI_S | MCI_AR | 5, 5, 9 },
		{ "MCG_CTL off", 0x40, 0, ~0ull, 0, 0, MCI_VAL | MCI_UC | MCI_PCC | 5, 5, 1 },
		{ "MCi_CTL off", 0x40, ~0ull, 0, 0, 0, MCI_VAL | MCI_UC | MCI_PCC | 5, 5, 1 },
		{ "while one is handled", 0x40, ~0ull, ~0ull, 0, 4, MCI_VAL | MCI_UC | MCI_PCC | 5,
		  5, 1 },
		{ "CR4.MCE clear", 0, ~0ull, ~0ull, 0, 0, MCI_VAL | MCI_UC | MCI_PCC | 5, 5, 1 },
	};
	uint64_t cap = 10 | 1ull << 8;
	unsigned int i;
	char key[64];

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm *vm = vm_new(0);
		uint32_t msr = 0x400 + 4 * (rows[i].bank & 15);
		struct kvm_x86_mce mce = {
			.status = rows[i].status, .addr = 0x1234, .misc = 0x56,
			.mcg_status = rows[i].mcg_status, .bank = rows[i].bank,
		};

		MUST(ioctl(vm->vcpu[0], KVM_X86_SETUP_MCE, &cap));
		vcpu_call(vm, 0, mce_guest);
		guest.count[18] = 0;
		guest.pass[0] = 1 << 18;
		set_cr4(vm, rows[i].cr4);
		set_msr(vm, 0, 0x17b, rows[i].ctl);
		set_msr(vm, 0, 0x17a, rows[i].mcg_before);
		if (rows[i].bank < 10) {
			set_msr(vm, 0, msr, rows[i].bank_ctl);
			set_msr(vm, 0, msr + 1, rows[i].before);
		}
		ask(rows[i].name, ioctl(vm->vcpu[0], KVM_X86_SET_MCE, &mce));
		if (rows[i].bank < 10) {
			snprintf(key, sizeof(key), "%s: bank", rows[i].name);
			answer(key, "status %#llx addr %#llx misc %#llx mcg_status %#llx",
			       (unsigned long long)get_msr(vm, 0, msr + 1),
			       (unsigned long long)get_msr(vm, 0, msr + 2),
			       (unsigned long long)get_msr(vm, 0, msr + 3),
			       (unsigned long long)get_msr(vm, 0, 0x17a));
		}
		snprintf(key, sizeof(key), "%s: guest", rows[i].name);
		MUST(ioctl(vm->vcpu[0], KVM_RUN, 0));
		if (vm->run[0]->exit_reason == KVM_EXIT_IO)
			answer(key, "%u #MC", *(uint32_t *)io_data(vm, 0));
		else
			answer(key, "exit %s", exit_name(vm->run[0]->exit_reason));
		vm_free(vm);
	}
}

/* An error that needs no action, told of by an interrupt: SDM 16.5. */
static void cmci_guest(void)
{
	lapic_write(0xf0, 0x1ff);
	guest.v[0] = TRY("rdmsr", : "c" (0x281) : "eax", "edx");
	guest.v[1] = lapic_read(0x30) >> 16 & 0xff;	/* the last LVT entry */
	guest.v[2] = lapic_read(0x2f0);
	sync_host(1);
	lapic_write(0x2f0, 0x55);
	guest.v[3] = lapic_read(0x2f0);
	guest.v[4] = TRY("wrmsr", : "c" (0x281), "a" (1 << 15), "d" (0));
	g_wrmsr(0x281, 1 << 30 | 5);
	guest.v[5] = g_rdmsr(0x281);
	sync_host(2);
	asm volatile("sti; nop; cli" : : : "memory");
	guest.v[6] = guest.count[0x55];
	guest.v[7] = g_rdmsr(0x405);
	lapic_write(0xb0, 0);
	g_wrmsr(0x281, 0);
	sync_host(3);
	asm volatile("sti; nop; cli" : : : "memory");
	guest.v[8] = guest.count[0x55];
}

static void corrected_machine_checks(void)
{
	struct kvm_x86_mce mce = { .status = MCI_VAL | MCI_UC | MCI_EN | 7, .addr = 0x1000, .bank = 1 };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	uint64_t cap, offered;

	MUST(ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &offered));
	answer("offered", "%u", (unsigned int)(offered >> 10 & 1));
	cap = 10 | (offered & 1 << 10);
	vcpu_call(vm, 0, cmci_guest);
	MUST(ioctl(vm->vcpu[0], KVM_X86_SETUP_MCE, &cap));
	expect_sync(vm, 0, 1);
	answer("guest", "RDMSR %lld, last LVT entry %u", (long long)guest.v[0],
	       (unsigned int)guest.v[1]);
	if (!(offered & 1 << 10)) {
		EQUAL(guest.v[0], 13);
		return;
	}
	EQUAL(guest.v[2], 0x10000);
	expect_sync(vm, 0, 2);
	MUST(ioctl(vm->vcpu[0], KVM_X86_SET_MCE, &mce));
	expect_sync(vm, 0, 3);
	MUST(ioctl(vm->vcpu[0], KVM_X86_SET_MCE, &mce));
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[3], 0x55);
	EQUAL(guest.v[4], 13);
	EQUAL(guest.v[5], 1 << 30 | 5);
	EQUAL(guest.v[6], 1);
	EQUAL(guest.v[7], mce.status);
	EQUAL(guest.v[8], 1);
	EQUAL(guest.count[18], 0);
}

/* ---- a triple fault as an event -------------------------------------------------------------------- */

static void triple_fault_event(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_vcpu_events ev;

	vcpu_call(vm, 0, mce_guest);
	MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &ev));
	answer("flags without", "%#x", ev.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	ev.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	ev.triple_fault.pending = 1;
	ask("set without the capability", ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
	if (ask("enable", enable(vm->fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1)) < 0)
		return;
	ask("set", ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
	memset(&ev, 0, sizeof(ev));
	MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &ev));
	answer("flags with", "%#x", ev.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	answer("pending", "%u", ev.triple_fault.pending);
	run_until(vm, 0, KVM_EXIT_SHUTDOWN);
	MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &ev));
	answer("pending afterwards", "%u", ev.triple_fault.pending);
	ev.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	ev.triple_fault.pending = 1;
	MUST(ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
	ev.triple_fault.pending = 0;
	MUST(ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
	expect_sync(vm, 0, guest.count[18]);
}

/* ---- interrupts kept from a debugged guest ------------------------------------------------------------ */

static void blocked_guest(void)
{
	lapic_write(0xf0, 0x1ff);
	asm volatile("sti" : : : "memory");
	sync_host(1);
	asm volatile("nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop");
	sync_host(2);
}

static void blocked_irqs(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x41 };
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ,
	};
	unsigned int i;

	if (!(ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2) & KVM_GUESTDBG_BLOCKIRQ))
		skip("no KVM_GUESTDBG_BLOCKIRQ");
	vcpu_call(vm, 0, blocked_guest);
	expect_sync(vm, 0, 1);
	MUST(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi));
	MUST(ioctl(vm->vcpu[0], KVM_NMI));
	MUST(ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	for (i = 0; i < 5; i++)
		run_until(vm, 0, KVM_EXIT_DEBUG);
	EQUAL(guest.count[0x41], 0);
	EQUAL(guest.count[2], 0);
	dbg.control = 0;
	MUST(ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	expect_sync(vm, 0, 2);
	EQUAL(guest.count[0x41], 1);
	EQUAL(guest.count[2], 1);
}

/* ---- exits left to the guest ------------------------------------------------------------------------------ */

/* On AMD-V an interrupt of the host's, too, ends a HLT that does not exit. */
static void halt_guest(void)
{
	static const uint8_t vectors[] = { 0x40, 2, 13 };
	uint32_t i;

	for (i = 0; i < 3; i++) {
		while (!guest.count[vectors[i]])
			asm volatile("sti; hlt; cli" : : : "memory");
		sync_host(i + 1);
	}
}

static void halts_in_guest(struct vm *vm)
{
	struct itimerval often = { { 0, 20000 }, { 0, 20000 } }, off = { { 0, 0 }, { 0, 0 } };
	int r;

	setitimer(ITIMER_REAL, &often, NULL);
	do
		r = ioctl(vm->vcpu[0], KVM_RUN, 0);
	while (r == 0 && vm->run[0]->exit_reason == KVM_EXIT_INTR);
	setitimer(ITIMER_REAL, &off, NULL);
	if (r == 0)
		describe_exit(vm, 0);
	EQUAL(r, -1);
	EQUAL(errno, EINTR);
}

/* KVM_CPUID_FEATURES.EAX as the vCPU has it */
static uint32_t kvm_features(struct vm *vm)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} c = { .head.nent = 256 };
	unsigned int i;

	MUST(ioctl(vm->vcpu[0], KVM_GET_CPUID2, &c));
	for (i = 0; i < 256; i++)
		if (c.e[i].function == KVM_CPUID_FEATURES)
			return c.e[i].eax;
	return 0;
}

/* The guest's HLT is no exit; what is injected ends it, whatever its kind. */
static void disabled_exits(void)
{
	struct vm *vm = vm_new(NO_VCPU);
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct kvm_vcpu_events ev;

	ask("capability", ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS));
	ask("unknown", enable(vm->fd, KVM_CAP_X86_DISABLE_EXITS, 1 << 4));
	ask("all", enable(vm->fd, KVM_CAP_X86_DISABLE_EXITS, 15));
	vm_add_vcpu(vm);
	answer("kicks out of HLT offered", "%u", kvm_features(vm) >> KVM_FEATURE_PV_UNHALT & 1);
	vcpu_call(vm, 0, halt_guest);
	halts_in_guest(vm);
	MUST(ioctl(vm->vcpu[0], KVM_INTERRUPT, &irq));
	expect_sync(vm, 0, 1);
	EQUAL(guest.count[0x40], 1);
	halts_in_guest(vm);
	MUST(ioctl(vm->vcpu[0], KVM_NMI));
	expect_sync(vm, 0, 2);
	EQUAL(guest.count[2], 1);
	halts_in_guest(vm);
	guest.pass[0] = 1 << 13;
	MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &ev));
	ev.exception.injected = 1;
	ev.exception.nr = 13;
	ev.exception.has_error_code = 1;
	MUST(ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
	expect_sync(vm, 0, 3);
	EQUAL(guest.count[13], 1);
}

static void mmu_pages(void)
{
	struct vm *vm = vm_new(0);

	ask("none", ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 0));
	ask("63", ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 63));
	ask("64", ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 64));
	ask("get 64", ioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0));
	ask("1000", ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 1000));
	ask("get 1000", ioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0));
}

/* Lists that are walked with interrupts off have an end. */
static void irqfd_limit(void)
{
	struct rlimit files = { 20000, 20000 };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_irqfd irqfd = { .gsi = 5 };
	unsigned int n;

	if (on_kvm)
		skip("KVM has no limit but that of files");
	if (setrlimit(RLIMIT_NOFILE, &files))
		skip("the number of files cannot be raised");
	for (n = 0;; n++) {
		irqfd.fd = eventfd(0, EFD_NONBLOCK);
		CHECK((int)irqfd.fd >= 0);
		if (ioctl(vm->fd, KVM_IRQFD, &irqfd))
			break;
	}
	EQUAL(errno, ENOSPC);
	EQUAL(n, 8192);
	/* One goes, another may come. */
	irqfd.fd--;
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	MUST(ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.flags = 0;
	MUST(ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.fd++;
	REFUSED(ioctl(vm->fd, KVM_IRQFD, &irqfd), ENOSPC);
}

static void split_pins(void)
{
	static const uint64_t pins[] = { 0, 24, 25, 240, 4096, 4097, 1ull << 32 };
	unsigned int i;
	char key[32];

	for (i = 0; i < ARRAY_SIZE(pins); i++) {
		struct vm *vm = vm_new(NO_VCPU);

		snprintf(key, sizeof(key), "%llu pins", (unsigned long long)pins[i]);
		ask(key, enable(vm->fd, KVM_CAP_SPLIT_IRQCHIP, pins[i]));
		vm_free(vm);
	}
}

const struct row more_rows[] = {
	{ "more: device attributes", device_attributes },
	{ "more: TSC offset attribute", tsc_offset },
	{ "more: GET_PIT and SET_PIT", old_pit },
	{ "more: machine checks", machine_checks },
	{ "more: machine checks that need no action", corrected_machine_checks },
	{ "more: triple fault event", triple_fault_event },
	{ "more: blocked interrupts", blocked_irqs },
	{ "more: HLT in the guest", disabled_exits },
	{ "more: limit on MMU pages", mmu_pages },
	{ "more: irqfds have a limit", irqfd_limit },
	{ "more: pins of a split irqchip", split_pins },
	{ NULL, NULL },
};
