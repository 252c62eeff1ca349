// SPDX-License-Identifier: GPL-2.0-only
/*
 * Emulated instructions seen from user space: a row gives a few instructions of a 64-bit guest,
 * the exits they must cause, in order, with what is read or written, and RAX at the end. Speaks
 * KVM's ABI, so that KVM can be asked the same questions. Argument: the device. TAP on standard
 * output.
 */
/* rows leave out what does not concern them */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

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

#define MEM	(2ul << 20)
#define CODE	0x8000ul
#define STACK	0x7000ul
#define DATA	0x9000ul
#define PML4	0x10000ul
#define PDPT	0x11000ul
#define PD	0x12000ul
#define IDT	0x13000ul
#define GDT	0x14000ul
#define HANDLER	0x15000ul
#define DEV	0x40000000ul		/* no memory here */
#define ROM	0x30000000ul		/* a read-only slot */
#define UNMAPPED 0x80000000ul		/* virtual: not present */

enum kind { END, MR, MW, IN, OUT, HLT, EMUL };

struct access {
	enum kind kind;
	uint64_t addr;
	uint32_t len;		/* bytes; of an item, for ports */
	uint32_t count;		/* ports */
	uint64_t data;
};

struct row {
	const char *name;
	const char *code;
	unsigned int len;
	uint64_t rax;		/* at the start */
	uint64_t want;		/* at the end */
	struct access acc[8];
	uint64_t cr2;		/* page fault expected: its address, RAX is the error code */
	uint64_t data, data_want;	/* at DATA: before, after (when not both 0) */
	bool not_kvm;		/* KVM gives up, or lets the device see more than a CPU would */
};

/* RBX = DEV, RSI = RDI = DATA, RCX = 3, RDX = 0x10, RBP = ROM, R8 = MEM, R9 = UNMAPPED */
#define C(s)	s, sizeof(s) - 1

