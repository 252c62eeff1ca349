// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each kind of work costs: bench DEVICE [PART-OF-NAME [forever]]. Prints
 * "NAME<TAB>FIGURE"; with "forever", for the profiler, again and again.
 *
 * A row of the table is a few lines of guest code (or of user space), done BATCH times
 * between two readings of the TSC, ROUNDS times over; the figure is the median round's,
 * for one piece of work, the empty loop's own cost taken off. In a lab host with
 * --count the TSC counts instructions of everything: guest, module, kernel and client.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../abi/lib.h"

#define ROUNDS	31
#define BATCH	16
#define PAGES	(ROUNDS * BATCH)
#define FRESH	0x40000000ul	/* memory for the page-fault rows */
#define FRESH_2M	0x80000000ul
#define HUGE	0x200000ul

#define USER_PORT	0x610
#define KICK_PORT	0x620
#define KICK_MMIO	(MMIO + 0x1000)
#define FAST_MMIO	(MMIO + 0x2000)
#define IRQ_GSI	5
#define VECTOR	0x51

struct work {
	const char *name;
	void (*guest)(unsigned int i);		/* one piece of work in the guest */
	void (*host)(void);			/* or in user space */
	void (*prepare)(void);			/* user space, once */
	void (*begin)(void);			/* guest, once */
	void (*between)(void);			/* user space, before each round */
	long cpus;				/* of the host, else one */
};

static struct vm *vm;
static const struct work *now;
static int irqfd_fd, doorbell;
static uint8_t *fresh;
static volatile uint64_t figures[ROUNDS];
static volatile bool two, running;
static bool forever;

/* ---- guest: one piece of work each --------------------------------------------------- */

static void nothing(unsigned int i)
{
	asm volatile("" : : "r" (i) : "memory");
}

