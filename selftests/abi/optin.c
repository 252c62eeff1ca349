// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: what user space asks for beyond the defaults, and gets.
 */
#define _GNU_SOURCE
#include "lib.h"

/* ---- coalesced writes --------------------------------------------------------------------- */

#define PAGE_SIZE	4096		/* KVM_COALESCED_MMIO_MAX wants it */
#define PORT		0x700
#define BURST		1000

static struct kvm_coalesced_mmio_ring *ring_of(struct vm *vm)
{
	long page = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);

	if (page <= 0)
		skip("no KVM_CAP_COALESCED_MMIO");
	return (void *)((char *)vm->run[0] + page * 4096);
}

static int zone(struct vm *vm, unsigned long request, uint64_t addr, uint32_t size, uint32_t pio)
{
	struct kvm_coalesced_mmio_zone z = { .addr = addr, .size = size, { .pio = pio } };

	return ioctl(vm->fd, request, &z);
}

static void coalesced_errors(void)
{
	struct vm *vm = vm_new(0);

	answer("mmap size", "%d", ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	ask("register pio 2", zone(vm, KVM_REGISTER_COALESCED_MMIO, MMIO, 16, 2));
	ask("unregister pio 2", zone(vm, KVM_UNREGISTER_COALESCED_MMIO, MMIO, 16, 2));
	ask("unregister none", zone(vm, KVM_UNREGISTER_COALESCED_MMIO, MMIO, 16, 0));
	ask("register", zone(vm, KVM_REGISTER_COALESCED_MMIO, MMIO, 16, 0));
	ask("register again", zone(vm, KVM_REGISTER_COALESCED_MMIO, MMIO, 16, 0));
	ask("register nothing", zone(vm, KVM_REGISTER_COALESCED_MMIO, MMIO, 0, 0));
	ask("register to the end", zone(vm, KVM_REGISTER_COALESCED_MMIO, ~15ull, 16, 0));
	ask("register beyond the end", zone(vm, KVM_REGISTER_COALESCED_MMIO, ~15ull, 64, 0));
	ask("unregister a part", zone(vm, KVM_UNREGISTER_COALESCED_MMIO, MMIO + 4, 4, 0));
	ask("register from nowhere", ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, (void *)8));
}

static void coalesced_guest(void)
{
	uint32_t i;

	for (i = 0; i < 10; i++)
		*(volatile uint32_t *)(MMIO + 4 * i) = 0x1000 + i;
	*(volatile uint8_t *)(MMIO + 0xff) = 0x55;
	g_outb(PORT, 0x77);
	*(volatile uint64_t *)(MMIO + 0x40) = 0x1122334455667788;
	*(volatile uint32_t *)(MMIO + 0xfe) = 0xdead;		/* across the end */
	sync_host(1);
	*(volatile uint32_t *)MMIO = 1;				/* unregistered */
	g_outb(PORT, 0x78);
	sync_host(2);
}

static void coalesced(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vm);
	struct kvm_run *run = vm->run[0];
	char key[32];
	uint32_t i;

	MUST(zone(vm, KVM_REGISTER_COALESCED_MMIO, MMIO, 0x100, 0));
	MUST(zone(vm, KVM_REGISTER_COALESCED_MMIO, PORT, 1, 1));
	vcpu_call(vm, 0, coalesced_guest);
	run_until(vm, 0, KVM_EXIT_MMIO);
	answer("first exit", "%#llx, %u bytes", run->mmio.phys_addr, run->mmio.len);
	answer("ring", "%u to %u", ring->first, ring->last);
	for (i = ring->first; i < ring->last; i++) {
		struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[i];
		uint64_t data = 0;

		memcpy(&data, e->data, e->len);
		snprintf(key, sizeof(key), "entry %u", i);
		answer(key, "%#llx %u bytes pio %u %#llx", e->phys_addr, e->len, e->pio,
		       (unsigned long long)data);
	}
	expect_sync(vm, 0, 1);
	MUST(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, MMIO + 0x80, 0x20, 0));
	MUST(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, PORT, 1, 1));
	run_until(vm, 0, KVM_EXIT_MMIO);
	EQUAL(run->mmio.phys_addr, MMIO);
	run_until(vm, 0, KVM_EXIT_IO);
	EQUAL(run->io.port, PORT);
	EQUAL(*(uint8_t *)io_data(vm, 0), 0x78);
	expect_sync(vm, 0, 2);
}

