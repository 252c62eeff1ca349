// SPDX-License-Identifier: GPL-2.0-only
/*
 * First light: a vCPU runs a few instructions, and what KVM_RUN says is checked.
 *
 *	bringup [DEVICE [NAME]]
 *
 * Each row of the table at the end is one VM: a piece of guest code in real,
 * protected or long mode, and the host's side of the conversation. The same program
 * holds on /dev/kvm and on /dev/vmm. Output is TAP; exit status 0 when all passed.
 *
 * Guest memory is 4 MiB at 0: tables below CODE, a result page, the code, a stack.
 * Anything above 4 MiB is a device.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define MEM_SIZE	0x400000
#define GDT		0x1000
#define IDT		0x2000
#define STUBS		0x3000
#define CODE		0x4000
#define STACK		0xa000
#define RESULT		0xb000
#define TSS		0xc000
#define PML4		0x10000
#define PDPT		0x11000
#define PD		0x12000
#define FRESH_STACK	0x300000	/* nobody has touched it */
#define DEVICE		0x10000000

/* Read by guest code through its absolute address. */
struct result {
	uint64_t vector, error, rip, rflags, cr2, count, fixup, dr6;
	uint64_t v[16];
};

enum mode { REAL, PROTECTED, LONG };

struct vm {
	int vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
	volatile struct result *result;
};

struct test {
	const char *name;
	enum mode mode;
	const char *code, *end;
	bool (*host)(struct vm *vm);
	bool irqchip;
};

static int dev;
static struct kvm_cpuid2 *cpuid;
static bool amd, tcg;

/* ---- guest code ---------------------------------------------------------------- */

/* Labels inside are relative to the start of the copy; AT(l) is one's address there. */
#define GUEST(name, bits, body)						\
	extern const char name##_start[], name##_end[];			\
	asm(".pushsection .rodata\n.code" #bits "\n"			\
	    #name "_start:\n" body "\n" #name "_end:\n.code64\n.popsection\n")
#define STR2(x)		#x
#define STR(x)		STR2(x)
#define AT(name, label)	"(" #label " - " #name "_start + " STR(CODE) ")"
#define V(n)		STR(RESULT) " + 64 + 8 * " #n
#define R(field)	STR(RESULT) " + " STR(R_##field)
#define R_vector	0
#define R_error		8
#define R_rip		16
#define R_rflags	24
#define R_cr2		32
#define R_count		40
#define R_fixup		48
#define R_dr6		56

_Static_assert(offsetof(struct result, dr6) == R_dr6, "result layout");
_Static_assert(offsetof(struct result, v) == 64, "result layout");

/* Every gate leads here with the vector and an error code on the stack. */
GUEST(common64, 64,
	"push %rax; push %rbx\n"
	"mov 16(%rsp), %rbx; mov %rbx, " R(vector) "\n"
	"mov 24(%rsp), %rax; mov %rax, " R(error) "\n"
	"mov 32(%rsp), %rax; mov %rax, " R(rip) "\n"
	"mov 48(%rsp), %rax; mov %rax, " R(rflags) "\n"
	"mov %cr2, %rax; mov %rax, " R(cr2) "\n"
	"incq " R(count) "\n"
	"cmp $1, %rbx; jne 1f\n"
	"mov %dr6, %rax; mov %rax, " R(dr6) "\n"
	"andq $~0x100, 48(%rsp); orq $0x10000, 48(%rsp)\n"	/* TF off, RF on */
	"1: mov " R(fixup) ", %rax; test %rax, %rax; jz 2f\n"
	"mov %rax, 32(%rsp)\n"
	"2: pop %rbx; pop %rax; add $16, %rsp; iretq\n");

GUEST(common32, 32,
	"push %eax\n"
	"mov 4(%esp), %eax; mov %eax, " R(vector) "\n"
	"mov 8(%esp), %eax; mov %eax, " R(error) "\n"
	"mov 12(%esp), %eax; mov %eax, " R(rip) "\n"
	"mov %cr2, %eax; mov %eax, " R(cr2) "\n"
	"incl " R(count) "\n"
	"mov " R(fixup) ", %eax; test %eax, %eax; jz 1f\n"
	"mov %eax, 12(%esp)\n"
	"1: pop %eax; add $8, %esp; iret\n");

/* ---- the host's side ------------------------------------------------------------- */

static char why[256];

__attribute__((format(printf, 1, 2)))
static bool fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return false;
}

static bool skipped;

static bool skip(const char *reason)
{
	skipped = true;
	snprintf(why, sizeof(why), "%s", reason);
	return true;
}

#define CHECK(cond, ...)	do { if (!(cond)) return fail(__VA_ARGS__); } while (0)
#define EQUAL(a, b)	do {							\
		unsigned long long a_ = (a), b_ = (b);				\
		if (a_ != b_)							\
			return fail("line %d: " #a " is %#llx, expected %#llx",	\
				    __LINE__, a_, b_);				\
	} while (0)

static int xioctl(int fd, unsigned long request, void *arg)
{
	int r = ioctl(fd, request, arg);

	if (r < 0 && errno != EINTR) {
		printf("Bail out! ioctl %#lx: %s\n", request, strerror(errno));
		exit(2);
	}
	return r;
}

static const char *exit_name(unsigned int reason)
{
	static const char *const names[] = {
		"UNKNOWN", "EXCEPTION", "IO", "HYPERCALL", "DEBUG", "HLT", "MMIO",
		"IRQ_WINDOW_OPEN", "SHUTDOWN", "FAIL_ENTRY", "INTR", "SET_TPR", "TPR_ACCESS",
	};

	if (reason == KVM_EXIT_INTERNAL_ERROR)
		return "INTERNAL_ERROR";
	return reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "?";
}

static bool run(struct vm *vm)
{
	CHECK(ioctl(vm->vcpu, KVM_RUN, 0) == 0, "KVM_RUN: %s", strerror(errno));
	return true;
}

static bool until(struct vm *vm, unsigned int reason)
{
	struct kvm_regs regs;

	if (!run(vm))
		return false;
	if (vm->run->exit_reason == reason)
		return true;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	return fail("exit %u (%s) suberror %u hw %#llx at rip %#llx, expected %s; vector %lld error %llx rip %llx",
		    vm->run->exit_reason, exit_name(vm->run->exit_reason),
		    vm->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? vm->run->internal.suberror : 0,
		    vm->run->exit_reason == KVM_EXIT_FAIL_ENTRY ?
		    (unsigned long long)vm->run->fail_entry.hardware_entry_failure_reason : 0,
		    regs.rip, exit_name(reason), (long long)vm->result->vector,
		    (unsigned long long)vm->result->error, (unsigned long long)vm->result->rip);
}

static bool until_hlt(struct vm *vm)
{
	return until(vm, KVM_EXIT_HLT);
}

static bool until_io(struct vm *vm, bool out, uint16_t port, uint8_t size, uint32_t count)
{
	if (!until(vm, KVM_EXIT_IO))
		return false;
	EQUAL(vm->run->io.direction, out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN);
	EQUAL(vm->run->io.port, port);
	EQUAL(vm->run->io.size, size);
	EQUAL(vm->run->io.count, count);
	return true;
}

