// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hostile user space: random and boundary values at every ioctl, wrong objects, bad
 * pointers, descriptors closed and memory unmapped under running ioctls, and guests of
 * random state and random code.
 *
 *	hostile DEVICE [SECONDS [SEED [ATTACK]]]
 *
 * Any errno and any success will do; what counts is that the host survives without a
 * complaint in its log, which the lab's run looks for. TAP on standard output, one line
 * per kind of attack, with the number of iterations, which must not be 0.
 *
 * Each attack runs in processes of their own that live for a part of a second, so that
 * the ends of VMs in strange states are tested, too. SEED, printed first, gives each round
 * its own; 0 takes the time. ATTACK, a number from 1, makes all rounds that one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "lib.h"

#define ROUND_MS	400
#define ARENA		0x200000ul

/* Shared with the children: how often each attack did something. */
static volatile uint64_t *iterations;
static uint64_t state;

static uint64_t rnd(void)
{
	uint64_t z = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t odd_value(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255, 256, 257, 511, 512, 0xfff,
		0x1000, 0x1001, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffff000,
		0xffffffff, 0x100000000, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000,
		0xffff800000000000, 0xffffffff80000000, 0x7fffffffffffffff, 0x8000000000000000,
		0xfffffffffffff000, ~0ull, 0xfee00000, 0xfec00000, 0x10000000, 0x200000, 0x400000,
		1ull << 52, 1ull << 51, 1ull << 40, 0x4b564d00, 0x4b564d01, 0x80000001, 0xc0000080,
	};
	uint64_t r = rnd();

	switch (r & 7) {
	case 0:
		return rnd();
	case 1:
		return rnd() & 0xff;
	case 2:
		return 1ull << (rnd() & 63);
	case 3:
		return values[rnd() % ARRAY_SIZE(values)] + (rnd() & 3) - 1;
	default:
		return values[rnd() % ARRAY_SIZE(values)];
	}
}

static void odd_fill(void *p, size_t size)
{
	size_t i;
	uint64_t v;

	memset(p, 0, size);
	if (!(rnd() & 7))
		return;
	for (i = 0; i + 4 <= size; i += 4) {
		if (rnd() & 1)
			continue;
		v = odd_value();
		memcpy((char *)p + i, &v, i + 8 <= size && rnd() & 1 ? 8 : 4);
	}
}

/* ---- the target ------------------------------------------------------------------------ */

static struct vm *vm;
static int extra_fds[16];
static uint8_t *arena;		/* 2 MiB, the last page of which is no memory */


static const unsigned long requests[] = {
	KVM_GET_API_VERSION, KVM_CHECK_EXTENSION, KVM_GET_VCPU_MMAP_SIZE,
	KVM_GET_SUPPORTED_CPUID, KVM_GET_EMULATED_CPUID, KVM_GET_MSR_INDEX_LIST,
	KVM_GET_MSR_FEATURE_INDEX_LIST, KVM_X86_GET_MCE_CAP_SUPPORTED,
	KVM_CREATE_VCPU, KVM_ENABLE_CAP, KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG,
	KVM_CLEAR_DIRTY_LOG, KVM_SET_TSS_ADDR, KVM_SET_IDENTITY_MAP_ADDR, KVM_CREATE_IRQCHIP,
	KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, KVM_IRQ_LINE, KVM_IRQ_LINE_STATUS, KVM_SET_GSI_ROUTING,
	KVM_SIGNAL_MSI, KVM_IRQFD, KVM_IOEVENTFD, KVM_CREATE_PIT, KVM_CREATE_PIT2, KVM_GET_PIT2,
	KVM_SET_PIT2, KVM_REINJECT_CONTROL, KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_SET_BOOT_CPU_ID,
	KVM_SET_TSC_KHZ, KVM_GET_TSC_KHZ, KVM_GET_STATS_FD, KVM_RUN, KVM_GET_REGS, KVM_SET_REGS,
	KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_SREGS2, KVM_SET_SREGS2, KVM_GET_FPU, KVM_SET_FPU,
	KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XSAVE2, KVM_GET_XCRS, KVM_SET_XCRS, KVM_GET_MSRS,
	KVM_SET_MSRS, KVM_SET_CPUID, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_LAPIC, KVM_SET_LAPIC,
	KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS,
	KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, KVM_SET_GUEST_DEBUG, KVM_TRANSLATE, KVM_INTERRUPT,
	KVM_NMI, KVM_SET_SIGNAL_MASK, KVM_KVMCLOCK_CTRL, KVM_X86_SETUP_MCE,
	KVM_TPR_ACCESS_REPORTING, KVM_SMI, KVM_SET_MEMORY_ALIAS, KVM_GET_NESTED_STATE,
	KVM_SET_PMU_EVENT_FILTER, KVM_RESET_DIRTY_RINGS,
	KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO, KVM_X86_SET_MSR_FILTER, KVM_SET_VAPIC_ADDR, KVM_GET_PIT, KVM_SET_PIT,
	KVM_X86_SET_MCE, KVM_HAS_DEVICE_ATTR, KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR,
};