static void do_cpuid(unsigned int i)
{
	uint32_t a = 0, b, c = 0, d;

	(void)i;
	asm volatile("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d) : : "memory");
}

static void do_hypercall(unsigned int i)
{
	uint64_t rax = 1;	/* KVM_HC_VAPIC_POLL_IRQ: does nothing */

	(void)i;
	if (amd)
		asm volatile("vmmcall" : "+a" (rax) : "b" (0ul), "c" (0ul) : "memory");
	else
		asm volatile("vmcall" : "+a" (rax) : "b" (0ul), "c" (0ul) : "memory");
}

static void do_rdmsr(unsigned int i)
{
	(void)i;
	g_rdmsr(0x1b);
}

static void do_rdmsr_direct(unsigned int i)
{
	(void)i;
	g_rdmsr(0xc0000100);
}

static void do_wrmsr(unsigned int i)
{
	(void)i;
	g_wrmsr(0x277, 0x0007040600070406);
}

static void do_wrmsr_direct(unsigned int i)
{
	(void)i;
	g_wrmsr(0xc0000100, 0);
}

static void do_pio_read(unsigned int i)
{
	(void)i;
	g_inb(0x21);
}

static void do_pio_write(unsigned int i)
{
	(void)i;
	g_outb(0x21, 0xff);
}

static void do_pio_user(unsigned int i)
{
	g_outb(USER_PORT, i);
}

static void do_mmio_user_read(unsigned int i)
{
	(void)i;
	*(volatile uint32_t *)MMIO;
}

static void do_mmio_user_write(unsigned int i)
{
	*(volatile uint32_t *)MMIO = i;
}

static void do_ioapic_read(unsigned int i)
{
	(void)i;
	*(volatile uint32_t *)0xfec00010ul;
}

static void do_ioapic_write(unsigned int i)
{
	(void)i;
	*(volatile uint32_t *)0xfec00000ul = 0x10;
}

static void do_lapic_read(unsigned int i)
{
	(void)i;
	lapic_read(0x20);
}

static void do_lapic_write(unsigned int i)
{
	(void)i;
	lapic_write(0x380, 0);
}

static void do_tpr(unsigned int i)
{
	lapic_write(0x80, (i & 7) << 4);
}

static void do_kick_pio(unsigned int i)
{
	g_outb(KICK_PORT, i);
}

static void do_kick_mmio(unsigned int i)
{
	*(volatile uint32_t *)KICK_MMIO = i;
}

static void do_kick_fast(unsigned int i)
{
	*(volatile uint32_t *)FAST_MMIO = i;
}

static void do_self_ipi(unsigned int i)
{
	uint64_t before = guest.count[VECTOR];

	(void)i;
	lapic_write(0x300, 0x44000 | VECTOR);
	while (guest.count[VECTOR] == before)
		;
}

static void do_self_ipi_x2apic(unsigned int i)
{
	uint64_t before = guest.count[VECTOR];

	(void)i;
	g_wrmsr(0x83f, VECTOR);
	while (guest.count[VECTOR] == before)
		;
}

static void do_deadline_arm(unsigned int i)
{
	(void)i;
	g_wrmsr(0x6e0, g_rdtsc() + 100000000000ull);
}

static void do_deadline_fire(unsigned int i)
{
	uint64_t before = guest.count[VECTOR];

	(void)i;
	g_wrmsr(0x6e0, 1);
	while (guest.count[VECTOR] == before)
		;
}

/* The TSC deadline has passed by the time the guest halts: no time is spent asleep. */
static void do_halt_wake(unsigned int i)
{
	uint64_t before = guest.count[VECTOR];

	(void)i;
	asm volatile("cli" : : : "memory");
	g_wrmsr(0x6e0, 1);
	while (guest.count[VECTOR] == before)
		asm volatile("sti; hlt; cli" : : : "memory");
	asm volatile("sti" : : : "memory");
}

static void do_cr0(unsigned int i)
{
	uint64_t cr0;

	asm volatile("mov %%cr0, %0" : "=r" (cr0));
	cr0 = i & 1 ? cr0 | 0x40000 : cr0 & ~0x40000ul;		/* AM */
	asm volatile("mov %0, %%cr0" : : "r" (cr0) : "memory");
}

static void do_cr3(unsigned int i)
{
	uint64_t cr3;

	(void)i;
	asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r" (cr3) : : "memory");
}

static void do_cr4(unsigned int i)
{
	uint64_t cr4;

	asm volatile("mov %%cr4, %0" : "=r" (cr4));
	cr4 = i & 1 ? cr4 | 4 : cr4 & ~4ul;			/* TSD */
	asm volatile("mov %0, %%cr4" : : "r" (cr4) : "memory");
}

static void do_cr8(unsigned int i)
{
	asm volatile("mov %0, %%cr8" : : "r" ((uint64_t)(i & 7)) : "memory");
}

static void do_dr_write(unsigned int i)
{
	asm volatile("mov %0, %%dr0" : : "r" ((uint64_t)i) : "memory");
}

static void do_dr_read(unsigned int i)
{
	uint64_t v;

	(void)i;
	asm volatile("mov %%dr7, %0" : "=r" (v) : : "memory");
}

static void do_invlpg(unsigned int i)
{
	(void)i;
	asm volatile("invlpg (%0)" : : "r" (SCRATCH) : "memory");
}

static void do_guest_fault(unsigned int i)
{
	(void)i;
	TRY("mov (%[p]), %%al", : [p] "r" (0x8000000000ul) : "rax", "memory");
}

static unsigned int next_page;		/* the guest's */

static void do_touch(unsigned int i)
{
	(void)i;
	g_poke(FRESH + next_page++ % PAGES * 4096ul, 1);
}

static void do_touch_2m(unsigned int i)
{
	(void)i;
	g_poke(FRESH_2M + next_page++ % PAGES * HUGE, 1);
}

static void do_wait_irq(unsigned int i)
{
	uint64_t before = guest.count[0x20 + IRQ_GSI];

	g_outb(USER_PORT, i);
	while (guest.count[0x20 + IRQ_GSI] == before)
		;
}

/* ---- guest: before the first ------------------------------------------------------------ */

static void eoi(struct frame *f)
{
	(void)f;
	lapic_write(0xb0, 0);
}

static void eoi_x2apic(struct frame *f)
{
	(void)f;
	g_wrmsr(0x80b, 0);
}

static volatile uint32_t pv_eoi __attribute__((aligned(4096)));

/* As Linux: the host has set the bit when nobody needs to hear of the EOI. */
static void eoi_pv(struct frame *f)
{
	bool skip;

	(void)f;
	asm volatile("btrl $0, %0" : "+m" (pv_eoi), "=@ccc" (skip) : : "memory");
	if (!skip)
		lapic_write(0xb0, 0);
}

static void with_lapic(void)
{
	guest.irq = eoi;
	lapic_write(0xf0, 0x1ff);
	asm volatile("sti" : : : "memory");
}

static void with_pv_eoi(void)
{
	with_lapic();
	guest.irq = eoi_pv;
	g_wrmsr(0x4b564d04, (uintptr_t)&pv_eoi | 1);
}

static void with_x2apic(void)
{
	with_lapic();
	g_wrmsr(0x1b, g_rdmsr(0x1b) | 0xc00);
	guest.irq = eoi_x2apic;
}

static void with_deadline(void)
{
	with_lapic();
	lapic_write(0x320, 0x40000 | VECTOR);
}

static void with_ioapic(void)
{
	g_outb(0x21, 0xff);		/* the PIC would have it, too */
	with_lapic();
	*(volatile uint32_t *)0xfec00000ul = 0x10 + 2 * IRQ_GSI;
	*(volatile uint32_t *)0xfec00010ul = 0x20 + IRQ_GSI;
}

/* ---- user space ------------------------------------------------------------------------- */

static void doorbells(void)
{
	struct kvm_ioeventfd kick[] = {
		{ .addr = KICK_PORT, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO },
		{ .addr = KICK_MMIO, .len = 4 },
		{ .addr = FAST_MMIO, .len = 0 },
	};
	unsigned int i;

	doorbell = MUST(eventfd(0, EFD_NONBLOCK));
	for (i = 0; i < ARRAY_SIZE(kick); i++) {
		kick[i].fd = doorbell;
		MUST(ioctl(vm->fd, KVM_IOEVENTFD, &kick[i]));
	}
}

static void *aligned_memory(size_t size)
{
	uintptr_t p = (uintptr_t)map_memory(size + HUGE);

	return (void *)((p + HUGE - 1) & ~(HUGE - 1));
}

static void small_memory(void)
{
	fresh = aligned_memory(PAGES * 4096ul);
	MUST(vm_slot(vm, 5, 0, FRESH, PAGES * 4096ul, fresh));
}

static void present_memory(void)
{
	small_memory();
	memset(fresh, 1, PAGES * 4096ul);
}

static void huge_memory(void)
{
	fresh = aligned_memory(PAGES * HUGE);
	MUST(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0));
	madvise(fresh, PAGES * HUGE, MADV_HUGEPAGE);
	MUST(vm_slot(vm, 6, 0, FRESH_2M, PAGES * HUGE, fresh));
}