static void burst_guest(void)
{
	uint32_t i;

	for (i = 0; i < BURST; i++)
		*(volatile uint32_t *)(MMIO + 4 * (i % 64)) = i;
	sync_host(1);
}

/* Take what waits in the ring. Returns the number that comes next. */
static uint32_t drain(struct kvm_coalesced_mmio_ring *ring, uint32_t next)
{
	uint32_t first = ring->first;
	uint32_t value;

	for (; first != ring->last; first = (first + 1) % KVM_COALESCED_MMIO_MAX) {
		memcpy(&value, ring->coalesced_mmio[first].data, 4);
		EQUAL(value, next++);
	}
	ring->first = first;
	return next;
}

/* A full ring sends the write to user space: nothing is lost or overtaken. */
static void coalesced_full(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vm);
	uint32_t next = 0, exits = 0, value;

	MUST(zone(vm, KVM_REGISTER_COALESCED_MMIO, MMIO, 0x100, 0));
	vcpu_call(vm, 0, burst_guest);
	while (MUST(ioctl(vm->vcpu[0], KVM_RUN, 0)), vm->run[0]->exit_reason == KVM_EXIT_MMIO) {
		exits++;
		next = drain(ring, next);
		memcpy(&value, vm->run[0]->mmio.data, 4);
		EQUAL(value, next++);
	}
	EQUAL(vm->run[0]->exit_reason, KVM_EXIT_IO);
	EQUAL(drain(ring, next), BURST);
	/* KVM before 6.11 takes a ring that has not wrapped yet for full at 85 of 170. */
	CHECK(exits && exits <= (on_kvm ? BURST / 80 : BURST / KVM_COALESCED_MMIO_MAX));
}

/* User space may write anything into the ring. */
static void coalesced_bad_index(void)
{
	static const uint32_t bad[] = { KVM_COALESCED_MMIO_MAX, 0x7fffffff, ~0u };
	struct vm *vm = vm_new(0);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vm);
	unsigned int i;

	MUST(zone(vm, KVM_REGISTER_COALESCED_MMIO, MMIO, 0x100, 0));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ring->last = bad[i];
		vcpu_call(vm, 0, burst_guest);
		run_until(vm, 0, KVM_EXIT_MMIO);
		EQUAL(ring->last, bad[i]);
	}
}

#define STRING_BYTES	600

static void string_guest(void)
{
	uint64_t from = SCRATCH, n = STRING_BYTES;

	asm volatile("rep outsb" : "+S" (from), "+c" (n) : "d" (PORT) : "memory");
	sync_host(n);
}

/* ... nor is anything of a string instruction, which KVM forgets. */
static void coalesced_string(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_coalesced_mmio_ring *ring = ring_of(vm);
	uint32_t next = 0, i;

	if (on_kvm)
		skip("KVM drops what does not fit");
	for (i = 0; i < STRING_BYTES; i++)
		vm->low[SCRATCH + i] = i;
	MUST(zone(vm, KVM_REGISTER_COALESCED_MMIO, PORT, 1, 1));
	vcpu_call(vm, 0, string_guest);
	for (;;) {
		run_until(vm, 0, KVM_EXIT_IO);
		for (i = ring->first; i != ring->last; i = (i + 1) % KVM_COALESCED_MMIO_MAX)
			EQUAL(ring->coalesced_mmio[i].data[0], next++ & 0xff);
		ring->first = i;
		if (vm->run[0]->io.port == SYNC_PORT)
			break;
		for (i = 0; i < vm->run[0]->io.count; i++)
			EQUAL(((uint8_t *)io_data(vm, 0))[i], next++ & 0xff);
	}
	EQUAL(next, STRING_BYTES);
	EQUAL(*(uint32_t *)io_data(vm, 0), 0);
}

/* ---- registers in kvm_run ------------------------------------------------------------------ */

static void count_guest(void)
{
	asm volatile("1: inc %%rbx\n"
		     "out %%eax, %%dx\n"
		     "jmp 1b" : : "a" (5), "b" (0), "d" (SYNC_PORT));
}