static int any_fd(void)
{
	switch (rnd() % 16) {
	case 0:
		return dev;
	case 1 ... 6:
		return vm->fd;
	case 7:
		return extra_fds[rnd() % ARRAY_SIZE(extra_fds)];
	default:
		return vm->vcpu[rnd() % vm->nr_vcpus];
	}
}

/* A pointer: mostly good, sometimes ending in nowhere, sometimes nowhere at all. */
static void *any_pointer(size_t size)
{
	uint64_t r = rnd();

	switch (r & 31) {
	case 0:
		return (void *)odd_value();
	case 1:
		return NULL;
	case 2:		/* runs into the hole */
		return arena + ARENA - 4096 - (size ? rnd() % size : 0);
	default:
		return arena + (rnd() % (ARENA / 2) & ~7ul);
	}
}

static bool is_memory(void *p, size_t size)
{
	return (uintptr_t)p - (uintptr_t)arena <= ARENA - 4096 - size;
}

static void *fill_pointer(size_t size)
{
	void *p = any_pointer(size);

	if (is_memory(p, size))
		odd_fill(p, size);
	return p;
}

/* A memory region that is likely to be good. */
static void some_slot(void)
{
	static const uint32_t flags[] = { 0, 1, 2, 3 };
	uint64_t gpa = 0x20000000 + (rnd() % 64 << 12), size = rnd() % 40 << 12;

	if (!(rnd() & 7))
		gpa = odd_value();
	vm_slot(vm, 2 + rnd() % 6, flags[rnd() & 3], gpa, size, arena + (rnd() % 256 << 12));
}

