// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: what a guest observes of the processor, and the exits it makes.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "lib.h"

#define NX		(1ull << 63)

/* ---- exceptions ----------------------------------------------------------------------- */

static uint64_t *pd_entry(uint64_t gva)
{
	return (uint64_t *)(PDS + (gva >> 21) * 8);
}

static void saw(int i, uint64_t vector)
{
	guest.v[i * 3] = vector;
	guest.v[i * 3 + 1] = vector == ~0ull ? 0 : guest.error;
	guest.v[i * 3 + 2] = vector == 14 ? guest.cr2 : 0;
}

static void flush(uint64_t gva)
{
	asm volatile("invlpg (%0)" : : "r" (gva) : "memory");
}

static void exceptions_guest(void)
{
	uint64_t at = 0x30000123, entry = *pd_entry(at);

	g_wrmsr(0xc0000080, g_rdmsr(0xc0000080) | 0x800);	/* NX */
	saw(0, TRY("divl %%ecx", : "c" (0), "a" (1), "d" (0)));
	saw(1, TRY("ud2"));
	saw(2, TRY("int3"));
	saw(3, TRY("mov %%ax, %%ss", : "a" (0x1234 & ~7)));
	saw(4, TRY("mov %%ax, %%ds", : "a" (0x100)));
	saw(5, TRY("movq (%%rax), %%rbx", : "a" (1ull << 62) : "rbx"));
	saw(6, TRY("movq (%%rax), %%rbx", : "a" ((uint64_t)MAPPED_GIB << 30) : "rbx"));
	saw(7, TRY("movq %%rbx, (%%rax)", : "a" ((MAPPED_GIB + 1ull) << 30) : "memory"));
	/* Read-only page, CR0.WP */
	*pd_entry(at) = entry & ~2ull;
	flush(at);
	saw(8, TRY("movq %%rbx, (%%rax)", : "a" (at & ~7ull) : "memory"));
	/* NX page */
	*pd_entry(at) = entry | NX;
	flush(at);
	saw(9, TRY("call *%%rax", : "a" (at & ~7ull)));
	asm volatile("" : : : "memory");
	/* A reserved bit */
	*pd_entry(at) = entry | 1ull << 51;
	flush(at);
	saw(10, TRY("movq (%%rax), %%rbx", : "a" (at & ~7ull) : "rbx"));
	*pd_entry(at) = entry;
	flush(at);
	saw(11, TRY("rdmsr", : "c" (0xdeadbeef) : "eax", "edx"));
	saw(12, TRY("wrmsr", : "c" (0xdeadbeef), "a" (0), "d" (0)));
	saw(13, TRY("mov %%rax, %%cr4", : "a" (1ull << 40)));
	if (!guest.v[60])	/* QEMU lets the guest do it, and cannot enter it afterwards */
		saw(14, TRY("mov %%rax, %%cr3", : "a" (PML4 | 1ull << 55)));
	saw(15, TRY("mov %%rax, %%cr0", : "a" (0x80000010ull)));
	saw(16, TRY("xsetbv", : "c" (0), "a" (1), "d" (0)));
	sync_host(1);
}