static void *io_data(struct vm *vm)
{
	return (char *)vm->run + vm->run->io.data_offset;
}

static bool until_mmio(struct vm *vm, bool write, uint64_t gpa, uint32_t len)
{
	if (!until(vm, KVM_EXIT_MMIO))
		return false;
	EQUAL(vm->run->mmio.is_write, write);
	EQUAL(vm->run->mmio.phys_addr, gpa);
	EQUAL(vm->run->mmio.len, len);
	return true;
}

/* ---- building a VM ------------------------------------------------------------------ */

static bool has_error_code(int vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

static void make_stubs(struct vm *vm, bool long_mode)
{
	const char *common = long_mode ? common64_start : common32_start;
	const char *end = long_mode ? common64_end : common32_end;
	uint32_t common_at = STUBS, at;
	int v;

	memcpy(vm->mem + common_at, common, end - common);
	at = common_at + 0x200;
	for (v = 0; v < 64; v++) {
		uint8_t *p = vm->mem + at, *gate = vm->mem + IDT + v * (long_mode ? 16 : 8);
		int32_t rel;

		gate[0] = at;
		gate[1] = at >> 8;
		gate[2] = long_mode ? 0x18 : 0x08;
		gate[5] = 0x8e;
		if (!has_error_code(v)) {
			*p++ = 0x6a;
			*p++ = 0;
		}
		*p++ = 0x6a;
		*p++ = v;
		*p++ = 0xe9;
		rel = common_at - (p + 4 - vm->mem);
		memcpy(p, &rel, 4);
		at = p + 4 - vm->mem;
	}
}

static const uint64_t gdt[] = {
	0,
	0x00cf9b000000ffff,	/* 08 code32 */
	0x00cf93000000ffff,	/* 10 data */
	0x00af9b000000ffff,	/* 18 code64 */
};

static void make_tables(struct vm *vm)
{
	uint64_t *pml4 = (void *)(vm->mem + PML4), *pdpt = (void *)(vm->mem + PDPT),
		 *pd = (void *)(vm->mem + PD);
	int i;

	memcpy(vm->mem + GDT, gdt, sizeof(gdt));
	pml4[0] = PDPT | 3;
	pdpt[0] = PD | 3;
	for (i = 0; i < 512; i++)
		pd[i] = (uint64_t)i << 21 | 0x83;
}

static void set_mode(struct vm *vm, enum mode mode)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = mode == LONG ? 0x18 : 0x08, .type = 11,
		.present = 1, .s = 1, .g = 1, .db = mode != LONG, .l = mode == LONG,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1, .s = 1, .g = 1,
		.db = 1,
	};
	struct kvm_regs regs = { .rflags = 2, .rip = CODE, .rsp = STACK };
	struct kvm_sregs sregs;

	xioctl(vm->vcpu, KVM_GET_SREGS, &sregs);
	if (mode == REAL) {
		sregs.cs.base = 0;
		sregs.cs.selector = 0;
	} else {
		sregs.cs = code;
		sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
		sregs.gdt.base = GDT;
		sregs.gdt.limit = sizeof(gdt) - 1;
		sregs.idt.base = IDT;
		sregs.idt.limit = 0x3ff;
		sregs.tr = (struct kvm_segment) {
			.base = TSS, .limit = 0x67, .selector = 0x20, .type = 11, .present = 1,
		};
		sregs.cr0 = 0x31;	/* PE ET NE */
	}
	if (mode == LONG) {
		sregs.cr0 |= 0x80010000;
		sregs.cr4 = 0x620;	/* PAE OSFXSR OSXMMEXCPT */
		sregs.cr3 = PML4;
		sregs.efer = 0x500;
	}
	xioctl(vm->vcpu, KVM_SET_SREGS, &sregs);
	xioctl(vm->vcpu, KVM_SET_REGS, &regs);
}

static void vm_create(struct vm *vm, const struct test *t)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEM_SIZE };

	memset(vm, 0, sizeof(*vm));
	vm->vm = xioctl(dev, KVM_CREATE_VM, NULL);
	vm->mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->mem == MAP_FAILED) {
		printf("Bail out! no memory\n");
		exit(2);
	}
	region.userspace_addr = (uintptr_t)vm->mem;
	xioctl(vm->vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000);
	xioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region);
	if (t->irqchip)
		xioctl(vm->vm, KVM_CREATE_IRQCHIP, NULL);
	vm->vcpu = xioctl(vm->vm, KVM_CREATE_VCPU, 0);
	vm->run_size = xioctl(dev, KVM_GET_VCPU_MMAP_SIZE, NULL);
	vm->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu, 0);
	if (vm->run == MAP_FAILED) {
		printf("Bail out! mmap of kvm_run: %s\n", strerror(errno));
		exit(2);
	}
	xioctl(vm->vcpu, KVM_SET_CPUID2, cpuid);
	vm->result = (void *)(vm->mem + RESULT);
	make_tables(vm);
	if (t->mode != REAL)
		make_stubs(vm, t->mode == LONG);
	memcpy(vm->mem + CODE, t->code, t->end - t->code);
	set_mode(vm, t->mode);
}

static void vm_destroy(struct vm *vm)
{
	munmap(vm->run, vm->run_size);
	close(vm->vcpu);
	close(vm->vm);
	munmap(vm->mem, MEM_SIZE);
}

static uint64_t address(const struct test *t, const char *label)
{
	return CODE + (label - t->code);
}

static const struct test *current;

/* Where the test's code marked itself with LABEL(n). */
#define LABEL(name, n)	".globl " #name "_l" #n "\n" #name "_l" #n ":\n"
#define DECLARE_LABEL(name, n)	extern const char name##_l##n[]
#define HERE(name, n)	address(current, name##_l##n)

/* ---- real mode ------------------------------------------------------------------------ */

GUEST(io16, 16,
	"mov $0x5a, %al; out %al, $0x10\n"
	"in $0x11, %al; mov %al, %bl\n"
	"mov $0x1234, %dx; mov $0xbeef, %ax; out %ax, %dx\n"
	"mov $0xdeadbeef, %eax; out %eax, %dx\n"
	"in %dx, %eax; mov %eax, %ecx\n"
	"hlt\n"
	"mov $1, %si\n"
	"hlt\n");

static bool io16_host(struct vm *vm)
{
	struct kvm_regs regs;

	if (!until_io(vm, true, 0x10, 1, 1))
		return false;
	EQUAL(*(uint8_t *)io_data(vm), 0x5a);
	if (!until_io(vm, false, 0x11, 1, 1))
		return false;
	*(uint8_t *)io_data(vm) = 0xa5;
	if (!until_io(vm, true, 0x1234, 2, 1))
		return false;
	EQUAL(*(uint16_t *)io_data(vm), 0xbeef);
	if (!until_io(vm, true, 0x1234, 4, 1))
		return false;
	EQUAL(*(uint32_t *)io_data(vm), 0xdeadbeef);
	if (!until_io(vm, false, 0x1234, 4, 1))
		return false;
	*(uint32_t *)io_data(vm) = 0x01020304;
	if (!until_hlt(vm))
		return false;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	EQUAL(regs.rbx & 0xff, 0xa5);
	EQUAL(regs.rcx, 0x01020304);
	EQUAL(regs.rsi, 0);
	if (!until_hlt(vm))
		return false;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	EQUAL(regs.rsi, 1);
	return true;
}

