// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: the paravirtual features, as a guest uses them, and the exits they save.
 */
#define _GNU_SOURCE
#include <linux/kvm_para.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>

#include "lib.h"
#include "pv.h"

/* ---- shared with pv_apf.c --------------------------------------------------------------- */

uint64_t vcpu_stat(struct vm *vm, int i, const char *name)
{
	char desc[sizeof(struct kvm_stats_desc) + 256];
	struct kvm_stats_desc *d = (void *)desc;
	struct kvm_stats_header h;
	int fd = MUST(ioctl(vm->vcpu[i], KVM_GET_STATS_FD, 0));
	uint64_t value = 0;
	uint32_t n;

	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	for (n = 0; n < h.num_desc; n++) {
		size_t size = sizeof(*d) + h.name_size;

		CHECK(size <= sizeof(desc));
		CHECK(pread(fd, d, size, h.desc_offset + n * size) == (ssize_t)size);
		if (!strcmp(d->name, name)) {
			CHECK(pread(fd, &value, 8, h.data_offset + d->offset) == 8);
			close(fd);
			return value;
		}
	}
	fail("no statistic %s", name);
}

static void *run_thread(void *arg)
{
	struct pv_vcpu *v = arg;

	if (v->host_cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(v->host_cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	expect_sync(v->vm, v->i, DONE);
	v->done = true;
	return NULL;
}

void pv_start(struct pv_vcpu *v, struct vm *vm, int i, void (*code)(void))
{
	v->vm = vm;
	v->i = i;
	v->done = false;
	vcpu_call(vm, i, code);
	CHECK(pthread_create(&v->thread, NULL, run_thread, v) == 0);
}

void pv_join(struct pv_vcpu *v)
{
	pthread_join(v->thread, NULL);
}

void pv_enforce(struct vm *vm, int i)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 },
	};

	MUST(ioctl(vm->vcpu[i], KVM_ENABLE_CAP, &cap));
}

/* ---- features and what CPUID enforces ----------------------------------------------------- */

static void every_hypercall_guest(void)
{
	int nr;

	for (nr = 0; nr <= 13; nr++)
		/* To nobody: no APIC id, no vector, no page. */
		guest.v[nr] = hypercall(nr, 1, 0, 0xffff, 0);
}

static void every_hypercall(bool enforce)
{
	struct vm *vm = vm_new(WITH_IRQCHIP | NO_VCPU);
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	uint32_t n;
	char key[32];
	int nr;

	if (enforce)
		for (n = 0; n < cpuid->nent; n++)
			if (cpuid->entries[n].function == KVM_CPUID_FEATURES)
				cpuid->entries[n].eax = 0;
	vm_add_vcpu(vm);
	if (enforce)
		pv_enforce(vm, 0);
	vcpu_call(vm, 0, every_hypercall_guest);
	expect_sync(vm, 0, DONE);
	for (nr = 0; nr <= 13; nr++) {
		snprintf(key, sizeof(key), "hypercall %d", nr);
		answer(key, "%lld", (long long)guest.v[nr]);
	}
}

static void hypercalls(void)
{
	every_hypercall(false);
	EQUAL(guest.v[KVM_HC_KICK_CPU], 0);
	EQUAL(guest.v[KVM_HC_SCHED_YIELD], 0);
	EQUAL(guest.v[KVM_HC_SEND_IPI], 0);
}

static void hypercalls_enforced(void)
{
	every_hypercall(true);
	EQUAL(guest.v[KVM_HC_KICK_CPU], -1000);
	EQUAL(guest.v[KVM_HC_SCHED_YIELD], -1000);
	EQUAL(guest.v[KVM_HC_SEND_IPI], -1000);
}

static void msrs_guest(void)
{
	uint32_t i;

	for (i = 0; i < 9; i++) {
		guest.v[2 * i] = TRY("rdmsr", : "c" (0x4b564d00 + i) : "eax", "edx");
		guest.v[2 * i + 1] = TRY("wrmsr", : "c" (0x4b564d00 + i), "a" (0), "d" (0));
	}
}

