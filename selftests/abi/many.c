// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: many vCPUs. Ids far apart and beyond xAPIC's eight bits, every way to address
 * an IPI in x2APIC mode (SDM 11.12.9, 11.12.10), and as many vCPUs as the module promises.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>

#include "lib.h"

#define APIC_BASE	0x1b
#define X2APIC_ID	0x802
#define X2APIC_EOI	0x80b
#define X2APIC_SVR	0x80f
#define X2APIC_ICR	0x830

#define ICR_LOWEST	0x100
#define ICR_NMI		0x400
#define ICR_INIT	0x500
#define ICR_SIPI	0x600
#define ICR_LOGICAL	0x800
#define ICR_ASSERT	0x4000
#define ICR_ALL		0x80000
#define ICR_OTHERS	0xc0000

#define PING		0x31	/* below all others: whoever answers it has had what came before */
#define ANSWER		0x41	/* wakes vCPU 0 */
#define RELAYED		0x4f
#define FIRST		0x50	/* of the rows */

#define VCPUS		16
#define LATE		14	/* the one that waits for INIT and SIPI */
#define FAR		15

static const uint16_t ids[VCPUS] = {
	0, 1, 2, 3, 4, 5, 15, 16, 254, 255, 256, 257, 300, 512, 777, 1023,
};

#define BIT_OF(i)	(1u << (i))
#define MEMBERS		(0xffffu & ~BIT_OF(LATE))

/* An x2APIC's logical id: its cluster, and a bit in it. */
#define CLUSTER(id)	((uint32_t)(id) >> 4 << 16)

static const struct {
	const char *name;
	uint32_t dest, icr;
	uint32_t who;		/* bitmap of indices: who gets it, or of lowest priority: one of whom */
} rows[] = {
	{ "physical, 300", 300, 0, BIT_OF(12) },
	{ "physical, 1023", 1023, 0, BIT_OF(FAR) },
	{ "physical, 255", 255, 0, BIT_OF(9) },
	{ "physical, 256", 256, 0, BIT_OF(10) },
	{ "physical, 0", 0, 0, BIT_OF(0) },
	{ "physical, nobody's", 999, 0, 0 },
	{ "physical, nobody can have it", 0x10000000, 0, 0 },
	{ "physical, everyone", 0xffffffff, 0, MEMBERS },
	{ "logical, two of a cluster above 255", CLUSTER(256) | 3, ICR_LOGICAL, BIT_OF(10) | BIT_OF(11) },
	{ "logical, the last cluster", CLUSTER(1023) | 0x8000, ICR_LOGICAL, BIT_OF(FAR) },
	{ "logical, some of cluster 0", 0x8055, ICR_LOGICAL,
	  BIT_OF(0) | BIT_OF(2) | BIT_OF(4) | BIT_OF(6) },
	{ "logical, all of a cluster", CLUSTER(254) | 0xffff, ICR_LOGICAL, BIT_OF(8) | BIT_OF(9) },
	{ "logical, nobody's bits", CLUSTER(512) | 0xfffe, ICR_LOGICAL, 0 },
	{ "logical, nobody's cluster", 0x7fff0000 | 0xffff, ICR_LOGICAL, 0 },
	{ "logical, everyone", 0xffffffff, ICR_LOGICAL, MEMBERS },
	{ "lowest priority, of cluster 0", 0x3f, ICR_LOGICAL | ICR_LOWEST, 0x3f },
	{ "shorthand, all", 0, ICR_ALL, MEMBERS },
	{ "shorthand, the others", 0, ICR_OTHERS, MEMBERS & ~1u },
};

static volatile uint32_t who[256], times[256], online, started, at;
static volatile bool stop;

static void icr(uint32_t dest, uint32_t low)
{
	g_wrmsr(X2APIC_ICR, (uint64_t)dest << 32 | low);
}

__attribute__((target("general-regs-only")))
static void on_ipi(struct frame *f)
{
	uint32_t id = g_rdmsr(X2APIC_ID);
	unsigned int me = 0;

	while (me < VCPUS - 1 && ids[me] != id)
		me++;
	g_wrmsr(X2APIC_EOI, 0);
	if (f->vector == ANSWER)
		return;
	__atomic_fetch_or(&who[f->vector], BIT_OF(me), __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&times[f->vector], 1, __ATOMIC_SEQ_CST);
	if (f->vector == FIRST + 1 && me == FAR)
		icr(300, RELAYED);
	icr(0, ANSWER);
}

static void join(void)
{
	g_wrmsr(APIC_BASE, g_rdmsr(APIC_BASE) | 0xc00);
	g_wrmsr(X2APIC_SVR, 0x1ff);
}

static void member(void)
{
	join();
	__atomic_fetch_add(&online, 1, __ATOMIC_SEQ_CST);
	icr(0, ANSWER);
	for (;;)
		g_halt();
}

static void until(volatile uint32_t *count, uint32_t n)
{
	while (*count != n)
		g_halt();
}

/* Real mode, where a SIPI of vector 9 leads: counts, tells vCPU 0 by its own x2APIC. */
RAW_GUEST(late, 16,
	"lock incw %cs:0xff0\n"
	"mov $0x1b, %ecx; rdmsr; or $0xc00, %eax; wrmsr\n"
	"mov $0x80f, %ecx; mov $0x1ff, %eax; xor %edx, %edx; wrmsr\n"
	"mov $0x830, %ecx; mov $0x41, %eax; wrmsr\n"
	"1: cli; hlt; jmp 1b\n");

