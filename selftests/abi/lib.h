/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the ABI tests share: rows, answers, VMs, and guests written in C.
 *
 * A guest in long mode runs functions of the test program itself: the program is
 * linked at a fixed address, and its image is a memory slot at that same address in
 * the guest, identity-mapped. So guest and host share code and global variables.
 * Guest code calls nothing of libc and touches no thread-local variable (no errno).
 *
 * A row is a function run in a child process. It ends by returning (passed), with
 * fail() or with skip(). What it tells answer() has to be the same on every module
 * that speaks KVM's ABI; compare.c holds two modules' answers against each other.
 */
#ifndef ABI_LIB_H
#define ABI_LIB_H

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Guest-physical layout of the first slot. */
#define LOW_SIZE	0x200000ul
#define GDT		0x1000ul
#define IDT		0x2000ul
#define TSS		0x3000ul
#define CODE		0x8000ul	/* code copied for real and protected mode */
#define PML4		0x10000ul
#define PDPT		0x11000ul
#define PDS		0x12000ul	/* MAPPED_GIB page directories */
#define STACKS		0x40000ul	/* one of STACK_SIZE per vCPU, growing down from its end */
#define STACK_SIZE	0x8000ul
#define SCRATCH		0x100000ul	/* 1 MiB for the row */
#define IMAGE		0x400000ul	/* the program */
#define MMIO		0x10000000ul	/* nothing is there */
#define MAPPED_GIB	8		/* identity-mapped with 2 MiB pages */

#define CODE32		0x08
#define DATA		0x10
#define CODE64		0x18
#define CODE64_USER	0x2b
#define DATA_USER	0x33
#define TSS_SEL		0x38

#define MAX_VCPUS	16
#define SYNC_PORT	0x600
#define DONE		0xd0e		/* what a guest function that returned syncs */
#define OOPS		0xdead0000u	/* | vector: an exception nobody asked for */

struct row {
	const char *name;
	void (*run)(void);
};

extern const struct row system_rows[], state_rows[], memory_rows[], irq_rows[], guest_rows[],
			pv_rows[], pv_apf_rows[], host_rows[], optin_rows[], more_rows[], mmio_rows[],
			many_rows[], race_rows[];

/* ---- rows ---------------------------------------------------------------------- */

extern const char *device;
extern int dev;			/* the device, open */
extern bool on_kvm, amd, tcg;	/* tcg: this host runs in QEMU's emulator */
extern int row_seconds;		/* a row's time limit */
void identify(void);		/* sets amd and tcg; run_rows() calls it */

void answer(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Answer with what a system call returned: its value, or the errno's name. */
long ask(const char *key, long result);
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void skip(const char *why) __attribute__((noreturn));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *errno_name(int err);

/*
 * Run rows, each in a child with a time limit. Returns the exit status.
 * answers: a file to append answers to, or NULL. only: part of the names to run, or NULL.
 */
int run_rows(const struct row *const *tables, const char *answers, const char *only);

#define CHECK(cond)		do { if (!(cond)) fail("line %d: %s", __LINE__, #cond); } while (0)
#define EQUAL(a, b)	do {							\
		unsigned long long a_ = (a), b_ = (b);				\
		if (a_ != b_)							\
			fail("%s:%d: " #a " is %#llx, expected %#llx",		\
			     __FILE__, __LINE__, a_, b_);			\
	} while (0)
/* An ioctl that must succeed. */
#define MUST(call)	({							\
		long r_ = (call);						\
		if (r_ < 0)							\
			fail("%s:%d: %s: %s", __FILE__, __LINE__, #call,	\
			     errno_name(errno));				\
		r_;								\
	})
#define REFUSED(call, err)	do {						\
		long r_ = (call);						\
		if (r_ >= 0)							\
			fail("%s:%d: " #call " is %ld, expected " #err,		\
			     __FILE__, __LINE__, r_);				\
		if (errno != (err))						\
			fail("%s:%d: " #call ": %s, expected " #err,		\
			     __FILE__, __LINE__, errno_name(errno));		\
	} while (0)

/* ---- VMs ------------------------------------------------------------------------- */

struct vm {
	int fd, nr_vcpus;
	int vcpu[MAX_VCPUS];
	struct kvm_run *run[MAX_VCPUS];
	size_t run_size;
	uint8_t *low;
	bool irqchip;
};

#define WITH_IRQCHIP	1
#define WITH_PIT	2
#define NO_VCPU		4