static const struct row rows[] = {
	{ "mov eax, [dev]", C("\x8b\x03"), ~0ull, 0x12345678,
	  { { MR, DEV, 4, 0, 0x12345678 } } },
	{ "mov al, [dev+3]", C("\x8a\x43\x03"), 0x1111, 0x1199, { { MR, DEV + 3, 1, 0, 0x99 } } },
	{ "mov rax, [dev]", C("\x48\x8b\x03"), 0, 0x1122334455667788,
	  { { MR, DEV, 8, 0, 0x1122334455667788 } } },
	{ "mov [dev], rax", C("\x48\x89\x03"), 0x1122334455667788, 0x1122334455667788,
	  { { MW, DEV, 8, 0, 0x1122334455667788 } } },
	{ "mov word [dev], imm", C("\x66\xc7\x03\xcd\xab"), 0, 0, { { MW, DEV, 2, 0, 0xabcd } } },
	{ "mov byte [dev], ah", C("\x88\x23"), 0x5500, 0x5500, { { MW, DEV, 1, 0, 0x55 } } },
	{ "movzx eax, byte [dev]", C("\x0f\xb6\x03"), ~0ull, 0xfe, { { MR, DEV, 1, 0, 0xfe } } },
	{ "movsx rax, word [dev]", C("\x48\x0f\xbf\x03"), 0, 0xffffffffffff8001,
	  { { MR, DEV, 2, 0, 0x8001 } } },
	{ "or dword [dev], 0x80", C("\x81\x0b\x80\x00\x00\x00"), 0, 0,
	  { { MR, DEV, 4, 0, 1 }, { MW, DEV, 4, 0, 0x81 } } },
	{ "lock and [dev], eax", C("\xf0\x21\x03"), 0xf0, 0xf0,
	  { { MR, DEV, 4, 0, 0x3c }, { MW, DEV, 4, 0, 0x30 } } },
	{ "xchg [dev], eax", C("\x87\x03"), 5, 6, { { MR, DEV, 4, 0, 6 }, { MW, DEV, 4, 0, 5 } } },
	{ "cmpxchg [dev], ecx, equal", C("\xf0\x0f\xb1\x0b"), 7, 7,
	  { { MR, DEV, 4, 0, 7 }, { MW, DEV, 4, 0, 3 } } },
	{ "bts dword [dev], 4; setc al", C("\x0f\xba\x2b\x04\x0f\x92\xc0"), 0, 1,
	  { { MR, DEV, 4, 0, 0x10 }, { MW, DEV, 4, 0, 0x10 } } },
	{ "test byte [dev], 1; setne al", C("\xf6\x03\x01\x0f\x95\xc0"), 0, 1,
	  { { MR, DEV, 1, 0, 3 } } },
	{ "cmp [dev], eax; sete al", C("\x39\x03\x0f\x94\xc0"), 0x44, 1, { { MR, DEV, 4, 0, 0x44 } } },
	{ "add eax, [dev]", C("\x03\x03"), 1, 0x100, { { MR, DEV, 4, 0, 0xff } } },
	{ "push qword [dev]; pop rax", C("\xff\x33\x58"), 0, 0x77, { { MR, DEV, 8, 0, 0x77 } } },
	{ "push rax; pop qword [dev]", C("\x50\x8f\x03"), 0x66, 0x66, { { MW, DEV, 8, 0, 0x66 } } },
	{ "movdqu xmm1, [dev]; movdqu [dev+32], xmm1",
	  C("\xf3\x0f\x6f\x0b\xf3\x0f\x7f\x4b\x20"), 0, 0,
	  { { MR, DEV, 8, 0, 0x1111 }, { MR, DEV + 8, 8, 0, 0x2222 },
	    { MW, DEV + 32, 8, 0, 0x1111 }, { MW, DEV + 40, 8, 0, 0x2222 } } },
	{ "movd xmm2, eax; movq [dev], xmm2", C("\x66\x0f\x6e\xd0\x66\x0f\xd6\x13"), 0x4321, 0x4321,
	  { { MW, DEV, 8, 0, 0x4321 } }, .not_kvm = true },
	{ "movsd [dev] <- [data], rdi = dev",
	  C("\x48\x89\xdf\xa5"), 0, 0, { { MW, DEV, 4, 0, 0xddccbbaa } }, 0, 0xddccbbaa, 0xddccbbaa },
	{ "rep movsb to dev", C("\x48\x89\xdf\xf3\xa4\x89\xc8"), 9, 0,
	  { { MW, DEV, 1, 0, 0xaa }, { MW, DEV + 1, 1, 0, 0xbb }, { MW, DEV + 2, 1, 0, 0xcc } },
	  0, 0xccbbaa, 0xccbbaa },
	{ "rep movsw from dev", C("\x48\x89\xde\xf3\x66\xa5\x89\xc8"), 9, 0,
	  { { MR, DEV, 2, 0, 0x1122 }, { MR, DEV + 2, 2, 0, 0x3344 }, { MR, DEV + 4, 2, 0, 0x5566 } },
	  0, 0, 0x556633441122 },
	{ "rep stosd to dev", C("\x48\x89\xdf\xf3\xab\x89\xc8"), 0x10, 0,
	  { { MW, DEV, 4, 0, 0x10 }, { MW, DEV + 4, 4, 0, 0x10 }, { MW, DEV + 8, 4, 0, 0x10 } } },
	{ "across memory's end", C("\x49\x8b\x40\xfc"), 0, 0x4444333300000000,
	  { { MR, MEM, 4, 0, 0x44443333 } } },
	{ "write across memory's end", C("\x49\x89\x40\xfe"), 0x1122334455667788, 0x1122334455667788,
	  { { MW, MEM, 6, 0, 0x112233445566 } } },
	{ "lock add across memory's end", C("\xf0\x49\x01\x40\xfc"), 0x100000001, 0x100000001,
	  { { MR, MEM, 4, 0, 0x10 }, { MW, MEM, 4, 0, 0x11 } } },
	{ "xchg across memory's end", C("\x49\x87\x40\xfe"), 0x1122334455667788, 0xaabbccddeeff0000,
	  { { MR, MEM, 6, 0, 0xaabbccddeeff }, { MW, MEM, 6, 0, 0x112233445566 } } },
	{ "fnstcw [dev]", C("\xdb\xe3\xd9\x3b"), 0, 0, { { MW, DEV, 2, 0, 0x37f } } },
	{ "movhpd xmm1, [dev]; movhpd [dev+32], xmm1",
	  C("\x66\x0f\x16\x0b\x66\x0f\x17\x4b\x20"), 0, 0,
	  { { MR, DEV, 8, 0, 0x1111 }, { MW, DEV + 32, 8, 0, 0x1111 } }, .not_kvm = true },
	{ "popcnt eax, [dev]", C("\xf3\x0f\xb8\x03"), ~0ull, 5,
	  { { MR, DEV, 4, 0, 0xf1 } }, .not_kvm = true },
	{ "write to a read-only slot", C("\x89\x45\x00"), 0x55, 0x55, { { MW, ROM, 4, 0, 0x55 } } },
	{ "read from a read-only slot", C("\x8b\x45\x00"), 0x55, 0, { { END, 0, 0, 0, 0 } } },
	{ "in al, dx", C("\xec"), 0x1234, 0x12ab, { { IN, 0x10, 1, 1, 0xab } } },
	{ "in ax, dx", C("\x66\xed"), 0xffffffffffff1234, 0xffffffffffffabcd,
	  { { IN, 0x10, 2, 1, 0xabcd } } },
	{ "in eax, dx", C("\xed"), ~0ull, 0x89abcdef, { { IN, 0x10, 4, 1, 0x89abcdef } } },
	{ "out dx, eax; out 0x20, al", C("\xef\xe6\x20"), 0x11223344, 0x11223344,
	  { { OUT, 0x10, 4, 1, 0x11223344 }, { OUT, 0x20, 1, 1, 0x44 } } },
	{ "rep insb", C("\xf3\x6c\x89\xc8"), 9, 0, { { IN, 0x10, 1, 3, 0x332211 } }, 0, 0, 0x332211 },
	{ "outsw", C("\x66\x6f"), 0, 0, { { OUT, 0x10, 2, 1, 0xbbaa } }, 0, 0xbbaa, 0xbbaa },
	{ "movs from dev to nowhere faults", C("\x48\x89\xde\x4c\x89\xcf\xa5"), 0, 2,
	  { { MR, DEV, 4, 0, 1 } }, UNMAPPED },
	{ "insb to nowhere faults before the device is read", C("\x4c\x89\xcf\x6c"), 0, 2,
	  { { END, 0, 0, 0, 0 } }, UNMAPPED, .not_kvm = true },
	{ "rep outsb is one exit", C("\xf3\x6e\x89\xc8"), 9, 0,
	  { { OUT, 0x10, 1, 3, 0xccbbaa } }, 0, 0xccbbaa, 0xccbbaa, .not_kvm = true },
	{ "fld [dev] is reported", C("\xd9\x03"), 0, 0, { { EMUL, 0, 0, 0, 0 } } },
};

