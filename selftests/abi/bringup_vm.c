// SPDX-License-Identifier: GPL-2.0-only
/* The bring-up tests' VM: building it, running it, and asking what KVM_RUN said. See bringup.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bringup.h"

int dev;
struct kvm_cpuid2 *cpuid;
bool amd;
const struct test *current;

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

/* ---- running it ------------------------------------------------------------------ */

char why[256];
bool skipped;

bool fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return false;
}

bool skip(const char *reason)
{
	skipped = true;
	snprintf(why, sizeof(why), "%s", reason);
	return true;
}

int xioctl(int fd, unsigned long request, void *arg)
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

bool run(struct vm *vm)
{
	CHECK(ioctl(vm->vcpu, KVM_RUN, 0) == 0, "KVM_RUN: %s", strerror(errno));
	return true;
}

bool until(struct vm *vm, unsigned int reason)
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

bool until_hlt(struct vm *vm)
{
	return until(vm, KVM_EXIT_HLT);
}

bool until_io(struct vm *vm, bool out, uint16_t port, uint8_t size, uint32_t count)
{
	if (!until(vm, KVM_EXIT_IO))
		return false;
	EQUAL(vm->run->io.direction, out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN);
	EQUAL(vm->run->io.port, port);
	EQUAL(vm->run->io.size, size);
	EQUAL(vm->run->io.count, count);
	return true;
}

void *io_data(struct vm *vm)
{
	return (char *)vm->run + vm->run->io.data_offset;
}

bool until_mmio(struct vm *vm, bool write, uint64_t gpa, uint32_t len)
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

void vm_create(struct vm *vm, const struct test *t)
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

void vm_destroy(struct vm *vm)
{
	munmap(vm->run, vm->run_size);
	close(vm->vcpu);
	close(vm->vm);
	munmap(vm->mem, MEM_SIZE);
}

uint64_t guest_address(const char *label)
{
	return CODE + (label - current->code);
}