GUEST(string16, 16,
	"cld; mov $" AT(string16, text) ", %si; mov $5, %cx; mov $0x3f8, %dx; rep outsb\n"
	"mov $" STR(RESULT) ", %di; mov $3, %cx; rep insw\n"
	"hlt\n"
	"text: .ascii \"hello\"\n");

static bool string16_host(struct vm *vm)
{
	static const uint16_t words[] = { 0x1111, 0x2222, 0x3333 };
	char text[8] = "";
	size_t n = 0;

	/* How many units one exit carries is the module's choice. */
	while (n < 5) {
		if (!until(vm, KVM_EXIT_IO))
			return false;
		EQUAL(vm->run->io.size, 1);
		CHECK(vm->run->io.count && n + vm->run->io.count <= 5, "count %u",
		      vm->run->io.count);
		memcpy(text + n, io_data(vm), vm->run->io.count);
		n += vm->run->io.count;
	}
	CHECK(!memcmp(text, "hello", 5), "OUTS wrote \"%s\"", text);
	for (n = 0; n < 3; n += vm->run->io.count) {
		if (!until(vm, KVM_EXIT_IO))
			return false;
		EQUAL(vm->run->io.direction, KVM_EXIT_IO_IN);
		EQUAL(vm->run->io.size, 2);
		CHECK(vm->run->io.count && n + vm->run->io.count <= 3, "count %u",
		      vm->run->io.count);
		memcpy(io_data(vm), words + n, 2 * vm->run->io.count);
	}
	if (!until_hlt(vm))
		return false;
	CHECK(!memcmp(vm->mem + RESULT, words, sizeof(words)), "INS stored something else");
	return true;
}

/* Vectors 0 (#DE), 0x20 (INT) and 0x21 (from user space) through the real-mode IVT. */
GUEST(ivt16, 16,
	"xor %ax, %ax; mov %ax, %ds; mov %ax, %es; mov %ax, %ss\n"
	"movw $" AT(ivt16, de) ", 0; movw $0, 2\n"
	"movw $" AT(ivt16, soft) ", 0x80; movw $0, 0x82\n"
	"movw $" AT(ivt16, irq) ", 0x84; movw $0, 0x86\n"
	"int $0x20\n"
	"xor %dx, %dx; xor %cx, %cx; mov $7, %ax\n"
	"div %cx\n"
	"sti\n"
	"nop\n"
	"1: cmpw $0, " V(2) "; je 1b\n"
	"hlt\n"
	"de: incw " V(0) "; mov $1, %cx; iret\n"
	"soft: incw " V(1) "; iret\n"
	"irq: incw " V(2) "; iret\n");

static bool ivt16_host(struct vm *vm)
{
	struct kvm_interrupt irq = { .irq = 0x21 };

	vm->run->request_interrupt_window = 1;
	if (!until(vm, KVM_EXIT_IRQ_WINDOW_OPEN))
		return false;
	EQUAL(vm->run->ready_for_interrupt_injection, 1);
	EQUAL(vm->run->if_flag, 1);
	EQUAL(vm->result->v[0], 1);
	EQUAL(vm->result->v[1], 1);
	vm->run->request_interrupt_window = 0;
	xioctl(vm->vcpu, KVM_INTERRUPT, &irq);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[2], 1);
	return true;
}

GUEST(mmio16, 16,
	"mov $0xf000, %ax; mov %ax, %ds\n"
	"movb $0x77, 0x10\n"
	"movw $0x8899, 0x12\n"
	"mov 0x20, %al; mov %al, %bl\n"
	"mov 0x24, %ecx\n"
	"hlt\n");

/* 0xf0000 is in the slot; move the slot's end below it first. */
static bool mmio16_host(struct vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.userspace_addr = (uintptr_t)vm->mem,
	};
	struct kvm_regs regs;

	xioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region);
	region.memory_size = 0xa0000;
	xioctl(vm->vm, KVM_SET_USER_MEMORY_REGION, &region);
	if (!until_mmio(vm, true, 0xf0010, 1))
		return false;
	EQUAL(vm->run->mmio.data[0], 0x77);
	if (!until_mmio(vm, true, 0xf0012, 2))
		return false;
	EQUAL(*(uint16_t *)vm->run->mmio.data, 0x8899);
	if (!until_mmio(vm, false, 0xf0020, 1))
		return false;
	vm->run->mmio.data[0] = 0x42;
	if (!until_mmio(vm, false, 0xf0024, 4))
		return false;
	memcpy(vm->run->mmio.data, "\x01\x02\x03\x04", 4);
	if (!until_hlt(vm))
		return false;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	EQUAL(regs.rbx & 0xff, 0x42);
	EQUAL(regs.rcx, 0x04030201);
	return true;
}

/* From real mode through protected mode into long mode, as a boot loader does. */
GUEST(climb16, 16,
	"xor %ax, %ax; mov %ax, %ds\n"
	"lgdtl " AT(climb16, gdtr) "\n"
	"mov %cr0, %eax; or $1, %eax; mov %eax, %cr0\n"
	"ljmpl $8, $" AT(climb16, in32) "\n"
	".code32\n"
	"in32: mov $0x10, %ax; mov %ax, %ds; mov %ax, %ss; mov %ax, %es\n"
	"mov $" STR(STACK) ", %esp\n"
	"movl $0x32, " V(0) "\n"
	"mov %cr4, %eax; or $0x20, %eax; mov %eax, %cr4\n"
	"mov $" STR(PML4) ", %eax; mov %eax, %cr3\n"
	"mov $0xc0000080, %ecx; rdmsr; or $0x100, %eax; wrmsr\n"
	"mov %cr0, %eax; or $0x80000000, %eax; mov %eax, %cr0\n"
	"ljmp $0x18, $" AT(climb16, in64) "\n"
	".code64\n"
	"in64: mov $0x1122334455667788, %rax; mov %rax, " V(1) "\n"
	"mov $0xc0000080, %ecx; rdmsr; mov %rax, " V(2) "\n"
	"hlt\n"
	"gdtr: .word 0x1f; .long " STR(GDT) "\n");

static bool climb16_host(struct vm *vm)
{
	struct kvm_sregs sregs;

	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 0x32);
	EQUAL(vm->result->v[1], 0x1122334455667788);
	EQUAL(vm->result->v[2] & 0x500, 0x500);
	xioctl(vm->vcpu, KVM_GET_SREGS, &sregs);
	EQUAL(sregs.efer & 0x1500, 0x500);	/* no SVME of the host's */
	EQUAL(sregs.cs.l, 1);
	EQUAL(sregs.cr3, PML4);
	EQUAL(sregs.cr0 & 0x80000001, 0x80000001);
	return true;
}

/* ---- protected mode ---------------------------------------------------------------------- */