static void sync_regs_errors(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_run *run = vm->run[0];
	unsigned int i;
	char key[48];

	vcpu_call(vm, 0, count_guest);
	for (i = 0; i < 64; i += i < 8 ? 1 : 13) {
		run->kvm_valid_regs = 1ull << i;
		snprintf(key, sizeof(key), "valid bit %u", i);
		ask(key, ioctl(vm->vcpu[0], KVM_RUN, 0));
		run->kvm_valid_regs = 0;
		if (i < 3)
			continue;
		run->kvm_dirty_regs = 1ull << i;
		snprintf(key, sizeof(key), "dirty bit %u", i);
		ask(key, ioctl(vm->vcpu[0], KVM_RUN, 0));
		snprintf(key, sizeof(key), "dirty bit %u, afterwards", i);
		answer(key, "%#llx", (unsigned long long)run->kvm_dirty_regs);
		run->kvm_dirty_regs = 0;
	}
	run->kvm_valid_regs = KVM_SYNC_X86_VALID_FIELDS;
	expect_sync(vm, 0, 5);
	run->s.regs.sregs.cr4 = ~0ull;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	ask("bad CR4", ioctl(vm->vcpu[0], KVM_RUN, 0));
	answer("bad CR4: dirty", "%#llx", (unsigned long long)run->kvm_dirty_regs);
	answer("bad CR4: given back", "%#llx", run->s.regs.sregs.cr4);
	run->s.regs.events.exception.injected = 1;
	run->s.regs.events.exception.nr = 77;
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	ask("bad vector", ioctl(vm->vcpu[0], KVM_RUN, 0));
	answer("bad vector: dirty", "%#llx", (unsigned long long)run->kvm_dirty_regs);
}

static void sync_regs(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_run *run = vm->run[0];
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) <= 0)
		skip("no KVM_CAP_SYNC_REGS");
	vcpu_call(vm, 0, count_guest);
	run->kvm_valid_regs = KVM_SYNC_X86_VALID_FIELDS;
	expect_sync(vm, 0, 5);
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &sregs));
	MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &events));
	CHECK(!memcmp(&regs, &run->s.regs.regs, sizeof(regs)));
	CHECK(!memcmp(&sregs, &run->s.regs.sregs, sizeof(sregs)));
	CHECK(!memcmp(&events, &run->s.regs.events, sizeof(events)));
	EQUAL(run->s.regs.regs.rbx, 1);

	/* What is not dirty is not taken; what is, is, and stays so once only. */
	run->s.regs.regs.rbx = 100;
	expect_sync(vm, 0, 5);
	EQUAL(run->s.regs.regs.rbx, 2);
	run->s.regs.regs.rbx = 100;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	expect_sync(vm, 0, 5);
	EQUAL(run->s.regs.regs.rbx, 101);
	EQUAL(run->kvm_dirty_regs, 0);

	/* What is not valid is not given. */
	run->kvm_valid_regs = 0;
	run->s.regs.regs.rbx = 7;
	expect_sync(vm, 0, 5);
	EQUAL(run->s.regs.regs.rbx, 7);

	/* Each set travels alone. */
	run->s.regs.sregs = sregs;
	run->s.regs.sregs.cr2 = 0x1234;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	run->kvm_valid_regs = KVM_SYNC_X86_SREGS;
	expect_sync(vm, 0, 5);
	EQUAL(run->s.regs.sregs.cr2, 0x1234);
	EQUAL(run->s.regs.regs.rbx, 7);
	run->kvm_valid_regs = 0;
	run->s.regs.events = events;
	run->s.regs.events.nmi.masked = 1;
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	expect_sync(vm, 0, 5);
	MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &events));
	EQUAL(events.nmi.masked, 1);
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
	EQUAL(regs.rbx, 104);
}

/* ---- MSR filters and exits -------------------------------------------------------------------- */

#define MSR_NOWHERE	0x474f4f00	/* no such register */
#define MSR_LSTAR_	0xc0000082	/* passed through where it can be */
#define MSR_MTRR_	0x2ff
#define ALL_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)