static void exceptions(void)
{
	static const struct {
		int vector;
		uint64_t error, cr2;
	} want[] = {
		{ 0, 0, 0 }, { 6, 0, 0 }, { 3, 0, 0 }, { 13, 0x1230, 0 }, { 13, 0x100, 0 },
		{ 13, 0, 0 }, { 14, 0, (uint64_t)MAPPED_GIB << 30 }, { 14, 2, (MAPPED_GIB + 1ull) << 30 },
		{ 14, 3, 0x30000120 }, { 14, 0x11, 0x30000120 }, { 14, 9, 0x30000120 },
		{ 13, 0, 0 }, { 13, 0, 0 }, { 13, 0, 0 }, { 13, 0, 0 }, { 13, 0, 0 }, { 6, 0, 0 },
	};
	struct vm *vm = vm_new(0);
	unsigned int i;
	char k[32];

	vcpu_call(vm, 0, exceptions_guest);
	guest.v[60] = tcg;
	expect_sync(vm, 0, 1);
	if (tcg) {
		guest.v[42] = 13;
		guest.v[31] |= 1;	/* it leaves P out when a reserved bit is set */
	}
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		snprintf(k, sizeof(k), "exception %u", i);
		answer(k, "%llu %#llx %#llx", (unsigned long long)guest.v[i * 3],
		       (unsigned long long)guest.v[i * 3 + 1], (unsigned long long)guest.v[i * 3 + 2]);
	}
	for (i = 0; i < ARRAY_SIZE(want); i++)
		if (guest.v[i * 3] != (uint64_t)want[i].vector ||
		    guest.v[i * 3 + 1] != want[i].error || guest.v[i * 3 + 2] != want[i].cr2)
			fail("exception %u: vector %lld error %#llx cr2 %#llx, expected %d %#llx %#llx",
			     i, (long long)guest.v[i * 3], (unsigned long long)guest.v[i * 3 + 1],
			     (unsigned long long)guest.v[i * 3 + 2], want[i].vector,
			     (unsigned long long)want[i].error, (unsigned long long)want[i].cr2);
}

static void inject_guest(void)
{
	guest.v[0] = 1;
	sync_host(1);
	for (;;) {
		asm volatile("nop");
		sync_host(2);
	}
}

/* Exceptions that user space injects arrive as given. */
static void injected(void)
{
	static const struct {
		uint8_t nr, has_error;
		uint32_t error;
	} rows[] = { { 6, 0, 0 }, { 13, 1, 0x18 }, { 14, 1, 7 }, { 0, 0, 0 }, { 17, 1, 0 } };
	struct vm *vm = vm_new(0);
	struct kvm_vcpu_events ev;
	unsigned int i;

	guest.pass[0] = ~0ull;
	vcpu_call(vm, 0, inject_guest);
	expect_sync(vm, 0, 1);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		/* An exit to user space finishes an OUT by the next KVM_RUN: inject between. */
		expect_sync(vm, 0, 2);
		vm->run[0]->immediate_exit = 1;
		REFUSED(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
		vm->run[0]->immediate_exit = 0;
		MUST(ioctl(vm->vcpu[0], KVM_GET_VCPU_EVENTS, &ev));
		ev.exception.injected = 1;
		ev.exception.nr = rows[i].nr;
		ev.exception.has_error_code = rows[i].has_error;
		ev.exception.error_code = rows[i].error;
		MUST(ioctl(vm->vcpu[0], KVM_SET_VCPU_EVENTS, &ev));
		expect_sync(vm, 0, 2);
		EQUAL(guest.vector, rows[i].nr);
		EQUAL(guest.error, rows[i].error);
	}
}

/* ---- exits ------------------------------------------------------------------------------- */

static void hlt_guest(void)
{
	asm volatile("hlt");
	asm volatile("cli; hlt");
}

static void hlt_exit(void)
{
	struct vm *vm = vm_new(0);

	vcpu_call(vm, 0, hlt_guest);
	run_until(vm, 0, KVM_EXIT_HLT);
	run_until(vm, 0, KVM_EXIT_HLT);
	expect_sync(vm, 0, DONE);
}

static void triple_guest(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idt = { 0, 0 };

	asm volatile("lidt %0; ud2" : : "m" (idt));
}

static void shutdown_exit(void)
{
	struct vm *vm = vm_new(0);

	vcpu_call(vm, 0, triple_guest);
	run_until(vm, 0, KVM_EXIT_SHUTDOWN);
	vcpu_call(vm, 0, hlt_guest);
	run_until(vm, 0, KVM_EXIT_HLT);
}

