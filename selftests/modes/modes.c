// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests of a few instructions in each processor mode, without an irqchip: what a
 * backend must get right before anything boots. Guest code and what the host must
 * observe stand side by side. Speaks KVM's ABI; arguments: the device (/dev/vmm, else
 * /dev/kvm), and part of the name of the tests to run. TAP on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_SIZE	(2ul << 20)
#define CODE		0x8000ul
#define STACK		0x7000ul
#define PML4		0x10000ul
#define PDPT		0x11000ul
#define PD		0x12000ul
#define PDPT2		0x13000ul	/* a second PAE tree, which maps virtual 0 to DATA's 2 MiB */
#define PD2		0x14000ul
#define GDT		0x15000ul
#define MMIO		0x40000000ul
#define PORT		0x10

#define PTE_P		1ul
#define PTE_W		2ul
#define PTE_PS		0x80ul

/* Guest code, assembled in the mode it runs in and copied to CODE. */
#define GUEST(name, mode, text)						\
	extern const char name[], name##_end[];				\
	asm(".pushsection .rodata\n" #name ":\n" mode "\n" text "\n"	\
	    ".code64\n" #name "_end:\n.popsection\n")

static struct vm {
	int dev, vm, vcpu;
	uint8_t *mem;
	struct kvm_run *run;
	size_t run_size;
} g;

static const char *device;
static int test_nr, failures;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void report(bool good, const char *name)
{
	printf("%sok %d - %s\n", good ? "" : "not ", ++test_nr, name);
	failures += !good;
}

#define CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			printf("# %s:%d: %s\n", __func__, __LINE__, #cond); \
			print_state();					\
			return false;					\
		}							\
	} while (0)

static void print_state(void)
{
	struct kvm_regs r;
	struct kvm_sregs s;

	if (ioctl(g.vcpu, KVM_GET_REGS, &r) || ioctl(g.vcpu, KVM_GET_SREGS, &s))
		return;
	printf("# exit %u rip %llx rsp %llx rax %llx rflags %llx cr0 %llx cr3 %llx cr4 %llx efer %llx\n",
	       g.run->exit_reason, r.rip, r.rsp, r.rax, r.rflags, s.cr0, s.cr3, s.cr4, s.efer);
	if (g.run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		printf("# entry failed: %#llx\n",
		       g.run->fail_entry.hardware_entry_failure_reason);
	if (g.run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		printf("# internal error %u %llx\n", g.run->internal.suberror,
		       g.run->internal.data[0]);
}

static void supported_cpuid(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));

	if (!c)
		die("calloc");
	c->nent = 256;
	if (ioctl(g.dev, KVM_GET_SUPPORTED_CPUID, c) || ioctl(g.vcpu, KVM_SET_CPUID2, c))
		die("cpuid");
	free(c);
}

static void vm_open(const char *code, const char *end)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEM_SIZE };

	g.dev = open(device, O_RDWR | O_CLOEXEC);
	if (g.dev < 0)
		die(device);
	g.vm = ioctl(g.dev, KVM_CREATE_VM, 0);
	if (g.vm < 0)
		die("KVM_CREATE_VM");
	g.mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.mem == MAP_FAILED)
		die("mmap");
	region.userspace_addr = (uintptr_t)g.mem;
	if (ioctl(g.vm, KVM_SET_USER_MEMORY_REGION, &region))
		die("KVM_SET_USER_MEMORY_REGION");
	g.vcpu = ioctl(g.vm, KVM_CREATE_VCPU, 0);
	if (g.vcpu < 0)
		die("KVM_CREATE_VCPU");
	g.run_size = ioctl(g.dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	g.run = mmap(NULL, g.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, g.vcpu, 0);
	if (g.run == MAP_FAILED)
		die("mmap of kvm_run");
	supported_cpuid();
	memcpy(g.mem + CODE, code, end - code);
}

static void vm_close(void)
{
	munmap(g.run, g.run_size);
	close(g.vcpu);
	close(g.vm);
	close(g.dev);
	munmap(g.mem, MEM_SIZE);
}