static int msr_exits(struct vm *vm, uint64_t reasons)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args[0] = reasons };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static int msr_filter(struct vm *vm, uint32_t flags, uint32_t range_flags, uint32_t base,
		      uint32_t count, void *bitmap)
{
	struct kvm_msr_filter filter = {
		.flags = flags,
		.ranges[0] = { .flags = range_flags, .nmsrs = count, .base = base, .bitmap = bitmap },
	};

	return ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static void msr_errors(void)
{
	static uint8_t bits[0x1000];
	struct vm *vm = vm_new(0);
	unsigned int i;
	char key[48];

	ask("cap exits", ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR));
	ask("cap filter", ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_X86_MSR_FILTER));
	for (i = 0; i < 64; i += i < 5 ? 1 : 11) {
		snprintf(key, sizeof(key), "reason %u", i);
		ask(key, msr_exits(vm, 1ull << i));
		snprintf(key, sizeof(key), "filter flag %u", i & 31);
		ask(key, msr_filter(vm, 1u << (i & 31), 3, 0, 8, bits));
		snprintf(key, sizeof(key), "range flag %u", i & 31);
		ask(key, msr_filter(vm, 0, 1u << (i & 31), 0, 8, bits));
	}
	ask("range without flags", msr_filter(vm, 0, 0, 0, 8, bits));
	ask("empty range without flags", msr_filter(vm, 0, 0, 0, 0, bits));
	ask("empty range with odd flags", msr_filter(vm, 0, 8, 0, 0, bits));
	ask("nothing allowed, no range", msr_filter(vm, KVM_MSR_FILTER_DEFAULT_DENY, 3, 0, 0, bits));
	ask("longest bitmap", msr_filter(vm, 0, 3, 0, 0x600 * 8, bits));
	ask("bitmap too long", msr_filter(vm, 0, 3, 0, 0x600 * 8 + 1, bits));
	ask("4 G of MSRs", msr_filter(vm, 0, 3, 0, ~0u, bits));
	ask("bitmap from nowhere", msr_filter(vm, 0, 3, 0, 8, (void *)8));
	ask("filter from nowhere", ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, (void *)8));
	ask("range that wraps", msr_filter(vm, 0, 3, ~0u - 3, 64, bits));
}

/* Read and write one register with what is in v[0]: results from v[1] on. */
static void one_msr_guest(void)
{
	for (;;) {
		guest.v[2] = 0xabcd;
		guest.v[1] = TRY("rdmsr; movl %%eax, (%%rdi); movl %%edx, 4(%%rdi)",
				 : "c" ((uint32_t)guest.v[0]), "D" (&guest.v[2])
				 : "rax", "rdx", "memory");
		sync_host(1);
		guest.v[4] = TRY("wrmsr", : "c" ((uint32_t)guest.v[0]), "a" (0x11223000), "d" (0x7fff)
				 : "memory");
		sync_host(2);
	}
}

static void describe_msr_exit(struct vm *vm, const char *key, unsigned int step)
{
	struct kvm_run *run = vm->run[0];
	char k[80];

	snprintf(k, sizeof(k), "%s, step %u", key, step);
	if (run->exit_reason == KVM_EXIT_X86_RDMSR)
		answer(k, "RDMSR exit, reason %u, %#x, data %#llx, error %u", run->msr.reason,
		       run->msr.index, run->msr.data, run->msr.error);
	else if (run->exit_reason == KVM_EXIT_X86_WRMSR)
		answer(k, "WRMSR exit, reason %u, %#x, data %#llx, error %u", run->msr.reason,
		       run->msr.index, run->msr.data, run->msr.error);
	else
		answer(k, "exit %s", exit_name(run->exit_reason));
}

/* Run until the guest has done both, answering its exits with data and error. */
static void both_accesses(struct vm *vm, const char *key, uint32_t msr, uint64_t data, int error)
{
	struct kvm_run *run = vm->run[0];
	unsigned int step = 0;
	char k[80];

	guest.v[0] = msr;
	for (;;) {
		MUST(ioctl(vm->vcpu[0], KVM_RUN, 0));
		describe_msr_exit(vm, key, ++step);
		CHECK(step < 8);
		if (run->exit_reason == KVM_EXIT_IO) {
			EQUAL(run->io.port, SYNC_PORT);
			if (*(uint32_t *)io_data(vm, 0) == 2)
				break;
		} else if (run->exit_reason == KVM_EXIT_X86_RDMSR) {
			run->msr.data = data;
			run->msr.error = error;
		} else if (run->exit_reason == KVM_EXIT_X86_WRMSR) {
			run->msr.error = error;
		} else {
			fail("exit %s", exit_name(run->exit_reason));
		}
	}
	snprintf(k, sizeof(k), "%s, read", key);
	answer(k, "vector %lld, %#llx", (long long)guest.v[1], (unsigned long long)guest.v[2]);
	snprintf(k, sizeof(k), "%s, written", key);
	answer(k, "vector %lld", (long long)guest.v[4]);
}

static const struct {
	const char *name;
	uint32_t index;
} some_msrs[] = {
	{ "unknown", MSR_NOWHERE }, { "LSTAR", MSR_LSTAR_ }, { "MTRR", MSR_MTRR_ },
	{ "x2APIC", 0x802 },
};

static struct vm *msr_vm(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);

	if (ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_X86_MSR_FILTER) <= 0)
		skip("no KVM_CAP_X86_MSR_FILTER");
	vcpu_call(vm, 0, one_msr_guest);
	return vm;
}