/* State no processor enters: FAIL_ENTRY or INTERNAL_ERROR, and the VM works on after repair. */
static void bad_state(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_sregs s;
	uint32_t reason;

	vcpu_call(vm, 0, hlt_guest);
	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &s));
	s.cs.db = 1;		/* with L: reserved */
	s.tr.type = 3;		/* a 16-bit TSS in long mode */
	s.tr.present = 0;
	if (ask("SET_SREGS", ioctl(vm->vcpu[0], KVM_SET_SREGS, &s)) == 0) {
		int r = ioctl(vm->vcpu[0], KVM_RUN, 0);

		reason = vm->run[0]->exit_reason;
		if (r < 0)
			answer("KVM_RUN", "%s", errno_name(errno));
		else
			answer("KVM_RUN", "%s", exit_name(reason));
		note("exit %s", exit_name(reason));
	}
	vcpu_call(vm, 0, hlt_guest);
	run_until(vm, 0, KVM_EXIT_HLT);
}

static void nowhere_guest(void)
{
	((void (*)(void))MMIO)();
}

static void fetch_from_mmio(void)
{
	struct vm *vm = vm_new(0);
	int r;

	vcpu_call(vm, 0, nowhere_guest);
	r = ioctl(vm->vcpu[0], KVM_RUN, 0);
	ask("KVM_RUN", r);
	answer("exit", "%s", exit_name(vm->run[0]->exit_reason));
	if (vm->run[0]->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		answer("suberror", "%u", vm->run[0]->internal.suberror);
	vcpu_call(vm, 0, hlt_guest);
	run_until(vm, 0, KVM_EXIT_HLT);
}

static void mmio_guest(void)
{
	guest.v[0] = *(volatile uint8_t *)MMIO;
	guest.v[1] = *(volatile uint16_t *)(MMIO + 2);
	guest.v[2] = *(volatile uint32_t *)(MMIO + 4);
	guest.v[3] = *(volatile uint64_t *)(MMIO + 8);
	*(volatile uint32_t *)(MMIO + 16) = 0x12345678;
}

static void mmio_exits(void)
{
	static const uint64_t value = 0x8877665544332211;
	struct vm *vm = vm_new(0);
	int i;

	vcpu_call(vm, 0, mmio_guest);
	for (i = 0; i < 4; i++) {
		run_until(vm, 0, KVM_EXIT_MMIO);
		EQUAL(vm->run[0]->mmio.len, 1u << i);
		EQUAL(vm->run[0]->mmio.is_write, 0);
		memcpy(vm->run[0]->mmio.data, &value, 8);
	}
	run_until(vm, 0, KVM_EXIT_MMIO);
	EQUAL(vm->run[0]->mmio.is_write, 1);
	EQUAL(vm->run[0]->mmio.phys_addr, MMIO + 16);
	EQUAL(*(uint32_t *)vm->run[0]->mmio.data, 0x12345678);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0x11);
	EQUAL(guest.v[1], 0x2211);
	EQUAL(guest.v[2], 0x44332211);
	EQUAL(guest.v[3], value);
}

RAW_GUEST(real16, 16,
	"mov $0xab, %al; out %al, $0x42\n"
	"in $0x43, %ax; mov %ax, %bx\n"
	"mov $0x1234, %ax; mov %ax, %ds; mov $0x10, %si; movl $0xcafebabe, (%si)\n"
	"hlt\n");

static void real_mode(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_regs regs;

	vcpu_code(vm, 0, REAL, real16_start, real16_end);
	run_until(vm, 0, KVM_EXIT_IO);
	EQUAL(*(uint8_t *)io_data(vm, 0), 0xab);
	run_until(vm, 0, KVM_EXIT_IO);
	EQUAL(vm->run[0]->io.size, 2);
	*(uint16_t *)io_data(vm, 0) = 0x5678;
	run_until(vm, 0, KVM_EXIT_HLT);
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
	EQUAL(regs.rbx & 0xffff, 0x5678);
	EQUAL(*(uint32_t *)(vm->low + 0x12350), 0xcafebabe);
}