DECLARE_LABEL(fault32, 0);
GUEST(fault32, 32,
	"movl $" AT(fault32, 1f) ", " R(fixup) "\n"
	LABEL(fault32, 0)
	"ud2\n"
	"1: mov " R(vector) ", %eax; mov %eax, " V(0) "\n"
	"movl $" AT(fault32, 2f) ", " R(fixup) "\n"
	"mov $0xdeadbeef, %ecx; rdmsr\n"
	"2: hlt\n");

static bool fault32_host(struct vm *vm)
{
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 6);
	EQUAL(vm->result->vector, 13);
	EQUAL(vm->result->error, 0);
	EQUAL(vm->result->count, 2);
	return true;
}

/* ---- long mode ------------------------------------------------------------------------------ */

GUEST(cpuid64, 64,
	"xor %eax, %eax; xor %ecx, %ecx; cpuid\n"
	"mov %eax, " V(0) "; mov %ebx, " V(1) "; mov %ecx, " V(2) "; mov %edx, " V(3) "\n"
	"mov $0x40000000, %eax; cpuid\n"
	"mov %ebx, " V(4) "; mov %ecx, " V(5) "; mov %edx, " V(6) "\n"
	"hlt\n");

static const struct kvm_cpuid_entry2 *cpuid_entry(uint32_t function)
{
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

static bool cpuid64_host(struct vm *vm)
{
	const struct kvm_cpuid_entry2 *e = cpuid_entry(0);

	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], e->eax);
	EQUAL(vm->result->v[1], e->ebx);
	EQUAL(vm->result->v[2], e->ecx);
	EQUAL(vm->result->v[3], e->edx);
	CHECK(!memcmp((void *)&vm->result->v[4], "KVMK", 4), "no KVM signature");
	return true;
}

GUEST(msr64, 64,
	"mov $0x11223344, %eax; mov $0x7f55, %edx\n"
	"mov $0xc0000100, %ecx; wrmsr\n"
	"mov $0xc0000082, %ecx; wrmsr\n"
	"mov $0xc0000102, %ecx; wrmsr\n"
	"mov $0x175, %ecx; wrmsr\n"
	"xor %eax, %eax; xor %edx, %edx\n"
	"mov $0xc0000100, %ecx; rdmsr; mov %eax, " V(0) "; mov %edx, 4 + " V(0) "\n"
	"mov $0xc0000082, %ecx; rdmsr; mov %eax, " V(1) "; mov %edx, 4 + " V(1) "\n"
	"mov $0xc0000101, %ecx; rdmsr; mov %eax, " V(2) "; mov %edx, 4 + " V(2) "\n"
	"swapgs\n"
	"mov $0xc0000101, %ecx; rdmsr; mov %eax, " V(3) "; mov %edx, 4 + " V(3) "\n"
	"hlt\n");

static bool msr64_host(struct vm *vm)
{
	struct {
		struct kvm_msrs h;
		struct kvm_msr_entry e[2];
	} m = {
		.h.nmsrs = 2,
		.e = { { .index = 0xc0000082 }, { .index = 0x175 } },
	};
	const uint64_t value = 0x7f5511223344;

	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], value);
	EQUAL(vm->result->v[1], value);
	EQUAL(vm->result->v[2], 0);
	EQUAL(vm->result->v[3], value);
	EQUAL(xioctl(vm->vcpu, KVM_GET_MSRS, &m), 2);
	EQUAL(m.e[0].data, value);
	EQUAL(m.e[1].data, value);
	return true;
}

GUEST(tsc64, 64,
	"rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, " V(0) "\n"
	"mov $0x10, %ecx; rdmsr; shl $32, %rdx; or %rdx, %rax; mov %rax, " V(1) "\n"
	"rdtsc; shl $32, %rdx; or %rdx, %rax; mov %rax, " V(2) "\n"
	"hlt\n");

static bool tsc64_host(struct vm *vm)
{
	if (!until_hlt(vm))
		return false;
	CHECK(vm->result->v[0] <= vm->result->v[1] && vm->result->v[1] <= vm->result->v[2],
	      "RDTSC %llu RDMSR %llu RDTSC %llu", (unsigned long long)vm->result->v[0],
	      (unsigned long long)vm->result->v[1], (unsigned long long)vm->result->v[2]);
	/* A new vCPU's TSC starts near zero. */
	CHECK(vm->result->v[2] < 1ull << 40, "TSC of a new vCPU is %llu",
	      (unsigned long long)vm->result->v[2]);
	return true;
}

GUEST(cr64, 64,
	"mov %cr0, %rax; mov %rax, " V(0) "\n"
	"or $8, %rax; mov %rax, %cr0; mov %cr0, %rax; mov %rax, " V(1) "\n"
	"clts; smsw %rax; mov %rax, " V(2) "\n"
	"mov %cr0, %rax; btr $16, %rax; mov %rax, %cr0; mov %cr0, %rax; mov %rax, " V(3) "\n"
	"mov %cr4, %rax; mov %rax, " V(4) "\n"
	"or $0x80, %rax; mov %rax, %cr4; mov %cr4, %rax; mov %rax, " V(5) "\n"
	"mov %cr3, %rax; mov %rax, %cr3; mov %rax, " V(6) "\n"
	"mov $0x1234, %rax; mov %rax, %cr2; mov %cr2, %rbx; mov %rbx, " V(7) "\n"
	"mov %cr0, %rax; bts $30, %rax; mov %rax, %cr0; mov %cr0, %rax; mov %rax, " V(8) "\n"
	"btr $30, %rax; mov %rax, %cr0; mov %cr0, %rax; mov %rax, " V(9) "\n"
	"mov $1, %eax; lmsw %ax; mov %cr0, %rax; mov %rax, " V(10) "\n"
	"movq $" AT(cr64, 1f) ", " R(fixup) "\n"
	"mov $0x100000000, %rax; mov %rax, %cr0\n"
	"1: hlt\n");

static bool cr64_host(struct vm *vm)
{
	struct kvm_sregs sregs;

	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 0x80010031);
	EQUAL(vm->result->v[1], 0x80010039);
	EQUAL(vm->result->v[2] & 0xffff, 0x31);
	EQUAL(vm->result->v[3], 0x80000031);
	EQUAL(vm->result->v[4], 0x620);
	EQUAL(vm->result->v[5], 0x6a0);
	EQUAL(vm->result->v[6], PML4);
	EQUAL(vm->result->v[7], 0x1234);
	EQUAL(vm->result->v[8], 0xc0000031);
	EQUAL(vm->result->v[9], 0x80000031);
	EQUAL(vm->result->v[10], 0x80000031);
	EQUAL(vm->result->vector, 13);
	EQUAL(vm->result->count, 1);
	xioctl(vm->vcpu, KVM_GET_SREGS, &sregs);
	EQUAL(sregs.cr0, 0x80000031);
	EQUAL(sregs.cr4, 0x6a0);
	EQUAL(sregs.cr2, 0x1234);
	return true;
}