/* What a random buffer would hardly hit: counts and ids that make sense. */
static void shape(unsigned long request, uint32_t *p)
{
	switch (request) {
	case KVM_GET_DIRTY_LOG:
		p[0] = rnd() % 8;
		*(void **)(p + 2) = any_pointer(4096);
		break;
	case KVM_CLEAR_DIRTY_LOG:
		p[0] = rnd() % 8;
		p[1] = rnd() & 1 ? 64 : rnd();
		*(uint64_t *)(p + 2) = rnd() & 1 ? 0 : odd_value();
		*(void **)(p + 4) = any_pointer(4096);
		break;
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
		p[0] = rnd() & 3;
		break;
	case KVM_IRQ_LINE:
	case KVM_IRQ_LINE_STATUS:
		p[0] = rnd() % 26;
		break;
	case KVM_IRQFD:
		p[0] = extra_fds[rnd() % ARRAY_SIZE(extra_fds)];
		p[1] = rnd() % 30;
		p[2] = rnd() & 3;
		p[3] = extra_fds[rnd() % ARRAY_SIZE(extra_fds)];
		break;
	case KVM_IOEVENTFD:
		*(uint64_t *)(p + 2) = rnd() & 1 ? MMIO + (rnd() & 0x18) : 0x500 + (rnd() & 7);
		p[4] = 1 << (rnd() & 3);
		p[5] = extra_fds[rnd() % ARRAY_SIZE(extra_fds)];
		p[6] = rnd() & 7;
		break;
	case KVM_SET_GSI_ROUTING:
		p[0] = rnd() & 1 ? rnd() % 40 : odd_value();
		p[1] = 0;
		break;
	case KVM_SET_MSRS:
	case KVM_GET_MSRS:
	case KVM_SET_CPUID2:
	case KVM_GET_CPUID2:
	case KVM_SET_CPUID:
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_EMULATED_CPUID:
	case KVM_GET_MSR_INDEX_LIST:
		p[0] = rnd() & 3 ? rnd() % 100 : odd_value();
		break;
	case KVM_SET_MP_STATE:
		p[0] = rnd() % 5;
		break;
	case KVM_SET_SIGNAL_MASK:
		p[0] = rnd() & 3 ? 8 : odd_value();
		break;
	case KVM_SIGNAL_MSI:
		p[0] = 0xfee00000 | (rnd() & 0xff00c);
		p[1] = 0;
		p[2] = rnd() & 0xffff;
		p[3] = 0;
		break;
	case KVM_ENABLE_CAP:
		p[0] = rnd() & 1 ? 100 + rnd() % 130 : odd_value();
		p[1] = 0;
		break;
	}
}

/* One call of what need not sleep for long. */
static void any_ioctl(void)
{
	unsigned long request = requests[rnd() % ARRAY_SIZE(requests)];
	size_t size = _IOC_SIZE(request);
	void *p;
	int fd, r;

	if (!(rnd() & 31)) {
		some_slot();
		return;
	}
	if (!(rnd() & 63))	/* a size or a direction that is not the ioctl's */
		request ^= 1ul << (rnd() & 31);
	if (size < 4096)
		size = size < 64 ? 4096 : size * 4;
	p = fill_pointer(size);
	if (rnd() & 3 && is_memory(p, size))
		shape(request, p);
	/* Numbers for those that take no pointer. */
	if (!_IOC_SIZE(request) && rnd() & 1)
		p = (void *)odd_value();
	fd = any_fd();
	r = ioctl(fd, request, request == KVM_RUN ? NULL : p);
	if (r > 2 && (request == KVM_GET_STATS_FD || request == KVM_CREATE_VCPU)) {
		char buf[64];

		if (rnd() & 1 && pread(r, buf, sizeof(buf), odd_value()) < 0)
			errno = 0;
		close(r);
	}
}

static void target(unsigned int flags)
{
	unsigned int i;

	arena = map_memory(ARENA);
	munmap(arena + ARENA - 4096, 4096);
	vm = vm_new(flags);
	vm_add_vcpu(vm);
	for (i = 0; i < ARRAY_SIZE(extra_fds); i++)
		extra_fds[i] = i & 1 ? open("/dev/null", O_RDWR) : eventfd(0, EFD_NONBLOCK);
	extra_fds[1] = vm->fd;
	extra_fds[3] = vm->vcpu[0];
}

static void count(int what)
{
	__atomic_add_fetch(&iterations[what], 1, __ATOMIC_RELAXED);
}

/* ---- attacks -------------------------------------------------------------------------------- */

enum { IOCTLS, THREADS, CODE_RUNS, STATES, OBJECTS, KILLS, ATTACKS };

static volatile bool stop;

static unsigned int some_flags(void)
{
	static const unsigned int flags[] = { 0, WITH_IRQCHIP, WITH_PIT };

	return flags[rnd() % ARRAY_SIZE(flags)];
}

static void arm_timer(void)
{
	struct itimerval every = { .it_interval.tv_usec = 2000, .it_value.tv_usec = 2000 };

	setitimer(ITIMER_REAL, &every, NULL);
}