RAW_GUEST(prot32, 32,
	"mov $0xdeadbeef, %eax; mov $0x600, %edx; out %eax, %dx\n"
	"pushl $0x55aa; popl %ebx; hlt\n");

static void protected_mode(void)
{
	struct vm *vm = vm_new(0);
	struct kvm_regs regs;

	vcpu_code(vm, 0, PROTECTED, prot32_start, prot32_end);
	run_until(vm, 0, KVM_EXIT_IO);
	EQUAL(*(uint32_t *)io_data(vm, 0), 0xdeadbeef);
	run_until(vm, 0, KVM_EXIT_HLT);
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
	EQUAL(regs.rbx, 0x55aa);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void spin_guest(void)
{
	guest_spins();
	while (!guest.v[3])
		guest.v[1]++;
}

static void immediate_exit(void)
{
	struct vm *vm = vm_new(0);

	vcpu_call(vm, 0, hlt_guest);
	vm->run[0]->immediate_exit = 1;
	REFUSED(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
	vm->run[0]->immediate_exit = 0;
	run_until(vm, 0, KVM_EXIT_HLT);
}

static void timer_kick(void)
{
	struct itimerval tick = { .it_interval.tv_usec = 5000, .it_value.tv_usec = 5000 };
	struct vm *vm = vm_new(0);
	int i;

	vcpu_call(vm, 0, spin_guest);
	setitimer(ITIMER_REAL, &tick, NULL);
	for (i = 0; i < 20; i++) {
		REFUSED(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
		EQUAL(vm->run[0]->exit_reason, KVM_EXIT_INTR);
	}
	memset(&tick, 0, sizeof(tick));
	setitimer(ITIMER_REAL, &tick, NULL);
	guest.v[3] = 1;
	expect_sync(vm, 0, DONE);
	CHECK(guest.v[1] > 0);
}

/* A signal blocked in the thread and unblocked by KVM_SET_SIGNAL_MASK ends KVM_RUN, undelivered. */
static void signal_mask_run(void)
{
	struct {
		struct kvm_signal_mask head;
		uint64_t set;
	} __attribute__((packed)) m = { { .len = 8 }, 0 };
	struct vm *vm = vm_new(0);
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	MUST(ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, &m));
	vcpu_call(vm, 0, spin_guest);
	kill(getpid(), SIGUSR1);
	REFUSED(ioctl(vm->vcpu[0], KVM_RUN, 0), EINTR);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGUSR1));
	MUST(ioctl(vm->vcpu[0], KVM_SET_SIGNAL_MASK, NULL));
	/* Without the mask it stays blocked and the guest runs. */
	guest.v[3] = 1;
	expect_sync(vm, 0, DONE);
}

/* ---- debugging ------------------------------------------------------------------------------- */

extern const char step_at[], step_2[], step_3[], step_end[];

__attribute__((naked)) static void step_guest(void)
{
	asm volatile("step_at: nop\n"
		     "step_2: movq $5, guest+%c0(%%rip)\n"
		     "step_3: xor %%eax, %%eax\n"
		     "cpuid\n"
		     "step_end: nop\n"
		     "ret\n" : : "i" (offsetof(struct guest, v)));
}