static void logged_memory(void)
{
	present_memory();
	MUST(vm_slot(vm, 5, KVM_MEM_LOG_DIRTY_PAGES, FRESH, PAGES * 4096ul, fresh));
}

static void touch_all(void)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		do_touch(i);
}

static uint64_t bitmap[PAGES / 64 + 1];

static void read_log(void)
{
	struct kvm_dirty_log log = { .slot = 5, .dirty_bitmap = bitmap };

	MUST(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
}

static void irqfd(void)
{
	struct kvm_irqfd f = { .gsi = IRQ_GSI };

	irqfd_fd = f.fd = MUST(eventfd(0, 0));
	MUST(ioctl(vm->fd, KVM_IRQFD, &f));
}

static void host_run(void)
{
	ioctl(vm->vcpu[0], KVM_RUN, 0);
}

static void at_once(void)
{
	vm->run[0]->immediate_exit = 1;
}

static void host_get_regs(void)
{
	struct kvm_regs regs;

	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
}

static struct kvm_regs regs;

static void read_regs(void)
{
	MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
}

static void host_set_regs(void)
{
	MUST(ioctl(vm->vcpu[0], KVM_SET_REGS, &regs));
}

static void host_get_sregs(void)
{
	struct kvm_sregs sregs;

	MUST(ioctl(vm->vcpu[0], KVM_GET_SREGS, &sregs));
}

static void host_create(void)
{
	int v = MUST(ioctl(dev, KVM_CREATE_VM, 0)), c;

	MUST(ioctl(v, KVM_SET_TSS_ADDR, 0xfffbd000));
	MUST(ioctl(v, KVM_CREATE_IRQCHIP, 0));
	c = MUST(ioctl(v, KVM_CREATE_VCPU, 0));
	close(c);
	close(v);
}

static struct vm *made[BATCH];

static void unmake(void)
{
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		if (made[i])
			vm_free(made[i]);
		made[i] = NULL;
	}
}