static void spin_guest(void)
{
	guest_spins();
	for (;;) {
		guest.v[1]++;
		*(volatile uint32_t *)(0x20000000ul + (guest.v[1] & 0x3f) * 4096) = 1;
	}
}

static void *tick(void *arg)
{
	struct timespec nap = { .tv_nsec = 10000000 };
	pthread_t *t = arg;
	int i;

	while (!stop) {
		nanosleep(&nap, NULL);
		for (i = 0; t[i]; i++)
			pthread_kill(t[i], SIGUSR1);
	}
	return NULL;
}

static void attack_ioctls(void)
{
	target(some_flags());
	vcpu_call(vm, 0, spin_guest);
	arm_timer();
	for (;;) {
		any_ioctl();
		count(IOCTLS);
	}
}

static void *any_thread(void *arg)
{
	long n = (long)arg;

	while (!stop) {
		if (n == 0)
			ioctl(vm->vcpu[0], KVM_RUN, 0);
		else if (n == 1 && !(rnd() & 3))
			madvise(arena + (rnd() % 512 << 12), (rnd() % 64) << 12, MADV_DONTNEED);
		else if (n == 1 && !(rnd() & 7))
			some_slot();
		else
			any_ioctl();
		count(THREADS);
	}
	return NULL;
}

/* Several threads at one VM, one of which runs it. */
static void attack_threads(void)
{
	static pthread_t t[6], ticker;
	unsigned int i;

	target(some_flags());
	some_slot();
	vcpu_call(vm, 0, spin_guest);
	for (i = 0; i < ARRAY_SIZE(t) - 1; i++)
		if (pthread_create(&t[i], NULL, any_thread, (void *)(long)i))
			break;
	pthread_create(&ticker, NULL, tick, t);
	usleep(ROUND_MS * 700);
	/* Descriptors go while they are in use. */
	close(vm->vcpu[0]);
	close(vm->fd);
	munmap(vm->run[0], vm->run_size);
	munmap(arena, ARENA / 2);
	for (;;)
		pause();
}

static const uint8_t spice[][8] = {
	{ 2, 0x0f, 0xa2 }, { 2, 0x0f, 0x30 }, { 2, 0x0f, 0x32 }, { 1, 0xf4 }, { 1, 0xec }, { 1, 0xee },
	{ 2, 0xf3, 0x6c }, { 2, 0xf3, 0x6e }, { 3, 0x0f, 0x22, 0xc0 }, { 3, 0x0f, 0x22, 0xe0 },
	{ 3, 0x0f, 0x22, 0xd8 }, { 3, 0x0f, 0x23, 0xf8 }, { 3, 0x0f, 0x01, 0xd9 },
	{ 3, 0x0f, 0x01, 0xc1 }, { 3, 0x0f, 0x01, 0xd1 }, { 2, 0x0f, 0x31 }, { 2, 0x0f, 0x09 },
	{ 2, 0x0f, 0x08 }, { 3, 0x0f, 0x01, 0x38 }, { 3, 0x0f, 0x01, 0xf8 }, { 2, 0xcd, 0x80 },
	{ 1, 0xcc }, { 1, 0xcf }, { 2, 0x0f, 0x05 }, { 2, 0x0f, 0x34 }, { 1, 0xfb }, { 1, 0xfa },
	{ 3, 0x0f, 0x01, 0xc8 }, { 3, 0x0f, 0x01, 0xd8 }, { 3, 0x0f, 0x01, 0xdc }, { 1, 0x9d },
	{ 2, 0x8e, 0xd0 }, { 3, 0x0f, 0x00, 0xd8 }, { 3, 0x0f, 0x01, 0x10 }, { 3, 0x0f, 0x01, 0x18 },
	{ 3, 0x0f, 0xae, 0x00 }, { 2, 0xf3, 0xa4 }, { 2, 0xf3, 0xab }, { 3, 0x0f, 0xc7, 0x08 },
	{ 2, 0x0f, 0x33 }, { 3, 0x0f, 0x01, 0xf9 }, { 2, 0xf3, 0x90 }, { 1, 0xf1 },
};