static void single_step(void)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct vm *vm = vm_new(0);

	vcpu_call(vm, 0, step_guest);
	MUST(ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	run_until(vm, 0, KVM_EXIT_DEBUG);
	EQUAL(vm->run[0]->debug.arch.pc, (uintptr_t)step_2);
	EQUAL(vm->run[0]->debug.arch.exception, 1);
	answer("dr6", "%#llx", vm->run[0]->debug.arch.dr6);
	answer("dr7", "%#llx", vm->run[0]->debug.arch.dr7);
	run_until(vm, 0, KVM_EXIT_DEBUG);
	EQUAL(vm->run[0]->debug.arch.pc, (uintptr_t)step_3);
	run_until(vm, 0, KVM_EXIT_DEBUG);
	run_until(vm, 0, KVM_EXIT_DEBUG);
	EQUAL(vm->run[0]->debug.arch.pc, (uintptr_t)step_end);
	dbg.control = 0;
	MUST(ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	expect_sync(vm, 0, DONE);
	EQUAL(guest.count[1], 0);	/* the guest saw none of it */
}

static void hardware_breakpoints(void)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };
	struct kvm_debugregs dr;
	struct vm *vm = vm_new(0);

	dbg.arch.debugreg[0] = (uintptr_t)step_3;
	dbg.arch.debugreg[7] = 0x402;
	vcpu_call(vm, 0, step_guest);
	MUST(ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	run_until(vm, 0, KVM_EXIT_DEBUG);
	EQUAL(vm->run[0]->debug.arch.pc, (uintptr_t)step_3);
	EQUAL(vm->run[0]->debug.arch.dr6 & 15, 1);
	EQUAL(guest.v[0], 5);
	/* A watchpoint on data: reported after the write. */
	dbg.arch.debugreg[0] = (uintptr_t)&guest.v[0];
	dbg.arch.debugreg[7] = 0xd0402;	/* 4 bytes written */
	vcpu_call(vm, 0, step_guest);
	MUST(ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	run_until(vm, 0, KVM_EXIT_DEBUG);
	EQUAL(vm->run[0]->debug.arch.pc, (uintptr_t)step_3);
	MUST(ioctl(vm->vcpu[0], KVM_GET_DEBUGREGS, &dr));
	EQUAL(dr.db[0], 0);		/* the guest's own registers are its own */
	dbg.control = 0;
	MUST(ioctl(vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg));
	expect_sync(vm, 0, DONE);
	EQUAL(guest.count[1], 0);
}

static void own_breakpoint_guest(void)
{
	asm volatile("mov %0, %%dr0; mov %1, %%dr7" : : "r" ((uint64_t)&guest.v[20]),
		     "r" (0xd0402ul));
	sync_host(1);
	guest.v[20] = 1;
	asm volatile("nop");
	guest.v[0] = guest.count[1];
	guest.v[1] = guest.dr6;
	asm volatile("mov %0, %%dr7" : : "r" (0x400ul));
}

static void own_breakpoint(void)
{
	struct vm *vm = vm_new(0);

	vcpu_call(vm, 0, own_breakpoint_guest);
	expect_sync(vm, 0, 1);
	guest.v[20] = 5;		/* not the host's business: no trap here */
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 1);
	EQUAL(guest.v[1] & 0xf, 1);
}

/* ---- nothing leaks ------------------------------------------------------------------------------ */

#define PATTERN		0xa5a5123456789abcull

static void fpu_guest(void)
{
	uint64_t x;

	asm volatile("movq %%xmm7, %0" : "=r" (x));
	guest.v[0] = x;
	asm volatile("movq %0, %%xmm7" : : "r" (PATTERN) : "xmm7");
	asm volatile("fninit; fldpi");
	sync_host(1);
	asm volatile("movq %%xmm7, %0" : "=r" (x));
	guest.v[1] = x;
	asm volatile("fstpl %0" : "=m" (guest.v[2]));
}