static void say_hello(void)
{
	sync_host(DONE);
}

static void host_first_exit(void)
{
	unsigned int i = 0;

	while (made[i])
		i++;
	made[i] = vm_new(WITH_PIT);
	vcpu_call(made[i], 0, say_hello);
	run_until(made[i], 0, KVM_EXIT_IO);
}

/* ---- two vCPUs -------------------------------------------------------------------------- */

/* On a host of several CPUs that counts instructions, PAUSE lets the other CPU go on at once. */
static void await_irq(void)
{
	if (running)
		asm volatile("sti; nop; pause; cli" : : : "memory");
	else
		asm volatile("sti; hlt; cli" : : : "memory");
}

/* Each interrupts the other and waits: one piece of work is there and back, two IPIs. */
static void do_ping(unsigned int i)
{
	uint64_t before = guest.count[VECTOR];

	(void)i;
	lapic_write(0x310, 1 << 24);
	lapic_write(0x300, 0x4000 | (VECTOR + 1));
	while (guest.count[VECTOR] == before)
		await_irq();
}

static void pong(struct frame *f)
{
	bool other = f->vector == VECTOR + 1;

	lapic_write(0xb0, 0);
	if (other) {
		lapic_write(0x310, 0);
		lapic_write(0x300, 0x4000 | VECTOR);
	}
}

static void partner(void)
{
	lapic_write(0xf0, 0x1ff);
	two = true;
	for (;;)
		await_irq();
}

static void with_partner(void)
{
	guest.irq = pong;
	lapic_write(0xf0, 0x1ff);
	while (!two)
		asm volatile("pause");
}

static void *run_partner(void *unused)
{
	(void)unused;
	while (ioctl(vm->vcpu[1], KVM_RUN, 0) < 0)
		;
	return NULL;
}

static pthread_t start_partner(void)
{
	pthread_t t;

	vm_add_vcpu(vm);
	vcpu_call(vm, 1, partner);
	CHECK(!pthread_create(&t, NULL, run_partner, NULL));
	return t;
}

static void halting_partner(void)
{
	const struct sched_param none = { };

	/* Whoever is woken waits until the other halts, else it depends on what ran long before. */
	MUST(sched_setscheduler(0, SCHED_BATCH, &none));
	start_partner();
}

static void running_partner(void)
{
	cpu_set_t cpu;

	running = true;
	CPU_ZERO(&cpu);
	CPU_SET(1, &cpu);
	CHECK(!pthread_setaffinity_np(start_partner(), sizeof(cpu), &cpu));
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	CHECK(!pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu));
}