GUEST(cr8_64, 64,
	"mov $5, %eax; mov %rax, %cr8; mov %cr8, %rbx; mov %rbx, " V(0) "\n"
	"xor %eax, %eax; mov %rax, %cr8; mov %cr8, %rbx; mov %rbx, " V(1) "\n"
	"hlt\n");

static bool cr8_64_host(struct vm *vm)
{
	if (!until(vm, KVM_EXIT_SET_TPR))
		return false;
	EQUAL(vm->result->v[0], 5);
	EQUAL(vm->run->cr8, 0);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[1], 0);
	return true;
}

static bool cr8_irqchip_host(struct vm *vm)
{
	struct kvm_mp_state mp;

	/* The module has the TPR; HLT sleeps there, so a signal has to end it. */
	CHECK(ioctl(vm->vcpu, KVM_RUN, 0) < 0 && errno == EINTR, "KVM_RUN ended with exit %u",
	      vm->run->exit_reason);
	EQUAL(vm->result->v[0], 5);
	EQUAL(vm->result->v[1], 0);
	xioctl(vm->vcpu, KVM_GET_MP_STATE, &mp);
	EQUAL(mp.mp_state, KVM_MP_STATE_HALTED);
	return true;
}

DECLARE_LABEL(trap64, 0);
DECLARE_LABEL(trap64, 1);
DECLARE_LABEL(trap64, 2);
GUEST(trap64, 64,
	"int3\n"
	LABEL(trap64, 0)
	"mov " R(rip) ", %rax; mov %rax, " V(0) "; mov " R(vector) ", %rax; mov %rax, " V(1) "\n"
	"int $0x30\n"
	LABEL(trap64, 1)
	"mov " R(rip) ", %rax; mov %rax, " V(2) "; mov " R(vector) ", %rax; mov %rax, " V(3) "\n"
	"pushf; orl $0x100, (%rsp); popf\n"
	"nop\n"
	LABEL(trap64, 2)
	"mov " R(rip) ", %rax; mov %rax, " V(4) "; mov " R(vector) ", %rax; mov %rax, " V(5) "\n"
	"mov " R(dr6) ", %rax; mov %rax, " V(6) "\n"
	"hlt\n");

static bool trap64_host(struct vm *vm)
{
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[1], 3);
	EQUAL(vm->result->v[0], HERE(trap64, 0));
	EQUAL(vm->result->v[3], 0x30);
	EQUAL(vm->result->v[2], HERE(trap64, 1));
	EQUAL(vm->result->v[5], 1);
	EQUAL(vm->result->v[4], HERE(trap64, 2));
	EQUAL(vm->result->v[6] & 0x4000, 0x4000);
	EQUAL(vm->result->count, 3);
	return true;
}

/* The same, but pushing the frame is itself the first touch of the stack's page. */
static bool trap_fresh_stack_host(struct vm *vm)
{
	struct kvm_regs regs;

	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	regs.rsp = FRESH_STACK;
	xioctl(vm->vcpu, KVM_SET_REGS, &regs);
	return trap64_host(vm);
}

/* Single-stepped by the guest over instructions that exit. */
DECLARE_LABEL(stepexit64, 0);
GUEST(stepexit64, 64,
	"pushf; orl $0x100, (%rsp); xor %eax, %eax; popf\n"
	"cpuid\n"
	LABEL(stepexit64, 0)
	"nop; nop; hlt\n");

static bool stepexit64_host(struct vm *vm)
{
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->vector, 1);
	EQUAL(vm->result->rip, HERE(stepexit64, 0));
	EQUAL(vm->result->dr6 & 0x4000, 0x4000);
	EQUAL(vm->result->count, 1);
	return true;
}

GUEST(fault64, 64,
	"movq $" AT(fault64, 1f) ", " R(fixup) "\n"
	"mov $0x40000008, %rbx; mov (%rbx), %rax\n"
	"1: mov " R(vector) ", %rax; mov %rax, " V(0) "; mov " R(error) ", %rax; mov %rax, " V(1) "\n"
	"mov " R(cr2) ", %rax; mov %rax, " V(2) "\n"
	"movq $" AT(fault64, 2f) ", " R(fixup) "\n"
	"mov %rax, (%rbx)\n"
	"2: mov " R(error) ", %rax; mov %rax, " V(3) "\n"
	"movq $" AT(fault64, 3f) ", " R(fixup) "\n"
	"xor %ecx, %ecx; div %ecx\n"
	"3: mov " R(vector) ", %rax; mov %rax, " V(4) "\n"
	"movq $" AT(fault64, 4f) ", " R(fixup) "\n"
	"mov $0x8000000000000000, %rax; mov (%rax), %rax\n"
	"4: mov " R(vector) ", %rax; mov %rax, " V(5) "; mov " R(error) ", %rax; mov %rax, " V(6) "\n"
	"movq $" AT(fault64, 5f) ", " R(fixup) "\n"
	"jmp *%rbx\n"
	"5: mov " R(vector) ", %rax; mov %rax, " V(7) "; mov " R(cr2) ", %rax; mov %rax, " V(8) "\n"
	"hlt\n");

static bool fault64_host(struct vm *vm)
{
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 14);
	EQUAL(vm->result->v[1], 0);
	EQUAL(vm->result->v[2], 0x40000008);
	EQUAL(vm->result->v[3], 2);
	EQUAL(vm->result->v[4], 0);
	EQUAL(vm->result->v[5], 13);
	EQUAL(vm->result->v[6], 0);
	EQUAL(vm->result->v[7], 14);
	EQUAL(vm->result->v[8], 0x40000008);
	EQUAL(vm->result->count, 5);
	return true;
}

/* Instructions that this guest's CPU does not have: each is #UD. */
GUEST(svm_ud64, 64,
	"mov $" STR(RESULT) ", %eax\n"
	"movq $" AT(svm_ud64, 1f) ", " R(fixup) "; vmload %rax; hlt\n"
	"1: movq $" AT(svm_ud64, 2f) ", " R(fixup) "; stgi; hlt\n"
	"2: movq $" AT(svm_ud64, 3f) ", " R(fixup) "; vmrun %rax; hlt\n"
	"3: mov " R(count) ", %rax; mov %rax, " V(0) "; hlt\n");
GUEST(vmx_ud64, 64,
	"movq $" AT(vmx_ud64, 1f) ", " R(fixup) "; vmxoff; hlt\n"
	"1: movq $" AT(vmx_ud64, 2f) ", " R(fixup) "; vmlaunch; hlt\n"
	"2: movq $" AT(vmx_ud64, 3f) ", " R(fixup) "; vmxon " STR(RESULT) "; hlt\n"
	"3: mov " R(count) ", %rax; mov %rax, " V(0) "; hlt\n");

static bool ud64_host(struct vm *vm)
{
	/* KVM gives guests nested virtualization: CR4.VMXE and EFER.SVME are clear, though. */
	if (!amd)
		memcpy(vm->mem + CODE, vmx_ud64_start, vmx_ud64_end - vmx_ud64_start);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->vector, 6);
	EQUAL(vm->result->v[0], 3);
	return true;
}