static void msrs_enforced(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP | NO_VCPU);
	struct kvm_cpuid2 *cpuid = supported_cpuid();
	char key[32];
	uint32_t n;
	int i;

	for (n = 0; n < cpuid->nent; n++)
		if (cpuid->entries[n].function == KVM_CPUID_FEATURES)
			cpuid->entries[n].eax = 1 << KVM_FEATURE_CLOCKSOURCE2;
	vm_add_vcpu(vm);
	pv_enforce(vm, 0);
	vcpu_call(vm, 0, msrs_guest);
	expect_sync(vm, 0, DONE);
	for (i = 0; i < 9; i++) {
		snprintf(key, sizeof(key), "0x4b564d0%d", i);
		answer(key, "%lld %lld", (long long)guest.v[2 * i], (long long)guest.v[2 * i + 1]);
		EQUAL(guest.v[2 * i], i < 2 ? ~0ull : 13);
	}
}

static void msrs_offered(void)
{
	static const uint64_t values[] = {
		0, 1, SCRATCH | 1, SCRATCH | 3, SCRATCH | 9, SCRATCH | 0xb, SCRATCH | 0xd,
		SCRATCH | 0x11, SCRATCH | 0x21, 0x30, 0xff, 0x100, 1ull << 40 | 1, ~0ull,
	};
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} m = { { .nmsrs = 1 }, { .index = 0 } };
	char key[64];
	uint32_t msr;
	size_t n;

	for (msr = 0x4b564d02; msr <= 0x4b564d08; msr++) {
		for (n = 0; n < ARRAY_SIZE(values); n++) {
			m.entry = (struct kvm_msr_entry){ .index = msr, .data = values[n] };
			snprintf(key, sizeof(key), "%#x = %#llx", msr, (unsigned long long)values[n]);
			ask(key, ioctl(vm->vcpu[0], KVM_SET_MSRS, &m));
			m.entry.data = 0;
			snprintf(key, sizeof(key), "%#x after %#llx", msr, (unsigned long long)values[n]);
			if (ioctl(vm->vcpu[0], KVM_GET_MSRS, &m) == 1)
				answer(key, "%#llx", m.entry.data);
		}
	}
}

/* ---- steal time, the preempted flag, TLB flushes ------------------------------------------ */

static void steal_guest(void)
{
	g_wrmsr(MSR_KVM_STEAL_TIME, SCRATCH | 1);
	guest.v[0] = 1;
	guest_spins();
	while (!guest.v[3])
		guest.v[1]++;
	/* An entry later the host has brought its page up to date. */
	sync_host(2);
	sync_host(3);
}

static void *steal_thread(void *arg)
{
	struct vm *vm = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	expect_sync(vm, 0, 2);
	expect_sync(vm, 0, 3);
	return NULL;
}

/* On the vCPU's own CPU: while this runs, the vCPU does not. */
static void steal_time(void)
{
	struct vm *vm = vm_new(0);
	volatile struct kvm_steal_time *st = (void *)(vm->low + SCRATCH);
	struct timespec now, start;
	pthread_t thread;
	cpu_set_t set;

	st->version = 7;	/* garbage is no excuse */
	st->steal = 0;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	vcpu_call(vm, 0, steal_guest);
	CHECK(pthread_create(&thread, NULL, steal_thread, vm) == 0);
	while (!guest.v[0])
		usleep(1000);
	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > 5)
			fail("never preempted");
	} while (!(st->preempted & KVM_VCPU_PREEMPTED));
	/* As another vCPU of the guest would: flush before you go on. */
	__atomic_fetch_or(&st->preempted, KVM_VCPU_FLUSH_TLB, __ATOMIC_SEQ_CST);
	guest.v[3] = 1;
	pthread_join(thread, NULL);
	EQUAL(st->preempted, 0);
	EQUAL(st->version & 1, 0);
	EQUAL(st->flags, 0);
	CHECK(st->version > 8);
	CHECK(st->steal > 0);
	note("steal time %llu ns", (unsigned long long)st->steal);
	if (!on_kvm)
		CHECK(vcpu_stat(vm, 0, "pv_tlb_flush") == 1);
	CHECK(vcpu_stat(vm, 0, "preemption_reported") > 0);
}

/* ---- kick, yield ---------------------------------------------------------------------------- */

/* KVM finds an APIC by its id only after it has been used. */
static void lapic_on(void)
{
	lapic_write(0xf0, 0x1ff);
}

static void sleeper_guest(void)
{
	lapic_on();
	guest.v[1] = 1;
	asm volatile("cli; hlt");	/* only a kick ends this */
	guest.v[2] = 1;
}

static void kicker_guest(void)
{
	guest_spins();
	while (!guest.v[1])
		asm volatile("pause");
	guest.v[10] = hypercall(KVM_HC_KICK_CPU, 0, 1, 0, 0);
	while (!guest.v[2])
		asm volatile("pause");
}