static void random_code(uint8_t *p, size_t size)
{
	size_t i = 0;
	uint64_t v;

	while (i + 16 < size) {
		if (rnd() & 1) {
			const uint8_t *s = spice[rnd() % ARRAY_SIZE(spice)];

			memcpy(p + i, s + 1, s[0]);
			i += s[0];
		} else {
			v = rnd();
			memcpy(p + i, &v, 8);
			i += 1 + v % 8;
		}
	}
}

static void random_regs(int i)
{
	struct kvm_regs regs;
	uint64_t *w = (void *)&regs;
	size_t n;

	for (n = 0; n < sizeof(regs) / 8; n++)
		w[n] = odd_value();
	regs.rip = CODE + rnd() % 0x1000;
	if (rnd() & 1)
		regs.rsp = 0x7000;
	regs.rflags = (odd_value() & 0x257fd5) | 2;
	/* Pointers that lead to devices. */
	if (rnd() & 1) {
		regs.rsi = 0xfee00000 + (rnd() & 0xff0);
		regs.rdi = MMIO;
		regs.rax = 0xfec00000 + (rnd() & 0x10);
		regs.rcx = rnd() & 1 ? 0xc0000080 + rnd() % 0x104 : rnd() % 0x900;
	}
	ioctl(vm->vcpu[i], KVM_SET_REGS, &regs);
}

static void answer_exit(int i)
{
	uint64_t v = odd_value();

	if (vm->run[i]->exit_reason == KVM_EXIT_MMIO)
		memcpy(vm->run[i]->mmio.data, &v, 8);
	else if (vm->run[i]->exit_reason == KVM_EXIT_IO && vm->run[i]->io.data_offset <= 4096)
		memcpy(io_data(vm, i), &v, 8);
	/* What user space may write at any time. */
	if (!(rnd() & 7))
		odd_fill(vm->run[i], 32);
	vm->run[i]->immediate_exit = 0;
	vm->run[i]->request_interrupt_window = rnd() & 1;
	if (!(rnd() & 15))
		odd_fill(vm->run[i], 2048);
}

/* Random code in each mode. */
static void attack_code(void)
{
	int n;

	target(some_flags());
	arm_timer();
	for (;;) {
		random_code(vm->low + CODE, 0x1800);
		vcpu_start(vm, 0, rnd() % 3, CODE);
		random_regs(0);
		for (n = 0; n < 20; n++) {
			if (ioctl(vm->vcpu[0], KVM_RUN, 0) < 0 && errno != EINTR)
				break;
			answer_exit(0);
			if (!(rnd() & 7)) {
				struct kvm_regs regs;

				ioctl(vm->vcpu[0], KVM_GET_REGS, &regs);
				regs.rip = CODE + rnd() % 0x1000;
				ioctl(vm->vcpu[0], KVM_SET_REGS, &regs);
			}
		}
		count(CODE_RUNS);
	}
}

