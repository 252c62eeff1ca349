// SPDX-License-Identifier: GPL-2.0-only
/*
 * ABI tests: what the emulator owes to other vCPUs. A LOCKed instruction that is emulated
 * is atomic, and one that is rewritten meanwhile is done as it was or as it is, never as a
 * mixture.
 *
 * To have plain memory accessed by emulation: the page directory behind ALIAS lies in a
 * read-only slot. A CPU that keeps accessed bits looks at guest tables as if it wrote to
 * them (APM 15.25.5, SDM 29.3.3.2), so each access through ALIAS exits, and since nothing
 * can be mapped for it, is emulated. The entry's accessed and dirty bits are set, and the
 * emulator walks without writing.
 */
#include <pthread.h>

#include "lib.h"

#define ALIAS		((uint64_t)MAPPED_GIB << 30)
#define TABLE		0x20000000ul
#define ROUNDS		1000u
#define LINE		64

struct tally {
	uint64_t inc, xadd, cas, cas8, swap;
	uint32_t add;
	uint8_t bytes[4];
	uint8_t bits[(ROUNDS + 63) / 64 * 8];
};

/* In the middle of a page: the emulator must not take the exit's address for this one. */
#define TALLY		(SCRATCH + 0x800)
#define STRADDLING	(SCRATCH + 0x1000 - LINE - 3)

static uint64_t second_base;		/* ALIAS, or 0: that vCPU does without emulation */
static volatile uint32_t ready;
static volatile uint64_t olds[2], wins[2], put[2], took[2];

static struct vm *alias_vm(void)
{
	struct vm *vm = vm_new(0);
	uint64_t *table = map_memory(4096);

	table[0] = 0xe7;		/* 2 MiB at 0: dirty, accessed, user, writable */
	MUST(vm_slot(vm, 5, KVM_MEM_READONLY, TABLE, 4096, table));
	*(uint64_t *)(vm->low + PDPT + MAPPED_GIB * 8) = TABLE | 0x27;
	vm_add_vcpu(vm);
	return vm;
}

static void *run_second(void *arg)
{
	expect_sync(arg, 1, DONE);
	return NULL;
}

/* Returns how many instructions of vCPU 0 were emulated. */
static uint64_t run_both(struct vm *vm, void (*first)(void), void (*second)(void))
{
	uint64_t before = stat_value(vm->vcpu[0], "insn_emulation");
	pthread_t thread;

	vcpu_call(vm, 0, first);
	vcpu_call(vm, 1, second);
	CHECK(!pthread_create(&thread, NULL, run_second, vm));
	expect_sync(vm, 0, DONE);
	pthread_join(thread, NULL);
	return stat_value(vm->vcpu[0], "insn_emulation") - before;
}

static void meet(void)
{
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (ready < 2)
		asm volatile("pause");
}

static bool cas8(volatile uint64_t *p, uint64_t old, uint64_t new)
{
	uint32_t lo = old, hi = old >> 32;
	bool done;

	asm volatile("lock cmpxchg8b %1"
		     : "=@ccz" (done), "+m" (*p), "+a" (lo), "+d" (hi)
		     : "b" ((uint32_t)new), "c" ((uint32_t)(new >> 32)) : "memory");
	return done;
}

#define LOCKED_PER_ROUND	9

