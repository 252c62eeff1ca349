// SPDX-License-Identifier: GPL-2.0-only
/*
 * Running an instruction natively, with given registers: code at CODE loads all registers from
 * *cpu, executes the instruction, and stores all registers back. A signal (#DE, #GP, #UD) resumes
 * at the storing part.
 */
#define _GNU_SOURCE
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include "../../kmod/emul/emul.h"
#include "emul_native.h"

static u8 *const code = (u8 *)CODE;
volatile int signal_seen;
u64 resume_at;
bool have_avx;

void on_signal(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)si;
	signal_seen = sig;
	uc->uc_mcontext.gregs[REG_RIP] = (long long)resume_at;
}

void map_at(unsigned long addr, unsigned long len, int prot)
{
	void *p = mmap((void *)addr, len, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	ck_assert_msg(p == (void *)addr, "cannot map %#lx", addr);
}

void catch_signals(void (*handler)(int sig, siginfo_t *si, void *ctx))
{
	static const int signals[] = { SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_size = 1 << 16 };
	unsigned int i;

	ss.ss_sp = malloc(ss.ss_size);
	sigaltstack(&ss, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

void emul_native_setup(void)
{
	map_at(CODE, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_at(STATE, 4096, PROT_READ | PROT_WRITE);
	map_at(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
	catch_signals(on_signal);
	have_avx = __builtin_cpu_supports("avx");
}

bool cpu_has(const char *feature)
{
	static char flags[8192];
	char *p, word[64];
	FILE *f;

	if (!feature)
		return true;
	if (!flags[0]) {
		f = fopen("/proc/cpuinfo", "r");
		while (f && fgets(flags, sizeof(flags), f) && strncmp(flags, "flags", 5))
			;
		if (f)
			fclose(f);
		p = strchr(flags, '\n');
		if (p)
			*p = ' ';
	}
	snprintf(word, sizeof(word), " %s ", feature);
	return strstr(flags, word) != NULL;
}

struct emitter {
	u8 *p;
};

static void emit(struct emitter *em, const void *bytes, unsigned int n)
{
	memcpy(em->p, bytes, n);
	em->p += n;
}

static void emit_abs(struct emitter *em, u64 addr)
{
	u32 a = (u32)addr;

	emit(em, &a, 4);
}

/* MOV between a register and [addr], 64 bits */
static void emit_mov(struct emitter *em, bool store, unsigned int reg, u64 addr)
{
	u8 b[] = { 0x48 | (reg >> 3) << 2, store ? 0x89 : 0x8b, 0x04 | (reg & 7) << 3, 0x25 };

	emit(em, b, 4);
	emit_abs(em, addr);
}

static void emit_ymm(struct emitter *em, bool store, unsigned int reg)
{
	u8 b[] = { 0xc5, reg < 8 ? 0xfe : 0x7e, store ? 0x7f : 0x6f, 0x04 | (reg & 7) << 3, 0x25 };

	emit(em, b, 5);
	emit_abs(em, STATE + offsetof(struct cpu_state, ymm) + reg * 32);
}

static void emit_mmx(struct emitter *em, bool store, unsigned int reg)
{
	u8 b[] = { 0x0f, store ? 0x7f : 0x6f, 0x04 | reg << 3, 0x25 };

	emit(em, b, 4);
	emit_abs(em, STATE + offsetof(struct cpu_state, mmx) + reg * 8);
}

#define AT(field)	(STATE + offsetof(struct cpu_state, field))

u64 build(const u8 *insn, unsigned int len, u32 opts)
{
	static const u8 save[] = { 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x9c };
	static const u8 restore[] = { 0x9d, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d,
				      0x5b, 0xfc, 0xc3 };
	struct emitter em = { code };
	unsigned int i;
	u8 b[16];
	u64 at;

	emit(&em, save, sizeof(save));
	emit_mov(&em, true, EMUL_RSP, AT(host_rsp));
	if (opts & O_VEC)
		for (i = 0; i < 16; i++)
			emit_ymm(&em, false, i);
	if (opts & O_MMX)
		for (i = 0; i < 8; i++)
			emit_mmx(&em, false, i);
	/* pushq [rflags]; popfq */
	emit(&em, "\xff\x34\x25", 3);
	emit_abs(&em, AT(rflags));
	emit(&em, "\x9d", 1);
	for (i = 0; i < 16; i++)
		emit_mov(&em, false, i, AT(gpr) + i * 8);
	at = (u64)em.p;
	emit(&em, insn, len);
	if (opts & O_JCC) {
		/* movb $1, [marker]; jmp +8; movb $2, [marker] */
		emit(&em, "\xc6\x04\x25", 3);
		emit_abs(&em, AT(marker));
		emit(&em, "\x01\xeb\x08\xc6\x04\x25", 6);
		emit_abs(&em, AT(marker));
		emit(&em, "\x02", 1);
	}
	resume_at = (u64)em.p;
	for (i = 0; i < 16; i++)
		emit_mov(&em, true, i, AT(gpr) + i * 8);
	emit_mov(&em, false, EMUL_RSP, AT(host_rsp));
	/* pushfq; popq [rflags] */
	emit(&em, "\x9c\x8f\x04\x25", 4);
	emit_abs(&em, AT(rflags));
	if (opts & O_VEC) {
		for (i = 0; i < 16; i++)
			emit_ymm(&em, true, i);
		emit(&em, "\xc5\xf8\x77", 3);	/* vzeroupper */
	}
	if (opts & O_MMX) {
		for (i = 0; i < 8; i++)
			emit_mmx(&em, true, i);
		emit(&em, "\x0f\x77", 2);	/* emms */
	}
	memcpy(b, restore, sizeof(restore));
	emit(&em, restore, sizeof(restore));
	return at;
}