static int run(void)
{
	int r;

	do
		r = ioctl(g.vcpu, KVM_RUN, 0);
	while (r < 0 && errno == EINTR);
	return r;
}

/* The guest wrote @value to PORT. */
static bool got_out(uint32_t value, int size)
{
	uint32_t data = 0;

	if (run() || g.run->exit_reason != KVM_EXIT_IO || g.run->io.port != PORT ||
	    g.run->io.direction != KVM_EXIT_IO_OUT || g.run->io.size != size)
		return false;
	memcpy(&data, (char *)g.run + g.run->io.data_offset, size);
	if (data != value)
		printf("# port got %#x, expected %#x\n", data, value);
	return data == value;
}

static bool got_hlt(void)
{
	return !run() && g.run->exit_reason == KVM_EXIT_HLT;
}

static void put64(uint64_t gpa, uint64_t value)
{
	memcpy(g.mem + gpa, &value, 8);
}

static void set_regs(uint64_t rip)
{
	struct kvm_regs r = { .rip = rip, .rsp = STACK, .rflags = 2 };

	if (ioctl(g.vcpu, KVM_SET_REGS, &r))
		die("KVM_SET_REGS");
}

static void real_mode(void)
{
	struct kvm_sregs s;

	if (ioctl(g.vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_SREGS");
	s.cs.base = 0;
	s.cs.selector = 0;
	if (ioctl(g.vcpu, KVM_SET_SREGS, &s))
		die("KVM_SET_SREGS");
	set_regs(CODE);
}

/* Flat segments; bits: 32 or 64. Paging as the caller asks. */
static void flat(int bits, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1,
		.db = bits == 32, .l = bits == 64, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1,
		.db = 1, .g = 1,
	};
	struct kvm_sregs s;

	if (ioctl(g.vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_SREGS");
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cr0 = cr0;
	s.cr3 = cr3;
	s.cr4 = cr4;
	s.efer = efer;
	if (ioctl(g.vcpu, KVM_SET_SREGS, &s))
		die("KVM_SET_SREGS");
	set_regs(CODE);
}

static void long_mode_tables(void)
{
	int i;

	put64(PML4, PDPT | PTE_P | PTE_W);
	for (i = 0; i < 4; i++)
		put64(PDPT + 8 * i, (uint64_t)i << 30 | PTE_P | PTE_W | PTE_PS);
	put64(PDPT, PD | PTE_P | PTE_W);
	put64(PD, 0 | PTE_P | PTE_W | PTE_PS);
	put64(PD + 8, 0 | PTE_P | PTE_W | PTE_PS);
}

static void long_mode(void)
{
	long_mode_tables();
	flat(64, 0x80000011, PML4, 0x20, 0x500);
}

/* ---- the guests ---- */

GUEST(real_out, ".code16",
	"mov $0x1234, %ax\n out %ax, $0x10\n"
	"mov $0x42, %al\n out %al, $0x10\n"
	"hlt\n");

static bool real_mode_out_and_hlt(void)
{
	vm_open(real_out, real_out_end);
	real_mode();
	CHECK(got_out(0x1234, 2));
	CHECK(got_out(0x42, 1));
	CHECK(got_hlt());
	return true;
}

GUEST(real_stack, ".code16",
	"mov $0x1000, %ax\n mov %ax, %ss\n mov $0x100, %sp\n"
	"mov $0x2000, %bx\n mov %bx, %ds\n"
	"movw $0xbeef, 0x10\n"
	"pushw 0x10\n pop %cx\n mov %cx, %ax\n out %ax, $0x10\n"
	"pushf\n pop %ax\n out %ax, $0x10\n"
	"hlt\n");

static bool real_mode_segments_and_stack(void)
{
	vm_open(real_stack, real_stack_end);
	/* 20000H lies in our 2 MiB, outside of what other guests use. */
	real_mode();
	CHECK(got_out(0xbeef, 2));
	CHECK(got_out(2, 2));
	CHECK(got_hlt());
	CHECK(g.mem[0x20010] == 0xef && g.mem[0x20011] == 0xbe);
	return true;
}

GUEST(prot_out, ".code32",
	"mov $0x12345678, %eax\n out %eax, $0x10\n"
	"mov %cr0, %eax\n out %eax, $0x10\n"
	"hlt\n");

static bool protected_mode_without_paging(void)
{
	vm_open(prot_out, prot_out_end);
	flat(32, 0x11, 0, 0, 0);
	CHECK(got_out(0x12345678, 4));
	CHECK(got_out(0x11, 4));
	CHECK(got_hlt());
	return true;
}

GUEST(pae, ".code32",
	"mov 0x200000, %eax\n out %eax, $0x10\n"
	"mov $0x13000, %eax\n mov %eax, %cr3\n"
	"mov 0x200000, %eax\n out %eax, $0x10\n"
	"mov %cr3, %eax\n out %eax, $0x10\n"
	"hlt\n");

/* The guest loads CR3 itself: the PDPTEs of the new tree must be in force. */
static bool pae_guest_changes_cr3(void)
{
	vm_open(pae, pae_end);
	put64(PDPT, PD | PTE_P);
	put64(PD, PTE_P | PTE_W | PTE_PS);
	put64(PD + 8, PTE_P | PTE_W | PTE_PS);		/* 2 MiB to 0 */
	put64(PDPT2, PD2 | PTE_P);
	put64(PD2, PTE_P | PTE_W | PTE_PS);
	put64(PD2 + 8, 0x16000 | PTE_P | PTE_W);	/* 2 MiB to a table of 4 KiB pages */
	put64(0x16000, 0x17000 | PTE_P | PTE_W);
	put64(0, 0x1111);
	put64(0x17000, 0x2222);
	flat(32, 0x80000011, PDPT, 0x20, 0);
	CHECK(got_out(0x1111, 4));
	CHECK(got_out(0x2222, 4));
	CHECK(got_out(0x13000, 4));
	CHECK(got_hlt());
	return true;
}

GUEST(long_out, ".code64",
	"mov $0x123456789abcdef0, %rax\n mov %rax, %r15\n xor %eax, %eax\n"
	"mov %r15, %rax\n shr $32, %rax\n out %eax, $0x10\n"
	"xor %eax, %eax\n cpuid\n mov %ebx, %eax\n out %eax, $0x10\n"
	"hlt\n");

static bool long_mode_out_and_cpuid(void)
{
	uint32_t eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "+c" (ecx), "=d" (edx));
	vm_open(long_out, long_out_end);
	long_mode();
	CHECK(got_out(0x12345678, 4));
	CHECK(got_out(ebx, 4));		/* the vendor is the host's */
	CHECK(got_hlt());
	return true;
}

GUEST(climb, ".code16",
	"lgdtl 0x8100\n"
	"mov %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n"
	"ljmpl $8, $0x8000 + (climb32 - climb)\n"
	".code32\nclimb32:\n"
	"mov $16, %eax\n mov %eax, %ds\n mov %eax, %ss\n mov %eax, %es\n"
	"mov $0x32, %al\n out %al, $0x10\n"
	"mov %cr4, %eax\n or $0x20, %eax\n mov %eax, %cr4\n"
	"mov $0x10000, %eax\n mov %eax, %cr3\n"
	"mov $0xc0000080, %ecx\n rdmsr\n or $0x100, %eax\n wrmsr\n"
	"mov %cr0, %eax\n or $0x80000000, %eax\n mov %eax, %cr0\n"
	"rdmsr\n out %eax, $0x10\n"
	"ljmpl $24, $0x8000 + (climb64 - climb)\n"
	".code64\nclimb64:\n"
	"mov $0x64, %al\n out %al, $0x10\n"
	/* and down again: paging off leaves long mode */
	"ljmp *0x8110\n"
	".code32\nclimb_down:\n"
	"mov %cr0, %eax\n and $0x7fffffff, %eax\n mov %eax, %cr0\n"
	"rdmsr\n out %eax, $0x10\n"
	"hlt\n"
	".code64\n");
extern const char climb_down[];

/* Real mode to protected to long mode and back, all by the guest. */
static bool guest_climbs_to_long_mode_and_back(void)
{
	static const uint64_t gdt[] = {
		0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff,
	};
	struct { uint16_t limit; uint32_t base; } __attribute__((packed)) gdtr = {
		sizeof(gdt) - 1, GDT,
	};
	struct { uint32_t offset; uint16_t selector; } __attribute__((packed)) down = {
		CODE + (climb_down - climb), 8,
	};
	struct kvm_sregs s;

	vm_open(climb, climb_end);
	long_mode_tables();
	memcpy(g.mem + GDT, gdt, sizeof(gdt));
	memcpy(g.mem + 0x8100, &gdtr, sizeof(gdtr));
	memcpy(g.mem + 0x8110, &down, sizeof(down));
	real_mode();
	CHECK(got_out(0x32, 1));
	CHECK(got_out(0x500, 4));
	CHECK(got_out(0x64, 1));
	CHECK(!ioctl(g.vcpu, KVM_GET_SREGS, &s));
	CHECK(s.efer == 0x500 && s.cs.l && s.cr4 == 0x20);
	CHECK(got_out(0x100, 4));
	CHECK(got_hlt());
	CHECK(!ioctl(g.vcpu, KVM_GET_SREGS, &s));
	CHECK(s.efer == 0x100 && !s.cs.l && s.cs.db);
	return true;
}

GUEST(mmio, ".code64",
	"mov $0x40000000, %rbx\n"
	"movl $0xcafe, (%rbx)\n"
	"mov 4(%rbx), %eax\n"
	"out %eax, $0x10\n"
	"hlt\n");

static bool mmio_write_and_read(void)
{
	vm_open(mmio, mmio_end);
	long_mode();
	CHECK(!run() && g.run->exit_reason == KVM_EXIT_MMIO);
	CHECK(g.run->mmio.is_write && g.run->mmio.phys_addr == MMIO && g.run->mmio.len == 4);
	CHECK(!memcmp(g.run->mmio.data, "\xfe\xca\0\0", 4));
	CHECK(!run() && g.run->exit_reason == KVM_EXIT_MMIO);
	CHECK(!g.run->mmio.is_write && g.run->mmio.phys_addr == MMIO + 4);
	memcpy(g.run->mmio.data, "\x78\x56\x34\x12", 4);
	CHECK(got_out(0x12345678, 4));
	CHECK(got_hlt());
	return true;
}

GUEST(msrs, ".code64",
	"mov $0xc0000082, %ecx\n mov $0x11111111, %eax\n mov $0x1111, %edx\n wrmsr\n"
	"mov $0xc0000102, %ecx\n mov $0x22222222, %eax\n mov $0x2222, %edx\n wrmsr\n"
	"mov $0xc0000081, %ecx\n mov $0x33333333, %eax\n mov $0x00230010, %edx\n wrmsr\n"
	"mov $0xc0000103, %ecx\n mov $0x77, %eax\n xor %edx, %edx\n wrmsr\n"
	"out %al, $0x10\n"
	"rdtscp\n mov %ecx, %eax\n out %eax, $0x10\n"
	"swapgs\n"
	"mov $0xc0000101, %ecx\n rdmsr\n out %eax, $0x10\n"
	"mov $0xc0000102, %ecx\n rdmsr\n out %eax, $0x10\n"
	"hlt\n");

/* MSRs no entry or exit switches: kept for the guest, and never left to the host. */
static bool switched_msrs_are_kept_apart(void)
{
	struct { struct kvm_msrs h; struct kvm_msr_entry e[3]; } m = {
		.h.nmsrs = 3,
		.e = { { .index = 0xc0000082 }, { .index = 0xc0000101 }, { .index = 0xc0000103 } },
	};
	uint32_t before, after, lo, hi;

	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (before));
	vm_open(msrs, msrs_end);
	long_mode();
	CHECK(got_out(0x77, 1));
	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (after));
	CHECK(before == after || sysconf(_SC_NPROCESSORS_ONLN) > 1);
	CHECK(after != 0x77);
	CHECK(getppid() > 0);		/* a system call goes where the host's LSTAR says */
	CHECK(got_out(0x77, 4));
	CHECK(got_out(0x22222222, 4));
	CHECK(got_out(0, 4));
	CHECK(got_hlt());
	CHECK(ioctl(g.vcpu, KVM_GET_MSRS, &m) == 3);
	CHECK(m.e[0].data == 0x111111111111ull);
	CHECK(m.e[1].data == 0x222222222222ull);
	CHECK(m.e[2].data == 0x77);
	return true;
}