static void early_kick_guest(void)
{
	lapic_on();
	guest.v[10] = hypercall(KVM_HC_KICK_CPU, 0, 0, 0, 0);
	asm volatile("cli; hlt");
	guest.v[11] = 1;
}

static void kick(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct pv_vcpu a = { .host_cpu = -1 }, b = { .host_cpu = -1 };

	vm_add_vcpu(vm);
	pv_start(&b, vm, 1, sleeper_guest);
	pv_start(&a, vm, 0, kicker_guest);
	pv_join(&a);
	pv_join(&b);
	EQUAL(guest.v[10], 0);
	/* A kick that comes before the HLT is not lost. */
	vcpu_call(vm, 0, early_kick_guest);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[11], 1);
}

/* Spin for vCPU 1, telling the host so or not. */
static void yielder_guest(void)
{
	guest_spins();
	while (!guest.v[2]) {
		guest.v[20]++;
		if (guest.v[5])
			hypercall(KVM_HC_SCHED_YIELD, 1, 0, 0, 0);
	}
}

static void worker_guest(void)
{
	guest_spins();
	while (!guest.v[20])	/* the other one is there */
		asm volatile("pause");
	while (guest.v[1] < 2000000)
		guest.v[1]++;
	guest.v[2] = 1;
}

/* Two vCPUs on one CPU: one works, one waits for it. */
static void sched_yield_row(void)
{
	struct pv_vcpu a = { .host_cpu = 0 }, b = { .host_cpu = 0 };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	uint64_t turns[2];
	int told;

	vm_add_vcpu(vm);
	for (told = 0; told < 2; told++) {
		guest.v[1] = guest.v[2] = guest.v[20] = 0;
		guest.v[5] = told;
		pv_start(&b, vm, 1, worker_guest);
		pv_start(&a, vm, 0, yielder_guest);
		pv_join(&a);
		pv_join(&b);
		turns[told] = guest.v[20];
	}
	note("turns of the waiting loop: %llu without, %llu with KVM_HC_SCHED_YIELD",
	     (unsigned long long)turns[0], (unsigned long long)turns[1]);
	CHECK(vcpu_stat(vm, 0, "directed_yield_attempted") > 0);
	CHECK(turns[1] < turns[0]);
}

/* ---- IPIs -------------------------------------------------------------------------------------- */

#define IPI_VECTOR	0x71
#define ROUNDS		20

static void count_ipi(struct frame *f)
{
	(void)f;
	lapic_write(0xb0, 0);
}

static void target_guest(void)
{
	int me = lapic_read(0x20) >> 24;

	lapic_on();
	guest.v[30 + me] = 1;
	/* One exit per HLT; v[3] is set before the last IPI, and may be seen before that comes. */
	while (!guest.v[3])
		asm volatile("sti; hlt; cli" : : : "memory");
	while (guest.count[IPI_VECTOR] < 3 * ROUNDS)
		asm volatile("sti; pause; cli" : : : "memory");
}

static void all_halted(uint64_t count)
{
	while (guest.count[IPI_VECTOR] < count)
		asm volatile("pause");
}

static void sender_guest(void)
{
	int i, to;

	guest.irq = count_ipi;
	guest_spins();
	lapic_on();
	while (!guest.v[31] || !guest.v[32] || !guest.v[33])
		asm volatile("pause");
	for (i = 0; i < ROUNDS; i++) {
		if (i == ROUNDS - 1)
			guest.v[3] = 1;
		if (guest.v[5]) {
			guest.v[10] = hypercall(KVM_HC_SEND_IPI, 7, 0, 1, IPI_VECTOR);
		} else {
			for (to = 1; to < 4; to++) {
				lapic_write(0x310, to << 24);
				lapic_write(0x300, 0x4000 | IPI_VECTOR);
			}
		}
		all_halted(3 * (i + 1));
	}
	/* Refusals: a logical destination, a shorthand; nobody there. */
	guest.v[11] = hypercall(KVM_HC_SEND_IPI, 1, 0, 1, 0x800 | IPI_VECTOR);
	guest.v[12] = hypercall(KVM_HC_SEND_IPI, 1, 0, 1, 0x40000 | IPI_VECTOR);
	guest.v[13] = hypercall(KVM_HC_SEND_IPI, 1, 1, 200, IPI_VECTOR);
	guest.v[14] = hypercall(KVM_HC_SEND_IPI, 0, 1, 0, IPI_VECTOR);
}