GUEST(drmov64, 64,
	"mov $0x5555, %rax; mov %rax, %dr1; mov %dr1, %rbx; mov %rbx, " V(0) "\n"
	"cpuid\n"
	"mov %dr1, %rbx; mov %rbx, " V(1) "\n"
	"xor %eax, %eax; mov %rax, %dr6; mov %dr6, %rax; mov %rax, " V(2) "\n"
	"mov $0x600, %eax; mov %rax, %dr7; mov %dr7, %rax; mov %rax, " V(3) "\n"
	"movq $" AT(drmov64, 1f) ", " R(fixup) "\n"
	"bts $32, %rax; mov %rax, %dr7\n"
	"1: hlt\n");

static bool drmov64_host(struct vm *vm)
{
	struct kvm_debugregs dr;

	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 0x5555);
	EQUAL(vm->result->v[1], 0x5555);
	EQUAL(vm->result->v[2], 0xffff0ff0);
	EQUAL(vm->result->v[3], 0x600);
	EQUAL(vm->result->vector, 13);
	xioctl(vm->vcpu, KVM_GET_DEBUGREGS, &dr);
	EQUAL(dr.db[1], 0x5555);
	EQUAL(dr.dr7, 0x600);
	return true;
}

GUEST(dr64, 64,
	"lea " AT(dr64, 1f) ", %rax; mov %rax, %dr0\n"
	"mov $0x402, %eax; mov %rax, %dr7\n"
	"nop\n"
	"1: nop\n"
	"mov %dr6, %rax; mov %rax, " V(1) "\n"
	"mov %dr7, %rax; mov %rax, " V(2) "\n"
	"xor %eax, %eax; mov %rax, %dr6; mov %dr6, %rax; mov %rax, " V(3) "\n"
	"lea " V(15) ", %rax; mov %rax, %dr2\n"
	"mov $0xd000420, %eax; mov %rax, %dr7\n"		/* four bytes written at DR2 */
	"movl $1, " V(15) "\n"
	LABEL(dr64, 0)
	"mov %dr6, %rax; mov %rax, " V(4) "\n"
	"mov " R(rip) ", %rax; mov %rax, " V(5) "\n"
	"hlt\n");
DECLARE_LABEL(dr64, 0);

static bool dr64_host(struct vm *vm)
{
	struct kvm_debugregs dr;

	/* It takes DR7 from a VMCB without setting up the breakpoints in it. */
	if (tcg)
		return skip("QEMU TCG crashes sooner or later, under KVM, too");
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[1], 0xffff0ff1);
	EQUAL(vm->result->v[2], 0x402);
	EQUAL(vm->result->v[3], 0xffff0ff0);
	EQUAL(vm->result->v[4], 0xffff0ff4);
	EQUAL(vm->result->v[5], HERE(dr64, 0));
	EQUAL(vm->result->count, 2);
	xioctl(vm->vcpu, KVM_GET_DEBUGREGS, &dr);
	EQUAL(dr.db[2], RESULT + 64 + 8 * 15);
	EQUAL(dr.dr7, 0xd000420);
	return true;
}

GUEST(mmio64, 64,
	"mov $" STR(DEVICE) ", %rbx; mov $0x1122334455667788, %rax\n"
	"mov %al, (%rbx); mov %ax, 2(%rbx); mov %eax, 4(%rbx); mov %rax, 8(%rbx)\n"
	"movzbl 16(%rbx), %ecx; mov %rcx, " V(0) "\n"
	"mov 24(%rbx), %rcx; mov %rcx, " V(1) "\n"
	"movsbl 32(%rbx), %ecx; mov %ecx, " V(2) "\n"
	"orl $0x10, 36(%rbx)\n"
	"push 40(%rbx); pop %rcx; mov %rcx, " V(3) "\n"
	"hlt\n");

static bool mmio64_host(struct vm *vm)
{
	static const uint64_t value = 0x1122334455667788;
	int i;

	for (i = 0; i < 4; i++) {
		static const uint8_t at[] = { 0, 2, 4, 8 };

		if (!until_mmio(vm, true, DEVICE + at[i], 1 << i))
			return false;
		CHECK(!memcmp(vm->run->mmio.data, &value, 1 << i), "wrong data, %d bytes", 1 << i);
	}
	if (!until_mmio(vm, false, DEVICE + 16, 1))
		return false;
	vm->run->mmio.data[0] = 0xfe;
	if (!until_mmio(vm, false, DEVICE + 24, 8))
		return false;
	memcpy(vm->run->mmio.data, &value, 8);
	if (!until_mmio(vm, false, DEVICE + 32, 1))
		return false;
	vm->run->mmio.data[0] = 0xfe;
	if (!until_mmio(vm, false, DEVICE + 36, 4))
		return false;
	memcpy(vm->run->mmio.data, "\x01\x00\x00\x00", 4);
	if (!until_mmio(vm, true, DEVICE + 36, 4))
		return false;
	EQUAL(*(uint32_t *)vm->run->mmio.data, 0x11);
	if (!until_mmio(vm, false, DEVICE + 40, 8))
		return false;
	memcpy(vm->run->mmio.data, &value, 8);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 0xfe);
	EQUAL(vm->result->v[1], value);
	EQUAL(vm->result->v[2], 0xfffffffe);
	EQUAL(vm->result->v[3], value);
	return true;
}

/* An interrupt posted while IF is clear enters after STI's shadow, not in it. */
DECLARE_LABEL(window64, 0);
GUEST(window64, 64,
	"out %al, $0x10\n"
	"sti\n"
	"nop\n"
	LABEL(window64, 0)
	"mov " R(count) ", %rax; mov %rax, " V(0) "\n"
	"hlt\n");

static bool window64_host(struct vm *vm)
{
	struct kvm_interrupt irq = { .irq = 0x31 };
	struct kvm_regs regs;

	if (!until_io(vm, true, 0x10, 1, 1))
		return false;
	EQUAL(vm->run->if_flag, 0);
	vm->run->request_interrupt_window = 1;
	if (!until(vm, KVM_EXIT_IRQ_WINDOW_OPEN))
		return false;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	EQUAL(regs.rip, HERE(window64, 0));
	vm->run->request_interrupt_window = 0;
	xioctl(vm->vcpu, KVM_INTERRUPT, &irq);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->vector, 0x31);
	EQUAL(vm->result->rip, HERE(window64, 0));
	EQUAL(vm->result->v[0], 1);
	return true;
}

/* A second NMI waits for the first one's IRET, whatever the handler does meanwhile. */
GUEST(nmi64, 64,
	"lea " AT(nmi64, handler) ", %rax\n"
	"mov %ax, " STR(IDT) " + 32; shr $16, %rax; mov %ax, " STR(IDT) " + 38\n"
	"out %al, $0x10\n"
	"nop; nop; nop\n"
	"hlt\n"
	"handler: push %rax; incq " V(0) "; incq " V(1) "\n"
	"mov " V(1) ", %rax; cmp " V(2) ", %rax; jbe 1f; mov %rax, " V(2) "\n"
	"1: out %al, $0x11\n"
	"decq " V(1) "; pop %rax; iretq\n");