GUEST(irq, ".code16",
	"sti\n nop\n mov $0x55, %al\n out %al, $0x10\n"
	"1: jmp 1b\n"
	".org irq + 0x100\n"
	"mov $0x66, %al\n out %al, $0x10\n iret\n");

/* User space's interrupt controller: the window, then the vector. */
static bool interrupt_enters_when_the_window_opens(void)
{
	struct kvm_interrupt intr = { .irq = 0x20 };
	uint16_t vector[2] = { CODE + 0x100, 0 };

	vm_open(irq, irq_end);
	memcpy(g.mem + 4 * 0x20, vector, 4);
	real_mode();
	g.run->request_interrupt_window = 1;
	CHECK(!run() && g.run->exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK(g.run->ready_for_interrupt_injection && g.run->if_flag);
	g.run->request_interrupt_window = 0;
	CHECK(!ioctl(g.vcpu, KVM_INTERRUPT, &intr));
	CHECK(got_out(0x66, 1));
	CHECK(got_out(0x55, 1));
	return true;
}

GUEST(step, ".code64",
	"mov $1, %eax\n mov $2, %ebx\n cpuid\n nop\n hlt\n");

static bool single_step_sees_every_instruction(void)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	static const int offsets[] = { 5, 10, 12, 13 };
	unsigned int i;

	vm_open(step, step_end);
	long_mode();
	CHECK(!ioctl(g.vcpu, KVM_SET_GUEST_DEBUG, &dbg));
	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		CHECK(!run() && g.run->exit_reason == KVM_EXIT_DEBUG);
		CHECK(g.run->debug.arch.pc == CODE + offsets[i]);
	}
	return true;
}

