// SPDX-License-Identifier: GPL-2.0-only
/* Exits to user space and back: MMIO, shutdown, signals, and the FPU over an exit. */
#include "bringup.h"

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

const struct test bringup_exit[] = {
	{ TEST("long mode: MMIO of all sizes", LONG, mmio64, mmio64_host) },
	{ TEST("long mode: triple fault, and life after it", LONG, shutdown64, shutdown64_host) },
	{ TEST("long mode: x87 and SSE survive an exit", LONG, fpu64, fpu64_host) },
	{ TEST("long mode: a signal ends KVM_RUN", LONG, spin64, spin64_host), .waits = true },
	{ .name = NULL }
};