static bool nmi64_host(struct vm *vm)
{
	struct kvm_vcpu_events events;

	if (!until_io(vm, true, 0x10, 1, 1))
		return false;
	xioctl(vm->vcpu, KVM_NMI, NULL);
	if (!until_io(vm, true, 0x11, 1, 1))
		return false;
	xioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &events);
	EQUAL(events.nmi.masked, 1);
	xioctl(vm->vcpu, KVM_NMI, NULL);
	if (!until_io(vm, true, 0x11, 1, 1))
		return false;
	EQUAL(vm->result->v[0], 2);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 2);
	EQUAL(vm->result->v[2], 1);	/* deepest nesting */
	xioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &events);
	EQUAL(events.nmi.masked, 0);
	return true;
}

GUEST(shutdown64, 64,
	"lidt " AT(shutdown64, idtr) "\n"
	"ud2\n"
	"idtr: .word 0; .quad 0\n");

static bool shutdown64_host(struct vm *vm)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	if (!until(vm, KVM_EXIT_SHUTDOWN))
		return false;
	/* Reset by user space, the vCPU runs again. */
	memcpy(vm->mem + CODE, "\xb8\x2a\x00\xf4", 4);	/* mov $42, %ax; hlt */
	memset(&regs, 0, sizeof(regs));
	regs.rip = CODE;
	regs.rflags = 2;
	xioctl(vm->vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr0 = 0x60000010;
	sregs.cr4 = 0;
	sregs.cr3 = 0;
	sregs.efer = 0;
	sregs.cs = (struct kvm_segment) { .limit = 0xffff, .type = 11, .present = 1, .s = 1 };
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs =
		(struct kvm_segment) { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	xioctl(vm->vcpu, KVM_SET_SREGS, &sregs);
	xioctl(vm->vcpu, KVM_SET_REGS, &regs);
	if (!until_hlt(vm))
		return false;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	EQUAL(regs.rax, 42);
	return true;
}

GUEST(step64, 64,
	"nop\n"
	"xor %eax, %eax; cpuid\n"
	"hlt\n");

static bool step64_host(struct vm *vm)
{
	static const uint8_t step_at[] = { 1, 3, 5 };
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	int i;

	xioctl(vm->vcpu, KVM_SET_GUEST_DEBUG, &dbg);
	for (i = 0; i < 3; i++) {
		if (!until(vm, KVM_EXIT_DEBUG))
			return false;
		EQUAL(vm->run->debug.arch.pc, CODE + (uint64_t)step_at[i]);
		EQUAL(vm->run->debug.arch.exception, 1);
	}
	dbg.control = 0;
	xioctl(vm->vcpu, KVM_SET_GUEST_DEBUG, &dbg);
	return until_hlt(vm);
}

DECLARE_LABEL(int3_64, 0);
GUEST(int3_64, 64,
	"nop\n"
	LABEL(int3_64, 0)
	"int3\n"
	"mov " R(count) ", %rax; mov %rax, " V(0) "\n"
	"hlt\n");

static bool int3_64_host(struct vm *vm)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
	};

	xioctl(vm->vcpu, KVM_SET_GUEST_DEBUG, &dbg);
	if (!run(vm))
		return false;
	if (tcg && vm->run->exit_reason == KVM_EXIT_HLT && vm->result->vector == 3)
		return skip("QEMU TCG does not intercept INT3");
	EQUAL(vm->run->exit_reason, KVM_EXIT_DEBUG);
	EQUAL(vm->run->debug.arch.exception, 3);
	EQUAL(vm->run->debug.arch.pc, HERE(int3_64, 0));
	/* It was the guest's own: give it back. */
	dbg.control |= KVM_GUESTDBG_INJECT_BP;
	xioctl(vm->vcpu, KVM_SET_GUEST_DEBUG, &dbg);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->vector, 3);
	EQUAL(vm->result->rip, HERE(int3_64, 0) + 1);
	EQUAL(vm->result->v[0], 1);
	return true;
}

/* #BP from user space at an INT3: the guest sees what INT3 does. */
static bool inject_bp_host(struct vm *vm)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP,
	};
	struct kvm_regs regs;

	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	regs.rip = HERE(int3_64, 0);
	regs.rsp = FRESH_STACK;		/* the first delivery is cut short */
	xioctl(vm->vcpu, KVM_SET_REGS, &regs);
	xioctl(vm->vcpu, KVM_SET_GUEST_DEBUG, &dbg);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->vector, 3);
	EQUAL(vm->result->rip, HERE(int3_64, 0) + 1);
	EQUAL(vm->result->v[0], 1);
	return true;
}

GUEST(fpu64, 64,
	"mov $0x1122334455667788, %rax; movq %rax, %xmm0; movq %rax, %xmm15\n"
	"fldpi\n"
	"out %al, $0x10\n"
	"movq %xmm0, %rbx; mov %rbx, " V(0) "; movq %xmm15, %rbx; mov %rbx, " V(1) "\n"
	"fstpl " V(2) "\n"
	"hlt\n");

static bool fpu64_host(struct vm *vm)
{
	double pi;
	uint64_t bits;

	if (!until_io(vm, true, 0x10, 1, 1))
		return false;
	asm volatile("pxor %%xmm0, %%xmm0; pxor %%xmm15, %%xmm15" : : : "xmm0", "xmm15");
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], 0x1122334455667788);
	EQUAL(vm->result->v[1], 0x1122334455667788);
	bits = vm->result->v[2];
	memcpy(&pi, &bits, 8);
	CHECK(pi > 3.14159 && pi < 3.1416, "pi is %f", pi);
	return true;
}

GUEST(syscall64, 64,
	"mov $0xc0000080, %ecx; rdmsr; or $1, %eax; wrmsr\n"
	"mov $0xc0000081, %ecx; xor %eax, %eax; mov $0x18, %edx; wrmsr\n"
	"mov $0xc0000082, %ecx; mov $" AT(syscall64, entry) ", %eax; xor %edx, %edx; wrmsr\n"
	"mov $0xc0000084, %ecx; mov $0x200, %eax; wrmsr\n"
	"sti\n"
	"syscall\n"
	LABEL(syscall64, 0)
	"ud2\n"
	"entry: mov %rcx, " V(0) "; pushf; pop %rax; mov %rax, " V(1) "; mov %cs, %eax; mov %rax, " V(2) "\n"
	"hlt\n");
DECLARE_LABEL(syscall64, 0);

static bool syscall64_host(struct vm *vm)
{
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], HERE(syscall64, 0));
	EQUAL(vm->result->v[1] & 0x200, 0);
	EQUAL(vm->result->v[2], 0x18);
	return true;
}

GUEST(hypercall64, 64,
	"mov $0x7777, %eax; vmmcall; mov %rax, " V(0) "; hlt\n");
GUEST(hypercall_intel64, 64,
	"mov $0x7777, %eax; vmcall; mov %rax, " V(0) "; hlt\n");

static bool hypercall64_host(struct vm *vm)
{
	if (!amd)
		memcpy(vm->mem + CODE, hypercall_intel64_start,
		       hypercall_intel64_end - hypercall_intel64_start);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], (uint64_t)-1000);	/* KVM_ENOSYS */
	return true;
}