static bool segments_come_back_as_set(void)
{
	struct kvm_sregs a, b;

	vm_open(real_out, real_out_end);
	long_mode();
	CHECK(!ioctl(g.vcpu, KVM_GET_SREGS, &a));
	a.fs.base = 0x7fff12345678;
	a.gs.selector = 0;
	a.gs.unusable = 1;
	a.gs.present = 0;
	a.ldt.unusable = 1;
	a.ldt.present = 0;
	a.gdt.base = 0xffff800000001000;
	a.gdt.limit = 0x7f;
	CHECK(!ioctl(g.vcpu, KVM_SET_SREGS, &a));
	CHECK(!ioctl(g.vcpu, KVM_GET_SREGS, &b));
	CHECK(!memcmp(&a.cs, &b.cs, sizeof(a.cs)));
	CHECK(!memcmp(&a.fs, &b.fs, sizeof(a.fs)));
	CHECK(b.gs.unusable && !b.gs.present && b.ldt.unusable);
	CHECK(!memcmp(&a.gdt, &b.gdt, sizeof(a.gdt)));
	CHECK(a.cr0 == b.cr0 && a.cr3 == b.cr3 && a.cr4 == b.cr4 && a.efer == b.efer);
	return true;
}

GUEST(triple, ".code64", "lidt 0x8100\n ud2\n");

