// SPDX-License-Identifier: GPL-2.0-only
/* Real mode, and the way from it through protected into long mode. */
#include "bringup.h"

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

const struct test bringup_real[] = {
	{ TEST("real mode: port I/O and HLT", REAL, io16, io16_host) },
	{ TEST("real mode: string I/O", REAL, string16, string16_host) },
	{ TEST("real mode: INT, #DE and an injected interrupt", REAL, ivt16, ivt16_host) },
	{ TEST("real mode: MMIO above the slot", REAL, mmio16, mmio16_host) },
	{ TEST("real to protected to long mode", REAL, climb16, climb16_host) },
	{ TEST("protected mode: #UD and #GP", PROTECTED, fault32, fault32_host) },
	{ .name = NULL }
};