/* ---- the table ---------------------------------------------------------------------------- */

static const struct work table[] = {
	{ "CPUID", .guest = do_cpuid },
	{ "hypercall", .guest = do_hypercall },
	{ "RDMSR, intercepted", .guest = do_rdmsr },
	{ "RDMSR, direct", .guest = do_rdmsr_direct },
	{ "WRMSR, intercepted", .guest = do_wrmsr },
	{ "WRMSR, direct", .guest = do_wrmsr_direct },
	{ "port read, PIC", .guest = do_pio_read },
	{ "port write, PIC", .guest = do_pio_write },
	{ "port write, user space", .guest = do_pio_user },
	{ "port write, ioeventfd", .guest = do_kick_pio, .prepare = doorbells },
	{ "MMIO read, IOAPIC", .guest = do_ioapic_read },
	{ "MMIO write, IOAPIC", .guest = do_ioapic_write },
	{ "MMIO read, LAPIC", .guest = do_lapic_read, .begin = with_lapic },
	{ "MMIO write, LAPIC timer", .guest = do_lapic_write, .begin = with_lapic },
	{ "MMIO write, TPR", .guest = do_tpr, .begin = with_lapic },
	{ "MMIO read, user space", .guest = do_mmio_user_read },
	{ "MMIO write, user space", .guest = do_mmio_user_write },
	{ "MMIO write, ioeventfd", .guest = do_kick_mmio, .prepare = doorbells },
	{ "MMIO write, ioeventfd of any length", .guest = do_kick_fast, .prepare = doorbells },
	{ "self-IPI and EOI, xAPIC", .guest = do_self_ipi, .begin = with_lapic },
	{ "self-IPI and EOI, x2APIC", .guest = do_self_ipi_x2apic, .begin = with_x2apic },
	{ "self-IPI, paravirtual EOI", .guest = do_self_ipi, .begin = with_pv_eoi },
	{ "IPI to a halted vCPU and back", .guest = do_ping, .prepare = halting_partner,
	  .begin = with_partner },
	{ "IPI to a running vCPU and back", .guest = do_ping, .prepare = running_partner,
	  .begin = with_partner, .cpus = 2 },
	{ "TSC deadline, armed", .guest = do_deadline_arm, .begin = with_deadline },
	{ "TSC deadline, armed when past", .guest = do_deadline_fire, .begin = with_deadline },
	{ "HLT, woken at once", .guest = do_halt_wake, .begin = with_deadline },
	{ "CR0 write", .guest = do_cr0 },
	{ "CR3 write", .guest = do_cr3 },
	{ "CR4 write", .guest = do_cr4 },
	{ "CR8 write", .guest = do_cr8 },
	{ "DR0 write", .guest = do_dr_write },
	{ "DR7 read", .guest = do_dr_read },
	{ "INVLPG", .guest = do_invlpg },
	{ "#PF of the guest's own", .guest = do_guest_fault },
	{ "memory fault, fresh 4 KiB page", .guest = do_touch, .prepare = small_memory },
	{ "memory fault, page is there", .guest = do_touch, .prepare = present_memory },
	{ "memory fault, fresh 2 MiB page", .guest = do_touch_2m, .prepare = huge_memory },
	{ "dirty-log fault", .guest = do_touch, .prepare = logged_memory, .begin = touch_all,
	  .between = read_log },
	{ "irqfd, from exit to EOI", .guest = do_wait_irq, .prepare = irqfd, .begin = with_ioapic },
	{ "KVM_RUN, immediate exit", .host = host_run, .prepare = at_once },
	{ "KVM_GET_REGS", .host = host_get_regs },
	{ "KVM_SET_REGS", .host = host_set_regs, .prepare = read_regs },
	{ "KVM_GET_SREGS", .host = host_get_sregs },
	{ "VM, created and run to its first exit", .host = host_first_exit, .between = unmake },
	{ "VM with a vCPU, created and destroyed", .host = host_create },
};