static void fpu_leak(void)
{
	uint64_t mine = 0x1111222233334444, x;
	struct vm *vm = vm_new(0);
	double pi;
	int r;

	vcpu_call(vm, 0, fpu_guest);
	asm volatile("movq %[mine], %%xmm7\n syscall\n movq %%xmm7, %[x]"
		     : "=a" (r), [x] "=r" (x)
		     : "a" (16), "D" ((long)vm->vcpu[0]), "S" ((long)KVM_RUN), "d" (0l), [mine] "r" (mine)
		     : "rcx", "r11", "memory", "xmm7");
	EQUAL(r, 0);
	EQUAL(x, mine);
	EQUAL(guest.v[0], 0);
	asm volatile("movq %0, %%xmm7; fninit; fldz" : : "r" (0x77ull) : "xmm7");
	expect_sync(vm, 0, DONE);
	asm volatile("fninit");
	EQUAL(guest.v[1], PATTERN);
	memcpy(&pi, (void *)&guest.v[2], 8);
	CHECK(pi > 3.1415 && pi < 3.1416);
}

static void avx_guest(void)
{
	uint64_t cr4;

	asm volatile("mov %%cr4, %0" : "=r" (cr4));
	asm volatile("mov %0, %%cr4" : : "r" (cr4 | 1 << 18));
	asm volatile("xsetbv" : : "c" (0), "a" (7), "d" (0));
	asm volatile("vbroadcastsd %0, %%ymm9" : : "m" (guest.v[10]));
	sync_host(1);
	asm volatile("vmovdqu %%ymm9, %0" : "=m" (guest.v[0]));
}

static void avx_leak(void)
{
	const struct kvm_cpuid_entry2 *e = cpuid_leaf(0xd, 0), *f = cpuid_leaf(1, 0);
	uint64_t mine[4] = { 1, 2, 3, 4 }, got[4];
	struct vm *vm = vm_new(0);
	long r;

	if (!e || !(e->eax & 4) || !(f->ecx & 1 << 28))
		skip("no AVX");
	guest.v[10] = PATTERN;
	vcpu_call(vm, 0, avx_guest);
	asm volatile("vmovdqu %[mine], %%ymm9\n syscall\n vmovdqu %%ymm9, %[got]"
		     : "=a" (r), [got] "=m" (got)
		     : "a" (16), "D" ((long)vm->vcpu[0]), "S" ((long)KVM_RUN), "d" (0l), [mine] "m" (mine)
		     : "rcx", "r11", "memory", "xmm9");
	EQUAL(r, 0);
	CHECK(!memcmp(mine, got, sizeof(mine)));
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], PATTERN);
	EQUAL(guest.v[3], PATTERN);
}

static void xsaves_guest(void)
{
	static uint8_t area[1024] __attribute__((aligned(64)));
	uint64_t cr4;

	asm volatile("mov %%cr4, %0" : "=r" (cr4));
	asm volatile("mov %0, %%cr4" : : "r" (cr4 | 1 << 18));
	asm volatile("xsetbv" : : "c" (0), "a" (3), "d" (0));
	guest.v[0] = g_rdmsr(0xda0);
	g_wrmsr(0xda0, 0);
	guest.v[1] = TRY("wrmsr", : "c" (0xda0), "a" (0x100), "d" (0));
	asm volatile("movq %0, %%xmm3" : : "r" (PATTERN) : "xmm3");
	guest.v[2] = TRY("xsaves %1", : "m" (area), "a" (3), "d" (0) : "memory");
	guest.v[3] = *(uint64_t *)(area + 520);		/* XCOMP_BV */
	asm volatile("pxor %%xmm3, %%xmm3" : : : "xmm3");
	guest.v[4] = TRY("xrstors %1", : "m" (area), "a" (3), "d" (0) : "memory");
	asm volatile("movq %%xmm3, %0" : "=r" (cr4));
	guest.v[5] = cr4;
}

static void xsaves(void)
{
	const struct kvm_cpuid_entry2 *e = cpuid_leaf(0xd, 1);
	struct vm *vm = vm_new(0);

	if (!e || !(e->eax & 8))
		skip("no XSAVES");
	vcpu_call(vm, 0, xsaves_guest);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0);
	EQUAL(guest.v[1], 13);
	EQUAL(guest.v[2], ~0ull);
	EQUAL(guest.v[3], 1ull << 63 | 3);
	EQUAL(guest.v[4], ~0ull);
	EQUAL(guest.v[5], PATTERN);
}