/* Every reason alone, with everything that can go wrong. */
static void msr_exit_reasons(void)
{
	struct vm *vm = msr_vm();
	unsigned int reasons, i;
	char key[48];

	for (reasons = 0; reasons < 8; reasons++) {
		MUST(msr_exits(vm, reasons));
		for (i = 0; i < ARRAY_SIZE(some_msrs); i++) {
			set_msr(vm, 0, MSR_LSTAR_, 0x1000);
			snprintf(key, sizeof(key), "%s, reasons %u", some_msrs[i].name, reasons);
			both_accesses(vm, key, some_msrs[i].index, 0x123456789abcdef0, 0);
		}
	}
	MUST(msr_exits(vm, ALL_REASONS));
	both_accesses(vm, "refused by user space", MSR_NOWHERE, 1, 1);
}

/* A filter stops what would not have exited, and what would; its absence stops nothing. */
static void msr_filtered(void)
{
	static const struct {
		const char *name;
		uint32_t flags, range_flags;
		uint8_t bits;
	} filters[] = {
		{ "all allowed", 0, 3, 0xff }, { "deny both", 0, 3, 0 }, { "deny reads", 0, 1, 0 },
		{ "deny writes", 0, 2, 0 }, { "deny the others", 1, 3, 0xff },
		{ "deny the others' writes", 1, 1, 0xff }, { "odd ones", 0, 3, 0xaa },
		{ "even ones", 0, 3, 0x55 },
	};
	struct vm *vm = msr_vm();
	unsigned int i, j, exits;
	uint8_t bits[8];
	char key[64];

	for (exits = 0; exits < 2; exits++) {
		MUST(msr_exits(vm, exits ? KVM_MSR_EXIT_REASON_FILTER : 0));
		for (i = 0; i < ARRAY_SIZE(filters); i++) {
			for (j = 1; j < ARRAY_SIZE(some_msrs); j++) {
				uint32_t base = some_msrs[j].index & ~7;

				memset(bits, filters[i].bits, sizeof(bits));
				MUST(msr_filter(vm, filters[i].flags, filters[i].range_flags, base,
						8, bits));
				set_msr(vm, 0, MSR_LSTAR_, 0x1000);
				snprintf(key, sizeof(key), "%s, %s, exits %u", some_msrs[j].name,
					 filters[i].name, exits);
				both_accesses(vm, key, some_msrs[j].index, 0x5a5a, 0);
				/* User space itself is not filtered. */
				EQUAL(get_msr(vm, 0, MSR_LSTAR_) & 0xfff, 0);
			}
		}
	}
	MUST(msr_filter(vm, 0, 3, 0, 0, NULL));
	both_accesses(vm, "no filter any more", MSR_LSTAR_, 0, 0);
	EQUAL(get_msr(vm, 0, MSR_LSTAR_), 0x7fff11223000);
}

/* While user space thinks, the vCPU's state is as before the instruction; it may be moved. */
static void msr_exit_state(void)
{
	struct vm *vm = msr_vm();
	struct kvm_regs regs;

	MUST(msr_exits(vm, ALL_REASONS));
	guest.v[0] = MSR_NOWHERE;
	run_until(vm, 0, KVM_EXIT_X86_RDMSR);
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
	EQUAL(*(uint16_t *)regs.rip, 0x320f);
	vm->run[0]->msr.data = 0x8765432112345678;
	vm->run[0]->immediate_exit = 1;
	EQUAL(ioctl(vm->vcpu[0], KVM_RUN, 0), -1);
	vm->run[0]->immediate_exit = 0;
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
	EQUAL(regs.rax, 0x12345678);
	EQUAL(regs.rdx, 0x87654321);
	EQUAL(*(uint16_t *)(regs.rip - 2), 0x320f);
	expect_sync(vm, 0, 1);
	run_until(vm, 0, KVM_EXIT_X86_WRMSR);
	EQUAL(vm->run[0]->msr.data, 0x7fff11223000);
	expect_sync(vm, 0, 2);
	EQUAL(guest.v[4], ~0ull);
}

/* ---- the TPR of 32-bit Windows -------------------------------------------------------------- */

#define TPR_WORD	(SCRATCH + 0x100)

static int tpr_reporting(struct vm *vm, uint32_t enabled, uint32_t flags)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled, .flags = flags };

	return ioctl(vm->vcpu[0], KVM_TPR_ACCESS_REPORTING, &ctl);
}