struct vm *vm_new(unsigned int flags);
int vm_add_vcpu(struct vm *vm);
int vm_add_vcpu_id(struct vm *vm, unsigned int id);
void vm_free(struct vm *vm);
/* Returns the ioctl's result. */
int vm_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size, void *hva);
void *map_memory(size_t size);
struct kvm_cpuid2 *supported_cpuid(void);
const struct kvm_cpuid_entry2 *cpuid_leaf(uint32_t function, uint32_t index);
void set_msr(struct vm *vm, int i, uint32_t index, uint64_t value);
uint64_t get_msr(struct vm *vm, int i, uint32_t index);
/* A statistic of a VM or a vCPU by its name; ~0: there is none. */
uint64_t stat_value(int vcpu_or_vm, const char *name);

enum mode { REAL, PROTECTED, LONG };

/* Set vCPU i up in mode to run at rip with a fresh stack. */
void vcpu_start(struct vm *vm, int i, enum mode mode, uint64_t rip);
/* ... a C function, in long mode */
void vcpu_call(struct vm *vm, int i, void (*function)(void));
/* ... code copied to CODE */
void vcpu_code(struct vm *vm, int i, enum mode mode, const char *start, const char *end);

/* KVM_RUN until something else than EINTR; fails unless the exit is this one. */
void run_until(struct vm *vm, int i, uint32_t reason);
/* Run until the guest syncs; returns its value. */
uint32_t run_sync(struct vm *vm, int i);
void expect_sync(struct vm *vm, int i, uint32_t value);
const char *exit_name(uint32_t reason);
void describe_exit(struct vm *vm, int i);

static inline void *io_data(struct vm *vm, int i)
{
	return (char *)vm->run[i] + vm->run[i]->io.data_offset;
}

/* ---- guest code -------------------------------------------------------------------- */

struct frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rdx, rcx, rbx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* What the guest's exception and interrupt handler saw last, and what it is to do. */
struct guest {
	uint64_t vector, error, rip, rflags, cr2, dr6;
	uint64_t fixup;			/* where to go on after the next exception, once */
	uint64_t count[256];
	uint64_t pass[4];		/* bitmap of exceptions to return from */
	void (*irq)(struct frame *f);	/* vectors from 32 up */
	uint64_t v[64];			/* results */
};

extern volatile struct guest guest;

/* Raw machine code of another mode; labels must be relative: see AT. */
#define RAW_GUEST(name, bits, body)					\
	extern const char name##_start[], name##_end[];			\
	asm(".pushsection .rodata\n.code" #bits "\n"			\
	    #name "_start:\n" body "\n" #name "_end:\n.code64\n.popsection\n")
#define STR2(x)			#x
#define STR(x)			STR2(x)
#define AT(name, label)		"(" #label " - " #name "_start + 0x8000)"

/* Run one instruction that may fault; the value is its vector, or ~0. */
#define TRY(insn, operands...)	({						\
		guest.vector = ~0ull;						\
		asm volatile("movq $77f, %[fixup_]\n" insn "\n77:"		\
			     : [fixup_] "=m" (guest.fixup) operands);		\
		guest.fixup = 0;						\
		guest.vector;							\
	})

static inline void sync_host(uint32_t value)
{
	asm volatile("outl %0, %1" : : "a" (value), "d" ((uint16_t)SYNC_PORT) : "memory");
}

static inline void g_outb(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a" (v), "d" (port) : "memory");
}

static inline uint8_t g_inb(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a" (v) : "d" (port) : "memory");
	return v;
}

static inline uint64_t g_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a" (lo), "=d" (hi) : "c" (msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void g_wrmsr(uint32_t msr, uint64_t v)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((uint32_t)v), "d" ((uint32_t)(v >> 32))
		     : "memory");
}

static inline uint64_t g_rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a" (lo), "=d" (hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/*
 * For guests that never exit by themselves: Debian's Bochs leaves a guest whose IF is clear
 * for no interrupt of the host's, and the host's other threads would starve.
 */
static inline void guest_spins(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void g_halt(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline uint32_t lapic_read(uint32_t reg)
{
	return *(volatile uint32_t *)(0xfee00000ul + reg);
}

static inline void lapic_write(uint32_t reg, uint32_t v)
{
	*(volatile uint32_t *)(0xfee00000ul + reg) = v;
}

static inline uint64_t g_peek(uint64_t gpa)
{
	return *(volatile uint64_t *)gpa;
}

static inline void g_poke(uint64_t gpa, uint64_t v)
{
	*(volatile uint64_t *)gpa = v;
}

#endif /* ABI_LIB_H */
