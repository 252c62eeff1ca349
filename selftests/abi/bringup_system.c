// SPDX-License-Identifier: GPL-2.0-only
/*
 * System registers and instructions in long mode: CPUID, MSRs, the TSC, control registers, SYSCALL,
 * hypercalls, and instructions that this guest's CPU does not have.
 */
#include "bringup.h"

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

/* A guest migrated from the other vendor's processor: its hypercall is #UD, and replaced. */
static bool hypercall_other64_host(struct vm *vm)
{
	if (amd)
		memcpy(vm->mem + CODE, hypercall_intel64_start,
		       hypercall_intel64_end - hypercall_intel64_start);
	if (!until_hlt(vm))
		return false;
	EQUAL(vm->result->v[0], (uint64_t)-1000);	/* KVM_ENOSYS */
	CHECK(!memcmp(vm->mem + CODE + 5, amd ? "\x0f\x01\xd9" : "\x0f\x01\xc1", 3),
	      "the instruction is not replaced");
	return true;
}

/* In user mode; HLT is #GP there, too. The gate of #GP leads to the last label. */
GUEST(umip64, 64,
	LABEL(umip64, 0) "sgdt " V(4) "; hlt\n"
	LABEL(umip64, 1) "sidt " V(4) "; hlt\n"
	LABEL(umip64, 2) "sldt %eax; hlt\n"
	LABEL(umip64, 3) "str %eax; hlt\n"
	LABEL(umip64, 4) "mov 8(%rsp), %rax; mov %rax, " V(0) "; hlt\n");
DECLARE_LABEL(umip64, 0);
DECLARE_LABEL(umip64, 1);
DECLARE_LABEL(umip64, 2);
DECLARE_LABEL(umip64, 3);
DECLARE_LABEL(umip64, 4);

static bool umip64_host(struct vm *vm)
{
	const uint64_t insn[] = {
		HERE(umip64, 0), HERE(umip64, 1), HERE(umip64, 2), HERE(umip64, 3),
	};
	const struct kvm_cpuid_entry2 *e = cpuid_entry(7);
	uint16_t handler = HERE(umip64, 4);
	struct kvm_sregs sregs;
	int i, on;

	if (!e || !(e->ecx & 4))
		return skip("no UMIP");
	*(uint64_t *)(vm->mem + PML4) |= 4;
	*(uint64_t *)(vm->mem + PDPT) |= 4;
	*(uint64_t *)(vm->mem + PD) |= 4;
	*(uint32_t *)(vm->mem + TSS + 4) = STACK;
	memcpy(vm->mem + IDT + 13 * 16, &handler, 2);
	xioctl(vm->vcpu, KVM_GET_SREGS, &sregs);
	for (on = 0; on < 2; on++) {
		sregs.cs.dpl = sregs.ss.dpl = 3;
		sregs.cs.selector |= 3;
		sregs.ss.selector |= 3;
		if (on)
			sregs.cr4 |= 0x800;
		for (i = 0; i < 4; i++) {
			struct kvm_regs regs = { .rip = insn[i], .rsp = STACK, .rflags = 2 };

			xioctl(vm->vcpu, KVM_SET_SREGS, &sregs);
			xioctl(vm->vcpu, KVM_SET_REGS, &regs);
			if (!until_hlt(vm))
				return false;
			CHECK((vm->result->v[0] == insn[i]) == on,
			      "instruction %d, CR4.UMIP %d: #GP at %#llx", i, on,
			      (unsigned long long)vm->result->v[0]);
		}
	}
	return true;
}

const struct test bringup_system[] = {
	{ TEST("long mode: CPUID", LONG, cpuid64, cpuid64_host) },
	{ TEST("long mode: MSRs and SWAPGS", LONG, msr64, msr64_host) },
	{ TEST("long mode: TSC", LONG, tsc64, tsc64_host) },
	{ TEST("long mode: CR0, CR2, CR3, CR4", LONG, cr64, cr64_host) },
	{ TEST("long mode: CR8 without a LAPIC", LONG, cr8_64, cr8_64_host) },
	{ TEST("long mode: CR8 with a LAPIC", LONG, cr8_64, cr8_irqchip_host),
	  .irqchip = true, .waits = true },
	{ TEST("long mode: virtualization instructions are #UD", LONG, svm_ud64, ud64_host) },
	{ TEST("long mode: SYSCALL", LONG, syscall64, syscall64_host) },
	{ TEST("long mode: UMIP", LONG, umip64, umip64_host) },
	{ TEST("long mode: unknown hypercall", LONG, hypercall64, hypercall64_host) },
	{ TEST("long mode: the other vendor's hypercall", LONG, hypercall64,
	       hypercall_other64_host) },
	{ .name = NULL }
};