/* ---- measuring ------------------------------------------------------------------------------ */

static void guest_main(void)
{
	uint64_t start, empty;
	unsigned int r, i;

	if (now->begin)
		now->begin();
	for (r = 0; r < ROUNDS; r += !forever) {
		if (now->between)
			sync_host(1);
		start = g_rdtsc();
		for (i = 0; i < BATCH; i++)
			nothing(i);
		empty = g_rdtsc() - start;
		start = g_rdtsc();
		for (i = 0; i < BATCH; i++)
			now->guest(i);
		figures[r] = g_rdtsc() - start - empty;
	}
}

static void handle_exit(void)
{
	struct kvm_run *run = vm->run[0];
	uint64_t one = 1;

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		return;
	case KVM_EXIT_IO:
		if (run->io.port != USER_PORT)
			break;
		if (irqfd_fd && write(irqfd_fd, &one, 8) != 8)
			fail("irqfd: %s", strerror(errno));
		return;
	}
	describe_exit(vm, 0);
	fail("exit %s", exit_name(run->exit_reason));
}

static void run_guest(void)
{
	struct kvm_run *run = vm->run[0];
	uint32_t value;

	vcpu_call(vm, 0, guest_main);
	for (;;) {
		MUST(ioctl(vm->vcpu[0], KVM_RUN, 0));
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == SYNC_PORT) {
			value = *(uint32_t *)io_data(vm, 0);
			if (value == DONE)
				return;
			if (value != 1)
				fail("the guest got vector %u", value & 0xff);
			now->between();
			continue;
		}
		handle_exit();
	}
}

static void run_host(void)
{
	uint64_t start;
	unsigned int r, i;

	for (r = 0; r < ROUNDS; r += !forever) {
		if (now->between)
			now->between();
		start = g_rdtsc();
		for (i = 0; i < BATCH; i++)
			now->host();
		figures[r] = g_rdtsc() - start;
	}
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void measure(void)
{
	/* What user space may add of its own where the LAPIC is the module's. */
	((struct kvm_cpuid_entry2 *)cpuid_leaf(1, 0))->ecx |= 1 << 24;
	/* Address randomization would decide whether memory is huge, half a million instructions. */
	MUST(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	vm = vm_new(WITH_PIT);
	if (now->prepare)
		now->prepare();
	if (now->host)
		run_host();
	else
		run_guest();
	qsort((void *)figures, ROUNDS, sizeof(figures[0]), by_size);
	printf("%s\t%.0f\n", now->name, (double)figures[ROUNDS / 2] / BATCH);
}

int main(int argc, char **argv)
{
	const char *part = argc > 2 ? argv[2] : "";
	unsigned int i, failed = 0;
	uint32_t a, b, c, d;
	int status;
	pid_t child;

	forever = argc > 3 && !strcmp(argv[3], "forever");
	if (argc < 2) {
		fprintf(stderr, "usage: bench DEVICE [PART-OF-NAME [forever]]\n");
		return 2;
	}
	device = argv[1];
	dev = open(device, O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		fprintf(stderr, "bench: %s: %s\n", device, strerror(errno));
		return 1;
	}
	asm volatile("cpuid" : "=a" (a), "=b" (b), "=c" (c), "=d" (d) : "a" (0));
	amd = b == 0x68747541;		/* "Auth" */
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		now = &table[i];
		if (!strstr(now->name, part) || now->cpus > sysconf(_SC_NPROCESSORS_ONLN))
			continue;
		fflush(stdout);
		child = fork();
		if (!child) {
			alarm(forever ? 1000 : 20);
			measure();
			fflush(stdout);
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) < 0 || status) {
			printf("%s\tfailed\n", now->name);
			failed++;
		}
	}
	return failed != 0;
}