#define NR_ROWS	(sizeof(rows) / sizeof(rows[0]))

static int dev, vm, vcpu;
static uint8_t *mem;
static struct kvm_run *run;
static size_t run_size;

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put64(uint64_t at, uint64_t v)
{
	memcpy(mem + at, &v, 8);
}

static uint64_t get64(uint64_t at)
{
	uint64_t v;

	memcpy(&v, mem + at, 8);
	return v;
}

static void page_tables(void)
{
	uint64_t i;

	put64(PML4, PDPT | 3);
	put64(PDPT, PD | 3);
	for (i = 0; i < 512; i++)
		put64(PD + i * 8, i << 21 | 0x83);
	/* the second GiB, where the device is, in one entry would need 1 GiB pages */
	put64(PDPT + 8, (PD + 0x8000) | 3);
	for (i = 0; i < 512; i++)
		put64(PD + 0x8000 + i * 8, (0x40000000 + (i << 21)) | 0x83);
}

/* #PF: RAX = error code, then HLT */
static void interrupt_table(void)
{
	put64(IDT + 14 * 16, (HANDLER & 0xffff) | 8 << 16 | 0x8e00ull << 32 |
	      (HANDLER >> 16) << 48);
	put64(IDT + 14 * 16 + 8, 0);
	put64(GDT + 8, 0x00af9b000000ffff);
	put64(GDT + 16, 0x00cf93000000ffff);
	memcpy(mem + HANDLER, "\x58\xf4", 2);
}

static void start(const struct row *r)
{
	struct kvm_segment code = { .limit = ~0u, .selector = 8, .type = 11, .present = 1,
				    .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = ~0u, .selector = 16, .type = 3, .present = 1,
				    .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = {
		.rip = CODE, .rsp = STACK, .rflags = 2, .rax = r->rax, .rbx = DEV, .rcx = 3,
		.rdx = 0x10, .rsi = DATA, .rdi = DATA, .rbp = ROM, .r8 = MEM, .r9 = UNMAPPED,
	};
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_SREGS");
	s.cr0 = 0x80000033;
	s.cr3 = PML4;
	s.cr4 = 0x620;
	s.efer = 0x500;
	s.cs = code;
	s.ds = s.es = s.ss = s.fs = s.gs = data;
	s.gdt.base = GDT;
	s.gdt.limit = 23;
	s.idt.base = IDT;
	s.idt.limit = 0xfff;
	if (ioctl(vcpu, KVM_SET_SREGS, &s) || ioctl(vcpu, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS");
	memset(mem + CODE, 0xf4, 64);
	memcpy(mem + CODE, r->code, r->len);
	put64(DATA, r->data);
	put64(MEM - 8, 0);
}

static void machine(void)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEM };
	struct kvm_userspace_memory_region rom = {
		.slot = 1, .flags = KVM_MEM_READONLY, .guest_phys_addr = ROM, .memory_size = 4096,
	};
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));

	vm = ioctl(dev, KVM_CREATE_VM, 0);
	if (vm < 0 || !c)
		die("KVM_CREATE_VM");
	mem = mmap(NULL, MEM + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	region.userspace_addr = (uintptr_t)mem;
	rom.userspace_addr = (uintptr_t)mem + MEM;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &rom))
		die("KVM_SET_USER_MEMORY_REGION");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		die("KVM_CREATE_VCPU");
	run_size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		die("mmap of kvm_run");
	c->nent = 256;
	if (ioctl(dev, KVM_GET_SUPPORTED_CPUID, c) || ioctl(vcpu, KVM_SET_CPUID2, c))
		die("CPUID");
	free(c);
	page_tables();
	interrupt_table();
}