static void ipis(void)
{
	struct pv_vcpu v[4];
	uint64_t exits[2];
	struct vm *vm;
	int pv, i;

	for (pv = 0; pv < 2; pv++) {
		vm = vm_new(WITH_IRQCHIP);
		memset((void *)&guest, 0, sizeof(guest));
		guest.v[5] = pv;
		for (i = 1; i < 4; i++)
			vm_add_vcpu(vm);
		for (i = 3; i >= 0; i--) {
			v[i].host_cpu = -1;
			pv_start(&v[i], vm, i, i ? target_guest : sender_guest);
		}
		for (i = 3; i >= 0; i--)
			pv_join(&v[i]);
		exits[pv] = vcpu_stat(vm, 0, "exits");
		EQUAL(guest.count[IPI_VECTOR], 3 * ROUNDS);
		answer("logical", "%lld", (long long)guest.v[11]);
		answer("shorthand", "%lld", (long long)guest.v[12]);
		answer("nobody", "%lld", (long long)guest.v[13]);
		answer("second word", "%lld", (long long)guest.v[14]);
		vm_free(vm);
	}
	EQUAL(guest.v[10], 3);
	note("%d IPIs to 3 vCPUs each, exits of the sender: %llu by ICR, %llu by KVM_HC_SEND_IPI",
	     ROUNDS, (unsigned long long)exits[0], (unsigned long long)exits[1]);
	CHECK(exits[1] < exits[0]);
}

/* ---- polling in HLT ------------------------------------------------------------------------------ */

static void ticks_guest(void)
{
	guest.irq = count_ipi;
	if (guest.v[5])
		g_wrmsr(MSR_KVM_POLL_CONTROL, 0);
	lapic_on();
	lapic_write(0x3e0, 0xb);		/* divide by 1 */
	lapic_write(0x320, 0x20042);		/* periodic */
	lapic_write(0x380, 50000);		/* 50 us */
	while (guest.count[0x42] < 200)
		g_halt();
	lapic_write(0x380, 0);
}

/* Short halts are polled through, and not when the guest says that it polls itself. */
static void poll_control(void)
{
	uint64_t attempted[2];
	struct vm *vm;
	int off;

	for (off = 0; off < 2; off++) {
		vm = vm_new(WITH_IRQCHIP);
		memset((void *)&guest, 0, sizeof(guest));
		guest.v[5] = off;
		vcpu_call(vm, 0, ticks_guest);
		expect_sync(vm, 0, DONE);
		attempted[off] = vcpu_stat(vm, 0, "halt_attempted_poll");
		note("polling %s: %llu halts, %llu polled, %llu woken by it", off ? "off" : "on",
		     (unsigned long long)vcpu_stat(vm, 0, "halt_exits"),
		     (unsigned long long)attempted[off],
		     (unsigned long long)vcpu_stat(vm, 0, "halt_successful_poll"));
		answer(off ? "MSR off" : "MSR on", "%#llx", (unsigned long long)get_msr(vm, 0, MSR_KVM_POLL_CONTROL));
		vm_free(vm);
	}
	EQUAL(attempted[1], 0);
	if (!tcg)
		CHECK(attempted[0] > 0);
}

/* ---- memory shared with the host -------------------------------------------------------------------- */

static void map_range_guest(void)
{
	guest.v[0] = hypercall(KVM_HC_MAP_GPA_RANGE, 0x123000, 16, 1, 0);
	guest.v[1] = hypercall(KVM_HC_MAP_GPA_RANGE, 0x123001, 16, 1, 0);
	guest.v[2] = hypercall(KVM_HC_MAP_GPA_RANGE, 0x123000, 0, 1, 0);
	guest.v[3] = hypercall(KVM_HC_MAP_GPA_RANGE, 0x123000, ~0ull, 1, 0);
}

static void map_range(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL };
	struct vm *vm = vm_new(0);
	struct kvm_run *run = vm->run[0];
	int i;

	vcpu_call(vm, 0, map_range_guest);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], -1000);	/* nobody wants to hear of it */

	cap.args[0] = 1;
	ask("other hypercalls", ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 1 << KVM_HC_MAP_GPA_RANGE;
	MUST(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vcpu_call(vm, 0, map_range_guest);
	run_until(vm, 0, KVM_EXIT_HYPERCALL);
	EQUAL(run->hypercall.nr, KVM_HC_MAP_GPA_RANGE);
	EQUAL(run->hypercall.args[0], 0x123000);
	EQUAL(run->hypercall.args[1], 16);
	EQUAL(run->hypercall.args[2], 1);
	run->hypercall.ret = 0x55;
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0x55);
	for (i = 1; i < 4; i++)
		EQUAL(guest.v[i], -22);
}

