// SPDX-License-Identifier: GPL-2.0-only
/* Exceptions and interrupts in long mode. */
#include "bringup.h"

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

/* A shadow that user space restores holds the window off for one instruction. */
GUEST(shadow64, 64, "nop; nop; nop; hlt\n");

static bool shadow64_host(struct vm *vm)
{
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	xioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &events);
	events.flags = KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	xioctl(vm->vcpu, KVM_SET_VCPU_EVENTS, &events);
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	regs.rflags |= 0x200;
	xioctl(vm->vcpu, KVM_SET_REGS, &regs);
	vm->run->request_interrupt_window = 1;
	if (!until(vm, KVM_EXIT_IRQ_WINDOW_OPEN))
		return false;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	EQUAL(regs.rip, CODE + 1);
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
	int r, n = 0;

	if (!until_io(vm, true, 0x99, 1, 1))
		return false;
	CHECK(ioctl(vm->vcpu, KVM_RUN, 0) < 0 && errno == EINTR, "HLT ended with exit %u",
	      vm->run->exit_reason);
	xioctl(vm->vm, KVM_IRQ_LINE, &line);
	line.level = 0;
	xioctl(vm->vm, KVM_IRQ_LINE, &line);
	do {
		r = ioctl(vm->vcpu, KVM_RUN, 0);
	} while (r < 0 && errno == EINTR && ++n < 5);
	CHECK(!r, "KVM_RUN after the interrupt: %s", strerror(errno));
	EQUAL(vm->run->exit_reason, KVM_EXIT_IO);
	EQUAL(vm->run->io.port, 0x98);
	EQUAL(vm->result->v[0], 0x34);
	return true;
}

const struct test bringup_event[] = {
	{ TEST("long mode: INT3, INT n, single step", LONG, trap64, trap64_host) },
	{ TEST("long mode: traps onto an untouched stack", LONG, trap64, trap_fresh_stack_host) },
	{ TEST("long mode: #PF, #DE, #GP", LONG, fault64, fault64_host) },
	{ TEST("long mode: interrupt window and STI's shadow", LONG, window64, window64_host) },
	{ TEST("long mode: a restored interrupt shadow", LONG, shadow64, shadow64_host) },
	{ TEST("long mode: NMIs do not nest", LONG, nmi64, nmi64_host) },
	{ TEST("long mode: the PIC wakes HLT", LONG, pic64, pic64_host), .irqchip = true,
	  .waits = true },
	{ .name = NULL }
};