static void pkru_guest(void)
{
	uint64_t cr4;
	uint32_t pkru;

	asm volatile("mov %%cr4, %0" : "=r" (cr4));
	asm volatile("mov %0, %%cr4" : : "r" (cr4 | 1 << 22));
	asm volatile("wrpkru" : : "a" (0xfffffffc), "c" (0), "d" (0));
	sync_host(1);
	asm volatile("rdpkru" : "=a" (pkru) : "c" (0) : "edx");
	guest.v[0] = pkru;
}

static void pkru_leak(void)
{
	const struct kvm_cpuid_entry2 *e = cpuid_leaf(7, 0);
	struct vm *vm = vm_new(0);
	uint32_t before, after, a, b, c, d;

	__cpuid_count(7, 0, a, b, c, d);
	if (!e || !(e->ecx & 8) || !(c & 16))
		skip("no protection keys");
	asm volatile("rdpkru" : "=a" (before) : "c" (0) : "edx");
	vcpu_call(vm, 0, pkru_guest);
	expect_sync(vm, 0, 1);
	asm volatile("rdpkru" : "=a" (after) : "c" (0) : "edx");
	EQUAL(after, before);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0xfffffffc);
}

static void msr_leak_guest(void)
{
	g_wrmsr(0xc0000081, 0x0010000800000000);
	g_wrmsr(0xc0000082, 0xffffffff81234000);
	g_wrmsr(0xc0000083, 0xffffffff81235000);
	g_wrmsr(0xc0000084, 0x12345);
	g_wrmsr(0x174, 0x10);
	g_wrmsr(0x175, 0x12345000);
	g_wrmsr(0x176, 0x12346000);
	g_wrmsr(0xc0000100, 0x7f1234560000);
	g_wrmsr(0xc0000101, 0x7f1234570000);
	g_wrmsr(0xc0000102, 0x7f1234580000);
	guest.v[20] = TRY("wrmsr", : "c" (0xc0000103), "a" (77), "d" (0));
	sync_host(1);
	guest.v[0] = g_rdmsr(0xc0000082);
	guest.v[1] = g_rdmsr(0x176);
	guest.v[2] = g_rdmsr(0xc0000102);
	guest.v[3] = g_rdmsr(0xc0000100);
	guest.v[4] = g_rdmsr(0xc0000101);
	guest.v[5] = guest.v[20] == ~0ull ? g_rdmsr(0xc0000103) : 77;
}

/* System calls go on working, here and on the other CPUs, whatever the guest loads. */
static void msr_leak(void)
{
	uint32_t aux_before, aux_after, lo, hi;
	struct vm *vm = vm_new(0);
	struct timespec ts;
	uint64_t fs;
	int i;

	asm volatile("mov %%fs:0, %0" : "=r" (fs));
	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (aux_before));
	vcpu_call(vm, 0, msr_leak_guest);
	expect_sync(vm, 0, 1);
	for (i = 0; i < 100; i++) {
		uint64_t now;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		CHECK(getppid() > 0);
		asm volatile("mov %%fs:0, %0" : "=r" (now));
		EQUAL(now, fs);
	}
	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (aux_after));
	EQUAL(aux_after, aux_before);
	usleep(2000);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 0xffffffff81234000);
	EQUAL(guest.v[1], 0x12346000);
	EQUAL(guest.v[2], 0x7f1234580000);
	EQUAL(guest.v[3], 0x7f1234560000);
	EQUAL(guest.v[4], 0x7f1234570000);
	EQUAL(guest.v[5], 77);
	EQUAL(get_msr(vm, 0, 0xc0000082), 0xffffffff81234000);
	EQUAL(get_msr(vm, 0, 0xc0000102), 0x7f1234580000);
}