/* ---- the clocks together ------------------------------------------------------------------------------- */

static void pairing_guest(void)
{
	guest.v[1] = g_rdtsc();
	guest.v[0] = hypercall(KVM_HC_CLOCK_PAIRING, SCRATCH, 0, 0, 0);
	guest.v[2] = g_rdtsc();
	guest.v[3] = hypercall(KVM_HC_CLOCK_PAIRING, SCRATCH, 1, 0, 0);
	guest.v[4] = hypercall(KVM_HC_CLOCK_PAIRING, MMIO, 0, 0, 0);
}

static void clock_pairing(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_clock_pairing *p = (void *)(vm->low + SCRATCH);
	time_t before = time(NULL);

	vcpu_call(vm, 0, pairing_guest);
	expect_sync(vm, 0, DONE);
	answer("unknown clock", "%lld", (long long)guest.v[3]);
	answer("no memory", "%lld", (long long)guest.v[4]);
	if ((int64_t)guest.v[0] == -95)
		skip("the host does not keep time by its TSC");
	EQUAL(guest.v[0], 0);
	CHECK(p->tsc >= guest.v[1] && p->tsc <= guest.v[2]);
	CHECK(p->sec >= before && p->sec <= time(NULL));
}

/* ---- destinations beyond 255 in MSIs ---------------------------------------------------------------------- */

/* KVM_FEATURE_MSI_EXT_DEST_ID is user space's; this is the module's part of it. */
static void msi_destinations(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X2APIC_API, .args = { KVM_X2APIC_API_USE_32BIT_IDS },
	};
	struct kvm_msi msi = { .address_lo = 0xfee00000 | (300 & 0xff) << 12, .data = 0x400 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} base = { { .nmsrs = 1 }, { .index = 0x1b, .data = 0xfee00c00 } };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events ev;
	int far_vcpu;

	far_vcpu = MUST(ioctl(vm->fd, KVM_CREATE_VCPU, 300));
	/* As in lapic_on(). */
	MUST(ioctl(far_vcpu, KVM_GET_LAPIC, &lapic));
	*(uint32_t *)(lapic.regs + 0xf0) = 0x1ff;
	MUST(ioctl(far_vcpu, KVM_SET_LAPIC, &lapic));
	/* An xAPIC has 8 bits of identity; newer KVMs do not look further. */
	MUST(ioctl(far_vcpu, KVM_SET_CPUID2, supported_cpuid()));
	EQUAL(MUST(ioctl(far_vcpu, KVM_SET_MSRS, &base)), 1);
	msi.address_hi = 300 & ~0xff;
	MUST(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	EQUAL(MUST(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi)), 1);
	MUST(ioctl(far_vcpu, KVM_GET_VCPU_EVENTS, &ev));
	EQUAL(ev.nmi.pending, 1);
	msi.address_lo += 1 << 12;
	ask("nobody", ioctl(vm->fd, KVM_SIGNAL_MSI, &msi));
	msi.address_hi = 0x80;
	ask("reserved bits", ioctl(vm->fd, KVM_SIGNAL_MSI, &msi));
	close(far_vcpu);
}

const struct row pv_rows[] = {
	{ "pv: MSRs: what may be written", msrs_offered },
	{ "pv: MSRs of features that CPUID denies", msrs_enforced },
	{ "pv: hypercalls", hypercalls },
	{ "pv: hypercalls of features that CPUID denies", hypercalls_enforced },
	{ "pv: steal time, preempted, flush on return", steal_time },
	{ "pv: a kick ends HLT", kick },
	{ "pv: yield to whom one waits for", sched_yield_row },
	{ "pv: IPIs by hypercall", ipis },
	{ "pv: polling in HLT", poll_control },
	{ "pv: KVM_HC_MAP_GPA_RANGE", map_range },
	{ "pv: KVM_HC_CLOCK_PAIRING", clock_pairing },
	{ "pv: MSIs to destinations beyond 255", msi_destinations },
	{ NULL, NULL },
};