static bool triple_fault_is_a_shutdown(void)
{
	vm_open(triple, triple_end);
	long_mode();
	CHECK(!run() && g.run->exit_reason == KVM_EXIT_SHUTDOWN);
	return true;
}

#define TSS1		0x18000ul
#define TSS2		0x18100ul
#define TASK_STACK	0x6000ul

GUEST(tasks, ".code32",
	"mov $0x28, %eax\n ltr %ax\n"
	"lcall $0x30, $0\n"
	"mov $0x11, %eax\n out %eax, $0x10\n"
	"int $0x30\n"
	"mov $0x12, %eax\n out %eax, $0x10\n"
	"mov $0x1234, %eax\n mov %eax, %ds\n"
	"task2:\n"
	"pushf\n pop %eax\n and $0x4000, %eax\n out %eax, $0x10\n"
	"xor %eax, %eax\n str %ax\n out %eax, $0x10\n"
	"iret\n"
	"mov $0x22, %eax\n out %eax, $0x10\n"
	"iret\n"
	"pop %eax\n out %eax, $0x10\n"
	"mov %cr0, %eax\n and $8, %eax\n out %eax, $0x10\n"
	"hlt\n");
extern const char task2[];

/* By CALL, by INT n through a task gate, by an exception with an error code; back by IRET. */
static bool guest_switches_tasks(void)
{
	static const uint64_t gdt[] = {
		0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0, 0,
		0x0000890000000067 | TSS1 << 16, 0x0000890000000067 | TSS2 << 16,
	};
	const uint64_t gate = 0x0000850000300000;
	const struct { uint32_t eip, eflags, eax, ecx, edx, ebx, esp; } regs = {
		.eip = CODE + (task2 - tasks), .eflags = 2, .esp = TASK_STACK,
	};
	const uint32_t sregs[6] = { 16, 8, 16, 16, 16, 16 };
	struct kvm_sregs s;

	vm_open(tasks, tasks_end);
	memcpy(g.mem + GDT, gdt, sizeof(gdt));
	put64(0x16000 + 13 * 8, gate);
	put64(0x16000 + 0x30 * 8, gate);
	memcpy(g.mem + TSS2 + 0x20, &regs, sizeof(regs));
	memcpy(g.mem + TSS2 + 0x48, sregs, sizeof(sregs));
	flat(32, 0x11, 0, 0, 0);
	CHECK(!ioctl(g.vcpu, KVM_GET_SREGS, &s));
	s.gdt.base = GDT;
	s.gdt.limit = sizeof(gdt) - 1;
	s.idt.base = 0x16000;
	s.idt.limit = 0x1ff;
	CHECK(!ioctl(g.vcpu, KVM_SET_SREGS, &s));
	CHECK(got_out(0x4000, 4));		/* nested */
	CHECK(got_out(0x30, 4));		/* TR */
	CHECK(got_out(0x11, 4));
	CHECK(got_out(0x22, 4));
	CHECK(got_out(0x12, 4));
	CHECK(got_out(0x1234, 4));		/* #GP's error code */
	CHECK(got_out(8, 4));			/* CR0.TS */
	CHECK(got_hlt());
	CHECK(!ioctl(g.vcpu, KVM_GET_SREGS, &s));
	CHECK(s.tr.selector == 0x30 && s.tr.type == 11 && s.tr.base == TSS2);
	/* the old task is at the instruction that faulted */
	CHECK(!memcmp(g.mem + TSS1 + 0x28, "\x34\x12\0\0", 4));
	CHECK(g.mem[GDT + 0x28 + 5] == 0x8b && g.mem[GDT + 0x30 + 5] == 0x8b);
	return true;
}

static const struct {
	const char *name;
	bool (*test)(void);
} tests[] = {
#define T(x) { #x, x }
	T(real_mode_out_and_hlt),
	T(real_mode_segments_and_stack),
	T(protected_mode_without_paging),
	T(pae_guest_changes_cr3),
	T(long_mode_out_and_cpuid),
	T(guest_climbs_to_long_mode_and_back),
	T(mmio_write_and_read),
	T(switched_msrs_are_kept_apart),
	T(interrupt_enters_when_the_window_opens),
	T(single_step_sees_every_instruction),
	T(segments_come_back_as_set),
	T(triple_fault_is_a_shutdown),
	T(guest_switches_tasks),
};

int main(int argc, char **argv)
{
	const char *part = argc > 2 ? argv[2] : "";
	unsigned int i, n = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	device = argc > 1 ? argv[1] : access("/dev/vmm", F_OK) ? "/dev/kvm" : "/dev/vmm";
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		n += !!strstr(tests[i].name, part);
	printf("TAP version 13\n1..%u\n", n);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!strstr(tests[i].name, part))
			continue;
		report(tests[i].test(), tests[i].name);
		vm_close();
	}
	return failures != 0;
}