/* Any state that the SET ioctls take, then run. */
static void attack_states(void)
{
	struct kvm_sregs s, good;
	struct kvm_vcpu_events ev;
	struct kvm_debugregs dr;
	struct kvm_guest_debug dbg;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m;
	uint64_t *w;
	int n;

	target(some_flags());
	vcpu_start(vm, 0, LONG, CODE);
	ioctl(vm->vcpu[0], KVM_GET_SREGS, &good);
	arm_timer();
	for (;;) {
		random_code(vm->low + CODE, 0x1800);
		s = good;
		if (rnd() & 1)
			vcpu_start(vm, 0, rnd() % 3, CODE);
		else
			ioctl(vm->vcpu[0], KVM_SET_SREGS, &good);
		if (rnd() & 1)
			ioctl(vm->vcpu[0], KVM_GET_SREGS, &s);
		w = (void *)&s;
		for (n = rnd() & 7; n > 0; n--)
			w[rnd() % (sizeof(s) / 8)] = odd_value();
		if (rnd() & 1)
			s.cr0 ^= 1ull << (rnd() & 31);
		if (rnd() & 1)
			s.cr4 ^= 1ull << (rnd() & 31);
		if (rnd() & 1)
			s.efer ^= 1ull << (rnd() & 15);
		if (rnd() & 1)
			((uint8_t *)&s)[rnd() % offsetof(struct kvm_sregs, cr0)] = rnd();
		ioctl(vm->vcpu[0], KVM_SET_SREGS, &s);
		if (rnd() & 1) {
			odd_fill(&ev, sizeof(ev));
			ev.flags &= 0x3f;
			ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &ev);
		}
		if (rnd() & 1) {
			odd_fill(&dr, sizeof(dr));
			dr.flags = 0;
			dr.dr6 = (uint32_t)dr.dr6;
			dr.dr7 = (uint32_t)dr.dr7;
			ioctl(vm->vcpu[0], KVM_SET_DEBUGREGS, &dr);
		}
		if (!(rnd() & 3)) {
			odd_fill(&dbg, sizeof(dbg));
			dbg.control = rnd() & 0x3f0003;
			ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg);
		}
		for (n = 0; n < 4; n++) {
			m.head.nmsrs = 1;
			m.e.index = rnd() & 1 ? 0xc0000080 + rnd() % 0x104 :
				    rnd() & 1 ? 0x4b564d00 + rnd() % 8 : rnd() % 0x900;
			m.e.data = odd_value();
			ioctl(vm->vcpu[0], KVM_SET_MSRS, &m);
		}
		if (!(rnd() & 7))
			any_ioctl();
		random_regs(0);
		for (n = 0; n < 4; n++) {
			if (ioctl(vm->vcpu[0], KVM_RUN, 0) < 0 && errno != EINTR)
				break;
			answer_exit(0);
		}
		count(STATES);
	}
}

static void *close_thread(void *arg)
{
	(void)arg;
	while (!stop) {
		int fd = 3 + rnd() % 60;

		if (fd != dev)
			close(fd);
		usleep(rnd() % 200);
	}
	return NULL;
}

static void *create_thread(void *arg)
{
	long n = (long)arg;

	while (!stop) {
		int v, c, s;
		struct kvm_run *run;

		if (n == 0 || rnd() & 1) {
			v = ioctl(dev, KVM_CREATE_VM, rnd() & 15 ? 0 : odd_value());
			ioctl(v, KVM_CREATE_IRQCHIP, 0);
			c = ioctl(v, KVM_CREATE_VCPU, rnd() & 1 ? rnd() & 3 : odd_value());
		} else {
			v = 3 + rnd() % 60;
			c = 3 + rnd() % 60;
		}
		run = mmap(NULL, 4096 << (rnd() & 1), PROT_READ | PROT_WRITE, MAP_SHARED, c,
			   rnd() & 3 ? 0 : (rnd() & 3) << 12);
		ioctl(c, KVM_RUN, 0);
		s = ioctl(rnd() & 1 ? v : c, KVM_GET_STATS_FD, 0);
		ioctl(v, requests[rnd() % ARRAY_SIZE(requests)], arena + rnd() % (ARENA / 2));
		ioctl(c, requests[rnd() % ARRAY_SIZE(requests)], arena + rnd() % (ARENA / 2));
		if (rnd() & 1)
			close(v);
		if (rnd() & 1)
			close(c);
		if (run != MAP_FAILED) {
			if (rnd() & 1)
				run->immediate_exit = 1;
			munmap(run, 4096);
		}
		if (rnd() & 1)
			close(s);
		count(OBJECTS);
	}
	return NULL;
}