static void rdpid_guest(void)
{
	asm volatile(".byte 0xf3, 0x0f, 0xc7, 0xf8" : "=a" (guest.v[0]));
}

/* Where the processor has no RDPID it is emulated (KVM_GET_EMULATED_CPUID). */
static void rdpid(void)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	struct vm *vm = vm_new(0);

	for (uint32_t i = 0; i < c->nent; i++)
		if (c->entries[i].function == 7 && c->entries[i].index == 0)
			c->entries[i].ecx |= 1u << 22;
	MUST(ioctl(vm->vcpu[0], KVM_SET_CPUID2, c));
	set_msr(vm, 0, 0xc0000103, 77);
	vcpu_call(vm, 0, rdpid_guest);
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], 77);
}

static void dr_guest(void)
{
	asm volatile("mov %0, %%dr0; mov %0, %%dr3; mov %1, %%dr7" : :
		     "r" ((uint64_t)&guest.v[30]), "r" (0xd0402ul));
	sync_host(1);
	asm volatile("mov %%dr3, %0" : "=r" (guest.v[0]));
	asm volatile("mov %0, %%dr7" : : "r" (0x400ul));
}

/* A guest's watchpoint on memory that the host writes, too, traps no host code. */
static void dr_leak(void)
{
	struct vm *vm = vm_new(0);

	vcpu_call(vm, 0, dr_guest);
	expect_sync(vm, 0, 1);
	for (int i = 0; i < 10; i++) {
		guest.v[30] = i;	/* SIGTRAP if the register leaked */
		getppid();
	}
	expect_sync(vm, 0, DONE);
	EQUAL(guest.v[0], (uintptr_t)&guest.v[30]);
}

/* Two VMs in one thread see each their own. */
static void vm_to_vm(void)
{
	struct vm *a = vm_new(0), *b = vm_new(0);

	vcpu_call(a, 0, fpu_guest);
	vcpu_call(b, 0, fpu_guest);
	expect_sync(a, 0, 1);
	EQUAL(guest.v[0], 0);
	expect_sync(b, 0, 1);
	EQUAL(guest.v[0], 0);	/* not a's pattern */
	expect_sync(a, 0, DONE);
	EQUAL(guest.v[1], PATTERN);
	set_msr(a, 0, 0xc0000102, 0x1000);
	set_msr(b, 0, 0xc0000102, 0x2000);
	EQUAL(get_msr(a, 0, 0xc0000102), 0x1000);
}

const struct row guest_rows[] = {
	{ "guest: exceptions: vector, error code, CR2", exceptions },
	{ "guest: exceptions injected by user space", injected },
	{ "guest: HLT exits", hlt_exit },
	{ "guest: a triple fault is SHUTDOWN", shutdown_exit },
	{ "guest: a state that cannot be entered", bad_state },
	{ "guest: code fetched from nowhere", fetch_from_mmio },
	{ "guest: MMIO exits", mmio_exits },
	{ "guest: real mode", real_mode },
	{ "guest: protected mode", protected_mode },
	{ "guest: immediate_exit", immediate_exit },
	{ "guest: signals end KVM_RUN", timer_kick },
	{ "guest: the signal mask", signal_mask_run },
	{ "guest: single steps", single_step },
	{ "guest: hardware breakpoints of user space", hardware_breakpoints },
	{ "guest: its own breakpoint", own_breakpoint },
	{ "guest: x87 and SSE do not leak", fpu_leak },
	{ "guest: AVX does not leak", avx_leak },
	{ "guest: XSAVES", xsaves },
	{ "guest: PKRU does not leak", pkru_leak },
	{ "guest: SYSCALL, SYSENTER, bases, TSC_AUX do not leak", msr_leak },
	{ "guest: RDPID reads TSC_AUX", rdpid },
	{ "guest: debug registers do not leak", dr_leak },
	{ "guest: two VMs in one thread", vm_to_vm },
	{ NULL, NULL },
};