static void count_up(unsigned int me, uint64_t base)
{
	volatile struct tally *t = (void *)(base + TALLY);
	volatile uint64_t *straddling = (void *)(base + STRADDLING);
	uint64_t i, old;
	bool was;

	meet();
	for (i = 0; i < ROUNDS; i++) {
		asm volatile("lock incq %0" : "+m" (t->inc));
		asm volatile("lock addl $3, %0" : "+m" (t->add));
		old = 1;
		asm volatile("lock xaddq %0, %1" : "+r" (old), "+m" (t->xadd));
		olds[me] += old;
		do {
			old = t->cas;
		} while (!__sync_bool_compare_and_swap(&t->cas, old, old + 1));
		do {
			old = t->cas8;
		} while (!cas8(&t->cas8, old, old + 1));
		/* Both set each bit: one of them finds it clear. */
		asm volatile("lock btsq %2, %1" : "=@ccc" (was), "+m" (t->bits) : "r" (i));
		wins[me] += !was;
		/* What is put in is taken out once. */
		old = (uint64_t)me << 32 | (i + 1);
		put[me] += old;
		asm volatile("xchgq %0, %1" : "+r" (old), "+m" (t->swap));
		took[me] += old;
		/* Neighbours in a word */
		asm volatile("lock incb %0" : "+m" (t->bytes[me]));
		asm volatile("lock incq %0" : "+m" (*straddling));
	}
}

static void count_first(void)
{
	count_up(0, ALIAS);
}

static void count_second(void)
{
	count_up(1, second_base);
}

static void check_counts(uint64_t base)
{
	struct vm *vm = alias_vm();
	struct tally *t = (void *)(vm->low + TALLY);
	const uint64_t n = 2 * ROUNDS;
	uint64_t straddling, emulated, i;

	second_base = base;
	emulated = run_both(vm, count_first, count_second);
	EQUAL(t->inc, n);
	EQUAL(t->add, 3 * n);
	EQUAL(t->xadd, n);
	EQUAL(olds[0] + olds[1], n * (n - 1) / 2);	/* 0 to n - 1, each once */
	EQUAL(t->cas, n);
	EQUAL(t->cas8, n);
	EQUAL(wins[0] + wins[1], ROUNDS);
	for (i = 0; i < ROUNDS; i++)
		CHECK(t->bits[i / 8] & 1 << i % 8);
	EQUAL(put[0] + put[1], took[0] + took[1] + t->swap);
	EQUAL(t->bytes[0], ROUNDS & 0xff);
	EQUAL(t->bytes[1], ROUNDS & 0xff);
	memcpy(&straddling, vm->low + STRADDLING, 8);
	EQUAL(straddling, n);
	if (emulated < ROUNDS * LOCKED_PER_ROUND)
		skip("this CPU does not keep accessed bits in guest tables");
}

static void both_emulated(void)
{
	check_counts(ALIAS);
}

static void one_emulated(void)
{
	check_counts(0);
}

/* ---- code that changes ------------------------------------------------------------------------ */

/*
 * MOV, ADD with another immediate, INC, of (%rbx), then RET. Each goes on behind its opcode
 * and ModRM or behind four bytes more, which are NOPs or exchanges of RAX and RCX, whatever
 * the other vCPU has put there meanwhile.
 */
static const uint8_t variants[3][8] = {
	{ 0x48, 0xc7, 0x03, 0x90, 0x90, 0x90, 0x90, 0xc3 },
	{ 0x48, 0x81, 0x03, 0x91, 0x91, 0x91, 0x91, 0xc3 },
	{ 0x48, 0xff, 0x03, 0x90, 0x90, 0x90, 0x90, 0xc3 },
};

#define BEFORE		0x44444444ull
#define TRIALS		3000u

static const uint64_t outcomes[3] = {
	0xffffffff90909090, BEFORE + 0xffffffff91919191, BEFORE + 1,
};

static volatile uint64_t saw[4], mixture;
static volatile bool stop;

static void execute(void)
{
	volatile uint64_t *cell = (void *)TALLY;
	unsigned int i, k;

	meet();
	for (i = 0; i < TRIALS; i++) {
		*cell = BEFORE;
		asm volatile("call *%0" : : "r" (CODE), "b" (ALIAS + TALLY)
			     : "rax", "rcx", "memory", "cc");
		for (k = 0; k < 3 && *cell != outcomes[k]; k++)
			;
		saw[k]++;
		if (k == 3)
			mixture = *cell;
	}
	stop = true;
}

static void rewrite(void)
{
	volatile uint64_t *code = (void *)CODE;
	uint64_t word;
	unsigned int k;

	meet();
	for (k = 0; !stop; k = (k + 1) % 3) {
		memcpy(&word, variants[k], 8);
		*code = word;
	}
}

