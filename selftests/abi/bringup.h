/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's bring-up, see bringup.c. A test is guest code and the host's side of the conversation,
 * side by side in one file, and a row in the table at its end.
 *
 * Guest memory is 4 MiB at 0: tables below CODE, a result page, the code, a stack.
 * Anything above 4 MiB is a device.
 */
#ifndef BRINGUP_H
#define BRINGUP_H

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

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

/* At RESULT; read by guest code through its absolute address. */
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
	bool waits;	/* for the alarm, which comes early */
};

/* A row: its name, the mode it starts in, GUEST() code, the host's side. */
#define TEST(n, m, code_, host_)					\
	.name = (n), .mode = (m), .code = code_##_start, .end = code_##_end, .host = host_

/* The tables; a row without a name ends one. */
extern const struct test bringup_real[];
extern const struct test bringup_system[];
extern const struct test bringup_event[];
extern const struct test bringup_debug[];
extern const struct test bringup_exit[];

extern int dev;
extern struct kvm_cpuid2 *cpuid;	/* what the vCPUs are given */
extern bool amd;			/* the CPU's maker */
extern const struct test *current;
extern char why[256];			/* why it failed or was skipped */
extern bool skipped;

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

/* Where the test's code marked itself with LABEL(n). */
#define LABEL(name, n)	".globl " #name "_l" #n "\n" #name "_l" #n ":\n"
#define DECLARE_LABEL(name, n)	extern const char name##_l##n[]
#define HERE(name, n)	guest_address(name##_l##n)

/* ---- the host's side ------------------------------------------------------------- */

#define CHECK(cond, ...)	do { if (!(cond)) return fail(__VA_ARGS__); } while (0)
#define EQUAL(a, b)	do {							\
		unsigned long long a_ = (a), b_ = (b);				\
		if (a_ != b_)							\
			return fail("%s:%d: " #a " is %#llx, expected %#llx",	\
				    __FILE__, __LINE__, a_, b_);			\
	} while (0)

/** fail() - say why the test failed. Return: false */
bool fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** skip() - say why the test does not apply here. Return: true */
bool skip(const char *reason);

/** xioctl() - an ioctl that must succeed, or be interrupted: anything else ends the program */
int xioctl(int fd, unsigned long request, void *arg);

/** guest_address() - where @label of the current test's code is in the guest */
uint64_t guest_address(const char *label);

/** vm_create() - a VM with one vCPU, about to run @t's code in @t's mode */
void vm_create(struct vm *vm, const struct test *t);

/** vm_destroy() - free what vm_create() made */
void vm_destroy(struct vm *vm);

/*
 * Run the vCPU, once. False, having said why, when KVM_RUN failed or ended otherwise than asked
 * for: by that exit reason, by HLT, by that port access of @count units of @size bytes, by that
 * access to a device.
 */
bool run(struct vm *vm);
bool until(struct vm *vm, unsigned int reason);
bool until_hlt(struct vm *vm);
bool until_io(struct vm *vm, bool out, uint16_t port, uint8_t size, uint32_t count);
bool until_mmio(struct vm *vm, bool write, uint64_t gpa, uint32_t len);

/** io_data() - where kvm_run holds the data of the port access */
void *io_data(struct vm *vm);

#endif /* BRINGUP_H */