static int vapic_addr(struct vm *vm, uint64_t addr)
{
	struct kvm_vapic_addr va = { .vapic_addr = addr };

	return ioctl(vm->vcpu[0], KVM_SET_VAPIC_ADDR, &va);
}

static void tpr_guest(void)
{
	uint32_t tpr = lapic_read(0x80);

	lapic_write(0x80, tpr + 0x20);
	lapic_write(0xf0, 0x1ff);
	sync_host(lapic_read(0x80));
	sync_host(lapic_read(0x80));
}

static void tpr_reports(void)
{
	struct vm *none = vm_new(0), *vm = vm_new(WITH_IRQCHIP);
	struct kvm_run *run = vm->run[0];
	struct kvm_regs regs;
	unsigned int i;

	ask("no irqchip: reporting", tpr_reporting(none, 1, 0));
	ask("no irqchip: vAPIC", vapic_addr(none, TPR_WORD));
	ask("flags", tpr_reporting(vm, 1, 1));
	ask("from nowhere", ioctl(vm->vcpu[0], KVM_TPR_ACCESS_REPORTING, (void *)8));
	MUST(tpr_reporting(vm, 1, 0));
	vcpu_call(vm, 0, tpr_guest);
	for (i = 0; i < 3; i++) {
		run_until(vm, 0, KVM_EXIT_TPR_ACCESS);
		MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
		answer(i == 1 ? "write" : i ? "second read" : "first read",
		       "write %u, %lld bytes before RIP", run->tpr_access.is_write,
		       regs.rip - run->tpr_access.rip);
	}
	expect_sync(vm, 0, 0x20);
	MUST(tpr_reporting(vm, 0, 0));
	expect_sync(vm, 0, 0x20);
}

static void vapic_guest(void)
{
	volatile uint32_t *word = (void *)TPR_WORD;

	lapic_write(0xf0, 0x1ff);
	*word = 0x50;
	sync_host(1);
	lapic_write(0x300, 0x44041);			/* vector 41H to itself */
	asm volatile("sti; nop; nop; cli" : : : "memory");
	guest.v[0] = guest.count[0x41];
	guest.v[1] = *word;
	*word = 0;
	sync_host(2);
	asm volatile("sti; nop; nop; cli" : : : "memory");
	guest.v[2] = guest.count[0x41];
	guest.v[3] = *word;
	lapic_write(0xb0, 0);
	sync_host(3);
	guest.v[4] = *word;
	sync_host(4);
}

/* The guest's word is the TPR, and shows what waits and what is in service. */
static void vapic(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_lapic_state lapic;
	uint32_t i;

	ask("capability", ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_VAPIC));
	ask("address without memory", vapic_addr(vm, MMIO));
	ask("off", vapic_addr(vm, 0));
	MUST(vapic_addr(vm, TPR_WORD));
	vcpu_call(vm, 0, vapic_guest);
	for (i = 1; i <= 4; i++)
		expect_sync(vm, 0, i);
	EQUAL(guest.v[0], 0);
	EQUAL(guest.v[1], 0x41000050);
	EQUAL(guest.v[2], 1);
	EQUAL(guest.v[3], 0x00004000);
	EQUAL(guest.v[4], 0);
	/* Off again: the word means nothing. */
	MUST(vapic_addr(vm, 0));
	vm->low[TPR_WORD] = 0x70;
	vcpu_call(vm, 0, tpr_guest);
	expect_sync(vm, 0, 0x20);
	MUST(ioctl(vm->vcpu[0], KVM_GET_LAPIC, &lapic));
	EQUAL(lapic.regs[0x80], 0x20);
}

const struct row optin_rows[] = {
	{ "opt-in: coalesced writes, errors", coalesced_errors },
	{ "opt-in: coalesced writes", coalesced },
	{ "opt-in: coalesced writes, full ring", coalesced_full },
	{ "opt-in: coalesced writes, bad index", coalesced_bad_index },
	{ "opt-in: coalesced writes, string", coalesced_string },
	{ "opt-in: registers in kvm_run, errors", sync_regs_errors },
	{ "opt-in: registers in kvm_run", sync_regs },
	{ "opt-in: MSR filter and exit errors", msr_errors },
	{ "opt-in: MSR exits by reason", msr_exit_reasons },
	{ "opt-in: MSR filter", msr_filtered },
	{ "opt-in: state at an MSR exit", msr_exit_state },
	{ "opt-in: reports of TPR accesses", tpr_reports },
	{ "opt-in: TPR in memory", vapic },
	{ NULL, NULL },
};