GUEST(spin64, 64, "1: incq " V(0) "; jmp 1b\n");

static bool spin64_host(struct vm *vm)
{
	CHECK(ioctl(vm->vcpu, KVM_RUN, 0) < 0 && errno == EINTR, "KVM_RUN did not end with EINTR");
	EQUAL(vm->run->exit_reason, KVM_EXIT_INTR);
	CHECK(vm->result->v[0] > 1000, "the guest did %llu rounds",
	      (unsigned long long)vm->result->v[0]);
	vm->run->immediate_exit = 1;
	CHECK(ioctl(vm->vcpu, KVM_RUN, 0) < 0 && errno == EINTR, "immediate_exit did not");
	return true;
}

/* The PIC's interrupt 4 wakes a vCPU that halted in the module. */
GUEST(pic64, 64,
	"mov $0x11, %al; out %al, $0x20; mov $0x30, %al; out %al, $0x21\n"
	"mov $4, %al; out %al, $0x21; mov $1, %al; out %al, $0x21\n"
	"mov $0xef, %al; out %al, $0x21\n"
	"out %al, $0x99\n"
	"sti; hlt\n"
	"mov " R(vector) ", %rax; mov %rax, " V(0) "\n"
	"mov $0x20, %al; out %al, $0x20\n"
	"out %al, $0x98\n"
	"cli; hlt\n");

static bool pic64_host(struct vm *vm)
{
	struct kvm_irq_level line = { .irq = 4, .level = 1 };

	if (!until_io(vm, true, 0x99, 1, 1))
		return false;
	xioctl(vm->vm, KVM_IRQ_LINE, &line);
	line.level = 0;
	xioctl(vm->vm, KVM_IRQ_LINE, &line);
	if (!until_io(vm, true, 0x98, 1, 1))
		return false;
	EQUAL(vm->result->v[0], 0x34);
	return true;
}

/* ---- the table --------------------------------------------------------------------------------- */

#define T(n, m, code, host)	{ n, m, code##_start, code##_end, host, false }
#define T_IRQCHIP(n, m, code, host)	{ n, m, code##_start, code##_end, host, true }

static const struct test tests[] = {
	T("real mode: port I/O and HLT", REAL, io16, io16_host),
	T("real mode: string I/O", REAL, string16, string16_host),
	T("real mode: INT, #DE and an injected interrupt", REAL, ivt16, ivt16_host),
	T("real mode: MMIO above the slot", REAL, mmio16, mmio16_host),
	T("real to protected to long mode", REAL, climb16, climb16_host),
	T("protected mode: #UD and #GP", PROTECTED, fault32, fault32_host),
	T("long mode: CPUID", LONG, cpuid64, cpuid64_host),
	T("long mode: MSRs and SWAPGS", LONG, msr64, msr64_host),
	T("long mode: TSC", LONG, tsc64, tsc64_host),
	T("long mode: CR0, CR2, CR3, CR4", LONG, cr64, cr64_host),
	T("long mode: CR8 without a LAPIC", LONG, cr8_64, cr8_64_host),
	T_IRQCHIP("long mode: CR8 with a LAPIC", LONG, cr8_64, cr8_irqchip_host),
	T("long mode: INT3, INT n, single step", LONG, trap64, trap64_host),
	T("long mode: traps onto an untouched stack", LONG, trap64, trap_fresh_stack_host),
	T("long mode: single step over CPUID", LONG, stepexit64, stepexit64_host),
	T("long mode: #PF, #DE, #GP", LONG, fault64, fault64_host),
	T("long mode: virtualization instructions are #UD", LONG, svm_ud64, ud64_host),
	T("long mode: debug registers", LONG, drmov64, drmov64_host),
	T("long mode: breakpoints", LONG, dr64, dr64_host),
	T("long mode: MMIO of all sizes", LONG, mmio64, mmio64_host),
	T("long mode: interrupt window and STI's shadow", LONG, window64, window64_host),
	T("long mode: NMIs do not nest", LONG, nmi64, nmi64_host),
	T("long mode: triple fault, and life after it", LONG, shutdown64, shutdown64_host),
	T("long mode: user space steps", LONG, step64, step64_host),
	T("long mode: user space's INT3", LONG, int3_64, int3_64_host),
	T("long mode: user space injects #BP", LONG, int3_64, inject_bp_host),
	T("long mode: x87 and SSE survive an exit", LONG, fpu64, fpu64_host),
	T("long mode: SYSCALL", LONG, syscall64, syscall64_host),
	T("long mode: unknown hypercall", LONG, hypercall64, hypercall64_host),
	T("long mode: a signal ends KVM_RUN", LONG, spin64, spin64_host),
	T_IRQCHIP("long mode: the PIC wakes HLT", LONG, pic64, pic64_host),
};

static void on_alarm(int sig)
{
	(void)sig;	/* KVM_RUN returns EINTR */
}

static void get_cpuid(void)
{
	unsigned int a, b, c, d;

	__cpuid(0, a, b, c, d);
	amd = b == 0x68747541 || b == 0x6f677948;	/* Auth, Hygo */
	__cpuid(0x40000000, a, b, c, d);
	tcg = b == 0x54474354;				/* TCGT */
	cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	if (!cpuid)
		exit(2);
	cpuid->nent = 256;
	xioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid);
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/kvm";
	const char *only = argc > 2 ? argv[2] : NULL;
	struct sigaction sa = { .sa_handler = on_alarm };
	unsigned int i, n = sizeof(tests) / sizeof(tests[0]);
	bool all = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	dev = open(path, O_RDWR | O_CLOEXEC);
	if (dev < 0) {
		printf("Bail out! %s: %s\n", path, strerror(errno));
		return 2;
	}
	sigaction(SIGALRM, &sa, NULL);
	get_cpuid();
	printf("1..%u\n", n);
	for (i = 0; i < n; i++) {
		struct itimerval limit = { .it_value.tv_sec = 3, .it_interval.tv_sec = 1 };
		struct vm vm;
		bool ok;

		if (only && !strstr(tests[i].name, only)) {
			printf("ok %u - %s # SKIP\n", i + 1, tests[i].name);
			continue;
		}
		current = &tests[i];
		vm_create(&vm, &tests[i]);
		why[0] = 0;
		skipped = false;
		/* Ends what hangs; two tests wait for it. */
		if (tests[i].host == spin64_host || tests[i].host == cr8_irqchip_host) {
			limit.it_value.tv_sec = 0;
			limit.it_value.tv_usec = 300000;
		}
		setitimer(ITIMER_REAL, &limit, NULL);
		ok = tests[i].host(&vm);
		memset(&limit, 0, sizeof(limit));
		setitimer(ITIMER_REAL, &limit, NULL);
		printf("%sok %u - %s%s%s\n", ok ? "" : "not ", i + 1, tests[i].name,
		       skipped ? " # SKIP " : "", skipped ? why : "");
		if (!ok)
			printf("# %s\n", why);
		all &= ok;
		vm_destroy(&vm);
	}
	return all ? 0 : 1;
}