/* Objects come and go, and descriptors are closed by number whatever they are. */
static void attack_objects(void)
{
	static pthread_t t[6];
	struct rlimit limit = { 200, 200 };
	unsigned int i;

	setrlimit(RLIMIT_NOFILE, &limit);
	target(some_flags());
	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, create_thread, (void *)(long)i);
	pthread_create(&t[4], NULL, close_thread, NULL);
	tick(t);
}

/* A VM whose process forks, execs nothing, and dies while timers and irqfds are armed. */
static void attack_kill(void)
{
	struct kvm_irqfd irqfd = { .gsi = 4 };
	uint64_t one = 1;
	int i;

	target(WITH_PIT);
	vcpu_call(vm, 0, spin_guest);
	some_slot();
	for (i = 0; i < 8; i += 2) {
		irqfd.fd = extra_fds[i];
		irqfd.gsi = i + 4;
		ioctl(vm->fd, KVM_IRQFD, &irqfd);
	}
	arm_timer();
	if (!(rnd() & 3) && !fork())
		for (;;) {
			any_ioctl();
			if (write(extra_fds[rnd() % 4 * 2], &one, 8) < 0)
				errno = 0;
		}
	for (;;) {
		if (write(extra_fds[rnd() % 4 * 2], &one, 8) < 0)
			errno = 0;
		ioctl(vm->vcpu[0], KVM_RUN, 0);
		answer_exit(0);
		count(KILLS);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} attacks[ATTACKS] = {
	[IOCTLS] = { "random arguments at every ioctl", attack_ioctls },
	[THREADS] = { "several threads at one VM, memory and descriptors going away", attack_threads },
	[CODE_RUNS] = { "random guest code", attack_code },
	[STATES] = { "random vCPU state", attack_states },
	[OBJECTS] = { "objects come and go", attack_objects },
	[KILLS] = { "killed with timers and irqfds armed", attack_kill },
};

static void start_attack(int i, uint64_t seed)
{
	sigset_t set;
	int null;

	setpgid(0, 0);
	state = seed;
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	/* What a harness function says on failure is no news here. */
	null = open("/dev/null", O_WRONLY);
	dup2(null, 1);
	attacks[i].run();
	_exit(0);
}

static void nothing(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 0) : 30;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	unsigned int only = argc > 4 ? strtoul(argv[4], NULL, 0) : 0;
	struct sigaction sa = { .sa_handler = nothing };
	struct timespec nap;
	time_t end = time(NULL) + seconds;
	uint64_t round;
	int i, failed = 0;

	if (argc < 2 || only > ATTACKS) {
		fprintf(stderr, "usage: hostile DEVICE [SECONDS [SEED [ATTACK]]]\n");
		return 2;
	}
	device = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	dev = open(device, O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		printf("Bail out! %s: %s\n", device, strerror(errno));
		return 2;
	}
	identify();
	if (!seed)
		seed = time(NULL);
	iterations = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	printf("1..%d\n# seed %llu\n", ATTACKS, (unsigned long long)seed);
	for (round = 0; time(NULL) < end || round < ATTACKS; round++) {
		uint64_t s = seed * 1000003 + round;
		pid_t child;

		i = only ? only - 1 : round % ATTACKS;
		child = fork();
		if (child < 0)
			break;
		if (!child)
			start_attack(i, s);
		state = s;
		nap = (struct timespec) { .tv_nsec = (ROUND_MS / 2 + rnd() % ROUND_MS) * 1000000 };
		while (nanosleep(&nap, &nap) && errno == EINTR)
			;
		kill(-child, SIGKILL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	for (i = 0; i < ATTACKS; i++) {
		bool ok = iterations[i] > 0 || (only && i != (int)only - 1);

		printf("%sok %d - hostile: %s (%llu)\n", ok ? "" : "not ", i + 1, attacks[i].name,
		       (unsigned long long)iterations[i]);
		failed |= !ok;
	}
	return failed;
}