static void end_machine(void)
{
	munmap(run, run_size);
	close(vcpu);
	close(vm);
	munmap(mem, MEM + 4096);
}

static bool wrong(const char *what, uint64_t got, uint64_t want)
{
	if (got == want)
		return false;
	printf("# %s: %#llx, expected %#llx\n", what, (unsigned long long)got,
	       (unsigned long long)want);
	return true;
}

/* One exit against one expectation; answers a read */
static bool good_exit(const struct access *a)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint64_t v = 0;

	switch (a->kind) {
	case MR:
	case MW:
		if (wrong("exit", run->exit_reason, KVM_EXIT_MMIO) ||
		    wrong("address", run->mmio.phys_addr, a->addr) ||
		    wrong("length", run->mmio.len, a->len) ||
		    wrong("is_write", run->mmio.is_write, a->kind == MW))
			return false;
		if (a->kind == MR) {
			memcpy(run->mmio.data, &a->data, 8);
			return true;
		}
		memcpy(&v, run->mmio.data, a->len);
		return !wrong("data", v, a->data);
	case IN:
	case OUT:
		if (wrong("exit", run->exit_reason, KVM_EXIT_IO) ||
		    wrong("port", run->io.port, a->addr) || wrong("size", run->io.size, a->len) ||
		    wrong("count", run->io.count, a->count) ||
		    wrong("direction", run->io.direction,
			  a->kind == IN ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT))
			return false;
		if (a->kind == IN) {
			memcpy(data, &a->data, a->len * a->count);
			return true;
		}
		memcpy(&v, data, a->len * a->count);
		return !wrong("data", v, a->data);
	case EMUL:
		return !wrong("exit", run->exit_reason, KVM_EXIT_INTERNAL_ERROR) &&
		       !wrong("suberror", run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION) &&
		       !wrong("flags", run->emulation_failure.flags & 1, 1) &&
		       !wrong("first byte", run->emulation_failure.insn_bytes[0], 0xd9);
	default:
		return !wrong("exit", run->exit_reason, KVM_EXIT_HLT);
	}
}

static bool test(const struct row *r)
{
	static const struct access hlt = { HLT, 0, 0, 0, 0 };
	const struct access *a = r->acc;
	struct kvm_regs regs;
	struct kvm_sregs s;
	int status;

	start(r);
	for (;; a++) {
		do
			status = ioctl(vcpu, KVM_RUN, 0);
		while (status < 0 && errno == EINTR);
		if (status < 0) {
			printf("# KVM_RUN: %s\n", strerror(errno));
			return false;
		}
		if (!good_exit(a->kind == END ? &hlt : a))
			return false;
		if (a->kind == END)
			break;
		if (a->kind == EMUL)
			return true;
	}
	if (ioctl(vcpu, KVM_GET_REGS, &regs) || ioctl(vcpu, KVM_GET_SREGS, &s))
		die("KVM_GET_REGS");
	if (wrong("rax", regs.rax, r->want))
		return false;
	if (r->cr2)
		return !wrong("cr2", s.cr2, r->cr2);
	if (wrong("rip", regs.rip, CODE + r->len + 1))
		return false;
	return !(r->data || r->data_want) || !wrong("data", get64(DATA), r->data_want);
}

int main(int argc, char **argv)
{
	const char *device = argc > 1 ? argv[1] : "/dev/vmm";
	unsigned int i, failures = 0;
	bool good, kvm = strstr(device, "kvm");

	setvbuf(stdout, NULL, _IOLBF, 0);
	dev = open(device, O_RDWR | O_CLOEXEC);
	if (dev < 0)
		die(device);
	printf("1..%zu\n", NR_ROWS);
	for (i = 0; i < NR_ROWS; i++) {
		if (kvm && rows[i].not_kvm) {
			printf("ok %u - %s # SKIP KVM differs\n", i + 1, rows[i].name);
			continue;
		}
		machine();
		good = test(&rows[i]);
		end_machine();
		printf("%sok %u - %s\n", good ? "" : "not ", i + 1, rows[i].name);
		failures += !good;
	}
	return failures ? 1 : 0;
}