static void start_late(uint32_t id)
{
	uint32_t n;

	for (n = 1; n <= 2; n++) {
		icr(id, ICR_INIT | ICR_ASSERT);
		icr(id, ICR_SIPI | 9);
		while (*(volatile uint16_t *)0x9ff0 != n)
			g_halt();
		started = n;
	}
}

static void chief(void)
{
	uint32_t i, pings = 0;

	join();
	until(&online, VCPUS - 2);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		at = i;
		icr(rows[i].dest, rows[i].icr | (FIRST + i));
		until(&times[FIRST + i], rows[i].icr & ICR_LOWEST ? 1 : __builtin_popcount(rows[i].who));
		if (i == 1)
			until(&times[RELAYED], 1);
		pings += VCPUS - 2;
		icr(0, ICR_OTHERS | PING);
		until(&times[PING], pings);
	}
	icr(512, ICR_NMI | ICR_ASSERT);
	pings += VCPUS - 2;
	icr(0, ICR_OTHERS | PING);
	until(&times[PING], pings);
	start_late(ids[LATE]);
}

/* ---- the host's side -------------------------------------------------------------------- */

static struct vm *vm;

static void *run_member(void *arg)
{
	int i = (long)arg;

	/* EAGAIN says that it is out of INIT. */
	while (!stop) {
		int r = ioctl(vm->vcpu[i], KVM_RUN, 0);

		if (r < 0 && errno != EAGAIN && errno != EINTR)
			fail("vCPU %d: %s", i, errno_name(errno));
		if (!r && !stop) {
			describe_exit(vm, i);
			fail("vCPU %d leaves", i);
		}
	}
	return NULL;
}

/* Runs vCPU 0 to its end; false when that does not come. */
static bool run_chief(void)
{
	int r;

	alarm(row_seconds - 2);
	r = ioctl(vm->vcpu[0], KVM_RUN, 0);
	alarm(0);
	if (r < 0 && errno == EINTR)
		return false;
	MUST(r);
	EQUAL(vm->run[0]->exit_reason, KVM_EXIT_IO);
	EQUAL(*(uint32_t *)io_data(vm, 0), DONE);
	return true;
}

static void end_member(int i, pthread_t thread)
{
	stop = true;
	vm->run[i]->immediate_exit = 1;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
}

/* SIGALRM is for the thread that runs vCPU 0. */
static pthread_t begin_member(int i)
{
	sigset_t alarms;
	pthread_t thread;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL);
	CHECK(!pthread_create(&thread, NULL, run_member, (void *)(long)i));
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	return thread;
}

static struct vm *big_vm(void)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X2APIC_API,
		.args[0] = KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
	};
	struct vm *v = vm_new(WITH_IRQCHIP | NO_VCPU);

	MUST(ioctl(v->fd, KVM_ENABLE_CAP, &cap));
	memcpy(v->low + 0x9000, late_start, late_end - late_start);
	return v;
}

static void ipis(void)
{
	pthread_t threads[VCPUS];
	unsigned int i;

	vm = big_vm();
	guest.irq = on_ipi;
	for (i = 0; i < VCPUS; i++) {
		vm_add_vcpu_id(vm, ids[i]);
		if (i != LATE)
			vcpu_call(vm, i, i ? member : chief);
	}
	for (i = 1; i < VCPUS; i++)
		threads[i] = begin_member(i);
	if (!run_chief())
		fail("%u online, at %s: %u of %#x came, pings %u, started %u", online, rows[at].name,
		     times[FIRST + at], rows[at].who, times[PING], started);
	for (i = 1; i < VCPUS; i++)
		end_member(i, threads[i]);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		bool good = who[FIRST + i] == rows[i].who &&
			    times[FIRST + i] == (unsigned int)__builtin_popcount(rows[i].who);

		if (rows[i].icr & ICR_LOWEST)
			good = times[FIRST + i] == 1 && !(who[FIRST + i] & ~rows[i].who);
		if (!good)
			fail("%s: %u came, to %#x, for %#x", rows[i].name, times[FIRST + i],
			     who[FIRST + i], rows[i].who);
	}
	EQUAL(who[RELAYED], BIT_OF(12));
	EQUAL(guest.count[2], 1);
	EQUAL(started, 2);
}

/* ---- as many as promised ------------------------------------------------------------------- */

static volatile uint32_t last_id;

static void waker(void)
{
	join();
	start_late(last_id);
}

static void limits(void)
{
	unsigned int max = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	unsigned int max_id = ioctl(dev, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPU_ID), n, i;
	pthread_t thread;

	/* KVM's own limit would take the lab more than a row's time. */
	n = on_kvm && max > 288 ? 288 : max;
	last_id = max_id - 1;
	vm = big_vm();
	guest.irq = on_ipi;
	vm_add_vcpu_id(vm, 0);
	vm_add_vcpu_id(vm, last_id);
	ask("an id that is taken", ioctl(vm->fd, KVM_CREATE_VCPU, last_id));
	ask("an id at the limit", ioctl(vm->fd, KVM_CREATE_VCPU, max_id));
	for (i = 2; i < n; i++)
		MUST(ioctl(vm->fd, KVM_CREATE_VCPU, i & 1 ? max_id - i : i));
	if (n == max)
		REFUSED(ioctl(vm->fd, KVM_CREATE_VCPU, max_id / 2), EINVAL);
	vcpu_call(vm, 0, waker);
	thread = begin_member(1);
	if (!run_chief())
		fail("vCPU %u started %u times of 2", last_id, started);
	end_member(1, thread);
	EQUAL(started, 2);
}

const struct row many_rows[] = {
	{ "many: IPIs among 16 vCPUs with ids up to 1023", ipis },
	{ "many: as many vCPUs as promised, and the last one starts", limits },
	{ NULL, NULL }
};