static void rewritten(void)
{
	struct vm *vm = alias_vm();
	uint64_t emulated;

	memcpy(vm->low + CODE, variants[0], 8);
	emulated = run_both(vm, execute, rewrite);
	note("MOV %u, ADD %u, INC %u times", (int)saw[0], (int)saw[1], (int)saw[2]);
	if (saw[3])
		fail("%u mixtures, %#llx for one", (int)saw[3], (unsigned long long)mixture);
	if (emulated < TRIALS)
		skip("this CPU does not keep accessed bits in guest tables");
}

/* While user space answers for a device, the instruction becomes another. It is done as it was. */
static void rewritten_in_exit(void)
{
	static const struct {
		const char *name;
		uint8_t code[8];	/* an instruction and NOPs */
		uint64_t rax;		/* afterwards */
		int writes;		/* to the device, or -1 */
	} reads[] = {
		{ "ADD", { 0x48, 0x03, 0x03, 0x90, 0x90, 0x90, 0x90, 0x90 }, 107, -1 },
		{ "MOV", { 0x48, 0x8b, 0x03, 0x90, 0x90, 0x90, 0x90, 0x90 }, 7, -1 },
		{ "XCHG", { 0x48, 0x87, 0x03, 0x90, 0x90, 0x90, 0x90, 0x90 }, 7, 100 },
		{ "XADD", { 0x48, 0x0f, 0xc1, 0x03, 0x90, 0x90, 0x90, 0x90 }, 7, 107 },
		{ "LOCK XADD", { 0xf0, 0x48, 0x0f, 0xc1, 0x03, 0x90, 0x90, 0x90 }, 7, 107 },
	};
	static const uint8_t dec_rax[8] = { 0x48, 0xff, 0xc8, 0x90, 0x90, 0x90, 0x90, 0x90 };
	static const uint8_t tail[4] = { 0x48, 0x89, 0xc6, 0xc3 };	/* mov %rax, %rsi; ret */
	struct vm *vm = vm_new(0);
	struct kvm_run *run = vm->run[0];
	struct kvm_regs regs;
	unsigned int i;

	memcpy(vm->low + CODE + 8, tail, 4);
	for (i = 0; i < ARRAY_SIZE(reads); i++) {
		int written = -1;

		memcpy(vm->low + CODE, reads[i].code, 8);
		vcpu_start(vm, 0, LONG, CODE);
		MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
		regs.rax = 100;
		regs.rbx = MMIO;
		MUST(ioctl(vm->vcpu[0], KVM_SET_REGS, &regs));
		run_until(vm, 0, KVM_EXIT_MMIO);
		EQUAL(run->mmio.is_write, 0);
		memcpy(vm->low + CODE, dec_rax, 8);
		memset(run->mmio.data, 0, 8);
		run->mmio.data[0] = 7;
		MUST(ioctl(vm->vcpu[0], KVM_RUN, 0));
		if (run->exit_reason == KVM_EXIT_MMIO) {
			EQUAL(run->mmio.is_write, 1);
			written = run->mmio.data[0];
			MUST(ioctl(vm->vcpu[0], KVM_RUN, 0));
		}
		EQUAL(run->exit_reason, KVM_EXIT_IO);
		MUST(ioctl(vm->vcpu[0], KVM_GET_REGS, &regs));
		if (regs.rsi != reads[i].rax || written != reads[i].writes)
			fail("%s: RAX %llu, %d written", reads[i].name, regs.rsi, written);
	}
}

const struct row race_rows[] = {
	{ "race: LOCKed instructions that two vCPUs emulate add up", both_emulated },
	{ "race: LOCKed instructions, emulated here and run there, add up", one_emulated },
	{ "race: an instruction rewritten while it is emulated", rewritten },
	{ "race: an instruction rewritten while user space serves it", rewritten_in_exit },
	{ NULL, NULL }
};
