// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every form of MOV that reaches a device in user space: what the device sees, and what
 * the registers hold afterwards, as on KVM.
 */
#include "lib.h"

#define FRAGMENT(body)									\
	{ #body, ({									\
		const char *start_;							\
		asm volatile("lea 1f(%%rip), %0\n jmp 2f\n"				\
			     "1:\n" body "\n ret\n2:" : "=r" (start_));			\
		start_; }) }

struct fragment {
	const char *text;
	const char *code;
};

/* RBX: the device; RCX: 2; the rest holds patterns, which must survive. */
static struct fragment fragments[32];
static volatile unsigned int nr, which;
static volatile uint64_t regs[8];	/* RAX RDX RSI RDI R8 R9 R10 RBP */

static void fill(void)
{
	const struct fragment all[] = {
		FRAGMENT("mov (%%rbx), %%rax"),
		FRAGMENT("mov (%%rbx), %%eax"),
		FRAGMENT("mov (%%rbx), %%ax"),
		FRAGMENT("mov (%%rbx), %%al"),
		FRAGMENT("mov (%%rbx), %%ah"),
		FRAGMENT("mov (%%rbx), %%sil"),
		FRAGMENT("mov 8(%%rbx), %%r8d"),
		FRAGMENT("mov 0x123(%%rbx), %%r9w"),
		FRAGMENT("mov 4(%%rbx, %%rcx, 8), %%r10"),
		FRAGMENT("mov (%%rbx, %%rcx, 2), %%r9b"),
		FRAGMENT("movzbl 3(%%rbx), %%edx"),
		FRAGMENT("movzbq 3(%%rbx), %%rdx"),
		FRAGMENT("movzwl 2(%%rbx), %%edi"),
		FRAGMENT("movzbw 2(%%rbx), %%di"),
		FRAGMENT("movsbl 7(%%rbx), %%edi"),
		FRAGMENT("movslq 4(%%rbx), %%rdi"),
		FRAGMENT("mov %%rax, 8(%%rbx)"),
		FRAGMENT("mov %%eax, 8(%%rbx)"),
		FRAGMENT("mov %%ax, 8(%%rbx)"),
		FRAGMENT("mov %%al, 9(%%rbx)"),
		FRAGMENT("mov %%dh, 9(%%rbx)"),
		FRAGMENT("mov %%r10b, 1(%%rbx, %%rcx)"),
		FRAGMENT("movq $-2, (%%rbx)"),
		FRAGMENT("movl $0x12345678, (%%rbx)"),
		FRAGMENT("movw $0x1234, 2(%%rbx)"),
		FRAGMENT("movb $0x12, 3(%%rbx)"),
		FRAGMENT("movabs 0x10000010, %%eax"),
		FRAGMENT("movabs %%rax, 0x10000020"),
		FRAGMENT("lock orl $1, (%%rbx)"),
		FRAGMENT("mov 0xffe(%%rbx), %%eax"),
		FRAGMENT("mov %%eax, 0xffd(%%rbx)"),
		FRAGMENT("mov %%gs:(%%rbx), %%edx"),
	};

	nr = ARRAY_SIZE(all);
	memcpy(fragments, all, sizeof(all));
}

static void run_fragments(void)
{
	uint64_t rax, rdx, rsi, rdi;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		register uint64_t r8 asm("r8") = 0x8181818181818181, r9 asm("r9") = 0x9191919191919191,
				  r10 asm("r10") = 0xa1a1a1a1a1a1a1a1;

		rax = 0x1011121314151617;
		rdx = 0x2021222324252627;
		rsi = 0x3031323334353637;
		rdi = 0x4041424344454647;
		asm volatile("call *%[code]"
			     : "+a" (rax), "+d" (rdx), "+S" (rsi), "+D" (rdi), "+r" (r8),
			       "+r" (r9), "+r" (r10)
			     : [code] "r" (fragments[i].code), "b" (MMIO), "c" (2ul)
			     : "memory", "cc");
		regs[0] = rax;
		regs[1] = rdx;
		regs[2] = rsi;
		regs[3] = rdi;
		regs[4] = r8;
		regs[5] = r9;
		regs[6] = r10;
		which = i;
		sync_host(1);
	}
}

static void mov_forms(void)
{
	static const uint8_t pattern[8] = { 0x81, 0x12, 0xa3, 0x34, 0xc5, 0x56, 0xe7, 0x98 };
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_run *run = vm->run[0];
	unsigned int done = 0, i;
	char key[96], value[512];
	int n = 0;

	fill();
	vcpu_call(vm, 0, run_fragments);
	value[0] = 0;
	while (done < nr) {
		MUST(ioctl(vm->vcpu[0], KVM_RUN, 0));
		if (run->exit_reason == KVM_EXIT_MMIO) {
			n += snprintf(value + n, sizeof(value) - n, "%s %#llx+%u ",
				      run->mmio.is_write ? "write" : "read",
				      run->mmio.phys_addr - MMIO, run->mmio.len);
			for (i = 0; run->mmio.is_write && i < run->mmio.len; i++)
				n += snprintf(value + n, sizeof(value) - n, "%02x",
					      run->mmio.data[i]);
			if (!run->mmio.is_write)
				memcpy(run->mmio.data, pattern, run->mmio.len);
			CHECK(n < 300);
			continue;
		}
		if (run->exit_reason != KVM_EXIT_IO) {
			describe_exit(vm, 0);
			fail("exit %s at %s", exit_name(run->exit_reason), fragments[done].text);
		}
		EQUAL(*(uint32_t *)io_data(vm, 0), 1);
		EQUAL(which, done);
		for (i = 0; i < 7; i++)
			n += snprintf(value + n, sizeof(value) - n, "%s%llx", i ? " " : "; ",
				      (unsigned long long)regs[i]);
		snprintf(key, sizeof(key), "%s", fragments[done].text);
		answer(key, "%s", value);
		done++;
		n = 0;
		value[0] = 0;
	}
	vm_free(vm);
}

/* Known without an oracle: the device's bytes arrive, the rest of the register stays. */
static void mov_results(void)
{
	struct vm *vm = vm_new(WITH_IRQCHIP);
	struct kvm_run *run = vm->run[0];
	uint32_t done = 0;

	fill();
	vcpu_call(vm, 0, run_fragments);
	while (done < 4) {
		MUST(ioctl(vm->vcpu[0], KVM_RUN, 0));
		if (run->exit_reason == KVM_EXIT_MMIO) {
			EQUAL(run->mmio.is_write, 0);
			EQUAL(run->mmio.phys_addr, MMIO);
			EQUAL(run->mmio.len, 8 >> done);
			memset(run->mmio.data, 0xee, 8);
			continue;
		}
		EQUAL(run->exit_reason, KVM_EXIT_IO);
		EQUAL(regs[0], done == 0 ? 0xeeeeeeeeeeeeeeee : done == 1 ? 0xeeeeeeee :
		      done == 2 ? 0x101112131415eeee : 0x10111213141516ee);
		done++;
	}
	vm_free(vm);
}

const struct row mmio_rows[] = {
	{ "mmio: forms of MOV", mov_forms },
	{ "mmio: MOV from a device fills the register's part", mov_results },
	{ NULL, NULL }
};
