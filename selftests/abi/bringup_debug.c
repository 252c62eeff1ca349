// SPDX-License-Identifier: GPL-2.0-only
/* Debug registers, single steps and INT3, the guest's own and user space's. */
#include "bringup.h"

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

/* Under blocking by STI VM entry wants the pending trap told (SDM 27.3.1.5). */
DECLARE_LABEL(stepsti64, 0);
DECLARE_LABEL(stepsti64, 1);
GUEST(stepsti64, 64,
	"out %al, $0x10\n"
	LABEL(stepsti64, 0)
	"nop\n"
	LABEL(stepsti64, 1)
	"nop; hlt\n");

static bool stepsti64_host(struct vm *vm)
{
	struct kvm_regs regs;
	struct kvm_vcpu_events events;

	if (!until_io(vm, true, 0x10, 1, 1))
		return false;
	vm->run->immediate_exit = 1;	/* finish the OUT */
	CHECK(ioctl(vm->vcpu, KVM_RUN, 0) < 0 && errno == EINTR, "immediate_exit did not");
	vm->run->immediate_exit = 0;
	xioctl(vm->vcpu, KVM_GET_REGS, &regs);
	xioctl(vm->vcpu, KVM_GET_VCPU_EVENTS, &events);
	EQUAL(regs.rip, HERE(stepsti64, 0));
	regs.rflags |= 0x300;
	events.flags = KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	xioctl(vm->vcpu, KVM_SET_REGS, &regs);
	xioctl(vm->vcpu, KVM_SET_VCPU_EVENTS, &events);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->vector, 1);
	EQUAL(vm->result->dr6 & 0x4000, 0x4000);
	/* At once or after one instruction: processors differ. */
	CHECK(vm->result->rip == HERE(stepsti64, 0) || vm->result->rip == HERE(stepsti64, 1),
	      "#DB at %#llx", (unsigned long long)vm->result->rip);
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

const struct test bringup_debug[] = {
	{ TEST("long mode: single step over CPUID", LONG, stepexit64, stepexit64_host) },
	{ TEST("long mode: single step under STI's shadow", LONG, stepsti64, stepsti64_host) },
	{ TEST("long mode: debug registers", LONG, drmov64, drmov64_host) },
	{ TEST("long mode: breakpoints", LONG, dr64, dr64_host) },
	{ TEST("long mode: user space steps", LONG, step64, step64_host) },
	{ TEST("long mode: user space's INT3", LONG, int3_64, int3_64_host) },
	{ TEST("long mode: user space injects #BP", LONG, int3_64, inject_bp_host) },
	{ .name = NULL }
};
